/* See mmr.h. Each pick is compared with the candidates that are left once, and what each is most like among the picked
 * is kept: limit x candidates similarities in all, and no matrix. */
#include "collection/mmr.h"

#include <math.h>

#include "base/deadline.h"
#include "collection/scorer.h"

/* What is known of the candidates that are left, in parallel arrays; the picked one's place is taken by the last. */
typedef struct pending {
    size_t        count;
    query_hit    *hits;
    const float **vectors;
    scorer_span  *spans; /* into candidates->vectors; NULL: not multi */
    sparse_vector *sparse; /* NULL: not sparse */
    float        *to_target;
    float        *to_picked; /* the largest; -infinity before the first pick */
} pending;

/* Similarities of a target with all that are left. */
static void
compare(const mmr_candidates *candidates, const float *target, size_t target_rows, const pending *left, float *out)
{
    if (left->sparse != NULL)
        scorer_sparse_similarities(&candidates->sparse_target, left->sparse, left->count, out);
    else if (left->spans != NULL)
        scorer_maxsims(candidates->distance, target, target_rows, candidates->vectors, left->spans, left->count,
                       candidates->dim, out);
    else
        scorer_similarities(candidates->distance, target, left->vectors, left->count, candidates->dim, out);
}

static oct_status
pending_new(const mmr_candidates *candidates, const float *target, arena *memory, pending *out,
            oct_error *error)
{
    const size_t count = candidates->hits->count;

    *out = (pending){.count = count,
                     .hits = arena_array(memory, count + 1, sizeof(query_hit)),
                     .vectors = arena_array(memory, count + 1, sizeof(float *)),
                     .to_target = arena_array(memory, count + 1, sizeof(float)),
                     .to_picked = arena_array(memory, count + 1, sizeof(float))};
    if (candidates->spans != NULL)
        out->spans = arena_array(memory, count + 1, sizeof *out->spans);
    if (candidates->sparse != NULL)
        out->sparse = arena_array(memory, count + 1, sizeof *out->sparse);
    if (out->hits == NULL || out->vectors == NULL || out->to_target == NULL || out->to_picked == NULL ||
        (out->spans == NULL) != (candidates->spans == NULL) || (out->sparse == NULL) != (candidates->sparse == NULL))
        return oct_fail_memory(error, count * sizeof(query_hit));
    for (size_t i = 0; i < count; i++) {
        out->hits[i] = candidates->hits->items[i];
        if (out->sparse != NULL)
            out->sparse[i] = candidates->sparse[i];
        else if (out->spans != NULL)
            out->spans[i] = candidates->spans[i];
        else
            out->vectors[i] = candidates->vectors[i];
        out->to_picked[i] = -INFINITY;
    }
    compare(candidates, target, candidates->target_rows, out, out->to_target);
    return OCT_OK;
}

static double
worth(const pending *self, size_t at, double diversity, bool first)
{
    if (first)
        return (double)self->to_target[at];
    return (1.0 - diversity) * (double)self->to_target[at] - diversity * (double)self->to_picked[at];
}

static size_t
best_of(const pending *self, double diversity, bool first, const point_set *points)
{
    double most = worth(self, 0, diversity, first);
    size_t best = 0;

    for (size_t i = 1; i < self->count; i++) {
        const double value = worth(self, i, diversity, first);

        if (value > most || (value == most && id_compare(points_id(points, self->hits[i].point),
                                                         points_id(points, self->hits[best].point)) < 0)) {
            most = value;
            best = i;
        }
    }
    return best;
}

static void
drop(pending *self, size_t at)
{
    const size_t last = --self->count;

    self->hits[at] = self->hits[last];
    self->vectors[at] = self->vectors[last];
    if (self->spans != NULL)
        self->spans[at] = self->spans[last];
    if (self->sparse != NULL)
        self->sparse[at] = self->sparse[last];
    self->to_target[at] = self->to_target[last];
    self->to_picked[at] = self->to_picked[last];
}

/* Of what is left with the one just picked. Of multivectors each that is left is the example: MaxSim has a direction. */
static void
compare_picked(const mmr_candidates *candidates, const float *picked, const scorer_span *span, const pending *left,
               float *out)
{
    if (left->spans == NULL) {
        scorer_similarities(candidates->distance, picked, left->vectors, left->count, candidates->dim, out);
        return;
    }
    for (size_t i = 0; i < left->count; i++)
        scorer_maxsims(candidates->distance, candidates->vectors[left->spans[i].first], left->spans[i].count,
                       candidates->vectors, span, 1, candidates->dim, &out[i]);
}

oct_status
mmr_pick(const mmr_candidates *candidates, const float *target, double diversity, size_t limit,
         const point_set *points, arena *memory, hit_list *out, oct_error *error)
{
    float     *similarities = arena_array(memory, candidates->hits->count + 1, sizeof *similarities);
    pending    left;
    oct_status status;

    limit = size_min(limit, candidates->hits->count);
    *out = (hit_list){arena_array(memory, limit + 1, sizeof(query_hit)), 0};
    if (similarities == NULL || out->items == NULL)
        return oct_fail_memory(error, limit * sizeof(query_hit));
    status = pending_new(candidates, target, memory, &left, error);
    while (status == OCT_OK && out->count < limit) {
        const size_t best = best_of(&left, diversity, out->count == 0, points);
        const float      *picked = left.vectors[best];
        const scorer_span span = left.spans == NULL ? (scorer_span){0} : left.spans[best];
        const sparse_vector picked_sparse = left.sparse == NULL ? (sparse_vector){0} : left.sparse[best];

        out->items[out->count++] = left.hits[best];
        drop(&left, best);
        if (out->count == limit)
            break;
        status = deadline_check(error);
        if (left.sparse != NULL)
            scorer_sparse_similarities(&picked_sparse, left.sparse, left.count, similarities);
        else
            compare_picked(candidates, picked, &span, &left, similarities);
        for (size_t i = 0; i < left.count; i++)
            left.to_picked[i] = similarities[i] > left.to_picked[i] ? similarities[i] : left.to_picked[i];
    }
    return status;
}
