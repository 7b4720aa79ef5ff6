/* levels.h - the kernel levels in tests: for (EACH_LEVEL(level)) { ... level->dot_f32(...) ... }.
 *
 * Those that this machine can run, best first. Each that it lacks makes the test count as skipped, and is named once. */
#ifndef OCT_TEST_LEVELS_H
#define OCT_TEST_LEVELS_H

#include "kernel/kernel.h"

#define EACH_LEVEL(level_)                                                                                   \
    const kernel_table *level_ = test_level_after(NULL);                                                     \
    (level_) != NULL;                                                                                        \
    (level_) = test_level_after(level_)

/* The next that can be run here; NULL: the first one, and at the end. By the thread that runs the test. */
const kernel_table *test_level_after(const kernel_table *level);

#endif
