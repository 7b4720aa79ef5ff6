/* condition.h - the tests that a filter makes of a field, ready to be asked: of one value (filter.c), or of an index of the
 * field (field/). What is in a test is sorted and spelled by filter_compile.c, and lives as long as the filter. */
#ifndef OCT_PAYLOAD_CONDITION_H
#define OCT_PAYLOAD_CONDITION_H

#include "payload/path.h"
#include "text/match.h"

typedef enum test_kind {
    TEST_VALUES,   /* equals one of `values`, or none */
    TEST_CONTAINS, /* a string that has one of `strings` in it */
    TEST_PREFIX,   /* a string that begins with strings[0] */
    TEST_RANGE,
    TEST_DATETIME,
    TEST_RADIUS,
    TEST_BOX,
    TEST_POLYGON,
    TEST_COUNT,  /* from here on the value is looked at whole, arrays too */
    TEST_FILLED, /* neither null nor [] */
    TEST_NULL,   /* null, or an array that holds null */
    TEST_NESTED, /* an object that satisfies `nested` */
    TEST_TOKENS  /* strings, all together, that have the words of `words` */
} test_kind;

typedef struct value_set {
    const oct_slice *strings; /* spelled, sorted */
    size_t           string_count;
    const int64_t   *integers; /* sorted */
    size_t           integer_count;
    bool             has_true, has_false;
    bool             except; /* what is in none of these, and not null */
} value_set;

typedef struct string_list {
    const oct_slice *items; /* spelled */
    size_t           count;
} string_list;

typedef struct field_test {
    test_kind kind;
    bool      negated; /* true if no value at the end of the path passes */
    union {
        value_set                 values;
        string_list               strings;
        oct_range                 range;
        oct_datetime_range        datetime;
        oct_geo_radius            radius;
        oct_geo_bounding_box      box;
        oct_geo_polygon           polygon;
        oct_values_count          count;
        const text_match         *words;
        const struct filter_node *nested;
    } as;
} field_test;

/* Does one value, no array, pass? Not for the kinds that look at whole values. */
bool condition_passes(const field_test *test, oct_slice value);

#endif
