/* Writes and reads of a shard. See shard.h. */
#include "shard/shard_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/epoch.h"
#include "payload/document.h"

#define VERIFY_BYTES_MAX (64u << 20) /* of vectors, verified by the first search after opening: some 20 ms */

/* --- life ---------------------------------------------------------------------------------------- */

oct_status
shard_new(const shard_options *options, const shard_vector_config *vectors, size_t vector_count, shard **out,
          oct_error *error)
{
    shard         *self = oct_calloc(1, sizeof *self);
    shard_vectors *names;
    oct_status     status;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    (void)pthread_mutex_init(&self->write_lock, NULL);
    (void)pthread_mutex_init(&self->save_lock, NULL);
    (void)pthread_mutex_init(&self->build_turn, NULL);
    (void)pthread_mutex_init(&self->build_lock, NULL);
    (void)pthread_mutex_init(&self->index_lock, NULL);
    (void)pthread_cond_init(&self->index_moved, NULL);
    self->id = options->id;
    self->system = options->system;
    self->pool = options->pool;
    self->log = options->log;
    self->numbers_end = options->numbers_end;
    self->always_files = options->always_files;
    self->compacted = options->compacted;
    self->admits = options->admits;
    self->spills = options->spills;
    self->context = options->context;
    status = points_init(&self->points, error);
    if (status == OCT_OK)
        status = shard_payload_init(self, error);
    if (status != OCT_OK)
        goto out;
    self->folder = oct_copy_text(options->folder, strlen(options->folder));
    status = self->folder == NULL ? oct_fail_memory(error, strlen(options->folder))
                                  : shard_plan_vectors(self, vectors, vector_count, &names, error);
    if (status != OCT_OK)
        goto out;
    shard_set_vectors(self, names);
    *out = self;
    self = NULL; /* the caller owns it now */
out:
    shard_free(self);
    return status;
}

void
shard_set_log(shard *self, write_log *log)
{
    self->log = log;
}

void
shard_drop(shard *self)
{
    atomic_store(&self->dropped, true);
}

void
shard_free(shard *self)
{
    if (self == NULL)
        return;
    shard_end_jobs(self);
    shard_clear_vectors(self);
    points_clear(&self->points);
    shard_payload_free(atomic_load(&self->payload));
    shard_image_free(self->saved);
    oct_free(self->damage);
    oct_free(self->damaged_entry);
    buffer_clear(&self->mended);
    oct_free(self->folder);
    (void)pthread_mutex_destroy(&self->write_lock);
    (void)pthread_mutex_destroy(&self->save_lock);
    (void)pthread_mutex_destroy(&self->build_lock);
    (void)pthread_mutex_destroy(&self->build_turn);
    (void)pthread_mutex_destroy(&self->index_lock);
    (void)pthread_cond_destroy(&self->index_moved);
    oct_free(self);
}

const shard_vector *
shard_find_vector(const shard *self, uint32_t number)
{
    return vector_set_find(shard_set(self), number);
}

uint64_t
shard_version(const shard *self)
{
    return atomic_load_explicit(&self->version, memory_order_acquire);
}

void
shard_set_version(shard *self, uint64_t operation)
{
    self->operation = operation;
    atomic_store_explicit(&self->version, operation, memory_order_release);
}

bool
shard_numbers_are_saved(shard *self)
{
    bool are_saved;

    shard_lock_build(self);
    are_saved = self->saved != NULL && !self->saved->in_log && self->saved->moves == atomic_load(&self->points.moves);
    shard_unlock_build(self);
    return are_saved;
}

bool
shard_numbers_hold(const shard *self, uint64_t operation)
{
    return self->renumbered_at == 0 || operation < self->renumbered_at;
}

point_set *
shard_points(shard *self)
{
    return &self->points;
}

graph *
shard_graph(const shard *self, uint32_t number)
{
    const shard_vector *vector = shard_find_vector(self, number);

    return vector == NULL ? NULL : vector_graph(vector);
}

sparse_index *
shard_sparse(const shard *self, uint32_t number)
{
    const shard_vector *vector = shard_find_vector(self, number);

    return vector == NULL ? NULL : vector_sparse(vector);
}

bool
shard_has_vector(const shard *self, uint32_t number, uint32_t point)
{
    const shard_vector *vector = shard_find_vector(self, number);

    return vector != NULL && vector_has(vector, point);
}

/* --- what a write needs before it may be logged ------------------------------------------------------ */

/* A write on its way: the batch, and what is worked out for it once, before the log. */
typedef struct plan {
    batch     *write;
    arena      memory;
    bool      *superseded; /* upsert: a later point of the batch has the same id; NULL: none has */
    uint32_t  *previous;   /* place of the same id before, or NONE_BEFORE; NULL: no id stands twice */
    uint32_t  *found;      /* point of each id, or POINT_NONE */
    oct_slice *documents;  /* payload change: the new document of each point */
    buffer     document_text;
    float     *prepared; /* room for the largest vector: graph_scratch_floats */
    bool       replayed;
    const batch_column *given; /* the write's columns before they were packed; NULL: they were not */
} plan;

static void
plan_clear(plan *self)
{
    if (self->given != NULL)
        self->write->columns = self->given;
    arena_clear(&self->memory);
    buffer_clear(&self->document_text);
}

oct_status
shard_fail_unknown(const oct_id *id, oct_error *error)
{
    if (id->is_uuid == 0)
        return oct_fail(error, OCT_NOT_FOUND, "No point with id %" PRIu64 " found", id->low);
    return oct_fail(error, OCT_NOT_FOUND,
                    "No point with id %08" PRIx32 "-%04x-%04x-%04x-%012" PRIx64 " found",
                    (uint32_t)(id->high >> 32), (unsigned)(id->high >> 16 & 0xFFFF),
                    (unsigned)(id->high & 0xFFFF), (unsigned)(id->low >> 48), id->low & 0xFFFFFFFFFFFFu);
}

static int
compare_by_id(const void *a, const void *b, void *context)
{
    const oct_id  *ids = context;
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const int      order = id_compare(&ids[x], &ids[y]);

    return order != 0 ? order : (x > y) - (x < y);
}

#define NONE_BEFORE UINT32_MAX

/* Mark the points that a later one of the same batch names again. */
static oct_status
find_superseded(plan *self, oct_error *error)
{
    const batch *write = self->write;
    size_t       ascending = 1;
    bool         any = false;
    uint32_t    *order;

    while (ascending < write->count && id_compare(&write->ids[ascending - 1], &write->ids[ascending]) < 0)
        ascending++;
    if (ascending >= write->count)
        return OCT_OK;
    order = arena_array(&self->memory, write->count, sizeof *order);
    self->superseded = arena_array(&self->memory, write->count, sizeof *self->superseded);
    self->previous = arena_array(&self->memory, write->count, sizeof *self->previous);
    if (order == NULL || self->superseded == NULL || self->previous == NULL)
        return oct_fail_memory(error, write->count * sizeof *order);
    for (size_t i = 0; i < write->count; i++)
        order[i] = (uint32_t)i;
    qsort_r(order, write->count, sizeof *order, compare_by_id, (void *)(uintptr_t)write->ids);
    memset(self->previous, 0xFF, write->count * sizeof *self->previous);
    for (size_t i = 1; i < write->count; i++) {
        if (id_equal(&write->ids[order[i - 1]], &write->ids[order[i]])) {
            self->superseded[order[i - 1]] = true;
            self->previous[order[i]] = order[i - 1];
            any = true;
        }
    }
    if (!any) {
        self->superseded = NULL;
        self->previous = NULL;
    }
    return OCT_OK;
}

/* The documents after a payload change. They are computed before the log, as only this can fail. */
static oct_status
plan_documents(plan *self, shard *target, oct_error *error)
{
    const batch         *write = self->write;
    const document_edit *edit;
    size_t              *ends = arena_array(&self->memory, write->count, sizeof *ends);
    oct_status           status = document_edit_plan(&write->change, &self->memory, &edit, error);

    self->documents = arena_array(&self->memory, write->count, sizeof *self->documents);
    if (status == OCT_OK && (ends == NULL || self->documents == NULL))
        status = oct_fail_memory(error, write->count * sizeof *self->documents);
    for (size_t i = 0; i < write->count && status == OCT_OK; i++) {
        const uint32_t before = self->previous == NULL ? NONE_BEFORE : self->previous[i];
        oct_slice      old;

        if (before == NONE_BEFORE) {
            status = shard_document(target, self->found[i], &old, error);
        } else { /* A point named twice is changed twice, the second time from what the first made. */
            const size_t start = before == 0 ? 0 : ends[before - 1];

            old.size = ends[before] - start;
            old.data = arena_text(&self->memory, self->document_text.data + start, old.size); /* the buffer may move */
            if (old.data == NULL)
                status = oct_fail_memory(error, old.size);
        }
        if (status == OCT_OK)
            status = document_edit_apply(edit, old, &self->document_text, error);
        if (self->document_text.failed)
            status = oct_fail_memory(error, self->document_text.capacity);
        ends[i] = self->document_text.size;
    }
    for (size_t i = 0, start = 0; i < write->count && status == OCT_OK; start = ends[i++])
        self->documents[i] = (oct_slice){self->document_text.data + start, ends[i] - start};
    return status;
}

/* Is a column of a vector name that has gone? A write that is new is refused then; one that was logged before its name
 * went is replayed without. */
static oct_status
plan_passes_over(const plan *self, const shard *target, const batch_column *column, bool *passes,
                 oct_error *error)
{
    *passes = vector_set_find(shard_set(target), column->number) == NULL;
    if (!*passes)
        return OCT_OK;
    if (column->number >= target->numbers_end)
        return oct_fail(error, OCT_CORRUPT, "a write names vector number %u, which the shard never had",
                        column->number);
    if (self->replayed)
        return OCT_OK;
    return oct_fail(error, OCT_INVALID, "a vector name was removed while vectors of it were written; try again");
}

/* Memory for everything the write will add. */
static oct_status
reserve(const plan *self, shard *target, oct_error *error)
{
    const batch     *write = self->write;
    const oct_slice *documents = write->op == BATCH_CHANGE_PAYLOAD ? self->documents : write->payloads;
    uint32_t         new_points = 0, point_count;
    oct_status       status = OCT_OK;

    for (size_t i = 0; i < write->count; i++)
        new_points += write->op == BATCH_UPSERT && self->found[i] == POINT_NONE;
    if (write->op == BATCH_UPSERT)
        status = points_reserve(&target->points, new_points, error);
    point_count = points_count_with(&target->points, new_points);
    if (status == OCT_OK)
        status = rows_reserve(&shard_payload(target)->numbers, point_count, error);
    if (status == OCT_OK && documents != NULL)
        status = heap_reserve(&shard_payload(target)->heap, documents, write->count, error);
    for (size_t i = 0; i < write->column_count && status == OCT_OK; i++) {
        const batch_column *column = &write->columns[i];
        shard_vector       *vector = vector_set_find(shard_set(target), column->number);
        const graph        *vectors;
        bool                passes;

        status = plan_passes_over(self, target, column, &passes, error);
        if (status != OCT_OK || passes || write->op == BATCH_DELETE_VECTORS)
            continue;
        if (batch_is_sparse(column) != vector_is_sparse(vector))
            return oct_fail(error, OCT_CORRUPT, "a write has vectors of another kind for number %u, which %s sparse",
                            column->number, vector_is_sparse(vector) ? "is" : "is not");
        if (vector_is_sparse(vector)) {
            status = vector_sparse_reserve(vector, column, point_count, self->replayed, error);
            continue;
        }
        vectors = vector_graph(vector);
        if ((column->counts != NULL) != graph_get_params(vectors)->multi)
            return oct_fail(error, OCT_CORRUPT, "a write has vectors of another kind for number %u than its name",
                            column->number);
        if (column->dim != graph_get_params(vectors)->dim)
            return oct_fail(error, OCT_CORRUPT,
                            "a write has vectors of %u components for number %u, which has %u", column->dim,
                            column->number, graph_get_params(vectors)->dim);
        if (column->datatype != OCT_FLOAT32 && column->datatype != graph_get_params(vectors)->datatype)
            return oct_fail(error, OCT_CORRUPT, "a write has packed vectors of another type for number %u than its name",
                            column->number);
        status = graph_reserve(vector_graph(vector), batch_value_count(column) / column->dim, point_count, error);
    }
    return status;
}

/* Vectors of narrow types as they are logged: what is applied now and after a restart is the same bytes. */
static oct_status
pack_columns(plan *self, const shard *target, oct_error *error)
{
    batch        *write = self->write;
    batch_column *columns = NULL;

    for (size_t c = 0; c < write->column_count && write->op != BATCH_DELETE_VECTORS; c++) {
        const batch_column *column = &write->columns[c];
        const shard_vector *vector = vector_set_find(shard_set(target), column->number);
        const graph        *vectors = vector == NULL ? NULL : vector_graph(vector);
        size_t              row_count;
        char               *packed;

        if (vectors == NULL || column->datatype != OCT_FLOAT32 || graph_get_params(vectors)->datatype == OCT_FLOAT32)
            continue;
        if (columns == NULL) {
            columns = arena_array(&self->memory, write->column_count, sizeof *columns);
            if (columns == NULL)
                return oct_fail_memory(error, write->column_count * sizeof *columns);
            memcpy(columns, write->columns, write->column_count * sizeof *columns);
        }
        row_count = batch_value_count(column) / column->dim;
        packed = arena_array(&self->memory, row_count + 1, graph_packed_bytes(vectors));
        if (packed == NULL)
            return oct_fail_memory(error, row_count * graph_packed_bytes(vectors));
        for (size_t row = 0; row < row_count; row++)
            graph_pack(vectors, column->values + row * column->dim, self->prepared,
                       packed + row * graph_packed_bytes(vectors));
        columns[c].datatype = graph_get_params(vectors)->datatype;
        columns[c].packed = packed;
        columns[c].values = NULL;
    }
    if (columns != NULL) {
        self->given = write->columns;
        write->columns = columns;
    }
    return OCT_OK;
}

/* All that can fail, before the log. */
static oct_status
make_plan(plan *self, shard *target, oct_error *error)
{
    batch     *write = self->write;
    size_t     dim = 1;
    oct_status status = OCT_OK;

    self->found = arena_array(&self->memory, write->count + 1, sizeof *self->found);
    for (size_t i = 0; i < write->column_count; i++)
        dim = size_max(dim, write->columns[i].dim);
    self->prepared = arena_array(&self->memory, 2 * dim + 2, sizeof *self->prepared);
    if (self->found == NULL || self->prepared == NULL)
        return oct_fail_memory(error, write->count * sizeof *self->found);
    if (write->op == BATCH_UPSERT)
        points_reclaim(&target->points);
    for (size_t i = 0; i < write->count; i++) {
        self->found[i] = points_find(&target->points, &write->ids[i]);
        if ((write->op == BATCH_UPDATE_VECTORS || write->op == BATCH_CHANGE_PAYLOAD) &&
            (self->found[i] == POINT_NONE || !points_is_live(&target->points, self->found[i])))
            return shard_fail_unknown(&write->ids[i], error);
    }
    if (write->op == BATCH_UPSERT || write->op == BATCH_CHANGE_PAYLOAD)
        status = find_superseded(self, error);
    if (status == OCT_OK && write->op == BATCH_CHANGE_PAYLOAD)
        status = plan_documents(self, target, error);
    if (status == OCT_OK)
        status = reserve(self, target, error);
    if (status == OCT_OK && !self->replayed)
        status = pack_columns(self, target, error);
    return status;
}

/* --- applying: nothing here can fail ---------------------------------------------------------------------- */

static void
set_payload(shard *self, uint32_t point, oct_slice document)
{
    payload_store    *store = shard_payload(self);
    _Atomic uint32_t *at = payload_number(store, point);
    const uint32_t    old = atomic_load_explicit(at, memory_order_relaxed);

    atomic_store_explicit(at, heap_stores(document) ? heap_add(&store->heap, document) : HEAP_NONE,
                          memory_order_release);
    heap_release(&store->heap, old);
}

/* A new number has no document yet; under one that is given again there is none any more. */
static uint32_t
add_point(shard *self, const oct_id *id)
{
    const uint32_t known = atomic_load_explicit(&self->points.count, memory_order_relaxed);
    const uint32_t point = points_add(&self->points, id);

    if (point >= known)
        atomic_store_explicit(payload_number(shard_payload(self), point), HEAP_NONE, memory_order_relaxed);
    return point;
}

/* The point's vector is the one at the cursor. */
static void
set_vector(shard_vector *vector, uint32_t point, const batch_column *column, const batch_cursor *at, float *scratch)
{
    graph   *vectors;
    uint32_t row_count;

    if (vector_is_sparse(vector)) {
        vector_sparse_append(vector, point, column, at);
        return;
    }
    vectors = vector_graph(vector);
    row_count = (uint32_t)(batch_cursor_count(at, column) / graph_get_params(vectors)->dim);
    if (column->datatype == OCT_FLOAT32)
        vector->logical_rows += graph_append(vectors, point, column->values + at->at, row_count, scratch);
    else
        vector->logical_rows += graph_append_packed(vectors, point, column->packed + at->at * batch_value_bytes(column),
                                                    row_count, scratch);
}

static void
touch(shard *self, uint32_t point)
{
    points_touch(&self->points, point, self->operation);
}

static void
apply_vectors(shard *self, const plan *work)
{
    const batch      *write = work->write;
    const vector_set *set = shard_set(self);
    batch_cursor      next[OCT_VECTORS_MAX] = {0};

    for (size_t i = 0; i < write->count; i++) {
        const oct_slice none = {NULL, 0};
        uint32_t        point = work->found[i];

        if (work->superseded != NULL && work->superseded[i] && write->op == BATCH_UPSERT) {
            for (size_t c = 0; c < write->column_count; c++) {
                if (batch_has(&write->columns[c], i))
                    batch_cursor_pass(&next[c], &write->columns[c]);
            }
            continue;
        }
        if (write->op == BATCH_UPSERT) {
            if (point == POINT_NONE)
                point = add_point(self, &write->ids[i]);
            set_payload(self, point, write->payloads == NULL ? none : write->payloads[i]);
        }
        for (size_t v = 0; v < set->count; v++) {
            shard_vector *vector = set->items[v];
            bool          given = false;

            for (size_t c = 0; c < write->column_count; c++) {
                if (write->columns[c].number != vector->number || !batch_has(&write->columns[c], i))
                    continue;
                set_vector(vector, point, &write->columns[c], &next[c], work->prepared);
                batch_cursor_pass(&next[c], &write->columns[c]);
                given = true;
            }
            if (!given && write->op == BATCH_UPSERT)
                vector_remove(vector, point);
        }
        touch(self, point);
        points_set_live(&self->points, point, !batch_is_gone(write, i));
    }
}

static void
apply_delete(shard *self, const plan *work)
{
    const vector_set *set = shard_set(self);
    const oct_slice   none = {NULL, 0};

    for (size_t i = 0; i < work->write->count; i++) {
        const uint32_t point = work->found[i];

        if (point == POINT_NONE || !points_is_live(&self->points, point))
            continue;
        points_set_live(&self->points, point, false);
        for (size_t v = 0; v < set->count; v++)
            vector_remove(set->items[v], point);
        set_payload(self, point, none);
        touch(self, point);
    }
}

static void
apply_delete_vectors(shard *self, const plan *work)
{
    const batch *write = work->write;

    for (size_t i = 0; i < write->count; i++) {
        const uint32_t point = work->found[i];

        if (point == POINT_NONE || !points_is_live(&self->points, point))
            continue;
        for (size_t c = 0; c < write->column_count; c++) {
            shard_vector *vector = vector_set_find(shard_set(self), write->columns[c].number);

            if (vector != NULL)
                vector_remove(vector, point);
        }
        touch(self, point);
    }
}

static void
apply(shard *self, const plan *work)
{
    const batch      *write = work->write;
    const vector_set *set = shard_set(self);

    self->operation = write->operation;
    switch (write->op) {
    case BATCH_UPSERT:
    case BATCH_UPDATE_VECTORS:
        apply_vectors(self, work);
        break;
    case BATCH_DELETE:
        apply_delete(self, work);
        break;
    case BATCH_DELETE_VECTORS:
        apply_delete_vectors(self, work);
        break;
    case BATCH_CHANGE_PAYLOAD:
        for (size_t i = 0; i < write->count; i++) {
            set_payload(self, work->found[i], work->documents[i]);
            touch(self, work->found[i]);
        }
        break;
    case BATCH_COMPACT:
    case BATCH_RESTORE:
        break;
    }
    for (size_t v = 0; v < set->count; v++)
        vector_publish(set->items[v]);
    shard_set_version(self, write->operation);
    shard_payload_weigh(self, false);
}

/* The write lock, for a write before which a compaction that began by itself may come. One that is still at work must end
 * before the next begins, so that the same writes make the same log. A replay finds in the log where they began. */
static void
lock_for_write(shard *self, batch_op op, bool replayed)
{
    (void)pthread_mutex_lock(&self->write_lock);
    while ((op == BATCH_COMPACT || (!replayed && shard_wants_compaction(self))) &&
           atomic_load(&self->compacting) != NULL) {
        (void)pthread_mutex_unlock(&self->write_lock);
        shard_wait_compacted(self);
        (void)pthread_mutex_lock(&self->write_lock);
    }
}

/* Log, apply and begin a compaction. `write` is a BATCH_COMPACT. */
static oct_status
compact(shard *self, plan *work, bool forced, uint64_t *sequence, oct_error *error)
{
    batch      *write = work->write;
    compaction *planned = NULL;
    oct_slice  *parts;
    size_t      part_count;
    oct_status  status = shard_plan_compaction(self, write, forced, &work->memory, &planned, error);

    if (status == OCT_OK)
        status = batch_encode(write, &work->memory, &parts, &part_count, error);
    if (status == OCT_OK)
        status = log_append_freeing(self->log, self->id, parts, part_count, sequence, error);
    write->graphs = NULL; /* they lie in memory that goes before the write does */
    write->graph_count = 0;
    if (status != OCT_OK) {
        shard_compaction_free(planned);
        return status;
    }
    apply(self, work);
    if (forced)
        shard_payload_weigh(self, true);
    self->sequence = *sequence;
    return shard_begin_compaction(self, planned, error);
}

/* What a compaction takes while the old rows are there, too. */
static uint64_t
live_bytes(const shard *self)
{
    const vector_set *set = shard_set(self);
    uint64_t          bytes = 0;

    for (size_t v = 0; v < set->count; v++) {
        const uint64_t row_count = vector_row_count(set->items[v]);

        if (row_count > 0)
            bytes += vector_ram_bytes(set->items[v]) / row_count * vector_live_rows(set->items[v]);
    }
    return bytes;
}

/* When much is dead, or forced. Whatever prevents it (no memory, a full disk) prevents nothing else: the next write tries again. */
static void
compact_if_wanted(shard *self, bool forced)
{
    batch    write = {.op = BATCH_COMPACT, .operation = self->operation};
    plan     work = {.write = &write};
    uint64_t sequence;

    if ((forced || shard_wants_compaction(self)) && atomic_load(&self->compacting) == NULL && !atomic_load(&self->stopping) &&
        (self->admits == NULL || self->admits(self->context, live_bytes(self))))
        (void)compact(self, &work, forced, &sequence, NULL);
    plan_clear(&work);
}

void
shard_compact_if_wanted(shard *self)
{
    if (!atomic_load(&self->serving))
        return;
    (void)pthread_mutex_lock(&self->write_lock);
    compact_if_wanted(self, self->rebuild_owed && shard_settings_differ(self));
    self->rebuild_owed = self->rebuild_owed && atomic_load(&self->compacting) == NULL && shard_settings_differ(self);
    (void)pthread_mutex_unlock(&self->write_lock);
}

void
shard_serve(shard *self)
{
    if (self->damage != NULL)
        return;
    atomic_store(&self->serving, true);
    /* Settings changed, and the process ended before the compaction that they need was in the log. */
    (void)pthread_mutex_lock(&self->write_lock);
    self->rebuild_owed = shard_settings_differ(self) && atomic_load(&self->compacting) != NULL; /* then its end asks for it */
    compact_if_wanted(self, shard_settings_differ(self));
    (void)pthread_mutex_unlock(&self->write_lock);
    shard_kick(self);
}

oct_status
shard_write(shard *self, batch *write, uint64_t *sequence, oct_error *error)
{
    return shard_write_resolved(self, write, NULL, NULL, sequence, error);
}

static oct_status
write_once(shard *self, batch *write, shard_resolve resolve, void *context, uint64_t *sequence, oct_error *error)
{
    plan       work = {.write = write};
    oct_slice *parts;
    size_t     part_count;
    oct_status status;

    *sequence = 0;
    lock_for_write(self, write->op, false);
    if (write->op != BATCH_COMPACT)
        compact_if_wanted(self, false);
    write->operation = self->operation + 1;
    if (write->op == BATCH_COMPACT) {
        status = compact(self, &work, true, sequence, error);
    } else {
        status = resolve == NULL ? OCT_OK : resolve(context, write, &work.memory, error);
        if (status == OCT_OK)
            status = make_plan(&work, self, error);
        if (status == OCT_OK)
            status = batch_encode(write, &work.memory, &parts, &part_count, error);
        if (status == OCT_OK)
            status = batch_frees(write) ? log_append_freeing(self->log, self->id, parts, part_count, sequence, error)
                                        : log_append(self->log, self->id, parts, part_count, sequence, error);
        if (status == OCT_OK) {
            apply(self, &work);
            self->sequence = *sequence;
            atomic_store(&self->serving, true);
            compact_if_wanted(self, false); /* there may be no next write: what was deleted is given back without one */
        }
    }
    (void)pthread_mutex_unlock(&self->write_lock);
    plan_clear(&work);
    shard_kick(self);
    return status;
}

oct_status
shard_write_resolved(shard *self, batch *write, shard_resolve resolve, void *context, uint64_t *sequence,
                     oct_error *error)
{
    const batch    given = *write;
    const uint64_t returns = log_returns(self->log);
    oct_status     status;

    shard_wait_tail(self); /* a replay does not wait: the tail answers until the graph has caught up */
    status = write_once(self, write, resolve, context, sequence, error);
    if (status == OCT_FULL && log_wait_return(self->log, returns)) {
        *write = given; /* what was resolved lay in memory that is gone */
        status = write_once(self, write, resolve, context, sequence, error);
    }
    return status;
}

oct_status
shard_replay(shard *self, uint64_t sequence, oct_slice body, oct_error *error)
{
    const uint32_t op = batch_op_of(body);
    batch          write;
    plan           work = {.write = &write, .replayed = true};
    oct_status     status;

    if (self->damage != NULL) {
        self->damaged_tail = self->damaged_tail || sequence > self->sequence;
        return OCT_OK;
    }
    if (sequence <= shard_saved_sequence(self))
        return OCT_OK;
    lock_for_write(self, (batch_op)op, true);
    if (op == BATCH_RESTORE) {
        status = shard_restore_apply(self, body, error);
    } else {
        compaction *planned = NULL;

        status = batch_decode(body, &work.memory, &write, error);
        if (status == OCT_OK && op == BATCH_COMPACT)
            status = shard_plan_compaction(self, &write, true, &work.memory, &planned, error);
        else if (status == OCT_OK)
            status = make_plan(&work, self, error);
        if (status == OCT_OK) {
            apply(self, &work);
            if (self->renumbered_at == 0 && atomic_load(&self->points.moves) > 0)
                self->renumbered_at = write.operation;
            status = shard_begin_compaction(self, planned, error);
        }
    }
    if (status == OCT_OK)
        self->sequence = sequence;
    (void)pthread_mutex_unlock(&self->write_lock);
    plan_clear(&work);
    return status; /* no job is started before all is replayed: who opens waits for nothing else */
}

/* --- reading ------------------------------------------------------------------------------------------------ */

static int
compare_points(const void *context, uint32_t point_a, uint32_t point_b)
{
    const point_set *all = context;

    return id_compare(points_id(all, point_a), points_id(all, point_b));
}

/* A failed verification counts if the rows are still read from what was verified: a compaction has verified all of it, and its
 * file may be gone; so may a deleted collection's, whose memory holds. */
static oct_status
settle_check(const shard *self, const shard_vector *vector, const column_check *check, oct_status status)
{
    if (status != OCT_OK && atomic_load(&vector->check) != check)
        return OCT_OK;
    return status == OCT_NOT_FOUND && atomic_load(&self->dropped) ? OCT_OK : status;
}

oct_status
shard_verify_vectors(shard *self, uint32_t number, oct_error *error)
{
    shard_vector *vector = vector_set_find(shard_set(self), number);
    column_check *check = vector == NULL ? NULL : atomic_load(&vector->check);
    oct_status    status;

    if (check == NULL || atomic_load(&vector->verified))
        return OCT_OK;
    status = settle_check(self, vector, check, column_verify(check, 0, UINT64_MAX, error));
    if (status == OCT_OK)
        atomic_store(&vector->verified, true);
    return status;
}

oct_status
shard_verify_vector(shard *self, uint32_t number, uint32_t point, oct_error *error)
{
    const shard_vector *vector = shard_find_vector(self, number);
    column_check       *check = vector == NULL ? NULL : atomic_load(&vector->check);
    const graph        *vectors;
    uint32_t            row;
    oct_status          status;

    if (check == NULL || atomic_load(&vector->verified))
        return OCT_OK;
    vectors = vector_graph(vector); /* once: a compaction may put another in its place, with other rows */
    row = graph_row_of(vectors, point);
    status = row == GRAPH_NONE ? OCT_OK : column_verify(check, row, graph_span_at(vectors, row), error);
    return settle_check(self, vector, check, status);
}

static oct_status
read_sparse(const sparse_index *index, uint32_t point, arena *memory, oct_vector *out, oct_error *error)
{
    sparse_vector stored;
    oct_status    status = sparse_get(index, point, &stored, error);
    uint32_t     *indices;
    float        *values;

    if (status != OCT_OK || stored.indices == NULL)
        return status;
    indices = arena_array(memory, (size_t)stored.count + 1, sizeof *indices);
    values = arena_array(memory, (size_t)stored.count + 1, sizeof *values);
    if (indices == NULL || values == NULL)
        return oct_fail_memory(error, stored.count * sizeof *values);
    memcpy(indices, stored.indices, stored.count * sizeof *indices);
    memcpy(values, stored.values, stored.count * sizeof *values);
    *out = (oct_vector){
        .name = out->name, .kind = OCT_SPARSE, .values = values, .value_count = stored.count, .indices = indices};
    return OCT_OK;
}

oct_status
shard_read_vector(shard *self, uint32_t number, uint32_t point, arena *memory, oct_vector *out, oct_error *error)
{
    const graph        *vectors = shard_graph(self, number);
    const sparse_index *sparse = shard_sparse(self, number);
    const uint32_t      row = vectors == NULL ? GRAPH_NONE : graph_row_of(vectors, point);
    size_t              dim, count;
    float              *copy;
    oct_status          status;

    out->values = NULL;
    out->value_count = 0;
    if (sparse != NULL)
        return read_sparse(sparse, point, memory, out, error);
    if (row == GRAPH_NONE)
        return OCT_OK;
    status = shard_verify_vector(self, number, point, error);
    if (status != OCT_OK)
        return status;
    dim = graph_get_params(vectors)->dim;
    count = graph_span_at(vectors, row);
    copy = arena_array(memory, count, dim * sizeof *copy);
    if (copy == NULL)
        return oct_fail_memory(error, count * dim * sizeof *copy);
    for (size_t i = 0; i < count; i++)
        graph_read(vectors, row + (uint32_t)i, copy + i * dim);
    out->kind = graph_get_params(vectors)->multi ? OCT_MULTI : OCT_DENSE;
    out->values = copy;
    out->value_count = count * dim;
    out->row_count = graph_get_params(vectors)->multi ? count : 0;
    return OCT_OK;
}

oct_status
shard_search(shard *self, uint32_t number, graph_query *query, graph_hit *hits, size_t *count,
             graph_stats *stats, oct_error *error)
{
    const shard_vector *vector = shard_find_vector(self, number);
    oct_status          status = OCT_OK;

    *count = 0;
    if (vector == NULL)
        return oct_fail(error, OCT_INVALID, "the vector was removed while it was searched");
    query->tie = compare_points;
    query->tie_context = &self->points;
    query->full_scan_rows = atomic_load(&vector->full_scan_rows);
    /* A damaged vector may hide from an exact search; and where all are soon read, from no search. Otherwise the hits are
     * verified, and a walk that passed over a damaged one has found a little less. */
    if (query->exact || (uint64_t)graph_row_count(vector_graph(vector)) * graph_row_bytes(vector_graph(vector)) <=
                            VERIFY_BYTES_MAX)
        status = shard_verify_vectors(self, number, error);
    if (status == OCT_OK)
        status = graph_search(vector_graph(vector), query, hits, count, stats, error);
    for (size_t i = 0; i < *count; i++)
        __builtin_prefetch(points_id(&self->points, hits[i].point)); /* for who makes an answer of them */
    for (size_t i = 0; i < *count && status == OCT_OK && atomic_load(&vector->check) != NULL; i++)
        status = shard_verify_vector(self, number, hits[i].point, error);
    return status;
}

oct_status
shard_gather(shard *self, uint32_t number, graph_gathering *query, arena *memory, uint32_t **points, size_t *count,
             oct_error *error)
{
    const shard_vector *vector = shard_find_vector(self, number);

    *points = NULL;
    *count = 0;
    if (vector == NULL || vector_is_sparse(vector))
        return oct_fail(error, OCT_INVALID, "the vector was removed while it was searched");
    query->full_scan_rows = atomic_load(&vector->full_scan_rows);
    return graph_gather(vector_graph(vector), query, memory, points, count, error);
}

oct_status
shard_search_sparse(shard *self, uint32_t number, sparse_query *query, top_hit *hits, size_t *count, oct_error *error)
{
    const sparse_index *index = shard_sparse(self, number);
    oct_status          status;

    *count = 0;
    if (index == NULL)
        return oct_fail(error, OCT_INVALID, "the vector was removed while it was searched");
    query->tie = compare_points;
    query->tie_context = &self->points;
    status = sparse_search(index, query, hits, count, error);
    if (sparse_is_behind(index)) /* it may have found damage: somebody has to make those lists again */
        shard_kick(self);
    return status;
}

void
shard_describe(shard *self, shard_info *info)
{
    const vector_set *set;

    /* No lock: a checkpoint holds them for as long as the disk takes, and reads wait for nobody. */
    epoch_pin();
    *info = (shard_info){
        .points = atomic_load(&self->points.live_count),
        .operation = shard_version(self),
        .ram_bytes = sizeof *self + shard_content_bytes(self),
        .disk_bytes = atomic_load(&self->disk_bytes),
        .payload_bytes = (uint64_t)atomic_load(&shard_payload(self)->heap.unit_count) * HEAP_UNIT_BYTES,
    };
    set = shard_set(self);
    for (size_t v = 0; v < set->count; v++) {
        const shard_vector *vector = set->items[v];
        const graph        *vectors = vector_graph(vector); /* once, as a compaction may swap it */
        const sparse_index *sparse = vector_sparse(vector);
        const uint32_t      live = sparse != NULL ? sparse_live_count(sparse) : graph_live_rows(vectors);
        const uint32_t      in_graph = sparse != NULL ? 0 : graph_graph_count(vectors);
        /* Last: never less than what is indexed. */
        const uint32_t row_count = sparse != NULL ? sparse_row_count(sparse) : graph_row_count(vectors);
        const uint32_t indexed = sparse != NULL ? row_count : in_graph; /* lists have no tail */

        info->vector_bytes +=
            sparse != NULL ? sparse_stored_bytes(sparse) : (uint64_t)row_count * graph_row_bytes(vectors);
        info->indexed_vectors += indexed;
        info->tail_vectors += row_count - indexed;
        info->dead_vectors += row_count > live ? row_count - live : 0;
    }
    epoch_unpin();
}
