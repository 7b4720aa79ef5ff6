/* The parts of a configuration that are lists under names: strict mode and shard keys. See config.c for the three forms.
 *
 * STORED   "strict":{.., "multivector_config":{"name":{"max_vectors":5}}, "sparse_config":{"name":{"max_length":4}}}
 *          "shard_keys":[{"key":"a","number":1,"shards":1,"replicas":1}], "shard_keys_made":1
 *          A key is a string or an unsigned number, as on the wire: "5" and 5 are two keys.
 */
#include "config/config_internal.h"

/* --- strict mode ------------------------------------------------------------------------------ */

static oct_status
decode_list(const json_path *up, const char *name, const char *field, yyjson_val *object, json_form form,
            arena *memory, const oct_strict_vector **out, size_t *count, oct_error *error)
{
    const json_path    at = json_at(up, name);
    yyjson_obj_iter    iter = yyjson_obj_iter_with(object);
    yyjson_val        *key;
    oct_strict_vector *list;

    if (object == NULL)
        return OCT_OK;
    if (!yyjson_is_obj(object))
        return json_fail_type(&at, object, "a map from vector name to its limit", error);
    if (yyjson_obj_size(object) > OCT_VECTORS_MAX)
        return json_fail(&at, error, OCT_RANGE, "%zu names, at most %u are allowed", yyjson_obj_size(object),
                         OCT_VECTORS_MAX);
    list = arena_array(memory, yyjson_obj_size(object) + 1, sizeof *list);
    if (list == NULL)
        return oct_fail_memory(error, yyjson_obj_size(object) * sizeof *list);
    while ((key = yyjson_obj_iter_next(&iter)) != NULL) {
        const oct_slice  given = {yyjson_get_str(key), yyjson_get_len(key)};
        const json_path  name_at = json_at_slice(&at, given), field_at = json_at(&name_at, field);
        const json_field fields[] = {{field, NULL, false}};
        const char      *text = arena_text(memory, given.data, given.size);
        yyjson_val      *value = NULL;
        uint64_t         max = 0;
        size_t           i = 0;
        oct_status       status =
            json_fields(&name_at, yyjson_obj_iter_get_val(key), fields, 1, false, &value, error);

        if (status == OCT_OK && value != NULL)
            status = form == FORM_REQUEST ? json_get_range(&field_at, value, 1, UINT64_MAX, &max, error)
                                          : json_get_u64(&field_at, value, &max, error);
        if (status == OCT_OK && text == NULL)
            status = oct_fail_memory(error, given.size);
        if (status != OCT_OK)
            return status;
        while (i < *count && !slice_equal(list[i].name, given)) /* of a repeated name the last counts */
            i++;
        list[i] = (oct_strict_vector){{text, given.size},
                                      value == NULL ? OCT_UNSET : (int64_t)(max < ANY_UINT ? max : ANY_UINT)};
        *count = size_max(*count, i + 1);
    }
    *out = list;
    return OCT_OK;
}

oct_status
config_strict_decode(yyjson_val *object, json_form form, arena *memory, oct_strict_config *out, oct_error *error)
{
    enum { MULTI, SPARSE };
    static const json_field fields[] = {{"multivector_config", NULL, false}, {"sparse_config", NULL, false}};
    const json_path         at = json_at(NULL, "strict_mode_config");
    yyjson_val             *values[countof(fields)];
    oct_status              status;

    if (object == NULL)
        return OCT_OK;
    status = config_table_decode(&at, &config_strict_table, object, form, out, error);
    if (status == OCT_OK)
        status = json_fields(&at, object, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = decode_list(&at, "multivector_config", "max_vectors", values[MULTI], form, memory, &out->multivectors,
                             &out->multivector_count, error);
    return status == OCT_OK ? decode_list(&at, "sparse_config", "max_length", values[SPARSE], form, memory,
                                          &out->sparse, &out->sparse_count, error)
                            : status;
}

static void
encode_list(const char *name, const char *field, const oct_strict_vector *list, size_t count, buffer *out)
{
    if (count == 0)
        return;
    config_add_key(out, name);
    buffer_add_byte(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_add_byte(out, ',');
        json_add_text(out, list[i].name);
        buffer_add_text(out, ":{");
        if (list[i].max != OCT_UNSET) {
            config_add_key(out, field);
            json_add_u64(out, (uint64_t)list[i].max);
        }
        buffer_add_byte(out, '}');
    }
    buffer_add_byte(out, '}');
}

void
config_strict_encode(const oct_strict_config *strict, json_form form, buffer *out)
{
    if (config_table_is_unset(&config_strict_table, strict) && strict->multivector_count == 0 &&
        strict->sparse_count == 0)
        return;
    config_add_key(out, "strict_mode_config");
    buffer_add_byte(out, '{');
    config_table_encode(&config_strict_table, strict, form, out);
    encode_list("multivector_config", "max_vectors", strict->multivectors, strict->multivector_count, out);
    encode_list("sparse_config", "max_length", strict->sparse, strict->sparse_count, out);
    buffer_add_byte(out, '}');
}

/* --- shard keys ------------------------------------------------------------------------------- */

oct_status
shard_key_decode(const json_path *at, yyjson_val *value, arena *memory, oct_shard_key *out, oct_error *error)
{
    *out = (oct_shard_key){0};
    if (yyjson_is_uint(value)) {
        out->is_number = true;
        out->number = yyjson_get_uint(value);
        return OCT_OK;
    }
    if (!yyjson_is_str(value))
        return json_fail_type(at, value, "a shard key: a string or an unsigned integer", error);
    out->text = (oct_slice){yyjson_get_str(value), yyjson_get_len(value)};
    if (out->text.size == 0 || out->text.size > OCT_SHARD_KEY_MAX)
        return json_fail_length(at, out->text, 1, OCT_SHARD_KEY_MAX, error);
    out->text.data = arena_text(memory, out->text.data, out->text.size);
    return out->text.data == NULL ? oct_fail_memory(error, out->text.size) : OCT_OK;
}

void
shard_key_encode(const oct_shard_key *key, buffer *out)
{
    if (key->is_number)
        json_add_u64(out, key->number);
    else
        json_add_text(out, key->text);
}

bool
shard_key_equal(const oct_shard_key *a, const oct_shard_key *b)
{
    return a->is_number == b->is_number && (a->is_number ? a->number == b->number : slice_equal(a->text, b->text));
}

const oct_shard_key_info *
config_find_shard_key(const oct_collection_config *config, const oct_shard_key *key)
{
    for (size_t i = 0; i < config->shard_key_count; i++)
        if (shard_key_equal(&config->shard_keys[i].key, key))
            return &config->shard_keys[i];
    return NULL;
}

const oct_shard_key_info *
config_shard_key_of(const oct_collection_config *config, uint32_t number)
{
    size_t low = 0, high = config->shard_key_count;

    while (low < high) { /* numbers ascend */
        const size_t middle = (low + high) / 2;

        if (config->shard_keys[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < config->shard_key_count && config->shard_keys[low].number == number ? &config->shard_keys[low] : NULL;
}

oct_status
shard_key_fail_unknown(const oct_shard_key *key, oct_status status, oct_error *error)
{
    if (key->is_number)
        return oct_fail(error, status, "Shard key %llu not found", (unsigned long long)key->number);
    return oct_fail(error, status, "Shard key " SLICE_FMT " not found", (int)size_min(key->text.size, OCT_SHARD_KEY_MAX),
                    key->text.data);
}

oct_status
config_shard_keys_read(yyjson_val *list, yyjson_val *made, arena *memory, oct_collection_config *out, oct_error *error)
{
    const json_path     list_at = json_at(NULL, "shard_keys"), made_at = json_at(NULL, "shard_keys_made");
    yyjson_arr_iter     iter = yyjson_arr_iter_with(list);
    yyjson_val         *item;
    oct_shard_key_info *keys;
    uint64_t            last = 0;
    oct_status          status = json_get_u64(&made_at, made, &last, error);

    out->shard_keys_made = (int64_t)(last & INT32_MAX);
    if (status != OCT_OK || list == NULL)
        return status;
    if (!yyjson_is_arr(list))
        return json_fail_type(&list_at, list, "an array", error);
    keys = arena_array(memory, yyjson_arr_size(list) + 1, sizeof *keys);
    if (keys == NULL)
        return oct_fail_memory(error, yyjson_arr_size(list) * sizeof *keys);
    out->shard_keys = keys;
    while ((item = yyjson_arr_iter_next(&iter)) != NULL) {
        enum { KEY, NUMBER, SHARDS, REPLICAS };
        static const json_field fields[] = {
            {"key", NULL, true}, {"number", NULL, true}, {"shards", NULL, false}, {"replicas", NULL, false}};
        const json_path at = json_at_index(&list_at, out->shard_key_count);
        yyjson_val     *values[countof(fields)];
        uint64_t        numbers[countof(fields)] = {0, 0, 1, 1};

        status = json_fields(&at, item, fields, countof(fields), false, values, error);
        if (status == OCT_OK)
            status = shard_key_decode(&at, values[KEY], memory, &keys[out->shard_key_count].key, error);
        for (size_t i = NUMBER; i < countof(fields) && status == OCT_OK; i++)
            status = json_get_range(&at, values[i], 1, UINT32_MAX, &numbers[i], error);
        if (status == OCT_OK && out->shard_key_count > 0 &&
            numbers[NUMBER] <= keys[out->shard_key_count - 1].number)
            status = json_fail(&at, error, OCT_FORMAT, "numbers of shard keys must ascend");
        if (status != OCT_OK)
            return status;
        keys[out->shard_key_count].number = (uint32_t)numbers[NUMBER];
        keys[out->shard_key_count].shard_number = (uint32_t)numbers[SHARDS];
        keys[out->shard_key_count].replication_factor = (uint32_t)numbers[REPLICAS];
        out->shard_key_count++;
    }
    return OCT_OK;
}

void
config_shard_keys_write(const oct_collection_config *config, buffer *out)
{
    if (config->shard_keys_made == 0)
        return;
    config_add_key(out, "shard_keys_made");
    json_add_u64(out, (uint64_t)config->shard_keys_made);
    config_add_key(out, "shard_keys");
    buffer_add_byte(out, '[');
    for (size_t i = 0; i < config->shard_key_count; i++) {
        const oct_shard_key_info *info = &config->shard_keys[i];

        buffer_add_text(out, i > 0 ? ",{\"key\":" : "{\"key\":");
        shard_key_encode(&info->key, out);
        buffer_format(out, ",\"number\":%u,\"shards\":%u,\"replicas\":%u}", info->number, info->shard_number,
                      info->replication_factor);
    }
    buffer_add_byte(out, ']');
}
