/* A protobuf message as the tree of values that the JSON decoders read. See grpc.h and tools/protogen.py.
 *
 * TREE     yyjson's own layout of a parsed document: all values in one array, depth first; an array or object holds
 *          its count and the distance to what follows it, and its elements (keys and values in turn) stand behind it.
 *          So the tree is written front to back, and a container is completed when its last element stands.
 * ORDER    Fields of a message may come in any order, split and repeated. So each message is walked twice: scan
 *          notes where each field first and last stands, then the fields are written in the order of the table.
 *          Of a field that may stand once the last counts; messages of one field are joined, as protobuf says.
 */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "api/grpc.h"

#define SECONDS_MIN   INT64_C(-62135596800) /* 0001-01-01 */
#define SECONDS_MAX   INT64_C(253402300799) /* the last of 9999 */
#define TIMESTAMP_MAX 96u

typedef struct decoder {
    api_call *call;
    buffer   *tree;
} decoder;

typedef struct found { /* where a field stands in a message */
    const char *first, *last;
    uint32_t    count;
} found;

static oct_status add_message(decoder *self, const grpc_message *message, oct_slice bytes, unsigned depth,
                              oct_error *error);
static oct_status add_members(decoder *self, const grpc_message *message, oct_slice bytes, unsigned depth,
                              size_t *count, oct_error *error);

/* --- the tree --------------------------------------------------------------------------------- */

static void
add(decoder *self, uint64_t tag, uint64_t bits)
{
    yyjson_val value = {.tag = tag, .uni = {.u64 = bits}};

    buffer_add(self->tree, &value, sizeof value);
}

static void
add_text(decoder *self, const char *data, size_t size)
{
    add(self, YYJSON_TYPE_STR | (uint64_t)size << YYJSON_TAG_BIT, (uint64_t)(uintptr_t)data);
}

static void
add_constant(decoder *self, const char *text)
{
    add_text(self, text, strlen(text));
}

static void
add_u64(decoder *self, uint64_t number)
{
    add(self, YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT, number);
}

static void
add_i64(decoder *self, int64_t number)
{
    add(self, YYJSON_TYPE_NUM | (number < 0 ? YYJSON_SUBTYPE_SINT : YYJSON_SUBTYPE_UINT), (uint64_t)number);
}

static void
add_double(decoder *self, double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof bits);
    add(self, YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL, bits);
}

static void
add_bool(decoder *self, bool flag)
{
    add(self, YYJSON_TYPE_BOOL | (flag ? YYJSON_SUBTYPE_TRUE : YYJSON_SUBTYPE_FALSE), 0);
}

/* Returns where it stands; close fills it in. */
static size_t
open(decoder *self)
{
    const size_t at = self->tree->size;

    add(self, 0, 0);
    return at;
}

static void
close(decoder *self, size_t at, uint8_t type, size_t count)
{
    yyjson_val value = {.tag = type | (uint64_t)count << YYJSON_TAG_BIT};

    if (self->tree->failed)
        return;
    value.uni.ofs = self->tree->size - at;
    memcpy(self->tree->data + at, &value, sizeof value);
}

/* --- reading ---------------------------------------------------------------------------------- */

static oct_status
fail_broken(const grpc_message *message, oct_error *error)
{
    return oct_fail(error, OCT_FORMAT, "failed to decode protobuf message: %s ends too early or is malformed",
                    message->name);
}

static wire_type
wire_type_of(const grpc_field *field)
{
    if ((field->flags & GRPC_MAP) != 0)
        return WIRE_BYTES;
    switch (field->kind) {
    case GRPC_DOUBLE:
        return WIRE_FIXED64;
    case GRPC_FLOAT:
        return WIRE_FIXED32;
    case GRPC_STRING:
    case GRPC_MESSAGE:
        return WIRE_BYTES;
    default:
        return WIRE_VARINT;
    }
}

/* Where each field stands. Of a oneof only the field that comes last is left. */
static oct_status
scan(const grpc_message *message, oct_slice bytes, found *list, oct_error *error)
{
    wire      rest = {bytes.data, bytes.data + bytes.size};
    wire_item item;
    size_t    i = 0;
    bool      is_broken = false;

    memset(list, 0, message->count * sizeof *list);
    while (wire_next(&rest, &item, &is_broken)) {
        const grpc_field *field = message->fields;
        bool              is_packed;

        if (i >= message->count || field[i].number != item.number)
            for (i = 0; i < message->count && field[i].number != item.number; i++)
                ;
        if (i == message->count)
            continue; /* not ours: a newer client's */
        field += i;
        is_packed = item.type == WIRE_BYTES && (field->flags & GRPC_REPEATED) != 0;
        if (item.type != wire_type_of(field) && !is_packed)
            return oct_fail(error, OCT_FORMAT,
                            "failed to decode protobuf message: %s.%s: invalid wire type %d", message->name,
                            field->name, (int)item.type);
        if (list[i].count == 0)
            list[i].first = item.start;
        list[i].last = item.start;
        list[i].count++;
    }
    if (is_broken)
        return fail_broken(message, error);
    for (size_t a = 0; message->oneof_count > 0 && a < message->count; a++)
        for (size_t b = a + 1; list[a].count > 0 && message->fields[a].oneof != 0 && b < message->count; b++)
            if (list[b].count > 0 && message->fields[b].oneof == message->fields[a].oneof) {
                if (list[a].last < list[b].last)
                    list[a].count = 0;
                else
                    list[b].count = 0;
            }
    return OCT_OK;
}

/* The item that stands at a place which scan has been at. */
static wire_item
item_at(const char *at, oct_slice bytes)
{
    wire      rest = {at, bytes.data + bytes.size};
    wire_item item = {0};
    bool      is_broken;

    (void)wire_next(&rest, &item, &is_broken);
    return item;
}

static size_t
index_of(const grpc_message *message, const char *name)
{
    size_t i = 0;

    while (i + 1 < message->count && strcmp(message->fields[i].name, name) != 0)
        i++;
    return i;
}

static oct_status
check_text(const grpc_message *message, const grpc_field *field, oct_slice text, oct_error *error)
{
    return utf8_is_valid(text)
               ? OCT_OK
               : oct_fail(error, OCT_FORMAT,
                          "failed to decode protobuf message: %s.%s: invalid string value: data is not "
                          "UTF-8 encoded",
                          message->name, field->name);
}

/* --- payload values ------------------------------------------------------------------------------ */

static oct_status add_value(decoder *self, const grpc_message *message, oct_slice bytes, unsigned depth,
                            oct_error *error);

static oct_status
add_entries(decoder *self, const grpc_message *message, oct_slice bytes, unsigned depth, oct_error *error)
{
    static const grpc_field key_field = {.name = "fields"};
    wire                    rest = {bytes.data, bytes.data + bytes.size};
    wire_item               item;
    const size_t            at = open(self);
    size_t                  count = 0;
    bool                    is_broken = false;

    while (wire_next(&rest, &item, &is_broken)) {
        oct_slice  key = {"", 0}, value = {"", 0};
        wire       entry = {item.bytes.data, item.bytes.data + item.bytes.size};
        wire_item  part;
        oct_status status;

        if (item.number != 1 || item.type != WIRE_BYTES)
            continue;
        while (wire_next(&entry, &part, &is_broken))
            if (part.type == WIRE_BYTES && part.number == 1)
                key = part.bytes;
            else if (part.type == WIRE_BYTES && part.number == 2)
                value = part.bytes;
        if (is_broken)
            break;
        status = check_text(message, &key_field, key, error);
        if (status != OCT_OK)
            return status;
        add_text(self, key.data, key.size);
        status = add_value(self, message, value, depth + 1, error);
        if (status != OCT_OK)
            return status;
        count++;
    }
    close(self, at, YYJSON_TYPE_OBJ, count);
    return is_broken ? fail_broken(message, error) : OCT_OK;
}

static oct_status
add_values(decoder *self, const grpc_message *message, oct_slice bytes, unsigned depth, oct_error *error)
{
    wire         rest = {bytes.data, bytes.data + bytes.size};
    wire_item    item;
    const size_t at = open(self);
    size_t       count = 0;
    bool         is_broken = false;

    while (wire_next(&rest, &item, &is_broken)) {
        oct_status status;

        if (item.number != 1 || item.type != WIRE_BYTES)
            continue;
        status = add_value(self, message, item.bytes, depth + 1, error);
        if (status != OCT_OK)
            return status;
        count++;
    }
    close(self, at, YYJSON_TYPE_ARR, count);
    return is_broken ? fail_broken(message, error) : OCT_OK;
}

/* A Value, which stands for any JSON; without a kind it is null. */
static oct_status
add_value(decoder *self, const grpc_message *message, oct_slice bytes, unsigned depth, oct_error *error)
{
    static const wire_type types[] = {
        [1] = WIRE_VARINT, [2] = WIRE_FIXED64, [3] = WIRE_VARINT, [4] = WIRE_BYTES,
        [5] = WIRE_VARINT, [6] = WIRE_BYTES,   [7] = WIRE_BYTES};
    static const grpc_field text_field = {.name = "string_value"};
    wire                    rest = {bytes.data, bytes.data + bytes.size};
    wire_item               item, kind = {.number = 1};
    double                  number;
    bool                    is_broken = false;
    oct_status              status = OCT_OK;

    if (depth > JSON_DEPTH_MAX)
        return oct_fail(error, OCT_FORMAT, "a value is nested more than %u levels deep", JSON_DEPTH_MAX);
    while (wire_next(&rest, &item, &is_broken))
        if (item.number < countof(types)) {
            if (item.type != types[item.number])
                return oct_fail(error, OCT_FORMAT,
                                "failed to decode protobuf message: %s.%u: invalid wire type %d",
                                message->name, item.number, (int)item.type);
            kind = item;
        }
    if (is_broken)
        return fail_broken(message, error);
    switch (kind.number) {
    case 1:
        add(self, YYJSON_TYPE_NULL, 0);
        break;
    case 2:
        memcpy(&number, &kind.value, sizeof number);
        if (!isfinite(number))
            return oct_fail(error, OCT_INVALID, "cannot convert to json number: %g", number);
        add_double(self, number);
        break;
    case 3:
        add_i64(self, (int64_t)kind.value);
        break;
    case 4:
        status = check_text(message, &text_field, kind.bytes, error);
        add_text(self, kind.bytes.data, kind.bytes.size);
        break;
    case 5:
        add_bool(self, kind.value != 0);
        break;
    case 6:
        return add_entries(self, message, kind.bytes, depth, error);
    default:
        return add_values(self, message, kind.bytes, depth, error);
    }
    return status;
}

/* --- lists of numbers ------------------------------------------------------------------------------- */

/* All the bytes of a repeated field's packed parts, or of its single values, in one piece. */
static oct_status
gather(decoder *self, const grpc_message *message, const grpc_field *field, found where, oct_slice bytes,
       size_t width, oct_slice *out, oct_error *error)
{
    wire      rest = {where.first, bytes.data + bytes.size};
    wire_item item;
    char     *copy;
    size_t    size = 0;
    bool      is_broken;

    *out = (oct_slice){"", 0};
    if (where.count == 0)
        return OCT_OK;
    item = item_at(where.first, bytes);
    if (where.count == 1 && item.type == WIRE_BYTES && ((uintptr_t)item.bytes.data & (width - 1)) == 0) {
        *out = item.bytes;
    } else {
        while (rest.at <= where.last && wire_next(&rest, &item, &is_broken))
            if (item.number == field->number)
                size += item.type == WIRE_BYTES ? item.bytes.size : width;
        copy = arena_alloc(&self->call->memory, size_max(size, 1));
        if (copy == NULL)
            return oct_fail_memory(error, size);
        *out = (oct_slice){copy, size};
        rest.at = where.first;
        while (rest.at <= where.last && wire_next(&rest, &item, &is_broken)) {
            const void  *from = item.type == WIRE_BYTES ? (const void *)item.bytes.data : &item.value;
            const size_t step = item.type == WIRE_BYTES ? item.bytes.size : width;

            if (item.number == field->number) {
                if (step > 0)
                    memcpy(copy, from, step);
                copy += step;
            }
        }
    }
    return out->size % width == 0 ? OCT_OK : fail_broken(message, error);
}

/* Floats become one raw value, which decode_points.c knows. */
static void
add_raw(decoder *self, const char *data, size_t size)
{
    add(self, YYJSON_TYPE_RAW | (uint64_t)size << YYJSON_TAG_BIT, (uint64_t)(uintptr_t)data);
}

static oct_status
add_floats(decoder *self, const grpc_message *message, const grpc_field *field, found where, oct_slice bytes,
           oct_error *error)
{
    oct_slice        floats;
    const oct_status status = gather(self, message, field, where, bytes, sizeof(float), &floats, error);

    add_raw(self, floats.data, floats.size);
    return status;
}

/* --- single values -------------------------------------------------------------------------------------- */

/* The value as JSON has it, or NULL: the field is as if absent. */
static oct_status
enum_text(const grpc_message *message, const grpc_field *field, uint64_t number, const char **out,
          oct_error *error)
{
    const grpc_enum *names = field->names;

    *out = NULL;
    for (size_t i = 0; i < names->count; i++)
        if (names->values[i].number == (uint32_t)number) {
            *out = names->values[i].text;
            return names->values[i].refused == NULL
                       ? OCT_OK
                       : oct_fail(error, OCT_INVALID, "%s", names->values[i].refused);
        }
    return names->lenient ? OCT_OK
                          : oct_fail(error, OCT_INVALID, "%s.%s: there is no %s with the number %lld",
                                     message->name, field->name, names->name, (long long)(int32_t)number);
}

/* One value of a field that is no list. Enums without a text in JSON are null. */
static oct_status
add_item(decoder *self, const grpc_message *message, const grpc_field *field, const wire_item *item,
         unsigned depth, oct_error *error)
{
    const char *text;
    double      number;
    float       single;
    uint32_t    bits;
    oct_status  status = OCT_OK;

    switch (field->kind) {
    case GRPC_DOUBLE:
        memcpy(&number, &item->value, sizeof number);
        add_double(self, number);
        break;
    case GRPC_FLOAT:
        bits = (uint32_t)item->value;
        memcpy(&single, &bits, sizeof single);
        number = (double)single;
        add_double(self, number);
        break;
    case GRPC_INT64:
        add_i64(self, (int64_t)item->value);
        return OCT_OK;
    case GRPC_INT32:
        add_i64(self, (int32_t)(uint32_t)item->value);
        return OCT_OK;
    case GRPC_UINT64:
        add_u64(self, item->value);
        return OCT_OK;
    case GRPC_UINT32:
        add_u64(self, (uint32_t)item->value);
        return OCT_OK;
    case GRPC_BOOL:
        add_bool(self, item->value != 0);
        return OCT_OK;
    case GRPC_STRING:
        status = check_text(message, field, item->bytes, error);
        add_text(self, item->bytes.data == NULL ? "" : item->bytes.data, item->bytes.size);
        return status;
    case GRPC_ENUM:
        status = enum_text(message, field, item->value, &text, error);
        if (status == OCT_OK && text != NULL)
            add_constant(self, text);
        else
            add(self, YYJSON_TYPE_NULL, 0);
        return status;
    default:
        return add_message(self, field->message, item->bytes, depth + 1, error);
    }
    return isfinite(number) ? OCT_OK
                            : oct_fail(error, OCT_INVALID, "%s.%s: %g is not a number that can be used",
                                       message->name, field->name, number);
}

/* The last value of a field; of a message all that came, joined. */
static oct_status
last_item(decoder *self, const grpc_field *field, found where, oct_slice bytes, wire_item *out,
          oct_error *error)
{
    wire   rest = {where.first, bytes.data + bytes.size};
    char  *joined;
    size_t size = 0;
    bool   is_broken;

    *out = item_at(where.last, bytes);
    if (where.count < 2 || field->kind != GRPC_MESSAGE)
        return OCT_OK;
    joined = arena_alloc(&self->call->memory, (size_t)(bytes.data + bytes.size - where.first));
    if (joined == NULL)
        return oct_fail_memory(error, bytes.size);
    while (rest.at <= where.last && wire_next(&rest, out, &is_broken))
        if (out->number == field->number && out->type == WIRE_BYTES) {
            memcpy(joined + size, out->bytes.data, out->bytes.size);
            size += out->bytes.size;
        }
    out->bytes = (oct_slice){joined, size};
    return OCT_OK;
}

/* --- lists and maps ------------------------------------------------------------------------------------------ */

/* The numbers of one packed part. */
static oct_status
add_packed(decoder *self, const grpc_message *message, const grpc_field *field, oct_slice packed,
           size_t *count, oct_error *error)
{
    wire       rest = {packed.data, packed.data + packed.size};
    oct_status status = OCT_OK;

    while (status == OCT_OK && rest.at < rest.end) {
        wire_item item = {.number = field->number};

        if (field->kind == GRPC_DOUBLE) {
            if (rest.end - rest.at < 8)
                return fail_broken(message, error);
            item.value = get_u64(rest.at);
            rest.at += 8;
        } else if (!wire_varint(&rest, &item.value)) {
            return fail_broken(message, error);
        }
        status = add_item(self, message, field, &item, 0, error);
        (*count)++;
    }
    return status;
}

/* The elements of a repeated field, without the brackets. */
static oct_status
add_elements(decoder *self, const grpc_message *message, const grpc_field *field, found where,
             oct_slice bytes, unsigned depth, size_t *count, oct_error *error)
{
    wire       rest = {where.first, bytes.data + bytes.size};
    wire_item  item;
    bool       is_broken;
    oct_status status = OCT_OK;

    if (where.count == 0)
        return OCT_OK;
    while (status == OCT_OK && rest.at <= where.last && wire_next(&rest, &item, &is_broken)) {
        if (item.number != field->number)
            continue;
        if (item.type == WIRE_BYTES && field->kind != GRPC_MESSAGE && field->kind != GRPC_STRING) {
            status = add_packed(self, message, field, item.bytes, count, error);
        } else {
            status = add_item(self, message, field, &item, depth, error);
            (*count)++;
        }
    }
    return status;
}

static oct_status
add_list(decoder *self, const grpc_message *message, const grpc_field *field, found where, oct_slice bytes,
         unsigned depth, oct_error *error)
{
    size_t     at, count = 0;
    oct_status status;

    if (field->kind == GRPC_FLOAT)
        return add_floats(self, message, field, where, bytes, error);
    at = open(self);
    status = add_elements(self, message, field, where, bytes, depth, &count, error);
    close(self, at, YYJSON_TYPE_ARR, count);
    return status;
}

/* Keys and values of a map, without the braces. */
static oct_status
add_map(decoder *self, const grpc_message *message, const grpc_field *field, found where, oct_slice bytes,
        unsigned depth, size_t *count, oct_error *error)
{
    wire       rest = {where.first, bytes.data + bytes.size};
    wire_item  item;
    bool       is_broken = false;
    oct_status status = OCT_OK;

    if (where.count == 0)
        return OCT_OK;
    while (status == OCT_OK && rest.at <= where.last && wire_next(&rest, &item, &is_broken)) {
        wire      entry = {item.bytes.data, item.bytes.data + item.bytes.size};
        wire_item part, value = {.bytes = {"", 0}};
        oct_slice key = {"", 0};

        if (item.number != field->number)
            continue;
        while (wire_next(&entry, &part, &is_broken))
            if (part.number == 1 && part.type == WIRE_BYTES)
                key = part.bytes;
            else if (part.number == 2 && part.type == WIRE_BYTES)
                value = part;
        if (is_broken)
            return fail_broken(message, error);
        status = check_text(message, field, key, error);
        add_text(self, key.data, key.size);
        if (status == OCT_OK)
            status = add_item(self, message, field, &value, depth, error);
        (*count)++;
    }
    return status;
}

/* --- fields ------------------------------------------------------------------------------------------------------ */

static oct_status
add_field_value(decoder *self, const grpc_message *message, const grpc_field *field, found where,
                oct_slice bytes, unsigned depth, oct_error *error)
{
    wire_item  item = {.bytes = {"", 0}};
    size_t     at, count = 0;
    oct_status status = OCT_OK;

    if ((field->flags & GRPC_REPEATED) != 0)
        return add_list(self, message, field, where, bytes, depth, error);
    if ((field->flags & GRPC_MAP) != 0) {
        at = open(self);
        status = add_map(self, message, field, where, bytes, depth, &count, error);
        close(self, at, YYJSON_TYPE_OBJ, count);
        return status;
    }
    if (where.count > 0)
        status = last_item(self, field, where, bytes, &item, error);
    return status == OCT_OK ? add_item(self, message, field, &item, depth, error) : status;
}

/* The value that was added at `mark`, taken off the tree, as the text of a query string. */
static oct_status
take_option(decoder *self, size_t mark, const char *name, oct_error *error)
{
    api_call   *call = self->call;
    yyjson_val *value;
    char       *text = arena_alloc(&call->memory, 24);
    oct_slice   shown;

    if (text == NULL || self->tree->failed)
        return oct_fail_memory(error, 24);
    value = (yyjson_val *)(void *)(self->tree->data + mark);
    if (yyjson_is_str(value)) {
        shown = (oct_slice){yyjson_get_str(value), yyjson_get_len(value)};
    } else {
        if (yyjson_is_bool(value))
            (void)snprintf(text, 24, "%s", yyjson_get_bool(value) ? "true" : "false");
        else
            (void)snprintf(text, 24, "%llu", (unsigned long long)yyjson_get_uint(value));
        shown = slice_of(text);
    }
    self->tree->size = mark;
    if (call->option_count < API_OPTIONS_MAX)
        call->options[call->option_count++] = (api_option){slice_of(name), shown};
    return OCT_OK;
}

/* A parameter of the route, by the name it has there. */
static oct_status
take_path(decoder *self, const grpc_message *message, const grpc_field *field, found where, oct_slice bytes,
          oct_error *error)
{
    const char *at = self->call->route->pattern;
    wire_item   item = {.bytes = {"", 0}};
    size_t      i = 0;

    if (where.count > 0)
        item = item_at(where.last, bytes);
    for (; (at = strchr(at, '{')) != NULL; i++) {
        at++;
        if (strncmp(at, field->name, field->name_size) == 0 && at[field->name_size] == '}') {
            self->call->params[i] = item.bytes;
            break;
        }
    }
    return check_text(message, field, item.bytes, error);
}

/* The vector of the old searches: bare, or with its name, sparse if there are indices. */
static oct_status
add_search_vector(decoder *self, const grpc_message *message, const found *list, oct_slice bytes,
                  unsigned depth, oct_error *error)
{
    const size_t vector = index_of(message, "vector"), name = index_of(message, "vector_name");
    const size_t indices = index_of(message, "sparse_indices");
    const bool   is_sparse = list[indices].count > 0, is_named = list[name].count > 0 || is_sparse;
    size_t       outer = 0, inner = 0;
    oct_status   status = OCT_OK;

    add_constant(self, "vector");
    if (is_named) {
        outer = open(self);
        add_constant(self, "name");
        status = add_field_value(self, message, &message->fields[name], list[name], bytes, depth, error);
        add_constant(self, "vector");
    }
    if (is_sparse) {
        inner = open(self);
        add_constant(self, "indices");
        if (status == OCT_OK)
            status =
                add_field_value(self, message, &message->fields[indices], list[indices], bytes, depth, error);
        add_constant(self, "values");
    }
    if (status == OCT_OK)
        status = add_floats(self, message, &message->fields[vector], list[vector], bytes, error);
    if (is_sparse)
        close(self, inner, YYJSON_TYPE_OBJ, 2);
    if (is_named)
        close(self, outer, YYJSON_TYPE_OBJ, 2);
    return status;
}

/* Ids of `positive` and vectors of `positive_vectors` are one list in JSON. */
static oct_status
add_examples(decoder *self, const grpc_message *message, size_t ids, const found *list, oct_slice bytes,
             unsigned depth, oct_error *error)
{
    char       name[32];
    size_t     vectors, at, count = 0;
    oct_status status;

    (void)snprintf(name, sizeof name, "%s_vectors", message->fields[ids].name);
    vectors = index_of(message, name);
    add_text(self, message->fields[ids].name, message->fields[ids].name_size);
    at = open(self);
    status = add_elements(self, message, &message->fields[ids], list[ids], bytes, depth, &count, error);
    if (status == OCT_OK)
        status = add_elements(self, message, &message->fields[vectors], list[vectors], bytes, depth, &count,
                              error);
    close(self, at, YYJSON_TYPE_ARR, count);
    return status;
}

/* A field as a member of the object, if it is to be one. */
static oct_status
add_member(decoder *self, const grpc_message *message, size_t i, const found *list, oct_slice bytes,
           unsigned depth, size_t *count, oct_error *error)
{
    const grpc_field *field = &message->fields[i];
    const size_t      mark = self->tree->size;
    const bool        is_set = list[i].count > 0;
    wire_item         item = {.bytes = {"", 0}};
    const char       *text;
    oct_status        status;

    if ((field->flags & GRPC_PATH) != 0)
        return depth == 0 ? take_path(self, message, field, list[i], bytes, error) : OCT_OK;
    if ((field->flags & GRPC_OPTION) != 0) {
        if (depth > 0 || !is_set)
            return OCT_OK;
        status = add_field_value(self, message, field, list[i], bytes, depth, error);
        return status == OCT_OK ? take_option(self, mark, field->name, error) : status;
    }
    if ((field->flags & GRPC_DROP) != 0 || (field->unless >= 0 && list[field->unless].count > 0))
        return OCT_OK;
    if ((field->flags & GRPC_HOOK_SEARCH_VECTOR) != 0) {
        (*count)++;
        return add_search_vector(self, message, list, bytes, depth, error);
    }
    if ((field->flags & GRPC_HOOK_EXAMPLES) != 0) {
        (*count)++;
        return add_examples(self, message, i, list, bytes, depth, error);
    }
    if (!is_set && (field->flags & GRPC_ALWAYS) == 0 &&
        (field->flags & (GRPC_PRESENCE | GRPC_REPEATED | GRPC_MAP)) != 0)
        return OCT_OK;
    if (is_set && (field->flags & (GRPC_REPEATED | GRPC_MAP)) == 0) {
        status = last_item(self, field, list[i], bytes, &item, error);
        if (status != OCT_OK)
            return status;
    }
    if ((field->flags & GRPC_INLINE) != 0)
        return add_members(self, field->message, item.bytes, depth + 1, count, error);
    if (field->kind == GRPC_ENUM && (field->flags & GRPC_REPEATED) == 0) {
        status = enum_text(message, field, item.value, &text, error);
        if (status != OCT_OK || text == NULL)
            return status;
    }
    add_text(self, field->name, field->name_size);
    (*count)++;
    if ((field->flags & (GRPC_REPEATED | GRPC_MAP)) != 0)
        return add_field_value(self, message, field, list[i], bytes, depth, error);
    return add_item(self, message, field, &item, depth, error);
}

static oct_status
check_depth(unsigned depth, oct_error *error)
{
    return depth <= GRPC_DEPTH_MAX
               ? OCT_OK
               : oct_fail(error, OCT_FORMAT,
                          "failed to decode protobuf message: recursion limit reached (%u messages)",
                          GRPC_DEPTH_MAX);
}

/* The members of a message, or the entries of the map that it is, without the braces. */
static oct_status
add_members(decoder *self, const grpc_message *message, oct_slice bytes, unsigned depth, size_t *count,
            oct_error *error)
{
    found      list[GRPC_FIELDS_MAX];
    oct_status status = check_depth(depth, error);

    if (status == OCT_OK)
        status = scan(message, bytes, list, error);
    if (status == OCT_OK && message->is_bare && (message->fields[0].flags & GRPC_MAP) != 0)
        return add_map(self, message, &message->fields[0], list[0], bytes, depth, count, error);
    for (size_t i = 0; status == OCT_OK && i < message->count; i++)
        status = add_member(self, message, i, list, bytes, depth, count, error);
    return status;
}

/* --- messages -------------------------------------------------------------------------------------------------------- */

static oct_status
add_timestamp(decoder *self, oct_slice bytes, const grpc_message *message, oct_error *error)
{
    wire      rest = {bytes.data, bytes.data + bytes.size};
    wire_item item;
    int64_t   seconds = 0;
    int32_t   nanos = 0;
    struct tm parts;
    time_t    moment;
    char     *text;
    bool      is_broken = false;

    while (wire_next(&rest, &item, &is_broken))
        if (item.number == 1 && item.type == WIRE_VARINT)
            seconds = (int64_t)item.value;
        else if (item.number == 2 && item.type == WIRE_VARINT)
            nanos = (int32_t)(uint32_t)item.value;
    if (is_broken)
        return fail_broken(message, error);
    moment = (time_t)seconds;
    if (seconds < SECONDS_MIN || seconds > SECONDS_MAX || nanos < 0 || nanos > 999999999 ||
        gmtime_r(&moment, &parts) == NULL)
        return oct_fail(error, OCT_INVALID,
                        "Unable to parse timestamp: %lld s, %d ns is not in the years 1 to 9999",
                        (long long)seconds, (int)nanos);
    text = arena_alloc(&self->call->memory, TIMESTAMP_MAX);
    if (text == NULL)
        return oct_fail_memory(error, TIMESTAMP_MAX);
    (void)snprintf(text, TIMESTAMP_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ", parts.tm_year + 1900,
                   parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, (int)nanos);
    add_constant(self, text);
    return OCT_OK;
}

/* The oneof of kinds, or what clients before it send: numbers, with indices or the number of rows beside them. */
static oct_status
add_vector(decoder *self, const grpc_message *message, oct_slice bytes, unsigned depth, oct_error *error)
{
    enum { DATA, INDICES, ROWS, KINDS };
    found      list[GRPC_FIELDS_MAX];
    oct_slice  floats;
    wire_item  item;
    size_t     at, row;
    oct_status status = scan(message, bytes, list, error);

    for (size_t i = KINDS; status == OCT_OK && i < message->count; i++)
        if (list[i].count > 0)
            return add_field_value(self, message, &message->fields[i], list[i], bytes, depth, error);
    if (status == OCT_OK)
        status =
            gather(self, message, &message->fields[DATA], list[DATA], bytes, sizeof(float), &floats, error);
    if (status != OCT_OK)
        return status;
    if (list[INDICES].count > 0) {
        at = open(self);
        add_constant(self, "indices");
        status =
            add_field_value(self, message, &message->fields[INDICES], list[INDICES], bytes, depth, error);
        add_constant(self, "values");
        add_raw(self, floats.data, floats.size);
        close(self, at, YYJSON_TYPE_OBJ, 2);
        return status;
    }
    item = list[ROWS].count > 0 ? item_at(list[ROWS].last, bytes) : (wire_item){0};
    if ((uint32_t)item.value == 0) {
        add_raw(self, floats.data, floats.size);
        return OCT_OK;
    }
    row = floats.size / (uint32_t)item.value;
    if (row == 0 || floats.size % (uint32_t)item.value != 0 || row % sizeof(float) != 0)
        return oct_fail(error, OCT_INVALID, "%zu numbers cannot be %u vectors of one dimension",
                        floats.size / sizeof(float), (uint32_t)item.value);
    at = open(self);
    for (size_t i = 0; i < (uint32_t)item.value; i++)
        add_raw(self, floats.data + i * row, row);
    close(self, at, YYJSON_TYPE_ARR, (uint32_t)item.value);
    return OCT_OK;
}

/* A list of keys, or {target, fallback}. */
static oct_status
add_shard_keys(decoder *self, const grpc_message *message, oct_slice bytes, unsigned depth, oct_error *error)
{
    enum { KEYS, FALLBACK };
    const grpc_field *fields = message->fields;
    found             list[GRPC_FIELDS_MAX];
    size_t            at, count = 0;
    oct_status        status = scan(message, bytes, list, error);

    if (status != OCT_OK)
        return status;
    if (list[FALLBACK].count == 0)
        return add_list(self, message, &fields[KEYS], list[KEYS], bytes, depth, error);
    if (list[KEYS].count != 1)
        return oct_fail(error, OCT_INVALID, "a fallback shard key goes with one shard key, but there are %u",
                        list[KEYS].count);
    at = open(self);
    add_constant(self, "target");
    status = add_elements(self, message, &fields[KEYS], list[KEYS], bytes, depth, &count, error);
    add_constant(self, "fallback");
    if (status == OCT_OK)
        status = add_field_value(self, message, &fields[FALLBACK], list[FALLBACK], bytes, depth, error);
    close(self, at, YYJSON_TYPE_OBJ, 2);
    return status;
}

static oct_status
add_object(decoder *self, const grpc_message *message, oct_slice bytes, unsigned depth, oct_error *error)
{
    found      list[GRPC_FIELDS_MAX];
    bool       is_any = false;
    size_t     at, count = 0;
    oct_status status = scan(message, bytes, list, error);

    if (status != OCT_OK)
        return status;
    for (size_t i = 0; i < message->count; i++) {
        is_any = is_any || list[i].count > 0;
        if ((message->fields[i].flags & GRPC_SELF) != 0 && list[i].count > 0)
            return add_field_value(self, message, &message->fields[i], list[i], bytes, depth, error);
    }
    if (!is_any && message->shape == GRPC_NONE)
        return oct_fail(error, OCT_INVALID, "%s", message->text);
    if (!is_any && message->shape == GRPC_EMPTY) {
        add_constant(self, message->text);
        return OCT_OK;
    }
    if (!is_any && message->shape == GRPC_FALSE) {
        add_bool(self, false);
        return OCT_OK;
    }
    if (message->is_bare) {
        if ((message->fields[0].flags & GRPC_PRESENCE) == 0)
            return add_field_value(self, message, &message->fields[0], list[0], bytes, depth, error);
        add(self, YYJSON_TYPE_NULL, 0);
        return OCT_OK;
    }
    at = open(self);
    if (message->shape == GRPC_TYPE) {
        add_constant(self, "type");
        add_constant(self, message->text);
        count++;
    }
    for (size_t i = 0; status == OCT_OK && i < message->count; i++)
        status = add_member(self, message, i, list, bytes, depth, &count, error);
    close(self, at, YYJSON_TYPE_OBJ, count);
    return status;
}

static oct_status
add_message(decoder *self, const grpc_message *message, oct_slice bytes, unsigned depth, oct_error *error)
{
    const oct_status status = check_depth(depth, error);

    if (status != OCT_OK)
        return status;
    switch (message->shape) {
    case GRPC_TEXT:
        add_constant(self, message->text);
        return OCT_OK;
    case GRPC_TRUE:
        add_bool(self, true);
        return OCT_OK;
    case GRPC_SPECIAL_VALUE:
        return add_value(self, message, bytes, 0, error);
    case GRPC_SPECIAL_STRUCT:
        return add_entries(self, message, bytes, 0, error);
    case GRPC_SPECIAL_LIST_VALUE:
        return add_values(self, message, bytes, 0, error);
    case GRPC_SPECIAL_TIMESTAMP:
        return add_timestamp(self, bytes, message, error);
    case GRPC_SPECIAL_VECTOR:
        return add_vector(self, message, bytes, depth, error);
    case GRPC_SPECIAL_SHARD_KEY_SELECTOR:
        return add_shard_keys(self, message, bytes, depth, error);
    default:
        return add_object(self, message, bytes, depth, error);
    }
}

oct_status
grpc_decode(api_call *call, const grpc_message *message, oct_slice bytes, oct_error *error)
{
    decoder    self = {call, &call->tree};
    oct_status status;

    if (bytes.size == 0)
        bytes.data = "";
    status = add_message(&self, message, bytes, 0, error);
    if (status == OCT_OK && call->tree.failed)
        status = oct_fail_memory(error, call->tree.capacity);
    return status;
}
