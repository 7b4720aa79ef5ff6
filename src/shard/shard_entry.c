/* A shard's image - what a checkpoint says of it - and its entry in the manifest, a JSON object: docs/format/manifest.md. */
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "shard/shard_internal.h"

void
shard_image_free(shard_image *image)
{
    if (image == NULL)
        return;
    oct_free(image->numbers);
    oct_free(image->graphs);
    oct_free(image->sparses);
    oct_free(image->is_sparse);
    oct_free(image->runs);
    oct_free(image->columns);
    oct_free(image);
}

oct_status
shard_image_new(size_t vector_count, size_t column_max, shard_image **out, oct_error *error)
{
    shard_image *image = oct_calloc(1, sizeof *image);

    *out = NULL;
    if (image == NULL)
        return oct_fail_memory(error, sizeof *image);
    image->vector_count = vector_count;
    image->numbers = oct_calloc(vector_count + 1, sizeof *image->numbers);
    image->graphs = oct_calloc(vector_count + 1, sizeof *image->graphs);
    image->sparses = oct_calloc(vector_count + 1, sizeof *image->sparses);
    image->is_sparse = oct_calloc(vector_count + 1, sizeof *image->is_sparse);
    image->columns = oct_calloc(column_max + 1, sizeof *image->columns);
    image->column_max = column_max;
    if (image->numbers == NULL || image->graphs == NULL || image->sparses == NULL || image->is_sparse == NULL ||
        image->columns == NULL) {
        shard_image_free(image);
        return oct_fail_memory(error, column_max * sizeof *image->columns);
    }
    *out = image;
    return OCT_OK;
}

oct_status
shard_image_make_room(shard_image *image, size_t run_count, oct_error *error)
{
    const size_t  column_max = image->column_max + 3 * run_count;
    column_state *columns = oct_realloc(image->columns, (column_max + 1) * sizeof *columns);

    if (columns == NULL)
        return oct_fail_memory(error, column_max * sizeof *columns);
    image->columns = columns;
    image->column_max = column_max;
    oct_free(image->runs);
    image->run_count = 0;
    image->runs = oct_calloc(run_count + 1, sizeof *image->runs);
    return image->runs == NULL ? oct_fail_memory(error, run_count * sizeof *image->runs) : OCT_OK;
}

/* --- the entry in the manifest ------------------------------------------------------------------------------ */

static void
write_graph(buffer *out, uint32_t number, const graph_state *state)
{
    buffer_format(out,
                  "{\"number\":%" PRIu32 ",\"m\":%" PRIu32 ",\"ef_construct\":%" PRIu32 ",\"start\":%" PRIu32
                  ",\"rows\":%" PRIu32 ",\"live\":%" PRIu32 ",\"points\":%" PRIu32 ",\"graph\":%" PRIu32
                  ",\"entry_level\":%" PRIu32 ",\"entry_node\":%" PRIu32 ",\"spread\":%" PRIu32 "%s,\"levels\":[",
                  number, state->m, state->ef_construct, state->start_rows, state->row_count,
                  state->live_count, state->point_count, state->graph_count, state->entry_level,
                  state->entry_node, state->spread, state->fine ? ",\"fine\":true" : "");
    for (uint32_t level = 1; level < GRAPH_LEVELS_MAX; level++)
        buffer_format(out, level == 1 ? "%" PRIu32 : ",%" PRIu32, state->level_counts[level]);
    buffer_add_text(out, "]}");
}

oct_status
shard_image_write(shard *self, const shard_image *image, buffer *out, oct_error *error)
{
    if (self->damage != NULL) {
        buffer_add_text(out, self->damaged_entry);
        return out->failed ? oct_fail_memory(error, out->size) : OCT_OK;
    }
    if (image == NULL)
        image = self->saved;
    if (image == NULL) {
        buffer_add_text(out, "{\"sequence\":0}");
        return out->failed ? oct_fail_memory(error, out->size) : OCT_OK;
    }
    buffer_format(out, "{\"sequence\":%" PRIu64, image->sequence);
    if (!image->in_log) {
        buffer_format(out,
                      ",\"operation\":%" PRIu64 ",\"points\":%" PRIu32 ",\"live\":%" PRIu32
                      ",\"units\":%" PRIu32 ",\"live_bytes\":%" PRIu64 ",\"map\":%" PRIu64
                      ",\"ascending\":%s,\"vectors\":[",
                      image->operation, image->point_count, image->live_count, image->unit_count,
                      image->live_bytes, image->map_capacity, image->ascending ? "true" : "false");
        for (size_t v = 0; v < image->vector_count; v++) {
            if (v > 0)
                buffer_add_byte(out, ',');
            if (image->is_sparse[v])
                vector_sparse_write_state(image, v, out);
            else
                write_graph(out, image->numbers[v], &image->graphs[v]);
        }
        buffer_add_text(out, "],\"columns\":[");
        for (size_t i = 0; i < image->column_count; i++) {
            const column_state *column = &image->columns[i];

            buffer_format(out,
                          "%s{\"name\":\"%s\",\"generation\":%" PRIu32 ",\"sums\":%" PRIu32
                          ",\"crc\":%" PRIu32 ",\"stride\":%" PRIu32 ",\"rows\":%" PRIu64 "}",
                          i > 0 ? "," : "", column->name, column->generation, column->sums_generation,
                          column->sums_crc, column->stride, column->row_count);
        }
        buffer_add_byte(out, ']');
    }
    buffer_add_byte(out, '}');
    return out->failed ? oct_fail_memory(error, out->size) : OCT_OK;
}

/* Numbers of a manifest entry. A missing or wrong one sets *wrong, which is asked once at the end. */
static uint64_t
number_of(yyjson_val *object, const char *key, bool *wrong)
{
    yyjson_val *value = yyjson_obj_get(object, key);

    if (!yyjson_is_uint(value)) {
        *wrong = true;
        return 0;
    }
    return yyjson_get_uint(value);
}

static uint32_t
number32_of(yyjson_val *object, const char *key, bool *wrong)
{
    const uint64_t value = number_of(object, key, wrong);

    if (value > UINT32_MAX)
        *wrong = true;
    return (uint32_t)value;
}

static void
read_graph(yyjson_val *entry, uint32_t *number, graph_state *out, bool *wrong)
{
    yyjson_val *levels = yyjson_obj_get(entry, "levels");

    *number = number32_of(entry, "number", wrong);
    out->m = number32_of(entry, "m", wrong);
    out->ef_construct = number32_of(entry, "ef_construct", wrong);
    out->start_rows = number32_of(entry, "start", wrong);
    if (out->m > OCT_M_MAX)
        *wrong = true;
    out->row_count = number32_of(entry, "rows", wrong);
    out->live_count = number32_of(entry, "live", wrong);
    out->point_count = number32_of(entry, "points", wrong);
    out->graph_count = number32_of(entry, "graph", wrong);
    out->entry_level = number32_of(entry, "entry_level", wrong);
    out->entry_node = number32_of(entry, "entry_node", wrong);
    /* Newer than the rest: without it walks are only slower, until the graph has grown a little. */
    out->spread = yyjson_obj_get(entry, "spread") == NULL ? 0 : number32_of(entry, "spread", wrong);
    out->fine = yyjson_is_true(yyjson_obj_get(entry, "fine")); /* newer, too */
    if (yyjson_arr_size(levels) != GRAPH_LEVELS_MAX - 1)
        *wrong = true;
    for (uint32_t level = 1; level < GRAPH_LEVELS_MAX; level++)
        out->level_counts[level] = (uint32_t)yyjson_get_uint(yyjson_arr_get(levels, level - 1));
}

static oct_status
read_runs(yyjson_val *entry, shard_image *image, uint32_t number, bool *wrong, oct_error *error)
{
    yyjson_val *given = yyjson_obj_get(entry, "lists"), *item;
    shard_run  *runs;
    size_t      index, max;

    if (yyjson_arr_size(given) == 0)
        return OCT_OK;
    runs = oct_realloc(image->runs, (image->run_count + yyjson_arr_size(given)) * sizeof *runs);
    if (runs == NULL)
        return oct_fail_memory(error, yyjson_arr_size(given) * sizeof *runs);
    image->runs = runs;
    yyjson_arr_foreach(given, index, max, item)
    {
        sparse_run_state *state = &runs[image->run_count].state;

        runs[image->run_count++].number = number;
        state->id = number32_of(item, "id", wrong);
        state->first_row = number32_of(item, "first", wrong);
        state->end_row = number32_of(item, "end", wrong);
        state->term_count = number32_of(item, "terms", wrong);
        state->posting_count = number32_of(item, "postings", wrong);
    }
    return OCT_OK;
}

/* An entry of either kind. */
static oct_status
read_vector(yyjson_val *entry, shard_image *image, size_t v, bool *wrong, oct_error *error)
{
    sparse_state *out = &image->sparses[v];

    image->is_sparse[v] = yyjson_is_true(yyjson_obj_get(entry, "sparse"));
    if (!image->is_sparse[v]) {
        read_graph(entry, &image->numbers[v], &image->graphs[v], wrong);
        return OCT_OK;
    }
    image->numbers[v] = number32_of(entry, "number", wrong);
    out->row_count = number32_of(entry, "rows", wrong);
    out->live_count = number32_of(entry, "live", wrong);
    out->point_count = number32_of(entry, "points", wrong);
    out->unit_count = number32_of(entry, "units", wrong);
    out->live_bytes = number_of(entry, "live_bytes", wrong);
    return read_runs(entry, image, image->numbers[v], wrong, error);
}

static void
read_column(yyjson_val *entry, column_state *out, bool *wrong)
{
    yyjson_val *name = yyjson_obj_get(entry, "name");

    if (!yyjson_is_str(name) || yyjson_get_len(name) >= sizeof out->name)
        *wrong = true;
    else
        memcpy(out->name, yyjson_get_str(name), yyjson_get_len(name));
    out->generation = number32_of(entry, "generation", wrong);
    out->sums_generation = number32_of(entry, "sums", wrong);
    out->sums_crc = number32_of(entry, "crc", wrong);
    out->stride = number32_of(entry, "stride", wrong);
    out->row_count = number_of(entry, "rows", wrong);
}

oct_status
shard_image_read(oct_slice json, shard_image **out, oct_error *error)
{
    json_document document;
    oct_status    status = json_parse(json, &document, error);
    shard_image  *image = NULL;
    yyjson_val   *vectors, *columns, *item;
    size_t        index, max;
    bool          wrong = false;

    *out = NULL;
    if (status != OCT_OK) {
        json_document_clear(&document);
        return status == OCT_NOMEM
                   ? status
                   : oct_fail(error, OCT_CORRUPT, "the manifest's entry of a shard is not JSON");
    }
    vectors = yyjson_obj_get(document.root, "vectors");
    columns = yyjson_obj_get(document.root, "columns");
    status = shard_image_new(yyjson_arr_size(vectors), yyjson_arr_size(columns), &image, error);
    if (status != OCT_OK)
        goto out;
    image->sequence = number_of(document.root, "sequence", &wrong);
    image->in_log = columns == NULL;
    if (!image->in_log) {
        image->operation = number_of(document.root, "operation", &wrong);
        image->point_count = number32_of(document.root, "points", &wrong);
        image->live_count = number32_of(document.root, "live", &wrong);
        image->unit_count = number32_of(document.root, "units", &wrong);
        image->live_bytes = number_of(document.root, "live_bytes", &wrong);
        image->map_capacity = number_of(document.root, "map", &wrong);
        image->ascending = yyjson_is_true(yyjson_obj_get(document.root, "ascending"));
        yyjson_arr_foreach(vectors, index, max, item)
        {
            if (status == OCT_OK)
                status = read_vector(item, image, index, &wrong, error);
        }
        yyjson_arr_foreach(columns, index, max, item)
            read_column(item, &image->columns[image->column_count++], &wrong);
    }
    if (status == OCT_OK && wrong)
        status = oct_fail(error, OCT_CORRUPT,
                          "the manifest's entry of a shard lacks a number, or has one that cannot be");
    if (status == OCT_OK)
        *out = image;
out:
    if (status != OCT_OK)
        shard_image_free(image);
    json_document_clear(&document);
    return status;
}

oct_status
shard_entry_columns(oct_slice json, column_state **out, size_t *count, oct_error *error)
{
    shard_image *image;
    oct_status   status = shard_image_read(json, &image, error);

    *out = NULL;
    *count = 0;
    if (status != OCT_OK)
        return status;
    *out = image->columns;
    *count = image->column_count;
    image->columns = NULL;
    shard_image_free(image);
    return OCT_OK;
}
