/* Searching multivectors: a graph over the rows of all points, and the points that the rows' neighbours belong to.
 *
 * MAXSIM    scores a point by the sum, over the query's rows, of the best similarity with one of the point's rows. It is no
 *           distance between points: not symmetric, and a pair of 32 rows each costs a thousand products. So the graph is the one
 *           that dense vectors have, its nodes are rows, and it is built, repaired, saved and filtered by the same code.
 * GATHER    Each row of the query walks the graph for its ef nearest rows. A point met by some of the walks gets a
 *           provisional sum: where walk i met it, the nearest distance it was met at; where not, that of the furthest row which
 *           walk i kept, since any nearer row of the point would most likely be among those (as XTR does: Lee et al.,
 *           arXiv:2304.01982). The `keep` points of least sum are what the caller compares exactly.
 *
 *               query row 0:  [a3 a1 b7 c2 | ]      a: met by both, b and c by one
 *               query row 1:  [c2 a9 d4 d5 | ]      sum(b) = distance(b7) + distance(d5)
 *
 * EXACT     are the scores, then, and the order among what was gathered; what may be missing is a point that is good for
 *           many rows and among the ef nearest for none. Figures, and what else was tried: docs/decisions/.
 * TAIL      Rows that are not in the graph yet are too new to be walked to; the points they belong to are all gathered.
 * SAME LOG, SAME ANSWER   Walks and sums depend on the graph alone, sums are made in the order of the query's rows, and equal
 *           ones are told apart by the point's number.
 */
#include "graph/graph_internal.h"

#include "base/deadline.h"

#include <math.h>
#include <stdlib.h>

#define SLOT_FREE GRAPH_NONE
#define SCAN_SHARE 20u /* as in search.c: fewer points than 1 in so many are scanned */

/* A point that some walk met. */
typedef struct slot {
    uint32_t point;
    uint32_t last; /* query row that met it last */
    double   sum;  /* of what it is nearer than the walks' furthest: never above zero */
} slot;

typedef struct table {
    slot  *slots;
    size_t mask; /* slots there are, a power of two, minus one */
    size_t used;
} table;

static oct_status
table_new(table *self, size_t points_max, arena *memory, oct_error *error)
{
    size_t count = 64;

    while (count < 2 * points_max)
        count *= 2;
    self->slots = arena_array(memory, count, sizeof *self->slots);
    if (self->slots == NULL)
        return oct_fail_memory(error, count * sizeof *self->slots);
    for (size_t i = 0; i < count; i++)
        self->slots[i].point = SLOT_FREE;
    self->mask = count - 1;
    return OCT_OK;
}

static slot *
table_find(table *self, uint32_t point)
{
    size_t at = mix64(point) & self->mask;

    while (self->slots[at].point != SLOT_FREE && self->slots[at].point != point)
        at = (at + 1) & self->mask;
    if (self->slots[at].point == SLOT_FREE) {
        self->slots[at] = (slot){.point = point, .last = GRAPH_NONE};
        self->used++;
    }
    return &self->slots[at];
}

/* What a walk for query row `row` left in the pool, nearest first. */
static void
take_walk(const graph *self, const graph_scratch *scratch, uint32_t row, table *met)
{
    float furthest = 0;

    for (size_t i = scratch->pool_size; i-- > 0;) {
        if ((scratch->pool[i] & CANDIDATE_PASSES) != 0) {
            furthest = candidate_distance(scratch->pool[i]);
            break;
        }
    }
    for (size_t i = 0; i < scratch->pool_size; i++) {
        slot *at;

        if ((scratch->pool[i] & CANDIDATE_PASSES) == 0)
            continue;
        at = table_find(met, graph_row_point(self, candidate_row(scratch->pool[i])));
        if (at->last == row)
            continue; /* a nearer row of it came before */
        at->last = row;
        /* Infinite distances (sums that overflowed) say nothing about what is nearer. */
        if (isfinite(candidate_distance(scratch->pool[i])) && isfinite(furthest))
            at->sum += (double)candidate_distance(scratch->pool[i]) - (double)furthest;
    }
}

static int
by_number(const void *context, uint32_t point_a, uint32_t point_b)
{
    (void)context;
    return (point_a > point_b) - (point_a < point_b);
}

static int
compare_numbers(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* The points of the rows [first, end) that count; rows of one lie together. */
static size_t
gather_tail(const graph *self, const graph_walk *walk, uint32_t first, uint32_t end, uint32_t *points)
{
    uint32_t last = GRAPH_NONE;
    size_t   count = 0;

    for (uint32_t row = first; row < end; row++) {
        const uint32_t point = graph_row_point(self, row);

        if (point != last && graph_row_counts(self, walk, row)) {
            points[count++] = point;
            last = point;
        }
    }
    return count;
}

static size_t
sort_unique(uint32_t *points, size_t count)
{
    size_t kept = 0;

    qsort(points, count, sizeof *points, compare_numbers);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || points[kept - 1] != points[i])
            points[kept++] = points[i];
    }
    return kept;
}

oct_status
graph_gather(const graph *self, const graph_gathering *query, arena *memory, uint32_t **points, size_t *count,
             oct_error *error)
{
    /* In this order, as in graph_search. */
    const uint64_t entry = atomic_load_explicit(&self->entry, memory_order_acquire);
    const uint32_t graph_count = atomic_load_explicit(&self->graph_count, memory_order_acquire);
    const uint32_t row_count = atomic_load_explicit(&self->row_count, memory_order_acquire);
    const uint32_t live = atomic_load_explicit(&self->live_count, memory_order_relaxed);
    const uint32_t dead = atomic_load_explicit(&self->dead_count, memory_order_acquire);
    const uint32_t eligible =
        query->allowed != NULL && query->allowed_count < live ? query->allowed_count : live;
    const double   rows_each = live == 0 ? 0 : (double)(row_count - (dead < row_count ? dead : row_count)) / (double)live;
    const bool     few = query->allowed != NULL && eligible < live / SCAN_SHARE;
    const uint32_t end = query->indexed_only ? graph_count : row_count;
    const size_t   ef = size_min(query->ef, row_count);
    graph_walk     walk = {.row_limit = graph_count,
                           .ef = ef,
                           .heads = GRAPH_HEADS,
                           .gated = dead > 0 || query->allowed != NULL,
                           .row_count = row_count,
                           .allowed = query->allowed,
                           .allowed_points = query->allowed_points};
    graph_scratch *scratch;
    table          met = {0};
    top_hit       *kept;
    top            best;
    size_t         keep, tail;
    oct_status     status;

    *points = NULL;
    *count = 0;
    if (graph_count == 0 || ef == 0 || few || (double)eligible * rows_each < (double)query->full_scan_rows)
        return OCT_OK;
    walk.room = graph_pool_room(ef, row_count, (uint32_t)((double)eligible * rows_each), walk.gated);
    scratch = graph_scratch_get(self, row_count, walk.room);
    if (scratch == NULL)
        return oct_fail_memory(error, row_count / 8);
    status = table_new(&met, size_min(ef * query->row_count, row_count), memory, error);
    if (status != OCT_OK)
        return status;
    for (uint32_t i = 0; i < query->row_count; i++) {
        graph_start starts[GRAPH_STARTS];
        uint32_t    start_count;

        status = deadline_check(error);
        if (status != OCT_OK)
            return status;
        graph_set_query(self, scratch, query->rows + (size_t)i * self->params.dim);
        start_count = graph_find_starts(self, scratch, entry, graph_count, starts, NULL);
        graph_walk_rows(self, &walk, scratch, starts, start_count, NULL);
        take_walk(self, scratch, i, &met);
    }
    keep = size_max(size_min(query->keep, met.used), 1);
    kept = arena_array(memory, keep, sizeof *kept);
    *points = arena_array(memory, keep + (end - graph_count) + 1, sizeof **points);
    if (kept == NULL || *points == NULL)
        return oct_fail_memory(error, (keep + (end - graph_count)) * sizeof *kept);
    top_init(&best, kept, keep, by_number, NULL);
    for (size_t i = 0; i <= met.mask; i++) {
        if (met.slots[i].point != SLOT_FREE)
            top_offer(&best, (float)met.slots[i].sum, met.slots[i].point);
    }
    for (size_t i = 0; i < best.size; i++)
        (*points)[i] = best.hits[i].point;
    tail = gather_tail(self, &walk, graph_count, end, *points + best.size);
    *count = sort_unique(*points, best.size + tail);
    return OCT_OK;
}
