/* Goal:   an index finds every point that matches; what it calls sure does match; and a put happens whole or not at all.
 * Method: random histories of puts and removals of points with texts of few words, seed 51, with queries of each kind in
 *         between, against each point's texts asked one by one (match.h, which has a model of its own); allocations fail in
 *         turn during a history; one thread puts while others find (for the thread sanitizer). */
#include "text/text_index.h"

#include <pthread.h>

#include "base/epoch.h"
#include "support/test.h"

#define POINTS 200u

typedef struct texts {
    char      lines[2][128];
    oct_slice slices[2];
    size_t    count;
} texts;

static const char *const words[] = {"alpha", "beta", "gamma", "delta", "running", "runs", "the", "Über", "x1", "東京"};

static void
random_texts(test_rng *rng, texts *out)
{
    out->count = test_below(rng, 3);
    for (size_t t = 0; t < out->count; t++) {
        size_t size = 0;

        for (uint64_t n = test_below(rng, 6); n > 0; n--)
            size += (size_t)snprintf(out->lines[t] + size, sizeof out->lines[t] - size, "%s ",
                                     words[test_below(rng, countof(words))]);
        out->slices[t] = (oct_slice){out->lines[t], size};
    }
}

static text_index *
make_index(void)
{
    static const oct_slice english = {"english", 7};
    oct_text_config        config;
    text_index            *index;

    oct_text_config_init(&config);
    config.stopwords = OCT_STOPWORDS_LANGUAGE;
    config.stop_languages = &english;
    config.stop_language_count = 1;
    config.stemmer = english;
    CHECK_OK(text_index_new(&config, &index, NULL));
    return index;
}

static bool
is_matched(const text_match *match, const texts *of)
{
    text_matching matching;
    bool          result;

    CHECK_OK(text_matching_begin(match, &matching, NULL));
    for (size_t t = 0; t < of->count; t++)
        CHECK_OK(text_matching_feed(&matching, of->slices[t], NULL));
    result = matching.holds;
    text_matching_end(&matching);
    return result;
}

/* One random query; counts how many sure points it found. */
static uint64_t
check_query(text_index *index, const texts *model, test_rng *rng)
{
    arena       memory = {0};
    uint64_t    bits[POINTS / 64 + 1] = {0}, unsure[POINTS / 64 + 1] = {0}, sure_count = 0;
    char        query[128] = "";
    size_t      size = 0;
    text_match *match;

    for (uint64_t n = test_below(rng, 4); n > 0; n--)
        size += (size_t)snprintf(query + size, sizeof query - size, "%s ", words[test_below(rng, countof(words))]);
    CHECK_OK(text_match_new(text_index_analyzer(index), (text_match_kind)test_below(rng, 3), (oct_slice){query, size}, &memory,
                            &match, NULL));
    epoch_pin();
    CHECK_OK(text_index_find(index, match, bits, unsure, POINTS, NULL));
    for (uint32_t p = 0; p < POINTS; p++) {
        const bool want = is_matched(match, &model[p]), found = bits[p / 64] >> p % 64 & 1;
        const bool sure = found && !(unsure[p / 64] >> p % 64 & 1);

        CHECK_MSG(!want || found, "point %u matches \"%s\" and was not found", p, query);
        CHECK_MSG(!sure || want, "point %u does not match \"%s\" and was sure", p, query);
        sure_count += sure;
    }
    epoch_unpin();
    arena_clear(&memory);
    return sure_count;
}

TEST(every_point_that_matches_is_found)
{
    test_rng rng = test_rng_seed(51);

    for (uint64_t round = 0; round < test_scaled(20); round++) {
        text_index *index = make_index();
        texts      *model = oct_calloc(POINTS, sizeof *model);
        uint64_t    filled = 0, sure = 0;

        for (int step = 0; step < 600; step++) {
            const uint32_t point = (uint32_t)test_below(&rng, POINTS);

            if (test_below(&rng, 8) == 0) {
                model[point].count = 0;
                CHECK_OK(text_index_remove(index, point, NULL));
            } else {
                random_texts(&rng, &model[point]);
                CHECK_OK(text_index_put(index, point, model[point].slices, model[point].count, NULL));
            }
            if (step % 10 == 0)
                sure += check_query(index, model, &rng);
        }
        for (uint32_t p = 0; p < POINTS; p++)
            filled += model[p].count > 0;
        CHECK_INT(text_index_points(index), filled);
        CHECK_INT(text_index_terms(index), 8); /* "the" is a stop word, "runs" and "running" are one */
        CHECK(sure > 100);
        text_index_free(index);
        oct_free(model);
        epoch_collect();
    }
}

TEST(many_words_and_points_keep_their_places)
{
    text_index *index = make_index();
    const int   count = 20000;

    for (int p = 0; p < count; p++) {
        char      line[64];
        oct_slice text = {line, (size_t)snprintf(line, sizeof line, "own%d tens%d all", p, p / 10)};

        CHECK_OK(text_index_put(index, (uint32_t)(p * 7919 % count), &text, 1, NULL)); /* not in the order of numbers */
    }
    CHECK_INT(text_index_terms(index), count + count / 10 + 1 - 1); /* "all" is a stop word */
    epoch_pin();
    for (int p = 0; p < count; p += 37) {
        arena       memory = {0};
        uint64_t   *bits = oct_calloc((size_t)count / 64 + 1, sizeof *bits), found = 0;
        char        line[64];
        text_match *match;

        (void)snprintf(line, sizeof line, "own%d tens%d", p, p / 10);
        CHECK_OK(text_match_new(text_index_analyzer(index), TEXT_MATCH_ALL, slice_of(line), &memory, &match, NULL));
        CHECK_INT(text_index_estimate(index, match), 1);
        CHECK_OK(text_index_find(index, match, bits, NULL, (uint32_t)count, NULL));
        for (int w = 0; w <= count / 64; w++)
            found += (uint64_t)__builtin_popcountll(bits[w]);
        CHECK_INT(found, 1);
        CHECK(bits[p * 7919 % count / 64] >> p * 7919 % count % 64 & 1);
        oct_free(bits);
        arena_clear(&memory);
    }
    epoch_unpin();
    /* A rare word costs a term, a list and two slots; a frequent one a byte or two a point. */
    CHECK_MSG(text_index_bytes(index) < (uint64_t)count * 200, "%llu bytes", (unsigned long long)text_index_bytes(index));
    text_index_free(index);
    epoch_collect();
}

TEST(a_put_without_memory_leaves_the_index_as_it_was)
{
    uint64_t failed = 0;

    for (uint64_t after = 0;; after++) {
        text_index *index = make_index();
        test_rng    rng = test_rng_seed(52);
        texts       model[POINTS] = {0};
        texts       next;
        oct_status  status = OCT_OK;

        for (uint32_t p = 0; p < 20; p++) {
            random_texts(&rng, &model[p]);
            CHECK_OK(text_index_put(index, p, model[p].slices, model[p].count, NULL));
        }
        next = (texts){.lines = {"quite new words, so many that the dictionary grows, b c d e f g h j k l m n o p q r u v w x y z"},
                       .count = 1};
        next.slices[0] = slice_of(next.lines[0]);
        oct_alloc_fail_after(after, false);
        status = text_index_put(index, 3, next.slices, 1, NULL);
        oct_alloc_fail_after(UINT64_MAX, false);
        if (status == OCT_OK)
            model[3] = next;
        for (uint32_t p = 0; p < POINTS; p++)
            for (size_t t = 0; t < model[p].count; t++)
                model[p].slices[t].data = model[p].lines[t];
        for (int i = 0; i < 30; i++)
            (void)check_query(index, model, &rng);
        text_index_free(index);
        if (status == OCT_OK)
            break;
        CHECK_STATUS(status, OCT_NOMEM);
        failed++;
    }
    CHECK(failed > 20);
    epoch_collect();
}

/* --- threads ------------------------------------------------------------------------------------------- */

typedef struct race {
    text_index *index;
    atomic_bool stop;
} race;

/* Points are put in order, each with "every" and its own words: what is found of "every" must be a run from 0. */
static void *
find_all_along(void *context)
{
    race    *self = context;
    uint64_t before = 0;

    while (!atomic_load(&self->stop)) {
        arena       memory = {0};
        uint64_t    bits[64] = {0}, found = 0;
        text_match *match;

        CHECK_OK(text_match_new(text_index_analyzer(self->index), TEXT_MATCH_ALL, slice_of("every beginning"), &memory, &match, NULL));
        epoch_pin();
        CHECK_OK(text_index_find(self->index, match, bits, NULL, 64 * 64, NULL));
        epoch_unpin();
        while (found < 64 * 64 && (bits[found / 64] >> found % 64 & 1))
            found++;
        CHECK(found >= before);
        before = found;
        arena_clear(&memory);
    }
    return NULL;
}

TEST(readers_see_what_was_put_before_they_asked)
{
    race      one = {make_index(), false};
    pthread_t readers[2];

    for (size_t i = 0; i < countof(readers); i++)
        CHECK(pthread_create(&readers[i], NULL, find_all_along, &one) == 0);
    for (uint32_t p = 0; p < 64 * 64; p++) {
        char      line[64];
        oct_slice text = {line, (size_t)snprintf(line, sizeof line, "Every beginning has own%u words%u", p, p / 3)};

        CHECK_OK(text_index_put(one.index, p, &text, 1, NULL));
    }
    atomic_store(&one.stop, true);
    for (size_t i = 0; i < countof(readers); i++)
        (void)pthread_join(readers[i], NULL);
    text_index_free(one.index);
    epoch_collect();
}
