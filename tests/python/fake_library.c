/* A library with Octant's interface and nothing behind it, for tests of the Python package.
 *
 * WHAT     It answers so that the tests can see what arrived (requests come back as JSON, arrays as checksums),
 *          and does on demand what a healthy engine does not: fail at closing, stay long in a call, ask for a
 *          retry. What it shall do is in the path or target, see below.
 * CHECKS   It includes the real headers, so the compiler holds it to them; every pointer that the package passes
 *          is read, so a sanitizer or a wrong layout shows.
 *
 *   path ends in "locked"     oct_open fails as if another process had it
 *   path ends in "failclose"  oct_close fails, having released everything
 *   target has "sleep=N"      oct_api_call takes N milliseconds
 *   target has "retry"        429, retry after 7 seconds
 *   ef of oct_search_rows     milliseconds that the call takes
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "octant.h"
#include "octant_api.h"
#include "octant_snapshot.h"

#define COLLECTIONS_MAX 1000

struct oct_database {
    char  path[4096];
    char  names[COLLECTIONS_MAX][64];
    size_t name_count;
    int    collections; /* handles open */
    int    running; /* calls */
};

struct oct_collection {
    oct_database *database;
};

/* Read by the tests. */
OCT_API int fake_open_count, fake_close_count, fake_collection_count, fake_calls_running, fake_calls_most;
OCT_API int fake_misuse; /* a database closed under a running call or an open collection */

static int
add(int *counter, int n)
{
    return __atomic_add_fetch(counter, n, __ATOMIC_SEQ_CST);
}

static void
nap(oct_database *database, unsigned long ms)
{
    struct timespec span = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    int running = add(&fake_calls_running, 1);

    add(&database->running, 1);
    if (running > __atomic_load_n(&fake_calls_most, __ATOMIC_SEQ_CST))
        __atomic_store_n(&fake_calls_most, running, __ATOMIC_SEQ_CST);
    nanosleep(&span, NULL);
    add(&database->running, -1);
    add(&fake_calls_running, -1);
}

static oct_status
fail(oct_error *error, oct_status status, const char *text)
{
    if (error != NULL) {
        error->status = status;
        snprintf(error->text, sizeof error->text, "%s", text);
    }
    return status;
}

static int
ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

const char *oct_version(void) { return "0.0.0-fake"; }
const char *oct_cpu_level(void) { return "fake"; }
const char *oct_status_text(oct_status status) { return status == OCT_OK ? "ok" : "failed"; }
void oct_hnsw_config_init(oct_hnsw_config *config) { memset(config, 0xFF, sizeof *config); }
void oct_quantization_config_init(oct_quantization_config *config) { memset(config, 0, sizeof *config); }

void
oct_vector_config_init(oct_vector_config *config)
{
    memset(config, 0xFF, sizeof *config);
    config->name = (oct_slice){"", 0};
    oct_quantization_config_init(&config->quantization);
}

void
oct_collection_config_init(oct_collection_config *config)
{
    memset(config, 0xFF, sizeof *config);
    config->vectors = NULL;
    config->vector_count = 0;
    config->metadata = (oct_slice){NULL, 0};
    oct_quantization_config_init(&config->quantization);
}

oct_status
oct_open(const oct_open_options *options, oct_database **out, oct_error *error)
{
    const char *path = options->path == NULL ? "" : options->path;

    *out = NULL;
    if (ends_in(path, "locked"))
        return fail(error, OCT_LOCKED, "the database is open in process 4711");
    *out = calloc(1, sizeof **out);
    snprintf((*out)->path, sizeof (*out)->path, "%s", path);
    add(&fake_open_count, 1);
    return OCT_OK;
}

oct_status
oct_close(oct_database *database, oct_error *error)
{
    int failing = ends_in(database->path, "failclose");

    if (add(&database->running, 0) != 0 || add(&database->collections, 0) != 0)
        add(&fake_misuse, 1);
    add(&fake_close_count, 1);
    free(database);
    return failing ? fail(error, OCT_IO, "the checkpoint could not be written") : OCT_OK;
}

oct_status oct_checkpoint(oct_database *database, oct_error *error) { (void)database; (void)error; return OCT_OK; }

void
oct_database_describe(oct_database *database, oct_database_info *info)
{
    *info = (oct_database_info){"0.0.0-fake", "fake", database->path[0] ? database->path : NULL,
                                database->name_count, 11, 12, 13, 1.5};
}

/* The configuration comes back as the text of an "error" of status OCT_UNSUPPORTED when the name is "echo". */
oct_status
oct_collection_create(oct_database *database, oct_slice name, const oct_collection_config *config, oct_error *error)
{
    const oct_vector_config *v = config->vectors;
    char text[900];

    snprintf(text, sizeof text,
             "count=%zu single=%lld size=%lld distance=%lld datatype=%lld on_disk=%lld m=%lld ef_construct=%lld "
             "payload_m=%lld indexing_threshold=%lld deleted_threshold=%g wal=%lld on_disk_payload=%lld "
             "max_optimization_threads=%lld vm=%lld metadata=%.*s",
             config->vector_count, (long long)config->single_vector, (long long)v->size, (long long)v->distance,
             (long long)v->datatype, (long long)v->on_disk, (long long)config->hnsw.m,
             (long long)config->hnsw.ef_construct, (long long)config->hnsw.payload_m,
             (long long)config->optimizer.indexing_threshold, config->optimizer.deleted_threshold,
             (long long)config->wal.wal_capacity_mb, (long long)config->on_disk_payload,
             (long long)config->optimizer.max_optimization_threads, (long long)v->hnsw.m,
             (int)config->metadata.size, config->metadata.size ? config->metadata.data : "");
    if (name.size == 4 && memcmp(name.data, "echo", 4) == 0)
        return fail(error, OCT_UNSUPPORTED, text);
    snprintf(database->names[database->name_count++], 64, "%.*s", (int)name.size, name.data);
    return OCT_OK;
}

static int
find(oct_database *database, oct_slice name)
{
    for (size_t i = 0; i < database->name_count; i++)
        if (strlen(database->names[i]) == name.size && memcmp(database->names[i], name.data, name.size) == 0)
            return (int)i;
    return -1;
}

oct_status
oct_collection_open(oct_database *database, oct_slice name, oct_collection **out, oct_error *error)
{
    *out = NULL;
    if (find(database, name) < 0)
        return fail(error, OCT_NOT_FOUND, "Collection `x` doesn't exist!");
    *out = calloc(1, sizeof **out);
    (*out)->database = database;
    add(&database->collections, 1);
    add(&fake_collection_count, 1);
    return OCT_OK;
}

void
oct_collection_close(oct_collection *collection)
{
    add(&collection->database->collections, -1);
    add(&fake_collection_count, -1);
    free(collection);
}

oct_status
oct_upsert_rows(oct_collection *collection, const uint64_t *ids, const float *vectors, size_t count, size_t dim,
                size_t row_stride, const oct_slice *payloads, const oct_write_options *options, oct_error *error)
{
    double sum = 0;
    uint64_t id_sum = 0;
    size_t bytes = 0;
    char text[900];

    (void)collection;
    for (size_t i = 0; i < count; i++) {
        id_sum += ids[i];
        for (size_t j = 0; j < dim; j++)
            sum += (double)vectors[i * row_stride + j];
        if (payloads != NULL)
            bytes += payloads[i].size;
    }
    snprintf(text, sizeof text, "%zu %zu %zu %llu %.6f %zu %d %p", count, dim, row_stride,
             (unsigned long long)id_sum, sum, bytes, options->wait, (const void *)vectors);
    return fail(error, OCT_UNSUPPORTED, text);
}

oct_status
oct_delete(oct_collection *collection, const oct_id *ids, size_t count, const oct_write_options *options,
           oct_write_result *result, oct_error *error)
{
    char text[900] = "";

    (void)collection;
    (void)options;
    (void)result;
    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%llx:%llx:%u:%u ", (unsigned long long)ids[i].high,
                 (unsigned long long)ids[i].low, ids[i].is_uuid, ids[i].reserved);
    return fail(error, OCT_UNSUPPORTED, text);
}

/* Hit j of query i has id 100 i + j and the score j plus the query's first component; the last is missing. */
oct_status
oct_search_rows(oct_collection *collection, const float *queries, size_t query_count, size_t dim, size_t k, size_t ef,
                bool exact, uint32_t threads, uint64_t *ids, float *scores, oct_error *error)
{
    (void)error;
    (void)exact;
    (void)threads;
    nap(collection->database, ef);
    for (size_t i = 0; i < query_count; i++)
        for (size_t j = 0; j < k; j++) {
            ids[i * k + j] = j + 1 == k ? OCT_ID_NONE : 100 * i + j;
            scores[i * k + j] = j + 1 == k ? __builtin_nanf("") : queries[i * dim] + (float)j;
        }
    return OCT_OK;
}

oct_status
oct_collection_wait_indexed(oct_collection *collection, uint64_t timeout_ms, oct_error *error)
{
    nap(collection->database, timeout_ms);
    return fail(error, OCT_TIMEOUT, "the tail still has rows");
}

oct_status
oct_count(oct_collection *collection, uint64_t *out, oct_error *error)
{
    (void)collection;
    (void)error;
    *out = 42;
    return OCT_OK;
}

void
oct_api_call(oct_database *database, const oct_api_request *request, oct_api_response *response)
{
    size_t room = request->body.size + request->target.size + 200;
    char *body = malloc(room);
    char target[1000];
    const char *sleep_ms;

    snprintf(target, sizeof target, "%.*s", (int)request->target.size, request->target.data);
    sleep_ms = strstr(target, "sleep=");
    nap(database, sleep_ms == NULL ? 0 : strtoul(sleep_ms + 6, NULL, 10));
    memset(response, 0, sizeof *response);
    response->status = strstr(target, "retry") ? 429 : 200;
    response->retry_after = strstr(target, "retry") ? 7 : 0;
    response->content_type = "application/json";
    snprintf(body, room, "{\"result\":{\"method\":\"%.*s\",\"target\":\"%s\",\"body_bytes\":%zu},\"status\":\"ok\"}",
             (int)request->method.size, request->method.data, target, request->body.size);
    response->body = (oct_slice){body, strlen(body)};
    response->reserved = body;
}

void
oct_api_response_clear(oct_api_response *response)
{
    free(response->reserved);
    memset(response, 0, sizeof *response);
}

/* The rest of what the package binds. */
#define UNUSED(name, ...)                                              \
    oct_status name(__VA_ARGS__)                                       \
    {                                                                  \
        return fail(error, OCT_UNSUPPORTED, #name " is not in the fake"); \
    }

UNUSED(oct_collection_delete, oct_database *d, oct_slice n, bool *existed, oct_error *error)
UNUSED(oct_collection_list, oct_database *d, oct_names **out, oct_error *error)
UNUSED(oct_collection_describe, oct_collection *c, oct_collection_info **out, oct_error *error)
UNUSED(oct_collection_optimize, oct_collection *c, oct_error *error)
UNUSED(oct_collection_graph_checksum, oct_collection *c, uint64_t *out, oct_error *error)
UNUSED(oct_collection_check, oct_collection *c, oct_error *error)
void oct_collection_memory(oct_collection *c, oct_memory_info *out) { (void)c, (void)out; }
UNUSED(oct_retrieve, oct_collection *c, const oct_id *i, size_t n, const oct_select *s, oct_records **out,
       oct_error *error)
UNUSED(oct_file_read, oct_file *f, uint64_t at, void *data, size_t n, size_t *got, oct_error *error)
uint64_t oct_file_size(const oct_file *file) { return file == NULL ? 0 : 1; }
void oct_names_free(oct_names *names) { (void)names; }
void oct_collection_info_free(oct_collection_info *info) { (void)info; }
void oct_records_free(oct_records *records) { (void)records; }
