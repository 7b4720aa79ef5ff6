/* See sketch.h. */
#include "codes/sketch.h"

#include <math.h>

#define LEVEL_MIDDLE 1.5f /* of levels 0 to 3 */
#define LEVEL_GAIN                                                                                           \
    1.1325f /* four levels a deviation apart hold 0.883 of what a Gaussian has in its own direction, by integration */

void
sketch_make(const codes *self, const uint8_t *code, int8_t *values, uint8_t *out)
{
    const uint8_t *factors = code + self->padded / 2;
    float          scale, offset, squared, size = 0, set = 0, factor;

    memcpy(&scale, factors, 4);
    memcpy(&offset, factors + 4, 4);
    memcpy(&squared, factors + 12, 4);
    self->kernel->unpack_u4(code, self->blocks, values);
    memset(out, 0, sketch_stride(self));
    for (uint32_t j = 0; j < self->padded; j++) {
        const float component = scale * (float)values[j] + offset;

        size += fabsf(component);
        if (component > 0) {
            out[j / 8] |= (uint8_t)(1u << j % 8);
            set += 1;
        }
    }
    factor = size > 0 ? squared / size : 0.0f;
    memcpy(out + self->padded / 8, &factor, 4);
    memcpy(out + self->padded / 8 + 4, &set, 4);
    memcpy(out + self->padded / 8 + 8, &squared, 4);
}

/* Levels are parted at zero and at one standard deviation to either side, and a deviation apart: what is left then is the
 * least that four levels can leave of a Gaussian. */
void
sketch_query_code(const codes *self, const codes_query *query, sketch_query *out)
{
    const float  n = (float)self->padded;
    const float  deviation = rintf(sqrtf(query->squared / n) / query->scale);
    const int8_t part = deviation >= 1.0f ? (int8_t)(deviation < 127.0f ? deviation : 127.0f) : 1;
    uint32_t     levels;

    memset(out->planes, 0, sketch_plane_bytes(self));
    levels = self->kernel->planes_i8(query->values, self->blocks, part, out->planes, out->planes + sketch_stride(self));
    out->step = LEVEL_GAIN * (float)part * query->scale;
    out->middle = (float)levels - LEVEL_MIDDLE * n;
    out->squared = query->squared;
}

void
sketch_distances(const codes *self, const sketch_query *query, const uint8_t *rows, size_t count, float *out)
{
    const size_t stride = sketch_stride(self);
    int32_t      shared[SKETCH_MANY];

    OCT_MUST(count <= SKETCH_MANY);
    self->kernel->shared_bits(query->planes, rows, stride, count, shared);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *factors = rows + i * stride + self->padded / 8;
        float          factor, set, squared, product;

        memcpy(&factor, factors, 4);
        memcpy(&set, factors + 4, 4);
        memcpy(&squared, factors + 8, 4);
        /* f times the sum of q_j sign(x_j): twice those where the bit is set, less all. */
        product = factor * (query->step * (2.0f * ((float)shared[i] - LEVEL_MIDDLE * set) - query->middle));
        product = self->squared_euclid ? query->squared + squared - 2.0f * product : -product;
        out[i] = product == product ? product : INFINITY;
    }
}
