/* Goal:   scalars of compact documents are read as what they are, and strings are found where their letters are.
 * Method: numbers against strtod and the integers they were written from, seed 21; spellings against what
 *         document_check writes, for each byte; searches of spelled strings against searches of the plain ones, on
 *         strings of few letters, many of them escaped, seed 22. */
#include "payload/value.h"

#include <inttypes.h>
#include <stdlib.h>

#include "payload/document.h"
#include "payload/scan.h"
#include "support/test.h"

TEST(kinds_are_told_by_the_first_byte)
{
    static const struct {
        const char *text;
        value_kind  kind;
    } cases[] = {{"null", VALUE_NULL}, {"true", VALUE_TRUE},       {"false", VALUE_FALSE},
                 {"0", VALUE_NUMBER},  {"-1.5e3", VALUE_NUMBER},   {"\"\"", VALUE_STRING},
                 {"[]", VALUE_ARRAY},  {"{\"a\":1}", VALUE_OBJECT}};

    for (size_t i = 0; i < countof(cases); i++)
        CHECK_MSG(value_kind_of(slice_of(cases[i].text)) == cases[i].kind, "%s", cases[i].text);
}

TEST(integers_are_those_of_64_bits_with_a_sign)
{
    static const struct {
        const char *text;
        bool        is_integer;
        int64_t     number;
    } cases[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"18446744073709551615", false, 0},
        {"99999999999999999999", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"\"1\"", false, 0},
        {"true", false, 0},
        {"-", false, 0},
        {"", false, 0},
        {"-0.0", false, 0},
    };

    for (size_t i = 0; i < countof(cases); i++) {
        int64_t number = 7;

        CHECK_MSG(value_integer(slice_of(cases[i].text), &number) == cases[i].is_integer, "%s",
                  cases[i].text);
        if (cases[i].is_integer)
            CHECK_MSG(number == cases[i].number, "%s", cases[i].text);
    }
}

static void
check_number(const char *text)
{
    char        *exact = oct_copy_text(text, strlen(text)); /* so that ASan watches the end */
    const double want = strtod(text, NULL);
    double       got = NAN;

    CHECK_MSG(value_number((oct_slice){exact, strlen(text)}, &got), "%s", text);
    CHECK_MSG(memcmp(&got, &want, sizeof got) == 0, "%s is read as %.17g", text, got);
    oct_free(exact);
}

TEST(numbers_are_rounded_as_strtod_rounds_them)
{
    static const char *const few[] = {
        "0",
        "-0.0",
        "0.1",
        "0.3",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "9007199254740993",
        "9007199254740993.0",
        "123456789012345678",
        "1234567890123456789",
        "18446744073709551615",
        "99999999999999999999",
        "5e-324",
        "2.2250738585072014e-308",
        "1.7976931348623157e308",
        "0.000001",
        "1.5e300",
        "4503599627370497.5",
        "0.00000000000000000001234",
        "123456.789e3",
        "1E5",
        "1e+5",
        "8.41470984807896506e-1",
    };
    static const char *const none[] = {"true",
                                       "null",
                                       "\"1\"",
                                       "[1]",
                                       "{}",
                                       "-",
                                       "1.2.3",
                                       "1e",
                                       "abc",
                                       "1x",
                                       "123456789012345678901234567890123456789012"};
    test_rng                 rng = test_rng_seed(21);
    double                   ignored;

    for (size_t i = 0; i < countof(few); i++)
        check_number(few[i]);
    for (size_t i = 0; i < countof(none); i++)
        CHECK_MSG(!value_number(slice_of(none[i]), &ignored), "%s", none[i]);
    for (uint64_t i = 0; i < test_scaled(100000); i++) {
        const uint64_t bits = test_u64(&rng);
        char           text[64];
        double         number;

        memcpy(&number, &bits, sizeof number);
        if (!isfinite(number))
            continue;
        (void)snprintf(text, sizeof text, "%.17g", number);
        check_number(text);
        (void)snprintf(text, sizeof text, "%.*f", (int)test_below(&rng, 6),
                       (double)(int64_t)bits / 4294967296.0);
        check_number(text);
        (void)snprintf(text, sizeof text, "%" PRId64, (int64_t)(bits >> test_below(&rng, 64)));
        check_number(text);
    }
}

/* The string as documents hold it, between its quotes; in `out`, which the caller clears. */
static oct_slice
stored(oct_slice plain, buffer *out)
{
    buffer    json = {0};
    scan      items;
    oct_slice key, value = {0};

    buffer_add_text(&json, "{\"k\":\"");
    for (size_t i = 0; i < plain.size; i++) {
        const unsigned char byte = (unsigned char)plain.data[i];

        if (byte < 0x20 || byte == '"' || byte == '\\')
            buffer_format(&json, "\\u%04x", byte);
        else
            buffer_add_byte(&json, plain.data[i]);
    }
    buffer_add_text(&json, "\"}");
    CHECK_OK(document_check((oct_slice){json.data, json.size}, out, NULL));
    items = scan_open((oct_slice){out->data, out->size});
    CHECK(scan_member(&items, &key, &value));
    buffer_clear(&json);
    return value_string(value);
}

TEST(text_is_spelled_as_documents_spell_it)
{
    for (unsigned point = 0; point < 0x180; point++) {
        const char text[3] = {(char)(point < 0x80 ? point : 0xC0 | point >> 6), (char)(0x80 | (point & 0x3F)),
                              0};
        const oct_slice plain = {text, point < 0x80 ? 1 : 2};
        arena           memory = {0};
        buffer          document = {0};
        oct_slice       spelled, wanted = stored(plain, &document);

        CHECK(spell_text(plain, &memory, &spelled));
        CHECK_MSG(slice_equal(spelled, wanted), "U+%04X is spelled " SLICE_FMT ", stored as " SLICE_FMT,
                  point, SLICE_ARG(spelled), SLICE_ARG(wanted));
        buffer_clear(&document);
        arena_clear(&memory);
    }
}

/* Few letters, so that parts are found; those of escapes among them. */
static oct_slice
random_string(test_rng *rng, char *text, size_t size_max)
{
    static const char *const letters[] = {"n",    "\n", "\\", "u",  "0",        "1",
                                          "\x01", "\"", "t",  "\t", "\xC3\xA9", "/"};
    oct_slice                out = {text, 0};

    for (size_t count = test_below(rng, size_max / 2); count > 0; count--) {
        const char *letter = letters[test_below(rng, countof(letters))];

        memcpy(text + out.size, letter, strlen(letter));
        out.size += strlen(letter);
    }
    return out;
}

TEST(spelled_strings_are_searched_by_letters)
{
    test_rng rng = test_rng_seed(22);
    size_t   found = 0, begun = 0;

    for (uint64_t i = 0; i < test_scaled(100000); i++) {
        char            text[64], part_text[16];
        const oct_slice plain = random_string(&rng, text, sizeof text),
                        part = random_string(&rng, part_text, 8);
        const bool contains = part.size == 0 || memmem(plain.data, plain.size, part.data, part.size) != NULL;
        const bool starts = part.size <= plain.size && memcmp(plain.data, part.data, part.size) == 0;
        arena      memory = {0};
        oct_slice  spelled = {0}, spelled_part = {0};

        CHECK(spell_text(plain, &memory, &spelled) && spell_text(part, &memory, &spelled_part));
        CHECK_MSG(spelled_contains(spelled, spelled_part) == contains, SLICE_FMT " in " SLICE_FMT,
                  SLICE_ARG(spelled_part), SLICE_ARG(spelled));
        CHECK_MSG(spelled_starts(spelled, spelled_part) == starts, SLICE_FMT " before " SLICE_FMT,
                  SLICE_ARG(spelled_part), SLICE_ARG(spelled));
        found += contains && part.size > 0;
        begun += starts && part.size > 0;
        arena_clear(&memory);
    }
    CHECK(found > 1000 && begun > 100);
}
