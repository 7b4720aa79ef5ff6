/* Vectors that live on disk: `on_disk: true`; and where memory is.
 *
 * WHAT     A row is written into memory first, as every row is; a search of it needs its code at once, and its vector until
 *          a checkpoint has it in the file. When the manifest that names the file is durable, the file's pages are mapped over
 *          the memory (storage/column.h), which goes back to the system. From then on a vector is read from the file,
 *          through the system's page cache: sixteen of them a search, when the codes have chosen. What stays in
 *          memory is codes, links and numbers. After opening it has been so from the start.
 * READERS  read on meanwhile: addresses stay, bytes are the same. What is read from a file may be damaged, so that it has a
 *          check from then on, as after opening.
 * FAILURE  leaves vectors in memory: it costs memory, and the next checkpoint tries again.
 */
#include "shard/shard_internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/epoch.h"

#define RELEASE_BYTES_MIN (1u << 20) /* less is not worth reading the checksums for */

static void
release_check(void *memory)
{
    column_check_free(memory);
}

static rows *
vectors_of(graph *self)
{
    graph_column columns[GRAPH_COLUMNS_MAX];
    const size_t count = graph_columns(self, columns);

    for (size_t c = 0; c < count; c++) {
        if (strcmp(columns[c].name, "vectors") == 0)
            return columns[c].data;
    }
    return NULL;
}

static const column_state *
column_of(const shard_image *image, const char *name)
{
    for (size_t c = 0; c < image->column_count; c++)
        if (strcmp(image->columns[c].name, name) == 0)
            return &image->columns[c];
    return NULL;
}

static void
release_vector(shard *self, const shard_image *image, shard_vector *vector)
{
    rows               *data = vectors_of(vector_graph(vector));
    const column_state *state;
    column_check       *check, *old;
    char                name[COLUMN_NAME_MAX];

    (void)snprintf(name, sizeof name, "vectors.%" PRIu32, vector->number);
    state = column_of(image, name);
    if (data == NULL || state == NULL || state->stride != data->stride || state->row_count <= vector->file_rows ||
        (state->row_count - vector->file_rows) * state->stride < RELEASE_BYTES_MIN)
        return;
    if (column_release(self->system, self->folder, state, data, vector->file_rows, &check, NULL) != OCT_OK)
        return;
    if (atomic_load(&vector->on_disk))
        rows_expect_jumps(data, state->row_count);
    vector->file_rows = state->row_count;
    old = atomic_exchange(&vector->check, check);
    atomic_store(&vector->verified, false);
    if (old != NULL)
        epoch_retire(old, release_check);
}

static bool
is_spilling(const shard *self)
{
    return self->spills != NULL && atomic_load_explicit(self->spills, memory_order_relaxed);
}

/* Documents carry checksums of their own: they need no check of the file's. */
static void
release_payload(shard *self, const shard_image *image)
{
    const column_state *state = column_of(image, "payload");
    rows               *data = &shard_payload(self)->heap.units;
    const uint64_t      from = atomic_load(&data->file_rows);
    column_check       *check;

    /* A store swapped in since is in no file yet; with build_lock held none is. */
    if (image->payload_swaps != self->payload_swaps || state == NULL || state->stride != data->stride ||
        state->row_count <= from || (state->row_count - from) * state->stride < RELEASE_BYTES_MIN)
        return;
    if (column_release(self->system, self->folder, state, data, from, &check, NULL) != OCT_OK)
        return;
    column_check_free(check);
}

void
shard_spill(shard *self)
{
    if (!is_spilling(self))
        return;
    shard_lock_build(self);
    if (self->saved != NULL)
        shard_release_vectors(self, self->saved);
    shard_unlock_build(self);
}

void
shard_release_vectors(shard *self, const shard_image *image)
{
    const vector_set *set = shard_set(self);

    /* An os in memory would gain nothing; a graph swapped in since is in no file yet. */
    if (self->system != os_posix() || image->in_log)
        return;
    if (is_spilling(self))
        release_payload(self, image);
    if (image->rebuild_count != self->rebuild_count)
        return;
    for (size_t v = 0; v < set->count; v++) {
        if ((atomic_load(&set->items[v]->on_disk) || is_spilling(self)) && !vector_is_sparse(set->items[v]))
            release_vector(self, image, set->items[v]);
    }
}

static void
add_part(oct_memory_info *out, const char *name, uint64_t memory, uint64_t mapped)
{
    OCT_MUST(out->count < OCT_MEMORY_PARTS_MAX);
    out->parts[out->count++] = (oct_memory_part){name, memory, mapped};
}

/* Of sparse vectors: the lists are links, the vectors are vectors. */
static void
measure(const shard_vector *vector, graph_usage *usage)
{
    if (!vector_is_sparse(vector)) {
        graph_measure(vector_graph(vector), usage);
        return;
    }
    sparse_measure(vector_sparse(vector), &usage->vectors, &usage->vectors_mapped, &usage->links,
                   &usage->links_mapped, &usage->rows, &usage->rows_mapped);
}

void
shard_measure(shard *self, oct_memory_info *out)
{
    graph_usage       usage = {0};
    uint64_t          memory = 0, mapped = 0;
    const vector_set *set;
    payload_store    *store;

    out->count = 0;
    epoch_pin();
    set = shard_set(self);
    for (size_t v = 0; v < set->count; v++)
        measure(set->items[v], &usage);
    add_part(out, "vectors", usage.vectors, usage.vectors_mapped);
    add_part(out, "codes", usage.codes, usage.codes_mapped);
    add_part(out, "links", usage.links, usage.links_mapped);
    add_part(out, "rows", usage.rows, usage.rows_mapped);
    points_usage(&self->points, &memory, &mapped);
    add_part(out, "points", memory, mapped);
    memory = mapped = 0;
    store = shard_payload(self);
    rows_usage(&store->heap.units, atomic_load(&store->heap.unit_count), &memory, &mapped);
    rows_usage(&store->numbers, atomic_load(&self->points.count), &memory, &mapped);
    add_part(out, "payload", memory, mapped);
    epoch_unpin();
}
