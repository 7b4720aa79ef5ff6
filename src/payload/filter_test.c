/* Goal:   each condition means what octant.h says.
 * Method: tables of documents and conditions with the answer that qdrant-api.md 3.4 and 3.5 give; requests that must be
 *         refused; a document cut and changed at each byte. filter_model_test.c asks about random ones. */
#include "payload/filter.h"

#include "payload/document.h"
#include "support/test.h"

#define S(text_) ((oct_slice){(text_), sizeof(text_) - 1})
#define FIELD(key_, ...)                                                                                     \
    ((oct_condition){                                                                                        \
        .kind = OCT_CONDITION_FIELD, .key = S(key_), .field = &(oct_field_condition){__VA_ARGS__}})
#define TEXT(text_)     ((oct_value){.kind = OCT_VALUE_TEXT, .text = S(text_)})
#define INTEGER(number) ((oct_value){.kind = OCT_VALUE_INTEGER, .integer = (number)})
#define BOOLEAN(flag)   ((oct_value){.kind = OCT_VALUE_BOOL, .boolean = (flag)})
#define EQUALS(value_)                                                                                       \
    .match = &(oct_match)                                                                                    \
    {                                                                                                        \
        .kind = OCT_MATCH_VALUE, .values = &(value_), .value_count = 1                                       \
    }
#define AMONG(kind_, ...)                                                                                    \
    .match = &(oct_match)                                                                                    \
    {                                                                                                        \
        .kind = (kind_), .values = (oct_value[]){__VA_ARGS__},                                               \
        .value_count = countof(((oct_value[]){__VA_ARGS__}))                                                 \
    }
#define HAS_TEXT(kind_, text_)                                                                               \
    .match = &(oct_match)                                                                                    \
    {                                                                                                        \
        .kind = (kind_), .text = S(text_)                                                                    \
    }

typedef struct testee {
    oct_slice document;
    uint32_t  vectors; /* a bit each */
    size_t    opened;
} testee;

static oct_status
give_document(const void *context, oct_slice *out, oct_error *error)
{
    testee *self = (testee *)(uintptr_t)context;

    (void)error;
    self->opened++;
    *out = self->document;
    return OCT_OK;
}

static bool
give_vector(const void *context, uint32_t number)
{
    const testee *self = context;

    return (self->vectors >> number & 1) != 0;
}

/* "v3" is vector 3. */
static uint32_t
number_of(const void *context, oct_slice name)
{
    (void)context;
    return name.size == 2 && name.data[0] == 'v' ? (uint32_t)(name.data[1] - '0') : FILTER_NO_VECTOR;
}

static const oct_id id_7 = {0, 7, 0, 0};

/* The answer for point 7 with vectors 1 and 2. */
static bool
ask(const oct_filter *given, const char *document)
{
    arena         memory = {0};
    buffer        compact = {0};
    testee        point = {.vectors = 6};
    filter_point  about = {&id_7, give_document, give_vector, &point};
    const filter *wanted = NULL;
    oct_error     error = {0};
    bool          answer = false;

    CHECK_OK(document_check(slice_of(document), &compact, &error));
    point.document = (oct_slice){compact.data, compact.size};
    CHECK_MSG(filter_compile(given, number_of, NULL, &memory, &wanted, &error) == OCT_OK, "%s", error.text);
    if (wanted != NULL)
        CHECK_OK(filter_matches(wanted, &about, &answer, &error));
    CHECK(point.opened <= 1);
    buffer_clear(&compact);
    arena_clear(&memory);
    return answer;
}

static bool
ask_one(const oct_condition *condition, const char *document)
{
    const oct_filter filter_ = {.must = condition, .must_count = 1};

    return ask(&filter_, document);
}

typedef struct expectation {
    oct_condition condition;
    const char   *document;
    bool          wanted;
} expectation;

static void
check_all(const expectation *table, size_t count)
{
    for (size_t i = 0; i < count; i++)
        CHECK_MSG(ask_one(&table[i].condition, table[i].document) == table[i].wanted, "case %zu: %s", i,
                  table[i].document);
}

TEST(match_value_tells_types_apart)
{
    const oct_value five = INTEGER(5), text_five = TEXT("5"), yes = BOOLEAN(true), least = INTEGER(INT64_MIN);
    const oct_value odd = TEXT("a\"b\\c\n\x01\xC3\xA9"), empty = TEXT("");
    const expectation table[] = {
        {FIELD("a", EQUALS(five)), "{\"a\":5}", true},
        {FIELD("a", EQUALS(five)), "{\"a\":5.0}", false},
        {FIELD("a", EQUALS(five)), "{\"a\":\"5\"}", false},
        {FIELD("a", EQUALS(five)), "{\"a\":[4,5]}", true},
        {FIELD("a", EQUALS(five)), "{\"a\":[[5]]}", false},
        {FIELD("a", EQUALS(five)), "{\"a\":{\"b\":5}}", false},
        {FIELD("a", EQUALS(five)), "{\"b\":5}", false},
        {FIELD("a", EQUALS(five)), "{\"a\":null}", false},
        {FIELD("a", EQUALS(text_five)), "{\"a\":5}", false},
        {FIELD("a", EQUALS(text_five)), "{\"a\":\"5\"}", true},
        {FIELD("a", EQUALS(yes)), "{\"a\":true}", true},
        {FIELD("a", EQUALS(yes)), "{\"a\":false}", false},
        {FIELD("a", EQUALS(yes)), "{\"a\":1}", false},
        {FIELD("a", EQUALS(yes)), "{\"a\":\"true\"}", false},
        {FIELD("a", EQUALS(least)), "{\"a\":-9223372036854775808}", true},
        {FIELD("a", EQUALS(odd)), "{\"a\":\"a\\u0022b\\\\c\\n\\u0001\\u00e9\"}", true},
        {FIELD("a", EQUALS(odd)), "{\"a\":\"a\\u0022b\\\\c\\n\\u0001\\u00e8\"}", false},
        {FIELD("a", EQUALS(empty)), "{\"a\":\"\"}", true},
        {FIELD("a", EQUALS(empty)), "{\"a\":[]}", false},
    };

    check_all(table, countof(table));
}

TEST(match_any_and_except_look_at_each_value)
{
    const oct_match   any_of_none = {.kind = OCT_MATCH_ANY}, except_none = {.kind = OCT_MATCH_EXCEPT};
    const expectation table[] = {
        {FIELD("a", AMONG(OCT_MATCH_ANY, TEXT("x"), TEXT("y"), TEXT("x"))), "{\"a\":\"y\"}", true},
        {FIELD("a", AMONG(OCT_MATCH_ANY, TEXT("x"), TEXT("y"))), "{\"a\":\"z\"}", false},
        {FIELD("a", AMONG(OCT_MATCH_ANY, TEXT("x"), TEXT("y"))), "{\"a\":[\"z\",\"x\"]}", true},
        {FIELD("a", AMONG(OCT_MATCH_ANY, INTEGER(3), INTEGER(-1), INTEGER(9))), "{\"a\":-1}", true},
        {FIELD("a", AMONG(OCT_MATCH_ANY, INTEGER(3), INTEGER(-1))), "{\"a\":3.0}", false},
        {FIELD("a", .match = &any_of_none), "{\"a\":1}", false},
        {FIELD("a", .match = &any_of_none), "{}", false},
        {FIELD("a", AMONG(OCT_MATCH_EXCEPT, TEXT("x"))), "{\"a\":\"x\"}", false},
        {FIELD("a", AMONG(OCT_MATCH_EXCEPT, TEXT("x"))), "{\"a\":\"y\"}", true},
        {FIELD("a", AMONG(OCT_MATCH_EXCEPT, TEXT("x"))), "{\"a\":[\"x\",\"y\"]}", true},
        {FIELD("a", AMONG(OCT_MATCH_EXCEPT, TEXT("x"))), "{\"a\":[\"x\",null]}", false},
        {FIELD("a", AMONG(OCT_MATCH_EXCEPT, TEXT("x"))), "{\"a\":5}", true},
        {FIELD("a", AMONG(OCT_MATCH_EXCEPT, TEXT("x"))), "{\"a\":true}", true},
        {FIELD("a", AMONG(OCT_MATCH_EXCEPT, TEXT("x"))), "{\"a\":{\"x\":1}}", true},
        {FIELD("a", AMONG(OCT_MATCH_EXCEPT, TEXT("x"))), "{\"a\":null}", false},
        {FIELD("a", AMONG(OCT_MATCH_EXCEPT, TEXT("x"))), "{\"a\":[]}", false},
        {FIELD("a", AMONG(OCT_MATCH_EXCEPT, TEXT("x"))), "{}", false},
        {FIELD("a", AMONG(OCT_MATCH_EXCEPT, INTEGER(5))), "{\"a\":5.0}", true},
        {FIELD("a", .match = &except_none), "{\"a\":0}", true},
        {FIELD("a", .match = &except_none), "{\"a\":null}", false},
    };

    check_all(table, countof(table));
}

TEST(texts_are_looked_for_within_strings)
{
    const expectation table[] = {
        {FIELD("a", HAS_TEXT(OCT_MATCH_TEXT, "ell")), "{\"a\":\"Hello\"}", true},
        {FIELD("a", HAS_TEXT(OCT_MATCH_TEXT, "hell")), "{\"a\":\"Hello\"}", false},
        {FIELD("a", HAS_TEXT(OCT_MATCH_TEXT, "o w")), "{\"a\":\"Hello world\"}", true},
        {FIELD("a", HAS_TEXT(OCT_MATCH_TEXT, "n")), "{\"a\":\"\\n\"}", false},
        {FIELD("a", HAS_TEXT(OCT_MATCH_TEXT, "\n")), "{\"a\":\"\\\\n\\n\"}", true},
        {FIELD("a", HAS_TEXT(OCT_MATCH_TEXT, "")), "{\"a\":\"\"}", true},
        {FIELD("a", HAS_TEXT(OCT_MATCH_TEXT, "")), "{\"a\":1}", false},
        {FIELD("a", HAS_TEXT(OCT_MATCH_TEXT, "1")), "{\"a\":1}", false},
        {FIELD("a", HAS_TEXT(OCT_MATCH_TEXT, "b")), "{\"a\":[\"a\",\"b\"]}", true},
        {FIELD("a", HAS_TEXT(OCT_MATCH_PHRASE, "b c")), "{\"a\":\"a b c d\"}", true},
        {FIELD("a", HAS_TEXT(OCT_MATCH_PHRASE, "b d")), "{\"a\":\"a b c d\"}", false},
        {FIELD("a", HAS_TEXT(OCT_MATCH_TEXT_ANY, "x  lo\xE2\x80\x83y")), "{\"a\":\"Hello\"}", true},
        {FIELD("a", HAS_TEXT(OCT_MATCH_TEXT_ANY, "x o\xC2\xA0\ty")), "{\"a\":\"Hell\"}", false},
        {FIELD("a", HAS_TEXT(OCT_MATCH_SUBSTRING, "lo")), "{\"a\":[1,\"Hello\"]}", true},
        {FIELD("a", HAS_TEXT(OCT_MATCH_TEXT_ANY, " \n ")), "{\"a\":\"Hell\"}", false},
        {FIELD("a", HAS_TEXT(OCT_MATCH_TEXT_ANY, "")), "{\"a\":\"\"}", false},
        {FIELD("a", HAS_TEXT(OCT_MATCH_PREFIX, "He")), "{\"a\":\"Hello\"}", true},
        {FIELD("a", HAS_TEXT(OCT_MATCH_PREFIX, "he")), "{\"a\":\"Hello\"}", false},
        {FIELD("a", HAS_TEXT(OCT_MATCH_PREFIX, "Hello!")), "{\"a\":\"Hello\"}", false},
        {FIELD("a", HAS_TEXT(OCT_MATCH_PREFIX, "")), "{\"a\":[1,\"x\"]}", true},
        {FIELD("a", HAS_TEXT(OCT_MATCH_PREFIX, "")), "{\"a\":[1,null]}", false},
        {FIELD("a", HAS_TEXT(OCT_MATCH_PREFIX, "\\")), "{\"a\":\"\\\\x\"}", true},
        {FIELD("a", HAS_TEXT(OCT_MATCH_PREFIX, "\\")), "{\"a\":\"\\nx\"}", false},
    };

    check_all(table, countof(table));
}

TEST(ranges_hold_for_one_value_at_once)
{
    const oct_range over_2 = {.bounds = OCT_GT, .gt = 2},
                    from_2_to_3 = {.bounds = OCT_GTE | OCT_LTE, .gte = 2, .lte = 3};
    const oct_range          below_2 = {.bounds = OCT_LT, .lt = 2}, any = {0};
    const oct_datetime_range day = {.bounds = OCT_GTE | OCT_LT, .gte = 0, .lt = INT64_C(86400000000)};
    const oct_datetime_range just = {.bounds = OCT_GT | OCT_LTE, .gt = -1, .lte = 0};
    const expectation        table[] = {
               {FIELD("a", .range = &over_2), "{\"a\":2}", false},
               {FIELD("a", .range = &over_2), "{\"a\":2.0000000000000004}", true},
               {FIELD("a", .range = &over_2), "{\"a\":18446744073709551615}", true},
               {FIELD("a", .range = &over_2), "{\"a\":1e300}", true},
               {FIELD("a", .range = &over_2), "{\"a\":\"3\"}", false},
               {FIELD("a", .range = &over_2), "{\"a\":true}", false},
               {FIELD("a", .range = &over_2), "{\"a\":null}", false},
               {FIELD("a", .range = &over_2), "{}", false},
               {FIELD("a", .range = &from_2_to_3), "{\"a\":[1,4]}", false},
               {FIELD("a", .range = &from_2_to_3), "{\"a\":[1,3,4]}", true},
               {FIELD("a", .range = &from_2_to_3), "{\"a\":[[3]]}", false},
               {FIELD("a", .range = &below_2), "{\"a\":-0.5}", true},
               {FIELD("a", .range = &below_2), "{\"a\":2.0}", false},
               {FIELD("a", .range = &any), "{\"a\":7}", true},
               {FIELD("a", .range = &any), "{\"a\":\"x\"}", false},
               {FIELD("a", .datetime_range = &day), "{\"a\":\"1970-01-01T23:59:59.999999Z\"}", true},
               {FIELD("a", .datetime_range = &day), "{\"a\":\"1970-01-02\"}", false},
               {FIELD("a", .datetime_range = &day), "{\"a\":\"1970-01-02T00:30:00+01:00\"}", true},
               {FIELD("a", .datetime_range = &day), "{\"a\":[\"x\",\"1970-01-01\"]}", true},
               {FIELD("a", .datetime_range = &day), "{\"a\":0}", false},
               {FIELD("a", .datetime_range = &day), "{\"a\":\"1970-01-01T00:00:00\\n\"}", false},
               {FIELD("a", .datetime_range = &just), "{\"a\":\"1970-01-01\"}", true},
               {FIELD("a", .datetime_range = &just), "{\"a\":\"1969-12-31T23:59:59.999999Z\"}", false},
    };

    check_all(table, countof(table));
}

TEST(places_are_near_within_and_enclosed)
{
    const oct_geo_radius       near = {{0, 0}, 111195.09}; /* a degree on the mean sphere is 111195.0802... */
    const oct_geo_radius       nearer = {{0, 0}, 111195.07};
    const oct_geo_bounding_box box = {{0, 2}, {2, 0}};
    const oct_geo_point        corners[] = {{0, 0}, {4, 0}, {4, 4}, {0, 4}, {0, 0}};
    const oct_geo_point        hole[] = {{1, 1}, {2, 1}, {2, 2}, {1, 2}, {1, 1}};
    const oct_geo_ring         holes[] = {{hole, 5}};
    const oct_geo_polygon      polygon = {{corners, 5}, holes, 1};
    const expectation          table[] = {
                 {FIELD("g", .geo_radius = &near), "{\"g\":{\"lon\":1,\"lat\":0}}", true},
                 {FIELD("g", .geo_radius = &nearer), "{\"g\":{\"lon\":1,\"lat\":0}}", false},
                 {FIELD("g", .geo_radius = &near), "{\"g\":[{\"lon\":9,\"lat\":0},{\"lat\":0.5,\"lon\":0}]}", true},
                 {FIELD("g", .geo_radius = &near), "{\"g\":[1,0]}", false},
                 {FIELD("g", .geo_radius = &near), "{\"g\":{\"lon\":\"1\",\"lat\":0}}", false},
                 {FIELD("g", .geo_bounding_box = &box), "{\"g\":{\"lon\":1,\"lat\":1}}", true},
                 {FIELD("g", .geo_bounding_box = &box), "{\"g\":{\"lon\":2,\"lat\":1}}", false},
                 {FIELD("g", .geo_polygon = &polygon), "{\"g\":{\"lon\":3,\"lat\":3}}", true},
                 {FIELD("g", .geo_polygon = &polygon), "{\"g\":{\"lon\":1.5,\"lat\":1.5}}", false},
                 {FIELD("g", .geo_polygon = &polygon), "{\"g\":{\"lon\":5,\"lat\":3}}", false},
    };

    check_all(table, countof(table));
}

TEST(what_is_missing_is_counted_and_found_empty)
{
    const oct_values_count none = {.bounds = OCT_LT, .lt = 1},
                           one = {.bounds = OCT_GTE | OCT_LTE, .gte = 1, .lte = 1};
    const oct_values_count many = {.bounds = OCT_GT, .gt = 1};
    const oct_condition    empty = {.kind = OCT_CONDITION_IS_EMPTY, .key = S("a")};
    const oct_condition    null = {.kind = OCT_CONDITION_IS_NULL, .key = S("a")};
    const oct_condition    empty_b = {.kind = OCT_CONDITION_IS_EMPTY, .key = S("a[].b")};
    const oct_condition    null_b = {.kind = OCT_CONDITION_IS_NULL, .key = S("a[].b")};
    const expectation      table[] = {
             {FIELD("a", .values_count = &none), "{}", true},
             {FIELD("a", .values_count = &none), "{\"a\":null}", true},
             {FIELD("a", .values_count = &none), "{\"a\":[]}", true},
             {FIELD("a", .values_count = &none), "{\"a\":[null]}", false},
             {FIELD("a", .values_count = &one), "{\"a\":[null]}", true},
             {FIELD("a", .values_count = &one), "{\"a\":\"x\"}", true},
             {FIELD("a", .values_count = &one), "{\"a\":{}}", true},
             {FIELD("a", .values_count = &many), "{\"a\":[1,[2,3]]}", true},
             {FIELD("a[]", .values_count = &many), "{\"a\":[1,[2,3]]}", true},
             {FIELD("a[]", .values_count = &many), "{\"a\":[1,2]}", false},
             {FIELD("a[].b", .values_count = &none), "{\"a\":[{\"c\":1}]}", true},
             {empty, "{}", true},
             {empty, "{\"a\":null}", true},
             {empty, "{\"a\":[]}", true},
             {empty, "{\"a\":[null]}", false},
             {empty, "{\"a\":{}}", false},
             {empty, "{\"a\":\"\"}", false},
             {empty, "{\"a\":0}", false},
             {empty_b, "{\"a\":[{\"b\":null},{\"b\":[]},{}]}", true},
             {empty_b, "{\"a\":[{\"b\":null},{\"b\":1}]}", false},
             {null, "{}", false},
             {null, "{\"a\":null}", true},
             {null, "{\"a\":[1,null]}", true},
             {null, "{\"a\":[[null]]}", false},
             {null, "{\"a\":[]}", false},
             {null_b, "{\"a\":[{\"b\":1},{\"b\":null}]}", true},
             {FIELD("a", .is_empty = OCT_EXPECT_TRUE), "{}", true},
             {FIELD("a", .is_empty = OCT_EXPECT_FALSE), "{}", false},
             {FIELD("a", .is_empty = OCT_EXPECT_FALSE), "{\"a\":1}", true},
             {FIELD("a", .is_null = OCT_EXPECT_TRUE), "{\"a\":null}", true},
             {FIELD("a", .is_null = OCT_EXPECT_FALSE), "{\"a\":null}", false},
             {FIELD("a", .is_null = OCT_EXPECT_FALSE), "{}", true},
    };

    check_all(table, countof(table));
}

TEST(paths_lead_through_objects_and_arrays)
{
    const oct_value   five = INTEGER(5);
    const expectation table[] = {
        {FIELD("a.b", EQUALS(five)), "{\"a\":{\"b\":5}}", true},
        {FIELD("a.b", EQUALS(five)), "{\"a\":[{\"b\":5}]}", false},
        {FIELD("a[].b", EQUALS(five)), "{\"a\":[{\"b\":4},{\"b\":5}]}", true},
        {FIELD("a[].b", EQUALS(five)), "{\"a\":{\"b\":5}}", false},
        {FIELD("a[]", EQUALS(five)), "{\"a\":[4,5]}", true},
        {FIELD("a[]", EQUALS(five)), "{\"a\":[[4,5]]}", true},
        {FIELD("a[]", EQUALS(five)), "{\"a\":[[[5]]]}", false},
        {FIELD("a[][]", EQUALS(five)), "{\"a\":[[[5]]]}", true},
        {FIELD("a[1]", EQUALS(five)), "{\"a\":[4,5]}", true},
        {FIELD("a[0]", EQUALS(five)), "{\"a\":[4,5]}", false},
        {FIELD("a[2]", EQUALS(five)), "{\"a\":[4,5]}", false},
        {FIELD("a[1].b[0].c", EQUALS(five)), "{\"a\":[0,{\"b\":[{\"c\":[5]}]}]}", true},
        {FIELD("\"x y\".\"\"", EQUALS(five)), "{\"x y\":{\"\":5}}", true},
        {FIELD("\"x\ny\"", EQUALS(five)), "{\"x\\ny\":5}", true},
        {FIELD("a", EQUALS(five)), "{\"aa\":5,\"b\":{\"a\":5}}", false},
        /* The member is behind all that are remembered. */
        {FIELD("z", EQUALS(five)),
         "{\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,\"g\":0,\"h\":0,\"i\":0,\"j\":0,\"k\":0,\"l\":0,"
         "\"m\":0,"
         "\"n\":0,\"o\":0,\"p\":0,\"q\":0,\"r\":0,\"z\":5}",
         true},
    };

    check_all(table, countof(table));
}

TEST(a_nested_filter_holds_for_one_object)
{
    const oct_value     five = INTEGER(5), six = INTEGER(6);
    const oct_condition both[] = {FIELD("b", EQUALS(five)), FIELD("c", EQUALS(six))};
    const oct_filter    two = {.must = both, .must_count = 2}, nothing = {0};
    const oct_condition with_id[] = {{.kind = OCT_CONDITION_HAS_ID, .ids = &id_7, .id_count = 1}};
    const oct_condition with_vector[] = {{.kind = OCT_CONDITION_HAS_VECTOR, .vector = S("v1")}};
    const oct_condition with_slice[] = {{.kind = OCT_CONDITION_SLICE, .slice_total = 1}};
    const oct_filter    has_id = {.must = with_id, .must_count = 1},
                     has_no_id = {.must_not = with_id, .must_not_count = 1};
    const oct_filter    has_vector = {.must = with_vector, .must_count = 1};
    const oct_filter    in_slice = {.must = with_slice, .must_count = 1};
    const oct_condition inner[] = {{.kind = OCT_CONDITION_NESTED, .key = S("d"), .filter = &two}};
    const oct_filter    deeper = {.must = inner, .must_count = 1};
#define NESTED(key_, filter_)                                                                                \
    ((oct_condition){.kind = OCT_CONDITION_NESTED, .key = S(key_), .filter = &(filter_)})
    const expectation table[] = {
        {NESTED("a", two), "{\"a\":[{\"b\":5,\"c\":6}]}", true},
        {NESTED("a[]", two), "{\"a\":[{\"b\":5,\"c\":6}]}", true},
        {NESTED("a", two), "{\"a\":[{\"b\":5,\"c\":0},{\"b\":0,\"c\":6}]}", false},
        {NESTED("a", two), "{\"a\":{\"b\":5,\"c\":6}}", false},
        {NESTED("a", two), "{\"a\":[[{\"b\":5,\"c\":6}]]}", false},
        {NESTED("a[0]", two), "{\"a\":[[{\"b\":5,\"c\":6}]]}", true},
        {NESTED("x.a", two), "{\"x\":{\"a\":[1,{\"b\":5,\"c\":6}]}}", true},
        {NESTED("a", nothing), "{\"a\":[{}]}", true},
        {NESTED("a", nothing), "{\"a\":[1]}", false},
        {NESTED("a", nothing), "{\"a\":[]}", false},
        {NESTED("a", has_id), "{\"a\":[{}]}", false},
        {NESTED("a", has_no_id), "{\"a\":[{}]}", true},
        {NESTED("a", has_vector), "{\"a\":[{}]}", false},
        {NESTED("a", in_slice), "{\"a\":[{}]}", false},
        {NESTED("a", deeper), "{\"a\":[{\"d\":[{\"b\":5}]},{\"d\":[{\"b\":5,\"c\":6}]}]}", true},
        {NESTED("a", deeper), "{\"a\":[{\"d\":[{\"b\":5},{\"c\":6}]}]}", false},
    };

    check_all(table, countof(table));
}

TEST(ids_vectors_and_slices_need_no_document)
{
    const oct_id ids[] = {{0, 9, 0, 0}, {0, 7, 0, 0}, {0, 9, 0, 0}, {0, 7, 1, 0}}, others[] = {{0, 7, 1, 0}};
    const oct_condition id_among = {.kind = OCT_CONDITION_HAS_ID, .ids = ids, .id_count = 4};
    const oct_condition id_other = {.kind = OCT_CONDITION_HAS_ID, .ids = others, .id_count = 1};
    const oct_condition no_id = {.kind = OCT_CONDITION_HAS_ID};
    const oct_condition has_1 = {.kind = OCT_CONDITION_HAS_VECTOR, .vector = S("v1")};
    const oct_condition has_3 = {.kind = OCT_CONDITION_HAS_VECTOR, .vector = S("v3")};
    const oct_condition unknown = {.kind = OCT_CONDITION_HAS_VECTOR, .vector = S("unknown")};
    size_t              slices = 0;
    const oct_value     five = INTEGER(5);
    const oct_condition costly_first[] = {FIELD("a", EQUALS(five)), id_other};
    const oct_filter    both = {.must = costly_first, .must_count = 2};
    testee              point = {.document = S("{\"a\":5}")};
    const filter_point  about = {&id_7, give_document, give_vector, &point};
    arena               memory = {0};
    const filter       *wanted;
    bool                answer;

    CHECK(ask_one(&id_among, "{}") && !ask_one(&id_other, "{}") && !ask_one(&no_id, "{}"));
    CHECK(ask_one(&has_1, "{}") && !ask_one(&has_3, "{}") && !ask_one(&unknown, "{}"));
    for (uint32_t i = 0; i < 10; i++) {
        const oct_condition slice = {.kind = OCT_CONDITION_SLICE, .slice_total = 10, .slice_index = i};

        slices += ask_one(&slice, "{}");
    }
    CHECK_INT(slices, 1);
    CHECK_OK(filter_compile(&both, number_of, NULL, &memory, &wanted, NULL));
    CHECK_OK(filter_matches(wanted, &about, &answer, NULL));
    CHECK(!answer);
    CHECK_INT(point.opened, 0); /* the id, given last, was asked first */
    arena_clear(&memory);
}

TEST(the_parts_of_a_filter_are_combined)
{
    const oct_value     one = INTEGER(1);
    const oct_condition a = FIELD("a", EQUALS(one)), b = FIELD("b", EQUALS(one)), c = FIELD("c", EQUALS(one));
    const oct_condition all[] = {a, b, c};
    const oct_filter    only_b = {.must = &b, .must_count = 1};
    const oct_condition not_b = {.kind = OCT_CONDITION_FILTER,
                                 .filter = &(oct_filter){.must_not = &b, .must_not_count = 1}};
    const oct_condition is_b = {.kind = OCT_CONDITION_FILTER, .filter = &only_b};
    const struct {
        oct_filter  asked;
        const char *document;
        bool        wanted;
    } table[] = {
        {{0}, "{}", true},
        {{.must = all, .must_count = 2}, "{\"a\":1,\"b\":1}", true},
        {{.must = all, .must_count = 2}, "{\"a\":1}", false},
        {{.should = all, .should_count = 2}, "{\"b\":1}", true},
        {{.should = all, .should_count = 2}, "{\"c\":1}", false},
        {{.should = all, .should_count = 0}, "{}", true},
        {{.must_not = all, .must_not_count = 2}, "{\"c\":1}", true},
        {{.must_not = all, .must_not_count = 2}, "{\"b\":1}", false},
        {{.min_should = all, .min_should_count = 3, .min_count = 2}, "{\"a\":1,\"c\":1}", true},
        {{.min_should = all, .min_should_count = 3, .min_count = 2}, "{\"c\":1}", false},
        {{.min_should = all, .min_should_count = 3, .min_count = 4}, "{\"a\":1,\"b\":1,\"c\":1}", false},
        {{.min_should = all, .min_should_count = 0, .min_count = 1}, "{\"a\":1}", false},
        {{.min_should = all, .min_should_count = 3, .min_count = UINT64_MAX}, "{\"a\":1}", false},
        {{.must = &a, .must_count = 1, .should = &b, .should_count = 1}, "{\"a\":1}", false},
        {{.must = &a, .must_count = 1, .should = &b, .should_count = 1}, "{\"a\":1,\"b\":1}", true},
        {{.must = &a, .must_count = 1, .must_not = &b, .must_not_count = 1}, "{\"a\":1,\"b\":1}", false},
        {{.must = &not_b, .must_count = 1}, "{\"a\":1}", true},
        {{.must = &not_b, .must_count = 1}, "{\"b\":1}", false},
        {{.must_not = &not_b, .must_not_count = 1}, "{\"b\":1}", true},
        {{.should = &not_b, .should_count = 1, .must = &is_b, .must_count = 1}, "{\"b\":1}", false},
        {{.must_not = &is_b, .must_not_count = 1}, "{}", true},
    };

    for (size_t i = 0; i < countof(table); i++)
        CHECK_MSG(ask(&table[i].asked, table[i].document) == table[i].wanted, "case %zu: %s", i,
                  table[i].document);
}

TEST(one_of_several_tests_of_a_field_is_enough)
{
    const oct_value        five = INTEGER(5);
    const oct_range        large = {.bounds = OCT_GT, .gt = 100};
    const oct_values_count none = {.bounds = OCT_LT, .lt = 1};
    const expectation      table[] = {
             {FIELD("a", EQUALS(five), .range = &large), "{\"a\":5}", true},
             {FIELD("a", EQUALS(five), .range = &large), "{\"a\":101}", true},
             {FIELD("a", EQUALS(five), .range = &large), "{\"a\":6}", false},
             {FIELD("a", EQUALS(five), .values_count = &none), "{}", true},
             {FIELD("a", EQUALS(five), .is_empty = OCT_EXPECT_TRUE), "{\"a\":[]}", true},
             {FIELD("a", EQUALS(five), .is_empty = OCT_EXPECT_TRUE), "{\"a\":[6]}", false},
    };

    check_all(table, countof(table));
}

/* --- what is refused ---------------------------------------------------------------------------------- */

static void
check_refused(const oct_condition *condition, oct_status wanted, const char *text)
{
    const oct_filter given = {.must = condition, .must_count = 1};
    const filter    *made = (const filter *)(uintptr_t)1;
    arena            memory = {0};
    oct_error        error = {0};

    CHECK_STATUS(filter_compile(&given, number_of, NULL, &memory, &made, &error), wanted);
    CHECK(made == NULL);
    CHECK_MSG(strstr(error.text, text) != NULL, "\"%s\" does not say \"%s\"", error.text, text);
    arena_clear(&memory);
}

TEST(filters_that_cannot_be_are_refused)
{
    const oct_value       five = INTEGER(5), strange = {.kind = (oct_value_kind)9};
    const oct_geo_radius  nowhere = {{0, 90.5}, 1};
    const oct_geo_point   open[] = {{0, 0}, {1, 0}, {1, 1}, {0, 1}};
    const oct_geo_polygon open_polygon = {{open, 4}, NULL, 0};
    const oct_condition   nothing = FIELD("a", .is_null = OCT_EXPECT_NOTHING),
                        no_path = FIELD("a..b", EQUALS(five));
    const oct_condition no_kind = {.kind = (oct_condition_kind)99},
                        kind_of_value = FIELD("a", EQUALS(strange));
    const oct_condition off_earth = FIELD("a", .geo_radius = &nowhere),
                        no_ring = FIELD("a", .geo_polygon = &open_polygon);
    const oct_condition no_slices = {.kind = OCT_CONDITION_SLICE};
    const oct_condition beyond = {.kind = OCT_CONDITION_SLICE, .slice_total = 3, .slice_index = 3};
    const oct_condition no_ids = {.kind = OCT_CONDITION_HAS_ID, .id_count = 3};
    const oct_condition no_filter = {.kind = OCT_CONDITION_NESTED, .key = S("a")};
    const oct_match     strange_match = {.kind = (oct_match_kind)77};
    const oct_condition kind_of_match = FIELD("a", .match = &strange_match);

    check_refused(&nothing, OCT_RANGE, "At least one field condition must be specified");
    check_refused(&no_path, OCT_FORMAT, "Invalid json path: 'a..b'");
    check_refused(&no_kind, OCT_INVALID, "99");
    check_refused(&kind_of_value, OCT_INVALID, "9");
    check_refused(&kind_of_match, OCT_INVALID, "77");
    check_refused(&off_earth, OCT_INVALID, "90.5");
    check_refused(&no_ring, OCT_INVALID, "4 points");
    check_refused(&no_slices, OCT_RANGE, "slice.total");
    check_refused(&beyond, OCT_RANGE, "slice.index: value 3");
    check_refused(&no_ids, OCT_INVALID, "NULL");
    check_refused(&no_filter, OCT_INVALID, "filter");
}

TEST(depth_and_number_of_conditions_are_bounded)
{
    oct_filter           levels[OCT_FILTER_DEPTH_MAX + 1] = {0};
    static oct_condition conditions[OCT_FILTER_DEPTH_MAX + 1];
    oct_filter           wide = {0};
    oct_condition       *many = oct_calloc(OCT_FILTER_CONDITIONS_MAX + 1, sizeof *many);
    arena                memory = {0};
    const filter        *made;

    for (size_t i = 0; i < OCT_FILTER_DEPTH_MAX; i++) {
        conditions[i] = (oct_condition){.kind = OCT_CONDITION_FILTER, .filter = &levels[i + 1]};
        levels[i] = (oct_filter){.must_not = &conditions[i], .must_not_count = 1};
    }
    CHECK_STATUS(filter_compile(&levels[0], number_of, NULL, &memory, &made, NULL), OCT_RANGE);
    CHECK_OK(filter_compile(&levels[1], number_of, NULL, &memory, &made, NULL));
    /* 63 times "not" around what is always true. */
    CHECK(!ask(&levels[1], "{}"));
    CHECK(ask(&levels[2], "{}"));

    CHECK(many != NULL);
    for (size_t i = 0; i <= OCT_FILTER_CONDITIONS_MAX; i++)
        many[i] = (oct_condition){.kind = OCT_CONDITION_IS_NULL, .key = S("a")};
    wide = (oct_filter){.should = many, .should_count = OCT_FILTER_CONDITIONS_MAX};
    CHECK_OK(filter_compile(&wide, number_of, NULL, &memory, &made, NULL));
    wide.should_count++;
    CHECK_STATUS(filter_compile(&wide, number_of, NULL, &memory, &made, NULL), OCT_RANGE);
    wide.must = many;
    wide.must_count = SIZE_MAX / sizeof *many;
    CHECK_STATUS(filter_compile(&wide, number_of, NULL, &memory, &made, NULL), OCT_RANGE);
    oct_free(many);
    arena_clear(&memory);
}

/* --- keys, ids, memory, damage --------------------------------------------------------------------------- */

TEST(keys_differ_where_answers_may)
{
    const oct_value five = INTEGER(5), text_five = TEXT("5"), ab = TEXT("ab"), a_b = TEXT("a\"b");
    const oct_range over = {.bounds = OCT_GT, .gt = 5, .lt = 1},
                    over_too = {.bounds = OCT_GT, .gt = 5, .lt = 2};
    const oct_range     from = {.bounds = OCT_GTE, .gte = 5};
    const oct_condition conditions[] = {
        FIELD("a", EQUALS(five)),
        FIELD("b", EQUALS(five)),
        FIELD("a", EQUALS(text_five)),
        FIELD("a", EQUALS(ab)),
        FIELD("a", EQUALS(a_b)),
        FIELD("a", .range = &over),
        FIELD("a", .range = &from),
        FIELD("a", HAS_TEXT(OCT_MATCH_TEXT, "x")),
        FIELD("a", HAS_TEXT(OCT_MATCH_PREFIX, "x")),
        FIELD("a", .is_null = OCT_EXPECT_TRUE),
        FIELD("a", .is_empty = OCT_EXPECT_TRUE),
        FIELD("a", .is_null = OCT_EXPECT_FALSE),
        {.kind = OCT_CONDITION_SLICE, .slice_total = 2},
        {.kind = OCT_CONDITION_HAS_VECTOR, .vector = S("v1")},
        {.kind = OCT_CONDITION_HAS_ID, .ids = &id_7, .id_count = 1},
        {.kind = OCT_CONDITION_HAS_ID},
    };
    const oct_condition same[] = {FIELD("a", .range = &over), FIELD("a", .range = &over_too)};
    arena               memory = {0};
    oct_slice           keys[4 * countof(conditions)];
    size_t              count = 0;

    for (size_t i = 0; i < countof(conditions); i++) {
        const oct_filter filters[] = {
            {.must = &conditions[i], .must_count = 1},
            {.must_not = &conditions[i], .must_not_count = 1},
            {.should = &conditions[i], .should_count = 1},
            {.must = &conditions[i], .must_count = 1, .should = &conditions[0], .should_count = 1},
        };

        for (size_t f = 0; f < countof(filters); f++) {
            const filter *made = NULL;

            CHECK_OK(filter_compile(&filters[f], number_of, NULL, &memory, &made, NULL));
            keys[count++] = filter_key(made);
        }
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++)
            CHECK_MSG(!slice_equal(keys[i], keys[j]), "keys %zu and %zu", i, j);
    }
    for (size_t i = 0; i < 2; i++) {
        const oct_filter given = {.must = &same[i], .must_count = 1};
        const filter    *made = NULL;

        CHECK_OK(filter_compile(&given, number_of, NULL, &memory, &made, NULL));
        keys[i] = filter_key(made);
    }
    CHECK(slice_equal(keys[0], keys[1])); /* the bound that is not given does not count */
    arena_clear(&memory);
}

TEST(ids_that_must_be_are_told)
{
    const oct_id few[] = {{0, 9, 0, 0}, {0, 3, 0, 0}, {0, 9, 0, 0}},
                 more[] = {{0, 1, 0, 0}, {0, 2, 0, 0}, {0, 3, 0, 0}};
    const oct_condition must[] = {{.kind = OCT_CONDITION_HAS_ID, .ids = more, .id_count = 3},
                                  {.kind = OCT_CONDITION_HAS_ID, .ids = few, .id_count = 3}};
    const oct_filter    both = {.must = must, .must_count = 2}, either = {.should = must, .should_count = 2};
    const oct_filter    neither = {.must_not = must, .must_not_count = 2}, open = {0};
    arena               memory = {0};
    const filter       *made;
    const oct_id       *ids;
    size_t              count;

    CHECK_OK(filter_compile(&both, number_of, NULL, &memory, &made, NULL));
    ids = filter_ids(made, &count);
    CHECK_INT(count, 2);
    CHECK(ids != NULL && ids[0].low == 3 && ids[1].low == 9);
    CHECK_OK(filter_compile(&either, number_of, NULL, &memory, &made, NULL));
    CHECK(filter_ids(made, &count) == NULL && !filter_is_open(made));
    CHECK_OK(filter_compile(&neither, number_of, NULL, &memory, &made, NULL));
    CHECK(filter_ids(made, &count) == NULL);
    CHECK_OK(filter_compile(&open, number_of, NULL, &memory, &made, NULL));
    CHECK(filter_is_open(made));
    arena_clear(&memory);
}

TEST(every_allocation_of_a_compilation_may_fail)
{
    const oct_id          ids[] = {{0, 9, 0, 0}, {0, 3, 0, 0}};
    const oct_geo_point   corners[] = {{0, 0}, {4, 0}, {4, 4}, {0, 0}};
    const oct_geo_ring    holes[] = {{corners, 4}};
    const oct_geo_polygon polygon = {{corners, 4}, holes, 1};
    const oct_value       x = TEXT("x");
    const oct_condition   inner = FIELD("b[].c", EQUALS(x), .geo_polygon = &polygon);
    const oct_filter      nested = {.must = &inner, .must_count = 1};
    static char           long_text[100000];
    oct_match             text = {.kind = OCT_MATCH_TEXT_ANY, .text = {long_text, sizeof long_text}};
    const oct_condition   list[] = {{.kind = OCT_CONDITION_HAS_ID, .ids = ids, .id_count = 2},
                                    {.kind = OCT_CONDITION_NESTED, .key = S("a"), .filter = &nested},
                                    FIELD("t", .match = &text),
                                    {.kind = OCT_CONDITION_FILTER, .filter = &nested}};
    const oct_filter      given = {.must = list,
                                   .must_count = 4,
                                   .should = list,
                                   .should_count = 4,
                                   .min_should = list,
                                   .min_should_count = 4,
                                   .min_count = 2};
    bool                  done = false;

    for (size_t i = 0; i < sizeof long_text; i++)
        long_text[i] = i % 7 == 6 ? ' ' : 'w';
    for (uint64_t after = 0; !done && after < 1000; after++) {
        arena         memory = {0};
        const filter *made;
        oct_error     error = {0};
        oct_status    status;

        oct_alloc_fail_after(after, true);
        status = filter_compile(&given, number_of, NULL, &memory, &made, &error);
        oct_alloc_fail_after(UINT64_MAX, false);
        done = status == OCT_OK;
        CHECK_MSG(done || (status == OCT_NOMEM && made == NULL && error.text[0] != '\0'), "after %llu: %d %s",
                  (unsigned long long)after, (int)status, error.text);
        arena_clear(&memory);
    }
    CHECK(done);
}

TEST(damaged_documents_are_reported_or_answered_but_never_left)
{
    static const char whole[] =
        "{\"a\":[{\"b\":1,\"c\":[2,3]},\"t\\\"x\"],\"g\":{\"lon\":1.5,\"lat\":2},\"z\":{\"y\":null}}";
    const oct_value      three = INTEGER(3);
    const oct_range      range = {.bounds = OCT_GT, .gt = 0};
    const oct_geo_radius near = {{0, 0}, 1e6};
    const oct_condition  inner = FIELD("c[]", EQUALS(three));
    const oct_filter     nested = {.must = &inner, .must_count = 1};
    const oct_condition  list[] = {FIELD("z.y", .is_null = OCT_EXPECT_FALSE),
                                   FIELD("a[].b", .range = &range),
                                   FIELD("g", .geo_radius = &near),
                                   {.kind = OCT_CONDITION_NESTED, .key = S("a"), .filter = &nested},
                                   FIELD("a", HAS_TEXT(OCT_MATCH_TEXT, "\"x"))};
    const oct_filter     given = {
            .should = list, .should_count = countof(list), .must_not = list, .must_not_count = 1};
    arena         memory = {0};
    const filter *made = NULL;
    size_t        corrupt = 0;

    CHECK_OK(filter_compile(&given, number_of, NULL, &memory, &made, NULL));
    for (size_t at = 0; at + 1 < sizeof whole; at++) {
        for (int byte = -1; byte < 256; byte++) {
            const size_t       size = byte < 0 ? at : sizeof whole - 1; /* -1: cut here */
            char              *text = oct_copy_text(whole, size);
            testee             point = {.document = {text, size}};
            const filter_point about = {&id_7, give_document, give_vector, &point};
            oct_error          error = {0};
            bool               answer;
            oct_status         status;

            if (byte >= 0)
                text[at] = (char)byte;
            status = filter_matches(made, &about, &answer, &error);
            CHECK_MSG(status == OCT_OK || (status == OCT_CORRUPT && !answer), "byte %zu is %d: %d %s", at,
                      byte, (int)status, error.text);
            corrupt += status == OCT_CORRUPT;
            oct_free(text);
        }
    }
    CHECK(corrupt > 1000);
    arena_clear(&memory);
}
