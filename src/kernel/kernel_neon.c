/* AArch64 NEON: eight registers hold the 32 lanes of a row. */
#if defined(__aarch64__)
#include <arm_neon.h>
#include <stddef.h>

typedef float32x4_t vec;
#define VEC_LANES    4u
#define ROWS_AT_ONCE 2u /* 16 chains: four FMA units (Neoverse V1) of four cycles; chosen, not measured */

static inline vec
vec_zero(void)
{
    return vdupq_n_f32(0);
}

static inline vec
vec_load(const float *at)
{
    return vld1q_f32(at);
}

static inline vec
vec_load_part(const float *at, size_t count)
{
    vec v = vec_zero();

    if (count == VEC_LANES)
        return vld1q_f32(at);
    if (count > 0)
        v = vld1q_lane_f32(at, v, 0);
    if (count > 1)
        v = vld1q_lane_f32(at + 1, v, 1);
    if (count > 2)
        v = vld1q_lane_f32(at + 2, v, 2);
    return v;
}

static inline vec
vec_fma(vec a, vec b, vec c)
{
    return vfmaq_f32(c, a, b);
}

static inline vec
vec_add(vec a, vec b)
{
    return vaddq_f32(a, b);
}

static inline vec
vec_sub(vec a, vec b)
{
    return vsubq_f32(a, b);
}

static inline vec
vec_abs(vec a)
{
    return vabsq_f32(a);
}

static inline float
vec_sum(vec v)
{
    const float32x2_t sum2 = vadd_f32(vget_low_f32(v), vget_high_f32(v));

    return vget_lane_f32(sum2, 0) + vget_lane_f32(sum2, 1);
}

#include "kernel/kernel_f32.h"

const kernel_table kernel_neon = F32_TABLE("neon", CPU_NEON);
#endif
