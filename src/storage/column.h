/* column.h - rows on disk: append-only files, or small rewritten ones, with a checksum a block.
 *
 * A column keeps the rows of one `rows` array (base/rows.h). Appended columns (vectors, payload, ids) have
 * one data file that only grows; rewritten ones (links, live bits, offsets) get a new file of the next
 * generation each time. Beside the data lies a small file of checksums, one for each COLUMN_BLOCK_BYTES
 * of data, rewritten whole; its own checksum stands in the manifest. What the manifest does not name does
 * not exist: bytes behind `row_count` and files of other generations are left-overs of a crash.
 *
 *     <name>.<generation>.data          a page of header, then row r at 4096 + r * stride
 *     <name>.<sums_generation>.sums     a header, then a CRC-32C for each block
 *
 * The bytes stand in docs/format/column.md.
 */
#ifndef OCT_COLUMN_H
#define OCT_COLUMN_H

#include "base/rows.h"
#include "storage/archive.h"

#define COLUMN_BLOCK_BYTES 65536u
#define COLUMN_NAME_MAX    64u

/* What the manifest keeps of a column. */
typedef struct column_state {
    char name
        [COLUMN_NAME_MAX];    /* file name without generations, such as "vectors.0"; letters, digits, . _ - */
    uint32_t generation;      /* of the data file; 0: never written */
    uint32_t sums_generation; /* of the checksum file */
    uint32_t sums_crc;        /* crc32c of the checksum file's content */
    uint32_t stride;
    uint64_t row_count;
} column_state;

/* Which blocks of an open column have been verified. */
typedef struct column_check column_check;

/* Save rows [0, row_count). `rewrite` false: rows before state->row_count are on disk already and have
 * not changed; only the rest is written. `rewrite` true: a new generation. Both files are synced; the
 * folder is not (the checkpoint does that once). On success *state is what the next manifest must say; on
 * failure it is unchanged, and what was written is taken back as far as possible. Files of earlier
 * generations stay until column_remove_others.
 * A rewrite takes the rows from memory and sums them anew: verify them first (column_verify), or damage
 * gets a checksum that holds. Rows that another thread changes meanwhile are saved as they were at
 * some moment, with a checksum that fits. */
oct_status column_write(os *system, const char *folder, column_state *state, const rows *data,
                        uint64_t row_count, bool rewrite, oct_error *error);

/* Rows that are nowhere in memory: the first generation of a column, written as they come, one after the other. What was opened is
 * closed; a column that was not ended leaves no file behind. */
typedef struct column_writer column_writer;

oct_status column_writer_open(os *system, const char *folder, const column_state *state, uint32_t stride, column_writer **out,
                              oct_error *error);
oct_status column_writer_put(column_writer *self, const void *rows_, uint64_t count, oct_error *error);
/* Both files are synced, as by column_write; *state is set. */
oct_status column_writer_end(column_writer *self, column_state *state, oct_error *error);
void       column_writer_close(column_writer *self); /* accepts NULL */

/* Fill `data` (initialised with state->stride, empty) with the column's rows: large segments are mapped
 * over their memory, copy on write; small ones are read. Bytes behind the last row are zero. Nothing but
 * the headers and the checksum file is verified yet. On failure `data` is empty and *check NULL. */
oct_status column_read(os *system, const char *folder, const column_state *state, rows *data,
                       column_check **check, oct_error *error);
/* Rows [0, state->row_count) of `data` are in the file, as a column_write left them, and will not be written again: let
 * memory go whose content the file has. Whole pages of large segments, from row `from` on (what lies before was released
 * by an earlier call), are mapped over; readers may read on meanwhile. *check verifies all of the rows. On failure *check is
 * NULL, and what was not mapped stays in memory. */
oct_status column_release(os *system, const char *folder, const column_state *state, rows *data, uint64_t from,
                          column_check **check, oct_error *error);
/* Verify the blocks that hold rows [first, first + count), unless that was done before; rows the check does
 * not know (appended since) are passed over. The bytes come from the file, so that memory may be written
 * to meanwhile. OCT_CORRUPT names file, offset and row. Any thread. A NULL check verifies nothing (a
 * column that was never read). */
oct_status column_verify(column_check *check, uint64_t first, uint64_t count, oct_error *error);
/* Verify all of it, whatever was verified before, from the file itself. */
oct_status column_verify_file(os *system, const char *folder, const column_state *state, oct_error *error);
void       column_check_free(column_check *check);

/* A column held open to be copied as it is, whatever becomes of its files meanwhile (what the state counts is
 * never changed in place). OCT_CORRUPT also if a file is missing: who reads beside a writer may then look again. */
typedef struct column_source column_source;

oct_status column_source_open(os *system, const char *folder, const column_state *state, column_source **out,
                              oct_error *error);
/* As entries `prefix`/<file>. Every block is verified on its way: OCT_CORRUPT names file, offset and row. */
oct_status column_source_copy(const column_source *self, const char *prefix, const archive_sink *to, oct_error *error);
void       column_source_free(column_source *self); /* accepts NULL */
/* Is it the name of a file of a column: <name>.<generation>.data or .sums? */
bool column_is_file_name(oct_slice name);

/* Remove the files of this column that `keep` does not name (keep->generation 0: all). */
oct_status column_remove_others(os *system, const char *folder, const column_state *keep, oct_error *error);
/* Give the room back of rows behind those that the state counts, which a write left that came to nothing. */
void       column_cut(os *system, const char *folder, const column_state *state);
uint64_t   column_bytes(const column_state *state); /* on disk */

#endif
