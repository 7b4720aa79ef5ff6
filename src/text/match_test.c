/* Goal:   a compiled match says of any texts what a plain reading of match.h says.
 * Method: the plain reading (all tokens of all texts in arrays, every start of a phrase tried) on random texts of few
 *         words, so that they meet often, seed 41, with each tokenizer, stop words and stemmer; examples; a phrase and a
 *         text of one repeated word; several threads' worth of borrowed runs; allocations fail in turn. */
#include "text/match.h"

#include "support/test.h"

typedef struct token_array {
    char     text[64];
    uint32_t position;
} token_array;

typedef struct plain {
    token_array *list;
    size_t       count;
} plain;

#define PLAIN_MAX 512u

static oct_status
plain_take(void *context, oct_slice token, uint32_t position, oct_error *error)
{
    plain *self = context;

    (void)error;
    OCT_MUST(self->count < PLAIN_MAX && token.size < 64);
    (void)snprintf(self->list[self->count].text, 64, SLICE_FMT, SLICE_ARG(token));
    self->list[self->count++].position = position;
    return OCT_OK;
}

static bool
plain_has_at(const plain *text, const char *token, bool anywhere, uint32_t position)
{
    for (size_t i = 0; i < text->count; i++)
        if (strcmp(text->list[i].text, token) == 0 && (anywhere || text->list[i].position == position))
            return true;
    return false;
}

/* Every token of the query at its distance from the first. */
static bool
plain_phrase(const plain *query, const plain *text)
{
    for (size_t start = 0; start < text->count; start++) {
        bool all = true;

        for (size_t i = 0; i < query->count && all; i++)
            all = plain_has_at(text, query->list[i].text, false,
                               text->list[start].position + query->list[i].position - query->list[0].position);
        if (all)
            return true;
    }
    return false;
}

static bool
plain_match(text_analyzer *analyzer, text_match_kind kind, oct_slice query, const oct_slice *texts, size_t count)
{
    token_array *memory = oct_calloc(PLAIN_MAX * 2, sizeof *memory);
    plain        wanted = {memory, 0}, seen = {memory + PLAIN_MAX, 0};
    text_run    *run;
    bool         result = kind != TEXT_MATCH_ANY, phrase = false;

    CHECK_OK(text_run_borrow(analyzer, &run, NULL));
    CHECK_OK(text_analyze(run, query, TEXT_QUERY, NULL, plain_take, &wanted, NULL));
    for (size_t t = 0; t < count; t++) {
        plain one = {seen.list + seen.count, 0};

        CHECK_OK(text_analyze(run, texts[t], TEXT_DOCUMENT, NULL, plain_take, &one, NULL));
        phrase = phrase || (wanted.count > 0 && plain_phrase(&wanted, &one));
        seen.count += one.count;
    }
    text_run_return(run);
    for (size_t i = 0; i < wanted.count; i++) {
        const bool has = plain_has_at(&seen, wanted.list[i].text, true, 0);

        result = kind == TEXT_MATCH_ANY ? result || has : result && has;
    }
    result = wanted.count > 0 && (kind == TEXT_MATCH_PHRASE ? phrase : result);
    oct_free(memory);
    return result;
}

static bool
matches(text_analyzer *analyzer, text_match_kind kind, oct_slice query, const oct_slice *texts, size_t count)
{
    arena         memory = {0};
    text_match   *match;
    text_matching matching;
    bool          result;

    CHECK_OK(text_match_new(analyzer, kind, query, &memory, &match, NULL));
    CHECK_OK(text_matching_begin(match, &matching, NULL));
    for (size_t t = 0; t < count; t++)
        CHECK_OK(text_matching_feed(&matching, texts[t], NULL));
    result = matching.holds;
    text_matching_end(&matching);
    arena_clear(&memory);
    return result;
}

static text_analyzer *
make_analyzer(oct_tokenizer tokenizer, bool english)
{
    static const oct_slice language = {"english", 7};
    oct_text_config        config;
    text_analyzer         *analyzer;

    oct_text_config_init(&config);
    config.tokenizer = tokenizer;
    if (english) {
        config.stopwords = OCT_STOPWORDS_SET;
        config.stop_languages = &language;
        config.stop_language_count = 1;
        config.stemmer = language;
    }
    CHECK_OK(text_analyzer_new(&config, &analyzer, NULL));
    return analyzer;
}

static bool
one_matches(text_analyzer *analyzer, text_match_kind kind, const char *query, const char *text)
{
    const oct_slice given = slice_of(text);

    return matches(analyzer, kind, slice_of(query), &given, 1);
}

TEST(words_are_asked_for_in_any_order_and_phrases_in_theirs)
{
    text_analyzer *analyzer = make_analyzer(OCT_TOKENIZER_WORD, true);
    const char    *text = "The Quick brown foxes jumped over the lazy dogs";

    CHECK(one_matches(analyzer, TEXT_MATCH_ALL, "dog, QUICK fox", text));
    CHECK(!one_matches(analyzer, TEXT_MATCH_ALL, "dog cat", text));
    CHECK(one_matches(analyzer, TEXT_MATCH_ANY, "dog cat", text));
    CHECK(!one_matches(analyzer, TEXT_MATCH_ANY, "cat ox", text));
    CHECK(one_matches(analyzer, TEXT_MATCH_PHRASE, "lazy dog", text));
    CHECK(one_matches(analyzer, TEXT_MATCH_PHRASE, "jumping over a lazy", text)); /* "over" and "a" are stop words */
    CHECK(!one_matches(analyzer, TEXT_MATCH_PHRASE, "dog lazy", text));
    CHECK(!one_matches(analyzer, TEXT_MATCH_PHRASE, "quick foxes", text));
    for (int kind = 0; kind < 3; kind++) {
        CHECK(!one_matches(analyzer, (text_match_kind)kind, "", text));
        CHECK(!one_matches(analyzer, (text_match_kind)kind, "the and !", text));
        CHECK(!one_matches(analyzer, (text_match_kind)kind, "fox", ""));
    }
    text_analyzer_free(analyzer);
}

TEST(scripts_without_spaces_are_found_by_parts)
{
    text_analyzer *analyzer = make_analyzer(OCT_TOKENIZER_MULTILINGUAL, false);
    const char    *text = "私は東京都に住んでいます GPU も好き";

    CHECK(one_matches(analyzer, TEXT_MATCH_ALL, "東京", text));
    CHECK(one_matches(analyzer, TEXT_MATCH_ALL, "東", text));
    CHECK(one_matches(analyzer, TEXT_MATCH_PHRASE, "東京都に", text));
    CHECK(one_matches(analyzer, TEXT_MATCH_PHRASE, "います gpu も", text));
    CHECK(!one_matches(analyzer, TEXT_MATCH_ALL, "大阪", text));
    CHECK(!one_matches(analyzer, TEXT_MATCH_PHRASE, "います も", text));
    text_analyzer_free(analyzer);
}

TEST(matches_are_those_of_a_plain_reading)
{
    static const char *const words[] = {"a", "ab", "abc", "the", "runs", "running", "b", "東", "京", "ä", "Ab", "."};
    test_rng                 rng = test_rng_seed(41);
    uint64_t                 found[3][2] = {{0}};

    for (uint64_t round = 0; round < test_scaled(3000); round++) {
        text_analyzer  *analyzer = make_analyzer((oct_tokenizer)(round % 4), test_below(&rng, 2) == 0);
        text_match_kind kind = (text_match_kind)test_below(&rng, 3);
        const size_t    count = 1 + test_below(&rng, 3);
        char            lines[4][256];
        oct_slice       texts[4];
        bool            got, want;

        for (size_t t = 0; t < 4; t++) { /* the last is the query */
            size_t size = 0;

            for (uint64_t n = test_below(&rng, t < 3 ? 12 : 5); n > 0; n--)
                size += (size_t)snprintf(lines[t] + size, sizeof lines[t] - size, "%s%s", words[test_below(&rng, countof(words))],
                                         test_below(&rng, 3) == 0 ? "" : " ");
            texts[t] = (oct_slice){lines[t], size};
        }
        got = matches(analyzer, kind, texts[3], texts, count);
        want = plain_match(analyzer, kind, texts[3], texts, count);
        CHECK_MSG(got == want, "round %llu, kind %d, query \"" SLICE_FMT "\", first text \"" SLICE_FMT "\": %d",
                  (unsigned long long)round, (int)kind, SLICE_ARG(texts[3]), SLICE_ARG(texts[0]), got);
        found[kind][want]++;
        text_analyzer_free(analyzer);
    }
    for (int kind = 0; kind < 3; kind++)
        CHECK_MSG(found[kind][0] > 50 && found[kind][1] > 50, "kind %d: %llu no, %llu yes", kind,
                  (unsigned long long)found[kind][0], (unsigned long long)found[kind][1]);
}

TEST(a_repeated_word_costs_no_square)
{
    text_analyzer *analyzer = make_analyzer(OCT_TOKENIZER_WORD, false);
    buffer         text = {0}, phrase = {0};
    oct_slice      given;
    arena          memory = {0};
    text_match    *match;

    for (size_t i = 0; i < 200000; i++)
        buffer_add_text(&text, "ab ");
    for (size_t i = 0; i < TEXT_PHRASE_MAX - 1; i++)
        buffer_add_text(&phrase, "ab ");
    given = (oct_slice){text.data, text.size};
    CHECK(matches(analyzer, TEXT_MATCH_PHRASE, (oct_slice){phrase.data, phrase.size}, &given, 1));
    buffer_add_text(&phrase, "no ");
    CHECK(!matches(analyzer, TEXT_MATCH_PHRASE, (oct_slice){phrase.data, phrase.size}, &given, 1));
    buffer_add_text(&phrase, "ab ");
    CHECK_STATUS(text_match_new(analyzer, TEXT_MATCH_PHRASE, (oct_slice){phrase.data, phrase.size}, &memory, &match, NULL),
                 OCT_RANGE);
    arena_clear(&memory);
    buffer_clear(&text);
    buffer_clear(&phrase);
    text_analyzer_free(analyzer);
}

TEST(a_match_without_memory_says_so)
{
    uint64_t failed = 0;

    for (uint64_t after = 0;; after++) {
        text_analyzer *analyzer = make_analyzer(OCT_TOKENIZER_WORD, true);
        arena          memory = {0};
        text_match    *match;
        text_matching  matching = {0};
        oct_status     status;

        oct_alloc_fail_after(after, true);
        status = text_match_new(analyzer, TEXT_MATCH_PHRASE, slice_of("lazy dog"), &memory, &match, NULL);
        if (status == OCT_OK)
            status = text_matching_begin(match, &matching, NULL);
        if (status == OCT_OK)
            status = text_matching_feed(&matching, slice_of("The lazy dogs"), NULL);
        oct_alloc_fail_after(UINT64_MAX, false);
        CHECK(status == OCT_OK ? matching.holds : status == OCT_NOMEM);
        text_matching_end(&matching);
        arena_clear(&memory);
        text_analyzer_free(analyzer);
        if (status == OCT_OK)
            break;
        failed++;
    }
    CHECK(failed >= 3);
}
