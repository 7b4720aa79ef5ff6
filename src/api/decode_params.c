/* Members that many query routes have: search parameters, limits, where to look up, groups. See decode.h. */
#include "api/decode_query.h"

#define GROUP_SIZE_DEFAULT 3u

oct_status
decode_unit_interval(const json_path *at, yyjson_val *value, float *out, oct_error *error)
{
    double     number = 0;
    oct_status status = json_get_double(at, value, &number, error);

    if (status == OCT_OK && !(number >= 0 && number <= 1))
        status = json_fail(at, error, OCT_RANGE, "value %g invalid, must be from 0.0 to 1.0", number);
    if (value != NULL)
        *out = (float)number;
    return status;
}

static oct_status
decode_quantization_params(const json_path *at, yyjson_val *object, oct_query *out, oct_error *error)
{
    enum { IGNORE, RESCORE, OVERSAMPLING };
    static const json_field fields[] = {
        {"ignore", NULL, false}, {"rescore", NULL, false}, {"oversampling", NULL, false}};
    const json_path ignore_at = json_at(at, "ignore"), rescore_at = json_at(at, "rescore");
    const json_path oversampling_at = json_at(at, "oversampling");
    yyjson_val     *values[countof(fields)];
    bool            rescore = true;
    double          oversampling = 1;
    oct_status      status;

    if (object == NULL)
        return OCT_OK;
    status = json_fields(at, object, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = json_get_bool(&ignore_at, values[IGNORE], &out->ignore_quantization, error);
    if (status == OCT_OK)
        status = json_get_bool(&rescore_at, values[RESCORE], &rescore, error);
    if (status == OCT_OK)
        status = json_get_double(&oversampling_at, values[OVERSAMPLING], &oversampling, error);
    if (status == OCT_OK && !(oversampling >= 1))
        status = json_fail(&oversampling_at, error, OCT_RANGE, "value %g invalid, must be 1.0 or larger",
                           oversampling);
    if (status == OCT_OK) {
        out->no_rescore = !rescore;
        out->oversampling = values[OVERSAMPLING] == NULL ? 0 : oversampling;
    }
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
    float           selectivity;
    oct_status      status;

    if (object == NULL)
        return OCT_OK;
    status = json_fields(at, object, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = json_get_bool(&enable_at, values[ENABLE], &flag, error);
    return status == OCT_OK ? decode_unit_interval(&selectivity_at, values[SELECTIVITY], &selectivity, error)
                            : status;
}

/* "global", or {corpus: filter}. */
static oct_status
decode_idf(const json_path *up, yyjson_val *value, arena *memory, oct_query *out, oct_error *error)
{
    static const json_field fields[] = {{"corpus", NULL, true}};
    static const json_name  scopes[] = {{"global", 0}};
    const json_path         at = json_at(up, "idf"), corpus_at = json_at(&at, "corpus");
    yyjson_val             *corpus = NULL;
    int64_t                 scope;
    oct_status              status;

    out->has_idf = true;
    if (!yyjson_is_obj(value))
        return json_get_name(&at, value, scopes, countof(scopes), &scope, error);
    status = json_fields(&at, value, fields, countof(fields), false, &corpus, error);
    return status == OCT_OK ? decode_filter(&corpus_at, corpus, memory, &out->idf_corpus, error) : status;
}

oct_status
decode_params(const json_path *up, yyjson_val *object, arena *memory, oct_query *out, oct_error *error)
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
        status = decode_quantization_params(&quantization_at, values[QUANTIZATION], out, error);
    if (status == OCT_OK)
        status = check_acorn_params(&acorn_at, values[ACORN], error);
    if (status == OCT_OK && values[IDF] != NULL)
        status = decode_idf(&at, values[IDF], memory, out, error);
    out->ef =
        (size_t)(ef < OCT_LIMIT_MAX ? ef : OCT_LIMIT_MAX); /* more candidates than results there can be */
    return status;
}

oct_status
decode_threshold(const json_path *up, yyjson_val *value, oct_query *out, oct_error *error)
{
    const json_path at = json_at(up, "score_threshold");

    out->has_score_threshold = value != NULL;
    return json_get_float(&at, value, &out->score_threshold, error);
}

oct_status
decode_count(const json_path *up, const char *name, yyjson_val *value, uint64_t min, size_t *out,
             oct_error *error)
{
    const json_path  at = json_at(up, name);
    uint64_t         count = *out;
    const oct_status status = json_get_range(&at, value, min, UINT64_MAX, &count, error);

    *out = count;
    return status;
}

oct_status
decode_lookup_from(const json_path *up, yyjson_val *value, arena *memory, oct_query *out, oct_error *error)
{
    enum { COLLECTION, VECTOR, SHARD_KEY };
    static const json_field fields[] = {
        {"collection", NULL, true}, {"vector", NULL, false}, {"shard_key", NULL, false}};
    const json_path at = json_at(up, "lookup_from"), collection_at = json_at(&at, "collection");
    const json_path vector_at = json_at(&at, "vector");
    bool            fallback;
    yyjson_val     *values[countof(fields)];
    oct_status      status;

    if (value == NULL)
        return OCT_OK;
    status = json_fields(&at, value, fields, countof(fields), false, values, error);
    if (status != OCT_OK)
        return status;
    out->has_lookup = true;
    out->has_lookup_vector = values[VECTOR] != NULL;
    status = json_get_text(&collection_at, values[COLLECTION], &out->lookup_collection, error);
    if (status == OCT_OK)
        status = json_get_text(&vector_at, values[VECTOR], &out->lookup_vector, error);
    /* Of {target, fallback} both are looked into, the target first. */
    return status == OCT_OK ? decode_shard_keys(&at, values[SHARD_KEY], memory, &out->lookup_shard_keys,
                                                &out->lookup_shard_key_count, &fallback, error)
                            : status;
}

/* A collection's name, or {collection, with_payload, with_vectors}. */
static oct_status
decode_with_lookup(const json_path *at, yyjson_val *value, arena *memory, api_group_query *out,
                   oct_error *error)
{
    enum { COLLECTION, WITH_PAYLOAD, WITH_VECTORS };
    static const json_field fields[] = {
        {"collection", NULL, true}, {"with_payload", NULL, false}, {"with_vectors", "with_vector", false}};
    const json_path collection_at = json_at(at, "collection");
    yyjson_val     *values[countof(fields)] = {value, NULL, NULL};
    oct_status      status = OCT_OK;

    if (value == NULL)
        return OCT_OK;
    if (yyjson_is_obj(value))
        status = json_fields(at, value, fields, countof(fields), false, values, error);
    else if (!yyjson_is_str(value))
        return json_fail_type(at, value,
                              "the name of a collection, or {collection, with_payload, with_vectors}", error);
    if (status == OCT_OK)
        status = json_get_text(yyjson_is_obj(value) ? &collection_at : at, values[COLLECTION],
                               &out->request.lookup_collection, error);
    if (status == OCT_OK)
        status = decode_select(at, values[WITH_PAYLOAD], values[WITH_VECTORS], true, memory,
                               &out->lookup_select, error);
    out->request.has_lookup = true;
    out->request.lookup_select = out->lookup_select.select;
    return status;
}

oct_status
decode_grouping(const json_path *up, yyjson_val *group_by, yyjson_val *group_size,
                yyjson_val *with_lookup, arena *memory, api_group_query *out, oct_error *error)
{
    const json_path by_at = json_at(up, "group_by"), lookup_at = json_at(up, "with_lookup");
    oct_status      status = json_get_text(&by_at, group_by, &out->request.group_by, error);

    out->request.group_size = GROUP_SIZE_DEFAULT;
    if (status == OCT_OK && out->request.group_by.size == 0)
        status = json_fail_length(&by_at, out->request.group_by, 1, SIZE_MAX, error);
    if (status == OCT_OK)
        status = decode_count(up, "group_size", group_size, 1, &out->request.group_size, error);
    return status == OCT_OK ? decode_with_lookup(&lookup_at, with_lookup, memory, out, error) : status;
}
