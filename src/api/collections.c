/* Collections: create, change, show, list, delete. See api.h. */
#include "api/encode.h"
#include "config/config.h"

oct_status
collections_list(api_call *call, oct_error *error)
{
    oct_names       *names = NULL;
    const oct_status status = oct_collection_list(call->database, &names, error);

    if (status != OCT_OK)
        return status;
    buffer_add_text(&call->out, "{\"collections\":[");
    for (size_t i = 0; i < names->count; i++) {
        buffer_add_text(&call->out, i == 0 ? "{\"name\":" : ",{\"name\":");
        json_add_text(&call->out, names->items[i]);
        buffer_add_byte(&call->out, '}');
    }
    buffer_add_text(&call->out, "]}");
    oct_names_free(names);
    return OCT_OK;
}

static void
encode_info(buffer *out, const oct_collection_info *info)
{
    /* Never yellow: what has not joined the graph is scanned exactly, so there is nothing to wait for. */
    if (info->damage != NULL) {
        buffer_add_text(out, "{\"status\":\"red\",\"optimizer_status\":{\"error\":");
        json_add_text(out, slice_of(info->damage));
        buffer_add_byte(out, '}');
    } else if (info->stopped)
        buffer_add_text(
            out, "{\"status\":\"red\",\"optimizer_status\":{\"error\":\"writing stopped after a failed "
                 "sync; reopen the database\"}");
    else
        buffer_add_text(out, "{\"status\":\"green\",\"optimizer_status\":\"ok\"");
    buffer_add_text(out, ",\"indexed_vectors_count\":");
    json_add_u64(out, info->indexed_vectors_count);
    buffer_add_text(out, ",\"points_count\":");
    json_add_u64(out, info->points_count);
    buffer_add_text(out, ",\"segments_count\":");
    json_add_u64(out, info->segments_count);
    buffer_add_text(out, ",\"config\":");
    config_encode(&info->config, out);
    buffer_add_text(out, ",\"payload_schema\":{");
    for (size_t i = 0; i < info->config.field_index_count; i++) {
        if (i > 0)
            buffer_add_byte(out, ',');
        json_add_text(out, info->config.field_indexes[i].field);
        buffer_add_byte(out, ':');
        config_encode_field(&info->config.field_indexes[i], info->field_points[i], out);
    }
    buffer_add_text(out, "},\"update_queue\":{\"length\":0}}");
}

oct_status
collections_describe(api_call *call, oct_error *error)
{
    oct_collection      *collection = NULL;
    oct_collection_info *info = NULL;
    oct_status           status = api_open(call, &collection, error);

    if (status == OCT_OK)
        status = oct_collection_describe(collection, &info, error);
    else if (status == OCT_CORRUPT) /* it can say what is wrong with it */
        status = oct_collection_inspect(call->database, call->params[0], &info, error);
    if (status == OCT_OK)
        encode_info(&call->out, info);
    oct_collection_info_free(info);
    oct_collection_close(collection);
    return status;
}

/* A new name is held to stricter rules than one that exists (qdrant-api.md 3.15). */
static oct_status
check_new_name(api_call *call, oct_error *error)
{
    const oct_slice name = call->params[0];
    const json_path at = json_at(NULL, "name");
    oct_status      status;

    call->place = API_IN_PATH;
    if (name.size < 1 || name.size > OCT_COLLECTION_NAME_MAX)
        return json_fail_length(&at, name, 1, OCT_COLLECTION_NAME_MAX, error);
    status = config_check_name("collection name", name, OCT_COLLECTION_NAME_MAX, error);
    if (status == OCT_OK)
        call->place = API_IN_BODY;
    return status;
}

oct_status
collections_create(api_call *call, oct_error *error)
{
    oct_collection_config config;
    yyjson_val           *body;
    oct_status            status = api_meta_options(call, error);

    if (status == OCT_OK)
        status = check_new_name(call, error);
    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = config_decode_create(body, &call->memory, &config, error);
    if (status == OCT_OK)
        status = oct_collection_create(call->database, call->params[0], &config, error);
    encode_bool(&call->out, true);
    return status;
}

oct_status
collections_update(api_call *call, oct_error *error)
{
    oct_collection_config changes;
    oct_collection       *collection = NULL;
    yyjson_val           *body;
    oct_status            status = api_meta_options(call, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = config_decode_update(body, &call->memory, &changes, error);
    if (status == OCT_OK)
        status = api_open(call, &collection, error); /* for its text when there is none */
    oct_collection_close(collection);
    if (status == OCT_OK)
        status = oct_collection_update(call->database, call->params[0], &changes, error);
    encode_bool(&call->out, true);
    return status;
}

oct_status
collections_delete(api_call *call, oct_error *error)
{
    bool       existed = false;
    oct_status status = api_meta_options(call, error);

    if (status == OCT_OK)
        status = oct_collection_delete(call->database, call->params[0], &existed, error);
    encode_bool(&call->out, existed);
    return status;
}

/* What both answer: an UpdateResult, whose operation number is the collection's. */
static oct_status
finish_vector_name(api_call *call, oct_collection *collection, const oct_write_options *options,
                   oct_error *error)
{
    oct_collection_info *info = NULL;
    oct_write_result     result = {0};
    const oct_status     status = oct_collection_describe(collection, &info, error);

    if (status == OCT_OK)
        result = (oct_write_result){info->version,
                                    options->wait ? OCT_WRITE_COMPLETED : OCT_WRITE_ACKNOWLEDGED};
    encode_write_result(&call->out, &result);
    oct_collection_info_free(info);
    return status;
}

oct_status
collections_add_vector(api_call *call, oct_error *error)
{
    oct_collection       *collection = NULL;
    oct_collection_config additions;
    oct_write_options     options;
    yyjson_val           *body;
    oct_status            status = api_write_options(call, &options, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = config_decode_vector_name(call->params[1], body, &call->memory, &additions, error);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    if (status == OCT_OK)
        status = oct_collection_add_vectors(call->database, call->params[0], &additions, error);
    if (status == OCT_OK)
        status = finish_vector_name(call, collection, &options, error);
    oct_collection_close(collection);
    return status;
}

oct_status
collections_remove_vector(api_call *call, oct_error *error)
{
    oct_collection   *collection = NULL;
    oct_write_options options;
    oct_status        status = api_write_options(call, &options, error);

    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    if (status == OCT_OK)
        status =
            oct_collection_remove_vector(call->database, call->params[0], call->params[1], error);
    if (status == OCT_OK)
        status = finish_vector_name(call, collection, &options, error);
    oct_collection_close(collection);
    return status;
}

oct_status
collections_exists(api_call *call, oct_error *error)
{
    oct_collection *collection = NULL;
    oct_status      status = api_open(call, &collection, error);
    const bool      exists = status == OCT_OK || status == OCT_CORRUPT;

    if (status == OCT_NOT_FOUND || status == OCT_CORRUPT)
        status = OCT_OK;
    buffer_add_text(&call->out, "{\"exists\":");
    encode_bool(&call->out, exists);
    buffer_add_byte(&call->out, '}');
    oct_collection_close(collection);
    return status;
}

/* Nothing is ever queued: the graph takes vectors in while they are searched. */
oct_status
collections_optimizations(api_call *call, oct_error *error)
{
    static const char *const keys[] = {"queued", "completed", "idle_segments"};
    const oct_slice         *with = api_option_get(call, "with");
    oct_slice                rest = with == NULL ? (oct_slice){"", 0} : *with;
    bool                     shown[countof(keys)] = {false};
    oct_collection          *collection = NULL;
    uint64_t                 completed_limit;
    oct_status               status = api_option_u64(call, "completed_limit", 0, &completed_limit, error);

    while (status == OCT_OK && rest.size > 0) {
        const char *comma = memchr(rest.data, ',', rest.size);
        oct_slice   word = {rest.data, comma == NULL ? rest.size : (size_t)(comma - rest.data)};
        size_t      i = 0;

        rest.data += word.size + (comma != NULL);
        rest.size -= word.size + (comma != NULL);
        for (; word.size > 0 && word.data[0] == ' '; word.size--)
            word.data++;
        while (word.size > 0 && word.data[word.size - 1] == ' ')
            word.size--;
        while (i < countof(keys) && !slice_is(word, keys[i]))
            i++;
        if (i < countof(keys)) {
            shown[i] = true;
        } else if (word.size > 0) {
            call->place = API_IN_QUERY;
            status = oct_fail(error, OCT_FORMAT, "Unknown field in 'with' parameter: " SLICE_FMT,
                              (int)size_min(word.size, 64), word.data);
        }
    }
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    buffer_add_text(&call->out,
                    "{\"summary\":{\"queued_optimizations\":0,\"queued_segments\":0,\"queued_points\":0,"
                    "\"idle_segments\":0},\"running\":[]");
    for (size_t i = 0; i < countof(keys); i++)
        if (shown[i]) {
            buffer_add_text(&call->out, ",\"");
            buffer_add_text(&call->out, keys[i]);
            buffer_add_text(&call->out, "\":[]");
        }
    buffer_add_byte(&call->out, '}');
    oct_collection_close(collection);
    return status;
}

/* --- memory, log -------------------------------------------------------------------------------- */

static void
add_usage(buffer *out, const char *before, uint64_t disk, uint64_t ram)
{
    buffer_add_text(out, before);
    buffer_add_text(out, "{\"disk_bytes\":");
    json_add_u64(out, disk);
    buffer_add_text(out, ",\"ram_bytes\":");
    json_add_u64(out, ram);
    buffer_add_text(out, ",\"cached_bytes\":0,\"expected_cache_bytes\":0}");
}

#define SPARSE_SHARE 256 /* components that a sparse vector is taken for: an index and a weight for each of some 128 entries */

static int64_t
share_of(const oct_vector_config *vector)
{
    return vector->sparse == 1 ? SPARSE_SHARE : vector->size;
}

/* Those that are sparse, or those that are not. */
static void
add_vector_usages(buffer *out, const oct_collection_info *info, bool sparse, uint64_t index, uint64_t dims)
{
    bool any = false;

    for (size_t i = 0; i < info->config.vector_count; i++) {
        const oct_vector_config *vector = &info->config.vectors[i];
        const double             share = dims == 0 ? 0 : (double)share_of(vector) / (double)dims;

        if ((vector->sparse == 1) != sparse)
            continue;
        buffer_add_text(out, any ? ",{\"name\":" : "{\"name\":");
        any = true;
        json_add_text(out, vector->name);
        add_usage(out, ",\"storage\":", 0, (uint64_t)((double)info->vector_bytes * share));
        add_usage(out, ",\"index\":", 0, (uint64_t)((double)index * share));
        buffer_add_byte(out, '}');
    }
}

/* Bytes of each vector name are its share of all vectors', by dimension: names have the rows of the same points. */
oct_status
collections_memory(api_call *call, oct_error *error)
{
    oct_collection      *collection = NULL;
    oct_collection_info *info = NULL;
    oct_status           status = api_open(call, &collection, error);
    uint64_t             dims = 0, index;

    if (status == OCT_OK)
        status = oct_collection_describe(collection, &info, error);
    if (status == OCT_OK) {
        uint64_t other = info->vector_bytes + info->payload_bytes;

        for (size_t i = 0; i < info->config.field_index_count; i++)
            other += info->field_bytes[i];
        index = info->ram_bytes - (other < info->ram_bytes ? other : info->ram_bytes);
        for (size_t i = 0; i < info->config.vector_count; i++)
            dims += (uint64_t)share_of(&info->config.vectors[i]);
        add_usage(&call->out, "{\"total\":", info->disk_bytes, info->ram_bytes);
        buffer_add_text(&call->out, ",\"vectors\":[");
        add_vector_usages(&call->out, info, false, index, dims);
        buffer_add_text(&call->out, "],\"sparse_vectors\":[");
        add_vector_usages(&call->out, info, true, index, dims);
        buffer_add_byte(&call->out, ']');
        add_usage(&call->out, ",\"payload\":", 0, info->payload_bytes);
        buffer_add_text(&call->out, ",\"payload_index\":[");
        for (size_t i = 0; i < info->config.field_index_count; i++) {
            buffer_add_text(&call->out, i > 0 ? ",{\"name\":" : "{\"name\":");
            json_add_text(&call->out, info->config.field_indexes[i].field);
            add_usage(&call->out, ",\"usage\":", 0, info->field_bytes[i]);
            buffer_add_byte(&call->out, '}');
        }
        buffer_add_byte(&call->out, ']');
        add_usage(&call->out, ",\"other\":{\"id_tracker\":", 0, dims == 0 ? index : 0);
        buffer_add_text(&call->out, "}}");
    }
    oct_collection_info_free(info);
    oct_collection_close(collection);
    return status;
}

/* What is in the log is applied before it is acknowledged: there is nothing to truncate. */
oct_status
collections_truncate_log(api_call *call, oct_error *error)
{
    oct_collection *collection = NULL;
    bool            wait = true;
    oct_status      status = api_option_bool(call, "wait", &wait, error);

    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    encode_bool(&call->out, true);
    oct_collection_close(collection);
    return status;
}
