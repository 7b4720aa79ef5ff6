/* decode.h - JSON of requests into the typed requests of octant.h.
 *
 * Each function takes the path of its value for errors and puts what it makes into the arena. Text and
 * floats that can be used where they lie in the document are.
 */
#ifndef OCT_API_DECODE_H
#define OCT_API_DECODE_H

#include "api/api.h"

/* --- decode_common.c ------------------------------------------------------------------------ */

/* A number, or a UUID as text: hyphenated, 32 hex digits, `urn:uuid:` or braces round the hyphenated form. */
oct_status decode_id(const json_path *at, yyjson_val *value, oct_id *out, oct_error *error);
oct_status decode_ids(const json_path *at, yyjson_val *value, arena *memory, const oct_id **ids,
                      size_t *count, oct_error *error);
/* As in a path: digits first, then UUID. */
bool id_from_text(oct_slice text, oct_id *out);

oct_status decode_texts(const json_path *at, yyjson_val *value, arena *memory, const oct_slice **texts,
                        size_t *count, oct_error *error);

/* `shard_key`: a key, a list of keys, or {target, fallback} (*fallback: two keys, the second if there is no first). */
oct_status decode_shard_keys(const json_path *up, yyjson_val *value, arena *memory, const oct_shard_key **keys,
                             size_t *count, bool *fallback, oct_error *error);
/* The same as a condition of the request's filter. */
oct_status filter_of_shard(const oct_shard_key *key, arena *memory, const oct_filter **filter, oct_error *error);
oct_status decode_shard_filter(const json_path *up, yyjson_val *value, arena *memory, const oct_filter **filter,
                               oct_error *error);

/* What is shown of a point. An empty list of payload keys or vector names asks for an empty object,
 * which oct_select cannot say: there a count of 0 means all. So the encoder writes it. */
typedef struct api_select {
    oct_select select;
    bool       payload_is_empty;
    bool       vector_is_empty;
} api_select;

oct_status decode_select(const json_path *at, yyjson_val *with_payload, yyjson_val *with_vector,
                         bool payload_default, arena *memory, api_select *out, oct_error *error);

/* --- decode_filter.c ------------------------------------------------------------------------ */

/* A filter; *out NULL: none was given. */
oct_status decode_filter(const json_path *at, yyjson_val *value, arena *memory, const oct_filter **out,
                         oct_error *error);
/* One condition, as filters and formulas have them. */
oct_status decode_condition(const json_path *at, yyjson_val *object, arena *memory, oct_condition *out,
                            oct_error *error);
/* `{"lon": x, "lat": y}`, on the earth. */
oct_status decode_geo_point(const json_path *at, yyjson_val *object, oct_geo_point *out, oct_error *error);

/* --- decode_points.c ------------------------------------------------------------------------ */

/* An array of numbers. `empty` NULL: may be empty; else what to say of an empty one. */
oct_status decode_floats(const json_path *at, yyjson_val *array, arena *memory, const float **values,
                         size_t *count, oct_error *error);
/* A value under a name: numbers, {indices, values}, rows of numbers. Its name is left alone. */
oct_status decode_vector(const json_path *at, yyjson_val *value, arena *memory, oct_vector *out,
                         oct_error *error);

/* The same in a query, where a document counts as one. */
oct_status decode_query_vector(const json_path *at, yyjson_val *value, arena *memory, oct_vector *out,
                               oct_error *error);

/* --- inference.c ---------------------------------------------------------------------------- */

/* {text, model}, {image, model}, {object, model}: what a model has to embed. */
bool       is_inference(yyjson_val *object);
oct_status decode_inference(const json_path *at, yyjson_val *object, bool is_query, arena *memory, oct_vector *out,
                            oct_error *error);
/* The vector that a model makes of a text (data NULL: of an input that is none). Errors: OCT_INTERNAL (a model that is not
 * built in), OCT_INVALID. */
oct_status infer_vector(oct_slice model, oct_slice text, const oct_bm25_config *config, bool is_query, arena *memory,
                        oct_vector *out, oct_error *error);

/* --- decode_points.c, again ------------------------------------------------------------------ */

typedef enum api_write_kind {
    API_UPSERT,
    API_DELETE,
    API_UPDATE_VECTORS,
    API_DELETE_VECTORS,
    API_SET_PAYLOAD,
    API_OVERWRITE_PAYLOAD,
    API_DELETE_PAYLOAD,
    API_CLEAR_PAYLOAD
} api_write_kind;

/* The arguments of one writing call of octant.h; `kind` tells which, and which members count. */
typedef struct api_write {
    api_write_kind     kind;
    const oct_point   *points;
    size_t             point_count;
    const oct_id      *ids;
    size_t             id_count;
    const oct_slice   *names;
    size_t             name_count;
    oct_payload_change change;
    const oct_filter  *filter; /* of points: the targets', or the update filter */
    oct_update_mode    mode;
    const oct_shard_key *shard_keys;
    size_t               shard_key_count;
    bool                 shard_fallback;
} api_write;

/* The body of one write, of which `kind` is known. */
oct_status decode_write(const json_path *at, api_write_kind kind, yyjson_val *body, arena *memory,
                        api_write *out, oct_error *error);
/* `{"operations": [{"upsert": {..}}, ..]}` */
oct_status decode_writes(yyjson_val *body, arena *memory, api_write **out, size_t *count, oct_error *error);

/* --- decode_query.c, decode_old.c (with decode_params.c, decode_formula.c) -------------------- */

/* A path, or {key, direction, start_from}. */
oct_status decode_order(const json_path *at, yyjson_val *value, arena *memory, oct_order_by *out, oct_error *error);

/* A request and what the encoder must know beside its select. */
typedef struct api_query {
    oct_query_request request;
    api_select        select;
} api_query;

typedef oct_status (*api_query_decoder)(const json_path *at, yyjson_val *body, arena *memory, api_query *out,
                                        oct_error *error);

/* Bodies of points/query and of the old search, recommend and discover, or elements of their batches. */
oct_status decode_query(const json_path *at, yyjson_val *body, arena *memory, api_query *out,
                        oct_error *error);
oct_status decode_old_search(const json_path *at, yyjson_val *body, arena *memory, api_query *out,
                             oct_error *error);
oct_status decode_old_recommend(const json_path *at, yyjson_val *body, arena *memory, api_query *out,
                                oct_error *error);
oct_status decode_old_discover(const json_path *at, yyjson_val *body, arena *memory, api_query *out,
                               oct_error *error);
/* `{"searches": [..]}` */
oct_status decode_searches(yyjson_val *body, api_query_decoder decode, arena *memory, api_query **out,
                           size_t *count, oct_error *error);

typedef struct api_group_query {
    oct_group_request request;
    api_select        select, lookup_select;
} api_group_query;

typedef oct_status (*api_group_decoder)(const json_path *at, yyjson_val *body, arena *memory,
                                        api_group_query *out, oct_error *error);

oct_status decode_query_groups(const json_path *at, yyjson_val *body, arena *memory, api_group_query *out,
                               oct_error *error);
oct_status decode_old_search_groups(const json_path *at, yyjson_val *body, arena *memory,
                                    api_group_query *out, oct_error *error);
oct_status decode_old_recommend_groups(const json_path *at, yyjson_val *body, arena *memory,
                                       api_group_query *out, oct_error *error);

/* The body of both matrix routes. */
oct_status decode_matrix(yyjson_val *body, arena *memory, oct_matrix_request *out, oct_error *error);

#endif /* OCT_API_DECODE_H */
