/* pieces.h - what the backup of a database holds, cut into pieces that can be told apart: how an increment knows what changed.
 *
 * FILES    of columns are cut every PIECE_BYTES. The records of the log are cut into groups, at places that follow from the records
 *          alone, so that the same record is in the same group wherever the log begins.
 * NAMES    A piece is its file's name, its place, and 128 bits of the SHA-256 of its bytes. Two pieces with the same name and hash are
 *          taken for the same bytes; nothing else is believed: no generation, no sequence, no time. So it does not matter
 *          whether both backups come from the same database, from a restored copy that went another way, or from one that
 *          lost its last writes in a crash: what differs is a different piece, and the increment is larger, never wrong.
 * COST     A backup with a base reads and hashes the whole database, and the base; it writes what changed.
 * FILES    pieces.c (lists, their bytes), pieces_read.c (of an archive). Bytes: docs/format/snapshot.md.
 */
#ifndef OCT_PIECES_H
#define OCT_PIECES_H

#include "collection/snapshot.h"

#define PIECE_BYTES         65536u
#define PIECE_HASH_BYTES    16u
#define PIECES_BYTES_MAX    (1u << 30) /* of the list in a file: it is read whole; enough for 4 TiB */
#define PIECES_ENTRY        "octant-snapshot.pieces"
#define PIECE_GROUP_RECORDS 64u        /* a group of records ends before each multiple of this, ... */
#define PIECE_GROUP_BODY    65536u     /* ... and behind each body of so many bytes */

typedef struct piece_hash {
    unsigned char bytes[PIECE_HASH_BYTES];
} piece_hash;

typedef struct piece_file {
    char     name[ARCHIVE_NAME_MAX + 1]; /* shard/<id>/<file of a column> */
    uint64_t size;
    size_t   first; /* of its pieces */
} piece_file;

typedef struct piece_group {
    uint64_t   first, last; /* sequences of its records, which follow one another */
    uint64_t   bytes;       /* encoded as in an archive */
    piece_hash hash;
    bool       stored; /* in this archive; else its base's */
    uint64_t   at;     /* for whoever restores: where it was put. PIECE_NOWHERE */
} piece_group;

#define PIECE_NOWHERE UINT64_MAX

/* Zero is an empty list. */
typedef struct pieces {
    piece_file  *files; /* sorted by name once they are complete */
    piece_hash  *hashes;
    bool        *stored; /* of each hash */
    piece_group *groups; /* by their sequences, without gaps */
    size_t       file_count, file_capacity, count, capacity, stored_capacity, group_count, group_capacity;
    uint64_t     position; /* the last record of the log that is in, or in the files */
} pieces;

void       pieces_clear(pieces *self);
oct_status pieces_add_file(pieces *self, const char *name, uint64_t size, oct_error *error);
oct_status pieces_add(pieces *self, piece_hash hash, bool stored, oct_error *error); /* the next of the last file */
oct_status pieces_add_group(pieces *self, const piece_group *group, oct_error *error);
/* All files are there: sort them. OCT_INVALID if a name comes twice. */
oct_status pieces_sort(pieces *self, oct_error *error);

const piece_file *pieces_find(const pieces *self, const char *name);
piece_group      *pieces_find_group(const pieces *self, uint64_t first);
size_t            pieces_of_file(const piece_file *file); /* how many */
size_t            piece_size(const piece_file *file, size_t i);
piece_hash        piece_hash_of(const void *data, size_t size);
bool              piece_is_same(piece_hash a, piece_hash b);
/* Bytes of all files and groups, and of those that are stored. */
uint64_t pieces_bytes(const pieces *self, bool only_stored);

/* The entry PIECES_ENTRY. */
void       pieces_encode(const pieces *self, buffer *out);
oct_status pieces_decode(oct_slice content, pieces *out, oct_error *error);

/* --- cutting the log ---------------------------------------------------------------------------------------- */

/* Told of each group, with its records as an archive has them; `stored` and `at` are not set. */
typedef oct_status (*piece_on_group)(void *context, const piece_group *group, oct_slice records, oct_error *error);

typedef struct piece_cutter {
    piece_on_group on_group;
    void          *context;
    buffer         records;
    uint64_t       first, last;
} piece_cutter;

oct_status piece_cutter_add(piece_cutter *self, uint64_t sequence, uint64_t shard_id, oct_slice body, oct_error *error);
oct_status piece_cutter_end(piece_cutter *self, oct_error *error);
void       piece_cutter_clear(piece_cutter *self);
/* sequence, shard, size (8 bytes each), the body, zeros up to a multiple of 8. */
void piece_encode_record(buffer *out, uint64_t sequence, uint64_t shard_id, oct_slice body);

/* Encoded records that gather for the entries log/0000000001, ... of an archive. Zero is empty. */
typedef struct log_chunk {
    buffer   records; /* the caller adds to it, and then calls one of these */
    uint32_t count;   /* entries that are written */
} log_chunk;

oct_status log_chunk_added(log_chunk *self, archive_writer *to, oct_error *error); /* writes it if that is enough */
oct_status log_chunk_end(log_chunk *self, archive_writer *to, oct_error *error);   /* writes what is left, if anything */
void       log_chunk_clear(log_chunk *self);

/* --- pieces_read.c -------------------------------------------------------------------------------------------- */

/* Read an archive to its end, verify it, and list what it holds: `out` (may be NULL) of a whole backup by hashing it, of an increment
 * from its own list. OCT_INVALID: of one collection; and as archive_read. */
oct_status pieces_read(os_file *file, uint64_t size, snapshot_head *head, pieces *out, char sum[SHA256_TEXT_BYTES],
                       oct_error *error);

#endif
