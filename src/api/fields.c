/* Indexes of payload fields, and what needs them. See api.h. */
#include "api/encode.h"
#include "config/config.h"

oct_status
fields_create_index(api_call *call, oct_error *error)
{
    enum { NAME, SCHEMA };
    static const json_field fields[] = {{"field_name", NULL, true}, {"field_schema", "field_type", false}};
    const json_path         name_at = json_at(NULL, "field_name"), schema_at = json_at(NULL, "field_schema");
    oct_write_options       options;
    oct_write_result        result = {0};
    oct_collection         *collection = NULL;
    oct_field_index         index;
    oct_slice               name = {"", 0};
    yyjson_val             *body, *values[countof(fields)];
    oct_status              status = api_write_options(call, &options, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = json_fields(NULL, body, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = json_get_text(&name_at, values[NAME], &name, error);
    if (status == OCT_OK && values[SCHEMA] == NULL)
        status = oct_fail(error, OCT_BAD_REQUEST,
                          "Can't auto-detect field type, please specify `field_schema` in the request");
    if (status == OCT_OK)
        status = config_decode_field(&schema_at, values[SCHEMA], &call->memory, &index, error);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    index.field = name;
    if (status == OCT_OK)
        status = oct_field_index_create(collection, &index, &options, &result, error);
    encode_write_result(&call->out, &result);
    oct_collection_close(collection);
    return status;
}

oct_status
fields_delete_index(api_call *call, oct_error *error)
{
    oct_write_options options;
    oct_write_result  result = {0};
    oct_collection   *collection = NULL;
    oct_status        status = api_write_options(call, &options, error);

    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    if (status == OCT_OK)
        status = oct_field_index_delete(collection, call->params[1], &options, &result, error);
    encode_write_result(&call->out, &result);
    oct_collection_close(collection);
    return status;
}

static void
encode_value(buffer *out, const oct_value *value)
{
    if (value->kind == OCT_VALUE_TEXT)
        json_add_text(out, value->text);
    else if (value->kind == OCT_VALUE_BOOL)
        encode_bool(out, value->boolean);
    else
        buffer_format(out, "%lld", (long long)value->integer);
}

oct_status
fields_facet(api_call *call, oct_error *error)
{
    enum { KEY, LIMIT, FILTER, EXACT, SHARD_KEY };
    static const json_field fields[] = {{"key", NULL, true},
                                        {"limit", NULL, false},
                                        {"filter", NULL, false},
                                        {"exact", NULL, false},
                                        {"shard_key", NULL, false}};
    const json_path         key_at = json_at(NULL, "key"), limit_at = json_at(NULL, "limit");
    const json_path         filter_at = json_at(NULL, "filter"), exact_at = json_at(NULL, "exact");
    oct_facet_request       request = {0};
    oct_collection         *collection = NULL;
    oct_facets             *facets = NULL;
    uint64_t                limit = 10;
    yyjson_val             *body, *values[countof(fields)];
    oct_status              status = api_read_options(call, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = json_fields(NULL, body, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = json_get_text(&key_at, values[KEY], &request.key, error);
    if (status == OCT_OK)
        status = json_get_range(&limit_at, values[LIMIT], 1, UINT64_MAX, &limit, error);
    if (status == OCT_OK)
        status = json_get_bool(&exact_at, values[EXACT], &request.exact, error);
    if (status == OCT_OK)
        status = decode_filter(&filter_at, values[FILTER], &call->memory, &request.filter, error);
    if (status == OCT_OK)
        status = decode_shard_filter(NULL, values[SHARD_KEY], &call->memory, &request.filter, error);
    if (status == OCT_OK && call->in_shard)
        status = filter_of_shard(&call->shard_key, &call->memory, &request.filter, error);
    request.limit = size_min(limit, OCT_LIMIT_MAX);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    if (status == OCT_OK)
        status = oct_facet(collection, &request, &facets, error);
    buffer_add_text(&call->out, "{\"hits\":[");
    for (size_t i = 0; status == OCT_OK && i < facets->count; i++) {
        buffer_add_text(&call->out, i == 0 ? "{\"value\":" : ",{\"value\":");
        encode_value(&call->out, &facets->items[i].value);
        buffer_add_text(&call->out, ",\"count\":");
        json_add_u64(&call->out, facets->items[i].count);
        buffer_add_byte(&call->out, '}');
    }
    buffer_add_text(&call->out, "]}");
    oct_facets_free(facets);
    oct_collection_close(collection);
    return status;
}
