/* Searches: the query API for nearest and for points by id, and the old search. See api.h. */
#include "api/encode.h"

/* A limit that no request may have is fine if the collection has no more points anyway. */
static oct_status
lower_limit(oct_collection *collection, oct_search_request *request, oct_error *error)
{
    const json_path at = json_at(NULL, "limit");
    uint64_t        count = 0;
    oct_status      status;

    if (request->limit <= OCT_LIMIT_MAX && request->offset <= OCT_LIMIT_MAX - request->limit)
        return OCT_OK;
    status = oct_count(collection, &count, error);
    if (status != OCT_OK)
        return status;
    if (count > OCT_LIMIT_MAX)
        return json_fail(&at, error, OCT_RANGE, "limit + offset is more than %u; use scroll", OCT_LIMIT_MAX);
    request->offset = size_min(request->offset, OCT_LIMIT_MAX - 1);
    request->limit = size_min(request->limit, OCT_LIMIT_MAX - request->offset);
    return OCT_OK;
}

/* Take the query from a stored point, and keep that point out of the hits if it is of this collection. */
static oct_status
resolve_point(api_call *call, oct_collection *collection, api_query *query, oct_error *error)
{
    oct_search_request *request = &query->request;
    const oct_slice     name = query->has_lookup ? query->lookup_vector : request->vector_name;
    const oct_select    select = {.with_vector = true, .vectors = &name, .vector_count = 1};
    oct_collection     *other = NULL;
    oct_records        *records = NULL;
    float              *values;
    oct_status          status = OCT_OK;

    if (query->has_lookup) {
        status = oct_collection_open(call->database, query->lookup_collection, &other, error);
        if (status == OCT_NOT_FOUND)
            status = oct_fail(error, status, "Collection " SLICE_FMT " not found",
                              SLICE_ARG(query->lookup_collection));
    }
    if (status == OCT_OK)
        status = oct_retrieve(other != NULL ? other : collection, &query->point, 1, &select, &records, error);
    if (status == OCT_OK && records->count == 0) {
        char shown[ID_TEXT_MAX];

        id_to_text(query->point, shown);
        status = oct_fail(error, OCT_NOT_FOUND, "No point with id %s found", shown);
    }
    if (status == OCT_OK && records->items[0].vector_count == 0)
        status = oct_fail(error, OCT_NOT_FOUND, "Vector with name \"" SLICE_FMT "\" for point not found",
                          SLICE_ARG(name));
    if (status == OCT_OK && records->items[0].vectors[0].kind != OCT_DENSE)
        status = api_unsupported(NULL, "a search by a sparse vector or a multivector", error);
    if (status == OCT_OK) {
        const oct_vector *vector = &records->items[0].vectors[0];

        values = arena_array(&call->memory, vector->value_count, sizeof *values);
        if (values == NULL) {
            status = oct_fail_memory(error, vector->value_count * sizeof *values);
        } else {
            memcpy(values, vector->values, vector->value_count * sizeof *values);
            request->query = values;
            request->dim = vector->value_count;
            if (other == NULL || other == collection) {
                request->exclude = &query->point;
                request->exclude_count = 1;
            }
        }
    }
    oct_records_free(records);
    oct_collection_close(other);
    return status;
}

/* Points by ascending id: find where the page begins, then read it. */
static oct_status
by_id(oct_collection *collection, const api_query *query, oct_records **out, oct_error *error)
{
    const oct_search_request *request = &query->request;
    const oct_select          nothing = {0};
    oct_records              *skipped = NULL;
    oct_id                    from;
    oct_status                status;

    if (request->offset == 0)
        return oct_scroll(collection, NULL, request->limit, &query->select.select, out, error);
    status = oct_scroll(collection, NULL, request->offset, &nothing, &skipped, error);
    if (status != OCT_OK)
        return status;
    if (skipped->has_next) {
        from = skipped->next;
        status = oct_scroll(collection, &from, request->limit, &query->select.select, out, error);
    }
    oct_records_free(skipped);
    return status; /* *out stays NULL past the end */
}

/* Append the hits as an array. */
static oct_status
run_query(api_call *call, oct_collection *collection, api_query *query, oct_error *error)
{
    oct_records *records = NULL;
    oct_status   status = lower_limit(collection, &query->request, error);

    if (status == OCT_OK && query->kind == API_QUERY_POINT)
        status = resolve_point(call, collection, query, error);
    if (status == OCT_OK && query->kind == API_QUERY_NONE)
        status = by_id(collection, query, &records, error);
    else if (status == OCT_OK)
        status = oct_search(collection, &query->request, &records, error);
    if (status != OCT_OK)
        return status;
    buffer_add_byte(&call->out, '[');
    for (size_t i = 0; records != NULL && i < records->count; i++) {
        oct_record hit = records->items[i];

        if (i > 0)
            buffer_add_byte(&call->out, ',');
        if (query->kind == API_QUERY_NONE)
            hit.score = 1.0f;
        encode_hit(&call->out, &hit, query->kind == API_QUERY_NONE ? 0 : hit.version, &query->select);
    }
    buffer_add_byte(&call->out, ']');
    oct_records_free(records);
    return OCT_OK;
}

/* The two APIs differ in how a body is read and in what stands round the hits. */
typedef struct search_form {
    api_query_decoder decode;
    const char       *before, *after;
} search_form;

static const search_form query_form = {decode_query, "{\"points\":", "}"};
static const search_form old_form = {decode_old_search, "", ""};

static oct_status
run_one(api_call *call, const search_form *form, oct_error *error)
{
    oct_collection *collection = NULL;
    yyjson_val     *body;
    api_query       query;
    oct_status      status = api_read_options(call, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = form->decode(NULL, body, &call->memory, &query, error);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    buffer_add_text(&call->out, form->before);
    if (status == OCT_OK)
        status = run_query(call, collection, &query, error);
    buffer_add_text(&call->out, form->after);
    oct_collection_close(collection);
    return status;
}

/* Answers in the order of the requests; the first that fails fails the batch. */
static oct_status
run_batch(api_call *call, const search_form *form, oct_error *error)
{
    oct_collection *collection = NULL;
    api_query      *queries = NULL;
    yyjson_val     *body;
    size_t          count = 0;
    oct_status      status = api_read_options(call, error);

    if (status == OCT_OK)
        status = api_body(call, &body, error);
    if (status == OCT_OK)
        status = decode_searches(body, form->decode, &call->memory, &queries, &count, error);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    buffer_add_byte(&call->out, '[');
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        buffer_add_text(&call->out, i > 0 ? "," : "");
        buffer_add_text(&call->out, form->before);
        status = run_query(call, collection, &queries[i], error);
        buffer_add_text(&call->out, form->after);
    }
    buffer_add_byte(&call->out, ']');
    oct_collection_close(collection);
    return status;
}

oct_status
search_query(api_call *call, oct_error *error)
{
    return run_one(call, &query_form, error);
}

oct_status
search_query_batch(api_call *call, oct_error *error)
{
    return run_batch(call, &query_form, error);
}

oct_status
search_old(api_call *call, oct_error *error)
{
    return run_one(call, &old_form, error);
}

oct_status
search_old_batch(api_call *call, oct_error *error)
{
    return run_batch(call, &old_form, error);
}
