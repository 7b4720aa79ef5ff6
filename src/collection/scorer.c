/* See scorer.h. Examples come one after the other over a few vectors, so that those are read from memory once. */
#include "collection/scorer.h"

#include <float.h>

#include "kernel/kernel.h"

#define CONTEXT_EPSILON 0x1p-23f

/* Similarities to rows of whichever kind. */
static void
similarities_of(const scorer_rows *kind, oct_distance distance, const float *target, const void *const *vectors,
                size_t count, size_t dim, float *out)
{
    const kernel_table *table = kernel();
    const float *const *wide = (const float *const *)vectors;

    switch (distance) {
    case OCT_COSINE:
    case OCT_DOT:
        if (kind->is_narrow)
            table->dot_narrow[kind->kind](target, vectors, count, dim, out);
        else
            table->dot_f32_many(target, wide, count, dim, out);
        return;
    case OCT_EUCLID:
        if (kind->is_narrow)
            table->l2sq_narrow[kind->kind](target, vectors, count, dim, out);
        else
            table->l2sq_f32_many(target, wide, count, dim, out);
        break;
    case OCT_MANHATTAN:
        if (kind->is_narrow)
            table->l1_narrow[kind->kind](target, vectors, count, dim, out);
        else
            table->l1_f32_many(target, wide, count, dim, out);
        break;
    }
    for (size_t i = 0; i < count; i++)
        out[i] = -out[i];
}

static const scorer_rows floats = {.is_narrow = false};

void
scorer_similarities(oct_distance distance, const float *target, const float *const *vectors, size_t count,
                    size_t dim, float *out)
{
    similarities_of(&floats, distance, target, (const void *const *)vectors, count, dim, out);
}

float
scorer_similarity(oct_distance distance, const float *a, const float *b, size_t dim)
{
    float out;

    scorer_similarities(distance, a, &b, 1, dim, &out);
    return out;
}

float
scorer_shown(oct_distance distance, float similarity)
{
    switch (distance) {
    case OCT_COSINE:
    case OCT_DOT:
        break;
    case OCT_EUCLID:
        return sqrtf(0.0f - similarity);
    case OCT_MANHATTAN:
        return 0.0f - similarity;
    }
    return 0.0f + similarity; /* a score of zero has no sign */
}

static float
squash(float x)
{
    return isinf(x) ? x : x / (1.0f + fabsf(x));
}

static float
half(float x)
{
    return 0.5f * (squash(x) + 1.0f);
}

/* What is scored: vectors, or, with spans, multivectors; or sparse ones. */
typedef struct scored {
    const void *const   *rows;
    const scorer_span   *spans;
    const sparse_vector *sparse;
} scored;

#define TARGET_ROWS 32u /* of a target at a time: 16 KiB at 128 floats, so that they and a chunk stay in L2 */

/* Each chunk of a multivector's rows meets a group of the target's rows while it is in the cache. */
static float
maxsim(const scorer_rows *kind, oct_distance distance, const float *target, size_t target_rows,
       const void *const *span_rows, size_t count, size_t dim)
{
    double sum = 0;

    for (size_t group = 0; group < target_rows; group += TARGET_ROWS) {
        const size_t group_rows = size_min(TARGET_ROWS, target_rows - group);
        float        best[TARGET_ROWS];

        for (size_t q = 0; q < group_rows; q++)
            best[q] = -INFINITY;
        for (size_t first = 0; first < count; first += SCORER_ROWS_MAX) {
            const size_t some = size_min(SCORER_ROWS_MAX, count - first);
            float        similarities[SCORER_ROWS_MAX];

            for (size_t q = 0; q < group_rows; q++) {
                similarities_of(kind, distance, target + (group + q) * dim, span_rows + first, some, dim, similarities);
                for (size_t i = 0; i < some; i++)
                    best[q] = similarities[i] > best[q] ? similarities[i] : best[q];
            }
        }
        for (size_t q = 0; q < group_rows; q++)
            sum += (double)best[q];
    }
    return (float)sum;
}

void
scorer_maxsims(oct_distance distance, const float *target, size_t target_rows, const float *const *span_rows,
               const scorer_span *spans, size_t count, size_t dim, float *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = maxsim(&floats, distance, target, target_rows, (const void *const *)span_rows + spans[i].first,
                        spans[i].count, dim);
}

/* Similarities to example number `example`. */
static void
compare(const scorer *self, size_t example, const scored *vectors, size_t count, float *out)
{
    const size_t first = self->example_ends == NULL || example == 0 ? example : self->example_ends[example - 1];
    const float *target;

    if (self->sparse != NULL) {
        scorer_sparse_similarities(&self->sparse[example], vectors->sparse, count, out);
        return;
    }
    target = self->examples + first * self->dim;
    if (self->example_ends == NULL)
        similarities_of(&self->rows, self->distance, target, vectors->rows, count, self->dim, out);
    for (size_t i = 0; self->example_ends != NULL && i < count; i++)
        out[i] = maxsim(&self->rows, self->distance, target, self->example_ends[example] - first,
                        vectors->rows + vectors->spans[i].first, vectors->spans[i].count, self->dim);
}

void
scorer_sparse_similarities(const sparse_vector *target, const sparse_vector *vectors, size_t count, float *out)
{
    bool overlap;

    for (size_t i = 0; i < count; i++)
        out[i] = sparse_dot(target, &vectors[i], &overlap);
}

/* Sparse vectors that share no index with the target are not found at all. */
static void
run_nearest(const scorer *self, const scored *vectors, size_t count, float *scores)
{
    bool overlap;

    if (self->sparse == NULL) {
        compare(self, 0, vectors, count, scores);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        scores[i] = sparse_dot(&self->sparse[0], &vectors->sparse[i], &overlap);
        if (!overlap)
            scores[i] = SCORER_NO_SCORE;
        else if (isinf(scores[i])) /* too large a sum is a score all the same */
            scores[i] = scores[i] > 0 ? FLT_MAX : -FLT_MAX;
    }
}

static void
run_best(const scorer *self, const scored *vectors, size_t count, float *scores)
{
    float similarities[SCORER_ROWS_MAX], positive[SCORER_ROWS_MAX], negative[SCORER_ROWS_MAX];

    for (size_t i = 0; i < count; i++)
        positive[i] = negative[i] = -INFINITY;
    for (size_t e = 0; e < self->example_count; e++) {
        float *best = e < self->positive_count ? positive : negative;

        compare(self, e, vectors, count, similarities);
        for (size_t i = 0; i < count; i++)
            best[i] = similarities[i] > best[i] ? similarities[i] : best[i];
    }
    for (size_t i = 0; i < count; i++)
        scores[i] = positive[i] > negative[i] ? half(positive[i]) : -half(negative[i]);
}

static void
run_sum(const scorer *self, const scored *vectors, size_t count, float *scores)
{
    float  similarities[SCORER_ROWS_MAX];
    double sums[SCORER_ROWS_MAX] = {0};

    for (size_t e = 0; e < self->example_count; e++) {
        const double sign = e < self->positive_count ? 1.0 : -1.0;

        compare(self, e, vectors, count, similarities);
        for (size_t i = 0; i < count; i++)
            sums[i] += sign * (double)similarities[i];
    }
    for (size_t i = 0; i < count; i++)
        scores[i] = (float)sums[i];
}

/* The next pair of examples, from number `first` on. */
static void
compare_pair(const scorer *self, size_t first, const scored *vectors, size_t count, float *positive,
             float *negative)
{
    compare(self, first, vectors, count, positive);
    compare(self, first + 1, vectors, count, negative);
}

static void
run_discover(const scorer *self, const scored *vectors, size_t count, float *scores)
{
    float   positive[SCORER_ROWS_MAX], negative[SCORER_ROWS_MAX], target[SCORER_ROWS_MAX];
    int32_t ranks[SCORER_ROWS_MAX] = {0};

    compare(self, 0, vectors, count, target);
    for (size_t e = 1; e < self->example_count; e += 2) {
        compare_pair(self, e, vectors, count, positive, negative);
        for (size_t i = 0; i < count; i++)
            ranks[i] += (positive[i] > negative[i]) - (positive[i] < negative[i]);
    }
    for (size_t i = 0; i < count; i++)
        scores[i] = (float)ranks[i] + half(target[i]);
}

static void
run_context(const scorer *self, const scored *vectors, size_t count, float *scores)
{
    float positive[SCORER_ROWS_MAX], negative[SCORER_ROWS_MAX];

    for (size_t i = 0; i < count; i++)
        scores[i] = 0;
    for (size_t e = 0; e < self->example_count; e += 2) {
        compare_pair(self, e, vectors, count, positive, negative);
        for (size_t i = 0; i < count; i++) {
            const float difference = positive[i] - negative[i] - CONTEXT_EPSILON;

            scores[i] += squash(difference < 0 ? difference : 0.0f);
        }
    }
}

static void
run_feedback(const scorer *self, const scored *vectors, size_t count, float *scores)
{
    float  similarities[SCORER_ROWS_MAX];
    double sums[SCORER_ROWS_MAX] = {0};

    for (size_t e = 0; e < self->example_count; e++) {
        if (self->weights[e] == 0)
            continue;
        compare(self, e, vectors, count, similarities);
        for (size_t i = 0; i < count; i++)
            sums[i] += self->weights[e] * (double)similarities[i];
    }
    for (size_t i = 0; i < count; i++)
        scores[i] = (float)sums[i];
}

static void
run(const scorer *self, const scored *vectors, size_t count, float *scores)
{
    switch (self->kind) {
    case SCORER_NEAREST:
        run_nearest(self, vectors, count, scores);
        break;
    case SCORER_BEST:
        run_best(self, vectors, count, scores);
        break;
    case SCORER_SUM:
        run_sum(self, vectors, count, scores);
        break;
    case SCORER_DISCOVER:
        run_discover(self, vectors, count, scores);
        break;
    case SCORER_CONTEXT:
        run_context(self, vectors, count, scores);
        break;
    case SCORER_FEEDBACK:
        run_feedback(self, vectors, count, scores);
        break;
    }
    for (size_t i = 0; i < count; i++) /* infinite similarities may cancel: such a vector comes last */
        scores[i] = isnan(scores[i]) ? -INFINITY : scores[i];
}

void
scorer_run(const scorer *self, const void *const *vectors, size_t count, float *scores)
{
    const scored all = {.rows = vectors};

    run(self, &all, count, scores);
}

void
scorer_run_spans(const scorer *self, const void *const *span_rows, const scorer_span *spans, size_t count,
                 float *scores)
{
    const scored all = {.rows = span_rows, .spans = spans};

    run(self, &all, count, scores);
}

void
scorer_run_sparse(const scorer *self, const sparse_vector *vectors, size_t count, float *scores)
{
    const scored all = {.sparse = vectors};

    run(self, &all, count, scores);
}

void
scorer_feedback_weights(const float *feedback, size_t item_count, double a, double b, double c, double *out)
{
    out[0] = a;
    for (size_t i = 0; i < item_count; i++)
        out[1 + i] = 0;
    for (size_t better = 0; better < item_count; better++) {
        for (size_t worse = 0; worse < item_count; worse++) {
            const double by = (double)feedback[better] - (double)feedback[worse];

            if (by <= 0)
                continue;
            out[1 + better] += pow(by, b) * c;
            out[1 + worse] -= pow(by, b) * c;
        }
    }
}
