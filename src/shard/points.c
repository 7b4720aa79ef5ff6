/* See points.h.
 *
 * ID -> POINT   An open-addressing table of point numbers; the id is compared in the ids column. A place never becomes
 *               free again - an id that is forgotten leaves POINT_GONE -, so a reader's probe is safe at any time. When it
 *               is two thirds full the writer fills another table, of twice the size or without what is gone, swaps
 *               the pointer and retires the old one. The table is stored as a column: opening a large shard maps it
 *               instead of hashing again.
 * POINTS BY ID  Most collections are filled with ascending ids, and then number order is id order. If not, the
 *               first scroll sorts the numbers and keeps the result; points added since are few and merged in.
 */
#include "shard/points_internal.h"

#include <stdlib.h>

#include "base/epoch.h"

#define MAP_CAPACITY_MIN 16u
#define POINTS_EXPECTED  8u
#define ORDER_NEW_MAX    4096u /* points added since a sort before it is worth another, or ... */
#define ORDER_NEW_SHARE  16u   /* ... this part of all */

int
id_compare(const oct_id *a, const oct_id *b)
{
    if (a->is_uuid != b->is_uuid)
        return a->is_uuid < b->is_uuid ? -1 : 1;
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    return (a->reserved > b->reserved) - (a->reserved < b->reserved);
}

bool
id_equal(const oct_id *a, const oct_id *b)
{
    return a->low == b->low && a->high == b->high && a->is_uuid == b->is_uuid &&
           a->reserved == b->reserved;
}

static uint64_t
id_hash(const oct_id *id)
{
    return mix64(id->low ^ mix64(id->high + id->is_uuid + ((uint64_t)id->reserved << 32)));
}

static void
map_free(void *memory)
{
    point_map *self = memory;

    if (self != NULL)
        rows_clear(&self->table);
    oct_free(self);
}

static _Atomic uint32_t *
map_entry(const point_map *self, uint64_t index)
{
    return rows_at(&self->table, (uint32_t)index);
}

static oct_status
map_new(uint64_t capacity, point_map **out, oct_error *error)
{
    point_map *self = oct_calloc(1, sizeof *self);
    oct_status status;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    rows_init(&self->table, sizeof(uint32_t), MAP_CAPACITY_MIN);
    self->capacity = capacity;
    status = rows_reserve(&self->table, capacity, error);
    if (status != OCT_OK) {
        map_free(self);
        return status;
    }
    for (uint64_t i = 0; i < capacity; i++)
        atomic_store_explicit(map_entry(self, i), POINT_NONE, memory_order_relaxed);
    *out = self;
    return OCT_OK;
}

void
point_map_add(point_map *self, const oct_id *id, uint32_t point)
{
    uint64_t at = id_hash(id) & (self->capacity - 1);
    uint32_t there;

    while ((there = atomic_load_explicit(map_entry(self, at), memory_order_relaxed)) < POINT_GONE)
        at = (at + 1) & (self->capacity - 1);
    atomic_store_explicit(map_entry(self, at), point, memory_order_release);
    if (there == POINT_GONE)
        self->gone--;
    else
        self->used++;
}

void
point_map_remove(point_map *self, const oct_id *id, uint32_t point)
{
    uint64_t at = id_hash(id) & (self->capacity - 1);
    uint32_t there;

    while ((there = atomic_load_explicit(map_entry(self, at), memory_order_relaxed)) != point) {
        if (there == POINT_NONE)
            return;
        at = (at + 1) & (self->capacity - 1);
    }
    atomic_store_explicit(map_entry(self, at), POINT_GONE, memory_order_release);
    self->gone++;
}

static bool
map_has_room(const point_map *self, uint64_t more)
{
    return (self->used + more) * 3 <= self->capacity * 2;
}

oct_status
points_init(point_set *self, oct_error *error)
{
    point_map *map;
    oct_status status;

    memset(self, 0, sizeof *self);
    rows_init(&self->ids, sizeof(oct_id), POINTS_EXPECTED);
    rows_init(&self->versions, sizeof(uint64_t), POINTS_EXPECTED);
    rows_init(&self->live, sizeof(uint64_t), 1);
    rows_init(&self->recent, sizeof(uint64_t), 1);
    rows_init(&self->idle, sizeof(uint64_t), 1);
    atomic_store(&self->ascending, true);
    status = map_new(MAP_CAPACITY_MIN, &map, error);
    atomic_store(&self->map, map);
    return status;
}

void
points_clear(point_set *self)
{
    rows_clear(&self->ids);
    rows_clear(&self->versions);
    rows_clear(&self->live);
    rows_clear(&self->recent);
    map_free(atomic_load(&self->map));
    oct_free(atomic_load(&self->order));
    points_reclaim_clear(self);
    atomic_store(&self->map, NULL);
    atomic_store(&self->order, NULL);
}

/* A table that has room for `more` ids beyond those it holds. */
static oct_status
grow_map(point_set *self, uint64_t more, oct_error *error)
{
    point_map     *old = atomic_load(&self->map), *map;
    const uint64_t kept = old->used - old->gone;
    uint64_t       capacity = old->capacity;
    oct_status     status;

    if (map_has_room(old, more))
        return OCT_OK;
    /* Where ids come and go it is left half empty: or it would be full of gaps again soon. */
    if (old->gone > 0)
        for (capacity = MAP_CAPACITY_MIN; (kept + more) * 2 > capacity;)
            capacity *= 2;
    while ((kept + more) * 3 > capacity * 2)
        capacity *= 2;
    status = map_new(capacity, &map, error);
    if (status != OCT_OK)
        return status;
    for (uint64_t at = 0; at < old->capacity; at++) {
        const uint32_t point = atomic_load_explicit(map_entry(old, at), memory_order_relaxed);

        if (point < POINT_GONE)
            point_map_add(map, points_id(self, point), point);
    }
    atomic_store(&self->map, map);
    epoch_retire(old, map_free);
    return OCT_OK;
}

oct_status
points_reserve(point_set *self, uint32_t more, oct_error *error)
{
    const uint64_t count = (uint64_t)atomic_load(&self->count) + more - points_reuse_count(self, more);
    oct_status     status;

    if (count > OCT_POINTS_MAX)
        return oct_fail(error, OCT_RANGE, "a shard holds at most %u points", OCT_POINTS_MAX);
    status = rows_reserve(&self->ids, count, error);
    if (status == OCT_OK)
        status = rows_reserve(&self->versions, count, error);
    if (status == OCT_OK)
        status = rows_reserve(&self->live, count / 64 + 1, error);
    if (status == OCT_OK)
        status = rows_reserve(&self->recent, count / POINTS_A_BLOCK + 1, error);
    if (status == OCT_OK)
        status = rows_reserve(&self->idle, count / 64 + 1, error);
    if (status == OCT_OK)
        status = points_reuse_reserve(self, more, error);
    if (status == OCT_OK)
        status = grow_map(self, more, error);
    return status;
}

uint32_t
points_count_with(const point_set *self, uint32_t more)
{
    return atomic_load_explicit(&self->count, memory_order_relaxed) + more - points_reuse_count(self, more);
}

uint32_t
points_find(const point_set *self, const oct_id *id)
{
    const point_map *map = atomic_load_explicit(&self->map, memory_order_seq_cst);
    uint64_t         at = id_hash(id) & (map->capacity - 1);

    for (;;) {
        const uint32_t point = atomic_load_explicit(map_entry(map, at), memory_order_acquire);

        if (point == POINT_NONE || (point != POINT_GONE && id_equal(points_id(self, point), id)))
            return point;
        at = (at + 1) & (map->capacity - 1);
    }
}

uint32_t
points_find_live(const point_set *self, const oct_id *id)
{
    const uint32_t point = points_find(self, id);

    return point != POINT_NONE && points_is_live(self, point) ? point : POINT_NONE;
}

static uint32_t
add_number(point_set *self, const oct_id *id)
{
    const uint32_t point = atomic_load_explicit(&self->count, memory_order_relaxed);

    *(oct_id *)rows_at(&self->ids, point) = *id;
    atomic_store_explicit(points_version(self, point), 0, memory_order_relaxed);
    if (point > 0 && id_compare(points_id(self, point - 1), id) > 0)
        atomic_store(&self->ascending, false);
    atomic_store_explicit(&self->count, point + 1, memory_order_release);
    return point;
}

uint32_t
points_add(point_set *self, const oct_id *id)
{
    const uint32_t point = points_reuse_count(self, 1) > 0 ? points_reuse(self, id) : add_number(self, id);

    point_map_add(atomic_load(&self->map), id, point);
    return point;
}

void
points_add_dead(point_set *self, const oct_id *id)
{
    (void)add_number(self, id);
}

void
points_set_live(point_set *self, uint32_t point, bool live)
{
    _Atomic uint64_t *word = rows_at(&self->live, point / 64);
    const uint64_t    bit = (uint64_t)1 << (point % 64);

    if (points_is_live(self, point) == live)
        return;
    if (live) {
        (void)atomic_fetch_or_explicit(word, bit, memory_order_release);
        (void)atomic_fetch_add(&self->live_count, 1);
    } else {
        (void)atomic_fetch_and_explicit(word, ~bit, memory_order_release);
        (void)atomic_fetch_sub(&self->live_count, 1);
    }
}

static void
note_recent(point_set *self, uint32_t point, uint64_t version)
{
    _Atomic uint64_t *latest = rows_at(&self->recent, point / POINTS_A_BLOCK);

    if (atomic_load_explicit(latest, memory_order_relaxed) < version)
        atomic_store_explicit(latest, version, memory_order_relaxed);
}

void
points_touch(point_set *self, uint32_t point, uint64_t version)
{
    const uint64_t touched = atomic_load_explicit(&self->touched, memory_order_relaxed);

    atomic_store_explicit(points_version(self, point), version, memory_order_relaxed);
    note_recent(self, point, version);
    atomic_store_explicit(&self->touched, touched + 1, memory_order_relaxed);
}

oct_status
points_changed(const point_set *self, uint64_t since, uint32_t known, uint32_t point_count, uint32_t **out,
               uint32_t *count, oct_error *error)
{
    uint32_t *found = NULL;
    size_t    capacity = 0;

    *out = NULL;
    *count = 0;
    for (uint32_t point = 0; point < point_count; point++) {
        if (point % POINTS_A_BLOCK == 0 && point + POINTS_A_BLOCK <= known &&
            !points_block_is_recent(self, point / POINTS_A_BLOCK, since)) {
            point += POINTS_A_BLOCK - 1;
            continue;
        }
        if (point < known && atomic_load_explicit(points_version(self, point), memory_order_relaxed) <= since)
            continue;
        if (*count == capacity) {
            uint32_t *grown;

            capacity = capacity == 0 ? 64 : capacity * 2;
            grown = oct_realloc(found, capacity * sizeof *found);
            if (grown == NULL) {
                oct_free(found);
                return oct_fail_memory(error, capacity * sizeof *found);
            }
            found = grown;
        }
        found[(*count)++] = point;
    }
    *out = found;
    return OCT_OK;
}

/* --- points by id -------------------------------------------------------------------------------- */

static int
compare_points(const void *a, const void *b, void *context)
{
    const point_set *self = context;

    return id_compare(points_id(self, *(const uint32_t *)a), points_id(self, *(const uint32_t *)b));
}

/* What a reader looks at: all points that were there when it began. */
typedef struct point_view {
    const point_round *round; /* NULL: number 0 of them */
    uint64_t           generation;
    uint32_t           added; /* of the round */
    uint32_t           count;
} point_view;

static point_view
view_points(const point_set *self)
{
    point_view view = {.round = atomic_load(&self->round)};

    if (view.round != NULL) {
        view.generation = view.round->generation;
        view.added = atomic_load_explicit(&view.round->count, memory_order_acquire);
    }
    view.count = atomic_load_explicit(&self->count, memory_order_acquire);
    return view;
}

/* How many points of a view an order lacks; SIZE_MAX: it is of another round. */
static size_t
order_lacks(const point_order *order, const point_view *view)
{
    if (order == NULL || order->generation != view->generation)
        return SIZE_MAX;
    return (size_t)(view->count > order->count ? view->count - order->count : 0) +
           (view->added > order->added ? view->added - order->added : 0);
}

/* Put it in place of `before`, for others. Several readers may sort at once; the first to store wins, and the others' work is
 * thrown away. What is returned is good while pinned. */
static const point_order *
share_order(point_set *self, point_order *before, point_order *fresh)
{
    point_order *there = before;

    while (there == NULL || there->generation <= fresh->generation) {
        if (atomic_compare_exchange_strong(&self->order, &there, fresh)) {
            if (there != NULL)
                epoch_retire(there, oct_free);
            return fresh;
        }
        if (there != NULL && there->generation == fresh->generation) {
            oct_free(fresh);
            return there;
        }
    }
    epoch_retire(fresh, oct_free); /* a later round has begun: it is for this reader only */
    return fresh;
}

/* The sorted numbers of at least most points, made if need be. NULL: out of memory. */
static const point_order *
sorted_points(point_set *self, const point_view *view)
{
    point_order *order = atomic_load(&self->order), *fresh;
    const size_t new_max = size_max(ORDER_NEW_MAX, view->count / ORDER_NEW_SHARE);

    if (order_lacks(order, view) <= new_max)
        return order;
    fresh = oct_alloc(sizeof *fresh + (size_t)view->count * sizeof fresh->numbers[0]);
    if (fresh == NULL)
        return NULL;
    *fresh = (point_order){.generation = view->generation, .count = view->count, .added = view->added};
    for (uint32_t point = 0; point < view->count; point++) {
        if (!points_is_idle(self, point))
            fresh->numbers[fresh->size++] = point;
    }
    qsort_r(fresh->numbers, fresh->size, sizeof fresh->numbers[0], compare_points, self);
    return share_order(self, order, fresh);
}

/* The points from `from` on that an order lacks, sorted. *out NULL: there are none. */
static oct_status
list_new(const point_set *self, const point_view *view, const point_order *order, const oct_id *from, uint32_t **out,
         uint32_t *count, oct_error *error)
{
    const size_t lacks = order_lacks(order, view);
    uint32_t    *found;

    *out = NULL;
    *count = 0;
    if (lacks == 0)
        return OCT_OK;
    found = oct_alloc(lacks * sizeof *found);
    if (found == NULL)
        return oct_fail_memory(error, lacks * sizeof *found);
    for (uint32_t point = order->count; point < view->count; point++)
        found[(*count)++] = point;
    for (uint32_t i = order->added; i < view->added; i++)
        found[(*count)++] = *(const uint32_t *)rows_at(&view->round->added, i);
    for (uint32_t i = *count; i-- > 0 && from != NULL;) {
        if (id_compare(points_id(self, found[i]), from) < 0)
            found[i] = found[--*count];
    }
    qsort_r(found, *count, sizeof *found, compare_points, (void *)(uintptr_t)self);
    *out = found;
    return OCT_OK;
}

/* First place in `numbers` whose id is not before `from`. `numbers` NULL: place i holds point i. */
static uint32_t
lower_bound(const point_set *self, const uint32_t *numbers, uint32_t count, const oct_id *from)
{
    uint32_t low = 0, high = from == NULL ? 0 : count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (id_compare(points_id(self, numbers == NULL ? middle : numbers[middle]), from) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

oct_status
points_page(point_set *self, const oct_id *from, size_t limit, uint32_t *out, size_t *found, oct_error *error)
{
    return points_page_of(self, NULL, from, limit, out, found, error);
}

oct_status
points_page_of(point_set *self, const point_bits *only, const oct_id *from, size_t limit, uint32_t *out,
               size_t *found, oct_error *error)
{
    const bool         ascending = atomic_load(&self->ascending);
    const point_view   view = view_points(self);
    const point_order *order = NULL;
    uint32_t          *fresh = NULL;
    uint32_t           sorted_count = view.count, at, fresh_count = 0, fresh_at = 0;
    oct_status         status = OCT_OK;

    *found = 0;
    /* `ascending` was loaded first: if it still holds after, it held for all points of the view; and none of these gets another
     * id while this reader is pinned. */
    if (!ascending || !atomic_load(&self->ascending)) {
        order = sorted_points(self, &view);
        if (order == NULL)
            return oct_fail_memory(error, (size_t)view.count * sizeof(uint32_t));
        sorted_count = order->size;
        status = list_new(self, &view, order, from, &fresh, &fresh_count, error);
        if (status != OCT_OK)
            return status;
    }
    at = lower_bound(self, order == NULL ? NULL : order->numbers, sorted_count, from);
    while (*found < limit && (at < sorted_count || fresh_at < fresh_count)) {
        const uint32_t sorted = at < sorted_count ? (order == NULL ? at : order->numbers[at]) : POINT_NONE;
        const uint32_t extra = fresh_at < fresh_count ? fresh[fresh_at] : POINT_NONE;
        uint32_t       point;

        if (extra == POINT_NONE ||
            (sorted != POINT_NONE && id_compare(points_id(self, sorted), points_id(self, extra)) < 0)) {
            point = sorted;
            at++;
        } else {
            point = extra;
            fresh_at++;
        }
        if (*found > 0 && out[*found - 1] == point)
            continue; /* it came while the order was made, which has it, too */
        if (points_is_live(self, point) && (only == NULL || point_bits_have(only, point)))
            out[(*found)++] = point;
    }
    oct_free(fresh);
    return OCT_OK;
}

/* --- loading ------------------------------------------------------------------------------------------ */

rows *
points_map_rows(const point_set *self)
{
    return &atomic_load(&self->map)->table;
}

uint64_t
points_map_capacity(const point_set *self)
{
    return atomic_load(&self->map)->capacity;
}

oct_status
points_map_new(point_set *self, uint64_t capacity, oct_error *error)
{
    point_map *map = oct_calloc(1, sizeof *map);

    if (map == NULL)
        return oct_fail_memory(error, sizeof *map);
    rows_init(&map->table, sizeof(uint32_t), MAP_CAPACITY_MIN);
    map->capacity = capacity;
    map_free(atomic_load(&self->map));
    atomic_store(&self->map, map);
    return OCT_OK;
}

bool
points_map_has_gaps(const point_set *self)
{
    const point_map *map = atomic_load(&self->map);
    const uint64_t   count = atomic_load(&self->count);

    return map->gone > 0 || map->used != count || count * 3 > map->capacity * 2;
}

/* Count its places. */
static oct_status
check_map(point_map *self, uint32_t count, uint32_t live_count, oct_error *error)
{
    if (self->capacity < MAP_CAPACITY_MIN || (self->capacity & (self->capacity - 1)) != 0 || live_count > count)
        return oct_fail(error, OCT_CORRUPT, "the id table has %llu places for %u points", (unsigned long long)self->capacity,
                        live_count);
    self->used = self->gone = 0;
    for (uint64_t at = 0; at < self->capacity; at++) {
        const uint32_t point = atomic_load_explicit(map_entry(self, at), memory_order_relaxed);

        if (point >= count && point < POINT_GONE)
            return oct_fail(error, OCT_CORRUPT, "the id table leads to point %u of %u", point, count);
        self->used += point != POINT_NONE;
        self->gone += point == POINT_GONE;
    }
    if (self->used * 3 > self->capacity * 2 || self->used - self->gone < live_count)
        return oct_fail(error, OCT_CORRUPT, "of the %llu places of the id table %llu are taken and %llu given up, for %u points",
                        (unsigned long long)self->capacity, (unsigned long long)self->used, (unsigned long long)self->gone,
                        live_count);
    return OCT_OK;
}

oct_status
points_make_map(point_set *self, uint32_t count, bool has_live, oct_error *error)
{
    uint64_t   capacity = MAP_CAPACITY_MIN;
    point_map *map;
    oct_status status;

    while ((uint64_t)count * 3 > capacity * 2)
        capacity *= 2;
    status = map_new(capacity, &map, error);
    if (status != OCT_OK)
        return status;
    map_free(atomic_load(&self->map));
    atomic_store(&self->map, map);
    for (uint32_t point = 0; point < count; point++) {
        if (has_live && !points_is_live(self, point))
            continue;
        if (points_find(self, points_id(self, point)) != POINT_NONE)
            return oct_fail(error, OCT_CORRUPT, "the id of point %u is that of point %u, too", point,
                            points_find(self, points_id(self, point)));
        point_map_add(map, points_id(self, point), point);
    }
    return OCT_OK;
}

oct_status
points_loaded(point_set *self, uint32_t count, uint32_t live_count, bool ascending, oct_error *error)
{
    oct_status status = check_map(atomic_load(&self->map), count, live_count, error);

    if (status == OCT_OK)
        status = rows_reserve(&self->recent, count / POINTS_A_BLOCK + 1, error);
    if (status == OCT_OK)
        status = rows_reserve(&self->idle, count / 64 + 1, error);
    if (status != OCT_OK)
        return status;
    for (uint32_t point = 0; point < count; point++) /* versions are only read: their pages stay the file's */
        note_recent(self, point, atomic_load_explicit(points_version(self, point), memory_order_relaxed));
    atomic_store(&self->touched, count);
    atomic_store(&self->count, count);
    atomic_store(&self->live_count, live_count);
    atomic_store(&self->ascending, ascending);
    return OCT_OK;
}

void
points_usage(const point_set *self, uint64_t *memory, uint64_t *mapped)
{
    const uint32_t     count = atomic_load_explicit(&self->count, memory_order_acquire);
    const point_map   *map = atomic_load(&self->map);
    const point_order *order = atomic_load(&self->order);
    const point_round *round = atomic_load(&self->round);

    rows_usage(&self->ids, count, memory, mapped);
    rows_usage(&self->versions, count, memory, mapped);
    rows_usage(&self->live, ((uint64_t)count + 63) / 64, memory, mapped);
    rows_usage(&self->idle, ((uint64_t)count + 63) / 64, memory, mapped);
    if (round != NULL)
        rows_usage(&round->added, atomic_load(&round->count), memory, mapped);
    if (map != NULL)
        rows_usage(&map->table, map->capacity, memory, mapped);
    if (order != NULL)
        *memory += sizeof *order + order->count * sizeof order->numbers[0];
}
