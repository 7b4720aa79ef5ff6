/* The folder of snapshots: what is in it, made, listed and removed; and the threads of those who do not wait. See snapshot.h.
 *
 *     <folder>/<name>                              full ones
 *     <folder>/<collection>/<name>                 a collection's
 *     <folder>/<collection>/shards/<id>/<name>     a shard's
 *
 * A snapshot is written under a name that no list shows (<name>.part) and renamed when it is whole and synced; its checksum
 * lies beside it, in <name>.checksum. Names come from outside: no part of one may lead out of its folder.
 */
#include "collection/snapshot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"

#define SUFFIX        ".snapshot"
#define SUM_SUFFIX    ".checksum"
#define PART_SUFFIX   ".part"
#define NAME_MAX_OURS 250u /* bytes of a name: a file system takes 255, and a suffix comes behind */
#define TITLE_MAX     180u /* bytes of a collection's name in a snapshot's */
#define SAME_SECOND   1000 /* snapshots of one name in one second */
#define JOBS_MAX      8u
#define PEER_ID       1u   /* of this node, as GET .../cluster shows it */

/* --- places ----------------------------------------------------------------------------------------------------- */

oct_status
snapshot_store_init(oct_database *self, const char *path, oct_error *error)
{
    char here[OS_PATH_MAX] = "", full[OS_PATH_MAX];

    self->snapshot_system = self->system;
    if (path != NULL && path[0] == '\0')
        return oct_fail(error, OCT_INVALID, "snapshots_path is empty; leave it out, or give a folder");
    if (path == NULL && self->path == NULL)
        path = "/snapshots";
    else if (path != NULL && self->system->is_volatile)
        self->snapshot_system = os_posix();
    /* Absolute, so that locations can be compared with it, whatever folder the process goes to later. */
    if ((path == NULL ? self->path : path)[0] != '/' && self->snapshot_system == os_posix() &&
        getcwd(here, sizeof here) == NULL)
        return oct_fail(error, OCT_IO, "the working directory cannot be had; give an absolute path");
    if (snprintf(full, sizeof full, "%s%s%s%s", here, here[0] == '\0' ? "" : "/", path == NULL ? self->path : path,
                 path == NULL ? "/snapshots" : "") > (int)(OS_PATH_MAX / 2))
        return oct_fail(error, OCT_RANGE, "the path of the snapshot folder is longer than %u bytes", OS_PATH_MAX / 2);
    self->snapshot_path = oct_copy_text(full, strlen(full));
    return self->snapshot_path == NULL ? oct_fail_memory(error, strlen(full)) : OCT_OK;
}

/* The collection of a place (NULL for all), by whatever name it was called. */
static oct_status
find_place(oct_database *self, const oct_snapshot_place *place, oct_collection **out, oct_error *error)
{
    oct_status status;

    *out = NULL;
    if (place->scope == OCT_SNAPSHOT_FULL)
        return OCT_OK;
    status = catalogue_find_any(self, place->collection, out, error); /* a damaged one's can be recovered from */
    if (status == OCT_OK && place->scope == OCT_SNAPSHOT_SHARD && place->shard != 0) {
        collection_release(*out);
        *out = NULL;
        return oct_fail(error, OCT_NOT_FOUND, "Shard %u not found; the collection has one, number 0", place->shard);
    }
    return status;
}

/* A collection's name as that of a folder: any but "", "." and "..", or one that begins with a dot. */
static void
folder_name(const char *name, char *out, size_t size)
{
    size_t used = 0;

    for (; *name != '\0' && used + 4 < size; name++) {
        if ((*name == '.' && used == 0) || *name == '%') {
            (void)snprintf(out + used, 4, "%%%02X", (unsigned)(unsigned char)*name);
            used += 3;
        } else {
            out[used++] = *name;
        }
    }
    out[used] = '\0';
}

static oct_status
place_path(const oct_database *self, const oct_snapshot_place *place, const oct_collection *collection,
           char out[OS_PATH_MAX], oct_error *error)
{
    char name[3 * OCT_COLLECTION_NAME_MAX + 1];
    int  size;

    if (collection == NULL) {
        size = snprintf(out, OS_PATH_MAX, "%s", self->snapshot_path);
    } else {
        folder_name(collection->name, name, sizeof name);
        if (place->scope == OCT_SNAPSHOT_SHARD)
            size = snprintf(out, OS_PATH_MAX, "%s/%s/shards/%u", self->snapshot_path, name, place->shard);
        else
            size = snprintf(out, OS_PATH_MAX, "%s/%s", self->snapshot_path, name);
    }
    return size < (int)OS_PATH_MAX ? OCT_OK : oct_fail(error, OCT_RANGE, "the path of the snapshot folder is too long");
}

static oct_status
find_folder(oct_database *self, const oct_snapshot_place *place, char out[OS_PATH_MAX], oct_error *error)
{
    oct_collection  *collection;
    const oct_status found = find_place(self, place, &collection, error);
    const oct_status status = found == OCT_OK ? place_path(self, place, collection, out, error) : found;

    collection_release(collection);
    return status;
}

static bool
ends_with(oct_slice name, const char *suffix)
{
    const size_t size = strlen(suffix);

    return name.size > size && memcmp(name.data + name.size - size, suffix, size) == 0;
}

/* No part of a path, nothing hidden, none of our other files. */
static bool
is_snapshot_name(oct_slice name)
{
    return name.size >= 1 && name.size <= NAME_MAX_OURS && name.data[0] != '.' &&
           memchr(name.data, '/', name.size) == NULL && memchr(name.data, '\0', name.size) == NULL &&
           !ends_with(name, SUM_SUFFIX) && !ends_with(name, PART_SUFFIX) && utf8_is_valid(name);
}

static oct_status
fail_unknown(oct_slice name, oct_error *error)
{
    return oct_fail(error, OCT_NOT_FOUND, "Snapshot %.*s not found", (int)size_min(name.size, NAME_MAX_OURS), name.data);
}

/* `folder`/`name``suffix`; OCT_NOT_FOUND for what cannot be a name. */
static oct_status
file_path(const char *folder, oct_slice name, const char *suffix, char out[OS_PATH_MAX], oct_error *error)
{
    if (!is_snapshot_name(name) ||
        snprintf(out, OS_PATH_MAX, "%s/%.*s%s", folder, (int)name.size, name.data, suffix) >= (int)OS_PATH_MAX)
        return fail_unknown(name, error);
    return OCT_OK;
}

/* --- descriptions -------------------------------------------------------------------------------------------------- */

static oct_status
describe(os *system, const char *folder, const char *name, arena *memory, oct_snapshot *out, oct_error *error)
{
    char          path[OS_PATH_MAX], sum[SHA256_TEXT_BYTES];
    snapshot_head head = {0};
    os_file      *file;
    size_t        got = 0;
    const char   *copy = arena_text(memory, name, strlen(name));
    oct_status    status = copy == NULL ? oct_fail_memory(error, strlen(name))
                                        : file_path(folder, slice_of(name), "", path, error);

    *out = (oct_snapshot){.name = {copy, strlen(name)}, .checksum = {"", 0}};
    if (status == OCT_OK)
        status = os_open(system, path, 0, &file, error);
    if (status != OCT_OK)
        return status;
    status = os_size(file, &out->size, error);
    /* What somebody else put here is listed too. */
    if (status == OCT_OK && snapshot_read_head(file, 0, out->size, &head, NULL) == OCT_OK)
        out->created = head.created;
    os_close(file);
    if (status == OCT_OK)
        status = file_path(folder, slice_of(name), SUM_SUFFIX, path, error);
    if (status != OCT_OK || os_open(system, path, 0, &file, NULL) != OCT_OK)
        return status;
    if (os_read(file, 0, sum, sizeof sum, &got, NULL) == OCT_OK && got >= SHA256_TEXT_BYTES - 1) {
        copy = arena_text(memory, sum, SHA256_TEXT_BYTES - 1);
        if (copy == NULL)
            status = oct_fail_memory(error, got);
        else
            out->checksum = (oct_slice){copy, SHA256_TEXT_BYTES - 1};
    }
    os_close(file);
    return status;
}

/* One allocation that holds them with their texts. */
static oct_status
snapshots_new(const oct_snapshot *items, size_t count, oct_snapshots **out, oct_error *error)
{
    size_t        bytes = sizeof **out + count * sizeof *items;
    oct_snapshot *copies;
    char         *text;

    for (size_t i = 0; i < count; i++)
        bytes += items[i].name.size + items[i].checksum.size + 2;
    *out = oct_calloc(1, bytes);
    if (*out == NULL)
        return oct_fail_memory(error, bytes);
    copies = (oct_snapshot *)(void *)(*out + 1);
    text = (char *)(copies + count);
    for (size_t i = 0; i < count; i++) {
        copies[i] = items[i];
        memcpy(text, items[i].name.data, items[i].name.size);
        copies[i].name.data = text;
        text += items[i].name.size + 1;
        memcpy(text, items[i].checksum.data, items[i].checksum.size);
        copies[i].checksum.data = text;
        text += items[i].checksum.size + 1;
    }
    (*out)->count = count;
    (*out)->items = copies;
    return OCT_OK;
}

oct_status
snapshot_store_list(oct_database *self, const oct_snapshot_place *place, oct_snapshots **out, oct_error *error)
{
    char          folder[OS_PATH_MAX];
    char        **names = NULL;
    oct_snapshot *items = NULL;
    size_t        count = 0, kept = 0;
    arena         memory = {0};
    oct_status    status = find_folder(self, place, folder, error);

    *out = NULL;
    if (status != OCT_OK)
        return status;
    status = os_list(self->snapshot_system, folder, &names, &count, error);
    if (status == OCT_NOT_FOUND) { /* none was ever made */
        status = OCT_OK;
        count = 0;
    }
    items = oct_calloc(count + 1, sizeof *items);
    if (status == OCT_OK && items == NULL)
        status = oct_fail_memory(error, count * sizeof *items);
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        if (!is_snapshot_name(slice_of(names[i])) || !ends_with(slice_of(names[i]), SUFFIX))
            continue;
        status = describe(self->snapshot_system, folder, names[i], &memory, &items[kept], error);
        if (status == OCT_OK)
            kept++;
        else if (status == OCT_NOT_FOUND) /* deleted meanwhile */
            status = OCT_OK;
    }
    if (status == OCT_OK)
        status = snapshots_new(items, kept, out, error);
    oct_free(items);
    oct_free(names);
    arena_clear(&memory);
    return status;
}

/* --- making -------------------------------------------------------------------------------------------------------------- */

/* At most so many bytes of a text, and no half of a character. */
static size_t
cut_text(const char *text, size_t max)
{
    size_t size = strlen(text);

    if (size <= max)
        return size;
    for (size = max; size > 0 && ((unsigned char)text[size] & 0xC0) == 0x80;)
        size--;
    return size;
}

static void
make_name(const oct_snapshot_place *place, const oct_collection *collection, int same, char out[NAME_MAX_OURS + 1])
{
    const time_t now = time(NULL);
    struct tm    parts = {0};
    char         when[32] = "", again[16] = "";
    const int    size = collection == NULL ? 0 : (int)cut_text(collection->name, TITLE_MAX);

    (void)gmtime_r(&now, &parts);
    (void)strftime(when, sizeof when, "%Y-%m-%d-%H-%M-%S", &parts);
    if (same > 0)
        (void)snprintf(again, sizeof again, "-%d", same);
    if (collection == NULL)
        (void)snprintf(out, NAME_MAX_OURS + 1, "full-snapshot-%s%s" SUFFIX, when, again);
    else if (place->scope == OCT_SNAPSHOT_SHARD)
        (void)snprintf(out, NAME_MAX_OURS + 1, "%.*s-shard-%u-%s%s" SUFFIX, size, collection->name, place->shard, when,
                       again);
    else
        (void)snprintf(out, NAME_MAX_OURS + 1, "%.*s-%u-%s%s" SUFFIX, size, collection->name, PEER_ID, when, again);
    if (out[0] == '.')
        out[0] = '_';
}

/* A name that nobody has: the file is there from now on, empty and not listed. */
static oct_status
take_name(os *system, const char *folder, const oct_snapshot_place *place, const oct_collection *collection,
          char name[NAME_MAX_OURS + 1], oct_error *error)
{
    char       path[OS_PATH_MAX];
    os_file   *file;
    oct_status status = OCT_EXISTS;

    for (int same = 0; status == OCT_EXISTS && same < SAME_SECOND; same++) {
        make_name(place, collection, same, name);
        status = file_path(folder, slice_of(name), "", path, error);
        if (status != OCT_OK)
            break;
        status = os_open(system, path, 0, &file, error);
        os_close(file);
        if (status != OCT_NOT_FOUND) {
            status = status == OCT_OK ? OCT_EXISTS : status;
            continue;
        }
        status = file_path(folder, slice_of(name), PART_SUFFIX, path, error);
        if (status == OCT_OK)
            status = os_open(system, path, OS_CREATE | OS_EXCLUSIVE, &file, error);
        if (status == OCT_OK)
            os_close(file);
    }
    return status;
}

/* Make a folder of snapshots, and its name durable, and those of the folders above it down from what was there. */
static oct_status
make_folder(const oct_database *self, const char *folder, oct_error *error)
{
    const size_t base = strlen(self->snapshot_path);
    char         path[OS_PATH_MAX];
    size_t       size = strlen(folder);
    oct_status   status = os_make_dir(self->snapshot_system, folder, error);

    memcpy(path, folder, size + 1);
    for (bool above = false; !above && status == OCT_OK;) {
        above = size <= base;
        while (size > 1 && path[size - 1] != '/')
            size--;
        path[size > 1 ? size - 1 : 1] = '\0';
        size = strlen(path);
        status = os_sync_dir(self->snapshot_system, path, error);
    }
    return status;
}

static oct_status
write_sum(os *system, const char *path, const char *sum, oct_error *error)
{
    os_file   *file;
    oct_status status = os_open(system, path, OS_CREATE | OS_TRUNCATE, &file, error);

    if (status != OCT_OK)
        return status;
    status = os_write(file, 0, sum, strlen(sum), error);
    if (status == OCT_OK)
        status = os_sync(file, error);
    os_close(file);
    return status;
}

static oct_status
create(oct_database *self, const oct_snapshot_place *place, oct_collection *collection, oct_snapshots **out,
       oct_error *error)
{
    os        *system = self->snapshot_system;
    char       folder[OS_PATH_MAX], part[OS_PATH_MAX], path[OS_PATH_MAX], sum_path[OS_PATH_MAX];
    char       name[NAME_MAX_OURS + 1], sum[SHA256_TEXT_BYTES];
    uint64_t   size;
    oct_status status = place_path(self, place, collection, folder, error);

    if (status == OCT_OK)
        status = make_folder(self, folder, error);
    if (status == OCT_OK)
        status = take_name(system, folder, place, collection, name, error);
    if (status != OCT_OK)
        return status;
    (void)file_path(folder, slice_of(name), PART_SUFFIX, part, NULL);
    (void)file_path(folder, slice_of(name), SUM_SUFFIX, sum_path, NULL);
    (void)file_path(folder, slice_of(name), "", path, NULL);
    if (collection != NULL)
        (void)atomic_fetch_add(&collection->snapshots_running, 1);
    status = snapshot_write(self, place->scope, collection, system, part, &size, sum, error);
    if (collection != NULL)
        (void)atomic_fetch_sub(&collection->snapshots_running, 1);
    if (status == OCT_OK)
        status = write_sum(system, sum_path, sum, error);
    if (status == OCT_OK)
        status = os_rename(system, part, path, error);
    if (status == OCT_OK)
        status = os_sync_dir(system, folder, error);
    if (status != OCT_OK) {
        (void)os_remove(system, part, NULL);
        (void)os_remove(system, sum_path, NULL);
        (void)os_remove(system, path, NULL);
    }
    if (status == OCT_OK && collection != NULL)
        (void)atomic_fetch_add(&collection->snapshots_created, 1);
    if (status == OCT_OK && out != NULL) {
        const oct_snapshot item = {{name, strlen(name)}, size, time(NULL), {sum, strlen(sum)}};

        status = snapshots_new(&item, 1, out, error);
    }
    return status;
}

/* Recover, and be counted by the collection that is there meanwhile, if one is. */
static oct_status
recover_counted(oct_database *self, const oct_snapshot_place *place, os_file *file, uint64_t offset, uint64_t size,
                oct_error *error)
{
    oct_collection *old = NULL;
    oct_status      status;

    (void)catalogue_find_any(self, place->collection, &old, NULL);
    if (old != NULL)
        (void)atomic_fetch_add(&old->recoveries_running, 1);
    status = snapshot_recover(self, place->scope, place->collection, file, offset, size, error);
    if (old != NULL)
        (void)atomic_fetch_sub(&old->recoveries_running, 1);
    collection_release(old);
    return status;
}

/* --- for those who do not wait ------------------------------------------------------------------------------------------- */

typedef struct job {
    oct_database      *database;
    oct_snapshot_place place; /* its text is `name` */
    oct_collection    *collection; /* to make one of; a reference */
    oct_file          *file;       /* or to recover from */
    uint64_t           offset, size;
    char              *name;
} job;

static void
job_free(job *self)
{
    if (self == NULL)
        return;
    collection_release(self->collection);
    oct_file_close(self->file);
    oct_free(self->name);
    oct_free(self);
}

static void *
run_job(void *context)
{
    job          *self = context;
    oct_database *database = self->database;

    if (self->file != NULL)
        (void)recover_counted(database, &self->place, self->file->file, self->offset, self->size, NULL);
    else
        (void)create(database, &self->place, self->collection, NULL, NULL);
    job_free(self);
    (void)pthread_mutex_lock(&database->job_lock);
    database->job_count--;
    (void)pthread_cond_broadcast(&database->job_ended);
    (void)pthread_mutex_unlock(&database->job_lock);
    return NULL;
}

/* Takes collection and file over. */
static oct_status
start_job(oct_database *self, const oct_snapshot_place *place, oct_collection *collection, oct_file *file,
          uint64_t offset, uint64_t size, oct_error *error)
{
    job           *made = oct_calloc(1, sizeof *made);
    char          *name = oct_copy_text(place->collection.data == NULL ? "" : place->collection.data, place->collection.size);
    pthread_attr_t detached;
    pthread_t      thread;
    oct_status     status = OCT_OK;

    if (made == NULL || name == NULL) {
        oct_free(made);
        oct_free(name);
        collection_release(collection);
        oct_file_close(file);
        return oct_fail_memory(error, sizeof *made);
    }
    *made = (job){.database = self, .place = *place, .collection = collection, .file = file, .offset = offset,
                  .size = size, .name = name};
    made->place.collection = slice_of(name);
    made->place.collection.size = place->collection.size;
    (void)pthread_attr_init(&detached);
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    (void)pthread_mutex_lock(&self->job_lock);
    if (self->job_count >= JOBS_MAX)
        status = oct_fail(error, OCT_BUSY, "%u snapshots are being made or recovered; try again later", JOBS_MAX);
    else if (pthread_create(&thread, &detached, run_job, made) != 0)
        status = oct_fail(error, OCT_NOMEM, "a thread for the snapshot could not be started");
    else
        self->job_count++;
    (void)pthread_mutex_unlock(&self->job_lock);
    (void)pthread_attr_destroy(&detached);
    if (status != OCT_OK)
        job_free(made);
    return status;
}

void
snapshot_store_wait(oct_database *self)
{
    (void)pthread_mutex_lock(&self->job_lock);
    while (self->job_count > 0)
        (void)pthread_cond_wait(&self->job_ended, &self->job_lock);
    (void)pthread_mutex_unlock(&self->job_lock);
}

/* --- octant.h -------------------------------------------------------------------------------------------------------------- */

oct_status
snapshot_store_create(oct_database *self, const oct_snapshot_place *place, bool wait, oct_snapshots **out,
                      oct_error *error)
{
    oct_collection *collection;
    oct_status      status = find_place(self, place, &collection, error);

    if (out != NULL)
        *out = NULL;
    if (status == OCT_OK && self->read_only)
        status = oct_fail(error, OCT_FORBIDDEN, "the database %s was opened for reading only; octant backup can copy it",
                          self->path);
    if (status == OCT_OK && collection != NULL && shard_damage(collection->shard) != NULL)
        status = shard_fail_damaged(collection->shard, error);
    if (status == OCT_OK && !wait)
        return start_job(self, place, collection, NULL, 0, 0, error);
    if (status == OCT_OK)
        status = create(self, place, collection, out, error);
    collection_release(collection);
    return status;
}

oct_status
snapshot_store_delete(oct_database *self, const oct_snapshot_place *place, oct_slice name, oct_error *error)
{
    char       folder[OS_PATH_MAX], path[OS_PATH_MAX];
    os_file   *file = NULL;
    oct_status status = find_folder(self, place, folder, error);

    if (status == OCT_OK && self->read_only)
        status = oct_fail(error, OCT_FORBIDDEN, "the database %s was opened for reading only", self->path);
    if (status == OCT_OK)
        status = file_path(folder, name, "", path, error);
    if (status == OCT_OK && os_open(self->snapshot_system, path, 0, &file, error) != OCT_OK)
        status = fail_unknown(name, error);
    os_close(file);
    if (status == OCT_OK)
        status = os_remove(self->snapshot_system, path, error);
    if (status == OCT_OK)
        status = file_path(folder, name, SUM_SUFFIX, path, error);
    if (status == OCT_OK)
        status = os_remove(self->snapshot_system, path, error);
    return status == OCT_OK ? os_sync_dir(self->snapshot_system, folder, error) : status;
}

oct_status
snapshot_store_open(oct_database *self, const oct_snapshot_place *place, oct_slice name, oct_file **out,
                    oct_error *error)
{
    char       folder[OS_PATH_MAX], path[OS_PATH_MAX];
    oct_status status = find_folder(self, place, folder, error);

    *out = NULL;
    if (status == OCT_OK)
        status = file_path(folder, name, "", path, error);
    if (status == OCT_OK)
        status = snapshot_file_open(self->snapshot_system, path, out, error);
    return status == OCT_NOT_FOUND && *out == NULL && find_folder(self, place, folder, NULL) == OCT_OK
               ? fail_unknown(name, error)
               : status;
}

oct_status
snapshot_store_recover(oct_database *self, const oct_snapshot_place *place, oct_file *file, uint64_t offset,
                       uint64_t size, bool wait, oct_error *error)
{
    oct_status status = OCT_OK;

    if (place->scope == OCT_SNAPSHOT_FULL)
        status = oct_fail(error, OCT_INVALID,
                          "a running database cannot be replaced as a whole: `octant restore` makes a new one of a full snapshot");
    else if (place->scope == OCT_SNAPSHOT_SHARD && place->shard != 0)
        status = oct_fail(error, OCT_NOT_FOUND, "Shard %u not found; the collection has one, number 0", place->shard);
    else if (offset > file->size || size > file->size - offset)
        status = oct_fail(error, OCT_RANGE, "bytes %" PRIu64 " to %" PRIu64 " are not all in the file, which has %" PRIu64,
                          offset, offset + size, file->size);
    if (status == OCT_OK && !wait)
        return start_job(self, place, NULL, file, offset, size, error);
    if (status == OCT_OK)
        status = recover_counted(self, place, file->file, offset, size, error);
    oct_file_close(file);
    return status;
}
