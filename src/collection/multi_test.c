/* Multivectors of whole databases: the graph over their rows is there after closing, opening, a compaction and new settings,
 * and searches by it are right. The graph alone: src/graph/graph_multi_test.c.
 */
#include <math.h>

#include "collection/database_test.h"

#define POINTS   240u
#define DIM      64u /* rows have codes */
#define ROWS_MAX 4u
#define HITS     15u

typedef struct multi_world {
    os             *disk;
    oct_database   *database;
    oct_collection *collection;
    test_rng        rng;
    bool            there[POINTS];
    uint32_t        live;
} multi_world;

static void
open_all(multi_world *self)
{
    oct_error error = {0};

    self->database = world_open(self->disk, &error);
    OCT_MUST(self->database != NULL);
    CHECK_OK(oct_collection_open(self->database, slice_of("c"), &self->collection, NULL));
}

static void
close_all(multi_world *self)
{
    oct_collection_close(self->collection);
    CHECK_OK(oct_close(self->database, NULL));
}

static void
create(multi_world *self)
{
    oct_error             error = {0};
    oct_collection_config config;
    oct_vector_config     vector;

    self->disk = world_disk();
    self->database = world_open(self->disk, &error);
    OCT_MUST(self->database != NULL);
    oct_collection_config_init(&config);
    oct_vector_config_init(&vector);
    vector.size = DIM;
    vector.distance = OCT_COSINE;
    vector.multivector = 1;
    config.vectors = &vector;
    config.vector_count = 1;
    config.single_vector = true;
    config.hnsw.m = 8;
    config.hnsw.ef_construct = 40;
    config.hnsw.full_scan_threshold = 10;
    config.optimizer.indexing_threshold = 10; /* KiB: 40 rows */
    CHECK_OK(oct_collection_create(self->database, slice_of("c"), &config, &error));
    CHECK_OK(oct_close(self->database, NULL));
    open_all(self);
}

static void
configure(multi_world *self, int64_t m)
{
    oct_collection_config config;

    oct_collection_config_init(&config);
    config.hnsw.m = m;
    CHECK_OK(oct_collection_update(self->database, slice_of("c"), &config, NULL));
    CHECK_OK(oct_collection_optimize(self->collection, NULL));
    CHECK_OK(oct_collection_wait_indexed(self->collection, 0, NULL));
}

static void
write_some(multi_world *self, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t point = (uint32_t)test_below(&self->rng, POINTS);
        const uint32_t rows_given = 1 + (uint32_t)test_below(&self->rng, ROWS_MAX);
        const oct_id   id = {.low = point};
        float          values[ROWS_MAX * DIM];
        oct_vector     vector = {
                .kind = OCT_MULTI, .values = values, .value_count = rows_given * DIM, .row_count = rows_given};
        const oct_point given = {.id = id, .vectors = &vector, .vector_count = 1};

        if (test_below(&self->rng, 5) == 0) {
            CHECK_OK(oct_delete(self->collection, &id, 1, NULL, NULL, NULL));
            self->live -= self->there[point];
            self->there[point] = false;
            continue;
        }
        test_fill(&self->rng, values, rows_given * DIM);
        CHECK_OK(oct_upsert(self->collection, &given, 1, NULL, NULL, NULL));
        self->live += !self->there[point];
        self->there[point] = true;
    }
}

static oct_records *
ask(multi_world *self, const float *values, size_t ef, bool exact)
{
    oct_query_request request = {.query = {.kind = OCT_QUERY_NEAREST, .limit = HITS, .ef = ef, .exact = exact}};
    oct_records      *found = NULL;

    request.query.as.nearest.target.vector =
        (oct_vector){.kind = OCT_MULTI, .values = values, .value_count = 3 * DIM, .row_count = 3};
    CHECK_OK(oct_query_points(self->collection, &request, &found, NULL));
    OCT_MUST(found != NULL);
    return found;
}

static bool
same_hits(const oct_records *a, const oct_records *b)
{
    bool same = a->count == b->count;

    for (size_t i = 0; same && i < a->count; i++)
        same = id_equal(&a->items[i].id, &b->items[i].id) && a->items[i].score == b->items[i].score;
    return same;
}

static void
check(multi_world *self, bool walks, const char *when)
{
    oct_collection_info *info;
    oct_error            error = {0};

    CHECK_OK(oct_collection_wait_indexed(self->collection, 0, NULL));
    CHECK_MSG(oct_collection_check(self->collection, &error) == OCT_OK, "%s: %s", when, error.text);
    CHECK_OK(oct_collection_describe(self->collection, &info, NULL));
    CHECK_MSG((info->indexed_vectors_count > 0) == walks, "%s: %llu rows are in the graph", when,
              (unsigned long long)info->indexed_vectors_count);
    oct_collection_info_free(info);
    for (int q = 0; q < 6; q++) {
        float        values[3 * DIM];
        oct_records *right, *wide, *narrow;

        test_fill(&self->rng, values, 3 * DIM);
        right = ask(self, values, 0, true);
        wide = ask(self, values, 2 * POINTS * ROWS_MAX, false);
        narrow = ask(self, values, 1, false);
        CHECK_MSG(same_hits(right, wide), "%s: a walk as wide as the graph finds other hits", when);
        CHECK_INT(right->count, size_min(HITS, self->live));
        CHECK_MSG(narrow->count == right->count, "%s: %zu hits of %u points", when, narrow->count, self->live);
        oct_records_free(right);
        oct_records_free(wide);
        oct_records_free(narrow);
    }
}

static uint64_t
checksum(multi_world *self)
{
    uint64_t sum = 0;

    CHECK_OK(oct_collection_wait_indexed(self->collection, 0, NULL));
    CHECK_OK(oct_collection_graph_checksum(self->collection, &sum, NULL));
    return sum;
}

/* Goal:   searches of multivectors by the graph are right through changes, deletes, closing, the log's tail, compactions, and
 *         settings that take the graph away and give it back; scores are exact; there are always as many hits as asked for.
 * Method: random histories of 240 points of 1 to 4 rows, seed 901; a walk as wide as the graph is held against `exact`, its
 *         checksum across opening. */
TEST(graph_of_multivectors_lives_with_its_database)
{
    multi_world self = {.rng = test_rng_seed(901)};

    create(&self);
    for (int round = 0; round < 6; round++) {
        uint64_t before;

        write_some(&self, 150);
        check(&self, true, "written");
        before = checksum(&self);
        if (round % 2 == 0)
            CHECK_OK(oct_checkpoint(self.database, NULL));
        close_all(&self);
        open_all(&self);
        check(&self, true, "opened");
        CHECK(checksum(&self) == before);
        if (round == 2) {
            CHECK_OK(oct_collection_optimize(self.collection, NULL));
            check(&self, true, "compacted");
        }
        if (round == 3) {
            configure(&self, 0);
            check(&self, false, "without a graph");
            write_some(&self, 20);
            close_all(&self);
            open_all(&self);
            check(&self, false, "opened without a graph");
            configure(&self, 6);
            check(&self, true, "with a graph again");
            before = checksum(&self);
            close_all(&self);
            open_all(&self);
            check(&self, true, "opened with a graph again");
            CHECK(checksum(&self) == before);
        }
    }
    close_all(&self);
    os_free(self.disk);
}
