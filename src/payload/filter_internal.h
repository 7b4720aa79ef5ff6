/* filter_internal.h - the tree behind filter.h, for filter*.c. */
#ifndef OCT_PAYLOAD_FILTER_INTERNAL_H
#define OCT_PAYLOAD_FILTER_INTERNAL_H

#include "payload/filter.h"
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

typedef enum node_kind {
    NODE_COUNT, /* at least `least` of the children hold */
    NODE_SLICE,
    NODE_VECTOR,
    NODE_IDS,
    NODE_SHARD,
    NODE_FIELD /* one of the tests holds */
} node_kind;

typedef struct filter_node {
    node_kind kind;
    bool      negated;
    uint32_t  cost; /* of asking, roughly in nanoseconds */
    union {
        struct {
            const struct filter_node *items; /* cheapest first */
            size_t                    count, least;
        } children;
        struct {
            uint32_t total, index;
        } slice;
        uint32_t vector;
        struct {
            const oct_id *items; /* sorted, without repeats */
            size_t        count;
        } ids;
        struct {
            const uint32_t *numbers; /* sorted, without repeats */
            size_t          count;
        } shard;
        struct {
            path              path;
            const field_test *tests;
            size_t            count;
        } field;
    } as;
} filter_node;

struct filter {
    filter_node root; /* NODE_COUNT: all children */
    oct_slice   key;
};

/* Order of ids in NODE_IDS: numbers before UUIDs, by value. */
int filter_id_compare(const void *a, const void *b);

#endif
