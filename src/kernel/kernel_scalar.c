/* The meaning of every kernel, in C that any compiler and CPU gives the same bits for (kernel.h: canonical
 * arithmetic). The other levels are compared with this one, bit for bit; it also serves CPUs without
 * vectors, where libc's fmaf makes it slow but right.
 */
#include "kernel/kernel_codes.h"
#include "kernel/kernel_internal.h"

#include <math.h>

static float
sum_of_lanes(float lanes[KERNEL_LANES])
{
    for (size_t half = KERNEL_LANES / 2; half > 0; half /= 2) {
        for (size_t j = 0; j < half; j++)
            lanes[j] += lanes[j + half];
    }
    return kernel_one_nan(lanes[0]);
}

static inline void
dot_step(float *lane, float a, float b)
{
    *lane = fmaf(a, b, *lane);
}

static inline void
l2sq_step(float *lane, float a, float b)
{
    const float d = a - b;

    *lane = fmaf(d, d, *lane);
}

static inline void
l1_step(float *lane, float a, float b)
{
    *lane += fabsf(a - b);
}

/* The same loop around each step. The zero padding is not skipped: adding +0 turns a lane of -0 into +0. */
#define SCALAR_KERNEL(name)                                                                                  \
    static float name##_f32_scalar(const float *a, const float *b, size_t dim)                               \
    {                                                                                                        \
        const size_t padded = (dim + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES;                        \
        float        lanes[KERNEL_LANES] = {0};                                                              \
                                                                                                             \
        for (size_t i = 0; i < dim; i++)                                                                     \
            name##_step(&lanes[i % KERNEL_LANES], a[i], b[i]);                                               \
        for (size_t i = dim; i < padded; i++)                                                                \
            name##_step(&lanes[i % KERNEL_LANES], 0, 0);                                                     \
        return sum_of_lanes(lanes);                                                                          \
    }                                                                                                        \
    static void name##_f32_many_scalar(const float *query, const float *const *rows, size_t count,           \
                                       size_t dim, float *out)                                               \
    {                                                                                                        \
        for (size_t i = 0; i < count; i++)                                                                   \
            out[i] = name##_f32_scalar(query, rows[i], dim);                                                 \
    }

SCALAR_KERNEL(dot)
SCALAR_KERNEL(l2sq)
SCALAR_KERNEL(l1)

/* Rows of halves and bytes: the same loop over the floats that they stand for. */
static inline float
half_at(const void *row, size_t i)
{
    uint16_t half;

    memcpy(&half, (const char *)row + i * sizeof half, sizeof half);
    return kernel_float_of_half(half);
}

static inline float
byte_at(const void *row, size_t i)
{
    return ((const uint8_t *)row)[i];
}

#define SCALAR_NARROW(name, kind, element)                                                                   \
    static void name##_##kind##_scalar(const float *query, const void *const *rows, size_t count,            \
                                       size_t dim, float *out)                                               \
    {                                                                                                        \
        const size_t padded = (dim + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES;                        \
                                                                                                             \
        for (size_t k = 0; k < count; k++) {                                                                 \
            const void *row = rows[k];                                                                       \
            float       lanes[KERNEL_LANES] = {0};                                                           \
                                                                                                             \
            for (size_t i = 0; i < dim; i++)                                                                 \
                name##_step(&lanes[i % KERNEL_LANES], query[i], element);                                    \
            for (size_t i = dim; i < padded; i++)                                                            \
                name##_step(&lanes[i % KERNEL_LANES], 0, 0);                                                 \
            out[k] = sum_of_lanes(lanes);                                                                    \
        }                                                                                                    \
    }

SCALAR_NARROW(dot, f16, half_at(row, i))
SCALAR_NARROW(dot, u8, byte_at(row, i))
SCALAR_NARROW(dot, scaled, (byte_at(row, i) * kernel_scale_of(row, dim)))
SCALAR_NARROW(l2sq, f16, half_at(row, i))
SCALAR_NARROW(l2sq, u8, byte_at(row, i))
SCALAR_NARROW(l1, f16, half_at(row, i))
SCALAR_NARROW(l1, u8, byte_at(row, i))

static void
dot_u4_many_scalar(const int8_t *query, const uint8_t *const *rows, size_t count, size_t blocks, int32_t *out)
{
    for (size_t i = 0; i < count; i++) {
        int32_t sum = 0;

        for (size_t k = 0; k < blocks; k++) {
            const uint8_t *row = rows[i] + k * 64;
            const int8_t  *part = query + k * 128;

            for (size_t b = 0; b < 64; b++)
                sum += part[b] * (row[b] & 15) + part[64 + b] * (row[b] >> 4);
        }
        out[i] = sum;
    }
}

static void
fwht_f32_scalar(float *values, size_t count)
{
    for (size_t half = 1; half < count; half *= 2) {
        for (size_t start = 0; start < count; start += 2 * half) {
            for (size_t i = start; i < start + half; i++) {
                const float a = values[i], b = values[i + half];

                values[i] = a + b;
                values[i + half] = a - b;
            }
        }
    }
}

const kernel_table kernel_scalar = {
    .name = "scalar",
    .needs = 0,
    .dot_f32 = dot_f32_scalar,
    .l2sq_f32 = l2sq_f32_scalar,
    .l1_f32 = l1_f32_scalar,
    .dot_f32_many = dot_f32_many_scalar,
    .l2sq_f32_many = l2sq_f32_many_scalar,
    .l1_f32_many = l1_f32_many_scalar,
    .dot_narrow = {dot_f16_scalar, dot_u8_scalar, dot_scaled_scalar},
    .l2sq_narrow = {l2sq_f16_scalar, l2sq_u8_scalar},
    .l1_narrow = {l1_f16_scalar, l1_u8_scalar},
    .dot_u4_many = dot_u4_many_scalar,
    .fwht_f32 = fwht_f32_scalar,
    CODES_FIELDS,
};
