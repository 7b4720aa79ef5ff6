/* What is different for vector names whose vectors are sparse: how a column of a write becomes rows, what is saved, how they
 * are compacted. The index itself is sparse/sparse.h; what is the same for all names is in shard_internal.h. */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>

#include "base/epoch.h"
#include "shard/shard_internal.h"
#include "sparse/lists.h"

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
    uint32_t   broken;
    oct_status status;

    *more = sparse_is_behind(vector_sparse(vector));
    if (!*more)
        return OCT_OK;
    (void)pthread_mutex_lock(&self->write_lock);
    broken = atomic_load(&sparse_lists_of(vector_sparse(vector))->broken);
    status = sparse_cut_lists(vector_sparse(vector), NULL);
    if (broken != SPARSE_NONE && status == OCT_OK) {
        char what[128];

        (void)snprintf(what, sizeof what, "lists of sparse vectors of name number %" PRIu32 ", from row %" PRIu32 " on",
                       vector->number, broken);
        shard_note_mended(self, what);
    }
    if (status == OCT_OK)
        status = sparse_list_rows(vector_sparse(vector), LIST_ENTRIES, NULL);
    (void)pthread_mutex_unlock(&self->write_lock);
    (void)sched_yield(); /* writers wait for that lock */
    return status;
}

/* --- files ---------------------------------------------------------------------------------------------- */

oct_status
vector_sparse_save(shard *self, shard_image *image, const shard_vector *vector, size_t v, oct_error *error)
{
    sparse_column columns[SPARSE_COLUMNS];
    char          name[COLUMN_NAME_MAX];
    oct_status    status = OCT_OK;

    sparse_columns(vector_sparse(vector), &image->sparses[v], columns);
    for (size_t c = 0; c < SPARSE_COLUMNS && status == OCT_OK; c++) {
        if (columns[c].appended)
            status = shard_save_column(self, image, SHARD_COLUMN_NAME(name, columns[c].name, vector->number), columns[c].data,
                                       columns[c].count, vector->rebuilt, error);
    }
    return status;
}

void
vector_sparse_write_state(const shard_image *image, size_t v, buffer *out)
{
    const sparse_state *state = &image->sparses[v];

    buffer_format(out,
                  "{\"number\":%" PRIu32 ",\"sparse\":true,\"rows\":%" PRIu32 ",\"live\":%" PRIu32 ",\"points\":%" PRIu32
                  ",\"units\":%" PRIu32 ",\"live_bytes\":%" PRIu64,
                  image->numbers[v], state->row_count, state->live_count, state->point_count, state->unit_count, state->live_bytes);
    shard_write_runs(image, image->numbers[v], out);
    buffer_add_byte(out, '}');
}

/* Read what can be read; make the rest again from it. What was damaged is told in self->mended. */
static oct_status
load_columns(shard *self, const shard_image *image, shard_vector *vector, size_t v, sparse_index *loaded, oct_error *error)
{
    enum { ENTRIES, HEADS, SEATS, LIVE };
    sparse_column columns[SPARSE_COLUMNS];
    bool          has[SPARSE_COLUMNS] = {false}, is_old = false;
    oct_error     first = {0};
    oct_status    status = OCT_OK;

    sparse_columns(loaded, &image->sparses[v], columns);
    for (size_t c = 0; c < SPARSE_COLUMNS && status == OCT_OK; c++) {
        column_check *check = NULL;
        oct_error     why = {0};
        char          name[COLUMN_NAME_MAX];

        (void)SHARD_COLUMN_NAME(name, columns[c].name, vector->number);
        if (c == LIVE && !shard_image_has_column(image, name)) { /* an older version's */
            is_old = true;
            continue;
        }
        status = shard_load_column(self, image, name, columns[c].data, columns[c].count, columns[c].is_heap ? &check : NULL, &why);
        column_check_free(check);
        has[c] = status == OCT_OK;
        if (status == OCT_CORRUPT && c != ENTRIES) {
            rows_clear(columns[c].data);
            if (first.text[0] == '\0')
                first = why;
            shard_note_mended(self, why.text);
            status = OCT_OK;
        } else if (status != OCT_OK && error != NULL) {
            *error = why;
        }
    }
    if (status == OCT_OK && !has[LIVE] && has[SEATS])
        status = sparse_make_live(loaded, error);
    else if (status == OCT_OK && !has[SEATS] && has[HEADS] && (has[LIVE] || is_old))
        status = sparse_make_seats(loaded, has[LIVE], error);
    else if (status == OCT_OK && !has[SEATS])
        status = OCT_CORRUPT;
    if (status == OCT_OK && !has[LIVE] && !has[SEATS])
        status = sparse_make_live(loaded, error);
    if (status == OCT_OK && !has[HEADS])
        status = sparse_make_heads(loaded, error);
    if (status == OCT_CORRUPT && first.text[0] != '\0' && error != NULL)
        *error = first; /* what cannot be made again is set aside for what was found */
    vector->rebuilt = vector->rebuilt || (status == OCT_OK && !has[HEADS]);
    return status;
}

oct_status
vector_sparse_load(shard *self, const shard_image *image, shard_vector *vector, size_t v, oct_error *error)
{
    sparse_index *loaded;
    oct_status    status = sparse_load_begin(&image->sparses[v], &loaded, error);

    if (status != OCT_OK)
        return status;
    status = load_columns(self, image, vector, v, loaded, error);
    if (status == OCT_OK)
        status = sparse_loaded(loaded, error);
    if (status == OCT_OK)
        status = shard_load_lists(self, image, vector, loaded, error);
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

static bool
row_lives(const sparse_index *index, uint32_t row)
{
    return sparse_row_of(index, sparse_point_of(index, row)) == row;
}

static bool
is_encoded(const sparse_index *index, const uint32_t *numbers, uint32_t row)
{
    return numbers == NULL || (numbers[sparse_point_of(index, row)] != POINT_NONE && row_lives(index, row));
}

void
vector_sparse_encode(const shard_vector *self, const uint32_t *numbers, buffer *out, oct_status *status, oct_error *error)
{
    const sparse_index *index = vector_sparse(self);
    const uint32_t      row_count = sparse_row_count(index);
    sparse_vector       vector;
    uint32_t            kept = 0;

    for (uint32_t row = 0; row < row_count; row++)
        kept += is_encoded(index, numbers, row);
    buffer_add(out, &kept, sizeof kept);
    for (uint32_t row = 0; row < row_count; row++) {
        const uint32_t point = sparse_point_of(index, row);

        if (is_encoded(index, numbers, row))
            buffer_add(out, numbers == NULL ? &point : &numbers[point], sizeof point);
    }
    for (uint32_t row = 0; row < row_count; row++) {
        const uint32_t live = row_lives(index, row);

        if (is_encoded(index, numbers, row))
            buffer_add(out, &live, sizeof live);
    }
    /* Counts of all, then indices of all, then values of all. */
    for (int part = 0; part < 3; part++) {
        for (uint32_t row = 0; row < row_count && *status == OCT_OK; row++) {
            if (!is_encoded(index, numbers, row))
                continue;
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
        shard_lock_build(self);
        (void)pthread_mutex_lock(&self->write_lock);
        status = sparse_catch_up(fresh, old, row_count, NULL);
        if (status == OCT_OK) {
            atomic_store(&vector->sparse, fresh);
            vector->rebuilt = true;
            self->rebuild_count++;
        }
        (void)pthread_mutex_unlock(&self->write_lock);
        shard_unlock_build(self);
        (void)pthread_mutex_unlock(&self->save_lock);
    }
    if (status != OCT_OK) {
        sparse_free(fresh);
        return status;
    }
    epoch_retire(old, release_sparse);
    return OCT_OK;
}
