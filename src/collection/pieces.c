/* Lists of pieces: growing, finding, their bytes; and how the log is cut. See pieces.h. */
#include "collection/pieces.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "collection/snapshot_unpack.h"

/* Numbers are little-endian. Head: files, pieces, groups, position (8 bytes each). */
#define HEAD_BYTES  32u
#define FILE_BYTES  112u /* name, padded with zeros (104), size (8) */
#define GROUP_BYTES 48u  /* first, last, bytes (8 each), hash (16), stored (8) */
#define NAME_BYTES  104u

#define LOG_CHUNK_BYTES (4u << 20) /* records gather in entries of about this size */

_Static_assert(NAME_BYTES >= ARCHIVE_NAME_MAX + 1 && NAME_BYTES + 8 == FILE_BYTES, "a name and a size");
_Static_assert(3 * 8 + PIECE_HASH_BYTES + 8 == GROUP_BYTES, "as described");
_Static_assert(sizeof(piece_hash) == PIECE_HASH_BYTES, "copied as it is");

void
pieces_clear(pieces *self)
{
    oct_free(self->files);
    oct_free(self->hashes);
    oct_free(self->stored);
    oct_free(self->groups);
    *self = (pieces){0};
}

/* The same items with room for one more; NULL: there is no memory, and they stay. */
static void *
grow(void *items, size_t count, size_t *capacity, size_t item_size)
{
    const size_t wanted = count < 16 ? 16 : 2 * count;
    void        *fresh = items;

    if (count >= *capacity) {
        fresh = oct_realloc(items, wanted * item_size);
        if (fresh != NULL)
            *capacity = wanted;
    }
    return fresh;
}

oct_status
pieces_add_file(pieces *self, const char *name, uint64_t size, oct_error *error)
{
    piece_file *file = grow(self->files, self->file_count, &self->file_capacity, sizeof *self->files);

    OCT_MUST(strlen(name) <= ARCHIVE_NAME_MAX);
    if (file == NULL)
        return oct_fail_memory(error, self->file_count * sizeof *self->files);
    self->files = file;
    file = &self->files[self->file_count++];
    *file = (piece_file){.size = size, .first = self->count};
    memcpy(file->name, name, strlen(name));
    return OCT_OK;
}

oct_status
pieces_add(pieces *self, piece_hash hash, bool stored, oct_error *error)
{
    piece_hash *hashes = grow(self->hashes, self->count, &self->capacity, sizeof *self->hashes);
    bool       *flags = grow(self->stored, self->count, &self->stored_capacity, sizeof *self->stored);

    self->hashes = hashes != NULL ? hashes : self->hashes;
    self->stored = flags != NULL ? flags : self->stored;
    if (hashes == NULL || flags == NULL)
        return oct_fail_memory(error, self->count * sizeof *self->hashes);
    self->hashes[self->count] = hash;
    self->stored[self->count++] = stored;
    return OCT_OK;
}

oct_status
pieces_add_group(pieces *self, const piece_group *group, oct_error *error)
{
    piece_group *groups = grow(self->groups, self->group_count, &self->group_capacity, sizeof *self->groups);

    if (groups == NULL)
        return oct_fail_memory(error, self->group_count * sizeof *self->groups);
    self->groups = groups;
    self->groups[self->group_count] = *group;
    self->groups[self->group_count++].at = PIECE_NOWHERE;
    return OCT_OK;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const piece_file *)a)->name, ((const piece_file *)b)->name);
}

oct_status
pieces_sort(pieces *self, oct_error *error)
{
    if (self->file_count > 1)
        qsort(self->files, self->file_count, sizeof *self->files, by_name);
    for (size_t i = 1; i < self->file_count; i++) {
        if (strcmp(self->files[i - 1].name, self->files[i].name) == 0)
            return oct_fail(error, OCT_INVALID, "the backup has the file %s twice", self->files[i].name);
    }
    return OCT_OK;
}

const piece_file *
pieces_find(const pieces *self, const char *name)
{
    size_t begin = 0, end = self->file_count;

    while (begin < end) {
        const size_t middle = begin + (end - begin) / 2;
        const int    order = strcmp(self->files[middle].name, name);

        if (order == 0)
            return &self->files[middle];
        if (order < 0)
            begin = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

piece_group *
pieces_find_group(const pieces *self, uint64_t first)
{
    size_t begin = 0, end = self->group_count;

    while (begin < end) {
        const size_t middle = begin + (end - begin) / 2;

        if (self->groups[middle].first == first)
            return &self->groups[middle];
        if (self->groups[middle].first < first)
            begin = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

size_t
pieces_of_file(const piece_file *file)
{
    return (size_t)(file->size / PIECE_BYTES + (file->size % PIECE_BYTES > 0));
}

size_t
piece_size(const piece_file *file, size_t i)
{
    const uint64_t left = file->size - (uint64_t)i * PIECE_BYTES;

    return left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
}

piece_hash
piece_hash_of(const void *data, size_t size)
{
    unsigned char sum[SHA256_BYTES];
    piece_hash    hash;
    sha256        state;

    sha256_init(&state);
    sha256_add(&state, data, size);
    sha256_end(&state, sum);
    memcpy(hash.bytes, sum, sizeof hash.bytes);
    return hash;
}

bool
piece_is_same(piece_hash a, piece_hash b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

uint64_t
pieces_bytes(const pieces *self, bool only_stored)
{
    uint64_t bytes = 0;

    for (size_t f = 0; f < self->file_count; f++) {
        const piece_file *file = &self->files[f];

        for (size_t i = 0; i < pieces_of_file(file); i++)
            bytes += !only_stored || self->stored[file->first + i] ? piece_size(file, i) : 0;
    }
    for (size_t i = 0; i < self->group_count; i++)
        bytes += !only_stored || self->groups[i].stored ? self->groups[i].bytes : 0;
    return bytes;
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static size_t
bitmap_bytes(size_t count)
{
    return (count + 63) / 64 * 8;
}

/* Files are written as they are sorted, and their pieces in the order of the files. */
void
pieces_encode(const pieces *self, buffer *out)
{
    char   item[FILE_BYTES];
    size_t at = 0;
    char  *bits;

    put_u64(item, self->file_count);
    put_u64(item + 8, self->count);
    put_u64(item + 16, self->group_count);
    put_u64(item + 24, self->position);
    buffer_add(out, item, HEAD_BYTES);
    for (size_t i = 0; i < self->file_count; i++) {
        memset(item, 0, sizeof item);
        memcpy(item, self->files[i].name, strlen(self->files[i].name));
        put_u64(item + NAME_BYTES, self->files[i].size);
        buffer_add(out, item, FILE_BYTES);
    }
    for (size_t i = 0; i < self->group_count; i++) {
        put_u64(item, self->groups[i].first);
        put_u64(item + 8, self->groups[i].last);
        put_u64(item + 16, self->groups[i].bytes);
        memcpy(item + 24, self->groups[i].hash.bytes, PIECE_HASH_BYTES);
        put_u64(item + 24 + PIECE_HASH_BYTES, self->groups[i].stored);
        buffer_add(out, item, GROUP_BYTES);
    }
    for (size_t i = 0; i < self->file_count; i++)
        buffer_add(out, self->hashes == NULL ? "" : (const char *)(self->hashes + self->files[i].first),
                   pieces_of_file(&self->files[i]) * PIECE_HASH_BYTES);
    if (out->failed || !buffer_reserve(out, bitmap_bytes(self->count)))
        return;
    bits = out->data + out->size;
    memset(bits, 0, bitmap_bytes(self->count));
    for (size_t f = 0; f < self->file_count; f++) {
        for (size_t i = 0; i < pieces_of_file(&self->files[f]); i++, at++) {
            if (self->stored[self->files[f].first + i])
                bits[at / 8] = (char)(bits[at / 8] | 1 << at % 8);
        }
    }
    out->size += bitmap_bytes(self->count);
}

static oct_status
fail_list(const char *what, uint64_t value, oct_error *error)
{
    return oct_fail(error, OCT_INVALID, "the backup's list of pieces, " PIECES_ENTRY ", cannot be: %s %" PRIu64, what, value);
}

static oct_status
decode_files(const char *at, uint64_t file_count, uint64_t piece_count, pieces *out, oct_error *error)
{
    uint64_t   left = piece_count;
    oct_status status = OCT_OK;

    for (uint64_t i = 0; i < file_count && status == OCT_OK; i++, at += FILE_BYTES) {
        const uint64_t size = get_u64(at + NAME_BYTES), some = size / PIECE_BYTES + (size % PIECE_BYTES > 0);
        uint64_t       shard_id;

        if (memchr(at, '\0', ARCHIVE_NAME_MAX + 1) == NULL || !unpack_is_column(at, &shard_id))
            return fail_list("no file of a shard is called as its file number", i, error);
        if (some == 0 || some > left)
            return fail_list("its files have more or fewer pieces than it lists; a size is", size, error);
        if (out->file_count > 0 && strcmp(out->files[out->file_count - 1].name, at) >= 0)
            return fail_list("its files are not in order at number", i, error);
        status = pieces_add_file(out, at, size, error);
        if (status == OCT_OK)
            out->files[out->file_count - 1].first = (size_t)(piece_count - left);
        left -= some;
    }
    return status != OCT_OK || left == 0 ? status : fail_list("pieces that belong to no file:", left, error);
}

static oct_status
decode_groups(const char *at, uint64_t group_count, pieces *out, oct_error *error)
{
    oct_status status = OCT_OK;

    for (uint64_t i = 0; i < group_count && status == OCT_OK; i++, at += GROUP_BYTES) {
        piece_group group = {.first = get_u64(at), .last = get_u64(at + 8), .bytes = get_u64(at + 16),
                             .stored = get_u64(at + 24 + PIECE_HASH_BYTES) != 0};

        memcpy(group.hash.bytes, at + 24, PIECE_HASH_BYTES);
        if (group.first == 0 || group.last < group.first || group.last > out->position ||
            (i > 0 && group.first != out->groups[i - 1].last + 1) || (i + 1 == group_count && group.last != out->position))
            return fail_list("records of the log are missing before or after record", group.first, error);
        status = pieces_add_group(out, &group, error);
    }
    return status;
}

oct_status
pieces_decode(oct_slice content, pieces *out, oct_error *error)
{
    uint64_t   file_count, piece_count, group_count;
    oct_status status;

    *out = (pieces){0};
    if (content.size < HEAD_BYTES)
        return fail_list("its size is", content.size, error);
    file_count = get_u64(content.data);
    piece_count = get_u64(content.data + 8);
    group_count = get_u64(content.data + 16);
    out->position = get_u64(content.data + 24);
    if (file_count > content.size / FILE_BYTES || piece_count > content.size / PIECE_HASH_BYTES ||
        group_count > content.size / GROUP_BYTES ||
        HEAD_BYTES + file_count * FILE_BYTES + group_count * GROUP_BYTES + piece_count * PIECE_HASH_BYTES +
                bitmap_bytes((size_t)piece_count) != content.size)
        return fail_list("its size is", content.size, error);
    status = decode_files(content.data + HEAD_BYTES, file_count, piece_count, out, error);
    if (status == OCT_OK)
        status = decode_groups(content.data + HEAD_BYTES + file_count * FILE_BYTES, group_count, out, error);
    if (status == OCT_OK) {
        const char *hashes = content.data + HEAD_BYTES + file_count * FILE_BYTES + group_count * GROUP_BYTES;
        const char *bits = hashes + piece_count * PIECE_HASH_BYTES;

        for (size_t i = 0; i < piece_count && status == OCT_OK; i++) {
            piece_hash hash;

            memcpy(hash.bytes, hashes + i * PIECE_HASH_BYTES, sizeof hash.bytes);
            status = pieces_add(out, hash, (bits[i / 8] >> i % 8 & 1) != 0, error);
        }
    }
    if (status != OCT_OK)
        pieces_clear(out);
    return status;
}

/* --- the log ---------------------------------------------------------------------------------------------------------- */

void
piece_encode_record(buffer *out, uint64_t sequence, uint64_t shard_id, oct_slice body)
{
    static const char zeros[8];
    char              head[24];

    put_u64(head, sequence);
    put_u64(head + 8, shard_id);
    put_u64(head + 16, body.size);
    buffer_add(out, head, sizeof head);
    buffer_add(out, body.data, body.size);
    buffer_add(out, zeros, (8 - body.size % 8) % 8);
}

oct_status
piece_cutter_end(piece_cutter *self, oct_error *error)
{
    const oct_slice records = {self->records.data, self->records.size};
    piece_group     group = {.first = self->first, .last = self->last, .bytes = records.size};
    oct_status      status;

    if (self->records.failed)
        return oct_fail_memory(error, records.size);
    if (records.size == 0)
        return OCT_OK;
    group.hash = piece_hash_of(records.data, records.size);
    status = self->on_group(self->context, &group, records, error);
    self->records.size = 0;
    if (self->records.capacity > 64 * PIECE_BYTES) /* a large one is not kept for those that follow */
        buffer_clear(&self->records);
    return status;
}

oct_status
piece_cutter_add(piece_cutter *self, uint64_t sequence, uint64_t shard_id, oct_slice body, oct_error *error)
{
    oct_status status = OCT_OK;

    /* What is left out of an increment leaves a gap, which is the end of a group too. */
    if (self->records.size > 0 && sequence != self->last + 1)
        status = piece_cutter_end(self, error);
    if (status != OCT_OK)
        return status;
    if (self->records.size == 0)
        self->first = sequence;
    self->last = sequence;
    piece_encode_record(&self->records, sequence, shard_id, body);
    if (sequence % PIECE_GROUP_RECORDS == PIECE_GROUP_RECORDS - 1 || body.size >= PIECE_GROUP_BODY || self->records.failed)
        status = piece_cutter_end(self, error);
    return status;
}

void
piece_cutter_clear(piece_cutter *self)
{
    buffer_clear(&self->records);
}

oct_status
log_chunk_end(log_chunk *self, archive_writer *to, oct_error *error)
{
    char       name[32];
    oct_status status;

    if (self->records.failed)
        return oct_fail_memory(error, self->records.size);
    if (self->records.size == 0)
        return OCT_OK;
    (void)snprintf(name, sizeof name, "log/%010" PRIu32, ++self->count);
    status = archive_add(to, name, (oct_slice){self->records.data, self->records.size}, error);
    if (self->records.capacity > 4 * LOG_CHUNK_BYTES) /* a large one is not kept for those that follow */
        buffer_clear(&self->records);
    self->records.size = 0;
    return status;
}

oct_status
log_chunk_added(log_chunk *self, archive_writer *to, oct_error *error)
{
    return self->records.failed || self->records.size >= LOG_CHUNK_BYTES ? log_chunk_end(self, to, error) : OCT_OK;
}

void
log_chunk_clear(log_chunk *self)
{
    buffer_clear(&self->records);
}
