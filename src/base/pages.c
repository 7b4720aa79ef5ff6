/* See pages.h. */
#include "base/pages.h"

#include <sys/mman.h>

static size_t
round_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

void *
pages_map(size_t bytes)
{
    const size_t size = round_up(bytes, PAGES_BYTES);
    const bool   huge = size >= PAGES_HUGE_BYTES;
    const size_t extra = huge ? PAGES_HUGE_BYTES : 0;
    char        *memory, *aligned;

    memory =
        mmap(NULL, size + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (!huge)
        return memory;
    /* Cut the alignment's slack off both ends. */
    aligned = (char *)round_up((uintptr_t)memory, PAGES_HUGE_BYTES);
    if (aligned > memory)
        (void)munmap(memory, (size_t)(aligned - memory));
    if (memory + extra > aligned)
        (void)munmap(aligned + size, (size_t)(memory + extra - aligned));
    (void)madvise(aligned, size, MADV_HUGEPAGE); /* a wish: without huge pages all still works */
    return aligned;
}

void
pages_unmap(void *memory, size_t bytes)
{
    if (memory != NULL)
        (void)munmap(memory, round_up(bytes, PAGES_BYTES));
}

static void
advise(const void *memory, size_t bytes, int wish)
{
    char *const  at = (char *)(uintptr_t)memory;
    const size_t before = (uintptr_t)memory % PAGES_BYTES;

    (void)madvise(at - before, round_up(before + bytes, PAGES_BYTES), wish); /* ignored: all still works */
}

void
pages_expect_jumps(void *memory, size_t bytes)
{
    advise(memory, bytes, MADV_RANDOM);
}

void
pages_expect(const void *memory, size_t bytes)
{
    advise(memory, bytes, MADV_WILLNEED);
}
