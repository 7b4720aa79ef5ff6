/* config_internal.h - the tables behind config.h, for config*.c only. See config.c. */
#ifndef OCT_CONFIG_INTERNAL_H
#define OCT_CONFIG_INTERNAL_H

#include "config/config.h"

typedef enum field_type {
    FIELD_UINT,
    FIELD_BOOL,
    FIELD_DOUBLE,
    FIELD_NAME,    /* a word out of `names` */
    FIELD_THREADS, /* a number, or "auto" as THREADS_AUTO */
    FIELD_FIXED    /* must be the one word in `names`; not stored */
} field_type;

enum { THREADS_AUTO = -2 };

typedef struct config_field {
    const char      *name;
    const char      *alias;
    field_type       type;
    bool             required;        /* in requests */
    bool             null_when_unset; /* shown as null rather than left out */
    size_t           offset;
    uint64_t         min, max;    /* FIELD_UINT, FIELD_THREADS */
    bool             tell_both;   /* the upper limit is Qdrant's too: errors name it beside the lower */
    uint64_t         request_min; /* a higher lower limit that only requests have */
    double           low, high;   /* FIELD_DOUBLE */
    const json_name *names;
    size_t           name_count;
    int64_t          preset;        /* OCT_UNSET: no default */
    double           preset_double; /* negative: no default */
} config_field;

typedef struct config_table {
    const config_field *fields;
    size_t              count;
} config_table;

typedef struct quantization_kind {
    const char  *name;
    config_table table;
} quantization_kind;

typedef enum json_form { FORM_REQUEST, FORM_SHOWN, FORM_STORED } json_form;

#define ANY_UINT INT64_MAX /* the largest number a field can hold */

extern const config_table config_hnsw_table;
extern const config_table config_optimizer_table;
extern const config_table config_wal_table;
extern const config_table config_params_table;        /* of oct_collection_config itself */
extern const config_table config_params_update_table; /* those of them that may change */
extern const config_table config_payload_table;       /* of oct_collection_config itself: the member `payload` */
extern const config_table config_strict_table;
extern const config_table config_vector_table;
extern const config_table config_vector_update_table;

/* By enum oct_quantization; the first is empty. */
extern const quantization_kind config_quantization_kinds[OCT_QUANTIZATION_TURBO + 1];

/* config_fields.c: the member field_indexes of the stored form; limits; copies, with one added (which replaces that of the
 * same field; NULL: none) and one taken away (data NULL: none). */
oct_status config_read_fields(yyjson_val *list, arena *memory, oct_collection_config *out, oct_error *error);
void       config_write_fields(const oct_collection_config *config, buffer *out);
oct_status config_check_fields(const oct_collection_config *config, oct_error *error);
oct_status config_copy_fields(const oct_collection_config *config, arena *memory, oct_collection_config *out,
                              oct_error *error);

int64_t *config_number_in(const config_field *field, const void *config);
double  *config_double_in(const config_field *field, const void *config);
bool     config_is_set(const config_field *field, const void *config);
void     config_table_init(const config_table *table, void *config); /* every field unset */
void     config_table_merge(const config_table *table, void *config, const void *changes);
void     config_table_add(const config_table *table, void *config, const void *others); /* what is unset */
oct_status config_table_check(const json_path *up, const config_table *table, const void *config, oct_error *error);
bool     config_table_is_unset(const config_table *table, const void *config);

/* OCT_RANGE for a number outside [min, max], worded as Qdrant does. */
oct_status config_fail_uint(const json_path *at, const config_field *field, uint64_t value, uint64_t min,
                            oct_error *error);
oct_status config_check_double(const json_path *at, const config_field *field, double value,
                               oct_error *error);

/* --- config_json.c: sections of a body; NULL objects are left out --- */

oct_status config_section_decode(const json_path *up, const char *name, const config_table *table, yyjson_val *object,
                                 json_form form, void *config, oct_error *error);
/* Those that requests and the operator's wishes for new collections share. `may_disable`: of a quantization also "Disabled". */
oct_status config_settings_decode(yyjson_val *hnsw, yyjson_val *wal, yyjson_val *optimizers, yyjson_val *quantization,
                                  bool may_disable, oct_collection_config *out, oct_error *error);

/* --- config_json.c: one table, one key ---------------------------------------------------------- */

/* Set the fields of the table that the object has; its other keys are not looked at. */
oct_status config_table_decode(const json_path *at, const config_table *table, yyjson_val *object, json_form form,
                               void *config, oct_error *error);
void       config_table_encode(const config_table *table, const void *config, json_form form, buffer *out);
/* `"name":`, after a comma unless this is the first member of its object. */
void config_add_key(buffer *out, const char *name);

/* --- config_sparse.c ------------------------------------------------------------------------------ */

oct_status config_sparse_decode(const json_path *at, oct_slice name, yyjson_val *object, json_form form,
                                oct_vector_config *out, oct_error *error);
oct_status config_sparse_decode_name(const json_path *at, oct_slice name, yyjson_val *object, oct_vector_config *out,
                                     oct_error *error);
void       config_sparse_encode(const oct_sparse_config *config, json_form form, buffer *out); /* the object */
oct_status config_sparse_check(const json_path *at, const oct_vector_config *vector, oct_error *error);
void       config_sparse_merge(oct_sparse_config *config, const oct_sparse_config *changes);

/* --- config_strict.c ------------------------------------------------------------------------------ */

oct_status config_strict_decode(yyjson_val *object, json_form form, arena *memory, oct_strict_config *out,
                                oct_error *error);
void       config_strict_encode(const oct_strict_config *strict, json_form form, buffer *out);
oct_status config_shard_keys_read(yyjson_val *list, yyjson_val *made, arena *memory, oct_collection_config *out,
                                  oct_error *error);
void       config_shard_keys_write(const oct_collection_config *config, buffer *out);

/* Add `"key":value` for the members of a metadata object, except keys that `hidden` has too and, if so
 * asked, those that are null. Of a repeated key the last counts. */
oct_status config_add_members(yyjson_val *object, yyjson_val *hidden, bool drop_null, arena *memory,
                              buffer *out, oct_error *error);

#endif /* OCT_CONFIG_INTERNAL_H */
