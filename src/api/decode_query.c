/* The query API's requests: levels with prefetches, the union of kinds, groups, batches. See decode.h. */
#include "api/decode_query.h"

/* --- examples -------------------------------------------------------------------------------- */

oct_status
decode_example(const json_path *at, yyjson_val *value, arena *memory, oct_example *out, oct_error *error)
{
    out->is_point = yyjson_is_num(value) || yyjson_is_str(value);
    return out->is_point ? decode_id(at, value, &out->point, error)
                         : decode_query_vector(at, value, memory, &out->vector, error);
}

oct_status
decode_examples(const json_path *at, yyjson_val *value, arena *memory, const oct_example **out, size_t *count,
                oct_error *error)
{
    yyjson_arr_iter iter;
    yyjson_val     *item;
    oct_example    *list;
    size_t          i = 0;
    oct_status      status = OCT_OK;

    if (value == NULL)
        return OCT_OK;
    if (!yyjson_is_arr(value))
        return json_fail_type(at, value, "an array of vectors and point IDs", error);
    list = arena_array(memory, yyjson_arr_size(value) + 1, sizeof *list);
    if (list == NULL)
        return oct_fail_memory(error, yyjson_arr_size(value) * sizeof *list);
    iter = yyjson_arr_iter_with(value);
    while (status == OCT_OK && (item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path item_at = json_at_index(at, i);

        status = decode_example(&item_at, item, memory, &list[i++], error);
    }
    *out = list;
    *count = i;
    return status;
}

static oct_status
decode_pair(const json_path *at, yyjson_val *object, arena *memory, oct_context_pair *out, oct_error *error)
{
    static const json_field fields[] = {{"positive", NULL, true}, {"negative", NULL, true}};
    const json_path         positive_at = json_at(at, "positive"), negative_at = json_at(at, "negative");
    yyjson_val             *values[countof(fields)];
    oct_status              status = json_fields(at, object, fields, countof(fields), false, values, error);

    if (status == OCT_OK)
        status = decode_example(&positive_at, values[0], memory, &out->positive, error);
    return status == OCT_OK ? decode_example(&negative_at, values[1], memory, &out->negative, error) : status;
}

oct_status
decode_pairs(const json_path *at, yyjson_val *value, arena *memory, oct_discover *out, oct_error *error)
{
    const size_t      size = yyjson_is_arr(value) ? yyjson_arr_size(value) : 1;
    oct_context_pair *pairs;
    yyjson_arr_iter   iter;
    yyjson_val       *item;
    oct_status        status = OCT_OK;

    if (value == NULL)
        return OCT_OK;
    pairs = arena_array(memory, size + 1, sizeof *pairs);
    if (pairs == NULL)
        return oct_fail_memory(error, size * sizeof *pairs);
    out->pairs = pairs;
    if (!yyjson_is_arr(value)) {
        out->pair_count = 1;
        return decode_pair(at, value, memory, &pairs[0], error);
    }
    iter = yyjson_arr_iter_with(value);
    while (status == OCT_OK && (item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path item_at = json_at_index(at, out->pair_count);

        status = decode_pair(&item_at, item, memory, &pairs[out->pair_count++], error);
    }
    return status;
}

oct_status
decode_strategy(const json_path *up, yyjson_val *value, oct_recommend *out, oct_error *error)
{
    static const json_name names[] = {{"average_vector", OCT_AVERAGE_VECTOR},
                                      {"best_score", OCT_BEST_SCORE},
                                      {"sum_scores", OCT_SUM_SCORES}};
    const json_path        at = json_at(up, "strategy");
    int64_t                strategy = OCT_AVERAGE_VECTOR;
    oct_status             status = OCT_OK;

    if (value != NULL)
        status = json_get_name(&at, value, names, countof(names), &strategy, error);
    out->strategy = (oct_recommend_strategy)strategy;
    return status;
}

/* --- kinds: each gets its own value; `at` is the query's path ------------------------------------- */

/* What a kind of query is decoded from. */
typedef struct kind_source {
    const json_path *at;
    yyjson_val      *query; /* the whole object, for kinds that have a second member */
    yyjson_val      *value; /* of the kind's own key */
    arena           *memory;
} kind_source;

static oct_status
decode_mmr(const kind_source *from, yyjson_val *object, oct_nearest *out, oct_error *error)
{
    static const json_field fields[] = {{"diversity", NULL, false}, {"candidates_limit", NULL, false}};
    const json_path         at = json_at(from->at, "mmr");
    const json_path         diversity_at = json_at(&at, "diversity");
    const json_path         candidates_at = json_at(&at, "candidates_limit");
    yyjson_val             *values[countof(fields)];
    uint64_t                candidates = 0;
    oct_status              status = json_fields(&at, object, fields, countof(fields), false, values, error);

    out->mmr = true;
    out->mmr_diversity = 0.5f;
    if (status == OCT_OK)
        status = decode_unit_interval(&diversity_at, values[0], &out->mmr_diversity, error);
    if (status == OCT_OK)
        status = json_get_range(&candidates_at, values[1], 0, OCT_MMR_CANDIDATES_MAX, &candidates, error);
    out->has_mmr_candidates = status == OCT_OK && values[1] != NULL;
    out->mmr_candidates = candidates;
    return status;
}

static oct_status
decode_nearest(const kind_source *from, oct_query *out, oct_error *error)
{
    const json_path at = json_at(from->at, "nearest");
    yyjson_val     *mmr = yyjson_obj_get(from->query, "mmr");
    oct_status      status = OCT_OK;

    out->kind = OCT_QUERY_NEAREST;
    if (mmr != NULL && !yyjson_is_null(mmr))
        status = decode_mmr(from, mmr, &out->as.nearest, error);
    return status == OCT_OK ? decode_example(&at, from->value, from->memory, &out->as.nearest.target, error)
                            : status;
}

static oct_status
decode_recommend(const kind_source *from, oct_query *out, oct_error *error)
{
    static const json_field fields[] = {
        {"positive", NULL, false}, {"negative", NULL, false}, {"strategy", NULL, false}};
    const json_path at = json_at(from->at, "recommend");
    const json_path positive_at = json_at(&at, "positive"), negative_at = json_at(&at, "negative");
    oct_recommend  *made = &out->as.recommend;
    yyjson_val     *values[countof(fields)];
    oct_status      status = json_fields(&at, from->value, fields, countof(fields), false, values, error);

    out->kind = OCT_QUERY_RECOMMEND;
    if (status == OCT_OK)
        status = decode_examples(&positive_at, values[0], from->memory, &made->positive,
                                 &made->positive_count, error);
    if (status == OCT_OK)
        status = decode_examples(&negative_at, values[1], from->memory, &made->negative,
                                 &made->negative_count, error);
    return status == OCT_OK ? decode_strategy(&at, values[2], made, error) : status;
}

static oct_status
decode_discover(const kind_source *from, oct_query *out, oct_error *error)
{
    static const json_field fields[] = {{"target", NULL, true}, {"context", NULL, false}};
    const json_path         at = json_at(from->at, "discover");
    const json_path         target_at = json_at(&at, "target"), context_at = json_at(&at, "context");
    yyjson_val             *values[countof(fields)];
    oct_status status = json_fields(&at, from->value, fields, countof(fields), false, values, error);

    out->kind = OCT_QUERY_DISCOVER;
    if (status == OCT_OK)
        status = decode_example(&target_at, values[0], from->memory, &out->as.discover.target, error);
    return status == OCT_OK ? decode_pairs(&context_at, values[1], from->memory, &out->as.discover, error)
                            : status;
}

static oct_status
decode_context(const kind_source *from, oct_query *out, oct_error *error)
{
    const json_path at = json_at(from->at, "context");

    out->kind = OCT_QUERY_CONTEXT;
    return decode_pairs(&at, from->value, from->memory, &out->as.discover, error);
}

oct_status
decode_order(const json_path *at, yyjson_val *value, arena *memory, oct_order_by *out, oct_error *error)
{
    static const json_field fields[] = {
        {"key", NULL, true}, {"direction", NULL, false}, {"start_from", NULL, false}};
    static const json_name directions[] = {{"asc", 0}, {"desc", 1}};
    const json_path        key_at = json_at(at, "key"), direction_at = json_at(at, "direction");
    const json_path        start_at = json_at(at, "start_from");
    yyjson_val            *values[countof(fields)] = {value, NULL, NULL};
    int64_t                direction = 0;
    oct_status             status = OCT_OK;

    if (!yyjson_is_str(value))
        status = json_fields(at, value, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = json_get_text(&key_at, values[0], &out->key, error);
    if (status == OCT_OK && values[1] != NULL)
        status = json_get_name(&direction_at, values[1], directions, countof(directions), &direction, error);
    out->descending = direction != 0;
    if (status != OCT_OK || values[2] == NULL)
        return status;
    if (!yyjson_is_num(values[2]) && !yyjson_is_str(values[2]))
        return json_fail_type(&start_at, values[2], "a number or a date", error);
    return json_write_value(values[2], memory, &out->start_from, error);
}

static oct_status
decode_order_by(const kind_source *from, oct_query *out, oct_error *error)
{
    const json_path at = json_at(from->at, "order_by");

    out->kind = OCT_QUERY_ORDER_BY;
    return decode_order(&at, from->value, from->memory, &out->as.order_by, error);
}

static oct_status
decode_fusion(const kind_source *from, oct_query *out, oct_error *error)
{
    static const json_name names[] = {{"rrf", OCT_QUERY_RRF}, {"dbsf", OCT_QUERY_DBSF}};
    const json_path        at = json_at(from->at, "fusion");
    int64_t                kind = OCT_QUERY_RRF;
    const oct_status       status = json_get_name(&at, from->value, names, countof(names), &kind, error);

    out->kind = (oct_query_kind)kind;
    return status;
}

static oct_status
decode_rrf(const kind_source *from, oct_query *out, oct_error *error)
{
    static const json_field fields[] = {{"k", NULL, false}, {"weights", NULL, false}};
    const json_path         at = json_at(from->at, "rrf"), weights_at = json_at(&at, "weights");
    oct_rrf                *made = &out->as.rrf;
    yyjson_val             *values[countof(fields)];
    oct_status status = json_fields(&at, from->value, fields, countof(fields), false, values, error);

    out->kind = OCT_QUERY_RRF;
    if (status == OCT_OK)
        status = decode_count(&at, "k", values[0], 1, &made->k, error);
    if (status == OCT_OK && values[1] != NULL)
        status =
            decode_floats(&weights_at, values[1], from->memory, &made->weights, &made->weight_count, error);
    return status;
}

static oct_status
decode_formula_query(const kind_source *from, oct_query *out, oct_error *error)
{
    yyjson_val *defaults = yyjson_obj_get(from->query, "defaults");

    out->kind = OCT_QUERY_FORMULA;
    return decode_formula(from->at, from->value, yyjson_is_null(defaults) ? NULL : defaults, from->memory,
                          &out->as.formula, error);
}

static oct_status
decode_sample(const kind_source *from, oct_query *out, oct_error *error)
{
    static const json_name names[] = {{"random", 0}};
    const json_path        at = json_at(from->at, "sample");
    int64_t                how;

    out->kind = OCT_QUERY_SAMPLE;
    return json_get_name(&at, from->value, names, countof(names), &how, error);
}

static oct_status
decode_feedback_items(const json_path *at, yyjson_val *list, arena *memory, oct_feedback *out,
                      oct_error *error)
{
    static const json_field fields[] = {{"example", NULL, true}, {"score", NULL, true}};
    oct_feedback_item      *items;
    yyjson_arr_iter         iter;
    yyjson_val             *item, *values[countof(fields)];
    oct_status              status = OCT_OK;

    if (!yyjson_is_arr(list))
        return json_fail_type(at, list, "an array of {example, score}", error);
    items = arena_array(memory, yyjson_arr_size(list) + 1, sizeof *items);
    if (items == NULL)
        return oct_fail_memory(error, yyjson_arr_size(list) * sizeof *items);
    out->items = items;
    iter = yyjson_arr_iter_with(list);
    while (status == OCT_OK && (item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path    item_at = json_at_index(at, out->item_count);
        const json_path    example_at = json_at(&item_at, "example"), score_at = json_at(&item_at, "score");
        oct_feedback_item *one = &items[out->item_count++];

        status = json_fields(&item_at, item, fields, countof(fields), false, values, error);
        if (status == OCT_OK)
            status = decode_example(&example_at, values[0], memory, &one->example, error);
        if (status == OCT_OK)
            status = json_get_float(&score_at, values[1], &one->score, error);
    }
    return status;
}

/* {naive: {a, b, c}} */
static oct_status
decode_naive(const json_path *up, yyjson_val *value, oct_feedback *out, oct_error *error)
{
    static const json_field strategy_fields[] = {{"naive", NULL, true}};
    static const json_field fields[] = {{"a", NULL, true}, {"b", NULL, true}, {"c", NULL, true}};
    const json_path         strategy_at = json_at(up, "strategy"), at = json_at(&strategy_at, "naive");
    const json_path         a_at = json_at(&at, "a"), b_at = json_at(&at, "b"), c_at = json_at(&at, "c");
    yyjson_val             *naive = NULL, *values[countof(fields)];
    oct_status status = json_fields(&strategy_at, value, strategy_fields, 1, false, &naive, error);

    if (status == OCT_OK)
        status = json_fields(&at, naive, fields, countof(fields), false, values, error);
    if (status == OCT_OK)
        status = json_get_float(&a_at, values[0], &out->a, error);
    if (status == OCT_OK)
        status = json_get_float(&b_at, values[1], &out->b, error);
    if (status == OCT_OK && out->b < 0)
        status = json_fail(&b_at, error, OCT_RANGE, "value %g invalid, must be 0.0 or larger", (double)out->b);
    return status == OCT_OK ? json_get_float(&c_at, values[2], &out->c, error) : status;
}

static oct_status
decode_feedback(const kind_source *from, oct_query *out, oct_error *error)
{
    static const json_field fields[] = {
        {"target", NULL, true}, {"feedback", NULL, true}, {"strategy", NULL, true}};
    const json_path at = json_at(from->at, "relevance_feedback");
    const json_path target_at = json_at(&at, "target"), items_at = json_at(&at, "feedback");
    oct_feedback   *made = &out->as.feedback;
    yyjson_val     *values[countof(fields)];
    oct_status      status = json_fields(&at, from->value, fields, countof(fields), false, values, error);

    out->kind = OCT_QUERY_FEEDBACK;
    if (status == OCT_OK)
        status = decode_example(&target_at, values[0], from->memory, &made->target, error);
    if (status == OCT_OK)
        status = decode_feedback_items(&items_at, values[1], from->memory, made, error);
    if (status == OCT_OK)
        status = decode_naive(&at, values[2], made, error);
    if (status == OCT_OK && made->item_count == 0)
        status = json_fail(&at, error, OCT_RANGE,
                           "Validation error: feedback elements must be non-empty [{}]");
    return status;
}

typedef oct_status (*kind_decoder)(const kind_source *from, oct_query *out, oct_error *error);

/* An object with one of these keys is that kind of query; any other value is a vector or an id. */
static oct_status
decode_kind(const json_path *at, yyjson_val *value, arena *memory, oct_query *out, oct_error *error)
{
    static const json_field   fields[] = {{"nearest", NULL, false},  {"recommend", NULL, false},
                                          {"discover", NULL, false}, {"context", NULL, false},
                                          {"order_by", NULL, false}, {"fusion", NULL, false},
                                          {"rrf", NULL, false},      {"formula", NULL, false},
                                          {"sample", NULL, false},   {"relevance_feedback", NULL, false}};
    static const kind_decoder decoders[countof(fields)] = {
        decode_nearest, decode_recommend, decode_discover,      decode_context, decode_order_by,
        decode_fusion,  decode_rrf,       decode_formula_query, decode_sample,  decode_feedback};
    kind_source from = {at, value, NULL, memory};
    yyjson_val *values[countof(fields)];
    size_t      given = 0, kind = 0;
    oct_status  status;

    if (value == NULL)
        return OCT_OK;
    if (yyjson_is_obj(value)) {
        status = json_fields(at, value, fields, countof(fields), false, values, error);
        if (status != OCT_OK)
            return status;
        for (size_t i = 0; i < countof(fields); i++)
            if (values[i] != NULL) {
                given++;
                kind = i;
            }
    }
    if (given ==
        0) { /* numbers, an id, {indices, values}, a document; or an error that says what is possible */
        out->kind = OCT_QUERY_NEAREST;
        return decode_example(at, value, memory, &out->as.nearest.target, error);
    }
    if (given > 1)
        return json_fail(at, error, OCT_FORMAT, "a query has exactly one kind, found `%s` beside others",
                         fields[kind].name);
    from.value = values[kind];
    return decoders[kind](&from, out, error);
}

/* --- levels ----------------------------------------------------------------------------------- */

/* The members that every level has, first in each table of fields. */
enum { PREFETCH, QUERY, USING, FILTER, PARAMS, THRESHOLD, LIMIT, LOOKUP, LEVEL_FIELDS };
#define LEVEL_FIELD_LIST                                                                                     \
    {"prefetch", NULL, false}, {"query", NULL, false}, {"using", NULL, false}, {"filter", NULL, false},      \
        {"params", NULL, false}, {"score_threshold", NULL, false}, {"limit", NULL, false},                   \
    {                                                                                                        \
        "lookup_from", NULL, false                                                                           \
    }

static oct_status decode_prefetches(const json_path *at, yyjson_val *value, arena *memory, oct_query *out,
                                    oct_error *error);

static oct_status
decode_level(const json_path *at, yyjson_val **values, arena *memory, oct_query *out, oct_error *error)
{
    const json_path query_at = json_at(at, "query"), prefetch_at = json_at(at, "prefetch");
    const json_path using_at = json_at(at, "using"), filter_at = json_at(at, "filter");
    oct_status      status;

    *out = (oct_query){.limit = LIMIT_DEFAULT, .using_vector = {"", 0}};
    status = decode_kind(&query_at, values[QUERY], memory, out, error);
    if (status == OCT_OK)
        status = json_get_text(&using_at, values[USING], &out->using_vector, error);
    if (status == OCT_OK)
        status = decode_threshold(at, values[THRESHOLD], out, error);
    if (status == OCT_OK)
        status = decode_count(at, "limit", values[LIMIT], 1, &out->limit, error);
    if (status == OCT_OK)
        status = decode_params(at, values[PARAMS], memory, out, error);
    if (status == OCT_OK)
        status = decode_lookup_from(at, values[LOOKUP], memory, out, error);
    if (status == OCT_OK)
        status = decode_filter(&filter_at, values[FILTER], memory, &out->filter, error);
    if (status == OCT_OK)
        status = decode_prefetches(&prefetch_at, values[PREFETCH], memory, out, error);
    return status;
}

static oct_status
decode_prefetch(const json_path *at, yyjson_val *object, arena *memory, oct_query *out, oct_error *error)
{
    static const json_field fields[] = {LEVEL_FIELD_LIST};
    yyjson_val             *values[countof(fields)];
    const oct_status        status = json_fields(at, object, fields, countof(fields), false, values, error);

    return status == OCT_OK ? decode_level(at, values, memory, out, error) : status;
}

/* One, a list, or none. The recursion is as deep as JSON may be nested. */
static oct_status
decode_prefetches(const json_path *at, yyjson_val *value, arena *memory, oct_query *out, oct_error *error)
{
    const size_t    size = yyjson_is_arr(value) ? yyjson_arr_size(value) : 1;
    oct_query      *list;
    yyjson_arr_iter iter;
    yyjson_val     *item;
    oct_status      status = OCT_OK;

    if (value == NULL || size == 0)
        return OCT_OK;
    list = arena_array(memory, size, sizeof *list);
    if (list == NULL)
        return oct_fail_memory(error, size * sizeof *list);
    out->prefetch = list;
    if (!yyjson_is_arr(value)) {
        out->prefetch_count = 1;
        return decode_prefetch(at, value, memory, list, error);
    }
    iter = yyjson_arr_iter_with(value);
    while (status == OCT_OK && (item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path item_at = json_at_index(at, out->prefetch_count);

        status = decode_prefetch(&item_at, item, memory, &list[out->prefetch_count++], error);
    }
    return status;
}

/* --- requests --------------------------------------------------------------------------------- */

/* Qdrant's REST request is a shard key beside an inner request, `internal`, that is flattened into it. */
static json_path
internal(const json_path *up)
{
    return json_at_range(up, (oct_slice){"", 0}, "internal");
}

oct_status
decode_query(const json_path *up, yyjson_val *body, arena *memory, api_query *out, oct_error *error)
{
    enum { SHARD_KEY = LEVEL_FIELDS, OFFSET, WITH_VECTOR, WITH_PAYLOAD };
    static const json_field fields[] = {LEVEL_FIELD_LIST,
                                        {"shard_key", NULL, false},
                                        {"offset", NULL, false},
                                        {"with_vector", "with_vectors", false},
                                        {"with_payload", NULL, false}};
    const json_path         at = internal(up);
    yyjson_val             *values[countof(fields)];
    oct_status              status = json_fields(&at, body, fields, countof(fields), false, values, error);

    *out = (api_query){0};
    if (status == OCT_OK)
        status = decode_level(&at, values, memory, &out->request.query, error);
    if (status == OCT_OK)
        status = decode_shard_filter(up, values[SHARD_KEY], memory, &out->request.query.filter, error);
    if (status == OCT_OK)
        status = decode_count(&at, "offset", values[OFFSET], 0, &out->request.offset, error);
    if (status == OCT_OK)
        status =
            decode_select(&at, values[WITH_PAYLOAD], values[WITH_VECTOR], false, memory, &out->select, error);
    out->request.select = out->select.select;
    return status;
}

oct_status
decode_query_groups(const json_path *up, yyjson_val *body, arena *memory, api_group_query *out,
                    oct_error *error)
{
    enum { SHARD_KEY = LEVEL_FIELDS, WITH_VECTOR, WITH_PAYLOAD, GROUP_BY, GROUP_SIZE, WITH_LOOKUP };
    static const json_field fields[] = {LEVEL_FIELD_LIST,
                                        {"shard_key", NULL, false},
                                        {"with_vector", "with_vectors", false},
                                        {"with_payload", NULL, false},
                                        {"group_by", NULL, true},
                                        {"group_size", NULL, false},
                                        {"with_lookup", NULL, false}};
    const json_path         at = internal(up);
    yyjson_val             *values[countof(fields)];
    oct_status              status = json_fields(&at, body, fields, countof(fields), false, values, error);

    *out = (api_group_query){0};
    if (status == OCT_OK)
        status = decode_level(&at, values, memory, &out->request.query, error);
    if (status == OCT_OK)
        status = decode_shard_filter(up, values[SHARD_KEY], memory, &out->request.query.filter, error);
    if (status == OCT_OK)
        status = decode_grouping(&at, values[GROUP_BY], values[GROUP_SIZE], values[WITH_LOOKUP],
                                 memory, out, error);
    if (status == OCT_OK)
        status =
            decode_select(&at, values[WITH_PAYLOAD], values[WITH_VECTOR], false, memory, &out->select, error);
    out->request.select = out->select.select;
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
