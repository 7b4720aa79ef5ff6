/* See value.h.
 *
 * NUMBERS  A decimal of up to 15 digits and a power of ten up to 22 are both exact as 64-bit floats, so one
 *          multiplication or division rounds correctly (Clinger 1990, "How to read floating point numbers
 *          accurately", section 4). That covers what payloads hold; the others go to yyjson.
 * SPELLING A letter of a spelled string is one byte sequence of UTF-8, or an escape: \b \t \n \f \r \" \\ or \u00XX.
 *          None begins another, so a spelled prefix is a prefix of the spelling. A part that is found
 *          may still begin within an escape (n in \n); so letters are counted from the beginning.
 */
#include "payload/value.h"

#include <yyjson.h>

#define NUMBER_BYTES_MAX 40u /* yyjson writes at most 32 */
#define EXACT_MAX        ((uint64_t)1 << 53)
#define DIGITS_MAX       19 /* of which any number fits 64 bits */

static const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

value_kind
value_kind_of(oct_slice value)
{
    switch (value.size == 0 ? 'n' : value.data[0]) {
    case '"':
        return value.size >= 2 ? VALUE_STRING : VALUE_NULL;
    case '{':
        return VALUE_OBJECT;
    case '[':
        return VALUE_ARRAY;
    case 't':
        return VALUE_TRUE;
    case 'f':
        return VALUE_FALSE;
    case 'n':
        return VALUE_NULL;
    default:
        return VALUE_NUMBER;
    }
}

bool
value_integer(oct_slice value, int64_t *out)
{
    const bool negative = value.size > 0 && value.data[0] == '-';
    uint64_t   number = 0;

    if (value.size == (size_t)negative)
        return false;
    for (size_t i = negative; i < value.size; i++) {
        const unsigned digit = (unsigned)(unsigned char)value.data[i] - '0';

        if (digit > 9 || __builtin_mul_overflow(number, (uint64_t)10, &number) ||
            __builtin_add_overflow(number, (uint64_t)digit, &number))
            return false;
    }
    if (number > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)(0 - number) : (int64_t)number;
    return true;
}

/* Any number, by the parser that wrote it. */
static bool
slow_number(oct_slice value, double *out)
{
    char        text[NUMBER_BYTES_MAX + 1];
    yyjson_val  number;
    const char *end;

    if (value.size > NUMBER_BYTES_MAX)
        return false;
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    end = yyjson_read_number(text, &number, YYJSON_READ_NOFLAG, NULL, NULL);
    if (end != text + value.size)
        return false;
    *out = yyjson_get_num(&number);
    return true;
}

bool
value_number(oct_slice value, double *out)
{
    const char *at = value.data, *end = value.data + value.size;
    const bool  negative = value.size > 0 && *at == '-';
    uint64_t    digits = 0;
    int         digit_count = 0, fraction_count = 0, exponent = 0;

    if (value_kind_of(value) != VALUE_NUMBER)
        return false;
    at += negative;
    for (; at < end && (unsigned)(unsigned char)*at - '0' <= 9; at++, digit_count++)
        digits = digit_count < DIGITS_MAX ? digits * 10 + (uint64_t)(*at - '0') : digits;
    if (at < end && *at == '.') {
        for (at++; at < end && (unsigned)(unsigned char)*at - '0' <= 9; at++, digit_count++, fraction_count++)
            digits = digit_count < DIGITS_MAX ? digits * 10 + (uint64_t)(*at - '0') : digits;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        const bool down = ++at < end && *at == '-';

        at += at < end && (*at == '-' || *at == '+');
        if (at == end)
            return false;
        for (; at < end && (unsigned)(unsigned char)*at - '0' <= 9 && exponent < 1000; at++)
            exponent = exponent * 10 + (*at - '0');
        exponent = down ? -exponent : exponent;
    }
    exponent -= fraction_count;
    if (at != end || digit_count == 0 || digit_count > DIGITS_MAX || (digits > EXACT_MAX && exponent != 0) ||
        exponent < -22 || exponent > 22)
        return slow_number(value, out);
    *out = (double)digits;
    *out = exponent < 0 ? *out / powers_of_ten[-exponent] : *out * powers_of_ten[exponent];
    *out = negative ? -*out : *out;
    return true;
}

/* --- strings --------------------------------------------------------------------------------------- */

static unsigned
hex_value(char digit)
{
    return digit <= '9' ? (unsigned)(digit - '0') : (unsigned)((digit | 0x20) - 'a' + 10);
}

bool
unspell(oct_slice spelled, buffer *memory, oct_slice *out)
{
    const char *at = spelled.data, *end = at + spelled.size;

    *out = spelled;
    if (spelled.size == 0 || memchr(at, '\\', spelled.size) == NULL)
        return true;
    memory->size = 0;
    memory->failed = false;
    for (; at < end; at++) {
        if (*at != '\\' || at + 1 == end) {
            buffer_add_byte(memory, *at);
            continue;
        }
        switch (*++at) {
        case 'b': buffer_add_byte(memory, '\b'); break;
        case 't': buffer_add_byte(memory, '\t'); break;
        case 'n': buffer_add_byte(memory, '\n'); break;
        case 'f': buffer_add_byte(memory, '\f'); break;
        case 'r': buffer_add_byte(memory, '\r'); break;
        case 'u': /* only control characters are spelled so */
            if (end - at >= 5) {
                buffer_add_byte(memory, (char)(hex_value(at[3]) << 4 | hex_value(at[4])));
                at += 4;
            }
            break;
        default: buffer_add_byte(memory, *at); break;
        }
    }
    *out = (oct_slice){memory->data, memory->size};
    return !memory->failed;
}

bool
spell_text(oct_slice text, arena *memory, oct_slice *out)
{
    static const char digits[] = "0123456789ABCDEF";
    static const char letters[0x60] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
    size_t escape_count = 0;
    char  *spelled;

    for (size_t i = 0; i < text.size; i++)
        escape_count += (unsigned char)text.data[i] < 0x20 || text.data[i] == '"' || text.data[i] == '\\';
    spelled = arena_alloc(memory, text.size + 5 * escape_count + 1); /* \u00XX is five bytes more */
    if (spelled == NULL)
        return false;
    out->data = spelled;
    for (size_t i = 0; i < text.size; i++) {
        const unsigned char byte = (unsigned char)text.data[i];

        if (byte < sizeof letters && letters[byte] != 0) {
            *spelled++ = '\\';
            *spelled++ = letters[byte];
        } else if (byte < 0x20) {
            memcpy(spelled, "\\u00", 4);
            spelled[4] = digits[byte >> 4];
            spelled[5] = digits[byte & 15];
            spelled += 6;
        } else {
            *spelled++ = text.data[i];
        }
    }
    out->size = (size_t)(spelled - out->data);
    return true;
}

/* The first place from `at` on, which is the beginning of a letter, that is one too and not before `goal`. */
static const char *
next_letter(const char *at, const char *goal, const char *end)
{
    while (at < goal) {
        const char *escape = memchr(at, '\\', (size_t)(goal - at));

        if (escape == NULL)
            return goal;
        at = escape + (end - escape > 1 && escape[1] == 'u' ? 6 : 2);
    }
    return at;
}

bool
spelled_contains(oct_slice string, oct_slice part)
{
    const char *end = string.data + string.size;
    const char *letter = string.data;
    const char *found = string.data;

    if (part.size == 0)
        return true;
    while ((found = memmem(found, (size_t)(end - found), part.data, part.size)) != NULL) {
        letter = next_letter(letter, found, end);
        if (letter == found)
            return true;
        found++;
    }
    return false;
}

bool
spelled_starts(oct_slice string, oct_slice part)
{
    return part.size <= string.size && (part.size == 0 || memcmp(string.data, part.data, part.size) == 0);
}
