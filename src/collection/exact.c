/* See exact.h. */
#include "collection/exact.h"

#include "base/deadline.h"
#include "base/top.h"

#define CHUNK_POINTS 4096u      /* of one item of a split: some 100 us of work at least */
#define SPLIT_FLOATS (4u << 20) /* less to multiply than this (about 1 ms) wakes no threads ... */
#define SPLIT_PAIRS  (32u << 20) /* ... of multivectors, whose rows are in the cache from the second product on, than this */
#define BLOCK_FLOATS                                                                                         \
    (16u << 10) /* vectors compared at a time: 64 KiB, so that the next example finds them in L2 */
#define BLOCK_ROWS_MIN 8u
#define POINT_NS       5u   /* what a point costs, before it is known, ... */
#define FLOAT_PS       400u /* ... and picoseconds for each float that is multiplied */
#define SPARSE_FLOATS  256u        /* what a sparse vector is taken for: a text has some 100 entries, which are merged */
#define CHUNK_SPANS    64u         /* of multivectors, which are work enough each */
#define SPAN_FLOATS    (32u << 10) /* a block of multivectors ends when it has so many: 128 KiB */

_Static_assert(BLOCK_ROWS_MIN <= SCORER_ROWS_MAX, "a block fits a run");

/* One scan. Set before the split, then only `heaps` change, each in the hands of its worker. */
typedef struct exact_scan {
    const point_set *points;
    const graph     *vectors; /* one of these two */
    const sparse_index *sparse;
    scorer           by;
    const hit_scope *scope;
    size_t           total; /* points to look at: of the list, or all there are */
    size_t           chunk;
    size_t           block_rows;
    const void    ***rows; /* multi: of each worker, room for the longest multivector behind a block not yet full */
    top             *heaps; /* of each worker */
    atomic_bool      damaged; /* a sparse vector could not be read */
} exact_scan;

/* Vectors on their way to the scorer. */
typedef struct block {
    const void   *vectors[SCORER_ROWS_MAX];
    sparse_vector sparse[SCORER_ROWS_MAX];
    uint32_t     points[SCORER_ROWS_MAX];
    size_t       count;
    /* multi */
    scorer_span  spans[SCORER_ROWS_MAX];
    const void **rows;
    size_t       row_count;
} block;

static int
compare_points(const void *context, uint32_t point_a, uint32_t point_b)
{
    const point_set *points = context;

    return id_compare(points_id(points, point_a), points_id(points, point_b));
}

static void
score_block(const exact_scan *self, block *some, top *best)
{
    float scores[SCORER_ROWS_MAX];

    if (some->count == 0)
        return;
    if (self->by.sparse != NULL)
        scorer_run_sparse(&self->by, some->sparse, some->count, scores);
    else if (self->by.example_ends == NULL)
        scorer_run(&self->by, some->vectors, some->count, scores);
    else
        scorer_run_spans(&self->by, some->rows, some->spans, some->count, scores);
    for (size_t i = 0; i < some->count; i++) {
        if (self->by.sparse == NULL || self->by.kind != SCORER_NEAREST || scores[i] != SCORER_NO_SCORE)
            top_offer(best, 0.0f - scores[i], some->points[i]);
    }
    some->count = some->row_count = 0;
}

/* The multivector that begins at a row. */
static void
add_span(const exact_scan *self, block *some, uint32_t row)
{
    const uint32_t count = graph_span_at(self->vectors, row);

    some->spans[some->count] = (scorer_span){(uint32_t)some->row_count, count};
    for (uint32_t i = 0; i < count; i++)
        some->rows[some->row_count++] = graph_vector_at(self->vectors, row + i);
}

/* Put the point's vector into the block; false: it has none. */
static bool
add_point(exact_scan *self, block *some, uint32_t point)
{
    sparse_vector *stored = &some->sparse[some->count];
    uint32_t       row;

    if (self->sparse != NULL) {
        if (sparse_get(self->sparse, point, stored, NULL) != OCT_OK) {
            atomic_store(&self->damaged, true);
            return false;
        }
        return stored->indices != NULL;
    }
    row = graph_row_of(self->vectors, point);
    if (row == GRAPH_NONE)
        return false;
    if (self->by.example_ends != NULL)
        add_span(self, some, row);
    else
        some->vectors[some->count] = graph_vector_at(self->vectors, row);
    return true;
}

static void
scan_chunk(void *context, size_t item, uint32_t worker)
{
    exact_scan      *self = context;
    const hit_scope *scope = self->scope;
    const size_t     end = size_min((item + 1) * self->chunk, self->total);
    const bool       multi = self->by.example_ends != NULL;
    block            some;

    if (deadline_has_passed())
        return;
    some.count = some.row_count = 0;
    some.rows = multi ? self->rows[worker] : NULL;
    for (size_t i = item * self->chunk; i < end; i++) {
        const uint32_t point = scope->listed == NULL ? (uint32_t)i : scope->listed[i];

        if (!points_is_live(self->points, point) || !scope_allows(scope, point) || !add_point(self, &some, point))
            continue;
        some.points[some.count++] = point;
        if (some.count == self->block_rows || some.row_count * self->by.dim >= SPAN_FLOATS)
            score_block(self, &some, &self->heaps[worker]);
    }
    score_block(self, &some, &self->heaps[worker]);
}

/* A heap of `limit` places for each of `count` workers. */
static oct_status
heaps_new(exact_scan *self, size_t count, size_t limit, arena *memory, oct_error *error)
{
    graph_hit *places = NULL;
    size_t     total;

    self->heaps = arena_array(memory, count, sizeof *self->heaps);
    if (size_mul_ok(count, limit, &total))
        places = arena_array(memory, total, sizeof *places);
    if (self->heaps == NULL || places == NULL)
        return oct_fail_memory(error, count * limit * sizeof *places);
    for (size_t i = 0; i < count; i++)
        top_init(&self->heaps[i], places + i * limit, limit, compare_points, self->points);
    return OCT_OK;
}

/* Room for the rows of a block: the longest multivector begins where a block is not yet full. */
static oct_status
spans_new(exact_scan *self, size_t count, arena *memory, oct_error *error)
{
    const size_t room = (SPAN_FLOATS + OCT_MULTI_FLOATS_MAX) / self->by.dim + 1;

    self->rows = arena_array(memory, count, sizeof *self->rows);
    for (size_t i = 0; i < count && self->rows != NULL; i++) {
        self->rows[i] = arena_array(memory, room, sizeof **self->rows);
        if (self->rows[i] == NULL)
            return oct_fail_memory(error, room * sizeof **self->rows);
    }
    return self->rows == NULL ? oct_fail_memory(error, count * sizeof *self->rows) : OCT_OK;
}

/* The same of sparse vectors, which need not be copied: they stay where they are. */
static oct_status
gather_sparse(const sparse_index *index, hit_list *hits, arena *memory, stored_vectors *out, oct_error *error)
{
    size_t     kept = 0;
    oct_status status = OCT_OK;

    out->sparse = arena_array(memory, hits->count + 1, sizeof *out->sparse);
    if (out->sparse == NULL)
        return oct_fail_memory(error, hits->count * sizeof *out->sparse);
    for (size_t i = 0; i < hits->count && status == OCT_OK; i++) {
        status = sparse_get(index, hits->items[i].point, &out->sparse[kept], error);
        if (status == OCT_OK && out->sparse[kept].indices != NULL)
            hits->items[kept++] = hits->items[i];
    }
    hits->count = kept;
    return status;
}

oct_status
stored_gather(oct_collection *self, uint32_t number, hit_list *hits, arena *memory, stored_vectors *out,
              oct_error *error)
{
    const graph *vectors = shard_graph(self->shard, number);
    const bool   multi = vectors != NULL && graph_get_params(vectors)->multi;
    size_t       row_count = 0, kept = 0, dim;
    oct_status   status = OCT_OK;
    kernel_narrow kind;
    bool          copied; /* rows of one, one behind the other; and floats, whatever they lie in */

    *out = (stored_vectors){0};
    if (shard_sparse(self->shard, number) != NULL)
        return gather_sparse(shard_sparse(self->shard, number), hits, memory, out, error);
    if (vectors == NULL)
        return oct_fail(error, OCT_INVALID, "the vector was removed while it was searched");
    dim = graph_get_params(vectors)->dim;
    copied = multi || graph_row_kind(vectors, &kind);
    out->spans = arena_array(memory, hits->count + 1, sizeof *out->spans);
    if (out->spans == NULL)
        return oct_fail_memory(error, hits->count * sizeof *out->spans);
    /* The rows that each has now: it may lose or change them meanwhile, but they stay where they are. */
    for (size_t i = 0; i < hits->count && status == OCT_OK; i++) {
        const uint32_t row = graph_row_of(vectors, hits->items[i].point);

        if (row == GRAPH_NONE)
            continue;
        status = shard_verify_vector(self->shard, number, hits->items[i].point, error);
        out->spans[kept] = (scorer_span){row, graph_span_at(vectors, row)};
        row_count += out->spans[kept].count;
        hits->items[kept++] = hits->items[i];
    }
    hits->count = kept;
    out->rows = arena_array(memory, row_count + 1, sizeof *out->rows);
    if (status == OCT_OK && out->rows == NULL)
        return oct_fail_memory(error, row_count * sizeof *out->rows);
    row_count = 0;
    for (size_t i = 0; i < kept && status == OCT_OK; i++) {
        const scorer_span span = out->spans[i];
        float            *copy = copied ? arena_array(memory, span.count, dim * sizeof *copy) : NULL;

        if (copied && copy == NULL)
            return oct_fail_memory(error, span.count * dim * sizeof *copy);
        out->spans[i].first = (uint32_t)row_count;
        for (uint32_t r = 0; r < span.count; r++) {
            if (copied)
                graph_compared(vectors, span.first + r, copy + r * dim);
            out->rows[row_count++] = copied ? copy + r * dim : graph_vector_at(vectors, span.first + r);
        }
    }
    if (!multi)
        out->spans = NULL;
    return status;
}

/* The first damaged vector, by the order of points. */
static oct_status
fail_damaged(const exact_scan *work, oct_error *error)
{
    oct_status status = OCT_OK;

    for (size_t i = 0; i < work->total && status == OCT_OK; i++) {
        sparse_vector unused;

        status = sparse_get(work->sparse, work->scope->listed == NULL ? (uint32_t)i : work->scope->listed[i], &unused, error);
    }
    return status == OCT_OK ? oct_fail(error, OCT_CORRUPT, "a stored sparse vector is damaged") : status;
}

oct_status
exact_search(oct_collection *self, uint32_t number, const scorer *by, const hit_scope *scope, size_t limit,
             arena *memory, hit_list *out, oct_error *error)
{
    workers       *pool = self->database->pool;
    exact_scan     work = {.points = shard_points(self->shard), .by = *by, .scope = scope};
    const uint32_t point_count = atomic_load_explicit(&work.points->count, memory_order_acquire);
    const size_t   dim = by->sparse != NULL ? SPARSE_FLOATS : by->dim;
    double         floats = (double)dim * (double)size_max(by->example_count, 1); /* to multiply a point */
    size_t         heap_count = 1, kept, compared;
    top           *best;
    oct_status     status;

    *out = (hit_list){0};
    work.vectors = shard_graph(self->shard, number);
    work.sparse = shard_sparse(self->shard, number);
    if (by->sparse != NULL ? work.sparse == NULL : work.vectors == NULL)
        return oct_fail(error, OCT_INVALID, "the vector was removed while it was searched");
    if (work.vectors != NULL)
        work.by.rows.is_narrow = graph_row_kind(work.vectors, &work.by.rows.kind);
    work.total = scope->listed == NULL ? point_count : scope->listed_count;
    compared = work.total;
    if (scope->allowed != NULL)
        compared = size_min(compared, scope->allowed_count);
    limit = size_min(limit, compared);
    if (limit == 0)
        return OCT_OK;
    work.chunk = CHUNK_POINTS;
    if (by->example_ends != NULL) {
        work.chunk = CHUNK_SPANS;
        floats = (double)by->dim * by->example_ends[by->example_count - 1] * graph_row_count(work.vectors) /
                 (double)size_max(graph_live_count(work.vectors), 1);
    }
    work.block_rows = size_min(size_max(BLOCK_FLOATS / dim, BLOCK_ROWS_MIN), SCORER_ROWS_MAX);
    if (floats * (double)work.total >= (by->example_ends == NULL ? SPLIT_FLOATS : SPLIT_PAIRS) && work.total > work.chunk)
        heap_count = size_min((size_t)workers_count(pool) + 1, (work.total - 1) / work.chunk + 1);
    status = heaps_new(&work, heap_count, limit, memory, error);
    if (status == OCT_OK && by->example_ends != NULL)
        status = spans_new(&work, heap_count, memory, error);
    if (status != OCT_OK)
        return status;
    status = deadline_expect(work.total * POINT_NS + (uint64_t)(floats * FLOAT_PS / 1000 * (double)compared), error);
    if (status != OCT_OK)
        return status;
    workers_split(pool, (work.total - 1) / work.chunk + 1, (uint32_t)heap_count, scan_chunk, &work);
    status = deadline_check(error);
    if (status != OCT_OK)
        return status;

    if (atomic_load(&work.damaged))
        return fail_damaged(&work, error);
    /* The order is total, so it does not matter which worker found what. */
    best = &work.heaps[0];
    for (size_t i = 1; i < heap_count; i++) {
        for (size_t j = 0; j < work.heaps[i].size; j++)
            top_offer(best, work.heaps[i].hits[j].distance, work.heaps[i].hits[j].point);
    }
    kept = top_sort(best);
    out->items = arena_array(memory, kept + 1, sizeof *out->items);
    if (out->items == NULL)
        return oct_fail_memory(error, kept * sizeof *out->items);
    for (; out->count < kept && status == OCT_OK; out->count++) {
        const graph_hit found = best->hits[out->count];
        const float     score = 0.0f - found.distance;

        status = shard_verify_vector(self->shard, number, found.point, error);
        out->items[out->count] =
            (query_hit){by->kind == SCORER_NEAREST ? scorer_shown(by->distance, score) : score, found.point};
    }
    return status;
}
