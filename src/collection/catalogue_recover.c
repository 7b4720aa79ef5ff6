/* A collection out of a snapshot takes its place in the catalogue.
 *
 * The files are in the folder of a shard number that nobody has, durable; nothing names them. One record in the log then makes them
 * a collection, in the place of the one that has the name, aliases included: whoever opens the database sees the old one or the new
 * one, never half of each. Until the next checkpoint it is this record that names the files, after it the manifest.
 * Readers of the old collection go on with it until they let it go.
 */
#include <inttypes.h>

#include "base/epoch.h"
#include "collection/catalogue_internal.h"

void
catalogue_reserve_shard(oct_database *self, uint64_t *shard_id)
{
    (void)pthread_mutex_lock(&self->catalogue_lock);
    *shard_id = self->next_shard_id++;
    self->recovering_count++;
    (void)pthread_mutex_unlock(&self->catalogue_lock);
}

void
catalogue_return_shard(oct_database *self)
{
    (void)pthread_mutex_lock(&self->catalogue_lock);
    self->recovering_count--;
    (void)pthread_mutex_unlock(&self->catalogue_lock);
}

/* The record: the entry under another name and number. */
static oct_status
write_recover(yyjson_val *entry, oct_slice name, uint64_t shard_id, uint64_t replaces, buffer *out, oct_error *error)
{
    static const char *const ours[] = {"op", "shard", "name", "replaces"};
    arena                    memory = {0};
    yyjson_val              *key, *value;
    size_t                   index, max;
    oct_status               status = OCT_OK;

    buffer_format(out, "{\"op\":\"recover\",\"shard\":%" PRIu64 ",\"replaces\":%" PRIu64 ",\"name\":", shard_id,
                  replaces);
    json_add_text(out, name);
    yyjson_obj_foreach(entry, index, max, key, value)
    {
        oct_slice text = {"", 0};
        bool      is_ours = false;

        for (size_t i = 0; i < countof(ours); i++)
            is_ours = is_ours || yyjson_equals_str(key, ours[i]);
        if (is_ours || status != OCT_OK)
            continue;
        buffer_add_byte(out, ',');
        json_add_text(out, (oct_slice){yyjson_get_str(key), yyjson_get_len(key)});
        buffer_add_byte(out, ':');
        status = json_write_value(value, &memory, &text, error);
        buffer_add(out, text.data, text.size);
    }
    buffer_add_byte(out, '}');
    arena_clear(&memory);
    return status == OCT_OK && out->failed ? oct_fail_memory(error, out->size) : status;
}

/* Do two collections take the same points? */
static oct_status
check_same_vectors(const config_box *old, const config_box *made, oct_error *error)
{
    bool same = old->config.vector_count == made->config.vector_count;

    for (size_t i = 0; i < made->config.vector_count && same; i++) {
        const oct_vector_config *b = &made->config.vectors[i];
        size_t                   place = 0;

        same = box_find_vector(old, b->name, &place, NULL) == OCT_OK && old->config.vectors[place].size == b->size &&
               old->config.vectors[place].distance == b->distance;
    }
    return same ? OCT_OK
                : oct_fail(error, OCT_INVALID,
                           "the snapshot's vectors are not those of the collection: names, sizes and distances must be the "
                           "same for a shard; recover the whole collection instead");
}

oct_status
catalogue_adopt(oct_database *self, oct_slice name, uint64_t shard_id, oct_slice entry_text, oct_slice content,
                bool only_shard, oct_error *error)
{
    const uint64_t  base = log_last_sequence(self->log);
    oct_collection *old = NULL, *made = NULL;
    json_document   entry = {0}, record = {0};
    buffer          body = {0};
    uint64_t        sequence = 0;
    char           *target = NULL;
    oct_status      status = json_parse(entry_text, &entry, error);

    (void)pthread_mutex_lock(&self->catalogue_lock);
    old = find_collection(self, name, true);
    target = old == NULL ? oct_copy_text(name.data, name.size) : oct_copy_text(old->name, strlen(old->name));
    if (old != NULL)
        (void)atomic_fetch_add(&old->references, 1);
    (void)pthread_mutex_unlock(&self->catalogue_lock);
    if (status == OCT_OK && target == NULL)
        status = oct_fail_memory(error, name.size);
    if (status == OCT_OK && old == NULL && only_shard)
        status = fail_no_collection(name, error);
    if (status == OCT_OK && old == NULL)
        status = config_check_name("collection name", name, OCT_COLLECTION_NAME_MAX, error);
    if (status == OCT_OK)
        status = write_recover(entry.root, slice_of(target), shard_id, old == NULL ? 0 : old->shard_id, &body, error);
    if (status == OCT_OK)
        status = json_parse((oct_slice){body.data, body.size}, &record, error);
    if (status == OCT_OK)
        status = read_entry(self, record.root, true, false, base, &made, error);
    if (status == OCT_OK && content.size > 0)
        status = shard_replay(made->shard, base + 1, content, error);
    if (status == OCT_OK && only_shard) {
        epoch_pin();
        status = check_same_vectors(collection_box(old), collection_box(made), error);
        epoch_unpin();
    }
    if (status != OCT_OK)
        goto out;
    (void)pthread_mutex_lock(&self->catalogue_lock);
    if (find_collection(self, name, true) != old)
        status = oct_fail(error, OCT_BUSY, "Collection `" SLICE_FMT "` was made or deleted meanwhile; try again",
                          SLICE_ARG(name));
    if (status == OCT_OK)
        status = reserve_collection(self, error);
    if (status == OCT_OK)
        status = log_change(self, &body, false, &sequence, error);
    if (status == OCT_OK) {
        replace_collection(self, old, made);
        if (old != NULL) {
            atomic_store(&made->snapshots_created, atomic_load(&old->snapshots_created));
            shard_drop(old->shard);
        }
    }
    (void)pthread_mutex_unlock(&self->catalogue_lock);
    if (status != OCT_OK)
        goto out;
    collection_release(old); /* the catalogue's */
    shard_kick(made->shard);
    made = NULL; /* the catalogue owns it now */
    status = log_wait(self->log, sequence, error);
    database_consider_checkpoint(self, true);
out:
    collection_release(old);
    collection_release(made);
    json_document_clear(&entry);
    json_document_clear(&record);
    buffer_clear(&body);
    oct_free(target);
    return status;
}
