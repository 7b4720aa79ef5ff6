/* REST over HTTP/2.
 *
 * Goal:   a stream's request comes as the bytes of one request of HTTP/1.1, whatever frames it came in; an answer of HTTP/1.1
 *         goes out as frames, all at once or piece by piece.
 * Method: nghttp2's client on the other side of two arrays, which refuses to send what HTTP/2 forbids only where told to.
 */

#include "support/h2_client.h"
#include "support/test.h"

#define SENTENCE "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 5\r\nconnection: close\r\n\r\n"

typedef struct peer {
    h2_session      *server;
    nghttp2_session *client;
    h2_options       options;
    _Atomic size_t   held;
    buffer           request; /* as it was brought */
    h2_call         *call;
    bool             answers_at_once, goes_on;
    unsigned         rooms, gones, ends, continues;
    char             status[8];
    char             fields[256];
    buffer           body;
    uint32_t         code;
    unsigned         closed;
} peer;

static void
on_bytes(void *context, h2_call *call, const char *data, size_t size)
{
    peer *self = context;

    self->call = call;
    buffer_add(&self->request, data, size);
    if (self->answers_at_once)
        h2_answer_text(call, slice_of(SENTENCE), slice_of("brick"), false);
}

static void
on_room(void *context, h2_call *call)
{
    (void)call;
    ((peer *)context)->rooms++;
}

static void
on_end(void *context, h2_call *call)
{
    (void)call;
    ((peer *)context)->ends++;
}

static void
on_gone(void *context, h2_call *call)
{
    (void)call;
    ((peer *)context)->gones++;
}

static const h2_hooks hooks = {.on_end = on_end, .on_gone = on_gone, .on_bytes = on_bytes, .on_room = on_room};

static int
client_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
              const uint8_t *value, size_t value_size, uint8_t flags, void *context)
{
    peer        *self = context;
    const size_t at = strlen(self->fields);

    (void)session;
    (void)frame;
    (void)flags;
    if (slice_is((oct_slice){(const char *)name, name_size}, ":status")) {
        self->continues += value_size == 3 && memcmp(value, "100", 3) == 0;
        (void)snprintf(self->status, sizeof self->status, "%.*s", (int)value_size, (const char *)value);
    } else {
        (void)snprintf(self->fields + at, sizeof self->fields - at, "%.*s=%.*s;", (int)name_size, (const char *)name,
                       (int)value_size, (const char *)value);
    }
    return 0;
}

static int
client_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t size, void *context)
{
    (void)session;
    (void)flags;
    (void)stream;
    buffer_add(&((peer *)context)->body, data, size);
    return 0;
}

static int
client_close(nghttp2_session *session, int32_t stream, uint32_t code, void *context)
{
    (void)session;
    (void)stream;
    ((peer *)context)->code = code;
    ((peer *)context)->closed++;
    return 0;
}

static bool
exchange(peer *self)
{
    return h2_exchange(self->server, self->client);
}

static void
open_peer(peer *self)
{
    nghttp2_session_callbacks *calls;
    nghttp2_option            *option;

    *self = (peer){.answers_at_once = false};
    self->options = (h2_options){1u << 20, 8u << 20, &self->held, true};
    OCT_MUST(h2_new(&self->options, &hooks, self, &self->server, NULL) == OCT_OK);
    OCT_MUST(nghttp2_session_callbacks_new(&calls) == 0 && nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_session_callbacks_set_on_header_callback(calls, client_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, client_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, client_close);
    OCT_MUST(nghttp2_session_client_new2(&self->client, calls, self, option) == 0);
    nghttp2_session_callbacks_del(calls);
    nghttp2_option_del(option);
    OCT_MUST(nghttp2_submit_settings(self->client, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
}

static void
close_peer(peer *self)
{
    h2_free(self->server);
    nghttp2_session_del(self->client);
    buffer_clear(&self->request);
    buffer_clear(&self->body);
    CHECK_INT(self->held, 0);
}

static int32_t
submit(peer *self, const char *method, const char *path, const char *name, const char *value, h2_source *from)
{
    const nghttp2_data_provider body = h2_body(from);
    const nghttp2_nv list[5] = {h2_nv(":method", method), h2_nv(":scheme", "http"), h2_nv(":path", path), h2_nv(":authority", "h:1"),
                                h2_nv(name == NULL ? "te" : name, name == NULL ? "trailers" : value)};

    self->request.size = self->body.size = 0;
    self->status[0] = self->fields[0] = '\0';
    return nghttp2_submit_request(self->client, NULL, list, countof(list), from == NULL ? NULL : &body, NULL);
}

static void
check_request(peer *self, const char *wanted)
{
    buffer_add_byte(&self->request, '\0');
    CHECK_TEXT(self->request.data, wanted);
}

TEST(a_request_is_brought_as_http_1_has_it)
{
    h2_source of_two = {.data = "abcdef", .size = 6, .step = 4}, announced = {.data = "xyz", .size = 3, .step = 9};
    peer   self;

    open_peer(&self);
    self.answers_at_once = true;
    (void)submit(&self, "GET", "/a?b=c", "api-key", "k", NULL);
    CHECK(exchange(&self));
    check_request(&self, "GET /a?b=c HTTP/1.1\r\nhost: h:1\r\napi-key: k\r\n\r\n");
    CHECK_TEXT(self.status, "404");
    CHECK_TEXT(self.fields, "content-type=text/plain;content-length=5;"); /* "connection" is not for HTTP/2 */
    CHECK_INT(self.body.size, 5);
    CHECK_INT(self.code, 0);
    self.answers_at_once = false;
    (void)submit(&self, "PUT", "/a", NULL, NULL, &of_two);
    CHECK(exchange(&self));
    check_request(&self, "PUT /a HTTP/1.1\r\nhost: h:1\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n");
    h2_answer_text(self.call, slice_of("HTTP/1.1 204 No Content\r\n\r\n"), (oct_slice){NULL, 0}, false);
    (void)submit(&self, "POST", "/a", "content-length", "3", &announced);
    CHECK(exchange(&self));
    check_request(&self, "POST /a HTTP/1.1\r\nhost: h:1\r\ncontent-length: 3\r\n\r\nxyz");
    CHECK_INT(self.ends, 2); /* the first was answered before its end */
    h2_answer_text(self.call, slice_of(SENTENCE), slice_of("brick"), false);
    CHECK(exchange(&self));
    CHECK_INT(self.gones, 3);
    close_peer(&self);
}

TEST(an_answer_may_come_piece_by_piece)
{
    peer self;

    open_peer(&self);
    (void)submit(&self, "GET", "/file", NULL, NULL, NULL);
    CHECK(exchange(&self));
    h2_answer_text(self.call, slice_of("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"), (oct_slice){NULL, 0}, true);
    CHECK(exchange(&self));
    CHECK_INT(self.rooms, 1);
    h2_add_bytes(self.call, slice_of("one"), true);
    CHECK(exchange(&self));
    CHECK_INT(self.rooms, 2);
    CHECK_INT(self.closed, 0);
    h2_add_bytes(self.call, slice_of("four"), false);
    CHECK(exchange(&self));
    CHECK_INT(self.body.size, 7);
    CHECK(self.body.size == 7 && memcmp(self.body.data, "onefour", 7) == 0);
    CHECK_INT(self.closed, 1);
    CHECK_INT(self.code, 0);
    (void)submit(&self, "GET", "/file", NULL, NULL, NULL);
    CHECK(exchange(&self));
    h2_answer_text(self.call, slice_of("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"), (oct_slice){NULL, 0}, true);
    h2_break(self.call); /* the file cannot be read */
    CHECK(exchange(&self));
    CHECK_INT(self.closed, 2);
    CHECK(self.code != 0);
    close_peer(&self);
}

TEST(a_refusal_needs_no_body_and_continue_is_said_once)
{
    h2_source half = {.data = "abc", .size = 3, .step = 9, .stays_open = true};
    peer   self;

    open_peer(&self);
    (void)submit(&self, "PUT", "/a", "expect", "100-continue", &half);
    CHECK(exchange(&self));
    h2_continue(self.call);
    h2_continue(self.call);
    CHECK(exchange(&self));
    CHECK_INT(self.continues, 1);
    h2_answer_text(self.call, slice_of(SENTENCE), slice_of("brick"), false);
    CHECK(exchange(&self));
    CHECK_TEXT(self.status, "404");
    CHECK_INT(self.closed, 1); /* and the client is told that the rest is not wanted, without an error */
    CHECK_INT(self.code, NGHTTP2_NO_ERROR);
    CHECK_INT(self.gones, 1);
    close_peer(&self);
}

TEST(what_could_be_read_as_two_requests_is_not_brought)
{
    static const struct {
        const char *method, *path, *name, *value;
    } bad[] = {
        {"GET", "/a b", "x", "y"},
        {"GET", "/a\r\nx: y", "x", "y"},
        {"GET /a HTTP/1.1\r\nx:", "/", "x", "y"},
        {"GET", "/a", "x", "y\r\nz: 1"},
        {"GET", "/a", "x y", "z"},
        {"GET", "/a", "transfer-encoding", "chunked"},
        {"GET", "/a", "connection", "close"},
        {"GET", "", "x", "y"},
        {"CONNECT", "/a", "x", "y"},
    };
    h2_source longer = {.data = "abcdef", .size = 6, .step = 9};
    peer   self;

    for (size_t i = 0; i < countof(bad); i++) {
        open_peer(&self);
        (void)submit(&self, bad[i].method, bad[i].path, bad[i].name, bad[i].value, NULL);
        (void)exchange(&self);
        buffer_add_byte(&self.request, '\0');
        /* nghttp2 resets the stream, or drops the one field whose name is none. */
        CHECK_MSG(self.request.size == 1 || strcmp(self.request.data, "GET /a HTTP/1.1\r\nhost: h:1\r\n\r\n") == 0,
                  "%s %s with %s: %s was brought as\n%s", bad[i].method, bad[i].path, bad[i].name, bad[i].value,
                  self.request.data);
        close_peer(&self);
    }
    open_peer(&self);
    (void)submit(&self, "POST", "/a", "content-length", "3", &longer);
    (void)exchange(&self);
    buffer_add_byte(&self.request, '\0');
    CHECK_TEXT(self.request.data, "POST /a HTTP/1.1\r\nhost: h:1\r\ncontent-length: 3\r\n\r\n"); /* the body never comes */
    CHECK_INT(self.closed, 1);
    CHECK(self.code != 0);
    close_peer(&self);
}
