/* plain.h - the collection that most tests want: one unnamed vector. */
#ifndef OCT_TEST_PLAIN_H
#define OCT_TEST_PLAIN_H

#include "support/test.h"

#include "octant.h"

/* Defaults, and one unnamed vector of `size` floats. *config points to *vector and may be changed further. */
static inline void
test_plain_config(oct_collection_config *config, oct_vector_config *vector, int64_t size,
                  oct_distance distance)
{
    oct_collection_config_init(config);
    oct_vector_config_init(vector);
    vector->size = size;
    vector->distance = distance;
    config->vectors = vector;
    config->vector_count = 1;
    config->single_vector = 1;
}

/* Created and opened. The caller closes it; NULL after a failed check. */
static inline oct_collection *
test_create(oct_database *database, const char *name, const oct_collection_config *config)
{
    const oct_slice named = {name, strlen(name)};
    oct_collection *made = NULL;
    oct_error       error = {0};

    CHECK_OK(oct_collection_create(database, named, config, &error));
    CHECK_OK(oct_collection_open(database, named, &made, &error));
    return made;
}

#endif
