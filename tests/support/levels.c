/* See levels.h. */
#include "support/levels.h"

#include "support/test.h"

/* A loop over the levels may itself be in a loop: what is missing is said once a test. */
static void
say_missing(size_t i)
{
    static const char *test;
    static uint64_t    said;

    if (test != test_name()) {
        test = test_name();
        said = 0;
    }
    if ((said >> i & 1) == 0)
        TEST_SKIP("this machine has no %s", kernel_level(i)->name);
    said |= (uint64_t)1 << i;
}

const kernel_table *
test_level_after(const kernel_table *level)
{
    size_t i = 0;

    while (level != NULL && kernel_level(i++) != level)
        ;
    for (; kernel_level(i) != NULL; i++) {
        if ((kernel_level(i)->needs & ~cpu_features()) == 0)
            return kernel_level(i);
        say_missing(i);
    }
    return NULL;
}
