/* fields.h - the field indexes of a collection: made and dropped, kept up to date, asked.
 *
 * OWNS     the bridge between a shard (points, versions, documents) and field/ (which knows numbers and texts only).
 * THERE    An index belongs to the configuration (config_box): a record of the catalogue makes it, a later one drops it, and
 *          boxes share those that stay. What an index holds is not logged: it is built from the documents, when it is made
 *          and after opening, and brought up to date by the points whose version is later than its view.
 * BEHIND   the writers a job on the worker pool does that, one at a time for each collection. A query that finds an
 *          index a few points behind does it itself; one that finds it far behind asks the documents of
 *          what is missing, so answers are right at any time.
 * CALLED   by select.c (filters), order.c, facet.c; by write.c and catalogue.c, which find their part in collection.h.
 * THREADS  Any. Views are used pinned (base/epoch.h).
 */
#ifndef OCT_COLLECTION_FIELDS_H
#define OCT_COLLECTION_FIELDS_H

#include "collection/collection.h"
#include "field/field.h"
#include "payload/filter_bounds.h"

/* An index at the shard's version or later. Pinned. */
typedef struct field_use {
    field_index *index;
    field_view  *view;
    bool         is_private; /* nobody else has it: release it */
} field_use;

/* Up to date, whatever it costs. Pinned; release with field_use_clear before unpinning. */
oct_status field_use_get(oct_collection *self, field_index *index, field_use *out, oct_error *error);
void       field_use_clear(field_use *self);

/* Let others have it up to date. Not pinned. */
oct_status fields_bring_up_to_date(oct_collection *self, field_index *index, oct_error *error);

/* The index of a path, or NULL. Pinned. */
field_index *fields_find(const config_box *box, const path *where);
/* Of each index of the box, how many points have a value in it. */
oct_status fields_count_points(oct_collection *self, const config_box *box, uint64_t *out, oct_error *error);
/* Of each index of the box, the bytes of what it has published. Pinned. Returns their sum; `out` may be NULL. */
uint64_t fields_bytes(const config_box *box, uint64_t *out);

/* What the indexes know of a filter: bits of *point_count points. Everything that was written before the call is in it. Pinned. */
oct_status fields_get_bounds(oct_collection *self, const filter *wanted, arena *memory, uint32_t *point_count,
                             filter_bounds *out, oct_error *error);

#endif
