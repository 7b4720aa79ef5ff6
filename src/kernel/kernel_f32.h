/* kernel_f32.h - the loops over f32 rows, written once over an instruction set's registers.
 *
 * Included last by kernel_<isa>.c, which first defines
 *     vec                          a register of VEC_LANES floats
 *     ROWS_AT_ONCE                 2 .. 4: as many rows as keep all their lanes in registers
 *     vec_zero() vec_load(at)      no alignment needed
 *     vec_load_part(at, count)     the first `count` (0 .. VEC_LANES) floats, the rest zero; reads no more
 *     vec_fma(a, b, c) vec_add(a, b) vec_sub(a, b) vec_abs(a)
 *     vec_sum(v)                   v's lanes by the tree: upper half onto lower half, until one is left
 *     vec_butterflies(v)           the Walsh-Hadamard transform of a register: stages of 1, 2, 4, ... lanes; the first of
 *                                  a pair becomes a + b, the second a - b
 * and then fills its kernel_table with F32_TABLE.
 *
 * SHAPE    The 32 lanes of a row lie in REGISTERS registers, so a row has that many independent chains of
 *          fused multiply-add. One row alone waits for their latency (4 cycles or so); several fill it:
 *
 *              query   q[i .. i+31]  ── loaded once for all rows
 *              row 0   ├ lanes 0..15 ┤├ lanes 16..31 ┤      (AVX-512: 2 registers a row, 4 rows)
 *              row 1   ├             ┤├              ┤
 *              ...
 *
 * MEMORY   While a group of rows is summed, the next group is prefetched line for line at the same pace, so
 *          that memory always has requests to work on; hardware prefetchers start anew at each row. Worth
 *          a third with AVX2, nothing with AVX-512 on the deep core measured (docs/design/numbers.md).
 * INLINING Everything is forced inline with a constant metric and number of rows, and EACH loops are unrolled
 *          early enough for the arrays in them to become registers: what remains is one plain loop.
 */
#include "kernel/kernel_internal.h"

#define REGISTERS   (KERNEL_LANES / VEC_LANES)
#define LINE_FLOATS 16u /* floats of a 64-byte cache line */
#define INLINE      static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define EACH(i, count) UNROLL for (size_t i = 0; i < (count); i++)

/* clang-format off: it takes EACH for a function */
typedef enum metric { DOT, L2SQ, L1 } metric;

INLINE vec
step(metric what, vec lanes, vec a, vec b)
{
    if (what == DOT)
        return vec_fma(a, b, lanes);
    a = vec_sub(a, b);
    return what == L2SQ ? vec_fma(a, a, lanes) : vec_add(lanes, vec_abs(a));
}

INLINE float
sum_of_lanes(const vec lanes[REGISTERS])
{
    vec sum[REGISTERS];

    EACH(r, REGISTERS)
    sum[r] = lanes[r];
    UNROLL for (size_t half = REGISTERS / 2; half > 0; half /= 2)
    {
        EACH(r, half)
        sum[r] = vec_add(sum[r], sum[r + half]);
    }
    return kernel_one_nan(vec_sum(sum[0]));
}

/* out[k] for `count` (1 .. ROWS_AT_ONCE) rows; `next`, unless NULL, holds as many rows to prefetch. */
INLINE void
sum_rows(metric what, const float *query, const float *const *rows, size_t count, size_t dim,
         const float *const *next, float *out)
{
    const size_t whole = dim / KERNEL_LANES * KERNEL_LANES;
    const float *row[ROWS_AT_ONCE], *ahead[ROWS_AT_ONCE];
    vec          lanes[ROWS_AT_ONCE][REGISTERS];

    EACH(k, count)
    {
        row[k] = rows[k];
        ahead[k] = next == NULL ? NULL : next[k];
        EACH(r, REGISTERS)
        lanes[k][r] = vec_zero();
    }
    for (size_t i = 0; i < whole; i += KERNEL_LANES) {
        EACH(r, REGISTERS)
        {
            const vec q = vec_load(query + i + r * VEC_LANES);

            EACH(k, count)
            lanes[k][r] = step(what, lanes[k][r], q, vec_load(row[k] + i + r * VEC_LANES));
        }
        if (next != NULL) {
            EACH(k, count)
            {
                __builtin_prefetch(ahead[k] + i);
                __builtin_prefetch(ahead[k] + i + LINE_FLOATS);
            }
        }
    }
    if (whole < dim) { /* the last, padded block */
        EACH(r, REGISTERS)
        {
            const size_t start = size_min(whole + r * VEC_LANES, dim);
            const size_t part = size_min(dim - start, VEC_LANES);
            const vec    q = vec_load_part(query + start, part);

            EACH(k, count)
            lanes[k][r] = step(what, lanes[k][r], q, vec_load_part(row[k] + start, part));
        }
        if (next != NULL) {
            EACH(k, count)
            {
                __builtin_prefetch(ahead[k] + whole);
                __builtin_prefetch(ahead[k] + dim - 1);
            }
        }
    }
    EACH(k, count)
    out[k] = sum_of_lanes(lanes[k]);
}

INLINE void
sum_many(metric what, const float *query, const float *const *rows, size_t count, size_t dim, float *out)
{
    size_t i = 0;

    for (; i + ROWS_AT_ONCE < count; i += ROWS_AT_ONCE) { /* some row follows */
        const float *next[ROWS_AT_ONCE];

        for (size_t k = 0; k < ROWS_AT_ONCE; k++)
            next[k] = rows[size_min(i + ROWS_AT_ONCE + k, count - 1)];
        sum_rows(what, query, rows + i, ROWS_AT_ONCE, dim, next, out + i);
    }
    switch (count - i) {
#if ROWS_AT_ONCE >= 4
    case 4:
        sum_rows(what, query, rows + i, 4, dim, NULL, out + i);
        break;
#endif
#if ROWS_AT_ONCE >= 3
    case 3:
        sum_rows(what, query, rows + i, 3, dim, NULL, out + i);
        break;
#endif
    case 2:
        sum_rows(what, query, rows + i, 2, dim, NULL, out + i);
        break;
    case 1:
        sum_rows(what, query, rows + i, 1, dim, NULL, out + i);
        break;
    default:
        break;
    }
}

#define F32_KERNEL(name, what)                                                                               \
    static float name(const float *a, const float *b, size_t dim)                                            \
    {                                                                                                        \
        float out;                                                                                           \
                                                                                                             \
        sum_rows(what, a, &b, 1, dim, NULL, &out);                                                           \
        return out;                                                                                          \
    }                                                                                                        \
    static void name##_many(const float *query, const float *const *rows, size_t count, size_t dim,          \
                            float *out)                                                                      \
    {                                                                                                        \
        sum_many(what, query, rows, count, dim, out);                                                        \
    }

F32_KERNEL(dot_f32, DOT)
F32_KERNEL(l2sq_f32, L2SQ)
F32_KERNEL(l1_f32, L1)

static void
fwht_f32(float *values, size_t count)
{
    size_t half = VEC_LANES;

    if (count < VEC_LANES) { /* nobody asks, but it has a meaning */
        for (half = 1; half < count; half *= 2) {
            for (size_t start = 0; start < count; start += 2 * half) {
                for (size_t i = start; i < start + half; i++) {
                    const float a = values[i], b = values[i + half];

                    values[i] = a + b;
                    values[i + half] = a - b;
                }
            }
        }
        return;
    }
    /* Inside a register each lane meets its partner, a register's stages in one go; beyond, whole registers meet. */
    for (size_t i = 0; i < count; i += VEC_LANES)
        vec_store(values + i, vec_butterflies(vec_load(values + i)));
    for (; half < count; half *= 2) {
        for (size_t start = 0; start < count; start += 2 * half) {
            for (size_t i = start; i < start + half; i += VEC_LANES) {
                const vec a = vec_load(values + i), b = vec_load(values + i + half);

                vec_store(values + i, vec_add(a, b));
                vec_store(values + i + half, vec_sub(a, b));
            }
        }
    }
}

/* The whole initialiser of a kernel_table. */
#define F32_TABLE(name_, needs_)                                                                             \
    {                                                                                                        \
        .name = name_, .needs = needs_, .dot_f32 = dot_f32, .l2sq_f32 = l2sq_f32, .l1_f32 = l1_f32,          \
        .dot_f32_many = dot_f32_many, .l2sq_f32_many = l2sq_f32_many, .l1_f32_many = l1_f32_many,            \
        .dot_u4_many = dot_u4_many, .fwht_f32 = fwht_f32, NARROW_FIELDS, CODES_FIELDS,                                      \
    }
