/* See fields.h. */
#include "collection/fields.h"

#include "base/epoch.h"
#include "collection/records.h"

#define BEHIND_MAX     512u    /* touches of points before the job is worth starting; a query reads as many documents */
#define CATCH_UP_MAX   8192u   /* points a filter brings up to date by itself: some milliseconds */
#define MERGE_MAX      16384u  /* values that a query merges: some 0.1 ms */
#define PIECE_POINTS   65536u  /* read at a time by who builds, unpinned between */
#define BOUNDS_TRIES   4u      /* points may be added faster than they are looked at; then the documents are asked */

/* --- documents ------------------------------------------------------------------------------------ */

static oct_status
live_document(const void *context, uint32_t point, oct_slice *out, oct_error *error)
{
    const oct_collection *self = context;

    if (points_is_live(shard_points(self->shard), point))
        return record_document(self, point, out, error);
    *out = (oct_slice){NULL, 0};
    return OCT_OK;
}

/* What has to be said before anything is looked at. */
static field_change
begin_change(const oct_collection *self, uint64_t merge_max)
{
    const point_set *all = shard_points(self->shard);
    field_change     change = {.document = live_document, .context = self, .merge_max = merge_max};

    change.mark = atomic_load_explicit(&all->touched, memory_order_relaxed);
    change.version = shard_version(self->shard);
    change.point_count = atomic_load_explicit(&all->count, memory_order_acquire);
    return change;
}

/* --- one index, up to date ------------------------------------------------------------------------- */

void
field_use_clear(field_use *self)
{
    if (self->is_private)
        field_view_release(self->view);
    *self = (field_use){0};
}

/* From a view on, or from nothing (NULL). `behind`: the points to read. */
static oct_status
extend(field_index *index, field_view *old, field_change change, const uint32_t *behind, uint32_t count, field_use *out,
       oct_error *error)
{
    oct_status status;

    change.points = old == NULL ? NULL : behind;
    change.count = old == NULL ? change.point_count : count;
    *out = (field_use){.index = index};
    status = field_view_extend(index, old, &change, &out->view, error);
    out->is_private = status == OCT_OK;
    if (status == OCT_OK)
        (void)field_index_publish(index, old, out->view);
    return status;
}

oct_status
field_use_get(oct_collection *self, field_index *index, field_use *out, oct_error *error)
{
    const field_change change = begin_change(self, MERGE_MAX);
    field_view        *old = field_index_view(index);
    uint32_t          *behind = NULL, count = 0;
    oct_status         status = OCT_OK;

    *out = (field_use){index, old, false};
    if (old != NULL && field_view_version(old) >= change.version)
        return OCT_OK;
    if (old != NULL)
        status = points_changed(shard_points(self->shard), field_view_version(old), field_view_point_count(old),
                                change.point_count, &behind, &count, error);
    if (status == OCT_OK)
        status = extend(index, old, change, behind, count, out, error);
    oct_free(behind);
    return status;
}

/* All of it, in pieces, each pinned for itself, so that what others retire meanwhile can go. Not pinned. */
static oct_status
build(oct_collection *self, field_index *index, oct_error *error)
{
    const field_change whole = begin_change(self, UINT64_MAX);
    field_view        *made = NULL;
    oct_status         status = OCT_OK;

    for (uint32_t first = 0; status == OCT_OK && (first < whole.point_count || first == 0); first += PIECE_POINTS) {
        field_change piece = whole;
        field_view  *longer = NULL;

        if (atomic_load(&self->field_work.stopping)) {
            field_view_release(made);
            return OCT_OK;
        }
        piece.first = first;
        piece.count = (uint32_t)size_min(whole.point_count - first, PIECE_POINTS);
        epoch_pin();
        status = field_view_extend(index, made, &piece, &longer, error);
        epoch_unpin();
        field_view_release(made);
        made = longer;
        if (whole.point_count - first <= PIECE_POINTS)
            break;
    }
    if (status == OCT_OK) {
        epoch_pin();
        (void)field_index_publish(index, NULL, made);
        epoch_unpin();
    }
    field_view_release(made);
    return status;
}

oct_status
fields_bring_up_to_date(oct_collection *self, field_index *index, oct_error *error)
{
    field_change change;
    field_view  *old;
    uint32_t    *behind = NULL, count = 0;
    field_use    use = {0};
    oct_status   status = OCT_OK;

    epoch_pin();
    change = begin_change(self, UINT64_MAX);
    old = field_index_view(index);
    if (old != NULL && field_view_version(old) < change.version) {
        status = points_changed(shard_points(self->shard), field_view_version(old), field_view_point_count(old),
                                change.point_count, &behind, &count, error);
        if (status == OCT_OK)
            status = extend(index, old, change, behind, count, &use, error);
        field_use_clear(&use);
        oct_free(behind);
    }
    epoch_unpin();
    return old == NULL ? build(self, index, error) : status;
}

/* --- the job ------------------------------------------------------------------------------------------- */

void
fields_init(oct_collection *self)
{
    (void)pthread_mutex_init(&self->field_work.lock, NULL);
    (void)pthread_cond_init(&self->field_work.ended, NULL);
}

/* The first index that is far behind, with a reference; NULL: none is. Not pinned. */
static field_index *
find_behind(oct_collection *self)
{
    field_index      *found = NULL;
    const config_box *box;
    uint64_t          touched;

    epoch_pin();
    box = collection_box(self);
    touched = atomic_load_explicit(&shard_points(self->shard)->touched, memory_order_relaxed);
    for (size_t i = 0; i < box->field_count && found == NULL; i++) {
        const field_view *view = field_index_view(box->fields[i]);

        if (view == NULL || (touched - field_view_mark(view) > BEHIND_MAX &&
                             field_view_version(view) < shard_version(self->shard)))
            found = field_index_share(box->fields[i]);
    }
    epoch_unpin();
    return found;
}

static void
field_job(void *context)
{
    oct_collection *self = context;
    field_work     *work = &self->field_work;
    field_index    *index = NULL;
    bool            failed = false;

    while (!failed && !atomic_load(&work->stopping) && (index = find_behind(self)) != NULL) {
        /* It is tried again by the next write. Filters do without it; who needs it meets the error. */
        failed = fields_bring_up_to_date(self, index, NULL) != OCT_OK;
        field_index_release(index);
    }
    (void)pthread_mutex_lock(&work->lock);
    index = failed || atomic_load(&work->stopping) ? NULL : find_behind(self);
    /* A write may have come since the last look, and have seen this job. */
    work->queued = index != NULL && workers_submit(self->database->pool, field_job, self);
    (void)pthread_cond_broadcast(&work->ended);
    (void)pthread_mutex_unlock(&work->lock);
    field_index_release(index);
}

void
fields_kick(oct_collection *self)
{
    field_work  *work = &self->field_work;
    field_index *index = find_behind(self);

    if (index == NULL)
        return;
    field_index_release(index);
    (void)pthread_mutex_lock(&work->lock);
    if (!work->queued && !atomic_load(&work->stopping))
        work->queued = workers_submit(self->database->pool, field_job, self);
    (void)pthread_mutex_unlock(&work->lock);
}

void
fields_end(oct_collection *self)
{
    field_work *work = &self->field_work;

    (void)pthread_mutex_lock(&work->lock);
    atomic_store(&work->stopping, true);
    if (work->queued && workers_cancel(self->database->pool, field_job, self))
        work->queued = false;
    while (work->queued)
        (void)pthread_cond_wait(&work->ended, &work->lock);
    (void)pthread_mutex_unlock(&work->lock);
    (void)pthread_mutex_destroy(&work->lock);
    (void)pthread_cond_destroy(&work->ended);
}

/* --- making and dropping -------------------------------------------------------------------------------- */

static void
tell(oct_collection *self, bool wait, oct_write_result *result)
{
    if (result != NULL)
        *result = (oct_write_result){shard_version(self->shard), wait ? OCT_WRITE_COMPLETED : OCT_WRITE_ACKNOWLEDGED};
}

/* The index that is configured so, with a reference; NULL: there is none. */
static field_index *
find_configured(oct_collection *self, const oct_field_index *config)
{
    field_index      *found = NULL;
    const config_box *box;

    epoch_pin();
    box = collection_box(self);
    for (size_t i = 0; i < box->field_count && found == NULL; i++) {
        if (config_fields_equal(&box->config.field_indexes[i], config))
            found = field_index_share(box->fields[i]);
    }
    epoch_unpin();
    return found;
}

oct_status
fields_create(oct_collection *self, const oct_field_index *config, const oct_write_options *options,
              oct_write_result *result, oct_error *error)
{
    const bool   wait = options == NULL || options->wait;
    field_index *index = find_configured(self, config);
    bool         is_built = false;
    oct_status   status = OCT_OK;

    if (index == NULL) {
        status = config_check_field(config, error);
        if (status == OCT_OK)
            status = catalogue_change_fields(self, config, (oct_slice){NULL, 0}, error);
        if (status == OCT_OK)
            index = find_configured(self, config);
    }
    /* Who waits does the work. The index is there also if that fails, and said to be so: the job will try again. */
    if (status == OCT_OK && wait)
        is_built = index == NULL || fields_bring_up_to_date(self, index, NULL) == OCT_OK;
    field_index_release(index);
    fields_kick(self);
    if (status == OCT_OK)
        tell(self, is_built, result);
    return status;
}

oct_status
fields_delete(oct_collection *self, oct_slice field, const oct_write_options *options, oct_write_result *result,
              oct_error *error)
{
    bool       is_there;
    oct_status status = OCT_OK;

    epoch_pin();
    is_there = config_find_field(&collection_box(self)->config, field) != NULL;
    epoch_unpin();
    if (is_there)
        status = catalogue_change_fields(self, NULL, field, error);
    if (status == OCT_OK)
        tell(self, options == NULL || options->wait, result);
    return status;
}

/* --- asking ------------------------------------------------------------------------------------------------ */

static bool
same_path(const path *a, const path *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (path_step_compare(&a->steps[i], &b->steps[i]) != 0)
            return false;
    }
    return true;
}

field_index *
fields_find(const config_box *box, const path *where)
{
    for (size_t i = 0; i < box->field_count; i++) {
        if (same_path(field_index_path(box->fields[i]), where))
            return box->fields[i];
    }
    return NULL;
}

/* One index as a filter uses it: what it knows, and which points it does not. */
typedef struct known_field {
    field_use use; /* view NULL: not built yet */
    uint32_t *behind;
    uint32_t  behind_count;
} known_field;

typedef struct asking {
    oct_collection   *collection;
    const config_box *box;
    uint32_t        point_count;
    known_field    *known; /* filled when first asked */
    size_t          count;
    bool            too_new; /* a view has more points than there were */
    oct_status      status;  /* the first failure */
    oct_error      *error;
} asking;

static oct_status
get_ready(asking *self, field_index *index, known_field *out)
{
    oct_collection    *collection = self->collection;
    const field_change change = begin_change(collection, MERGE_MAX);
    field_view        *old = field_index_view(index);
    oct_status         status = OCT_OK;

    *out = (known_field){.use = {index, old, false}};
    if (old == NULL || field_view_version(old) >= change.version)
        return OCT_OK;
    status = points_changed(shard_points(collection->shard), field_view_version(old), field_view_point_count(old),
                            change.point_count, &out->behind, &out->behind_count, self->error);
    if (status == OCT_OK && out->behind_count <= CATCH_UP_MAX) {
        status = extend(index, old, change, out->behind, out->behind_count, &out->use, self->error);
        out->behind_count = 0;
    }
    return status;
}

static known_field *
find_known(asking *self, const path *where)
{
    field_index *index = fields_find(self->box, where);

    if (index == NULL)
        return NULL;
    for (size_t i = 0; i < self->count; i++) {
        if (self->known[i].use.index == index)
            return &self->known[i];
    }
    self->status = get_ready(self, index, &self->known[self->count]);
    return self->status == OCT_OK ? &self->known[self->count++] : NULL;
}

/* What nothing is known of is not sure, and possible. */
static void
open_point(uint32_t point, uint64_t *lower, uint64_t *upper)
{
    lower[point / 64] &= ~((uint64_t)1 << (point % 64));
    upper[point / 64] |= (uint64_t)1 << (point % 64);
}

static bool
ask_field(const void *context, const path *where, const field_test *test, uint64_t *lower, uint64_t *upper)
{
    asking      *self = (asking *)(uintptr_t)context;
    known_field *known = self->status == OCT_OK ? find_known(self, where) : NULL;

    if (known == NULL || known->use.view == NULL)
        return false;
    if (field_view_point_count(known->use.view) > self->point_count) {
        self->too_new = true;
        return false;
    }
    if (!field_view_test(known->use.view, test, lower, upper))
        return false;
    for (uint32_t i = 0; i < known->behind_count; i++) {
        if (known->behind[i] < self->point_count)
            open_point(known->behind[i], lower, upper);
    }
    for (uint32_t point = field_view_point_count(known->use.view); point < self->point_count; point++)
        open_point(point, lower, upper);
    return true;
}

static bool
find_point(const void *context, const oct_id *id, uint32_t *out)
{
    const asking *self = context;

    *out = points_find_live(shard_points(self->collection->shard), id);
    return *out != POINT_NONE;
}

oct_status
fields_get_bounds(oct_collection *self, const filter *wanted, arena *memory, uint32_t *point_count, filter_bounds *out,
                  oct_error *error)
{
    const point_set  *all = shard_points(self->shard);
    const config_box *box = collection_box(self);
    oct_status        status = OCT_OK;

    *out = (filter_bounds){0};
    *point_count = atomic_load_explicit(&all->count, memory_order_acquire);
    for (unsigned try = 0; box->field_count > 0 && try < BOUNDS_TRIES; try++) {
        asking       work = {.collection = self, .box = box, .error = error};
        filter_index by = {.context = &work, .field = ask_field, .point = find_point};

        work.known = arena_array(memory, box->field_count, sizeof *work.known);
        if (work.known == NULL)
            return oct_fail_memory(error, box->field_count * sizeof *work.known);
        *point_count = by.point_count = work.point_count = atomic_load_explicit(&all->count, memory_order_acquire);
        status = filter_get_bounds(wanted, &by, memory, out, error);
        for (size_t i = 0; i < work.count; i++) {
            oct_free(work.known[i].behind);
            field_use_clear(&work.known[i].use);
        }
        if (status == OCT_OK)
            status = work.status;
        if (status != OCT_OK || !work.too_new)
            break;
    }
    return status;
}

oct_status
fields_count_points(oct_collection *self, const config_box *box, uint64_t *out, oct_error *error)
{
    const point_set *all = shard_points(self->shard);
    oct_status       status = OCT_OK;

    for (size_t i = 0; i < box->field_count && status == OCT_OK; i++) {
        field_use use;
        uint64_t *bits = NULL;
        uint32_t  words = 0;

        status = field_use_get(self, box->fields[i], &use, error);
        if (status == OCT_OK) {
            words = (field_view_point_count(use.view) + 63) / 64;
            bits = oct_calloc((size_t)words + 1, sizeof *bits);
            if (bits == NULL)
                status = oct_fail_memory(error, words * sizeof *bits);
        }
        out[i] = 0;
        if (status == OCT_OK)
            field_view_indexed(use.view, bits);
        for (uint32_t word = 0; status == OCT_OK && word < words; word++) {
            const _Atomic uint64_t *live = rows_at(&all->live, word);

            out[i] += (uint64_t)__builtin_popcountll(bits[word] & atomic_load_explicit(live, memory_order_acquire));
        }
        oct_free(bits);
        field_use_clear(&use);
    }
    return status;
}

uint64_t
fields_bytes(const config_box *box, uint64_t *out)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < box->field_count; i++) {
        const field_view *view = field_index_view(box->fields[i]);
        const uint64_t    bytes = view == NULL ? 0 : field_view_bytes(view);

        if (out != NULL)
            out[i] = bytes;
        sum += bytes;
    }
    return sum;
}

void
collection_measure(oct_collection *self, oct_memory_info *out)
{
    shard_measure(self->shard, out);
    OCT_MUST(out->count < OCT_MEMORY_PARTS_MAX);
    epoch_pin();
    out->parts[out->count++] = (oct_memory_part){"fields", fields_bytes(collection_box(self), NULL), 0};
    epoch_unpin();
}
