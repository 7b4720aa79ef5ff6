/* points_internal.h - the parts behind points.h, for points*.c. */
#ifndef OCT_POINTS_INTERNAL_H
#define OCT_POINTS_INTERNAL_H

#include "shard/points.h"

#define POINT_GONE (UINT32_MAX - 1) /* a place in the map whose id was forgotten: a search goes on behind it */

/* Id -> point. Places are POINT_NONE (free), POINT_GONE, or points. */
struct point_map {
    rows     table; /* _Atomic uint32_t, capacity of them */
    uint64_t capacity;
    uint64_t used; /* places that are not free */
    uint64_t gone; /* of these, POINT_GONE */
};

/* Points sorted by id: all that were not idle, out of [0, count). */
struct point_order {
    uint64_t generation; /* of the round it was made in: in a later one ids of it may be others */
    uint32_t count;
    uint32_t added; /* of the round, that are surely in it */
    uint32_t size;
    uint32_t numbers[];
};

struct point_round {
    uint64_t         generation;
    rows             added; /* uint32_t: numbers given again, in order */
    _Atomic uint32_t count; /* release after the number */
};

/* The point leaves the map. It need not be there. */
void point_map_remove(point_map *self, const oct_id *id, uint32_t point);
void point_map_add(point_map *self, const oct_id *id, uint32_t point);

/* points_reclaim.c */
void points_reclaim_clear(point_set *self);
/* Room for `more` new points as far as they get old numbers. */
oct_status points_reuse_reserve(point_set *self, uint32_t more, oct_error *error);
/* How many of `more` new points do. */
uint32_t points_reuse_count(const point_set *self, uint32_t more);
/* Give an old number to a new id, which is not in the map yet. */
uint32_t points_reuse(point_set *self, const oct_id *id);

static inline bool
points_is_idle(const point_set *self, uint32_t point)
{
    const _Atomic uint64_t *word = rows_at(&self->idle, point / 64);

    return (atomic_load_explicit(word, memory_order_acquire) >> (point % 64) & 1) != 0;
}

#endif
