/* The store of one vector name: rows of vectors, who owns them, who is alive. See graph.h. */
#include "graph/graph_internal.h"

#include <math.h>

#define COPY_ROWS     512u /* a copy announces so many rows ahead, if they are on disk */
#define ROWS_EXPECTED 8u /* a collection that stays small costs little; the rest doubles */

bool
graph_fits_fine(const graph_params *params)
{
    return codes_fit(params->dim, params->distance) && !params->multi && params->datatype != OCT_UINT8;
}

oct_status
graph_new(const graph_params *params, graph **out, oct_error *error)
{
    graph *self = oct_calloc(1, sizeof *self);

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    OCT_MUST(params->dim >= 1 && params->dim <= OCT_DIM_MAX && params->m <= OCT_M_MAX);
    OCT_MUST(!params->fine || graph_fits_fine(params));
    self->params = *params;
    if (params->m == 0)
        self->params.start_rows = GRAPH_START_NEVER;
    self->link_count = 2 * params->m;
    self->kernel = kernel();
    graph_init_rows(self);
    /* Multivectors without a graph are compared one by one, exactly: nobody would read their codes. */
    self->coded = codes_fit(params->dim, params->distance) &&
                  !(params->multi && self->params.start_rows == GRAPH_START_NEVER);
    if (self->coded) {
        codes_init(&self->codec, params->dim, params->distance);
        rows_init(&self->codes, self->codec.stride, ROWS_EXPECTED);
    }
    if (params->fine)
        rows_init(&self->fine, self->codec.fine_stride, ROWS_EXPECTED);
    rows_init(&self->vectors, self->row_stride, ROWS_EXPECTED);
    rows_init(&self->points, sizeof(uint32_t), ROWS_EXPECTED);
    rows_init(&self->seats, sizeof(uint32_t), ROWS_EXPECTED);
    rows_init(&self->spans, sizeof(uint32_t), ROWS_EXPECTED);
    rows_init(&self->before, sizeof(uint32_t), ROWS_EXPECTED);
    rows_init(&self->live, sizeof(uint64_t), 1);
    rows_init(&self->links, (uint32_t)(size_max(self->link_count, 1) * sizeof(uint32_t)), ROWS_EXPECTED);
    *out = self;
    return OCT_OK;
}

void
graph_free(graph *self)
{
    if (self == NULL)
        return;
    rows_clear(&self->vectors);
    rows_clear(&self->codes);
    rows_clear(&self->fine);
    oct_free(self->encoding);
    rows_clear(&self->points);
    rows_clear(&self->seats);
    rows_clear(&self->spans);
    rows_clear(&self->before);
    rows_clear(&self->live);
    rows_clear(&self->links);
    for (uint32_t level = 0; level < GRAPH_LEVELS_MAX; level++) {
        if (self->levels[level] != NULL)
            rows_clear(self->levels[level]);
        oct_free(self->levels[level]);
        if (self->sketches[level] != NULL)
            rows_clear(self->sketches[level]);
        oct_free(self->sketches[level]);
    }
    oct_free(self);
}

oct_status
graph_make_level(graph *self, uint32_t level, oct_error *error)
{
    rows *fresh;

    if (self->levels[level] != NULL)
        return OCT_OK;
    fresh = oct_alloc(sizeof *fresh);
    if (fresh == NULL)
        return oct_fail_memory(error, sizeof *fresh);
    rows_init(fresh, (uint32_t)(sizeof(graph_node) + self->params.m * sizeof(uint32_t)), ROWS_EXPECTED);
    self->levels[level] = fresh;
    return OCT_OK;
}

const graph_params *
graph_get_params(const graph *self)
{
    return &self->params;
}

/* --- writing ------------------------------------------------------------------------------------- */

oct_status
graph_reserve(graph *self, uint64_t row_count, uint32_t point_count, oct_error *error)
{
    const uint64_t count = self->rows_appended + row_count;
    oct_status     status;

    if (row_count > GRAPH_ROWS_MAX || count > GRAPH_ROWS_MAX)
        return oct_fail(error, OCT_RANGE, "a vector name holds at most %u vectors, deleted ones included",
                        GRAPH_ROWS_MAX);
    status = rows_reserve(&self->vectors, count, error);
    if (status == OCT_OK && self->coded)
        status = rows_reserve(&self->codes, count, error);
    if (status == OCT_OK && self->params.fine)
        status = rows_reserve(&self->fine, count, error);
    if (status == OCT_OK && self->coded && self->encoding == NULL) {
        const size_t floats = codes_scratch_floats(&self->codec) + (self->is_narrow ? self->dim_padded : 0);

        self->encoding = oct_alloc_aligned(64, floats * sizeof *self->encoding);
        if (self->encoding == NULL)
            status = oct_fail_memory(error, floats * sizeof *self->encoding);
    }
    if (status == OCT_OK)
        status = rows_reserve(&self->points, count, error);
    if (status == OCT_OK && self->params.multi)
        status = rows_reserve(&self->spans, count, error);
    if (status == OCT_OK)
        status = rows_reserve(&self->before, count, error);
    if (status == OCT_OK)
        status = rows_reserve(&self->live, count / 64 + 1, error);
    if (status == OCT_OK)
        status = rows_reserve(&self->seats, point_count, error);
    if (status != OCT_OK)
        return status;
    for (uint32_t point = atomic_load(&self->point_count); point < point_count; point++) {
        atomic_store_explicit(graph_seat(self, point), GRAPH_NONE, memory_order_relaxed);
        atomic_store_explicit(&self->point_count, point + 1, memory_order_release);
    }
    return OCT_OK;
}

static void
set_live(graph *self, uint32_t row, bool live)
{
    _Atomic uint64_t *word = rows_at(&self->live, row / 64);
    const uint64_t    bit = (uint64_t)1 << (row % 64);

    /* Release: who sees the bit cleared sees the seat that was stored before. */
    if (live)
        (void)atomic_fetch_or_explicit(word, bit, memory_order_release);
    else
        (void)atomic_fetch_and_explicit(word, ~bit, memory_order_release);
}

uint32_t
graph_span_at(const graph *self, uint32_t row)
{
    return self->params.multi ? *graph_span(self, row) : 1;
}

bool
graph_row_lives(const graph *self, uint32_t row)
{
    return graph_row_is_live(self, row);
}

/* The rows of the vector that begins at this one. */
static void
kill_vector(graph *self, uint32_t row)
{
    const uint32_t count = graph_span_at(self, row);

    (void)atomic_fetch_add_explicit(&self->dead_count, count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++)
        set_live(self, row + i, false);
}

/* The code of a row whose vector is there, and what refines it. */
static void
encode_row(graph *self, uint32_t row)
{
    const float *values = graph_row_vector(self, row);
    float       *wide = self->encoding + codes_scratch_floats(&self->codec);

    if (self->is_narrow) {
        graph_compared(self, row, wide);
        values = wide;
    }
    codes_encode(&self->codec, values, self->encoding, rows_at(&self->codes, row));
    if (self->params.fine)
        codes_encode_fine(&self->codec, self->encoding, graph_row_code(self, row), rows_at(&self->fine, row));
}

oct_status
graph_make_codes(graph *self, oct_error *error)
{
    const oct_status status = graph_reserve(self, 0, self->point_count, error);

    for (uint32_t row = 0; row < self->rows_appended && status == OCT_OK && self->coded; row++)
        encode_row(self, row);
    return status;
}

/* The next row, not yet seated, dead until set_live. */
static uint32_t
add_row(graph *self, uint32_t point, const void *content, uint32_t span)
{
    const uint32_t row = self->rows_appended++;

    memcpy(rows_at(&self->vectors, row), content, self->row_bytes);
    *(uint32_t *)rows_at(&self->points, row) = point;
    if (self->params.multi)
        *graph_span(self, row) = span;
    if (self->coded)
        encode_row(self, row);
    return row;
}

/* A vector that is to be stored: in floats, or packed. */
typedef struct given {
    const float *floats;
    const char  *packed; /* NULL: `floats` */
} given;

static const void *
make_row(const graph *self, const given *from, uint32_t i, float *scratch)
{
    if (from->packed != NULL)
        return graph_make_row_of_packed(self, from->packed + (size_t)i * graph_packed_bytes(self), scratch);
    return graph_make_row(self, from->floats + (size_t)i * self->params.dim, scratch);
}

static bool
is_stored(const graph *self, uint32_t first, const given *from, uint32_t count, float *scratch)
{
    if (first == GRAPH_NONE || graph_span_at(self, first) != count)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (memcmp(graph_row_vector(self, first + i), make_row(self, from, i, scratch), self->row_bytes) != 0)
            return false;
    }
    return true;
}

static uint32_t
append(graph *self, uint32_t point, const given *from, uint32_t count, float *scratch)
{
    _Atomic uint32_t *seat = graph_seat(self, point);
    const uint32_t    old = atomic_load_explicit(seat, memory_order_relaxed);
    const uint32_t    first = self->rows_appended;

    OCT_MUST(count == 1 || (count > 1 && self->params.multi));
    if (is_stored(self, old, from, count, scratch))
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t row = add_row(self, point, make_row(self, from, i, scratch), i == 0 ? count : 0);

        *(uint32_t *)rows_at(&self->before, row) = old + 1; /* GRAPH_NONE + 1 is 0 */
        set_live(self, row, true);
    }
    atomic_store_explicit(seat, first, memory_order_release);
    if (old != GRAPH_NONE)
        kill_vector(self, old);
    else
        (void)atomic_fetch_add_explicit(&self->live_count, 1, memory_order_relaxed);
    return count;
}

uint32_t
graph_append(graph *self, uint32_t point, const float *vector, uint32_t count, float *scratch)
{
    const given from = {vector, NULL};

    return append(self, point, &from, count, scratch);
}

uint32_t
graph_append_packed(graph *self, uint32_t point, const void *packed, uint32_t count, float *scratch)
{
    const given from = {NULL, packed};

    OCT_MUST(self->is_narrow);
    return append(self, point, &from, count, scratch);
}

void
graph_restore_row(graph *self, uint32_t point, const void *content, bool live, uint32_t span)
{
    const uint32_t row = add_row(self, point, content, span);

    if (!live) {
        (void)atomic_fetch_add_explicit(&self->dead_count, 1, memory_order_relaxed);
        return;
    }
    set_live(self, row, true);
    if (span == 0) /* its first row has done the rest */
        return;
    atomic_store_explicit(graph_seat(self, point), row, memory_order_release);
    (void)atomic_fetch_add_explicit(&self->live_count, 1, memory_order_relaxed);
}

void
graph_remove(graph *self, uint32_t point)
{
    uint32_t row;

    if (point >= self->point_count)
        return;
    row = atomic_load_explicit(graph_seat(self, point), memory_order_relaxed);
    if (row == GRAPH_NONE)
        return;
    atomic_store_explicit(graph_seat(self, point), GRAPH_NONE, memory_order_release);
    kill_vector(self, row);
    (void)atomic_fetch_sub_explicit(&self->live_count, 1, memory_order_relaxed);
}

void
graph_publish(graph *self)
{
    atomic_store_explicit(&self->row_count, self->rows_appended, memory_order_release);
}

/* --- compacting ------------------------------------------------------------------------------------ */

static bool
bit_is_set(const uint64_t *bits, uint32_t index)
{
    return (bits[index / 64] >> (index % 64) & 1) != 0;
}

uint64_t *
graph_live_bits(const graph *self, uint32_t *row_count)
{
    const size_t words = ((size_t)self->rows_appended + 63) / 64;
    uint64_t    *bits = oct_alloc(size_max(words, 1) * sizeof *bits);

    *row_count = self->rows_appended;
    for (size_t i = 0; bits != NULL && i < words; i++)
        bits[i] = atomic_load((const _Atomic uint64_t *)rows_at(&self->live, (uint32_t)i));
    return bits;
}

/* The same vector for the same point, as a new row. Who is alive is settled by graph_catch_up. */
static void
copy_row(graph *self, const graph *from, uint32_t row)
{
    const uint32_t to = self->rows_appended++;

    memcpy(rows_at(&self->vectors, to), graph_row_vector(from, row), self->vectors.stride);
    if (self->coded && (!from->coded || (self->params.fine && !from->params.fine)))
        encode_row(self, to);
    else if (self->coded)
        memcpy(rows_at(&self->codes, to), graph_row_code(from, row), self->codec.stride);
    if (self->params.fine && from->params.fine)
        memcpy(rows_at(&self->fine, to), graph_row_fine(from, row), self->codec.fine_stride);
    *(uint32_t *)rows_at(&self->points, to) = graph_row_point(from, row);
    if (self->params.multi)
        *graph_span(self, to) = *graph_span(from, row);
}

oct_status
graph_copy_rows(graph *self, const graph *from, const uint64_t *live, uint32_t row_count, oct_error *error)
{
    uint32_t   count = 0;
    oct_status status;

    OCT_MUST(self->params.dim == from->params.dim && self->params.distance == from->params.distance &&
             self->params.multi == from->params.multi && self->params.datatype == from->params.datatype);
    for (uint32_t row = 0; row < row_count; row++)
        count += bit_is_set(live, row);
    status = graph_reserve(self, count, 0, error);
    for (uint32_t row = 0; row < row_count && status == OCT_OK; row++) {
        if (row % COPY_ROWS == 0)
            rows_expect_range(&from->vectors, row, COPY_ROWS * 2);
        if (bit_is_set(live, row))
            copy_row(self, from, row);
    }
    graph_publish(self);
    return status;
}

oct_status
graph_catch_up(graph *self, const graph *from, const uint64_t *live, uint32_t row_count, oct_error *error)
{
    const uint32_t end = from->rows_appended;
    uint32_t       to = 0, live_rows = 0;
    oct_status     status = graph_reserve(self, end - row_count, atomic_load(&from->point_count), error);

    if (status != OCT_OK)
        return status;
    for (uint32_t row = row_count; row < end; row++)
        copy_row(self, from, row);
    for (uint32_t row = 0; row < end; row++) {
        if (row < row_count && !bit_is_set(live, row))
            continue;
        if (graph_row_is_live(from, row)) {
            set_live(self, to, true);
            live_rows++;
            if (graph_span_at(self, to) > 0)
                atomic_store(graph_seat(self, graph_row_point(from, row)), to);
        }
        to++;
    }
    OCT_MUST(to == self->rows_appended);
    atomic_store(&self->live_count, graph_live_count(from));
    atomic_store(&self->dead_count, to - live_rows);
    graph_publish(self);
    return OCT_OK;
}

/* --- reading ---------------------------------------------------------------------------------------- */

uint32_t
graph_row_of(const graph *self, uint32_t point)
{
    if (point >= atomic_load_explicit(&self->point_count, memory_order_acquire))
        return GRAPH_NONE;
    return atomic_load_explicit(graph_seat(self, point), memory_order_acquire);
}

uint32_t
graph_point_of(const graph *self, uint32_t row)
{
    return graph_row_point(self, row);
}

const void *
graph_vector_at(const graph *self, uint32_t row)
{
    return graph_row_vector(self, row);
}

const void *
graph_vector(const graph *self, uint32_t point)
{
    const uint32_t row = graph_row_of(self, point);

    return row == GRAPH_NONE ? NULL : graph_row_vector(self, row);
}

uint32_t
graph_row_count(const graph *self)
{
    return atomic_load_explicit(&self->row_count, memory_order_acquire);
}

uint32_t
graph_graph_count(const graph *self)
{
    return atomic_load_explicit(&self->graph_count, memory_order_acquire);
}

uint32_t
graph_live_count(const graph *self)
{
    return atomic_load_explicit(&self->live_count, memory_order_relaxed);
}

uint32_t
graph_live_rows(const graph *self)
{
    return self->rows_appended - atomic_load_explicit(&self->dead_count, memory_order_relaxed);
}

uint64_t
graph_ram_bytes(const graph *self)
{
    const uint64_t row_count = graph_row_count(self);
    uint64_t       bytes = sizeof *self;

    bytes += row_count * (self->vectors.stride + (self->coded ? self->codec.stride : 0) +
                          (self->params.fine ? self->codec.fine_stride : 0) +
                          self->points.stride + self->seats.stride + self->before.stride) +
             row_count / 8;
    bytes += (uint64_t)graph_graph_count(self) * self->links.stride;
    return bytes;
}

void
graph_measure(const graph *self, graph_usage *out)
{
    /* The entry first: the levels that it tells of are there. */
    uint64_t       level = atomic_load_explicit(&self->entry, memory_order_acquire) >> 32;
    const uint32_t row_count = graph_row_count(self), graph_count = graph_graph_count(self);

    out->rows += sizeof *self;
    rows_usage(&self->vectors, row_count, &out->vectors, &out->vectors_mapped);
    if (self->coded)
        rows_usage(&self->codes, row_count, &out->codes, &out->codes_mapped);
    if (self->params.fine)
        rows_usage(&self->fine, row_count, &out->codes, &out->codes_mapped);
    rows_usage(&self->links, graph_count, &out->links, &out->links_mapped);
    for (; level > 0 && graph_count > 0; level--) {
        rows_usage(self->levels[level], atomic_load(&self->level_counts[level]), &out->links, &out->links_mapped);
        if (self->coded)
            out->links += rows_bytes(self->sketches[level]);
    }
    rows_usage(&self->points, row_count, &out->rows, &out->rows_mapped);
    rows_usage(&self->before, row_count, &out->rows, &out->rows_mapped);
    rows_usage(&self->seats, atomic_load(&self->point_count), &out->rows, &out->rows_mapped);
    rows_usage(&self->live, ((uint64_t)row_count + 63) / 64, &out->rows, &out->rows_mapped);
}

float
graph_score(oct_distance metric, float distance)
{
    switch (metric) {
    case OCT_COSINE:
    case OCT_DOT:
        return 0.0f - distance; /* and not -distance: a score of zero has no sign */
    case OCT_EUCLID:
        return sqrtf(distance);
    case OCT_MANHATTAN:
        break;
    }
    return distance;
}

/* --- checking --------------------------------------------------------------------------------------------- */

static uint64_t
hash_list(uint64_t hash, const _Atomic uint32_t *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        hash = mix64(hash ^ atomic_load_explicit(&list[i], memory_order_relaxed));
    return hash;
}

uint64_t
graph_checksum(const graph *self)
{
    const uint32_t graph_count = graph_graph_count(self);
    uint64_t       hash = mix64(graph_count);

    if (graph_count == 0)
        return hash;
    hash = mix64(hash ^ atomic_load(&self->entry));
    hash = mix64(hash ^ atomic_load(&self->spread));
    for (uint32_t row = 0; row < graph_count; row++)
        hash = hash_list(hash, graph_links(self, row), self->link_count);
    for (uint32_t level = 1; level < GRAPH_LEVELS_MAX; level++) {
        for (uint32_t node = 0; node < self->level_counts[level]; node++) {
            const graph_node *at = graph_node_at(self, level, node);

            hash = mix64(hash ^ ((uint64_t)at->row << 32 | at->down));
            hash = hash_list(hash, at->links, self->params.m);
        }
    }
    return hash;
}

/* A list holds ids below `bound`, none twice, none its own, and nothing behind the first GRAPH_NONE. */
static oct_status
check_list(const char *what, uint32_t own, const _Atomic uint32_t *list, uint32_t count, uint32_t bound,
           oct_error *error)
{
    uint32_t used = 0;

    while (used < count && list[used] != GRAPH_NONE)
        used++;
    for (uint32_t i = used; i < count; i++) {
        if (list[i] != GRAPH_NONE)
            return oct_fail(error, OCT_CORRUPT, "%s %u: link %u follows the end of its list", what, own, i);
    }
    for (uint32_t i = 0; i < used; i++) {
        if (list[i] >= bound)
            return oct_fail(error, OCT_CORRUPT, "%s %u: link %u names %u, but there are %u", what, own, i,
                            list[i], bound);
        if (list[i] == own)
            return oct_fail(error, OCT_CORRUPT, "%s %u is linked to itself", what, own);
        for (uint32_t j = 0; j < i; j++) {
            if (list[i] == list[j])
                return oct_fail(error, OCT_CORRUPT, "%s %u is linked twice to %u", what, own, list[i]);
        }
    }
    return OCT_OK;
}

static oct_status
check_levels(const graph *self, oct_error *error)
{
    const uint32_t graph_count = graph_graph_count(self);
    const uint64_t entry = atomic_load(&self->entry);
    oct_status     status = OCT_OK;

    if (graph_count == 0)
        return OCT_OK;
    if (entry >> 32 >= GRAPH_LEVELS_MAX ||
        (uint32_t)entry >= (entry >> 32 == 0 ? graph_count : self->level_counts[entry >> 32]))
        return oct_fail(error, OCT_CORRUPT, "the graph's entry is node %u of level %u, which does not exist",
                        (uint32_t)entry, (uint32_t)(entry >> 32));
    for (uint32_t row = 0; row < graph_count && status == OCT_OK; row++)
        status = check_list("row", row, graph_links(self, row), self->link_count, graph_count, error);
    for (uint32_t level = 1; level < GRAPH_LEVELS_MAX; level++) {
        for (uint32_t node = 0; node < self->level_counts[level] && status == OCT_OK; node++) {
            const graph_node *at = graph_node_at(self, level, node);
            const uint32_t    below = level == 1 ? graph_count : self->level_counts[level - 1];

            if (at->row >= graph_count || at->down >= below ||
                (level == 1 ? at->down : graph_node_at(self, level - 1, at->down)->row) != at->row)
                return oct_fail(error, OCT_CORRUPT, "node %u of level %u does not lead down to its row %u",
                                node, level, at->row);
            status = check_list("node", node, at->links, self->params.m, self->level_counts[level], error);
        }
    }
    return status;
}

oct_status
graph_check(const graph *self, oct_error *error)
{
    const uint32_t row_count = graph_row_count(self);
    uint32_t       live = 0, seated = 0, live_rows = 0;

    if (graph_graph_count(self) > row_count)
        return oct_fail(error, OCT_CORRUPT, "the graph has %u rows, but there are %u",
                        graph_graph_count(self), row_count);
    for (uint32_t row = 0; row < row_count; row++) {
        const uint32_t point = graph_row_point(self, row);
        const uint32_t span = graph_span_at(self, row);

        if (span > row_count - row)
            return oct_fail(error, OCT_CORRUPT, "row %u begins a vector of %u rows, but there are %u rows in all", row,
                            span, row_count);
        for (uint32_t i = 1; i < span; i++) {
            if (graph_span_at(self, row + i) != 0 || graph_row_point(self, row + i) != point ||
                graph_row_is_live(self, row + i) != graph_row_is_live(self, row))
                return oct_fail(error, OCT_CORRUPT, "row %u is not one with row %u, where its vector begins", row + i,
                                row);
        }
        if (!graph_row_is_live(self, row))
            continue;
        live_rows++;
        if (span == 0)
            continue;
        live++;
        if (point >= self->point_count || atomic_load(graph_seat(self, point)) != row)
            return oct_fail(error, OCT_CORRUPT, "row %u is live, but its point %u has another vector", row,
                            point);
    }
    for (uint32_t point = 0; point < self->point_count; point++) {
        const uint32_t row = atomic_load(graph_seat(self, point));

        if (row == GRAPH_NONE)
            continue;
        seated++;
        if (row >= row_count || !graph_row_is_live(self, row))
            return oct_fail(error, OCT_CORRUPT, "point %u has row %u, which is dead or does not exist", point,
                            row);
    }
    if (live_rows != graph_live_rows(self))
        return oct_fail(error, OCT_CORRUPT, "%u live rows, %u counted", live_rows, graph_live_rows(self));
    if (live != seated || live != graph_live_count(self))
        return oct_fail(error, OCT_CORRUPT, "%u live rows, %u points with a vector, %u counted", live, seated,
                        graph_live_count(self));
    return check_levels(self, error);
}

/* --- saving ----------------------------------------------------------------------------------------------- */

static const char *const level_names[GRAPH_LEVELS_MAX] = {
    "level0", "level1", "level2",  "level3",  "level4",  "level5",  "level6",  "level7",
    "level8", "level9", "level10", "level11", "level12", "level13", "level14", "level15",
};

const char *
graph_level_name(uint32_t level)
{
    return level_names[level];
}

size_t
graph_columns(graph *self, graph_column columns[GRAPH_COLUMNS_MAX])
{
    const uint32_t row_count = self->rows_appended;
    size_t         count = 0;

    columns[count++] = (graph_column){"vectors", &self->vectors, row_count, true, false, !self->coded};
    if (self->coded)
        columns[count++] = (graph_column){"codes", &self->codes, row_count, true, false, true};
    if (self->params.fine)
        columns[count++] = (graph_column){"fine", &self->fine, row_count, true, false, true};
    columns[count++] = (graph_column){"points", &self->points, row_count, true, false, false};
    if (self->params.multi)
        columns[count++] = (graph_column){"spans", &self->spans, row_count, true, false, false};
    columns[count++] = (graph_column){"seats", &self->seats, self->point_count, false, false, false};
    columns[count++] = (graph_column){"live", &self->live, (row_count + 63) / 64, false, false, false};
    columns[count++] = (graph_column){"links", &self->links, graph_graph_count(self), false, true, true};
    for (uint32_t level = 1; level < GRAPH_LEVELS_MAX; level++) {
        if (self->level_counts[level] > 0)
            columns[count++] = (graph_column){
                level_names[level], self->levels[level], self->level_counts[level], false, true, false};
    }
    return count;
}

void
graph_get_state(const graph *self, graph_state *state)
{
    const uint64_t entry = atomic_load(&self->entry);

    *state = (graph_state){
        .m = self->params.m,
        .ef_construct = self->params.ef_construct,
        .start_rows = self->params.start_rows,
        .fine = self->params.fine,
        .row_count = self->rows_appended,
        .graph_count = graph_graph_count(self),
        .live_count = graph_live_count(self),
        .point_count = self->point_count,
        .entry_level = (uint32_t)(entry >> 32),
        .entry_node = (uint32_t)entry,
        .spread = atomic_load(&self->spread),
    };
    for (uint32_t level = 0; level < GRAPH_LEVELS_MAX; level++)
        state->level_counts[level] = self->level_counts[level];
}

oct_status
graph_load_begin(const graph_params *params, const graph_state *state, graph **out, oct_error *error)
{
    oct_status status = graph_new(params, out, error);

    if (status != OCT_OK)
        return status;
    (*out)->rows_appended = state->row_count;
    (*out)->point_count = state->point_count;
    atomic_store(&(*out)->live_count, state->live_count);
    atomic_store(&(*out)->dead_count, state->row_count - state->live_count);
    atomic_store(&(*out)->graph_count, state->graph_count);
    atomic_store(&(*out)->entry, (uint64_t)state->entry_level << 32 | state->entry_node);
    atomic_store(&(*out)->spread, state->spread < GRAPH_SPREAD_MAX ? state->spread : GRAPH_SPREAD_MAX);
    for (uint32_t level = 1; level < GRAPH_LEVELS_MAX && status == OCT_OK; level++) {
        (*out)->level_counts[level] = state->level_counts[level];
        if (state->level_counts[level] > 0)
            status = graph_make_level(*out, level, error);
    }
    if (status != OCT_OK) {
        graph_free(*out);
        *out = NULL;
    }
    return status;
}

oct_status
graph_make_seats(graph *self, oct_error *error)
{
    const oct_status status = graph_reserve(self, 0, self->point_count, error);

    for (uint32_t point = 0; point < self->point_count && status == OCT_OK; point++)
        atomic_store(graph_seat(self, point), GRAPH_NONE);
    for (uint32_t row = 0; row < self->rows_appended && status == OCT_OK; row++) {
        const uint32_t point = graph_point_of(self, row);

        if (graph_row_is_live(self, row) && graph_span_at(self, row) > 0 && point < self->point_count)
            atomic_store(graph_seat(self, point), row);
    }
    return status;
}

/* Each point sits in a row of its own, and as many sit as there were. */
static oct_status
check_seated(const graph *self, uint32_t seated, oct_error *error)
{
    if (seated == graph_live_count(self))
        return OCT_OK;
    return oct_fail(error, OCT_CORRUPT, "of %u points that have a vector %u have a seat", graph_live_count(self), seated);
}

oct_status
graph_make_live(graph *self, oct_error *error)
{
    uint32_t   seated = 0;
    oct_status status = rows_reserve(&self->live, (uint64_t)self->rows_appended / 64 + 1, error);

    for (uint32_t row = 0; row < self->rows_appended && status == OCT_OK; row++)
        set_live(self, row, false);
    for (uint32_t row = 0; row < self->rows_appended && status == OCT_OK; row++) {
        const uint32_t point = graph_point_of(self, row), span = graph_span_at(self, row);

        if (span == 0 || span > self->rows_appended - row || point >= self->point_count ||
            atomic_load(graph_seat(self, point)) != row)
            continue;
        seated++;
        for (uint32_t i = 0; i < span; i++)
            set_live(self, row + i, true);
    }
    return status == OCT_OK ? check_seated(self, seated, error) : status;
}

oct_status
graph_make_points(graph *self, oct_error *error)
{
    uint32_t   seated = 0;
    oct_status status = rows_reserve(&self->points, self->rows_appended, error);

    OCT_MUST(!self->params.multi);
    /* A dead row is nobody's: no seat leads to it, so that it does not matter whose it was. Point 0 exists. */
    for (uint32_t row = 0; row < self->rows_appended && status == OCT_OK; row++)
        *(uint32_t *)rows_at(&self->points, row) = 0;
    for (uint32_t point = 0; point < self->point_count && status == OCT_OK; point++) {
        const uint32_t row = atomic_load(graph_seat(self, point));

        if (row >= self->rows_appended || !graph_row_is_live(self, row))
            continue;
        *(uint32_t *)rows_at(&self->points, row) = point;
        seated++;
    }
    return status == OCT_OK ? check_seated(self, seated, error) : status;
}

oct_status
graph_loaded(graph *self, oct_error *error)
{
    const uint64_t entry = atomic_load(&self->entry);
    const uint32_t graph_count = graph_graph_count(self);
    const uint32_t level = (uint32_t)(entry >> 32);

    if (graph_count > self->rows_appended || level >= GRAPH_LEVELS_MAX ||
        (graph_count > 0 && (uint32_t)entry >= (level == 0 ? graph_count : self->level_counts[level])))
        return oct_fail(
            error, OCT_CORRUPT,
            "the graph's state contradicts itself: %u rows, %u in the graph, entry %u of level %u",
            self->rows_appended, graph_count, (uint32_t)entry, level);
    if (self->params.multi) {
        uint32_t dead = 0;

        for (uint32_t row = 0; row < self->rows_appended; row++)
            dead += !graph_row_is_live(self, row);
        atomic_store(&self->dead_count, dead);
    }
    graph_publish(self);
    return graph_sketch_levels(self, error);
}
