/* The choice among instruction sets, and what is the same at all of them. See kernel.h. */
#include "kernel/kernel_internal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

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
    /* These builtins ask cpuid and, for registers beyond SSE's, XCR0: whether the system saves them. */
    __builtin_cpu_init();
    if (__builtin_cpu_supports("fma"))
        have |= CPU_FMA;
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

void
kernel_normalize(const float *in, float *out, size_t dim)
{
    const float len2 = kernel()->dot_f32(in, in, dim);
    float       scale;

    if (len2 < FLT_EPSILON || fabsf(len2 - 1.0f) <= NORMALIZED_WITHIN) {
        if (out != in && dim > 0)
            memmove(out, in, dim * sizeof out[0]);
        return;
    }
    scale = 1.0f / sqrtf(len2);
    for (size_t i = 0; i < dim; i++)
        out[i] = in[i] * scale;
}
