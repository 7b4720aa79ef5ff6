/* Building runs from documents, and merging two of them. See field.h and field_internal.h.
 *
 * A build reads its points in order and collects (key, point) entries; texts are numbered by a hash table as they come, so
 * that only different texts are sorted. Entries are then sorted by key and point, and equal ones dropped: a point
 * has each value once. A merge takes two sorted runs and needs neither documents nor sorting.
 */
#include "field/field_internal.h"

#include <stdlib.h>

#define ENTRIES_FIRST 64u
#define TABLE_FIRST   64u /* places of the hash table; a power of two */
#define NO_TEXT       UINT32_MAX

/* --- runs ------------------------------------------------------------------------------------------ */

static void
run_free(field_run *self)
{
    if (self == NULL)
        return;
    oct_free(self->keys);
    oct_free(self->places);
    oct_free(self->text);
    oct_free(self->text_starts);
    oct_free(self->starts);
    oct_free(self->points);
    field_positions_clear(&self->positions);
    field_list_clear(&self->owned);
    field_list_clear(&self->indexed);
    field_list_clear(&self->filled);
    field_list_clear(&self->null);
    field_list_clear(&self->many);
    field_list_clear(&self->odd);
    oct_free(self);
}

void
field_run_release(field_run *self)
{
    if (self != NULL && atomic_fetch_sub(&self->references, 1) == 1)
        run_free(self);
}

size_t
field_run_bytes(const field_run *self)
{
    size_t bytes = sizeof *self + field_list_bytes(&self->owned) + field_list_bytes(&self->indexed) +
                   field_list_bytes(&self->filled) + field_list_bytes(&self->null) + field_list_bytes(&self->many) +
                   field_list_bytes(&self->odd);

    bytes += (size_t)self->entry_count * sizeof *self->points + ((size_t)self->key_count + 1) * sizeof *self->starts;
    if (self->order == FIELD_BY_TEXT)
        bytes += ((size_t)self->key_count + 1) * sizeof *self->text_starts + self->text_starts[self->key_count];
    else
        bytes += (size_t)self->key_count * sizeof *self->keys;
    if (self->order == FIELD_BY_PLACE)
        bytes += (size_t)self->key_count * sizeof *self->places;
    return bytes + field_positions_bytes(&self->positions);
}

uint32_t
run_find_number(const field_run *self, uint64_t key)
{
    uint32_t low = 0, high = self->key_count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (self->keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t
run_find_text(const field_run *self, oct_slice text, bool *is_there)
{
    uint32_t low = 0, high = self->key_count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (slice_compare(run_text(self, middle), text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *is_there = low < self->key_count && slice_equal(run_text(self, low), text);
    return low;
}

/* Arrays for at most so many keys and entries, and bytes of text. */
static oct_status
run_new(field_order order, uint64_t key_max, uint64_t entry_max, size_t text_max, field_run **out, oct_error *error)
{
    field_run *self = oct_calloc(1, sizeof *self);
    bool       ok;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    if (entry_max >= UINT32_MAX) {
        run_free(self);
        return oct_fail(error, OCT_RANGE, "a field index holds at most %u values; these are %llu", UINT32_MAX - 1,
                        (unsigned long long)entry_max);
    }
    atomic_store(&self->references, 1);
    self->order = order;
    self->starts = oct_calloc(key_max + 1, sizeof *self->starts);
    self->points = oct_alloc(size_max(entry_max, 1) * sizeof *self->points);
    ok = self->starts != NULL && self->points != NULL;
    if (order == FIELD_BY_TEXT) {
        self->text_starts = oct_calloc(key_max + 1, sizeof *self->text_starts);
        self->text = oct_alloc(size_max(text_max, 1));
        ok = ok && self->text_starts != NULL && self->text != NULL;
    } else {
        self->keys = oct_alloc(size_max(key_max, 1) * sizeof *self->keys);
        ok = ok && self->keys != NULL;
    }
    if (order == FIELD_BY_PLACE) {
        self->places = oct_alloc(size_max(key_max, 1) * sizeof *self->places);
        ok = ok && self->places != NULL;
    }
    if (!ok) {
        run_free(self);
        return oct_fail_memory(error, entry_max * sizeof *self->points + text_max);
    }
    *out = self;
    return OCT_OK;
}

/* Give back what was not needed. */
static void *
cut(void *memory, size_t bytes)
{
    void *less = memory == NULL ? NULL : oct_realloc(memory, size_max(bytes, 1));

    return less == NULL ? memory : less;
}

static void
run_trim(field_run *self)
{
    self->starts = cut(self->starts, ((size_t)self->key_count + 1) * sizeof *self->starts);
    self->points = cut(self->points, (size_t)self->entry_count * sizeof *self->points);
    self->keys = cut(self->keys, (size_t)self->key_count * sizeof *self->keys);
    self->places = cut(self->places, (size_t)self->key_count * sizeof *self->places);
    self->text_starts = cut(self->text_starts, ((size_t)self->key_count + 1) * sizeof *self->text_starts);
    if (self->text != NULL)
        self->text = cut(self->text, self->text_starts[self->key_count]);
    self->positions.bytes.data = cut(self->positions.bytes.data, self->positions.bytes.size);
    self->positions.bytes.capacity = self->positions.bytes.size;
}

/* Begin the next key. */
static void
run_add_key(field_run *self, uint64_t number, const oct_geo_point *place, oct_slice text)
{
    const uint32_t key = self->key_count++;

    self->starts[key] = self->entry_count;
    if (self->order == FIELD_BY_TEXT) {
        const size_t at = self->text_starts[key];

        if (text.size > 0)
            memcpy(self->text + at, text.data, text.size);
        self->text_starts[key + 1] = at + text.size;
    } else {
        self->keys[key] = number;
    }
    if (self->order == FIELD_BY_PLACE)
        self->places[key] = *place;
}

/* The next point of the key, unless it was the last one too. */
static void
run_add_point(field_run *self, uint32_t point)
{
    if (self->entry_count > self->starts[self->key_count - 1] && self->points[self->entry_count - 1] == point)
        return;
    self->points[self->entry_count++] = point;
}

/* --- building ---------------------------------------------------------------------------------------- */

typedef struct entry {
    uint64_t key; /* or the number of the text */
    uint32_t point;
    uint32_t place; /* its number; of a text the position */
} entry;

typedef struct builder {
    const field_index *index;
    field_values       values;
    entry             *entries;
    size_t             count, capacity;
    buffer             places; /* oct_geo_point */
    buffer             text;   /* the different texts, one behind the other */
    buffer             ends;   /* size_t: of each */
    uint32_t          *table;  /* text numbers by hash */
    size_t             table_size, text_count;
    field_list         owned, indexed, filled, null, many, odd;
} builder;

static void
builder_clear(builder *self)
{
    field_values_clear(&self->values);
    oct_free(self->entries);
    oct_free(self->table);
    buffer_clear(&self->places);
    buffer_clear(&self->text);
    buffer_clear(&self->ends);
    field_list_clear(&self->owned);
    field_list_clear(&self->indexed);
    field_list_clear(&self->filled);
    field_list_clear(&self->null);
    field_list_clear(&self->many);
    field_list_clear(&self->odd);
}

static oct_slice
text_of(const builder *self, size_t number)
{
    const size_t *ends = (const size_t *)(const void *)self->ends.data;
    const size_t  start = number == 0 ? 0 : ends[number - 1];

    return (oct_slice){self->text.data + start, ends[number] - start};
}

static bool
grow_table(builder *self)
{
    const size_t size = self->table_size == 0 ? TABLE_FIRST : self->table_size * 2;
    uint32_t    *table = oct_alloc(size * sizeof *table);

    if (table == NULL)
        return false;
    memset(table, 0xFF, size * sizeof *table);
    for (size_t i = 0; i < self->text_count; i++) {
        const oct_slice text = text_of(self, i);
        size_t          at = hash_bytes(text.data, text.size) & (size - 1);

        while (table[at] != NO_TEXT)
            at = (at + 1) & (size - 1);
        table[at] = (uint32_t)i;
    }
    oct_free(self->table);
    self->table = table;
    self->table_size = size;
    return true;
}

/* The number of a text, a new one if it was not met before. */
static bool
number_text(builder *self, oct_slice text, uint32_t *number)
{
    size_t at, end;

    if ((self->text_count + 1) * 2 > self->table_size && !grow_table(self))
        return false;
    at = hash_bytes(text.data, text.size) & (self->table_size - 1);
    while (self->table[at] != NO_TEXT) {
        if (slice_equal(text_of(self, self->table[at]), text)) {
            *number = self->table[at];
            return true;
        }
        at = (at + 1) & (self->table_size - 1);
    }
    buffer_add(&self->text, text.data, text.size);
    end = self->text.size;
    buffer_add(&self->ends, &end, sizeof end);
    if (self->text.failed || self->ends.failed || self->text_count == NO_TEXT)
        return false;
    *number = (uint32_t)self->text_count++;
    self->table[at] = *number;
    return true;
}

static bool
add_entry(builder *self, const field_key *key, uint32_t point)
{
    entry made = {.key = key->number, .point = point};

    if (self->index->order == FIELD_BY_TEXT) {
        uint32_t number;

        if (!number_text(self, key->text, &number))
            return false;
        made.key = number;
        made.place = key->position;
    } else if (self->index->order == FIELD_BY_PLACE) {
        made.place = (uint32_t)(self->places.size / sizeof key->place);
        buffer_add(&self->places, &key->place, sizeof key->place);
        if (self->places.failed)
            return false;
    }
    if (self->count == self->capacity) {
        const size_t more = self->capacity == 0 ? ENTRIES_FIRST : self->capacity * 2;
        entry       *grown = oct_realloc(self->entries, more * sizeof *grown);

        if (grown == NULL)
            return false;
        self->entries = grown;
        self->capacity = more;
    }
    self->entries[self->count++] = made;
    return true;
}

static oct_status
add_point(builder *self, uint32_t point, oct_slice document, oct_error *error)
{
    const field_values *values = &self->values;
    oct_status          status = field_extract(self->index, document, &self->values, error);
    bool                ok = true;

    if (status != OCT_OK)
        return status;
    for (size_t i = 0; i < values->count && ok; i++)
        ok = add_entry(self, &values->keys[i], point);
    ok = ok && (values->count == 0 || field_list_add(&self->indexed, point));
    ok = ok && (!values->filled || field_list_add(&self->filled, point));
    ok = ok && (!values->null || field_list_add(&self->null, point));
    ok = ok && (!values->many || field_list_add(&self->many, point));
    ok = ok && (!values->odd || field_list_add(&self->odd, point));
    return ok ? OCT_OK : oct_fail_memory(error, self->capacity * sizeof *self->entries);
}

/* --- sorting ------------------------------------------------------------------------------------------ */

static const oct_geo_point *
place_of(const builder *self, const entry *at)
{
    return (const oct_geo_point *)(const void *)self->places.data + at->place;
}

static int
compare_places(const oct_geo_point *a, const oct_geo_point *b)
{
    if (a->lon != b->lon)
        return a->lon < b->lon ? -1 : 1;
    return (a->lat > b->lat) - (a->lat < b->lat);
}

static int
compare_entries(const void *left, const void *right, void *context)
{
    const builder *self = context;
    const entry   *a = left, *b = right;
    int            order = 0;

    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (self->index->order == FIELD_BY_PLACE)
        order = compare_places(place_of(self, a), place_of(self, b));
    return order != 0 ? order : (a->point > b->point) - (a->point < b->point);
}

static int
compare_texts(const void *a, const void *b, void *context)
{
    return slice_compare(text_of(context, *(const uint32_t *)a), text_of(context, *(const uint32_t *)b));
}

/* Texts were numbered as they came: number them as they sort. order[i] is the old number of the i-th. */
static oct_status
sort_texts(builder *self, uint32_t **order, oct_error *error)
{
    uint32_t *sorted = oct_alloc(size_max(self->text_count, 1) * sizeof *sorted);
    uint32_t *ranks = oct_alloc(size_max(self->text_count, 1) * sizeof *ranks);

    *order = sorted;
    if (sorted == NULL || ranks == NULL) {
        oct_free(ranks);
        return oct_fail_memory(error, self->text_count * sizeof *sorted);
    }
    for (size_t i = 0; i < self->text_count; i++)
        sorted[i] = (uint32_t)i;
    qsort_r(sorted, self->text_count, sizeof *sorted, compare_texts, self);
    for (size_t i = 0; i < self->text_count; i++)
        ranks[sorted[i]] = (uint32_t)i;
    for (size_t i = 0; i < self->count; i++)
        self->entries[i].key = ranks[self->entries[i].key];
    oct_free(ranks);
    return OCT_OK;
}

/* Keys and points of sorted entries; several of one key and point are one, with several positions. */
static bool
fill_sorted_texts(builder *self, const entry *sorted, const uint32_t *order, field_run *run)
{
    buffer list = {0}; /* uint32_t */
    bool   ok = true;

    for (size_t i = 0, end; i < self->count && ok; i = end) {
        if (i == 0 || sorted[i].key != sorted[i - 1].key)
            run_add_key(run, 0, NULL, text_of(self, order[sorted[i].key]));
        run_add_point(run, sorted[i].point);
        list.size = 0;
        for (end = i; end < self->count && sorted[end].key == sorted[i].key && sorted[end].point == sorted[i].point; end++)
            if (run->has_positions)
                buffer_add(&list, &sorted[end].place, sizeof sorted[end].place);
        if (run->has_positions)
            ok = !list.failed && field_positions_add(&run->positions, run->entry_count - 1,
                                                     (const uint32_t *)(const void *)list.data, end - i);
    }
    buffer_clear(&list);
    return ok;
}

/* Entries of texts came by ascending points: one pass by rank keeps them so. */
static oct_status
fill_texts(builder *self, const uint32_t *order, field_run *run, oct_error *error)
{
    size_t *at = oct_calloc(self->text_count + 1, sizeof *at);
    size_t *begin;
    bool    is_done;
    entry  *sorted = oct_alloc(size_max(self->count, 1) * sizeof *sorted);

    if (at == NULL || sorted == NULL) {
        oct_free(at);
        oct_free(sorted);
        return oct_fail_memory(error, self->count * sizeof *sorted);
    }
    begin = at + 1; /* counts, then places one behind */
    for (size_t i = 0; i < self->count; i++)
        begin[self->entries[i].key]++;
    for (size_t key = 1; key < self->text_count; key++)
        begin[key] += begin[key - 1];
    for (size_t i = 0; i < self->count; i++)
        sorted[at[self->entries[i].key]++] = self->entries[i];
    is_done = fill_sorted_texts(self, sorted, order, run);
    oct_free(at);
    oct_free(sorted);
    return is_done ? OCT_OK : oct_fail_memory(error, run->positions.bytes.size);
}

static void
fill_numbers(builder *self, field_run *run)
{
    qsort_r(self->entries, self->count, sizeof *self->entries, compare_entries, self);
    for (size_t i = 0; i < self->count; i++) {
        const entry         *at = &self->entries[i];
        const oct_geo_point *place = run->order == FIELD_BY_PLACE ? place_of(self, at) : NULL;
        bool                 is_new = i == 0 || at[-1].key != at->key;

        if (!is_new && place != NULL)
            is_new = compare_places(place, &run->places[run->key_count - 1]) != 0;
        if (is_new)
            run_add_key(run, at->key, place, (oct_slice){NULL, 0});
        run_add_point(run, at->point);
    }
}

static oct_status
build_run(builder *self, bool owns_all, field_run **out, oct_error *error)
{
    uint32_t  *order = NULL;
    field_run *run;
    const bool by_text = self->index->order == FIELD_BY_TEXT;
    oct_status status = run_new(self->index->order, by_text ? self->text_count : self->count, self->count,
                                self->text.size, &run, error);

    if (status != OCT_OK)
        return status;
    run->has_positions = self->index->words != NULL && self->index->config.phrase_matching == 1;
    if (by_text && self->count > 0) {
        status = sort_texts(self, &order, error);
        if (status == OCT_OK)
            status = fill_texts(self, order, run, error);
        oct_free(order);
    } else if (self->count > 0) {
        fill_numbers(self, run);
    }
    if (status != OCT_OK) {
        run_free(run);
        return status;
    }
    run->starts[run->key_count] = run->entry_count;
    run_trim(run);
    run->owns_all = owns_all;
    field_list_finish(&self->owned);
    field_list_finish(&self->indexed);
    field_list_finish(&self->filled);
    field_list_finish(&self->null);
    field_list_finish(&self->many);
    field_list_finish(&self->odd);
    run->owned = self->owned;
    run->indexed = self->indexed;
    run->filled = self->filled;
    run->null = self->null;
    run->many = self->many;
    run->odd = self->odd;
    self->owned = self->indexed = self->filled = self->null = self->many = self->odd = (field_list){0};
    *out = run;
    return OCT_OK;
}

oct_status
field_run_build(const field_index *index, const field_change *change, bool owns_all, field_run **out, oct_error *error)
{
    builder    self = {.index = index};
    oct_status status = OCT_OK;

    *out = NULL;
    for (uint32_t i = 0; i < change->count && status == OCT_OK; i++) {
        const uint32_t point = change->points == NULL ? change->first + i : change->points[i];
        oct_slice      document;

        if (!owns_all && !field_list_add(&self.owned, point))
            status = oct_fail_memory(error, self.owned.capacity * sizeof point);
        if (status == OCT_OK)
            status = change->document(change->context, point, &document, error);
        if (status == OCT_OK && document.size > 0)
            status = add_point(&self, point, document, error);
    }
    if (status == OCT_OK)
        status = build_run(&self, owns_all, out, error);
    builder_clear(&self);
    return status;
}

/* --- merging ------------------------------------------------------------------------------------------- */

static int
compare_keys(const field_run *a, uint32_t key_a, const field_run *b, uint32_t key_b)
{
    if (a->order == FIELD_BY_TEXT)
        return slice_compare(run_text(a, key_a), run_text(b, key_b));
    if (a->keys[key_a] != b->keys[key_b])
        return a->keys[key_a] < b->keys[key_b] ? -1 : 1;
    return a->order == FIELD_BY_PLACE ? compare_places(&a->places[key_a], &b->places[key_b]) : 0;
}

static void
begin_key(field_run *out, const field_run *from, uint32_t key)
{
    run_add_key(out, from->order == FIELD_BY_TEXT ? 0 : from->keys[key],
                from->order == FIELD_BY_PLACE ? &from->places[key] : NULL,
                from->order == FIELD_BY_TEXT ? run_text(from, key) : (oct_slice){NULL, 0});
}

/* The next point of the key, as another run has it. */
static void
move_entry(field_run *out, const field_run *from, uint32_t number)
{
    run_add_point(out, from->points[number]);
    if (out->has_positions) /* there is room: see field_run_merge */
        (void)field_positions_copy(&out->positions, out->entry_count - 1, &from->positions, number);
}

/* The points of one key of both (a NULL pointer: of one). Of the older what was superseded is left out. */
static void
merge_points(field_run *out, const field_run *older, uint32_t key_a, const field_run *newer, uint32_t key_b,
             const uint64_t *superseded)
{
    uint32_t a = older == NULL ? 0 : older->starts[key_a], a_end = older == NULL ? 0 : older->starts[key_a + 1];
    uint32_t b = newer == NULL ? 0 : newer->starts[key_b], b_end = newer == NULL ? 0 : newer->starts[key_b + 1];

    while (a < a_end || b < b_end) {
        if (a < a_end && bit_is_set(superseded, older->points[a]))
            a++;
        else if (a < a_end && (b == b_end || older->points[a] < newer->points[b]))
            move_entry(out, older, a++);
        else
            move_entry(out, newer, b++);
    }
}

static void
merge_keys(field_run *out, const field_run *older, const field_run *newer, const uint64_t *superseded)
{
    uint32_t a = 0, b = 0;

    while (a < older->key_count || b < newer->key_count) {
        int order = a == older->key_count ? 1 : -1;

        if (a < older->key_count && b < newer->key_count)
            order = compare_keys(older, a, newer, b);
        begin_key(out, order <= 0 ? older : newer, order <= 0 ? a : b);
        merge_points(out, order <= 0 ? older : NULL, a, order >= 0 ? newer : NULL, b, superseded);
        /* All of its points were superseded: it was not there. */
        if (out->entry_count == out->starts[out->key_count - 1])
            out->key_count--;
        a += order <= 0;
        b += order >= 0;
    }
    out->starts[out->key_count] = out->entry_count;
}

oct_status
field_run_merge(const field_run *older, const field_run *newer, uint32_t point_count, field_run **out, oct_error *error)
{
    const bool by_text = older->order == FIELD_BY_TEXT;
    uint64_t  *superseded = oct_calloc((size_t)point_count / 64 + 1, sizeof *superseded);
    size_t     text = by_text ? older->text_starts[older->key_count] + newer->text_starts[newer->key_count] : 0;
    field_run *run = NULL;
    oct_status status;
    bool       ok;

    *out = NULL;
    status = superseded == NULL ? oct_fail_memory(error, (size_t)point_count / 8)
                                : run_new(older->order, (uint64_t)older->key_count + newer->key_count,
                                          (uint64_t)older->entry_count + newer->entry_count, text, &run, error);
    if (status != OCT_OK) {
        oct_free(superseded);
        return status;
    }
    field_list_set(&newer->owned, superseded);
    run->has_positions = older->has_positions;
    if (run->has_positions &&
        (!buffer_reserve(&run->positions.bytes, older->positions.bytes.size + newer->positions.bytes.size) ||
         !buffer_reserve(&run->positions.blocks,
                         (((size_t)older->entry_count + newer->entry_count) / FIELD_BLOCK + 1) * sizeof(uint64_t)))) {
        run_free(run);
        oct_free(superseded);
        return oct_fail_memory(error, older->positions.bytes.size + newer->positions.bytes.size);
    }
    merge_keys(run, older, newer, superseded);
    run_trim(run);
    run->owns_all = older->owns_all;
    ok = older->owns_all || field_list_merge(&older->owned, superseded, &newer->owned, &run->owned);
    ok = ok && field_list_merge(&older->indexed, superseded, &newer->indexed, &run->indexed);
    ok = ok && field_list_merge(&older->filled, superseded, &newer->filled, &run->filled);
    ok = ok && field_list_merge(&older->null, superseded, &newer->null, &run->null);
    ok = ok && field_list_merge(&older->many, superseded, &newer->many, &run->many);
    ok = ok && field_list_merge(&older->odd, superseded, &newer->odd, &run->odd);
    oct_free(superseded);
    if (!ok) {
        run_free(run);
        return oct_fail_memory(error, (size_t)point_count / 8);
    }
    *out = run;
    return OCT_OK;
}
