/* Databases when the power goes: what was acknowledged is there, nothing is there by half. */
#include "collection/database_test.h"

#define STATES_MAX 64u

/* The states that a crash may leave: after each operation since the last that was surely durable. */
typedef struct states {
    world *items[STATES_MAX];
    size_t count;
} states;

static void
states_forget(states *self, size_t keep_last)
{
    while (self->count > keep_last) {
        free(self->items[0]);
        memmove(&self->items[0], &self->items[1], --self->count * sizeof self->items[0]);
    }
}

static void
states_add(states *self, world *state)
{
    OCT_MUST(self->count < STATES_MAX);
    self->items[self->count++] = state;
}

/* Which state the database is in; the others are forgotten. NULL: in none. */
static bool
settle(states *self, oct_database *database, const char *when)
{
    oct_error error = {0}, first = {0};

    for (size_t i = self->count; i-- > 0;) {
        const oct_status status = world_compare(self->items[i], database, true, &error);

        if (status == OCT_OK) {
            world *found = self->items[i];

            self->items[i] = NULL;
            for (size_t k = 0; k < self->count; k++)
                free(self->items[k]);
            self->items[0] = found;
            self->count = 1;
            CHECK_MSG(world_verify(found, database, &error) == OCT_OK, "%s: %s", when, error.text);
            return true;
        }
        if (first.text[0] == '\0')
            first = error;
    }
    test_failed(__FILE__, __LINE__,
                "%s: the database is in none of the %zu states it may be in; for the last: %s", when,
                self->count, first.text);
    return false;
}

typedef struct totals {
    uint64_t crashes, operations, behind, checkpoints, refused;
} totals;

/* Operations until the machine dies, or the steps are over. */
static void
live(states *known, test_rng *rng, oct_database *database, uint64_t steps, totals *sum)
{
    for (uint64_t i = 0; i < steps && known->count < STATES_MAX - 1; i++) {
        const world_op   op = world_pick(rng, true);
        const bool       waits = test_below(rng, 3) > 0;
        world           *after = world_copy(known->items[known->count - 1]);
        oct_error        error = {0};
        const oct_status status = world_step(after, rng, database, op, waits, &error);

        sum->operations++;
        if (status != OCT_OK && status != OCT_STOPPED) {
            /* It must be as before, and what fails with the disk is told as such. */
            CHECK_MSG(status != OCT_INTERNAL && status != OCT_CORRUPT, "operation %d: %s", (int)op,
                      error.text);
            sum->refused++;
            free(after);
            continue;
        }
        states_add(known, after);
        if (status == OCT_STOPPED)
            return;
        sum->checkpoints += op == WORLD_CHECKPOINT;
        /* The log is in order: who waits, waits for all before. Catalogue changes always wait. What had nothing to
         * do may
         * not have waited at all. */
        if (op == WORLD_CHECKPOINT || (waits && op >= WORLD_UPSERT && op <= WORLD_CHANGE_PAYLOAD &&
                                       memcmp(after, known->items[known->count - 2], sizeof *after) != 0))
            states_forget(known, 1);
    }
}

/* Goal:   after a crash at any moment a database opens, in a state that it was in, no earlier than the last
 * acknowledged
 *         write; invariants hold; it goes on.
 * Method: 250 lives of up to 6 crashes. A machine dies at a random call (all later ones fail), or at a random moment
 *         between two operations with its background work under way; each unsynced write and name is kept, dropped or
 *         torn. Sometimes the death comes while opening. Seeds 601 to 850. */
TEST(crash_at_any_moment_loses_nothing_acknowledged)
{
    totals sum = {0};

    shard_move_documents_after(2000); /* documents move often */
    points_reclaim_after(3);          /* numbers come back often */
    for (uint64_t seed = 601; seed < 601 + test_scaled(250) && !test_has_failed(); seed++) {
        test_rng rng = test_rng_seed(seed);
        states   known = {0};
        os      *disk = world_disk();

        states_add(&known, world_new());
        for (uint32_t round = 0; round < 6 && !test_has_failed(); round++) {
            const uint64_t steps = test_below(&rng, 30);
            const bool     dies_at_call = test_below(&rng, 2) == 0;
            oct_error      error = {0};
            oct_database  *database;
            os            *after;
            char           when[64];

            (void)snprintf(when, sizeof when, "seed %llu, round %u", (unsigned long long)seed, round);
            if (dies_at_call)
                os_fault_fail_at(disk, test_below(&rng, 10 + steps * 12), OCT_IO, true);
            database = world_open(disk, &error);
            if (database == NULL)
                CHECK_MSG(dies_at_call && os_fault_has_failed(disk), "%s: %s", when, error.text);
            if (database != NULL) {
                /* What it opened with is what it was; reads may meet the dead disk. */
                if (!os_fault_has_failed(disk) && !dies_at_call)
                    (void)settle(&known, database, when);
                live(&known, &rng, database, steps, &sum);
            }
            after = os_fault_crash(disk, &rng);
            if (!os_fault_has_failed(disk) && dies_at_call)
                os_fault_fail_at(disk, 0, OCT_IO, true); /* nothing of the closing matters any more */
            (void)oct_close(database, NULL);
            os_free(disk);
            disk = after;
            sum.crashes++;

            database = world_open(disk, &error);
            CHECK_MSG(database != NULL, "%s, after the crash: %s", when, error.text);
            if (database == NULL)
                break;
            sum.behind += known.count > 1;
            if (!settle(&known, database, when))
                sum.behind--;
            if (test_below(&rng, 2) == 0)
                CHECK_OK(oct_close(database, NULL));
            else {
                /* Or it dies again, right after recovering. */
                after = os_fault_crash(disk, &rng);
                (void)oct_close(database, NULL);
                os_free(disk);
                disk = after;
            }
        }
        states_forget(&known, 0);
        os_free(disk);
    }
    printf("  %llu crashes, %llu operations, %llu with more than one possible state, %llu checkpoints\n",
           (unsigned long long)sum.crashes, (unsigned long long)sum.operations,
           (unsigned long long)sum.behind, (unsigned long long)sum.checkpoints);
    CHECK(sum.checkpoints > sum.crashes / 10 && sum.refused > 0);
    shard_move_documents_after(0);
    points_reclaim_after(0);
}

/* --- every sync point --------------------------------------------------------------------------------------- */

#define POINTS_A_HISTORY 400u /* and what its last operation adds: a checkpoint alone has a hundred */
#define IMAGES_A_POINT   3u /* disks that may be found after one and the same crash */

/* A disk as it was found at a sync point: the database on it is in the state after operation `first`, or a later one up to
 * `last`. */
typedef struct image {
    struct image *next;
    os           *disk;
    uint64_t      first, last;
} image;

typedef struct simulation {
    os              *disk;
    _Atomic uint64_t durable;  /* the last operation that was acknowledged */
    _Atomic uint64_t begun;    /* the last that was begun */
    pthread_mutex_t  lock;     /* guards the next lines */
    test_rng         rng;
    image           *images;
    uint64_t         points;
    world           *states[STATES_MAX]; /* the main thread's: after operation base + i */
    uint64_t         base, count;
    uint64_t         behind, again;
} simulation;

/* Any thread of the database, about to sync. */
static void
take_images(void *context)
{
    simulation *self = context;

    (void)pthread_mutex_lock(&self->lock);
    for (uint32_t i = 0; i < IMAGES_A_POINT; i++) {
        image *made = calloc(1, sizeof *made);

        OCT_MUST(made != NULL);
        made->first = atomic_load(&self->durable); /* before, and the last one after */
        made->disk = os_fault_crash(self->disk, &self->rng);
        made->last = atomic_load(&self->begun);
        made->next = self->images;
        self->images = made;
        self->points++;
    }
    (void)pthread_mutex_unlock(&self->lock);
}

/* Which of the states the database on the disk is in; it is checked, and now and then dies again at once. */
static void
look_at(simulation *self, image *found, test_rng *rng, const char *when)
{
    oct_error     error = {0}, first = {0};
    bool          settled = false;
    oct_database *database = world_open(found->disk, &error);

    CHECK_MSG(database != NULL, "%s: does not open: %s", when, error.text);
    if (database == NULL)
        return;
    if (test_below(rng, 5) == 0) {
        os *after = os_fault_crash(found->disk, rng);

        (void)oct_close(database, NULL);
        os_free(found->disk);
        found->disk = after;
        database = world_open(after, &error);
        self->again++;
        CHECK_MSG(database != NULL, "%s: does not open a second time: %s", when, error.text);
        if (database == NULL)
            return;
    }
    for (uint64_t at = found->last; !settled && at + 1 > found->first; at--) {
        const world *state = self->states[at - self->base];

        settled = world_compare(state, database, true, &error) == OCT_OK;
        if (settled) {
            self->behind += at < found->last;
            CHECK_MSG(world_verify(state, database, &error) == OCT_OK, "%s: %s", when, error.text);
        } else if (first.text[0] == '\0') {
            first = error;
        }
        if (at == 0)
            break;
    }
    CHECK_MSG(settled, "%s: in none of the states after operations %llu to %llu; for the last: %s", when,
              (unsigned long long)found->first, (unsigned long long)found->last, first.text);
    (void)oct_close(database, NULL);
}

static void
look_at_all(simulation *self, test_rng *rng, uint64_t seed)
{
    for (;;) {
        image *found;
        char   when[80];

        (void)pthread_mutex_lock(&self->lock);
        found = self->images;
        if (found != NULL)
            self->images = found->next;
        (void)pthread_mutex_unlock(&self->lock);
        if (found == NULL)
            break;
        (void)snprintf(when, sizeof when, "seed %llu, crash in operations %llu to %llu", (unsigned long long)seed,
                       (unsigned long long)found->first, (unsigned long long)found->last);
        if (!test_has_failed())
            look_at(self, found, rng, when);
        os_free(found->disk);
        free(found);
    }
    /* Images to come are of states from the last durable one on. */
    while (self->base < atomic_load(&self->durable)) {
        free(self->states[0]);
        memmove(&self->states[0], &self->states[1], --self->count * sizeof self->states[0]);
        self->base++;
    }
}

static void
simulate(uint64_t seed, uint64_t operations, uint64_t points_max, uint64_t totals_of[3])
{
    simulation    self = {.disk = world_disk(), .lock = PTHREAD_MUTEX_INITIALIZER, .rng = test_rng_seed(seed * 77)};
    test_rng      rng = test_rng_seed(seed);
    oct_error     error = {0};
    oct_database *database;

    self.states[0] = world_new();
    self.count = 1;
    os_fault_on_sync(self.disk, take_images, &self);
    database = world_open(self.disk, &error);
    OCT_MUST(database != NULL);
    for (uint64_t i = 0; i < operations && self.points < points_max && self.count < STATES_MAX && !test_has_failed(); i++) {
        const world_op op = i < 2 ? WORLD_CREATE : world_pick_any(&rng);
        const bool     waits = test_below(&rng, 3) > 0;
        const world   *before = self.states[self.count - 1];
        world         *after = world_copy(before);
        oct_status     status;

        atomic_store(&self.begun, self.base + self.count);
        status = world_step(after, &rng, database, op, waits, &error);
        CHECK_MSG(status == OCT_OK, "seed %llu, operation %d: %d, %s", (unsigned long long)seed, (int)op, (int)status, error.text);
        self.states[self.count++] = after;
        /* The log is in order: who waits, waits for all before. What had nothing to do may not have waited at all. */
        if ((waits || world_op_waits(op)) && op != WORLD_OPTIMIZE && op != WORLD_WRONG &&
            (op == WORLD_CHECKPOINT || memcmp(after, before, sizeof *after) != 0))
            atomic_store(&self.durable, self.base + self.count - 1);
        look_at_all(&self, &rng, seed);
        if (test_below(&rng, 40) == 0) { /* a life ends well, and another begins */
            CHECK_OK(oct_close(database, NULL));
            atomic_store(&self.durable, self.base + self.count - 1);
            database = world_open(self.disk, &error);
            CHECK_MSG(database != NULL, "seed %llu: %s", (unsigned long long)seed, error.text);
            if (database == NULL)
                break;
            look_at_all(&self, &rng, seed);
        }
    }
    (void)oct_close(database, NULL);
    look_at_all(&self, &rng, seed);
    while (self.count > 0)
        free(self.states[--self.count]);
    os_free(self.disk);
    totals_of[0] += self.points;
    totals_of[1] += self.behind;
    totals_of[2] += self.again;
}

/* Goal:   the power may go at any sync of any file or folder: the database opens, in a state that it was in, no earlier than
 *         the last acknowledged operation; invariants hold; also if it goes again while that is being recovered.
 * Method: random histories of everything there is: collections, aliases, points, payloads, all kinds of vectors, names
 *         and payload indexes that come and go, settings, compactions, checkpoints, snapshots and their recovery. Before
 *         every sync, of whichever thread, three disks are made of what is there: each unsynced write kept, dropped or
 *         torn, each unsynced name kept or dropped. Each is opened, compared with the model, searched and checked.
 *         1,500 disks; OCTANT_TEST_SCALE=70 makes it 105,000 (`make simulate`). Seeds from 3001 on. */
TEST(power_may_go_at_any_sync)
{
    const uint64_t wanted = test_scaled(1500);
    uint64_t       totals_of[3] = {0}, seed = 3001;

    shard_move_documents_after(2000); /* documents move often */
    points_reclaim_after(3);          /* numbers come back often */
    for (; totals_of[0] < wanted && !test_has_failed(); seed++)
        simulate(seed, 40 + seed % 4 * 40, size_min(POINTS_A_HISTORY, wanted - totals_of[0]), totals_of);
    printf("  %llu disks from %llu histories, %llu in an earlier state than the last begun, %llu died twice\n",
           (unsigned long long)totals_of[0], (unsigned long long)(seed - 3001), (unsigned long long)totals_of[1],
           (unsigned long long)totals_of[2]);
    CHECK(totals_of[1] > wanted / 50 && totals_of[2] > wanted / 20);
    shard_move_documents_after(0);
    points_reclaim_after(0);
}

/* --- the policies that sync less ------------------------------------------------------------------------------ */

/* Goal:   with the policies interval and never a crash may cost writes, but leaves a state that there was, and never
 * less
 *         than the last checkpoint.
 * Method: as above, without waiting for durability; 60 lives. Seeds 861 to 920. */
TEST(lazy_syncs_lose_only_the_newest)
{
    for (uint64_t seed = 861; seed < 861 + test_scaled(60) && !test_has_failed(); seed++) {
        test_rng rng = test_rng_seed(seed);
        states   known = {0};
        os      *disk = world_disk();

        states_add(&known, world_new());
        for (uint32_t round = 0; round < 4 && !test_has_failed(); round++) {
            const oct_open_options options = {.path = WORLD_PATH,
                                              .threads = 2,
                                              .sync_interval_ms = 1,
                                              .sync = seed % 2 == 0 ? OCT_SYNC_NEVER : OCT_SYNC_INTERVAL};
            oct_error              error = {0};
            oct_database          *database = NULL;
            os                    *after;
            char                   when[64];

            (void)snprintf(when, sizeof when, "seed %llu, round %u", (unsigned long long)seed, round);
            CHECK_MSG(database_open_on(disk, &options, &database, &error) == OCT_OK, "%s: %s", when,
                      error.text);
            if (database == NULL)
                break;
            (void)settle(&known, database, when);
            for (uint64_t i = test_below(&rng, 30); i > 0; i--) {
                const world_op op = world_pick(&rng, true);

                states_add(&known, world_copy(known.items[known.count - 1]));
                CHECK_MSG(world_step(known.items[known.count - 1], &rng, database, op, true, &error) ==
                              OCT_OK,
                          "%s, operation %d: %s", when, (int)op, error.text);
                if (op == WORLD_CHECKPOINT)
                    states_forget(&known, 1);
            }
            after = os_fault_crash(disk, &rng);
            (void)oct_close(database, NULL);
            os_free(disk);
            disk = after;
        }
        states_forget(&known, 0);
        os_free(disk);
    }
}

/* Goal:   records that a checkpoint covers and that were not yet synced do not let later ones be passed over: after
 * a crash
 *         sequences go on behind what the checkpoint knows.
 * Method: unwaited writes, a checkpoint, a crash, acknowledged writes, a crash. Files of shards know more than the
 *         manifest's log position. Seeds 931 to 960. */
TEST(acknowledged_writes_after_a_crash_are_replayed)
{
    for (uint64_t seed = 931; seed < 961 && !test_has_failed(); seed++) {
        test_rng rng = test_rng_seed(seed);
        states   known = {0};
        os      *disk = world_disk(), *after;

        states_add(&known, world_new());
        for (uint32_t round = 0; round < 4 && !test_has_failed(); round++) {
            oct_error     error = {0};
            oct_database *database;

            os_fault_slow_sync(disk, 200); /* records wait for their sync while a checkpoint goes on */
            database = world_open(disk, &error);
            CHECK_MSG(database != NULL, "seed %llu: %s", (unsigned long long)seed, error.text);
            if (database == NULL || !settle(&known, database, "opened"))
                break;
            for (int i = 0; i < 12; i++) {
                const bool waits = i > 8;

                states_add(&known, world_copy(known.items[known.count - 1]));
                CHECK_OK(world_step(known.items[known.count - 1], &rng, database,
                                    i < 3 && round == 0 ? WORLD_CREATE : WORLD_UPSERT, waits, &error));
                if (i == 5 || i == 7)
                    database_consider_checkpoint(database, true);
                if (waits &&
                    memcmp(known.items[known.count - 1], known.items[known.count - 2], sizeof(world)) != 0)
                    states_forget(&known, 1);
            }
            after = os_fault_crash(disk, &rng);
            os_fault_slow_sync(disk, 0);
            (void)oct_close(database, NULL);
            os_free(disk);
            disk = after;
        }
        states_forget(&known, 0);
        os_free(disk);
    }
}
