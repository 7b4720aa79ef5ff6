/* Field indexes in files, so that a database that is opened has them: see fields.h.
 *
 * WHERE    shard/<id>/field.<hash of what the index is>, one file for each index of a shard that has files. It is no part of the
 *          checkpoint: the manifest does not name it, a snapshot does not have it. Lost, damaged or of another time, it is
 *          passed over, and the index is built from the documents in the background.
 * WHEN     After a checkpoint, when the manifest is durable: if the documents of a quarter of the points have
 *          changed since, or the database closes. What a view has seen is made durable first (the log is synced), so that no
 *          crash leaves a view of operations that are gone, whose numbers others would be given.
 * HOW      Written beside, synced, renamed. A failure costs nothing but the time to build.
 * READ     After the log was replayed. A view from the future is passed over; one from the past is brought up to date as any
 *          other, by the points that were touched since.
 * NUMBERS  A replay may give new ids other numbers than they had (shard/points_reclaim.c). So a view of operations behind the
 *          durable checkpoint is not written if numbers were reclaimed since, and not read if the replay did so up to there.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/epoch.h"
#include "collection/fields.h"

#define FILE_PREFIX   "field."
#define PART_SUFFIX   ".part"
#define GROWN_SHARE   4u            /* write again when a quarter has changed */
#define FILE_BYTES_MAX (1ull << 36) /* larger ones are not ours */

/* What the file must be of; the program's version as well, since it may split texts another way. */
static oct_status
make_key(const field_index *index, buffer *out, oct_error *error)
{
    config_store_field(field_index_config(index), out);
    buffer_add_text(out, OCTANT_VERSION);
    return out->failed ? oct_fail_memory(error, out->capacity) : OCT_OK;
}

static oct_status
path_of(const oct_collection *self, oct_slice key, const char *suffix, char file_path[OS_PATH_MAX], oct_error *error)
{
    char name[80];

    (void)snprintf(name, sizeof name, "shard/%" PRIu64 "/" FILE_PREFIX "%016" PRIx64 "%s", self->shard_id,
                   (uint64_t)hash_bytes(key.data, key.size), suffix);
    return os_path_join(file_path, self->database->path, name, error);
}

/* --- writing ----------------------------------------------------------------------------------------- */

static oct_status
write_file(os *system, const char *part, const char *file_path, const buffer *bytes, oct_error *error)
{
    os_file   *file = NULL;
    oct_status status = os_open(system, part, OS_CREATE | OS_TRUNCATE, &file, error);

    if (status == OCT_OK)
        status = os_write(file, 0, bytes->data, bytes->size, error);
    if (status == OCT_OK)
        status = os_sync(file, error);
    os_close(file);
    if (status == OCT_OK)
        status = os_rename(system, part, file_path, error);
    if (status != OCT_OK)
        (void)os_remove(system, part, NULL);
    return status;
}

/* Is what the last file has too little of it? Pinned. */
static bool
is_worth_saving(field_index *index, const field_view *view, bool closing)
{
    const field_saved *saved = field_index_saved(index);

    if (view == NULL || field_view_point_count(view) == 0)
        return false;
    if (!saved->is_there)
        return true;
    if (closing)
        return saved->version != field_view_version(view);
    return field_view_mark(view) - saved->mark > field_view_point_count(view) / GROWN_SHARE;
}

/* *any: it was. */
static oct_status
save_index(oct_collection *self, field_index *index, bool closing, bool *any, oct_error *error)
{
    oct_database *database = self->database;
    char          part[OS_PATH_MAX], file_path[OS_PATH_MAX];
    buffer        key = {0}, bytes = {0};
    field_saved   saved = {.is_there = true};
    field_view   *view;
    oct_status    status = OCT_OK;
    bool          wanted;

    /* What is not done now would have to be done after the next opening. */
    if (closing)
        (void)fields_bring_up_to_date(self, index, NULL);
    epoch_pin();
    view = field_index_view(index);
    wanted = is_worth_saving(index, view, closing);
    if (wanted) {
        status = make_key(index, &key, error);
        if (status == OCT_OK)
            status = field_view_encode(view, (oct_slice){key.data, key.size}, &bytes, error);
        saved.version = field_view_version(view);
        saved.mark = field_view_mark(view);
    }
    epoch_unpin();
    /* Last: a replay from the durable image could number points in another way. The next checkpoint looks again. */
    wanted = wanted && shard_numbers_are_saved(self->shard);
    if (wanted && status == OCT_OK)
        status = path_of(self, (oct_slice){key.data, key.size}, "", file_path, error);
    if (wanted && status == OCT_OK)
        status = path_of(self, (oct_slice){key.data, key.size}, PART_SUFFIX, part, error);
    if (wanted && status == OCT_OK)
        status = log_sync(database->log, error);
    if (wanted && status == OCT_OK)
        status = write_file(database->system, part, file_path, &bytes, error);
    if (wanted && status == OCT_OK) {
        *field_index_saved(index) = saved;
        *any = true;
    }
    buffer_clear(&key);
    buffer_clear(&bytes);
    return status;
}

/* Files of indexes that are no more. */
static void
remove_others(oct_collection *self, field_index *const *indexes, size_t count)
{
    char   folder[OS_PATH_MAX], file_path[OS_PATH_MAX], number[32];
    char **names = NULL;
    size_t name_count = 0;

    (void)snprintf(number, sizeof number, "shard/%" PRIu64, self->shard_id);
    if (os_path_join(folder, self->database->path, number, NULL) != OCT_OK ||
        os_list(self->database->system, folder, &names, &name_count, NULL) != OCT_OK)
        return;
    for (size_t i = 0; i < name_count; i++) {
        bool is_known = strncmp(names[i], FILE_PREFIX, sizeof FILE_PREFIX - 1) != 0;

        for (size_t k = 0; k < count && !is_known; k++) {
            buffer key = {0};
            char   known[OS_PATH_MAX];

            is_known = make_key(indexes[k], &key, NULL) != OCT_OK ||
                       path_of(self, (oct_slice){key.data, key.size}, "", known, NULL) != OCT_OK ||
                       strcmp(strrchr(known, '/') + 1, names[i]) == 0;
            buffer_clear(&key);
        }
        if (!is_known && os_path_join(file_path, folder, names[i], NULL) == OCT_OK)
            (void)os_remove(self->database->system, file_path, NULL);
    }
    oct_free(names);
}

void
fields_save(oct_collection *self, bool closing)
{
    const config_box *box;
    field_index     **indexes;
    size_t            count;
    char              folder[OS_PATH_MAX], number[32];
    bool              any = false;

    if (self->database->system->is_volatile || !shard_has_files(self->shard))
        return;
    epoch_pin();
    box = collection_box(self);
    count = box->field_count;
    indexes = oct_calloc(count + 1, sizeof *indexes);
    for (size_t i = 0; indexes != NULL && i < count; i++)
        indexes[i] = field_index_share(box->fields[i]);
    epoch_unpin();
    if (indexes == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        (void)save_index(self, indexes[i], closing, &any, NULL);
    (void)snprintf(number, sizeof number, "shard/%" PRIu64, self->shard_id);
    if (any && os_path_join(folder, self->database->path, number, NULL) == OCT_OK)
        (void)os_sync_dir(self->database->system, folder, NULL);
    remove_others(self, indexes, count);
    for (size_t i = 0; i < count; i++)
        field_index_release(indexes[i]);
    oct_free(indexes);
}

/* --- reading ------------------------------------------------------------------------------------------- */

static oct_status
read_file(os *system, const char *file_path, buffer *out, oct_error *error)
{
    os_file   *file = NULL;
    uint64_t   size = 0;
    oct_status status = os_open(system, file_path, 0, &file, error);

    if (status == OCT_OK)
        status = os_size(file, &size, error);
    if (status == OCT_OK && size > FILE_BYTES_MAX)
        status = oct_fail(error, OCT_CORRUPT, "%s has %" PRIu64 " bytes", file_path, size);
    if (status == OCT_OK && !buffer_reserve(out, (size_t)size))
        status = oct_fail_memory(error, (size_t)size);
    if (status == OCT_OK)
        status = os_read_all(file, 0, out->data, (size_t)size, error);
    if (status == OCT_OK)
        out->size = (size_t)size;
    os_close(file);
    return status;
}

static oct_status
load_index(oct_collection *self, field_index *index, oct_error *error)
{
    const point_set *all = shard_points(self->shard);
    const uint64_t   touched = atomic_load(&all->touched);
    char             file_path[OS_PATH_MAX];
    buffer           key = {0}, bytes = {0};
    field_view      *view = NULL;
    oct_status       status = make_key(index, &key, error);

    if (status == OCT_OK)
        status = path_of(self, (oct_slice){key.data, key.size}, "", file_path, error);
    if (status == OCT_OK)
        status = read_file(self->database->system, file_path, &bytes, error);
    if (status == OCT_OK)
        status = field_view_decode(index, (oct_slice){key.data, key.size}, (oct_slice){bytes.data, bytes.size}, &view, error);
    if (status == OCT_OK && (field_view_version(view) > shard_version(self->shard) ||
                             field_view_point_count(view) > atomic_load(&all->count)))
        status = oct_fail(error, OCT_NOT_FOUND, "%s knows more than there is", file_path);
    /* It goes, so that nobody takes it for an index of what later checkpoints hold. */
    if (status == OCT_OK && !shard_numbers_hold(self->shard, field_view_version(view))) {
        if (!self->database->read_only)
            (void)os_remove(self->database->system, file_path, NULL);
        status = oct_fail(error, OCT_NOT_FOUND, "%s knows points by numbers that they have no longer", file_path);
    }
    if (status == OCT_OK) {
        const field_saved saved = {true, field_view_version(view), touched};

        /* Of an older one nobody knows how often points were touched since: it asks to be brought up to date. */
        if (field_view_version(view) == shard_version(self->shard))
            field_view_set_mark(view, touched);
        *field_index_saved(index) = saved;
        epoch_pin();
        (void)field_index_publish(index, NULL, view);
        epoch_unpin();
    }
    field_view_release(view);
    buffer_clear(&key);
    buffer_clear(&bytes);
    return status;
}

void
fields_load(oct_collection *self)
{
    const config_box *box = collection_box(self); /* nobody else is there yet */

    if (self->database->system->is_volatile || !shard_has_files(self->shard))
        return;
    for (size_t i = 0; i < box->field_count; i++)
        (void)load_index(self, box->fields[i], NULL);
}
