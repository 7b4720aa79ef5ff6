/* Sparse vectors in a collection's configuration. They stand among the others, marked by `sparse`: a name is a name. In requests
 * and in what is shown they are a map of their own:
 *     "sparse_vectors": {"name": {"index": {"full_scan_threshold":..,"on_disk":..,"datatype":..,"memory":..},
 *                                 "modifier": "idf"}}
 * stored, the same object is the member "sparse" of the vector's entry. See config.c for the forms.
 *
 * All of it is kept and shown. What counts is the modifier: searches are exact whatever the threshold, weights are 32-bit
 * floats whatever the datatype, and the lists are in memory.
 */
#include <stddef.h>

#include "config/config_internal.h"

static const json_name modifier_names[] = {{"none", OCT_MODIFIER_NONE}, {"idf", OCT_MODIFIER_IDF}};
static const json_name datatype_names[] = {
    {"float32", OCT_FLOAT32}, {"uint8", OCT_UINT8}, {"float16", OCT_FLOAT16}};
static const json_name memory_names[] = {
    {"cold", OCT_MEMORY_COLD}, {"cached", OCT_MEMORY_CACHED}, {"pinned", OCT_MEMORY_PINNED}};

#define UNSET .preset = OCT_UNSET, .preset_double = -1
#define NAME(member, list)                                                                                   \
    .type = FIELD_NAME, .offset = offsetof(oct_sparse_config, member), .names = (list), .name_count = countof(list)

static const config_field index_fields[] = {
    {"full_scan_threshold", NULL, .type = FIELD_UINT, .offset = offsetof(oct_sparse_config, full_scan_threshold),
     .max = ANY_UINT, UNSET},
    {"on_disk", NULL, .type = FIELD_BOOL, .offset = offsetof(oct_sparse_config, on_disk), UNSET},
    {"datatype", NULL, NAME(datatype, datatype_names), UNSET},
    {"memory", NULL, NAME(memory, memory_names), UNSET},
};
static const config_table index_table = {index_fields, countof(index_fields)};

static const config_field own_fields[] = {
    {"modifier", NULL, NAME(modifier, modifier_names), UNSET},
};
static const config_table own_table = {own_fields, countof(own_fields)};

void
oct_sparse_config_init(oct_sparse_config *config)
{
    config_table_init(&index_table, config);
    config_table_init(&own_table, config);
    config->has_index = OCT_UNSET;
}

oct_status
config_sparse_decode(const json_path *at, oct_slice name, yyjson_val *object, json_form form, oct_vector_config *out,
                     oct_error *error)
{
    static const json_field fields[] = {{"index", NULL, false}};
    const json_path         index_at = json_at(at, "index");
    yyjson_val             *index = NULL;
    oct_status              status;

    oct_vector_config_init(out);
    out->name = name;
    out->sparse = 1;
    status = json_fields(at, object, fields, countof(fields), false, &index, error);
    if (status == OCT_OK && index != NULL && yyjson_equals_str(yyjson_obj_get(index, "datatype"), "turbo4"))
        status = json_fail(&index_at, error, OCT_RANGE, "sparse vectors do not support the datatype turbo4");
    if (status == OCT_OK)
        status = config_table_decode(at, &own_table, object, form, &out->sparse_config, error);
    if (status == OCT_OK && index != NULL) {
        out->sparse_config.has_index = 1;
        status = config_table_decode(&index_at, &index_table, index, form, &out->sparse_config, error);
    }
    return status;
}

/* Body of PUT /collections/{c}/vectors/{name}: {modifier, datatype}. */
oct_status
config_sparse_decode_name(const json_path *at, oct_slice name, yyjson_val *object, oct_vector_config *out, oct_error *error)
{
    static const config_field datatype[] = {{"datatype", NULL, NAME(datatype, datatype_names), UNSET}};
    const config_table        table = {datatype, 1};
    oct_status                status = config_sparse_decode(at, name, object, FORM_REQUEST, out, error);

    if (status == OCT_OK && yyjson_equals_str(yyjson_obj_get(object, "datatype"), "turbo4"))
        status = json_fail(at, error, OCT_RANGE, "sparse vectors do not support the datatype turbo4");
    if (status == OCT_OK)
        status = config_table_decode(at, &table, object, FORM_REQUEST, &out->sparse_config, error);
    if (status == OCT_OK && out->sparse_config.datatype != OCT_UNSET)
        out->sparse_config.has_index = 1;
    return status;
}

void
config_sparse_encode(const oct_sparse_config *config, json_form form, buffer *out)
{
    buffer_add_byte(out, '{');
    if (config->has_index == 1) {
        config_add_key(out, "index");
        buffer_add_byte(out, '{');
        config_table_encode(&index_table, config, form, out);
        buffer_add_byte(out, '}');
    }
    config_table_encode(&own_table, config, form, out);
    buffer_add_byte(out, '}');
}

oct_status
config_sparse_check(const json_path *at, const oct_vector_config *vector, oct_error *error)
{
    const json_path index_at = json_at(at, "index");
    oct_status      status;

    if (vector->name.size == 0)
        return oct_fail(error, OCT_INVALID, "Sparse vector name cannot be empty");
    status = config_check_name("vector name", vector->name, OCT_VECTOR_NAME_MAX, error);
    if (status == OCT_OK)
        status = config_table_check(&index_at, &index_table, &vector->sparse_config, error);
    return status == OCT_OK ? config_table_check(at, &own_table, &vector->sparse_config, error) : status;
}

void
config_sparse_merge(oct_sparse_config *config, const oct_sparse_config *changes)
{
    if (changes->has_index == 1)
        config->has_index = 1;
    config_table_merge(&index_table, config, changes);
    config_table_merge(&own_table, config, changes);
}

bool
config_is_idf(const oct_vector_config *vector)
{
    return vector->sparse == 1 && vector->sparse_config.modifier == OCT_MODIFIER_IDF;
}
