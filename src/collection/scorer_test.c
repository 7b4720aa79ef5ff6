/* Scores of examples against their formulas, by hand and in 64-bit floats. */
#include "collection/scorer.h"

#include "support/test.h"

/* --- by hand: vectors of one component, so that similarities are read off ------------------------------- */

/* Goal:   each kind gives what scorer.h says.
 * Method: Dot in one dimension: sim(x) = v x. Values worked out by hand. */
TEST(scores_are_what_their_formulas_say)
{
    const float        two = 2, minus = -1;
    const float *const vectors[] = {&two, &minus};
    const float        examples[] = {3, 0.5f, 1}; /* sims of 2: 6, 1, 2; of -1: -3, -0.5, -1 */
    scorer             by = {.distance = OCT_DOT, .dim = 1, .examples = examples, .example_count = 3};
    const double       weights[] = {2, 0.5, -0.25};
    float              scores[2];

    by.kind = SCORER_NEAREST;
    scorer_run(&by, (const void *const *)vectors, 2, scores);
    CHECK_NEAR(scores[0], 6, 0, "nearest");
    CHECK_NEAR(scores[1], -3, 0, "nearest");

    /* positives 3 and 0.5, negative 1: p = 6 > n = 2: half(6) = (6/7 + 1)/2. Of -1: p = -0.5 > n = -1 */
    by.kind = SCORER_BEST;
    by.positive_count = 2;
    scorer_run(&by, (const void *const *)vectors, 2, scores);
    CHECK_NEAR(scores[0], (6.0 / 7 + 1) / 2, 1e-7, "best");
    CHECK_NEAR(scores[1], (-1.0 / 3 + 1) / 2, 1e-7, "best");
    /* positive 3 alone: of -1, p = -3 < n = -0.5: -half(-0.5) */
    by.positive_count = 1;
    scorer_run(&by, (const void *const *)vectors, 2, scores);
    CHECK_NEAR(scores[1], -(-1.0 / 3 + 1) / 2, 1e-7, "best of negatives");
    by.positive_count = 0;
    scorer_run(&by, (const void *const *)vectors, 2, scores);
    CHECK_NEAR(scores[0], -(6.0 / 7 + 1) / 2, 1e-7, "only negatives");

    by.kind = SCORER_SUM;
    by.positive_count = 2;
    scorer_run(&by, (const void *const *)vectors, 2, scores);
    CHECK_NEAR(scores[0], 6 + 1 - 2, 0, "sum");
    CHECK_NEAR(scores[1], -3 - 0.5 + 1, 0, "sum");

    /* target 3, pair (0.5, 1): 2 is on the negative's side, -1 on the positive's */
    by.kind = SCORER_DISCOVER;
    scorer_run(&by, (const void *const *)vectors, 2, scores);
    CHECK_NEAR(scores[0], -1 + (6.0 / 7 + 1) / 2, 1e-7, "discover");
    CHECK_NEAR(scores[1], 1 + (-3.0 / 4 + 1) / 2, 1e-7, "discover");

    /* pair (3, 0.5): 2 is right of it, -1 lacks 2.5 and epsilon */
    by.kind = SCORER_CONTEXT;
    by.example_count = 2;
    scorer_run(&by, (const void *const *)vectors, 2, scores);
    CHECK_NEAR(scores[0], 0, 0, "context");
    CHECK_NEAR(scores[1], -2.5 / 3.5, 1e-6, "context");

    by.kind = SCORER_FEEDBACK;
    by.example_count = 3;
    by.weights = weights;
    scorer_run(&by, (const void *const *)vectors, 2, scores);
    CHECK_NEAR(scores[0], 2 * 6 + 0.5 * 1 - 0.25 * 2, 1e-6, "feedback");
}

/* Goal:   equal similarities of a pair count nothing in discover, and a little less than nothing in context. */
TEST(ties_of_a_pair_count_nothing)
{
    const float        v[] = {1, 2};
    const float *const vectors[] = {v};
    const float        examples[] = {0, 0, 1, 1, 1, 1};
    scorer             by = {
                    .kind = SCORER_DISCOVER, .distance = OCT_EUCLID, .dim = 2, .examples = examples, .example_count = 3};
    float score;

    scorer_run(&by, (const void *const *)vectors, 1, &score);
    CHECK_NEAR(score, (-5.0 / 6 + 1) / 2, 1e-7, "the target at squared distance 5");
    by.kind = SCORER_CONTEXT;
    by.example_count = 2;
    by.examples = examples + 2;
    scorer_run(&by, (const void *const *)vectors, 1, &score);
    CHECK_NEAR(score, -0x1p-23, 1e-12, "epsilon");
}

/* Goal:   infinite similarities give an order, not what is not a number. */
TEST(cancelling_infinities_come_last)
{
    const float        v[] = {3e38f, 3e38f};
    const float *const vectors[] = {v};
    const float        examples[] = {3e38f, 3e38f, 3e38f, 3e38f};
    const scorer       by = {.kind = SCORER_SUM,
                             .distance = OCT_DOT,
                             .dim = 2,
                             .examples = examples,
                             .example_count = 2,
                             .positive_count = 1};
    float              score;

    scorer_run(&by, (const void *const *)vectors, 1, &score);
    CHECK(isinf(score) && score < 0);
}

/* Goal:   pairs of feedback, gathered by item, are the sum over pairs.
 * Method: three items with scores 1, 0.5, 0.5 and b = 2: pairs (0, 1) and (0, 2) with d = 0.5. */
TEST(feedback_pairs_are_gathered_by_item)
{
    const float feedback[] = {1.0f, 0.5f, 0.5f};
    double      weights[4];

    scorer_feedback_weights(feedback, 3, 7, 2, 3, weights);
    CHECK_NEAR(weights[0], 7, 0, "a");
    CHECK_NEAR(weights[1], 2 * 0.25 * 3, 1e-12, "better than both");
    CHECK_NEAR(weights[2], -0.25 * 3, 1e-12, "worse than one");
    CHECK_NEAR(weights[3], -0.25 * 3, 1e-12, "worse than one");
}

/* --- by a model ---------------------------------------------------------------------------------------------- */

static double
similarity_model(oct_distance distance, const float *a, const float *b, size_t dim)
{
    double sum = 0;

    for (size_t j = 0; j < dim; j++) {
        const double x = a[j], y = b[j];

        sum += distance == OCT_EUCLID ? -(x - y) * (x - y) : distance == OCT_MANHATTAN ? -fabs(x - y) : x * y;
    }
    return sum;
}

static double
half_model(double x)
{
    return 0.5 * (x / (1 + fabs(x)) + 1);
}

static double
score_model(const scorer *by, const float *vector)
{
    double sims[16] = {0}, positive = -INFINITY, negative = -INFINITY, sum = 0;

    for (size_t e = 0; e < by->example_count; e++)
        sims[e] = similarity_model(by->distance, by->examples + e * by->dim, vector, by->dim);
    for (size_t e = 0; e < by->example_count; e++) {
        const bool is_positive = e < by->positive_count;

        if (is_positive)
            positive = fmax(positive, sims[e]);
        else
            negative = fmax(negative, sims[e]);
        sum += is_positive ? sims[e] : -sims[e];
    }
    switch (by->kind) {
    case SCORER_NEAREST:
        return sims[0];
    case SCORER_BEST:
        return positive > negative ? half_model(positive) : -half_model(negative);
    case SCORER_SUM:
        return sum;
    case SCORER_DISCOVER:
        sum = half_model(sims[0]);
        for (size_t e = 1; e < by->example_count; e += 2)
            sum += (sims[e] > sims[e + 1]) - (sims[e] < sims[e + 1]);
        return sum;
    case SCORER_CONTEXT:
        sum = 0;
        for (size_t e = 0; e < by->example_count; e += 2) {
            const double off = fmin(sims[e] - sims[e + 1] - 0x1p-23, 0);

            sum += off / (1 + fabs(off));
        }
        return sum;
    case SCORER_FEEDBACK:
        sum = 0;
        for (size_t e = 0; e < by->example_count; e++)
            sum += by->weights[e] * sims[e];
        return sum;
    }
    return 0;
}

/* Goal:   every kind agrees with its formula for every distance and count of vectors.
 * Method: random vectors, seed 11. Bound: sums of some tens of rounded products. */
TEST(scores_agree_with_a_model)
{
    enum { DIM = 19, EXAMPLES = 7 };
    static const oct_distance distances[] = {OCT_DOT, OCT_EUCLID, OCT_MANHATTAN};
    test_rng                  rng = test_rng_seed(11);
    float                     stored[SCORER_ROWS_MAX][DIM], examples[EXAMPLES * DIM], scores[SCORER_ROWS_MAX];
    const float              *vectors[SCORER_ROWS_MAX];
    double                    weights[EXAMPLES];

    for (int round = 0; round < 300; round++) {
        const size_t count = 1 + test_below(&rng, SCORER_ROWS_MAX);
        scorer       by = {.kind = (scorer_kind)test_below(&rng, 6),
                           .distance = distances[test_below(&rng, 3)],
                           .dim = 1 + test_below(&rng, DIM),
                           .examples = examples,
                           .weights = weights};

        by.example_count = by.kind == SCORER_NEAREST ? 1 : 1 + test_below(&rng, EXAMPLES);
        if (by.kind == SCORER_DISCOVER)
            by.example_count |= 1;
        if (by.kind == SCORER_CONTEXT)
            by.example_count = (by.example_count + 1) / 2 * 2 - (by.example_count == EXAMPLES ? 2 : 0);
        by.positive_count = test_below(&rng, by.example_count + 1);
        test_fill(&rng, examples, countof(examples));
        for (size_t i = 0; i < EXAMPLES; i++)
            weights[i] = (double)test_float(&rng);
        for (size_t i = 0; i < count; i++) {
            test_fill(&rng, stored[i], DIM);
            vectors[i] = stored[i];
        }
        scorer_run(&by, (const void *const *)vectors, count, scores);
        for (size_t i = 0; i < count; i++)
            CHECK_NEAR(scores[i], score_model(&by, stored[i]), 2e-5,
                       "kind %d, distance %d, dim %zu, %zu examples", (int)by.kind, (int)by.distance, by.dim,
                       by.example_count);
    }
}

/* Goal:   what nearest shows: the metric, without a sign on zero. */
TEST(shown_scores_are_the_metric)
{
    CHECK_NEAR(scorer_shown(OCT_EUCLID, -9), 3, 0, "a root");
    CHECK_NEAR(scorer_shown(OCT_MANHATTAN, -9), 9, 0, "a sum");
    CHECK_NEAR(scorer_shown(OCT_DOT, -9), -9, 0, "as it is");
    CHECK(!signbit(scorer_shown(OCT_EUCLID, -0.0f)) && !signbit(scorer_shown(OCT_DOT, -0.0f)));
    CHECK(!signbit(scorer_shown(OCT_MANHATTAN, 0.0f)));
}

/* Goal:   sparse vectors are compared by what they share; nearest has no score where they share nothing.
 * Method: by hand. Target {1: 2, 5: 3}; vectors {5: 4}, {2: 9}, {}, {1: 1, 2: 8, 5: -1}. */
TEST(sparse_vectors_are_scored_by_shared_indices)
{
    static const uint32_t indices[] = {1, 5, 5, 2, 1, 2, 5};
    static const float    values[] = {2, 3, 4, 9, 1, 8, -1};
    const sparse_vector   target = {indices, values, 2};
    const sparse_vector   vectors[] = {
          {indices + 2, values + 2, 1}, {indices + 3, values + 3, 1}, {indices, values, 0}, {indices + 4, values + 4, 3}};
    scorer by = {
        .kind = SCORER_NEAREST, .distance = OCT_DOT, .sparse = &target, .example_count = 1, .positive_count = 1};
    float scores[4];

    scorer_run_sparse(&by, vectors, 4, scores);
    CHECK_NEAR(scores[0], 12, 0, "one in common");
    CHECK(scores[1] == SCORER_NO_SCORE && scores[2] == SCORER_NO_SCORE);
    CHECK_NEAR(scores[3], -1, 0, "two in common");
    by.kind = SCORER_SUM;
    scorer_run_sparse(&by, vectors, 4, scores);
    CHECK_NEAR(scores[1], 0, 0, "nothing in common counts nothing in a sum");
    CHECK_NEAR(scores[3], -1, 0, "two in common");
}
