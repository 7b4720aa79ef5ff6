/* A shard's files: what a checkpoint writes and an opening reads.
 *
 * A SAVE has three steps, so that searches never and writers hardly wait:
 *   1. appended columns (ids, vectors, ...) are written up to where they are; what is in them does not change;
 *   2. with both locks held, counts are taken down and the small changing columns (live bits, versions, ...) are
 *      copied: memory speed, a few milliseconds for a million points;
 *   3. without write_lock, the copies and the rest of the appended columns are written; with build_lock still held,
 *      the links, if the graph has grown by GRAPH_SAVE_SHARE since they were last written or the shard closes.
 * The links on disk may thus belong to an earlier, smaller graph over the same rows: what has joined since
 * comes back as tail and joins again, with the same result.
 * NOTHING ON DISK IS OVERWRITTEN that the last durable manifest names: appended columns grow behind what it counts,
 * others
 * get a file of the next generation. The image becomes true with the manifest; only then do old files go.
 */
#include <inttypes.h>
#include <stdio.h>

#include "shard/shard_internal.h"
#include "sparse/lists.h"

#define SETTLE_BYTES_MAX                                                                                     \
    (256u << 20)            /* of a walked column, copied to huge pages at opening: at most some 0.1 s */
#define GRAPH_SAVE_SHARE 4u /* write links again when the graph has grown by a quarter */
#define LIVE_BYTES_MAX   (256u << 20) /* of a shard in a record: it is in memory twice while it is written */
#define LIVE_GAIN_SHARE  8u           /* not for less than an eighth */

static uint64_t
image_bytes(const shard_image *image)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < image->column_count; i++)
        bytes += column_bytes(&image->columns[i]);
    return bytes;
}

/* Of an image with files: the place of a vector number, or vector_count. One in the log that came from a manifest names no
 * vectors. */
static size_t
image_place(const shard_image *image, uint32_t number)
{
    size_t i = 0;

    while (i < image->vector_count && image->numbers[i] != number)
        i++;
    return i;
}

/* The durable image's graph of a vector, or NULL. Under build_lock, or by the one who saves. */
static const graph_state *
saved_graph(const shard *self, const shard_vector *vector)
{
    const shard_image *saved = self->saved;
    const size_t       place = saved == NULL || saved->in_log ? 0 : image_place(saved, vector->number);

    return saved == NULL || saved->in_log || place == saved->vector_count ? NULL : &saved->graphs[place];
}

/* Does the durable image have files of a name that has gone since? */
static bool
saved_has_gone(const shard *self)
{
    const shard_image *saved = self->saved;
    bool               any = false;

    for (size_t i = 0; saved != NULL && !saved->in_log && i < saved->vector_count; i++)
        any = any || vector_set_find(shard_set(self), saved->numbers[i]) == NULL;
    return any;
}

bool
shard_is_dirty(shard *self, bool closing)
{
    const vector_set *set;
    bool              dirty;
    uint64_t          covered = 0;

    if (self->damage != NULL)
        return false;
    shard_lock_build(self);
    (void)pthread_mutex_lock(&self->write_lock);
    set = shard_set(self);
    if (self->saved != NULL) /* an image in the log is a record itself, the next one */
        covered = self->saved->sequence + (self->saved->in_log ? 1 : 0);
    dirty = atomic_load(&self->mended_unsaved) || self->sequence > covered || saved_has_gone(self) ||
            (self->saved != NULL && !self->saved->in_log && self->payload_swaps != self->payload_saved);
    dirty = dirty || (self->saved != NULL && !self->saved->in_log && shard_lists_are_wanted(self, closing));
    for (size_t v = 0; v < set->count; v++) {
        const graph_state *on_disk = saved_graph(self, set->items[v]);

        dirty = dirty || set->items[v]->rebuilt ||
                (closing && on_disk != NULL && !vector_is_sparse(set->items[v]) &&
                 graph_graph_count(vector_graph(set->items[v])) > on_disk->graph_count);
    }
    (void)pthread_mutex_unlock(&self->write_lock);
    shard_unlock_build(self);
    return dirty;
}

uint64_t
shard_saved_sequence(shard *self)
{
    uint64_t sequence;

    shard_lock_build(self);
    sequence = self->saved == NULL ? 0 : self->saved->sequence;
    shard_unlock_build(self);
    return sequence;
}

/* --- columns of an image -------------------------------------------------------------------------- */

static column_state *
find_column(const shard_image *image, const char *name)
{
    for (size_t i = 0; image != NULL && i < image->column_count; i++) {
        if (strcmp(image->columns[i].name, name) == 0)
            return &image->columns[i];
    }
    return NULL;
}

const column_state *
shard_image_column(const shard_image *image, const char *name)
{
    return find_column(image, name);
}

bool
shard_image_has_column(const shard_image *image, const char *name)
{
    return find_column(image, name) != NULL;
}

/* The image's state of a column, a new one if there was none. */
static column_state *
image_column(shard_image *image, const char *name)
{
    column_state *found = find_column(image, name);

    if (found == NULL) {
        found = &image->columns[image->column_count++];
        *found = (column_state){0}; /* the place may have been that of a column that was dropped */
        (void)snprintf(found->name, sizeof found->name, "%s", name);
    }
    return found;
}

static void
drop_column(shard_image *image, const char *name)
{
    column_state *found = find_column(image, name);

    if (found != NULL)
        *found = image->columns[--image->column_count];
}

oct_status
shard_save_column(shard *self, shard_image *image, const char *name, const rows *data, uint64_t count, bool rewrite,
            oct_error *error)
{
    column_state *state = image_column(image, name);

    if (!rewrite && state->generation != 0 && state->row_count == count)
        return OCT_OK;
    return column_write(self->system, self->folder, state, data, count, rewrite || state->generation == 0,
                        error);
}

/* --- step 2 ------------------------------------------------------------------------------------------ */

/* A changing column, copied while the writer stands still. */
typedef struct copied {
    char     name[COLUMN_NAME_MAX];
    rows     data;
    uint64_t count;
} copied;

typedef struct copies {
    copied *items;
    size_t  count;
} copies;

static void
copies_clear(copies *self)
{
    for (size_t i = 0; i < self->count; i++)
        rows_clear(&self->items[i].data);
    oct_free(self->items);
    *self = (copies){0};
}

static oct_status
copy_column(copies *self, const char *name, const rows *from, uint64_t count, oct_error *error)
{
    copied    *to = &self->items[self->count++];
    oct_status status;

    (void)snprintf(to->name, sizeof to->name, "%s", name);
    to->count = count;
    rows_init(&to->data, from->stride, 1);
    to->data.shift = from->shift;
    status = rows_reserve(&to->data, count, error);
    for (uint64_t row = 0; row < count && status == OCT_OK;) {
        const uint64_t end = rows_segment_end(from, rows_segment_of(from, (uint32_t)row));
        const uint64_t some = (end < count ? end : count) - row;

        memcpy(rows_at(&to->data, (uint32_t)row), rows_at(from, (uint32_t)row), some * from->stride);
        row += some;
    }
    return status;
}

/* How many rows of each term are alive, of each run of lists. */
static oct_status
copy_counts(copies *out, const shard_vector *vector, oct_error *error)
{
    const lists_parts *parts = atomic_load(&sparse_lists_of(vector_sparse(vector))->parts);
    char               name[COLUMN_NAME_MAX];
    oct_status         status = OCT_OK;

    for (size_t r = 0; r < parts->run_count && status == OCT_OK; r++) {
        sparse_run_column(name, "counts", vector->number, parts->runs[r]->state.id);
        status = copy_column(out, name, &parts->runs[r]->counts, parts->runs[r]->state.term_count, error);
    }
    return status;
}

/* Counts of every name's vectors now. With write_lock held. */
static void
take_states(shard_image *image)
{
    for (size_t v = 0; v < image->set->count; v++) {
        const shard_vector *vector = image->set->items[v];

        image->numbers[v] = vector->number;
        image->is_sparse[v] = vector_is_sparse(vector);
        if (image->is_sparse[v])
            sparse_get_state(vector_sparse(vector), &image->sparses[v]);
        else
            graph_get_state(vector_graph(vector), &image->graphs[v]);
    }
}

/* The table of ids. Another name keeps older versions from what they would misunderstand. */
static const char *
map_name(const point_set *all)
{
    return points_map_has_gaps(all) ? "places" : "map";
}

static oct_status
freeze(shard *self, shard_image *image, copies *out, oct_error *error)
{
    const vector_set    *set = image->set;
    const point_set     *all = &self->points;
    const payload_store *store = shard_payload(self);
    char                 name[COLUMN_NAME_MAX];
    oct_status           status;

    if (set != shard_set(self)) /* a name has come or gone: the log keeps it all until the next time */
        return OCT_BUSY;
    /* Of a name at most seats and live bits, and of each run of lists its counts. */
    out->items = oct_calloc(5 + 2 * set->count + image->run_count, sizeof *out->items);
    if (out->items == NULL)
        return oct_fail_memory(error, 5 * sizeof *out->items);
    image->rebuild_count = self->rebuild_count;
    image->sequence = self->sequence;
    image->operation = self->operation;
    image->point_count = atomic_load(&all->count);
    image->live_count = atomic_load(&all->live_count);
    image->unit_count = atomic_load(&store->heap.unit_count);
    image->live_bytes = store->heap.live_bytes;
    image->payload_swaps = self->payload_swaps;
    image->reuses = all->reuses;
    image->moves = atomic_load(&all->moves);
    image->map_capacity = points_map_capacity(all);
    image->ascending = atomic_load(&all->ascending);
    status = copy_column(out, "versions", &all->versions, image->point_count, error);
    if (status == OCT_OK)
        status = copy_column(out, "payloads", &store->numbers, image->point_count, error);
    if (status == OCT_OK)
        status = copy_column(out, "live", &all->live, ((uint64_t)image->point_count + 63) / 64, error);
    if (status == OCT_OK)
        status = copy_column(out, map_name(all), points_map_rows(all), image->map_capacity, error);
    if (status == OCT_OK)
        drop_column(image, points_map_has_gaps(all) ? "map" : "places");
    if (status == OCT_OK && !all->held)
        status = copy_column(out, "ids", &all->ids, image->point_count, error);
    take_states(image);
    for (size_t v = 0; v < set->count && status == OCT_OK; v++) {
        graph_column columns[GRAPH_COLUMNS_MAX];
        size_t       count;

        if (image->is_sparse[v]) {
            sparse_column sparse[SPARSE_COLUMNS];

            sparse_columns(vector_sparse(set->items[v]), &image->sparses[v], sparse);
            for (size_t c = 0; c < SPARSE_COLUMNS && status == OCT_OK; c++) {
                if (!sparse[c].appended)
                    status = copy_column(out, SHARD_COLUMN_NAME(name, sparse[c].name, image->numbers[v]), sparse[c].data,
                                         sparse[c].count, error);
            }
            if (status == OCT_OK)
                status = copy_counts(out, set->items[v], error);
            continue;
        }
        count = graph_columns(vector_graph(set->items[v]), columns);
        for (size_t c = 0; c < count && status == OCT_OK; c++) {
            if (!columns[c].appended && !columns[c].built)
                status = copy_column(out, SHARD_COLUMN_NAME(name, columns[c].name, image->numbers[v]),
                                     columns[c].data, columns[c].count, error);
        }
    }
    return status;
}

/* --- steps 1 and 3 ---------------------------------------------------------------------------------------- */

/* Everything that is only ever appended, up to the counts in the image. */
static oct_status
save_appended(shard *self, shard_image *image, oct_error *error)
{
    const vector_set *set = image->set;
    char              name[COLUMN_NAME_MAX];
    oct_status        status = OCT_OK;

    if (self->points.held)
        status = shard_save_column(self, image, "ids", &self->points.ids, image->point_count, false, error);
    if (status == OCT_OK)
        status = shard_save_column(self, image, "payload", &shard_payload(self)->heap.units, image->unit_count,
                                   self->payload_swaps != self->payload_saved, error);
    for (size_t v = 0; v < set->count && status == OCT_OK; v++) {
        graph_column columns[GRAPH_COLUMNS_MAX];
        size_t       count;

        if (image->is_sparse[v]) {
            status = vector_sparse_save(self, image, set->items[v], v, error);
            continue;
        }
        count = graph_columns(vector_graph(set->items[v]), columns);
        for (size_t c = 0; c < count && status == OCT_OK; c++) {
            if (columns[c].appended)
                status =
                    shard_save_column(self, image, SHARD_COLUMN_NAME(name, columns[c].name, image->numbers[v]),
                                columns[c].data, image->graphs[v].row_count, set->items[v]->rebuilt, error);
        }
    }
    return status;
}

/* The links and levels of one graph, unless they are not worth writing yet: then the image's state is that on disk. */
static oct_status
save_graph(shard *self, shard_image *image, size_t v, bool closing, oct_error *error)
{
    const shard_vector *vector = image->set->items[v];
    const graph_state  *on_disk = vector->rebuilt ? NULL : saved_graph(self, vector);
    const uint32_t      saved = on_disk == NULL ? 0 : on_disk->graph_count;
    graph_state        *state = &image->graphs[v];
    const uint32_t      grown = state->graph_count - saved;
    graph_column        columns[GRAPH_COLUMNS_MAX];
    char                name[COLUMN_NAME_MAX];
    size_t              count;
    oct_status          status = OCT_OK;

    if (on_disk != NULL && (grown == 0 || (!closing && grown < saved / GRAPH_SAVE_SHARE))) {
        const graph_state now = *state;

        *state = *on_disk;
        state->row_count = now.row_count;
        state->live_count = now.live_count;
        state->point_count = now.point_count;
        return OCT_OK;
    }
    for (uint32_t level = 1; level < GRAPH_LEVELS_MAX; level++) {
        if (state->level_counts[level] == 0)
            drop_column(image, SHARD_COLUMN_NAME(name, graph_level_name(level), image->numbers[v]));
    }
    count = graph_columns(vector_graph(vector), columns);
    for (size_t c = 0; c < count && status == OCT_OK; c++) {
        if (columns[c].built)
            status = shard_save_column(self, image, SHARD_COLUMN_NAME(name, columns[c].name, image->numbers[v]),
                                 columns[c].data, columns[c].count, true, error);
    }
    return status;
}

/* Step 1: what there is now of the appended columns. Rows below these counts do not change, so no lock is held. */
static oct_status
save_ahead(shard *self, shard_image *image, oct_error *error)
{
    (void)pthread_mutex_lock(&self->write_lock);
    image->point_count = atomic_load(&self->points.count);
    image->unit_count = atomic_load(&shard_payload(self)->heap.unit_count);
    take_states(image);
    (void)pthread_mutex_unlock(&self->write_lock);
    return save_appended(self, image, error);
}

/* Leave out what belongs to names that have gone: their files go when the manifest no longer names them. */
static void
drop_gone(const shard *self, shard_image *image)
{
    const shard_image *saved = self->saved;
    static const char *const columns[] = {"vectors", "codes", "fine",    "points", "spans",
                                          "seats",   "live",  "links",   "entries", "heads"};
    char                     name[COLUMN_NAME_MAX];

    for (size_t i = 0; saved != NULL && !saved->in_log && i < saved->vector_count; i++) {
        const uint32_t number = saved->numbers[i];

        if (vector_set_find(image->set, number) != NULL)
            continue;
        for (size_t c = 0; c < countof(columns); c++)
            drop_column(image, SHARD_COLUMN_NAME(name, columns[c], number));
        for (uint32_t level = 1; level < GRAPH_LEVELS_MAX; level++)
            drop_column(image, SHARD_COLUMN_NAME(name, graph_level_name(level), number));
    }
}

/* A graph that was built again may be without codes, as its predecessor was not. */
static void
drop_codes(shard_image *image)
{
    static const char *const kinds[] = {"codes", "fine"};
    graph_column             columns[GRAPH_COLUMNS_MAX];
    char                     name[COLUMN_NAME_MAX];

    for (size_t i = 0; i < image->set->count * countof(kinds); i++) {
        const shard_vector *vector = image->set->items[i / countof(kinds)];
        const char         *kind = kinds[i % countof(kinds)];
        const size_t        count = vector_is_sparse(vector) ? 0 : graph_columns(vector_graph(vector), columns);
        bool                has = false;

        for (size_t c = 0; c < count; c++)
            has = has || strcmp(columns[c].name, kind) == 0;
        if (vector->rebuilt && !has)
            drop_column(image, SHARD_COLUMN_NAME(name, kind, vector->number));
    }
}

/* Ids are appended, while none is overwritten; where numbers of deleted points are given to new ids they are a changing column. */
static void
hold_ids(shard *self)
{
    (void)pthread_mutex_lock(&self->write_lock);
    self->points.held = self->points.reuses == self->ids_saved && self->points.idle_count == 0;
    (void)pthread_mutex_unlock(&self->write_lock);
}

static void
let_ids_go(shard *self)
{
    (void)pthread_mutex_lock(&self->write_lock);
    self->points.held = false;
    (void)pthread_mutex_unlock(&self->write_lock);
}

/* Something on disk no longer holds. Under save_lock. */
static bool
any_rebuilt(const vector_set *set)
{
    bool any = false;

    for (size_t v = 0; v < set->count; v++)
        any = any || set->items[v]->rebuilt;
    return any;
}

/* Of a changing column: ids may have been copied only because they could have changed. */
static bool
is_rewritten(const shard *self, const shard_image *image, const char *name)
{
    return strcmp(name, "ids") != 0 || image->reuses != self->ids_saved;
}

static oct_status
save_files(shard *self, bool closing, shard_image *image, oct_error *error)
{
    const size_t saved_count = self->saved == NULL ? 0 : self->saved->column_count;
    copies       changing = {0};
    oct_status   status;

    if (saved_count > 0)
        memcpy(image->columns, self->saved->columns, saved_count * sizeof *image->columns);
    image->column_count = saved_count;
    drop_gone(self, image);
    drop_codes(image);
    status = os_make_dir(self->system, self->folder, error);
    if (status != OCT_OK)
        return status;
    hold_ids(self);
    if (!any_rebuilt(image->set) && self->payload_swaps == self->payload_saved)
        status = save_ahead(self, image, error);
    if (status != OCT_OK) {
        let_ids_go(self);
        return status;
    }
    shard_lock_build(self);
    if (atomic_load(&self->compacting) != NULL || image->set != shard_set(self))
        status = OCT_BUSY;
    if (status == OCT_OK)
        status = shard_save_lists(self, image, closing, error);
    (void)pthread_mutex_lock(&self->write_lock);
    if (status == OCT_OK)
        status = atomic_load(&self->compacting) != NULL ? OCT_BUSY : freeze(self, image, &changing, error);
    (void)pthread_mutex_unlock(&self->write_lock);
    if (status == OCT_OK)
        status = save_appended(self, image, error);
    for (size_t v = 0; v < image->set->count && status == OCT_OK; v++) {
        if (!image->is_sparse[v])
            status = save_graph(self, image, v, closing, error);
    }
    shard_unlock_build(self);
    let_ids_go(self);
    for (size_t i = 0; i < changing.count && status == OCT_OK; i++)
        status = shard_save_column(self, image, changing.items[i].name, &changing.items[i].data,
                                   changing.items[i].count, is_rewritten(self, image, changing.items[i].name), error);
    if (status == OCT_OK)
        status = os_sync_dir(self->system, self->folder, error);
    copies_clear(&changing);
    return status;
}

/* Put the content of a small shard into the log again: the image then needs no files. */
static oct_status
save_in_log(shard *self, shard_image *image, bool only_live, oct_error *error)
{
    const vector_set *set = image->set;
    buffer            body = {0};
    uint64_t          sequence;
    oct_status        status;

    (void)pthread_mutex_lock(&self->write_lock);
    /* Rows that a compaction is about to drop must not come back as if it had never begun. */
    status = atomic_load(&self->compacting) != NULL || set != shard_set(self)
                 ? OCT_BUSY
             : only_live ? shard_restore_encode_live(self, &body, error)
                         : shard_restore_encode(self, &body, error);
    if (status == OCT_OK) {
        const oct_slice part = {body.data, body.size};

        /* Part of a checkpoint, which lets the log forget more than this. */
        status = log_append_freeing(self->log, self->id, &part, 1, &sequence, error);
    }
    if (status == OCT_OK) {
        self->sequence = sequence;
        image->rebuild_count = self->rebuild_count;
        image->sequence = sequence - 1;
        image->operation = self->operation;
        image->in_log = true;
        for (size_t v = 0; v < set->count; v++)
            image->numbers[v] = set->items[v]->number;
    }
    (void)pthread_mutex_unlock(&self->write_lock);
    buffer_clear(&body);
    /* The manifest may name it only when it is sure to be there. */
    if (status == OCT_OK)
        status = log_sync(self->log, error);
    return status;
}

static bool
is_small(shard *self)
{
    const vector_set *set;
    bool              small;

    (void)pthread_mutex_lock(&self->write_lock);
    set = shard_set(self);
    small = shard_content_bytes(self) < SHARD_FILE_MIN_BYTES && atomic_load(&self->compacting) == NULL;
    for (size_t v = 0; v < set->count; v++)
        small = small && (vector_is_sparse(set->items[v]) || graph_graph_count(vector_graph(set->items[v])) == 0);
    (void)pthread_mutex_unlock(&self->write_lock);
    return small && !self->always_files && (self->saved == NULL || self->saved->in_log);
}

oct_status
shard_save(shard *self, bool closing, shard_image **out, oct_error *error)
{
    const vector_set *set;
    shard_image      *image;
    oct_status        status;

    *out = NULL;
    (void)pthread_mutex_lock(&self->save_lock);
    set = shard_set(self); /* what goes meanwhile is buried when this lock is free */
    status = atomic_load(&self->compacting) != NULL
                 ? OCT_BUSY
                 : shard_image_new(set->count,
                             8 + set->count * GRAPH_COLUMNS_MAX +
                                 (self->saved == NULL ? 0 : self->saved->column_count),
                             &image, error);
    if (status == OCT_OK) {
        image->set = set;
        status = is_small(self) ? save_in_log(self, image, false, error) : save_files(self, closing, image, error);
        image->set = NULL;
        if (status == OCT_OK)
            *out = image;
        else
            shard_image_free(image);
    }
    (void)pthread_mutex_unlock(&self->save_lock);
    /* A compaction got ahead of us: the log keeps what this shard needs until the next time. */
    return status == OCT_BUSY ? OCT_OK : status;
}

/* Is it a file of one of the image's columns? */
static bool
image_names_file(const shard_image *image, const char *file)
{
    char name[COLUMN_NAME_MAX + 32];

    for (size_t c = 0; c < image->column_count; c++) {
        const column_state *state = &image->columns[c];

        (void)snprintf(name, sizeof name, "%s.%" PRIu32 ".data", state->name, state->generation);
        if (strcmp(file, name) == 0)
            return true;
        (void)snprintf(name, sizeof name, "%s.%" PRIu32 ".sums", state->name, state->sums_generation);
        if (strcmp(file, name) == 0)
            return true;
    }
    return false;
}

/* Are files what memory has of its vectors? They would not go, though removed. With build_lock and write_lock held. */
static bool
is_mapped(shard *self)
{
    const vector_set *set = shard_set(self);
    bool              any = false;

    for (size_t v = 0; v < set->count; v++)
        any = any || set->items[v]->file_rows > 0 || atomic_load(&set->items[v]->check) != NULL ||
              vector_is_sparse(set->items[v]);
    return any;
}

/* Every file of a column that neither the durable image nor a run of lists has. */
static void
remove_unnamed(shard *self)
{
    const shard_image *saved = self->saved;
    char               path[OS_PATH_MAX];
    char             **names;
    size_t             count;

    if (os_list(self->system, self->folder, &names, &count, NULL) != OCT_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        if (column_is_file_name(slice_of(names[i])) && (saved == NULL || saved->in_log || !image_names_file(saved, names[i])) &&
            !shard_lists_have_file(self, names[i]) && os_path_join(path, self->folder, names[i], NULL) == OCT_OK)
            (void)os_remove(self->system, path, NULL);
    }
    oct_free(names);
}

/* What others keep beside the columns, by numbers of points that will be no more (collection/fields_file.c). */
static oct_status
remove_guests(shard *self, oct_error *error)
{
    char       path[OS_PATH_MAX];
    char     **names;
    size_t     count;
    oct_status status = os_list(self->system, self->folder, &names, &count, error);

    if (status != OCT_OK)
        return status;
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        if (column_is_file_name(slice_of(names[i])))
            continue;
        status = os_path_join(path, self->folder, names[i], error);
        if (status == OCT_OK)
            status = os_remove(self->system, path, error);
    }
    oct_free(names);
    return status == OCT_OK ? os_sync_dir(self->system, self->folder, error) : status;
}

oct_status
shard_save_live(shard *self, uint64_t stored_bytes, shard_image **out, oct_error *error)
{
    const vector_set *set;
    shard_image      *image = NULL;
    uint64_t          bytes;
    bool              has_files, may, documents;
    oct_status        status = OCT_OK;

    *out = NULL;
    (void)pthread_mutex_lock(&self->save_lock);
    set = shard_set(self);
    (void)pthread_mutex_lock(&self->build_lock);
    (void)pthread_mutex_lock(&self->write_lock);
    has_files = self->saved != NULL && !self->saved->in_log;
    bytes = shard_live_bytes(self);
    may = self->damage == NULL && !self->always_files && bytes <= LIVE_BYTES_MAX &&
          bytes <= stored_bytes - stored_bytes / LIVE_GAIN_SHARE && !(has_files && is_mapped(self));
    documents = may && has_files && atomic_load(&shard_payload(self)->heap.units.file_rows) > 0;
    if (documents) /* these move to memory; when they have, the next checkpoint comes */
        atomic_store(&self->payload_wanted, true);
    else
        shard_payload_weigh(self, true); /* what is waste shall not be written the next time */
    (void)pthread_mutex_unlock(&self->write_lock);
    (void)pthread_mutex_unlock(&self->build_lock);
    if (!may || documents)
        status = oct_fail(error, OCT_FULL, "%s: no room for its files, nor for a record of %" PRIu64 " bytes in their place",
                          self->folder, bytes);
    if (status == OCT_OK && has_files)
        status = remove_guests(self, error);
    if (status == OCT_OK)
        status = shard_image_new(set->count, 1, &image, error);
    if (status == OCT_OK) {
        image->set = set;
        status = save_in_log(self, image, true, error);
        image->set = NULL;
    }
    if (status == OCT_OK)
        *out = image;
    else if (image != NULL)
        shard_image_free(image);
    (void)pthread_mutex_unlock(&self->save_lock);
    shard_payload_kick(self);
    return status == OCT_BUSY ? OCT_OK : status;
}

void
shard_save_done(shard *self, shard_image *image, bool durable, bool keep_old)
{
    const vector_set *set;
    shard_image      *old;

    if (image == NULL)
        return;
    if (!durable) {
        shard_image_free(image);
        return;
    }
    shard_lock_build(self);
    old = self->saved;
    self->saved = image;
    atomic_store(&self->disk_bytes, image_bytes(image));
    self->payload_saved = image->payload_swaps;
    atomic_store(&self->mended_unsaved, false);
    self->ids_saved = image->reuses;
    /* A graph swapped in while the manifest was written is in no file yet. */
    set = shard_set(self);
    for (size_t v = 0; v < set->count && image->rebuild_count == self->rebuild_count; v++) {
        const size_t place = image_place(image, set->items[v]->number);

        if (!image->in_log ||
            (place < image->vector_count && !vector_is_sparse(set->items[v]) &&
             image->graphs[place].graph_count == graph_graph_count(vector_graph(set->items[v]))))
            set->items[v]->rebuilt = false;
    }
    shard_release_vectors(self, image);
    shard_unlock_build(self);
    for (size_t i = 0; !keep_old && old != NULL && i < old->column_count; i++) {
        const column_state *kept = find_column(image, old->columns[i].name);
        column_state        gone = old->columns[i];

        gone.generation = 0;
        (void)column_remove_others(self->system, self->folder, kept == NULL ? &gone : kept, NULL);
    }
    shard_image_free(old);
    /* What a process before this one left behind when it died; runs of lists have names of their own, so that nobody comes by. */
    if (!keep_old && !self->swept) {
        self->swept = true;
        shard_remove_old(self);
    }
}

bool
shard_saved_in_log(shard *self)
{
    bool in_log;

    shard_lock_build(self);
    in_log = self->saved != NULL && self->saved->in_log;
    shard_unlock_build(self);
    return in_log;
}

void
shard_remove_old(shard *self)
{
    if (self->damage == NULL && self->saved != NULL && !self->saved->in_log)
        remove_unnamed(self);
}

void
shard_remove_unsaved(shard *self)
{
    if (self->damage != NULL)
        return;
    (void)pthread_mutex_lock(&self->save_lock);
    remove_unnamed(self);
    for (size_t c = 0; self->saved != NULL && !self->saved->in_log && c < self->saved->column_count; c++)
        column_cut(self->system, self->folder, &self->saved->columns[c]);
    (void)pthread_mutex_unlock(&self->save_lock);
}

uint64_t
shard_log_bytes(shard *self)
{
    uint64_t bytes = 0;

    if (shard_saved_in_log(self)) {
        (void)pthread_mutex_lock(&self->write_lock);
        bytes = shard_content_bytes(self);
        (void)pthread_mutex_unlock(&self->write_lock);
    }
    return bytes;
}

bool
shard_has_files(shard *self)
{
    bool has;

    shard_lock_build(self);
    has = self->damage == NULL && self->saved != NULL && !self->saved->in_log;
    shard_unlock_build(self);
    return has;
}

bool
shard_image_is_in_log(const shard_image *image)
{
    return image->in_log;
}

bool
shard_needs_log(shard *self, const shard_image *image, bool dirty, uint64_t *after)
{
    if (image != NULL) {
        *after = image->sequence;
        return image->in_log;
    }
    if (self->damage != NULL) {
        *after = self->sequence;
        return self->damaged_tail;
    }
    *after = shard_saved_sequence(self);
    return dirty || shard_saved_in_log(self);
}

void
shard_remove_folder(os *system, const char *folder, const char *name)
{
    char   path[OS_PATH_MAX], file[OS_PATH_MAX + 256];
    char **names;
    size_t count;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    if (os_list(system, path, &names, &count, NULL) != OCT_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(file, sizeof file, "%s/%s", path, names[i]);
        (void)os_remove(system, file, NULL);
    }
    oct_free(names);
    (void)os_remove_dir(system, path, NULL);
}

/* --- loading ---------------------------------------------------------------------------------------------------- */

oct_status
shard_load_column(shard *self, const shard_image *image, const char *name, rows *data, uint64_t count,
            column_check **check, oct_error *error)
{
    const column_state *state = find_column(image, name);
    column_check       *own = NULL;
    oct_status          status;

    if (count == 0)
        return OCT_OK;
    if (state == NULL || state->row_count < count || state->stride != data->stride)
        return oct_fail(error, OCT_CORRUPT,
                        "%s: the manifest has %llu rows of %u bytes for column %s, expected %llu of %u",
                        self->folder, state == NULL ? 0ull : (unsigned long long)state->row_count,
                        state == NULL ? 0u : state->stride, name, (unsigned long long)count, data->stride);
    status = column_read(self->system, self->folder, state, data, &own, error);
    if (status == OCT_OK && check == NULL)
        status = column_verify(own, 0, count, error);
    if (status == OCT_OK && check != NULL)
        *check = own;
    else
        column_check_free(own);
    return status;
}

/* Columns of a dense name that follow from the others: bits of a set. */
enum { NO_CODES = 1, NO_SEATS = 2, NO_LIVE = 4, NO_POINTS = 8 };

/* 0: it cannot be made. Points of multivectors: a dead row would have to be one with those of its vector. */
static uint32_t
can_be_made(const char *name, const graph_params *params)
{
    if (strcmp(name, "codes") == 0 || strcmp(name, "fine") == 0)
        return NO_CODES;
    if (strcmp(name, "seats") == 0)
        return NO_SEATS;
    if (strcmp(name, "live") == 0)
        return NO_LIVE;
    return strcmp(name, "points") == 0 && !params->multi ? NO_POINTS : 0;
}

/* Make again what is damaged. All of it is written again by the next checkpoint, so all of it has to be well. `why`: of the last
 * column that was found damaged. */
static oct_status
mend_graph(graph *loaded, uint32_t missing, column_check *check, const oct_error *why, oct_error *error)
{
    const uint32_t places = missing & (NO_SEATS | NO_LIVE | NO_POINTS);
    oct_status     status;

    if ((places & (places - 1)) != 0) /* each of these is made from the other two */
        return oct_fail(error, OCT_CORRUPT, "%s", why->text);
    status = column_verify(check, 0, UINT64_MAX, error);
    if (status == OCT_OK && (missing & NO_CODES) != 0)
        status = graph_make_codes(loaded, error);
    if (status == OCT_OK && places == NO_SEATS)
        status = graph_make_seats(loaded, error);
    if (status == OCT_OK && places == NO_LIVE)
        status = graph_make_live(loaded, error);
    if (status == OCT_OK && places == NO_POINTS)
        status = graph_make_points(loaded, error);
    return status;
}

static oct_status
load_graph(shard *self, const shard_image *image, const graph_state *state, shard_vector *vector, oct_error *error)
{
    graph_column       columns[GRAPH_COLUMNS_MAX];
    column_check      *check = NULL;
    graph_params       params = vector->config.params;
    bool               is_old = false;
    uint32_t           missing = 0;
    oct_error          why = {0};
    graph             *loaded;
    size_t             count;
    oct_status         status;

    /* As it was made, whatever is configured now: new settings come with the next compaction. */
    params.m = state->m;
    params.ef_construct = state->ef_construct;
    params.start_rows = state->start_rows;
    params.fine = state->fine && graph_fits_fine(&params);
    /* An older file says so of all multivectors. */
    if (params.multi && state->graph_count == 0 && state->start_rows == GRAPH_START_NEVER && state->m > 0)
        params.start_rows = vector->config.params.start_rows;
    status = graph_load_begin(&params, state, &loaded, error);
    if (status != OCT_OK)
        return status;
    count = graph_columns(loaded, columns);
    for (size_t c = 0; c < count && status == OCT_OK; c++) {
        char       name[COLUMN_NAME_MAX];
        const bool is_large = strcmp(columns[c].name, "vectors") == 0;

        (void)SHARD_COLUMN_NAME(name, columns[c].name, vector->number);
        if (columns[c].count > 0 && strcmp(columns[c].name, "codes") == 0 && params.multi && find_column(image, name) == NULL) {
            status = graph_make_codes(loaded, error); /* an older file: multivectors had no graph */
        } else if (is_large && shard_has_old_rows(image, name, loaded)) {
            status = shard_load_old_rows(self, image, name, loaded, columns[c].data, columns[c].count, error);
            is_old = true;
        } else {
            status = shard_load_column(self, image, name, columns[c].data, columns[c].count, is_large ? &check : NULL,
                                       &why);
            if (status != OCT_OK && error != NULL)
                *error = why;
        }
        if (status == OCT_OK && is_large && vector->config.on_disk)
            rows_expect_jumps(columns[c].data, columns[c].count);
        if (status == OCT_CORRUPT && can_be_made(columns[c].name, &params) != 0) {
            rows_clear(columns[c].data);
            missing |= can_be_made(columns[c].name, &params);
            status = OCT_OK;
            continue;
        }
        if (status == OCT_OK && columns[c].walked && columns[c].count * columns[c].data->stride <= SETTLE_BYTES_MAX &&
            !(vector->config.links_on_disk && strcmp(columns[c].name, "links") == 0))
            status = rows_settle(columns[c].data, columns[c].count, error);
    }
    if (status == OCT_OK && missing != 0) {
        status = mend_graph(loaded, missing, check, &why, error);
        column_check_free(check);
        check = NULL;
        self->mended_graphs += status == OCT_OK;
    }
    if (status == OCT_OK)
        status = graph_loaded(loaded, error);
    if (status != OCT_OK) {
        column_check_free(check);
        graph_free(loaded);
        return status;
    }
    graph_free(vector_graph(vector));
    atomic_store(&vector->graph, loaded);
    atomic_store(&vector->check, check);
    vector->logical_rows = state->row_count;
    vector->rebuilt = is_old || missing != 0; /* the next checkpoint writes it anew */
    vector->file_rows = vector->rebuilt ? 0 : state->row_count;
    return OCT_OK;
}

static oct_status
load_vector(shard *self, shard_image *image, shard_vector *vector, oct_error *error)
{
    const size_t place = image_place(image, vector->number);
    graph_state *state = &image->graphs[place];
    graph_state  bare;
    oct_status   status;

    if (place == image->vector_count)
        return OCT_OK; /* a name added after the checkpoint: the log has it */
    if (image->is_sparse[place] != vector_is_sparse(vector))
        return oct_fail(error, OCT_CORRUPT, "%s: the manifest and the configuration disagree whether vector number %u is sparse",
                        self->folder, vector->number);
    if (vector_is_sparse(vector))
        return vector_sparse_load(self, image, vector, place, error);
    status = load_graph(self, image, state, vector, error);
    if (status != OCT_CORRUPT || state->graph_count == 0)
        return status;
    /* Links can be made again from the vectors, if it is only they that are damaged: all rows are tail then. The next
     * checkpoint with a graph writes new files. */
    bare = *state;
    bare.graph_count = bare.entry_level = bare.entry_node = bare.spread = 0;
    memset(bare.level_counts, 0, sizeof bare.level_counts);
    if (load_graph(self, image, &bare, vector, NULL) != OCT_OK)
        return status; /* with the first finding */
    *state = bare;
    self->mended_graphs++;
    return OCT_OK;
}

uint32_t
shard_mended_graphs(const shard *self)
{
    return self->mended_graphs;
}

oct_status
shard_load(shard *self, oct_slice json, oct_error *error)
{
    point_set     *all = &self->points;
    payload_store *store = shard_payload(self);
    oct_error      why = {0};
    bool           no_live = false;
    shard_image   *image;
    oct_status     status = shard_image_read(json, &image, error);

    if (status != OCT_OK)
        return status;
    /* "Nothing was saved yet" is no image: it must not hold the log. */
    if (image->in_log && image->sequence == 0) {
        shard_image_free(image);
        return OCT_OK;
    }
    self->saved = image;
    atomic_store(&self->disk_bytes, image_bytes(image));
    self->sequence = image->sequence;
    if (image->in_log)
        return OCT_OK;
    shard_set_version(self, image->operation);
    status = shard_load_column(self, image, "ids", &all->ids, image->point_count, NULL, error);
    if (status == OCT_OK)
        status = shard_load_versions(self, image, error);
    if (status == OCT_OK)
        status = shard_load_numbers(self, image, error);
    if (status == OCT_OK) {
        status = shard_load_column(self, image, "live", &all->live, ((uint64_t)image->point_count + 63) / 64, NULL, &why);
        no_live = status == OCT_CORRUPT;
        if (no_live)
            status = shard_clear_live(self, image->point_count, error);
        else if (status != OCT_OK && error != NULL)
            *error = why;
    }
    if (status == OCT_OK)
        status = shard_load_map(self, image, !no_live, error);
    if (status == OCT_OK)
        status = points_loaded(all, image->point_count, image->live_count, image->ascending, error);
    /* Documents carry checksums of their own, which heap_get verifies; so the file's need not be read now. */
    if (status == OCT_OK) {
        column_check *check = NULL;

        status = shard_load_column(self, image, "payload", &store->heap.units, image->unit_count, &check, error);
        column_check_free(check);
    }
    atomic_store(&store->heap.unit_count, image->unit_count);
    store->heap.live_bytes = image->live_bytes;
    for (size_t v = 0; v < shard_set(self)->count && status == OCT_OK; v++)
        status = load_vector(self, image, shard_set(self)->items[v], error);
    if (status == OCT_OK && no_live)
        status = shard_make_live(self, image, &why, error);
    return status;
}

oct_status
shard_adopt(shard *self, oct_slice json, uint64_t sequence, oct_error *error)
{
    const oct_status status = shard_load(self, json, error);

    /* Numbers of another log mean nothing here; and no record of this shard is in this log yet. */
    self->sequence = sequence;
    if (self->saved != NULL)
        self->saved->sequence = sequence;
    return status;
}

void
shard_stop_writes(shard *self)
{
    (void)pthread_mutex_lock(&self->write_lock);
}

oct_status
shard_encode(shard *self, buffer *out, oct_error *error)
{
    return shard_restore_encode(self, out, error);
}

void
shard_resume_writes(shard *self)
{
    (void)pthread_mutex_unlock(&self->write_lock);
}
