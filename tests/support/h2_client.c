/* See h2_client.h. */
#include "support/h2_client.h"

bool
h2_exchange(h2_session *server, nghttp2_session *client)
{
    bool is_fine = true;

    for (bool moved = true; moved;) {
        buffer         out = {0};
        const uint8_t *data;
        ssize_t        size;

        moved = false;
        while (is_fine && (size = nghttp2_session_mem_send(client, &data)) > 0) {
            moved = true;
            is_fine = h2_receive(server, (const char *)data, (size_t)size);
        }
        is_fine = h2_send(server, &out, SIZE_MAX) && is_fine;
        if (out.size > 0) {
            moved = true;
            (void)nghttp2_session_mem_recv(client, (const uint8_t *)out.data, out.size);
        }
        buffer_clear(&out);
    }
    return is_fine;
}

nghttp2_nv
h2_nv(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

ssize_t
h2_read_source(nghttp2_session *session, int32_t stream, uint8_t *to, size_t size, uint32_t *flags,
               nghttp2_data_source *from, void *context)
{
    h2_source   *self = from->ptr;
    const size_t most = self->step == 0 ? size : size_min(size, self->step);
    const size_t step = size_min(most, self->size - self->at);

    (void)session;
    (void)stream;
    (void)context;
    if (step == 0 && self->stays_open)
        return NGHTTP2_ERR_DEFERRED;
    memcpy(to, self->data + self->at, step);
    self->at += step;
    if (self->at == self->size && !self->stays_open)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)step;
}

nghttp2_data_provider
h2_body(h2_source *from)
{
    return (nghttp2_data_provider){.source = {.ptr = from}, .read_callback = h2_read_source};
}
