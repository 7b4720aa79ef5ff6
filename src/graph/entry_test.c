/* Goal:   searches begin near their queries, at rows of the graph, whichever level is scanned; and recall bears it.
 * Method: graphs whose scanned level is the lowest, a higher one, or so thin that the way goes on downwards. What the starts should
 *         be is made from the definition: all sketches compared one by one. Seeds 1 and 2.
 */
#include "graph/graph_test.h"

#define DIM 128u

static void
fill_graph(twin *self, uint64_t seed, uint32_t m, uint32_t points)
{
    const graph_params params = {.dim = DIM, .distance = OCT_COSINE, .m = m, .ef_construct = 12, .start_rows = 1};
    clusters           source;
    float              vector[DIM];

    twin_open(self, &params, points, 1);
    clusters_init(&source, seed, DIM, 50, 0.5f);
    for (uint32_t point = 0; point < points; point++) {
        clusters_next(&source, vector);
        (void)twin_put(self, point, vector);
    }
    graph_publish(self->graph);
    (void)twin_build(self, 2);
    clusters_clear(&source);
}

/* Of the starts for some queries: are they in the graph, are their distances right, and how many rows are nearer? */
static double
mean_rank(const twin *self, uint64_t seed)
{
    const graph   *at = self->graph;
    const uint32_t graph_count = graph_graph_count(at);
    clusters       source;
    double         ranks = 0;

    clusters_init(&source, seed, DIM, 50, 0.5f);
    for (int i = 0; i < 50; i++) {
        graph_start    starts[GRAPH_STARTS];
        graph_scratch *scratch = graph_scratch_get(at, graph_count, 16);
        float          vector[DIM], prepared[DIM];
        uint32_t       count;

        clusters_next(&source, vector);
        graph_prepare(at, vector, prepared);
        CHECK(scratch != NULL);
        epoch_pin();
        graph_set_query(at, scratch, prepared);
        count = graph_find_starts(at, scratch, atomic_load(&at->entry), graph_count, starts, NULL);
        CHECK(count >= 1 && count <= GRAPH_STARTS);
        for (uint32_t s = 0; s < count; s++) {
            CHECK_MSG(starts[s].row < graph_count, "start %u of %u rows", starts[s].row, graph_count);
            for (uint32_t t = 0; t < s; t++)
                CHECK(starts[t].row != starts[s].row);
            scratch->targets[0] = graph_row_target(at, starts[s].row);
            graph_estimates(at, scratch, scratch->targets, 1);
            CHECK(scratch->distances[0] == starts[s].distance);
        }
        for (uint32_t row = 0; row < graph_count; row++) {
            scratch->targets[0] = graph_row_target(at, row);
            graph_estimates(at, scratch, scratch->targets, 1);
            ranks += scratch->distances[0] < starts[0].distance;
        }
        epoch_unpin();
    }
    clusters_clear(&source);
    return ranks / 50;
}

/* Bound: the nearest of k random rows has n / k nearer ones on average; sketches of 128 components err much, hence 12 times that. */
TEST(searches_begin_near_their_queries)
{
    static const struct {
        uint32_t m, points, level; /* that is scanned */
    } cases[] = {{16, 40, 1}, {16, 3000, 1}, {4, 3000, 2}, {33, 19000, 2}};

    for (size_t c = 0; c < countof(cases); c++) {
        twin     at;
        uint32_t count;
        double   rank;

        fill_graph(&at, 1, cases[c].m, cases[c].points);
        count = at.graph->level_counts[cases[c].level];
        CHECK_MSG(count > 0 && count <= 512 && (cases[c].level == 1 || at.graph->level_counts[cases[c].level - 1] > 512),
                  "case %zu: level %u has %u nodes", c, cases[c].level, count);
        rank = mean_rank(&at, 2);
        CHECK_MSG(rank < 12.0 * cases[c].points / count, "case %zu: %f of %u rows are nearer than the start", c, rank,
                  cases[c].points);
        twin_close(&at);
    }
}
