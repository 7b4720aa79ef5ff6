/* fusion.h - several ranked lists into one: by place (RRF) or by score (DBSF). */
#ifndef OCT_COLLECTION_FUSION_H
#define OCT_COLLECTION_FUSION_H

#include "base/arena.h"
#include "collection/hits.h"

#define FUSION_K_DEFAULT 2u /* Qdrant's */

/* Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009), weighted: a point at place p, counted from 0, of a list
 * of weight w adds 1 / ((p + 1) / w + k - 1). A weight that is not positive adds nothing, and the list's points are
 * there all the same. `k` 0: the default; `weights` NULL: 1 each. */
oct_status fusion_rrf(const hit_list *lists, size_t count, size_t k, const float *weights,
                      const point_set *points, arena *memory, hit_list *out, oct_error *error);

/* Distribution-based score fusion: a score s of a list adds (s - (mean - 3d)) / 6d, where d is the standard
 * deviation of
 * the list's scores as a sample. A list of one, or of equal scores, adds 0.5 for each. */
oct_status fusion_dbsf(const hit_list *lists, size_t count, const point_set *points, arena *memory,
                       hit_list *out, oct_error *error);

#endif
