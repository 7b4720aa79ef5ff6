/* From candidates to hits: the last stage of a search whose walk or scan read codes.
 *
 * IN ORDER  The pool holds candidates by their estimates. True distances are computed in that order, until four standard
 *           deviations of an estimate's error say that no later candidate can be among the best: sixteen vectors for ten hits
 *           of the package descriptions (docs/design/codes.md).
 * REFINED   Where codes have second rows (codes.h, FINE), estimates are made better first, by those, until the same bound says
 *           that no later candidate can be among the best; then vectors are read in the order of the better estimates, whose
 *           error is a tenth: ten for ten hits, or eleven. It pays where a vector is far away: on disk; and where so many
 *           candidates are so close that the first estimates tell little.
 *               pool, by estimate      a  b  c  d  e  f  g  h | i ...   | the tenth best upper bound is closer than this lower one
 *               refined, by better one b  a  d  c  h | e  f  g          | the same against the true distances of those before
 * ON DISK   Ten vectors that are read one after the other wait for a disk ten times. So the system is told of all of them
 *           first - if it is worth its ten calls, which cost as much as a third of a search whose vectors are all in the page
 *           cache: only for the next EXPECTING readings after one took so long that something must have come from a disk.
 *           The clock decides about calls that change no result.
 * WHICH     candidates become hits is the same either way, but for those whose estimates err by more than the bound.
 */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "graph/graph_internal.h"

#include "base/deadline.h"

#define RANK_ROWS   4u   /* true distances computed at a time, once there are as many as hits wanted */
#define RANK_SIGMAS 4.0f /* an estimate is too far by more once in 30,000 times; with 3 a hit in 1,000 is lost */
#define REFINE_ROWS 16u  /* better estimates computed at a time, likewise: their rows' memory is waited for together */
#define EXPECTING   64u
#define WAITED_NS   20000u /* a page from a fast disk takes four times as long; ten vectors from memory two microseconds */
#define INSERT_MAX  64u  /* so many are sorted by insertion */
#define STOP_RANKED 4096u /* between two looks at whether the search is still wanted */

/* How far an estimate may be off: RANK_SIGMAS standard deviations for a row of this length. */
static float
estimate_margin(const graph *self, const graph_scratch *scratch, float squared)
{
    const float lengths = sqrtf(scratch->code_query.squared * squared);

    return RANK_SIGMAS * self->codec.error * lengths * (self->codec.squared_euclid ? 2.0f : 1.0f);
}

/* The least that the distance of a candidate of the pool may be. */
static float
least_distance(const graph *self, const graph_scratch *scratch, uint64_t candidate)
{
    const float squared = codes_squared(&self->codec, graph_row_code(self, candidate_row(candidate)));

    return candidate_distance(candidate) - estimate_margin(self, scratch, squared);
}

/* Where estimates err by the same for all: then nothing behind a candidate that is too far is any closer. Elsewhere much longer
 * vectors could still get in. */
static bool
errs_evenly(const graph *self)
{
    return self->params.distance == OCT_COSINE;
}

static uint64_t
clock_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Are vectors read from a file, which may have to come from a disk? */
static bool
reads_file(const graph *self)
{
    return atomic_load_explicit(&self->vectors.file_rows, memory_order_relaxed) > 0;
}

/* The true distances of `count` vectors of scratch->targets. */
static void
measure(const graph *self, graph_scratch *scratch, size_t count)
{
    const bool may_wait = count > 1 && atomic_load_explicit(&self->vectors.jumps, memory_order_relaxed);
    uint64_t   start_ns = 0;

    if (may_wait && scratch->expecting > 0) {
        scratch->expecting--;
        rows_expect(&self->vectors, scratch->targets, count);
    } else if (may_wait)
        start_ns = clock_ns();
    graph_distances(self, scratch->query, scratch->targets, count, scratch->distances);
    if (start_ns > 0 && clock_ns() - start_ns > WAITED_NS + count * WAITED_NS / 10)
        scratch->expecting = EXPECTING;
}

/* Offer `count` rows of scratch->ids and ->targets by their true distances. */
static void
offer(const graph *self, graph_scratch *scratch, size_t count, top *best, graph_stats *stats)
{
    measure(self, scratch, count);
    for (size_t i = 0; i < count; i++) {
        const uint32_t point = graph_row_point(self, scratch->ids[i]);

        __builtin_prefetch(graph_seat(self, point)); /* who answers asks of a hit where it sits */
        top_offer(best, scratch->distances[i], point);
    }
    stats->ranked += count;
}

static void
choose(const graph *self, graph_scratch *scratch, size_t place, uint32_t row)
{
    scratch->ids[place] = row;
    scratch->targets[place] = graph_row_vector(self, row);
    __builtin_prefetch(rows_at(&self->points, row));
}

/* Looked at now and then: graph_search tells of what was cut short. */
static bool
is_unwanted(uint64_t ranked, size_t count)
{
    return ranked % STOP_RANKED < count && ranked >= STOP_RANKED && deadline_has_passed();
}

static bool
rank_in_order(const graph *self, const graph_query *query, graph_scratch *scratch, top *best, graph_stats *stats)
{
    size_t at = 0;

    while (at < scratch->pool_size) {
        const size_t some = size_min(size_max(best->capacity - best->size, RANK_ROWS), HOP_ROWS_MIN);
        size_t       count = 0;

        for (; at < scratch->pool_size && count < some; at++) {
            const uint64_t candidate = scratch->pool[at];

            if ((candidate & CANDIDATE_PASSES) == 0)
                continue;
            if (best->size == best->capacity && query->rank_few)
                return true;
            if (best->size == best->capacity && stats->ranked + count >= query->rank_min &&
                least_distance(self, scratch, candidate) > best->hits[0].distance) {
                if (errs_evenly(self))
                    break;
                continue;
            }
            choose(self, scratch, count++, candidate_row(candidate));
        }
        if (count == 0 || is_unwanted(stats->ranked, count))
            return at < scratch->pool_size || best->size == best->capacity;
        offer(self, scratch, count, best, stats);
    }
    return false;
}

/* --- refined ------------------------------------------------------------------------------------------- */

/* Upper bounds have no ties worth breaking. */
static int
no_tie(const void *context, uint32_t a, uint32_t b)
{
    (void)context;
    return (a > b) - (a < b);
}

static int
compare_candidates(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void
sort_candidates(uint64_t *items, size_t count)
{
    if (count > INSERT_MAX) {
        qsort(items, count, sizeof *items, compare_candidates);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        const uint64_t item = items[i];
        size_t         to = i;

        for (; to > 0 && items[to - 1] > item; to--)
            items[to] = items[to - 1];
        items[to] = item;
    }
}

/* How far a better estimate may be off. */
static float
refined_margin(const graph *self, const graph_scratch *scratch, uint32_t row)
{
    return RANK_SIGMAS * codes_refined_error(&self->codec, &scratch->code_query, graph_row_code(self, row), graph_row_fine(self, row));
}

/* Better estimates of the pool's candidates, as far as they may be among the best, into scratch->refined, sorted. `bounds` has
 * room for as many hits as are wanted. */
static size_t
refine_pool(const graph *self, const graph_query *query, graph_scratch *scratch, graph_hit *bounds)
{
    top    upper; /* the largest that the distances of the best so far may be */
    size_t at = 0, found = 0;

    top_init(&upper, bounds, query->limit, no_tie, NULL);
    while (at < scratch->pool_size) {
        const size_t   some = size_min(size_max(upper.capacity - upper.size, REFINE_ROWS), HOP_ROWS_MIN);
        const uint8_t *code_rows[HOP_ROWS_MIN], *fine_rows[HOP_ROWS_MIN];
        size_t         count = 0;

        for (; at < scratch->pool_size && count < some; at++) {
            const uint64_t candidate = scratch->pool[at];

            if ((candidate & CANDIDATE_PASSES) == 0)
                continue;
            if (upper.size == upper.capacity && found + count >= query->rank_min &&
                least_distance(self, scratch, candidate) > upper.hits[0].distance) {
                if (errs_evenly(self))
                    break;
                continue;
            }
            scratch->ids[count] = candidate_row(candidate);
            scratch->distances[count] = candidate_distance(candidate);
            code_rows[count] = graph_row_code(self, candidate_row(candidate));
            fine_rows[count] = graph_row_fine(self, candidate_row(candidate));
            for (uint32_t line = 0; line < self->codec.fine_stride; line += 64)
                __builtin_prefetch(fine_rows[count] + line);
            count++;
        }
        if (count == 0)
            break;
        codes_refine(&self->codec, &scratch->code_query, code_rows, fine_rows, count, scratch->sums, scratch->distances);
        for (size_t i = 0; i < count; i++) {
            const float most = scratch->distances[i] + refined_margin(self, scratch, scratch->ids[i]);

            top_offer(&upper, most == most ? most : INFINITY, scratch->ids[i]);
            scratch->refined[found++] = candidate_make(scratch->distances[i], scratch->ids[i], CANDIDATE_PASSES);
        }
    }
    sort_candidates(scratch->refined, found);
    return found;
}

/* Might a candidate behind the last of the pool be among the best? */
static bool
is_settled(const graph *self, const graph_scratch *scratch, const top *best)
{
    size_t last = scratch->pool_size;

    while (last > 0 && (scratch->pool[last - 1] & CANDIDATE_PASSES) == 0)
        last--;
    return last > 0 && best->size == best->capacity &&
           least_distance(self, scratch, scratch->pool[last - 1]) > best->hits[0].distance;
}

static bool
rank_refined(const graph *self, const graph_query *query, graph_scratch *scratch, top *best, graph_stats *stats)
{
    const size_t found = refine_pool(self, query, scratch, best->hits);
    size_t       at = 0;

    stats->refined += found;
    while (at < found) {
        const size_t some = size_min(size_max(best->capacity - best->size, RANK_ROWS), HOP_ROWS_MIN);
        size_t       count = 0;

        for (; at < found && count < some; at++) {
            const uint64_t candidate = scratch->refined[at];
            const uint32_t row = candidate_row(candidate);

            if (best->size == best->capacity && query->rank_few)
                return true;
            if (best->size == best->capacity && stats->ranked + count >= query->rank_min &&
                candidate_distance(candidate) - refined_margin(self, scratch, row) > best->hits[0].distance)
                continue; /* what comes later may err by more */
            choose(self, scratch, count++, row);
        }
        if (count == 0 || is_unwanted(stats->ranked, count))
            break;
        offer(self, scratch, count, best, stats);
    }
    return query->rank_few || is_settled(self, scratch, best);
}

bool
graph_rank_pool(const graph *self, const graph_query *query, graph_scratch *scratch, top *best, graph_stats *stats)
{
    if (!self->coded) {
        for (size_t at = 0; at < scratch->pool_size; at++) {
            if ((scratch->pool[at] & CANDIDATE_PASSES) != 0)
                top_offer(best, candidate_distance(scratch->pool[at]),
                          graph_row_point(self, candidate_row(scratch->pool[at])));
        }
        return true;
    }
    /* Who wants all of them ranked by vectors gains nothing by estimates; and a second row costs about what it spares where
     * vectors are in memory. */
    if (self->params.fine && query->rank_min != SIZE_MAX && (reads_file(self) || query->rank_few))
        return rank_refined(self, query, scratch, best, stats);
    return rank_in_order(self, query, scratch, best, stats);
}
