/* The second row of a code: see codes.h, FINE.
 *
 * WHAT     A level of the code is split in sixteen. For a component x with level c,
 *              x ~ offset + scale (c + (f - 7.5) / 16),   f in 0..15,
 *          so that a dot product gains one more product of the same kernel:
 *              estimate += query scale * scale / 16 * (sum q f - 7.5 sum q).
 * BEYOND   The sixteen levels of the code end where a few components of any vector lie beyond (one in 135 of Gaussian ones), as
 *          they must to be close for all others. Split levels alone would leave what those are too short by: 0.029 of the
 *          vector's length, where splitting gets the rest down to 0.006. So the furthest are kept by number, with what is
 *          missing: with four of 768 components it is 0.007, with all 0.0064. (Gaussian noise, 768 components.)
 * ERROR    is known for each row: the length of what is left is stored, its direction has nothing to do with the query. What
 *          the query loses to its own rounding is as large, and is added.
 */
#include <math.h>

#include "codes/codes.h"

#define FINE_LEVELS 16.0f
#define FINE_MIDDLE 7.5f /* of 0 to 15 */
#define FAR_MAX     (OCT_DIM_MAX / CODES_FINE_TAIL_OF * 16u) /* more than any tail has room for */
#define STEPS_MAX   32767.0f

/* A component beyond the outer levels. */
typedef struct far_component {
    uint32_t index;
    float    steps; /* sixteenths of a level that it lies further, a whole number */
} far_component;

static inline size_t
far_room(const codes *self)
{
    return (self->fine_stride - self->padded / 2) / 4 - 1;
}

/* The components of `left`, in sixteenths of `step`, that fine levels missed; the furthest if there is no room for all. By
 * index. */
static size_t
choose_far(const codes *self, const float *left, float step, far_component *out)
{
    const size_t room = far_room(self);
    const float  bound = step * 0.75f, inverse = 1.0f / step;
    size_t       count = 0;

    for (uint32_t i = 0; i < self->padded; i++) {
        float steps;

        if (!(fabsf(left[i]) > bound)) /* neither is what is no number */
            continue;
        steps = left[i] * inverse;
        steps = rintf(steps > STEPS_MAX ? STEPS_MAX : steps < -STEPS_MAX ? -STEPS_MAX : steps);
        if (count == room) {
            size_t least = 0;

            for (size_t j = 1; j < count; j++) {
                if (fabsf(out[j].steps) < fabsf(out[least].steps))
                    least = j;
            }
            if (fabsf(steps) <= fabsf(out[least].steps))
                continue;
            memmove(&out[least], &out[least + 1], (count - least - 1) * sizeof *out);
            count--;
        }
        out[count++] = (far_component){i, steps};
    }
    return count;
}

void
codes_encode_fine(const codes *self, float *scratch, const uint8_t *code, uint8_t *fine)
{
    const size_t  count = self->padded;
    float        *left = scratch, *levels = scratch + count; /* the rotated vector and its levels, as codes_encode left them */
    uint8_t      *tail = fine + count / 2;
    far_component far_ones[FAR_MAX];
    size_t        far_count;
    float         scale, offset, step, length;

    OCT_MUST(far_room(self) <= FAR_MAX);
    memcpy(&scale, code + count / 2, 4);
    memcpy(&offset, code + count / 2 + 4, 4);
    step = scale / FINE_LEVELS;
    for (size_t i = 0; i < count; i++)
        left[i] -= offset + scale * levels[i];
    self->kernel->levels_u4(left, count, 1.0f / step, -FINE_MIDDLE * step, levels);
    for (size_t i = 0; i < count; i++)
        left[i] -= step * (levels[i] - FINE_MIDDLE);
    far_count = choose_far(self, left, step, far_ones);
    memset(fine, 0, self->fine_stride);
    self->kernel->pack_u4(levels, self->blocks, fine);
    for (size_t i = 0; i < far_count; i++) {
        const uint16_t index = (uint16_t)far_ones[i].index;
        const int16_t  steps = (int16_t)far_ones[i].steps;

        left[index] -= step * far_ones[i].steps;
        memcpy(tail + 4 + 4 * i, &index, 2);
        memcpy(tail + 6 + 4 * i, &steps, 2);
    }
    length = sqrtf(self->kernel->dot_f32(left, left, count));
    memcpy(tail, &length, 4);
}

/* What the components beyond the levels add, in sixteenths of a level. */
static int64_t
far_sum(const codes *self, const codes_query *query, const uint8_t *tail)
{
    const size_t room = far_room(self);
    int64_t      sum = 0;

    for (size_t i = 0; i < room; i++) {
        uint16_t index;
        int16_t  steps;

        memcpy(&index, tail + 4 + 4 * i, 2);
        memcpy(&steps, tail + 6 + 4 * i, 2);
        if (steps == 0)
            break;
        if (index < self->padded) /* it came from a file */
            sum += query->values[index] * steps;
    }
    return sum;
}

float
codes_refined_error(const codes *self, const codes_query *query, const uint8_t *row, const uint8_t *fine)
{
    /* A rounded component of the query is off by at most half its scale, evenly: a variance of a twelfth of the square. */
    const float rounding = query->scale * query->scale / 12.0f * (float)self->padded;
    float       length, error;

    memcpy(&length, fine + self->padded / 2, 4);
    error = sqrtf((query->squared * length * length + rounding * codes_squared(self, row)) / (float)self->dim);
    return self->squared_euclid ? 2.0f * error : error;
}

void
codes_refine(const codes *self, const codes_query *query, const uint8_t *const *rows, const uint8_t *const *fine, size_t count,
             int32_t *sums, float *distances)
{
    const float   times = self->squared_euclid ? 2.0f : 1.0f;
    const int64_t middles = (int64_t)(2 * FINE_MIDDLE) * (int64_t)query->sum;

    self->kernel->dot_u4_many(query->values, fine, count, self->blocks, sums);
    for (size_t i = 0; i < count; i++) {
        /* Twice everything, so that 7.5 is a whole number. */
        const int64_t steps = 2 * (sums[i] + far_sum(self, query, fine[i] + self->padded / 2)) - middles;
        float         scale;

        memcpy(&scale, rows[i] + self->padded / 2, 4);
        distances[i] -= times * (query->scale * (scale / (2 * FINE_LEVELS)) * (float)steps);
        if (distances[i] != distances[i])
            distances[i] = INFINITY;
    }
}
