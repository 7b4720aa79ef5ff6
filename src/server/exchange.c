/* One request on its way to its answer: may it, what kind of work is it, the call, the compression. Knows
 * no socket and no queue; connection.c decides when and on which thread. */
#include "server/server_internal.h"

#include "os/os.h"

void
exchange_judge(exchange *self, const auth_keys *keys)
{
    const http1_request *request = &self->request;

    self->is_judged = true;
    self->kind = request_class_of(request->method, request->target);
    self->pace_key = pace_key(request->target, (oct_slice){NULL, 0});
    self->verdict = AUTH_ALLOWED;
    if (!request->is_options) /* browsers send no key with a preflight */
        self->verdict = auth_decide(keys, request->headers[HTTP1_API_KEY],
                                    request->headers[HTTP1_AUTHORIZATION], self->kind);
}

static void
log_answer(const exchange *self)
{
    const bool      has_failed = self->answer.status >= 500;
    const oct_slice target = self->request.target, body = self->answer.body;
    const log_level level = has_failed ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG;

    if (log_line_is_on(level))
        log_line(level, SLICE_FMT " %.*s -> %d%s%.*s", SLICE_ARG(self->request.method),
                 (int)size_min(target.size, 300), target.data, self->answer.status, has_failed ? ": " : "",
                 has_failed ? (int)size_min(body.size, 600) : 0, body.size == 0 ? "" : body.data);
}

bool
exchange_call(exchange *self, oct_database *database, uint64_t patience_ns)
{
    const oct_api_request request = {
        .method = self->request.is_head ? slice_of("GET") : self->request.method,
        .target = self->request.target,
        .body = self->request.body,
        .upload = self->upload,
    };

    const uint64_t start = os_clock_ns(os_posix());
    bool           is_put_off;

    self->upload = NULL; /* the call takes it over */
    deadline_enter(0, self->kind.is_write ? NULL : &self->left); /* what was to be written is written */
    if (!self->kind.is_write)
        deadline_try(&self->trial, patience_ns);
    oct_api_call(database, &request, &self->answer);
    is_put_off = deadline_is_put_off() && self->answer.status == 408;
    deadline_leave();
    self->took_ns = os_clock_ns(os_posix()) - start;
    if (is_put_off) {
        oct_api_response_clear(&self->answer);
        return false;
    }
    self->is_called = true;
    log_answer(self);
    return true;
}

/* --- files instead of memory ------------------------------------------------------------------------------ */

/* On the loop's thread: up to 64 KiB into the page cache, some 20 us. */
static int
take_piece(void *context, const char *data, size_t size, const char **why)
{
    exchange        *self = context;
    const oct_status status = oct_file_write(self->upload, data, size, NULL);

    *why = status == OCT_FULL ? "Insufficient storage: no room on the disk for the upload"
                              : "Service internal error: the upload cannot be written to the snapshot folder";
    return status == OCT_OK ? 0 : status == OCT_FULL ? 507 : 500;
}

bool
exchange_take_upload(exchange *self, http1_parser *parser, oct_database *database)
{
    if (!request_is_upload(self->request.method, self->request.target))
        return true;
    if (oct_file_new(database, &self->upload, NULL) != OCT_OK)
        return false;
    http1_sink_body(parser, take_piece, self);
    if (parser->sink == NULL) { /* compressed: it is unpacked in memory, and has to fit there */
        oct_file_close(self->upload);
        self->upload = NULL;
    }
    return true;
}

void
exchange_read_piece(exchange *self)
{
    size_t got = 0;

    self->packed.size = 0;
    if (!buffer_reserve(&self->packed, STREAM_BYTES) ||
        oct_file_read(self->answer.file, self->stream_at, self->packed.data, STREAM_BYTES, &got, NULL) != OCT_OK ||
        got == 0) {
        self->has_failed = true;
        return;
    }
    self->packed.size = got;
    self->stream_at += got;
}

http1_answer
exchange_answer(const exchange *self)
{
    http1_answer answer = {
        .status = self->answer.status,
        .content_type = self->answer.content_type,
        .body = self->answer.body,
        .retry_after = self->answer.retry_after,
    };

    if (self->answer.file != NULL) /* what counts is its size; the bytes follow the head one piece at a time */
        answer.body = (oct_slice){"", (size_t)oct_file_size(self->answer.file)};
    if (self->is_packed) {
        answer.body = (oct_slice){self->packed.data, self->packed.size};
        answer.is_packed = true;
    }
    return answer;
}

void
exchange_pack(exchange *self, http1_packer *packer)
{
    const http1_answer answer = exchange_answer(self);

    if (self->is_packing_tried)
        return;
    self->is_packing_tried = true;
    if (http1_should_pack(&self->request, &answer))
        self->is_packed = http1_pack(packer, answer.body, &self->packed);
}

static http1_answer
constant_answer(int status, const char *content_type, const char *text)
{
    return (http1_answer){.status = status, .content_type = content_type, .body = slice_of(text)};
}

/* 401 is outside the envelope and 403 inside, as in Qdrant. */
http1_answer
exchange_refusal(const exchange *self)
{
    switch (self->verdict) {
    case AUTH_FORBIDDEN:
        return constant_answer(403, "application/json",
                               "{\"status\":{\"error\":\"Forbidden: Global manage access is required\"},"
                               "\"time\":0.0}");
    case AUTH_MISSING:
        return constant_answer(401, "text/plain; charset=utf-8",
                               "Must provide an API key or an Authorization bearer token");
    default:
        return constant_answer(401, "text/plain; charset=utf-8", "Invalid API key or JWT");
    }
}

http1_answer
exchange_no_memory(void)
{
    http1_answer answer = constant_answer(
        503, "application/json",
        "{\"status\":{\"error\":\"Out of memory for one more request; try again\"},\"time\":0.0}");

    answer.retry_after = 1;
    return answer;
}
