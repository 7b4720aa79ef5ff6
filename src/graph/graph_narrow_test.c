/* Tests of rows of halves and bytes (row.c): the same results as when every type lay in floats. */
#include "graph/graph_internal.h"

#include "support/test.h"

enum { POINTS = 500, LIMIT = 12, DIM_MAX = 150 };

static const oct_distance metrics[] = {OCT_COSINE, OCT_EUCLID, OCT_DOT, OCT_MANHATTAN};
static const oct_datatype types[] = {OCT_FLOAT16, OCT_UINT8};
static const uint32_t     dims[] = {1, 5, 33, 64, 150}; /* from 64 on the walk reads codes */

static graph *
narrow_new(uint32_t dim, oct_distance distance, oct_datatype datatype)
{
    const graph_params params = {
        .dim = dim, .distance = distance, .m = 8, .ef_construct = 40, .start_rows = 100, .datatype = datatype};
    graph *self = NULL;

    OCT_MUST(graph_new(&params, &self, NULL) == OCT_OK);
    return self;
}

static void
build_all(graph *self, workers *pool)
{
    bool built = true;

    while (built)
        OCT_MUST(graph_build_batch(self, pool, 1, &built, NULL) == OCT_OK);
}

static void
random_vector(test_rng *rng, oct_datatype type, float *out, uint32_t dim)
{
    for (uint32_t i = 0; i < dim; i++)
        out[i] = type == OCT_UINT8 ? (float)test_below(rng, 2800) / 10 - 10 : test_float(rng) * 3;
}

static int
by_number(const void *context, uint32_t a, uint32_t b)
{
    (void)context;
    return (a > b) - (a < b);
}

static size_t
search(const graph *self, const float *given, bool exact, graph_hit *hits)
{
    float             prepared[DIM_MAX];
    const graph_query query = {
        .vector = prepared, .limit = LIMIT, .ef = 40, .exact = exact, .full_scan_rows = 1, .tie = by_number};
    size_t count;

    graph_prepare(self, given, prepared);
    OCT_MUST(graph_search(self, &query, hits, &count, NULL, NULL) == OCT_OK);
    return count;
}

/* A history of appends, changes and removals, and what searches find of it, in one number. */
static uint64_t
history(oct_distance distance, oct_datatype type, uint32_t dim, workers *pool)
{
    test_rng  rng = test_rng_seed(31 + dim);
    graph    *self = narrow_new(dim, distance, type);
    float     vector[DIM_MAX], scratch[2 * DIM_MAX + 2];
    graph_hit hits[LIMIT];
    uint64_t  hash = dim;

    OCT_MUST(graph_reserve(self, 2 * POINTS, POINTS, NULL) == OCT_OK);
    for (uint32_t i = 0; i < POINTS + POINTS / 5; i++) {
        const uint32_t point = i < POINTS ? i : (uint32_t)test_below(&rng, POINTS);

        random_vector(&rng, type, vector, dim);
        (void)graph_append(self, point, vector, 1, scratch);
        if (i % 50 == 0) {
            graph_remove(self, (uint32_t)test_below(&rng, POINTS));
            graph_publish(self);
            build_all(self, pool);
        }
    }
    graph_publish(self);
    build_all(self, pool);
    CHECK_OK(graph_check(self, NULL));
    hash = mix64(hash ^ graph_checksum(self));
    for (int q = 0; q < 20; q++) {
        size_t count;

        random_vector(&rng, type, vector, dim);
        count = search(self, vector, q % 2 == 0, hits);
        hash = mix64(hash ^ hash_bytes(hits, count * sizeof *hits));
    }
    for (uint32_t point = 0; point < POINTS; point++) {
        const uint32_t row = graph_row_of(self, point);

        if (row == GRAPH_NONE)
            continue;
        graph_read(self, row, vector);
        hash = mix64(hash ^ hash_bytes(vector, dim * sizeof(float)));
    }
    graph_free(self);
    return hash;
}

/* Goal:   graphs, hits, distances and stored values are, bit for bit, what they were when halves and bytes were kept as
 *         floats, whatever the CPU.
 * Method: a history of each metric, type and dim, seeds 31 + dim, hashed; the hashes were recorded with that build. */
TEST(narrow_rows_give_what_rows_of_floats_gave)
{
    static const uint64_t recorded[countof(metrics)][countof(types)][countof(dims)] = {
        {{0xd972d89444b37445u, 0x571132014e4099aau, 0xae04d0b7f92eb467u, 0x563fa150a0637873u, 0xd151848728f4fb72u},
         {0x2d656b954298c212u, 0xfc1cbb2f4fb24972u, 0x9934401b697a1f03u, 0x9edbcd9d91c6fed3u, 0xd8236602d02c731bu}},
        {{0x0333114c2cf594a9u, 0xf70b4236bf0b93c2u, 0x33548a5ec8d7c58fu, 0x85bb9fded004679au, 0x4fcbb5dfb145d773u},
         {0x3d767648af5cf185u, 0xf0db9af2465c024eu, 0xa0d94d9ac23ed60au, 0xe2e45c596006248eu, 0x7b07f058963fbd4cu}},
        {{0xfeea363352854d96u, 0x420cdb6234161f99u, 0x11111ec038d83d25u, 0x034c473e60f80847u, 0x199021fdcebd3749u},
         {0xa4a07806f93ae12du, 0xdc3af47eaab3e2b2u, 0x3c048015842dfcecu, 0x88fe577dabadb78fu, 0xecdeb0442b5ddaccu}},
        {{0x9664842f4caf4d0au, 0xd288371b3986e271u, 0x3fca4883506141cdu, 0x2dea5a93e526233du, 0x930728921b3feab1u},
         {0xbd427bccf59577bfu, 0xaf31fb95c0e04741u, 0x805735bcfbe21cdfu, 0xc781d0157fcce669u, 0x7e071b562b6fef42u}},
    };
    workers *pool = NULL;

    OCT_MUST(workers_new(0, &pool, NULL) == OCT_OK);
    for (size_t m = 0; m < countof(metrics); m++) {
        for (size_t t = 0; t < countof(types); t++) {
            for (size_t d = 0; d < countof(dims); d++) {
                const uint64_t hash = history(metrics[m], types[t], dims[d], pool);

                CHECK_MSG(hash == recorded[m][t][d], "metric %u, type %u, dim %u: 0x%016llx, recorded 0x%016llx",
                          (unsigned)metrics[m], (unsigned)types[t], dims[d], (unsigned long long)hash,
                          (unsigned long long)recorded[m][t][d]);
            }
        }
    }
    workers_free(pool);
}
