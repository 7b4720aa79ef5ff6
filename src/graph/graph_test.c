/* Graphs against the simplest model: an array of vectors and a linear scan. What needs threads is in
 * graph_threads_test.c, copies and compaction in graph_copy_test.c. */
#include "graph/graph_test.h"

#define DIM_MAX  160u
#define HITS_MAX 512u

static const oct_distance distances[] = {OCT_COSINE, OCT_DOT, OCT_EUCLID, OCT_MANHATTAN};

static graph_params
params_of(uint32_t dim, oct_distance distance, uint32_t m, uint32_t ef_construct)
{
    return (graph_params){
        .dim = dim, .distance = distance, .m = m, .ef_construct = ef_construct, .start_rows = 1};
}

/* --- recall ------------------------------------------------------------------------------------------ */

/* Goal:   the walk finds what is near: recall@10 of 0.95 at ef 128, for every distance, with codes and without; exact
 *         search finds precisely the right answer.
 * Method: 4,000 vectors in 40 clusters, dimensions 32 and 96, m 16, ef_construct 100; 60 queries from the same
 *         clusters; the model is the judge. Seed 11.
 * Bound:  0.95 leaves room for the four-bit codes; without them 0.99 and more is reached. */
TEST(recall_is_high_for_every_distance)
{
    static const uint32_t dims[] = {32, 96};

    for (size_t d = 0; d < countof(dims); d++) {
        for (size_t i = 0; i < countof(distances); i++) {
            const graph_params params = params_of(dims[d], distances[i], 16, 100);
            const uint32_t     queries = 60, points = 4000;
            clusters           data;
            float              vector[DIM_MAX], prepared[DIM_MAX];
            size_t             found = 0;
            twin               self;

            clusters_init(&data, 11, dims[d], 40, 0.15f);
            twin_open(&self, &params, points, 2);
            for (uint32_t point = 0; point < points; point++) {
                clusters_next(&data, vector);
                (void)twin_put(&self, point, vector);
            }
            graph_publish(self.graph);
            CHECK(twin_build(&self, 0) > 0);
            twin_check(&self, "built");
            CHECK(points - graph_graph_count(self.graph) < 256);
            for (uint32_t q = 0; q < queries; q++) {
                graph_hit   right[10], hits[10];
                graph_stats stats;
                graph_query query;
                size_t      count, right_count;

                clusters_next(&data, vector);
                query = twin_query(&self, vector, prepared, 10, 128);
                right_count = twin_answer(&self, &query, right);
                count = twin_search(&self, &query, hits, &stats);
                twin_check_hits(&self, &query, hits, count, "walk");
                CHECK(!stats.scanned && stats.hops > 0 && stats.scored < points);
                for (size_t a = 0; a < count; a++) {
                    for (size_t b = 0; b < right_count; b++)
                        found += hits[a].point == right[b].point;
                }
                query.exact = true;
                count = twin_search(&self, &query, hits, &stats);
                CHECK(stats.scanned);
                CHECK(count == right_count && memcmp(hits, right, count * sizeof *hits) == 0);
            }
            CHECK_MSG((double)found >= 0.95 * 10 * queries, "distance %d, dim %u: recall@10 is %.3f",
                      (int)distances[i], dims[d], (double)found / (10 * queries));
            clusters_clear(&data);
            twin_close(&self);
        }
    }
}

/* --- the same log, the same graph ---------------------------------------------------------------------- */

/* Rows in a fixed order, some for points that had one: put number i of the plan. */
static void
put_planned(twin *self, uint64_t seed, uint32_t i)
{
    test_rng       rng = test_rng_seed(seed + i);
    const uint32_t point = test_below(&rng, 4) == 0 && i > 0 ? (uint32_t)test_below(&rng, i) : i;
    float          vector[DIM_MAX];

    test_fill(&rng, vector, self->dim);
    if (test_below(&rng, 3) == 0) /* a crowd: many alike */
        memset(vector, 0, (self->dim - 2) * sizeof *vector);
    (void)twin_put(self, point, vector);
}

static uint64_t
checksum_of_build(const graph_params *params, uint32_t row_count, uint32_t threads, test_rng *chunks)
{
    uint32_t done = 0;
    uint64_t checksum;
    twin     self;

    twin_open(&self, params, row_count, threads);
    while (done < row_count) {
        const uint32_t more =
            chunks == NULL
                ? row_count
                : (uint32_t)size_min(1 + test_below(chunks, 1 + test_below(chunks, 400)), row_count - done);

        for (uint32_t i = 0; i < more; i++)
            put_planned(&self, 21, done++);
        if (chunks == NULL || test_below(chunks, 4) > 0 || done == row_count)
            graph_publish(self.graph);
        if (chunks != NULL && test_below(chunks, 3) == 0)
            twin_remove(&self, (uint32_t)test_below(chunks, done));
        if (chunks != NULL) {
            for (uint64_t batches = test_below(chunks, 12); batches > 0; batches--) {
                bool built;

                CHECK_OK(graph_build_batch(self.graph, self.pool, (uint32_t)test_below(chunks, threads + 1),
                                           &built, NULL));
            }
        }
    }
    (void)twin_build(&self, 0);
    twin_check(&self, "built");
    checksum = graph_checksum(self.graph);
    twin_close(&self);
    return checksum;
}

/* Goal:   the graph is a function of the rows: not of the number of threads, of how appending, publishing, removing
 *         and building were interleaved.
 * Method: 2,500 rows, many of them duplicates, some replacing others; threads 1, 2, 4; 8 random interleavings
 * against one
 *         build at the end; with codes and without. Other rows give another checksum. Seed 22. */
TEST(graph_does_not_depend_on_threads_or_timing)
{
    static const uint32_t dims[] = {24, 80};

    for (size_t d = 0; d < countof(dims); d++) {
        const graph_params params = params_of(dims[d], OCT_COSINE, 8, 40);
        const uint64_t     expected = checksum_of_build(&params, 2500, 1, NULL);
        test_rng           rng = test_rng_seed(22);

        for (uint32_t threads = 2; threads <= 4; threads += 2)
            CHECK_MSG(checksum_of_build(&params, 2500, threads, NULL) == expected, "%u threads", threads);
        for (uint64_t round = 0; round < test_scaled(8); round++)
            CHECK_MSG(expected == checksum_of_build(&params, 2500, 1 + (uint32_t)(round & 3), &rng),
                      "dim %u, interleaving %llu", dims[d], (unsigned long long)round);
        CHECK(checksum_of_build(&params, 2499 - 200, 1, NULL) != expected);
    }
}

/* --- histories ------------------------------------------------------------------------------------------- */

/* One search of each kind for a vector. */
static void
try_searches(const twin *self, test_rng *rng, const float *vector, const char *when)
{
    graph_hit   hits[HITS_MAX], right[HITS_MAX];
    float       prepared[DIM_MAX];
    graph_query query =
        twin_query(self, vector, prepared, 1 + test_below(rng, test_below(rng, 10) == 0 ? HITS_MAX : 20),
                   test_below(rng, 100));
    size_t count;

    query.full_scan_rows = test_below(rng, 3) == 0 ? (uint32_t)test_below(rng, 1000) : 0;
    count = twin_search(self, &query, hits, NULL);
    twin_check_hits(self, &query, hits, count, when);

    query.exact = true;
    count = twin_search(self, &query, hits, NULL);
    CHECK_MSG(count == twin_answer(self, &query, right) && memcmp(hits, right, count * sizeof *hits) == 0,
              "%s: the exact answer is wrong", when);
}

/* Goal:   after every step of a random history: invariants hold, vectors are those last given, searches give only live
 *         points with true distances, in order, `limit` of them; exact ones are right; a point is the first hit of
 *         a search for its own vector as soon as it is published.
 * Method: 24 histories of 200 steps over all distances, dimensions 1 to 130, m 2 to 20; duplicates, overwrites, equal
 *         overwrites, removals singly and in droves. Seeds 31 to 54. */
TEST(random_histories_agree_with_the_model)
{
    for (uint64_t seed = 31; seed < 31 + test_scaled(24) && !test_has_failed(); seed++) {
        test_rng       rng = test_rng_seed(seed);
        const uint32_t dim =
            seed % 3 == 0 ? 64 + (uint32_t)test_below(&rng, 67) : 1 + (uint32_t)test_below(&rng, 40);
        const graph_params params = {.dim = dim,
                                     .distance = distances[seed % 4],
                                     .m = 2 + (uint32_t)test_below(&rng, 19),
                                     .ef_construct = 4 + (uint32_t)test_below(&rng, 60),
                                     .start_rows = (uint32_t)test_below(&rng, 3) * 100};
        const uint32_t     points = 1500;
        clusters           data;
        float              vector[DIM_MAX];
        twin               self;

        clusters_init(&data, seed, dim, 12, 0.1f);
        twin_open(&self, &params, points, 2);
        for (uint32_t step = 0; step < 200 && !test_has_failed(); step++) {
            char when[64];

            (void)snprintf(when, sizeof when, "seed %llu, step %u", (unsigned long long)seed, step);
            switch (test_below(&rng, 8)) {
            case 0: /* the same vector again, or another's */
                for (int i = 0; i < 10; i++) {
                    const uint32_t from = (uint32_t)test_below(&rng, points),
                                   to = (uint32_t)test_below(&rng, points);

                    if (self.has[from]) {
                        memcpy(vector, self.vectors + (size_t)from * dim, dim * sizeof *vector);
                        (void)twin_put(&self, test_below(&rng, 2) == 0 ? from : to, vector);
                    }
                }
                break;
            case 1:
                for (uint64_t i = test_below(&rng, 5) == 0 ? points / 2 : test_below(&rng, 30); i > 0; i--)
                    twin_remove(&self, (uint32_t)test_below(&rng, points));
                break;
            case 2:
                (void)twin_build(&self, (uint32_t)test_below(&rng, 3));
                break;
            default:
                for (uint64_t i = test_below(&rng, 40); i > 0; i--) {
                    clusters_next(&data, vector);
                    (void)twin_put(&self, (uint32_t)test_below(&rng, points), vector);
                }
            }
            graph_publish(self.graph);
            twin_check(&self, when);
            clusters_next(&data, vector);
            try_searches(&self, &rng, vector, when);
            for (int i = 0; i < 3; i++) {
                const uint32_t point = (uint32_t)test_below(&rng, points);
                float          prepared[DIM_MAX];
                graph_hit      hit;
                graph_query    query;

                if (!self.has[point] || params.distance == OCT_DOT) /* another's product may be larger */
                    continue;
                /* In the tail always; in the graph if it is no starved one: recall is another test's matter. */
                if (graph_row_of(self.graph, point) < graph_graph_count(self.graph) &&
                    (params.m < 8 || params.ef_construct < 30))
                    continue;
                query = twin_query(&self, self.vectors + (size_t)point * dim, prepared, 1, 400);
                CHECK_INT(twin_search(&self, &query, &hit, NULL), 1);
                if (hit.point != point) /* then it has a twin, or equals it but for rounding */
                    CHECK_MSG(
                        memcmp(self.vectors + (size_t)hit.point * dim, self.vectors + (size_t)point * dim,
                               dim * sizeof(float)) == 0 ||
                            params.distance == OCT_COSINE,
                        "%s: point %u (row %u of %u, %u in the graph; m %u) is not found by its own vector",
                        when, point, graph_row_of(self.graph, point), graph_row_count(self.graph),
                        graph_graph_count(self.graph), params.m);
            }
        }
        clusters_clear(&data);
        twin_close(&self);
    }
}

/* Goal:   however many have died, `limit` live points give `limit` hits, none of them dead; a search of the graph alone
 *         as well.
 * Method: 3,000 rows; 95, 99 and 99.9 % are removed, at random and whole clusters; limits up to all that live. Seed
 * 61. */
TEST(limit_live_points_give_limit_hits_whatever_died)
{
    static const uint32_t dims[] = {16, 72};

    for (size_t d = 0; d < countof(dims); d++) {
        const graph_params params = params_of(dims[d], OCT_EUCLID, 8, 50);
        const uint32_t     points = 3000;
        test_rng           rng = test_rng_seed(61);
        clusters           data;
        float              vector[DIM_MAX], prepared[DIM_MAX];
        graph_hit          hits[HITS_MAX];
        twin               self;

        clusters_init(&data, 62, dims[d], 20, 0.05f);
        twin_open(&self, &params, points, 2);
        for (uint32_t point = 0; point < points; point++) {
            clusters_next(&data, vector);
            (void)twin_put(&self, point, vector);
        }
        graph_publish(self.graph);
        (void)twin_build(&self, 0);
        for (uint32_t left = points / 20; left > 0; left = left > 100 ? 30 : left > 10 ? 3 : 0) {
            while (self.live > left)
                twin_remove(&self, (uint32_t)test_below(&rng, points));
            graph_publish(self.graph);
            twin_check(&self, "thinned out");
            for (int i = 0; i < 60; i++) {
                const size_t limit = i % 3 == 0 ? left : i % 3 == 1 ? 1 : 1 + test_below(&rng, left + 5);
                graph_query  query;
                size_t       count, in_graph = 0;

                clusters_next(&data, vector);
                query = twin_query(&self, vector, prepared, limit, 1 + test_below(&rng, 100));
                count = twin_search(&self, &query, hits, NULL);
                twin_check_hits(&self, &query, hits, count, "mostly dead");

                query.indexed_only = true;
                for (uint32_t point = 0; point < points; point++)
                    in_graph +=
                        self.has[point] && graph_row_of(self.graph, point) < graph_graph_count(self.graph);
                CHECK_INT(twin_search(&self, &query, hits, NULL), size_min(limit, in_graph));
            }
        }
        clusters_clear(&data);
        twin_close(&self);
    }
}

/* Goal:   of points with exactly equal distances the tie rule picks and orders the hits, in any exact or scanning
 * search,
 *         in a walk it orders those that were met.
 * Method: 700 points share 5 vectors; the rule prefers large numbers, rows come in small ones first. */
TEST(equal_distances_are_ordered_by_the_tie_rule)
{
    static const uint32_t dims[] = {8, 64};

    for (size_t d = 0; d < countof(dims); d++) {
        for (int built = 0; built < 2; built++) {
            graph_params params = params_of(dims[d], OCT_EUCLID, 8, 60);
            test_rng     rng = test_rng_seed(71);
            float        five[5][DIM_MAX], prepared[DIM_MAX];
            graph_hit    hits[HITS_MAX], right[HITS_MAX];
            twin         self;

            params.start_rows = built == 0 ? GRAPH_START_NEVER : 1;
            test_fill(&rng, &five[0][0], 5 * DIM_MAX);
            twin_open(&self, &params, 700, 1);
            for (uint32_t point = 0; point < 700; point++)
                (void)twin_put(&self, point, five[test_below(&rng, 5)]);
            graph_publish(self.graph);
            (void)twin_build(&self, 0);
            for (size_t limit = 1; limit < 300; limit = limit * 2 + 1) {
                for (int i = 0; i < 5; i++) {
                    graph_query  query = twin_query(&self, five[i], prepared, limit, 64);
                    size_t       count = twin_search(&self, &query, hits, NULL);
                    const size_t right_count = twin_answer(&self, &query, right);

                    twin_check_hits(&self, &query, hits, count, "ties");
                    if (built == 0)
                        CHECK_MSG(count == right_count && memcmp(hits, right, count * sizeof *hits) == 0,
                                  "dim %u, limit %zu: a scan does not follow the tie rule", dims[d], limit);
                    query.exact = true;
                    count = twin_search(&self, &query, hits, NULL);
                    CHECK(count == right_count && memcmp(hits, right, count * sizeof *hits) == 0);
                }
            }
            twin_close(&self);
        }
    }
}

/* Goal:   with a set of allowed points only they are hits, `limit` of them if there are; few or many, in graph and
 * tail,
 *         dead ones among them; exact ones are right.
 * Method: sets of random density, from one point to all, some shorter than the points there are. Seed 81. */
TEST(allowed_points_alone_are_hits)
{
    static const uint32_t dims[] = {12, 70};

    for (size_t d = 0; d < countof(dims); d++) {
        const graph_params params = params_of(dims[d], OCT_COSINE, 10, 60);
        const uint32_t     points = 3000;
        test_rng           rng = test_rng_seed(81);
        uint64_t           allowed[(3000 + 63) / 64];
        clusters           data;
        float              vector[DIM_MAX], prepared[DIM_MAX];
        graph_hit          hits[HITS_MAX], right[HITS_MAX];
        twin               self;

        clusters_init(&data, 82, dims[d], 20, 0.1f);
        twin_open(&self, &params, points, 2);
        for (uint32_t point = 0; point < points; point++) {
            clusters_next(&data, vector);
            (void)twin_put(&self, point, vector);
            if (point % 7 == 0)
                twin_remove(&self, (uint32_t)test_below(&rng, point + 1));
        }
        graph_publish(self.graph);
        (void)twin_build(&self, 0);
        for (int i = 0; i < 120; i++) {
            const uint64_t one_in = (uint64_t)1 << test_below(&rng, 12);
            graph_query    query;
            size_t         count;

            clusters_next(&data, vector);
            query = twin_query(&self, vector, prepared, 1 + test_below(&rng, 40), 1 + test_below(&rng, 128));
            query.allowed = allowed;
            query.allowed_points = points - (uint32_t)(test_below(&rng, 2) * test_below(&rng, points));
            query.allowed_count = 0;
            memset(allowed, 0, sizeof allowed);
            for (uint32_t point = 0; point < query.allowed_points; point++) {
                if (test_below(&rng, one_in) == 0) {
                    allowed[point / 64] |= (uint64_t)1 << (point % 64);
                    query.allowed_count++;
                }
            }
            count = twin_search(&self, &query, hits, NULL);
            twin_check_hits(&self, &query, hits, count, "filtered");
            query.exact = true;
            count = twin_search(&self, &query, hits, NULL);
            CHECK(count == twin_answer(&self, &query, right) &&
                  memcmp(hits, right, count * sizeof *hits) == 0);
        }
        clusters_clear(&data);
        twin_close(&self);
    }
}

/* --- between append and publish -------------------------------------------------------------------------- */

/* Goal:   what is appended and not yet published changes no answer: a point that was updated is found once, as it was;
 *         a point that was removed before stays removed.
 * Method: the same searches before and after unpublished appends, walking and scanning, with allowed points too. */
TEST(unpublished_rows_change_no_answer)
{
    static const uint32_t dims[] = {8, 64};

    for (size_t d = 0; d < countof(dims); d++) {
        for (int built = 0; built < 2; built++) {
            const graph_params params = params_of(dims[d], OCT_EUCLID, 8, 40);
            const uint64_t     allowed[4] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
            test_rng           rng = test_rng_seed(91);
            float              vector[DIM_MAX], prepared[DIM_MAX], scratch[DIM_MAX];
            graph_hit          before[200], after[200];
            size_t             before_count;
            twin               self;

            twin_open(&self, &params, 320, 1);
            for (int round = 0; round < 3; round++) { /* each point has had three vectors */
                for (uint32_t point = 0; point < 200; point++) {
                    test_fill(&rng, vector, dims[d]);
                    (void)twin_put(&self, point, vector);
                }
                graph_publish(self.graph);
            }
            for (uint32_t point = 0; point < 200; point += 10)
                twin_remove(&self, point);
            graph_publish(self.graph);
            if (built == 1)
                (void)twin_build(&self, 0);

            for (int kind = 0; kind < 3; kind++) {
                graph_query query;
                size_t      count;

                test_fill(&rng, vector, dims[d]);
                query = twin_query(&self, vector, prepared, 200, 200);
                query.exact = kind == 1;
                if (kind == 2) {
                    query.allowed = allowed;
                    query.allowed_points = query.allowed_count = 256;
                }
                before_count = twin_search(&self, &query, before, NULL);
                twin_check_hits(&self, &query, before, before_count, "published");
                /* Not published: updates, once and twice; new points; a removed one that returns. */
                for (uint32_t i = 0; i < 40; i++) {
                    test_fill(&rng, vector, dims[d]);
                    OCT_MUST(graph_reserve(self.graph, 1, 320, NULL) == OCT_OK);
                    (void)graph_append(self.graph, i < 30 ? i * 3 : 200 + (uint32_t)kind * 40 + i, vector, 1,
                                       scratch);
                    if (i % 2 == 0 && i < 30) {
                        test_fill(&rng, vector, dims[d]);
                        OCT_MUST(graph_reserve(self.graph, 1, 320, NULL) == OCT_OK);
                        (void)graph_append(self.graph, i * 3, vector, 1, scratch);
                    }
                    count = twin_search(&self, &query, after, NULL);
                    CHECK_MSG(count == before_count && memcmp(before, after, count * sizeof *after) == 0,
                              "dim %u, built %d, kind %d, after %u appends: %zu hits, %zu before", dims[d],
                              built, kind, i + 1, count, before_count);
                }
                graph_publish(self.graph);
                /* From here on the model is that of the graph. */
                self.live = 0;
                for (uint32_t point = 0; point < 320; point++) {
                    const float *stored = graph_vector(self.graph, point);

                    self.has[point] = stored != NULL;
                    self.live += stored != NULL;
                    if (stored != NULL)
                        memcpy(self.vectors + (size_t)point * dims[d], stored, dims[d] * sizeof *stored);
                }
                count = twin_search(&self, &query, after, NULL);
                twin_check_hits(&self, &query, after, count, "published again");
            }
            twin_check(&self, "published again");
            twin_close(&self);
        }
    }
}

/* Goal:   a removed point is gone at once, also when a new one is appended and not published.
 * Method: nothing is dead but one point; the count of points is then the count of rows. */
TEST(removed_point_stays_removed_while_another_arrives)
{
    const graph_params params = params_of(4, OCT_EUCLID, 4, 20);
    test_rng           rng = test_rng_seed(92);
    float              vector[4], prepared[4], scratch[4];
    graph_hit          hits[64];
    graph_query        query;
    size_t             count;
    twin               self;

    twin_open(&self, &params, 64, 1);
    for (uint32_t point = 0; point < 50; point++) {
        test_fill(&rng, vector, 4);
        (void)twin_put(&self, point, vector);
    }
    graph_publish(self.graph);
    CHECK(twin_build(&self, 0) > 0);
    twin_remove(&self, 7);
    graph_publish(self.graph);
    query = twin_query(&self, self.vectors + 7 * 4, prepared, 50, 50);
    count = twin_search(&self, &query, hits, NULL);
    twin_check_hits(&self, &query, hits, count, "removed");
    test_fill(&rng, vector, 4);
    OCT_MUST(graph_reserve(self.graph, 1, 51, NULL) == OCT_OK);
    CHECK(graph_append(self.graph, 50, vector, 1, scratch) == 1);
    count = twin_search(&self, &query, hits, NULL);
    twin_check_hits(&self, &query, hits, count, "another appended");
    twin_close(&self);
}

/* --- edges --------------------------------------------------------------------------------------------------- */

/* Goal:   what a query says about ranking is done: few, at least so many, all; hits are true whatever it says.
 * Method: clusters, coded; the numbers of ranked candidates are told by the search. Seed 77. */
TEST(as_many_candidates_are_ranked_as_asked)
{
    const graph_params params = {
        .dim = 128, .distance = OCT_EUCLID, .m = 8, .ef_construct = 40, .start_rows = 1};
    clusters source;
    twin     self;
    float    vector[128], prepared[128];

    clusters_init(&source, 77, 128, 20, 0.5f);
    twin_open(&self, &params, 1500, 1);
    for (uint32_t point = 0; point < 1500; point++) {
        clusters_next(&source, vector);
        (void)twin_put(&self, point, vector);
    }
    graph_publish(self.graph);
    (void)twin_build(&self, 1);
    for (int round = 0; round < 20; round++) {
        graph_query query;
        graph_hit   hits[10];
        graph_stats stats;
        size_t      count;

        clusters_next(&source, vector);
        query = twin_query(&self, vector, prepared, 10, 60);
        for (int way = 0; way < 5; way++) {
            static const size_t least[5] = {0, 0, 35, 90, SIZE_MAX};

            query.rank_min = least[way];
            query.rank_few = way == 1;
            count = twin_search(&self, &query, hits, &stats);
            twin_check_hits(&self, &query, hits, count, "after ranking");
            if (way == 1)
                CHECK_INT(stats.ranked, 10);
            else if (way == 4)
                CHECK_INT(stats.ranked, 60);
            else
                CHECK_MSG(stats.ranked >= size_max(10, least[way]) && stats.ranked <= size_max(60, least[way]),
                          "way %d ranked %llu", way, (unsigned long long)stats.ranked);
        }
    }
    twin_close(&self);
    clusters_clear(&source);
}

/* Goal:   no graph where none is wanted: m 0, start_rows never, or not yet enough rows; searches scan.
 * Method: three graphs of 300 rows. */
TEST(graph_begins_when_it_may)
{
    for (int kind = 0; kind < 3; kind++) {
        graph_params params = params_of(8, OCT_DOT, kind == 0 ? 0 : 8, 40);
        test_rng     rng = test_rng_seed(95);
        float        vector[8], prepared[8];
        graph_hit    hits[10];
        graph_stats  stats;
        graph_query  query;
        size_t       count;
        twin         self;

        params.start_rows = kind == 1 ? GRAPH_START_NEVER : kind == 2 ? 301 : 1;
        twin_open(&self, &params, 400, 1);
        for (uint32_t point = 0; point < 300; point++) {
            test_fill(&rng, vector, 8);
            (void)twin_put(&self, point, vector);
        }
        graph_publish(self.graph);
        CHECK(!graph_has_batch(self.graph));
        CHECK_INT(twin_build(&self, 0), 0);
        query = twin_query(&self, vector, prepared, 10, 10);
        count = twin_search(&self, &query, hits, &stats);
        twin_check_hits(&self, &query, hits, count, "no graph");
        CHECK(stats.scanned);
        test_fill(&rng, vector, 8);
        (void)twin_put(&self, 300, vector);
        graph_publish(self.graph);
        CHECK_INT(graph_has_batch(self.graph), kind == 2);
        CHECK_INT(twin_build(&self, 0) > 0, kind == 2);
        twin_close(&self);
    }
}

/* Goal:   levels thin out by m, as the paper wants them, and nothing but the row number decides.
 * Method: counts over 100,000 rows, m 4 and 16.
 * Bound:  a binomial count strays by more than five standard deviations once in two million times. */
TEST(levels_thin_out_by_m)
{
    for (uint32_t m = 4; m <= 16; m *= 4) {
        const uint32_t row_count = 100000;
        uint32_t       at_least[GRAPH_LEVELS_MAX] = {0};
        double         expected = row_count;

        for (uint32_t row = 0; row < row_count; row++) {
            for (uint32_t level = 0; level <= graph_row_level(m, row); level++)
                at_least[level]++;
        }
        for (uint32_t level = 0; level < 4; level++, expected /= m)
            CHECK_NEAR(at_least[level], expected, 5 * sqrt(expected) + 1, "m %u, level %u", m, level);
    }
}

/* Goal:   nearly every row can be reached from the first along level-0 links.
 * Method: a flood over the links after a build. */
TEST(rows_can_be_reached)
{
    const graph_params params = params_of(16, OCT_EUCLID, 8, 60);
    const uint32_t     points = 3000;
    uint32_t          *queue = calloc(points, sizeof *queue), head = 0, tail = 0, graph_count;
    bool              *seen = calloc(points, sizeof *seen);
    clusters           data;
    float              vector[16];
    twin               self;

    OCT_MUST(queue != NULL && seen != NULL);
    clusters_init(&data, 97, 16, 30, 0.2f);
    twin_open(&self, &params, points, 2);
    for (uint32_t point = 0; point < points; point++) {
        clusters_next(&data, vector);
        (void)twin_put(&self, point, vector);
    }
    graph_publish(self.graph);
    (void)twin_build(&self, 0);
    graph_count = graph_graph_count(self.graph);
    queue[tail++] = 0;
    seen[0] = true;
    while (head < tail) {
        const _Atomic uint32_t *links = graph_links(self.graph, queue[head++]);

        for (uint32_t i = 0; i < self.graph->link_count && links[i] != GRAPH_NONE; i++) {
            if (!seen[links[i]]) {
                seen[links[i]] = true;
                queue[tail++] = links[i];
            }
        }
    }
    CHECK_MSG(tail >= graph_count - graph_count / 100, "%u of %u rows can be reached", tail, graph_count);
    clusters_clear(&data);
    twin_close(&self);
    free(queue);
    free(seen);
}

/* Goal:   many equal vectors do not wall themselves off: each kind is found by its own vector, and with it all of its points.
 * Method: 3,000 points with 60 vectors only, some 50 points each, more than a row has links. Seed 96. */
TEST(crowds_of_equal_vectors_are_found)
{
    static const uint32_t dims[] = {16, 64};

    for (size_t d = 0; d < countof(dims); d++) {
        const graph_params params = params_of(dims[d], OCT_EUCLID, 16, 100);
        test_rng           rng = test_rng_seed(96);
        float              kinds[60][64], prepared[64];
        uint32_t           of_kind[60] = {0}, lost = 0, missed = 0;
        twin               self;

        test_fill(&rng, &kinds[0][0], 60 * 64);
        twin_open(&self, &params, 3000, 2);
        for (uint32_t point = 0; point < 3000; point++) {
            const uint64_t kind = test_below(&rng, 60);

            of_kind[kind]++;
            (void)twin_put(&self, point, kinds[kind]);
        }
        graph_publish(self.graph);
        (void)twin_build(&self, 0);
        for (uint32_t kind = 0; kind < 60; kind++) {
            graph_query query = twin_query(&self, kinds[kind], prepared, 1, 128);
            graph_hit   hits[100];

            CHECK_INT(twin_search(&self, &query, hits, NULL), 1);
            lost += hits[0].distance != 0;
            CHECK(of_kind[kind] < countof(hits));
            query = twin_query(&self, kinds[kind], prepared, of_kind[kind], 256);
            CHECK_INT(twin_search(&self, &query, hits, NULL), of_kind[kind]);
            for (uint32_t i = 0; i < of_kind[kind]; i++)
                missed += hits[i].distance != 0;
        }
        CHECK_MSG(lost == 0, "dim %u: %u of 60 kinds are not found", dims[d], lost);
        CHECK_MSG(missed == 0, "dim %u: %u of 3000 points are not found by their vector", dims[d], missed);
        twin_close(&self);
    }
}

/* Goal:   components near the end of what a float holds give no crash, no lost hit, and never put what is not a number
 *         before what is one.
 * Method: vectors of zeros, tiny and huge components of both signs. Seed 98. */
TEST(huge_components_do_no_harm)
{
    static const float sizes[] = {0.0f, 1e-40f, 1e-20f, 1.0f, 1e18f, 1e25f, 3e38f};

    for (size_t i = 0; i < countof(distances); i++) {
        for (uint32_t dim = 6; dim <= 70; dim += 64) {
            const graph_params params = params_of(dim, distances[i], 6, 30);
            test_rng           rng = test_rng_seed(98);
            float              vector[DIM_MAX], prepared[DIM_MAX];
            twin               self;

            twin_open(&self, &params, 400, 1);
            for (uint32_t point = 0; point < 400; point++) {
                const float scale = sizes[test_below(&rng, countof(sizes))];

                for (uint32_t c = 0; c < dim; c++)
                    vector[c] = scale * test_float(&rng);
                (void)twin_put(&self, point, vector);
            }
            graph_publish(self.graph);
            (void)twin_build(&self, 0);
            CHECK_OK(graph_check(self.graph, NULL));
            for (int q = 0; q < 40; q++) {
                const float scale = sizes[test_below(&rng, countof(sizes))];
                graph_hit   hits[400];
                graph_query query;

                for (uint32_t c = 0; c < dim; c++)
                    vector[c] = scale * test_float(&rng);
                query = twin_query(&self, vector, prepared, q % 2 == 0 ? 400 : 5, 30);
                query.exact = q % 4 < 2;
                CHECK_INT(twin_search(&self, &query, hits, NULL), query.limit);
                for (size_t h = 1; h < query.limit; h++)
                    CHECK_MSG(hits[h - 1].distance <= hits[h].distance || isnan(hits[h].distance),
                              "distance %d, dim %u, exact %d: hit %zu has %g, the one before %g",
                              (int)distances[i], dim, query.exact, h, (double)hits[h].distance,
                              (double)hits[h - 1].distance);
            }
            twin_close(&self);
        }
    }
}

/* Goal:   without memory: OCT_NOMEM and a graph as it was; with memory again all goes on to the same graph.
 * Method: each allocation of reserve, build and search fails in turn, alone. */
TEST(failed_allocations_leave_the_graph_as_it_was)
{
    static const uint32_t dims[] = {8, 64};

    for (size_t d = 0; d < countof(dims); d++) {
        const graph_params params = params_of(dims[d], OCT_COSINE, 4, 20);
        uint64_t           n = 0, failures = 0;
        test_rng           rng = test_rng_seed(99);
        float              vector[DIM_MAX], prepared[DIM_MAX];
        twin               self, calm;

        twin_open(&self, &params, 600, 1);
        twin_open(&calm, &params, 600, 1);
        for (uint32_t point = 0; point < 600; point++) {
            oct_status status = OCT_NOMEM;

            test_fill(&rng, vector, dims[d]);
            for (n = 0; status != OCT_OK; n++) {
                oct_alloc_fail_after(n, false);
                status = graph_reserve(self.graph, 1, point + 1, NULL);
                oct_alloc_fail_after(UINT64_MAX, false);
                failures += status != OCT_OK;
                CHECK(status == OCT_OK || status == OCT_NOMEM);
            }
            (void)twin_put(&self, point, vector);
            (void)twin_put(&calm, point, vector);
            graph_publish(self.graph);
            graph_publish(calm.graph);
            while (graph_has_batch(self.graph)) {
                const uint64_t before = graph_checksum(self.graph);
                bool           built = false;

                for (n = 0; !built; n++) {
                    oct_alloc_fail_after(n, false);
                    status = graph_build_batch(self.graph, self.pool, 1, &built, NULL);
                    oct_alloc_fail_after(UINT64_MAX, false);
                    failures += status != OCT_OK;
                    CHECK(status == OCT_OK || (status == OCT_NOMEM && !built));
                    CHECK(built || graph_checksum(self.graph) == before);
                }
            }
        }
        CHECK(failures > 100);
        (void)twin_build(&calm, 0);
        twin_check(&self, "after failures");
        CHECK(graph_checksum(self.graph) == graph_checksum(calm.graph));

        for (size_t limit = 1; limit <= 600; limit += 599) { /* the second needs more scratch memory */
            graph_query query = twin_query(&self, vector, prepared, limit, 2 * limit);
            graph_hit   hits[600];
            size_t      count = 7;
            oct_status  status = OCT_NOMEM;

            for (n = 0; status != OCT_OK; n++) {
                oct_alloc_fail_after(n, false);
                epoch_pin();
                status = graph_search(self.graph, &query, hits, &count, NULL, NULL);
                epoch_unpin();
                oct_alloc_fail_after(UINT64_MAX, false);
                CHECK(status == OCT_OK || (status == OCT_NOMEM && count == 0));
            }
            twin_check_hits(&self, &query, hits, count, "after failures");
        }
        twin_close(&self);
        twin_close(&calm);
    }
    oct_alloc_fail_after(0, false);
    CHECK_STATUS(graph_new(&(graph_params){.dim = 4, .distance = OCT_DOT, .m = 4, .ef_construct = 4},
                           &(graph *){NULL}, NULL),
                 OCT_NOMEM);
}
