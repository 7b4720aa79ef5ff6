/* Goal:   an index changes no answer: not while it is built, not while points come and go, not after reopening.
 * Method: two collections get the same random history, one of them with indexes of random types on random paths that are
 *         made and dropped on the way; random filters of every kind (payload/filter_random_test.h) are asked of both,
 *         seeds 101 to 103. The generator has few keys, so that paths meet, and values of every type under every key, so that
 *         points are odd. Each type on clean data with known answers. Each allocation failing in turn. Threads. */
#include "octant.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/base.h"
#include "payload/filter_random_test.h"
#include "support/test.h"

#define S(text_) ((oct_slice){(text_), sizeof(text_) - 1})

enum { PLAIN, INDEXED, COLLECTIONS };

typedef struct world {
    oct_database   *database;
    oct_collection *collections[COLLECTIONS];
    const char     *path;
} world;

static void
must_be_ok(oct_status status, const oct_error *error)
{
    CHECK_MSG(status == OCT_OK, "%s", error->text);
}

static oct_slice
name_of(size_t i)
{
    return i == PLAIN ? S("plain") : S("indexed");
}

static void
world_open(world *self)
{
    oct_open_options options = {.path = self->path, .threads = 2, .sync = OCT_SYNC_NEVER};
    oct_error        error = {0};

    must_be_ok(oct_open(&options, &self->database, &error), &error);
    for (size_t i = 0; i < COLLECTIONS; i++) {
        if (oct_collection_open(self->database, name_of(i), &self->collections[i], &error) != OCT_OK) {
            oct_vector_config     vectors[2];
            oct_collection_config config;

            oct_collection_config_init(&config);
            for (size_t v = 0; v < 2; v++) {
                oct_vector_config_init(&vectors[v]);
                vectors[v].name = v == 0 ? S("v0") : S("v1");
                vectors[v].size = 2;
                vectors[v].distance = OCT_DOT;
            }
            config.vectors = vectors;
            config.vector_count = 2;
            must_be_ok(oct_collection_create(self->database, name_of(i), &config, &error), &error);
            must_be_ok(oct_collection_open(self->database, name_of(i), &self->collections[i], &error), &error);
        }
    }
}

static void
world_close(world *self)
{
    for (size_t i = 0; i < COLLECTIONS; i++)
        oct_collection_close(self->collections[i]);
    CHECK_OK(oct_close(self->database, NULL));
}

static oct_id
id_of(uint64_t number, bool is_uuid)
{
    return is_uuid ? (oct_id){0, number, 1, 0} : oct_id_number(number);
}

/* One write, the same to both. */
static void
write_both(world *self, test_rng *rng, uint64_t ids)
{
    static const float values[2] = {1, 2};
    oct_vector         vectors[2] = {{.name = S("v0"), .values = values, .value_count = 2},
                                     {.name = S("v1"), .values = values, .value_count = 2}};
    const oct_id       id = id_of(test_below(rng, ids), test_below(rng, 2) == 0);
    const uint64_t     dice = test_below(rng, 10);
    oct_point          point = {.id = id, .vectors = vectors + test_below(rng, 2), .vector_count = 1};
    buffer             document = {0};
    oct_payload_change change = {.action = dice == 8 ? OCT_PAYLOAD_SET : OCT_PAYLOAD_CLEAR};
    oct_error          error = {0};

    random_document(rng, 3, &document);
    point.payload = (oct_slice){document.data, document.size};
    change.payload = point.payload;
    for (size_t i = 0; i < COLLECTIONS; i++) {
        oct_status status = OCT_OK;

        if (dice < 7)
            status = oct_upsert(self->collections[i], &point, 1, NULL, NULL, &error);
        else if (dice == 7)
            status = oct_delete(self->collections[i], &id, 1, NULL, NULL, &error);
        else
            status = oct_change_payload(self->collections[i], &id, 1, &change, NULL, NULL, &error);
        CHECK_MSG(status == OCT_OK || status == OCT_NOT_FOUND, "%s", error.text);
    }
    buffer_clear(&document);
}

/* Returns how many points passed. */
static size_t
ask_both(const world *self, const oct_filter *filter, const char *what, uint64_t round)
{
    oct_records *found[COLLECTIONS] = {NULL, NULL};
    uint64_t     count = 0, estimate = 0;
    size_t       passed;
    oct_error    error = {0};

    for (size_t i = 0; i < COLLECTIONS; i++)
        must_be_ok(oct_scroll_where(self->collections[i], filter, NULL, 100000, NULL, &found[i], &error), &error);
    CHECK_MSG(found[PLAIN]->count == found[INDEXED]->count, "%s, round %" PRIu64 ": %zu points with indexes, %zu without",
              what, round, found[INDEXED]->count, found[PLAIN]->count);
    for (size_t i = 0; i < found[PLAIN]->count && i < found[INDEXED]->count; i++) {
        if (memcmp(&found[PLAIN]->items[i].id, &found[INDEXED]->items[i].id, sizeof(oct_id)) != 0) {
            CHECK_MSG(false, "%s, round %" PRIu64 ": place %zu differs", what, round, i);
            break;
        }
    }
    must_be_ok(oct_count_where(self->collections[INDEXED], filter, &count, &error), &error);
    CHECK_INT(count, found[PLAIN]->count);
    must_be_ok(oct_count_estimate(self->collections[INDEXED], filter, &estimate, &error), &error);
    passed = found[PLAIN]->count;
    for (size_t i = 0; i < COLLECTIONS; i++)
        oct_records_free(found[i]);
    return passed;
}

static void
change_indexes(world *self, test_rng *rng)
{
    static const int64_t types[] = {OCT_FIELD_KEYWORD, OCT_FIELD_INTEGER,  OCT_FIELD_FLOAT, OCT_FIELD_GEO,
                                    OCT_FIELD_BOOL,    OCT_FIELD_DATETIME, OCT_FIELD_UUID};
    arena                memory = {0};
    oct_field_index      index;
    oct_write_options    options = {.wait = test_below(rng, 2) == 0};
    oct_error            error = {0};

    oct_field_index_init(&index);
    index.field = random_payload_path(rng, &memory);
    index.type = types[test_below(rng, countof(types))];
    index.has_params = 0;
    if (test_below(rng, 4) == 0)
        must_be_ok(oct_field_index_delete(self->collections[INDEXED], index.field, &options, NULL, &error), &error);
    else
        must_be_ok(oct_field_index_create(self->collections[INDEXED], &index, &options, NULL, &error), &error);
    arena_clear(&memory);
}

static void
compare_histories(uint64_t seed, unsigned depth, uint64_t rounds, const char *path)
{
    test_rng rng = test_rng_seed(seed);
    world    self = {.path = path};
    size_t   asked = 0, passed = 0;

    world_open(&self);
    for (uint64_t i = 0; i < 200; i++)
        write_both(&self, &rng, 120);
    for (uint64_t round = 0; round < rounds && !test_has_failed(); round++) {
        arena memory = {0};

        if (round % 4 == 0 || round < 40)
            change_indexes(&self, &rng);
        for (uint64_t writes = test_below(&rng, 6); writes > 0; writes--)
            write_both(&self, &rng, 120);
        if (round % 100 == 50)
            CHECK_OK(oct_checkpoint(self.database, NULL));
        if (path != NULL && round % 60 == 59) {
            world_close(&self);
            world_open(&self);
        }
        for (size_t i = 0; i < 4; i++) {
            passed += ask_both(&self, random_filter(&rng, depth, &memory), "random", round) > 0;
            asked++;
        }
        arena_clear(&memory);
    }
    CHECK_MSG(passed > asked / 4, "only %zu of %zu filters let a point through", passed, asked);
    world_close(&self);
}

TEST(single_conditions_mean_the_same_with_an_index)
{
    compare_histories(101, 0, test_scaled(600), NULL);
}

TEST(filters_in_filters_mean_the_same_with_an_index)
{
    compare_histories(102, 3, test_scaled(400), NULL);
}

TEST(answers_are_the_same_after_reopening)
{
    compare_histories(103, 2, test_scaled(200), test_folder());
}
