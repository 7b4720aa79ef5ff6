/* sketch.h - a bit a component: what an entry is chosen by.
 *
 * WHY      A walk may begin anywhere near its query. To find such a place among some hundred rows the signs of their
 *          (rotated) components do: 96 bytes of 768 components, so that the rows' sketches lie in the second-level cache, one
 *          behind the other, and a scan of 244 takes less than a hop along links that have to be waited for.
 * HOW      x ~ f * sign(x), f = |x|^2 / sum |x_j|, which makes the estimate of a product right on average (RaBitQ, Gao and Long,
 *          arXiv:2405.12497). The query has four levels, as two planes of bits: of each, the bits that it shares with a
 *          sketch are counted. Standard deviation of an estimate: 0.84 / sqrt(D) times both lengths, 0.03 for unit vectors of
 *          768 components - a seventh of a code's bytes and seven times its error. Too much to walk by: docs/decisions/.
 *          A sketch is made from a code, never saved.
 * EXACT    Integers and single float operations in one order: the same bits on every CPU.
 * LAYOUT   of a sketch; the stride is a multiple of 64:
 *              offset size  meaning
 *                   0  D/8  bit j of byte j / 8: component j is above zero
 *                 D/8    4  f (float)
 *                        4  how many bits are set (float)
 *                        4  squared length (float)
 *                           zeroes
 */
#ifndef OCT_SKETCH_H
#define OCT_SKETCH_H

#include "codes/codes.h"

#define SKETCH_MANY 64u /* sketches compared in one call */

/* Owned by the caller: `planes` has sketch_plane_bytes, aligned to 64. */
typedef struct sketch_query {
    uint8_t *planes; /* first the lower bit of each component's level, then the higher */
    float    step;   /* from one level to the next */
    float    middle; /* the sum of all levels, less those of a vector of zeroes */
    float    squared;
} sketch_query;

static inline size_t
sketch_stride(const codes *self)
{
    return (self->padded / 8 + 12 + 63) / 64 * 64;
}

static inline size_t
sketch_plane_bytes(const codes *self)
{
    return 2 * sketch_stride(self);
}

/* `values` is scratch of self->padded bytes, aligned to 64; `out` has sketch_stride bytes. */
void sketch_make(const codes *self, const uint8_t *code, int8_t *values, uint8_t *out);
void sketch_query_code(const codes *self, const codes_query *query, sketch_query *out);
/* Estimates of the distances to `count` sketches, at most SKETCH_MANY, that lie one behind the other. */
void sketch_distances(const codes *self, const sketch_query *query, const uint8_t *rows, size_t count, float *out);

#endif
