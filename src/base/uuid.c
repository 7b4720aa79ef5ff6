/* See uuid.h. */
#include "base/uuid.h"

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* 32 hex digits, with hyphens after 8, 12, 16 and 20 of them if `hyphens`. */
static bool
parse_digits(const char *text, bool hyphens, oct_id *out)
{
    uint64_t halves[2] = {0, 0};
    size_t   at = 0;

    for (size_t digit = 0; digit < 32; digit++) {
        int value;

        if (hyphens && (digit == 8 || digit == 12 || digit == 16 || digit == 20) && text[at++] != '-')
            return false;
        value = hex_digit(text[at++]);
        if (value < 0)
            return false;
        halves[digit / 16] = halves[digit / 16] << 4 | (uint64_t)value;
    }
    *out = (oct_id){halves[0], halves[1], 1, 0};
    return true;
}

bool
uuid_parse(oct_slice text, oct_id *out)
{
    static const char urn[] = "urn:uuid:";

    switch (text.size) {
    case 32:
        return parse_digits(text.data, false, out);
    case 36:
        return parse_digits(text.data, true, out);
    case 38:
        return text.data[0] == '{' && text.data[37] == '}' && parse_digits(text.data + 1, true, out);
    case 45:
        return memcmp(text.data, urn, sizeof urn - 1) == 0 &&
               parse_digits(text.data + sizeof urn - 1, true, out);
    default:
        return false;
    }
}
