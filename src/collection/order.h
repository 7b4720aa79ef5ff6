/* order.h - points in the order of a field, and the values of a field with their counts: what only an index can do quickly, and
 * what Qdrant refuses without one. */
#ifndef OCT_COLLECTION_ORDER_H
#define OCT_COLLECTION_ORDER_H

#include "collection/exact.h"

/* OCT_INVALID, with Qdrant's text, if the field has no index for ranges; OCT_FORMAT if `start_from` is neither a number nor a
 * date. */
oct_status order_check(const oct_collection *self, const oct_order_by *order, oct_error *error);
/* The first `limit` by value, equal ones by id; a point once for each value, orders[i] of hit i. Both live in `memory`. Pinned. */
oct_status order_points(oct_collection *self, const oct_order_by *order, const hit_scope *scope, size_t limit, arena *memory,
                        hit_list *out, const oct_order_value **orders, oct_error *error);

#endif
