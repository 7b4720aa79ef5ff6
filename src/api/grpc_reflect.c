/* Server reflection: what services there are, and the files that describe them, for grpcurl and its like. See grpc.h.
 *
 * One request message gives one response message, so a stream of them is answered one by one. Types of files that a
 * file imports are asked for by name, or come along: a client needs all of them before it can use the first.
 */
#include "api/grpc.h"

/* ServerReflectionRequest */
enum { FILE_BY_NAME = 3, FILE_WITH_SYMBOL = 4, EXTENSION = 5, EXTENSION_NUMBERS = 6, LIST_SERVICES = 7 };
/* ServerReflectionResponse */
enum { ORIGINAL_REQUEST = 2, FILE_RESPONSE = 4, LIST_RESPONSE = 6, ERROR_RESPONSE = 7 };

/* As Qdrant advertises them, but for qdrant.StorageRead, which does not exist here. */
static const char *const services[] = {"qdrant.Collections", "qdrant.Points", "qdrant.Snapshots",
                                       "qdrant.Qdrant", "grpc.health.v1.Health"};

static const grpc_file *
file_named(oct_slice name)
{
    for (const grpc_file *each = grpc_files; each->name != NULL; each++)
        if (slice_is(name, each->name))
            return each;
    return NULL;
}

static const grpc_file *
file_with(oct_slice symbol)
{
    for (const grpc_file *each = grpc_files; each->name != NULL; each++)
        for (const char *at = each->symbols; (at = strchr(at, ' ')) != NULL;) {
            const char *end = strchr(++at, ' ');

            if (end != NULL && slice_equal(symbol, (oct_slice){at, (size_t)(end - at)}))
                return each;
        }
    return NULL;
}

static void
add_error(buffer *out, int code, const char *what, oct_slice name)
{
    const size_t at = wire_open(out, ERROR_RESPONSE);
    buffer       text = {0};

    buffer_format(&text, "%s not found: " SLICE_FMT, what, (int)size_min(name.size, 200), name.data);
    wire_add_tag(out, 1, WIRE_VARINT);
    wire_add_varint(out, (uint64_t)code);
    wire_add_bytes(out, 2, text.data, text.size);
    out->failed = out->failed || text.failed;
    buffer_clear(&text);
    wire_close(out, at);
}

/* The file asked for comes first. */
static void
add_files(buffer *out, const grpc_file *first, oct_slice name)
{
    size_t at;

    if (first == NULL) {
        add_error(out, OCT_GRPC_NOT_FOUND, "file or symbol", name);
        return;
    }
    at = wire_open(out, FILE_RESPONSE);
    wire_add_bytes(out, 1, first->data, first->size);
    for (const grpc_file *each = grpc_files; each->name != NULL; each++)
        if (each != first)
            wire_add_bytes(out, 1, each->data, each->size);
    wire_close(out, at);
}

static void
add_services(buffer *out)
{
    const size_t at = wire_open(out, LIST_RESPONSE);

    for (size_t i = 0; i < countof(services); i++) {
        const size_t one = wire_open(out, 1);

        wire_add_bytes(out, 1, services[i], strlen(services[i]));
        wire_close(out, one);
    }
    wire_close(out, at);
}

void
oct_grpc_reflect(oct_slice message, oct_grpc_response *response)
{
    wire      rest = {message.data, message.data + message.size};
    wire_item item, asked = {0};
    buffer    out = {0};
    bool      is_broken = false;

    *response = (oct_grpc_response){.status = OCT_GRPC_OK};
    while (wire_next(&rest, &item, &is_broken))
        if (item.type == WIRE_BYTES && item.number >= FILE_BY_NAME && item.number <= LIST_SERVICES)
            asked = item;
    if (is_broken || asked.number == 0) {
        response->status = OCT_GRPC_INVALID_ARGUMENT;
        response->details = slice_of("the reflection request asks for nothing that is known");
        return;
    }
    wire_add_bytes(&out, ORIGINAL_REQUEST, message.data, message.size);
    switch (asked.number) {
    case LIST_SERVICES:
        add_services(&out);
        break;
    case FILE_BY_NAME:
        add_files(&out, file_named(asked.bytes), asked.bytes);
        break;
    case FILE_WITH_SYMBOL:
        add_files(&out, file_with(asked.bytes), asked.bytes);
        break;
    default:
        add_error(&out, OCT_GRPC_NOT_FOUND, "extension", (oct_slice){"", 0});
        break;
    }
    if (out.failed) {
        buffer_clear(&out);
        response->status = OCT_GRPC_INTERNAL;
        response->details = slice_of("Service internal error: out of memory");
        return;
    }
    response->message = (oct_slice){out.data, out.size};
    response->reserved = out.data;
}
