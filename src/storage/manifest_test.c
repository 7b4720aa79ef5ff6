/* The manifest: read back, replaced at once or not at all, damage named. */
#include "storage/manifest.h"

#include <stdlib.h>

#include "support/os_fault.h"
#include "support/test.h"

#define FOLDER "/data"

static os *
disk_new(void)
{
    os *disk = os_fault_new();

    OCT_MUST(os_make_dir(disk, FOLDER, NULL) == OCT_OK && os_sync_dir(disk, "/", NULL) == OCT_OK);
    return disk;
}

static size_t
files_in(os *system, const char *folder)
{
    char **names;
    size_t count;

    OCT_MUST(os_list(system, folder, &names, &count, NULL) == OCT_OK);
    oct_free(names);
    return count;
}

/* A content that tells its number, of 1 to 3,000 bytes. */
static oct_slice
content_of(uint64_t number, char out[4096])
{
    const int size = snprintf(out, 4096, "{\"number\":%llu,\"fill\":\"%0*d\"}", (unsigned long long)number,
                              (int)(mix64(number) % 3000) + 1, 0);

    return (oct_slice){out, (size_t)size};
}

static void
check_newest(os *system, const char *folder, uint64_t wanted)
{
    char      text[4096];
    uint64_t  number;
    oct_slice content;
    oct_error error = {0};

    CHECK_OK(manifest_read(system, folder, &number, &content, &error));
    CHECK_INT(number, wanted);
    if (wanted == 0)
        CHECK(content.size == 0 && content.data == NULL);
    else
        CHECK_MSG(slice_equal(content, content_of(wanted, text)) && content.data[content.size] == '\0', "%s",
                  error.text);
    oct_free((void *)(uintptr_t)content.data);
}

TEST(newest_manifest_is_read_back)
{
    for (int real = 0; real < 2; real++) {
        os         *system = real == 1 ? os_posix() : disk_new();
        const char *folder = real == 1 ? test_folder() : FOLDER;
        uint64_t    number = 0;
        char        text[4096];

        check_newest(system, folder, 0);
        for (uint64_t i = 1; i <= 20; i++) {
            CHECK_OK(manifest_write(system, folder, &number, content_of(i, text), NULL));
            CHECK_INT(number, i);
            check_newest(system, folder, i);
            CHECK_INT(files_in(system, folder), 1);
        }
        check_newest(system, "/no/such/folder", 0);
        if (real == 0)
            os_free(system);
    }
}

/* Goal:   after a crash there is the old manifest or the new one, whole; the new one if it was acknowledged.
 * Method: 300 lives of writes that die at a random call, crashes after each; seeds 1 to 300. */
TEST(crash_leaves_the_old_or_the_new)
{
    int old = 0, new = 0;

    for (uint64_t seed = 1; seed <= 300 && !test_has_failed(); seed++) {
        test_rng rng = test_rng_seed(seed);
        os      *disk = disk_new(), *after;
        uint64_t number = 0, found;
        char     text[4096];

        for (int step = 0; step < 6; step++) {
            const uint64_t before = number;
            oct_slice      content;
            oct_status     status;

            os_fault_fail_at(disk, test_below(&rng, 12), OCT_IO, true);
            status = manifest_write(disk, FOLDER, &number, content_of(before + 1, text), NULL);
            CHECK_INT(number, status == OCT_OK ? before + 1 : before);
            after = os_fault_crash(disk, &rng);
            os_free(disk);
            disk = after;
            CHECK_OK(manifest_read(disk, FOLDER, &found, &content, NULL));
            CHECK_MSG(found == before + 1 || (found == before && status != OCT_OK),
                      "%llu after %llu, status %d", (unsigned long long)found, (unsigned long long)before,
                      (int)status);
            CHECK_MSG(found == before || status == OCT_OK || status == OCT_STOPPED,
                      "a new manifest after status %d", (int)status);
            if (found > 0)
                CHECK(slice_equal(content, content_of(found, text)));
            oct_free((void *)(uintptr_t)content.data);
            old += found == before;
            new += found != before;
            number = found;
        }
        os_free(disk);
    }
    CHECK_MSG(old > 200 && new > 200, "%d old, %d new", old, new);
}

/* Goal:   a failing call or allocation leaves the old manifest, unless the answer is OCT_STOPPED.
 * Method: each call, then each allocation, fails in turn. */
TEST(every_step_of_a_write_may_fail)
{
    int stopped = 0;

    for (int kind = 0; kind < 3; kind++) {
        bool failed = true;

        for (uint64_t n = 0; failed && !test_has_failed(); n++) {
            os        *disk = disk_new();
            uint64_t   number = 0, found;
            char       text[4096];
            oct_slice  content;
            oct_error  error = {0};
            oct_status status;

            CHECK_OK(manifest_write(disk, FOLDER, &number, content_of(1, text), NULL));
            if (kind == 2)
                oct_alloc_fail_after(n, false);
            else
                os_fault_fail_at(disk, n, kind == 0 ? OCT_IO : OCT_FULL, false);
            status = manifest_write(disk, FOLDER, &number, content_of(2, text), &error);
            failed = os_fault_has_failed(disk) || status != OCT_OK || (kind == 2 && n < 20);
            if (status == OCT_STOPPED) {
                stopped++;
                CHECK_MSG(strstr(error.text, "manifest.0000000002") != NULL, "%s", error.text);
            } else {
                CHECK_INT(number, status == OCT_OK ? 2 : 1);
                oct_alloc_fail_after(UINT64_MAX, false);
                os_fault_fail_at(disk, UINT64_MAX, OCT_OK, false);
                check_newest(disk, FOLDER, number);
                CHECK_OK(manifest_write(disk, FOLDER, &number, content_of(number + 1, text), NULL));
                check_newest(disk, FOLDER, number);
                CHECK_INT(files_in(disk, FOLDER), 1);

                /* And reading: an error and nothing else. */
                if (kind == 2)
                    oct_alloc_fail_after(n, false);
                else
                    os_fault_fail_at(disk, n, OCT_IO, false);
                if (manifest_read(disk, FOLDER, &found, &content, NULL) != OCT_OK)
                    CHECK(found == 0 && content.data == NULL);
                oct_free((void *)(uintptr_t)content.data);
            }
            oct_alloc_fail_after(UINT64_MAX, false);
            os_free(disk);
        }
    }
    CHECK_INT(stopped, 2); /* the folder's sync, once for each kind of failing call */
}

TEST(damaged_manifest_is_named)
{
    os       *disk = disk_new();
    uint64_t  number = 41;
    char      text[4096], *saved;
    os_file  *file;
    uint64_t  size;
    oct_slice content;
    oct_error error = {0};

    CHECK_OK(manifest_write(disk, FOLDER, &number, content_of(42, text), NULL));
    OCT_MUST(os_open(disk, FOLDER "/manifest.0000000042", OS_WRITE, &file, NULL) == OCT_OK);
    OCT_MUST(os_size(file, &size, NULL) == OCT_OK);
    saved = malloc((size_t)size);
    OCT_MUST(os_read_all(file, 0, saved, (size_t)size, NULL) == OCT_OK);
    for (uint64_t at = 0; at < size; at++) {
        const char flipped = (char)(saved[at] ^ (1 << at % 8));
        oct_status status;

        OCT_MUST(os_write(file, at, &flipped, 1, NULL) == OCT_OK);
        status = manifest_read(disk, FOLDER, &number, &content, &error);
        CHECK_STATUS(status, OCT_CORRUPT);
        CHECK(number == 0 && content.data == NULL);
        CHECK_MSG(strstr(error.text, "manifest.0000000042") != NULL, "%s", error.text);
        OCT_MUST(os_write(file, at, saved + at, 1, NULL) == OCT_OK);
    }
    for (uint64_t cut = 0; cut < size; cut += 7) {
        OCT_MUST(os_truncate(file, cut, NULL) == OCT_OK);
        CHECK_STATUS(manifest_read(disk, FOLDER, &number, &content, NULL), OCT_CORRUPT);
        OCT_MUST(os_write(file, 0, saved, (size_t)size, NULL) == OCT_OK);
    }
    OCT_MUST(os_write(file, size, "x", 1, NULL) == OCT_OK);
    CHECK_STATUS(manifest_read(disk, FOLDER, &number, &content, NULL), OCT_CORRUPT);
    OCT_MUST(os_truncate(file, size, NULL) == OCT_OK);
    os_close(file);
    check_newest(disk, FOLDER, 42);
    free(saved);
    os_free(disk);
}

/* Left-overs and strangers in the folder are passed over. */
TEST(only_manifests_count)
{
    static const char *const others[] = {
        "manifest.tmp", "manifest.", "manifest.12", "manifest.00000000010x", "manifest.00000000000000000099",
        "octant.json",  "lock"};
    os      *disk = disk_new();
    uint64_t number = 0;
    char     text[4096];

    for (size_t i = 0; i < countof(others); i++) {
        char     path[OS_PATH_MAX];
        os_file *file;

        OCT_MUST(os_path_join(path, FOLDER, others[i], NULL) == OCT_OK);
        OCT_MUST(os_open(disk, path, OS_CREATE, &file, NULL) == OCT_OK);
        os_close(file);
    }
    check_newest(disk, FOLDER, 0);
    CHECK_OK(manifest_write(disk, FOLDER, &number, content_of(1, text), NULL));
    check_newest(disk, FOLDER, 1);
    CHECK_INT(files_in(disk, FOLDER), countof(others)); /* the temporary one became the manifest */
    os_free(disk);
}
