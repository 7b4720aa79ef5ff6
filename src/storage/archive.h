/* archive.h - one tar file with a checksum at its end: what snapshots and backups are kept in.
 *
 * Any tar program can list and unpack one (POSIX ustar; sizes beyond 8 GiB in base 256, as GNU tar and others read). What is
 * in it is said by who writes it (collection/snapshot.h). Written and read in one pass, a megabyte at a time.
 * The last entry, ARCHIVE_END, holds the CRC-32C of all bytes before it: a file that was cut, changed or packed again is
 * refused. The bytes stand in docs/format/snapshot.md.
 */
#ifndef OCT_ARCHIVE_H
#define OCT_ARCHIVE_H

#include "base/sha256.h"
#include "os/os.h"

#define ARCHIVE_END      "octant-snapshot.end"
#define ARCHIVE_NAME_MAX 99u /* bytes of an entry's name: letters, digits, . _ - / */

typedef struct archive_writer archive_writer;
typedef struct archive_reader archive_reader;

/* Make the file at `path`, replacing what was there. */
oct_status archive_create(os *system, const char *path, archive_writer **out, oct_error *error);
/* An entry: its name and size first, then exactly so many bytes, in any number of calls. */
oct_status archive_begin(archive_writer *self, const char *name, uint64_t size, oct_error *error);
oct_status archive_write(archive_writer *self, const void *data, size_t size, oct_error *error);
oct_status archive_add(archive_writer *self, const char *name, oct_slice content, oct_error *error); /* both */
/* Write the end, sync, close. *size and `sum` (may be NULL) are those of the whole file. The folder is not synced. On
 * failure the file is removed; either way the writer is released. */
oct_status archive_finish(archive_writer *self, uint64_t *size, char sum[SHA256_TEXT_BYTES], oct_error *error);
/* Somebody who takes entries: an archive, or what looks at them first. */
typedef struct archive_sink {
    void *context;
    oct_status (*begin)(void *context, const char *name, uint64_t size, oct_error *error);
    oct_status (*write)(void *context, const void *data, size_t size, oct_error *error);
} archive_sink;

archive_sink archive_sink_of(archive_writer *self);
void       archive_abandon(archive_writer *self); /* remove the file; accepts NULL */

/* What the last entry of an archive of `size` bytes says of all before it: a quick look that tells one archive from another. False:
 * there is no such entry. */
bool archive_read_crc(os_file *file, uint64_t size, uint32_t *crc);

/* Called for each entry in order; `name` is valid during the call. What it does not read is passed over. */
typedef oct_status (*archive_visit)(void *context, archive_reader *from, const char *name, uint64_t size,
                                    oct_error *error);
/* The next bytes of the entry; *got is less than `size` only at its end. */
oct_status archive_next(archive_reader *from, void *data, size_t size, size_t *got, oct_error *error);

/* Read the archive in bytes [offset, offset + size) of a file. OCT_CORRUPT: it is damaged, with the offset; OCT_INVALID: it
 * is no archive of Octant. Damage may be found only at its end, after all entries were visited. `sum` (may be NULL): the SHA-256 of
 * all bytes. */
oct_status archive_read(os_file *file, uint64_t offset, uint64_t size, archive_visit visit, void *context,
                        char sum[SHA256_TEXT_BYTES], oct_error *error);

#endif
