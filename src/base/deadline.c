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

    current = (deadline){0, limit_ms};
    /* A limit of more nanoseconds than there are is none. */
    if (limit_ms > 0 && (__builtin_mul_overflow(limit_ms, UINT64_C(1000000), &ns) ||
                         __builtin_add_overflow(now_ns(), ns, &current.at_ns)))
        current.at_ns = 0;
}

bool
deadline_has_passed(void)
{
    return current.at_ns != 0 && now_ns() >= current.at_ns;
}

oct_status
deadline_check(oct_error *error)
{
    if (!deadline_has_passed())
        return OCT_OK;
    return oct_fail(error, OCT_TIMEOUT, "Operation timed out after %g seconds; allow it more with `timeout`",
                    (double)current.limit_ms / 1000.0);
}
