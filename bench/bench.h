/* bench.h - what the programs of this folder have in common: clocks, an end at the first failure, the order of numbers. */
#ifndef OCT_BENCH_H
#define OCT_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "octant.h"

static inline double
clock_ns(clockid_t which)
{
    struct timespec time;

    (void)clock_gettime(which, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static inline double
now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static inline double
now_us(void)
{
    return now_ns() / 1e3;
}

static inline double
now_ms(void)
{
    return now_ns() / 1e6;
}

/* Of this thread: what it would take on a machine that has nothing else to do. */
static inline double
cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static inline double
cpu_us(void)
{
    return cpu_ns() / 1e3;
}

static inline double
cpu_ms(void)
{
    return cpu_ns() / 1e6;
}

static inline void
must(oct_status status, const oct_error *error)
{
    if (status != OCT_OK) {
        (void)fprintf(stderr, "%s\n", error->text);
        exit(1);
    }
}

static inline int
compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

#endif
