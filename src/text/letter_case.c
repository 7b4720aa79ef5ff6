/* Lower case and ASCII spelling of letters. See letter_case.h.
 *
 * TABLE    Runs of letters whose lower case lies at one distance, every one of them or every second. Made by asking Rust's
 *          char::to_lowercase for every code point (Unicode 17), as Qdrant lowers with it; letter_case_test.c
 *          pins the number of letters and a checksum. ASCII and the dotted capital I (U+0130) are not in it.
 * SIGMA    Unicode has one rule that looks around a letter: capital sigma is written as the final sigma if a cased letter
 *          comes before it in its word and none after it. "Cased" is decided here by script, and what
 *          Unicode skips in between (apostrophes, marks) is any character that is no letter or digit; so words that mix
 *          Greek with scripts that have no case may differ from the letter of the rule.
 */
#include "text/letter_case.h"

#include "base/letters.h"

#define CAPITAL_DOTTED_I 0x130u
#define CAPITAL_SIGMA    0x3A3u
#define SMALL_SIGMA      0x3C3u
#define FINAL_SIGMA      0x3C2u

typedef struct lower_run {
    uint32_t start;
    uint16_t count;
    uint16_t stride;
    int32_t  distance;
} lower_run;

static const lower_run runs[] = {
    /* sorted, with gaps between */
    {0xC0, 23, 1, 32}, {0xD8, 7, 1, 32}, {0x100, 24, 2, 1}, {0x132, 3, 2, 1}, {0x139, 8, 2, 1},
    {0x14A, 23, 2, 1}, {0x178, 1, 1, -121}, {0x179, 3, 2, 1}, {0x181, 1, 1, 210}, {0x182, 2, 2, 1},
    {0x186, 1, 1, 206}, {0x187, 1, 1, 1}, {0x189, 2, 1, 205}, {0x18B, 1, 1, 1}, {0x18E, 1, 1, 79},
    {0x18F, 1, 1, 202}, {0x190, 1, 1, 203}, {0x191, 1, 1, 1}, {0x193, 1, 1, 205}, {0x194, 1, 1, 207},
    {0x196, 1, 1, 211}, {0x197, 1, 1, 209}, {0x198, 1, 1, 1}, {0x19C, 1, 1, 211}, {0x19D, 1, 1, 213},
    {0x19F, 1, 1, 214}, {0x1A0, 3, 2, 1}, {0x1A6, 1, 1, 218}, {0x1A7, 1, 1, 1}, {0x1A9, 1, 1, 218},
    {0x1AC, 1, 1, 1}, {0x1AE, 1, 1, 218}, {0x1AF, 1, 1, 1}, {0x1B1, 2, 1, 217}, {0x1B3, 2, 2, 1},
    {0x1B7, 1, 1, 219}, {0x1B8, 1, 1, 1}, {0x1BC, 1, 1, 1}, {0x1C4, 1, 1, 2}, {0x1C5, 1, 1, 1},
    {0x1C7, 1, 1, 2}, {0x1C8, 1, 1, 1}, {0x1CA, 1, 1, 2}, {0x1CB, 9, 2, 1}, {0x1DE, 9, 2, 1},
    {0x1F1, 1, 1, 2}, {0x1F2, 2, 2, 1}, {0x1F6, 1, 1, -97}, {0x1F7, 1, 1, -56}, {0x1F8, 20, 2, 1},
    {0x220, 1, 1, -130}, {0x222, 9, 2, 1}, {0x23A, 1, 1, 10795}, {0x23B, 1, 1, 1}, {0x23D, 1, 1, -163},
    {0x23E, 1, 1, 10792}, {0x241, 1, 1, 1}, {0x243, 1, 1, -195}, {0x244, 1, 1, 69}, {0x245, 1, 1, 71},
    {0x246, 5, 2, 1}, {0x370, 2, 2, 1}, {0x376, 1, 1, 1}, {0x37F, 1, 1, 116}, {0x386, 1, 1, 38},
    {0x388, 3, 1, 37}, {0x38C, 1, 1, 64}, {0x38E, 2, 1, 63}, {0x391, 17, 1, 32}, {0x3A3, 9, 1, 32},
    {0x3CF, 1, 1, 8}, {0x3D8, 12, 2, 1}, {0x3F4, 1, 1, -60}, {0x3F7, 1, 1, 1}, {0x3F9, 1, 1, -7},
    {0x3FA, 1, 1, 1}, {0x3FD, 3, 1, -130}, {0x400, 16, 1, 80}, {0x410, 32, 1, 32}, {0x460, 17, 2, 1},
    {0x48A, 27, 2, 1}, {0x4C0, 1, 1, 15}, {0x4C1, 7, 2, 1}, {0x4D0, 48, 2, 1}, {0x531, 38, 1, 48},
    {0x10A0, 38, 1, 7264}, {0x10C7, 1, 1, 7264}, {0x10CD, 1, 1, 7264}, {0x13A0, 80, 1, 38864},
    {0x13F0, 6, 1, 8}, {0x1C89, 1, 1, 1}, {0x1C90, 43, 1, -3008}, {0x1CBD, 3, 1, -3008}, {0x1E00, 75, 2, 1},
    {0x1E9E, 1, 1, -7615}, {0x1EA0, 48, 2, 1}, {0x1F08, 8, 1, -8}, {0x1F18, 6, 1, -8}, {0x1F28, 8, 1, -8},
    {0x1F38, 8, 1, -8}, {0x1F48, 6, 1, -8}, {0x1F59, 4, 2, -8}, {0x1F68, 8, 1, -8}, {0x1F88, 8, 1, -8},
    {0x1F98, 8, 1, -8}, {0x1FA8, 8, 1, -8}, {0x1FB8, 2, 1, -8}, {0x1FBA, 2, 1, -74}, {0x1FBC, 1, 1, -9},
    {0x1FC8, 4, 1, -86}, {0x1FCC, 1, 1, -9}, {0x1FD8, 2, 1, -8}, {0x1FDA, 2, 1, -100}, {0x1FE8, 2, 1, -8},
    {0x1FEA, 2, 1, -112}, {0x1FEC, 1, 1, -7}, {0x1FF8, 2, 1, -128}, {0x1FFA, 2, 1, -126},
    {0x1FFC, 1, 1, -9}, {0x2126, 1, 1, -7517}, {0x212A, 1, 1, -8383}, {0x212B, 1, 1, -8262},
    {0x2132, 1, 1, 28}, {0x2160, 16, 1, 16}, {0x2183, 1, 1, 1}, {0x24B6, 26, 1, 26}, {0x2C00, 48, 1, 48},
    {0x2C60, 1, 1, 1}, {0x2C62, 1, 1, -10743}, {0x2C63, 1, 1, -3814}, {0x2C64, 1, 1, -10727},
    {0x2C67, 3, 2, 1}, {0x2C6D, 1, 1, -10780}, {0x2C6E, 1, 1, -10749}, {0x2C6F, 1, 1, -10783},
    {0x2C70, 1, 1, -10782}, {0x2C72, 1, 1, 1}, {0x2C75, 1, 1, 1}, {0x2C7E, 2, 1, -10815},
    {0x2C80, 50, 2, 1}, {0x2CEB, 2, 2, 1}, {0x2CF2, 1, 1, 1}, {0xA640, 23, 2, 1}, {0xA680, 14, 2, 1},
    {0xA722, 7, 2, 1}, {0xA732, 31, 2, 1}, {0xA779, 2, 2, 1}, {0xA77D, 1, 1, -35332}, {0xA77E, 5, 2, 1},
    {0xA78B, 1, 1, 1}, {0xA78D, 1, 1, -42280}, {0xA790, 2, 2, 1}, {0xA796, 10, 2, 1},
    {0xA7AA, 1, 1, -42308}, {0xA7AB, 1, 1, -42319}, {0xA7AC, 1, 1, -42315}, {0xA7AD, 1, 1, -42305},
    {0xA7AE, 1, 1, -42308}, {0xA7B0, 1, 1, -42258}, {0xA7B1, 1, 1, -42282}, {0xA7B2, 1, 1, -42261},
    {0xA7B3, 1, 1, 928}, {0xA7B4, 8, 2, 1}, {0xA7C4, 1, 1, -48}, {0xA7C5, 1, 1, -42307},
    {0xA7C6, 1, 1, -35384}, {0xA7C7, 2, 2, 1}, {0xA7CB, 1, 1, -42343}, {0xA7CC, 8, 2, 1},
    {0xA7DC, 1, 1, -42561}, {0xA7F5, 1, 1, 1}, {0xFF21, 26, 1, 32}, {0x10400, 40, 1, 40},
    {0x104B0, 36, 1, 40}, {0x10570, 11, 1, 39}, {0x1057C, 15, 1, 39}, {0x1058C, 7, 1, 39},
    {0x10594, 2, 1, 39}, {0x10C80, 51, 1, 64}, {0x10D50, 22, 1, 32}, {0x118A0, 32, 1, 32},
    {0x16E40, 32, 1, 32}, {0x16EA0, 25, 1, 27}, {0x1E900, 34, 1, 34}};

uint32_t
lower_of(uint32_t character)
{
    size_t low = 0, high = countof(runs);

    if (character < 0x80)
        return character >= 'A' && character <= 'Z' ? character + ('a' - 'A') : character;
    while (low < high) {
        const size_t     middle = low + (high - low) / 2;
        const lower_run *run = &runs[middle];

        if (character < run->start)
            high = middle;
        else if (character >= run->start + (uint32_t)run->count * run->stride)
            low = middle + 1;
        else if ((character - run->start) % run->stride == 0)
            return (uint32_t)((int32_t)character + run->distance);
        else
            return character;
    }
    return character;
}

bool
is_white_space(uint32_t character)
{
    if (character < 0x80)
        return character == ' ' || (character >= '\t' && character <= '\r');
    return character == 0x85 || character == 0xA0 || character == 0x1680 ||
           (character >= 0x2000 && character <= 0x200A) || character == 0x2028 || character == 0x2029 ||
           character == 0x202F || character == 0x205F || character == 0x3000;
}

static void
add_character(buffer *out, uint32_t character)
{
    if (character < 0x80) {
        buffer_add_byte(out, (char)character);
    } else if (character < 0x800) {
        buffer_add_byte(out, (char)(0xC0 | character >> 6));
        buffer_add_byte(out, (char)(0x80 | (character & 0x3F)));
    } else if (character < 0x10000) {
        buffer_add_byte(out, (char)(0xE0 | character >> 12));
        buffer_add_byte(out, (char)(0x80 | (character >> 6 & 0x3F)));
        buffer_add_byte(out, (char)(0x80 | (character & 0x3F)));
    } else {
        buffer_add_byte(out, (char)(0xF0 | character >> 18));
        buffer_add_byte(out, (char)(0x80 | (character >> 12 & 0x3F)));
        buffer_add_byte(out, (char)(0x80 | (character >> 6 & 0x3F)));
        buffer_add_byte(out, (char)(0x80 | (character & 0x3F)));
    }
}

/* A letter of a script that has capitals: Latin, Greek, Cyrillic, Armenian and their extensions. */
static bool
is_cased(uint32_t character)
{
    return is_letter_or_digit(character) && !(character >= '0' && character <= '9') &&
           (character < 0x590 || (character >= 0x1C80 && character < 0x2000));
}

/* Is the sigma that ends before `after` the last letter of its word? `before`: a cased letter stands before it. */
static bool
is_final_sigma(bool before, oct_slice after)
{
    uint32_t character;
    size_t   size;

    for (; before && (size = utf8_decode(after.data, after.size, &character)) > 0; after.data += size, after.size -= size)
        if (is_letter_or_digit(character))
            return !is_cased(character);
    return before;
}

void
add_lower(buffer *out, oct_slice word)
{
    bool   before = false;
    size_t size;

    for (size_t at = 0; at < word.size; at += size) {
        uint32_t character = (unsigned char)word.data[at];

        size = 1;
        if (character < 0x80) {
            buffer_add_byte(out, (char)lower_of(character));
        } else {
            size = utf8_decode(word.data + at, word.size - at, &character);
            if (size == 0)
                return; /* the caller gives valid UTF-8 */
            if (character == CAPITAL_SIGMA) {
                const oct_slice after = {word.data + at + size, word.size - at - size};

                add_character(out, is_final_sigma(before, after) ? FINAL_SIGMA : SMALL_SIGMA);
            } else if (character == CAPITAL_DOTTED_I) {
                buffer_add(out, "i\xCC\x87", 3);
            } else {
                add_character(out, lower_of(character));
            }
        }
        if (is_letter_or_digit(character))
            before = is_cased(character);
    }
}

static const char *
fold_of(uint32_t character)
{
    size_t low = 0, high = fold_table_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (character == fold_table[middle].code)
            return fold_table[middle].text;
        if (character < fold_table[middle].code)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

void
add_folded(buffer *out, oct_slice word)
{
    size_t size;

    for (size_t at = 0; at < word.size; at += size) {
        uint32_t    character;
        const char *spelled;

        size = utf8_decode(word.data + at, word.size - at, &character);
        if (size == 0)
            return; /* the caller gives valid UTF-8 */
        spelled = character < 0x80 ? NULL : fold_of(character);
        if (spelled != NULL)
            buffer_add_text(out, spelled);
        else
            buffer_add(out, word.data + at, size);
    }
}
