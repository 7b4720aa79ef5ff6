/* query_internal.h - plans of queries, for query*.c, groups.c, matrix.c and their tests. */
#ifndef OCT_COLLECTION_QUERY_INTERNAL_H
#define OCT_COLLECTION_QUERY_INTERNAL_H

#include "collection/exact.h"
#include "collection/formula.h"
#include "collection/query.h"

/* One level, checked and resolved. */
typedef struct level {
    const oct_query *query;
    struct level    *prefetches;
    size_t           prefetch_count;
    size_t           limit;
    const filter    *wanted; /* this level's filter and those above it; NULL: every point */
    bool             has_scorer;
    scorer           scorer; /* queries by vectors; of recommend by the average, SCORER_NEAREST */
    sparse_vector    sparse_target; /* of nearest by a sparse vector: what mmr compares with, not weighed by idf */
    uint32_t         number; /* of the vector searched */
    size_t           ef;
    bool             quantized; /* as configured: search parameters about codes count */
    const formula   *formula;
} level;

typedef struct query_plan {
    oct_collection *collection;
    arena          *memory;
    level           top;
    oct_id         *excluded; /* ids of this collection that were used anywhere */
    size_t          excluded_count, excluded_capacity;
    const oct_order_value **orders; /* made when the top level orders by a field: set by its run, one for each hit */
} query_plan;

/* `prefetch_factor`: limits of prefetches are multiplied by it. */
oct_status query_plan_make(oct_collection *self, const oct_query *query, size_t prefetch_factor,
                           arena *memory, query_plan *out, oct_error *error);
oct_status query_plan_exclude(query_plan *self, const oct_id *id, oct_error *error);

/* What a level finds: its `limit` best, after `skip` better ones, those included. Pinned. */
oct_status query_run(const query_plan *plan, const level *what, size_t limit, size_t skip, hit_list *out,
                     oct_error *error);
/* Scores and versions of points by id and at random say nothing. */
bool query_is_scored(oct_query_kind kind);
/* Would a longer list begin with the shorter one? Not of what is random or picked one by one. */
bool query_can_grow(const oct_query *query);

/* Records of a list, from place `skip` on. `orders`: of each hit, or NULL. Pinned. */
oct_status query_records(oct_collection *self, oct_query_kind kind, const hit_list *hits, const oct_order_value *orders,
                         size_t skip, const oct_select *select, oct_records **out, oct_error *error);

/* Up to `limit` live points of the scope that have vector `number` (POINT_NONE: any point), at random, in random
 * order. */
oct_status sample_points(oct_collection *self, const hit_scope *scope, uint32_t number, size_t limit,
                         arena *memory, hit_list *out, oct_error *error);

#endif
