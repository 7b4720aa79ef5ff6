/* Ids, lists, selectors: what many requests share. See decode.h. */
#include "api/decode.h"

#include "base/uuid.h"
#include "config/config.h"

/* --- ids ------------------------------------------------------------------------------------ */

bool
id_from_text(oct_slice text, oct_id *out)
{
    uint64_t number = 0;
    size_t   i = 0;

    for (; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number))
            break;
    if (text.size == 0 || i < text.size)
        return uuid_parse(text, out);
    *out = oct_id_number(number);
    return true;
}

oct_status
decode_id(const json_path *at, yyjson_val *value, oct_id *out, oct_error *error)
{
    if (yyjson_is_uint(value)) {
        *out = oct_id_number(yyjson_get_uint(value));
        return OCT_OK;
    }
    if (yyjson_is_str(value)) {
        const oct_slice text = {yyjson_get_str(value), yyjson_get_len(value)};

        if (uuid_parse(text, out))
            return OCT_OK;
        return json_fail(at, error, OCT_FORMAT,
                         "value \"" SLICE_FMT
                         "\" is not a valid point ID, valid values are either an unsigned "
                         "integer or a UUID",
                         (int)size_min(text.size, 64), text.data);
    }
    if (yyjson_is_sint(value))
        return json_fail(
            at, error, OCT_FORMAT,
            "value %lld is not a valid point ID, valid values are either an unsigned integer or a UUID",
            (long long)yyjson_get_sint(value));
    return json_fail_type(at, value, "a point ID: an unsigned integer or a UUID", error);
}

oct_status
decode_ids(const json_path *at, yyjson_val *value, arena *memory, const oct_id **ids, size_t *count,
           oct_error *error)
{
    yyjson_arr_iter iter;
    yyjson_val     *item;
    oct_id         *list;
    size_t          i = 0;

    if (!yyjson_is_arr(value))
        return json_fail_type(at, value, "an array of point IDs", error);
    list = arena_array(memory, size_max(yyjson_arr_size(value), 1), sizeof *list);
    if (list == NULL)
        return oct_fail_memory(error, yyjson_arr_size(value) * sizeof *list);
    iter = yyjson_arr_iter_with(value);
    while ((item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path  item_at = json_at_index(at, i);
        const oct_status status = decode_id(&item_at, item, &list[i++], error);

        if (status != OCT_OK)
            return status;
    }
    *ids = list;
    *count = i;
    return OCT_OK;
}

oct_status
decode_texts(const json_path *at, yyjson_val *value, arena *memory, const oct_slice **texts, size_t *count,
             oct_error *error)
{
    yyjson_arr_iter iter;
    yyjson_val     *item;
    oct_slice      *list;
    size_t          i = 0;

    if (!yyjson_is_arr(value))
        return json_fail_type(at, value, "an array of strings", error);
    list = arena_array(memory, size_max(yyjson_arr_size(value), 1), sizeof *list);
    if (list == NULL)
        return oct_fail_memory(error, yyjson_arr_size(value) * sizeof *list);
    iter = yyjson_arr_iter_with(value);
    while ((item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path  item_at = json_at_index(at, i);
        const oct_status status = json_get_text(&item_at, item, &list[i++], error);

        if (status != OCT_OK)
            return status;
    }
    *texts = list;
    *count = i;
    return OCT_OK;
}

/* --- shard keys ------------------------------------------------------------------------------ */

oct_status
decode_shard_keys(const json_path *up, yyjson_val *value, arena *memory, const oct_shard_key **keys, size_t *count,
                  bool *fallback, oct_error *error)
{
    static const json_field fields[] = {{"target", NULL, true}, {"fallback", NULL, true}};
    const json_path         at = json_at(up, "shard_key");
    const bool              is_list = yyjson_is_arr(value);
    const size_t            size = is_list ? yyjson_arr_size(value) : 1;
    yyjson_arr_iter         iter = yyjson_arr_iter_with(value);
    yyjson_val             *values[2] = {value, NULL};
    oct_shard_key          *list;
    oct_status              status = OCT_OK;

    *keys = NULL;
    *count = 0;
    *fallback = yyjson_is_obj(value);
    if (value == NULL)
        return OCT_OK;
    if (size > OCT_SHARD_KEYS_MAX)
        return json_fail(&at, error, OCT_RANGE, "%zu shard keys, at most %u are allowed", size, OCT_SHARD_KEYS_MAX);
    if (is_list && size == 0)
        return json_fail(&at, error, OCT_RANGE, "value [] invalid, must not be empty");
    list = arena_array(memory, size + 1, sizeof *list);
    if (list == NULL)
        return oct_fail_memory(error, size * sizeof *list);
    if (*fallback)
        status = json_fields(&at, value, fields, countof(fields), false, values, error);
    for (size_t i = 0; status == OCT_OK && i < size + *fallback; i++) {
        const json_path key_at = is_list ? json_at_index(&at, i) : at;

        status = shard_key_decode(&key_at, is_list ? yyjson_arr_iter_next(&iter) : values[i], memory, &list[i], error);
    }
    *keys = list;
    *count = size + *fallback;
    return status;
}

/* The filter and the condition that the point has one of the keys. */
static oct_status
with_keys(const oct_shard_key *keys, size_t count, bool fallback, arena *memory, const oct_filter **filter,
          oct_error *error)
{
    oct_condition *conditions = arena_array(memory, 2, sizeof *conditions);
    oct_filter    *made = arena_alloc(memory, sizeof *made);

    if (conditions == NULL || made == NULL)
        return oct_fail_memory(error, sizeof *made);
    conditions[0] = (oct_condition){.kind = OCT_CONDITION_SHARD_KEY,
                                    .shard_keys = keys,
                                    .shard_key_count = count,
                                    .shard_fallback = fallback};
    conditions[1] = (oct_condition){.kind = OCT_CONDITION_FILTER, .filter = *filter};
    made->must = conditions;
    made->must_count = *filter == NULL ? 1 : 2;
    *filter = made;
    return OCT_OK;
}

oct_status
decode_shard_filter(const json_path *up, yyjson_val *value, arena *memory, const oct_filter **filter,
                    oct_error *error)
{
    const oct_shard_key *keys;
    size_t               count;
    bool                 fallback;
    const oct_status     status = decode_shard_keys(up, value, memory, &keys, &count, &fallback, error);

    return status == OCT_OK && count > 0 ? with_keys(keys, count, fallback, memory, filter, error) : status;
}

oct_status
filter_of_shard(const oct_shard_key *key, arena *memory, const oct_filter **filter, oct_error *error)
{
    return with_keys(key, 1, false, memory, filter, error);
}

/* --- selectors ------------------------------------------------------------------------------ */

/* `{"include": [..]}` or `{"exclude": [..]}`: one of them, and no other key. */
static oct_status
decode_payload_selector(const json_path *at, yyjson_val *object, arena *memory, api_select *out,
                        oct_error *error)
{
    enum { INCLUDE, EXCLUDE };
    static const json_field fields[] = {{"include", NULL, false}, {"exclude", NULL, false}};
    const json_path         include_at = json_at(at, "include"), exclude_at = json_at(at, "exclude");
    yyjson_val             *values[countof(fields)];
    oct_status              status = json_fields(at, object, fields, countof(fields), true, values, error);

    if (status != OCT_OK)
        return status;
    if ((values[INCLUDE] == NULL) == (values[EXCLUDE] == NULL))
        return json_fail(at, error, OCT_FORMAT,
                         "a payload selector has exactly one of the keys include and exclude");
    out->select.with_payload = true;
    if (values[INCLUDE] == NULL)
        return decode_texts(&exclude_at, values[EXCLUDE], memory, &out->select.exclude,
                            &out->select.exclude_count, error);
    status = decode_texts(&include_at, values[INCLUDE], memory, &out->select.include,
                          &out->select.include_count, error);
    out->payload_is_empty = out->select.include_count == 0;
    return status;
}

oct_status
decode_select(const json_path *at, yyjson_val *with_payload, yyjson_val *with_vector, bool payload_default,
              arena *memory, api_select *out, oct_error *error)
{
    const json_path payload_at = json_at(at, "with_payload"), vector_at = json_at(at, "with_vector");
    oct_select     *select = &out->select;
    oct_status      status = OCT_OK;

    *out = (api_select){.select.with_payload = payload_default};
    if (yyjson_is_arr(with_payload)) {
        select->with_payload = true;
        status =
            decode_texts(&payload_at, with_payload, memory, &select->include, &select->include_count, error);
        out->payload_is_empty = select->include_count == 0;
    } else if (yyjson_is_obj(with_payload)) {
        status = decode_payload_selector(&payload_at, with_payload, memory, out, error);
    } else if (with_payload != NULL && !yyjson_is_bool(with_payload)) {
        status = json_fail_type(&payload_at, with_payload,
                                "a boolean, a list of paths, or {include} or {exclude}", error);
    } else if (with_payload != NULL) {
        select->with_payload = yyjson_get_bool(with_payload);
    }
    if (status != OCT_OK)
        return status;
    if (yyjson_is_arr(with_vector)) {
        select->with_vector = true;
        status =
            decode_texts(&vector_at, with_vector, memory, &select->vectors, &select->vector_count, error);
        out->vector_is_empty = select->vector_count == 0;
    } else if (with_vector != NULL && !yyjson_is_bool(with_vector)) {
        status = json_fail_type(&vector_at, with_vector, "a boolean or a list of vector names", error);
    } else if (with_vector != NULL) {
        select->with_vector = yyjson_get_bool(with_vector);
    }
    if (out->payload_is_empty)
        select->with_payload = false;
    if (out->vector_is_empty)
        select->with_vector = false;
    return status;
}
