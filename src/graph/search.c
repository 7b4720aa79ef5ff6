/* The search: a walk over the graph, a scan of the tail, or a scan of everything.
 *
 * THE WALK  is algorithm 2 of Malkov and Yashunin (arXiv:1603.09320) on one sorted array instead of two
 *           heaps: candidates in order of distance, each with a bit that says whether its links were
 *           followed. The cursor goes to the first that was not; new candidates may move it back. It ends
 *           when the cursor leaves the array, which never holds more than ef candidates that count.
 *               before:  [a* b* c  d  e ]  ef = 5, cursor at c (a, b followed)
 *               c's links give x between b and c, y behind e:
 *               after:   [a* b* x  c* d ]  e fell off, y never entered, the cursor is at x
 * STEPS     follow the links of up to GRAPH_HEADS candidates at once: their neighbours' codes arrive together, so that the
 *           wait for memory that begins each step is paid a third as often. Some distances more are computed than one
 *           at a time would need, which recall gains by.
 * REACH     What ef candidates are worth depends on the query: where the tenth is far closer than the twentieth, none
 *           beyond the fifteenth leads anywhere, and where a thousand are as close as the tenth, fifty are too few. So ef
 *           means an effort that queries share: the walk ends at candidates that are `reach` times as far as the
 *           anchor-th best (adaptive beam search, Al-Jazzazi et al., arXiv:2505.15636), with
 *                   reach = (ef / anchor) ^ spread
 *           where spread is a number that the build has found for this collection (build.c): the one with which the mean
 *           effort is that of a plain walk of ef. An easy query stops at a quarter of ef candidates, a hard one goes on
 *           to GRAPH_REACH_ROOM times ef. Candidates out of reach are not even kept. Measured: docs/decisions/.
 * DEAD ROWS are followed but do not count towards ef, so that a region of deleted points is crossed
 *           and not mistaken for an answer. The array then holds more than ef candidates, up to the pool's capacity.
 * ONE VIEW  A search works on the row counts it read at its start. A row that died since passes, if its point
 *           has moved to a row behind those counts: the search sees the point as it was.
 * WHY       the numbers behind array against heap and bitmap against byte array: docs/design/search.md.
 */
#include "graph/graph_internal.h"

#include <math.h>
#include <pthread.h>

#include "base/deadline.h"
#include "base/top.h"

#define SCAN_ROWS        64u /* distances computed at a time in a scan */
#define POOL_SLACK       64u /* room for candidates that do not count, ... */
#define POOL_GATED_RATIO 2u  /* ... at least so many times ef, and as many as a gate lets expect, ... */
#define POOL_RATIO_MAX   24u /* ... but never more than so many times */
#define FILTER_WALK_SHARE                                                                                    \
    20u /* a filter that fewer than 1 in so many rows pass is answered by a scan of those */
#define EXPECT_ROWS           256u /* a scan announces so many rows ahead: half a megabyte and more of vectors that are on disk */
#define SCAN_KEEP             64u  /* a scan by codes keeps so many candidates ... */
#define SCAN_KEEP_RATIO       2u   /* ... and so many times the limit */
#define PREFETCH_VECTOR_LINES 2u   /* of a vector read whole: its kernel prefetches the rest */
#define HEADS_AHEAD           5u   /* candidates behind the cursor whose links are prefetched ... */
#define HEADS_AHEAD_WINDOW    12u  /* ... that are looked for among so many */
#define HEADS_NEAR            5u   /* a new candidate no further behind the cursor has its links prefetched at once */

#define STOP_HOPS  256u  /* between two looks at whether the search is still wanted: some 100 us, ... */
#define STOP_SCANS 64u   /* ... of a scan, in turns of SCAN_ROWS, ... */
#define STOP_WORDS 256u  /* ... and of allowed points, in words of their bitmap */
#define ROW_NS     20u   /* what a row costs, before it is known: whose memory has to come, ... */
#define VECTOR_PS  400u  /* ... and picoseconds for each of its components, of a vector ... */
#define CODE_PS    100u  /* ... and of a code */

#define ANCHOR_MIN 10u  /* hits wanted may be one or two, whose distance says less about the place than the tenth's */
#define FLOOR_PART 4u   /* a search with a reach follows at least this part of ef candidates */
#define REACH_SIGMAS 2.0f /* of an estimate's error, which candidates may lie further */
#define TAIL_SLACK   2.0f /* times as much for rows of the tail, no neighbour of which leads to them: as far as the ranking looks */
#define POWER_BITS 10u  /* of a fraction in an exponent */

/* --- scratch --------------------------------------------------------------------------------------- */

static pthread_key_t  scratch_key;
static pthread_once_t scratch_key_once = PTHREAD_ONCE_INIT;

static void
scratch_free(void *memory)
{
    graph_scratch *self = memory;

    oct_free(self->visited);
    oct_free(self->touched);
    oct_free(self->pool);
    oct_free(self->refined);
    oct_free(self->query);
    oct_free(self->code_query.values);
    oct_free(self->rotation);
    oct_free(self->sketch.planes);
    oct_free(self->ids);
    oct_free(self->targets);
    oct_free(self->sums);
    oct_free(self->distances);
    oct_free(self->fresh);
    oct_free(self);
}

static void
make_scratch_key(void)
{
    OCT_MUST(pthread_key_create(&scratch_key, scratch_free) == 0);
}

/* Threads that end release theirs by the key; the one that unloads the library by this. */
__attribute__((destructor)) static void
scratch_unload(void)
{
    void *memory;

    (void)pthread_once(&scratch_key_once, make_scratch_key);
    memory = pthread_getspecific(scratch_key);
    if (memory != NULL)
        scratch_free(memory);
    (void)pthread_key_delete(scratch_key);
}

/* Make room for `count` items of `size` bytes at *memory, contents lost, zeroed. */
static bool
renew(void *memory, size_t count, size_t size)
{
    void **at = memory;
    void  *fresh = oct_alloc_aligned(64, count * size);

    if (fresh == NULL)
        return false;
    memset(fresh, 0, count * size);
    oct_free(*at);
    *at = fresh;
    return true;
}

/* Words for a bit per row, rounded up so that a growing graph asks rarely. */
static size_t
round_up_words(uint32_t row_count)
{
    size_t words = 64;

    while (words * 64 < row_count)
        words *= 2;
    return words;
}

graph_scratch *
graph_scratch_get(const graph *self, uint32_t row_count, size_t pool_capacity)
{
    graph_scratch *scratch;
    const size_t   words = round_up_words(row_count);
    const size_t   hop = size_max(GRAPH_HEADS_MAX * self->link_count + KERNEL_FRESH_ROOM, HOP_ROWS_MIN);

    (void)pthread_once(&scratch_key_once, make_scratch_key);
    scratch = pthread_getspecific(scratch_key);
    if (scratch == NULL) {
        scratch = oct_calloc(1, sizeof *scratch);
        if (scratch == NULL || pthread_setspecific(scratch_key, scratch) != 0) {
            oct_free(scratch);
            return NULL;
        }
    }
    if (scratch->visited_words < words) {
        if (!renew(&scratch->visited, words, sizeof *scratch->visited) ||
            !renew(&scratch->touched, words + 1, sizeof *scratch->touched)) {
            scratch->visited_words = 0;
            return NULL;
        }
        scratch->visited_words = words;
        scratch->touched_capacity = words;
    }
    if (scratch->pool_capacity < pool_capacity) {
        scratch->pool_capacity = 0;
        if (!renew(&scratch->pool, pool_capacity, sizeof *scratch->pool))
            return NULL;
        scratch->pool_capacity = pool_capacity;
    }
    if (self->params.fine && scratch->refined_capacity < pool_capacity) {
        scratch->refined_capacity = 0;
        if (!renew(&scratch->refined, pool_capacity, sizeof *scratch->refined))
            return NULL;
        scratch->refined_capacity = pool_capacity;
    }
    if (scratch->query_floats < self->dim_padded) {
        scratch->query_floats = 0;
        if (!renew(&scratch->query, self->dim_padded, sizeof *scratch->query))
            return NULL;
        scratch->query_floats = self->dim_padded;
    }
    if (self->coded && scratch->code_values < self->codec.padded) {
        scratch->code_values = 0;
        if (!renew(&scratch->code_query.values, self->codec.padded, 1) ||
            !renew(&scratch->rotation, codes_scratch_floats(&self->codec), sizeof *scratch->rotation) ||
            !renew(&scratch->sketch.planes, sketch_plane_bytes(&self->codec), 1))
            return NULL;
        scratch->code_values = self->codec.padded;
    }
    if (scratch->hop_capacity < hop) {
        scratch->hop_capacity = 0;
        if (!renew(&scratch->ids, hop, sizeof *scratch->ids) ||
            !renew(&scratch->targets, hop, sizeof *scratch->targets) ||
            !renew(&scratch->sums, hop, sizeof *scratch->sums) ||
            !renew(&scratch->fresh, hop, sizeof *scratch->fresh) ||
            !renew(&scratch->distances, hop, sizeof *scratch->distances))
            return NULL;
        scratch->hop_capacity = hop;
    }
    return scratch;
}

/* True the first time it is asked about an id since the last forget_visits. */
static inline bool
visit(graph_scratch *scratch, uint32_t id)
{
    uint64_t *const word = &scratch->visited[id / 64];
    const uint64_t  bit = (uint64_t)1 << (id % 64);

    if ((*word & bit) != 0)
        return false;
    scratch->touched[scratch->touched_count] = id / 64; /* whether it is the first of its word is a coin toss: no branch */
    scratch->touched_count += *word == 0;
    *word |= bit;
    return true;
}

static void
forget_visits(graph_scratch *scratch)
{
    for (size_t i = 0; i < scratch->touched_count; i++)
        scratch->visited[scratch->touched[i]] = 0;
    scratch->touched_count = 0;
}

/* --- distances ---------------------------------------------------------------------------------------- */

void
graph_distances(const graph *self, const float *query, const void *const *vectors, size_t count, float *out)
{
    const float *const *floats = (const float *const *)vectors;

    if (self->is_narrow)
        self->narrow_many(query, vectors, count, self->params.dim, out);
    switch (self->params.distance) {
    case OCT_COSINE:
    case OCT_DOT:
        if (!self->is_narrow)
            self->kernel->dot_f32_many(query, floats, count, self->dim_padded, out);
        /* Finite vectors may have a product that is no number (an overflow both ways): it comes last. */
        for (size_t i = 0; i < count; i++)
            out[i] = out[i] == out[i] ? -out[i] : INFINITY;
        break;
    case OCT_EUCLID:
        if (!self->is_narrow)
            self->kernel->l2sq_f32_many(query, floats, count, self->dim_padded, out);
        break;
    case OCT_MANHATTAN:
        if (!self->is_narrow)
            self->kernel->l1_f32_many(query, floats, count, self->dim_padded, out);
        break;
    }
}

void
graph_set_query(const graph *self, graph_scratch *scratch, const float *vector)
{
    memcpy(scratch->query, vector, self->params.dim * sizeof(float));
    memset(scratch->query + self->params.dim, 0, (self->dim_padded - self->params.dim) * sizeof(float));
    if (self->coded)
        codes_query_vector(&self->codec, vector, scratch->rotation, &scratch->code_query);
}

void
graph_estimates(const graph *self, graph_scratch *scratch, const void *const *targets, size_t count)
{
    if (self->coded)
        codes_distances(&self->codec, &scratch->code_query, (const uint8_t *const *)targets, count,
                        scratch->sums, scratch->distances);
    else
        graph_distances(self, scratch->query, targets, count, scratch->distances);
}

/* Let `lines` cache lines start to arrive; of a longer target the CPU guesses what follows the first eight. */
static inline __attribute__((always_inline)) void
prefetch_lines(const void *target, uint32_t lines)
{
    const char *at = target;

    switch (lines) {
    default:
        __builtin_prefetch(at + 448);
        /* fall through */
    case 7:
        __builtin_prefetch(at + 384);
        /* fall through */
    case 6:
        __builtin_prefetch(at + 320);
        /* fall through */
    case 5:
        __builtin_prefetch(at + 256);
        /* fall through */
    case 4:
        __builtin_prefetch(at + 192);
        /* fall through */
    case 3:
        __builtin_prefetch(at + 128);
        /* fall through */
    case 2:
        __builtin_prefetch(at + 64);
        /* fall through */
    case 1:
        __builtin_prefetch(at);
    }
}

static inline uint32_t
target_lines(const graph *self)
{
    return self->coded ? self->codec.stride / 64 : PREFETCH_VECTOR_LINES;
}

static inline void
prefetch_links(const graph *self, uint32_t row)
{
    prefetch_lines(graph_links(self, row), (self->links.stride + 63) / 64);
}

void
graph_prefetch_start(const graph *self, uint32_t row)
{
    prefetch_lines(graph_row_target(self, row), target_lines(self));
    prefetch_links(self, row);
}

static inline void
prefetch_heads(const graph *self, const graph_scratch *scratch, size_t from)
{
    const size_t end = size_min(scratch->pool_size, from + HEADS_AHEAD_WINDOW);
    uint32_t     found = 0;

    for (size_t at = from; at < end && found < HEADS_AHEAD; at++) {
        if ((scratch->pool[at] & CANDIDATE_EXPANDED) == 0) {
            prefetch_links(self, candidate_row(scratch->pool[at]));
            found++;
        }
    }
}

/* Those of the next step, as far as we know. */
static inline void
prefetch_near(const graph *self, const graph_scratch *scratch, size_t from)
{
    const size_t end = size_min(scratch->pool_size, from + HEADS_NEAR + 1);

    for (size_t at = from; at < end; at++) {
        if ((scratch->pool[at] & CANDIDATE_EXPANDED) == 0)
            prefetch_links(self, candidate_row(scratch->pool[at]));
    }
}

/* --- the walk ------------------------------------------------------------------------------------------- */

/* Does the row count for a search that began with `row_count` rows? */
static inline bool
row_passes(const graph *self, uint32_t row, uint32_t row_count)
{
    const _Atomic uint64_t *word = rows_at(&self->live, row / 64);
    uint32_t                first;

    if ((atomic_load_explicit(word, memory_order_acquire) >> (row % 64) & 1) != 0)
        return true;
    /* Dead, but perhaps only since: then its point has moved to a row that the search does not see. */
    first = graph_seat_at(self, graph_row_point(self, row), row_count);
    return first == row || (first < row && self->params.multi && row - first < *graph_span(self, first));
}

static inline bool
point_is_allowed(const graph_walk *walk, uint32_t point)
{
    return walk->allowed == NULL ||
           (point < walk->allowed_points && (walk->allowed[point / 64] >> (point % 64) & 1) != 0);
}

/* May the row be a hit? */
static inline bool
row_counts(const graph *self, const graph_walk *walk, uint32_t row)
{
    return row_passes(self, row, walk->row_count) &&
           (walk->allowed == NULL || point_is_allowed(walk, graph_row_point(self, row)));
}

bool
graph_row_counts(const graph *self, const graph_walk *walk, uint32_t row)
{
    return row_counts(self, walk, row);
}

/* Put a candidate into the pool. Returns its place, or SIZE_MAX if it did not get in. */
static inline size_t
pool_insert(graph_scratch *scratch, size_t capacity, size_t ef, size_t *passing, uint64_t candidate)
{
    uint64_t *const pool = scratch->pool;
    size_t          low = 0, length = scratch->pool_size;

    if (scratch->pool_size > 0 && (*passing >= ef || scratch->pool_size == capacity)) {
        if (candidate >= pool[scratch->pool_size - 1])
            return SIZE_MAX;
    }
    /* Where it belongs. The comparison's outcome is a coin toss, so it must not be a branch. */
    while (length > 1) {
        const size_t half = length / 2;

        low += pool[low + half - 1] < candidate ? half : 0;
        length -= half;
    }
    if (length == 1)
        low += pool[low] < candidate;
    if (scratch->pool_size == capacity) {
        scratch->pool_size--;
        *passing -= (pool[scratch->pool_size] & CANDIDATE_PASSES) != 0;
    }
    memmove(&pool[low + 1], &pool[low], (scratch->pool_size - low) * sizeof *pool);
    pool[low] = candidate;
    scratch->pool_size++;
    *passing += (candidate & CANDIDATE_PASSES) != 0;
    if (*passing > ef) {
        /* Drop the (ef + 1)th that counts, and what does not count behind it and right before it. */
        while ((pool[scratch->pool_size - 1] & CANDIDATE_PASSES) == 0)
            scratch->pool_size--;
        scratch->pool_size--;
        *passing -= 1;
        while ((pool[scratch->pool_size - 1] & CANDIDATE_PASSES) == 0)
            scratch->pool_size--;
    }
    return low;
}

/* Put what a step has found into a pool that is not gated: all at once, as none of them depends on another. Returns the first
 * place that is new, or SIZE_MAX. */
static inline size_t
pool_merge(const graph *self, graph_scratch *scratch, size_t capacity, size_t count, uint64_t bound)
{
    uint64_t *const pool = scratch->pool;
    uint64_t        least = UINT64_MAX;
    size_t          found = 0, place = 0;

    if (scratch->pool_size == capacity && pool[capacity - 1] < bound)
        bound = pool[capacity - 1];
    for (size_t i = 0; i < count; i++) {
        const uint64_t candidate = candidate_make(scratch->distances[i], scratch->ids[i], CANDIDATE_PASSES);

        scratch->fresh[found] = candidate;
        found += candidate <= bound;
        least = candidate < least ? candidate : least;
    }
    if (found == 0)
        return SIZE_MAX;
    scratch->pool_size = self->kernel->merge_u64(pool, scratch->pool_size, capacity, scratch->fresh, found);
    for (size_t length = scratch->pool_size; length > 0;) {
        const size_t half = (length + 1) / 2;

        place += pool[place + half - 1] < least ? half : 0;
        length -= half;
    }
    return place;
}

/* base to the power of exponent / GRAPH_SPREAD_ONE, by multiplication and square roots alone: those have one right answer. */
static float
power(float base, uint32_t exponent)
{
    float result = 1, root = base;

    for (uint32_t i = 0; i < exponent / GRAPH_SPREAD_ONE; i++)
        result *= base;
    for (uint32_t bit = 1; bit <= POWER_BITS; bit++) {
        root = sqrtf(root);
        if ((exponent & GRAPH_SPREAD_ONE >> bit) != 0)
            result *= root;
    }
    return result;
}

float
graph_reach(uint32_t spread, size_t ef, size_t anchor)
{
    return power((float)ef / (float)anchor, spread);
}

/* How far a candidate may be to be worth a look, now. What counts is asked for only where rows may not. */
static uint64_t
reach_bound(const graph_walk *walk, const graph_scratch *scratch)
{
    const uint64_t *const pool = scratch->pool;
    size_t                anchor = walk->anchor, floor = walk->floor;
    uint64_t              bound;

    if (scratch->pool_size < floor)
        return UINT64_MAX;
    if (walk->gated) {
        size_t at = 0, counted = 0;

        for (; at < scratch->pool_size && counted < walk->floor; at++) {
            counted += (pool[at] & CANDIDATE_PASSES) != 0;
            if (counted == walk->anchor && (pool[at] & CANDIDATE_PASSES) != 0)
                anchor = at + 1;
        }
        if (counted < walk->floor)
            return UINT64_MAX;
        floor = at;
    }
    bound = candidate_make((candidate_distance(pool[anchor - 1]) + walk->origin) * walk->reach + walk->slack - walk->origin, 0, 0);
    return bound > pool[floor - 1] ? bound : pool[floor - 1];
}

/* Take up to `wanted` candidates from the cursor on whose links were not followed yet: they are now. */
static inline uint32_t
take_heads(graph_scratch *scratch, size_t cursor, uint32_t wanted, uint32_t heads[GRAPH_HEADS_MAX])
{
    const size_t end = size_min(scratch->pool_size, cursor + wanted + wanted / 2); /* measured: docs/design/search.md */
    uint32_t     count = 0;

    for (size_t at = cursor; at < end && count < wanted; at++) {
        if ((scratch->pool[at] & CANDIDATE_EXPANDED) == 0) {
            heads[count++] = candidate_row(scratch->pool[at]);
            scratch->pool[at] |= CANDIDATE_EXPANDED;
        }
    }
    return count;
}

/* Put the neighbours of a row (above level 0: of a node) that were not seen yet behind the `count` that scratch->ids has,
 * and let what tells their distances start to arrive at once: not a moment is lost. Returns the new count. */
static inline __attribute__((always_inline)) size_t
gather(const graph *self, const graph_walk *walk, graph_scratch *scratch, uint32_t level, uint32_t from, uint32_t lines,
       size_t count)
{
    _Atomic uint32_t *links = level == 0 ? graph_links(self, from) : graph_node_at(self, level, from)->links;
    const uint32_t    link_count = level == 0 ? self->link_count : self->params.m;

    if (level == 0) {
        uint32_t *const fresh = scratch->ids + count;
        const size_t    found = self->kernel->fresh_ids(links, link_count, walk->row_limit, scratch->visited, fresh);

        for (size_t i = 0; i < found; i++) {
            const uint32_t id = fresh[i];

            if (!visit(scratch, id)) /* twice in a list that is being changed */
                continue;
            scratch->ids[count] = id;
            scratch->targets[count] = graph_row_target(self, id);
            prefetch_lines(scratch->targets[count], lines);
            count++;
        }
        return count;
    }
    for (uint32_t i = 0; i < link_count; i++) {
        /* A node of an upper level may be new: acquire it. New rows are told by their numbers. */
        const uint32_t id =
            atomic_load_explicit(&links[i], level > 0 ? memory_order_acquire : memory_order_relaxed);
        uint32_t row = id;

        if (id == GRAPH_NONE)
            break;
        if (level > 0)
            row = graph_node_at(self, level, id)->row;
        if (row >= walk->row_limit || !visit(scratch, id))
            continue;
        scratch->ids[count] = id;
        scratch->targets[count] = graph_row_target(self, row);
        prefetch_lines(scratch->targets[count], lines);
        count++;
    }
    return count;
}

/* One body for level 0 (`level` 0, ids are rows) and the levels above (ids are nodes); the compiler makes two. */
static inline __attribute__((always_inline)) void
walk_level(const graph *self, const graph_walk *walk, graph_scratch *scratch, uint32_t level, const graph_start *starts,
           uint32_t start_count, graph_stats *stats)
{
    const size_t   ef = walk->ef;
    const size_t   capacity = walk->room;
    const uint32_t head_count = level == 0 && walk->heads > 1 ? walk->heads : 1;
    const uint32_t lines = target_lines(self);
    const bool     reaches = level == 0 && walk->reach > 0;
    size_t         cursor = 0, passing = 0;
    uint64_t       scored = 0, hops = 0, bound = UINT64_MAX;

    scratch->pool_size = 0;
    for (uint32_t i = 0; i < start_count; i++) {
        const bool passes = !walk->gated || row_counts(self, walk, starts[i].row);

        (void)visit(scratch, starts[i].row);
        (void)pool_insert(scratch, capacity, ef, &passing,
                          candidate_make(starts[i].distance, starts[i].row, passes ? CANDIDATE_PASSES : 0));
    }
    while (cursor < scratch->pool_size) {
        uint32_t heads[GRAPH_HEADS_MAX];
        uint32_t taken;
        size_t   count = 0, next;

        if ((scratch->pool[cursor] & CANDIDATE_EXPANDED) != 0) {
            cursor++;
            continue;
        }
        if (reaches) {
            bound = reach_bound(walk, scratch);
            if (scratch->pool[cursor] > bound)
                break;
        }
        taken = take_heads(scratch, cursor, head_count, heads);
        hops += taken;
        if (walk->stops && hops % STOP_HOPS < taken && deadline_has_passed())
            break;
        for (uint32_t i = 0; i < taken; i++)
            count = gather(self, walk, scratch, level, heads[i], lines, count);
        if (level == 0)
            prefetch_heads(self, scratch, cursor + 1);
        if (count == 0) {
            cursor++;
            continue;
        }
        graph_estimates(self, scratch, scratch->targets, count);
        scored += count;

        next = cursor + 1;
        if (!walk->gated) {
            next = size_min(next, pool_merge(self, scratch, capacity, count, bound));
            if (level == 0)
                prefetch_near(self, scratch, next);
            cursor = next;
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            const uint32_t id = scratch->ids[i];
            uint64_t       found = candidate_make(scratch->distances[i], id, CANDIDATE_PASSES);
            size_t         place;

            if (found > bound || (passing >= ef && found >= scratch->pool[scratch->pool_size - 1]))
                continue;
            if (walk->gated && !row_counts(self, walk, id))
                found &= ~CANDIDATE_PASSES;
            place = pool_insert(scratch, capacity, ef, &passing, found);
            if (level == 0 && place <= next + HEADS_NEAR)
                prefetch_links(self, id); /* it is among the next heads, as far as we know */
            next = size_min(next, place);
        }
        cursor = next;
    }
    forget_visits(scratch);
    if (stats != NULL) {
        stats->scored += scored;
        stats->hops += hops;
    }
}

void
graph_walk_rows(const graph *self, const graph_walk *walk, graph_scratch *scratch, const graph_start *starts,
                uint32_t start_count, graph_stats *stats)
{
    walk_level(self, walk, scratch, 0, starts, start_count, stats);
}

void
graph_walk_nodes(const graph *self, const graph_walk *walk, graph_scratch *scratch, uint32_t level,
                 uint32_t start, float start_distance, graph_stats *stats)
{
    OCT_MUST(level > 0 && !walk->gated);
    walk_level(self, walk, scratch, level, &(graph_start){start, start_distance}, 1, stats);
}

/* Follow the best link of a level for as long as it leads closer. */
static uint32_t
descend_level(const graph *self, graph_scratch *scratch, uint32_t level, uint32_t node, uint32_t row_limit,
              float *distance, graph_stats *stats)
{
    for (;;) {
        _Atomic uint32_t *links = graph_node_at(self, level, node)->links;
        size_t            count = 0;
        uint32_t          best = node;

        for (uint32_t i = 0; i < self->params.m; i++) {
            const uint32_t id = atomic_load_explicit(&links[i], memory_order_acquire);
            uint32_t       row;

            if (id == GRAPH_NONE)
                break;
            row = graph_node_at(self, level, id)->row;
            if (row >= row_limit)
                continue;
            scratch->ids[count] = id;
            scratch->targets[count] = graph_row_target(self, row);
            prefetch_lines(scratch->targets[count++], target_lines(self));
        }
        graph_estimates(self, scratch, scratch->targets, count);
        for (size_t i = 0; i < count; i++) {
            if (scratch->distances[i] < *distance) {
                *distance = scratch->distances[i];
                best = scratch->ids[i];
            }
        }
        if (stats != NULL) {
            stats->scored += count;
            stats->hops++;
        }
        if (best == node)
            return node;
        node = best;
    }
}

uint32_t
graph_descend(const graph *self, graph_scratch *scratch, uint64_t entry, uint32_t level, uint32_t row_limit,
              float *distance, graph_stats *stats)
{
    uint32_t at = (uint32_t)(entry >> 32);
    uint32_t node = (uint32_t)entry;
    uint32_t row = at == 0 ? node : graph_node_at(self, at, node)->row;

    scratch->targets[0] = graph_row_target(self, row);
    graph_estimates(self, scratch, scratch->targets, 1);
    *distance = scratch->distances[0];
    if (stats != NULL)
        stats->scored++;
    for (; at > level; at--) {
        node = descend_level(self, scratch, at, node, row_limit, distance, stats);
        node = graph_node_at(self, at, node)->down;
    }
    return node;
}

/* --- scans ------------------------------------------------------------------------------------------ */

/* Rows from `first` on that pass, up to SCAN_ROWS of them, into scratch->ids; *next is where to go on. */
static size_t
gather_rows(const graph *self, const graph_walk *walk, graph_scratch *scratch, uint32_t first, uint32_t end,
            uint32_t *next)
{
    size_t count = 0;

    for (; first < end && count < SCAN_ROWS; first++) {
        if (row_counts(self, walk, first))
            scratch->ids[count++] = first;
    }
    *next = first;
    return count;
}

/* Offer the rows [first, end) by their vectors. */
static void
scan_vectors(const graph *self, const graph_walk *walk, graph_scratch *scratch, uint32_t first, uint32_t end,
             top *best)
{
    for (size_t turn = 0; first < end && !(turn % STOP_SCANS == 0 && deadline_has_passed()); turn++) {
        const uint32_t from = first;
        const size_t   count = gather_rows(self, walk, scratch, first, end, &first);

        if (from % EXPECT_ROWS == 0 || from / EXPECT_ROWS != first / EXPECT_ROWS)
            rows_expect_range(&self->vectors, first, 2 * EXPECT_ROWS);
        for (size_t i = 0; i < count; i++)
            scratch->targets[i] = graph_row_vector(self, scratch->ids[i]);
        graph_distances(self, scratch->query, scratch->targets, count,
                        scratch->distances);
        for (size_t i = 0; i < count; i++)
            top_offer(best, scratch->distances[i], graph_row_point(self, scratch->ids[i]));
    }
}

static size_t
count_passing(const graph_scratch *scratch)
{
    size_t passing = 0;

    for (size_t i = 0; i < scratch->pool_size; i++)
        passing += (scratch->pool[i] & CANDIDATE_PASSES) != 0;
    return passing;
}

/* Put `count` rows of scratch->ids into the pool, which keeps the best walk->ef, by what a walk would read of them. */
static void
pool_targets(const graph *self, const graph_walk *walk, graph_scratch *scratch, size_t count, size_t *passing)
{
    for (size_t i = 0; i < count; i++)
        scratch->targets[i] = graph_row_target(self, scratch->ids[i]);
    graph_estimates(self, scratch, scratch->targets, count);
    for (size_t i = 0; i < count; i++)
        (void)pool_insert(scratch, walk->room, walk->ef, passing,
                          candidate_make(scratch->distances[i], scratch->ids[i], CANDIDATE_PASSES));
}

/* The rows [first, end), all of which count. Behind a walk with a reach, most are out of it and not even kept, as there. */
static void
scan_all(const graph *self, const graph_walk *walk, graph_scratch *scratch, uint32_t first, uint32_t end)
{
    graph_walk ranked = *walk;

    ranked.slack *= TAIL_SLACK;
    for (size_t turn = 0; first < end && !(turn % STOP_SCANS == 0 && deadline_has_passed()); turn++) {
        const uint32_t count = end - first < SCAN_ROWS ? end - first : SCAN_ROWS;

        for (uint32_t i = 0; i < count; i++) {
            scratch->ids[i] = first + i;
            scratch->targets[i] = graph_row_target(self, first + i);
        }
        graph_estimates(self, scratch, scratch->targets, count);
        (void)pool_merge(self, scratch, walk->room, count, walk->reach > 0 ? reach_bound(&ranked, scratch) : UINT64_MAX);
        first += count;
    }
}

/* The rows [first, end) that count. */
static void
scan_targets(const graph *self, const graph_walk *walk, graph_scratch *scratch, uint32_t first, uint32_t end)
{
    size_t passing;

    if (!walk->gated) {
        scan_all(self, walk, scratch, first, end);
        return;
    }
    passing = count_passing(scratch);
    for (size_t turn = 0; first < end && !(turn % STOP_SCANS == 0 && deadline_has_passed()); turn++) {
        const size_t count = gather_rows(self, walk, scratch, first, end, &first);

        pool_targets(self, walk, scratch, count, &passing);
    }
}

/* The same for the allowed points, one by one: for filters that few points pass. */
static uint64_t
scan_allowed(const graph *self, const graph_walk *walk, graph_scratch *scratch, uint32_t end)
{
    const uint32_t point_count = atomic_load_explicit(&self->point_count, memory_order_acquire);
    const uint32_t points = walk->allowed_points < point_count ? walk->allowed_points : point_count;
    size_t         passing = count_passing(scratch), count = 0;
    uint64_t       seen = 0;

    for (uint32_t word = 0; word * 64 < points && !(word % STOP_WORDS == 0 && deadline_has_passed()); word++) {
        uint64_t bits = walk->allowed[word];

        for (; bits != 0; bits &= bits - 1) {
            const uint32_t point = word * 64 + (uint32_t)__builtin_ctzll(bits);
            const uint32_t row = point < points ? graph_seat_at(self, point, walk->row_count) : GRAPH_NONE;

            if (row >= end)
                continue;
            scratch->ids[count] = row;
            __builtin_prefetch(graph_row_target(self, row));
            seen++;
            if (++count == SCAN_ROWS) {
                pool_targets(self, walk, scratch, count, &passing);
                count = 0;
            }
        }
    }
    pool_targets(self, walk, scratch, count, &passing);
    return seen;
}

/* --- the search --------------------------------------------------------------------------------------------- */

/* Places in the pool: ef that count, and among them those that are only walked through. */
size_t
graph_pool_room(size_t ef, uint32_t row_count, uint32_t eligible, bool gated)
{
    const size_t share = (size_t)row_count / size_max(eligible, 1) + 1;

    return gated ? ef * size_min(share + POOL_GATED_RATIO, POOL_RATIO_MAX) + POOL_SLACK : ef;
}

/* Give a walk of `ef` candidates for `wanted` hits its reach, if this search can have one. */
static void
set_reach(const graph *self, const graph_scratch *scratch, size_t ef, size_t wanted, graph_walk *walk)
{
    walk->anchor = size_min(size_max(wanted, ANCHOR_MIN), ef);
    walk->floor = size_max(walk->anchor, ef / FLOOR_PART);
    walk->reach = graph_reach(atomic_load_explicit(&self->spread, memory_order_relaxed), ef, walk->anchor);
    (void)graph_distance_origin(self->params.distance, &walk->origin);
    if (self->coded)
        walk->slack = REACH_SIGMAS * self->codec.error * scratch->code_query.squared * (self->codec.squared_euclid ? 2.0f : 1.0f);
}

/* Can it? A filter's bitmap says nothing about where the points are that pass it; and who wants all that the walk keeps
 * ranked wants to know how many that are. */
static bool
has_reach(const graph *self, const graph_query *query)
{
    float origin;

    return query->allowed == NULL && query->rank_min != SIZE_MAX && graph_distance_origin(self->params.distance, &origin) &&
           atomic_load_explicit(&self->spread, memory_order_relaxed) > 0;
}

/* Everything by its vectors. */
static void
search_exactly(const graph *self, const graph_walk *walk, graph_scratch *scratch, uint32_t end, top *best,
               graph_stats *stats)
{
    best->size = 0;
    scan_vectors(self, walk, scratch, 0, end, best);
    stats->scored += end;
    stats->scanned = true;
}

/* How long it will take to look at so many vectors and so many codes: the order of magnitude, for who has to choose where. */
static uint64_t
expected_ns(const graph *self, uint64_t vectors, uint64_t short_codes)
{
    return vectors * (ROW_NS + self->params.dim * VECTOR_PS / 1000) + short_codes * (ROW_NS + self->params.dim * CODE_PS / 1000);
}

oct_status
graph_search(const graph *self, const graph_query *query, graph_hit *hits, size_t *count, graph_stats *stats,
             oct_error *error)
{
    /* In this order, the reverse of publish in build.c: the entry lies within the graph then, and rows that join
     * the graph after the second load are scanned as tail. */
    const uint64_t entry = atomic_load_explicit(&self->entry, memory_order_acquire);
    const uint32_t graph_count = atomic_load_explicit(&self->graph_count, memory_order_acquire);
    const uint32_t row_count = atomic_load_explicit(&self->row_count, memory_order_acquire);
    const uint32_t live = atomic_load_explicit(&self->live_count, memory_order_relaxed);
    const uint32_t end = query->indexed_only && graph_count > 0 ? graph_count : row_count;
    const uint32_t eligible =
        query->allowed != NULL && query->allowed_count < live ? query->allowed_count : live;
    const bool few = query->allowed != NULL && eligible < row_count / FILTER_WALK_SHARE;
    const bool walks = graph_count > 0 && eligible >= query->full_scan_rows && !few;
    /* A scan by codes keeps enough that the last of them is surely beyond the last hit. */
    const size_t wanted =
        query->rank_min == SIZE_MAX ? query->limit : size_max(query->limit, query->rank_min);
    const size_t ef = size_max(query->ef, wanted);
    const bool   reaches = walks && has_reach(self, query);
    const size_t keep = size_min(
        walks ? ef * (reaches ? GRAPH_REACH_ROOM : 1) : wanted * SCAN_KEEP_RATIO + SCAN_KEEP, row_count);
    graph_walk     walk = {.row_limit = graph_count,
                           .ef = keep,
                           .heads = GRAPH_HEADS_MAX,
                           .row_count = row_count,
                           .allowed = query->allowed,
                           .allowed_points = query->allowed_points,
                           .stops = true};
    graph_stats    local = {0};
    graph_scratch *scratch;
    top            best;
    oct_status     status;

    *count = 0;
    if (row_count == 0 || query->limit == 0 || eligible == 0)
        return OCT_OK;
    status = deadline_expect(expected_ns(self, query->exact || (!walks && !self->coded) ? end : 0,
                                         walks                    ? (uint64_t)ef * self->params.m + end - graph_count
                                         : query->allowed != NULL ? eligible
                                                                  : end),
                             error);
    if (status != OCT_OK)
        return status;
    walk.gated = atomic_load_explicit(&self->dead_count, memory_order_acquire) > 0 || query->allowed != NULL;
    walk.room = graph_pool_room(keep, row_count, eligible, walk.gated);
    scratch = graph_scratch_get(self, row_count, walk.room);
    if (scratch == NULL)
        return oct_fail_memory(error, row_count / 8);
    top_init(&best, hits, query->limit, query->tie, query->tie_context);
    graph_set_query(self, scratch, query->vector);
    if (reaches)
        set_reach(self, scratch, ef, wanted, &walk);
    scratch->pool_size = 0;
    if (query->exact || (!walks && !self->coded)) {
        search_exactly(self, &walk, scratch, end, &best, &local);
    } else {
        bool settled;

        if (walks) {
            graph_start    starts[GRAPH_STARTS];
            const uint32_t start_count = graph_find_starts(self, scratch, entry, graph_count, starts, &local);

            graph_walk_rows(self, &walk, scratch, starts, start_count, &local);
            scan_targets(self, &walk, scratch, graph_count, end);
            local.tail = end - graph_count;
        } else if (query->allowed != NULL) {
            local.scored = scan_allowed(self, &walk, scratch, end);
        } else {
            scan_targets(self, &walk, scratch, 0, end);
            local.scored = end;
        }
        settled = graph_rank_pool(self, query, scratch, &best, &local);
        local.scanned = !walks;
        /* A scan whose pool was too short; or a walk that met fewer than `limit` of the points there are: look at
         * all. */
        if (walks ? best.size < query->limit && best.size < eligible : !settled && scratch->pool_size == keep)
            search_exactly(self, &walk, scratch, end, &best, &local);
    }
    status = deadline_check(error); /* what was cut short is no answer */
    if (status != OCT_OK)
        return status;
    *count = top_sort(&best);
    if (stats != NULL)
        *stats = local;
    return OCT_OK;
}
