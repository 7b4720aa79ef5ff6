/* A manifest whose checksum holds but whose content is anything: the database opens, or is refused by name. */
#include "collection/collection.h"
#include "fuzz/fuzz.h"
#include "storage/manifest.h"
#include "support/os_fault.h"

#define DATABASE_PATH "/data/db"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const oct_open_options options = {.path = DATABASE_PATH, .threads = 1};
    os                    *disk = os_fault_new();
    oct_database          *database = NULL;
    oct_error              error = {0};
    uint64_t               number = 0;

    OCT_MUST(os_make_dir(disk, DATABASE_PATH, NULL) == OCT_OK);
    OCT_MUST(manifest_write(disk, DATABASE_PATH, &number, (oct_slice){(const char *)data, size}, &error) == OCT_OK);
    if (database_open_on(disk, &options, &database, &error) != OCT_OK) {
        OCT_MUST(error.text[0] != '\0');
    } else {
        oct_names *names = NULL;

        OCT_MUST(oct_collection_list(database, &names, NULL) == OCT_OK);
        oct_names_free(names);
        (void)oct_close(database, NULL);
    }
    os_free(disk);
    return 0;
}
