/* Rows on disk. See column.h for what a column is, docs/format/column.md for its bytes.
 *
 * WRITE    Rows are copied into a buffer of a few blocks, summed there, and written from there: one write for
 *          many small segments of rows, and a checksum that fits the bytes even if a row changes in
 *          memory at that moment. An append goes on with the checksum of the last, incomplete block instead
 *          of reading that block again, so that damage in it stays visible.
 * READ     A segment of rows that is whole pages in memory and begins at a page of the file is mapped:
 *
 *              file     |header | rows 0 ........ | segment 3 ...........|.. last rows..|
 *              memory           | read            | mapped               | read | zero  |
 *
 *          The last page is read, not mapped: what a crash left behind the last row must not be seen,
 *          and the next append writes into that page.
 * VERIFY   A bit for each block that held. Set with release after the block was read and summed, so who
 *          finds it set (acquire) may use the rows. Two threads may verify one block; that does no harm.
 *          The bytes are read from the file again: for mapped rows that is the same page of the
 *          system's cache.
 */
#include "storage/column.h"

#include <stdio.h>

#include "base/crc32c.h"

#define COLUMN_MAGIC        "OCTCOLMN"
#define SUMS_MAGIC          "OCTSUMS1"
#define COLUMN_VERSION      1u
#define COLUMN_HEADER_BYTES 4096u /* a page, so that rows can be mapped */
#define SUMS_HEADER_BYTES   32u
#define STAGE_BYTES         (16u * COLUMN_BLOCK_BYTES) /* written at a time; chosen freely */
#define ROWS_MAX            ((uint64_t)1 << 32)        /* what base/rows.h can number */

/* Where the fields of the data file's header are. Zeros in between and behind. */
enum { HEADER_VERSION = 8, HEADER_STRIDE = 12, HEADER_NAME = 16, HEADER_CRC = HEADER_NAME + COLUMN_NAME_MAX };

_Static_assert(COLUMN_HEADER_BYTES == OS_PAGE_BYTES && COLUMN_BLOCK_BYTES % OS_PAGE_BYTES == 0,
               "rows and blocks begin at a page of the file");

struct column_check {
    os              *system;
    char            *path; /* of the data file */
    uint32_t         stride;
    uint64_t         bytes; /* of rows */
    uint64_t         block_count;
    uint32_t        *sums;
    _Atomic uint64_t verified[]; /* a bit for each block */
};

static uint64_t
block_count_of(uint64_t bytes)
{
    return (bytes + COLUMN_BLOCK_BYTES - 1) / COLUMN_BLOCK_BYTES;
}

static uint64_t
block_bytes(uint64_t bytes, uint64_t block)
{
    const uint64_t left = bytes - block * COLUMN_BLOCK_BYTES;

    return left < COLUMN_BLOCK_BYTES ? left : COLUMN_BLOCK_BYTES;
}

static bool
is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* A state comes from the manifest, and so from outside. */
static oct_status
check_state(const column_state *state, oct_error *error)
{
    size_t size = 0;

    while (size < COLUMN_NAME_MAX && is_name_char(state->name[size]))
        size++;
    if (size == 0 || size == COLUMN_NAME_MAX || state->name[size] != '\0')
        return oct_fail(error, OCT_INVALID,
                        "\"%.*s\" cannot be the name of a column: expected 1 to %u letters, digits, "
                        "dots, '_' or '-'",
                        (int)COLUMN_NAME_MAX, state->name, COLUMN_NAME_MAX - 1);
    if (state->row_count > ROWS_MAX || (state->generation == 0 && state->row_count > 0))
        return oct_fail(error, OCT_INVALID, "column %s, generation %u, cannot have %llu rows", state->name,
                        state->generation, (unsigned long long)state->row_count);
    return OCT_OK;
}

static oct_status
column_path(char out[OS_PATH_MAX], const char *folder, const char *name, uint32_t generation,
            const char *kind, oct_error *error)
{
    char file[COLUMN_NAME_MAX + 32];

    (void)snprintf(file, sizeof file, "%s.%u.%s", name, generation, kind);
    return os_path_join(out, folder, file, error);
}

/* --- checksums of blocks --------------------------------------------------------------------- */

static void
encode_sums_header(char out[SUMS_HEADER_BYTES], uint32_t stride, uint64_t row_count, uint64_t block_count)
{
    memcpy(out, SUMS_MAGIC, 8);
    put_u32(out + 8, COLUMN_VERSION);
    put_u32(out + 12, stride);
    put_u64(out + 16, row_count);
    put_u64(out + 24, block_count);
}

/* The checksums a state stands for, verified. Released with oct_free. */
static oct_status
read_sums(os *system, const char *folder, const column_state *state, uint32_t **out, oct_error *error)
{
    const uint64_t count = block_count_of(state->row_count * state->stride);
    const size_t   size = SUMS_HEADER_BYTES + (size_t)count * sizeof(uint32_t);
    char           path[OS_PATH_MAX], header[SUMS_HEADER_BYTES];
    os_file       *file = NULL;
    char          *content = oct_alloc(size);
    uint64_t       file_size = 0;
    uint32_t       crc;
    oct_status     status;

    *out = NULL;
    if (content == NULL)
        return oct_fail_memory(error, size);
    status = column_path(path, folder, state->name, state->sums_generation, "sums", error);
    if (status == OCT_OK)
        status = os_open(system, path, 0, &file, error);
    if (status == OCT_OK)
        status = os_size(file, &file_size, error);
    if (status == OCT_OK && file_size != size)
        status = oct_fail(error, OCT_CORRUPT, "%s: the file has %llu bytes, expected %zu", path,
                          (unsigned long long)file_size, size);
    if (status == OCT_OK)
        status = os_read_all(file, 0, content, size, error);
    os_close(file);
    if (status == OCT_NOT_FOUND)
        status = oct_fail(error, OCT_CORRUPT, "%s: the file is missing, expected the checksums of %llu rows",
                          path, (unsigned long long)state->row_count);
    if (status != OCT_OK)
        goto out;
    crc = crc32c(0, content, size);
    if (crc != state->sums_crc) {
        status = oct_fail(error, OCT_CORRUPT,
                          "%s: the checksum of the file, from offset 0, is %08x, expected %08x", path, crc,
                          state->sums_crc);
        goto out;
    }
    /* The bytes are those that were written; are they what this program writes? */
    encode_sums_header(header, state->stride, state->row_count, count);
    if (memcmp(header, content, sizeof header) != 0) {
        status = oct_fail(error, OCT_CORRUPT,
                          "%s: the header at offset 0 does not fit a column of version %u with %llu "
                          "rows of %u bytes",
                          path, COLUMN_VERSION, (unsigned long long)state->row_count, state->stride);
        goto out;
    }
    memmove(content, content + SUMS_HEADER_BYTES, (size_t)count * sizeof(uint32_t));
    *out = (uint32_t *)(void *)content;
    content = NULL;
out:
    oct_free(content);
    return status;
}

/* Write `state`'s checksums and set its sums_crc. */
static oct_status
write_sums(os *system, const char *folder, column_state *state, const uint32_t *sums, oct_error *error)
{
    const uint64_t count = block_count_of(state->row_count * state->stride);
    const size_t   bytes = (size_t)count * sizeof(uint32_t);
    char           path[OS_PATH_MAX], header[SUMS_HEADER_BYTES];
    os_file       *file = NULL;
    oct_status     status = column_path(path, folder, state->name, state->sums_generation, "sums", error);

    if (status != OCT_OK)
        return status;
    encode_sums_header(header, state->stride, state->row_count, count);
    state->sums_crc = crc32c(crc32c(0, header, sizeof header), sums, bytes);
    status = os_open(system, path, OS_CREATE | OS_TRUNCATE, &file, error);
    if (status == OCT_OK)
        status = os_write(file, 0, header, sizeof header, error);
    if (status == OCT_OK)
        status = os_write(file, sizeof header, sums, bytes, error);
    if (status == OCT_OK)
        status = os_sync(file, error);
    if (file != NULL && status != OCT_OK)
        (void)os_remove(system, path, NULL);
    os_close(file);
    return status;
}

/* --- writing --------------------------------------------------------------------------------- */

static void
encode_header(char out[COLUMN_HEADER_BYTES], const column_state *state)
{
    memset(out, 0, COLUMN_HEADER_BYTES);
    memcpy(out, COLUMN_MAGIC, 8);
    put_u32(out + HEADER_VERSION, COLUMN_VERSION);
    put_u32(out + HEADER_STRIDE, state->stride);
    memcpy(out + HEADER_NAME, state->name, strlen(state->name));
    put_u32(out + HEADER_CRC, crc32c(0, out, HEADER_CRC));
}

/* Copy bytes [from, from + size) of the rows, one after the other, into `out`. */
static void
gather(const rows *data, uint64_t from, size_t size, char *out)
{
    const uint64_t stride = data->stride;

    while (size > 0) {
        const uint64_t row = from / stride, within = from % stride;
        const uint32_t segment = rows_segment_of(data, (uint32_t)row);
        const uint64_t there = (rows_segment_end(data, segment) - row) * stride - within;
        const size_t   count = there < size ? (size_t)there : size;

        memcpy(out, (const char *)rows_at(data, (uint32_t)row) + within, count);
        out += count;
        from += count;
        size -= count;
    }
}

/* Write bytes [from, to) of the rows and sum them into sums[], which goes on where it stands. */
static oct_status
write_rows(os_file *file, const rows *data, uint64_t from, uint64_t to, uint32_t *sums, oct_error *error)
{
    const size_t stage_bytes = to - from < STAGE_BYTES ? (size_t)(to - from) : STAGE_BYTES;
    char        *stage = oct_alloc(stage_bytes);
    oct_status   status = stage == NULL ? oct_fail_memory(error, stage_bytes) : OCT_OK;

    while (from < to && status == OCT_OK) {
        const size_t size = to - from < stage_bytes ? (size_t)(to - from) : stage_bytes;

        gather(data, from, size, stage);
        for (size_t at = 0; at < size;) {
            const uint64_t block = (from + at) / COLUMN_BLOCK_BYTES;
            const size_t   left = (size_t)((block + 1) * COLUMN_BLOCK_BYTES - (from + at));
            const size_t   count = size_min(left, size - at);

            sums[block] = crc32c(sums[block], stage + at, count);
            at += count;
        }
        status = os_write(file, COLUMN_HEADER_BYTES + from, stage, size, error);
        from += size;
    }
    oct_free(stage);
    return status;
}

/* The checksums so far, with room for those to come, which are 0. */
static oct_status
begin_sums(os *system, const char *folder, const column_state *old, uint64_t old_bytes, uint64_t bytes,
           uint32_t **out, oct_error *error)
{
    const size_t count = (size_t)block_count_of(bytes);
    uint32_t    *sums = oct_calloc(count, sizeof *sums);
    uint32_t    *before = NULL;
    oct_status   status = OCT_OK;

    *out = NULL;
    if (sums == NULL)
        return oct_fail_memory(error, count * sizeof *sums);
    if (old_bytes > 0)
        status = read_sums(system, folder, old, &before, error);
    if (status == OCT_OK && old_bytes > 0)
        memcpy(sums, before, (size_t)block_count_of(old_bytes) * sizeof *sums);
    oct_free(before);
    if (status == OCT_OK)
        *out = sums;
    else
        oct_free(sums);
    return status;
}

/* After a failure: give the space back. */
static void
take_back(os *system, os_file *file, const char *path, bool is_new, uint64_t old_bytes)
{
    if (is_new)
        (void)os_remove(system, path, NULL);
    else
        (void)os_truncate(file, COLUMN_HEADER_BYTES + old_bytes, NULL);
}

oct_status
column_write(os *system, const char *folder, column_state *state, const rows *data, uint64_t row_count,
             bool rewrite, oct_error *error)
{
    const bool     is_new = rewrite || state->generation == 0;
    const uint64_t old_bytes = is_new ? 0 : state->row_count * state->stride;
    const uint64_t bytes = row_count * data->stride;
    char           path[OS_PATH_MAX], header[COLUMN_HEADER_BYTES];
    column_state   next = *state;
    uint32_t      *sums = NULL;
    os_file       *file = NULL;
    oct_status     status = check_state(state, error);

    if (status != OCT_OK)
        return status;
    OCT_MUST(row_count <= data->capacity &&
             (is_new || (state->stride == data->stride && state->row_count <= row_count)));
    if (!is_new && state->row_count == row_count)
        return OCT_OK;
    next.generation += is_new ? 1 : 0;
    next.sums_generation++;
    next.stride = data->stride;
    next.row_count = row_count;

    status = begin_sums(system, folder, state, old_bytes, bytes, &sums, error);
    if (status == OCT_OK)
        status = column_path(path, folder, next.name, next.generation, "data", error);
    if (status == OCT_OK)
        status = os_open(system, path, is_new ? OS_CREATE | OS_TRUNCATE : OS_WRITE, &file, error);
    if (status != OCT_OK)
        goto out;
    if (is_new) {
        encode_header(header, &next);
        status = os_write(file, 0, header, sizeof header, error);
    }
    if (status == OCT_OK)
        status = write_rows(file, data, old_bytes, bytes, sums, error);
    if (status == OCT_OK)
        status = os_sync(file, error);
    if (status == OCT_OK)
        status = write_sums(system, folder, &next, sums, error);
    if (status == OCT_OK)
        *state = next;
    else
        take_back(system, file, path, is_new, old_bytes);
out:
    os_close(file);
    oct_free(sums);
    return status;
}

/* --- written as it comes ------------------------------------------------------------------------ */

struct column_writer {
    os          *system;
    os_file     *file;
    column_state next;
    char         path[OS_PATH_MAX];
    const char  *folder;
    char        *stage;
    size_t       staged;
    uint64_t     written; /* bytes of rows */
    uint32_t    *sums;
    size_t       sums_capacity;
};

oct_status
column_writer_open(os *system, const char *folder, const column_state *state, uint32_t stride, column_writer **out,
                   oct_error *error)
{
    column_writer *self = oct_calloc(1, sizeof *self);
    char           header[COLUMN_HEADER_BYTES];
    oct_status     status = self == NULL ? oct_fail_memory(error, sizeof *self) : check_state(state, error);

    *out = self;
    if (status != OCT_OK)
        return status;
    self->system = system;
    self->folder = folder;
    self->next = *state;
    self->next.generation++;
    self->next.sums_generation++;
    self->next.stride = stride;
    self->stage = oct_alloc(STAGE_BYTES);
    if (self->stage == NULL)
        return oct_fail_memory(error, STAGE_BYTES);
    status = column_path(self->path, folder, self->next.name, self->next.generation, "data", error);
    if (status == OCT_OK)
        status = os_open(system, self->path, OS_CREATE | OS_TRUNCATE, &self->file, error);
    if (status == OCT_OK) {
        encode_header(header, &self->next);
        status = os_write(self->file, 0, header, sizeof header, error);
    }
    return status;
}

/* What is staged is whole blocks, but for the last time. */
static oct_status
flush_stage(column_writer *self, oct_error *error)
{
    const uint64_t first = self->written / COLUMN_BLOCK_BYTES;
    const size_t   count = (size_t)block_count_of(self->staged);
    oct_status     status;

    if (first + count > self->sums_capacity) {
        const size_t capacity = 2 * (self->sums_capacity + count);
        uint32_t    *grown = oct_realloc(self->sums, capacity * sizeof *grown);

        if (grown == NULL)
            return oct_fail_memory(error, capacity * sizeof *grown);
        self->sums = grown;
        self->sums_capacity = capacity;
    }
    for (size_t block = 0; block < count; block++)
        self->sums[first + block] = crc32c(0, self->stage + block * COLUMN_BLOCK_BYTES,
                                           (size_t)block_bytes(self->staged, block));
    status = os_write(self->file, COLUMN_HEADER_BYTES + self->written, self->stage, self->staged, error);
    self->written += self->staged;
    self->staged = 0;
    return status;
}

oct_status
column_writer_put(column_writer *self, const void *rows_, uint64_t count, oct_error *error)
{
    const char *from = rows_;
    uint64_t    left = count * self->next.stride;
    oct_status  status = OCT_OK;

    while (left > 0 && status == OCT_OK) {
        const size_t room = STAGE_BYTES - self->staged, some = left < room ? (size_t)left : room;

        memcpy(self->stage + self->staged, from, some);
        self->staged += some;
        from += some;
        left -= some;
        if (self->staged == STAGE_BYTES)
            status = flush_stage(self, error);
    }
    return status;
}

oct_status
column_writer_end(column_writer *self, column_state *state, oct_error *error)
{
    oct_status status = self->staged > 0 ? flush_stage(self, error) : OCT_OK;

    if (status == OCT_OK)
        status = os_sync(self->file, error);
    self->next.row_count = self->written / self->next.stride;
    if (status == OCT_OK && self->next.row_count > ROWS_MAX)
        status = oct_fail(error, OCT_RANGE, "column %s cannot have %llu rows", self->next.name,
                          (unsigned long long)self->next.row_count);
    if (status == OCT_OK)
        status = write_sums(self->system, self->folder, &self->next, self->sums, error);
    if (status != OCT_OK)
        return status;
    *state = self->next;
    os_close(self->file);
    self->file = NULL; /* it stays */
    return OCT_OK;
}

void
column_writer_close(column_writer *self)
{
    if (self == NULL)
        return;
    if (self->file != NULL) {
        (void)os_remove(self->system, self->path, NULL);
        os_close(self->file);
    }
    oct_free(self->stage);
    oct_free(self->sums);
    oct_free(self);
}

/* --- reading --------------------------------------------------------------------------------- */

/* Open the data file and check that it is what the state says. */
static oct_status
open_data(os *system, const char *path, const column_state *state, os_file **out, oct_error *error)
{
    const uint64_t end = COLUMN_HEADER_BYTES + state->row_count * state->stride;
    char           header[COLUMN_HEADER_BYTES], expected[COLUMN_HEADER_BYTES];
    os_file       *file = NULL;
    uint64_t       size = 0;
    oct_status     status = os_open(system, path, 0, &file, error);

    *out = NULL;
    if (status == OCT_NOT_FOUND)
        return oct_fail(error, OCT_CORRUPT, "%s: the file is missing, expected %llu rows of column %s", path,
                        (unsigned long long)state->row_count, state->name);
    if (status == OCT_OK)
        status = os_size(file, &size, error);
    if (status == OCT_OK && size < end)
        status = oct_fail(
            error, OCT_CORRUPT, "%s: the file ends at offset %llu, expected %llu rows up to offset %llu",
            path, (unsigned long long)size, (unsigned long long)state->row_count, (unsigned long long)end);
    if (status == OCT_OK)
        status = os_read_all(file, 0, header, sizeof header, error);
    if (status != OCT_OK)
        goto out;
    encode_header(expected, state);
    if (memcmp(header, COLUMN_MAGIC, 8) == 0 && get_u32(header + HEADER_VERSION) > COLUMN_VERSION &&
        get_u32(header + HEADER_CRC) == crc32c(0, header, HEADER_CRC))
        status = oct_fail(error, OCT_UNSUPPORTED,
                          "%s: the column has format version %u, this program knows %u; open it with "
                          "a later one",
                          path, get_u32(header + HEADER_VERSION), COLUMN_VERSION);
    else if (memcmp(header, expected, HEADER_CRC + 4) != 0)
        status = oct_fail(error, OCT_CORRUPT,
                          "%s: the header at offset 0 (checksum %08x, stride %u, name \"%.*s\") is not "
                          "that of column %s (checksum %08x, stride %u)",
                          path, get_u32(header + HEADER_CRC), get_u32(header + HEADER_STRIDE),
                          (int)strnlen(header + HEADER_NAME, COLUMN_NAME_MAX), header + HEADER_NAME,
                          state->name, get_u32(expected + HEADER_CRC), state->stride);
    if (status == OCT_OK) {
        *out = file;
        file = NULL;
    }
out:
    os_close(file);
    return status;
}

/* Bring rows [first, end) of one segment into memory. */
static oct_status
read_segment(os_file *file, rows *data, uint32_t segment, uint64_t first, uint64_t end, oct_error *error)
{
    const uint64_t offset = COLUMN_HEADER_BYTES + first * data->stride;
    const uint64_t bytes = (end - first) * data->stride;
    char          *memory = rows_at(data, (uint32_t)first);
    uint64_t       mapped = 0;
    void          *at;
    oct_status     status = OCT_OK;

    if (rows_segment_is_mapped(data, segment) && offset % OS_PAGE_BYTES == 0)
        mapped = bytes / OS_PAGE_BYTES * OS_PAGE_BYTES;
    if (mapped > 0)
        status = os_map(file, offset, (size_t)mapped, memory, &at, error);
    if (status == OCT_OK && mapped < bytes)
        status = os_read_all(file, offset + mapped, memory + mapped, (size_t)(bytes - mapped), error);
    return status;
}

static oct_status
check_new(os *system, const char *path, const column_state *state, uint32_t *sums, column_check **out,
          oct_error *error)
{
    const uint64_t bytes = state->row_count * state->stride;
    const uint64_t count = block_count_of(bytes);
    const size_t   size = sizeof **out + (size_t)((count + 63) / 64) * sizeof(_Atomic uint64_t);
    column_check  *self = oct_calloc(1, size);
    char          *copy = oct_copy_text(path, strlen(path));

    *out = NULL;
    if (self == NULL || copy == NULL) {
        oct_free(self);
        oct_free(copy);
        return oct_fail_memory(error, size);
    }
    self->system = system;
    self->path = copy;
    self->stride = state->stride;
    self->bytes = bytes;
    self->block_count = count;
    self->sums = sums;
    *out = self;
    return OCT_OK;
}

oct_status
column_read(os *system, const char *folder, const column_state *state, rows *data, column_check **check,
            oct_error *error)
{
    char       path[OS_PATH_MAX];
    uint32_t  *sums = NULL;
    os_file   *file = NULL;
    oct_status status = check_state(state, error);

    *check = NULL;
    if (status != OCT_OK || state->generation == 0)
        return status;
    if (state->stride != data->stride)
        return oct_fail(error, OCT_CORRUPT, "column %s/%s has rows of %u bytes, expected %u", folder,
                        state->name, state->stride, data->stride);
    status = read_sums(system, folder, state, &sums, error);
    if (status == OCT_OK)
        status = column_path(path, folder, state->name, state->generation, "data", error);
    if (status == OCT_OK)
        status = open_data(system, path, state, &file, error);
    if (status == OCT_OK)
        status = rows_reserve(data, state->row_count, error);
    for (uint64_t row = 0; row < state->row_count && status == OCT_OK;) {
        const uint32_t segment = rows_segment_of(data, (uint32_t)row);
        const uint64_t end = rows_segment_end(data, segment);
        const uint64_t stop = end < state->row_count ? end : state->row_count;

        status = read_segment(file, data, segment, row, stop, error);
        row = stop;
    }
    if (status == OCT_OK)
        status = check_new(system, path, state, sums, check, error);
    if (status == OCT_OK) {
        sums = NULL; /* the check's now */
        atomic_store(&data->file_rows, state->row_count);
    } else {
        rows_clear(data);
    }
    os_close(file);
    oct_free(sums);
    return status;
}

/* Map the whole pages of rows [first, end), which lie in one segment, over their memory. A page that `first` lies within
 * was not whole the last time. */
static oct_status
release_segment(os_file *file, rows *data, uint32_t segment, uint64_t first, uint64_t end, oct_error *error)
{
    const uint64_t start = rows_segment_start(data, segment);
    const uint64_t low = (first - start) * data->stride / OS_PAGE_BYTES * OS_PAGE_BYTES;
    const uint64_t high = (end - start) * data->stride / OS_PAGE_BYTES * OS_PAGE_BYTES;
    const uint64_t offset = COLUMN_HEADER_BYTES + start * data->stride;
    char          *memory = rows_at(data, (uint32_t)start);
    void          *at;

    if (!rows_segment_is_mapped(data, segment) || offset % OS_PAGE_BYTES != 0 || low >= high)
        return OCT_OK;
    return os_map(file, offset + low, (size_t)(high - low), memory + low, &at, error);
}

oct_status
column_release(os *system, const char *folder, const column_state *state, rows *data, uint64_t from,
               column_check **check, oct_error *error)
{
    char       path[OS_PATH_MAX];
    uint32_t  *sums = NULL;
    os_file   *file = NULL;
    oct_status status = check_state(state, error);

    *check = NULL;
    if (status != OCT_OK || state->generation == 0)
        return status;
    OCT_MUST(state->stride == data->stride && state->row_count <= data->capacity);
    status = read_sums(system, folder, state, &sums, error);
    if (status == OCT_OK)
        status = column_path(path, folder, state->name, state->generation, "data", error);
    if (status == OCT_OK)
        status = open_data(system, path, state, &file, error);
    if (status == OCT_OK)
        status = check_new(system, path, state, sums, check, error);
    if (status == OCT_OK)
        sums = NULL; /* the check's now */
    for (uint64_t row = from; row < state->row_count && status == OCT_OK;) {
        const uint32_t segment = rows_segment_of(data, (uint32_t)row);
        const uint64_t end = rows_segment_end(data, segment);
        const uint64_t stop = end < state->row_count ? end : state->row_count;

        status = release_segment(file, data, segment, row, stop, error);
        row = stop;
    }
    if (status == OCT_OK) {
        atomic_store(&data->file_rows, state->row_count);
    } else {
        column_check_free(*check);
        *check = NULL;
    }
    os_close(file);
    oct_free(sums);
    return status;
}

/* --- verifying ------------------------------------------------------------------------------- */

static oct_status
verify_block(const column_check *self, os_file *file, uint64_t block, char *scratch, oct_error *error)
{
    const uint64_t from = block * COLUMN_BLOCK_BYTES;
    const size_t   size = (size_t)block_bytes(self->bytes, block);
    oct_status     status = os_read_all(file, COLUMN_HEADER_BYTES + from, scratch, size, error);
    uint32_t       crc;

    if (status != OCT_OK)
        return status;
    crc = crc32c(0, scratch, size);
    if (crc != self->sums[block])
        status = oct_fail(error, OCT_CORRUPT,
                          "%s: the checksum of %zu bytes from offset %llu (rows %llu to %llu) is %08x, "
                          "expected %08x",
                          self->path, size, (unsigned long long)(COLUMN_HEADER_BYTES + from),
                          (unsigned long long)(from / self->stride),
                          (unsigned long long)((from + size - 1) / self->stride), crc, self->sums[block]);
    return status;
}

static bool
is_verified(column_check *self, uint64_t block)
{
    return (atomic_load_explicit(&self->verified[block / 64], memory_order_acquire) >> (block % 64) & 1) != 0;
}

/* Verify the blocks [first, end) that are not yet; the file is opened when the first is met. */
static oct_status
verify_blocks(column_check *self, uint64_t first, uint64_t end, oct_error *error)
{
    os_file   *file = NULL;
    char      *scratch = NULL;
    oct_status status = OCT_OK;

    for (uint64_t block = first; block < end && status == OCT_OK; block++) {
        if (is_verified(self, block))
            continue;
        if (scratch == NULL) {
            scratch = oct_alloc(COLUMN_BLOCK_BYTES);
            status = scratch == NULL ? oct_fail_memory(error, COLUMN_BLOCK_BYTES)
                                     : os_open(self->system, self->path, 0, &file, error);
            if (status != OCT_OK)
                break;
        }
        status = verify_block(self, file, block, scratch, error);
        if (status == OCT_OK)
            (void)atomic_fetch_or_explicit(&self->verified[block / 64], (uint64_t)1 << (block % 64),
                                           memory_order_release);
    }
    os_close(file);
    oct_free(scratch);
    return status;
}

oct_status
column_verify(column_check *check, uint64_t first, uint64_t count, oct_error *error)
{
    uint64_t row_count, end;

    if (check == NULL || check->stride == 0)
        return OCT_OK;
    row_count = check->bytes / check->stride;
    if (first >= row_count || count == 0)
        return OCT_OK;
    end = count < row_count - first ? first + count : row_count;
    return verify_blocks(check, first * check->stride / COLUMN_BLOCK_BYTES,
                         (end * check->stride - 1) / COLUMN_BLOCK_BYTES + 1, error);
}

oct_status
column_verify_file(os *system, const char *folder, const column_state *state, oct_error *error)
{
    char          path[OS_PATH_MAX];
    uint32_t     *sums = NULL;
    os_file      *file = NULL;
    column_check *check = NULL;
    oct_status    status = check_state(state, error);

    if (status != OCT_OK || state->generation == 0)
        return status;
    status = read_sums(system, folder, state, &sums, error);
    if (status == OCT_OK)
        status = column_path(path, folder, state->name, state->generation, "data", error);
    if (status == OCT_OK)
        status = open_data(system, path, state, &file, error);
    os_close(file);
    if (status == OCT_OK)
        status = check_new(system, path, state, sums, &check, error);
    if (status == OCT_OK) {
        sums = NULL;
        status = verify_blocks(check, 0, check->block_count, error);
    }
    column_check_free(check);
    oct_free(sums);
    return status;
}

void
column_check_free(column_check *check)
{
    if (check == NULL)
        return;
    oct_free(check->path);
    oct_free(check->sums);
    oct_free(check);
}

/* --- copying --------------------------------------------------------------------------------- */

struct column_source {
    column_state state;
    column_check *check; /* for the checksums */
    os_file      *file;  /* NULL: nothing was ever written */
};

oct_status
column_source_open(os *system, const char *folder, const column_state *state, column_source **out, oct_error *error)
{
    char           path[OS_PATH_MAX];
    column_source *self = oct_calloc(1, sizeof *self);
    uint32_t      *sums = NULL;
    oct_status     status = self == NULL ? oct_fail_memory(error, sizeof *self) : check_state(state, error);

    *out = NULL;
    if (status == OCT_OK && state->generation != 0) {
        self->state = *state;
        status = read_sums(system, folder, state, &sums, error);
        if (status == OCT_OK)
            status = column_path(path, folder, state->name, state->generation, "data", error);
        if (status == OCT_OK)
            status = open_data(system, path, state, &self->file, error);
        if (status == OCT_OK)
            status = check_new(system, path, state, sums, &self->check, error);
        if (status != OCT_OK)
            oct_free(sums);
    }
    if (status == OCT_OK)
        *out = self;
    else
        column_source_free(self);
    return status;
}

static oct_status
copy_rows(const column_source *self, const archive_sink *to, oct_error *error)
{
    char      *scratch = oct_alloc(COLUMN_BLOCK_BYTES);
    oct_status status = scratch == NULL ? oct_fail_memory(error, COLUMN_BLOCK_BYTES) : OCT_OK;

    for (uint64_t block = 0; block < self->check->block_count && status == OCT_OK; block++) {
        status = verify_block(self->check, self->file, block, scratch, error);
        if (status == OCT_OK)
            status = to->write(to->context, scratch, (size_t)block_bytes(self->check->bytes, block), error);
    }
    oct_free(scratch);
    return status;
}

oct_status
column_source_copy(const column_source *self, const char *prefix, const archive_sink *to, oct_error *error)
{
    const column_state *state = &self->state;
    char                name[ARCHIVE_NAME_MAX + 1], header[COLUMN_HEADER_BYTES];
    oct_status          status;

    if (self->file == NULL)
        return OCT_OK;
    (void)snprintf(name, sizeof name, "%s/%s.%u.sums", prefix, state->name, state->sums_generation);
    encode_sums_header(header, state->stride, state->row_count, self->check->block_count);
    status = to->begin(to->context, name, SUMS_HEADER_BYTES + self->check->block_count * sizeof(uint32_t), error);
    if (status == OCT_OK)
        status = to->write(to->context, header, SUMS_HEADER_BYTES, error);
    if (status == OCT_OK)
        status = to->write(to->context, self->check->sums, (size_t)self->check->block_count * sizeof(uint32_t), error);
    (void)snprintf(name, sizeof name, "%s/%s.%u.data", prefix, state->name, state->generation);
    encode_header(header, state);
    if (status == OCT_OK)
        status = to->begin(to->context, name, COLUMN_HEADER_BYTES + self->check->bytes, error);
    if (status == OCT_OK)
        status = to->write(to->context, header, sizeof header, error);
    return status == OCT_OK ? copy_rows(self, to, error) : status;
}

void
column_source_free(column_source *self)
{
    if (self == NULL)
        return;
    os_close(self->file);
    column_check_free(self->check);
    oct_free(self);
}

/* --- housekeeping ---------------------------------------------------------------------------- */

/* Is `file` "<name>.<digits>.<kind>"? Then *generation is its number. */
static bool
is_file_of(const char *file, const char *name, const char *kind, uint32_t *generation)
{
    const size_t size = strlen(name);
    uint64_t     number = 0;
    const char  *at;

    if (strncmp(file, name, size) != 0 || file[size] != '.')
        return false;
    for (at = file + size + 1; *at >= '0' && *at <= '9' && number <= UINT32_MAX; at++)
        number = number * 10 + (uint64_t)(*at - '0');
    if (at == file + size + 1 || number > UINT32_MAX || *at != '.' || strcmp(at + 1, kind) != 0)
        return false;
    *generation = (uint32_t)number;
    return true;
}

bool
column_is_file_name(oct_slice name)
{
    size_t digits = 0, at;

    for (size_t i = 0; i < name.size; i++) {
        if (!is_name_char(name.data[i]))
            return false;
    }
    if (name.size < 5 || name.size > COLUMN_NAME_MAX + 20 || name.data[0] == '.' ||
        (memcmp(name.data + name.size - 5, ".data", 5) != 0 && memcmp(name.data + name.size - 5, ".sums", 5) != 0))
        return false;
    for (at = name.size - 5; at > 0 && name.data[at - 1] >= '0' && name.data[at - 1] <= '9'; at--)
        digits++;
    return digits >= 1 && digits <= 10 && at > 1 && name.data[at - 1] == '.';
}

oct_status
column_remove_others(os *system, const char *folder, const column_state *keep, oct_error *error)
{
    char       path[OS_PATH_MAX];
    char     **names = NULL;
    size_t     count = 0;
    oct_status status = check_state(keep, error);

    if (status == OCT_OK)
        status = os_list(system, folder, &names, &count, error);
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        uint32_t generation;
        bool     is_kept;

        if (is_file_of(names[i], keep->name, "data", &generation))
            is_kept = keep->generation != 0 && generation == keep->generation;
        else if (is_file_of(names[i], keep->name, "sums", &generation))
            is_kept = keep->generation != 0 && generation == keep->sums_generation;
        else
            continue;
        if (is_kept)
            continue;
        status = os_path_join(path, folder, names[i], error);
        if (status == OCT_OK)
            status = os_remove(system, path, error);
    }
    oct_free(names);
    return status;
}

uint64_t
column_bytes(const column_state *state)
{
    const uint64_t bytes = state->row_count * state->stride;

    if (state->generation == 0)
        return 0;
    return COLUMN_HEADER_BYTES + bytes + SUMS_HEADER_BYTES + block_count_of(bytes) * sizeof(uint32_t);
}

void
column_cut(os *system, const char *folder, const column_state *state)
{
    const uint64_t end = COLUMN_HEADER_BYTES + state->row_count * state->stride;
    char           path[OS_PATH_MAX];
    os_file       *file = NULL;
    uint64_t       size;

    if (state->generation != 0 && column_path(path, folder, state->name, state->generation, "data", NULL) == OCT_OK &&
        os_open(system, path, OS_WRITE, &file, NULL) == OCT_OK && os_size(file, &size, NULL) == OCT_OK && size > end)
        (void)os_truncate(file, end, NULL); /* else it stays, until the next save writes over it */
    os_close(file);
}
