/* A snapshot from anywhere: it is recovered as a collection, or refused by name, and what was there stays. The first byte says
 * what is done to the rest: used as it is, or as the content of an archive whose checksums hold, so that what lies behind
 * them is reached. An entry then is a name, '\n', two bytes with the size of its content, lowest first, and the content. */
#include "collection/collection.h"
#include "collection/snapshot.h"
#include "fuzz/fuzz.h"
#include "storage/archive.h"
#include "support/os_fault.h"

#define DATABASE_PATH "/data/db"
#define ARCHIVE_PATH  "/data/input.snapshot"
#define ENTRIES_MAX   64u

static const char head[] =
    "{\"format\":1,\"kind\":\"collection\",\"created_by\":\"octant 0.1.0\",\"created\":1,\"collection\":\"c\"}\n";

static void
write_raw(os *disk, fuzz_input input)
{
    os_file *file;

    OCT_MUST(os_open(disk, ARCHIVE_PATH, OS_CREATE | OS_TRUNCATE, &file, NULL) == OCT_OK);
    OCT_MUST(os_write(file, 0, input.data, input.size, NULL) == OCT_OK);
    os_close(file);
}

/* The archive's own names may be refused; what it takes has a checksum that holds. */
static void
write_archive(os *disk, fuzz_input input, bool with_head)
{
    archive_writer *to;
    buffer          format = {0};
    uint64_t        size;

    OCT_MUST(archive_create(disk, ARCHIVE_PATH, &to, NULL) == OCT_OK);
    database_write_format(&format);
    if (with_head) {
        OCT_MUST(archive_add(to, SNAPSHOT_HEAD, (oct_slice){head, sizeof head - 1}, NULL) == OCT_OK);
        OCT_MUST(archive_add(to, DATABASE_FORMAT_FILE, (oct_slice){format.data, format.size}, NULL) == OCT_OK);
    }
    buffer_clear(&format);
    for (size_t i = 0; i < ENTRIES_MAX && input.size > 0; i++) {
        size_t       bytes;
        char        *name = fuzz_part(&input, '\n', &bytes);
        const size_t low = fuzz_byte(&input), given = low + 256 * (size_t)fuzz_byte(&input);
        const size_t content = given < input.size ? given : input.size;

        /* A name that cannot be one is refused before anything is written. */
        if (memchr(name, '\0', bytes) == NULL) {
            const oct_status status =
                archive_add(to, name, (oct_slice){content == 0 ? "" : (const char *)input.data, content}, NULL);

            OCT_MUST(status == OCT_OK || status == OCT_INVALID);
        }
        input.data += content;
        input.size -= content;
        oct_free(name);
    }
    OCT_MUST(archive_finish(to, &size, NULL, NULL) == OCT_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const oct_open_options   options = {.path = DATABASE_PATH, .threads = 1};
    const oct_snapshot_place place = {OCT_SNAPSHOT_COLLECTION, slice_of("there"), 0};
    fuzz_input               input = {data, size};
    const uint8_t            way = fuzz_byte(&input);
    os                      *disk = os_fault_new();
    oct_database            *database = NULL;
    oct_error                error = {0};
    oct_collection_config    config;
    oct_collection          *open = NULL;
    oct_file                *file = NULL;
    uint64_t                 count = 9;

    OCT_MUST(os_make_dir(disk, "/data", NULL) == OCT_OK);
    if (way % 3 == 0)
        write_raw(disk, input);
    else
        write_archive(disk, input, way % 3 == 1);
    OCT_MUST(database_open_on(disk, &options, &database, &error) == OCT_OK);
    oct_collection_config_init(&config);
    OCT_MUST(oct_collection_create(database, slice_of("there"), &config, &error) == OCT_OK);
    OCT_MUST(snapshot_file_open(disk, ARCHIVE_PATH, &file, &error) == OCT_OK);
    if (oct_snapshot_recover(database, &place, file, 0, oct_file_size(file), true, &error) != OCT_OK) {
        OCT_MUST(error.text[0] != '\0');
        OCT_MUST(oct_collection_open(database, slice_of("there"), &open, &error) == OCT_OK);
        OCT_MUST(oct_count(open, &count, &error) == OCT_OK && count == 0);
        oct_collection_close(open);
    }
    OCT_MUST(oct_close(database, &error) == OCT_OK);
    os_free(disk);
    return 0;
}
