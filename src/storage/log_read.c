/* Reading the write-ahead log when it is opened: what counts, what was torn, what is damaged.
 *
 * VALID    A record counts if its length fits, its checksum holds and its sequence is one more than that of
 *          the record before. The first that does not count is the bad place, and everything depends on
 *          why it is bad:
 *
 *              file    [header][ 7 ][ 8 ][ 9 ][ ???  ][ 11 ][ 12 ]0000000000
 *                                              ^ bad place         ^ reserved room
 *
 *          Torn: records 10 to 12 were written together and the power went before their sync. A disk may
 *          keep any part of what was not synced, so 11 and 12 may well be whole. Nobody was told that they
 *          are safe; the log ends at 9. Damaged: record 10 had been synced, perhaps acknowledged, and has
 *          gone bad since. Then ending the log at 9 would lose data in silence.
 *
 *          What tells the two apart is in the records behind: each says how far the log was durable when
 *          it was queued. A whole record that says "10 is durable" proves damage: OCT_CORRUPT. None does:
 *          torn, cut off. So only damage to the last batch of all can be taken for a torn tail; nothing
 *          was ever written that would know better.
 * FILES    A file is synced to its end before the header of the next is written, and a header is synced
 *          before the first record behind it. So in any file but the last a missing record is damage, and
 *          so are bytes behind a bad header. A last file without header is one that was being made.
 *          Missing records are no damage if the checkpoint holds them all: files are removed in any order
 *          as far as the disk is concerned, and with the policies interval and never a checkpoint may
 *          know more than the log does.
 * SALT     Bodies hold what users sent, which might be a well-formed record of this log. The checksum
 *          covers a number that is random for each file and that nobody is told.
 * COST     Records are handed out where they were read to, one read for each LOG_READ_BYTES. The search behind
 *          a bad place looks at every 8 bytes and checks what could be a record, up to a bound.
 */
#include "storage/log_internal.h"

#include <stdio.h>

#include "base/crc32c.h"

#define LOG_READ_BYTES  (4u << 20) /* measured: 1 and 16 MiB read no faster */
#define LOG_PROBE_BYTES (1u << 30) /* of candidates behind a bad place; crafted bytes cannot cost more time */
#define LOG_NAME_DIGITS 10u
#define READ_ONLY_LOOKS 3 /* at headers, before they are called damaged */

_Static_assert(LOG_HEADER_BYTES % LOG_ALIGNMENT == 0 && LOG_RECORD_BYTES % LOG_ALIGNMENT == 0,
               "bodies begin at a multiple of 8");

void
log_header_encode(char out[LOG_HEADER_BYTES], uint32_t salt, uint64_t first_sequence)
{
    memset(out, 0, LOG_HEADER_BYTES);
    memcpy(out, LOG_MAGIC, 8);
    put_u32(out + 8, LOG_VERSION);
    put_u32(out + 12, salt);
    put_u64(out + 16, first_sequence);
    put_u32(out + 28, crc32c(0, out, 28));
}

void
log_record_encode(char out[LOG_RECORD_BYTES], const log_record_header *header)
{
    put_u32(out, header->length);
    put_u32(out + 4, header->crc);
    put_u64(out + 8, header->sequence);
    put_u64(out + 16, header->shard);
    put_u64(out + 24, header->durable);
}

static log_record_header
decode_record(const char *at)
{
    return (log_record_header){get_u32(at), get_u32(at + 4), get_u64(at + 8), get_u64(at + 16),
                               get_u64(at + 24)};
}

/* The body comes first so that appenders can sum it before they know their sequence. */
uint32_t
log_record_crc(uint32_t body_crc, const log_record_header *header, uint32_t salt)
{
    char rest[32];

    put_u64(rest, header->sequence);
    put_u64(rest + 8, header->shard);
    put_u64(rest + 16, header->durable);
    put_u32(rest + 24, header->length);
    put_u32(rest + 28, salt);
    return crc32c(body_crc, rest, sizeof rest);
}

oct_status
log_file_path(char out[OS_PATH_MAX], const char *folder, uint64_t number, oct_error *error)
{
    char name[32];

    (void)snprintf(name, sizeof name, "%010llu.log", (unsigned long long)number);
    return os_path_join(out, folder, name, error);
}

void
log_files_free(log_file *files)
{
    while (files != NULL) {
        log_file *next = files->next;

        os_close(files->file);
        oct_free(files);
        files = next;
    }
}

/* --- a window that moves over a file -------------------------------------------------------- */

typedef struct window {
    os_file *file;
    uint64_t file_size;
    char    *data;
    size_t   capacity;
    uint64_t start; /* data[0] is this byte of the file */
    size_t   filled;
} window;

/* *out points to the bytes from `offset` on, *size tells how many: `wanted`, or less at the end of the file.
 * They stay until the next call. */
static oct_status
window_peek(window *self, uint64_t offset, size_t wanted, const char **out, size_t *size, oct_error *error)
{
    size_t     kept = 0, got;
    oct_status status;

    *out = NULL;
    *size = 0;
    if (offset >= self->file_size)
        return OCT_OK;
    if (wanted > self->file_size - offset)
        wanted = (size_t)(self->file_size - offset);
    if (offset < self->start || offset + wanted > self->start + self->filled) {
        /* Keep what is there of it, move it to the front, read on behind it. */
        if (offset >= self->start && offset < self->start + self->filled)
            kept = (size_t)(self->start + self->filled - offset);
        if (kept > 0)
            memmove(self->data, self->data + (offset - self->start), kept);
        self->start = offset;
        self->filled = kept;
        if (wanted > self->capacity) {
            const size_t capacity = size_max(wanted, size_min(LOG_READ_BYTES, (size_t)self->file_size));
            char        *data = oct_realloc(self->data, capacity);

            if (data == NULL)
                return oct_fail_memory(error, capacity);
            self->data = data;
            self->capacity = capacity;
        }
        status = os_read(self->file, offset + kept, self->data + kept, self->capacity - kept, &got, error);
        if (status != OCT_OK)
            return status;
        self->filled = kept + got;
    }
    *out = self->data + (offset - self->start);
    *size = size_min(wanted, self->filled - (size_t)(offset - self->start));
    return OCT_OK;
}

/* --- records -------------------------------------------------------------------------------- */

/* What is wrong with the record at the bad place, for the message. */
typedef struct bad_place {
    uint64_t offset;
    uint64_t sequence; /* of the record that should be there */
    char     why[160];
} bad_place;

static void explain(bad_place *bad, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
explain(bad_place *bad, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(bad->why, sizeof bad->why, format, args);
    va_end(args);
}

/* Read the record at `bad->offset`, expecting `bad->sequence`. *body is NULL if it does not count, and then
 * bad->why says why. */
static oct_status
read_record(window *from, uint32_t salt, bad_place *bad, log_record_header *header, const char **body,
            oct_error *error)
{
    const char *at;
    size_t      size;
    uint64_t    room;
    uint32_t    crc;
    oct_status  status = window_peek(from, bad->offset, LOG_RECORD_BYTES, &at, &size, error);

    *body = NULL;
    if (status != OCT_OK)
        return status;
    if (size < LOG_RECORD_BYTES) {
        explain(bad, "the file ends at offset %llu", (unsigned long long)from->file_size);
        return OCT_OK;
    }
    *header = decode_record(at);
    room = from->file_size - bad->offset - LOG_RECORD_BYTES;
    if (header->length > LOG_BODY_MAX || header->length > room) {
        explain(bad, "its length is %u, expected at most %llu", header->length,
                (unsigned long long)(room < LOG_BODY_MAX ? room : LOG_BODY_MAX));
        return OCT_OK;
    }
    if (header->sequence != bad->sequence) {
        explain(bad, "its sequence is %llu, expected %llu", (unsigned long long)header->sequence,
                (unsigned long long)bad->sequence);
        return OCT_OK;
    }
    status = window_peek(from, bad->offset, LOG_RECORD_BYTES + (size_t)header->length, &at, &size, error);
    if (status != OCT_OK)
        return status;
    if (size < LOG_RECORD_BYTES + (size_t)header->length) {
        explain(bad, "the file ends at offset %llu", (unsigned long long)(bad->offset + size));
        return OCT_OK;
    }
    crc = log_record_crc(crc32c(0, at + LOG_RECORD_BYTES, header->length), header, salt);
    if (crc != header->crc)
        explain(bad, "its checksum is %08x, expected %08x", header->crc, crc);
    else
        *body = at + LOG_RECORD_BYTES;
    return OCT_OK;
}

/* --- behind the bad place ------------------------------------------------------------------- */

typedef struct tail_search {
    uint64_t nonzero_end; /* one past the last byte that is not zero; the bad place's offset if none */
    uint64_t probed;      /* bytes summed */
    bool     is_damage;   /* `found` proves that the record at the bad place was durable once */
    uint64_t found_offset;
    uint64_t found_sequence;
} tail_search;

/* Is there a whole record at `offset`, whose header is given? */
static oct_status
probe_record(os_file *file, uint64_t offset, const log_record_header *header, uint32_t salt, char *scratch,
             size_t scratch_bytes, bool *is_whole, oct_error *error)
{
    uint64_t at = offset + LOG_RECORD_BYTES, left = header->length;
    uint32_t crc = 0;

    *is_whole = false;
    while (left > 0) {
        const size_t     size = left < scratch_bytes ? (size_t)left : scratch_bytes;
        const oct_status status = os_read_all(file, at, scratch, size, error);

        if (status != OCT_OK)
            return status;
        crc = crc32c(crc, scratch, size);
        at += size;
        left -= size;
    }
    *is_whole = log_record_crc(crc, header, salt) == header->crc;
    return OCT_OK;
}

/* Could these be the first bytes of a record that says "bad->sequence is durable"? */
static bool
is_candidate(const log_record_header *header, uint64_t room, uint64_t bad_sequence)
{
    return header->sequence > bad_sequence && header->durable >= bad_sequence &&
           header->durable < header->sequence && header->sequence - bad_sequence <= UINT32_MAX &&
           header->length <= LOG_BODY_MAX && header->length <= room;
}

static oct_status
search_tail(window *from, uint32_t salt, const bad_place *bad, tail_search *out, oct_error *error)
{
    const size_t scratch_bytes = 65536;
    char        *scratch = NULL;
    uint64_t     offset = bad->offset;
    oct_status   status = OCT_OK;

    *out = (tail_search){.nonzero_end = bad->offset};
    while (status == OCT_OK && offset < from->file_size && !out->is_damage) {
        const char *at;
        size_t      size, i = 0;

        status = window_peek(from, offset, LOG_READ_BYTES, &at, &size, error);
        if (status != OCT_OK || size == 0)
            break;
        for (; i + LOG_RECORD_BYTES <= size && !out->is_damage; i += LOG_ALIGNMENT) {
            const uint64_t    place = offset + i;
            log_record_header header;
            bool              is_whole = false;

            if (get_u64(at + i) == 0)
                continue; /* reserved room; a record whose length and checksum are 0 does not happen */
            out->nonzero_end = place + LOG_ALIGNMENT;
            header = decode_record(at + i);
            if (!is_candidate(&header, from->file_size - place - LOG_RECORD_BYTES, bad->sequence) ||
                out->probed + header.length > LOG_PROBE_BYTES)
                continue;
            out->probed += header.length;
            if (scratch == NULL && (scratch = oct_alloc(scratch_bytes)) == NULL) {
                status = oct_fail_memory(error, scratch_bytes);
                break;
            }
            status = probe_record(from->file, place, &header, salt, scratch, scratch_bytes, &is_whole, error);
            if (status != OCT_OK)
                break;
            if (is_whole) {
                out->is_damage = true;
                out->found_offset = place;
                out->found_sequence = header.sequence;
            }
        }
        /* Too short for a record: the last bytes of the file only. */
        if (offset + size == from->file_size) {
            for (; i < size; i++) {
                if (at[i] != 0)
                    out->nonzero_end = offset + i + 1;
            }
        }
        if (i == 0)
            break; /* the file has become shorter than it was */
        offset += i;
    }
    oct_free(scratch);
    return status;
}

/* --- files ---------------------------------------------------------------------------------- */

static oct_status
file_new(uint64_t number, log_file **out, oct_error *error)
{
    *out = oct_calloc(1, sizeof **out);
    if (*out == NULL)
        return oct_fail_memory(error, sizeof **out);
    (*out)->number = number;
    return OCT_OK;
}

/* The number in "0000000001.log"; 0: not a name of ours. */
static uint64_t
number_of(const char *name)
{
    uint64_t number = 0;

    for (size_t i = 0; i < LOG_NAME_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        number = number * 10 + (uint64_t)(name[i] - '0');
    }
    return strcmp(name + LOG_NAME_DIGITS, ".log") == 0 ? number : 0;
}

/* All files of the folder, oldest first, headers unread. */
static oct_status
list_files(log_recovery *self, oct_error *error)
{
    log_file **end = &self->files;
    char     **names;
    size_t     count;
    oct_status status = os_list(self->system, self->path, &names, &count, error);

    self->next_number = 1;
    if (status == OCT_NOT_FOUND)
        return self->read_only ? OCT_OK : os_make_dir(self->system, self->path, error);
    for (size_t i = 0; i < count && status == OCT_OK; i++) { /* sorted, and so by number */
        const uint64_t number = number_of(names[i]);

        if (number == 0)
            continue;
        status = file_new(number, end, error);
        if (status != OCT_OK)
            break;
        end = &(*end)->next;
        self->next_number = number + 1;
    }
    oct_free(names);
    return status;
}

static oct_status
open_file(const log_recovery *self, const log_file *file, unsigned flags, os_file **out, oct_error *error)
{
    char       path[OS_PATH_MAX];
    oct_status status;

    *out = NULL;
    status = log_file_path(path, self->path, file->number, error);
    return status != OCT_OK ? status : os_open(self->system, path, flags, out, error);
}

/* A file without a valid header must hold nothing: OCT_CORRUPT if anything was written behind it. */
static oct_status
check_unbegun(os_file *file, uint64_t size, oct_error *error)
{
    window      from = {.file = file, .file_size = size};
    const char *at;
    size_t      got;
    oct_status  status = OCT_OK;

    for (uint64_t offset = LOG_HEADER_BYTES; offset < size && status == OCT_OK; offset += got) {
        status = window_peek(&from, offset, LOG_READ_BYTES, &at, &got, error);
        if (status != OCT_OK || got == 0)
            break;
        for (size_t i = 0; i < got; i++) {
            if (at[i] != 0) {
                status = oct_fail(error, OCT_CORRUPT,
                                  "%s: the header at offset 0 is damaged, expected a checksum that "
                                  "holds, found records behind it (at offset %llu)",
                                  file->path, (unsigned long long)(offset + i));
                break;
            }
        }
    }
    oct_free(from.data);
    return status;
}

/* Read the header; an invalid one leaves is_begun false. */
static oct_status
read_header(log_recovery *self, log_file *file, oct_error *error)
{
    char       header[LOG_HEADER_BYTES] = {0};
    os_file   *opened;
    uint64_t   size = 0;
    size_t     got = 0;
    oct_status status = open_file(self, file, 0, &opened, error);

    if (status == OCT_OK)
        status = os_size(opened, &size, error);
    if (status == OCT_OK)
        status = os_read(opened, 0, header, sizeof header, &got, error);
    if (status != OCT_OK)
        goto out;
    if (got < sizeof header || memcmp(header, LOG_MAGIC, 8) != 0 ||
        get_u32(header + 28) != crc32c(0, header, 28) || get_u64(header + 16) == 0) {
        status = check_unbegun(opened, size, error);
        goto out;
    }
    if (get_u32(header + 8) != LOG_VERSION) {
        status = oct_fail(error, OCT_UNSUPPORTED,
                          "%s: the log has format version %u, this program knows %u; open it "
                          "with a later one",
                          opened->path, get_u32(header + 8), LOG_VERSION);
        goto out;
    }
    file->is_begun = true;
    file->salt = get_u32(header + 12);
    file->first_sequence = get_u64(header + 16);
    file->last_sequence = file->first_sequence - 1;
    file->end = LOG_HEADER_BYTES;
out:
    os_close(opened);
    return status;
}

/* Are the records between `file` and the next one, if any is missing, all in the checkpoint? */
static oct_status
check_next(const log_recovery *self, const log_file *file, const bad_place *bad, const char *path,
           oct_error *error)
{
    const uint64_t next = file->next->first_sequence;

    if (next == bad->sequence || (next > bad->sequence && next - 1 <= self->after_sequence))
        return OCT_OK;
    return oct_fail(error, OCT_CORRUPT,
                    "%s: record %llu is missing at offset %llu: %s; the next file begins with "
                    "record %llu",
                    path, (unsigned long long)bad->sequence, (unsigned long long)bad->offset, bad->why,
                    (unsigned long long)next);
}

/* A reader beside a living writer may find a record whole that was not there a moment ago, and what
 * followed it as well. Then nothing is damaged; what was read is a prefix, and good enough. */
static oct_status
look_again(window *from, uint32_t salt, bad_place *bad, bool *is_damage, oct_error *error)
{
    log_record_header header;
    const char       *body;
    oct_status        status;

    from->filled = 0;
    status = read_record(from, salt, bad, &header, &body, error);
    *is_damage = body == NULL;
    return status;
}

/* What is behind the last good record of a file: nothing, a torn tail, or proof of damage. */
static oct_status
settle_tail(log_recovery *self, log_file *file, window *from, bad_place *bad, oct_error *error)
{
    const bool  is_last = file->next == NULL || !file->next->is_begun;
    tail_search tail;
    oct_status  status;

    if (!is_last && file->next->first_sequence == bad->sequence)
        return OCT_OK;
    status = search_tail(from, file->salt, bad, &tail, error);
    if (status == OCT_OK && tail.is_damage && self->read_only)
        status = look_again(from, file->salt, bad, &tail.is_damage, error);
    if (status != OCT_OK)
        return status;
    if (tail.is_damage)
        return oct_fail(error, OCT_CORRUPT,
                        "%s: record %llu at offset %llu is damaged: %s; record %llu at offset %llu "
                        "is whole and was written when that one was safe",
                        from->file->path, (unsigned long long)bad->sequence, (unsigned long long)bad->offset,
                        bad->why, (unsigned long long)tail.found_sequence,
                        (unsigned long long)tail.found_offset);
    if (!is_last)
        return check_next(self, file, bad, from->file->path, error);

    self->torn_bytes += tail.nonzero_end - bad->offset;
    if (self->read_only)
        return OCT_OK;
    /* Cut it off before anything follows: the next records must not meet a torn one behind them. */
    if (tail.nonzero_end > bad->offset)
        status = os_truncate(from->file, bad->offset, error);
    /* And what was read must be as durable as it will be taken for. */
    return status != OCT_OK ? status : os_sync(from->file, error);
}

/* Hand out the records of one file. */
static oct_status
read_file(log_recovery *self, log_file *file, oct_error *error)
{
    window            from = {0};
    bad_place         bad = {.offset = LOG_HEADER_BYTES, .sequence = file->first_sequence};
    log_record_header header;
    const char       *body = NULL;
    oct_status        status = open_file(self, file, self->read_only ? 0 : OS_WRITE, &from.file, error);

    if (status == OCT_OK)
        status = os_size(from.file, &from.file_size, error);
    while (status == OCT_OK) {
        status = read_record(&from, file->salt, &bad, &header, &body, error);
        if (status != OCT_OK || body == NULL)
            break;
        if (header.sequence > self->after_sequence) {
            const log_record record = {header.sequence, header.shard, {body, header.length}};

            status = self->visit(self->context, &record, error);
        }
        bad.offset += log_record_bytes(header.length);
        bad.sequence++;
    }
    if (status == OCT_OK) {
        file->last_sequence = bad.sequence - 1;
        file->end = bad.offset;
        file->reserved = bad.offset; /* what there is behind it is asked for again: it may be a hole */
        status = settle_tail(self, file, &from, &bad, error);
    }
    oct_free(from.data);
    os_close(from.file);
    return status;
}

/* Remove the last files, which have no header and hold nothing. */
static oct_status
remove_unbegun(log_recovery *self, log_file **link, oct_error *error)
{
    char       path[OS_PATH_MAX];
    bool       removed = false;
    oct_status status = OCT_OK;

    for (log_file *file = *link; file != NULL && status == OCT_OK && !self->read_only; file = file->next) {
        status = log_file_path(path, self->path, file->number, error);
        if (status == OCT_OK)
            status = os_remove(self->system, path, error);
        removed = true;
    }
    if (status == OCT_OK && removed)
        status = os_sync_dir(self->system, self->path, error);
    if (status == OCT_OK) {
        log_files_free(*link);
        *link = NULL;
    }
    return status;
}

/* A header that is bad before one that is good; a beginning that is missing. */
static oct_status
check_files(const log_recovery *self, oct_error *error)
{
    const log_file *first = self->files;
    char            path[OS_PATH_MAX];
    oct_status      status;

    for (const log_file *file = self->files; file != NULL && file->next != NULL; file = file->next) {
        if (file->is_begun || !file->next->is_begun)
            continue;
        status = log_file_path(path, self->path, file->number, error);
        return status != OCT_OK ? status
                                : oct_fail(error, OCT_CORRUPT,
                                           "%s: the header at offset 0 is damaged, expected "
                                           "a checksum that holds: the file after it was begun",
                                           path);
    }
    if (first == NULL || !first->is_begun || first->first_sequence <= self->after_sequence + 1)
        return OCT_OK;
    return oct_fail(error, OCT_CORRUPT,
                    "%s: the first file of the log begins with record %llu, expected %llu: a file is "
                    "missing",
                    self->path, (unsigned long long)first->first_sequence,
                    (unsigned long long)(self->after_sequence + 1));
}

static oct_status
read_headers(log_recovery *self, oct_error *error)
{
    oct_status status = OCT_OK;

    for (log_file *file = self->files; file != NULL && status == OCT_OK; file = file->next) {
        file->is_begun = false;
        status = read_header(self, file, error);
    }
    return status == OCT_OK ? check_files(self, error) : status;
}

oct_status
log_recover(log_recovery *self, oct_error *error)
{
    log_file **unbegun;
    oct_status status = list_files(self, error);

    if (status == OCT_OK)
        status = read_headers(self, error);
    /* A living writer may have begun files between two of our looks: damage is what stays. */
    for (int looks = 1; status == OCT_CORRUPT && self->read_only && looks < READ_ONLY_LOOKS; looks++)
        status = read_headers(self, error);
    if (status != OCT_OK)
        return status;

    self->last_sequence = self->after_sequence;
    unbegun = &self->files;
    while (*unbegun != NULL && (*unbegun)->is_begun && status == OCT_OK) {
        status = read_file(self, *unbegun, error);
        self->last = *unbegun;
        unbegun = &(*unbegun)->next;
    }
    if (status == OCT_OK)
        status = remove_unbegun(self, unbegun, error);
    if (status != OCT_OK)
        return status;

    /* The checkpoint knows more than the log: go on in a new file, after a gap that the checkpoint covers. */
    if (self->last != NULL && self->last->last_sequence < self->after_sequence)
        self->last = NULL;
    if (self->last != NULL)
        self->last_sequence = self->last->last_sequence;
    return OCT_OK;
}
