/* shard_keys.h - custom sharding on one node: points that belong to a key.
 *
 * IDEA     A collection has one shard; what a shard key divides is its ids. The number of a point's key stands in the
 *          fourth word of its id (oct_id.reserved), so that (key, id) is who a point is: the map, the order, the log and
 *          the columns carry it without knowing. Two keys may have points of one id, as in Qdrant.
 * READS    ask for keys by a condition of their filter (OCT_CONDITION_SHARD_KEY). An id without a key means all its
 *          points: shard_keys_next goes through them.
 * WRITES   name their keys (oct_write_options); each is one write. That the key still exists is asked again under
 *          the shard's write lock, so no write comes behind the deletion of its key.
 * SHOWN    Records have the key, and ids without it. What belongs to a key that is gone is not shown.
 */
#ifndef OCT_COLLECTION_SHARD_KEYS_H
#define OCT_COLLECTION_SHARD_KEYS_H

#include "collection/collection.h"

static inline bool
box_has_shard_keys(const config_box *box)
{
    return box->config.sharding_method == 1;
}

/* The next live point of an id, or POINT_NONE. `*at` begins with 0. `key_count` 0: of all keys. Pinned. */
uint32_t shard_keys_next(const oct_collection *self, const config_box *box, const oct_id *id,
                         const oct_shard_key *keys, size_t key_count, size_t *at);

/* The keys that a filter asks for: of the condition among its `must`, if it has one. */
void shard_keys_of_filter(const oct_filter *filter, const oct_shard_key **keys, size_t *count);

/* The numbers that a write's points get, one write for each; { 0 } without custom sharding. OCT_INVALID: a key is
 * unknown, needed, or out of place. */
oct_status shard_keys_of_write(const oct_collection *self, const oct_write_options *options, arena *memory,
                               uint32_t **numbers, size_t *count, oct_error *error);

/* Delete every point of a key. */
oct_status shard_keys_delete_points(oct_collection *self, uint32_t number, oct_error *error);

#endif
