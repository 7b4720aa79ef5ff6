/* The table of keys, and values as text made real. See config.h; files are read in config_yaml.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "server/config_internal.h"

#define AT(field)   offsetof(server_config, field)
#define SECONDS_MAX 86400

/* What new collections have unless told otherwise. */
#define NEW_COLLECTION(key) {"storage." key, CONFIG_DEFAULT, 0, 0, 0}
#define NEW_STRICT(key)     NEW_COLLECTION("collection.strict_mode." key)

/* In the order of Qdrant's documentation. Numbers carry their range. */
const config_key config_keys[] = {
    {"log_level", CONFIG_LEVEL, AT(level), 0, 0},
    {"service.host", CONFIG_TEXT, AT(host), 0, 0},
    {"service.http_port", CONFIG_NUMBER, AT(http_port), 0, 65535},
    {"service.grpc_port", CONFIG_NUMBER_OR_NULL, AT(grpc_port), 0, 65535},
    {"service.max_request_size_mb", CONFIG_NUMBER, AT(max_request_size_mb), 1, OCT_API_BODY_MAX >> 20},
    {"service.max_workers", CONFIG_NUMBER, AT(max_workers), 0, 1024},
    {"service.http_keep_alive_timeout_sec", CONFIG_NUMBER, AT(keep_alive_timeout_sec), 0, SECONDS_MAX},
    {"service.http_client_request_timeout_sec", CONFIG_NUMBER, AT(request_timeout_sec), 0, SECONDS_MAX},
    {"service.http_client_disconnect_timeout_sec", CONFIG_NUMBER, AT(disconnect_timeout_sec), 0, SECONDS_MAX},
    {"service.enable_cors", CONFIG_BOOL, AT(enable_cors), 0, 0},
    {"service.api_key", CONFIG_SECRET, AT(api_key), 0, 0},
    {"service.alt_api_key", CONFIG_SECRET, AT(alt_api_key), 0, 0},
    {"service.read_only_api_key", CONFIG_SECRET, AT(read_only_api_key), 0, 0},
    {"service.slow_query_secs", CONFIG_SECONDS, AT(slow_query_ms), 0, SECONDS_MAX},
    {"storage.storage_path", CONFIG_TEXT, AT(storage_path), 0, 0},
    {"service.enable_snapshot_url_recovery", CONFIG_BOOL, AT(enable_snapshot_urls), 0, 0},
    {"storage.snapshots_path", CONFIG_TEXT, AT(snapshots_path), 0, 0},
    {"storage.sync", CONFIG_SYNC, AT(sync), 0, 0},
    {"storage.sync_interval_ms", CONFIG_NUMBER, AT(sync_interval_ms), 1, 60000},
    {"storage.threads", CONFIG_NUMBER, AT(threads), 0, 256},

    {"storage.memory_limit", CONFIG_BYTES, AT(memory_limit), 0, INT64_MAX},
    {"storage.max_collections", CONFIG_NUMBER, AT(max_collections), 0, UINT32_MAX},
    {"storage.quotas.enabled", CONFIG_BOOL, AT(quotas_enabled), 0, 0},
    {"storage.quotas.max_resident_memory_percent", CONFIG_NUMBER, AT(quota_memory_percent), 1, 100},
    {"storage.quotas.max_disk_usage_percent", CONFIG_NUMBER, AT(quota_disk_percent), 1, 100},
    {"storage.quotas.release_margin_percent", CONFIG_NUMBER, AT(quota_margin_percent), 0, 100},

    NEW_COLLECTION("hnsw_index.m"),
    NEW_COLLECTION("hnsw_index.ef_construct"),
    NEW_COLLECTION("hnsw_index.full_scan_threshold"),
    NEW_COLLECTION("hnsw_index.full_scan_threshold_kb"),
    NEW_COLLECTION("hnsw_index.max_indexing_threads"),
    NEW_COLLECTION("hnsw_index.on_disk"),
    NEW_COLLECTION("hnsw_index.payload_m"),
    NEW_COLLECTION("hnsw_index.inline_storage"),
    NEW_COLLECTION("optimizers.deleted_threshold"),
    NEW_COLLECTION("optimizers.vacuum_min_vector_number"),
    NEW_COLLECTION("optimizers.default_segment_number"),
    NEW_COLLECTION("optimizers.max_segment_size"),
    NEW_COLLECTION("optimizers.max_segment_size_kb"),
    NEW_COLLECTION("optimizers.memmap_threshold"),
    NEW_COLLECTION("optimizers.memmap_threshold_kb"),
    NEW_COLLECTION("optimizers.indexing_threshold"),
    NEW_COLLECTION("optimizers.indexing_threshold_kb"),
    NEW_COLLECTION("optimizers.flush_interval_sec"),
    NEW_COLLECTION("optimizers.max_optimization_threads"),
    NEW_COLLECTION("optimizers.prevent_unoptimized"),
    NEW_COLLECTION("wal.wal_capacity_mb"),
    NEW_COLLECTION("wal.wal_segments_ahead"),
    NEW_COLLECTION("wal.wal_retain_closed"),
    NEW_COLLECTION("on_disk_payload"),
    NEW_COLLECTION("payload.memory"),
    NEW_COLLECTION("collection.replication_factor"),
    NEW_COLLECTION("collection.write_consistency_factor"),
    NEW_COLLECTION("collection.vectors.on_disk"),
    NEW_COLLECTION("collection.vectors.memory"),
    NEW_COLLECTION("collection.quantization.scalar.type"),
    NEW_COLLECTION("collection.quantization.scalar.quantile"),
    NEW_COLLECTION("collection.quantization.scalar.always_ram"),
    NEW_COLLECTION("collection.quantization.product.compression"),
    NEW_COLLECTION("collection.quantization.product.always_ram"),
    NEW_COLLECTION("collection.quantization.binary.always_ram"),
    NEW_COLLECTION("collection.quantization.binary.encoding"),
    NEW_COLLECTION("collection.quantization.binary.query_encoding"),
    NEW_COLLECTION("collection.quantization.turbo.bits"),
    NEW_COLLECTION("collection.quantization.turbo.always_ram"),
    NEW_STRICT("enabled"),
    NEW_STRICT("max_query_limit"),
    NEW_STRICT("max_timeout"),
    NEW_STRICT("unindexed_filtering_retrieve"),
    NEW_STRICT("unindexed_filtering_update"),
    NEW_STRICT("search_max_hnsw_ef"),
    NEW_STRICT("search_allow_exact"),
    NEW_STRICT("search_max_oversampling"),
    NEW_STRICT("upsert_max_batchsize"),
    NEW_STRICT("search_max_batchsize"),
    NEW_STRICT("max_collection_vector_size_bytes"),
    NEW_STRICT("max_collection_payload_size_bytes"),
    NEW_STRICT("max_points_count"),
    NEW_STRICT("read_rate_limit"),
    NEW_STRICT("write_rate_limit"),
    NEW_STRICT("filter_max_conditions"),
    NEW_STRICT("condition_max_size"),
    NEW_STRICT("max_payload_index_count"),
    NEW_STRICT("max_resident_memory_percent"),

    {"service.enable_tls", CONFIG_NOT_TRUE, 0, 0, 0},
    {"service.jwt_rbac", CONFIG_WARN_TRUE, 0, 0, 0},
    {"cluster.enabled", CONFIG_WARN_TRUE, 0, 0, 0},
    {"audit.enabled", CONFIG_WARN_TRUE, 0, 0, 0},

    /* Qdrant's, without a meaning here so far. */
    {"telemetry_disabled", CONFIG_IGNORED, 0, 0, 0},
    {"service.metrics_port", CONFIG_IGNORED, 0, 0, 0},
    {"service.verify_https_client_certificate", CONFIG_IGNORED, 0, 0, 0},
    {"service.enforce_internal_auth", CONFIG_IGNORED, 0, 0, 0},
    {"service.hide_jwt_dashboard", CONFIG_IGNORED, 0, 0, 0},
    {"service.static_content_dir", CONFIG_IGNORED, 0, 0, 0},
    {"service.enable_static_content", CONFIG_IGNORED, 0, 0, 0},
    {"service.hardware_reporting", CONFIG_IGNORED, 0, 0, 0},
    {"service.metrics_prefix", CONFIG_IGNORED, 0, 0, 0},
    {"storage.temp_path", CONFIG_IGNORED, 0, 0, 0},
    {"storage.low_memory_mode", CONFIG_IGNORED, 0, 0, 0},
    {"storage.update_concurrency", CONFIG_IGNORED, 0, 0, 0},
    {"storage.update_queue_size", CONFIG_IGNORED, 0, 0, 0},
    {"storage.node_type", CONFIG_IGNORED, 0, 0, 0},
    {"storage.shard_transfer_method", CONFIG_IGNORED, 0, 0, 0},
    {"storage.recovery_mode", CONFIG_IGNORED, 0, 0, 0},
    {"storage.handle_collection_load_errors", CONFIG_IGNORED, 0, 0, 0},
    {"storage.mmap_advice", CONFIG_IGNORED, 0, 0, 0},
    {"storage.snapshots_config", CONFIG_IGNORED_TREE, 0, 0, 0},
    {"storage.performance", CONFIG_IGNORED_TREE, 0, 0, 0},
    {"storage.optimizers_overwrite", CONFIG_IGNORED_TREE, 0, 0, 0},
    {"storage.hnsw_global_config", CONFIG_IGNORED_TREE, 0, 0, 0},
    {"storage.collection.shard_number_per_node", CONFIG_IGNORED, 0, 0, 0},
    {"storage.collection.strict_mode.multivector_config", CONFIG_IGNORED_TREE, 0, 0, 0},
    {"storage.collection.strict_mode.sparse_config", CONFIG_IGNORED_TREE, 0, 0, 0},
    {"cluster.p2p", CONFIG_IGNORED_TREE, 0, 0, 0},
    {"cluster.consensus", CONFIG_IGNORED_TREE, 0, 0, 0},
    {"audit.dir", CONFIG_IGNORED, 0, 0, 0},
    {"audit.rotation", CONFIG_IGNORED, 0, 0, 0},
    {"audit.max_log_files", CONFIG_IGNORED, 0, 0, 0},
    {"audit.trust_forwarded_headers", CONFIG_IGNORED, 0, 0, 0},
    {"audit.log_api", CONFIG_IGNORED, 0, 0, 0},
    {"tls", CONFIG_IGNORED_TREE, 0, 0, 0},
    {"logger", CONFIG_IGNORED_TREE, 0, 0, 0},
    {"inference", CONFIG_IGNORED_TREE, 0, 0, 0},
    {"gpu", CONFIG_IGNORED_TREE, 0, 0, 0},
    {"feature_flags", CONFIG_IGNORED_TREE, 0, 0, 0},
};
const size_t config_key_count = countof(config_keys);

const config_key *
config_key_find(oct_slice name)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const oct_slice known = slice_of(config_keys[i].name);

        if (slice_equal(known, name))
            return &config_keys[i];
        if (config_keys[i].kind == CONFIG_IGNORED_TREE && name.size > known.size &&
            name.data[known.size] == '.' && memcmp(name.data, known.data, known.size) == 0)
            return &config_keys[i];
    }
    return NULL;
}

bool
config_key_is_section(oct_slice name)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const oct_slice known = slice_of(config_keys[i].name);

        if (known.size > name.size && known.data[name.size] == '.' &&
            memcmp(known.data, name.data, name.size) == 0)
            return true;
    }
    return false;
}

static oct_status
keep_text(server_config *self, size_t offset, const char *value, oct_error *error)
{
    char *copy = arena_text(&self->texts, value, strlen(value));

    if (copy == NULL)
        return oct_fail_memory(error, strlen(value) + 1);
    memcpy((char *)self + offset, &copy, sizeof copy);
    return OCT_OK;
}

static bool
read_bool(const char *text, bool *out)
{
    static const char *const words[][2] = {{"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};

    for (size_t i = 0; i < countof(words); i++) {
        for (int value = 0; value < 2; value++) {
            if (strcasecmp(text, words[i][value]) == 0) {
                *out = value == 1;
                return true;
            }
        }
    }
    return false;
}

static bool
read_number(const char *text, int64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != ' ' && text[0] != '\t' && text[0] != '+';
}

static oct_status
set_number(server_config *self, const config_key *key, const char *value, const char *source,
           oct_error *error)
{
    int64_t number;

    if (!read_number(value, &number) || number < key->min || number > key->max)
        return oct_fail(error, OCT_RANGE, "%s: %s is \"%s\", but must be a whole number from %lld to %lld",
                        source, key->name, value, (long long)key->min, (long long)key->max);
    memcpy((char *)self + key->offset, &number, sizeof number);
    return OCT_OK;
}

/* "1073741824", "1024MiB", "1 GiB". */
static oct_status
set_bytes(server_config *self, const config_key *key, const char *value, const char *source, oct_error *error)
{
    static const struct {
        const char *name;
        unsigned    shift;
    } units[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
    char     digits[24];
    size_t   size = strspn(value, "0123456789");
    unsigned shift = 0;
    int64_t  number = 0;
    bool     known = size > 0 && size < sizeof digits;

    memcpy(digits, value, known ? size : 0);
    digits[known ? size : 0] = '\0';
    known = known && read_number(digits, &number);
    size += strspn(value + size, " ");
    if (value[size] != '\0') {
        size_t i = 0;

        while (i < countof(units) && strcasecmp(value + size, units[i].name) != 0)
            i++;
        known = known && i < countof(units);
        shift = known ? units[i].shift : 0;
    }
    if (!known || number > key->max >> shift)
        return oct_fail(error, OCT_RANGE, "%s: %s is \"%s\", but must be a number of bytes, or such as 512MiB or 4GiB; 0: no limit",
                        source, key->name, value);
    number <<= shift;
    memcpy((char *)self + key->offset, &number, sizeof number);
    return OCT_OK;
}

static oct_status
set_seconds(server_config *self, const config_key *key, const char *value, const char *source, oct_error *error)
{
    char        *end = NULL;
    const double seconds = strtod(value, &end);
    int64_t      milliseconds;

    if (end == value || *end != '\0' || !(seconds >= (double)key->min && seconds <= (double)key->max))
        return oct_fail(error, OCT_RANGE, "%s: %s is \"%s\", but must be a number of seconds from %lld to %lld", source,
                        key->name, value, (long long)key->min, (long long)key->max);
    milliseconds = (int64_t)(seconds * 1000);
    memcpy((char *)self + key->offset, &milliseconds, sizeof milliseconds);
    return OCT_OK;
}

static oct_status
set_sync(server_config *self, const char *value, const char *source, oct_error *error)
{
    static const char *const names[] = {
        [OCT_SYNC_ALWAYS] = "always", [OCT_SYNC_INTERVAL] = "interval", [OCT_SYNC_NEVER] = "never"};

    for (size_t i = 0; i < countof(names); i++) {
        if (strcasecmp(value, names[i]) == 0) {
            self->sync = (oct_sync)i;
            return OCT_OK;
        }
    }
    return oct_fail(error, OCT_INVALID, "%s: storage.sync is \"%s\", but must be always, interval or never",
                    source, value);
}

static oct_status
set_level(server_config *self, const char *value, const char *source, oct_error *error)
{
    const size_t size =
        strcspn(value, ","); /* "info,actix=warn": what follows the comma is Qdrant's own matter */
    char name[16];

    if (size < sizeof name) {
        memcpy(name, value, size);
        name[size] = '\0';
        if (log_level_read(name, &self->level))
            return OCT_OK;
    }
    return oct_fail(error, OCT_INVALID,
                    "%s: log_level is \"%s\", but must be OFF, ERROR, WARN, INFO, DEBUG or TRACE", source,
                    value);
}

/* Keys that are read only to say that they cannot be honoured. */
static oct_status
set_unsupported(const config_key *key, const char *value, const char *source, oct_error *error)
{
    bool wanted;

    if (!read_bool(value, &wanted))
        return oct_fail(error, OCT_INVALID, "%s: %s is \"%s\", but must be true or false", source, key->name,
                        value);
    if (wanted && key->kind == CONFIG_NOT_TRUE)
        return oct_fail(
            error, OCT_UNSUPPORTED,
            "%s: %s is true, but this version has no TLS and will not serve in the clear instead: set it "
            "to false and put a TLS proxy in front",
            source, key->name);
    if (wanted)
        log_line(LOG_LEVEL_WARN, "%s: %s is true, but this version does not support it; it is ignored",
                 source, key->name);
    return OCT_OK;
}

static oct_status
set_default(server_config *self, const config_key *key, const char *value, oct_error *error)
{
    config_default *at = self->defaults;

    while (at < self->defaults + self->default_count && at->name != key->name)
        at++;
    if (at == self->defaults + countof(self->defaults))
        return oct_fail(error, OCT_RANGE, "%s: more than %zu defaults of new collections", key->name, countof(self->defaults));
    if (at == self->defaults + self->default_count)
        self->default_count++;
    *at = (config_default){key->name, arena_text(&self->texts, value, strlen(value))};
    return at->value == NULL ? oct_fail_memory(error, strlen(value) + 1) : OCT_OK;
}

oct_status
config_key_set(server_config *self, const config_key *key, const char *value, const char *source,
               oct_error *error)
{
    bool flag;

    switch (key->kind) {
    case CONFIG_TEXT:
    case CONFIG_SECRET:
        return keep_text(self, key->offset, value, error);
    case CONFIG_NUMBER_OR_NULL:
        self->grpc_port_is_given = true; /* the only key of this kind */
        return set_number(self, key, value, source, error);
    case CONFIG_NUMBER:
        return set_number(self, key, value, source, error);
    case CONFIG_SECONDS:
        return set_seconds(self, key, value, source, error);
    case CONFIG_BYTES:
        return set_bytes(self, key, value, source, error);
    case CONFIG_BOOL:
        if (!read_bool(value, &flag))
            return oct_fail(error, OCT_INVALID, "%s: %s is \"%s\", but must be true or false", source,
                            key->name, value);
        memcpy((char *)self + key->offset, &flag, sizeof flag);
        return OCT_OK;
    case CONFIG_LEVEL:
        return set_level(self, value, source, error);
    case CONFIG_SYNC:
        return set_sync(self, value, source, error);
    case CONFIG_DEFAULT:
        return set_default(self, key, value, error);
    case CONFIG_NOT_TRUE:
    case CONFIG_WARN_TRUE:
        return set_unsupported(key, value, source, error);
    case CONFIG_IGNORED:
    case CONFIG_IGNORED_TREE:
        break;
    }
    return OCT_OK;
}

void
config_key_unset(server_config *self, const config_key *key)
{
    const int64_t none = -1;
    char *const   no_text = NULL;

    if (key->kind == CONFIG_SECRET)
        memcpy((char *)self + key->offset, &no_text, sizeof no_text);
    if (key->kind == CONFIG_NUMBER_OR_NULL || key->kind == CONFIG_SECONDS)
        memcpy((char *)self + key->offset, &none, sizeof none);
}

oct_status
server_config_init(server_config *self, oct_error *error)
{
    oct_status status;

    *self = (server_config){
        .level = LOG_LEVEL_INFO,
        .http_port = SERVER_HTTP_PORT,
        .grpc_port = SERVER_HTTP_PORT + 1,
        .max_request_size_mb = 32,
        .keep_alive_timeout_sec = 5,
        .request_timeout_sec = 5,
        .disconnect_timeout_sec = 5,
        .slow_query_ms = -1,
        .enable_cors = true,
        .enable_snapshot_urls = true,
        .sync = OCT_SYNC_ALWAYS,
        .sync_interval_ms = 100,
        .quota_memory_percent = OCT_UNSET,
        .quota_disk_percent = OCT_UNSET,
        .quota_margin_percent = OCT_UNSET,
    };
    status = keep_text(self, AT(host), "0.0.0.0", error);
    if (status == OCT_OK)
        status = keep_text(self, AT(storage_path), "./storage", error);
    return status;
}

void
server_config_clear(server_config *self)
{
    arena_clear(&self->texts);
    *self = (server_config){0};
}

oct_status
server_config_set(server_config *self, const char *name, const char *value, const char *source,
                  oct_error *error)
{
    const config_key *key = config_key_find(slice_of(name));

    OCT_MUST(key != NULL); /* the caller's names are constants */
    if (value[0] == '\0')
        return oct_fail(error, OCT_INVALID, "%s: a value is missing", source);
    return config_key_set(self, key, value, source, error);
}

/* "SERVICE__HTTP_PORT" -> "service.http_port". False: too long to be one of ours. */
static bool
key_of_variable(const char *name, size_t size, char *out, size_t out_size)
{
    size_t at = 0;

    for (size_t i = 0; i < size; i++) {
        if (at + 1 >= out_size)
            return false;
        if (name[i] == '_' && i + 1 < size && name[i + 1] == '_') {
            out[at++] = '.';
            i++;
        } else {
            out[at++] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
        }
    }
    out[at] = '\0';
    return true;
}

oct_status
server_config_read_environment(server_config *self, char *const *environment, const char *prefix,
                               oct_error *error)
{
    const size_t prefix_size = strlen(prefix);

    for (; *environment != NULL; environment++) {
        const char       *variable = *environment;
        const char       *equals = strchr(variable, '=');
        char              name[128], source[160];
        const config_key *key = NULL;
        oct_status        status;
        size_t            size;

        if (equals == NULL || strncmp(variable, prefix, prefix_size) != 0 ||
            strncmp(variable + prefix_size, "__", 2) != 0)
            continue;
        size = (size_t)(equals - variable);
        if (key_of_variable(variable + prefix_size + 2, size - prefix_size - 2, name, sizeof name))
            key = config_key_find(slice_of(name));
        (void)snprintf(source, sizeof source, "environment variable %.*s", (int)size_min(size, 120),
                       variable);
        if (key == NULL) {
            log_line(LOG_LEVEL_WARN, "%s names no known key, ignored", source);
            continue;
        }
        if (equals[1] == '\0') { /* as Qdrant: an empty key is no key */
            config_key_unset(self, key);
            continue;
        }
        if (strlen(equals + 1) > SERVER_CONFIG_TEXT_MAX)
            return oct_fail(error, OCT_RANGE, "%s: the value is longer than %u bytes", source,
                            SERVER_CONFIG_TEXT_MAX);
        status = config_key_set(self, key, equals + 1, source, error);
        if (status != OCT_OK)
            return status;
    }
    return OCT_OK;
}

oct_status
server_config_load(server_config *self, const char *file, char *const *environment, oct_error *error)
{
    oct_status status = server_config_read_file(self, SERVER_CONFIG_FILE, error);

    if (status == OCT_NOT_FOUND)
        status = OCT_OK;
    if (status == OCT_OK && file != NULL)
        status = server_config_read_file(self, file, error);
    if (status == OCT_OK)
        status = server_config_read_environment(self, environment, "QDRANT", error);
    if (status == OCT_OK)
        status = server_config_read_environment(self, environment, "OCTANT", error);
    return status;
}
