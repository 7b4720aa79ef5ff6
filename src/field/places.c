/* Places of a run within a radius, a box or a polygon. See field.h.
 *
 * Keys are Morton codes of places (extract.c): the earth as a square of degrees, cut into four again and again; all places of
 * one cut stand together in the run. From the whole square down, a cell that does not touch the rectangle around the figure is
 * passed over, a cell with few places is gone through one by one, any other is cut into four. Every place is then tested by
 * the function that filters use (payload/geo.h), so that the answer is theirs to the last bit.
 *
 * THE RECTANGLE of a radius is a bit too large: an angle r on the sphere spans r in latitude and asin(sin r / cos lat) in
 * longitude (Matuschek, "Finding points within a distance of a latitude/longitude"), all longitudes when a pole is in reach.
 * One that crosses the 180th meridian is two.
 */
#include <math.h>

#include "field/field_internal.h"
#include "payload/geo.h"

#define FEW_PLACES         32u
#define EARTH_RADIUS_M     6371008.8 /* as in payload/geo.c */
#define DEGREES_PER_RADIAN 57.29577951308232
#define SLACK_DEGREES      1e-6 /* of a rectangle, against rounding: a decimetre */

typedef struct rectangle {
    double west, east, south, north; /* inclusive */
} rectangle;

typedef struct asking {
    const field_run  *run;
    const field_test *test;
    rectangle         around;
    uint64_t         *lower, *upper;
} asking;

static bool
passes(const field_test *test, const oct_geo_point *place)
{
    switch (test->kind) {
    case TEST_RADIUS:
        return geo_distance(&test->as.radius.center, place) < test->as.radius.radius;
    case TEST_BOX:
        return geo_in_box(&test->as.box, place);
    default:
        OCT_MUST(test->kind == TEST_POLYGON);
        return geo_in_polygon(&test->as.polygon, place);
    }
}

static void
ask_places(const asking *self, uint32_t first, uint32_t end)
{
    const field_run *run = self->run;

    for (uint32_t key = first; key < end; key++) {
        const oct_geo_point *place = &run->places[key];

        if (place->lon < self->around.west || place->lon > self->around.east || place->lat < self->around.south ||
            place->lat > self->around.north || !passes(self->test, place))
            continue;
        for (uint32_t i = run->starts[key]; i < run->starts[key + 1]; i++) {
            bit_set(self->lower, run->points[i]);
            bit_set(self->upper, run->points[i]);
        }
    }
}

/* Does the cell, of which `bits` pairs of bits are given, touch the rectangle? */
static bool
touches(const rectangle *around, uint32_t lon, uint32_t lat, unsigned bits)
{
    const double width = 360.0 / (double)((uint64_t)1 << bits), height = width / 2;
    const double west = -180 + (double)lon * width - SLACK_DEGREES;
    const double south = -90 + (double)lat * height - SLACK_DEGREES;

    return west <= around->east && west + width + 2 * SLACK_DEGREES >= around->west && south <= around->north &&
           south + height + 2 * SLACK_DEGREES >= around->south;
}

/* Keys [first, end) are those of the cell (lon, lat) of `bits` pairs. As deep as there are pairs: 32. */
static void
ask_cell(const asking *self, uint32_t first, uint32_t end, uint32_t lon, uint32_t lat, unsigned bits)
{
    if (first >= end || !touches(&self->around, lon, lat, bits))
        return;
    if (end - first <= FEW_PLACES || bits == 32) {
        ask_places(self, first, end);
        return;
    }
    for (uint64_t quarter = 0; quarter < 4; quarter++) {
        const unsigned shift = 62 - 2 * bits;
        uint32_t       high = end, at = first;

        /* First key of the next quarter: those of a cell agree in all bits above. */
        while (at < high) {
            const uint32_t middle = at + (high - at) / 2;

            if ((self->run->keys[middle] >> shift & 3) <= quarter)
                at = middle + 1;
            else
                high = middle;
        }
        ask_cell(self, first, at, lon << 1 | (uint32_t)(quarter >> 1), lat << 1 | (uint32_t)(quarter & 1), bits + 1);
        first = at;
    }
}

static void
ask_rectangle(asking *self, double west, double east, double south, double north)
{
    self->around = (rectangle){west - SLACK_DEGREES, east + SLACK_DEGREES, south - SLACK_DEGREES, north + SLACK_DEGREES};
    ask_cell(self, 0, self->run->key_count, 0, 0, 0);
}

static void
ask_radius(asking *self, const oct_geo_radius *radius)
{
    const double angle = radius->radius / EARTH_RADIUS_M;
    const double reach = angle * DEGREES_PER_RADIAN * (1 + 1e-9);
    const double south = radius->center.lat - reach, north = radius->center.lat + reach;
    double       side;

    if (!(radius->radius > 0)) /* nothing is nearer than that; nor than no number */
        return;
    if (south <= -90 || north >= 90 || angle >= 1.5) {
        ask_rectangle(self, -180, 180, south, north);
        return;
    }
    side = asin(fmin(1, sin(angle) / cos(radius->center.lat / DEGREES_PER_RADIAN))) * DEGREES_PER_RADIAN * (1 + 1e-9);
    ask_rectangle(self, fmax(radius->center.lon - side, -180), fmin(radius->center.lon + side, 180), south, north);
    if (radius->center.lon - side - SLACK_DEGREES <= -180)
        ask_rectangle(self, radius->center.lon - side + 360, 180, south, north);
    if (radius->center.lon + side + SLACK_DEGREES >= 180)
        ask_rectangle(self, -180, radius->center.lon + side - 360, south, north);
}

static void
ask_polygon(asking *self, const oct_geo_polygon *polygon)
{
    const oct_geo_ring *ring = &polygon->exterior;
    rectangle           around = {180, -180, 90, -90};

    for (size_t i = 0; i < ring->count; i++) {
        around.west = fmin(around.west, ring->points[i].lon);
        around.east = fmax(around.east, ring->points[i].lon);
        around.south = fmin(around.south, ring->points[i].lat);
        around.north = fmax(around.north, ring->points[i].lat);
    }
    ask_rectangle(self, around.west, around.east, around.south, around.north);
}

void
field_run_places(const field_run *self, const field_test *test, uint64_t *lower, uint64_t *upper)
{
    asking                      all = {.run = self, .test = test, .lower = lower, .upper = upper};
    const oct_geo_bounding_box *box = &test->as.box;

    switch (test->kind) {
    case TEST_RADIUS:
        ask_radius(&all, &test->as.radius);
        break;
    case TEST_BOX:
        if (box->top_left.lon <= box->bottom_right.lon) {
            ask_rectangle(&all, box->top_left.lon, box->bottom_right.lon, box->bottom_right.lat, box->top_left.lat);
        } else {
            ask_rectangle(&all, box->top_left.lon, 180, box->bottom_right.lat, box->top_left.lat);
            ask_rectangle(&all, -180, box->bottom_right.lon, box->bottom_right.lat, box->top_left.lat);
        }
        break;
    default:
        ask_polygon(&all, &test->as.polygon);
        break;
    }
}
