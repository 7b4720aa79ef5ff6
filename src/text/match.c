/* See match.h. */
#include "text/match.h"

#include <stdlib.h>

#define NO_POSITION UINT64_MAX
/* What a `take` returns to leave a text in which everything was found. Never leaves this file. */
#define ENOUGH OCT_BUSY

typedef struct query_token {
    oct_slice token;
    uint32_t  position;
} query_token;

typedef struct collection_of_tokens {
    arena       *memory;
    query_token *list;
    size_t       count, capacity;
} collection_of_tokens;

/* --- the query ------------------------------------------------------------------------------------- */

static oct_status
keep_token(void *context, oct_slice token, uint32_t position, oct_error *error)
{
    collection_of_tokens *self = context;
    const char           *copy = arena_text(self->memory, token.data, token.size);

    if (copy != NULL && self->count == self->capacity) {
        const size_t capacity = size_max(2 * self->capacity, 8);
        query_token *larger = arena_array(self->memory, capacity, sizeof *larger);

        if (larger == NULL)
            return oct_fail_memory(error, capacity * sizeof *larger);
        if (self->count > 0)
            memcpy(larger, self->list, self->count * sizeof *larger);
        self->list = larger;
        self->capacity = capacity;
    }
    if (copy == NULL)
        return oct_fail_memory(error, token.size);
    self->list[self->count++] = (query_token){{copy, token.size}, position};
    return OCT_OK;
}

static int
compare_slices(const void *a, const void *b)
{
    return slice_compare(*(const oct_slice *)a, *(const oct_slice *)b);
}

/* The place of a token among those of the query, or SIZE_MAX. */
static size_t
find_token(const text_match *self, oct_slice token)
{
    const oct_slice *found = bsearch(&token, self->tokens, self->count, sizeof token, compare_slices);

    return found == NULL ? SIZE_MAX : (size_t)(found - self->tokens);
}

static size_t
words_of(size_t bits)
{
    return (bits + 63) / 64;
}

static oct_status
compile_phrase(text_match *self, const collection_of_tokens *given, arena *memory, oct_error *error)
{
    const uint32_t first = given->list[0].position;
    size_t         words;
    uint64_t      *masks, *anything;

    self->length = given->list[given->count - 1].position - first + 1;
    if (self->length > TEXT_PHRASE_MAX)
        return oct_fail(error, OCT_RANGE, "a phrase of %zu words, at most %u are allowed", self->length, TEXT_PHRASE_MAX);
    words = words_of(self->length);
    masks = arena_array(memory, (self->count + 1) * words, sizeof *masks);
    if (masks == NULL)
        return oct_fail_memory(error, (self->count + 1) * words * sizeof *masks);
    anything = masks + self->count * words;
    for (size_t i = 0; i < self->length; i++)
        anything[i / 64] |= 1ull << i % 64;
    for (size_t i = 0; i < given->count; i++) {
        const size_t at = given->list[i].position - first;

        masks[find_token(self, given->list[i].token) * words + at / 64] |= 1ull << at % 64;
        anything[at / 64] &= ~(1ull << at % 64);
    }
    self->masks = masks;
    return OCT_OK;
}

oct_status
text_match_new(text_analyzer *analyzer, text_match_kind kind, oct_slice text, arena *memory, text_match **out,
               oct_error *error)
{
    collection_of_tokens given = {.memory = memory};
    text_match          *self = arena_alloc(memory, sizeof *self);
    text_run            *run = NULL;
    oct_slice           *tokens;
    oct_status           status;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    status = text_run_borrow(analyzer, &run, error);
    if (status == OCT_OK)
        status = text_analyze(run, text, TEXT_QUERY, NULL, keep_token, &given, error);
    text_run_return(run);
    if (status != OCT_OK)
        return status;
    tokens = arena_array(memory, given.count + 1, sizeof *tokens);
    if (tokens == NULL)
        return oct_fail_memory(error, given.count * sizeof *tokens);
    for (size_t i = 0; i < given.count; i++)
        tokens[i] = given.list[i].token;
    if (given.count > 0)
        qsort(tokens, given.count, sizeof *tokens, compare_slices);
    *self = (text_match){.kind = kind, .analyzer = analyzer, .tokens = tokens};
    for (size_t i = 0; i < given.count; i++)
        if (i == 0 || !slice_equal(tokens[self->count - 1], tokens[i]))
            tokens[self->count++] = tokens[i];
    if (kind == TEXT_MATCH_PHRASE && given.count > 0)
        status = compile_phrase(self, &given, memory, error);
    if (status == OCT_OK)
        *out = self;
    return status;
}

/* --- texts -------------------------------------------------------------------------------------------- */

/* The bits of a matching: of ALL, one a token, set when it was seen; of PHRASE the beginnings that end before the position
 * under way, then the positions at which what was read there may stand. */
static uint64_t *
bits_of(text_matching *self, size_t count)
{
    return text_run_bits(self->run, count);
}

oct_status
text_matching_begin(const text_match *match, text_matching *self, oct_error *error)
{
    const size_t     words = match->kind == TEXT_MATCH_PHRASE ? 2 * words_of(match->length) : words_of(match->count);
    oct_status       status;

    *self = (text_matching){.match = match, .missing = match->count, .last = NO_POSITION};
    status = text_run_borrow(match->analyzer, &self->run, error);
    if (status != OCT_OK)
        return status;
    if (bits_of(self, size_max(words, 1)) != NULL)
        return OCT_OK;
    text_run_return(self->run);
    self->run = NULL;
    return oct_fail_memory(error, words * sizeof(uint64_t));
}

/* The tokens at one position are all known: move the beginnings on to it. */
static void
close_position(text_matching *self)
{
    const text_match *match = self->match;
    const size_t      words = words_of(match->length);
    uint64_t         *begun = bits_of(self, 0), *here = begun + words, carry = 1;
    const uint64_t   *anything = match->masks + match->count * words;

    for (size_t w = 0; w < words; w++) {
        const uint64_t shifted = begun[w] << 1 | carry;

        carry = begun[w] >> 63;
        begun[w] = shifted & (here[w] | anything[w]);
        here[w] = 0;
    }
    if (begun[(match->length - 1) / 64] >> (match->length - 1) % 64 & 1)
        self->holds = true;
}

static oct_status
see_in_phrase(text_matching *self, size_t token, uint32_t position)
{
    const text_match *match = self->match;
    const size_t      words = words_of(match->length);
    uint64_t         *here = bits_of(self, 0) + words;

    /* Positions in between have no token of the query, but some of the query's may stand for anything. */
    for (size_t passed = 0; self->last != NO_POSITION && self->last < position && passed <= match->length; passed++) {
        close_position(self);
        self->last++;
    }
    if (self->holds)
        return ENOUGH;
    self->last = position;
    if (token != SIZE_MAX)
        for (size_t w = 0; w < words; w++)
            here[w] |= match->masks[token * words + w];
    return OCT_OK;
}

static oct_status
see_token(void *context, oct_slice seen, uint32_t position, oct_error *error)
{
    text_matching    *self = context;
    const text_match *match = self->match;
    const size_t      token = find_token(match, seen);
    uint64_t         *bits;

    (void)error;
    if (match->kind == TEXT_MATCH_PHRASE)
        return see_in_phrase(self, token, position);
    if (token == SIZE_MAX)
        return OCT_OK;
    bits = bits_of(self, 0);
    if ((bits[token / 64] >> token % 64 & 1) == 0) {
        bits[token / 64] |= 1ull << token % 64;
        self->missing--;
    }
    self->holds = self->missing == 0 || match->kind == TEXT_MATCH_ANY;
    return self->holds ? ENOUGH : OCT_OK;
}

oct_status
text_matching_feed(text_matching *self, oct_slice text, oct_error *error)
{
    oct_status status;

    if (self->holds || self->match->count == 0)
        return OCT_OK;
    status = text_analyze(self->run, text, TEXT_DOCUMENT, NULL, see_token, self, error);
    if (status == ENOUGH)
        return OCT_OK;
    if (status == OCT_OK && self->match->kind == TEXT_MATCH_PHRASE) {
        const size_t words = 2 * words_of(self->match->length);

        if (self->last != NO_POSITION)
            close_position(self);
        memset(bits_of(self, 0), 0, words * sizeof(uint64_t)); /* a phrase does not go on in the next text */
        self->last = NO_POSITION;
    }
    return status;
}

void
text_matching_end(text_matching *self)
{
    text_run_return(self->run);
    self->run = NULL;
}
