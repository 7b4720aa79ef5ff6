/* Where the documents of a shard are, and how the room of those that were replaced comes back.
 *
 * STORE      Documents are appended to a heap (storage/heap.h) and never changed, so each change of a payload leaves the document
 *            before it behind. A store is a heap and, for each point, the number of its document there.
 * COMPACTION When more than half of the heap is left behind (PAYLOAD_WASTE_MIN bytes at least), a job copies the live documents
 *            into a fresh store while reads and writes go on: first all points, then, in passes, those that were written
 *            meanwhile, which their versions tell; the last few with all locks held. Then the pointer is swapped, and the old
 *            store goes when the last reader has left. At most as much is copied as is given back, so a byte written is
 *            copied once more on average. What was replaced during the move is waste in the fresh store: at its end it looks
 *            again, so that at rest no more than half is waste, however much was written meanwhile.
 * NO RECORD  Where a document lies is no part of a shard's content: nothing is logged, a replay compacts when it finds it worth
 *            it, and a crash at any time finds the files that the manifest names. The next checkpoint writes the fresh
 *            store's columns whole, under new generations.
 * FAILURES   No memory, or a damaged document (which must not get a fresh checksum): the old store stays, and it is tried again
 *            when as much again has been left behind.
 * LOCKS      The swap takes save_lock, build_lock and write_lock, in this order. Readers are pinned and load the pointer once
 *            for number and document, which belong together.
 */
#include "base/epoch.h"
#include "shard/shard_internal.h"

#define PAYLOAD_WASTE_MIN   (1u << 20) /* bytes; less is not worth a job */
#define FORCED_SHARE        16u        /* of that: what is, if somebody asks */
#define DOCUMENT_OVERHEAD   24u        /* of a header and of what fills the last unit, on average */
#define PASSES_MAX          8u
#define PASS_IS_SHORT       256u  /* points; some fifty microseconds with all locks held */
#define POINTS_A_LOOK       1024u /* between two looks whether the shard is closing */

static _Atomic uint64_t waste_min = PAYLOAD_WASTE_MIN;

void
shard_move_documents_after(uint64_t bytes)
{
    atomic_store(&waste_min, bytes == 0 ? PAYLOAD_WASTE_MIN : bytes);
}

static oct_status
store_new(payload_store **out, oct_error *error)
{
    payload_store *self = oct_calloc(1, sizeof *self);

    *out = self;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    heap_init(&self->heap);
    rows_init(&self->numbers, sizeof(uint32_t), PAYLOAD_POINTS_EXPECTED);
    return OCT_OK;
}

void
shard_payload_free(payload_store *self)
{
    if (self == NULL)
        return;
    heap_clear(&self->heap);
    rows_clear(&self->numbers);
    oct_free(self);
}

static void
release_store(void *memory)
{
    shard_payload_free(memory);
}

oct_status
shard_payload_init(shard *self, oct_error *error)
{
    payload_store *made;
    oct_status     status = store_new(&made, error);

    atomic_store(&self->payload, made);
    self->payload_waste_min = atomic_load(&waste_min);
    return status;
}

oct_status
shard_document(const shard *self, uint32_t point, oct_slice *out, oct_error *error)
{
    const payload_store *store = shard_payload(self);
    const uint32_t       number = atomic_load_explicit(payload_number(store, point), memory_order_acquire);

    *out = (oct_slice){"{}", 2};
    return number == HEAP_NONE ? OCT_OK : heap_get(&store->heap, number, out, error);
}

/* --- when -------------------------------------------------------------------------------------------- */

/* Bytes of a heap that no live document takes, but for what rounding and headers cost. With write_lock held, or while nobody
 * else knows the store. */
static uint64_t
wasted(const shard *self, const payload_store *store)
{
    const uint64_t       all = (uint64_t)atomic_load(&store->heap.unit_count) * HEAP_UNIT_BYTES;
    const uint64_t       live = store->heap.live_bytes + (uint64_t)atomic_load(&self->points.live_count) * DOCUMENT_OVERHEAD;

    return all > live ? all - live : 0;
}

void
shard_payload_weigh(shard *self, bool forced)
{
    const uint64_t all = (uint64_t)atomic_load(&shard_payload(self)->heap.unit_count) * HEAP_UNIT_BYTES;
    const uint64_t waste = wasted(self, shard_payload(self));
    const uint64_t fresh = waste > self->payload_accepted ? waste - self->payload_accepted : 0;

    if (forced ? fresh >= self->payload_waste_min / FORCED_SHARE : fresh >= self->payload_waste_min && fresh > all / 2)
        atomic_store(&self->payload_wanted, true);
}

/* --- the job ----------------------------------------------------------------------------------------- */

static oct_status
copy_document(const payload_store *from, payload_store *to, uint32_t point)
{
    const uint32_t    number = atomic_load_explicit(payload_number(from, point), memory_order_acquire);
    _Atomic uint32_t *at = payload_number(to, point);
    oct_slice         document = {NULL, 0};
    oct_status        status = OCT_OK;

    heap_release(&to->heap, atomic_load_explicit(at, memory_order_relaxed));
    atomic_store_explicit(at, HEAP_NONE, memory_order_relaxed);
    if (number == HEAP_NONE)
        return OCT_OK;
    status = heap_get(&from->heap, number, &document, NULL);
    if (status == OCT_OK)
        status = heap_reserve(&to->heap, &document, 1, NULL);
    if (status == OCT_OK)
        atomic_store_explicit(at, heap_add(&to->heap, document), memory_order_relaxed);
    return status;
}

/* The number of every point below `count` that has none yet. */
static oct_status
grow_numbers(payload_store *self, uint32_t known, uint32_t count)
{
    const oct_status status = rows_reserve(&self->numbers, count, NULL);

    for (uint32_t point = known; point < count && status == OCT_OK; point++)
        atomic_store_explicit(payload_number(self, point), HEAP_NONE, memory_order_relaxed);
    return status;
}

/* How far a copy has come: it has the documents of points below `count` as they were at operation `since`, or later. */
typedef struct copying {
    shard         *shard;
    payload_store *from, *to;
    uint64_t       since;
    uint32_t       count;
    uint64_t       unavoidable; /* waste in a store that has each document once: another move would not give it back */
} copying;

static oct_status
copy_all(copying *self)
{
    oct_status status;

    (void)pthread_mutex_lock(&self->shard->write_lock); /* every operation up to this one is applied whole */
    self->since = self->shard->operation;
    self->count = atomic_load(&self->shard->points.count);
    (void)pthread_mutex_unlock(&self->shard->write_lock);
    status = grow_numbers(self->to, 0, self->count);
    for (uint32_t point = 0; point < self->count && status == OCT_OK; point++) {
        if (point % POINTS_A_LOOK == 0 && atomic_load(&self->shard->stopping))
            return OCT_STOPPED;
        status = copy_document(self->from, self->to, point);
    }
    self->unavoidable = wasted(self->shard, self->to);
    return status;
}

/* What was written since the pass before. `locked`: all locks are held. */
static oct_status
copy_changed(copying *self, bool locked, uint32_t *changed_count)
{
    uint32_t  *changed = NULL, count;
    uint64_t   now;
    oct_status status;

    if (!locked)
        (void)pthread_mutex_lock(&self->shard->write_lock);
    now = self->shard->operation;
    count = atomic_load(&self->shard->points.count);
    if (!locked)
        (void)pthread_mutex_unlock(&self->shard->write_lock);
    status = points_changed(&self->shard->points, self->since, self->count, count, &changed, changed_count, NULL);
    if (status == OCT_OK)
        status = grow_numbers(self->to, self->count, count);
    for (uint32_t i = 0; i < *changed_count && status == OCT_OK; i++)
        status = copy_document(self->from, self->to, changed[i]);
    oct_free(changed);
    self->since = now;
    self->count = count;
    return status;
}

static oct_status
swap(copying *self)
{
    shard     *target = self->shard;
    uint32_t   some;
    oct_status status;

    (void)pthread_mutex_lock(&target->save_lock);
    shard_lock_build(target);
    (void)pthread_mutex_lock(&target->write_lock);
    status = copy_changed(self, true, &some);
    if (status == OCT_OK) {
        atomic_store(&target->payload, self->to);
        target->payload_swaps++;
        target->payload_accepted = self->unavoidable;
        atomic_store(&target->payload_wanted, false);
        shard_payload_weigh(target, false);
    }
    (void)pthread_mutex_unlock(&target->write_lock);
    shard_unlock_build(target);
    (void)pthread_mutex_unlock(&target->save_lock);
    return status;
}

static void
payload_job(void *context)
{
    shard     *self = context;
    copying    work = {.shard = self, .from = shard_payload(self)};
    uint32_t   some = UINT32_MAX;
    oct_status status = store_new(&work.to, NULL);

    if (status == OCT_OK)
        status = copy_all(&work);
    for (uint32_t pass = 0; pass < PASSES_MAX && some > PASS_IS_SHORT && status == OCT_OK; pass++)
        status = atomic_load(&self->stopping) ? OCT_STOPPED : copy_changed(&work, false, &some);
    (void)atomic_fetch_add(&self->payload_copies, 1);
    if (status == OCT_OK)
        status = swap(&work);
    if (status == OCT_OK) {
        epoch_retire(work.from, release_store);
    } else {
        shard_payload_free(work.to);
        (void)pthread_mutex_lock(&self->write_lock);
        self->payload_accepted = wasted(self, work.from); /* so much is kept until there is as much again */
        (void)pthread_mutex_unlock(&self->write_lock);
    }
    /* Before the end is announced: nobody may release the shard yet. */
    (void)pthread_mutex_lock(&self->index_lock);
    if (status == OCT_OK && self->compacted != NULL)
        self->compacted(self->context);
    /* Once more, if more than half is waste again; there may be no next write that asks for it. */
    if (status == OCT_OK && !atomic_load(&self->stopping) && atomic_exchange(&self->payload_wanted, false)) {
        if (workers_submit(self->pool, payload_job, self)) {
            (void)pthread_mutex_unlock(&self->index_lock);
            return;
        }
        atomic_store(&self->payload_wanted, true);
    }
    atomic_store(&self->payload_moving, false);
    shard_announce(self);
    (void)pthread_mutex_unlock(&self->index_lock);
}

void
shard_payload_kick(shard *self)
{
    bool idle = false;

    if (!atomic_load_explicit(&self->payload_wanted, memory_order_relaxed) || atomic_load(&self->stopping) ||
        !atomic_compare_exchange_strong(&self->payload_moving, &idle, true))
        return;
    atomic_store(&self->payload_wanted, false);
    if (!workers_submit(self->pool, payload_job, self)) {
        atomic_store(&self->payload_wanted, true); /* the next write tries again */
        atomic_store(&self->payload_moving, false);
        shard_index_moved(self);
    }
}

bool
shard_payload_cancel(shard *self)
{
    if (atomic_load(&self->payload_moving) && workers_cancel(self->pool, payload_job, self))
        atomic_store(&self->payload_moving, false);
    return !atomic_load(&self->payload_moving);
}
