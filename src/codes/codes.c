/* See codes.h. */
#include "codes/codes.h"

#include <math.h>

#define LEVELS 16
#define TURNS  2 /* of codes and factors after the first guess; more change nothing that matters */
#define FIRST_SPAN                                                                                           \
    5.4f /* the first guess covers so many standard deviations: a Gaussian's best for 16 levels */
#define QUERY_MAX 127.0f

/* Standard deviation of an estimate for vectors of length 1: the quantisation leaves about this part of a rotated
 * vector, in a direction that has nothing to do with the query; it shrinks with the root of the dimension. Measured:
 * a residual of 0.107 at 768 components; the query's own rounding adds little. docs/design/codes.md */
#define RESIDUAL 0.115f

bool
codes_fit(uint32_t dim, oct_distance distance)
{
    return dim >= CODES_DIM_MIN && distance != OCT_MANHATTAN;
}

void
codes_init(codes *self, uint32_t dim, oct_distance distance)
{
    memset(self, 0, sizeof *self);
    self->dim = dim;
    self->padded = (dim + 127) / 128 * 128;
    self->blocks = self->padded / 128;
    self->stride = (self->padded / 2 + 16 + 63) / 64 * 64;
    self->fine_stride = self->padded / 2 + (self->padded + CODES_FINE_TAIL_OF - 1) / CODES_FINE_TAIL_OF * 64;
    self->squared_euclid = distance == OCT_EUCLID;
    self->kernel = kernel();
    /* Not `padded`: rotated zeroes are no noise. Of 64 components and 64 zeroes each rotated component comes twice. */
    self->error = RESIDUAL / sqrtf((float)self->dim);
}

/* --- rotation ------------------------------------------------------------------------------------- */

#define SIGNS_AT_ONCE 1024u

/* Sign of component `index` in turn `turn`: a bit of a hash, so that nothing has to be stored. */
static void
flip_signs(const codes *self, float *values, size_t first, size_t count, uint64_t turn)
{
    uint64_t bits[SIGNS_AT_ONCE / 64];

    for (size_t i = 0; i < count; i += SIGNS_AT_ONCE) {
        const size_t some = size_min(SIGNS_AT_ONCE, count - i);

        for (size_t j = 0; j < some; j += 64)
            bits[j / 64] = mix64(turn << 32 | (first + i + j));
        self->kernel->flip_f32(values + i, bits, some);
    }
}

static void
mix(const codes *self, float *values, size_t first, size_t count, uint64_t turn)
{
    flip_signs(self, values + first, first, count, turn);
    self->kernel->fwht_f32(values + first, count);
    self->kernel->scale_f32(values + first, 1.0f / sqrtf((float)count), count);
}

static void
rotate(const codes *self, const float *vector, float *out)
{
    size_t power = 128;

    while (power * 2 <= self->padded)
        power *= 2;
    memcpy(out, vector, self->dim * sizeof *out);
    memset(out + self->dim, 0, (self->padded - self->dim) * sizeof *out);
    mix(self, out, 0, power, 1);
    if (power < self->padded)
        mix(self, out, self->padded - power, power, 2);
}

/* --- encoding ------------------------------------------------------------------------------------------ */

void
codes_encode(const codes *self, const float *vector, float *scratch, uint8_t *code)
{
    const size_t count = self->padded;
    const float  n = (float)count;
    float       *values = scratch, *levels = scratch + count;
    float        sum, squared, mean, deviation, scale, offset;
    float        level_sum = 0;

    rotate(self, vector, values);
    for (size_t i = 0; i < count; i++)
        levels[i] = 1.0f;
    sum = self->kernel->dot_f32(values, levels, count);
    squared = self->kernel->dot_f32(values, values, count);
    mean = sum / n;
    deviation = squared / n > mean * mean ? sqrtf(squared / n - mean * mean) : 0.0f;
    scale = FIRST_SPAN * deviation / (LEVELS - 1);
    offset = mean - FIRST_SPAN * 0.5f * deviation;
    if (!(scale > 1e-30f)) /* all components alike */
        scale = 1.0f;
    for (size_t turn = 0; turn <= TURNS; turn++) {
        float level_squared, product, spread;

        self->kernel->levels_u4(values, count, 1.0f / scale, offset, levels);
        level_squared = self->kernel->dot_f32(levels, levels, count);
        product = self->kernel->dot_f32(values, levels, count);
        level_sum = 0;
        for (size_t i = 0; i < count; i++)
            level_sum += levels[i]; /* small integers: exact in any order */
        /* Least squares: the straight line from levels to values. */
        spread = n * level_squared - level_sum * level_sum;
        if (!(spread > 0.0f))
            break;
        scale = (n * product - level_sum * sum) / spread;
        offset = (sum - scale * level_sum) / n;
        if (!(scale > 1e-30f)) {
            scale = 1.0f;
            break;
        }
    }
    memset(code, 0, self->stride);
    self->kernel->pack_u4(levels, self->blocks, code);
    {
        const uint32_t code_sum = (uint32_t)level_sum;
        uint8_t       *factors = code + self->padded / 2;

        memcpy(factors, &scale, 4);
        memcpy(factors + 4, &offset, 4);
        memcpy(factors + 8, &code_sum, 4);
        memcpy(factors + 12, &squared, 4);
    }
}

/* --- estimating ---------------------------------------------------------------------------------------------- */

void
codes_query_vector(const codes *self, const float *vector, float *scratch, codes_query *out)
{
    const size_t count = self->padded;
    float       *values = scratch;
    float        largest;
    int32_t      sum;

    rotate(self, vector, values);
    out->squared = self->kernel->dot_f32(values, values, count);
    largest = self->kernel->max_abs_f32(values, count);
    out->scale = largest > 1e-30f ? largest / QUERY_MAX : 1.0f;
    sum = self->kernel->round_i8(values, count, 1.0f / out->scale, out->values);
    out->offset = 0;
    out->sum = (float)sum;
}

void
codes_query_code(const codes *self, const uint8_t *code, codes_query *out)
{
    const uint8_t *factors = code + self->padded / 2;
    uint32_t       sum;

    self->kernel->unpack_u4(code, self->blocks, out->values);
    memcpy(&out->scale, factors, 4);
    memcpy(&out->offset, factors + 4, 4);
    memcpy(&sum, factors + 8, 4);
    memcpy(&out->squared, factors + 12, 4);
    out->sum = (float)sum;
}

float
codes_squared(const codes *self, const uint8_t *code)
{
    float squared;

    memcpy(&squared, code + self->padded / 2 + 12, 4);
    return squared;
}

void
codes_distances(const codes *self, const codes_query *query, const uint8_t *const *rows, size_t count,
                int32_t *sums, float *out)
{
    const float n = (float)self->padded;

    self->kernel->dot_u4_many(query->values, rows, count, self->blocks, sums);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *factors = rows[i] + self->padded / 2;
        float          scale, offset, squared, product;
        uint32_t       code_sum;

        memcpy(&scale, factors, 4);
        memcpy(&offset, factors + 4, 4);
        memcpy(&code_sum, factors + 8, 4);
        memcpy(&squared, factors + 12, 4);
        /* sum over j of (qo + qs q_j)(offset + scale c_j) */
        product = query->scale * (scale * (float)sums[i] + offset * query->sum);
        if (query->offset != 0.0f)
            product += query->offset * (n * offset + scale * (float)code_sum);
        product = self->squared_euclid ? query->squared + squared - 2.0f * product : -product;
        out[i] =
            product == product ? product : INFINITY; /* what is no number, after an overflow, comes last */
    }
}
