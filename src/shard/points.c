/* See points.h.
 *
 * ID -> POINT   An open-addressing table of point numbers; the id is compared in the ids column. Entries are added,
 *               never taken out, so a reader's probe is safe at any time. When it is two thirds full the
 *               writer fills a table of twice the size, swaps the pointer and retires the old one. The
 *               table is stored as a column: opening a large shard maps it instead of hashing again.
 * POINTS BY ID  Most collections are filled with ascending ids, and then number order is id order. If not, the
 *               first scroll sorts the numbers and keeps the result; points added since are few and merged in.
 */
#include "shard/points.h"

#include <stdlib.h>

#include "base/epoch.h"

#define MAP_CAPACITY_MIN 16u
#define POINTS_EXPECTED  8u
#define ORDER_NEW_MAX    4096u /* points added since a sort before it is worth another, or ... */
#define ORDER_NEW_SHARE  16u   /* ... this part of all */

struct point_map {
    rows     table; /* _Atomic uint32_t, capacity of them, POINT_NONE where free */
    uint64_t capacity;
    uint64_t used;
};

struct point_order {
    uint32_t count; /* points [0, count) sorted by id */
    uint32_t numbers[];
};

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

static void
map_add(point_map *self, const oct_id *id, uint32_t point)
{
    uint64_t at = id_hash(id) & (self->capacity - 1);

    while (atomic_load_explicit(map_entry(self, at), memory_order_relaxed) != POINT_NONE)
        at = (at + 1) & (self->capacity - 1);
    atomic_store_explicit(map_entry(self, at), point, memory_order_release);
    self->used++;
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
    atomic_store(&self->map, NULL);
    atomic_store(&self->order, NULL);
}

/* A table that has room for `more` ids beyond those it holds. */
static oct_status
grow_map(point_set *self, uint64_t more, oct_error *error)
{
    point_map     *old = atomic_load(&self->map), *map;
    const uint32_t count = atomic_load(&self->count);
    uint64_t       capacity = old->capacity;
    oct_status     status;

    if (map_has_room(old, more))
        return OCT_OK;
    while ((old->used + more) * 3 > capacity * 2)
        capacity *= 2;
    status = map_new(capacity, &map, error);
    if (status != OCT_OK)
        return status;
    for (uint32_t point = 0; point < count; point++)
        map_add(map, points_id(self, point), point);
    atomic_store(&self->map, map);
    epoch_retire(old, map_free);
    return OCT_OK;
}

oct_status
points_reserve(point_set *self, uint32_t more, oct_error *error)
{
    const uint64_t count = (uint64_t)atomic_load(&self->count) + more;
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
        status = grow_map(self, more, error);
    return status;
}

uint32_t
points_find(const point_set *self, const oct_id *id)
{
    const point_map *map = atomic_load_explicit(&self->map, memory_order_seq_cst);
    uint64_t         at = id_hash(id) & (map->capacity - 1);

    for (;;) {
        const uint32_t point = atomic_load_explicit(map_entry(map, at), memory_order_acquire);

        if (point == POINT_NONE || id_equal(points_id(self, point), id))
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

uint32_t
points_add(point_set *self, const oct_id *id)
{
    const uint32_t point = atomic_load_explicit(&self->count, memory_order_relaxed);

    *(oct_id *)rows_at(&self->ids, point) = *id;
    atomic_store_explicit(points_version(self, point), 0, memory_order_relaxed);
    if (point > 0 && id_compare(points_id(self, point - 1), id) > 0)
        atomic_store(&self->ascending, false);
    atomic_store_explicit(&self->count, point + 1, memory_order_release);
    map_add(atomic_load(&self->map), id, point);
    return point;
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

/* The sorted numbers of at least most points, made if need be. NULL: out of memory. */
static const point_order *
sorted_points(point_set *self, uint32_t count)
{
    point_order *order = atomic_load(&self->order), *fresh;
    const size_t new_max = size_max(ORDER_NEW_MAX, count / ORDER_NEW_SHARE);

    if (order != NULL && count - order->count <= new_max)
        return order;
    fresh = oct_alloc(sizeof *fresh + (size_t)count * sizeof fresh->numbers[0]);
    if (fresh == NULL)
        return NULL;
    fresh->count = count;
    for (uint32_t point = 0; point < count; point++)
        fresh->numbers[point] = point;
    qsort_r(fresh->numbers, count, sizeof fresh->numbers[0], compare_points, self);
    /* Several readers may sort at once; the first to store wins, the others' work is thrown away. */
    if (!atomic_compare_exchange_strong(&self->order, &order, fresh)) {
        oct_free(fresh);
        return atomic_load(&self->order);
    }
    if (order != NULL)
        epoch_retire(order, oct_free);
    return fresh;
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
    const uint32_t     count = atomic_load_explicit(&self->count, memory_order_acquire);
    const point_order *order = NULL;
    uint32_t          *fresh = NULL;
    uint32_t           sorted_count = count, at, fresh_count = 0, fresh_at = 0;

    *found = 0;
    /* `ascending` was loaded first: if it still holds after, it held for all `count` points. */
    if (!ascending || !atomic_load(&self->ascending)) {
        order = sorted_points(self, count);
        if (order == NULL)
            return oct_fail_memory(error, (size_t)count * sizeof(uint32_t));
        sorted_count = order->count;
    }
    if (sorted_count < count) {
        fresh = oct_alloc((count - sorted_count) * sizeof *fresh);
        if (fresh == NULL)
            return oct_fail_memory(error, (count - sorted_count) * sizeof *fresh);
        for (uint32_t point = sorted_count; point < count; point++) {
            if (from == NULL || id_compare(points_id(self, point), from) >= 0)
                fresh[fresh_count++] = point;
        }
        qsort_r(fresh, fresh_count, sizeof *fresh, compare_points, self);
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

oct_status
points_make_map(point_set *self, uint32_t count, oct_error *error)
{
    uint64_t   capacity = MAP_CAPACITY_MIN;
    point_map *map;
    oct_status status;

    while ((uint64_t)count * 3 > capacity * 2)
        capacity *= 2;
    status = map_new(capacity, &map, error);
    if (status != OCT_OK)
        return status;
    for (uint32_t point = 0; point < count; point++)
        map_add(map, points_id(self, point), point);
    map_free(atomic_load(&self->map));
    atomic_store(&self->map, map);
    return OCT_OK;
}

oct_status
points_loaded(point_set *self, uint32_t count, uint32_t live_count, bool ascending, oct_error *error)
{
    point_map *map = atomic_load(&self->map);
    oct_status status;

    if (map->capacity < MAP_CAPACITY_MIN || (map->capacity & (map->capacity - 1)) != 0 ||
        (uint64_t)count * 3 > map->capacity * 2)
        return oct_fail(error, OCT_CORRUPT, "the id table has %llu places for %u points",
                        (unsigned long long)map->capacity, count);
    map->used = count;
    status = rows_reserve(&self->recent, count / POINTS_A_BLOCK + 1, error);
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

    rows_usage(&self->ids, count, memory, mapped);
    rows_usage(&self->versions, count, memory, mapped);
    rows_usage(&self->live, ((uint64_t)count + 63) / 64, memory, mapped);
    if (map != NULL)
        rows_usage(&map->table, map->capacity, memory, mapped);
    if (order != NULL)
        *memory += sizeof *order + order->count * sizeof order->numbers[0];
}
