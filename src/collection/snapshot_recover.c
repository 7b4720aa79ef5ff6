/* Recovering a collection from a snapshot, in a running database. See snapshot.h.
 *
 * TRUST    The archive's checksum says that it is what was written. The columns' own say that what was written was whole. The checks
 *          of the opened shard say that it makes sense. All three before anything is replaced.
 */
#include "collection/snapshot.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/epoch.h"
#include "base/json.h"
#include "storage/manifest.h"

#define STAGING        "recover" /* folder of a database in which a snapshot is unpacked */
#define MEMORY_STAGING "/recover"
#define SETTLE_ROUNDS  1000 /* checkpoints until all is in files: each but the last met a compaction */

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

    if (status == OCT_OK)
        status = os_list(system, from, &names, &count, error);
    if (status == OCT_NOT_FOUND) { /* an empty collection has no files */
        status = OCT_OK;
        count = 0;
    }
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
