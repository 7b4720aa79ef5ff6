/* One request: route, handler, envelope. See api.h.
 *
 * ENVELOPE  {"result":R,"status":"ok","time":T}, written as it grows: the handler appends R after a fixed head,
 *           and a failure starts the buffer again. T is in seconds.
 */
#include "api/api.h"

#include "base/deadline.h"
#include "config/config.h"
#include "os/os.h"

#define RETRY_SECONDS 1u /* what a busy engine asks for: its queues drain in much less */

typedef struct status_row {
    oct_status  status;
    int         http;
    const char *prefix;
} status_row;

/* qdrant-api.md 1.3. OCT_FORMAT and OCT_RANGE depend on the place: see error_text. */
static const status_row status_table[] = {
    {OCT_NOMEM, 500, "Service internal error: "},
    {OCT_INVALID, 400, "Wrong input: "},
    {OCT_DIM, 400, "Wrong input: "},
    {OCT_IO, 500, "Service internal error: "},
    {OCT_CORRUPT, 500, "Service internal error: "},
    {OCT_STOPPED, 500, "Service internal error: "},
    {OCT_NOT_FOUND, 404, "Not found: "},
    {OCT_EXISTS, 409, "Wrong input: "},
    {OCT_FULL, 507, "Insufficient storage: "},
    {OCT_LOCKED, 403, "Storage locked: "},
    {OCT_TIMEOUT, 408, "Timeout: "},
    {OCT_UNSUPPORTED, 501, "Not implemented: "},
    {OCT_BAD_REQUEST, 400, "Bad request: "},
    {OCT_FORBIDDEN, 403, "Forbidden: "},
    {OCT_FORMAT, 400, "Format error in JSON body: "},
    {OCT_RANGE, 422, "Validation error in JSON body: ["},
    {OCT_BUSY, 429, "Rate limiting exceeded: "},
    {OCT_MODEL, 400, ""}, /* the bare text */
    {OCT_INTERNAL, 500, "Service internal error: "}, /* the last: of what is not listed */
};

static const char *const format_prefixes[] = {
    [API_IN_BODY] = "Format error in JSON body: ",
    [API_IN_QUERY] = "Deserialize error in query parameters: ",
    [API_IN_PATH] = "Deserialize error in path parameters: ",
};
static const char *const range_prefixes[] = {
    [API_IN_BODY] = "Validation error in JSON body: [",
    [API_IN_QUERY] = "Validation error in query parameters: [",
    [API_IN_PATH] = "Validation error in path parameters: [",
};

static const char no_memory_body[] =
    "{\"status\":{\"error\":\"Service internal error: out of memory\"},\"time\":0.0}";

static const status_row *
row_of(oct_status status)
{
    for (size_t i = 0; i < countof(status_table); i++)
        if (status_table[i].status == status)
            return &status_table[i];
    return &status_table[countof(status_table) - 1];
}

uint64_t
api_clock_ns(void)
{
    return os_clock_ns(os_posix());
}

/* Seconds with nine digits after the point; no printf on the path of every answer. */
static void
add_seconds(buffer *out, uint64_t nanoseconds)
{
    char digits[10];

    json_add_u64(out, nanoseconds / 1000000000u);
    nanoseconds %= 1000000000u;
    digits[0] = '.';
    for (size_t i = 9; i > 0; i--) {
        digits[i] = (char)('0' + nanoseconds % 10);
        nanoseconds /= 10;
    }
    buffer_add(out, digits, sizeof digits);
}

/* --- helpers of handlers ---------------------------------------------------------------------- */

oct_status
api_body(api_call *call, yyjson_val **root, oct_error *error)
{
    oct_status status = OCT_OK;

    if (call->tree.size > 0) {
        *root = (yyjson_val *)(void *)call->tree.data;
        return OCT_OK;
    }
    if (call->document.doc == NULL)
        status = json_parse(call->body, &call->document, error);
    *root = call->document.root;
    return status;
}

oct_status
api_unsupported(const json_path *at, const char *feature, oct_error *error)
{
    return json_fail(at, error, OCT_UNSUPPORTED, "%s is not supported yet", feature);
}

oct_status
api_refuse(const json_path *at, yyjson_val *value, const char *feature, oct_error *error)
{
    return value == NULL ? OCT_OK : api_unsupported(at, feature, error);
}

oct_status
api_not_yet(api_call *call, oct_error *error)
{
    return api_unsupported(NULL, call->route->feature, error);
}

oct_status
api_one_node_only(api_call *call, oct_error *error)
{
    call->http_status = 405;
    return oct_fail(error, OCT_UNSUPPORTED, "Qdrant is running in standalone mode");
}

oct_status
api_open_named(api_call *call, oct_slice name, oct_collection **out, oct_error *error)
{
    const oct_status status = oct_collection_open(call->database, name, out, error);

    if (status == OCT_NOT_FOUND)
        return oct_fail(error, status, "Collection `" SLICE_FMT "` doesn't exist!", SLICE_ARG(name));
    return status;
}

oct_slice
api_collection_of(const api_call *call)
{
    static const char start[] = "/collections/{collection_name}";

    return call->route != NULL && strncmp(call->route->pattern, start, sizeof start - 1) == 0 ? call->params[0]
                                                                                              : (oct_slice){NULL, 0};
}

oct_status
api_open(api_call *call, oct_collection **out, oct_error *error)
{
    const oct_slice name = call->params[0];
    const json_path at = json_at(NULL, "name");

    *out = NULL;
    if (name.size < 1 || name.size > OCT_COLLECTION_NAME_MAX) {
        call->place = API_IN_PATH;
        return json_fail_length(&at, name, 1, OCT_COLLECTION_NAME_MAX, error);
    }
    return api_open_named(call, name, out, error);
}

oct_status
api_pick_shard_key(oct_collection *collection, bool fallback, const oct_shard_key **keys, size_t *count,
                   oct_error *error)
{
    oct_collection_info *info = NULL;
    oct_status           status;

    if (!fallback || *count < 2)
        return OCT_OK;
    status = oct_collection_describe(collection, &info, error);
    if (status == OCT_OK) {
        if (config_find_shard_key(&info->config, &(*keys)[0]) == NULL)
            (*keys)++;
        *count = 1;
    }
    oct_collection_info_free(info);
    return status;
}

/* --- the answer ------------------------------------------------------------------------------- */

int
api_http_status(const api_call *call, oct_status status)
{
    return call->http_status != 0 ? call->http_status : row_of(status)->http;
}

/* What the text says ("Retry after 60s"), if it does. */
static uint32_t
retry_seconds(const oct_error *error)
{
    const char *at = strstr(error->text, "Retry after ");
    uint32_t    seconds = 0;

    for (at = at == NULL ? "" : at + strlen("Retry after "); *at >= '0' && *at <= '9' && seconds < UINT32_MAX / 100; at++)
        seconds = seconds * 10 + (uint32_t)(*at - '0');
    return seconds == 0 ? RETRY_SECONDS : seconds;
}

/* A request beyond all that a limit ever grants never succeeds: a client that waits would wait for ever. */
uint32_t
api_retry_after(const oct_error *error)
{
    return error->status == OCT_BUSY && strstr(error->text, "request larger than") == NULL ? retry_seconds(error) : 0;
}

/* Messages of gRPC have no parts to tell apart, and its parser has no JSON to speak of. */
void
api_error_text(const api_call *call, const oct_error *error, buffer *out)
{
    const char *prefix = row_of(error->status)->prefix, *suffix = "";

    if (error->status == OCT_FORMAT)
        prefix = call->is_grpc ? "" : format_prefixes[call->place];
    if (error->status == OCT_RANGE) {
        prefix = call->is_grpc ? "Validation error in body: [" : range_prefixes[call->place];
        suffix = "]";
    }
    if (call->http_status != 0)
        prefix = suffix = "";
    buffer_add_text(out, prefix);
    buffer_add_text(out, error->text);
    buffer_add_text(out, suffix);
}

static void
write_error(api_call *call, const oct_error *error, uint64_t nanoseconds)
{
    buffer text = {0};

    api_error_text(call, error, &text);

    call->out.size = 0;
    buffer_add_text(&call->out, "{\"status\":{\"error\":");
    json_add_text(&call->out, (oct_slice){text.data, text.size});
    buffer_add_text(&call->out, "},\"time\":");
    add_seconds(&call->out, nanoseconds);
    buffer_add_byte(&call->out, '}');
    if (text.failed)
        call->out.failed = true;
    buffer_clear(&text);
}

static oct_status
run(api_call *call, const oct_api_request *request, oct_error *error)
{
    oct_status status;

    if (request->body.size > OCT_API_BODY_MAX) {
        call->http_status = 413;
        return oct_fail(error, OCT_BAD_REQUEST,
                        "Payload too large: the body has %zu bytes, at most %u are allowed",
                        request->body.size, OCT_API_BODY_MAX);
    }
    status = api_find_route(call, request->method, request->target, error);
    if (status != OCT_OK)
        return status;
    buffer_add_text(&call->out, "{\"result\":");
    return call->route->handle(call, error);
}

void
oct_api_call(oct_database *database, const oct_api_request *request, oct_api_response *response)
{
    const uint64_t start = api_clock_ns();
    api_call       call = {.database = database, .body = request->body, .content_type = "application/json",
                           .upload = request->upload};
    oct_error      error = {OCT_OK, ""};
    oct_status     status = run(&call, request, &error);
    uint64_t       nanoseconds;

    if (status == OCT_OK && call.out.failed)
        status = oct_fail_memory(&error, call.out.capacity);
    if (call.is_limited)
        oct_time_limit(0);
    nanoseconds = api_clock_ns() - start;
    *response = (oct_api_response){.status = 200};
    if (status == OCT_OK && call.is_accepted) {
        response->status = 202;
        call.out.size = 0;
        buffer_add_text(&call.out, "{\"status\":\"accepted\",\"time\":");
        add_seconds(&call.out, nanoseconds);
        buffer_add_byte(&call.out, '}');
    } else if (status == OCT_OK && !call.plain) {
        buffer_add_text(&call.out, ",\"status\":\"ok\",\"time\":");
        add_seconds(&call.out, nanoseconds);
        buffer_add_byte(&call.out, '}');
    } else if (status != OCT_OK) {
        call.content_type = "application/json";
        call.out.failed = false; /* a failed append says nothing about the room for a short error */
        error.status = status;
        write_error(&call, &error, nanoseconds);
        response->status = api_http_status(&call, status);
        response->retry_after = api_retry_after(&error);
    }
    watch_request(&call, status, nanoseconds);
    response->content_type = call.content_type;
    buffer_add_byte(&call.out, '\0');
    if (call.out.failed) {
        buffer_clear(&call.out);
        response->status = 500;
        response->content_type = "application/json";
        response->body = (oct_slice){no_memory_body, sizeof no_memory_body - 1};
    } else {
        response->body = (oct_slice){call.out.data, call.out.size - 1};
        response->reserved = call.out.data;
    }
    response->file = status == OCT_OK && response->status == 200 ? call.file : NULL;
    if (response->file == NULL)
        oct_file_close(call.file);
    oct_file_close(call.upload);
    if (call.route != NULL && !(status == OCT_TIMEOUT && deadline_is_put_off())) /* it is counted when it is done */
        stats_count(STATS_REST, (size_t)(call.route - api_routes), response->status, api_collection_of(&call), nanoseconds);
    json_document_clear(&call.document);
    arena_clear(&call.memory);
}

void
oct_api_response_clear(oct_api_response *response)
{
    if (response == NULL)
        return;
    oct_free(response->reserved);
    oct_file_close(response->file);
    *response = (oct_api_response){0};
}
