/* h2_internal.h - what h2.c and h2_rest.c share. For these two only. */
#ifndef OCT_H2_INTERNAL_H
#define OCT_H2_INTERNAL_H

#include <nghttp2/nghttp2.h>

#include "protocol/h2.h"

struct h2_session {
    nghttp2_session  *http;
    const h2_options *options;
    const h2_hooks   *hooks;
    void             *context;
    h2_call          *calls; /* open ones, newest first */
    size_t            call_count;
    bool              is_up;
    bool              is_draining;
};

nghttp2_nv h2_header(const char *name, const char *value, size_t size); /* `name` lives as long as the frame is not sent */
void       h2_reset(h2_call *call, uint32_t code);
void       h2_resume(h2_call *call); /* if nghttp2 waits for more of `out` */

/* False: the stream is to be reset. */
bool    h2_rest_header(h2_call *call, oct_slice name, oct_slice value);
void    h2_rest_head(h2_session *self, h2_call *call, bool is_whole);
void    h2_rest_data(h2_session *self, h2_call *call, const char *data, size_t size);
void    h2_rest_end(h2_session *self, h2_call *call);
ssize_t h2_rest_body(nghttp2_session *http, int32_t stream, uint8_t *to, size_t size, uint32_t *flags,
                     nghttp2_data_source *source, void *context);

#endif
