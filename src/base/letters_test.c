/* Goal:   the table of letters and digits is Rust's, and ASCII's are where they should be.
 * Method: a checksum over every code point, and what is known of ASCII. */
#include "base/letters.h"

#include "support/test.h"

TEST(letters_are_those_of_the_table)
{
    uint32_t checksum = 0, count = 0;

    for (uint32_t c = 0; c < 0x80; c++) {
        const bool is_letter = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

        CHECK_MSG(is_letter_or_digit(c) == is_letter, "U+%04X", c);
    }
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        if (is_letter_or_digit(c)) {
            checksum = checksum * 31 + c;
            count++;
        }
    }
    /* Counted over the answers of char::is_alphanumeric itself, when the table was made. */
    CHECK_INT(count, 149106);
    CHECK_INT(checksum, 0x551F4FA3);
}
