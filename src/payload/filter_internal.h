/* filter_internal.h - the tree behind filter.h, for filter*.c. */
#ifndef OCT_PAYLOAD_FILTER_INTERNAL_H
#define OCT_PAYLOAD_FILTER_INTERNAL_H

#include "payload/condition.h"
#include "payload/filter.h"

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
