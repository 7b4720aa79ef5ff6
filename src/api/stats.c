/* Counts and times of requests, by route and HTTP status, for the whole process. See api.h.
 *
 * THREADS  Relaxed atomics: each number is right, several read together may be a request apart.
 */
#include "api/api.h"

#include <inttypes.h>

#define ROUTES_MAX 128u

static const int statuses[] = {200, 400, 403, 404, 405, 408, 409, 413, 422, 429, 500, 501, 507};

typedef struct counter {
    _Atomic uint64_t count;
    _Atomic uint64_t total_ns, min_ns_plus_1, max_ns; /* min 0: none yet */
} counter;

/* Of answers with 200: how many took at most so long, in microseconds; those beyond the last are only in the count. */
static const uint64_t buckets_us[] = {100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 5000000};
static _Atomic uint64_t buckets[ROUTES_MAX][countof(buckets_us)];

static counter counters[ROUTES_MAX][countof(statuses)];

void
stats_count(const api_route *route, int http_status, uint64_t nanoseconds)
{
    const size_t row = (size_t)(route - api_routes);
    size_t       column = 0;
    counter     *one;
    uint64_t     seen;

    while (column < countof(statuses) && statuses[column] != http_status)
        column++;
    if (row >= ROUTES_MAX || column == countof(statuses))
        return;
    one = &counters[row][column];
    for (size_t i = 0; http_status == 200 && i < countof(buckets_us); i++)
        if (nanoseconds <= buckets_us[i] * 1000) {
            atomic_fetch_add_explicit(&buckets[row][i], 1, memory_order_relaxed);
            break;
        }
    atomic_fetch_add_explicit(&one->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&one->total_ns, nanoseconds, memory_order_relaxed);
    seen = atomic_load_explicit(&one->max_ns, memory_order_relaxed);
    while (seen < nanoseconds &&
           !atomic_compare_exchange_weak_explicit(&one->max_ns, &seen, nanoseconds, memory_order_relaxed,
                                                  memory_order_relaxed))
        continue;
    seen = atomic_load_explicit(&one->min_ns_plus_1, memory_order_relaxed);
    while ((seen == 0 || seen > nanoseconds + 1) &&
           !atomic_compare_exchange_weak_explicit(&one->min_ns_plus_1, &seen, nanoseconds + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
}

static uint64_t
read_counter(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void
encode_counter(buffer *out, const counter *one)
{
    const uint64_t count = read_counter(&one->count), total = read_counter(&one->total_ns);
    const uint64_t min = read_counter(&one->min_ns_plus_1), max = read_counter(&one->max_ns);

    buffer_format(out,
                  "{\"count\":%" PRIu64 ",\"avg_duration_micros\":%.3f,\"min_duration_micros\":%.3f,"
                  "\"max_duration_micros\":%.3f,\"total_duration_micros\":%" PRIu64 "}",
                  count, (double)total / (double)count / 1e3, min == 0 ? 0.0 : (double)(min - 1) / 1e3,
                  (double)max / 1e3, total / 1000);
}

/* One method and pattern may stand in the table once only, so keys are unique. */
void
stats_encode(buffer *out)
{
    bool first = true;

    buffer_add_byte(out, '{');
    for (size_t row = 0; row < size_min(api_route_count, ROUTES_MAX); row++) {
        bool opened = false;

        for (size_t column = 0; column < countof(statuses); column++) {
            if (read_counter(&counters[row][column].count) == 0)
                continue;
            if (!opened)
                buffer_format(out, "%s\"%s %s\":{", first ? "" : ",", api_routes[row].method,
                              api_routes[row].pattern);
            buffer_format(out, "%s\"%d\":", opened ? "," : "", statuses[column]);
            encode_counter(out, &counters[row][column]);
            opened = true;
            first = false;
        }
        if (opened)
            buffer_add_byte(out, '}');
    }
    buffer_add_byte(out, '}');
}

static void
add_histogram(buffer *out)
{
    static const char name[] = "rest_responses_duration_seconds";

    buffer_format(out, "# HELP %s Response duration histogram\n# TYPE %s histogram\n", name, name);
    for (size_t row = 0; row < size_min(api_route_count, ROUTES_MAX); row++) {
        const counter *one = &counters[row][0]; /* of 200 */
        const uint64_t count = read_counter(&one->count);
        uint64_t       sum = 0;

        for (size_t i = 0; count > 0 && i <= countof(buckets_us); i++) {
            buffer_format(out, "%s_bucket{method=\"%s\",endpoint=\"%s\",status=\"200\",le=", name,
                          api_routes[row].method, api_routes[row].pattern);
            if (i < countof(buckets_us)) {
                sum += read_counter(&buckets[row][i]);
                buffer_format(out, "\"%g\"} %" PRIu64 "\n", (double)buckets_us[i] / 1e6, sum);
            } else {
                buffer_format(out, "\"+Inf\"} %" PRIu64 "\n", count);
            }
        }
        if (count > 0)
            buffer_format(out,
                          "%s_sum{method=\"%s\",endpoint=\"%s\",status=\"200\"} %.10g\n"
                          "%s_count{method=\"%s\",endpoint=\"%s\",status=\"200\"} %" PRIu64 "\n",
                          name, api_routes[row].method, api_routes[row].pattern,
                          (double)read_counter(&one->total_ns) / 1e9, name, api_routes[row].method,
                          api_routes[row].pattern, count);
    }
}

void
stats_prometheus(buffer *out)
{
    static const char *const names[] = {"rest_responses_total", "rest_responses_avg_duration_seconds",
                                        "rest_responses_min_duration_seconds",
                                        "rest_responses_max_duration_seconds"};
    static const char *const helps[] = {"Total number of responses", "Average response duration",
                                        "Minimum response duration", "Maximum response duration"};

    for (size_t kind = 0; kind < countof(names); kind++) {
        buffer_format(out, "# HELP %s %s\n# TYPE %s %s\n", names[kind], helps[kind], names[kind],
                      kind == 0 ? "counter" : "gauge");
        for (size_t row = 0; row < size_min(api_route_count, ROUTES_MAX); row++)
            for (size_t column = 0; column < countof(statuses); column++) {
                const counter *one = &counters[row][column];
                const uint64_t count = read_counter(&one->count), min = read_counter(&one->min_ns_plus_1);
                const double   values[] = {
                      (double)count,
                      (double)read_counter(&one->total_ns) / (double)(count + (count == 0)) / 1e9,
                    min == 0 ? 0.0 : (double)(min - 1) / 1e9, (double)read_counter(&one->max_ns) / 1e9};

                if (count > 0)
                    buffer_format(out, "%s{method=\"%s\",endpoint=\"%s\",status=\"%d\"} %.10g\n", names[kind],
                                  api_routes[row].method, api_routes[row].pattern, statuses[column],
                                  values[kind]);
            }
    }
    add_histogram(out);
}
