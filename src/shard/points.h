/* points.h - who is in a shard: ids, versions, who is alive; id -> point and points by id.
 *
 * A point gets a number when its id is first seen and keeps it while it lives. Deleted, it may come back under the same
 * number, until the number is reclaimed: when many are dead their ids are forgotten, and new ids get their numbers
 * (points_reclaim.c). So a number means the same id for as long as a reader is pinned, and no longer.
 * THREADS  One writer. Readers any time, pinned (epoch.h), without a lock.
 */
#ifndef OCT_POINTS_H
#define OCT_POINTS_H

#include "base/rows.h"

#define POINT_NONE UINT32_MAX

typedef struct point_map   point_map;
typedef struct point_order point_order;
typedef struct point_round point_round;
typedef struct point_grace point_grace;

typedef struct point_set {
    rows                   ids;      /* oct_id */
    rows                   versions; /* _Atomic uint64_t */
    rows                   live;     /* _Atomic uint64_t, a bit a point */
    rows                   recent;   /* _Atomic uint64_t: the latest version in each block of POINTS_A_BLOCK */
    _Atomic uint64_t       touched;  /* how often a point was; the writer's to change */
    _Atomic uint32_t       count;    /* points, dead ones included; release after the id */
    _Atomic uint32_t       live_count;
    _Atomic(point_map *)   map;       /* replaced whole when it grows */
    _Atomic(point_order *) order;     /* a cache; replaced whole */
    atomic_bool            ascending; /* ids came in ascending order so far: number order is id order */

    /* Reclaimed numbers: points_reclaim.c. Without _Atomic: the writer's. */
    rows                   idle;  /* _Atomic uint64_t, a bit a point: no id leads to it; new ones get it, now or soon */
    _Atomic(point_round *) round; /* what was given again since numbers were last reclaimed; NULL: they never were */
    _Atomic uint64_t       moves; /* how often a number was reclaimed or given again, about: only equality tells something */
    uint64_t               reuses;     /* numbers given again */
    uint32_t               idle_count; /* bits of `idle` */
    uint32_t              *free;       /* [free_at, free_count) may be given to new ids */
    uint32_t               free_at, free_count;
    uint32_t              *waiting; /* these too, when no reader is left who may know them by their old ids */
    uint32_t               waiting_count;
    point_grace           *grace; /* tells when; NULL: none wait */
    bool                   held;  /* somebody reads ids without being pinned: none is overwritten */
} point_set;

oct_status points_init(point_set *self, oct_error *error);
void       points_clear(point_set *self); /* no reader may be left */
/* Add what the points take to *memory and *mapped. Pinned. */
void points_usage(const point_set *self, uint64_t *memory, uint64_t *mapped);

/* By number or UUID, then by the number of the shard key in `reserved`. */
int  id_compare(const oct_id *a, const oct_id *b);
bool id_equal(const oct_id *a, const oct_id *b);

/* Before a write of new ids looks for them: forget ids of the dead, if they are many, and take up numbers that nobody knows by
 * their old ids any more. Whatever prevents it prevents nothing else; it is tried again. */
void points_reclaim(point_set *self);
/* Tests: so few dead points are worth it, not POINTS_RECLAIM_MIN; 0: that again. */
void points_reclaim_after(uint32_t dead);
/* Room for `count` new points, so that adding cannot fail. */
oct_status points_reserve(point_set *self, uint32_t count, oct_error *error);
/* How many numbers there will be with so many new points: those that are given again are none. */
uint32_t points_count_with(const point_set *self, uint32_t more);
/* The point of an id, dead or alive, or POINT_NONE. */
uint32_t points_find(const point_set *self, const oct_id *id);
uint32_t points_find_live(const point_set *self, const oct_id *id);
/* Add an id that points_find does not know. It is dead until points_set_live. */
uint32_t points_add(point_set *self, const oct_id *id);
/* Add the next number, dead and with an id that leads nowhere: of a shard that is put back as it was. */
void points_add_dead(point_set *self, const oct_id *id);
void     points_set_live(point_set *self, uint32_t point, bool live);

static inline const oct_id *
points_id(const point_set *self, uint32_t point)
{
    return rows_at(&self->ids, point);
}

static inline _Atomic uint64_t *
points_version(const point_set *self, uint32_t point)
{
    return rows_at(&self->versions, point);
}

static inline bool
points_is_live(const point_set *self, uint32_t point)
{
    const _Atomic uint64_t *word = rows_at(&self->live, point / 64);

    return (atomic_load_explicit(word, memory_order_acquire) >> (point % 64) & 1) != 0;
}

#define POINTS_A_BLOCK     1024u
#define POINTS_RECLAIM_MIN 64u /* dead points; fewer are not worth to be reclaimed, nor is ... */
#define POINTS_RECLAIM_SHARE 4u /* ... less than this part of the live ones */

/* An operation of this number has changed the point. Numbers never fall. */
void points_touch(point_set *self, uint32_t point, uint64_t version);
/* Could a point of this block have a version after `since`? */
static inline bool
points_block_is_recent(const point_set *self, uint32_t block, uint64_t since)
{
    const _Atomic uint64_t *latest = rows_at(&self->recent, block);

    return atomic_load_explicit(latest, memory_order_relaxed) > since;
}
/* The points below `point_count` with a version after `since`, or not below `known`, ascending. Release *out with oct_free;
 * NULL if there are none. OCT_NOMEM. */
oct_status points_changed(const point_set *self, uint64_t since, uint32_t known, uint32_t point_count, uint32_t **out,
                          uint32_t *count, oct_error *error);

/* Live points with ids from `from` on (NULL: all), ascending, at most `limit`, into `out`. OCT_NOMEM. */
oct_status points_page(point_set *self, const oct_id *from, size_t limit, uint32_t *out, size_t *count,
                       oct_error *error);

/* Points by number: a bit each, `count` bits. */
typedef struct point_bits {
    const uint64_t *words;
    uint32_t        count;
} point_bits;

static inline bool
point_bits_have(const point_bits *self, uint32_t point)
{
    return point < self->count && (self->words[point / 64] >> (point % 64) & 1) != 0;
}

/* points_page of the points in `only` (NULL: all). */
oct_status points_page_of(point_set *self, const point_bits *only, const oct_id *from, size_t limit,
                          uint32_t *out, size_t *count, oct_error *error);

/* After the columns and `count` were loaded: rebuild what is not stored. OCT_CORRUPT. */
oct_status points_loaded(point_set *self, uint32_t count, uint32_t live_count, bool ascending,
                         oct_error *error);
/* The stored form of the map; see shard_save.c. */
rows      *points_map_rows(const point_set *self);
uint64_t   points_map_capacity(const point_set *self);
/* Would older versions misunderstand it? They know no places of ids that were forgotten, and all numbers are in theirs. */
bool       points_map_has_gaps(const point_set *self);
oct_status points_map_new(point_set *self, uint64_t capacity, oct_error *error);
/* The map of a damaged file, made again from the ids of points [0, count), the live ones if it is known which these are
 * (`has_live`). Before points_loaded. OCT_CORRUPT: an id stands there twice, and nobody knows which point lives. */
oct_status points_make_map(point_set *self, uint32_t count, bool has_live, oct_error *error);

#endif
