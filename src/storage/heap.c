/* See heap.h. */
#include "storage/heap.h"

#include "base/crc32c.h"

#define HEADER_BYTES   16u
#define UNITS_EXPECTED 16u

_Static_assert(HEADER_BYTES == HEAP_UNIT_BYTES, "a header is one unit");

void
heap_init(heap *self)
{
    memset(self, 0, sizeof *self);
    rows_init(&self->units, HEAP_UNIT_BYTES, UNITS_EXPECTED);
}

void
heap_clear(heap *self)
{
    rows_clear(&self->units);
}

static uint64_t
units_of(size_t bytes)
{
    return 1 + ((uint64_t)bytes + HEAP_UNIT_BYTES - 1) / HEAP_UNIT_BYTES;
}

/* Where a document of `units` units starts: here, or at the next segment that holds it whole. */
static uint64_t
place(const heap *self, uint64_t at, uint64_t units)
{
    for (;;) {
        const uint64_t end = rows_segment_end(&self->units, rows_segment_of(&self->units, (uint32_t)at));

        if (at + units <= end ||
            end > UINT32_MAX) /* there is no next one: heap_reserve refuses what does not fit */
            return at;
        at = end;
    }
}

oct_status
heap_reserve(heap *self, const oct_slice *documents, size_t count, oct_error *error)
{
    uint64_t end = atomic_load_explicit(&self->unit_count, memory_order_relaxed);

    for (size_t i = 0; i < count; i++) {
        if (!heap_stores(documents[i]))
            continue;
        end = place(self, end, units_of(documents[i].size)) + units_of(documents[i].size);
        if (end >= HEAP_NONE)
            return oct_fail(error, OCT_RANGE, "the payloads of one shard take more than %llu GiB",
                            (unsigned long long)HEAP_NONE * HEAP_UNIT_BYTES >> 30);
    }
    return rows_reserve(&self->units, end, error);
}

uint32_t
heap_add(heap *self, oct_slice document)
{
    const uint64_t units = units_of(document.size);
    const uint64_t at = place(self, atomic_load_explicit(&self->unit_count, memory_order_relaxed), units);
    char          *to;

    OCT_MUST(at + units <= self->units.capacity && document.size <= OCT_PAYLOAD_BYTES_MAX);
    to = rows_at(&self->units, (uint32_t)at);
    put_u32(to, (uint32_t)document.size);
    put_u32(to + 4, crc32c(0, document.data, document.size));
    memcpy(to + HEADER_BYTES, document.data, document.size);
    atomic_store_explicit(&self->unit_count, (uint32_t)(at + units), memory_order_release);
    self->live_bytes += document.size;
    return (uint32_t)at;
}

void
heap_release(heap *self, uint32_t number)
{
    if (number != HEAP_NONE)
        self->live_bytes -= get_u32(rows_at(&self->units, number));
}

oct_status
heap_get(const heap *self, uint32_t number, oct_slice *out, oct_error *error)
{
    const uint32_t unit_count = atomic_load_explicit(&self->unit_count, memory_order_acquire);
    const char    *at;
    uint64_t       end;
    uint32_t       size;

    *out = (oct_slice){NULL, 0};
    if (number >= unit_count)
        return oct_fail(error, OCT_CORRUPT, "payload %u lies behind the %u units there are", number,
                        unit_count);
    at = rows_at(&self->units, number);
    size = get_u32(at);
    /* A damaged size must not lead out of the segment, whose memory ends there. */
    end = rows_segment_end(&self->units, rows_segment_of(&self->units, number));
    end = end < unit_count ? end : unit_count;
    if (size > OCT_PAYLOAD_BYTES_MAX || units_of(size) > end - number)
        return oct_fail(error, OCT_CORRUPT, "payload %u says it has %u bytes", number, size);
    if (crc32c(0, at + HEADER_BYTES, size) != get_u32(at + 4))
        return oct_fail(error, OCT_CORRUPT, "payload %u (%u bytes) does not have the checksum %08x", number,
                        size, get_u32(at + 4));
    *out = (oct_slice){at + HEADER_BYTES, size};
    return OCT_OK;
}

oct_status
heap_next(const heap *self, uint32_t *at, uint32_t *number, oct_slice *out, oct_error *error)
{
    const uint32_t unit_count = atomic_load_explicit(&self->unit_count, memory_order_acquire);
    oct_status     status;

    *number = HEAP_NONE;
    *out = (oct_slice){NULL, 0};
    /* What would not have fitted begins at the next segment; no document is empty. */
    while (*at < unit_count && get_u32(rows_at(&self->units, *at)) == 0) {
        const uint64_t end = rows_segment_end(&self->units, rows_segment_of(&self->units, *at));

        *at = end < unit_count ? (uint32_t)end : unit_count;
    }
    if (*at >= unit_count)
        return OCT_OK;
    status = heap_get(self, *at, out, error);
    if (status != OCT_OK)
        return status;
    *number = *at;
    *at += (uint32_t)units_of(out->size);
    return OCT_OK;
}
