/* filter.h - does a point satisfy a filter? Asked of the stored text, without an index.
 *
 * OWNS     the meaning of every condition of octant.h on one point: paths, arrays, types, dates, places. Which points
 *          to ask about, and remembering the answers, is the caller's (collection/select.h).
 * COMPILE  Once per request: limits and paths are checked, strings spelled as documents spell them, lists sorted, and
 *          the conditions of each level put in the order of their cost, so that a document is opened only
 *          if the point's id and vectors leave the answer open. The result is a tree of three kinds of
 *          nodes: at least n of its children (must: all, should: one, min_should), a test of the point, a test of a
 *          field;
 *          each may be negated (must_not).
 * MATCH    Values are found by walking over the compact text (scan.h); nothing is parsed into memory. The members met
 *          on the way are remembered, so that a second condition does not begin again.
 * MEANING  A path ends at values; of a value that is an array the tests look at each element, one level deep. A nested
 *          filter looks at one object as if it were a document, and there is no id and no vector in it.
 * CALLED   by collection/. Calls base/ and its own folder.
 * MEMORY   A compiled filter lives in the arena given, and keeps nothing of what it was made from. Matching
 *          allocates nothing; its C stack is bounded by OCT_FILTER_DEPTH_MAX.
 * THREADS  A compiled filter may be used by many threads at once.
 * READ     filter_internal.h (the tree), filter_compile.c, filter.c; value.h, geo.h, datetime.h, siphash.h.
 */
#ifndef OCT_PAYLOAD_FILTER_H
#define OCT_PAYLOAD_FILTER_H

#include "base/arena.h"
#include "payload/path.h"
#include "text/text.h"

#define FILTER_NO_VECTOR UINT32_MAX

typedef struct filter filter;

/* The number by which the caller knows a vector's name, or FILTER_NO_VECTOR: then no point has one. Shard keys are asked for
 * in the same way, spelled so that no vector can have that name: FILTER_SHARD_TEXT and a text, or FILTER_SHARD_NUMBER and
 * decimal digits. The number of a point's key is in the `reserved` of its id. */
#define FILTER_SHARD_TEXT   "\x1Ft"
#define FILTER_SHARD_NUMBER "\x1Fn"
typedef uint32_t (*filter_vector_number)(const void *context, oct_slice name);

/* Errors: OCT_RANGE (too many conditions, too deep, a field condition without a test, a slice that cannot be),
 * OCT_FORMAT
 * (a bad path), OCT_INVALID (no place on the earth, a ring that is none, a NULL list). */
oct_status filter_compile(const oct_filter *given, filter_vector_number number_of, const void *context,
                          arena *memory, const filter **out, oct_error *error);

/* How a text index on the field splits it; NULL: there is none. `where` is the path from the document, also within a nested
 * filter. The analyzer must outlive the filter. */
typedef struct filter_text_field {
    text_analyzer *analyzer;
    bool           has_phrases; /* else no phrase is found */
    uint64_t       identity;    /* of the index: stands in the filter's key, for answers differ */
} filter_text_field;

typedef filter_text_field (*filter_text_fields)(const void *context, const path *where);

/* As filter_compile; `match` text, text_any and phrase ask for tokens in the fields that have a text index. */
oct_status filter_compile_indexed(const oct_filter *given, filter_vector_number number_of, filter_text_fields text_of,
                                  const void *context, arena *memory, const filter **out, oct_error *error);

/* It lets every point through, and need not be asked. */
bool filter_is_open(const filter *self);
/* Filters with equal keys let the same points through. */
oct_slice filter_key(const filter *self);
/* Ids that every point which matches is among, sorted, without repeats; NULL: the filter does not say. This is the
 * first of the lists by which a planner narrows down whom to ask; those of field indexes will stand beside it. */
const oct_id *filter_ids(const filter *self, size_t *count);

/* What may be asked of a point. */
typedef struct filter_point {
    const oct_id *id;
    /* Its document, compact; called once at most. */
    oct_status (*document)(const void *context, oct_slice *out, oct_error *error);
    bool (*has_vector)(const void *context, uint32_t number);
    const void *context;
} filter_point;

/* Errors: those of `document`; OCT_CORRUPT if it is not compact JSON. *out is false then. */
oct_status filter_matches(const filter *self, const filter_point *point, bool *out, oct_error *error);

#endif
