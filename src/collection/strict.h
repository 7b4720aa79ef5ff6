/* strict.h - strict mode: what a collection lets requests ask for.
 *
 * OWNS     the checks of oct_strict_config, with Qdrant's texts, and the two rate limiters of a collection. They concern
 *          requests as octant.h has them, whichever door they came through.
 * WHEN     Called by engine.c before anything is done; a write's checks stand before its record. None costs anything while
 *          strict mode is off but a look at the configuration.
 * RATES    Token buckets: as many tokens as the limit, which come back evenly within a minute. A read costs a token for each
 *          level of each query, a write one for each point.
 * ERRORS   OCT_BAD_REQUEST, "... Help: ..."; OCT_BUSY of the rate limiters, with "Retry after Ns".
 * THREADS  Any. Buckets are behind a lock of their own, held for a few instructions.
 */
#ifndef OCT_COLLECTION_STRICT_H
#define OCT_COLLECTION_STRICT_H

#include "collection/collection.h"

oct_status strict_check_queries(oct_collection *self, const oct_query_request *requests, size_t count, bool is_batch,
                                oct_error *error);
oct_status strict_check_groups(oct_collection *self, const oct_group_request *request, oct_error *error);
oct_status strict_check_search(oct_collection *self, const oct_search_request *request, oct_error *error);
/* Any other read. `limit` 0: it has none. */
oct_status strict_check_read(oct_collection *self, const oct_filter *filter, size_t limit, oct_error *error);

typedef enum strict_write { STRICT_UPSERT, STRICT_UPDATE, STRICT_DELETE } strict_write;

/* A write of `count` points by ids, and of those that match `filter` (NULL: none). `points` NULL: it has no vectors. */
oct_status strict_check_write(oct_collection *self, strict_write kind, const oct_point *points, size_t count,
                              const oct_filter *filter, oct_error *error);

/* May there be an index of this field, too? */
oct_status strict_check_index(oct_collection *self, oct_slice field, oct_error *error);

#endif
