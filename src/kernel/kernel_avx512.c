/* AVX-512: two registers hold the 32 lanes of a row; a masked load pads the last block. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

static inline void
vec_store(float *at, vec v)
{
    _mm512_storeu_ps(at, v);
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
vec_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

static inline vec
vec_set(float value)
{
    return _mm512_set1_ps(value);
}

static inline vec
vec_load_f16(const void *at)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256(at));
}

static inline vec
vec_load_u8(const void *at)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(at)));
}

static inline vec
vec_load_f16_part(const void *at, size_t count)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16((__mmask16)((1u << count) - 1), at));
}

static inline vec
vec_load_u8_part(const void *at, size_t count)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8((__mmask16)((1u << count) - 1), at)));
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

/* `other` holds each lane's partner, `second` the lanes that are second of their pair. */
static inline vec
butterfly(vec v, vec other, __mmask16 second)
{
    return _mm512_mask_sub_ps(_mm512_add_ps(v, other), second, other, v);
}

static inline vec
vec_butterflies(vec v)
{
    v = butterfly(v, _mm512_permute_ps(v, 0xB1), 0xAAAA);
    v = butterfly(v, _mm512_permute_ps(v, 0x4E), 0xCCCC);
    v = butterfly(v, _mm512_shuffle_f32x4(v, v, 0xB1), 0xF0F0);
    return butterfly(v, _mm512_shuffle_f32x4(v, v, 0x4E), 0xFF00);
}

/* VNNI multiplies unsigned by signed bytes and adds four products to a lane in one instruction. */
static inline __m512i
u4_step(__m512i sum, const uint8_t *row, const int8_t *query)
{
    const __m512i low_half = _mm512_set1_epi8(15);
    const __m512i codes = _mm512_load_si512(row);

    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(codes, low_half), _mm512_load_si512(query));
    return _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(codes, 4), low_half),
                               _mm512_load_si512(query + 64));
}

/* The sum of each register's lanes: halves of two registers meet in one, so that four sums cost little more than one. */
static inline __m128i
sums_of_four(__m512i a, __m512i b, __m512i c, __m512i d)
{
    const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    const __m512i abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));

    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

static void
dot_u4_many(const int8_t *query, const uint8_t *const *rows, size_t count, size_t blocks, int32_t *out)
{
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        __m512i sum0 = _mm512_setzero_si512(), sum1 = sum0, sum2 = sum0, sum3 = sum0;

        for (size_t k = 0; k < blocks; k++) {
            sum0 = u4_step(sum0, rows[i] + k * 64, query + k * 128);
            sum1 = u4_step(sum1, rows[i + 1] + k * 64, query + k * 128);
            sum2 = u4_step(sum2, rows[i + 2] + k * 64, query + k * 128);
            sum3 = u4_step(sum3, rows[i + 3] + k * 64, query + k * 128);
        }
        _mm_storeu_si128((__m128i *)(void *)(out + i), sums_of_four(sum0, sum1, sum2, sum3));
    }
    for (; i < count; i++) {
        __m512i sum = _mm512_setzero_si512();

        for (size_t k = 0; k < blocks; k++)
            sum = u4_step(sum, rows[i] + k * 64, query + k * 128);
        out[i] = _mm512_reduce_add_epi32(sum);
    }
}

/* A thread sanitizer takes reading a register full of atomics for a race: it gets the portable loop. */
#if !defined(__SANITIZE_THREAD__)
#define HAVE_FRESH_IDS

static size_t
fresh_ids(const _Atomic uint32_t *ids, size_t count, uint32_t limit, const uint64_t *seen, uint32_t *out)
{
    const __m512i limits = _mm512_set1_epi32((int)limit);
    size_t        found = 0;

    for (size_t i = 0; i < count; i += 16) {
        const uint32_t  left = count - i < 16 ? (uint32_t)(count - i) : 16;
        const __mmask16 there = (__mmask16)((1u << left) - 1);
        const __m512i   some = _mm512_maskz_loadu_epi32(there, (const void *)(ids + i));
        const __mmask16 below = _mm512_mask_cmplt_epu32_mask(there, some, limits);
        const __m512i   words = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), below, _mm512_srli_epi32(some, 5), seen, 4);
        const __m512i   bits = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(some, _mm512_set1_epi32(31)));
        const __mmask16 fresh = _mm512_mask_testn_epi32_mask(below, words, bits);

        /* Compressed in a register: straight to memory takes a hundred cycles on some CPUs. */
        _mm512_storeu_si512(out + found, _mm512_maskz_compress_epi32(fresh, some));
        found += (size_t)__builtin_popcount(fresh);
    }
    return found;
}
#endif

#define HAVE_PLANES_I8

static uint32_t
planes_i8(const int8_t *values, size_t blocks, int8_t part, uint8_t *low, uint8_t *high)
{
    const __m512i zero = _mm512_setzero_si512(), above = _mm512_set1_epi8(part), below = _mm512_set1_epi8((char)-part);
    uint32_t      sum = 0;

    for (size_t i = 0; i < 2 * blocks; i++) {
        const __m512i  some = _mm512_load_si512(values + 64 * i);
        const uint64_t at_least_1 = _mm512_cmpge_epi8_mask(some, below), at_least_2 = _mm512_cmpge_epi8_mask(some, zero);
        const uint64_t is_3 = _mm512_cmpge_epi8_mask(some, above), odd = (at_least_1 & ~at_least_2) | is_3;

        memcpy(low + 8 * i, &odd, 8);
        memcpy(high + 8 * i, &at_least_2, 8);
        sum += (uint32_t)(__builtin_popcountll(odd) + 2 * __builtin_popcountll(at_least_2));
    }
    return sum;
}

#define HAVE_SHARED_BITS
static void shared_bits(const uint8_t *planes, const uint8_t *rows, size_t stride, size_t count, int32_t *out);

#define HAVE_MERGE_U64
static size_t merge_u64(uint64_t *sorted, size_t size, size_t room, const uint64_t *fresh, size_t count);

#include "kernel/kernel_codes.h"
#include "kernel/kernel_f32.h"
#include "kernel/kernel_narrow.h"

/* Bits of a byte are counted by one instruction where the CPU has it (from Ice Lake and Zen 4 on), and VNNI adds the counts. */
#define COUNTS_BYTES __attribute__((target("avx512bitalg")))

COUNTS_BYTES static inline __m512i
shared_step(__m512i sum, __m512i row, __m512i low, __m512i high)
{
    sum = _mm512_dpbusd_epi32(sum, _mm512_popcnt_epi8(_mm512_and_si512(row, low)), _mm512_set1_epi8(1));
    return _mm512_dpbusd_epi32(sum, _mm512_popcnt_epi8(_mm512_and_si512(row, high)), _mm512_set1_epi8(2));
}

COUNTS_BYTES static void
shared_bits_counted(const uint8_t *planes, const uint8_t *rows, size_t stride, size_t count, int32_t *out)
{
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        const uint8_t *row = rows + i * stride;
        __m512i        sum0 = _mm512_setzero_si512(), sum1 = sum0, sum2 = sum0, sum3 = sum0;

        for (size_t j = 0; j < stride; j += 64) {
            const __m512i low = _mm512_load_si512(planes + j), high = _mm512_load_si512(planes + stride + j);

            sum0 = shared_step(sum0, _mm512_load_si512(row + j), low, high);
            sum1 = shared_step(sum1, _mm512_load_si512(row + stride + j), low, high);
            sum2 = shared_step(sum2, _mm512_load_si512(row + 2 * stride + j), low, high);
            sum3 = shared_step(sum3, _mm512_load_si512(row + 3 * stride + j), low, high);
        }
        _mm_storeu_si128((__m128i *)(void *)(out + i), sums_of_four(sum0, sum1, sum2, sum3));
    }
    for (; i < count; i++) {
        __m512i sum = _mm512_setzero_si512();

        for (size_t j = 0; j < stride; j += 64)
            sum = shared_step(sum, _mm512_load_si512(rows + i * stride + j), _mm512_load_si512(planes + j),
                              _mm512_load_si512(planes + stride + j));
        out[i] = _mm512_reduce_add_epi32(sum);
    }
}

static void
shared_bits(const uint8_t *planes, const uint8_t *rows, size_t stride, size_t count, int32_t *out)
{
    if (__builtin_cpu_supports("avx512bitalg")) /* asked of the CPU when the level was chosen: this is one comparison */
        shared_bits_counted(planes, rows, stride, count, out);
    else
        shared_bits_plain(planes, rows, stride, count, out);
}

#define MERGE_REGISTERS_MAX 16u

/* All numbers in registers, what is not there as the largest there is. A number finds its place in all of them at once: a lane
 * becomes the smaller of what it was and of the larger of the number and the lane before it. No branch, nothing to wait for. */
INLINE size_t
merge_in(size_t registers, uint64_t *sorted, size_t size, size_t room, const uint64_t *fresh, size_t count)
{
    const __m512i lanes = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    const size_t  total = size + count < room ? size + count : room;
    __m512i       held[MERGE_REGISTERS_MAX];

    UNROLL
    for (size_t r = 0; r < registers; r++) {
        const size_t left = size > 8 * r ? size - 8 * r : 0;

        held[r] = _mm512_mask_loadu_epi64(_mm512_set1_epi64(-1), _mm512_cmplt_epu64_mask(lanes, _mm512_set1_epi64((long long)left)),
                                          sorted + 8 * r);
    }
    for (size_t i = 0; i < count; i++) {
        const __m512i number = _mm512_set1_epi64((long long)fresh[i]);

        UNROLL
        for (size_t r = registers; r-- > 0;) {
            const __m512i below = r > 0 ? held[r - 1] : _mm512_setzero_si512();
            const __m512i before = _mm512_alignr_epi64(held[r], below, 7);

            held[r] = _mm512_min_epu64(held[r], _mm512_max_epu64(before, number));
        }
    }
    UNROLL
    for (size_t r = 0; r < registers; r++) {
        const size_t left = total > 8 * r ? total - 8 * r : 0;

        _mm512_mask_storeu_epi64(sorted + 8 * r, _mm512_cmplt_epu64_mask(lanes, _mm512_set1_epi64((long long)left)), held[r]);
    }
    return total;
}

static size_t
merge_u64(uint64_t *sorted, size_t size, size_t room, const uint64_t *fresh, size_t count)
{
    const size_t total = size + count < room ? size + count : room;

    if (total <= 32)
        return merge_in(4, sorted, size, room, fresh, count);
    if (total <= 64)
        return merge_in(8, sorted, size, room, fresh, count);
    if (total <= 128)
        return merge_in(MERGE_REGISTERS_MAX, sorted, size, room, fresh, count);
    return merge_many(sorted, size, room, fresh, count);
}

const kernel_table kernel_avx512 = F32_TABLE("avx512", CPU_FMA | CPU_F16C | CPU_AVX2 | CPU_AVX512 | CPU_AVX512_VNNI);
#endif
