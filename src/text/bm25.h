/* bm25.h - the sparse vector of a text: what Qdrant's built-in model `qdrant/bm25` gives.
 *
 * WEIGHT   Of a token that a document has n times among its `len` tokens: n (k + 1) / (n + k (1 - b + b len / avg_len)), in
 *          64-bit floats in this order of operations, then rounded to 32 bits. Of a query: 1 for each token it has.
 *          The other half of BM25, how rare a token is, comes from the collection when it is searched (modifier "idf").
 * INDEX    |murmur3(token)| of 32 bits, seed 0. Should two tokens of a text have one index, the one that first
 *          stands later counts, as in fastembed.
 * EQUAL    For plain words the vectors are fastembed's, bit by bit: tests/conformance/test_bm25.py.
 */
#ifndef OCT_TEXT_BM25_H
#define OCT_TEXT_BM25_H

#include "base/base.h"

/* `config` NULL: the defaults. *out is one allocation, to be released with oct_free. Errors: OCT_INVALID ("Invalid BM25
 * config: ..."), OCT_NOMEM. */
oct_status bm25_encode(const oct_bm25_config *config, oct_slice text, bool is_query, oct_sparse **out, oct_error *error);

/* The index of a token. */
uint32_t bm25_token_id(oct_slice token);

#endif
