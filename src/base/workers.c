/* See workers.h. */
#include "base/workers.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

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
    void            *context;
    size_t           count;
    _Atomic size_t   next_item;
    uint32_t         helpers;     /* at work now */
    uint32_t         helpers_max;
    uint32_t         workers_taken;
} split;

struct workers {
    uint32_t        count;       /* threads wanted; set once */
    pthread_mutex_t lock;        /* guards everything below */
    pthread_cond_t  wake;        /* there is a job or a split, or `ending` */
    pthread_cond_t  helped;      /* a helper left a split */
    job            *first, *last;
    split          *splits;      /* newest first */
    uint32_t        started;
    uint32_t        idle;
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

/* A split that has items left and room for a helper, or NULL. Under the lock. */
static split *
find_split(const workers *self)
{
    for (split *work = self->splits; work != NULL; work = work->next) {
        if (work->helpers < work->helpers_max && atomic_load(&work->next_item) < work->count)
            return work;
    }
    return NULL;
}

static void *
worker_main(void *context)
{
    workers *self = context;

    (void)pthread_mutex_lock(&self->lock);
    for (;;) {
        split *work = find_split(self);
        job   *next = self->first;

        if (work != NULL) {
            /* Helping comes first: somebody waits for it. */
            const uint32_t worker = ++work->workers_taken;

            work->helpers++;
            (void)pthread_mutex_unlock(&self->lock);
            run_items(work, worker);
            (void)pthread_mutex_lock(&self->lock);
            if (--work->helpers == 0)
                (void)pthread_cond_broadcast(&self->helped);
        } else if (next != NULL) {
            self->first = next->next;
            if (self->first == NULL)
                self->last = NULL;
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

/* Have up to `wanted` more threads look for work. Under the lock. A thread that cannot be started is no
 * error: the others, or the caller of a split, do its work. */
static void
wake_workers(workers *self, uint32_t wanted)
{
    if (self->idle >= wanted) {
        for (uint32_t i = 0; i < wanted; i++)
            (void)pthread_cond_signal(&self->wake);
        return;
    }
    (void)pthread_cond_broadcast(&self->wake);
    wanted -= self->idle;
    while (wanted > 0 && self->started < self->count) {
        if (pthread_create(&self->threads[self->started], NULL, worker_main, self) != 0)
            break;
        self->started++;
        wanted--;
    }
}

bool
workers_submit(workers *self, void (*run)(void *context), void *context)
{
    job *item = oct_alloc(sizeof *item);

    if (item == NULL)
        return false;
    *item = (job){NULL, run, context};
    (void)pthread_mutex_lock(&self->lock);
    if (self->last != NULL)
        self->last->next = item;
    else
        self->first = item;
    self->last = item;
    wake_workers(self, 1);
    if (self->started == 0) {
        /* Not one thread to be had: do it here, late but done. */
        self->first = self->last = NULL;
        (void)pthread_mutex_unlock(&self->lock);
        run(context);
        oct_free(item);
        return true;
    }
    (void)pthread_mutex_unlock(&self->lock);
    return true;
}

void
workers_split(workers *self, size_t count, uint32_t threads_max,
              void (*run)(void *context, size_t item, uint32_t worker), void *context)
{
    const uint32_t threads = threads_max == 0 ? self->count : threads_max;
    split          work = {.run = run, .context = context, .count = count};
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
