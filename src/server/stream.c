/* One client's socket, whatever is spoken over it: what connection.c and rpc.c have in common.
 *
 * WRITING  Most answers fit the socket's buffer and are gone with one system call (stream_send tries at once). What the
 *          socket does not take waits in a write of libuv's, which owns the bytes meanwhile; on_room tells when they
 *          have gone. Whoever asks for more work looks at stream_unsent first.
 * CLOSING  stream_close, from anywhere; on_closed comes later, from the loop, and only then may the memory go.
 */
#include "server/stream.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "server/server_internal.h"

/* One uv_write, with what it must keep alive. */
typedef struct write_op {
    uv_write_t  request;
    buffer      text;
    stream_body body;
} write_op;

static uv_stream_t *
uv_of(stream *self)
{
    return (uv_stream_t *)&self->handle;
}

/* --- coming and going ------------------------------------------------------------------------ */

bool
stream_open(stream *self, struct loop *home, const stream_hooks *hooks)
{
    if (uv_tcp_init(&home->uv, &self->handle) != 0)
        return false;
    self->loop = home;
    self->hooks = hooks;
    stream_restart(self);
    return true;
}

static void
on_closed(uv_handle_t *handle)
{
    stream *self = (stream *)handle;

    self->is_closed = true;
    self->hooks->on_closed(self);
}

void
stream_close(stream *self)
{
    if (self->is_closing)
        return;
    self->is_closing = true;
    self->is_reading = false;
    uv_close((uv_handle_t *)&self->handle, on_closed);
}

bool
stream_take_over(stream *self, stream *from)
{
    uv_os_fd_t descriptor;
    int        copy;

    if (uv_fileno((uv_handle_t *)&from->handle, &descriptor) != 0)
        return false;
    copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return false;
    if (uv_tcp_open(&self->handle, copy) != 0) {
        (void)close(copy);
        return false;
    }
    stream_close(from);
    return true;
}

/* --- writing --------------------------------------------------------------------------------- */

size_t
stream_unsent(const stream *self)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&self->handle);
}

static void
free_op(write_op *op)
{
    buffer_clear(&op->text);
    buffer_clear(&op->body.packed);
    if (op->body.has_answer)
        oct_api_response_clear(&op->body.answer);
    oct_free(op);
}

static void
on_written(uv_write_t *request, int status)
{
    stream *self = (stream *)request->handle;

    free_op((write_op *)request);
    if (status != 0)
        stream_close(self);
    if (!self->is_closing)
        self->hooks->on_room(self);
}

/* Leave to libuv what the socket did not take. */
static void
send_later(stream *self, buffer *text, stream_body *body, uv_buf_t *parts, unsigned count, size_t sent)
{
    write_op *op = oct_calloc(1, sizeof *op);

    if (op == NULL) {
        stream_close(self);
        return;
    }
    op->text = *text;
    *text = (buffer){0};
    if (body != NULL) {
        op->body = *body;
        *body = (stream_body){.has_answer = false};
    }
    while (sent >= parts->len) {
        sent -= parts->len;
        parts++;
        count--;
    }
    parts->base += sent;
    parts->len -= sent;
    if (uv_write(&op->request, uv_of(self), parts, count, on_written) != 0) {
        free_op(op);
        stream_close(self);
    }
}

void
stream_send(stream *self, buffer *text, oct_slice behind, stream_body *body)
{
    const size_t total = text->size + behind.size;
    uv_buf_t     parts[2];
    unsigned     count = 0;
    int          sent = 0;

    if (text->failed) {
        stream_close(self); /* an answer was cut short for want of memory */
        return;
    }
    if (text->size > 0)
        parts[count++] = (uv_buf_t){.base = text->data, .len = text->size};
    if (behind.size > 0)
        parts[count++] = (uv_buf_t){.base = (char *)(uintptr_t)behind.data, .len = behind.size};
    if (count == 0 || self->is_closing)
        return;
    if (stream_unsent(self) == 0) {
        sent = uv_try_write(uv_of(self), parts, count);
        if (sent == UV_EAGAIN)
            sent = 0;
        if (sent < 0) {
            stream_close(self);
            return;
        }
    }
    if ((size_t)sent < total)
        send_later(self, text, body, parts, count, (size_t)sent);
    else if (text->capacity > OUTPUT_KEPT_MAX)
        buffer_clear(text);
    text->size = 0;
}

bool
stream_shut(stream *self)
{
    return uv_shutdown(&self->shutdown, uv_of(self), NULL) == 0;
}

/* --- reading --------------------------------------------------------------------------------- */

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    loop *home = ((stream *)handle)->loop;

    (void)suggested;
    *out = (uv_buf_t){.base = home->input, .len = sizeof home->input};
}

static void
on_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *bytes)
{
    stream *self = (stream *)handle;

    if (size == 0 || self->is_closing)
        return;
    if (size < 0 && size != UV_EOF) {
        stream_close(self);
        return;
    }
    if (size < 0) {
        self->has_ended = true;
        self->is_reading = false; /* libuv stops by itself */
        size = 0;
    }
    self->hooks->on_read(self, bytes->base, (size_t)size);
}

void
stream_read(stream *self, bool wanted)
{
    wanted = wanted && !self->has_ended;
    if (wanted == self->is_reading || self->is_closing)
        return;
    self->is_reading = wanted;
    if (!wanted)
        (void)uv_read_stop(uv_of(self));
    else if (uv_read_start(uv_of(self), on_alloc, on_read) != 0)
        stream_close(self);
}

stream_peer
stream_look(const stream *self)
{
    struct pollfd asked = {.events = POLLRDHUP};
    uv_os_fd_t    fd;

    if (self->is_closing || uv_fileno((const uv_handle_t *)&self->handle, &fd) != 0)
        return STREAM_THERE;
    asked.fd = fd;
    if (poll(&asked, 1, 0) <= 0)
        return STREAM_THERE;
    return (asked.revents & (POLLERR | POLLHUP)) != 0 ? STREAM_GONE : STREAM_HALF;
}

/* --- time ------------------------------------------------------------------------------------ */

void
stream_restart(stream *self)
{
    self->since = self->loop->ticks;
}

bool
stream_is_past(const stream *self, int64_t seconds)
{
    return (uint64_t)(self->loop->ticks - self->since) * TICK_MS >= (uint64_t)seconds * 1000 + TICK_MS;
}

bool
stream_waits(stream *self)
{
    const size_t unsent = stream_unsent(self);

    if (unsent > 0 && unsent != self->unsent_seen)
        stream_restart(self);
    else if (unsent > 0 && stream_is_past(self, SEND_STALL_S))
        stream_close(self);
    self->unsent_seen = unsent;
    return unsent > 0;
}
