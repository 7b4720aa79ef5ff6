/* lists_internal.h - what lists.c and lists_file.c share. */
#ifndef OCT_SPARSE_LISTS_INTERNAL_H
#define OCT_SPARSE_LISTS_INTERNAL_H

#include "sparse/lists.h"

static inline lists_parts *
lists_parts_of(const lists *self)
{
    return atomic_load(&self->parts);
}

/* Parts with room for so many runs; and with new memory to grow in. *out is NULL on failure. */
oct_status lists_new_parts(size_t run_count, lists_parts **out, oct_error *error);
oct_status lists_new_growing(size_t run_count, lists_parts **out, oct_error *error);
/* Let a run be in a struct. */
void lists_add_run(lists_parts *to, sparse_run *run);
/* Let `next` be the parts. What it does not take over of the present ones goes when no reader has it. */
void lists_replace_parts(lists *self, lists_parts *next);
/* All lists of a run. OCT_CORRUPT. */
oct_status sparse_run_verify(sparse_run *self, oct_error *error);

#endif
