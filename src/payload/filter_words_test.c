/* Goal:   text conditions ask for tokens where the field has a text index, and for parts of strings elsewhere.
 * Method: documents and conditions with a field "t" and a field "l[].t" that have an index with phrases, "n" one without, "s"
 *         none; spellings with escapes against what they stand for; keys; every allocation of a compilation fails. */
#include "payload/filter.h"

#include "payload/document.h"
#include "payload/value.h"
#include "support/test.h"

typedef struct schema {
    text_analyzer *analyzer;
    uint64_t       identity;
} schema;

static bool
path_is(const path *where, const char *text)
{
    arena memory = {0};
    path  other;
    bool  same;

    CHECK_OK(path_parse(slice_of(text), &memory, &other, NULL));
    same = where->count == other.count;
    for (size_t i = 0; same && i < other.count; i++)
        same = path_step_compare(&where->steps[i], &other.steps[i]) == 0;
    arena_clear(&memory);
    return same;
}

static filter_text_field
text_of(const void *context, const path *where)
{
    const schema *self = context;
    const bool    with_phrases = path_is(where, "t") || path_is(where, "l[].t");

    if (!with_phrases && !path_is(where, "n"))
        return (filter_text_field){0};
    return (filter_text_field){self->analyzer, with_phrases, self->identity};
}

/* Allocates nothing. */
static filter_text_field
text_of_any(const void *context, const path *where)
{
    (void)where;
    return (filter_text_field){((const schema *)context)->analyzer, true, 1};
}

static uint32_t
number_of(const void *context, oct_slice name)
{
    (void)context;
    (void)name;
    return FILTER_NO_VECTOR;
}

static oct_status
give_document(const void *context, oct_slice *out, oct_error *error)
{
    (void)error;
    *out = *(const oct_slice *)context;
    return OCT_OK;
}

static text_analyzer *
make_analyzer(void)
{
    static const oct_slice english = {"english", 7};
    oct_text_config        config;
    text_analyzer         *analyzer;

    oct_text_config_init(&config);
    config.stemmer = english;
    config.stopwords = OCT_STOPWORDS_LANGUAGE;
    config.stop_languages = &english;
    config.stop_language_count = 1;
    CHECK_OK(text_analyzer_new(&config, &analyzer, NULL));
    return analyzer;
}

static bool
ask(schema *self, const oct_condition *condition, const char *document)
{
    const oct_filter given = {.must = condition, .must_count = 1};
    const oct_id     id = {0, 1, 0, 0};
    arena            memory = {0};
    buffer           compact = {0};
    oct_slice        text;
    filter_point     point = {&id, give_document, NULL, &text};
    const filter    *wanted;
    bool             answer = false;

    CHECK_OK(document_check(slice_of(document), &compact, NULL));
    text = (oct_slice){compact.data, compact.size};
    CHECK_OK(filter_compile_indexed(&given, number_of, text_of, self, &memory, &wanted, NULL));
    CHECK_OK(filter_matches(wanted, &point, &answer, NULL));
    buffer_clear(&compact);
    arena_clear(&memory);
    return answer;
}

typedef struct expectation {
    const char    *key;
    oct_match_kind kind;
    const char    *text, *document;
    bool           wanted;
} expectation;

static oct_condition
condition_of(const expectation *from, oct_match *match, oct_field_condition *field)
{
    *match = (oct_match){.kind = from->kind, .text = slice_of(from->text)};
    *field = (oct_field_condition){.match = match};
    return (oct_condition){.kind = OCT_CONDITION_FIELD, .key = slice_of(from->key), .field = field};
}

TEST(indexed_fields_are_asked_for_words)
{
    static const expectation table[] = {
        {"t", OCT_MATCH_TEXT, "FOX quick", "{\"t\":\"The quick foxes\"}", true},
        {"t", OCT_MATCH_TEXT, "quic", "{\"t\":\"The quick foxes\"}", false},
        {"s", OCT_MATCH_TEXT, "quic", "{\"s\":\"The quick foxes\"}", true},
        {"t", OCT_MATCH_SUBSTRING, "quic", "{\"t\":\"The quick foxes\"}", true},
        {"t", OCT_MATCH_PREFIX, "The q", "{\"t\":\"The quick foxes\"}", true},
        {"t", OCT_MATCH_TEXT_ANY, "dog fox", "{\"t\":\"The quick foxes\"}", true},
        {"t", OCT_MATCH_TEXT_ANY, "dog cat", "{\"t\":\"The quick foxes\"}", false},
        {"t", OCT_MATCH_PHRASE, "quick fox", "{\"t\":\"The quick foxes\"}", true},
        {"t", OCT_MATCH_PHRASE, "fox quick", "{\"t\":\"The quick foxes\"}", false},
        {"n", OCT_MATCH_PHRASE, "quick fox", "{\"n\":\"The quick foxes\"}", false},
        {"n", OCT_MATCH_TEXT, "quick fox", "{\"n\":\"The quick foxes\"}", true},
        {"t", OCT_MATCH_TEXT, "", "{\"t\":\"The quick foxes\"}", false},
        {"t", OCT_MATCH_TEXT, "the", "{\"t\":\"The quick foxes\"}", false},
        {"t", OCT_MATCH_TEXT, "fox", "{\"t\":[1,\"a\",\"foxes\",null]}", true},
        {"t", OCT_MATCH_TEXT, "fox dog", "{\"t\":[\"foxes\",\"dogs\"]}", true}, /* all strings of a point together */
        {"t", OCT_MATCH_PHRASE, "fox dog", "{\"t\":[\"foxes\",\"dogs\"]}", false},
        {"t", OCT_MATCH_TEXT, "fox", "{\"t\":[[\"foxes\"]]}", false}, /* one level */
        {"t", OCT_MATCH_TEXT, "5", "{\"t\":5}", false},
        {"t", OCT_MATCH_TEXT, "fox", "{\"u\":\"fox\"}", false},
        {"t", OCT_MATCH_TEXT, "tab quote", "{\"t\":\"a\\ttab\\\"quote\"}", true},
        {"t", OCT_MATCH_TEXT, "ttab", "{\"t\":\"a\\ttab\\\"quote\"}", false},
        {"l[].t", OCT_MATCH_TEXT, "fox dog", "{\"l\":[{\"t\":\"fox\"},{\"t\":\"dogs\"}]}", true},
    };
    schema self = {make_analyzer(), 1};

    for (size_t i = 0; i < countof(table); i++) {
        oct_match           match;
        oct_field_condition field;
        const oct_condition condition = condition_of(&table[i], &match, &field);

        CHECK_MSG(ask(&self, &condition, table[i].document) == table[i].wanted, "case %zu: %s", i, table[i].text);
    }
    text_analyzer_free(self.analyzer);
}

TEST(a_nested_filter_asks_each_object_for_words)
{
    static const expectation inner = {"t", OCT_MATCH_TEXT, "fox dog", NULL, false};
    schema                   self = {make_analyzer(), 1};
    oct_match                match;
    oct_field_condition      field;
    const oct_condition      one = condition_of(&inner, &match, &field);
    const oct_filter         filter_ = {.must = &one, .must_count = 1};
    const oct_condition      nested = {.kind = OCT_CONDITION_NESTED, .key = {"l", 1}, .filter = &filter_};
    const oct_condition      other = {.kind = OCT_CONDITION_NESTED, .key = {"m[]", 3}, .filter = &filter_};

    CHECK(!ask(&self, &nested, "{\"l\":[{\"t\":\"fox\"},{\"t\":\"dogs\"}]}"));
    CHECK(ask(&self, &nested, "{\"l\":[{\"t\":\"cat\"},{\"t\":\"Dogs, foxes\"}]}"));
    CHECK(!ask(&self, &other, "{\"m\":[{\"t\":\"Dogs, foxes\"}]}")); /* m[].t has no index */
    CHECK(ask(&self, &other, "{\"m\":[{\"t\":\"a fox dog\"}]}"));
    text_analyzer_free(self.analyzer);
}

TEST(keys_tell_indexes_apart)
{
    static const expectation from = {"t", OCT_MATCH_TEXT, "fox", NULL, false};
    oct_match                match;
    oct_field_condition      field;
    const oct_condition      condition = condition_of(&from, &match, &field);
    const oct_filter         given = {.must = &condition, .must_count = 1};
    schema                   self = {make_analyzer(), 0};
    arena                    memory = {0};
    const filter            *made[3];

    CHECK_OK(filter_compile(&given, number_of, NULL, &memory, &made[0], NULL));
    for (uint64_t i = 1; i <= 2; i++) {
        self.identity = i;
        CHECK_OK(filter_compile_indexed(&given, number_of, text_of, &self, &memory, &made[i], NULL));
    }
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < i; k++)
            CHECK(!slice_equal(filter_key(made[i]), filter_key(made[k])));
    arena_clear(&memory);
    text_analyzer_free(self.analyzer);
}

TEST(spellings_stand_for_their_text)
{
    static const char texts[][8] = {"", "a", "\"\\", "\b\t\n\f\r", "\x01\x1F", "é\"é", "\\u0041"};
    buffer            back = {0};

    for (size_t i = 0; i < countof(texts); i++) {
        const oct_slice text = slice_of(texts[i]);
        arena           memory = {0};
        oct_slice       spelled, again;

        CHECK(spell_text(text, &memory, &spelled));
        CHECK(unspell(spelled, &back, &again));
        CHECK_MSG(slice_equal(text, again), "text %zu", i);
        arena_clear(&memory);
    }
    buffer_clear(&back);
}

TEST(compiling_words_without_memory_says_so)
{
    static const expectation from = {"t", OCT_MATCH_PHRASE, "quick foxes", NULL, false};
    oct_match                match;
    oct_field_condition      field;
    const oct_condition      condition = condition_of(&from, &match, &field);
    const oct_filter         given = {.must = &condition, .must_count = 1};
    uint64_t                 failed = 0;

    for (uint64_t after = 0;; after++) {
        schema        self = {make_analyzer(), 1};
        arena         memory = {0};
        const filter *made;
        oct_status    status;

        oct_alloc_fail_after(after, true);
        status = filter_compile_indexed(&given, number_of, text_of_any, &self, &memory, &made, NULL);
        oct_alloc_fail_after(UINT64_MAX, false);
        arena_clear(&memory);
        text_analyzer_free(self.analyzer);
        if (status == OCT_OK)
            break;
        CHECK_STATUS(status, OCT_NOMEM);
        failed++;
    }
    CHECK(failed >= 3);
}
