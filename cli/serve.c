/* octant serve: configuration, database and server put together. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <yyjson.h>

#include "cli.h"
#include "octant_api.h"
#include "server/server.h"

extern char **environ;

/* Tell the service manager (systemd, sd_notify(3)) how we are: a datagram to the socket it named. Without
 * one, or if it cannot be reached, nothing depends on it. */
static void
notify(const char *state)
{
    const char        *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t             size;
    int                descriptor;

    if (path == NULL || (path[0] != '/' && path[0] != '@'))
        return;
    size = strlen(path);
    if (size >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, path, size);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* an abstract name */
    descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return;
    if (sendto(descriptor, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)) < 0)
        log_line(LOG_LEVEL_WARN, "NOTIFY_SOCKET %s cannot be reached", path);
    (void)close(descriptor);
}

/* Flags over files and environment. */
static oct_status
configure(server_config *config, const cli_arguments *arguments, oct_error *error)
{
    static const struct {
        int         flag;
        const char *key, *name;
    } flags[] = {
        {SERVE_PATH, "storage.storage_path", "--path"},
        {SERVE_HOST, "service.host", "--host"},
        {SERVE_HTTP_PORT, "service.http_port", "--http-port"},
        {SERVE_GRPC_PORT, "service.grpc_port", "--grpc-port"},
        {SERVE_LOG_LEVEL, "log_level", "--log-level"},
    };
    oct_status status = server_config_init(config, error);

    if (status == OCT_OK)
        status = server_config_load(config, arguments->values[SERVE_CONFIG], environ, error);
    if (status == OCT_OK && arguments->first != NULL)
        status = server_config_set(config, "storage.storage_path", arguments->first, "PATH", error);
    for (size_t i = 0; status == OCT_OK && i < countof(flags); i++) {
        const char *value = arguments->values[flags[i].flag];

        if (value != NULL)
            status = server_config_set(config, flags[i].key, value, flags[i].name, error);
    }
    return status;
}

static void
describe_database(const server_config *config, oct_database *database)
{
    static const char *const sync_names[] = {
        [OCT_SYNC_ALWAYS] = "always", [OCT_SYNC_INTERVAL] = "interval", [OCT_SYNC_NEVER] = "never"};
    oct_database_info info = {0};

    oct_database_describe(database, &info);
    log_line(LOG_LEVEL_INFO, "octant %s (Qdrant API %s), kernels %s", info.version, OCT_API_VERSION,
             info.cpu_level);
    if (info.path == NULL)
        log_line(LOG_LEVEL_INFO, "database in memory: nothing is kept when the server stops");
    else
        log_line(LOG_LEVEL_INFO,
                 "database %s: %llu collections, opened in %.3f s, %llu log records replayed, sync %s",
                 config->storage_path, (unsigned long long)info.collection_count, info.open_seconds,
                 (unsigned long long)info.replayed_records, sync_names[config->sync]);
}

static const server_config *served; /* for when_ready, which has no argument for it */

static void
when_ready(const server *self)
{
    const server_config *config = served;
    const bool           has_key =
        config->api_key != NULL || config->alt_api_key != NULL || config->read_only_api_key != NULL;

    if (server_rpc_address(self) != NULL)
        log_line(LOG_LEVEL_INFO, "serving gRPC on %s", server_rpc_address(self));
    log_line(LOG_LEVEL_INFO, "listening on %s%s", server_address(self),
             has_key ? ", API key required" : ", no API key: whoever can reach it may read and write");
    notify("READY=1");
}

/* The value as JSON would have it: a number, true, false, or a string. */
static yyjson_mut_val *
json_of(yyjson_mut_doc *doc, const char *text)
{
    char        *end;
    const double number = strtod(text, &end);

    if (end != text && *end == '\0' && strspn(text, "+-.0123456789eE") == strlen(text))
        return strpbrk(text, ".eE") == NULL ? yyjson_mut_sint(doc, strtoll(text, NULL, 10)) : yyjson_mut_real(doc, number);
    if (strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0)
        return yyjson_mut_bool(doc, strcasecmp(text, "true") == 0);
    return yyjson_mut_str(doc, text);
}

/* What the configuration says of new collections, as the body that would create one. *out: NULL if nothing; else free(). */
static oct_status
write_defaults(const server_config *config, char **out, oct_error *error)
{
    static const struct {
        const char *key, *place; /* beginnings of a key, and of a JSON pointer (RFC 6901) */
    } places[] = {
        {"storage.hnsw_index.", "/hnsw_config/"},
        {"storage.optimizers.", "/optimizers_config/"},
        {"storage.wal.", "/wal_config/"},
        {"storage.payload.", "/payload/"},
        {"storage.collection.vectors.", "/vectors/"},
        {"storage.collection.strict_mode.", "/strict_mode_config/"},
        {"storage.collection.quantization.", "/quantization_config/"},
        {"storage.collection.", "/"},
        {"storage.", "/"},
    };
    yyjson_mut_doc *doc;
    bool            done = true;

    *out = NULL;
    if (config->default_count == 0)
        return OCT_OK;
    doc = yyjson_mut_doc_new(NULL);
    for (size_t i = 0; doc != NULL && done && i < config->default_count; i++) {
        const char *name = config->defaults[i].name;
        char        pointer[128], *at;
        size_t      p = 0;

        while (strncmp(name, places[p].key, strlen(places[p].key)) != 0)
            p++;
        (void)snprintf(pointer, sizeof pointer, "%s%s", places[p].place, name + strlen(places[p].key));
        for (at = pointer; *at != '\0'; at++)
            *at = *at == '.' ? '/' : *at;
        done = yyjson_mut_doc_ptr_set(doc, pointer, json_of(doc, config->defaults[i].value));
    }
    *out = doc != NULL && done ? yyjson_mut_write(doc, 0, NULL) : NULL;
    yyjson_mut_doc_free(doc);
    return *out == NULL ? oct_fail(error, OCT_NOMEM, "out of memory for the defaults of new collections") : OCT_OK;
}

static oct_status
set_quotas(const server_config *config, oct_database *database, oct_error *error)
{
    const oct_quota_config quotas = {
        .enabled = true,
        .max_resident_memory_percent = config->quota_memory_percent,
        .max_disk_usage_percent = config->quota_disk_percent,
        .release_margin_percent = config->quota_margin_percent,
    };

    return config->quotas_enabled ? oct_quota_set(database, &quotas, error) : OCT_OK;
}

/* The address first: a port in use should be told before a large database is opened. */
static oct_status
serve(const server_config *config, oct_error *error)
{
    oct_open_options options = {
        .path = config->storage_path,
        .threads = (uint32_t)config->threads,
        .sync = config->sync,
        .sync_interval_ms = (uint32_t)config->sync_interval_ms,
        .no_snapshot_urls = !config->enable_snapshot_urls,
        .snapshots_path = config->snapshots_path,
        .collections_max = (uint32_t)config->max_collections,
        .memory_limit = (uint64_t)config->memory_limit,
    };
    char         *defaults = NULL;
    oct_database *database = NULL;
    server       *door = NULL;
    oct_status    status = server_open(config, &door, error);
    oct_status    close_status;

    if (status != OCT_OK)
        return status;
    status = write_defaults(config, &defaults, error);
    options.collection_defaults = defaults;
    if (status == OCT_OK)
        status = oct_open(&options, &database, error);
    free(defaults);
    if (status == OCT_OK)
        status = set_quotas(config, database, error);
    if (status == OCT_OK) {
        describe_database(config, database);
        served = config;
        status = server_run(door, database, when_ready, error);
        notify("STOPPING=1");
    }
    server_close(door); /* its workers use the database */
    if (database != NULL) {
        close_status = oct_close(database, status == OCT_OK ? error : NULL);
        status = status == OCT_OK ? close_status : status;
    }
    return status;
}

/* By POST /logger. */
static void
change_level(const char *name)
{
    log_level level;

    if (log_level_read(name, &level))
        log_line_limit(level);
}

int
cli_serve(const cli_arguments *arguments)
{
    server_config config = {0};
    oct_error     error = {0};
    oct_status    status = configure(&config, arguments, &error);
    int           exit_code = CLI_OK;

    if (status == OCT_OK) {
        log_line_limit(config.level);
        oct_api_logger(log_level_name(config.level), change_level);
        if (config.slow_query_ms >= 0)
            oct_api_slow_after((uint64_t)config.slow_query_ms);
        status = serve(&config, &error);
    }
    if (status == OCT_OK)
        log_line(LOG_LEVEL_INFO, "stopped");
    else
        exit_code = cli_fail("%s", error.text);
    server_config_clear(&config);
    return exit_code;
}
