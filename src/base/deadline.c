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
deadline_has_passed(void)
{
    uint64_t now;

    if (has_left())
        return true;
    if (current.at_ns == 0 && current.outer_ns == 0)
        return false;
    now = now_ns();
    return (current.at_ns != 0 && now >= current.at_ns) || (current.outer_ns != 0 && now >= current.outer_ns);
}

oct_status
deadline_check(oct_error *error)
{
    if (!deadline_has_passed())
        return OCT_OK;
    if (has_left())
        return oct_fail(error, OCT_TIMEOUT, "The client has left: nobody waits for the answer");
    if (current.at_ns == 0 || now_ns() < current.at_ns)
        return oct_fail(error, OCT_TIMEOUT, "The deadline of the call has passed; allow it more (grpc-timeout)");
    return oct_fail(error, OCT_TIMEOUT, "Operation timed out after %g seconds; allow it more with `timeout`",
                    (double)current.limit_ms / 1000.0);
}
