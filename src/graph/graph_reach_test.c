/* The reach of a walk (search.c) and the exponent it is made from (build.c). */
#include "graph/graph_test.h"

#define DIM_MAX 160u

/* Spread of a graph as the exponent that it stands for. */
static double
spread_of(const twin *self)
{
    graph_state state;

    graph_get_state(self->graph, &state);
    return (double)state.spread / GRAPH_SPREAD_ONE;
}

/* Goal:   where all points are alike the spread is the exponent of distance by rank: near 2 / d for squared distances and
 *         1 / d for sums of differences, of points spread evenly in d dimensions; not known for dot products, whose ratios
 *         mean nothing.
 * Method: 3,000 even points in a cube, d 2, 3 and 5; m 8, ef_construct 80; seed 3.
 * Bound:  points near the cube's walls have neighbours on one side only: a third more or less. */
TEST(spread_is_the_exponent_of_distance_by_rank)
{
    static const uint32_t dims[] = {2, 3, 5};

    for (size_t d = 0; d < countof(dims); d++) {
        for (oct_distance distance = OCT_DOT; distance <= OCT_MANHATTAN; distance++) {
            const graph_params params = {
                .dim = dims[d], .distance = distance, .m = 8, .ef_construct = 80, .start_rows = 1};
            const double right = (distance == OCT_EUCLID ? 2.0 : 1.0) / dims[d];
            test_rng     rng = test_rng_seed(3);
            twin         self;

            if (distance == OCT_COSINE) /* all directions: d - 1 dimensions, which OCT_EUCLID shows as well */
                continue;
            twin_open(&self, &params, 3000, 2);
            for (uint32_t point = 0; point < 3000; point++) {
                float vector[5];

                test_fill(&rng, vector, dims[d]);
                (void)twin_put(&self, point, vector);
            }
            graph_publish(self.graph);
            (void)twin_build(&self, 0);
            if (distance == OCT_DOT)
                CHECK(spread_of(&self) == 0);
            else
                CHECK_MSG(spread_of(&self) > right / 1.34 && spread_of(&self) < right * 1.34,
                          "distance %d, %u dimensions: the spread is %.3f, not %.3f", (int)distance, dims[d], spread_of(&self),
                          right);
            twin_close(&self);
        }
    }
}

typedef struct outcome {
    double recall, scored; /* means */
} outcome;

static outcome
measure(const twin *self, clusters *tight, clusters *wide, size_t ef)
{
    const uint32_t queries = 200;
    outcome        out = {.recall = 0};

    for (uint32_t q = 0; q < queries; q++) {
        float       vector[DIM_MAX], prepared[DIM_MAX];
        graph_hit   right[10], hits[10];
        graph_stats stats;
        graph_query query;
        size_t      count;

        clusters_next(q % 2 == 0 ? tight : wide, vector);
        query = twin_query(self, vector, prepared, 10, ef);
        (void)twin_answer(self, &query, right);
        count = twin_search(self, &query, hits, &stats);
        twin_check_hits(self, &query, hits, count, "walk");
        for (size_t i = 0; i < count; i++)
            out.recall += hits[i].distance <= right[9].distance ? 1.0 / (10 * queries) : 0;
        out.scored += (double)stats.scored / queries;
    }
    return out;
}

/* Goal:   a walk with a reach spends its effort where it is needed: no fewer hits than a plain walk that computes at least as
 *         many distances, with codes and without, also where rows have died; and ef goes on to mean about as much work.
 * Method: 6,000 vectors, every other one from tight clusters and from wide ones, 24 and 96 dimensions; 200 queries of both
 *         kinds at ef 40; then with the spread forgotten, at the first ef from 40 on in steps of 4 that does as much work;
 *         then a third of the points removed and the same again. Seeds 5 and 6.
 * Bound:  recall at least the plain walk's less 0.002; that walk's ef at most 100: codes of 96 components leave a hundred
 *         points of a tight cluster within their error, of which a plain walk at ef 40 misses one hit in fifteen. */
TEST(reach_spends_effort_where_it_is_needed)
{
    static const uint32_t dims[] = {24, 96};

    for (size_t d = 0; d < countof(dims); d++) {
        const graph_params params = {
            .dim = dims[d], .distance = OCT_COSINE, .m = 8, .ef_construct = 80, .start_rows = 1};
        const uint32_t points = 6000;
        clusters       tight, wide;
        twin           self;

        clusters_init(&tight, 5, dims[d], 30, 0.1f);
        clusters_init(&wide, 6, dims[d], 30, 1.0f);
        twin_open(&self, &params, points, 2);
        for (uint32_t point = 0; point < points; point++) {
            float vector[DIM_MAX];

            clusters_next(point % 2 == 0 ? &tight : &wide, vector);
            (void)twin_put(&self, point, vector);
        }
        graph_publish(self.graph);
        (void)twin_build(&self, 0);
        for (int dead = 0; dead <= 1; dead++) {
            const uint32_t spread = atomic_load(&self.graph->spread);
            const clusters tight_then = tight, wide_then = wide;
            outcome        plain, reached;
            size_t         ef = 40;

            CHECK(spread > 0);
            reached = measure(&self, &tight, &wide, 40);
            atomic_store(&self.graph->spread, 0);
            do {
                tight.rng = tight_then.rng; /* the same queries */
                wide.rng = wide_then.rng;
                plain = measure(&self, &tight, &wide, ef);
                ef += 4;
            } while (plain.scored < reached.scored && ef <= 120);
            atomic_store(&self.graph->spread, spread);
            CHECK_MSG(reached.recall >= plain.recall - 0.002 && ef <= 100,
                      "dim %u, dead %d: recall %.4f with %.0f distances; plain at ef %zu: %.4f with %.0f", dims[d], dead,
                      reached.recall, reached.scored, ef, plain.recall, plain.scored);
            for (uint32_t point = 0; point < points && dead == 0; point += 3)
                twin_remove(&self, point);
        }
        clusters_clear(&tight);
        clusters_clear(&wide);
        twin_close(&self);
    }
}

/* Goal:   rows of the tail are found however small the walk's reach: nothing else leads to them, so they are not left out for
 *         the error of an estimate.
 * Method: 3,000 vectors of 96 components from 30 clusters in the graph, 150 more of them in the tail (two turns and a part of
 *         the scan); 300 queries at ef 10, which is a reach of 1; seed 8. Each point of the tail that is among the ten nearest
 *         has to be a hit.
 * Bound:  none: no estimate of these errs by four standard deviations. */
TEST(rows_of_the_tail_are_found_by_walks_of_any_reach)
{
    enum { BUILT = 3000, TAIL = 150, QUERIES = 300, DIM = 96 };
    const graph_params params = {.dim = DIM, .distance = OCT_COSINE, .m = 8, .ef_construct = 80, .start_rows = 1};
    uint32_t           expected = 0, first;
    clusters           wide;
    twin               self;

    clusters_init(&wide, 8, DIM, 30, 1.0f);
    twin_open(&self, &params, BUILT + TAIL, 2);
    for (uint32_t point = 0; point < BUILT + TAIL; point++) {
        float vector[DIM];

        clusters_next(&wide, vector);
        (void)twin_put(&self, point, vector);
        if (point + 1 == BUILT) {
            graph_publish(self.graph);
            (void)twin_build(&self, 0);
        }
    }
    graph_publish(self.graph);
    first = graph_graph_count(self.graph);
    CHECK(atomic_load(&self.graph->spread) > 0);
    for (uint32_t q = 0; q < QUERIES; q++) {
        float       vector[DIM], prepared[DIM];
        graph_hit   right[10], hits[10];
        graph_stats stats;
        graph_query query;
        size_t      count;

        clusters_next(&wide, vector);
        query = twin_query(&self, vector, prepared, 10, 10);
        (void)twin_answer(&self, &query, right);
        count = twin_search(&self, &query, hits, &stats);
        CHECK(stats.tail == BUILT + TAIL - first);
        for (size_t i = 0; i < countof(right); i++) {
            bool is_hit = right[i].point < first; /* points have the numbers of their rows here */

            for (size_t j = 0; j < count && !is_hit; j++)
                is_hit = hits[j].point == right[i].point;
            CHECK_MSG(is_hit, "query %u: point %u of the tail, the %zuth nearest, is no hit", q, right[i].point, i + 1);
            expected += right[i].point >= first;
        }
    }
    CHECK_MSG(expected > QUERIES / 10, "only %u points of the tail were asked for", expected);
    clusters_clear(&wide);
    twin_close(&self);
}
