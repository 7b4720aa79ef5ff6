/* Reading chains of backups: finding the links, verifying them, laying them one over the other. See backup.h. */
#include "collection/backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "collection/snapshot_unpack.h"

#define GROUPS_FILE "records.part" /* in the new folder: records of the log, until all are there */

/* --- the chain ---------------------------------------------------------------------------------------------- */

typedef struct backup_link {
    char         *path;
    uint64_t      bytes;
    snapshot_head head;
} backup_link;

typedef struct backup_chain {
    backup_link *links; /* the newest first */
    size_t       count;
    pieces       wanted; /* what the newest lists; empty for a whole backup */
    char         sha256[SHA256_TEXT_BYTES]; /* of the newest */
} backup_chain;

static void
chain_clear(backup_chain *self)
{
    for (size_t i = 0; i < self->count; i++)
        oct_free(self->links[i].path);
    oct_free(self->links);
    pieces_clear(&self->wanted);
}

/* Is the file at `path`, by a look at its end, the one that an increment goes on from? */
static bool
looks_right(os *system, const char *path, const snapshot_head *of)
{
    os_file *file = NULL;
    uint64_t size = 0;
    uint32_t crc = 0;
    bool     found = os_open(system, path, 0, &file, NULL) == OCT_OK && os_size(file, &size, NULL) == OCT_OK;

    found = found && size == of->base.bytes && archive_read_crc(file, size, &crc) && crc == of->base.crc;
    os_close(file);
    return found;
}

/* The file that `link` goes on from: the one of its name; or, if that is another or gone, one that looks like it. */
static oct_status
find_base(os *system, const backup_link *link, const char *folder, char out[OS_PATH_MAX], oct_error *error)
{
    char       named[OS_PATH_MAX];
    char     **names = NULL;
    size_t     count = 0;
    bool       found;
    oct_status status = os_path_join(named, folder, link->head.base.file, error);

    if (status != OCT_OK)
        return status;
    memcpy(out, named, strlen(named) + 1);
    found = looks_right(system, named, &link->head);
    if (!found && os_list(system, folder, &names, &count, NULL) != OCT_OK)
        count = 0;
    for (size_t i = 0; i < count && !found; i++)
        found = os_path_join(out, folder, names[i], NULL) == OCT_OK && looks_right(system, out, &link->head);
    oct_free(names);
    if (found)
        return OCT_OK;
    memcpy(out, named, strlen(named) + 1);
    /* One of its name is read all the same: perhaps it is damaged, and then that is what has to be said. */
    if (os_exists(system, named))
        return OCT_OK;
    return oct_fail(error, OCT_NOT_FOUND,
                    "%s is an increment of the backup \"%s\" (%" PRIu64
                    " bytes, SHA-256 %s), which is not in the folder %s: put it there, or name the folder that it is in (--bases)",
                    link->path, link->head.base.file, link->head.base.bytes, link->head.base.sha256, folder);
}

/* Open, read whole, verify; *sum is that of the file. */
static oct_status
read_link(os *system, backup_link *link, pieces *held, char sum[SHA256_TEXT_BYTES], oct_error *error)
{
    os_file   *file = NULL;
    oct_status status = os_open(system, link->path, 0, &file, error);

    if (status == OCT_OK)
        status = os_size(file, &link->bytes, error);
    if (status == OCT_OK)
        status = snapshot_read_head(file, 0, link->bytes, &link->head, error);
    if (status == OCT_OK) /* a snapshot of a collection has no pieces that could be listed */
        status = pieces_read(file, link->bytes, &link->head, link->head.scope == OCT_SNAPSHOT_FULL ? held : NULL, sum, error);
    os_close(file);
    return status;
}

static oct_status
add_link(backup_chain *self, const char *path, oct_error *error)
{
    backup_link *fresh = oct_realloc(self->links, (self->count + 1) * sizeof *fresh);

    if (fresh == NULL)
        return oct_fail_memory(error, sizeof *fresh);
    self->links = fresh;
    fresh[self->count] = (backup_link){.path = oct_copy_text(path, strlen(path))};
    if (fresh[self->count].path == NULL)
        return oct_fail_memory(error, strlen(path));
    self->count++;
    return OCT_OK;
}

/* A reason from deep inside, with the backup that it was met for. */
static oct_status
fail_base(const backup_link *of, const char *path, oct_status status, const oct_error *why, oct_error *error)
{
    if (status != OCT_CORRUPT && status != OCT_INVALID && status != OCT_UNSUPPORTED)
        return oct_fail(error, status, "%s", why->text);
    return oct_fail(error, status, "%s, which %s goes on from, cannot be used: %s", path, of->path, why->text);
}

static oct_status
read_chain(os *system, const char *path, const char *bases, backup_chain *self, oct_error *error)
{
    const char *slash = strrchr(path, '/');
    char        folder[OS_PATH_MAX], next[OS_PATH_MAX], sum[SHA256_TEXT_BYTES];
    oct_status  status;

    *self = (backup_chain){0};
    if (bases == NULL)
        (void)snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 1 : (int)size_max((size_t)(slash - path), 1),
                       slash == NULL ? "." : path);
    else
        (void)snprintf(folder, sizeof folder, "%s", bases);
    status = add_link(self, path, error);
    if (status == OCT_OK)
        status = read_link(system, &self->links[0], &self->wanted, self->sha256, error);
    while (status == OCT_OK && self->links[self->count - 1].head.is_increment) {
        oct_error    why = {0};
        backup_link *of;

        if (self->count >= BACKUP_LINKS_MAX)
            return oct_fail(error, OCT_RANGE, "%s goes on from more than %u backups", path, BACKUP_LINKS_MAX);
        status = find_base(system, &self->links[self->count - 1], folder, next, error);
        if (status == OCT_OK)
            status = add_link(self, next, error);
        if (status != OCT_OK)
            return status;
        of = &self->links[self->count - 2];
        status = read_link(system, of + 1, NULL, sum, &why);
        if (status == OCT_OK && strcmp(sum, of->head.base.sha256) != 0)
            return oct_fail(error, OCT_INVALID,
                            "%s is not the backup that %s goes on from: its SHA-256 is %s, expected %s (\"%s\" of %" PRIu64
                            " bytes)",
                            next, of->path, sum, of->head.base.sha256, of->head.base.file, of->head.base.bytes);
        if (status == OCT_OK && of[1].head.scope != OCT_SNAPSHOT_FULL)
            return oct_fail(error, OCT_INVALID, "%s is a snapshot of a %s, no backup", next, snapshot_kinds[of[1].head.scope]);
        if (status != OCT_OK)
            return fail_base(of, next, status, &why, error);
    }
    return status;
}

/* --- laying one over the other ------------------------------------------------------------------------------- */

typedef struct laying {
    unpacking    to;
    pieces      *wanted;
    piece_cutter cutter;
    os_file     *groups; /* GROUPS_FILE */
    uint64_t     group_bytes;
    bool         is_newest, is_increment; /* the archive that is being read */
} laying;

static oct_status
keep_group(void *context, const piece_group *group, oct_slice records, oct_error *error)
{
    laying      *self = context;
    piece_group *wanted = pieces_find_group(self->wanted, group->first);
    oct_status   status;

    if (wanted == NULL || wanted->at != PIECE_NOWHERE || wanted->bytes != group->bytes ||
        !piece_is_same(wanted->hash, group->hash))
        return OCT_OK;
    status = os_write(self->groups, self->group_bytes, records.data, records.size, error);
    wanted->at = self->group_bytes;
    self->group_bytes += records.size;
    return status;
}

static oct_status
take_record(void *context, uint64_t sequence, uint64_t shard_id, oct_slice body, oct_error *error)
{
    laying *self = context;

    return piece_cutter_add(&self->cutter, sequence, shard_id, body, error);
}

/* Write an entry's bytes into a file of the new folder, from a place on, unless the newest does not have that file. */
static oct_status
lay_bytes(laying *self, archive_reader *from, const char *name, uint64_t at, oct_error *error)
{
    const piece_file *wanted = pieces_find(self->wanted, name);
    char              path[OS_PATH_MAX];
    uint64_t          shard_id;
    os_file          *file = NULL;
    oct_status        status;

    if (!unpack_is_column(name, &shard_id))
        return unpack_fail_entry(name, error);
    if (wanted == NULL)
        return OCT_OK;
    status = unpack_make_shard(&self->to, shard_id, error);
    if (status == OCT_OK)
        status = os_path_join(path, self->to.folder, name, error);
    if (status == OCT_OK)
        status = os_open(self->to.system, path, OS_CREATE, &file, error);
    for (size_t got = 1; status == OCT_OK && got > 0 && at < wanted->size;) {
        status = archive_next(from, self->to.copy, UNPACK_COPY_BYTES, &got, error);
        if (got > wanted->size - at) /* it was longer then */
            got = (size_t)(wanted->size - at);
        if (status == OCT_OK && got > 0)
            status = os_write(file, at, self->to.copy, got, error);
        at += got;
    }
    os_close(file);
    return status;
}

static oct_status
lay_entry(void *context, archive_reader *from, const char *name, uint64_t size, oct_error *error)
{
    laying     *self = context;
    uint64_t    shard_id;
    char        file[ARCHIVE_NAME_MAX + 1], *end;
    const char *slash = strrchr(name, '/');

    if (strncmp(name, "log/", 4) == 0)
        return unpack_records(from, name, size, &self->to.body, take_record, self, error);
    if (strncmp(name, "shard/", 6) == 0 && !self->is_increment)
        return lay_bytes(self, from, name, 0, error);
    if (strncmp(name, "shard/", 6) == 0) { /* shard/<id>/<file>/<number of its first piece> */
        const uint64_t piece = strtoull(slash + 1, &end, 10);

        (void)snprintf(file, sizeof file, "%.*s", (int)(slash - name), name);
        if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || piece > UINT64_MAX / PIECE_BYTES ||
            !unpack_is_column(file, &shard_id))
            return unpack_fail_entry(name, error);
        return lay_bytes(self, from, file, piece * PIECE_BYTES, error);
    }
    if (!self->is_newest)
        return OCT_OK;
    if (strcmp(name, DATABASE_FORMAT_FILE) == 0)
        return unpack_text(from, name, size, UNPACK_FORMAT_BYTES_MAX, &self->to.format, error);
    if (strcmp(name, "manifest") == 0)
        return unpack_manifest(from, size, &self->to.manifest, &self->to.log_begin, error);
    return OCT_OK; /* head and list are known */
}

static oct_status
lay_link(laying *self, const backup_link *link, oct_error *error)
{
    os_file   *file = NULL;
    oct_status status = os_open(self->to.system, link->path, 0, &file, error);

    self->is_increment = link->head.is_increment;
    if (status == OCT_OK)
        status = archive_read(file, 0, link->bytes, lay_entry, self, NULL, error);
    os_close(file);
    return status == OCT_OK ? piece_cutter_end(&self->cutter, error) : status;
}

/* Are the bytes that lie there those of the list? Then make them durable. */
static oct_status
verify_file(laying *self, const piece_file *wanted, oct_error *error)
{
    char       path[OS_PATH_MAX];
    uint64_t   size = 0;
    os_file   *file = NULL;
    oct_status status = os_path_join(path, self->to.folder, wanted->name, error);

    if (status == OCT_OK)
        status = os_open(self->to.system, path, OS_WRITE, &file, error);
    if (status == OCT_NOT_FOUND)
        return oct_fail(error, OCT_INVALID, "the backups do not hold the file %s, which the newest needs", wanted->name);
    if (status == OCT_OK)
        status = os_size(file, &size, error);
    if (status == OCT_OK && size != wanted->size)
        status = oct_fail(error, OCT_INVALID, "the backups hold %" PRIu64 " bytes of the file %s, which has %" PRIu64, size,
                          wanted->name, wanted->size);
    for (size_t i = 0; status == OCT_OK && i < pieces_of_file(wanted); i++) {
        const size_t some = piece_size(wanted, i);

        status = os_read_all(file, (uint64_t)i * PIECE_BYTES, self->to.copy, some, error);
        if (status == OCT_OK && !piece_is_same(piece_hash_of(self->to.copy, some), self->wanted->hashes[wanted->first + i]))
            status = oct_fail(error, OCT_INVALID,
                              "the backups do not hold the file %s as the newest needs it: the %u bytes from %" PRIu64 " on differ",
                              wanted->name, (unsigned)some, (uint64_t)i * PIECE_BYTES);
    }
    if (status == OCT_OK)
        status = os_sync(file, error);
    os_close(file);
    return status;
}

/* The records of the log, in their order, into the log of the new database. */
static oct_status
append_groups(laying *self, oct_error *error)
{
    oct_status status = OCT_OK;
    buffer     records = {0};

    for (size_t i = 0; i < self->wanted->group_count && status == OCT_OK; i++) {
        const piece_group *group = &self->wanted->groups[i];

        if (group->at == PIECE_NOWHERE) {
            status = oct_fail(error, OCT_INVALID, "the backups do not hold the records %" PRIu64 " to %" PRIu64 " of the log",
                              group->first, group->last);
            break;
        }
        records.size = 0;
        if (!buffer_reserve(&records, (size_t)group->bytes + 1)) {
            status = oct_fail_memory(error, (size_t)group->bytes);
            break;
        }
        status = os_read_all(self->groups, group->at, records.data, (size_t)group->bytes, error);
        /* They were hashed when they were taken; their sizes were looked at then. */
        for (size_t at = 0; status == OCT_OK && at < group->bytes;) {
            const size_t bytes = (size_t)get_u64(records.data + at + 16);

            status = unpack_append(&self->to, get_u64(records.data + at), get_u64(records.data + at + 8),
                                   (oct_slice){records.data + at + 24, bytes}, error);
            at += 24 + (bytes + 7) / 8 * 8;
        }
    }
    buffer_clear(&records);
    return status;
}

static oct_status
lay_chain(os *system, backup_chain *chain, const char *folder, oct_error *error)
{
    char       path[OS_PATH_MAX];
    laying     work = {.to = {.system = system, .folder = folder, .head = &chain->links[0].head,
                              .copy = oct_alloc(UNPACK_COPY_BYTES)},
                       .wanted = &chain->wanted};
    oct_status status = work.to.copy == NULL ? oct_fail_memory(error, UNPACK_COPY_BYTES) : OCT_OK;

    work.cutter = (piece_cutter){.on_group = keep_group, .context = &work};
    if (status == OCT_OK)
        status = os_make_dir(system, folder, error);
    if (status == OCT_OK)
        status = os_path_join(path, folder, GROUPS_FILE, error);
    if (status == OCT_OK)
        status = os_open(system, path, OS_CREATE | OS_TRUNCATE, &work.groups, error);
    for (size_t i = chain->count; i > 0 && status == OCT_OK; i--) {
        work.is_newest = i == 1;
        status = lay_link(&work, &chain->links[i - 1], error);
    }
    for (size_t i = 0; i < chain->wanted.file_count && status == OCT_OK; i++)
        status = verify_file(&work, &chain->wanted.files[i], error);
    if (status == OCT_OK)
        status = append_groups(&work, error);
    os_close(work.groups);
    if (status == OCT_OK)
        status = os_remove(system, path, error);
    if (status == OCT_OK)
        status = unpack_complete(&work.to, error);
    unpack_clear(&work.to);
    piece_cutter_clear(&work.cutter);
    if (status != OCT_OK)
        snapshot_remove_tree(system, folder);
    return status;
}

/* --- for the outside --------------------------------------------------------------------------------------------- */

static oct_status
restore_whole(os *system, const char *path, const char *folder, oct_error *error)
{
    snapshot_head head = {0};
    os_file      *file = NULL;
    uint64_t      size = 0;
    oct_status    status = os_open(system, path, 0, &file, error);

    if (status == OCT_OK)
        status = os_size(file, &size, error);
    if (status == OCT_OK)
        status = snapshot_unpack(file, 0, size, system, folder, &head, error);
    os_close(file);
    return status;
}

oct_status
backup_restore(os *system, const char *path, const char *bases, const char *folder, oct_error *error)
{
    backup_chain  chain = {0};
    snapshot_head head = {0};
    os_file      *file = NULL;
    char        **names = NULL;
    uint64_t      size = 0;
    size_t        count = 0;
    oct_status    status = os_list(system, folder, &names, &count, NULL);

    oct_free(names);
    if (status == OCT_OK && count > 0)
        return oct_fail(error, OCT_EXISTS, "%s is there and not empty; give the path of a new database", folder);
    status = os_open(system, path, 0, &file, error);
    if (status == OCT_OK)
        status = os_size(file, &size, error);
    if (status == OCT_OK)
        status = snapshot_read_head(file, 0, size, &head, error);
    os_close(file);
    if (status == OCT_OK && !head.is_increment)
        return restore_whole(system, path, folder, error);
    if (status == OCT_OK)
        status = read_chain(system, path, bases, &chain, error);
    if (status == OCT_OK)
        status = lay_chain(system, &chain, folder, error);
    chain_clear(&chain);
    return status;
}

oct_status
backup_verify(os *system, const char *path, const char *bases, oct_backup_info *info, oct_error *error)
{
    backup_chain chain;
    oct_status   status = read_chain(system, path, bases, &chain, error);

    *info = (oct_backup_info){0};
    if (status == OCT_OK) {
        const backup_link *newest = &chain.links[0];

        *info = (oct_backup_info){.is_increment = newest->head.is_increment, .created = newest->head.created,
                                  .bytes = newest->bytes, .content_bytes = newest->bytes, .stored_bytes = newest->bytes,
                                  .log_position = chain.wanted.position, .file_count = chain.count};
        memcpy(info->sha256, chain.sha256, sizeof info->sha256);
        if (newest->head.is_increment) {
            info->content_bytes = pieces_bytes(&chain.wanted, false);
            info->stored_bytes = pieces_bytes(&chain.wanted, true);
        }
    }
    chain_clear(&chain);
    return status;
}
