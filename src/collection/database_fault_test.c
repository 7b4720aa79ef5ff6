/* Databases when calls of the operating system fail, when memory runs out, when the disk is full: an error that says
 * so,
 * the state as before, nothing leaked (ASan looks), and all is well again afterwards. */
#include "collection/database_test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/epoch.h"

/* A life in which every part has its turn. */
static const world_op story[] = {
    WORLD_CREATE, WORLD_CREATE,         WORLD_UPSERT,      WORLD_UPSERT_ROWS,    WORLD_ALIAS,
    WORLD_UPSERT, WORLD_CHECKPOINT,     WORLD_UPSERT,      WORLD_UPSERT,         WORLD_UPSERT,
    WORLD_UPSERT, WORLD_UPSERT,         WORLD_CHECKPOINT,  WORLD_CHANGE_PAYLOAD, WORLD_UPDATE_VECTORS,
    WORLD_UPSERT, WORLD_DELETE_VECTORS, WORLD_DELETE,      WORLD_CONFIGURE,      WORLD_CHECKPOINT,
    WORLD_UPSERT, WORLD_INDEX,          WORLD_RENAME,      WORLD_UPSERT,         WORLD_SNAPSHOT,
    WORLD_UPSERT, WORLD_OPTIMIZE,       WORLD_UPSERT_ROWS, WORLD_INDEX,          WORLD_RECOVER,
    WORLD_DROP,   WORLD_CREATE,         WORLD_UPSERT,      WORLD_WRONG,
};

/* What may be in the database now: the states that a stop in mid-write leaves open. */
typedef struct possible {
    world *items[countof(story) + 1];
    size_t count;
} possible;

static void
possible_keep(possible *self, world *only)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->items[i] != only)
            free(self->items[i]);
    }
    self->items[0] = only;
    self->count = 1;
}

/* Is it one of these, or did the disk, once it has failed, not let one of them be looked at? */
static bool
is_one_of(const possible *self, oct_database *database, bool searching, os *disk, oct_status status_of_failure, oct_error *error)
{
    for (size_t i = self->count; i-- > 0;) {
        const oct_status status = world_compare(self->items[i], database, searching, error);

        if (status == OCT_OK || (status == status_of_failure && os_fault_has_failed(disk)))
            return true;
    }
    return false;
}

/* Tell the story on a disk whose call number `fails` fails, alone or with all that follow. False: it never came to that
 * call. */
static bool
tell(uint64_t seed, uint64_t fails, bool sticky, oct_status status_of_failure)
{
    test_rng      rng = test_rng_seed(seed);
    os           *disk = world_disk();
    possible      now = {.items = {world_new()}, .count = 1};
    oct_error     error = {0};
    oct_database *database;
    bool          searching, failed, stopped = false;
    oct_status    status;
    char          when[80];

    os_fault_fail_at(disk, fails, status_of_failure, sticky);
    database = world_open(disk, &error);
    if (database == NULL) {
        CHECK_MSG(os_fault_has_failed(disk), "call %llu: opening failed by itself: %s",
                  (unsigned long long)fails, error.text);
        CHECK_INT(error.status, status_of_failure);
    }
    for (size_t i = 0; i < countof(story) && database != NULL && !stopped; i++) {
        world *after = world_copy(now.items[now.count - 1]);

        (void)snprintf(when, sizeof when, "call %llu%s, step %zu, operation %d", (unsigned long long)fails,
                       sticky ? " and on" : "", i, (int)story[i]);
        error.text[0] = '\0';
        status = world_step(after, &rng, database, story[i], true, &error);
        if (status == OCT_OK) {
            possible_keep(&now, after);
        } else if (status == OCT_STOPPED) {
            /* Nobody knows whether it is on the disk; in memory it is or is not. */
            now.items[now.count++] = after;
            stopped = true;
        } else {
            CHECK_MSG(os_fault_has_failed(disk), "%s failed by itself: %s", when, error.text);
            CHECK_MSG(status == status_of_failure, "%s: %d, %s", when, (int)status, error.text);
            CHECK_MSG(error.text[0] != '\0', "%s: no word of it", when);
            free(after);
        }
        /* Reads go on, and see what was acknowledged. Those that need the disk may say so. */
        searching = i % 4 == 0;
        CHECK_MSG(is_one_of(&now, database, searching, disk, status_of_failure, &error), "%s, then: %s", when, error.text);
    }
    if (database != NULL) {
        status = oct_close(database, &error);
        if (status != OCT_OK)
            CHECK_MSG(os_fault_has_failed(disk) && (status == OCT_STOPPED || status == status_of_failure),
                      "closing: %s", error.text);
    }
    failed = os_fault_has_failed(disk);
    os_fault_fail_at(disk, UINT64_MAX, OCT_OK, false);
    (void)snprintf(when, sizeof when, "call %llu%s, opened again", (unsigned long long)fails,
                   sticky ? " and on" : "");
    database = world_open(disk, &error);
    CHECK_MSG(database != NULL, "%s: %s", when, error.text);
    if (database != NULL) {
        CHECK_MSG(is_one_of(&now, database, true, disk, OCT_OK, &error), "%s: %s", when, error.text);
        CHECK_MSG(world_verify(now.items[0], database, &error) == OCT_OK || error.status == OCT_NOT_FOUND,
                  "%s: %s", when, error.text);
        /* And on it goes. */
        CHECK_OK(world_step(now.items[0], &rng, database, WORLD_UPSERT, true, &error));
        CHECK_OK(oct_close(database, NULL));
    }
    possible_keep(&now, NULL);
    os_free(disk);
    return failed;
}

/* Goal:   whatever call of the operating system fails, alone or with all that follow: an error that says so, reads
 * go on,
 *         the state is as before (or, after a stop, one of the two); the next opening finds it so and goes on.
 * Method: a story of 34 operations, told as often as it makes calls, twice. Seed 1001. */
TEST(every_failed_call_is_survived)
{
    uint64_t calls = 0;

    for (int sticky = 0; sticky < 2; sticky++) {
        for (uint64_t n = 0; tell(1001, n, sticky == 1, OCT_IO) && !test_has_failed(); n++)
            calls++;
    }
    printf("  %llu calls\n", (unsigned long long)calls);
    CHECK(calls > 100 || test_has_failed());
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

/* The allocation that fails next: nearly each one, as far behind the first few they are alike; each one with
 * OCTANT_TEST_SCALE of 2 or more. */
static uint64_t
next_allocation(uint64_t n, uint64_t coarse)
{
    return n + 1 + (test_scaled(1) > 1 ? 0 : n / coarse);
}

/* One operation while each allocation in turn fails, alone or with all that follow, until it works. */
static void
step_without_memory(world **now, test_rng *rng, oct_database *database, world_op op, bool sticky,
                    uint64_t *failures)
{
    oct_status status = OCT_NOMEM;
    uint64_t   n = 0;

    for (uint64_t tries = 0; status != OCT_OK && !test_has_failed(); tries++) {
        test_rng  same = *rng;
        world    *after = world_copy(*now);
        oct_error error = {0};

        oct_alloc_fail_after(n, sticky);
        status = world_step(after, &same, database, op, true, &error);
        oct_alloc_fail_after(UINT64_MAX, false);
        if (status == OCT_OK) {
            free(*now);
            *now = after;
            *rng = same;
        } else {
            CHECK_MSG(status == OCT_NOMEM, "operation %d, allocation %llu: %d, %s", (int)op,
                      (unsigned long long)n, (int)status, error.text);
            free(after);
            (*failures)++;
        }
        if (status != OCT_OK || tries % 8 == 0) {
            const oct_status compared = world_compare(*now, database, false, &error);

            CHECK_MSG(compared == OCT_OK, "operation %d, allocation %llu: %s", (int)op, (unsigned long long)n,
                      error.text);
        }
        n = next_allocation(n, 64);
    }
}

/* Goal:   an operation that finds no memory says OCT_NOMEM and changes nothing; with memory it works; nothing is
 * leaked.
 * Method: the story, and each of its operations as often as it allocates, on a disk. Seed 1011. */
TEST(operations_without_memory_change_nothing)
{
    for (int sticky = 0; sticky < 2 && !test_has_failed(); sticky++) {
        test_rng      rng = test_rng_seed(1011);
        os           *disk = world_disk();
        world        *now = world_new();
        oct_error     error = {0};
        oct_database *database = world_open(disk, &error);
        uint64_t      failures = 0;

        OCT_MUST(database != NULL);
        for (size_t i = 0; i < countof(story) && !test_has_failed(); i++)
            step_without_memory(&now, &rng, database, story[i], sticky == 1, &failures);
        printf("  %llu allocations\n", (unsigned long long)failures);
        CHECK(failures > 50 || test_has_failed());
        CHECK_MSG(world_compare(now, database, true, &error) == OCT_OK, "at the end: %s", error.text);
        CHECK_OK(oct_close(database, NULL));
        database = world_open(disk, &error);
        CHECK_MSG(database != NULL && world_compare(now, database, true, &error) == OCT_OK,
                  "opened again: %s", error.text);
        CHECK_OK(oct_close(database, NULL));
        os_free(disk);
        free(now);
    }
}

/* A disk after a part of the story; a copy of it for each try. */
static os *
make_disk(world *now, test_rng *rng, size_t steps, bool closed)
{
    os           *disk = world_disk(), *after;
    oct_error     error = {0};
    oct_database *database = world_open(disk, &error);

    OCT_MUST(database != NULL);
    for (size_t i = 0; i < steps; i++)
        CHECK_OK(world_step(now, rng, database, story[i], true, &error));
    if (closed) {
        CHECK_OK(oct_close(database, NULL));
        return disk;
    }
    after = os_fault_crash(disk, rng); /* every write waited, so it is all there: a log to replay */
    (void)oct_close(database, NULL);
    os_free(disk);
    return after;
}

/* Goal:   opening without memory is OCT_NOMEM, not damage, leaks nothing, and harms nothing: the next opening works.
 * Method: each allocation of an opening with files, and of one with a log to replay, fails in turn; then closing with
 *         each allocation failing. Seed 1021. */
TEST(opening_and_closing_without_memory_harm_nothing)
{
    for (int kind = 0; kind < 4 && !test_has_failed(); kind++) {
        test_rng   rng = test_rng_seed(1021);
        world     *now = world_new();
        os        *disk = make_disk(now, &rng, kind < 2 ? 14 : 26, kind % 2 == 0);
        oct_status status = OCT_NOMEM;
        uint64_t   failures = 0;

        for (uint64_t n = 0; status != OCT_OK && !test_has_failed(); n = next_allocation(n, 128)) {
            const oct_open_options options = {.path = WORLD_PATH, .threads = 1};
            oct_database          *database = NULL;
            oct_error              error = {0};

            oct_alloc_fail_after(n, failures % 2 == 1);
            status = database_open_on(disk, &options, &database, &error);
            oct_alloc_fail_after(UINT64_MAX, false);
            failures += status != OCT_OK;
            CHECK_MSG(status == OCT_OK || status == OCT_NOMEM, "kind %d, allocation %llu: %d, %s", kind,
                      (unsigned long long)n, (int)status, error.text);
            CHECK_INT(database != NULL, status == OCT_OK);
            if (database == NULL)
                continue;
            /* A failure behind its back (indexing) is no failure of the opening. */
            CHECK_MSG(world_compare(now, database, true, &error) == OCT_OK, "kind %d: %s", kind, error.text);
            CHECK_OK(oct_close(database, NULL));
        }
        printf("  %llu allocations of an opening\n", (unsigned long long)failures);
        CHECK(failures > 20 || test_has_failed());

        for (uint64_t n = 0; n < 400 && !test_has_failed(); n = next_allocation(n, 32)) {
            oct_error     error = {0};
            oct_database *database = world_open(disk, &error);

            CHECK_MSG(database != NULL, "kind %d: %s", kind, error.text);
            if (database == NULL)
                break;
            CHECK_MSG(world_compare(now, database, false, &error) == OCT_OK,
                      "kind %d, closed at allocation %llu: %s", kind, (unsigned long long)n, error.text);
            CHECK_OK(world_step(now, &rng, database, WORLD_UPSERT, true, &error));
            oct_alloc_fail_after(n, n % 2 == 0);
            status = oct_close(database, &error);
            oct_alloc_fail_after(UINT64_MAX, false);
            CHECK_MSG(status == OCT_OK || status == OCT_NOMEM, "closing: %d, %s", (int)status, error.text);
        }
        os_free(disk);
        free(now);
    }
    epoch_drain();
}

/* Goal:   reads without memory are OCT_NOMEM with a NULL result, and right the next time.
 * Method: each allocation of a search, a page, a retrieval, a description, a list fails in turn. */
TEST(reads_without_memory_are_told)
{
    test_rng        rng = test_rng_seed(1031);
    world          *now = world_new();
    os             *disk = make_disk(now, &rng, 10, true);
    oct_error       error = {0};
    oct_database   *database = world_open(disk, &error);
    oct_collection *open = NULL;
    uint32_t        index = 0;

    OCT_MUST(database != NULL);
    while (index + 1 < WORLD_COLLECTIONS && !now->collections[index].exists)
        index++;
    CHECK_OK(oct_collection_open(database, world_name(index), &open, NULL));
    for (int kind = 0; kind < 7 && open != NULL; kind++) {
        const bool               named = now->collections[index].kind == 1;
        const float              query[WORLD_DIM_MAX] = {1};
        const oct_select         select = {.with_payload = true, .with_vector = true};
        const oct_search_request request = {.vector_name = slice_of(named ? "text" : ""),
                                            .query = query,
                                            .dim = named ? 70 : 6,
                                            .limit = 10,
                                            .select = select};
        oct_status               status = OCT_NOMEM;
        oct_id                   ids[80];

        for (size_t i = 0; i < countof(ids); i++)
            ids[i] = world_id((uint32_t)(i % WORLD_IDS));
        for (uint64_t n = 0; status != OCT_OK && !test_has_failed(); n++) {
            oct_records         *records = NULL;
            oct_names           *names = NULL;
            oct_collection_info *info = NULL;

            oct_alloc_fail_after(n, n % 2 == 1);
            switch (kind) {
            case 0:
                status = oct_search(open, &request, &records, &error);
                break;
            case 1:
                status = oct_scroll(open, NULL, 100, &select, &records, &error);
                break;
            case 2:
                status = oct_retrieve(open, ids, countof(ids), &select, &records, &error);
                break;
            case 3:
                status = oct_collection_describe(open, &info, &error);
                break;
            case 4:
                status = oct_collection_list(database, &names, &error);
                break;
            case 5:
                status = oct_alias_list(database, (oct_slice){"", 0}, &names, &error);
                break;
            default:
                status = oct_collection_check(open, &error);
            }
            oct_alloc_fail_after(UINT64_MAX, false);
            CHECK_MSG(status == OCT_OK || status == OCT_NOMEM, "kind %d, allocation %llu: %d, %s", kind,
                      (unsigned long long)n, (int)status, error.text);
            if (status != OCT_OK)
                CHECK(records == NULL && names == NULL && info == NULL);
            oct_records_free(records);
            oct_names_free(names);
            oct_collection_info_free(info);
        }
    }
    CHECK_MSG(world_compare(now, database, true, &error) == OCT_OK, "afterwards: %s", error.text);
    oct_collection_close(open);
    CHECK_OK(oct_close(database, NULL));
    os_free(disk);
    free(now);
}

/* --- a full disk
 * ----------------------------------------------------------------------------------------------------- */

#define FULL_DIM  128u
#define FULL_ROWS 100u

/* Goal:   when the disk is full, writes and checkpoints say so and change nothing, reads go on; with room again all
 * goes on,
 *         without reopening.
 * Method: pieces of 50 KiB are written under limits from none to 3 MiB of room until two in a row are refused, with
 *         checkpoints in between; then the limit is lifted. */
TEST(full_disk_is_told_and_survived)
{
    uint64_t full = 0, full_checkpoints = 0;

    for (uint64_t room = 0; room < 3000000 && !test_has_failed(); room += 1 + room / 2) {
        test_rng              rng = test_rng_seed(1041);
        os                   *disk = world_disk();
        oct_error             error = {0};
        oct_database         *database = world_open(disk, &error);
        oct_collection       *open = NULL;
        oct_vector_config     vector;
        oct_collection_config config;
        float                *values = calloc(FULL_ROWS * FULL_DIM, sizeof *values);
        uint64_t              ids[FULL_ROWS], written = 0, refused = 0, count;

        OCT_MUST(database != NULL && values != NULL);
        test_plain_config(&config, &vector, FULL_DIM, OCT_EUCLID);
        config.optimizer.indexing_threshold = 1;
        config.hnsw.m = 4;
        config.hnsw.ef_construct = 16;
        open = test_create(database, "c", &config);
        os_fault_limit(disk, os_fault_bytes(disk) + room);
        for (int piece = 0; piece < 90; piece++) {
            oct_search_request request = {
                .query = values, .dim = FULL_DIM, .limit = 1, .exact = piece % 2 == 0};
            oct_records *hits = NULL;
            oct_status   status;

            if (refused >= 2)
                os_fault_limit(disk, UINT64_MAX);
            test_fill(&rng, values, FULL_ROWS * FULL_DIM);
            for (size_t i = 0; i < FULL_ROWS; i++)
                ids[i] = written + i;
            status = oct_upsert_rows(open, ids, values, FULL_ROWS, FULL_DIM, 0, NULL, NULL, &error);
            CHECK_MSG(status == OCT_OK || (status == OCT_FULL && refused < 2), "room %llu: %d, %s",
                      (unsigned long long)room, (int)status, error.text);
            written += status == OCT_OK ? FULL_ROWS : 0;
            full += status == OCT_FULL;
            refused += status == OCT_FULL;
            CHECK_OK(oct_count(open, &count, NULL));
            CHECK_INT(count, written);
            CHECK_OK(oct_search(open, &request, &hits, &error));
            if (status == OCT_OK)
                CHECK(hits != NULL && hits->count == 1 && hits->items[0].score == 0 &&
                      hits->items[0].id.low == written - FULL_ROWS);
            oct_records_free(hits);
            if (piece % 5 == 4) {
                status = oct_checkpoint(database, &error);
                CHECK_MSG(status == OCT_OK || (status == OCT_FULL && room < 3000000),
                          "room %llu, checkpoint: %d, %s", (unsigned long long)room, (int)status, error.text);
                full_checkpoints += status == OCT_FULL;
            }
        }
        CHECK(refused == 2);
        CHECK_OK(oct_collection_check(open, &error));
        oct_collection_close(open);
        CHECK_MSG(oct_close(database, &error) == OCT_OK, "closing: %s", error.text);
        database = world_open(disk, &error);
        CHECK_MSG(database != NULL, "room %llu, opened again: %s", (unsigned long long)room, error.text);
        if (database != NULL) {
            CHECK_OK(oct_collection_open(database, slice_of("c"), &open, &error));
            CHECK_OK(oct_count(open, &count, NULL));
            CHECK_INT(count, written);
            CHECK_OK(oct_collection_check(open, &error));
            oct_collection_close(open);
            CHECK_OK(oct_close(database, NULL));
        }
        os_free(disk);
        free(values);
    }
    CHECK(full > 20 && full_checkpoints > 3);
}

#define ROOM_DIM  512u
#define ROOM_ROWS 100u

/* Rows until the disk is full; how many there are. */
static uint64_t
fill_disk(oct_collection *open, test_rng *rng)
{
    float     *values = calloc(ROOM_ROWS * ROOM_DIM, sizeof *values);
    uint64_t   ids[ROOM_ROWS], written = 0;
    oct_error  error = {0};
    oct_status status = OCT_OK;

    OCT_MUST(values != NULL);
    while (status == OCT_OK) {
        test_fill(rng, values, ROOM_ROWS * ROOM_DIM);
        for (size_t i = 0; i < ROOM_ROWS; i++)
            ids[i] = written + i;
        status = oct_upsert_rows(open, ids, values, ROOM_ROWS, ROOM_DIM, 0, NULL, NULL, &error);
        written += status == OCT_OK ? ROOM_ROWS : 0;
    }
    CHECK_MSG(status == OCT_FULL && error.text[0] != '\0', "%d: %s", (int)status, error.text);
    free(values);
    return written;
}

/* `count` rows with the numbers from `first` on. */
static oct_status
add_rows(oct_collection *open, uint64_t first, size_t count, oct_error *error)
{
    static float values[ROOM_ROWS * ROOM_DIM];
    uint64_t     ids[ROOM_ROWS];

    for (size_t i = 0; i < count; i++)
        ids[i] = first + i;
    return oct_upsert_rows(open, ids, values, count, ROOM_DIM, 0, NULL, NULL, error);
}

static void
expect_count(oct_collection *open, uint64_t expected)
{
    uint64_t count;

    CHECK_OK(oct_count(open, &count, NULL));
    CHECK_INT(count, expected);
}

static oct_collection *
create_roomy(oct_database *database, const char *name)
{
    oct_vector_config     vector;
    oct_collection_config config;

    test_plain_config(&config, &vector, ROOM_DIM, OCT_EUCLID);
    config.hnsw.m = 4;
    config.hnsw.ef_construct = 8;
    config.optimizer.vacuum_min_vector_number = 100;
    return test_create(database, name, &config);
}

/* What is deleted on a full disk makes room without anybody's help: with `names` of them written, `keep` of the points of the
 * first are kept, or (0) the collection is dropped. */
static void
make_room(os *disk, const char *path, uint64_t keep, void (*limit)(os *disk))
{
    const oct_open_options options = {.path = path, .threads = 2};
    test_rng               rng = test_rng_seed(1051);
    oct_error              error = {0};
    oct_database          *database = NULL;
    oct_collection        *open, *other;
    oct_slice              name = slice_of("c");
    oct_status             status = OCT_FULL;
    uint64_t               count, deleted = 0;
    bool                   existed;

    CHECK_OK(database_open_on(disk, &options, &database, &error));
    open = create_roomy(database, "c");
    other = create_roomy(database, "other");
    CHECK_OK(add_rows(other, 0, 1, &error));
    limit(disk);
    count = fill_disk(open, &rng);
    CHECK_MSG(count > 1000, "%llu rows on the whole disk", (unsigned long long)count);
    /* Nothing large is taken, in no collection (what is small may fit into room that the log has already); reads go on. */
    CHECK_STATUS(add_rows(other, 1, ROOM_ROWS, &error), OCT_FULL);
    expect_count(open, count);
    expect_count(other, 1);
    /* What takes away works; one by one and many at once. */
    if (keep == 0) {
        oct_collection_close(open);
        CHECK_OK(oct_collection_delete(database, name, &existed, &error));
        open = NULL;
    }
    for (uint64_t id = keep; keep > 0 && id < count; id += ROOM_ROWS) {
        oct_id ids[ROOM_ROWS];

        for (uint64_t i = 0; i < ROOM_ROWS; i++)
            ids[i] = (oct_id){.low = id + i};
        status = oct_delete(open, ids, ROOM_ROWS, NULL, NULL, &error);
        CHECK_MSG(status == OCT_OK, "deleting on a full disk: %d, %s", (int)status, error.text);
        deleted += ROOM_ROWS;
    }
    /* And then there is room again, with nobody having opened or called anything. */
    status = OCT_FULL;
    for (int i = 0; i < 6000 && status == OCT_FULL && !test_has_failed(); i++) {
        status = add_rows(other, 1, ROOM_ROWS, &error);
        if (status == OCT_FULL)
            (void)usleep(10000);
    }
    CHECK_MSG(status == OCT_OK, "after deleting %llu of %llu points: %s", (unsigned long long)deleted,
              (unsigned long long)count, error.text);
    expect_count(other, 1 + ROOM_ROWS);
    if (open != NULL)
        expect_count(open, keep);
    oct_collection_close(open);
    oct_collection_close(other);
    CHECK_OK(oct_close(database, &error));
    CHECK_OK(database_open_on(disk, &options, &database, &error));
    CHECK_OK(oct_collection_open(database, slice_of("other"), &other, NULL));
    expect_count(other, 1 + ROOM_ROWS);
    CHECK_OK(oct_collection_check(other, &error));
    oct_collection_close(other);
    CHECK_OK(oct_close(database, &error));
}

static void
limit_simulated(os *disk)
{
    os_fault_limit(disk, os_fault_bytes(disk) + 12000000);
}

/* Goal:   on a full disk deletions work, of points and of collections, and room comes back by itself.
 * Method: a simulated disk of 12 MB, full; all points but 100 deleted in pieces, or the collection dropped; then writes of
 *         another collection until one is taken. */
TEST(full_disk_takes_deletions_and_recovers)
{
    for (uint64_t keep = 0; keep <= 100 && !test_has_failed(); keep += 100) {
        os *disk = world_disk();

        make_room(disk, WORLD_PATH, keep, limit_simulated);
        os_free(disk);
    }
}

#define SMALL_DISK "/tmp/octant-small-disk-XXXXXX"

static void
limit_none(os *disk)
{
    (void)disk;
}

/* Goal:   the same on a real file system that is full.
 * Method: a tmpfs of 12 MB, which only root may mount. */
TEST(real_full_disk_takes_deletions_and_recovers)
{
    char folder[] = SMALL_DISK, path[sizeof folder + 8];

    OCT_MUST(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/db", folder);
    for (uint64_t keep = 0; keep <= 100 && !test_has_failed(); keep += 100) {
        if (mount("tmpfs", folder, "tmpfs", MS_NOSUID, "size=12m") != 0) {
            (void)rmdir(folder);
            TEST_SKIP("a small file system cannot be mounted here: %s", strerror(errno));
            return;
        }
        make_room(os_posix(), path, keep, limit_none);
        CHECK(umount(folder) == 0);
    }
    (void)rmdir(folder);
}
