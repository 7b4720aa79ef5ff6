/* JSON results as protobuf messages, by the same tables that requests are read with. See grpc.h.
 *
 * FLOATS   Vectors are not in that JSON: encode.c put their components aside as they are, and they are copied from there.
 * UNIONS   Where a message is one of several things, JSON tells them apart by type: fits looks for the field whose
 *          type the value has, in the order of the table.
 */
#include "api/encode.h"
#include "api/grpc.h"

/* --- payload values ----------------------------------------------------------------------------- */

static void add_value(buffer *out, yyjson_val *value);

static void
add_entry(buffer *out, uint32_t number, yyjson_val *key, yyjson_val *value)
{
    const size_t entry = wire_open(out, number);
    size_t       inner;

    wire_add_bytes(out, 1, yyjson_get_str(key), yyjson_get_len(key));
    inner = wire_open(out, 2);
    add_value(out, value);
    wire_close(out, inner);
    wire_close(out, entry);
}

/* The fields of a Value. Depth is bounded by what the JSON parser took. */
static void
add_value(buffer *out, yyjson_val *value)
{
    size_t      idx, max, at;
    yyjson_val *key, *item;
    double      number;

    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_BOOL:
        wire_add_tag(out, 5, WIRE_VARINT);
        wire_add_varint(out, yyjson_get_bool(value));
        break;
    case YYJSON_TYPE_NUM:
        if (yyjson_is_sint(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) <= INT64_MAX)) {
            wire_add_tag(out, 3, WIRE_VARINT);
            wire_add_varint(out, (uint64_t)yyjson_get_sint(value));
        } else { /* numbers beyond 63 bits go out as doubles, as in Qdrant */
            number = yyjson_is_uint(value) ? (double)yyjson_get_uint(value) : yyjson_get_real(value);
            wire_add_fixed64(out, 2, &number);
        }
        break;
    case YYJSON_TYPE_STR:
        wire_add_bytes(out, 4, yyjson_get_str(value), yyjson_get_len(value));
        break;
    case YYJSON_TYPE_OBJ:
        at = wire_open(out, 6);
        yyjson_obj_foreach(value, idx, max, key, item) add_entry(out, 1, key, item);
        wire_close(out, at);
        break;
    case YYJSON_TYPE_ARR:
        at = wire_open(out, 7);
        yyjson_arr_foreach(value, idx, max, item)
        {
            const size_t inner = wire_open(out, 1);

            add_value(out, item);
            wire_close(out, inner);
        }
        wire_close(out, at);
        break;
    default: /* null is a value too, and written though it is zero */
        wire_add_tag(out, 1, WIRE_VARINT);
        wire_add_varint(out, 0);
        break;
    }
}

void
grpc_encode_payload(buffer *out, uint32_t number, oct_slice payload)
{
    json_document document = {0};
    size_t        idx, max;
    yyjson_val   *key, *value;

    if (payload.size == 0 || (payload.size == 2 && payload.data[0] == '{'))
        return;
    if (json_parse(payload, &document, NULL) == OCT_OK) {
        yyjson_obj_foreach(document.root, idx, max, key, value) add_entry(out, number, key, value);
    } else {
        out->failed = true; /* stored documents are valid, so there was no memory for it */
    }
    json_document_clear(&document);
}

/* --- which field of a union ------------------------------------------------------------------------ */

static bool
enum_number(const grpc_enum *names, yyjson_val *value, uint32_t *out)
{
    for (size_t i = 0; i < names->count; i++)
        if (names->values[i].text != NULL && json_key_is(value, names->values[i].text)) {
            *out = names->values[i].number;
            return true;
        }
    return false;
}

static bool fits(const grpc_field *field, yyjson_val *value);

static bool
fits_message(const grpc_message *message, yyjson_val *value)
{
    switch (message->shape) {
    case GRPC_SPECIAL_VALUE:
        return true;
    case GRPC_SPECIAL_TIMESTAMP:
        return yyjson_is_str(value);
    case GRPC_TRUE:
        return yyjson_is_true(value);
    case GRPC_TEXT:
        return yyjson_is_str(value) && json_key_is(value, message->text);
    case GRPC_TYPE:
        return yyjson_is_obj(value) && yyjson_equals_str(yyjson_obj_get(value, "type"), message->text);
    default:
        break;
    }
    if (message->is_bare) {
        for (size_t i = 0; i < message->count; i++)
            if ((message->fields[i].flags & GRPC_DROP) == 0 && fits(&message->fields[i], value))
                return true;
        return false;
    }
    return yyjson_is_obj(value) &&
           (message->count == 0 || yyjson_obj_get(value, message->fields[0].name) != NULL);
}

/* A list of floats that was never text. */
static bool
is_aside(const grpc_field *field, yyjson_val *value)
{
    const float *floats;
    size_t       count;

    return (field->flags & GRPC_REPEATED) != 0 && field->kind == GRPC_FLOAT && encode_floats_at(value, &floats, &count);
}

static bool
fits(const grpc_field *field, yyjson_val *value)
{
    uint32_t number;

    if (is_aside(field, value))
        return true;
    if ((field->flags & GRPC_REPEATED) != 0) {
        grpc_field single = *field;

        single.flags = 0;
        return yyjson_is_arr(value) &&
               (yyjson_arr_size(value) == 0 || fits(&single, yyjson_arr_get_first(value)));
    }
    if ((field->flags & GRPC_MAP) != 0)
        return yyjson_is_obj(value);
    switch (field->kind) {
    case GRPC_UINT64:
    case GRPC_UINT32:
        return yyjson_is_uint(value);
    case GRPC_INT64:
    case GRPC_INT32:
        return yyjson_is_int(value);
    case GRPC_DOUBLE:
    case GRPC_FLOAT:
        return yyjson_is_num(value);
    case GRPC_BOOL:
        return yyjson_is_bool(value);
    case GRPC_STRING:
        return yyjson_is_str(value);
    case GRPC_ENUM:
        return yyjson_is_str(value) && enum_number(field->names, value, &number);
    default:
        return fits_message(field->message, value);
    }
}

/* --- fields --------------------------------------------------------------------------------------------- */

/* A number without its tag, for packed lists. */
static void
add_number(buffer *out, const grpc_field *field, yyjson_val *value)
{
    const double number = yyjson_get_num(value);
    const float  single = (float)number;

    switch (field->kind) {
    case GRPC_DOUBLE:
        buffer_add(out, &number, sizeof number);
        break;
    case GRPC_FLOAT:
        buffer_add(out, &single, sizeof single);
        break;
    default:
        wire_add_varint(out, (uint64_t)yyjson_get_sint(value)); /* the bits of either sign */
        break;
    }
}

/* One value; false: it is not of the field's type, and nothing was written. `zero` false: neither is a zero. */
static bool
add_single(buffer *out, const grpc_field *field, yyjson_val *value, bool zero)
{
    double   number;
    float    single;
    uint32_t named = 0;
    size_t   at;

    if (field->kind != GRPC_MESSAGE) {
        grpc_field bare = *field;

        bare.flags = 0;
        if (!fits(&bare, value))
            return false;
    }
    switch (field->kind) {
    case GRPC_DOUBLE:
        number = yyjson_get_num(value);
        if (zero || number != 0)
            wire_add_fixed64(out, field->number, &number);
        break;
    case GRPC_FLOAT:
        single = (float)yyjson_get_num(value);
        if (zero || single != 0)
            wire_add_fixed32(out, field->number, &single);
        break;
    case GRPC_BOOL:
        if (zero || yyjson_get_bool(value)) {
            wire_add_tag(out, field->number, WIRE_VARINT);
            wire_add_varint(out, yyjson_get_bool(value));
        }
        break;
    case GRPC_STRING:
        if (zero || yyjson_get_len(value) > 0)
            wire_add_bytes(out, field->number, yyjson_get_str(value), yyjson_get_len(value));
        break;
    case GRPC_ENUM:
        (void)enum_number(field->names, value, &named);
        if (zero || named != 0) {
            wire_add_tag(out, field->number, WIRE_VARINT);
            wire_add_varint(out, named);
        }
        break;
    case GRPC_MESSAGE:
        if (field->message->shape == GRPC_TRUE && !yyjson_is_true(value))
            return false;
        at = wire_open(out, field->number);
        grpc_encode(out, field->message, value);
        wire_close(out, at);
        break;
    default:
        if (zero || yyjson_get_uint(value) != 0) {
            wire_add_tag(out, field->number, WIRE_VARINT);
            wire_add_varint(out, (uint64_t)yyjson_get_sint(value));
        }
        break;
    }
    return true;
}

static void
add_list(buffer *out, const grpc_field *field, yyjson_val *list)
{
    const bool  is_packed = field->kind != GRPC_MESSAGE && field->kind != GRPC_STRING;
    size_t      idx, max, at;
    yyjson_val *item;

    if (yyjson_arr_size(list) == 0)
        return;
    at = is_packed ? wire_open(out, field->number) : 0;
    yyjson_arr_foreach(list, idx, max, item)
    {
        if (is_packed)
            add_number(out, field, item);
        else
            (void)add_single(out, field, item, true);
    }
    if (is_packed)
        wire_close(out, at);
}

static void
add_map(buffer *out, const grpc_field *field, yyjson_val *object)
{
    grpc_field  value_field = *field;
    size_t      idx, max;
    yyjson_val *key, *value;

    value_field.number = 2;
    value_field.flags = 0;
    yyjson_obj_foreach(object, idx, max, key, value)
    {
        const size_t entry = wire_open(out, field->number);

        wire_add_bytes(out, 1, yyjson_get_str(key), yyjson_get_len(key));
        (void)add_single(out, &value_field, value, true);
        wire_close(out, entry);
    }
}

/* False: the value is not of the field's type. */
static bool
add_field(buffer *out, const grpc_field *field, yyjson_val *value)
{
    const float *floats;
    size_t       count;

    if ((field->flags & GRPC_MAP) != 0) {
        add_map(out, field, value);
        return yyjson_is_obj(value);
    }
    if (is_aside(field, value)) {
        (void)encode_floats_at(value, &floats, &count);
        wire_add_bytes(out, field->number, (const char *)floats, count * sizeof *floats);
        return true;
    }
    if ((field->flags & GRPC_REPEATED) == 0)
        return add_single(out, field, value, (field->flags & (GRPC_PRESENCE | GRPC_SELF)) != 0);
    if (yyjson_is_obj(value)) /* {"points": [..]} where the message has just the list */
        value = yyjson_obj_get(value, "points");
    if (yyjson_is_arr(value))
        add_list(out, field, value);
    else if (yyjson_is_str(value) && field->kind == GRPC_STRING)
        wire_add_bytes(out, field->number, yyjson_get_str(value), yyjson_get_len(value));
    return value != NULL;
}

/* --- messages ----------------------------------------------------------------------------------------------- */

static void
add_timestamp(buffer *out, yyjson_val *value)
{
    const oct_slice text = {yyjson_get_str(value), yyjson_get_len(value)};
    int64_t         micros = 0, seconds;

    if (text.data == NULL || oct_datetime_parse(text, &micros, NULL) != OCT_OK)
        return;
    seconds = micros / 1000000 - (micros % 1000000 < 0);
    wire_add_tag(out, 1, WIRE_VARINT);
    wire_add_varint(out, (uint64_t)seconds);
    if (micros != seconds * 1000000) {
        wire_add_tag(out, 2, WIRE_VARINT);
        wire_add_varint(out, (uint64_t)(micros - seconds * 1000000) * 1000);
    }
}

/* "ok" or {"error": TEXT} */
static void
add_optimizer_status(buffer *out, yyjson_val *value)
{
    yyjson_val *text = yyjson_obj_get(value, "error");

    if (yyjson_is_str(value)) {
        wire_add_tag(out, 1, WIRE_VARINT);
        wire_add_varint(out, 1);
    } else if (text != NULL) {
        wire_add_bytes(out, 2, yyjson_get_str(text), yyjson_get_len(text));
    }
}

void
grpc_encode(buffer *out, const grpc_message *message, yyjson_val *value)
{
    switch (message->shape) {
    case GRPC_SPECIAL_VALUE:
        add_value(out, value);
        return;
    case GRPC_SPECIAL_TIMESTAMP:
        add_timestamp(out, value);
        return;
    case GRPC_SPECIAL_OPTIMIZER_STATUS:
        add_optimizer_status(out, value);
        return;
    default:
        break;
    }
    if (message->is_bare && message->count == 1) {
        (void)add_field(out, &message->fields[0], value);
        return;
    }
    for (size_t i = 0; i < message->count; i++) {
        const grpc_field *field = &message->fields[i];
        yyjson_val       *member;

        if ((field->flags & GRPC_DROP) != 0)
            continue;
        if (message->is_bare) {
            if (fits(field, value)) {
                (void)add_field(out, field, value);
                return;
            }
            continue;
        }
        if (yyjson_is_str(value)) { /* "english" for {"languages": ["english"]} */
            (void)add_field(out, field, value);
            return;
        }
        member = yyjson_obj_get(value, field->name);
        if (member != NULL && !yyjson_is_null(member))
            (void)add_field(out, field, member);
    }
}

void
grpc_encode_field(buffer *out, const grpc_message *message, const char *name, yyjson_val *value)
{
    for (size_t i = 0; i < message->count; i++)
        if (strcmp(message->fields[i].name, name) == 0) {
            (void)add_field(out, &message->fields[i], value);
            return;
        }
}
