/* write_internal.h - what the two ways of writing share: write.c (one operation) and mixed.c (several as one). */
#ifndef OCT_COLLECTION_WRITE_INTERNAL_H
#define OCT_COLLECTION_WRITE_INTERNAL_H

#include "collection/collection.h"

/* Check the vectors of points and put them into columns, of which there is room for all names. Pinned. */
oct_status write_columns(const config_box *box, const oct_point *points, size_t count, arena *memory, batch_column *columns,
                         size_t *column_count, oct_error *error);
/* Compact documents, checked; they lie in `text`. */
oct_status write_documents(const oct_slice *given, size_t stride, size_t count, arena *memory, buffer *text, oct_slice **out,
                           oct_error *error);
/* Hand the batch to the shard and wait if so asked. `number` is that of the shard key all its points have, or 0. */
oct_status write_run(oct_collection *self, batch *write, uint32_t number, shard_resolve resolve, void *context,
                     const oct_write_options *options, oct_write_result *result, oct_error *error);

#endif
