/* Goal:   an index changes no answer: not while it is built, not while points come and go, not after reopening.
 * Method: two collections get the same random history, one of them with indexes of random types on random paths that are
 *         made and dropped on the way; random filters of every kind (payload/filter_random_test.h) are asked of both,
 *         seeds 101 to 103. The generator has few keys, so that paths meet, and values of every type under every key, so that
 *         points are odd. Each type on clean data with known answers. Each allocation failing in turn. Threads. */
#include "octant.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
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

/* --- many points ------------------------------------------------------------------------------------------ */

#define MANY 20000u

static oct_collection *
open_numbers(oct_database **database, uint64_t count)
{
    oct_open_options      options = {.threads = 2};
    oct_vector_config     vector;
    oct_collection_config config;
    oct_collection       *collection = NULL;
    oct_error             error = {0};

    must_be_ok(oct_open(&options, database, &error), &error);
    oct_vector_config_init(&vector);
    vector.size = 1;
    vector.distance = OCT_DOT;
    oct_collection_config_init(&config);
    config.vectors = &vector;
    config.vector_count = 1;
    must_be_ok(oct_collection_create(*database, S("c"), &config, &error), &error);
    must_be_ok(oct_collection_open(*database, S("c"), &collection, &error), &error);
    for (uint64_t first = 0; first < count; first += 1000) {
        static char      texts[1000][80];
        static oct_slice payloads[1000];
        static uint64_t  ids[1000];
        static float     values[1000];

        for (uint64_t i = 0; i < 1000; i++) {
            ids[i] = first + i;
            payloads[i] = (oct_slice){texts[i], (size_t)snprintf(texts[i], sizeof texts[i],
                                                                 "{\"n\":%" PRIu64 ",\"k\":\"k%" PRIu64 "\"}",
                                                                 (first + i) * 7919 % 1000, (first + i) % 10)};
        }
        must_be_ok(oct_upsert_rows(collection, ids, values, 1000, 1, 0, payloads, NULL, &error), &error);
    }
    return collection;
}

static void
index_field(oct_collection *collection, oct_slice field, int64_t type, bool wait)
{
    const oct_write_options options = {.wait = wait};
    oct_field_index         index;
    oct_error               error = {0};

    oct_field_index_init(&index);
    index.field = field;
    index.type = type;
    must_be_ok(oct_field_index_create(collection, &index, &options, NULL, &error), &error);
}

static uint64_t
count_numbers(oct_collection *collection, double low, double high)
{
    const oct_range           range = {.bounds = OCT_GTE | OCT_LT, .gte = low, .lt = high};
    const oct_field_condition field = {.range = &range};
    const oct_condition       condition = {.key = S("n"), .field = &field};
    const oct_filter          filter = {.must = &condition, .must_count = 1};
    uint64_t                  count = 0;
    oct_error                 error = {0};

    must_be_ok(oct_count_where(collection, &filter, &count, &error), &error);
    return count;
}

/* Goal: what is known of many points at once - sets kept as bits, runs merged, pieces of a build - is right too. */
TEST(many_points_are_counted_ordered_and_brought_up_to_date)
{
    oct_database   *database;
    oct_collection *collection = open_numbers(&database, MANY);
    oct_error       error = {0};

    index_field(collection, S("n"), OCT_FIELD_INTEGER, true);
    index_field(collection, S("k"), OCT_FIELD_KEYWORD, false);
    CHECK_INT(count_numbers(collection, 0, 1000), MANY);
    CHECK_INT(count_numbers(collection, 100, 110), MANY / 100);
    for (uint64_t round = 0; round < 40 && !test_has_failed(); round++) {
        /* Points of one number in each round get another, a thousand times that of the round. */
        char                      text[64];
        const oct_range           range = {.bounds = OCT_GTE | OCT_LTE, .gte = (double)round, .lte = (double)round};
        const oct_field_condition field = {.range = &range};
        const oct_condition       condition = {.key = S("n"), .field = &field};
        const oct_filter          filter = {.must = &condition, .must_count = 1};
        const oct_targets         targets = {.filter = &filter};
        oct_payload_change        change = {.action = OCT_PAYLOAD_SET};
        const oct_order_by        order = {.key = S("n"), .descending = true};
        const oct_facet_request   request = {.key = S("k"), .limit = 3};
        oct_records              *found = NULL;
        oct_facets               *facets = NULL;

        change.payload =
            (oct_slice){text, (size_t)snprintf(text, sizeof text, "{\"n\":%" PRIu64 "}", 1000 * (round + 1))};
        must_be_ok(oct_change_payload_where(collection, &targets, &change, NULL, NULL, &error), &error);
        CHECK_INT(count_numbers(collection, 0, 1000), MANY - (round + 1) * (MANY / 1000));
        CHECK_INT(count_numbers(collection, 1000, 1e9), (round + 1) * (MANY / 1000));
        must_be_ok(oct_scroll_ordered(collection, NULL, &order, 25, NULL, &found, &error), &error);
        CHECK_INT(found->count, 25);
        for (size_t i = 0; i < found->count; i++) {
            const int64_t wanted = (int64_t)(1000 * (round + 1 - (i >= 20)));

            CHECK_INT(found->items[i].order.kind, OCT_ORDER_INTEGER);
            CHECK_INT(found->items[i].order.integer, round == 0 && i >= 20 ? 999 : wanted);
            if (i % 20 > 0)
                CHECK(found->items[i - 1].id.low < found->items[i].id.low);
        }
        must_be_ok(oct_facet(collection, &request, &facets, &error), &error);
        CHECK_INT(facets->count, 3);
        for (size_t i = 0; i < facets->count; i++) {
            CHECK_INT(facets->items[i].count, MANY / 10);
            CHECK(facets->items[i].value.text.size == 2 && facets->items[i].value.text.data[1] == (char)('0' + i));
        }
        oct_records_free(found);
        oct_facets_free(facets);
    }
    oct_collection_close(collection);
    CHECK_OK(oct_close(database, NULL));
}

/* Goal: places are found where geometry finds them: at the poles, over the 180th meridian, near and far. */
TEST(places_are_found_wherever_they_are)
{
    test_rng        rng = test_rng_seed(104);
    world           self = {0};
    oct_field_index index;
    oct_error       error = {0};

    world_open(&self);
    for (uint64_t i = 0; i < 3000; i++) {
        char      text[96];
        oct_point point = {.id = oct_id_number(i)};
        double    lon = 180 * (double)test_float(&rng), lat = 90 * (double)test_float(&rng);

        if (i % 3 == 0)
            lon = (i % 2 == 0 ? 1 : -1) * (180 - fabs(lon) / 100);
        if (i % 5 == 0)
            lat = (i % 2 == 0 ? 1 : -1) * (90 - fabs(lat) / 100);
        if (i % 7 == 0)
            lon = lat = (double)(i % 4);
        point.payload = (oct_slice){text, (size_t)snprintf(text, sizeof text, "{\"a\":{\"lon\":%.9g,\"lat\":%.9g}}", lon, lat)};
        for (size_t c = 0; c < COLLECTIONS; c++)
            must_be_ok(oct_upsert(self.collections[c], &point, 1, NULL, NULL, &error), &error);
    }
    oct_field_index_init(&index);
    index.field = S("a");
    index.type = OCT_FIELD_GEO;
    must_be_ok(oct_field_index_create(self.collections[INDEXED], &index, NULL, NULL, &error), &error);
    for (uint64_t round = 0; round < test_scaled(300) && !test_has_failed(); round++) {
        const oct_geo_point  center = {round % 3 == 0 ? 179.9 : 180 * (double)test_float(&rng),
                                       round % 4 == 0 ? 89.5 : 90 * (double)test_float(&rng)};
        const oct_geo_radius radius = {center, pow(10, 3 + 4.5 * fabs((double)test_float(&rng)))};
        const oct_geo_point  far = {180 * (double)test_float(&rng), 90 * (double)test_float(&rng)};
        const oct_geo_bounding_box box = {{center.lon, fmax(center.lat, far.lat)}, {far.lon, fmin(center.lat, far.lat)}};
        const oct_geo_point        corners[] = {center, far, {far.lon / 2, center.lat}, center};
        const oct_geo_polygon      polygon = {.exterior = {corners, 4}};
        const oct_field_condition  fields[] = {{.geo_radius = &radius}, {.geo_bounding_box = &box}, {.geo_polygon = &polygon}};

        for (size_t i = 0; i < countof(fields); i++) {
            const oct_condition condition = {.key = S("a"), .field = &fields[i]};
            const oct_filter    filter = {.must = &condition, .must_count = 1};

            (void)ask_both(&self, &filter, i == 0 ? "radius" : i == 1 ? "box" : "polygon", round);
        }
    }
    world_close(&self);
}

/* --- failures and threads ------------------------------------------------------------------------------------- */

/* Goal: without memory a call fails, or does without; nothing is left behind, and what is asked next is right. */
TEST(an_index_without_memory_changes_nothing)
{
    oct_database   *database;
    oct_collection *collection = open_numbers(&database, 1000);
    uint64_t        made = 0, ordered = 0, counted = 0;

    for (uint64_t after = 0; after < 3000 && !test_has_failed(); after += 1 + after / 20) {
        const oct_order_by      order = {.key = S("n")};
        const oct_facet_request request = {.key = S("k"), .limit = 100};
        const oct_id            one = oct_id_number(after % 1000);
        oct_payload_change      change = {.action = OCT_PAYLOAD_SET, .payload = S("{\"n\":5}")};
        oct_field_index         index;
        oct_records            *found = NULL;
        oct_facets             *facets = NULL;
        oct_error               error = {0};
        oct_status              status;

        oct_field_index_init(&index);
        index.field = S("n");
        index.type = OCT_FIELD_INTEGER;
        oct_alloc_fail_after(after, true);
        status = oct_field_index_create(collection, &index, NULL, NULL, &error);
        oct_alloc_fail_after(UINT64_MAX, false);
        CHECK(status == OCT_OK || status == OCT_NOMEM);
        made += status == OCT_OK;
        index_field(collection, S("n"), OCT_FIELD_INTEGER, true);
        index_field(collection, S("k"), OCT_FIELD_KEYWORD, true);
        must_be_ok(oct_change_payload(collection, &one, 1, &change, NULL, NULL, &error), &error);
        oct_alloc_fail_after(after, true);
        status = oct_scroll_ordered(collection, NULL, &order, 10, NULL, &found, &error);
        oct_alloc_fail_after(UINT64_MAX, false);
        CHECK(status == OCT_OK ? found != NULL && found->count == 10 : status == OCT_NOMEM && found == NULL);
        ordered += status == OCT_OK;
        must_be_ok(oct_change_payload(collection, &one, 1, &change, NULL, NULL, &error), &error);
        oct_alloc_fail_after(after, true);
        status = oct_facet(collection, &request, &facets, &error);
        oct_alloc_fail_after(UINT64_MAX, false);
        CHECK(status == OCT_OK ? facets != NULL && facets->count == 10 : status == OCT_NOMEM && facets == NULL);
        counted += status == OCT_OK;
        oct_records_free(found);
        oct_facets_free(facets);
        must_be_ok(oct_field_index_delete(collection, S("n"), NULL, NULL, &error), &error);
        CHECK_INT(count_numbers(collection, 0, 1000), 1000);
    }
    CHECK_MSG(made > 0 && ordered > 0 && counted > 0, "%d %d %d", (int)made, (int)ordered, (int)counted);
    oct_collection_close(collection);
    CHECK_OK(oct_close(database, NULL));
}

typedef struct busy {
    oct_collection  *collection;
    atomic_bool      stop;
    _Atomic uint64_t reads;
} busy;

static void *
read_on(void *context)
{
    busy              *self = context;
    const oct_order_by order = {.key = S("n")};

    while (!atomic_load(&self->stop)) {
        oct_records *found = NULL;
        oct_error    error = {0};
        oct_status   status;

        /* Numbers move within [0, 2000), and never leave it. */
        CHECK_INT(count_numbers(self->collection, 0, 2000), 3000);
        status = oct_scroll_ordered(self->collection, NULL, &order, 100, NULL, &found, &error);
        CHECK_MSG(status == OCT_OK || status == OCT_INVALID, "%s", error.text);
        for (size_t i = 1; found != NULL && i < found->count; i++)
            CHECK(found->items[i - 1].order.integer <= found->items[i].order.integer);
        oct_records_free(found);
        atomic_fetch_add(&self->reads, 1);
    }
    return NULL;
}

/* Goal: readers, a writer and one who makes and drops indexes do not get in each other's way. */
TEST(indexes_come_and_go_while_others_read_and_write)
{
    test_rng      rng = test_rng_seed(105);
    oct_database *database;
    busy          self = {.collection = open_numbers(&database, 3000)};
    pthread_t     threads[2];
    oct_error     error = {0};

    for (size_t i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, read_on, &self), 0);
    for (uint64_t round = 0; round < test_scaled(60); round++) {
        index_field(self.collection, S("n"), OCT_FIELD_INTEGER, round % 2 == 0);
        for (uint64_t i = 0; i < 30; i++) {
            char               text[64];
            oct_id             ids[40];
            oct_payload_change change = {.action = OCT_PAYLOAD_SET};

            for (size_t j = 0; j < countof(ids); j++)
                ids[j] = oct_id_number(test_below(&rng, 3000));
            change.payload =
                (oct_slice){text, (size_t)snprintf(text, sizeof text, "{\"n\":%d}", (int)test_below(&rng, 2000))};
            must_be_ok(oct_change_payload(self.collection, ids, countof(ids), &change, NULL, NULL, &error), &error);
        }
        if (round % 3 == 2)
            must_be_ok(oct_field_index_delete(self.collection, S("n"), NULL, NULL, &error), &error);
    }
    while (atomic_load(&self.reads) == 0)
        (void)sched_yield();
    atomic_store(&self.stop, true);
    for (size_t i = 0; i < 2; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    oct_collection_close(self.collection);
    CHECK_OK(oct_close(database, NULL));
}
