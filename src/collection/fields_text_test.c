/* Goal:   with a text index a condition asks for words as match.h says, without one for parts of strings; whatever is written,
 *         while the index is built, after it is dropped or made otherwise, and after reopening.
 * Method: a random history of upserts and deletes on one collection, of which the test keeps the strings; indexes of random
 *         settings are made and dropped on the way; conditions of each kind, seeds 201 and 202, are counted and compared with
 *         the strings asked one by one. Enough points that the index answers, and few enough that each is asked. */
#include "octant.h"

#include "base/json.h"
#include "support/test.h"
#include "text/match.h"

#define S(text_) ((oct_slice){(text_), sizeof(text_) - 1})
#define POINTS 900u

typedef struct strings {
    char      lines[2][96];
    oct_slice slices[2];
    size_t    count;
    bool      is_live, is_array;
} strings;

typedef struct world {
    oct_database   *database;
    oct_collection *collection;
    strings        *points;
    const char     *folder;
    text_analyzer  *analyzer; /* of the index; NULL: there is none */
    bool            has_phrases;
} world;

static const char *const words[] = {"alpha", "Beta", "gamma", "Runs", "running", "the", "über", "x1", "東京", "alphabet"};

static void
must_be_ok(oct_status status, const oct_error *error)
{
    CHECK_MSG(status == OCT_OK, "%s", error->text);
}

static void
world_open(world *self)
{
    const oct_open_options options = {.path = self->folder, .threads = 2, .sync = OCT_SYNC_NEVER};
    oct_error              error = {0};

    must_be_ok(oct_open(&options, &self->database, &error), &error);
    if (oct_collection_open(self->database, S("c"), &self->collection, &error) != OCT_OK) {
        oct_vector_config     vector;
        oct_collection_config config;

        oct_collection_config_init(&config);
        oct_vector_config_init(&vector);
        vector.size = 1;
        vector.distance = OCT_DOT;
        config.vectors = &vector;
        config.vector_count = 1;
        must_be_ok(oct_collection_create(self->database, S("c"), &config, &error), &error);
        must_be_ok(oct_collection_open(self->database, S("c"), &self->collection, &error), &error);
    }
}

static void
world_close(world *self)
{
    oct_collection_close(self->collection);
    CHECK_OK(oct_close(self->database, NULL));
}

static void
write_point(world *self, test_rng *rng, uint64_t number)
{
    static const float value = 1;
    const oct_vector   vector = {.name = {"", 0}, .values = &value, .value_count = 1};
    oct_point          point = {.id = oct_id_number(number), .vectors = &vector, .vector_count = 1};
    strings           *model = &self->points[number];
    buffer             document = {0};
    oct_error          error = {0};

    if (test_below(rng, 8) == 0) {
        must_be_ok(oct_delete(self->collection, &point.id, 1, NULL, NULL, &error), &error);
        model->is_live = false;
        return;
    }
    *model = (strings){.is_live = true, .is_array = test_below(rng, 3) == 0};
    model->count = model->is_array ? test_below(rng, 3) : test_below(rng, 5) > 0;
    for (size_t i = 0; i < model->count; i++) {
        size_t size = 0;

        for (uint64_t n = test_below(rng, 6); n > 0; n--)
            size += (size_t)snprintf(model->lines[i] + size, sizeof model->lines[i] - size, "%s%s",
                                     words[test_below(rng, countof(words))], test_below(rng, 5) == 0 ? "\t" : " ");
        model->slices[i] = (oct_slice){model->lines[i], size};
    }
    buffer_add_text(&document, "{\"n\":5");
    if (model->is_array || model->count > 0)
        buffer_add_text(&document, ",\"t\":");
    if (model->is_array)
        buffer_add_text(&document, "[7,null");
    for (size_t i = 0; i < model->count; i++) {
        buffer_add_text(&document, model->is_array ? "," : "");
        json_add_text(&document, model->slices[i]);
    }
    buffer_add_text(&document, model->is_array ? "]}" : "}");
    point.payload = (oct_slice){document.data, document.size};
    must_be_ok(oct_upsert(self->collection, &point, 1, NULL, NULL, &error), &error);
    buffer_clear(&document);
}

static void
drop_index(world *self)
{
    oct_error error = {0};

    must_be_ok(oct_field_index_delete(self->collection, S("t"), NULL, NULL, &error), &error);
    text_analyzer_free(self->analyzer);
    self->analyzer = NULL;
}

static void
make_index(world *self, test_rng *rng)
{
    static const oct_slice english = {"english", 7};
    const uint64_t         choice = test_below(rng, 6);
    const bool             wait = test_below(rng, 2) == 0;
    oct_field_index        index;
    oct_text_config        config;
    oct_write_options      options = {.wait = wait};
    oct_error              error = {0};

    drop_index(self);
    oct_field_index_init(&index);
    oct_text_config_init(&config);
    index.field = S("t");
    index.type = OCT_FIELD_TEXT;
    index.has_params = 1;
    index.tokenizer = config.tokenizer = (int64_t)(choice % 4);
    index.phrase_matching = test_below(rng, 3) > 0;
    if (choice >= 3) {
        config.stopwords = OCT_STOPWORDS_LANGUAGE;
        config.stop_languages = &english;
        config.stop_language_count = 1;
        config.stemmer = english;
        index.stopwords = S("\"english\"");
        index.stemmer = S("{\"type\":\"snowball\",\"language\":\"english\"}");
    }
    self->has_phrases = index.phrase_matching == 1;
    must_be_ok(oct_field_index_create(self->collection, &index, &options, NULL, &error), &error);
    CHECK_OK(text_analyzer_new(&config, &self->analyzer, NULL));
}

static bool
has_part(oct_slice text, oct_slice part)
{
    return part.size == 0 || (text.size > 0 && memmem(text.data, text.size, part.data, part.size) != NULL);
}

/* The plain meaning, of one point. */
static bool
passes(const world *self, const strings *point, oct_match_kind kind, const text_match *match, const char *query)
{
    text_matching matching;
    bool          result = false;

    if (self->analyzer != NULL) {
        if (kind == OCT_MATCH_PHRASE && !self->has_phrases)
            return false;
        CHECK_OK(text_matching_begin(match, &matching, NULL));
        for (size_t i = 0; i < point->count; i++)
            CHECK_OK(text_matching_feed(&matching, point->slices[i], NULL));
        result = matching.holds;
        text_matching_end(&matching);
        return result;
    }
    for (size_t i = 0; i < point->count && !result; i++) {
        char        copy[128], *next = copy;
        const char *word;

        (void)snprintf(copy, sizeof copy, "%s", query);
        if (kind != OCT_MATCH_TEXT_ANY)
            result = has_part(point->slices[i], slice_of(query));
        else
            while (!result && (word = strsep(&next, " ")) != NULL)
                result = word[0] != '\0' && has_part(point->slices[i], slice_of(word));
    }
    return result;
}

static uint64_t
ask(world *self, test_rng *rng, uint64_t round)
{
    static const oct_match_kind kinds[] = {OCT_MATCH_TEXT, OCT_MATCH_TEXT_ANY, OCT_MATCH_PHRASE};
    const size_t                k = test_below(rng, 3);
    char                        query[128] = "";
    size_t                      size = 0;
    uint64_t                    want = 0, got = 0;
    arena                       memory = {0};
    text_match                 *match = NULL;
    oct_error                   error = {0};

    for (uint64_t n = 1 + test_below(rng, 3); n > 0; n--)
        size += (size_t)snprintf(query + size, sizeof query - size, "%s%s", size > 0 ? " " : "",
                                 words[test_below(rng, countof(words))]);
    if (self->analyzer != NULL)
        CHECK_OK(text_match_new(self->analyzer, (text_match_kind)k, slice_of(query), &memory, &match, NULL));
    for (uint32_t p = 0; p < POINTS; p++)
        want += self->points[p].is_live && passes(self, &self->points[p], kinds[k], match, query);
    {
        const oct_match           asked = {.kind = kinds[k], .text = slice_of(query)};
        const oct_field_condition field = {.match = &asked};
        const oct_condition       condition = {.kind = OCT_CONDITION_FIELD, .key = S("t"), .field = &field};
        const oct_filter          filter = {.must = &condition, .must_count = 1};
        const oct_filter          opposite = {.must_not = &condition, .must_not_count = 1};
        uint64_t                  rest = 0, all = 0;

        must_be_ok(oct_count_where(self->collection, &filter, &got, &error), &error);
        must_be_ok(oct_count_where(self->collection, &opposite, &rest, &error), &error);
        must_be_ok(oct_count(self->collection, &all, &error), &error);
        CHECK_MSG(got == want, "round %llu, %s index, kind %zu, \"%s\": %llu points, expected %llu", (unsigned long long)round,
                  self->analyzer == NULL ? "no" : "an", k, query, (unsigned long long)got, (unsigned long long)want);
        CHECK_INT(got + rest, all);
    }
    arena_clear(&memory);
    return got;
}

static void
live_a_life(uint64_t seed)
{
    world    self = {.points = oct_calloc(POINTS, sizeof *self.points), .folder = test_folder()};
    test_rng rng = test_rng_seed(seed);
    uint64_t found = 0;

    world_open(&self);
    for (uint64_t round = 0; round < test_scaled(60); round++) {
        for (uint64_t n = round == 0 ? 2000 : test_below(&rng, 60); n > 0; n--)
            write_point(&self, &rng, test_below(&rng, POINTS));
        if (test_below(&rng, 4) == 0)
            make_index(&self, &rng);
        else if (test_below(&rng, 12) == 0)
            drop_index(&self);
        if (test_below(&rng, 10) == 0) {
            world_close(&self);
            world_open(&self);
        }
        for (int i = 0; i < 8; i++)
            found += ask(&self, &rng, round);
    }
    CHECK(found > 1000);
    world_close(&self);
    text_analyzer_free(self.analyzer);
    oct_free(self.points);
}

TEST(words_are_found_through_a_life_of_indexes)
{
    live_a_life(201);
    live_a_life(202);
}

TEST(text_indexes_that_cannot_be_are_refused)
{
    world           self = {.folder = NULL};
    oct_field_index index;
    oct_error       error = {0};

    world_open(&self);
    oct_field_index_init(&index);
    index.field = S("t");
    index.type = OCT_FIELD_TEXT;
    index.min_token_len = 9;
    index.max_token_len = 3;
    CHECK_STATUS(oct_field_index_create(self.collection, &index, NULL, NULL, &error), OCT_RANGE);
    CHECK(strstr(error.text, "min_token_len 9 is greater than max_token_len 3") != NULL);
    index.min_token_len = index.max_token_len = OCT_UNSET;
    index.stopwords = S("{\"languages\":[\"elvish\"]}");
    CHECK_STATUS(oct_field_index_create(self.collection, &index, NULL, NULL, &error), OCT_FORMAT);
    CHECK(strstr(error.text, "elvish") != NULL);
    index.stopwords = S("[");
    CHECK(oct_field_index_create(self.collection, &index, NULL, NULL, &error) != OCT_OK);
    index.stopwords = (oct_slice){NULL, 0};
    index.stemmer = S("{\"type\":\"snowball\",\"language\":\"chinese\"}");
    CHECK_STATUS(oct_field_index_create(self.collection, &index, NULL, NULL, &error), OCT_FORMAT);
    index.stemmer = S("{\"type\":\"none\"}");
    CHECK_STATUS(oct_field_index_create(self.collection, &index, NULL, NULL, &error), OCT_OK);
    world_close(&self);
}
