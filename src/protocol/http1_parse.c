/* Reading HTTP/1.1. See http1.h.
 *
 * llhttp finds the parts and calls back; the callbacks copy what is wanted into the request and set a flag
 * when something is complete, and http1_parse turns the flag into an event. llhttp is told to pause
 * there, so that the bytes behind the event are still the caller's.
 *
 * LIMITS   Every byte that is taken counts against one of them: head bytes (with blank lines before the
 *          request), body bytes (before and after decompression), and what frames a chunked body, so that
 *          neither extensions nor trailers nor one-byte chunks are free. Time is the server's matter.
 * BOMBS    Inflating stops one byte above the limit: a kilobyte that unpacks to a gigabyte costs the limit.
 */
#include <stdio.h>

#include "protocol/http1.h"

#define KEPT_BYTES        16384u      /* buffers up to this stay with a request that is used again */
#define BODY_RESERVE_MAX  (1u << 20)  /* of an announced body, taken at once; a lie costs no more */
#define INFLATE_STEP      16384u      /* least room to inflate into */
#define EXECUTE_BYTES_MAX (1u << 30)  /* zlib counts input in 32 bits */
#define FRAMING_FREE      (64u << 10) /* bytes of chunk framing and trailers that any body may have, */
#define FRAMING_FACTOR    8u          /* and this many more per byte of body: one-byte chunks take 6 */

enum coding { CODING_NONE, CODING_GZIP, CODING_DEFLATE, CODING_DEFLATE_OPEN };

static const struct {
    const char *name;      /* lower case */
    bool        is_single; /* a second one is refused: which would count? */
} known_headers[HTTP1_HEADER_COUNT] = {
    [HTTP1_HOST] = {"host", true},
    [HTTP1_API_KEY] = {"api-key", true},
    [HTTP1_AUTHORIZATION] = {"authorization", true},
    [HTTP1_CONTENT_ENCODING] = {"content-encoding", true},
    [HTTP1_TRANSFER_ENCODING] = {"transfer-encoding", true},
    [HTTP1_ACCEPT_ENCODING] = {"accept-encoding", false},
    [HTTP1_EXPECT] = {"expect", true},
    [HTTP1_ORIGIN] = {"origin", true},
    [HTTP1_CORS_METHOD] = {"access-control-request-method", true},
    [HTTP1_CORS_HEADERS] = {"access-control-request-headers", true},
};

/* Remember the first cause; llhttp then stops. The return value is what a callback returns to fail. */
__attribute__((format(printf, 3, 4))) static int
refuse(http1_parser *self, int status, const char *format, ...)
{
    va_list args;

    if (self->error_status == 0) {
        self->error_status = status;
        va_start(args, format);
        (void)vsnprintf(self->error_text, sizeof self->error_text, format, args);
        va_end(args);
    }
    return -1;
}

/* --- requests -------------------------------------------------------------------------------- */

static void
count_held(http1_request *request)
{
    const size_t now = request->content.capacity;

    /* Unsigned, so that a smaller `now` adds the difference modulo 2^64: it takes away. */
    if (now != request->held && request->held_bytes != NULL)
        atomic_fetch_add_explicit(request->held_bytes, now - request->held, memory_order_relaxed);
    request->held = now;
}

void
http1_request_reset(http1_request *self)
{
    buffer          text = self->text, content = self->content;
    const size_t    held = self->held;
    _Atomic size_t *held_bytes = self->held_bytes;

    if (text.capacity > KEPT_BYTES || text.failed)
        buffer_clear(&text);
    if (content.capacity > KEPT_BYTES || content.failed)
        buffer_clear(&content);
    text.size = 0;
    content.size = 0;
    *self = (http1_request){.text = text, .content = content, .held = held, .held_bytes = held_bytes};
    count_held(self);
}

void
http1_request_clear(http1_request *self)
{
    buffer_clear(&self->text);
    buffer_clear(&self->content);
    count_held(self);
    *self = (http1_request){0};
}

/* --- bodies ---------------------------------------------------------------------------------- */

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

static void
end_inflater(http1_parser *self)
{
    if (self->inflater == NULL)
        return;
    (void)inflateEnd(self->inflater);
    oct_free(self->inflater);
    self->inflater = NULL;
}

/* `first` is the first byte of the body: some clients call a bare deflate stream "deflate", which ought
 * to be a zlib stream. A zlib stream begins with 8 in the low half; a bare one practically never does. */
static int
start_inflater(http1_parser *self, unsigned char first)
{
    int window_bits = MAX_WBITS + 16; /* zlib's way of saying gzip */

    if (self->coding != CODING_GZIP)
        window_bits = (first & 0x0F) == Z_DEFLATED ? MAX_WBITS : -MAX_WBITS;
    self->inflater = oct_calloc(1, sizeof *self->inflater);
    if (self->inflater == NULL)
        return refuse(self, 503, "Out of memory while decompressing the request body; try again");
    self->inflater->zalloc = zlib_alloc;
    self->inflater->zfree = zlib_free;
    if (inflateInit2(self->inflater, window_bits) != Z_OK) {
        oct_free(self->inflater);
        self->inflater = NULL;
        return refuse(self, 503, "Out of memory while decompressing the request body; try again");
    }
    self->inflate_ended = false;
    return 0;
}

static int
refuse_size(http1_parser *self)
{
    return refuse(self, 413,
                  "Request body is larger than %zu bytes: send smaller batches, or raise "
                  "service.max_request_size_mb",
                  self->options->body_bytes_max);
}

static int
reserve_body(http1_parser *self, size_t extra)
{
    http1_request *request = self->request;
    size_t         all;

    if (!buffer_reserve(&request->content, extra))
        return refuse(self, 503, "Out of memory for the request body; try again with a smaller batch");
    if (request->held == request->content.capacity)
        return 0;
    request->held_bytes = self->options->held_bytes;
    count_held(request);
    if (request->held_bytes == NULL)
        return 0;
    all = atomic_load_explicit(request->held_bytes, memory_order_relaxed);
    if (all > self->options->held_bytes_max)
        return refuse(self, 503, "Too many request bodies at once (%zu bytes held): try again later", all);
    return 0;
}

static int
inflate_body(http1_parser *self, const char *data, size_t size)
{
    buffer   *content = &self->request->content;
    z_stream *stream;
    int       result;
    uInt      room;

    if (self->inflater == NULL && start_inflater(self, (unsigned char)data[0]) != 0)
        return -1;
    stream = self->inflater;
    stream->next_in = (unsigned char *)(uintptr_t)data; /* zlib's type lacks const; it only reads */
    stream->avail_in = (uInt)size;
    for (;;) {
        if (self->inflate_ended) {
            if (stream->avail_in == 0)
                return 0;
            /* gzip files may be joined (RFC 1952, 2.2); anything else behind the end is not ours to guess. */
            if (self->coding != CODING_GZIP || inflateReset(stream) != Z_OK)
                return refuse(self, 400, "Request body: bytes follow the end of the compressed data");
            self->inflate_ended = false;
        }
        if (reserve_body(self, INFLATE_STEP) != 0)
            return -1;
        room = (uInt)size_min(content->capacity - content->size, EXECUTE_BYTES_MAX);
        stream->next_out = (unsigned char *)content->data + content->size;
        stream->avail_out = room;
        result = inflate(stream, Z_NO_FLUSH);
        content->size += room - stream->avail_out;
        if (content->size > self->options->body_bytes_max)
            return refuse_size(self);
        if (self->drops_body)
            content->size = 0;
        if (result == Z_STREAM_END)
            self->inflate_ended = true;
        else if (result == Z_MEM_ERROR)
            return refuse(self, 503, "Out of memory while decompressing the request body; try again");
        else if (result != Z_OK && result != Z_BUF_ERROR)
            return refuse(self, 400, "Request body is not valid %s data",
                          self->coding == CODING_GZIP ? "gzip" : "deflate");
        else if (stream->avail_out > 0)
            return 0; /* all input taken, and nothing is held back for want of room */
    }
}

static int
on_body(llhttp_t *state, const char *at, size_t size)
{
    http1_parser  *self = state->data;
    http1_request *request = self->request;

    if (size == 0)
        return 0;
    self->body_raw_bytes += size;
    if (self->sink != NULL && !self->drops_body) {
        const char *why = "";
        const int   problem = self->sink(self->sink_context, at, size, &why);

        return problem == 0 ? 0 : refuse(self, problem, "%s", why);
    }
    if (self->body_raw_bytes > self->options->body_bytes_max)
        return refuse_size(self);
    if (self->drops_body)
        return 0;
    if (self->coding != CODING_NONE)
        return inflate_body(self, at, size);
    if (reserve_body(self, request->content.size > 0 ? size
                                                     : size_max(size, size_min((size_t)self->body_announced,
                                                                               BODY_RESERVE_MAX))) != 0)
        return -1;
    buffer_add(&request->content, at, size);
    return 0;
}

/* --- the head -------------------------------------------------------------------------------- */

static int
on_message_begin(llhttp_t *state)
{
    http1_parser *self = state->data;

    self->phase = HTTP1_IN_HEAD;
    memset(self->fields, 0, sizeof self->fields);
    self->target_size = 0;
    self->field = -1;
    self->name_size = 0;
    self->coding = CODING_NONE;
    self->drops_body = false;
    self->sink = NULL;
    self->body_wire_bytes = 0;
    self->body_raw_bytes = 0;
    return 0;
}

static int
refuse_memory(http1_parser *self)
{
    return refuse(self, 503, "Out of memory while reading the request; try again");
}

static int
on_url(llhttp_t *state, const char *at, size_t size)
{
    http1_parser *self = state->data;
    buffer       *text = &self->request->text;

    if (size > HTTP1_TARGET_BYTES_MAX - text->size)
        return refuse(self, 414, "Request target is longer than %u bytes", HTTP1_TARGET_BYTES_MAX);
    buffer_add(text, at, size);
    self->target_size = (uint32_t)text->size;
    return text->failed ? refuse_memory(self) : 0;
}

static int
on_header_field(llhttp_t *state, const char *at, size_t size)
{
    http1_parser *self = state->data;

    for (size_t i = 0; i < size && self->name_size < sizeof self->name; i++) {
        const char c = at[i];

        self->name[self->name_size++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return 0;
}

/* The enum http1_header of the name just read, or -1. No known name fills `name`. */
static int
find_header(const http1_parser *self)
{
    for (int i = 0; i < HTTP1_HEADER_COUNT; i++) {
        const char *name = known_headers[i].name;

        if (name[0] == self->name[0] && strlen(name) == self->name_size &&
            memcmp(name, self->name, self->name_size) == 0)
            return i;
    }
    return -1;
}

static int
on_header_field_complete(llhttp_t *state)
{
    http1_parser *self = state->data;

    self->field = -1;
    if (self->phase == HTTP1_IN_HEAD) /* trailers are read, counted and ignored */
        self->field = find_header(self);
    self->name_size = 0;
    self->value_start = (uint32_t)self->request->text.size;
    if (self->field >= 0 && self->fields[self->field].is_given && known_headers[self->field].is_single)
        return refuse(self, 400, "Malformed HTTP request: the header \"%s\" is given twice",
                      known_headers[self->field].name);
    return 0;
}

static int
on_header_value(llhttp_t *state, const char *at, size_t size)
{
    http1_parser *self = state->data;

    if (self->field < 0)
        return 0;
    buffer_add(&self->request->text, at, size);
    return self->request->text.failed ? refuse_memory(self) : 0;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static oct_slice
trim(oct_slice text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

static int
on_header_value_complete(llhttp_t *state)
{
    http1_parser *self = state->data;

    if (self->field < 0)
        return 0;
    self->fields[self->field].is_given = true;
    self->fields[self->field].start = self->value_start;
    self->fields[self->field].size = (uint32_t)self->request->text.size - self->value_start;
    self->field = -1;
    return 0;
}

static bool
is_word(oct_slice text, const char *word) /* whatever the case of ASCII letters */
{
    if (text.size != strlen(word))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];

        if ((c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c) != word[i])
            return false;
    }
    return true;
}

/* Cut the next item off a list: "gzip;q=0.5, br" gives "gzip;q=0.5". */
static oct_slice
next_item(oct_slice *list, char separator)
{
    const char *end = list->size == 0 ? NULL : memchr(list->data, separator, list->size);
    oct_slice   item = *list;

    if (end == NULL) {
        *list = (oct_slice){NULL, 0};
    } else {
        item.size = (size_t)(end - item.data);
        list->data = end + 1;
        list->size -= item.size + 1;
    }
    return trim(item);
}

/* RFC 9110, 12.5.3: a coding with q=0 is refused, "*" stands for what is not named. */
static bool
accepts_gzip(oct_slice list)
{
    bool named = false, by_name = false, by_star = false;

    while (list.size > 0) {
        oct_slice item = next_item(&list, ',');
        oct_slice coding = next_item(&item, ';');
        bool      wanted = true;

        while (item.size > 0) {
            oct_slice parameter = next_item(&item, ';');
            oct_slice name = next_item(&parameter, '=');

            if (is_word(name, "q")) {
                wanted = false;
                for (size_t i = 0; i < parameter.size; i++)
                    wanted = wanted || (parameter.data[i] >= '1' && parameter.data[i] <= '9');
            }
        }
        if (is_word(coding, "gzip") || is_word(coding, "x-gzip")) {
            named = true;
            by_name = wanted;
        } else if (is_word(coding, "*")) {
            by_star = wanted;
        }
    }
    return named ? by_name : by_star;
}

static const char *
known_method(unsigned method)
{
    switch (method) {
    case HTTP_GET:
        return "GET";
    case HTTP_HEAD:
        return "HEAD";
    case HTTP_POST:
        return "POST";
    case HTTP_PUT:
        return "PUT";
    case HTTP_PATCH:
        return "PATCH";
    case HTTP_DELETE:
        return "DELETE";
    case HTTP_OPTIONS:
        return "OPTIONS";
    default:
        return NULL;
    }
}

/* "http://host/path?q" is legal for any server (RFC 9112, 3.2.2); what counts is the path. */
static oct_slice
path_of_target(oct_slice target)
{
    const char *scheme_end;
    const char *path;

    if (target.size == 0 || target.data[0] == '/')
        return target;
    scheme_end = memmem(target.data, target.size, "://", 3);
    if (scheme_end == NULL)
        return target;
    target.size -= (size_t)(scheme_end + 3 - target.data);
    target.data = scheme_end + 3;
    path = memchr(target.data, '/', target.size);
    if (path == NULL)
        return (oct_slice){"/", 1};
    target.size -= (size_t)(path - target.data);
    target.data = path;
    return target;
}

/* Slices into request->text, which grows no more. */
static void
fill_slices(http1_parser *self)
{
    http1_request *request = self->request;
    const char    *text = request->text.data;

    request->target = path_of_target((oct_slice){text, self->target_size});
    for (int i = 0; i < HTTP1_HEADER_COUNT; i++) {
        if (!self->fields[i].is_given)
            continue;
        request->headers[i] = (oct_slice){"", 0};
        if (self->fields[i].size > 0)
            request->headers[i] = trim((oct_slice){text + self->fields[i].start, self->fields[i].size});
    }
}

static int
check_framing(http1_parser *self)
{
    const llhttp_t  *state = &self->state;
    const oct_slice *headers = self->request->headers;
    const oct_slice  coding = headers[HTTP1_TRANSFER_ENCODING];

    if (coding.data != NULL && self->request->is_http10)
        return refuse(self, 400, "Malformed HTTP request: HTTP/1.0 has no Transfer-Encoding");
    if (coding.data != NULL && !is_word(coding, "chunked"))
        return refuse(self, 501, "Transfer-Encoding: only \"chunked\" is supported");
    if ((state->flags & F_CONTENT_LENGTH) != 0 && state->content_length > self->options->body_bytes_max &&
        (self->options->is_upload == NULL ||
         !self->options->is_upload(self->request->method, self->request->target)))
        return refuse_size(self);
    return 0;
}

static int
choose_coding(http1_parser *self)
{
    const oct_slice coding = self->request->headers[HTTP1_CONTENT_ENCODING];

    if (coding.data == NULL || coding.size == 0 || is_word(coding, "identity"))
        self->coding = CODING_NONE;
    else if (is_word(coding, "gzip") || is_word(coding, "x-gzip"))
        self->coding = CODING_GZIP;
    else if (is_word(coding, "deflate"))
        self->coding = CODING_DEFLATE;
    else
        return refuse(self, 415, "Content-Encoding: only gzip, deflate and identity are supported");
    return 0;
}

static int
on_headers_complete(llhttp_t *state)
{
    http1_parser  *self = state->data;
    http1_request *request = self->request;
    const char    *method = known_method(state->method);

    /* An offer to speak another protocol, such as "Upgrade: h2c", is declined by answering as usual. */
    state->upgrade = 0;
    if (method == NULL)
        return refuse(self, 405, "Method %s is not supported",
                      llhttp_method_name((llhttp_method_t)state->method));
    if (state->http_major != 1 || state->http_minor > 1)
        return refuse(self, 505, "HTTP version %u.%u is not supported, use HTTP/1.1",
                      (unsigned)state->http_major, (unsigned)state->http_minor);
    fill_slices(self);
    request->method = slice_of(method);
    request->is_head = state->method == HTTP_HEAD;
    request->is_options = state->method == HTTP_OPTIONS;
    request->is_http10 = state->http_minor == 0;
    request->keep_alive = llhttp_should_keep_alive(state) != 0;
    request->accepts_gzip = accepts_gzip(request->headers[HTTP1_ACCEPT_ENCODING]);
    if (request->target.size == 0 || (request->target.data[0] != '/' && !slice_is(request->target, "*")))
        return refuse(self, 400, "Malformed HTTP request: the target must begin with \"/\"");
    if (!request->is_http10 && request->headers[HTTP1_HOST].data == NULL)
        return refuse(self, 400, "Malformed HTTP request: HTTP/1.1 needs a Host header");
    if (check_framing(self) != 0 || choose_coding(self) != 0)
        return -1;
    if (request->headers[HTTP1_EXPECT].data != NULL && !request->is_http10) {
        if (!is_word(request->headers[HTTP1_EXPECT], "100-continue"))
            return refuse(self, 417, "Expect: only \"100-continue\" is supported");
        request->expects_continue = true;
    }
    request->is_filled = true;
    if ((state->flags & F_CHUNKED) == 0 && state->content_length == 0)
        return 0; /* no body: on_message_complete is next, without a pause */
    self->phase = HTTP1_IN_BODY;
    self->body_announced = (state->flags & F_CHUNKED) == 0 ? state->content_length : 0;
    self->head_is_due = true;
    return HPE_PAUSED;
}

static int
on_message_complete(llhttp_t *state)
{
    http1_parser  *self = state->data;
    http1_request *request = self->request;

    if (self->inflater != NULL && !self->inflate_ended)
        return refuse(self, 400, "Request body: the compressed data ends too early");
    end_inflater(self);
    request->body = (oct_slice){request->content.data, request->content.size};
    if (request->body.data == NULL)
        request->body.data = "";
    self->whole_is_due = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* --- the pull loop --------------------------------------------------------------------------- */

void
http1_parser_init(http1_parser *self, const http1_options *options)
{
    memset(self, 0, sizeof *self);
    llhttp_init(&self->state, HTTP_REQUEST, &settings);
    self->state.data = self;
    self->options = options;
    self->field = -1;
}

void
http1_parser_clear(http1_parser *self)
{
    end_inflater(self);
}

void
http1_sink_body(http1_parser *self, http1_sink sink, void *context)
{
    if (self->coding != CODING_NONE) /* unpacked in memory then, within the limit */
        return;
    self->sink = sink;
    self->sink_context = context;
}

void
http1_drop_body(http1_parser *self)
{
    self->drops_body = true;
}

/* What llhttp found wrong, as an answer. */
static http1_event
explain(http1_parser *self, llhttp_errno_t problem, unsigned char culprit)
{
    const char *reason = llhttp_get_error_reason(&self->state);

    if (problem == HPE_PAUSED_H2_UPGRADE)
        (void)refuse(self, 505, "HTTP/2 is not spoken on this port, use HTTP/1.1");
    if (self->head_bytes == 0 && culprit == 0x16) /* begins a TLS handshake */
        (void)refuse(self, 400,
                     "Malformed HTTP request: this looks like TLS, but the port speaks plain HTTP");
    (void)refuse(self, 400, "Malformed HTTP request: %s",
                 reason == NULL || reason[0] == '\0' ? "bad syntax" : reason);
    end_inflater(self);
    return HTTP1_ERROR;
}

http1_event
http1_parse(http1_parser *self, http1_request *request, const char *data, size_t size, size_t *used)
{
    *used = 0;
    self->request = request;
    if (self->error_status != 0)
        return HTTP1_ERROR;
    while (*used < size || self->is_paused) {
        const char    *at = size == 0 ? "" : data + *used;
        const bool     in_body = self->phase == HTTP1_IN_BODY;
        size_t         step = size_min(size - *used, EXECUTE_BYTES_MAX), taken;
        llhttp_errno_t problem;

        if (self->is_paused)
            llhttp_resume(&self->state);
        self->is_paused = false;
        /* One byte above the limit is enough to know. */
        if (!in_body)
            step = size_min(step, HTTP1_HEAD_BYTES_MAX + 1 - (size_t)self->head_bytes);
        problem = llhttp_execute(&self->state, at, step);
        taken = problem == HPE_OK ? step : (size_t)(llhttp_get_error_pos(&self->state) - at);
        *used += taken;
        if (in_body)
            self->body_wire_bytes += taken;
        else
            self->head_bytes += taken;
        if (self->head_bytes > HTTP1_HEAD_BYTES_MAX) {
            (void)refuse(self, 431, "Request head is longer than %u bytes", HTTP1_HEAD_BYTES_MAX);
            return HTTP1_ERROR;
        }

        if (problem == HPE_PAUSED && self->whole_is_due) {
            self->whole_is_due = false;
            self->is_paused = true;
            self->phase = HTTP1_IN_IDLE;
            self->head_bytes = 0;
            self->target_size = 0;
            return HTTP1_REQUEST;
        }
        if (problem == HPE_PAUSED && self->head_is_due) {
            self->head_is_due = false;
            self->is_paused = true;
            return HTTP1_HEAD;
        }
        if (problem != HPE_OK)
            return explain(self, problem, taken < step ? (unsigned char)at[taken] : 0);
        if (self->body_wire_bytes > FRAMING_FREE + (uint64_t)(1 + FRAMING_FACTOR) * self->body_raw_bytes) {
            (void)refuse(self, 400, "Malformed HTTP request: too much framing around the chunks of the body");
            return HTTP1_ERROR;
        }
    }
    return HTTP1_MORE;
}
