/* Goal:   a phrase is answered by the index alone, as asking each document would answer it; only longer phrases than
 *         FIELD_PHRASE_MAX are left to documents.
 * Method: points with one to three strings of few different words, so that they repeat, changed in runs that are merged on the
 *         way, seed 77; phrases cut out of them and made at random; each tokenizer, with and without stop words. The plain meaning
 *         is text_matching over the strings. */
#include "field/field.h"
#include "support/test.h"
#include "text/match.h"

#define S(text_)    ((oct_slice){(text_), sizeof(text_) - 1})
#define POINTS      300u
#define STRINGS_MAX 3u
#define WORDS_MAX   90u
#define LINE_BYTES  1200u

static const char *const words[] = {"red", "green", "blue", "the", "of", "Redder", "東京都", "x"};

typedef struct document {
    char   lines[STRINGS_MAX][LINE_BYTES];
    size_t count; /* 0: dead */
    char   json[STRINGS_MAX * LINE_BYTES + 64];
} document;

typedef struct world {
    document      *points;
    text_analyzer *analyzer;
    field_index   *index;
    field_view    *view;
    uint64_t       version;
} world;

static size_t
add_words(test_rng *rng, size_t count, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i == 0 ? "" : " ", words[test_below(rng, countof(words))]);
    return used;
}

static void
write_document(test_rng *rng, document *out)
{
    size_t used = (size_t)snprintf(out->json, sizeof out->json, "{\"t\":[");

    out->count = test_below(rng, STRINGS_MAX + 1);
    for (size_t i = 0; i < out->count; i++) {
        (void)add_words(rng, test_below(rng, test_below(rng, 4) == 0 ? WORDS_MAX : 9), out->lines[i], LINE_BYTES);
        used += (size_t)snprintf(out->json + used, sizeof out->json - used, "%s\"%s\"", i == 0 ? "" : ",", out->lines[i]);
    }
    (void)snprintf(out->json + used, sizeof out->json - used, "]}");
}

static oct_status
read_document(const void *context, uint32_t point, oct_slice *out, oct_error *error)
{
    const document *points = context;

    (void)error;
    *out = points[point].count == 0 ? (oct_slice){NULL, 0} : slice_of(points[point].json);
    return OCT_OK;
}

/* Change some points and bring the view up to date. */
static void
change(world *self, test_rng *rng, bool all)
{
    uint32_t     list[POINTS], count = 0;
    field_view  *fresh = NULL;
    field_change what = {.version = ++self->version, .point_count = POINTS, .document = read_document, .context = self->points};

    what.merge_max = test_below(rng, 2) == 0 ? UINT64_MAX : 0;
    for (uint32_t i = 0; i < POINTS; i++)
        if (all || test_below(rng, 20) == 0) {
            write_document(rng, &self->points[i]);
            list[count++] = i;
        }
    what.count = count;
    what.points = all ? NULL : list;
    CHECK_OK(field_view_extend(self->index, self->view, &what, &fresh, NULL));
    field_view_release(self->view);
    self->view = fresh;
}

static bool
plainly_passes(const document *point, const text_match *match)
{
    text_matching matching;
    bool          result;

    CHECK_OK(text_matching_begin(match, &matching, NULL));
    for (size_t i = 0; i < point->count; i++)
        CHECK_OK(text_matching_feed(&matching, slice_of(point->lines[i]), NULL));
    result = matching.holds;
    text_matching_end(&matching);
    return result;
}

/* Some words of a point, or any. */
static void
make_phrase(const world *self, test_rng *rng, char *out)
{
    const document *from = &self->points[test_below(rng, POINTS)];
    const char     *start, *end;

    if (from->count == 0 || test_below(rng, 3) == 0) {
        (void)add_words(rng, 1 + test_below(rng, 4), out, LINE_BYTES);
        return;
    }
    start = from->lines[test_below(rng, from->count)];
    for (uint64_t skip = test_below(rng, 6); skip > 0 && strchr(start, ' ') != NULL; skip--)
        start = strchr(start, ' ') + 1;
    end = start;
    for (uint64_t n = test_below(rng, 8) == 0 ? WORDS_MAX : 1 + test_below(rng, 5); n > 0 && *end != '\0'; n--)
        end += strcspn(end, " ") + (strchr(end, ' ') != NULL);
    (void)snprintf(out, LINE_BYTES, "%.*s", (int)(end - start), start);
}

static void
ask(const world *self, const char *phrase, size_t *found, size_t *left_open)
{
    uint64_t    lower[POINTS / 64 + 1] = {0}, upper[POINTS / 64 + 1] = {0};
    arena       memory = {0};
    text_match *match = NULL;
    field_test  test = {.kind = TEST_TOKENS};

    CHECK_OK(text_match_new(self->analyzer, TEXT_MATCH_PHRASE, slice_of(phrase), &memory, &match, NULL));
    test.as.words = match;
    CHECK(field_view_test(self->view, &test, lower, upper));
    for (uint32_t i = 0; i < POINTS; i++) {
        const bool want = plainly_passes(&self->points[i], match);
        const bool surely = (lower[i / 64] >> i % 64 & 1) != 0, maybe = (upper[i / 64] >> i % 64 & 1) != 0;

        *found += want;
        *left_open += maybe && !surely;
        CHECK_MSG((!surely || want) && (!want || maybe), "point %u, \"%s\": %d, by the index %d..%d", i, phrase, want, surely,
                  maybe);
        CHECK_MSG(match->length > 64 || surely == maybe, "point %u, \"%s\" is left to the document", i, phrase);
    }
    arena_clear(&memory);
}

static void
try_settings(int64_t tokenizer, bool stops, test_rng *rng)
{
    static const oct_slice english = {"english", 7};
    world                  self = {.points = oct_calloc(POINTS, sizeof *self.points)};
    oct_text_config        config;
    oct_field_index        index;
    size_t                 found = 0, left_open = 0;
    char                   phrase[LINE_BYTES];

    oct_text_config_init(&config);
    oct_field_index_init(&index);
    config.tokenizer = tokenizer;
    if (stops) {
        config.stopwords = OCT_STOPWORDS_LANGUAGE;
        config.stop_languages = &english;
        config.stop_language_count = 1;
    }
    index.field = S("t");
    index.type = OCT_FIELD_TEXT;
    index.phrase_matching = 1;
    CHECK_OK(text_analyzer_new(&config, &self.analyzer, NULL));
    CHECK_OK(field_index_new(&index, self.analyzer, &self.index, NULL));
    change(&self, rng, true);
    for (int round = 0; round < 12; round++) {
        change(&self, rng, false);
        for (int i = 0; i < 10; i++) {
            make_phrase(&self, rng, phrase);
            ask(&self, phrase, &found, &left_open);
        }
    }
    CHECK_MSG(found > 200, "%zu found", found);
    field_view_release(self.view);
    field_index_release(self.index);
    text_analyzer_free(self.analyzer);
    oct_free(self.points);
}

TEST(phrases_are_answered_without_documents)
{
    test_rng rng = test_rng_seed(77);

    for (int64_t tokenizer = 0; tokenizer < 4; tokenizer++)
        try_settings(tokenizer, tokenizer % 2 == 1, &rng);
}

/* Of 64 words the index answers, of 65 the document; and what one string ends with is not continued in the next. */
TEST(phrases_end_with_their_string_and_may_be_long)
{
    world    self = {.points = oct_calloc(POINTS, sizeof *self.points)};
    test_rng rng = test_rng_seed(78);

    for (size_t length = 63; length <= 65; length++) {
        oct_text_config config;
        oct_field_index index;
        size_t          found = 0, left_open = 0, used = 0;
        char            phrase[LINE_BYTES];

        oct_text_config_init(&config);
        oct_field_index_init(&index);
        index.field = S("t");
        index.type = OCT_FIELD_TEXT;
        index.phrase_matching = 1;
        CHECK_OK(text_analyzer_new(&config, &self.analyzer, NULL));
        CHECK_OK(field_index_new(&index, self.analyzer, &self.index, NULL));
        for (size_t i = 0; i < length; i++)
            used += (size_t)snprintf(phrase + used, sizeof phrase - used, "w%zu ", i % 7);
        self.view = NULL;
        change(&self, &rng, true);
        self.points[3].count = 1; /* all of it */
        (void)snprintf(self.points[3].lines[0], LINE_BYTES, "a %.1000s b", phrase);
        self.points[4].count = 2; /* in two strings */
        (void)snprintf(self.points[4].lines[0], LINE_BYTES, "%.60s", phrase);
        (void)snprintf(self.points[4].lines[1], LINE_BYTES, "%.300s", phrase + 60);
        for (uint32_t p = 3; p < 5; p++) {
            document    *point = &self.points[p];
            char         json[2 * LINE_BYTES + 64];
            field_view  *fresh = NULL;
            field_change what = {.version = ++self.version, .point_count = POINTS, .points = &p, .count = 1,
                                 .document = read_document, .context = self.points};

            (void)snprintf(json, sizeof json, "{\"t\":[\"%s\",\"%s\"]}", point->lines[0],
                           point->count > 1 ? point->lines[1] : "");
            memcpy(point->json, json, sizeof json);
            CHECK_OK(field_view_extend(self.index, self.view, &what, &fresh, NULL));
            field_view_release(self.view);
            self.view = fresh;
        }
        ask(&self, phrase, &found, &left_open);
        CHECK_INT(found, 1);
        CHECK_INT(left_open, length > 64 ? 2 : 0);
        field_view_release(self.view);
        field_index_release(self.index);
        text_analyzer_free(self.analyzer);
    }
    oct_free(self.points);
}
