/* Listing the pieces of an archive, which verifies it on the way. See pieces.h. */
#include "collection/pieces.h"
#include "collection/snapshot_unpack.h"

typedef struct listing {
    snapshot_head *head;
    pieces        *out; /* NULL: verified only */
    piece_cutter   cutter;
    buffer         manifest, list, body;
    char          *piece; /* PIECE_BYTES */
    uint64_t       log_begin;
    bool           has_head, has_list;
} listing;

static oct_status
add_group(void *context, const piece_group *group, oct_slice records, oct_error *error)
{
    listing *self = context;

    (void)records;
    self->out->position = group->last;
    return pieces_add_group(self->out, group, error);
}

static oct_status
add_record(void *context, uint64_t sequence, uint64_t shard_id, oct_slice body, oct_error *error)
{
    listing *self = context;

    return piece_cutter_add(&self->cutter, sequence, shard_id, body, error);
}

static oct_status
add_file(listing *self, archive_reader *from, const char *name, uint64_t size, oct_error *error)
{
    uint64_t   shard_id;
    size_t     got = 1;
    oct_status status;

    if (!unpack_is_column(name, &shard_id))
        return unpack_fail_entry(name, error);
    status = piece_cutter_end(&self->cutter, error); /* the log is over */
    if (status == OCT_OK)
        status = pieces_add_file(self->out, name, size, error);
    while (status == OCT_OK && got > 0) {
        status = archive_next(from, self->piece, PIECE_BYTES, &got, error);
        if (status == OCT_OK && got > 0)
            status = pieces_add(self->out, piece_hash_of(self->piece, got), true, error);
    }
    return status;
}

static oct_status
look(void *context, archive_reader *from, const char *name, uint64_t size, oct_error *error)
{
    listing   *self = context;
    oct_status status;

    if (!self->has_head) {
        if (strcmp(name, SNAPSHOT_HEAD) != 0)
            return oct_fail(error, OCT_INVALID,
                            "this is no backup of Octant: its first entry is \"%s\", expected \"" SNAPSHOT_HEAD "\"", name);
        self->has_head = true;
        status = unpack_head(from, size, self->head, error);
        if (status == OCT_OK && self->head->scope != OCT_SNAPSHOT_FULL && self->out != NULL)
            status = oct_fail(error, OCT_INVALID,
                              "this is a snapshot of a %s; a backup goes on from a backup, or from a full snapshot",
                              snapshot_kinds[self->head->scope]);
        return status;
    }
    if (self->out == NULL)
        return OCT_OK; /* what it reads over is verified */
    if (self->head->is_increment) {
        if (strcmp(name, PIECES_ENTRY) != 0)
            return OCT_OK;
        self->has_list = true;
        status = unpack_text(from, name, size, PIECES_BYTES_MAX, &self->list, error);
        return status == OCT_OK ? pieces_decode((oct_slice){self->list.data, self->list.size}, self->out, error) : status;
    }
    if (strcmp(name, "manifest") == 0) {
        status = unpack_manifest(from, size, &self->manifest, &self->log_begin, error);
        self->out->position = self->log_begin;
        return status;
    }
    if (strncmp(name, "log/", 4) == 0)
        return unpack_records(from, name, size, &self->body, add_record, self, error);
    return strncmp(name, "shard/", 6) == 0 ? add_file(self, from, name, size, error) : OCT_OK;
}

oct_status
pieces_read(os_file *file, uint64_t size, snapshot_head *head, pieces *out, char sum[SHA256_TEXT_BYTES], oct_error *error)
{
    listing    work = {.head = head, .out = out, .piece = oct_alloc(PIECE_BYTES)};
    oct_status status = work.piece == NULL ? oct_fail_memory(error, PIECE_BYTES) : OCT_OK;

    *head = (snapshot_head){0};
    if (out != NULL)
        *out = (pieces){0};
    work.cutter = (piece_cutter){.on_group = add_group, .context = &work};
    if (status == OCT_OK)
        status = archive_read(file, 0, size, look, &work, sum, error);
    if (status == OCT_OK && !work.has_head)
        status = oct_fail(error, OCT_INVALID, "%s is no backup of Octant: it has no entries", file->path);
    if (status == OCT_OK && out != NULL && head->is_increment && !work.has_list)
        status = oct_fail(error, OCT_INVALID, "%s lacks its list of pieces, " PIECES_ENTRY, file->path);
    if (status == OCT_OK && out != NULL && !head->is_increment) {
        status = piece_cutter_end(&work.cutter, error);
        if (status == OCT_OK)
            status = pieces_sort(out, error);
    }
    piece_cutter_clear(&work.cutter);
    buffer_clear(&work.manifest);
    buffer_clear(&work.list);
    buffer_clear(&work.body);
    oct_free(work.piece);
    if (status != OCT_OK && out != NULL)
        pieces_clear(out);
    return status;
}
