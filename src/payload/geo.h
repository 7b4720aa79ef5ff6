/* geo.h - places on the earth: how far apart, in which box, in which polygon. Degrees and metres. */
#ifndef OCT_PAYLOAD_GEO_H
#define OCT_PAYLOAD_GEO_H

#include "base/base.h"

/* The place that a payload value is: an object whose "lon" and "lat" are numbers. */
bool geo_point_of(oct_slice value, oct_geo_point *out);

/* Along the great circle, by the haversine formula, on a sphere of 6371008.8 m (the mean radius of the GRS 80
 * ellipsoid; Moritz 2000). */
double geo_distance(const oct_geo_point *a, const oct_geo_point *b);
/* Strictly inside. */
bool geo_in_box(const oct_geo_bounding_box *box, const oct_geo_point *point);
/* Inside the exterior and in no hole. What lies on a line is outside, the line of a hole belonging to the hole.
 * Lines are straight in degrees. */
bool geo_in_polygon(const oct_geo_polygon *polygon, const oct_geo_point *point);

/* Is it a place on the earth? */
bool geo_point_is_valid(const oct_geo_point *point);
/* At least 4 points, the last equal to the first, all valid. */
bool geo_ring_is_valid(const oct_geo_ring *ring);

#endif
