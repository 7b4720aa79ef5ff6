/* One client of gRPC, or of REST over HTTP/2 (rest.c has what differs). See server.h; protocol/h2.h has the framing, api/
 * what a call means.
 *
 *      on_read -> h2_receive -> (on_head: judge) (on_call: queue) -> advance -+-> run: here, or by a worker
 *                                                                             +-> flush: one write for all that is due
 *                                                                             +-> settle: read on, or close
 *
 * Calls are run in the order in which they came whole, short reads on the loop's own thread, writes and what may take
 * long by workers, whose answers come back by rpc_done in any order. A call whose client has left (RST_STREAM, or the
 * connection is closed), or whose time is over, is not begun; a read that a worker has begun stops at its next look at the
 * clock (base/deadline.h). Writes are finished.
 *
 * CLOSING  As connection.c: stream_close first; memory goes when the socket is closed and no worker holds a call.
 */
#include "server/server_internal.h"

#include "os/os.h"
#include "protocol/h2.h"

#define RPC_KEEP_ALIVE_S 60u          /* of TCP: a peer that vanished is found out */
#define RPC_SEND_BYTES   (256u << 10) /* of frames, made at a time */
#define RPC_STALL_S      60u          /* a call that has begun to come and comes no further */
#define REST_IDLE_S_MIN  75           /* not the few seconds of HTTP/1.1: a client has one connection for all it does, and a
                                       * stream that it opens while GOAWAY is on its way is lost to simple clients */

static void advance(rpc_connection *self);

/* --- coming and going ---------------------------------------------------------------------------- */

static void
release(rpc_connection *self)
{
    loop *home = self->io.loop;

    if (self->previous == NULL)
        home->rpcs = self->next;
    else
        self->previous->next = self->next;
    if (self->next != NULL)
        self->next->previous = self->previous;
    rpc_drop_ready(home, self);
    h2_free(self->h2);
    buffer_clear(&self->output);
    atomic_fetch_sub_explicit(&home->owner->connection_count, 1, memory_order_relaxed);
    oct_free(self);
    loop_connection_gone(home);
}

static void
on_closed(stream *io)
{
    rpc_connection *self = (rpc_connection *)io;

    h2_free(self->h2); /* by on_gone, workers hear that nobody waits */
    self->h2 = NULL;
    if (self->running == 0)
        release(self);
}

/* Give the socket what the session has for it, as long as the socket takes it. */
static void
flush(rpc_connection *self)
{
    while (!self->io.is_closing && stream_unsent(&self->io) == 0) {
        if (!h2_send(self->h2, &self->output, RPC_SEND_BYTES))
            self->has_failed = true;
        if (self->output.size == 0 && !self->output.failed)
            return;
        stream_send(&self->io, &self->output, (oct_slice){NULL, 0}, NULL);
    }
}

/* --- running ------------------------------------------------------------------------------------------ */

static void
refuse(h2_call *call, int status, const char *text)
{
    const h2_answer answer = {.status = status, .details = slice_of(text)};

    h2_answer_call(call, &answer);
}

static void
log_answer(const h2_call *call, const oct_grpc_response *answer)
{
    const bool      has_failed = answer->status == OCT_GRPC_INTERNAL;
    const log_level level = has_failed ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG;

    if (log_line_is_on(level))
        log_line(level, "gRPC %.*s -> %d%s%.*s", (int)size_min(call->path.size, 300), call->path.data,
                 answer->status, has_failed ? ": " : "",
                 has_failed ? (int)size_min(answer->details.size, 600) : 0,
                 answer->details.size == 0 ? "" : answer->details.data);
}

/* False: it would take longer than `patience_ns` (0: it may); nothing has happened. `trial` is NULL for a call that must not
 * stop halfway. */
static bool
call_now(oct_database *database, const h2_call *call, const _Atomic bool *left, deadline_trial *trial, uint64_t patience_ns,
         oct_grpc_response *answer, uint64_t *took_ns)
{
    const oct_grpc_request request = {call->path, call->message};
    const uint64_t         start = os_clock_ns(os_posix());

    bool                   is_put_off;

    deadline_enter(trial == NULL ? 0 : call->deadline_ns, trial == NULL ? NULL : left);
    if (trial != NULL)
        deadline_try(trial, patience_ns);
    oct_grpc_call(database, &request, answer);
    is_put_off = deadline_is_put_off() && answer->status == OCT_GRPC_DEADLINE_EXCEEDED;
    deadline_leave();
    *took_ns = os_clock_ns(os_posix()) - start;
    if (is_put_off)
        oct_grpc_response_clear(answer);
    else
        log_answer(call, answer);
    return !is_put_off;
}

static void
answer(h2_call *call, oct_grpc_response *response)
{
    const h2_answer given = {
        .status = response->status,
        .message = response->message,
        .details = response->details,
        .retry_after = response->retry_after,
        .is_out_of_space = response->is_out_of_space,
    };

    h2_answer_call(call, &given);
    oct_grpc_response_clear(response);
}

/* On a worker's thread. The session may be gone meanwhile; the call is not, as it is held. */
static void
work(void *context)
{
    rpc_job        *job = context;
    server         *owner = job->owner->io.loop->owner;
    deadline_trial *trial = job->kind.is_write ? NULL : &job->trial;

    if (!call_now(owner->database, job->call, &job->left, trial, job->is_last_try ? 0 : POOL_PATIENCE_NS, &job->answer,
                  &job->took_ns)) {
        job->is_last_try = true;
        if (workers_submit(owner->patient, work, job))
            return;
        (void)call_now(owner->database, job->call, &job->left, trial, 0, &job->answer, &job->took_ns);
    }
    rpc_hand_back(job->owner->io.loop, job);
}

static void
submit(rpc_connection *self, h2_call *call, request_class kind, uint32_t key, uint64_t paid)
{
    rpc_job *job = oct_calloc(1, sizeof *job);

    if (job != NULL) {
        *job = (rpc_job){.owner = self, .call = call, .kind = kind, .pace_key = key, .trial.paid = paid};
        call->is_held = true;
        call->work = job;
        self->running++;
        if (workers_submit(self->io.loop->owner->pool, work, job))
            return;
        self->running--;
        call->is_held = false;
        call->work = NULL;
        oct_free(job);
    }
    refuse(call, OCT_GRPC_INTERNAL, "Service internal error: out of memory");
}

static request_class
class_of(oct_slice path)
{
    const char *method, *pattern;

    if (!oct_grpc_method_route(path, &method, &pattern))
        return (request_class){.is_long = false, .is_write = true};
    return request_class_of(slice_of(method), slice_of(pattern));
}

/* Every request names its collection first: field 1, as bytes. */
static oct_slice
collection_of(oct_slice message)
{
    const unsigned char *bytes = (const unsigned char *)message.data;

    if (message.size < 2 || bytes[0] != 0x0A || bytes[1] > 0x7F || message.size - 2 < bytes[1])
        return (oct_slice){NULL, 0};
    return (oct_slice){message.data + 2, bytes[1]};
}

static void
run(rpc_connection *self, h2_call *call)
{
    static const _Atomic bool stays; /* while the loop works, it hears of nobody who leaves */
    const request_class       kind = class_of(call->path);
    const uint32_t            key = pace_key(call->path, collection_of(call->message));
    pace                     *learned = &self->io.loop->pace;
    deadline_trial            trial = {0};
    oct_grpc_response         response;
    uint64_t                  took_ns;
    bool                      is_called;

    if (self->is_rest) {
        rest_run(self, call);
        return;
    }
    if (call->deadline_ns != 0 && os_clock_ns(os_posix()) >= call->deadline_ns) {
        refuse(call, OCT_GRPC_DEADLINE_EXCEEDED, "Timeout: the deadline passed before the call was begun");
        return;
    }
    if (kind.is_long || call->message.size > LOOP_BODY_MAX || pace_is_slow(learned, key)) {
        submit(self, call, kind, key, 0);
        return;
    }
    is_called = call_now(self->io.loop->owner->database, call, &stays, kind.is_write ? NULL : &trial, LOOP_PATIENCE_NS,
                         &response, &took_ns);
    pace_note(learned, key, took_ns);
    if (is_called)
        answer(call, &response);
    else
        submit(self, call, kind, key, trial.paid);
}

void
rpc_done(rpc_job *job)
{
    rpc_connection *self = job->owner;
    h2_call        *call = job->call;

    self->running--;
    if (self->is_rest) {
        rest_done(self, job);
    } else {
        call->work = NULL;
        if (!job->kind.is_long)
            pace_forgive(&self->io.loop->pace, job->pace_key, job->took_ns);
        answer(call, &job->answer); /* of one that is gone: only cleared */
    }
    h2_release(call);
    oct_free(job);
    if (self->io.is_closed) {
        if (self->running == 0)
            release(self);
        return;
    }
    if (!self->io.is_closing)
        advance(self);
}

/* --- what the session brings ------------------------------------------------------------------------------ */

static bool
is_reflection(oct_slice path)
{
    return slice_is(path, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo") ||
           slice_is(path, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
}

static void
on_head(void *context, h2_call *call)
{
    rpc_connection *self = context;
    request_class   kind = class_of(call->path);

    call->is_stream = is_reflection(call->path);
    if (call->is_stream)
        kind = (request_class){0};
    if (call->timeout_ns > 0)
        call->deadline_ns = os_clock_ns(os_posix()) + call->timeout_ns;
    switch (auth_decide(&self->io.loop->owner->keys, call->api_key, call->authorization, kind)) {
    case AUTH_ALLOWED:
        break;
    case AUTH_FORBIDDEN:
        refuse(call, OCT_GRPC_PERMISSION_DENIED, "Forbidden: Global manage access is required");
        break;
    case AUTH_MISSING:
        refuse(call, OCT_GRPC_UNAUTHENTICATED, "Must provide an API key or an Authorization bearer token");
        break;
    default:
        refuse(call, OCT_GRPC_UNAUTHENTICATED, "Invalid API key or JWT");
        break;
    }
}

static void
on_call(void *context, h2_call *call)
{
    rpc_connection   *self = context;
    oct_grpc_response response;

    if (call->is_stream) {
        oct_grpc_reflect(call->message, &response);
        if (response.status == OCT_GRPC_OK)
            h2_add_message(call, response.message);
        else
            refuse(call, response.status, "the reflection request is not understood");
        oct_grpc_response_clear(&response);
        return;
    }
    rpc_enqueue(self, call);
}

void
rpc_enqueue(rpc_connection *self, h2_call *call)
{
    call->next = NULL;
    if (self->last == NULL)
        self->first = call;
    else
        self->last->next = call;
    self->last = call;
}

static void
on_end(void *context, h2_call *call)
{
    rpc_connection *self = context;

    if (self->is_rest)
        rest_on_end(self, call);
    else
        refuse(call, OCT_GRPC_OK, "");
}

/* Take it off the queue, if it is there. */
static void
unqueue(rpc_connection *self, const h2_call *call)
{
    h2_call *before = NULL;

    for (h2_call *each = self->first; each != NULL; before = each, each = each->next)
        if (each == call) {
            if (before == NULL)
                self->first = call->next;
            else
                before->next = call->next;
            if (self->last == call)
                self->last = before;
            return;
        }
}

/* Its client has left: it is not begun any more, and if a worker has it, it need not go on. */
static void
on_gone(void *context, h2_call *call)
{
    rpc_connection *self = context;

    stream_restart(&self->io); /* idle from now on, if it was the last */
    if (!call->is_held)
        unqueue(self, call);
    if (self->is_rest)
        rest_on_gone(self, call);
    else if (call->work != NULL)
        atomic_store_explicit(&((rpc_job *)call->work)->left, true, memory_order_relaxed);
}

static const h2_hooks hooks = {on_head, on_call, on_end, on_gone, rest_on_bytes, rest_on_room};

/* --- reading ------------------------------------------------------------------------------------------------ */

/* Whether to read on, to come back in the next turn, or to close. */
static void
settle(rpc_connection *self)
{
    if (self->io.is_closing)
        return;
    if (self->io.loop->is_draining)
        h2_drain(self->h2);
    if ((self->has_failed || self->io.has_ended || h2_is_over(self->h2)) && self->running == 0 &&
        self->first == NULL && stream_unsent(&self->io) == 0) {
        stream_close(&self->io);
        return;
    }
    if (self->first != NULL)
        rpc_add_ready(self->io.loop, self);
    stream_read(&self->io, !self->has_failed && !self->io.has_ended && stream_unsent(&self->io) < UNSENT_BYTES_MAX &&
                          self->first == NULL);
}

static void
advance(rpc_connection *self)
{
    for (unsigned turns = 0; self->first != NULL && turns < TURN_REQUESTS_MAX && !self->io.is_closing; turns++) {
        h2_call *call = self->first;

        self->first = call->next;
        if (self->first == NULL)
            self->last = NULL;
        run(self, call);
    }
    if (self->io.loop->is_draining)
        h2_drain(self->h2);
    flush(self);
    settle(self);
}

static void
on_read(stream *io, const char *data, size_t size)
{
    rpc_connection *self = (rpc_connection *)io;

    stream_restart(io);
    if (!io->has_ended && !h2_receive(self->h2, data, size))
        self->has_failed = true;
    advance(self);
}

static void
on_room(stream *io)
{
    advance((rpc_connection *)io);
}

static const stream_hooks stream_calls = {on_read, on_room, on_closed};

void
rpc_again(rpc_connection *self)
{
    if (!self->io.is_closing)
        advance(self);
}

/* --- time ------------------------------------------------------------------------------------------------------ */

/* No more calls; closed when those there are have been answered. */
static void
retire(rpc_connection *self)
{
    h2_drain(self->h2);
    advance(self);
}

void
rpc_tick(rpc_connection *self)
{
    const int64_t request_s = self->io.loop->owner->config->request_timeout_sec;
    const int64_t keep_s = self->io.loop->owner->config->keep_alive_timeout_sec;
    const int64_t idle_s = keep_s > 0 && keep_s < REST_IDLE_S_MIN ? REST_IDLE_S_MIN : keep_s;

    if (self->io.is_closing)
        return;
    if (stream_waits(&self->io))
        return;
    if (!h2_is_up(self->h2) && request_s > 0 && stream_is_past(&self->io, request_s))
        stream_close(&self->io); /* whoever speaks HTTP/1 here, or nothing */
    else if (self->is_rest && idle_s > 0 && h2_call_count(self->h2) == 0 && stream_is_past(&self->io, idle_s))
        retire(self);
    else if (self->running == 0 && self->first == NULL && h2_call_count(self->h2) > 0 &&
             stream_is_past(&self->io, RPC_STALL_S))
        stream_close(&self->io); /* calls that have begun to come, and come no further */
}

void
rpc_drain(rpc_connection *self)
{
    if (!self->io.is_closing)
        advance(self);
}

/* --- accepting ---------------------------------------------------------------------------------------------------- */

/* A connection on `home`, not yet connected. NULL: no memory. */
static rpc_connection *
make(loop *home, bool is_rest)
{
    rpc_connection *self = oct_calloc(1, sizeof *self);

    if (self == NULL || !stream_open(&self->io, home, &stream_calls)) {
        oct_free(self);
        return NULL;
    }
    self->is_rest = is_rest;
    self->next = home->rpcs;
    if (self->next != NULL)
        self->next->previous = self;
    home->rpcs = self;
    loop_connection_came(home);
    (void)atomic_fetch_add_explicit(&home->owner->connection_count, 1, memory_order_relaxed);
    return self;
}

static bool
begin(rpc_connection *self)
{
    const server *owner = self->io.loop->owner;

    return h2_new(self->is_rest ? &owner->rest : &owner->rpc, &hooks, self, &self->h2, NULL) == OCT_OK;
}

void
rpc_accept(loop *home)
{
    rpc_connection *self;

    if (home->is_draining)
        return;
    self = make(home, false);
    if (self == NULL) {
        loop_turn_away(home, &home->rpc_listener);
        return;
    }
    if (uv_accept((uv_stream_t *)&home->rpc_listener, (uv_stream_t *)&self->io.handle) != 0 ||
        atomic_load_explicit(&home->owner->connection_count, memory_order_relaxed) > home->owner->connections_max ||
        !begin(self)) {
        stream_close(&self->io);
        return;
    }
    (void)uv_tcp_keepalive(&self->io.handle, 1, RPC_KEEP_ALIVE_S);
    flush(self);
    stream_read(&self->io, !self->io.is_closing);
}

bool
rpc_take_over(connection *from, const char *data, size_t size)
{
    rpc_connection *self = make(from->io.loop, true);

    if (self == NULL)
        return false;
    if (!begin(self) || !stream_take_over(&self->io, &from->io)) {
        stream_close(&self->io);
        return false;
    }
    (void)uv_tcp_keepalive(&self->io.handle, 1, RPC_KEEP_ALIVE_S);
    self->has_failed = !h2_receive(self->h2, data, size);
    advance(self);
    return true;
}
