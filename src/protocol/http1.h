/* http1.h - HTTP/1.1 without a socket: bytes in, requests out; answers in, bytes out.
 *
 * OWNS     the syntax of HTTP/1.1 (RFC 9112): framing, limits on what is decoded, bodies in chunks or
 *          compressed, the head of an answer, CORS. Reading is llhttp in its strict mode, and a few more
 *          refusals.
 * CALLED   by server/connection.c. Calls zlib and llhttp. Knows no route, no socket, no clock.
 * PULL     http1_parse takes bytes until something has happened, and says how many it took. A caller whose
 *          queue is full just keeps the rest, so pipelining is bounded where the queue is.
 *
 *              IDLE --first byte--> HEAD --blank line--> BODY --last byte--> IDLE
 *                                    |  HTTP1_HEAD, if a body follows  |  HTTP1_REQUEST
 *                                    +--------- no body ---------------+
 *
 * STRICT   What two parsers could read in two ways is refused and the connection is not used again: both
 *          Content-Length and Transfer-Encoding, a bare LF, folded headers, a space before the colon,
 *          repeated Host, keys or framing headers, any transfer coding but `chunked`.
 * THREADS  A parser, a request and a packer belong to one thread at a time.
 */
#ifndef OCT_HTTP1_H
#define OCT_HTTP1_H

#include <llhttp.h>
#include <zlib.h>

#include "base/base.h"

#define HTTP1_HEAD_BYTES_MAX   (64u << 10) /* request line and headers; also trailers */
#define HTTP1_TARGET_BYTES_MAX (16u << 10)
#define HTTP1_PACK_BYTES_MIN   1024u /* below a packet or so, gzip saves nothing on the wire */
#define HTTP1_DATE_BYTES       30u   /* "Sun, 06 Nov 1994 08:49:37 GMT" and NUL */

/* Set once by the server and shared by all its parsers. */
typedef struct http1_options {
    size_t          body_bytes_max; /* of one body, also after decompression */
    size_t          held_bytes_max; /* of all bodies at once; more is answered 503 */
    _Atomic size_t *held_bytes;     /* what all requests hold now; a counter, so relaxed */
    bool            cors;           /* answer preflights, allow any origin */
    /* May a body be of any size, as it is not kept here? Who says so calls http1_sink_body at HTTP1_HEAD. NULL: none may. */
    bool (*is_upload)(oct_slice method, oct_slice target);
} http1_options;

/* Headers that mean something to us. Others are checked, counted and dropped. */
typedef enum http1_header {
    HTTP1_HOST,
    HTTP1_API_KEY,
    HTTP1_AUTHORIZATION,
    HTTP1_CONTENT_ENCODING,
    HTTP1_TRANSFER_ENCODING,
    HTTP1_ACCEPT_ENCODING,
    HTTP1_EXPECT,
    HTTP1_ORIGIN,
    HTTP1_CORS_METHOD,
    HTTP1_CORS_HEADERS,
    HTTP1_HEADER_COUNT
} http1_header;

/* One request. Zero is empty; it is filled by http1_parse and used again after http1_request_reset. */
typedef struct http1_request {
    oct_slice method; /* a constant in upper case */
    oct_slice target; /* path and query as sent; of "http://host/path" the part from the path on */
    oct_slice body;   /* decoded */
    oct_slice headers[HTTP1_HEADER_COUNT]; /* data NULL: not given. Trimmed */
    bool      keep_alive;                  /* the client would go on after the answer */
    bool      is_http10;
    bool      is_head; /* HEAD: as GET, but the answer's body is not sent */
    bool      is_options;
    bool      accepts_gzip;
    bool      expects_continue; /* the client waits for "100 Continue" before it sends the body */
    bool      is_filled;        /* the head is complete, what stands above may be used */

    buffer          text;    /* target and header values */
    buffer          content; /* the body so far */
    size_t          held;    /* what `content` adds to *held_bytes */
    _Atomic size_t *held_bytes;
} http1_request;

void http1_request_reset(http1_request *self); /* keeps small buffers for the next one */
void http1_request_clear(http1_request *self); /* releases everything */

/* Takes a piece of a body. 0, or the status to refuse the rest with, and why. */
typedef int (*http1_sink)(void *context, const char *data, size_t size, const char **why);

typedef enum http1_phase { HTTP1_IN_IDLE, HTTP1_IN_HEAD, HTTP1_IN_BODY } http1_phase;

typedef struct http1_parser {
    llhttp_t             state;
    const http1_options *options;
    http1_request       *request; /* the one being filled, during http1_parse */
    http1_phase          phase;
    bool                 is_paused;   /* llhttp waits to be told to go on */
    bool                 head_is_due; /* set by the callbacks, read by http1_parse */
    bool                 whole_is_due;
    bool                 drops_body;
    http1_sink           sink; /* NULL: the body is kept */
    void                *sink_context;
    unsigned char        coding; /* enum coding in http1.c */
    uint64_t             head_bytes;
    uint64_t             body_wire_bytes; /* with framing */
    uint64_t             body_raw_bytes;  /* without, still compressed */
    uint64_t             body_announced;  /* Content-Length; 0: in chunks */
    struct {
        uint32_t start, size;
        bool     is_given;
    } fields[HTTP1_HEADER_COUNT]; /* in request->text; slices are made when it grows no more */
    uint32_t  target_size;
    uint32_t  value_start;
    int       field; /* the header whose value comes, or -1 */
    char      name[32];
    uint32_t  name_size;
    z_stream *inflater; /* while a compressed body comes in */
    bool      inflate_ended;
    int       error_status; /* of HTTP1_ERROR: the answer to give before closing */
    char      error_text[192];
} http1_parser;

void http1_parser_init(http1_parser *self, const http1_options *options);
void http1_parser_clear(http1_parser *self);

typedef enum http1_event {
    HTTP1_MORE,    /* all bytes were taken; nothing is complete yet */
    HTTP1_HEAD,    /* a body follows: refuse it now (http1_drop_body, or answer and close), or go on */
    HTTP1_REQUEST, /* *request is complete */
    HTTP1_ERROR    /* answer error_status and error_text, then close: what follows cannot be trusted */
} http1_event;

/* Take bytes from `data`. *used is how many; call again with the rest after any event but HTTP1_MORE and
 * HTTP1_ERROR, also when the rest is empty after HTTP1_HEAD. `request` must be the same, and otherwise
 * untouched, until HTTP1_REQUEST. */
http1_event http1_parse(http1_parser *self, http1_request *request, const char *data, size_t size,
                        size_t *used);
/* After HTTP1_HEAD: hand the body over as it comes instead of keeping it; it may have any size, but must not be compressed. */
void http1_sink_body(http1_parser *self, http1_sink sink, void *context);
/* After HTTP1_HEAD: read the body, but throw it away. */
void http1_drop_body(http1_parser *self);

typedef struct http1_answer {
    int         status;
    const char *content_type; /* NULL: no body */
    oct_slice   body;         /* as it will be sent: packed if is_packed */
    bool        is_packed;
    bool        close;       /* the connection ends after this answer */
    uint32_t    retry_after; /* seconds; 0: none */
    const char *date;        /* NULL: none */
} http1_answer;

/* Append status line and headers to `out`. Returns what must follow them on the wire: the body, or
 * nothing (HEAD, 204, 304). `request` NULL: it could not be read. */
oct_slice http1_write_head(const http1_request *request, const http1_options *options,
                           const http1_answer *answer, buffer *out);
/* The whole answer to a failure of HTTP itself, with Qdrant's envelope. Closes. */
void http1_write_error(const http1_options *options, int status, const char *text, const char *date,
                       buffer *out);
/* The whole answer to OPTIONS: a CORS preflight, or the methods there are. */
void              http1_write_options(const http1_request *request, const http1_options *options, bool close,
                                      const char *date, buffer *out);
extern const char http1_continue[]; /* "HTTP/1.1 100 Continue" and a blank line */

void http1_date(int64_t unix_seconds, char out[HTTP1_DATE_BYTES]);

/* gzip for answers. Zero is ready for use; one per thread, since zlib's state is large. */
typedef struct http1_packer {
    z_stream stream;
    bool     is_ready;
} http1_packer;

/* True if the client would take the answer compressed and it is worth it. */
bool http1_should_pack(const http1_request *request, const http1_answer *answer);
/* Append the body, compressed. False: no memory, or it would not get smaller; send it as it is. */
bool http1_pack(http1_packer *self, oct_slice body, buffer *out);
void http1_packer_clear(http1_packer *self);

#endif
