/* config.h - configurations of collections: from JSON, to JSON, defaults, limits, merging, copies.
 *
 * OWNS     the one description of every field of oct_collection_config: its names in JSON, its type, its
 *          limits, its default, and how it is shown when unset. All else follows from those tables.
 * CALLED   by api/ (create, update, show), by the catalogue (log records and manifest) and by engine.c
 *          (config_check). Calls base/json.h.
 * UNSET    A field that was not given stays OCT_UNSET until config_fill_defaults, so that a later default
 *          or a PATCH can still tell it from a chosen value.
 * MEMORY   What is decoded, merged or copied lives in the arena given, strings too.
 */
#ifndef OCT_CONFIG_H
#define OCT_CONFIG_H

#include "base/json.h"

/* Keys of one metadata object: merging compares each with each. */
#define CONFIG_METADATA_KEYS_MAX 4096u

/* Body of PUT /collections/{c}. OCT_FORMAT, OCT_RANGE with the path of the field; OCT_UNSUPPORTED names
 * what Octant does not have yet. */
oct_status config_decode_create(yyjson_val *body, arena *memory, oct_collection_config *out,
                                oct_error *error);

/* Body of PUT /collections/{c}/vectors/{name}, as a configuration of that one name. */
oct_status config_decode_vector_name(oct_slice name, yyjson_val *body, arena *memory,
                                     oct_collection_config *out, oct_error *error);

/* Body of PATCH /collections/{c}: only what is to change is set. */
oct_status config_decode_update(yyjson_val *body, arena *memory, oct_collection_config *out,
                                oct_error *error);

/* The member `config` of GET /collections/{c}. Give it a configuration with defaults filled in. */
void config_encode(const oct_collection_config *config, buffer *out);
/* Its member `params`. */
void config_encode_params(const oct_collection_config *config, buffer *out);

/* Text for the log and the manifest, and back, without loss: what was not set stays unset. Keys that this
 * version does not know are ignored. Look at out->failed. */
void       config_write(const oct_collection_config *config, buffer *out);
oct_status config_read(oct_slice json, arena *memory, oct_collection_config *out, oct_error *error);

/* What an operator wants of new collections, as JSON (oct_open_options): OCT_FORMAT, OCT_RANGE with the path of the field. */
oct_status config_decode_new(oct_slice json, arena *memory, oct_collection_config *out, oct_error *error);
/* `given` with what it leaves unset taken from there. Vectors are copied into `memory` if need be. */
oct_status config_add_new(const oct_collection_config *given, const oct_collection_config *wanted, arena *memory,
                          oct_collection_config *out, oct_error *error);

/* Set what is unset and has a default. Vectors keep only what was set for them: see config_vector_hnsw. */
void config_fill_defaults(oct_collection_config *config);

/* Everything that holds of a configuration whoever made it: sizes, limits, names, duplicates.
 * OCT_RANGE or OCT_INVALID with the path of the field; OCT_UNSUPPORTED for what is not there yet. */
oct_status config_check(const oct_collection_config *config, oct_error *error);

/* base + changes, as PATCH means it. `vectors` of the changes lists only those to change: an unknown name
 * is OCT_INVALID. OCT_QUANTIZATION_DISABLED and OCT_CLEAR take settings away; null in metadata removes its
 * key. `out` may be `base`. */
oct_status config_merge(const oct_collection_config *base, const oct_collection_config *changes,
                        arena *memory, oct_collection_config *out, oct_error *error);

/* `base` with the vectors that `additions` lists. One that is there already, the same, changes nothing; another one of its
 * name is OCT_INVALID. */
oct_status config_add_vectors(const oct_collection_config *base, const oct_collection_config *additions,
                              arena *memory, oct_collection_config *out, oct_error *error);
/* `base` without the vector of that name; if there is none, all of it. OCT_INVALID: the unnamed vector of a collection that
 * has no names. */
oct_status config_remove_vector(const oct_collection_config *base, oct_slice name, arena *memory,
                                oct_collection_config *out, oct_error *error);

oct_status config_copy(const oct_collection_config *config, arena *memory, oct_collection_config *out,
                       oct_error *error);

/* What holds for one vector: its own settings over the collection's. */
oct_hnsw_config config_vector_hnsw(const oct_collection_config *config, const oct_vector_config *vector);
/* Is a quantization configured for it, and not switched off? */
bool                    config_quantizes(const oct_collection_config *config, const oct_vector_config *vector);
/* Bits a component that the engine's codes have for it: 8 where the quantization keeps as many, else 4. */
uint32_t                config_code_bits(const oct_collection_config *config, const oct_vector_config *vector);
oct_quantization_config config_vector_quantization(const oct_collection_config *config,
                                                   const oct_vector_config     *vector);

oct_datatype config_datatype(const oct_vector_config *vector);
/* Is it a sparse vector whose query weights count by how rare they are? */
bool config_is_idf(const oct_vector_config *vector);

/* NULL if there is no vector of that name. */
const oct_vector_config *config_find_vector(const oct_collection_config *config, oct_slice name);

/* --- shard keys (config_strict.c) --- */

/* A string or an unsigned number. Text is copied into `memory`. */
oct_status shard_key_decode(const json_path *at, yyjson_val *value, arena *memory, oct_shard_key *out,
                            oct_error *error);
void       shard_key_encode(const oct_shard_key *key, buffer *out);
bool       shard_key_equal(const oct_shard_key *a, const oct_shard_key *b);
/* "Shard key X not found". */
oct_status shard_key_fail_unknown(const oct_shard_key *key, oct_status status, oct_error *error);
/* NULL if there is none. */
const oct_shard_key_info *config_find_shard_key(const oct_collection_config *config, const oct_shard_key *key);
const oct_shard_key_info *config_shard_key_of(const oct_collection_config *config, uint32_t number);

/* --- field indexes (config_fields.c) --------------------------------------------------------- */

/* The member `field_schema` of PUT /collections/{c}/index: the name of a type, or an object. */
oct_status config_decode_field(const json_path *at, yyjson_val *schema, arena *memory, oct_field_index *out,
                               oct_error *error);
/* The stored form, an object with all there is to say of it. */
void       config_store_field(const oct_field_index *field, buffer *out);
/* Its entry in payload_schema. */
void       config_encode_field(const oct_field_index *field, uint64_t points, buffer *out);
oct_status config_check_field(const oct_field_index *field, oct_error *error);
bool       config_fields_equal(const oct_field_index *a, const oct_field_index *b);
/* NULL if the field has none. */
const oct_field_index *config_find_field(const oct_collection_config *config, oct_slice field);
/* The indexes of `config` with `added` (NULL: none) in place of one of the same field, without that of `removed` (data
 * NULL: of none), into `out`, which may be `config`. */
oct_status  config_change_fields(const oct_collection_config *config, const oct_field_index *added, oct_slice removed,
                                 arena *memory, oct_collection_config *out, oct_error *error);
const char *config_field_type_name(int64_t type); /* "keyword"; NULL for any other value */

/* Names of collections, aliases and vectors. OCT_RANGE begins with `what`, such as "vector name". */
oct_status config_check_name(const char *what, oct_slice name, size_t bytes_max, oct_error *error);

/* "Cosine", "Euclid", "Dot", "Manhattan"; NULL for any other value. */
const char *config_distance_name(int64_t distance);

#endif /* OCT_CONFIG_H */
