/* See postings.h. */
#include "sparse/postings.h"

#include "base/epoch.h"

#define UNITS_EXPECTED   64u
#define LISTS_EXPECTED   16u
#define MAP_CAPACITY_MIN 32u

_Static_assert(sizeof(posting) == 8 && sizeof(posting_block) == sizeof(posting), "a head takes the place of a posting");

struct term_map {
    uint32_t         capacity; /* a power of two */
    uint32_t         used;     /* the writer's */
    _Atomic uint32_t slots[];  /* list number + 1; 0: free */
};

static posting_list *
list_at(const postings *self, uint32_t number)
{
    return rows_at(&self->lists, number);
}

static posting_block *
block_at(const postings *self, uint32_t unit)
{
    return rows_at(&self->units, unit);
}

/* --- terms ----------------------------------------------------------------------------------------- */

static oct_status
map_new(uint32_t capacity, term_map **out, oct_error *error)
{
    const size_t bytes = sizeof(term_map) + (size_t)capacity * sizeof(uint32_t);
    term_map    *self = oct_calloc(1, bytes);

    *out = self;
    if (self == NULL)
        return oct_fail_memory(error, bytes);
    self->capacity = capacity;
    return OCT_OK;
}

static void
map_add(term_map *self, uint32_t term, uint32_t number)
{
    uint32_t at = (uint32_t)mix64(term) & (self->capacity - 1);

    while (atomic_load_explicit(&self->slots[at], memory_order_relaxed) != 0)
        at = (at + 1) & (self->capacity - 1);
    atomic_store_explicit(&self->slots[at], number + 1, memory_order_release);
    self->used++;
}

/* A table at most two thirds full with `more` terms. */
static oct_status
grow_map(postings *self, size_t more, oct_error *error)
{
    term_map  *old = atomic_load(&self->map), *fresh;
    uint64_t   capacity = old->capacity;
    oct_status status;

    while (((uint64_t)old->used + more) * 3 > capacity * 2)
        capacity *= 2;
    if (capacity == old->capacity)
        return OCT_OK;
    if (capacity > 1u << 31)
        return oct_fail(error, OCT_RANGE, "a shard's sparse vectors have more than %u different indices", UINT32_MAX / 3);
    status = map_new((uint32_t)capacity, &fresh, error);
    if (status != OCT_OK)
        return status;
    for (uint32_t i = 0; i < self->list_count; i++)
        map_add(fresh, list_at(self, i)->term, i);
    atomic_store(&self->map, fresh);
    epoch_retire(old, oct_free);
    return OCT_OK;
}

static posting_list *
find(const postings *self, uint32_t term)
{
    const term_map *map = atomic_load_explicit(&self->map, memory_order_seq_cst);
    uint32_t        at = (uint32_t)mix64(term) & (map->capacity - 1);

    for (;;) {
        const uint32_t number = atomic_load_explicit(&map->slots[at], memory_order_acquire);

        if (number == 0)
            return NULL;
        if (list_at(self, number - 1)->term == term)
            return list_at(self, number - 1);
        at = (at + 1) & (map->capacity - 1);
    }
}

const posting_list *
postings_find(const postings *self, uint32_t term)
{
    return find(self, term);
}

/* --- room ------------------------------------------------------------------------------------------- */

oct_status
postings_init(postings *self, oct_error *error)
{
    term_map  *map;
    oct_status status = map_new(MAP_CAPACITY_MIN, &map, error);

    memset(self, 0, sizeof *self);
    rows_init(&self->units, sizeof(posting), UNITS_EXPECTED);
    rows_init(&self->lists, sizeof(posting_list), LISTS_EXPECTED);
    atomic_store(&self->map, map);
    return status;
}

void
postings_clear(postings *self)
{
    rows_clear(&self->units);
    rows_clear(&self->lists);
    oct_free(atomic_load(&self->map));
    atomic_store(&self->map, NULL);
}

/* A block's first unit, in one segment whole. */
static oct_status
add_block(postings *self, uint32_t units, uint32_t *out, oct_error *error)
{
    uint64_t   at = self->unit_count;
    oct_status status;

    for (;;) {
        const uint64_t end = at > UINT32_MAX ? 0 : rows_segment_end(&self->units, rows_segment_of(&self->units, (uint32_t)at));

        if (at + units > UINT32_MAX)
            return oct_fail(error, OCT_RANGE, "a shard's sparse vectors have more than %u entries", UINT32_MAX);
        if (at + units <= end)
            break;
        at = end;
    }
    status = rows_reserve(&self->units, at + units, error);
    if (status != OCT_OK)
        return status;
    self->unit_count = at + units;
    *out = (uint32_t)at;
    *block_at(self, *out) = (posting_block){0, units - 1};
    return OCT_OK;
}

static oct_status
add_list(postings *self, uint32_t term, posting_list **out, oct_error *error)
{
    uint32_t   unit = 0;
    oct_status status = grow_map(self, 1, error);

    if (status == OCT_OK)
        status = rows_reserve(&self->lists, (uint64_t)self->list_count + 1, error);
    if (status == OCT_OK)
        status = add_block(self, POSTINGS_BLOCK_MIN, &unit, error);
    if (status != OCT_OK)
        return status;
    *out = list_at(self, self->list_count);
    **out = (posting_list){
        .term = term, .first = unit, .last = unit, .tail = unit, .room = POSTINGS_BLOCK_MIN - 1};
    map_add(atomic_load(&self->map), term, self->list_count++);
    return OCT_OK;
}

static oct_status
extend(postings *self, posting_list *list, oct_error *error)
{
    const uint32_t before = block_at(self, list->tail)->capacity + 1;
    const uint32_t units = before < POSTINGS_BLOCK_MAX ? 2 * before : POSTINGS_BLOCK_MAX;
    uint32_t       unit = 0;
    oct_status     status = add_block(self, units, &unit, error);

    if (status != OCT_OK)
        return status;
    block_at(self, list->tail)->next = unit;
    list->tail = unit;
    list->room += units - 1;
    return OCT_OK;
}

oct_status
postings_reserve(postings *self, const uint32_t *terms, size_t count, oct_error *error)
{
    size_t     done = 0;
    oct_status status = OCT_OK;

    for (; done < count && status == OCT_OK; done++) {
        posting_list *list = find(self, terms[done]);

        if (list == NULL)
            status = add_list(self, terms[done], &list, error);
        if (status == OCT_OK && list->wanted++ == list->room)
            status = extend(self, list, error);
    }
    for (size_t i = 0; i < done; i++) {
        posting_list *list = find(self, terms[i]);

        if (list != NULL)
            list->wanted = 0;
    }
    return status;
}

/* --- writing and walking ------------------------------------------------------------------------------ */

void
postings_add(postings *self, uint32_t term, uint32_t row, float weight, bool live)
{
    posting_list *list = find(self, term);
    posting      *block;

    OCT_MUST(list != NULL && list->room > 0);
    if (list->filled == block_at(self, list->last)->capacity) {
        list->last = block_at(self, list->last)->next;
        list->filled = 0;
    }
    block = rows_at(&self->units, list->last);
    block[1 + list->filled++] = (posting){row, weight};
    list->room--;
    if (live)
        (void)atomic_fetch_add_explicit(&list->live, 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&list->count, 1, memory_order_release);
}

void
postings_kill(postings *self, uint32_t term)
{
    posting_list *list = find(self, term);

    OCT_MUST(list != NULL);
    (void)atomic_fetch_sub_explicit(&list->live, 1, memory_order_relaxed);
}

uint64_t
postings_bytes(const postings *self)
{
    return rows_bytes(&self->units) + rows_bytes(&self->lists) +
           (uint64_t)atomic_load_explicit(&self->map, memory_order_seq_cst)->capacity * sizeof(uint32_t);
}

static void
enter_block(posting_cursor *self, uint32_t unit)
{
    const posting_block *head = rows_at(self->units, unit);
    const uint32_t       count = head->capacity < self->left ? head->capacity : self->left;

    self->at = (const posting *)(const void *)head + 1;
    self->end = self->at + count;
    self->left -= count;
    if (self->left > 0)
        self->next = head->next;
}

void
posting_cursor_init(posting_cursor *self, const postings *from, const posting_list *list)
{
    *self = (posting_cursor){.units = &from->units};
    if (list == NULL)
        return;
    self->left = atomic_load_explicit(&list->count, memory_order_acquire);
    if (self->left > 0)
        enter_block(self, list->first);
}

bool
posting_cursor_advance(posting_cursor *self)
{
    if (self->left == 0)
        return false;
    enter_block(self, self->next);
    return true;
}
