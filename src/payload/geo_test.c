/* Goal:   distances, boxes and polygons mean what geo.h says.
 * Method: known distances; boxes on both sides of the 180th meridian, edges out; random convex polygons against the
 *         half planes they are made of, and random stars against a winding number (another algorithm), seeds 3 and
 *         4. */
#include "payload/geo.h"

#include "support/test.h"

#define PI 3.14159265358979323846

static oct_slice
text(const char *value)
{
    return slice_of(value);
}

TEST(distances_are_those_on_the_mean_sphere)
{
    static const struct {
        oct_geo_point a, b;
        double        metres;
    } cases[] = {
        {{37.6173, 55.7558}, {-0.1278, 51.5074}, 2500539.4749084767}, /* Moscow, London */
        {{37.6173, 55.7558}, {13.4050, 52.5200}, 1608833.557648332},  /* Moscow, Berlin */
        {{0, 0}, {180, 0}, 6371008.8 * PI},
        {{0, 90}, {77, -90}, 6371008.8 * PI},
        {{179.5, 10}, {-179.5, 10}, 109505.73519924385},
        {{12, 34}, {12, 34}, 0},
    };

    for (size_t i = 0; i < countof(cases); i++) {
        CHECK_NEAR(geo_distance(&cases[i].a, &cases[i].b), cases[i].metres, 1e-6, "case %zu", i);
        CHECK_NEAR(geo_distance(&cases[i].b, &cases[i].a), cases[i].metres, 1e-6, "case %zu, back", i);
    }
}

TEST(boxes_end_before_their_edges_and_may_hold_the_180th_meridian)
{
    const oct_geo_bounding_box box = {{-10, 20}, {30, -5}}, wide = {{170, 20}, {-170, -5}};
    static const struct {
        oct_geo_point point;
        bool          in_box, in_wide;
    } cases[] = {
        {{0, 0}, true, false},           {{-10, 0}, false, false},  {{30, 0}, false, false},
        {{29.999, 19.999}, true, false}, {{0, 20}, false, false},   {{0, -5}, false, false},
        {{175, 0}, false, true},         {{180, 0}, false, true},   {{-180, 0}, false, true},
        {{-175, 10}, false, true},       {{170, 0}, false, false},  {{-170, 0}, false, false},
        {{169, 0}, false, false},        {{-169, 0}, false, false}, {{175, 20}, false, false},
    };

    for (size_t i = 0; i < countof(cases); i++) {
        CHECK_MSG(geo_in_box(&box, &cases[i].point) == cases[i].in_box, "case %zu", i);
        CHECK_MSG(geo_in_box(&wide, &cases[i].point) == cases[i].in_wide, "case %zu, wide", i);
    }
}

TEST(a_polygon_is_without_its_lines_and_holes)
{
    static const oct_geo_point outer[] = {{0, 0}, {10, 0}, {10, 10}, {5, 5}, {0, 10}, {0, 0}};
    static const oct_geo_point hole[] = {{2, 2}, {2, 4}, {4, 4}, {4, 2}, {2, 2}};
    const oct_geo_ring         holes[] = {{hole, countof(hole)}};
    const oct_geo_polygon      polygon = {{outer, countof(outer)}, holes, 1};
    static const struct {
        oct_geo_point point;
        bool          inside;
    } cases[] = {
        {{1, 1}, true},
        {{5, 4}, true},
        {{5, 5}, false} /* a corner */,
        {{5, 6}, false} /* the notch */,
        {{9, 9}, false},
        {{9.5, 9}, true},
        {{0.5, 9}, true},
        {{3, 3}, false} /* the hole */,
        {{2, 3}, false},
        {{4, 4}, false},
        {{5, 3}, true},
        {{1, 4}, true},
        {{0, 5}, false},
        {{5, 0}, false},
        {{10, 5}, false},
        {{11, 5}, false},
        {{-1, 5}, false},
        {{5, -1}, false},
        {{2.5, 7.5}, false} /* on the notch */,
        {{0, 0}, false},
        /* On the latitude of corners, inside and outside. */
        {{1, 5}, true},
        {{7, 5}, true},
        {{20, 5}, false},
        {{-5, 10}, false},
        {{1, 2}, true},
        {{6, 2}, true},
        {{-3, 0}, false},
        {{13, 0}, false},
    };

    for (size_t i = 0; i < countof(cases); i++)
        CHECK_MSG(geo_in_polygon(&polygon, &cases[i].point) == cases[i].inside, "case %zu: %g, %g", i,
                  cases[i].point.lon, cases[i].point.lat);
}

/* How often the ring turns round the point, by angles. */
static double
turns(const oct_geo_ring *ring, const oct_geo_point *point)
{
    double sum = 0;

    for (size_t i = 1; i < ring->count; i++) {
        const double from = atan2(ring->points[i - 1].lat - point->lat, ring->points[i - 1].lon - point->lon);
        const double to = atan2(ring->points[i].lat - point->lat, ring->points[i].lon - point->lon);
        double       step = to - from;

        while (step > PI)
            step -= 2 * PI;
        while (step < -PI)
            step += 2 * PI;
        sum += step;
    }
    return fabs(sum / (2 * PI));
}

TEST(polygons_agree_with_winding_numbers)
{
    test_rng rng = test_rng_seed(3);

    for (uint64_t round = 0; round < test_scaled(300); round++) {
        oct_geo_point   corners[24];
        const size_t    count = 3 + test_below(&rng, countof(corners) - 4);
        const bool      reversed = test_below(&rng, 2) == 0;
        oct_geo_polygon star = {{corners, count + 1}, NULL, 0};

        /* Corners at growing angles: the ring does not cross itself. */
        for (size_t i = 0; i < count; i++) {
            const double angle = 2 * PI * (double)i / (double)count * (reversed ? -1 : 1);
            const double length = 1 + 30 * fabs((double)test_float(&rng));

            corners[i] = (oct_geo_point){5 + length * cos(angle), -3 + length * sin(angle)};
        }
        corners[count] = corners[0];
        for (size_t i = 0; i < 50; i++) {
            const oct_geo_point point = {5 + 35 * (double)test_float(&rng),
                                         -3 + 35 * (double)test_float(&rng)};

            CHECK_MSG(geo_in_polygon(&star, &point) == (turns(&star.exterior, &point) > 0.5),
                      "round %llu: %.17g, %.17g", (unsigned long long)round, point.lon, point.lat);
        }
    }
}

TEST(places_are_objects_with_two_numbers)
{
    static const struct {
        const char *value;
        bool        is_place;
    } cases[] = {
        {"{\"lon\":1.5,\"lat\":-2}", true},
        {"{\"lat\":-2,\"x\":[1,{}],\"lon\":1.5}", true},
        {"{\"lon\":1.5}", false},
        {"{\"lon\":1.5,\"lat\":\"-2\"}", false},
        {"{\"lon\":true,\"lat\":1}", false},
        {"[1.5,-2]", false},
        {"{}", false},
        {"null", false},
        {"{\"lon\":1.5,\"lat\":null}", false},
        {"{\"Lon\":1.5,\"Lat\":-2}", false},
    };

    for (size_t i = 0; i < countof(cases); i++) {
        oct_geo_point place = {0};

        CHECK_MSG(geo_point_of(text(cases[i].value), &place) == cases[i].is_place, "%s", cases[i].value);
        if (cases[i].is_place)
            CHECK_MSG(place.lon == 1.5 && place.lat == -2, "%s", cases[i].value);
    }
}

TEST(rings_close_and_stay_on_the_earth)
{
    oct_geo_point points[] = {{0, 0}, {1, 0}, {1, 1}, {0, 0}};
    oct_geo_ring  ring = {points, 4};

    CHECK(geo_ring_is_valid(&ring));
    ring.count = 3;
    CHECK(!geo_ring_is_valid(&ring));
    ring.count = 4;
    points[3].lat = 0.5;
    CHECK(!geo_ring_is_valid(&ring));
    points[3].lat = 0;
    points[1].lon = 180.5;
    CHECK(!geo_ring_is_valid(&ring));
    points[1].lon = (double)NAN;
    CHECK(!geo_ring_is_valid(&ring));
}
