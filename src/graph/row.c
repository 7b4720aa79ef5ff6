/* How a vector lies in its row: as floats, or as what its type is rounded to.
 *
 *     float32             dim floats, padded with zeroes to whole cache lines
 *     float16             dim halves, of what is compared: for cosine, the normalised vector
 *     uint8               dim bytes
 *     uint8, cosine       dim bytes, padded to a multiple of 4, and a float: one over the length. What is compared is each
 *                         byte times that, rounded to float, which is what normalising it once would give
 *
 * Narrow rows are padded to ROW_ALIGN bytes and no further: the kernels need no alignment (kernel/kernel_narrow.h), and a
 * cache line would cost short vectors of bytes as much as they save.
 * SAME BITS   What a row is compared as is a function of the vector that was given and of its type, and the same as when all
 *             types lay in floats, as they do in older files: graph_row_of_old turns their rows into these.
 */
#include "graph/graph_internal.h"

#include <math.h>

#define ROW_ALIGN 16u

static uint32_t
round_up(uint32_t value, uint32_t to)
{
    return (value + to - 1) / to * to;
}

void
graph_init_rows(graph *self)
{
    const graph_params *params = &self->params;
    const bool          cosine = params->distance == OCT_COSINE;
    const uint32_t      dim = params->dim;

    self->dim_padded = round_up(dim, GRAPH_LINE_FLOATS);
    self->is_narrow = params->datatype != OCT_FLOAT32;
    if (!self->is_narrow) {
        self->row_bytes = dim * (uint32_t)sizeof(float);
        self->row_stride = self->dim_padded * (uint32_t)sizeof(float);
        return;
    }
    self->narrow = params->datatype == OCT_FLOAT16 ? KERNEL_F16 : cosine ? KERNEL_SCALED : KERNEL_U8;
    self->row_bytes = self->narrow == KERNEL_F16  ? 2 * dim
                      : self->narrow == KERNEL_U8 ? dim
                                                  : (uint32_t)(kernel_scale_at(dim) + sizeof(float));
    self->row_stride = round_up(self->row_bytes, ROW_ALIGN);
    switch (params->distance) {
    case OCT_COSINE:
    case OCT_DOT:
        self->narrow_many = self->kernel->dot_narrow[self->narrow];
        break;
    case OCT_EUCLID:
        self->narrow_many = self->kernel->l2sq_narrow[self->narrow];
        break;
    case OCT_MANHATTAN:
        self->narrow_many = self->kernel->l1_narrow[self->narrow];
        break;
    }
}

bool
graph_row_kind(const graph *self, kernel_narrow *kind)
{
    *kind = self->narrow;
    return self->is_narrow;
}

uint32_t
graph_row_bytes(const graph *self)
{
    return self->row_bytes;
}

uint32_t
graph_scratch_floats(const graph *self)
{
    return self->is_narrow ? self->params.dim + self->row_bytes / (uint32_t)sizeof(float) + 1 : self->params.dim;
}

/* --- from a vector to a row ------------------------------------------------------------------------------ */

void
graph_prepare_as(oct_distance distance, oct_datatype datatype, const float *vector, float *out, size_t dim)
{
    if (datatype == OCT_UINT8) {
        kernel_round_u8(vector, out, dim);
        vector = out;
    }
    if (distance == OCT_COSINE)
        kernel_normalize(vector, out, dim);
    else if (out != vector)
        memcpy(out, vector, dim * sizeof(float));
    if (datatype == OCT_FLOAT16)
        kernel_round_f16(out, out, dim);
}

void
graph_prepare(const graph *self, const float *vector, float *out)
{
    graph_prepare_as(self->params.distance, self->params.datatype, vector, out, self->params.dim);
}

/* Of whole numbers from 0 to 255, in floats. */
static void
make_byte_row(const graph *self, const float *rounded, void *row)
{
    const uint32_t dim = self->params.dim;
    float          scale;

    kernel_pack_u8(rounded, row, dim);
    if (self->narrow != KERNEL_SCALED)
        return;
    scale = kernel_normal_scale(rounded, dim);
    memset((char *)row + dim, 0, kernel_scale_at(dim) - dim);
    memcpy((char *)row + kernel_scale_at(dim), &scale, sizeof scale);
}

const void *
graph_make_row(const graph *self, const float *vector, float *scratch)
{
    const uint32_t dim = self->params.dim;
    void          *row = scratch + dim;

    if (self->params.datatype == OCT_UINT8) {
        kernel_round_u8(vector, scratch, dim);
        make_byte_row(self, scratch, row);
        return row;
    }
    graph_prepare(self, vector, scratch);
    if (!self->is_narrow)
        return scratch;
    kernel_pack_f16(scratch, row, dim);
    return row;
}

/* --- packed vectors: what the log keeps of those that are narrow ---------------------------------------- */

uint32_t
graph_packed_bytes(const graph *self)
{
    return self->params.datatype == OCT_FLOAT16 ? 2 * self->params.dim : self->params.dim;
}

void
graph_pack(const graph *self, const float *vector, float *scratch, void *out)
{
    OCT_MUST(self->is_narrow);
    memcpy(out, graph_make_row(self, vector, scratch), graph_packed_bytes(self));
}

const void *
graph_make_row_of_packed(const graph *self, const void *packed, float *scratch)
{
    void *row = scratch + self->params.dim;

    if (self->params.datatype == OCT_FLOAT16)
        return packed;
    kernel_widen_u8(packed, scratch, self->params.dim);
    make_byte_row(self, scratch, row);
    return row;
}

/* --- rows of floats, as older files have them all ------------------------------------------------------------ */

uint32_t
graph_old_row_floats(const graph *self)
{
    return self->params.dim + (self->is_narrow && self->narrow == KERNEL_SCALED);
}

uint32_t
graph_old_stride(const graph *self)
{
    return round_up(graph_old_row_floats(self), GRAPH_LINE_FLOATS) * (uint32_t)sizeof(float);
}

const void *
graph_row_of_old(const graph *self, const void *old, float *scratch)
{
    const uint32_t dim = self->params.dim;
    void          *row = scratch + dim;
    float          length;

    memcpy(scratch, old, dim * sizeof *scratch);
    if (!self->is_narrow)
        return scratch;
    if (self->narrow == KERNEL_F16) {
        kernel_round_f16(scratch, scratch, dim); /* they are halves; damage must not become another number's bits */
        kernel_pack_f16(scratch, row, dim);
        return row;
    }
    if (self->narrow == KERNEL_SCALED) {
        memcpy(&length, (const char *)old + dim * sizeof *scratch, sizeof length);
        /* Whole numbers below 256, divided by their length and multiplied again, err by far less than a half. */
        for (uint32_t i = 0; i < dim; i++)
            scratch[i] = rintf(scratch[i] * length);
    }
    kernel_round_u8(scratch, scratch, dim);
    make_byte_row(self, scratch, row);
    return row;
}

/* --- from a row to floats --------------------------------------------------------------------------------- */

void
graph_compared(const graph *self, uint32_t row, float *out)
{
    if (self->is_narrow)
        kernel_widen(self->narrow, graph_row_vector(self, row), out, self->params.dim);
    else
        memcpy(out, graph_row_vector(self, row), self->params.dim * sizeof *out);
}

void
graph_read(const graph *self, uint32_t row, float *out)
{
    if (self->is_narrow && self->narrow == KERNEL_SCALED)
        kernel_widen_u8(graph_row_vector(self, row), out, self->params.dim);
    else
        graph_compared(self, row, out);
}

void
graph_set_query_row(const graph *self, graph_scratch *scratch, uint32_t row)
{
    if (!self->is_narrow) {
        graph_set_query(self, scratch, graph_row_vector(self, row));
        return;
    }
    graph_compared(self, row, scratch->query);
    memset(scratch->query + self->params.dim, 0, (self->dim_padded - self->params.dim) * sizeof(float));
    if (self->coded)
        codes_query_vector(&self->codec, scratch->query, scratch->rotation, &scratch->code_query);
}
