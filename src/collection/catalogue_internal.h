/* catalogue_internal.h - what catalogue.c shares with catalogue_recover.c. */
#ifndef OCT_CATALOGUE_INTERNAL_H
#define OCT_CATALOGUE_INTERNAL_H

#include "base/json.h"
#include "collection/collection.h"

/* Under catalogue_lock, these four. */
oct_collection *find_collection(const oct_database *self, oct_slice name, bool or_alias);
oct_status      reserve_collection(oct_database *self, oct_error *error); /* room for one more, so that adding cannot fail */
oct_status      log_change(oct_database *self, buffer *body, bool frees, uint64_t *sequence, oct_error *error);
/* `made` takes over the name and the aliases of `old` (or NULL), whose reference is the caller's then. */
void            replace_collection(oct_database *self, oct_collection *old, oct_collection *made);

oct_status fail_no_collection(oct_slice name, oct_error *error);
/* A collection of its entry in a manifest, with the shard's files. `adopted`: they come from elsewhere, see shard_adopt.
 * `may_be_damaged`: then it is made all the same, set aside (shard_quarantine). */
oct_status read_entry(oct_database *self, yyjson_val *entry, bool adopted, bool may_be_damaged, uint64_t sequence,
                      oct_collection **out, oct_error *error);

#endif
