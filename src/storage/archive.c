/* Writing and reading archives. See archive.h.
 *
 * WRITE    Bytes gather in a stage of a megabyte; when it is full they are summed (CRC-32C and SHA-256) and written.
 * READ     The same backwards. A header must be, byte for byte, the one that this code writes for its name and size: so nothing
 *          that a tar file could also say (links, owners, sparse files) has to be understood, and a foreign tar file is
 *          told from a damaged one by its first header.
 * END      The checksum covers every byte before the header of the last entry; that header and what follows it, zeros, are
 *          compared with what they must be. So every byte of the file is covered.
 */
#include "storage/archive.h"

#include <stdio.h>

#include "base/crc32c.h"

#define BLOCK_BYTES 512u
#define STAGE_BYTES (1u << 20)
#define END_FORMAT  "crc32c %08x of %llu bytes\n"
#define END_MAX     64u

/* Where the fields of a header are (POSIX.1-1988 ustar). */
enum { TAR_NAME = 0, TAR_MODE = 100, TAR_UID = 108, TAR_GID = 116, TAR_SIZE = 124, TAR_TIME = 136, TAR_SUM = 148,
       TAR_KIND = 156, TAR_MAGIC = 257, TAR_USED = 265 };

_Static_assert(STAGE_BYTES % BLOCK_BYTES == 0 && TAR_MODE - TAR_NAME == ARCHIVE_NAME_MAX + 1, "fields fit");

struct archive_writer {
    os      *system;
    os_file *file;
    char    *path;
    uint64_t written; /* bytes in the file */
    uint64_t left;    /* of the entry */
    size_t   staged;
    uint32_t crc;
    sha256   sum;
    char     stage[STAGE_BYTES];
};

struct archive_reader {
    os_file *file;
    uint64_t base; /* where the archive begins in the file */
    uint64_t size; /* of the archive */
    uint64_t at;   /* of the next byte to take, from its beginning */
    uint64_t left; /* of the entry */
    size_t   staged, taken;
    uint32_t crc; /* of what was taken */
    sha256   sum; /* of what was staged */
    char     stage[STAGE_BYTES];
};

static bool
is_name(const char *name)
{
    size_t size = 0;

    for (; name[size] != '\0' && size <= ARCHIVE_NAME_MAX; size++) {
        const char c = name[size];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-' || c == '/'))
            return false;
    }
    return size >= 1 && size <= ARCHIVE_NAME_MAX && name[0] != '/' && strstr(name, "..") == NULL;
}

static void
put_octal(char *at, size_t digits, uint64_t value)
{
    at[digits] = '\0';
    while (digits > 0) {
        at[--digits] = (char)('0' + (value & 7));
        value >>= 3;
    }
}

static void
encode_header(char out[BLOCK_BYTES], const char *name, uint64_t size)
{
    unsigned sum = 0;

    memset(out, 0, BLOCK_BYTES);
    memcpy(out + TAR_NAME, name, strlen(name));
    put_octal(out + TAR_MODE, 7, 0644);
    put_octal(out + TAR_UID, 7, 0);
    put_octal(out + TAR_GID, 7, 0);
    if (size >> 33 == 0) {
        put_octal(out + TAR_SIZE, 11, size);
    } else { /* base 256: the highest bit, then the number with its highest byte first */
        out[TAR_SIZE] = (char)0x80;
        for (size_t i = 0; i < 8; i++)
            out[TAR_SIZE + 4 + i] = (char)(size >> (56 - 8 * i));
    }
    put_octal(out + TAR_TIME, 11, 0);
    memset(out + TAR_SUM, ' ', 8); /* as if, while it is summed */
    out[TAR_KIND] = '0';
    memcpy(out + TAR_MAGIC, "ustar\0"
                            "00",
           8);
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        sum += (unsigned char)out[i];
    put_octal(out + TAR_SUM, 6, sum);
    out[TAR_SUM + 7] = ' ';
}

static size_t
padding_of(uint64_t size)
{
    return (size_t)(-size % BLOCK_BYTES);
}

/* --- writing --------------------------------------------------------------------------------------------- */

oct_status
archive_create(os *system, const char *path, archive_writer **out, oct_error *error)
{
    archive_writer *self = oct_alloc(sizeof *self);
    oct_status      status = self == NULL ? oct_fail_memory(error, sizeof *self) : OCT_OK;

    *out = NULL;
    if (status != OCT_OK)
        return status;
    memset(self, 0, offsetof(archive_writer, stage));
    self->system = system;
    sha256_init(&self->sum);
    self->path = oct_copy_text(path, strlen(path));
    if (self->path == NULL)
        status = oct_fail_memory(error, strlen(path));
    else
        status = os_open(system, path, OS_CREATE | OS_TRUNCATE, &self->file, error);
    if (status != OCT_OK) {
        oct_free(self->path);
        oct_free(self);
        return status;
    }
    *out = self;
    return OCT_OK;
}

static oct_status
put(archive_writer *self, const char *data, size_t size, oct_error *error)
{
    oct_status status = OCT_OK;

    while (size > 0 && status == OCT_OK) {
        const size_t some = size_min(size, STAGE_BYTES - self->staged);

        memcpy(self->stage + self->staged, data, some);
        self->staged += some;
        data += some;
        size -= some;
        if (self->staged < STAGE_BYTES)
            continue;
        self->crc = crc32c(self->crc, self->stage, STAGE_BYTES);
        sha256_add(&self->sum, self->stage, STAGE_BYTES);
        status = os_write(self->file, self->written, self->stage, STAGE_BYTES, error);
        self->written += STAGE_BYTES;
        self->staged = 0;
    }
    return status;
}

static oct_status
put_zeros(archive_writer *self, size_t size, oct_error *error)
{
    static const char zeros[2 * BLOCK_BYTES];

    return put(self, zeros, size, error);
}

oct_status
archive_begin(archive_writer *self, const char *name, uint64_t size, oct_error *error)
{
    char header[BLOCK_BYTES];

    OCT_MUST(self->left == 0);
    if (!is_name(name))
        return oct_fail(error, OCT_INVALID, "\"%.200s\" cannot be the name of an entry in an archive", name);
    encode_header(header, name, size);
    self->left = size;
    return put(self, header, sizeof header, error);
}

oct_status
archive_write(archive_writer *self, const void *data, size_t size, oct_error *error)
{
    oct_status status;

    OCT_MUST(size <= self->left);
    status = put(self, data, size, error);
    self->left -= size;
    /* Everything so far is a multiple of a block but for this entry. */
    if (status == OCT_OK && self->left == 0)
        status = put_zeros(self, padding_of(self->written + self->staged), error);
    return status;
}

oct_status
archive_add(archive_writer *self, const char *name, oct_slice content, oct_error *error)
{
    oct_status status = archive_begin(self, name, content.size, error);

    return status == OCT_OK ? archive_write(self, content.data, content.size, error) : status;
}

static oct_status
begin_entry(void *context, const char *name, uint64_t size, oct_error *error)
{
    return archive_begin(context, name, size, error);
}

static oct_status
write_entry(void *context, const void *data, size_t size, oct_error *error)
{
    return archive_write(context, data, size, error);
}

archive_sink
archive_sink_of(archive_writer *self)
{
    return (archive_sink){.context = self, .begin = begin_entry, .write = write_entry};
}

static void
release_writer(archive_writer *self)
{
    os_close(self->file);
    oct_free(self->path);
    oct_free(self);
}

void
archive_abandon(archive_writer *self)
{
    if (self == NULL)
        return;
    (void)os_remove(self->system, self->path, NULL);
    release_writer(self);
}

oct_status
archive_finish(archive_writer *self, uint64_t *size, char sum[SHA256_TEXT_BYTES], oct_error *error)
{
    const uint32_t crc = crc32c(self->crc, self->stage, self->staged);
    char           text[END_MAX];
    const int      length =
        snprintf(text, sizeof text, END_FORMAT, crc, (unsigned long long)(self->written + self->staged));
    oct_status status = archive_add(self, ARCHIVE_END, (oct_slice){text, (size_t)length}, error);

    if (status == OCT_OK)
        status = put_zeros(self, 2 * BLOCK_BYTES, error);
    if (status == OCT_OK && self->staged > 0) {
        sha256_add(&self->sum, self->stage, self->staged);
        status = os_write(self->file, self->written, self->stage, self->staged, error);
        self->written += self->staged;
    }
    if (status == OCT_OK)
        status = os_sync(self->file, error);
    if (status != OCT_OK) {
        archive_abandon(self);
        return status;
    }
    *size = self->written;
    if (sum != NULL)
        sha256_text(&self->sum, sum);
    release_writer(self);
    return OCT_OK;
}

/* --- reading ----------------------------------------------------------------------------------------------- */

static oct_status
fail_damaged(const archive_reader *self, const char *what, oct_error *error)
{
    return oct_fail(error, OCT_CORRUPT, "%s: the snapshot is damaged: at offset %llu %s", self->file->path,
                    (unsigned long long)(self->base + self->at), what);
}

/* The next `size` bytes; data NULL: pass over them. */
static oct_status
take(archive_reader *self, char *data, uint64_t size, oct_error *error)
{
    while (size > 0) {
        size_t some;

        if (self->taken == self->staged) {
            const uint64_t there = self->size - self->at;
            oct_status     status;

            if (there == 0)
                return fail_damaged(self, "it ends, before its end was written", error);
            self->taken = 0;
            self->staged = there < STAGE_BYTES ? (size_t)there : STAGE_BYTES;
            status = os_read_all(self->file, self->base + self->at, self->stage, self->staged, error);
            if (status != OCT_OK)
                return status;
            sha256_add(&self->sum, self->stage, self->staged);
        }
        some = self->staged - self->taken;
        if (some > size)
            some = (size_t)size;
        self->crc = crc32c(self->crc, self->stage + self->taken, some);
        if (data != NULL) {
            memcpy(data, self->stage + self->taken, some);
            data += some;
        }
        self->taken += some;
        self->at += some;
        size -= some;
    }
    return OCT_OK;
}

oct_status
archive_next(archive_reader *from, void *data, size_t size, size_t *got, oct_error *error)
{
    const size_t     some = from->left < size ? (size_t)from->left : size;
    const oct_status status = take(from, data, some, error);

    *got = status == OCT_OK ? some : 0;
    if (status == OCT_OK)
        from->left -= some;
    return status;
}

static uint64_t
size_of(const char header[BLOCK_BYTES])
{
    const unsigned char *at = (const unsigned char *)header + TAR_SIZE;
    uint64_t             size = 0;

    if (at[0] == 0x80) {
        for (size_t i = 4; i < 12; i++)
            size = size << 8 | at[i];
    } else {
        for (size_t i = 0; i < 11; i++)
            size = size << 3 | (at[i] & 7u);
    }
    return size;
}

/* A header that this code would write, or not. */
static oct_status
read_header(archive_reader *self, bool is_first, char name[ARCHIVE_NAME_MAX + 1], oct_error *error)
{
    char       header[BLOCK_BYTES], expected[BLOCK_BYTES];
    oct_status status = take(self, header, sizeof header, error);

    if (status != OCT_OK)
        return status;
    memcpy(name, header + TAR_NAME, ARCHIVE_NAME_MAX + 1);
    name[ARCHIVE_NAME_MAX] = '\0';
    self->left = size_of(header);
    if (is_name(name)) {
        encode_header(expected, name, self->left);
        if (memcmp(header, expected, sizeof header) == 0)
            return self->left <= self->size - self->at
                       ? OCT_OK
                       : fail_damaged(self, "an entry is longer than what is left of the file", error);
    }
    if (is_first)
        return oct_fail(error, OCT_INVALID,
                        "%s is not a snapshot of Octant: its first %u bytes are not the head of an entry that Octant "
                        "writes (snapshots of Qdrant cannot be read)",
                        self->file->path, BLOCK_BYTES);
    self->at -= BLOCK_BYTES;
    return fail_damaged(self, "there is no head of an entry", error);
}

static oct_status
pass_over(archive_reader *self, uint64_t size, oct_error *error)
{
    const oct_status status = take(self, NULL, self->left, error);
    char             padding[BLOCK_BYTES];
    const size_t     count = padding_of(size);

    if (status != OCT_OK)
        return status;
    self->left = 0;
    return count == 0 ? OCT_OK : take(self, padding, count, error);
}

/* What follows the entries. */
static oct_status
read_end(archive_reader *self, uint32_t crc, uint64_t bytes, oct_error *error)
{
    char       expected[3 * BLOCK_BYTES] = {0}, found[3 * BLOCK_BYTES];
    const int  length = snprintf(expected, END_MAX, END_FORMAT, crc, (unsigned long long)bytes);
    oct_status status;

    if (self->left != (uint64_t)length || self->size - self->at != sizeof expected)
        return fail_damaged(self, "its end has another length", error);
    status = take(self, found, sizeof found, error);
    if (status != OCT_OK || memcmp(found, expected, sizeof expected) == 0)
        return status;
    found[END_MAX] = '\0';
    self->at -= sizeof found;
    if (memcmp(found + length, expected + length, sizeof expected - (size_t)length) != 0)
        return fail_damaged(self, "zeros are expected behind the checksum", error);
    return oct_fail(error, OCT_CORRUPT,
                    "%s: the snapshot is damaged: its first %llu bytes have the checksum %08x, but it was written with "
                    "\"%.*s\"",
                    self->file->path, (unsigned long long)bytes, crc, length - 1, found);
}

bool
archive_read_crc(os_file *file, uint64_t size, uint32_t *crc)
{
    char               text[END_MAX + 1] = "", expected[END_MAX + 1];
    size_t             got = 0;
    unsigned           found = 0;
    unsigned long long bytes = 0;

    /* Head and content of the last entry, and two blocks of zeros. */
    if (size < 4 * BLOCK_BYTES ||
        os_read(file, size - 3 * BLOCK_BYTES, text, END_MAX, &got, NULL) != OCT_OK || got < END_MAX ||
        sscanf(text, "crc32c %8x of %20llu bytes", &found, &bytes) != 2)
        return false;
    (void)snprintf(expected, sizeof expected, END_FORMAT, found, bytes);
    *crc = found;
    return strcmp(text, expected) == 0 && bytes == size - 4 * BLOCK_BYTES;
}

oct_status
archive_read(os_file *file, uint64_t offset, uint64_t size, archive_visit visit, void *context,
             char sum[SHA256_TEXT_BYTES], oct_error *error)
{
    archive_reader *self = oct_alloc(sizeof *self);
    char            name[ARCHIVE_NAME_MAX + 1];
    oct_status      status = OCT_OK;
    bool            ended = false;

    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    memset(self, 0, offsetof(archive_reader, stage));
    self->file = file;
    self->base = offset;
    self->size = size;
    sha256_init(&self->sum);
    if (size < 4 * BLOCK_BYTES)
        status = oct_fail(error, OCT_INVALID, "%s is not a snapshot of Octant: it has %llu bytes, too few for one",
                          file->path, (unsigned long long)size);
    for (bool is_first = true; status == OCT_OK && !ended; is_first = false) {
        const uint32_t crc = self->crc;
        const uint64_t bytes = self->at;
        uint64_t       entry_bytes;

        status = read_header(self, is_first, name, error);
        if (status != OCT_OK)
            break;
        ended = strcmp(name, ARCHIVE_END) == 0;
        entry_bytes = self->left;
        if (ended)
            status = read_end(self, crc, bytes, error);
        else
            status = visit(context, self, name, entry_bytes, error);
        if (status == OCT_OK && !ended)
            status = pass_over(self, entry_bytes, error);
    }
    if (status == OCT_OK && sum != NULL)
        sha256_text(&self->sum, sum);
    oct_free(self);
    return status;
}
