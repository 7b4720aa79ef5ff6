/* log.h - the write-ahead log: what is here survives, everything else is rebuilt from it.
 *
 * An interface with two ends, append and read. Nothing above it may assume a local file. How it works is
 * told at the head of log.c (writing) and log_read.c (reading), which bytes in docs/format/log.md.
 */
#ifndef OCT_LOG_H
#define OCT_LOG_H

#include "os/os.h"

#define LOG_BODY_MAX        (1u << 30)  /* bytes of one record */
#define LOG_SEGMENT_BYTES   (64u << 20) /* a record that would make a file larger begins a new one */
#define LOG_QUEUE_BYTES_MAX (64u << 20) /* waiting to be written; more makes appenders wait */
#define LOG_INTERVAL_MS     100u        /* for sync_interval_ms 0 */
#define LOG_RETURN_WAIT_MS  10000u      /* a refused record waits so long for a checkpoint to give room back */
#define LOG_SPARE_BYTES     (256u << 10) /* kept back for deletions, and as much for checkpoints: small, so that a tiny database ... */
#define LOG_SPARE_BYTES_MAX (1024u << 20) /* ... stays tiny; for checkpoints growing with it up to here, */
#define LOG_SPARE_SHARE     8u           /* as such a share of what is stored: a compaction writes what is left alive again */
/* On a disk with less room than LOG_TIGHT_FACTOR times what is stored, LOG_TIGHT_PART of LOG_TIGHT_PARTS of it: so that half of all
 * points can be written again before the file that has them may go. Deletions get one part of LOG_TIGHT_APPENDS there. */
#define LOG_TIGHT_FACTOR  4u
#define LOG_TIGHT_PART    3u
#define LOG_TIGHT_PARTS   4u
#define LOG_TIGHT_APPENDS 16u
#define LOG_APPENDS_MAX   (8u << 20) /* of room for deletions */

typedef struct write_log write_log;

typedef struct log_options {
    os         *system; /* volatile: sequences are counted, nothing is kept */
    const char *path;   /* the folder `log`, made if absent */
    oct_sync    sync;
    uint32_t    sync_interval_ms;
    bool        read_only;       /* nothing is changed on disk; appends are OCT_FORBIDDEN */
    uint64_t    segment_bytes;   /* 0: LOG_SEGMENT_BYTES */
    uint64_t    queue_bytes_max; /* 0: LOG_QUEUE_BYTES_MAX */
} log_options;

typedef struct log_record {
    uint64_t  sequence; /* 1, 2, 3, ... over all shards */
    uint64_t  shard;    /* 0: the catalogue */
    oct_slice body;     /* valid during the call it is handed to; begins at a multiple of 8 bytes */
} log_record;

/* Return other than OCT_OK to stop reading. */
typedef oct_status (*log_visit)(void *context, const log_record *record, oct_error *error);

/* Open the log and hand every record after `after_sequence` (what the checkpoint holds) to `visit`, in
 * order. A torn tail (the last records, being written when the power went) is cut off, see
 * log_torn_bytes; damage before records that were safe is OCT_CORRUPT with file and offset, and so is a
 * missing file. Records handed out are durable when this returns. OCT_UNSUPPORTED: a later version's file. */
oct_status log_open(const log_options *options, uint64_t after_sequence, log_visit visit, void *context,
                    write_log **out, oct_error *error);
/* Write and sync what is queued, whatever the policy, then close. Accepts NULL. OCT_STOPPED if that
 * could not be done; the log is released all the same. */
oct_status log_close(write_log *self, oct_error *error);

/* Queue one record, whose body is the parts one after the other. When it returns OCT_OK the record has
 * its sequence and its room on the disk, but is not yet durable. OCT_FULL: the disk has no room; nothing
 * is queued, and a later append may succeed. OCT_RANGE: more than LOG_BODY_MAX. OCT_STOPPED after a
 * failed write or sync. Waits while the queue is full. Any thread; records are in the file in the order of
 * their sequences. */
oct_status log_append(write_log *self, uint64_t shard, const oct_slice *parts, size_t part_count,
                      uint64_t *sequence, oct_error *error);
/* The same for a record that makes room, as a deletion does: on a full disk it takes room that other records must leave. */
oct_status log_append_freeing(write_log *self, uint64_t shard, const oct_slice *parts, size_t part_count,
                              uint64_t *sequence, oct_error *error);
/* A checkpoint found the disk full: give it the room that is kept back for it. False: there is none, do not try again. */
bool log_lend(write_log *self);
/* The checkpoint has ended, and what adds may make that room whole again. Until then it is refused. */
void log_take_back(write_log *self);
/* A record is refused while a checkpoint has that room. Who was may wait for its end, holding no lock that a checkpoint takes:
 * true if one has ended since log_returns was `returns`, so that another try is worth it. Waits LOG_RETURN_WAIT_MS at most. */
uint64_t log_returns(write_log *self);
bool log_wait_return(write_log *self, uint64_t returns);
/* So much is stored beside the log: the room for checkpoints is a share of both. */
void log_keep_spare(write_log *self, uint64_t stored_bytes);
/* Wait until `sequence` is as durable as the sync policy says: synced, or for the policies interval and
 * never handed to the operating system. OCT_STOPPED if it cannot become so. */
oct_status log_wait(write_log *self, uint64_t sequence, oct_error *error);
/* Sync now, whatever the policy: on return every record appended before the call is durable. */
oct_status log_sync(write_log *self, oct_error *error);
/* Begin a new file, if the last is of a megabyte and more: what is appended from now on does not keep it. */
oct_status log_rotate(write_log *self, oct_error *error);
/* Records up to and including `sequence` are in a checkpoint that is durable: drop the files that hold
 * nothing else. A last file of a megabyte and more that is wholly covered is replaced by a new one, so
 * that the log of an idle database shrinks. */
oct_status log_truncate(write_log *self, uint64_t sequence, oct_error *error);

uint64_t log_last_sequence(write_log *self); /* of the last appended record; 0: none */
uint64_t log_bytes(write_log *self);         /* record bytes in the files that are kept */
uint64_t log_torn_bytes(write_log *self);    /* cut off at the end when it was opened */
bool     log_was_empty(const write_log *self); /* there was no file with a header when it was opened */
bool     log_stopped(write_log *self);

#endif
