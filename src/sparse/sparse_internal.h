/* sparse_internal.h - the struct behind sparse.h, for sparse*.c. */
#ifndef OCT_SPARSE_INTERNAL_H
#define OCT_SPARSE_INTERNAL_H

#include "sparse/lists.h"
#include "sparse/sparse.h"
#include "storage/heap.h"

/* One row, in the column "heads". */
typedef struct sparse_head {
    uint32_t document; /* in the heap: the indices, then the values; HEAP_NONE: no entries */
    uint32_t point;
    uint32_t before;   /* the row that its point had before, for those who do not see this one yet; or SPARSE_NONE */
    uint32_t count;    /* entries */
} sparse_head;

_Static_assert(sizeof(sparse_head) == 16, "heads are stored as they are in memory");

struct sparse_index {
    heap             entries;       /* appended */
    rows             heads;         /* sparse_head; appended */
    rows             seats;         /* _Atomic uint32_t: row of each point, or SPARSE_NONE */
    rows             live;          /* a bit a row: it is in the seat of its point. What seats are made from when they are lost */
    lists            lists;         /* of all rows below lists.listed that could be read */
    atomic_bool      behind;        /* rows are appended without being listed; the writer's to change */
    uint32_t         rows_appended; /* the writer's */
    uint32_t         point_count;   /* seats there are; the writer's */
    _Atomic uint32_t seat_count;    /* the same, for readers */
    _Atomic uint32_t row_count;     /* published */
    _Atomic uint32_t live_count;
    _Atomic uint32_t damaged;       /* live rows that were not readable when they were listed: in no list */
    _Atomic uint32_t damaged_row;   /* one of them */
    char            *scratch;       /* of the writer: a vector as the heap wants it */
    size_t           scratch_bytes;
};

static inline const sparse_head *
sparse_head_at(const sparse_index *self, uint32_t row)
{
    return rows_at(&self->heads, row);
}

static inline _Atomic uint32_t *
sparse_seat(const sparse_index *self, uint32_t point)
{
    return rows_at(&self->seats, point);
}

/* The writer's. */
static inline void
sparse_set_live(sparse_index *self, uint32_t row, bool live)
{
    uint64_t      *word = rows_at(&self->live, row / 64);
    const uint64_t bit = (uint64_t)1 << (row % 64);

    *word = live ? *word | bit : *word & ~bit;
}

/* The row of a point for one who sees `row_count` of them. */
static inline uint32_t
sparse_visible_row(const sparse_index *self, uint32_t point, uint32_t row_count)
{
    uint32_t row;

    if (point >= atomic_load_explicit(&self->seat_count, memory_order_acquire))
        return SPARSE_NONE;
    row = atomic_load_explicit(sparse_seat(self, point), memory_order_acquire);
    while (row != SPARSE_NONE && row >= row_count)
        row = sparse_head_at(self, row)->before;
    return row;
}

#endif
