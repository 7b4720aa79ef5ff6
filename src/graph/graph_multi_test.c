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
    CHECK(!graph_has_batch(self));
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
