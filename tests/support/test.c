/* See test.h. */
#include "support/test.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#define FAILURES_PRINTED_MAX 8

static test_case *tests;
static int        failures; /* of the running test */
static bool       skipped;
static const char *running; /* its name */
static char       folders[4096][64];
static int        folder_count;

void
test_register(test_case *test)
{
    test->next = tests;
    tests = test;
}

bool
test_has_failed(void)
{
    return failures > 0;
}

const char *
test_name(void)
{
    return running;
}

void
test_failed(const char *file, int line, const char *format, ...)
{
    va_list args;

    if (__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED) > FAILURES_PRINTED_MAX)
        return;
    printf("  %s:%d: ", file, line);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    printf("\n");
}

void
test_skipped(const char *format, ...)
{
    va_list args;

    skipped = true;
    printf("  skipped: ");
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    printf("\n");
}

void
test_fill(test_rng *rng, float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = test_float(rng);
}

uint64_t
test_scaled(uint64_t count)
{
    const char  *text = getenv("OCTANT_TEST_SCALE");
    const double scale = text == NULL ? 1 : strtod(text, NULL);
    const double scaled = (double)count * scale;

    return scaled >= 1 ? (uint64_t)scaled : 1;
}

static int
remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

const char *
test_folder(void)
{
    char *folder = folders[folder_count];

    OCT_MUST(folder_count < (int)countof(folders));
    (void)snprintf(folder, sizeof folders[0], "/tmp/octant-test-XXXXXX");
    OCT_MUST(mkdtemp(folder) != NULL);
    folder_count++;
    return folder;
}

static bool
is_wanted(const test_case *test, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strstr(test->name, argv[i]) != NULL || strstr(test->file, argv[i]) != NULL)
            return true;
    }
    return argc <= 1;
}

/* By file, then name, so that a run reads the same every time. */
static int
compare_tests(const void *a, const void *b)
{
    const test_case *x = *(test_case *const *)a, *y = *(test_case *const *)b;
    const int        order = strcmp(x->file, y->file);

    return order != 0 ? order : strcmp(x->name, y->name);
}

int
main(int argc, char **argv)
{
    static test_case *sorted[4096];
    int               count = 0, passed = 0, failed = 0, skips = 0;

    for (test_case *test = tests; test != NULL; test = test->next) {
        OCT_MUST(count < (int)countof(sorted));
        if (is_wanted(test, argc, argv))
            sorted[count++] = test;
    }
    qsort(sorted, (size_t)count, sizeof sorted[0], compare_tests);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 0; i < count; i++) {
        failures = 0;
        skipped = false;
        running = sorted[i]->name;
        printf("%s %s\n", sorted[i]->file, sorted[i]->name);
        sorted[i]->run();
        if (failures > 0) {
            printf("  FAILED %s (%d checks)\n", sorted[i]->name, failures);
            failed++;
        } else if (skipped) {
            skips++;
        } else {
            passed++;
        }
    }
    for (int i = 0; failed == 0 && i < folder_count; i++)
        (void)nftw(folders[i], remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skips);
    return failed > 0 || passed + skips == 0;
}
