/* See base.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

/* Guards nothing: a countdown shared by all threads, used by tests only. */
static _Atomic uint64_t allocations_left = UINT64_MAX;
static _Atomic bool     allocations_stick;

const char *
oct_status_text(oct_status status)
{
    switch (status) {
#define STATUS_CASE(name, value, text)                                                                       \
    case OCT_##name:                                                                                         \
        return text;
        OCT_STATUS_MAP(STATUS_CASE)
#undef STATUS_CASE
    }
    return "unknown status";
}

oct_status
oct_failv(oct_error *error, oct_status status, const char *format, va_list args)
{
    if (error != NULL) {
        error->status = status;
        (void)vsnprintf(error->text, sizeof error->text, format, args);
    }
    return status;
}

oct_status
oct_fail(oct_error *error, oct_status status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    status = oct_failv(error, status, format, args);
    va_end(args);
    return status;
}

oct_status
oct_fail_memory(oct_error *error, size_t bytes)
{
    return oct_fail(error, OCT_NOMEM, "out of memory: %zu bytes were needed", bytes);
}

void
oct_must_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "octant: bug: %s does not hold at %s:%d\n", condition, file, line);
    abort();
}

void
oct_alloc_fail_after(uint64_t count, bool sticky)
{
    atomic_store(&allocations_stick, sticky);
    atomic_store(&allocations_left, count);
}

/* True if this allocation must fail. One relaxed load in the usual case. */
static bool
allocation_fails(void)
{
    uint64_t left = atomic_load_explicit(&allocations_left, memory_order_relaxed);

    while (left != UINT64_MAX) {
        if (left == 0) {
            if (!atomic_load(&allocations_stick))
                atomic_store(&allocations_left, UINT64_MAX);
            return true;
        }
        if (atomic_compare_exchange_weak(&allocations_left, &left, left - 1))
            return false;
    }
    return false;
}

void *
oct_alloc(size_t bytes)
{
    return allocation_fails() ? NULL : malloc(bytes == 0 ? 1 : bytes);
}

void *
oct_calloc(size_t count, size_t size)
{
    if (allocation_fails())
        return NULL;
    return count == 0 || size == 0 ? calloc(1, 1) : calloc(count, size);
}

void *
oct_realloc(void *memory, size_t bytes)
{
    return allocation_fails() ? NULL : realloc(memory, bytes == 0 ? 1 : bytes);
}

void *
oct_alloc_aligned(size_t alignment, size_t bytes)
{
    void *memory = NULL;

    if (allocation_fails() || posix_memalign(&memory, alignment, bytes == 0 ? 1 : bytes) != 0)
        return NULL;
    return memory;
}

char *
oct_copy_text(const char *text, size_t size)
{
    char *copy = oct_alloc(size + 1);

    if (copy != NULL) {
        if (size > 0)
            memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

void
oct_free(void *memory)
{
    free(memory);
}

int
slice_compare(oct_slice a, oct_slice b)
{
    const size_t shorter = size_min(a.size, b.size);
    const int    order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);

    if (order != 0)
        return order;
    return (a.size > b.size) - (a.size < b.size);
}

void
buffer_clear(buffer *self)
{
    oct_free(self->data);
    *self = (buffer){0};
}

bool
buffer_reserve(buffer *self, size_t extra)
{
    size_t capacity;
    char  *data;

    if (self->failed)
        return false;
    if (extra <= self->capacity - self->size)
        return true;
    capacity = size_max(self->size + extra, self->capacity + self->capacity / 2);
    capacity = size_max(capacity, 64);
    data = extra > SIZE_MAX / 2 - self->size ? NULL : oct_realloc(self->data, capacity);
    if (data == NULL) {
        self->failed = true;
        return false;
    }
    self->data = data;
    self->capacity = capacity;
    return true;
}

void
buffer_add(buffer *self, const void *data, size_t size)
{
    if (size == 0 || !buffer_reserve(self, size))
        return;
    memcpy(self->data + self->size, data, size);
    self->size += size;
}

void
buffer_add_text(buffer *self, const char *text)
{
    buffer_add(self, text, strlen(text));
}

void
buffer_format(buffer *self, const char *format, ...)
{
    va_list args;
    int     needed;

    va_start(args, format);
    needed = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (needed < 0 || !buffer_reserve(self, (size_t)needed + 1))
        return;
    va_start(args, format);
    (void)vsnprintf(self->data + self->size, (size_t)needed + 1, format, args);
    va_end(args);
    self->size += (size_t)needed;
}

uint64_t
hash_bytes(const void *data, size_t size)
{
    const unsigned char *at = data;
    uint64_t             hash = mix64(size);

    for (; size >= 8; size -= 8, at += 8)
        hash = mix64(hash ^ get_u64(at));
    if (size > 0) {
        uint64_t last = 0;

        memcpy(&last, at, size);
        hash = mix64(hash ^ last);
    }
    return hash;
}
