/* Writes: from the points of octant.h to a batch of the shard (shard/batch.h).
 *
 * What can be judged without the shard's state - names, dimensions, numbers, documents - is judged here, before any
 * lock.
 * What a filter chooses is found under the shard's write lock (shard_resolve), and logged as ids.
 */
#include <math.h>
#include <stdlib.h>

#include "base/epoch.h"
#include "collection/collection.h"
#include "collection/select.h"
#include "kernel/kernel.h"
#include "collection/shard_keys.h"
#include "collection/write_internal.h"
#include "payload/document.h"

#define POINT_BYTES       160u        /* of ids, codes and numbers that a point has in memory, about */
#define ROWS_RECORD_BYTES (8u << 20) /* oct_upsert_rows logs in pieces of about this size */

bool
floats_are_finite(const float *values, size_t count)
{
    uint32_t any = 0;

    /* An exponent of all ones is an infinity or no number, and overflows when one is added to it. No branch, and only what
     * the narrowest registers can do, so that the loop is vectorised everywhere. */
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;

        memcpy(&bits, &values[i], sizeof bits);
        any |= (bits & 0x7F800000u) + 0x00800000u;
    }
    return any >> 31 == 0;
}

static oct_status
check_vector(const oct_vector_config *config, const float *values, size_t count, oct_error *error)
{
    if (count != (size_t)config->size)
        return oct_fail(error, OCT_DIM, "Vector dimension error: expected dim: %lld, got %zu",
                        (long long)config->size, count);
    if (!floats_are_finite(values, count)) {
        for (size_t i = 0; i < count; i++) {
            if (!floats_are_finite(&values[i], 1))
                return oct_fail(error, OCT_INVALID,
                                "Vector component %zu is %f; every component must be a finite number", i,
                                (double)values[i]);
        }
    }
    for (size_t i = 0; config->datatype == OCT_FLOAT16 && config->distance != OCT_COSINE && i < count; i++) {
        if (fabsf(values[i]) > KERNEL_F16_MAX)
            return oct_fail(error, OCT_INVALID,
                            "Vector component %zu is %g, which float16 cannot hold; it goes to %g", i,
                            (double)values[i], (double)KERNEL_F16_MAX);
    }
    return OCT_OK;
}

/* --- running a batch ------------------------------------------------------------------------------------ */

/* A write to the points of one shard key. */
typedef struct keyed {
    const oct_collection *collection;
    uint32_t              number;
    shard_resolve         resolve; /* NULL: there is nothing more to do */
    void                 *context;
} keyed;

/* A shard_resolve: with the lock held, is the key still there? */
static oct_status
check_key(void *context, batch *write, arena *memory, oct_error *error)
{
    const keyed *self = context;
    bool         known;

    epoch_pin();
    known = config_shard_key_of(&collection_box(self->collection)->config, self->number) != NULL;
    epoch_unpin();
    if (!known)
        return oct_fail(error, OCT_INVALID, "Shard key not found: it was deleted while the write was on its way");
    return self->resolve == NULL ? OCT_OK : self->resolve(self->context, write, memory, error);
}

/* About what the write takes in memory. */
static uint64_t
batch_bytes(const batch *write)
{
    uint64_t bytes = write->count * POINT_BYTES;

    for (size_t i = 0; i < write->column_count; i++)
        bytes += batch_value_count(&write->columns[i]) * sizeof(float);
    for (size_t i = 0; write->payloads != NULL && i < write->count; i++)
        bytes += write->payloads[i].size;
    return bytes;
}

oct_status
write_run(oct_collection *self, batch *write, uint32_t number, shard_resolve resolve, void *context,
             const oct_write_options *options, oct_write_result *result, oct_error *error)
{
    const bool wait = options == NULL || options->wait;
    keyed      checked = {self, number, resolve, context};
    uint64_t   sequence;
    oct_status status;

    if (self->database->read_only)
        return oct_fail(error, OCT_FORBIDDEN, "the database %s was opened for reading only",
                        self->database->path);
    if (!batch_frees(write) || write->op == BATCH_UPSERT) {
        status = budget_admit(self->database, batch_bytes(write), error);
        if (status != OCT_OK)
            return status;
    }
    if (number != 0)
        status = shard_write_resolved(self->shard, write, check_key, &checked, &sequence, error);
    else
        status = shard_write_resolved(self->shard, write, resolve, context, &sequence, error);
    if (status == OCT_OK && wait)
        status = log_wait(self->database->log, sequence, error);
    if (status == OCT_OK && result != NULL)
        *result = (oct_write_result){write->operation, wait ? OCT_WRITE_COMPLETED : OCT_WRITE_ACKNOWLEDGED};
    fields_kick(self);
    database_note_write(self->database, status);
    return status;
}

static oct_status
run(oct_collection *self, batch *write, uint32_t number, const oct_write_options *options,
    oct_write_result *result, oct_error *error)
{
    return write_run(self, write, number, NULL, NULL, options, result, error);
}

/* --- writes to the points that match ------------------------------------------------------------------------ */

typedef struct matching {
    oct_collection *collection;
    const filter   *wanted; /* NULL: every point matches */
    oct_update_mode mode;
} matching;

static int
compare_numbers(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* The ids of the write, and those of all points that match and are not among them. */
static oct_status
add_matching(void *context, batch *write, arena *memory, oct_error *error)
{
    const matching  *self = context;
    const point_set *all = shard_points(self->collection->shard);
    uint32_t        *named = arena_array(memory, write->count + 1, sizeof *named);
    size_t           named_count = 0, count = write->count;
    selection        these = {0};
    oct_id          *ids = NULL;
    oct_status       status = named == NULL ? oct_fail_memory(error, write->count * sizeof *named) : OCT_OK;

    epoch_pin();
    if (status == OCT_OK)
        status = select_points(self->collection, self->wanted, &these, error);
    if (status == OCT_OK) {
        ids = arena_array(memory, write->count + these.count + 1, sizeof *ids);
        if (ids == NULL)
            status = oct_fail_memory(error, (write->count + these.count) * sizeof *ids);
    }
    for (size_t i = 0; i < write->count && status == OCT_OK; i++) {
        ids[i] = write->ids[i];
        named[named_count] = points_find_live(all, &ids[i]);
        named_count += named[named_count] != POINT_NONE;
    }
    if (named_count > 1)
        qsort(named, named_count, sizeof *named, compare_numbers);
    for (uint32_t point = 0; status == OCT_OK && point < atomic_load(&all->count); point++) {
        const point_bits only = {these.bits, these.point_count};

        if (these.bits == NULL ? points_is_live(all, point) : point_bits_have(&only, point)) {
            if (named_count == 0 ||
                bsearch(&point, named, named_count, sizeof *named, compare_numbers) == NULL)
                ids[count++] = *points_id(all, point);
        }
    }
    if (status == OCT_OK) {
        write->ids = ids;
        write->count = count;
    }
    selection_clear(&these);
    epoch_unpin();
    return status;
}

/* Ids as points of a shard key have them. */
static oct_status
keyed_ids(const oct_id *given, size_t stride, size_t count, uint32_t number, arena *memory, oct_id **out,
          oct_error *error)
{
    *out = arena_array(memory, count + 1, sizeof **out);
    if (*out == NULL)
        return oct_fail_memory(error, count * sizeof **out);
    for (size_t i = 0; i < count; i++) {
        memcpy(&(*out)[i], (const char *)given + i * stride, sizeof **out);
        (*out)[i].reserved = number;
    }
    return OCT_OK;
}

/* Run a write for its targets of one shard key (`key` NULL: no custom sharding). */
static oct_status
run_for_key(oct_collection *self, const batch *given, const oct_targets *targets, const oct_shard_key *key,
            uint32_t number, const oct_write_options *options, oct_write_result *result, oct_error *error)
{
    const oct_condition of_key[] = {
        {.kind = OCT_CONDITION_SHARD_KEY, .shard_keys = key, .shard_key_count = 1},
        {.kind = OCT_CONDITION_FILTER, .filter = targets->filter}};
    const oct_filter both = {.must = of_key, .must_count = countof(of_key)};
    batch            copy = *given, *write = &copy;
    arena            memory = {0};
    matching         context = {.collection = self};
    selection        these;
    oct_id          *ids;
    oct_status status = keyed_ids(targets->ids, sizeof *ids, targets->id_count, number, &memory, &ids, error);

    write->ids = ids;
    write->count = targets->id_count;
    if (status != OCT_OK || targets->filter == NULL) {
        if (status == OCT_OK)
            status = run(self, write, number, options, result, error);
        arena_clear(&memory);
        return status;
    }
    status = select_compile(self, key == NULL ? targets->filter : &both, &memory, &context.wanted, error);
    if (status == OCT_OK) {
        /* Once without the lock: what is left to do under it is only what others change meanwhile. */
        epoch_pin();
        status = select_points(self, context.wanted, &these, error);
        selection_clear(&these);
        epoch_unpin();
    }
    if (status == OCT_OK)
        status = write_run(self, write, number, add_matching, &context, options, result, error);
    arena_clear(&memory);
    return status;
}

/* Run a write for its targets, of each shard key. write->ids are set here. */
static oct_status
run_for(oct_collection *self, const batch *write, const oct_targets *targets, const oct_write_options *options,
        oct_write_result *result, oct_error *error)
{
    arena      memory = {0};
    uint32_t  *numbers;
    size_t     count;
    oct_status status = shard_keys_of_write(self, options, &memory, &numbers, &count, error);

    for (size_t k = 0; status == OCT_OK && k < count; k++)
        status = run_for_key(self, write, targets, numbers[k] == 0 ? NULL : &options->shard_keys[k], numbers[k],
                             options, result, error);
    arena_clear(&memory);
    return status;
}

/* The vectors of the points that are kept, in new memory. */
static oct_status
keep_vectors(const batch_column *from, const uint32_t *kept, size_t kept_count, size_t count, arena *memory,
             batch_column *out, oct_error *error)
{
    const bool   is_sparse = batch_is_sparse(from);
    uint8_t     *present = arena_alloc(memory, kept_count / 8 + 1);
    uint32_t    *counts = from->counts == NULL ? NULL : arena_array(memory, from->present_count + 1, sizeof *counts);
    const size_t value_max = batch_value_count(from) + 1;
    float       *values = arena_array(memory, value_max, sizeof *values);
    uint32_t    *indices = is_sparse ? arena_array(memory, value_max, sizeof *indices) : NULL;
    batch_cursor in = {0};
    size_t       place = 0, at = 0;

    if (present == NULL || (from->counts != NULL && counts == NULL) || values == NULL || (is_sparse && indices == NULL))
        return oct_fail_memory(error, value_max * sizeof *values);
    for (size_t i = 0, k = 0; i < count && k < kept_count; i++) {
        const bool   has = batch_has(from, i), keeps = kept[k] == i;
        const size_t some = has ? batch_cursor_count(&in, from) : 0;

        if (has && keeps) {
            present[k / 8] |= (uint8_t)(1u << (k % 8));
            memcpy(values + at, from->values + in.at, some * sizeof *values);
            if (is_sparse)
                memcpy(indices + at, from->indices + in.at, some * sizeof *indices);
            if (counts != NULL)
                counts[place] = (uint32_t)some;
            at += some;
            place++;
        }
        if (has)
            batch_cursor_pass(&in, from);
        k += keeps;
    }
    *out = *from;
    out->present = place < kept_count ? present : NULL;
    out->present_count = place;
    out->counts = counts;
    out->indices = indices;
    out->values = values;
    return OCT_OK;
}

/* Leave out the points of the write that its rule does not let through. */
static oct_status
keep_allowed(void *context, batch *write, arena *memory, oct_error *error)
{
    const matching  *self = context;
    const point_set *all = shard_points(self->collection->shard);
    uint32_t        *kept = arena_array(memory, write->count + 1, sizeof *kept);
    batch_column    *columns = arena_array(memory, write->column_count + 1, sizeof *columns);
    oct_slice       *payloads = arena_array(memory, write->count + 1, sizeof *payloads);
    oct_id          *ids = arena_array(memory, write->count + 1, sizeof *ids);
    size_t           count = 0;
    oct_status       status = OCT_OK;

    if (kept == NULL || columns == NULL || payloads == NULL || ids == NULL)
        return oct_fail_memory(error, write->count * sizeof *ids);
    epoch_pin();
    for (size_t i = 0; i < write->count && status == OCT_OK; i++) {
        const uint32_t point = points_find_live(all, &write->ids[i]);
        bool passes = point == POINT_NONE ? self->mode != OCT_UPDATE_ONLY : self->mode != OCT_INSERT_ONLY;

        if (passes && point != POINT_NONE)
            status = select_test(self->collection, self->wanted, point, &passes, error);
        if (passes)
            kept[count++] = (uint32_t)i;
    }
    epoch_unpin();
    if (status != OCT_OK || count == write->count)
        return status;
    for (size_t c = 0; c < write->column_count && status == OCT_OK; c++)
        status = keep_vectors(&write->columns[c], kept, count, write->count, memory, &columns[c], error);
    for (size_t i = 0; i < count; i++) {
        ids[i] = write->ids[kept[i]];
        if (write->payloads != NULL)
            payloads[i] = write->payloads[kept[i]];
    }
    write->ids = ids;
    write->columns = columns;
    write->payloads = write->payloads == NULL ? NULL : payloads;
    write->count = count;
    return status;
}

/* --- points to columns ------------------------------------------------------------------------------------- */

/* A multivector: a list of rows of the name's size. */
static oct_status
check_rows(const oct_vector_config *config, const oct_vector *vector, oct_error *error)
{
    const size_t row_count = vector->row_count;

    if (row_count == 0 || vector->value_count % row_count != 0)
        return oct_fail(error, OCT_INVALID, "a multivector of %zu floats cannot have %zu rows", vector->value_count,
                        row_count);
    if (vector->value_count > OCT_MULTI_FLOATS_MAX)
        return oct_fail(error, OCT_RANGE, "a multivector of %zu floats is too large; at most %u are allowed",
                        vector->value_count, OCT_MULTI_FLOATS_MAX);
    for (size_t i = 0; i < row_count; i++) {
        const oct_status status =
            check_vector(config, vector->values + i * (vector->value_count / row_count), vector->value_count / row_count, error);

        if (status != OCT_OK)
            return status;
    }
    return OCT_OK;
}

oct_status
fail_vector_kind(oct_vector_kind kind, oct_error *error)
{
    return oct_fail(error, OCT_INVALID,
                    kind == OCT_SPARSE ? "Conversion between sparse and regular vectors failed"
                                       : "Conversion between multi and regular vectors failed");
}

typedef struct entry {
    uint32_t index;
    float    value;
} entry;

static int
compare_entries(const void *a, const void *b)
{
    const entry *x = a, *y = b;

    return (x->index > y->index) - (x->index < y->index);
}

/* `count` entries by ascending index, in `out`. */
static oct_status
sort_entries(const oct_vector *given, arena *memory, uint32_t *indices, float *values, oct_error *error)
{
    const size_t count = given->value_count;
    entry       *entries = arena_array(memory, count, sizeof *entries);

    if (entries == NULL)
        return oct_fail_memory(error, count * sizeof *entries);
    for (size_t i = 0; i < count; i++)
        entries[i] = (entry){given->indices[i], given->values[i]};
    qsort(entries, count, sizeof *entries, compare_entries);
    for (size_t i = 0; i < count; i++) {
        indices[i] = entries[i].index;
        values[i] = entries[i].value;
    }
    return OCT_OK;
}

oct_status
sparse_prepare(const oct_vector *given, arena *memory, sparse_vector *out, oct_error *error)
{
    static const uint32_t no_indices[1];
    static const float    no_values[1];
    const size_t          count = given->value_count;
    size_t                ascending = 1;
    oct_status            status;

    if (given->kind != OCT_SPARSE)
        return fail_vector_kind(OCT_SPARSE, error);
    if (count > OCT_SPARSE_MAX)
        return oct_fail(error, OCT_RANGE, "a sparse vector has %zu entries; at most %u are allowed", count, OCT_SPARSE_MAX);
    if (!floats_are_finite(given->values, count))
        return oct_fail(error, OCT_INVALID, "a sparse vector has a value that is not a finite number");
    *out = (sparse_vector){count == 0 ? no_indices : given->indices, count == 0 ? no_values : given->values,
                           (uint32_t)count};
    while (ascending < count && given->indices[ascending - 1] < given->indices[ascending])
        ascending++;
    if (ascending >= count)
        return OCT_OK;
    {
        uint32_t *indices = arena_array(memory, count, sizeof *indices);
        float    *values = arena_array(memory, count, sizeof *values);

        if (indices == NULL || values == NULL)
            return oct_fail_memory(error, count * sizeof *values);
        status = sort_entries(given, memory, indices, values, error);
        for (size_t i = 1; i < count && status == OCT_OK; i++) {
            if (indices[i] == indices[i - 1])
                status = oct_fail(error, OCT_INVALID, "a sparse vector has the index %u twice; indices must be unique",
                                  indices[i]);
        }
        out->indices = indices;
        out->values = values;
    }
    return status;
}

/* First pass: check every vector and count the floats of each name; of a sparse one, the vectors. */
static oct_status
count_vectors(const config_box *box, const oct_point *points, size_t count, size_t *counts, oct_error *error)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t v = 0; v < points[i].vector_count; v++) {
            const oct_vector *vector = &points[i].vectors[v];
            size_t            index;
            oct_status        status = box_find_vector(box, vector->name, &index, error);

            if (status == OCT_OK && box->config.vectors[index].sparse == 1) {
                /* Its entries are checked when they are sorted. */
                if (vector->kind != OCT_SPARSE)
                    return fail_vector_kind(OCT_SPARSE, error);
                counts[index]++;
                continue;
            }
            if (status == OCT_OK && vector->kind != OCT_DENSE &&
                !(vector->kind == OCT_MULTI && box->config.vectors[index].multivector == 1))
                status = fail_vector_kind(vector->kind, error);
            if (status == OCT_OK && vector->kind == OCT_MULTI)
                status = check_rows(&box->config.vectors[index], vector, error);
            else if (status == OCT_OK)
                status =
                    check_vector(&box->config.vectors[index], vector->values, vector->value_count, error);
            if (status != OCT_OK)
                return status;
            counts[index] += vector->value_count;
        }
    }
    return OCT_OK;
}

/* Of a name given twice for a point the last counts. */
static const oct_vector *
vector_given(const oct_point *point, oct_slice name)
{
    const oct_vector *given = NULL;

    for (size_t v = 0; v < point->vector_count; v++) {
        if (slice_equal(point->vectors[v].name, name))
            given = &point->vectors[v];
    }
    return given;
}

/* The same pass for a name whose vectors are sparse, which are checked here. */
static oct_status
fill_sparse_column(const config_box *box, const oct_point *points, size_t count, size_t index, size_t vectors_max,
                   arena *memory, batch_column *column, oct_error *error)
{
    sparse_vector *vectors = arena_array(memory, vectors_max, sizeof *vectors);
    uint32_t      *counts = arena_array(memory, vectors_max, sizeof *counts), *indices;
    uint8_t       *present = arena_alloc(memory, count / 8 + 1);
    float         *values;
    size_t         total = 0;

    *column = (batch_column){.number = box->numbers[index]};
    if (vectors == NULL || counts == NULL || present == NULL)
        return oct_fail_memory(error, vectors_max * sizeof *vectors);
    for (size_t i = 0; i < count; i++) {
        const oct_vector *given = vector_given(&points[i], box->config.vectors[index].name);
        oct_status        status;

        if (given == NULL)
            continue;
        status = sparse_prepare(given, memory, &vectors[column->present_count], error);
        if (status != OCT_OK)
            return status;
        counts[column->present_count] = vectors[column->present_count].count;
        total += counts[column->present_count++];
        present[i / 8] |= (uint8_t)(1u << (i % 8));
    }
    indices = arena_array(memory, total + 1, sizeof *indices);
    values = arena_array(memory, total + 1, sizeof *values);
    if (indices == NULL || values == NULL)
        return oct_fail_memory(error, total * sizeof *values);
    for (size_t i = 0, at = 0; i < column->present_count; at += counts[i++]) {
        memcpy(indices + at, vectors[i].indices, counts[i] * sizeof *indices);
        memcpy(values + at, vectors[i].values, counts[i] * sizeof *values);
    }
    column->present = column->present_count < count ? present : NULL;
    column->counts = counts;
    column->indices = indices;
    column->values = values;
    return OCT_OK;
}

/* Second pass: the vectors of one name, one after the other. */
static oct_status
fill_column(const config_box *box, const oct_point *points, size_t count, size_t index, size_t value_max,
            arena *memory, batch_column *column, oct_error *error)
{
    const size_t dim = (size_t)box->config.vectors[index].size;
    const bool   multi = box->config.vectors[index].multivector == 1;
    uint32_t    *counts = multi ? arena_array(memory, count + 1, sizeof *counts) : NULL;
    uint8_t     *present = arena_alloc(memory, count / 8 + 1);
    size_t       at = 0;
    float       *values;

    if (box->config.vectors[index].sparse == 1)
        return fill_sparse_column(box, points, count, index, value_max, memory, column, error);
    values = arena_array(memory, value_max, sizeof *values);
    if (values == NULL || present == NULL || (multi && counts == NULL))
        return oct_fail_memory(error, value_max * sizeof *values);
    *column = (batch_column){
        .number = box->numbers[index], .dim = (uint32_t)dim, .counts = counts, .values = values};
    for (size_t i = 0; i < count; i++) {
        const oct_vector *given = vector_given(&points[i], box->config.vectors[index].name);

        if (given == NULL)
            continue;
        memcpy(values + at, given->values, given->value_count * sizeof *values);
        at += given->value_count;
        if (multi)
            counts[column->present_count] = (uint32_t)given->value_count;
        present[i / 8] |= (uint8_t)(1u << (i % 8));
        column->present_count++;
    }
    if (column->present_count < count)
        column->present = present;
    return OCT_OK;
}

oct_status
write_columns(const config_box *box, const oct_point *points, size_t count, arena *memory, batch_column *columns,
              size_t *column_count, oct_error *error)
{
    size_t     counts[OCT_VECTORS_MAX] = {0};
    oct_status status = count_vectors(box, points, count, counts, error);

    *column_count = 0;
    for (size_t v = 0; status == OCT_OK && v < box->config.vector_count; v++) {
        if (counts[v] > 0)
            status = fill_column(box, points, count, v, counts[v], memory, &columns[(*column_count)++], error);
    }
    return status;
}

oct_status
write_documents(const oct_slice *given, size_t stride, size_t count, arena *memory, buffer *text,
                oct_slice **out, oct_error *error)
{
    size_t    *ends = arena_array(memory, count, sizeof *ends);
    oct_status status = OCT_OK;

    *out = arena_array(memory, count, sizeof **out);
    if (ends == NULL || *out == NULL)
        return oct_fail_memory(error, count * sizeof **out);
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        const oct_slice *document = (const oct_slice *)(const void *)((const char *)given + i * stride);

        if (document->size > 0)
            status = document_check(*document, text, error);
        if (status == OCT_OK && text->failed)
            status = oct_fail_memory(error, text->capacity);
        ends[i] = text->size;
    }
    for (size_t i = 0, start = 0; i < count && status == OCT_OK; start = ends[i++])
        (*out)[i] = (oct_slice){text->data == NULL ? NULL : text->data + start, ends[i] - start};
    return status;
}

oct_status
collection_upsert(oct_collection *self, const oct_point *points, size_t count, bool only_vectors,
                  const oct_update_rule *rule, const oct_write_options *options, oct_write_result *result,
                  oct_error *error)
{
    matching      context = {.collection = self, .mode = rule == NULL ? OCT_UPSERT : rule->mode};
    batch         write = {.op = only_vectors ? BATCH_UPDATE_VECTORS : BATCH_UPSERT, .count = count};
    arena         memory = {0};
    buffer        documents = {0};
    oct_slice    *payloads = NULL;
    batch_column *columns;
    uint32_t     *numbers;
    size_t        number_count;
    oct_status    status = shard_keys_of_write(self, options, &memory, &numbers, &number_count, error);

    epoch_pin();
    columns = arena_array(&memory, collection_box(self)->config.vector_count + 1, sizeof *columns);
    if (status == OCT_OK && columns == NULL)
        status = oct_fail_memory(error, sizeof *columns);
    if (status == OCT_OK)
        status = write_columns(collection_box(self), points, count, &memory, columns, &write.column_count, error);
    epoch_unpin();
    if (status == OCT_OK && !only_vectors && count > 0)
        status = write_documents(&points[0].payload, sizeof points[0], count, &memory, &documents, &payloads,
                                 error);
    if (status == OCT_OK && rule != NULL)
        status = select_compile(self, rule->filter, &memory, &context.wanted, error);
    write.columns = columns;
    write.payloads = payloads;
    for (size_t k = 0; status == OCT_OK && k < number_count; k++) {
        const bool judges = context.wanted != NULL || context.mode != OCT_UPSERT;
        batch      one = write;
        oct_id    *ids;

        status = keyed_ids(count == 0 ? NULL : &points[0].id, sizeof points[0], count, numbers[k], &memory, &ids, error);
        one.ids = ids;
        if (status == OCT_OK)
            status = write_run(self, &one, numbers[k], judges ? keep_allowed : NULL, &context, options, result, error);
    }
    buffer_clear(&documents);
    arena_clear(&memory);
    return status;
}

/* One piece of oct_upsert_rows, already checked. Contiguous rows are logged and stored from where they lie. */
static oct_status
upsert_piece(oct_collection *self, uint32_t key_number, uint32_t number, const uint64_t *ids, const float *vectors, size_t count,
             size_t dim, size_t row_stride, const oct_slice *payloads, const oct_write_options *options,
             oct_error *error)
{
    arena        memory = {0};
    buffer       documents = {0};
    oct_slice   *checked = NULL;
    oct_id      *full_ids = arena_array(&memory, count, sizeof *full_ids);
    float       *packed = row_stride == dim ? NULL : arena_array(&memory, count, dim * sizeof *packed);
    batch_column column = {.number = number, .dim = (uint32_t)dim, .present_count = count, .values = vectors};
    batch        write = {
               .op = BATCH_UPSERT, .count = count, .ids = full_ids, .column_count = 1, .columns = &column};
    oct_status status = OCT_OK;

    if (full_ids == NULL || (row_stride != dim && packed == NULL))
        status = oct_fail_memory(error, count * sizeof *full_ids);
    if (status == OCT_OK && payloads != NULL) {
        status = write_documents(payloads, sizeof *payloads, count, &memory, &documents, &checked, error);
        write.payloads = checked;
    }
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        full_ids[i] = oct_id_number(ids[i]);
        full_ids[i].reserved = key_number;
        if (packed != NULL)
            memcpy(packed + i * dim, vectors + i * row_stride, dim * sizeof *packed);
    }
    if (packed != NULL)
        column.values = packed;
    if (status == OCT_OK)
        status = run(self, &write, key_number, options, NULL, error);
    buffer_clear(&documents);
    arena_clear(&memory);
    return status;
}

oct_status
collection_upsert_rows(oct_collection *self, const uint64_t *ids, const float *vectors, size_t count,
                       size_t dim, size_t row_stride, const oct_slice *payloads,
                       const oct_write_options *options, oct_error *error)
{
    const size_t piece = size_max(ROWS_RECORD_BYTES / (dim * sizeof(float) + 64), 1);
    /* Only the last piece is waited for: the log is in order, so it covers the others. */
    oct_write_options last = {.wait = options == NULL || options->wait};
    oct_write_options others = {.wait = false};
    uint32_t          number = 0, *keys;
    size_t            index, key_count;
    arena             memory = {0};
    oct_status        status = shard_keys_of_write(self, options, &memory, &keys, &key_count, error);

    if (status != OCT_OK) {
        arena_clear(&memory);
        return status;
    }
    epoch_pin();
    status = box_find_vector(collection_box(self), (oct_slice){"", 0}, &index, error);
    if (status == OCT_OK && collection_box(self)->config.vectors[index].multivector == 1)
        status = oct_fail(error, OCT_UNSUPPORTED,
                          "the unnamed vector is a multivector, which an array of rows cannot give; use oct_upsert");
    if (status == OCT_OK)
        number = collection_box(self)->numbers[index]; /* the unnamed one, so it is not sparse */
    for (size_t i = 0; i < count && status == OCT_OK; i++)
        status =
            check_vector(&collection_box(self)->config.vectors[index], vectors + i * row_stride, dim, error);
    epoch_unpin();
    for (size_t k = 0; k < key_count; k++) {
        for (size_t at = 0; at < count && status == OCT_OK; at += piece) {
            const size_t some = size_min(piece, count - at);
            const bool   ends = at + some == count && k + 1 == key_count;

            status = upsert_piece(self, keys[k], number, ids + at, vectors + at * row_stride, some, dim, row_stride,
                                  payloads == NULL ? NULL : payloads + at, ends ? &last : &others, error);
        }
    }
    arena_clear(&memory);
    return status;
}

/* --- the rest ------------------------------------------------------------------------------------------------ */

oct_status
collection_delete(oct_collection *self, const oct_targets *targets, const oct_write_options *options,
                  oct_write_result *result, oct_error *error)
{
    batch write = {.op = BATCH_DELETE};

    return run_for(self, &write, targets, options, result, error);
}

oct_status
collection_delete_vectors(oct_collection *self, const oct_targets *targets, const oct_slice *names,
                          size_t name_count, const oct_write_options *options, oct_write_result *result,
                          oct_error *error)
{
    batch_column columns[OCT_VECTORS_MAX] = {0};
    batch        write = {.op = BATCH_DELETE_VECTORS, .columns = columns};
    oct_status   status = OCT_OK;

    if (name_count > OCT_VECTORS_MAX)
        return oct_fail(error, OCT_RANGE, "%zu vector names are too many: a collection has at most %u",
                        name_count, OCT_VECTORS_MAX);
    epoch_pin();
    for (size_t i = 0; i < name_count && status == OCT_OK; i++) {
        size_t index;

        status = box_find_vector(collection_box(self), names[i], &index, error);
        if (status == OCT_OK)
            columns[write.column_count++].number = collection_box(self)->numbers[index];
    }
    epoch_unpin();
    return status == OCT_OK ? run_for(self, &write, targets, options, result, error) : status;
}

oct_status
collection_change_payload(oct_collection *self, const oct_targets *targets, const oct_payload_change *change,
                          const oct_write_options *options, oct_write_result *result, oct_error *error)
{
    batch write = {.op = BATCH_CHANGE_PAYLOAD, .change = *change};

    return run_for(self, &write, targets, options, result, error);
}

oct_status
collection_optimize(oct_collection *self, bool wait, oct_error *error)
{
    const oct_write_options options = {.wait = wait};
    batch                   write = {.op = BATCH_COMPACT};
    oct_status              status = run(self, &write, 0, &options, NULL, error);

    if (status == OCT_OK && wait)
        status = shard_wait_indexed(self->shard, 0, error);
    return status;
}
