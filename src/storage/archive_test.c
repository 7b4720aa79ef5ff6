/* Archives: does what was written come back, and is what was changed refused? */
#include "storage/archive.h"

#include <stdlib.h>

#include "support/os_fault.h"
#include "support/test.h"

#define PATH     "/disk/a.tar"
#define ENTRIES  5u
#define BYTES    1700u

static const uint64_t sizes[ENTRIES] = {0, 1, 511, 512, BYTES};

static os *
make_disk(void)
{
    os *disk = os_fault_new();

    OCT_MUST(os_make_dir(disk, "/disk", NULL) == OCT_OK);
    return disk;
}

static void
entry_name(char name[32], size_t i)
{
    (void)snprintf(name, 32, "folder/entry-%zu.bin", i);
}

static oct_status
write_archive(os *disk, const char *content, uint64_t *size, char sum[SHA256_TEXT_BYTES], oct_error *error)
{
    archive_writer *writer;
    oct_status      status = archive_create(disk, PATH, &writer, error);

    for (size_t i = 0; i < ENTRIES && status == OCT_OK; i++) {
        char name[32];

        entry_name(name, i);
        status = archive_begin(writer, name, sizes[i], error);
        for (uint64_t at = 0; at < sizes[i] && status == OCT_OK; at += 100)
            status = archive_write(writer, content + at, (size_t)(sizes[i] - at < 100 ? sizes[i] - at : 100), error);
    }
    if (writer == NULL)
        return status;
    if (status == OCT_OK)
        return archive_finish(writer, size, sum, error);
    archive_abandon(writer);
    return status;
}

typedef struct look {
    const char *content;
    size_t      count;
    bool        differs;
} look;

static oct_status
compare(void *context, archive_reader *from, const char *name, uint64_t size, oct_error *error)
{
    look      *self = context;
    char       expected[32], found[BYTES];
    size_t     got;
    oct_status status;

    entry_name(expected, self->count);
    if (self->count >= ENTRIES || strcmp(name, expected) != 0 || size != sizes[self->count]) {
        self->differs = true;
        return OCT_OK;
    }
    if (self->count++ == 3) /* one is not read */
        return OCT_OK;
    status = archive_next(from, found, sizeof found, &got, error);
    if (status == OCT_OK && (got != size || memcmp(found, self->content, got) != 0))
        self->differs = true;
    return status;
}

static oct_status
read_archive(os *disk, uint64_t offset, uint64_t size, look *at, char sum[SHA256_TEXT_BYTES], oct_error *error)
{
    os_file   *file;
    oct_status status = os_open(disk, PATH, 0, &file, error);

    if (status == OCT_OK)
        status = archive_read(file, offset, size, compare, at, sum, error);
    os_close(file);
    return status;
}

/* Goal:   what was written comes back, with the same SHA-256, also from the middle of a file.
 * Method: entries of sizes around a block, written in pieces. Seed 5. */
TEST(archive_gives_back_what_was_written)
{
    test_rng  rng = test_rng_seed(5);
    os       *disk = make_disk();
    char      content[BYTES], written[SHA256_TEXT_BYTES], found[SHA256_TEXT_BYTES], *bytes;
    uint64_t  size = 0;
    oct_error error = {0};
    look      at = {.content = content};
    os_file  *file;

    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (char)test_u64(&rng);
    CHECK_OK(write_archive(disk, content, &size, written, &error));
    CHECK_INT(size, (5 * 512) + 0 + 512 + 512 + 512 + 2048 + (512 + 512 + 1024));
    CHECK_OK(read_archive(disk, 0, size, &at, found, &error));
    CHECK(at.count == ENTRIES && !at.differs);
    CHECK_TEXT(found, written);

    bytes = malloc(size);
    CHECK_OK(os_open(disk, PATH, OS_WRITE, &file, &error));
    CHECK_OK(os_read_all(file, 0, bytes, size, &error));
    CHECK_OK(os_write(file, 77, bytes, size, &error));
    os_close(file);
    free(bytes);
    at = (look){.content = content};
    CHECK_OK(read_archive(disk, 77, size, &at, found, &error));
    CHECK(at.count == ENTRIES && !at.differs);
    CHECK_TEXT(found, written);
    os_free(disk);
}

/* Goal:   no changed byte and no cut goes unnoticed, and none crashes.
 * Method: every byte flipped by one random bit, every shorter length, one byte more. Seed 6. */
TEST(archive_that_was_changed_is_refused)
{
    test_rng  rng = test_rng_seed(6);
    os       *disk = make_disk();
    char      content[BYTES] = {1};
    uint64_t  size = 0, refused = 0;
    oct_error error = {0};
    os_file  *file;

    CHECK_OK(write_archive(disk, content, &size, NULL, &error));
    CHECK_OK(os_open(disk, PATH, OS_WRITE, &file, &error));
    for (uint64_t at = 0; at < size; at++) {
        look       seen = {.content = content};
        char       byte, changed;
        oct_status status;

        CHECK_OK(os_read_all(file, at, &byte, 1, &error));
        changed = (char)(byte ^ 1 << test_below(&rng, 8));
        CHECK_OK(os_write(file, at, &changed, 1, &error));
        status = read_archive(disk, 0, size, &seen, NULL, &error);
        CHECK_MSG(status == OCT_CORRUPT || (status == OCT_INVALID && at < 512), "byte %llu: %d", (unsigned long long)at,
                  (int)status);
        refused += status != OCT_OK;
        CHECK_OK(os_write(file, at, &byte, 1, &error));
    }
    for (uint64_t cut = 0; cut < size; cut++) {
        look seen = {.content = content};

        refused += read_archive(disk, 0, cut, &seen, NULL, &error) != OCT_OK;
    }
    CHECK_INT(refused, 2 * size);
    CHECK_OK(os_write(file, size, "", 1, &error));
    {
        look seen = {.content = content};

        CHECK_STATUS(read_archive(disk, 0, size + 1, &seen, NULL, &error), OCT_CORRUPT);
    }
    os_close(file);
    os_free(disk);
}

/* Goal:   an archive that could not be written leaves no file, and says why.
 * Method: each call fails in turn; then each allocation. */
TEST(archive_that_fails_leaves_no_file)
{
    char      content[BYTES] = {2};
    uint64_t  size = 0;
    oct_error error = {0};

    for (uint64_t n = 0;; n++) {
        os        *disk = make_disk();
        os_file   *file;
        oct_status status;
        bool       has_failed;

        os_fault_fail_at(disk, n, OCT_FULL, false);
        status = write_archive(disk, content, &size, NULL, &error);
        has_failed = os_fault_has_failed(disk);
        os_fault_fail_at(disk, UINT64_MAX, OCT_OK, false);
        if (has_failed) {
            CHECK_STATUS(status, OCT_FULL);
            CHECK_STATUS(os_open(disk, PATH, 0, &file, NULL), OCT_NOT_FOUND);
        }
        os_free(disk);
        if (!has_failed) {
            CHECK(n >= 3);
            CHECK_OK(status);
            break;
        }
    }
    for (uint64_t n = 0;; n++) {
        os        *disk = make_disk();
        oct_status status;

        oct_alloc_fail_after(n, true);
        status = write_archive(disk, content, &size, NULL, &error);
        oct_alloc_fail_after(UINT64_MAX, false);
        os_free(disk);
        if (status == OCT_OK)
            break;
        CHECK_STATUS(status, OCT_NOMEM);
    }
}
