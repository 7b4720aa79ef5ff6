/* exact.h - the best points by a scorer, every one of them looked at.
 *
 * WHY      Scores that are made of several examples have no graph: near in one is not near in another. And what a level
 *          rescores is a short list.
 * COST     One read of each vector, from one pass over the points in the order of their numbers, which is nearly that
 *          of the rows. Large scans are shared with the database's workers.
 * VIEW     Each point is seen with the vector it has when the scan comes by; none is missed or met twice.
 * THREADS  The caller is pinned (base/epoch.h) until the call returns, and so are the helpers through it.
 */
#ifndef OCT_COLLECTION_EXACT_H
#define OCT_COLLECTION_EXACT_H

#include "collection/collection.h"
#include "collection/hits.h"
#include "collection/scorer.h"

/* Which points may be hits. */
typedef struct hit_scope {
    const uint32_t *listed; /* ascending; NULL: all points */
    size_t          listed_count;
    const uint64_t *allowed;        /* NULL: every point; else those whose bit is set */
    uint32_t        allowed_points; /* bits there are */
    uint32_t        allowed_count;  /* bits that are set */
    const uint32_t *excluded;       /* ascending */
    size_t          excluded_count;
} hit_scope;

static inline bool
scope_allows(const hit_scope *self, uint32_t point)
{
    return (self->allowed == NULL ||
            (point < self->allowed_points && (self->allowed[point / 64] >> (point % 64) & 1) != 0)) &&
           (self->excluded_count == 0 || !point_numbers_have(self->excluded, self->excluded_count, point));
}

/* The best `limit` points of the scope that have vector `number`, best first. Scores are the scorer's; of
 * SCORER_NEAREST as a nearest search shows them. `out` lives in `memory`. */
oct_status exact_search(oct_collection *self, uint32_t number, const scorer *by, const hit_scope *scope,
                        size_t limit, arena *memory, hit_list *out, oct_error *error);

/* Vectors of points in floats, to be compared with each other. Of multivectors the rows are copied, so that those of one lie
 * one behind the other; of narrow types, too. */
typedef struct stored_vectors {
    const float **rows;
    scorer_span  *spans; /* of each point; NULL: not multi, row i is point i's */
    sparse_vector *sparse; /* of each point, if they are sparse: then there is nothing else */
} stored_vectors;

/* Those of the hits' points; hits whose point has none (any more) are left out of the list. */
oct_status stored_gather(oct_collection *self, uint32_t number, hit_list *hits, arena *memory, stored_vectors *out,
                         oct_error *error);

#endif
