/* A limit on memory: see budget.h. */
#include "collection/budget.h"

#include <inttypes.h>
#include <time.h>

#include "collection/collection.h"
#include "os/process.h"

#define LOOK_NS        50000000u /* between two looks at the kernel's count */
#define LOOK_SHARE     64u       /* or when such a part of the limit was written since */
#define SPILL_PERCENT  70u
#define REFUSE_PERCENT 90u
#define REFUSE_BYTES   (8u << 20) /* and so much less: new segments of rows come in huge pages, some for each column */
#define SPILL_SHARE    16u    /* of the limit, so much log between two checkpoints that spill */
#define WAIT_MS        20000u /* for one checkpoint, before a write is refused */

oct_status
budget_init(budget *self, uint64_t limit, oct_error *error)
{
    if (limit != 0 && limit < BUDGET_LIMIT_MIN)
        return oct_fail(error, OCT_INVALID, "memory_limit is %" PRIu64 " bytes; it must be at least %u, or 0 for no limit", limit,
                        BUDGET_LIMIT_MIN);
    self->limit = limit;
    return OCT_OK;
}

static uint64_t
refuse_at(const budget *self)
{
    return self->limit / 100 * REFUSE_PERCENT - REFUSE_BYTES;
}

static void
look(budget *self, uint64_t now_ns)
{
    atomic_store(&self->written, 0);
    atomic_store(&self->looked_ns, now_ns);
    atomic_store(&self->used, process_private_bytes());
}

/* Bytes in use, as far as is known without asking too often. `bytes` are about to be added. */
static uint64_t
estimate(oct_database *database, uint64_t bytes)
{
    budget        *self = &database->budget;
    const uint64_t now_ns = os_clock_ns(database->system), looked_ns = atomic_load(&self->looked_ns);

    if (looked_ns == 0 || now_ns - looked_ns >= LOOK_NS ||
        atomic_load(&self->written) + bytes >= self->limit / LOOK_SHARE)
        look(self, now_ns);
    return atomic_load(&self->used) + atomic_fetch_add(&self->written, bytes) + bytes;
}

/* From now on checkpoints make room, and come when there is something to be made room of. */
static void
spill(oct_database *database)
{
    budget        *self = &database->budget;
    const bool     is_first = !atomic_exchange(&self->spilling, true);
    const uint64_t log = log_bytes(database->log);
    uint64_t       last = atomic_load(&self->spill_log);

    if (log < last) { /* a checkpoint has cut it */
        atomic_store(&self->spill_log, log);
        last = log;
    }
    if (!is_first && log - last < self->limit / SPILL_SHARE)
        return;
    atomic_store(&self->spill_log, log);
    database_consider_checkpoint(database, true);
}

/* Until the checkpoint under way, if there is one, has ended. */
static void
wait_for_checkpoint(oct_database *database)
{
    struct timespec until;
    int             result = 0;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    (void)pthread_mutex_lock(&database->idle_lock);
    while (atomic_load(&database->checkpoint_queued) && result == 0)
        result = pthread_cond_timedwait(&database->idle, &database->idle_lock, &until);
    (void)pthread_mutex_unlock(&database->idle_lock);
}

oct_status
budget_admit(oct_database *database, uint64_t bytes, oct_error *error)
{
    budget        *self = &database->budget;
    const uint64_t refuse = refuse_at(self);
    uint64_t       used;

    if (self->limit == 0)
        return OCT_OK;
    used = estimate(database, bytes);
    if (used < self->limit / 100 * SPILL_PERCENT)
        return OCT_OK;
    spill(database);
    if (used < refuse)
        return OCT_OK;
    wait_for_checkpoint(database);
    process_trim();
    look(self, os_clock_ns(database->system));
    used = estimate(database, bytes);
    if (used < refuse)
        return OCT_OK;
    (void)atomic_fetch_sub(&self->written, size_min(bytes, atomic_load(&self->written)));
    return oct_fail(error, OCT_FULL,
                    "this write would bring the memory of the process to %" PRIu64 " MiB, and its limit is %" PRIu64
                    " MiB (memory_limit), of which some is kept free; what can be read from files has left memory already. "
                    "Delete points or raise the limit; a smaller write may pass",
                    used >> 20, self->limit >> 20);
}

bool
budget_has_room(oct_database *database, uint64_t bytes)
{
    budget *self = &database->budget;

    if (self->limit == 0)
        return true;
    look(self, os_clock_ns(database->system));
    return atomic_load(&self->used) + bytes < refuse_at(self);
}
