/* One client. See server.h.
 *
 *      on_read -> advance -+-> run_first: answer what is first in the queue, here or by a worker
 *                          +-> read_next: parse one more request into the queue
 *                          +-> flush:     one write for all answers of this round
 *                          +-> settle:    read on, linger or close
 *
 * advance goes round until it lacks bytes, room or its turn, and is called again when one of them comes:
 * bytes (on_read), an exchange from a worker (connection_done), room in the socket (on_written), a turn
 * (connection_again). Nothing else moves a connection but its timeouts (connection_tick).
 *
 * CLOSING  stream_close first; memory goes when both the socket is closed and no worker holds an exchange.
 *          After a refusal the client may still be sending, and a close would throw the answer away with a
 *          reset: so the sending half is shut and the rest is read and dropped for a while (lingering).
 */
#include "server/server_internal.h"

static void advance(connection *self, const char *fresh, size_t fresh_size);

/* --- coming and going ------------------------------------------------------------------------ */

static void
release(connection *self)
{
    loop *home = self->io.loop;

    while (self->first != NULL) {
        exchange *next = self->first->next;

        loop_return_exchange(home, self->first);
        self->first = next;
    }
    if (self->filling != NULL)
        loop_return_exchange(home, self->filling);
    loop_drop_ready(home, self);
    http1_parser_clear(&self->parser);
    buffer_clear(&self->input);
    buffer_clear(&self->output);
    if (self->previous == NULL)
        home->connections = self->next;
    else
        self->previous->next = self->next;
    if (self->next != NULL)
        self->next->previous = self->previous;
    atomic_fetch_sub_explicit(&home->owner->connection_count, 1, memory_order_relaxed);
    oct_free(self);
    loop_connection_gone(home);
}

static void
on_closed(stream *io)
{
    connection *self = (connection *)io;

    if (self->is_running)
        atomic_store_explicit(&self->first->left, true, memory_order_relaxed);
    else
        release(self);
}

/* Give the socket all output, and behind it `body`, which `body_owner` holds (both may be empty). */
static void
flush(connection *self, exchange *body_owner, oct_slice body)
{
    stream_body kept = {.has_answer = false};

    if (body_owner == NULL) {
        stream_send(&self->io, &self->output, body, NULL);
        return;
    }
    kept = (stream_body){body_owner->packed, body_owner->answer, body_owner->is_called};
    stream_send(&self->io, &self->output, body, &kept);
    body_owner->packed = kept.packed;
    body_owner->answer = kept.answer;
    body_owner->is_called = kept.has_answer;
}

/* --- answering ------------------------------------------------------------------------------- */

/* On a worker's thread: what may take long. */
static void
work(void *context)
{
    exchange    *called = context;
    server      *owner = called->owner->io.loop->owner;
    http1_packer packer = {0};

    if (!called->is_called && !exchange_call(called, owner->database, called->is_last_try ? 0 : POOL_PATIENCE_NS)) {
        called->is_last_try = true;
        if (workers_submit(owner->patient, work, called))
            return;
        (void)exchange_call(called, owner->database, 0);
    }
    if (called->is_streaming)
        exchange_read_piece(called);
    else
        exchange_pack(called, &packer);
    http1_packer_clear(&packer);
    loop_done(called->owner->io.loop, called);
}

/* False: no memory for the job. */
static bool
submit(connection *self, exchange *called)
{
    self->is_running = true;
    if (workers_submit(self->io.loop->owner->pool, work, called))
        return true;
    self->is_running = false;
    return false;
}

static void
take_first(connection *self)
{
    exchange *done = self->first;

    self->first = done->next;
    if (self->first == NULL)
        self->last = NULL;
    self->queue_count--;
    self->queue_bytes -= done->request.body.size;
    loop_return_exchange(self->io.loop, done);
}

/* Append the answer to the first request to the output, and take the request off the queue. */
static void
answer_first(connection *self, http1_answer answer)
{
    exchange            *done = self->first;
    const http1_options *options = &self->io.loop->owner->http;
    oct_slice            body;

    /* While the server stops, the last answer says so, and the client will not try this connection again. */
    if (self->io.loop->is_draining && self->queue_count == 1 && self->parser.phase == HTTP1_IN_IDLE)
        self->is_last = true;
    answer.close = self->is_last && self->queue_count == 1 && self->fail_status == 0;
    answer.date = loop_date(self->io.loop);
    if (done->request.is_options && done->verdict == AUTH_ALLOWED) {
        http1_write_options(&done->request, options, answer.close, answer.date, &self->output);
        take_first(self);
        return;
    }
    body = http1_write_head(&done->request, options, &answer, &self->output);
    if (body.size <= COPIED_BODY_MAX)
        buffer_add(&self->output, body.data, body.size);
    else
        flush(self, done, body);
    take_first(self);
}

/* The head is on its way, or a piece of the file has been read: send it, and go on until the whole file is sent. */
static void
stream_first(connection *self)
{
    exchange *sent = self->first;

    if (sent->has_failed) {
        stream_close(&self->io); /* the length was promised; an early end is how the client learns */
        return;
    }
    if (sent->packed.size > 0) {
        if (self->output.size == 0) {
            buffer_clear(&self->output);
            self->output = sent->packed;
            sent->packed = (buffer){0};
        } else {
            buffer_add(&self->output, sent->packed.data, sent->packed.size);
            sent->packed.size = 0;
        }
        flush(self, NULL, (oct_slice){NULL, 0});
    }
    if (!self->io.is_closing && sent->stream_at == oct_file_size(sent->answer.file))
        take_first(self);
}

static void
answer_called(connection *self)
{
    exchange *called = self->first;

    if (called->is_streaming) {
        stream_first(self);
        return;
    }
    if (called->answer.file != NULL && !called->request.is_head) {
        http1_answer answer = exchange_answer(called);

        if (self->io.loop->is_draining && self->queue_count == 1 && self->parser.phase == HTTP1_IN_IDLE)
            self->is_last = true;
        answer.close = self->is_last && self->queue_count == 1 && self->fail_status == 0;
        answer.date = loop_date(self->io.loop);
        (void)http1_write_head(&called->request, &self->io.loop->owner->http, &answer, &self->output);
        called->is_streaming = true;
        stream_first(self);
        return;
    }
    exchange_pack(self->first, &self->io.loop->packer);
    answer_first(self, exchange_answer(self->first));
}

/* Answer the first request of the queue, or give it to a worker. */
static void
run_first(connection *self)
{
    exchange *next = self->first;
    bool      is_called;

    if (next->is_streaming) {
        if (!submit(self, next))
            stream_close(&self->io);
        return;
    }
    if (next->verdict != AUTH_ALLOWED) {
        answer_first(self, exchange_refusal(next));
        return;
    }
    if (next->request.is_options) {
        answer_first(self, (http1_answer){0});
        return;
    }
    if (next->kind.is_long || next->request.body.size > LOOP_BODY_MAX ||
        pace_is_slow(&self->io.loop->pace, next->pace_key)) {
        if (!submit(self, next))
            answer_first(self, exchange_no_memory());
        return;
    }
    is_called = exchange_call(next, self->io.loop->owner->database, LOOP_PATIENCE_NS);
    pace_note(&self->io.loop->pace, next->pace_key, next->took_ns);
    if (!is_called) {
        if (!submit(self, next))
            answer_first(self, exchange_no_memory());
        return;
    }
    if (next->answer.body.size > LOOP_PACK_MAX && next->request.accepts_gzip && submit(self, next))
        return;
    answer_called(self);
}

/* --- reading --------------------------------------------------------------------------------- */

/* What the connection waits for begins now. */
static void
restart_time(connection *self)
{
    stream_restart(&self->io);
    self->window_bytes = 0;
    self->phase = self->parser.phase;
}

/* No more requests: answer what is in the queue, then this, then close. */
static void
fail(connection *self, int status, const char *text)
{
    self->is_last = true;
    self->must_linger = true;
    self->fail_status = status;
    self->fail_text = text;
    if (self->filling != NULL) {
        loop_return_exchange(self->io.loop, self->filling);
        self->filling = NULL;
    }
}

static void
enqueue(connection *self)
{
    exchange *whole = self->filling;

    self->filling = NULL;
    whole->owner = self;
    if (self->last == NULL)
        self->first = whole;
    else
        self->last->next = whole;
    self->last = whole;
    self->queue_count++;
    self->queue_bytes += whole->request.body.size;
    if (!whole->request.keep_alive || self->io.loop->owner->config->keep_alive_timeout_sec == 0)
        self->is_last = true;
}

/* A body is about to come: refuse it, ask for it, or let it come. */
static void
meet_head(connection *self)
{
    exchange *coming = self->filling;

    exchange_judge(coming, &self->io.loop->owner->keys);
    if (coming->verdict == AUTH_ALLOWED &&
        !exchange_take_upload(coming, &self->parser, self->io.loop->owner->database)) {
        fail(self, 507, "Insufficient storage: no file for the upload can be made in the snapshot folder");
        return;
    }
    if (coming->verdict == AUTH_ALLOWED) {
        self->owes_continue = coming->request.expects_continue;
        return;
    }
    if (coming->request.expects_continue) { /* it has not been sent yet, and need not be */
        self->is_last = true;
        self->must_linger = true;
        enqueue(self);
        return;
    }
    http1_drop_body(&self->parser);
}

/* Parse until one event. False: the bytes have run out. */
static bool
read_next(connection *self, const char *data, size_t size, size_t *used)
{
    *used = 0;
    if (size == 0)
        return false;
    if (self->filling == NULL)
        self->filling = loop_take_exchange(self->io.loop);
    if (self->filling == NULL) {
        fail(self, 503, "Out of memory for one more request; try again");
        return false;
    }
    switch (http1_parse(&self->parser, &self->filling->request, data, size, used)) {
    case HTTP1_MORE:
        return false;
    case HTTP1_HEAD:
        meet_head(self);
        break;
    case HTTP1_REQUEST:
        if (!self->filling->is_judged)
            exchange_judge(self->filling, &self->io.loop->owner->keys);
        self->owes_continue = false;
        restart_time(self);
        enqueue(self);
        break;
    case HTTP1_ERROR:
        fail(self, self->parser.error_status, self->parser.error_text);
        break;
    }
    return true;
}

/* HTTP/2 begins with a line that is no request of HTTP/1. The client of such a connection goes on in rest.c; true: it does,
 * or it is not known yet. *data and *size become all that has come. */
static bool
is_http2(connection *self, const char **data, size_t *size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    if (self->input.size > 0) {
        buffer_add(&self->input, *data, *size);
        if (self->input.failed) {
            stream_close(&self->io);
            return true;
        }
        *data = self->input.data;
        *size = self->input.size;
    }
    if (memcmp(*data, preface, size_min(*size, sizeof preface - 1)) != 0) {
        self->is_known = true;
        return false;
    }
    if (*size < sizeof preface - 1) {
        if (self->input.size == 0)
            buffer_add(&self->input, *data, *size);
        if (self->input.failed)
            stream_close(&self->io);
        return true;
    }
    if (!rpc_take_over(self, *data, *size))
        stream_close(&self->io);
    return true;
}

static void
on_read(stream *io, const char *data, size_t size)
{
    connection *self = (connection *)io;
    buffer      begun;

    if (io->has_ended) {
        self->end_tick = io->loop->ticks;
        advance(self, NULL, 0);
        return;
    }
    self->window_bytes += size;
    if (self->is_lingering) {
        self->linger_bytes += size;
        if (self->linger_bytes > LINGER_BYTES_MAX)
            stream_close(io);
        return;
    }
    if (!self->is_known && is_http2(self, &data, &size))
        return;
    /* A first piece that was kept because it might have been HTTP/2's: `data` has it. */
    begun = self->input;
    if (data == begun.data)
        self->input = (buffer){0};
    advance(self, data, size);
    if (data == begun.data)
        buffer_clear(&begun);
}

static void
on_room(stream *io)
{
    advance((connection *)io, NULL, 0);
}

static const stream_hooks hooks = {on_read, on_room, on_closed};

/* --- the round ------------------------------------------------------------------------------- */

static void
linger(connection *self)
{
    self->is_lingering = true;
    restart_time(self);
    buffer_clear(&self->input);
    self->input_at = 0;
    if (!stream_shut(&self->io)) {
        stream_close(&self->io);
        return;
    }
    stream_read(&self->io, true);
}

static bool
has_input(const connection *self)
{
    return self->input.size > self->input_at;
}

static bool
is_full(const connection *self)
{
    return self->queue_count >= QUEUE_MAX || self->queue_bytes >= QUEUE_BYTES_MAX;
}

/* After a round: wait for more, linger or close. */
static void
settle(connection *self, bool turn_is_over)
{
    const size_t unsent = stream_unsent(&self->io);
    const bool   is_idle = self->first == NULL && !self->is_running && unsent == 0;
    const bool   is_stopping =
        self->io.loop->is_draining && self->parser.phase == HTTP1_IN_IDLE && !has_input(self);

    if (is_idle && self->is_last && self->must_linger && !self->io.has_ended) {
        linger(self);
        return;
    }
    if (is_idle && (self->is_last || (self->io.has_ended && !has_input(self)) || is_stopping)) {
        stream_close(&self->io);
        return;
    }
    if (self->phase != self->parser.phase)
        restart_time(self);
    if (turn_is_over && (has_input(self) || self->first != NULL) && !self->is_running &&
        unsent < UNSENT_BYTES_MAX)
        loop_add_ready(self->io.loop, self);
    stream_read(&self->io, !self->is_last && !self->io.has_ended && !has_input(self) && !is_full(self) &&
                          unsent < UNSENT_BYTES_MAX);
}

/* Keep what was not parsed: of fresh bytes a copy, of kept ones the place. */
static void
keep_rest(connection *self, const char *fresh, size_t size, size_t used)
{
    if (fresh == NULL) {
        self->input_at += used;
        if (has_input(self))
            return;
    }
    if (self->input.capacity > READ_BYTES)
        buffer_clear(&self->input);
    self->input.size = self->input_at = 0;
    if (fresh != NULL && !self->is_last) {
        buffer_add(&self->input, fresh + used, size - used);
        if (self->input.failed)
            stream_close(&self->io);
    }
}

/* `fresh` is what was just read, or NULL: go on with what was kept. */
static void
advance(connection *self, const char *fresh, size_t fresh_size)
{
    const char *data = fresh != NULL ? fresh : has_input(self) ? self->input.data + self->input_at : "";
    size_t      size = fresh != NULL ? fresh_size : self->input.size - self->input_at;
    size_t      used = 0, step;
    unsigned    turns = 0;
    bool        goes_on = true;

    if (self->is_lingering) {
        if (self->io.has_ended)
            stream_close(&self->io);
        return;
    }
    while (goes_on) {
        while (self->first != NULL && !self->is_running && turns < TURN_REQUESTS_MAX &&
               stream_unsent(&self->io) < UNSENT_BYTES_MAX) {
            turns++;
            run_first(self);
        }
        if (self->io.is_closing)
            return;
        if (self->first == NULL && self->owes_continue) {
            buffer_add_text(&self->output, http1_continue);
            self->owes_continue = false;
        }
        step = 0;
        goes_on = !self->is_last && !is_full(self) && turns < TURN_REQUESTS_MAX &&
                  read_next(self, data + used, size - used, &step);
        used += step;
    }
    keep_rest(self, fresh, size, used);
    if (self->first == NULL && self->fail_status != 0) {
        http1_write_error(&self->io.loop->owner->http, self->fail_status, self->fail_text, loop_date(self->io.loop),
                          &self->output);
        self->fail_status = 0;
    }
    flush(self, NULL, (oct_slice){NULL, 0});
    if (!self->io.is_closing)
        settle(self, turns >= TURN_REQUESTS_MAX);
}

void
connection_again(connection *self)
{
    if (!self->io.is_closing)
        advance(self, NULL, 0);
}

void
connection_done(connection *self)
{
    self->is_running = false;
    /* What was cut short tells nothing of its kind. */
    if (self->first->is_called && !self->first->kind.is_long && self->first->answer.status != 408)
        pace_forgive(&self->io.loop->pace, self->first->pace_key, self->first->took_ns);
    if (self->io.is_closed) {
        release(self);
        return;
    }
    if (self->io.is_closing)
        return;
    answer_called(self);
    if (!self->io.is_closing)
        advance(self, NULL, 0);
}

/* --- time ------------------------------------------------------------------------------------ */

static void
time_out(connection *self, const char *text)
{
    fail(self, 408, text);
    advance(self, NULL, 0);
}

/* Of who is not read from (its queue is full, or it will send no more requests), a loss is not read either. */
static void
look_after(connection *self)
{
    switch (stream_look(&self->io)) {
    case STREAM_THERE:
        break;
    case STREAM_HALF:
        if (!self->is_half)
            self->end_tick = self->io.loop->ticks;
        self->is_half = true;
        break;
    case STREAM_GONE:
        stream_close(&self->io);
        break;
    }
}

void
connection_tick(connection *self)
{
    const server_config *config = self->io.loop->owner->config;
    int64_t              idle_s = config->keep_alive_timeout_sec;

    if (idle_s == 0) /* one request per connection: that one may take its time to come */
        idle_s = config->request_timeout_sec > 0 ? config->request_timeout_sec : BODY_WINDOW_S;
    if (self->io.is_closing)
        return;
    if (self->is_lingering) {
        if (stream_is_past(&self->io, config->disconnect_timeout_sec))
            stream_close(&self->io);
        return;
    }
    if (stream_waits(&self->io))
        return;
    if (self->is_running && !self->io.is_reading && !self->io.has_ended)
        look_after(self);
    if (self->io.is_closing)
        return;
    /* Who only ended its half waits for a quick answer; of who closed, a slow one is not worth the work. */
    if (self->is_running && (self->io.has_ended || self->is_half) &&
        (self->io.loop->ticks - self->end_tick) * TICK_MS > GONE_S * 1000)
        atomic_store_explicit(&self->first->left, true, memory_order_relaxed);
    if (self->first != NULL || !self->io.is_reading) {
        restart_time(self); /* the client waits for us */
        return;
    }
    switch (self->parser.phase) {
    case HTTP1_IN_IDLE:
        if (stream_is_past(&self->io, idle_s))
            stream_close(&self->io);
        break;
    case HTTP1_IN_HEAD:
        if (config->request_timeout_sec > 0 && stream_is_past(&self->io, config->request_timeout_sec))
            time_out(
                self,
                "Timeout: the head of the request took longer than service.http_client_request_timeout_sec");
        break;
    case HTTP1_IN_BODY:
        if (config->request_timeout_sec == 0 || !stream_is_past(&self->io, BODY_WINDOW_S))
            break;
        if (self->window_bytes < (uint64_t)BODY_RATE_MIN * BODY_WINDOW_S)
            time_out(self, "Timeout: the body of the request came too slowly");
        else
            restart_time(self);
        break;
    }
}

void
connection_drain(connection *self)
{
    if (self->io.is_closing || self->is_lingering || self->first != NULL || self->is_running)
        return;
    if (self->parser.phase == HTTP1_IN_IDLE && !has_input(self) && stream_unsent(&self->io) == 0)
        stream_close(&self->io);
}

/* --- accepting ------------------------------------------------------------------------------- */

void
connection_accept(loop *home)
{
    connection *self;
    uint32_t    count;

    if (home->is_draining)
        return;
    self = oct_calloc(1, sizeof *self);
    if (self == NULL || !stream_open(&self->io, home, &hooks)) {
        oct_free(self);
        loop_turn_away(home, &home->listener);
        return;
    }
    self->next = home->connections;
    if (self->next != NULL)
        self->next->previous = self;
    home->connections = self;
    loop_connection_came(home);
    count = atomic_fetch_add_explicit(&home->owner->connection_count, 1, memory_order_relaxed) + 1;
    http1_parser_init(&self->parser, &home->owner->http);
    restart_time(self);
    if (uv_accept((uv_stream_t *)&home->listener, (uv_stream_t *)&self->io.handle) != 0) {
        stream_close(&self->io);
        return;
    }
    if (count > home->owner->connections_max) {
        self->is_last = true;
        http1_write_error(&home->owner->http, 503, "Too many connections; try again later", NULL,
                          &self->output);
        flush(self, NULL, (oct_slice){NULL, 0});
        stream_close(&self->io);
        return;
    }
    stream_read(&self->io, true);
}
