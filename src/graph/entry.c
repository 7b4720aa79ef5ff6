/* Where a walk of level 0 begins: at the best rows of a table, instead of at the end of a way down through the levels.
 *
 * WHY      The way down is a chain of fetches, each of which tells the address of the next: nine hops and 81 codes for 62,666 rows,
 *          a sixth of a search at recall 0.95. The nodes of a level are a random sample of the rows; the nearest of a few hundred is
 *          found by a scan of their sketches (codes/sketch.h), which lie one behind the other in the second-level cache. The walk
 *          then starts from two, which makes up for a sketch's error, and for the levels passed over.
 * TABLE    The sketches of the first ENTRY_ROWS_MAX nodes of each level above 0, in memory only: made with the node, or when a graph
 *          is loaded. Scanned is the lowest level all of whose nodes have one. If it is so thin that its nearest is no good
 *          start (fewer than 1 in ENTRY_SPARSE rows by expectation), the way goes on downwards from there.
 * SAME ANSWER
 *          What a search sees of a level are the nodes of rows below its graph_count, which depends on nothing but that number.
 *          The build goes down through the levels as ever (graph_descend): it needs the places on the levels.
 * Measured: docs/design/search.md.
 */
#include "codes/sketch.h"
#include "graph/graph_internal.h"

#define ENTRY_ROWS_MAX 512u
#define ENTRY_SPARSE   256u
#define ENTRY_EXPECTED 8u /* sketches that a level begins with room for */

oct_status
graph_make_sketches(graph *self, uint32_t level, uint32_t count, oct_error *error)
{
    if (!self->coded)
        return OCT_OK;
    if (self->sketches[level] == NULL) {
        rows *fresh = oct_alloc(sizeof *fresh);

        if (fresh == NULL)
            return oct_fail_memory(error, sizeof *fresh);
        rows_init(fresh, (uint32_t)sketch_stride(&self->codec), ENTRY_EXPECTED);
        self->sketches[level] = fresh;
    }
    return rows_reserve(self->sketches[level], count < ENTRY_ROWS_MAX ? count : ENTRY_ROWS_MAX, error);
}

void
graph_sketch_node(graph *self, uint32_t level, uint32_t node, int8_t *values)
{
    if (self->coded && node < ENTRY_ROWS_MAX)
        sketch_make(&self->codec, graph_row_code(self, graph_node_at(self, level, node)->row), values,
                    rows_at(self->sketches[level], node));
}

oct_status
graph_sketch_levels(graph *self, oct_error *error)
{
    const uint32_t graph_count = atomic_load(&self->graph_count);
    int8_t        *values;
    oct_status     status = OCT_OK;

    if (!self->coded || self->level_counts[1] == 0)
        return OCT_OK;
    values = oct_alloc_aligned(64, self->codec.padded);
    if (values == NULL)
        return oct_fail_memory(error, self->codec.padded);
    for (uint32_t level = 1; level < GRAPH_LEVELS_MAX && status == OCT_OK; level++) {
        const uint32_t count = self->level_counts[level];

        if (count == 0)
            break;
        status = graph_make_sketches(self, level, count, error);
        for (uint32_t node = 0; node < count && node < ENTRY_ROWS_MAX && status == OCT_OK; node++) {
            if (graph_node_at(self, level, node)->row >= graph_count)
                status = oct_fail(error, OCT_CORRUPT, "node %u of level %u is row %u of %u in the graph", node, level,
                                  graph_node_at(self, level, node)->row, graph_count);
            else
                graph_sketch_node(self, level, node, values);
        }
    }
    oct_free(values);
    return status;
}

/* Nodes of a level whose rows lie below `row_limit`: nodes are in order of their rows. */
static uint32_t
seen_nodes(const graph *self, uint32_t level, uint32_t row_limit)
{
    uint32_t count = atomic_load_explicit(&self->level_counts[level], memory_order_acquire);

    while (count > 0 && graph_node_at(self, level, count - 1)->row >= row_limit)
        count--;
    return count;
}

/* The highest level that has, as a rule, no fewer than 1 in ENTRY_SPARSE rows. */
static uint32_t
dense_level(uint32_t m)
{
    uint32_t level = 1;

    for (uint32_t share = m < 2 ? 2 : m; share * m <= ENTRY_SPARSE && m >= 2; share *= m)
        level++;
    return level;
}

/* The nodes of a level whose sketches are nearest, nearest first; ties by number. Returns how many: GRAPH_STARTS if there are. */
static uint32_t
scan_sketches(const graph *self, graph_scratch *scratch, uint32_t level, uint32_t count, uint32_t best[GRAPH_STARTS])
{
    const rows *sketches = self->sketches[level];
    float       least[GRAPH_STARTS] = {0};
    uint32_t    found = 0;

    sketch_query_code(&self->codec, &scratch->code_query, &scratch->sketch);
    for (uint32_t first = 0, some; first < count; first += some) {
        const uint64_t end = rows_segment_end(sketches, rows_segment_of(sketches, first));
        float          distances[SKETCH_MANY];

        some = (uint32_t)size_min(size_min(count, end) - first, SKETCH_MANY);
        sketch_distances(&self->codec, &scratch->sketch, rows_at(sketches, first), some, distances);
        for (uint32_t i = 0; i < some; i++) {
            uint32_t at;

            if (found == GRAPH_STARTS && distances[i] >= least[GRAPH_STARTS - 1])
                continue;
            at = found < GRAPH_STARTS ? found++ : GRAPH_STARTS - 1;
            for (; at > 0 && distances[i] < least[at - 1]; at--) {
                least[at] = least[at - 1];
                best[at] = best[at - 1];
            }
            least[at] = distances[i];
            best[at] = first + i;
        }
    }
    return found;
}

uint32_t
graph_find_starts(const graph *self, graph_scratch *scratch, uint64_t entry, uint32_t row_limit, graph_start starts[GRAPH_STARTS],
                  graph_stats *stats)
{
    const uint32_t highest = (uint32_t)(entry >> 32);
    uint32_t       level = 1, nodes = 0, count, best[GRAPH_STARTS];

    for (; self->coded && level <= highest; level++) {
        nodes = seen_nodes(self, level, row_limit);
        if (nodes <= ENTRY_ROWS_MAX)
            break;
    }
    if (nodes == 0 || nodes > ENTRY_ROWS_MAX) {
        starts[0].row = graph_descend(self, scratch, entry, 0, row_limit, &starts[0].distance, stats);
        return 1;
    }
    count = scan_sketches(self, scratch, level, nodes, best);
    if (level > dense_level(self->params.m)) {
        entry = (uint64_t)(level - 1) << 32 | graph_node_at(self, level, best[0])->down;
        starts[0].row = graph_descend(self, scratch, entry, 0, row_limit, &starts[0].distance, stats);
        return 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        starts[i].row = graph_node_at(self, level, best[i])->row;
        scratch->targets[i] = graph_row_target(self, starts[i].row);
        graph_prefetch_start(self, starts[i].row);
    }
    graph_estimates(self, scratch, scratch->targets, count);
    for (uint32_t i = 0; i < count; i++)
        starts[i].distance = scratch->distances[i];
    if (stats != NULL)
        stats->scored += count;
    return count;
}
