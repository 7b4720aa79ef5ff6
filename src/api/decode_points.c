/* Points, vectors and the bodies of writes. See decode.h.
 *
 * FLOATS   yyjson keeps the values of an array of numbers in consecutive 16-byte cells with their kind beside them,
 *          so a vector is one pass over cells into arena floats. JSON numbers are read as doubles and then
 *          rounded, as Qdrant does, so both store the same bits.
 */
#include "api/decode.h"

#include <math.h>
#include <stdlib.h>

/* --- vectors -------------------------------------------------------------------------------- */

static oct_status
fail_float(const json_path *at, const yyjson_val *cell, size_t index, oct_error *error)
{
    const json_path item_at = json_at_index(at, index);
    float           unused;

    if (!yyjson_is_num((yyjson_val *)(uintptr_t)cell))
        return json_fail_type(&item_at, cell, "a number", error);
    return json_get_float(&item_at, (yyjson_val *)(uintptr_t)cell, &unused, error);
}

/* `count` numbers from `cell` on. */
static oct_status
read_floats(const json_path *at, const yyjson_val *cell, size_t count, float *out, oct_error *error)
{
    for (size_t i = 0; i < count; i++, cell++) {
        const yyjson_type    type = unsafe_yyjson_get_type((void *)(uintptr_t)cell);
        const yyjson_subtype subtype = unsafe_yyjson_get_subtype((void *)(uintptr_t)cell);
        float                value;

        if (type != YYJSON_TYPE_NUM)
            return fail_float(at, cell, i, error);
        if (subtype == YYJSON_SUBTYPE_REAL)
            value = (float)cell->uni.f64;
        else if (subtype == YYJSON_SUBTYPE_UINT)
            value = (float)cell->uni.u64;
        else
            value = (float)cell->uni.i64;
        if (!isfinite(value))
            return fail_float(at, cell, i, error);
        out[i] = value;
    }
    return OCT_OK;
}

/* Floats of a protobuf message, where they lie (src/api/grpc.h). */
static const float *
raw_floats(yyjson_val *raw, size_t *count)
{
    *count = unsafe_yyjson_get_len(raw) / sizeof(float);
    return (const float *)(const void *)unsafe_yyjson_get_raw(raw);
}

/* Unlike JSON's, they may be anything that fits 32 bits. */
static oct_status
check_floats(const json_path *at, const float *values, size_t count, oct_error *error)
{
    uint32_t odd = 0;

    for (size_t i = 0; i < count; i++) { /* no branch: this runs as wide as the registers are */
        uint32_t bits;

        memcpy(&bits, &values[i], sizeof bits);
        odd |= (bits & 0x7F800000u) == 0x7F800000u;
    }
    for (size_t i = 0; odd != 0 && i < count; i++)
        if (!isfinite(values[i])) {
            const json_path item_at = json_at_index(at, i);

            return json_fail(&item_at, error, OCT_FORMAT, "%g is not a number that can be used", (double)values[i]);
        }
    return OCT_OK;
}

oct_status
decode_floats(const json_path *at, yyjson_val *array, arena *memory, const float **values, size_t *count,
              oct_error *error)
{
    const size_t size = yyjson_arr_size(array);
    float       *floats;

    if (yyjson_is_raw(array)) {
        *values = raw_floats(array, count);
        return check_floats(at, *values, *count, error);
    }
    if (!yyjson_is_arr(array))
        return json_fail_type(at, array, "an array of numbers", error);
    if (!unsafe_yyjson_arr_is_flat(array)) {
        yyjson_arr_iter iter = yyjson_arr_iter_with(array);
        yyjson_val     *item;

        for (size_t i = 0; (item = yyjson_arr_iter_next(&iter)) != NULL; i++)
            if (!yyjson_is_num(item))
                return fail_float(at, item, i, error);
    }
    floats = arena_array(memory, size_max(size, 1), sizeof *floats);
    if (floats == NULL)
        return oct_fail_memory(error, size * sizeof *floats);
    *values = floats;
    *count = size;
    return size == 0 ? OCT_OK : read_floats(at, unsafe_yyjson_get_first(array), size, floats, error);
}

static size_t
row_size(yyjson_val *row)
{
    return yyjson_is_raw(row) ? unsafe_yyjson_get_len(row) / sizeof(float) : yyjson_arr_size(row);
}

/* Qdrant checks vectors of a union, or of a map, as an item without a name. */
static json_path
any_of(const json_path *at)
{
    return at != NULL && at->range_name != NULL ? *at : json_at_range(at, (oct_slice){"", 0}, "?");
}

/* Rows of one length, none of them empty. */
static oct_status
decode_rows(const json_path *at, yyjson_val *array, arena *memory, oct_vector *out, oct_error *error)
{
    const json_path any_at = any_of(at), data_at = json_at(&any_at, "data");
    const size_t    rows = yyjson_arr_size(array), dim = row_size(yyjson_arr_get_first(array));
    yyjson_arr_iter iter = yyjson_arr_iter_with(array);
    yyjson_val     *row;
    size_t          values, i = 0;
    float          *floats;

    while ((row = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path row_at = json_at_index(at, i++);

        if (!yyjson_is_arr(row) && !yyjson_is_raw(row))
            return json_fail_type(&row_at, row, "an array of numbers", error);
        if (row_size(row) == 0)
            return json_fail(&data_at, error, OCT_RANGE, "all vectors must be non-empty");
        if (row_size(row) != dim)
            return json_fail(&data_at, error, OCT_RANGE,
                             "all vectors must have the same dimension, found vector with dimension %zu",
                             row_size(row));
        if (yyjson_is_arr(row) && !unsafe_yyjson_arr_is_flat(row))
            return json_fail(&row_at, error, OCT_FORMAT, "invalid type: sequence or map, expected a number");
    }
    if (!size_mul_ok(rows, dim, &values) || (floats = arena_array(memory, values, sizeof *floats)) == NULL)
        return oct_fail_memory(error, rows * dim * sizeof *floats);
    out->kind = OCT_MULTI;
    out->values = floats;
    out->value_count = values;
    out->row_count = rows;
    iter = yyjson_arr_iter_with(array);
    for (i = 0; (row = yyjson_arr_iter_next(&iter)) != NULL; i++) {
        const json_path row_at = json_at_index(at, i);
        oct_status      status;

        if (yyjson_is_raw(row)) {
            size_t       count;
            const float *from = raw_floats(row, &count);

            memcpy(floats + i * dim, from, dim * sizeof *floats);
            status = check_floats(&row_at, from, dim, error);
        } else {
            status = read_floats(&row_at, unsafe_yyjson_get_first(row), dim, floats + i * dim, error);
        }

        if (status != OCT_OK)
            return status;
    }
    return OCT_OK;
}

static int
compare_u32(const void *a, const void *b)
{
    const uint32_t x = get_u32(a), y = get_u32(b);

    return (x > y) - (x < y);
}

static oct_status
decode_sparse(const json_path *at, yyjson_val *indices, yyjson_val *values, arena *memory, oct_vector *out,
              oct_error *error)
{
    const json_path any_at = any_of(at), indices_at = json_at(&any_at, "indices");
    const json_path values_at = json_at(&any_at, "values");
    const size_t    count = yyjson_arr_size(indices);
    yyjson_arr_iter iter;
    yyjson_val     *item;
    uint32_t       *list, *sorted;
    oct_status      status;
    size_t          i = 0;

    if (!yyjson_is_arr(indices))
        return json_fail_type(&indices_at, indices, "an array of unsigned integers", error);
    status = decode_floats(&values_at, values, memory, &out->values, &out->value_count, error);
    if (status != OCT_OK)
        return status;
    if (out->value_count != count)
        return json_fail(&values_at, error, OCT_RANGE,
                         "Validation error: must be the same length as indices [{}]");
    list = arena_array(memory, size_max(count, 1), sizeof *list);
    sorted = arena_array(memory, size_max(count, 1), sizeof *sorted);
    if (list == NULL || sorted == NULL)
        return oct_fail_memory(error, count * sizeof *list);
    iter = yyjson_arr_iter_with(indices);
    while ((item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path item_at = json_at_index(&indices_at, i);

        if (!yyjson_is_uint(item) || yyjson_get_uint(item) > UINT32_MAX)
            return json_fail_type(&item_at, item, "an unsigned 32-bit integer", error);
        list[i++] = (uint32_t)yyjson_get_uint(item);
    }
    memcpy(sorted, list, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_u32);
    for (i = 1; i < count; i++)
        if (sorted[i] == sorted[i - 1])
            return json_fail(&indices_at, error, OCT_RANGE, "Validation error: must be unique [{}]");
    out->kind = OCT_SPARSE;
    out->indices = list;
    return OCT_OK;
}

static oct_status
decode_any_vector(const json_path *at, yyjson_val *value, bool is_query, arena *memory, oct_vector *out,
                  oct_error *error)
{
    if (yyjson_is_arr(value) || yyjson_is_raw(value)) {
        if (row_size(value) == 0)
            return json_fail(at, error, OCT_RANGE, "dense vector must not be empty");
        if (yyjson_is_arr(yyjson_arr_get_first(value)) || yyjson_is_raw(yyjson_arr_get_first(value)))
            return decode_rows(at, value, memory, out, error);
        out->kind = OCT_DENSE;
        return decode_floats(at, value, memory, &out->values, &out->value_count, error);
    }
    if (yyjson_is_obj(value)) {
        if (is_inference(value))
            return decode_inference(at, value, is_query, memory, out, error);
        if (yyjson_obj_get(value, "indices") != NULL && yyjson_obj_get(value, "values") != NULL)
            return decode_sparse(at, yyjson_obj_get(value, "indices"), yyjson_obj_get(value, "values"),
                                 memory, out, error);
    }
    return json_fail_type(at, value, "a vector: numbers, rows of numbers, or {indices, values}", error);
}

oct_status
decode_vector(const json_path *at, yyjson_val *value, arena *memory, oct_vector *out, oct_error *error)
{
    return decode_any_vector(at, value, false, memory, out, error);
}

oct_status
decode_query_vector(const json_path *at, yyjson_val *value, arena *memory, oct_vector *out, oct_error *error)
{
    return decode_any_vector(at, value, true, memory, out, error);
}

/* Names to vectors; of a repeated name the last counts. */
static oct_status
decode_named_vectors(const json_path *at, yyjson_val *object, arena *memory, const oct_vector **vectors,
                     size_t *count, oct_error *error)
{
    const size_t    size = yyjson_obj_size(object);
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    yyjson_val     *key;
    oct_vector     *list;
    size_t          used = 0;

    if (size > OCT_VECTORS_MAX)
        return json_fail(at, error, OCT_RANGE, "%zu vectors of one point, at most %u are allowed", size,
                         OCT_VECTORS_MAX);
    list = arena_array(memory, size_max(size, 1), sizeof *list);
    if (list == NULL)
        return oct_fail_memory(error, size * sizeof *list);
    while ((key = yyjson_obj_iter_next(&iter)) != NULL) {
        const oct_slice name = {yyjson_get_str(key), yyjson_get_len(key)};
        const json_path name_at = json_at_range(at, name, "?");
        oct_status      status;
        size_t          i = 0;

        while (i < used && !slice_equal(list[i].name, name))
            i++;
        used = size_max(used, i + 1);
        list[i] = (oct_vector){.name = name};
        status = decode_vector(&name_at, yyjson_obj_iter_get_val(key), memory, &list[i], error);
        if (status != OCT_OK)
            return status;
    }
    *vectors = list;
    *count = used;
    return OCT_OK;
}

static oct_status
decode_unnamed_vector(const json_path *at, yyjson_val *value, arena *memory, oct_vector *out, oct_error *error)
{
    const oct_status status = decode_vector(at, value, memory, out, error);

    if (status == OCT_OK && out->kind == OCT_SPARSE && is_inference(value))
        return oct_fail(error, OCT_INVALID, "Sparse vector from document inference should be named");
    return status;
}

/* A point's `vector`: the unnamed one, or a map of named ones. */
static oct_status
decode_point_vectors(const json_path *at, yyjson_val *value, arena *memory, oct_point *point,
                     oct_error *error)
{
    oct_vector *vector;

    if (yyjson_is_obj(value) && !is_inference(value))
        return decode_named_vectors(at, value, memory, &point->vectors, &point->vector_count, error);
    vector = arena_alloc(memory, sizeof *vector);
    if (vector == NULL)
        return oct_fail_memory(error, sizeof *vector);
    vector->name = (oct_slice){"", 0};
    point->vectors = vector;
    point->vector_count = 1;
    return decode_unnamed_vector(at, value, memory, vector, error);
}

/* --- points --------------------------------------------------------------------------------- */

static oct_status
decode_payload(const json_path *at, yyjson_val *value, arena *memory, oct_slice *out, oct_error *error)
{
    if (value == NULL || yyjson_is_null(value))
        return OCT_OK;
    if (!yyjson_is_obj(value))
        return json_fail_type(at, value, "an object", error);
    return json_write_value(value, memory, out, error);
}

/* `with_payload` false: the points of a vector update. */
static oct_status
decode_point_list(const json_path *at, yyjson_val *list, bool with_payload, arena *memory, api_write *out,
                  oct_error *error)
{
    enum { ID, VECTOR, PAYLOAD };
    static const json_field fields[] = {
        {"id", NULL, true}, {"vector", "vectors", true}, {"payload", NULL, false}};
    yyjson_arr_iter iter;
    yyjson_val     *item, *values[countof(fields)];
    oct_point      *points;
    size_t          i = 0;

    if (!yyjson_is_arr(list))
        return json_fail_type(at, list, "an array of points", error);
    points = arena_array(memory, size_max(yyjson_arr_size(list), 1), sizeof *points);
    if (points == NULL)
        return oct_fail_memory(error, yyjson_arr_size(list) * sizeof *points);
    iter = yyjson_arr_iter_with(list);
    while ((item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path point_at = json_at_index(at, i);
        const json_path id_at = json_at(&point_at, "id"), vector_at = json_at(&point_at, "vector");
        const json_path payload_at = json_at(&point_at, "payload");
        oct_point      *point = &points[i++];
        oct_status      status = json_fields(&point_at, item, fields, countof(fields), false, values, error);

        if (status == OCT_OK)
            status = decode_id(&id_at, values[ID], &point->id, error);
        if (status == OCT_OK)
            status = decode_point_vectors(&vector_at, values[VECTOR], memory, point, error);
        if (status == OCT_OK && with_payload)
            status = decode_payload(&payload_at, values[PAYLOAD], memory, &point->payload, error);
        if (status == OCT_OK && !with_payload && point->vector_count == 0)
            status = json_fail(&vector_at, error, OCT_RANGE, "must specify vectors to update for point");
        if (status != OCT_OK)
            return status;
    }
    out->points = points;
    out->point_count = i;
    return OCT_OK;
}

static oct_status
fail_columns(const json_path *at, const char *what, size_t got, size_t ids, oct_error *error)
{
    return json_fail(at, error, OCT_RANGE, "number of ids and %s must be equal (%zu ids, %zu %s)", what, ids,
                     got, what);
}

/* A list has one vector a point; a map has one column of them under each name. */
static oct_status
decode_vector_columns(const json_path *at, yyjson_val *value, arena *memory, oct_point *points, size_t count,
                      oct_error *error)
{
    const size_t    columns = yyjson_is_obj(value) ? yyjson_obj_size(value) : 1;
    yyjson_obj_iter keys = yyjson_obj_iter_with(value);
    oct_vector     *vectors;
    size_t          cells;

    if (!yyjson_is_arr(value) && !yyjson_is_obj(value))
        return json_fail_type(at, value, "a list of vectors, or a map from name to such lists", error);
    if (columns > OCT_VECTORS_MAX)
        return json_fail(at, error, OCT_RANGE, "%zu named vectors, at most %u are allowed", columns,
                         OCT_VECTORS_MAX);
    if (!size_mul_ok(columns, count, &cells) ||
        (vectors = arena_array(memory, size_max(cells, 1), sizeof *vectors)) == NULL)
        return oct_fail_memory(error, columns * count * sizeof *vectors);
    for (size_t i = 0; i < count; i++)
        points[i].vectors = vectors + i * columns;
    for (size_t column = 0; column < columns; column++) {
        yyjson_val     *key = yyjson_obj_iter_next(&keys);
        yyjson_val     *list = key == NULL ? value : yyjson_obj_iter_get_val(key);
        const oct_slice name = {key == NULL ? "" : yyjson_get_str(key),
                                key == NULL ? 0 : yyjson_get_len(key)};
        const json_path named_at = json_at_slice(at, name), *column_at = key == NULL ? at : &named_at;
        yyjson_arr_iter iter;
        yyjson_val     *item;
        size_t          slot = 0;

        if (!yyjson_is_arr(list))
            return json_fail_type(column_at, list, "a list of vectors", error);
        if (yyjson_arr_size(list) != count)
            return fail_columns(column_at, "vectors", yyjson_arr_size(list), count, error);
        if (count > 0) /* a repeated name takes the slot of its first, and the last counts */
            while (slot < points[0].vector_count && !slice_equal(points[0].vectors[slot].name, name))
                slot++;
        iter = yyjson_arr_iter_with(list);
        for (size_t i = 0; (item = yyjson_arr_iter_next(&iter)) != NULL; i++) {
            const json_path item_at = json_at_index(column_at, i);
            oct_vector     *vector = &vectors[i * columns + slot];
            oct_status      status;

            *vector = (oct_vector){.name = name};
            status = key == NULL ? decode_unnamed_vector(&item_at, item, memory, vector, error)
                                 : decode_vector(&item_at, item, memory, vector, error);
            if (status != OCT_OK)
                return status;
        }
        for (size_t i = 0; i < count; i++)
            points[i].vector_count = size_max(points[i].vector_count, slot + 1);
    }
    return OCT_OK;
}

static oct_status
decode_batch(const json_path *at, yyjson_val *batch, arena *memory, api_write *out, oct_error *error)
{
    enum { IDS, VECTORS, PAYLOADS };
    static const json_field fields[] = {
        {"ids", NULL, true}, {"vectors", NULL, true}, {"payloads", NULL, false}};
    const json_path ids_at = json_at(at, "ids"), vectors_at = json_at(at, "vectors");
    const json_path payloads_at = json_at(at, "payloads");
    yyjson_val     *values[countof(fields)];
    oct_point      *points;
    const oct_id   *ids = NULL;
    size_t          count = 0;
    oct_status      status = json_fields(at, batch, fields, countof(fields), false, values, error);

    if (status == OCT_OK)
        status = decode_ids(&ids_at, values[IDS], memory, &ids, &count, error);
    if (status != OCT_OK)
        return status;
    points = arena_array(memory, size_max(count, 1), sizeof *points);
    if (points == NULL)
        return oct_fail_memory(error, count * sizeof *points);
    for (size_t i = 0; i < count; i++)
        points[i].id = ids[i];
    out->points = points;
    out->point_count = count;
    status = decode_vector_columns(&vectors_at, values[VECTORS], memory, points, count, error);
    if (status == OCT_OK && values[PAYLOADS] != NULL) {
        yyjson_arr_iter iter = yyjson_arr_iter_with(values[PAYLOADS]);
        yyjson_val     *item;

        if (!yyjson_is_arr(values[PAYLOADS]))
            return json_fail_type(&payloads_at, values[PAYLOADS], "a list of objects", error);
        if (yyjson_arr_size(values[PAYLOADS]) != count)
            return fail_columns(&payloads_at, "payloads", yyjson_arr_size(values[PAYLOADS]), count, error);
        for (size_t i = 0; (item = yyjson_arr_iter_next(&iter)) != NULL && status == OCT_OK; i++) {
            const json_path item_at = json_at_index(&payloads_at, i);

            status = decode_payload(&item_at, item, memory, &points[i].payload, error);
        }
    }
    return status;
}

/* --- bodies of writes ----------------------------------------------------------------------- */

static const json_name update_modes[] = {
    {"upsert", OCT_UPSERT}, {"insert_only", OCT_INSERT_ONLY}, {"update_only", OCT_UPDATE_ONLY}};

static oct_status
decode_upsert(const json_path *at, yyjson_val *body, arena *memory, api_write *out, oct_error *error)
{
    enum { BATCH, POINTS, FILTER, MODE, SHARD_KEY };
    static const json_field fields[] = {{"batch", NULL, false},
                                        {"points", NULL, false},
                                        {"update_filter", NULL, false},
                                        {"update_mode", NULL, false},
                                        {"shard_key", NULL, false}};
    const json_path         batch_at = json_at(at, "batch"), points_at = json_at(at, "points");
    const json_path         filter_at = json_at(at, "update_filter"), mode_at = json_at(at, "update_mode");
    yyjson_val             *values[countof(fields)];
    int64_t                 mode = 0;
    oct_status              status = json_fields(at, body, fields, countof(fields), false, values, error);

    if (status == OCT_OK)
        status = decode_filter(&filter_at, values[FILTER], memory, &out->filter, error);
    if (status == OCT_OK)
        status = json_get_name(&mode_at, values[MODE], update_modes, countof(update_modes), &mode, error);
    out->mode = (oct_update_mode)mode;
    if (status == OCT_OK)
        status = decode_shard_keys(at, values[SHARD_KEY], memory, &out->shard_keys, &out->shard_key_count,
                                   &out->shard_fallback, error);
    if (status != OCT_OK)
        return status;
    if (values[BATCH] != NULL)
        status = decode_batch(&batch_at, values[BATCH], memory, out, error);
    else if (values[POINTS] != NULL)
        status = decode_point_list(&points_at, values[POINTS], true, memory, out, error);
    else
        status = json_fail(at, error, OCT_FORMAT, "Invalid PointInsertOperations format");
    if (status == OCT_OK && out->point_count == 0)
        status = oct_fail(error, OCT_BAD_REQUEST, "Empty update request");
    return status;
}

static oct_status
decode_update_vectors(const json_path *at, yyjson_val *body, arena *memory, api_write *out, oct_error *error)
{
    enum { POINTS, FILTER, SHARD_KEY };
    static const json_field fields[] = {
        {"points", NULL, true}, {"update_filter", NULL, false}, {"shard_key", NULL, false}};
    const json_path points_at = json_at(at, "points"), filter_at = json_at(at, "update_filter");
    yyjson_val     *values[countof(fields)];
    oct_status      status = json_fields(at, body, fields, countof(fields), false, values, error);

    if (status == OCT_OK)
        status = decode_filter(&filter_at, values[FILTER], memory, &out->filter, error);
    if (status == OCT_OK)
        status = decode_shard_keys(at, values[SHARD_KEY], memory, &out->shard_keys, &out->shard_key_count,
                                   &out->shard_fallback, error);
    if (status == OCT_OK)
        status = decode_point_list(&points_at, values[POINTS], false, memory, out, error);
    if (status == OCT_OK && out->point_count == 0)
        status = oct_fail(error, OCT_BAD_REQUEST, "Empty update request");
    return status;
}

/* The fields of every write that addresses existing points; each kind uses some of them. */
enum { POINTS, FILTER, SHARD_KEY, PAYLOAD, KEY, KEYS, VECTOR, TARGET_FIELDS };
static const json_field target_fields[] = {
    {"points", NULL, false}, {"filter", NULL, false}, {"shard_key", NULL, false},  {"payload", NULL, false},
    {"key", NULL, false},    {"keys", NULL, false},   {"vector", "vectors", false}};
_Static_assert(countof(target_fields) == TARGET_FIELDS, "one line per name");

/* Which points: by ids, or by a filter. With both, ids win; but vectors are deleted from all of them. */
static oct_status
decode_targets(const json_path *at, yyjson_val **values, arena *memory, api_write *out, oct_error *error)
{
    const json_path points_at = json_at(at, "points"), filter_at = json_at(at, "filter");
    oct_status      status = decode_shard_keys(at, values[SHARD_KEY], memory, &out->shard_keys, &out->shard_key_count,
                                   &out->shard_fallback, error);

    if (status != OCT_OK)
        return status;
    if (values[FILTER] != NULL && (values[POINTS] == NULL || out->kind == API_DELETE_VECTORS))
        status = decode_filter(&filter_at, values[FILTER], memory, &out->filter, error);
    if (status == OCT_OK && values[POINTS] != NULL)
        status = decode_ids(&points_at, values[POINTS], memory, &out->ids, &out->id_count, error);
    if (status != OCT_OK || values[FILTER] != NULL || values[POINTS] != NULL)
        return status;
    switch (out->kind) {
    case API_DELETE_VECTORS:
        return oct_fail(error, OCT_BAD_REQUEST, "No filter or points provided");
    case API_SET_PAYLOAD:
    case API_OVERWRITE_PAYLOAD:
    case API_DELETE_PAYLOAD:
        return json_fail(at, error, OCT_FORMAT, "Either list of point ids or filter must be provided");
    default:
        return json_fail(at, error, OCT_FORMAT, "missing field `points` or `filter`");
    }
}

static oct_status
decode_on_targets(const json_path *at, yyjson_val *body, arena *memory, api_write *out, oct_error *error)
{
    const json_path payload_at = json_at(at, "payload"), key_at = json_at(at, "key");
    const json_path keys_at = json_at(at, "keys"), vector_at = json_at(at, "vector");
    yyjson_val     *values[TARGET_FIELDS];
    oct_status      status = json_fields(at, body, target_fields, TARGET_FIELDS, false, values, error);

    if (status != OCT_OK)
        return status;
    switch (out->kind) {
    case API_SET_PAYLOAD:
    case API_OVERWRITE_PAYLOAD:
        if (values[PAYLOAD] == NULL)
            return json_fail(at, error, OCT_FORMAT, "missing field `payload`");
        out->change.action = out->kind == API_SET_PAYLOAD ? OCT_PAYLOAD_SET : OCT_PAYLOAD_OVERWRITE;
        status = decode_payload(&payload_at, values[PAYLOAD], memory, &out->change.payload, error);
        if (status == OCT_OK && out->kind == API_SET_PAYLOAD)
            status = json_get_text(&key_at, values[KEY], &out->change.key, error);
        if (status == OCT_OK && values[KEY] != NULL && out->kind == API_SET_PAYLOAD &&
            out->change.key.size == 0)
            status = json_fail(&key_at, error, OCT_FORMAT, "Invalid json path: ''");
        break;
    case API_DELETE_PAYLOAD:
        if (values[KEYS] == NULL)
            return json_fail(at, error, OCT_FORMAT, "missing field `keys`");
        out->change.action = OCT_PAYLOAD_DELETE;
        status =
            decode_texts(&keys_at, values[KEYS], memory, &out->change.keys, &out->change.key_count, error);
        break;
    case API_CLEAR_PAYLOAD:
        out->change.action = OCT_PAYLOAD_CLEAR;
        break;
    case API_DELETE_VECTORS:
        if (values[VECTOR] == NULL)
            return json_fail(at, error, OCT_FORMAT, "missing field `vector`");
        status = decode_texts(&vector_at, values[VECTOR], memory, &out->names, &out->name_count, error);
        if (status == OCT_OK && out->name_count == 0)
            status = json_fail(&vector_at, error, OCT_RANGE, "value [] invalid, must not be empty");
        break;
    default:
        break;
    }
    return status == OCT_OK ? decode_targets(at, values, memory, out, error) : status;
}

oct_status
decode_write(const json_path *at, api_write_kind kind, yyjson_val *body, arena *memory, api_write *out,
             oct_error *error)
{
    *out = (api_write){.kind = kind};
    switch (kind) {
    case API_UPSERT:
        return decode_upsert(at, body, memory, out, error);
    case API_UPDATE_VECTORS:
        return decode_update_vectors(at, body, memory, out, error);
    default:
        return decode_on_targets(at, body, memory, out, error);
    }
}

oct_status
decode_writes(yyjson_val *body, arena *memory, api_write **out, size_t *count, oct_error *error)
{
    static const json_name  kinds[] = {{"upsert", API_UPSERT},
                                       {"delete", API_DELETE},
                                       {"set_payload", API_SET_PAYLOAD},
                                       {"overwrite_payload", API_OVERWRITE_PAYLOAD},
                                       {"delete_payload", API_DELETE_PAYLOAD},
                                       {"clear_payload", API_CLEAR_PAYLOAD},
                                       {"update_vectors", API_UPDATE_VECTORS},
                                       {"delete_vectors", API_DELETE_VECTORS}};
    static const json_field fields[] = {{"operations", NULL, true}};
    const json_path         list_at = json_at(NULL, "operations");
    yyjson_val             *list = NULL, *item;
    yyjson_arr_iter         iter;
    size_t                  i = 0;
    oct_status              status = json_fields(NULL, body, fields, countof(fields), false, &list, error);

    if (status != OCT_OK)
        return status;
    if (!yyjson_is_arr(list))
        return json_fail_type(&list_at, list, "an array of operations", error);
    *out = arena_array(memory, size_max(yyjson_arr_size(list), 1), sizeof **out);
    if (*out == NULL)
        return oct_fail_memory(error, yyjson_arr_size(list) * sizeof **out);
    iter = yyjson_arr_iter_with(list);
    while ((item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path at = json_at_index(&list_at, i);
        yyjson_obj_iter keys = yyjson_obj_iter_with(item);
        yyjson_val     *key = yyjson_obj_iter_next(&keys);
        json_path       body_at;
        size_t          kind = 0;

        if (!yyjson_is_obj(item))
            return json_fail_type(&at, item, "an operation", error);
        while (key != NULL && kind < countof(kinds) && !json_key_is(key, kinds[kind].text))
            kind++;
        if (key == NULL || kind == countof(kinds) || yyjson_obj_size(item) != 1)
            return json_fail(
                &at, error, OCT_FORMAT,
                "an operation has exactly one key, one of upsert, delete, set_payload, overwrite_payload, "
                "delete_payload, clear_payload, update_vectors, delete_vectors");
        body_at = json_at(&at, kinds[kind].text);
        status = decode_write(&body_at, (api_write_kind)kinds[kind].value, yyjson_obj_iter_get_val(key),
                              memory, &(*out)[i++], error);
        if (status != OCT_OK)
            return status;
    }
    *count = i;
    return OCT_OK;
}
