/* See h2.h.
 *
 * ANSWERS  Three shapes: headers, data, trailers (what went well); headers that are trailers at once (what failed before
 *          any data); and of a stream headers, data as it comes, trailers. nghttp2 asks for data by read_body when the
 *          windows have room; `out` keeps the rest.
 */
#include <stdio.h>
#include <zlib.h>

#include "protocol/h2_internal.h"

#define GZIP_WINDOW     (15 + 16) /* zlib: the largest window, gzip's frame */
#define GZIP_LEVEL      1         /* answers are vectors and short texts: more effort saves little */
#define NUMBER_TEXT_MAX 24u

/* --- calls -------------------------------------------------------------------------------------------- */

static void
give_back(h2_call *call, _Atomic size_t *held_bytes)
{
    atomic_fetch_sub_explicit(held_bytes, call->held, memory_order_relaxed);
    call->held = 0;
}

static void
free_call(h2_call *call)
{
    buffer_clear(&call->text);
    buffer_clear(&call->content);
    buffer_clear(&call->unpacked);
    buffer_clear(&call->out);
    oct_free(call);
}

static void
unlink_call(h2_call *call)
{
    h2_session *self = call->session;

    if (call->newer == NULL)
        self->calls = call->older;
    else
        call->newer->older = call->older;
    if (call->older != NULL)
        call->older->newer = call->newer;
    self->call_count--;
    give_back(call, self->options->held_bytes);
    call->is_gone = true;
    call->session = NULL;
}

void
h2_release(h2_call *call)
{
    call->is_held = false;
    if (call->is_gone)
        free_call(call);
}

/* Room for `size` more bytes of a message, within what all may hold. */
static bool
hold(h2_call *call, size_t size)
{
    const h2_options *options = call->session->options;
    const size_t      before = atomic_fetch_add_explicit(options->held_bytes, size, memory_order_relaxed);

    call->held += size;
    return before <= options->held_bytes_max && size <= options->held_bytes_max - before;
}

/* --- answers ------------------------------------------------------------------------------------------ */

nghttp2_nv
h2_header(const char *name, const char *value, size_t size)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = size,
                        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

/* What may stand in a header stands; the rest as %XX. A text that is cut is cut between characters. */
static void
percent_code(h2_call *call, oct_slice text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t            size = size_min(text.size, H2_DETAILS_MAX);

    while (size < text.size && size > 0 && ((unsigned char)text.data[size] & 0xC0) == 0x80)
        size--;
    call->trailer_size = 0;
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)text.data[i];

        if (c >= ' ' && c <= '~' && c != '%') {
            call->trailer[call->trailer_size++] = (char)c;
        } else {
            call->trailer[call->trailer_size++] = '%';
            call->trailer[call->trailer_size++] = digits[c >> 4];
            call->trailer[call->trailer_size++] = digits[c & 15];
        }
    }
}

/* Status and its kin, for trailers or for headers that are trailers. */
static size_t
add_trailers(h2_call *call, nghttp2_nv *list, char status[NUMBER_TEXT_MAX], char retry[NUMBER_TEXT_MAX])
{
    size_t count = 0;

    list[count++] =
        h2_header("grpc-status", status, (size_t)snprintf(status, NUMBER_TEXT_MAX, "%d", call->status));
    if (call->trailer_size > 0)
        list[count++] = h2_header("grpc-message", call->trailer, call->trailer_size);
    if (call->retry_after > 0)
        list[count++] =
            h2_header("retry-after", retry, (size_t)snprintf(retry, NUMBER_TEXT_MAX, "%u", call->retry_after));
    if (call->is_out_of_space)
        list[count++] = h2_header("qdrant-insufficient-storage", "1", 1);
    return count;
}

static ssize_t
read_body(nghttp2_session *http, int32_t stream, uint8_t *to, size_t size, uint32_t *flags,
          nghttp2_data_source *source, void *context)
{
    h2_call     *call = source->ptr;
    const size_t step = size_min(size, call->out.size - call->out_at);
    char         status[NUMBER_TEXT_MAX], retry[NUMBER_TEXT_MAX];
    nghttp2_nv   list[4];

    (void)context;
    if (step > 0)
        memcpy(to, call->out.data + call->out_at, step);
    call->out_at += step;
    if (call->out_at < call->out.size)
        return (ssize_t)step;
    call->out.size = call->out_at = 0;
    if (!call->is_answered) {
        call->is_deferred = step == 0;
        return step == 0 ? NGHTTP2_ERR_DEFERRED : (ssize_t)step;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (nghttp2_submit_trailer(http, stream, list, add_trailers(call, list, status, retry)) != 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
    return (ssize_t)step;
}

void
h2_reset(h2_call *call, uint32_t code)
{
    (void)nghttp2_submit_rst_stream(call->session->http, NGHTTP2_FLAG_NONE, call->stream, code);
}

/* Headers, and behind them what `out` holds or will hold. */
static void
start(h2_call *call)
{
    const nghttp2_data_provider body = {.source = {.ptr = call}, .read_callback = read_body};
    nghttp2_nv                  list[4];
    size_t                      count = 0;

    if (call->is_started)
        return;
    call->is_started = true;
    list[count++] = h2_header(":status", "200", 3);
    list[count++] = h2_header("content-type", "application/grpc", 16);
    list[count++] = h2_header("grpc-accept-encoding", "identity,gzip", 13);
    if (call->is_packed)
        list[count++] = h2_header("grpc-encoding", "gzip", 4);
    if (nghttp2_submit_response(call->session->http, call->stream, list, count, &body) != 0)
        h2_reset(call, NGHTTP2_INTERNAL_ERROR);
}

static void
fail_at_once(h2_call *call)
{
    char       status[NUMBER_TEXT_MAX], retry[NUMBER_TEXT_MAX];
    nghttp2_nv list[8];
    size_t     count = 0;

    call->is_started = true;
    list[count++] = h2_header(":status", "200", 3);
    list[count++] = h2_header("content-type", "application/grpc", 16);
    count += add_trailers(call, list + count, status, retry);
    if (nghttp2_submit_response(call->session->http, call->stream, list, count, NULL) != 0)
        h2_reset(call, NGHTTP2_INTERNAL_ERROR);
}

/* Append the message, packed if that was agreed on and makes it smaller. */
static void
add_framed(h2_call *call, oct_slice message)
{
    buffer      *out = &call->out;
    const size_t start_at = out->size;
    z_stream     packer = {0};
    bool         is_packed = false;
    uint32_t     size = (uint32_t)message.size;

    if (!buffer_reserve(out, H2_PREFIX_BYTES + message.size))
        return;
    out->size += H2_PREFIX_BYTES;
    if (call->is_packed && message.size >= H2_PACK_BYTES_MIN &&
        deflateInit2(&packer, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK) {
        packer.next_in = (Bytef *)(uintptr_t)message.data;
        packer.avail_in = (uInt)message.size;
        packer.next_out = (Bytef *)out->data + out->size;
        packer.avail_out = (uInt)message.size; /* if it does not fit, it is not worth it */
        is_packed = deflate(&packer, Z_FINISH) == Z_STREAM_END;
        if (is_packed)
            size = (uint32_t)packer.total_out;
        (void)deflateEnd(&packer);
    }
    if (is_packed)
        out->size += size;
    else
        buffer_add(out, message.data, message.size);
    out->data[start_at] = is_packed;
    for (unsigned i = 0; i < 4; i++)
        out->data[start_at + 1 + i] = (char)(unsigned char)(size >> (24 - 8 * i));
}

void
h2_resume(h2_call *call)
{
    if (call->is_deferred) {
        call->is_deferred = false;
        (void)nghttp2_session_resume_data(call->session->http, call->stream);
    }
}

void
h2_add_message(h2_call *call, oct_slice message)
{
    if (call->is_gone || call->is_answered)
        return;
    add_framed(call, message);
    if (call->out.failed) {
        h2_reset(call, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    start(call);
    h2_resume(call);
}

void
h2_answer_call(h2_call *call, const h2_answer *answer)
{
    if (call->is_gone || call->is_answered)
        return;
    call->status = answer->status;
    call->retry_after = answer->retry_after;
    call->is_out_of_space = answer->is_out_of_space;
    percent_code(call, answer->details);
    if (answer->status == H2_OK && !call->is_stream)
        add_framed(call, answer->message);
    call->is_answered = true;
    if (call->out.failed) {
        h2_reset(call, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    if (answer->status != H2_OK && !call->is_started)
        fail_at_once(call);
    else
        start(call);
    h2_resume(call);
    /* A client that has not ended its half is told that it need not. */
    if (!call->has_ended)
        call->is_ignored = true;
    buffer_clear(&call->content);
    buffer_clear(&call->unpacked);
    give_back(call, call->session->options->held_bytes);
}

static void
fail(h2_call *call, int status, const char *text)
{
    const h2_answer answer = {.status = status, .details = slice_of(text)};

    call->is_ignored = true;
    h2_answer_call(call, &answer);
}

/* --- what comes in ------------------------------------------------------------------------------------- */

/* "1H", "250m": up to eight digits and a unit. Not understood: none. */
static uint64_t
timeout_of(oct_slice text)
{
    static const struct {
        char     unit;
        uint64_t ns;
    } units[] = {{'H', UINT64_C(3600000000000)},
                 {'M', UINT64_C(60000000000)},
                 {'S', 1000000000},
                 {'m', 1000000},
                 {'u', 1000},
                 {'n', 1}};
    uint64_t number = 0;

    if (text.size < 2 || text.size > 9)
        return 0;
    for (size_t i = 0; i + 1 < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    for (size_t i = 0; i < countof(units); i++)
        if (units[i].unit == text.data[text.size - 1])
            return number == 0 ? 1 : number * units[i].ns;
    return 0;
}

static int
on_begin_headers(nghttp2_session *http, const nghttp2_frame *frame, void *context)
{
    h2_session *self = context;
    h2_call    *call;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    call = oct_calloc(1, sizeof *call);
    if (call == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    call->session = self;
    call->stream = frame->hd.stream_id;
    call->older = self->calls;
    if (self->calls != NULL)
        self->calls->newer = call;
    self->calls = call;
    self->call_count++;
    (void)nghttp2_session_set_stream_user_data(http, call->stream, call);
    return 0;
}

/* Slices into `text` move while it grows, so its room is taken once. */
static int
on_header(nghttp2_session *http, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
          const uint8_t *value, size_t value_size, uint8_t flags, void *context)
{
    h2_session     *self = context;
    h2_call        *call = nghttp2_session_get_stream_user_data(http, frame->hd.stream_id);
    const oct_slice key = {(const char *)name, name_size};
    oct_slice       kept = {NULL, value_size};

    (void)flags;
    if (call == NULL || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    call->text_size += name_size + value_size + 32; /* as RFC 9113 counts them */
    if (call->text_size > H2_METADATA_MAX)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (self->options->is_rest)
        return h2_rest_header(call, key, (oct_slice){(const char *)value, value_size})
                   ? 0
                   : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (slice_is(key, ":method")) {
        call->is_bad_method =
            call->is_bad_method || !slice_is((oct_slice){(const char *)value, value_size}, "POST");
        return 0;
    }
    if (slice_is(key, "content-type")) {
        call->is_grpc = value_size >= 16 && memcmp(value, "application/grpc", 16) == 0;
        return 0;
    }
    if (slice_is(key, "grpc-timeout")) {
        call->timeout_ns = timeout_of((oct_slice){(const char *)value, value_size});
        return 0;
    }
    if (slice_is(key, "grpc-encoding")) {
        call->is_packed = value_size == 4 && memcmp(value, "gzip", 4) == 0;
        return 0;
    }
    if (!slice_is(key, ":path") && !slice_is(key, "api-key") && !slice_is(key, "authorization"))
        return 0;
    if (call->text.capacity == 0 && !buffer_reserve(&call->text, H2_METADATA_MAX / 8))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (call->text.size + value_size > call->text.capacity)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* a key or path of kilobytes */
    kept.data = call->text.data + call->text.size;
    buffer_add(&call->text, value, value_size);
    if (slice_is(key, ":path"))
        call->path = kept;
    else if (slice_is(key, "api-key"))
        call->api_key = kept;
    else
        call->authorization = kept;
    return 0;
}

static void
meet_head(h2_session *self, h2_call *call, bool is_whole)
{
    if (self->options->is_rest) {
        h2_rest_head(self, call, is_whole);
        return;
    }
    if (call->is_bad_method || !call->is_grpc) { /* no gRPC: HTTP's own words */
        const nghttp2_nv list[1] = {call->is_bad_method ? h2_header(":status", "405", 3)
                                                        : h2_header(":status", "415", 3)};

        call->is_ignored = call->is_answered = call->is_started = true;
        if (nghttp2_submit_response(self->http, call->stream, list, 1, NULL) != 0)
            h2_reset(call, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    self->hooks->on_head(self->context, call);
}

/* A message as it was before it was packed. */
static bool
unpack(h2_call *call, oct_slice packed)
{
    const size_t max = call->session->options->message_bytes_max;
    z_stream     unpacker = {.next_in = (Bytef *)(uintptr_t)packed.data, .avail_in = (uInt)packed.size};
    int          result = Z_OK;

    call->unpacked.size = 0;
    if (inflateInit2(&unpacker, GZIP_WINDOW) != Z_OK) {
        fail(call, H2_INTERNAL, "Service internal error: out of memory");
        return false;
    }
    while (result == Z_OK) {
        const size_t step = size_max(size_min(4 * packed.size, 1u << 20), 4096);

        if (call->unpacked.size > max || !hold(call, step) || !buffer_reserve(&call->unpacked, step))
            break;
        unpacker.next_out = (Bytef *)call->unpacked.data + call->unpacked.size;
        unpacker.avail_out = (uInt)step;
        result = inflate(&unpacker, Z_NO_FLUSH);
        call->unpacked.size += step - unpacker.avail_out;
        if (result == Z_OK && unpacker.avail_in == 0 && unpacker.avail_out > 0)
            result = Z_DATA_ERROR; /* the end is missing */
    }
    (void)inflateEnd(&unpacker);
    if (result == Z_STREAM_END && call->unpacked.size <= max)
        return true;
    if (result == Z_OK || call->unpacked.size > max)
        fail(call, H2_RESOURCE_EXHAUSTED, "the message is too large when unpacked");
    else
        fail(call, H2_INTERNAL, "the message is said to be gzip, but cannot be unpacked");
    return false;
}

/* The next whole message of `content`, from *at on. False: none yet, or the call has failed. */
static bool
take_message(h2_call *call, size_t *at)
{
    const unsigned char *prefix;
    uint64_t             size;
    char                 text[96];

    if (call->is_ignored || call->content.size - *at < H2_PREFIX_BYTES)
        return false;
    prefix = (const unsigned char *)call->content.data + *at;
    size = (uint64_t)prefix[1] << 24 | (uint64_t)prefix[2] << 16 | (uint64_t)prefix[3] << 8 | prefix[4];
    if (size > call->session->options->message_bytes_max) {
        (void)snprintf(text, sizeof text, "the message has %llu bytes; at most %zu are taken",
                       (unsigned long long)size, call->session->options->message_bytes_max);
        fail(call, H2_RESOURCE_EXHAUSTED, text);
        return false;
    }
    if (prefix[0] > 1 || (prefix[0] == 1 && !call->is_packed)) {
        fail(call, prefix[0] > 1 ? H2_INTERNAL : H2_UNIMPLEMENTED,
             prefix[0] > 1 ? "the first byte of a message must be 0 or 1"
                           : "the message is compressed, but not by gzip (grpc-encoding)");
        return false;
    }
    if (call->content.size - *at - H2_PREFIX_BYTES < size)
        return false;
    call->message = (oct_slice){(const char *)prefix + H2_PREFIX_BYTES, (size_t)size};
    *at += H2_PREFIX_BYTES + (size_t)size;
    call->message_count++;
    if (prefix[0] == 1) {
        if (!unpack(call, call->message))
            return false;
        call->message =
            (oct_slice){call->unpacked.data == NULL ? "" : call->unpacked.data, call->unpacked.size};
    }
    return true;
}

static void
take_stream_messages(h2_session *self, h2_call *call)
{
    size_t at = 0;

    while (!call->is_answered && take_message(call, &at))
        self->hooks->on_call(self->context, call);
    if (call->is_answered || call->content.size == 0)
        return;
    memmove(call->content.data, call->content.data + at, call->content.size - at);
    call->content.size -= at;
}

static int
on_data(nghttp2_session *http, uint8_t flags, int32_t stream, const uint8_t *data, size_t size, void *context)
{
    h2_session *self = context;
    h2_call    *call = nghttp2_session_get_stream_user_data(http, stream);
    size_t      at = 0;

    (void)flags;
    if (call == NULL || call->is_ignored)
        return 0;
    if (self->options->is_rest) {
        h2_rest_data(self, call, (const char *)data, size);
        return 0;
    }
    if (!hold(call, size)) {
        fail(call, H2_UNAVAILABLE, "too many bytes of requests are held; try again");
        return 0;
    }
    buffer_add(&call->content, data, size);
    if (call->content.failed) {
        fail(call, H2_INTERNAL, "Service internal error: out of memory");
        return 0;
    }
    if (call->is_stream) {
        take_stream_messages(self, call);
    } else if (call->content.size >= H2_PREFIX_BYTES) { /* too large is told before all of it has come */
        const unsigned char *prefix = (const unsigned char *)call->content.data;
        const uint64_t       said =
            (uint64_t)prefix[1] << 24 | (uint64_t)prefix[2] << 16 | (uint64_t)prefix[3] << 8 | prefix[4];

        if (said > self->options->message_bytes_max)
            (void)take_message(call, &at);
        else if (call->content.size > said + H2_PREFIX_BYTES)
            fail(call, H2_INTERNAL, "this method takes one message, but there is more");
    }
    return 0;
}

static void
meet_end(h2_session *self, h2_call *call)
{
    size_t at = 0;

    call->has_ended = true;
    if (call->is_ignored || call->is_answered)
        return;
    if (self->options->is_rest) {
        h2_rest_end(self, call);
        return;
    }
    if (call->is_stream) {
        self->hooks->on_end(self->context, call);
        return;
    }
    if (take_message(call, &at))
        self->hooks->on_call(self->context, call);
    else if (!call->is_answered)
        fail(call, H2_INTERNAL, "the call ended before its message was whole");
}

static int
on_frame(nghttp2_session *http, const nghttp2_frame *frame, void *context)
{
    h2_session *self = context;
    h2_call    *call;

    if (frame->hd.type == NGHTTP2_SETTINGS)
        self->is_up = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    call = nghttp2_session_get_stream_user_data(http, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        meet_head(self, call, (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        meet_end(self, call);
    return 0;
}

/* An answer that is out while the client still sends: the stream is closed without an error. */
static int
on_sent(nghttp2_session *http, const nghttp2_frame *frame, void *context)
{
    h2_call *call;

    (void)context;
    if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    call = nghttp2_session_get_stream_user_data(http, frame->hd.stream_id);
    if (call != NULL && !call->has_ended)
        h2_reset(call, NGHTTP2_NO_ERROR);
    return 0;
}

static int
on_close(nghttp2_session *http, int32_t stream, uint32_t code, void *context)
{
    h2_session *self = context;
    h2_call    *call = nghttp2_session_get_stream_user_data(http, stream);

    (void)code;
    if (call == NULL)
        return 0;
    (void)nghttp2_session_set_stream_user_data(http, stream, NULL);
    unlink_call(call);
    self->hooks->on_gone(self->context, call);
    if (!call->is_held)
        free_call(call);
    return 0;
}

/* --- the session ------------------------------------------------------------------------------------------- */

/* nghttp2's own memory too can be made to fail. */
static void *
take(size_t size, void *context)
{
    (void)context;
    return oct_alloc(size);
}

static void *
take_zeroed(size_t count, size_t size, void *context)
{
    (void)context;
    return oct_calloc(count, size);
}

static void *
take_more(void *memory, size_t size, void *context)
{
    (void)context;
    return memory == NULL ? oct_alloc(size) : oct_realloc(memory, size);
}

static void
give(void *memory, void *context)
{
    (void)context;
    oct_free(memory);
}

static bool
make_session(h2_session *self, nghttp2_option *option, nghttp2_session_callbacks *calls)
{
    static nghttp2_mem memory = {NULL, take, give, take_zeroed, take_more};

    nghttp2_option_set_stream_reset_rate_limit(option, H2_RESET_BURST, H2_RESETS_PER_SECOND);
    nghttp2_option_set_max_continuations(option, H2_CONTINUATIONS_MAX);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(calls, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);
    return nghttp2_session_server_new3(&self->http, calls, self, option, &memory) == 0;
}

oct_status
h2_new(const h2_options *options, const h2_hooks *hooks, void *context, h2_session **out, oct_error *error)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_METADATA_MAX}};
    h2_session                *self = oct_calloc(1, sizeof *self);
    nghttp2_session_callbacks *calls = NULL;
    nghttp2_option            *option = NULL;
    bool                       is_made;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    self->options = options;
    self->hooks = hooks;
    self->context = context;
    is_made = nghttp2_option_new(&option) == 0 && nghttp2_session_callbacks_new(&calls) == 0 &&
              make_session(self, option, calls);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(calls);
    if (!is_made ||
        nghttp2_submit_settings(self->http, NGHTTP2_FLAG_NONE, settings, countof(settings)) != 0 ||
        nghttp2_session_set_local_window_size(self->http, NGHTTP2_FLAG_NONE, 0, (int32_t)H2_SESSION_WINDOW) !=
            0) {
        h2_free(self);
        return oct_fail_memory(error, sizeof *self);
    }
    *out = self;
    return OCT_OK;
}

void
h2_free(h2_session *self)
{
    if (self == NULL)
        return;
    while (self->calls != NULL) {
        h2_call *call = self->calls;

        unlink_call(call);
        self->hooks->on_gone(self->context, call);
        if (!call->is_held)
            free_call(call);
    }
    nghttp2_session_del(self->http);
    oct_free(self);
}

bool
h2_receive(h2_session *self, const char *data, size_t size)
{
    return nghttp2_session_mem_recv(self->http, (const uint8_t *)data, size) == (ssize_t)size;
}

bool
h2_send(h2_session *self, buffer *out, size_t limit)
{
    while (out->size < limit) {
        const uint8_t *data;
        const ssize_t  size = nghttp2_session_mem_send(self->http, &data);

        if (size < 0)
            return false;
        if (size == 0)
            break;
        buffer_add(out, data, (size_t)size);
    }
    return !out->failed;
}

bool
h2_is_over(h2_session *self)
{
    if (self->is_draining && self->call_count == 0 && nghttp2_session_want_write(self->http) == 0)
        return true;
    return nghttp2_session_want_read(self->http) == 0 && nghttp2_session_want_write(self->http) == 0;
}

size_t
h2_call_count(const h2_session *self)
{
    return self->call_count;
}

bool
h2_is_up(const h2_session *self)
{
    return self->is_up;
}

void
h2_drain(h2_session *self)
{
    if (self->is_draining)
        return;
    self->is_draining = true;
    (void)nghttp2_submit_goaway(self->http, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(self->http), NGHTTP2_NO_ERROR, NULL,
                                0);
}
