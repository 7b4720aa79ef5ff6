/* Unpacking snapshots into folders. See snapshot.h.
 *
 * NAMES    in an archive come from outside: only those that a snapshot has are made, and nothing above the folder can be named.
 * LOG      The records are appended to a log of their own, so that the opening that follows needs no second way to read them.
 * LAST     comes the format file: without it the folder is no database.
 */
#include "collection/snapshot_unpack.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "storage/manifest.h"

#define HEAD_BYTES_MAX   65536u

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

oct_status
unpack_fail_entry(const char *name, oct_error *error)
{
    return oct_fail(error, OCT_INVALID, "the snapshot has an entry \"%s\" where none of this name belongs", name);
}

oct_status
unpack_text(archive_reader *from, const char *name, uint64_t size, size_t max, buffer *out, oct_error *error)
{
    size_t     got;
    oct_status status;

    if (size > max || out->size > 0)
        return unpack_fail_entry(name, error);
    if (!buffer_reserve(out, (size_t)size + 1))
        return oct_fail_memory(error, (size_t)size);
    status = archive_next(from, out->data, (size_t)size, &got, error);
    if (status == OCT_OK)
        out->size = got;
    return status;
}

/* What an increment says of the backup it goes on from. */
static oct_status
read_base(yyjson_val *base, snapshot_head *out, oct_error *error)
{
    const char *file = yyjson_get_str(yyjson_obj_get(base, "file")), *sum = yyjson_get_str(yyjson_obj_get(base, "sha256"));

    if (file == NULL || file[0] == '\0' || strlen(file) >= sizeof out->base.file || strchr(file, '/') != NULL || sum == NULL ||
        strlen(sum) != SHA256_TEXT_BYTES - 1)
        return oct_fail(error, OCT_INVALID, "the backup's head, " SNAPSHOT_HEAD ", does not say which backup it goes on from");
    memcpy(out->base.file, file, strlen(file) + 1);
    memcpy(out->base.sha256, sum, SHA256_TEXT_BYTES);
    out->base.bytes = yyjson_get_uint(yyjson_obj_get(base, "bytes"));
    out->base.crc = (uint32_t)yyjson_get_uint(yyjson_obj_get(base, "crc32c"));
    return OCT_OK;
}

oct_status
unpack_head(archive_reader *from, uint64_t size, snapshot_head *out, oct_error *error)
{
    json_document document = {0};
    buffer        text = {0};
    yyjson_val   *kind;
    bool          known = false;
    oct_status    status = unpack_text(from, SNAPSHOT_HEAD, size, HEAD_BYTES_MAX, &text, error);

    if (status == OCT_OK)
        status = json_parse((oct_slice){text.data, text.size}, &document, error);
    if (status == OCT_FORMAT)
        status = oct_fail(error, OCT_INVALID, "the snapshot's head, " SNAPSHOT_HEAD ", is not JSON");
    if (status == OCT_OK) {
        out->format = yyjson_get_uint(yyjson_obj_get(document.root, "format"));
        out->created = (int64_t)yyjson_get_uint(yyjson_obj_get(document.root, "created"));
        kind = yyjson_obj_get(document.root, "kind");
        for (size_t i = 0; i < countof(snapshot_kinds); i++) {
            if (yyjson_equals_str(kind, snapshot_kinds[i])) {
                out->scope = (oct_snapshot_scope)i;
                known = true;
            }
        }
        if (out->format == SNAPSHOT_FORMAT_INCREMENT && yyjson_equals_str(kind, SNAPSHOT_KIND_INCREMENT)) {
            out->scope = OCT_SNAPSHOT_FULL;
            out->is_increment = known = true;
            status = read_base(yyjson_obj_get(document.root, "base"), out, error);
        }
        if (out->format == 0 || (out->format <= SNAPSHOT_FORMAT_INCREMENT && !known))
            status = oct_fail(error, OCT_INVALID, "the snapshot's head, " SNAPSHOT_HEAD ", names no format or no kind");
        else if (out->format > SNAPSHOT_FORMAT_INCREMENT)
            status = oct_fail(error, OCT_UNSUPPORTED,
                              "the snapshot has format %llu and was made by a later version; this one (%s) reads up to %u",
                              (unsigned long long)out->format, OCTANT_VERSION, SNAPSHOT_FORMAT_INCREMENT);
    }
    json_document_clear(&document);
    buffer_clear(&text);
    return status;
}

oct_status
unpack_manifest(archive_reader *from, uint64_t size, buffer *out, uint64_t *log_begin, oct_error *error)
{
    json_document document;
    oct_status    status = unpack_text(from, "manifest", size, MANIFEST_BYTES_MAX, out, error);

    if (status != OCT_OK)
        return status;
    status = json_parse((oct_slice){out->data, out->size}, &document, error);
    if (status == OCT_OK)
        *log_begin = yyjson_get_uint(yyjson_obj_get(document.root, "log_sequence"));
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

/* Those of a whole database keep their numbers; those of one collection get new ones. */
oct_status
unpack_append(unpacking *self, uint64_t given, uint64_t shard_id, oct_slice body, oct_error *error)
{
    uint64_t   sequence;
    oct_status status = self->log == NULL ? open_log(self, error) : OCT_OK;

    if (status == OCT_OK)
        status = log_append(self->log, shard_id, &body, 1, &sequence, error);
    if (status == OCT_OK && self->head->scope == OCT_SNAPSHOT_FULL && sequence != given)
        status = oct_fail(error, OCT_INVALID, "the snapshot has record %" PRIu64 " of the log where %" PRIu64 " belongs", given,
                          sequence);
    return status;
}

oct_status
unpack_records(archive_reader *from, const char *name, uint64_t size, buffer *body, unpack_on_record on_record, void *context,
               oct_error *error)
{
    oct_status status = OCT_OK;

    while (size > 0 && status == OCT_OK) {
        char     head[24];
        uint64_t bytes, padded;
        size_t   got;

        status = archive_next(from, head, sizeof head, &got, error);
        if (status != OCT_OK)
            break;
        bytes = get_u64(head + 16);
        padded = bytes + (8 - bytes % 8) % 8;
        if (got < sizeof head || bytes > LOG_BODY_MAX || padded > size - sizeof head)
            return oct_fail(error, OCT_INVALID, "the snapshot's entry %s has a record of %" PRIu64 " bytes, which cannot be",
                            name, bytes);
        body->size = 0;
        if (!buffer_reserve(body, (size_t)padded + 1))
            return oct_fail_memory(error, (size_t)padded);
        status = archive_next(from, body->data, (size_t)padded, &got, error);
        if (status == OCT_OK)
            status = on_record(context, get_u64(head), get_u64(head + 8), (oct_slice){body->data, (size_t)bytes}, error);
        size -= sizeof head + padded;
    }
    return status;
}

static oct_status
append_record(void *context, uint64_t sequence, uint64_t shard_id, oct_slice body, oct_error *error)
{
    return unpack_append(context, sequence, shard_id, body, error);
}

bool
unpack_is_column(const char *name, uint64_t *shard_id)
{
    char *end;

    if (strncmp(name, "shard/", 6) != 0 || name[6] < '1' || name[6] > '9')
        return false;
    *shard_id = strtoull(name + 6, &end, 10);
    return *end == '/' && column_is_file_name(slice_of(end + 1));
}

oct_status
unpack_make_shard(unpacking *self, uint64_t shard_id, oct_error *error)
{
    char       path[OS_PATH_MAX];
    oct_status status;

    if (shard_id == self->shard_seen)
        return OCT_OK;
    (void)snprintf(path, sizeof path, "%s/shard/%" PRIu64, self->folder, shard_id);
    status = os_make_dir(self->system, path, error);
    self->shard_seen = shard_id;
    return status;
}

static oct_status
read_column_file(unpacking *self, archive_reader *from, const char *name, oct_error *error)
{
    char       path[OS_PATH_MAX];
    uint64_t   shard_id, at = 0;
    os_file   *file;
    oct_status status;

    if (!unpack_is_column(name, &shard_id))
        return unpack_fail_entry(name, error);
    status = unpack_make_shard(self, shard_id, error);
    (void)snprintf(path, sizeof path, "%s/%s", self->folder, name);
    if (status == OCT_OK)
        status = os_open(self->system, path, OS_CREATE | OS_EXCLUSIVE, &file, error);
    if (status == OCT_EXISTS)
        return unpack_fail_entry(name, error);
    if (status != OCT_OK)
        return status;
    for (size_t got = 1; status == OCT_OK && got > 0; at += got) {
        status = archive_next(from, self->copy, UNPACK_COPY_BYTES, &got, error);
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
        oct_status status = self->has_head ? unpack_fail_entry(name, error) : unpack_head(from, size, self->head, error);

        self->has_head = status == OCT_OK;
        if (status == OCT_OK && self->head->is_increment && !self->head_only)
            status = oct_fail(error, OCT_INVALID,
                              "this is an incremental backup, which holds a part: `octant restore` puts it together with \"%s\"",
                              self->head->base.file);
        return status == OCT_OK && self->head_only ? OCT_EXISTS : status; /* enough: no status of a reading */
    }
    if (!self->has_head)
        return oct_fail(error, OCT_INVALID,
                        "this is not a snapshot of Octant: its first entry is \"%s\", expected \"" SNAPSHOT_HEAD
                        "\" (snapshots of Qdrant cannot be read)",
                        name);
    if (strcmp(name, DATABASE_FORMAT_FILE) == 0)
        return unpack_text(from, name, size, UNPACK_FORMAT_BYTES_MAX, &self->format, error);
    if (strcmp(name, "manifest") == 0)
        return unpack_manifest(from, size, &self->manifest, &self->log_begin, error);
    if (strncmp(name, "log/", 4) == 0 && self->manifest.size > 0)
        return unpack_records(from, name, size, &self->body, append_record, self, error);
    if (strncmp(name, "shard/", 6) == 0)
        return read_column_file(self, from, name, error);
    return unpack_fail_entry(name, error);
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

/* What makes a database of the files. */
oct_status
unpack_complete(unpacking *self, oct_error *error)
{
    char       path[OS_PATH_MAX];
    uint64_t   number = 0;
    os_file   *file = NULL;
    oct_status status;

    if (self->manifest.size == 0 || self->format.size == 0)
        return oct_fail(error, OCT_INVALID, "the snapshot lacks its manifest, or the entry " DATABASE_FORMAT_FILE);
    status = sync_shards(self, error);
    if (status == OCT_OK)
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

void
unpack_clear(unpacking *self)
{
    (void)log_close(self->log, NULL);
    buffer_clear(&self->format);
    buffer_clear(&self->manifest);
    buffer_clear(&self->body);
    oct_free(self->copy);
}

oct_status
snapshot_unpack(os_file *file, uint64_t offset, uint64_t size, os *to, const char *folder, snapshot_head *head,
                oct_error *error)
{
    unpacking  work = {.system = to, .folder = folder, .head = head, .copy = oct_alloc(UNPACK_COPY_BYTES)};
    oct_status status = work.copy == NULL ? oct_fail_memory(error, UNPACK_COPY_BYTES) : OCT_OK;

    if (status == OCT_OK)
        status = archive_read(file, offset, size, read_entry_of, &work, NULL, error);
    if (status == OCT_OK)
        status = unpack_complete(&work, error);
    unpack_clear(&work);
    if (status != OCT_OK)
        snapshot_remove_tree(to, folder);
    return status;
}

