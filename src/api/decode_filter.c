/* Filters. See decode.h.
 *
 * UNIONS   A condition is told by its key (qdrant-api.md 1.6): `key` makes it a field condition, else `is_empty`,
 *          `is_null`, `has_id`, `has_vector`, `slice`, `nested`; what has none of these is a filter, and there an
 *          unknown key is an error. A match is told by `value`, `text`, `text_any`, `phrase`, `prefix`, `substring`
 *          (new
 *          in the clients of 1.20), `any`, `except`, in this order; a range by its bounds: strings make it one of
 *          dates.
 * STRICT   Unknown keys are ignored elsewhere, as in all requests. A wrong type, a date that is none and a place
 *          that is none are format errors (400); limits and empty field conditions fail validation (422).
 * DEPTH    As deep as the JSON, which json.h bounds.
 */
#include "api/decode.h"

#define RING_POINTS_MIN 4u

static oct_status decode_level(const json_path *at, yyjson_val *value, arena *memory, oct_filter *out,
                               oct_error *error);

/* An array of `count` zeroed things, never of none. */
static oct_status
make_array(arena *memory, size_t count, size_t size, void **out, oct_error *error)
{
    *out = arena_array(memory, size_max(count, 1), size);
    return *out == NULL ? oct_fail_memory(error, count * size) : OCT_OK;
}

/* --- match ------------------------------------------------------------------------------------ */

static oct_status
decode_match_value(const json_path *at, yyjson_val *value, bool may_be_bool, oct_value *out, oct_error *error)
{
    if (yyjson_is_str(value)) {
        out->kind = OCT_VALUE_TEXT;
        out->text = (oct_slice){yyjson_get_str(value), yyjson_get_len(value)};
        return OCT_OK;
    }
    if (yyjson_is_bool(value) && may_be_bool) {
        out->kind = OCT_VALUE_BOOL;
        out->boolean = yyjson_get_bool(value);
        return OCT_OK;
    }
    if (yyjson_is_sint(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) <= INT64_MAX)) {
        out->kind = OCT_VALUE_INTEGER;
        out->integer = yyjson_get_sint(value);
        return OCT_OK;
    }
    return json_fail_type(
        at, value, may_be_bool ? "a string, a 64-bit integer or a boolean" : "a string or a 64-bit integer",
        error);
}

/* All strings, or all integers. */
static oct_status
decode_match_list(const json_path *at, yyjson_val *list, arena *memory, oct_match *out, oct_error *error)
{
    yyjson_arr_iter iter;
    yyjson_val     *item;
    void           *made;
    oct_value      *values;
    size_t          i = 0;
    oct_status      status;

    if (!yyjson_is_arr(list))
        return json_fail_type(at, list, "a list of strings or of integers", error);
    status = make_array(memory, yyjson_arr_size(list), sizeof *values, &made, error);
    values = made;
    iter = yyjson_arr_iter_with(list);
    while (status == OCT_OK && (item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path item_at = json_at_index(at, i);

        status = decode_match_value(&item_at, item, false, &values[i], error);
        if (status == OCT_OK && values[i].kind != values[0].kind)
            status = json_fail_type(&item_at, item,
                                    values[0].kind == OCT_VALUE_TEXT ? "a string, as the first"
                                                                     : "an integer, as the first",
                                    error);
        i++;
    }
    out->values = values;
    out->value_count = i;
    return status;
}

static oct_status
decode_match(const json_path *at, yyjson_val *object, arena *memory, const oct_match **out, oct_error *error)
{
    static const json_field     fields[] = {{"value", NULL, false},    {"text", NULL, false},
                                            {"text_any", NULL, false}, {"phrase", NULL, false},
                                            {"prefix", NULL, false},   {"substring", NULL, false},
                                            {"any", NULL, false},      {"except", NULL, false}};
    static const oct_match_kind kinds[] = {OCT_MATCH_VALUE,  OCT_MATCH_TEXT,   OCT_MATCH_TEXT_ANY,
                                           OCT_MATCH_PHRASE, OCT_MATCH_PREFIX, OCT_MATCH_SUBSTRING,
                                           OCT_MATCH_ANY,    OCT_MATCH_EXCEPT};
    yyjson_val                 *values[countof(fields)];
    void                       *made;
    oct_match                  *match;
    oct_value                  *single;
    json_path                   value_at;
    size_t                      i = 0;
    oct_status status = json_fields(at, object, fields, countof(fields), false, values, error);

    if (status == OCT_OK)
        status = make_array(memory, 1, sizeof *match, &made, error);
    if (status != OCT_OK)
        return status;
    match = made;
    while (i < countof(fields) && values[i] == NULL)
        i++;
    if (i == countof(fields))
        return json_fail(
            at, error, OCT_FORMAT,
            "a match has one of the keys value, text, text_any, phrase, prefix, substring, any, except");
    value_at = json_at(at, fields[i].name);
    match->kind = kinds[i];
    *out = match;
    switch (match->kind) {
    case OCT_MATCH_ANY:
    case OCT_MATCH_EXCEPT:
        return decode_match_list(&value_at, values[i], memory, match, error);
    case OCT_MATCH_VALUE:
        status = make_array(memory, 1, sizeof *single, &made, error);
        if (status != OCT_OK)
            return status;
        single = made;
        match->values = single;
        match->value_count = 1;
        return decode_match_value(&value_at, values[i], true, single, error);
    default:
        return json_get_text(&value_at, values[i], &match->text, error);
    }
}

/* --- ranges ------------------------------------------------------------------------------------- */

enum { GT, GTE, LT, LTE, BOUNDS };
static const json_field bound_fields[BOUNDS] = {
    {"gt", NULL, false}, {"gte", NULL, false}, {"lt", NULL, false}, {"lte", NULL, false}};
static const uint32_t bound_bits[BOUNDS] = {OCT_GT, OCT_GTE, OCT_LT, OCT_LTE};

static oct_status
decode_numbers(const json_path *at, yyjson_val **values, arena *memory, oct_field_condition *out,
               oct_error *error)
{
    double     bounds[BOUNDS] = {0};
    void      *made;
    oct_range *range;
    oct_status status = make_array(memory, 1, sizeof *range, &made, error);

    if (status != OCT_OK)
        return status;
    range = made;
    for (size_t i = 0; i < BOUNDS && status == OCT_OK; i++) {
        const json_path bound_at = json_at(at, bound_fields[i].name);

        status = json_get_double(&bound_at, values[i], &bounds[i], error);
        range->bounds |= values[i] != NULL ? bound_bits[i] : 0;
    }
    range->gt = bounds[GT];
    range->gte = bounds[GTE];
    range->lt = bounds[LT];
    range->lte = bounds[LTE];
    out->range = range;
    return status;
}

static oct_status
decode_dates(const json_path *at, yyjson_val **values, arena *memory, oct_field_condition *out,
             oct_error *error)
{
    int64_t             bounds[BOUNDS] = {0};
    void               *made;
    oct_datetime_range *range;
    oct_status          status = make_array(memory, 1, sizeof *range, &made, error);

    if (status != OCT_OK)
        return status;
    range = made;
    for (size_t i = 0; i < BOUNDS && status == OCT_OK; i++) {
        const json_path bound_at = json_at(at, bound_fields[i].name);
        oct_slice       text = {0};

        if (values[i] == NULL)
            continue;
        status = json_get_text(&bound_at, values[i], &text, error);
        if (status == OCT_OK && oct_datetime_parse(text, &bounds[i], NULL) != OCT_OK)
            status = json_fail(&bound_at, error, OCT_FORMAT,
                               "\"%.*s\" is not a date that is understood, such as 2024-05-06T07:08:09Z",
                               (int)size_min(text.size, 64), text.data);
        range->bounds |= bound_bits[i];
    }
    range->gt = bounds[GT];
    range->gte = bounds[GTE];
    range->lt = bounds[LT];
    range->lte = bounds[LTE];
    out->datetime_range = range;
    return status;
}

static oct_status
decode_range(const json_path *at, yyjson_val *object, arena *memory, oct_field_condition *out,
             oct_error *error)
{
    yyjson_val *values[BOUNDS];
    bool        has_text = false;
    oct_status  status = json_fields(at, object, bound_fields, BOUNDS, false, values, error);

    if (status != OCT_OK)
        return status;
    for (size_t i = 0; i < BOUNDS; i++)
        has_text = has_text || yyjson_is_str(values[i]);
    return has_text ? decode_dates(at, values, memory, out, error)
                    : decode_numbers(at, values, memory, out, error);
}

static oct_status
decode_values_count(const json_path *at, yyjson_val *object, arena *memory, const oct_values_count **out,
                    oct_error *error)
{
    uint64_t          bounds[BOUNDS] = {0};
    yyjson_val       *values[BOUNDS];
    void             *made;
    oct_values_count *range;
    oct_status        status = json_fields(at, object, bound_fields, BOUNDS, false, values, error);

    if (status == OCT_OK)
        status = make_array(memory, 1, sizeof *range, &made, error);
    if (status != OCT_OK)
        return status;
    range = made;
    for (size_t i = 0; i < BOUNDS && status == OCT_OK; i++) {
        const json_path bound_at = json_at(at, bound_fields[i].name);

        status = json_get_u64(&bound_at, values[i], &bounds[i], error);
        range->bounds |= values[i] != NULL ? bound_bits[i] : 0;
    }
    range->gt = bounds[GT];
    range->gte = bounds[GTE];
    range->lt = bounds[LT];
    range->lte = bounds[LTE];
    *out = range;
    return status;
}

/* --- places --------------------------------------------------------------------------------------- */

oct_status
decode_geo_point(const json_path *at, yyjson_val *object, oct_geo_point *out, oct_error *error)
{
    static const json_field fields[] = {{"lon", NULL, true}, {"lat", NULL, true}};
    const json_path         lon_at = json_at(at, "lon"), lat_at = json_at(at, "lat");
    yyjson_val             *values[countof(fields)];
    oct_status              status = json_fields(at, object, fields, countof(fields), false, values, error);

    if (status == OCT_OK)
        status = json_get_double(&lon_at, values[0], &out->lon, error);
    if (status == OCT_OK)
        status = json_get_double(&lat_at, values[1], &out->lat, error);
    if (status == OCT_OK && !(out->lon >= -180 && out->lon <= 180 && out->lat >= -90 && out->lat <= 90))
        status = json_fail(
            at, error, OCT_FORMAT,
            "no such place: lon %g, lat %g; longitudes are from -180 to 180, latitudes from -90 to 90",
            out->lon, out->lat);
    return status;
}

static oct_status
decode_geo_radius(const json_path *at, yyjson_val *object, arena *memory, const oct_geo_radius **out,
                  oct_error *error)
{
    static const json_field fields[] = {{"center", NULL, true}, {"radius", NULL, true}};
    const json_path         center_at = json_at(at, "center"), radius_at = json_at(at, "radius");
    yyjson_val             *values[countof(fields)];
    void                   *made;
    oct_geo_radius         *circle;
    oct_status              status = json_fields(at, object, fields, countof(fields), false, values, error);

    if (status == OCT_OK)
        status = make_array(memory, 1, sizeof *circle, &made, error);
    if (status != OCT_OK)
        return status;
    circle = made;
    *out = circle;
    status = decode_geo_point(&center_at, values[0], &circle->center, error);
    return status == OCT_OK ? json_get_double(&radius_at, values[1], &circle->radius, error) : status;
}

static oct_status
decode_geo_box(const json_path *at, yyjson_val *object, arena *memory, const oct_geo_bounding_box **out,
               oct_error *error)
{
    static const json_field fields[] = {{"top_left", NULL, true}, {"bottom_right", NULL, true}};
    const json_path top_left_at = json_at(at, "top_left"), bottom_right_at = json_at(at, "bottom_right");
    yyjson_val     *values[countof(fields)];
    void           *made;
    oct_geo_bounding_box *box;
    oct_status            status = json_fields(at, object, fields, countof(fields), false, values, error);

    if (status == OCT_OK)
        status = make_array(memory, 1, sizeof *box, &made, error);
    if (status != OCT_OK)
        return status;
    box = made;
    *out = box;
    status = decode_geo_point(&top_left_at, values[0], &box->top_left, error);
    return status == OCT_OK ? decode_geo_point(&bottom_right_at, values[1], &box->bottom_right, error)
                            : status;
}

/* `{"points": [..]}`, the last equal to the first. */
static oct_status
decode_geo_ring(const json_path *at, yyjson_val *object, arena *memory, oct_geo_ring *out, oct_error *error)
{
    static const json_field fields[] = {{"points", NULL, true}};
    const json_path         points_at = json_at(at, "points");
    yyjson_val             *list, *item;
    yyjson_arr_iter         iter;
    void                   *made;
    oct_geo_point          *points;
    size_t                  i = 0;
    oct_status              status = json_fields(at, object, fields, countof(fields), false, &list, error);

    if (status == OCT_OK && !yyjson_is_arr(list))
        status = json_fail_type(&points_at, list, "a list of places", error);
    if (status == OCT_OK)
        status = make_array(memory, yyjson_arr_size(list), sizeof *points, &made, error);
    if (status != OCT_OK)
        return status;
    points = made;
    iter = yyjson_arr_iter_with(list);
    while (status == OCT_OK && (item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path item_at = json_at_index(&points_at, i);

        status = decode_geo_point(&item_at, item, &points[i++], error);
    }
    if (status == OCT_OK && i < RING_POINTS_MIN)
        status = json_fail(&points_at, error, OCT_FORMAT,
                           "a polygon's line of %zu points: it takes at least %u", i, RING_POINTS_MIN);
    if (status == OCT_OK && (points[0].lon != points[i - 1].lon || points[0].lat != points[i - 1].lat))
        status = json_fail(&points_at, error, OCT_FORMAT, "a polygon's line must end where it begins");
    *out = (oct_geo_ring){points, i};
    return status;
}

static oct_status
decode_geo_polygon(const json_path *at, yyjson_val *object, arena *memory, const oct_geo_polygon **out,
                   oct_error *error)
{
    static const json_field fields[] = {{"exterior", NULL, true}, {"interiors", NULL, false}};
    const json_path         exterior_at = json_at(at, "exterior"), interiors_at = json_at(at, "interiors");
    yyjson_val             *values[countof(fields)], *item;
    yyjson_arr_iter         iter;
    void                   *made;
    oct_geo_polygon        *polygon;
    oct_geo_ring           *interiors;
    size_t                  i = 0;
    oct_status              status = json_fields(at, object, fields, countof(fields), false, values, error);

    if (status == OCT_OK)
        status = make_array(memory, 1, sizeof *polygon, &made, error);
    if (status != OCT_OK)
        return status;
    polygon = made;
    *out = polygon;
    status = decode_geo_ring(&exterior_at, values[0], memory, &polygon->exterior, error);
    if (status != OCT_OK || values[1] == NULL)
        return status;
    if (!yyjson_is_arr(values[1]))
        return json_fail_type(&interiors_at, values[1], "a list of lines", error);
    status = make_array(memory, yyjson_arr_size(values[1]), sizeof *interiors, &made, error);
    interiors = made;
    iter = yyjson_arr_iter_with(values[1]);
    while (status == OCT_OK && (item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path item_at = json_at_index(&interiors_at, i);

        status = decode_geo_ring(&item_at, item, memory, &interiors[i++], error);
    }
    polygon->interiors = interiors;
    polygon->interior_count = i;
    return status;
}

/* --- conditions --------------------------------------------------------------------------------------- */

static oct_status
decode_expect(const json_path *at, yyjson_val *value, oct_expect *out, oct_error *error)
{
    bool             flag = false;
    const oct_status status = json_get_bool(at, value, &flag, error);

    if (value != NULL)
        *out = flag ? OCT_EXPECT_TRUE : OCT_EXPECT_FALSE;
    return status;
}

static oct_status
decode_field(const json_path *at, yyjson_val *object, arena *memory, oct_condition *out, oct_error *error)
{
    enum { KEY, MATCH, RANGE, BOX, RADIUS, POLYGON, COUNT, IS_EMPTY, IS_NULL };
    static const json_field fields[] = {{"key", NULL, true},           {"match", NULL, false},
                                        {"range", NULL, false},        {"geo_bounding_box", NULL, false},
                                        {"geo_radius", NULL, false},   {"geo_polygon", NULL, false},
                                        {"values_count", NULL, false}, {"is_empty", NULL, false},
                                        {"is_null", NULL, false}};
    const json_path         key_at = json_at(at, "key");
    yyjson_val             *values[countof(fields)];
    bool                    any = false;
    void                   *made;
    oct_field_condition    *field;
    oct_status              status = json_fields(at, object, fields, countof(fields), false, values, error);

    if (status == OCT_OK)
        status = make_array(memory, 1, sizeof *field, &made, error);
    if (status == OCT_OK)
        status = json_get_text(&key_at, values[KEY], &out->key, error);
    if (status != OCT_OK)
        return status;
    field = made;
    out->kind = OCT_CONDITION_FIELD;
    out->field = field;
    for (size_t i = MATCH; i < countof(fields) && status == OCT_OK; i++) {
        const json_path value_at = json_at(at, fields[i].name);

        if (values[i] == NULL)
            continue;
        any = true;
        switch (i) {
        case MATCH:
            status = decode_match(&value_at, values[i], memory, &field->match, error);
            break;
        case RANGE:
            status = decode_range(&value_at, values[i], memory, field, error);
            break;
        case BOX:
            status = decode_geo_box(&value_at, values[i], memory, &field->geo_bounding_box, error);
            break;
        case RADIUS:
            status = decode_geo_radius(&value_at, values[i], memory, &field->geo_radius, error);
            break;
        case POLYGON:
            status = decode_geo_polygon(&value_at, values[i], memory, &field->geo_polygon, error);
            break;
        case COUNT:
            status = decode_values_count(&value_at, values[i], memory, &field->values_count, error);
            break;
        case IS_EMPTY:
            status = decode_expect(&value_at, values[i], &field->is_empty, error);
            break;
        default:
            status = decode_expect(&value_at, values[i], &field->is_null, error);
            break;
        }
    }
    if (status == OCT_OK && !any)
        status = json_fail(at, error, OCT_RANGE, "At least one field condition must be specified");
    return status;
}

/* `{"key": ".."}` of is_empty and is_null. */
static oct_status
decode_key(const json_path *at, yyjson_val *object, oct_slice *out, oct_error *error)
{
    static const json_field fields[] = {{"key", NULL, true}};
    const json_path         key_at = json_at(at, "key");
    yyjson_val             *value;
    const oct_status        status = json_fields(at, object, fields, countof(fields), false, &value, error);

    return status == OCT_OK ? json_get_text(&key_at, value, out, error) : status;
}

static oct_status
decode_slice(const json_path *at, yyjson_val *object, oct_condition *out, oct_error *error)
{
    static const json_field fields[] = {{"total", NULL, true}, {"index", NULL, true}};
    const json_path         total_at = json_at(at, "total"), index_at = json_at(at, "index");
    yyjson_val             *values[countof(fields)];
    uint64_t                total = 0, index = 0;
    oct_status              status = json_fields(at, object, fields, countof(fields), false, values, error);

    if (status == OCT_OK)
        status = json_get_u64(&total_at, values[0], &total, error);
    if (status == OCT_OK)
        status = json_get_u64(&index_at, values[1], &index, error);
    if (status == OCT_OK && (total > UINT32_MAX || index > UINT32_MAX))
        status = json_fail_type(total > UINT32_MAX ? &total_at : &index_at,
                                values[total > UINT32_MAX ? 0 : 1], "u32", error);
    if (status == OCT_OK && total == 0)
        status = json_fail_range(&total_at, total, 1, UINT64_MAX, error);
    if (status == OCT_OK && index >= total)
        status = json_fail_range(&index_at, index, 0, total - 1, error);
    out->slice_total = (uint32_t)total;
    out->slice_index = (uint32_t)index;
    return status;
}

static oct_status
decode_nested(const json_path *at, yyjson_val *object, arena *memory, oct_condition *out, oct_error *error)
{
    static const json_field fields[] = {{"key", NULL, true}, {"filter", NULL, true}};
    const json_path         key_at = json_at(at, "key"), filter_at = json_at(at, "filter");
    yyjson_val             *values[countof(fields)];
    void                   *made;
    oct_status              status = json_fields(at, object, fields, countof(fields), false, values, error);

    if (status == OCT_OK)
        status = json_get_text(&key_at, values[0], &out->key, error);
    if (status == OCT_OK)
        status = make_array(memory, 1, sizeof(oct_filter), &made, error);
    if (status != OCT_OK)
        return status;
    out->filter = made;
    return decode_level(&filter_at, values[1], memory, made, error);
}

oct_status
decode_condition(const json_path *at, yyjson_val *object, arena *memory, oct_condition *out, oct_error *error)
{
    static const json_name kinds[] = {{"key", OCT_CONDITION_FIELD},
                                      {"is_empty", OCT_CONDITION_IS_EMPTY},
                                      {"is_null", OCT_CONDITION_IS_NULL},
                                      {"has_id", OCT_CONDITION_HAS_ID},
                                      {"has_vector", OCT_CONDITION_HAS_VECTOR},
                                      {"slice", OCT_CONDITION_SLICE},
                                      {"nested", OCT_CONDITION_NESTED}};
    yyjson_val            *value = NULL;
    json_path              value_at;
    size_t                 i = 0;
    void                  *made;
    oct_status             status;

    if (!yyjson_is_obj(object))
        return json_fail_type(at, object, "a condition", error);
    while (i < countof(kinds) && (value = yyjson_obj_get(object, kinds[i].text)) == NULL)
        i++;
    *out = (oct_condition){.kind = i < countof(kinds) ? (oct_condition_kind)kinds[i].value
                                                      : OCT_CONDITION_FILTER};
    value_at = i < countof(kinds) ? json_at(at, kinds[i].text) : *at;
    switch (out->kind) {
    case OCT_CONDITION_FIELD:
        return decode_field(at, object, memory, out, error);
    case OCT_CONDITION_IS_EMPTY:
    case OCT_CONDITION_IS_NULL:
        return decode_key(&value_at, value, &out->key, error);
    case OCT_CONDITION_HAS_ID:
        return decode_ids(&value_at, value, memory, &out->ids, &out->id_count, error);
    case OCT_CONDITION_HAS_VECTOR:
        return json_get_text(&value_at, value, &out->vector, error);
    case OCT_CONDITION_SLICE:
        return decode_slice(&value_at, value, out, error);
    case OCT_CONDITION_NESTED:
        return decode_nested(&value_at, value, memory, out, error);
    case OCT_CONDITION_FILTER:
    case OCT_CONDITION_SHARD_KEY: /* not in filters of requests: shard_key stands beside them */
        break;
    }
    status = make_array(memory, 1, sizeof(oct_filter), &made, error);
    if (status != OCT_OK)
        return status;
    out->filter = made;
    return decode_level(at, object, memory, made, error);
}

/* --- levels ----------------------------------------------------------------------------------------------- */

/* One condition, an array of them, or nothing. */
static oct_status
decode_conditions(const json_path *at, yyjson_val *value, arena *memory, const oct_condition **out,
                  size_t *count, oct_error *error)
{
    const bool      is_list = yyjson_is_arr(value);
    yyjson_arr_iter iter;
    yyjson_val     *item;
    void           *made;
    oct_condition  *list;
    size_t          i = 0;
    oct_status      status;

    if (value == NULL)
        return OCT_OK;
    status = make_array(memory, is_list ? yyjson_arr_size(value) : 1, sizeof *list, &made, error);
    if (status != OCT_OK)
        return status;
    list = made;
    *out = list;
    if (!is_list) {
        *count = 1;
        return decode_condition(at, value, memory, list, error);
    }
    iter = yyjson_arr_iter_with(value);
    while (status == OCT_OK && (item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path item_at = json_at_index(at, i);

        status = decode_condition(&item_at, item, memory, &list[i++], error);
    }
    *count = i;
    return status;
}

static oct_status
decode_min_should(const json_path *at, yyjson_val *object, arena *memory, oct_filter *out, oct_error *error)
{
    static const json_field fields[] = {{"conditions", NULL, true}, {"min_count", NULL, true}};
    const json_path         list_at = json_at(at, "conditions"), count_at = json_at(at, "min_count");
    yyjson_val             *values[countof(fields)];
    oct_status              status;

    if (object == NULL)
        return OCT_OK;
    status = json_fields(at, object, fields, countof(fields), false, values, error);
    if (status == OCT_OK && !yyjson_is_arr(values[0]))
        status = json_fail_type(&list_at, values[0], "a list of conditions", error);
    if (status == OCT_OK)
        status =
            decode_conditions(&list_at, values[0], memory, &out->min_should, &out->min_should_count, error);
    return status == OCT_OK ? json_get_range(&count_at, values[1], 1, UINT64_MAX, &out->min_count, error)
                            : status;
}

static oct_status
decode_level(const json_path *at, yyjson_val *value, arena *memory, oct_filter *out, oct_error *error)
{
    static const json_field fields[] = {{"must", NULL, false},
                                        {"should", NULL, false},
                                        {"must_not", NULL, false},
                                        {"min_should", NULL, false}};
    const json_path         must_at = json_at(at, "must"), should_at = json_at(at, "should");
    const json_path         must_not_at = json_at(at, "must_not"), min_at = json_at(at, "min_should");
    yyjson_val             *values[countof(fields)];
    oct_status              status = json_fields(at, value, fields, countof(fields), true, values, error);

    if (status == OCT_OK)
        status = decode_conditions(&must_at, values[0], memory, &out->must, &out->must_count, error);
    if (status == OCT_OK)
        status = decode_conditions(&should_at, values[1], memory, &out->should, &out->should_count, error);
    if (status == OCT_OK)
        status =
            decode_conditions(&must_not_at, values[2], memory, &out->must_not, &out->must_not_count, error);
    return status == OCT_OK ? decode_min_should(&min_at, values[3], memory, out, error) : status;
}

oct_status
decode_filter(const json_path *at, yyjson_val *value, arena *memory, const oct_filter **out, oct_error *error)
{
    void      *made;
    oct_status status;

    *out = NULL;
    if (value == NULL)
        return OCT_OK;
    status = make_array(memory, 1, sizeof(oct_filter), &made, error);
    if (status == OCT_OK)
        status = decode_level(at, value, memory, made, error);
    if (status == OCT_OK)
        *out = made;
    return status;
}
