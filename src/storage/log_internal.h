/* log_internal.h - the bytes of the log's files, and what log.c and log_read.c share. */
#ifndef OCT_LOG_INTERNAL_H
#define OCT_LOG_INTERNAL_H

#include "storage/log.h"

/* Little-endian. A file `<ten digits>.log` is a header, then records, then zeros that were reserved.
 *
 *     header   0   8  magic "OCTNTLOG"
 *              8   4  version, 1
 *             12   4  salt: random, new for each file
 *             16   8  sequence of the first record
 *             24   4  zero
 *             28   4  CRC-32C of the 28 bytes before
 *
 *     record   0   4  length of the body, 0 .. LOG_BODY_MAX
 *              4   4  CRC-32C of: body, sequence, shard, durable, length, salt
 *              8   8  sequence, one more than the record before
 *             16   8  shard
 *             24   8  durable: all records up to this one had been synced when this one was queued
 *             32   n  body, then zeros up to a multiple of 8
 */
#define LOG_MAGIC        "OCTNTLOG"
#define LOG_VERSION      1u
#define LOG_HEADER_BYTES 32u
#define LOG_RECORD_BYTES 32u /* what stands before the body */
#define LOG_ALIGNMENT    8u

#define LOG_RESERVE_BYTES     (256u << 10) /* room taken ahead: small, so that a tiny database stays tiny */
#define LOG_RESERVE_BYTES_MAX (8u << 20)   /* and doubling with the file up to here */
#define LOG_IDLE_BYTES        (1u << 20)   /* a covered last file of this size is replaced by a new one */

typedef struct log_record_header {
    uint32_t length;
    uint32_t crc;
    uint64_t sequence;
    uint64_t shard;
    uint64_t durable;
} log_record_header;

/* One file of the log. */
typedef struct log_file {
    struct log_file *next; /* younger */
    uint64_t         number;
    uint64_t         first_sequence;
    uint64_t         last_sequence; /* first_sequence - 1: it holds none */
    uint64_t         end;           /* where the next record goes */
    uint64_t         reserved;      /* the disk has promised room up to here */
    uint32_t         salt;
    bool             is_begun; /* its header is on disk, for good */
    os_file         *file;     /* open while it is written */
} log_file;

/* Bytes in the file for a body of `length`. */
static inline uint64_t
log_record_bytes(uint64_t length)
{
    return (LOG_RECORD_BYTES + length + LOG_ALIGNMENT - 1) / LOG_ALIGNMENT * LOG_ALIGNMENT;
}

void log_header_encode(char out[LOG_HEADER_BYTES], uint32_t salt, uint64_t first_sequence);
/* The checksum of a record whose body has the checksum `body_crc`. */
uint32_t   log_record_crc(uint32_t body_crc, const log_record_header *header, uint32_t salt);
void       log_record_encode(char out[LOG_RECORD_BYTES], const log_record_header *header);
oct_status log_file_path(char out[OS_PATH_MAX], const char *folder, uint64_t number, oct_error *error);
void       log_files_free(log_file *files); /* closes what is open */

/* Reading at open. The caller fills in the first part. */
typedef struct log_recovery {
    os         *system;
    const char *path;
    uint64_t    after_sequence;
    bool        read_only;
    log_visit   visit;
    void       *context;

    log_file *files; /* oldest first; the caller's to free, also on failure */
    log_file *last;  /* appending goes on here; NULL: a new file is needed */
    uint64_t  last_sequence;
    uint64_t  next_number; /* for a new file */
    uint64_t  torn_bytes;
} log_recovery;

oct_status log_recover(log_recovery *self, oct_error *error);

#endif
