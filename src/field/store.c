/* A view as bytes, for a file, and back. See field.h.
 *
 * KEPT     What would take long to build again, and nothing that could not be: a file that is missing, torn, damaged or of
 *          another version is passed over, and the index is built from the documents. So it needs no place in the manifest
 *          and no order of writing. It is right if the shard has lived what the view has seen (its version), since points
 *          that a later operation touched are read again.
 * LAYOUT   Little-endian, every part on a multiple of 8, padded with zeroes.
 *     offset size  meaning
 *          0    8  "OCTFIELD"
 *          8    4  version, 1
 *         12    4  CRC-32C of all behind the header
 *         16    8  bytes of all behind the header
 *         24    8  version of the shard that the view is of
 *         32    4  number of points
 *         36    4  number of runs
 *         40    4  bytes of the key
 *         44    4  CRC-32C of bytes 0 to 43
 *         48    n  key: what the index is configured to be, and the version of the program that split its texts
 *                  runs, the oldest first
 *     A run: order, 1 if it owns all points, number of keys, number of entries, 1 if positions follow, zero (4 each); bytes of
 *     text, of positions, of blocks (8 each); then keys (8 each; not of texts), places (16 each; of places), starts of texts
 *     (8 each, one more than keys; of texts), text, starts (4 each, one more than keys), points (4 each), positions, blocks
 *     (8 each); then six lists of points (owned, indexed, filled, null, many, odd): points, words (4 each), then the points
 *     (4 each), or (if there are words) a bit for each point in so many words (8 each).
 * CHECKED  All that is used as a place in something: a file comes from outside, and a checksum can be made to fit.
 */
#include "base/crc32c.h"
#include "field/field_internal.h"

#define MAGIC        "OCTFIELD"
#define VERSION      1u
#define HEADER_BYTES 48u
#define RUN_BYTES    48u
#define LISTS        6u

_Static_assert(sizeof(oct_geo_point) == 16, "places are stored as they are in memory");

static size_t
padded(size_t bytes)
{
    return (bytes + 7) / 8 * 8;
}

static void
lists_of(field_run *run, field_list *out[LISTS])
{
    out[0] = &run->owned;
    out[1] = &run->indexed;
    out[2] = &run->filled;
    out[3] = &run->null;
    out[4] = &run->many;
    out[5] = &run->odd;
}

/* --- out ------------------------------------------------------------------------------------------- */

static void
add_padded(buffer *out, const void *data, size_t size)
{
    static const char zeroes[8] = {0};

    if (size > 0)
        buffer_add(out, data, size);
    buffer_add(out, zeroes, padded(size) - size);
}

static void
encode_list(const field_list *list, buffer *out)
{
    const uint32_t head[2] = {list->count, list->word_count};

    buffer_add(out, head, sizeof head);
    if (list->words != NULL)
        add_padded(out, list->words, (size_t)list->word_count * sizeof *list->words);
    else
        add_padded(out, list->numbers, (size_t)list->count * sizeof *list->numbers);
}

static void
encode_run(field_run *run, buffer *out)
{
    const size_t key_count = run->key_count;
    const bool   by_text = run->order == FIELD_BY_TEXT;
    const size_t text = by_text ? run->text_starts[key_count] : 0;
    char         head[RUN_BYTES] = {0};
    field_list  *lists[LISTS];

    _Static_assert(sizeof *run->text_starts == 8, "starts of texts are stored as they are");
    put_u32(head, (uint32_t)run->order);
    put_u32(head + 4, run->owns_all);
    put_u32(head + 8, run->key_count);
    put_u32(head + 12, run->entry_count);
    put_u32(head + 16, run->has_positions);
    put_u64(head + 24, text);
    put_u64(head + 32, run->positions.bytes.size);
    put_u64(head + 40, run->positions.blocks.size);
    buffer_add(out, head, sizeof head);
    if (!by_text)
        add_padded(out, run->keys, key_count * sizeof *run->keys);
    if (run->order == FIELD_BY_PLACE)
        add_padded(out, run->places, key_count * sizeof *run->places);
    if (by_text) {
        add_padded(out, run->text_starts, (key_count + 1) * sizeof *run->text_starts);
        add_padded(out, run->text, text);
    }
    add_padded(out, run->starts, (key_count + 1) * sizeof *run->starts);
    add_padded(out, run->points, (size_t)run->entry_count * sizeof *run->points);
    add_padded(out, run->positions.bytes.data, run->positions.bytes.size);
    add_padded(out, run->positions.blocks.data, run->positions.blocks.size);
    lists_of(run, lists);
    for (size_t i = 0; i < LISTS; i++)
        encode_list(lists[i], out);
}

oct_status
field_view_encode(const field_view *self, oct_slice key, buffer *out, oct_error *error)
{
    const size_t start = out->size;
    char         header[HEADER_BYTES] = {0};

    (void)buffer_reserve(out, (size_t)field_view_bytes(self) + HEADER_BYTES + key.size);
    buffer_add(out, header, sizeof header);
    add_padded(out, key.data, key.size);
    for (uint32_t i = 0; i < self->run_count; i++)
        encode_run(self->runs[i], out);
    if (out->failed)
        return oct_fail_memory(error, out->size);
    memcpy(header, MAGIC, 8);
    put_u32(header + 8, VERSION);
    put_u32(header + 12, crc32c(0, out->data + start + HEADER_BYTES, out->size - start - HEADER_BYTES));
    put_u64(header + 16, out->size - start - HEADER_BYTES);
    put_u64(header + 24, self->version);
    put_u32(header + 32, self->point_count);
    put_u32(header + 36, self->run_count);
    put_u32(header + 40, (uint32_t)key.size);
    put_u32(header + 44, crc32c(0, header, 44));
    memcpy(out->data + start, header, sizeof header);
    return OCT_OK;
}

/* --- and back ---------------------------------------------------------------------------------------- */

typedef struct reader {
    const char *at, *end;
    uint32_t    point_count;
    bool        failed;
    bool        no_memory; /* failed, but not for what was read */
} reader;

static const char *
take(reader *self, uint64_t bytes)
{
    const char *at = self->at;

    if (self->failed || bytes > (uint64_t)(self->end - self->at) || padded(bytes) > (uint64_t)(self->end - self->at)) {
        self->failed = true;
        return NULL;
    }
    self->at += padded(bytes);
    return at;
}

/* A copy on the heap, of one item at least. */
static void *
copy(reader *self, uint64_t count, size_t size)
{
    const char *from = take(self, count > UINT64_MAX / size ? UINT64_MAX : count * size);
    char       *made;

    if (from == NULL)
        return NULL;
    made = oct_alloc(size_max((size_t)count * size, size));
    if (made == NULL) {
        self->failed = self->no_memory = true;
        return NULL;
    }
    memcpy(made, from, (size_t)count * size);
    return made;
}

static void
decode_list(reader *self, field_list *out)
{
    const char *head = take(self, 8);
    uint64_t    bits = 0;

    if (head == NULL)
        return;
    out->count = get_u32(head);
    out->word_count = get_u32(head + 4);
    if (out->word_count == 0) {
        out->numbers = copy(self, out->count, sizeof *out->numbers);
        out->capacity = out->count;
        for (uint32_t i = 0; i < out->count && !self->failed; i++)
            self->failed = out->numbers[i] >= self->point_count || (i > 0 && out->numbers[i] <= out->numbers[i - 1]);
        return;
    }
    self->failed = out->word_count > ((uint64_t)self->point_count + 63) / 64;
    out->words = copy(self, out->word_count, sizeof *out->words);
    for (uint32_t i = 0; i < out->word_count && !self->failed; i++)
        bits += (uint64_t)__builtin_popcountll(out->words[i]);
    if (!self->failed && out->word_count == ((uint64_t)self->point_count + 63) / 64 && self->point_count % 64 != 0)
        self->failed = out->words[out->word_count - 1] >> (self->point_count % 64) != 0;
    self->failed = self->failed || bits != out->count;
}

/* Starts ascend from 0 to the number of entries; the points of a key ascend. */
static bool
entries_hold(const field_run *run, uint32_t point_count)
{
    if (run->starts[0] != 0 || run->starts[run->key_count] != run->entry_count)
        return false;
    for (uint32_t key = 0; key < run->key_count; key++) {
        const uint32_t end = run->starts[key + 1];

        if (end <= run->starts[key] || end > run->entry_count)
            return false;
        for (uint32_t i = run->starts[key]; i < end; i++) {
            if (run->points[i] >= point_count || (i > run->starts[key] && run->points[i] <= run->points[i - 1]))
                return false;
        }
    }
    return true;
}

static bool
keys_hold(const field_run *run, uint64_t text)
{
    if (run->order == FIELD_BY_TEXT && (run->text_starts[0] != 0 || run->text_starts[run->key_count] != text))
        return false;
    for (uint32_t key = 1; key < run->key_count; key++) {
        if (run->order == FIELD_BY_TEXT) {
            if (run->text_starts[key] < run->text_starts[key - 1] || run->text_starts[key] > text)
                return false;
        } else if (run->order == FIELD_BY_NUMBER ? run->keys[key] <= run->keys[key - 1] : run->keys[key] < run->keys[key - 1]) {
            return false;
        }
    }
    /* In order only when each begins where it should. */
    for (uint32_t key = 1; key < run->key_count && run->order == FIELD_BY_TEXT; key++) {
        if (run->text_starts[key + 1] < run->text_starts[key] || slice_compare(run_text(run, key - 1), run_text(run, key)) >= 0)
            return false;
    }
    return true;
}

static void
decode_run(reader *self, const field_index *index, field_run *run)
{
    const char *head = take(self, RUN_BYTES);
    uint64_t    text, positions, blocks;
    field_list *lists[LISTS];
    size_t      key_count;

    if (head == NULL)
        return;
    run->order = (field_order)get_u32(head);
    run->owns_all = get_u32(head + 4) != 0;
    run->key_count = get_u32(head + 8);
    run->entry_count = get_u32(head + 12);
    run->has_positions = get_u32(head + 16) != 0;
    text = get_u64(head + 24);
    positions = get_u64(head + 32);
    blocks = get_u64(head + 40);
    key_count = run->key_count;
    self->failed = run->order != index->order || run->key_count == UINT32_MAX || run->entry_count == UINT32_MAX ||
                   run->has_positions != (index->words != NULL && index->config.phrase_matching == 1);
    if (run->order != FIELD_BY_TEXT)
        run->keys = copy(self, key_count, sizeof *run->keys);
    if (run->order == FIELD_BY_PLACE)
        run->places = copy(self, key_count, sizeof *run->places);
    if (run->order == FIELD_BY_TEXT) {
        run->text_starts = copy(self, key_count + 1, sizeof *run->text_starts);
        run->text = copy(self, text, 1);
    }
    run->starts = copy(self, key_count + 1, sizeof *run->starts);
    run->points = copy(self, run->entry_count, sizeof *run->points);
    run->positions.bytes = (buffer){.data = copy(self, positions, 1), .size = positions, .capacity = positions};
    run->positions.blocks = (buffer){.data = copy(self, blocks, 1), .size = blocks, .capacity = blocks};
    lists_of(run, lists);
    for (size_t i = 0; i < LISTS; i++)
        decode_list(self, lists[i]);
    self->failed = self->failed || !entries_hold(run, self->point_count) || !keys_hold(run, text) ||
                   !field_positions_hold(&run->positions, run->has_positions ? run->entry_count : 0);
}

static bool
decode_runs(reader *self, const field_index *index, field_view *out, uint32_t run_count)
{
    for (uint32_t i = 0; i < run_count && !self->failed; i++) {
        field_run *run = oct_calloc(1, sizeof *run);

        if (run == NULL) {
            self->failed = self->no_memory = true;
            break;
        }
        atomic_store(&run->references, 1);
        out->runs[out->run_count++] = run;
        decode_run(self, index, run);
        self->failed = self->failed || run->owns_all != (i == 0);
    }
    return !self->failed && self->at == self->end;
}

oct_status
field_view_decode(const field_index *index, oct_slice key, oct_slice bytes, field_view **out, oct_error *error)
{
    reader      in = {.at = bytes.data + HEADER_BYTES, .end = bytes.data + bytes.size};
    field_view *view;
    uint32_t    run_count;
    const char *stored;

    *out = NULL;
    if (bytes.size < HEADER_BYTES || memcmp(bytes.data, MAGIC, 8) != 0 || get_u32(bytes.data + 44) != crc32c(0, bytes.data, 44) ||
        get_u32(bytes.data + 8) != VERSION || get_u64(bytes.data + 16) != bytes.size - HEADER_BYTES ||
        get_u32(bytes.data + 12) != crc32c(0, in.at, bytes.size - HEADER_BYTES))
        return oct_fail(error, OCT_CORRUPT, "a stored field index of %zu bytes is damaged, or of another version", bytes.size);
    in.point_count = get_u32(bytes.data + 32);
    run_count = get_u32(bytes.data + 36);
    stored = take(&in, get_u32(bytes.data + 40));
    if (stored == NULL || !slice_equal((oct_slice){stored, get_u32(bytes.data + 40)}, key))
        return oct_fail(error, OCT_NOT_FOUND, "a stored field index is of another configuration");
    if (run_count == 0 || run_count > FIELD_RUNS_MAX)
        return oct_fail(error, OCT_CORRUPT, "a stored field index has %u runs", run_count);
    view = oct_calloc(1, sizeof *view);
    if (view == NULL)
        return oct_fail_memory(error, sizeof *view);
    atomic_store(&view->references, 1);
    view->type = (oct_field_type)index->config.type;
    view->words = index->words;
    view->version = get_u64(bytes.data + 24);
    view->point_count = in.point_count;
    if (!decode_runs(&in, index, view, run_count)) {
        field_view_release(view);
        return in.no_memory ? oct_fail_memory(error, bytes.size)
                            : oct_fail(error, OCT_CORRUPT, "a stored field index of %zu bytes does not fit together", bytes.size);
    }
    *out = view;
    return OCT_OK;
}
