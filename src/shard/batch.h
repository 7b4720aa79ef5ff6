/* batch.h - one write of a shard, as a struct and as the body of a log record.
 *
 * A write is validated, turned into a batch, encoded, logged, applied. A replay decodes and applies. Both apply
 * the same struct, so what was acknowledged and what is recovered cannot differ. Bytes: docs/format/record.md.
 */
#ifndef OCT_BATCH_H
#define OCT_BATCH_H

#include "base/arena.h"

/* Values are stored: append, never renumber. */
typedef enum batch_op {
    BATCH_UPSERT = 1,         /* ids, columns, payloads: replace whole points */
    BATCH_UPDATE_VECTORS = 2, /* ids, columns: replace these vectors of existing points */
    BATCH_DELETE_VECTORS = 3, /* ids, columns without values */
    BATCH_DELETE = 4,         /* ids */
    BATCH_CHANGE_PAYLOAD = 5, /* ids, change */
    BATCH_COMPACT = 6,        /* graphs */
    BATCH_RESTORE = 7,        /* a small shard's whole content, in a form of its own: shard_image.c */
} batch_op;

/* The vectors of one name. `values` holds those of the points marked in `present`, one after the other:
 *     dense   `dim` floats each
 *     multi   `counts` floats each: whole rows of `dim`, at least one
 *     sparse  `counts` floats each, maybe none, and as many `indices`, ascending; `dim` is 0
 * Vectors whose type is narrower than a float are packed before they are logged (graph_pack): `packed` then holds them
 * in the place of `values`, of batch_value_bytes each. */
typedef struct batch_column {
    uint32_t        number;  /* of the vector name in its collection */
    uint32_t        dim;     /* floats of one row; 0: sparse, or a deletion, which has no values */
    const uint8_t  *present; /* a bit a point; NULL: every point has one */
    size_t          present_count;
    const uint32_t *counts;  /* floats of each present point; NULL: `dim` */
    const uint32_t *indices; /* of all values; NULL: not sparse */
    const float    *values;
    oct_datatype    datatype; /* OCT_FLOAT32: `values`; else of what is `packed` */
    const char     *packed;
} batch_column;

/* A vector name that a compaction takes up, and the settings its new graph is built with: those of the moment the record
 * was written, whatever is configured when it is replayed. Of a sparse name the settings are zeroes. */
typedef struct batch_graph {
    uint32_t number, m, ef_construct, start_rows;
    bool     fine; /* codes of 8 bits */
} batch_graph;

typedef struct batch {
    batch_op            op;
    uint64_t            operation; /* number of the operation in its shard: the version of what it touches */
    size_t              count;
    const oct_id       *ids;
    size_t              column_count;
    const batch_column *columns;
    const oct_slice    *payloads; /* count of them, or NULL: none has one */
    oct_payload_change  change;
    size_t              graph_count;
    const batch_graph  *graphs; /* compact: what it builds; NULL in records of old, which build what is configured */
    const uint8_t      *gone; /* upsert: a bit a point, set for those that are deleted instead; NULL: none is */
} batch;

static inline bool
batch_is_gone(const batch *self, size_t point)
{
    return self->gone != NULL && (self->gone[point / 8] >> (point % 8) & 1) != 0;
}

static inline bool
batch_has(const batch_column *column, size_t point)
{
    return column->present == NULL || (column->present[point / 8] >> (point % 8) & 1) != 0;
}

static inline bool
batch_is_sparse(const batch_column *column)
{
    return column->counts != NULL && column->dim == 0;
}

/* Bytes of a component. */
static inline size_t
batch_value_bytes(const batch_column *column)
{
    return column->datatype == OCT_FLOAT32 ? sizeof(float) : column->datatype == OCT_FLOAT16 ? 2 : 1;
}

/* Walks the vectors of a column, point by point. Starts as {0}. */
typedef struct batch_cursor {
    size_t place; /* present points passed */
    size_t at;    /* values passed */
} batch_cursor;

/* Floats of the vector at the cursor: of a point that has one. */
static inline size_t
batch_cursor_count(const batch_cursor *self, const batch_column *column)
{
    return column->counts == NULL ? column->dim : column->counts[self->place];
}

static inline void
batch_cursor_pass(batch_cursor *self, const batch_column *column)
{
    self->at += batch_cursor_count(self, column);
    self->place++;
}

/* Floats of the whole column. */
size_t batch_value_count(const batch_column *column);

/* Does the write only take away? Then a full disk does not refuse it (log_append_freeing). */
bool batch_frees(const batch *self);
/* What a record body is, without decoding it; 0 if it is too short to be one. */
uint32_t batch_op_of(oct_slice body);
/* The parts of the record body: some point into the batch, some into `memory`. */
oct_status batch_encode(const batch *self, arena *memory, oct_slice **parts, size_t *part_count,
                        oct_error *error);
/* The batch points into `body` (4-byte aligned) and into `memory`. OCT_CORRUPT says what does not fit. */
oct_status batch_decode(oct_slice body, arena *memory, batch *out, oct_error *error);

#endif
