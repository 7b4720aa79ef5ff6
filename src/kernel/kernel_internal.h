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

#endif
