/* The settings of text analysis, compiled, and the way of a text through them. See text.h. */
#include "text/text.h"

#include <libstemmer.h>

#include "base/arena.h"
#include "base/letters.h"
#include "text/letter_case.h"
#include "text/stop_lists.h"

#define RUNS_IDLE_MAX    16u          /* threads that ask at once; more make runs of their own */
#define RUN_KEEP_BYTES   (64u << 10) /* a run that has grown more is not kept */

struct text_analyzer {
    oct_tokenizer tokenizer;
    bool          lowercase;
    bool          folds;
    uint64_t      length_min, length_max; /* characters */
    const char   *stemmer;                /* language, NULL: none */
    oct_slice    *stop_words;             /* a hash table with holes; NULL: none */
    size_t        stop_mask;
    arena         memory; /* of the table and of words given */
    /* Runs that nobody uses. A slot is taken and filled by exchanging it whole. */
    _Atomic(text_run *) idle[RUNS_IDLE_MAX];
};

struct text_run {
    text_analyzer *analyzer;
    struct sb_stemmer   *stemmer;
    buffer               folded, lowered, stemmed, bits;

    /* Of the analysis under way. */
    text_purpose purpose;
    uint32_t     position;
    text_take    take;
    void        *context;
    oct_error   *error;
};

/* Those that Qdrant names; libstemmer has more. */
static const char *const stemmer_languages[] = {
    "arabic",    "armenian",  "danish",     "dutch",    "english", "finnish", "french",  "german", "greek",  "hungarian",
    "italian",   "norwegian", "portuguese", "romanian", "russian", "spanish", "swedish", "tamil",  "turkish"};

/* Letters that libstemmer (2.2) unifies with others, and the stemmers of Qdrant and fastembed do not. To get the same stems, each
 * goes through the stemmer as another letter of the same class and size, which no rule of the language names. */
typedef struct kept_letter {
    const char *language;
    char        letter[3], stand_in[3];
    const char *unless_after; /* behind this the stemmers agree; NULL: nowhere */
} kept_letter;

static const kept_letter kept_letters[] = {
    {"russian", "\xD1\x91", "\xD1\x92", NULL}, /* yo: it would become ye; dje is Serbian */
    {"french", "\xC3\xAB", "\xC3\xBB", "gu"},  /* e and i with diaeresis: vowels, as are u and o with circumflex */
    {"french", "\xC3\xAF", "\xC3\xB4", NULL},
};

/* --- settings ------------------------------------------------------------------------------- */

void
oct_text_config_init(oct_text_config *config)
{
    *config = (oct_text_config){.tokenizer = OCT_UNSET,
                                .lowercase = OCT_UNSET,
                                .ascii_folding = OCT_UNSET,
                                .min_token_len = OCT_UNSET,
                                .max_token_len = OCT_UNSET,
                                .stopwords = OCT_UNSET};
}

static const stop_list *
find_stop_list(oct_slice language)
{
    for (size_t i = 0; i < stop_list_count; i++)
        if (slice_is(language, stop_lists[i].language) || slice_is(language, stop_lists[i].short_name))
            return &stop_lists[i];
    return NULL;
}

const char *
text_stop_words_language(oct_slice language)
{
    const stop_list *list = find_stop_list(language);

    return list == NULL ? NULL : list->language;
}

const char *
text_stemmer_language(oct_slice language)
{
    for (size_t i = 0; i < countof(stemmer_languages); i++)
        if (slice_is(language, stemmer_languages[i]))
            return stemmer_languages[i];
    return NULL;
}

static oct_status
fail_language(const char *what, oct_slice given, bool stemmers, oct_error *error)
{
    buffer     names = {0};
    oct_status status;

    for (size_t i = 0; i < (stemmers ? countof(stemmer_languages) : stop_list_count); i++) {
        buffer_add_text(&names, i == 0 ? "" : ", ");
        buffer_add_text(&names, stemmers ? stemmer_languages[i] : stop_lists[i].language);
    }
    status = oct_fail(error, OCT_INVALID, "unknown language of %s: \"%.*s\"; there are %.*s", what,
                      (int)size_min(given.size, 64), given.data, (int)names.size, names.data == NULL ? "" : names.data);
    buffer_clear(&names);
    return status;
}

static void
add_stop_word(text_analyzer *self, oct_slice word)
{
    size_t at = hash_bytes(word.data, word.size) & self->stop_mask;

    while (self->stop_words[at].data != NULL) {
        if (slice_equal(self->stop_words[at], word))
            return;
        at = (at + 1) & self->stop_mask;
    }
    self->stop_words[at] = word;
}

static bool
is_stop_word(const text_analyzer *self, oct_slice word)
{
    size_t at;

    if (self->stop_words == NULL)
        return false;
    for (at = hash_bytes(word.data, word.size) & self->stop_mask; self->stop_words[at].data != NULL;
         at = (at + 1) & self->stop_mask)
        if (slice_equal(self->stop_words[at], word))
            return true;
    return false;
}

/* A word of the caller, copied, and in lower case if tokens will be. */
static oct_status
add_own_stop_word(text_analyzer *self, oct_slice given, oct_error *error)
{
    buffer lowered = {0};
    char  *copy;

    if (!utf8_is_valid(given))
        return oct_fail(error, OCT_INVALID, "a stop word is not valid UTF-8");
    if (given.size == 0)
        return OCT_OK;
    if (self->lowercase)
        add_lower(&lowered, given);
    else
        buffer_add(&lowered, given.data, given.size);
    copy = lowered.failed ? NULL : arena_text(&self->memory, lowered.data, lowered.size);
    if (copy != NULL)
        add_stop_word(self, (oct_slice){copy, lowered.size});
    buffer_clear(&lowered);
    return copy == NULL ? oct_fail_memory(error, given.size) : OCT_OK;
}

static oct_status
compile_stop_words(text_analyzer *self, const oct_text_config *config, oct_error *error)
{
    size_t     count = config->stop_word_count, room = 16;
    oct_status status = OCT_OK;

    if (config->stopwords == OCT_UNSET)
        return OCT_OK;
    if (count > OCT_STOP_WORDS_MAX)
        return oct_fail(error, OCT_RANGE, "%zu stop words, at most %u are allowed", count, OCT_STOP_WORDS_MAX);
    for (size_t i = 0; i < config->stop_language_count; i++) {
        const stop_list *list = find_stop_list(config->stop_languages[i]);

        if (list == NULL)
            return fail_language("stop words", config->stop_languages[i], false, error);
        for (size_t before = 0; before <= i; before++) /* a list named twice counts once */
            if (before == i)
                count += list->count;
            else if (find_stop_list(config->stop_languages[before]) == list)
                break;
    }
    if (count == 0)
        return OCT_OK;
    while (room < 2 * count)
        room *= 2;
    self->stop_words = arena_array(&self->memory, room, sizeof *self->stop_words);
    if (self->stop_words == NULL)
        return oct_fail_memory(error, room * sizeof *self->stop_words);
    self->stop_mask = room - 1;
    for (size_t i = 0; i < config->stop_language_count; i++) {
        const stop_list *list = find_stop_list(config->stop_languages[i]);
        const char      *word = list->words;

        for (const char *end; (end = strchr(word, '\n')) != NULL; word = end + 1)
            add_stop_word(self, (oct_slice){word, (size_t)(end - word)});
    }
    for (size_t i = 0; i < config->stop_word_count && status == OCT_OK; i++)
        status = add_own_stop_word(self, config->stop_words[i], error);
    return status;
}

static oct_status
check_length(const char *name, int64_t given, int64_t min, oct_error *error)
{
    return given == OCT_UNSET || (given >= min && given <= OCT_TOKEN_LEN_MAX)
               ? OCT_OK
               : oct_fail(error, OCT_RANGE, "%s: value %lld invalid, must be from %lld to %u", name, (long long)given,
                          (long long)min, OCT_TOKEN_LEN_MAX);
}

oct_status
text_analyzer_new(const oct_text_config *config, text_analyzer **out, oct_error *error)
{
    text_analyzer *self = oct_calloc(1, sizeof *self);
    oct_status     status;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    self->tokenizer = config->tokenizer == OCT_UNSET ? OCT_TOKENIZER_WORD : (oct_tokenizer)config->tokenizer;
    self->lowercase = config->lowercase != 0;
    self->folds = config->ascii_folding == 1;
    self->length_min = config->min_token_len == OCT_UNSET ? 0 : (uint64_t)config->min_token_len;
    self->length_max = config->max_token_len == OCT_UNSET ? UINT64_MAX : (uint64_t)config->max_token_len;
    status = check_length("min_token_len", config->min_token_len, 0, error);
    if (status == OCT_OK)
        status = check_length("max_token_len", config->max_token_len, 0, error);
    if (status == OCT_OK && self->length_min > self->length_max)
        status = oct_fail(error, OCT_RANGE, "min_token_len %lld is greater than max_token_len %lld: no token could be that long",
                          (long long)config->min_token_len, (long long)config->max_token_len);
    if (status == OCT_OK && (config->tokenizer < OCT_UNSET || config->tokenizer > OCT_TOKENIZER_MULTILINGUAL))
        status = oct_fail(error, OCT_INVALID, "tokenizer %lld is not one of enum oct_tokenizer", (long long)config->tokenizer);
    if (status == OCT_OK && config->stemmer.size > 0 && !slice_is(config->stemmer, "none")) {
        self->stemmer = text_stemmer_language(config->stemmer);
        if (self->stemmer == NULL)
            status = fail_language("the stemmer", config->stemmer, true, error);
    }
    if (status == OCT_OK)
        status = compile_stop_words(self, config, error);
    if (status != OCT_OK) {
        text_analyzer_free(self);
        return status;
    }
    *out = self;
    return OCT_OK;
}

void
text_analyzer_free(text_analyzer *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < RUNS_IDLE_MAX; i++)
        text_run_free(atomic_load_explicit(&self->idle[i], memory_order_acquire));
    arena_clear(&self->memory);
    oct_free(self);
}

/* --- runs ------------------------------------------------------------------------------------- */

oct_status
text_run_new(text_analyzer *analyzer, text_run **out, oct_error *error)
{
    text_run *self = oct_calloc(1, sizeof *self);

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    self->analyzer = analyzer;
    if (analyzer->stemmer != NULL) {
        self->stemmer = sb_stemmer_new(analyzer->stemmer, "UTF_8");
        if (self->stemmer == NULL) {
            oct_free(self);
            return oct_fail(error, OCT_NOMEM, "out of memory for the %s stemmer", analyzer->stemmer);
        }
    }
    *out = self;
    return OCT_OK;
}

void
text_run_free(text_run *self)
{
    if (self == NULL)
        return;
    sb_stemmer_delete(self->stemmer);
    buffer_clear(&self->folded);
    buffer_clear(&self->lowered);
    buffer_clear(&self->stemmed);
    buffer_clear(&self->bits);
    oct_free(self);
}

oct_status
text_run_borrow(text_analyzer *analyzer, text_run **out, oct_error *error)
{
    for (size_t i = 0; i < RUNS_IDLE_MAX; i++) {
        *out = atomic_exchange_explicit(&analyzer->idle[i], NULL, memory_order_acq_rel);
        if (*out != NULL)
            return OCT_OK;
    }
    return text_run_new(analyzer, out, error);
}

void
text_run_return(text_run *self)
{
    if (self == NULL)
        return;
    if (self->folded.capacity + self->lowered.capacity + self->bits.capacity <= RUN_KEEP_BYTES)
        for (size_t i = 0; i < RUNS_IDLE_MAX; i++) {
            text_run *none = NULL;

            if (atomic_compare_exchange_strong_explicit(&self->analyzer->idle[i], &none, self, memory_order_acq_rel,
                                                        memory_order_relaxed))
                return;
        }
    text_run_free(self);
}

uint64_t *
text_run_bits(text_run *self, size_t words)
{
    const size_t bytes = words * sizeof(uint64_t);

    if (words == 0)
        return (uint64_t *)(void *)self->bits.data;
    self->bits.size = 0;
    self->bits.failed = false;
    if (self->bits.capacity < bytes && !buffer_reserve(&self->bits, bytes))
        return NULL;
    memset(self->bits.data, 0, bytes);
    return (uint64_t *)(void *)self->bits.data;
}

static size_t
character_count(oct_slice text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    return count;
}

/* Put the kept letters of `word` into `at` (which has its size) as their stand-ins, or, `back`, those stand-ins of a stem
 * that stand where the word has the letter as that letter: a stem changes a word at its end only. */
static bool
exchange_kept_letters(const char *language, oct_slice word, bool back, char *at, size_t size)
{
    bool found = false;

    for (size_t k = 0; k < countof(kept_letters); k++) {
        const kept_letter *kept = &kept_letters[k];
        const size_t       before = kept->unless_after == NULL ? 0 : strlen(kept->unless_after);

        if (strcmp(kept->language, language) != 0)
            continue;
        for (size_t i = 0; i + 2 <= word.size && i + 2 <= size; i++) {
            if (memcmp(word.data + i, kept->letter, 2) != 0 || (back && memcmp(at + i, kept->stand_in, 2) != 0) ||
                (before > 0 && i >= before && memcmp(word.data + i - before, kept->unless_after, before) == 0))
                continue;
            memcpy(at + i, back ? kept->letter : kept->stand_in, 2);
            found = true;
        }
    }
    return found;
}

static oct_status
stem_word(text_run *self, oct_slice *word)
{
    const char      *language = self->analyzer->stemmer;
    char             original[TEXT_STEM_BYTES_MAX], exchanged[TEXT_STEM_BYTES_MAX];
    const sb_symbol *stem;
    size_t           size;
    bool             has_kept;

    memcpy(original, word->data, word->size);
    memcpy(exchanged, word->data, word->size);
    has_kept = exchange_kept_letters(language, (oct_slice){original, word->size}, false, exchanged, word->size);
    stem = sb_stemmer_stem(self->stemmer, (const sb_symbol *)exchanged, (int)word->size);
    if (stem == NULL)
        return oct_fail_memory(self->error, word->size);
    size = (size_t)sb_stemmer_length(self->stemmer);
    if (has_kept && size <= sizeof exchanged) {
        memcpy(exchanged, stem, size);
        (void)exchange_kept_letters(language, (oct_slice){original, word->size}, true, exchanged, size);
        self->stemmed.size = 0;
        self->stemmed.failed = false;
        buffer_add(&self->stemmed, exchanged, size);
        if (self->stemmed.failed)
            return oct_fail_memory(self->error, size);
        *word = (oct_slice){self->stemmed.data, size};
    } else {
        *word = (oct_slice){(const char *)stem, size};
    }
    return OCT_OK;
}

/* A word through all steps but the last. Its data are NULL if it was dropped. */
static oct_status
process(text_run *self, oct_slice word, bool keep_stop_words, oct_slice *out)
{
    const text_analyzer *analyzer = self->analyzer;

    *out = (oct_slice){NULL, 0};
    if (analyzer->folds) {
        self->folded.size = 0;
        self->folded.failed = false;
        add_folded(&self->folded, word);
        if (self->folded.failed)
            return oct_fail_memory(self->error, word.size);
        word = (oct_slice){self->folded.data, self->folded.size};
    }
    if (analyzer->lowercase) {
        self->lowered.size = 0;
        self->lowered.failed = false;
        add_lower(&self->lowered, word);
        if (self->lowered.failed)
            return oct_fail_memory(self->error, word.size);
        word = (oct_slice){self->lowered.data, self->lowered.size};
    }
    if (!keep_stop_words && is_stop_word(analyzer, word))
        return OCT_OK;
    if (self->stemmer != NULL && word.size <= TEXT_STEM_BYTES_MAX) {
        const oct_status status = stem_word(self, &word);

        if (status != OCT_OK)
            return status;
    }
    if (word.size > 0)
        *out = word;
    return OCT_OK;
}

static bool
length_fits(const text_analyzer *self, oct_slice token)
{
    size_t count;

    if (self->length_min == 0 && self->length_max == UINT64_MAX)
        return true;
    count = character_count(token);
    return count >= self->length_min && count <= self->length_max;
}

static oct_status
take_prefixes(text_run *self, oct_slice token)
{
    const text_analyzer *analyzer = self->analyzer;
    const size_t         shortest = analyzer->length_min == 0 ? 1 : (size_t)analyzer->length_min;
    const size_t         longest = size_min(analyzer->length_max, TEXT_PREFIX_MAX);
    size_t               count = 0;
    oct_status           status = OCT_OK;
    oct_slice            last = {token.data, 0};

    for (size_t end = 1; end <= token.size && count < longest && status == OCT_OK; end++) {
        if (end < token.size && ((unsigned char)token.data[end] & 0xC0) == 0x80)
            continue; /* inside a character */
        count++;
        last.size = end;
        if (count >= shortest && self->purpose == TEXT_DOCUMENT)
            status = self->take(self->context, last, self->position, self->error);
    }
    if (status == OCT_OK && count >= shortest && count > 0) {
        if (self->purpose == TEXT_QUERY)
            status = self->take(self->context, last, self->position, self->error);
        self->position++;
    }
    return status;
}

static oct_status
take_word(text_run *self, oct_slice word)
{
    const bool is_prefix = self->analyzer->tokenizer == OCT_TOKENIZER_PREFIX;
    oct_slice  token;
    oct_status status = process(self, word, is_prefix && self->purpose == TEXT_QUERY, &token);

    if (status != OCT_OK || token.data == NULL)
        return status;
    if (is_prefix)
        return take_prefixes(self, token);
    if (!length_fits(self->analyzer, token))
        return OCT_OK;
    return self->take(self->context, token, self->position++, self->error);
}

/* --- scripts without spaces --------------------------------------------------------------------- */

typedef struct block {
    uint32_t first, last;
} block;

static const block unspaced[] = {
    /* sorted; where the script's letters, vowel signs and tone marks are, not its digits */
    {0x0E01, 0x0E3A},   {0x0E40, 0x0E4E},   {0x0E81, 0x0ECE},   {0x1000, 0x103F},   {0x1050, 0x108F},
    {0x109A, 0x109F},   {0x1780, 0x17D3},   {0x17D7, 0x17D7},   {0x17DC, 0x17DD},   {0x3005, 0x3007},
    {0x3041, 0x309F},   {0x30A1, 0x30FF},   {0x31F0, 0x31FF},   {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},
    {0xA9E0, 0xA9EF},   {0xA9FA, 0xA9FE},   {0xAA60, 0xAA7F},   {0xF900, 0xFAFF},   {0xFF66, 0xFF9F},
    {0x1AFF0, 0x1B16F}, {0x20000, 0x3FFFD},
};

static bool
is_unspaced(uint32_t character)
{
    if (character < unspaced[0].first)
        return false;
    for (size_t i = 0; i < countof(unspaced); i++)
        if (character <= unspaced[i].last)
            return character >= unspaced[i].first;
    return false;
}

/* The end of the letter that starts at `at`: itself and the marks on it. */
static size_t
end_of_cluster(oct_slice run, size_t at)
{
    uint32_t character;
    size_t   size;

    at += utf8_decode(run.data + at, run.size - at, &character);
    while (at < run.size && (size = utf8_decode(run.data + at, run.size - at, &character)) > 0 &&
           !is_letter_or_digit(character))
        at += size;
    return at;
}

static oct_status
take_gram(text_run *self, oct_slice gram)
{
    oct_slice        token;
    const oct_status status = process(self, gram, false, &token);

    if (status != OCT_OK || token.data == NULL || !length_fits(self->analyzer, token))
        return status;
    return self->take(self->context, token, self->position, self->error);
}

/* Of a document every letter and every pair, of a query the pairs. */
static oct_status
take_unspaced(text_run *self, oct_slice run)
{
    oct_status status = OCT_OK;
    size_t     next;

    for (size_t at = 0; at < run.size && status == OCT_OK; at = next) {
        next = end_of_cluster(run, at);
        if (self->purpose == TEXT_DOCUMENT || (at == 0 && next == run.size))
            status = take_gram(self, (oct_slice){run.data + at, next - at});
        if (status == OCT_OK && next < run.size)
            status = take_gram(self, (oct_slice){run.data + at, end_of_cluster(run, next) - at});
        self->position++;
    }
    return status;
}

/* --- splitting ----------------------------------------------------------------------------------- */

typedef enum piece { GAP, WORD, UNSPACED } piece;

static piece
piece_of(const text_analyzer *self, uint32_t character)
{
    if (self->tokenizer == OCT_TOKENIZER_WHITESPACE)
        return is_white_space(character) ? GAP : WORD;
    if (self->tokenizer == OCT_TOKENIZER_MULTILINGUAL && is_unspaced(character))
        return UNSPACED;
    return is_letter_or_digit(character) ? WORD : GAP;
}

oct_status
text_analyze(text_run *self, oct_slice text, text_purpose purpose, uint32_t *position, text_take take, void *context,
             oct_error *error)
{
    oct_status status = OCT_OK;
    piece      kind = GAP;
    size_t     start = 0, at = 0;

    self->purpose = purpose;
    self->position = position == NULL ? 0 : *position;
    self->take = take;
    self->context = context;
    self->error = error;
    while (status == OCT_OK && (at < text.size || kind != GAP)) {
        uint32_t character = 0;
        size_t   size = 1;
        piece    now = GAP;

        if (at < text.size) {
            character = (unsigned char)text.data[at];
            if (character >= 0x80)
                size = utf8_decode(text.data + at, text.size - at, &character);
            now = size == 0 ? GAP : piece_of(self->analyzer, character);
            size = size_max(size, 1);
        }
        if (now != kind) {
            const oct_slice whole = {text.data + start, at - start};

            if (kind == WORD)
                status = take_word(self, whole);
            else if (kind == UNSPACED)
                status = take_unspaced(self, whole);
            start = at;
            kind = now;
        }
        at += size;
    }
    if (position != NULL)
        *position = self->position;
    return status;
}
