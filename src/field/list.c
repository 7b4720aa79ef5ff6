/* Sets of points within a run. See field_internal.h. */
#include "field/field_internal.h"

#define CAPACITY_FIRST 16u

bool
field_list_add(field_list *self, uint32_t point)
{
    if (self->count > 0 && self->numbers[self->count - 1] == point)
        return true;
    if (self->count == self->capacity) {
        const uint32_t more = self->capacity == 0 ? CAPACITY_FIRST : self->capacity + self->capacity / 2;
        uint32_t      *grown = oct_realloc(self->numbers, more * sizeof *grown);

        if (grown == NULL)
            return false;
        self->numbers = grown;
        self->capacity = more;
    }
    self->numbers[self->count++] = point;
    return true;
}

void
field_list_finish(field_list *self)
{
    const uint32_t words = self->count == 0 ? 0 : self->numbers[self->count - 1] / 64 + 1;
    uint64_t      *bits;

    /* A number takes 32 bits. */
    if (self->count > 0 && words < self->count / 2 && (bits = oct_calloc(words, sizeof *bits)) != NULL) {
        for (uint32_t i = 0; i < self->count; i++)
            bit_set(bits, self->numbers[i]);
        oct_free(self->numbers);
        self->numbers = NULL;
        self->capacity = 0;
        self->words = bits;
        self->word_count = words;
    } else if (self->count < self->capacity) {
        uint32_t *cut = oct_realloc(self->numbers, size_max(self->count, 1) * sizeof *cut);

        if (cut != NULL) {
            self->numbers = cut;
            self->capacity = (uint32_t)size_max(self->count, 1);
        }
    }
}

void
field_list_clear(field_list *self)
{
    oct_free(self->numbers);
    oct_free(self->words);
    *self = (field_list){0};
}

void
field_list_set(const field_list *self, uint64_t *bits)
{
    for (uint32_t word = 0; word < self->word_count; word++)
        bits[word] |= self->words[word];
    for (uint32_t i = 0; self->words == NULL && i < self->count; i++)
        bit_set(bits, self->numbers[i]);
}

void
field_list_unset(const field_list *self, uint64_t *bits)
{
    for (uint32_t word = 0; word < self->word_count; word++)
        bits[word] &= ~self->words[word];
    for (uint32_t i = 0; self->words == NULL && i < self->count; i++)
        bit_unset(bits, self->numbers[i]);
}

size_t
field_list_bytes(const field_list *self)
{
    return (size_t)self->capacity * sizeof *self->numbers + (size_t)self->word_count * sizeof *self->words;
}

/* Goes along a list. */
typedef struct walk {
    const field_list *list;
    const uint64_t   *without; /* NULL: nothing */
    uint32_t          at;      /* place, or word */
    uint64_t          rest;    /* of that word */
} walk;

static bool
step(walk *self, uint32_t *point)
{
    const field_list *list = self->list;

    if (list->words == NULL) {
        while (self->at < list->count) {
            *point = list->numbers[self->at++];
            if (self->without == NULL || !bit_is_set(self->without, *point))
                return true;
        }
        return false;
    }
    while (self->rest == 0) {
        if (self->at == list->word_count)
            return false;
        self->rest = list->words[self->at];
        if (self->without != NULL)
            self->rest &= ~self->without[self->at];
        self->at++;
    }
    *point = (self->at - 1) * 64 + (uint32_t)__builtin_ctzll(self->rest);
    self->rest &= self->rest - 1;
    return true;
}

bool
field_list_merge(const field_list *older, const uint64_t *superseded, const field_list *newer, field_list *out)
{
    walk     a = {.list = older, .without = superseded}, b = {.list = newer};
    uint32_t point_a = 0, point_b = 0;
    bool     has_a = step(&a, &point_a), has_b = step(&b, &point_b);

    *out = (field_list){0};
    while (has_a || has_b) {
        const bool     take_a = has_a && (!has_b || point_a <= point_b);
        const uint32_t point = take_a ? point_a : point_b;

        if (!field_list_add(out, point)) {
            field_list_clear(out);
            return false;
        }
        if (take_a)
            has_a = step(&a, &point_a);
        else
            has_b = step(&b, &point_b);
    }
    field_list_finish(out);
    return true;
}
