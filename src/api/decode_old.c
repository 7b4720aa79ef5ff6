/* The routes that clients before the query API call: search, recommend, discover and their groups, each a query of one
 * level; and the distance matrix. See decode.h, qdrant-api.md A.4. */
#include "api/decode_query.h"

/* The members that all of these have, first in each table of fields. */
enum { SHARD_KEY, FILTER, PARAMS, LIMIT, WITH_PAYLOAD, WITH_VECTOR, OLD_FIELDS };
#define OLD_FIELD_LIST                                                                                       \
    {"shard_key", NULL, false}, {"filter", NULL, false}, {"params", NULL, false}, {"limit", "top", true},    \
        {"with_payload", NULL, false},                                                                       \
    {                                                                                                        \
        "with_vector", "with_vectors", false                                                                 \
    }

static oct_status
decode_common(const json_path *at, yyjson_val **values, arena *memory, oct_query *out, api_select *select,
              oct_error *error)
{
    const json_path filter_at = json_at(at, "filter");
    oct_status      status = decode_count(at, "limit", values[LIMIT], 1, &out->limit, error);

    if (status == OCT_OK)
        status = decode_params(at, values[PARAMS], memory, out, error);
    if (status == OCT_OK)
        status = decode_select(at, values[WITH_PAYLOAD], values[WITH_VECTOR], false, memory, select, error);
    if (status == OCT_OK)
        status = decode_filter(&filter_at, values[FILTER], memory, &out->filter, error);
    return status == OCT_OK ? decode_shard_filter(at, values[SHARD_KEY], memory, &out->filter, error) : status;
}

/* A vector, or {name, vector}. */
static oct_status
decode_named_vector(const json_path *up, yyjson_val *vector, arena *memory, oct_query *out, oct_error *error)
{
    static const json_field fields[] = {{"name", NULL, true}, {"vector", NULL, true}};
    const json_path         at = json_at(up, "vector"), name_at = json_at(&at, "name");
    yyjson_val             *values[countof(fields)] = {NULL, vector};
    oct_status              status = OCT_OK;

    out->kind = OCT_QUERY_NEAREST;
    out->using_vector = (oct_slice){"", 0};
    if (yyjson_is_obj(vector))
        status = json_fields(&at, vector, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = json_get_text(&name_at, values[0], &out->using_vector, error);
    if (status == OCT_OK && !yyjson_is_arr(values[1]) && !yyjson_is_obj(values[1]) && !yyjson_is_raw(values[1]))
        status = json_fail_type(&at, values[1], "a vector, or {name, vector}", error);
    return status == OCT_OK ? decode_vector(&at, values[1], memory, &out->as.nearest.target.vector, error)
                            : status;
}

static oct_status
decode_using(const json_path *up, yyjson_val *using_vector, yyjson_val *lookup_from, arena *memory,
             oct_query *out, oct_error *error)
{
    const json_path at = json_at(up, "using");
    oct_status      status;

    out->using_vector = (oct_slice){"", 0};
    status = json_get_text(&at, using_vector, &out->using_vector, error);
    return status == OCT_OK ? decode_lookup_from(up, lookup_from, memory, out, error) : status;
}

/* values: positive, negative, strategy, using, lookup_from. */
static oct_status
decode_recommendation(const json_path *at, yyjson_val **values, arena *memory, oct_query *out,
                      oct_error *error)
{
    const json_path positive_at = json_at(at, "positive"), negative_at = json_at(at, "negative");
    oct_recommend  *made = &out->as.recommend;
    oct_status      status =
        decode_examples(&positive_at, values[0], memory, &made->positive, &made->positive_count, error);

    out->kind = OCT_QUERY_RECOMMEND;
    if (status == OCT_OK)
        status =
            decode_examples(&negative_at, values[1], memory, &made->negative, &made->negative_count, error);
    if (status == OCT_OK)
        status = decode_strategy(at, values[2], made, error);
    if (status == OCT_OK && made->strategy == OCT_AVERAGE_VECTOR && made->positive_count == 0)
        status =
            oct_fail(error, OCT_BAD_REQUEST, "At least one positive vector ID required with this strategy");
    return status == OCT_OK ? decode_using(at, values[3], values[4], memory, out, error) : status;
}

/* --- requests --------------------------------------------------------------------------------- */

oct_status
decode_old_search(const json_path *at, yyjson_val *body, arena *memory, api_query *out, oct_error *error)
{
    enum { VECTOR = OLD_FIELDS, OFFSET, THRESHOLD };
    static const json_field fields[] = {
        OLD_FIELD_LIST, {"vector", NULL, true}, {"offset", NULL, false}, {"score_threshold", NULL, false}};
    oct_query  *query = &out->request.query;
    yyjson_val *values[countof(fields)];
    oct_status  status = json_fields(at, body, fields, countof(fields), false, values, error);

    *out = (api_query){0};
    if (status == OCT_OK)
        status = decode_named_vector(at, values[VECTOR], memory, query, error);
    if (status == OCT_OK)
        status = decode_common(at, values, memory, query, &out->select, error);
    if (status == OCT_OK)
        status = decode_threshold(at, values[THRESHOLD], query, error);
    out->request.select = out->select.select;
    return status == OCT_OK ? decode_count(at, "offset", values[OFFSET], 0, &out->request.offset, error)
                            : status;
}

/* What both recommend routes have: the examples, what all old routes have, and the threshold. */
static oct_status
decode_recommended(const json_path *at, yyjson_val **values, yyjson_val **examples, yyjson_val *threshold,
                   arena *memory, oct_query *query, api_select *select, oct_error *error)
{
    oct_status status = decode_recommendation(at, examples, memory, query, error);

    if (status == OCT_OK)
        status = decode_common(at, values, memory, query, select, error);
    return status == OCT_OK ? decode_threshold(at, threshold, query, error) : status;
}

oct_status
decode_old_recommend(const json_path *at, yyjson_val *body, arena *memory, api_query *out, oct_error *error)
{
    enum { POSITIVE = OLD_FIELDS, NEGATIVE, STRATEGY, USING, LOOKUP, OFFSET, THRESHOLD };
    static const json_field fields[] = {OLD_FIELD_LIST,
                                        {"positive", NULL, false},
                                        {"negative", NULL, false},
                                        {"strategy", NULL, false},
                                        {"using", NULL, false},
                                        {"lookup_from", NULL, false},
                                        {"offset", NULL, false},
                                        {"score_threshold", NULL, false}};
    oct_query              *query = &out->request.query;
    yyjson_val             *values[countof(fields)];
    oct_status              status = json_fields(at, body, fields, countof(fields), false, values, error);

    *out = (api_query){0};
    if (status == OCT_OK)
        status = decode_recommended(at, values, &values[POSITIVE], values[THRESHOLD], memory, query, &out->select, error);
    out->request.select = out->select.select;
    return status == OCT_OK ? decode_count(at, "offset", values[OFFSET], 0, &out->request.offset, error)
                            : status;
}

oct_status
decode_old_discover(const json_path *at, yyjson_val *body, arena *memory, api_query *out, oct_error *error)
{
    enum { TARGET = OLD_FIELDS, CONTEXT, USING, LOOKUP, OFFSET };
    static const json_field fields[] = {
        OLD_FIELD_LIST,         {"target", NULL, false},      {"context", NULL, false},
        {"using", NULL, false}, {"lookup_from", NULL, false}, {"offset", NULL, false}};
    const json_path target_at = json_at(at, "target"), context_at = json_at(at, "context");
    oct_query      *query = &out->request.query;
    yyjson_val     *values[countof(fields)];
    oct_status      status = json_fields(at, body, fields, countof(fields), false, values, error);

    *out = (api_query){0};
    if (status == OCT_OK)
        status = decode_common(at, values, memory, query, &out->select, error);
    if (status == OCT_OK)
        status = decode_pairs(&context_at, values[CONTEXT], memory, &query->as.discover, error);
    if (status == OCT_OK && values[TARGET] != NULL)
        status = decode_example(&target_at, values[TARGET], memory, &query->as.discover.target, error);
    if (status == OCT_OK)
        status = decode_using(at, values[USING], values[LOOKUP], memory, query, error);
    if (status == OCT_OK && values[TARGET] == NULL && query->as.discover.pair_count == 0)
        status = oct_fail(error, OCT_BAD_REQUEST, "No target or context given");
    query->kind = status == OCT_OK && values[TARGET] == NULL ? OCT_QUERY_CONTEXT : OCT_QUERY_DISCOVER;
    out->request.select = out->select.select;
    return status == OCT_OK ? decode_count(at, "offset", values[OFFSET], 0, &out->request.offset, error)
                            : status;
}

oct_status
decode_old_search_groups(const json_path *at, yyjson_val *body, arena *memory, api_group_query *out,
                         oct_error *error)
{
    enum { VECTOR = OLD_FIELDS, THRESHOLD, GROUP_BY, GROUP_SIZE, WITH_LOOKUP };
    static const json_field fields[] = {
        OLD_FIELD_LIST,           {"vector", NULL, true},     {"score_threshold", NULL, false},
        {"group_by", NULL, true}, {"group_size", NULL, true}, {"with_lookup", NULL, false}};
    oct_query  *query = &out->request.query;
    yyjson_val *values[countof(fields)];
    oct_status  status = json_fields(at, body, fields, countof(fields), false, values, error);

    *out = (api_group_query){0};
    if (status == OCT_OK)
        status = decode_named_vector(at, values[VECTOR], memory, query, error);
    if (status == OCT_OK)
        status = decode_common(at, values, memory, query, &out->select, error);
    if (status == OCT_OK)
        status = decode_threshold(at, values[THRESHOLD], query, error);
    out->request.select = out->select.select;
    return status == OCT_OK ? decode_grouping(at, values[GROUP_BY], values[GROUP_SIZE],
                                              values[WITH_LOOKUP], memory, out, error)
                            : status;
}

oct_status
decode_old_recommend_groups(const json_path *at, yyjson_val *body, arena *memory, api_group_query *out,
                            oct_error *error)
{
    enum {
        POSITIVE = OLD_FIELDS,
        NEGATIVE,
        STRATEGY,
        USING,
        LOOKUP,
        THRESHOLD,
        GROUP_BY,
        GROUP_SIZE,
        WITH_LOOKUP
    };
    static const json_field fields[] = {OLD_FIELD_LIST,
                                        {"positive", NULL, false},
                                        {"negative", NULL, false},
                                        {"strategy", NULL, false},
                                        {"using", NULL, false},
                                        {"lookup_from", NULL, false},
                                        {"score_threshold", NULL, false},
                                        {"group_by", NULL, true},
                                        {"group_size", NULL, true},
                                        {"with_lookup", NULL, false}};
    oct_query              *query = &out->request.query;
    yyjson_val             *values[countof(fields)];
    oct_status              status = json_fields(at, body, fields, countof(fields), false, values, error);

    *out = (api_group_query){0};
    if (status == OCT_OK)
        status = decode_recommended(at, values, &values[POSITIVE], values[THRESHOLD], memory, query, &out->select, error);
    out->request.select = out->select.select;
    return status == OCT_OK ? decode_grouping(at, values[GROUP_BY], values[GROUP_SIZE],
                                              values[WITH_LOOKUP], memory, out, error)
                            : status;
}

oct_status
decode_matrix(yyjson_val *body, arena *memory, oct_matrix_request *out, oct_error *error)
{
    enum { KEY, FILTER_GIVEN, SAMPLE, NEIGHBOURS, USING };
    static const json_field fields[] = {{"shard_key", NULL, false},
                                        {"filter", NULL, false},
                                        {"sample", NULL, false},
                                        {"limit", NULL, false},
                                        {"using", NULL, false}};
    const json_path         filter_at = json_at(NULL, "filter");
    const json_path         using_at = json_at(NULL, "using");
    yyjson_val             *values[countof(fields)];
    oct_status              status = json_fields(NULL, body, fields, countof(fields), false, values, error);

    *out = (oct_matrix_request){.using_vector = {"", 0}, .sample = 10, .limit = 3}; /* Qdrant's defaults */
    if (status == OCT_OK)
        status = decode_filter(&filter_at, values[FILTER_GIVEN], memory, &out->filter, error);
    if (status == OCT_OK)
        status = decode_shard_filter(NULL, values[KEY], memory, &out->filter, error);
    if (status == OCT_OK)
        status = decode_count(NULL, "sample", values[SAMPLE], 2, &out->sample, error);
    if (status == OCT_OK)
        status = decode_count(NULL, "limit", values[NEIGHBOURS], 1, &out->limit, error);
    return status == OCT_OK ? json_get_text(&using_at, values[USING], &out->using_vector, error) : status;
}
