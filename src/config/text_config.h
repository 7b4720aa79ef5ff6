/* text_config.h - settings of text analysis as JSON: members of a text index's parameters and of BM25 options. */
#ifndef OCT_TEXT_CONFIG_H
#define OCT_TEXT_CONFIG_H

#include "base/json.h"
#include "config/config.h"

/* The text settings among the members of `object`: tokenizer, lowercase, ascii_folding, min_token_len, max_token_len,
 * stopwords, stemmer. Its other members are not looked at. Short names of languages become long ones; lists are sorted.
 * What is kept lives in `memory`. Errors: OCT_FORMAT, OCT_RANGE. */
oct_status text_config_decode(const json_path *at, yyjson_val *object, arena *memory, oct_text_config *out,
                              oct_error *error);
/* The same members, those that are set, each after a comma unless it is the first of its object. */
void text_config_encode(const oct_text_config *config, buffer *out);
/* The text settings of a field index, whose stop words and stemmer are JSON. What is kept lives in `memory`. */
oct_status text_config_of_field(const oct_field_index *field, arena *memory, oct_text_config *out, oct_error *error);
/* The JSON of `stopwords` and `stemmer` members (NULL: not given) as Qdrant shows it: long names, sorted lists. Empty if not
 * given. */
oct_status text_config_normalize(const json_path *at, yyjson_val *stopwords, yyjson_val *stemmer, arena *memory,
                                 oct_field_index *out, oct_error *error);
/* A copy whose texts live in `memory`. */
oct_status text_config_copy(const oct_text_config *config, arena *memory, oct_text_config *out, oct_error *error);

#endif
