/* server_internal.h - what server.c, loop.c, connection.c and rpc.c share. */
#ifndef OCT_SERVER_INTERNAL_H
#define OCT_SERVER_INTERNAL_H

#include <pthread.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/deadline.h"
#include "base/workers.h"
#include "octant_api.h"
#include "protocol/h2.h"
#include "protocol/http1.h"
#include "server/auth.h"
#include "server/pace.h"
#include "server/request_class.h"
#include "server/server.h"
#include "server/stream.h"

#define TICK_MS           250u         /* how often timeouts are looked at, and their resolution */
#define READ_BYTES        65536u       /* one read; what a loop's socket buffer usually holds */
#define QUEUE_MAX         32u          /* requests of one connection that were read and not yet answered, */
#define QUEUE_BYTES_MAX   (1u << 20)   /* and bytes of their bodies, before reading stops */
#define UNSENT_BYTES_MAX  (1u << 20)   /* answers that the client has not fetched, before work for it stops */
#define TURN_REQUESTS_MAX 16u          /* of one connection, before the others have their turn */
#define COPIED_BODY_MAX   (32u << 10)  /* a larger body is not copied behind its head but sent beside it */
#define OUTPUT_KEPT_MAX   (4u << 10)   /* of a connection's buffer once all is sent: thousands of them may be idle */
#define LOOP_BODY_MAX     (256u << 10) /* a larger request is parsed by a worker: JSON takes 1 ms a MiB */
#define LOOP_PACK_MAX     (64u << 10)  /* a larger answer is compressed by a worker: 10 ms a MiB */
#define STREAM_BYTES      (256u << 10) /* of a file, read by a worker and sent as one piece */
#define BODY_RATE_MIN     1024u        /* bytes a second that a body must bring, */
#define BODY_WINDOW_S     5u           /* measured over windows of this length */
#define SEND_STALL_S      60u          /* a client that fetches nothing for so long has gone */
#define GONE_S            2u           /* a client that ended its half and has had no answer for so long has closed */
#define LINGER_BYTES_MAX  (256u << 20) /* read and dropped after a refusal, so that the client can read it */
#define DRAIN_S           30u          /* after SIGTERM: time for requests that have begun to arrive */
#define SPARES_MAX        256u         /* exchanges and connections kept for the next client, per loop */
#define POOL_THREADS      16u          /* writers that wait for one sync together */
#define PATIENT_THREADS   4u           /* each splits its work over the engine's */
#define LOOP_PATIENCE_NS  PACE_SLOW_NS /* what a read may take of a loop, ... */
#define POOL_PATIENCE_NS  50000000u    /* ... and of the pool */
#define BODIES_BYTES_MAX  (1u << 30)   /* request bodies held by all connections together */
#define BODIES_SHARE      8u           /* of storage.memory_limit, if there is one and that is less */
#define FILES_KEPT        256u         /* open files left to the engine when connections are many */

typedef struct loop           loop;
typedef struct connection     connection;
typedef struct rpc_connection rpc_connection;
typedef struct rpc_job        rpc_job;
typedef struct rest_call      rest_call;

/* A request and its answer. Belongs to its connection's loop, and to one worker between submit and done. */
typedef struct exchange {
    struct exchange *next;      /* in the connection's queue, or the loop's spares */
    struct exchange *next_done; /* in the loop's `done`, while it is first in its queue */
    connection      *owner;
    http1_request    request;
    request_class    kind;
    auth_verdict     verdict;
    bool             is_judged; /* the two above are filled in */
    bool             is_called; /* `answer` is filled in */
    bool             is_packed; /* `packed` replaces its body */
    bool             is_packing_tried;
    oct_api_response answer;
    buffer           packed;
    oct_file        *upload;       /* where the body of an upload goes */
    bool             is_streaming; /* the head was sent, and answer.file follows, a piece at a time in `packed` */
    bool             has_failed;   /* while streaming: the file cannot be read */
    uint64_t         stream_at;
    uint32_t         pace_key; /* see pace.h */
    uint64_t         took_ns;  /* the call */
    _Atomic bool     left;     /* nobody waits for the answer: raised by the loop, looked at by the worker */
    bool             is_last_try; /* with a worker that takes its time */
    deadline_trial   trial;
} exchange;

/* One port that is listened on. */
typedef struct door {
    int64_t                 port;       /* -1: not served */
    const char             *flag, *key; /* where another port can be chosen */
    char                    address[128];
    struct sockaddr_storage bound; /* the same, for the system */
    socklen_t               bound_size;
} door;

enum { DOOR_HTTP, DOOR_GRPC, DOORS };

struct server {
    /* Set before the threads start. */
    const server_config *config;
    http1_options        http;
    h2_options           rpc;
    h2_options           rest; /* over HTTP/2 */
    auth_keys            keys;
    oct_database        *database;
    workers             *pool;
    workers             *patient; /* for reads that take long: what comes to `pool` is never long behind them */
    loop                *loops;
    uint32_t             loop_count;
    uint32_t             connections_max;
    door                 doors[DOORS];
    uv_signal_t          signals[2]; /* on loops[0], whose thread alone touches them */
    bool                 is_stopping;
    /* Counters: relaxed, nothing is published through them. */
    _Atomic size_t   held_bytes;
    _Atomic uint32_t connection_count;
};

struct loop {
    /* Only its own thread touches these. */
    uv_loop_t       uv;
    uv_tcp_t        listener;     /* HTTP/1.1 */
    uv_tcp_t        rpc_listener; /* gRPC */
    uv_async_t      wake;         /* a worker is done, or the server stops */
    uv_timer_t      tick;
    uv_idle_t       again; /* active while `ready` is not empty */
    server         *owner;
    connection     *connections; /* all of them, newest first */
    rpc_connection *rpcs;
    uint32_t        connection_count;         /* of both kinds */
    connection     *ready_first, *ready_last; /* with requests left over from their last turn */
    rpc_connection *ready_rpcs;
    exchange       *spare_exchanges;
    uint32_t        spare_count;
    uint32_t        ticks;
    uint32_t        drain_tick; /* when draining began */
    bool            is_made;    /* `uv` is there */
    bool            is_draining;
    bool            is_ended;
    http1_packer    packer;
    pace            pace;
    uv_tcp_t        turned_away; /* takes a connection for which there is no memory */
    uv_tcp_t       *turned_from; /* the listener it came by */
    bool            is_turning_away;
    int64_t         date_second;
    char            date[HTTP1_DATE_BYTES];
    char            input[READ_BYTES];

    /* From other threads. */
    _Atomic bool    stop_is_asked;
    pthread_mutex_t done_lock; /* guards the next three; held for a few stores */
    exchange       *done_first, *done_last;
    rpc_job        *done_jobs; /* newest first */

    int       sockets[DOORS]; /* before the listeners own them; else -1 */
    pthread_t thread;         /* loops[1..] */
    bool      has_thread;
};

struct connection {
    stream        io; /* first, so that a stream is its connection */
    connection   *next, *previous; /* in loop->connections */
    connection   *next_ready;
    http1_parser  parser;
    exchange     *filling;      /* the request being read; NULL between requests */
    exchange     *first, *last; /* read, not yet answered */
    uint32_t      queue_count;
    size_t        queue_bytes;
    buffer        input; /* bytes read and not yet parsed, from input_at on */
    size_t        input_at;
    buffer        output;      /* answers not yet given to the socket */
    uint64_t      window_bytes;
    uint64_t      linger_bytes;
    http1_phase   phase;         /* of the parser, when the time was started */
    bool          is_known;      /* it has begun with something else than HTTP/2 */
    uint32_t      end_tick;      /* at which it was seen that the client sends no more, ... */
    bool          is_half;       /* ... though the end was not read yet */
    bool          is_running;    /* `first` is with a worker */
    bool          is_ready;      /* in the loop's list */
    bool          is_last;       /* no request is read any more; closes after the last answer */
    bool          owes_continue; /* "100 Continue", once the answers before it have gone */
    bool          must_linger;   /* it may be sending still: let it read the answer */
    bool          is_lingering;
    int           fail_status; /* 0, or what to answer when the queue is empty; */
    const char   *fail_text;   /* in the parser, or a constant */
};

/* See rpc.c. */
struct rpc_connection {
    stream          io; /* first, so that a stream is its connection */
    rpc_connection *next, *previous; /* in loop->rpcs */
    rpc_connection *next_ready;
    h2_session     *h2;
    h2_call        *first, *last; /* whole, not yet run */
    buffer          output;
    size_t          running; /* with workers */
    bool            is_ready;
    bool            is_rest;    /* no gRPC, but REST over HTTP/2: see rest.c */
    bool            has_failed; /* send what is due, then close */
};

/* A call with a worker. */
struct rpc_job {
    rpc_job          *next_done;
    rpc_connection   *owner;
    h2_call          *call;
    oct_grpc_response answer;
    request_class     kind;
    uint32_t          pace_key;
    uint64_t          took_ns;
    _Atomic bool      left;        /* these three as an exchange's */
    bool              is_last_try;
    deadline_trial    trial;
    exchange         *served; /* REST: instead of what stands above but the call */
};

/* loop.c */
oct_status  loop_init(loop *self, server *owner, oct_error *error);
oct_status  loop_listen(loop *self, oct_error *error);
void        loop_run(loop *self); /* returns when drained */
void        loop_clear(loop *self);
void        loop_ask_stop(loop *self);             /* any thread */
void        loop_done(loop *self, exchange *done); /* any thread: hand an exchange back */
const char *loop_date(loop *self);
exchange   *loop_take_exchange(loop *self); /* NULL: no memory */
void        loop_return_exchange(loop *self, exchange *used);
void        loop_add_ready(loop *self, connection *ready);
void        loop_drop_ready(loop *self, connection *gone);
void        loop_turn_away(loop *self, uv_tcp_t *listener); /* no memory for what waits there */
void        rpc_hand_back(loop *self, rpc_job *done);       /* any thread */
void        rpc_add_ready(loop *self, rpc_connection *ready);
void        rpc_drop_ready(loop *self, rpc_connection *gone);
void        loop_connection_came(loop *self);
void        loop_connection_gone(loop *self); /* after it was released; the loop may end */

/* exchange.c. Any thread, one at a time. */
void         exchange_judge(exchange *self, const auth_keys *keys);
bool         exchange_take_upload(exchange *self, http1_parser *parser, oct_database *database); /* false: no room */
void         exchange_read_piece(exchange *self);
/* Also logs failures, once. False: it would take longer than that (0: it may); nothing has happened. */
bool         exchange_call(exchange *self, oct_database *database, uint64_t patience_ns);
void         exchange_pack(exchange *self, http1_packer *packer);   /* if the client wants it; once */
http1_answer exchange_answer(const exchange *self);                 /* after the call */
http1_answer exchange_refusal(const exchange *self);                /* when the verdict was not "allowed" */
http1_answer exchange_no_memory(void);

/* connection.c */
void connection_accept(loop *home);      /* the listener has one waiting */
void connection_again(connection *self); /* its turn in the ready list */
void connection_done(connection *self);  /* its running exchange came back */
void connection_tick(connection *self);  /* look at its timeouts; may close it */
void connection_drain(connection *self); /* the server stops: close if idle */

/* rpc.c: the same for gRPC */
void rpc_accept(loop *home);
void rpc_again(rpc_connection *self);
void rpc_done(rpc_job *job);
void rpc_tick(rpc_connection *self);
void rpc_drain(rpc_connection *self);
void rpc_enqueue(rpc_connection *self, h2_call *call);
/* The client of `from`, which speaks HTTP/2, and has sent `data` so far. False: no memory; nothing has changed. */
bool rpc_take_over(connection *from, const char *data, size_t size);

/* rest.c: what differs when it is REST */
void rest_run(rpc_connection *self, h2_call *call);
void rest_done(rpc_connection *self, rpc_job *job);
void rest_on_bytes(void *context, h2_call *call, const char *data, size_t size);
void rest_on_end(rpc_connection *self, h2_call *call);
void rest_on_room(void *context, h2_call *call);
void rest_on_gone(rpc_connection *self, h2_call *call);

#endif
