/* Queries: the query API's union of forms, and the old search. See decode.h. */
#include "api/decode.h"

#define LIMIT_DEFAULT 10u

/* --- search parameters ------------------------------------------------------------------------ */

static oct_status
check_unit_interval(const json_path *at, yyjson_val *value, oct_error *error)
{
    double     number = 0;
    oct_status status = json_get_double(at, value, &number, error);

    if (status == OCT_OK && !(number >= 0 && number <= 1))
        status = json_fail(at, error, OCT_RANGE, "value %g invalid, must be from 0.0 to 1.0", number);
    return status;
}

/* Checked only: rescoring is what the engine always does, and scores are always exact. */
static oct_status
check_quantization_params(const json_path *at, yyjson_val *object, oct_error *error)
{
    enum { IGNORE, RESCORE, OVERSAMPLING };
    static const json_field fields[] = {
        {"ignore", NULL, false}, {"rescore", NULL, false}, {"oversampling", NULL, false}};
    const json_path ignore_at = json_at(at, "ignore"), rescore_at = json_at(at, "rescore");
    const json_path oversampling_at = json_at(at, "oversampling");
    yyjson_val     *values[countof(fields)];
    bool            flag;
    double          oversampling = 1;
    oct_status      status;

    if (object == NULL)
        return OCT_OK;
    status = json_fields(at, object, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = json_get_bool(&ignore_at, values[IGNORE], &flag, error);
    if (status == OCT_OK)
        status = json_get_bool(&rescore_at, values[RESCORE], &flag, error);
    if (status == OCT_OK)
        status = json_get_double(&oversampling_at, values[OVERSAMPLING], &oversampling, error);
    if (status == OCT_OK && !(oversampling >= 1))
        status = json_fail(&oversampling_at, error, OCT_RANGE, "value %g invalid, must be 1.0 or larger",
                           oversampling);
    return status;
}

static oct_status
check_acorn_params(const json_path *at, yyjson_val *object, oct_error *error)
{
    enum { ENABLE, SELECTIVITY };
    static const json_field fields[] = {{"enable", NULL, false}, {"max_selectivity", NULL, false}};
    const json_path enable_at = json_at(at, "enable"), selectivity_at = json_at(at, "max_selectivity");
    yyjson_val     *values[countof(fields)];
    bool            flag;
    oct_status      status;

    if (object == NULL)
        return OCT_OK;
    status = json_fields(at, object, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = json_get_bool(&enable_at, values[ENABLE], &flag, error);
    return status == OCT_OK ? check_unit_interval(&selectivity_at, values[SELECTIVITY], error) : status;
}

static oct_status
decode_params(const json_path *up, yyjson_val *object, oct_search_request *out, oct_error *error)
{
    enum { HNSW_EF, EXACT, QUANTIZATION, INDEXED_ONLY, ACORN, IDF };
    static const json_field fields[] = {{"hnsw_ef", NULL, false},      {"exact", NULL, false},
                                        {"quantization", NULL, false}, {"indexed_only", NULL, false},
                                        {"acorn", NULL, false},        {"idf", NULL, false}};
    const json_path         at = json_at(up, "params"), ef_at = json_at(&at, "hnsw_ef");
    const json_path         exact_at = json_at(&at, "exact"), indexed_at = json_at(&at, "indexed_only");
    const json_path         quantization_at = json_at(&at, "quantization"), acorn_at = json_at(&at, "acorn");
    yyjson_val             *values[countof(fields)];
    uint64_t                ef = 0;
    oct_status              status;

    if (object == NULL)
        return OCT_OK;
    status = json_fields(&at, object, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = json_get_range(&ef_at, values[HNSW_EF], 1, UINT64_MAX, &ef, error);
    if (status == OCT_OK)
        status = json_get_bool(&exact_at, values[EXACT], &out->exact, error);
    if (status == OCT_OK)
        status = json_get_bool(&indexed_at, values[INDEXED_ONLY], &out->indexed_only, error);
    if (status == OCT_OK)
        status = check_quantization_params(&quantization_at, values[QUANTIZATION], error);
    if (status == OCT_OK)
        status = check_acorn_params(&acorn_at, values[ACORN], error);
    if (status == OCT_OK && values[IDF] != NULL)
        status = oct_fail(error, OCT_INVALID,
                          "search param `idf` requires a sparse vector with the `idf` modifier");
    out->ef =
        (size_t)(ef < OCT_LIMIT_MAX ? ef : OCT_LIMIT_MAX); /* more candidates than results there can be */
    return status;
}

/* --- the query ------------------------------------------------------------------------------ */

/* Numbers, an id, or what a model would embed. */
static oct_status
decode_vector_input(const json_path *at, yyjson_val *value, arena *memory, api_query *out, oct_error *error)
{
    oct_vector vector = {0};
    oct_status status;

    if (yyjson_is_num(value) || yyjson_is_str(value)) {
        out->kind = API_QUERY_POINT;
        return decode_id(at, value, &out->point, error);
    }
    status = decode_vector(at, value, memory, &vector, error);
    if (status != OCT_OK)
        return status;
    if (vector.kind == OCT_SPARSE)
        return api_unsupported(at, "a search by a sparse vector", error);
    if (vector.kind == OCT_MULTI)
        return api_unsupported(at, "a search by a multivector", error);
    out->kind = API_QUERY_VECTOR;
    out->request.query = vector.values;
    out->request.dim = vector.value_count;
    return OCT_OK;
}

/* An object with one of these keys is that kind of query; any other value is a vector or an id. */
static oct_status
decode_query_input(const json_path *at, yyjson_val *value, arena *memory, api_query *out, oct_error *error)
{
    enum { NEAREST, LATER };
    static const json_field fields[] = {{"nearest", NULL, false},  {"recommend", NULL, false},
                                        {"discover", NULL, false}, {"context", NULL, false},
                                        {"order_by", NULL, false}, {"fusion", NULL, false},
                                        {"rrf", NULL, false},      {"formula", NULL, false},
                                        {"sample", NULL, false},   {"relevance_feedback", NULL, false}};
    const json_path         nearest_at = json_at(at, "nearest"), mmr_at = json_at(at, "mmr");
    yyjson_val             *values[countof(fields)];
    size_t                  given = 0, kind = 0;
    oct_status              status;

    out->kind = API_QUERY_NONE;
    if (value == NULL)
        return OCT_OK;
    if (!yyjson_is_obj(value))
        return decode_vector_input(at, value, memory, out, error);
    status = json_fields(at, value, fields, countof(fields), false, values, error);
    if (status != OCT_OK)
        return status;
    for (size_t i = 0; i < countof(fields); i++)
        if (values[i] != NULL) {
            given++;
            kind = i;
        }
    if (given == 0) /* {indices, values}, or a document: or an error that says what is possible */
        return decode_vector_input(at, value, memory, out, error);
    if (given > 1)
        return json_fail(at, error, OCT_FORMAT, "a query has exactly one kind, found `%s` beside others",
                         fields[kind].name);
    if (kind >= LATER) {
        const json_path kind_at = json_at(at, fields[kind].name);

        return api_unsupported(&kind_at, "this kind of query", error);
    }
    if (!yyjson_is_null(yyjson_obj_get(value, "mmr"))) {
        status = api_refuse(&mmr_at, yyjson_obj_get(value, "mmr"), "maximal marginal relevance", error);
        if (status != OCT_OK)
            return status;
    }
    return decode_vector_input(&nearest_at, values[NEAREST], memory, out, error);
}

static oct_status
decode_lookup(const json_path *up, yyjson_val *value, api_query *out, oct_error *error)
{
    enum { COLLECTION, VECTOR, SHARD_KEY };
    static const json_field fields[] = {
        {"collection", NULL, true}, {"vector", NULL, false}, {"shard_key", NULL, false}};
    const json_path at = json_at(up, "lookup_from"), collection_at = json_at(&at, "collection");
    const json_path vector_at = json_at(&at, "vector"), key_at = json_at(&at, "shard_key");
    yyjson_val     *values[countof(fields)];
    oct_status      status;

    if (value == NULL)
        return OCT_OK;
    status = json_fields(&at, value, fields, countof(fields), false, values, error);
    out->has_lookup = true;
    out->lookup_vector = (oct_slice){"", 0};
    if (status == OCT_OK)
        status = json_get_text(&collection_at, values[COLLECTION], &out->lookup_collection, error);
    if (status == OCT_OK)
        status = json_get_text(&vector_at, values[VECTOR], &out->lookup_vector, error);
    return status == OCT_OK ? api_refuse(&key_at, values[SHARD_KEY], "a shard key", error) : status;
}

/* Fields of a list of prefetches may be an empty list, which asks for nothing. */
static bool
is_empty_list(yyjson_val *value)
{
    return yyjson_is_arr(value) && yyjson_arr_size(value) == 0;
}

static oct_status
decode_threshold(const json_path *up, yyjson_val *value, oct_search_request *out, oct_error *error)
{
    const json_path at = json_at(up, "score_threshold");

    out->has_score_threshold = value != NULL;
    return json_get_float(&at, value, &out->score_threshold, error);
}

static oct_status
decode_limits(const json_path *up, yyjson_val *limit, yyjson_val *offset, oct_search_request *out,
              oct_error *error)
{
    const json_path limit_at = json_at(up, "limit"), offset_at = json_at(up, "offset");
    uint64_t        count = LIMIT_DEFAULT, skipped = 0;
    oct_status      status = json_get_range(&limit_at, limit, 1, UINT64_MAX, &count, error);

    if (status == OCT_OK)
        status = json_get_u64(&offset_at, offset, &skipped, error);
    out->limit = count;
    out->offset = skipped;
    return status;
}

oct_status
decode_query(const json_path *at, yyjson_val *body, arena *memory, api_query *out, oct_error *error)
{
    enum {
        SHARD_KEY,
        PREFETCH,
        QUERY,
        USING,
        FILTER,
        PARAMS,
        THRESHOLD,
        LIMIT,
        OFFSET,
        WITH_VECTOR,
        WITH_PAYLOAD,
        LOOKUP
    };
    static const json_field fields[] = {
        {"shard_key", NULL, false},       {"prefetch", NULL, false},
        {"query", NULL, false},           {"using", NULL, false},
        {"filter", NULL, false},          {"params", NULL, false},
        {"score_threshold", NULL, false}, {"limit", NULL, false},
        {"offset", NULL, false},          {"with_vector", "with_vectors", false},
        {"with_payload", NULL, false},    {"lookup_from", NULL, false}};
    /* Validated parts are shown below `internal`, parsed ones where they stand: Qdrant's request is flattened. */
    const json_path     limits_at = json_at(at, "internal"), query_at = json_at(at, "query");
    const json_path     using_at = json_at(at, "using"), filter_at = json_at(at, "filter");
    const json_path     prefetch_at = json_at(at, "prefetch"), key_at = json_at(at, "shard_key");
    oct_search_request *request = &out->request;
    yyjson_val         *values[countof(fields)];
    oct_status          status = json_fields(at, body, fields, countof(fields), false, values, error);

    *out = (api_query){.kind = API_QUERY_NONE};
    request->vector_name = (oct_slice){"", 0};
    if (status == OCT_OK)
        status = api_refuse(&key_at, values[SHARD_KEY], "a shard key", error);
    if (status == OCT_OK)
        status = decode_query_input(&query_at, values[QUERY], memory, out, error);
    if (status == OCT_OK)
        status = json_get_text(&using_at, values[USING], &request->vector_name, error);
    if (status == OCT_OK)
        status = decode_threshold(at, values[THRESHOLD], request, error);
    if (status == OCT_OK)
        status = decode_limits(&limits_at, values[LIMIT], values[OFFSET], request, error);
    if (status == OCT_OK)
        status = decode_params(at, values[PARAMS], request, error);
    if (status == OCT_OK)
        status =
            decode_select(at, values[WITH_PAYLOAD], values[WITH_VECTOR], false, memory, &out->select, error);
    if (status == OCT_OK)
        status = decode_lookup(at, values[LOOKUP], out, error);
    if (status == OCT_OK && values[PREFETCH] != NULL && !is_empty_list(values[PREFETCH])) {
        if (out->kind == API_QUERY_NONE)
            return oct_fail(
                error, OCT_BAD_REQUEST,
                "A query is needed to merge the prefetches. Can't have prefetches without defining a query.");
        status = api_unsupported(&prefetch_at, "prefetch", error);
    }
    if (status == OCT_OK && request->has_score_threshold && out->kind == API_QUERY_NONE)
        status = oct_fail(
            error, OCT_BAD_REQUEST,
            "A query is needed to use the score_threshold. Can't have score_threshold without defining a "
            "query.");
    if (status == OCT_OK)
        status = decode_filter(&filter_at, values[FILTER], error);
    request->select = out->select.select;
    return status;
}

oct_status
decode_old_search(const json_path *at, yyjson_val *body, arena *memory, api_query *out, oct_error *error)
{
    enum { SHARD_KEY, VECTOR, FILTER, PARAMS, LIMIT, OFFSET, WITH_PAYLOAD, WITH_VECTOR, THRESHOLD };
    static const json_field fields[] = {
        {"shard_key", NULL, false},      {"vector", NULL, true},
        {"filter", NULL, false},         {"params", NULL, false},
        {"limit", "top", true},          {"offset", NULL, false},
        {"with_payload", NULL, false},   {"with_vector", "with_vectors", false},
        {"score_threshold", NULL, false}};
    static const json_field named[] = {{"name", NULL, true}, {"vector", NULL, true}};
    const json_path         vector_at = json_at(at, "vector"), filter_at = json_at(at, "filter");
    const json_path         key_at = json_at(at, "shard_key");
    oct_search_request     *request = &out->request;
    yyjson_val             *values[countof(fields)], *parts[countof(named)] = {NULL};
    yyjson_val             *vector;
    oct_status              status = json_fields(at, body, fields, countof(fields), false, values, error);

    *out = (api_query){.kind = API_QUERY_VECTOR};
    request->vector_name = (oct_slice){"", 0};
    if (status != OCT_OK)
        return status;
    vector = values[VECTOR];
    if (yyjson_is_obj(vector)) {
        const json_path name_at = json_at(&vector_at, "name");

        status = json_fields(&vector_at, vector, named, countof(named), false, parts, error);
        if (status == OCT_OK)
            status = json_get_text(&name_at, parts[0], &request->vector_name, error);
        vector = parts[1];
    }
    if (status == OCT_OK && !yyjson_is_arr(vector) && !yyjson_is_obj(vector))
        status = json_fail_type(&vector_at, vector, "a vector, or {name, vector}", error);
    if (status == OCT_OK)
        status = decode_vector_input(&vector_at, vector, memory, out, error);
    if (status == OCT_OK)
        status = api_refuse(&key_at, values[SHARD_KEY], "a shard key", error);
    if (status == OCT_OK)
        status = decode_threshold(at, values[THRESHOLD], request, error);
    if (status == OCT_OK)
        status = decode_limits(at, values[LIMIT], values[OFFSET], request, error);
    if (status == OCT_OK)
        status = decode_params(at, values[PARAMS], request, error);
    if (status == OCT_OK)
        status =
            decode_select(at, values[WITH_PAYLOAD], values[WITH_VECTOR], false, memory, &out->select, error);
    if (status == OCT_OK)
        status = decode_filter(&filter_at, values[FILTER], error);
    request->select = out->select.select;
    return status;
}

oct_status
decode_searches(yyjson_val *body, api_query_decoder decode, arena *memory, api_query **out, size_t *count,
                oct_error *error)
{
    static const json_field fields[] = {{"searches", NULL, true}};
    const json_path         list_at = json_at(NULL, "searches");
    yyjson_val             *list = NULL, *item;
    yyjson_arr_iter         iter;
    size_t                  i = 0;
    oct_status              status = json_fields(NULL, body, fields, countof(fields), false, &list, error);

    if (status != OCT_OK)
        return status;
    if (!yyjson_is_arr(list))
        return json_fail_type(&list_at, list, "an array of searches", error);
    *out = arena_array(memory, size_max(yyjson_arr_size(list), 1), sizeof **out);
    if (*out == NULL)
        return oct_fail_memory(error, yyjson_arr_size(list) * sizeof **out);
    iter = yyjson_arr_iter_with(list);
    while ((item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path at = json_at_index(&list_at, i);

        status = decode(&at, item, memory, &(*out)[i++], error);
        if (status != OCT_OK)
            return status;
    }
    *count = i;
    return OCT_OK;
}
