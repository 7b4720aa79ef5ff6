/* Counts and times of requests, by route or method and status, for the whole process. See api.h.
 *
 * DOORS    REST counts by route and HTTP status, gRPC by method and its code. Both also by collection, for the first PAIRS_MAX
 *          pairs of a collection and a route that were answered well; what comes later is in the totals only.
 * MEMORY   Tables of fixed size, of which the system gives what is used.
 * THREADS  Relaxed atomics: each number is right, several read together may be a request apart. A pair is written whole
 *          before its number appears in the table of hashes (release, acquire), and never again.
 */
#include "api/grpc.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define ROWS_MAX     128u
#define PAIRS_MAX    4096u
#define TABLE_SIZE   (2 * PAIRS_MAX)
#define STATUSES_MAX 17u

typedef struct counter {
    _Atomic uint64_t count, last_seconds; /* when the last one was answered */
    _Atomic uint64_t total_ns, min_ns_plus_1, max_ns; /* min 0: none yet */
} counter;

/* Of answers that are well: how many took at most so long, in microseconds; those beyond the last are only in the count. */
static const uint64_t buckets_us[] = {100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 5000000};

typedef struct tally {
    counter          by_status[STATUSES_MAX]; /* the first: of those that are well */
    _Atomic uint64_t buckets[countof(buckets_us)];
} tally;

typedef struct pair {
    stats_door door;
    uint32_t   row;
    uint64_t   hash;
    size_t     name_size;
    char       name[OCT_COLLECTION_NAME_MAX];
    tally      counts;
} pair;

typedef struct door_kind {
    const char *prefix; /* of metrics */
    int         statuses[STATUSES_MAX];
    size_t      status_count;
} door_kind;

static const door_kind doors[] = {
    [STATS_REST] = {"rest", {200, 400, 403, 404, 405, 408, 409, 413, 422, 429, 500, 501, 507}, 13},
    [STATS_GRPC] = {"grpc", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 17},
};

static tally           totals[countof(doors)][ROWS_MAX];
static pair            pairs[PAIRS_MAX];
static _Atomic(uint32_t) pair_table[TABLE_SIZE]; /* by hash: number of a pair, plus 1; 0: free */
static _Atomic(uint32_t) pair_count;
static pthread_mutex_t pair_lock = PTHREAD_MUTEX_INITIALIZER; /* of who adds one */

/* --- counting ---------------------------------------------------------------------------------- */

static void
count_one(tally *self, const door_kind *door, int status, uint64_t nanoseconds)
{
    size_t   column = 0;
    counter *one;
    uint64_t seen;

    while (column < door->status_count && door->statuses[column] != status)
        column++;
    if (column == door->status_count)
        return;
    one = &self->by_status[column];
    for (size_t i = 0; column == 0 && i < countof(buckets_us); i++)
        if (nanoseconds <= buckets_us[i] * 1000) {
            atomic_fetch_add_explicit(&self->buckets[i], 1, memory_order_relaxed);
            break;
        }
    atomic_fetch_add_explicit(&one->count, 1, memory_order_relaxed);
    atomic_store_explicit(&one->last_seconds, (uint64_t)time(NULL), memory_order_relaxed);
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

/* The pair, or where it would stand in the table. */
static pair *
find_pair(stats_door door, size_t row, oct_slice name, uint64_t hash, size_t *place)
{
    for (*place = hash % TABLE_SIZE;; *place = (*place + 1) % TABLE_SIZE) {
        const uint32_t number = atomic_load_explicit(&pair_table[*place], memory_order_acquire);
        pair          *one;

        if (number == 0)
            return NULL;
        one = &pairs[number - 1];
        if (one->hash == hash && one->door == door && one->row == row &&
            slice_equal((oct_slice){one->name, one->name_size}, name))
            return one;
    }
}

static pair *
add_pair(stats_door door, size_t row, oct_slice name, uint64_t hash)
{
    size_t place;
    pair  *one;

    (void)pthread_mutex_lock(&pair_lock);
    one = find_pair(door, row, name, hash, &place);
    if (one == NULL && atomic_load(&pair_count) < PAIRS_MAX) {
        const uint32_t number = atomic_load(&pair_count);

        one = &pairs[number];
        one->door = door;
        one->row = (uint32_t)row;
        one->hash = hash;
        one->name_size = name.size;
        memcpy(one->name, name.data, name.size);
        atomic_store_explicit(&pair_table[place], number + 1, memory_order_release);
        atomic_store_explicit(&pair_count, number + 1, memory_order_release);
    }
    (void)pthread_mutex_unlock(&pair_lock);
    return one;
}

void
stats_count(stats_door door, size_t row, int status, oct_slice collection, uint64_t nanoseconds)
{
    const door_kind *kind = &doors[door];
    uint64_t         hash;
    size_t           place;
    pair            *one;

    if (row >= ROWS_MAX)
        return;
    count_one(&totals[door][row], kind, status, nanoseconds);
    if (collection.size == 0 || collection.size > OCT_COLLECTION_NAME_MAX)
        return;
    hash = hash_bytes(collection.data, collection.size) * 31 + row * countof(doors) + (size_t)door;
    one = find_pair(door, row, collection, hash, &place);
    if (one == NULL && status == kind->statuses[0]) /* nobody fills the table with names of what is not there */
        one = add_pair(door, row, collection, hash);
    if (one != NULL)
        count_one(&one->counts, kind, status, nanoseconds);
}

static uint64_t
read_counter(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static size_t
row_count(stats_door door)
{
    size_t count = 0;

    if (door == STATS_REST)
        return size_min(api_route_count, ROWS_MAX);
    while (grpc_methods[count].path != NULL && count < ROWS_MAX)
        count++;
    return count;
}

/* --- telemetry ---------------------------------------------------------------------------------- */

static void
encode_counter(buffer *out, const counter *one)
{
    const uint64_t count = read_counter(&one->count), total = read_counter(&one->total_ns);
    const uint64_t min = read_counter(&one->min_ns_plus_1), max = read_counter(&one->max_ns);
    const time_t   last = (time_t)read_counter(&one->last_seconds);
    struct tm      parts;
    char           date[sizeof "YYYY-MM-DDTHH:MM:SSZ"];

    buffer_format(out,
                  "{\"count\":%" PRIu64 ",\"avg_duration_micros\":%.3f,\"min_duration_micros\":%.3f,"
                  "\"max_duration_micros\":%.3f,\"total_duration_micros\":%" PRIu64,
                  count, (double)total / (double)count / 1e3, min == 0 ? 0.0 : (double)(min - 1) / 1e3,
                  (double)max / 1e3, total / 1000);
    if (last > 0 && gmtime_r(&last, &parts) != NULL && strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0)
        buffer_format(out, ",\"last_responded\":\"%s\"", date);
    buffer_add_byte(out, '}');
}

/* "GET /x":{"200":{..}}, if it was asked for. */
static void
encode_tally(buffer *out, stats_door door, size_t row, const tally *self)
{
    bool opened = false;

    for (size_t column = 0; column < doors[door].status_count; column++) {
        if (read_counter(&self->by_status[column].count) == 0)
            continue;
        if (!opened) {
            const char last = out->size > 0 ? out->data[out->size - 1] : '{';

            buffer_add_text(out, last == '{' ? "\"" : ",\"");
            if (door == STATS_REST)
                buffer_format(out, "%s %s\":{", api_routes[row].method, api_routes[row].pattern);
            else
                buffer_format(out, "%s\":{", grpc_methods[row].path);
        }
        buffer_format(out, "%s\"%d\":", opened ? "," : "", doors[door].statuses[column]);
        encode_counter(out, &self->by_status[column]);
        opened = true;
    }
    if (opened)
        buffer_add_byte(out, '}');
}

/* One method and pattern may stand in the table once only, so keys are unique. */
void
stats_encode(buffer *out, stats_door door)
{
    buffer_add_byte(out, '{');
    for (size_t row = 0, rows = row_count(door); row < rows; row++)
        encode_tally(out, door, row, &totals[door][row]);
    buffer_add_byte(out, '}');
}

/* Is it the first pair of its collection at this door? */
static bool
is_first_of_name(const pair *one)
{
    for (const pair *before = pairs; before < one; before++)
        if (before->door == one->door && slice_equal((oct_slice){before->name, before->name_size},
                                                     (oct_slice){one->name, one->name_size}))
            return false;
    return true;
}

void
stats_encode_collections(buffer *out, stats_door door, void (*add_name)(buffer *out, oct_slice name, bool anonymize),
                         bool anonymize)
{
    const uint32_t count = atomic_load_explicit(&pair_count, memory_order_acquire);

    buffer_add_byte(out, '{');
    for (uint32_t i = 0; i < count; i++) {
        const oct_slice name = {pairs[i].name, pairs[i].name_size};

        if (pairs[i].door != door || !is_first_of_name(&pairs[i]))
            continue;
        if (out->size > 0 && out->data[out->size - 1] != '{')
            buffer_add_byte(out, ',');
        add_name(out, name, anonymize);
        buffer_add_text(out, ":{");
        for (uint32_t k = i; k < count; k++)
            if (pairs[k].door == door && slice_equal((oct_slice){pairs[k].name, pairs[k].name_size}, name))
                encode_tally(out, door, pairs[k].row, &pairs[k].counts);
        buffer_add_byte(out, '}');
    }
    buffer_add_byte(out, '}');
}

/* --- metrics ------------------------------------------------------------------------------------ */

/* What one line, or the lines of one histogram, are of. */
typedef struct series {
    stats_door   door;
    size_t       row;
    const tally *counts;
    oct_slice    collection; /* size 0: of all */
} series;

typedef void (*write_series)(buffer *out, const series *of, size_t kind);

/* Every row; with `by_collection` those of collections in their place. */
static void
each_series(buffer *out, stats_door door, bool by_collection, write_series write, size_t kind)
{
    const uint32_t count = by_collection ? atomic_load_explicit(&pair_count, memory_order_acquire) : 0;

    for (size_t row = 0, rows = row_count(door); row < rows; row++) {
        const char *pattern = door == STATS_REST ? api_routes[row].pattern : "";
        bool        has_pairs = strstr(pattern, "{collection_name}") != NULL;
        series      of = {door, row, &totals[door][row], {NULL, 0}};

        for (uint32_t i = 0; i < count && door == STATS_GRPC && !has_pairs; i++)
            has_pairs = pairs[i].door == door && pairs[i].row == row;
        if (!by_collection || !has_pairs) {
            write(out, &of, kind);
            continue;
        }
        for (uint32_t i = 0; i < count; i++) {
            if (pairs[i].door != door || pairs[i].row != row)
                continue;
            of.counts = &pairs[i].counts;
            of.collection = (oct_slice){pairs[i].name, pairs[i].name_size};
            write(out, &of, kind);
        }
    }
}

static void
add_labels(buffer *out, const series *of, int status)
{
    if (of->door == STATS_REST)
        buffer_format(out, "{method=\"%s\",endpoint=\"%s\",status=\"%d\"", api_routes[of->row].method,
                      api_routes[of->row].pattern, status);
    else
        buffer_format(out, "{endpoint=\"%s\",status=\"%d\"", grpc_methods[of->row].path, status);
    if (of->collection.size > 0) {
        buffer_add_text(out, ",collection=");
        api_add_label(out, of->collection);
    }
}

static void
write_histogram(buffer *out, const series *of, size_t kind)
{
    const door_kind *door = &doors[of->door];
    const counter   *one = &of->counts->by_status[0];
    const uint64_t   count = read_counter(&one->count);
    uint64_t         sum = 0;

    (void)kind;
    if (count == 0)
        return;
    for (size_t i = 0; i <= countof(buckets_us); i++) {
        buffer_format(out, "%s_responses_duration_seconds_bucket", door->prefix);
        add_labels(out, of, door->statuses[0]);
        if (i < countof(buckets_us)) {
            sum += read_counter(&of->counts->buckets[i]);
            buffer_format(out, ",le=\"%g\"} %" PRIu64 "\n", (double)buckets_us[i] / 1e6, sum);
        } else {
            buffer_format(out, ",le=\"+Inf\"} %" PRIu64 "\n", count);
        }
    }
    buffer_format(out, "%s_responses_duration_seconds_sum", door->prefix);
    add_labels(out, of, door->statuses[0]);
    buffer_format(out, "} %.10g\n%s_responses_duration_seconds_count", (double)read_counter(&one->total_ns) / 1e9, door->prefix);
    add_labels(out, of, door->statuses[0]);
    buffer_format(out, "} %" PRIu64 "\n", count);
}

static const char *const kind_names[] = {"responses_total", "responses_avg_duration_seconds", "responses_min_duration_seconds",
                                         "responses_max_duration_seconds"};

static void
write_number(buffer *out, const series *of, size_t kind)
{
    const door_kind *door = &doors[of->door];

    for (size_t column = 0; column < door->status_count; column++) {
        const counter *one = &of->counts->by_status[column];
        const uint64_t count = read_counter(&one->count), min = read_counter(&one->min_ns_plus_1);
        const double   values[] = {(double)count, (double)read_counter(&one->total_ns) / (double)(count + (count == 0)) / 1e9,
                                   min == 0 ? 0.0 : (double)(min - 1) / 1e9, (double)read_counter(&one->max_ns) / 1e9};

        if (count == 0)
            continue;
        buffer_format(out, "%s_%s", door->prefix, kind_names[kind]);
        add_labels(out, of, door->statuses[column]);
        buffer_format(out, "} %.10g\n", values[kind]);
    }
}

void
stats_prometheus(buffer *out, bool by_collection)
{
    static const char *const helps[] = {"Total number of responses", "Average response duration",
                                        "Minimum response duration", "Maximum response duration"};

    for (size_t d = 0; d < countof(doors); d++) {
        const char *prefix = doors[d].prefix;

        for (size_t kind = 0; kind < countof(kind_names); kind++) {
            buffer_format(out, "# HELP %s_%s %s\n# TYPE %s_%s %s\n", prefix, kind_names[kind], helps[kind], prefix,
                          kind_names[kind], kind == 0 ? "counter" : "gauge");
            each_series(out, (stats_door)d, by_collection, write_number, kind);
        }
        buffer_format(out,
                      "# HELP %s_responses_duration_seconds Response duration histogram\n"
                      "# TYPE %s_responses_duration_seconds histogram\n",
                      prefix, prefix);
        each_series(out, (stats_door)d, by_collection, write_histogram, 0);
    }
}
