/* catalogue_internal.h - what catalogue.c shares with catalogue_alias.c, catalogue_replay.c and catalogue_recover.c. */
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
oct_status fail_entry(const char *what, oct_error *error); /* OCT_CORRUPT: the catalogue has one that cannot be read */

oct_status refuse_read_only(const oct_database *self, oct_error *error);
/* A collection with an empty shard, in no list yet. Takes the box, also when it fails. */
oct_status collection_new(oct_database *database, oct_slice name, uint64_t shard_id, config_box *box, oct_collection **out,
                          oct_error *error);
/* Under catalogue_lock; there is room (reserve_collection). The list has the caller's reference, or gives it back. */
void add_collection(oct_database *self, oct_collection *collection);
void remove_collection(oct_database *self, oct_collection *collection); /* and its aliases */

/* What a box asks of its shard, planned; and the box put in place, which cannot fail. */
oct_status plan_box(oct_collection *self, const config_box *box, shard_vectors **out, oct_error *error);
void       set_box(oct_collection *self, config_box *box, uint64_t sequence, shard_vectors *names);
void       write_collection_fields(buffer *out, const oct_collection *collection, const config_box *box);

/* Aliases. copy_aliases leaves room for `extra` more; read_aliases puts what write_aliases wrote in the place of those there are. */
void       free_aliases(alias *aliases, size_t count);
oct_status copy_aliases(const oct_database *self, size_t extra, alias **out, size_t *count, oct_error *error);
void       write_aliases(buffer *out, const alias *aliases, size_t count);
oct_status read_aliases(oct_database *self, yyjson_val *object, oct_error *error);

#endif
