/* Codes of 8 bits: the same hits from fewer vectors. */
#include "graph/graph_test.h"

#define DIM_MAX 384u
#define POINTS  3000u
#define LIMIT   10u

/* The same points into a graph without second rows and one with them. */
static void
open_both(twin both[2], graph_params params, clusters *source)
{
    float vector[DIM_MAX];

    for (int fine = 0; fine < 2; fine++) {
        params.fine = fine == 1;
        twin_open(&both[fine], &params, POINTS, 1);
    }
    for (uint32_t point = 0; point < POINTS; point++) {
        clusters_next(source, vector);
        for (int fine = 0; fine < 2; fine++)
            (void)twin_put(&both[fine], point, vector);
    }
    for (int fine = 0; fine < 2; fine++) {
        graph_publish(both[fine].graph);
        (void)twin_build(&both[fine], 1);
        atomic_store(&both[fine].graph->vectors.file_rows, POINTS); /* in memory, second rows would spare nothing */
    }
}

/* Goal:   second rows change no link and no hit, and spare vectors: hits are bit for bit those without them, whether a
 *         walk or a scan finds them, and hardly more vectors are read than there are hits.
 * Method: narrow clusters, in which many candidates are about as near, with removals; walks, scans, filters
 *         and deep walks. Seeds 161 to 168.
 * Bound:  of the vectors read beyond the hits at most a third stay, and at most three a query. */
TEST(second_rows_change_no_hit_and_spare_vectors)
{
    static const uint32_t     dims[] = {64, 100, 128, 384};
    static const oct_distance distances[] = {OCT_COSINE, OCT_DOT, OCT_EUCLID};

    for (uint64_t seed = 161; seed < 169; seed++) {
        const graph_params params = {.dim = dims[seed % 4],
                                     .distance = distances[seed % 3],
                                     .m = 8,
                                     .ef_construct = 60,
                                     .start_rows = seed == 165 ? GRAPH_START_NEVER : 1};
        float    vector[DIM_MAX], prepared[DIM_MAX];
        uint64_t ranked[2] = {0, 0}, refined = 0, hits_wanted = 0, queries = 0;
        uint64_t allowed[(POINTS + 63) / 64];
        clusters source;
        test_rng rng = test_rng_seed(seed);
        twin     both[2];

        CHECK(graph_fits_fine(&params));
        clusters_init(&source, seed, params.dim, 15, 0.3f);
        open_both(both, params, &source);
        CHECK(graph_checksum(both[0].graph) == graph_checksum(both[1].graph));
        for (size_t i = 0; i < countof(allowed); i++)
            allowed[i] = test_u64(&rng);
        for (int i = 0; i < 300; i++) {
            const uint32_t point = (uint32_t)test_below(&rng, POINTS);

            twin_remove(&both[0], point);
            twin_remove(&both[1], point);
        }
        for (int q = 0; q < 120; q++) {
            graph_hit   hits[2][LIMIT];
            graph_stats stats[2];
            size_t      counts[2];

            clusters_next(&source, vector);
            for (int fine = 0; fine < 2; fine++) {
                graph_query query = twin_query(&both[fine], vector, prepared, LIMIT, q % 2 == 0 ? 64 : 400);

                if (q % 3 == 0) {
                    query.allowed = allowed;
                    query.allowed_points = POINTS;
                    query.allowed_count = POINTS / 2;
                }
                if (q % 10 == 9)
                    query.rank_min = 40;
                counts[fine] = twin_search(&both[fine], &query, hits[fine], &stats[fine]);
                twin_check_hits(&both[fine], &query, hits[fine], counts[fine], fine ? "refined" : "in order");
                CHECK(q % 10 != 9 || stats[fine].ranked >= 40);
            }
            CHECK_MSG(counts[0] == counts[1] && memcmp(hits[0], hits[1], counts[0] * sizeof hits[0][0]) == 0,
                      "seed %llu, query %d", (unsigned long long)seed, q);
            CHECK(stats[0].refined == 0 && stats[1].refined >= stats[1].ranked);
            if (q % 10 == 9)
                continue;
            ranked[0] += stats[0].ranked;
            ranked[1] += stats[1].ranked;
            refined += stats[1].refined;
            hits_wanted += LIMIT;
            queries++;
        }
        CHECK_MSG((ranked[1] - hits_wanted) * 3 <= ranked[0] - hits_wanted && ranked[1] <= hits_wanted + 3 * queries,
                  "seed %llu: %llu vectors read for %llu hits, %llu without second rows, %llu of which were read",
                  (unsigned long long)seed, (unsigned long long)ranked[1], (unsigned long long)hits_wanted,
                  (unsigned long long)ranked[0], (unsigned long long)refined);
        twin_close(&both[0]);
        twin_close(&both[1]);
        clusters_clear(&source);
    }
}

/* Goal:   what a query says about ranking is done with second rows, too.
 * Method: as as_many_candidates_are_ranked_as_asked. Where the codes choose the hits, more of them are right. Seed 177. */
TEST(second_rows_choose_better_where_codes_choose)
{
    const graph_params params = {.dim = 128, .distance = OCT_EUCLID, .m = 8, .ef_construct = 60, .start_rows = 1};
    uint32_t           right[2] = {0, 0};
    float              vector[DIM_MAX], prepared[DIM_MAX];
    clusters           source;
    twin               both[2];

    clusters_init(&source, 177, params.dim, 15, 0.3f);
    open_both(both, params, &source);
    for (int q = 0; q < 100; q++) {
        clusters_next(&source, vector);
        for (int fine = 0; fine < 2; fine++) {
            graph_query query = twin_query(&both[fine], vector, prepared, LIMIT, 200);
            graph_hit   hits[LIMIT], best[LIMIT];
            graph_stats stats;
            size_t      count;

            count = twin_answer(&both[fine], &query, best);
            query.rank_few = true;
            CHECK_INT(twin_search(&both[fine], &query, hits, &stats), count);
            CHECK_INT(stats.ranked, LIMIT);
            for (size_t i = 0; i < count; i++) {
                for (size_t j = 0; j < count; j++)
                    right[fine] += hits[i].point == best[j].point;
            }
            query.rank_few = false;
            query.rank_min = SIZE_MAX;
            CHECK_INT(twin_search(&both[fine], &query, hits, &stats), count);
            CHECK(stats.ranked == 200 && stats.refined == 0);
        }
    }
    CHECK_MSG(right[1] > right[0] && right[1] >= 950, "%u of 1000 hits right, %u by codes of 4 bits", right[1], right[0]);
    twin_close(&both[0]);
    twin_close(&both[1]);
    clusters_clear(&source);
}
