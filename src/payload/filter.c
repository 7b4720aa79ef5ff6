/* Matching: a compiled filter and one point. See filter.h. */
#include "payload/filter_internal.h"

#include <stdlib.h>

#include "payload/datetime.h"
#include "payload/geo.h"
#include "payload/scan.h"
#include "payload/siphash.h"
#include "payload/value.h"

#define MEMBERS_KEPT                                                                                         \
    16u /* of an object; documents have about as many, and those beyond are looked for again */

/* A filter looking at one object: the document of a point, or an element of a nested array. */
typedef struct look {
    const filter_point *point;     /* NULL in a nested filter: no id, no vectors */
    bool                is_opened; /* the next lines are valid */
    oct_slice           object;
    scan                rest; /* behind the members kept */
    size_t              kept;
    oct_slice           keys[MEMBERS_KEPT], values[MEMBERS_KEPT];
    text_matching       words;     /* of the TEST_TOKENS under way */
    buffer              unspelled; /* for it: a string that has escapes */
    oct_status          status; /* the first failure; answers after it do not count */
    oct_error          *error;
} look;

static bool holds(const filter_node *node, look *at);

/* The arrays need no value: `kept` tells how much of them has one. */
static void
look_init(look *at, const filter_point *point, oct_error *error)
{
    at->point = point;
    at->is_opened = false;
    at->kept = 0;
    at->unspelled = (buffer){0};
    at->status = OCT_OK;
    at->error = error;
}

static void
fail(look *at, oct_status status)
{
    if (at->status == OCT_OK)
        at->status = status;
}

static void
look_at(look *at, oct_slice object)
{
    at->object = object;
    at->rest = scan_open(object);
    at->kept = 0;
    at->is_opened = true;
    if (at->rest.failed)
        fail(at, scan_fail(object, at->error));
}

/* The member of the object with this key. */
static bool
find_member(look *at, oct_slice wanted, oct_slice *value)
{
    oct_slice key;
    scan      beyond;

    for (size_t i = 0; i < at->kept; i++) {
        if (slice_equal(at->keys[i], wanted)) {
            *value = at->values[i];
            return true;
        }
    }
    while (at->kept < MEMBERS_KEPT && scan_member(&at->rest, &at->keys[at->kept], &at->values[at->kept])) {
        if (slice_equal(at->keys[at->kept], wanted)) {
            *value = at->values[at->kept++];
            return true;
        }
        at->kept++;
    }
    beyond = at->rest;
    while (scan_member(&beyond, &key, value)) {
        if (slice_equal(key, wanted))
            return true;
    }
    if (beyond.failed)
        fail(at, scan_fail(at->object, at->error));
    return false;
}

/* --- tests of a value ------------------------------------------------------------------------------- */

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

static bool
is_in_set(const value_set *set, oct_slice value)
{
    oct_slice string;
    int64_t   integer;

    switch (value_kind_of(value)) {
    case VALUE_STRING:
        string = value_string(value);
        if (set->string_count == 1)
            return slice_equal(string, set->strings[0]);
        return set->string_count > 0 &&
               bsearch(&string, set->strings, set->string_count, sizeof string, compare_strings) != NULL;
    case VALUE_NUMBER:
        return set->integer_count > 0 && value_integer(value, &integer) &&
               bsearch(&integer, set->integers, set->integer_count, sizeof integer, compare_integers) != NULL;
    case VALUE_TRUE:
        return set->has_true;
    case VALUE_FALSE:
        return set->has_false;
    default:
        return false;
    }
}

#define IN_BOUNDS(range, x)                                                                                  \
    ((((range)->bounds & OCT_GT) == 0 || (x) > (range)->gt) &&                                               \
     (((range)->bounds & OCT_GTE) == 0 || (x) >= (range)->gte) &&                                            \
     (((range)->bounds & OCT_LT) == 0 || (x) < (range)->lt) &&                                               \
     (((range)->bounds & OCT_LTE) == 0 || (x) <= (range)->lte))

static bool
contains_any(const string_list *parts, oct_slice string)
{
    for (size_t i = 0; i < parts->count; i++) {
        if (spelled_contains(string, parts->items[i]))
            return true;
    }
    return false;
}

bool
condition_passes(const field_test *test, oct_slice value)
{
    oct_geo_point place;
    double        number;
    int64_t       time;

    switch (test->kind) {
    case TEST_VALUES:
        if (test->as.values.except)
            return value_kind_of(value) != VALUE_NULL && !is_in_set(&test->as.values, value);
        return is_in_set(&test->as.values, value);
    case TEST_CONTAINS:
        return value_kind_of(value) == VALUE_STRING && contains_any(&test->as.strings, value_string(value));
    case TEST_PREFIX:
        return value_kind_of(value) == VALUE_STRING &&
               spelled_starts(value_string(value), test->as.strings.items[0]);
    case TEST_RANGE:
        return value_number(value, &number) && IN_BOUNDS(&test->as.range, number);
    case TEST_DATETIME:
        return value_kind_of(value) == VALUE_STRING && datetime_parse(value_string(value), &time) &&
               IN_BOUNDS(&test->as.datetime, time);
    case TEST_RADIUS:
        return geo_point_of(value, &place) &&
               geo_distance(&test->as.radius.center, &place) < test->as.radius.radius;
    case TEST_BOX:
        return geo_point_of(value, &place) && geo_in_box(&test->as.box, &place);
    case TEST_POLYGON:
        return geo_point_of(value, &place) && geo_in_polygon(&test->as.polygon, &place);
    default: /* those that look at whole values come elsewhere: passes() */
        OCT_MUST(test->kind < TEST_COUNT);
        return false;
    }
}

static bool
is_null(oct_slice value)
{
    return value_kind_of(value) == VALUE_NULL;
}

static bool
array_has(look *at, oct_slice array, bool (*wanted)(const void *context, oct_slice), const void *context)
{
    scan      items = scan_open(array);
    oct_slice item;

    while (scan_element(&items, &item)) {
        if (wanted(context, item))
            return true;
    }
    if (items.failed)
        fail(at, scan_fail(array, at->error));
    return false;
}

static bool
element_passes(const void *test, oct_slice value)
{
    return condition_passes(test, value);
}

static bool
element_is_null(const void *unused, oct_slice value)
{
    (void)unused;
    return is_null(value);
}

static bool
count_passes(const oct_values_count *range, look *at, oct_slice value)
{
    uint64_t  count = is_null(value) ? 0 : 1;
    oct_slice item;

    if (scan_is_array(value)) {
        scan items = scan_open(value);

        for (count = 0; scan_element(&items, &item); count++)
            ;
        if (items.failed)
            fail(at, scan_fail(value, at->error));
    }
    return IN_BOUNDS(range, count);
}

static bool
nested_holds(const filter_node *nested, look *at, oct_slice value)
{
    look inner;
    bool result;

    if (!scan_is_object(value))
        return false;
    look_init(&inner, NULL, at->error);
    look_at(&inner, value);
    result = holds(nested, &inner);
    fail(at, inner.status);
    return result;
}

/* Show a string, or the strings of an array, to the matching under way. */
static bool
show_words(look *at, oct_slice value)
{
    if (scan_is_array(value)) {
        scan      items = scan_open(value);
        oct_slice item;

        while (!at->words.holds && scan_element(&items, &item))
            if (!scan_is_array(item))
                (void)show_words(at, item);
        if (items.failed)
            fail(at, scan_fail(value, at->error));
    } else if (value_kind_of(value) == VALUE_STRING) {
        oct_slice        text;
        const oct_status status = unspell(value_string(value), &at->unspelled, &text)
                                      ? text_matching_feed(&at->words, text, at->error)
                                      : oct_fail_memory(at->error, value.size);

        fail(at, status);
    }
    return at->words.holds;
}

static bool
passes(const field_test *test, look *at, oct_slice value)
{
    switch (test->kind) {
    case TEST_COUNT:
        return count_passes(&test->as.count, at, value);
    case TEST_FILLED:
        return !is_null(value) && !(scan_is_array(value) && value.size == 2);
    case TEST_NULL:
        return is_null(value) || (scan_is_array(value) && array_has(at, value, element_is_null, NULL));
    case TEST_NESTED:
        return nested_holds(test->as.nested, at, value);
    case TEST_TOKENS:
        return show_words(at, value);
    default:
        return scan_is_array(value) ? array_has(at, value, element_passes, test) : condition_passes(test, value);
    }
}

/* --- paths ------------------------------------------------------------------------------------------------ */

/* Does one of the values that the steps lead to from `value` pass? `found` tells whether they led anywhere. As deep as
 * the path has []. */
static bool
any_passes(const field_test *test, look *at, const path_step *steps, size_t count, oct_slice value,
           bool *found)
{
    for (; count > 0; steps++, count--) {
        scan      items = scan_open(value);
        oct_slice key, item;
        uint64_t  index = 0;
        bool      is_there = false;

        if (steps->kind == PATH_KEY ? !scan_is_object(value) : !scan_is_array(value))
            return false;
        switch (steps->kind) {
        case PATH_KEY:
            while (!is_there && scan_member(&items, &key, &item))
                is_there = slice_equal(key, steps->key);
            break;
        case PATH_INDEX:
            while (!is_there && scan_element(&items, &item))
                is_there = index++ == steps->index;
            break;
        case PATH_ALL:
            while (scan_element(&items, &item)) {
                if (any_passes(test, at, steps + 1, count - 1, item, found))
                    return true;
            }
            break;
        }
        if (items.failed)
            fail(at, scan_fail(value, at->error));
        if (!is_there)
            return false;
        value = item;
    }
    *found = true;
    return passes(test, at, value);
}

static bool
field_holds(const filter_node *node, look *at)
{
    const path *where = &node->as.field.path;
    oct_slice   value;
    bool        is_there, result = false;

    if (!at->is_opened) {
        oct_slice document = {0};

        fail(at, at->point->document(at->point->context, &document, at->error));
        if (at->status != OCT_OK)
            return false;
        look_at(at, document);
    }
    is_there = find_member(at, where->steps[0].key, &value);
    for (size_t i = 0; i < node->as.field.count && !result; i++) {
        const field_test *test = &node->as.field.tests[i];
        bool              found = false;

        if (is_there && test->kind == TEST_TOKENS) {
            const oct_status status = text_matching_begin(test->as.words, &at->words, at->error);

            if (status == OCT_OK)
                result = any_passes(test, at, where->steps + 1, where->count - 1, value, &found);
            else
                fail(at, status);
            text_matching_end(&at->words);
            buffer_clear(&at->unspelled);
        } else {
            result = is_there && any_passes(test, at, where->steps + 1, where->count - 1, value, &found);
        }
        /* What is missing has no values: as if it were null. */
        if (!found && test->kind == TEST_COUNT)
            result = count_passes(&test->as.count, at, (oct_slice){"null", 4});
        result = result != test->negated;
    }
    return result;
}

/* --- nodes ---------------------------------------------------------------------------------------------------- */

int
filter_id_compare(const void *left, const void *right)
{
    const oct_id *a = left, *b = right;

    if (a->is_uuid != b->is_uuid)
        return a->is_uuid < b->is_uuid ? -1 : 1;
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    return (a->low > b->low) - (a->low < b->low);
}

static bool
enough_children_hold(const filter_node *node, look *at)
{
    const size_t count = node->as.children.count;
    size_t       wanted = node->as.children.least;

    for (size_t i = 0; wanted > 0 && wanted <= count - i; i++)
        wanted -= holds(&node->as.children.items[i], at);
    return wanted == 0;
}

static bool
holds(const filter_node *node, look *at)
{
    const filter_point *point = at->point;
    bool                result = false;

    switch (node->kind) {
    case NODE_COUNT:
        result = enough_children_hold(node, at);
        break;
    case NODE_SLICE:
        result = point != NULL && siphash_id(point->id) % node->as.slice.total == node->as.slice.index;
        break;
    case NODE_VECTOR:
        result = point != NULL && node->as.vector != FILTER_NO_VECTOR &&
                 point->has_vector(point->context, node->as.vector);
        break;
    case NODE_IDS:
        result = point != NULL && node->as.ids.count > 0 &&
                 bsearch(point->id, node->as.ids.items, node->as.ids.count, sizeof(oct_id),
                         filter_id_compare) != NULL;
        break;
    case NODE_SHARD:
        for (size_t i = 0; point != NULL && i < node->as.shard.count && !result; i++)
            result = node->as.shard.numbers[i] == point->id->reserved;
        break;
    case NODE_FIELD:
        result = field_holds(node, at);
        break;
    }
    return result != node->negated;
}

oct_status
filter_matches(const filter *self, const filter_point *point, bool *out, oct_error *error)
{
    look at;

    look_init(&at, point, error);
    *out = holds(&self->root, &at) && at.status == OCT_OK;
    return at.status;
}
