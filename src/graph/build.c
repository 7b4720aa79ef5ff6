/* Building: rows of the tail join the graph, a batch at a time.
 *
 * ONE BATCH   (after ParlayANN, Manohar et al., arXiv:2305.04359: batch-synchronous and deterministic)
 *      1. all threads: each new row searches the graph as it is - frozen, no row of the batch is in it - for
 *         ef_construct candidates per level; its batch mates are candidates too; the paper's heuristic
 *         (arXiv:1603.09320, algorithm 4) picks up to m of them;
 *      2. one thread: the links are turned around and sorted by target;
 *      3. all threads: each target's list takes the new rows in; a list that would overflow is chosen anew by
 *         the same heuristic. One thread per list, so there are no locks;
 *      4. entry and graph_count are published.
 *   Each step's output is a function of its input, whatever thread does what; so is the whole.
 * WE DIFFER   from the paper in that rows of one batch do not find each other by search but by comparing all
 *   pairs (rows that arrive together are often alike: a document's chunks, a category's products); and in that a new
 *   row
 *   takes 3m/2 links on level 0 (own_links_max).
 * BATCHES     end at row numbers given by graph_batch_rows: small while the graph is small, so that a row
 *   always finds most of what came before it, and never so large that the tail takes long to scan.
 */
#include <float.h>
#include <stdlib.h>

#include "graph/graph_internal.h"

#define TWIN_SHARE                                                                                           \
    2u /* so large a part of a row's links may go to one vector: else a crowd of equal vectors,
                             * larger than a row has links, is linked to itself alone and walls itself off */
#define BATCH_SHARE    32u  /* a batch is at most this part of the graph ... */
#define BATCH_ROWS_MAX 64u /* ... and this many rows: the tail that every search scans */

#define SPREAD_ROWS_MIN 40u /* with fewer candidates than this there is no slope between near and far ones */
#define MEASURED_EF_MIN 15u
#define SPREAD_MIN      (GRAPH_SPREAD_ONE / 256) /* from less it would take long to grow again */
#define SPREAD_BATCHES  8   /* the newest batch makes up so large a part of the average: of hundreds of rows */

/* A link to be made, seen from either end. */
typedef struct edge {
    float    distance;
    uint32_t level;
    uint32_t target; /* row at level 0, node above */
    uint32_t source;
} edge;

/* One who wants to be a neighbour. */
typedef struct suitor {
    float    distance; /* to the row that chooses */
    uint32_t id;       /* row or node */
    uint32_t row;
    uint32_t gap; /* rows between the two */
} suitor;

/* What one new row chose at one of its levels, best first. */
typedef struct row_links {
    suitor  *chosen; /* room for own_links_max */
    uint32_t count;
} row_links;

/* A worker's memory for choosing neighbours. */
typedef struct bench {
    suitor      *suitors;
    codes_query  query;  /* coded: the row that distances are measured from */
    const float *vector; /* otherwise */
    float       *wide;   /* room for it, where rows are narrow */
} bench;

typedef struct batch {
    graph      *graph;
    uint32_t    first, count;                            /* rows [first, first + count) */
    uint64_t    entry;                                   /* frozen */
    uint32_t    levels[BATCH_ROWS_MAX];                  /* of each row */
    uint32_t    nodes[BATCH_ROWS_MAX][GRAPH_LEVELS_MAX]; /* [row][level]: its node there */
    row_links   links[BATCH_ROWS_MAX][GRAPH_LEVELS_MAX];
    suitor     *chosen;      /* all links[..][..].chosen */
    bench      *benches;     /* one for each worker */
    suitor     *suitors;     /* of all benches */
    int8_t     *code_values; /* likewise */
    float      *wide;        /* likewise; zeroes behind dim */
    size_t      suitor_room, code_room;
    edge       *edges; /* turned around, sorted by (level, target, source) */
    size_t      edge_count;
    size_t     *groups; /* where a new target begins */
    size_t      group_count;
    /* Of each row that had as many candidates as it may: how far the GRAPH_NEAR_RANKth and the last were, and how many were
     * within reach of a search of measured_ef(), by the spread there is. */
    float       near[BATCH_ROWS_MAX], far[BATCH_ROWS_MAX];
    uint32_t    within[BATCH_ROWS_MAX]; /* 0: not measured */
    float       reach;
    atomic_bool failed; /* some thread had no memory to search */
} batch;

uint32_t
graph_row_level(uint32_t m, uint32_t row)
{
    const uint64_t hash = mix64(row);
    uint64_t       bound = UINT64_MAX;
    uint32_t       level = 0;

    /* Integers only: the level must not depend on a mathematics library. */
    while (level + 1 < GRAPH_LEVELS_MAX) {
        bound /= m < 2 ? 2 : m;
        if (hash >= bound)
            break;
        level++;
    }
    return level;
}

uint32_t
graph_batch_rows(uint32_t graph_count)
{
    const uint32_t share = graph_count / BATCH_SHARE + 1;

    return share < BATCH_ROWS_MAX ? share : BATCH_ROWS_MAX;
}

bool
graph_has_batch(const graph *self)
{
    const uint32_t graph_count = atomic_load_explicit(&self->graph_count, memory_order_acquire);
    const uint32_t row_count = atomic_load_explicit(&self->row_count, memory_order_acquire);

    return self->params.start_rows != GRAPH_START_NEVER && row_count >= self->params.start_rows &&
           row_count - graph_count >= graph_batch_rows(graph_count);
}

/* --- choosing neighbours ---------------------------------------------------------------------------- */

static suitor
suitor_of(uint32_t chooser, float distance, uint32_t id, uint32_t row)
{
    return (suitor){distance, id, row, row < chooser ? chooser - row : row - chooser};
}

/* Of equal vectors the next in the order of rows come first: were it the same few for everybody, nothing would lead to the others. */
static int
compare_suitors(const void *a, const void *b)
{
    const suitor *x = a, *y = b;

    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    if (x->gap != y->gap)
        return x->gap < y->gap ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Measure from this row. Codes against codes: every row of a build is read as a code, never as floats. */
static void
measure_from(const graph *self, bench *at, uint32_t row)
{
    if (self->coded)
        codes_query_code(&self->codec, graph_row_code(self, row), &at->query);
    else if (self->is_narrow) {
        graph_compared(self, row, at->wide);
        at->vector = at->wide;
    } else
        at->vector = graph_row_vector(self, row);
}

#define MEASURED_MAX 8u

static void
measure(const graph *self, const bench *at, const suitor *suitors, size_t count, float *distances)
{
    const void *targets[MEASURED_MAX];
    int32_t     sums[MEASURED_MAX];

    for (size_t i = 0; i < count; i++)
        targets[i] = graph_row_target(self, suitors[i].row);
    if (self->coded)
        codes_distances(&self->codec, &at->query, (const uint8_t *const *)targets, count, sums, distances);
    else
        graph_distances(self, at->vector, targets, count, distances);
}

/* Have the two the same vector? Such are neighbours in the order of distances, so that only the last taken is asked. */
static bool
is_twin(const graph *self, const suitor *last, const suitor *candidate)
{
    const uint32_t bytes = self->coded ? self->codec.stride : self->vectors.stride;

    return last->distance == candidate->distance &&
           memcmp(graph_row_target(self, last->row), graph_row_target(self, candidate->row), bytes) == 0;
}

/* Algorithm 4: from suitors sorted by distance take each that is closer to the chooser than to any taken before
 * it, up to `limit`. Moves the taken ones to the front and returns their number. */
static uint32_t
choose(const graph *self, bench *at, size_t count, uint32_t limit)
{
    suitor  *suitors = at->suitors;
    uint32_t taken = 0, twins = 0;

    for (size_t i = 0; i < count && taken < limit; i++) {
        const suitor candidate = suitors[i];
        bool         good = true;

        if (taken > 0)
            measure_from(self, at, candidate.row);
        /* A few at a time: the distances of a group overlap in the CPU, and most rejects come early. */
        for (uint32_t j = 0; j < taken && good; j += 4) {
            float        distances[4];
            const size_t group = size_min(4, taken - j);

            measure(self, at, suitors + j, group, distances);
            for (size_t t = 0; t < group; t++)
                good = good && !(distances[t] < candidate.distance);
        }
        if (good && taken > 0 && is_twin(self, &suitors[taken - 1], &candidate))
            good = ++twins <= limit / TWIN_SHARE;
        if (good)
            suitors[taken++] = candidate;
    }
    return taken;
}

/* --- ids of a level ------------------------------------------------------------------------------------- */

static _Atomic uint32_t *
list_of(const graph *self, uint32_t level, uint32_t id)
{
    return level == 0 ? graph_links(self, id) : graph_node_at(self, level, id)->links;
}

static uint32_t
row_of(const graph *self, uint32_t level, uint32_t id)
{
    return level == 0 ? id : graph_node_at(self, level, id)->row;
}

static uint32_t
id_of_mate(const batch *work, uint32_t mate, uint32_t level)
{
    return level == 0 ? work->first + mate : work->nodes[mate][level];
}

/* --- step 1: each row looks for its neighbours ------------------------------------------------------------- */

/* How many links a new row chooses for itself. The paper takes m at every level; on level 0, where there is room for
 * 2m, half as many again give the same recall with 10 to 15 % less time, and 2m leave no room for later rows. */
static uint32_t
own_links_max(const graph *self, uint32_t level)
{
    return level == 0 ? self->params.m + self->params.m / 2 : self->params.m;
}

static uint32_t
links_max(const graph *self, uint32_t level)
{
    return level == 0 ? self->link_count : self->params.m;
}

/* From what the walk left in the pool and the batch mates that reach this level. */
static void
choose_links(batch *work, graph_scratch *scratch, bench *at, uint32_t index, uint32_t level)
{
    const graph *self = work->graph;
    const uint32_t row = work->first + index;
    row_links   *out = &work->links[index][level];
    suitor      *suitors = at->suitors;
    const void  *mates[BATCH_ROWS_MAX];
    size_t       count = 0;

    for (size_t i = 0; i < scratch->pool_size; i++) {
        const uint32_t id = candidate_row(scratch->pool[i]);

        suitors[count++] = suitor_of(row, candidate_distance(scratch->pool[i]), id, row_of(self, level, id));
    }
    for (uint32_t mate = 0; mate < work->count; mate++)
        mates[mate] = graph_row_target(self, work->first + mate);
    graph_estimates(self, scratch, mates, work->count);
    for (uint32_t mate = 0; mate < work->count; mate++) {
        if (mate != index && work->levels[mate] >= level)
            suitors[count++] =
                suitor_of(row, scratch->distances[mate], id_of_mate(work, mate, level), work->first + mate);
    }
    qsort(suitors, count, sizeof *suitors, compare_suitors);
    out->count = choose(self, at, count, own_links_max(self, level));
    memcpy(out->chosen, suitors, out->count * sizeof *suitors);
}

/* The effort at which the spread is measured: a search of it may reach as many candidates as the build's walks keep. */
static uint32_t
measured_ef(const graph *self)
{
    const uint32_t ef = self->params.ef_construct / GRAPH_REACH_ROOM;

    return ef > MEASURED_EF_MIN ? ef : MEASURED_EF_MIN;
}

/* Keep what measure_spread asks of the row's candidates. */
static void
note_distances(batch *work, const graph_scratch *scratch, uint32_t index)
{
    uint32_t within = 0;
    float    near, origin, bound;

    if (scratch->pool_size < work->graph->params.ef_construct || scratch->pool_size < SPREAD_ROWS_MIN ||
        !graph_distance_origin(work->graph->params.distance, &origin))
        return;
    near = candidate_distance(scratch->pool[GRAPH_NEAR_RANK - 1]);
    bound = (near + origin) * work->reach - origin;
    while (within < scratch->pool_size && candidate_distance(scratch->pool[within]) <= bound)
        within++;
    work->near[index] = near;
    work->far[index] = candidate_distance(scratch->pool[scratch->pool_size - 1]);
    work->within[index] = within > GRAPH_NEAR_RANK ? within : GRAPH_NEAR_RANK;
}

static void
search_row(void *context, size_t index, uint32_t worker)
{
    batch         *work = context;
    const graph   *self = work->graph;
    const uint32_t row = work->first + (uint32_t)index;
    const uint32_t own_level = work->levels[index];
    const uint32_t top_level = (uint32_t)(work->entry >> 32);
    graph_walk     walk = {.row_limit = work->first,
                           .ef = self->params.ef_construct,
                           .heads = GRAPH_HEADS,
                           .room = self->params.ef_construct};
    graph_scratch *scratch = graph_scratch_get(self, work->first + work->count, walk.ef);
    uint32_t       at = 0;
    float          distance = 0;

    if (scratch == NULL) {
        atomic_store(&work->failed, true);
        return;
    }
    graph_set_query_row(self, scratch, row);
    scratch->pool_size = 0;
    if (work->first > 0)
        at = graph_descend(self, scratch, work->entry, own_level < top_level ? own_level : top_level,
                           work->first, &distance, NULL);
    for (uint32_t level = own_level + 1; level-- > 0;) {
        scratch->pool_size = 0;
        if (work->first > 0 && level <= top_level) {
            if (level == 0) {
                graph_walk_rows(self, &walk, scratch, &(graph_start){at, distance}, 1, NULL);
                note_distances(work, scratch, (uint32_t)index);
            } else {
                graph_walk_nodes(self, &walk, scratch, level, at, distance, NULL);
            }
        }
        choose_links(work, scratch, &work->benches[worker], (uint32_t)index, level);
        /* The nearest found here is where the level below begins. */
        if (level > 0 && scratch->pool_size > 0) {
            at = graph_node_at(self, level, candidate_row(scratch->pool[0]))->down;
            distance = candidate_distance(scratch->pool[0]);
        }
    }
}

/* --- steps 2 and 3: the targets take the new rows in ---------------------------------------------------------- */

static int
compare_edges(const void *a, const void *b)
{
    const edge *x = a, *y = b;

    if (x->level != y->level)
        return x->level < y->level ? -1 : 1;
    if (x->target != y->target)
        return x->target < y->target ? -1 : 1;
    return (x->source > y->source) - (x->source < y->source);
}

static void
write_list(_Atomic uint32_t *list, uint32_t limit, const suitor *suitors, uint32_t count)
{
    for (uint32_t i = 0; i < limit; i++)
        atomic_store_explicit(&list[i], i < count ? suitors[i].id : GRAPH_NONE, memory_order_release);
}

static void
merge_target(void *context, size_t group, uint32_t worker)
{
    batch            *work = context;
    const graph      *self = work->graph;
    const size_t      first = work->groups[group];
    const size_t      end = group + 1 < work->group_count ? work->groups[group + 1] : work->edge_count;
    const uint32_t    level = work->edges[first].level;
    const uint32_t    target = work->edges[first].target;
    const uint32_t    target_row = row_of(self, level, target), limit = links_max(self, level);
    _Atomic uint32_t *list = list_of(self, level, target);
    bench            *at = &work->benches[worker];
    suitor           *suitors = at->suitors;
    uint32_t          have = 0;
    size_t            count = 0;

    while (have < limit && atomic_load_explicit(&list[have], memory_order_relaxed) != GRAPH_NONE)
        have++;
    for (uint32_t i = 0; i < have; i++) {
        const uint32_t id = atomic_load_explicit(&list[i], memory_order_relaxed);

        suitors[count++] = suitor_of(target_row, 0, id, row_of(self, level, id));
    }
    for (size_t i = first; i < end; i++) {
        const uint32_t id = work->edges[i].source;
        bool           known = false;

        /* Batch mates may have chosen each other: then the link is there already. */
        for (uint32_t j = 0; j < have && !known; j++)
            known = suitors[j].id == id;
        if (!known)
            suitors[count++] = suitor_of(target_row, work->edges[i].distance, id, row_of(self, level, id));
    }
    if (count > limit) {
        measure_from(self, at, target_row);
        for (size_t i = 0; i < count; i += MEASURED_MAX) {
            float        distances[MEASURED_MAX];
            const size_t some = size_min(MEASURED_MAX, count - i);

            measure(self, at, suitors + i, some, distances);
            for (size_t t = 0; t < some; t++)
                suitors[i + t].distance = distances[t];
        }
        qsort(suitors, count, sizeof *suitors, compare_suitors);
        count = choose(self, at, count, limit);
    }
    write_list(list, limit, suitors, (uint32_t)count);
}

/* The new rows' own lists, and the same links sorted by the other end. */
static void
turn_around(batch *work)
{
    const graph *self = work->graph;

    for (uint32_t i = 0; i < work->count; i++) {
        for (uint32_t level = 0; level <= work->levels[i]; level++) {
            const row_links *links = &work->links[i][level];
            const uint32_t   source = id_of_mate(work, i, level);

            for (uint32_t j = 0; j < links->count; j++)
                work->edges[work->edge_count++] =
                    (edge){links->chosen[j].distance, level, links->chosen[j].id, source};
            write_list(list_of(self, level, source), links_max(self, level), links->chosen, links->count);
        }
    }
    qsort(work->edges, work->edge_count, sizeof *work->edges, compare_edges);
    for (size_t i = 0; i < work->edge_count; i++) {
        if (i == 0 || work->edges[i].level != work->edges[i - 1].level ||
            work->edges[i].target != work->edges[i - 1].target)
            work->groups[work->group_count++] = i;
    }
}

/* --- the batch -------------------------------------------------------------------------------------------------- */

/* Levels and nodes of the batch's rows. Nothing of it is reachable yet. */
static oct_status
prepare_nodes(batch *work, oct_error *error)
{
    graph     *self = work->graph;
    uint32_t   level_counts[GRAPH_LEVELS_MAX];
    oct_status status = rows_reserve(&self->links, (uint64_t)work->first + work->count, error);

    if (status != OCT_OK)
        return status;
    memcpy(level_counts, self->level_counts, sizeof level_counts);
    for (uint32_t i = 0; i < work->count; i++) {
        const uint32_t row = work->first + i;

        work->levels[i] = graph_row_level(self->params.m, row);
        for (uint32_t level = 1; level <= work->levels[i]; level++) {
            graph_node *node;

            status = graph_make_level(self, level, error);
            if (status == OCT_OK)
                status = rows_reserve(self->levels[level], (uint64_t)level_counts[level] + 1, error);
            if (status != OCT_OK)
                return status;
            status = graph_make_sketches(self, level, level_counts[level] + 1, error);
            if (status != OCT_OK)
                return status;
            node = graph_node_at(self, level, level_counts[level]);
            node->row = row;
            node->down = level == 1 ? row : work->nodes[i][level - 1];
            write_list(node->links, self->params.m, NULL, 0);
            graph_sketch_node(self, level, level_counts[level], work->code_values);
            work->nodes[i][level] = level_counts[level]++;
        }
    }
    return OCT_OK;
}

/* All memory of the batch but the threads' search scratch, so that from step 2 on nothing can fail. */
static oct_status
prepare(batch *work, uint32_t thread_count, oct_error *error)
{
    const graph *self = work->graph;
    size_t       lists = 0, links;
    oct_status   status;

    work->code_room = self->coded ? self->codec.padded : 64;
    work->code_values = oct_alloc_aligned(64, thread_count * work->code_room);
    if (work->code_values == NULL)
        return oct_fail_memory(error, thread_count * work->code_room);
    status = prepare_nodes(work, error);
    if (status != OCT_OK)
        return status;
    for (uint32_t i = 0; i < work->count; i++)
        lists += work->levels[i] + 1;
    links = lists * own_links_max(self, 0);
    work->suitor_room = size_max(self->params.ef_construct, self->link_count) + work->count;
    work->chosen = oct_alloc(links * sizeof *work->chosen);
    work->edges = oct_alloc(links * sizeof *work->edges);
    work->groups = oct_alloc(links * sizeof *work->groups);
    work->suitors = oct_alloc(thread_count * work->suitor_room * sizeof *work->suitors);
    work->benches = oct_calloc(thread_count, sizeof *work->benches);
    work->wide = oct_calloc(thread_count * (size_t)self->dim_padded, sizeof *work->wide);
    if (work->chosen == NULL || work->edges == NULL || work->groups == NULL || work->suitors == NULL ||
        work->benches == NULL || work->wide == NULL)
        return oct_fail_memory(error, links * sizeof(edge));
    for (uint32_t i = 0; i < thread_count; i++) {
        work->benches[i].suitors = work->suitors + i * work->suitor_room;
        work->benches[i].query.values = work->code_values + i * work->code_room;
        work->benches[i].wide = work->wide + i * (size_t)self->dim_padded;
    }
    for (uint32_t i = 0, list = 0; i < work->count; i++) {
        for (uint32_t level = 0; level <= work->levels[i]; level++)
            work->links[i][level].chosen = work->chosen + list++ * own_links_max(self, 0);
    }
    return OCT_OK;
}

/* Logarithm to base 2 of a number of at least 1, times GRAPH_SPREAD_ONE, rounded down: by nothing but exact operations and
 * multiplication, as a mathematics library's last bit is its own affair and replicas must agree. */
static uint32_t
log2_fixed(double value)
{
    uint32_t result = 0;

    for (; value >= 2 && result < 32 * GRAPH_SPREAD_ONE; result += GRAPH_SPREAD_ONE)
        value /= 2;
    for (uint32_t bit = GRAPH_SPREAD_ONE / 2; bit > 0; bit /= 2) {
        value *= value;
        if (value >= 2) {
            value /= 2;
            result += bit;
        }
    }
    return result;
}

/* SPREAD   Near a point, the distance of its r-th neighbour grows like r to some power: 2 / d for squared distances in d
 *          (intrinsic) dimensions. Were all queries alike, a reach of (ef / 10) to that power would let a search follow
 *          ef candidates. They are not: where it is dense the same reach holds hundreds, elsewhere none, and the mean is what
 *          ef promises. So the exponent is found by trying: the rows of a batch have just looked for their neighbours, and
 *          how many of those lay within reach of a search costs nothing to count. If they were too many on average, the
 *          exponent is too large. Batches are averaged, later ones weighing more, since the data may drift. */
static void
measure_spread(const batch *work)
{
    graph        *self = work->graph;
    const int64_t before = atomic_load(&self->spread);
    const double  ranks = (double)self->params.ef_construct / GRAPH_NEAR_RANK;
    double        near = 0, far = 0, within = 0;
    uint32_t      count = 0;
    float         origin;
    int64_t       now;

    (void)graph_distance_origin(self->params.distance, &origin);
    for (uint32_t i = 0; i < work->count; i++) {
        if (work->within[i] > 0) {
            near += (double)work->near[i] + (double)origin;
            far += (double)work->far[i] + (double)origin;
            within += work->within[i];
            count++;
        }
    }
    if (!(near > 0 && far >= near && far <= (double)FLT_MAX * BATCH_ROWS_MAX)) /* none measured, or nothing but twins */
        return;
    if (before == 0) { /* the slope from near to far, were all alike */
        now = (int64_t)log2_fixed(far / near) * GRAPH_SPREAD_ONE / log2_fixed(ranks);
    } else {
        const int64_t right = log2_fixed((double)measured_ef(self) / GRAPH_NEAR_RANK);
        const int64_t found = log2_fixed(within / count / GRAPH_NEAR_RANK);

        /* As if the number within reach were a power of the reach; but no more than twice in one go. */
        now = found > right / 2 ? before * right / found : 2 * before;
        now = before + (now - before) / SPREAD_BATCHES;
    }
    if (now > GRAPH_SPREAD_MAX)
        now = GRAPH_SPREAD_MAX;
    atomic_store(&self->spread, (uint32_t)(now > SPREAD_MIN ? now : SPREAD_MIN));
}

static void
publish(const batch *work)
{
    graph   *self = work->graph;
    uint64_t entry = work->entry;

    for (uint32_t i = 0; i < work->count; i++) {
        const uint32_t level = work->levels[i];

        for (uint32_t l = 1; l <= level; l++)
            self->level_counts[l] = work->nodes[i][l] + 1;
        if (level > (uint32_t)(entry >> 32) || (work->first == 0 && i == 0))
            entry = (uint64_t)level << 32 | (level == 0 ? work->first + i : work->nodes[i][level]);
    }
    /* In this order: who sees the new entry sees the rows that it belongs to. */
    atomic_store_explicit(&self->graph_count, work->first + work->count, memory_order_release);
    atomic_store_explicit(&self->entry, entry, memory_order_release);
}

oct_status
graph_build_batch(graph *self, workers *pool, uint32_t threads_max, bool *built, oct_error *error)
{
    batch     *work;
    oct_status status;

    *built = false;
    if (!graph_has_batch(self))
        return OCT_OK;
    work = oct_calloc(1, sizeof *work);
    if (work == NULL)
        return oct_fail_memory(error, sizeof *work);
    work->graph = self;
    work->first = atomic_load(&self->graph_count);
    work->count = graph_batch_rows(work->first);
    work->entry = atomic_load(&self->entry);
    work->reach = graph_reach(atomic_load(&self->spread), measured_ef(self), GRAPH_NEAR_RANK);
    status = prepare(work, workers_count(pool) + 1, error);
    if (status != OCT_OK)
        goto out;
    workers_split(pool, work->count, threads_max, search_row, work);
    if (atomic_load(&work->failed)) {
        status = oct_fail(error, OCT_NOMEM, "out of memory while rows %u to %u looked for neighbours",
                          work->first, work->first + work->count - 1);
        goto out;
    }
    turn_around(work);
    workers_split(pool, work->group_count, threads_max, merge_target, work);
    measure_spread(work);
    publish(work);
    *built = true;
out:
    oct_free(work->chosen);
    oct_free(work->suitors);
    oct_free(work->benches);
    oct_free(work->code_values);
    oct_free(work->wide);
    oct_free(work->edges);
    oct_free(work->groups);
    oct_free(work);
    return status;
}
