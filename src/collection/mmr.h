/* mmr.h - maximal marginal relevance: hits that are like the query and unlike each other.
 *
 * SOURCE   Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing
 *          summaries", SIGIR 1998.
 */
#ifndef OCT_COLLECTION_MMR_H
#define OCT_COLLECTION_MMR_H

#include "base/arena.h"
#include "collection/hits.h"
#include "collection/scorer.h"

typedef struct mmr_candidates {
    const hit_list     *hits;
    const float *const *vectors; /* of each hit, as stored; with spans, rows: those of a span lie one behind the other */
    const scorer_span  *spans;   /* of each hit, if they are multivectors; else NULL */
    size_t              target_rows; /* of the target, if there are spans */
    const sparse_vector *sparse;     /* not NULL: the vectors of the hits are these */
    sparse_vector        sparse_target;
    oct_distance        distance;
    size_t              dim;
} mmr_candidates;

/* Pick up to `limit` candidates, one after the other: the one most like the target (a prepared vector) first, then each
 * time the one with the largest (1 - diversity) sim(target) - diversity max sim(picked); of equals, the one with
 * the smaller id. sim is the internal similarity of scorer.h; of multivectors, that of the candidate, as
 * the example, with the one picked. Hits keep their scores; `out` is in the order of
 * picking. */
oct_status mmr_pick(const mmr_candidates *candidates, const float *target, double diversity, size_t limit,
                    const point_set *points, arena *memory, hit_list *out, oct_error *error);

#endif
