/* Tests of crc32c.h: both ways of computing against the definition, a bit at a time. */
#include "base/crc32c.h"

#include <pthread.h>

#include "support/test.h"

#define LONG_BYTES 70000u /* several triple blocks of the long kind and all kinds of rests */

/* The definition: the register inverted at both ends, one bit at a time, lowest first. */
static uint32_t
crc_by_bits(uint32_t seed, const unsigned char *data, size_t size)
{
    uint32_t state = ~seed;

    for (size_t i = 0; i < size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            const uint32_t low = (state ^ (uint32_t)data[i] >> bit) & 1;

            state = (state >> 1) ^ (low != 0 ? 0x82F63B78u : 0);
        }
    }
    return ~state;
}

static void
fill_bytes(test_rng *rng, unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)test_u64(rng);
}

/* Goal: the values that RFC 3720 (iSCSI), appendix B.4, gives, and the usual check value. */
TEST(crc32c_gives_the_published_values)
{
    unsigned char bytes[32];

    printf("  method: %s\n", crc32c_method());
    CHECK_INT(crc32c(0, "123456789", 9), 0xE3069283u);
    CHECK_INT(crc32c_by_table(0, "123456789", 9), 0xE3069283u);
    CHECK_INT(crc32c(0, "", 0), 0);
    memset(bytes, 0, sizeof bytes);
    CHECK_INT(crc32c(0, bytes, sizeof bytes), 0x8A9136AAu);
    memset(bytes, 255, sizeof bytes);
    CHECK_INT(crc32c(0, bytes, sizeof bytes), 0x62A8AB43u);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    CHECK_INT(crc32c(0, bytes, sizeof bytes), 0x46DD794Eu);
}

/* Goal:   both ways equal the definition.
 * Method: every length 0..300 at every alignment 0..15, random bytes and seeds, seed 1. */
TEST(crc32c_equals_the_definition_for_short_runs)
{
    unsigned char data[320];
    test_rng      rng = test_rng_seed(1);

    for (size_t size = 0; size <= 300; size++) {
        for (size_t start = 0; start < 16; start++) {
            const uint32_t seed = (uint32_t)test_u64(&rng);
            uint32_t       want;

            fill_bytes(&rng, data + start, size);
            want = crc_by_bits(seed, data + start, size);
            CHECK_MSG(crc32c(seed, data + start, size) == want, "size %zu, start %zu", size, start);
            CHECK_MSG(crc32c_by_table(seed, data + start, size) == want, "table, size %zu, start %zu", size,
                      start);
        }
    }
}

/* Goal:   the same where blocks are joined.
 * Method: lengths around multiples of the triple blocks (3 * 128, 3 * 1024) and 100 random ones, seed 2. */
TEST(crc32c_equals_the_definition_for_long_runs)
{
    static unsigned char data[LONG_BYTES + 64];
    test_rng             rng = test_rng_seed(2);

    fill_bytes(&rng, data, sizeof data);
    for (size_t round = 0; round < 160; round++) {
        const size_t   block = round % 2 == 0 ? 3 * 128 : 3 * 1024;
        const size_t   near = block * (1 + test_below(&rng, 8)) - 9 + test_below(&rng, 19);
        const size_t   size = round < 60 ? near : test_below(&rng, LONG_BYTES);
        const size_t   start = test_below(&rng, 64);
        const uint32_t want = crc_by_bits(0, data + start, size);

        CHECK_MSG(crc32c(0, data + start, size) == want, "size %zu, start %zu", size, start);
        CHECK_MSG(crc32c_by_table(0, data + start, size) == want, "table, size %zu, start %zu", size, start);
    }
}

/* Goal:   parts give the whole, by seeding and by combining.
 * Method: 200 random cuts of random runs, seed 3; then sizes no memory holds: combining zeroes twice n at
 *         a time must equal combining 2n, up to 2^62. */
TEST(crc32c_of_parts_joins_to_that_of_the_whole)
{
    static unsigned char data[LONG_BYTES];
    test_rng             rng = test_rng_seed(3);

    fill_bytes(&rng, data, sizeof data);
    for (size_t round = 0; round < 200; round++) {
        const size_t   size = test_below(&rng, round < 100 ? 100 : LONG_BYTES);
        const size_t   cut = size == 0 ? 0 : test_below(&rng, size + 1);
        const uint32_t whole = crc32c(0, data, size);
        const uint32_t a = crc32c(0, data, cut), b = crc32c(0, data + cut, size - cut);

        CHECK_MSG(crc32c(a, data + cut, size - cut) == whole, "size %zu, cut %zu", size, cut);
        CHECK_MSG(crc32c_combine(a, b, size - cut) == whole, "size %zu, cut %zu", size, cut);
    }
    for (int k = 0; k < 62; k++) {
        const uint32_t crc = (uint32_t)test_u64(&rng);
        const uint64_t n = (uint64_t)1 << k;

        CHECK_INT(crc32c_combine(crc32c_combine(crc, 0, n), 0, n), crc32c_combine(crc, 0, 2 * n));
    }
}

static unsigned char shared_data[4096];

static void *
sum_in_thread(void *out)
{
    *(uint32_t *)out = crc32c(0, shared_data, sizeof shared_data);
    return NULL;
}

/* Goal:   many threads agree (under TSan: the tables are published rightly when this test runs first:
 *         unit crc32c_is_the_same_from_many_threads).
 * Method: four threads, seed 4. */
TEST(crc32c_is_the_same_from_many_threads)
{
    pthread_t threads[4];
    uint32_t  sums[4] = {0};
    test_rng  rng = test_rng_seed(4);

    fill_bytes(&rng, shared_data, sizeof shared_data);
    for (size_t i = 0; i < countof(threads); i++)
        CHECK_INT(pthread_create(&threads[i], NULL, sum_in_thread, &sums[i]), 0);
    for (size_t i = 0; i < countof(threads); i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < countof(threads); i++)
        CHECK_INT(sums[i], crc_by_bits(0, shared_data, sizeof shared_data));
}
