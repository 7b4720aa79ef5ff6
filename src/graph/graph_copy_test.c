/* Graphs that come from others: saved and loaded column by column, compacted. */
#include "graph/graph_test.h"

#define DIM_MAX 96u

static void
put_some(twin *self, test_rng *rng, uint32_t count)
{
    float vector[DIM_MAX];

    while (count-- > 0) {
        test_fill(rng, vector, self->dim);
        (void)twin_put(self, (uint32_t)test_below(rng, self->points), vector);
    }
}

static void
remove_some(twin *self, test_rng *rng, uint32_t count)
{
    while (count-- > 0)
        twin_remove(self, (uint32_t)test_below(rng, self->points));
}

/* The same answers, bit for bit. */
static void
check_same_answers(const twin *a, const graph *b, test_rng *rng, const char *when)
{
    for (int i = 0; i < 20; i++) {
        float       vector[DIM_MAX], prepared[DIM_MAX];
        graph_hit   hits_a[20], hits_b[20];
        graph_query query;
        size_t      count_a, count_b = 0;

        test_fill(rng, vector, a->dim);
        query = twin_query(a, vector, prepared, 20, 60);
        count_a = twin_search(a, &query, hits_a, NULL);
        epoch_pin();
        CHECK_OK(graph_search(b, &query, hits_b, &count_b, NULL, NULL));
        epoch_unpin();
        CHECK_MSG(count_a == count_b && memcmp(hits_a, hits_b, count_a * sizeof *hits_a) == 0, "%s: query %d",
                  when, i);
    }
}

/* --- save and load ------------------------------------------------------------------------------------ */

/* What a checkpoint keeps: the bytes of each column. */
typedef struct saved_graph {
    graph_state state;
    size_t      count;
    struct {
        char     name[32];
        char    *bytes;
        uint32_t stride;
        uint64_t rows;
        bool     built;
    } columns[GRAPH_COLUMNS_MAX];
} saved_graph;

static void
save(graph *self, saved_graph *out)
{
    graph_column columns[GRAPH_COLUMNS_MAX];

    memset(out, 0, sizeof *out);
    graph_get_state(self, &out->state);
    out->count = graph_columns(self, columns);
    OCT_MUST(out->count <= GRAPH_COLUMNS_MAX);
    for (size_t c = 0; c < out->count; c++) {
        const rows *data = columns[c].data;

        (void)snprintf(out->columns[c].name, sizeof out->columns[c].name, "%s", columns[c].name);
        out->columns[c].stride = data->stride;
        out->columns[c].rows = columns[c].count;
        out->columns[c].built = columns[c].built;
        out->columns[c].bytes = malloc(columns[c].count * data->stride + 1);
        OCT_MUST(out->columns[c].bytes != NULL);
        for (uint64_t row = 0; row < columns[c].count; row++)
            memcpy(out->columns[c].bytes + row * data->stride, rows_at(data, (uint32_t)row), data->stride);
    }
}

static void
saved_clear(saved_graph *self)
{
    for (size_t c = 0; c < self->count; c++)
        free(self->columns[c].bytes);
}

static graph *
load(const graph_params *params, const saved_graph *from)
{
    graph_column columns[GRAPH_COLUMNS_MAX];
    graph       *made;
    size_t       count;

    OCT_MUST(graph_load_begin(params, &from->state, &made, NULL) == OCT_OK);
    count = graph_columns(made, columns);
    for (size_t c = 0; c < count; c++) {
        bool found = columns[c].count == 0;

        OCT_MUST(rows_reserve(columns[c].data, columns[c].count, NULL) == OCT_OK);
        for (size_t i = 0; i < from->count && !found; i++) {
            if (strcmp(from->columns[i].name, columns[c].name) != 0)
                continue;
            found = true;
            CHECK(from->columns[i].stride == columns[c].data->stride &&
                  from->columns[i].rows >= columns[c].count);
            for (uint64_t row = 0; row < columns[c].count; row++)
                memcpy(rows_at(columns[c].data, (uint32_t)row),
                       from->columns[i].bytes + row * from->columns[i].stride, from->columns[i].stride);
        }
        CHECK_MSG(found, "column %s was not saved", columns[c].name);
    }
    CHECK_OK(graph_loaded(made, NULL));
    return made;
}

/* Goal:   a graph that was saved and loaded answers as the first and goes on to the same graph; also when links and
 *         levels were saved earlier than the rows: what joined since joins again.
 * Method: random graphs with dead rows, with codes of each kind and without, saved at random; both go on with the same changes.
 *         Seeds 101 to 112. */
TEST(saved_and_loaded_graph_goes_on_as_the_first)
{
    for (uint64_t seed = 101; seed < 113; seed++) {
        test_rng       rng = test_rng_seed(seed), later;
        const uint32_t dim =
            seed % 2 == 0 ? 5 + (uint32_t)test_below(&rng, 30) : 64 + (uint32_t)test_below(&rng, 30);
        graph_params params = {.dim = dim,
                               .distance = (oct_distance)(1 + seed % 4),
                               .m = 2 + (uint32_t)test_below(&rng, 12),
                               .ef_construct = 30,
                               .start_rows = 1};
        saved_graph        early, late;
        twin               self, copy;
        graph             *loaded;

        params.fine = graph_fits_fine(&params) && seed % 4 < 2;
        twin_open(&self, &params, 1200, 2);
        put_some(&self, &rng, (uint32_t)test_below(&rng, 800));
        graph_publish(self.graph);
        (void)twin_build(&self, 0);
        save(self.graph, &early);
        put_some(&self, &rng, (uint32_t)test_below(&rng, 800));
        remove_some(&self, &rng, (uint32_t)test_below(&rng, 300));
        graph_publish(self.graph);
        for (uint64_t i = test_below(&rng, 8); i > 0; i--)
            CHECK_OK(graph_build_batch(self.graph, self.pool, 0, &(bool){false}, NULL));
        save(self.graph, &late);

        loaded = load(&params, &late);
        CHECK_OK(graph_check(loaded, NULL));
        CHECK(graph_checksum(loaded) == graph_checksum(self.graph));
        check_same_answers(&self, loaded, &rng, "loaded");

        /* Rows of the late one, links of the early one. */
        if (seed % 3 == 0 && early.state.graph_count > 0) {
            graph_state mixed = early.state;

            mixed.row_count = late.state.row_count;
            mixed.live_count = late.state.live_count;
            mixed.point_count = late.state.point_count;
            for (size_t c = 0; c < late.count; c++) {
                for (size_t e = 0; e < early.count; e++) {
                    if (!late.columns[c].built || strcmp(late.columns[c].name, early.columns[e].name) != 0)
                        continue;
                    free(late.columns[c].bytes);
                    late.columns[c].bytes = malloc(early.columns[e].rows * early.columns[e].stride + 1);
                    OCT_MUST(late.columns[c].bytes != NULL);
                    memcpy(late.columns[c].bytes, early.columns[e].bytes,
                           early.columns[e].rows * early.columns[e].stride);
                    late.columns[c].rows = early.columns[e].rows;
                }
            }
            late.state = mixed;
            graph_free(loaded);
            loaded = load(&params, &late);
            CHECK_OK(graph_check(loaded, NULL));
        }

        /* On with both. */
        twin_open(&copy, &params, 1200, 1);
        graph_free(copy.graph);
        copy.graph = loaded;
        memcpy(copy.vectors, self.vectors, (size_t)self.points * dim * sizeof(float));
        memcpy(copy.has, self.has, self.points * sizeof *self.has);
        copy.live = self.live;
        later = rng;
        put_some(&self, &rng, 500);
        remove_some(&self, &rng, 100);
        put_some(&copy, &later, 500);
        remove_some(&copy, &later, 100);
        graph_publish(self.graph);
        graph_publish(copy.graph);
        (void)twin_build(&self, 0);
        (void)twin_build(&copy, 0);
        twin_check(&self, "the first");
        twin_check(&copy, "the loaded one");
        CHECK_MSG(graph_checksum(self.graph) == graph_checksum(copy.graph), "seed %llu",
                  (unsigned long long)seed);
        check_same_answers(&self, copy.graph, &rng, "gone on");
        saved_clear(&early);
        saved_clear(&late);
        twin_close(&self);
        twin_close(&copy);
    }
}

/* Goal:   a state that contradicts itself is refused.
 * Method: counts and entries that cannot be. */
TEST(contradictory_state_is_refused)
{
    const graph_params params = {.dim = 8, .distance = OCT_DOT, .m = 4, .ef_construct = 10, .start_rows = 1};
    test_rng           rng = test_rng_seed(121);
    saved_graph        saved;
    twin               self;

    twin_open(&self, &params, 200, 1);
    put_some(&self, &rng, 200);
    graph_publish(self.graph);
    (void)twin_build(&self, 0);
    save(self.graph, &saved);
    for (int kind = 0; kind < 3; kind++) {
        graph_state state = saved.state;
        graph      *made;

        if (kind == 0)
            state.graph_count = state.row_count + 1;
        if (kind == 1)
            state.entry_level = GRAPH_LEVELS_MAX;
        if (kind == 2)
            state.entry_node =
                state.entry_level == 0 ? state.graph_count : state.level_counts[state.entry_level];
        CHECK_OK(graph_load_begin(&params, &state, &made, NULL));
        CHECK_STATUS(graph_loaded(made, NULL), OCT_CORRUPT);
        graph_free(made);
    }
    saved_clear(&saved);
    twin_close(&self);
}

/* --- compaction ------------------------------------------------------------------------------------------ */

/* Goal:   a compacted graph holds the rows alive when it was begun, in row order, then all rows appended since; and is
 *         the very graph that these rows alone would give.
 * Method: random graphs; a compaction is begun, built part of the way, the old graph changes in between (updates,
 *         removals, returns, unpublished rows too), then it catches up. A third graph gets the expected rows one by
 *         one. Some have codes of 8 bits before, after, or both.
 *         Seeds 131 to 146. */
TEST(compacted_graph_is_that_of_its_rows)
{
    for (uint64_t seed = 131; seed < 131 + test_scaled(16); seed++) {
        test_rng           rng = test_rng_seed(seed);
        const uint32_t     dim = seed % 2 == 0 ? 12 : 66;
        graph_params       params = {.dim = dim,
                                     .distance = (oct_distance)(1 + seed % 4),
                                     .m = 6,
                                     .ef_construct = 30,
                                     .start_rows = 1};
        graph             *fresh, *plain;
        uint64_t          *live;
        uint32_t           row_count, expected = 0;
        bool               built = true;
        twin               self;

        params.fine = graph_fits_fine(&params) && seed % 8 < 4;
        twin_open(&self, &params, 900, 2);
        params.fine = graph_fits_fine(&params) && (seed + 2) % 8 < 4;
        put_some(&self, &rng, 300 + (uint32_t)test_below(&rng, 900));
        graph_publish(self.graph);
        (void)twin_build(&self, 0);
        remove_some(&self, &rng, (uint32_t)test_below(&rng, 900));

        live = graph_live_bits(self.graph, &row_count);
        OCT_MUST(live != NULL);
        CHECK_OK(graph_new(&params, &fresh, NULL));
        put_some(&self, &rng, (uint32_t)test_below(&rng, 100)); /* already behind it */
        graph_publish(self.graph);
        CHECK_OK(graph_copy_rows(fresh, self.graph, live, row_count, NULL));
        for (uint64_t i = test_below(&rng, 2) == 0 ? 1000 : test_below(&rng, 10); i > 0 && built; i--)
            CHECK_OK(graph_build_batch(fresh, self.pool, 0, &built, NULL));
        put_some(&self, &rng, (uint32_t)test_below(&rng, 400));
        remove_some(&self, &rng, (uint32_t)test_below(&rng, 200));
        put_some(&self, &rng, (uint32_t)test_below(&rng, 100));
        graph_publish(self.graph);
        CHECK_OK(graph_catch_up(fresh, self.graph, live, row_count, NULL));
        CHECK_OK(graph_check(fresh, NULL));

        /* Row by row. */
        CHECK_OK(graph_new(&params, &plain, NULL));
        CHECK_OK(graph_reserve(plain, graph_row_count(self.graph), 900, NULL));
        for (uint32_t row = 0; row < graph_row_count(self.graph); row++) {
            if (row < row_count && (live[row / 64] >> (row % 64) & 1) == 0)
                continue;
            graph_restore_row(plain, graph_point_of(self.graph, row),
                              (const char *)graph_vector_at(self.graph, row),
                              graph_row_lives(self.graph, row), 1);
            CHECK(expected < graph_row_count(fresh) &&
                  graph_point_of(fresh, expected) == graph_point_of(self.graph, row) &&
                  memcmp(graph_vector_at(fresh, expected), graph_vector_at(self.graph, row),
                         dim * sizeof(float)) == 0);
            if (params.fine)
                CHECK(memcmp(graph_row_fine(fresh, expected), graph_row_fine(plain, expected), plain->codec.fine_stride) == 0);
            if (plain->coded)
                CHECK(memcmp(graph_row_code(fresh, expected), graph_row_code(plain, expected), plain->codec.stride) == 0);
            expected++;
        }
        graph_publish(plain);
        CHECK_INT(graph_row_count(fresh), expected);
        for (built = true; built;)
            CHECK_OK(graph_build_batch(plain, self.pool, 1, &built, NULL));
        for (built = true; built;)
            CHECK_OK(graph_build_batch(fresh, self.pool, 0, &built, NULL));
        CHECK_MSG(graph_checksum(fresh) == graph_checksum(plain), "seed %llu", (unsigned long long)seed);
        CHECK_OK(graph_check(fresh, NULL));
        CHECK_OK(graph_check(plain, NULL));

        /* It takes the old one's place. */
        graph_free(self.graph);
        self.graph = fresh;
        twin_check(&self, "compacted");
        check_same_answers(&self, plain, &rng, "compacted");
        put_some(&self, &rng, 200);
        remove_some(&self, &rng, 50);
        graph_publish(self.graph);
        (void)twin_build(&self, 0);
        twin_check(&self, "gone on");
        graph_free(plain);
        oct_free(live);
        twin_close(&self);
    }
}

/* Goal:   a compaction that finds no memory changes neither graph.
 * Method: each allocation of taking bits, copying and catching up fails in turn. */
TEST(compaction_without_memory_changes_nothing)
{
    const graph_params params = {
        .dim = 64, .distance = OCT_EUCLID, .m = 4, .ef_construct = 10, .start_rows = 1, .fine = true};
    test_rng   rng = test_rng_seed(151);
    uint64_t  *live;
    uint32_t   row_count;
    oct_status status = OCT_NOMEM;
    graph     *fresh = NULL;
    twin       self;

    twin_open(&self, &params, 500, 1);
    put_some(&self, &rng, 700);
    remove_some(&self, &rng, 100);
    graph_publish(self.graph);
    oct_alloc_fail_after(0, false);
    CHECK(graph_live_bits(self.graph, &row_count) == NULL);
    live = graph_live_bits(self.graph, &row_count);
    for (uint64_t n = 0; status != OCT_OK; n++) {
        graph_free(fresh);
        CHECK_OK(graph_new(&params, &fresh, NULL));
        oct_alloc_fail_after(n, false);
        status = graph_copy_rows(fresh, self.graph, live, row_count, NULL);
        oct_alloc_fail_after(UINT64_MAX, false);
        CHECK(status == OCT_OK || status == OCT_NOMEM);
    }
    put_some(&self, &rng, 300);
    graph_publish(self.graph);
    status = OCT_NOMEM;
    for (uint64_t n = 0; status != OCT_OK; n++) {
        const uint32_t before = graph_row_count(fresh);

        oct_alloc_fail_after(n, false);
        status = graph_catch_up(fresh, self.graph, live, row_count, NULL);
        oct_alloc_fail_after(UINT64_MAX, false);
        CHECK(status == OCT_OK || (status == OCT_NOMEM && graph_row_count(fresh) == before));
    }
    twin_check(&self, "the old one");
    graph_free(self.graph);
    self.graph = fresh;
    twin_check(&self, "the new one");
    oct_free(live);
    twin_close(&self);
}
