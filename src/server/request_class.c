/* See request_class.h. */
#include "server/request_class.h"

/* '*' is any one segment. GET and HEAD not listed: short reads. Anything else not listed: a long write. */
static const struct {
    const char *method;
    const char *pattern;
    bool        is_long;
} reads[] = {
    {"POST", "/collections/*/points", false},
    {"POST", "/collections/*/points/query", false},
    {"POST", "/collections/*/points/search", false},
    {"POST", "/collections/*/points/recommend", false},
    {"POST", "/collections/*/points/discover", false},
    {"POST", "/collections/*/points/query/batch", true},
    {"POST", "/collections/*/points/query/groups", true},
    {"POST", "/collections/*/points/search/batch", true},
    {"POST", "/collections/*/points/search/groups", true},
    {"POST", "/collections/*/points/search/matrix/pairs", true},
    {"POST", "/collections/*/points/search/matrix/offsets", true},
    {"POST", "/collections/*/points/recommend/batch", true},
    {"POST", "/collections/*/points/recommend/groups", true},
    {"POST", "/collections/*/points/discover/batch", true},
    {"POST", "/collections/*/points/scroll", true},
    {"POST", "/collections/*/points/count", true},
    {"POST", "/collections/*/facet", true},
    {"POST", "/collections/*/shards/*/points", true},
    {"POST", "/collections/*/shards/*/points/scroll", true},
    {"POST", "/collections/*/shards/*/points/count", true},
    {"GET", "/telemetry", true}, /* these two visit every collection */
    {"GET", "/metrics", true},
    {"GET", "/snapshots", true},
    {"GET", "/snapshots/*", true},
    {"GET", "/collections/*/snapshots", true},
    {"GET", "/collections/*/snapshots/*", true},
    {"GET", "/collections/*/shards/*/snapshot", true},
    {"GET", "/collections/*/shards/*/snapshots", true},
    {"GET", "/collections/*/shards/*/snapshots/*", true},
};

static bool
starts_with(oct_slice text, const char *prefix)
{
    const size_t size = strlen(prefix);

    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

/* The length of the first segment of "/a/b", '/' included. */
static size_t
segment_size(oct_slice path)
{
    const char *next = path.size < 2 ? NULL : memchr(path.data + 1, '/', path.size - 1);

    return next == NULL ? path.size : (size_t)(next - path.data);
}

/* A collection's name may be percent-encoded. An encoded '/' in it might be split by whoever decodes first,
 * so it matches nothing here, and the request counts as a write. */
static bool
hides_slash(oct_slice segment)
{
    for (size_t i = 0; i + 2 < segment.size; i++) {
        if (segment.data[i] == '%' && segment.data[i + 1] == '2' && (segment.data[i + 2] | 0x20) == 'f')
            return true;
    }
    return false;
}

static bool
matches(oct_slice path, const char *pattern_text)
{
    oct_slice pattern = slice_of(pattern_text);

    while (path.size > 0 && pattern.size > 0) {
        const oct_slice segment = {path.data, segment_size(path)},
                        wanted = {pattern.data, segment_size(pattern)};

        if (slice_is(wanted, "/*") ? segment.size < 2 || hides_slash(segment) : !slice_equal(segment, wanted))
            return false;
        path.data += segment.size;
        path.size -= segment.size;
        pattern.data += wanted.size;
        pattern.size -= wanted.size;
    }
    return path.size == 0 && pattern.size == 0;
}

request_class
request_class_of(oct_slice method, oct_slice target)
{
    const char   *query = target.size == 0 ? NULL : memchr(target.data, '?', target.size);
    oct_slice     path = {target.data, query == NULL ? target.size : (size_t)(query - target.data)};
    request_class found = {.is_long = true, .is_write = true};

    found.is_open = slice_is(path, "/") || slice_is(path, "/healthz") || starts_with(path, "/readyz") ||
                    starts_with(path, "/livez") || starts_with(path, "/dashboard");
    if (path.size > 1 && path.data[path.size - 1] == '/')
        path.size--; /* the api layer trims it too */
    if (slice_is(method, "HEAD"))
        method = slice_of("GET");
    if (slice_is(method, "GET") || slice_is(method, "OPTIONS"))
        found.is_long = found.is_write = false;
    if (slice_is(path, "/profiler/slow_requests")) /* shows what others asked: for who may do everything */
        found.is_write = true;
    for (size_t i = 0; i < countof(reads); i++) {
        if (slice_is(method, reads[i].method) && matches(path, reads[i].pattern)) {
            found.is_long = reads[i].is_long;
            found.is_write = false;
            break;
        }
    }
    return found;
}

bool
request_is_upload(oct_slice method, oct_slice target)
{
    const char *query = target.size == 0 ? NULL : memchr(target.data, '?', target.size);
    oct_slice   path = {target.data, query == NULL ? target.size : (size_t)(query - target.data)};

    if (path.size > 1 && path.data[path.size - 1] == '/')
        path.size--;
    return slice_is(method, "POST") && (matches(path, "/collections/*/snapshots/upload") ||
                                        matches(path, "/collections/*/shards/*/snapshots/upload"));
}
