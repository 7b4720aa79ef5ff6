/* stream.h - one client's socket on its loop: reading, writing what the socket does not take at once, closing. */
#ifndef OCT_SERVER_STREAM_H
#define OCT_SERVER_STREAM_H

#include <uv.h>

#include "octant_api.h"
#include "base/base.h"

struct loop;
typedef struct stream stream;

/* Called on the loop's thread. */
typedef struct stream_hooks {
    void (*on_read)(stream *self, const char *data, size_t size); /* size 0: the client sends no more (has_ended) */
    void (*on_room)(stream *self);                                /* what the socket had not taken has gone */
    void (*on_closed)(stream *self);                              /* libuv is done with it */
} stream_hooks;

/* Embedded as the first member of what it belongs to. Only its loop's thread touches it. */
struct stream {
    uv_tcp_t            handle; /* first, so that a handle is its stream */
    struct loop        *loop;
    const stream_hooks *hooks;
    size_t              unsent_seen; /* bytes the kernel had not taken at the last tick */
    uint32_t            since;       /* tick at which what is waited for began */
    bool                is_reading;
    bool                has_ended; /* the client sends no more */
    bool                is_closing;
    bool                is_closed; /* on_closed has been called */
    uv_shutdown_t       shutdown;
};

/* What must live as long as bytes behind the text wait to be sent. */
typedef struct stream_body {
    buffer           packed;
    oct_api_response answer;
    bool             has_answer;
} stream_body;

/* False: the loop takes no handle, and nothing is to be closed. Accept into `handle` next. */
bool stream_open(stream *self, struct loop *home, const stream_hooks *hooks);
void stream_close(stream *self);
/* Go on with the client of `from`, which is closed without its noticing. False: no descriptor; nothing has changed. */
bool stream_take_over(stream *self, stream *from);

/* Send `text`, which is empty afterwards, and `behind` it bytes that *body owns (both may be empty; body may be NULL if
 * they are). What cannot be sent now is taken from *text and *body. */
void   stream_send(stream *self, buffer *text, oct_slice behind, stream_body *body);
size_t stream_unsent(const stream *self);
bool   stream_shut(stream *self); /* end the sending half; false: it cannot be done */
void   stream_read(stream *self, bool wanted);
/* What can be known of the other side without reading. */
typedef enum stream_peer { STREAM_THERE, STREAM_HALF, STREAM_GONE } stream_peer; /* HALF: it sends no more */
stream_peer stream_look(const stream *self);

/* Seconds since stream_restart, in ticks of the loop. */
void stream_restart(stream *self);
bool stream_is_past(const stream *self, int64_t seconds);
/* At a tick: are there bytes that the client has not fetched? Closes the stream if it has fetched none for SEND_STALL_S. */
bool stream_waits(stream *self);

#endif
