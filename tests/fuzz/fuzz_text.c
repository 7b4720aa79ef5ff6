/* Texts and queries, split under any settings: four bytes choose them, then QUERY, a 0, TEXT. What a query of one text says is
 * what a match says, tokens are text, and the BM25 vector is in order. */
#include "fuzz/fuzz.h"

#include "base/json.h"
#include "text/bm25.h"
#include "text/match.h"

static const char *const languages[] = {"arabic",  "armenian",  "danish",     "dutch",    "english", "finnish", "french",
                                        "german",  "greek",     "hungarian",  "italian",  "norwegian", "portuguese",
                                        "romanian", "russian",  "spanish",    "swedish",  "tamil",   "turkish", "none"};

typedef struct seen {
    size_t   count;
    uint32_t last;
} seen;

static oct_status
see(void *context, oct_slice token, uint32_t position, oct_error *error)
{
    seen *self = context;

    (void)error;
    OCT_MUST(token.size > 0 && utf8_is_valid(token) && position >= self->last);
    self->last = position;
    self->count++;
    return OCT_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input      input = {data, size};
    const uint8_t   kind = fuzz_byte(&input), flags = fuzz_byte(&input), language = fuzz_byte(&input);
    const uint8_t   lengths = fuzz_byte(&input);
    oct_bm25_config bm25;
    oct_slice       query, text, name = slice_of(languages[language % countof(languages)]);
    char           *owned[2] = {fuzz_part(&input, '\0', &query.size), fuzz_part(&input, '\0', &text.size)};
    text_analyzer  *analyzer;
    text_run       *run;
    arena           memory = {0};
    text_match     *match;
    text_matching   matching;
    oct_sparse     *sparse;
    seen            all = {0};

    query.data = owned[0];
    text.data = owned[1];
    oct_bm25_config_init(&bm25);
    bm25.language = name;
    bm25.text.tokenizer = kind % 4;
    bm25.text.lowercase = flags & 1;
    bm25.text.ascii_folding = flags >> 1 & 1;
    bm25.text.stemmer = name;
    if (flags & 4) {
        bm25.text.min_token_len = lengths % 16;
        bm25.text.max_token_len = lengths % 16 + lengths / 16;
    }
    if (flags & 8) {
        bm25.text.stopwords = OCT_STOPWORDS_SET;
        bm25.text.stop_words = &query;
        bm25.text.stop_word_count = utf8_is_valid(query);
    }
    OCT_MUST(text_analyzer_new(&bm25.text, &analyzer, NULL) == OCT_OK);
    OCT_MUST(text_run_new(analyzer, &run, NULL) == OCT_OK);
    OCT_MUST(text_analyze(run, text, TEXT_DOCUMENT, NULL, see, &all, NULL) == OCT_OK);
    if (text_match_new(analyzer, (text_match_kind)(kind / 4 % 3), query, &memory, &match, NULL) == OCT_OK) {
        OCT_MUST(text_matching_begin(match, &matching, NULL) == OCT_OK);
        OCT_MUST(text_matching_feed(&matching, text, NULL) == OCT_OK);
        OCT_MUST(!matching.holds || (match->count > 0 && all.count > 0));
        text_matching_end(&matching);
    }
    OCT_MUST(bm25_encode(&bm25, text, flags >> 4 & 1, &sparse, NULL) == OCT_OK);
    OCT_MUST(sparse->count <= all.count || kind % 4 >= OCT_TOKENIZER_PREFIX);
    for (size_t i = 0; i < sparse->count; i++)
        OCT_MUST(sparse->values[i] > 0 && (i == 0 || sparse->indices[i - 1] < sparse->indices[i]));
    oct_free(sparse);
    arena_clear(&memory);
    text_run_free(run);
    text_analyzer_free(analyzer);
    oct_free(owned[0]);
    oct_free(owned[1]);
    return 0;
}
