/* Maximal marginal relevance against picks worked out by hand and against the definition. */
#include "collection/mmr.h"

#include "collection/scorer.h"
#include "support/test.h"

static void
points_make(point_set *out, uint32_t count)
{
    CHECK_OK(points_init(out, NULL));
    CHECK_OK(points_reserve(out, count, NULL));
    for (uint32_t i = 0; i < count; i++) {
        const oct_id id = oct_id_number(1000 - i);

        CHECK_INT(points_add(out, &id), i);
    }
}

/* Goal:   the most similar first, then the best trade; scores stay; the order is that of picking.
 * Method: Dot, target (1, 0). a = (1, 0), b = (0.99, 0.1) is nearly a, c = (0.6, 0.8) is not.
 *         Diversity 0.5: after a, b is worth (0.99 - 0.99) / 2 = 0, c (0.6 - 0.6) / 2 = 0: equal, the smaller id
 *         wins, and ids fall. Diversity 0.6: b 0.4 x 0.99 - 0.6 x 0.99 < c 0.4 x 0.6 - 0.6 x 0.6: c. 0.2: b. */
TEST(mmr_trades_likeness_for_unlikeness)
{
    const float          a[] = {1, 0}, b[] = {0.99f, 0.1f}, c[] = {0.6f, 0.8f}, target[] = {1, 0};
    const float *const   vectors[] = {a, b, c};
    query_hit            hits[] = {{11, 0}, {12, 1}, {13, 2}};
    const hit_list       list = {hits, 3};
    const mmr_candidates candidates = {.hits = &list, .vectors = vectors, .distance = OCT_DOT, .dim = 2};
    static const struct {
        double   diversity;
        uint32_t second;
    } cases[] = {{0.5, 2}, {0.6, 2}, {0.2, 1}, {0.0, 1}, {1.0, 2}};
    arena     memory = {0};
    point_set points;
    hit_list  out;

    points_make(&points, 3);
    for (size_t i = 0; i < countof(cases); i++) {
        CHECK_OK(mmr_pick(&candidates, target, cases[i].diversity, 3, &points, &memory, &out, NULL));
        CHECK_INT(out.count, 3);
        CHECK_INT(out.items[0].point, 0);
        CHECK_NEAR(out.items[0].score, 11, 0, "its own score");
        CHECK_INT(out.items[1].point, cases[i].second);
        CHECK_NEAR(out.items[1].score, 11 + cases[i].second, 0, "its own score");
    }
    CHECK_OK(mmr_pick(&candidates, target, 0.5, 2, &points, &memory, &out, NULL));
    CHECK_INT(out.count, 2);
    CHECK_OK(mmr_pick(&candidates, target, 0.5, 0, &points, &memory, &out, NULL));
    CHECK_INT(out.count, 0);
    points_clear(&points);
    arena_clear(&memory);
}

/* Goal:   picking one by one with what is remembered agrees with the definition, which looks at all pairs.
 * Method: random candidates in four distances, some of them equal, seed 23. */
TEST(mmr_agrees_with_its_definition)
{
    enum { COUNT = 24, DIM = 5 };
    test_rng  rng = test_rng_seed(23);
    point_set points;

    points_make(&points, COUNT);
    for (int round = 0; round < 100; round++) {
        const oct_distance   distance = (oct_distance)(1 + test_below(&rng, 4));
        const double         diversity = (double)test_below(&rng, 11) / 10;
        const size_t         limit = test_below(&rng, COUNT + 3);
        float                stored[COUNT][DIM], target[DIM];
        const float         *vectors[COUNT];
        query_hit            hits[COUNT];
        const hit_list       list = {hits, COUNT};
        const mmr_candidates candidates = {
            .hits = &list, .vectors = vectors, .distance = distance, .dim = DIM};
        bool                 picked[COUNT] = {false};
        arena                memory = {0};
        hit_list             out;

        test_fill(&rng, target, DIM);
        for (uint32_t i = 0; i < COUNT; i++) {
            test_fill(&rng, stored[i], DIM);
            if (i > 0 && test_below(&rng, 5) == 0)
                memcpy(stored[i], stored[i - 1], sizeof stored[i]);
            vectors[i] = stored[i];
            hits[i] = (query_hit){(float)i, i};
        }
        CHECK_OK(mmr_pick(&candidates, target, diversity, limit, &points, &memory, &out, NULL));
        CHECK_INT(out.count, size_min(limit, COUNT));
        for (size_t place = 0; place < out.count; place++) {
            double   most = -INFINITY;
            uint32_t best = 0;

            for (uint32_t i = COUNT; i > 0; i--) { /* ids fall, so the smallest id comes first */
                double like = -INFINITY, worth;

                if (picked[i - 1])
                    continue;
                for (size_t p = 0; p < place; p++)
                    like = fmax(like, (double)scorer_similarity(distance, stored[out.items[p].point],
                                                                stored[i - 1], DIM));
                worth = (double)scorer_similarity(distance, target, stored[i - 1], DIM);
                if (place > 0)
                    worth = (1 - diversity) * worth - diversity * like;
                if (worth > most) {
                    most = worth;
                    best = i - 1;
                }
            }
            CHECK_INT(out.items[place].point, best);
            picked[out.items[place].point] = true;
        }
        arena_clear(&memory);
    }
    points_clear(&points);
}
