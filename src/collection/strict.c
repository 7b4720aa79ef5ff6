/* See strict.h. */
#include "collection/strict.h"

#include <math.h>

#include "base/deadline.h"
#include "base/epoch.h"
#include "os/os.h"

#define MINUTE_NS 60e9

/* What is checked against: the configuration, pinned. */
#define PREFIX_BYTES_MAX 512u /* of keys of nested filters, joined */
#define KEY_BYTES_MAX    1024u

typedef struct checker {
    oct_collection          *collection;
    const config_box        *box;
    const oct_strict_config *strict;
    uint64_t                 conditions; /* of the filters met so far */
    oct_error               *error;
    oct_slice                prefix; /* of the nested filters around: "a[].b[]" */
} checker;

static bool
begin(checker *self, oct_collection *collection, oct_error *error)
{
    epoch_pin();
    *self = (checker){.collection = collection, .box = collection_box(collection), .error = error};
    self->strict = &self->box->config.strict;
    return self->strict->enabled == 1;
}

static oct_status
end(oct_status status)
{
    epoch_unpin();
    return status;
}

/* --- limits ---------------------------------------------------------------------------------------------- */

static oct_status
check_limit(const checker *self, const char *name, double value, double limit)
{
    if (limit < 0 || value <= limit)
        return OCT_OK;
    return oct_fail(self->error, OCT_BAD_REQUEST,
                    "Limit exceeded %.15g > %.15g for \"%s\". Help: Reduce the \"%s\" parameter to or below %.15g.", value,
                    limit, name, name, limit);
}

static oct_status
check_timeout(const checker *self)
{
    const uint64_t limit_ms = deadline_get().limit_ms;

    return check_limit(self, "timeout", (double)limit_ms / 1000.0, (double)self->strict->max_timeout);
}

/* --- rates ------------------------------------------------------------------------------------------------- */

/* Take `cost` tokens. */
static oct_status
take_tokens(const checker *self, rate_bucket *bucket, const char *what, int64_t limit, uint64_t cost)
{
    const uint64_t now = os_clock_ns(os_posix());
    const double   full = (double)limit;
    double         left;
    uint64_t       owed;
    bool           taken;

    if (limit == OCT_UNSET)
        return OCT_OK;
    if ((double)cost > full)
        return oct_fail(self->error, OCT_BUSY,
                        "%s rate limit exceeded, request larger than rate limiter capacity, please try to split your request",
                        what);
    owed = deadline_owed(cost);
    (void)pthread_mutex_lock(&bucket->lock);
    if (bucket->at_ns == 0 || bucket->limit != limit) {
        bucket->tokens = full;
        bucket->limit = limit;
    } else {
        bucket->tokens = fmin(full, bucket->tokens + (double)(now - bucket->at_ns) * full / MINUTE_NS);
    }
    bucket->at_ns = now;
    taken = bucket->tokens >= (double)owed;
    if (taken)
        bucket->tokens -= (double)owed;
    left = bucket->tokens;
    (void)pthread_mutex_unlock(&bucket->lock);
    if (taken) {
        deadline_pay(cost);
        return OCT_OK;
    }
    return oct_fail(self->error, OCT_BUSY,
                    "%s rate limit exceeded: Operation requires %llu tokens but only %.1f were available. Retry after %.0fs",
                    what, (unsigned long long)cost, floor(left * 10) / 10, fmax(1, ceil(((double)cost - left) / full * 60)));
}

/* --- filters ------------------------------------------------------------------------------------------------- */

/* Kinds of indexes that can answer a test. */
enum {
    BY_KEYWORD = 1,
    BY_INTEGER = 2, /* its lookup */
    BY_BOOL = 4,
    BY_FLOAT = 8,
    BY_DATETIME = 16,
    BY_UUID = 32,
    BY_GEO = 64,
    BY_TEXT = 128,
    BY_INTEGER_RANGE = 256,
    BY_ANY = 511
};

static const char *const kind_names[] = {"keyword", "integer", "bool", "float", "datetime", "uuid", "geo", "text", "integer"};

static unsigned
kinds_of_index(const oct_field_index *field)
{
    switch (field->type) {
    case OCT_FIELD_KEYWORD:
        return BY_KEYWORD;
    case OCT_FIELD_INTEGER:
        return (field->lookup != 0 ? BY_INTEGER : 0u) | (field->range != 0 ? BY_INTEGER_RANGE : 0u);
    case OCT_FIELD_FLOAT:
        return BY_FLOAT;
    case OCT_FIELD_GEO:
        return BY_GEO;
    case OCT_FIELD_TEXT:
        return BY_TEXT;
    case OCT_FIELD_BOOL:
        return BY_BOOL;
    case OCT_FIELD_DATETIME:
        return BY_DATETIME;
    case OCT_FIELD_UUID:
        return BY_UUID;
    default:
        return 0;
    }
}

/* Has the field an index of one of these kinds? */
static bool
has_index(const config_box *box, oct_slice key, unsigned kinds)
{
    const oct_field_index *field = config_find_field(&box->config, key);

    return field != NULL && (kinds_of_index(field) & kinds) != 0;
}

static unsigned
kinds_of_match(const oct_match *match)
{
    unsigned kinds = 0;

    switch (match->kind) {
    case OCT_MATCH_VALUE:
    case OCT_MATCH_ANY:
    case OCT_MATCH_EXCEPT:
        for (size_t i = 0; i < match->value_count; i++)
            kinds |= match->values[i].kind == OCT_VALUE_TEXT      ? BY_KEYWORD | BY_UUID
                     : match->values[i].kind == OCT_VALUE_INTEGER ? BY_INTEGER
                                                                  : BY_BOOL;
        return kinds == 0 ? BY_ANY : kinds;
    case OCT_MATCH_PREFIX:
        return BY_KEYWORD;
    default:
        return BY_TEXT;
    }
}

/* What an index of a key within nested filters is on: the whole path. */
static oct_slice
whole_key(const checker *self, oct_slice key, char *space)
{
    const size_t fits = size_min(key.size, KEY_BYTES_MAX - PREFIX_BYTES_MAX - 1);

    if (self->prefix.size == 0)
        return key;
    memcpy(space, self->prefix.data, self->prefix.size);
    space[self->prefix.size] = '.';
    if (fits > 0)
        memcpy(space + self->prefix.size + 1, key.data, fits);
    return (oct_slice){space, self->prefix.size + 1 + fits};
}

static oct_status
need_index(const checker *self, oct_slice given, unsigned kinds)
{
    char            space[KEY_BYTES_MAX], names[128] = "";
    const oct_slice key = whole_key(self, given, space);
    size_t          size = 0;

    if (has_index(self->box, key, kinds))
        return OCT_OK;
    for (size_t i = 0; i < countof(kind_names); i++) {
        if ((kinds >> i & 1) == 0 || (i == countof(kind_names) - 1 && (kinds & BY_INTEGER) != 0))
            continue;
        if (size > 0)
            names[size++] = ',', names[size++] = ' ';
        memcpy(names + size, kind_names[i], strlen(kind_names[i]) + 1);
        size += strlen(kind_names[i]);
    }
    return oct_fail(self->error, OCT_BAD_REQUEST,
                    "Index required but not found for \"%.*s\" of one of the following types: [%s]. Help: Create an index for "
                    "this key or use a different filter.",
                    (int)size_min(key.size, 300), key.data, names);
}

static oct_status
check_size(const checker *self, size_t size)
{
    if (self->strict->condition_max_size == OCT_UNSET || size <= (uint64_t)self->strict->condition_max_size)
        return OCT_OK;
    return oct_fail(self->error, OCT_BAD_REQUEST,
                    "Condition size limit reached (%zu > %lld). Help: Reduce the size of your condition.", size,
                    (long long)self->strict->condition_max_size);
}

static oct_status
check_field(const checker *self, const oct_condition *given, bool indexed)
{
    const oct_field_condition *field = given->field;
    oct_status                 status = OCT_OK;

    if (field == NULL)
        return OCT_OK; /* refused when it is compiled */
    if (field->match != NULL) {
        status = check_size(self, size_max(field->match->value_count, 1));
        if (status == OCT_OK && indexed)
            status = need_index(self, given->key, kinds_of_match(field->match));
    }
    if (!indexed || status != OCT_OK)
        return status;
    if (field->range != NULL)
        status = need_index(self, given->key, BY_FLOAT | BY_INTEGER_RANGE);
    if (status == OCT_OK && field->datetime_range != NULL)
        status = need_index(self, given->key, BY_DATETIME);
    if (status == OCT_OK && (field->geo_radius != NULL || field->geo_bounding_box != NULL || field->geo_polygon != NULL))
        status = need_index(self, given->key, BY_GEO);
    if (status == OCT_OK && (field->values_count != NULL || field->is_empty != OCT_EXPECT_NOTHING ||
                             field->is_null != OCT_EXPECT_NOTHING))
        status = need_index(self, given->key, BY_ANY);
    return status;
}

static oct_status check_filter(checker *self, const oct_filter *filter, bool indexed, size_t depth);

/* Keys within begin at each object of the array: an index of theirs is on `array[].key`. */
static oct_status
check_nested(checker *self, const oct_condition *given, bool indexed, size_t depth)
{
    const oct_slice outer = self->prefix, key = given->key;
    const bool      has_brackets = key.size >= 2 && memcmp(key.data + key.size - 2, "[]", 2) == 0;
    char            joined[PREFIX_BYTES_MAX];
    size_t          size = 0;
    oct_status      status;

    if (key.size + 3 > PREFIX_BYTES_MAX - outer.size) /* no index has so long a path */
        return indexed ? need_index(self, key, 0) : check_filter(self, given->filter, false, depth + 1);
    if (outer.size > 0) {
        memcpy(joined, outer.data, outer.size);
        size = outer.size;
        joined[size++] = '.';
    }
    if (key.size > 0)
        memcpy(joined + size, key.data, key.size);
    size += key.size;
    if (!has_brackets) {
        joined[size++] = '[';
        joined[size++] = ']';
    }
    self->prefix = (oct_slice){joined, size};
    status = check_filter(self, given->filter, indexed, depth + 1);
    self->prefix = outer;
    return status;
}

static oct_status
check_conditions(checker *self, const oct_condition *list, size_t count, bool indexed, size_t depth)
{
    oct_status status = OCT_OK;

    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        if (list[i].kind == OCT_CONDITION_SHARD_KEY) /* of the request, not of its filter */
            continue;
        self->conditions += list[i].kind != OCT_CONDITION_FILTER;
        switch (list[i].kind) {
        case OCT_CONDITION_FIELD:
            status = check_field(self, &list[i], indexed);
            break;
        case OCT_CONDITION_IS_EMPTY:
        case OCT_CONDITION_IS_NULL:
            status = indexed ? need_index(self, list[i].key, BY_ANY) : OCT_OK;
            break;
        case OCT_CONDITION_HAS_ID:
            status = check_size(self, list[i].id_count);
            break;
        case OCT_CONDITION_NESTED:
            status = check_nested(self, &list[i], indexed, depth);
            break;
        case OCT_CONDITION_FILTER:
            status = check_filter(self, list[i].filter, indexed, depth + 1);
            break;
        default:
            break;
        }
    }
    return status;
}

static oct_status
check_filter(checker *self, const oct_filter *filter, bool indexed, size_t depth)
{
    oct_status status;

    if (filter == NULL || depth > OCT_FILTER_DEPTH_MAX) /* deeper ones are refused when they are compiled */
        return OCT_OK;
    status = check_conditions(self, filter->must, filter->must_count, indexed, depth);
    if (status == OCT_OK)
        status = check_conditions(self, filter->should, filter->should_count, indexed, depth);
    if (status == OCT_OK)
        status = check_conditions(self, filter->must_not, filter->must_not_count, indexed, depth);
    if (status == OCT_OK)
        status = check_conditions(self, filter->min_should, filter->min_should_count, indexed, depth);
    if (status == OCT_OK && self->strict->filter_max_conditions != OCT_UNSET &&
        self->conditions > (uint64_t)self->strict->filter_max_conditions)
        status = oct_fail(self->error, OCT_BAD_REQUEST,
                          "Filter condition limit reached (%llu > %lld). Help: Reduce the amount of conditions of your filter.",
                          (unsigned long long)self->conditions, (long long)self->strict->filter_max_conditions);
    return status;
}

/* A filter of its own. */
static oct_status
check_whole_filter(checker *self, const oct_filter *filter, bool update)
{
    const int64_t unindexed =
        update ? self->strict->unindexed_filtering_update : self->strict->unindexed_filtering_retrieve;

    self->conditions = 0;
    return check_filter(self, filter, unindexed == 0, 1);
}

/* --- queries --------------------------------------------------------------------------------------------------- */

/* Does the filter say more than what shards to look at? */
static bool
narrows(const oct_filter *filter)
{
    return filter != NULL && filter->must_count + filter->should_count + filter->must_not_count + filter->min_count > 0;
}

static oct_status
check_exact(const checker *self, bool exact, oct_slice vector, const oct_filter *filter)
{
    if (self->strict->search_allow_exact != 0)
        return OCT_OK;
    if (exact)
        return oct_fail(self->error, OCT_BAD_REQUEST, "Exact search disabled!. Help: Set exact=false.");
    for (size_t i = 0; i < self->box->filled.vector_count; i++) {
        const oct_vector_config *config = &self->box->filled.vectors[i];

        if (slice_equal(config->name, vector) && config_vector_hnsw(&self->box->filled, config).m == 0 && !narrows(filter))
            return oct_fail(self->error, OCT_BAD_REQUEST,
                            "Request is forbidden on '%.*s' because global vector indexing is disabled (hnsw_config.m = 0). "
                            "Help: Use tenant-specific filter, enable global vector indexing or enable strict mode "
                            "`search_allow_exact` option",
                            (int)vector.size, vector.data);
    }
    return OCT_OK;
}

static bool
uses_vectors(oct_query_kind kind)
{
    return kind == OCT_QUERY_NEAREST || kind == OCT_QUERY_RECOMMEND || kind == OCT_QUERY_DISCOVER ||
           kind == OCT_QUERY_CONTEXT || kind == OCT_QUERY_FEEDBACK;
}

/* Payload fields that a formula reads. */
static oct_status
check_expression(checker *self, const oct_expression *given, size_t depth)
{
    const bool is_field = given->kind == OCT_EXPRESSION_GEO_DISTANCE || given->kind == OCT_EXPRESSION_DATETIME_FIELD ||
                          (given->kind == OCT_EXPRESSION_VARIABLE && (given->text.size == 0 || given->text.data[0] != '$'));
    oct_status status = OCT_OK;

    if (depth > OCT_EXPRESSION_DEPTH_MAX)
        return OCT_OK; /* refused when it is compiled */
    if (is_field && !has_index(self->box, given->text, BY_ANY))
        return oct_fail(self->error, OCT_BAD_REQUEST,
                        "Index required but not found for \"%.*s\" in a formula expression. Help: Create an index for this key.",
                        (int)size_min(given->text.size, 300), given->text.data);
    if (given->kind == OCT_EXPRESSION_CONDITION && given->condition != NULL)
        status = check_conditions(self, given->condition, 1, true, 1);
    for (size_t i = 0; i < given->operand_count && status == OCT_OK; i++)
        status = check_expression(self, &given->operands[i], depth + 1);
    return status;
}

/* One level and those below; *cost grows by the levels. */
static oct_status
check_level(checker *self, const oct_query *query, size_t depth, uint64_t *cost)
{
    oct_status status;

    ++*cost;
    if (depth > OCT_PREFETCH_DEPTH_MAX)
        return OCT_OK; /* refused when it is planned */
    status = check_limit(self, "limit", (double)query->limit, (double)self->strict->max_query_limit);
    if (status == OCT_OK)
        status = check_limit(self, "hnsw_ef", (double)query->ef, (double)self->strict->search_max_hnsw_ef);
    if (status == OCT_OK)
        status = check_limit(self, "oversampling", query->oversampling, self->strict->search_max_oversampling);
    if (status == OCT_OK)
        status = check_whole_filter(self, query->filter, false);
    if (status == OCT_OK && query->kind == OCT_QUERY_FORMULA && self->strict->unindexed_filtering_retrieve == 0)
        status = check_expression(self, &query->as.formula.expression, 0);
    if (status == OCT_OK && (query->exact || (uses_vectors(query->kind) && query->prefetch_count == 0)))
        status = check_exact(self, query->exact, query->using_vector, query->filter);
    for (size_t i = 0; i < query->prefetch_count && status == OCT_OK; i++)
        status = check_level(self, &query->prefetch[i], depth + 1, cost);
    return status;
}

oct_status
strict_check_queries(oct_collection *collection, const oct_query_request *requests, size_t count, bool is_batch,
                     oct_error *error)
{
    checker    self;
    uint64_t   cost = 0;
    oct_status status = OCT_OK;

    if (!begin(&self, collection, error))
        return end(OCT_OK);
    status = check_timeout(&self);
    if (status == OCT_OK && is_batch)
        status = check_limit(&self, "search batch size", (double)count, (double)self.strict->search_max_batchsize);
    for (size_t i = 0; i < count && status == OCT_OK; i++)
        status = check_level(&self, &requests[i].query, 0, &cost);
    if (status == OCT_OK)
        status = take_tokens(&self, &collection->rates->reads, "Read", self.strict->read_rate_limit, cost);
    return end(status);
}

/* Groups need an index for matches. `titles` are Qdrant's names of types, within this one message. */
static oct_status
check_group_by(const checker *self, oct_slice key)
{
    static const char *const titles[] = {[OCT_FIELD_KEYWORD] = "Keyword",   [OCT_FIELD_INTEGER] = "Integer",
                                         [OCT_FIELD_FLOAT] = "Float",       [OCT_FIELD_GEO] = "Geo",
                                         [OCT_FIELD_TEXT] = "Text",         [OCT_FIELD_BOOL] = "Bool",
                                         [OCT_FIELD_DATETIME] = "Datetime", [OCT_FIELD_UUID] = "Uuid"};
    const oct_field_index   *field = config_find_field(&self->box->config, key);
    const int                size = (int)size_min(key.size, 300);

    if (has_index(self->box, key, BY_KEYWORD | BY_INTEGER | BY_UUID | BY_BOOL))
        return OCT_OK;
    if (field == NULL)
        return oct_fail(self->error, OCT_BAD_REQUEST,
                        "Index required but not found for \"%.*s\". Help: Create an index supporting `match` for this key.",
                        size, key.data);
    return oct_fail(self->error, OCT_BAD_REQUEST,
                    "Index of type \"%s\" found for \"%.*s\". Help: Create an index supporting `match` for this key.",
                    titles[field->type], size, key.data);
}

oct_status
strict_check_groups(oct_collection *collection, const oct_group_request *request, oct_error *error)
{
    checker    self;
    uint64_t   cost = 0;
    oct_status status = OCT_OK;

    if (!begin(&self, collection, error))
        return end(OCT_OK);
    status = check_timeout(&self);
    if (status == OCT_OK)
        status = check_level(&self, &request->query, 0, &cost);
    if (status == OCT_OK)
        status = check_limit(&self, "limit", (double)request->query.limit * (double)request->group_size,
                             (double)self.strict->max_query_limit);
    if (status == OCT_OK && self.strict->unindexed_filtering_retrieve == 0)
        status = check_group_by(&self, request->group_by);
    if (status == OCT_OK)
        status = take_tokens(&self, &collection->rates->reads, "Read", self.strict->read_rate_limit, cost);
    return end(status);
}

oct_status
strict_check_search(oct_collection *collection, const oct_search_request *request, oct_error *error)
{
    checker    self;
    oct_status status = OCT_OK;

    if (!begin(&self, collection, error))
        return end(OCT_OK);
    status = check_timeout(&self);
    if (status == OCT_OK)
        status = check_limit(&self, "limit", (double)request->limit, (double)self.strict->max_query_limit);
    if (status == OCT_OK)
        status = check_limit(&self, "hnsw_ef", (double)request->ef, (double)self.strict->search_max_hnsw_ef);
    if (status == OCT_OK)
        status = check_whole_filter(&self, request->filter, false);
    if (status == OCT_OK)
        status = check_exact(&self, request->exact, request->vector_name, request->filter);
    if (status == OCT_OK)
        status = take_tokens(&self, &collection->rates->reads, "Read", self.strict->read_rate_limit, 1);
    return end(status);
}

oct_status
strict_check_read(oct_collection *collection, const oct_filter *filter, size_t limit, oct_error *error)
{
    checker    self;
    oct_status status = OCT_OK;

    if (!begin(&self, collection, error))
        return end(OCT_OK);
    status = check_timeout(&self);
    if (status == OCT_OK)
        status = check_limit(&self, "limit", (double)limit, (double)self.strict->max_query_limit);
    if (status == OCT_OK)
        status = check_whole_filter(&self, filter, false);
    if (status == OCT_OK)
        status = take_tokens(&self, &collection->rates->reads, "Read", self.strict->read_rate_limit, 1);
    return end(status);
}

/* --- writes ------------------------------------------------------------------------------------------------------- */

static int64_t
limit_for(const oct_strict_vector *list, size_t count, oct_slice name)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal(list[i].name, name))
            return list[i].max;
    return OCT_UNSET;
}

static oct_status
check_vectors(const checker *self, const oct_point *points, size_t count)
{
    const oct_strict_config *strict = self->strict;

    if (strict->multivector_count + strict->sparse_count == 0)
        return OCT_OK;
    for (size_t i = 0; i < count; i++)
        for (size_t v = 0; v < points[i].vector_count; v++) {
            const oct_vector *vector = &points[i].vectors[v];
            int64_t           most;

            if (vector->kind == OCT_SPARSE) {
                most = limit_for(strict->sparse, strict->sparse_count, vector->name);
                if (most != OCT_UNSET && vector->value_count > (size_t)most)
                    return oct_fail(self->error, OCT_BAD_REQUEST,
                                    "Sparse vector '%.*s' has a limit of %lld indices. Help: Reduce the amount of indices.",
                                    (int)vector->name.size, vector->name.data, (long long)most);
            } else if (vector->kind == OCT_MULTI) {
                most = limit_for(strict->multivectors, strict->multivector_count, vector->name);
                if (most != OCT_UNSET && vector->row_count > (size_t)most)
                    return oct_fail(self->error, OCT_BAD_REQUEST,
                                    "Multivector '%.*s' has a limit of %lld vectors, but %zu were provided!. Help: Reduce "
                                    "the amount of vectors.",
                                    (int)vector->name.size, vector->name.data, (long long)most, vector->row_count);
            }
        }
    return OCT_OK;
}

/* What the collection already takes; the write itself is not weighed, as in Qdrant. */
static oct_status
check_storage(const checker *self, size_t new_points)
{
    const oct_strict_config *strict = self->strict;
    shard_info               state;

    if (strict->max_points_count == OCT_UNSET && strict->max_collection_vector_size_bytes == OCT_UNSET &&
        strict->max_collection_payload_size_bytes == OCT_UNSET)
        return OCT_OK;
    shard_describe(self->collection->shard, &state);
    if (strict->max_points_count != OCT_UNSET && state.points + new_points > (uint64_t)strict->max_points_count)
        return oct_fail(self->error, OCT_BAD_REQUEST,
                        "Max points count limit of %lld reached!. Help: Delete some points or raise max_points_count.",
                        (long long)strict->max_points_count);
    if (strict->max_collection_vector_size_bytes != OCT_UNSET &&
        state.vector_bytes >= (uint64_t)strict->max_collection_vector_size_bytes)
        return oct_fail(self->error, OCT_BAD_REQUEST,
                        "Max vector storage size limit of %lld bytes reached!. Help: Delete some points or raise "
                        "max_collection_vector_size_bytes.",
                        (long long)strict->max_collection_vector_size_bytes);
    if (strict->max_collection_payload_size_bytes != OCT_UNSET &&
        state.payload_bytes >= (uint64_t)strict->max_collection_payload_size_bytes)
        return oct_fail(self->error, OCT_BAD_REQUEST,
                        "Max payload storage size limit of %lld bytes reached!. Help: Delete some payload or raise "
                        "max_collection_payload_size_bytes.",
                        (long long)strict->max_collection_payload_size_bytes);
    return OCT_OK;
}

/* Of the whole process, whichever collection has it: as quotas, which are what should be used. */
static oct_status
check_memory(const checker *self)
{
    const int64_t limit = self->strict->max_resident_memory_percent;
    oct_database *database = self->collection->database;
    int64_t       used;

    if (limit == OCT_UNSET)
        return OCT_OK;
    used = quota_memory_percent(&database->quotas, database->path);
    if (used <= limit)
        return OCT_OK;
    return oct_fail(self->error, OCT_BAD_REQUEST,
                    "Max resident memory limit of %lld%% reached: the process takes %lld%% of the machine's memory!. Help: Delete "
                    "some points or raise max_resident_memory_percent.",
                    (long long)limit, (long long)used);
}

/* Points of an upsert that are not there yet. */
static size_t
count_new(const checker *self, const oct_point *points, size_t count)
{
    const point_set *all = shard_points(self->collection->shard);
    size_t           new_points = 0;

    for (size_t i = 0; i < count; i++)
        new_points += points_find_live(all, &points[i].id) == POINT_NONE;
    return new_points;
}

oct_status
strict_check_write(oct_collection *collection, strict_write kind, const oct_point *points, size_t count,
                   const oct_filter *filter, oct_error *error)
{
    checker    self;
    oct_status status = OCT_OK;

    if (kind != STRICT_DELETE)
        status = quota_check(&collection->database->quotas, collection->database->path, error);
    if (status != OCT_OK)
        return status;
    if (!begin(&self, collection, error))
        return end(OCT_OK);
    status = check_timeout(&self);
    if (status == OCT_OK)
        status = check_limit(&self, kind == STRICT_UPSERT ? "upsert limit" : "update limit", (double)count,
                             (double)self.strict->upsert_max_batchsize);
    if (status == OCT_OK)
        status = check_whole_filter(&self, filter, true);
    if (status == OCT_OK && points != NULL)
        status = check_vectors(&self, points, count);
    if (status == OCT_OK && kind != STRICT_DELETE)
        status = check_storage(&self, kind == STRICT_UPSERT && points != NULL ? count_new(&self, points, count) : 0);
    if (status == OCT_OK && kind != STRICT_DELETE)
        status = check_memory(&self);
    if (status == OCT_OK)
        status = take_tokens(&self, &collection->rates->writes, "Write", self.strict->write_rate_limit, size_max(count, 1));
    return end(status);
}

oct_status
strict_check_index(oct_collection *collection, oct_slice field, oct_error *error)
{
    checker    self;
    size_t     count;
    oct_status status = OCT_OK;

    if (!begin(&self, collection, error))
        return end(OCT_OK);
    /* One in the place of another is no more than before. */
    count = self.box->config.field_index_count - (config_find_field(&self.box->config, field) != NULL);
    if (self.strict->max_payload_index_count != OCT_UNSET && count >= (uint64_t)self.strict->max_payload_index_count)
        status = oct_fail(error, OCT_BAD_REQUEST,
                          "Collection already has the maximum number of payload indices (%lld). Help: Please delete an "
                          "existing index before creating a new one.",
                          (long long)self.strict->max_payload_index_count);
    return end(status);
}
