/* Goal:   the vector of a text is the one that Qdrant's and fastembed's BM25 give, bit by bit.
 * Method: token ids against mmh3 and vectors against fastembed 0.9.1 (with NLTK's stop words), recorded here; weights of
 *         random texts against the formula written out, seed 31; settings that cannot be; allocations fail in turn.
 *         tests/conformance/test_bm25.py compares with fastembed itself where it is installed. */
#include "text/bm25.h"

#include <stdlib.h>

#include "support/test.h"
#include "text/text.h"

TEST(token_ids_are_those_of_murmur3)
{
    static const struct {
        const char *token;
        uint32_t    id;
    } known[] = {{"", 0},
                 {"a", 1009084850},
                 {"ab", 1681926305},
                 {"abc", 1277324294},
                 {"abcd", 1139631978},
                 {"hello", 613153351},
                 {"straße", 2095602437},
                 {"日本語テキスト", 423053779}};

    for (size_t i = 0; i < countof(known); i++)
        CHECK_MSG(bm25_token_id(slice_of(known[i].token)) == known[i].id, "\"%s\": %u, expected %u", known[i].token,
                  bm25_token_id(slice_of(known[i].token)), known[i].id);
}

TEST(a_text_gets_fastembeds_vector)
{
    static const uint32_t indices[] = {226376294, 741580288, 771291085, 1312749093, 1621867415, 1913189942};
    static const float    values[] = {0x1.a6efdap+0f, 0x1.a6efdap+0f, 0x1.a6efdap+0f,
                                      0x1.e317e4p+0f, 0x1.e317e4p+0f, 0x1.e317e4p+0f};
    const oct_slice text = slice_of("The quick brown fox jumps over the lazy dog; the dog jumped. Foxes don't!");
    oct_sparse     *document, *query;

    CHECK_OK(bm25_encode(NULL, text, false, &document, NULL));
    CHECK_OK(bm25_encode(NULL, text, true, &query, NULL));
    CHECK_INT(document->count, countof(indices));
    CHECK_INT(query->count, countof(indices));
    for (size_t i = 0; i < countof(indices) && i < document->count && i < query->count; i++) {
        CHECK_INT(document->indices[i], indices[i]);
        CHECK_MSG(document->values[i] == values[i], "entry %zu: %a, expected %a", i, (double)document->values[i],
                  (double)values[i]);
        CHECK_INT(query->indices[i], indices[i]);
        CHECK_MSG(query->values[i] == 1.0f, "entry %zu", i);
    }
    oct_free(document);
    oct_free(query);
}

TEST(a_text_without_words_gets_an_empty_vector)
{
    static const char *const texts[] = {"", " \n\t", "the of and", "!?", "\xFF\xFE"};

    for (size_t i = 0; i < countof(texts); i++) {
        oct_sparse *made;

        CHECK_OK(bm25_encode(NULL, slice_of(texts[i]), i % 2 == 0, &made, NULL));
        CHECK_INT(made->count, 0);
        oct_free(made);
    }
}

TEST(a_language_brings_its_stop_words_and_stemmer)
{
    static const struct {
        const char *language, *text;
        size_t      count; /* of distinct tokens */
    } cases[] = {{"german", "Die Häuser und das Haus", 1},        {"none", "The the and houses house", 4},
                 {"chinese", "houses house 的", 2},               {"spanish", "los gatos y el gato", 1},
                 {"russian", "ещё еще дома и домами", 3 /* yo is kept: one is a stop word, one is not */}};

    for (size_t i = 0; i < countof(cases); i++) {
        oct_bm25_config config;
        oct_sparse     *made;

        oct_bm25_config_init(&config);
        config.language = slice_of(cases[i].language);
        CHECK_OK(bm25_encode(&config, slice_of(cases[i].text), false, &made, NULL));
        CHECK_MSG(made->count <= cases[i].count && made->count > 0, "%s: %zu", cases[i].language, made->count);
        oct_free(made);
    }
}

TEST(settings_beyond_their_limits_are_told)
{
    oct_bm25_config config;
    oct_sparse     *made;
    oct_error       error;
    const struct {
        double      k, b, avg_len;
        const char *text;
    } bad[] = {{-1, NAN, NAN, "Invalid BM25 config: k is -1, must be a number not below 0"},
               {INFINITY, NAN, NAN, "Invalid BM25 config: k is inf"},
               {NAN, 1.5, NAN, "Invalid BM25 config: b is 1.5, must be from 0 to 1"},
               {NAN, NAN, 0, "Invalid BM25 config: avg_len is 0, must be a number above 0"}};

    for (size_t i = 0; i < countof(bad); i++) {
        oct_bm25_config_init(&config);
        config.k = bad[i].k;
        config.b = bad[i].b;
        config.avg_len = bad[i].avg_len;
        CHECK_STATUS(bm25_encode(&config, slice_of("x"), false, &made, &error), OCT_INVALID);
        CHECK(made == NULL && strstr(error.text, bad[i].text) == error.text);
    }
    oct_bm25_config_init(&config);
    config.text.stemmer = slice_of("elvish");
    CHECK_STATUS(bm25_encode(&config, slice_of("x"), false, &made, &error), OCT_INVALID);
    CHECK(strstr(error.text, "Invalid BM25 config: unknown language of the stemmer: \"elvish\"") == error.text);
}

/* Words are letters "aa" .. so that none is a stop word or has a stem of its own when both are off. */
TEST(weights_follow_the_formula)
{
    test_rng rng = test_rng_seed(31);

    for (uint64_t round = 0; round < test_scaled(200); round++) {
        const size_t    vocabulary = 1 + (size_t)test_below(&rng, 12), length = (size_t)test_below(&rng, 60);
        size_t          counts[12] = {0}, distinct = 0;
        oct_bm25_config config;
        oct_sparse     *made;
        buffer          text = {0};

        oct_bm25_config_init(&config);
        config.language = slice_of("none");
        config.k = (double)test_below(&rng, 30) / 10;
        config.b = (double)test_below(&rng, 11) / 10;
        config.avg_len = 1 + (double)test_below(&rng, 300);
        for (size_t i = 0; i < length; i++) {
            const size_t word = (size_t)test_below(&rng, vocabulary);

            counts[word]++;
            buffer_format(&text, "%sw%zu", i == 0 ? "" : " ", word);
        }
        CHECK_OK(bm25_encode(&config, (oct_slice){text.data, text.size}, false, &made, NULL));
        for (size_t word = 0; word < vocabulary; word++) {
            const double n = (double)counts[word];
            const double spread = 1 - config.b + config.b * (double)length / config.avg_len;
            const float  weight = (float)(n * (config.k + 1) / (n + config.k * spread));
            char         token[8];
            bool         found = false;

            if (counts[word] == 0)
                continue;
            distinct++;
            (void)snprintf(token, sizeof token, "w%zu", word);
            for (size_t i = 0; i < made->count; i++)
                if (made->indices[i] == bm25_token_id(slice_of(token))) {
                    CHECK_MSG(made->values[i] == weight, "%s: %a, expected %a", token, (double)made->values[i], (double)weight);
                    found = true;
                }
            CHECK_MSG(found, "%s", token);
        }
        CHECK_INT(made->count, distinct);
        for (size_t i = 1; i < made->count; i++)
            CHECK(made->indices[i - 1] < made->indices[i]);
        oct_free(made);
        buffer_clear(&text);
    }
}

TEST(an_encoding_without_memory_says_so)
{
    uint64_t failed = 0;

    for (uint64_t after = 0;; after++) {
        oct_sparse *made;
        oct_error   error;
        oct_status  status;

        oct_alloc_fail_after(after, true);
        status = bm25_encode(NULL, slice_of("some words of a text, naïve ones"), false, &made, &error);
        oct_alloc_fail_after(UINT64_MAX, false);
        if (status == OCT_OK) {
            CHECK_INT(made->count, 4);
            oct_free(made);
            break;
        }
        CHECK_STATUS(status, OCT_NOMEM);
        CHECK(made == NULL);
        failed++;
    }
    CHECK(failed >= 5);
}
