/* REST over HTTP/2: a stream's request as the bytes of HTTP/1.1, and an answer of HTTP/1.1 as frames. See h2.h.
 *
 * WHY      HTTP/1.1 is parsed, checked and limited in one place (http1_parse.c) and answered in one (http1_answer.c). A second
 *          reader of methods, lengths, encodings and uploads would differ from it some day. To write a head as text and
 *          parse it again costs a microsecond.
 * SAFE     What could end a line cannot come: nghttp2 refuses field values with control characters, names that are no lower-case
 *          tokens, paths with blanks, headers that belong to a connection, and bodies of another length than announced.
 *          Whoever parses must still find exactly one request in it (server/rest.c).
 */
#include <stdio.h>

#include "protocol/h2_internal.h"

#define ANSWER_HEADERS_MAX 24u /* a head has 12 at most */
#define CHUNK_HEAD_MAX     24u

/* --- requests ------------------------------------------------------------------------------------------- */

/* `text` keeps three pseudo headers, whose room is taken once; `content` collects the lines of the others. */
static bool
keep(h2_call *call, oct_slice value, oct_slice *out)
{
    if (call->text.capacity == 0 && !buffer_reserve(&call->text, H2_METADATA_MAX))
        return false;
    if (call->text.size + value.size > call->text.capacity)
        return false;
    *out = (oct_slice){call->text.data + call->text.size, value.size};
    buffer_add(&call->text, value.data, value.size);
    return true;
}

bool
h2_rest_header(h2_call *call, oct_slice name, oct_slice value)
{
    if (slice_is(name, ":method"))
        return keep(call, value, &call->method);
    if (slice_is(name, ":path"))
        return keep(call, value, &call->path);
    if (slice_is(name, ":authority"))
        return keep(call, value, &call->authority);
    if (slice_is(name, ":scheme") || slice_is(name, "te"))
        return true;
    if (slice_is(name, "expect")) { /* answered by h2_continue, in frames of its own */
        call->waits = true;
        return true;
    }
    if (slice_is(name, "host") && call->authority.data != NULL)
        return true;
    if (slice_is(name, "content-length"))
        call->has_length = true;
    buffer_add(&call->content, name.data, name.size);
    buffer_add_text(&call->content, ": ");
    buffer_add(&call->content, value.data, value.size);
    buffer_add_text(&call->content, "\r\n");
    return !call->content.failed;
}

void
h2_rest_head(h2_session *self, h2_call *call, bool is_whole)
{
    buffer head = {0};

    call->is_chunked = !is_whole && !call->has_length;
    buffer_add(&head, call->method.data, call->method.size);
    buffer_add_text(&head, " ");
    buffer_add(&head, call->path.data, call->path.size);
    buffer_add_text(&head, " HTTP/1.1\r\n");
    if (call->authority.data != NULL) {
        buffer_add_text(&head, "host: ");
        buffer_add(&head, call->authority.data, call->authority.size);
        buffer_add_text(&head, "\r\n");
    }
    buffer_add(&head, call->content.data, call->content.size);
    buffer_add_text(&head, call->is_chunked ? "transfer-encoding: chunked\r\n\r\n" : "\r\n");
    buffer_clear(&call->content);
    if (head.failed || call->method.data == NULL || call->path.data == NULL)
        h2_reset(call, head.failed ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_REFUSED_STREAM);
    else
        self->hooks->on_bytes(self->context, call, head.data, head.size);
    buffer_clear(&head);
}

void
h2_rest_data(h2_session *self, h2_call *call, const char *data, size_t size)
{
    char head[CHUNK_HEAD_MAX];

    if (call->is_ignored || size == 0)
        return;
    if (call->is_chunked)
        self->hooks->on_bytes(self->context, call, head, (size_t)snprintf(head, sizeof head, "%zx\r\n", size));
    if (!call->is_ignored)
        self->hooks->on_bytes(self->context, call, data, size);
    if (call->is_chunked && !call->is_ignored)
        self->hooks->on_bytes(self->context, call, "\r\n", 2);
}

void
h2_rest_end(h2_session *self, h2_call *call)
{
    if (call->is_chunked && !call->is_ignored)
        self->hooks->on_bytes(self->context, call, "0\r\n\r\n", 5);
    if (!call->is_ignored)
        self->hooks->on_end(self->context, call);
}

void
h2_continue(h2_call *call)
{
    const nghttp2_nv list[1] = {h2_header(":status", "100", 3)};

    if (call->is_gone || call->is_answered || !call->waits)
        return;
    call->waits = false;
    (void)nghttp2_submit_headers(call->session->http, NGHTTP2_FLAG_NONE, call->stream, NULL, list, countof(list), NULL);
}

/* --- answers --------------------------------------------------------------------------------------------- */

ssize_t
h2_rest_body(nghttp2_session *http, int32_t stream, uint8_t *to, size_t size, uint32_t *flags,
             nghttp2_data_source *source, void *context)
{
    h2_call     *call = source->ptr;
    const size_t step = size_min(size, call->out.size - call->out_at);

    (void)http;
    (void)stream;
    (void)context;
    if (step > 0)
        memcpy(to, call->out.data + call->out_at, step);
    call->out_at += step;
    if (call->out_at < call->out.size)
        return (ssize_t)step;
    call->out.size = call->out_at = 0;
    if (!call->is_endless) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return (ssize_t)step;
    }
    if (step > 0)
        return (ssize_t)step; /* asked again when that has gone */
    call->is_deferred = true;
    call->session->hooks->on_room(call->session->context, call);
    return NGHTTP2_ERR_DEFERRED;
}

/* The next line of a head, without its end. False: the blank one. */
static bool
take_line(oct_slice *head, oct_slice *line)
{
    const char *end = head->size < 2 ? NULL : memchr(head->data, '\r', head->size - 1);

    if (end == NULL || end == head->data)
        return false;
    *line = (oct_slice){head->data, (size_t)(end - head->data)};
    head->size -= line->size + 2;
    head->data = end + 2;
    return true;
}

/* "name: value", and only what HTTP/2 has a place for. */
static bool
split_line(oct_slice line, nghttp2_nv *out)
{
    const char *colon = memchr(line.data, ':', line.size);
    const size_t name_size = colon == NULL ? 0 : (size_t)(colon - line.data);

    if (colon == NULL || line.size < name_size + 2 || slice_is((oct_slice){line.data, name_size}, "connection"))
        return false;
    *out = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)line.data,
                        .namelen = name_size,
                        .value = (uint8_t *)(uintptr_t)(colon + 2),
                        .valuelen = line.size - name_size - 2};
    return true;
}

void
h2_answer_text(h2_call *call, oct_slice head, oct_slice body, bool goes_on)
{
    const nghttp2_data_provider provider = {.source = {.ptr = call}, .read_callback = h2_rest_body};
    nghttp2_nv                  list[ANSWER_HEADERS_MAX];
    size_t                      count = 1;
    oct_slice                   line;

    if (call->is_gone || call->is_answered)
        return;
    call->is_answered = call->is_started = true;
    call->is_endless = goes_on;
    call->is_ignored = true;
    buffer_add(&call->out, body.data, body.size);
    /* "HTTP/1.1 200 OK" */
    if (call->out.failed || !take_line(&head, &line) || line.size < 12) {
        h2_reset(call, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    list[0] = h2_header(":status", line.data + 9, 3);
    while (count < countof(list) && take_line(&head, &line))
        count += split_line(line, &list[count]);
    if (nghttp2_submit_response(call->session->http, call->stream, list, count,
                                body.size > 0 || goes_on ? &provider : NULL) != 0)
        h2_reset(call, NGHTTP2_INTERNAL_ERROR);
}

void
h2_add_bytes(h2_call *call, oct_slice bytes, bool goes_on)
{
    if (call->is_gone)
        return;
    buffer_add(&call->out, bytes.data, bytes.size);
    call->is_endless = goes_on;
    if (call->out.failed)
        h2_break(call);
    else
        h2_resume(call);
}

void
h2_break(h2_call *call)
{
    if (!call->is_gone)
        h2_reset(call, NGHTTP2_INTERNAL_ERROR);
}
