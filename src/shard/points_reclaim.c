/* How the numbers of deleted points come back.
 *
 * WHY      Everything a shard keeps of a point is kept by its number: id, version, place of the document, rows of vectors,
 *          entries of indexes. A window of points that rolls, new ids in and old ones out, must not need a new number for each
 *          new id: it would grow without end, some 60 bytes a point.
 * HOW      When a new id comes, no number is free and a quarter as many points are dead as live (POINTS_RECLAIM_SHARE), the writer
 *          begins a *round*: dead points leave the map id -> point, so that no id leads to them, and become *idle*. Readers
 *          pinned before may still look at their old ids; when the last of these has gone (epoch.h), the numbers are *free*,
 *          and new ids get them. What else is kept under a number sees no more than a point that was deleted and inserted
 *          again, which always could happen, and for which its version rises.
 * BOUND    live points at their most, a quarter more, POINTS_RECLAIM_MIN, and what comes while readers of before are pinned or
 *          numbers are held.
 * ORDER    Numbers sorted by id (points.c) hold for one round: they leave out idle points, and the points that get old numbers
 *          in the course of it are listed, as those with new numbers are behind the count.
 * SAVED    Ids, map and live bits, as ever. What was idle is dead after opening, and as the map does not lead to it, the next
 *          round finds it. A number may therefore come back to another id when the log is replayed than it went to before:
 *          nothing in the log or in an answer tells a number. Who keeps numbers in files of his own asks shard_numbers_hold.
 * WHEN NOT While `held`: a checkpoint writes ids.
 */
#include "shard/points_internal.h"

#include "base/epoch.h"

#define ROUND_NUMBERS 64u

static _Atomic uint32_t reclaim_min = POINTS_RECLAIM_MIN;

void
points_reclaim_after(uint32_t dead)
{
    atomic_store(&reclaim_min, dead == 0 ? POINTS_RECLAIM_MIN : dead);
}

/* Held by the set and by the note in epoch.c; the last one releases it. */
struct point_grace {
    _Atomic uint32_t holders;
    atomic_bool      is_over;
};

static void
grace_release(point_grace *self)
{
    if (self != NULL && atomic_fetch_sub(&self->holders, 1) == 1)
        oct_free(self);
}

static void
end_grace(void *memory)
{
    point_grace *self = memory;

    atomic_store(&self->is_over, true);
    grace_release(self);
}

static void
round_free(void *memory)
{
    point_round *self = memory;

    if (self != NULL)
        rows_clear(&self->added);
    oct_free(self);
}

void
points_reclaim_clear(point_set *self)
{
    rows_clear(&self->idle);
    round_free(atomic_load(&self->round));
    atomic_store(&self->round, NULL);
    grace_release(self->grace);
    oct_free(self->free);
    oct_free(self->waiting);
    self->grace = NULL;
    self->free = self->waiting = NULL;
    self->free_at = self->free_count = self->waiting_count = self->idle_count = 0;
}

static uint32_t
free_left(const point_set *self)
{
    return self->free_count - self->free_at;
}

/* Nobody knows them by their old ids any more. */
static void
end_waiting(point_set *self)
{
    if (self->grace == NULL || free_left(self) > 0)
        return;
    if (!atomic_load(&self->grace->is_over))
        epoch_collect();
    if (!atomic_load(&self->grace->is_over))
        return;
    grace_release(self->grace);
    oct_free(self->free);
    self->grace = NULL;
    self->free = self->waiting;
    self->free_count = self->waiting_count;
    self->free_at = 0;
    self->waiting = NULL;
    self->waiting_count = 0;
}

/* Dead points that are not idle yet: at most `count`, in order; how many. */
static uint32_t
list_dead(const point_set *self, uint32_t *out, uint32_t count)
{
    const uint32_t point_count = atomic_load_explicit(&self->count, memory_order_relaxed);
    uint32_t       found = 0;

    for (uint32_t word = 0; (uint64_t)word * 64 < point_count && found < count; word++) {
        const _Atomic uint64_t *live = rows_at(&self->live, word), *idle = rows_at(&self->idle, word);
        uint64_t                rest = ~(atomic_load_explicit(live, memory_order_relaxed) |
                          atomic_load_explicit(idle, memory_order_relaxed));

        for (; rest != 0 && found < count; rest &= rest - 1)
            out[found++] = word * 64 + (uint32_t)__builtin_ctzll(rest);
    }
    while (found > 0 && out[found - 1] >= point_count) /* bits behind the last point */
        found--;
    return found;
}

/* From here on new readers find neither the points nor an order that has them; then the grace begins. */
static void
forget(point_set *self, point_round *next)
{
    point_map   *map = atomic_load(&self->map);
    point_round *old = atomic_load(&self->round);
    point_order *order;

    for (uint32_t i = 0; i < self->waiting_count; i++) {
        const uint32_t    point = self->waiting[i];
        _Atomic uint64_t *word = rows_at(&self->idle, point / 64);

        point_map_remove(map, points_id(self, point), point);
        (void)atomic_fetch_or_explicit(word, (uint64_t)1 << (point % 64), memory_order_release);
    }
    self->idle_count += self->waiting_count;
    (void)atomic_fetch_add(&self->moves, 1);
    atomic_store(&self->ascending, false);
    next->generation = old == NULL ? 1 : old->generation + 1;
    atomic_store(&self->round, next);
    order = atomic_exchange(&self->order, NULL);
    atomic_store(&self->map, map); /* again: who pins after this and loads it sees what has left it */
    if (old != NULL)
        epoch_retire(old, round_free);
    if (order != NULL)
        epoch_retire(order, oct_free);
    epoch_retire(self->grace, end_grace);
}

static void
begin_round(point_set *self, uint32_t dead)
{
    point_round *next = oct_calloc(1, sizeof *next);

    self->waiting = oct_alloc((size_t)dead * sizeof *self->waiting);
    self->grace = oct_calloc(1, sizeof *self->grace);
    if (next == NULL || self->waiting == NULL || self->grace == NULL) {
        oct_free(next);
        oct_free(self->waiting);
        oct_free(self->grace);
        self->waiting = NULL;
        self->grace = NULL;
        return;
    }
    rows_init(&next->added, sizeof(uint32_t), ROUND_NUMBERS);
    atomic_store(&self->grace->holders, 2);
    self->waiting_count = list_dead(self, self->waiting, dead);
    forget(self, next);
}

void
points_reclaim(point_set *self)
{
    const uint32_t live = atomic_load_explicit(&self->live_count, memory_order_relaxed);
    const uint32_t dead = atomic_load_explicit(&self->count, memory_order_relaxed) - live - self->idle_count;

    end_waiting(self);
    if (self->grace != NULL || free_left(self) > 0 || dead < atomic_load_explicit(&reclaim_min, memory_order_relaxed) ||
        dead < live / POINTS_RECLAIM_SHARE)
        return;
    begin_round(self, dead);
    end_waiting(self); /* there may be no reader */
}

/* --- giving numbers again ---------------------------------------------------------------------------------- */

uint32_t
points_reuse_count(const point_set *self, uint32_t more)
{
    const uint32_t left = self->held ? 0 : free_left(self);

    return more < left ? more : left;
}

oct_status
points_reuse_reserve(point_set *self, uint32_t more, oct_error *error)
{
    point_round   *round = atomic_load_explicit(&self->round, memory_order_relaxed);
    const uint32_t some = points_reuse_count(self, more);

    if (some == 0)
        return OCT_OK;
    return rows_reserve(&round->added, (uint64_t)atomic_load_explicit(&round->count, memory_order_relaxed) + some, error);
}

uint32_t
points_reuse(point_set *self, const oct_id *id)
{
    point_round      *round = atomic_load_explicit(&self->round, memory_order_relaxed);
    const uint32_t    at = atomic_load_explicit(&round->count, memory_order_relaxed);
    const uint32_t    point = self->free[self->free_at++];
    _Atomic uint64_t *word = rows_at(&self->idle, point / 64);

    *(oct_id *)rows_at(&self->ids, point) = *id;
    (void)atomic_fetch_and_explicit(word, ~((uint64_t)1 << (point % 64)), memory_order_release);
    *(uint32_t *)rows_at(&round->added, at) = point;
    atomic_store_explicit(&round->count, at + 1, memory_order_release);
    self->idle_count--;
    self->reuses++;
    (void)atomic_fetch_add(&self->moves, 1);
    return point;
}
