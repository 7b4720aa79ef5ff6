/* Goal:   every level computes the integer products, transforms and roundings that the scalar code means.
 * Method: random rows, seed 3; blocks 1 to 12; results compared bit for bit, and the transform with its definition.
 */
#include <stdlib.h>

#include "kernel/kernel.h"
#include "support/levels.h"
#include "support/test.h"

#define BLOCKS_MAX 12u
#define ROWS       7u

static _Alignas(64) uint8_t codes[ROWS][BLOCKS_MAX * 64];
static _Alignas(64) int8_t query[BLOCKS_MAX * 128], bytes_a[BLOCKS_MAX * 128], bytes_b[BLOCKS_MAX * 128];
static _Alignas(64) float values[BLOCKS_MAX * 128], floats_a[BLOCKS_MAX * 128], floats_b[BLOCKS_MAX * 128];

static void
fill(test_rng *rng)
{
    for (size_t i = 0; i < sizeof query; i++)
        query[i] = (int8_t)((int)test_below(rng, 255) - 127);
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < sizeof codes[0]; j++)
            codes[i][j] = i == 0 ? 0xFF : (uint8_t)test_u64(rng);
    }
    for (size_t i = 0; i < countof(values); i++)
        values[i] = test_float(rng) * 3;
}

TEST(integer_products_are_exact_at_every_level)
{
    const kernel_table *scalar = kernel_named("scalar");
    test_rng            rng = test_rng_seed(3);

    for (EACH_LEVEL(table)) {
        for (size_t blocks = 1; blocks <= BLOCKS_MAX; blocks++) {
            const uint8_t *rows[ROWS];

            fill(&rng);
            if (blocks == 2)
                memset(query, 127, sizeof query); /* the largest sums there are */
            for (size_t i = 0; i < ROWS; i++)
                rows[i] = codes[i];
            for (size_t count = 0; count <= ROWS; count++) {
                int32_t want[ROWS] = {0}, got[ROWS] = {0};

                scalar->dot_u4_many(query, rows, count, blocks, want);
                table->dot_u4_many(query, rows, count, blocks, got);
                CHECK_MSG(memcmp(want, got, sizeof want) == 0, "%s, %zu blocks, %zu rows", table->name,
                          blocks, count);
            }
        }
    }
}

TEST(steps_of_encoding_are_the_same_at_every_level)
{
    const kernel_table *scalar = kernel_named("scalar");
    test_rng            rng = test_rng_seed(3);

    for (EACH_LEVEL(table)) {
        for (size_t blocks = 1; blocks <= BLOCKS_MAX; blocks++) {
            const size_t count = blocks * 128;
            uint8_t      packed_a[BLOCKS_MAX * 64], packed_b[BLOCKS_MAX * 64];
            uint64_t     signs[BLOCKS_MAX * 2];

            fill(&rng);
            for (size_t i = 0; i < countof(signs); i++)
                signs[i] = test_u64(&rng);
            CHECK(scalar->max_abs_f32(values, count) == table->max_abs_f32(values, count));
            memcpy(floats_a, values, count * sizeof(float));
            memcpy(floats_b, values, count * sizeof(float));
            scalar->flip_f32(floats_a, signs, count);
            table->flip_f32(floats_b, signs, count);
            CHECK(memcmp(floats_a, floats_b, count * sizeof(float)) == 0);
            for (size_t i = 0; i < count; i++)
                CHECK_MSG(floats_b[i] == ((signs[i / 64] >> (i & 63) & 1) != 0 ? -values[i] : values[i]),
                          "value %zu of %zu", i, count);
            scalar->scale_f32(floats_a, 0.37f, count);
            table->scale_f32(floats_b, 0.37f, count);
            CHECK(memcmp(floats_a, floats_b, count * sizeof(float)) == 0);
            scalar->levels_u4(values, count, 4.0f, -1.5f, floats_a);
            table->levels_u4(values, count, 4.0f, -1.5f, floats_b);
            CHECK(memcmp(floats_a, floats_b, count * sizeof(float)) == 0);
            scalar->pack_u4(floats_a, blocks, packed_a);
            table->pack_u4(floats_a, blocks, packed_b);
            CHECK(memcmp(packed_a, packed_b, blocks * 64) == 0);
            table->unpack_u4(packed_a, blocks, bytes_a);
            for (size_t i = 0; i < count; i++)
                CHECK_MSG((float)bytes_a[i] == floats_a[i], "code %zu is %d, was %g", i, bytes_a[i],
                          (double)floats_a[i]);
            CHECK_INT(table->round_i8(values, count, 55.5f, bytes_b),
                      scalar->round_i8(values, count, 55.5f, bytes_a));
            CHECK(memcmp(bytes_a, bytes_b, count) == 0);
        }
        for (size_t count = 1; count <= 1024; count *= 2) {
            memcpy(floats_a, values, count * sizeof(float));
            memcpy(floats_b, values, count * sizeof(float));
            scalar->fwht_f32(floats_a, count);
            table->fwht_f32(floats_b, count);
            CHECK_MSG(memcmp(floats_a, floats_b, count * sizeof(float)) == 0, "%s, %zu", table->name, count);
        }
    }
}

/* Bound: 7 additions a component, each off by half a unit at most. */
TEST(the_transform_is_walsh_hadamard)
{
    test_rng rng = test_rng_seed(4);

    fill(&rng);
    memcpy(floats_a, values, 128 * sizeof(float));
    kernel()->fwht_f32(floats_a, 128);
    for (size_t i = 0; i < 128; i++) {
        double sum = 0, size = 0;

        for (size_t j = 0; j < 128; j++) {
            sum += (__builtin_popcountll(i & j) & 1) != 0 ? -(double)values[j] : (double)values[j];
            size += fabs((double)values[j]);
        }
        CHECK_NEAR(floats_a[i], sum, 7 * 6e-8 * size, "component %zu", i);
    }
}

/* Goal:   every level names the same fresh rows, in order: below the limit, with no bit set.
 * Method: lists of 0 to 70 numbers - in part beyond the limit, also the largest number there is - at each alignment of four bytes,
 *         against a bitmap of which a half is set; a plain loop judges; what lies behind the room asked for is not
 *         touched. Seed 4. */
TEST(fresh_rows_are_the_same_at_every_level)
{
    static _Atomic uint32_t ids[16 + 70];
    static uint64_t         seen[64];
    test_rng                rng = test_rng_seed(4);

    for (uint32_t round = 0; round < 400; round++) {
        const uint32_t     count = round % 71, limit = (uint32_t)test_below(&rng, 64 * 64 + 1);
        _Atomic uint32_t  *list = ids + test_below(&rng, 16);
        uint32_t           want[70];
        size_t             wanted = 0;

        for (size_t i = 0; i < countof(seen); i++)
            seen[i] = test_u64(&rng);
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t id =
                test_below(&rng, 8) == 0 ? UINT32_MAX - (uint32_t)test_below(&rng, 3) : (uint32_t)test_below(&rng, 64 * 64);

            list[i] = id;
            if (id < limit && (seen[id / 64] >> (id % 64) & 1) == 0)
                want[wanted++] = id;
        }
        for (EACH_LEVEL(table)) {
            uint32_t            got[70 + KERNEL_FRESH_ROOM + 1];
            size_t              found;

            got[count + KERNEL_FRESH_ROOM] = 77;
            found = table->fresh_ids(list, count, limit, seen, got);
            CHECK_MSG(found == wanted && memcmp(got, want, wanted * sizeof *want) == 0, "%s, %u ids: %zu fresh, not %zu",
                      table->name, count, found, wanted);
            CHECK(got[count + KERNEL_FRESH_ROOM] == 77);
        }
    }
}

static int
compare_u64(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Goal:   every level keeps the lowest numbers, in order, and touches nothing behind the room.
 * Method: 0 to 299 sorted numbers and 0 to 99 more, small ones too so that some are equal, into room for all of them, for few more
 *         or for none; sorting all of them judges. Seed 5. */
TEST(merged_numbers_are_the_lowest_in_order_at_every_level)
{
    static uint64_t all[400], sorted[600], fresh[100];
    test_rng        rng = test_rng_seed(5);

    for (uint32_t round = 0; round < 2000; round++) {
        const size_t size = test_below(&rng, round % 2 == 0 ? 300 : 140), count = test_below(&rng, round % 3 == 0 ? 100 : 20);
        const size_t room = size + test_below(&rng, 2 * count + 1);
        const size_t wanted = size_min(size + count, room);
        uint64_t     numbers[400];

        for (size_t i = 0; i < size + count; i++)
            numbers[i] = round % 5 == 0 ? test_below(&rng, 50) : round % 7 == 0 ? UINT64_MAX - test_below(&rng, 50) : test_u64(&rng);
        qsort(numbers, size, sizeof *numbers, compare_u64);
        memcpy(all, numbers, sizeof numbers);
        qsort(all, size + count, sizeof *all, compare_u64);
        for (EACH_LEVEL(table)) {
            size_t              got;

            memcpy(sorted, numbers, size * sizeof *numbers);
            memcpy(fresh, numbers + size, count * sizeof *numbers);
            sorted[room] = 77;
            got = table->merge_u64(sorted, size, room, fresh, count);
            CHECK_MSG(got == wanted && memcmp(sorted, all, wanted * sizeof *all) == 0, "%s: %zu and %zu into %zu: %zu, not %zu",
                      table->name, size, count, room, got, wanted);
            CHECK(sorted[room] == 77);
        }
    }
}

/* Goal:   planes and shared bits are what their definitions say, at every level.
 * Method: random values, each count of blocks, thresholds from 1 to 127; rows of all bits too; plain loops judge. Seed 6. */
TEST(bit_planes_and_shared_bits_are_the_same_at_every_level)
{
    static _Alignas(64) uint8_t planes[2 * 256], rows[ROWS * 256];
    test_rng                    rng = test_rng_seed(6);

    for (EACH_LEVEL(table)) {
        for (size_t blocks = 1; blocks <= BLOCKS_MAX; blocks++) {
            const size_t stride = (blocks * 16 + 12 + 63) / 64 * 64;
            const int    part = blocks == 1 ? 1 : blocks == 2 ? 127 : 1 + (int)test_below(&rng, 127);
            uint32_t     sum = 0;

            fill(&rng);
            memset(planes, 0, sizeof planes);
            for (size_t i = 0; i < ROWS; i++) {
                for (size_t j = 0; j < stride; j++)
                    rows[i * stride + j] = i == 0 ? 0xFF : (uint8_t)test_u64(&rng);
            }
            CHECK(ROWS * stride <= sizeof rows);
            for (size_t j = 0; j < blocks * 128; j++)
                sum += query[j] < -part ? 0 : query[j] < 0 ? 1 : query[j] < part ? 2 : 3;
            CHECK_INT(table->planes_i8(query, blocks, (int8_t)part, planes, planes + stride), sum);
            for (size_t count = 0; count <= ROWS; count++) {
                int32_t got[ROWS + 1] = {0};

                got[count] = 77;
                table->shared_bits(planes, rows, stride, count, got);
                CHECK(got[count] == 77);
                for (size_t i = 0; i < count; i++) {
                    int32_t want = 0;

                    for (size_t j = 0; j < blocks * 128; j++) {
                        const int level_of = query[j] < -part ? 0 : query[j] < 0 ? 1 : query[j] < part ? 2 : 3;

                        want += (rows[i * stride + j / 8] >> j % 8 & 1) * level_of;
                    }
                    CHECK_MSG(got[i] == want, "%s, %zu blocks, row %zu: %d, not %d", table->name, blocks, i, got[i], want);
                }
            }
        }
    }
}
