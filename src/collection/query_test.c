/* Goal:   queries of many levels are what their parts say, through octant.h.
 * Method: collections of random vectors (seeds in each test) against models that look at every point; requests that
 *         must be refused; every allocation failing in turn; queries beside writers, for TSan. */
#include <pthread.h>
#include <stdlib.h>

#include "collection/scorer.h"
#include "kernel/kernel.h"
#include "support/test.h"

#define S(text_) ((oct_slice){(text_), sizeof(text_) - 1})
#define DIM      64u /* large enough that a scan of 40,000 is split (exact.c) */

/* --- a collection: vectors "" (of a distance) and "other" (Euclid), payload {"n": i % 7, "t": ...} ------------- */

typedef struct world {
    oct_database   *database;
    oct_collection *collection;
    oct_distance    distance;
    size_t          count;
    float          *vectors; /* as stored, count x DIM; point i has id 10 * (count - i) */
} world;

static oct_id
id_of(const world *self, size_t point)
{
    return oct_id_number(10 * (self->count - point));
}

static size_t
point_of(const world *self, oct_id id)
{
    return self->count - (size_t)(id.low / 10);
}

static void
world_open(world *self, oct_distance distance, size_t count, uint32_t threads, uint64_t seed)
{
    const oct_open_options options = {.threads = threads};
    oct_vector_config      vectors[2];
    oct_collection_config  config;
    oct_point             *points = oct_calloc(count, sizeof *points);
    oct_vector            *of_points = oct_calloc(2 * count, sizeof *of_points);
    char(*payloads)[64] = oct_calloc(count, sizeof *payloads);
    test_rng rng = test_rng_seed(seed);

    *self = (world){.distance = distance, .count = count, .vectors = oct_calloc(count, DIM * sizeof(float))};
    CHECK_OK(oct_open(&options, &self->database, NULL));
    oct_collection_config_init(&config);
    for (size_t v = 0; v < 2; v++) {
        oct_vector_config_init(&vectors[v]);
        vectors[v].name = v == 0 ? S("") : S("other");
        vectors[v].size = v == 0 ? DIM : 1;
        vectors[v].distance = v == 0 ? distance : OCT_EUCLID;
    }
    config.vectors = vectors;
    config.vector_count = 2;
    config.optimizer.indexing_threshold = 0; /* no graph: it has tests of its own */
    CHECK_OK(oct_collection_create(self->database, S("c"), &config, NULL));
    CHECK_OK(oct_collection_open(self->database, S("c"), &self->collection, NULL));
    for (size_t i = 0; i < count; i++) {
        float *vector = self->vectors + i * DIM;

        test_fill(&rng, vector, DIM);
        if (i % 50 == 49) /* some points tie with the one before */
            memcpy(vector, vector - DIM, DIM * sizeof *vector);
        of_points[2 * i] = (oct_vector){S(""), OCT_DENSE, vector, DIM, NULL, 0};
        of_points[2 * i + 1] = (oct_vector){S("other"), OCT_DENSE, vector, 1, NULL, 0};
        (void)snprintf(payloads[i], sizeof payloads[i], "{\"n\":%zu,\"l\":[\"a%zu\",%zu],\"w\":%zu.5}", i % 7,
                       i % 5, i % 3, i % 11);
        points[i] = (oct_point){id_of(self, i), &of_points[2 * i], i % 4 == 3 ? 1 : 2, slice_of(payloads[i])};
    }
    CHECK_OK(oct_upsert(self->collection, points, count, NULL, NULL, NULL));
    for (size_t i = 0; i < count && distance == OCT_COSINE; i++)
        kernel_normalize(self->vectors + i * DIM, self->vectors + i * DIM, DIM);
    oct_free(points);
    oct_free(of_points);
    oct_free(payloads);
}

static void
world_close(world *self)
{
    oct_collection_close(self->collection);
    CHECK_OK(oct_close(self->database, NULL));
    oct_free(self->vectors);
}

static oct_example
by_vector(const float *values)
{
    return (oct_example){.vector = {S(""), OCT_DENSE, values, DIM, NULL, 0}};
}

static oct_example
by_point(const world *self, size_t point)
{
    return (oct_example){.is_point = true, .point = id_of(self, point)};
}

static oct_query
nearest_to(oct_example target, size_t limit)
{
    return (oct_query){
        .kind = OCT_QUERY_NEAREST, .as.nearest.target = target, .using_vector = S(""), .limit = limit};
}

static oct_records *
ask(const world *self, const oct_query *query, size_t offset)
{
    const oct_query_request request = {.query = *query, .offset = offset};
    oct_records            *records = NULL;
    oct_error               error = {0};

    CHECK_MSG(oct_query_points(self->collection, &request, &records, &error) == OCT_OK, "%s", error.text);
    return records;
}

static void
refuse(const world *self, const oct_query *query, oct_status want, const char *text)
{
    const oct_query_request request = {.query = *query};
    oct_records            *records = NULL;
    oct_error               error = {0};

    CHECK_STATUS(oct_query_points(self->collection, &request, &records, &error), want);
    CHECK_MSG(strstr(error.text, text) != NULL, "\"%s\", not \"%s\"", error.text, text);
    CHECK(records == NULL);
}

/* --- scans --------------------------------------------------------------------------------------------------------- */

typedef struct ranked {
    float  score;
    oct_id id;
} ranked;

static int
compare_ranked(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->id.low > y->id.low) - (x->id.low < y->id.low);
}

/* What a scorer gives every point but those left out, best first. */
static ranked *
model_scores(const world *self, const scorer *by, const size_t *without, size_t without_count, size_t *count)
{
    ranked *all = oct_calloc(self->count + 1, sizeof *all);

    *count = 0;
    for (size_t i = 0; i < self->count; i++) {
        const float *vector = self->vectors + i * DIM;
        bool         left_out = false;

        for (size_t w = 0; w < without_count; w++)
            left_out = left_out || without[w] == i;
        if (left_out)
            continue;
        scorer_run(by, (const void *const *)&vector, 1, &all[*count].score);
        all[*count].score += 0.0f;
        all[(*count)++].id = id_of(self, i);
    }
    qsort(all, *count, sizeof *all, compare_ranked);
    return all;
}

static void
check_ranked(const oct_records *got, const ranked *want, size_t count, const char *what)
{
    CHECK_MSG(got->count == count, "%s: %zu hits, not %zu", what, got->count, count);
    for (size_t i = 0; i < count && i < got->count; i++) {
        if (got->items[i].id.low != want[i].id.low || got->items[i].score != want[i].score) {
            test_failed(__FILE__, __LINE__, "%s: place %zu is %llu with %.9g, not %llu with %.9g", what, i,
                        (unsigned long long)got->items[i].id.low, (double)got->items[i].score,
                        (unsigned long long)want[i].id.low, (double)want[i].score);
            return;
        }
    }
}

/* Goal:   queries of examples find what a look at every point finds, to the last bit, ties by id, however many
 *         threads share the scan; ids of the query are left out; a threshold cuts by the metric's direction.
 * Method: 40,000 points, 4 threads, seed 41; examples by id and by vector. */
TEST(scans_shared_by_workers_find_what_a_model_finds)
{
    enum { COUNT = 40000, LIMIT = 300 };
    static const oct_distance distances[] = {OCT_COSINE, OCT_EUCLID};
    static const size_t       used[] = {17, 49, 20000};

    for (size_t d = 0; d < countof(distances); d++) {
        world            w;
        float            target[DIM], examples[4 * DIM];
        test_rng         rng = test_rng_seed(42);
        oct_example      positive[2], negative[2];
        oct_context_pair pairs[1];
        oct_query        query = {.using_vector = S(""), .limit = LIMIT};
        scorer           by = {.distance = distances[d], .dim = DIM, .examples = examples};
        oct_records     *got;
        ranked          *want;
        size_t           count;

        world_open(&w, distances[d], COUNT, 4, 41);
        test_fill(&rng, target, DIM);
        positive[0] = by_vector(target);
        positive[1] = by_point(&w, used[0]);
        negative[0] = by_point(&w, used[1]);
        negative[1] = by_point(&w, used[2]);
        pairs[0] = (oct_context_pair){positive[1], negative[0]};
        memcpy(examples, target, sizeof target);
        if (distances[d] == OCT_COSINE)
            kernel_normalize(examples, examples, DIM);
        for (size_t e = 0; e < 3; e++)
            memcpy(examples + (e + 1) * DIM, w.vectors + used[e] * DIM, sizeof target);

        query.kind = OCT_QUERY_RECOMMEND;
        query.as.recommend = (oct_recommend){positive, 2, negative, 2, OCT_BEST_SCORE};
        by.kind = SCORER_BEST;
        by.example_count = 4;
        by.positive_count = 2;
        got = ask(&w, &query, 0);
        want = model_scores(&w, &by, used, 3, &count);
        check_ranked(got, want, LIMIT, "best_score");
        oct_records_free(got);

        query.has_score_threshold = true;
        query.score_threshold = want[100].score;
        got = ask(&w, &query, 0);
        if (distances[d] == OCT_COSINE) {
            CHECK(got->count > 0 && got->count <= 100);
            CHECK(got->items[got->count - 1].score > want[100].score);
        } else {
            CHECK_INT(got->count, 0); /* `smaller is better` of scores that grow: the first is not */
        }
        oct_records_free(got);
        oct_free(want);
        query.has_score_threshold = false;

        query.as.recommend.strategy = OCT_SUM_SCORES;
        by.kind = SCORER_SUM;
        got = ask(&w, &query, 0);
        want = model_scores(&w, &by, used, 3, &count);
        check_ranked(got, want, LIMIT, "sum_scores");
        oct_records_free(got);
        oct_free(want);

        query.kind = OCT_QUERY_DISCOVER;
        query.as.discover = (oct_discover){positive[0], pairs, 1};
        by.kind = SCORER_DISCOVER;
        by.example_count = 3;
        got = ask(&w, &query, 0);
        want = model_scores(&w, &by, used, 2, &count);
        check_ranked(got, want, LIMIT, "discover");
        oct_records_free(got);
        oct_free(want);

        /* Everything: as many places as there are points, and more asked for. */
        query.kind = OCT_QUERY_CONTEXT;
        query.limit = COUNT + 5;
        by.kind = SCORER_CONTEXT;
        by.examples = examples + DIM;
        by.example_count = 2;
        got = ask(&w, &query, 0);
        want = model_scores(&w, &by, used, 2, &count);
        CHECK_INT(count, COUNT - 2);
        check_ranked(got, want, count, "context");
        oct_records_free(got);
        oct_free(want);
        world_close(&w);
    }
}

/* Goal:   recommend by the average is nearest to 2 avg(positives) - avg(negatives). */
TEST(the_average_is_a_nearest_query)
{
    world        w;
    oct_example  positive[2], negative[1];
    float        average[DIM];
    oct_query    recommend = {.kind = OCT_QUERY_RECOMMEND, .using_vector = S(""), .limit = 20}, nearest;
    oct_records *a, *b;

    world_open(&w, OCT_DOT, 500, 1, 43);
    positive[0] = by_vector(w.vectors);
    positive[1] = by_vector(w.vectors + DIM);
    negative[0] = by_vector(w.vectors + 2 * DIM);
    for (size_t j = 0; j < DIM; j++)
        average[j] =
            (float)((double)w.vectors[j] + (double)w.vectors[DIM + j] - (double)w.vectors[2 * DIM + j]);
    recommend.as.recommend = (oct_recommend){positive, 2, negative, 1, OCT_AVERAGE_VECTOR};
    nearest = nearest_to(by_vector(average), 20);
    a = ask(&w, &recommend, 3);
    b = ask(&w, &nearest, 3);
    CHECK_INT(a->count, 20);
    for (size_t i = 0; i < a->count; i++)
        CHECK(a->items[i].id.low == b->items[i].id.low && a->items[i].score == b->items[i].score);
    oct_records_free(a);
    oct_records_free(b);
    world_close(&w);
}

/* --- levels ---------------------------------------------------------------------------------------------------------- */

/* Goal:   a level with prefetches looks at their points only, to any depth; ids used anywhere are left out everywhere;
 *         offset and limit count at the top.
 * Method: seed 44, against a model of sorted scores. */
TEST(levels_rescore_what_prefetches_found)
{
    enum { COUNT = 400, FETCHED = 50 };
    world        w;
    oct_query    inner[2], middle, outer;
    oct_records *first, *second, *got;
    scorer       by = {.kind = SCORER_NEAREST, .distance = OCT_DOT, .dim = DIM, .example_count = 1};
    bool         fetched[COUNT] = {false};
    const size_t without[] = {7, 8};
    ranked      *all;
    size_t       count, at = 0;

    world_open(&w, OCT_DOT, COUNT, 1, 44);
    inner[0] = nearest_to(by_point(&w, 7), FETCHED);
    inner[1] = nearest_to(by_vector(w.vectors + 9 * DIM), FETCHED);
    first = ask(&w, &inner[0], 0);
    inner[1].limit += 2; /* 7 and 8 will be left out of it */
    second = ask(&w, &inner[1], 0);
    inner[1].limit -= 2;
    for (size_t i = 0; i < FETCHED; i++)
        fetched[point_of(&w, first->items[i].id)] = true;
    fetched[8] = false;
    for (size_t i = 0, kept = 0; i < FETCHED + 2 && kept < FETCHED; i++) {
        const size_t point = point_of(&w, second->items[i].id);

        if (point == 7 || point == 8)
            continue;
        fetched[point] = true;
        kept++;
    }
    /* 8 is used below the top: it has no place in the first prefetch either, whose list then reaches one further. */
    for (size_t i = 0; i < FETCHED; i++) {
        if (point_of(&w, first->items[i].id) == 8) {
            oct_records_free(first);
            inner[0].limit++;
            first = ask(&w, &inner[0], 0);
            inner[0].limit--;
            fetched[point_of(&w, first->items[FETCHED].id)] = true;
            break;
        }
    }
    middle = nearest_to(by_point(&w, 8), 2 * FETCHED);
    middle.prefetch = inner;
    middle.prefetch_count = 2;
    outer = nearest_to(by_vector(w.vectors + 11 * DIM), 30);
    outer.prefetch = &middle;
    outer.prefetch_count = 1;
    got = ask(&w, &outer, 5);
    by.examples = w.vectors + 11 * DIM;
    all = model_scores(&w, &by, without, 2, &count);
    for (size_t i = 0; i < count && at < 35; i++) {
        if (!fetched[point_of(&w, all[i].id)])
            continue;
        if (at >= 5) {
            CHECK_INT(got->items[at - 5].id.low, all[i].id.low);
            CHECK_NEAR(got->items[at - 5].score, all[i].score, 0, "place %zu", at);
        }
        at++;
    }
    CHECK_INT(got->count, 30);
    oct_free(all);
    oct_records_free(first);
    oct_records_free(second);
    oct_records_free(got);
    world_close(&w);
}

/* Goal:   filters of a level hold for those below; two lists of `should` are alternatives to each other, as Qdrant
 *         merges them, and the level's own filter holds for what it rescores. */
TEST(filters_hold_for_the_levels_below)
{
    const oct_value zero = {.kind = OCT_VALUE_INTEGER, .integer = 0},
                    one = {.kind = OCT_VALUE_INTEGER, .integer = 1};
    const oct_match           is_zero = {.kind = OCT_MATCH_VALUE, .values = &zero, .value_count = 1};
    const oct_match           is_one = {.kind = OCT_MATCH_VALUE, .values = &one, .value_count = 1};
    const oct_field_condition zero_test = {.match = &is_zero}, one_test = {.match = &is_one};
    const oct_condition       zeros = {.kind = OCT_CONDITION_FIELD, .key = S("n"), .field = &zero_test};
    const oct_condition       ones = {.kind = OCT_CONDITION_FIELD, .key = S("n"), .field = &one_test};
    const oct_filter          must_zero = {.must = &zeros, .must_count = 1},
                     should_zero = {.should = &zeros, .should_count = 1};
    const oct_filter should_one = {.should = &ones, .should_count = 1};
    world            w;
    oct_query        inner, outer;
    oct_records     *got;
    size_t           seen[2] = {0, 0};

    world_open(&w, OCT_EUCLID, 300, 1, 45);
    inner = nearest_to(by_vector(w.vectors), 20);
    outer = (oct_query){.kind = OCT_QUERY_RRF,
                        .prefetch = &inner,
                        .prefetch_count = 1,
                        .limit = 100,
                        .filter = &must_zero,
                        .using_vector = S("")};
    got = ask(&w, &outer, 0);
    CHECK_INT(got->count, 20);
    for (size_t i = 0; i < got->count; i++)
        CHECK_INT(point_of(&w, got->items[i].id) % 7, 0);
    oct_records_free(got);

    inner.filter = &should_one;
    outer.filter = &should_zero;
    got = ask(&w, &outer, 0);
    CHECK_INT(got->count, 20);
    for (size_t i = 0; i < got->count; i++) {
        const size_t n = point_of(&w, got->items[i].id) % 7;

        CHECK(n < 2);
        seen[n < 2 ? n : 0]++;
    }
    CHECK(seen[0] > 0 && seen[1] > 0);
    oct_records_free(got);

    outer.kind = OCT_QUERY_NEAREST;
    outer.as.nearest.target = by_vector(w.vectors + DIM);
    got = ask(&w, &outer, 0);
    CHECK_INT(got->count, seen[0]);
    for (size_t i = 0; i < got->count; i++)
        CHECK_INT(point_of(&w, got->items[i].id) % 7, 0);
    oct_records_free(got);
    world_close(&w);
}

/* Goal:   formulas see the scores of every prefetch, the payload and what is missing; fused and computed scores keep
 * what
 *         is not below the threshold. */
TEST(formulas_see_prefetches_and_payload)
{
    const oct_expression      operands[] = {{.kind = OCT_EXPRESSION_VARIABLE, .text = S("$score")},
                                            {.kind = OCT_EXPRESSION_VARIABLE, .text = S("$score[1]")},
                                            {.kind = OCT_EXPRESSION_VARIABLE, .text = S("w")}};
    const oct_formula_default defaults[] = {{S("$score[1]"), S("1000")}};
    world                     w;
    oct_query                 inner[2],
        outer = {.kind = OCT_QUERY_FORMULA, .prefetch_count = 2, .limit = 40, .using_vector = S("")};
    oct_records *lists[2], *got;
    float        last = INFINITY;

    world_open(&w, OCT_DOT, 200, 1, 46);
    inner[0] = nearest_to(by_vector(w.vectors), 15);
    inner[1] = nearest_to(by_vector(w.vectors + DIM), 15);
    outer.prefetch = inner;
    outer.as.formula =
        (oct_formula){{.kind = OCT_EXPRESSION_SUM, .operands = operands, .operand_count = 3}, defaults, 1};
    lists[0] = ask(&w, &inner[0], 0);
    lists[1] = ask(&w, &inner[1], 0);
    got = ask(&w, &outer, 0);
    CHECK(got->count >= 15 && got->count <= 30);
    for (size_t i = 0; i < got->count; i++) {
        double scores[2] = {0, 1000};

        for (size_t l = 0; l < 2; l++) {
            for (size_t j = 0; j < lists[l]->count; j++) {
                if (lists[l]->items[j].id.low == got->items[i].id.low)
                    scores[l] = (double)lists[l]->items[j].score;
            }
        }
        CHECK_NEAR(got->items[i].score,
                   scores[0] + scores[1] + (double)(point_of(&w, got->items[i].id) % 11) + 0.5, 1e-4,
                   "place %zu", i);
        CHECK(got->items[i].score <= last);
        last = got->items[i].score;
    }
    outer.has_score_threshold = true;
    outer.score_threshold = got->items[4].score;
    oct_records_free(got);
    got = ask(&w, &outer, 0);
    CHECK(got->count >= 5 && got->items[got->count - 1].score == outer.score_threshold);
    oct_records_free(got);
    oct_records_free(lists[0]);
    oct_records_free(lists[1]);
    world_close(&w);
}

/* Goal:   the ends of what there can be: 64 levels of prefetches work, one more does not, nor too many side by side. */
TEST(prefetches_nest_to_their_limit)
{
    static oct_query levels[OCT_PREFETCH_DEPTH_MAX + 2], wide[OCT_PREFETCHES_MAX + 1];
    oct_query        many = {.kind = OCT_QUERY_DBSF, .limit = 10, .using_vector = S("")};
    world            w;
    oct_records     *got;

    world_open(&w, OCT_DOT, 50, 1, 47);
    for (size_t i = countof(levels); i-- > 0;) {
        levels[i] = nearest_to(by_vector(w.vectors), 10);
        if (i + 1 < countof(levels)) {
            levels[i].prefetch = &levels[i + 1];
            levels[i].prefetch_count = 1;
        }
    }
    refuse(&w, &levels[0], OCT_BAD_REQUEST, "more than 64 deep");
    for (size_t i = 0; i < countof(wide); i++)
        wide[i] = levels[countof(levels) - 1];
    many.prefetch = wide;
    many.prefetch_count = countof(wide);
    refuse(&w, &many, OCT_BAD_REQUEST, "more than 4096 prefetches");
    got = ask(&w, &levels[1], 0);
    CHECK_INT(got->count, 10);
    oct_records_free(got);
    world_close(&w);
}

/* --- by id, at random
 * -------------------------------------------------------------------------------------------------- */

/* Goal:   samples are as large as they may be, without repeats, every point as likely as any other.
 * Method: 4,000 samples of 3 of 12 points: each is drawn about 1,000 times; 7 deviations of sqrt(4000 x 1/4 x 3/4) = 27
 *         are exceeded once in 10^11. */
TEST(samples_are_fair)
{
    world     w;
    oct_query query = {.kind = OCT_QUERY_SAMPLE, .limit = 3, .using_vector = S("")};
    size_t    drawn[12] = {0}, first[12] = {0};

    world_open(&w, OCT_DOT, 12, 1, 48);
    for (int round = 0; round < 4000; round++) {
        oct_records *got = ask(&w, &query, 2); /* an offset does not matter */

        CHECK_INT(got->count, 3);
        for (size_t i = 0; i < got->count; i++) {
            drawn[point_of(&w, got->items[i].id)]++;
            CHECK(got->items[i].score == 1.0f && got->items[i].version == 0);
            for (size_t j = 0; j < i; j++)
                CHECK(got->items[i].id.low != got->items[j].id.low);
        }
        first[point_of(&w, got->items[0].id)]++;
        oct_records_free(got);
    }
    for (size_t i = 0; i < countof(drawn); i++) {
        CHECK_NEAR(drawn[i], 1000, 7 * 27.4, "point %zu", i);
        CHECK_NEAR(first[i], 4000.0 / 12, 7 * 17.5, "point %zu, first", i);
    }
    query.limit = 100;
    {
        oct_records *got = ask(&w, &query, 0);

        CHECK_INT(got->count, 12);
        oct_records_free(got);
    }
    world_close(&w);
}

/* --- groups ------------------------------------------------------------------------------------------------------------ */

/* Goal:   groups are those of the whole ranking: by best hit, hits best first, none missed however small.
 * Method: keys with values of a few kinds, against a model that goes through all points in order, seed 49. */
TEST(groups_are_those_of_the_whole_ranking)
{
    enum { COUNT = 700 };
    static const struct {
        const char *key;
        size_t      limit, group_size;
    } cases[] = {{"n", 3, 2},    {"n", 7, 200}, {"n", 50, 1},  {"l", 8, 4},
                 {"l[0]", 2, 3}, {"w", 5, 5},   {"none", 5, 5}};
    world   w;
    scorer  by = {.kind = SCORER_NEAREST, .distance = OCT_DOT, .dim = DIM, .example_count = 1};
    ranked *all;
    size_t  count;

    world_open(&w, OCT_DOT, COUNT, 1, 49);
    by.examples = w.vectors;
    all = model_scores(&w, &by, NULL, 0, &count);
    for (size_t c = 0; c < countof(cases); c++) {
        const bool lists = cases[c].key[0] == 'l' && cases[c].key[1] == '\0', first = cases[c].key[0] == 'l';
        const oct_group_request request = {.query = nearest_to(by_vector(w.vectors), cases[c].limit),
                                           .group_size = cases[c].group_size,
                                           .group_by = slice_of(cases[c].key)};
        char                    keys[16][8];
        size_t                  sizes[16] = {0}, group_count = 0;
        oct_groups             *got = NULL;

        CHECK_OK(oct_query_groups(w.collection, &request, &got, NULL));
        for (size_t i = 0; i < count; i++) {
            const size_t point = point_of(&w, all[i].id);

            for (size_t part = 0; part < (lists ? 2 : 1); part++) {
                char   key[8];
                size_t g = 0;

                if (first)
                    (void)snprintf(key, sizeof key, part == 0 ? "a%zu" : "%zu",
                                   part == 0 ? point % 5 : point % 3);
                else
                    (void)snprintf(key, sizeof key, "%zu", point % 7);
                if (cases[c].key[0] == 'w' || strcmp(cases[c].key, "none") == 0)
                    continue; /* floats and nothing make no groups */
                while (g < group_count && strcmp(keys[g], key) != 0)
                    g++;
                if (g == group_count) {
                    if (group_count == cases[c].limit)
                        continue;
                    memcpy(keys[group_count++], key, sizeof key);
                }
                if (sizes[g] < cases[c].group_size) {
                    const oct_group *group = g < got->count ? &got->items[g] : NULL;

                    CHECK_MSG(group != NULL && sizes[g] < group->hit_count &&
                                  group->hits[sizes[g]].id.low == all[i].id.low &&
                                  group->hits[sizes[g]].score == all[i].score,
                              "by %s: hit %zu of group %s", cases[c].key, sizes[g], key);
                    sizes[g]++;
                }
            }
        }
        CHECK_INT(got->count, group_count);
        for (size_t g = 0; g < got->count && g < group_count; g++) {
            const oct_group *group = &got->items[g];

            CHECK_INT(group->hit_count, sizes[g]);
            CHECK(group->lookup == NULL);
            if (keys[g][0] == 'a')
                CHECK(group->kind == OCT_GROUP_TEXT && slice_is(group->text, keys[g]));
            else
                CHECK(group->kind == OCT_GROUP_UNSIGNED &&
                      group->unsigned_number == strtoull(keys[g], NULL, 10));
        }
        oct_groups_free(got);
    }
    oct_free(all);
    world_close(&w);
}

/* Goal:   a group's value is looked up as a point id, numbers and UUIDs in any spelling; values of other kinds leave a
 *         point out of all groups, repeats count once. */
TEST(groups_look_up_their_points)
{
    static const char *const payloads[] = {"{\"g\":7}",
                                           "{\"g\":[7,7,8]}",
                                           "{\"g\":\"F47AC10B58CC4372A5670E02B2C3D479\"}",
                                           "{\"g\":[1,true]}",
                                           "{\"g\":1.0}",
                                           "{\"g\":-3}",
                                           "{\"g\":\"7\"}",
                                           "{\"g\":18446744073709551615}"};
    static const struct {
        oct_group_kind kind;
        uint64_t       number;
        size_t         hits;
        bool           found;
    } want[] = {{OCT_GROUP_UNSIGNED, UINT64_MAX, 1, false},
                {OCT_GROUP_TEXT, 0, 1, false},
                {OCT_GROUP_SIGNED, 0, 1, false},
                {OCT_GROUP_TEXT, 0, 1, true},
                {OCT_GROUP_UNSIGNED, 7, 2, true},
                {OCT_GROUP_UNSIGNED, 8, 1, false}};
    const oct_id           found[] = {oct_id_number(7), {0xF47AC10B58CC4372u, 0xA5670E02B2C3D479u, 1, 0}};
    const oct_open_options options = {.threads = 1};
    oct_vector_config      vector;
    oct_collection_config  config;
    oct_database          *database;
    oct_collection        *collection, *other;
    oct_groups            *got = NULL;
    oct_error              error;
    oct_group_request      request = {.group_size = 3,
                                      .group_by = S("g"),
                                      .has_lookup = true,
                                      .lookup_collection = S("other"),
                                      .lookup_select = {.with_payload = true}};
    const float            target = 1;

    CHECK_OK(oct_open(&options, &database, NULL));
    oct_vector_config_init(&vector);
    vector.name = S("");
    vector.size = 1;
    vector.distance = OCT_DOT;
    oct_collection_config_init(&config);
    config.vectors = &vector;
    config.vector_count = 1;
    CHECK_OK(oct_collection_create(database, S("c"), &config, NULL));
    CHECK_OK(oct_collection_create(database, S("other"), &config, NULL));
    CHECK_OK(oct_collection_open(database, S("c"), &collection, NULL));
    CHECK_OK(oct_collection_open(database, S("other"), &other, NULL));
    for (size_t i = 0; i < countof(payloads); i++) {
        const float      value = (float)i;
        const oct_vector made = {S(""), OCT_DENSE, &value, 1, NULL, 0};
        const oct_point  point = {oct_id_number(i), &made, 1, slice_of(payloads[i])};

        CHECK_OK(oct_upsert(collection, &point, 1, NULL, NULL, NULL));
    }
    for (size_t i = 0; i < countof(found); i++) {
        const oct_point point = {found[i], NULL, 0, i == 0 ? S("{\"x\":1}") : S("{}")};

        CHECK_OK(oct_upsert(other, &point, 1, NULL, NULL, NULL));
    }
    request.query = (oct_query){.kind = OCT_QUERY_NEAREST,
                                .limit = 10,
                                .using_vector = S(""),
                                .as.nearest.target.vector = {S(""), OCT_DENSE, &target, 1, NULL, 0}};
    CHECK_OK(oct_query_groups(collection, &request, &got, NULL));
    CHECK_INT(got->count, countof(want));
    for (size_t g = 0; g < got->count && g < countof(want); g++) {
        const oct_group *group = &got->items[g];

        CHECK_INT(group->kind, want[g].kind);
        CHECK_INT(group->hit_count, want[g].hits);
        CHECK_INT(group->lookup != NULL, want[g].found);
        if (group->kind == OCT_GROUP_UNSIGNED)
            CHECK(group->unsigned_number == want[g].number);
        if (group->kind == OCT_GROUP_SIGNED)
            CHECK_INT(group->signed_number, -3);
    }
    CHECK(slice_is(got->items[4].lookup->payload, "{\"x\":1}") && got->items[4].hits[0].id.low == 1);
    oct_groups_free(got);
    request.lookup_collection = S("nowhere");
    CHECK_STATUS(oct_query_groups(collection, &request, &got, &error), OCT_NOT_FOUND);
    CHECK_TEXT(error.text, "Collection nowhere not found");
    request.has_lookup = false;
    request.group_by = S("a..b");
    CHECK_STATUS(oct_query_groups(collection, &request, &got, &error), OCT_FORMAT);
    request.group_by = S("g");
    request.group_size = 0;
    CHECK_STATUS(oct_query_groups(collection, &request, &got, &error), OCT_RANGE);
    oct_collection_close(collection);
    oct_collection_close(other);
    CHECK_OK(oct_close(database, NULL));
}

/* --- the matrix
 * ---------------------------------------------------------------------------------------------------------- */

/* Goal:   with a sample of all points the matrix is every point's nearest others, in the order of ids.
 * Method: each distance, seed 50, against a scan for each point. */
TEST(matrices_of_everything_are_exact)
{
    enum { COUNT = 150, NEIGHBOURS = 4 };
    static const oct_distance distances[] = {OCT_COSINE, OCT_EUCLID, OCT_DOT, OCT_MANHATTAN};

    for (size_t d = 0; d < countof(distances); d++) {
        const oct_matrix_request request = {.using_vector = S(""), .sample = 1000, .limit = NEIGHBOURS};
        scorer      by = {.kind = SCORER_NEAREST, .distance = distances[d], .dim = DIM, .example_count = 1};
        world       w;
        oct_matrix *got = NULL;

        world_open(&w, distances[d], COUNT, 3, 50);
        CHECK_OK(oct_search_matrix(w.collection, &request, &got, NULL));
        CHECK_INT(got->id_count, COUNT);
        CHECK_INT(got->score_count, COUNT * NEIGHBOURS);
        for (size_t row = 0; row < got->id_count; row++) {
            const size_t point = point_of(&w, got->ids[row]);
            ranked      *all;
            size_t       count;

            CHECK(row == 0 || got->ids[row - 1].low < got->ids[row].low);
            by.examples = w.vectors + point * DIM;
            all = model_scores(&w, &by, &point, 1, &count);
            for (size_t i = 0; i < NEIGHBOURS; i++) {
                const size_t at = row * NEIGHBOURS + i;

                CHECK_INT(got->rows[at], row);
                CHECK_INT(got->ids[got->columns[at]].low, all[i].id.low);
                CHECK_NEAR(got->scores[at], scorer_shown(distances[d], all[i].score), 0, "row %zu", row);
            }
            oct_free(all);
        }
        oct_matrix_free(got);
        world_close(&w);
    }
}

/* Goal:   a sample is of those that have the vector and match; fewer than two make no matrix; limits are checked. */
TEST(matrices_are_of_points_with_the_vector)
{
    const oct_id        two[] = {oct_id_number(10), oct_id_number(20)};
    const oct_condition has = {.kind = OCT_CONDITION_HAS_ID, .ids = two, .id_count = 2};
    oct_condition       only = has;
    const oct_filter    filter = {.must = &only, .must_count = 1};
    oct_matrix_request  request = {.using_vector = S("other"), .sample = 100, .limit = 50};
    world               w;
    oct_matrix         *got = NULL;

    world_open(&w, OCT_DOT, 40, 1, 51);
    CHECK_OK(oct_search_matrix(w.collection, &request, &got, NULL));
    CHECK_INT(got->id_count, 30); /* every fourth lacks it */
    CHECK_INT(got->score_count, 30 * 29);
    oct_matrix_free(got);
    request.sample = 5;
    CHECK_OK(oct_search_matrix(w.collection, &request, &got, NULL));
    CHECK_INT(got->id_count, 5);
    CHECK_INT(got->score_count, 5 * 4);
    oct_matrix_free(got);
    request.using_vector = S("");
    request.filter = &filter;
    CHECK_OK(oct_search_matrix(w.collection, &request, &got, NULL));
    CHECK_INT(got->id_count, 2);
    CHECK_INT(got->score_count, 2);
    oct_matrix_free(got);
    only.id_count = 1;
    CHECK_OK(oct_search_matrix(w.collection, &request, &got, NULL));
    CHECK_INT(got->id_count, 0);
    CHECK_INT(got->score_count, 0);
    oct_matrix_free(got);
    request.sample = 1;
    CHECK_STATUS(oct_search_matrix(w.collection, &request, &got, NULL), OCT_RANGE);
    request.sample = 2;
    request.limit = 0;
    CHECK_STATUS(oct_search_matrix(w.collection, &request, &got, NULL), OCT_RANGE);
    request.limit = 1;
    request.using_vector = S("nothing");
    CHECK_STATUS(oct_search_matrix(w.collection, &request, &got, NULL), OCT_INVALID);
    CHECK(got == NULL);
    world_close(&w);
}

/* --- refusals
 * -------------------------------------------------------------------------------------------------------------- */

/* Goal:   what makes no sense is refused with a sentence, whichever door it came through. */
TEST(queries_without_sense_are_refused)
{
    static const float       nan[DIM] = {NAN};
    static oct_example       many[OCT_EXAMPLES_MAX + 1];
    static oct_feedback_item items[OCT_FEEDBACK_MAX + 1];
    const float              weights[] = {1, 2};
    world                    w;
    oct_query                inner, query;
    oct_records             *got;

    world_open(&w, OCT_DOT, 10, 1, 52);
    inner = nearest_to(by_vector(w.vectors), 3);

    query = (oct_query){.limit = 3, .using_vector = S(""), .prefetch = &inner, .prefetch_count = 1};
    refuse(&w, &query, OCT_BAD_REQUEST, "A query is needed to merge the prefetches.");
    query = (oct_query){.limit = 3, .using_vector = S(""), .has_score_threshold = true};
    refuse(&w, &query, OCT_BAD_REQUEST, "A query is needed to use the score_threshold.");
    query.kind = OCT_QUERY_ORDER_BY;
    query.as.order_by.key = S("n");
    refuse(&w, &query, OCT_BAD_REQUEST, "Can't use score_threshold with an order_by query.");
    query.has_score_threshold = false;
    refuse(&w, &query, OCT_INVALID, "No range index for `order_by` key: `n`.");
    query = (oct_query){.kind = OCT_QUERY_RRF, .limit = 3, .using_vector = S("")};
    refuse(&w, &query, OCT_INVALID, "cannot apply Fusion without prefetches");
    query.kind = OCT_QUERY_DBSF;
    refuse(&w, &query, OCT_INVALID, "cannot apply Fusion without prefetches");
    query.kind = OCT_QUERY_FORMULA;
    refuse(&w, &query, OCT_INVALID, "cannot apply Formula without prefetches");
    query = (oct_query){.kind = OCT_QUERY_DBSF,
                        .limit = 3,
                        .using_vector = S("other"),
                        .prefetch = &inner,
                        .prefetch_count = 1};
    refuse(&w, &query, OCT_BAD_REQUEST, "Fusion queries cannot be combined with the 'using' field.");
    query = (oct_query){.kind = OCT_QUERY_RRF,
                        .limit = 3,
                        .using_vector = S(""),
                        .prefetch = &inner,
                        .prefetch_count = 1,
                        .as.rrf = {0, weights, 2}};
    refuse(&w, &query, OCT_INVALID,
           "Number of weights in RRF should match number of pre-fetches: got 2, expected 1");

    query = nearest_to(by_vector(w.vectors), 0);
    refuse(&w, &query, OCT_RANGE, "limit: value 0 invalid, must be 1 or larger");
    inner.limit = OCT_LIMIT_MAX + 1;
    query = nearest_to(by_vector(w.vectors), 1);
    query.prefetch = &inner;
    query.prefetch_count = 1;
    refuse(&w, &query, OCT_RANGE, "limit");
    query = nearest_to(by_vector(nan), 1);
    refuse(&w, &query, OCT_INVALID, "not a finite number");
    query = nearest_to(by_vector(w.vectors), 1);
    query.using_vector = S("none");
    refuse(&w, &query, OCT_INVALID, "Not existing vector name error: none");
    query.using_vector = S("other");
    refuse(&w, &query, OCT_DIM, "Vector dimension error: expected dim: 1, got 64");
    query = nearest_to(by_vector(w.vectors), 1);
    query.as.nearest.target.vector.kind = OCT_SPARSE;
    refuse(&w, &query, OCT_INVALID, "Conversion between sparse and regular vectors failed");
    query = nearest_to((oct_example){.is_point = true, .point = oct_id_number(5)}, 1);
    refuse(&w, &query, OCT_NOT_FOUND, "No point with id 5 found");
    query = nearest_to(by_point(&w, 3), 1);
    query.using_vector = S("other");
    refuse(&w, &query, OCT_NOT_FOUND, "Vector with name \"other\" for point not found");
    query = nearest_to(by_point(&w, 2), 1);
    query.has_lookup = true;
    query.lookup_collection = S("nowhere");
    refuse(&w, &query, OCT_NOT_FOUND, "Collection nowhere not found");
    query.lookup_collection = S("c");
    query.has_lookup_vector = true;
    query.lookup_vector = S("other");
    refuse(&w, &query, OCT_DIM, "expected dim: 64, got 1");
    query = nearest_to(by_vector(w.vectors), 1);
    query.as.nearest.mmr = true;
    query.as.nearest.mmr_diversity = 1.5f;
    refuse(&w, &query, OCT_RANGE, "mmr.diversity: value 1.5 invalid");
    query.as.nearest.mmr_diversity = 0.5f;
    query.as.nearest.has_mmr_candidates = true;
    query.as.nearest.mmr_candidates = OCT_MMR_CANDIDATES_MAX + 1;
    refuse(&w, &query, OCT_RANGE, "mmr.candidates_limit: value 16385 invalid");

    query = (oct_query){.kind = OCT_QUERY_RECOMMEND, .limit = 3, .using_vector = S("")};
    refuse(&w, &query, OCT_INVALID, "Positive vectors should not be empty with `average` strategy");
    query.as.recommend.strategy = OCT_BEST_SCORE;
    refuse(&w, &query, OCT_BAD_REQUEST, "At least one positive or negative");
    for (size_t i = 0; i < countof(many); i++)
        many[i] = by_vector(w.vectors);
    query.as.recommend.positive = many;
    query.as.recommend.positive_count = countof(many);
    refuse(&w, &query, OCT_RANGE, "65537 examples in one query are too many");
    query = (oct_query){.kind = OCT_QUERY_CONTEXT, .limit = 3, .using_vector = S("")};
    refuse(&w, &query, OCT_BAD_REQUEST, "No target or context given");
    query = (oct_query){.kind = OCT_QUERY_FEEDBACK,
                        .limit = 3,
                        .using_vector = S(""),
                        .as.feedback.target = by_vector(w.vectors)};
    refuse(&w, &query, OCT_RANGE, "feedback elements must be non-empty");
    for (size_t i = 0; i < countof(items); i++)
        items[i].example = by_vector(w.vectors);
    query.as.feedback.items = items;
    query.as.feedback.item_count = countof(items);
    refuse(&w, &query, OCT_RANGE, "4097 feedback elements are too many");
    query.as.feedback.item_count = 1;
    query.as.feedback.b = -1;
    refuse(&w, &query, OCT_RANGE, "naive.b: value -1 invalid");

    /* A discovery without pairs is a search; candidates of 0 give nothing. */
    query = (oct_query){.kind = OCT_QUERY_DISCOVER,
                        .limit = 3,
                        .using_vector = S(""),
                        .as.discover.target = by_vector(w.vectors)};
    got = ask(&w, &query, 0);
    CHECK_INT(got->count, 3);
    oct_records_free(got);
    query = nearest_to(by_vector(w.vectors), 3);
    query.as.nearest.mmr = query.as.nearest.has_mmr_candidates = true;
    got = ask(&w, &query, 0);
    CHECK_INT(got->count, 0);
    oct_records_free(got);
    world_close(&w);
}

/* --- batches, memory
 * ---------------------------------------------------------------------------------------------------------- */

/* Goal:   a batch answers in the order of its requests, or, if some fail, tells of the first in order and answers
 * none. */
TEST(batches_answer_all_or_none)
{
    enum { COUNT = 40 };
    world             w;
    oct_query_request requests[COUNT] = {{.offset = 0}};
    oct_records      *records[COUNT];
    oct_error         error;

    world_open(&w, OCT_DOT, 200, 4, 53);
    for (size_t i = 0; i < COUNT; i++)
        requests[i].query = nearest_to(by_point(&w, i), 1 + i % 5);
    CHECK_OK(oct_query_batch(w.collection, requests, COUNT, records, NULL));
    for (size_t i = 0; i < COUNT; i++) {
        oct_records *alone = ask(&w, &requests[i].query, 0);

        CHECK_INT(records[i]->count, 1 + i % 5);
        CHECK_INT(records[i]->items[0].id.low, alone->items[0].id.low);
        oct_records_free(alone);
        oct_records_free(records[i]);
    }
    requests[30].query.as.nearest.target.point = oct_id_number(3);
    requests[31].query.as.nearest.target.point = oct_id_number(5);
    for (int round = 0; round < 20; round++) {
        CHECK_STATUS(oct_query_batch(w.collection, requests, COUNT, records, &error), OCT_NOT_FOUND);
        CHECK_TEXT(error.text, "No point with id 3 found");
        for (size_t i = 0; i < COUNT; i++)
            CHECK(records[i] == NULL);
    }
    CHECK_OK(oct_query_batch(w.collection, NULL, 0, NULL, NULL));
    world_close(&w);
}

/* Goal:   out of memory is an answer, and nothing leaks.
 * Method: each allocation of each kind of query fails in turn, with all after it. */
TEST(queries_survive_every_failed_allocation)
{
    const oct_expression      operands[] = {{.kind = OCT_EXPRESSION_VARIABLE, .text = S("$score")},
                                            {.kind = OCT_EXPRESSION_VARIABLE, .text = S("w")}};
    const oct_formula_default defaults[] = {{S("w"), S("1")}};
    world                     w;
    oct_example               examples[2];
    oct_context_pair          pair;
    oct_feedback_item         items[2];
    oct_query                 inner[2], queries[8];

    world_open(&w, OCT_COSINE, 200, 1, 54);
    examples[0] = by_point(&w, 1);
    examples[1] = by_vector(w.vectors);
    pair = (oct_context_pair){examples[0], examples[1]};
    items[0] = (oct_feedback_item){examples[0], 1};
    items[1] = (oct_feedback_item){examples[1], 0};
    inner[0] = nearest_to(examples[0], 20);
    inner[1] = nearest_to(examples[1], 20);
    for (size_t i = 0; i < countof(queries); i++)
        queries[i] = nearest_to(examples[0], 10);
    queries[0].as.nearest.mmr = true;
    queries[1].kind = OCT_QUERY_RECOMMEND;
    queries[1].as.recommend = (oct_recommend){examples, 2, examples, 1, OCT_BEST_SCORE};
    queries[2].kind = OCT_QUERY_DISCOVER;
    queries[2].as.discover = (oct_discover){examples[1], &pair, 1};
    queries[3].kind = OCT_QUERY_FEEDBACK;
    queries[3].as.feedback = (oct_feedback){examples[1], items, 2, 1, 1, 1};
    queries[4].kind = OCT_QUERY_SAMPLE;
    queries[5].kind = OCT_QUERY_RRF;
    queries[5].as.rrf = (oct_rrf){0, NULL, 0};
    queries[6].kind = OCT_QUERY_FORMULA;
    queries[6].as.formula =
        (oct_formula){{.kind = OCT_EXPRESSION_SUM, .operands = operands, .operand_count = 2}, defaults, 1};
    for (size_t i = 5; i < 8; i++) { /* the last rescores */
        queries[i].prefetch = inner;
        queries[i].prefetch_count = 2;
    }
    for (size_t i = 0; i < countof(queries) + 2; i++) {
        const oct_query_request  request = {.query = queries[i % 8],
                                            .select = {.with_payload = true, .with_vector = true}};
        const oct_group_request  groups = {.query = queries[7],
                                           .group_size = 2,
                                           .group_by = S("l"),
                                           .has_lookup = true,
                                           .lookup_collection = S("c"),
                                           .select = {.with_payload = true}};
        const oct_matrix_request matrix = {.using_vector = S(""), .sample = 20, .limit = 2};
        oct_status               status = OCT_NOMEM;

        for (uint64_t allowed = 0; status != OCT_OK && allowed < 1000; allowed++) {
            oct_records *records = NULL;
            oct_groups  *grouped = NULL;
            oct_matrix  *made = NULL;

            oct_alloc_fail_after(allowed, true);
            status = i < 8    ? oct_query_points(w.collection, &request, &records, NULL)
                     : i == 8 ? oct_query_groups(w.collection, &groups, &grouped, NULL)
                              : oct_search_matrix(w.collection, &matrix, &made, NULL);
            oct_alloc_fail_after(UINT64_MAX, false);
            CHECK_MSG(status == OCT_OK || status == OCT_NOMEM, "query %zu, allocation %llu: %d", i,
                      (unsigned long long)allowed, (int)status);
            oct_records_free(records);
            oct_groups_free(grouped);
            oct_matrix_free(made);
        }
        CHECK_MSG(status == OCT_OK, "query %zu never succeeded", i);
    }
    world_close(&w);
}

/* --- beside writers
 * ------------------------------------------------------------------------------------------------------------ */

typedef struct traffic {
    world      *w;
    atomic_bool ending;
    uint64_t    seed;
} traffic;

/* Points move and vanish, but those whose number is a multiple of 8 stay as they are. */
static void *
write_on(void *context)
{
    traffic *self = context;
    test_rng rng = test_rng_seed(self->seed);

    while (!atomic_load(&self->ending)) {
        const size_t     point = test_below(&rng, self->w->count);
        float            moved[DIM];
        const oct_vector vector = {S(""), OCT_DENSE, moved, DIM, NULL, 0};
        const oct_id     id = id_of(self->w, point);
        const oct_point  made = {id, &vector, 1, S("{\"n\":1,\"w\":2}")};

        if (point % 8 == 0)
            continue;
        test_fill(&rng, moved, DIM);
        if (test_below(&rng, 3) == 0)
            CHECK_OK(oct_delete(self->w->collection, &id, 1, NULL, NULL, NULL));
        else
            CHECK_OK(oct_upsert(self->w->collection, &made, 1, NULL, NULL, NULL));
    }
    return NULL;
}

static void *
ask_on(void *context)
{
    traffic *self = context;
    test_rng rng = test_rng_seed(self->seed);

    while (!atomic_load(&self->ending)) {
        const world      *w = self->w;
        const size_t      still = 8 * test_below(&rng, w->count / 8);
        const oct_example example = by_vector(w->vectors + still * DIM), other = by_point(w, 0);
        const oct_example examples[] = {example, other, by_vector(w->vectors + DIM), by_vector(w->vectors + 2 * DIM)};
        oct_query         inner[2] = {nearest_to(example, 30), nearest_to(other, 30)},
                  query = nearest_to(example, 20);
        oct_records *got;
        bool         found = false;

        switch (test_below(&rng, 4)) {
        case 0: /* best_score of examples that are there: in Euclid none is better than one of them itself */
            query.kind = OCT_QUERY_RECOMMEND;
            query.as.recommend = (oct_recommend){examples, countof(examples), NULL, 0, OCT_BEST_SCORE};
            break;
        case 1:
            query.prefetch = inner;
            query.prefetch_count = 2;
            break;
        case 2:
            query.kind = OCT_QUERY_RRF;
            query.as.rrf = (oct_rrf){0, NULL, 0};
            query.prefetch = inner;
            query.prefetch_count = 2;
            break;
        default:
            query.as.nearest.mmr = true;
            break;
        }
        got = ask(w, &query, 0);
        for (size_t i = 0; i < got->count; i++) {
            found = found || got->items[i].id.low == id_of(w, still).low;
            for (size_t j = 0; j < i; j++)
                CHECK(got->items[j].id.low != got->items[i].id.low);
        }
        CHECK_MSG(found || still == 0, "point %zu is not found by its own vector", still);
        oct_records_free(got);
    }
    return NULL;
}

/* Goal:   queries beside writers see every point once, and find what does not move by its own vector.
 * Method: one writer and three readers for a second; scans are shared with the pool. For TSan. Seed 55. */
TEST(queries_beside_writers_see_each_point_once)
{
    world     w;
    traffic   all[4];
    pthread_t threads[4];

    world_open(&w, OCT_EUCLID, 24000, 3, 55);
    for (size_t i = 0; i < countof(all); i++) {
        all[i] = (traffic){.w = &w, .seed = 55 + i};
        CHECK_INT(pthread_create(&threads[i], NULL, i == 0 ? write_on : ask_on, &all[i]), 0);
    }
    (void)nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    for (size_t i = 0; i < countof(all); i++)
        atomic_store(&all[i].ending, true);
    for (size_t i = 0; i < countof(all); i++)
        (void)pthread_join(threads[i], NULL);
    world_close(&w);
}
