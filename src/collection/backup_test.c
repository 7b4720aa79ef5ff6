/* Backups in chains: every link of one restores what was there when it was made, or nothing, with a sentence. */
#include "collection/backup.h"
#include "collection/database_test.h"

#define BACKUPS  "/backups"
#define RESTORED "/data/restored"
#define LINKS    6u

static const world_op filling[] = {
    WORLD_CREATE,      WORLD_CREATE,         WORLD_ALIAS,  WORLD_UPSERT,         WORLD_UPSERT, WORLD_UPSERT_ROWS, WORLD_INDEX,
    WORLD_UPSERT,      WORLD_CHANGE_PAYLOAD, WORLD_DELETE, WORLD_DELETE_VECTORS, WORLD_UPSERT, WORLD_CREATE,
    WORLD_UPSERT_ROWS, WORLD_UPSERT,         WORLD_UPSERT, WORLD_ALIAS,
};

static os *
disk_new(void)
{
    os *disk = world_disk();

    OCT_MUST(os_make_dir(disk, BACKUPS, NULL) == OCT_OK && os_sync_dir(disk, "/", NULL) == OCT_OK);
    return disk;
}

static void
file_name(char out[64], uint32_t i)
{
    (void)snprintf(out, 64, BACKUPS "/%u.backup", i);
}

static void
run_steps(world *now, test_rng *rng, oct_database *database, const world_op *ops, size_t count)
{
    oct_error error = {0};

    for (size_t i = 0; i < count; i++)
        CHECK_OK(world_step(now, rng, database, ops[i], i % 3 != 0, &error));
}

/* The backup is restored, opened, and it is the world. */
static void
check_restored(os *disk, const char *path, const char *bases, const world *then, const char *when)
{
    const oct_open_options options = {.path = RESTORED};
    oct_database          *database = NULL;
    oct_error              error = {0};

    CHECK_MSG(backup_restore(disk, path, bases, RESTORED, &error) == OCT_OK, "%s, %s: %s", when, path, error.text);
    CHECK_MSG(database_open_on(disk, &options, &database, &error) == OCT_OK, "%s, %s: %s", when, path, error.text);
    if (database != NULL) {
        CHECK_MSG(world_compare(then, database, true, &error) == OCT_OK, "%s, %s: %s", when, path, error.text);
        CHECK_MSG(world_verify(then, database, &error) == OCT_OK, "%s, %s: %s", when, path, error.text);
        CHECK_OK(oct_close(database, NULL));
    }
    snapshot_remove_tree(disk, RESTORED);
}

static os_file *
open_file(os *disk, const char *path)
{
    os_file *file;

    OCT_MUST(os_open(disk, path, OS_WRITE, &file, NULL) == OCT_OK);
    return file;
}

static void
flip(os *disk, const char *path, uint64_t at, char bit)
{
    os_file *file = open_file(disk, path);
    char     byte;

    OCT_MUST(os_read_all(file, at, &byte, 1, NULL) == OCT_OK);
    byte = (char)(byte ^ bit);
    OCT_MUST(os_write(file, at, &byte, 1, NULL) == OCT_OK);
    os_close(file);
}

static uint64_t
size_of(os *disk, const char *path)
{
    os_file *file = open_file(disk, path);
    uint64_t size;

    OCT_MUST(os_size(file, &size, NULL) == OCT_OK);
    os_close(file);
    return size;
}

/* A chain of backups of a random history, each with the world that it was made of. */
typedef struct story {
    os    *disk;
    world *then[LINKS];
    oct_backup_info info[LINKS];
} story;

static story
story_new(uint64_t seed)
{
    story         self = {.disk = disk_new()};
    test_rng      rng = test_rng_seed(seed);
    world        *now = world_new();
    oct_error     error = {0};
    oct_database *database = world_open(self.disk, &error);

    run_steps(now, &rng, database, filling, countof(filling));
    for (uint32_t i = 0; i < LINKS; i++) {
        char       path[64], base[64];
        uint64_t   before;
        oct_status status;

        for (uint64_t steps = test_below(&rng, 12); steps > 0 && i > 0; steps--)
            (void)world_step(now, &rng, database, world_pick_any(&rng), test_below(&rng, 2) == 0, &error);
        if (test_below(&rng, 4) == 0) {
            CHECK_OK(oct_close(database, NULL));
            database = world_open(self.disk, &error);
            OCT_MUST(database != NULL);
        }
        file_name(path, i);
        file_name(base, i == 0 ? 0 : i - 1);
        before = log_last_sequence(database->log);
        CHECK_OK(log_sync(database->log, &error)); /* what nobody waited for is not in the files yet, and need not be in a backup */
        status = backup_write(self.disk, WORLD_PATH, path, i == 0 ? NULL : base, &self.info[i], &error);
        CHECK_MSG(status == OCT_OK, "seed %llu, link %u: %s", (unsigned long long)seed, i, error.text);
        CHECK_INT(self.info[i].is_increment, i > 0);
        /* Compactions log themselves when they like. */
        CHECK(before <= self.info[i].log_position && self.info[i].log_position <= log_last_sequence(database->log));
        self.then[i] = world_copy(now);
        self.then[i]->saved_name[0] = '\0'; /* snapshots are not in a backup */
    }
    CHECK_OK(oct_close(database, NULL));
    free(now);
    return self;
}

static void
story_clear(story *self)
{
    for (uint32_t i = 0; i < LINKS; i++)
        free(self->then[i]);
    os_free(self->disk);
}

/* Goal:   whatever happens between two backups (writes, deletions, compactions, checkpoints, recovered snapshots, collections
 *         that come and go), each link of the chain restores the database of its moment.
 * Method: 16 random histories, a whole backup and five increments each at random points, beside the writer; every prefix of the
 *         chain is restored and compared with the model. Seeds 3001 to 3016. */
TEST(every_link_of_a_chain_restores_its_moment)
{
    uint64_t smaller = 0, all = 0;

    for (uint64_t seed = 3001; seed < 3001 + test_scaled(16) && !test_has_failed(); seed++) {
        story at = story_new(seed);

        for (uint32_t i = 0; i < LINKS; i++) {
            char            path[64], when[32];
            oct_error       error = {0};
            oct_backup_info info;

            file_name(path, i);
            (void)snprintf(when, sizeof when, "seed %llu", (unsigned long long)seed);
            CHECK_MSG(backup_verify(at.disk, path, NULL, &info, &error) == OCT_OK, "%s", error.text);
            CHECK_INT(info.file_count, i + 1);
            CHECK_INT(info.log_position, at.info[i].log_position);
            CHECK_INT(info.stored_bytes <= info.content_bytes, 1);
            CHECK_INT(info.bytes, size_of(at.disk, path));
            CHECK(strcmp(info.sha256, at.info[i].sha256) == 0);
            check_restored(at.disk, path, NULL, at.then[i], when);
            CHECK(!os_exists(at.disk, BACKUPS "/0.backup.part"));
            all += i > 0;
            smaller += i > 0 && info.stored_bytes < info.content_bytes;
        }
        story_clear(&at);
    }
    CHECK_MSG(smaller * 3 > all, "%llu of %llu increments have something from their bases", (unsigned long long)smaller,
              (unsigned long long)all);
}

/* Goal:   only what changed is written: nothing for no change, some pieces for some points in a large collection, the records of
 *         the log since the base and not those before.
 * Method: 20,000 rows of 64 floats in files; then nothing; then 20 points in the log; 20 more; then a checkpoint. */
TEST(an_increment_has_what_changed)
{
    test_rng              rng = test_rng_seed(3100);
    os                   *disk = disk_new();
    oct_error             error = {0};
    oct_database         *database = world_open(disk, &error);
    oct_collection       *open = NULL;
    oct_vector_config     vector;
    oct_collection_config config;
    oct_backup_info       whole, info;
    float                *values = malloc(20000 * 64 * sizeof *values);
    uint64_t             *ids = malloc(20000 * sizeof *ids);

    test_plain_config(&config, &vector, 64, OCT_EUCLID);
    config.hnsw.m = 0; /* so that the numbers follow from the rows alone */
    open = test_create(database, "c", &config);
    test_fill(&rng, values, 20000 * 64);
    for (size_t i = 0; i < 20000; i++)
        ids[i] = i;
    CHECK_OK(oct_upsert_rows(open, ids, values, 20000, 64, 0, NULL, NULL, &error));
    CHECK_OK(oct_checkpoint(database, &error));
    CHECK_OK(backup_write(disk, WORLD_PATH, BACKUPS "/0", NULL, &whole, &error));
    CHECK(whole.bytes > 20000 * 64 * sizeof *values);

    CHECK_OK(backup_write(disk, WORLD_PATH, BACKUPS "/1", BACKUPS "/0", &info, &error));
    CHECK_INT(info.stored_bytes, 0);
    CHECK_INT(info.log_position, whole.log_position);

    CHECK_OK(oct_upsert_rows(open, ids, values + 64, 20, 64, 0, NULL, NULL, &error));
    CHECK_OK(backup_write(disk, WORLD_PATH, BACKUPS "/2", BACKUPS "/1", &info, &error));
    CHECK_INT(info.log_position, whole.log_position + 1);
    CHECK_MSG(info.stored_bytes > 20 * 64 * sizeof *values && info.stored_bytes < 2 * 20 * 64 * sizeof *values, "%llu",
              (unsigned long long)info.stored_bytes);
    /* A body that ends its group: with the next, this one is not written again. */
    test_fill(&rng, values, 20000 * 64);
    CHECK_OK(oct_upsert_rows(open, ids, values, 2000, 64, 0, NULL, NULL, &error));
    CHECK_OK(backup_write(disk, WORLD_PATH, BACKUPS "/3", BACKUPS "/2", &info, &error));
    CHECK_OK(oct_upsert_rows(open, ids, values, 20, 64, 0, NULL, NULL, &error));
    CHECK_OK(backup_write(disk, WORLD_PATH, BACKUPS "/4", BACKUPS "/3", &info, &error));
    CHECK_MSG(info.stored_bytes < 2 * 20 * 64 * sizeof *values, "%llu", (unsigned long long)info.stored_bytes);

    /* In files now: the vectors' column has grown at its end; small columns are rewritten. */
    CHECK_OK(oct_checkpoint(database, &error));
    CHECK_OK(backup_write(disk, WORLD_PATH, BACKUPS "/5", BACKUPS "/4", &info, &error));
    CHECK_MSG(info.stored_bytes > 2000 * 64 * sizeof *values && info.stored_bytes < whole.bytes / 2, "%llu of %llu",
              (unsigned long long)info.stored_bytes, (unsigned long long)whole.bytes);
    /* On a backup that has little to do with it: larger, and right. */
    CHECK_OK(oct_collection_optimize(open, &error));
    CHECK_OK(oct_collection_wait_indexed(open, 0, &error));
    CHECK_OK(oct_checkpoint(database, &error));
    CHECK_OK(backup_write(disk, WORLD_PATH, BACKUPS "/6", BACKUPS "/5", &info, &error));
    CHECK_OK(backup_verify(disk, BACKUPS "/6", NULL, &info, &error));
    CHECK_INT(info.file_count, 7);
    oct_collection_close(open);
    CHECK_OK(oct_close(database, NULL));
    CHECK_OK(backup_restore(disk, BACKUPS "/6", NULL, RESTORED, &error));
    CHECK_OK(database_open_on(disk, &(oct_open_options){.path = RESTORED}, &database, &error));
    CHECK_OK(oct_collection_open(database, slice_of("c"), &open, &error));
    CHECK_OK(oct_collection_check(open, &error));
    CHECK_OK(oct_count(open, &(uint64_t){0}, &error));
    oct_collection_close(open);
    CHECK_OK(oct_close(database, NULL));
    os_free(disk);
    free(values);
    free(ids);
}

/* Goal:   bases may be elsewhere or renamed; one that is missing, another, damaged, or of one collection is named, and nothing is
 *         restored.
 * Method: a chain of three and a stranger. */
TEST(a_link_that_is_missing_wrong_or_damaged_is_named)
{
    story         at = story_new(3201);
    os           *disk = at.disk;
    oct_error     error = {0};
    oct_backup_info info;
    oct_database *database;

    /* Renamed: found by its checksum. Elsewhere: found where it is said to be. */
    CHECK_OK(os_rename(disk, BACKUPS "/1.backup", BACKUPS "/monday", NULL));
    check_restored(disk, BACKUPS "/3.backup", NULL, at.then[3], "renamed");
    CHECK_OK(os_make_dir(disk, "/safe", NULL));
    CHECK_OK(os_rename(disk, BACKUPS "/3.backup", "/safe/3.backup", NULL));
    check_restored(disk, "/safe/3.backup", BACKUPS, at.then[3], "elsewhere");
    CHECK_STATUS(backup_restore(disk, "/safe/3.backup", NULL, RESTORED, &error), OCT_NOT_FOUND);
    CHECK_MSG(strstr(error.text, "2.backup") != NULL && strstr(error.text, "/safe") != NULL, "%s", error.text);
    CHECK(!os_exists(disk, RESTORED "/octant.json"));
    CHECK_OK(os_rename(disk, "/safe/3.backup", BACKUPS "/3.backup", NULL));

    /* Missing in the middle. */
    CHECK_OK(os_rename(disk, BACKUPS "/monday", "/safe/monday", NULL));
    CHECK_STATUS(backup_restore(disk, BACKUPS "/3.backup", NULL, RESTORED, &error), OCT_NOT_FOUND);
    CHECK_MSG(strstr(error.text, "1.backup") != NULL && strstr(error.text, at.info[1].sha256) != NULL, "%s", error.text);
    CHECK_STATUS(backup_verify(disk, BACKUPS "/3.backup", NULL, &info, &error), OCT_NOT_FOUND);

    /* Another file of its name. */
    CHECK_OK(os_rename(disk, BACKUPS "/4.backup", BACKUPS "/1.backup", NULL));
    CHECK_STATUS(backup_restore(disk, BACKUPS "/3.backup", NULL, RESTORED, &error), OCT_INVALID);
    CHECK_MSG(strstr(error.text, "1.backup is not the backup that") != NULL && strstr(error.text, at.info[4].sha256) != NULL, "%s",
              error.text);
    /* With the right one beside it, that is taken. */
    CHECK_OK(os_rename(disk, "/safe/monday", BACKUPS "/monday", NULL));
    check_restored(disk, BACKUPS "/3.backup", NULL, at.then[3], "right one beside a wrong one");
    CHECK_OK(os_rename(disk, BACKUPS "/1.backup", BACKUPS "/4.backup", NULL));
    CHECK_OK(os_rename(disk, BACKUPS "/monday", BACKUPS "/1.backup", NULL));

    /* Damaged: said of which, for whom. */
    flip(disk, BACKUPS "/1.backup", size_of(disk, BACKUPS "/1.backup") / 2, 4);
    CHECK_STATUS(backup_restore(disk, BACKUPS "/3.backup", NULL, RESTORED, &error), OCT_CORRUPT);
    CHECK_MSG(strstr(error.text, "1.backup, which") != NULL && strstr(error.text, "2.backup goes on from") != NULL, "%s", error.text);
    CHECK(!os_exists(disk, RESTORED "/octant.json"));
    CHECK_STATUS(backup_write(disk, WORLD_PATH, BACKUPS "/9", BACKUPS "/1.backup", NULL, &error), OCT_CORRUPT);
    CHECK(!os_exists(disk, BACKUPS "/9") && !os_exists(disk, BACKUPS "/9.part"));
    flip(disk, BACKUPS "/1.backup", size_of(disk, BACKUPS "/1.backup") / 2, 4);

    /* An increment replaces nothing, its base least of all; a snapshot of one collection is no base, nor is any other file. */
    CHECK_STATUS(backup_write(disk, WORLD_PATH, BACKUPS "/1.backup", BACKUPS "/1.backup", NULL, &error), OCT_EXISTS);
    CHECK_OK(os_rename(disk, BACKUPS "/1.backup", BACKUPS "/1.part", NULL));
    CHECK_STATUS(backup_write(disk, WORLD_PATH, BACKUPS "/1", BACKUPS "/1.part", NULL, &error), OCT_EXISTS);
    CHECK_OK(os_rename(disk, BACKUPS "/1.part", BACKUPS "/1.backup", NULL));
    CHECK_STATUS(backup_write(disk, WORLD_PATH, BACKUPS "/9", BACKUPS "/none", NULL, &error), OCT_NOT_FOUND);
    CHECK_STATUS(backup_write(disk, WORLD_PATH, BACKUPS "/9", WORLD_PATH "/octant.json", NULL, &error), OCT_INVALID);
    database = world_open(disk, &error);
    for (uint32_t i = 0; i < WORLD_COLLECTIONS; i++) {
        oct_collection *one = NULL;
        uint64_t        size;

        if (!at.then[LINKS - 1]->collections[i].exists ||
            catalogue_find(database, world_name(i), &one, NULL) != OCT_OK)
            continue;
        CHECK_OK(snapshot_write(database, OCT_SNAPSHOT_COLLECTION, one, disk, BACKUPS "/one", &size, NULL, &error));
        collection_release(one);
        CHECK_STATUS(backup_write(disk, WORLD_PATH, BACKUPS "/9", BACKUPS "/one", NULL, &error), OCT_INVALID);
        CHECK_MSG(strstr(error.text, "snapshot of a collection") != NULL, "%s", error.text);
        CHECK_OK(backup_verify(disk, BACKUPS "/one", NULL, &info, &error));
        break;
    }
    CHECK_OK(oct_close(database, NULL));
    check_restored(disk, BACKUPS "/5.backup", NULL, at.then[5], "after all");
    story_clear(&at);
}

/* Goal:   any changed byte of any link is found before anything is written.
 * Method: a random bit of each 509th byte of each file of a chain of three, and each 4999th length. Seed 3300. */
TEST(a_changed_byte_in_a_chain_is_refused)
{
    story    at = story_new(3301);
    test_rng rng = test_rng_seed(3300);
    uint64_t tried = 0;

    for (uint32_t i = 0; i < 3 && !test_has_failed(); i++) {
        char     path[64];
        uint64_t size;

        file_name(path, i);
        size = size_of(at.disk, path);
        for (uint64_t byte = test_below(&rng, 509); byte < size && !test_has_failed(); byte += 509) {
            const char bit = (char)(1 << test_below(&rng, 8));
            oct_error  error = {0};
            oct_status status;

            flip(at.disk, path, byte, bit);
            status = backup_restore(at.disk, BACKUPS "/2.backup", NULL, RESTORED, &error);
            CHECK_MSG((status == OCT_CORRUPT || status == OCT_INVALID || status == OCT_UNSUPPORTED) && error.text[0] != '\0',
                      "link %u, byte %llu: %d, %s", i, (unsigned long long)byte, (int)status, error.text);
            CHECK(!os_exists(at.disk, RESTORED "/octant.json"));
            flip(at.disk, path, byte, bit);
            tried++;
        }
    }
    for (uint32_t i = 0; i < 3 && !test_has_failed(); i++) {
        char     path[64];
        os_file *file;
        uint64_t size;
        char    *bytes;

        file_name(path, i);
        size = size_of(at.disk, path);
        bytes = malloc(size);
        file = open_file(at.disk, path);
        CHECK_OK(os_read_all(file, 0, bytes, size, NULL));
        for (uint64_t cut = 0; cut < size && !test_has_failed(); cut += 4999) {
            oct_error  error = {0};
            oct_status status;

            CHECK_OK(os_truncate(file, cut, NULL));
            status = backup_restore(at.disk, BACKUPS "/2.backup", NULL, RESTORED, &error);
            CHECK_MSG(status == OCT_CORRUPT || status == OCT_INVALID, "link %u cut at %llu: %d, %s", i, (unsigned long long)cut,
                      (int)status, error.text);
            CHECK_OK(os_write(file, 0, bytes, size, NULL));
            tried++;
        }
        os_close(file);
        free(bytes);
    }
    CHECK(tried > 30); /* how large the files are depends on when checkpoints came */
    check_restored(at.disk, BACKUPS "/2.backup", NULL, at.then[2], "after all");
    story_clear(&at);
}

/* Goal:   a full disk, a failing one, or a crash while a backup is made or restored leaves no file of its name that is not whole,
 *         and no database that is not; trying again works.
 * Method: calls of the system fail in turn (full, broken); then a machine dies at random calls, 40 times. Seed 3400. */
TEST(a_failure_leaves_no_half_of_a_backup)
{
    static const oct_status kinds[] = {OCT_FULL, OCT_IO};
    story                   at = story_new(3401);
    test_rng                rng = test_rng_seed(3400);
    uint64_t                failures = 0, calls = 0, whole = 0, none = 0;

    for (size_t kind = 0; kind < countof(kinds); kind++) {
        for (uint64_t n = kind; !test_has_failed(); n++) {
            os        *disk = os_fault_crash(at.disk, &rng); /* a copy: all is durable */
            oct_error  error = {0};
            oct_status made, restored = OCT_OK;
            bool       has_failed;

            os_fault_fail_at(disk, n, kinds[kind], false);
            made = backup_write(disk, WORLD_PATH, BACKUPS "/new", BACKUPS "/4.backup", NULL, &error);
            if (made == OCT_OK)
                restored = backup_restore(disk, BACKUPS "/3.backup", NULL, RESTORED, &error);
            has_failed = os_fault_has_failed(disk);
            os_fault_fail_at(disk, UINT64_MAX, OCT_OK, false);
            failures += made != OCT_OK || restored != OCT_OK;
            CHECK_MSG(made == OCT_OK || !os_exists(disk, BACKUPS "/new") ||
                          backup_verify(disk, BACKUPS "/new", NULL, &(oct_backup_info){0}, &error) == OCT_OK,
                      "half a backup, call %llu: %s", (unsigned long long)n, error.text);
            CHECK(restored == OCT_OK || !os_exists(disk, RESTORED "/octant.json"));
            snapshot_remove_tree(disk, RESTORED);
            if (made == OCT_OK)
                check_restored(disk, BACKUPS "/new", NULL, at.then[LINKS - 1], "made");
            os_free(disk);
            if (!has_failed)
                break;
        }
    }
    CHECK_MSG(failures > 30, "%llu failures", (unsigned long long)failures);
    for (int death = -1; death < 40 && !test_has_failed(); death++) {
        os             *disk = os_fault_crash(at.disk, &rng), *after;
        oct_error       error = {0};
        oct_backup_info info;

        calls = death < 0 ? os_fault_count(disk).calls : calls;
        if (death >= 0)
            os_fault_fail_at(disk, test_below(&rng, calls), OCT_IO, true);
        (void)backup_write(disk, WORLD_PATH, BACKUPS "/new", BACKUPS "/4.backup", NULL, &error);
        (void)backup_restore(disk, BACKUPS "/3.backup", NULL, RESTORED, &error);
        if (death < 0)
            calls = os_fault_count(disk).calls - calls;
        after = os_fault_crash(disk, &rng);
        os_free(disk);
        if (os_exists(after, BACKUPS "/new")) {
            whole++;
            CHECK_MSG(backup_verify(after, BACKUPS "/new", NULL, &info, &error) == OCT_OK, "a half: %s", error.text);
        } else {
            none++;
            CHECK_OK(backup_write(after, WORLD_PATH, BACKUPS "/new", BACKUPS "/4.backup", &info, &error));
        }
        if (os_exists(after, RESTORED "/octant.json")) {
            oct_database *database = NULL;

            CHECK_MSG(database_open_on(after, &(oct_open_options){.path = RESTORED}, &database, &error) == OCT_OK, "%s",
                      error.text);
            CHECK_MSG(database == NULL || world_compare(at.then[3], database, true, &error) == OCT_OK, "%s", error.text);
            CHECK_OK(oct_close(database, NULL));
        }
        snapshot_remove_tree(after, RESTORED);
        check_restored(after, BACKUPS "/new", NULL, at.then[LINKS - 1], "after a death");
        os_free(after);
    }
    CHECK_MSG(whole > 5 && none > 5, "whole %llu, none %llu", (unsigned long long)whole, (unsigned long long)none);
    story_clear(&at);
}

/* Goal:   what differs is in the increment even if names, generations and sequences are the same: two copies of one database that went
 *         different ways.
 * Method: a backup is restored twice; both go on, one is the base of the other. Seed 3500. */
TEST(an_increment_on_another_history_is_right)
{
    for (uint64_t seed = 3501; seed < 3506 && !test_has_failed(); seed++) {
        story         at = story_new(seed);
        test_rng      rng = test_rng_seed(seed + 100);
        world        *now = world_copy(at.then[LINKS - 1]);
        oct_error     error = {0};
        oct_database *database;

        CHECK_OK(backup_restore(at.disk, BACKUPS "/5.backup", NULL, "/data/second", &error));
        CHECK_OK(database_open_on(at.disk, &(oct_open_options){.path = "/data/second"}, &database, &error));
        for (int i = 0; i < 15; i++)
            (void)world_step(now, &rng, database, world_pick(&rng, true), true, &error);
        CHECK_OK(oct_close(database, NULL));
        /* The first goes on too, to about the same sequences and generations. */
        database = world_open(at.disk, &error);
        for (int i = 0; i < 15; i++)
            (void)world_step(at.then[LINKS - 1], &rng, database, world_pick(&rng, true), true, &error);
        CHECK_OK(oct_close(database, NULL));
        CHECK_OK(backup_write(at.disk, WORLD_PATH, BACKUPS "/first", BACKUPS "/5.backup", NULL, &error));
        CHECK_OK(backup_write(at.disk, "/data/second", BACKUPS "/second", BACKUPS "/first", NULL, &error));
        check_restored(at.disk, BACKUPS "/second", NULL, now, "the second's");
        check_restored(at.disk, BACKUPS "/first", NULL, at.then[LINKS - 1], "the first's");
        free(now);
        story_clear(&at);
    }
}

/* Goal:   a list of pieces from outside is taken as it is meant, or refused.
 * Method: one that was encoded, with each bit of its bytes changed: it is refused, or comes out as the bytes that it then is. */
TEST(a_list_of_pieces_says_what_it_means)
{
    pieces      made = {.position = 200}, read;
    buffer      list = {0};
    piece_group group = {.first = 101, .last = 127, .bytes = 4000, .stored = true};
    oct_error   error = {0};
    uint64_t    refused = 0;

    CHECK_OK(pieces_add_file(&made, "shard/2/vectors.0.1.data", 3 * PIECE_BYTES + 5, NULL));
    for (int i = 0; i < 4; i++)
        CHECK_OK(pieces_add(&made, piece_hash_of(&i, sizeof i), i == 2, NULL));
    CHECK_OK(pieces_add_file(&made, "shard/10/ids.3.sums", 77, NULL));
    CHECK_OK(pieces_add(&made, piece_hash_of("x", 1), true, NULL));
    CHECK_OK(pieces_add_group(&made, &group, NULL));
    group = (piece_group){.first = 128, .last = 200, .bytes = 5000};
    CHECK_OK(pieces_add_group(&made, &group, NULL));
    CHECK_OK(pieces_sort(&made, NULL));
    pieces_encode(&made, &list);
    CHECK_INT(list.size, 32 + 2 * 112 + 2 * 48 + 5 * 16 + 8); /* docs/format/snapshot.md */
    CHECK_INT(pieces_bytes(&made, false), 3 * PIECE_BYTES + 5 + 77 + 9000);
    CHECK_INT(pieces_bytes(&made, true), PIECE_BYTES + 77 + 4000);
    for (size_t bit = 0; bit <= list.size * 8; bit++) {
        buffer again = {0};

        if (bit < list.size * 8)
            list.data[bit / 8] = (char)(list.data[bit / 8] ^ 1 << bit % 8);
        if (pieces_decode((oct_slice){list.data, list.size}, &read, &error) == OCT_OK) {
            pieces_encode(&read, &again);
            CHECK(again.size == list.size);
            pieces_clear(&read);
        } else {
            refused++;
            CHECK(bit < list.size * 8 && error.text[0] != '\0');
        }
        buffer_clear(&again);
        if (bit < list.size * 8)
            list.data[bit / 8] = (char)(list.data[bit / 8] ^ 1 << bit % 8);
    }
    CHECK(refused > 300);
    for (size_t size = 0; size < list.size; size++)
        CHECK_STATUS(pieces_decode((oct_slice){list.data, size}, &read, &error), OCT_INVALID);
    CHECK_OK(pieces_decode((oct_slice){list.data, list.size}, &read, &error));
    CHECK(pieces_find(&read, "shard/10/ids.3.sums") != NULL && pieces_find(&read, "shard/1/ids.3.sums") == NULL);
    CHECK(pieces_find_group(&read, 128) != NULL && pieces_find_group(&read, 129) == NULL);
    pieces_clear(&read);
    CHECK_OK(pieces_add_file(&made, "shard/10/ids.3.sums", 78, NULL));
    CHECK_STATUS(pieces_sort(&made, &error), OCT_INVALID);
    pieces_clear(&made);
    buffer_clear(&list);
}
