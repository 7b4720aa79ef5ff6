/* api.h - Qdrant's REST API over octant.h: what oct_api_call is made of. For src/api only.
 *
 * OWNS     routes, JSON <-> typed requests, the envelope, and the table from status to HTTP. There is no other
 *          request model: decoders fill the structs of octant.h, handlers call it, encoders write its results.
 * CALLED   through octant_api.h by the server and by the Python package. Calls octant.h, config/config.h
 *          (configurations as JSON), base/ and the clock of os/.
 * FLOW     oct_api_call (api.c): find the route (router.c, routes.c) -> its handler (collections.c,
 *          points_write.c, points_read.c, fields.c, query.c, service.c), which decodes (decode_*.c), calls, and writes the
 *          result into call->out (encode.c) -> envelope, or the error instead.
 * ERRORS   A handler returns an oct_status; the table in api.c makes HTTP status and prefix of it. What a
 *          request asks for and Octant does not have yet is never passed over: api_unsupported, HTTP 501.
 * MEMORY   One arena a request, released when the answer stands. Decoded text points into the JSON document.
 * THREADS  Calls share nothing but the counters of stats.h.
 * CHOICES  Where Qdrant's behaviour is not known or not wanted:
 *          - An unknown route is 404 in the usual envelope. So is a known path with another method (the framework
 *            under Qdrant does not tell the two apart); the text names the methods that the path takes.
 *          - HEAD is answered as GET.
 *          - A repeated key of a field is a format error; in maps (named vectors, metadata, payload) the last
 *            counts; unknown keys are ignored, except in filters and payload selectors.
 *          - null means "not given" for every field that may be left out.
 *          - Numbers that no 32-bit float can hold are refused in vectors, scores and parameters.
 *          - A limit above OCT_LIMIT_MAX is lowered to it only if the collection has no more points than that.
 *          - Empty lists of ids to delete or change are fine; an upsert or vector update of no points is not.
 *          - A filter that restricts nothing ({}, empty lists) is as none. In a write it means every point.
 * READ     api.c, routes.c, points_read.c, then the decoders.
 */
#ifndef OCT_API_INTERNAL_H
#define OCT_API_INTERNAL_H

#include "base/json.h"
#include "octant_api.h"

#define API_SEGMENTS_MAX 8u  /* parts of a path; the longest route has 7 */
#define API_PARAMS_MAX   4u  /* {...} of a route */
#define API_OPTIONS_MAX  16u /* name=value pairs of a query string */

typedef struct api_call  api_call;
typedef struct api_route api_route;

typedef oct_status (*api_handler)(api_call *call, oct_error *error);

struct api_route {
    const char *method;
    const char
        *pattern; /* "/collections/{collection_name}": the names are Qdrant's, and shown in telemetry */
    api_handler handle;
    const char *feature; /* for api_not_yet: what is missing */
};

/* Which part of the request an OCT_FORMAT or OCT_RANGE speaks of. */
typedef enum api_place { API_IN_BODY, API_IN_QUERY, API_IN_PATH } api_place;

typedef struct api_option {
    oct_slice name, value; /* decoded */
} api_option;

struct api_call {
    oct_database    *database;
    const api_route *route;
    arena            memory;
    oct_slice        params[API_PARAMS_MAX]; /* in the order of the pattern, decoded, valid UTF-8 */
    api_option       options[API_OPTIONS_MAX];
    size_t           option_count;
    oct_slice        body;
    json_document    document;
    buffer           tree; /* gRPC: the body as values, where JSON has a document */
    buffer           out; /* the answer as it grows */
    api_place        place;
    bool             is_grpc;
    bool             is_accepted; /* 202: it is being done */
    struct oct_file *upload, *file; /* of request and response */
    bool             plain; /* the answer is what the handler wrote, without an envelope */
    const char      *content_type;
    oct_shard_key    shard_key;   /* of a route to one shard */
    uint64_t         details_level; /* of telemetry */
    bool             anonymize;
    bool             is_limited;  /* a time limit of the thread was set for this call */
    bool             in_shard;    /* it has one */
    int              http_status; /* of a failure, when the table would not give it; 0: the table's */
};

/* --- api.c ---------------------------------------------------------------------------------- */

/* The root of the body, parsed on first use. An empty body is a format error. */
oct_status api_body(api_call *call, yyjson_val **root, oct_error *error);

/* How a failure is told: its HTTP status, seconds for Retry-After, and the text with its prefix. */
int      api_http_status(const api_call *call, oct_status status);
uint32_t api_retry_after(const oct_error *error);
void     api_error_text(const api_call *call, const oct_error *error, buffer *out);

/* "FEATURE is not supported yet", HTTP 501. The one way to say so. */
oct_status api_unsupported(const json_path *at, const char *feature, oct_error *error);
/* The same if `value` was given. */
oct_status api_refuse(const json_path *at, yyjson_val *value, const char *feature, oct_error *error);
oct_status api_not_yet(api_call *call, oct_error *error);       /* handler of such routes */
oct_status api_one_node_only(api_call *call, oct_error *error); /* handler: 405, no cluster here */

/* Open the collection named by the first path parameter. Close it with oct_collection_close. */
oct_status api_open(api_call *call, oct_collection **out, oct_error *error);
/* The name in the path; size 0: there is none. */
oct_slice api_collection_of(const api_call *call);
/* Of {target, fallback}: the target, if the collection has that key, else the fallback. */
oct_status api_pick_shard_key(oct_collection *collection, bool fallback, const oct_shard_key **keys, size_t *count,
                              oct_error *error);
/* Calls `each` for every collection; one that is deleted meanwhile is passed over. */
oct_status api_each_collection(api_call *call, oct_status (*each)(api_call *call, oct_collection *collection,
                                                                   const oct_collection_info *info, oct_error *error),
                               oct_error *error);
#define API_PEER_ID 1u /* this node's, the only one */
/* ``Collection `X` doesn't exist!`` for OCT_NOT_FOUND. */
oct_status api_open_named(api_call *call, oct_slice name, oct_collection **out, oct_error *error);

/* --- router.c ------------------------------------------------------------------------------- */

extern const api_route api_routes[]; /* routes.c; ends with a NULL method */
extern const size_t    api_route_count;

/* Fill route, params and options. OCT_NOT_FOUND: no such route. */
oct_status api_find_route(api_call *call, oct_slice method, oct_slice target, oct_error *error);

/* NULL if the query string does not have it. */
const oct_slice *api_option_get(const api_call *call, const char *name);
oct_status       api_option_bool(api_call *call, const char *name, bool *out, oct_error *error);
/* `out` is left alone if it is not given. */
oct_status api_option_u64(api_call *call, const char *name, uint64_t min, uint64_t *out, oct_error *error);

/* The query parameters that groups of routes share: checked, and where one node has no use for them,
 * dropped. */
oct_status api_write_options(api_call *call, oct_write_options *out, oct_error *error);
oct_status api_read_options(api_call *call, oct_error *error);
oct_status api_meta_options(api_call *call, oct_error *error);

/* --- stats.c: what GET /telemetry and GET /metrics tell of requests ------------------------- */

typedef enum stats_door { STATS_REST, STATS_GRPC } stats_door;

/* A request to api_routes[row] or grpc_methods[row] was answered. `collection`: whose it was; size 0: nobody's. */
void stats_count(stats_door door, size_t row, int status, oct_slice collection, uint64_t nanoseconds);
void stats_encode(buffer *out, stats_door door); /* {"GET /x":{"200":{..}}} */
/* {"c":{"GET /x":{"200":{..}}}} */
void stats_encode_collections(buffer *out, stats_door door, void (*add_name)(buffer *out, oct_slice name, bool anonymize),
                              bool anonymize);
void stats_prometheus(buffer *out, bool by_collection);
void api_add_label(buffer *out, oct_slice text); /* a label's value, quoted */
uint64_t api_clock_ns(void);

/* --- watch.c: slow requests, and fields that want an index ------------------------------------ */

/* A request was answered; while what it asked is still there. */
void watch_request(const api_call *call, oct_status status, uint64_t nanoseconds);

/* --- handlers ------------------------------------------------------------------------------- */

oct_status collections_list(api_call *call, oct_error *error);
oct_status collections_describe(api_call *call, oct_error *error);
oct_status collections_create(api_call *call, oct_error *error);
oct_status collections_update(api_call *call, oct_error *error);
oct_status collections_delete(api_call *call, oct_error *error);
oct_status collections_add_vector(api_call *call, oct_error *error);
oct_status collections_remove_vector(api_call *call, oct_error *error);
oct_status collections_exists(api_call *call, oct_error *error);
oct_status collections_optimizations(api_call *call, oct_error *error);

oct_status cluster_status(api_call *call, oct_error *error);
oct_status cluster_remove_peer(api_call *call, oct_error *error);
oct_status cluster_telemetry(api_call *call, oct_error *error);
oct_status cluster_of_collection(api_call *call, oct_error *error);
oct_status cluster_change(api_call *call, oct_error *error);
oct_status cluster_shard_keys(api_call *call, oct_error *error);
oct_status cluster_create_shard_key(api_call *call, oct_error *error);
oct_status cluster_delete_shard_key(api_call *call, oct_error *error);
oct_status cluster_shard_retrieve(api_call *call, oct_error *error);
oct_status cluster_shard_scroll(api_call *call, oct_error *error);
oct_status cluster_shard_count(api_call *call, oct_error *error);
oct_status cluster_shard_cleanup(api_call *call, oct_error *error);

oct_status aliases_list(api_call *call, oct_error *error);
oct_status aliases_of_collection(api_call *call, oct_error *error);
oct_status aliases_update(api_call *call, oct_error *error);

oct_status points_upsert(api_call *call, oct_error *error);
oct_status points_delete(api_call *call, oct_error *error);
oct_status points_update_vectors(api_call *call, oct_error *error);
oct_status points_delete_vectors(api_call *call, oct_error *error);
oct_status points_set_payload(api_call *call, oct_error *error);
oct_status points_overwrite_payload(api_call *call, oct_error *error);
oct_status points_delete_payload(api_call *call, oct_error *error);
oct_status points_clear_payload(api_call *call, oct_error *error);
oct_status points_batch(api_call *call, oct_error *error);

oct_status points_retrieve(api_call *call, oct_error *error);
oct_status points_get(api_call *call, oct_error *error);
oct_status points_scroll(api_call *call, oct_error *error);
oct_status points_count(api_call *call, oct_error *error);

oct_status query_points(api_call *call, oct_error *error);
oct_status query_batch(api_call *call, oct_error *error);
oct_status query_groups(api_call *call, oct_error *error);
oct_status query_search(api_call *call, oct_error *error);
oct_status query_search_batch(api_call *call, oct_error *error);
oct_status query_search_groups(api_call *call, oct_error *error);
oct_status query_recommend(api_call *call, oct_error *error);
oct_status query_recommend_batch(api_call *call, oct_error *error);
oct_status query_recommend_groups(api_call *call, oct_error *error);
oct_status query_discover(api_call *call, oct_error *error);
oct_status query_discover_batch(api_call *call, oct_error *error);
oct_status query_matrix_pairs(api_call *call, oct_error *error);
oct_status query_matrix_offsets(api_call *call, oct_error *error);

oct_status fields_create_index(api_call *call, oct_error *error);
oct_status fields_delete_index(api_call *call, oct_error *error);
oct_status fields_facet(api_call *call, oct_error *error);

oct_status snapshots_list(api_call *call, oct_error *error);
oct_status snapshots_create(api_call *call, oct_error *error);
oct_status snapshots_delete(api_call *call, oct_error *error);
oct_status snapshots_download(api_call *call, oct_error *error);
oct_status snapshots_stream(api_call *call, oct_error *error);
oct_status snapshots_recover(api_call *call, oct_error *error);
oct_status snapshots_upload(api_call *call, oct_error *error);

/* fetch.c: the bytes behind an http(s) URL, into `to`. `key` goes along as a header `api-key`, unless empty. */
oct_status fetch_url(oct_slice url, oct_slice key, struct oct_file *to, oct_error *error);

oct_status service_root(api_call *call, oct_error *error);
oct_status service_healthz(api_call *call, oct_error *error);
oct_status service_readyz(api_call *call, oct_error *error);
oct_status service_issues(api_call *call, oct_error *error);
oct_status service_clear_issues(api_call *call, oct_error *error);
oct_status service_quotas(api_call *call, oct_error *error);
oct_status service_set_quotas(api_call *call, oct_error *error);
oct_status service_dashboard(api_call *call, oct_error *error);
oct_status service_slow_requests(api_call *call, oct_error *error);
oct_status service_logger(api_call *call, oct_error *error);
oct_status service_set_logger(api_call *call, oct_error *error);
oct_status service_audit_logs(api_call *call, oct_error *error);
oct_status collections_memory(api_call *call, oct_error *error);
oct_status collections_truncate_log(api_call *call, oct_error *error);
oct_status service_telemetry(api_call *call, oct_error *error);
oct_status service_metrics(api_call *call, oct_error *error);

#endif /* OCT_API_INTERNAL_H */
