/* Tests of kernel.h. The scalar level is compared with float64 and with values worked out by hand,
 * every other level with the scalar one, bit for bit, and all with a checksum that was recorded once and that
 * tools/neon_test.sh meets on AArch64 too.
 */
#include "kernel/kernel.h"

#include <float.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/pages.h"
#include "support/levels.h"
#include "support/test.h"

#define DIM_MAX    1536u
#define ROWS_MAX   37u
#define METRICS    3u
#define OFFSET_MAX 16u /* floats off a cache line */

/* Changes only when the canonical arithmetic, the test's generator or its plan does: never otherwise. */
#define RECORDED_CHECKSUM 0xADFE12812291892Cu

static const char *const metric_names[METRICS] = {"dot", "l2sq", "l1"};

/* Every shape of loop: all lengths of the last block with 0 to 6 whole blocks before it, then usual dims. */
static const size_t long_dims[] = {384, 768, 1000, 1536};
#define DIM_COUNT (201u + (unsigned)countof(long_dims))

static size_t
dim_of(size_t index)
{
    return index <= 200 ? index : long_dims[index - 201];
}

static kernel_pair_fn
pair_of(const kernel_table *table, size_t metric)
{
    const kernel_pair_fn pairs[METRICS] = {table->dot_f32, table->l2sq_f32, table->l1_f32};

    return pairs[metric];
}

static kernel_many_fn
many_of(const kernel_table *table, size_t metric)
{
    const kernel_many_fn manys[METRICS] = {table->dot_f32_many, table->l2sq_f32_many, table->l1_f32_many};

    return manys[metric];
}

static const kernel_table *
scalar(void)
{
    return kernel_select(0);
}

static uint32_t
bits_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float
float_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Values that arithmetic finds hard; all finite. */
typedef enum kind { UNIT, ANY_EXPONENT, NEAR_OVERFLOW, NEAR_UNDERFLOW, ZEROES, MIXED, KINDS } kind;

static const char *const kind_names[KINDS] = {"unit",           "any exponent", "near overflow",
                                              "near underflow", "zeroes",       "mixed"};

static float
value_of(test_rng *rng, kind what)
{
    const uint32_t random = (uint32_t)test_u64(rng), sign = random & 0x80000000u,
                   fraction = random & 0x7FFFFFu;

    switch (what) {
    case UNIT:
        return test_float(rng);
    case ANY_EXPONENT: /* denormals included */
        return float_of(sign | (uint32_t)test_below(rng, 255) << 23 | fraction);
    case NEAR_OVERFLOW: /* 2^60 .. 2^127: squares overflow or nearly so */
        return float_of(sign | (uint32_t)(187 + test_below(rng, 68)) << 23 | fraction);
    case NEAR_UNDERFLOW: /* products denormal or lost, operands sometimes denormal */
        return float_of(sign | (uint32_t)test_below(rng, 64) << 23 | fraction);
    case ZEROES: /* +-0 and the smallest denormals */
        return float_of(sign | (fraction & 1));
    default:
        return value_of(rng, (kind)test_below(rng, MIXED));
    }
}

static void
fill(test_rng *rng, kind what, float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = value_of(rng, what);
}

static float operand_a[OFFSET_MAX + DIM_MAX] __attribute__((aligned(64)));
static float operand_b[OFFSET_MAX + DIM_MAX] __attribute__((aligned(64)));

/* Goal:   every level gives the bits of the scalar level.
 * Method: all dims 0..200 and usual ones, six kinds of values, on and off alignment, seed 1. */
TEST(every_level_equals_scalar_bit_for_bit)
{
    static const size_t offsets[][2] = {{0, 0}, {1, 3}, {15, 8}};
    test_rng            rng = test_rng_seed(1);

    printf("  chosen: %s\n", kernel()->name);
    for (EACH_LEVEL(level)) {
        for (size_t d = 0; d < DIM_COUNT; d++) {
            for (size_t round = 0; round < KINDS * countof(offsets); round++) {
                const size_t dim = dim_of(d), *offset = offsets[round / KINDS];
                const kind   what = (kind)(round % KINDS);
                float       *a = operand_a + offset[0], *b = operand_b + offset[1];

                fill(&rng, what, a, dim);
                fill(&rng, what, b, dim);
                for (size_t m = 0; m < METRICS; m++) {
                    const float got = pair_of(level, m)(a, b, dim),
                                want = pair_of(scalar(), m)(a, b, dim);

                    CHECK_MSG(bits_of(got) == bits_of(want), "%s %s, dim %zu, %s: got %a, scalar %a",
                              level->name, metric_names[m], dim, kind_names[what], got, want);
                }
            }
        }
    }
}

/* Goal:   the result is the sum that the name says.
 * Method: a float64 sum beside it; dims as above, uniform values, seed 2.
 * Bound:  a term passes through at most n = ceil(dim / 32) roundings in its lane and 5 in the tree; l2sq and
 *         l1 round the difference before (l2sq squares that error). So |error| <= (n + 7) u sum|terms| to
 *         first order, with u = 2^-24; 1 % more covers the rest and float64's own error. */
TEST(every_level_is_within_the_bound_of_a_float64_sum)
{
    test_rng rng = test_rng_seed(2);

    for (EACH_LEVEL(level)) {
        for (size_t d = 0; d < DIM_COUNT; d++) {
            const size_t dim = dim_of(d);
            const double roundings = ceil((double)dim / KERNEL_LANES) + 7;
            double       sum[METRICS] = {0}, sum_abs[METRICS] = {0};

            fill(&rng, UNIT, operand_a, dim);
            fill(&rng, UNIT, operand_b, dim);
            for (size_t i = 0; i < dim; i++) {
                const double a = (double)operand_a[i], b = (double)operand_b[i];
                const double terms[METRICS] = {a * b, (a - b) * (a - b), fabs(a - b)};

                for (size_t m = 0; m < METRICS; m++) {
                    sum[m] += terms[m];
                    sum_abs[m] += fabs(terms[m]);
                }
            }
            for (size_t m = 0; m < METRICS; m++) {
                CHECK_NEAR(pair_of(level, m)(operand_a, operand_b, dim), sum[m],
                           1.01 * roundings * (double)FLT_EPSILON / 2 * sum_abs[m], "%s %s, dim %zu",
                           level->name, metric_names[m], dim);
            }
        }
    }
}

/* Goal:   the many form gives the bits of the pair form, for every count, and writes no further.
 * Method: counts 0..37, dims around the block and usual ones, rows anywhere in a pool (overlapping,
 *         unaligned, some twice), mixed and uniform values, seed 3. */
TEST(many_form_equals_pair_form_for_every_count)
{
    static const size_t dims[] = {0, 1, 16, 31, 32, 33, 48, 64, 100, 384, 768};
    static float        pool[8192];
    const float         untouched = -12345.0f;
    test_rng            rng = test_rng_seed(3);

    for (EACH_LEVEL(level)) {
        for (size_t round = 0; round < 2 * countof(dims); round++) {
            const size_t dim = dims[round / 2];

            fill(&rng, round % 2 == 0 ? UNIT : MIXED, pool, countof(pool));
            fill(&rng, round % 2 == 0 ? UNIT : MIXED, operand_a, dim);
            for (size_t count = 0; count <= ROWS_MAX; count++) {
                const float *rows[ROWS_MAX];
                float        out[ROWS_MAX + 1];

                for (size_t i = 0; i < count; i++)
                    rows[i] = i % 7 == 6 ? rows[i - 1] : pool + test_below(&rng, countof(pool) - dim);
                for (size_t m = 0; m < METRICS; m++) {
                    out[count] = untouched;
                    many_of(level, m)(operand_a, rows, count, dim, out);
                    for (size_t i = 0; i < count; i++) {
                        const float want = pair_of(level, m)(operand_a, rows[i], dim);

                        CHECK_MSG(bits_of(out[i]) == bits_of(want),
                                  "%s %s, dim %zu, row %zu of %zu: %a, pair %a", level->name,
                                  metric_names[m], dim, i, count, out[i], want);
                    }
                    CHECK(bits_of(out[count]) == bits_of(untouched));
                }
            }
        }
    }
}

/* Goal:   nothing is read past the last float of a row.
 * Method: rows that end where an unreadable page begins, dims 0..200: one float more would be a fault. */
TEST(no_level_reads_beyond_the_row)
{
    const size_t bytes = (size_t)64 << 10; /* the largest page in use */
    char        *memory = pages_map(2 * bytes);
    float       *end = (float *)(void *)(memory + bytes);

    CHECK(memory != NULL && mprotect(end, bytes, PROT_NONE) == 0);
    for (EACH_LEVEL(level)) {
        for (size_t dim = 0; dim <= 200; dim++) {
            const float *rows[5] = {end - dim, end - dim, end - dim, end - dim, end - dim};
            float        out[5];

            for (size_t m = 0; m < METRICS; m++) {
                out[0] = pair_of(level, m)(end - dim, end - dim, dim);
                CHECK(out[0] == 0);
                many_of(level, m)(end - dim, rows, countof(rows), dim, out);
                CHECK(out[4] == 0);
            }
        }
    }
    pages_unmap(memory, 2 * bytes);
}

/* Goal:   the corners of the definition, worked out by hand: which zero, and which NaN.
 * Method: a lane becomes -0 when a negative product is lost (-2^-75 times 2^-75 rounds to -0). 32 such lanes
 *         add up to -0; with dim 33, 31 lanes also get +0 of padding, which makes them and the sum +0. */
TEST(zeroes_and_nans_are_the_defined_ones)
{
    float a[64], b[64];

    for (EACH_LEVEL(level)) {
        for (size_t i = 0; i < countof(a); i++) {
            a[i] = -0x1p-75f;
            b[i] = 0x1p-75f;
        }
        CHECK_INT(bits_of(level->dot_f32(a, b, 0)), 0);
        CHECK_INT(bits_of(level->dot_f32(a, b, 31)), 0);
        CHECK_INT(bits_of(level->dot_f32(a, b, 32)), 0x80000000u);
        CHECK_INT(bits_of(level->dot_f32(a, b, 33)), 0);
        CHECK_INT(bits_of(level->dot_f32(a, b, 48)), 0);
        CHECK_INT(bits_of(level->dot_f32(a, b, 64)), 0x80000000u);
        CHECK_INT(bits_of(level->l1_f32(a, a, 64)), 0);
        CHECK_INT(bits_of(level->l2sq_f32(a, a, 64)), 0);

        for (size_t i = 0; i < countof(a); i++) { /* +infinity in even lanes, -infinity in odd ones */
            a[i] = 0x1p100f;
            b[i] = i % 2 == 0 ? 0x1p100f : -0x1p100f;
        }
        CHECK_INT(bits_of(level->dot_f32(a, b, 1)), 0x7F800000u);
        CHECK_INT(bits_of(level->dot_f32(a, b, 2)), 0x7FC00000u);
        CHECK_INT(bits_of(level->dot_f32(a, b, 64)), 0x7FC00000u);
        a[5] = float_of(0xFFC12345u); /* a NaN with sign and payload */
        CHECK_INT(bits_of(level->dot_f32(a, b, 6)), 0x7FC00000u);
        CHECK_INT(bits_of(level->l2sq_f32(a, b, 40)), 0x7FC00000u);
        CHECK_INT(bits_of(level->l1_f32(b, a, 64)), 0x7FC00000u);
    }
}

/* Goal:   the same on every architecture: the checksum was recorded on x86-64.
 * Method: all dims, kinds and metrics, and normalised rows, hashed; integer generator, seed 4. */
TEST(results_have_the_recorded_checksum_at_every_level)
{
    for (EACH_LEVEL(level)) {
        test_rng rng = test_rng_seed(4);
        uint64_t checksum = 0;

        for (size_t d = 0; d < DIM_COUNT; d++) {
            const size_t dim = dim_of(d);

            for (size_t what = 0; what < KINDS; what++) {
                fill(&rng, (kind)what, operand_a, dim);
                fill(&rng, (kind)what, operand_b, dim);
                for (size_t m = 0; m < METRICS; m++)
                    checksum =
                        mix64(checksum ^ bits_of(pair_of(level, m)(operand_a, operand_b, dim)));
                kernel_normalize(operand_a, operand_a, dim);
                checksum = mix64(checksum ^ hash_bytes(operand_a, dim * sizeof(float)));
            }
        }
        printf("  %s: %016llx\n", level->name, (unsigned long long)checksum);
        CHECK_INT(checksum, RECORDED_CHECKSUM);
    }
}

/* Goal:   kernel_normalize is the formula of kernel.h, with the scalar level's bits; in place too.
 * Method: dims as above, lengths from 1e-6 to 1e6, seed 5.
 * Bound:  of the squared length of the result: dot's own (n + 5) u twice, in len2 and in the check; root,
 *         quotient and product round once each, and the length squares that: 6 u. 1 % more for the rest. */
TEST(normalize_scales_to_unit_length)
{
    static float out[DIM_MAX];
    test_rng     rng = test_rng_seed(5);

    for (size_t d = 1; d < DIM_COUNT; d++) {
        for (int decade = -6; decade <= 6; decade += 3) {
            const size_t dim = dim_of(d);
            float        len2, scale;

            fill(&rng, UNIT, operand_a, dim);
            operand_a[0] += 1;
            for (size_t i = 0; i < dim; i++)
                operand_a[i] *= (float)pow(10, decade);
            len2 = scalar()->dot_f32(operand_a, operand_a, dim);
            scale = 1.0f / sqrtf(len2);
            kernel_normalize(operand_a, out, dim);
            if (len2 < FLT_EPSILON) {
                CHECK(memcmp(out, operand_a, dim * sizeof out[0]) == 0);
                continue;
            }
            for (size_t i = 0; i < dim; i++)
                CHECK_MSG(bits_of(out[i]) == bits_of(operand_a[i] * scale), "dim %zu, element %zu", dim, i);
            CHECK_NEAR(scalar()->dot_f32(out, out, dim), 1,
                       1.01 * (2 * (ceil((double)dim / KERNEL_LANES) + 5) + 6) * (double)FLT_EPSILON / 2,
                       "dim %zu", dim);
            kernel_normalize(operand_a, operand_a, dim);
            CHECK(memcmp(out, operand_a, dim * sizeof out[0]) == 0);
        }
    }
}

/* Goal: rows of (nearly) no length or of length 1 stay as they are; an overflow gives zeroes, as said. */
TEST(normalize_leaves_unit_and_zero_rows_as_they_are)
{
    const float unit[2] = {0.6f, 0.8f}, near[2] = {1.0000004f, 0}, zero[2] = {0, -0.0f};
    const float small[2] = {0x1p-12f, 0}, longer[2] = {1.000001f, 0}, huge[2] = {0x1p100f, 1};
    float       out[2];

    kernel_normalize(unit, out, 2);
    CHECK(memcmp(out, unit, sizeof out) == 0);
    kernel_normalize(near, out, 2); /* len2 = 1 + 8e-7 */
    CHECK(memcmp(out, near, sizeof out) == 0);
    kernel_normalize(zero, out, 2);
    CHECK(memcmp(out, zero, sizeof out) == 0);
    kernel_normalize(small, out, 2); /* len2 = 6e-8 < FLT_EPSILON */
    CHECK(memcmp(out, small, sizeof out) == 0);
    kernel_normalize(longer, out, 2); /* len2 = 1 + 2e-6 */
    CHECK(out[0] == 1.0f);
    kernel_normalize(huge, out, 2);
    CHECK(out[0] == 0 && out[1] == 0);
    kernel_normalize(unit, out, 0); /* touches nothing */
    CHECK(out[0] == 0 && out[1] == 0);
}

/* Goal:   a level is chosen only where the machine has all it needs, and a lower one can be forced.
 * Method: all masks of the known bits, all names, unknown names. */
TEST(levels_are_chosen_by_what_the_machine_has)
{
    const uint32_t all = CPU_FMA | CPU_F16C | CPU_AVX2 | CPU_AVX512 | CPU_AVX512_VNNI | CPU_NEON;
    size_t         best = 0;

    while ((kernel_level(best)->needs & ~cpu_features()) != 0)
        best++;
    CHECK_INT(cpu_features() & ~all, 0);
    CHECK_TEXT(kernel_select(0)->name, "scalar");
    CHECK_TEXT(kernel_named(NULL)->name, kernel_level(best)->name);
    CHECK_TEXT(kernel_named("")->name, kernel_level(best)->name);
    CHECK_TEXT(kernel_named("sse9")->name, kernel_level(best)->name);
    CHECK_TEXT(kernel_named("scalar")->name, "scalar");
    for (size_t l = 0; kernel_level(l) != NULL; l++) {
        const kernel_table *level = kernel_level(l), *below = kernel_level(l + 1);

        CHECK_TEXT(kernel_named(level->name)->name, kernel_level(size_max(l, best))->name);
        CHECK(below != NULL || level->needs == 0);
        CHECK(below == NULL || (below->needs & ~level->needs) == 0); /* else "the best below" means nothing */
    }
    for (uint32_t mask = 0; mask <= all; mask++)
        CHECK((kernel_select(mask)->needs & ~(mask & cpu_features())) == 0);
    CHECK(kernel() == kernel_named(getenv("OCTANT_CPU")));
}

static void *
choose_in_thread(void *out)
{
    *(const kernel_table **)out = kernel();
    return NULL;
}

/* Goal: many first callers get one choice (TSan: run this test alone). */
TEST(all_threads_share_one_choice)
{
    pthread_t           threads[4];
    const kernel_table *choices[4] = {NULL};

    for (size_t i = 0; i < countof(threads); i++)
        CHECK_INT(pthread_create(&threads[i], NULL, choose_in_thread, &choices[i]), 0);
    for (size_t i = 0; i < countof(threads); i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < countof(threads); i++)
        CHECK(choices[i] == kernel());
}

/* --- narrower types --------------------------------------------------------------------------------------- */

/* The half-precision number with these bits. */
static float
half_of(uint32_t bits)
{
    const uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
    const float    size = exponent == 0 ? ldexpf((float)fraction, -24)
                                        : ldexpf((float)(1024 + fraction), (int)exponent - 25);

    return (bits >> 15) != 0 ? -size : size;
}

/* Goal:   rounding to half precision is to the nearest, ties to even.
 * Method: every finite half is left alone; between each and the next, the middle goes to the even one and its
 *         neighbours to either side; beyond the largest all is held. */
TEST(halves_are_rounded_to_the_nearest)
{
    for (uint32_t bits = 0; bits < 0x7C00; bits++) {
        const float half = half_of(bits), next = half_of(bits + 1), middle = half + (next - half) / 2;
        const float even = bits % 2 == 0 ? half : next;
        const float in[] = {half, -half, nextafterf(middle, 0), middle, nextafterf(middle, INFINITY)};
        float       out[5];

        if (bits == 0x7BFF)
            break; /* behind the last there is no next */
        kernel_round_f16(in, out, 5);
        CHECK_MSG(out[0] == half && out[1] == -half && signbit(out[1]), "half %x: %a, %a", bits, (double)out[0],
                  (double)out[1]);
        CHECK_MSG(out[2] == half && out[3] == even && out[4] == next, "between half %x and the next: %a, %a, %a",
                  bits, (double)out[2], (double)out[3], (double)out[4]);
    }
    {
        float held[] = {KERNEL_F16_MAX, 65519.0f, 1e30f, -1e30f};

        kernel_round_f16(held, held, 4);
        CHECK(held[0] == KERNEL_F16_MAX && held[1] == KERNEL_F16_MAX && held[2] == KERNEL_F16_MAX &&
              held[3] == -KERNEL_F16_MAX);
    }
}

TEST(bytes_are_cut_and_held)
{
    float values[] = {-3.5f, -0.9f, 0.0f, 0.99f, 1.0f, 254.999f, 255.0f, 255.5f, 1e30f};
    float expected[] = {0, 0, 0, 0, 1, 254, 255, 255, 255};

    kernel_round_u8(values, values, countof(values));
    for (size_t i = 0; i < countof(values); i++)
        CHECK_MSG(values[i] == expected[i], "value %zu is %g", i, (double)values[i]);
}
