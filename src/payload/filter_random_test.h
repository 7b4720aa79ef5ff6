/* filter_random_test.h - random documents and filters, for tests. */
#ifndef OCT_PAYLOAD_FILTER_RANDOM_TEST_H
#define OCT_PAYLOAD_FILTER_RANDOM_TEST_H

#include "base/arena.h"
#include "support/test.h"

#define RANDOM_VECTOR_NAMES 3u /* "v0", "v1", and "none", which no point has */

/* Append a JSON object. */
void random_document(test_rng *rng, unsigned depth, buffer *out);
/* A path into such documents. */
oct_slice random_payload_path(test_rng *rng, arena *memory);
/* Ids are 0 to 3, numbers and UUIDs. */
const oct_filter *random_filter(test_rng *rng, unsigned depth, arena *memory);

#endif
