/* query.h - queries of many levels: the planner and the executor of octant.h's oct_query.
 *
 * OWNS     the one meaning of a query, whichever door it came through: a plain search is a query of one level.
 * FLOW     Plan (query_plan.c), not pinned, as other collections may have to be opened: check every level, merge
 * filters
 *          downwards, turn ids into vectors, prepare what is compared. Run (query_run.c), pinned: prefetches first,
 *          then
 *          the level itself. Then records.
 *
 *              level without prefetches                  level with prefetches
 *              nearest, average   -> the graph           rrf, dbsf -> fusion.c over the lists
 *              examples           -> exact.c, all points formula   -> formula.c, each point of the lists
 *              none, sample       -> by id, at random    any other -> the same query, only among those points
 *
 *          Groups (groups.c) ask for longer and longer lists until they have what they need; the matrix (matrix.c)
 *          is a sample and an exact search for each of it.
 * HITS     A list of (score, point number), best first (hits.h). Numbers mean the shard's points while pinned.
 * MEMORY   One arena a request; plans, lists and scratch live in it. Records have an arena of their own.
 * THREADS  Any. Scans and batches are shared with the workers of the database.
 * READ     query_plan.c, query_run.c; scorer.h, exact.h, fusion.h, mmr.h, formula.h, sample.h.
 */
#ifndef OCT_COLLECTION_QUERY_H
#define OCT_COLLECTION_QUERY_H

#include "collection/collection.h"

oct_status collection_query(oct_collection *self, const oct_query_request *request, oct_records **out,
                            oct_error *error);
oct_status collection_query_batch(oct_collection *self, const oct_query_request *requests, size_t count,
                                  oct_records **out, oct_error *error);
oct_status collection_query_groups(oct_collection *self, const oct_group_request *request, oct_groups **out,
                                   oct_error *error);
oct_status collection_search_matrix(oct_collection *self, const oct_matrix_request *request, oct_matrix **out,
                                    oct_error *error);

/* "Vector dimension error: expected dim: .., got ..", OCT_DIM, if the box's vector has another dimension. */
oct_status box_check_dim(const config_box *box, size_t index, size_t dim, oct_error *error);
/* Candidates of a walk: `ef`, or, if that is 0, the configured ef_construct. */
size_t box_ef(const config_box *box, size_t index, size_t ef);

#endif
