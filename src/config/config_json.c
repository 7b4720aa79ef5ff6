/* Configurations as JSON: requests, what is shown, what is stored. See config.c for the three forms. */
#include "config/config_internal.h"

static const json_name comparator_names[] = {{"max_sim", 1}};

/* --- one table -------------------------------------------------------------------------------- */

static oct_status
decode_uint(const json_path *at, const config_field *field, yyjson_val *value, json_form form, int64_t *out,
            oct_error *error)
{
    const uint64_t min =
        form == FORM_REQUEST && field->request_min > field->min ? field->request_min : field->min;
    uint64_t   number = 0;
    oct_status status = json_get_u64(at, value, &number, error);

    if (status != OCT_OK)
        return status;
    /* A stored value may come from a version with other limits; only what cannot be held is refused. */
    if (number > ANY_UINT || (form == FORM_REQUEST && (number < min || number > field->max)))
        return config_fail_uint(at, field, number, min, error);
    *out = (int64_t)number;
    return OCT_OK;
}

static oct_status
decode_field(const json_path *at, const config_field *field, yyjson_val *value, json_form form, void *config,
             oct_error *error)
{
    oct_status status = OCT_OK;
    bool       flag = false;
    double     number = -1;
    int64_t    ignored;

    switch (field->type) {
    case FIELD_UINT:
        return decode_uint(at, field, value, form, config_number_in(field, config), error);
    case FIELD_THREADS:
        if (yyjson_equals_str(value, "auto")) {
            *config_number_in(field, config) = THREADS_AUTO;
            return OCT_OK;
        }
        if (!yyjson_is_uint(value))
            return json_fail_type(at, value, "an unsigned integer or \"auto\"", error);
        return decode_uint(at, field, value, form, config_number_in(field, config), error);
    case FIELD_BOOL:
        status = json_get_bool(at, value, &flag, error);
        if (status == OCT_OK)
            *config_number_in(field, config) = flag;
        return status;
    case FIELD_DOUBLE:
        status = json_get_double(at, value, &number, error);
        if (status == OCT_OK)
            status = config_check_double(at, field, number, error);
        if (status == OCT_OK)
            *config_double_in(field, config) = number;
        return status;
    case FIELD_NAME:
        return json_get_name(at, value, field->names, field->name_count, config_number_in(field, config),
                             error);
    case FIELD_FIXED:
        return json_get_name(at, value, field->names, field->name_count, &ignored, error);
    }
    return OCT_OK;
}

/* Set the fields of the table that the object has; its other keys are not looked at. */
oct_status
config_table_decode(const json_path *at, const config_table *table, yyjson_val *object, json_form form, void *config,
             oct_error *error)
{
    json_field  fields[JSON_FIELDS_MAX];
    yyjson_val *values[JSON_FIELDS_MAX];
    oct_status  status;

    for (size_t i = 0; i < table->count; i++)
        fields[i] = (json_field){table->fields[i].name, table->fields[i].alias,
                                 form == FORM_REQUEST && table->fields[i].required};
    status = json_fields(at, object, fields, table->count, false, values, error);
    for (size_t i = 0; i < table->count && status == OCT_OK; i++) {
        const json_path field_at = json_at(at, table->fields[i].name);

        if (values[i] != NULL)
            status = decode_field(&field_at, &table->fields[i], values[i], form, config, error);
    }
    return status;
}

/* `"name":`, after a comma unless this is the first member of its object. */
void
config_add_key(buffer *out, const char *name)
{
    if (out->size > 0 && out->data[out->size - 1] != '{')
        buffer_add_byte(out, ',');
    json_add_text(out, slice_of(name));
    buffer_add_byte(out, ':');
}

void
config_table_encode(const config_table *table, const void *config, json_form form, buffer *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const config_field *field = &table->fields[i];
        const char         *name;

        if (!config_is_set(field, config) || (form == FORM_SHOWN && field->type == FIELD_THREADS &&
                                              *config_number_in(field, config) == THREADS_AUTO)) {
            if (form == FORM_SHOWN && field->null_when_unset) {
                config_add_key(out, field->name);
                buffer_add_text(out, "null");
            }
            continue;
        }
        config_add_key(out, field->name);
        switch (field->type) {
        case FIELD_FIXED:
            json_add_text(out, slice_of(field->names[0].text));
            break;
        case FIELD_DOUBLE:
            json_add_double(out, *config_double_in(field, config));
            break;
        case FIELD_BOOL:
            buffer_add_text(out, *config_number_in(field, config) != 0 ? "true" : "false");
            break;
        case FIELD_NAME:
            name = json_name_of(field->names, field->name_count, *config_number_in(field, config));
            if (name != NULL)
                json_add_text(out, slice_of(name));
            else
                buffer_add_text(out, "null");
            break;
        case FIELD_THREADS:
            if (*config_number_in(field, config) == THREADS_AUTO) {
                buffer_add_text(out, "\"auto\"");
                break;
            }
            /* fall through */
        case FIELD_UINT:
            json_add_u64(out, (uint64_t)*config_number_in(field, config));
            break;
        }
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

oct_status
config_section_decode(const json_path *up, const char *name, const config_table *table, yyjson_val *object,
               json_form form, void *config, oct_error *error)
{
    const json_path at = json_at(up, name);

    return object == NULL ? OCT_OK : config_table_decode(&at, table, object, form, config, error);
}

/* `{"scalar": {..}}` and its kin; in updates and in the log also "Disabled". */
static oct_status
decode_quantization(const json_path *up, yyjson_val *value, json_form form, bool may_disable,
                    oct_quantization_config *out, oct_error *error)
{
    static const json_field kinds[] = {
        {"scalar", NULL, false}, {"product", NULL, false}, {"binary", NULL, false}, {"turbo", NULL, false}};
    const json_path at = json_at(up, "quantization_config");
    yyjson_val     *values[countof(kinds)];
    oct_status      status;
    size_t          given = 0;

    if (value == NULL)
        return OCT_OK;
    if (may_disable && yyjson_equals_str(value, "Disabled")) {
        out->kind = OCT_QUANTIZATION_DISABLED;
        return OCT_OK;
    }
    if (!yyjson_is_obj(value))
        return json_fail_type(&at, value, "an object with one of the keys scalar, product, binary, turbo",
                              error);
    status = json_fields(&at, value, kinds, countof(kinds), false, values, error);
    if (status != OCT_OK)
        return status;
    for (size_t i = 0; i < countof(kinds); i++)
        if (values[i] != NULL) {
            given++;
            out->kind = (int64_t)i + OCT_QUANTIZATION_SCALAR;
        }
    if (given == 1)
        return config_section_decode(&at, config_quantization_kinds[out->kind].name,
                              &config_quantization_kinds[out->kind].table,
                              values[out->kind - OCT_QUANTIZATION_SCALAR], form, out, error);
    if (form == FORM_STORED && given == 0) /* a kind of a later version */
        return OCT_OK;
    return json_fail(&at, error, OCT_FORMAT,
                     "exactly one of scalar, product, binary, turbo is needed, got %zu", given);
}

typedef enum vector_use { VECTOR_CREATE, VECTOR_UPDATE, VECTOR_STORED } vector_use;

static oct_status
decode_vector(const json_path *at, oct_slice name, yyjson_val *object, vector_use use, oct_vector_config *out,
              oct_error *error)
{
    enum { HNSW, QUANTIZATION, MULTIVECTOR };
    static const json_field fields[] = {{"hnsw_config", NULL, false},
                                        {"quantization_config", "quantization", false},
                                        {"multivector_config", NULL, false}};
    const json_form         form = use == VECTOR_STORED ? FORM_STORED : FORM_REQUEST;
    const json_path         type_at = json_at(at, "datatype");
    yyjson_val             *values[countof(fields)];
    oct_status              status;

    if (use == VECTOR_STORED && yyjson_obj_get(object, "sparse") != NULL)
        return config_sparse_decode(at, name, yyjson_obj_get(object, "sparse"), form, out, error);
    oct_vector_config_init(out);
    out->name = name;
    status = json_fields(at, object, fields, countof(fields), false, values, error);
    if (status != OCT_OK)
        return status;
    if (yyjson_equals_str(yyjson_obj_get(object, "datatype"), "turbo4"))
        return json_fail(&type_at, error, OCT_UNSUPPORTED, "datatype turbo4 is not supported so far");
    status = config_table_decode(at, use == VECTOR_UPDATE ? &config_vector_update_table : &config_vector_table,
                          object, form, out, error);
    if (status == OCT_OK)
        status = config_section_decode(at, "hnsw_config", &config_hnsw_table, values[HNSW], form, &out->hnsw, error);
    /* An empty object takes the vector's own settings away. */
    if (status == OCT_OK && use != VECTOR_CREATE && values[HNSW] != NULL &&
        yyjson_obj_size(values[HNSW]) == 0)
        out->hnsw.m = OCT_CLEAR;
    if (status == OCT_OK)
        status = decode_quantization(at, values[QUANTIZATION], form, use != VECTOR_CREATE, &out->quantization,
                                     error);
    if (status == OCT_OK && values[MULTIVECTOR] != NULL && use != VECTOR_UPDATE) {
        const json_path  multi_at = json_at(at, "multivector_config");
        const json_path  comparator_at = json_at(&multi_at, "comparator");
        const json_field comparator[] = {{"comparator", NULL, true}};
        yyjson_val      *word;

        status = json_fields(&multi_at, values[MULTIVECTOR], comparator, 1, false, &word, error);
        if (status == OCT_OK)
            status = json_get_name(&comparator_at, word, comparator_names, 1, &out->multivector, error);
    }
    return status;
}

static bool
has_key_of_value(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);

    return value != NULL && !yyjson_is_obj(value);
}

/* A map from name to parameters; of a repeated name the last counts. */
static oct_status
decode_vector_map(const json_path *at, yyjson_val *object, vector_use use, arena *memory,
                  oct_collection_config *out, oct_error *error)
{
    const size_t       count = yyjson_obj_size(object);
    oct_vector_config *vectors;
    yyjson_obj_iter    iter = yyjson_obj_iter_with(object);
    yyjson_val        *key;

    if (count > OCT_VECTORS_MAX)
        return json_fail(at, error, OCT_RANGE, "%zu named vectors, at most %u are allowed", count,
                         OCT_VECTORS_MAX);
    vectors = arena_array(memory, size_max(count, 1), sizeof *vectors);
    if (vectors == NULL)
        return oct_fail_memory(error, count * sizeof *vectors);
    out->vectors = vectors;
    while ((key = yyjson_obj_iter_next(&iter)) != NULL) {
        oct_slice                name = {yyjson_get_str(key), yyjson_get_len(key)};
        const oct_vector_config *known = config_find_vector(out, name);
        const size_t             index = known == NULL ? out->vector_count : (size_t)(known - vectors);
        const json_path          at_name = json_at_slice(at, name);
        oct_status               status;

        name.data = arena_text(memory, name.data, name.size);
        if (name.data == NULL)
            return oct_fail_memory(error, name.size);
        status = decode_vector(&at_name, name, yyjson_obj_iter_get_val(key), use, &vectors[index], error);
        if (status != OCT_OK)
            return status;
        out->vector_count = size_max(out->vector_count, index + 1);
    }
    return OCT_OK;
}

/* `sparse_vectors`: added behind the vectors that are there. */
static oct_status
decode_sparse_map(yyjson_val *object, arena *memory, oct_collection_config *out, oct_error *error)
{
    const json_path    at = json_at(NULL, "sparse_vectors");
    const size_t       dense_count = out->vector_count, count = yyjson_obj_size(object);
    oct_vector_config *vectors;
    yyjson_obj_iter    iter = yyjson_obj_iter_with(object);
    yyjson_val        *key;
    oct_status         status = OCT_OK;

    if (object == NULL)
        return OCT_OK;
    if (!yyjson_is_obj(object))
        return json_fail_type(&at, object, "a map from name to parameters of sparse vectors", error);
    if (count > OCT_VECTORS_MAX - dense_count)
        return json_fail(&at, error, OCT_RANGE, "%zu named vectors, at most %u are allowed", dense_count + count,
                         OCT_VECTORS_MAX);
    vectors = arena_array(memory, dense_count + count + 1, sizeof *vectors);
    if (vectors == NULL)
        return oct_fail_memory(error, count * sizeof *vectors);
    if (dense_count > 0)
        memcpy(vectors, out->vectors, dense_count * sizeof *vectors);
    out->vectors = vectors;
    while (status == OCT_OK && (key = yyjson_obj_iter_next(&iter)) != NULL) {
        oct_slice       name = {yyjson_get_str(key), yyjson_get_len(key)};
        const json_path at_name = json_at_slice(&at, name);
        size_t          index = dense_count; /* of a repeated name the last counts */

        while (index < out->vector_count && !slice_equal(vectors[index].name, name))
            index++;
        name.data = arena_text(memory, name.data, name.size);
        if (name.data == NULL)
            return oct_fail_memory(error, name.size);
        status = config_sparse_decode(&at_name, name, yyjson_obj_iter_get_val(key), FORM_REQUEST, &vectors[index], error);
        out->vector_count = size_max(out->vector_count, index + 1);
    }
    return status;
}

static oct_status
decode_single_vector(const json_path *at, yyjson_val *object, arena *memory, oct_collection_config *out,
                     oct_error *error)
{
    oct_vector_config *vector = arena_alloc(memory, sizeof *vector);

    if (vector == NULL)
        return oct_fail_memory(error, sizeof *vector);
    out->vectors = vector;
    out->vector_count = 1;
    out->single_vector = 1;
    return decode_vector(at, (oct_slice){"", 0}, object, VECTOR_CREATE, vector, error);
}

oct_status
config_decode_vector_name(oct_slice name, yyjson_val *body, arena *memory, oct_collection_config *out,
                          oct_error *error)
{
    enum { DENSE, SPARSE };
    static const json_field fields[] = {{"dense", NULL, false}, {"sparse", NULL, false}};
    const json_path         dense_at = json_at(NULL, "dense"), sparse_at = json_at(NULL, "sparse");
    oct_vector_config      *vector = arena_alloc(memory, sizeof *vector);
    yyjson_val             *values[countof(fields)];
    oct_status              status;

    if (vector == NULL)
        return oct_fail_memory(error, sizeof *vector);
    oct_collection_config_init(out);
    out->vectors = vector;
    status = json_fields(NULL, body, fields, countof(fields), false, values, error);
    if (status == OCT_OK && (values[DENSE] != NULL) == (values[SPARSE] != NULL))
        status = json_fail(NULL, error, OCT_FORMAT, "exactly one of dense, sparse is needed");
    if (status == OCT_OK && values[SPARSE] != NULL)
        status = config_sparse_decode_name(&sparse_at, name, values[SPARSE], vector, error);
    if (status == OCT_OK && values[DENSE] != NULL)
        status = decode_vector(&dense_at, name, values[DENSE], VECTOR_CREATE, vector, error);
    out->vector_count = 1;
    return status;
}

/* Any JSON object, as compact text. */
static oct_status
decode_metadata(yyjson_val *value, arena *memory, oct_slice *out, oct_error *error)
{
    const json_path at = json_at(NULL, "metadata");
    buffer          text = {0};
    oct_status      status;

    if (value == NULL)
        return OCT_OK;
    if (!yyjson_is_obj(value))
        return json_fail_type(&at, value, "an object", error);
    if (yyjson_obj_size(value) > CONFIG_METADATA_KEYS_MAX)
        return json_fail(&at, error, OCT_RANGE, "%zu keys, at most %u are allowed", yyjson_obj_size(value),
                         CONFIG_METADATA_KEYS_MAX);
    buffer_add_byte(&text, '{');
    status = config_add_members(value, NULL, false, memory, &text, error);
    buffer_add_byte(&text, '}');
    if (status == OCT_OK) {
        *out = (oct_slice){text.failed ? NULL : arena_text(memory, text.data, text.size), text.size};
        if (out->data == NULL)
            status = oct_fail_memory(error, text.size);
    }
    buffer_clear(&text);
    return status;
}

oct_status
config_settings_decode(yyjson_val *hnsw, yyjson_val *wal, yyjson_val *optimizers, yyjson_val *quantization, bool may_disable,
                       oct_collection_config *out, oct_error *error)
{
    oct_status status =
        config_section_decode(NULL, "hnsw_config", &config_hnsw_table, hnsw, FORM_REQUEST, &out->hnsw, error);

    if (status == OCT_OK)
        status = config_section_decode(NULL, "wal_config", &config_wal_table, wal, FORM_REQUEST, &out->wal, error);
    if (status == OCT_OK)
        status = config_section_decode(NULL, "optimizers_config", &config_optimizer_table, optimizers, FORM_REQUEST,
                                       &out->optimizer, error);
    if (status == OCT_OK)
        status = decode_quantization(NULL, quantization, FORM_REQUEST, may_disable, &out->quantization, error);
    return status;
}

oct_status
config_decode_create(yyjson_val *body, arena *memory, oct_collection_config *out, oct_error *error)
{
    enum { VECTORS, HNSW, WAL, OPTIMIZERS, QUANTIZATION, METADATA, STRICT, PAYLOAD, SPARSE };
    static const json_field fields[] = {{"vectors", NULL, false},
                                        {"hnsw_config", NULL, false},
                                        {"wal_config", NULL, false},
                                        {"optimizers_config", "optimizer_config", false},
                                        {"quantization_config", "quantization", false},
                                        {"metadata", NULL, false},
                                        {"strict_mode_config", NULL, false},
                                        {"payload", NULL, false},
                                        {"sparse_vectors", NULL, false}};
    const json_path         at = json_at(NULL, "vectors");
    yyjson_val             *values[countof(fields)];
    oct_status              status;

    oct_collection_config_init(out);
    status = json_fields(NULL, body, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = config_strict_decode(values[STRICT], FORM_REQUEST, memory, &out->strict, error);
    if (status == OCT_OK)
        status = config_section_decode(NULL, "payload", &config_payload_table, values[PAYLOAD], FORM_REQUEST, out, error);
    if (status == OCT_OK && values[VECTORS] != NULL) {
        if (!yyjson_is_obj(values[VECTORS]))
            status = json_fail_type(&at, values[VECTORS], "vector parameters or a map of them", error);
        else if (has_key_of_value(values[VECTORS], "size") || has_key_of_value(values[VECTORS], "distance"))
            status = decode_single_vector(&at, values[VECTORS], memory, out, error);
        else
            status = decode_vector_map(&at, values[VECTORS], VECTOR_CREATE, memory, out, error);
    }
    if (out->single_vector == OCT_UNSET)
        out->single_vector = 0;
    if (status == OCT_OK)
        status = decode_sparse_map(values[SPARSE], memory, out, error);
    if (status == OCT_OK)
        status = config_table_decode(NULL, &config_params_table, body, FORM_REQUEST, out, error);
    if (status == OCT_OK)
        status = config_settings_decode(values[HNSW], values[WAL], values[OPTIMIZERS], values[QUANTIZATION], false, out, error);
    if (status == OCT_OK)
        status = decode_metadata(values[METADATA], memory, &out->metadata, error);
    return status == OCT_OK ? config_check(out, error) : status;
}

oct_status
config_decode_update(yyjson_val *body, arena *memory, oct_collection_config *out, oct_error *error)
{
    enum { VECTORS, PARAMS, HNSW, OPTIMIZERS, QUANTIZATION, METADATA, STRICT, SPARSE };
    static const json_field fields[] = {{"vectors", NULL, false},
                                        {"params", NULL, false},
                                        {"hnsw_config", NULL, false},
                                        {"optimizers_config", "optimizer_config", false},
                                        {"quantization_config", "quantization", false},
                                        {"metadata", NULL, false},
                                        {"strict_mode_config", NULL, false},
                                        {"sparse_vectors", NULL, false}};
    const json_path         at = json_at(NULL, "vectors");
    yyjson_val             *values[countof(fields)];
    oct_status              status;

    oct_collection_config_init(out);
    status = json_fields(NULL, body, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = config_strict_decode(values[STRICT], FORM_REQUEST, memory, &out->strict, error);
    if (status == OCT_OK && yyjson_is_obj(values[PARAMS]))
        status = config_section_decode(NULL, "payload", &config_payload_table, yyjson_obj_get(values[PARAMS], "payload"),
                                FORM_REQUEST, out, error);
    if (status == OCT_OK && values[VECTORS] != NULL) {
        if (!yyjson_is_obj(values[VECTORS]))
            status = json_fail_type(&at, values[VECTORS], "a map from vector name to changes", error);
        else
            status = decode_vector_map(&at, values[VECTORS], VECTOR_UPDATE, memory, out, error);
    }
    if (status == OCT_OK)
        status = decode_sparse_map(values[SPARSE], memory, out, error);
    if (status == OCT_OK)
        status = config_section_decode(NULL, "params", &config_params_update_table, values[PARAMS], FORM_REQUEST,
                                out, error);
    if (status == OCT_OK)
        status = config_settings_decode(values[HNSW], NULL, values[OPTIMIZERS], values[QUANTIZATION], true, out, error);
    if (status == OCT_OK)
        status = decode_metadata(values[METADATA], memory, &out->metadata, error);
    return status;
}

static oct_status
read_vectors(yyjson_val *list, arena *memory, oct_collection_config *out, oct_error *error)
{
    const json_path    list_at = json_at(NULL, "vectors");
    const size_t       count = yyjson_arr_size(list);
    oct_vector_config *vectors;
    yyjson_arr_iter    iter = yyjson_arr_iter_with(list);
    yyjson_val        *item;

    if (list == NULL)
        return OCT_OK;
    if (!yyjson_is_arr(list))
        return json_fail_type(&list_at, list, "an array", error);
    vectors = arena_array(memory, size_max(count, 1), sizeof *vectors);
    if (vectors == NULL)
        return oct_fail_memory(error, count * sizeof *vectors);
    out->vectors = vectors;
    while ((item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path at = json_at_index(&list_at, out->vector_count);
        const json_path name_at = json_at(&at, "name");
        oct_slice       name = {"", 0};
        oct_status      status = json_get_text(&name_at, yyjson_obj_get(item, "name"), &name, error);

        if (status != OCT_OK)
            return status;
        name.data = arena_text(memory, name.data, name.size);
        if (name.data == NULL)
            return oct_fail_memory(error, name.size);
        status = decode_vector(&at, name, item, VECTOR_STORED, &vectors[out->vector_count], error);
        if (status != OCT_OK)
            return status;
        out->vector_count++;
    }
    return OCT_OK;
}

oct_status
config_read(oct_slice json, arena *memory, oct_collection_config *out, oct_error *error)
{
    enum { VECTORS, SINGLE, PARAMS, HNSW, OPTIMIZER, WAL, QUANTIZATION, METADATA, STRICT, PAYLOAD, KEYS, KEYS_MADE, FIELDS };
    static const json_field fields[] = {{"vectors", NULL, false},
                                        {"single_vector", NULL, false},
                                        {"params", NULL, false},
                                        {"hnsw_config", NULL, false},
                                        {"optimizer_config", NULL, false},
                                        {"wal_config", NULL, false},
                                        {"quantization_config", NULL, false},
                                        {"metadata", NULL, false},
                                        {"strict_mode_config", NULL, false},
                                        {"payload", NULL, false},
                                        {"shard_keys", NULL, false},
                                        {"shard_keys_made", NULL, false},
                                        {"field_indexes", NULL, false}};
    const json_path         single_at = json_at(NULL, "single_vector");
    json_document           document;
    yyjson_val             *values[countof(fields)];
    bool                    single = false;
    oct_status              status;

    oct_collection_config_init(out);
    status = json_parse(json, &document, error);
    if (status == OCT_OK)
        status = json_fields(NULL, document.root, fields, countof(fields), false, values, error);
    if (status != OCT_OK)
        goto out;
    status = json_get_bool(&single_at, values[SINGLE], &single, error);
    if (status == OCT_OK && values[SINGLE] != NULL)
        out->single_vector = single;
    if (status == OCT_OK)
        status = read_vectors(values[VECTORS], memory, out, error);
    if (status == OCT_OK)
        status =
            config_section_decode(NULL, "params", &config_params_table, values[PARAMS], FORM_STORED, out, error);
    if (status == OCT_OK)
        status = config_section_decode(NULL, "hnsw_config", &config_hnsw_table, values[HNSW], FORM_STORED,
                                &out->hnsw, error);
    if (status == OCT_OK)
        status = config_section_decode(NULL, "optimizer_config", &config_optimizer_table, values[OPTIMIZER],
                                FORM_STORED, &out->optimizer, error);
    if (status == OCT_OK)
        status =
            config_section_decode(NULL, "wal_config", &config_wal_table, values[WAL], FORM_STORED, &out->wal, error);
    if (status == OCT_OK)
        status =
            decode_quantization(NULL, values[QUANTIZATION], FORM_STORED, true, &out->quantization, error);
    if (status == OCT_OK)
        status = decode_metadata(values[METADATA], memory, &out->metadata, error);
    if (status == OCT_OK)
        status = config_strict_decode(values[STRICT], FORM_STORED, memory, &out->strict, error);
    if (status == OCT_OK)
        status = config_section_decode(NULL, "payload", &config_payload_table, values[PAYLOAD], FORM_STORED, out, error);
    if (status == OCT_OK)
        status = config_shard_keys_read(values[KEYS], values[KEYS_MADE], memory, out, error);
    if (status == OCT_OK)
        status = config_read_fields(values[FIELDS], memory, out, error);
out:
    json_document_clear(&document);
    return status;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void
encode_section(const char *name, const config_table *table, const void *config, json_form form, buffer *out)
{
    if (form == FORM_STORED && config_table_is_unset(table, config))
        return;
    config_add_key(out, name);
    buffer_add_byte(out, '{');
    config_table_encode(table, config, form, out);
    buffer_add_byte(out, '}');
}

/* The value, without a key. */
static void
encode_quantization(const oct_quantization_config *config, json_form form, buffer *out)
{
    if (config->kind == OCT_QUANTIZATION_DISABLED) {
        buffer_add_text(out, "\"Disabled\"");
        return;
    }
    buffer_add_byte(out, '{');
    config_add_key(out, config_quantization_kinds[config->kind].name);
    buffer_add_byte(out, '{');
    config_table_encode(&config_quantization_kinds[config->kind].table, config, form, out);
    buffer_add_text(out, "}}");
}

/* The members, without braces. */
static void
encode_vector(const oct_vector_config *vector, json_form form, buffer *out)
{
    if (vector->sparse == 1) { /* stored; what is shown has a map of them */
        config_add_key(out, "sparse");
        config_sparse_encode(&vector->sparse_config, form, out);
        return;
    }
    config_table_encode(&config_vector_table, vector, form, out);
    if (vector->hnsw.m == OCT_CLEAR) {
        config_add_key(out, "hnsw_config");
        buffer_add_text(out, "{}");
    } else if (!config_table_is_unset(&config_hnsw_table, &vector->hnsw)) {
        encode_section("hnsw_config", &config_hnsw_table, &vector->hnsw, form, out);
    }
    if (vector->quantization.kind != OCT_QUANTIZATION_UNSET) {
        config_add_key(out, "quantization_config");
        encode_quantization(&vector->quantization, form, out);
    }
    if (vector->multivector == 1) {
        config_add_key(out, "multivector_config");
        buffer_add_text(out, "{\"comparator\":\"max_sim\"}");
    }
}

static void
encode_vectors_shown(const oct_collection_config *config, buffer *out)
{
    buffer_add_byte(out, '{');
    for (size_t i = 0; i < config->vector_count; i++) {
        const oct_vector_config *vector = &config->vectors[i];

        if (vector->sparse == 1)
            continue;
        if (config->single_vector == 1) {
            encode_vector(vector, FORM_SHOWN, out);
        } else {
            if (out->data != NULL && out->data[out->size - 1] != '{')
                buffer_add_byte(out, ',');
            json_add_text(out, config->vectors[i].name);
            buffer_add_text(out, ":{");
            encode_vector(&config->vectors[i], FORM_SHOWN, out);
            buffer_add_byte(out, '}');
        }
    }
    buffer_add_byte(out, '}');
}

/* Absent if there are none. */
static void
encode_sparse_shown(const oct_collection_config *config, buffer *out)
{
    bool any = false;

    for (size_t i = 0; i < config->vector_count; i++) {
        if (config->vectors[i].sparse != 1)
            continue;
        if (!any) {
            config_add_key(out, "sparse_vectors");
            buffer_add_byte(out, '{');
        }
        if (any)
            buffer_add_byte(out, ',');
        any = true;
        json_add_text(out, config->vectors[i].name);
        buffer_add_byte(out, ':');
        config_sparse_encode(&config->vectors[i].sparse_config, FORM_SHOWN, out);
    }
    if (any)
        buffer_add_byte(out, '}');
}

void
config_encode_params(const oct_collection_config *config, buffer *out)
{
    buffer_add_text(out, "{\"vectors\":");
    encode_vectors_shown(config, out);
    config_table_encode(&config_params_table, config, FORM_SHOWN, out);
    if (!config_table_is_unset(&config_payload_table, config))
        encode_section("payload", &config_payload_table, config, FORM_SHOWN, out);
    encode_sparse_shown(config, out);
    buffer_add_byte(out, '}');
}

void
config_encode(const oct_collection_config *config, buffer *out)
{
    buffer_add_text(out, "{\"params\":");
    config_encode_params(config, out);
    encode_section("hnsw_config", &config_hnsw_table, &config->hnsw, FORM_SHOWN, out);
    encode_section("optimizer_config", &config_optimizer_table, &config->optimizer, FORM_SHOWN, out);
    encode_section("wal_config", &config_wal_table, &config->wal, FORM_SHOWN, out);
    config_add_key(out, "quantization_config");
    if (config->quantization.kind == OCT_QUANTIZATION_UNSET)
        buffer_add_text(out, "null");
    else
        encode_quantization(&config->quantization, FORM_SHOWN, out);
    config_strict_encode(&config->strict, FORM_SHOWN, out);
    if (config->metadata.size > 0) {
        config_add_key(out, "metadata");
        buffer_add(out, config->metadata.data, config->metadata.size);
    }
    buffer_add_byte(out, '}');
}

void
config_write(const oct_collection_config *config, buffer *out)
{
    buffer_add_byte(out, '{');
    if (config->single_vector != OCT_UNSET) {
        config_add_key(out, "single_vector");
        buffer_add_text(out, config->single_vector != 0 ? "true" : "false");
    }
    config_add_key(out, "vectors");
    buffer_add_byte(out, '[');
    for (size_t i = 0; i < config->vector_count; i++) {
        buffer_add_text(out, i > 0 ? ",{" : "{");
        config_add_key(out, "name");
        json_add_text(out, config->vectors[i].name);
        encode_vector(&config->vectors[i], FORM_STORED, out);
        buffer_add_byte(out, '}');
    }
    buffer_add_byte(out, ']');
    encode_section("params", &config_params_table, config, FORM_STORED, out);
    encode_section("hnsw_config", &config_hnsw_table, &config->hnsw, FORM_STORED, out);
    encode_section("optimizer_config", &config_optimizer_table, &config->optimizer, FORM_STORED, out);
    encode_section("wal_config", &config_wal_table, &config->wal, FORM_STORED, out);
    if (config->quantization.kind != OCT_QUANTIZATION_UNSET) {
        config_add_key(out, "quantization_config");
        encode_quantization(&config->quantization, FORM_STORED, out);
    }
    config_strict_encode(&config->strict, FORM_STORED, out);
    encode_section("payload", &config_payload_table, config, FORM_STORED, out);
    config_shard_keys_write(config, out);
    config_write_fields(config, out);
    if (config->metadata.size > 0) {
        config_add_key(out, "metadata");
        buffer_add(out, config->metadata.data, config->metadata.size);
    }
    buffer_add_byte(out, '}');
}
