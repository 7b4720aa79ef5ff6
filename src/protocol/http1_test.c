/* HTTP/1.1 from arrays: what is read does not depend on how the bytes were cut, limits hold, and whatever
 * could be read in two ways is refused. */
#include <stdio.h>

#include "protocol/http1.h"
#include "support/test.h"

#define BODY_MAX 4096u

static _Atomic size_t      held;
static const http1_options options = {
    .body_bytes_max = BODY_MAX, .held_bytes_max = 64 * BODY_MAX, .held_bytes = &held, .cors = true};

static void
note_event(http1_event event, const http1_parser *parser, const http1_request *request, buffer *out)
{
    if (event == HTTP1_HEAD)
        buffer_format(out, "HEAD(%s) ", request->expects_continue ? "expects" : "");
    if (event == HTTP1_REQUEST)
        buffer_format(out, SLICE_FMT " " SLICE_FMT " [" SLICE_FMT "]%s%s%s\n", SLICE_ARG(request->method),
                      SLICE_ARG(request->target), SLICE_ARG(request->body),
                      request->keep_alive ? "" : " last", request->accepts_gzip ? " gzip" : "",
                      request->is_http10 ? " 1.0" : "");
    if (event == HTTP1_ERROR)
        buffer_format(out, "error %d %s\n", parser->error_status, parser->error_text);
}

/* Parse `size` bytes given in pieces of `step`; the events as text (the caller clears it). Stops at an
 * error and after the last request of a connection, as the server does. */
static buffer
transcript(const char *data, size_t size, size_t step)
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
            /* A copy of exactly these bytes, so that the sanitizers see a read beyond them. */
            char *piece = oct_copy_text(data + at, end - at);

            event = http1_parse(&parser, &request, piece, end - at, &used);
            OCT_MUST(used <= end - at);
            note_event(event, &parser, &request, &out);
            at += used;
            over = event == HTTP1_ERROR || (event == HTTP1_REQUEST && !request.keep_alive);
            if (event == HTTP1_REQUEST)
                http1_request_reset(&request);
            oct_free(piece);
        } while (!over && (event == HTTP1_HEAD || at < end));
    }
    if (!over && parser.phase != HTTP1_IN_IDLE)
        buffer_add_text(&out, "unfinished\n");
    http1_parser_clear(&parser);
    http1_request_clear(&request);
    buffer_add_byte(&out, '\0');
    CHECK_INT(held, 0);
    return out;
}

/* The transcript must be `want` whatever the pieces. */
static void
expect(const char *data, size_t size, const char *want)
{
    static const size_t steps[] = {SIZE_MAX / 2, 1, 2, 3, 7, 64};

    for (size_t i = 0; i < countof(steps); i++) {
        buffer got = transcript(data, size, steps[i]);

        if (strcmp(got.data, want) != 0)
            test_failed(__FILE__, __LINE__, "in pieces of %zu, of \"%.60s\":\n got      %s expected %s",
                        steps[i], data, got.data, want);
        buffer_clear(&got);
    }
}

static void
expect_text(const char *data, const char *want)
{
    expect(data, strlen(data), want);
}

/* The error must begin so (the rest is llhttp's wording). */
static void
expect_refused(const char *data, size_t size, const char *want)
{
    for (size_t step = 1; step <= size; step += step < 4 ? 1 : size) {
        buffer      got = transcript(data, size, step);
        const char *error = strstr(got.data, "error ");

        if (error == NULL || strncmp(error, want, strlen(want)) != 0)
            test_failed(__FILE__, __LINE__, "in pieces of %zu, of \"%.70s\":\n got      %s expected %s", step,
                        data, got.data, want);
        buffer_clear(&got);
    }
}

/* Goal:   a request is what its bytes say, however they are cut, and pipelined ones come in order.
 * Method: each input whole and in pieces of 1, 2, 3, 7 and 64 bytes. */
TEST(requests_do_not_depend_on_how_bytes_are_cut)
{
    expect_text("GET /collections HTTP/1.1\r\nHost: a\r\n\r\n", "GET /collections []\n");
    expect_text("\r\n\r\nGET / HTTP/1.1\r\nhost:a\r\n\r\n", "GET / []\n");
    expect_text("PUT /c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "HEAD() PUT /c [hello]\n");
    expect_text("PUT /c HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "PUT /c []\n");
    expect_text("POST /a?x=1&y=%20 HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br, GZIP;q=0.5\r\n\r\n"
                "GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\n",
                "POST /a?x=1&y=%20 [] gzip\nGET /b [] last\n");
    expect_text("PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcPUT /2 HTTP/1.1\r\nHost: a\r\n"
                "Transfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1;x=y\r\nf\r\n0\r\nTrailer: t\r\n\r\n"
                "DELETE /3 HTTP/1.1\r\nHost: a\r\n\r\nPATCH /4 HTTP/1.1\r\nHost: a\r\n\r\n",
                "HEAD() PUT /1 [abc]\nHEAD() PUT /2 [def]\nDELETE /3 []\nPATCH /4 []\n");
    expect_text(
        "GET http://host:1/x?y HTTP/1.1\r\nHost: a\r\n\r\nGET http://host HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /x?y []\nGET / []\n");
    expect_text("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * []\n");
    expect_text("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD / []\n");
    expect_text("GET / HTTP/1.0\r\n\r\n", "GET / [] last 1.0\n");
    expect_text("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
                "GET / [] 1.0\nGET /b [] last 1.0\n");
    expect_text("GET / HTTP/1.1\r\nHost: a\r\n", "unfinished\n");
    expect_text("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", "HEAD() unfinished\n");
}

/* Goal: an offer of another protocol is declined, as clients that always send one expect. */
TEST(upgrade_is_ignored)
{
    expect_text("GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET /a []\nGET /b []\n");
    expect_text(
        "PUT /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nhi",
        "HEAD() PUT /a [hi]\n");
}

/* Goal:   nothing that two parsers could read in two ways is read at all.
 * Method: a table of requests, each ending in what a careless parser would take for a second request. */
TEST(ambiguous_and_malformed_requests_are_refused)
{
#define SECOND "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    static const struct {
        const char *bytes;
        const char *want;
    } cases[] = {
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n" SECOND,
         "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: "
         "4\r\n\r\n0\r\n\r\n" SECOND,
         "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd" SECOND,
         "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\nabcd" SECOND, "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd" SECOND, "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n" SECOND, "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x4\r\n\r\nabcd" SECOND, "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4 4\r\n\r\nabcd" SECOND, "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nabcd" SECOND, "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\nabcd", "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length : 4\r\n\r\nabcd" SECOND, "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "error 501"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n" SECOND, "error "},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SECOND, "error "},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n",
         "error 400"},
        {"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECOND, "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
         "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
         "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "error 400"},
        {"GET / HTTP/1.1\nHost: a\r\n\r\n", "error 400"},
        {"GET / HTTP/1.1\r\nHost: a\n\r\n", "error 400"},
        {"GET / HTTP/1.1\r\nHost: a\r\n\n", "error 400"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n", "error 400"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: one\r\n two\r\n\r\n", "error 400"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: one\r\n\ttwo\r\n\r\n", "error 400"},
        {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "error 400"},
        {"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", "error 400"},
        {"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", "error 400"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: \001\r\n\r\n", "error 400"},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "error 400"},
        {"GET / HTTP/1.1\r\nHost: a\r\napi-key: x\r\nApi-Key: y\r\n\r\n", "error 400"},
        {"GET / HTTP/1.1\r\n\r\n", "error 400"},
        {"GET relative HTTP/1.1\r\nHost: a\r\n\r\n", "error 400"},
        {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "error 400"},
        {"GET /\r\nHost: a\r\n\r\n", "error "},
        {"get / HTTP/1.1\r\nHost: a\r\n\r\n", "error 400"},
        {"BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", "error 400"},
        {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "error 405"},
        {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "error 405"},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "error 505"},
        {"GET / HTTP/0.9\r\n\r\n", "error 505"},
        {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "error 400"},
        {"GET / HTTP/11.1\r\nHost: a\r\n\r\n", "error "},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "error 505"},
        {"\x16\x03\x01\x02\x00\x01\x00\x01", "error 400 Malformed HTTP request: this looks like TLS"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nExpect: a miracle\r\nContent-Length: 1\r\n\r\nx", "error 417"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx", "error 415"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip, gzip\r\nContent-Length: 1\r\n\r\nx",
         "error 415"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
         "error 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4097\r\n\r\n", "error 413"},
    };
#undef SECOND

    for (size_t i = 0; i < countof(cases); i++) {
        buffer got;

        expect_refused(cases[i].bytes, strlen(cases[i].bytes), cases[i].want);
        got = transcript(cases[i].bytes, strlen(cases[i].bytes), SIZE_MAX / 2);
        CHECK_MSG(strstr(got.data, "/smuggled") == NULL, "case %zu", i);
        buffer_clear(&got);
    }
    expect_refused("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 35, "error 400");
}

/* Goal:   each limit is met exactly: its last byte passes, one more is refused.
 * Method: heads, targets and bodies built to the byte. */
TEST(limits_hold_to_the_byte)
{
    static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    buffer            text = {0};

    for (size_t extra = 0; extra < 2; extra++) {
        text.size = 0;
        buffer_add_text(&text, start);
        while (text.size < HTTP1_HEAD_BYTES_MAX - 4 + extra)
            buffer_add_byte(&text, 'x');
        buffer_add_text(&text, "\r\n\r\n");
        if (extra == 0)
            expect(text.data, text.size, "GET / []\n");
        else
            expect_refused(text.data, text.size, "error 431");

        text.size = 0;
        buffer_add_text(&text, "GET /");
        while (text.size < 4 + HTTP1_TARGET_BYTES_MAX + extra)
            buffer_add_byte(&text, 'x');
        buffer_add_text(&text, " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        if (extra == 0) {
            buffer got = transcript(text.data, text.size, 1000);

            CHECK(strncmp(got.data, "GET /xxx", 8) == 0);
            CHECK_INT(got.size, sizeof "GET  [] last\n" + HTTP1_TARGET_BYTES_MAX);
            buffer_clear(&got);
        } else {
            expect_refused(text.data, text.size, "error 414");
        }

        text.size = 0;
        buffer_add_text(&text, "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
        buffer_format(&text, "%zx\r\n", BODY_MAX - 1 + extra);
        for (size_t i = 0; i < BODY_MAX - 1 + extra; i++)
            buffer_add_byte(&text, 'y');
        buffer_add_text(&text, "\r\n0\r\n\r\n");
        if (extra == 0) {
            buffer got = transcript(text.data, text.size, 999);

            CHECK_INT(got.size, sizeof "HEAD() PUT / []\n" + BODY_MAX);
            buffer_clear(&got);
        } else {
            expect_refused(text.data, text.size, "error 413");
        }
    }
    /* Blank lines before a request are legal, but not for ever. */
    text.size = 0;
    for (size_t i = 0; i < HTTP1_HEAD_BYTES_MAX; i++)
        buffer_add_text(&text, "\r\n");
    expect_refused(text.data, text.size, "error 431");
    buffer_clear(&text);
}

/* Goal: chunk extensions and trailers cannot carry an endless stream past the body limit. */
TEST(framing_without_body_is_bounded)
{
    static const char start[] = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    buffer            text = {0};

    buffer_add_text(&text, start);
    buffer_add_text(&text, "1;x=");
    for (size_t i = 0; i < 80000; i++)
        buffer_add_byte(&text, 'e');
    expect_refused(text.data, text.size, "error 400 Malformed HTTP request: too much framing");

    text.size = 0;
    buffer_add_text(&text, start);
    buffer_add_text(&text, "1\r\nx\r\n0\r\n");
    for (size_t i = 0; i < 8000; i++)
        buffer_add_text(&text, "Trailer: t\r\n");
    expect_refused(text.data, text.size, "error 400 Malformed HTTP request: too much framing");

    /* One-byte chunks, the whole limit of them, are wasteful and legal. */
    text.size = 0;
    buffer_add_text(&text, start);
    for (size_t i = 0; i < BODY_MAX; i++)
        buffer_add_text(&text, "1\r\nx\r\n");
    buffer_add_text(&text, "0\r\n\r\n");
    for (size_t step = 1; step < 1000; step += 333) {
        buffer got = transcript(text.data, text.size, step);

        CHECK_INT(got.size, sizeof "HEAD() PUT / []\n" + BODY_MAX);
        buffer_clear(&got);
    }
    buffer_clear(&text);
}

/* Goal: "100 Continue" is asked for only when a body will follow and HTTP/1.1 is spoken. */
TEST(expect_continue_is_seen_before_the_body)
{
    expect_text("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\nok",
                "HEAD(expects) PUT / [ok]\n");
    expect_text("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
                "HEAD() PUT / [ok] last 1.0\n");
    expect_text("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "GET / []\n");
}

/* Compress as a client would. window_bits: 15 zlib, -15 bare deflate, 31 gzip. */
static void
compress_text(const char *data, size_t size, int window_bits, buffer *out)
{
    z_stream stream = {0};

    OCT_MUST(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    OCT_MUST(buffer_reserve(out, size + 1000));
    stream.next_in = (unsigned char *)(uintptr_t)data;
    stream.avail_in = (uInt)size;
    stream.next_out = (unsigned char *)out->data + out->size;
    stream.avail_out = (uInt)(out->capacity - out->size);
    OCT_MUST(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out->size = out->capacity - stream.avail_out;
    (void)deflateEnd(&stream);
}

static void
add_packed_request(buffer *text, const char *coding, const buffer *body, size_t body_size)
{
    buffer_format(text, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n",
                  coding, body_size);
    buffer_add(text, body->data, body_size);
}

/* Goal:   gzip, zlib and bare deflate bodies are unpacked; cut or followed by rubbish they are refused.
 * Method: each coding whole, cut by one byte, and with a byte more. */
TEST(compressed_bodies_are_unpacked)
{
    static const struct {
        const char *coding;
        int         window_bits;
    } codings[] = {{"gzip", 31}, {"x-gzip", 31}, {"deflate", 15}, {"deflate", -15}};
    buffer body = {0}, text = {0};

    for (size_t i = 0; i < countof(codings); i++) {
        body.size = text.size = 0;
        compress_text("hello hello hello hello", 23, codings[i].window_bits, &body);
        add_packed_request(&text, codings[i].coding, &body, body.size);
        buffer_add_text(&text, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        expect(text.data, text.size, "HEAD() PUT / [hello hello hello hello]\nGET /next []\n");

        text.size = 0;
        add_packed_request(&text, codings[i].coding, &body, body.size - 1);
        expect_refused(text.data, text.size, "error 400 Request body: the compressed data ends too early");

        buffer_add_byte(&body, 'x');
        text.size = 0;
        add_packed_request(&text, codings[i].coding, &body, body.size);
        expect_refused(text.data, text.size, "error 400 Request body");
    }
    /* Joined gzip files are one (RFC 1952). */
    body.size = text.size = 0;
    compress_text("one ", 4, 31, &body);
    compress_text("two", 3, 31, &body);
    add_packed_request(&text, "gzip", &body, body.size);
    expect(text.data, text.size, "HEAD() PUT / [one two]\n");
    buffer_clear(&body);
    buffer_clear(&text);
}

/* Goal:   a small body that unpacks to a large one is stopped at the limit, and costs no more than it.
 * Method: 16 MiB of zeroes in about 16 KiB, and as deep nesting of it as one coding allows: none. */
TEST(gzip_bomb_is_stopped_at_the_limit)
{
    const size_t  size = 16u << 20;
    char         *zeroes = oct_calloc(size, 1);
    buffer        body = {0}, text = {0};
    http1_parser  parser;
    http1_request request = {0};
    http1_options generous = options;
    size_t        used, at = 0;
    http1_event   event;

    generous.body_bytes_max = 1u << 20;
    generous.held_bytes_max = SIZE_MAX;
    compress_text(zeroes, size, 31, &body);
    CHECK(body.size < 20000);
    add_packed_request(&text, "gzip", &body, body.size);
    http1_parser_init(&parser, &generous);
    do {
        event = http1_parse(&parser, &request, text.data + at, text.size - at, &used);
        at += used;
    } while (event == HTTP1_HEAD);
    CHECK_INT(event, HTTP1_ERROR);
    CHECK_INT(parser.error_status, 413);
    CHECK_MSG(request.content.capacity < 2 * generous.body_bytes_max, "%zu held", request.content.capacity);
    CHECK_INT(held, request.content.capacity);
    http1_parser_clear(&parser);
    http1_request_clear(&request);
    CHECK_INT(held, 0);
    buffer_clear(&body);
    buffer_clear(&text);
    oct_free(zeroes);
}

/* Goal: all bodies together stay below their limit; the request that would break it is told to come back. */
TEST(bodies_of_all_requests_share_a_budget)
{
    static const char text[] = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\nx";
    http1_options     small = options;
    http1_parser      parsers[3];
    http1_request     requests[3] = {0};
    http1_event       event = HTTP1_MORE;

    small.held_bytes_max = 7000;
    for (size_t i = 0; i < 3; i++) {
        size_t at = 0, used;

        http1_parser_init(&parsers[i], &small);
        do {
            event = http1_parse(&parsers[i], &requests[i], text + at, sizeof text - 1 - at, &used);
            at += used;
        } while (event == HTTP1_HEAD);
        CHECK_INT(event, i < 2 ? HTTP1_MORE : HTTP1_ERROR);
    }
    CHECK_INT(parsers[2].error_status, 503);
    for (size_t i = 0; i < 3; i++) {
        http1_parser_clear(&parsers[i]);
        http1_request_clear(&requests[i]);
    }
    CHECK_INT(held, 0);
}

/* Goal: a body that is refused at its head is read and thrown away, and the next request is served. */
TEST(dropped_body_is_not_kept)
{
    static const char text[] = "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
                               "GET /b HTTP/1.1\r\nHost: a\r\n\r\n";
    http1_parser      parser;
    http1_request     request = {0};
    size_t            at = 0, used;

    http1_parser_init(&parser, &options);
    CHECK_INT(http1_parse(&parser, &request, text, sizeof text - 1, &used), HTTP1_HEAD);
    at += used;
    http1_drop_body(&parser);
    CHECK_INT(http1_parse(&parser, &request, text + at, sizeof text - 1 - at, &used), HTTP1_REQUEST);
    at += used;
    CHECK_INT(request.body.size, 0);
    http1_request_reset(&request);
    CHECK_INT(http1_parse(&parser, &request, text + at, sizeof text - 1 - at, &used), HTTP1_REQUEST);
    CHECK(slice_is(request.target, "/b"));
    http1_parser_clear(&parser);
    http1_request_clear(&request);
}

/* Goal: what Accept-Encoding allows (RFC 9110, 12.5.3), also in the corners. */
TEST(accept_encoding_is_understood)
{
    static const struct {
        const char *value;
        bool        gzip;
    } cases[] = {
        {"gzip", true},           {"deflate, gzip", true}, {"*", true},         {"gzip;q=0", false},
        {"gzip; q=0.000", false}, {"gzip;q=0.001", true},  {"*;q=0", false},    {"gzip, *;q=0", true},
        {"gzip;q=0, *", false},   {"identity", false},     {"", false},         {"gzipped", false},
        {",,gzip,", true},        {"x-gzip", true},        {"GZip;Q=0", false}, {";;;,=,gzip;=;q", false},
    };

    for (size_t i = 0; i < countof(cases); i++) {
        buffer text = {0}, got;

        buffer_format(&text, "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding:%s\r\n\r\n", cases[i].value);
        got = transcript(text.data, text.size, 5);
        CHECK_MSG((strstr(got.data, " gzip") != NULL) == cases[i].gzip, "\"%s\"", cases[i].value);
        buffer_clear(&got);
        buffer_clear(&text);
    }
}

/* Goal:   no input makes the parser read or write out of bounds, loop, or lose count of what it holds.
 * Method: 20,000 valid requests with a few bytes changed, dropped, doubled, seed 11; sanitizers watch. */
TEST(mutated_requests_do_no_harm)
{
    static const char *const seeds[] = {
        "PUT /c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Encoding: identity\r\n\r\nhelloGET / "
        "HTTP/1.1\r\n\r\n",
        "PUT /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1;x=y\r\nf\r\n0\r\nT: "
        "t\r\n\r\n",
        "GET http://h/p HTTP/1.0\r\nConnection: keep-alive\r\nAccept-Encoding: gzip;q=0,*\r\nExpect: "
        "100-continue\r\n\r\n",
        "OPTIONS /x HTTP/1.1\r\nHost: a\r\nOrigin: o\r\nAccess-Control-Request-Method: PUT\r\nUpgrade: "
        "x\r\n\r\n",
    };
    test_rng rng = test_rng_seed(11);
    buffer   text = {0};

    for (size_t round = 0; round < 20000; round++) {
        const char *seed = seeds[test_below(&rng, countof(seeds))];
        size_t      changes = 1 + test_below(&rng, 4);
        buffer      got;

        text.size = 0;
        buffer_add_text(&text, seed);
        while (changes-- > 0) {
            const size_t at = test_below(&rng, text.size);

            switch (test_below(&rng, 3)) {
            case 0:
                text.data[at] = (char)test_u64(&rng);
                break;
            case 1:
                text.data[at] = "\r\n :;,0-\t"[test_below(&rng, 9)];
                break;
            default:
                text.size = at + 1;
                buffer_add_text(&text, seed + test_below(&rng, strlen(seed)));
            }
        }
        got = transcript(text.data, text.size, 1 + test_below(&rng, 40));
        buffer_clear(&got);
    }
    buffer_clear(&text);
}

/* Goal:   when memory runs out at any point, the request is refused and everything is given back.
 * Method: each allocation fails in turn, alone and with all that follow. */
TEST(out_of_memory_is_an_answer)
{
    buffer body = {0}, text = {0};

    compress_text("hello", 5, 31, &body);
    add_packed_request(&text, "gzip", &body, body.size);
    for (uint64_t allowed = 0; allowed < 40; allowed++) {
        http1_parser  parser;
        http1_request request = {0};
        size_t        at = 0, used;
        http1_event   event;

        http1_parser_init(&parser, &options);
        oct_alloc_fail_after(allowed / 2, allowed % 2 == 1);
        do {
            event = http1_parse(&parser, &request, text.data + at, text.size - at, &used);
            at += used;
        } while (event == HTTP1_HEAD);
        oct_alloc_fail_after(UINT64_MAX, false);
        CHECK(event == HTTP1_REQUEST || (event == HTTP1_ERROR && parser.error_status == 503));
        if (allowed >= 38)
            CHECK_INT(event, HTTP1_REQUEST);
        http1_parser_clear(&parser);
        http1_request_clear(&request);
        CHECK_INT(held, 0);
    }
    buffer_clear(&body);
    buffer_clear(&text);
}

/* --- answers --------------------------------------------------------------------------------- */

static http1_request
request_of(const char *text, http1_parser *parser)
{
    http1_request request = {0};
    size_t        used;

    http1_parser_init(parser, &options);
    OCT_MUST(http1_parse(parser, &request, text, strlen(text), &used) == HTTP1_REQUEST);
    return request;
}

static void
expect_answer(const char *request_text, const http1_answer *answer, const char *want)
{
    http1_parser  parser;
    http1_request request = request_of(request_text, &parser);
    buffer        out = {0};
    oct_slice     body = http1_write_head(&request, &options, answer, &out);

    buffer_add(&out, body.data, body.size);
    buffer_add_byte(&out, '\0');
    CHECK_TEXT(out.data, want);
    buffer_clear(&out);
    http1_request_clear(&request);
    http1_parser_clear(&parser);
}

/* Goal: the bytes of an answer, for each kind of request. */
TEST(answers_are_framed_as_the_request_needs)
{
    http1_answer answer = {.status = 200, .content_type = "application/json", .body = {"{}", 2}};

    expect_answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &answer,
                  "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
    expect_answer("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", &answer,
                  "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n");
    expect_answer("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &answer,
                  "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n"
                  "connection: keep-alive\r\n\r\n{}");
    expect_answer("GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n\r\n", &answer,
                  "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n"
                  "access-control-allow-origin: *\r\naccess-control-expose-headers: *\r\n\r\n{}");
    answer.close = true;
    answer.status = 429;
    answer.retry_after = 61;
    answer.date = "Sun, 06 Nov 1994 08:49:37 GMT";
    expect_answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &answer,
                  "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncontent-length: 2\r\n"
                  "retry-after: 61\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nconnection: close\r\n\r\n{}");
    answer = (http1_answer){.status = 304};
    expect_answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &answer, "HTTP/1.1 304 Not Modified\r\n\r\n");
}

/* Goal: failures of HTTP itself wear Qdrant's envelope, and their text cannot break out of it. */
TEST(errors_wear_the_envelope)
{
    const http1_options quiet = {.cors = false};
    buffer              out = {0};

    http1_write_error(&quiet, 413, "too \"big\"\n", NULL, &out);
    buffer_add_byte(&out, '\0');
    CHECK_TEXT(out.data,
               "HTTP/1.1 413 Payload Too Large\r\ncontent-type: application/json\r\ncontent-length: 46\r\n"
               "connection: close\r\n\r\n{\"status\":{\"error\":\"too \\\"big\\\"?\"},\"time\":0.0}");
    buffer_clear(&out);
}

/* Goal: a browser may call from any page, with any method and header; and not, if CORS is off. */
TEST(preflights_are_answered)
{
    static const char   text[] = "OPTIONS /collections HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n"
                                 "Access-Control-Request-Method: PUT\r\n"
                                 "Access-Control-Request-Headers: api-key,content-type\r\n\r\n";
    const http1_options off = {.cors = false};
    http1_parser        parser;
    http1_request       request = request_of(text, &parser);
    buffer              out = {0};

    http1_write_options(&request, &options, false, NULL, &out);
    buffer_add_byte(&out, '\0');
    CHECK(strncmp(out.data, "HTTP/1.1 204 No Content\r\n", 25) == 0);
    CHECK(strstr(out.data, "access-control-allow-origin: *\r\n") != NULL);
    CHECK(strstr(out.data,
                 "access-control-allow-methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n") != NULL);
    CHECK(strstr(out.data, "access-control-allow-headers: api-key,content-type\r\n") != NULL);
    CHECK(strstr(out.data, "content-length") == NULL);
    out.size = 0;
    http1_write_options(&request, &off, false, NULL, &out);
    buffer_add_byte(&out, '\0');
    CHECK(strstr(out.data, "access-control") == NULL);
    CHECK(strstr(out.data, "allow: GET, ") != NULL);
    buffer_clear(&out);
    http1_request_clear(&request);
    http1_parser_clear(&parser);
}

/* Goal:   what is packed unpacks to the same bytes, again and again with one packer; noise is left alone.
 * Method: text of 1 KiB to 1 MiB, and random bytes, seed 12. */
TEST(packed_answers_unpack_to_the_same)
{
    test_rng     rng = test_rng_seed(12);
    http1_packer packer = {0};
    buffer       body = {0}, packed = {0}, back = {0};

    for (size_t size = HTTP1_PACK_BYTES_MIN; size <= 1u << 20; size *= 4) {
        z_stream stream = {0};

        body.size = packed.size = back.size = 0;
        while (body.size < size)
            buffer_format(&body, "{\"id\":%u,\"score\":0.%u},", (unsigned)test_below(&rng, 1000),
                          (unsigned)test_below(&rng, 100000));
        CHECK(http1_pack(&packer, (oct_slice){body.data, body.size}, &packed));
        CHECK_MSG(packed.size < body.size / 2, "%zu of %zu", packed.size, body.size);
        OCT_MUST(buffer_reserve(&back, body.size + 1) && inflateInit2(&stream, 31) == Z_OK);
        stream.next_in = (unsigned char *)packed.data;
        stream.avail_in = (uInt)packed.size;
        stream.next_out = (unsigned char *)back.data;
        stream.avail_out = (uInt)back.capacity;
        CHECK_INT(inflate(&stream, Z_FINISH), Z_STREAM_END);
        CHECK_INT(stream.total_out, body.size);
        CHECK(memcmp(back.data, body.data, body.size) == 0);
        (void)inflateEnd(&stream);
    }
    for (size_t i = 0; i < body.size; i++)
        body.data[i] = (char)test_u64(&rng);
    packed.size = 0;
    CHECK(!http1_pack(&packer, (oct_slice){body.data, body.size}, &packed));
    CHECK_INT(packed.size, 0);
    http1_packer_clear(&packer);
    buffer_clear(&body);
    buffer_clear(&packed);
    buffer_clear(&back);
}

/* Goal: dates as RFC 9110 wants them, over leap days and centuries. */
TEST(dates_follow_the_calendar)
{
    static const struct {
        int64_t     seconds;
        const char *text;
    } cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},          {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},  {1709251199, "Thu, 29 Feb 2024 23:59:59 GMT"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"}, {1795421760, "Mon, 23 Nov 2026 08:16:00 GMT"},
    };
    char text[HTTP1_DATE_BYTES];

    for (size_t i = 0; i < countof(cases); i++) {
        http1_date(cases[i].seconds, text);
        CHECK_TEXT(text, cases[i].text);
    }
}
