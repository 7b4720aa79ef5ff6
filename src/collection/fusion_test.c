/* Fusion of lists against sums worked out by hand, and lists of hits. */
#include "collection/fusion.h"

#include "support/test.h"

/* Points 0 .. count-1 with ids that fall as the numbers rise: a tie by number would show. */
static void
points_make(point_set *out, uint32_t count)
{
    CHECK_OK(points_init(out, NULL));
    CHECK_OK(points_reserve(out, count, NULL));
    for (uint32_t i = 0; i < count; i++) {
        const oct_id id = oct_id_number(100 - i);

        CHECK_INT(points_add(out, &id), i);
    }
}

static void
check_hits(const hit_list *got, const query_hit *want, size_t count)
{
    CHECK_INT(got->count, count);
    for (size_t i = 0; i < count && i < got->count; i++) {
        CHECK_INT(got->items[i].point, want[i].point);
        CHECK_NEAR(got->items[i].score, want[i].score, 1e-7, "place %zu", i);
    }
}

/* Goal:   a point's score is the sum of 1 / ((place + 1) / weight + k - 1), ties by id, whatever the lists' scores.
 * Method: two lists of three and two, worked out by hand for the default k, another k, and weights. */
TEST(rrf_adds_by_place)
{
    query_hit      first[] = {{9, 1}, {8, 2}, {7, 3}}, second[] = {{0.2f, 3}, {0.1f, 4}};
    const hit_list lists[] = {{first, 3}, {second, 2}, {NULL, 0}};
    const float    weights[] = {2.0f, 0.5f, 1.0f}, odd[] = {0.0f, -1.0f, 1.0f};
    /* k = 2: places give 1/2, 1/3, 1/4; point 3 has 1/4 + 1/2. Points 2 (id 98) and 4 (id 96) tie. */
    const query_hit plain[] = {{0.75f, 3}, {0.5f, 1}, {1.0f / 3, 4}, {1.0f / 3, 2}};
    /* k = 1: 1, 1/2, 1/3 */
    const query_hit one[] = {{4.0f / 3, 3}, {1.0f, 1}, {0.5f, 4}, {0.5f, 2}};
    /* k = 2, weights 2 and 1/2: 1/(1/2 + 1), 1/(2/2 + 1), 1/(3/2 + 1); 1/(2 + 1), 1/(4 + 1) */
    const query_hit weighted[] = {{0.4f + 1.0f / 3, 3}, {2.0f / 3, 1}, {0.5f, 2}, {0.2f, 4}};
    const query_hit nothing[] = {{0, 4}, {0, 3}, {0, 2}, {0, 1}};
    arena           memory = {0};
    point_set       points;
    hit_list        out;

    points_make(&points, 5);
    CHECK_OK(fusion_rrf(lists, 3, 0, NULL, &points, &memory, &out, NULL));
    check_hits(&out, plain, 4);
    CHECK_OK(fusion_rrf(lists, 3, 1, NULL, &points, &memory, &out, NULL));
    check_hits(&out, one, 4);
    CHECK_OK(fusion_rrf(lists, 3, 2, weights, &points, &memory, &out, NULL));
    check_hits(&out, weighted, 4);
    CHECK_OK(fusion_rrf(lists, 3, 2, odd, &points, &memory, &out, NULL));
    check_hits(&out, nothing, 4);
    CHECK_OK(fusion_rrf(NULL, 0, 0, NULL, &points, &memory, &out, NULL));
    check_hits(&out, NULL, 0);
    points_clear(&points);
    arena_clear(&memory);
}

/* Goal:   scores are placed within three sample deviations of their list's mean, lists without spread give 1/2.
 * Method: 1, 2, 3 has mean 2 and deviation 1, so 2/6, 3/6, 4/6; one hit; equal hits; none. */
TEST(dbsf_adds_by_score)
{
    query_hit spread[] = {{3, 0}, {2, 1}, {1, 2}}, single[] = {{123, 2}}, equal[] = {{0.1f, 3}, {0.1f, 1}};
    const hit_list  lists[] = {{spread, 3}, {NULL, 0}, {single, 1}, {equal, 2}};
    const query_hit want[] = {{1.0f, 1}, {1.0f / 3 + 0.5f, 2}, {2.0f / 3, 0}, {0.5f, 3}};
    arena           memory = {0};
    point_set       points;
    hit_list        out;

    points_make(&points, 5);
    CHECK_OK(fusion_dbsf(lists, 4, &points, &memory, &out, NULL));
    check_hits(&out, want, 4);
    points_clear(&points);
    arena_clear(&memory);
}

/* Goal:   infinite scores have an order too: what is not a number comes last. */
TEST(infinite_scores_are_ordered)
{
    query_hit      wild[] = {{INFINITY, 0}, {1, 1}, {-INFINITY, 2}}, tame[] = {{5, 3}};
    const hit_list lists[] = {{wild, 3}, {tame, 1}};
    arena          memory = {0};
    point_set      points;
    hit_list       out;

    points_make(&points, 5);
    CHECK_OK(fusion_dbsf(lists, 2, &points, &memory, &out, NULL));
    CHECK_INT(out.count, 4);
    CHECK_INT(out.items[0].point, 3);
    points_clear(&points);
    arena_clear(&memory);
}

/* Goal:   numbers of lists are merged, sorted and found.
 * Method: against a bitmap, random numbers, seed 3. */
TEST(point_numbers_are_a_set)
{
    test_rng rng = test_rng_seed(3);

    for (int round = 0; round < 200; round++) {
        query_hit      hits[2][40];
        bool           there[64] = {false};
        const hit_list lists[] = {{hits[0], test_below(&rng, 40)}, {hits[1], test_below(&rng, 40)}};
        uint32_t       numbers[80];
        size_t         count, distinct = 0;

        for (size_t l = 0; l < 2; l++) {
            for (size_t i = 0; i < lists[l].count; i++) {
                hits[l][i] = (query_hit){0, (uint32_t)test_below(&rng, 64)};
                there[hits[l][i].point] = true;
            }
        }
        for (size_t i = 0; i < countof(there); i++)
            distinct += there[i];
        CHECK_INT(hits_total(lists, 2), lists[0].count + lists[1].count);
        count = hits_points(lists, 2, numbers);
        CHECK_INT(count, distinct);
        for (uint32_t i = 0; i < countof(there); i++)
            CHECK_INT(point_numbers_have(numbers, count, i), there[i]);
        for (size_t i = 1; i < count; i++)
            CHECK(numbers[i - 1] < numbers[i]);
    }
}
