/* snapshot_unpack.h - what reading a whole snapshot and reading a chain of backups share.
 *
 * OWNS     the way from entries of an archive to the folder of a database: heads, records of the log, what completes it.
 * CALLED   by snapshot_unpack.c (a whole one) and backup_restore.c (a chain), and by pieces_read.c, which only looks.
 */
#ifndef OCT_SNAPSHOT_UNPACK_H
#define OCT_SNAPSHOT_UNPACK_H

#include "collection/snapshot.h"

#define UNPACK_FORMAT_BYTES_MAX 65536u
#define UNPACK_COPY_BYTES       (1u << 20)

typedef struct unpacking {
    os            *system;
    const char    *folder;
    snapshot_head *head;
    bool           head_only;
    bool           has_head;
    buffer         format, manifest;
    uint64_t       log_begin;
    write_log     *log;  /* opened by the first record */
    buffer         body; /* of one record */
    uint64_t       shard_seen; /* the folder that was made last */
    char          *copy;       /* UNPACK_COPY_BYTES */
} unpacking;

/* OCT_INVALID: an entry that does not belong there. */
oct_status unpack_fail_entry(const char *name, oct_error *error);
/* The whole of a small entry. A second one of its name is refused. */
oct_status unpack_text(archive_reader *from, const char *name, uint64_t size, size_t max, buffer *out, oct_error *error);
oct_status unpack_head(archive_reader *from, uint64_t size, snapshot_head *out, oct_error *error);
oct_status unpack_manifest(archive_reader *from, uint64_t size, buffer *out, uint64_t *log_begin, oct_error *error);
/* Each record of an entry of the log; `body` holds them one after the other. The record's body is followed by its zeros. */
typedef oct_status (*unpack_on_record)(void *context, uint64_t sequence, uint64_t shard_id, oct_slice body, oct_error *error);
oct_status unpack_records(archive_reader *from, const char *name, uint64_t size, buffer *body, unpack_on_record on_record,
                          void *context, oct_error *error);
/* shard/<id>/<file of a column>: is it the name of one? */
bool       unpack_is_column(const char *name, uint64_t *shard_id);
/* The folder of a shard, made unless it was the last. */
oct_status unpack_make_shard(unpacking *self, uint64_t shard_id, oct_error *error);
/* Append a record to the log of the new database. */
oct_status unpack_append(unpacking *self, uint64_t sequence, uint64_t shard_id, oct_slice body, oct_error *error);
/* All files and records are there: make names durable, then write what makes a database of them. */
oct_status unpack_complete(unpacking *self, oct_error *error);
void       unpack_clear(unpacking *self);

#endif
