/* Columns: what is written is read, what is damaged is named, what crashes leaves the column before. */
#include "storage/column.h"

#include <stdlib.h>

#include "support/os_fault.h"
#include "support/test.h"

#define FOLDER "/data/shard"

static os *
disk_new(void)
{
    os *disk = os_fault_new();

    OCT_MUST(os_make_dir(disk, FOLDER, NULL) == OCT_OK);
    OCT_MUST(os_sync_dir(disk, "/data", NULL) == OCT_OK && os_sync_dir(disk, "/", NULL) == OCT_OK);
    return disk;
}

static column_state
state_named(const char *name)
{
    column_state state = {0};

    (void)snprintf(state.name, sizeof state.name, "%s", name);
    return state;
}

#define ROW_ROOM 5008u

/* The bytes of a row in a version of the rows. */
static void
make_row(char out[ROW_ROOM], uint32_t stride, uint64_t row, uint64_t version)
{
    for (uint32_t at = 0; at < stride; at += 8)
        put_u64(out + at, mix64(row * 1000003 + at + version * 77777));
}

static void
fill_rows(rows *data, uint64_t first, uint64_t end, uint64_t version)
{
    char row_bytes[ROW_ROOM];

    OCT_MUST(data->stride <= ROW_ROOM - 8 && rows_reserve(data, end, NULL) == OCT_OK);
    for (uint64_t row = first; row < end; row++) {
        make_row(row_bytes, data->stride, row, version);
        memcpy(rows_at(data, (uint32_t)row), row_bytes, data->stride);
    }
}

/* Are rows [0, count) of that version, and all memory behind them zero? */
static bool
rows_are(const rows *data, uint64_t count, uint64_t version)
{
    char wanted[ROW_ROOM] = {0};

    for (uint64_t row = 0; row < data->capacity; row++) {
        if (row < count)
            make_row(wanted, data->stride, row, version);
        else if (row == count)
            memset(wanted, 0, sizeof wanted);
        if (memcmp(rows_at(data, (uint32_t)row), wanted, data->stride) != 0) {
            test_failed(__FILE__, __LINE__, "row %llu differs; %llu rows of %u bytes",
                        (unsigned long long)row, (unsigned long long)count, data->stride);
            return false;
        }
    }
    return true;
}

/* Read the column anew; check every row, by parts and all of it. */
static void
check_column(os *system, const char *folder, const column_state *state, uint32_t expected_rows,
             uint64_t version)
{
    rows          data;
    column_check *check;
    oct_error     error = {0};
    oct_status    status;

    rows_init(&data, state->stride, expected_rows);
    status = column_read(system, folder, state, &data, &check, &error);
    CHECK_MSG(status == OCT_OK, "%s", error.text);
    if (status == OCT_OK) {
        CHECK_OK(column_verify(check, 0, 1, &error));
        CHECK_OK(column_verify(check, state->row_count / 2, state->row_count, &error));
        CHECK_OK(column_verify(check, 0, UINT64_MAX, &error));
        CHECK_OK(column_verify(check, UINT64_MAX, 5, &error));
        (void)rows_are(&data, state->row_count, version);
        CHECK_OK(column_verify_file(system, folder, state, &error));
    }
    rows_clear(&data);
    column_check_free(check);
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

/* Goal:   rows come back as they were written, whatever their size, number and growth.
 * Method: strides from 1 to 5,000 bytes, segments read and mapped, random appends and rewrites up to
 *         800 kB; real files (maps) and the test's disk; memory behind the last row is zero. Rows whose memory was
 *         released to the file are the same rows, also when more are appended behind them. Seed 41. */
TEST(rows_come_back_as_written)
{
    static const uint32_t strides[] = {1, 4, 13, 64, 1000, 1536, 3072, 4096, 5000};

    for (int real = 0; real < 2; real++) {
        os         *system = real == 1 ? os_posix() : disk_new();
        const char *folder = real == 1 ? test_folder() : FOLDER;
        test_rng    rng = test_rng_seed(41);

        for (size_t s = 0; s < countof(strides); s++) {
            const uint32_t expected = strides[s] < 100 ? 1000 : 8; /* so that some segments are mapped */
            column_state   state = state_named("vectors.0");
            rows           data;
            uint64_t       count = 0, version = s, released = 0;
            oct_error      error = {0};

            rows_init(&data, strides[s], expected);
            for (int step = 0; step < 12 && count * strides[s] < 800000 && !test_has_failed(); step++) {
                const bool     rewrite = test_below(&rng, 4) == 0;
                const uint64_t more = test_below(&rng, 2) * test_below(&rng, 400000 / strides[s] + 2);
                const uint32_t generation = state.generation;

                if (rewrite) {
                    version += 100;
                    released = 0;
                    fill_rows(&data, 0, count, version);
                }
                fill_rows(&data, count, count + more, version);
                count += more;
                CHECK_OK(column_write(system, folder, &state, &data, count, rewrite, &error));
                CHECK_INT(state.generation, generation + (rewrite || generation == 0 ? 1 : 0));
                CHECK_INT(state.row_count, count);
                check_column(system, folder, &state, expected, version);
                if (test_below(&rng, 2) == 0) {
                    column_check *check = NULL;

                    CHECK_OK(column_release(system, folder, &state, &data, released, &check, &error));
                    CHECK_OK(column_verify(check, 0, count, &error));
                    CHECK_MSG(rows_are(&data, count, version), "stride %u, %llu rows, released from %llu",
                              strides[s], (unsigned long long)count, (unsigned long long)released);
                    released = count;
                    column_check_free(check);
                }
                if (test_below(&rng, 3) == 0) {
                    CHECK_OK(column_remove_others(system, folder, &state, &error));
                    CHECK_INT(files_in(system, folder), 2);
                }
            }
            CHECK_OK(column_remove_others(system, folder, &(column_state){.name = "vectors.0"}, &error));
            CHECK_INT(files_in(system, folder), 0);
            rows_clear(&data);
        }
        if (real == 0)
            os_free(system);
    }
}

/* The files are as large as column_bytes says, and nothing is written again on an append. */
TEST(append_writes_only_what_is_new)
{
    os             *disk = disk_new();
    column_state    state = state_named("ids");
    rows            data;
    os_fault_counts before;

    rows_init(&data, 100, 16);
    fill_rows(&data, 0, 10000, 1);
    CHECK_OK(column_write(disk, FOLDER, &state, &data, 10000, false, NULL));
    CHECK_INT(os_fault_bytes(disk), column_bytes(&state));
    before = os_fault_count(disk);
    fill_rows(&data, 10000, 10010, 1);
    CHECK_OK(column_write(disk, FOLDER, &state, &data, 10010, false, NULL));
    CHECK_MSG(os_fault_count(disk).bytes_written - before.bytes_written < 1000 + 200, "%llu bytes for 1000",
              (unsigned long long)(os_fault_count(disk).bytes_written - before.bytes_written));
    before = os_fault_count(disk);
    CHECK_OK(column_write(disk, FOLDER, &state, &data, 10010, false, NULL)); /* nothing new */
    CHECK_INT(os_fault_count(disk).calls, before.calls);
    CHECK_OK(column_remove_others(disk, FOLDER, &state, NULL));
    CHECK_INT(os_fault_bytes(disk), column_bytes(&state));
    rows_clear(&data);
    os_free(disk);
}

/* Stores into mapped rows stay in this process, and appends by a later checkpoint do not change them. */
TEST(mapped_rows_are_private)
{
    const char   *folder = test_folder();
    column_state  state = state_named("links");
    rows          data, opened;
    column_check *check;

    rows_init(&data, 512, 16);
    fill_rows(&data, 0, 3000, 1);
    CHECK_OK(column_write(os_posix(), folder, &state, &data, 3000, false, NULL));
    rows_init(&opened, 512, 16);
    CHECK_OK(column_read(os_posix(), folder, &state, &opened, &check, NULL));
    for (uint32_t row = 0; row < 3000; row += 7)
        memset(rows_at(&opened, row), 0, 512);
    check_column(os_posix(), folder, &state, 16, 1);
    CHECK_OK(column_verify(check, 0, 3000, NULL)); /* what was read, not what was made of it */
    fill_rows(&opened, 0, 3500, 1);
    CHECK_OK(column_write(os_posix(), folder, &state, &opened, 3500, false, NULL));
    CHECK_OK(column_verify(check, 0, 3500, NULL));
    (void)rows_are(&opened, 3500, 1);
    check_column(os_posix(), folder, &state, 16, 1);
    rows_clear(&data);
    rows_clear(&opened);
    column_check_free(check);
}

/* --- crashes and faults ---------------------------------------------------------------------- */

/* Goal:   after a crash at any moment of a checkpoint the column is what the last manifest said.
 * Method: appends and rewrites whose state is kept (as a manifest would) only after the folder's sync; the
 *         machine dies at a random call; reopened, checked, gone on with. 80 lives, seeds 1 to 80. */
TEST(crash_leaves_the_last_checkpoint)
{
    uint64_t crashes = 0, finished = 0;

    for (uint64_t seed = 1; seed <= 80 && !test_has_failed(); seed++) {
        test_rng     rng = test_rng_seed(seed);
        os          *disk = disk_new();
        column_state state = state_named("codes.a");
        rows         data;
        uint64_t     version = 0; /* of the rows in `state` */

        rows_init(&data, 300, 16);
        state.stride = 300;
        for (int step = 0; step < 8; step++) {
            const bool     rewrite = test_below(&rng, 3) == 0;
            const uint64_t next_version = rewrite ? version + 1 : version;
            const uint64_t count = state.row_count + test_below(&rng, 500);
            column_state   next = state;

            fill_rows(&data, 0, count, next_version);
            os_fault_fail_at(disk, test_below(&rng, 25), OCT_IO, true);
            if (column_write(disk, FOLDER, &next, &data, count, rewrite, NULL) == OCT_OK &&
                os_sync_dir(disk, FOLDER, NULL) == OCT_OK) {
                state = next;
                version = next_version;
                finished++;
                (void)column_remove_others(disk, FOLDER, &state, NULL);
            } else {
                CHECK(next.generation == state.generation || memcmp(&next, &state, sizeof next) != 0);
            }
            if (test_below(&rng, 2) == 0) {
                os *after = os_fault_crash(disk, &rng);

                os_free(disk);
                disk = after;
                crashes++;
            }
            os_fault_fail_at(disk, UINT64_MAX, OCT_OK, false);
            check_column(disk, FOLDER, &state, 16, version);
        }
        rows_clear(&data);
        os_free(disk);
    }
    CHECK_MSG(crashes > 240 && finished > 200, "%llu crashes, %llu finished", (unsigned long long)crashes,
              (unsigned long long)finished);
}

/* Goal:   a failing call or allocation is an error, costs no memory, leaves state and files usable.
 * Method: write, append, rewrite, read, verify, remove with the n-th call or allocation failing, for all n. */
TEST(every_step_may_fail)
{
    for (int kind = 0; kind < 3; kind++) {
        bool failed = true;

        for (uint64_t n = 0; failed && !test_has_failed(); n++) {
            os           *disk = disk_new();
            column_state  state = state_named("payload");
            rows          data, opened;
            column_check *check = NULL;
            uint64_t      version = 1;

            failed = false;
            state.stride = 1000;
            rows_init(&data, 1000, 16);
            rows_init(&opened, 1000, 16);
            fill_rows(&data, 0, 700, 1);
            if (kind == 2)
                oct_alloc_fail_after(n, false);
            else
                os_fault_fail_at(disk, n, kind == 0 ? OCT_IO : OCT_FULL, false);
            for (int step = 0; step < 3; step++) {
                const column_state before = state;
                const oct_status   status =
                    column_write(disk, FOLDER, &state, &data, 200 + 200 * (uint64_t)step, step == 2, NULL);

                if (status != OCT_OK) {
                    CHECK(memcmp(&before, &state, sizeof state) == 0);
                    CHECK(status == OCT_IO || status == OCT_FULL || status == OCT_NOMEM);
                    failed = true;
                }
            }
            if (column_read(disk, FOLDER, &state, &opened, &check, NULL) == OCT_OK) {
                failed |= column_verify(check, 0, 1000, NULL) != OCT_OK;
                (void)rows_are(&opened, state.row_count, version);
            } else {
                failed = true;
                CHECK(check == NULL && opened.capacity == 0);
            }
            failed |= column_verify_file(disk, FOLDER, &state, NULL) != OCT_OK;
            failed |= column_remove_others(disk, FOLDER, &state, NULL) != OCT_OK;
            oct_alloc_fail_after(UINT64_MAX, false);
            failed |= os_fault_has_failed(disk); /* also what was only a wish, such as taking back */
            os_fault_fail_at(disk, UINT64_MAX, OCT_OK, false);
            check_column(disk, FOLDER, &state, 16, version);
            rows_clear(&data);
            rows_clear(&opened);
            column_check_free(check);
            os_free(disk);
        }
    }
}

/* A full disk gives back what a failed write had taken. */
TEST(failed_write_gives_the_space_back)
{
    os          *disk = disk_new();
    column_state state = state_named("vectors.0");
    rows         data;
    uint64_t     bytes;

    rows_init(&data, 1000, 16);
    fill_rows(&data, 0, 9000, 1);
    CHECK_OK(column_write(disk, FOLDER, &state, &data, 1000, false, NULL));
    bytes = os_fault_bytes(disk);
    os_fault_limit(disk, bytes + 5000000);
    CHECK_STATUS(column_write(disk, FOLDER, &state, &data, 9000, false, NULL), OCT_FULL);
    CHECK_INT(os_fault_bytes(disk), bytes);
    CHECK_STATUS(column_write(disk, FOLDER, &state, &data, 9000, true, NULL), OCT_FULL);
    CHECK_INT(os_fault_bytes(disk), bytes);
    check_column(disk, FOLDER, &state, 16, 1);
    os_fault_limit(disk, UINT64_MAX);
    CHECK_OK(column_write(disk, FOLDER, &state, &data, 9000, false, NULL));
    check_column(disk, FOLDER, &state, 16, 1);
    rows_clear(&data);
    os_free(disk);
}

/* --- damage ---------------------------------------------------------------------------------- */

static void
flip(os *disk, const char *path, uint64_t at, int bit)
{
    os_file *file;
    char     byte;

    OCT_MUST(os_open(disk, path, OS_WRITE, &file, NULL) == OCT_OK);
    OCT_MUST(os_read_all(file, at, &byte, 1, NULL) == OCT_OK);
    byte = (char)(byte ^ (1 << bit));
    OCT_MUST(os_write(file, at, &byte, 1, NULL) == OCT_OK);
    os_close(file);
}

/* Goal:   a flipped byte is named when its rows are verified, costs only its block, or is in unused space.
 * Method: each byte of the checksum file and of the header, every 211th of the data. */
TEST(flipped_byte_is_named)
{
    os          *disk = disk_new();
    column_state state = state_named("vectors.0");
    const char  *paths[] = {FOLDER "/vectors.0.1.sums", FOLDER "/vectors.0.1.data"};
    rows         data;
    uint64_t     sizes[2];

    rows_init(&data, 700, 16);
    fill_rows(&data, 0, 300, 1); /* 210,000 bytes: four blocks */
    CHECK_OK(column_write(disk, FOLDER, &state, &data, 300, false, NULL));
    sizes[1] = 4096 + 210000;
    sizes[0] = column_bytes(&state) - sizes[1];
    for (int which = 0; which < 2; which++) {
        for (uint64_t at = 0; at < sizes[which]; at += at < 4096 ? 1 : 211) {
            rows          opened;
            column_check *check;
            oct_error     error = {0};
            oct_status    status;
            const bool    in_rows = which == 1 && at >= 4096;
            const bool is_unused = which == 1 && at >= 84 && at < 4096; /* zeros behind the header's fields */
            const bool in_header = which == 1 && at < 84;

            flip(disk, paths[which], at, (int)(at % 8));
            rows_init(&opened, 700, 16);
            status = column_read(disk, FOLDER, &state, &opened, &check, &error);
            CHECK_STATUS(status, in_rows || is_unused ? OCT_OK : OCT_CORRUPT);
            if (status == OCT_OK) {
                const uint64_t block = (at - 4096) / COLUMN_BLOCK_BYTES;
                const uint64_t row = (at - 4096) / 700;

                status = column_verify(check, 0, 300, &error);
                CHECK_STATUS(status, in_rows ? OCT_CORRUPT : OCT_OK);
                if (in_rows) {
                    CHECK_STATUS(column_verify(check, row, 1, NULL), OCT_CORRUPT);
                    for (uint64_t other = 0; other < 300; other += 37) {
                        const uint64_t first = other * 700 / COLUMN_BLOCK_BYTES;
                        const uint64_t last = (other * 700 + 699) / COLUMN_BLOCK_BYTES;

                        CHECK_STATUS(column_verify(check, other, 1, NULL),
                                     block >= first && block <= last ? OCT_CORRUPT : OCT_OK);
                    }
                }
            }
            if (status != OCT_OK)
                CHECK_MSG(strstr(error.text, paths[which]) != NULL && strstr(error.text, "offset") != NULL,
                          "%s", error.text);
            CHECK_STATUS(column_verify_file(disk, FOLDER, &state, NULL),
                         in_rows || in_header || which == 0 ? OCT_CORRUPT : OCT_OK);
            rows_clear(&opened);
            column_check_free(check);
            flip(disk, paths[which], at, (int)(at % 8));
        }
    }
    check_column(disk, FOLDER, &state, 16, 1);
    rows_clear(&data);
    os_free(disk);
}

/* Damage in the last, incomplete block must not vanish when an append goes on in that block. */
TEST(append_does_not_launder_damage)
{
    os          *disk = disk_new();
    column_state state = state_named("ids");
    rows         data;

    rows_init(&data, 16, 16);
    fill_rows(&data, 0, 200, 1);
    CHECK_OK(column_write(disk, FOLDER, &state, &data, 100, false, NULL));
    flip(disk, FOLDER "/ids.1.data", 4096 + 50, 3);
    CHECK_OK(column_write(disk, FOLDER, &state, &data, 200, false, NULL));
    CHECK_STATUS(column_verify_file(disk, FOLDER, &state, NULL), OCT_CORRUPT);
    flip(disk, FOLDER "/ids.1.data", 4096 + 50, 3);
    check_column(disk, FOLDER, &state, 16, 1);
    rows_clear(&data);
    os_free(disk);
}

TEST(cut_or_missing_file_is_named)
{
    static const char *const kinds[] = {"data", "sums"};
    os                      *disk = disk_new();
    column_state             state = state_named("ids");
    rows                     data;

    rows_init(&data, 16, 16);
    fill_rows(&data, 0, 300, 1);
    CHECK_OK(column_write(disk, FOLDER, &state, &data, 300, false, NULL));
    for (size_t kind = 0; kind < 2; kind++) {
        char      path[64];
        os_file  *file;
        uint64_t  size;
        oct_error error = {0};

        (void)snprintf(path, sizeof path, FOLDER "/ids.1.%s", kinds[kind]);
        OCT_MUST(os_open(disk, path, OS_WRITE, &file, NULL) == OCT_OK &&
                 os_size(file, &size, NULL) == OCT_OK);
        for (uint64_t cut = 0; cut < size; cut += 1 + cut / 50) {
            char *saved = malloc((size_t)size);

            OCT_MUST(os_read_all(file, 0, saved, (size_t)size, NULL) == OCT_OK);
            OCT_MUST(os_truncate(file, cut, NULL) == OCT_OK);
            CHECK_STATUS(column_verify_file(disk, FOLDER, &state, &error), OCT_CORRUPT);
            CHECK_MSG(strstr(error.text, path) != NULL, "%s", error.text);
            OCT_MUST(os_write(file, 0, saved, (size_t)size, NULL) == OCT_OK);
            free(saved);
        }
        os_close(file);
        check_column(disk, FOLDER, &state, 16, 1);
    }
    for (size_t kind = 0; kind < 2; kind++) {
        char      path[64];
        oct_error error = {0};

        (void)snprintf(path, sizeof path, FOLDER "/ids.1.%s", kinds[kind]);
        OCT_MUST(os_rename(disk, path, "/data/away", NULL) == OCT_OK);
        CHECK_STATUS(column_verify_file(disk, FOLDER, &state, &error), OCT_CORRUPT);
        CHECK_MSG(strstr(error.text, path) != NULL && strstr(error.text, "missing") != NULL, "%s",
                  error.text);
        OCT_MUST(os_rename(disk, "/data/away", path, NULL) == OCT_OK);
    }
    rows_clear(&data);
    os_free(disk);
}

TEST(state_that_cannot_be_is_refused)
{
    static const char *const bad[] = {"", "a/b", "../x", "a b", "\xc3\xa4"};
    os                      *disk = disk_new();
    rows                     data;
    column_check            *check;

    rows_init(&data, 4, 16);
    for (size_t i = 0; i < countof(bad); i++) {
        column_state state = state_named(bad[i]);

        CHECK_STATUS(column_read(disk, FOLDER, &state, &data, &check, NULL), OCT_INVALID);
        CHECK_STATUS(column_write(disk, FOLDER, &state, &data, 0, false, NULL), OCT_INVALID);
        CHECK_STATUS(column_remove_others(disk, FOLDER, &state, NULL), OCT_INVALID);
    }
    {
        column_state state = state_named("a");

        CHECK_OK(column_read(disk, FOLDER, &state, &data, &check, NULL)); /* never written: nothing to read */
        CHECK(check == NULL && data.capacity == 0);
        CHECK_OK(column_verify(check, 0, 10, NULL));
        CHECK_INT(column_bytes(&state), 0);
        state.row_count = 5;
        CHECK_STATUS(column_read(disk, FOLDER, &state, &data, &check, NULL), OCT_INVALID);
        state.generation = 1;
        state.stride = 4;
        state.row_count = ((uint64_t)1 << 32) + 1;
        CHECK_STATUS(column_read(disk, FOLDER, &state, &data, &check, NULL), OCT_INVALID);
        memset(state.name, 'n', sizeof state.name); /* no end */
        CHECK_STATUS(column_read(disk, FOLDER, &state, &data, &check, NULL), OCT_INVALID);
    }
    os_free(disk);
}

/* Columns whose names begin alike keep their hands off each other's files. */
TEST(columns_with_similar_names_stay_apart)
{
    static const char *const names[] = {"a", "a.1", "a.1.data", "a.sums", "a.2.sums"};
    os                      *disk = disk_new();
    column_state             states[countof(names)];
    rows                     data;

    rows_init(&data, 8, 16);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < countof(names); i++) {
            if (round == 0) {
                states[i] = state_named(names[i]);
                states[i].stride = 8;
            }
            fill_rows(&data, 0, 20, i);
            CHECK_OK(column_write(disk, FOLDER, &states[i], &data, 20, true, NULL));
        }
    }
    for (size_t i = 0; i < countof(names); i++)
        CHECK_OK(column_remove_others(disk, FOLDER, &states[i], NULL));
    CHECK_INT(files_in(disk, FOLDER), 2 * countof(names));
    for (size_t i = 0; i < countof(names); i++)
        check_column(disk, FOLDER, &states[i], 16, i);
    rows_clear(&data);
    os_free(disk);
}
