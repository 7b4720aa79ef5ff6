/* select.h - which points of a collection a filter lets through: the planner of filters.
 *
 * OWNS     the choice of whom to ask, and the memory of the answers. What a condition means is payload/filter.h's.
 * RESULT   A selection: a bit for each point number of the shard, and how many are set. A search takes it as the
 * gate of
 *          its walk, a scroll goes through it by id, a count is its count, a write its ids.
 * WHOM     Today's plan has two ways to find whom to ask: the points whose ids the filter names, if it must have one of
 *          them; else every live point. Field indexes join here (candidates() in select.c): each gives, for one
 *          condition that must hold, the points that may satisfy it.
 * MEMORY   Answers are remembered per collection under the filter's key, a few entries of bounded size, and bear the
 *          shard's version at which they were given. When the shard has moved on, only the points
 *          whose own version is later are asked again: a write costs a filter what the write touched, and a look
 *          at the versions (8 bytes a point).
 * CALLED   by read.c, write.c and whoever searches under a filter. Calls payload, shard and the worker pool.
 * THREADS  Any, pinned (base/epoch.h); a selection's bits are valid until the caller unpins. Nothing waits: entries are
 *          immutable and replaced whole; a thread that finds the cache being changed leaves its answer out of it.
 */
#ifndef OCT_COLLECTION_SELECT_H
#define OCT_COLLECTION_SELECT_H

#include "collection/collection.h"
#include "payload/filter.h"

typedef struct selection {
    const uint64_t *bits;        /* NULL: every point */
    uint32_t        point_count; /* bits there are; points beyond are not selected */
    uint32_t        count;       /* bits that are set */
    void           *owned;       /* bits that no cache holds */
} selection;

/* Make a filter of a request ready. *out NULL: it lets every point through (as does `given` NULL). Errors: those
 * of filter_compile. */
oct_status select_compile(const oct_collection *self, const oct_filter *given, arena *memory,
                          const filter **out, oct_error *error);

/* The filter_text_fields of a config_box. */
filter_text_field select_text_field(const void *context, const path *where);
/* The filter_vector_number of a config_box. */
uint32_t select_vector_number(const void *context, oct_slice name);

/* The points that `wanted` (NULL: every one) lets through, among them all that were written before the call. Release
 * with selection_clear. Errors: OCT_NOMEM; OCT_CORRUPT, if the payload of a point is damaged. */
oct_status select_points(oct_collection *self, const filter *wanted, selection *out, oct_error *error);
void       selection_clear(selection *self);

/* Does one live point pass? As it is now. */
oct_status select_test(oct_collection *self, const filter *wanted, uint32_t point, bool *out,
                       oct_error *error);

/* The first `limit` selected points by id, from `from` (NULL: the first) on, into `out`. */
oct_status select_page(oct_collection *self, const selection *these, const oct_id *from, size_t limit,
                       uint32_t *out, size_t *count, oct_error *error);

/* select_compile and select_points at once. */
oct_status select_given(oct_collection *self, const oct_filter *given, selection *out, oct_error *error);

void select_cache_free(select_cache *cache); /* with the collection; accepts NULL */

#endif
