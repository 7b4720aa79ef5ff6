/* Where the words of a text index stand, so that phrases are answered without their documents. See field_internal.h.
 *
 * KEPT     Of a run whose index has phrases, for each entry (token, point) in their order:
 *              bytes of what follows (varint), then the positions, ascending, each as its distance to the one before (varint)
 *          and for every FIELD_BLOCK entries the offset of the first. A lookup skips at most FIELD_BLOCK - 1 lists by their
 *          sizes; a token that stands in a text once or twice costs some three bytes.
 * STRINGS  Positions of a point go on from one string to the next, FIELD_PHRASE_MAX further: no shorter phrase crosses over.
 *          32 bits are enough: a string takes at least three bytes of a document, which has at most 32 MiB.
 * PHRASES  The beginnings of a phrase are the positions of one of its tokens, less its place; every other token leaves of
 *          them those that fit. Each step goes through two ascending lists, so a text costs at most its length times that of
 *          the phrase, however often it repeats itself. Longer phrases than FIELD_PHRASE_MAX ask documents (text/match.h).
 */
#include <assert.h>

#include "field/field_internal.h"

static_assert(OCT_PAYLOAD_BYTES_MAX / 3 * (uint64_t)FIELD_PHRASE_MAX + OCT_PAYLOAD_BYTES_MAX < UINT32_MAX,
              "positions of a document fit 32 bits");

#define VARINT_BYTES_MAX 5u

static size_t
put_varint(char *out, uint32_t value)
{
    size_t size = 0;

    while (value >= 0x80) {
        out[size++] = (char)(value | 0x80);
        value >>= 7;
    }
    out[size++] = (char)value;
    return size;
}

/* What stands there was written here: it needs no check. */
static uint32_t
take_varint(const char **at)
{
    uint32_t value = 0;

    for (unsigned shift = 0;; shift += 7) {
        const unsigned char byte = (unsigned char)*(*at)++;

        value |= (uint32_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return value;
    }
}

/* --- lists ------------------------------------------------------------------------------------------- */

/* The list of the entry that is added next is about to begin. */
static void
begin_list(field_positions *self, uint32_t entry)
{
    const uint64_t at = self->bytes.size;

    if (entry % FIELD_BLOCK == 0)
        buffer_add(&self->blocks, &at, sizeof at);
}

bool
field_positions_add(field_positions *self, uint32_t entry, const uint32_t *list, size_t count)
{
    const size_t start = self->bytes.size;
    size_t       size, head;
    uint32_t     last = 0;
    char         text[VARINT_BYTES_MAX];

    begin_list(self, entry);
    for (size_t i = 0; i < count; i++) {
        buffer_add(&self->bytes, text, put_varint(text, list[i] - last));
        last = list[i];
    }
    /* The size stands before, and is known now. */
    size = self->bytes.size - start;
    head = put_varint(text, (uint32_t)size);
    buffer_add(&self->bytes, text, head);
    if (self->bytes.failed || self->blocks.failed)
        return false;
    memmove(self->bytes.data + start + head, self->bytes.data + start, size);
    memcpy(self->bytes.data + start, text, head);
    return true;
}

bool
field_positions_copy(field_positions *self, uint32_t entry, const field_positions *from, uint32_t from_entry)
{
    const char *begin = field_positions_at(from, from_entry), *end = begin;
    const uint32_t size = take_varint(&end);

    begin_list(self, entry);
    buffer_add(&self->bytes, begin, (size_t)(end - begin) + size);
    return !self->bytes.failed && !self->blocks.failed;
}

const char *
field_positions_at(const field_positions *self, uint32_t entry)
{
    const uint64_t *blocks = (const uint64_t *)(const void *)self->blocks.data;
    const char     *at = self->bytes.data + blocks[entry / FIELD_BLOCK];

    for (uint32_t i = entry % FIELD_BLOCK; i > 0; i--) {
        const uint32_t size = take_varint(&at);

        at += size;
    }
    return at;
}

void
field_positions_clear(field_positions *self)
{
    buffer_clear(&self->bytes);
    buffer_clear(&self->blocks);
}

size_t
field_positions_bytes(const field_positions *self)
{
    return self->bytes.capacity + self->blocks.capacity;
}

/* False: there is none before `end`. */
static bool
take_checked(const char **at, const char *end, uint32_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 35 && *at < end; shift += 7) {
        const unsigned char byte = (unsigned char)*(*at)++;

        *value |= (uint32_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

bool
field_positions_hold(const field_positions *self, uint32_t entry_count)
{
    const uint64_t *blocks = (const uint64_t *)(const void *)self->blocks.data;
    const char     *at = self->bytes.data, *end = at + self->bytes.size;

    if (self->blocks.size != ((uint64_t)entry_count + FIELD_BLOCK - 1) / FIELD_BLOCK * sizeof *blocks)
        return false;
    for (uint32_t entry = 0; entry < entry_count; entry++) {
        const char *list_end;
        uint32_t    value;

        if (entry % FIELD_BLOCK == 0 && blocks[entry / FIELD_BLOCK] != (uint64_t)(at - self->bytes.data))
            return false;
        if (!take_checked(&at, end, &value) || value > (uint64_t)(end - at))
            return false;
        for (list_end = at + value; at < list_end;) {
            if (!take_checked(&at, list_end, &value))
                return false;
        }
    }
    return at == end;
}

/* --- phrases ----------------------------------------------------------------------------------------- */

/* Of `starts`, those that the list has `place` further. */
static size_t
keep_starts(uint32_t *starts, size_t count, const char *list, uint32_t place)
{
    const uint32_t size = take_varint(&list);
    const char    *end = list + size;
    uint32_t       position = 0;
    size_t         kept = 0, i = 0;

    while (list < end && i < count) {
        position += take_varint(&list);
        while (i < count && starts[i] + place < position)
            i++;
        if (i < count && starts[i] + place == position)
            starts[kept++] = starts[i++];
    }
    return kept;
}

bool
field_phrase_stands(const field_phrase *self, const field_positions *positions, const uint32_t *entries, buffer *memory,
                    bool *failed)
{
    const char    *list = field_positions_at(positions, entries[self->places[0].token]), *end;
    const uint32_t size = take_varint(&list);
    uint32_t       position = 0, *starts;
    size_t         count = 0;

    memory->size = 0;
    if (!buffer_reserve(memory, ((size_t)size + 1) * sizeof *starts)) { /* each position takes a byte or more */
        *failed = true;
        return false;
    }
    starts = (uint32_t *)(void *)memory->data;
    for (end = list + size; list < end;) {
        position += take_varint(&list);
        if (position >= self->places[0].place)
            starts[count++] = position - self->places[0].place;
    }
    for (size_t i = 1; i < self->count && count > 0; i++)
        count = keep_starts(starts, count, field_positions_at(positions, entries[self->places[i].token]),
                            self->places[i].place);
    return count > 0;
}

bool
field_phrase_plan(const text_match *words, field_phrase *out)
{
    out->count = 0;
    if (words->length > FIELD_PHRASE_MAX)
        return false;
    static_assert(FIELD_PHRASE_MAX <= 64, "one word of a mask");
    for (uint32_t place = 0; place < words->length; place++) {
        bool is_taken = false;

        for (size_t token = 0; token < words->count; token++) {
            if ((words->masks[token] >> place & 1) == 0)
                continue;
            if (is_taken) /* one of several words: no tokenizer asks so today */
                return false;
            is_taken = true;
            out->places[out->count++] = (field_phrase_place){(uint32_t)token, place};
        }
    }
    return out->count > 0;
}
