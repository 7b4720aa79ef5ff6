/* JSON in and out: limits, wording of errors, exact numbers, escapes. */
#include "base/json.h"
#include "support/test.h"

#include <stdlib.h>

static oct_status
parse(const char *text, json_document *document, oct_error *error)
{
    return json_parse(slice_of(text), document, error);
}

/* Goal:   what is not JSON is refused with a place; so is a document that nests too deep, at the exact level. */
TEST(json_that_is_none_is_refused)
{
    static const char *const bad[] = {"",        " ",          "{",
                                      "[1,]",    "{\"a\":1,}", "nul",
                                      "[1] 2",   "\"\xFF\"",   "\"\xED\xA0\x80\"",
                                      "01",      "1e999",      "[NaN]",
                                      "'a'",     "{a:1}",      "\"\\ud800\"",
                                      "// no\n1"};
    json_document            document;
    oct_error                error;
    char                     deep[2 * JSON_DEPTH_MAX + 4];

    for (size_t i = 0; i < countof(bad); i++) {
        CHECK_MSG(parse(bad[i], &document, &error) == OCT_FORMAT, "%s", bad[i]);
        json_document_clear(&document);
    }
    CHECK_STATUS(parse("{\n \"a\": x}", &document, &error), OCT_FORMAT);
    CHECK_MSG(strstr(error.text, "at line 2 column 7") != NULL, "%s", error.text);
    json_document_clear(&document);
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        CHECK_STATUS(json_parse((oct_slice){deep, 2 * depth}, &document, &error),
                     depth <= JSON_DEPTH_MAX ? OCT_OK : OCT_FORMAT);
        json_document_clear(&document);
    }
}

/* Goal:   fields are found by name or alias, once; null is "not given"; paths name where an error is. */
TEST(json_fields_follow_their_table)
{
    static const json_field fields[] = {{"a", "alpha", true}, {"b", NULL, false}};
    const json_path         list = json_at(NULL, "list"), item = json_at_index(&list, 3),
                    at = json_at_slice(&item, slice_of("x y"));
    json_document document;
    yyjson_val   *values[2];
    oct_error     error;

    CHECK_OK(parse("{\"c\":1,\"alpha\":2,\"b\":null}", &document, &error));
    CHECK_OK(json_fields(&at, document.root, fields, 2, false, values, &error));
    CHECK_INT(yyjson_get_uint(values[0]), 2);
    CHECK(values[1] == NULL);
    CHECK_STATUS(json_fields(&at, document.root, fields, 2, true, values, &error), OCT_FORMAT);
    CHECK_TEXT(error.text, "list[3].x y: unknown field `c`");
    json_document_clear(&document);

    CHECK_OK(parse("{\"a\":1,\"alpha\":2}", &document, &error));
    CHECK_STATUS(json_fields(&at, document.root, fields, 2, false, values, &error), OCT_FORMAT);
    CHECK_TEXT(error.text, "list[3].x y: duplicate field `a`");
    json_document_clear(&document);

    CHECK_OK(parse("{\"a\":null}", &document, &error));
    CHECK_STATUS(json_fields(NULL, document.root, fields, 2, false, values, &error), OCT_FORMAT);
    CHECK_TEXT(error.text, "missing field `a`");
    json_document_clear(&document);

    CHECK_OK(parse("[\"\xC3\xA9\"]", &document, &error));
    CHECK_STATUS(json_fields(&list, document.root, fields, 2, false, values, &error), OCT_FORMAT);
    CHECK_TEXT(error.text, "list: invalid type: sequence, expected an object");
    CHECK_STATUS(json_fail_type(&item, yyjson_arr_get_first(document.root), "a number", &error), OCT_FORMAT);
    CHECK_TEXT(error.text, "list[3]: invalid type: string \"\xC3\xA9\", expected a number");
    json_document_clear(&document);
}

/* Goal:   each type takes what it means and nothing else; a value not given leaves the default. */
TEST(json_values_are_read_as_their_type)
{
    static const json_name names[] = {{"one", 1}, {"two", 2}};
    json_document          document;
    oct_error              error;
    yyjson_arr_iter        iter;
    yyjson_val            *item;
    int                    bools = 0, uints = 0, doubles = 0, floats = 0, texts = 0, words = 0;

    CHECK_OK(
        parse("[true,0,18446744073709551615,-1,1.5,1e39,-1e-50,\"\",\"two\",[],{},null]", &document, &error));
    iter = yyjson_arr_iter_with(document.root);
    while ((item = yyjson_arr_iter_next(&iter)) != NULL) {
        bool      flag;
        uint64_t  number;
        double    wide;
        float     narrow;
        oct_slice text;
        int64_t   word;

        bools += json_get_bool(NULL, item, &flag, &error) == OCT_OK;
        uints += json_get_u64(NULL, item, &number, &error) == OCT_OK;
        doubles += json_get_double(NULL, item, &wide, &error) == OCT_OK;
        floats += json_get_float(NULL, item, &narrow, &error) == OCT_OK;
        texts += json_get_text(NULL, item, &text, &error) == OCT_OK;
        words += json_get_name(NULL, item, names, 2, &word, &error) == OCT_OK;
    }
    CHECK_INT(bools, 1);
    CHECK_INT(uints, 2);
    CHECK_INT(doubles, 6);
    CHECK_INT(floats, 5);
    CHECK_INT(texts, 2);
    CHECK_INT(words, 1);
    {
        uint64_t kept = 42;

        CHECK_OK(json_get_range(NULL, NULL, 1, 2, &kept, &error));
        CHECK_INT(kept, 42);
        item = yyjson_arr_get(document.root, 1);
        CHECK_STATUS(json_get_range(NULL, item, 1, UINT64_MAX, &kept, &error), OCT_RANGE);
        CHECK_TEXT(error.text, "value 0 invalid, must be 1 or larger");
        CHECK_STATUS(json_get_range(NULL, item, 1, 9, &kept, &error), OCT_RANGE);
        CHECK_TEXT(error.text, "value 0 invalid, must be from 1 to 9");
        CHECK_INT(kept, 42);
    }
    json_document_clear(&document);
}

/* Goal:   any bytes become a JSON string that reads back as the text, or as U+FFFD where they are no text.
 * Method: 20,000 random strings of bytes chosen to be awkward, seed 3; read back by yyjson. */
TEST(json_text_survives_any_bytes)
{
    static const char pieces[][5] = {"a",
                                     "\"",
                                     "\\",
                                     "\n",
                                     "\x01",
                                     "\x7F",
                                     "\xC3\xA9",
                                     "\xF0\x9F\x90\x99",
                                     "\xFF",
                                     "\xC0\x80",
                                     "\xED\xA0\x80",
                                     "\xE2\x82",
                                     "\xF4\x90\x80\x80",
                                     "/"};
    test_rng          rng = test_rng_seed(3);

    for (int round = 0; round < 20000; round++) {
        char          text[64];
        size_t        size = 0;
        buffer        out = {0};
        json_document document;
        oct_error     error;
        const bool    nul = test_below(&rng, 4) == 0;

        for (uint64_t count = test_below(&rng, 12); count > 0; count--) {
            const char *piece = pieces[test_below(&rng, countof(pieces))];

            memcpy(text + size, piece, strlen(piece));
            size += strlen(piece);
        }
        if (nul)
            text[size++] = '\0';
        json_add_text(&out, (oct_slice){text, size});
        CHECK_STATUS(json_parse((oct_slice){out.data, out.size}, &document, &error), OCT_OK);
        if (utf8_is_valid((oct_slice){text, size}))
            CHECK(slice_equal((oct_slice){yyjson_get_str(document.root), yyjson_get_len(document.root)},
                              (oct_slice){text, size}));
        else
            CHECK(strstr(yyjson_get_str(document.root), "\xEF\xBF\xBD") != NULL || nul);
        json_document_clear(&document);
        buffer_clear(&out);
    }
}

/* Goal:   doubles are written so that they read back bit for bit, and as short as they can be.
 * Method: special values and 20,000 random bit patterns, seed 9. */
TEST(json_doubles_read_back_exactly)
{
    static const struct {
        double      value;
        const char *text;
    } known[] = {{0, "0.0"}, {1, "1.0"}, {0.1, "0.1"}, {-2.5, "-2.5"}, {1e300, "1e+300"}, {INFINITY, "null"}};
    test_rng rng = test_rng_seed(9);

    for (size_t i = 0; i < countof(known); i++) {
        buffer out = {0};

        json_add_double(&out, known[i].value);
        buffer_add_byte(&out, '\0');
        CHECK_TEXT(out.data, known[i].text);
        buffer_clear(&out);
    }
    for (int round = 0; round < 20000; round++) {
        const uint64_t bits = test_u64(&rng);
        double         value;
        buffer         out = {0};

        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        json_add_double(&out, value);
        buffer_add_byte(&out, '\0');
        CHECK_MSG(strtod(out.data, NULL) == value, "%s", out.data);
        buffer_clear(&out);
    }
}

/* Goal:   utf8_length takes exactly the sequences of the Unicode standard, table 3-7.
 * Method: every pair of first bytes with good third and fourth ones, against a decoder by
 *         code point. */
TEST(utf8_is_judged_as_the_standard_says)
{
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            const unsigned char text[4] = {(unsigned char)a, (unsigned char)b, 0x80, 0x80};
            size_t              want = 0;

            if (a < 0x80) {
                want = 1;
            } else if ((b & 0xC0) == 0x80) {
                const uint32_t two = (a & 0x1F) << 6 | (b & 0x3F), three = (a & 0x0F) << 12 | (b & 0x3F) << 6;
                const uint32_t four = (a & 0x07) << 18 | (b & 0x3F) << 12;

                if ((a & 0xE0) == 0xC0 && two >= 0x80)
                    want = 2;
                else if ((a & 0xF0) == 0xE0 && three >= 0x800 && (three < 0xD800 || three > 0xDFFF))
                    want = 3;
                else if ((a & 0xF8) == 0xF0 && four >= 0x10000 && four <= 0x10FFFF)
                    want = 4;
            }
            CHECK_MSG(utf8_length((const char *)text, 4) == want, "%02x %02x: %zu, expected %zu", a, b,
                      utf8_length((const char *)text, 4), want);
            for (size_t cut = 0; cut < want; cut++)
                CHECK_INT(utf8_length((const char *)text, cut), 0);
        }
}
