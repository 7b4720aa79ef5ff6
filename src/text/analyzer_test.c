/* Goal:   texts become the tokens that text.h promises, whatever bytes they are made of.
 * Method: examples of each tokenizer and step; bytes at random, seed 21: every token of every tokenizer is valid UTF-8, no
 *         longer than its limits, and a query of a word of a document finds it; every allocation fails in turn; long texts. */
#include "text/text.h"

#include "base/letters.h"
#include "support/test.h"
#include "text/stop_lists.h"

typedef struct listing {
    buffer line; /* "token@position token@position" */
    size_t count;
} listing;

static oct_status
list_token(void *context, oct_slice token, uint32_t position, oct_error *error)
{
    listing *self = context;

    buffer_format(&self->line, "%s" SLICE_FMT "@%u", self->count++ == 0 ? "" : " ", SLICE_ARG(token), position);
    return self->line.failed ? oct_fail_memory(error, token.size) : OCT_OK;
}

/* The tokens of a text on one line, or the error. */
static const char *
tokens_of(const oct_text_config *config, const char *text, text_purpose purpose)
{
    static char    line[1024];
    text_analyzer *analyzer = NULL;
    text_run      *run = NULL;
    listing        list = {0};
    oct_error      error = {0};
    oct_status     status = text_analyzer_new(config, &analyzer, &error);

    if (status == OCT_OK)
        status = text_run_new(analyzer, &run, &error);
    if (status == OCT_OK)
        status = text_analyze(run, slice_of(text), purpose, NULL, list_token, &list, &error);
    if (status == OCT_OK)
        (void)snprintf(line, sizeof line, "%.*s", (int)list.line.size, list.line.data == NULL ? "" : list.line.data);
    else
        (void)snprintf(line, sizeof line, "error: %.900s", error.text);
    buffer_clear(&list.line);
    text_run_free(run);
    text_analyzer_free(analyzer);
    return line;
}

static oct_text_config
settings(oct_tokenizer tokenizer)
{
    oct_text_config config;

    oct_text_config_init(&config);
    config.tokenizer = tokenizer;
    return config;
}

TEST(words_split_at_what_is_no_letter_or_digit)
{
    oct_text_config config = settings(OCT_TOKENIZER_WORD);

    CHECK_TEXT(tokens_of(&config, "Hello, World! snake_case kebab-case x2", TEXT_DOCUMENT),
               "hello@0 world@1 snake@2 case@3 kebab@4 case@5 x2@6");
    CHECK_TEXT(tokens_of(&config, "  Ärger\tfür ½ Straße ", TEXT_QUERY), "ärger@0 für@1 ½@2 straße@3");
    CHECK_TEXT(tokens_of(&config, "", TEXT_DOCUMENT), "");
    CHECK_TEXT(tokens_of(&config, " \n?!", TEXT_DOCUMENT), "");
    config.lowercase = 0;
    CHECK_TEXT(tokens_of(&config, "Hello World", TEXT_DOCUMENT), "Hello@0 World@1");
    config.ascii_folding = 1;
    CHECK_TEXT(tokens_of(&config, "Ação", TEXT_DOCUMENT), "Acao@0");
}

TEST(white_space_keeps_signs_in_words)
{
    const oct_text_config config = settings(OCT_TOKENIZER_WHITESPACE);

    CHECK_TEXT(tokens_of(&config, "C++ is,  fun\xE3\x80\x80ok", TEXT_DOCUMENT), "c++@0 is,@1 fun@2 ok@3");
}

TEST(prefixes_of_a_document_meet_the_longest_of_a_query)
{
    oct_text_config config = settings(OCT_TOKENIZER_PREFIX);

    CHECK_TEXT(tokens_of(&config, "Héy yo", TEXT_DOCUMENT), "h@0 hé@0 héy@0 y@1 yo@1");
    CHECK_TEXT(tokens_of(&config, "Héy yo", TEXT_QUERY), "héy@0 yo@1");
    config.min_token_len = 2;
    config.max_token_len = 3;
    CHECK_TEXT(tokens_of(&config, "a hello", TEXT_DOCUMENT), "he@0 hel@0");
    CHECK_TEXT(tokens_of(&config, "a hello", TEXT_QUERY), "hel@0");
}

TEST(scripts_without_spaces_are_pairs_of_letters)
{
    const oct_text_config config = settings(OCT_TOKENIZER_MULTILINGUAL);

    CHECK_TEXT(tokens_of(&config, "Das 東京都 GPU", TEXT_DOCUMENT), "das@0 東@1 東京@1 京@2 京都@2 都@3 gpu@4");
    CHECK_TEXT(tokens_of(&config, "東京 gpu", TEXT_QUERY), "東京@0 gpu@2");
    CHECK_TEXT(tokens_of(&config, "京", TEXT_QUERY), "京@0");
    CHECK_TEXT(tokens_of(&config, "น้ำ", TEXT_DOCUMENT), "น้@0 น้ำ@0 ำ@1"); /* a tone mark stays on its letter */
    CHECK_TEXT(tokens_of(&config, "한국어 문장", TEXT_DOCUMENT), "한국어@0 문장@1"); /* Korean has spaces */
}

TEST(stop_words_stems_and_lengths_follow_each_other)
{
    const oct_slice english[] = {{"en", 2}, {"english", 7}}, own[] = {{"Zebra", 5}, {"", 0}};
    oct_text_config config = settings(OCT_TOKENIZER_WORD);

    config.stopwords = OCT_STOPWORDS_SET;
    config.stop_languages = english;
    config.stop_language_count = countof(english);
    config.stop_words = own;
    config.stop_word_count = countof(own);
    CHECK_TEXT(tokens_of(&config, "The zebras and THE zebra were running", TEXT_DOCUMENT), "zebras@0 running@1");
    config.stemmer = slice_of("english");
    CHECK_TEXT(tokens_of(&config, "The zebras were running", TEXT_DOCUMENT), "zebra@0 run@1");
    config.min_token_len = 4; /* of the stem */
    CHECK_TEXT(tokens_of(&config, "The zebras were running", TEXT_DOCUMENT), "zebra@0");
    config.min_token_len = OCT_UNSET;
    config.max_token_len = 3;
    CHECK_TEXT(tokens_of(&config, "The zebras were running", TEXT_DOCUMENT), "run@0");
    config.stemmer = slice_of("none");
    CHECK_TEXT(tokens_of(&config, "The zebras were running", TEXT_DOCUMENT), "");
    config.lowercase = 0; /* stop words too are then as written */
    config.max_token_len = OCT_UNSET;
    CHECK_TEXT(tokens_of(&config, "The Zebra zebra the", TEXT_DOCUMENT), "The@0 zebra@1");
}

TEST(settings_that_cannot_be_are_told)
{
    const oct_slice klingon = {"klingon", 7};
    oct_text_config config = settings(OCT_TOKENIZER_WORD);

    config.stemmer = klingon;
    CHECK(strstr(tokens_of(&config, "x", TEXT_QUERY), "unknown language of the stemmer: \"klingon\"; there are arabic,") != NULL);
    config = settings(OCT_TOKENIZER_WORD);
    config.stopwords = OCT_STOPWORDS_SET;
    config.stop_languages = &klingon;
    config.stop_language_count = 1;
    CHECK(strstr(tokens_of(&config, "x", TEXT_QUERY), "unknown language of stop words: \"klingon\"") != NULL);
    config = settings(OCT_TOKENIZER_WORD);
    config.min_token_len = 5;
    config.max_token_len = 4;
    CHECK(strstr(tokens_of(&config, "x", TEXT_QUERY), "min_token_len 5 is greater than max_token_len 4") != NULL);
    config.min_token_len = -7;
    CHECK(strstr(tokens_of(&config, "x", TEXT_QUERY), "min_token_len: value -7 invalid") != NULL);
    config = settings((oct_tokenizer)9);
    CHECK(strstr(tokens_of(&config, "x", TEXT_QUERY), "tokenizer 9") != NULL);
}

TEST(every_language_has_its_words)
{
    CHECK_INT(stop_list_count, 30);
    for (size_t i = 0; i < stop_list_count; i++) {
        size_t lines = 0;

        for (const char *at = stop_lists[i].words; *at != '\0'; at++)
            lines += *at == '\n';
        CHECK_INT(lines, stop_lists[i].count);
        CHECK(lines > 30 && utf8_is_valid(slice_of(stop_lists[i].words)));
        CHECK_TEXT(text_stop_words_language(slice_of(stop_lists[i].short_name)), stop_lists[i].language);
    }
    CHECK(text_stemmer_language(slice_of("armenian")) != NULL && text_stemmer_language(slice_of("chinese")) == NULL);
    CHECK(text_stop_words_language(slice_of("chinese")) != NULL && text_stop_words_language(slice_of("none")) == NULL);
}

/* --- hostile texts ------------------------------------------------------------------------------ */

typedef struct inspection {
    size_t    count, length_min, length_max;
    oct_slice wanted;
    uint32_t  last_position;
    bool      found;
} inspection;

static oct_status
inspect(void *context, oct_slice token, uint32_t position, oct_error *error)
{
    inspection *self = context;
    size_t      characters = 0;

    (void)error;
    for (size_t i = 0; i < token.size; i++)
        characters += ((unsigned char)token.data[i] & 0xC0) != 0x80;
    CHECK(token.size > 0 && utf8_is_valid(token));
    CHECK(characters >= self->length_min && characters <= self->length_max);
    CHECK(self->count == 0 || position >= self->last_position);
    self->last_position = position;
    self->count++;
    self->found = self->found || slice_equal(token, self->wanted);
    return OCT_OK;
}

typedef struct search {
    text_run *run;
    oct_slice document;
    size_t    count;
} search;

/* A token of a query: it must be among those of the document, which is the same text. */
static oct_status
look_for(void *context, oct_slice token, uint32_t position, oct_error *error)
{
    search    *self = context;
    inspection seen = {.length_max = SIZE_MAX, .wanted = token};

    (void)position;
    CHECK_OK(text_analyze(self->run, self->document, TEXT_DOCUMENT, NULL, inspect, &seen, error));
    CHECK_MSG(seen.found, "token " SLICE_FMT, SLICE_ARG(token));
    self->count++;
    return OCT_OK;
}

TEST(random_bytes_give_tokens_that_are_text)
{
    static const char *const pieces[] = {"a",   "Z",    "0",    "_",        " ",    "é",        "Σ",    "İ",
                                         "東",  "京",   "น้",    "\xE0\xB8", "\xFF", "\xF0\x9F", "😀",   "\xED\xA0\x80",
                                         "ß",   "ﬃ",    "\n",   "한",       "ั",    "running",  "the",  "\xC0\x80"};
    static const char *const stemmers[] = {"english", "turkish", "arabic", "greek", "tamil", "finnish", "hungarian", "none"};
    const oct_slice          english = {"english", 7};
    test_rng                 rng = test_rng_seed(21);
    oct_error                error;

    for (uint64_t round = 0; round < test_scaled(400); round++) {
        oct_text_config config = settings((oct_tokenizer)(round % 4));
        inspection      seen = {.length_max = SIZE_MAX};
        text_analyzer  *analyzer = NULL;
        text_run       *run = NULL, *inner = NULL;
        buffer          text = {0};
        search          looking;

        if (test_below(&rng, 2) == 0)
            config.ascii_folding = 1;
        config.stemmer = slice_of(stemmers[test_below(&rng, countof(stemmers))]);
        if (test_below(&rng, 2) == 0 && config.tokenizer != OCT_TOKENIZER_PREFIX) { /* whose queries keep them */
            config.stopwords = OCT_STOPWORDS_SET;
            config.stop_languages = &english;
            config.stop_language_count = 1;
        }
        if (test_below(&rng, 3) == 0) {
            config.min_token_len = (int64_t)test_below(&rng, 3);
            config.max_token_len = config.min_token_len + (int64_t)test_below(&rng, 3);
            seen.length_min = (size_t)config.min_token_len;
            seen.length_max = (size_t)config.max_token_len;
        }
        for (uint64_t n = test_below(&rng, 30); n > 0; n--)
            buffer_add_text(&text, pieces[test_below(&rng, countof(pieces))]);
        CHECK_OK(text_analyzer_new(&config, &analyzer, NULL));
        CHECK_OK(text_run_new(analyzer, &run, NULL));
        CHECK_OK(text_run_new(analyzer, &inner, NULL));
        looking = (search){inner, {text.data, text.size}, 0};
        CHECK_OK(text_analyze(run, looking.document, TEXT_DOCUMENT, NULL, inspect, &seen, &error));
        CHECK_OK(text_analyze(run, looking.document, TEXT_QUERY, NULL, look_for, &looking, &error));
        CHECK(looking.count <= seen.count);
        text_run_free(inner);
        text_run_free(run);
        text_analyzer_free(analyzer);
        buffer_clear(&text);
    }
}

/* A word of a megabyte, and a megabyte of words, in every language: no step may take its square. */
TEST(long_texts_take_their_length)
{
    static const char *const words[] = {"a", "Σ", "ं", "ation", "京", "ாக", " ab"};
    const size_t             size = 1u << 20;
    oct_error                error;

    for (size_t w = 0; w < countof(words); w++) {
        buffer text = {0};

        while (text.size < size)
            buffer_add_text(&text, words[w]);
        for (int tokenizer = 0; tokenizer < 4; tokenizer++) {
            oct_text_config config = settings((oct_tokenizer)tokenizer);
            inspection      seen = {.length_max = SIZE_MAX};
            text_analyzer  *analyzer = NULL;
            text_run       *run = NULL;

            config.stemmer = slice_of("english");
            CHECK_OK(text_analyzer_new(&config, &analyzer, NULL));
            CHECK_OK(text_run_new(analyzer, &run, NULL));
            CHECK_OK(text_analyze(run, (oct_slice){text.data, text.size}, TEXT_DOCUMENT, NULL, inspect, &seen, &error));
            text_run_free(run);
            text_analyzer_free(analyzer);
        }
        buffer_clear(&text);
    }
}

TEST(an_analysis_without_memory_says_so)
{
    const oct_slice english = {"english", 7}, own = {"Own", 3};
    oct_text_config config = settings(OCT_TOKENIZER_WORD);
    uint64_t        failed = 0;

    config.ascii_folding = 1;
    config.stopwords = OCT_STOPWORDS_SET;
    config.stop_languages = &english;
    config.stop_language_count = 1;
    config.stop_words = &own;
    config.stop_word_count = 1;
    for (uint64_t after = 0;; after++) {
        text_analyzer *analyzer = NULL;
        text_run      *run = NULL;
        listing        list = {0};
        oct_error      error;
        oct_status     status;

        oct_alloc_fail_after(after, true);
        status = text_analyzer_new(&config, &analyzer, &error);
        if (status == OCT_OK)
            status = text_run_new(analyzer, &run, &error);
        if (status == OCT_OK)
            status = text_analyze(run, slice_of("Ação own"), TEXT_DOCUMENT, NULL, list_token, &list, &error);
        oct_alloc_fail_after(UINT64_MAX, false);
        if (status == OCT_OK)
            CHECK(list.line.size == 6 && memcmp(list.line.data, "acao@0", 6) == 0);
        buffer_clear(&list.line);
        text_run_free(run);
        text_analyzer_free(analyzer);
        if (status == OCT_OK)
            break;
        CHECK_STATUS(status, OCT_NOMEM);
        failed++;
    }
    CHECK(failed >= 4);
}
