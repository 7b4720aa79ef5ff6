/* AArch64 NEON: eight registers hold the 32 lanes of a row. */
#if defined(__aarch64__)
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

static inline void
vec_store(float *at, vec v)
{
    vst1q_f32(at, v);
}

static inline vec
vec_mul(vec a, vec b)
{
    return vmulq_f32(a, b);
}

static inline vec
vec_set(float value)
{
    return vdupq_n_f32(value);
}

static inline vec
vec_load_f16(const void *at)
{
    uint16_t halves[VEC_LANES];

    memcpy(halves, at, sizeof halves);
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves)));
}

static inline vec
vec_load_u8(const void *at)
{
    uint32_t word;

    memcpy(&word, at, sizeof word);
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(word)))));
}

static inline vec
vec_load_f16_part(const void *at, size_t count)
{
    uint16_t part[VEC_LANES] = {0};

    memcpy(part, at, count * sizeof part[0]);
    return vec_load_f16(part);
}

static inline vec
vec_load_u8_part(const void *at, size_t count)
{
    uint8_t part[VEC_LANES] = {0};

    memcpy(part, at, count);
    return vec_load_u8(part);
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

static inline vec
vec_butterflies(vec v)
{
    static const uint32_t odd[4] = {0, UINT32_MAX, 0, UINT32_MAX}, upper[4] = {0, 0, UINT32_MAX, UINT32_MAX};
    vec                   other = vrev64q_f32(v);

    v = vbslq_f32(vld1q_u32(odd), vsubq_f32(other, v), vaddq_f32(v, other));
    other = vextq_f32(v, v, 2);
    return vbslq_f32(vld1q_u32(upper), vsubq_f32(other, v), vaddq_f32(v, other));
}

/* Sixteen codes a step, signed bytes by signed bytes into 16 bits, pairs of those into 32. */
static inline int32x4_t
u4_step(int32x4_t sum, uint8x16_t codes, const int8_t *query)
{
    const int8x16_t c = vreinterpretq_s8_u8(codes), q = vld1q_s8(query);

    sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(c), vget_low_s8(q)));
    return vpadalq_s16(sum, vmull_high_s8(c, q));
}

static void
dot_u4_many(const int8_t *query, const uint8_t *const *rows, size_t count, size_t blocks, int32_t *out)
{
    for (size_t i = 0; i < count; i++) {
        int32x4_t sum = vdupq_n_s32(0);

        for (size_t k = 0; k < blocks; k++) {
            for (size_t b = 0; b < 64; b += 16) {
                const uint8x16_t codes = vld1q_u8(rows[i] + k * 64 + b);

                sum = u4_step(sum, vandq_u8(codes, vdupq_n_u8(15)), query + k * 128 + b);
                sum = u4_step(sum, vshrq_n_u8(codes, 4), query + k * 128 + 64 + b);
            }
        }
        out[i] = vaddvq_s32(sum);
    }
}

#include "kernel/kernel_codes.h"
#include "kernel/kernel_f32.h"
#include "kernel/kernel_narrow.h"

const kernel_table kernel_neon = F32_TABLE("neon", CPU_NEON);
#endif
