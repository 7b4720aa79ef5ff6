/* See bm25.h. */
#include "text/bm25.h"

#include <math.h>
#include <stdlib.h>

#include "text/text.h"

#define K_DEFAULT       1.2
#define B_DEFAULT       0.75
#define AVG_LEN_DEFAULT 256.0

/* One token of a text: which, and where it stands among all. */
typedef struct occurrence {
    uint32_t id;
    uint32_t order;
    size_t   start; /* in `letters` */
    uint32_t size;
} occurrence;

typedef struct counter {
    buffer letters; /* of all tokens, one behind the other */
    buffer list;    /* of occurrences */
} counter;

/* --- token ids ---------------------------------------------------------------------------------- */

static inline uint32_t
rotate(uint32_t x, unsigned bits)
{
    return x << bits | x >> (32 - bits);
}

static inline uint32_t
scramble(uint32_t block)
{
    return rotate(block * 0xCC9E2D51u, 15) * 0x1B873593u;
}

/* MurmurHash3 for x86, 32 bits (Appleby; in the public domain), seed 0. */
static uint32_t
murmur3(const char *data, size_t size)
{
    const size_t whole = size & ~(size_t)3;
    uint32_t     hash = 0, last = 0;

    for (size_t i = 0; i < whole; i += 4)
        hash = rotate(hash ^ scramble(get_u32(data + i)), 13) * 5 + 0xE6546B64u;
    for (size_t i = size; i > whole; i--)
        last = last << 8 | (unsigned char)data[i - 1];
    if (size > whole)
        hash ^= scramble(last);
    hash ^= (uint32_t)size;
    hash = (hash ^ hash >> 16) * 0x85EBCA6Bu;
    hash = (hash ^ hash >> 13) * 0xC2B2AE35u;
    return hash ^ hash >> 16;
}

uint32_t
bm25_token_id(oct_slice token)
{
    const uint32_t hash = murmur3(token.data, token.size);

    return hash >> 31 != 0 ? 0u - hash : hash; /* the magnitude of the number as a signed one */
}

/* --- settings ------------------------------------------------------------------------------------ */

void
oct_bm25_config_init(oct_bm25_config *config)
{
    *config = (oct_bm25_config){.k = NAN, .b = NAN, .avg_len = NAN};
    oct_text_config_init(&config->text);
}

static oct_status
fail_number(const char *name, double given, const char *rule, oct_error *error)
{
    return oct_fail(error, OCT_INVALID, "Invalid BM25 config: %s is %g, must be %s", name, given, rule);
}

/* The settings with every default; the lists of `out` point at `language`, which must live as long. */
static oct_status
complete(const oct_bm25_config *given, oct_slice *language, oct_bm25_config *out, oct_error *error)
{
    *out = *given;
    if (isnan(given->k))
        out->k = K_DEFAULT;
    else if (!(given->k >= 0 && isfinite(given->k)))
        return fail_number("k", given->k, "a number not below 0", error);
    if (isnan(given->b))
        out->b = B_DEFAULT;
    else if (!(given->b >= 0 && given->b <= 1))
        return fail_number("b", given->b, "from 0 to 1", error);
    if (isnan(given->avg_len))
        out->avg_len = AVG_LEN_DEFAULT;
    else if (!(given->avg_len > 0 && isfinite(given->avg_len)))
        return fail_number("avg_len", given->avg_len, "a number above 0", error);
    *language = given->language.size == 0 ? slice_of("english") : given->language;
    if (given->text.stopwords == OCT_UNSET && text_stop_words_language(*language) != NULL) {
        out->text.stopwords = OCT_STOPWORDS_LANGUAGE;
        out->text.stop_languages = language;
        out->text.stop_language_count = 1;
        out->text.stop_word_count = 0;
    }
    if (given->text.stemmer.size == 0 && text_stemmer_language(*language) != NULL)
        out->text.stemmer = *language;
    return OCT_OK;
}

/* --- counting -------------------------------------------------------------------------------------- */

static oct_status
count_token(void *context, oct_slice token, uint32_t position, oct_error *error)
{
    counter         *self = context;
    const occurrence one = {.id = bm25_token_id(token),
                            .order = (uint32_t)(self->list.size / sizeof one),
                            .start = self->letters.size,
                            .size = (uint32_t)token.size};

    (void)position;
    buffer_add(&self->letters, token.data, token.size);
    buffer_add(&self->list, &one, sizeof one);
    return self->letters.failed || self->list.failed ? oct_fail_memory(error, token.size + sizeof one) : OCT_OK;
}

/* By id, then by token, then in the order of the text. */
static int
compare_occurrences(const void *left, const void *right, void *letters)
{
    const occurrence *a = left, *b = right;
    int               order;

    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    order = slice_compare((oct_slice){(const char *)letters + a->start, a->size},
                          (oct_slice){(const char *)letters + b->start, b->size});
    return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static bool
same_token(const counter *self, const occurrence *a, const occurrence *b)
{
    return a->id == b->id && slice_equal((oct_slice){self->letters.data + a->start, a->size},
                                         (oct_slice){self->letters.data + b->start, b->size});
}

static oct_status
weigh(counter *self, const oct_bm25_config *config, bool is_query, oct_sparse **out, oct_error *error)
{
    occurrence  *list = (occurrence *)(void *)self->list.data;
    const size_t count = self->list.size / sizeof *list;
    const double spread = config->k * (1 - config->b + config->b * (double)count / config->avg_len);
    const size_t bytes = sizeof(oct_sparse) + count * (sizeof(uint32_t) + sizeof(float));
    oct_sparse  *made = oct_calloc(1, bytes);
    uint32_t    *indices, first = 0;
    float       *values;
    size_t       used = 0;

    if (made == NULL)
        return oct_fail_memory(error, bytes);
    indices = (uint32_t *)(made + 1);
    values = (float *)(indices + count);
    if (count > 0)
        qsort_r(list, count, sizeof *list, compare_occurrences, self->letters.data);
    for (size_t i = 0, end; i < count; i = end) {
        double n;

        for (end = i + 1; end < count && same_token(self, &list[i], &list[end]);)
            end++;
        if (used > 0 && indices[used - 1] == list[i].id) {
            if (list[i].order < first)
                continue;
            used--;
        }
        first = list[i].order;
        n = (double)(end - i);
        indices[used] = list[i].id;
        values[used++] = is_query ? 1.0f : (float)(n * (config->k + 1) / (n + spread));
    }
    made->count = used;
    made->indices = indices;
    made->values = values;
    *out = made;
    return OCT_OK;
}

oct_status
bm25_encode(const oct_bm25_config *given, oct_slice text, bool is_query, oct_sparse **out, oct_error *error)
{
    oct_bm25_config defaults, config;
    oct_slice       language;
    text_analyzer  *analyzer = NULL;
    text_run       *run = NULL;
    counter         tokens = {0};
    oct_error       reason = {0};
    oct_status      status;

    *out = NULL;
    oct_bm25_config_init(&defaults);
    status = complete(given == NULL ? &defaults : given, &language, &config, error);
    if (status != OCT_OK)
        return status;
    status = text_analyzer_new(&config.text, &analyzer, &reason);
    if (status != OCT_OK)
        return status == OCT_NOMEM ? oct_fail(error, status, "%s", reason.text)
                                   : oct_fail(error, OCT_INVALID, "Invalid BM25 config: %s", reason.text);
    status = text_run_new(analyzer, &run, error);
    if (status == OCT_OK)
        status = text_analyze(run, text, is_query ? TEXT_QUERY : TEXT_DOCUMENT, NULL, count_token, &tokens, error);
    if (status == OCT_OK)
        status = weigh(&tokens, &config, is_query, out, error);
    buffer_clear(&tokens.letters);
    buffer_clear(&tokens.list);
    text_run_free(run);
    text_analyzer_free(analyzer);
    return status;
}
