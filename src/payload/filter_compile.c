/* From a filter as it was given to the tree that is matched. See filter.h and filter_internal.h.
 *
 * KEY      Everything that decides an answer, in the order given, each text behind its size. Vectors stand in it by
 * their
 *          numbers, so that a name which comes to mean another vector makes another key.
 * COST     In nanoseconds, roughly, on documents of some hundred bytes (bench/filter_bench.c): an id costs next to
 *          nothing, the first look into a document most, whatever is asked. Only the order matters.
 */
#include "payload/filter_internal.h"

#include <stdlib.h>

#include "payload/geo.h"
#include "payload/value.h"

enum {
    COST_SLICE = 15,
    COST_VECTOR = 5,
    COST_IDS = 10,
    COST_DOCUMENT = 80,
    COST_STEP = 20, /* of a path */
    COST_SMALL_TEST = 5,
    COST_STRING_TEST = 20,
    COST_WORDS_TEST = 2000, /* splitting some hundred letters */
    COST_DATE_TEST = 25,
    COST_PLACE_TEST = 100,
    COST_LINE = 2, /* of a polygon */
};

#define KEY_TOKENS 256u /* added to the kind of a match that asks for tokens */
#define COST_MAX (UINT32_MAX / 4) /* sums stay in 32 bits */

typedef struct compiler {
    filter_vector_number number_of;
    filter_text_fields   text_of; /* NULL: no field has a text index */
    const path          *within;  /* of the nested filter under way, from the document */
    const void          *context;
    arena               *memory;
    buffer               key;
    size_t               condition_count;
    oct_error           *error;
} compiler;

static oct_status compile_level(compiler *self, const oct_filter *given, size_t depth, filter_node *out);

/* --- small parts -------------------------------------------------------------------------------------- */

static void
key_number(compiler *self, uint64_t number)
{
    buffer_add(&self->key, &number, sizeof number);
}

static void
key_double(compiler *self, double number)
{
    buffer_add(&self->key, &number, sizeof number);
}

static void
key_text(compiler *self, oct_slice text)
{
    key_number(self, text.size);
    if (text.size > 0)
        buffer_add(&self->key, text.data, text.size);
}

static uint32_t
cost_sum(uint64_t a, uint64_t b)
{
    return a + b > COST_MAX ? COST_MAX : (uint32_t)(a + b);
}

/* Room for `count` things, never none. */
static void *
make_array(compiler *self, size_t count, size_t size)
{
    void *made = arena_array(self->memory, size_max(count, 1), size);

    if (made == NULL)
        (void)oct_fail_memory(self->error, count * size);
    return made;
}

static oct_status
check_list(compiler *self, const void *items, size_t count, const char *what)
{
    if (items == NULL && count > 0)
        return oct_fail(self->error, OCT_INVALID, "a filter announces %zu %s, but the pointer is NULL", count,
                        what);
    return OCT_OK;
}

/* Sort, and drop what equals the one before it. */
static size_t
sort_unique(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    char  *bytes = items;
    size_t kept = 0;

    if (count > 0)
        qsort(items, count, size, compare);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && compare(bytes + (kept - 1) * size, bytes + i * size) == 0)
            continue;
        if (kept != i)
            memcpy(bytes + kept * size, bytes + i * size, size);
        kept++;
    }
    return kept;
}

static int
compare_strings(const void *a, const void *b)
{
    return slice_compare(*(const oct_slice *)a, *(const oct_slice *)b);
}

static int
compare_integers(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int
compare_costs(const void *left, const void *right)
{
    const filter_node *a = left, *b = right;

    return (a->cost > b->cost) - (a->cost < b->cost);
}

/* --- matches -------------------------------------------------------------------------------------------- */

static oct_status
compile_values(compiler *self, const oct_match *match, field_test *out)
{
    value_set *set = &out->as.values;
    oct_slice *strings = make_array(self, match->value_count, sizeof *strings);
    int64_t   *integers = make_array(self, match->value_count, sizeof *integers);
    oct_status status = check_list(self, match->values, match->value_count, "values to match");

    if (status != OCT_OK || strings == NULL || integers == NULL)
        return status != OCT_OK ? status : OCT_NOMEM;
    if (match->kind == OCT_MATCH_VALUE && match->value_count != 1)
        return oct_fail(self->error, OCT_INVALID, "OCT_MATCH_VALUE takes one value, not %zu",
                        match->value_count);
    *out = (field_test){.kind = TEST_VALUES, .as.values.except = match->kind == OCT_MATCH_EXCEPT};
    key_number(self, match->value_count);
    for (size_t i = 0; i < match->value_count; i++) {
        const oct_value *value = &match->values[i];

        key_number(self, value->kind);
        switch (value->kind) {
        case OCT_VALUE_TEXT:
            key_text(self, value->text);
            if (!spell_text(value->text, self->memory, &strings[set->string_count++]))
                return oct_fail_memory(self->error, value->text.size);
            break;
        case OCT_VALUE_INTEGER:
            key_number(self, (uint64_t)value->integer);
            integers[set->integer_count++] = value->integer;
            break;
        case OCT_VALUE_BOOL:
            key_number(self, value->boolean);
            set->has_true = set->has_true || value->boolean;
            set->has_false = set->has_false || !value->boolean;
            break;
        default:
            return oct_fail(self->error, OCT_INVALID,
                            "a value to match has the kind %d, which does not exist", (int)value->kind);
        }
    }
    set->string_count = sort_unique(strings, set->string_count, sizeof *strings, compare_strings);
    set->integer_count = sort_unique(integers, set->integer_count, sizeof *integers, compare_integers);
    set->strings = strings;
    set->integers = integers;
    return OCT_OK;
}

/* Bytes of the white space (Unicode's White_Space) that starts at `at`; 0: it is none. */
static size_t
space_length(const char *at, size_t size)
{
    const unsigned char *b = (const unsigned char *)at;

    if (b[0] == ' ' || (b[0] >= '\t' && b[0] <= '\r'))
        return 1;
    if (size >= 2 && b[0] == 0xC2 && (b[1] == 0x85 || b[1] == 0xA0))
        return 2;
    if (size < 3)
        return 0;
    if (b[0] == 0xE1 && b[1] == 0x9A && b[2] == 0x80) /* U+1680 */
        return 3;
    if (b[0] == 0xE2 && b[1] == 0x80 && (b[2] <= 0x8A || b[2] == 0xA8 || b[2] == 0xA9 || b[2] == 0xAF))
        return 3;                                     /* U+2000 .. 200A, 2028, 2029, 202F */
    if (b[0] == 0xE2 && b[1] == 0x81 && b[2] == 0x9F) /* U+205F */
        return 3;
    return b[0] == 0xE3 && b[1] == 0x80 && b[2] == 0x80 ? 3 : 0; /* U+3000 */
}

/* The words of a text, spelled, into `words`, which has room for all of them; NULL: only count them. */
static bool
split_words(oct_slice text, arena *memory, oct_slice *words, size_t *count)
{
    size_t start = 0, at = 0;

    *count = 0;
    while (at <= text.size) {
        const size_t space = at < text.size ? space_length(text.data + at, text.size - at) : 1;

        if (space == 0) {
            at++;
            continue;
        }
        if (at > start) {
            const oct_slice word = {text.data + start, at - start};

            if (words != NULL && !spell_text(word, memory, &words[*count]))
                return false;
            ++*count;
        }
        at += space;
        start = at;
    }
    return true;
}

static oct_status
compile_strings(compiler *self, const oct_match *match, field_test *out)
{
    size_t     count = 1;
    oct_slice *items;
    bool       spelled;

    *out = (field_test){.kind = match->kind == OCT_MATCH_PREFIX ? TEST_PREFIX : TEST_CONTAINS};
    key_text(self, match->text);
    if (match->kind == OCT_MATCH_TEXT_ANY)
        (void)split_words(match->text, self->memory, NULL, &count);
    items = make_array(self, count, sizeof *items);
    if (items == NULL)
        return OCT_NOMEM;
    if (match->kind == OCT_MATCH_TEXT_ANY)
        spelled = split_words(match->text, self->memory, items, &count);
    else
        spelled = spell_text(match->text, self->memory, &items[0]);
    if (!spelled)
        return oct_fail_memory(self->error, match->text.size);
    out->as.strings = (string_list){items, count};
    return OCT_OK;
}

/* `b` within `a[]` is `a[].b`. */
static oct_status
join_path(compiler *self, const path *where, path *out)
{
    const size_t before = self->within == NULL ? 0 : self->within->count;
    path_step   *steps = make_array(self, before + where->count, sizeof *steps);

    if (steps == NULL)
        return OCT_NOMEM;
    if (before > 0)
        memcpy(steps, self->within->steps, before * sizeof *steps);
    memcpy(steps + before, where->steps, where->count * sizeof *steps);
    *out = (path){steps, before + where->count};
    return OCT_OK;
}

/* A text condition on a field with a text index asks for tokens. *out is left alone if there is none. */
static oct_status
compile_words(compiler *self, const oct_match *match, const path *where, field_test *out, bool *done)
{
    const text_match_kind kind = match->kind == OCT_MATCH_TEXT       ? TEXT_MATCH_ALL
                                 : match->kind == OCT_MATCH_TEXT_ANY ? TEXT_MATCH_ANY
                                                                     : TEXT_MATCH_PHRASE;
    filter_text_field     field;
    path                  whole;
    text_match           *words;
    oct_slice             text = match->text;
    oct_status            status;

    *done = false;
    if (self->text_of == NULL ||
        (match->kind != OCT_MATCH_TEXT && match->kind != OCT_MATCH_TEXT_ANY && match->kind != OCT_MATCH_PHRASE))
        return OCT_OK;
    status = join_path(self, where, &whole);
    if (status != OCT_OK)
        return status;
    field = self->text_of(self->context, &whole);
    if (field.analyzer == NULL)
        return OCT_OK;
    key_number(self, KEY_TOKENS + match->kind);
    key_number(self, field.identity);
    key_text(self, match->text);
    if (kind == TEXT_MATCH_PHRASE && !field.has_phrases)
        text.size = 0; /* as a query without words: nothing is found */
    status = text_match_new(field.analyzer, kind, text, self->memory, &words, self->error);
    *out = (field_test){.kind = TEST_TOKENS, .as.words = words};
    *done = true;
    return status;
}

static oct_status
compile_match(compiler *self, const oct_match *match, const path *where, field_test *out)
{
    bool             done;
    const oct_status status = compile_words(self, match, where, out, &done);

    if (status != OCT_OK || done)
        return status;
    key_number(self, match->kind);
    switch (match->kind) {
    case OCT_MATCH_VALUE:
    case OCT_MATCH_ANY:
    case OCT_MATCH_EXCEPT:
        return compile_values(self, match, out);
    case OCT_MATCH_TEXT:
    case OCT_MATCH_TEXT_ANY:
    case OCT_MATCH_PHRASE:
    case OCT_MATCH_PREFIX:
    case OCT_MATCH_SUBSTRING:
        return compile_strings(self, match, out);
    }
    return oct_fail(self->error, OCT_INVALID, "a match has the kind %d, which does not exist",
                    (int)match->kind);
}

/* --- places ------------------------------------------------------------------------------------------------ */

static void
key_place(compiler *self, const oct_geo_point *point)
{
    key_double(self, point->lon);
    key_double(self, point->lat);
}

static oct_status
check_place(compiler *self, const oct_geo_point *point)
{
    key_place(self, point);
    if (geo_point_is_valid(point))
        return OCT_OK;
    return oct_fail(
        self->error, OCT_INVALID,
        "no such place: lon %g, lat %g; longitudes are from -180 to 180, latitudes from -90 to 90",
        point->lon, point->lat);
}

static oct_status
copy_ring(compiler *self, const oct_geo_ring *ring, oct_geo_ring *out)
{
    oct_geo_point *points;
    oct_status     status = check_list(self, ring->points, ring->count, "points of a polygon");

    key_number(self, ring->count);
    for (size_t i = 0; i < ring->count && status == OCT_OK; i++)
        status = check_place(self, &ring->points[i]);
    if (status == OCT_OK && !geo_ring_is_valid(ring))
        status = oct_fail(
            self->error, OCT_INVALID,
            "a polygon has a line of %zu points: it takes at least 4, and the last must equal the first",
            ring->count);
    if (status != OCT_OK)
        return status;
    points = make_array(self, ring->count, sizeof *points);
    if (points == NULL)
        return OCT_NOMEM;
    memcpy(points, ring->points, ring->count * sizeof *points);
    *out = (oct_geo_ring){points, ring->count};
    return OCT_OK;
}

static oct_status
compile_polygon(compiler *self, const oct_geo_polygon *polygon, field_test *out, uint32_t *cost)
{
    oct_geo_ring *interiors = make_array(self, polygon->interior_count, sizeof *interiors);
    oct_status status = check_list(self, polygon->interiors, polygon->interior_count, "holes of a polygon");

    *out = (field_test){.kind = TEST_POLYGON};
    key_number(self, polygon->interior_count);
    if (status == OCT_OK && interiors == NULL)
        return OCT_NOMEM;
    if (status == OCT_OK)
        status = copy_ring(self, &polygon->exterior, &out->as.polygon.exterior);
    *cost = cost_sum(*cost, (uint64_t)polygon->exterior.count * COST_LINE);
    for (size_t i = 0; i < polygon->interior_count && status == OCT_OK; i++) {
        status = copy_ring(self, &polygon->interiors[i], &interiors[i]);
        *cost = cost_sum(*cost, (uint64_t)polygon->interiors[i].count * COST_LINE);
    }
    out->as.polygon.interiors = interiors;
    out->as.polygon.interior_count = polygon->interior_count;
    return status;
}

/* --- fields -------------------------------------------------------------------------------------------------- */

/* What decides answers of a range: the bounds that are given. */
static void
key_range(compiler *self, const oct_range *range)
{
    key_number(self, range->bounds);
    key_double(self, (range->bounds & OCT_GT) != 0 ? range->gt : 0);
    key_double(self, (range->bounds & OCT_GTE) != 0 ? range->gte : 0);
    key_double(self, (range->bounds & OCT_LT) != 0 ? range->lt : 0);
    key_double(self, (range->bounds & OCT_LTE) != 0 ? range->lte : 0);
}

/* The same for bounds of 64 bits. */
static void
key_bounds(compiler *self, uint32_t bounds, uint64_t gt, uint64_t gte, uint64_t lt, uint64_t lte)
{
    key_number(self, bounds);
    key_number(self, (bounds & OCT_GT) != 0 ? gt : 0);
    key_number(self, (bounds & OCT_GTE) != 0 ? gte : 0);
    key_number(self, (bounds & OCT_LT) != 0 ? lt : 0);
    key_number(self, (bounds & OCT_LTE) != 0 ? lte : 0);
}

#define FIELD_TESTS_MAX 9u /* members of oct_field_condition */

#define KEY_NO_MORE_TESTS UINT64_MAX /* where the key could have another kind of test */

/* Each test given, in order; the key says which by their kind. */
static oct_status
compile_tests(compiler *self, const oct_field_condition *field, filter_node *out)
{
    field_test *tests = make_array(self, FIELD_TESTS_MAX, sizeof *tests);
    size_t      count = 0;
    uint32_t    cost = 0;
    oct_status  status = tests == NULL ? OCT_NOMEM : OCT_OK;

    if (status == OCT_OK && field->match != NULL) {
        key_number(self, TEST_VALUES);
        status = compile_match(self, field->match, &out->as.field.path, &tests[count]);
        cost += tests[count].kind == TEST_VALUES   ? COST_SMALL_TEST
                : tests[count].kind == TEST_TOKENS ? COST_WORDS_TEST
                                                   : COST_STRING_TEST;
        count++;
    }
    if (status == OCT_OK && field->range != NULL) {
        key_number(self, TEST_RANGE);
        key_range(self, field->range);
        tests[count++] = (field_test){.kind = TEST_RANGE, .as.range = *field->range};
        cost += COST_SMALL_TEST;
    }
    if (status == OCT_OK && field->datetime_range != NULL) {
        const oct_datetime_range *range = field->datetime_range;

        key_number(self, TEST_DATETIME);
        key_bounds(self, range->bounds, (uint64_t)range->gt, (uint64_t)range->gte, (uint64_t)range->lt,
                   (uint64_t)range->lte);
        tests[count++] = (field_test){.kind = TEST_DATETIME, .as.datetime = *range};
        cost += COST_DATE_TEST;
    }
    if (status == OCT_OK && field->geo_radius != NULL) {
        key_number(self, TEST_RADIUS);
        key_double(self, field->geo_radius->radius);
        status = check_place(self, &field->geo_radius->center);
        tests[count++] = (field_test){.kind = TEST_RADIUS, .as.radius = *field->geo_radius};
        cost += COST_PLACE_TEST;
    }
    if (status == OCT_OK && field->geo_bounding_box != NULL) {
        key_number(self, TEST_BOX);
        status = check_place(self, &field->geo_bounding_box->top_left);
        if (status == OCT_OK)
            status = check_place(self, &field->geo_bounding_box->bottom_right);
        tests[count++] = (field_test){.kind = TEST_BOX, .as.box = *field->geo_bounding_box};
        cost += COST_PLACE_TEST;
    }
    if (status == OCT_OK && field->geo_polygon != NULL) {
        key_number(self, TEST_POLYGON);
        cost += COST_PLACE_TEST;
        status = compile_polygon(self, field->geo_polygon, &tests[count++], &cost);
    }
    if (status == OCT_OK && field->values_count != NULL) {
        const oct_values_count *range = field->values_count;

        key_number(self, TEST_COUNT);
        key_bounds(self, range->bounds, range->gt, range->gte, range->lt, range->lte);
        tests[count++] = (field_test){.kind = TEST_COUNT, .as.count = *range};
        cost += COST_SMALL_TEST;
    }
    if (status == OCT_OK && field->is_empty != OCT_EXPECT_NOTHING) {
        key_number(self, TEST_FILLED);
        key_number(self, field->is_empty);
        tests[count++] = (field_test){.kind = TEST_FILLED, .negated = field->is_empty == OCT_EXPECT_TRUE};
        cost += COST_SMALL_TEST;
    }
    if (status == OCT_OK && field->is_null != OCT_EXPECT_NOTHING) {
        key_number(self, TEST_NULL);
        key_number(self, field->is_null);
        tests[count++] = (field_test){.kind = TEST_NULL, .negated = field->is_null == OCT_EXPECT_FALSE};
        cost += COST_SMALL_TEST;
    }
    if (status == OCT_OK && count == 0)
        status = oct_fail(self->error, OCT_RANGE, "At least one field condition must be specified");
    key_number(self, KEY_NO_MORE_TESTS);
    out->as.field.tests = tests;
    out->as.field.count = count;
    out->cost = cost_sum(out->cost, cost);
    return status;
}

/* `a` means `a[]`: its elements, each for itself. */
static oct_status
add_all_step(compiler *self, path *where)
{
    path_step *steps;

    if (where->count == 0 || where->steps[where->count - 1].kind == PATH_ALL)
        return OCT_OK;
    steps = make_array(self, where->count + 1, sizeof *steps);
    if (steps == NULL)
        return OCT_NOMEM;
    memcpy(steps, where->steps, where->count * sizeof *steps);
    steps[where->count] = (path_step){.kind = PATH_ALL};
    *where = (path){steps, where->count + 1};
    return OCT_OK;
}

static oct_status
compile_field(compiler *self, const oct_condition *given, size_t depth, filter_node *out)
{
    const path         *within = self->within;
    path                whole;
    field_test         *test;
    filter_node        *nested;
    oct_field_condition asked = {0};
    oct_status          status;

    *out = (filter_node){.kind = NODE_FIELD};
    key_text(self, given->key);
    status = path_parse(given->key, self->memory, &out->as.field.path, self->error);
    if (status != OCT_OK)
        return status;
    out->cost = cost_sum(COST_DOCUMENT, (uint64_t)out->as.field.path.count * COST_STEP);
    switch (given->kind) {
    case OCT_CONDITION_FIELD:
        if (given->field == NULL)
            return oct_fail(self->error, OCT_INVALID, "a field condition has no `field`");
        return compile_tests(self, given->field, out);
    case OCT_CONDITION_IS_EMPTY:
        asked.is_empty = OCT_EXPECT_TRUE;
        return compile_tests(self, &asked, out);
    case OCT_CONDITION_IS_NULL:
        asked.is_null = OCT_EXPECT_TRUE;
        return compile_tests(self, &asked, out);
    default:
        break;
    }
    if (given->filter == NULL)
        return oct_fail(self->error, OCT_INVALID, "a nested condition has no `filter`");
    test = make_array(self, 1, sizeof *test);
    nested = make_array(self, 1, sizeof *nested);
    if (test == NULL || nested == NULL)
        return OCT_NOMEM;
    status = join_path(self, &out->as.field.path, &whole);
    if (status == OCT_OK)
        status = add_all_step(self, &whole);
    if (status != OCT_OK)
        return status;
    self->within = &whole;
    status = compile_level(self, given->filter, depth + 1, nested);
    self->within = within;
    *test = (field_test){.kind = TEST_NESTED, .as.nested = nested};
    out->as.field.tests = test;
    out->as.field.count = 1;
    out->cost = cost_sum(out->cost, nested->cost);
    return status;
}

/* --- conditions -------------------------------------------------------------------------------------------------- */

static oct_status
compile_ids(compiler *self, const oct_condition *given, filter_node *out)
{
    oct_id    *ids = make_array(self, given->id_count, sizeof *ids);
    oct_status status = check_list(self, given->ids, given->id_count, "ids");

    if (status != OCT_OK || ids == NULL)
        return status != OCT_OK ? status : OCT_NOMEM;
    for (size_t i = 0; i < given->id_count; i++)
        ids[i] = (oct_id){given->ids[i].high, given->ids[i].low, given->ids[i].is_uuid != 0, 0};
    *out = (filter_node){.kind = NODE_IDS, .cost = COST_IDS};
    out->as.ids.count = sort_unique(ids, given->id_count, sizeof *ids, filter_id_compare);
    out->as.ids.items = ids;
    key_number(self, out->as.ids.count);
    buffer_add(&self->key, ids, out->as.ids.count * sizeof *ids);
    return OCT_OK;
}

static oct_status
compile_slice(compiler *self, const oct_condition *given, filter_node *out)
{
    *out = (filter_node){.kind = NODE_SLICE, .cost = COST_SLICE};
    if (given->slice_total == 0)
        return oct_fail(self->error, OCT_RANGE, "slice.total: value 0 invalid, must be 1 or larger");
    if (given->slice_index >= given->slice_total)
        return oct_fail(self->error, OCT_RANGE, "slice.index: value %u invalid, must be %u or smaller",
                        given->slice_index, given->slice_total - 1);
    out->as.slice.total = given->slice_total;
    out->as.slice.index = given->slice_index;
    key_number(self, given->slice_total);
    key_number(self, given->slice_index);
    return OCT_OK;
}

static int
compare_numbers(const void *a, const void *b)
{
    return (get_u32(a) > get_u32(b)) - (get_u32(a) < get_u32(b));
}

static oct_status
compile_shard_keys(compiler *self, const oct_condition *given, filter_node *out)
{
    uint32_t  *numbers = make_array(self, given->shard_key_count, sizeof *numbers);
    size_t     count = 0;
    oct_status status = check_list(self, given->shard_keys, given->shard_key_count, "shard_keys");

    if (status != OCT_OK || numbers == NULL)
        return status != OCT_OK ? status : OCT_NOMEM;
    for (size_t i = 0; i < given->shard_key_count; i++) {
        const oct_shard_key *key = &given->shard_keys[i];
        buffer               name = {0};

        buffer_add_text(&name, key->is_number ? FILTER_SHARD_NUMBER : FILTER_SHARD_TEXT);
        if (key->is_number)
            buffer_format(&name, "%llu", (unsigned long long)key->number);
        else
            buffer_add(&name, key->text.data, key->text.size);
        numbers[count] = name.failed ? FILTER_NO_VECTOR
                                 : self->number_of(self->context, (oct_slice){name.data, name.size});
        if (name.failed)
            status = oct_fail_memory(self->error, key->text.size);
        else if (numbers[count] == FILTER_NO_VECTOR && !(given->shard_fallback && i + 1 < given->shard_key_count))
            status = oct_fail(self->error, OCT_BAD_REQUEST, "Shard key %.*s not found",
                              (int)size_min(name.size - strlen(FILTER_SHARD_TEXT), OCT_SHARD_KEY_MAX),
                              name.data + strlen(FILTER_SHARD_TEXT));
        buffer_clear(&name);
        if (status != OCT_OK)
            return status;
        count += numbers[count] != FILTER_NO_VECTOR;
        if (given->shard_fallback && count > 0)
            break;
    }
    *out = (filter_node){.kind = NODE_SHARD, .cost = COST_IDS};
    out->as.shard.count = sort_unique(numbers, count, sizeof *numbers, compare_numbers);
    out->as.shard.numbers = numbers;
    key_number(self, out->as.shard.count);
    buffer_add(&self->key, numbers, out->as.shard.count * sizeof *numbers);
    return OCT_OK;
}

static oct_status
compile_condition(compiler *self, const oct_condition *given, size_t depth, filter_node *out)
{
    oct_status status;

    if (++self->condition_count > OCT_FILTER_CONDITIONS_MAX)
        return oct_fail(self->error, OCT_RANGE, "a filter has more than %u conditions",
                        OCT_FILTER_CONDITIONS_MAX);
    key_number(self, given->kind);
    switch (given->kind) {
    case OCT_CONDITION_FIELD:
    case OCT_CONDITION_IS_EMPTY:
    case OCT_CONDITION_IS_NULL:
        return compile_field(self, given, depth, out);
    case OCT_CONDITION_NESTED:
        status = compile_field(self, given, depth, out);
        return status == OCT_OK ? add_all_step(self, &out->as.field.path) : status;
    case OCT_CONDITION_HAS_ID:
        return compile_ids(self, given, out);
    case OCT_CONDITION_HAS_VECTOR:
        *out = (filter_node){.kind = NODE_VECTOR, .cost = COST_VECTOR};
        out->as.vector = self->number_of(self->context, given->vector);
        key_number(self, out->as.vector);
        return OCT_OK;
    case OCT_CONDITION_SLICE:
        return compile_slice(self, given, out);
    case OCT_CONDITION_SHARD_KEY:
        return compile_shard_keys(self, given, out);
    case OCT_CONDITION_FILTER:
        if (given->filter == NULL)
            return oct_fail(self->error, OCT_INVALID, "a condition that is a filter has no `filter`");
        return compile_level(self, given->filter, depth + 1, out);
    }
    return oct_fail(self->error, OCT_INVALID, "a condition has the kind %d, which does not exist",
                    (int)given->kind);
}

/* --- levels -------------------------------------------------------------------------------------------------------- */

/* A list of conditions into `out`, which has room for them. */
static oct_status
compile_list(compiler *self, const oct_condition *list, size_t count, bool negated, size_t depth,
             filter_node *out)
{
    oct_status status = check_list(self, list, count, "conditions");

    key_number(self, count);
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        status = compile_condition(self, &list[i], depth, &out[i]);
        out[i].negated = out[i].negated != negated;
    }
    return status;
}

/* Children in the order in which they are best asked. */
static void
make_count(filter_node *out, filter_node *items, size_t count, size_t least)
{
    uint64_t cost = 0;

    if (count > 0)
        qsort(items, count, sizeof *items, compare_costs);
    *out = (filter_node){.kind = NODE_COUNT};
    out->as.children.items = items;
    out->as.children.count = count;
    out->as.children.least = least;
    for (size_t i = 0; i < count; i++)
        cost = cost_sum(cost, items[i].cost);
    out->cost = (uint32_t)cost;
}

/* A list of which `least` must hold, as one node. */
static oct_status
compile_some(compiler *self, const oct_condition *list, size_t count, size_t least, size_t depth,
             filter_node *out)
{
    filter_node *items;
    oct_status   status;

    if (count > OCT_FILTER_CONDITIONS_MAX)
        return oct_fail(self->error, OCT_RANGE, "a filter has more than %u conditions",
                        OCT_FILTER_CONDITIONS_MAX);
    items = make_array(self, count, sizeof *items);
    if (items == NULL)
        return OCT_NOMEM;
    status = compile_list(self, list, count, false, depth, items);
    make_count(out, items, count, least);
    return status;
}

static oct_status
compile_level(compiler *self, const oct_filter *given, size_t depth, filter_node *out)
{
    filter_node *items;
    size_t       count = 0;
    oct_status   status;

    *out = (filter_node){.kind = NODE_COUNT};
    if (depth > OCT_FILTER_DEPTH_MAX)
        return oct_fail(self->error, OCT_RANGE, "a filter holds filters more than %u deep",
                        OCT_FILTER_DEPTH_MAX);
    if (given->must_count > OCT_FILTER_CONDITIONS_MAX || given->must_not_count > OCT_FILTER_CONDITIONS_MAX)
        return oct_fail(self->error, OCT_RANGE, "a filter has more than %u conditions",
                        OCT_FILTER_CONDITIONS_MAX);
    items = make_array(self, given->must_count + given->must_not_count + 2, sizeof *items);
    if (items == NULL)
        return OCT_NOMEM;
    status = compile_list(self, given->must, given->must_count, false, depth, items);
    count = given->must_count;
    if (status == OCT_OK)
        status = compile_list(self, given->must_not, given->must_not_count, true, depth, items + count);
    count += given->must_not_count;
    key_number(self, given->should_count);
    if (status == OCT_OK && given->should_count > 0)
        status = compile_some(self, given->should, given->should_count, 1, depth, &items[count++]);
    key_number(self, given->min_count);
    if (status == OCT_OK && given->min_count > 0)
        status = compile_some(self, given->min_should, given->min_should_count,
                              given->min_count > SIZE_MAX ? SIZE_MAX : (size_t)given->min_count, depth,
                              &items[count++]);
    if (status != OCT_OK)
        return status;
    if (count == 1 && depth > 1)
        *out = items[0]; /* a filter of one condition is that condition */
    else
        make_count(out, items, count, count);
    return OCT_OK;
}

oct_status
filter_compile(const oct_filter *given, filter_vector_number number_of, const void *context, arena *memory,
               const filter **out, oct_error *error)
{
    return filter_compile_indexed(given, number_of, NULL, context, memory, out, error);
}

oct_status
filter_compile_indexed(const oct_filter *given, filter_vector_number number_of, filter_text_fields text_of,
                       const void *context, arena *memory, const filter **out, oct_error *error)
{
    compiler self = {
        .number_of = number_of, .text_of = text_of, .context = context, .memory = memory, .error = error};
    filter    *made = make_array(&self, 1, sizeof *made);
    char      *key = NULL;
    oct_status status = made == NULL ? OCT_NOMEM : compile_level(&self, given, 1, &made->root);

    *out = NULL;
    if (status == OCT_OK && !self.key.failed)
        key = arena_text(memory, self.key.data == NULL ? "" : self.key.data, self.key.size);
    if (status == OCT_OK && key == NULL)
        status = oct_fail_memory(error, self.key.size);
    if (status == OCT_OK) {
        made->key = (oct_slice){key, self.key.size};
        *out = made;
    }
    buffer_clear(&self.key);
    return status;
}

/* --- what a planner asks
 * ------------------------------------------------------------------------------------------------ */

bool
filter_is_open(const filter *self)
{
    return self->root.as.children.count == 0;
}

oct_slice
filter_key(const filter *self)
{
    return self->key;
}

const oct_id *
filter_ids(const filter *self, size_t *count)
{
    const oct_id *ids = NULL;

    *count = SIZE_MAX;
    for (size_t i = 0; i < self->root.as.children.count; i++) {
        const filter_node *child = &self->root.as.children.items[i];

        if (child->kind == NODE_IDS && !child->negated && child->as.ids.count < *count) {
            ids = child->as.ids.items;
            *count = child->as.ids.count;
        }
    }
    return ids;
}
