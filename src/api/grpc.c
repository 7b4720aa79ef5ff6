/* One gRPC call: method, handler, response. See grpc.h.
 *
 * STATUS   A failure has one HTTP status, made by api.c; the code of gRPC follows from it (qdrant-api.md 1.3), so that
 *          both doors agree on what kind of failure it was.
 */
#include "api/encode.h"
#include "api/grpc.h"

#include "base/deadline.h"
#include "os/os.h"

typedef struct code_row {
    int http, grpc;
} code_row;

static const code_row codes[] = {
    {400, OCT_GRPC_INVALID_ARGUMENT},   {401, OCT_GRPC_UNAUTHENTICATED},    {403, OCT_GRPC_PERMISSION_DENIED},
    {404, OCT_GRPC_NOT_FOUND},          {405, OCT_GRPC_UNIMPLEMENTED},      {408, OCT_GRPC_DEADLINE_EXCEEDED},
    {409, OCT_GRPC_ALREADY_EXISTS},     {413, OCT_GRPC_RESOURCE_EXHAUSTED}, {422, OCT_GRPC_INVALID_ARGUMENT},
    {429, OCT_GRPC_RESOURCE_EXHAUSTED}, {501, OCT_GRPC_UNIMPLEMENTED},      {503, OCT_GRPC_UNAVAILABLE},
    {507, OCT_GRPC_RESOURCE_EXHAUSTED},
};

static int
code_of(int http_status, oct_status status)
{
    if (status == OCT_LOCKED)
        return OCT_GRPC_FAILED_PRECONDITION;
    for (size_t i = 0; i < countof(codes); i++)
        if (codes[i].http == http_status)
            return codes[i].grpc;
    return OCT_GRPC_INTERNAL;
}

static const grpc_method *
find_method(oct_slice path)
{
    for (const grpc_method *each = grpc_methods; each->path != NULL; each++)
        if (slice_is(path, each->path))
            return each;
    return NULL;
}

static const api_route *
route_of(const grpc_method *method)
{
    for (size_t i = 0; i < api_route_count; i++)
        if (strcmp(api_routes[i].method, method->http_method) == 0 &&
            strcmp(api_routes[i].pattern, method->pattern) == 0)
            return &api_routes[i];
    return NULL;
}

bool
oct_grpc_method_route(oct_slice path, const char **method, const char **pattern)
{
    const grpc_method *found = find_method(path);

    *method = found == NULL ? NULL : found->http_method;
    *pattern = found == NULL ? NULL : found->pattern;
    return found != NULL;
}

/* REST takes an empty batch for nothing to do. */
static oct_status
check_batch(api_call *call, const grpc_method *method, oct_error *error)
{
    yyjson_val *root, *list;

    if (strcmp(method->path, "/qdrant.Points/UpdateBatch") != 0)
        return OCT_OK;
    (void)api_body(call, &root, NULL);
    list = yyjson_obj_get(root, "operations");
    return yyjson_arr_size(list) > 0
               ? OCT_OK
               : oct_fail(error, OCT_RANGE, "operations: value [] invalid, must not be empty");
}

/* Field indexes are told their type twice. */
static oct_status
check_index(api_call *call, const grpc_method *method, oct_error *error)
{
    yyjson_val *root;

    if (strcmp(method->path, "/qdrant.Points/CreateFieldIndex") != 0)
        return OCT_OK;
    (void)api_body(call, &root, NULL);
    return yyjson_obj_get(root, "field_schema") != NULL
               ? OCT_OK
               : oct_fail(error, OCT_INVALID, "cannot convert field_type");
}

static oct_status
run(api_call *call, const grpc_method *method, oct_slice message, oct_error *error)
{
    oct_status status;

    call->route = route_of(method);
    if (call->route == NULL)
        return oct_fail(error, OCT_UNSUPPORTED, "%s is not supported yet", method->path);
    call->is_grpc = true;
    status = grpc_decode(call, method->request, message, error);
    if (status == OCT_OK)
        status = check_batch(call, method, error);
    if (status == OCT_OK)
        status = check_index(call, method, error);
    return status == OCT_OK ? call->route->handle(call, error) : status;
}

/* The fields of the response, from what the handler wrote. */
static oct_status
write_result(const api_call *call, const grpc_method *method, buffer *out, oct_error *error)
{
    json_document document = {0};
    oct_status    status = OCT_OK;

    if (strcmp(method->result, "-") == 0)
        return OCT_OK;
    if (strcmp(method->result, "serving") == 0) { /* grpc.health.v1 */
        wire_add_tag(out, 1, WIRE_VARINT);
        wire_add_varint(out, 1);
        return OCT_OK;
    }
    status = json_parse((oct_slice){call->out.data, call->out.size}, &document, error);
    if (status == OCT_OK && strcmp(method->result, ".") == 0)
        grpc_encode(out, method->response, document.root);
    else if (status == OCT_OK)
        grpc_encode_field(out, method->response, method->result, document.root);
    json_document_clear(&document);
    return status;
}

static void
write_time(const grpc_method *method, uint64_t nanoseconds, buffer *out)
{
    const double seconds = (double)nanoseconds / 1e9;

    for (size_t i = 0; i < method->response->count; i++)
        if (strcmp(method->response->fields[i].name, "time") == 0)
            wire_add_fixed64(out, method->response->fields[i].number, &seconds);
}

void
oct_grpc_call(oct_database *database, const oct_grpc_request *request, oct_grpc_response *response)
{
    const uint64_t     start = api_clock_ns();
    const grpc_method *method = find_method(request->path);
    api_call           call = {.database = database};
    buffer             out = {0}, text = {0}, floats = {0};
    oct_error          error = {OCT_OK, ""};
    oct_status         status = OCT_OK;
    uint64_t           nanoseconds;

    *response = (oct_grpc_response){.status = OCT_GRPC_OK};
    if (method == NULL) {
        response->status = OCT_GRPC_UNIMPLEMENTED;
        buffer_format(&text, "there is no method " SLICE_FMT, (int)size_min(request->path.size, 200),
                      request->path.data);
    } else {
        encode_floats_aside(&floats);
        status = run(&call, method, request->message, &error);
        if (status == OCT_OK && call.out.failed)
            status = oct_fail_memory(&error, call.out.capacity);
        if (status == OCT_OK)
            status = write_result(&call, method, &out, &error);
        encode_floats_aside(NULL);
        if (call.is_limited)
            oct_time_limit(0);
        nanoseconds = api_clock_ns() - start;
        watch_request(&call, status, nanoseconds);
        if (status == OCT_OK)
            write_time(method, nanoseconds, &out);
        if (status == OCT_OK && out.failed)
            status = oct_fail_memory(&error, out.capacity);
        if (status != OCT_OK) {
            error.status = status;
            response->status = code_of(api_http_status(&call, status), status);
            response->retry_after = api_retry_after(&error);
            response->is_out_of_space = status == OCT_FULL;
            api_error_text(&call, &error, &text);
        }
    }
    if (method != NULL && !(status == OCT_TIMEOUT && deadline_is_put_off()))
        stats_count(STATS_GRPC, (size_t)(method - grpc_methods), response->status, api_collection_of(&call),
                    api_clock_ns() - start);
    if (response->status == OCT_GRPC_OK) {
        response->message = (oct_slice){out.data, out.size};
        response->reserved = out.data;
        out = (buffer){0};
    } else if (text.failed) {
        response->details = slice_of("Service internal error: out of memory");
    } else {
        response->details = (oct_slice){text.data, text.size};
        response->reserved = text.data;
        text = (buffer){0};
    }
    buffer_clear(&out);
    buffer_clear(&text);
    buffer_clear(&floats);
    buffer_clear(&call.out);
    buffer_clear(&call.tree);
    json_document_clear(&call.document);
    arena_clear(&call.memory);
}

void
oct_grpc_response_clear(oct_grpc_response *response)
{
    if (response == NULL)
        return;
    oct_free(response->reserved);
    *response = (oct_grpc_response){0};
}
