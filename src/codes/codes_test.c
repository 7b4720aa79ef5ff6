/* Goal:   codes are the same bytes and estimates the same floats at every CPU level, and estimates err as little as
 *         codes.h says.
 * Method: random vectors with seeds 1 to 5, dimensions around the block size; levels are forced one after the other.
 */
#include "codes/codes.h"

#include <float.h>

#include "support/levels.h"
#include "support/test.h"

#define DIM_MAX 1600u

/* Vectors like embeddings: Gaussian-ish, some components far larger than others. */
static void
fill(test_rng *rng, float *values, size_t dim)
{
    for (size_t i = 0; i < dim; i++) {
        values[i] = test_float(rng) + test_float(rng) + test_float(rng);
        if (i % 97 == 5)
            values[i] *= 8;
    }
}

typedef struct bundle {
    codes       codec;
    float      *scratch;
    int8_t     *query_bytes;
    uint8_t    *codes, *fine;
    codes_query query;
} bundle;

static void
bundle_init(bundle *self, const kernel_table *kernel_level_, uint32_t dim, oct_distance distance,
            size_t count)
{
    codes_init(&self->codec, dim, distance);
    self->codec.kernel = kernel_level_;
    self->scratch = oct_alloc_aligned(64, codes_scratch_floats(&self->codec) * sizeof(float));
    self->query_bytes = oct_alloc_aligned(64, self->codec.padded);
    self->codes = oct_alloc_aligned(64, count * self->codec.stride);
    self->fine = oct_alloc_aligned(64, count * self->codec.fine_stride);
    self->query.values = self->query_bytes;
}

static void
bundle_clear(bundle *self)
{
    oct_free(self->scratch);
    oct_free(self->query_bytes);
    oct_free(self->codes);
    oct_free(self->fine);
}

/* The code of a vector, and the row that refines it, as number `i`. */
static void
encode(bundle *self, const float *vector, size_t i)
{
    uint8_t *code = self->codes + i * self->codec.stride;

    codes_encode(&self->codec, vector, self->scratch, code);
    codes_encode_fine(&self->codec, self->scratch, code, self->fine + i * self->codec.fine_stride);
}

/* Refine `distances` to the first `count` vectors. */
static void
refine(const bundle *self, size_t count, float *distances)
{
    const uint8_t *rows[8], *fine[8];
    int32_t        sums[8];

    OCT_MUST(count <= countof(rows));
    for (size_t i = 0; i < count; i++) {
        rows[i] = self->codes + i * self->codec.stride;
        fine[i] = self->fine + i * self->codec.fine_stride;
    }
    codes_refine(&self->codec, &self->query, rows, fine, count, sums, distances);
}

TEST(codes_and_estimates_are_the_same_bits_at_every_level)
{
    static const uint32_t dims[] = {64, 65, 100, 128, 129, 384, 768, 1000, 1536};
    static float          vectors[5][DIM_MAX];
    test_rng              rng = test_rng_seed(1);

    for (size_t d = 0; d < countof(dims); d++) {
        const uint32_t dim = dims[d];
        bundle         scalar;
        float          want[4], want_fine[4], want_between[4];
        const uint8_t *rows[4];
        int32_t        sums[4];

        for (size_t i = 0; i < 5; i++)
            fill(&rng, vectors[i], dim);
        bundle_init(&scalar, kernel_named("scalar"), dim, d % 2 == 0 ? OCT_COSINE : OCT_EUCLID, 4);
        for (size_t i = 0; i < 4; i++) {
            rows[i] = scalar.codes + i * scalar.codec.stride;
            encode(&scalar, vectors[i], i);
        }
        codes_query_vector(&scalar.codec, vectors[4], scalar.scratch, &scalar.query);
        codes_distances(&scalar.codec, &scalar.query, rows, 4, sums, want);
        memcpy(want_fine, want, sizeof want);
        refine(&scalar, 4, want_fine);
        codes_query_code(&scalar.codec, rows[0], &scalar.query);
        codes_distances(&scalar.codec, &scalar.query, rows, 4, sums, want_between);
        for (EACH_LEVEL(table)) {
            bundle              other;
            const uint8_t      *other_rows[4];
            float               got[4];

            bundle_init(&other, table, dim, d % 2 == 0 ? OCT_COSINE : OCT_EUCLID, 4);
            for (size_t i = 0; i < 4; i++) {
                other_rows[i] = other.codes + i * other.codec.stride;
                encode(&other, vectors[i], i);
            }
            CHECK_MSG(memcmp(other.codes, scalar.codes, 4 * (size_t)scalar.codec.stride) == 0,
                      "codes of dim %u, %s", dim, table->name);
            CHECK_MSG(memcmp(other.fine, scalar.fine, 4 * (size_t)scalar.codec.fine_stride) == 0,
                      "fine rows of dim %u, %s", dim, table->name);
            codes_query_vector(&other.codec, vectors[4], other.scratch, &other.query);
            codes_distances(&other.codec, &other.query, other_rows, 4, sums, got);
            CHECK_MSG(memcmp(got, want, sizeof want) == 0, "estimates of dim %u, %s", dim, table->name);
            refine(&other, 4, got);
            CHECK_MSG(memcmp(got, want_fine, sizeof want) == 0, "refined estimates of dim %u, %s", dim, table->name);
            codes_query_code(&other.codec, other_rows[0], &other.query);
            codes_distances(&other.codec, &other.query, other_rows, 4, sums, got);
            CHECK_MSG(memcmp(got, want_between, sizeof want) == 0, "estimates between codes of dim %u, %s",
                      dim, table->name);
            bundle_clear(&other);
        }
        bundle_clear(&scalar);
    }
}

/* Bound: codes.h gives one standard deviation; over 2,000 pairs the root mean square may exceed it by a tenth
 * (dimensions from 256 on; below, a few rotated components differ more), and none may lie beyond 6 of them. */
TEST(estimates_err_as_little_as_promised)
{
    static const uint32_t     dims[] = {256, 384, 768, 1024, 1536};
    static const oct_distance distances[] = {OCT_DOT, OCT_EUCLID};
    static float              a[DIM_MAX], b[DIM_MAX];
    test_rng                  rng = test_rng_seed(2);

    for (size_t d = 0; d < countof(dims) * countof(distances); d++) {
        const uint32_t dim = dims[d / 2];
        bundle         one;
        double         sum = 0, worst = 0;

        bundle_init(&one, kernel(), dim, distances[d % 2], 1);
        for (int pair = 0; pair < 2000; pair++) {
            const uint8_t *row = one.codes;
            int32_t        sums[1];
            float          estimate, truth;
            double         unit, error;

            fill(&rng, a, dim);
            fill(&rng, b, dim);
            codes_encode(&one.codec, a, one.scratch, one.codes);
            codes_query_vector(&one.codec, b, one.scratch, &one.query);
            codes_distances(&one.codec, &one.query, &row, 1, sums, &estimate);
            truth =
                distances[d % 2] == OCT_DOT ? -kernel()->dot_f32(a, b, dim) : kernel()->l2sq_f32(a, b, dim);
            unit = (double)one.codec.error *
                   sqrt((double)kernel()->dot_f32(a, a, dim) * kernel()->dot_f32(b, b, dim)) *
                   (distances[d % 2] == OCT_DOT ? 1 : 2);
            error = fabs((double)estimate - truth) / unit;
            sum += error * error;
            worst = error > worst ? error : worst;
        }
        CHECK_MSG(sqrt(sum / 2000) < 1.1, "dim %u: root mean square error %.3f of what codes.h says", dim,
                  sqrt(sum / 2000));
        CHECK_MSG(worst < 6, "dim %u: worst error %.2f standard deviations", dim, worst);
        bundle_clear(&one);
    }
}

/* Goal:   a refined estimate errs by what its row says, and by a tenth of what the code alone would.
 * Method: 2,000 pairs for each dimension and distance, Gaussian and spiky ones; the double sum is the judge. Seed 3.
 * Bound:  root mean square within 0.9 and 1.1 of what is said, below that for low dimensions, where a few components of the
 *         query's rounding make up the error; none beyond 6; a tenth: 0.0064 of the vector's length by its own levels and
 *         0.0073 by the query's, against 0.107 (docs/design/codes.md), with a half more for the few that lie beyond all room. */
TEST(refined_estimates_err_as_little_as_they_say)
{
    static const uint32_t     dims[] = {64, 128, 384, 768, 1536, 4096};
    static const oct_distance distances[] = {OCT_DOT, OCT_EUCLID};
    static float              a[4096], b[4096];
    test_rng                  rng = test_rng_seed(3);

    for (size_t d = 0; d < countof(dims) * countof(distances); d++) {
        const uint32_t dim = dims[d / 2];
        const bool     dot = distances[d % 2] == OCT_DOT;
        bundle         one;
        double         sum = 0, worst = 0, coarse_sum = 0, fine_sum = 0;

        bundle_init(&one, kernel(), dim, distances[d % 2], 1);
        for (int pair = 0; pair < 2000; pair++) {
            const uint8_t *row = one.codes;
            int32_t        sums[1];
            float          coarse, fine, said;
            double         truth = 0, lengths_a = 0, lengths_b = 0, error;

            if (pair % 2 == 0) {
                fill(&rng, a, dim);
                fill(&rng, b, dim);
            } else {
                test_fill(&rng, a, dim);
                test_fill(&rng, b, dim);
            }
            encode(&one, a, 0);
            codes_query_vector(&one.codec, b, one.scratch, &one.query);
            codes_distances(&one.codec, &one.query, &row, 1, sums, &coarse);
            fine = coarse;
            refine(&one, 1, &fine);
            said = codes_refined_error(&one.codec, &one.query, row, one.fine);
            for (size_t i = 0; i < dim; i++) {
                truth += dot ? -(double)a[i] * b[i] : ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
                lengths_a += (double)a[i] * a[i];
                lengths_b += (double)b[i] * b[i];
            }
            error = fabs((double)fine - truth) / (double)said;
            sum += error * error;
            worst = error > worst ? error : worst;
            coarse_sum += ((double)coarse - truth) * ((double)coarse - truth) / (lengths_a * lengths_b);
            fine_sum += ((double)fine - truth) * ((double)fine - truth) / (lengths_a * lengths_b);
        }
        CHECK_MSG(sqrt(sum / 2000) < 1.1 && sqrt(sum / 2000) > 0.7, "dim %u: root mean square error %.3f of what is said", dim,
                  sqrt(sum / 2000));
        CHECK_MSG(worst < 6, "dim %u: worst error %.2f standard deviations", dim, worst);
        CHECK_MSG(fine_sum * 36 < coarse_sum, "dim %u: refined errs by %.4f of what the code alone does", dim,
                  sqrt(fine_sum / coarse_sum));
        bundle_clear(&one);
    }
}

/* Goal:   what a damaged row says leads to no read outside of the query.
 * Method: rows of random bytes; the sanitizers watch. Seed 4. */
TEST(fine_rows_of_any_bytes_can_be_read)
{
    static float vector[DIM_MAX];
    test_rng     rng = test_rng_seed(4);
    bundle       one;

    fill(&rng, vector, 200);
    bundle_init(&one, kernel(), 200, OCT_COSINE, 1);
    encode(&one, vector, 0);
    codes_query_vector(&one.codec, vector, one.scratch, &one.query);
    for (int turn = 0; turn < 1000; turn++) {
        float distance = 0;

        for (uint32_t i = 0; i < one.codec.fine_stride; i++)
            one.fine[i] = (uint8_t)test_below(&rng, 256);
        refine(&one, 1, &distance);
        CHECK(distance == distance);
    }
    bundle_clear(&one);
}

TEST(odd_vectors_get_codes_too)
{
    static float   vector[DIM_MAX];
    bundle         one;
    const uint8_t *row;
    int32_t        sums[1];
    float          estimate;

    bundle_init(&one, kernel(), 768, OCT_DOT, 1);
    row = one.codes;
    for (int kind = 0; kind < 5; kind++) {
        memset(vector, 0, sizeof vector);
        if (kind == 1)
            vector[3] = 1;
        for (size_t i = 0; kind == 2 && i < 768; i++)
            vector[i] = 1e18f;
        for (size_t i = 0; kind == 3 && i < 768; i++)
            vector[i] = 1e-30f;
        if (kind == 4)
            vector[0] = -1e18f;
        encode(&one, vector, 0);
        codes_query_vector(&one.codec, vector, one.scratch, &one.query);
        codes_distances(&one.codec, &one.query, &row, 1, sums, &estimate);
        CHECK_MSG(isfinite(estimate) || kind == 2 || kind == 4, "kind %d: %g", kind, (double)estimate);
        refine(&one, 1, &estimate);
        CHECK_MSG(isfinite(estimate) || kind == 2 || kind == 4, "kind %d, refined: %g", kind, (double)estimate);
    }
    bundle_clear(&one);
}
