/* One event loop on one thread. See server.h. */
#include <time.h>

#include "server/server_internal.h"

static void
on_listener(uv_stream_t *listener, int status)
{
    loop *self = listener->data;

    /* Failing to accept (no descriptors left, a client that left at once) must not stop the listener. */
    if (status == 0)
        connection_accept(self);
}

static void
on_rpc_listener(uv_stream_t *listener, int status)
{
    loop *self = listener->data;

    if (status == 0)
        rpc_accept(self);
}

static void
on_turned_away(uv_handle_t *handle)
{
    loop *home = handle->data;

    home->is_turning_away = false;
    /* There may be one more waiting; if not, nothing happens. */
    if (home->turned_from == &home->listener)
        connection_accept(home);
    else
        rpc_accept(home);
}

/* libuv listens no further until the waiting connection is taken, so without memory it is taken and shut. */
void
loop_turn_away(loop *self, uv_tcp_t *listener)
{
    if (self->is_turning_away || uv_tcp_init(&self->uv, &self->turned_away) != 0)
        return;
    self->is_turning_away = true;
    self->turned_from = listener;
    self->turned_away.data = self;
    (void)uv_accept((uv_stream_t *)listener, (uv_stream_t *)&self->turned_away);
    uv_close((uv_handle_t *)&self->turned_away, on_turned_away);
}

static void
end_if_drained(loop *self)
{
    if (!self->is_draining || self->connection_count > 0 || self->is_ended)
        return;
    self->is_ended = true;
    uv_close((uv_handle_t *)&self->wake, NULL);
    uv_close((uv_handle_t *)&self->tick, NULL);
    uv_close((uv_handle_t *)&self->again, NULL);
}

static void
begin_drain(loop *self)
{
    connection     *next;
    rpc_connection *next_rpc;

    self->is_draining = true;
    self->drain_tick = self->ticks;
    uv_close((uv_handle_t *)&self->listener, NULL);
    uv_close((uv_handle_t *)&self->rpc_listener, NULL);
    for (connection *each = self->connections; each != NULL; each = next) {
        next = each->next;
        connection_drain(each);
    }
    for (rpc_connection *each = self->rpcs; each != NULL; each = next_rpc) {
        next_rpc = each->next;
        rpc_drain(each);
    }
    end_if_drained(self);
}

static void
on_wake(uv_async_t *handle)
{
    loop     *self = handle->data;
    exchange *done;
    rpc_job  *jobs;

    (void)pthread_mutex_lock(&self->done_lock);
    done = self->done_first;
    jobs = self->done_jobs;
    self->done_first = self->done_last = NULL;
    self->done_jobs = NULL;
    (void)pthread_mutex_unlock(&self->done_lock);
    while (done != NULL) {
        exchange *next = done->next_done;

        connection_done(done->owner);
        done = next;
    }
    while (jobs != NULL) {
        rpc_job *next = jobs->next_done;

        rpc_done(jobs);
        jobs = next;
    }
    if (atomic_load(&self->stop_is_asked) && !self->is_draining)
        begin_drain(self);
}

static void
on_tick(uv_timer_t *handle)
{
    loop           *self = handle->data;
    const bool      is_late = self->is_draining && self->ticks - self->drain_tick > DRAIN_S * 1000 / TICK_MS;
    connection     *next;
    rpc_connection *next_rpc;

    self->ticks++;
    for (connection *each = self->connections; each != NULL; each = next) {
        next = each->next;
        /* What a worker has is waited for, however long: it may be a write on its way to the disk. */
        if (is_late && !each->is_running)
            stream_close(&each->io);
        else
            connection_tick(each);
    }
    for (rpc_connection *each = self->rpcs; each != NULL; each = next_rpc) {
        next_rpc = each->next;
        if (is_late && each->running == 0)
            stream_close(&each->io);
        else
            rpc_tick(each);
    }
}

static void
on_again(uv_idle_t *handle)
{
    loop           *self = handle->data;
    connection     *each = self->ready_first;
    rpc_connection *rpc = self->ready_rpcs;

    self->ready_first = self->ready_last = NULL;
    while (each != NULL) {
        connection *next = each->next_ready;

        each->next_ready = NULL;
        each->is_ready = false;
        connection_again(each);
        each = next;
    }
    self->ready_rpcs = NULL;
    while (rpc != NULL) {
        rpc_connection *next = rpc->next_ready;

        rpc->is_ready = false;
        rpc_again(rpc);
        rpc = next;
    }
    if (self->ready_first == NULL && self->ready_rpcs == NULL)
        (void)uv_idle_stop(handle);
}

oct_status
loop_init(loop *self, server *owner, oct_error *error)
{
    int problem;

    self->owner = owner;
    for (size_t i = 0; i < DOORS; i++)
        self->sockets[i] = -1;
    (void)pthread_mutex_init(&self->done_lock, NULL);
    problem = uv_loop_init(&self->uv);
    if (problem != 0)
        return oct_fail(error, OCT_IO, "event loop: %s", uv_strerror(problem));
    self->is_made = true;
    /* Without a descriptor each, these cannot fail; uv_async_init may, for want of an eventfd. */
    (void)uv_timer_init(&self->uv, &self->tick);
    (void)uv_idle_init(&self->uv, &self->again);
    (void)uv_tcp_init(&self->uv, &self->listener);
    (void)uv_tcp_init(&self->uv, &self->rpc_listener);
    problem = uv_async_init(&self->uv, &self->wake, on_wake);
    self->tick.data = self->again.data = self->listener.data = self->rpc_listener.data = self->wake.data =
        self;
    if (problem != 0)
        return oct_fail(error, OCT_IO, "event loop: %s", uv_strerror(problem));
    return OCT_OK;
}

oct_status
loop_listen(loop *self, oct_error *error)
{
    uv_tcp_t *const               listeners[DOORS] = {&self->listener, &self->rpc_listener};
    static const uv_connection_cb calls[DOORS] = {on_listener, on_rpc_listener};

    for (size_t i = 0; i < DOORS; i++) {
        int problem;

        if (self->owner->doors[i].port < 0)
            continue;
        problem = uv_tcp_open(listeners[i], self->sockets[i]);
        if (problem == 0) {
            self->sockets[i] = -1;
            problem = uv_listen((uv_stream_t *)listeners[i], 1024, calls[i]);
        }
        if (problem != 0)
            return oct_fail(error, OCT_IO, "%s: cannot listen: %s", self->owner->doors[i].address,
                            uv_strerror(problem));
    }
    return OCT_OK;
}

void
loop_run(loop *self)
{
    (void)uv_run(&self->uv, UV_RUN_DEFAULT);
}

static void
close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void
loop_clear(loop *self)
{
    if (self->is_made) {
        uv_walk(&self->uv, close_handle, NULL);
        (void)uv_run(&self->uv, UV_RUN_DEFAULT);
        OCT_MUST(uv_loop_close(&self->uv) == 0);
    }
    while (self->spare_exchanges != NULL) {
        exchange *spare = self->spare_exchanges;

        self->spare_exchanges = spare->next;
        http1_request_clear(&spare->request);
        oct_free(spare);
    }
    http1_packer_clear(&self->packer);
    if (self->owner != NULL)
        (void)pthread_mutex_destroy(&self->done_lock);
}

void
loop_ask_stop(loop *self)
{
    atomic_store(&self->stop_is_asked, true);
    (void)uv_async_send(&self->wake);
}

void
loop_done(loop *self, exchange *done)
{
    done->next_done = NULL;
    (void)pthread_mutex_lock(&self->done_lock);
    if (self->done_last == NULL)
        self->done_first = done;
    else
        self->done_last->next_done = done;
    self->done_last = done;
    /* Inside the lock: once it is released the loop may see the last answer, end, and close `wake`. */
    (void)uv_async_send(&self->wake);
    (void)pthread_mutex_unlock(&self->done_lock);
}

void
rpc_hand_back(loop *self, rpc_job *done)
{
    (void)pthread_mutex_lock(&self->done_lock);
    done->next_done = self->done_jobs;
    self->done_jobs = done;
    (void)uv_async_send(&self->wake); /* inside the lock: as above */
    (void)pthread_mutex_unlock(&self->done_lock);
}

const char *
loop_date(loop *self)
{
    const int64_t now = (int64_t)time(NULL);

    if (now != self->date_second) {
        self->date_second = now;
        http1_date(now, self->date);
    }
    return self->date;
}

exchange *
loop_take_exchange(loop *self)
{
    exchange *taken = self->spare_exchanges;

    if (taken == NULL)
        return oct_calloc(1, sizeof *taken);
    self->spare_exchanges = taken->next;
    self->spare_count--;
    taken->next = NULL;
    return taken;
}

void
loop_return_exchange(loop *self, exchange *used)
{
    if (used->is_called)
        oct_api_response_clear(&used->answer);
    buffer_clear(&used->packed);
    oct_file_close(used->upload);
    used->upload = NULL;
    http1_request_reset(&used->request);
    if (self->spare_count >= SPARES_MAX) {
        http1_request_clear(&used->request);
        oct_free(used);
        return;
    }
    *used = (exchange){.request = used->request, .next = self->spare_exchanges};
    self->spare_exchanges = used;
    self->spare_count++;
}

void
loop_add_ready(loop *self, connection *ready)
{
    if (ready->is_ready)
        return;
    ready->is_ready = true;
    ready->next_ready = NULL;
    if (self->ready_first == NULL) {
        if (self->ready_rpcs == NULL)
            (void)uv_idle_start(&self->again, on_again);
        self->ready_first = ready;
    } else {
        self->ready_last->next_ready = ready;
    }
    self->ready_last = ready;
}

void
loop_drop_ready(loop *self, connection *gone)
{
    connection *previous = NULL;

    if (!gone->is_ready)
        return;
    for (connection *each = self->ready_first; each != gone; each = each->next_ready)
        previous = each;
    if (previous == NULL)
        self->ready_first = gone->next_ready;
    else
        previous->next_ready = gone->next_ready;
    if (self->ready_last == gone)
        self->ready_last = previous;
    gone->is_ready = false;
}

void
rpc_add_ready(loop *self, rpc_connection *ready)
{
    if (ready->is_ready)
        return;
    ready->is_ready = true;
    if (self->ready_first == NULL && self->ready_rpcs == NULL)
        (void)uv_idle_start(&self->again, on_again);
    ready->next_ready = self->ready_rpcs;
    self->ready_rpcs = ready;
}

void
rpc_drop_ready(loop *self, rpc_connection *gone)
{
    rpc_connection **at = &self->ready_rpcs;

    if (!gone->is_ready)
        return;
    gone->is_ready = false;
    while (*at != gone)
        at = &(*at)->next_ready;
    *at = gone->next_ready;
}

/* Ticks are needed only while somebody may be late. */
void
loop_connection_came(loop *self)
{
    if (self->connection_count++ == 0)
        (void)uv_timer_start(&self->tick, on_tick, TICK_MS, TICK_MS);
}

void
loop_connection_gone(loop *self)
{
    if (--self->connection_count == 0)
        (void)uv_timer_stop(&self->tick);
    end_if_drained(self);
}
