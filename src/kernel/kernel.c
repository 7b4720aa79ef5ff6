/* The choice among instruction sets, and what is the same at all of them. See kernel.h. */
#include "kernel/kernel_internal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define NORMALIZED_WITHIN 1e-6f /* Qdrant's: a squared length this near 1 counts as 1 */

/* Best first; each needs a superset of what the next one needs. */
static const kernel_table *const levels[] = {
#if defined(__x86_64__)
    &kernel_avx512, &kernel_avx2,
#elif defined(__aarch64__)
    &kernel_neon,
#endif
    &kernel_scalar, /* needs nothing, so that every search below ends */
};

static _Atomic(const kernel_table *) chosen; /* NULL until the first call; then never changed */

uint32_t
cpu_features(void)
{
    uint32_t have = 0;

#if defined(__x86_64__)
    uint32_t a, b, c, d;

    /* These builtins ask cpuid and, for registers beyond SSE's, XCR0: whether the system saves them. */
    __builtin_cpu_init();
    if (__builtin_cpu_supports("fma"))
        have |= CPU_FMA;
    if (__get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0) /* clang 14 has no name for it; AVX2 asks for XCR0 */
        have |= CPU_F16C;
    if (__builtin_cpu_supports("avx2"))
        have |= CPU_AVX2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        have |= CPU_AVX512;
    if (__builtin_cpu_supports("avx512vnni"))
        have |= CPU_AVX512_VNNI;
#elif defined(__aarch64__)
    have |= CPU_NEON;
#endif
    return have;
}

const kernel_table *
kernel_level(size_t index)
{
    return index < countof(levels) ? levels[index] : NULL;
}

const kernel_table *
kernel_select(uint32_t mask)
{
    const uint32_t have = cpu_features() & mask;
    size_t         i = 0;

    while ((levels[i]->needs & ~have) != 0)
        i++;
    return levels[i];
}

const kernel_table *
kernel_named(const char *name)
{
    for (size_t i = 0; name != NULL && i < countof(levels); i++) {
        if (strcmp(name, levels[i]->name) == 0)
            return kernel_select(levels[i]->needs);
    }
    return kernel_select(UINT32_MAX);
}

const kernel_table *
kernel(void)
{
    const kernel_table *choice = atomic_load_explicit(&chosen, memory_order_acquire);

    if (choice == NULL) {
        const kernel_table *mine = kernel_named(getenv("OCTANT_CPU"));

        /* Two first callers may both come here; the first to store decides for both. */
        if (atomic_compare_exchange_strong(&chosen, &choice, mine))
            choice = mine;
    }
    return choice;
}

/* False: the row stays as it is. */
static bool
normal_scale(const float *in, size_t dim, float *scale)
{
    const float len2 = kernel()->dot_f32(in, in, dim);

    if (len2 < FLT_EPSILON || fabsf(len2 - 1.0f) <= NORMALIZED_WITHIN)
        return false;
    *scale = 1.0f / sqrtf(len2);
    return true;
}

float
kernel_normal_scale(const float *in, size_t dim)
{
    float scale = 1;

    (void)normal_scale(in, dim, &scale);
    return scale;
}

void
kernel_normalize(const float *in, float *out, size_t dim)
{
    float scale;

    if (!normal_scale(in, dim, &scale)) {
        if (out != in && dim > 0)
            memmove(out, in, dim * sizeof out[0]);
        return;
    }
    for (size_t i = 0; i < dim; i++)
        out[i] = in[i] * scale;
}

#define F16_NORMAL_MIN 0x1p-14f /* below, halves are multiples of 2^-24 */
#define F16_STEP_MAKER 0.75f    /* floats near it are multiples of 2^-24, so that adding it rounds to one */

static float
round_f16(float value)
{
    const float size = fabsf(value);
    uint32_t    bits;

    if (size >= KERNEL_F16_MAX)
        return copysignf(KERNEL_F16_MAX, value);
    if (size < F16_NORMAL_MIN)
        return copysignf(size + F16_STEP_MAKER - F16_STEP_MAKER, value);
    /* Of 23 bits behind the point 10 stay: 13 go, and what they were carries. */
    memcpy(&bits, &value, sizeof bits);
    bits += 0xFFFu + (bits >> 13 & 1);
    bits &= ~0x1FFFu;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void
kernel_round_f16(const float *in, float *out, size_t dim)
{
    for (size_t i = 0; i < dim; i++)
        out[i] = round_f16(in[i]);
}

void
kernel_round_u8(const float *in, float *out, size_t dim)
{
    for (size_t i = 0; i < dim; i++)
        out[i] = in[i] >= 255.0f ? 255.0f : in[i] > 0.0f ? truncf(in[i]) : 0.0f;
}

/* --- narrower types as they are kept ------------------------------------------------------------------ */

static uint16_t
half_of(float rounded)
{
    uint32_t bits;
    uint16_t sign;

    memcpy(&bits, &rounded, sizeof bits);
    sign = (uint16_t)(bits >> 16 & 0x8000u);
    if (fabsf(rounded) < F16_NORMAL_MIN)
        return (uint16_t)(sign | (uint16_t)(fabsf(rounded) * 0x1p24f));
    return (uint16_t)(sign | (uint16_t)(((bits & 0x7FFFFFFFu) >> 13) - ((127u - 15u) << 10)));
}

void
kernel_pack_f16(const float *in, void *out, size_t dim)
{
    for (size_t i = 0; i < dim; i++) {
        const uint16_t half = half_of(in[i]);

        memcpy((char *)out + i * sizeof half, &half, sizeof half);
    }
}

void
kernel_pack_u8(const float *in, void *out, size_t dim)
{
    for (size_t i = 0; i < dim; i++)
        ((uint8_t *)out)[i] = (uint8_t)in[i];
}

void
kernel_widen_f16(const void *in, float *out, size_t dim)
{
    for (size_t i = 0; i < dim; i++) {
        uint16_t half;

        memcpy(&half, (const char *)in + i * sizeof half, sizeof half);
        out[i] = kernel_float_of_half(half);
    }
}

void
kernel_widen_u8(const void *in, float *out, size_t dim)
{
    for (size_t i = 0; i < dim; i++)
        out[i] = ((const uint8_t *)in)[i];
}

void
kernel_widen(kernel_narrow kind, const void *row, float *out, size_t dim)
{
    float scale;

    if (kind == KERNEL_F16) {
        kernel_widen_f16(row, out, dim);
        return;
    }
    kernel_widen_u8(row, out, dim);
    if (kind != KERNEL_SCALED)
        return;
    scale = kernel_scale_of(row, dim);
    for (size_t i = 0; i < dim; i++)
        out[i] *= scale;
}
