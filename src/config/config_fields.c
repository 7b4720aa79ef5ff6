/* Field indexes in configurations: the parameters of each type as JSON, and what holds of them. See config.h.
 *
 * A schema is the name of a type, or an object with `type` and that type's parameters. Which of the two it was is
 * remembered, as it is shown the same way. The tables of config.c's kind say which members of oct_field_index a type
 * has; all types but text have flags and a memory placement only.
 * STORED  {"field":"a.b","type":"keyword", parameters ..,"params":true}
 */
#include <stddef.h>

#include "config/config_internal.h"
#include "config/text_config.h"
#include "payload/path.h"
#include "text/text.h"

#define FLAG(member)                                                                                         \
    {                                                                                                        \
        #member, NULL, .type = FIELD_BOOL, .offset = offsetof(oct_field_index, member), .preset = OCT_UNSET  \
    }
#define COUNT(member, low)                                                                                   \
    {                                                                                                        \
        #member, NULL, .type = FIELD_UINT, .offset = offsetof(oct_field_index, member), .min = (low),        \
        .max = ANY_UINT, .preset = OCT_UNSET                                                                 \
    }
#define WORD(member, list)                                                                                   \
    {                                                                                                        \
        #member, NULL, .type = FIELD_NAME, .offset = offsetof(oct_field_index, member), .names = (list),     \
        .name_count = countof(list), .preset = OCT_UNSET                                                     \
    }
#define TABLE(fields)                                                                                        \
    {                                                                                                        \
        (fields), countof(fields)                                                                            \
    }

static const json_name type_names[] = {
    {"keyword", OCT_FIELD_KEYWORD}, {"integer", OCT_FIELD_INTEGER}, {"float", OCT_FIELD_FLOAT},
    {"geo", OCT_FIELD_GEO},         {"text", OCT_FIELD_TEXT},       {"bool", OCT_FIELD_BOOL},
    {"datetime", OCT_FIELD_DATETIME}, {"uuid", OCT_FIELD_UUID}};
static const json_name memory_names[] = {
    {"cold", OCT_MEMORY_COLD}, {"cached", OCT_MEMORY_CACHED}, {"pinned", OCT_MEMORY_PINNED}};
static const json_name tokenizer_names[] = {{"word", OCT_TOKENIZER_WORD},
                                            {"whitespace", OCT_TOKENIZER_WHITESPACE},
                                            {"prefix", OCT_TOKENIZER_PREFIX},
                                            {"multilingual", OCT_TOKENIZER_MULTILINGUAL}};

#define PLACEMENT FLAG(on_disk), WORD(memory, memory_names), FLAG(enable_hnsw)

static const config_field keyword_fields[] = {FLAG(is_tenant), FLAG(prefix), PLACEMENT};
static const config_field integer_fields[] = {FLAG(lookup), FLAG(range), FLAG(is_principal), PLACEMENT};
static const config_field ordered_fields[] = {FLAG(is_principal), PLACEMENT};
static const config_field plain_fields[] = {PLACEMENT};
static const config_field uuid_fields[] = {FLAG(is_tenant), PLACEMENT};
static const config_field text_fields[] = {WORD(tokenizer, tokenizer_names), COUNT(min_token_len, 0),
                                           COUNT(max_token_len, 0),          FLAG(lowercase),
                                           FLAG(ascii_folding),              FLAG(phrase_matching),
                                           PLACEMENT};

/* By enum oct_field_type; the first is empty. */
static const config_table field_tables[OCT_FIELD_UUID + 1] = {
    [OCT_FIELD_KEYWORD] = TABLE(keyword_fields), [OCT_FIELD_INTEGER] = TABLE(integer_fields),
    [OCT_FIELD_FLOAT] = TABLE(ordered_fields),   [OCT_FIELD_GEO] = TABLE(plain_fields),
    [OCT_FIELD_TEXT] = TABLE(text_fields),       [OCT_FIELD_BOOL] = TABLE(plain_fields),
    [OCT_FIELD_DATETIME] = TABLE(ordered_fields), [OCT_FIELD_UUID] = TABLE(uuid_fields)};

void
oct_field_index_init(oct_field_index *config)
{
    *config = (oct_field_index){.field = {"", 0},
                                .type = OCT_UNSET,
                                .has_params = OCT_UNSET,
                                .is_tenant = OCT_UNSET,
                                .is_principal = OCT_UNSET,
                                .lookup = OCT_UNSET,
                                .range = OCT_UNSET,
                                .prefix = OCT_UNSET,
                                .on_disk = OCT_UNSET,
                                .memory = OCT_UNSET,
                                .enable_hnsw = OCT_UNSET,
                                .tokenizer = OCT_UNSET,
                                .min_token_len = OCT_UNSET,
                                .max_token_len = OCT_UNSET,
                                .lowercase = OCT_UNSET,
                                .ascii_folding = OCT_UNSET,
                                .phrase_matching = OCT_UNSET};
}

const char *
config_field_type_name(int64_t type)
{
    return json_name_of(type_names, countof(type_names), type);
}

const oct_field_index *
config_find_field(const oct_collection_config *config, oct_slice field)
{
    for (size_t i = 0; i < config->field_index_count; i++) {
        if (slice_equal(config->field_indexes[i].field, field))
            return &config->field_indexes[i];
    }
    return NULL;
}

/* --- reading ---------------------------------------------------------------------------------- */

static oct_status
decode_params(const json_path *at, yyjson_val *object, json_form form, arena *memory, oct_field_index *out,
              oct_error *error)
{
    enum { STOPWORDS, STEMMER };
    static const json_field fields[] = {{"stopwords", NULL, false}, {"stemmer", NULL, false}};
    yyjson_val             *values[countof(fields)];
    oct_status status = config_table_decode(at, &field_tables[out->type], object, form, out, error);

    if (status != OCT_OK || out->type != OCT_FIELD_TEXT)
        return status;
    status = json_fields(at, object, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = text_config_normalize(at, values[STOPWORDS], values[STEMMER], memory, out, error);
    if (status == OCT_OK && out->tokenizer == OCT_UNSET)
        out->tokenizer = OCT_TOKENIZER_WORD;
    return status;
}

oct_status
config_decode_field(const json_path *at, yyjson_val *schema, arena *memory, oct_field_index *out,
                    oct_error *error)
{
    static const json_field fields[] = {{"type", NULL, true}};
    const json_path         type_at = json_at(at, "type");
    yyjson_val             *type = schema;
    oct_status              status = OCT_OK;

    oct_field_index_init(out);
    out->has_params = yyjson_is_obj(schema);
    if (!yyjson_is_obj(schema) && !yyjson_is_str(schema))
        return json_fail_type(at, schema, "the name of a type, or an object with `type` and its parameters",
                              error);
    if (out->has_params == 1)
        status = json_fields(at, schema, fields, 1, false, &type, error);
    if (status == OCT_OK)
        status = json_get_name(out->has_params == 1 ? &type_at : at, type, type_names, countof(type_names),
                               &out->type, error);
    if (status == OCT_OK && out->has_params == 1)
        status = decode_params(at, schema, FORM_REQUEST, memory, out, error);
    return status;
}

oct_status
config_read_fields(yyjson_val *list, arena *memory, oct_collection_config *out, oct_error *error)
{
    enum { FIELD, TYPE, PARAMS };
    static const json_field keys[] = {{"field", NULL, true}, {"type", NULL, true}, {"params", NULL, false}};
    const json_path         list_at = json_at(NULL, "field_indexes");
    const size_t            count = yyjson_arr_size(list);
    oct_field_index        *made;
    yyjson_arr_iter         iter = yyjson_arr_iter_with(list);
    yyjson_val             *item, *values[countof(keys)];

    if (list == NULL)
        return OCT_OK;
    if (!yyjson_is_arr(list))
        return json_fail_type(&list_at, list, "an array", error);
    made = arena_array(memory, size_max(count, 1), sizeof *made);
    if (made == NULL)
        return oct_fail_memory(error, count * sizeof *made);
    out->field_indexes = made;
    while ((item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path  at = json_at_index(&list_at, out->field_index_count);
        const json_path  field_at = json_at(&at, "field"), type_at = json_at(&at, "type");
        const json_path  params_at = json_at(&at, "params");
        oct_field_index *field = &made[out->field_index_count];
        bool             has_params = false;
        oct_status       status = json_fields(&at, item, keys, countof(keys), false, values, error);

        oct_field_index_init(field);
        if (status == OCT_OK)
            status = json_get_text(&field_at, values[FIELD], &field->field, error);
        if (status == OCT_OK)
            status = json_get_name(&type_at, values[TYPE], type_names, countof(type_names), &field->type,
                                   error);
        if (status == OCT_OK)
            status = json_get_bool(&params_at, values[PARAMS], &has_params, error);
        field->has_params = has_params;
        if (status == OCT_OK)
            status = decode_params(&at, item, FORM_STORED, memory, field, error);
        if (status != OCT_OK)
            return status;
        field->field.data = arena_text(memory, field->field.data, field->field.size);
        if (field->field.data == NULL)
            return oct_fail_memory(error, field->field.size);
        out->field_index_count++;
    }
    return OCT_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void
encode_json(const char *name, oct_slice json, buffer *out)
{
    if (json.size == 0)
        return;
    config_add_key(out, name);
    buffer_add(out, json.data, json.size);
}

/* The members, without braces. */
static void
encode_params(const oct_field_index *field, json_form form, buffer *out)
{
    config_add_key(out, "type");
    json_add_text(out, slice_of(config_field_type_name(field->type)));
    config_table_encode(&field_tables[field->type], field, form, out);
    encode_json("stopwords", field->stopwords, out);
    encode_json("stemmer", field->stemmer, out);
}

void
config_encode_field(const oct_field_index *field, uint64_t points, buffer *out)
{
    buffer_add_text(out, "{\"data_type\":");
    json_add_text(out, slice_of(config_field_type_name(field->type)));
    if (field->has_params == 1) {
        buffer_add_text(out, ",\"params\":{");
        encode_params(field, FORM_SHOWN, out);
        buffer_add_byte(out, '}');
    }
    buffer_add_text(out, ",\"points\":");
    json_add_u64(out, points);
    buffer_add_byte(out, '}');
}

void
config_store_field(const oct_field_index *field, buffer *out)
{
    oct_field_index whole = *field;

    /* As it is read again, so that one index is stored one way. */
    if (whole.type == OCT_FIELD_TEXT && whole.tokenizer == OCT_UNSET)
        whole.tokenizer = OCT_TOKENIZER_WORD;
    buffer_add_byte(out, '{');
    config_add_key(out, "field");
    json_add_text(out, field->field);
    encode_params(&whole, FORM_STORED, out);
    if (field->has_params == 1) {
        config_add_key(out, "params");
        buffer_add_text(out, "true");
    }
    buffer_add_byte(out, '}');
}

void
config_write_fields(const oct_collection_config *config, buffer *out)
{
    if (config->field_index_count == 0)
        return;
    config_add_key(out, "field_indexes");
    buffer_add_byte(out, '[');
    for (size_t i = 0; i < config->field_index_count; i++) {
        if (i > 0)
            buffer_add_byte(out, ',');
        config_store_field(&config->field_indexes[i], out);
    }
    buffer_add_byte(out, ']');
}

/* --- what holds ------------------------------------------------------------------------------- */

/* An analyzer can be made of it. */
static oct_status
check_text(const oct_field_index *field, oct_error *error)
{
    arena           memory = {0};
    oct_text_config config;
    text_analyzer  *analyzer = NULL;
    oct_status      status = text_config_of_field(field, &memory, &config, error);

    if (status == OCT_OK)
        status = text_analyzer_new(&config, &analyzer, error);
    text_analyzer_free(analyzer);
    arena_clear(&memory);
    return status;
}

oct_status
config_check_field(const oct_field_index *field, oct_error *error)
{
    const json_path at = json_at(NULL, "field_schema");
    arena           memory = {0};
    path            where;
    oct_status      status;

    if (field->type < OCT_FIELD_KEYWORD || field->type > OCT_FIELD_UUID)
        return json_fail(&at, error, OCT_RANGE, "%lld is not a type of field index", (long long)field->type);
    status = path_parse(field->field, &memory, &where, error);
    arena_clear(&memory);
    if (status == OCT_OK && !utf8_is_valid(field->field))
        status = oct_fail(error, OCT_FORMAT, "the name of the field is not valid UTF-8");
    if (status == OCT_OK)
        status = config_table_check(&at, &field_tables[field->type], field, error);
    if (status == OCT_OK && field->type == OCT_FIELD_INTEGER && field->lookup == 0 && field->range == 0)
        status = json_fail(&at, error, OCT_RANGE,
                           "Validation error: the 'lookup' and 'range' capabilities can't be both disabled");
    return status == OCT_OK && field->type == OCT_FIELD_TEXT ? check_text(field, error) : status;
}

oct_status
config_check_fields(const oct_collection_config *config, oct_error *error)
{
    oct_status status = OCT_OK;

    if (config->field_index_count > OCT_FIELD_INDEXES_MAX)
        return oct_fail(error, OCT_RANGE, "%zu field indexes, at most %u are allowed in one collection",
                        config->field_index_count, OCT_FIELD_INDEXES_MAX);
    for (size_t i = 0; i < config->field_index_count && status == OCT_OK; i++) {
        status = config_check_field(&config->field_indexes[i], error);
        if (status == OCT_OK && config_find_field(config, config->field_indexes[i].field) != &config->field_indexes[i])
            status = oct_fail(error, OCT_INVALID, "the field \"" SLICE_FMT "\" is indexed twice",
                              SLICE_ARG(config->field_indexes[i].field));
    }
    return status;
}

/* --- copies and changes ----------------------------------------------------------------------- */

static bool
copy_text(arena *memory, oct_slice *text)
{
    if (text->size > 0)
        text->data = arena_text(memory, text->data, text->size);
    return text->data != NULL || text->size == 0;
}

static oct_status
copy_field(const oct_field_index *from, arena *memory, oct_field_index *out, oct_error *error)
{
    *out = *from;
    if (!copy_text(memory, &out->field) || !copy_text(memory, &out->stopwords) ||
        !copy_text(memory, &out->stemmer))
        return oct_fail_memory(error, from->field.size + from->stopwords.size + from->stemmer.size);
    return OCT_OK;
}

oct_status
config_copy_fields(const oct_collection_config *config, arena *memory, oct_collection_config *out,
                   oct_error *error)
{
    return config_change_fields(config, NULL, (oct_slice){NULL, 0}, memory, out, error);
}

oct_status
config_change_fields(const oct_collection_config *config, const oct_field_index *added, oct_slice removed,
                     arena *memory, oct_collection_config *out, oct_error *error)
{
    const oct_field_index *from = config->field_indexes; /* `out` may be `config` */
    const size_t           from_count = config->field_index_count;
    oct_field_index       *made = arena_array(memory, from_count + 1, sizeof *made);
    size_t                 count = 0;
    oct_status             status = OCT_OK;

    if (made == NULL)
        return oct_fail_memory(error, from_count * sizeof *made);
    for (size_t i = 0; i < from_count && status == OCT_OK; i++) {
        if (removed.data != NULL && slice_equal(from[i].field, removed))
            continue;
        if (added != NULL && slice_equal(from[i].field, added->field))
            continue;
        status = copy_field(&from[i], memory, &made[count++], error);
    }
    if (status == OCT_OK && added != NULL)
        status = copy_field(added, memory, &made[count++], error);
    out->field_indexes = made;
    out->field_index_count = count;
    return status;
}

bool
config_fields_equal(const oct_field_index *a, const oct_field_index *b)
{
    const config_table *table = &field_tables[a->type];

    if (a->type != b->type || a->has_params != b->has_params || !slice_equal(a->field, b->field) ||
        !slice_equal(a->stopwords, b->stopwords) || !slice_equal(a->stemmer, b->stemmer))
        return false;
    for (size_t i = 0; i < table->count; i++) {
        if (*config_number_in(&table->fields[i], a) != *config_number_in(&table->fields[i], b))
            return false;
    }
    return true;
}
