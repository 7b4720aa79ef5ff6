/* Opening, closing and checkpoints of a database.
 *
 * OPEN        octant.json (may this version open it?) -> lock -> manifest: collections with their files, mapped -> the
 *             log's tail, replayed into the same collections. What is replayed lands in the tails of the graphs, so
 *             the time depends on the length of the log, which checkpoints bound, and not on the data.
 * CHECKPOINT  Take down the log position S and who is there. Every shard with records that no image covers writes what
 *             is new (shard/shard_save.c). Then the manifest names all images: from that rename on they count, and the
 *             log up to S (or to what the slowest shard needs) is cut. Then files that nothing names are removed.
 * IN MEMORY   the same, but the log keeps nothing and there are no checkpoints (os->is_volatile).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/epoch.h"
#include "base/json.h"
#include "collection/snapshot.h"
#include "os/process.h"
#include "storage/manifest.h"

#define CHECKPOINT_LOG_BYTES (128u << 20) /* of log since the last: bounds replay to well under a second */
#define FULL_RETRY_NS        1000000000u   /* on a full disk a checkpoint is tried so long after the last ... */
#define FULL_RETRY_FACTOR    4u            /* ... and so many times as long as that took */
#define SMALL_SHARE          4u            /* small shards are logged anew if they are at most a quarter of the log */
#define BRING_FORWARD_BYTES_MIN (1u << 20)  /* of log that is kept: less is not worth it */
#define READ_ONLY_LOOKS      5 /* of a reader, before it believes in damage */
#define FORMAT_VERSION       1u
#define FORMAT_FILE          DATABASE_FORMAT_FILE
#define FORMAT_BYTES_MAX     65536u

/* --- the format file ------------------------------------------------------------------------------- */

/* How many were opened in this process. */
static _Atomic uint64_t instances;

static void
join(char out[OS_PATH_MAX], const char *folder, const char *name)
{
    (void)snprintf(out, OS_PATH_MAX, "%s/%s", folder, name);
}

/* Make the name of a new database's folder durable in the folder that it lies in. */
static oct_status
sync_parent(oct_database *self, oct_error *error)
{
    char   parent[OS_PATH_MAX];
    size_t size = strlen(self->path);

    while (size > 1 && self->path[size - 1] == '/')
        size--;
    while (size > 0 && self->path[size - 1] != '/')
        size--;
    while (size > 1 && self->path[size - 1] == '/')
        size--;
    (void)snprintf(parent, sizeof parent, "%.*s", (int)size, self->path);
    return os_sync_dir(self->system, size == 0 ? "." : parent, error);
}

void
database_write_format(buffer *out)
{
    buffer_format(out, "{\"format\":%u,\"features\":[],\"created_by\":\"octant %s\"}\n", FORMAT_VERSION,
                  OCTANT_VERSION);
}

static oct_status
write_format(oct_database *self, const char *path, oct_error *error)
{
    char       temporary[OS_PATH_MAX];
    buffer     text = {0};
    os_file   *file = NULL;
    oct_status status = OCT_OK;

    database_write_format(&text);
    if (text.failed)
        status = oct_fail_memory(error, 256);
    join(temporary, self->path, FORMAT_FILE ".new");
    if (status == OCT_OK)
        status = os_open(self->system, temporary, OS_CREATE | OS_TRUNCATE, &file, error);
    if (status == OCT_OK)
        status = os_write(file, 0, text.data, text.size, error);
    buffer_clear(&text);
    if (status == OCT_OK)
        status = os_sync(file, error);
    os_close(file);
    if (status == OCT_OK)
        status = os_rename(self->system, temporary, path, error);
    if (status == OCT_OK)
        status = os_sync_dir(self->system, self->path, error);
    if (status == OCT_OK)
        status = sync_parent(self, error);
    return status;
}

oct_status
database_read_format(os *system, const char *folder, buffer *out, oct_error *error)
{
    char          path[OS_PATH_MAX], text[FORMAT_BYTES_MAX];
    json_document document;
    os_file      *file;
    size_t        size = 0;
    uint64_t      format;
    oct_status    status;

    join(path, folder, FORMAT_FILE);
    status = os_open(system, path, 0, &file, error);
    if (status == OCT_NOT_FOUND)
        return oct_fail(error, OCT_NOT_FOUND, "%s is not a database: it has no " FORMAT_FILE, folder);
    if (status == OCT_OK)
        status = os_read(file, 0, text, sizeof text, &size, error);
    os_close(file);
    if (status != OCT_OK)
        return status;
    status = json_parse((oct_slice){text, size}, &document, error);
    if (status != OCT_OK)
        json_document_clear(&document);
    if (status == OCT_NOMEM)
        return status;
    if (status != OCT_OK)
        return oct_fail(error, OCT_CORRUPT, "%s is not JSON; it should say {\"format\":%u,...}", path,
                        FORMAT_VERSION);
    format = yyjson_get_uint(yyjson_obj_get(document.root, "format"));
    if (format == 0)
        status = oct_fail(error, OCT_CORRUPT, "%s names no format", path);
    else if (format > FORMAT_VERSION || yyjson_arr_size(yyjson_obj_get(document.root, "features")) > 0)
        status = oct_fail(error, OCT_UNSUPPORTED,
                          "%s was written in format %" PRIu64
                          " by a later version; this one (%s) reads up to format %u",
                          folder, format, OCTANT_VERSION, FORMAT_VERSION);
    json_document_clear(&document);
    if (status == OCT_OK && out != NULL)
        buffer_add(out, text, size);
    return status == OCT_OK && out != NULL && out->failed ? oct_fail_memory(error, size) : status;
}

/* A missing file is a new database; one of a later format is refused by name. */
static oct_status
check_format(oct_database *self, oct_error *error)
{
    char       path[OS_PATH_MAX];
    oct_status status = database_read_format(self->system, self->path, NULL, error);

    if (status != OCT_NOT_FOUND || self->read_only)
        return status;
    join(path, self->path, FORMAT_FILE);
    return write_format(self, path, error);
}

/* --- open ------------------------------------------------------------------------------------------------ */

typedef struct replay {
    oct_database *database;
    uint64_t      records;
} replay;

static oct_status
replay_record(void *context, const log_record *record, oct_error *error)
{
    replay         *self = context;
    oct_collection *collection;

    self->records++;
    if (record->shard == 0)
        return catalogue_replay(self->database, record->sequence, record->body, error);
    collection = catalogue_find_shard(self->database, record->shard);
    /* A late record of a collection that has been deleted. */
    if (collection == NULL)
        return OCT_OK;
    return shard_replay(collection->shard, record->sequence, record->body, error);
}

static oct_status
open_log(oct_database *self, const oct_open_options *options, uint64_t after, oct_error *error)
{
    char              path[OS_PATH_MAX];
    const log_options log = {
        .system = self->system,
        .path = path,
        .sync = options->sync,
        .sync_interval_ms = options->sync_interval_ms,
        .read_only = self->read_only,
    };
    replay     work = {.database = self};
    oct_status status;

    join(path, self->path == NULL ? "" : self->path, "log");
    status = log_open(&log, after, replay_record, &work, &self->log, error);
    /* Once there were records there always is a file, if only the one for the next. */
    if (status == OCT_OK && self->manifest_log_end > 0 && log_was_empty(self->log))
        status = oct_fail(error, OCT_CORRUPT, "%s: there is no log, but there was one when the checkpoint was written, up to "
                          "record %" PRIu64, path, self->manifest_log_end);
    /* A last record that is damaged looks like one that was torn: only the manifest knows that it was safe. */
    if (status == OCT_OK && log_last_sequence(self->log) < self->manifest_log_end)
        status = oct_fail(error, OCT_CORRUPT,
                          "%s: the log ends with record %" PRIu64 ", but record %" PRIu64
                          " was safe when the checkpoint "
                          "was written: the end of its last file is damaged",
                          path, log_last_sequence(self->log), self->manifest_log_end);
    self->replayed_records = work.records;
    for (size_t i = 0; status == OCT_OK && i < self->collection_count; i++)
        shard_set_log(self->collections[i]->shard, self->log);
    return status;
}

/* What a recovery left when the power went: the unpacked snapshot, and shard folders whose record never came. */
static void
remove_strays(oct_database *self)
{
    char   folder[OS_PATH_MAX];
    char **names;
    size_t count;

    if (self->system->is_volatile)
        return;
    join(folder, self->path, "recover");
    snapshot_remove_tree(self->system, folder);
    join(folder, self->path, "shard");
    if (os_list(self->system, folder, &names, &count, NULL) != OCT_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        char          *end;
        const uint64_t id = strtoull(names[i], &end, 10);

        if (*end == '\0' && end != names[i] && id >= self->next_shard_id)
            shard_remove_folder(self->system, folder, names[i]);
    }
    oct_free(names);
}

static oct_status
open_files(oct_database *self, uint64_t *log_sequence, oct_error *error)
{
    char       path[OS_PATH_MAX];
    oct_slice  manifest = {NULL, 0};
    oct_status status = OCT_OK;

    *log_sequence = 0;
    if (self->system->is_volatile)
        return OCT_OK;
    if (!self->read_only) {
        status = os_make_dir(self->system, self->path, error);
        join(path, self->path, "lock");
        if (status == OCT_OK)
            status = os_lock(self->system, path, &self->lock, error);
    }
    if (status == OCT_OK)
        status = check_format(self, error);
    if (status == OCT_OK)
        status = quota_load(&self->quotas, self->system, self->path, error);
    if (status == OCT_OK)
        status = manifest_read(self->system, self->path, &self->manifest_number, &manifest, error);
    if (status == OCT_OK && manifest.size > 0)
        status = catalogue_read(self, manifest, log_sequence, error);
    oct_free((void *)(uintptr_t)manifest.data);
    return status;
}

static void
release(oct_database *self)
{
    if (self == NULL)
        return;
    /* Collections wait for their background work, and the pool then has nothing left to do. */
    catalogue_clear(self);
    epoch_drain();
    workers_free(self->pool);
    (void)log_close(self->log, NULL);
    os_close(self->lock);
    os_free(self->own_system);
    arena_clear(&self->memory);
    oct_free(self->path);
    quota_clear(&self->quotas);
    (void)pthread_mutex_destroy(&self->catalogue_lock);
    (void)pthread_mutex_destroy(&self->checkpoint_lock);
    oct_free(self->snapshot_path);
    (void)pthread_mutex_destroy(&self->idle_lock);
    (void)pthread_mutex_destroy(&self->recover_lock);
    (void)pthread_mutex_destroy(&self->job_lock);
    (void)pthread_cond_destroy(&self->job_ended);
    (void)pthread_cond_destroy(&self->idle);
    oct_free(self);
}

oct_status
database_open(const oct_open_options *options, oct_database **out, oct_error *error)
{
    const bool in_memory = options->path == NULL || strcmp(options->path, ":memory:") == 0;

    return database_open_on(in_memory ? NULL : os_posix(), options, out, error);
}

static oct_status
plan_new_collections(oct_database *self, const char *json, oct_error *error)
{
    oct_collection_config *wanted = arena_array(&self->memory, 1, sizeof *wanted);
    oct_error              reason = {0};
    oct_status             status;

    if (wanted == NULL)
        return oct_fail_memory(error, sizeof *wanted);
    status = config_decode_new(slice_of(json), &self->memory, wanted, &reason);
    self->new_collections = wanted;
    return status == OCT_OK ? OCT_OK : oct_fail(error, status, "defaults of new collections: %s", reason.text);
}

static oct_status
open_once(os *system, const oct_open_options *options, bool always_files, oct_database **out, oct_error *error)
{
    oct_database *self = oct_calloc(1, sizeof *self);
    uint64_t      start_ns, log_sequence;
    oct_status    status = OCT_OK;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    quota_init(&self->quotas);
    self->instance = atomic_fetch_add(&instances, 1) + 1;
    status = budget_init(&self->budget, options->memory_limit, error);
    (void)pthread_mutex_init(&self->catalogue_lock, NULL);
    (void)pthread_mutex_init(&self->checkpoint_lock, NULL);
    (void)pthread_mutex_init(&self->idle_lock, NULL);
    (void)pthread_cond_init(&self->idle, NULL);
    (void)pthread_mutex_init(&self->recover_lock, NULL);
    (void)pthread_mutex_init(&self->job_lock, NULL);
    (void)pthread_cond_init(&self->job_ended, NULL);
    self->next_shard_id = 1;
    self->read_only = options->read_only;
    self->always_files = always_files;
    self->no_snapshot_urls = options->no_snapshot_urls;
    self->collections_max = options->collections_max;
    atomic_store(&self->checkpoint_at_bytes, CHECKPOINT_LOG_BYTES);
    if (status != OCT_OK)
        goto out;
    if (system == NULL) {
        status = os_memory_new(&self->own_system, error);
        self->system = self->own_system;
    } else {
        self->system = system;
        self->path = oct_copy_text(options->path, strlen(options->path));
        if (self->path == NULL)
            status = oct_fail_memory(error, strlen(options->path));
        else if (strlen(self->path) > OS_PATH_MAX / 2 || self->path[0] == '\0')
            status = oct_fail(error, OCT_INVALID, "the path has %zu bytes; it must have 1 to %u",
                              strlen(self->path), OS_PATH_MAX / 2);
    }
    if (status == OCT_OK && options->collection_defaults != NULL)
        status = plan_new_collections(self, options->collection_defaults, error);
    if (status == OCT_OK)
        status = snapshot_store_init(self, options->snapshots_path, error);
    if (status != OCT_OK)
        goto out;
    start_ns = os_clock_ns(self->system);
    status = workers_new(options->threads, &self->pool, error);
    if (status == OCT_OK)
        status = open_files(self, &log_sequence, error);
    if (status == OCT_OK)
        status = open_log(self, options, log_sequence, error);
    if (status != OCT_OK)
        goto out;
    if (!self->read_only)
        remove_strays(self);
    for (size_t i = 0; i < self->collection_count; i++)
        fields_load(self->collections[i]);
    /* A full batch may have been saved in a tail, and no write may come to start the job. */
    for (size_t i = 0; i < self->collection_count && !self->read_only; i++) {
        shard_serve(self->collections[i]->shard);
        fields_kick(self->collections[i]);
    }
    if (!self->system->is_volatile)
        process_trim(); /* what reading the log took */
    self->open_seconds = (double)(os_clock_ns(self->system) - start_ns) / 1e9;
    atomic_store(&self->accepts_jobs, true);
    *out = self;
    self = NULL; /* the caller owns it now */
out:
    release(self);
    return status;
}

oct_status
database_open_on(os *system, const oct_open_options *options, oct_database **out, oct_error *error)
{
    oct_status status = open_once(system, options, false, out, error);

    /* A reader beside a living writer may find that a checkpoint has removed what the one before named. Then nothing is
     * damaged: damage is what stays. */
    for (int looks = 1; (status == OCT_CORRUPT || status == OCT_NOT_FOUND ||
                         (status == OCT_OK && (*out)->damaged_count > 0)) &&
                        options->read_only && looks < READ_ONLY_LOOKS;
         looks++) {
        release(*out);
        status = open_once(system, options, false, out, error);
    }
    return status;
}

oct_status
database_open_scratch(os *system, const char *path, oct_database **out, oct_error *error)
{
    const oct_open_options options = {.path = path, .threads = 1, .sync = OCT_SYNC_NEVER};

    return open_once(system, &options, true, out, error);
}

oct_status
database_close(oct_database *self, oct_error *error)
{
    oct_status status = OCT_OK, closed;

    if (self == NULL)
        return OCT_OK;
    snapshot_store_wait(self);
    atomic_store(&self->accepts_jobs, false);
    (void)pthread_mutex_lock(&self->idle_lock);
    while (atomic_load(&self->checkpoint_queued))
        (void)pthread_cond_wait(&self->idle, &self->idle_lock);
    (void)pthread_mutex_unlock(&self->idle_lock);
    if (!self->read_only && !log_stopped(self->log))
        status = database_checkpoint(self, true, error);
    if (status == OCT_FULL) { /* nothing is lost: the log has what the files have not, and the next opening reads it */
        status = OCT_OK;
        if (error != NULL)
            *error = (oct_error){0};
    }
    /* The log outlives its users: background work of collections may still be at it. */
    catalogue_clear(self);
    closed = log_close(self->log, status == OCT_OK ? error : NULL);
    self->log = NULL;
    release(self);
    return status != OCT_OK ? status : closed;
}

/* --- checkpoint --------------------------------------------------------------------------------------------- */

/* Is there anything that the durable manifest does not say? Under checkpoint_lock. */
static bool
is_dirty(const oct_database *self, const catalogue_view *view, bool closing)
{
    bool dirty = view->catalogue_sequence > self->manifest_catalogue_sequence;

    for (size_t i = 0; i < view->collection_count && !dirty; i++)
        dirty = shard_is_dirty(view->collections[i]->shard, closing);
    return dirty;
}

/* Small shards whose content lies far back in the log hold the log's tail. Bringing them forward writes them again: it is worth
 * it when they are a small part of what the log may then forget. */
static bool
must_bring_forward(oct_database *self, const catalogue_view *view)
{
    const uint64_t kept = log_bytes(self->log);
    uint64_t       small = 0;

    if (kept > 2 * (uint64_t)CHECKPOINT_LOG_BYTES)
        return true;
    for (size_t i = 0; i < view->collection_count && small <= kept / SMALL_SHARE; i++)
        small += shard_log_bytes(view->collections[i]->shard);
    return kept >= BRING_FORWARD_BYTES_MIN && small <= kept / SMALL_SHARE;
}

static oct_status
try_save(oct_database *self, shard *target, bool closing, shard_image **out, oct_error *error)
{
    const oct_status status = shard_save(target, closing, out, error);

    if (status == OCT_FULL && self->held_count == 0)
        shard_remove_unsaved(target);
    return status;
}

/* The image of one shard. On a full disk once more with the room that is kept back for it. */
static oct_status
save_shard(oct_database *self, shard *target, bool closing, shard_image **out, oct_error *error)
{
    oct_status status = try_save(self, target, closing, out, error);

    if (status == OCT_FULL && log_lend(self->log))
        status = try_save(self, target, closing, out, error);
    /* Files that somebody copies would be in the way of the next. */
    if (status == OCT_FULL && self->held_count == 0) {
        shard_info info;

        shard_describe(target, &info);
        status = shard_save_live(target, info.disk_bytes + log_bytes(self->log), out, error);
    }
    return status;
}

/* *full: there was no room for some; they keep their part of the log, and the others need not wait for them. */
static oct_status
save_shards(oct_database *self, catalogue_view *view, bool closing, bool *full, oct_error *error)
{
    const bool bring_forward = must_bring_forward(self, view);
    oct_status status = OCT_OK;

    *full = false;
    /* So that what small shards log now does not keep the file of all that came before. Without it, the log is longer. */
    (void)log_rotate(self->log, NULL);
    for (size_t i = 0; i < view->collection_count && status == OCT_OK; i++) {
        shard     *target = view->collections[i]->shard;
        const bool dirty = shard_is_dirty(target, closing);

        uint64_t covered;

        if (dirty || (bring_forward && shard_saved_in_log(target)))
            status = save_shard(self, target, closing, &view->images[i], error);
        if (status == OCT_FULL) {
            *full = true;
            status = OCT_OK;
        }
        /* Its records behind S, and its content if that is a record, must stay in the log. */
        if (!shard_needs_log(target, view->images[i], dirty, &covered))
            continue;
        /* What the durable manifest does not need is gone already: a younger shard has no records there. */
        if (covered < self->manifest_log_sequence)
            covered = self->manifest_log_sequence;
        if (covered < view->log_sequence)
            view->log_sequence = covered;
    }
    return status;
}

/* The names of the shards' folders must be durable before a manifest counts on them. */
static oct_status
sync_shard_folder(oct_database *self, const catalogue_view *view, oct_error *error)
{
    char       folder[OS_PATH_MAX];
    bool       any = false;
    oct_status status;

    for (size_t i = 0; i < view->collection_count && !any; i++)
        any = view->images[i] != NULL && !shard_image_is_in_log(view->images[i]);
    if (!any)
        return OCT_OK;
    join(folder, self->path, "shard");
    status = os_sync_dir(self->system, folder, error);
    /* That folder's own name is new but once; this process may not be the one that made it. */
    if (status == OCT_OK && !self->shard_folder_is_durable)
        status = os_sync_dir(self->system, self->path, error);
    self->shard_folder_is_durable = self->shard_folder_is_durable || status == OCT_OK;
    return status;
}

/* Folders of shards that the manifest does not name belong to deleted collections. */
static void
remove_left_overs(oct_database *self, const catalogue_view *view)
{
    char   folder[OS_PATH_MAX];
    char **names;
    size_t count;

    join(folder, self->path, "shard");
    if (view->is_recovering || os_list(self->system, folder, &names, &count, NULL) != OCT_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        char          *end;
        const uint64_t id = strtoull(names[i], &end, 10);
        bool           named = *end != '\0' || end == names[i]; /* not ours */

        for (size_t c = 0; c < view->collection_count && !named; c++)
            named = view->collections[c]->shard_id == id;
        if (!named && id < view->next_shard_id)
            shard_remove_folder(self->system, folder, names[i]);
    }
    oct_free(names);
}

/* The larger the database, the more room its checkpoints need when the disk is full. */
static void
keep_spare(oct_database *self, const catalogue_view *view)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < view->collection_count; i++) {
        shard_info info;

        shard_describe(view->collections[i]->shard, &info);
        bytes += info.disk_bytes;
    }
    log_keep_spare(self->log, bytes);
}

/* After a checkpoint: was there room, and when may it be tried again? */
static void
note_room(oct_database *self, bool full, bool succeeded, uint64_t start_ns)
{
    const uint64_t now_ns = os_clock_ns(self->system);

    if (full) {
        atomic_store(&self->retry_at_ns, now_ns + FULL_RETRY_NS + FULL_RETRY_FACTOR * (now_ns - start_ns));
        atomic_store(&self->disk_full, true);
    } else if (succeeded) {
        atomic_store(&self->disk_full, false);
    }
}

oct_status
database_checkpoint(oct_database *self, bool closing, oct_error *error)
{
    catalogue_view view;
    buffer         content = {0};
    uint64_t       sequence;
    uint64_t       start_ns;
    bool           durable = false, full = false;
    oct_status     status;

    if (self->system->is_volatile)
        return OCT_OK;
    if (self->read_only)
        return oct_fail(error, OCT_FORBIDDEN, "the database %s was opened for reading only", self->path);
    if (log_stopped(self->log) || atomic_load(&self->checkpoints_stopped))
        return oct_fail(error, OCT_STOPPED, "writing to %s stopped after a failed sync; reopen it",
                        self->path);
    (void)pthread_mutex_lock(&self->checkpoint_lock);
    start_ns = os_clock_ns(self->system);
    sequence = log_last_sequence(self->log);
    status = catalogue_view_new(self, &view, error);
    if (status != OCT_OK || !is_dirty(self, &view, closing))
        goto out;
    view.log_sequence = sequence;
    status = save_shards(self, &view, closing, &full, error);
    /* The images may hold records that are applied but not synced. If those cannot become durable, their writers are
     * told so, and then the manifest must not make them true. */
    view.log_end = log_last_sequence(self->log);
    if (status == OCT_OK)
        status = log_sync(self->log, error);
    if (status == OCT_OK)
        status = sync_shard_folder(self, &view, error);
    if (status == OCT_OK)
        status = catalogue_write(&view, &content, error);
    if (status == OCT_OK)
        status = manifest_write(self->system, self->path, &self->manifest_number,
                                (oct_slice){content.data, content.size}, error);
    if (status == OCT_FULL && log_lend(self->log))
        status = manifest_write(self->system, self->path, &self->manifest_number,
                                (oct_slice){content.data, content.size}, error);
    durable = status == OCT_OK;
    /* After a failed sync of the folder nobody knows which manifest the next opening finds: leave all files alone. */
    if (status == OCT_STOPPED)
        atomic_store(&self->checkpoints_stopped, true);
    if (durable) {
        self->manifest_catalogue_sequence = view.catalogue_sequence;
        self->manifest_log_sequence = view.log_sequence;
        if (self->held_count == 0)
            status = log_truncate(self->log, view.log_sequence, error);
        /* Small shards may keep some of the log; the next checkpoint counts from there. */
        atomic_store(&self->checkpoint_at_bytes, log_bytes(self->log) + CHECKPOINT_LOG_BYTES);
    }
out:
    for (size_t i = 0; i < view.collection_count; i++)
        shard_save_done(view.collections[i]->shard, view.images[i], durable, self->held_count > 0);
    for (size_t i = 0; i < view.collection_count && status == OCT_OK && !full && (durable || closing); i++)
        fields_save(view.collections[i], closing);
    for (size_t i = 0; i < view.collection_count && status == OCT_FULL && !durable && self->held_count == 0; i++)
        shard_remove_unsaved(view.collections[i]->shard); /* there was no room for the manifest */
    if (durable && self->held_count == 0)
        remove_left_overs(self, &view);
    self->has_old = self->has_old || (durable && self->held_count > 0);
    for (size_t i = 0; i < view.collection_count && atomic_load(&self->budget.spilling); i++)
        shard_spill(view.collections[i]->shard);
    if (durable && !full)
        keep_spare(self, &view);
    catalogue_view_clear(&view);
    buffer_clear(&content);
    log_take_back(self->log);
    note_room(self, full || status == OCT_FULL, status == OCT_OK, start_ns);
    (void)pthread_mutex_unlock(&self->checkpoint_lock);
    /* What could be saved is; `error` tells of what could not. */
    return status == OCT_OK && full ? OCT_FULL : status;
}

void
database_hold_files(oct_database *self)
{
    self->held_count++;
}

void
database_let_go(oct_database *self)
{
    catalogue_view view;

    (void)pthread_mutex_lock(&self->checkpoint_lock);
    self->held_count--;
    /* Without memory for it the next checkpoint does it, or the next snapshot's end. */
    if (self->held_count == 0 && self->has_old && !atomic_load(&self->checkpoints_stopped)) {
        if (catalogue_view_new(self, &view, NULL) == OCT_OK) {
            for (size_t i = 0; i < view.collection_count; i++)
                shard_remove_old(view.collections[i]->shard);
            remove_left_overs(self, &view);
            (void)log_truncate(self->log, self->manifest_log_sequence, NULL);
            log_take_back(self->log);
            atomic_store(&self->checkpoint_at_bytes, log_bytes(self->log) + CHECKPOINT_LOG_BYTES);
            self->has_old = false;
        }
        catalogue_view_clear(&view);
    }
    (void)pthread_mutex_unlock(&self->checkpoint_lock);
}

static void
checkpoint_job(void *context)
{
    oct_database *self = context;

    /* A failure leaves the log as it is. Another try may fail like this one, so not with the very next write. */
    if (database_checkpoint(self, false, NULL) != OCT_OK)
        atomic_store(&self->checkpoint_at_bytes, log_bytes(self->log) + CHECKPOINT_LOG_BYTES / 8);
    (void)pthread_mutex_lock(&self->idle_lock);
    if (!self->checkpoint_again || !atomic_load(&self->accepts_jobs) || !workers_submit(self->pool, checkpoint_job, self))
        atomic_store(&self->checkpoint_queued, false);
    self->checkpoint_again = false;
    (void)pthread_cond_broadcast(&self->idle);
    (void)pthread_mutex_unlock(&self->idle_lock);
}

void
database_consider_checkpoint(oct_database *self, bool now)
{
    bool queued;

    if (self->system->is_volatile || self->read_only || log_stopped(self->log))
        return;
    if (!now && log_bytes(self->log) < atomic_load(&self->checkpoint_at_bytes))
        return;
    (void)pthread_mutex_lock(&self->idle_lock);
    /* One that runs may have passed what somebody waits for. */
    queued = atomic_load(&self->checkpoint_queued);
    self->checkpoint_again = self->checkpoint_again || (queued && now);
    /* Whoever closes says so first and then waits until none is queued. */
    if (!queued && atomic_load(&self->accepts_jobs) && workers_submit(self->pool, checkpoint_job, self))
        atomic_store(&self->checkpoint_queued, true);
    (void)pthread_mutex_unlock(&self->idle_lock);
}

void
database_note_write(oct_database *self, oct_status status)
{
    bool now = false;

    if (status == OCT_FULL)
        atomic_store(&self->disk_full, true);
    if (atomic_load_explicit(&self->disk_full, memory_order_relaxed) && !self->system->is_volatile) {
        const uint64_t now_ns = os_clock_ns(self->system);
        uint64_t       at_ns = atomic_load(&self->retry_at_ns);

        /* One of those who come by tries; if it fails it says when to try again. */
        now = now_ns >= at_ns && atomic_compare_exchange_strong(&self->retry_at_ns, &at_ns, now_ns + FULL_RETRY_NS);
    }
    database_consider_checkpoint(self, now);
}

void
database_describe(oct_database *self, oct_database_info *info)
{
    *info = (oct_database_info){
        .version = OCTANT_VERSION,
        .cpu_level = oct_cpu_level(),
        .path = self->path,
        .log_sequence = log_last_sequence(self->log),
        .log_bytes = log_bytes(self->log),
        .replayed_records = self->replayed_records,
        .open_seconds = self->open_seconds,
        .instance = self->instance,
    };
    (void)pthread_mutex_lock(&self->catalogue_lock);
    info->collection_count = self->collection_count;
    (void)pthread_mutex_unlock(&self->catalogue_lock);
}
