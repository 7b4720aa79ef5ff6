/* Reading snapshots: unpacking into a folder, and into a running database. See snapshot.h.
 *
 * UNPACK   Names in an archive come from outside: only those that a snapshot has are made, and nothing above the folder can be
 *          named. The log's records are appended to a log of their own, so that the opening that follows needs no
 *          second way to read them. The format file comes last: without it the folder is no database.
 * TRUST    The archive's checksum says that it is what was written. The columns' own say that what was written was whole. The checks
 *          of the opened shard say that it makes sense. All three before anything is replaced.
 */
#include "collection/snapshot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/epoch.h"
#include "base/json.h"
#include "storage/manifest.h"

#define HEAD_BYTES_MAX   65536u
#define FORMAT_BYTES_MAX 65536u
#define COPY_BYTES       (1u << 20)
#define STAGING          "recover" /* folder of a database in which a snapshot is unpacked */
#define MEMORY_STAGING   "/recover"
#define SETTLE_ROUNDS    1000 /* checkpoints until all is in files: each but the last met a compaction */

/* --- folders ------------------------------------------------------------------------------------------------ */

static void
remove_below(os *system, const char *path, unsigned depth)
{
    char   below[OS_PATH_MAX];
    char **names;
    size_t count;

    if (os_list(system, path, &names, &count, NULL) != OCT_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        if (os_path_join(below, path, names[i], NULL) != OCT_OK)
            continue;
        if (depth > 0)
            remove_below(system, below, depth - 1);
        (void)os_remove(system, below, NULL);
        (void)os_remove_dir(system, below, NULL);
    }
    oct_free(names);
    (void)os_remove_dir(system, path, NULL);
}

void
snapshot_remove_tree(os *system, const char *path)
{
    remove_below(system, path, 2); /* shard/<id>/<file> */
}

/* --- unpacking ------------------------------------------------------------------------------------------------ */

typedef struct unpacking {
    os            *system;
    const char    *folder;
    snapshot_head *head;
    bool           head_only;
    bool           has_head;
    buffer         format, manifest;
    uint64_t       log_begin;
    write_log     *log;  /* opened by the first record */
    buffer         body; /* of one record */
    uint64_t       shard_seen; /* the folder that was made last */
    char          *copy;       /* COPY_BYTES */
} unpacking;

static oct_status
fail_entry(const char *name, oct_error *error)
{
    return oct_fail(error, OCT_INVALID, "the snapshot has an entry \"%s\" where none of this name belongs", name);
}

static oct_status
read_text(archive_reader *from, const char *name, uint64_t size, size_t max, buffer *out, oct_error *error)
{
    size_t     got;
    oct_status status;

    if (size > max || out->size > 0)
        return fail_entry(name, error);
    if (!buffer_reserve(out, (size_t)size + 1))
        return oct_fail_memory(error, (size_t)size);
    status = archive_next(from, out->data, (size_t)size, &got, error);
    if (status == OCT_OK)
        out->size = got;
    return status;
}

static oct_status
read_head(unpacking *self, archive_reader *from, uint64_t size, oct_error *error)
{
    json_document document = {0};
    buffer        text = {0};
    yyjson_val   *kind;
    bool          known = false;
    oct_status    status = read_text(from, SNAPSHOT_HEAD, size, HEAD_BYTES_MAX, &text, error);

    if (status == OCT_OK && json_parse((oct_slice){text.data, text.size}, &document, NULL) != OCT_OK)
        status = oct_fail(error, OCT_INVALID, "the snapshot's head, " SNAPSHOT_HEAD ", is not JSON");
    if (status == OCT_OK) {
        self->head->format = yyjson_get_uint(yyjson_obj_get(document.root, "format"));
        self->head->created = (int64_t)yyjson_get_uint(yyjson_obj_get(document.root, "created"));
        kind = yyjson_obj_get(document.root, "kind");
        for (size_t i = 0; i < countof(snapshot_kinds); i++) {
            if (yyjson_equals_str(kind, snapshot_kinds[i])) {
                self->head->scope = (oct_snapshot_scope)i;
                known = true;
            }
        }
        if (self->head->format == 0 || (self->head->format <= SNAPSHOT_FORMAT && !known))
            status = oct_fail(error, OCT_INVALID, "the snapshot's head, " SNAPSHOT_HEAD ", names no format or no kind");
        else if (self->head->format > SNAPSHOT_FORMAT)
            status = oct_fail(error, OCT_UNSUPPORTED,
                              "the snapshot has format %llu and was made by a later version; this one (%s) reads up to %u",
                              (unsigned long long)self->head->format, OCTANT_VERSION, SNAPSHOT_FORMAT);
    }
    self->has_head = status == OCT_OK;
    json_document_clear(&document);
    buffer_clear(&text);
    return status;
}

static oct_status
read_manifest(unpacking *self, archive_reader *from, uint64_t size, oct_error *error)
{
    json_document document;
    oct_status    status = read_text(from, "manifest", size, MANIFEST_BYTES_MAX, &self->manifest, error);

    if (status != OCT_OK)
        return status;
    status = json_parse((oct_slice){self->manifest.data, self->manifest.size}, &document, error);
    if (status == OCT_OK)
        self->log_begin = yyjson_get_uint(yyjson_obj_get(document.root, "log_sequence"));
    json_document_clear(&document);
    return status == OCT_FORMAT ? oct_fail(error, OCT_INVALID, "the snapshot's manifest is not JSON") : status;
}

static oct_status
open_log(unpacking *self, oct_error *error)
{
    char              path[OS_PATH_MAX];
    const log_options options = {.system = self->system, .path = path, .sync = OCT_SYNC_NEVER};
    oct_status        status = os_path_join(path, self->folder, "log", error);

    if (status == OCT_OK)
        status = os_make_dir(self->system, self->folder, error);
    return status == OCT_OK ? log_open(&options, self->log_begin, NULL, NULL, &self->log, error) : status;
}

/* Append the records of one entry. Those of a whole database keep their numbers; those of one collection get new ones. */
static oct_status
read_records(unpacking *self, archive_reader *from, const char *name, uint64_t size, oct_error *error)
{
    oct_status status = OCT_OK;

    if (self->manifest.size == 0)
        return fail_entry(name, error);
    if (self->log == NULL)
        status = open_log(self, error);
    while (size > 0 && status == OCT_OK) {
        char     head[24];
        uint64_t given, sequence, shard_id, bytes, padded;
        size_t   got;

        status = archive_next(from, head, sizeof head, &got, error);
        if (status != OCT_OK)
            break;
        given = get_u64(head);
        shard_id = get_u64(head + 8);
        bytes = get_u64(head + 16);
        padded = bytes + (8 - bytes % 8) % 8;
        if (got < sizeof head || bytes > LOG_BODY_MAX || padded > size - sizeof head)
            return oct_fail(error, OCT_INVALID, "the snapshot's entry %s has a record of %" PRIu64 " bytes, which cannot be",
                            name, bytes);
        self->body.size = 0;
        if (!buffer_reserve(&self->body, (size_t)padded + 1))
            return oct_fail_memory(error, (size_t)padded);
        status = archive_next(from, self->body.data, (size_t)padded, &got, error);
        if (status == OCT_OK) {
            const oct_slice part = {self->body.data, (size_t)bytes};

            status = log_append(self->log, shard_id, &part, 1, &sequence, error);
        }
        if (status == OCT_OK && self->head->scope == OCT_SNAPSHOT_FULL && sequence != given)
            status = oct_fail(error, OCT_INVALID, "the snapshot has record %" PRIu64 " of the log where %" PRIu64 " belongs",
                              given, sequence);
        size -= sizeof head + padded;
    }
    return status;
}

/* shard/<id>/<file of a column> */
static oct_status
read_column_file(unpacking *self, archive_reader *from, const char *name, oct_error *error)
{
    char           path[OS_PATH_MAX], *end;
    const uint64_t shard_id = strtoull(name + 6, &end, 10);
    const char    *file_name = end + 1;
    uint64_t       at = 0;
    os_file       *file;
    oct_status     status = OCT_OK;

    if (name[6] < '1' || name[6] > '9' || *end != '/' || !column_is_file_name(slice_of(file_name)))
        return fail_entry(name, error);
    if (shard_id != self->shard_seen) {
        (void)snprintf(path, sizeof path, "%s/shard/%" PRIu64, self->folder, shard_id);
        status = os_make_dir(self->system, path, error);
        self->shard_seen = shard_id;
    }
    (void)snprintf(path, sizeof path, "%s/%s", self->folder, name);
    if (status == OCT_OK)
        status = os_open(self->system, path, OS_CREATE | OS_EXCLUSIVE, &file, error);
    if (status == OCT_EXISTS)
        return fail_entry(name, error);
    if (status != OCT_OK)
        return status;
    for (size_t got = 1; status == OCT_OK && got > 0; at += got) {
        status = archive_next(from, self->copy, COPY_BYTES, &got, error);
        if (status == OCT_OK && got > 0)
            status = os_write(file, at, self->copy, got, error);
    }
    if (status == OCT_OK)
        status = os_sync(file, error);
    os_close(file);
    return status;
}

static oct_status
read_entry_of(void *context, archive_reader *from, const char *name, uint64_t size, oct_error *error)
{
    unpacking *self = context;

    if (strcmp(name, SNAPSHOT_HEAD) == 0) {
        oct_status status = self->has_head ? fail_entry(name, error) : read_head(self, from, size, error);

        return status == OCT_OK && self->head_only ? OCT_EXISTS : status; /* enough: no status of a reading */
    }
    if (!self->has_head)
        return oct_fail(error, OCT_INVALID,
                        "this is not a snapshot of Octant: its first entry is \"%s\", expected \"" SNAPSHOT_HEAD
                        "\" (snapshots of Qdrant cannot be read)",
                        name);
    if (strcmp(name, DATABASE_FORMAT_FILE) == 0)
        return read_text(from, name, size, FORMAT_BYTES_MAX, &self->format, error);
    if (strcmp(name, "manifest") == 0)
        return read_manifest(self, from, size, error);
    if (strncmp(name, "log/", 4) == 0)
        return read_records(self, from, name, size, error);
    if (strncmp(name, "shard/", 6) == 0)
        return read_column_file(self, from, name, error);
    return fail_entry(name, error);
}

oct_status
snapshot_read_head(os_file *file, uint64_t offset, uint64_t size, snapshot_head *out, oct_error *error)
{
    unpacking        work = {.head = out, .head_only = true};
    const oct_status status = archive_read(file, offset, size, read_entry_of, &work, NULL, error);

    memset(out, 0, work.has_head ? 0 : sizeof *out);
    if (status == OCT_EXISTS)
        return OCT_OK;
    return status != OCT_OK ? status : oct_fail(error, OCT_INVALID, "this is not a snapshot of Octant: it has no entries");
}

/* What makes a database of the files. */
static oct_status
complete(unpacking *self, oct_error *error)
{
    char       path[OS_PATH_MAX];
    uint64_t   number = 0;
    os_file   *file = NULL;
    oct_status status;

    if (self->manifest.size == 0 || self->format.size == 0)
        return oct_fail(error, OCT_INVALID, "the snapshot lacks its manifest, or the entry " DATABASE_FORMAT_FILE);
    status = os_make_dir(self->system, self->folder, error);
    if (status == OCT_OK && self->log != NULL) {
        status = log_close(self->log, error);
        self->log = NULL;
    }
    if (status == OCT_OK && self->shard_seen != 0) {
        status = os_path_join(path, self->folder, "shard", error);
        if (status == OCT_OK)
            status = os_sync_dir(self->system, path, error);
    }
    if (status == OCT_OK)
        status = manifest_write(self->system, self->folder, &number,
                                (oct_slice){self->manifest.data, self->manifest.size}, error);
    (void)snprintf(path, sizeof path, "%s/" DATABASE_FORMAT_FILE, self->folder);
    if (status == OCT_OK)
        status = os_open(self->system, path, OS_CREATE | OS_TRUNCATE, &file, error);
    if (status == OCT_OK)
        status = os_write(file, 0, self->format.data, self->format.size, error);
    if (status == OCT_OK)
        status = os_sync(file, error);
    os_close(file);
    if (status == OCT_OK)
        status = os_sync_dir(self->system, self->folder, error);
    /* Of a later version? */
    return status == OCT_OK ? database_read_format(self->system, self->folder, NULL, error) : status;
}

/* The names in shard/<id>/ must be durable before a manifest counts on them. */
static oct_status
sync_shards(const unpacking *self, oct_error *error)
{
    char       folder[OS_PATH_MAX], path[OS_PATH_MAX];
    char     **names = NULL;
    size_t     count = 0;
    oct_status status;

    if (self->shard_seen == 0)
        return OCT_OK;
    status = os_path_join(folder, self->folder, "shard", error);
    if (status == OCT_OK)
        status = os_list(self->system, folder, &names, &count, error);
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        status = os_path_join(path, folder, names[i], error);
        if (status == OCT_OK)
            status = os_sync_dir(self->system, path, error);
    }
    oct_free(names);
    return status;
}

oct_status
snapshot_unpack(os_file *file, uint64_t offset, uint64_t size, os *to, const char *folder, snapshot_head *head,
                oct_error *error)
{
    unpacking  work = {.system = to, .folder = folder, .head = head, .copy = oct_alloc(COPY_BYTES)};
    oct_status status = work.copy == NULL ? oct_fail_memory(error, COPY_BYTES) : OCT_OK;

    if (status == OCT_OK)
        status = archive_read(file, offset, size, read_entry_of, &work, NULL, error);
    if (status == OCT_OK)
        status = sync_shards(&work, error);
    if (status == OCT_OK)
        status = complete(&work, error);
    (void)log_close(work.log, NULL);
    buffer_clear(&work.format);
    buffer_clear(&work.manifest);
    buffer_clear(&work.body);
    oct_free(work.copy);
    if (status != OCT_OK)
        snapshot_remove_tree(to, folder);
    return status;
}

/* --- into a running database ------------------------------------------------------------------------------------- */

/* The one collection of an unpacked snapshot, checked. `content`: of a database in memory, as one record. */
static oct_status
settle(oct_database *scratch, bool is_volatile, buffer *content, oct_error *error)
{
    oct_collection *only;
    oct_status      status;

    if (scratch->collection_count != 1)
        return oct_fail(error, OCT_INVALID, "the snapshot holds %zu collections, expected one", scratch->collection_count);
    only = scratch->collections[0];
    status = shard_check(only->shard, error);
    if (status == OCT_OK && is_volatile) {
        shard_stop_writes(only->shard);
        status = shard_encode(only->shard, content, error);
        shard_resume_writes(only->shard);
    }
    /* What a compaction holds back comes with the next checkpoint. */
    for (int round = 0; status == OCT_OK && round < SETTLE_ROUNDS && shard_is_dirty(only->shard, true); round++) {
        shard_wait_compacted(only->shard);
        status = database_checkpoint(scratch, true, error);
    }
    return status;
}

/* Open, settle, close; *entry is what the manifest then says of the collection (oct_free its data). */
static oct_status
settle_folder(os *system, const char *folder, bool is_volatile, buffer *entry, buffer *content, uint64_t *shard_id,
              oct_error *error)
{
    oct_database *scratch = NULL;
    oct_slice     manifest = {NULL, 0};
    json_document document = {0};
    arena         memory = {0};
    yyjson_val   *found;
    oct_slice     text = {"", 0};
    uint64_t      number, end = 0;
    oct_status    status = database_open_scratch(system, folder, &scratch, error), closed;

    if (status == OCT_OK)
        status = settle(scratch, is_volatile, content, error);
    if (scratch != NULL)
        end = log_last_sequence(scratch->log);
    closed = database_close(scratch, status == OCT_OK ? error : NULL);
    if (status == OCT_OK)
        status = closed;
    if (status == OCT_OK)
        status = manifest_read(system, folder, &number, &manifest, error);
    if (status == OCT_OK)
        status = json_parse(manifest, &document, error);
    if (status == OCT_OK && yyjson_get_uint(yyjson_obj_get(document.root, "log_sequence")) < end)
        status = oct_fail(error, OCT_INTERNAL, "the snapshot's log could not be put into files");
    found = yyjson_arr_get_first(yyjson_obj_get(document.root, "collections"));
    *shard_id = yyjson_get_uint(yyjson_obj_get(found, "shard"));
    if (status == OCT_OK)
        status = json_write_value(found, &memory, &text, error);
    buffer_add(entry, text.data, text.size);
    if (status == OCT_OK && entry->failed)
        status = oct_fail_memory(error, text.size);
    arena_clear(&memory);
    json_document_clear(&document);
    oct_free((void *)(uintptr_t)manifest.data);
    return status;
}

/* All files of one folder into another, durable there. */
static oct_status
move_files(os *system, const char *from, const char *parent, const char *to, oct_error *error)
{
    char       old[OS_PATH_MAX], new[OS_PATH_MAX];
    char     **names = NULL;
    size_t     count = 0;
    oct_status status = os_make_dir(system, to, error);

    if (status == OCT_OK && os_list(system, from, &names, &count, error) == OCT_NOT_FOUND)
        count = 0; /* an empty collection has no files */
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        status = os_path_join(old, from, names[i], error);
        if (status == OCT_OK)
            status = os_path_join(new, to, names[i], error);
        if (status == OCT_OK)
            status = os_rename(system, old, new, error);
    }
    oct_free(names);
    if (status == OCT_OK)
        status = os_sync_dir(system, to, error);
    if (status == OCT_OK)
        status = os_sync_dir(system, parent, error);
    return status;
}

/* Entry with no files in it: what a shard in memory is made from. */
static oct_status
forget_files(buffer *entry, oct_error *error)
{
    json_document document;
    arena         memory = {0};
    yyjson_val   *key, *value;
    size_t        index, max;
    buffer        out = {0};
    oct_status    status = json_parse((oct_slice){entry->data, entry->size}, &document, error);

    buffer_add_text(&out, "{\"state\":{\"sequence\":0}");
    yyjson_obj_foreach(document.root, index, max, key, value)
    {
        oct_slice text = {"", 0};

        if (status != OCT_OK || yyjson_equals_str(key, "state"))
            continue;
        buffer_add_byte(&out, ',');
        json_add_text(&out, (oct_slice){yyjson_get_str(key), yyjson_get_len(key)});
        buffer_add_byte(&out, ':');
        status = json_write_value(value, &memory, &text, error);
        buffer_add(&out, text.data, text.size);
    }
    buffer_add_byte(&out, '}');
    if (status == OCT_OK && out.failed)
        status = oct_fail_memory(error, out.size);
    json_document_clear(&document);
    arena_clear(&memory);
    buffer_clear(entry);
    *entry = out;
    return status;
}

static oct_status
recover(oct_database *self, oct_snapshot_scope scope, oct_slice name, os_file *file, uint64_t offset, uint64_t size,
        os *system, const char *staging, oct_error *error)
{
    const bool    is_volatile = self->system->is_volatile;
    char          from[OS_PATH_MAX], parent[OS_PATH_MAX], to[OS_PATH_MAX] = "", number[32];
    snapshot_head head = {0};
    buffer        entry = {0}, content = {0};
    uint64_t      shard_before = 0, shard_id = 0;
    oct_status    status;

    status = snapshot_read_head(file, offset, size, &head, error);
    if (status == OCT_OK && head.scope == OCT_SNAPSHOT_FULL)
        status = oct_fail(error, OCT_INVALID,
                          "this is a snapshot of a whole database: `octant restore` makes a new database of it");
    if (status == OCT_OK)
        status = snapshot_unpack(file, offset, size, system, staging, &head, error);
    if (status == OCT_OK)
        status = settle_folder(system, staging, is_volatile, &entry, &content, &shard_before, error);
    if (status == OCT_OK && is_volatile)
        status = forget_files(&entry, error);
    if (status != OCT_OK)
        goto out;
    catalogue_reserve_shard(self, &shard_id);
    if (!is_volatile) {
        (void)snprintf(number, sizeof number, "shard/%" PRIu64, shard_before);
        status = os_path_join(from, staging, number, error);
        (void)snprintf(number, sizeof number, "shard/%" PRIu64, shard_id);
        if (status == OCT_OK)
            status = os_path_join(parent, self->path, "shard", error);
        if (status == OCT_OK)
            status = os_path_join(to, self->path, number, error);
        if (status == OCT_OK)
            status = move_files(self->system, from, parent, to, error);
        if (status == OCT_OK) /* where the folder of all shards may be new */
            status = os_sync_dir(self->system, self->path, error);
    }
    if (status == OCT_OK)
        status = catalogue_adopt(self, name, shard_id, (oct_slice){entry.data, entry.size},
                                 (oct_slice){content.data, content.size}, scope == OCT_SNAPSHOT_SHARD, error);
    /* If the log stopped in between, the record may be in it: the next opening then needs the files. */
    if (status != OCT_OK && to[0] != '\0' && !log_stopped(self->log))
        snapshot_remove_tree(self->system, to);
    catalogue_return_shard(self);
out:
    buffer_clear(&entry);
    buffer_clear(&content);
    return status;
}

oct_status
snapshot_recover(oct_database *self, oct_snapshot_scope scope, oct_slice name, os_file *file, uint64_t offset,
                 uint64_t size, oct_error *error)
{
    char       staging[OS_PATH_MAX];
    os        *own = NULL;
    oct_status status = OCT_OK;

    if (self->read_only)
        return oct_fail(error, OCT_FORBIDDEN, "the database %s was opened for reading only", self->path);
    (void)pthread_mutex_lock(&self->recover_lock);
    if (self->system->is_volatile) {
        status = os_memory_new(&own, error);
        if (status == OCT_OK)
            own->is_volatile = false; /* a disk, as far as the unpacked database is concerned */
        (void)snprintf(staging, sizeof staging, MEMORY_STAGING);
    } else {
        status = os_path_join(staging, self->path, STAGING, error);
        if (status == OCT_OK)
            snapshot_remove_tree(self->system, staging); /* a crash may have left one */
    }
    if (status == OCT_OK)
        status = recover(self, scope, name, file, offset, size, own != NULL ? own : self->system, staging, error);
    if (own == NULL)
        snapshot_remove_tree(self->system, staging);
    (void)pthread_mutex_unlock(&self->recover_lock);
    epoch_drain();
    os_free(own);
    return status;
}
