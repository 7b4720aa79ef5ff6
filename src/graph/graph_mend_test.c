/* Goal:   of live bits, points and seats any one column follows from the other two, also where rows are dead; and what does not fit
 *         is told, not made up.
 * Method: a random history of changes and removals; each column is overwritten with noise and made again, and compared with what it
 *         was (of points: those of live rows). Then a seat is taken away. One row a point, and several. Seeds 3301 to 3308. */
#include "graph/graph_internal.h"

#include "support/test.h"

enum { POINTS = 300, DIM = 4, SPAN_MAX = 4, STEPS = 1500 };

static graph *
make_graph(test_rng *rng, bool multi)
{
    const graph_params params = {
        .dim = DIM, .distance = OCT_EUCLID, .m = 8, .ef_construct = 40, .start_rows = 1, .multi = multi};
    float  vector[SPAN_MAX * DIM], scratch[2 * DIM + 2];
    graph *made;

    OCT_MUST(graph_new(&params, &made, NULL) == OCT_OK);
    for (uint32_t step = 0; step < STEPS; step++) {
        const uint32_t point = (uint32_t)test_below(rng, POINTS);
        const uint32_t count = multi ? 1 + (uint32_t)test_below(rng, SPAN_MAX) : 1;

        if (test_below(rng, 4) == 0) {
            graph_remove(made, point);
            continue;
        }
        test_fill(rng, vector, count * DIM);
        OCT_MUST(graph_reserve(made, count, POINTS, NULL) == OCT_OK);
        OCT_MUST(graph_append(made, point, vector, count, scratch) == count);
    }
    graph_publish(made);
    return made;
}

static void
mend_live(graph *self, test_rng *rng)
{
    const uint32_t row_count = graph_row_count(self);
    uint64_t       before[STEPS * SPAN_MAX / 64 + 1];
    oct_error      error = {0};

    for (uint32_t word = 0; word <= row_count / 64; word++) {
        _Atomic uint64_t *at = rows_at(&self->live, word);

        before[word] = atomic_load(at);
        atomic_store(at, test_u64(rng));
    }
    CHECK_OK(graph_make_live(self, &error));
    for (uint32_t row = 0; row < row_count; row++)
        CHECK_INT(graph_row_lives(self, row), before[row / 64] >> (row % 64) & 1);
    CHECK_OK(graph_check(self, &error));
}

static void
mend_points(graph *self, test_rng *rng)
{
    const uint32_t row_count = graph_row_count(self);
    uint32_t       before[STEPS];
    oct_error      error = {0};

    for (uint32_t row = 0; row < row_count; row++) {
        before[row] = graph_point_of(self, row);
        *(uint32_t *)rows_at(&self->points, row) = (uint32_t)test_u64(rng);
    }
    CHECK_OK(graph_make_points(self, &error));
    for (uint32_t row = 0; row < row_count; row++) {
        CHECK(graph_point_of(self, row) < POINTS);
        if (graph_row_lives(self, row))
            CHECK_INT(graph_point_of(self, row), before[row]);
    }
    CHECK_OK(graph_check(self, &error));
}

static void
mend_seats(graph *self, test_rng *rng)
{
    uint32_t  before[POINTS];
    oct_error error = {0};

    for (uint32_t point = 0; point < POINTS; point++) {
        before[point] = graph_row_of(self, point);
        atomic_store(graph_seat(self, point), (uint32_t)test_u64(rng));
    }
    CHECK_OK(graph_make_seats(self, &error));
    for (uint32_t point = 0; point < POINTS; point++)
        CHECK_INT(graph_row_of(self, point), before[point]);
    CHECK_OK(graph_check(self, &error));
}

TEST(live_bits_points_and_seats_follow_from_each_other)
{
    for (uint64_t seed = 3301; seed < 3309 && !test_has_failed(); seed++) {
        test_rng   rng = test_rng_seed(seed);
        const bool multi = seed % 2 == 0;
        graph     *made = make_graph(&rng, multi);
        oct_error  error = {0};
        uint32_t   point = 0;

        CHECK(graph_live_count(made) > 0 && graph_live_rows(made) < graph_row_count(made));
        mend_live(made, &rng);
        mend_seats(made, &rng);
        if (!multi)
            mend_points(made, &rng);
        while (graph_row_of(made, point) == GRAPH_NONE)
            point++;
        atomic_store(graph_seat(made, point), GRAPH_NONE);
        if (!multi)
            CHECK_STATUS(graph_make_points(made, &error), OCT_CORRUPT);
        CHECK_STATUS(graph_make_live(made, &error), OCT_CORRUPT);
        graph_free(made);
    }
}
