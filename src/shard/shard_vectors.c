/* The vector names of a shard: a set that grows and shrinks while readers, writers and jobs go on.
 *
 * THE SET      is an immutable array of pointers, replaced whole under write_lock. Readers find it pinned. Who holds
 *              write_lock, build_lock or save_lock may use the set that he found then, and what is in it, until he lets go.
 * A NEW NAME   is in the set before the configuration names it, so whoever read a configuration finds its vectors - or,
 *              if the name has gone since, nothing (shard_graph: NULL), which is what every caller must reckon with.
 * A NAME GOES  in two steps. Out of the set, under write_lock, which costs nothing: from then on nobody new finds it.
 *              Then to its grave (shard_bury_vectors): with all three locks held and no compaction at work, nobody but pinned
 *              readers can still have it, and for those there is the epoch.
 * NUMBERS      are never given twice. So a record that names a number which is not there, but was given once, tells of a
 *              name that went later: a replay passes over it (plan_passes_over in shard.c).
 */
#include "base/epoch.h"
#include "shard/shard_internal.h"

struct shard_vectors {
    vector_set          *set;  /* NULL: the names stay as they are */
    shard_vector_config *configs;
    size_t               count;
};

/* --- one name --------------------------------------------------------------------------------------- */

static void
vector_free(void *memory)
{
    shard_vector *self = memory;

    if (self == NULL)
        return;
    graph_free(vector_graph(self));
    sparse_free(vector_sparse(self));
    column_check_free(atomic_load(&self->check));
    oct_free(self);
}

static void
set_free(void *memory)
{
    oct_free(memory);
}

static void
set_config(shard_vector *vector, const shard_vector_config *config)
{
    vector->config = *config;
    atomic_store(&vector->full_scan_rows, config->full_scan_rows);
    atomic_store(&vector->threads_max, config->indexing_threads_max);
    atomic_store(&vector->on_disk, config->on_disk);
}

static oct_status
vector_new(const shard_vector_config *config, shard_vector **out, oct_error *error)
{
    shard_vector *self = oct_calloc(1, sizeof *self);
    graph        *made = NULL;
    sparse_index *sparse = NULL;
    oct_status    status;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    self->number = config->number;
    set_config(self, config);
    status = config->sparse ? sparse_new(&sparse, error) : graph_new(&config->params, &made, error);
    if (status != OCT_OK) {
        oct_free(self);
        return status;
    }
    atomic_store(&self->graph, made);
    atomic_store(&self->sparse, sparse);
    *out = self;
    return OCT_OK;
}

/* --- the set ------------------------------------------------------------------------------------------ */

shard_vector *
vector_set_find(const vector_set *self, uint32_t number)
{
    for (size_t i = 0; self != NULL && i < self->count; i++) {
        if (self->items[i]->number == number)
            return self->items[i];
    }
    return NULL;
}

/* Names that `set` has and `others` has not are nobody's yet. */
static void
free_new(vector_set *set, const vector_set *others)
{
    for (size_t i = 0; set != NULL && i < set->count; i++) {
        if (set->items[i] != NULL && vector_set_find(others, set->items[i]->number) == NULL)
            vector_free(set->items[i]);
    }
    oct_free(set);
}

static bool
same_names(const vector_set *set, const shard_vector_config *configs, size_t count)
{
    bool same = set != NULL && set->count == count;

    for (size_t i = 0; same && i < count; i++)
        same = set->items[i]->number == configs[i].number;
    return same;
}

oct_status
shard_plan_vectors(shard *self, const shard_vector_config *configs, size_t count, shard_vectors **out,
                   oct_error *error)
{
    const vector_set *now = shard_set(self);
    shard_vectors    *plan = oct_calloc(1, sizeof *plan);
    oct_status        status = OCT_OK;

    OCT_MUST(count <= OCT_VECTORS_MAX);
    *out = NULL;
    if (plan == NULL)
        return oct_fail_memory(error, sizeof *plan);
    plan->count = count;
    plan->configs = oct_calloc(count + 1, sizeof *plan->configs);
    if (plan->configs == NULL) {
        oct_free(plan);
        return oct_fail_memory(error, count * sizeof *plan->configs);
    }
    if (count > 0)
        memcpy(plan->configs, configs, count * sizeof *plan->configs);
    if (!same_names(now, configs, count)) {
        plan->set = oct_calloc(1, sizeof *plan->set + count * sizeof plan->set->items[0]);
        if (plan->set == NULL)
            status = oct_fail_memory(error, count * sizeof plan->set->items[0]);
    }
    for (size_t i = 0; plan->set != NULL && i < count && status == OCT_OK; i++) {
        shard_vector *known = vector_set_find(now, configs[i].number);

        if (known == NULL)
            status = vector_new(&configs[i], &known, error);
        if (known != NULL)
            plan->set->items[plan->set->count++] = known;
    }
    if (status != OCT_OK) {
        shard_vectors_free(self, plan);
        return status;
    }
    *out = plan;
    return OCT_OK;
}

void
shard_vectors_free(shard *self, shard_vectors *plan)
{
    if (plan == NULL)
        return;
    free_new(plan->set, shard_set(self));
    oct_free(plan->configs);
    oct_free(plan);
}

void
shard_set_vectors(shard *self, shard_vectors *plan)
{
    vector_set *old;

    (void)pthread_mutex_lock(&self->write_lock);
    old = shard_set(self);
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->configs[i].number >= self->numbers_end)
            self->numbers_end = plan->configs[i].number + 1;
    }
    if (plan->set != NULL) {
        atomic_store(&self->vectors, plan->set);
        for (size_t i = 0; old != NULL && i < old->count; i++) {
            shard_vector *vector = old->items[i];

            if (vector_set_find(plan->set, vector->number) != NULL)
                continue;
            atomic_store(&vector->gone, true);
            vector->next_gone = self->gone;
            self->gone = vector;
        }
        if (old != NULL) {
            old->next_old = self->old_sets;
            self->old_sets = old;
        }
        plan->set = NULL; /* the shard owns it now */
    }
    for (size_t i = 0; i < plan->count; i++)
        set_config(shard_set(self)->items[i], &plan->configs[i]);
    (void)pthread_mutex_unlock(&self->write_lock);
    shard_vectors_free(self, plan);
}

static void
bury(shard *self, void (*away)(void *memory, void (*release)(void *memory)))
{
    while (self->gone != NULL) {
        shard_vector *vector = self->gone;

        self->gone = vector->next_gone;
        away(vector, vector_free);
    }
    while (self->old_sets != NULL) {
        vector_set *set = self->old_sets;

        self->old_sets = set->next_old;
        away(set, set_free);
    }
}

void
shard_bury_vectors(shard *self, bool compacted)
{
    (void)pthread_mutex_lock(&self->save_lock);
    shard_lock_build(self);
    (void)pthread_mutex_lock(&self->write_lock);
    if (compacted || atomic_load(&self->compacting) == NULL)
        bury(self, epoch_retire);
    (void)pthread_mutex_unlock(&self->write_lock);
    shard_unlock_build(self);
    (void)pthread_mutex_unlock(&self->save_lock);
}

static void
release_now(void *memory, void (*release)(void *memory))
{
    release(memory);
}

void
shard_clear_vectors(shard *self)
{
    vector_set *set = shard_set(self);

    bury(self, release_now);
    for (size_t i = 0; set != NULL && i < set->count; i++)
        vector_free(set->items[i]);
    oct_free(set);
    atomic_store(&self->vectors, NULL);
}
