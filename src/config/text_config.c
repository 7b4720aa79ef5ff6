/* See text_config.h. */
#include "config/text_config.h"

#include <stdlib.h>

#include "text/text.h"

static const json_name tokenizer_names[] = {{"prefix", OCT_TOKENIZER_PREFIX},
                                            {"whitespace", OCT_TOKENIZER_WHITESPACE},
                                            {"word", OCT_TOKENIZER_WORD},
                                            {"multilingual", OCT_TOKENIZER_MULTILINGUAL}};

/* --- from JSON --------------------------------------------------------------------------------- */

static int
compare_texts(const void *a, const void *b)
{
    return slice_compare(*(const oct_slice *)a, *(const oct_slice *)b);
}

/* Sorted and each once, as Qdrant keeps them. */
static size_t
sort_texts(oct_slice *list, size_t count)
{
    size_t used = 0;

    if (count > 0)
        qsort(list, count, sizeof *list, compare_texts);
    for (size_t i = 0; i < count; i++)
        if (used == 0 || !slice_equal(list[used - 1], list[i]))
            list[used++] = list[i];
    return used;
}

static oct_status
decode_language(const json_path *at, yyjson_val *value, oct_slice *out, oct_error *error)
{
    oct_slice        given = {"", 0};
    const oct_status status = json_get_text(at, value, &given, error);
    const char      *name = text_stop_words_language(given);

    if (status != OCT_OK)
        return status;
    if (name == NULL)
        return json_fail(at, error, OCT_FORMAT,
                         "unknown language of stop words \"%.*s\", expected one of english, german, french, chinese, ... "
                         "or a short name such as en; give words of other languages as `custom`",
                         (int)size_min(given.size, 64), given.data);
    *out = slice_of(name);
    return OCT_OK;
}

static oct_status
decode_texts(const json_path *at, yyjson_val *value, bool languages, arena *memory, const oct_slice **out, size_t *count,
             oct_error *error)
{
    yyjson_arr_iter iter;
    yyjson_val     *item;
    oct_slice      *list;
    size_t          i = 0;

    if (value == NULL)
        return OCT_OK;
    if (!yyjson_is_arr(value))
        return json_fail_type(at, value, languages ? "an array of languages" : "an array of words", error);
    if (yyjson_arr_size(value) > OCT_STOP_WORDS_MAX)
        return json_fail(at, error, OCT_RANGE, "%zu stop words, at most %u are allowed", yyjson_arr_size(value),
                         OCT_STOP_WORDS_MAX);
    list = arena_array(memory, yyjson_arr_size(value) + 1, sizeof *list);
    if (list == NULL)
        return oct_fail_memory(error, yyjson_arr_size(value) * sizeof *list);
    iter = yyjson_arr_iter_with(value);
    while ((item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path item_at = json_at_index(at, i);
        oct_status      status;
        char           *copy;

        if (languages) {
            status = decode_language(&item_at, item, &list[i++], error);
            if (status != OCT_OK)
                return status;
            continue;
        }
        if (!yyjson_is_str(item))
            return json_fail_type(&item_at, item, "a word", error);
        copy = arena_text(memory, yyjson_get_str(item), yyjson_get_len(item));
        if (copy == NULL)
            return oct_fail_memory(error, yyjson_get_len(item));
        list[i++] = (oct_slice){copy, yyjson_get_len(item)};
    }
    *out = list;
    *count = sort_texts(list, i);
    return OCT_OK;
}

static oct_status
decode_stopwords(const json_path *at, yyjson_val *value, arena *memory, oct_text_config *out, oct_error *error)
{
    enum { LANGUAGES, CUSTOM };
    static const json_field fields[] = {{"languages", NULL, false}, {"custom", NULL, false}};
    const json_path         languages_at = json_at(at, "languages"), custom_at = json_at(at, "custom");
    yyjson_val             *values[countof(fields)];
    oct_status              status;

    if (value == NULL)
        return OCT_OK;
    if (yyjson_is_str(value)) {
        oct_slice *language = arena_alloc(memory, sizeof *language);

        if (language == NULL)
            return oct_fail_memory(error, sizeof *language);
        out->stopwords = OCT_STOPWORDS_LANGUAGE;
        out->stop_languages = language;
        out->stop_language_count = 1;
        return decode_language(at, value, language, error);
    }
    if (!yyjson_is_obj(value))
        return json_fail_type(at, value, "a language, or {languages, custom}", error);
    out->stopwords = OCT_STOPWORDS_SET;
    status = json_fields(at, value, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = decode_texts(&languages_at, values[LANGUAGES], true, memory, &out->stop_languages,
                              &out->stop_language_count, error);
    if (status == OCT_OK)
        status =
            decode_texts(&custom_at, values[CUSTOM], false, memory, &out->stop_words, &out->stop_word_count, error);
    return status;
}

static oct_status
decode_stemmer(const json_path *at, yyjson_val *value, oct_text_config *out, oct_error *error)
{
    enum { TYPE, LANGUAGE };
    enum { SNOWBALL, NONE };
    static const json_field fields[] = {{"type", NULL, true}, {"language", NULL, false}};
    static const json_name  types[] = {{"snowball", SNOWBALL}, {"none", NONE}};
    const json_path         type_at = json_at(at, "type"), language_at = json_at(at, "language");
    yyjson_val             *values[countof(fields)];
    oct_slice               given = {"", 0};
    int64_t                 type = NONE;
    oct_status              status;
    const char             *language;

    if (value == NULL)
        return OCT_OK;
    if (!yyjson_is_obj(value))
        return json_fail_type(at, value, "{\"type\":\"snowball\",\"language\":...} or {\"type\":\"none\"}", error);
    status = json_fields(at, value, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = json_get_name(&type_at, values[TYPE], types, countof(types), &type, error);
    if (status != OCT_OK)
        return status;
    if (type == NONE) {
        out->stemmer = slice_of("none");
        return OCT_OK;
    }
    if (values[LANGUAGE] == NULL)
        return json_fail(at, error, OCT_FORMAT, "missing field `language`");
    status = json_get_text(&language_at, values[LANGUAGE], &given, error);
    if (status != OCT_OK)
        return status;
    language = text_stemmer_language(given);
    if (language == NULL)
        return json_fail(&language_at, error, OCT_FORMAT,
                         "there is no stemmer for \"%.*s\"; there are arabic, armenian, danish, dutch, english, finnish, "
                         "french, german, greek, hungarian, italian, norwegian, portuguese, romanian, russian, spanish, "
                         "swedish, tamil, turkish",
                         (int)size_min(given.size, 64), given.data);
    out->stemmer = slice_of(language);
    return OCT_OK;
}

static oct_status
decode_flag(const json_path *at, yyjson_val *value, int64_t *out, oct_error *error)
{
    bool             flag = false;
    const oct_status status = json_get_bool(at, value, &flag, error);

    if (status == OCT_OK && value != NULL)
        *out = flag;
    return status;
}

static oct_status
decode_length(const json_path *at, yyjson_val *value, int64_t *out, oct_error *error)
{
    uint64_t         length = 0;
    const oct_status status = json_get_range(at, value, 0, OCT_TOKEN_LEN_MAX, &length, error);

    if (status == OCT_OK && value != NULL)
        *out = (int64_t)length;
    return status;
}

oct_status
text_config_decode(const json_path *at, yyjson_val *object, arena *memory, oct_text_config *out, oct_error *error)
{
    enum { TOKENIZER, LOWERCASE, FOLDING, MIN, MAX, STOPWORDS, STEMMER, COUNT };
    static const json_field fields[] = {
        {"tokenizer", NULL, false},     {"lowercase", NULL, false}, {"ascii_folding", NULL, false}, {"min_token_len", NULL, false},
        {"max_token_len", NULL, false}, {"stopwords", NULL, false}, {"stemmer", NULL, false}};
    json_path   field_at[COUNT];
    yyjson_val *values[COUNT];
    oct_status  status = json_fields(at, object, fields, COUNT, false, values, error);

    _Static_assert(countof(fields) == COUNT, "one line per name");
    oct_text_config_init(out);
    for (size_t i = 0; i < COUNT; i++)
        field_at[i] = json_at(at, fields[i].name);
    if (status == OCT_OK)
        status = json_get_name(&field_at[TOKENIZER], values[TOKENIZER], tokenizer_names, countof(tokenizer_names),
                               &out->tokenizer, error);
    if (status == OCT_OK)
        status = decode_flag(&field_at[LOWERCASE], values[LOWERCASE], &out->lowercase, error);
    if (status == OCT_OK)
        status = decode_flag(&field_at[FOLDING], values[FOLDING], &out->ascii_folding, error);
    if (status == OCT_OK)
        status = decode_length(&field_at[MIN], values[MIN], &out->min_token_len, error);
    if (status == OCT_OK)
        status = decode_length(&field_at[MAX], values[MAX], &out->max_token_len, error);
    if (status == OCT_OK && out->min_token_len != OCT_UNSET && out->max_token_len != OCT_UNSET &&
        out->min_token_len > out->max_token_len)
        status = json_fail(&field_at[MIN], error, OCT_RANGE, "value %lld invalid, must not be above max_token_len %lld",
                           (long long)out->min_token_len, (long long)out->max_token_len);
    if (status == OCT_OK)
        status = decode_stopwords(&field_at[STOPWORDS], values[STOPWORDS], memory, out, error);
    if (status == OCT_OK)
        status = decode_stemmer(&field_at[STEMMER], values[STEMMER], out, error);
    return status;
}

/* --- to JSON ------------------------------------------------------------------------------------- */

static void
add_key(buffer *out, const char *name)
{
    if (out->size > 0 && out->data[out->size - 1] != '{')
        buffer_add_byte(out, ',');
    json_add_text(out, slice_of(name));
    buffer_add_byte(out, ':');
}

static void
add_texts(buffer *out, const char *name, const oct_slice *list, size_t count)
{
    add_key(out, name);
    buffer_add_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_add_byte(out, ',');
        json_add_text(out, list[i]);
    }
    buffer_add_byte(out, ']');
}

static void
encode_stopwords(const oct_text_config *config, buffer *out)
{
    if (config->stopwords == OCT_STOPWORDS_LANGUAGE && config->stop_language_count > 0) {
        json_add_text(out, config->stop_languages[0]);
        return;
    }
    buffer_add_byte(out, '{');
    if (config->stop_languages != NULL)
        add_texts(out, "languages", config->stop_languages, config->stop_language_count);
    if (config->stop_words != NULL)
        add_texts(out, "custom", config->stop_words, config->stop_word_count);
    buffer_add_byte(out, '}');
}

static void
encode_stemmer(const oct_text_config *config, buffer *out)
{
    const bool is_none = slice_is(config->stemmer, "none");

    buffer_add_text(out, is_none ? "{\"type\":\"none\"" : "{\"type\":\"snowball\",\"language\":");
    if (!is_none)
        json_add_text(out, config->stemmer);
    buffer_add_byte(out, '}');
}

void
text_config_encode(const oct_text_config *config, buffer *out)
{
    const struct {
        const char *name;
        int64_t     value;
        bool        is_flag;
    } numbers[] = {{"min_token_len", config->min_token_len, false},
                   {"max_token_len", config->max_token_len, false},
                   {"lowercase", config->lowercase, true},
                   {"ascii_folding", config->ascii_folding, true}};

    if (config->tokenizer != OCT_UNSET) {
        const char *name = json_name_of(tokenizer_names, countof(tokenizer_names), config->tokenizer);

        add_key(out, "tokenizer");
        json_add_text(out, slice_of(name == NULL ? "word" : name));
    }
    for (size_t i = 0; i < countof(numbers); i++) {
        if (numbers[i].value == OCT_UNSET)
            continue;
        add_key(out, numbers[i].name);
        if (numbers[i].is_flag)
            buffer_add_text(out, numbers[i].value != 0 ? "true" : "false");
        else
            json_add_u64(out, (uint64_t)numbers[i].value);
    }
    if (config->stopwords != OCT_UNSET) {
        add_key(out, "stopwords");
        encode_stopwords(config, out);
    }
    if (config->stemmer.size > 0) {
        add_key(out, "stemmer");
        encode_stemmer(config, out);
    }
}

/* --- of field indexes ------------------------------------------------------------------------------- */

static oct_status
keep_json(buffer *json, arena *memory, oct_slice *out, oct_error *error)
{
    const char *copy = json->failed ? NULL : arena_text(memory, json->size == 0 ? "" : json->data, json->size);

    if (copy != NULL)
        *out = (oct_slice){copy, json->size};
    buffer_clear(json);
    return copy == NULL ? oct_fail_memory(error, json->capacity) : OCT_OK;
}

oct_status
text_config_normalize(const json_path *at, yyjson_val *stopwords, yyjson_val *stemmer, arena *memory,
                      oct_field_index *out, oct_error *error)
{
    const json_path stopwords_at = json_at(at, "stopwords"), stemmer_at = json_at(at, "stemmer");
    buffer          words = {0}, stem = {0};
    oct_text_config config;
    oct_status      status;

    oct_text_config_init(&config);
    status = decode_stopwords(&stopwords_at, stopwords, memory, &config, error);
    if (status == OCT_OK)
        status = decode_stemmer(&stemmer_at, stemmer, &config, error);
    if (status == OCT_OK && stopwords != NULL) {
        encode_stopwords(&config, &words);
        status = keep_json(&words, memory, &out->stopwords, error);
    }
    if (status == OCT_OK && stemmer != NULL) {
        encode_stemmer(&config, &stem);
        status = keep_json(&stem, memory, &out->stemmer, error);
    }
    return status;
}

/* One member's JSON, which may come from a C program or a file. */
static oct_status
read_member(bool is_stemmer, oct_slice json, arena *memory, oct_text_config *out, oct_error *error)
{
    const json_path at = json_at(NULL, is_stemmer ? "stemmer" : "stopwords");
    json_document   document = {0};
    oct_status      status;

    if (json.size == 0)
        return OCT_OK;
    status = json_parse(json, &document, error);
    if (status == OCT_OK)
        status = is_stemmer ? decode_stemmer(&at, document.root, out, error)
                            : decode_stopwords(&at, document.root, memory, out, error);
    json_document_clear(&document);
    return status;
}

oct_status
text_config_of_field(const oct_field_index *field, arena *memory, oct_text_config *out, oct_error *error)
{
    oct_status status;

    oct_text_config_init(out);
    out->tokenizer = field->tokenizer;
    out->lowercase = field->lowercase;
    out->ascii_folding = field->ascii_folding;
    out->min_token_len = field->min_token_len;
    out->max_token_len = field->max_token_len;
    status = read_member(false, field->stopwords, memory, out, error);
    return status == OCT_OK ? read_member(true, field->stemmer, memory, out, error) : status;
}

/* --- copies ---------------------------------------------------------------------------------------- */

static bool
copy_texts(const oct_slice *list, size_t count, arena *memory, const oct_slice **out)
{
    oct_slice *copies;

    if (list == NULL)
        return true;
    copies = arena_array(memory, count + 1, sizeof *copies);
    if (copies == NULL)
        return false;
    *out = copies;
    for (size_t i = 0; i < count; i++) {
        copies[i] = (oct_slice){arena_text(memory, list[i].data, list[i].size), list[i].size};
        if (copies[i].data == NULL)
            return false;
    }
    return true;
}

oct_status
text_config_copy(const oct_text_config *config, arena *memory, oct_text_config *out, oct_error *error)
{
    oct_text_config copy = *config;

    if (config->stemmer.size > 0)
        copy.stemmer.data = arena_text(memory, config->stemmer.data, config->stemmer.size);
    if ((config->stemmer.size > 0 && copy.stemmer.data == NULL) ||
        !copy_texts(config->stop_languages, config->stop_language_count, memory, &copy.stop_languages) ||
        !copy_texts(config->stop_words, config->stop_word_count, memory, &copy.stop_words))
        return oct_fail_memory(error, sizeof copy);
    *out = copy;
    return OCT_OK;
}
