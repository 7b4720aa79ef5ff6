/* Tests of rows of halves and bytes (row.c): the same results as from rows of the floats that they stand for. */
#include "graph/graph_internal.h"

#include <math.h>

#include "support/test.h"

enum { POINTS = 500, LIMIT = 12, DIM_MAX = 150 };

static const oct_distance metrics[] = {OCT_COSINE, OCT_EUCLID, OCT_DOT, OCT_MANHATTAN};
static const oct_datatype types[] = {OCT_FLOAT16, OCT_UINT8};
/* From 64 on the walk reads codes. Not 1: all bytes are one vector there to cosine, and rows of floats cannot tell them apart. */
static const uint32_t     dims[] = {3, 5, 33, 64, 150};

static graph *
store_new(uint32_t dim, oct_distance distance, oct_datatype datatype)
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
search(const graph *self, const float *prepared, bool exact, const uint64_t *allowed, graph_hit *hits)
{
    const graph_query query = {.vector = prepared,
                               .limit = LIMIT,
                               .ef = 40,
                               .exact = exact,
                               .full_scan_rows = 1,
                               .allowed = allowed,
                               .allowed_points = POINTS,
                               .allowed_count = POINTS / 2,
                               .tie = by_number};
    size_t            count;

    OCT_MUST(graph_search(self, &query, hits, &count, NULL, NULL) == OCT_OK);
    return count;
}

/* The model: floats as they are compared, put into rows of floats as they are. */
static void
append_prepared(graph *floats, uint32_t point, const float *prepared)
{
    if (graph_vector(floats, point) != NULL &&
        memcmp(graph_vector(floats, point), prepared, graph_row_bytes(floats)) == 0)
        return;
    graph_remove(floats, point);
    graph_restore_row(floats, point, prepared, true, 1);
}

static void
compare(graph *self, graph *floats, test_rng *rng, oct_datatype type, const char *what)
{
    const uint32_t dim = graph_get_params(self)->dim;
    float          vector[DIM_MAX], prepared[DIM_MAX];
    uint64_t       odd[POINTS / 64 + 1];

    graph_publish(self);
    graph_publish(floats);
    memset(odd, 0xAA, sizeof odd);
    CHECK_OK(graph_check(self, NULL));
    CHECK_MSG(graph_checksum(self) == graph_checksum(floats), "%s: the graphs differ", what);
    for (int q = 0; q < 12; q++) {
        graph_hit hits[LIMIT], right[LIMIT];
        size_t    count, right_count;

        random_vector(rng, type, vector, dim);
        graph_prepare(self, vector, prepared);
        count = search(self, prepared, q % 2 == 0, q % 3 == 0 ? odd : NULL, hits);
        right_count = search(floats, prepared, q % 2 == 0, q % 3 == 0 ? odd : NULL, right);
        CHECK_MSG(count == right_count && memcmp(hits, right, count * sizeof *hits) == 0, "%s: hits of query %d differ",
                  what, q);
    }
    for (uint32_t point = 0; point < POINTS; point++) {
        const uint32_t row = graph_row_of(self, point);

        CHECK_MSG((row == GRAPH_NONE) == (graph_vector(floats, point) == NULL), "%s: point %u", what, point);
        if (row == GRAPH_NONE)
            continue;
        graph_compared(self, row, vector);
        CHECK_MSG(memcmp(vector, graph_vector(floats, point), dim * sizeof *vector) == 0, "%s: vector of point %u", what,
                  point);
    }
}

/* Goal:   graphs, hits and distances are, bit for bit, those of the same floats in rows of floats; what was given as bytes
 *         comes back as it was; and a row of floats, as older files have it, becomes the same row.
 * Method: a history of appends, changes and removals for each metric, type and dim beside a store of floats, compared five
 *         times, seeds 31 + dim. OCTANT_CPU=avx2 and scalar run it at other levels. */
TEST(narrow_rows_give_what_rows_of_floats_give)
{
    workers *pool = NULL;

    OCT_MUST(workers_new(0, &pool, NULL) == OCT_OK);
    for (size_t round = 0; round < countof(metrics) * countof(types) * countof(dims); round++) {
        const oct_distance distance = metrics[round % countof(metrics)];
        const oct_datatype type = types[round / countof(metrics) % countof(types)];
        const uint32_t     dim = dims[round / countof(metrics) / countof(types)];
        test_rng           rng = test_rng_seed(31 + dim);
        graph             *self = store_new(dim, distance, type), *floats = store_new(dim, distance, OCT_FLOAT32);
        float              vector[DIM_MAX], prepared[DIM_MAX + 1], scratch[2 * DIM_MAX + 2];
        char               what[64];

        (void)snprintf(what, sizeof what, "metric %d, type %d, dim %u", (int)distance, (int)type, dim);
        OCT_MUST(graph_reserve(self, 2 * POINTS, POINTS, NULL) == OCT_OK);
        OCT_MUST(graph_reserve(floats, 2 * POINTS, POINTS, NULL) == OCT_OK);
        for (uint32_t i = 0; i < POINTS + POINTS / 5; i++) {
            const uint32_t point = i < POINTS ? i : (uint32_t)test_below(&rng, POINTS);
            const void    *old;

            random_vector(&rng, type, vector, dim);
            graph_prepare(self, vector, prepared);
            (void)graph_append(self, point, vector, 1, scratch);
            append_prepared(floats, point, prepared);
            graph_read(self, graph_row_of(self, point), scratch);
            kernel_round_u8(vector, vector, dim);
            CHECK_MSG(memcmp(scratch, type == OCT_UINT8 ? vector : prepared, dim * sizeof *vector) == 0,
                      "%s: point %u is read otherwise", what, point);
            /* As older files had it: bytes of cosine normalised, with their length behind. */
            if (graph_old_row_floats(self) > dim)
                prepared[dim] = sqrtf(kernel()->dot_f32(vector, vector, dim));
            old = graph_row_of_old(self, prepared, scratch);
            CHECK_MSG(memcmp(old, graph_vector(self, point), graph_row_bytes(self)) == 0, "%s: old row of point %u", what,
                      point);
            if (i % 50 == 0) {
                const uint32_t gone = (uint32_t)test_below(&rng, POINTS);

                graph_remove(self, gone);
                graph_remove(floats, gone);
                graph_publish(self);
                graph_publish(floats);
                build_all(self, pool);
                build_all(floats, pool);
            }
            if (i % 150 == 149)
                compare(self, floats, &rng, type, what);
        }
        compare(self, floats, &rng, type, what);
        graph_free(self);
        graph_free(floats);
    }
    workers_free(pool);
}
