/* h2_client.h - nghttp2's client against a session of ours, in tests: what does not depend on what the calls are. */
#ifndef OCT_TEST_H2_CLIENT_H
#define OCT_TEST_H2_CLIENT_H

#include <nghttp2/nghttp2.h>

#include "protocol/h2.h"

/* A body to be sent: in pieces of `step` bytes at most, 0: as they fit. */
typedef struct h2_source {
    const char *data;
    size_t      size, at, step;
    bool        stays_open; /* its stream does not end with it */
} h2_source;

/* Bytes to and fro until both are silent. False: the server gave up. */
bool h2_exchange(h2_session *server, nghttp2_session *client);

nghttp2_nv            h2_nv(const char *name, const char *value);
nghttp2_data_provider h2_body(h2_source *from);
/* What h2_body calls. */
ssize_t h2_read_source(nghttp2_session *session, int32_t stream, uint8_t *to, size_t size, uint32_t *flags,
                       nghttp2_data_source *from, void *context);

#endif
