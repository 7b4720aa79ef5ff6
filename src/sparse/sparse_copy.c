/* An index from another, and from its columns. See sparse.h. */
#include "sparse/sparse_internal.h"

/* --- compacting ------------------------------------------------------------------------------------------ */

static oct_status
copy_row(sparse_index *self, const sparse_index *from, uint32_t row, oct_error *error)
{
    const uint32_t point = sparse_point_of(from, row);
    sparse_vector  vector;
    oct_status     status = sparse_get_row(from, row, &vector, error);

    if (status == OCT_OK)
        status = sparse_reserve(self, &vector.count, vector.indices, 1, point + 1, error);
    if (status == OCT_OK)
        (void)sparse_append(self, point, &vector);
    return status;
}

oct_status
sparse_copy_rows(sparse_index *self, const sparse_index *from, uint32_t row_count, oct_error *error)
{
    oct_status status = OCT_OK;

    for (uint32_t row = 0; row < row_count && status == OCT_OK; row++) {
        if (sparse_row_of(from, sparse_point_of(from, row)) == row)
            status = copy_row(self, from, row, error);
    }
    sparse_publish(self);
    return status;
}

/* A point that has a row below row_count now had it when the rows were copied: points only go on to later rows. */
oct_status
sparse_catch_up(sparse_index *self, const sparse_index *from, uint32_t row_count, oct_error *error)
{
    oct_status status = OCT_OK;

    for (uint32_t row = row_count; row < from->rows_appended && status == OCT_OK; row++) {
        if (sparse_row_of(from, sparse_point_of(from, row)) == row)
            status = copy_row(self, from, row, error);
    }
    for (uint32_t point = 0; point < self->point_count && status == OCT_OK; point++) {
        if (sparse_row_of(from, point) == SPARSE_NONE)
            sparse_remove(self, point);
    }
    sparse_publish(self);
    return status;
}

/* --- files --------------------------------------------------------------------------------------------------- */

void
sparse_columns(sparse_index *self, const sparse_state *state, sparse_column columns[SPARSE_COLUMNS])
{
    columns[0] = (sparse_column){"entries", &self->entries.units, state->unit_count, true, true};
    columns[1] = (sparse_column){"heads", &self->heads, state->row_count, true, false};
    columns[2] = (sparse_column){"seats", &self->seats, state->point_count, false, false};
    columns[3] = (sparse_column){"live", &self->live, ((uint64_t)state->row_count + 63) / 64, false, false};
}

void
sparse_get_state(const sparse_index *self, sparse_state *state)
{
    *state = (sparse_state){.row_count = self->rows_appended,
                            .live_count = sparse_live_count(self),
                            .point_count = self->point_count,
                            .unit_count = atomic_load(&self->entries.unit_count),
                            .live_bytes = self->entries.live_bytes};
}

oct_status
sparse_load_begin(const sparse_state *state, sparse_index **out, oct_error *error)
{
    oct_status status = sparse_new(out, error);

    if (status != OCT_OK)
        return status;
    (*out)->rows_appended = state->row_count;
    (*out)->point_count = state->point_count;
    atomic_store(&(*out)->live_count, state->live_count);
    atomic_store(&(*out)->entries.unit_count, state->unit_count);
    (*out)->entries.live_bytes = state->live_bytes;
    return OCT_OK;
}

oct_status
sparse_make_live(sparse_index *self, oct_error *error)
{
    oct_status status;

    rows_clear(&self->live);
    status = rows_reserve(&self->live, (uint64_t)self->rows_appended / 64 + 1, error);
    for (uint32_t point = 0; point < self->point_count && status == OCT_OK; point++) {
        const uint32_t row = atomic_load(sparse_seat(self, point));

        if (row != SPARSE_NONE && row < self->rows_appended)
            sparse_set_live(self, row, true);
    }
    return status;
}

static bool
row_lives(const sparse_index *self, uint32_t row)
{
    const uint64_t *word = rows_at(&self->live, row / 64);

    return (*word >> (row % 64) & 1) != 0;
}

oct_status
sparse_make_seats(sparse_index *self, bool live, oct_error *error)
{
    uint32_t   count = 0;
    oct_status status;

    rows_clear(&self->seats);
    status = rows_reserve(&self->seats, self->point_count, error);
    for (uint32_t point = 0; point < self->point_count && status == OCT_OK; point++)
        atomic_store_explicit(sparse_seat(self, point), SPARSE_NONE, memory_order_relaxed);
    for (uint32_t row = 0; row < self->rows_appended && status == OCT_OK; row++) {
        const uint32_t point = sparse_point_of(self, row);

        if (live && !row_lives(self, row))
            continue;
        if (point >= self->point_count)
            return oct_fail(error, OCT_CORRUPT, "sparse row %u is of point %u; there are %u", row, point, self->point_count);
        count += atomic_load(sparse_seat(self, point)) == SPARSE_NONE;
        atomic_store(sparse_seat(self, point), row);
    }
    if (status == OCT_OK && count != sparse_live_count(self))
        status = oct_fail(error, OCT_CORRUPT, "which of %u points have a sparse vector cannot be told: %u do, the rows name %u",
                          self->point_count, sparse_live_count(self), count);
    return status;
}

/* Documents lie in the heap in the order of their rows. Whose a dead row was does not matter any more. */
oct_status
sparse_make_heads(sparse_index *self, oct_error *error)
{
    uint32_t   at = 0, row = 0, number;
    oct_slice  bytes;
    oct_status status;

    rows_clear(&self->heads);
    status = rows_reserve(&self->heads, self->rows_appended, error);
    while (status == OCT_OK && (status = heap_next(&self->entries, &at, &number, &bytes, error)) == OCT_OK &&
           number != HEAP_NONE) {
        if (row < self->rows_appended)
            *(sparse_head *)rows_at(&self->heads, row) =
                (sparse_head){number, 0, SPARSE_NONE, (uint32_t)(bytes.size / (sizeof(uint32_t) + sizeof(float)))};
        row++;
    }
    if (status == OCT_OK && row != self->rows_appended)
        status = oct_fail(error, OCT_CORRUPT, "which of %u sparse vectors have entries cannot be told: %u do", self->rows_appended,
                          row);
    for (uint32_t point = 0; point < self->point_count && status == OCT_OK; point++) {
        const uint32_t own = atomic_load(sparse_seat(self, point));

        if (own != SPARSE_NONE && own < self->rows_appended)
            ((sparse_head *)rows_at(&self->heads, own))->point = point;
    }
    return status;
}

oct_status
sparse_loaded(sparse_index *self, oct_error *error)
{
    oct_status status = OCT_OK;

    for (uint32_t row = 0; row < self->rows_appended && status == OCT_OK; row++) {
        if (sparse_point_of(self, row) >= self->point_count)
            return oct_fail(error, OCT_CORRUPT, "sparse row %u is of point %u; there are %u", row, sparse_point_of(self, row),
                            self->point_count);
    }
    for (uint32_t point = 0; point < self->point_count && status == OCT_OK; point++) {
        const uint32_t row = atomic_load(sparse_seat(self, point));

        if (row != SPARSE_NONE && (row >= self->rows_appended || sparse_point_of(self, row) != point))
            return oct_fail(error, OCT_CORRUPT, "the sparse row %u of point %u is not its own", row, point);
    }
    atomic_store_explicit(&self->seat_count, self->point_count, memory_order_release);
    sparse_defer_lists(self);
    sparse_publish(self);
    return status;
}

oct_status
sparse_set_runs(sparse_index *self, sparse_run **runs, size_t count, oct_error *error)
{
    const oct_status status = lists_set_runs(&self->lists, runs, count, error);

    if (status == OCT_OK && atomic_load(&self->lists.listed) == self->rows_appended)
        atomic_store(&self->behind, false);
    return status;
}
