/* Goal:   a compiled filter, walking over text, says of any document what the plainest reading of octant.h says.
 * Method: random documents (few keys, few values, so that paths meet and values match) and random filters of every
 *         kind, nested up to four deep, seeds 31 to 33. The model parses the document into a tree, collects the
 *         values of a path in a list, and asks each condition in the order given. It shares no code with filter.c
 *         but the
 *         parsing of paths and dates and the geometry, which have tests of their own. */
#include "payload/filter.h"

#include <yyjson.h>

#include "payload/datetime.h"
#include "payload/document.h"
#include "payload/geo.h"
#include "payload/filter_random_test.h"
#include "payload/path.h"
#include "payload/siphash.h"
#include "support/test.h"

#define VALUES_MAX   4096u

/* --- the model ---------------------------------------------------------------------------------------------- */

typedef struct model_point {
    oct_id   id;
    uint32_t vectors;
    bool     is_element; /* of a nested array */
} model_point;

typedef struct value_list {
    yyjson_val *items[VALUES_MAX];
    size_t      count;
} value_list;

static void
collect(yyjson_val *value, const path_step *steps, size_t count, value_list *out)
{
    if (count == 0) {
        OCT_MUST(out->count < VALUES_MAX);
        out->items[out->count++] = value;
    } else if (steps->kind == PATH_KEY) {
        yyjson_val *member = yyjson_obj_getn(value, steps->key.data, steps->key.size);

        if (member != NULL)
            collect(member, steps + 1, count - 1, out);
    } else {
        for (size_t i = 0; i < yyjson_arr_size(value); i++) {
            if (steps->kind == PATH_ALL || steps->index == i)
                collect(yyjson_arr_get(value, i), steps + 1, count - 1, out);
        }
    }
}

static void
values_of(yyjson_val *object, oct_slice key, bool flat, value_list *out)
{
    arena      memory = {0};
    path       where;
    value_list ends = {.count = 0};

    CHECK_OK(path_parse(key, &memory, &where, NULL));
    collect(object, where.steps, where.count, &ends);
    out->count = 0;
    for (size_t i = 0; i < ends.count; i++) {
        if (flat && yyjson_is_arr(ends.items[i])) {
            for (size_t j = 0; j < yyjson_arr_size(ends.items[i]); j++)
                out->items[out->count++] = yyjson_arr_get(ends.items[i], j);
        } else {
            out->items[out->count++] = ends.items[i];
        }
    }
    arena_clear(&memory);
}

static bool
model_equals(yyjson_val *value, const oct_value *wanted)
{
    switch (wanted->kind) {
    case OCT_VALUE_TEXT:
        return yyjson_is_str(value) && yyjson_equals_strn(value, wanted->text.data, wanted->text.size);
    case OCT_VALUE_INTEGER:
        return yyjson_is_int(value) && !(yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX) &&
               yyjson_get_sint(value) == wanted->integer;
    case OCT_VALUE_BOOL:
        return yyjson_is_bool(value) && yyjson_get_bool(value) == wanted->boolean;
    }
    return false;
}

static bool
model_match(yyjson_val *value, const oct_match *match)
{
    const bool      is_text = yyjson_is_str(value);
    const oct_slice text = {is_text ? yyjson_get_str(value) : "", is_text ? yyjson_get_len(value) : 0};
    bool            any = false;
    char            words[64], *next = words, *word;

    for (size_t i = 0; i < match->value_count; i++)
        any = any || model_equals(value, &match->values[i]);
    switch (match->kind) {
    case OCT_MATCH_VALUE:
    case OCT_MATCH_ANY:
        return any;
    case OCT_MATCH_EXCEPT:
        return !any && !yyjson_is_null(value);
    case OCT_MATCH_TEXT:
    case OCT_MATCH_PHRASE:
    case OCT_MATCH_SUBSTRING:
        return is_text && strstr(text.data, match->text.data) != NULL;
    case OCT_MATCH_TEXT_ANY:
        (void)snprintf(words, sizeof words, "%s", match->text.data);
        any = false;
        while (is_text && (word = strsep(&next, " ")) != NULL)
            any = any || (word[0] != '\0' && strstr(text.data, word) != NULL);
        return is_text && any;
    case OCT_MATCH_PREFIX:
        return is_text && strncmp(text.data, match->text.data, match->text.size) == 0;
    }
    return false;
}

#define HOLDS(range, x)                                                                                      \
    (!(((range)->bounds & OCT_GT) != 0 && !((x) > (range)->gt)) &&                                           \
     !(((range)->bounds & OCT_GTE) != 0 && !((x) >= (range)->gte)) &&                                        \
     !(((range)->bounds & OCT_LT) != 0 && !((x) < (range)->lt)) &&                                           \
     !(((range)->bounds & OCT_LTE) != 0 && !((x) <= (range)->lte)))

static bool
model_place(yyjson_val *value, oct_geo_point *out)
{
    yyjson_val *lon = yyjson_obj_get(value, "lon"), *lat = yyjson_obj_get(value, "lat");

    *out = (oct_geo_point){yyjson_get_num(lon), yyjson_get_num(lat)};
    return yyjson_is_num(lon) && yyjson_is_num(lat);
}

static bool
model_is_empty(yyjson_val *object, oct_slice key)
{
    value_list values;
    bool       empty = true;

    values_of(object, key, false, &values);
    for (size_t i = 0; i < values.count; i++)
        empty = empty && (yyjson_is_null(values.items[i]) ||
                          (yyjson_is_arr(values.items[i]) && yyjson_arr_size(values.items[i]) == 0));
    return empty;
}

static bool
model_is_null(yyjson_val *object, oct_slice key)
{
    value_list values;
    bool       null = false;

    values_of(object, key, false, &values);
    for (size_t i = 0; i < values.count; i++) {
        null = null || yyjson_is_null(values.items[i]);
        for (size_t j = 0; j < yyjson_arr_size(values.items[i]); j++)
            null = null || yyjson_is_null(yyjson_arr_get(values.items[i], j));
    }
    return null;
}

static bool
model_count(yyjson_val *object, oct_slice key, const oct_values_count *range)
{
    uint64_t   none = 0;
    value_list values;
    bool       any = false;

    values_of(object, key, false, &values);
    if (values.count == 0)
        return HOLDS(range, none);
    for (size_t i = 0; i < values.count; i++) {
        const uint64_t count = yyjson_is_null(values.items[i])  ? 0
                               : yyjson_is_arr(values.items[i]) ? yyjson_arr_size(values.items[i])
                                                                : 1;

        any = any || HOLDS(range, count);
    }
    return any;
}

static bool
model_field(const oct_condition *condition, yyjson_val *object)
{
    const oct_field_condition *field = condition->field;
    value_list                 values;
    bool                       any = false;

    values_of(object, condition->key, true, &values);
    for (size_t i = 0; i < values.count; i++) {
        yyjson_val   *value = values.items[i];
        oct_geo_point place;
        int64_t       time;

        any = any || (field->match != NULL && model_match(value, field->match));
        any = any ||
              (field->range != NULL && yyjson_is_num(value) && HOLDS(field->range, yyjson_get_num(value)));
        any = any || (field->datetime_range != NULL && yyjson_is_str(value) &&
                      datetime_parse((oct_slice){yyjson_get_str(value), yyjson_get_len(value)}, &time) &&
                      HOLDS(field->datetime_range, time));
        if (!model_place(value, &place))
            continue;
        any = any || (field->geo_radius != NULL &&
                      geo_distance(&place, &field->geo_radius->center) < field->geo_radius->radius);
        any = any || (field->geo_bounding_box != NULL && geo_in_box(field->geo_bounding_box, &place));
        any = any || (field->geo_polygon != NULL && geo_in_polygon(field->geo_polygon, &place));
    }
    any = any || (field->values_count != NULL && model_count(object, condition->key, field->values_count));
    if (field->is_empty != OCT_EXPECT_NOTHING)
        any = any || model_is_empty(object, condition->key) == (field->is_empty == OCT_EXPECT_TRUE);
    if (field->is_null != OCT_EXPECT_NOTHING)
        any = any || model_is_null(object, condition->key) == (field->is_null == OCT_EXPECT_TRUE);
    return any;
}

static bool model_filter(const oct_filter *given, yyjson_val *object, const model_point *point);

static bool
model_nested(const oct_condition *condition, yyjson_val *object)
{
    const model_point element = {.is_element = true};
    arena             memory = {0};
    buffer            key = {0};
    value_list        values;
    bool              any = false;

    buffer_add(&key, condition->key.data, condition->key.size);
    if (key.size < 2 || memcmp(key.data + key.size - 2, "[]", 2) != 0)
        buffer_add_text(&key, "[]");
    values_of(object, (oct_slice){key.data, key.size}, false, &values);
    for (size_t i = 0; i < values.count; i++)
        any = any ||
              (yyjson_is_obj(values.items[i]) && model_filter(condition->filter, values.items[i], &element));
    buffer_clear(&key);
    arena_clear(&memory);
    return any;
}

static bool
model_condition(const oct_condition *condition, yyjson_val *object, const model_point *point)
{
    bool any = false;

    switch (condition->kind) {
    case OCT_CONDITION_FIELD:
        return model_field(condition, object);
    case OCT_CONDITION_IS_EMPTY:
        return model_is_empty(object, condition->key);
    case OCT_CONDITION_IS_NULL:
        return model_is_null(object, condition->key);
    case OCT_CONDITION_SHARD_KEY: /* tests of collections ask for these */
        return false;
    case OCT_CONDITION_HAS_ID:
        for (size_t i = 0; i < condition->id_count && !point->is_element; i++)
            any = any ||
                  (condition->ids[i].low == point->id.low && condition->ids[i].is_uuid == point->id.is_uuid);
        return any;
    case OCT_CONDITION_HAS_VECTOR:
        for (uint32_t i = 0; i < RANDOM_VECTOR_NAMES && !point->is_element; i++)
            any = any || ((point->vectors >> i & 1) != 0 && condition->vector.data[0] == 'v' &&
                          condition->vector.data[1] == (char)('0' + i));
        return any;
    case OCT_CONDITION_SLICE:
        return !point->is_element &&
               siphash_id(&point->id) % condition->slice_total == condition->slice_index;
    case OCT_CONDITION_NESTED:
        return model_nested(condition, object);
    case OCT_CONDITION_FILTER:
        return model_filter(condition->filter, object, point);
    }
    return false;
}

static size_t
model_holding(const oct_condition *list, size_t count, yyjson_val *object, const model_point *point)
{
    size_t holding = 0;

    for (size_t i = 0; i < count; i++)
        holding += model_condition(&list[i], object, point);
    return holding;
}

static bool
model_filter(const oct_filter *given, yyjson_val *object, const model_point *point)
{
    return model_holding(given->must, given->must_count, object, point) == given->must_count &&
           (given->should_count == 0 ||
            model_holding(given->should, given->should_count, object, point) > 0) &&
           model_holding(given->must_not, given->must_not_count, object, point) == 0 &&
           model_holding(given->min_should, given->min_should_count, object, point) >= given->min_count;
}

/* --- the comparison --------------------------------------------------------------------------------------------- */

typedef struct candidate {
    oct_slice   document;
    model_point point;
} candidate;

static oct_status
give_document(const void *context, oct_slice *out, oct_error *error)
{
    (void)error;
    *out = ((const candidate *)context)->document;
    return OCT_OK;
}

static bool
give_vector(const void *context, uint32_t number)
{
    return (((const candidate *)context)->point.vectors >> number & 1) != 0;
}

static uint32_t
number_of(const void *context, oct_slice name)
{
    (void)context;
    return name.data[0] == 'v' ? (uint32_t)(name.data[1] - '0') : FILTER_NO_VECTOR;
}

static void
compare_with_model(uint64_t seed, unsigned depth, uint64_t rounds)
{
    test_rng rng = test_rng_seed(seed);
    size_t   asked = 0, held = 0;

    for (uint64_t round = 0; round < rounds && !test_has_failed(); round++) {
        arena             memory = {0};
        const oct_filter *given = random_filter(&rng, depth, &memory);
        const filter     *made = NULL;
        oct_error         error = {0};

        CHECK_MSG(filter_compile(given, number_of, NULL, &memory, &made, &error) == OCT_OK, "round %llu: %s",
                  (unsigned long long)round, error.text);
        for (size_t i = 0; i < 20 && made != NULL; i++) {
            buffer       text = {0}, compact = {0};
            candidate    one = {.point = {{0, test_below(&rng, 4), (uint32_t)test_below(&rng, 2), 0},
                                          (uint32_t)test_below(&rng, 8),
                                          false}};
            filter_point about = {&one.point.id, give_document, give_vector, &one};
            yyjson_doc  *tree;
            bool         answer, wanted;

            random_document(&rng, 3, &text);
            CHECK_OK(document_check((oct_slice){text.data, text.size}, &compact, &error));
            one.document = (oct_slice){compact.data, compact.size};
            tree = yyjson_read(compact.data, compact.size, 0);
            wanted = model_filter(given, yyjson_doc_get_root(tree), &one.point);
            CHECK_OK(filter_matches(made, &about, &answer, &error));
            CHECK_MSG(answer == wanted, "seed %llu, round %llu: filter says %d of " SLICE_FMT,
                      (unsigned long long)seed, (unsigned long long)round, answer, SLICE_ARG(one.document));
            asked++;
            held += answer;
            yyjson_doc_free(tree);
            buffer_clear(&text);
            buffer_clear(&compact);
        }
        arena_clear(&memory);
    }
    /* Neither always nor never. */
    CHECK_MSG(held > asked / 10 && held < asked * 9 / 10, "%zu of %zu hold", held, asked);
}

TEST(single_conditions_agree_with_the_model)
{
    compare_with_model(31, 0, test_scaled(4000));
}

TEST(filters_in_filters_agree_with_the_model)
{
    compare_with_model(32, 2, test_scaled(3000));
}

TEST(deep_filters_agree_with_the_model)
{
    compare_with_model(33, 4, test_scaled(1500));
}
