/* What a shard does behind its writers: batches join the graphs, compactions replace them.
 *
 * THE INDEX JOB   One at a time per shard, queued by the first write that leaves a full batch in a tail. It moves
 *                 batches until there is none, giving the worker back now and then so that other shards get theirs.
 *                 Lists of sparse vectors that are behind, after opening, catch up in turns with that.
 * A COMPACTION    begins in the writer, at its record in the log (shard.c), which says what is built and with which settings.
 *                 It takes down which rows are alive. Its job copies those rows into a new graph, builds it while everything
 *                 goes on, and in the end, with both locks held, appends the rows that came since, takes over who is
 *                 alive now, and swaps the pointers. The result is a function of the log: rows alive at its
 *                 record in row order, then all rows after it.
 */
#include "shard/shard_internal.h"

#include <time.h>

#include "base/epoch.h"

#define BATCHES_A_TURN     32u   /* of one index job before it goes to the end of the queue */
#define TAIL_ROWS_MIN      1024u /* writers never wait for tails shorter than this */
#define INDEX_FAILURES_MAX 3u    /* without memory so often: let writers go on, the tail will grow */
#define TAIL_WAIT_MS       1000u /* look again at least so often */

void
shard_announce(shard *self)
{
    self->index_moves++;
    (void)pthread_cond_broadcast(&self->index_moved);
}

void
shard_index_moved(shard *self)
{
    (void)pthread_mutex_lock(&self->index_lock);
    shard_announce(self);
    (void)pthread_mutex_unlock(&self->index_lock);
}

/* --- the index job ---------------------------------------------------------------------------------- */

static bool
has_batch(const shard *self)
{
    const vector_set *set;
    bool              any = false;

    epoch_pin();
    set = shard_set(self);
    for (size_t v = 0; v < set->count && !any; v++)
        any = vector_is_sparse(set->items[v]) ? sparse_is_behind(vector_sparse(set->items[v]))
                                              : graph_has_batch(vector_graph(set->items[v]));
    epoch_unpin();
    return any;
}

static void
index_job(void *context)
{
    shard *self = context;
    bool   built = true, failed = false;

    for (uint32_t i = 0; built && i < BATCHES_A_TURN && !atomic_load(&self->stopping); i++) {
        const vector_set *set;

        built = false;
        shard_lock_build(self);
        set = shard_set(self);
        for (size_t v = 0; v < set->count; v++) {
            shard_vector *vector = set->items[v];
            bool          one = false;
            oct_status    status;

            status = vector_is_sparse(vector) ? vector_sparse_catch_up(self, vector, &one)
                                              : graph_build_batch(vector_graph(vector), self->pool,
                                                                  atomic_load(&vector->threads_max), &one, NULL);
            if (status != OCT_OK) {
                (void)atomic_fetch_add(&self->index_failures, 1);
                failed = true;
            } else if (one) {
                atomic_store(&self->index_failures, 0);
            }
            built = built || one;
        }
        shard_unlock_build(self);
        if (built)
            shard_index_moved(self);
    }
    /* Under the lock, as shard_free may release the shard as soon as it sees that no job is left. */
    (void)pthread_mutex_lock(&self->index_lock);
    /* Or a write came since the last look, and started no job because there was this one. */
    if ((built || (!failed && has_batch(self))) && !atomic_load(&self->stopping) &&
        workers_submit(self->pool, index_job, self)) {
        (void)pthread_mutex_unlock(&self->index_lock);
        return;
    }
    atomic_store(&self->indexing, false);
    shard_announce(self);
    (void)pthread_mutex_unlock(&self->index_lock);
}

void
shard_kick(shard *self)
{
    bool idle = false;

    shard_payload_kick(self);
    if (!has_batch(self) || atomic_load(&self->stopping))
        return;
    if (atomic_compare_exchange_strong(&self->indexing, &idle, true) &&
        !workers_submit(self->pool, index_job, self)) {
        /* No memory for the job; the next write tries again. */
        (void)atomic_fetch_add(&self->index_failures, 1);
        atomic_store(&self->indexing, false);
        shard_index_moved(self);
    }
}

/* --- waiting ------------------------------------------------------------------------------------------- */

/* Sleep until the index moves, at most `ms`. Under index_lock. */
static void
wait_moved(shard *self, uint64_t ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(&self->index_moved, &self->index_lock, &until);
}

static bool
tail_is_long(const shard *self)
{
    const vector_set *set;
    bool              is_long = false;

    epoch_pin();
    set = shard_set(self);
    for (size_t v = 0; v < set->count && !is_long; v++) {
        const graph *vectors = vector_graph(set->items[v]);
        uint32_t     start, tail;

        if (vectors == NULL) /* lists have no tail */
            continue;
        start = graph_get_params(vectors)->start_rows;
        tail = graph_row_count(vectors) - graph_graph_count(vectors);
        /* start_rows is what the user lets a search scan anyway. */
        is_long = start != GRAPH_START_NEVER && tail > TAIL_ROWS_MIN && tail > start;
    }
    epoch_unpin();
    return is_long;
}

void
shard_wait_tail(shard *self)
{
    if (!tail_is_long(self))
        return;
    (void)pthread_mutex_lock(&self->index_lock);
    while (tail_is_long(self) && !atomic_load(&self->stopping) &&
           atomic_load(&self->index_failures) < INDEX_FAILURES_MAX) {
        const uint64_t seen = self->index_moves;

        if (!atomic_load(&self->indexing)) {
            (void)pthread_mutex_unlock(&self->index_lock);
            shard_kick(self);
            (void)pthread_mutex_lock(&self->index_lock);
        }
        if (self->index_moves == seen && tail_is_long(self)) /* else it moved before we could listen */
            wait_moved(self, TAIL_WAIT_MS);
    }
    (void)pthread_mutex_unlock(&self->index_lock);
}

static bool
is_busy(const shard *self)
{
    return has_batch(self) || atomic_load(&self->payload_moving) || atomic_load(&self->compacting) != NULL ||
           atomic_load(&self->tidying) > 0; /* a compaction that has ended may be about to begin the next */
}

oct_status
shard_wait_indexed(shard *self, uint64_t timeout_ms, oct_error *error)
{
    const uint64_t start_ns = os_clock_ns(self->system);
    oct_status     status = OCT_OK;

    atomic_store(&self->index_failures, 0); /* there may be memory again */
    (void)pthread_mutex_lock(&self->index_lock);
    while (status == OCT_OK && is_busy(self)) {
        const uint64_t waited_ms = (os_clock_ns(self->system) - start_ns) / 1000000;

        if (timeout_ms != 0 && waited_ms >= timeout_ms) {
            status = oct_fail(error, OCT_TIMEOUT, "the tail is not in the graph after %llu ms",
                              (unsigned long long)timeout_ms);
        } else if (atomic_load(&self->index_failures) >= INDEX_FAILURES_MAX) {
            status = oct_fail(error, OCT_NOMEM, "the graph does not grow: out of memory");
        } else {
            const uint64_t seen = self->index_moves;

            (void)pthread_mutex_unlock(&self->index_lock);
            shard_kick(self);
            (void)pthread_mutex_lock(&self->index_lock);
            if (self->index_moves == seen && is_busy(self))
                wait_moved(self,
                           timeout_ms == 0 ? TAIL_WAIT_MS : size_min(TAIL_WAIT_MS, timeout_ms - waited_ms));
        }
    }
    (void)pthread_mutex_unlock(&self->index_lock);
    return status;
}

void
shard_wait_compacted(shard *self)
{
    (void)pthread_mutex_lock(&self->index_lock);
    while (atomic_load(&self->compacting) != NULL)
        wait_moved(self, TAIL_WAIT_MS);
    (void)pthread_mutex_unlock(&self->index_lock);
}

/* --- compaction ----------------------------------------------------------------------------------------------- */

static bool
params_differ(const shard_vector *vector)
{
    const graph_params *wanted = &vector->config.params, *now;

    if (vector_is_sparse(vector))
        return false;
    now = graph_get_params(vector_graph(vector));
    if (now->fine != wanted->fine)
        return true;
    if (now->m == 0 && wanted->m == 0) /* no graph, no settings */
        return false;
    return now->m != wanted->m || now->ef_construct != wanted->ef_construct ||
           now->start_rows != wanted->start_rows;
}

bool
shard_settings_differ(const shard *self)
{
    const vector_set *set = shard_set(self);
    bool              any = false;

    for (size_t v = 0; v < set->count; v++)
        any = any || params_differ(set->items[v]);
    return any;
}

bool
shard_needs_rebuild(shard *self)
{
    bool any;

    (void)pthread_mutex_lock(&self->write_lock);
    any = shard_settings_differ(self);
    (void)pthread_mutex_unlock(&self->write_lock);
    return any;
}

static bool
has_many_dead(const shard_vector *vector)
{
    const uint64_t dead = vector->logical_rows - vector_live_rows(vector);

    return dead >= vector->config.vacuum_rows_min &&
           (double)dead > vector->config.deleted_threshold * (double)vector->logical_rows;
}

bool
shard_wants_compaction(shard *self)
{
    const vector_set *set = shard_set(self);

    for (size_t v = 0; v < set->count; v++) {
        if (has_many_dead(set->items[v]))
            return true;
    }
    return false;
}

void
shard_compaction_free(compaction *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->count; i++)
        oct_free(self->vectors[i].live);
    oct_free(self);
}

static void
release_graph(void *memory)
{
    graph_free(memory);
}

static void
release_check(void *memory)
{
    column_check_free(memory);
}

/* The old graph serves until the swap, and its tail must not grow, even if this job has the only worker. */
static void
keep_tail_short(shard *self, shard_vector *vector)
{
    bool built = false;

    if (!graph_has_batch(vector_graph(vector)))
        return;
    shard_lock_build(self);
    (void)graph_build_batch(vector_graph(vector), self->pool, atomic_load(&vector->threads_max), &built,
                            NULL);
    shard_unlock_build(self);
    shard_index_moved(self);
}

/* Build the successor of one graph and put it in place. An error leaves the old one, which is right but not compact. */
static oct_status
compact_vector(compaction *self, const struct compaction_vector *what)
{
    shard        *target = self->shard;
    shard_vector *vector = what->vector;
    graph        *old = vector_graph(vector), *fresh;
    column_check *old_check;
    bool          built = true;
    oct_status    status = graph_new(&what->params, &fresh, NULL);

    /* Copies get fresh checksums: a damaged row must not pass for a good one. */
    if (status == OCT_OK)
        status = column_verify(atomic_load(&vector->check), 0, UINT64_MAX, NULL);
    if (status == OCT_OK)
        status = graph_copy_rows(fresh, old, what->live, what->row_count, NULL);
    while (status == OCT_OK && built) {
        status = graph_build_batch(fresh, target->pool, atomic_load(&vector->threads_max), &built, NULL);
        if (atomic_load(&target->stopping) || atomic_load(&vector->gone))
            status = OCT_STOPPED;
        keep_tail_short(target, vector);
    }
    if (status == OCT_OK) {
        (void)pthread_mutex_lock(&target->save_lock);
        shard_lock_build(target);
        (void)pthread_mutex_lock(&target->write_lock);
        status = graph_catch_up(fresh, old, what->live, what->row_count, NULL);
        if (status == OCT_OK) {
            atomic_store(&vector->graph, fresh);
            vector->rebuilt = true;
            target->rebuild_count++;
            old_check = atomic_exchange(&vector->check, NULL);
            vector->file_rows = 0;
        }
        (void)pthread_mutex_unlock(&target->write_lock);
        shard_unlock_build(target);
        (void)pthread_mutex_unlock(&target->save_lock);
    }
    if (status != OCT_OK) {
        graph_free(fresh);
        return status;
    }
    epoch_retire(old, release_graph);
    if (old_check != NULL)
        epoch_retire(old_check, release_check);
    return OCT_OK;
}

static void
compact_job(void *context)
{
    compaction *self = context;
    shard      *target = self->shard;

    for (size_t i = 0; i < self->count; i++) {
        const struct compaction_vector *what = &self->vectors[i];
        const oct_status                status = what->live == NULL
                                                     ? vector_sparse_compact(target, what->vector, what->row_count)
                                                     : compact_vector(self, what);

        if (status != OCT_OK && !atomic_load(&self->vectors[i].vector->gone))
            break;
    }
    shard_bury_vectors(target, true);
    shard_kick(target);
    /* Before the end is announced: nobody may release the shard yet. Whoever saves finds `compacting` set, and waits. */
    (void)pthread_mutex_lock(&target->index_lock);
    (void)atomic_fetch_add(&target->tidying, 1); /* shard_free waits for it, others need not */
    atomic_store(&target->compacting, NULL);
    if (target->compacted != NULL)
        target->compacted(target->context);
    shard_announce(target);
    (void)pthread_mutex_unlock(&target->index_lock);
    shard_compaction_free(self);
    /* Much may have died meanwhile, and no write may come to see it. */
    shard_compact_if_wanted(target);
    (void)pthread_mutex_lock(&target->index_lock);
    (void)atomic_fetch_sub(&target->tidying, 1);
    shard_announce(target);
    (void)pthread_mutex_unlock(&target->index_lock);
}

void
shard_end_jobs(shard *self)
{
    atomic_store(&self->stopping, true);
    (void)pthread_mutex_lock(&self->index_lock);
    while (!shard_payload_cancel(self) || atomic_load(&self->indexing) || atomic_load(&self->tidying) > 0 ||
           atomic_load(&self->compacting) != NULL) {
        compaction *work = atomic_load(&self->compacting);

        /* A job in the queue may wait for this very thread, which may be a worker: take it back. */
        if (atomic_load(&self->indexing) && workers_cancel(self->pool, index_job, self))
            atomic_store(&self->indexing, false);
        if (work != NULL && workers_cancel(self->pool, compact_job, work)) {
            atomic_store(&self->compacting, NULL);
            shard_compaction_free(work);
        }
        if (atomic_load(&self->payload_moving) || atomic_load(&self->indexing) || atomic_load(&self->tidying) > 0 ||
            atomic_load(&self->compacting) != NULL)
            wait_moved(self, TAIL_WAIT_MS);
    }
    (void)pthread_mutex_unlock(&self->index_lock);
}

/* Has this name anything to gain? */
static bool
needs_compaction(const shard_vector *vector, bool forced)
{
    /* What an earlier compaction left behind for want of memory counts too. */
    const bool has_dead = vector_row_count(vector) > vector_live_rows(vector);

    return forced ? has_dead || params_differ(vector) : has_many_dead(vector);
}

/* The names of a record, or those that need it. */
static void
choose_vectors(compaction *self, const batch *write, bool forced)
{
    const vector_set *set = shard_set(self->shard);

    for (size_t v = 0; v < set->count; v++) {
        shard_vector      *vector = set->items[v];
        const batch_graph *given = NULL;

        for (size_t i = 0; write->graphs != NULL && i < write->graph_count; i++) {
            if (write->graphs[i].number == vector->number)
                given = &write->graphs[i];
        }
        if (write->graphs == NULL ? !needs_compaction(vector, forced) : given == NULL)
            continue;
        self->vectors[self->count].vector = vector;
        self->vectors[self->count].params = vector->config.params;
        if (given != NULL && !vector_is_sparse(vector)) {
            self->vectors[self->count].params.m = given->m;
            self->vectors[self->count].params.ef_construct = given->ef_construct;
            self->vectors[self->count].params.start_rows = given->start_rows;
            self->vectors[self->count].params.fine = given->fine;
        }
        self->count++;
    }
}

oct_status
shard_plan_compaction(shard *self, batch *write, bool forced, arena *memory, compaction **out, oct_error *error)
{
    const size_t vector_count = shard_set(self)->count;
    compaction  *plan = oct_calloc(1, sizeof *plan + vector_count * sizeof plan->vectors[0]);
    batch_graph *graphs = arena_array(memory, vector_count + 1, sizeof *graphs);

    OCT_MUST(atomic_load(&self->compacting) == NULL);
    *out = NULL;
    if (plan == NULL || graphs == NULL) {
        shard_compaction_free(plan);
        return oct_fail_memory(error, sizeof *plan);
    }
    plan->shard = self;
    choose_vectors(plan, write, forced);
    for (size_t i = 0; i < plan->count; i++) {
        const struct compaction_vector *what = &plan->vectors[i];

        graphs[i] = vector_is_sparse(what->vector)
                        ? (batch_graph){.number = what->vector->number}
                        : (batch_graph){what->vector->number, what->params.m, what->params.ef_construct,
                                        what->params.start_rows, what->params.fine};
    }
    if (write->graphs == NULL) {
        write->graphs = graphs;
        write->graph_count = plan->count;
    }
    if (plan->count > 0)
        *out = plan;
    else
        shard_compaction_free(plan);
    return OCT_OK;
}

oct_status
shard_begin_compaction(shard *self, compaction *plan, oct_error *error)
{
    shard_vector *chosen[OCT_VECTORS_MAX];
    const size_t  count = plan == NULL ? 0 : plan->count;

    for (size_t i = 0; i < count; i++) {
        struct compaction_vector *what = &plan->vectors[i];

        chosen[i] = what->vector;
        if (vector_is_sparse(what->vector))
            what->row_count = vector_row_count(what->vector);
        else
            what->live = graph_live_bits(vector_graph(what->vector), &what->row_count);
        if (what->live == NULL && !vector_is_sparse(what->vector)) {
            const uint32_t row_count = vector_row_count(what->vector);

            shard_compaction_free(plan);
            return oct_fail_memory(error, row_count / 8);
        }
    }
    if (count == 0)
        return OCT_OK;
    atomic_store(&self->compacting, plan);
    if (!workers_submit(self->pool, compact_job, plan)) {
        atomic_store(&self->compacting, NULL);
        shard_compaction_free(plan);
        return oct_fail_memory(error, sizeof *plan);
    }
    /* The job may be over already, without memory, and the plan with it. */
    for (size_t i = 0; i < count; i++)
        chosen[i]->logical_rows = vector_live_rows(chosen[i]);
    return OCT_OK;
}
