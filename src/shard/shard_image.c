/* A small shard as one log record, so that ten thousand of them need no files.
 *
 * A checkpoint must cover every record before it, or the log could never be cut. A shard that is too small
 * to be worth files of its own is written into the log again, whole: arrays as they are, dead points and dead rows
 * too, so that the state after the record is exactly the state before it; only the ids of dead points lead nowhere after it.
 * On a full disk any shard may be written so, and then without what is dead: nothing takes less room (shard_save_live).
 * LAYOUT  of the body, little-endian:
 *     offset size  meaning
 *          0    4  BATCH_RESTORE
 *          4    4  point count n
 *          8    8  operation number
 *         16    4  vector count
 *         20    4  the sum of 1 if ids came in ascending order, 2 if vectors tell kind and dim (all that are written do)
 *         24  24n  ids;  then 8n versions;  n sizes of documents (4 each; 0xFFFFFFFF: a dead point)
 *                  for each vector: number, kind (oct_vector_kind, and 256 times the form of its rows), components of a row d,
 *                  row count r (4 each); r points (4 each); r live flags (4 each); if multi r spans (4 each); r rows
 *                  of the form (graph/row.c: 0 floats, 1 halves, 2 bytes, 3 bytes and a float), each padded with zeroes to a
 *                  multiple of 4; if sparse (d is 0 then), behind the flags r counts (4 each), and of all
 *                  entries of all rows the indices (4 each), then the floats
 *                  the documents, one after the other
 *          Vectors of narrow types may lie in floats: older files have them so, bytes of cosine with a float more, the
 *          length that they were divided by.
 */
#include "shard/shard_internal.h"

#define DEAD_POINT UINT32_MAX

enum { ASCENDING = 1, WITH_DIM = 2 };

#define KIND_FORM 256u /* the kind, and so many times the form of the rows */

static uint32_t
form_of(const graph *vectors)
{
    kernel_narrow kind;

    return graph_row_kind(vectors, &kind) ? 1 + (uint32_t)kind : 0;
}

/* Of a row in the record. */
static uint64_t
row_bytes(uint32_t form, uint32_t dim)
{
    switch (form) {
    case 0:
        return (uint64_t)dim * sizeof(float);
    case 1 + KERNEL_F16:
        return ((uint64_t)dim * 2 + 3) / 4 * 4;
    default:
        return kernel_scale_at(dim) + (form == 1 + KERNEL_SCALED ? sizeof(float) : 0);
    }
}

uint64_t
shard_content_bytes(const shard *self)
{
    const vector_set *set = shard_set(self);
    const uint64_t    point_count = atomic_load(&self->points.count);
    uint64_t          bytes = point_count * (sizeof(oct_id) + 8 + 4 + 8);

    bytes += (uint64_t)atomic_load(&shard_payload(self)->heap.unit_count) * HEAP_UNIT_BYTES;
    for (size_t v = 0; v < set->count; v++)
        bytes += vector_ram_bytes(set->items[v]);
    return bytes;
}

static void
add_u32(buffer *out, uint32_t value)
{
    buffer_add(out, &value, sizeof value);
}

static void
add_u64(buffer *out, uint64_t value)
{
    buffer_add(out, &value, sizeof value);
}

/* Is the row in the record? Of multivectors all rows of a point are: those of a dead span among them say so by their live bits. */
static bool
is_encoded(const graph *vectors, const uint32_t *numbers, uint32_t row)
{
    return numbers == NULL || (numbers[graph_point_of(vectors, row)] != POINT_NONE &&
                               (graph_get_params(vectors)->multi || graph_row_lives(vectors, row)));
}

static void
encode_rows(const graph *vectors, const uint32_t *numbers, buffer *out)
{
    static const char zeroes[4];
    const bool        is_multi = graph_get_params(vectors)->multi;
    const uint32_t    row_count = graph_row_count(vectors), dim = graph_get_params(vectors)->dim;
    const uint64_t    padded = row_bytes(form_of(vectors), dim);
    uint32_t          kept = 0;

    for (uint32_t row = 0; row < row_count; row++)
        kept += is_encoded(vectors, numbers, row);
    add_u32(out, dim);
    add_u32(out, kept);
    for (uint32_t row = 0; row < row_count; row++) {
        const uint32_t point = graph_point_of(vectors, row);

        if (is_encoded(vectors, numbers, row))
            add_u32(out, numbers == NULL ? point : numbers[point]);
    }
    for (uint32_t row = 0; row < row_count; row++)
        if (is_encoded(vectors, numbers, row))
            add_u32(out, graph_row_lives(vectors, row));
    for (uint32_t row = 0; row < row_count && is_multi; row++)
        if (is_encoded(vectors, numbers, row))
            add_u32(out, graph_span_at(vectors, row));
    for (uint32_t row = 0; row < row_count; row++) {
        if (!is_encoded(vectors, numbers, row))
            continue;
        buffer_add(out, graph_vector_at(vectors, row), graph_row_bytes(vectors));
        buffer_add(out, zeroes, padded - graph_row_bytes(vectors));
    }
}

/* `numbers`: see vector_sparse_encode; `kept` points have one. */
static oct_status
encode(shard *self, const uint32_t *numbers, uint32_t kept, buffer *out, oct_error *error)
{
    const vector_set    *set = shard_set(self);
    const payload_store *store = shard_payload(self);
    const uint32_t       point_count = atomic_load(&self->points.count);
    oct_status           status = OCT_OK;
    oct_slice            document;

    add_u32(out, BATCH_RESTORE);
    add_u32(out, kept);
    add_u64(out, self->operation);
    add_u32(out, (uint32_t)set->count);
    add_u32(out, WITH_DIM | (atomic_load(&self->points.ascending) ? ASCENDING : 0u));
    for (uint32_t point = 0; point < point_count; point++)
        if (numbers == NULL || numbers[point] != POINT_NONE)
            buffer_add(out, points_id(&self->points, point), sizeof(oct_id));
    for (uint32_t point = 0; point < point_count; point++)
        if (numbers == NULL || numbers[point] != POINT_NONE)
            add_u64(out, atomic_load(points_version(&self->points, point)));
    for (uint32_t point = 0; point < point_count && status == OCT_OK; point++) {
        const uint32_t number = atomic_load(payload_number(store, point));

        if (numbers != NULL && numbers[point] == POINT_NONE)
            continue;
        document.size = 0;
        if (points_is_live(&self->points, point) && number != HEAP_NONE)
            status = heap_get(&store->heap, number, &document, error);
        add_u32(out, points_is_live(&self->points, point) ? (uint32_t)document.size : DEAD_POINT);
    }
    for (size_t v = 0; v < set->count; v++) {
        const graph *vectors = vector_graph(set->items[v]);

        add_u32(out, set->items[v]->number);
        add_u32(out, vectors == NULL ? OCT_SPARSE
                                     : (graph_get_params(vectors)->multi ? OCT_MULTI : OCT_DENSE) +
                                           KIND_FORM * form_of(vectors));
        if (vectors != NULL) {
            encode_rows(vectors, numbers, out);
            continue;
        }
        add_u32(out, 0);
        vector_sparse_encode(set->items[v], numbers, out, &status, error);
    }
    for (uint32_t point = 0; point < point_count && status == OCT_OK; point++) {
        const uint32_t number = atomic_load(payload_number(store, point));

        if (!points_is_live(&self->points, point) || number == HEAP_NONE)
            continue;
        status = heap_get(&store->heap, number, &document, error);
        buffer_add(out, document.data, document.size);
    }
    if (status == OCT_OK && out->failed)
        status = oct_fail_memory(error, out->size);
    return status;
}

oct_status
shard_restore_encode(shard *self, buffer *out, oct_error *error)
{
    return encode(self, NULL, atomic_load(&self->points.count), out, error);
}

oct_status
shard_restore_encode_live(shard *self, buffer *out, oct_error *error)
{
    const uint32_t point_count = atomic_load(&self->points.count);
    uint32_t      *numbers = oct_alloc(((size_t)point_count + 1) * sizeof *numbers), kept = 0;
    oct_status     status;

    if (numbers == NULL)
        return oct_fail_memory(error, ((size_t)point_count + 1) * sizeof *numbers);
    for (uint32_t point = 0; point < point_count; point++)
        numbers[point] = points_is_live(&self->points, point) ? kept++ : POINT_NONE;
    status = encode(self, numbers, kept, out, error);
    oct_free(numbers);
    return status;
}

uint64_t
shard_live_bytes(const shard *self)
{
    const vector_set *set = shard_set(self);
    uint64_t          bytes = (uint64_t)atomic_load(&self->points.live_count) * (sizeof(oct_id) + 8 + 4);

    bytes += shard_payload(self)->heap.live_bytes;
    for (size_t v = 0; v < set->count; v++) {
        const graph *vectors = vector_graph(set->items[v]);

        if (vectors == NULL)
            bytes += sparse_stored_bytes(vector_sparse(set->items[v]));
        else
            bytes += (uint64_t)(graph_get_params(vectors)->multi ? graph_row_count(vectors) : graph_live_rows(vectors)) *
                     (3 * sizeof(uint32_t) + row_bytes(form_of(vectors), graph_get_params(vectors)->dim));
    }
    return bytes;
}

/* --- and back ----------------------------------------------------------------------------------------- */

/* Takes bytes from the front; once it fails it stays failed. */
typedef struct cursor {
    const char *at, *end;
    bool        failed;
} cursor;

static const char *
take(cursor *self, uint64_t bytes)
{
    const char *at = self->at;

    if (self->failed || bytes > (uint64_t)(self->end - self->at)) {
        self->failed = true;
        return NULL;
    }
    self->at += bytes;
    return at;
}

static uint32_t
take_u32(cursor *self)
{
    const char *at = take(self, 4);

    return at == NULL ? 0 : get_u32(at);
}

/* Behind number, dim and row count. */
static oct_status
restore_sparse(const shard *self, shard_vector *vector, uint32_t number, uint32_t row_count, cursor *in, uint32_t point_count,
               oct_error *error)
{
    sparse_rows given = {.count = row_count};
    uint64_t    total = 0;

    given.points = take(in, (uint64_t)row_count * 4);
    given.live = take(in, (uint64_t)row_count * 4);
    given.counts = take(in, (uint64_t)row_count * 4);
    for (uint32_t row = 0; row < row_count && !in->failed; row++) {
        total += get_u32(given.counts + 4 * (size_t)row);
        in->failed = get_u32(given.points + 4 * (size_t)row) >= point_count;
    }
    given.indices = take(in, total * 4);
    given.values = take(in, total * 4);
    if (in->failed || (vector == NULL && number < self->numbers_end)) /* its name has gone since */
        return OCT_OK;
    if (vector == NULL || !vector_is_sparse(vector))
        return oct_fail(error, OCT_CORRUPT, "a restored shard has sparse vectors for number %u, which its collection has not",
                        number);
    return vector_sparse_restore(vector, &given, point_count, error);
}

static oct_status
restore_vector(shard *self, cursor *in, uint32_t flags, uint32_t point_count, oct_error *error)
{
    const uint32_t number = take_u32(in);
    shard_vector  *vector = vector_set_find(shard_set(self), number);
    graph         *vectors = vector == NULL ? NULL : vector_graph(vector);
    const uint32_t old_dim = vectors == NULL ? 0 : graph_old_row_floats(vectors);
    const uint32_t given_kind = (flags & WITH_DIM) != 0 ? take_u32(in) : OCT_DENSE;
    const uint32_t kind = given_kind % KIND_FORM, form = given_kind / KIND_FORM;
    const uint32_t dim = (flags & WITH_DIM) != 0 ? take_u32(in) : old_dim, row_count = take_u32(in);
    const bool     is_multi = kind == OCT_MULTI;
    const uint64_t stride = row_bytes(form, dim);
    const char    *row_points, *row_live, *row_spans, *values;
    float         *scratch = NULL;
    oct_status     status;

    if (kind == OCT_SPARSE && !in->failed)
        return restore_sparse(self, vector, number, row_count, in, point_count, error);
    row_points = take(in, (uint64_t)row_count * 4);
    row_live = take(in, (uint64_t)row_count * 4);
    row_spans = is_multi ? take(in, (uint64_t)row_count * 4) : NULL;
    values = dim > OCT_DIM_MAX + 1 ? NULL : take(in, row_count * stride);
    if (values == NULL) {
        in->failed = true;
        return OCT_OK;
    }
    if (vector == NULL && number < self->numbers_end) /* its name has gone since */
        return OCT_OK;
    if (vectors == NULL || kind > OCT_MULTI || is_multi != graph_get_params(vectors)->multi ||
        (form != 0 && form != form_of(vectors)) ||
        dim != (form == 0 ? graph_old_row_floats(vectors) : graph_get_params(vectors)->dim))
        return oct_fail(error, OCT_CORRUPT,
                        "a restored shard has vectors of %u components for number %u, which its collection has not",
                        dim, number);
    for (uint32_t row = 0; row < row_count; row++) {
        if (get_u32(row_points + 4 * (size_t)row) >= point_count ||
            (row_spans != NULL && get_u32(row_spans + 4 * (size_t)row) > row_count - row))
            in->failed = true;
    }
    status = in->failed ? OCT_OK : graph_reserve(vectors, row_count, point_count, error);
    if (form != form_of(vectors) && status == OCT_OK) {
        scratch = oct_alloc(graph_scratch_floats(vectors) * sizeof *scratch);
        if (scratch == NULL)
            status = oct_fail_memory(error, graph_scratch_floats(vectors) * sizeof *scratch);
    }
    for (uint32_t row = 0; row < row_count && status == OCT_OK && !in->failed; row++) {
        const char *content = values + row * stride;

        graph_restore_row(vectors, get_u32(row_points + 4 * (size_t)row),
                          scratch == NULL ? content : graph_row_of_old(vectors, content, scratch),
                          get_u32(row_live + 4 * (size_t)row) != 0,
                          row_spans == NULL ? 1 : get_u32(row_spans + 4 * (size_t)row));
    }
    oct_free(scratch);
    graph_publish(vectors);
    vector->logical_rows = row_count;
    return status;
}

/* Is there anything in the shard yet? */
static bool
is_empty(const shard *self)
{
    const vector_set *set = shard_set(self);
    bool              empty = atomic_load(&self->points.count) == 0;

    for (size_t v = 0; v < set->count; v++)
        empty = empty && vector_row_count(set->items[v]) == 0;
    return empty;
}

oct_status
shard_restore_apply(shard *self, oct_slice body, oct_error *error)
{
    cursor      in = {body.data, body.data + body.size, false};
    uint32_t    point_count, vector_count;
    uint32_t    flags;
    const char *operation, *ids, *versions, *sizes;
    oct_slice  *documents = NULL;
    oct_status  status = OCT_OK;
    payload_store *const store = shard_payload(self);

    /* Records before it are replayed too when the log was not cut: the state is the same already. */
    if (!is_empty(self))
        return OCT_OK;
    (void)take_u32(&in);
    point_count = take_u32(&in);
    operation = take(&in, 8);
    vector_count = take_u32(&in);
    flags = take_u32(&in);
    ids = take(&in, (uint64_t)point_count * sizeof(oct_id));
    versions = take(&in, (uint64_t)point_count * 8);
    sizes = take(&in, (uint64_t)point_count * 4);
    if (!in.failed)
        status = points_reserve(&self->points, point_count, error);
    if (status == OCT_OK && !in.failed)
        status = rows_reserve(&store->numbers, point_count, error);
    for (uint32_t point = 0; point < point_count && status == OCT_OK && !in.failed; point++) {
        oct_id id;
        bool   is_live;

        memcpy(&id, ids + point * sizeof id, sizeof id);
        /* The ids of dead points may be those of others by now, and lead nowhere. */
        is_live = get_u32(sizes + 4 * (size_t)point) != DEAD_POINT;
        if (is_live && points_find(&self->points, &id) != POINT_NONE) {
            in.failed = true;
            break;
        }
        if (is_live)
            (void)points_add(&self->points, &id);
        else
            points_add_dead(&self->points, &id);
        atomic_store(payload_number(store, point), HEAP_NONE);
        points_touch(&self->points, point, get_u64(versions + 8 * (size_t)point));
        points_set_live(&self->points, point, is_live);
    }
    for (uint32_t v = 0; v < vector_count && status == OCT_OK && !in.failed; v++)
        status = restore_vector(self, &in, flags, point_count, error);
    if (status == OCT_OK && !in.failed) {
        documents = oct_calloc((size_t)point_count + 1, sizeof *documents);
        if (documents == NULL)
            status = oct_fail_memory(error, point_count * sizeof *documents);
    }
    for (uint32_t point = 0; point < point_count && status == OCT_OK && !in.failed; point++) {
        const uint32_t size = get_u32(sizes + 4 * (size_t)point);

        documents[point].size = size == DEAD_POINT ? 0 : size;
        in.failed = in.failed || documents[point].size > OCT_PAYLOAD_BYTES_MAX;
        documents[point].data = take(&in, documents[point].size);
    }
    if (status == OCT_OK && !in.failed)
        status = heap_reserve(&store->heap, documents, point_count, error);
    for (uint32_t point = 0; point < point_count && status == OCT_OK && !in.failed; point++) {
        if (heap_stores(documents[point]))
            atomic_store(payload_number(store, point), heap_add(&store->heap, documents[point]));
    }
    oct_free(documents);
    if (status == OCT_OK && (in.failed || in.at != in.end))
        status = oct_fail(error, OCT_CORRUPT,
                          "the stored content of shard %llu (%u points) does not fit its record of %zu bytes",
                          (unsigned long long)self->id, point_count, body.size);
    if (status == OCT_OK) {
        shard_set_version(self, get_u64(operation));
        atomic_store(&self->points.ascending, (flags & ASCENDING) != 0);
    }
    return status;
}
