/* Vectors that a model makes: {"text", "model", "options"} in the place of numbers. See decode.h.
 *
 * MODELS   One is built in: BM25, `qdrant/bm25` or `bm25` in any letter case, which makes a sparse vector of a text. Others
 *          would be asked of a service, which Octant does not do: the error says so as Qdrant without a service does.
 * SIDES    A point's text is weighed, a query's counts each of its words once.
 */
#include "api/decode.h"
#include "config/text_config.h"

#include <math.h>

static bool
is_bm25(oct_slice model)
{
    static const char *const names[] = {"qdrant/bm25", "bm25"};

    for (size_t n = 0; n < countof(names); n++) {
        size_t i = 0;

        if (model.size != strlen(names[n]))
            continue;
        while (i < model.size && (model.data[i] | (model.data[i] >= 'A' && model.data[i] <= 'Z' ? 0x20 : 0)) == names[n][i])
            i++;
        if (i == model.size)
            return true;
    }
    return false;
}

bool
is_inference(yyjson_val *object)
{
    return yyjson_is_str(yyjson_obj_get(object, "model")) &&
           (yyjson_is_str(yyjson_obj_get(object, "text")) || yyjson_obj_get(object, "image") != NULL ||
            yyjson_obj_get(object, "object") != NULL);
}

static oct_status
decode_number(const json_path *at, yyjson_val *value, double *out, oct_error *error)
{
    return value == NULL ? OCT_OK : json_get_double(at, value, out, error);
}

static oct_status
decode_options(yyjson_val *object, arena *memory, oct_bm25_config *out, oct_error *error)
{
    enum { K, B, AVG_LEN, LANGUAGE };
    static const json_field fields[] = {
        {"k", NULL, false}, {"b", NULL, false}, {"avg_len", NULL, false}, {"language", NULL, false}};
    const json_path k_at = json_at(NULL, "k"), b_at = json_at(NULL, "b"), avg_len_at = json_at(NULL, "avg_len");
    const json_path language_at = json_at(NULL, "language");
    yyjson_val     *values[countof(fields)];
    oct_status      status;

    oct_bm25_config_init(out);
    if (object == NULL || yyjson_is_null(object))
        return OCT_OK;
    status = json_fields(NULL, object, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = decode_number(&k_at, values[K], &out->k, error);
    if (status == OCT_OK)
        status = decode_number(&b_at, values[B], &out->b, error);
    if (status == OCT_OK)
        status = decode_number(&avg_len_at, values[AVG_LEN], &out->avg_len, error);
    if (status == OCT_OK)
        status = json_get_text(&language_at, values[LANGUAGE], &out->language, error);
    if (status == OCT_OK && values[LANGUAGE] != NULL && out->language.size == 0)
        out->language = slice_of("none"); /* empty means english in octant.h; here it names no language */
    return status == OCT_OK ? text_config_decode(NULL, object, memory, &out->text, error) : status;
}

oct_status
infer_vector(oct_slice model, oct_slice text, const oct_bm25_config *config, bool is_query, arena *memory,
             oct_vector *out, oct_error *error)
{
    oct_sparse *sparse = NULL;
    uint32_t   *indices;
    float      *values;
    oct_status  status;

    if (!is_bm25(model))
        return oct_fail(error, OCT_INTERNAL,
                        "InferenceService URL not configured: the model \"%.*s\" is not built in, and there is no service to "
                        "ask for it; compute its vectors in the client, or use qdrant/bm25",
                        (int)size_min(model.size, 128), model.data);
    if (text.data == NULL)
        return oct_fail(error, OCT_MODEL, "Only text input is supported for %.*s.", SLICE_ARG(model));
    status = oct_bm25_encode(config, text, is_query, &sparse, error);
    if (status != OCT_OK)
        return status;
    indices = arena_array(memory, sparse->count + 1, sizeof *indices);
    values = arena_array(memory, sparse->count + 1, sizeof *values);
    if (indices != NULL && values != NULL) {
        memcpy(indices, sparse->indices, sparse->count * sizeof *indices);
        memcpy(values, sparse->values, sparse->count * sizeof *values);
        out->kind = OCT_SPARSE;
        out->indices = indices;
        out->values = values;
        out->value_count = sparse->count;
    } else {
        status = oct_fail_memory(error, sparse->count * (sizeof *indices + sizeof *values));
    }
    oct_sparse_free(sparse);
    return status;
}

oct_status
decode_inference(const json_path *at, yyjson_val *object, bool is_query, arena *memory, oct_vector *out, oct_error *error)
{
    const json_path  model_at = json_at(at, "model"), options_at = json_at(at, "options");
    yyjson_val      *options = yyjson_obj_get(object, "options"), *given = yyjson_obj_get(object, "text");
    const oct_slice  model = {yyjson_get_str(yyjson_obj_get(object, "model")), yyjson_get_len(yyjson_obj_get(object, "model"))};
    const oct_slice  text = {yyjson_get_str(given), yyjson_get_len(given)};
    oct_bm25_config  config;
    oct_error        reason = {OCT_OK, ""};
    oct_status       status;

    if (model.size == 0)
        return json_fail_length(&model_at, model, 1, SIZE_MAX, error);
    if (options != NULL && !yyjson_is_null(options) && !yyjson_is_obj(options))
        return json_fail_type(&options_at, options, "an object", error);
    oct_bm25_config_init(&config);
    if (is_bm25(model)) {
        status = decode_options(options, memory, &config, &reason);
        if (status != OCT_OK)
            return status == OCT_NOMEM ? oct_fail(error, status, "%s", reason.text)
                                       : oct_fail(error, OCT_INVALID, "Invalid BM25 config: %s", reason.text);
    }
    return infer_vector(model, text, &config, is_query, memory, out, error);
}
