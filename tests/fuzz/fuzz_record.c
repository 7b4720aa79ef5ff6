/* Records whose checksums hold but whose content is anything: what a version to come, or a bug, may have written.
 * First byte: for which shard (0: the catalogue). The database opens and is sound, or is refused by name. */
#include "collection/collection.h"
#include "fuzz/fuzz.h"
#include "support/os_fault.h"

#define DATABASE_PATH "/data/db"

static os *
prepared_disk(void)
{
    os                    *disk = os_fault_new();
    const oct_open_options options = {.path = DATABASE_PATH, .threads = 1};
    oct_collection_config  config;
    oct_vector_config      vector;
    oct_database          *database = NULL;
    oct_collection        *collection = NULL;
    const uint64_t         ids[2] = {1, 2};
    const float            values[8] = {1, 2, 3, 4, 4, 3, 2, 1};

    OCT_MUST(os_make_dir(disk, "/data", NULL) == OCT_OK && os_sync_dir(disk, "/", NULL) == OCT_OK);
    OCT_MUST(database_open_on(disk, &options, &database, NULL) == OCT_OK);
    oct_collection_config_init(&config);
    oct_vector_config_init(&vector);
    vector.size = 4;
    vector.distance = OCT_EUCLID;
    config.vectors = &vector;
    config.vector_count = config.single_vector = 1;
    OCT_MUST(oct_collection_create(database, slice_of("c"), &config, NULL) == OCT_OK);
    OCT_MUST(oct_collection_open(database, slice_of("c"), &collection, NULL) == OCT_OK);
    OCT_MUST(oct_upsert_rows(collection, ids, values, 2, 4, 4, NULL, NULL, NULL) == OCT_OK);
    oct_collection_close(collection);
    OCT_MUST(oct_close(database, NULL) == OCT_OK);
    return disk;
}

static oct_status
pass_over(void *context, const log_record *record, oct_error *error)
{
    (void)context;
    (void)record;
    (void)error;
    return OCT_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input             input = {data, size};
    const uint64_t         shard = fuzz_byte(&input) % 3u;
    os                    *disk = prepared_disk();
    const log_options      options = {.system = disk, .path = DATABASE_PATH "/log"};
    const oct_open_options open_options = {.path = DATABASE_PATH, .threads = 1};
    write_log             *log = NULL;
    oct_database          *database = NULL;
    oct_collection        *collection = NULL;
    oct_error              error = {0};
    uint64_t               sequence = 0;
    const oct_slice        part = {(const char *)input.data, input.size};

    OCT_MUST(log_open(&options, 0, pass_over, NULL, &log, &error) == OCT_OK);
    OCT_MUST(log_append(log, shard, &part, 1, &sequence, NULL) == OCT_OK && log_close(log, NULL) == OCT_OK);
    if (database_open_on(disk, &open_options, &database, &error) != OCT_OK) {
        OCT_MUST(error.text[0] != '\0');
    } else {
        oct_records *page = NULL;

        if (oct_collection_open(database, slice_of("c"), &collection, NULL) == OCT_OK) {
            const oct_select select = {.with_payload = true, .with_vector = true};

            (void)oct_scroll(collection, NULL, 100, &select, &page, NULL);
            (void)oct_collection_check(collection, NULL);
            oct_records_free(page);
            oct_collection_close(collection);
        }
        (void)oct_close(database, NULL);
    }
    os_free(disk);
    return 0;
}
