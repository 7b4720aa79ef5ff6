/* AVX2 with FMA: four registers hold the 32 lanes of a row. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

static inline void
vec_store(float *at, vec v)
{
    _mm256_storeu_ps(at, v);
}

static inline vec
vec_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}

static inline vec
vec_set(float value)
{
    return _mm256_set1_ps(value);
}

static inline vec
vec_load_f16(const void *at)
{
    return _mm256_cvtph_ps(_mm_loadu_si128(at));
}

static inline vec
vec_load_u8(const void *at)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(at)));
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
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

static inline float
vec_sum(vec v)
{
    const __m128 sum4 = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 sum2 = _mm_add_ps(sum4, _mm_movehl_ps(sum4, sum4));

    return _mm_cvtss_f32(_mm_add_ss(sum2, _mm_movehdup_ps(sum2)));
}

static inline vec
vec_butterflies(vec v)
{
    vec other = _mm256_permute_ps(v, 0xB1);

    v = _mm256_blend_ps(_mm256_add_ps(v, other), _mm256_sub_ps(other, v), 0xAA);
    other = _mm256_permute_ps(v, 0x4E);
    v = _mm256_blend_ps(_mm256_add_ps(v, other), _mm256_sub_ps(other, v), 0xCC);
    other = _mm256_permute2f128_ps(v, v, 1);
    return _mm256_blend_ps(_mm256_add_ps(v, other), _mm256_sub_ps(other, v), 0xF0);
}

/* maddubs adds pairs of products in 16 bits: at most 2 x 15 x 127, which fits. */
static inline __m256i
u4_step(__m256i sum, const uint8_t *row, const int8_t *query)
{
    const __m256i low_half = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    const __m256i codes = _mm256_load_si256((const __m256i *)(const void *)row);
    const __m256i low = _mm256_maddubs_epi16(_mm256_and_si256(codes, low_half),
                                             _mm256_load_si256((const __m256i *)(const void *)query));
    const __m256i high = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(codes, 4), low_half),
                                              _mm256_load_si256((const __m256i *)(const void *)(query + 64)));

    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_add_epi16(low, high), ones));
}

static void
dot_u4_many(const int8_t *query, const uint8_t *const *rows, size_t count, size_t blocks, int32_t *out)
{
    for (size_t i = 0; i < count; i++) {
        __m256i sum0 = _mm256_setzero_si256(), sum1 = sum0;
        __m128i sum4;

        for (size_t k = 0; k < blocks; k++) {
            sum0 = u4_step(sum0, rows[i] + k * 64, query + k * 128);
            sum1 = u4_step(sum1, rows[i] + k * 64 + 32, query + k * 128 + 32);
        }
        sum0 = _mm256_add_epi32(sum0, sum1);
        sum4 = _mm_add_epi32(_mm256_castsi256_si128(sum0), _mm256_extracti128_si256(sum0, 1));
        sum4 = _mm_add_epi32(sum4, _mm_shuffle_epi32(sum4, 0x4E));
        sum4 = _mm_add_epi32(sum4, _mm_shuffle_epi32(sum4, 0xB1));
        out[i] = _mm_cvtsi128_si32(sum4);
    }
}

#include "kernel/kernel_codes.h"
#include "kernel/kernel_f32.h"
#include "kernel/kernel_narrow.h"

const kernel_table kernel_avx2 = F32_TABLE("avx2", CPU_FMA | CPU_F16C | CPU_AVX2);
#endif
