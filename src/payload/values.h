/* values.h - the values at the end of a payload path.
 *
 * Where a path ends at an array, its elements are the values, one level deep; anything else is one value. Formulas,
 * groups and whatever else asks "what does this point have at `a.b[]`?" mean that.
 */
#ifndef OCT_PAYLOAD_VALUES_H
#define OCT_PAYLOAD_VALUES_H

#include "payload/path.h"

typedef struct value_list {
    oct_slice *items; /* compact text, in the document; oct_free it */
    size_t     count, capacity;
} value_list;

/* Fill a list, which may hold what an earlier call left: its memory is used again. OCT_CORRUPT, OCT_NOMEM. */
oct_status values_at(const path *where, oct_slice document, value_list *out, oct_error *error);
/* The same without looking into an array at the end. */
oct_status values_whole_at(const path *where, oct_slice document, value_list *out, oct_error *error);
void       value_list_clear(value_list *self);

#endif
