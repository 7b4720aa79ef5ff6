/* See encode.h. */
#include "api/encode.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/float_text.h"
#include "config/config.h"

void
encode_bool(buffer *out, bool value)
{
    if (value)
        buffer_add(out, "true", 4);
    else
        buffer_add(out, "false", 5);
}

/* 36 characters. */
static void
uuid_text(oct_id id, char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t            at = 0;

    for (size_t digit = 0; digit < 32; digit++) {
        const uint64_t half = digit < 16 ? id.high : id.low;

        if (digit == 8 || digit == 12 || digit == 16 || digit == 20)
            text[at++] = '-';
        text[at++] = hex[half >> (60 - 4 * (digit % 16)) & 15];
    }
}

void
encode_id(buffer *out, oct_id id)
{
    char text[38];

    if (id.is_uuid == 0) {
        json_add_u64(out, id.low);
        return;
    }
    text[0] = text[37] = '"';
    uuid_text(id, text + 1);
    buffer_add(out, text, sizeof text);
}

void
id_to_text(oct_id id, char text[ID_TEXT_MAX])
{
    if (id.is_uuid == 0) {
        (void)snprintf(text, ID_TEXT_MAX, "%llu", (unsigned long long)id.low);
        return;
    }
    uuid_text(id, text);
    text[36] = '\0';
}

void
encode_score(buffer *out, float value)
{
    if (buffer_reserve(out, FLOAT_TEXT_MAX))
        out->size += float_text(isfinite(value) ? value : copysignf(FLT_MAX, value), out->data + out->size);
}

/* --- floats that are not text ------------------------------------------------------------------ */

static _Thread_local buffer *aside;

#define ASIDE_MARK "@floats "

void
encode_floats_aside(buffer *floats)
{
    aside = floats;
}

static void
add_aside(buffer *out, const float *values, size_t count)
{
    buffer_format(out, "\"" ASIDE_MARK "%zu %zu\"", aside->size / sizeof *values, count);
    buffer_add(aside, values, count * sizeof *values);
    out->failed = out->failed || aside->failed;
}

bool
encode_floats_at(yyjson_val *value, const float **out, size_t *count)
{
    const char  *text = yyjson_get_str(value);
    const size_t have = aside == NULL ? 0 : aside->size / sizeof **out;
    char        *end;
    size_t       at;

    if (have == 0 || text == NULL || strncmp(text, ASIDE_MARK, sizeof ASIDE_MARK - 1) != 0)
        return false;
    at = strtoul(text + sizeof ASIDE_MARK - 1, &end, 10);
    *count = strtoul(end, &end, 10);
    if (*end != '\0' || at > have || *count > have - at)
        return false;
    *out = (const float *)(const void *)aside->data + at;
    return true;
}

static void
encode_floats(buffer *out, const float *values, size_t count)
{
    if (aside != NULL && count > 0) {
        add_aside(out, values, count);
        return;
    }
    buffer_add_byte(out, '[');
    if (buffer_reserve(out, count * (FLOAT_TEXT_MAX + 1)))
        for (size_t i = 0; i < count; i++) {
            if (i > 0)
                out->data[out->size++] = ',';
            out->size += float_text(values[i], out->data + out->size);
        }
    buffer_add_byte(out, ']');
}

static void
encode_vector(buffer *out, const oct_vector *vector)
{
    size_t dim;

    switch (vector->kind) {
    case OCT_SPARSE:
        buffer_add_text(out, "{\"indices\":[");
        for (size_t i = 0; i < vector->value_count; i++) {
            if (i > 0)
                buffer_add_byte(out, ',');
            json_add_u64(out, vector->indices[i]);
        }
        buffer_add_text(out, "],\"values\":");
        encode_floats(out, vector->values, vector->value_count);
        buffer_add_byte(out, '}');
        break;
    case OCT_MULTI:
        dim = vector->row_count == 0 ? 0 : vector->value_count / vector->row_count;
        buffer_add_byte(out, '[');
        for (size_t i = 0; i < vector->row_count; i++) {
            if (i > 0)
                buffer_add_byte(out, ',');
            encode_floats(out, vector->values + i * dim, dim);
        }
        buffer_add_byte(out, ']');
        break;
    case OCT_DENSE:
        encode_floats(out, vector->values, vector->value_count);
        break;
    }
}

/* The unnamed vector alone is shown bare, everything else as a map. */
static void
encode_vectors(buffer *out, const oct_record *record)
{
    if (record->vector_count == 1 && record->vectors[0].name.size == 0) {
        encode_vector(out, &record->vectors[0]);
        return;
    }
    buffer_add_byte(out, '{');
    for (size_t i = 0; i < record->vector_count; i++) {
        if (i > 0)
            buffer_add_byte(out, ',');
        json_add_text(out, record->vectors[i].name);
        buffer_add_byte(out, ':');
        encode_vector(out, &record->vectors[i]);
    }
    buffer_add_byte(out, '}');
}

static void
encode_selected(buffer *out, const oct_record *record, const api_select *select)
{
    if (select->select.with_payload || select->payload_is_empty) {
        buffer_add_text(out, ",\"payload\":");
        if (record->payload.size > 0 && select->select.with_payload)
            buffer_add(out, record->payload.data, record->payload.size);
        else
            buffer_add(out, "{}", 2);
    }
    if (select->select.with_vector) {
        buffer_add_text(out, ",\"vector\":");
        encode_vectors(out, record);
    } else if (select->vector_is_empty) {
        buffer_add_text(out, ",\"vector\":{}");
    }
}

static void
encode_shard_key(buffer *out, const oct_record *record)
{
    if (record->shard_key == NULL)
        return;
    buffer_add_text(out, ",\"shard_key\":");
    shard_key_encode(record->shard_key, out);
}

static void
encode_order(buffer *out, const oct_order_value *order)
{
    if (order->kind == OCT_ORDER_NONE)
        return;
    buffer_add_text(out, ",\"order_value\":");
    if (order->kind == OCT_ORDER_FLOAT)
        json_add_double(out, order->number);
    else
        buffer_format(out, "%lld", (long long)order->integer);
}

void
encode_record(buffer *out, const oct_record *record, const api_select *select)
{
    buffer_add(out, "{\"id\":", 6);
    encode_id(out, record->id);
    encode_selected(out, record, select);
    encode_order(out, &record->order);
    encode_shard_key(out, record);
    buffer_add_byte(out, '}');
}

void
encode_hit(buffer *out, const oct_record *record, const api_select *select)
{
    buffer_add(out, "{\"id\":", 6);
    encode_id(out, record->id);
    buffer_add(out, ",\"version\":", 11);
    json_add_u64(out, record->version);
    buffer_add(out, ",\"score\":", 9);
    encode_score(out, record->score);
    encode_selected(out, record, select);
    encode_order(out, &record->order);
    encode_shard_key(out, record);
    buffer_add_byte(out, '}');
}

void
encode_write_result(buffer *out, const oct_write_result *result)
{
    buffer_add_text(out, "{\"operation_id\":");
    json_add_u64(out, result->operation_id);
    buffer_add_text(out, result->status == OCT_WRITE_COMPLETED ? ",\"status\":\"completed\"}"
                                                               : ",\"status\":\"acknowledged\"}");
}
