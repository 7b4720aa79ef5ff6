/* Bytes from a connection: the HTTP/1.1 parser must read the same whichever way they are cut. */
#include <stdio.h>

#include "fuzz/fuzz.h"
#include "protocol/http1.h"

#define BODY_BYTES_MAX 65536u

static _Atomic size_t      held;
static const http1_options options = {
    .body_bytes_max = BODY_BYTES_MAX, .held_bytes_max = 4 * BODY_BYTES_MAX, .held_bytes = &held, .cors = true};

/* What was read, as text: events, and of each request what the server goes by. */
static buffer
transcript(const uint8_t *data, size_t size, size_t step)
{
    http1_parser  parser;
    http1_request request = {0};
    buffer        out = {0};
    bool          over = false;

    http1_parser_init(&parser, &options);
    for (size_t start = 0; start < size && !over; start += step) {
        const size_t end = size_min(start + step, size);
        size_t       at = start, used;
        http1_event  event;

        do {
            char *piece = oct_copy_text((const char *)data + at, end - at);

            OCT_MUST(piece != NULL);
            event = http1_parse(&parser, &request, piece, end - at, &used);
            OCT_MUST(used <= end - at);
            oct_free(piece);
            at += used;
            if (event == HTTP1_REQUEST) {
                buffer_format(&out, SLICE_FMT " " SLICE_FMT " %zu %d\n", SLICE_ARG(request.method), SLICE_ARG(request.target),
                              request.body.size, request.keep_alive);
                buffer_add(&out, request.body.data, request.body.size);
                over = !request.keep_alive;
                http1_request_reset(&request);
            } else if (event == HTTP1_ERROR) {
                buffer_format(&out, "error %d\n", parser.error_status);
                http1_write_error(&options, parser.error_status, parser.error_text, NULL, &out);
                over = true;
            }
        } while (!over && (event == HTTP1_REQUEST || event == HTTP1_HEAD || at < end));
    }
    http1_parser_clear(&parser);
    http1_request_clear(&request);
    OCT_MUST(atomic_load(&held) == 0);
    return out;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input   input = {data, size};
    const size_t step = 1 + fuzz_byte(&input) % 64u;
    buffer       whole = transcript(input.data, input.size, input.size + 1);
    buffer       pieces = transcript(input.data, input.size, step);

    if (whole.size != pieces.size || (whole.size != 0 && memcmp(whole.data, pieces.data, whole.size) != 0))
        fprintf(stderr, "whole:\n%.*s\nin pieces of %zu:\n%.*s\n", (int)whole.size, whole.data, step, (int)pieces.size, pieces.data);
    OCT_MUST(whole.size == pieces.size && (whole.size == 0 || memcmp(whole.data, pieces.data, whole.size) == 0));
    buffer_clear(&whole);
    buffer_clear(&pieces);
    return 0;
}
