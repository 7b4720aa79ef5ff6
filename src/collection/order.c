/* See order.h. */
#include "collection/order.h"

#include <math.h>
#include <stdlib.h>

#include "base/deadline.h"
#include "base/epoch.h"
#include "base/json.h"
#include "collection/fields.h"
#include "collection/records.h"
#include "collection/select.h"
#include "payload/datetime.h"
#include "payload/value.h"

#define TWO_63          9223372036854775808.0
#define DEADLINE_VALUES 64u  /* between two looks at the clock */
#define KEY_SHOWN_MAX  300u /* bytes of a key in an error */

/* --- which index ------------------------------------------------------------------------------------- */

/* The index of a key that serves for `serves`, or NULL. Pinned. */
static oct_status
find_index(const oct_collection *self, oct_slice key, bool (*serves)(const oct_field_index *), field_index **out,
           oct_error *error)
{
    arena      memory = {0};
    path       where;
    oct_status status = path_parse(key, &memory, &where, error);

    *out = status == OCT_OK ? fields_find(collection_box(self), &where) : NULL;
    if (*out != NULL && !serves(field_index_config(*out)))
        *out = NULL;
    arena_clear(&memory);
    return status;
}

static bool
serves_ranges(const oct_field_index *index)
{
    return (index->type == OCT_FIELD_INTEGER && index->range != 0) || index->type == OCT_FIELD_FLOAT ||
           index->type == OCT_FIELD_DATETIME;
}

static bool
serves_matches(const oct_field_index *index)
{
    return (index->type == OCT_FIELD_INTEGER && index->lookup != 0) || index->type == OCT_FIELD_KEYWORD ||
           index->type == OCT_FIELD_BOOL || index->type == OCT_FIELD_UUID;
}

static oct_status
find_range_index(const oct_collection *self, oct_slice key, field_index **out, oct_error *error)
{
    const oct_status status = find_index(self, key, serves_ranges, out, error);

    if (status != OCT_OK || *out != NULL)
        return status;
    return oct_fail(error, OCT_INVALID,
                    "No range index for `order_by` key: `%.*s`. Please create one to use `order_by`. Check "
                    "https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload "
                    "schemas support Range conditions",
                    (int)size_min(key.size, KEY_SHOWN_MAX), key.data);
}

/* --- where to begin ------------------------------------------------------------------------------------ */

typedef struct start {
    bool     given; /* and `number` is where */
    bool     none; /* no value is on that side of it */
    uint64_t number;
} start;

/* The nearest integer that is not before a number on the way. */
static void
start_at_double(double value, int64_t type, bool down, start *out)
{
    if (type == OCT_FIELD_FLOAT) {
        out->number = field_number_of_double(value);
        return;
    }
    value = down ? floor(value) : ceil(value);
    if (value >= TWO_63 || value < -TWO_63) {
        out->none = down ? value < 0 : value > 0;
        out->given = false; /* or all are */
        return;
    }
    out->number = field_number_of_integer((int64_t)value);
}

static oct_status
read_start(const oct_order_by *order, int64_t type, start *out, oct_error *error)
{
    const oct_slice text = order->start_from;
    json_document   document;
    int64_t         time;
    oct_status      status;

    *out = (start){0};
    if (text.size == 0)
        return OCT_OK;
    status = json_parse(text, &document, error);
    if (status == OCT_OK) {
        yyjson_val *value = document.root;

        out->given = true;
        if (yyjson_is_str(value) &&
            datetime_parse((oct_slice){yyjson_get_str(value), yyjson_get_len(value)}, &time))
            out->number = type == OCT_FIELD_FLOAT ? field_number_of_double((double)time) : field_number_of_integer(time);
        else if (yyjson_is_sint(value) && type != OCT_FIELD_FLOAT)
            out->number = field_number_of_integer(yyjson_get_sint(value));
        else if (yyjson_is_num(value))
            start_at_double(yyjson_get_num(value), type, order->descending, out);
        else
            status = oct_fail(error, OCT_FORMAT, "start_from: %.*s is neither a number nor a date",
                              (int)size_min(text.size, KEY_SHOWN_MAX), text.data);
    }
    json_document_clear(&document);
    return status;
}

oct_status
order_check(const oct_collection *self, const oct_order_by *order, oct_error *error)
{
    field_index *index;
    start        from;
    oct_status   status;

    epoch_pin();
    status = find_range_index(self, order->key, &index, error);
    if (status == OCT_OK)
        status = read_start(order, field_index_config(index)->type, &from, error);
    epoch_unpin();
    return status;
}

/* --- points in order -------------------------------------------------------------------------------------- */

/* The live points of a scope, as bits. */
static oct_status
bits_of_scope(const oct_collection *self, const hit_scope *scope, uint32_t point_count, arena *memory, uint64_t **out,
              oct_error *error)
{
    const point_set *all = shard_points(self->shard);
    const size_t     words = (size_t)point_count / 64 + 1;
    uint64_t        *bits = arena_array(memory, words, sizeof *bits);

    *out = bits;
    if (bits == NULL)
        return oct_fail_memory(error, words * sizeof *bits);
    for (size_t i = 0; i < scope->listed_count; i++) {
        if (scope->listed[i] < point_count)
            bits[scope->listed[i] / 64] |= (uint64_t)1 << (scope->listed[i] % 64);
    }
    for (uint32_t word = 0; (uint64_t)word * 64 < point_count; word++) {
        uint64_t here = atomic_load_explicit((_Atomic uint64_t *)rows_at(&all->live, word), memory_order_acquire);

        if (scope->listed != NULL)
            here &= bits[word];
        if (scope->allowed != NULL)
            here &= (uint64_t)word * 64 < scope->allowed_points ? scope->allowed[word] : 0;
        bits[word] = here;
    }
    for (size_t i = 0; i < scope->excluded_count; i++) {
        if (scope->excluded[i] < point_count)
            bits[scope->excluded[i] / 64] &= ~((uint64_t)1 << (scope->excluded[i] % 64));
    }
    return OCT_OK;
}

static int
compare_ids(const void *a, const void *b, void *context)
{
    const point_set *all = context;

    return id_compare(points_id(all, *(const uint32_t *)a), points_id(all, *(const uint32_t *)b));
}

/* Room for `more` hits behind those there are. */
static bool
grow_hits(hit_list *hits, oct_order_value **orders, size_t *capacity, size_t more, arena *memory)
{
    const size_t     wanted = size_max(hits->count + more, *capacity * 2);
    query_hit       *items;
    oct_order_value *values;

    if (hits->count + more <= *capacity)
        return true;
    items = arena_array(memory, wanted, sizeof *items);
    values = arena_array(memory, wanted, sizeof *values);
    if (items == NULL || values == NULL)
        return false;
    if (hits->count > 0) {
        memcpy(items, hits->items, hits->count * sizeof *items);
        memcpy(values, *orders, hits->count * sizeof *values);
    }
    hits->items = items;
    *orders = values;
    *capacity = wanted;
    return true;
}

static oct_order_value
order_value_of(int64_t type, uint64_t number)
{
    if (type == OCT_FIELD_FLOAT)
        return (oct_order_value){.kind = OCT_ORDER_FLOAT, .number = field_double_of(number)};
    return (oct_order_value){.kind = OCT_ORDER_INTEGER, .integer = field_integer_of(number)};
}

oct_status
order_points(oct_collection *self, const oct_order_by *order, const hit_scope *scope, size_t limit, arena *memory,
             hit_list *out, const oct_order_value **orders, oct_error *error)
{
    point_set       *all = shard_points(self->shard);
    oct_order_value *values = NULL;
    field_index     *index;
    field_use        use = {0};
    field_cursor    *cursor = NULL;
    field_value      value;
    start            from = {0};
    buffer           points = {0};
    uint64_t        *among = NULL;
    uint32_t         point_count = 0;
    size_t           capacity = 0, seen = 0;
    int64_t          type = 0;
    oct_status       status = find_range_index(self, order->key, &index, error);

    *out = (hit_list){0};
    if (status == OCT_OK) {
        type = field_index_config(index)->type;
        status = read_start(order, type, &from, error);
    }
    if (status == OCT_OK)
        status = field_use_get(self, index, &use, error);
    if (status == OCT_OK) {
        point_count = field_view_point_count(use.view);
        status = bits_of_scope(self, scope, point_count, memory, &among, error);
    }
    if (status == OCT_OK)
        status = field_cursor_new(use.view, order->descending, memory, &cursor, error);
    if (status == OCT_OK && from.given)
        field_cursor_seek(cursor, from.number);
    while (status == OCT_OK && !from.none && out->count < limit && field_cursor_next(cursor, &value)) {
        const size_t need = limit - out->count;
        /* Where numbers go as ids do, the first of each run are enough. */
        const size_t run_max = atomic_load(&all->ascending) ? need : SIZE_MAX;
        uint32_t    *found;
        size_t       count;

        points.size = 0;
        if (seen++ % DEADLINE_VALUES == 0 && (status = deadline_check(error)) != OCT_OK)
            break;
        status = field_cursor_points(cursor, among, point_count, run_max, &points, error);
        if (status != OCT_OK || points.size == 0)
            continue;
        found = (uint32_t *)(void *)points.data;
        count = points.size / sizeof *found;
        qsort_r(found, count, sizeof *found, compare_ids, all);
        count = size_min(count, need);
        if (!grow_hits(out, &values, &capacity, count, memory))
            status = oct_fail_memory(error, count * sizeof *values);
        for (size_t i = 0; i < count && status == OCT_OK; i++) {
            values[out->count] = order_value_of(type, value.number);
            out->items[out->count++] = (query_hit){1.0f, found[i]};
        }
    }
    *orders = values;
    buffer_clear(&points);
    field_use_clear(&use);
    return status;
}

oct_status
collection_scroll_ordered(oct_collection *self, const oct_filter *given, const oct_order_by *order, size_t limit,
                          const oct_select *select, oct_records **out, oct_error *error)
{
    static const oct_select nothing;
    const document_view    *view = NULL;
    const config_box       *box;
    arena                   memory = {0};
    record_list            *list = NULL;
    selection               these = {0};
    hit_list                hits = {0};
    const oct_order_value  *orders = NULL;
    oct_status              status;

    *out = NULL;
    if (select == NULL)
        select = &nothing;
    epoch_pin();
    box = collection_box(self);
    status = select_given(self, given, &these, error);
    if (status == OCT_OK) {
        const hit_scope scope = {.allowed = these.bits,
                                 .allowed_points = these.point_count,
                                 .allowed_count = these.count};

        status = order_points(self, order, &scope, limit, &memory, &hits, &orders, error);
    }
    if (status == OCT_OK)
        status = record_list_new(hits.count, &list, error);
    if (status == OCT_OK)
        status = record_plan_select(box, select, &list->memory, &view, error);
    for (size_t i = 0; i < hits.count && status == OCT_OK; i++) {
        const size_t at = list->records.count;

        status = record_list_add(self, box, list, hits.items[i].point, 0, select, view, error);
        if (list->records.count > at)
            list->items[at].order = orders[i];
    }
    selection_clear(&these);
    epoch_unpin();
    arena_clear(&memory);
    if (status == OCT_OK)
        *out = &list->records;
    else if (list != NULL)
        oct_records_free(&list->records);
    return status;
}

/* --- facets ------------------------------------------------------------------------------------------------- */

typedef struct facet_list {
    oct_facets     facets; /* first */
    arena          memory;
    oct_facet_hit *items;
    size_t         count, capacity;
    buffer         unspelled;
} facet_list;

void
oct_facets_free(oct_facets *facets)
{
    facet_list *self = (facet_list *)(void *)facets;

    if (self == NULL)
        return;
    oct_free(self->items);
    buffer_clear(&self->unspelled);
    arena_clear(&self->memory);
    oct_free(self);
}

static int
compare_values(const oct_value *a, const oct_value *b)
{
    if (a->kind == OCT_VALUE_TEXT)
        return slice_compare(a->text, b->text);
    if (a->kind == OCT_VALUE_BOOL)
        return a->boolean - b->boolean;
    return (a->integer > b->integer) - (a->integer < b->integer);
}

/* Largest count first, then by value. */
static int
compare_facets(const void *left, const void *right)
{
    const oct_facet_hit *a = left, *b = right;

    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return compare_values(&a->value, &b->value);
}

static oct_status
add_facet(facet_list *self, int64_t type, const field_value *value, uint64_t count, oct_error *error)
{
    oct_facet_hit hit = {.count = count};

    if (self->count == self->capacity) {
        const size_t   more = self->capacity * 2 + 16;
        oct_facet_hit *grown = oct_realloc(self->items, more * sizeof *grown);

        if (grown == NULL)
            return oct_fail_memory(error, more * sizeof *grown);
        self->items = grown;
        self->capacity = more;
    }
    if (type == OCT_FIELD_BOOL) {
        hit.value = (oct_value){.kind = OCT_VALUE_BOOL, .boolean = field_integer_of(value->number) != 0};
    } else if (type == OCT_FIELD_INTEGER) {
        hit.value = (oct_value){.kind = OCT_VALUE_INTEGER, .integer = field_integer_of(value->number)};
    } else {
        hit.value.kind = OCT_VALUE_TEXT;
        hit.value.text = value->text;
        if (value->text.size > 0 && memchr(value->text.data, '\\', value->text.size) != NULL) {
            oct_slice *text = &hit.value.text;

            if (!unspell(value->text, &self->unspelled, text) ||
                (text->data = arena_text(&self->memory, text->data, text->size)) == NULL)
                return oct_fail_memory(error, value->text.size);
        }
    }
    self->items[self->count++] = hit;
    return OCT_OK;
}

/* Texts of what is found are the view's, which the caller releases. */
static oct_status
count_values(oct_collection *self, field_index *index, const selection *these, field_use *use, facet_list *out,
             oct_error *error)
{
    const hit_scope scope = {.allowed = these->bits, .allowed_points = these->point_count};
    arena           memory = {0};
    field_cursor   *cursor = NULL;
    field_value     value;
    uint64_t       *among = NULL;
    uint32_t        point_count = 0;
    oct_status      status = field_use_get(self, index, use, error);

    if (status == OCT_OK) {
        point_count = field_view_point_count(use->view);
        status = bits_of_scope(self, &scope, point_count, &memory, &among, error);
    }
    if (status == OCT_OK)
        status = field_cursor_new(use->view, false, &memory, &cursor, error);
    for (size_t seen = 0; status == OCT_OK && field_cursor_next(cursor, &value); seen++) {
        const uint64_t count = field_cursor_count(cursor, among, point_count);

        if (seen % DEADLINE_VALUES == 0 && (status = deadline_check(error)) != OCT_OK)
            break;

        if (count > 0)
            status = add_facet(out, field_index_config(index)->type, &value, count, error);
    }
    arena_clear(&memory);
    return status;
}

/* The first `limit`, with texts that outlive the view. */
static oct_status
finish_facets(facet_list *self, size_t limit, oct_error *error)
{
    if (self->count > 1)
        qsort(self->items, self->count, sizeof *self->items, compare_facets);
    self->count = size_min(self->count, limit);
    for (size_t i = 0; i < self->count; i++) {
        oct_slice *text = &self->items[i].value.text;

        if (self->items[i].value.kind != OCT_VALUE_TEXT)
            continue;
        text->data = arena_text(&self->memory, text->data, text->size);
        if (text->data == NULL)
            return oct_fail_memory(error, text->size);
    }
    self->facets.items = self->items;
    self->facets.count = self->count;
    return OCT_OK;
}

oct_status
collection_facet(oct_collection *self, const oct_facet_request *request, oct_facets **out, oct_error *error)
{
    facet_list  *made = oct_calloc(1, sizeof *made);
    field_index *index = NULL;
    field_use    use = {0};
    selection    these = {0};
    oct_status   status;

    *out = NULL;
    if (made == NULL)
        return oct_fail_memory(error, sizeof *made);
    epoch_pin();
    status = find_index(self, request->key, serves_matches, &index, error);
    if (status == OCT_OK && index == NULL)
        status = oct_fail(error, OCT_INVALID,
                          "No appropriate index for faceting: `%.*s`. Please create one to facet on this field. Check "
                          "https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload "
                          "schemas support Match conditions",
                          (int)size_min(request->key.size, KEY_SHOWN_MAX), request->key.data);
    if (status == OCT_OK)
        status = select_given(self, request->filter, &these, error);
    if (status == OCT_OK)
        status = count_values(self, index, &these, &use, made, error);
    if (status == OCT_OK)
        status = finish_facets(made, request->limit, error);
    field_use_clear(&use);
    selection_clear(&these);
    epoch_unpin();
    if (status == OCT_OK)
        *out = &made->facets;
    else
        oct_facets_free(&made->facets);
    return status;
}
