/* test.h - the frame for unit tests: TEST(a_sentence_that_can_be_false) { ... }.
 *
 * Every *_test.c under src/ is linked into build/unit; tests register themselves. A failed CHECK prints
 * both values and goes on, so that one run tells all it can; the program fails at its end. A test that
 * cannot run here says so with TEST_SKIP, which is counted and printed.
 * usage: build/unit [SUBSTRING ...]   runs the tests whose file or name contains one of them
 */
#ifndef OCT_TEST_H
#define OCT_TEST_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

typedef struct test_case {
    const char *file;
    const char *name;
    void (*run)(void);
    struct test_case *next;
} test_case;

void test_register(test_case *test);
/* Counts a failure; prints at most a few per test. */
void test_failed(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
void test_skipped(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool test_has_failed(void);      /* the running test has */
const char *test_name(void);     /* of the running test */

#define TEST(name_)                                                                                          \
    static void                              test_##name_(void);                                             \
    static test_case                         test_case_##name_ = {__FILE__, #name_, test_##name_, NULL};     \
    __attribute__((constructor)) static void test_register_##name_(void)                                     \
    {                                                                                                        \
        test_register(&test_case_##name_);                                                                   \
    }                                                                                                        \
    static void test_##name_(void)

#define TEST_SKIP(...) test_skipped(__VA_ARGS__)

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            test_failed(__FILE__, __LINE__, "%s is false", #condition);                                      \
    } while (0)

/* CHECK_MSG(x == y, "row %u", row) */
#define CHECK_MSG(condition, ...)                                                                            \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            test_failed(__FILE__, __LINE__, #condition ": " __VA_ARGS__);                                    \
    } while (0)

#define CHECK_INT(got, want)                                                                                 \
    do {                                                                                                     \
        const long long got_ = (long long)(got), want_ = (long long)(want);                                  \
        if (got_ != want_)                                                                                   \
            test_failed(__FILE__, __LINE__, "%s is %lld, expected %lld", #got, got_, want_);                 \
    } while (0)

#define CHECK_NEAR(got, want, bound, ...)                                                                    \
    do {                                                                                                     \
        const double got_ = (double)(got), want_ = (double)(want), bound_ = (double)(bound);                 \
        if (!(fabs(got_ - want_) <= bound_)) {                                                               \
            test_failed(__FILE__, __LINE__, "%s is %.9g, expected %.9g within %.3g", #got, got_, want_,      \
                        bound_);                                                                             \
            test_failed(__FILE__, __LINE__, __VA_ARGS__);                                                    \
        }                                                                                                    \
    } while (0)

#define CHECK_TEXT(got, want)                                                                                \
    do {                                                                                                     \
        const char *got_ = (got), *want_ = (want);                                                           \
        if (got_ == NULL || strcmp(got_, want_) != 0)                                                        \
            test_failed(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #got,                           \
                        got_ == NULL ? "(null)" : got_, want_);                                              \
    } while (0)

/* The call must return the status; `error` is an oct_error variable, whose text is printed if not. */
#define CHECK_STATUS(call, want)                                                                             \
    do {                                                                                                     \
        const oct_status got_ = (call), want_ = (want);                                                      \
        if (got_ != want_)                                                                                   \
            test_failed(__FILE__, __LINE__, "%s is %d (%s), expected %d", #call, (int)got_,                  \
                        oct_status_text(got_), (int)want_);                                                  \
    } while (0)
#define CHECK_OK(call) CHECK_STATUS(call, OCT_OK)

/* A seeded generator; print the seed in the goal of the test, not at run time. */
typedef struct test_rng {
    uint64_t state;
} test_rng;

static inline test_rng
test_rng_seed(uint64_t seed)
{
    return (test_rng){mix64(seed)};
}

static inline uint64_t
test_u64(test_rng *rng)
{
    return mix64(rng->state++);
}

/* 0 .. bound - 1 */
static inline uint64_t
test_below(test_rng *rng, uint64_t bound)
{
    return test_u64(rng) % bound;
}

/* Uniform in [-1, 1). */
static inline float
test_float(test_rng *rng)
{
    return (float)(int32_t)(uint32_t)test_u64(rng) / 2147483648.0f;
}

void test_fill(test_rng *rng, float *values, size_t count);

/* `count` times the environment variable OCTANT_TEST_SCALE (default 1), at least 1: for runs of hours, or of
 * seconds. Seeds are the same, there are only more of them. */
uint64_t test_scaled(uint64_t count);

/* A fresh folder for this test, removed when the program ends well. Owned by the frame. */
const char *test_folder(void);

#endif
