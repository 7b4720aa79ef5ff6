/* How alike are points of a sample to each other? See query.h.
 *
 * Every pair is compared twice, once from each side: half the work could be saved, at the price of a table of
 * all pairs. Rows are shared among the workers.
 */
#include <stdlib.h>

#include "base/deadline.h"
#include "base/epoch.h"
#include "collection/query_internal.h"
#include "collection/select.h"
#include "base/top.h"

/* What an oct_matrix pointer really points to. */
typedef struct matrix_result {
    oct_matrix matrix; /* first */
    arena      memory;
} matrix_result;

void
oct_matrix_free(oct_matrix *matrix)
{
    matrix_result *self = (matrix_result *)(void *)matrix;

    if (self == NULL)
        return;
    arena_clear(&self->memory);
    oct_free(self);
}

/* Rows on their way. Set before the split; each row writes its own part of `columns` and `scores`. */
typedef struct rows_work {
    stored_vectors      vectors; /* in the order of ids */
    const sparse_vector *targets; /* the same as queries: weighed, if the vector has the idf modifier. NULL: not sparse */
    size_t              count;
    size_t              neighbours; /* of each row */
    oct_distance        distance;
    size_t              dim;
    graph_hit          *places; /* of each worker's heap */
    uint32_t           *columns;
    float              *scores;
    uint32_t           *found; /* neighbours of each row: fewer than wanted if sparse vectors have nothing in common */
} rows_work;

/* Places are in the order of ids. */
static int
compare_places(const void *context, uint32_t a, uint32_t b)
{
    (void)context;
    return (a > b) - (a < b);
}

static bool
is_neighbour(const rows_work *self, size_t a, size_t b)
{
    bool overlap = true;

    if (self->vectors.sparse != NULL)
        (void)sparse_dot(&self->vectors.sparse[a], &self->vectors.sparse[b], &overlap);
    return overlap;
}

static void
run_row(void *context, size_t row, uint32_t worker)
{
    const rows_work *self = context;
    top              best;

    if (deadline_has_passed())
        return;
    top_init(&best, self->places + worker * self->neighbours, self->neighbours, compare_places, NULL);
    for (size_t first = 0; first < self->count; first += SCORER_ROWS_MAX) {
        const size_t count = size_min(SCORER_ROWS_MAX, self->count - first);
        float        similarities[SCORER_ROWS_MAX];

        if (self->vectors.sparse != NULL)
            scorer_sparse_similarities(&self->targets[row], self->vectors.sparse + first, count, similarities);
        else if (self->vectors.spans == NULL)
            scorer_similarities(self->distance, self->vectors.rows[row], self->vectors.rows + first, count,
                                self->dim, similarities);
        else
            scorer_maxsims(self->distance, self->vectors.rows[self->vectors.spans[row].first],
                           self->vectors.spans[row].count, self->vectors.rows, self->vectors.spans + first, count,
                           self->dim, similarities);
        for (size_t i = 0; i < count; i++) {
            if (first + i != row && is_neighbour(self, row, first + i))
                top_offer(&best, 0.0f - similarities[i], (uint32_t)(first + i));
        }
    }
    self->found[row] = (uint32_t)top_sort(&best);
    for (size_t i = 0; i < self->found[row]; i++) {
        self->columns[row * self->neighbours + i] = best.hits[i].point;
        self->scores[row * self->neighbours + i] = scorer_shown(self->distance, 0.0f - best.hits[i].distance);
    }
}

static int
compare_ids(const void *a, const void *b, void *context)
{
    const point_set *points = context;

    return id_compare(points_id(points, ((const query_hit *)a)->point),
                      points_id(points, ((const query_hit *)b)->point));
}

static oct_status
fill(oct_collection *self, const hit_list *sample, rows_work *work, arena *memory, matrix_result *result,
     oct_error *error)
{
    workers     *pool = self->database->pool;
    const size_t cells = work->count * work->neighbours, heaps = (size_t)workers_count(pool) + 1;
    oct_id      *ids = arena_array(&result->memory, work->count, sizeof *ids);
    uint32_t    *row_of = arena_array(&result->memory, cells, sizeof *row_of);
    size_t       kept = 0;

    work->columns = arena_array(&result->memory, cells, sizeof *work->columns);
    work->scores = arena_array(&result->memory, cells, sizeof *work->scores);
    work->places = arena_array(memory, heaps * work->neighbours, sizeof *work->places);
    work->found = arena_array(memory, work->count, sizeof *work->found);
    if (ids == NULL || row_of == NULL || work->found == NULL || work->columns == NULL || work->scores == NULL ||
        work->places == NULL)
        return oct_fail_memory(error, cells * sizeof *row_of);
    for (size_t i = 0; i < work->count; i++) {
        ids[i] = *points_id(shard_points(self->shard), sample->items[i].point);
        ids[i].reserved = 0; /* the shard key is nothing to show */
    }
    workers_split(pool, work->count, 0, run_row, work);
    if (deadline_has_passed())
        return deadline_check(error);
    for (size_t row = 0; row < work->count; row++) {
        for (size_t i = 0; i < work->found[row]; i++, kept++) { /* rows move up where there are fewer */
            row_of[kept] = (uint32_t)row;
            work->columns[kept] = work->columns[row * work->neighbours + i];
            work->scores[kept] = work->scores[row * work->neighbours + i];
        }
    }
    result->matrix.ids = ids;
    result->matrix.id_count = work->count;
    result->matrix.rows = row_of;
    result->matrix.columns = work->columns;
    result->matrix.scores = work->scores;
    result->matrix.score_count = kept;
    return OCT_OK;
}

/* Each point of the sample is a query for its neighbours, and with the idf modifier what counts in a query is how rare its
 * indices are in the whole collection. */
static oct_status
weigh_targets(oct_collection *self, uint32_t number, rows_work *work, arena *memory, oct_error *error)
{
    const sparse_index *index = shard_sparse(self->shard, number);
    sparse_vector      *targets = arena_array(memory, work->count, sizeof *targets);
    selection           all = {0};
    oct_status          status;

    if (targets == NULL)
        return oct_fail_memory(error, work->count * sizeof *targets);
    status = select_points(self, NULL, &all, error);
    for (size_t i = 0; i < work->count && status == OCT_OK; i++) {
        const sparse_scope scope = {all.bits, all.point_count, all.count};
        float             *values;

        targets[i] = work->vectors.sparse[i];
        values = arena_array(memory, (size_t)targets[i].count + 1, sizeof *values);
        if (values == NULL) {
            status = oct_fail_memory(error, targets[i].count * sizeof *values);
        } else {
            if (targets[i].count > 0)
                memcpy(values, targets[i].values, targets[i].count * sizeof *values);
            if (index != NULL)
                status = sparse_weigh(index, &scope, targets[i].indices, values, targets[i].count, error);
            targets[i].values = values;
        }
    }
    selection_clear(&all);
    work->targets = targets;
    return status;
}

/* Pinned. */
static oct_status
run(oct_collection *self, const oct_matrix_request *request, arena *memory, matrix_result *result,
    oct_error *error)
{
    const config_box *box = collection_box(self);
    selection         these = {0};
    hit_scope         scope = {0};
    hit_list          sample = {0};
    rows_work         work = {0};
    size_t            index = 0;
    oct_status        status = box_find_vector(box, request->using_vector, &index, error);

    if (status == OCT_OK)
        status = select_given(self, request->filter, &these, error);
    if (status == OCT_OK) {
        scope.allowed = these.bits;
        scope.allowed_points = these.point_count;
        status = sample_points(self, &scope, box->numbers[index], request->sample, memory, &sample, error);
    }
    if (status == OCT_OK && sample.count > 1)
        qsort_r(sample.items, sample.count, sizeof *sample.items, compare_ids,
                (void *)(uintptr_t)shard_points(self->shard));
    if (status == OCT_OK)
        status = stored_gather(self, box->numbers[index], &sample, memory, &work.vectors, error);
    selection_clear(&these);
    if (status != OCT_OK || sample.count < 2)
        return status;
    work.count = sample.count;
    work.neighbours = size_min(request->limit, sample.count - 1);
    if (work.vectors.sparse != NULL) {
        work.distance = OCT_DOT;
        work.targets = work.vectors.sparse;
        if (config_is_idf(&box->config.vectors[index]))
            status = weigh_targets(self, box->numbers[index], &work, memory, error);
        if (status != OCT_OK)
            return status;
    } else {
        work.distance = (oct_distance)box->config.vectors[index].distance;
        work.dim = (size_t)box->config.vectors[index].size;
    }
    if (work.neighbours > OCT_MATRIX_SCORES_MAX / work.count)
        return oct_fail(error, OCT_RANGE,
                        "%zu neighbours of each of %zu points are too many; at most %u in all",
                        work.neighbours, work.count, OCT_MATRIX_SCORES_MAX);
    return fill(self, &sample, &work, memory, result, error);
}

oct_status
collection_search_matrix(oct_collection *self, const oct_matrix_request *request, oct_matrix **out,
                         oct_error *error)
{
    arena          memory = {0};
    matrix_result *result = oct_calloc(1, sizeof *result);
    oct_status     status;

    *out = NULL;
    if (result == NULL)
        return oct_fail_memory(error, sizeof *result);
    epoch_pin();
    status = run(self, request, &memory, result, error);
    epoch_unpin();
    arena_clear(&memory);
    if (status == OCT_OK)
        *out = &result->matrix;
    else
        oct_matrix_free(&result->matrix);
    return status;
}
