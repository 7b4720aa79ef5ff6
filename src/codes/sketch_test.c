/* Goal:   sketches are the same bytes and their estimates the same floats at every CPU level, and err as little as sketch.h says.
 * Method: random vectors with seeds 1 to 3; levels are forced one after the other; errors against products of floats.
 */
#include "codes/sketch.h"

#include <math.h>

#include "support/levels.h"
#include "support/test.h"

#define ROWS    60u
#define DIM_MAX 1600u

typedef struct bundle {
    codes        codec;
    float       *scratch;
    int8_t      *values;
    uint8_t     *code, *sketches;
    codes_query  coded;
    sketch_query query;
} bundle;

static void
bundle_init(bundle *self, const kernel_table *level, uint32_t dim, oct_distance distance)
{
    codes_init(&self->codec, dim, distance);
    self->codec.kernel = level;
    self->scratch = oct_alloc_aligned(64, codes_scratch_floats(&self->codec) * sizeof(float));
    self->values = oct_alloc_aligned(64, self->codec.padded);
    self->code = oct_alloc_aligned(64, self->codec.stride);
    self->sketches = oct_alloc_aligned(64, ROWS * sketch_stride(&self->codec));
    self->coded.values = oct_alloc_aligned(64, self->codec.padded);
    self->query.planes = oct_alloc_aligned(64, sketch_plane_bytes(&self->codec));
}

static void
bundle_clear(bundle *self)
{
    oct_free(self->scratch);
    oct_free(self->values);
    oct_free(self->code);
    oct_free(self->sketches);
    oct_free(self->coded.values);
    oct_free(self->query.planes);
}

/* Sketches of ROWS vectors and their estimated distances to the query. */
static void
estimate(bundle *self, const float (*vectors)[DIM_MAX], const float *query, float *out)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        codes_encode(&self->codec, vectors[i], self->scratch, self->code);
        sketch_make(&self->codec, self->code, self->values, self->sketches + i * sketch_stride(&self->codec));
    }
    codes_query_vector(&self->codec, query, self->scratch, &self->coded);
    sketch_query_code(&self->codec, &self->coded, &self->query);
    sketch_distances(&self->codec, &self->query, self->sketches, ROWS, out);
}

TEST(sketches_and_estimates_are_the_same_bits_at_every_level)
{
    static const uint32_t dims[] = {64, 100, 128, 384, 640, 768, 1024, 1536, 1600};
    static float          vectors[ROWS][DIM_MAX], query[DIM_MAX];
    test_rng              rng = test_rng_seed(1);

    for (size_t d = 0; d < countof(dims); d++) {
        const oct_distance distance = d % 2 == 0 ? OCT_COSINE : OCT_EUCLID;
        bundle             plain;
        float              want[ROWS], got[ROWS];

        for (uint32_t i = 0; i < ROWS; i++)
            test_fill(&rng, vectors[i], dims[d]);
        test_fill(&rng, query, dims[d]);
        memset(vectors[0], 0, sizeof vectors[0]); /* no direction at all */
        if (d == 3)
            memset(query, 0, sizeof query);
        bundle_init(&plain, kernel_named("scalar"), dims[d], distance);
        estimate(&plain, (const float (*)[DIM_MAX])vectors, query, want);
        for (uint32_t i = 0; i < ROWS; i++)
            CHECK_MSG(want[i] == want[i], "dim %u, row %u", dims[d], i);
        for (EACH_LEVEL(level)) {
            bundle other;

            bundle_init(&other, level, dims[d], distance);
            estimate(&other, (const float (*)[DIM_MAX])vectors, query, got);
            CHECK_MSG(memcmp(plain.sketches, other.sketches, ROWS * sketch_stride(&plain.codec)) == 0, "%s, dim %u",
                      level->name, dims[d]);
            CHECK_MSG(memcmp(want, got, sizeof want) == 0, "%s, dim %u", level->name, dims[d]);
            bundle_clear(&other);
        }
        bundle_clear(&plain);
    }
}

/* Bound: 0.84 / sqrt(D) is the standard deviation; of 60 x 200 products of unit vectors the mean square lies within a tenth of it. */
TEST(estimates_of_sketches_err_as_little_as_promised)
{
    static float vectors[ROWS][DIM_MAX];
    test_rng     rng = test_rng_seed(2);
    bundle       at;
    double       squares = 0;
    size_t       count = 0;

    bundle_init(&at, kernel(), 768, OCT_COSINE);
    for (int round = 0; round < 200; round++) {
        float query[768], found[ROWS];

        test_fill(&rng, query, 768);
        kernel_normalize(query, query, 768);
        for (uint32_t i = 0; i < ROWS; i++) {
            test_fill(&rng, vectors[i], 768);
            for (size_t j = 0; j < 768; j++) /* cosines from 0 to 0.5 */
                vectors[i][j] = vectors[i][j] * 0.02f + query[j] * 0.2f * (float)i / ROWS;
            kernel_normalize(vectors[i], vectors[i], 768);
        }
        estimate(&at, (const float (*)[DIM_MAX])vectors, query, found);
        for (uint32_t i = 0; i < ROWS; i++) {
            const double error = (double)found[i] + (double)kernel()->dot_f32(vectors[i], query, 768);

            squares += error * error;
            count++;
        }
    }
    CHECK_MSG(sqrt(squares / (double)count * 768) < 0.84 * 1.05, "a deviation of %f / sqrt(D)", sqrt(squares / (double)count * 768));
    bundle_clear(&at);
}
