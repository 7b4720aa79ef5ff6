/* See epoch.h.
 *
 * WITHOUT MEMORY  a reader must be able to pin and a writer to retire, or an operation that has begun could not
 *                 end. So there are a few slots and notes in reserve; they come back when they are done with.
 */
#include "base/epoch.h"

#include <pthread.h>
#include <sched.h>

#define EPOCH_UNPINNED UINT64_MAX
#define SLOT_BYTES     128u /* two cache lines, as the CPU fetches them in pairs */
#define SPARE_SLOTS    64u
#define SPARE_NOTES    256u

/* One thread's place. Slots are never released, only reused: their number is the most threads that ever
 * lived at once. `shown` is the thread's to write, everybody's to read; `taken` is claimed by exchange. */
typedef struct epoch_slot {
    _Atomic uint64_t   shown;
    atomic_bool        taken;
    uint32_t           depth; /* the owner's */
    struct epoch_slot *next;  /* set before the slot is published */
} epoch_slot;

typedef struct retired {
    struct retired *next;
    uint64_t        tag;
    void           *memory;
    void (*release)(void *memory);
} retired;

/* A thread that is releasing what it took off the list. Lives on its stack. */
typedef struct collector {
    struct collector *next;
    uint64_t          oldest_tag;
} collector;

static _Atomic uint64_t      counter = 1;
static _Atomic(epoch_slot *) slots;

static pthread_mutex_t retired_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the next lines */
static retired        *retired_list;
static collector      *collectors;
static retired         spare_notes[SPARE_NOTES];
static bool            spare_taken[SPARE_NOTES];

static _Alignas(SLOT_BYTES) char spare_slots[SPARE_SLOTS][SLOT_BYTES];
static _Atomic uint32_t spare_slots_used;

static _Thread_local epoch_slot *own_slot;
static pthread_key_t             slot_key;
static pthread_once_t            slot_key_once = PTHREAD_ONCE_INIT;

static void
give_slot_back(void *slot)
{
    atomic_store(&((epoch_slot *)slot)->taken, false);
}

static void
make_slot_key(void)
{
    OCT_MUST(pthread_key_create(&slot_key, give_slot_back) == 0);
}

/* Memory for a slot that is never released. NULL: there is none. */
static void *
new_slot_memory(void)
{
    void    *memory = oct_alloc_aligned(SLOT_BYTES, SLOT_BYTES);
    uint32_t spare;

    if (memory != NULL)
        return memory;
    spare = atomic_load(&spare_slots_used);
    while (spare < SPARE_SLOTS && !atomic_compare_exchange_weak(&spare_slots_used, &spare, spare + 1))
        continue;
    return spare < SPARE_SLOTS ? spare_slots[spare] : NULL;
}

static epoch_slot *
take_slot(void)
{
    epoch_slot *slot;

    (void)pthread_once(&slot_key_once, make_slot_key);
    for (slot = atomic_load(&slots); slot != NULL; slot = slot->next) {
        if (!atomic_load(&slot->taken) && !atomic_exchange(&slot->taken, true))
            break;
    }
    if (slot == NULL) {
        /* A reader cannot go on without a slot, and 128 bytes a thread are not worth an error path. */
        while ((slot = new_slot_memory()) == NULL)
            (void)sched_yield();
        memset(slot, 0, SLOT_BYTES);
        atomic_store(&slot->shown, EPOCH_UNPINNED);
        atomic_store(&slot->taken, true);
        slot->next = atomic_load(&slots);
        while (!atomic_compare_exchange_weak(&slots, &slot->next, slot))
            continue;
    }
    (void)pthread_setspecific(slot_key, slot);
    own_slot = slot;
    return slot;
}

void
epoch_pin(void)
{
    epoch_slot *slot = own_slot != NULL ? own_slot : take_slot();

    if (slot->depth++ == 0)
        atomic_store(&slot->shown, atomic_load(&counter));
}

void
epoch_unpin(void)
{
    epoch_slot *slot = own_slot;

    OCT_MUST(slot != NULL && slot->depth > 0);
    if (--slot->depth == 0)
        atomic_store_explicit(&slot->shown, EPOCH_UNPINNED, memory_order_release);
}

static uint64_t
oldest_pin(void)
{
    uint64_t oldest = EPOCH_UNPINNED;

    for (epoch_slot *slot = atomic_load(&slots); slot != NULL; slot = slot->next) {
        const uint64_t shown = atomic_load(&slot->shown);

        if (shown < oldest)
            oldest = shown;
    }
    return oldest;
}

/* A place to write down what was retired. NULL: no memory. */
static retired *
new_note(void)
{
    retired *note = oct_alloc(sizeof *note);

    if (note != NULL)
        return note;
    (void)pthread_mutex_lock(&retired_lock);
    for (size_t i = 0; i < SPARE_NOTES && note == NULL; i++) {
        if (!spare_taken[i]) {
            spare_taken[i] = true;
            note = &spare_notes[i];
        }
    }
    (void)pthread_mutex_unlock(&retired_lock);
    return note;
}

static void
free_note(retired *note)
{
    if ((uintptr_t)note < (uintptr_t)spare_notes ||
        (uintptr_t)note >= (uintptr_t)(spare_notes + SPARE_NOTES)) {
        oct_free(note);
        return;
    }
    (void)pthread_mutex_lock(&retired_lock);
    spare_taken[note - spare_notes] = false;
    (void)pthread_mutex_unlock(&retired_lock);
}

void
epoch_collect(void)
{
    collector own = {NULL, UINT64_MAX};
    retired  *ready = NULL;
    uint64_t  oldest;

    (void)pthread_mutex_lock(&retired_lock);
    oldest = oldest_pin();
    for (retired **at = &retired_list; *at != NULL;) {
        retired *item = *at;

        if (item->tag < oldest) {
            *at = item->next;
            item->next = ready;
            ready = item;
            own.oldest_tag = item->tag < own.oldest_tag ? item->tag : own.oldest_tag;
        } else {
            at = &item->next;
        }
    }
    if (ready != NULL) {
        own.next = collectors;
        collectors = &own;
    }
    (void)pthread_mutex_unlock(&retired_lock);
    if (ready == NULL)
        return;
    while (ready != NULL) {
        retired *next = ready->next;

        ready->release(ready->memory);
        free_note(ready);
        ready = next;
    }
    (void)pthread_mutex_lock(&retired_lock);
    for (collector **at = &collectors; *at != NULL; at = &(*at)->next) {
        if (*at == &own) {
            *at = own.next;
            break;
        }
    }
    (void)pthread_mutex_unlock(&retired_lock);
}

void
epoch_retire(void *memory, void (*release)(void *memory))
{
    const uint64_t tag = atomic_fetch_add(&counter, 1);
    retired       *item;

    /* What was replaced must not be lost for want of 32 bytes: memory comes back sooner or later. */
    while ((item = new_note()) == NULL) {
        epoch_collect();
        (void)sched_yield();
    }
    *item = (retired){NULL, tag, memory, release};
    (void)pthread_mutex_lock(&retired_lock);
    item->next = retired_list;
    retired_list = item;
    (void)pthread_mutex_unlock(&retired_lock);
    epoch_collect();
}

/* Is anything that was retired before `end` still there? Under the lock. */
static bool
is_any_before(uint64_t end)
{
    for (const retired *item = retired_list; item != NULL; item = item->next) {
        if (item->tag < end)
            return true;
    }
    for (const collector *at = collectors; at != NULL; at = at->next) {
        if (at->oldest_tag < end)
            return true;
    }
    return false;
}

void
epoch_drain(void)
{
    const uint64_t end = atomic_load(&counter);

    for (;;) {
        bool any;

        epoch_collect();
        (void)pthread_mutex_lock(&retired_lock);
        any = is_any_before(end);
        (void)pthread_mutex_unlock(&retired_lock);
        if (!any)
            return;
        (void)sched_yield();
    }
}
