/* Custom sharding: points of different keys are strangers, whatever their ids.
 * Goal:   what one key's points are, after writes, deletions of keys, checkpoints and reopening, is what a model says.
 * Method: random histories on a disk in memory: three keys, twelve ids, so that ids meet; all reads by key and by none. */
#include "collection/database_test.h"

#define KEYS 3u
#define IDS  12u
#define DIM  4u

static const oct_shard_key keys[KEYS] = {
    {false, 0, {"a", 1}}, {false, 0, {"5", 1}}, {true, 5, {NULL, 0}}};

typedef struct model {
    bool  has_key[KEYS];
    bool  there[KEYS][IDS];
    float first[KEYS][IDS]; /* component of the vector */
} model;

static const oct_slice name = {"c", 1};

static oct_database *
open_on(os *disk)
{
    oct_error     error = {0};
    oct_database *database = world_open(disk, &error);

    CHECK_MSG(database != NULL, "open: %s", error.text);
    OCT_MUST(database != NULL);
    return database;
}

/* Page by page: every point once, though pages go on at an id and ids meet; and no page is empty. */
static void
check_pages(oct_collection *collection, const oct_filter *filter, size_t wanted, size_t limit, const char *when)
{
    bool          seen[KEYS][IDS] = {{false}};
    size_t        count = 0, pages = 0;
    oct_id        from;
    const oct_id *next = NULL;
    oct_error     error = {0};

    do {
        oct_records *records = NULL;

        CHECK_MSG(oct_scroll_where(collection, filter, next, limit, NULL, &records, &error) == OCT_OK, "%s: %s", when, error.text);
        CHECK(records->count > 0 || (wanted == 0 && !records->has_next));
        CHECK(records->count <= size_max(limit, KEYS));
        for (size_t i = 0; i < records->count; i++) {
            size_t k = 0;

            while (k < KEYS && !shard_key_equal(&keys[k], records->items[i].shard_key))
                k++;
            CHECK_MSG(k < KEYS && !seen[k][records->items[i].id.low], "%s: limit %zu, id %llu comes twice", when, limit,
                      (unsigned long long)records->items[i].id.low);
            seen[k % KEYS][records->items[i].id.low] = true;
        }
        count += records->count;
        next = records->has_next ? &from : NULL;
        from = records->next;
        oct_records_free(records);
    } while (next != NULL && ++pages < 2 * KEYS * IDS);
    CHECK_MSG(count == wanted, "%s: limit %zu, pages have %zu points, expected %zu", when, limit, count, wanted);
}

static void
check_key(oct_collection *collection, const model *right, const oct_shard_key *key, size_t count, const char *when)
{
    const oct_condition of[] = {
        {.kind = OCT_CONDITION_SHARD_KEY, .shard_keys = key, .shard_key_count = count}};
    const oct_filter  filter = {.must = of, .must_count = count > 0};
    const oct_select  select = {.with_vector = true};
    const float       query[DIM] = {1, 0, 0, 0};
    oct_search_request search = {.query = query, .dim = DIM, .limit = KEYS * IDS, .filter = &filter};
    oct_records      *records = NULL;
    oct_id            ids[IDS];
    uint64_t          counted = 0;
    size_t            wanted = 0;
    oct_error         error = {0};

    for (size_t k = 0; k < KEYS; k++)
        for (size_t i = 0; i < IDS && (count == 0 || &keys[k] == key); i++)
            wanted += right->there[k][i];
    for (size_t i = 0; i < IDS; i++)
        ids[i] = oct_id_number(i);
    CHECK_MSG(oct_count_where(collection, &filter, &counted, &error) == OCT_OK, "%s: %s", when, error.text);
    CHECK_MSG(counted == wanted, "%s: %zu points, expected %zu", when, (size_t)counted, wanted);
    CHECK_OK(oct_scroll_where(collection, &filter, NULL, KEYS * IDS, &select, &records, &error));
    CHECK_MSG(records->count == wanted, "%s: scroll gives %zu, expected %zu", when, records->count, wanted);
    oct_records_free(records);
    for (size_t limit = 1; limit <= 7; limit += 2)
        check_pages(collection, &filter, wanted, limit, when);
    CHECK_OK(oct_search(collection, &search, &records, &error));
    CHECK_MSG(records->count == wanted, "%s: search gives %zu, expected %zu", when, records->count, wanted);
    oct_records_free(records);
    CHECK_OK(oct_retrieve_of(collection, ids, IDS, key, count, &select, &records, &error));
    CHECK_MSG(records->count == wanted, "%s: retrieve gives %zu, expected %zu", when, records->count, wanted);
    for (size_t i = 0; i < records->count; i++) {
        const oct_record *record = &records->items[i];
        size_t            k = 0;

        CHECK(record->shard_key != NULL && record->id.reserved == 0);
        while (record->shard_key != NULL && k < KEYS && !shard_key_equal(&keys[k], record->shard_key))
            k++;
        CHECK(k < KEYS && right->there[k][record->id.low] && record->vectors[0].values[0] == right->first[k][record->id.low]);
    }
    oct_records_free(records);
}

static void
check_all(oct_database *database, const model *right, const char *when)
{
    oct_collection *collection = NULL;

    CHECK_OK(oct_collection_open(database, name, &collection, NULL));
    check_key(collection, right, NULL, 0, when);
    for (size_t k = 0; k < KEYS; k++)
        if (right->has_key[k])
            check_key(collection, right, &keys[k], 1, when);
    oct_collection_close(collection);
}

static void
step(oct_database *database, oct_collection *collection, model *right, test_rng *rng)
{
    const size_t            k = test_below(rng, KEYS);
    const uint64_t          number = test_below(rng, IDS);
    const float             values[DIM] = {(float)test_below(rng, 1000), 1, 2, 3};
    const oct_vector        vector = {.kind = OCT_DENSE, .values = values, .value_count = DIM};
    const oct_point         point = {.id = oct_id_number(number), .vectors = &vector, .vector_count = 1};
    const oct_write_options options = {.wait = true, .shard_keys = &keys[k], .shard_key_count = 1};
    const oct_id            id = oct_id_number(number);
    const oct_filter        all = {0};
    const oct_targets       everything = {.filter = &all}, one = {.ids = &id, .id_count = 1};
    oct_error               error = {0};
    oct_status              status;

    switch (test_below(rng, 12)) {
    case 0: {
        const oct_shard_key_info info = {.key = keys[k]};

        status = oct_shard_key_create(database, name, &info, &error);
        CHECK_MSG(status == (right->has_key[k] ? OCT_BAD_REQUEST : OCT_OK), "create: %d %s", status, error.text);
        right->has_key[k] = true;
        break;
    }
    case 1:
        status = oct_shard_key_delete(database, name, &keys[k], &error);
        CHECK_MSG(status == (right->has_key[k] ? OCT_OK : OCT_BAD_REQUEST), "delete: %d %s", status, error.text);
        right->has_key[k] = false;
        memset(right->there[k], 0, sizeof right->there[k]);
        break;
    case 2:
        status = oct_delete_where(collection, &everything, &options, NULL, &error);
        CHECK_MSG(status == (right->has_key[k] ? OCT_OK : OCT_INVALID), "empty: %d %s", status, error.text);
        memset(right->there[k], 0, sizeof right->there[k]);
        break;
    case 3:
    case 4:
        status = oct_delete_where(collection, &one, &options, NULL, &error);
        CHECK_MSG(status == (right->has_key[k] ? OCT_OK : OCT_INVALID), "remove: %d %s", status, error.text);
        right->there[k][number] = false;
        break;
    case 5:
        status = oct_upsert(collection, &point, 1, NULL, NULL, &error);
        CHECK(status == OCT_INVALID && strcmp(error.text, "Shard key not specified") == 0);
        break;
    default:
        status = oct_upsert(collection, &point, 1, &options, NULL, &error);
        CHECK_MSG(status == (right->has_key[k] ? OCT_OK : OCT_INVALID), "upsert: %d %s", status, error.text);
        if (right->has_key[k]) {
            right->there[k][number] = true;
            right->first[k][number] = values[0];
        }
        break;
    }
}

TEST(points_of_different_shard_keys_are_strangers)
{
    for (uint64_t seed = 901; seed < 901 + test_scaled(12); seed++) {
        test_rng              rng = test_rng_seed(seed);
        os                   *disk = world_disk();
        oct_vector_config     vector;
        oct_collection_config config;
        oct_database         *database;
        oct_collection       *collection = NULL;
        model                 right = {0};

        test_plain_config(&config, &vector, DIM, OCT_DOT);
        config.sharding_method = 1;
        database = open_on(disk);
        collection = test_create(database, "c", &config);
        for (int i = 0; i < 150; i++) {
            step(database, collection, &right, &rng);
            if (i % 10 == 0)
                check_all(database, &right, "while open");
            if (test_below(&rng, 40) == 0)
                CHECK_OK(oct_checkpoint(database, NULL));
            if (test_below(&rng, 30) == 0) {
                oct_collection_close(collection);
                CHECK_OK(oct_close(database, NULL));
                database = open_on(disk);
                CHECK_OK(oct_collection_open(database, name, &collection, NULL));
                check_all(database, &right, "opened again");
            }
        }
        check_all(database, &right, "at the end");
        oct_collection_close(collection);
        CHECK_OK(oct_close(database, NULL));
        os_free(disk);
    }
}

/* Goal: an unknown key is told, on reads as a bad request; a collection without custom sharding takes none. */
TEST(unknown_shard_keys_are_told)
{
    const oct_shard_key_info info = {.key = keys[0]};
    const oct_condition      of[] = {{.kind = OCT_CONDITION_SHARD_KEY, .shard_keys = keys, .shard_key_count = 1}};
    const oct_filter         filter = {.must = of, .must_count = 1};
    const oct_write_options  options = {.shard_keys = keys, .shard_key_count = 1};
    const oct_point          point = {.id = oct_id_number(1)};
    oct_vector_config        vector;
    oct_collection_config    config;
    oct_database            *database = NULL;
    oct_collection          *collection = NULL;
    oct_error                error = {0};
    uint64_t                 count;

    OCT_MUST(oct_open(NULL, &database, NULL) == OCT_OK);
    oct_vector_config_init(&vector);
    vector.size = DIM;
    vector.distance = OCT_DOT;
    oct_collection_config_init(&config);
    config.vectors = &vector;
    config.vector_count = 1;
    collection = test_create(database, "c", &config);
    CHECK_STATUS(oct_shard_key_create(database, name, &info, &error), OCT_BAD_REQUEST);
    CHECK(strstr(error.text, "Shard Key cannot be created with Auto sharding method") != NULL);
    CHECK_STATUS(oct_count_where(collection, &filter, &count, &error), OCT_BAD_REQUEST);
    CHECK_TEXT(error.text, "Shard key a not found");
    CHECK_STATUS(oct_upsert(collection, &point, 1, &options, NULL, &error), OCT_INVALID);
    CHECK_TEXT(error.text, "Shard key a not found");
    oct_collection_close(collection);
    CHECK_OK(oct_close(database, NULL));
}
