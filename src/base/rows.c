/* See rows.h. */
#include "base/rows.h"

#include "base/pages.h"

#define ROWS_ALIGNMENT 64u /* a cache line, and the widest vector register */

static uint64_t
segment_bytes(const rows *self, uint32_t segment)
{
    return (rows_segment_end(self, segment) - rows_segment_start(self, segment)) * self->stride;
}

void
rows_init(rows *self, uint32_t stride, uint32_t rows_expected)
{
    *self = (rows){0};
    self->stride = stride;
    while (self->shift < 20 && ((uint32_t)1 << self->shift) < rows_expected)
        self->shift++;
}

bool
rows_segment_is_mapped(const rows *self, uint32_t segment)
{
    return segment_bytes(self, segment) >= ROWS_MAP_BYTES;
}

oct_status
rows_reserve(rows *self, uint64_t count, oct_error *error)
{
    while (self->capacity < count) {
        const uint32_t segment = self->capacity == 0 ? 0 : rows_segment_of(self, (uint32_t)self->capacity);
        const uint64_t bytes = segment_bytes(self, segment);
        char          *memory;

        if (rows_segment_is_mapped(self, segment)) {
            memory = pages_map(bytes);
        } else {
            memory = oct_alloc_aligned(ROWS_ALIGNMENT, bytes);
            if (memory != NULL)
                memset(memory, 0, bytes);
        }
        if (memory == NULL)
            return oct_fail_memory(error, bytes);
        /* Readers learn of these rows through the owner's count, stored with release after this. */
        atomic_store_explicit(&self->base[segment], memory - rows_segment_start(self, segment) * self->stride,
                              memory_order_relaxed);
        self->capacity = rows_segment_end(self, segment);
    }
    return OCT_OK;
}

void
rows_clear(rows *self)
{
    const uint32_t stride = self->stride, shift = self->shift;
    uint64_t       row = 0;

    while (row < self->capacity) {
        const uint32_t segment = row == 0 ? 0 : rows_segment_of(self, (uint32_t)row);
        char          *memory = atomic_load(&self->base[segment]) + row * stride;

        if (rows_segment_is_mapped(self, segment))
            pages_unmap(memory, segment_bytes(self, segment));
        else
            oct_free(memory);
        row = rows_segment_end(self, segment);
    }
    *self = (rows){.stride = stride, .shift = shift};
}

oct_status
rows_settle(rows *self, uint64_t count, oct_error *error)
{
    uint64_t row = 0;

    while (row < count) {
        const uint32_t segment = row == 0 ? 0 : rows_segment_of(self, (uint32_t)row);
        const uint64_t bytes = segment_bytes(self, segment), start = rows_segment_start(self, segment);
        const uint64_t end = rows_segment_end(self, segment);

        if (rows_segment_is_mapped(self, segment)) {
            char *old = atomic_load(&self->base[segment]) + start * self->stride;
            char *fresh = pages_map(bytes);

            if (fresh == NULL)
                return oct_fail_memory(error, bytes);
            memcpy(fresh, old, ((count < end ? count : end) - start) * self->stride);
            atomic_store(&self->base[segment], fresh - start * self->stride);
            pages_unmap(old, bytes);
        }
        row = end;
    }
    atomic_store(&self->file_rows, 0);
    return OCT_OK;
}

void
rows_usage(const rows *self, uint64_t count, uint64_t *memory, uint64_t *mapped)
{
    const uint64_t file_rows = atomic_load(&self->file_rows);
    uint64_t       row = 0;

    while (row < count) {
        const uint32_t segment = rows_segment_of(self, (uint32_t)row);
        const uint64_t end = rows_segment_end(self, segment), stop = end < count ? end : count;
        const uint64_t in_file = !rows_segment_is_mapped(self, segment) || file_rows <= row ? 0
                                 : (file_rows < stop ? file_rows : stop) - row;

        *mapped += in_file * self->stride;
        *memory += (stop - row - in_file) * self->stride;
        row = stop;
    }
}

/* Of rows [first, end) what lies in one piece; *next is where the next begins. */
static void *
piece_of(const rows *self, uint64_t first, uint64_t end, uint64_t *next, size_t *bytes)
{
    const uint64_t segment_end = rows_segment_end(self, rows_segment_of(self, (uint32_t)first));

    *next = end < segment_end ? end : segment_end;
    *bytes = (size_t)(*next - first) * self->stride;
    return rows_at(self, (uint32_t)first);
}

void
rows_expect_jumps(rows *self, uint64_t count)
{
    const uint64_t file_rows = atomic_load(&self->file_rows);
    uint64_t       row = 0, end = file_rows < count ? file_rows : count;

    atomic_store(&self->jumps, true);
    while (row < end) {
        const bool mapped = rows_segment_is_mapped(self, rows_segment_of(self, (uint32_t)row));
        size_t     bytes;
        void      *memory = piece_of(self, row, end, &row, &bytes);

        if (mapped)
            pages_expect_jumps(memory, bytes);
    }
}

void
rows_expect_range(const rows *self, uint64_t first, uint64_t count)
{
    const uint64_t file_rows = atomic_load_explicit(&self->file_rows, memory_order_relaxed);
    const uint64_t end = first + count < file_rows ? first + count : file_rows;

    if (!atomic_load_explicit(&self->jumps, memory_order_relaxed))
        return;
    while (first < end) {
        size_t      bytes;
        const void *memory = piece_of(self, first, end, &first, &bytes);

        pages_expect(memory, bytes);
    }
}

void
rows_expect(const rows *self, const void *const *at, size_t count)
{
    for (size_t i = 0; i < count && atomic_load_explicit(&self->jumps, memory_order_relaxed); i++)
        pages_expect(at[i], self->stride);
}

uint64_t
rows_bytes(const rows *self)
{
    return self->capacity * self->stride;
}
