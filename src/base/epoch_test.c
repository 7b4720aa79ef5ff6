/* Old memory goes when, and only when, the last reader that may hold it has left. */
#include "base/epoch.h"

#include <pthread.h>
#include <sched.h>

#include "support/test.h"

static _Atomic uint64_t released;

static void
release_one(void *memory)
{
    (void)atomic_fetch_add(&released, 1);
    oct_free(memory);
}

static void
retire_one(void)
{
    void *memory = NULL;

    while (memory == NULL)
        memory = oct_alloc(16);
    epoch_retire(memory, release_one);
}

/* Goal:   a pin keeps what is retired after it, however often; unpinning frees it; pins nest.
 * Method: one thread. */
TEST(nothing_retired_goes_while_pinned)
{
    epoch_drain();
    atomic_store(&released, 0);
    retire_one();
    epoch_drain();
    CHECK_INT(atomic_load(&released), 1);

    epoch_pin();
    epoch_pin();
    for (int i = 0; i < 10; i++)
        retire_one();
    epoch_collect();
    CHECK_INT(atomic_load(&released), 1);
    epoch_unpin();
    epoch_collect();
    CHECK_INT(atomic_load(&released), 1);
    epoch_unpin();
    epoch_collect();
    CHECK_INT(atomic_load(&released), 11);
}

/* A stage for two threads: who waits for which number. */
static _Atomic int stage;

static void
wait_stage(int wanted)
{
    while (atomic_load(&stage) < wanted)
        (void)sched_yield();
}

static void *
hold_a_pin(void *context)
{
    (void)context;
    epoch_pin();
    atomic_store(&stage, 1);
    wait_stage(2);
    epoch_unpin();
    atomic_store(&stage, 3);
    wait_stage(4);
    return NULL;
}

/* Goal:   another thread's pin keeps what is retired during it, and not what was retired before; a thread that
 *         ended holds nothing.
 * Method: two threads in turns. */
TEST(the_pin_of_another_thread_holds)
{
    pthread_t thread;

    epoch_drain();
    atomic_store(&released, 0);
    atomic_store(&stage, 0);
    OCT_MUST(pthread_create(&thread, NULL, hold_a_pin, NULL) == 0);
    wait_stage(1);
    retire_one();
    retire_one();
    epoch_collect();
    CHECK_INT(atomic_load(&released), 0);
    atomic_store(&stage, 2);
    wait_stage(3);
    epoch_collect();
    CHECK_INT(atomic_load(&released), 2);
    atomic_store(&stage, 4);
    OCT_MUST(pthread_join(thread, NULL) == 0);
    retire_one();
    epoch_collect();
    CHECK_INT(atomic_load(&released), 3);
}

/* What readers follow: a pointer to a value that is poisoned before it is freed. */
typedef struct cell {
    _Atomic uint64_t value;
    uint64_t         check;
} cell;

static _Atomic(cell *) shared_cell;
static atomic_bool     cells_end;

static void
release_cell(void *memory)
{
    cell *self = memory;

    atomic_store_explicit(&self->value, 0, memory_order_relaxed);
    (void)atomic_fetch_add(&released, 1);
    oct_free(self);
}

static void *
follow_cells(void *context)
{
    uint64_t wrong = 0, last = 0;

    (void)context;
    while (!atomic_load(&cells_end)) {
        epoch_pin();
        const cell    *now = atomic_load(&shared_cell);
        const uint64_t value = atomic_load_explicit(&now->value, memory_order_relaxed);

        wrong += value == 0 || now->check != ~value || value < last;
        last = value;
        epoch_pin(); /* nested: the outer pin still holds */
        epoch_unpin();
        wrong += atomic_load_explicit(&now->value, memory_order_relaxed) != value;
        epoch_unpin();
    }
    return (void *)(uintptr_t)wrong;
}

static cell *
cell_new(uint64_t value)
{
    cell *self = oct_alloc(sizeof *self);

    OCT_MUST(self != NULL);
    atomic_store(&self->value, value);
    self->check = ~value;
    return self;
}

/* Goal:   readers never see released memory, writers' retirements all come to an end.
 * Method: three readers follow a pointer that a writer replaces 20,000 times; values are cleared before they are
 *         freed (and ASan, TSan look on). */
TEST(readers_never_see_released_memory)
{
    const uint64_t replaced = test_scaled(20000);
    pthread_t      readers[3];

    epoch_drain();
    atomic_store(&released, 0);
    atomic_store(&cells_end, false);
    atomic_store(&shared_cell, cell_new(1));
    for (int i = 0; i < 3; i++)
        OCT_MUST(pthread_create(&readers[i], NULL, follow_cells, NULL) == 0);
    for (uint64_t i = 0; i < replaced; i++)
        epoch_retire(atomic_exchange(&shared_cell, cell_new(i + 2)), release_cell);
    atomic_store(&cells_end, true);
    for (int i = 0; i < 3; i++) {
        void *wrong;

        OCT_MUST(pthread_join(readers[i], &wrong) == 0);
        CHECK_INT((uintptr_t)wrong, 0);
    }
    epoch_drain();
    CHECK_INT(atomic_load(&released), replaced);
    oct_free(atomic_load(&shared_cell));
}

static void *
retire_for_ever(void *context)
{
    (void)context;
    while (!atomic_load(&cells_end)) {
        epoch_pin();
        retire_one();
        epoch_unpin();
    }
    return NULL;
}

/* Goal:   a drain waits for what was retired before it, not for what others retire meanwhile.
 * Method: two threads retire without end, pinned; 200 drains must come back. */
TEST(drain_ends_while_others_retire)
{
    pthread_t others[2];

    atomic_store(&cells_end, false);
    for (int i = 0; i < 2; i++)
        OCT_MUST(pthread_create(&others[i], NULL, retire_for_ever, NULL) == 0);
    for (int i = 0; i < 200; i++) {
        const uint64_t before = atomic_load(&released);

        retire_one();
        epoch_drain();
        CHECK(atomic_load(&released) > before);
    }
    atomic_store(&cells_end, true);
    for (int i = 0; i < 2; i++)
        OCT_MUST(pthread_join(others[i], NULL) == 0);
    epoch_drain();
}

static void *
pin_once(void *context)
{
    (void)context;
    epoch_pin();
    epoch_unpin();
    return NULL;
}

/* Goal:   without any memory pins and retirements still come to an end, and nothing is lost.
 * Method: all allocations fail: 20 new threads pin, 100 things are retired, then drained. */
TEST(epochs_need_no_memory_to_go_on)
{
    void     *memory[100];
    pthread_t thread;

    epoch_drain();
    atomic_store(&released, 0);
    for (size_t i = 0; i < countof(memory); i++) {
        memory[i] = oct_alloc(16);
        OCT_MUST(memory[i] != NULL);
    }
    oct_alloc_fail_after(0, true);
    for (int i = 0; i < 20; i++) {
        OCT_MUST(pthread_create(&thread, NULL, pin_once, NULL) == 0);
        OCT_MUST(pthread_join(thread, NULL) == 0);
    }
    epoch_pin();
    for (size_t i = 0; i < countof(memory) / 2; i++)
        epoch_retire(memory[i], release_one);
    epoch_unpin();
    for (size_t i = countof(memory) / 2; i < countof(memory); i++)
        epoch_retire(memory[i], release_one);
    epoch_drain();
    oct_alloc_fail_after(UINT64_MAX, false);
    CHECK_INT(atomic_load(&released), countof(memory));
}
