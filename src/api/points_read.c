/* Reads that are no searches. See api.h. */
#include "api/encode.h"

static void
encode_records(buffer *out, const oct_records *records, const api_select *select)
{
    buffer_add_byte(out, '[');
    for (size_t i = 0; i < records->count; i++) {
        if (i > 0)
            buffer_add_byte(out, ',');
        encode_record(out, &records->items[i], select);
    }
    buffer_add_byte(out, ']');
}

oct_status
points_retrieve(api_call *call, oct_error *error)
{
    enum { IDS, WITH_PAYLOAD, WITH_VECTOR, SHARD_KEY };
    static const json_field fields[] = {{"ids", NULL, true},
                                        {"with_payload", NULL, false},
                                        {"with_vector", "with_vectors", false},
                                        {"shard_key", NULL, false}};
    const json_path         ids_at = json_at(NULL, "ids");
    const oct_shard_key    *keys = NULL;
    size_t                  key_count = 0;
    bool                    fallback = false;
    oct_collection         *collection = NULL;
    oct_records            *records = NULL;
    yyjson_val             *body, *values[countof(fields)];
    const oct_id           *ids = NULL;
    size_t                  count = 0;
    api_select              select;
    oct_status              status = api_read_options(call, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = json_fields(NULL, body, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = decode_ids(&ids_at, values[IDS], &call->memory, &ids, &count, error);
    if (status == OCT_OK)
        status = decode_select(NULL, values[WITH_PAYLOAD], values[WITH_VECTOR], false, &call->memory, &select,
                               error);
    if (status == OCT_OK)
        status = decode_shard_keys(NULL, values[SHARD_KEY], &call->memory, &keys, &key_count, &fallback, error);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    if (status == OCT_OK)
        status = api_pick_shard_key(collection, fallback, &keys, &key_count, error);
    if (call->in_shard) {
        keys = &call->shard_key;
        key_count = 1;
    }
    if (status == OCT_OK)
        status = oct_retrieve_of(collection, ids, count, keys, key_count, &select.select, &records, error);
    if (status == OCT_OK)
        encode_records(&call->out, records, &select);
    oct_records_free(records);
    oct_collection_close(collection);
    return status;
}

oct_status
points_get(api_call *call, oct_error *error)
{
    const api_select select = {.select = {.with_payload = true, .with_vector = true}};
    const oct_slice  text = call->params[1];
    oct_collection  *collection = NULL;
    oct_records     *records = NULL;
    oct_id           id;
    oct_status       status = api_read_options(call, error);

    if (status == OCT_OK && !id_from_text(text, &id))
        status = oct_fail(error, OCT_INVALID, "Can not recognize \"" SLICE_FMT "\" as point id",
                          (int)size_min(text.size, 300), text.data);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    if (status == OCT_OK)
        status = oct_retrieve(collection, &id, 1, &select.select, &records, error);
    if (status == OCT_OK && records->count == 0) {
        char shown[ID_TEXT_MAX];

        id_to_text(id, shown);
        status = oct_fail(error, OCT_NOT_FOUND, "Point with id %s does not exists!", shown);
    }
    if (status == OCT_OK)
        encode_record(&call->out, &records->items[0], &select);
    oct_records_free(records);
    oct_collection_close(collection);
    return status;
}

oct_status
points_scroll(api_call *call, oct_error *error)
{
    enum { OFFSET, LIMIT, FILTER, WITH_PAYLOAD, WITH_VECTOR, ORDER_BY, SHARD_KEY };
    static const json_field fields[] = {{"offset", NULL, false},
                                        {"limit", NULL, false},
                                        {"filter", NULL, false},
                                        {"with_payload", NULL, false},
                                        {"with_vector", "with_vectors", false},
                                        {"order_by", NULL, false},
                                        {"shard_key", NULL, false}};
    const json_path         offset_at = json_at(NULL, "offset"), limit_at = json_at(NULL, "limit");
    const json_path         filter_at = json_at(NULL, "filter"), order_at = json_at(NULL, "order_by");
    oct_collection         *collection = NULL;
    oct_records            *records = NULL;
    yyjson_val             *body, *values[countof(fields)];
    const oct_filter       *filter = NULL;
    oct_id                  from = {0};
    uint64_t                limit = 10;
    oct_order_by            order = {{NULL, 0}, false, {NULL, 0}};
    api_select              select;
    oct_status              status = api_read_options(call, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = json_fields(NULL, body, fields, countof(fields), false, values, error);
    if (status == OCT_OK && values[OFFSET] != NULL)
        status = decode_id(&offset_at, values[OFFSET], &from, error);
    if (status == OCT_OK)
        status = json_get_range(&limit_at, values[LIMIT], 1, UINT64_MAX, &limit, error);
    if (status == OCT_OK)
        status = decode_select(NULL, values[WITH_PAYLOAD], values[WITH_VECTOR], true, &call->memory, &select,
                               error);
    if (status == OCT_OK && values[ORDER_BY] != NULL && values[OFFSET] != NULL)
        status = oct_fail(error, OCT_INVALID,
                          "Cannot use an `offset` when using `order_by`. The alternative for paging is to use "
                          "`order_by.start_from` and a filter to exclude the IDs that you've already seen for the "
                          "`order_by.start_from` value");
    if (status == OCT_OK && values[ORDER_BY] != NULL)
        status = decode_order(&order_at, values[ORDER_BY], &call->memory, &order, error);
    if (status == OCT_OK)
        status = decode_filter(&filter_at, values[FILTER], &call->memory, &filter, error);
    if (status == OCT_OK)
        status = decode_shard_filter(NULL, values[SHARD_KEY], &call->memory, &filter, error);
    if (status == OCT_OK && call->in_shard)
        status = filter_of_shard(&call->shard_key, &call->memory, &filter, error);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    /* A page of the most there can be, and the rest on the next: the caller sees next_page_offset. */
    if (status == OCT_OK && values[ORDER_BY] != NULL)
        status = oct_scroll_ordered(collection, filter, &order, size_min(limit, OCT_LIMIT_MAX), &select.select, &records,
                                    error);
    else if (status == OCT_OK)
        status = oct_scroll_where(collection, filter, values[OFFSET] == NULL ? NULL : &from,
                                  size_min(limit, OCT_LIMIT_MAX), &select.select, &records, error);
    if (status == OCT_OK) {
        buffer_add_text(&call->out, "{\"points\":");
        encode_records(&call->out, records, &select);
        buffer_add_text(&call->out, ",\"next_page_offset\":");
        if (records->has_next)
            encode_id(&call->out, records->next);
        else
            buffer_add_text(&call->out, "null");
        buffer_add_byte(&call->out, '}');
    }
    oct_records_free(records);
    oct_collection_close(collection);
    return status;
}

oct_status
points_count(api_call *call, oct_error *error)
{
    enum { FILTER, EXACT, SHARD_KEY };
    static const json_field fields[] = {
        {"filter", NULL, false}, {"exact", NULL, false}, {"shard_key", NULL, false}};
    const json_path   filter_at = json_at(NULL, "filter"), exact_at = json_at(NULL, "exact");
    oct_collection   *collection = NULL;
    yyjson_val       *body, *values[countof(fields)];
    const oct_filter *filter = NULL;
    uint64_t          count = 0;
    bool              exact = true;
    oct_status        status = api_read_options(call, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = json_fields(NULL, body, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = json_get_bool(&exact_at, values[EXACT], &exact, error);
    if (status == OCT_OK)
        status = decode_filter(&filter_at, values[FILTER], &call->memory, &filter, error);
    if (status == OCT_OK)
        status = decode_shard_filter(NULL, values[SHARD_KEY], &call->memory, &filter, error);
    if (status == OCT_OK && call->in_shard)
        status = filter_of_shard(&call->shard_key, &call->memory, &filter, error);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    if (status == OCT_OK)
        status = exact ? oct_count_where(collection, filter, &count, error)
                       : oct_count_estimate(collection, filter, &count, error);
    buffer_add_text(&call->out, "{\"count\":");
    json_add_u64(&call->out, count);
    buffer_add_byte(&call->out, '}');
    oct_collection_close(collection);
    return status;
}
