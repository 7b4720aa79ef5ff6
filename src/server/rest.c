/* REST over HTTP/2, for clients that speak it from their first byte (prior knowledge). See server.h.
 *
 *      connection.c sees the preface -> rpc_take_over: the socket goes on as an rpc_connection with is_rest
 *      h2_rest.c: on_bytes -> http1_parse -> an exchange, as connection.c has them -> rpc.c's queue -> rest_run
 *
 * Everything that is asked and answered is in an exchange, so what a route does, who may call it and how it is refused is the
 * same as over HTTP/1.1. What differs: streams are answered in any order, and a refusal needs no closed connection.
 */
#include "server/server_internal.h"

/* Of a stream, in call->work. Lives until the stream is closed and no worker has its exchange. */
struct rest_call {
    http1_parser parser;
    exchange    *served;
    rpc_job     *job;      /* NULL: no worker has it */
    bool         is_whole; /* by HTTP/1.1's counting; it is run when the client has ended its half, too */
};

static loop *
loop_of(const rpc_connection *self)
{
    return self->io.loop;
}

static void
release(loop *home, rest_call *self)
{
    http1_parser_clear(&self->parser);
    if (self->served != NULL)
        loop_return_exchange(home, self->served);
    oct_free(self);
}

/* --- answers ---------------------------------------------------------------------------------------------- */

static void
send_answer(rpc_connection *self, h2_call *call, http1_answer answer, bool goes_on)
{
    const http1_request *request = &((rest_call *)call->work)->served->request;
    buffer               head = {0};
    oct_slice            body;

    answer.date = loop_date(loop_of(self));
    body = http1_write_head(request, &loop_of(self)->owner->http, &answer, &head);
    if (head.failed)
        h2_break(call);
    else
        h2_answer_text(call, (oct_slice){head.data, head.size}, goes_on ? (oct_slice){NULL, 0} : body, goes_on);
    buffer_clear(&head);
}

/* What cannot be a request of HTTP/1.1 either. */
static void
send_error(rpc_connection *self, h2_call *call, int status, const char *text)
{
    buffer whole = {0};
    char  *end;

    http1_write_error(&loop_of(self)->owner->http, status, text, loop_date(loop_of(self)), &whole);
    buffer_add_byte(&whole, '\0');
    end = whole.failed ? NULL : strstr(whole.data, "\r\n\r\n");
    if (end == NULL)
        h2_break(call);
    else
        h2_answer_text(call, (oct_slice){whole.data, (size_t)(end - whole.data) + 4}, slice_of(end + 4), false);
    buffer_clear(&whole);
}

static void
send_options(rpc_connection *self, h2_call *call)
{
    rest_call *rest = call->work;
    buffer     head = {0};

    http1_write_options(&rest->served->request, &loop_of(self)->owner->http, false, loop_date(loop_of(self)), &head);
    h2_answer_text(call, (oct_slice){head.data, head.size}, (oct_slice){NULL, 0}, false);
    buffer_clear(&head);
}

/* --- running ---------------------------------------------------------------------------------------------- */

/* On a worker's thread. */
static void
work(void *context)
{
    rpc_job     *job = context;
    exchange    *served = job->served;
    server      *owner = job->owner->io.loop->owner;
    http1_packer packer = {0};

    if (!served->is_called && !exchange_call(served, owner->database, served->is_last_try ? 0 : POOL_PATIENCE_NS)) {
        served->is_last_try = true;
        if (workers_submit(owner->patient, work, job))
            return;
        (void)exchange_call(served, owner->database, 0);
    }
    if (served->is_streaming)
        exchange_read_piece(served);
    else
        exchange_pack(served, &packer);
    http1_packer_clear(&packer);
    rpc_hand_back(job->owner->io.loop, job);
}

static bool
submit(rpc_connection *self, h2_call *call)
{
    rest_call *rest = call->work;
    rpc_job   *job = oct_calloc(1, sizeof *job);

    if (job == NULL)
        return false;
    *job = (rpc_job){.owner = self, .call = call, .served = rest->served};
    rest->job = job;
    call->is_held = true;
    self->running++;
    if (workers_submit(loop_of(self)->owner->pool, work, job))
        return true;
    self->running--;
    call->is_held = false;
    rest->job = NULL;
    oct_free(job);
    return false;
}

static void
send_called(rpc_connection *self, h2_call *call)
{
    exchange    *served = ((rest_call *)call->work)->served;
    const bool   is_file = served->answer.file != NULL && !served->request.is_head;
    http1_answer answer;

    exchange_pack(served, &loop_of(self)->packer);
    answer = exchange_answer(served);
    served->is_streaming = is_file;
    send_answer(self, call, answer, is_file && oct_file_size(served->answer.file) > 0);
}

void
rest_run(rpc_connection *self, h2_call *call)
{
    exchange *served = ((rest_call *)call->work)->served;
    pace     *learned = &loop_of(self)->pace;

    if (served->verdict != AUTH_ALLOWED) {
        send_answer(self, call, exchange_refusal(served), false);
    } else if (served->request.is_options) {
        send_options(self, call);
    } else if (served->kind.is_long || served->request.body.size > LOOP_BODY_MAX ||
               pace_is_slow(learned, served->pace_key)) {
        if (!submit(self, call))
            send_answer(self, call, exchange_no_memory(), false);
    } else {
        const bool is_called = exchange_call(served, loop_of(self)->owner->database, LOOP_PATIENCE_NS);

        pace_note(learned, served->pace_key, served->took_ns);
        if (!is_called) {
            if (!submit(self, call))
                send_answer(self, call, exchange_no_memory(), false);
            return;
        }
        if (served->answer.body.size > LOOP_PACK_MAX && served->request.accepts_gzip && submit(self, call))
            return;
        send_called(self, call);
    }
}

void
rest_done(rpc_connection *self, rpc_job *job)
{
    h2_call   *call = job->call;
    rest_call *rest = call->work;
    exchange  *served = job->served;

    rest->job = NULL;
    if (!served->kind.is_long && !served->is_streaming && served->answer.status != 408)
        pace_forgive(&loop_of(self)->pace, served->pace_key, served->took_ns);
    if (call->is_gone) {
        call->work = NULL;
        release(loop_of(self), rest);
    } else if (!served->is_streaming) {
        send_called(self, call);
    } else if (served->has_failed) {
        h2_break(call); /* the length was promised; an early end is how the client learns */
    } else {
        h2_add_bytes(call, (oct_slice){served->packed.data, served->packed.size},
                     served->stream_at < oct_file_size(served->answer.file));
    }
}

/* --- what the session brings ------------------------------------------------------------------------------ */

/* The head is there and a body comes: refuse it now, or take it. */
static void
meet_head(rpc_connection *self, h2_call *call)
{
    rest_call *rest = call->work;
    exchange  *served = rest->served;
    server    *owner = loop_of(self)->owner;

    exchange_judge(served, &owner->keys);
    if (served->verdict != AUTH_ALLOWED)
        send_answer(self, call, exchange_refusal(served), false);
    else if (!exchange_take_upload(served, &rest->parser, owner->database))
        send_error(self, call, 507, "Insufficient storage: no file for the upload can be made in the snapshot folder");
    else
        h2_continue(call);
}

static bool
begin(rpc_connection *self, h2_call *call)
{
    rest_call *rest = oct_calloc(1, sizeof *rest);

    if (rest == NULL)
        return false;
    rest->served = loop_take_exchange(loop_of(self));
    if (rest->served == NULL) {
        oct_free(rest);
        return false;
    }
    http1_parser_init(&rest->parser, &loop_of(self)->owner->http);
    call->work = rest;
    return true;
}

void
rest_on_bytes(void *context, h2_call *call, const char *data, size_t size)
{
    rpc_connection *self = context;
    rest_call      *rest;
    size_t          used = 0, step;

    if (call->is_answered || (call->work == NULL && !begin(self, call))) {
        if (!call->is_answered)
            h2_break(call);
        return;
    }
    rest = call->work;
    for (;;) {
        /* One stream, one request: bytes behind it would be a second one that nobody checked. */
        if (rest->is_whole && used < size)
            send_error(self, call, 400, "Format error: the request has more bytes than it announced");
        if (rest->is_whole)
            return;
        switch (http1_parse(&rest->parser, &rest->served->request, data + used, size - used, &step)) {
        case HTTP1_MORE:
            return;
        case HTTP1_HEAD:
            meet_head(self, call);
            break;
        case HTTP1_REQUEST:
            if (!rest->served->is_judged)
                exchange_judge(rest->served, &loop_of(self)->owner->keys);
            rest->is_whole = true;
            break;
        case HTTP1_ERROR:
            send_error(self, call, rest->parser.error_status, rest->parser.error_text);
            return;
        }
        if (call->is_answered)
            return;
        used += step;
    }
}

void
rest_on_end(rpc_connection *self, h2_call *call)
{
    const rest_call *rest = call->work;

    if (rest != NULL && rest->is_whole)
        rpc_enqueue(self, call);
    else if (rest != NULL)
        send_error(self, call, 400, "Format error: the request ended before its body was whole");
    else
        h2_break(call);
}

/* All of a file's answer that was read has been sent. */
void
rest_on_room(void *context, h2_call *call)
{
    rest_call *rest = call->work;

    if (rest->job == NULL && !submit(context, call))
        h2_break(call);
}

void
rest_on_gone(rpc_connection *self, h2_call *call)
{
    rest_call *rest = call->work;

    if (rest == NULL)
        return;
    if (rest->job != NULL) {
        atomic_store_explicit(&rest->served->left, true, memory_order_relaxed);
        return; /* rest_done */
    }
    call->work = NULL;
    release(loop_of(self), rest);
}
