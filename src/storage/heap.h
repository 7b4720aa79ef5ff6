/* heap.h - payload documents: appended, never changed, found by number.
 *
 * A document lives in whole units of HEAP_UNIT_BYTES: a header, then its bytes. Its number is the number of its
 * first unit, so 32 bits reach 64 GiB. A document never crosses from one segment of the rows below it to
 * the next (base/rows.h): its bytes are one run of memory. Replaced documents stay
 * until the live ones are copied to another heap.
 *      offset size  meaning
 *           0    4  bytes of the document
 *           4    4  crc32c of the document
 *           8    8  zero
 *          16    n  the document, padded with zeroes to a unit
 * THREADS  One writer appends. A reader may read a document whose number it has learned by an acquire load.
 */
#ifndef OCT_HEAP_H
#define OCT_HEAP_H

#include "base/rows.h"

#define HEAP_UNIT_BYTES 16u
#define HEAP_NONE       UINT32_MAX /* no document */

typedef struct heap {
    rows             units;
    _Atomic uint32_t unit_count; /* used, gaps included */
    uint64_t         live_bytes; /* of documents not released; the writer's */
} heap;

void heap_init(heap *self);
void heap_clear(heap *self);
/* Is it worth storing? "{}" and no document are the same to a reader. */
static inline bool
heap_stores(oct_slice document)
{
    return document.size > 2;
}

/* Make room for those documents that heap_stores, added in this order. */
oct_status heap_reserve(heap *self, const oct_slice *documents, size_t count, oct_error *error);
/* Add a document. There must be room: reserve first. */
uint32_t heap_add(heap *self, oct_slice document);
/* It is not referred to any more. */
void heap_release(heap *self, uint32_t number);
/* The documents one after the other, as they were added: *at is where to look (0 at first) and goes on behind what was found,
 * whose number is *number; HEAP_NONE: there are no more. OCT_CORRUPT. */
oct_status heap_next(const heap *self, uint32_t *at, uint32_t *number, oct_slice *out, oct_error *error);
/* The document's bytes, in place. OCT_CORRUPT if its checksum fails. */
oct_status heap_get(const heap *self, uint32_t number, oct_slice *out, oct_error *error);

#endif
