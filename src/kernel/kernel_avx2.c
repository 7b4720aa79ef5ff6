/* AVX2 with FMA: four registers hold the 32 lanes of a row. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

typedef __m256 vec;
#define VEC_LANES    8u
#define ROWS_AT_ONCE 3u /* 12 chains in 16 registers; 2 would stall, 4 would spill (both measured slower) */

static inline vec
vec_zero(void)
{
    return _mm256_setzero_ps();
}

static inline vec
vec_load(const float *at)
{
    return _mm256_loadu_ps(at);
}

static inline vec
vec_load_part(const float *at, size_t count)
{
    static const int32_t ones_then_zeroes[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    const int32_t       *mask = ones_then_zeroes + VEC_LANES - count;

    /* What is masked out does not fault either. */
    return _mm256_maskload_ps(at, _mm256_loadu_si256((const __m256i *)(const void *)mask));
}

static inline vec
vec_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline vec
vec_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}

static inline vec
vec_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}

static inline vec
vec_abs(vec a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

static inline float
vec_sum(vec v)
{
    const __m128 sum4 = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 sum2 = _mm_add_ps(sum4, _mm_movehl_ps(sum4, sum4));

    return _mm_cvtss_f32(_mm_add_ss(sum2, _mm_movehdup_ps(sum2)));
}

#include "kernel/kernel_f32.h"

const kernel_table kernel_avx2 = F32_TABLE("avx2", CPU_FMA | CPU_AVX2);
#endif
