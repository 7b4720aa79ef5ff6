/* kernel_narrow.h - the loops over rows of halves and bytes, written once over an instruction set's registers.
 *
 * Included after kernel_f32.h, whose steps and sums it uses, by kernel_<isa>.c, which first defines
 *     vec_load_f16(at) vec_load_u8(at)    VEC_LANES halves or bytes as floats; no alignment needed
 *     vec_load_f16_part(at, count) ..     the first `count` (0 .. VEC_LANES), the rest zero; reads no more
 *     vec_set(value) vec_mul(a, b)
 *
 * WHAT     A row is widened in registers on its way to the arithmetic, so that a search reads a half or a quarter of
 *          the bytes and gets the bits that rows of floats give: conversion is exact, and a scaled byte's product is rounded
 *          before it is used, as it was when it was computed once and kept.
 * PADDING  Absent elements are zeroes in both operands; zero times a finite scale is zero.
 */
#include "kernel/kernel_internal.h"

#define LINE_BYTES 64u

INLINE size_t
narrow_bytes(kernel_narrow kind)
{
    return kind == KERNEL_F16 ? 2 : 1;
}

INLINE vec
load_narrow(kernel_narrow kind, const char *at, vec scale)
{
    if (kind == KERNEL_F16)
        return vec_load_f16(at);
    return kind == KERNEL_U8 ? vec_load_u8(at) : vec_mul(vec_load_u8(at), scale);
}

INLINE vec
load_narrow_part(kernel_narrow kind, const char *at, size_t count, vec scale)
{
    if (kind == KERNEL_F16)
        return vec_load_f16_part(at, count);
    return kind == KERNEL_U8 ? vec_load_u8_part(at, count) : vec_mul(vec_load_u8_part(at, count), scale);
}

/* out[k] for `count` (1 .. ROWS_AT_ONCE) rows; `next`, unless NULL, holds as many rows to prefetch. */
INLINE void
sum_narrow_rows(metric what, kernel_narrow kind, const float *query, const void *const *rows, size_t count, size_t dim,
                const void *const *next, float *out)
{
    const size_t whole = dim / KERNEL_LANES * KERNEL_LANES, size = narrow_bytes(kind);
    const char  *row[ROWS_AT_ONCE];
    vec          scale[ROWS_AT_ONCE];
    vec          lanes[ROWS_AT_ONCE][REGISTERS];

    EACH(k, count)
    {
        row[k] = rows[k];
        scale[k] = kind == KERNEL_SCALED ? vec_set(kernel_scale_of(rows[k], dim)) : vec_zero();
        EACH(r, REGISTERS)
        lanes[k][r] = vec_zero();
    }
    for (size_t i = 0; i < whole; i += KERNEL_LANES) {
        EACH(r, REGISTERS)
        {
            const vec q = vec_load(query + i + r * VEC_LANES);

            EACH(k, count)
            lanes[k][r] = step(what, lanes[k][r], q, load_narrow(kind, row[k] + (i + r * VEC_LANES) * size, scale[k]));
        }
        if (next != NULL && i * size % LINE_BYTES == 0) {
            EACH(k, count)
            __builtin_prefetch((const char *)next[k] + i * size);
        }
    }
    if (whole < dim) { /* the last, padded block */
        EACH(r, REGISTERS)
        {
            const size_t start = size_min(whole + r * VEC_LANES, dim);
            const size_t part = size_min(dim - start, VEC_LANES);
            const vec    q = vec_load_part(query + start, part);

            EACH(k, count)
            lanes[k][r] = step(what, lanes[k][r], q, load_narrow_part(kind, row[k] + start * size, part, scale[k]));
        }
        if (next != NULL) {
            EACH(k, count)
            __builtin_prefetch((const char *)next[k] + dim * size - 1);
        }
    }
    EACH(k, count)
    out[k] = sum_of_lanes(lanes[k]);
}

INLINE void
sum_narrow(metric what, kernel_narrow kind, const float *query, const void *const *rows, size_t count, size_t dim,
           float *out)
{
    size_t i = 0;

    for (; i + ROWS_AT_ONCE < count; i += ROWS_AT_ONCE) { /* some row follows */
        const void *next[ROWS_AT_ONCE];

        for (size_t k = 0; k < ROWS_AT_ONCE; k++)
            next[k] = rows[size_min(i + ROWS_AT_ONCE + k, count - 1)];
        sum_narrow_rows(what, kind, query, rows + i, ROWS_AT_ONCE, dim, next, out + i);
    }
    for (; i < count; i++)
        sum_narrow_rows(what, kind, query, rows + i, 1, dim, NULL, out + i);
}

#define NARROW_KERNEL(name, what, kind)                                                                      \
    static void name(const float *query, const void *const *rows, size_t count, size_t dim, float *out)      \
    {                                                                                                        \
        sum_narrow(what, kind, query, rows, count, dim, out);                                                \
    }

NARROW_KERNEL(dot_f16, DOT, KERNEL_F16)
NARROW_KERNEL(dot_u8, DOT, KERNEL_U8)
NARROW_KERNEL(dot_scaled, DOT, KERNEL_SCALED)
NARROW_KERNEL(l2sq_f16, L2SQ, KERNEL_F16)
NARROW_KERNEL(l2sq_u8, L2SQ, KERNEL_U8)
NARROW_KERNEL(l1_f16, L1, KERNEL_F16)
NARROW_KERNEL(l1_u8, L1, KERNEL_U8)

#define NARROW_FIELDS                                                                                        \
    .dot_narrow = {dot_f16, dot_u8, dot_scaled}, .l2sq_narrow = {l2sq_f16, l2sq_u8}, .l1_narrow = {l1_f16, l1_u8}
