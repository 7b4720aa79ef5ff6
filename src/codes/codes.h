/* codes.h - short codes of vectors: what a graph walk reads instead of floats.
 *
 * WHY      Bytes per visited candidate decide the speed of a walk. A code has half a byte a component and 16 bytes of
 *          factors; distances to it are estimates with a known error, good enough to choose the way. What is returned
 *          is always computed again from the vectors.
 * HOW      1. Rotation: random signs and a fast Walsh-Hadamard transform (twice, over the first and the last power
 *             of two of the components, when the dimension is none), the same for every collection. It spreads any
 *             vector's energy evenly, so that one scale fits all its components, and it makes the error of an estimate
 *             behave like noise, whatever the data (as in RaBitQ, Gao and Long, arXiv:2405.12497).
 *          2. Sixteen levels per vector (as LVQ, Aguerrebere et al., arXiv:2304.04759): x ~ offset + scale * c, c in
 *             0..15, offset and scale by least squares, codes and factors settled in a few turns.
 *          3. The query is rotated and rounded to signed bytes. An estimate is then one integer dot product and two
 *             floating-point multiplications.
 *          Nothing is learned from the data: a row's code never changes and needs no other row.
 * EXACT    Integers, the canonical kernels (kernel.h) and single float operations only: the same bits on every CPU.
 * CALLED   by graph. Calls kernel.
 * LAYOUT   of a code of dimension d, D = d rounded up to a multiple of 128; the stride is a multiple of 64:
 *              offset size  meaning
 *                   0  D/2  codes, 64 bytes a block of 128 components (kernel.h: dot_u4_many)
 *                 D/2    4  scale (float)
 *                        4  offset (float)
 *                        4  sum of the codes (unsigned)
 *                        4  squared length of the vector (float)
 *                           zeroes
 * FINE     Where 8 bits a component are asked for, a second row goes with the code: 16 levels more within each level of the
 *          code, x ~ offset + scale (c + (f - 7.5) / 16). The walk does not read it; who ranks candidates by it before he
 *          fetches their vectors needs fewer of them. Why 4 + 4 bits and not 8: docs/design/codes.md. Its layout:
 *              offset size  meaning
 *                   0  D/2  fine levels, 64 bytes a block, as above
 *                 D/2    4  length of what even they leave of the vector (float)
 *                        4  each: a component beyond the outer levels, index and how many sixteenths of a level further
 *                           (unsigned, signed, 2 bytes each), by index; zeroes behind the last
 * READ     codes.c, codes_fine.c (the second row).
 * THREADS  Any; a codes is constant.
 */
#ifndef OCT_CODES_H
#define OCT_CODES_H

#include "kernel/kernel.h"

#define CODES_DIM_MIN                                                                                        \
    64u /* shorter vectors are read whole: a code would save no cache line worth its estimate */

/* Behind so many components or fewer a fine row has 64 bytes: of noise, one component in 135 lies beyond the outer levels, and
 * the few furthest of those are nearly all of the error that would stay. */
#define CODES_FINE_TAIL_OF 2048u

typedef struct codes {
    uint32_t            dim;            /* of the vectors */
    uint32_t            padded;         /* D */
    uint32_t            blocks;         /* D / 128 */
    uint32_t            stride;         /* bytes of a code */
    uint32_t            fine_stride;    /* and of the row that refines it */
    bool                squared_euclid; /* else minus the dot product */
    const kernel_table *kernel;
    /* An estimate differs from the distance by noise of this size times |query|: one standard deviation. */
    float error;
} codes;

/* What distances are estimated from: a vector, or a code. Owned by the caller. */
typedef struct codes_query {
    int8_t *values; /* `padded` signed bytes, aligned to 64 */
    float   scale, offset;
    float   sum;     /* of the bytes */
    float   squared; /* length */
} codes_query;

/* Does this kind of vector have codes? Otherwise the walk reads the vectors themselves. */
bool codes_fit(uint32_t dim, oct_distance distance);
void codes_init(codes *self, uint32_t dim, oct_distance distance);

/* Floats of scratch memory that encoding and querying need. */
static inline size_t
codes_scratch_floats(const codes *self)
{
    return 2 * (size_t)self->padded;
}

/* `vector` has dim floats; `code` has stride bytes. */
void codes_encode(const codes *self, const float *vector, float *scratch, uint8_t *code);
/* A query from a vector. */
void codes_query_vector(const codes *self, const float *vector, float *scratch, codes_query *out);
/* A query from a code: distances between codes. */
void codes_query_code(const codes *self, const uint8_t *code, codes_query *out);
/* Squared length of a coded vector. */
float codes_squared(const codes *self, const uint8_t *code);
/* Estimates of `count` distances. `sums` is scratch for count integers. */
void codes_distances(const codes *self, const codes_query *query, const uint8_t *const *rows, size_t count,
                     int32_t *sums, float *out);


/* --- the second row: codes_fine.c */

/* Right after codes_encode of a vector, with its scratch and code: `fine` has fine_stride bytes. */
void codes_encode_fine(const codes *self, float *scratch, const uint8_t *code, uint8_t *fine);
/* `distances` are estimates of codes_distances to the vectors of `rows`: make them better with the `fine` rows. For a query
 * from a vector. */
void codes_refine(const codes *self, const codes_query *query, const uint8_t *const *rows, const uint8_t *const *fine,
                  size_t count, int32_t *sums, float *distances);
/* One standard deviation of what that estimate errs by. */
float codes_refined_error(const codes *self, const codes_query *query, const uint8_t *row, const uint8_t *fine);

#endif
