/* Rows of sparse vectors: written, read. See sparse.h. */
#include "sparse/sparse_internal.h"

#define ROWS_EXPECTED 16u
#define ENTRY_BYTES   (sizeof(uint32_t) + sizeof(float))

/* What a vector without entries points to. */
static const uint32_t no_indices[1];
static const float    no_values[1];

/* --- life ---------------------------------------------------------------------------------------- */

oct_status
sparse_new(sparse_index **out, oct_error *error)
{
    sparse_index *self = oct_calloc(1, sizeof *self);
    oct_status    status;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    heap_init(&self->entries);
    rows_init(&self->heads, sizeof(sparse_head), ROWS_EXPECTED);
    rows_init(&self->seats, sizeof(uint32_t), ROWS_EXPECTED);
    rows_init(&self->live, sizeof(uint64_t), 1);
    status = lists_init(&self->lists, error);
    if (status != OCT_OK) {
        sparse_free(self);
        return status;
    }
    *out = self;
    return OCT_OK;
}

void
sparse_free(sparse_index *self)
{
    if (self == NULL)
        return;
    heap_clear(&self->entries);
    rows_clear(&self->heads);
    rows_clear(&self->seats);
    rows_clear(&self->live);
    lists_clear(&self->lists);
    oct_free(self->scratch);
    oct_free(self);
}

lists *
sparse_lists_of(sparse_index *self)
{
    return &self->lists;
}

/* The writer's: what takes new rows. */
static postings *
growing(const sparse_index *self)
{
    return atomic_load(&self->lists.parts)->growing;
}

/* --- writing ----------------------------------------------------------------------------------------- */

static oct_status
reserve_seats(sparse_index *self, uint32_t point_count, oct_error *error)
{
    oct_status status;

    if (point_count <= self->point_count)
        return OCT_OK;
    status = rows_reserve(&self->seats, point_count, error);
    if (status != OCT_OK)
        return status;
    for (uint32_t point = self->point_count; point < point_count; point++)
        atomic_store_explicit(sparse_seat(self, point), SPARSE_NONE, memory_order_relaxed);
    self->point_count = point_count;
    atomic_store_explicit(&self->seat_count, point_count, memory_order_release);
    return OCT_OK;
}

static oct_status
reserve_entries(sparse_index *self, const uint32_t *counts, size_t count, oct_error *error)
{
    oct_slice *documents = oct_calloc(count + 1, sizeof *documents);
    size_t     bytes = self->scratch_bytes;
    oct_status status;

    if (documents == NULL)
        return oct_fail_memory(error, count * sizeof *documents);
    for (size_t i = 0; i < count; i++) {
        documents[i].size = counts[i] * ENTRY_BYTES;
        bytes = size_max(bytes, documents[i].size);
    }
    status = heap_reserve(&self->entries, documents, count, error);
    oct_free(documents);
    if (status == OCT_OK && bytes > self->scratch_bytes) {
        char *grown = oct_realloc(self->scratch, bytes);

        if (grown == NULL)
            return oct_fail_memory(error, bytes);
        self->scratch = grown;
        self->scratch_bytes = bytes;
    }
    return status;
}

oct_status
sparse_reserve(sparse_index *self, const uint32_t *counts, const uint32_t *indices, size_t count, uint32_t point_count,
               oct_error *error)
{
    size_t     total = 0;
    oct_status status;

    for (size_t i = 0; i < count; i++)
        total += counts[i];
    if (count > SPARSE_ROWS_MAX - self->rows_appended)
        return oct_fail(error, OCT_RANGE, "a shard holds at most %u sparse vectors of one name, dead ones included",
                        SPARSE_ROWS_MAX);
    status = rows_reserve(&self->heads, self->rows_appended + count, error);
    if (status == OCT_OK)
        status = rows_reserve(&self->live, ((uint64_t)self->rows_appended + count) / 64 + 1, error);
    if (status == OCT_OK)
        status = reserve_seats(self, point_count, error);
    if (status == OCT_OK)
        status = reserve_entries(self, counts, count, error);
    if (status == OCT_OK && !atomic_load_explicit(&self->behind, memory_order_relaxed))
        status = postings_reserve(growing(self), indices, total, error);
    return status;
}

/* What cannot be counted out is listed anew: the part of the lists that has it is not believed any more. */
static void
count_terms_out(sparse_index *self, uint32_t row)
{
    sparse_vector old;
    bool          counted = true;

    if (row >= atomic_load_explicit(&self->lists.listed, memory_order_relaxed))
        return;
    if (sparse_get_row(self, row, &old, NULL) != OCT_OK) {
        counted = atomic_load(&self->damaged) > 0 && !lists_have(&self->lists, row);
        if (counted)
            (void)atomic_fetch_sub(&self->damaged, 1);
    }
    for (uint32_t i = 0; i < old.count && counted; i++)
        counted = lists_kill(&self->lists, old.indices[i], row);
    if (!counted)
        lists_break(&self->lists, lists_part_start(&self->lists, row));
}

static void
release_row(sparse_index *self, uint32_t row)
{
    count_terms_out(self, row);
    sparse_set_live(self, row, false);
    self->entries.live_bytes -= sparse_head_at(self, row)->count * ENTRY_BYTES;
}

static uint32_t
add_row(sparse_index *self, uint32_t point, const sparse_vector *vector, uint32_t before, bool live)
{
    const uint32_t row = self->rows_appended++;
    sparse_head   *head = rows_at(&self->heads, row);
    const size_t   half = vector->count * sizeof(uint32_t), bytes = vector->count * ENTRY_BYTES;

    OCT_MUST(row < self->heads.capacity && point < self->point_count && bytes <= self->scratch_bytes);
    *head = (sparse_head){HEAP_NONE, point, before, vector->count};
    sparse_set_live(self, row, live);
    if (bytes > 0) {
        memcpy(self->scratch, vector->indices, half);
        memcpy(self->scratch + half, vector->values, half);
        head->document = heap_add(&self->entries, (oct_slice){self->scratch, bytes});
    }
    if (atomic_load_explicit(&self->behind, memory_order_relaxed))
        return row;
    for (uint32_t i = 0; i < vector->count; i++)
        postings_add(growing(self), vector->indices[i], row, vector->values[i], live);
    atomic_store(&self->lists.listed, row + 1);
    return row;
}

static bool
same_vector(const sparse_vector *a, const sparse_vector *b)
{
    return a->count == b->count && memcmp(a->indices, b->indices, a->count * sizeof *a->indices) == 0 &&
           memcmp(a->values, b->values, a->count * sizeof *a->values) == 0;
}

bool
sparse_append(sparse_index *self, uint32_t point, const sparse_vector *vector)
{
    const sparse_vector given = {vector->count == 0 ? no_indices : vector->indices,
                                 vector->count == 0 ? no_values : vector->values, vector->count};
    const uint32_t      old = atomic_load_explicit(sparse_seat(self, point), memory_order_relaxed);
    sparse_vector       stored;
    uint32_t            row;

    if (old != SPARSE_NONE && sparse_get_row(self, old, &stored, NULL) == OCT_OK && same_vector(&stored, &given))
        return false;
    row = add_row(self, point, &given, old, true);
    if (old == SPARSE_NONE)
        (void)atomic_fetch_add_explicit(&self->live_count, 1, memory_order_relaxed);
    else
        release_row(self, old);
    atomic_store_explicit(sparse_seat(self, point), row, memory_order_release);
    return true;
}

void
sparse_append_dead(sparse_index *self, uint32_t point, const sparse_vector *vector)
{
    const uint32_t row = add_row(self, point, vector, SPARSE_NONE, false);

    heap_release(&self->entries, sparse_head_at(self, row)->document);
}

void
sparse_remove(sparse_index *self, uint32_t point)
{
    uint32_t row;

    if (point >= self->point_count)
        return;
    row = atomic_load_explicit(sparse_seat(self, point), memory_order_relaxed);
    if (row == SPARSE_NONE)
        return;
    atomic_store_explicit(sparse_seat(self, point), SPARSE_NONE, memory_order_release);
    release_row(self, row);
    (void)atomic_fetch_sub_explicit(&self->live_count, 1, memory_order_relaxed);
}

void
sparse_publish(sparse_index *self)
{
    atomic_store_explicit(&self->row_count, self->rows_appended, memory_order_release);
}

/* --- lists that are behind ---------------------------------------------------------------------------- */

void
sparse_defer_lists(sparse_index *self)
{
    atomic_store(&self->behind, true);
}

bool
sparse_is_behind(const sparse_index *self)
{
    return atomic_load(&self->behind) || atomic_load(&self->lists.broken) != SPARSE_NONE;
}

oct_status
sparse_cut_lists(sparse_index *self, oct_error *error)
{
    oct_status status;

    if (atomic_load(&self->lists.broken) == SPARSE_NONE)
        return OCT_OK;
    atomic_store(&self->behind, true);
    status = lists_cut(&self->lists, error);
    if (status == OCT_OK)
        atomic_store(&self->damaged, 0); /* in what was dropped, all of them: what is in files was readable */
    return status;
}

bool
sparse_wants_run(const sparse_index *self, uint64_t entries_min, bool closing)
{
    return atomic_load(&self->damaged) == 0 && lists_want_run(&self->lists, entries_min, closing);
}

static oct_status
list_row(sparse_index *self, uint32_t row, uint64_t *entries, oct_error *error)
{
    const bool    live = atomic_load(sparse_seat(self, sparse_point_of(self, row))) == row;
    sparse_vector vector;
    oct_status    status;

    if (sparse_get_row(self, row, &vector, NULL) != OCT_OK) {
        if (live) {
            atomic_store(&self->damaged_row, row);
            (void)atomic_fetch_add(&self->damaged, 1);
        }
        return OCT_OK;
    }
    *entries += vector.count;
    status = postings_reserve(growing(self), vector.indices, vector.count, error);
    for (uint32_t i = 0; i < vector.count && status == OCT_OK; i++)
        postings_add(growing(self), vector.indices[i], row, vector.values[i], live);
    return status;
}

oct_status
sparse_list_rows(sparse_index *self, uint64_t entries_max, oct_error *error)
{
    uint32_t   row = atomic_load_explicit(&self->lists.listed, memory_order_relaxed);
    uint64_t   entries = 0;
    oct_status status = OCT_OK;

    if (!atomic_load(&self->behind))
        return OCT_OK;
    for (; row < self->rows_appended && entries <= entries_max && status == OCT_OK; entries++) {
        status = list_row(self, row, &entries, error);
        row += status == OCT_OK;
    }
    atomic_store(&self->lists.listed, row);
    if (row == self->rows_appended)
        atomic_store(&self->behind, false);
    return status;
}

/* --- reading ------------------------------------------------------------------------------------------ */

uint32_t
sparse_row_count(const sparse_index *self)
{
    return atomic_load_explicit(&self->row_count, memory_order_acquire);
}

uint32_t
sparse_live_count(const sparse_index *self)
{
    return atomic_load_explicit(&self->live_count, memory_order_relaxed);
}

uint64_t
sparse_ram_bytes(const sparse_index *self)
{
    return rows_bytes(&self->entries.units) + rows_bytes(&self->heads) + rows_bytes(&self->seats) +
           rows_bytes(&self->live) + lists_ram_bytes(&self->lists);
}

void
sparse_measure(const sparse_index *self, uint64_t *vectors, uint64_t *vectors_mapped, uint64_t *lists_, uint64_t *lists_mapped,
               uint64_t *rows_, uint64_t *rows_mapped)
{
    const uint32_t row_count = sparse_row_count(self);

    rows_usage(&self->entries.units, atomic_load(&self->entries.unit_count), vectors, vectors_mapped);
    rows_usage(&self->heads, row_count, rows_, rows_mapped);
    rows_usage(&self->seats, atomic_load(&self->seat_count), rows_, rows_mapped);
    rows_usage(&self->live, ((uint64_t)row_count + 63) / 64, rows_, rows_mapped);
    lists_measure(&self->lists, lists_, lists_mapped);
}

uint64_t
sparse_stored_bytes(const sparse_index *self)
{
    return (uint64_t)atomic_load_explicit(&self->entries.unit_count, memory_order_relaxed) * HEAP_UNIT_BYTES;
}

uint32_t
sparse_row_of(const sparse_index *self, uint32_t point)
{
    return sparse_visible_row(self, point, sparse_row_count(self));
}

uint32_t
sparse_point_of(const sparse_index *self, uint32_t row)
{
    return sparse_head_at(self, row)->point;
}

oct_status
sparse_get_row(const sparse_index *self, uint32_t row, sparse_vector *out, oct_error *error)
{
    const sparse_head *head = sparse_head_at(self, row);
    oct_slice          bytes;
    oct_error          why = {0};

    *out = (sparse_vector){no_indices, no_values, 0};
    if (head->document == HEAP_NONE)
        return OCT_OK;
    if (heap_get(&self->entries, head->document, &bytes, &why) != OCT_OK || bytes.size != head->count * ENTRY_BYTES)
        return oct_fail(error, OCT_CORRUPT, "the sparse vector of row %u (%u entries) is damaged%s%s", row, head->count,
                        why.text[0] == '\0' ? "" : ": ", why.text);
    out->count = head->count;
    out->indices = (const uint32_t *)(const void *)bytes.data; /* aligned: documents start on 16 bytes */
    out->values = (const float *)(const void *)(bytes.data + head->count * sizeof(uint32_t));
    return OCT_OK;
}

oct_status
sparse_get(const sparse_index *self, uint32_t point, sparse_vector *out, oct_error *error)
{
    const uint32_t row = sparse_row_of(self, point);

    if (row != SPARSE_NONE)
        return sparse_get_row(self, row, out, error);
    *out = (sparse_vector){0};
    return OCT_OK;
}

/* --- checking ------------------------------------------------------------------------------------------- */

static oct_status
check_row(const sparse_index *self, uint32_t row, oct_error *error)
{
    const sparse_head *head = sparse_head_at(self, row);
    sparse_vector      vector;
    oct_status         status = sparse_get_row(self, row, &vector, error);

    if (status == OCT_OK && head->point >= self->point_count)
        status = oct_fail(error, OCT_CORRUPT, "sparse row %u is of point %u; there are %u", row, head->point,
                          self->point_count);
    for (uint32_t i = 0; i < vector.count && status == OCT_OK; i++) {
        if (i > 0 && vector.indices[i] <= vector.indices[i - 1])
            status = oct_fail(error, OCT_CORRUPT, "sparse row %u has index %u after %u", row, vector.indices[i],
                              vector.indices[i - 1]);
    }
    return status;
}

static bool
row_lives(const void *context, uint32_t row)
{
    const sparse_index *self = context;

    return sparse_row_of(self, sparse_point_of(self, row)) == row;
}

oct_status
sparse_check(const sparse_index *self, oct_error *error)
{
    uint64_t   entries = 0, total = 0;
    uint32_t   live = 0;
    oct_status status = OCT_OK;

    for (uint32_t row = 0; row < self->rows_appended && status == OCT_OK; row++) {
        status = check_row(self, row, error);
        entries += row < atomic_load(&self->lists.listed) ? sparse_head_at(self, row)->count : 0;
    }
    for (uint32_t point = 0; point < self->point_count && status == OCT_OK; point++) {
        const uint32_t row = sparse_row_of(self, point);

        live += row != SPARSE_NONE;
        if (row != SPARSE_NONE && (row >= self->rows_appended || sparse_point_of(self, row) != point))
            status = oct_fail(error, OCT_CORRUPT, "the sparse row %u of point %u is not its own", row, point);
    }
    if (status == OCT_OK && live != sparse_live_count(self))
        status = oct_fail(error, OCT_CORRUPT, "%u points have a sparse vector, %u were counted", live,
                          sparse_live_count(self));
    if (status != OCT_OK || atomic_load(&self->lists.broken) != SPARSE_NONE) /* being made again */
        return status;
    status = lists_check(&self->lists, row_lives, self, &total, error);
    if (status == OCT_OK && total != entries)
        status = oct_fail(error, OCT_CORRUPT, "the lists have %llu entries, the vectors %llu", (unsigned long long)total,
                          (unsigned long long)entries);
    return status;
}
