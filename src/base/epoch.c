/* See epoch.h. */
#include "base/epoch.h"

#include <pthread.h>
#include <sched.h>

#define EPOCH_UNPINNED UINT64_MAX

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

static _Atomic uint64_t      counter = 1;
static _Atomic(epoch_slot *) slots;

static pthread_mutex_t retired_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the next line */
static retired        *retired_list;

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
        slot = oct_alloc_aligned(128, 128);
        while (slot == NULL) {
            (void)sched_yield();
            slot = oct_alloc_aligned(128, 128);
        }
        memset(slot, 0, 128);
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

void
epoch_collect(void)
{
    retired *ready = NULL, **at;
    uint64_t oldest;

    (void)pthread_mutex_lock(&retired_lock);
    oldest = oldest_pin();
    for (at = &retired_list; *at != NULL;) {
        retired *item = *at;

        if (item->tag < oldest) {
            *at = item->next;
            item->next = ready;
            ready = item;
        } else {
            at = &item->next;
        }
    }
    (void)pthread_mutex_unlock(&retired_lock);
    while (ready != NULL) {
        retired *next = ready->next;

        ready->release(ready->memory);
        oct_free(ready);
        ready = next;
    }
}

void
epoch_retire(void *memory, void (*release)(void *memory))
{
    retired       *item = oct_alloc(sizeof *item);
    const uint64_t tag = atomic_fetch_add(&counter, 1);

    /* What was replaced must not be lost for want of 32 bytes: memory comes back sooner or later. */
    while (item == NULL) {
        (void)sched_yield();
        item = oct_alloc(sizeof *item);
    }
    *item = (retired){NULL, tag, memory, release};
    (void)pthread_mutex_lock(&retired_lock);
    item->next = retired_list;
    retired_list = item;
    (void)pthread_mutex_unlock(&retired_lock);
    epoch_collect();
}

void
epoch_drain(void)
{
    for (;;) {
        bool empty;

        epoch_collect();
        (void)pthread_mutex_lock(&retired_lock);
        empty = retired_list == NULL;
        (void)pthread_mutex_unlock(&retired_lock);
        if (empty)
            return;
        (void)sched_yield();
    }
}
