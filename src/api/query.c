/* Queries: the query API, the old searches, groups, the distance matrix. See api.h. */
#include "api/encode.h"

/* --- limits ------------------------------------------------------------------------------------- */

static bool
is_huge(size_t limit, size_t offset)
{
    return limit > OCT_LIMIT_MAX || offset > OCT_LIMIT_MAX - limit;
}

static bool
has_huge_limit(const oct_query *query)
{
    if (is_huge(query->limit, 0))
        return true;
    for (size_t i = 0; i < query->prefetch_count; i++)
        if (has_huge_limit(&query->prefetch[i]))
            return true;
    return false;
}

static void
lower_limits_of(oct_query *query)
{
    query->limit = size_min(query->limit, OCT_LIMIT_MAX);
    for (size_t i = 0; i < query->prefetch_count; i++)
        lower_limits_of((oct_query *)(uintptr_t)&query->prefetch[i]); /* the decoder's own array */
}

/* A limit that no request may have is fine if the collection has no more points anyway. */
static oct_status
lower_limits(oct_collection *collection, oct_query *query, size_t *offset, oct_error *error)
{
    const json_path at = json_at(NULL, "limit");
    uint64_t        count = 0;
    oct_status      status;

    if (!is_huge(query->limit, *offset) && !has_huge_limit(query))
        return OCT_OK;
    status = oct_count(collection, &count, error);
    if (status != OCT_OK)
        return status;
    if (count > OCT_LIMIT_MAX)
        return json_fail(&at, error, OCT_RANGE, "limit + offset is more than %u; use scroll", OCT_LIMIT_MAX);
    lower_limits_of(query);
    *offset = size_min(*offset, OCT_LIMIT_MAX - 1);
    query->limit = size_min(query->limit, OCT_LIMIT_MAX - *offset);
    return OCT_OK;
}

/* --- hits ----------------------------------------------------------------------------------------- */

/* The APIs differ in how a body is read and in what stands round the hits. */
typedef struct query_form {
    api_query_decoder decode;
    const char       *before, *after;
} query_form;

static const query_form new_form = {decode_query, "{\"points\":", "}"};
static const query_form search_form = {decode_old_search, "", ""};
static const query_form recommend_form = {decode_old_recommend, "", ""};
static const query_form discover_form = {decode_old_discover, "", ""};

static void
encode_hits(api_call *call, const query_form *form, const oct_records *records, const api_select *select)
{
    buffer_add_text(&call->out, form->before);
    buffer_add_byte(&call->out, '[');
    for (size_t i = 0; i < records->count; i++) {
        if (i > 0)
            buffer_add_byte(&call->out, ',');
        encode_hit(&call->out, &records->items[i], select);
    }
    buffer_add_byte(&call->out, ']');
    buffer_add_text(&call->out, form->after);
}

static oct_status
run_one(api_call *call, const query_form *form, oct_error *error)
{
    oct_collection *collection = NULL;
    oct_records    *records = NULL;
    yyjson_val     *body;
    api_query       query;
    oct_status      status = api_read_options(call, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = form->decode(NULL, body, &call->memory, &query, error);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    if (status == OCT_OK)
        status = lower_limits(collection, &query.request.query, &query.request.offset, error);
    if (status == OCT_OK)
        status = oct_query_points(collection, &query.request, &records, error);
    if (status == OCT_OK)
        encode_hits(call, form, records, &query.select);
    oct_records_free(records);
    oct_collection_close(collection);
    return status;
}

/* Answers in the order of the requests; the first that fails fails the batch. */
static oct_status
run_batch(api_call *call, const query_form *form, oct_error *error)
{
    oct_collection    *collection = NULL;
    oct_query_request *requests = NULL;
    oct_records      **records = NULL;
    api_query         *queries = NULL;
    yyjson_val        *body;
    size_t             count = 0;
    oct_status         status = api_read_options(call, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = decode_searches(body, form->decode, &call->memory, &queries, &count, error);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    if (status == OCT_OK) {
        requests = arena_array(&call->memory, count + 1, sizeof *requests);
        records = arena_array(&call->memory, count + 1, sizeof *records);
        if (requests == NULL || records == NULL)
            status = oct_fail_memory(error, count * sizeof *requests);
    }
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        status = lower_limits(collection, &queries[i].request.query, &queries[i].request.offset, error);
        requests[i] = queries[i].request;
    }
    if (status == OCT_OK)
        status = oct_query_batch(collection, requests, count, records, error);
    buffer_add_byte(&call->out, '[');
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        buffer_add_text(&call->out, i > 0 ? "," : "");
        encode_hits(call, form, records[i], &queries[i].select);
        oct_records_free(records[i]);
    }
    buffer_add_byte(&call->out, ']');
    oct_collection_close(collection);
    return status;
}

oct_status
query_points(api_call *call, oct_error *error)
{
    return run_one(call, &new_form, error);
}

oct_status
query_batch(api_call *call, oct_error *error)
{
    return run_batch(call, &new_form, error);
}

oct_status
query_search(api_call *call, oct_error *error)
{
    return run_one(call, &search_form, error);
}

oct_status
query_search_batch(api_call *call, oct_error *error)
{
    return run_batch(call, &search_form, error);
}

oct_status
query_recommend(api_call *call, oct_error *error)
{
    return run_one(call, &recommend_form, error);
}

oct_status
query_recommend_batch(api_call *call, oct_error *error)
{
    return run_batch(call, &recommend_form, error);
}

oct_status
query_discover(api_call *call, oct_error *error)
{
    return run_one(call, &discover_form, error);
}

oct_status
query_discover_batch(api_call *call, oct_error *error)
{
    return run_batch(call, &discover_form, error);
}

/* --- groups --------------------------------------------------------------------------------------- */

static void
encode_group(buffer *out, const oct_group *group, const api_group_query *query)
{
    buffer_add_text(out, "{\"hits\":[");
    for (size_t i = 0; i < group->hit_count; i++) {
        if (i > 0)
            buffer_add_byte(out, ',');
        encode_hit(out, &group->hits[i], &query->select);
    }
    buffer_add_text(out, "],\"id\":");
    switch (group->kind) {
    case OCT_GROUP_TEXT:
        json_add_text(out, group->text);
        break;
    case OCT_GROUP_UNSIGNED:
        json_add_u64(out, group->unsigned_number);
        break;
    case OCT_GROUP_SIGNED:
        buffer_format(out, "%lld", (long long)group->signed_number);
        break;
    }
    if (group->lookup != NULL) {
        buffer_add_text(out, ",\"lookup\":");
        encode_record(out, group->lookup, &query->lookup_select);
    }
    buffer_add_byte(out, '}');
}

static oct_status
run_groups(api_call *call, api_group_decoder decode, oct_error *error)
{
    oct_collection *collection = NULL;
    oct_groups     *groups = NULL;
    yyjson_val     *body;
    api_group_query query;
    size_t          offset = 0;
    oct_status      status = api_read_options(call, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = decode(NULL, body, &call->memory, &query, error);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    if (status == OCT_OK)
        status = lower_limits(collection, &query.request.query, &offset, error);
    if (status == OCT_OK)
        status = oct_query_groups(collection, &query.request, &groups, error);
    buffer_add_text(&call->out, "{\"groups\":[");
    for (size_t i = 0; status == OCT_OK && i < groups->count; i++) {
        if (i > 0)
            buffer_add_byte(&call->out, ',');
        encode_group(&call->out, &groups->items[i], &query);
    }
    buffer_add_text(&call->out, "]}");
    oct_groups_free(groups);
    oct_collection_close(collection);
    return status;
}

oct_status
query_groups(api_call *call, oct_error *error)
{
    return run_groups(call, decode_query_groups, error);
}

oct_status
query_search_groups(api_call *call, oct_error *error)
{
    return run_groups(call, decode_old_search_groups, error);
}

oct_status
query_recommend_groups(api_call *call, oct_error *error)
{
    return run_groups(call, decode_old_recommend_groups, error);
}

/* --- the matrix ----------------------------------------------------------------------------------- */

static void
encode_pairs(buffer *out, const oct_matrix *matrix)
{
    buffer_add_text(out, "{\"pairs\":[");
    for (size_t i = 0; i < matrix->score_count; i++) {
        buffer_add_text(out, i > 0 ? ",{\"a\":" : "{\"a\":");
        encode_id(out, matrix->ids[matrix->rows[i]]);
        buffer_add_text(out, ",\"b\":");
        encode_id(out, matrix->ids[matrix->columns[i]]);
        buffer_add_text(out, ",\"score\":");
        encode_score(out, matrix->scores[i]);
        buffer_add_byte(out, '}');
    }
    buffer_add_text(out, "]}");
}

static void
encode_numbers(buffer *out, const uint32_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_add_byte(out, ',');
        json_add_u64(out, numbers[i]);
    }
}

static void
encode_offsets(buffer *out, const oct_matrix *matrix)
{
    buffer_add_text(out, "{\"offsets_row\":[");
    encode_numbers(out, matrix->rows, matrix->score_count);
    buffer_add_text(out, "],\"offsets_col\":[");
    encode_numbers(out, matrix->columns, matrix->score_count);
    buffer_add_text(out, "],\"scores\":[");
    for (size_t i = 0; i < matrix->score_count; i++) {
        if (i > 0)
            buffer_add_byte(out, ',');
        encode_score(out, matrix->scores[i]);
    }
    buffer_add_text(out, "],\"ids\":[");
    for (size_t i = 0; i < matrix->id_count; i++) {
        if (i > 0)
            buffer_add_byte(out, ',');
        encode_id(out, matrix->ids[i]);
    }
    buffer_add_text(out, "]}");
}

static oct_status
run_matrix(api_call *call, void (*encode)(buffer *out, const oct_matrix *matrix), oct_error *error)
{
    oct_collection    *collection = NULL;
    oct_matrix        *matrix = NULL;
    yyjson_val        *body;
    oct_matrix_request request;
    oct_status         status = api_read_options(call, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = decode_matrix(body, &call->memory, &request, error);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    if (status == OCT_OK)
        status = oct_search_matrix(collection, &request, &matrix, error);
    if (status == OCT_OK)
        encode(&call->out, matrix);
    oct_matrix_free(matrix);
    oct_collection_close(collection);
    return status;
}

oct_status
query_matrix_pairs(api_call *call, oct_error *error)
{
    return run_matrix(call, encode_pairs, error);
}

oct_status
query_matrix_offsets(api_call *call, oct_error *error)
{
    return run_matrix(call, encode_offsets, error);
}
