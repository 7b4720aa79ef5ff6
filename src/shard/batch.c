/* See batch.h.
 *
 * LAYOUT  Little-endian; every part starts on a multiple of 4 and is padded with zeroes to one.
 *     offset size  meaning
 *          0    4  operation kind (batch_op)
 *          4    4  point count
 *          8    8  operation number
 *         16    4  column count
 *         20    4  flags: 1 payloads follow, 2 a payload change follows, 4 a bitmap of points to delete follows the ids,
 *                  8 graphs follow
 *         24  24n  ids: high, low (8 each), is_uuid (4), number of the shard key (4)
 *                  columns: number, dim, present count, flags (4 each: 1 a bitmap follows, 2 counts, 4 indices; 8 halves
 *                  in the place of floats, 16 bytes); the bitmap; the counts, one a present point (4 each); the indices, one
 *                  a float (4 each); the floats, or halves, or bytes
 *                  payloads: n sizes (4 each), then their bytes one after the other
 *                  change: action, payload size, key size, key count, then key_count sizes (4 each), then bytes
 *                  graphs (kind 6): how many (4); then of each its number, m (the highest bit: codes of 8 bits), ef_construct,
 *                  start_rows (4 each)
 */
#include "shard/batch.h"

#define HEAD_BYTES        24u
#define COLUMN_HEAD_BYTES 16u
#define CHANGE_HEAD_BYTES 16u
#define GRAPH_BYTES       16u
#define GRAPH_FINE        0x80000000u

enum { HAS_PAYLOADS = 1, HAS_CHANGE = 2, HAS_GONE = 4, HAS_GRAPHS = 8 };
enum { HAS_BITMAP = 1, HAS_COUNTS = 2, HAS_INDICES = 4, HAS_HALVES = 8, HAS_BYTES = 16 }; /* of a column */

_Static_assert(sizeof(oct_id) == 24, "ids are stored as they are in memory");

static size_t
padded(size_t bytes)
{
    return (bytes + 3) / 4 * 4;
}

bool
batch_frees(const batch *self)
{
    size_t gone = 0;

    switch (self->op) {
    case BATCH_DELETE_VECTORS:
    case BATCH_DELETE:
    case BATCH_COMPACT:
        return true;
    case BATCH_CHANGE_PAYLOAD:
        return self->change.action == OCT_PAYLOAD_DELETE || self->change.action == OCT_PAYLOAD_CLEAR;
    case BATCH_UPSERT: /* a mixed write may be all deletions */
        while (gone < self->count && batch_is_gone(self, gone))
            gone++;
        return gone == self->count;
    case BATCH_UPDATE_VECTORS:
    case BATCH_RESTORE:
        break;
    }
    return false;
}

size_t
batch_value_count(const batch_column *column)
{
    size_t total = 0;

    if (column->counts == NULL)
        return column->present_count * column->dim;
    for (size_t i = 0; i < column->present_count; i++)
        total += column->counts[i];
    return total;
}

/* --- encoding ---------------------------------------------------------------------------------- */

typedef struct writer {
    arena     *memory;
    oct_slice *parts;
    size_t     count;
    bool       failed;
} writer;

static void
add_part(writer *self, const void *data, size_t size)
{
    if (size > 0)
        self->parts[self->count++] = (oct_slice){data, size};
}

/* A part whose size may be no multiple of 4. */
static void
add_padded(writer *self, const void *data, size_t size)
{
    static const char zeroes[4];

    add_part(self, data, size);
    add_part(self, zeroes, padded(size) - size);
}

/* `size` bytes, zeroed, that become the next part. */
static char *
new_part(writer *self, size_t size)
{
    char *data = arena_alloc(self->memory, size);

    if (data == NULL) {
        self->failed = true;
        return NULL;
    }
    add_part(self, data, size);
    return data;
}

static void
encode_column(writer *self, const batch_column *column, size_t count)
{
    const size_t bitmap = column->present == NULL ? 0 : padded((count + 7) / 8);
    const size_t value_count = batch_value_count(column);
    char        *head = new_part(self, COLUMN_HEAD_BYTES + bitmap);

    if (head == NULL)
        return;
    put_u32(head, column->number);
    put_u32(head + 4, column->dim);
    put_u32(head + 8, (uint32_t)column->present_count);
    put_u32(head + 12, (column->present != NULL ? HAS_BITMAP : 0u) | (column->counts != NULL ? HAS_COUNTS : 0u) |
                           (batch_is_sparse(column) ? HAS_INDICES : 0u) |
                           (column->datatype == OCT_FLOAT16 ? HAS_HALVES : 0u) |
                           (column->datatype == OCT_UINT8 ? HAS_BYTES : 0u));
    if (column->present != NULL)
        memcpy(head + COLUMN_HEAD_BYTES, column->present, (count + 7) / 8);
    if (column->counts != NULL)
        add_part(self, column->counts, column->present_count * sizeof *column->counts);
    if (batch_is_sparse(column))
        add_part(self, column->indices, value_count * sizeof *column->indices);
    if (column->datatype == OCT_FLOAT32)
        add_part(self, column->values, value_count * sizeof(float));
    else
        add_padded(self, column->packed, value_count * batch_value_bytes(column));
}

static void
encode_payloads(writer *self, const batch *from)
{
    char  *sizes = new_part(self, from->count * 4), *bytes;
    size_t total = 0;

    if (sizes == NULL)
        return;
    for (size_t i = 0; i < from->count; i++) {
        put_u32(sizes + 4 * i, (uint32_t)from->payloads[i].size);
        total += from->payloads[i].size;
    }
    bytes = total == 0 ? NULL : new_part(self, padded(total));
    for (size_t i = 0; bytes != NULL && i < from->count; i++) {
        if (from->payloads[i].size > 0)
            memcpy(bytes, from->payloads[i].data, from->payloads[i].size);
        bytes += from->payloads[i].size;
    }
}

static void
encode_change(writer *self, const oct_payload_change *change)
{
    char  *head = new_part(self, CHANGE_HEAD_BYTES + 4 * change->key_count), *bytes;
    size_t total = change->payload.size + change->key.size;

    if (head == NULL)
        return;
    put_u32(head, (uint32_t)change->action);
    put_u32(head + 4, (uint32_t)change->payload.size);
    put_u32(head + 8, (uint32_t)change->key.size);
    put_u32(head + 12, (uint32_t)change->key_count);
    for (size_t i = 0; i < change->key_count; i++) {
        put_u32(head + CHANGE_HEAD_BYTES + 4 * i, (uint32_t)change->keys[i].size);
        total += change->keys[i].size;
    }
    bytes = total == 0 ? NULL : new_part(self, padded(total));
    if (bytes == NULL)
        return;
    if (change->payload.size > 0)
        memcpy(bytes, change->payload.data, change->payload.size);
    bytes += change->payload.size;
    if (change->key.size > 0)
        memcpy(bytes, change->key.data, change->key.size);
    bytes += change->key.size;
    for (size_t i = 0; i < change->key_count; i++) {
        if (change->keys[i].size > 0)
            memcpy(bytes, change->keys[i].data, change->keys[i].size);
        bytes += change->keys[i].size;
    }
}

static void
encode_graphs(writer *self, const batch *from)
{
    char *at = new_part(self, 4 + GRAPH_BYTES * from->graph_count);

    if (at == NULL)
        return;
    put_u32(at, (uint32_t)from->graph_count);
    at += 4;
    for (size_t i = 0; i < from->graph_count; i++, at += GRAPH_BYTES) {
        put_u32(at, from->graphs[i].number);
        put_u32(at + 4, from->graphs[i].m | (from->graphs[i].fine ? GRAPH_FINE : 0u));
        put_u32(at + 8, from->graphs[i].ef_construct);
        put_u32(at + 12, from->graphs[i].start_rows);
    }
}

oct_status
batch_encode(const batch *self, arena *memory, oct_slice **parts, size_t *part_count, oct_error *error)
{
    const size_t part_max = 10 + 5 * self->column_count;
    writer       out = {.memory = memory};
    char        *head;

    *parts = NULL;
    *part_count = 0;
    out.parts = arena_array(memory, part_max, sizeof *out.parts);
    head = out.parts == NULL ? NULL : new_part(&out, HEAD_BYTES);
    if (head == NULL)
        return oct_fail_memory(error, part_max * sizeof *out.parts);
    put_u32(head, (uint32_t)self->op);
    put_u32(head + 4, (uint32_t)self->count);
    put_u64(head + 8, self->operation);
    put_u32(head + 16, (uint32_t)self->column_count);
    put_u32(head + 20, (self->payloads != NULL ? HAS_PAYLOADS : 0u) |
                           (self->op == BATCH_CHANGE_PAYLOAD ? HAS_CHANGE : 0u) | (self->gone != NULL ? HAS_GONE : 0u) |
                           (self->graphs != NULL ? HAS_GRAPHS : 0u));
    add_part(&out, self->ids, self->count * sizeof(oct_id));
    if (self->gone != NULL) {
        char *bits = new_part(&out, padded((self->count + 7) / 8));

        if (bits != NULL)
            memcpy(bits, self->gone, (self->count + 7) / 8);
    }
    for (size_t i = 0; i < self->column_count; i++)
        encode_column(&out, &self->columns[i], self->count);
    if (self->payloads != NULL && self->count > 0)
        encode_payloads(&out, self);
    if (self->op == BATCH_CHANGE_PAYLOAD)
        encode_change(&out, &self->change);
    if (self->graphs != NULL)
        encode_graphs(&out, self);
    if (out.failed)
        return oct_fail_memory(error, self->count * sizeof(oct_id));
    *parts = out.parts;
    *part_count = out.count;
    return OCT_OK;
}

/* --- decoding --------------------------------------------------------------------------------------- */

/* Takes bytes from the front of a body; once it fails it stays failed. */
typedef struct reader {
    const char *at, *end;
    bool        failed;
    bool        no_memory; /* failed, but not for what was read */
} reader;

static const char *
take(reader *self, uint64_t bytes)
{
    const char *at = self->at;

    if (self->failed || bytes > (uint64_t)(self->end - self->at)) {
        self->failed = true;
        return NULL;
    }
    self->at += bytes;
    return at;
}

/* Zeroed memory for `count` items and one more. */
static void *
make_array(reader *self, arena *memory, size_t count, size_t size)
{
    void *items = self->failed ? NULL : arena_array(memory, count + 1, size);

    self->no_memory = self->no_memory || (items == NULL && !self->failed);
    self->failed = self->failed || items == NULL;
    return items;
}

static uint32_t
take_u32(reader *self)
{
    const char *at = take(self, 4);

    return at == NULL ? 0 : get_u32(at);
}

/* What the flags of a column promise must be one of the kinds in batch.h. A deletion's columns are a number each: no dim,
 * no values, and every point is meant. */
static bool
column_head_holds(const batch_column *column, batch_op op, uint32_t flags, size_t count)
{
    const bool has_counts = (flags & HAS_COUNTS) != 0, has_indices = (flags & HAS_INDICES) != 0;
    const uint32_t narrow = flags & (HAS_HALVES | HAS_BYTES);

    if (flags > (HAS_BITMAP | HAS_COUNTS | HAS_INDICES | HAS_HALVES | HAS_BYTES) ||
        narrow == (HAS_HALVES | HAS_BYTES) || (narrow != 0 && (has_indices || op == BATCH_DELETE_VECTORS)) ||
        column->present_count > count || column->dim > OCT_DIM_MAX)
        return false;
    if (op == BATCH_DELETE_VECTORS)
        return column->dim == 0 && column->present_count == 0 && !has_counts && !has_indices;
    return column->dim == 0 ? has_counts && has_indices : !has_indices;
}

/* Multivectors are whole rows; the indices of a sparse vector ascend. */
static bool
column_counts_hold(const batch_column *column, const uint32_t *counts, const uint32_t *indices)
{
    bool holds = true;

    for (size_t i = 0; i < column->present_count; i++) {
        if (column->dim > 0)
            holds = holds && counts[i] > 0 && counts[i] % column->dim == 0;
        for (uint32_t j = 1; column->dim == 0 && j < counts[i]; j++)
            holds = holds && indices[j - 1] < indices[j];
        if (indices != NULL)
            indices += counts[i];
    }
    return holds;
}

static void
decode_column(reader *self, batch_op op, batch_column *column, size_t count)
{
    uint32_t flags;
    uint64_t value_count;
    size_t   bits = 0;

    column->number = take_u32(self);
    column->dim = take_u32(self);
    column->present_count = take_u32(self);
    flags = take_u32(self);
    self->failed = self->failed || !column_head_holds(column, op, flags, count);
    if ((flags & HAS_BITMAP) != 0)
        column->present = (const uint8_t *)take(self, padded((count + 7) / 8));
    value_count = (uint64_t)column->present_count * column->dim;
    if ((flags & HAS_COUNTS) != 0) {
        column->counts = (const uint32_t *)(const void *)take(self, (uint64_t)column->present_count * 4);
        value_count = self->failed ? 0 : batch_value_count(column);
    }
    if ((flags & HAS_INDICES) != 0)
        column->indices = (const uint32_t *)(const void *)take(self, value_count * 4);
    column->datatype = (flags & HAS_HALVES) != 0 ? OCT_FLOAT16 : (flags & HAS_BYTES) != 0 ? OCT_UINT8 : OCT_FLOAT32;
    if (column->datatype == OCT_FLOAT32)
        column->values = (const float *)(const void *)take(self, value_count * sizeof(float));
    else
        column->packed = take(self, padded(value_count * batch_value_bytes(column)));
    if (self->failed || op == BATCH_DELETE_VECTORS)
        return;
    for (size_t i = 0; i < count; i++)
        bits += batch_has(column, i);
    self->failed = bits != column->present_count ||
                   (column->counts != NULL && !column_counts_hold(column, column->counts, column->indices));
}

static void
decode_payloads(reader *self, arena *memory, batch *out)
{
    const char *sizes = take(self, (uint64_t)out->count * 4), *bytes;
    oct_slice  *payloads = make_array(self, memory, out->count, sizeof *payloads);
    uint64_t    total = 0;

    if (payloads == NULL)
        return;
    for (size_t i = 0; i < out->count; i++) {
        total += get_u32(sizes + 4 * i);
        self->failed = self->failed || get_u32(sizes + 4 * i) > OCT_PAYLOAD_BYTES_MAX;
    }
    bytes = take(self, (total + 3) / 4 * 4);
    for (size_t i = 0; bytes != NULL && i < out->count; i++) {
        payloads[i] = (oct_slice){bytes, get_u32(sizes + 4 * i)};
        bytes += payloads[i].size;
    }
    out->payloads = payloads;
}

static void
decode_change(reader *self, arena *memory, oct_payload_change *change)
{
    uint64_t    total;
    uint32_t    payload_size, key_size;
    const char *sizes, *bytes;
    oct_slice  *keys;

    change->action = (oct_payload_action)take_u32(self);
    payload_size = take_u32(self);
    key_size = take_u32(self);
    change->key_count = take_u32(self);
    sizes = take(self, (uint64_t)change->key_count * 4);
    keys = make_array(self, memory, change->key_count, sizeof *keys);
    if (keys == NULL)
        return;
    if (change->action > OCT_PAYLOAD_CLEAR) {
        self->failed = true;
        return;
    }
    total = (uint64_t)payload_size + key_size;
    for (size_t i = 0; i < change->key_count; i++)
        total += get_u32(sizes + 4 * i);
    bytes = take(self, (total + 3) / 4 * 4);
    if (bytes == NULL)
        return;
    change->payload = (oct_slice){bytes, payload_size};
    bytes += payload_size;
    change->key = (oct_slice){bytes, key_size};
    bytes += key_size;
    for (size_t i = 0; i < change->key_count; i++) {
        keys[i] = (oct_slice){bytes, get_u32(sizes + 4 * i)};
        bytes += keys[i].size;
    }
    change->keys = keys;
}

static void
decode_graphs(reader *self, arena *memory, batch *out)
{
    const uint32_t count = take_u32(self);
    const char    *at = count > OCT_VECTORS_MAX ? NULL : take(self, (uint64_t)count * GRAPH_BYTES);
    batch_graph   *graphs;

    self->failed = self->failed || at == NULL;
    graphs = make_array(self, memory, self->failed ? 0 : count, sizeof *graphs);
    for (uint32_t i = 0; i < count && !self->failed; i++, at += GRAPH_BYTES) {
        graphs[i] = (batch_graph){get_u32(at), get_u32(at + 4) & ~GRAPH_FINE, get_u32(at + 8), get_u32(at + 12),
                                  (get_u32(at + 4) & GRAPH_FINE) != 0};
        self->failed = graphs[i].m > OCT_M_MAX || graphs[i].ef_construct > OCT_EF_CONSTRUCT_MAX;
    }
    out->graph_count = count;
    out->graphs = graphs;
}

uint32_t
batch_op_of(oct_slice body)
{
    return body.size < 4 ? 0 : get_u32(body.data);
}

oct_status
batch_decode(oct_slice body, arena *memory, batch *out, oct_error *error)
{
    reader        in = {.at = body.data, .end = body.data + body.size};
    uint32_t      flags;
    const char   *number;
    batch_column *columns;

    *out = (batch){0};
    OCT_MUST((uintptr_t)body.data % 4 == 0);
    out->op = (batch_op)take_u32(&in);
    out->count = take_u32(&in);
    number = take(&in, 8);
    out->operation = number == NULL ? 0 : get_u64(number);
    out->column_count = take_u32(&in);
    flags = take_u32(&in);
    if (in.failed || out->op < BATCH_UPSERT || out->op >= BATCH_RESTORE ||
        out->column_count > OCT_VECTORS_MAX)
        return oct_fail(error, OCT_CORRUPT,
                        "a record of %zu bytes is no write this version knows (kind %u, %zu columns)",
                        body.size, (unsigned)out->op, out->column_count);
    {
        const char *ids = take(&in, (uint64_t)out->count * sizeof(oct_id));
        oct_id     *copy = make_array(&in, memory, out->count, sizeof *copy);

        /* Copied: the body promises only 4-byte alignment. */
        if (copy != NULL && out->count > 0)
            memcpy(copy, ids, out->count * sizeof *copy);
        out->ids = copy;
    }
    if ((flags & HAS_GONE) != 0)
        out->gone = (const uint8_t *)take(&in, padded((out->count + 7) / 8));
    columns = make_array(&in, memory, out->column_count, sizeof *columns);
    for (size_t i = 0; !in.failed && i < out->column_count; i++)
        decode_column(&in, out->op, &columns[i], out->count);
    out->columns = columns;
    if (!in.failed && (flags & HAS_PAYLOADS) != 0 && out->count > 0)
        decode_payloads(&in, memory, out);
    if (!in.failed && (flags & HAS_CHANGE) != 0)
        decode_change(&in, memory, &out->change);
    if (!in.failed && out->op == BATCH_COMPACT && (flags & HAS_GRAPHS) != 0)
        decode_graphs(&in, memory, out);
    if (in.no_memory)
        return oct_fail_memory(error, out->count * sizeof(oct_id));
    if (in.failed || in.at != in.end)
        return oct_fail(error, OCT_CORRUPT, "a write of %zu points does not fit its record of %zu bytes",
                        out->count, body.size);
    return OCT_OK;
}
