/* Making backups: whole ones, and increments. See backup.h. */
#include "collection/backup.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"

#define RUN_BYTES   (16u * PIECE_BYTES) /* an entry of the archive holds no more */
#define PART_SUFFIX ".part"

/* --- the log ------------------------------------------------------------------------------------------------ */

static oct_status
take_group(void *context, const piece_group *group, oct_slice records, oct_error *error)
{
    increment         *self = context;
    const piece_group *before = pieces_find_group(self->base, group->first);
    piece_group        mine = *group;

    mine.stored = before == NULL || before->bytes != group->bytes || !piece_is_same(before->hash, group->hash);
    if (mine.stored) {
        oct_status status;

        buffer_add(&self->chunk.records, records.data, records.size);
        status = log_chunk_added(&self->chunk, self->to, error);
        if (status != OCT_OK)
            return status;
    }
    return pieces_add_group(&self->made, &mine, error);
}

oct_status
increment_record(increment *self, uint64_t sequence, uint64_t shard_id, oct_slice body, oct_error *error)
{
    return piece_cutter_add(&self->cutter, sequence, shard_id, body, error);
}

oct_status
increment_end_log(increment *self, oct_error *error)
{
    const oct_status status = piece_cutter_end(&self->cutter, error);

    return status == OCT_OK ? log_chunk_end(&self->chunk, self->to, error) : status;
}

/* --- files --------------------------------------------------------------------------------------------------- */

/* Write the pieces that were gathered, as an entry named after the file and the first of them. */
static oct_status
end_run(increment *self, oct_error *error)
{
    char       name[2 * ARCHIVE_NAME_MAX];
    oct_status status;

    if (self->run_size == 0)
        return OCT_OK;
    (void)snprintf(name, sizeof name, "%s/%010zu", self->name, self->at - (self->run_size + PIECE_BYTES - 1) / PIECE_BYTES);
    status = archive_add(self->to, name, (oct_slice){self->run, self->run_size}, error);
    self->run_size = 0;
    return status;
}

static oct_status
end_piece(increment *self, oct_error *error)
{
    const piece_hash hash = piece_hash_of(self->piece, self->piece_used);
    const bool       stored = self->before == NULL || self->at >= pieces_of_file(self->before) ||
                        piece_size(self->before, self->at) != self->piece_used ||
                        !piece_is_same(hash, self->base->hashes[self->before->first + self->at]);
    oct_status status = pieces_add(&self->made, hash, stored, error);

    if (status == OCT_OK && !stored)
        status = end_run(self, error);
    if (status == OCT_OK && stored) {
        memcpy(self->run + self->run_size, self->piece, self->piece_used);
        self->run_size += self->piece_used;
    }
    self->at++;
    self->piece_used = 0;
    return status == OCT_OK && (self->run_size == RUN_BYTES || self->left == 0) ? end_run(self, error) : status;
}

static oct_status
begin_file(void *context, const char *name, uint64_t size, oct_error *error)
{
    increment *self = context;

    OCT_MUST(self->left == 0 && strlen(name) <= ARCHIVE_NAME_MAX);
    (void)snprintf(self->name, sizeof self->name, "%s", name);
    self->before = pieces_find(self->base, name);
    self->left = size;
    self->at = 0;
    return pieces_add_file(&self->made, name, size, error);
}

static oct_status
write_file(void *context, const void *data, size_t size, oct_error *error)
{
    increment  *self = context;
    const char *at = data;
    oct_status  status = OCT_OK;

    OCT_MUST(size <= self->left);
    while (size > 0 && status == OCT_OK) {
        const size_t some = size_min(size, PIECE_BYTES - self->piece_used);

        memcpy(self->piece + self->piece_used, at, some);
        self->piece_used += some;
        self->left -= some;
        at += some;
        size -= some;
        if (self->piece_used == PIECE_BYTES || self->left == 0)
            status = end_piece(self, error);
    }
    return status;
}

archive_sink
increment_sink(increment *self)
{
    return (archive_sink){.context = self, .begin = begin_file, .write = write_file};
}

/* --- the whole ------------------------------------------------------------------------------------------------ */

oct_status
increment_begin(increment *self, archive_writer *to, oct_error *error)
{
    self->to = to;
    self->cutter = (piece_cutter){.on_group = take_group, .context = self};
    self->run = oct_alloc(RUN_BYTES);
    self->piece = oct_alloc(PIECE_BYTES);
    return self->run == NULL || self->piece == NULL ? oct_fail_memory(error, RUN_BYTES) : OCT_OK;
}

void
increment_add_head(const increment *self, buffer *out)
{
    buffer_add_text(out, ",\"base\":{\"file\":");
    json_add_text(out, slice_of(self->base_head->base.file));
    buffer_format(out, ",\"bytes\":%" PRIu64 ",\"crc32c\":%" PRIu32 ",\"sha256\":\"%s\"}", self->base_head->base.bytes,
                  self->base_head->base.crc, self->base_head->base.sha256);
}

oct_status
increment_end(increment *self, uint64_t position, oct_error *error)
{
    buffer     list = {0};
    oct_status status = pieces_sort(&self->made, error);

    self->made.position = position;
    if (status == OCT_OK)
        pieces_encode(&self->made, &list);
    if (status == OCT_OK && list.failed)
        status = oct_fail_memory(error, list.size);
    if (status == OCT_OK && list.size > PIECES_BYTES_MAX)
        status = oct_fail(error, OCT_RANGE, "the list of pieces has %zu bytes, %u are possible: make a whole backup", list.size,
                          PIECES_BYTES_MAX);
    if (status == OCT_OK)
        status = archive_add(self->to, PIECES_ENTRY, (oct_slice){list.data, list.size}, error);
    buffer_clear(&list);
    return status;
}

void
increment_clear(increment *self)
{
    pieces_clear(&self->made);
    piece_cutter_clear(&self->cutter);
    log_chunk_clear(&self->chunk);
    oct_free(self->run);
    oct_free(self->piece);
    *self = (increment){.base = self->base, .base_head = self->base_head};
}

/* The last part of a path. */
static const char *
name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

/* Read the base: what does it hold, and what is it called? */
static oct_status
read_base(os *system, const char *path, pieces *held, snapshot_head *head, oct_error *error)
{
    snapshot_head found;
    os_file      *file;
    oct_status    status = os_open(system, path, 0, &file, error);

    *held = (pieces){0};
    if (status != OCT_OK)
        return status;
    if (strlen(name_of(path)) > OS_NAME_MAX || name_of(path)[0] == '\0')
        status = oct_fail(error, OCT_INVALID, "%s cannot be the path of a backup", path);
    if (status == OCT_OK)
        status = os_size(file, &head->base.bytes, error);
    if (status == OCT_OK)
        status = pieces_read(file, head->base.bytes, &found, held, head->base.sha256, error);
    if (status == OCT_OK && !archive_read_crc(file, head->base.bytes, &head->base.crc))
        status = oct_fail(error, OCT_CORRUPT, "%s changed while it was read", path);
    if (status == OCT_OK)
        (void)snprintf(head->base.file, sizeof head->base.file, "%s", name_of(path));
    os_close(file);
    return status;
}

static oct_status
is_free(os *system, const char *path, oct_error *error)
{
    os_file         *file = NULL;
    const oct_status status = os_open(system, path, 0, &file, error);

    os_close(file);
    if (status == OCT_OK)
        return oct_fail(error, OCT_EXISTS, "%s is there already; an increment replaces no file, as others may go on from it", path);
    return status == OCT_NOT_FOUND ? OCT_OK : status;
}

/* The folder that a path lies in. */
static void
folder_of(const char *path, char out[OS_PATH_MAX])
{
    const size_t size = (size_t)(name_of(path) - path);

    (void)snprintf(out, OS_PATH_MAX, "%.*s", (int)(size > 1 ? size - 1 : size), path);
    if (size == 0)
        (void)snprintf(out, OS_PATH_MAX, ".");
}

oct_status
backup_write(os *system, const char *folder, const char *path, const char *base, oct_backup_info *info, oct_error *error)
{
    char          part[OS_PATH_MAX], above[OS_PATH_MAX], sum[SHA256_TEXT_BYTES];
    snapshot_head base_head = {0};
    pieces        held = {0};
    increment     work = {.base = &held, .base_head = &base_head};
    uint64_t      size = 0, position = 0;
    oct_status    status = OCT_OK;

    if (info != NULL)
        *info = (oct_backup_info){0};
    if (strlen(path) + sizeof PART_SUFFIX > OS_PATH_MAX)
        return oct_fail(error, OCT_RANGE, "the path of the backup has %zu bytes, %u are possible", strlen(path),
                        OS_PATH_MAX - (unsigned)sizeof PART_SUFFIX);
    (void)snprintf(part, sizeof part, "%s" PART_SUFFIX, path);
    folder_of(path, above);
    if (base != NULL && strcmp(base, part) == 0)
        return oct_fail(error, OCT_EXISTS, "%s is written while it has no other name; give another file than %s", part, path);
    if (base != NULL) {
        status = is_free(system, path, error);
        if (status == OCT_OK)
            status = read_base(system, base, &held, &base_head, error);
    }
    if (status == OCT_OK)
        status = snapshot_write_folder(system, folder, part, base == NULL ? NULL : &work, &size, &position, sum, error);
    if (status == OCT_OK)
        status = os_rename(system, part, path, error);
    if (status == OCT_OK)
        status = os_sync_dir(system, above, error);
    if (status != OCT_OK)
        (void)os_remove(system, part, NULL);
    if (status == OCT_OK && info != NULL) {
        *info = (oct_backup_info){.is_increment = base != NULL, .log_position = position, .bytes = size, .stored_bytes = size,
                                  .content_bytes = size};
        memcpy(info->sha256, sum, sizeof info->sha256);
        if (base != NULL) {
            info->stored_bytes = pieces_bytes(&work.made, true);
            info->content_bytes = pieces_bytes(&work.made, false);
        }
    }
    increment_clear(&work);
    pieces_clear(&held);
    return status;
}
