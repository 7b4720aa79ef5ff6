/* See geo.h. */
#include "payload/geo.h"

#include <math.h>

#include "payload/scan.h"
#include "payload/value.h"

#define EARTH_RADIUS_M     6371008.8
#define RADIANS_PER_DEGREE 0.017453292519943295
#define RING_POINTS_MIN    4u

bool
geo_point_of(oct_slice value, oct_geo_point *out)
{
    bool      has_lon = false, has_lat = false;
    oct_slice key, item;
    scan      items;

    if (!scan_is_object(value))
        return false;
    items = scan_open(value);
    while (scan_member(&items, &key, &item)) {
        if (slice_is(key, "lon"))
            has_lon = value_number(item, &out->lon);
        else if (slice_is(key, "lat"))
            has_lat = value_number(item, &out->lat);
    }
    return has_lon && has_lat;
}

double
geo_distance(const oct_geo_point *a, const oct_geo_point *b)
{
    const double lat_a = a->lat * RADIANS_PER_DEGREE, lat_b = b->lat * RADIANS_PER_DEGREE;
    const double sin_lat = sin((lat_b - lat_a) / 2);
    const double sin_lon = sin((b->lon - a->lon) * RADIANS_PER_DEGREE / 2);
    const double h = sin_lat * sin_lat + cos(lat_a) * cos(lat_b) * sin_lon * sin_lon;

    return 2 * EARTH_RADIUS_M * asin(fmin(1.0, sqrt(h))); /* rounding can take antipodes above 1 */
}

bool
geo_in_box(const oct_geo_bounding_box *box, const oct_geo_point *point)
{
    const double left = box->top_left.lon, right = box->bottom_right.lon;
    const bool   between =
        left > right ? point->lon > left || point->lon < right : point->lon > left && point->lon < right;

    return between && point->lat < box->top_left.lat && point->lat > box->bottom_right.lat;
}

typedef enum place { OUTSIDE, ON_LINE, INSIDE } place;

/* A ray to the east crosses the ring an odd number of times from inside. A line counts for the latitudes from its lower
 * end up to, and without, its upper one, so that a corner on the ray counts once. */
static place
place_in_ring(const oct_geo_ring *ring, const oct_geo_point *point)
{
    bool inside = false;

    for (size_t i = 1; i < ring->count; i++) {
        const oct_geo_point *a = &ring->points[i - 1], *b = &ring->points[i];
        /* Twice the area of the triangle: on which side of the line from a to b the point lies. */
        const double side =
            (b->lon - a->lon) * (point->lat - a->lat) - (b->lat - a->lat) * (point->lon - a->lon);

        if (side == 0 && point->lon >= fmin(a->lon, b->lon) && point->lon <= fmax(a->lon, b->lon) &&
            point->lat >= fmin(a->lat, b->lat) && point->lat <= fmax(a->lat, b->lat))
            return ON_LINE;
        if ((a->lat > point->lat) != (b->lat > point->lat) && (side > 0) == (b->lat > a->lat))
            inside = !inside;
    }
    return inside ? INSIDE : OUTSIDE;
}

bool
geo_in_polygon(const oct_geo_polygon *polygon, const oct_geo_point *point)
{
    if (place_in_ring(&polygon->exterior, point) != INSIDE)
        return false;
    for (size_t i = 0; i < polygon->interior_count; i++) {
        if (place_in_ring(&polygon->interiors[i], point) != OUTSIDE)
            return false;
    }
    return true;
}

bool
geo_point_is_valid(const oct_geo_point *point)
{
    return point->lon >= -180 && point->lon <= 180 && point->lat >= -90 && point->lat <= 90;
}

bool
geo_ring_is_valid(const oct_geo_ring *ring)
{
    if (ring->count < RING_POINTS_MIN)
        return false;
    for (size_t i = 0; i < ring->count; i++) {
        if (!geo_point_is_valid(&ring->points[i]))
            return false;
    }
    return ring->points[0].lon == ring->points[ring->count - 1].lon &&
           ring->points[0].lat == ring->points[ring->count - 1].lat;
}
