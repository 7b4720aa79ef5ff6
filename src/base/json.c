/* See json.h. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define PATH_BYTES_MAX  256u /* a longer path is cut: the error's text has 1024 bytes in all */
#define VALUE_BYTES_MAX 64u  /* of a string shown in an error */

/* --- memory: yyjson allocates as everything else does ---------------------------------------- */

static void *
heap_alloc(void *context, size_t size)
{
    (void)context;
    return oct_alloc(size);
}

static void *
heap_realloc(void *context, void *memory, size_t old_size, size_t size)
{
    (void)context;
    (void)old_size;
    return oct_realloc(memory, size);
}

static void
heap_free(void *context, void *memory)
{
    (void)context;
    oct_free(memory);
}

static const yyjson_alc heap = {heap_alloc, heap_realloc, heap_free, NULL};

/* --- parsing -------------------------------------------------------------------------------- */

/* True if the containers in `value`, which is at `level`, nest no deeper than JSON_DEPTH_MAX. An array whose
 * values take one cell each, as a vector's do, holds at most empty containers: it need not be walked. */
static bool
depth_is_allowed(yyjson_val *value, size_t level)
{
    yyjson_val *child, *end;

    if (level > JSON_DEPTH_MAX)
        return false;
    if (level < JSON_DEPTH_MAX && yyjson_is_arr(value) && unsafe_yyjson_arr_is_flat(value))
        return true;
    end = unsafe_yyjson_get_next(value);
    for (child = unsafe_yyjson_get_first(value); child < end; child = unsafe_yyjson_get_next(child))
        if (unsafe_yyjson_is_ctn(child) && !depth_is_allowed(child, level + 1))
            return false;
    return true;
}

/* 1-based line and column (in bytes) of an offset, for messages. */
static void
place_of(oct_slice text, size_t offset, size_t *line, size_t *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < size_min(offset, text.size); i++) {
        (*column)++;
        if (text.data[i] == '\n') {
            (*line)++;
            *column = 1;
        }
    }
}

oct_status
json_parse(oct_slice text, json_document *out, oct_error *error)
{
    yyjson_read_err failed = {0};
    size_t          line, column;

    *out = (json_document){0};
    if (text.size == 0)
        return oct_fail(error, OCT_FORMAT, "EOF while parsing a value at line 1 column 0");
    out->doc = yyjson_read_opts((char *)(uintptr_t)text.data, text.size, YYJSON_READ_NOFLAG, &heap, &failed);
    if (out->doc == NULL) {
        if (failed.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
            return oct_fail_memory(error, text.size);
        place_of(text, failed.pos, &line, &column);
        return oct_fail(error, OCT_FORMAT, "%s at line %zu column %zu", failed.msg, line, column);
    }
    out->root = yyjson_doc_get_root(out->doc);
    if (unsafe_yyjson_is_ctn(out->root) && !depth_is_allowed(out->root, 1))
        return oct_fail(error, OCT_FORMAT, "recursion limit exceeded: arrays and objects nest deeper than %u",
                        JSON_DEPTH_MAX);
    return OCT_OK;
}

void
json_document_clear(json_document *self)
{
    yyjson_doc_free(self->doc);
    *self = (json_document){0};
}

/* --- errors --------------------------------------------------------------------------------- */

/* Append, cut to what fits. Returns the new size. */
static size_t
path_add(char *text, size_t size, const char *part, size_t part_size)
{
    const size_t fits = size_min(part_size, PATH_BYTES_MAX - 1 - size);

    memcpy(text + size, part, fits);
    return size + fits;
}

static size_t
path_text(const json_path *at, bool of_range, char *text)
{
    const json_path *chain[JSON_DEPTH_MAX + 8];
    size_t           depth = 0, size = 0;

    for (; at != NULL && depth < countof(chain); at = at->up)
        chain[depth++] = at;
    while (depth > 0) {
        char number[32];

        at = chain[--depth];
        if (at->name == NULL) {
            const int digits = snprintf(number, sizeof number, "[%zu]", at->index);

            size = path_add(text, size, number, (size_t)digits);
        } else {
            const bool       other = of_range && at->range_name != NULL;
            const char      *name = other ? at->range_name : at->name;
            const size_t     name_size = other ? strlen(name) : at->name_size;

            if (at->range_name != NULL && name_size == 0)
                continue;
            if (size > 0)
                size = path_add(text, size, ".", 1);
            size = path_add(text, size, name, name_size);
        }
    }
    text[size] = '\0';
    return size;
}

oct_status
json_fail(const json_path *at, oct_error *error, oct_status status, const char *format, ...)
{
    char    path[PATH_BYTES_MAX], text[OCT_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (path_text(at, status == OCT_RANGE, path) == 0)
        return oct_fail(error, status, "%s", text);
    return oct_fail(error, status, "%s: %.*s", path, (int)(OCT_ERROR_TEXT_MAX - PATH_BYTES_MAX), text);
}

static void
describe(const yyjson_val *value, char *text, size_t size)
{
    yyjson_val *shown = (yyjson_val *)(uintptr_t)value;

    switch (yyjson_get_type(shown)) {
    case YYJSON_TYPE_NULL:
        (void)snprintf(text, size, "null");
        break;
    case YYJSON_TYPE_BOOL:
        (void)snprintf(text, size, "boolean `%s`", yyjson_get_bool(shown) ? "true" : "false");
        break;
    case YYJSON_TYPE_NUM:
        if (yyjson_is_uint(shown))
            (void)snprintf(text, size, "integer `%llu`", (unsigned long long)yyjson_get_uint(shown));
        else if (yyjson_is_sint(shown))
            (void)snprintf(text, size, "integer `%lld`", (long long)yyjson_get_sint(shown));
        else
            (void)snprintf(text, size, "floating point `%g`", yyjson_get_real(shown));
        break;
    case YYJSON_TYPE_STR:
        (void)snprintf(text, size, "string \"%.*s\"", (int)size_min(yyjson_get_len(shown), VALUE_BYTES_MAX),
                       yyjson_get_str(shown));
        break;
    case YYJSON_TYPE_ARR:
        (void)snprintf(text, size, "sequence");
        break;
    default:
        (void)snprintf(text, size, "map");
        break;
    }
}

oct_status
json_fail_type(const json_path *at, const yyjson_val *value, const char *expected, oct_error *error)
{
    char shown[VALUE_BYTES_MAX + 32];

    describe(value, shown, sizeof shown);
    return json_fail(at, error, OCT_FORMAT, "invalid type: %s, expected %s", shown, expected);
}

oct_status
json_fail_range(const json_path *at, uint64_t value, uint64_t min, uint64_t max, oct_error *error)
{
    const unsigned long long v = value, low = min, high = max;

    if (max == UINT64_MAX)
        return json_fail(at, error, OCT_RANGE, "value %llu invalid, must be %llu or larger", v, low);
    if (min == 0)
        return json_fail(at, error, OCT_RANGE, "value %llu invalid, must be %llu or smaller", v, high);
    return json_fail(at, error, OCT_RANGE, "value %llu invalid, must be from %llu to %llu", v, low, high);
}

oct_status
json_fail_length(const json_path *at, oct_slice text, size_t min, size_t max, oct_error *error)
{
    const oct_slice shown = {text.data, size_min(text.size, 300)};

    if (max == SIZE_MAX)
        return json_fail(at, error, OCT_RANGE,
                         "value \"" SLICE_FMT "\" invalid, must be at least %zu characters", SLICE_ARG(shown),
                         min);
    return json_fail(at, error, OCT_RANGE,
                     "value \"" SLICE_FMT "\" invalid, must be from %zu to %zu characters", SLICE_ARG(shown),
                     min, max);
}

/* --- fields --------------------------------------------------------------------------------- */

bool
json_key_is(yyjson_val *key, const char *name)
{
    const size_t size = strlen(name);

    return unsafe_yyjson_get_len(key) == size && memcmp(unsafe_yyjson_get_str(key), name, size) == 0;
}

oct_status
json_fields(const json_path *at, yyjson_val *object, const json_field *fields, size_t count, bool strict,
            yyjson_val **values, oct_error *error)
{
    uint32_t        seen = 0;
    yyjson_obj_iter iter;
    yyjson_val     *key;

    OCT_MUST(count <= JSON_FIELDS_MAX);
    for (size_t i = 0; i < count; i++)
        values[i] = NULL;
    if (!yyjson_is_obj(object))
        return json_fail_type(at, object, "an object", error);
    iter = yyjson_obj_iter_with(object);
    while ((key = yyjson_obj_iter_next(&iter)) != NULL) {
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        size_t      i = 0;

        while (i < count && !json_key_is(key, fields[i].name) &&
               (fields[i].alias == NULL || !json_key_is(key, fields[i].alias)))
            i++;
        if (i == count) {
            if (strict)
                return json_fail(at, error, OCT_FORMAT, "unknown field `%.*s`",
                                 (int)size_min(yyjson_get_len(key), VALUE_BYTES_MAX), yyjson_get_str(key));
            continue;
        }
        if ((seen & 1u << i) != 0)
            return json_fail(at, error, OCT_FORMAT, "duplicate field `%s`", fields[i].name);
        seen |= 1u << i;
        values[i] = yyjson_is_null(value) ? NULL : value;
    }
    for (size_t i = 0; i < count; i++)
        if (fields[i].required && values[i] == NULL)
            return json_fail(at, error, OCT_FORMAT, "missing field `%s`", fields[i].name);
    return OCT_OK;
}

oct_status
json_get_bool(const json_path *at, yyjson_val *value, bool *out, oct_error *error)
{
    if (value == NULL)
        return OCT_OK;
    if (!yyjson_is_bool(value))
        return json_fail_type(at, value, "a boolean", error);
    *out = yyjson_get_bool(value);
    return OCT_OK;
}

oct_status
json_get_u64(const json_path *at, yyjson_val *value, uint64_t *out, oct_error *error)
{
    if (value == NULL)
        return OCT_OK;
    if (!yyjson_is_uint(value))
        return json_fail_type(at, value, "an unsigned integer", error);
    *out = yyjson_get_uint(value);
    return OCT_OK;
}

oct_status
json_get_range(const json_path *at, yyjson_val *value, uint64_t min, uint64_t max, uint64_t *out,
               oct_error *error)
{
    uint64_t   number = min;
    oct_status status;

    if (value == NULL)
        return OCT_OK;
    status = json_get_u64(at, value, &number, error);
    if (status == OCT_OK && max == UINT32_MAX && number > max) /* no rule, but a type: 32 bits are what there is */
        status = json_fail_type(at, value, "u32", error);
    else if (status == OCT_OK && (number < min || number > max))
        status = json_fail_range(at, number, min, max == UINT32_MAX ? UINT64_MAX : max, error);
    if (status == OCT_OK)
        *out = number;
    return status;
}

oct_status
json_get_double(const json_path *at, yyjson_val *value, double *out, oct_error *error)
{
    if (value == NULL)
        return OCT_OK;
    if (!yyjson_is_num(value))
        return json_fail_type(at, value, "a number", error);
    *out = yyjson_get_num(value);
    return OCT_OK;
}

oct_status
json_get_float(const json_path *at, yyjson_val *value, float *out, oct_error *error)
{
    double     number = 0;
    oct_status status;

    if (value == NULL)
        return OCT_OK;
    status = json_get_double(at, value, &number, error);
    if (status != OCT_OK)
        return status;
    if (!isfinite((float)number))
        return json_fail(at, error, OCT_FORMAT, "invalid value: floating point `%g`, expected a 32-bit float",
                         number);
    *out = (float)number;
    return OCT_OK;
}

oct_status
json_get_text(const json_path *at, yyjson_val *value, oct_slice *out, oct_error *error)
{
    if (value == NULL)
        return OCT_OK;
    if (!yyjson_is_str(value))
        return json_fail_type(at, value, "a string", error);
    *out = (oct_slice){yyjson_get_str(value), yyjson_get_len(value)};
    return OCT_OK;
}

oct_status
json_get_name(const json_path *at, yyjson_val *value, const json_name *names, size_t count, int64_t *out,
              oct_error *error)
{
    char      list[256];
    size_t    size = 0;
    oct_slice text = {0};

    if (value == NULL)
        return OCT_OK;
    if (yyjson_is_str(value))
        for (size_t i = 0; i < count; i++)
            if (json_key_is(value, names[i].text)) {
                *out = names[i].value;
                return OCT_OK;
            }
    for (size_t i = 0; i < count && size < sizeof list; i++)
        size +=
            (size_t)snprintf(list + size, sizeof list - size, "%s`%s`", i == 0 ? "" : ", ", names[i].text);
    if (!yyjson_is_str(value))
        return json_fail_type(at, value, list, error);
    text = (oct_slice){yyjson_get_str(value), size_min(yyjson_get_len(value), VALUE_BYTES_MAX)};
    return json_fail(at, error, OCT_FORMAT, "unknown variant `" SLICE_FMT "`, expected %s%s", SLICE_ARG(text),
                     count > 1 ? "one of " : "", list);
}

const char *
json_name_of(const json_name *names, size_t count, int64_t value)
{
    for (size_t i = 0; i < count; i++)
        if (names[i].value == value)
            return names[i].text;
    return NULL;
}

oct_status
json_write_value(const yyjson_val *value, arena *memory, oct_slice *out, oct_error *error)
{
    size_t size = 0;
    char  *text = yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, &heap, &size, NULL);
    char  *copy = text == NULL ? NULL : arena_text(memory, text, size);

    oct_free(text);
    if (copy == NULL)
        return oct_fail_memory(error, size);
    *out = (oct_slice){copy, size};
    return OCT_OK;
}

/* --- writing -------------------------------------------------------------------------------- */

/* The well-formed sequences of the Unicode standard, table 3-7: no overlong forms, no surrogates, nothing
 * above U+10FFFF. */
size_t
utf8_length(const char *at, size_t available)
{
    const unsigned char *b = (const unsigned char *)at;
    unsigned char        low = 0x80, high = 0xBF;
    size_t               length;

    if (available == 0)
        return 0;
    if (b[0] < 0x80)
        return 1;
    if (b[0] < 0xC2 || b[0] > 0xF4)
        return 0;
    length = b[0] < 0xE0 ? 2 : b[0] < 0xF0 ? 3 : 4;
    if (available < length)
        return 0;
    if (b[0] == 0xE0)
        low = 0xA0;
    else if (b[0] == 0xED)
        high = 0x9F;
    else if (b[0] == 0xF0)
        low = 0x90;
    else if (b[0] == 0xF4)
        high = 0x8F;
    if (b[1] < low || b[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((b[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

bool
utf8_is_valid(oct_slice text)
{
    size_t i = 0;

    while (i < text.size) {
        const size_t length = utf8_length(text.data + i, text.size - i);

        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

void
json_add_text(buffer *out, oct_slice text)
{
    static const char hex[] = "0123456789abcdef";
    static const char replacement[] = "\xEF\xBF\xBD";
    size_t            i = 0;

    buffer_add_byte(out, '"');
    while (i < text.size) {
        const unsigned char c = (unsigned char)text.data[i];
        size_t              length;

        if (c == '"' || c == '\\') {
            const char pair[2] = {'\\', (char)c};

            buffer_add(out, pair, 2);
            i++;
        } else if (c < 0x20) {
            const char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

            if (c == '\n')
                buffer_add(out, "\\n", 2);
            else if (c == '\t')
                buffer_add(out, "\\t", 2);
            else if (c == '\r')
                buffer_add(out, "\\r", 2);
            else
                buffer_add(out, escape, sizeof escape);
            i++;
        } else {
            length = utf8_length(text.data + i, text.size - i);
            if (length == 0)
                buffer_add(out, replacement, 3);
            else
                buffer_add(out, text.data + i, length);
            i += size_max(length, 1);
        }
    }
    buffer_add_byte(out, '"');
}

void
json_add_u64(buffer *out, uint64_t value)
{
    char   digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    buffer_add(out, digits + at, sizeof digits - at);
}

void
json_add_double(buffer *out, double value)
{
    char text[40];

    if (!isfinite(value)) {
        buffer_add(out, "null", 4);
        return;
    }
    for (int precision = 1; precision <= 17; precision++) {
        (void)snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buffer_add_text(out, text);
    if (strpbrk(text, ".eE") == NULL)
        buffer_add(out, ".0", 2);
}
