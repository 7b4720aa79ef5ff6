/* filter_bounds.h - a filter answered for all points at once, as far as indexes go.
 *
 * RESULT   Two sets of points, as bits: `lower`, all of which pass, and `upper`, outside of which none does. Where the two are
 *          equal no document need be read; the points between them are to be asked (filter_matches).
 * HOW      Each condition of the tree is answered by the caller's callbacks where it can be - by an index of its field, by ids -
 *          and is unknown otherwise (nothing is sure, everything possible). Conditions are joined as sets: all, one, at least n;
 *          a negation swaps the two and takes the others.
 * NESTED   A nested filter is not known from an index of `parts[].size`, but no point can pass it that has no part of
 *          such a size: its `upper` is taken from that.
 * MEMORY   Bits come from the arena: two sets for each level of the tree.
 */
#ifndef OCT_PAYLOAD_FILTER_BOUNDS_H
#define OCT_PAYLOAD_FILTER_BOUNDS_H

#include "payload/condition.h"
#include "payload/filter.h"

typedef struct filter_index {
    uint32_t point_count;
    const void *context;
    /* One test of the field at a path; both sets are zeroed before. False: not known, and what was set does not count. */
    bool (*field)(const void *context, const path *where, const field_test *test, uint64_t *lower, uint64_t *upper);
    /* The live point of an id; false: there is none. */
    bool (*point)(const void *context, const oct_id *id, uint32_t *out);
} filter_index;

typedef struct filter_bounds {
    const uint64_t *lower, *upper; /* bits of point_count points; those behind the last are of no meaning */
    bool            known;         /* false: nothing is sure and everything possible; both are NULL */
} filter_bounds;

/* OCT_NOMEM. */
oct_status filter_get_bounds(const filter *self, const filter_index *by, arena *memory, filter_bounds *out, oct_error *error);

#endif
