/* Writing HTTP/1.1. See http1.h.
 *
 * An answer's head is a few copies of constant text: a search takes microseconds, and printf would be felt.
 */
#include "protocol/http1.h"

const char http1_continue[] = "HTTP/1.1 100 Continue\r\n\r\n";

#define METHODS        "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
#define CORS_MAX_AGE_S "3600" /* browsers cap it at an hour or two; without it each call is preflighted */
#define PACK_LEVEL     1      /* JSON shrinks 3 to 6 times at the lowest; higher cost more than the wire */

#define ADD(out, constant) buffer_add(out, constant, sizeof(constant) - 1)

/* Clients show the phrase to people, so the ones Qdrant's clients may meet are spelled out. */
static const struct {
    int         status;
    const char *line;
} status_lines[] = {
    {200, "HTTP/1.1 200 OK\r\n"},
    {201, "HTTP/1.1 201 Created\r\n"},
    {202, "HTTP/1.1 202 Accepted\r\n"},
    {204, "HTTP/1.1 204 No Content\r\n"},
    {304, "HTTP/1.1 304 Not Modified\r\n"},
    {400, "HTTP/1.1 400 Bad Request\r\n"},
    {401, "HTTP/1.1 401 Unauthorized\r\n"},
    {403, "HTTP/1.1 403 Forbidden\r\n"},
    {404, "HTTP/1.1 404 Not Found\r\n"},
    {405, "HTTP/1.1 405 Method Not Allowed\r\n"},
    {408, "HTTP/1.1 408 Request Timeout\r\n"},
    {409, "HTTP/1.1 409 Conflict\r\n"},
    {413, "HTTP/1.1 413 Payload Too Large\r\n"},
    {414, "HTTP/1.1 414 URI Too Long\r\n"},
    {415, "HTTP/1.1 415 Unsupported Media Type\r\n"},
    {417, "HTTP/1.1 417 Expectation Failed\r\n"},
    {422, "HTTP/1.1 422 Unprocessable Entity\r\n"},
    {429, "HTTP/1.1 429 Too Many Requests\r\n"},
    {431, "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
    {500, "HTTP/1.1 500 Internal Server Error\r\n"},
    {501, "HTTP/1.1 501 Not Implemented\r\n"},
    {503, "HTTP/1.1 503 Service Unavailable\r\n"},
    {505, "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
    {507, "HTTP/1.1 507 Insufficient Storage\r\n"},
};

static void
add_number(buffer *out, uint64_t number)
{
    char   digits[20];
    size_t i = sizeof digits;

    do
        digits[--i] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    buffer_add(out, digits + i, sizeof digits - i);
}

static void
add_status_line(buffer *out, int status)
{
    for (size_t i = 0; i < countof(status_lines); i++) {
        if (status_lines[i].status == status) {
            buffer_add_text(out, status_lines[i].line);
            return;
        }
    }
    ADD(out, "HTTP/1.1 ");
    add_number(out, (uint64_t)status);
    ADD(out, " Status\r\n");
}

static bool
has_origin(const http1_request *request)
{
    return request != NULL && request->is_filled && request->headers[HTTP1_ORIGIN].data != NULL;
}

/* HTTP/1.1 stays open unless told otherwise, HTTP/1.0 the other way round. */
static void
add_connection(buffer *out, const http1_request *request, bool close)
{
    if (close)
        ADD(out, "connection: close\r\n");
    else if (request != NULL && request->is_http10)
        ADD(out, "connection: keep-alive\r\n");
}

static void
add_date(buffer *out, const char *date)
{
    if (date == NULL)
        return;
    ADD(out, "date: ");
    buffer_add_text(out, date);
    ADD(out, "\r\n");
}

oct_slice
http1_write_head(const http1_request *request, const http1_options *options, const http1_answer *answer,
                 buffer *out)
{
    const bool has_body = answer->status != 204 && answer->status != 304;
    oct_slice  body = answer->body;

    (void)buffer_reserve(out, 512);
    add_status_line(out, answer->status);
    if (has_body && answer->content_type != NULL) {
        ADD(out, "content-type: ");
        buffer_add_text(out, answer->content_type);
        ADD(out, "\r\n");
    }
    if (has_body) {
        ADD(out, "content-length: ");
        add_number(out, body.size);
        ADD(out, "\r\n");
    }
    if (answer->is_packed)
        ADD(out, "content-encoding: gzip\r\nvary: accept-encoding\r\n");
    if (answer->retry_after > 0) {
        ADD(out, "retry-after: ");
        add_number(out, answer->retry_after);
        ADD(out, "\r\n");
    }
    if (answer->status == 405)
        ADD(out, "allow: " METHODS "\r\n");
    /* To an error in the head itself the origin is not known, but a page may still want to read it. */
    if (options->cors && (has_origin(request) || request == NULL))
        ADD(out, "access-control-allow-origin: *\r\naccess-control-expose-headers: *\r\n");
    add_date(out, answer->date);
    add_connection(out, request, answer->close);
    ADD(out, "\r\n");
    if (!has_body || (request != NULL && request->is_head))
        return (oct_slice){NULL, 0};
    return body;
}

static void
add_json_text(buffer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\') {
            buffer_add_byte(out, '\\');
            buffer_add_byte(out, (char)c);
        } else {
            buffer_add_byte(out, c < 0x20 || c >= 0x7F ? '?' : (char)c);
        }
    }
}

void
http1_write_error(const http1_options *options, int status, const char *text, const char *date, buffer *out)
{
    buffer       body = {0};
    http1_answer answer = {.status = status, .content_type = "application/json", .close = true, .date = date};

    if (status == 503)
        answer.retry_after = 1;
    ADD(&body, "{\"status\":{\"error\":\"");
    add_json_text(&body, text);
    ADD(&body, "\"},\"time\":0.0}");
    if (!body.failed) { /* else the status alone must do */
        answer.body.data = body.data;
        answer.body.size = body.size;
    }
    answer.body = http1_write_head(NULL, options, &answer, out);
    buffer_add(out, answer.body.data, answer.body.size);
    buffer_clear(&body);
}

void
http1_write_options(const http1_request *request, const http1_options *options, bool close, const char *date,
                    buffer *out)
{
    const oct_slice wanted = request->headers[HTTP1_CORS_HEADERS];

    add_status_line(out, 204);
    ADD(out, "allow: " METHODS "\r\n");
    if (options->cors && has_origin(request)) {
        ADD(out, "access-control-allow-origin: *\r\naccess-control-allow-methods: " METHODS "\r\n");
        ADD(out, "access-control-allow-headers: ");
        /* "*" would not cover Authorization, so what is asked for is given back (llhttp has seen that it
         * holds no line ends). */
        if (wanted.size > 0)
            buffer_add(out, wanted.data, wanted.size);
        else
            ADD(out, "*");
        ADD(out, "\r\naccess-control-max-age: " CORS_MAX_AGE_S "\r\n");
        ADD(out, "vary: origin, access-control-request-headers\r\n");
    }
    add_date(out, date);
    add_connection(out, request, close);
    ADD(out, "\r\n");
}

static char *
put_digits(char *at, int64_t number, int width)
{
    for (int i = width - 1; i >= 0; i--, number /= 10)
        at[i] = (char)('0' + number % 10);
    return at + width;
}

/* Not strftime: names of days must not follow the locale. Days to civil date as in Hinnant,
 * "chrono-compatible low-level date algorithms": years begin in March, so the leap day comes last. */
void
http1_date(int64_t unix_seconds, char out[HTTP1_DATE_BYTES])
{
    static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
    static const char months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
    const int64_t     day = unix_seconds / 86400, second = unix_seconds % 86400;
    const int64_t     shifted = day + 719468; /* from 0000-03-01 */
    const int64_t     era = shifted / 146097, day_of_era = shifted % 146097;
    const int64_t     year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t month = (5 * day_of_year + 2) / 153; /* 0: March */
    const int64_t day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    const int64_t year = era * 400 + year_of_era + (month >= 10);
    char         *at = out;

    memcpy(at, days + 3 * (day % 7), 3);
    memcpy(at + 3, ", ", 2);
    at = put_digits(at + 5, day_of_month, 2);
    *at++ = ' ';
    memcpy(at, months + 3 * month, 3);
    at += 3;
    *at++ = ' ';
    at = put_digits(at, year, 4);
    *at++ = ' ';
    at = put_digits(at, second / 3600, 2);
    *at++ = ':';
    at = put_digits(at, second / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, second % 60, 2);
    memcpy(at, " GMT", 5);
}

/* --- compression ----------------------------------------------------------------------------- */

bool
http1_should_pack(const http1_request *request, const http1_answer *answer)
{
    return request->accepts_gzip && !request->is_head && answer->body.size > HTTP1_PACK_BYTES_MIN &&
           answer->content_type != NULL &&
           (strncmp(answer->content_type, "application/json", 16) == 0 ||
            strncmp(answer->content_type, "text/", 5) == 0);
}

static void *
zlib_alloc(void *context, unsigned count, unsigned size)
{
    (void)context;
    return oct_calloc(count, size);
}

static void
zlib_free(void *context, void *memory)
{
    (void)context;
    oct_free(memory);
}

bool
http1_pack(http1_packer *self, oct_slice body, buffer *out)
{
    z_stream    *stream = &self->stream;
    const size_t start = out->size;
    size_t       room;

    if (body.size > UINT32_MAX / 2)
        return false; /* beyond what zlib takes in one call; nobody waits for such an answer */
    if (!self->is_ready) {
        *stream = (z_stream){.zalloc = zlib_alloc, .zfree = zlib_free};
        if (deflateInit2(stream, PACK_LEVEL, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
            return false;
        self->is_ready = true;
    } else if (deflateReset(stream) != Z_OK) {
        return false;
    }
    /* Room for just less than the body: if that is not enough, packing is not worth it. */
    room = body.size - 1;
    if (!buffer_reserve(out, room))
        return false;
    stream->next_in = (unsigned char *)(uintptr_t)body.data; /* zlib's type lacks const; it only reads */
    stream->avail_in = (uInt)body.size;
    stream->next_out = (unsigned char *)out->data + start;
    stream->avail_out = (uInt)room;
    if (deflate(stream, Z_FINISH) != Z_STREAM_END)
        return false;
    out->size = start + room - stream->avail_out;
    return true;
}

void
http1_packer_clear(http1_packer *self)
{
    if (self->is_ready)
        (void)deflateEnd(&self->stream);
    *self = (http1_packer){0};
}
