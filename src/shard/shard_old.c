/* Files of builds that kept vectors of every type as floats, 4 bytes a component.
 *
 * Vectors of float16 and uint8 lie in 2 bytes and 1 now (graph/row.c). The manifest tells the old files by their stride, which
 * no narrow row has: a row of floats is padded to 64 bytes and is longer. They are read whole, verified, turned into narrow
 * rows in memory - nothing can be mapped - and written anew by the next checkpoint; until then they stay, so that every
 * opening finds either the one or the other.
 */
#include "shard/shard_internal.h"

static const column_state *
column_of(const shard_image *image, const char *name)
{
    for (size_t c = 0; c < image->column_count; c++) {
        if (strcmp(image->columns[c].name, name) == 0)
            return &image->columns[c];
    }
    return NULL;
}

bool
shard_has_old_rows(const shard_image *image, const char *name, const graph *vectors)
{
    const column_state *state = column_of(image, name);
    kernel_narrow       kind;

    return state != NULL && graph_row_kind(vectors, &kind) && state->stride == graph_old_stride(vectors);
}

oct_status
shard_load_old_rows(shard *self, const shard_image *image, const char *name, const graph *vectors, rows *data,
                    uint64_t count, oct_error *error)
{
    const size_t floats = graph_scratch_floats(vectors);
    float       *scratch = oct_alloc(floats * sizeof *scratch);
    rows         old;
    oct_status   status;

    rows_init(&old, graph_old_stride(vectors), 1);
    status = scratch == NULL ? oct_fail_memory(error, floats * sizeof *scratch)
                             : shard_load_column(self, image, name, &old, count, NULL, error);
    if (status == OCT_OK)
        status = rows_reserve(data, count, error);
    for (uint64_t row = 0; row < count && status == OCT_OK; row++)
        memcpy(rows_at(data, (uint32_t)row), graph_row_of_old(vectors, rows_at(&old, (uint32_t)row), scratch),
               graph_row_bytes(vectors));
    rows_clear(&old);
    oct_free(scratch);
    return status;
}
