/* The log when the power goes, when calls fail, when memory runs out. The quiet life is in log_test.c. */
#include "storage/log_test.h"

#include <pthread.h>

#define FOLDER        "/data/log"
#define SEQUENCES_MAX 20000u

static os *
disk_new(void)
{
    os *disk = os_fault_new();

    OCT_MUST(os_make_dir(disk, "/data", NULL) == OCT_OK);
    OCT_MUST(os_sync_dir(disk, "/", NULL) == OCT_OK);
    return disk;
}

/* What is known about a log across crashes. */
typedef struct story {
    history     of;
    test_rng    rng;
    os         *disk;
    log_options options;
    uint64_t    checkpoint; /* durable elsewhere, so the log may forget up to here */
    uint64_t    safe;       /* acknowledged as durable: must be there after any crash */
    uint64_t    last;       /* appended: nothing beyond may ever be read */
    uint64_t    records, losses, torn;
} story;

/* Append, wait, sync, checkpoint at random, until the machine dies (calls fail) or the steps are over. */
static void
live(story *self, write_log *log)
{
    const uint64_t steps = test_below(&self->rng, 120);

    for (uint64_t step = 0; step < steps; step++) {
        oct_status status = OCT_OK;

        switch (test_below(&self->rng, 8)) {
        case 0:
            if (self->last == 0)
                break;
            self->checkpoint += test_below(&self->rng, self->last - self->checkpoint + 1);
            status = log_truncate(log, self->checkpoint, NULL);
            break;
        case 1:
            status = log_sync(log, NULL);
            if (status == OCT_OK)
                self->safe = self->last;
            break;
        case 2:
        case 3:
            status = log_wait(log, self->last, NULL);
            if (status == OCT_OK && self->options.sync == OCT_SYNC_ALWAYS)
                self->safe = self->last;
            break;
        default:
            status = history_append(&self->of, log, NULL);
            if (status == OCT_OK) {
                self->last++;
                self->records++;
            }
        }
        if (status != OCT_OK)
            break;
    }
}

/* The disk read again after the power (or only the process) went: everything safe is there, in order, and nothing
 * else. */
static void
check_after_crash(story *self)
{
    oct_error  error = {0};
    write_log *log;
    oct_status status;

    os_fault_fail_at(self->disk, UINT64_MAX, OCT_OK, false);
    status = history_open(&self->of, &self->options, self->checkpoint, &log, &error);
    CHECK_MSG(status == OCT_OK, "seed %llu: %s", (unsigned long long)self->of.seed, error.text);
    if (status != OCT_OK)
        return;
    CHECK_MSG(
        log_last_sequence(log) >= self->safe && log_last_sequence(log) >= self->checkpoint &&
            log_last_sequence(log) <= self->last,
        "seed %llu: %llu records after the crash, %llu were safe, %llu in the checkpoint, %llu appended",
        (unsigned long long)self->of.seed, (unsigned long long)log_last_sequence(log),
        (unsigned long long)self->safe, (unsigned long long)self->checkpoint, (unsigned long long)self->last);
    self->torn += log_torn_bytes(log) > 0;
    self->losses += log_last_sequence(log) < self->last;
    self->last = self->safe = log_last_sequence(log);
    CHECK_OK(log_close(log, NULL));
}

/* Goal:   whatever the moment, a crash costs no record that was acknowledged, invents none, and is never
 *         taken for damage.
 * Method: 400 lives of 5 crashes each. The machine dies at a random call (all later ones fail) or
 *         while the log thread is at work; each unsynced write and name is kept, dropped or torn.
 *         Sometimes only the process dies first, and the disk later. Small files, so that rotation and truncation
 *         are always near. Bodies given twice differ. Seeds 1 to 400. */
TEST(crash_at_any_moment_costs_nothing_acknowledged)
{
    uint64_t records = 0, crashes = 0, losses = 0, stops = 0, torn = 0;

    for (uint64_t seed = 1; seed <= REPETITIONS(400) && !test_has_failed(); seed++) {
        story self = {.of = {seed, 2500, calloc(SEQUENCES_MAX, sizeof(uint32_t))},
                      .rng = test_rng_seed(seed)};

        self.disk = disk_new();
        self.options = (log_options){.path = FOLDER, .segment_bytes = 4000, .sync_interval_ms = 1};
        for (int round = 0; round < 5; round++) {
            write_log *log;
            os        *after;

            self.options.system = self.disk;
            self.options.sync =
                test_below(&self.rng, 3) > 0 ? OCT_SYNC_ALWAYS : (oct_sync)test_below(&self.rng, 3);
            if (test_below(&self.rng, 3) > 0)
                os_fault_fail_at(self.disk, test_below(&self.rng, 150), OCT_IO, true);
            if (history_open(&self.of, &self.options, self.checkpoint, &log, NULL) == OCT_OK)
                live(&self, log);
            stops += log != NULL && log_stopped(log);
            if (test_below(&self.rng, 3) == 0) {
                /* First only the process dies: the next one reads what may not be on the disk, and what it
                 * has read it must be able to rely on. */
                (void)log_close(log, NULL);
                log = NULL;
                check_after_crash(&self);
            }
            after = os_fault_crash(self.disk, &self.rng);
            (void)log_close(log, NULL);
            os_free(self.disk);
            self.disk = after;
            self.options.system = after;
            crashes++;
            check_after_crash(&self);
        }
        records += self.records;
        losses += self.losses;
        torn += self.torn;
        os_free(self.disk);
        free(self.of.attempts);
    }
    CHECK_MSG(crashes == REPETITIONS(2000) && losses > crashes / 10 && torn > crashes / 20 &&
                  stops > crashes / 10 && records > 3 * crashes,
              "%llu records, %llu crashes: %llu lost records, %llu tore one, %llu stops",
              (unsigned long long)records, (unsigned long long)crashes, (unsigned long long)losses,
              (unsigned long long)torn, (unsigned long long)stops);
}

typedef struct racer {
    history          of;
    write_log       *log;
    _Atomic uint64_t safe; /* released after the wait, so a crash taken later must hold it */
    _Atomic bool     stop;
} racer;

static void *
append_until_told(void *context)
{
    racer   *self = context;
    test_rng rng = test_rng_seed(self->of.seed);

    while (!atomic_load(&self->stop) && log_last_sequence(self->log) < SEQUENCES_MAX / 2) {
        for (uint64_t count = 1 + test_below(&rng, 20); count > 0; count--)
            CHECK_OK(history_append(&self->of, self->log, NULL));
        CHECK_OK(log_wait(self->log, log_last_sequence(self->log), NULL));
        atomic_store(&self->safe, log_last_sequence(self->log));
    }
    return NULL;
}

/* Goal:   the same when batches are large and in flight at the crash.
 * Method: one thread appends runs of up to 20 records without pause; 100 crashes are taken meanwhile. */
TEST(crash_in_the_middle_of_a_batch_is_no_damage)
{
    racer       self = {.of = {31, 1000, NULL}};
    os         *disk = disk_new();
    log_options options = {.system = disk, .path = FOLDER, .segment_bytes = 100000};
    test_rng    rng = test_rng_seed(31);
    pthread_t   thread;

    os_fault_slow_sync(disk, 100);
    CHECK_OK(history_open(&self.of, &options, 0, &self.log, NULL));
    OCT_MUST(pthread_create(&thread, NULL, append_until_told, &self) == 0);
    for (int i = 0; i < REPETITIONS(100) && !test_has_failed(); i++) {
        const uint64_t safe = atomic_load(&self.safe);
        os            *after = os_fault_crash(disk, &rng);
        oct_error      error = {0};
        oct_status     status;
        write_log     *log;

        options.system = after;
        status = history_open(&self.of, &options, 0, &log, &error);
        CHECK_MSG(status == OCT_OK, "crash %d: %s", i, error.text);
        if (status == OCT_OK) {
            CHECK_MSG(log_last_sequence(log) >= safe, "crash %d: %llu of %llu", i,
                      (unsigned long long)log_last_sequence(log), (unsigned long long)safe);
            CHECK_OK(log_close(log, NULL));
        }
        os_free(after);
    }
    atomic_store(&self.stop, true);
    OCT_MUST(pthread_join(thread, NULL) == 0);
    CHECK_OK(log_close(self.log, NULL));
    os_free(disk);
}

/* Goal:   who opens for reading beside a living writer sees a prefix, and never calls it damage.
 * Method: 300 openings for reading while a thread appends. */
TEST(reader_beside_a_writer_sees_a_prefix)
{
    racer       self = {.of = {35, 1000, NULL}};
    os         *disk = disk_new();
    log_options options = {.system = disk, .path = FOLDER, .segment_bytes = 100000};
    pthread_t   thread;

    os_fault_slow_sync(disk, 50);
    CHECK_OK(history_open(&self.of, &options, 0, &self.log, NULL));
    OCT_MUST(pthread_create(&thread, NULL, append_until_told, &self) == 0);
    options.read_only = true;
    for (int i = 0; i < REPETITIONS(300) && !test_has_failed(); i++) {
        const uint64_t safe = atomic_load(&self.safe);
        oct_error      error = {0};
        write_log     *log;
        oct_status     status = history_open(&self.of, &options, 0, &log, &error);

        CHECK_MSG(status == OCT_OK, "opening %d: %s", i, error.text);
        if (status == OCT_OK) {
            CHECK_MSG(log_last_sequence(log) >= safe, "opening %d: %llu of %llu", i,
                      (unsigned long long)log_last_sequence(log), (unsigned long long)safe);
            CHECK_OK(log_close(log, NULL));
        }
    }
    atomic_store(&self.stop, true);
    OCT_MUST(pthread_join(thread, NULL) == 0);
    CHECK_OK(log_close(self.log, NULL));
    os_free(disk);
}

/* --- faults ---------------------------------------------------------------------------------- */

typedef struct outcome {
    uint64_t safe, last; /* acknowledged; appended */
    bool     was_stopped;
} outcome;

/* A fixed life of a log; failures are noted and life goes on. */
static outcome
live_through(os *disk, const history *of)
{
    const log_options options = {.system = disk, .path = FOLDER, .segment_bytes = 3000};
    outcome           result = {0};
    write_log        *log;
    oct_error         error = {0};
    oct_status        status = history_open(of, &options, 0, &log, &error);

    if (status != OCT_OK) {
        CHECK(log == NULL && error.status == status && error.text[0] != '\0');
        return result;
    }
    for (uint64_t i = 1; i <= 30; i++) {
        const uint64_t before = log_last_sequence(log);

        status = history_append(of, log, &error);
        CHECK_INT(log_last_sequence(log), status == OCT_OK ? before + 1 : before);
        CHECK_MSG(status == OCT_OK || (error.status == status && error.text[0] != '\0'), "append says %d",
                  (int)status);
        result.last = log_last_sequence(log);
        if (i % 3 == 0) {
            status = log_wait(log, result.last, &error);
            CHECK_MSG(status == OCT_OK || (status == OCT_STOPPED && log_stopped(log)), "wait says %d",
                      (int)status);
            if (status == OCT_OK)
                result.safe = result.last;
        }
        if (i == 20) { /* the checkpoint itself is not part of this: the log must not lose more */
            status = log_truncate(log, 0, &error);
            CHECK_OK(status);
        }
    }
    result.was_stopped = log_stopped(log);
    if (result.was_stopped) {
        CHECK_STATUS(history_append(of, log, &error), OCT_STOPPED);
        CHECK_MSG(strstr(error.text, "could not be written: ") != NULL, "%s", error.text);
        CHECK_STATUS(log_sync(log, NULL), OCT_STOPPED);
    }
    status = log_close(log, NULL);
    CHECK_MSG(status == OCT_OK || status == OCT_STOPPED, "close says %d", (int)status);
    if (status == OCT_OK)
        result.safe = result.last;
    return result;
}

static void
check_outcome(os *disk, const history *of, outcome result, uint64_t n)
{
    const log_options options = {.system = disk, .path = FOLDER, .segment_bytes = 3000};
    oct_error         error = {0};
    write_log        *log;
    oct_status        status = history_open(of, &options, 0, &log, &error);

    CHECK_MSG(status == OCT_OK, "fault at %llu: %s", (unsigned long long)n, error.text);
    if (status != OCT_OK)
        return;
    CHECK_MSG(log_last_sequence(log) >= result.safe && log_last_sequence(log) <= result.last,
              "fault at %llu: %llu records, %llu safe, %llu appended", (unsigned long long)n,
              (unsigned long long)log_last_sequence(log), (unsigned long long)result.safe,
              (unsigned long long)result.last);
    CHECK_OK(history_append(of, log, NULL));
    CHECK_OK(log_close(log, NULL));
}

/* Goal:   a call that fails is told to who must know, costs nothing acknowledged, and after a failed write or
 *         sync the log trusts the disk no more.
 * Method: the n-th call of a fixed life fails, alone or with all that follow, for every n, with OCT_IO and
 *         OCT_FULL; then the log is opened on the same disk. */
TEST(every_call_may_fail)
{
    const history    of = {32, 1500, NULL};
    const oct_status kinds[] = {OCT_IO, OCT_FULL};
    int              stops = 0, refusals = 0;

    for (int kind = 0; kind < 4; kind++) {
        bool failed = true;

        for (uint64_t n = 0; failed && !test_has_failed(); n++) {
            os     *disk = disk_new();
            outcome result;

            os_fault_fail_at(disk, n, kinds[kind % 2], kind >= 2);
            result = live_through(disk, &of);
            failed = os_fault_has_failed(disk);
            os_fault_fail_at(disk, UINT64_MAX, OCT_OK, false);
            check_outcome(disk, &of, result, n);
            stops += result.was_stopped;
            refusals += failed && !result.was_stopped;
            os_free(disk);
        }
    }
    CHECK_MSG(stops > 100 && refusals > 20, "%d stops, %d refusals", stops, refusals);
}

/* The same with memory instead of the disk. What the disk itself allocates may fail too: then it is a call
 * that fails. */
TEST(every_allocation_may_fail)
{
    const history of = {33, 1500, NULL};

    for (int sticky = 0; sticky < 2; sticky++) {
        for (uint64_t n = 0; n < 150 && !test_has_failed(); n++) {
            os     *disk = disk_new();
            outcome result;

            oct_alloc_fail_after(n, sticky == 1);
            result = live_through(disk, &of);
            oct_alloc_fail_after(UINT64_MAX, false);
            check_outcome(disk, &of, result, n);
            os_free(disk);
        }
    }
}

/* Reading with failing allocations and calls: an error, and the log is as good as before. */
TEST(opening_may_fail_at_every_step)
{
    const history of = {34, 1500, NULL};
    os           *disk = disk_new();
    const outcome result = live_through(disk, &of);
    int           failures = 0;

    CHECK_INT(result.safe, 30);
    for (uint64_t n = 0; n < 300 && !test_has_failed(); n++) {
        const log_options options = {.system = disk, .path = FOLDER, .segment_bytes = 3000};
        reading           read = {&of, 1};
        write_log        *log;
        oct_status        status;

        if (n % 2 == 0)
            oct_alloc_fail_after(n / 2, false);
        else
            os_fault_fail_at(disk, n / 2, OCT_IO, false);
        status = log_open(&options, 0, reading_visit, &read, &log, NULL);
        oct_alloc_fail_after(UINT64_MAX, false);
        os_fault_fail_at(disk, UINT64_MAX, OCT_OK, false);
        CHECK_MSG(status == OCT_OK || status == OCT_NOMEM || status == OCT_IO, "step %llu: %d",
                  (unsigned long long)n, (int)status);
        CHECK((log != NULL) == (status == OCT_OK));
        failures += status != OCT_OK;
        CHECK_OK(log_close(log, NULL));
    }
    CHECK_MSG(failures > 20, "%d failures", failures);
    {
        const log_options options = {.system = disk, .path = FOLDER, .segment_bytes = 3000};
        write_log        *log;

        CHECK_OK(history_open(&of, &options, 0, &log, NULL));
        CHECK_INT(log_last_sequence(log), 30);
        CHECK_OK(log_close(log, NULL));
    }
    os_free(disk);
}
