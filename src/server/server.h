/* server.h - the REST and gRPC doors: sockets, threads and time around octant_api.h.
 *
 * OWNS     descriptors, event loops, request queues, timeouts, keys, the configuration, the log lines. What
 *          a request means is decided in the api layer, behind oct_api_call; how its bytes look, in
 *          protocol/.
 * SHAPE    One event loop per thread, each with listening sockets of its own on the same two ports
 *          (SO_REUSEPORT: the kernel deals out connections). A connection stays with its loop.
 *
 *              bytes -> connection -> http1_parse -> queue of exchanges -+-> oct_api_call here (short reads)
 *              bytes <- connection <- one write per batch of answers  <--+-> worker thread, back by uv_async
 *
 *          A search runs to completion on the thread that read it. Writes wait for the disk and long reads
 *          take long, so those go to workers and never delay a search on the loop (request_class.h). Other reads the
 *          loop tries: what the engine knows to take long, or takes 2 ms, is begun again by a worker (TRIES in
 *          base/deadline.h, docs/decisions/0023-tries.md), and by a patient one if that takes 50 ms.
 * LEFT     A read stops when its client has closed the connection, reset the stream, or let its deadline pass;
 *          what it looks at is base/deadline.h. Writes are finished.
 * ORDER    A connection's requests run one after the other in the order sent, so a pipelined read sees the
 *          write before it; other connections are not held up. The queue is bounded: when it is full, or
 *          answers are not fetched, the connection is not read from.
 * TIME     Measured in ticks of the loop's own timer, not in clock time: when the loop itself was busy, no
 *          client is blamed for it.
 * READ     server.c (life and death), loop.c (one thread), connection.c (one client), then http1.h;
 *          for gRPC rpc.c and h2.h; rest.c for REST over HTTP/2. stream.c has the sockets of all three.
 * ERRORS   Starting up fails with a sentence; later failures concern one connection and close it.
 */
#ifndef OCT_SERVER_H
#define OCT_SERVER_H

#include "base/base.h"
#include "server/config.h"

#define SERVER_CONNECTIONS_MAX 10000u /* or what the limit of open files leaves; beyond it, 503 */

typedef struct server server;

/* Bind the address, so that a port in use is known before a database is opened. Nothing is accepted yet.
 * `config` must live as long as the server. */
oct_status  server_open(const server_config *config, server **out, oct_error *error);
const char *server_address(const server *self); /* "http://0.0.0.0:6333", with the port in use */
const char *server_rpc_address(const server *self); /* of gRPC; NULL: not served */

/* Serve until SIGTERM or SIGINT, then finish what was begun. `is_ready`, if not NULL, is called once when
 * requests are accepted. The database stays open and is the caller's. */
oct_status server_run(server *self, oct_database *database, void (*is_ready)(const server *self),
                      oct_error *error);
void       server_close(server *self); /* accepts NULL */

#endif
