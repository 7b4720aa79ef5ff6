/* Writes. Each decodes into an api_write, which one function applies. See api.h. */
#include "api/encode.h"

static oct_status
apply(oct_collection *collection, const api_write *write, const oct_write_options *given,
      oct_write_result *result, oct_error *error)
{
    const oct_update_rule rule = {write->mode, write->filter};
    const oct_targets     targets = {write->ids, write->id_count, write->filter};
    oct_write_options     keyed = *given;
    const oct_write_options *options = &keyed;
    oct_status            status;

    keyed.shard_keys = write->shard_keys;
    keyed.shard_key_count = write->shard_key_count;
    status = api_pick_shard_key(collection, write->shard_fallback, &keyed.shard_keys, &keyed.shard_key_count, error);
    if (status != OCT_OK)
        return status;
    switch (write->kind) {
    case API_UPSERT:
        return oct_upsert_where(collection, write->points, write->point_count, &rule, options, result, error);
    case API_DELETE:
        return oct_delete_where(collection, &targets, options, result, error);
    case API_UPDATE_VECTORS:
        return oct_update_vectors_where(collection, write->points, write->point_count, write->filter, options,
                                        result, error);
    case API_DELETE_VECTORS:
        return oct_delete_vectors_where(collection, &targets, write->names, write->name_count, options,
                                        result, error);
    case API_SET_PAYLOAD:
    case API_OVERWRITE_PAYLOAD:
    case API_DELETE_PAYLOAD:
    case API_CLEAR_PAYLOAD:
        return oct_change_payload_where(collection, &targets, &write->change, options, result, error);
    }
    return oct_fail(error, OCT_INTERNAL, "no such kind of write: %d", (int)write->kind);
}

static oct_status
one_write(api_call *call, api_write_kind kind, oct_error *error)
{
    oct_collection   *collection = NULL;
    oct_write_options options;
    oct_write_result  result = {0};
    api_write         write;
    yyjson_val       *body;
    oct_status        status = api_write_options(call, &options, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = decode_write(NULL, kind, body, &call->memory, &write, error);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    if (status == OCT_OK)
        status = apply(collection, &write, &options, &result, error);
    encode_write_result(&call->out, &result);
    oct_collection_close(collection);
    return status;
}

oct_status
points_upsert(api_call *call, oct_error *error)
{
    return one_write(call, API_UPSERT, error);
}

oct_status
points_delete(api_call *call, oct_error *error)
{
    return one_write(call, API_DELETE, error);
}

oct_status
points_update_vectors(api_call *call, oct_error *error)
{
    return one_write(call, API_UPDATE_VECTORS, error);
}

oct_status
points_delete_vectors(api_call *call, oct_error *error)
{
    return one_write(call, API_DELETE_VECTORS, error);
}

oct_status
points_set_payload(api_call *call, oct_error *error)
{
    return one_write(call, API_SET_PAYLOAD, error);
}

oct_status
points_overwrite_payload(api_call *call, oct_error *error)
{
    return one_write(call, API_OVERWRITE_PAYLOAD, error);
}

oct_status
points_delete_payload(api_call *call, oct_error *error)
{
    return one_write(call, API_DELETE_PAYLOAD, error);
}

oct_status
points_clear_payload(api_call *call, oct_error *error)
{
    return one_write(call, API_CLEAR_PAYLOAD, error);
}

/* As octant.h has it. */
static oct_status
to_write(oct_collection *collection, const api_write *from, oct_write *out, oct_error *error)
{
    static const oct_write_kind kinds[] = {[API_UPSERT] = OCT_WRITE_UPSERT,
                                           [API_DELETE] = OCT_WRITE_DELETE,
                                           [API_UPDATE_VECTORS] = OCT_WRITE_VECTORS,
                                           [API_DELETE_VECTORS] = OCT_WRITE_DELETE_VECTORS,
                                           [API_SET_PAYLOAD] = OCT_WRITE_PAYLOAD,
                                           [API_OVERWRITE_PAYLOAD] = OCT_WRITE_PAYLOAD,
                                           [API_DELETE_PAYLOAD] = OCT_WRITE_PAYLOAD,
                                           [API_CLEAR_PAYLOAD] = OCT_WRITE_PAYLOAD};

    *out = (oct_write){.kind = kinds[from->kind],
                       .points = from->points,
                       .point_count = from->point_count,
                       .mode = from->mode,
                       .filter = from->filter,
                       .targets = {from->ids, from->id_count, from->filter},
                       .names = from->names,
                       .name_count = from->name_count,
                       .change = from->change,
                       .shard_keys = from->shard_keys,
                       .shard_key_count = from->shard_key_count};
    return api_pick_shard_key(collection, from->shard_fallback, &out->shard_keys, &out->shard_key_count, error);
}

/* All operations or none. Each gets an answer; they are one operation to the engine, and have its number. */
oct_status
points_batch(api_call *call, oct_error *error)
{
    oct_collection   *collection = NULL;
    oct_write_options options;
    oct_write_result  result = {0};
    api_write        *writes = NULL;
    oct_write        *typed = NULL;
    yyjson_val       *body;
    size_t            count = 0;
    oct_status        status = api_write_options(call, &options, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = decode_writes(body, &call->memory, &writes, &count, error);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    if (status == OCT_OK) {
        typed = arena_array(&call->memory, count + 1, sizeof *typed);
        if (typed == NULL)
            status = oct_fail_memory(error, count * sizeof *typed);
    }
    for (size_t i = 0; i < count && status == OCT_OK; i++)
        status = to_write(collection, &writes[i], &typed[i], error);
    if (status == OCT_OK && count > 0)
        status = oct_write_batch(collection, typed, count, &options, &result, error);
    buffer_add_byte(&call->out, '[');
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        if (i > 0)
            buffer_add_byte(&call->out, ',');
        encode_write_result(&call->out, &result);
    }
    buffer_add_byte(&call->out, ']');
    oct_collection_close(collection);
    return status;
}
