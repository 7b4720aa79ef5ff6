/* Goal:   float_text writes the shortest and then nearest decimal that reads back, for every float, in the
 *         notation promised.
 * Method: strtof and printf of the C library as judges; exact arithmetic for the table. Every 4093rd bit
 *         pattern and all powers of two with their neighbours by default; all 2^32 with OCTANT_LONG=1
 *         (about half an hour on one core). */
#include "base/float_text.h"

#include <stdlib.h>
#include <time.h>

#include "base/float_text_internal.h"
#include "support/test.h"

static float
from_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Like float_text, with a NUL. */
static const char *
text_of(float value, char out[FLOAT_TEXT_MAX + 1])
{
    const size_t size = float_text(value, out);

    CHECK(size > 0 && size <= FLOAT_TEXT_MAX);
    out[size] = '\0';
    return out;
}

/* Parts of a written number: its digits without leading and trailing zeros, times 10^exponent. */
static unsigned
parse_text(const char *text, uint64_t *digits, int *exponent)
{
    unsigned count = 0;
    bool     after_point = false;

    *digits = 0;
    *exponent = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text == '.') {
            after_point = true;
        } else if (*text != '-') {
            *digits = *digits * 10 + (uint64_t)(*text - '0');
            *exponent -= after_point;
        }
    }
    if (*text == 'e')
        *exponent += atoi(text + 1);
    while (*digits != 0 && *digits % 10 == 0) {
        *digits /= 10;
        (*exponent)++;
    }
    for (uint64_t rest = *digits; rest != 0; rest /= 10)
        count++;
    return count;
}

static bool
reads_back(uint64_t digits, int exponent, float value)
{
    char text[48];

    (void)snprintf(text, sizeof text, "%llue%d", (unsigned long long)digits, exponent);
    return strtof(text, NULL) == value;
}

/* A positive finite float, not zero. */
static void
check_positive(uint32_t bits)
{
    const float value = from_bits(bits);
    char        text[FLOAT_TEXT_MAX + 1], again[FLOAT_TEXT_MAX + 1], nearest[64];
    char       *end;
    uint64_t    digits, nearest_digits;
    int         exponent, nearest_exponent;
    unsigned    count;

    (void)text_of(value, text);
    CHECK_MSG(strtof(text, &end) == value && *end == '\0', "%08x is written as %s", bits, text);
    CHECK_MSG(text_of(-value, again)[0] == '-' && strcmp(again + 1, text) == 0, "%08x: %s, minus: %s", bits,
              text, again);

    count = parse_text(text, &digits, &exponent);
    CHECK_MSG(count >= 1 && count <= 9, "%08x is written as %s: %u digits", bits, text, count);
    if (count > 1) {
        /* Any shorter decimal that reads back would be a neighbour of this one on the coarser grid. */
        CHECK_MSG(!reads_back(digits / 10, exponent + 1, value), "%08x as %s is not shortest", bits, text);
        CHECK_MSG(!reads_back(digits / 10 + 1, exponent + 1, value), "%08x as %s is not shortest", bits,
                  text);
    }
    /* Of that length, printf knows the nearest; at a power of two it may fall outside on the near side. */
    (void)snprintf(nearest, sizeof nearest, "%.*e", (int)count - 1, (double)value);
    (void)parse_text(nearest, &nearest_digits, &nearest_exponent);
    if (strtof(nearest, NULL) == value)
        CHECK_MSG(digits == nearest_digits && exponent == nearest_exponent, "%08x as %s, nearest is %s", bits,
                  text, nearest);
    else
        CHECK_MSG((bits & 0x7FFFFF) == 0, "%08x as %s: %s does not read back", bits, text, nearest);
}

TEST(float_text_is_the_shortest_that_reads_back)
{
    const bool is_long = getenv("OCTANT_LONG") != NULL;
    uint64_t   count = 0;

    for (uint32_t bits = 1; bits < 0x7F800000u; bits += is_long ? 1 : 4093, count++)
        check_positive(bits);
    for (uint32_t exponent = 1; exponent < 255; exponent++) {
        check_positive(exponent << 23);
        check_positive((exponent << 23) - 1);
        check_positive((exponent << 23) + 1);
    }
    printf("  %llu floats and their negatives\n", (unsigned long long)count);
}

TEST(float_text_uses_the_promised_notation)
{
    static const struct {
        float       value;
        const char *text;
    } cases[] = {
        {0.0f, "0.0"},
        {-0.0f, "-0.0"},
        {1.0f, "1.0"},
        {-1.0f, "-1.0"},
        {10.0f, "10.0"},
        {0.1f, "0.1"},
        {0.3f, "0.3"},
        {1.5f, "1.5"},
        {123.456f, "123.456"},
        {0.001f, "0.001"},
        {0.00001f, "0.00001"},
        {0.000012345f, "0.000012345"},
        {1e-6f, "1e-6"},
        {1.5e-6f, "1.5e-6"},
        {1e15f, "1000000000000000.0"},
        {1e16f, "1e16"},
        {1.5e16f, "1.5e16"},
        {-2.5e20f, "-2.5e20"},
        {16777216.0f, "16777216.0"},
        {33554432.0f, "33554432.0"},
        {9.999999e15f, "9999999000000000.0"},
        {3.4028235e38f, "3.4028235e38"},
        {1.1754944e-38f, "1.1754944e-38"},
        {1e-45f, "1e-45"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
        {NAN, "null"},
        {9.9999994e-1f, "0.99999994"},
        {-1.17549421e-38f, "-1.1754942e-38"},
    };
    char text[FLOAT_TEXT_MAX + 1];

    for (size_t i = 0; i < countof(cases); i++)
        CHECK_TEXT(text_of(cases[i].value, text), cases[i].text);
}

/* 10^e for e in [-31, 45], exactly: as a big number, shifted so that its top bit is bit 63, rounded up.
 * For negative e it is 2^n / 10^-e by long division. */
static uint64_t
exact_power(int e)
{
    uint32_t limbs[12] = {1}; /* 384 bits: 10^45 needs 150; 2^(63 + 104) needs 168 */
    uint64_t top = 0;
    int      highest = 0;
    bool     has_rest = false;

    if (e < 0) /* 2^319 / 10^-e keeps far more than 64 bits */
        limbs[0] = 0, limbs[9] = 1u << 31;
    for (int i = 0; i < (e < 0 ? -e : e); i++) {
        uint64_t carry = 0;

        if (e > 0) {
            for (size_t j = 0; j < countof(limbs); j++) {
                carry += (uint64_t)limbs[j] * 10;
                limbs[j] = (uint32_t)carry;
                carry >>= 32;
            }
        } else {
            for (size_t j = countof(limbs); j-- > 0;) {
                carry = carry << 32 | limbs[j];
                limbs[j] = (uint32_t)(carry / 10);
                carry %= 10;
            }
            has_rest = has_rest || carry != 0;
        }
    }
    for (int bit = 0; bit < 384; bit++)
        highest = (limbs[bit / 32] >> (bit % 32) & 1) != 0 ? bit : highest;
    for (int bit = highest; bit > highest - 64; bit--)
        top = top << 1 | (bit < 0 ? 0 : limbs[bit / 32] >> (bit % 32) & 1);
    for (int bit = 0; bit <= highest - 64; bit++)
        has_rest = has_rest || (limbs[bit / 32] >> (bit % 32) & 1) != 0;
    return top + has_rest;
}

TEST(float_text_table_is_exact)
{
    for (int e = POWER_MIN; e <= POWER_MAX; e++) {
        const unsigned long long got = float_text_powers[e - POWER_MIN], want = exact_power(e);

        CHECK_MSG(got == want, "10^%d is %016llx, expected %016llx", e, got, want);
    }
}

/* Prints a figure; fails only when something is badly wrong (the aim is 40 ns in a release build). */
TEST(float_text_is_fast)
{
    enum { COUNT = 200000 };
    char            text[FLOAT_TEXT_MAX];
    test_rng        rng = test_rng_seed(3);
    size_t          bytes = 0;
    struct timespec start, end;
    double          ns;
    static float    values[COUNT];

    test_fill(&rng, values, COUNT);
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (size_t i = 0; i < COUNT; i++)
        bytes += float_text(values[i], text);
    clock_gettime(CLOCK_MONOTONIC, &end);
    ns = ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) / COUNT;
    printf("  %.1f ns for each float in [-1, 1), %.1f bytes\n", ns, (double)bytes / COUNT);
    CHECK_MSG(ns < 4000, "%.1f ns", ns);
}
