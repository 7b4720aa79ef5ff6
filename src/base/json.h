/* json.h - JSON text into typed fields, with errors that name the path; text and numbers into JSON.
 *
 * OWNS     the limits on JSON from outside (depth, valid UTF-8, unique keys where a field is meant) and
 *          the wording of what is wrong with a value. Knows no request and no payload rule.
 * CALLED   by api/ (requests) and config/config.c (configurations, stored ones too). Payload
 *          documents have rules of their own (payload/document.h).
 * READ     json_parse once, then json_fields for each object, then a json_get_* for each field.
 * ERRORS   OCT_FORMAT: not JSON, wrong type, missing or repeated field. OCT_RANGE: breaks a limit. Both
 *          texts begin with the path of the value, such as `points[3].vector: ...`, unless it is the root.
 * KEYS     A repeated key of a field that is looked for is an error; maps from names to values (named
 *          vectors, metadata) let the last one win; keys nobody asks for are ignored unless `strict`.
 *          null means "not given" for every field.
 */
#ifndef OCT_JSON_H
#define OCT_JSON_H

#include <yyjson.h>

#include "base/arena.h"

/* Levels of arrays and objects in one document: a payload's (OCT_PAYLOAD_DEPTH_MAX) plus what a request
 * wraps around it. yyjson itself needs no stack; what walks its values does. */
#define JSON_DEPTH_MAX  192u
#define JSON_FIELDS_MAX 24u /* fields of one json_fields call */

/* Where a value stands. Lives on the C stack, read only when something is wrong. */
typedef struct json_path {
    const struct json_path *up;   /* NULL: the root */
    const char             *name; /* NULL: an element of an array */
    size_t                  name_size;
    size_t                  index;
    const char             *range_name; /* NULL: `name`. Of a broken range (OCT_RANGE) this step is shown so */
} json_path;

typedef struct json_document {
    yyjson_doc *doc;
    yyjson_val *root;
} json_document;

/* *out is released with json_document_clear, also after a failure. Values point into it. */
oct_status json_parse(oct_slice text, json_document *out, oct_error *error);
void       json_document_clear(json_document *self);

/* --- reading ------------------------------------------------------------------------------- */

static inline json_path
json_at(const json_path *up, const char *name)
{
    return (json_path){up, name, strlen(name), 0, NULL};
}

static inline json_path
json_at_slice(const json_path *up, oct_slice name)
{
    return (json_path){up, name.data, name.size, 0, NULL};
}

static inline json_path
json_at_index(const json_path *up, size_t index)
{
    return (json_path){up, NULL, 0, index, NULL};
}

/* A step that only a broken range shows, under `range_name`: Qdrant checks ranges in structures of its own, which are
 * flattened or without keys on the wire. A `name` that is not empty stands in all other errors. */
static inline json_path
json_at_range(const json_path *up, oct_slice name, const char *range_name)
{
    return (json_path){up, name.data, name.size, 0, range_name};
}

/* `PATH: text`, or only the text at the root. */
oct_status json_fail(const json_path *at, oct_error *error, oct_status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* "invalid type: string "x", expected EXPECTED" */
oct_status json_fail_type(const json_path *at, const yyjson_val *value, const char *expected,
                          oct_error *error);

/* "value V invalid, must be ..."; `max` of UINT64_MAX: no upper limit; `min` 0: no lower one. */
oct_status json_fail_range(const json_path *at, uint64_t value, uint64_t min, uint64_t max, oct_error *error);
/* "value "TEXT" invalid, must be from MIN to MAX characters" and its kin. */
oct_status json_fail_length(const json_path *at, oct_slice text, size_t min, size_t max, oct_error *error);

typedef struct json_field {
    const char *name;
    const char *alias; /* NULL: none */
    bool        required;
} json_field;

/* Find the fields of an object in one pass: values[i] is that of fields[i], NULL if absent or null. */
oct_status json_fields(const json_path *at, yyjson_val *object, const json_field *fields, size_t count,
                       bool strict, yyjson_val **values, oct_error *error);
bool       json_key_is(yyjson_val *key, const char *name);

/* The value must be of the type. `out` is left alone when `value` is NULL (the field is not given), so
 * that it may hold the default. */
oct_status json_get_bool(const json_path *at, yyjson_val *value, bool *out, oct_error *error);
oct_status json_get_u64(const json_path *at, yyjson_val *value, uint64_t *out, oct_error *error);
/* As json_get_u64, then OCT_RANGE unless min <= value <= max. A `max` of UINT32_MAX is a type, not a rule: OCT_FORMAT beyond. */
oct_status json_get_range(const json_path *at, yyjson_val *value, uint64_t min, uint64_t max, uint64_t *out,
                          oct_error *error);
oct_status json_get_double(const json_path *at, yyjson_val *value, double *out, oct_error *error);
oct_status json_get_float(const json_path *at, yyjson_val *value, float *out, oct_error *error);
oct_status json_get_text(const json_path *at, yyjson_val *value, oct_slice *out, oct_error *error);

typedef struct json_name {
    const char *text;
    int64_t     value;
} json_name;

/* One of `names`; the error lists them. */
oct_status json_get_name(const json_path *at, yyjson_val *value, const json_name *names, size_t count,
                         int64_t *out, oct_error *error);
/* NULL if there is none. */
const char *json_name_of(const json_name *names, size_t count, int64_t value);

/* Compact text of a value, in the arena. */
oct_status json_write_value(const yyjson_val *value, arena *memory, oct_slice *out, oct_error *error);

/* --- writing ------------------------------------------------------------------------------- */

/* A string with quotes and escapes. What is not valid UTF-8 becomes U+FFFD. */
void json_add_text(buffer *out, oct_slice text);
void json_add_u64(buffer *out, uint64_t value);
/* Shortest decimal that reads back as this double; integers get ".0". Not finite: null. */
void json_add_double(buffer *out, double value);

/* Number of bytes of the valid UTF-8 character at `at`, or 0. */
size_t utf8_length(const char *at, size_t available);
bool   utf8_is_valid(oct_slice text);

#endif /* OCT_JSON_H */
