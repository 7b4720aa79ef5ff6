/* Goal:   the three implementations of os.h mean the same: real files, memory, the tests' faulty disk.
 * Method: one body for each promise of os.h, run over all three; seed 11. What only one has, at the end. */
#include "os/os.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pages.h"
#include "support/os_fault.h"
#include "support/test.h"

typedef struct place {
    const char *name;
    os         *system;
    char        folder[256];
} place;

static place
place_at(size_t index)
{
    place here = {0};

    if (index == 0) {
        here.name = "posix";
        here.system = os_posix();
        (void)snprintf(here.folder, sizeof here.folder, "%s", test_folder());
    } else {
        here.name = index == 1 ? "memory" : "fault";
        if (index == 1)
            OCT_MUST(os_memory_new(&here.system, NULL) == OCT_OK);
        else
            here.system = os_fault_new();
        (void)snprintf(here.folder, sizeof here.folder, "/data");
        OCT_MUST(os_make_dir(here.system, here.folder, NULL) == OCT_OK);
    }
    return here;
}

#define FOR_EACH_PLACE(here)                                                                                 \
    for (size_t index_ = 0; index_ < 3; index_++)                                                            \
        for (place here = place_at(index_); here.system != NULL; os_free(here.system), here.system = NULL)

/* A path inside the place; a few may be in use at a time. */
static const char *
in(const place *here, const char *name)
{
    static char   texts[8][OS_PATH_MAX];
    static size_t next;
    char         *text = texts[next++ % countof(texts)];

    OCT_MUST(os_path_join(text, here->folder, name, NULL) == OCT_OK);
    return text;
}

static os_file *
open_new(const place *here, const char *name)
{
    os_file *file;

    CHECK_OK(os_open(here->system, in(here, name), OS_CREATE | OS_TRUNCATE, &file, NULL));
    return file;
}

/* Random writes, truncations and reservations of one file against an array. */
TEST(file_holds_what_was_written)
{
    enum { ROOM = 200000 };
    FOR_EACH_PLACE(here)
    {
        test_rng rng = test_rng_seed(11);
        char    *model = calloc(1, ROOM), *got = malloc(ROOM), *data = malloc(ROOM);
        uint64_t size = 0, seen;
        os_file *file = open_new(&here, "a");

        for (int step = 0; step < 400; step++) {
            const uint64_t at = test_below(&rng, ROOM / 2),
                           count = test_below(&rng, 1u << test_below(&rng, 16));
            const uint64_t what = test_below(&rng, 10);
            size_t         read;

            if (what < 6) {
                for (uint64_t i = 0; i < count; i++)
                    data[i] = (char)test_u64(&rng);
                CHECK_OK(os_write(file, at, data, count, NULL));
                memcpy(model + at, data, count);
                size = count > 0 && at + count > size ? at + count : size;
            } else if (what < 7) {
                CHECK_OK(os_truncate(file, at, NULL));
                if (at < size)
                    memset(model + at, 0, size - at);
                size = at;
            } else if (what < 8 && count > 0) {
                CHECK_OK(os_reserve(file, at, count, NULL));
                size = at + count > size ? at + count : size;
            } else if (what < 9) {
                CHECK_OK(os_sync(file, NULL));
            } else {
                os_close(file);
                CHECK_OK(os_open(here.system, in(&here, "a"), OS_WRITE, &file, NULL));
            }
            CHECK_OK(os_size(file, &seen, NULL));
            CHECK_INT(seen, size);
            CHECK_OK(os_read(file, at, got, ROOM / 2, &read, NULL));
            CHECK_INT(read, at >= size ? 0 : size - at < ROOM / 2 ? size - at : ROOM / 2);
            CHECK_MSG(memcmp(got, model + at, read) == 0, "%s, step %d", here.name, step);
        }
        os_close(file);
        free(model);
        free(got);
        free(data);
    }
}

TEST(reading_past_the_end_is_named)
{
    FOR_EACH_PLACE(here)
    {
        os_file  *file = open_new(&here, "short");
        char      got[8] = "1234567";
        size_t    read;
        oct_error error = {0};

        CHECK_OK(os_write(file, 0, "abc", 3, NULL));
        CHECK_OK(os_read(file, 1, got, 8, &read, NULL));
        CHECK_INT(read, 2);
        CHECK_OK(os_read(file, 99, got, 8, &read, NULL));
        CHECK_INT(read, 0);
        CHECK_OK(os_read_all(file, 0, got, 3, NULL));
        CHECK_STATUS(os_read_all(file, 0, got, 4, &error), OCT_CORRUPT);
        CHECK_MSG(strstr(error.text, "short") != NULL && strstr(error.text, "offset 3") != NULL, "%s: %s",
                  here.name, error.text);
        os_close(file);
    }
}

TEST(flags_of_open_mean_what_they_say)
{
    FOR_EACH_PLACE(here)
    {
        os_file *file;
        uint64_t size;

        CHECK_STATUS(os_open(here.system, in(&here, "x"), OS_WRITE, &file, NULL), OCT_NOT_FOUND);
        CHECK(file == NULL);
        CHECK_STATUS(os_open(here.system, in(&here, "none/x"), OS_CREATE, &file, NULL), OCT_NOT_FOUND);
        CHECK_OK(os_open(here.system, in(&here, "x"), OS_CREATE | OS_EXCLUSIVE, &file, NULL));
        CHECK_OK(os_write(file, 0, "hello", 5, NULL));
        os_close(file);
        CHECK_STATUS(os_open(here.system, in(&here, "x"), OS_CREATE | OS_EXCLUSIVE, &file, NULL), OCT_EXISTS);
        CHECK_OK(os_open(here.system, in(&here, "x"), OS_CREATE, &file, NULL));
        CHECK_OK(os_size(file, &size, NULL));
        CHECK_INT(size, 5);
        os_close(file);
        CHECK_OK(os_open(here.system, in(&here, "x"), 0, &file, NULL));
        CHECK_STATUS(os_write(file, 0, "x", 1, NULL), OCT_IO);
        os_close(file);
        CHECK_OK(os_open(here.system, in(&here, "x"), OS_WRITE | OS_TRUNCATE, &file, NULL));
        CHECK_OK(os_size(file, &size, NULL));
        CHECK_INT(size, 0);
        os_close(file);
        os_close(NULL);
    }
}

TEST(names_are_listed_renamed_removed)
{
    FOR_EACH_PLACE(here)
    {
        char   **names;
        size_t   count;
        os_file *file, *held;
        char     got[3];

        CHECK_OK(os_make_dir(here.system, in(&here, "p/q/r"), NULL));
        CHECK_OK(os_make_dir(here.system, in(&here, "p/q/r"), NULL));
        CHECK_OK(os_list(here.system, in(&here, "p/q/r"), &names, &count, NULL));
        CHECK_INT(count, 0);
        oct_free(names);
        CHECK_STATUS(os_list(here.system, in(&here, "absent"), &names, &count, NULL), OCT_NOT_FOUND);
        CHECK(names == NULL);

        os_close(open_new(&here, "p/b"));
        os_close(open_new(&here, "p/a"));
        file = open_new(&here, "p/c");
        CHECK_OK(os_write(file, 0, "new", 3, NULL));
        os_close(file);
        CHECK_OK(os_list(here.system, in(&here, "p"), &names, &count, NULL));
        CHECK_INT(count, 4);
        for (size_t i = 0; i < 4 && count == 4; i++)
            CHECK_TEXT(names[i], ((const char *[]){"a", "b", "c", "q"})[i]);
        oct_free(names);
        CHECK_STATUS(os_make_dir(here.system, in(&here, "p/a"), NULL), OCT_EXISTS);

        /* Over an existing file, which a handle still holds. */
        CHECK_OK(os_open(here.system, in(&here, "p/a"), OS_WRITE, &held, NULL));
        CHECK_OK(os_write(held, 0, "old", 3, NULL));
        CHECK_OK(os_rename(here.system, in(&here, "p/c"), in(&here, "p/a"), NULL));
        CHECK_OK(os_read_all(held, 0, got, 3, NULL));
        CHECK(memcmp(got, "old", 3) == 0);
        os_close(held);
        CHECK_OK(os_open(here.system, in(&here, "p/a"), 0, &file, NULL));
        CHECK_OK(os_remove(here.system, in(&here, "p/a"), NULL));
        CHECK_OK(os_read_all(file, 0, got, 3, NULL));
        CHECK(memcmp(got, "new", 3) == 0);
        os_close(file);
        CHECK_OK(os_remove(here.system, in(&here, "p/a"), NULL)); /* gone already */
        CHECK_STATUS(os_rename(here.system, in(&here, "p/a"), in(&here, "p/z"), NULL), OCT_NOT_FOUND);
        CHECK_STATUS(os_remove(here.system, in(&here, "p/q"), NULL), OCT_IO);

        CHECK_STATUS(os_remove_dir(here.system, in(&here, "p"), NULL), OCT_IO);
        CHECK_OK(os_remove(here.system, in(&here, "p/b"), NULL));
        CHECK_OK(os_remove_dir(here.system, in(&here, "p/q/r"), NULL));
        CHECK_OK(os_remove_dir(here.system, in(&here, "p/q"), NULL));
        CHECK_OK(os_sync_dir(here.system, in(&here, "p"), NULL));
        CHECK_OK(os_remove_dir(here.system, in(&here, "p"), NULL));
        CHECK_OK(os_remove_dir(here.system, in(&here, "p"), NULL)); /* gone already */
        CHECK_STATUS(os_sync_dir(here.system, in(&here, "p"), NULL), OCT_NOT_FOUND);
    }
}

/* Maps, at the system's choice and over the caller's pages: equal to the file, private, zero behind it. */
TEST(map_shows_the_file_and_keeps_stores_private)
{
    enum { SIZE = 3 * OS_PAGE_BYTES + 100 };
    FOR_EACH_PLACE(here)
    {
        test_rng rng = test_rng_seed(12);
        char    *data = malloc(SIZE), *got = malloc(SIZE);
        os_file *file = open_new(&here, "map");
        size_t   read;

        for (size_t i = 0; i < SIZE; i++)
            data[i] = (char)(1 + test_below(&rng, 255));
        CHECK_OK(os_write(file, 0, data, SIZE, NULL));
        for (int over = 0; over < 2; over++) {
            char *pages = over == 1 ? pages_map(4 * OS_PAGE_BYTES) : NULL;
            void *memory;
            char *map;

            CHECK_OK(os_map(file, OS_PAGE_BYTES, 3 * OS_PAGE_BYTES, pages, &memory, NULL));
            CHECK(over == 0 || memory == pages);
            map = memory;
            CHECK_MSG(memcmp(map, data + OS_PAGE_BYTES, SIZE - OS_PAGE_BYTES) == 0, "%s", here.name);
            for (size_t i = SIZE - OS_PAGE_BYTES; i < 3 * OS_PAGE_BYTES; i++)
                CHECK_INT(map[i], 0);
            memset(map, 7, 3 * OS_PAGE_BYTES);
            CHECK_OK(os_read(file, 0, got, SIZE, &read, NULL));
            CHECK_MSG(read == SIZE && memcmp(got, data, SIZE) == 0, "%s: a store reached the file",
                      here.name);
            if (over == 1)
                pages_unmap(pages, 4 * OS_PAGE_BYTES);
            else
                os_unmap(here.system, memory, 3 * OS_PAGE_BYTES);
        }
        os_close(file);
        free(data);
        free(got);
    }
}

TEST(map_past_the_end_is_refused)
{
    FOR_EACH_PLACE(here)
    {
        os_file *file = open_new(&here, "map");
        void    *memory;

        CHECK_OK(os_write(file, 0, "x", 1, NULL));
        CHECK_STATUS(os_map(file, 0, 2 * OS_PAGE_BYTES, NULL, &memory, NULL), OCT_CORRUPT);
        CHECK_STATUS(os_map(file, OS_PAGE_BYTES, 1, NULL, &memory, NULL), OCT_CORRUPT);
        CHECK_STATUS(os_map(file, 1, 1, NULL, &memory, NULL), OCT_INVALID);
        CHECK_STATUS(os_map(file, 0, 0, NULL, &memory, NULL), OCT_INVALID);
        CHECK(memory == NULL);
        os_close(file);
    }
}

TEST(lock_is_held_until_closed)
{
    FOR_EACH_PLACE(here)
    {
        os_file  *lock, *second;
        oct_error error = {0};

        CHECK_OK(os_lock(here.system, in(&here, "lock"), &lock, NULL));
        CHECK_STATUS(os_lock(here.system, in(&here, "lock"), &second, &error), OCT_LOCKED);
        CHECK(second == NULL);
        CHECK_MSG(strstr(error.text, "lock is locked: this process") != NULL, "%s: %s", here.name,
                  error.text);
        os_close(lock);
        CHECK_OK(os_lock(here.system, in(&here, "lock"), &lock, NULL));
        os_close(lock);
    }
}

/* Another process holds it, and is named. */
TEST(lock_of_another_process_is_named)
{
    place     here = place_at(0);
    int       ready[2], leave[2];
    char      byte;
    oct_error error = {0};
    os_file  *lock;
    pid_t     child;
    char      wanted[64];

    OCT_MUST(pipe(ready) == 0 && pipe(leave) == 0);
    child = fork();
    if (child == 0) {
        byte = os_lock(here.system, in(&here, "lock"), &lock, NULL) == OCT_OK ? 'y' : 'n';
        OCT_MUST(write(ready[1], &byte, 1) == 1);
        OCT_MUST(read(leave[0], &byte, 1) == 1);
        _exit(0);
    }
    OCT_MUST(child > 0 && read(ready[0], &byte, 1) == 1);
    CHECK_INT(byte, 'y');
    CHECK_STATUS(os_lock(here.system, in(&here, "lock"), &lock, &error), OCT_LOCKED);
    (void)snprintf(wanted, sizeof wanted, "another process (pid %ld)", (long)child);
    CHECK_MSG(strstr(error.text, wanted) != NULL && strstr(error.text, here.folder) != NULL, "%s",
              error.text);
    OCT_MUST(write(leave[1], "x", 1) == 1);
    OCT_MUST(waitpid(child, NULL, 0) == child);
    CHECK_OK(os_lock(here.system, in(&here, "lock"), &lock, NULL)); /* it went with its process */
    os_close(lock);
    for (int i = 0; i < 2; i++) {
        (void)close(ready[i]);
        (void)close(leave[i]);
    }
}

TEST(clock_goes_on_and_random_differs)
{
    FOR_EACH_PLACE(here)
    {
        const uint64_t before = os_clock_ns(here.system);
        uint64_t       a[2] = {0}, b[2] = {0};

        os_random(here.system, a, sizeof a);
        os_random(here.system, b, sizeof b);
        CHECK(a[0] != b[0] && a[1] != b[1] && a[0] != a[1]);
        CHECK(os_clock_ns(here.system) >= before);
        CHECK_INT(here.system->is_volatile, strcmp(here.name, "memory") == 0);
    }
}

TEST(path_join_checks_the_length)
{
    char long_name[OS_PATH_MAX + 1], path[OS_PATH_MAX];

    memset(long_name, 'n', OS_PATH_MAX);
    long_name[OS_PATH_MAX] = '\0';
    CHECK_OK(os_path_join(path, "a", "b", NULL));
    CHECK_TEXT(path, "a/b");
    CHECK_STATUS(os_path_join(path, "a", long_name, NULL), OCT_RANGE);
}

/* Every allocation of every call fails in turn: OCT_NOMEM, nothing made, nothing lost (ASan watches). */
TEST(lack_of_memory_leaves_things_as_they_were)
{
    FOR_EACH_PLACE(here)
    {
        os_file *file = open_new(&here, "keep");
        bool     failed = true;

        CHECK_OK(os_write(file, 0, "data", 4, NULL));
        os_close(file);
        for (uint64_t n = 0; failed; n++) {
            oct_status status;
            char     **names;
            size_t     count;
            uint64_t   size = 0;
            void      *memory = NULL;

            failed = false;
            oct_alloc_fail_after(n, false);
            status = os_open(here.system, in(&here, "keep"), OS_CREATE | OS_TRUNCATE, &file, NULL);
            failed |= status == OCT_NOMEM;
            if (status != OCT_OK) {
                oct_alloc_fail_after(UINT64_MAX, false);
                CHECK_STATUS(status, OCT_NOMEM);
                CHECK_OK(os_open(here.system, in(&here, "keep"), OS_WRITE, &file, NULL));
                CHECK_OK(os_size(file, &size, NULL));
                CHECK_INT(size, 4);
            }
            status = os_list(here.system, here.folder, &names, &count, NULL);
            failed |= status == OCT_NOMEM;
            CHECK(status == OCT_OK || status == OCT_NOMEM);
            CHECK_INT(count, status == OCT_OK ? 1 : 0);
            oct_free(names);
            status = os_write(file, 0, "data", 4, NULL);
            failed |= status == OCT_NOMEM;
            CHECK(status == OCT_OK || status == OCT_NOMEM);
            oct_alloc_fail_after(UINT64_MAX, false);
            CHECK_OK(os_write(file, 0, "data", 4, NULL));
            CHECK_OK(os_map(file, 0, 4, NULL, &memory, NULL));
            os_unmap(here.system, memory, 4);
            os_close(file);
        }
    }
}

/* --- what only the faulty disk has ----------------------------------------------------------- */

static bool
holds(os *disk, const char *path, const char *wanted)
{
    os_file *file;
    char     got[64] = {0};
    size_t   size;
    bool     equal;

    if (os_open(disk, path, 0, &file, NULL) != OCT_OK)
        return wanted == NULL;
    OCT_MUST(os_read(file, 0, got, sizeof got, &size, NULL) == OCT_OK);
    equal = wanted != NULL && size == strlen(wanted) && memcmp(got, wanted, size) == 0;
    os_close(file);
    return equal;
}

static void
put(os *disk, const char *path, const char *text, bool sync)
{
    os_file *file;

    OCT_MUST(os_open(disk, path, OS_CREATE | OS_TRUNCATE, &file, NULL) == OCT_OK);
    OCT_MUST(os_write(file, 0, text, strlen(text), NULL) == OCT_OK);
    if (sync)
        OCT_MUST(os_sync(file, NULL) == OCT_OK);
    os_close(file);
}

/* Goal:   what was synced is there after every crash; what was not is there in some and not in others.
 * Method: 200 crashes of one disk, seed 13. */
TEST(crash_keeps_what_was_synced_and_gambles_with_the_rest)
{
    os      *disk = os_fault_new();
    test_rng rng = test_rng_seed(13);
    int      young = 0, renamed = 0, removed = 0, old_bytes = 0, new_bytes = 0;

    OCT_MUST(os_make_dir(disk, "/d", NULL) == OCT_OK);
    put(disk, "/d/kept", "kept", true);
    put(disk, "/d/moved", "moved", true);
    put(disk, "/d/going", "going", true);
    put(disk, "/d/bytes", "old", true);
    OCT_MUST(os_sync_dir(disk, "/d", NULL) == OCT_OK);
    OCT_MUST(os_sync_dir(disk, "/", NULL) == OCT_OK);
    put(disk, "/d/young", "young", true);
    {
        os_file *file;

        OCT_MUST(os_open(disk, "/d/bytes", OS_WRITE, &file, NULL) == OCT_OK);
        OCT_MUST(os_write(file, 0, "new", 3, NULL) == OCT_OK);
        os_close(file);
    }
    OCT_MUST(os_rename(disk, "/d/moved", "/d/kept2", NULL) == OCT_OK);
    OCT_MUST(os_remove(disk, "/d/going", NULL) == OCT_OK);

    for (int i = 0; i < 200; i++) {
        os *after = os_fault_crash(disk, &rng);

        CHECK(holds(after, "/d/kept", "kept"));
        CHECK(holds(after, "/d/moved", "moved") != holds(after, "/d/kept2", "moved"));
        renamed += holds(after, "/d/kept2", "moved");
        CHECK(holds(after, "/d/young", NULL) || holds(after, "/d/young", "young"));
        young += holds(after, "/d/young", "young");
        CHECK(holds(after, "/d/going", NULL) || holds(after, "/d/going", "going"));
        removed += holds(after, "/d/going", NULL);
        old_bytes += holds(after, "/d/bytes", "old");
        new_bytes += holds(after, "/d/bytes", "new");
        os_free(after);
    }
    CHECK_INT(old_bytes + new_bytes, 200); /* three bytes are in one sector */
    CHECK_MSG(young > 50 && young < 150 && renamed > 50 && renamed < 150 && removed > 50 && removed < 150 &&
                  old_bytes > 50 && new_bytes > 50,
              "young %d, renamed %d, removed %d, old %d, new %d", young, renamed, removed, old_bytes,
              new_bytes);

    /* After the syncs there is nothing left to gamble with, and the crash's image is a disk like any. */
    {
        os *after, *again;

        put(disk, "/d/bytes", "new", true);
        OCT_MUST(os_sync_dir(disk, "/d", NULL) == OCT_OK);
        after = os_fault_crash(disk, &rng);
        again = os_fault_crash(after, &rng);
        CHECK(holds(again, "/d/kept2", "moved") && holds(again, "/d/young", "young") &&
              holds(again, "/d/going", NULL) && holds(again, "/d/bytes", "new") &&
              holds(again, "/d/moved", NULL));
        os_free(again);
        os_free(after);
    }
    os_free(disk);
}

/* A large unsynced write is seen whole, missing, cut and with holes, always at sectors. */
TEST(crash_tears_at_sectors)
{
    enum { SECTORS = 6 };
    os      *disk = os_fault_new();
    test_rng rng = test_rng_seed(14);
    os_file *file;
    char     data[SECTORS * OS_FAULT_SECTOR_BYTES], got[sizeof data];
    bool     seen[1 << SECTORS] = {false};
    int      kinds = 0;

    memset(data, 'x', sizeof data);
    OCT_MUST(os_open(disk, "/f", OS_CREATE, &file, NULL) == OCT_OK);
    OCT_MUST(os_sync_dir(disk, "/", NULL) == OCT_OK);
    OCT_MUST(os_write(file, 0, data, sizeof data, NULL) == OCT_OK);
    for (int i = 0; i < 400; i++) {
        os      *after = os_fault_crash(disk, &rng);
        os_file *found;
        size_t   size;
        unsigned mask = 0;

        OCT_MUST(os_open(after, "/f", 0, &found, NULL) == OCT_OK);
        memset(got, 0, sizeof got);
        CHECK_OK(os_read(found, 0, got, sizeof got, &size, NULL));
        for (unsigned s = 0; s < SECTORS; s++) {
            const char *sector = got + s * OS_FAULT_SECTOR_BYTES;

            for (unsigned b = 1; b < OS_FAULT_SECTOR_BYTES; b++)
                CHECK_INT(sector[b], sector[0]);
            mask |= (sector[0] != 0 ? 1u : 0u) << s;
        }
        kinds += !seen[mask];
        seen[mask] = true;
        os_close(found);
        os_free(after);
    }
    CHECK(seen[0] && seen[(1 << SECTORS) - 1]);
    CHECK_MSG(kinds > 20, "%d ways to tear", kinds);
    os_close(file);
    os_free(disk);
}

TEST(fault_is_injected_where_asked)
{
    os             *disk = os_fault_new();
    os_file        *file;
    uint64_t        size;
    oct_error       error = {0};
    os_fault_counts counts;

    OCT_MUST(os_open(disk, "/f", OS_CREATE, &file, NULL) == OCT_OK);
    os_fault_fail_at(disk, 1, OCT_IO, false);
    CHECK_OK(os_write(file, 0, "ab", 2, NULL));
    CHECK(!os_fault_has_failed(disk));
    CHECK_STATUS(os_write(file, 2, "cdef", 4, &error), OCT_IO);
    CHECK_MSG(strstr(error.text, "injected") != NULL, "%s", error.text);
    CHECK(os_fault_has_failed(disk));
    CHECK_OK(os_size(file, &size, NULL));
    CHECK_INT(size, 4); /* half of what failed was written */
    os_fault_fail_at(disk, 0, OCT_FULL, true);
    CHECK_STATUS(os_sync(file, NULL), OCT_FULL);
    CHECK_STATUS(os_sync(file, NULL), OCT_FULL);
    os_fault_fail_at(disk, UINT64_MAX, OCT_OK, false);
    CHECK_OK(os_sync(file, NULL));
    counts = os_fault_count(disk);
    CHECK_INT(counts.syncs, 1);
    CHECK_INT(counts.writes, 1);
    CHECK_INT(counts.bytes_written, 2);

    os_fault_limit(disk, 10);
    CHECK_STATUS(os_write(file, 0, "0123456789a", 11, NULL), OCT_FULL);
    CHECK_STATUS(os_reserve(file, 0, 11, NULL), OCT_FULL);
    CHECK_OK(os_write(file, 0, "0123456789", 10, NULL));
    CHECK_INT(os_fault_bytes(disk), 10);
    os_close(file);
    CHECK_OK(os_remove(disk, "/f", NULL));
    CHECK_INT(os_fault_bytes(disk), 0);
    os_free(disk);
}
