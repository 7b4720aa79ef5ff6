/* config.h - what the server is told: defaults, files, environment, flags.
 *
 * ORDER    Later wins: built-in defaults, config/config.yaml in the working directory, the file of --config,
 *          QDRANT__SECTION__KEY, OCTANT__SECTION__KEY, flags of the command line.
 * KEYS     Qdrant's, with its defaults; one table in config.c. Keys of Qdrant's that change nothing here
 *          (yet) are accepted in silence, unless silence would be a lie: asking for TLS and getting none is
 *          refused.
 *          Unknown keys are a warning with file and line; wrong types and ranges are errors with the fix.
 *          Ours: storage.sync (always, interval, never), storage.sync_interval_ms, storage.threads, storage.memory_limit.
 * YAML     Maps, scalars and lists. No aliases: a configuration has no use for them, and a few lines of
 *          them can unfold to gigabytes.
 * SECRETS  Values of keys that hold one are never printed.
 */
#ifndef OCT_SERVER_CONFIG_H
#define OCT_SERVER_CONFIG_H

#include "base/arena.h"
#include "base/base.h"
#include "server/log_line.h"

#define SERVER_CONFIG_FILE           "config/config.yaml" /* read if it exists */
#define SERVER_CONFIG_FILE_BYTES_MAX (1u << 20)
#define SERVER_CONFIG_TEXT_MAX       4096u /* bytes of one value */
#define SERVER_CONFIG_DEPTH_MAX      16u
#define SERVER_HTTP_PORT             6333u

#define SERVER_CONFIG_DEFAULTS_MAX   96u /* keys that say what new collections have */

/* What a new collection has unless its creator says otherwise. Judged when the database is opened. */
typedef struct config_default {
    const char *name; /* the key, such as "storage.hnsw_index.m" */
    char       *value;
} config_default;

typedef struct server_config {
    log_level level;
    /* service */
    char   *host;
    int64_t http_port; /* 0: any free one */
    int64_t grpc_port; /* -1: none; 0: any free one */
    bool    grpc_port_is_given;
    int64_t max_request_size_mb;
    int64_t max_workers;            /* event loops; 0: one per CPU */
    int64_t keep_alive_timeout_sec; /* 0: one request per connection */
    int64_t request_timeout_sec;    /* for the head of a request; 0: none */
    int64_t disconnect_timeout_sec; /* to wait for a client to hang up */
    int64_t slow_query_ms;          /* -1: the library's own */
    bool    enable_cors;
    bool    enable_snapshot_urls; /* snapshots may be recovered from http(s) locations */
    char   *api_key, *alt_api_key, *read_only_api_key; /* NULL: not set */
    /* storage */
    char    *storage_path; /* ":memory:": nothing is kept */
    char    *snapshots_path; /* NULL: in the database's folder */
    oct_sync sync;
    int64_t  sync_interval_ms;
    int64_t  threads; /* background threads; 0: one per CPU */
    int64_t  max_collections; /* 0: no limit */
    int64_t  memory_limit;    /* bytes; 0: none */
    bool     quotas_enabled;  /* false: those of the database stay */
    int64_t  quota_memory_percent, quota_disk_percent, quota_margin_percent; /* OCT_UNSET: none */
    config_default defaults[SERVER_CONFIG_DEFAULTS_MAX];
    size_t         default_count;
    arena    texts;   /* owns every char * above */
} server_config;

/* All defaults. server_config_clear accepts a zeroed or half-filled one. */
oct_status server_config_init(server_config *self, oct_error *error);
void       server_config_clear(server_config *self);

/* Each reads one source over what stands there. On failure *self may hold part of the source: give up. */
oct_status server_config_read_file(server_config *self, const char *path, oct_error *error);
oct_status server_config_read_yaml(server_config *self, oct_slice text, const char *name, oct_error *error);
/* Every "PREFIX__SECTION__KEY=value" of `environment` (NULL-terminated), `prefix` such as "QDRANT". */
oct_status server_config_read_environment(server_config *self, char *const *environment, const char *prefix,
                                          oct_error *error);
/* One value, by its dotted key; `source` names where it comes from, such as "--http-port". */
oct_status server_config_set(server_config *self, const char *key, const char *value, const char *source,
                             oct_error *error);
/* All of ORDER above but the flags. `file` NULL: no --config. */
oct_status server_config_load(server_config *self, const char *file, char *const *environment,
                              oct_error *error);

#endif
