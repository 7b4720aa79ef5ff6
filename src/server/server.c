/* Life and death of the server: sockets bound, loops started, signals, the end. See server.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <time.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/server_internal.h"

/* --- sockets --------------------------------------------------------------------------------- */

static oct_status
explain_bind(const server_config *config, const door *at, int problem, oct_error *error)
{
    const long long port = (long long)at->port;

    if (problem == EADDRINUSE)
        return oct_fail(error, OCT_EXISTS,
                        "port %lld on %s is in use by another program: stop it, or choose another port with "
                        "%s (%s)",
                        port, config->host, at->flag, at->key);
    if (problem == EACCES)
        return oct_fail(error, OCT_FORBIDDEN,
                        "port %lld needs privileges this process lacks: choose one above 1023 with %s (%s)",
                        port, at->flag, at->key);
    if (problem == EADDRNOTAVAIL)
        return oct_fail(
            error, OCT_INVALID,
            "host %s is not an address of this machine: choose one with --host (service.host), such as "
            "127.0.0.1 or 0.0.0.0",
            config->host);
    return oct_fail(error, OCT_IO, "cannot bind %s port %lld: %s", config->host, port, strerror(problem));
}

/* A bound socket, or -1 with errno. `shares`: other sockets of ours may have the same port. */
static int
bind_socket(const struct sockaddr *address, socklen_t size, bool shares)
{
    const int on = 1;
    const int descriptor = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int       problem;

    if (descriptor < 0)
        return -1;
    /* TCP_NODELAY is inherited by what is accepted: an answer is one write, and must not wait for an ack. */
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (!shares || setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
        bind(descriptor, address, size) == 0)
        return descriptor;
    problem = errno;
    (void)close(descriptor);
    errno = problem;
    return -1;
}

static void
describe_address(door *self)
{
    const struct sockaddr_in  *v4 = (const struct sockaddr_in *)&self->bound;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&self->bound;
    char                       text[INET6_ADDRSTRLEN] = "?";

    if (self->bound.ss_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        (void)snprintf(self->address, sizeof self->address, "http://[%s]:%u", text, ntohs(v6->sin6_port));
    } else {
        (void)inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
        (void)snprintf(self->address, sizeof self->address, "http://%s:%u", text, ntohs(v4->sin_port));
    }
}

/* SO_REUSEPORT would let a second server of the same user join in and take half of the connections. So
 * whether somebody listens at the address is asked without it: when binding, and once more just before
 * listening, since a database may have been opened in between. Port 0 becomes a free port. */
static oct_status
probe_port(server *self, door *at, oct_error *error)
{
    socklen_t size = at->bound_size;
    const int probe = bind_socket((const struct sockaddr *)&at->bound, size, false);

    if (probe < 0 || getsockname(probe, (struct sockaddr *)&at->bound, &size) != 0)
        return explain_bind(self->config, at, errno, error);
    (void)close(probe);
    return OCT_OK;
}

/* One socket for each loop on the same address. */
static oct_status
bind_all(server *self, size_t which, const struct addrinfo *found, oct_error *error)
{
    door      *at = &self->doors[which];
    oct_status status;

    memcpy(&at->bound, found->ai_addr, found->ai_addrlen);
    at->bound_size = found->ai_addrlen;
    status = probe_port(self, at, error);
    for (uint32_t i = 0; status == OCT_OK && i < self->loop_count; i++) {
        self->loops[i].sockets[which] =
            bind_socket((const struct sockaddr *)&at->bound, at->bound_size, true);
        if (self->loops[i].sockets[which] < 0)
            status = explain_bind(self->config, at, errno, error);
    }
    if (status == OCT_OK)
        describe_address(at);
    return status;
}

static oct_status
bind_door(server *self, size_t which, oct_error *error)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    char             port[8];
    oct_status       status;
    int              problem;

    (void)snprintf(port, sizeof port, "%u", (unsigned)self->doors[which].port);
    problem = getaddrinfo(self->config->host, port, &hints, &found);
    if (problem != 0)
        return oct_fail(error, OCT_INVALID,
                        "host \"%s\" cannot be resolved (%s): give an address with --host "
                        "(service.host), such as 127.0.0.1 or 0.0.0.0",
                        self->config->host, gai_strerror(problem));
    status = bind_all(self, which, found, error);
    freeaddrinfo(found);
    return status;
}

/* gRPC is served by default, but not at any price: when nobody chose the port and it is taken, REST goes on alone. */
static oct_status
bind_doors(server *self, oct_error *error)
{
    oct_error  why = {0};
    oct_status status = bind_door(self, DOOR_HTTP, error);

    if (status != OCT_OK || self->doors[DOOR_GRPC].port < 0)
        return status;
    status = bind_door(self, DOOR_GRPC, &why);
    if (status == OCT_EXISTS && !self->config->grpc_port_is_given) {
        log_line(LOG_LEVEL_WARN, "gRPC is not served: %s", why.text);
        self->doors[DOOR_GRPC].port = -1;
        return OCT_OK;
    }
    return status == OCT_OK ? OCT_OK : oct_fail(error, status, "%s", why.text);
}

/* Descriptors bound connections; ask for as many as the system gives without privileges. */
static uint32_t
allowed_connections(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 256;
    if (files.rlim_cur < files.rlim_max) {
        struct rlimit more = {.rlim_cur = files.rlim_max, .rlim_max = files.rlim_max};

        if (more.rlim_cur == RLIM_INFINITY || more.rlim_cur > 1u << 20)
            more.rlim_cur = 1u << 20;
        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            files.rlim_cur = more.rlim_cur;
    }
    if (files.rlim_cur > SERVER_CONNECTIONS_MAX + FILES_KEPT)
        return SERVER_CONNECTIONS_MAX;
    return files.rlim_cur > 2 * FILES_KEPT ? (uint32_t)files.rlim_cur - FILES_KEPT
                                           : (uint32_t)files.rlim_cur / 2;
}

/* --- open, close ----------------------------------------------------------------------------- */

static oct_slice
key_of(const char *text)
{
    return text == NULL ? (oct_slice){NULL, 0} : slice_of(text);
}

/* Under a memory limit requests on their way may take a part of it; the largest that is allowed must always pass. */
static size_t
bodies_bytes_max(const server_config *config)
{
    const size_t largest = (size_t)config->max_request_size_mb << 20;
    size_t       most = BODIES_BYTES_MAX;

    if (config->memory_limit > 0)
        most = size_min(most, (size_t)config->memory_limit / BODIES_SHARE);
    return size_max(most, config->memory_limit > 0 ? largest : 2 * largest);
}

oct_status
server_open(const server_config *config, server **out, oct_error *error)
{
    server    *self = oct_calloc(1, sizeof *self);
    oct_status status = OCT_OK;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    self->config = config;
    self->http = (http1_options){
        .body_bytes_max = (size_t)config->max_request_size_mb << 20,
        .held_bytes_max = bodies_bytes_max(config),
        .held_bytes = &self->held_bytes,
        .cors = config->enable_cors,
        .is_upload = request_is_upload,
    };
    self->rpc = (h2_options){
        .message_bytes_max = OCT_API_BODY_MAX,
        .held_bytes_max = self->http.held_bytes_max,
        .held_bytes = &self->held_bytes,
    };
    self->rest = self->rpc;
    self->rest.is_rest = true;
    self->doors[DOOR_HTTP] =
        (door){.port = config->http_port, .flag = "--http-port", .key = "service.http_port", .address = ""};
    self->doors[DOOR_GRPC] =
        (door){.port = config->grpc_port, .flag = "--grpc-port", .key = "service.grpc_port", .address = ""};
    self->keys = (auth_keys){.full = key_of(config->api_key),
                             .alternative = key_of(config->alt_api_key),
                             .read_only = key_of(config->read_only_api_key)};
    self->connections_max = allowed_connections();
    self->loop_count = config->max_workers > 0 ? (uint32_t)config->max_workers : uv_available_parallelism();
    self->loops = oct_calloc(self->loop_count, sizeof *self->loops);
    if (self->loops == NULL) {
        status = oct_fail_memory(error, self->loop_count * sizeof *self->loops);
        goto out;
    }
    for (uint32_t i = 0; i < self->loop_count; i++) {
        status = loop_init(&self->loops[i], self, error);
        if (status != OCT_OK)
            goto out;
    }
    status = bind_doors(self, error);
    if (status == OCT_OK)
        status = workers_new(POOL_THREADS, &self->pool, error);
    if (status == OCT_OK)
        status = workers_new(PATIENT_THREADS, &self->patient, error);
    if (status != OCT_OK)
        goto out;
    *out = self;
    self = NULL; /* the caller owns it now */
out:
    server_close(self);
    return status;
}

void
server_close(server *self)
{
    if (self == NULL)
        return;
    workers_free(self->pool); /* it gives to the other what takes long; both report to the loops */
    workers_free(self->patient);
    for (uint32_t i = 0; self->loops != NULL && i < self->loop_count; i++) {
        if (self->loops[i].owner == NULL)
            break;
        for (size_t which = 0; which < DOORS; which++)
            if (self->loops[i].sockets[which] >= 0)
                (void)close(self->loops[i].sockets[which]);
        loop_clear(&self->loops[i]);
    }
    oct_free(self->loops);
    oct_free(self);
}

const char *
server_address(const server *self)
{
    return self->doors[DOOR_HTTP].address;
}

const char *
server_rpc_address(const server *self)
{
    return self->doors[DOOR_GRPC].port < 0 ? NULL : self->doors[DOOR_GRPC].address;
}

/* --- run ------------------------------------------------------------------------------------- */

static void
stop_loops(server *self)
{
    self->is_stopping = true;
    for (uint32_t i = 0; i < self->loop_count; i++)
        loop_ask_stop(&self->loops[i]);
}

/* A signal to a process and another to its group, as timeout(1) and shells send them, are one wish: only one that comes later
 * asks to stop at once. */
#define SAME_WISH_NS 100000000u

static volatile sig_atomic_t stop_is_asked;
static uint64_t              stop_asked_ns; /* written before stop_is_asked */

static uint64_t
now_ns(void) /* safe in a signal handler */
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool
asks_again(void)
{
    return stop_is_asked != 0 && now_ns() - stop_asked_ns > SAME_WISH_NS;
}

static void
on_signal(uv_signal_t *handle, int number)
{
    server *self = handle->data;

    if (self->is_stopping) {
        if (!asks_again())
            return;
        log_line(LOG_LEVEL_WARN, "stopped at once; the log will be replayed at the next start");
        _exit(128 + number);
    }
    log_line(LOG_LEVEL_INFO, "%s: finishing requests, then closing the database (once more: stop at once)",
             number == SIGTERM ? "SIGTERM" : "SIGINT");
    stop_asked_ns = now_ns();
    stop_is_asked = 1;
    stop_loops(self);
}

static oct_status
watch_signals(server *self, oct_error *error)
{
    static const int numbers[countof(self->signals)] = {SIGTERM, SIGINT};

    for (size_t i = 0; i < countof(numbers); i++) {
        uv_signal_t *handle = &self->signals[i];
        int          problem = uv_signal_init(&self->loops[0].uv, handle);

        handle->data = problem == 0 ? self : NULL;
        if (problem == 0)
            problem = uv_signal_start(handle, on_signal, numbers[i]);
        if (problem != 0)
            return oct_fail(error, OCT_IO, "cannot watch signals: %s", uv_strerror(problem));
        uv_unref((uv_handle_t *)handle); /* it must not keep a drained loop going */
    }
    return OCT_OK;
}

static void
exit_at_once(int number)
{
    if (stop_is_asked == 0 || asks_again())
        _exit(128 + number);
}

/* The first loop has drained and no longer hears signals, but others, or the checkpoint, may take a while. */
static void
unwatch_signals(server *self)
{
    for (size_t i = 0; i < countof(self->signals); i++) {
        if (self->signals[i].data != NULL)
            (void)uv_signal_stop(&self->signals[i]);
    }
    (void)signal(SIGTERM, exit_at_once);
    (void)signal(SIGINT, exit_at_once);
}

static void *
run_thread(void *context)
{
    loop_run(context);
    return NULL;
}

oct_status
server_run(server *self, oct_database *database, void (*is_ready)(const server *self), oct_error *error)
{
    oct_status status;

    self->database = database;
    (void)signal(SIGPIPE, SIG_IGN); /* a client that left is an error of one write */
    status = watch_signals(self, error);
    if (status == OCT_OK)
        status = probe_port(self, &self->doors[DOOR_HTTP], error);
    if (status == OCT_OK && self->doors[DOOR_GRPC].port >= 0)
        status = probe_port(self, &self->doors[DOOR_GRPC], error);
    for (uint32_t i = 0; status == OCT_OK && i < self->loop_count; i++)
        status = loop_listen(&self->loops[i], error);
    for (uint32_t i = 1; status == OCT_OK && i < self->loop_count; i++) {
        loop     *each = &self->loops[i];
        const int problem = pthread_create(&each->thread, NULL, run_thread, each);

        if (problem != 0)
            status = oct_fail(error, OCT_NOMEM, "cannot start a thread: %s", strerror(problem));
        each->has_thread = problem == 0;
    }
    if (status == OCT_OK && is_ready != NULL)
        is_ready(self);
    if (status != OCT_OK)
        stop_loops(self);
    loop_run(&self->loops[0]);
    unwatch_signals(self);
    for (uint32_t i = 1; i < self->loop_count; i++) {
        if (self->loops[i].has_thread)
            (void)pthread_join(self->loops[i].thread, NULL);
    }
    return status;
}
