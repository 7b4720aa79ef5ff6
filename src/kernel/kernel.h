/* kernel.h - arithmetic over rows of floats: a plain meaning, a file per instruction set, one table.
 *
 * OWNS     dot product, squared Euclidean and Manhattan distance of f32 rows and of rows of halves and bytes, cosine
 *          normalisation, dot products of 4-bit codes, the Walsh-Hadamard transform, and the choice among instruction
 *          sets. No state but that.
 * CALLED   by graph and shard. Calls nothing but libc's fmaf and sqrtf.
 * ERRORS   none: nothing here allocates or fails.
 * THREADS  Any thread, any time.
 * READ     kernel_scalar.c (what is computed), kernel_f32.h (how registers compute it), kernel_narrow.h (the same of
 *          narrower rows), kernel.c (which).
 *
 * CANONICAL ARITHMETIC (why and how: docs/design/numbers.md). A result is the same 32 bits at every level,
 * for the pair form and the many form, whatever the alignment:
 *   1. There are KERNEL_LANES (32) lanes, each starting at +0. Lane j takes elements j, j + 32, j + 64, ...
 *      in that order. A dim that is not a multiple of 32 counts as padded with zeroes in both operands.
 *          dot   lane = fma(a, b, lane)
 *          l2sq  d = a - b, rounded to float;  lane = fma(d, d, lane)
 *          l1    lane = lane + |a - b|, the difference rounded to float
 *   2. The lanes are added as a tree: lane[j] += lane[j + 16] for j < 16, then likewise with 8, 4, 2, 1.
 *      Lane 0 is the result.
 *   3. A result that is not a number is the quiet NaN 0x7FC00000. (Finite input gives one only through
 *      an overflow to both infinities.)
 *   4. A narrower row stands for floats, exactly (kernel_narrow); its results are those of the floats.
 * Rounding is to nearest, ties to even; denormals count. Both are the thread's floating-point mode, which
 * the kernels neither set nor check.
 */
#ifndef OCT_KERNEL_H
#define OCT_KERNEL_H

#include "base/base.h"

#define KERNEL_LANES 32u

/* What the CPU has and the operating system saves. */
enum {
    CPU_FMA = 1,
    CPU_AVX2 = 2,
    CPU_AVX512 = 4, /* F, BW, DQ and VL */
    CPU_AVX512_VNNI = 8,
    CPU_NEON = 16, /* every AArch64 CPU */
    CPU_F16C = 32, /* halves to floats */
};

/* Rows may overlap and need no alignment; rows on a cache line are faster. `dim` 0 gives 0. Reads
 * exactly `dim` floats of each row. */
typedef float (*kernel_pair_fn)(const float *a, const float *b, size_t dim);

/* out[i] = the pair form of (query, rows[i]) for i < count, bit for bit. Works on several rows at a time,
 * which hides the latency of the arithmetic, and prefetches the rows after those, which hides that of memory:
 * hand it all the rows that are known, not a few at a time. `out` overlaps nothing. */
typedef void (*kernel_many_fn)(const float *query, const float *const *rows, size_t count, size_t dim,
                               float *out);

/* How a row keeps its components where they are not floats, `dim` of them, and which floats they stand for. */
typedef enum kernel_narrow {
    KERNEL_F16,    /* halves */
    KERNEL_U8,     /* bytes: whole numbers from 0 to 255 */
    KERNEL_SCALED, /* bytes, then from the next multiple of 4 on a float: each byte times that, rounded to float */
    KERNEL_NARROW_KINDS
} kernel_narrow;

/* As kernel_many_fn, of rows of one such kind: no alignment needed, nothing read behind the row. */
typedef void (*kernel_narrow_fn)(const float *query, const void *const *rows, size_t count, size_t dim, float *out);

/* Where the float of a KERNEL_SCALED row is. */
static inline size_t
kernel_scale_at(size_t dim)
{
    return (dim + 3) / 4 * 4;
}

static inline float
kernel_scale_of(const void *row, size_t dim)
{
    float scale;

    memcpy(&scale, (const char *)row + kernel_scale_at(dim), sizeof scale);
    return scale;
}

/* Integer dot products of a query with rows of 4-bit codes: out[i] = sum over j of query[j] * code(rows[i], j).
 * A row is `blocks` x 64 bytes; the low half of byte b of block k is code 128 k + b, its high half code 128 k + 64 + b.
 * The query has 128 numbers a block, from -127 to 127, aligned to 64 bytes; so do rows. Exact: |out| < 2^31 for
 * blocks up to KERNEL_U4_BLOCKS_MAX. Prefetches nothing: a row is a few lines, and its caller knows better when. */
typedef void (*kernel_u4_fn)(const int8_t *query, const uint8_t *const *rows, size_t count, size_t blocks,
                             int32_t *out);

#define KERNEL_U4_BLOCKS_MAX 8192u

/* Of `count` row numbers, those below `limit` whose bit is not set in `seen`, in order, to `out`, which has room for
 * KERNEL_FRESH_ROOM more than count; returns how many. Others may store over the row numbers meanwhile (memory order
 * relaxed): each is read once, and whole. */
typedef size_t (*kernel_fresh_fn)(const _Atomic uint32_t *ids, size_t count, uint32_t limit, const uint64_t *seen,
                                  uint32_t *out);

#define KERNEL_FRESH_ROOM 16u

/* Put `count` numbers, in any order, into `size` ascending ones and keep the lowest `room` of them all (size <= room); returns how
 * many those are. `sorted` has room for `room`. */
typedef size_t (*kernel_merge_fn)(uint64_t *sorted, size_t size, size_t room, const uint64_t *fresh, size_t count);

/* Bit planes of four levels: 0 below -part, 1 below 0, 2 below part, 3 else. Bit j of `low` and of `high`, blocks * 16 bytes each,
 * is that of the level of value j of `blocks` x 128. Returns the sum of all levels. part is at least 1. */
typedef uint32_t (*kernel_planes_fn)(const int8_t *values, size_t blocks, int8_t part, uint8_t *low, uint8_t *high);

/* Of `count` rows of `stride` bytes (a multiple of 64), one behind the other: how many bits each shares with the first stride bytes
 * of `planes`, and twice how many with the second. All aligned to 64. */
typedef void (*kernel_shared_fn)(const uint8_t *planes, const uint8_t *rows, size_t stride, size_t count, int32_t *out);

/* One butterfly stage after the other over a power of two of floats, in place: the Walsh-Hadamard transform, unscaled.
 * Every output is made by the same sums in the same order at every level. */
typedef void (*kernel_fwht_fn)(float *values, size_t count);

/* Steps of encoding (codes/codes.c); count is a multiple of 128, blocks that divided by 128. Nothing overlaps. */
typedef float (*kernel_max_fn)(const float *values, size_t count); /* largest magnitude */
typedef void (*kernel_flip_fn)(float *values, const uint64_t *bits, size_t count); /* bit set: the other sign */
typedef void (*kernel_scale_fn)(float *values, float factor, size_t count);
typedef void (*kernel_levels_fn)(const float *values, size_t count, float inverse, float offset,
                                 float *levels); /* rint((v - offset) * inverse), held to 0 .. 15 */
typedef int32_t (*kernel_round_fn)(const float *values, size_t count, float inverse,
                                   int8_t *out); /* rint(v * inverse), held to -127 .. 127; their sum */
typedef void (*kernel_pack_fn)(const float *levels, size_t blocks, uint8_t *row);
typedef void (*kernel_unpack_fn)(const uint8_t *row, size_t blocks, int8_t *out);

typedef struct kernel_table {
    const char    *name;  /* "scalar", "avx2", "avx512", "neon" */
    uint32_t       needs; /* CPU_* bits without which no function here may be called */
    kernel_pair_fn dot_f32;
    kernel_pair_fn l2sq_f32; /* squared: no root is taken */
    kernel_pair_fn l1_f32;
    kernel_many_fn dot_f32_many;
    kernel_many_fn l2sq_f32_many;
    kernel_many_fn l1_f32_many;
    /* By kind; of KERNEL_SCALED only the dot product: vectors that are scaled are compared by cosine. */
    kernel_narrow_fn dot_narrow[KERNEL_NARROW_KINDS], l2sq_narrow[KERNEL_SCALED], l1_narrow[KERNEL_SCALED];
    kernel_u4_fn     dot_u4_many;
    kernel_fwht_fn fwht_f32;
    kernel_fresh_fn fresh_ids;
    kernel_merge_fn merge_u64;
    kernel_planes_fn planes_i8;
    kernel_shared_fn shared_bits;

    kernel_max_fn    max_abs_f32;
    kernel_flip_fn   flip_f32;
    kernel_scale_fn  scale_f32;
    kernel_levels_fn levels_u4;
    kernel_round_fn  round_i8;
    kernel_pack_fn   pack_u4;
    kernel_unpack_fn unpack_u4;
} kernel_table;

/* The process's choice, made at the first call: the best level that the machine has. The environment
 * variable OCTANT_CPU names a lower one (for tests, and to rule a level out); see kernel_named. */
const kernel_table *kernel(void);

/* The level of that name if the machine has it, otherwise the best one below it; a NULL or unknown
 * name gives the best there is. Never NULL. */
const kernel_table *kernel_named(const char *name);

/* The best level that needs nothing but what is both in `mask` and on this machine. Never NULL. */
const kernel_table *kernel_select(uint32_t mask);

/* Level `index` of those compiled in, best first, whether or not the machine has it; NULL past the
 * last, which is always "scalar". */
const kernel_table *kernel_level(size_t index);

uint32_t cpu_features(void); /* CPU_* bits of this machine */

/* Cosine normalisation. With len2 = dot(in, in): if len2 is below FLT_EPSILON or within 1e-6 of 1, `out` is a
 * copy; otherwise out[i] = in[i] * (1 / sqrt(len2)), each operation rounded to float. The same bits at every
 * level. `out` may be `in`. Where len2 overflows (components near 1e19 and beyond) all becomes zero. */
void kernel_normalize(const float *in, float *out, size_t dim);
/* What that multiplies each element by; 1 if it copies. */
float kernel_normal_scale(const float *in, size_t dim);

/* What narrower types make of a float, as floats again; exact arithmetic, so the same everywhere. `out` may be `in`.
 * f16: the nearest half-precision number, ties to even; beyond KERNEL_F16_MAX that with its sign.
 * u8:  the whole part, held to 0 .. 255. */
#define KERNEL_F16_MAX 65504.0f
void kernel_round_f16(const float *in, float *out, size_t dim);
void kernel_round_u8(const float *in, float *out, size_t dim);

/* Floats that have been rounded so, as what they are kept in, and back. Alignment does not matter. */
void kernel_pack_f16(const float *in, void *out, size_t dim);
void kernel_pack_u8(const float *in, void *out, size_t dim);
void kernel_widen_f16(const void *in, float *out, size_t dim);
void kernel_widen_u8(const void *in, float *out, size_t dim);
/* The floats that any narrow row stands for. */
void kernel_widen(kernel_narrow kind, const void *row, float *out, size_t dim);

#endif /* OCT_KERNEL_H */
