/* Goal:   the session brings each call whole, answers it in the three shapes that gRPC has, and gives way to none of the
 *         known attacks; bytes that are no HTTP/2 end the connection and nothing else.
 * Method: nghttp2's client on the other side of two arrays. Seeds stand in the comments. */
#include <zlib.h>

#include "support/h2_client.h"
#include "support/test.h"

typedef struct peer { /* both ends */
    h2_session      *server;
    nghttp2_session *client;
    _Atomic size_t   held;
    h2_options       options;
    h2_call         *kept; /* the last call, if it is not answered at once */
    bool             keeps;
    unsigned         heads, calls, ends, gones;
    char             message[64];
    size_t           message_size;
    /* what the client saw of its last stream */
    char     status[8], text[256];
    buffer   body;
    unsigned closed;
    uint32_t code;
    bool     has_goaway;
    unsigned pongs;
} peer;

static void
on_head(void *context, h2_call *call)
{
    peer *self = context;

    self->heads++;
    call->is_stream = slice_is(call->path, "/stream");
    if (slice_is(call->path, "/refused")) {
        const h2_answer answer = {.status = 16, .details = slice_of("no: 100% h\xC3\xA9")};

        h2_answer_call(call, &answer);
    }
}

static void
on_call(void *context, h2_call *call)
{
    peer           *self = context;
    const h2_answer answer = {.status = H2_OK, .message = call->message};

    self->calls++;
    self->message_size = call->message.size;
    memcpy(self->message, call->message.data, size_min(call->message.size, sizeof self->message));
    if (call->is_stream) {
        h2_add_message(call, call->message);
        return;
    }
    if (self->keeps) {
        call->is_held = true;
        self->kept = call;
        return;
    }
    h2_answer_call(call, &answer);
}

static void
on_end(void *context, h2_call *call)
{
    peer           *self = context;
    const h2_answer answer = {.status = H2_OK};

    self->ends++;
    h2_answer_call(call, &answer);
}

static void
on_gone(void *context, h2_call *call)
{
    (void)call;
    ((peer *)context)->gones++;
}

static const h2_hooks hooks = {on_head, on_call, on_end, on_gone, NULL, NULL};

static int
client_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
              const uint8_t *value, size_t value_size, uint8_t flags, void *context)
{
    peer           *self = context;
    const oct_slice key = {(const char *)name, name_size};

    (void)session;
    (void)frame;
    (void)flags;
    if (slice_is(key, "grpc-status") || (slice_is(key, ":status") && memcmp(value, "200", 3) != 0))
        (void)snprintf(self->status, sizeof self->status, "%.*s", (int)value_size, (const char *)value);
    if (slice_is(key, "grpc-message"))
        (void)snprintf(self->text, sizeof self->text, "%.*s", (int)value_size, (const char *)value);
    return 0;
}

static int
client_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t size,
            void *context)
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
    ((peer *)context)->closed++;
    ((peer *)context)->code = code;
    return 0;
}

static int
client_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        ((peer *)context)->has_goaway = true;
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
        ((peer *)context)->pongs++;
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

    *self = (peer){0};
    self->options = (h2_options){1u << 20, 8u << 20, &self->held, false};
    OCT_MUST(h2_new(&self->options, &hooks, self, &self->server, NULL) == OCT_OK);
    OCT_MUST(nghttp2_session_callbacks_new(&calls) == 0);
    nghttp2_session_callbacks_set_on_header_callback(calls, client_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, client_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, client_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, client_frame);
    OCT_MUST(nghttp2_session_client_new(&self->client, calls, self) == 0);
    nghttp2_session_callbacks_del(calls);
    OCT_MUST(nghttp2_submit_settings(self->client, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
}

static void
close_peer(peer *self)
{
    h2_free(self->server);
    nghttp2_session_del(self->client);
    buffer_clear(&self->body);
    CHECK_INT(self->held, 0);
    CHECK_INT(self->gones, self->heads);
}

static int32_t
submit(peer *self, const char *path, const char *encoding, const char *timeout, h2_source *from)
{
    const nghttp2_data_provider body = h2_body(from);
    nghttp2_nv                  list[8] = {h2_nv(":method", "POST"),
                                           h2_nv(":scheme", "http"),
                                           h2_nv(":path", path),
                                           h2_nv(":authority", "a"),
                                           h2_nv("content-type", "application/grpc+proto"),
                                           h2_nv("te", "trailers")};
    size_t                      count = 6;

    if (encoding != NULL)
        list[count++] = h2_nv("grpc-encoding", encoding);
    if (timeout != NULL)
        list[count++] = h2_nv("grpc-timeout", timeout);
    self->status[0] = self->text[0] = '\0';
    self->body.size = 0;
    return nghttp2_submit_request(self->client, NULL, list, count, &body, NULL);
}

TEST(a_unary_call_is_brought_whole_and_answered)
{
    peer   self;
    h2_source from = {.data = "\0\0\0\0\5hello", .size = 10};

    open_peer(&self);
    CHECK(submit(&self, "/echo", NULL, NULL, &from) > 0);
    CHECK(exchange(&self));
    CHECK_INT(self.calls, 1);
    CHECK_TEXT(self.status, "0");
    CHECK(self.body.size == 10 && memcmp(self.body.data, from.data, 10) == 0);
    CHECK_INT(self.closed, 1);
    CHECK_INT(self.code, NGHTTP2_NO_ERROR);
    close_peer(&self);
}

/* The trailers come at once, and the client need not send the rest. */
TEST(a_call_may_be_refused_by_its_head)
{
    peer   self;
    h2_source from = {.data = "\0\0\0\0\5he", .size = 7, .stays_open = true};

    open_peer(&self);
    CHECK(submit(&self, "/refused", NULL, NULL, &from) > 0);
    CHECK(exchange(&self));
    CHECK_INT(self.calls, 0);
    CHECK_TEXT(self.status, "16");
    CHECK_TEXT(self.text, "no: 100%25 h%C3%A9");
    CHECK_INT(self.closed, 1);
    CHECK_INT(self.code, NGHTTP2_NO_ERROR);
    close_peer(&self);
}

TEST(messages_of_a_stream_are_answered_before_it_ends)
{
    peer   self;
    h2_source from = {.data = "\0\0\0\0\1a\0\0\0\0\2bc\0\0\0", .size = 16, .stays_open = true};

    open_peer(&self);
    CHECK(submit(&self, "/stream", NULL, NULL, &from) > 0);
    CHECK(exchange(&self));
    CHECK_INT(self.calls, 2);
    CHECK(self.body.size == 13 && memcmp(self.body.data, from.data, 13) == 0);
    CHECK_TEXT(self.status, "");
    from = (h2_source){.data = "\0\1z", .size = 3};
    CHECK_INT(nghttp2_session_resume_data(self.client, 1), 0);
    CHECK(exchange(&self));
    CHECK_INT(self.calls, 3);
    CHECK_INT(self.ends, 1);
    CHECK_TEXT(self.status, "0");
    close_peer(&self);
}

TEST(packed_messages_are_unpacked_and_answered_packed)
{
    static char   plain[5000];
    unsigned char packed[H2_PREFIX_BYTES + 1000];
    z_stream      packer = {0};
    peer          self;
    h2_source from = {.data = (const char *)packed, .size = 0};

    memset(plain, 'x', sizeof plain);
    OCT_MUST(deflateInit2(&packer, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    packer.next_in = (Bytef *)plain;
    packer.avail_in = sizeof plain;
    packer.next_out = packed + H2_PREFIX_BYTES;
    packer.avail_out = 1000;
    OCT_MUST(deflate(&packer, Z_FINISH) == Z_STREAM_END);
    from.size = H2_PREFIX_BYTES + packer.total_out;
    memcpy(packed, "\1\0\0\0", 4);
    packed[3] = (unsigned char)(packer.total_out >> 8);
    packed[4] = (unsigned char)packer.total_out;
    (void)deflateEnd(&packer);
    open_peer(&self);
    CHECK(submit(&self, "/echo", "gzip", NULL, &from) > 0);
    CHECK(exchange(&self));
    CHECK_INT(self.message_size, sizeof plain);
    CHECK_TEXT(self.status, "0");
    CHECK(self.body.size > 5 && self.body.size < 1000 && self.body.data[0] == 1);
    packed[8] ^= 255; /* no gzip any more */
    from.at = 0;
    CHECK(submit(&self, "/echo", "gzip", NULL, &from) > 0);
    CHECK(exchange(&self));
    CHECK_TEXT(self.status, "13");
    from.at = 0;
    CHECK(submit(&self, "/echo", "deflate", NULL, &from) > 0);
    CHECK(exchange(&self));
    CHECK_TEXT(self.status, "12");
    close_peer(&self);
}

TEST(calls_that_break_the_framing_fail_alone)
{
    static const struct {
        const char *body;
        size_t      size;
        const char *status;
    } cases[] = {
        {"", 0, "13"},                        /* no message */
        {"\0\0\0\0\5hell", 9, "13"},          /* cut */
        {"\0\0\0\0\1a\0\0\0\0\1b", 12, "13"}, /* two */
        {"\2\0\0\0\1a", 6, "13"},             /* a flag that does not exist */
        {"\0\xFF\xFF\xFF\xFF", 5, "8"},       /* 4 GiB announced */
        {"\0\0\0\0\0", 5, "0"},               /* an empty message is one */
    };
    peer self;

    open_peer(&self);
    for (size_t i = 0; i < countof(cases); i++) {
        h2_source from = {.data = cases[i].body, .size = cases[i].size};

        CHECK(submit(&self, "/echo", NULL, NULL, &from) > 0);
        CHECK(exchange(&self));
        CHECK_TEXT(self.status, cases[i].status);
        CHECK_INT(self.closed, i + 1);
    }
    close_peer(&self);
}

TEST(deadlines_are_read)
{
    static const struct {
        const char *text;
        uint64_t    ns;
    } cases[] = {{"250m", 250000000},
                 {"1H", UINT64_C(3600000000000)},
                 {"99999999n", 99999999},
                 {"0S", 1},
                 {"123456789S", 0},
                 {"m", 0},
                 {"1x", 0},
                 {"-1S", 0}};
    peer self;

    open_peer(&self);
    self.keeps = true;
    for (size_t i = 0; i < countof(cases); i++) {
        const h2_answer answer = {.status = H2_OK};
        h2_source from = {.data = "\0\0\0\0\0", .size = 5};

        CHECK(submit(&self, "/echo", NULL, cases[i].text, &from) > 0);
        CHECK(exchange(&self));
        CHECK_MSG(self.kept->timeout_ns == cases[i].ns, "%s is %llu ns", cases[i].text,
                  (unsigned long long)self.kept->timeout_ns);
        h2_answer_call(self.kept, &answer);
        h2_release(self.kept);
        CHECK(exchange(&self));
        CHECK_TEXT(self.status, "0");
    }
    close_peer(&self);
}

/* A worker that answers a call whose client has left answers nobody, also when the whole session is gone. */
TEST(a_call_outlives_its_client_while_it_is_held)
{
    const h2_answer answer = {.status = H2_OK, .message = slice_of("late")};

    for (int closes = 0; closes < 2; closes++) {
        peer    self;
        h2_source from = {.data = "\0\0\0\0\1a", .size = 6};
        int32_t stream;

        open_peer(&self);
        self.keeps = true;
        stream = submit(&self, "/echo", NULL, NULL, &from);
        CHECK(exchange(&self));
        if (closes == 0) {
            (void)nghttp2_submit_rst_stream(self.client, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
            CHECK(exchange(&self));
            CHECK(self.kept->is_gone);
            h2_answer_call(self.kept, &answer);
            h2_release(self.kept);
            close_peer(&self);
        } else {
            close_peer(&self);
            CHECK(self.kept->is_gone);
            h2_answer_call(self.kept, &answer);
            h2_release(self.kept);
        }
    }
}

TEST(a_drained_session_ends_after_its_last_answer)
{
    const h2_answer answer = {.status = H2_OK};
    peer            self;
    h2_source from = {.data = "\0\0\0\0\0", .size = 5};

    open_peer(&self);
    self.keeps = true;
    CHECK(submit(&self, "/echo", NULL, NULL, &from) > 0);
    CHECK(exchange(&self));
    h2_drain(self.server);
    CHECK(exchange(&self));
    CHECK(self.has_goaway);
    CHECK(!h2_is_over(self.server));
    h2_answer_call(self.kept, &answer);
    h2_release(self.kept);
    CHECK(exchange(&self));
    CHECK_TEXT(self.status, "0");
    CHECK(h2_is_over(self.server));
    close_peer(&self);
}

/* CVE-2023-44487: streams opened and reset at once, again and again. */
TEST(rapid_resets_end_the_connection)
{
    peer self;
    bool is_fine = true;
    int  round = 0;

    open_peer(&self);
    for (; round < 4 * (int)H2_RESET_BURST && is_fine && !self.has_goaway; round++) {
        h2_source from = {.data = "\0\0\0\0\1a", .size = 6, .stays_open = true};
        int32_t stream = submit(&self, "/echo", NULL, NULL, &from);

        is_fine = stream > 0 && exchange(&self);
        (void)nghttp2_submit_rst_stream(self.client, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
        is_fine = is_fine && exchange(&self);
    }
    CHECK_MSG(!is_fine || self.has_goaway, "%d resets were taken", round);
    CHECK_MSG(round > (int)H2_RESET_BURST / 2, "an honest client is cut off after %d resets", round);
    close_peer(&self);
}

/* Goal: anything else than HTTP/2 ends the session without harm. Seed 43: noise, and honest bytes that were damaged. */
TEST(noise_ends_the_session_and_nothing_else)
{
    const uint64_t rounds = test_scaled(400);
    test_rng       rng = test_rng_seed(43);

    for (uint64_t round = 0; round < rounds; round++) {
        peer           self;
        h2_source from = {.data = "\0\0\0\0\5hello\0\0", .size = 12};
        buffer         bytes = {0}, out = {0};
        const uint8_t *data;
        ssize_t        size;

        open_peer(&self);
        (void)submit(&self, "/echo", NULL, "1S", &from);
        from.at = 0;
        (void)submit(&self, "/stream", "gzip", NULL, &from);
        while ((size = nghttp2_session_mem_send(self.client, &data)) > 0)
            buffer_add(&bytes, data, (size_t)size);
        for (uint64_t i = test_below(&rng, 6); i > 0; i--)
            bytes.data[24 + test_below(&rng, bytes.size - 24)] = (char)test_u64(&rng);
        for (size_t at = 0; at < bytes.size;) { /* in pieces of any size */
            const size_t step = size_min(bytes.size - at, 1 + test_below(&rng, 64));

            if (!h2_receive(self.server, bytes.data + at, step))
                break;
            at += step;
        }
        (void)h2_send(self.server, &out, SIZE_MAX);
        buffer_clear(&bytes);
        buffer_clear(&out);
        h2_free(self.server);
        nghttp2_session_del(self.client);
        CHECK_INT(self.held, 0);
    }
}

/* Goal: every allocation may fail, nghttp2's own too. */
TEST(failed_allocations_cost_the_session_at_most)
{
    bool     was_whole = false;
    uint64_t allowed = 0;

    for (; allowed < 400 && !was_whole; allowed++) {
        peer       self = {0};
        h2_source from = {.data = "\0\0\0\0\5hello", .size = 10};
        oct_status status;

        open_peer(&self);
        h2_free(self.server);
        oct_alloc_fail_after(allowed, false);
        status = h2_new(&self.options, &hooks, &self, &self.server, NULL);
        if (status == OCT_OK) {
            (void)submit(&self, "/echo", NULL, NULL, &from);
            (void)exchange(&self);
        }
        oct_alloc_fail_after(UINT64_MAX, false);
        was_whole = allowed > 10 && strcmp(self.status, "0") == 0;
        h2_free(self.server);
        nghttp2_session_del(self.client);
        buffer_clear(&self.body);
        CHECK_INT(self.held, 0);
    }
    CHECK(was_whole);
}

/* Goal:   a message that is small packed and too large unpacked costs its call, and no more memory than a message may have.
 * Method: 64 MiB of one letter, where 1 MiB is taken; what is held meanwhile is counted by the session itself. */
TEST(a_packed_message_that_grows_too_large_fails_alone)
{
    static char plain[1u << 16];
    z_stream    packer = {0};
    peer        self;
    buffer      packed = {0};
    h2_source from = {.data = NULL}, echo = {.data = "\0\0\0\0\1a", .size = 6};

    memset(plain, 'x', sizeof plain);
    OCT_MUST(buffer_reserve(&packed, 1u << 20) && deflateInit2(&packer, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    packer.next_out = (Bytef *)packed.data + H2_PREFIX_BYTES;
    packer.avail_out = (1u << 20) - H2_PREFIX_BYTES;
    for (unsigned i = 0; i < 1024; i++) {
        packer.next_in = (Bytef *)plain;
        packer.avail_in = sizeof plain;
        OCT_MUST(deflate(&packer, i == 1023 ? Z_FINISH : Z_NO_FLUSH) == (i == 1023 ? Z_STREAM_END : Z_OK));
    }
    packed.data[0] = 1;
    for (unsigned i = 0; i < 4; i++)
        packed.data[1 + i] = (char)(packer.total_out >> (24 - 8 * i));
    from = (h2_source){.data = packed.data, .size = H2_PREFIX_BYTES + packer.total_out};
    (void)deflateEnd(&packer);
    open_peer(&self);
    CHECK(submit(&self, "/echo", "gzip", NULL, &from) > 0);
    CHECK(exchange(&self));
    CHECK_TEXT(self.status, "8");
    CHECK_INT(self.calls, 0);
    CHECK(submit(&self, "/echo", NULL, NULL, &echo) > 0);
    CHECK(exchange(&self));
    CHECK_TEXT(self.status, "0");
    close_peer(&self);
    buffer_clear(&packed);
}

static ssize_t
read_trailed(nghttp2_session *session, int32_t stream, uint8_t *to, size_t size, uint32_t *flags, nghttp2_data_source *from,
             void *context)
{
    const nghttp2_nv trailer = h2_nv("x-after", "1");
    const ssize_t    got = h2_read_source(session, stream, to, size, flags, from, context);

    if ((*flags & NGHTTP2_DATA_FLAG_EOF) != 0) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        OCT_MUST(nghttp2_submit_trailer(session, stream, &trailer, 1) == 0);
    }
    return got;
}

/* Goal:   a client may end its call by trailers, which say nothing here; pings are answered; a frame that is cut by the end of the
 *         connection leaves nothing behind (close_peer looks).
 * Method: the three, one behind the other on one connection. */
TEST(trailers_pings_and_half_frames_do_no_harm)
{
    h2_source from = {.data = "\0\0\0\0\5hello", .size = 10};
    const nghttp2_data_provider body = {.source = {.ptr = &from}, .read_callback = read_trailed};
    const nghttp2_nv            list[] = {h2_nv(":method", "POST"), h2_nv(":scheme", "http"),
                                          h2_nv(":path", "/echo"), h2_nv(":authority", "a"),
                                          h2_nv("content-type", "application/grpc"), h2_nv("te", "trailers")};
    static const char           half[] = "\0\0\x20\0\1\0\0\0\x05\0\0"; /* DATA of 32 bytes, two of which come */
    peer                        self;

    open_peer(&self);
    CHECK(nghttp2_submit_request(self.client, NULL, list, countof(list), &body, NULL) > 0);
    CHECK(exchange(&self));
    CHECK_INT(self.calls, 1);
    CHECK_TEXT(self.status, "0");
    CHECK_INT(nghttp2_submit_ping(self.client, NGHTTP2_FLAG_NONE, (const uint8_t *)"12345678"), 0);
    CHECK(exchange(&self));
    CHECK_INT(self.pongs, 1);
    from = (h2_source){.data = "\0\0\0\0\5he", .size = 7, .stays_open = true};
    CHECK(submit(&self, "/echo", NULL, NULL, &from) > 0);
    CHECK(exchange(&self));
    (void)h2_receive(self.server, half, sizeof half - 1);
    CHECK_INT(self.calls, 1);
    close_peer(&self);
}
