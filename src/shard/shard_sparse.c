/* What is different for vector names whose vectors are sparse: how a column of a write becomes rows, what is saved, how they
 * are compacted. The index itself is sparse/sparse.h; what is the same for all names is in shard_internal.h. */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>

#include "base/epoch.h"
#include "shard/shard_internal.h"

/* --- writes ------------------------------------------------------------------------------------------- */

#define LIST_ENTRIES (1u << 15) /* listed at a time by the job, with the write lock held: some milliseconds */

oct_status
vector_sparse_reserve(shard_vector *self, const batch_column *column, uint32_t point_count, bool replayed, oct_error *error)
{
    oct_status status = OCT_OK;

    /* More than it adds, so that lists catch up however much is written. */
    if (replayed)
        sparse_defer_lists(vector_sparse(self));
    else
        status = sparse_list_rows(vector_sparse(self), 2 * batch_value_count(column), error);
    if (status != OCT_OK)
        return status;
    return sparse_reserve(vector_sparse(self), column->counts, column->indices, column->present_count, point_count, error);
}

void
vector_sparse_append(shard_vector *self, uint32_t point, const batch_column *column, const batch_cursor *at)
{
    const sparse_vector vector = {column->indices + at->at, column->values + at->at,
                                  (uint32_t)batch_cursor_count(at, column)};

    self->logical_rows += sparse_append(vector_sparse(self), point, &vector);
}

oct_status
vector_sparse_catch_up(shard *self, shard_vector *vector, bool *more)
{
    oct_status status;

    *more = sparse_is_behind(vector_sparse(vector));
    if (!*more)
        return OCT_OK;
    (void)pthread_mutex_lock(&self->write_lock);
    status = sparse_list_rows(vector_sparse(vector), LIST_ENTRIES, NULL);
    (void)pthread_mutex_unlock(&self->write_lock);
    (void)sched_yield(); /* writers wait for that lock */
    return status;
}

/* --- files ---------------------------------------------------------------------------------------------- */

oct_status
vector_sparse_save(shard *self, shard_image *image, const shard_vector *vector, size_t v, oct_error *error)
{
    const sparse_state *state = &image->sparses[v];
    sparse_column       columns[SPARSE_COLUMNS];
    char                name[COLUMN_NAME_MAX];
    oct_status          status = OCT_OK;

    sparse_columns(vector_sparse(vector), columns);
    for (size_t c = 0; c < SPARSE_COLUMNS && status == OCT_OK; c++) {
        if (columns[c].appended)
            status = shard_save_column(self, image, SHARD_COLUMN_NAME(name, columns[c].name, vector->number), columns[c].data,
                                       columns[c].is_heap ? state->unit_count : state->row_count, vector->rebuilt, error);
    }
    return status;
}

void
vector_sparse_write_state(uint32_t number, const sparse_state *state, buffer *out)
{
    buffer_format(out,
                  "{\"number\":%" PRIu32 ",\"sparse\":true,\"rows\":%" PRIu32 ",\"live\":%" PRIu32 ",\"points\":%" PRIu32
                  ",\"units\":%" PRIu32 ",\"live_bytes\":%" PRIu64 "}",
                  number, state->row_count, state->live_count, state->point_count, state->unit_count, state->live_bytes);
}

oct_status
vector_sparse_load(shard *self, const shard_image *image, shard_vector *vector, size_t v, oct_error *error)
{
    sparse_column columns[SPARSE_COLUMNS];
    sparse_index *loaded;
    oct_status    status = sparse_load_begin(&image->sparses[v], &loaded, error);

    if (status != OCT_OK)
        return status;
    sparse_columns(loaded, columns);
    for (size_t c = 0; c < SPARSE_COLUMNS && status == OCT_OK; c++) {
        column_check *check = NULL;
        char          name[COLUMN_NAME_MAX];

        status = shard_load_column(self, image, SHARD_COLUMN_NAME(name, columns[c].name, vector->number), columns[c].data,
                                   columns[c].count, columns[c].is_heap ? &check : NULL, error);
        column_check_free(check);
    }
    if (status == OCT_OK)
        status = sparse_loaded(loaded, error);
    if (status != OCT_OK) {
        sparse_free(loaded);
        return status;
    }
    sparse_free(vector_sparse(vector));
    atomic_store(&vector->sparse, loaded);
    vector->logical_rows = image->sparses[v].row_count;
    return OCT_OK;
}

/* --- the record of a small shard ---------------------------------------------------------------------------- */

void
vector_sparse_encode(const shard_vector *self, buffer *out, oct_status *status, oct_error *error)
{
    const sparse_index *index = vector_sparse(self);
    const uint32_t      row_count = sparse_row_count(index);
    sparse_vector       vector;

    buffer_add(out, &row_count, sizeof row_count);
    for (uint32_t row = 0; row < row_count; row++) {
        const uint32_t point = sparse_point_of(index, row);

        buffer_add(out, &point, sizeof point);
    }
    for (uint32_t row = 0; row < row_count; row++) {
        const uint32_t live = sparse_row_of(index, sparse_point_of(index, row)) == row;

        buffer_add(out, &live, sizeof live);
    }
    /* Counts of all, then indices of all, then values of all. */
    for (int part = 0; part < 3; part++) {
        for (uint32_t row = 0; row < row_count && *status == OCT_OK; row++) {
            *status = sparse_get_row(index, row, &vector, error);
            if (part == 0)
                buffer_add(out, &vector.count, sizeof vector.count);
            else if (part == 1)
                buffer_add(out, vector.indices, vector.count * sizeof *vector.indices);
            else
                buffer_add(out, vector.values, vector.count * sizeof *vector.values);
        }
    }
}

oct_status
vector_sparse_restore(shard_vector *self, const sparse_rows *from, uint32_t point_count, oct_error *error)
{
    sparse_index   *index = vector_sparse(self);
    const uint32_t *counts = (const uint32_t *)(const void *)from->counts; /* record bodies are aligned to 4 */
    const uint32_t *indices = (const uint32_t *)(const void *)from->indices;
    const float    *values = (const float *)(const void *)from->values;
    oct_status      status = sparse_reserve(index, counts, indices, from->count, point_count, error);

    for (uint32_t row = 0; row < from->count && status == OCT_OK; row++) {
        const sparse_vector vector = {indices, values, counts[row]};
        const uint32_t      point = get_u32(from->points + 4 * (size_t)row);

        if (get_u32(from->live + 4 * (size_t)row) != 0)
            (void)sparse_append(index, point, &vector);
        else
            sparse_append_dead(index, point, &vector);
        indices += vector.count;
        values += vector.count;
    }
    sparse_publish(index);
    self->logical_rows = from->count;
    return status;
}

/* --- compaction ------------------------------------------------------------------------------------------------- */

static void
release_sparse(void *memory)
{
    sparse_free(memory);
}

/* An error leaves the old index, which is right but not compact. */
oct_status
vector_sparse_compact(shard *self, shard_vector *vector, uint32_t row_count)
{
    sparse_index *old = vector_sparse(vector), *fresh;
    oct_status    status = sparse_new(&fresh, NULL);

    if (status == OCT_OK)
        status = sparse_copy_rows(fresh, old, row_count, NULL);
    if (atomic_load(&self->stopping) || atomic_load(&vector->gone))
        status = OCT_STOPPED;
    if (status == OCT_OK) {
        (void)pthread_mutex_lock(&self->save_lock);
        (void)pthread_mutex_lock(&self->build_lock);
        (void)pthread_mutex_lock(&self->write_lock);
        status = sparse_catch_up(fresh, old, row_count, NULL);
        if (status == OCT_OK) {
            atomic_store(&vector->sparse, fresh);
            vector->rebuilt = true;
            self->rebuild_count++;
        }
        (void)pthread_mutex_unlock(&self->write_lock);
        (void)pthread_mutex_unlock(&self->build_lock);
        (void)pthread_mutex_unlock(&self->save_lock);
    }
    if (status != OCT_OK) {
        sparse_free(fresh);
        return status;
    }
    epoch_retire(old, release_sparse);
    return OCT_OK;
}
