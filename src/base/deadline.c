/* See deadline.h. */
#include "base/deadline.h"

#include <time.h>

static _Thread_local deadline current;

static uint64_t
now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void
deadline_set(deadline given)
{
    current = given;
}

deadline
deadline_get(void)
{
    return current;
}

void
deadline_begin(uint64_t limit_ms)
{
    uint64_t ns;

    current.at_ns = 0;
    current.limit_ms = limit_ms;
    /* A limit of more nanoseconds than there are is none. */
    if (limit_ms > 0 && (__builtin_mul_overflow(limit_ms, UINT64_C(1000000), &ns) ||
                         __builtin_add_overflow(now_ns(), ns, &current.at_ns)))
        current.at_ns = 0;
}

void
deadline_enter(uint64_t outer_ns, const _Atomic bool *left)
{
    current = (deadline){.outer_ns = outer_ns, .left = left};
}

void
deadline_try(deadline_trial *trial, uint64_t patience_ns)
{
    trial->until_ns = patience_ns == 0 ? 0 : now_ns() + patience_ns;
    trial->credit = trial->paid;
    atomic_store_explicit(&trial->is_over, false, memory_order_relaxed);
    current.trial = trial;
}

void
deadline_leave(void)
{
    current = (deadline){.at_ns = 0};
}

/* Relaxed: the flag says nothing about other memory, and to see it a little later costs a little work. */
static bool
has_left(void)
{
    return current.left != NULL && atomic_load_explicit(current.left, memory_order_relaxed);
}

bool
deadline_is_put_off(void)
{
    return current.trial != NULL && atomic_load_explicit(&current.trial->is_over, memory_order_relaxed);
}

/* Every thread that helps must come to the same end, so whoever sees it first says so. */
static void
put_off(void)
{
    atomic_store_explicit(&current.trial->is_over, true, memory_order_relaxed);
}

uint64_t
deadline_owed(uint64_t cost)
{
    const uint64_t credit = current.trial == NULL ? 0 : current.trial->credit;

    return cost > credit ? cost - credit : 0;
}

void
deadline_pay(uint64_t cost)
{
    deadline_trial *trial = current.trial;

    if (trial == NULL)
        return;
    if (trial->credit >= cost) {
        trial->credit -= cost;
    } else {
        trial->paid += cost - trial->credit;
        trial->credit = 0;
    }
}

bool
deadline_has_passed(void)
{
    const bool tries = current.trial != NULL && current.trial->until_ns != 0;
    uint64_t   now;

    if (has_left() || deadline_is_put_off())
        return true;
    if (current.at_ns == 0 && current.outer_ns == 0 && !tries)
        return false;
    now = now_ns();
    if (tries && now >= current.trial->until_ns) {
        put_off();
        return true;
    }
    return (current.at_ns != 0 && now >= current.at_ns) || (current.outer_ns != 0 && now >= current.outer_ns);
}

oct_status
deadline_check(oct_error *error)
{
    if (!deadline_has_passed())
        return OCT_OK;
    if (has_left())
        return oct_fail(error, OCT_TIMEOUT, "The client has left: nobody waits for the answer");
    if (deadline_is_put_off())
        return oct_fail(error, OCT_TIMEOUT, "This takes longer than this thread can spare; it is begun again by another");
    if (current.at_ns == 0 || now_ns() < current.at_ns)
        return oct_fail(error, OCT_TIMEOUT, "The deadline of the call has passed; allow it more (grpc-timeout)");
    return oct_fail(error, OCT_TIMEOUT, "Operation timed out after %g seconds; allow it more with `timeout`",
                    (double)current.limit_ms / 1000.0);
}

oct_status
deadline_expect(uint64_t cost_ns, oct_error *error)
{
    if (current.trial != NULL && current.trial->until_ns != 0 && now_ns() + size_min(cost_ns, INT64_MAX) > current.trial->until_ns)
        put_off();
    return deadline_check(error);
}
