/* Goal:   lower case is Rust's, ASCII spelling Lucene's, and neither breaks UTF-8.
 * Method: number and checksum over every code point, as counted over the answers of char::to_lowercase itself when the
 *         table was made; examples of the rules that look around a letter; order of the folding table. */
#include "text/letter_case.h"

#include "base/letters.h"
#include "support/test.h"

TEST(lower_case_is_that_of_the_table)
{
    uint32_t checksum = 0, count = 0;

    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        const uint32_t lower = lower_of(c);

        if (lower != c) {
            checksum = checksum * 31 + c * 7 + lower;
            count++;
        }
    }
    CHECK_INT(count, 1487);
    CHECK_INT(checksum, 0xE3B3BCC4);
}

static const char *
lowered(const char *text)
{
    static char line[256];
    buffer      out = {0};

    add_lower(&out, slice_of(text));
    (void)snprintf(line, sizeof line, "%.*s", (int)out.size, out.data == NULL ? "" : out.data);
    buffer_clear(&out);
    return line;
}

static const char *
folded(const char *text)
{
    static char line[256];
    buffer      out = {0};

    add_folded(&out, slice_of(text));
    (void)snprintf(line, sizeof line, "%.*s", (int)out.size, out.data == NULL ? "" : out.data);
    buffer_clear(&out);
    return line;
}

TEST(words_are_lowered_as_wholes)
{
    CHECK_TEXT(lowered("Hello WORLD 42"), "hello world 42");
    CHECK_TEXT(lowered("STRASSE ÄÖÜ ẞ"), "strasse äöü ß");
    CHECK_TEXT(lowered("İstanbul"), "i̇stanbul");
    CHECK_TEXT(lowered("ΟΔΥΣΣΕΥΣ"), "οδυσσευς");
    CHECK_TEXT(lowered("Σ"), "σ");
    CHECK_TEXT(lowered("ΑΣ1"), "ας1");
    CHECK_TEXT(lowered("ΑΣ'Α"), "ασ'α");
    CHECK_TEXT(lowered("ПРИВЕТ Ǆ 𐐀 Ꭰ"), "привет ǆ 𐐨 ꭰ");
    CHECK_TEXT(lowered("日本 ไทย"), "日本 ไทย");
}

TEST(letters_with_an_ascii_spelling_get_it)
{
    CHECK_TEXT(folded("ação Ærø Straße ﬁn ½"), "acao AEro Strasse fin ½");
    CHECK_TEXT(folded("Привет 日本"), "Привет 日本");
    CHECK(fold_table_count > 1000);
    for (size_t i = 0; i < fold_table_count; i++) {
        CHECK_MSG(i == 0 || fold_table[i - 1].code < fold_table[i].code, "entry %zu", i);
        CHECK_MSG(fold_table[i].code >= 0x80 && fold_table[i].text[0] != '\0', "entry %zu", i);
        for (const char *at = fold_table[i].text; *at != '\0'; at++)
            CHECK_MSG((unsigned char)*at < 0x80, "entry %zu", i);
    }
}

TEST(white_space_is_unicodes)
{
    uint32_t count = 0;

    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        count += is_white_space(c);
        CHECK_MSG(!is_white_space(c) || !is_letter_or_digit(c), "U+%04X", c);
    }
    CHECK_INT(count, 25); /* as many as have the property White_Space */
}
