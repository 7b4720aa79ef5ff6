/* Several rows a point against an array of arrays. */
#include "graph/graph.h"

#include <stdlib.h>

#include "support/test.h"

enum { POINTS = 40, DIM = 5, ROWS = 6 };

typedef struct multi_model {
    uint32_t counts[POINTS]; /* 0: no vector */
    float    values[POINTS][ROWS * DIM];
} multi_model;

static graph *
multi_new(oct_datatype datatype)
{
    const graph_params params = {.dim = DIM,
                                 .distance = OCT_COSINE,
                                 .m = 16,
                                 .ef_construct = 100,
                                 .start_rows = 1,
                                 .multi = true,
                                 .datatype = datatype};
    graph *made;

    OCT_MUST(graph_new(&params, &made, NULL) == OCT_OK);
    return made;
}

/* A random vector for a random point, or none, or the one it has. */
static void
change(graph *self, multi_model *model, test_rng *rng)
{
    const uint32_t point = (uint32_t)test_below(rng, POINTS);
    const uint32_t count = 1 + (uint32_t)test_below(rng, ROWS);
    float          scratch[2 * DIM + 2];

    if (test_below(rng, 4) == 0) {
        graph_remove(self, point);
        model->counts[point] = 0;
        return;
    }
    OCT_MUST(graph_reserve(self, ROWS, POINTS, NULL) == OCT_OK);
    if (model->counts[point] > 0 && test_below(rng, 3) == 0) {
        CHECK_INT(graph_append(self, point, model->values[point], model->counts[point], scratch), 0);
        return;
    }
    for (uint32_t i = 0; i < count * DIM; i++)
        model->values[point][i] = (float)test_below(rng, 250) + 1; /* what every type can hold */
    CHECK_INT(graph_append(self, point, model->values[point], count, scratch), count);
    model->counts[point] = count;
}

static void
check(const graph *self, const multi_model *model, bool raw)
{
    uint32_t live = 0, rows_live = 0;

    CHECK_OK(graph_check(self, NULL));
    for (uint32_t point = 0; point < POINTS; point++) {
        const uint32_t row = graph_row_of(self, point);

        live += model->counts[point] > 0;
        rows_live += model->counts[point];
        CHECK_INT(row != GRAPH_NONE, model->counts[point] > 0);
        if (row == GRAPH_NONE)
            continue;
        CHECK_INT(graph_span_at(self, row), model->counts[point]);
        for (uint32_t i = 0; i < model->counts[point]; i++) {
            const float *given = model->values[point] + i * DIM;
            float        expected[DIM], got[DIM], compared[DIM];

            graph_read(self, row + i, got);
            graph_prepare_as(OCT_COSINE, graph_get_params(self)->datatype, given, expected, DIM);
            graph_compared(self, row + i, compared);
            CHECK(memcmp(compared, expected, sizeof expected) == 0);
            CHECK(memcmp(got, raw ? given : expected, sizeof got) == 0);
            CHECK_INT(graph_point_of(self, row + i), point);
        }
    }
    CHECK_INT(graph_live_count(self), live);
    CHECK_INT(graph_live_rows(self), rows_live);
}

/* Goal:   what is stored, changed and taken away of multivectors is what a model says, and a compaction keeps all of it.
 * Method: random histories of each type, seed 71; now and then another store takes over, half of its rows copied while the
 *         first goes on. Bytes come back as given, though they are compared normalised. */
TEST(multivectors_agree_with_a_model_through_compactions)
{
    static const oct_datatype types[] = {OCT_FLOAT32, OCT_FLOAT16, OCT_UINT8};

    for (size_t t = 0; t < countof(types); t++) {
        test_rng    rng = test_rng_seed(71 + t);
        graph      *self = multi_new(types[t]);
        multi_model model = {0};

        for (int round = 0; round < 12; round++) {
            uint32_t  row_count;
            graph    *fresh = multi_new(types[t]);
            uint64_t *live;

            for (int i = 0; i < 60; i++)
                change(self, &model, &rng);
            graph_publish(self);
            check(self, &model, types[t] == OCT_UINT8);
            live = graph_live_bits(self, &row_count);
            OCT_MUST(live != NULL);
            CHECK_OK(graph_copy_rows(fresh, self, live, row_count, NULL));
            for (int i = 0; i < 25; i++)
                change(self, &model, &rng);
            graph_publish(self);
            CHECK_OK(graph_catch_up(fresh, self, live, row_count, NULL));
            check(fresh, &model, types[t] == OCT_UINT8);
            CHECK(graph_row_count(fresh) <= graph_row_count(self));
            oct_free(live);
            graph_free(self);
            self = fresh;
        }
        graph_free(self);
    }
}

/* Goal:   rows put back one by one, dead ones too, make the same store. */
TEST(multivectors_are_restored_row_by_row)
{
    test_rng    rng = test_rng_seed(72);
    graph      *self = multi_new(OCT_UINT8), *again = multi_new(OCT_UINT8);
    multi_model model = {0};

    for (int i = 0; i < 200; i++)
        change(self, &model, &rng);
    graph_publish(self);
    OCT_MUST(graph_reserve(again, graph_row_count(self), POINTS, NULL) == OCT_OK);
    for (uint32_t row = 0; row < graph_row_count(self); row++)
        graph_restore_row(again, graph_point_of(self, row), graph_vector_at(self, row),
                          graph_row_lives(self, row), graph_span_at(self, row));
    graph_publish(again);
    CHECK_INT(graph_row_count(again), graph_row_count(self));
    check(again, &model, true);
    graph_free(self);
    graph_free(again);
}

/* --- the graph over rows ------------------------------------------------------------------------------------- */

enum { MANY = 300, WIDE = 72, SPAN_MAX = 4 };

typedef struct many {
    graph   *graph;
    workers *pool;
    bool     has[MANY];
} many;

static graph *
many_new(uint32_t dim, uint32_t m)
{
    const graph_params params = {
        .dim = dim, .distance = OCT_COSINE, .m = m, .ef_construct = 40, .start_rows = 1, .multi = true};
    graph *made;

    OCT_MUST(graph_new(&params, &made, NULL) == OCT_OK);
    return made;
}

static void
many_change(many *self, test_rng *rng)
{
    const uint32_t dim = graph_get_params(self->graph)->dim, point = (uint32_t)test_below(rng, MANY);
    const uint32_t count = 1 + (uint32_t)test_below(rng, SPAN_MAX);
    float          values[SPAN_MAX * WIDE], scratch[2 * WIDE + 2];

    OCT_MUST(graph_reserve(self->graph, SPAN_MAX, MANY, NULL) == OCT_OK);
    self->has[point] = test_below(rng, 4) > 0;
    if (!self->has[point]) {
        graph_remove(self->graph, point);
        return;
    }
    test_fill(rng, values, count * dim);
    (void)graph_append(self->graph, point, values, count, scratch);
}

static void
many_build(many *self, uint32_t threads)
{
    bool built = true;

    while (built)
        OCT_MUST(graph_build_batch(self->graph, self->pool, threads, &built, NULL) == OCT_OK);
}

/* Gather with a query of three rows; `found` gets a flag a point. Returns how many, or UINT32_MAX: scan all. */
static uint32_t
many_gather(const many *self, uint64_t seed, graph_gathering query, bool found[MANY])
{
    const uint32_t dim = graph_get_params(self->graph)->dim;
    test_rng       rng = test_rng_seed(seed);
    arena          memory = {0};
    float          asked[3 * WIDE];
    uint32_t      *points;
    size_t         count;

    test_fill(&rng, asked, 3 * dim);
    for (uint32_t i = 0; i < 3; i++)
        graph_prepare(self->graph, asked + i * dim, asked + i * dim);
    query.rows = asked;
    query.row_count = 3;
    memset(found, 0, MANY * sizeof *found);
    CHECK_OK(graph_gather(self->graph, &query, &memory, &points, &count, NULL));
    for (size_t i = 0; points != NULL && i < count; i++) {
        CHECK(points[i] < MANY && (i == 0 || points[i - 1] < points[i]));
        found[points[i] % MANY] = true;
    }
    arena_clear(&memory);
    return points == NULL ? UINT32_MAX : (uint32_t)count;
}

/* Goal:   a gathering as wide as the graph finds every point that has a vector and is allowed, and none else, through
 *         changes, removals, builds and compactions; a narrow one finds what it was asked for, whatever the number of threads.
 * Method: random histories over 300 points of 1 to 4 rows, with codes (72 components) and without (5), seed 73; a second
 *         store is built by three threads from the same history. */
TEST(gathering_meets_the_points_that_may_be_hits)
{
    static const uint32_t wide[] = {5, WIDE};
    workers              *pool = NULL;

    OCT_MUST(workers_new(2, &pool, NULL) == OCT_OK);
    for (size_t d = 0; d < countof(wide); d++) {
        many     self = {.graph = many_new(wide[d], 6), .pool = pool}, other = {.graph = many_new(wide[d], 6), .pool = pool};
        test_rng rng = test_rng_seed(73), again = test_rng_seed(73);
        bool     found[MANY], same[MANY];
        uint64_t odd[MANY / 64 + 1];

        memset(odd, 0xAA, sizeof odd);
        for (int round = 0; round < 10; round++) {
            uint32_t all, few;

            for (int i = 0; i < 150; i++) {
                many_change(&self, &rng);
                many_change(&other, &again);
            }
            graph_publish(self.graph);
            graph_publish(other.graph);
            if (round % 3 != 1) { /* otherwise there is a tail */
                many_build(&self, 1);
                many_build(&other, 3);
            }
            CHECK_OK(graph_check(self.graph, NULL));
            CHECK(graph_checksum(self.graph) == graph_checksum(other.graph));

            all = many_gather(&self, 9, (graph_gathering){.ef = 1u << 20, .keep = MANY}, found);
            CHECK(round == 0 || all != UINT32_MAX);
            for (uint32_t point = 0; point < MANY; point++)
                CHECK_MSG(found[point] == self.has[point], "dim %u, round %d: point %u", wide[d], round, point);
            all = many_gather(&self, 9,
                              (graph_gathering){.ef = 1u << 20, .keep = MANY, .allowed = odd, .allowed_points = MANY,
                                                .allowed_count = MANY / 2}, found);
            for (uint32_t point = 0; point < MANY; point++)
                CHECK_MSG(found[point] == (self.has[point] && (point & 1) != 0), "dim %u, round %d: allowed point %u", wide[d],
                          round, point);

            few = many_gather(&self, 100 + (uint64_t)round, (graph_gathering){.ef = 20, .keep = 15}, found);
            CHECK(few == many_gather(&other, 100 + (uint64_t)round, (graph_gathering){.ef = 20, .keep = 15}, same) &&
                  memcmp(found, same, sizeof found) == 0);
            CHECK_MSG(few >= 15, "%u points", few); /* those of the tail are there besides */
            for (uint32_t point = 0; point < MANY; point++)
                CHECK(!found[point] || self.has[point]);
        }
        graph_free(self.graph);
        graph_free(other.graph);
    }
    workers_free(pool);
}

/* Goal:   a gathering sees the points as they were when rows were last published: one that is moved by an unpublished write
 *         is met at its old rows, those behind its first too; a removed one is gone at once.
 * Method: all points changed without publishing; gather before and after. */
TEST(gathering_sees_one_view)
{
    many     self = {.graph = many_new(WIDE, 6)};
    test_rng rng = test_rng_seed(74);
    bool     before[MANY], after[MANY];
    uint32_t count;

    OCT_MUST(workers_new(0, &self.pool, NULL) == OCT_OK);
    for (int i = 0; i < 1000; i++)
        many_change(&self, &rng);
    graph_publish(self.graph);
    many_build(&self, 1);
    count = many_gather(&self, 3, (graph_gathering){.ef = 60, .keep = 50}, before);
    CHECK(count != UINT32_MAX && count >= 50);
    for (uint32_t point = 0; point < MANY; point++) {
        float values[SPAN_MAX * WIDE], scratch[2 * WIDE + 2];

        if (!self.has[point])
            continue;
        test_fill(&rng, values, countof(values));
        OCT_MUST(graph_reserve(self.graph, SPAN_MAX, MANY, NULL) == OCT_OK);
        (void)graph_append(self.graph, point, values, SPAN_MAX, scratch);
    }
    CHECK_INT(many_gather(&self, 3, (graph_gathering){.ef = 60, .keep = 50}, after), count);
    CHECK(memcmp(before, after, sizeof before) == 0);
    for (uint32_t point = 0; point < MANY; point++) {
        if (before[point])
            graph_remove(self.graph, point);
    }
    (void)many_gather(&self, 3, (graph_gathering){.ef = 60, .keep = 50}, after);
    for (uint32_t point = 0; point < MANY; point++)
        CHECK(!(before[point] && after[point]));
    graph_free(self.graph);
    workers_free(self.pool);
}

/* Goal:   where there is no graph, a graph is no gain, or few points are allowed, all are compared instead. */
TEST(gathering_leaves_small_matters_to_a_scan)
{
    many     self = {.graph = many_new(WIDE, 6)}, bare = {.graph = many_new(WIDE, 0)};
    test_rng rng = test_rng_seed(75);
    uint64_t one[MANY / 64 + 1] = {2};
    bool     found[MANY];

    OCT_MUST(workers_new(0, &self.pool, NULL) == OCT_OK);
    CHECK_INT(many_gather(&self, 3, (graph_gathering){.ef = 60, .keep = 50}, found), UINT32_MAX);
    for (int i = 0; i < 1000; i++)
        many_change(&self, &rng);
    for (int i = 0; i < 100; i++)
        many_change(&bare, &rng);
    graph_publish(self.graph);
    graph_publish(bare.graph);
    CHECK(graph_has_batch(self.graph) && !graph_has_batch(bare.graph));
    many_build(&self, 1);
    CHECK(many_gather(&self, 3, (graph_gathering){.ef = 60, .keep = 50}, found) != UINT32_MAX);
    CHECK_INT(many_gather(&self, 3, (graph_gathering){.ef = 60, .keep = 50, .full_scan_rows = 100000}, found), UINT32_MAX);
    CHECK_INT(many_gather(&self, 3,
                          (graph_gathering){.ef = 60, .keep = 50, .allowed = one, .allowed_points = MANY, .allowed_count = 1},
                          found), UINT32_MAX);
    CHECK_INT(many_gather(&bare, 3, (graph_gathering){.ef = 60, .keep = 50}, found), UINT32_MAX);
    graph_free(self.graph);
    graph_free(bare.graph);
    workers_free(self.pool);
}
