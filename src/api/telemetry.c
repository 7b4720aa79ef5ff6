/* GET /telemetry and GET /metrics: what the service tells of itself. Shapes: qdrant-api.md A.3 and appendix C.
 *
 * LEVELS   of telemetry: 0 the service; 1 collections in short; 2 their configuration; 3 their shards; 4 the parts of a shard.
 * COST     Both visit every collection, without a lock that a search takes. Nothing is sampled or kept for them.
 * HERE     One shard a collection is one segment, and no optimizer runs: rows join the graph while they are searched.
 */
#include "api/encode.h"
#include "config/config.h"
#include "os/os.h"
#include "os/process.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

/* --- what never changes while the process lives ------------------------------------------------ */

static pthread_once_t identity_once = PTHREAD_ONCE_INIT;
static oct_id         identity;                               /* a random UUID */
static char           startup[sizeof "YYYY-MM-DDTHH:MM:SSZ"]; /* when it was first asked for */

static void
make_identity(void)
{
    const time_t now = time(NULL);
    struct tm    parts;

    os_random(os_posix(), &identity.high, sizeof identity.high);
    os_random(os_posix(), &identity.low, sizeof identity.low);
    identity.high = (identity.high & ~UINT64_C(0xF000)) | UINT64_C(0x4000); /* version 4, RFC 9562 */
    identity.low = (identity.low & (UINT64_MAX >> 2)) | UINT64_C(1) << 63;
    identity.is_uuid = 1;
    if (gmtime_r(&now, &parts) == NULL ||
        strftime(startup, sizeof startup, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        (void)memcpy(startup, "1970-01-01T00:00:00Z", sizeof startup);
}

static void
add_u64(buffer *out, const char *before, uint64_t value)
{
    buffer_add_text(out, before);
    json_add_u64(out, value);
}

/* A name, or, anonymised, its hash. */
static void
add_name(buffer *out, oct_slice name, bool anonymize)
{
    if (anonymize)
        buffer_format(out, "\"%016" PRIx64 "\"", hash_bytes(name.data, name.size));
    else
        json_add_text(out, name);
}

/* --- telemetry: collections ---------------------------------------------------------------------- */

static const char *
status_of(const oct_collection_info *info)
{
    return info->stopped ? "red" : "green";
}

static void
add_optimizer_status(buffer *out, const oct_collection_info *info)
{
    if (info->stopped)
        buffer_add_text(out, "{\"error\":\"writing stopped after a failed sync; reopen the database\"}");
    else
        buffer_add_text(out, "\"ok\"");
}

static void
add_segment(buffer *out, const oct_collection_info *info)
{
    const uint64_t vectors = info->indexed_vectors_count + info->tail_vectors_count;

    buffer_add_text(out, "[{\"info\":{\"uuid\":");
    encode_id(out, identity);
    buffer_format(out, ",\"segment_type\":\"%s\"", info->indexed_vectors_count > 0 ? "indexed" : "plain");
    add_u64(out, ",\"num_vectors\":", vectors);
    add_u64(out, ",\"num_points\":", info->points_count);
    add_u64(out, ",\"num_indexed_vectors\":", info->indexed_vectors_count);
    add_u64(out, ",\"num_deleted_vectors\":", info->deleted_vectors_count);
    add_u64(out, ",\"vectors_size_bytes\":", info->vector_bytes);
    add_u64(out, ",\"payloads_size_bytes\":", info->payload_bytes);
    add_u64(out, ",\"ram_usage_bytes\":", info->ram_bytes);
    add_u64(out, ",\"disk_usage_bytes\":", info->disk_bytes);
    buffer_add_text(out, ",\"is_appendable\":true,\"index_schema\":{},\"vector_data\":{}},\"config\":{\"vector_data\":{},"
                         "\"sparse_vector_data\":{},\"payload_storage_type\":{\"type\":\"mmap\"}},"
                         "\"vector_index_searches\":[],\"payload_field_indices\":[]}]");
}

/* One shard, or one for each shard key; what they have in common is told with the first. */
static void
add_shards(buffer *out, const oct_collection_info *info, uint64_t level)
{
    const bool   custom = info->config.sharding_method == 1;
    const size_t count = custom ? info->config.shard_key_count : 1;

    buffer_add_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        const oct_shard_key_info *key = custom ? &info->config.shard_keys[i] : NULL;

        buffer_format(out, "%s{\"id\":%u,\"key\":", i > 0 ? "," : "", key == NULL ? 0 : key->number - 1);
        if (key == NULL)
            buffer_add_text(out, "null");
        else
            shard_key_encode(&key->key, out);
        buffer_format(out, ",\"local\":{\"variant_name\":\"local shard\",\"status\":\"%s\",\"total_optimized_points\":0",
                      status_of(info));
        if (i == 0) {
            add_u64(out, ",\"vectors_size_bytes\":", info->vector_bytes);
            add_u64(out, ",\"payloads_size_bytes\":", info->payload_bytes);
            add_u64(out, ",\"num_points\":", info->points_count);
            add_u64(out, ",\"num_vectors\":", info->indexed_vectors_count + info->tail_vectors_count);
        }
        if (level >= 4) {
            buffer_add_text(out, ",\"segments\":");
            if (i == 0)
                add_segment(out, info);
            else
                buffer_add_text(out, "[]");
            buffer_add_text(out, ",\"indexed_only_excluded_vectors\":{}");
        }
        buffer_add_text(out, ",\"optimizations\":{\"status\":");
        add_optimizer_status(out, info);
        buffer_format(out,
                      ",\"optimizations\":{\"count\":0},\"log\":[]},\"async_scorer\":false,\"update_queue\":{\"length\":0}},"
                      "\"remote\":[],\"replicate_states\":{\"%u\":\"Active\"},\"partial_snapshot\":null}",
                      API_PEER_ID);
    }
    buffer_add_byte(out, ']');
}

static oct_status
telemetry_of_collection(api_call *call, oct_collection *collection, const oct_collection_info *info,
                        oct_error *error)
{
    buffer        *out = &call->out;
    const uint64_t level = call->details_level;

    (void)collection;
    (void)error;
    if (out->size > 0 && out->data[out->size - 1] != '[')
        buffer_add_byte(out, ',');
    if (level < 2) {
        add_u64(out, "{\"vectors\":", info->indexed_vectors_count + info->tail_vectors_count);
        buffer_add_text(out, ",\"optimizers_status\":");
        add_optimizer_status(out, info);
        buffer_add_text(out, ",\"params\":");
        config_encode_params(&info->config, out);
        buffer_add_byte(out, '}');
        return OCT_OK;
    }
    buffer_add_text(out, "{\"id\":");
    add_name(out, info->name, call->anonymize);
    buffer_add_text(out, ",\"init_time_ms\":0,\"config\":");
    config_encode(&info->config, out);
    if (level >= 3) {
        buffer_add_text(out, ",\"shards\":");
        add_shards(out, info, level);
        buffer_add_text(out, ",\"transfers\":[],\"resharding\":[]");
    }
    buffer_add_byte(out, '}');
    return OCT_OK;
}

static oct_status
telemetry_of_snapshots(api_call *call, oct_collection *collection, const oct_collection_info *info, oct_error *error)
{
    buffer *out = &call->out;

    (void)collection;
    (void)error;
    buffer_add_text(out, out->data[out->size - 1] == '[' ? "{\"id\":" : ",{\"id\":");
    add_name(out, info->name, call->anonymize);
    add_u64(out, ",\"running_snapshots\":", info->snapshots_running);
    add_u64(out, ",\"running_snapshot_recovery\":", info->recoveries_running);
    add_u64(out, ",\"total_snapshot_creations\":", info->snapshots_created);
    buffer_add_byte(out, '}');
    return OCT_OK;
}

/* --- telemetry: the service ------------------------------------------------------------------------ */

static void
add_app(buffer *out, uint64_t level)
{
    buffer_format(out, "\"app\":{\"name\":\"octant\",\"version\":\"%s\",\"startup\":\"%s\"", OCT_API_VERSION, startup);
    if (level >= 1) {
        const char   *container = process_container();
        process_stats stats;

        process_describe(&stats);
        buffer_add_text(out, ",\"features\":{\"debug\":false,\"service_debug_feature\":false,\"recovery_mode\":false,"
                             "\"gpu\":false,\"rocksdb\":false,\"staging\":false},\"system\":{");
        buffer_format(out, "\"is_docker\":%s,\"container_runtime\":\"%s\"", strcmp(container, "docker") == 0 ? "true" : "false",
                      container);
        add_u64(out, ",\"cores\":", stats.cpus);
        add_u64(out, ",\"ram_size\":", stats.machine_ram_bytes / 1024);
        buffer_format(out, ",\"cpu_flags\":\"%s\",\"cpu_endian\":\"little\"}", oct_cpu_level());
    }
    buffer_add_byte(out, '}');
}

static void
add_memory(buffer *out)
{
    process_stats stats;

    process_describe(&stats);
    add_u64(out, ",\"memory\":{\"active_bytes\":", stats.active_bytes);
    add_u64(out, ",\"allocated_bytes\":", stats.allocated_bytes);
    add_u64(out, ",\"metadata_bytes\":0,\"resident_bytes\":", stats.resident_bytes);
    add_u64(out, ",\"retained_bytes\":", stats.retained_bytes);
    buffer_add_byte(out, '}');
}

static oct_status
telemetry_options(api_call *call, bool *per_collection, oct_error *error)
{
    oct_status status = api_option_u64(call, "details_level", 0, &call->details_level, error);

    if (status == OCT_OK)
        status = api_option_bool(call, "anonymize", &call->anonymize, error);
    if (status == OCT_OK)
        status = api_option_bool(call, "per_collection", per_collection, error);
    return status == OCT_OK ? api_meta_options(call, error) : status;
}

static void
add_requests(buffer *out, stats_door door, bool per_collection, bool anonymize)
{
    stats_encode(out, door);
    if (!per_collection)
        return;
    buffer_add_text(out, ",\"per_collection_responses\":");
    stats_encode_collections(out, door, add_name, anonymize);
}

oct_status
service_telemetry(api_call *call, oct_error *error)
{
    oct_database_info info;
    oct_quota_config  quotas;
    oct_quota_usage   usage;
    bool              per_collection = false;
    oct_status        status = telemetry_options(call, &per_collection, error);
    buffer           *out = &call->out;

    if (status != OCT_OK)
        return status;
    (void)pthread_once(&identity_once, make_identity);
    oct_database_describe(call->database, &info);
    buffer_add_text(out, "{\"id\":");
    encode_id(out, identity);
    buffer_add_byte(out, ',');
    add_app(out, call->details_level);
    add_u64(out, ",\"collections\":{\"number_of_collections\":", info.collection_count);
    if (call->details_level > 0) {
        buffer_add_text(out, ",\"collections\":[");
        status = api_each_collection(call, telemetry_of_collection, error);
        buffer_add_text(out, "],\"snapshots\":[");
        if (status == OCT_OK)
            status = api_each_collection(call, telemetry_of_snapshots, error);
        buffer_add_byte(out, ']');
    }
    buffer_add_text(out, "},\"cluster\":{\"enabled\":false},\"requests\":{\"rest\":{\"responses\":");
    add_requests(out, STATS_REST, per_collection, call->anonymize);
    buffer_add_text(out, "},\"grpc\":{\"responses\":");
    add_requests(out, STATS_GRPC, per_collection, call->anonymize);
    buffer_add_text(out, "}},\"quota\":{\"config\":");
    oct_quota_get(call->database, &quotas, &usage);
    quota_encode_config(out, &quotas);
    buffer_format(out, ",\"exceeded\":{\"resident_memory\":%s,\"disk_usage\":%s}}",
                  usage.memory_exceeded ? "true" : "false", usage.disk_exceeded ? "true" : "false");
    if (call->details_level > 0) {
        add_memory(out);
        buffer_add_text(out, ",\"hardware\":{\"collection_data\":{}},\"search_pool\":{\"mode\":\"run to completion\",");
        buffer_format(out, "\"high_cpu_threads\":%u,\"high_io_threads\":0}", 0u);
    }
    buffer_add_byte(out, '}');
    return status;
}

/* --- metrics ------------------------------------------------------------------------------------------- */

/* A label's value: backslash, quote and newline are escaped. */
void
api_add_label(buffer *out, oct_slice text)
{
    buffer_add_byte(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\n') {
            buffer_add(out, "\\n", 2);
            continue;
        }
        if (text.data[i] == '"' || text.data[i] == '\\')
            buffer_add_byte(out, '\\');
        buffer_add_byte(out, text.data[i]);
    }
    buffer_add_byte(out, '"');
}

static void
add_head(buffer *out, const char *name, const char *help, const char *type)
{
    buffer_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
add_number(buffer *out, const char *name, const char *help, const char *type, uint64_t value)
{
    add_head(out, name, help, type);
    buffer_format(out, "%s %" PRIu64 "\n", name, value);
}

/* Families with a line for each collection. */
typedef struct family {
    const char *name, *help, *type;
    uint64_t (*value)(const oct_collection_info *info);
} family;

static uint64_t
points_of(const oct_collection_info *info)
{
    return info->points_count;
}

static uint64_t
none_of(const oct_collection_info *info)
{
    (void)info;
    return 0;
}

static uint64_t
snapshots_of(const oct_collection_info *info)
{
    return info->snapshots_running;
}

static uint64_t
recoveries_of(const oct_collection_info *info)
{
    return info->recoveries_running;
}

static uint64_t
created_of(const oct_collection_info *info)
{
    return info->snapshots_created;
}

static uint64_t
tail_of(const oct_collection_info *info)
{
    return info->tail_vectors_count;
}

static const family families[] = {
    {"collection_points", "approximate amount of points per collection", "gauge", points_of},
    {"collection_running_optimizations", "number of currently running optimization tasks per collection", "gauge", none_of},
    {"collection_update_queue_length", "number of operations in the update queue per collection", "gauge", none_of},
    {"collection_update_queue_deferred_points", "points hidden until they are optimized: never any", "gauge", none_of},
    {"collection_shard_transfer_incoming", "incoming shard transfers currently running", "gauge", none_of},
    {"collection_shard_transfer_outgoing", "outgoing shard transfers currently running", "gauge", none_of},
    {"snapshot_creation_running", "snapshots being created, per collection", "gauge", snapshots_of},
    {"snapshot_recovery_running", "snapshots being recovered from, per collection", "gauge", recoveries_of},
    {"snapshot_created_total", "snapshots created since the database was opened, per collection", "counter", created_of},
    {"octant_collection_tail_vectors", "vectors scanned exactly until they join the graph", "gauge", tail_of},
};

static oct_status
metric_of_collection(api_call *call, oct_collection *collection, const oct_collection_info *info, oct_error *error)
{
    const family *what = &families[call->details_level];

    (void)collection;
    (void)error;
    buffer_format(&call->out, "%s{id=", what->name);
    api_add_label(&call->out, info->name);
    buffer_format(&call->out, "} %" PRIu64 "\n", what->value(info));
    return OCT_OK;
}

static oct_status
sum_vectors(api_call *call, oct_collection *collection, const oct_collection_info *info, oct_error *error)
{
    (void)collection;
    (void)error;
    call->details_level += info->indexed_vectors_count + info->tail_vectors_count;
    return OCT_OK;
}

static void
add_process(buffer *out)
{
    process_stats stats;

    process_describe(&stats);
    add_number(out, "memory_active_bytes", "Total number of bytes in active pages allocated by the application", "gauge",
               stats.active_bytes);
    add_number(out, "memory_allocated_bytes", "Total number of bytes allocated by the application", "gauge",
               stats.allocated_bytes);
    add_number(out, "memory_metadata_bytes", "Total number of bytes dedicated to metadata", "gauge", 0);
    add_number(out, "memory_resident_bytes", "Maximum number of bytes in physically resident data pages", "gauge",
               stats.resident_bytes);
    add_number(out, "memory_retained_bytes", "Total number of bytes in virtual memory mappings", "gauge",
               stats.retained_bytes);
    add_number(out, "process_threads", "count of active threads", "gauge", stats.threads);
    add_number(out, "process_open_mmaps", "count of open mmaps", "gauge", stats.maps);
    add_number(out, "system_max_mmaps", "system wide limit of open mmaps", "gauge", stats.maps_max);
    add_number(out, "process_open_fds", "count of currently open file descriptors", "gauge", stats.open_files);
    add_number(out, "process_max_fds", "limit for open file descriptors", "gauge", stats.open_files_max);
    add_number(out, "process_minor_page_faults_total", "count of minor page faults which didn't cause a disk access",
               "counter", stats.minor_faults);
    add_number(out, "process_major_page_faults_total", "count of disk accesses caused by a mmap page fault", "counter",
               stats.major_faults);
}

oct_status
service_metrics(api_call *call, oct_error *error)
{
    oct_database_info info;
    oct_quota_config  quotas;
    oct_quota_usage   usage;
    bool              by_collection = false;
    oct_status        status = api_option_bool(call, "anonymize", &call->anonymize, error);

    if (status == OCT_OK)
        status = api_option_bool(call, "per_collection", &by_collection, error);
    if (status == OCT_OK)
        status = api_meta_options(call, error);
    if (status != OCT_OK)
        return status;
    oct_database_describe(call->database, &info);
    call->plain = true;
    call->content_type = "text/plain; charset=utf-8";
    call->out.size = 0;
    add_head(&call->out, "app_info", "information about the server", "gauge");
    buffer_format(&call->out, "app_info{name=\"octant\",version=\"%s\"} 1\n", OCT_API_VERSION);
    add_number(&call->out, "app_status_recovery_mode", "features enabled in recovery mode", "gauge", 0);
    add_number(&call->out, "collections_total", "number of collections", "gauge", info.collection_count);
    call->details_level = 0;
    status = api_each_collection(call, sum_vectors, error);
    add_number(&call->out, "collections_vector_total", "total number of vectors in all collections", "gauge",
               call->details_level);
    for (call->details_level = 0; call->details_level < countof(families) && status == OCT_OK; call->details_level++) {
        const family *what = &families[call->details_level];

        add_head(&call->out, what->name, what->help, what->type);
        status = api_each_collection(call, metric_of_collection, error);
    }
    if (info.collection_count > 0) {
        add_number(&call->out, "collection_active_replicas_min", "minimum number of active replicas across all shards",
                   "gauge", 1);
        add_number(&call->out, "collection_active_replicas_max", "maximum number of active replicas across all shards",
                   "gauge", 1);
        add_number(&call->out, "collection_dead_replicas", "total amount of dead shard replicas", "gauge", 0);
    }
    oct_quota_get(call->database, &quotas, &usage);
    add_head(&call->out, "quota_exceeded", "whether a quota is exceeded", "gauge");
    buffer_format(&call->out, "quota_exceeded{resource=\"memory\"} %d\nquota_exceeded{resource=\"disk\"} %d\n",
                  usage.memory_exceeded, usage.disk_exceeded);
    add_number(&call->out, "cluster_enabled", "is cluster support enabled", "gauge", 0);
    add_process(&call->out);
    stats_prometheus(&call->out, by_collection);
    return status;
}
