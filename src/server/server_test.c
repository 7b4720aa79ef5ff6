/* The server in this process, so that allocations can be made to fail. What can be seen from outside is
 * tested in tests/server. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/server.h"
#include "support/test.h"

typedef struct running {
    server_config config;
    server       *door;
    oct_database *database;
    pthread_t     thread;
    oct_status    status;
} running;

static _Atomic bool is_ready;

static void
when_ready(const server *self)
{
    (void)self;
    atomic_store(&is_ready, true);
}

static void *
serve(void *context)
{
    running *self = context;

    self->status = server_run(self->door, self->database, when_ready, NULL);
    return NULL;
}

static bool
start(running *self)
{
    const oct_open_options options = {.path = ":memory:", .threads = 1};
    oct_error              error = {0};

    *self = (running){0};
    atomic_store(&is_ready, false);
    log_line_limit(LOG_LEVEL_OFF);
    OCT_MUST(server_config_init(&self->config, NULL) == OCT_OK);
    OCT_MUST(server_config_set(&self->config, "service.host", "127.0.0.1", "test", NULL) == OCT_OK);
    OCT_MUST(server_config_set(&self->config, "service.http_port", "0", "test", NULL) == OCT_OK);
    OCT_MUST(server_config_set(&self->config, "service.max_workers", "2", "test", NULL) == OCT_OK);
    OCT_MUST(oct_open(&options, &self->database, NULL) == OCT_OK);
    if (server_open(&self->config, &self->door, &error) != OCT_OK) {
        TEST_SKIP("no socket can be bound here: %s", error.text);
        (void)oct_close(self->database, NULL);
        server_config_clear(&self->config);
        return false;
    }
    OCT_MUST(pthread_create(&self->thread, NULL, serve, self) == 0);
    while (!atomic_load(&is_ready))
        (void)usleep(1000);
    return true;
}

static void
stop(running *self)
{
    OCT_MUST(kill(getpid(), SIGTERM) == 0);
    OCT_MUST(pthread_join(self->thread, NULL) == 0);
    CHECK_INT(self->status, OCT_OK);
    server_close(self->door);
    CHECK_OK(oct_close(self->database, NULL));
    server_config_clear(&self->config);
    log_line_limit(LOG_LEVEL_INFO);
}

/* Send `text` on a connection of its own, read until the server hangs up. Returns how many answers began
 * ("HTTP/1.1 "), or -1 if something else came first. Takes nothing from oct_alloc. */
static int
ask(const running *server_of, const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static char        got[1 << 16];
    const char        *port = strrchr(server_address(server_of->door), ':') + 1;
    const int          descriptor = socket(AF_INET, SOCK_STREAM, 0);
    size_t             size = 0;
    ssize_t            step;
    int                answers = 0;

    address.sin_port = htons((uint16_t)atoi(port));
    if (connect(descriptor, (const struct sockaddr *)&address, sizeof address) == 0 &&
        send(descriptor, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text)) {
        (void)shutdown(descriptor, SHUT_WR);
        while (size < sizeof got - 1 && (step = recv(descriptor, got + size, sizeof got - 1 - size, 0)) > 0)
            size += (size_t)step;
    }
    (void)close(descriptor);
    got[size] = '\0';
    if (size > 0 && strncmp(got, "HTTP/1.1 ", 9) != 0)
        return -1;
    for (const char *at = got; (at = strstr(at, "HTTP/1.1 ")) != NULL; at += 9)
        answers++;
    return answers;
}

#define REQUEST(method, path, headers) method " " path " HTTP/1.1\r\nHost: a\r\n" headers "\r\n"

static const char requests[] = REQUEST("GET", "/healthz", "")
    REQUEST("POST", "/collections/none/points/count",
            "Content-Length: 2\r\n") "{}" REQUEST("GET", "/collections", "Accept-Encoding: gzip\r\n")
        REQUEST("PUT", "/collections/none", "Transfer-Encoding: chunked\r\n") "3\r\n[1]\r\n0\r\n\r\n" REQUEST(
            "OPTIONS", "/", "") REQUEST("GET", "/none", "");

/* Goal:   out of memory anywhere between accept and answer costs a request or a connection, not the server.
 * Method: allocations 0, 1, 2 ... fail, alone and with the next few, while six pipelined requests are sent
 *         that pass by the loop, the workers, chunks and failures; then the server is asked once more.
 * Bound:  all six are answered again once the failing allocation lies beyond what they need. */
TEST(failed_allocations_do_not_stop_the_server)
{
    running  server_of;
    uint64_t allowed = 0;
    int      whole_runs = 0;

    if (!start(&server_of))
        return;
    CHECK_INT(ask(&server_of, requests), 6);
    for (; allowed < 2000 && whole_runs < 20; allowed++) {
        int answers;

        oct_alloc_fail_after(allowed / 2, false);
        if (allowed % 2 == 1) /* a longer shortage, over before the next request can need it */
            oct_alloc_fail_after(allowed / 2, true);
        answers = ask(&server_of, requests);
        oct_alloc_fail_after(UINT64_MAX, false);
        CHECK_MSG(answers >= 0 && answers <= 6, "allocation %llu: %d answers", (unsigned long long)allowed,
                  answers);
        whole_runs = answers == 6 ? whole_runs + 1 : 0;
        if (ask(&server_of, requests) != 6) {
            test_failed(__FILE__, __LINE__, "after allocation %llu failed the server is not well",
                        (unsigned long long)allowed);
            break;
        }
    }
    CHECK_MSG(whole_runs == 20, "%d", whole_runs);
    stop(&server_of);
}

/* A socket that listens on a free port of 127.0.0.1. */
static int
listen_anywhere(char port[8])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          size = sizeof address;
    const int          on = 1, descriptor = socket(AF_INET, SOCK_STREAM, 0);

    /* As a server of ours would have it, so that only the probe can tell. */
    OCT_MUST(setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 &&
             bind(descriptor, (const struct sockaddr *)&address, size) == 0 && listen(descriptor, 1) == 0 &&
             getsockname(descriptor, (struct sockaddr *)&address, &size) == 0);
    (void)snprintf(port, 8, "%u", ntohs(address.sin_port));
    return descriptor;
}

/* Goal:   a port in use is refused, though SO_REUSEPORT would allow it, also when it was taken after it was
 *         bound; and a server that never served gives everything back (the sanitizers look). */
TEST(port_in_use_is_refused)
{
    server_config config;
    server       *door = NULL;
    oct_error     error = {0};
    char          port[8];
    int           other = listen_anywhere(port);

    CHECK_OK(server_config_init(&config, NULL));
    CHECK_OK(server_config_set(&config, "service.host", "127.0.0.1", "test", NULL));
    CHECK_OK(server_config_set(&config, "service.http_port", port, "test", NULL));
    CHECK_STATUS(server_open(&config, &door, &error), OCT_EXISTS);
    CHECK_MSG(strstr(error.text, "is in use") != NULL && strstr(error.text, "--http-port") != NULL, "%s",
              error.text);
    CHECK(door == NULL);
    (void)close(other);

    CHECK_OK(server_config_set(&config, "service.http_port", "0", "test", NULL));
    CHECK_OK(server_open(&config, &door, &error));
    if (door != NULL) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        const int          on = 1;

        address.sin_port = htons((uint16_t)atoi(strrchr(server_address(door), ':') + 1));
        other = socket(AF_INET, SOCK_STREAM, 0);
        OCT_MUST(setsockopt(other, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
        OCT_MUST(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
        OCT_MUST(bind(other, (const struct sockaddr *)&address, sizeof address) == 0 &&
                 listen(other, 1) == 0);
        CHECK_STATUS(server_run(door, NULL, NULL, &error), OCT_EXISTS);
        (void)close(other);
    }
    server_close(door);

    CHECK_OK(server_config_set(&config, "service.host", "no.such.host.invalid", "test", NULL));
    CHECK_STATUS(server_open(&config, &door, &error), OCT_INVALID);
    server_close(NULL);
    server_config_clear(&config);
}
