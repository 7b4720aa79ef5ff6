/* What operators ask about afterwards: which requests were slow, and which fields want an index. See api.h.
 *
 * SLOW     GET /profiler/slow_requests: reads and writes of points that took SLOW_NS or longer; the WATCH_SLOW_MAX longest
 *          of each database. The same request to the same collection is one entry with a count and its longest time. What was
 *          asked is kept as compact JSON, or, beyond WATCH_BODY_MAX bytes, as a text of its first ones.
 * ISSUES   GET /issues: a request that took ISSUE_NS (Qdrant's 1.2 s) or longer and filtered by a field without an index that
 *          could answer. One issue a field, the newest WATCH_ISSUES_MAX. An issue goes when it is cleared, when its collection
 *          is gone, or when the index is there.
 * COST     Nothing for requests that are not slow but two comparisons; a slow one is looked at again, at some ten
 *          microseconds for a body of usual size.
 * WHOSE    Tables are the process's, entries belong to one opening of a database (oct_database_info.instance).
 * THREADS  One lock; under it entries are copied, nothing else.
 */
#include "api/decode.h"
#include "config/config.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define SLOW_NS          UINT64_C(100000000)
#define ISSUE_NS         UINT64_C(1200000000)
#define WATCH_SLOW_MAX   64u
#define WATCH_SLOW_ALL   256u /* of all databases of the process, which share this as evenly as they need it */
#define WATCH_ISSUES_MAX 64u
#define WATCH_BODY_MAX   2048u      /* bytes kept of one request */
#define WATCH_LOOK_MAX   (1u << 20) /* larger bodies are kept by their first bytes, and not searched for filters */
#define WATCH_FIELD_MAX  300u       /* bytes of a field's path; issues of longer ones are not kept */

typedef struct slow_request {
    uint64_t    instance, hash, duration_ns, count;
    time_t      at; /* of the longest */
    const char *method, *pattern;
    size_t      collection_size, body_size;
    bool        is_text; /* not whole: a string */
    char        collection[OCT_COLLECTION_NAME_MAX];
    char        body[WATCH_BODY_MAX];
} slow_request;

typedef struct issue {
    uint64_t instance;
    time_t   at;
    unsigned types; /* bits of oct_field_type, that would answer */
    size_t   collection_size, field_size;
    char     collection[OCT_COLLECTION_NAME_MAX];
    char     field[WATCH_FIELD_MAX];
} issue;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the next lines */
static slow_request    slow[WATCH_SLOW_ALL];             /* longest first */
static size_t          slow_count;
static issue           issues[WATCH_ISSUES_MAX]; /* oldest first */
static size_t          issue_count;

/* Before any request: by the configuration, or a test. */
static _Atomic uint64_t slow_ns = SLOW_NS, issue_ns = ISSUE_NS;

void
oct_api_slow_after(uint64_t milliseconds)
{
    const uint64_t ns = milliseconds > UINT64_MAX / 1000000u ? UINT64_MAX : milliseconds * 1000000u;

    atomic_store(&slow_ns, ns);
    atomic_store(&issue_ns, ns);
}

static uint64_t
instance_of(const api_call *call)
{
    oct_database_info info;

    oct_database_describe(call->database, &info);
    return info.instance;
}

static void
add_time(buffer *out, time_t at)
{
    struct tm parts;
    char      text[sizeof "YYYY-MM-DDTHH:MM:SSZ"];

    if (gmtime_r(&at, &parts) == NULL || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        (void)snprintf(text, sizeof text, "1970-01-01T00:00:00Z");
    buffer_format(out, "\"%s\"", text);
}

/* --- slow requests ------------------------------------------------------------------------------- */

static size_t
cut_text(const char *text, size_t size, size_t max)
{
    size = size_min(size, max);
    while (size > 0 && !utf8_is_valid((oct_slice){text, size}))
        size--;
    return size;
}

static void
write_body(const api_call *call, yyjson_val *root, slow_request *out)
{
    const oct_slice raw = call->body;
    arena           memory = {0};
    oct_slice       text = {NULL, 0};

    if (root != NULL && raw.size <= WATCH_LOOK_MAX && call->tree.size <= WATCH_LOOK_MAX)
        (void)json_write_value(root, &memory, &text, NULL);
    out->is_text = text.data == NULL || text.size > WATCH_BODY_MAX;
    if (text.data == NULL)
        text = raw;
    out->body_size = out->is_text ? cut_text(text.data, text.size, WATCH_BODY_MAX) : text.size;
    out->hash = hash_bytes(text.data, out->body_size) + text.size; /* long ones that begin alike are told apart by their size */
    if (out->body_size > 0)
        memcpy(out->body, text.data, out->body_size);
    arena_clear(&memory);
}

static bool
is_same_request(const slow_request *a, const slow_request *b)
{
    return a->instance == b->instance && a->hash == b->hash && a->method == b->method && a->pattern == b->pattern &&
           slice_equal((oct_slice){a->collection, a->collection_size}, (oct_slice){b->collection, b->collection_size}) &&
           slice_equal((oct_slice){a->body, a->body_size}, (oct_slice){b->body, b->body_size});
}

static size_t
count_of_instance(uint64_t instance)
{
    size_t count = 0;

    for (size_t i = 0; i < slow_count; i++)
        count += slow[i].instance == instance;
    return count;
}

static void
drop_slow(size_t at)
{
    memmove(&slow[at], &slow[at + 1], (--slow_count - at) * sizeof *slow);
}

/* Make room for one more of an instance: its own shortest goes, or that of whoever has most. False: it would be the one. */
static bool
make_room(const slow_request *made)
{
    size_t most = count_of_instance(made->instance), last = slow_count;
    bool   is_own = true;

    if (most < WATCH_SLOW_MAX && slow_count < WATCH_SLOW_ALL)
        return true;
    if (most < WATCH_SLOW_MAX)
        for (size_t i = 0; i < slow_count; i++) {
            const size_t count = count_of_instance(slow[i].instance);

            if (count > most) {
                most = count;
                last = i;
                is_own = false;
            }
        }
    if (is_own)
        while (last > 0 && slow[last - 1].instance != made->instance)
            last--;
    else /* the last of that instance */
        for (size_t i = last; i < slow_count; i++)
            last = slow[i].instance == slow[last].instance ? i : last;
    if (is_own && (last == 0 || slow[--last].duration_ns >= made->duration_ns))
        return false;
    drop_slow(last);
    return true;
}

/* With the lock. */
static void
keep_slow(slow_request *made)
{
    size_t at = 0;

    while (at < slow_count && !is_same_request(&slow[at], made))
        at++;
    if (at < slow_count) {
        made->count += slow[at].count;
        slow[at].count = made->count;
        if (slow[at].duration_ns >= made->duration_ns)
            return;
        drop_slow(at);
    } else if (!make_room(made)) {
        return;
    }
    for (at = slow_count++; at > 0 && slow[at - 1].duration_ns < made->duration_ns; at--)
        slow[at] = slow[at - 1];
    slow[at] = *made;
}

static void
note_slow(const api_call *call, uint64_t nanoseconds, yyjson_val *root)
{
    const oct_slice collection = api_collection_of(call);
    slow_request   *made = oct_calloc(1, sizeof *made); /* too large for a stack */

    if (made == NULL)
        return; /* not worth failing a request for */
    made->instance = instance_of(call);
    made->duration_ns = nanoseconds;
    made->count = 1;
    made->at = time(NULL);
    made->method = call->route->method;
    made->pattern = call->route->pattern;
    made->collection_size = size_min(collection.size, sizeof made->collection);
    memcpy(made->collection, collection.data, made->collection_size);
    write_body(call, root, made);
    (void)pthread_mutex_lock(&lock);
    keep_slow(made);
    (void)pthread_mutex_unlock(&lock);
    oct_free(made);
}

oct_status
service_slow_requests(api_call *call, oct_error *error)
{
    const uint64_t   instance = instance_of(call);
    const oct_slice *part = api_option_get(call, "request");
    uint64_t         limit = 10, written = 0;
    const oct_status status = api_option_u64(call, "limit", 0, &limit, error);
    buffer          *out = &call->out;
    slow_request    *copy;
    size_t           count = 0;

    if (status != OCT_OK)
        return status;
    copy = arena_array(&call->memory, WATCH_SLOW_MAX, sizeof *copy);
    if (copy == NULL)
        return oct_fail_memory(error, WATCH_SLOW_MAX * sizeof *copy);
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < slow_count && count < WATCH_SLOW_MAX; i++)
        if (slow[i].instance == instance)
            copy[count++] = slow[i];
    (void)pthread_mutex_unlock(&lock);
    buffer_add_text(out, "{\"requests\":[");
    for (size_t i = 0; i < count && written < limit; i++) {
        const slow_request *one = &copy[i];
        char                name[160];

        (void)snprintf(name, sizeof name, "%s %s", one->method, one->pattern);
        if (part != NULL && part->size > 0 && memmem(name, strlen(name), part->data, part->size) == NULL)
            continue;
        buffer_format(out, "%s{\"request_name\":\"%s\",\"collection_name\":", written++ > 0 ? "," : "", name);
        json_add_text(out, (oct_slice){one->collection, one->collection_size});
        buffer_format(out, ",\"duration\":%.9f,\"datetime\":", (double)one->duration_ns / 1e9);
        add_time(out, one->at);
        buffer_add_text(out, ",\"approx_count\":");
        json_add_u64(out, one->count);
        buffer_add_text(out, ",\"request_body\":");
        if (one->body_size == 0)
            buffer_add_text(out, "null");
        else if (one->is_text)
            json_add_text(out, (oct_slice){one->body, one->body_size});
        else
            buffer_add(out, one->body, one->body_size);
        buffer_add_byte(out, '}');
    }
    buffer_add_text(out, "]}");
    return OCT_OK;
}

/* --- issues: what a filter asks ------------------------------------------------------------------ */

#define TYPE(name) (1u << OCT_FIELD_##name)
#define ANY_TYPE   0x1FEu

static unsigned
types_of_match(const oct_match *match)
{
    unsigned types = 0;

    switch (match->kind) {
    case OCT_MATCH_VALUE:
    case OCT_MATCH_ANY:
    case OCT_MATCH_EXCEPT:
        for (size_t i = 0; i < match->value_count; i++)
            types |= match->values[i].kind == OCT_VALUE_TEXT      ? TYPE(KEYWORD) | TYPE(UUID)
                     : match->values[i].kind == OCT_VALUE_INTEGER ? TYPE(INTEGER)
                                                                  : TYPE(BOOL);
        return types == 0 ? ANY_TYPE : types;
    case OCT_MATCH_PREFIX:
        return TYPE(KEYWORD);
    default:
        return TYPE(TEXT);
    }
}

/* The types of index that answer a condition; 0: it asks of no field. */
static unsigned
types_of(const oct_condition *given)
{
    const oct_field_condition *field = given->field;

    if (given->kind == OCT_CONDITION_IS_EMPTY || given->kind == OCT_CONDITION_IS_NULL)
        return ANY_TYPE;
    if (given->kind != OCT_CONDITION_FIELD || field == NULL)
        return 0;
    if (field->match != NULL)
        return types_of_match(field->match);
    if (field->range != NULL)
        return TYPE(INTEGER) | TYPE(FLOAT);
    if (field->datetime_range != NULL)
        return TYPE(DATETIME);
    if (field->geo_radius != NULL || field->geo_bounding_box != NULL || field->geo_polygon != NULL)
        return TYPE(GEO);
    return ANY_TYPE;
}

typedef struct search_for_issues {
    const api_call            *call;
    const oct_collection_info *info;
    arena                     *memory;
    uint64_t                   instance;
} search_for_issues;

/* With the lock. */
static void
keep_issue(const issue *made)
{
    size_t at = 0;

    while (at < issue_count &&
           (issues[at].instance != made->instance ||
            !slice_equal((oct_slice){issues[at].collection, issues[at].collection_size},
                         (oct_slice){made->collection, made->collection_size}) ||
            !slice_equal((oct_slice){issues[at].field, issues[at].field_size}, (oct_slice){made->field, made->field_size})))
        at++;
    if (at < issue_count) {
        issues[at].types |= made->types;
        return;
    }
    if (issue_count == WATCH_ISSUES_MAX) /* the oldest makes room */
        memmove(issues, issues + 1, --issue_count * sizeof *issues);
    issues[issue_count++] = *made;
}

static void
note_field(const search_for_issues *self, oct_slice key, unsigned types)
{
    const oct_field_index *index = config_find_field(&self->info->config, key);
    issue                  made = {.instance = self->instance, .at = time(NULL), .types = types};

    if ((index != NULL && (types >> index->type & 1) != 0) || key.size == 0 || key.size > sizeof made.field ||
        self->info->name.size > sizeof made.collection)
        return;
    made.collection_size = self->info->name.size;
    memcpy(made.collection, self->info->name.data, made.collection_size);
    made.field_size = key.size;
    memcpy(made.field, key.data, key.size);
    (void)pthread_mutex_lock(&lock);
    keep_issue(&made);
    (void)pthread_mutex_unlock(&lock);
}

/* `a` or `a[]`, and `b` within it: `a[].b`. */
static oct_slice
join_keys(arena *memory, oct_slice outer, oct_slice inner)
{
    const bool  has_brackets = outer.size >= 2 && memcmp(outer.data + outer.size - 2, "[]", 2) == 0;
    const char *middle = has_brackets ? "." : "[].";
    char       *text;

    if (outer.size == 0)
        return inner;
    text = arena_array(memory, outer.size + strlen(middle) + inner.size + 1, 1);
    if (text == NULL)
        return (oct_slice){NULL, 0};
    memcpy(text, outer.data, outer.size);
    memcpy(text + outer.size, middle, strlen(middle));
    memcpy(text + outer.size + strlen(middle), inner.data, inner.size);
    return (oct_slice){text, outer.size + strlen(middle) + inner.size};
}

static void look_at_filter(const search_for_issues *self, const oct_filter *filter, oct_slice outer, size_t depth);

static void
look_at_conditions(const search_for_issues *self, const oct_condition *list, size_t count, oct_slice outer, size_t depth)
{
    for (size_t i = 0; i < count; i++) {
        const unsigned types = types_of(&list[i]);

        if (types != 0)
            note_field(self, join_keys(self->memory, outer, list[i].key), types);
        else if (list[i].kind == OCT_CONDITION_NESTED)
            look_at_filter(self, list[i].filter, join_keys(self->memory, outer, list[i].key), depth + 1);
        else if (list[i].kind == OCT_CONDITION_FILTER)
            look_at_filter(self, list[i].filter, outer, depth + 1);
    }
}

static void
look_at_filter(const search_for_issues *self, const oct_filter *filter, oct_slice outer, size_t depth)
{
    if (filter == NULL || depth > OCT_FILTER_DEPTH_MAX)
        return;
    look_at_conditions(self, filter->must, filter->must_count, outer, depth);
    look_at_conditions(self, filter->should, filter->should_count, outer, depth);
    look_at_conditions(self, filter->must_not, filter->must_not_count, outer, depth);
    look_at_conditions(self, filter->min_should, filter->min_should_count, outer, depth);
}

/* Every "filter" of the request, at whatever level; payloads have none that counts. */
static void
look_at_value(const search_for_issues *self, yyjson_val *value, size_t depth)
{
    size_t      i, count;
    yyjson_val *key, *item;

    if (depth > JSON_DEPTH_MAX)
        return;
    yyjson_arr_foreach(value, i, count, item)
    {
        look_at_value(self, item, depth + 1);
    }
    yyjson_obj_foreach(value, i, count, key, item)
    {
        const json_path   at = json_at(NULL, "filter");
        const oct_filter *filter = NULL;

        if (json_key_is(key, "payload"))
            continue;
        if (!json_key_is(key, "filter") && !json_key_is(key, "update_filter"))
            look_at_value(self, item, depth + 1);
        else if (decode_filter(&at, item, self->memory, &filter, NULL) == OCT_OK)
            look_at_filter(self, filter, (oct_slice){NULL, 0}, 1);
    }
}

static void
note_issues(const api_call *call, yyjson_val *root)
{
    arena                memory = {0};
    oct_collection_info *info = NULL;
    oct_collection      *collection = NULL;

    if (oct_collection_open(call->database, api_collection_of(call), &collection, NULL) == OCT_OK &&
        oct_collection_describe(collection, &info, NULL) == OCT_OK) {
        const search_for_issues self = {call, info, &memory, instance_of(call)};

        look_at_value(&self, root, 0);
    }
    oct_collection_info_free(info);
    oct_collection_close(collection);
    arena_clear(&memory);
}

/* --- issues: what is told of them ----------------------------------------------------------------- */

static void
add_uri(buffer *out, oct_slice collection)
{
    buffer_add_text(out, "\"/collections/");
    for (size_t i = 0; i < collection.size; i++) {
        const unsigned char c = (unsigned char)collection.data[i];
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                              c == '.' || c == '~';

        if (is_plain)
            buffer_add_byte(out, (char)c);
        else
            buffer_format(out, "%%%02X", c);
    }
    buffer_add_text(out, "/index\"");
}

static void
add_sentence(buffer *out, const char *format, oct_slice field, const char *type, oct_slice collection)
{
    char text[sizeof((issue *)0)->field + sizeof((issue *)0)->collection + 128];

    (void)snprintf(text, sizeof text, format, (int)field.size, field.data, type, (int)collection.size, collection.data);
    json_add_text(out, slice_of(text));
}

static void
add_solution(buffer *out, oct_slice collection, oct_slice field, const char *type)
{
    buffer_add_text(out, "{\"message\":");
    add_sentence(out, "Create an index on field '%.*s' of schema %s in collection '%.*s'", field, type, collection);
    buffer_add_text(out, ",\"action\":{\"method\":\"PUT\",\"uri\":");
    add_uri(out, collection);
    buffer_add_text(out, ",\"headers\":{\"content-type\":\"application/json\"},\"body\":{\"field_name\":");
    json_add_text(out, field);
    buffer_format(out, ",\"field_schema\":\"%s\"}}}", type);
}

static void
add_issue(buffer *out, const issue *one)
{
    static const struct {
        unsigned    type;
        const char *name;
    } names[] = {{TYPE(KEYWORD), "keyword"}, {TYPE(INTEGER), "integer"},   {TYPE(FLOAT), "float"}, {TYPE(GEO), "geo"},
                 {TYPE(TEXT), "text"},       {TYPE(BOOL), "bool"},         {TYPE(DATETIME), "datetime"}, {TYPE(UUID), "uuid"}};
    const oct_slice collection = {one->collection, one->collection_size}, field = {one->field, one->field_size};
    const bool      is_choice = (one->types & (one->types - 1)) != 0;
    bool            is_first = true;
    buffer          id = {0};

    buffer_add_text(&id, "UNINDEXED_FIELD/");
    buffer_add(&id, collection.data, collection.size);
    buffer_add_byte(&id, '/');
    buffer_add(&id, field.data, field.size);
    buffer_add_text(out, "{\"id\":");
    json_add_text(out, (oct_slice){id.data, id.size});
    buffer_clear(&id);
    buffer_add_text(out, ",\"description\":");
    add_sentence(out, "Filtering by the field '%.*s', which has no index%s, makes requests to the collection '%.*s' slow", field,
                 "", collection);
    buffer_add_text(out, is_choice ? ",\"solution\":{\"immediate_choice\":[" : ",\"solution\":{\"immediate\":");
    for (size_t i = 0; i < countof(names); i++) {
        if ((one->types & names[i].type) == 0)
            continue;
        buffer_add_text(out, is_first ? "" : ",");
        add_solution(out, collection, field, names[i].name);
        is_first = false;
    }
    buffer_add_text(out, is_choice ? "]},\"timestamp\":" : "},\"timestamp\":");
    add_time(out, one->at);
    buffer_add_text(out, ",\"related_collection\":");
    json_add_text(out, collection);
    buffer_add_byte(out, '}');
}

/* The collection is there, and the index is not. */
static bool
still_stands(const api_call *call, const issue *one)
{
    const oct_slice      name = {one->collection, one->collection_size};
    oct_collection_info *info = NULL;
    oct_collection      *collection = NULL;
    bool                 stands = false;

    if (oct_collection_open(call->database, name, &collection, NULL) == OCT_OK &&
        oct_collection_describe(collection, &info, NULL) == OCT_OK) {
        const oct_field_index *index = config_find_field(&info->config, (oct_slice){one->field, one->field_size});

        stands = index == NULL || (one->types >> index->type & 1) == 0;
    }
    oct_collection_info_free(info);
    oct_collection_close(collection);
    return stands;
}

oct_status
service_issues(api_call *call, oct_error *error)
{
    const uint64_t instance = instance_of(call);
    issue         *copy = arena_array(&call->memory, WATCH_ISSUES_MAX, sizeof *copy);
    size_t         count, written = 0;

    if (copy == NULL)
        return oct_fail_memory(error, WATCH_ISSUES_MAX * sizeof *copy);
    (void)pthread_mutex_lock(&lock);
    count = issue_count;
    memcpy(copy, issues, count * sizeof *copy);
    (void)pthread_mutex_unlock(&lock);
    buffer_add_text(&call->out, "{\"issues\":[");
    for (size_t i = 0; i < count; i++) {
        if (copy[i].instance != instance || !still_stands(call, &copy[i]))
            continue;
        buffer_add_text(&call->out, written++ > 0 ? "," : "");
        add_issue(&call->out, &copy[i]);
    }
    buffer_add_text(&call->out, "]}");
    return OCT_OK;
}

oct_status
service_clear_issues(api_call *call, oct_error *error)
{
    const uint64_t instance = instance_of(call);
    size_t         kept = 0;

    (void)error;
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < issue_count; i++)
        if (issues[i].instance != instance)
            issues[kept++] = issues[i];
    issue_count = kept;
    (void)pthread_mutex_unlock(&lock);
    buffer_add_text(&call->out, "true");
    return OCT_OK;
}

/* --- a request has been answered ------------------------------------------------------------------ */

static bool
starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Of points; what takes long by its nature (snapshots, new collections) is no surprise. */
static bool
is_of_points(const api_route *route)
{
    return starts(route->pattern, "/collections/{collection_name}/points") ||
           starts(route->pattern, "/collections/{collection_name}/facet") ||
           starts(route->pattern, "/collections/{collection_name}/shards/{shard_id}/points");
}

void
watch_request(const api_call *call, oct_status status, uint64_t nanoseconds)
{
    yyjson_val *root = call->tree.size > 0 ? (yyjson_val *)(void *)call->tree.data : call->document.root;

    if (nanoseconds < atomic_load_explicit(&slow_ns, memory_order_relaxed) || status != OCT_OK || call->route == NULL ||
        !is_of_points(call->route))
        return;
    note_slow(call, nanoseconds, root);
    if (nanoseconds >= atomic_load_explicit(&issue_ns, memory_order_relaxed) && root != NULL &&
        call->body.size <= WATCH_LOOK_MAX && call->tree.size <= WATCH_LOOK_MAX)
        note_issues(call, root);
}
