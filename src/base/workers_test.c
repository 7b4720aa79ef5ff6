/* The pool: every job once, every item of a split once, from everywhere. */
#include "base/workers.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "support/test.h"

#define ITEMS_MAX 5000u

typedef struct tally {
    workers         *pool;
    _Atomic uint32_t done[ITEMS_MAX];
    _Atomic uint32_t at_work[WORKERS_MAX + 1]; /* by worker number: at most one at a time */
    _Atomic uint64_t wrong;
    _Atomic uint32_t now, most; /* threads at work on it, and the most there were */
    uint32_t         threads_max;
} tally;

static void
count_item(void *context, size_t item, uint32_t worker)
{
    tally   *self = context;
    uint32_t now = atomic_fetch_add(&self->now, 1) + 1, most = atomic_load(&self->most);

    while (now > most && !atomic_compare_exchange_weak(&self->most, &most, now))
        continue;
    if (worker > workers_count(self->pool) || atomic_fetch_add(&self->at_work[worker], 1) != 0)
        (void)atomic_fetch_add(&self->wrong, 1);
    (void)atomic_fetch_add(&self->done[item], 1);
    (void)atomic_fetch_sub(&self->at_work[worker], 1);
    (void)atomic_fetch_sub(&self->now, 1);
}

static void
check_tally(tally *self, size_t count)
{
    for (size_t i = 0; i < countof(self->done); i++)
        CHECK_MSG(self->done[i] == (i < count), "item %zu of %zu was done %u times", i, count, self->done[i]);
    CHECK_INT(self->wrong, 0);
    memset((void *)self->done, 0, sizeof self->done);
}

/* Goal:   each item once, worker numbers in range and never two at a time with one, never more threads than asked for.
 * Method: pools of 1 to 8 threads, splits of 0 to 5000 items. */
TEST(split_does_every_item_once)
{
    static const uint32_t pools[] = {1, 2, 3, 8};
    static const size_t   counts[] = {0, 1, 2, 3, 7, 100, ITEMS_MAX};
    static const uint32_t limits[] = {0, 1, 2, 3, 100};

    for (size_t p = 0; p < countof(pools); p++) {
        workers *pool;
        tally    self = {0};

        CHECK_OK(workers_new(pools[p], &pool, NULL));
        CHECK_INT(workers_count(pool), pools[p]);
        self.pool = pool;
        for (size_t c = 0; c < countof(counts); c++) {
            for (size_t l = 0; l < countof(limits); l++) {
                atomic_store(&self.most, 0);
                workers_split(pool, counts[c], limits[l], count_item, &self);
                check_tally(&self, counts[c]);
                CHECK(self.most <= (limits[l] == 0 ? pools[p] : limits[l]));
            }
        }
        workers_free(pool);
    }
    workers_free(NULL);
}

typedef struct jobs {
    workers         *pool;
    _Atomic uint32_t ran;
    uint32_t         order[1000];
    uint32_t         order_count;
} jobs;

typedef struct numbered {
    jobs    *of;
    uint32_t number;
} numbered;

static void
note_job(void *context)
{
    numbered *self = context;

    self->of->order[self->of->order_count++] = self->number; /* one worker: no race */
    (void)atomic_fetch_add(&self->of->ran, 1);
}

/* Goal:   jobs run once, in order; workers_free runs what is queued.
 * Method: one worker, 1000 jobs, freed at once. */
TEST(jobs_run_once_in_order_before_the_pool_ends)
{
    static jobs     all;
    static numbered each[1000];

    memset(&all, 0, sizeof all);
    CHECK_OK(workers_new(1, &all.pool, NULL));
    for (uint32_t i = 0; i < countof(each); i++) {
        each[i] = (numbered){&all, i};
        CHECK(workers_submit(all.pool, note_job, &each[i]));
    }
    workers_free(all.pool);
    CHECK_INT(all.ran, countof(each));
    for (uint32_t i = 0; i < countof(each); i++)
        CHECK_INT(all.order[i], i);
}

/* --- splits within splits, from many threads --------------------------------------------------------- */

typedef struct nest {
    workers         *pool;
    _Atomic uint64_t leaves;
    _Atomic uint32_t jobs_left;
} nest;

static void
count_leaf(void *context, size_t item, uint32_t worker)
{
    (void)item, (void)worker;
    (void)atomic_fetch_add(&((nest *)context)->leaves, 1);
}

static void
split_again(void *context, size_t item, uint32_t worker)
{
    nest *self = context;

    (void)worker;
    workers_split(self->pool, 10 + item % 7, 0, count_leaf, self);
}

static void
split_in_job(void *context)
{
    nest *self = context;

    workers_split(self->pool, 21, 0, split_again, self);
    (void)atomic_fetch_sub(&self->jobs_left, 1);
}

static void *
split_from_thread(void *context)
{
    nest *self = context;

    for (int i = 0; i < 20; i++)
        workers_split(self->pool, 21, 0, split_again, self);
    return NULL;
}

/* Goal:   splits inside items, inside jobs and from several threads at once all end, each item done once.
 * Method: 21 items of 10 to 16 leaves; 4 threads x 20 times and 40 jobs; pools of 1, 2 and 5 threads. */
TEST(splits_nest_and_come_from_everywhere)
{
    const uint64_t leaves = 3 * (10 + 11 + 12 + 13 + 14 + 15 + 16);

    for (uint32_t threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
        nest      self = {.jobs_left = 40};
        pthread_t others[4];

        CHECK_OK(workers_new(threads, &self.pool, NULL));
        for (int i = 0; i < 40; i++)
            CHECK(workers_submit(self.pool, split_in_job, &self));
        for (size_t i = 0; i < countof(others); i++)
            OCT_MUST(pthread_create(&others[i], NULL, split_from_thread, &self) == 0);
        for (size_t i = 0; i < countof(others); i++)
            OCT_MUST(pthread_join(others[i], NULL) == 0);
        workers_free(self.pool);
        CHECK_INT(self.jobs_left, 0);
        CHECK_INT(self.leaves, leaves * (40 + 4 * 20));
    }
}

/* --- jobs side by side -------------------------------------------------------------------------------- */

typedef struct meeting {
    _Atomic uint32_t here;
    uint32_t         wanted;
} meeting;

static void
meet(void *context)
{
    meeting *self = context;

    (void)atomic_fetch_add(&self->here, 1);
    /* Bounded, so that a failure is a failed check and not a test that hangs. */
    for (int i = 0; i < 5000 && atomic_load(&self->here) < self->wanted; i++)
        (void)usleep(1000);
}

/* Goal:   a pool of n threads runs n jobs side by side: none waits behind another while a thread could be had.
 * Method: n jobs that each wait until all n have begun. Some threads are idle already, others not started; 100
 * times, as
 *         a wake-up is lost only now and then. */
TEST(jobs_run_side_by_side)
{
    for (uint32_t round = 0; round < 100 && !test_has_failed(); round++) {
        const uint32_t threads = 2 + round % 3;
        meeting        warm = {.wanted = 1 + round % 2}, all = {.wanted = threads};
        workers       *pool;

        CHECK_OK(workers_new(threads, &pool, NULL));
        for (uint32_t i = 0; i < warm.wanted; i++)
            CHECK(workers_submit(pool, meet, &warm));
        while (atomic_load(&warm.here) < warm.wanted)
            (void)sched_yield();
        if (round % 4 < 2)
            (void)usleep(500); /* let them fall idle */
        for (uint32_t i = 0; i < threads; i++)
            CHECK(workers_submit(pool, meet, &all));
        workers_free(pool);
        CHECK_INT(all.here, threads);
    }
}

/* Goal:   a job that waits can be taken back, one that runs cannot; the others run.
 * Method: one worker is held up by a first job; of five behind it the first, a middle one and the last are
 * cancelled. */
TEST(waiting_jobs_can_be_cancelled)
{
    static jobs     all;
    static numbered each[5];
    meeting         first = {.wanted = 2};

    memset(&all, 0, sizeof all);
    CHECK_OK(workers_new(1, &all.pool, NULL));
    CHECK(!workers_cancel(all.pool, meet, &first));
    CHECK(workers_submit(all.pool, meet, &first));
    while (atomic_load(&first.here) < 1)
        (void)sched_yield();
    for (uint32_t i = 0; i < countof(each); i++) {
        each[i] = (numbered){&all, i};
        CHECK(workers_submit(all.pool, note_job, &each[i]));
    }
    CHECK(!workers_cancel(all.pool, meet, &first));
    CHECK(workers_cancel(all.pool, note_job, &each[0]));
    CHECK(workers_cancel(all.pool, note_job, &each[2]));
    CHECK(workers_cancel(all.pool, note_job, &each[4]));
    CHECK(!workers_cancel(all.pool, note_job, &each[4]));
    CHECK(workers_submit(all.pool, note_job, &each[4]));
    (void)atomic_fetch_add(&first.here, 1);
    workers_free(all.pool);
    CHECK_INT(all.ran, 3);
    CHECK(all.order[0] == 1 && all.order[1] == 3 && all.order[2] == 4);
}

/* Goal:   without memory a job is refused, not lost; a split needs none.
 * Method: all allocations fail. */
TEST(split_needs_no_memory)
{
    workers *pool;
    tally    self = {0};
    meeting  never = {.wanted = 1};

    CHECK_OK(workers_new(3, &pool, NULL));
    self.pool = pool;
    oct_alloc_fail_after(0, true);
    CHECK(!workers_submit(pool, meet, &never));
    workers_split(pool, 500, 0, count_item, &self);
    oct_alloc_fail_after(UINT64_MAX, false);
    check_tally(&self, 500);
    workers_free(pool);
    CHECK_INT(never.here, 0);
    oct_alloc_fail_after(0, false);
    CHECK_STATUS(workers_new(3, &pool, NULL), OCT_NOMEM);
    CHECK(pool == NULL);
}

enum { LONG_THREADS = 3, LONG_ITEMS = 40000, LONG_SUBMITS = 100 };

typedef struct long_split {
    workers         *pool;
    _Atomic bool     job_done;
    _Atomic uint32_t worker_max;
    _Atomic uint32_t at_work[8];
    _Atomic uint32_t shared; /* items that met another with their number */
} long_split;

static void
note_done(void *context)
{
    atomic_store(&((long_split *)context)->job_done, true);
}

/* Items last a millisecond until the job is done, and then no longer. */
static void
long_item(void *context, size_t item, uint32_t worker)
{
    long_split           *self = context;
    const struct timespec pause = {.tv_nsec = 1000000};
    uint32_t              seen = atomic_load(&self->worker_max);

    if (atomic_fetch_add(&self->at_work[worker], 1) > 0)
        atomic_fetch_add(&self->shared, 1);
    while (worker > seen && !atomic_compare_exchange_weak(&self->worker_max, &seen, worker))
        continue;
    if (item == LONG_SUBMITS)
        CHECK(workers_submit(self->pool, note_done, self));
    if (!atomic_load(&self->job_done))
        (void)nanosleep(&pause, NULL);
    atomic_fetch_sub(&self->at_work[worker], 1);
}

/* Goal:   a job is done while a split goes on, though all threads help with it; helpers that come back keep to their numbers.
 * Method: 40,000 items of a millisecond, which would take ten seconds; the hundredth submits the job, after which items take
 *         no time. */
TEST(a_job_does_not_wait_for_the_end_of_a_long_split)
{
    long_split self = {.job_done = false};
    workers   *pool;

    CHECK_INT(workers_new(LONG_THREADS, &pool, NULL), OCT_OK);
    self.pool = pool;
    for (unsigned round = 0; round < 3; round++) {
        atomic_store(&self.job_done, false);
        workers_split(pool, LONG_ITEMS, 0, long_item, &self);
        CHECK_MSG(atomic_load(&self.job_done), "the job waited for %u items", (unsigned)LONG_ITEMS);
    }
    CHECK_INT(atomic_load(&self.shared), 0);
    CHECK(atomic_load(&self.worker_max) <= LONG_THREADS);
    workers_free(pool);
}
