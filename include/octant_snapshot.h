/* octant_snapshot.h - snapshots and backups, typed; beside octant.h.
 *
 * A snapshot is one file: everything that was acknowledged when it was asked for, at one position of the log, while
 * reads and writes go on. Every byte of it is covered by a checksum. It is written to the snapshot folder and listed
 * from there; recovering from it replaces a collection as a whole, or changes nothing.
 */
#ifndef OCTANT_SNAPSHOT_H
#define OCTANT_SNAPSHOT_H

#include "octant.h"

#ifdef __cplusplus
extern "C" {
#endif


typedef enum oct_snapshot_scope {
    OCT_SNAPSHOT_COLLECTION = 0,
    OCT_SNAPSHOT_SHARD = 1, /* as a collection's: here it has one shard, number 0 */
    OCT_SNAPSHOT_FULL = 2   /* all collections and aliases */
} oct_snapshot_scope;

/* Whose snapshots. */
typedef struct oct_snapshot_place {
    oct_snapshot_scope scope;
    oct_slice          collection; /* name or alias; empty for OCT_SNAPSHOT_FULL */
    uint32_t           shard;      /* for OCT_SNAPSHOT_SHARD */
} oct_snapshot_place;

typedef struct oct_snapshot {
    oct_slice name;     /* of the file */
    uint64_t  size;     /* bytes */
    int64_t   created;  /* seconds since 1970; 0: not known, as the file is no snapshot of Octant */
    oct_slice checksum; /* SHA-256 of the file in hexadecimal digits; empty: not known */
} oct_snapshot;

typedef struct oct_snapshots { /* one allocation; sorted by name */
    size_t              count;
    const oct_snapshot *items;
} oct_snapshots;

/* Make one. *out (may be NULL) describes it. `wait` false: return at once, *out is NULL, and whether it worked is seen
 * in the list. Errors: OCT_NOT_FOUND; OCT_FULL (nothing is left behind); OCT_CORRUPT: what is damaged cannot be saved, and the
 * text names it; OCT_BUSY: too many at once. */
OCT_API oct_status oct_snapshot_create(oct_database *database, const oct_snapshot_place *place, bool wait,
                                       oct_snapshots **out, oct_error *error);
OCT_API oct_status oct_snapshot_list(oct_database *database, const oct_snapshot_place *place, oct_snapshots **out,
                                     oct_error *error);
OCT_API void       oct_snapshots_free(oct_snapshots *snapshots);
OCT_API oct_status oct_snapshot_delete(oct_database *database, const oct_snapshot_place *place, oct_slice name,
                                       oct_error *error);

/* A file that holds a snapshot, or will. One thread at a time, but for reads. */
typedef struct oct_file oct_file;

OCT_API oct_status oct_snapshot_open(oct_database *database, const oct_snapshot_place *place, oct_slice name,
                                     oct_file **out, oct_error *error);
/* Any file, by its path. In a database in memory, whose snapshots are there too: of that memory. */
OCT_API oct_status oct_file_open(oct_database *database, oct_slice path, oct_file **out, oct_error *error);
/* A new one without a name that lasts, in the snapshot folder: for what is sent from elsewhere. Gone when it is closed. */
OCT_API oct_status oct_file_new(oct_database *database, oct_file **out, oct_error *error);
/* Behind what is there. OCT_FULL. */
OCT_API oct_status oct_file_write(oct_file *file, const void *data, size_t size, oct_error *error);
/* *got is less than `size` only at the end. */
OCT_API oct_status oct_file_read(oct_file *file, uint64_t offset, void *data, size_t size, size_t *got, oct_error *error);
OCT_API uint64_t   oct_file_size(const oct_file *file);
#define OCT_SHA256_TEXT 65 /* hexadecimal digits and a NUL */
OCT_API oct_status oct_file_sha256(oct_file *file, uint64_t offset, uint64_t size, char sum[OCT_SHA256_TEXT],
                                   oct_error *error);
OCT_API void       oct_file_close(oct_file *file);
/* The folder, absolute; the database's. */
OCT_API const char *oct_snapshot_folder(oct_database *database);
OCT_API bool        oct_snapshot_urls_refused(oct_database *database); /* as it was opened */

/**
 * Put the collection in bytes [offset, offset + size) of a file in the place of the one named in `place`, or make it (a shard's must
 * exist and have the same vectors). Aliases go over to it; handles of the old one go on reading the old one.
 *
 * Memory.  The file is taken over and closed, whatever happens.
 * Cost.    The snapshot is unpacked beside the collection, so both need room on the disk for a while.
 * Errors.  OCT_INVALID: no snapshot, or not of this kind; OCT_CORRUPT: damaged; OCT_FULL; OCT_BUSY. Then nothing has
 *          changed. `wait` false: return at once, and failures are not told.
 */
OCT_API oct_status oct_snapshot_recover(oct_database *database, const oct_snapshot_place *place, oct_file *file,
                                        uint64_t offset, uint64_t size, bool wait, oct_error *error);

/* What a backup is, as it was made or found. */
typedef struct oct_backup_info {
    bool     is_increment;
    int64_t  created;       /* seconds since 1970 */
    uint64_t log_position;  /* every record of the log up to this one is in it, and none behind */
    uint64_t bytes;         /* of the file */
    uint64_t content_bytes; /* of the files and the log that a restore makes of it (a whole one: of the file) ... */
    uint64_t stored_bytes;  /* ... and of those, what is in this file, not in its bases */
    size_t   file_count;    /* that a restore needs: this one and its bases. Set by oct_backup_verify */
    char     sha256[OCT_SHA256_TEXT]; /* of the file, in hexadecimal digits */
} oct_backup_info;

/* A full snapshot of the database at `path` into `file`, also while another process has it open. The file gets its name when it
 * is whole and on the disk; one that was there is replaced. */
OCT_API oct_status oct_backup(const char *path, const char *file, oct_error *error);
/**
 * The same, but only what `base`, a backup too (or a full snapshot; of whatever database), does not have. NULL: all of it.
 *
 * Cost.    Reads the database and the base whole, and writes what differs: pages of 64 KiB of files, some records of the log.
 * Memory.  Some 20 bytes for each 64 KiB of database and base. *info (may be NULL) is the caller's.
 * Errors.  OCT_EXISTS: `file` is there, and others may go on from it; OCT_CORRUPT, OCT_INVALID: the base is damaged, or none;
 *          OCT_FULL. Then there is no new `file`.
 */
OCT_API oct_status oct_backup_since(const char *path, const char *file, const char *base, oct_backup_info *info,
                                    oct_error *error);
/* Verify every byte of a backup and, if it is an increment, of all that it goes on from. `bases`: the folder in which those are; NULL:
 * that of `file`. OCT_CORRUPT names the damaged file; OCT_NOT_FOUND, OCT_INVALID: one is missing, or not the one that it was. */
OCT_API oct_status oct_backup_verify(const char *file, const char *bases, oct_backup_info *info, oct_error *error);
/* A database at `path`, which is empty or not there, out of a backup or a full snapshot. What an increment goes on from is looked
 * for in the folder of `file`. After a failure there is no database. */
OCT_API oct_status oct_restore(const char *file, const char *path, oct_error *error);
/* The same, with the bases in the folder `bases` (NULL: that of `file`). */
OCT_API oct_status oct_restore_from(const char *file, const char *bases, const char *path, oct_error *error);

#ifdef __cplusplus
}
#endif
#endif /* OCTANT_SNAPSHOT_H */
