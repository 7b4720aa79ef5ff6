/* letters.h - which characters are letters or digits, in every script. */
#ifndef OCT_LETTERS_H
#define OCT_LETTERS_H

#include "base/json.h"

/* Decode one character of UTF-8. Returns its size; 0: there is no valid one. */
static inline size_t
utf8_decode(const char *at, size_t available, uint32_t *out)
{
    static const unsigned char first_bits[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    const size_t               size = utf8_length(at, available);

    *out = size == 0 ? 0 : (unsigned char)*at & first_bits[size];
    for (size_t i = 1; i < size; i++)
        *out = *out << 6 | ((unsigned char)at[i] & 0x3F);
    return size;
}

/* A Unicode letter or digit (properties Alphabetic and Numeric), ASCII included. */
bool is_letter_or_digit(uint32_t code_point);

#endif
