/* h2.h - HTTP/2, and gRPC over it: bytes in, calls out; answers in, bytes out. No I/O and no clock.
 *
 * OWNS     the session of nghttp2 and its streams; gRPC's framing (a flag byte, four of size, the message), metadata,
 *          gzip, trailers. Knows no method: a call is a path, metadata and messages.
 * CALLED   by server/rpc.c: h2_receive what the socket read, run the calls that the hooks bring, h2_answer them, in
 *          any order, h2_send what is then due.
 * CALLS    A unary call comes whole by on_call. Of a call that on_head makes a stream, each message comes by on_call
 *          as soon as it is whole, and on_end when there are no more. A call lives until its stream is closed and
 *          nobody holds it (is_held): a worker that answers a call whose client has left answers nobody.
 * REST     A session that is made so (is_rest) knows no gRPC. Each stream is a connection of HTTP/1.1 in other bytes: on_bytes brings
 *          its request as HTTP/1.1 has it, for http1_parse with all its checks and limits, and h2_answer_text takes the answer
 *          as http1_write_head writes it. So the routes, refusals, compressed bodies, uploads and CORS are the same.
 * LIMITS   Against peers that ask for much and pay little: streams at once, bytes of metadata, bytes of messages (one,
 *          and all connections' together), resets a second (CVE-2023-44487), continuation frames (CVE-2024-28182),
 *          answers to pings that are not fetched; and of compressed messages the size when unpacked.
 * ERRORS   What breaks HTTP/2 ends the connection (GOAWAY). What breaks gRPC ends the call, with a status.
 * READ     https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, RFC 9113.
 */
#ifndef OCT_H2_H
#define OCT_H2_H

#include "base/base.h"

#define H2_STREAMS_MAX       256u        /* at once, of one connection */
#define H2_METADATA_MAX      (32u << 10) /* bytes of one call's headers */
#define H2_WINDOW            (1u << 20)  /* what a stream may send ahead; most messages fit */
#define H2_SESSION_WINDOW    (16u << 20) /* all streams of a connection together */
#define H2_RESET_BURST       1000u       /* streams that a client may cancel at once, */
#define H2_RESETS_PER_SECOND 100u        /* and later on: a client with deadlines does so honestly */
#define H2_CONTINUATIONS_MAX 8u
#define H2_DETAILS_MAX       1024u /* bytes of a status text, before percent-coding */
#define H2_PREFIX_BYTES      5u
#define H2_PACK_BYTES_MIN    1024u

/* The statuses that this folder gives by itself; https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
enum { H2_OK = 0, H2_RESOURCE_EXHAUSTED = 8, H2_UNIMPLEMENTED = 12, H2_INTERNAL = 13, H2_UNAVAILABLE = 14 };

typedef struct h2_session h2_session;

typedef struct h2_call {
    /* For the owner. */
    struct h2_call *next;
    uint64_t        deadline_ns;
    void           *work;      /* whatever the owner makes of it */
    bool            is_held;   /* somebody beyond the session uses it: h2_release when done */
    bool            is_stream; /* to be set in on_head */
    /* To read. */
    oct_slice path, api_key, authorization; /* data NULL: not given. Of REST only the path */
    oct_slice message;                      /* during on_call; of a unary call until it is answered */
    uint64_t  timeout_ns;                   /* of grpc-timeout; 0: none */
    bool      is_gone;                      /* the client has left: an answer reaches nobody */
    bool      is_answered;
    bool      is_packed; /* the client compressed, so it may be answered so */
    /* h2.c's. */
    h2_session     *session;
    struct h2_call *newer, *older;
    int32_t         stream;
    bool            is_started;  /* response headers are on their way */
    bool            has_ended;   /* the client sends no more */
    bool            is_ignored;  /* what still comes is dropped */
    bool            is_deferred; /* nghttp2 waits for more of `out` */
    bool            is_grpc;
    bool            is_bad_method;
    bool            has_length;  /* REST: content-length was given */
    bool            is_chunked;  /* REST: its body has no announced length, and comes in chunks */
    bool            waits;       /* REST: 100 Continue was asked for */
    bool            is_endless;  /* REST: h2_add_bytes brings more of the answer */
    oct_slice       method, authority;
    size_t          held;
    size_t          text_size;
    buffer          text, content, unpacked, out;
    size_t          out_at;
    uint32_t        message_count;
    int             status;
    char            trailer[3 * H2_DETAILS_MAX + 1];
    size_t          trailer_size;
    uint32_t        retry_after;
    bool            is_out_of_space;
} h2_call;

typedef struct h2_hooks {
    void (*on_head)(void    *context,
                    h2_call *call); /* metadata is there; may answer at once, and then no message comes */
    void (*on_call)(void *context, h2_call *call);
    void (*on_end)(void *context, h2_call *call); /* of a stream; REST: the request is whole */
    void (*on_gone)(void    *context,
                    h2_call *call); /* the stream was closed; `call` is released afterwards unless held */
    /* REST: what has come of the request. The first piece is the whole head. */
    void (*on_bytes)(void *context, h2_call *call, const char *data, size_t size);
    /* REST: of an answer that goes on, all has been sent that there was. */
    void (*on_room)(void *context, h2_call *call);
} h2_hooks;

typedef struct h2_options {
    size_t          message_bytes_max;
    size_t          held_bytes_max;
    _Atomic size_t *held_bytes; /* by all sessions; a counter, so relaxed */
    bool            is_rest;
} h2_options;

/* `options`, `hooks` and `context` stay the caller's. */
oct_status h2_new(const h2_options *options, const h2_hooks *hooks, void *context, h2_session **out,
                  oct_error *error);
/* Calls that are held live on until h2_release. */
void h2_free(h2_session *self);

/* False: the peer broke the protocol, or there is no memory. Send what h2_send still gives, then close. */
bool h2_receive(h2_session *self, const char *data, size_t size);
/* Append what is due to `out`, up to about `limit` bytes. False as above. */
bool h2_send(h2_session *self, buffer *out, size_t limit);
/* Nothing is open, nothing is to come: close. */
bool   h2_is_over(h2_session *self);
size_t h2_call_count(const h2_session *self);
/* The preface and settings of the client have come. */
bool h2_is_up(const h2_session *self);
/* Take no more calls (GOAWAY); those there are go on. */
void h2_drain(h2_session *self);

typedef struct h2_answer {
    int       status;  /* of gRPC */
    oct_slice message; /* if it is 0; copied */
    oct_slice details; /* if not */
    uint32_t  retry_after;
    bool      is_out_of_space;
} h2_answer;

/* Answer a call, and end it. */
void h2_answer_call(h2_call *call, const h2_answer *answer);
/* One of the messages of a stream. */
void h2_add_message(h2_call *call, oct_slice message);
void h2_release(h2_call *call);

/* --- REST: h2_rest.c ----------------------------------------------------------------------------------- */

/* Answer a call with a head as HTTP/1.1 writes it and a body (both are copied), and end it, unless `goes_on`: then on_room asks
 * for the rest. What of the request is still to come is dropped. */
void h2_answer_text(h2_call *call, oct_slice head, oct_slice body, bool goes_on);
/* More of such an answer. */
void h2_add_bytes(h2_call *call, oct_slice bytes, bool goes_on);
/* The answer cannot be finished: the client is told so, by a reset. */
void h2_break(h2_call *call);
/* The client may send the body that it asked for leave to send. */
void h2_continue(h2_call *call);

#endif
