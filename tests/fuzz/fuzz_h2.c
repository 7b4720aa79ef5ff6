/* Bytes from a connection to the gRPC port, or of REST over HTTP/2: frames, headers, messages. Whatever they are, calls that
 * come are answered or gone, and no byte is held at the end. A leading byte above 127 puts the client's preface and settings
 * in front; an odd one is REST, and what is brought of a request there must parse as HTTP/1.1 has it, or be refused. */
#include "fuzz/fuzz.h"
#include "protocol/h2.h"
#include "protocol/http1.h"

#define MESSAGE_BYTES_MAX 65536u

static _Atomic size_t held;

static void
on_head(void *context, h2_call *call)
{
    (void)context;
    call->is_stream = call->path.size > 20;
}

static void
on_call(void *context, h2_call *call)
{
    const h2_answer answer = {.message = call->message};

    (void)context;
    if (call->is_stream)
        h2_add_message(call, call->message);
    else
        h2_answer_call(call, &answer);
}

static void
on_end(void *context, h2_call *call)
{
    const h2_answer answer = {.status = H2_UNIMPLEMENTED, .details = slice_of("no \xE2\x82\xAC more")};

    (void)context;
    if (call->work != NULL)
        h2_answer_text(call, slice_of("HTTP/1.1 200 OK\r\n\r\n"), slice_of("x"), false);
    else
        h2_answer_call(call, &answer);
}

static void
on_gone(void *context, h2_call *call)
{
    (void)context;
    (void)call;
}

static void
on_bytes(void *context, h2_call *call, const char *bytes, size_t size)
{
    static const http1_options http = {
        .body_bytes_max = MESSAGE_BYTES_MAX, .held_bytes_max = 4 * MESSAGE_BYTES_MAX, .held_bytes = &held};
    http1_parser  parser;
    http1_request request = {0};
    size_t        used;

    (void)context;
    if (call->work == NULL) { /* the head, whole; what comes later is bytes of a body */
        call->work = call;
        http1_parser_init(&parser, &http);
        /* A head without its end would eat what follows. */
        OCT_MUST(http1_parse(&parser, &request, bytes, size, &used) != HTTP1_MORE);
        http1_parser_clear(&parser);
        http1_request_clear(&request);
    }
    if (size % 3 == 0)
        h2_answer_text(call, slice_of("HTTP/1.1 200 OK\r\na: b\r\n\r\n"), slice_of("body"), size % 2 == 0);
}

static void
on_room(void *context, h2_call *call)
{
    (void)context;
    h2_add_bytes(call, slice_of("more"), false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char     preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0";
    static const h2_hooks hooks = {on_head, on_call, on_end, on_gone, on_bytes, on_room};
    fuzz_input    input = {data, size};
    const uint8_t choice = fuzz_byte(&input);
    const size_t  step = 1 + choice % 128u;
    const h2_options options = {.message_bytes_max = MESSAGE_BYTES_MAX,
                                .held_bytes_max = 4 * MESSAGE_BYTES_MAX,
                                .held_bytes = &held,
                                .is_rest = choice % 2 == 1};
    h2_session   *session = NULL;
    buffer        out = {0};
    bool          is_open = true;

    OCT_MUST(h2_new(&options, &hooks, NULL, &session, NULL) == OCT_OK);
    if (choice > 127)
        is_open = h2_receive(session, preface, sizeof preface); /* the last byte of the stream number is the literal's NUL */
    for (size_t at = 0; at < input.size && is_open; at += step) {
        const size_t count = size_min(step, input.size - at);
        char        *piece = oct_copy_text((const char *)input.data + at, count);

        OCT_MUST(piece != NULL);
        is_open = h2_receive(session, piece, count) && h2_send(session, &out, 4096);
        oct_free(piece);
        out.size = 0;
    }
    h2_drain(session);
    (void)h2_send(session, &out, 65536);
    h2_free(session);
    OCT_MUST(atomic_load(&held) == 0);
    buffer_clear(&out);
    return 0;
}
