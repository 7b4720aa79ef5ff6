/* See workers.h. */
#include "base/workers.h"

#include "base/deadline.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#define HELP_NS 10000000u /* while a job waits */

typedef struct job {
    struct job *next;
    void (*run)(void *context);
    void *context;
} job;

/* A split under way. Lives on the stack of its caller, who takes it off the list and waits for the last
 * helper before returning. `next_item` and `done_items` are atomic; the rest is guarded by the pool's lock. */
typedef struct split {
    struct split *next;
    void (*run)(void *context, size_t item, uint32_t worker);
    void          *context;
    size_t         count;
    _Atomic size_t next_item;
    uint32_t       helpers; /* at work now */
    uint32_t       helpers_max;
    uint64_t       busy[WORKERS_MAX / 64]; /* bit i: worker i + 1 is at work */
    deadline       until; /* of the thread that splits, and so of those that help */
} split;

struct workers {
    uint32_t        count;  /* threads wanted; set once */
    pthread_mutex_t lock;   /* guards everything below */
    pthread_cond_t  wake;   /* there is a job or a split, or `ending` */
    pthread_cond_t  helped; /* a helper left a split */
    job            *first, *last;
    _Atomic uint32_t queued;  /* jobs from first to last; read without the lock, too */
    split          *splits;   /* newest first */
    uint32_t        started;  /* threads there are; of these ... */
    uint32_t        starting; /* ... have not looked for work yet, */
    uint32_t        idle;     /* sleep, or were woken and have not looked yet */
    bool            ending;
    pthread_t       threads[WORKERS_MAX];
};

static uint32_t
cpu_count(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (uint32_t)CPU_COUNT(&set);
    return (uint32_t)size_max((size_t)sysconf(_SC_NPROCESSORS_ONLN), 1);
}

oct_status
workers_new(uint32_t count, workers **out, oct_error *error)
{
    workers *self = oct_calloc(1, sizeof *self);

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    self->count = count == 0 ? cpu_count() : count;
    if (self->count > WORKERS_MAX)
        self->count = WORKERS_MAX;
    (void)pthread_mutex_init(&self->lock, NULL);
    (void)pthread_cond_init(&self->wake, NULL);
    (void)pthread_cond_init(&self->helped, NULL);
    *out = self;
    return OCT_OK;
}

uint32_t
workers_count(const workers *self)
{
    return self->count;
}

static void
run_items(split *work, uint32_t worker)
{
    for (;;) {
        const size_t item = atomic_fetch_add(&work->next_item, 1);

        if (item >= work->count)
            return;
        work->run(work->context, item, worker);
    }
}

static uint64_t
now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The same by a helper, which has the jobs to do, too: when one waits, it helps for HELP_NS more. */
static void
help(workers *self, split *work, uint32_t worker)
{
    uint64_t until_ns = 0;

    for (;;) {
        size_t item;

        if (atomic_load_explicit(&self->queued, memory_order_relaxed) == 0)
            until_ns = 0;
        else if (until_ns == 0)
            until_ns = now_ns() + HELP_NS;
        else if (now_ns() >= until_ns)
            return;
        item = atomic_fetch_add(&work->next_item, 1);
        if (item >= work->count)
            return;
        work->run(work->context, item, worker);
    }
}

/* How many more threads could help. Under the lock. */
static uint32_t
places_left(split *work)
{
    const size_t next = atomic_load(&work->next_item);

    return next >= work->count ? 0
                               : (uint32_t)size_min(work->helpers_max - work->helpers, work->count - next);
}

/* A split that has items left and room for a helper, or NULL. Under the lock. */
static split *
find_split(const workers *self)
{
    for (split *work = self->splits; work != NULL; work = work->next) {
        if (places_left(work) > 0)
            return work;
    }
    return NULL;
}

/* The first job, off the queue. Under the lock. */
static job *
take_job(workers *self)
{
    job *taken = self->first;

    if (taken == NULL)
        return NULL;
    self->first = taken->next;
    if (self->first == NULL)
        self->last = NULL;
    self->queued--;
    return taken;
}

/* Of a helper: the least that is free, so that there are no more than helpers_max however often they come and go. There is one,
 * as there is room for a helper. Under the lock. */
static uint32_t
take_number(split *work)
{
    uint32_t word = 0, bit;

    while (work->busy[word] == UINT64_MAX)
        word++;
    bit = (uint32_t)__builtin_ctzll(~work->busy[word]);
    work->busy[word] |= (uint64_t)1 << bit;
    return word * 64 + bit + 1;
}

static void *
worker_main(void *context)
{
    workers *self = context;
    bool     has_helped = false;

    (void)pthread_mutex_lock(&self->lock);
    self->starting--;
    for (;;) {
        /* Helping comes first: somebody waits for it. But of who splits without end, jobs must not starve. */
        job   *next = has_helped ? take_job(self) : NULL;
        split *work = next == NULL ? find_split(self) : NULL;

        has_helped = work != NULL;
        if (next == NULL && work == NULL)
            next = take_job(self);
        if (work != NULL) {
            const uint32_t worker = take_number(work);

            work->helpers++;
            (void)pthread_mutex_unlock(&self->lock);
            deadline_set(work->until);
            help(self, work, worker);
            deadline_leave();
            (void)pthread_mutex_lock(&self->lock);
            work->busy[(worker - 1) / 64] &= ~((uint64_t)1 << ((worker - 1) % 64));
            if (--work->helpers == 0)
                (void)pthread_cond_broadcast(&self->helped);
        } else if (next != NULL) {
            (void)pthread_mutex_unlock(&self->lock);
            next->run(next->context);
            oct_free(next);
            (void)pthread_mutex_lock(&self->lock);
        } else if (self->ending) {
            break;
        } else {
            self->idle++;
            (void)pthread_cond_wait(&self->wake, &self->lock);
            self->idle--;
        }
    }
    (void)pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* There is work for `fresh` more threads: wake or start them. Under the lock. A thread that cannot be started is no
 * error as long as there is one: the others, or the caller of a split, do its work. */
static void
wake_workers(workers *self, uint32_t fresh)
{
    uint64_t wanted = self->queued;

    for (uint32_t i = 0; i < fresh && i < self->idle; i++)
        (void)pthread_cond_signal(&self->wake);
    /* Those who sleep may have been woken for other work already, so compare with all there is to do. */
    for (split *work = self->splits; work != NULL; work = work->next)
        wanted += places_left(work);
    while (wanted > self->idle + self->starting && self->started < self->count) {
        if (pthread_create(&self->threads[self->started], NULL, worker_main, self) != 0)
            break;
        self->started++;
        self->starting++;
    }
}

bool
workers_submit(workers *self, void (*run)(void *context), void *context)
{
    job *item = oct_alloc(sizeof *item);
    bool queued;

    if (item == NULL)
        return false;
    *item = (job){NULL, run, context};
    (void)pthread_mutex_lock(&self->lock);
    if (self->last != NULL)
        self->last->next = item;
    else
        self->first = item;
    self->last = item;
    self->queued++;
    wake_workers(self, 1);
    queued = self->started > 0;
    if (!queued) /* not one thread to be had; the caller may hold a lock that the job wants, so it is not run here */
        (void)take_job(self);
    (void)pthread_mutex_unlock(&self->lock);
    if (!queued)
        oct_free(item);
    return queued;
}

bool
workers_cancel(workers *self, void (*run)(void *context), void *context)
{
    job *found = NULL, *before = NULL;

    (void)pthread_mutex_lock(&self->lock);
    for (job *at = self->first; at != NULL && found == NULL; at = at->next) {
        if (at->run == run && at->context == context)
            found = at;
        else
            before = at;
    }
    if (found != NULL) {
        if (before == NULL)
            self->first = found->next;
        else
            before->next = found->next;
        if (self->last == found)
            self->last = before;
        self->queued--;
    }
    (void)pthread_mutex_unlock(&self->lock);
    oct_free(found);
    return found != NULL;
}

void
workers_split(workers *self, size_t count, uint32_t threads_max,
              void (*run)(void *context, size_t item, uint32_t worker), void *context)
{
    const uint32_t threads = threads_max == 0 ? self->count : threads_max;
    split          work = {.run = run, .context = context, .count = count, .until = deadline_get()};
    split        **at;

    work.helpers_max = (uint32_t)size_min(threads > 0 ? threads - 1 : 0, count > 0 ? count - 1 : 0);
    if (work.helpers_max == 0) {
        run_items(&work, 0);
        return;
    }
    (void)pthread_mutex_lock(&self->lock);
    work.next = self->splits;
    self->splits = &work;
    wake_workers(self, work.helpers_max);
    (void)pthread_mutex_unlock(&self->lock);

    run_items(&work, 0);

    (void)pthread_mutex_lock(&self->lock);
    for (at = &self->splits; *at != &work; at = &(*at)->next)
        continue;
    *at = work.next;
    while (work.helpers > 0)
        (void)pthread_cond_wait(&self->helped, &self->lock);
    (void)pthread_mutex_unlock(&self->lock);
}

void
workers_free(workers *self)
{
    if (self == NULL)
        return;
    (void)pthread_mutex_lock(&self->lock);
    self->ending = true;
    (void)pthread_cond_broadcast(&self->wake);
    (void)pthread_mutex_unlock(&self->lock);
    for (uint32_t i = 0; i < self->started; i++)
        (void)pthread_join(self->threads[i], NULL);
    (void)pthread_mutex_destroy(&self->lock);
    (void)pthread_cond_destroy(&self->wake);
    (void)pthread_cond_destroy(&self->helped);
    oct_free(self);
}
