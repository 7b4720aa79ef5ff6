/* rows.h - an array of fixed-size rows that grows but never moves.
 *
 * WHY      Readers walk vectors and links without a lock while a writer appends. A row's address is fixed
 *          for life, so a reader needs no more than the row's number.
 * LAYOUT   Segment 0 holds rows [0, 2^shift); segment s > 0 holds rows [2^(shift+s-1), 2^(shift+s)). Each
 *          doubles what there was, so 2^32 rows need at most 33 segments, and finding one costs a count
 *          of leading zeroes:
 *
 *              rows   0 .. 7 | 8 .. 15 | 16 ........ 31 | 32 ..................... 63 |   (shift 3)
 *              segment   0   |    1    |       2        |              3              |
 *
 *          Small segments come from the heap; those of ROWS_MAP_BYTES or more are whole pages of anonymous
 *          memory (huge pages where the system gives them), which a file may be mapped over: a segment
 *          start then falls on a page of the file (storage/column.h).
 * THREADS  One writer grows and fills. A reader may use row r once it has learned, by an acquire load of
 *          the owner's row count, that r was written.
 */
#ifndef OCT_ROWS_H
#define OCT_ROWS_H

#include "base/base.h"

#define ROWS_SEGMENTS  33u
#define ROWS_MAP_BYTES (1u << 18)

typedef struct rows {
    uint32_t         stride; /* bytes of a row; set by rows_init */
    uint32_t         shift;
    _Atomic(char *)  base[ROWS_SEGMENTS]; /* address of row 0, as if the segment reached down to it */
    _Atomic uint64_t capacity;            /* rows [0, capacity) have memory; the writer's to change */
    _Atomic uint64_t file_rows; /* a file is mapped over what is whole pages of rows [0, file_rows); set by who maps */
    atomic_bool      jumps;     /* rows_expect_jumps was called */
} rows;

/* First row of a segment and one past its last. */
static inline uint64_t
rows_segment_start(const rows *self, uint32_t segment)
{
    return segment == 0 ? 0 : (uint64_t)1 << (self->shift + segment - 1);
}

static inline uint64_t
rows_segment_end(const rows *self, uint32_t segment)
{
    return (uint64_t)1 << (self->shift + segment);
}

static inline uint32_t
rows_segment_of(const rows *self, uint32_t row)
{
    return 63u - (uint32_t)__builtin_clzll(((uint64_t)(row >> self->shift) << 1) | 1);
}

static inline void *
rows_at(const rows *self, uint32_t row)
{
    const uint32_t segment = rows_segment_of(self, row);

    return atomic_load_explicit(&self->base[segment], memory_order_relaxed) + (uint64_t)row * self->stride;
}

/* `rows_expected` sizes segment 0: what a small owner will hold. Allocates nothing. */
void rows_init(rows *self, uint32_t stride, uint32_t rows_expected);
/* Give rows [0, count) memory, new ones zeroed. OCT_NOMEM leaves what there was. */
oct_status rows_reserve(rows *self, uint64_t count, oct_error *error);
/* Release all memory. No reader may be left. */
void rows_clear(rows *self);
/* Copy rows [0, count), over which a file is mapped, to memory of their own, so that a random walk gets the huge pages
 * which mapped files do not have. Before readers know of them. OCT_NOMEM leaves a mixture, which is as good. */
oct_status rows_settle(rows *self, uint64_t count, oct_error *error);
/* What a file is mapped over of rows [0, count) is read here and there, and need not stay in memory: let the system read the
 * pages that are asked for and none around them. Whoever knows which rows he reads next does better to say so then. */
void rows_expect_jumps(rows *self, uint64_t count);
/* If so: rows [first, first + count) are read next, all of them. */
void rows_expect_range(const rows *self, uint64_t first, uint64_t count);
/* If so: the rows at these addresses are. A call of the system for each. */
void rows_expect(const rows *self, const void *const *at, size_t count);
/* Bytes of memory held, touched or not. */
uint64_t rows_bytes(const rows *self);
/* How much of rows [0, count) lies in memory of their own, and how much in a mapped file. Added to *memory and *mapped. */
void rows_usage(const rows *self, uint64_t count, uint64_t *memory, uint64_t *mapped);
/* True if the segment is whole pages, so that a file may be mapped over it. */
bool rows_segment_is_mapped(const rows *self, uint32_t segment);

#endif
