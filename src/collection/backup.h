/* backup.h - backups of a whole database, each in one file: whole ones, and increments that go on from another.
 *
 * WHOLE        A full snapshot (snapshot.h).
 * INCREMENT    The same archive, but of the files and the log only the pieces (pieces.h) that its base does not have, and a list
 *              of all pieces. It names its base by the SHA-256 of that file. Its base may be an increment: a chain, which
 *              ends with a whole backup. Each link is one position of the log, restorable with those before it.
 * MAKING       The base is read to its end first, which verifies it: nothing is built on a damaged one. The file gets its name
 *              when it is whole and synced (<name>.part until then). An increment replaces no file, as others may go on from it.
 * RESTORING    Bases are looked for by name in the folder of the newest, or in one that is given; if they were renamed, by size and
 *              checksum. All links are read and compared with what the newer ones say of them before anything is written. Then
 *              they are laid one over the other, oldest first, leaving out what the newest does not need; then every piece is read
 *              back and compared with the list. The format file comes last, so that what a crash leaves is no database.
 * WHY          Pieces that are compared, not generations or sequences that are trusted: pieces.h. Deciding that costs reading
 *              everything: docs/decisions/0018-increments.md.
 * FILES        backup_write.c, backup_restore.c.
 */
#ifndef OCT_BACKUP_H
#define OCT_BACKUP_H

#include "collection/pieces.h"
#include "collection/snapshot.h"

#define BACKUP_LINKS_MAX 1000u /* of a chain */

/* --- backup_write.c -------------------------------------------------------------------------------------------- */

/* Of the database in `folder`, which another process may be writing to, into `path`. `base` NULL: whole. */
oct_status backup_write(os *system, const char *folder, const char *path, const char *base, oct_backup_info *info,
                        oct_error *error);

/* An increment in the making: takes the files and the log, and writes what the base does not have. */
struct increment {
    const pieces        *base;
    const snapshot_head *base_head; /* `base` of it is what this one says of its own base */
    archive_writer      *to;
    pieces               made;
    piece_cutter         cutter;
    log_chunk            chunk;
    char                *run;   /* RUN_BYTES: pieces that follow one another, to be stored */
    size_t               run_size;
    char                *piece; /* PIECE_BYTES */
    size_t               piece_used;
    char                 name[ARCHIVE_NAME_MAX + 1]; /* of the file under way */
    const piece_file    *before;                     /* the base's of that name */
    uint64_t             left;                       /* of it */
    size_t               at;                         /* its next piece */
};

oct_status   increment_begin(increment *self, archive_writer *to, oct_error *error);
void         increment_add_head(const increment *self, buffer *out); /* what its head says */
oct_status   increment_record(increment *self, uint64_t sequence, uint64_t shard_id, oct_slice body, oct_error *error);
oct_status   increment_end_log(increment *self, oct_error *error);
archive_sink increment_sink(increment *self); /* for the files */
oct_status   increment_end(increment *self, uint64_t position, oct_error *error);
void         increment_clear(increment *self);

/* --- backup_restore.c ------------------------------------------------------------------------------------------- */

/* `bases`: the folder of the bases; NULL: that of `path`. */
oct_status backup_restore(os *system, const char *path, const char *bases, const char *folder, oct_error *error);
/* Verify it and all that it goes on from. */
oct_status backup_verify(os *system, const char *path, const char *bases, oct_backup_info *info, oct_error *error);

#endif
