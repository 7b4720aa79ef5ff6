/* kernel_internal.h - between the files of this folder: the levels that can be compiled in. */
#ifndef OCT_KERNEL_INTERNAL_H
#define OCT_KERNEL_INTERNAL_H

#include "kernel/kernel.h"

extern const kernel_table kernel_scalar;
#if defined(__x86_64__)
extern const kernel_table kernel_avx2, kernel_avx512;
#elif defined(__aarch64__)
extern const kernel_table kernel_neon;
#endif

/* Rule 3 of the canonical arithmetic: CPUs differ in the sign and payload of the NaN they make. */
static inline float
kernel_one_nan(float value)
{
    return value == value ? value : __builtin_nanf("");
}

/* Exact; what no vector holds (infinities and what is no number) as CPUs convert it. */
static inline float
kernel_float_of_half(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16, rest = half & 0x7FFFu;
    uint32_t       bits;
    float          value;

    if (rest < 0x400u) { /* multiples of 2^-24 */
        value = (float)rest * 0x1p-24f;
        return sign != 0 ? -value : value;
    }
    bits = rest >= 0x7C00u ? 0x7F800000u | rest << 13 : (rest << 13) + ((127u - 15u) << 23);
    bits |= sign;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
