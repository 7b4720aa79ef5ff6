/* See float_text.h. The shortest decimal of a float.
 *
 * WHAT     Of all decimals that a reader rounds to this float take those with the fewest digits, and of
 *          those the one nearest to it. Vectors travel as text millions of numbers at a time, so this is
 *          both the size of an answer and a good part of its time.
 * HOW      Raffaello Giulietti, "The Schubfach way to render doubles" (2020), sections 8 and 9, for 32 bits.
 *          A float is c * 2^q with an integer c. Everything that rounds to it lies between the midpoints
 *          to its neighbours, (c - 1/2) * 2^q and (c + 1/2) * 2^q; below a power of two the neighbour is
 *          nearer and the lower end is (c - 1/4) * 2^q. Choose k so that 10^k is at most as wide as that
 *          interval, but 10^(k+1) is wider. Then
 *
 *              - one multiple of 10^(k+1) at most lies inside: if there is one it has the fewest digits;
 *              - some multiple of 10^k lies inside: else take the nearer of the two around the float.
 *
 *          To compare without fractions, all is scaled by 4 * 10^-k. 10^-k is a 64-bit number from the table
 *          below; products are rounded to odd (the lowest bit says "and something more"), which the
 *          paper proves enough to order them as the exact values are ordered.
 * WE DIFFER: digits are printed in the notation Rust's JSON uses, since that is what Qdrant's clients know;
 *          trailing zeros are dropped, and no fixed minimum of two digits is kept as Java wants it.
 * TESTS    float_text_test.c: the table against exact arithmetic; the text of every float (OCTANT_LONG=1)
 *          or of a stride of them reads back, and nothing shorter or nearer does.
 */
#include "base/float_text.h"

#include "base/float_text_internal.h"

#define SIGNIFICAND_BITS 23u
#define EXPONENT_BITS    8u
#define EXPONENT_BIAS    150 /* 127, and 23 for the point after the significand */
#define EXPONENT_MIN     (-149)

/* Exponents (of the leading digit) that are written without an "e". */
#define PLAIN_EXPONENT_MIN (-5)
#define PLAIN_EXPONENT_MAX 15

/* Made with exact rationals; float_text_test.c makes it again. */
const uint64_t float_text_powers[POWER_MAX - POWER_MIN + 1] = {
    0x81CEB32C4B43FCF5, 0xA2425FF75E14FC32, 0xCAD2F7F5359A3B3F, 0xFD87B5F28300CA0E, /* -31 .. -28 */
    0x9E74D1B791E07E49, 0xC612062576589DDB, 0xF79687AED3EEC552, 0x9ABE14CD44753B53, /* -27 .. -24 */
    0xC16D9A0095928A28, 0xF1C90080BAF72CB2, 0x971DA05074DA7BEF, 0xBCE5086492111AEB, /* -23 .. -20 */
    0xEC1E4A7DB69561A6, 0x9392EE8E921D5D08, 0xB877AA3236A4B44A, 0xE69594BEC44DE15C, /* -19 .. -16 */
    0x901D7CF73AB0ACDA, 0xB424DC35095CD810, 0xE12E13424BB40E14, 0x8CBCCC096F5088CC, /* -15 .. -12 */
    0xAFEBFF0BCB24AAFF, 0xDBE6FECEBDEDD5BF, 0x89705F4136B4A598, 0xABCC77118461CEFD, /* -11 .. -8 */
    0xD6BF94D5E57A42BD, 0x8637BD05AF6C69B6, 0xA7C5AC471B478424, 0xD1B71758E219652C, /* -7 .. -4 */
    0x83126E978D4FDF3C, 0xA3D70A3D70A3D70B, 0xCCCCCCCCCCCCCCCD, 0x8000000000000000, /* -3 .. 0 */
    0xA000000000000000, 0xC800000000000000, 0xFA00000000000000, 0x9C40000000000000, /* 1 .. 4 */
    0xC350000000000000, 0xF424000000000000, 0x9896800000000000, 0xBEBC200000000000, /* 5 .. 8 */
    0xEE6B280000000000, 0x9502F90000000000, 0xBA43B74000000000, 0xE8D4A51000000000, /* 9 .. 12 */
    0x9184E72A00000000, 0xB5E620F480000000, 0xE35FA931A0000000, 0x8E1BC9BF04000000, /* 13 .. 16 */
    0xB1A2BC2EC5000000, 0xDE0B6B3A76400000, 0x8AC7230489E80000, 0xAD78EBC5AC620000, /* 17 .. 20 */
    0xD8D726B7177A8000, 0x878678326EAC9000, 0xA968163F0A57B400, 0xD3C21BCECCEDA100, /* 21 .. 24 */
    0x84595161401484A0, 0xA56FA5B99019A5C8, 0xCECB8F27F4200F3A, 0x813F3978F8940985, /* 25 .. 28 */
    0xA18F07D736B90BE6, 0xC9F2C9CD04674EDF, 0xFC6F7C4045812297, 0x9DC5ADA82B70B59E, /* 29 .. 32 */
    0xC5371912364CE306, 0xF684DF56C3E01BC7, 0x9A130B963A6C115D, 0xC097CE7BC90715B4, /* 33 .. 36 */
    0xF0BDC21ABB48DB21, 0x96769950B50D88F5, 0xBC143FA4E250EB32, 0xEB194F8E1AE525FE, /* 37 .. 40 */
    0x92EFD1B8D0CF37BF, 0xB7ABC627050305AE, 0xE596B7B0C643C71A, 0x8F7E32CE7BEA5C70, /* 41 .. 44 */
    0xB35DBF821AE4F38C,                                                             /* 45 .. 45 */
};

static const char digit_pairs[] = "00010203040506070809"
                                  "10111213141516171819"
                                  "20212223242526272829"
                                  "30313233343536373839"
                                  "40414243444546474849"
                                  "50515253545556575859"
                                  "60616263646566676869"
                                  "70717273747576777879"
                                  "80818283848586878889"
                                  "90919293949596979899";

typedef struct decimal { /* digits * 10^exponent */
    uint32_t digits;
    int      exponent;
} decimal;

/* floor(log10(2^q)), or of 3/4 of it: linear, with 22 bits of log10(2) and of log10(3/4). Exact for every
 * q of a float (checked exhaustively). Right shifts of negative numbers are arithmetic in gcc and clang. */
static inline int
floor_log10_pow2(int q, bool three_quarters)
{
    return (q * 1262611 - (three_quarters ? 524031 : 0)) >> 22;
}

/* floor(log2(10^e)), likewise. */
static inline int
floor_log2_pow10(int e)
{
    return (e * 1741647) >> 19;
}

/* scaled * power / 2^64, rounded to odd. The power is less than 1 too large in its last bit and `scaled`
 * has at most 32 bits, so that the low 32 bits of the product are noise, and a 1 above them may be. */
static inline uint32_t
round_to_odd(uint64_t power, uint32_t scaled)
{
    const unsigned __int128 product = (unsigned __int128)power * scaled;
    const uint32_t          whole = (uint32_t)(product >> 64);
    const uint32_t          below = (uint32_t)(product >> 32);

    return whole | (below > 1);
}

/* The shortest decimal of a positive finite float, given as its two fields. */
static decimal
shortest(uint32_t exponent_field, uint32_t fraction_field)
{
    const bool     is_normal = exponent_field != 0;
    const uint32_t c = is_normal ? fraction_field | 1u << SIGNIFICAND_BITS : fraction_field;
    const int      q = is_normal ? (int)exponent_field - EXPONENT_BIAS : EXPONENT_MIN;
    const bool     is_near_below = fraction_field == 0 && exponent_field > 1;
    const bool     is_closed = (c & 1) == 0; /* readers round ties to even: then the midpoints are ours too */
    const int      k = floor_log10_pow2(q, is_near_below);
    const int      shift = q + floor_log2_pow10(-k) + 1; /* 1 .. 4 */
    const uint64_t power = float_text_powers[-k - POWER_MIN];

    /* Four times the float and the ends of its interval, in units of 10^k. */
    const uint32_t value = round_to_odd(power, (4 * c) << shift);
    const uint32_t low = round_to_odd(power, (4 * c - (is_near_below ? 1 : 2)) << shift) + !is_closed;
    const uint32_t high = round_to_odd(power, (4 * c + 2) << shift) - !is_closed;
    const uint32_t below = value / 4; /* the multiple of 10^k at or below the float; below + 1 is above it */

    if (below >= 10) {
        const uint32_t tens = below / 10;
        const bool     low_fits = low <= 40 * tens;
        const bool     high_fits = 40 * tens + 40 <= high;

        if (low_fits != high_fits)
            return (decimal){tens + high_fits, k + 1};
    }
    {
        const bool low_fits = low <= 4 * below;
        const bool high_fits = 4 * below + 4 <= high;
        const bool is_up = value > 4 * below + 2 || (value == 4 * below + 2 && (below & 1) != 0);

        if (low_fits != high_fits)
            return (decimal){below + high_fits, k};
        return (decimal){below + is_up, k};
    }
}

/* Write exactly `count` digits of `digits`, so that they end before `end`. */
static inline void
write_digits(char *end, uint32_t digits, unsigned count)
{
    for (; count >= 2; count -= 2) {
        end -= 2;
        memcpy(end, digit_pairs + 2 * (digits % 100), 2);
        digits /= 100;
    }
    if (count == 1)
        end[-1] = (char)('0' + digits % 10);
}

static inline unsigned
count_digits(uint32_t digits)
{
    unsigned count = 1;

    for (; digits >= 100; digits /= 100)
        count += 2;
    return count + (digits >= 10);
}

size_t
float_text(float value, char *out)
{
    char    *at = out;
    uint32_t bits, exponent_field, fraction_field;
    decimal  number;
    unsigned count;
    int      exponent; /* of the leading digit */

    memcpy(&bits, &value, sizeof bits);
    exponent_field = (bits >> SIGNIFICAND_BITS) & ((1u << EXPONENT_BITS) - 1);
    fraction_field = bits & ((1u << SIGNIFICAND_BITS) - 1);

    if (exponent_field == (1u << EXPONENT_BITS) - 1) {
        memcpy(out, "null", 4);
        return 4;
    }
    if (bits >> 31 != 0)
        *at++ = '-';
    if ((bits << 1) == 0) {
        memcpy(at, "0.0", 3);
        return (size_t)(at + 3 - out);
    }

    number = shortest(exponent_field, fraction_field);
    while (number.digits % 10 == 0) {
        number.digits /= 10;
        number.exponent++;
    }
    count = count_digits(number.digits);
    exponent = number.exponent + (int)count - 1;

    if (exponent < PLAIN_EXPONENT_MIN || exponent > PLAIN_EXPONENT_MAX) {
        /* d.ddde-30: write one place late, then pull the first digit before the point. */
        write_digits(at + 1 + count, number.digits, count);
        at[0] = at[1];
        at[1] = '.';
        at += count == 1 ? 1 : count + 1;
        *at++ = 'e';
        if (exponent < 0)
            *at++ = '-';
        exponent = exponent < 0 ? -exponent : exponent;
        if (exponent >= 10)
            *at++ = (char)('0' + exponent / 10);
        *at++ = (char)('0' + exponent % 10);
    } else if (number.exponent >= 0) {
        /* ddd000.0 */
        write_digits(at + count, number.digits, count);
        at += count;
        memset(at, '0', (size_t)number.exponent);
        at += number.exponent;
        memcpy(at, ".0", 2);
        at += 2;
    } else if (exponent >= 0) {
        /* dd.ddd: write one place late, then pull the whole part before the point. */
        write_digits(at + 1 + count, number.digits, count);
        memmove(at, at + 1, (size_t)exponent + 1);
        at[exponent + 1] = '.';
        at += count + 1;
    } else {
        /* 0.000ddd */
        memcpy(at, "0.0000", 6);
        at += 1 - exponent;
        write_digits(at + count, number.digits, count);
        at += count;
    }
    return (size_t)(at - out);
}
