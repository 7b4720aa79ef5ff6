/* formula.h - scores computed by an expression from a point's payload and from the scores of prefetches.
 *
 * COMPILE  Once per request: limits, paths and constants are checked, variables joined with their defaults.
 * EVALUATE In 64-bit floats, for one point; the result as a 32-bit float. A variable without a value, of a wrong
 * type, or
 *          a result that is not finite is the caller's mistake (OCT_INVALID), as in Qdrant, and fails the request.
 * MEANING  A variable is `$score` (of the first prefetch), `$score[i]`, or a payload path. Of a path that leads to an
 *          array with one element it is that element. What a point has not is taken from the defaults; a score, failing
 *          that, is 0. mult ends at the first factor 0, and 0 divided by anything is 0 without looking at it.
 * THREADS  A compiled formula may be used by many threads; each brings a formula_scratch of its own.
 */
#ifndef OCT_COLLECTION_FORMULA_H
#define OCT_COLLECTION_FORMULA_H

#include "payload/filter.h"
#include "payload/values.h"

typedef struct formula formula;

/* Names of vectors in conditions are looked up by number_of(context, name). Errors: OCT_RANGE (too deep, too many
 * terms),
 * OCT_FORMAT (a bad path), OCT_INVALID. */
oct_status formula_compile(const oct_formula *given, filter_vector_number number_of, filter_text_fields text_of,
                           const void *context, arena *memory, const formula **out, oct_error *error);

typedef struct formula_scratch {
    value_list values;
} formula_scratch;

typedef struct formula_point {
    filter_point about; /* for conditions */
    oct_slice    document;
    const float *scores; /* of each prefetch; not a number: it has not found the point */
    size_t       score_count;
} formula_point;

oct_status formula_evaluate(const formula *self, const formula_point *point, formula_scratch *scratch,
                            float *out, oct_error *error);
void       formula_scratch_clear(formula_scratch *self);

#endif
