/* decode_query.h - what the decoders of query routes share. For src/api/decode_*.c only.
 */
#ifndef OCT_API_DECODE_QUERY_H
#define OCT_API_DECODE_QUERY_H

#include "api/decode.h"

#define LIMIT_DEFAULT 10u

/* --- decode_params.c ------------------------------------------------------------------------ */

/* `params`: into ef, exact, indexed_only. NULL: none. */
oct_status decode_params(const json_path *up, yyjson_val *object, arena *memory, oct_query *out, oct_error *error);
oct_status decode_threshold(const json_path *up, yyjson_val *value, oct_query *out, oct_error *error);
oct_status decode_lookup_from(const json_path *up, yyjson_val *value, arena *memory, oct_query *out,
                              oct_error *error);
/* A count of at least `min`; `out` is left alone if it is not given. `name` is the member's. */
oct_status decode_count(const json_path *up, const char *name, yyjson_val *value, uint64_t min, size_t *out,
                        oct_error *error);
/* `group_by`, `group_size` and `with_lookup`. */
oct_status decode_grouping(const json_path *up, yyjson_val *group_by,
                           yyjson_val *group_size, yyjson_val *with_lookup, arena *memory,
                           api_group_query *out, oct_error *error);
oct_status decode_unit_interval(const json_path *at, yyjson_val *value, float *out, oct_error *error);

/* --- decode_query.c ------------------------------------------------------------------------- */

/* Numbers, rows of numbers, {indices, values}, or the id of a point. */
oct_status decode_example(const json_path *at, yyjson_val *value, arena *memory, oct_example *out,
                          oct_error *error);
/* A list of them; NULL: none. */
oct_status decode_examples(const json_path *at, yyjson_val *value, arena *memory, const oct_example **out,
                           size_t *count, oct_error *error);
/* `{positive, negative}`, a list of them, or NULL. */
oct_status decode_pairs(const json_path *at, yyjson_val *value, arena *memory, oct_discover *out,
                        oct_error *error);
oct_status decode_strategy(const json_path *up, yyjson_val *value, oct_recommend *out, oct_error *error);

/* --- decode_formula.c ----------------------------------------------------------------------- */

oct_status decode_formula(const json_path *at, yyjson_val *formula, yyjson_val *defaults, arena *memory,
                          oct_formula *out, oct_error *error);

#endif /* OCT_API_DECODE_QUERY_H */
