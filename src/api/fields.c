/* Indexes of payload fields, and what needs them. See api.h. */
#include "api/encode.h"
#include "collection/config.h"

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
