/* Configuration: which source wins, and what wrong input is told. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/config.h"
#include "support/test.h"

/* What `log_line` wrote since log_begin, as text in `out`. */
static FILE *log_file;

static void
log_begin(void)
{
    log_file = tmpfile();
    OCT_MUST(log_file != NULL);
    log_line_to(fileno(log_file));
}

static void
log_end(char *out, size_t size)
{
    size_t got;

    log_line_to(-1);
    rewind(log_file);
    got = fread(out, 1, size - 1, log_file);
    out[got] = '\0';
    (void)fclose(log_file);
}

/* Read `yaml` over the defaults and expect this failure; NULL: none. */
static void
expect_yaml(const char *yaml, const char *failure)
{
    server_config config;
    oct_error     error = {0};
    oct_status    status;

    OCT_MUST(server_config_init(&config, NULL) == OCT_OK);
    status = server_config_read_yaml(&config, slice_of(yaml), "c.yaml", &error);
    if (failure == NULL)
        CHECK_MSG(status == OCT_OK, "\"%s\": %s", yaml, error.text);
    else
        CHECK_MSG(status != OCT_OK && strncmp(error.text, failure, strlen(failure)) == 0, "\"%s\": %s", yaml,
                  status == OCT_OK ? "(no error)" : error.text);
    server_config_clear(&config);
}

/* Sizes are bytes or have a unit; what is neither is refused. */
TEST(sizes_have_units)
{
    static const struct {
        const char *text;
        int64_t     bytes;
    } cases[] = {{"0", 0}, {"1073741824", 1 << 30}, {"512MiB", 512 << 20}, {"2 gib", INT64_C(2) << 30}, {"3KiB", 3072}};
    char      yaml[100];
    oct_error error;

    for (size_t i = 0; i < countof(cases); i++) {
        server_config config;

        OCT_MUST(server_config_init(&config, NULL) == OCT_OK);
        (void)snprintf(yaml, sizeof yaml, "storage:\n  memory_limit: %s\n", cases[i].text);
        CHECK_OK(server_config_read_yaml(&config, slice_of(yaml), "c.yaml", &error));
        CHECK_INT(config.memory_limit, cases[i].bytes);
        server_config_clear(&config);
    }
    expect_yaml("storage:\n  memory_limit: 2GB\n", "c.yaml:2: storage.memory_limit is \"2GB\", but must be a number of bytes");
    expect_yaml("storage:\n  memory_limit: -1\n", "c.yaml:2: storage.memory_limit is \"-1\"");
    expect_yaml("storage:\n  memory_limit: 9999999999TiB\n", "c.yaml:2: storage.memory_limit");
    expect_yaml("storage:\n  memory_limit: 99999999999999999999999999\n", "c.yaml:2: storage.memory_limit");
}

/* Goal: without any source the values are Qdrant's. */
TEST(defaults_are_qdrants)
{
    server_config config;

    CHECK_OK(server_config_init(&config, NULL));
    CHECK_TEXT(config.host, "0.0.0.0");
    CHECK_INT(config.http_port, 6333);
    CHECK_INT(config.grpc_port, 6334);
    CHECK_INT(config.max_request_size_mb, 32);
    CHECK_INT(config.keep_alive_timeout_sec, 5);
    CHECK_INT(config.request_timeout_sec, 5);
    CHECK(config.enable_cors);
    CHECK(config.api_key == NULL && config.alt_api_key == NULL && config.read_only_api_key == NULL);
    CHECK_TEXT(config.storage_path, "./storage");
    CHECK_INT(config.sync, OCT_SYNC_ALWAYS);
    server_config_clear(&config);
}

/* Goal: Qdrant's own configuration file, with every section it has, is read without a word. */
TEST(a_whole_qdrant_file_is_read_in_silence)
{
    static const char yaml[] =
        "log_level: WARN\n"
        "storage:\n"
        "  # Where to store all the data\n"
        "  storage_path: ./data dir\n"
        "  snapshots_path: ./snapshots\n"
        "  snapshots_config:\n"
        "    snapshots_storage: local\n"
        "    s3_config: {bucket: \"\", region: [a, b]}\n"
        "  temp_path: null\n"
        "  on_disk_payload: true\n"
        "  update_concurrency: null\n"
        "  wal:\n    wal_capacity_mb: 32\n    wal_segments_ahead: 0\n"
        "  node_type: \"Normal\"\n"
        "  performance:\n    max_search_threads: 0\n    update_rate_limit: null\n"
        "  optimizers:\n    indexing_threshold_kb: 20000\n    max_optimization_threads: null\n"
        "  hnsw_index:\n    m: 16\n    on_disk: false\n"
        "  shard_transfer_method: null\n"
        "  collection:\n    replication_factor: 1\n    strict_mode:\n      enabled: false\n"
        "  sync: interval\n"
        "service:\n"
        "  max_request_size_mb: 64\n"
        "  max_workers: 3\n"
        "  host: 127.0.0.1\n"
        "  http_port: 7333\n"
        "  grpc_port: null\n"
        "  enable_cors: false\n"
        "  enable_tls: false\n"
        "  slow_query_secs: 0.25\n"
        "  api_key: 'it''s secret'\n"
        "  read_only_api_key: \"\"\n"
        "  static_content_dir: ./static\n"
        "cluster:\n  enabled: false\n  p2p:\n    port: 6335\n  consensus: {tick_period_ms: 100}\n"
        "telemetry_disabled: false\n"
        "tls:\n  cert: ./tls/cert.pem\n"
        "gpu:\n  indexing: true\n"
        "inference:\n"
        "audit: {enabled: false, dir: ./audit}\n";
    server_config config;
    oct_error     error = {0};
    char          log[1024];

    CHECK_OK(server_config_init(&config, NULL));
    log_begin();
    CHECK_MSG(server_config_read_yaml(&config, slice_of(yaml), "c.yaml", &error) == OCT_OK, "%s", error.text);
    log_end(log, sizeof log);
    CHECK_TEXT(log, "");
    CHECK_INT(config.level, LOG_LEVEL_WARN);
    CHECK_TEXT(config.storage_path, "./data dir");
    CHECK_INT(config.sync, OCT_SYNC_INTERVAL);
    CHECK_INT(config.max_request_size_mb, 64);
    CHECK_INT(config.max_workers, 3);
    CHECK_INT(config.http_port, 7333);
    CHECK_INT(config.grpc_port, -1);
    CHECK_INT(config.slow_query_ms, 250);
    CHECK(!config.enable_cors);
    CHECK_TEXT(config.api_key, "it's secret");
    CHECK(config.read_only_api_key == NULL);
    server_config_clear(&config);
}

/* Goal: unknown keys are named once each, with file and line, and change nothing. */
TEST(unknown_keys_are_warned_about_with_their_line)
{
    static const char yaml[] =
        "service:\n  hots: 1.2.3.4\n  http_port: 1\nstorrage:\n  a: {b: [1, 2]}\n  c: d\nx: [1]\n";
    server_config config;
    oct_error     error = {0};
    char          log[1024];

    CHECK_OK(server_config_init(&config, NULL));
    log_begin();
    CHECK_MSG(server_config_read_yaml(&config, slice_of(yaml), "c.yaml", &error) == OCT_OK, "%s", error.text);
    log_end(log, sizeof log);
    CHECK_MSG(strstr(log, "WARN  c.yaml:2: unknown key \"service.hots\", ignored\n") != NULL, "%s", log);
    CHECK_MSG(strstr(log, "WARN  c.yaml:5: unknown key \"storrage\", ignored\n") != NULL, "%s", log);
    CHECK_MSG(strstr(log, "WARN  c.yaml:7: unknown key \"x\", ignored\n") != NULL, "%s", log);
    CHECK_INT(config.http_port, 1);
    server_config_clear(&config);
}

/* Goal: an error names file, line, key, value and what would be right. */
TEST(wrong_values_are_refused_with_the_fix)
{
    expect_yaml("service:\n  http_port: 65536\n",
                "c.yaml:2: service.http_port is \"65536\", but must be a whole number from 0 to 65535");
    expect_yaml("service: {http_port: -1}", "c.yaml:1: service.http_port is \"-1\", but must be");
    expect_yaml("service: {http_port: 1.5}", "c.yaml:1: service.http_port is \"1.5\", but must be");
    expect_yaml("service: {http_port: 99999999999999999999}", "c.yaml:1: service.http_port is");
    expect_yaml("service: {max_request_size_mb: 0}",
                "c.yaml:1: service.max_request_size_mb is \"0\", but must be");
    expect_yaml("service: {enable_cors: maybe}",
                "c.yaml:1: service.enable_cors is \"maybe\", but must be true or false");
    expect_yaml("service: {enable_tls: true}",
                "c.yaml:1: service.enable_tls is true, but this version has no TLS");
    expect_yaml("storage: {sync: sometimes}",
                "c.yaml:1: storage.sync is \"sometimes\", but must be always, interval or never");
    expect_yaml("log_level: loud", "c.yaml:1: log_level is \"loud\", but must be OFF, ERROR, ");
    expect_yaml("service:\n  host: [a]\n", "c.yaml:2: service.host is a list, but must be one value");
    expect_yaml("service:\n  host: {a: b}\n", "c.yaml:2: service.host is a section, but must be one value");
    expect_yaml("service: 5", "c.yaml:1: service must be a section of keys, not a value");
    expect_yaml("service: [5]", "c.yaml:1: service must be a section of keys, not a list");
    expect_yaml("service:\n  http_port: 1\n  http_port: 2\n", "c.yaml:3: service.http_port is given twice");
    expect_yaml("a: &x 1\nb: *x\n", "c.yaml:2: aliases");
    expect_yaml("- a\n", "c.yaml:1: a configuration is sections");
    expect_yaml("? [a]\n: b\n", "c.yaml:1: a configuration is sections");
    expect_yaml("a: 'b", "c.yaml:1: not YAML: ");
    expect_yaml("a: \xff\n", "c.yaml:1: not YAML: ");
    expect_yaml("---\nlog_level: INFO\n---\nlog_level: WARN\n", "c.yaml:3: a second document begins");
    expect_yaml("", NULL);
    expect_yaml("# nothing\n", NULL);
    expect_yaml("service:\nstorage: ~\n", NULL);
    expect_yaml("service: {http_port: null, host: ~}", NULL);
    expect_yaml("log_level: info,actix=warn", NULL);
}

/* Goal: a value that holds a secret is in no message. */
TEST(secrets_are_never_printed)
{
    server_config config;
    oct_error     error = {0};
    char          log[1024];
    char         *environment[] = {"QDRANT__SERVICE__API_KEYS=hush", "QDRANT__SERVICE__API_KEY=hush", NULL};

    CHECK_OK(server_config_init(&config, NULL));
    log_begin();
    CHECK_OK(server_config_read_environment(&config, environment, "QDRANT", &error));
    CHECK(server_config_read_yaml(&config, slice_of("service: {api_key: [hush]}"), "c.yaml", &error) !=
          OCT_OK);
    log_end(log, sizeof log);
    CHECK_MSG(strstr(log, "QDRANT__SERVICE__API_KEYS names no known key") != NULL, "%s", log);
    CHECK(strstr(log, "hush") == NULL);
    CHECK(strstr(error.text, "hush") == NULL);
    CHECK_TEXT(config.api_key, "hush");
    server_config_clear(&config);
}

/* Goal:   file < QDRANT__ < OCTANT__ < flag, and the default under them all; an empty variable is none.
 * Method: five keys, each set by one source more than the one before. */
TEST(later_sources_win)
{
    static const char yaml[] = "service: {http_port: 1, max_workers: 1, http_keep_alive_timeout_sec: 1, "
                               "max_request_size_mb: 1, api_key: file}";
    char             *environment[] = {"OCTANT__SERVICE__MAX_REQUEST_SIZE_MB=3",
                                       "OCTANT__SERVICE__HTTP_KEEP_ALIVE_TIMEOUT_SEC=3",
                                       "QDRANT__SERVICE__MAX_WORKERS=2",
                                       "QDRANT__SERVICE__HTTP_KEEP_ALIVE_TIMEOUT_SEC=2",
                                       "QDRANT__SERVICE__MAX_REQUEST_SIZE_MB=2",
                                       "QDRANT__SERVICE__API_KEY=",
                                       "QDRANT__SERVICE__HOST=",
                                       "QDRANT__STORAGE__OPTIMIZERS__INDEXING_THRESHOLD_KB=5",
                                       "QDRANT_NOT_OURS=1",
                                       "HOME=/",
                                       NULL};
    char              path[512], log[256];
    server_config     config;
    oct_error         error = {0};
    FILE             *file;

    (void)snprintf(path, sizeof path, "%s/c.yaml", test_folder());
    file = fopen(path, "w");
    OCT_MUST(file != NULL && fputs(yaml, file) >= 0 && fclose(file) == 0);
    CHECK_OK(server_config_init(&config, NULL));
    log_begin();
    CHECK_MSG(server_config_load(&config, path, environment, &error) == OCT_OK, "%s", error.text);
    CHECK_OK(server_config_set(&config, "service.max_request_size_mb", "4", "--test", &error));
    log_end(log, sizeof log);
    CHECK_TEXT(log, "");
    CHECK_INT(config.http_port, 1);
    CHECK_INT(config.max_workers, 2);
    CHECK_INT(config.keep_alive_timeout_sec, 3);
    CHECK_INT(config.max_request_size_mb, 4);
    CHECK(config.api_key == NULL);
    CHECK_TEXT(config.host, "0.0.0.0");
    CHECK_STATUS(server_config_set(&config, "service.http_port", "many", "--http-port", &error), OCT_RANGE);
    CHECK_TEXT(error.text,
               "--http-port: service.http_port is \"many\", but must be a whole number from 0 to 65535");
    CHECK_STATUS(server_config_load(&config, "/no/such/file.yaml", environment, &error), OCT_NOT_FOUND);
    CHECK_TEXT(error.text, "configuration file /no/such/file.yaml: No such file or directory");
    server_config_clear(&config);
}

/* Goal:   no file makes the reader crash, loop or leak.
 * Method: a good file cut at every byte, and 5,000 with bytes changed, seed 21; sanitizers watch. */
TEST(mutated_files_do_no_harm)
{
    static const char seed[] =
        "log_level: INFO\nservice: {http_port: 1, x: [1, {a: b}]}\nstorage:\n  wal:\n    a: &b c\n"
        "  sync: \"never\"\n  d: | \n   text\n? k\n: v\n";
    test_rng rng = test_rng_seed(21);
    char     text[sizeof seed], log[8];

    log_begin();
    for (size_t round = 0; round < sizeof seed + 5000; round++) {
        server_config config;
        size_t        size = sizeof seed - 1;

        memcpy(text, seed, sizeof seed);
        if (round < size) {
            size = round;
        } else {
            for (size_t i = 1 + test_below(&rng, 3); i > 0; i--)
                text[test_below(&rng, size)] = "\n :-?[]{},&*!|>'\"%@#~abc\t\0\xc3"[test_below(&rng, 27)];
        }
        OCT_MUST(server_config_init(&config, NULL) == OCT_OK);
        (void)server_config_read_yaml(&config, (oct_slice){text, size}, "c.yaml", NULL);
        server_config_clear(&config);
    }
    log_end(log, sizeof log);
}

/* Goal: a line stays one line, whatever a client put into it, and is cut rather than lost. */
TEST(log_lines_cannot_be_forged)
{
    char log[8192], long_text[4000];

    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    log_begin();
    log_line_limit(LOG_LEVEL_WARN);
    log_line(LOG_LEVEL_INFO, "not printed");
    log_line(LOG_LEVEL_WARN, "GET /a\n2026-01-01 ERROR forged\x1b[31m");
    log_line(LOG_LEVEL_ERROR, "%s", long_text);
    log_line_limit(LOG_LEVEL_INFO);
    log_end(log, sizeof log);
    CHECK(strstr(log, "not printed") == NULL);
    CHECK_MSG(strstr(log, "Z WARN  GET /a?2026-01-01 ERROR forged?[31m\n") != NULL, "%s", log);
    CHECK(strchr(log, '\0') - log <= 2200);
    CHECK(log[strlen(log) - 1] == '\n');
}
