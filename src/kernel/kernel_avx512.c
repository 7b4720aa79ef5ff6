/* AVX-512: two registers hold the 32 lanes of a row; a masked load pads the last block. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stddef.h>

typedef __m512 vec;
#define VEC_LANES    16u
#define ROWS_AT_ONCE 4u /* 8 chains: two FMA units, four cycles of latency */

static inline vec
vec_zero(void)
{
    return _mm512_setzero_ps();
}

static inline vec
vec_load(const float *at)
{
    return _mm512_loadu_ps(at);
}

static inline vec
vec_load_part(const float *at, size_t count)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), at);
}

static inline vec
vec_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vec
vec_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}

static inline vec
vec_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}

static inline vec
vec_abs(vec a)
{
    return _mm512_abs_ps(a);
}

static inline float
vec_sum(vec v)
{
    const __m256 sum8 = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 sum4 = _mm_add_ps(_mm256_castps256_ps128(sum8), _mm256_extractf128_ps(sum8, 1));
    const __m128 sum2 = _mm_add_ps(sum4, _mm_movehl_ps(sum4, sum4));

    return _mm_cvtss_f32(_mm_add_ss(sum2, _mm_movehdup_ps(sum2)));
}

#include "kernel/kernel_f32.h"

/* VNNI has no part in these kernels, but the file is compiled with it, so the compiler may use it. */
const kernel_table kernel_avx512 = F32_TABLE("avx512", CPU_FMA | CPU_AVX2 | CPU_AVX512 | CPU_AVX512_VNNI);
#endif
