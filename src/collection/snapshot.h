/* snapshot.h - a database, or one collection of it, in one file; and back.
 *
 * CONTENT     What an opening reads: the format file, a manifest, the column files it names, and the records of the log
 *             behind it, up to one position. So a snapshot knows no list of columns and no kind of index, and to read it
 *             means to open a database. Of one collection: a manifest with its entry alone, and of the log its records.
 * CONSISTENT  The manifest is read under the checkpoint lock; while the rest is copied, checkpoints remove neither files nor log
 *             (database_hold_files). Writers, readers and checkpoints go on. Everything up to the
 *             position that the log had at the beginning is in, and nothing behind.
 * IN MEMORY   there are neither files nor log: a snapshot has the content of each shard as one record, taken with all
 *             writers stopped.
 * RECOVERY    unpacks into a folder of its own, opens that as a database, checks it, lets it save its files, moves them
 *             into a shard folder, and then one record makes it true (catalogue_recover.c). Until then nothing has changed.
 * FILES       snapshot_write.c, snapshot_unpack.c, snapshot_recover.c, snapshot_store.c (the folder of snapshots),
 *             snapshot_file.c; increments: backup.h. Bytes: docs/format/snapshot.md.
 */
#ifndef OCT_SNAPSHOT_H
#define OCT_SNAPSHOT_H

#include "collection/collection.h"
#include "octant_snapshot.h"
#include "storage/archive.h"

#define SNAPSHOT_HEAD   "octant-snapshot.json" /* the first entry */
#define SNAPSHOT_FORMAT 1u
#define SNAPSHOT_FORMAT_INCREMENT 2u /* of one that goes on from another: backup.h */
#define SNAPSHOT_KIND_INCREMENT   "increment"

/* The words in the head. */
extern const char *const snapshot_kinds[3]; /* by oct_snapshot_scope */

typedef struct increment increment; /* backup.h */

/* What the head of an archive says. */
typedef struct snapshot_head {
    oct_snapshot_scope scope;
    uint64_t           format;
    int64_t            created; /* seconds since 1970 */
    bool               is_increment; /* of a whole database, but for what `base` holds */
    struct {
        char     file[OS_NAME_MAX + 1]; /* as it was called then */
        uint64_t bytes;
        uint32_t crc; /* as its last entry says */
        char     sha256[SHA256_TEXT_BYTES];
    } base;
} snapshot_head;

/* Write an archive of a database, or (`only` not NULL) of one of its collections. OCT_BUSY, OCT_CORRUPT (what is damaged cannot
 * be saved), OCT_FULL. */
oct_status snapshot_write(oct_database *self, oct_snapshot_scope scope, oct_collection *only, os *to, const char *path,
                          uint64_t *size, char sum[SHA256_TEXT_BYTES], oct_error *error);
/* The same of a folder that another process may be writing to. `part`: an increment, which leaves out what its base has (backup.h);
 * NULL: all of it. *position (may be NULL): of the last record of the log that is in. */
oct_status snapshot_write_folder(os *system, const char *folder, const char *path, increment *part, uint64_t *size,
                                 uint64_t *position, char sum[SHA256_TEXT_BYTES], oct_error *error);

/* Read the head alone. OCT_INVALID: no snapshot; OCT_UNSUPPORTED: of a later version. */
oct_status snapshot_read_head(os_file *file, uint64_t offset, uint64_t size, snapshot_head *out, oct_error *error);
/* Make the folder of a database out of an archive. `folder` is empty or not there; after a failure nothing of it is. */
oct_status snapshot_unpack(os_file *file, uint64_t offset, uint64_t size, os *to, const char *folder,
                           snapshot_head *head, oct_error *error);
/* Put the collection in an archive in the place of the one called `name`. */
oct_status snapshot_recover(oct_database *self, oct_snapshot_scope scope, oct_slice name, os_file *file,
                            uint64_t offset, uint64_t size, oct_error *error);
/* Remove a folder with all in it; what is missing is ok. */
void snapshot_remove_tree(os *system, const char *path);

/* --- snapshot_store.c: octant.h's functions, with their meaning ------------------------------------------- */

oct_status snapshot_store_init(oct_database *self, const char *path, oct_error *error); /* NULL: the default place */
void       snapshot_store_wait(oct_database *self); /* for its threads */

oct_status snapshot_store_create(oct_database *self, const oct_snapshot_place *place, bool wait, oct_snapshots **out,
                                 oct_error *error);
oct_status snapshot_store_list(oct_database *self, const oct_snapshot_place *place, oct_snapshots **out,
                               oct_error *error);
oct_status snapshot_store_delete(oct_database *self, const oct_snapshot_place *place, oct_slice name,
                                 oct_error *error);
oct_status snapshot_store_open(oct_database *self, const oct_snapshot_place *place, oct_slice name, oct_file **out,
                               oct_error *error);
oct_status snapshot_store_recover(oct_database *self, const oct_snapshot_place *place, oct_file *file,
                                  uint64_t offset, uint64_t size, bool wait, oct_error *error);

/* snapshot_file.c */
struct oct_file {
    os      *system;
    os_file *file;
    uint64_t size;
    char    *gone; /* path to remove when it is closed; NULL: it stays */
};

oct_status snapshot_file_open(os *system, const char *path, oct_file **out, oct_error *error);
oct_status snapshot_file_new(oct_database *self, oct_file **out, oct_error *error);

#endif
