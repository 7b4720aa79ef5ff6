/* Snapshots: what was there comes back, whole, or nothing changes. */
#include "collection/database_test.h"
#include "collection/snapshot.h"

static const world_op filling[] = {
    WORLD_CREATE,      WORLD_CREATE,         WORLD_ALIAS,  WORLD_UPSERT,        WORLD_UPSERT, WORLD_UPSERT_ROWS,
    WORLD_UPSERT,      WORLD_CHANGE_PAYLOAD, WORLD_DELETE, WORLD_DELETE_VECTORS, WORLD_UPSERT, WORLD_CREATE,
    WORLD_UPSERT_ROWS, WORLD_UPSERT,         WORLD_UPSERT, WORLD_ALIAS,
};

static oct_snapshot_place
place_of(uint32_t i)
{
    return (oct_snapshot_place){OCT_SNAPSHOT_COLLECTION, world_name(i), 0};
}

static oct_status
make_snapshot(oct_database *database, const oct_snapshot_place *place, char name[256], oct_error *error)
{
    oct_snapshots   *made = NULL;
    const oct_status status = oct_snapshot_create(database, place, true, &made, error);

    name[0] = '\0';
    if (status == OCT_OK)
        (void)snprintf(name, 256, "%.*s", (int)made->items[0].name.size, made->items[0].name.data);
    oct_snapshots_free(made);
    return status;
}

static oct_status
recover_snapshot(oct_database *database, const oct_snapshot_place *from, const char *name,
                 const oct_snapshot_place *to, oct_error *error)
{
    oct_file  *file = NULL;
    oct_status status = oct_snapshot_open(database, from, slice_of(name), &file, error);

    return status == OCT_OK ? oct_snapshot_recover(database, to, file, 0, oct_file_size(file), true, error) : status;
}

/* The world after collection `i` became what it was in `then`. */
static void
model_recover(world *now, const world *then, uint32_t i)
{
    now->collections[i] = then->collections[i];
    now->collections[i].life = ++now->lives;
}

static void
run_steps(world *now, test_rng *rng, oct_database *database, const world_op *ops, size_t count)
{
    oct_error error = {0};

    for (size_t i = 0; i < count; i++)
        CHECK_OK(world_step(now, rng, database, ops[i], i % 3 != 0, &error));
}

static void
check_world(const world *now, oct_database *database, const char *when)
{
    oct_error  error = {0};
    oct_status status = world_compare(now, database, true, &error);

    CHECK_MSG(status == OCT_OK, "%s: %d, %s", when, (int)status, error.text);
    status = world_verify(now, database, &error);
    CHECK_MSG(status == OCT_OK, "%s, check: %d, %s", when, (int)status, error.text);
}

static oct_database *
reopen(oct_database *database, os *disk)
{
    oct_error error = {0};

    CHECK_OK(oct_close(database, NULL));
    database = world_open(disk, &error);
    CHECK_MSG(database != NULL, "cannot be opened again: %s", error.text);
    OCT_MUST(database != NULL);
    return database;
}

static uint32_t
existing(const world *now, test_rng *rng)
{
    uint32_t i = (uint32_t)test_below(rng, WORLD_COLLECTIONS);

    while (!now->collections[i].exists)
        i = (i + 1) % WORLD_COLLECTIONS;
    return i;
}

/* Goal:   a recovered collection is what it was when the snapshot was made: whatever was in the log, in files or in a graph,
 *         whatever happened since, with its aliases, after reopening, and for the writes that follow.
 * Method: 16 histories on a disk against the model, with checkpoints, compactions and reopenings before, between and
 *         after. Seeds 2001 to 2016. */
TEST(recovered_collection_is_what_it_was)
{
    for (uint64_t seed = 2001; seed < 2017 && !test_has_failed(); seed++) {
        test_rng           rng = test_rng_seed(seed);
        os                *disk = world_disk();
        world             *now = world_new(), *then;
        oct_error          error = {0};
        oct_database      *database = world_open(disk, &error);
        char               name[256];
        uint32_t           chosen;
        oct_snapshot_place place;

        OCT_MUST(database != NULL);
        run_steps(now, &rng, database, filling, countof(filling));
        for (uint64_t i = test_below(&rng, 3); i > 0; i--) {
            static const world_op more[] = {WORLD_CHECKPOINT, WORLD_UPSERT, WORLD_OPTIMIZE, WORLD_DELETE, WORLD_UPSERT};

            run_steps(now, &rng, database, more, countof(more));
        }
        if (test_below(&rng, 3) == 0)
            database = reopen(database, disk);
        chosen = existing(now, &rng);
        place = place_of(chosen);
        then = world_copy(now);
        CHECK_MSG(make_snapshot(database, &place, name, &error) == OCT_OK, "seed %llu: %s", (unsigned long long)seed,
                  error.text);
        for (int i = 0; i < 12; i++) {
            const world_op op = world_pick(&rng, true);

            (void)world_step(now, &rng, database, op, true, &error);
        }
        if (!now->collections[chosen].exists) { /* its name may be needed to find its snapshots */
            free(then);
            free(now);
            CHECK_OK(oct_close(database, NULL));
            os_free(disk);
            continue;
        }
        CHECK_MSG(recover_snapshot(database, &place, name, &place, &error) == OCT_OK, "seed %llu: %s",
                  (unsigned long long)seed, error.text);
        model_recover(now, then, chosen);
        check_world(now, database, "recovered");
        if (test_below(&rng, 2) == 0)
            database = reopen(database, disk);
        run_steps(now, &rng, database, (const world_op[]){WORLD_UPSERT, WORLD_CHECKPOINT, WORLD_UPSERT, WORLD_DELETE}, 4);
        check_world(now, database, "later");
        database = reopen(database, disk);
        check_world(now, database, "opened again");
        CHECK_OK(oct_close(database, NULL));
        os_free(disk);
        free(then);
        free(now);
    }
}

/* Goal:   a snapshot goes from a disk into memory and back, under another name, and twice.
 * Method: two databases, compared by their answers. Seed 2050. */
TEST(snapshot_goes_from_disk_to_memory_and_back)
{
    test_rng               rng = test_rng_seed(2050);
    os                    *disk = world_disk();
    world                 *now = world_new(), *there = world_new();
    oct_error              error = {0};
    oct_database          *database = world_open(disk, &error), *memory = NULL;
    const oct_open_options options = {0};
    oct_snapshot_place     from, to;
    oct_file              *source = NULL, *copy = NULL;
    char                   name[256], bytes[4096];
    size_t                 got = 1;
    uint32_t               chosen;

    run_steps(now, &rng, database, filling, countof(filling));
    run_steps(now, &rng, database, (const world_op[]){WORLD_CHECKPOINT, WORLD_UPSERT}, 2);
    chosen = existing(now, &rng);
    from = place_of(chosen);
    to = place_of((chosen + 1) % WORLD_COLLECTIONS);
    CHECK_OK(oct_open(&options, &memory, &error));
    CHECK_OK(make_snapshot(database, &from, name, &error));
    for (int round = 0; round < 2; round++) {
        CHECK_OK(oct_snapshot_open(database, &from, slice_of(name), &source, &error));
        CHECK_OK(oct_file_new(memory, &copy, &error));
        got = 1;
        for (uint64_t at = 0; got > 0; at += got) {
            CHECK_OK(oct_file_read(source, at, bytes, sizeof bytes, &got, &error));
            CHECK_OK(oct_file_write(copy, bytes, got, &error));
        }
        oct_file_close(source);
        CHECK_MSG(oct_snapshot_recover(memory, &to, copy, 0, oct_file_size(copy), true, &error) == OCT_OK, "%s",
                  error.text);
    }
    there->collections[(chosen + 1) % WORLD_COLLECTIONS] = now->collections[chosen];
    for (int i = 0; i < (int)WORLD_ALIASES; i++)
        there->aliases[i] = -1;
    check_world(there, memory, "in memory");
    run_steps(there, &rng, memory, (const world_op[]){WORLD_UPSERT, WORLD_DELETE, WORLD_UPSERT}, 3);
    check_world(there, memory, "in memory, later");

    /* And back, into the place of the first. */
    CHECK_OK(make_snapshot(memory, &to, name, &error));
    CHECK_OK(oct_snapshot_open(memory, &to, slice_of(name), &source, &error));
    CHECK_OK(oct_file_new(database, &copy, &error));
    got = 1;
    for (uint64_t at = 0; got > 0; at += got) {
        CHECK_OK(oct_file_read(source, at, bytes, sizeof bytes, &got, &error));
        CHECK_OK(oct_file_write(copy, bytes, got, &error));
    }
    oct_file_close(source);
    CHECK_MSG(oct_snapshot_recover(database, &from, copy, 0, oct_file_size(copy), true, &error) == OCT_OK, "%s",
              error.text);
    now->collections[chosen] = there->collections[(chosen + 1) % WORLD_COLLECTIONS];
    check_world(now, database, "back on the disk");
    database = reopen(database, disk);
    check_world(now, database, "back on the disk, opened again");
    CHECK_OK(oct_close(memory, NULL));
    CHECK_OK(oct_close(database, NULL));
    os_free(disk);
    free(now);
    free(there);
}

/* A database on a disk with a snapshot of one collection, and changes since. */
typedef struct scene {
    os                *disk;
    world             *then, *now, *after; /* when it was made; now; once it is recovered */
    uint32_t           chosen;
    char               name[256];
    oct_snapshot_place place;
} scene;

static scene
scene_new(test_rng *rng)
{
    scene         self = {.disk = world_disk(), .now = world_new()};
    oct_error     error = {0};
    oct_database *database = world_open(self.disk, &error);

    run_steps(self.now, rng, database, filling, countof(filling));
    self.chosen = existing(self.now, rng);
    self.place = place_of(self.chosen);
    run_steps(self.now, rng, database, (const world_op[]){WORLD_CHECKPOINT, WORLD_UPSERT}, 2);
    self.then = world_copy(self.now);
    CHECK_OK(make_snapshot(database, &self.place, self.name, &error));
    do
        run_steps(self.now, rng, database, (const world_op[]){WORLD_UPSERT, WORLD_UPSERT, WORLD_DELETE}, 3);
    while (memcmp(&self.now->collections[self.chosen], &self.then->collections[self.chosen], sizeof(world_collection)) == 0);
    self.after = world_copy(self.now);
    model_recover(self.after, self.then, self.chosen);
    CHECK_OK(oct_close(database, NULL));
    return self;
}

static void
scene_clear(scene *self)
{
    free(self->then);
    free(self->now);
    free(self->after);
    os_free(self->disk);
}

/* Goal:   a recovery that fails changes nothing, and may be tried again; so does the making of a snapshot.
 * Method: every fifth call of the system fails in turn, with a full disk and with an error of the device. Seed 2060. */
TEST(snapshot_that_meets_a_full_disk_changes_nothing)
{
    static const oct_status kinds[] = {OCT_FULL, OCT_IO};
    test_rng                rng = test_rng_seed(2060);
    scene                   at = scene_new(&rng);
    uint64_t                failures = 0;

    for (size_t kind = 0; kind < countof(kinds); kind++) {
        for (uint64_t n = kind; !test_has_failed(); n += 1 + n / 8) {
            os           *disk = os_fault_crash(at.disk, &rng); /* a copy: all is durable */
            oct_error     error = {0};
            oct_database *database = world_open(disk, &error);
            oct_status    status, made;
            bool          has_failed;
            char          name[256];

            OCT_MUST(database != NULL);
            os_fault_fail_at(disk, n, kinds[kind], false);
            made = make_snapshot(database, &at.place, name, &error);
            if (made == OCT_OK)
                status = recover_snapshot(database, &at.place, at.name, &at.place, &error);
            else
                status = made;
            has_failed = os_fault_has_failed(disk);
            os_fault_fail_at(disk, UINT64_MAX, OCT_OK, false);
            /* A failed sync of the log stops it; a checkpoint in the background may have met the fault instead. */
            if (status != OCT_OK && status != OCT_STOPPED) {
                failures++;
                check_world(at.now, database, "after a failure");
                if (made != OCT_OK) {
                    oct_snapshots *list = NULL;

                    CHECK_OK(oct_snapshot_list(database, &at.place, &list, &error));
                    CHECK_INT(list == NULL ? 99 : list->count, 1);
                    oct_snapshots_free(list);
                }
                CHECK_MSG(recover_snapshot(database, &at.place, at.name, &at.place, &error) == OCT_OK, "again: %s",
                          error.text);
            }
            if (status != OCT_STOPPED) {
                char when[80];

                (void)snprintf(when, sizeof when, "fault %d at call %llu, which gave %d", (int)kinds[kind],
                               (unsigned long long)n, (int)status);
                check_world(at.after, database, when);
            }
            (void)oct_close(database, NULL);
            os_free(disk);
            if (!has_failed)
                break;
        }
    }
    CHECK(failures > 40);
    scene_clear(&at);
}

/* Goal:   whenever the power goes while a snapshot is recovered, the collection is the old one or the new one, and the
 *         leftovers go.
 * Method: a machine dies at a random call; unsynced writes and names are kept, torn or lost. 60 deaths, seed 2070. The deaths find
 *         the middle by themselves, later after an old one and earlier after a new one: how many calls a recovery makes depends
 *         on what works beside it. */
TEST(crash_while_recovering_leaves_the_old_or_the_new)
{
    test_rng rng = test_rng_seed(2070);
    scene    at = scene_new(&rng);
    uint64_t old = 0, new = 0, calls = 100;

    for (uint32_t death = 0; death < 60 && !test_has_failed(); death++) {
        os           *disk = os_fault_crash(at.disk, &rng), *after;
        oct_error     error = {0};
        oct_database *database = world_open(disk, &error);
        oct_status    status;
        char        **names = NULL;
        size_t        count = 0;

        OCT_MUST(database != NULL);
        os_fault_fail_at(disk, test_below(&rng, calls + calls / 2), OCT_IO, true);
        status = recover_snapshot(database, &at.place, at.name, &at.place, &error);
        after = os_fault_crash(disk, &rng);
        (void)oct_close(database, NULL);
        os_free(disk);

        database = world_open(after, &error);
        CHECK_MSG(database != NULL, "does not open: %s", error.text);
        if (database == NULL)
            break;
        if (world_compare(at.now, database, true, NULL) == OCT_OK) {
            old++;
            calls += calls / 8 + 1;
            CHECK(status != OCT_OK);
        } else {
            new++;
            calls -= calls / 4;
            check_world(at.after, database, "after a crash");
        }
        CHECK(os_list(after, WORLD_PATH "/recover", &names, &count, NULL) == OCT_NOT_FOUND);
        oct_free(names);
        CHECK_MSG(recover_snapshot(database, &at.place, at.name, &at.place, &error) == OCT_OK, "again: %s", error.text);
        check_world(at.after, database, "recovered again");
        CHECK_OK(oct_close(database, NULL));
        os_free(after);
    }
    CHECK_MSG(old > 5 && new > 5, "old %llu, new %llu", (unsigned long long)old, (unsigned long long)new);
    scene_clear(&at);
}

/* Goal:   a damaged snapshot is refused, with a sentence, and nothing changes.
 * Method: a random bit of each 397th byte; each 3997th length. Seed 2080. */
TEST(damaged_snapshot_is_refused)
{
    test_rng      rng = test_rng_seed(2080);
    scene         at = scene_new(&rng);
    oct_error     error = {0};
    oct_database *database = world_open(at.disk, &error);
    oct_file     *file = NULL;
    uint64_t      size;
    char         *bytes;
    size_t        got;

    CHECK_OK(oct_snapshot_open(database, &at.place, slice_of(at.name), &file, &error));
    size = oct_file_size(file);
    bytes = malloc(size);
    CHECK_OK(oct_file_read(file, 0, bytes, size, &got, &error));
    oct_file_close(file);
    for (uint64_t n = 0; n < size / 397 + size / 3997 && !test_has_failed(); n++) {
        const bool     is_cut = n >= size / 397;
        const uint64_t place = is_cut ? (n - size / 397) * 3997 : n * 397;
        const char     bit = (char)(1 << test_below(&rng, 8));
        oct_status     status;

        CHECK_OK(oct_file_new(database, &file, &error));
        if (!is_cut)
            bytes[place] ^= bit;
        CHECK_OK(oct_file_write(file, bytes, is_cut ? place : size, &error));
        if (!is_cut)
            bytes[place] ^= bit;
        error.text[0] = '\0';
        status = oct_snapshot_recover(database, &at.place, file, 0, oct_file_size(file), true, &error);
        CHECK_MSG(status == OCT_CORRUPT || status == OCT_INVALID || status == OCT_UNSUPPORTED, "%s %llu: %d, %s",
                  is_cut ? "cut at" : "byte", (unsigned long long)place, (int)status, error.text);
        CHECK(error.text[0] != '\0');
    }
    check_world(at.now, database, "after all");
    free(bytes);
    CHECK_OK(oct_close(database, NULL));
    scene_clear(&at);
}

/* Change one bit of the first file in the newest shard's folder whose name begins so; `from_end`: of its last byte. */
static bool
damage_file(os *disk, const char *begins, bool from_end)
{
    char   **folders, **names;
    size_t   folder_count, count;
    bool     done = false;

    OCT_MUST(os_list(disk, WORLD_PATH "/shard", &folders, &folder_count, NULL) == OCT_OK);
    for (size_t i = folder_count; i-- > 0 && !done;) { /* the newest shard first */
        char folder[256], path[512], byte;

        (void)snprintf(folder, sizeof folder, WORLD_PATH "/shard/%s", folders[i]);
        OCT_MUST(os_list(disk, folder, &names, &count, NULL) == OCT_OK);
        for (size_t n = 0; n < count && !done; n++) {
            os_file *file;
            uint64_t size;

            if (strncmp(names[n], begins, strlen(begins)) != 0 || strstr(names[n], ".data") == NULL)
                continue;
            (void)snprintf(path, sizeof path, "%s/%s", folder, names[n]);
            OCT_MUST(os_open(disk, path, OS_WRITE, &file, NULL) == OCT_OK && os_size(file, &size, NULL) == OCT_OK);
            if (size > 4096) {
                const uint64_t at = from_end ? size - 1 : 4096;

                OCT_MUST(os_read_all(file, at, &byte, 1, NULL) == OCT_OK);
                byte ^= 4;
                OCT_MUST(os_write(file, at, &byte, 1, NULL) == OCT_OK && os_sync(file, NULL) == OCT_OK);
                done = true;
            }
            os_close(file);
        }
        oct_free(names);
    }
    oct_free(folders);
    return done;
}

/* Goal:   a damaged byte costs its collection and no other: the database opens, the others are right and can be written, the
 *         damaged one says which file, is kept as it is over checkpoints and openings, and can be recovered or deleted.
 * Method: the columns without which nothing can be had, in turn; with records behind them in the log. Seed 2120. */
TEST(damage_costs_one_collection)
{
    static const char *const columns[] = {"ids.", "payloads."};

    for (size_t column = 0; column < countof(columns) && !test_has_failed(); column++) {
        test_rng             rng = test_rng_seed(2120);
        scene                at = scene_new(&rng);
        oct_error            error = {0};
        oct_database        *database = world_open(at.disk, &error);
        oct_collection      *handle;
        oct_collection_info *info = NULL;
        world               *others = world_copy(at.after);
        bool                 existed;

        CHECK_OK(recover_snapshot(database, &at.place, at.name, &at.place, &error));
        CHECK_OK(oct_close(database, NULL));
        if (!damage_file(at.disk, columns[column], (column & 1) != 0))
            test_failed(__FILE__, __LINE__, "there is no file of %s", columns[column]);
        others->collections[at.chosen].exists = false;
        for (size_t i = 0; i < WORLD_ALIASES; i++)
            others->aliases[i] = others->aliases[i] == (int)at.chosen ? -1 : others->aliases[i];

        for (int opening = 0; opening < 3; opening++) {
            database = world_open(at.disk, &error);
            CHECK_MSG(database != NULL, "%s: %s", columns[column], error.text);
            OCT_MUST(database != NULL);
            handle = NULL;
            CHECK_STATUS(oct_collection_open(database, at.place.collection, &handle, &error), OCT_CORRUPT);
            CHECK_MSG(strstr(error.text, columns[column]) != NULL && strstr(error.text, "/shard/") != NULL, "%s", error.text);
            CHECK_OK(oct_collection_inspect(database, at.place.collection, &info, &error));
            if (info != NULL)
                CHECK(info->damage != NULL && strstr(info->damage, columns[column]) != NULL);
            oct_collection_info_free(info);
            for (uint32_t i = 0; i < WORLD_COLLECTIONS; i++) {
                if (i != at.chosen && others->collections[i].exists) {
                    CHECK_OK(oct_collection_open(database, world_name(i), &handle, &error));
                    if (handle != NULL)
                        CHECK_OK(oct_collection_check(handle, &error));
                    oct_collection_close(handle);
                }
            }
            CHECK_OK(oct_checkpoint(database, &error));
            if (opening < 2)
                CHECK_OK(oct_close(database, NULL));
        }
        if (column % 2 == 0) {
            CHECK_MSG(recover_snapshot(database, &at.place, at.name, &at.place, &error) == OCT_OK, "%s", error.text);
            check_world(at.after, database, "recovered from damage");
        } else {
            CHECK_OK(oct_collection_delete(database, at.place.collection, &existed, &error));
            CHECK(existed);
            check_world(others, database, "deleted");
        }
        database = reopen(database, at.disk);
        check_world(column % 2 == 0 ? at.after : others, database, "opened again");
        CHECK_OK(oct_close(database, NULL));
        free(others);
        scene_clear(&at);
    }
}

/* A database whose only damage is one bit of a column. */
static void
damage_and_mend(const char *column)
{
    enum { ROWS = 2000, DIM = 72, GONE = 60, REPLACED = 40, ASKED = 20, WANTED = 10 };
    test_rng              rng = test_rng_seed(2130);
    os                   *disk = world_disk();
    oct_error             error = {0};
    oct_database         *database = world_open(disk, &error);
    oct_collection       *handle = NULL;
    oct_vector_config     vector;
    oct_collection_config config;
    float                *values = malloc(ROWS * DIM * sizeof *values), scores[2][ASKED * WANTED];
    uint64_t             *ids = malloc(ROWS * sizeof *ids), found[2][ASKED * WANTED], before, after;
    oct_id                gone[GONE];

    oct_vector_config_init(&vector);
    vector.size = DIM;
    vector.distance = OCT_EUCLID;
    oct_collection_config_init(&config);
    config.vectors = &vector;
    config.vector_count = 1;
    config.optimizer.indexing_threshold = 1;
    test_fill(&rng, values, ROWS * DIM);
    for (uint64_t i = 0; i < ROWS; i++)
        ids[i] = i;
    handle = test_create(database, "rows", &config);
    CHECK_OK(oct_upsert_rows(handle, ids, values, ROWS, DIM, 0, NULL, NULL, &error));
    CHECK_OK(oct_collection_wait_indexed(handle, 0, &error));
    /* Dead rows: of points that are gone, and of points that moved to others. */
    for (uint64_t i = 0; i < GONE; i++)
        gone[i] = oct_id_number(100 + i);
    CHECK_OK(oct_delete(handle, gone, GONE, NULL, NULL, &error));
    test_fill(&rng, values + 300 * DIM, REPLACED * DIM);
    CHECK_OK(oct_upsert_rows(handle, ids + 300, values + 300 * DIM, REPLACED, DIM, 0, NULL, NULL, &error));
    CHECK_OK(oct_collection_wait_indexed(handle, 0, &error));
    CHECK_OK(oct_collection_graph_checksum(handle, &before, &error));
    CHECK_OK(oct_search_rows(handle, values + 295 * DIM, ASKED, DIM, WANTED, 64, true, 1, found[0], scores[0], &error));
    oct_collection_close(handle);
    CHECK_OK(oct_close(database, NULL));
    CHECK(damage_file(disk, column, true));
    for (int opening = 0; opening < 2; opening++) {
        database = world_open(disk, &error);
        CHECK_MSG(database != NULL, "%s", error.text);
        OCT_MUST(database != NULL);
        CHECK_OK(oct_collection_open(database, slice_of("rows"), &handle, &error));
        CHECK_OK(oct_search_rows(handle, values + 5 * DIM, 1, DIM, WANTED, 64, false, 1, found[1], scores[1], &error));
        CHECK_INT(found[1][0], 5);
        CHECK_OK(oct_search_rows(handle, values + 295 * DIM, ASKED, DIM, WANTED, 64, true, 1, found[1], scores[1], &error));
        CHECK_MSG(memcmp(found[0], found[1], sizeof found[0]) == 0 && memcmp(scores[0], scores[1], sizeof scores[0]) == 0,
                  "%s, opening %d: other hits", column, opening);
        CHECK_OK(oct_collection_wait_indexed(handle, 0, &error));
        CHECK_OK(oct_collection_graph_checksum(handle, &after, &error));
        CHECK_MSG(after == before, "%s, opening %d: another graph", column, opening);
        CHECK_OK(oct_checkpoint(database, &error));
        if (opening == 1)
            CHECK_OK(oct_collection_check(handle, &error));
        oct_collection_close(handle);
        CHECK_OK(oct_close(database, NULL));
    }
    os_free(disk);
    free(values);
    free(ids);
}

/* Goal:   damaged links, codes and seats cost nothing: they are made again from the vectors, searches and the graph are
 *         what they were, and the next checkpoint leaves no damage.
 *         Nor do damaged points and live bits of its rows, versions, and payload numbers while there is no payload.
 * Method: a graph of 2000 rows in files, some dead, the last bit but two of each of these columns. Seed 2130. */
TEST(damaged_links_codes_and_seats_are_made_again)
{
    damage_and_mend("points.0.");
    damage_and_mend("live.0.");
    damage_and_mend("versions.");
    damage_and_mend("payloads.");
    damage_and_mend("links.");
    damage_and_mend("codes.");
    damage_and_mend("seats.");
    damage_and_mend("map.");
}

/* Goal:   a snapshot of everything, restored, is the database as it was at one moment.
 * Method: the file is unpacked on the same disk beside the database, and opened. 10 histories, seeds 2090 to 2099. */
TEST(full_snapshot_makes_the_same_database)
{
    for (uint64_t seed = 2090; seed < 2100 && !test_has_failed(); seed++) {
        test_rng                 rng = test_rng_seed(seed);
        os                      *disk = world_disk();
        world                   *now = world_new(), *then;
        oct_error                error = {0};
        oct_database            *database = world_open(disk, &error), *second = NULL;
        const oct_snapshot_place full = {.scope = OCT_SNAPSHOT_FULL};
        const oct_open_options   options = {.path = "/data/second"};
        char                     name[256];
        oct_file                *file = NULL;
        snapshot_head            head;
        uint64_t                 size;

        run_steps(now, &rng, database, filling, countof(filling));
        for (int i = 0; i < 8; i++)
            (void)world_step(now, &rng, database, world_pick(&rng, true), false, &error);
        then = world_copy(now);
        CHECK_OK(make_snapshot(database, &full, name, &error));
        (void)world_step(now, &rng, database, WORLD_UPSERT, true, &error);
        CHECK_OK(oct_snapshot_open(database, &full, slice_of(name), &file, &error));
        CHECK_STATUS(oct_snapshot_recover(database, &full, file, 0, oct_file_size(file), true, &error), OCT_INVALID);
        CHECK_OK(oct_snapshot_open(database, &full, slice_of(name), &file, &error));
        CHECK_OK(snapshot_unpack(file->file, 0, file->size, disk, options.path, &head, &error));
        oct_file_close(file);
        CHECK_MSG(database_open_on(disk, &options, &second, &error) == OCT_OK, "seed %llu: %s", (unsigned long long)seed,
                  error.text);
        if (second != NULL)
            check_world(then, second, "restored");
        CHECK_OK(oct_close(second, NULL));
        snapshot_remove_tree(disk, options.path);

        /* Beside the writer, as `octant backup` does it. */
        CHECK_OK(snapshot_write_folder(disk, WORLD_PATH, "/data/backup", NULL, &size, NULL, NULL, &error));
        CHECK_OK(snapshot_file_open(disk, "/data/backup", &file, &error));
        CHECK_OK(snapshot_unpack(file->file, 0, file->size, disk, options.path, &head, &error));
        oct_file_close(file);
        CHECK_OK(database_open_on(disk, &options, &second, &error));
        if (second != NULL)
            check_world(now, second, "restored from a backup");
        CHECK_OK(oct_close(second, NULL));
        CHECK_OK(oct_close(database, NULL));
        os_free(disk);
        free(now);
        free(then);
    }
}

/* Goal:   no name leads out of the folder; lists, checksums and descriptions are right.
 * Method: names as they may come over the wire. */
TEST(snapshot_names_stay_in_their_folder)
{
    static const char *const bad[] = {"",           ".",         "..",          "../x.snapshot", "a/b.snapshot",
                                      ".hidden",    "x.checksum", "x.part",     "/etc/passwd",   "shards/0/x.snapshot"};
    const oct_open_options   options = {0};
    const oct_vector_config  vector = {.size = 2, .distance = OCT_DOT, .datatype = OCT_UNSET, .on_disk = OCT_UNSET};
    oct_vector_config        filled;
    oct_collection_config    config;
    oct_database            *memory = NULL;
    oct_error                error = {0};
    oct_snapshots           *list = NULL;
    oct_file                *file = NULL;
    char                     names[3][256], sum[OCT_SHA256_TEXT];
    oct_snapshot_place       dots = {OCT_SNAPSHOT_COLLECTION, slice_of(".."), 0}, shard_zero, shard_one;

    oct_vector_config_init(&filled);
    filled.size = vector.size;
    filled.distance = vector.distance;
    oct_collection_config_init(&config);
    config.vectors = &filled;
    config.vector_count = 1;
    CHECK_OK(oct_open(&options, &memory, &error));
    CHECK_OK(oct_collection_create(memory, slice_of(".."), &config, &error));
    for (size_t i = 0; i < 3; i++)
        CHECK_OK(make_snapshot(memory, &dots, names[i], &error));
    CHECK(strcmp(names[0], names[1]) != 0 && strcmp(names[1], names[2]) != 0);
    CHECK_MSG(strncmp(names[0], "_.-1-", 5) == 0, "%s", names[0]);
    CHECK_OK(oct_snapshot_list(memory, &dots, &list, &error));
    CHECK_INT(list->count, 3);
    CHECK_OK(oct_snapshot_open(memory, &dots, list->items[1].name, &file, &error));
    CHECK_OK(oct_file_sha256(file, 0, oct_file_size(file), sum, &error));
    CHECK(slice_is(list->items[1].checksum, sum) && list->items[1].size == oct_file_size(file));
    CHECK(list->items[1].created > 1700000000);
    oct_file_close(file);
    oct_snapshots_free(list);
    for (size_t i = 0; i < countof(bad); i++) {
        CHECK_STATUS(oct_snapshot_open(memory, &dots, slice_of(bad[i]), &file, &error), OCT_NOT_FOUND);
        CHECK_STATUS(oct_snapshot_delete(memory, &dots, slice_of(bad[i]), &error), OCT_NOT_FOUND);
    }
    CHECK_OK(oct_snapshot_delete(memory, &dots, slice_of(names[1]), &error));
    CHECK_STATUS(oct_snapshot_delete(memory, &dots, slice_of(names[1]), &error), OCT_NOT_FOUND);
    CHECK_OK(oct_snapshot_list(memory, &dots, &list, &error));
    CHECK_INT(list->count, 2);
    oct_snapshots_free(list);

    shard_zero = shard_one = (oct_snapshot_place){OCT_SNAPSHOT_SHARD, slice_of(".."), 0};
    shard_one.shard = 1;
    CHECK_OK(make_snapshot(memory, &shard_zero, names[0], &error));
    CHECK_STATUS(make_snapshot(memory, &shard_one, names[1], &error), OCT_NOT_FOUND);
    CHECK_OK(recover_snapshot(memory, &shard_zero, names[0], &shard_zero, &error));
    shard_one = (oct_snapshot_place){OCT_SNAPSHOT_SHARD, slice_of("unknown"), 0};
    CHECK_STATUS(recover_snapshot(memory, &shard_zero, names[0], &shard_one, &error), OCT_NOT_FOUND);
    filled.size = 3;
    CHECK_OK(oct_collection_create(memory, slice_of("unknown"), &config, &error));
    CHECK_STATUS(recover_snapshot(memory, &shard_zero, names[0], &shard_one, &error), OCT_INVALID);
    CHECK_OK(oct_close(memory, NULL));
}

/* Goal:   snapshots that nobody waits for are made, and closing waits for them.
 * Method: five at once, then close; they are in the folder. */
TEST(closing_waits_for_snapshots)
{
    test_rng           rng = test_rng_seed(2110);
    os                *disk = world_disk();
    world             *now = world_new();
    oct_error          error = {0};
    oct_database      *database = world_open(disk, &error);
    oct_snapshots     *list = NULL;
    oct_snapshot_place place;

    run_steps(now, &rng, database, filling, countof(filling));
    place = place_of(existing(now, &rng));
    for (int i = 0; i < 5; i++)
        CHECK_OK(oct_snapshot_create(database, &place, false, NULL, &error));
    database = reopen(database, disk);
    CHECK_OK(oct_snapshot_list(database, &place, &list, &error));
    CHECK_INT(list == NULL ? 0 : list->count, 5);
    oct_snapshots_free(list);
    CHECK_OK(oct_close(database, NULL));
    os_free(disk);
    free(now);
}

/* How many of the names in the folder of a shard there are, or, with `expected`, are still there. */
static size_t
count_shard_files(os *disk, uint64_t shard_id, char ***expected, size_t expected_count)
{
    char   folder[128], path[400];
    char **names;
    size_t count, there = 0;

    (void)snprintf(folder, sizeof folder, WORLD_PATH "/shard/%llu", (unsigned long long)shard_id);
    if (expected == NULL) {
        OCT_MUST(os_list(disk, folder, &names, &count, NULL) == OCT_OK);
        oct_free(names);
        return count;
    }
    for (size_t i = 0; i < expected_count; i++) {
        os_file *file;

        (void)snprintf(path, sizeof path, "%s/%s", folder, (*expected)[i]);
        there += os_open(disk, path, 0, &file, NULL) == OCT_OK;
        os_close(file);
    }
    return there;
}

/* Goal:   checkpoints do not wait for a snapshot that is being copied, and take nothing away that it reads; afterwards they do.
 * Method: a collection in files, held as a snapshot holds it; new rows and compactions with three checkpoints: every file is still
 *         there, and the log that was; then it is let go, and only what the last manifest names is left. A snapshot made before
 *         and one made after are what they should be. Seed 2120. */
TEST(checkpoints_go_on_while_a_snapshot_is_copied)
{
    test_rng              rng = test_rng_seed(2120);
    os                   *disk = world_disk();
    oct_error             error = {0};
    oct_database         *database = world_open(disk, &error);
    oct_collection       *open = NULL;
    oct_vector_config     vector;
    oct_collection_config config;
    float                 values[64 * 200];
    uint64_t              ids[200], manifest, count, log_files, kept;
    char                **names, folder[128];
    size_t                name_count;

    test_plain_config(&config, &vector, 64, OCT_EUCLID);
    open = test_create(database, "c", &config);
    for (uint64_t round = 0; round < 40; round++) {
        test_fill(&rng, values, countof(values));
        for (size_t i = 0; i < 200; i++)
            ids[i] = round * 200 + i;
        CHECK_OK(oct_upsert_rows(open, ids, values, 200, 64, 0, NULL, NULL, &error));
    }
    CHECK_OK(oct_collection_wait_indexed(open, 0, &error));
    CHECK_OK(oct_checkpoint(database, &error));
    (void)snprintf(folder, sizeof folder, WORLD_PATH "/shard/%llu", (unsigned long long)open->shard_id);
    CHECK_OK(os_list(disk, folder, &names, &name_count, &error));
    CHECK(name_count > 4);
    manifest = database->manifest_number;

    (void)pthread_mutex_lock(&database->checkpoint_lock);
    database_hold_files(database);
    (void)pthread_mutex_unlock(&database->checkpoint_lock);
    log_files = log_bytes(database->log);
    for (uint64_t round = 0; round < 3; round++) {
        test_fill(&rng, values, countof(values));
        for (uint64_t piece = 0; piece < 10; piece++) { /* again and again the same points: dead rows, to be compacted */
            for (size_t i = 0; i < 200; i++)
                ids[i] = piece * 200 + i;
            CHECK_OK(oct_upsert_rows(open, ids, values, 200, 64, 0, NULL, NULL, &error));
        }
        CHECK_OK(oct_collection_optimize(open, &error));
        CHECK_OK(oct_collection_wait_indexed(open, 0, &error)); /* and compacted */
        CHECK_OK(oct_checkpoint(database, &error));
        CHECK_INT(database->manifest_number, manifest + round + 1);
        CHECK_INT(count_shard_files(disk, open->shard_id, &names, name_count), name_count);
    }
    kept = log_bytes(database->log);
    CHECK_MSG(kept >= log_files + 3 * 10 * 200 * 64 * sizeof(float), "%llu bytes of log are left", (unsigned long long)kept);
    count = count_shard_files(disk, open->shard_id, NULL, 0);
    CHECK_MSG(count > name_count, "%llu files", (unsigned long long)count);
    database_let_go(database);
    CHECK_MSG(count_shard_files(disk, open->shard_id, NULL, 0) == name_count, "%zu files, and %zu columns have %zu",
              count_shard_files(disk, open->shard_id, NULL, 0), name_count / 2, name_count);
    CHECK_MSG(log_bytes(database->log) < kept / 2, "%llu bytes of log are left", (unsigned long long)log_bytes(database->log));
    oct_free(names);
    oct_collection_close(open);
    database = reopen(database, disk);
    CHECK_OK(oct_collection_open(database, slice_of("c"), &open, &error));
    CHECK_OK(oct_count(open, &count, NULL));
    CHECK_INT(count, 8000);
    CHECK_OK(oct_collection_check(open, &error));
    oct_collection_close(open);
    CHECK_OK(oct_close(database, NULL));
    os_free(disk);
}
