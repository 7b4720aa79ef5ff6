/* What is asked of the service as a whole: health, version, telemetry, metrics. See api.h. */
#include "api/encode.h"
#include "os/os.h"

#include <pthread.h>
#include <time.h>

#ifndef OCTANT_COMMIT /* of the build, if it knows */
#define OCTANT_COMMIT "0000000000000000000000000000000000000000"
#endif

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

/* --- plain answers ---------------------------------------------------------------------------- */

static oct_status
plain_text(api_call *call, const char *text)
{
    call->plain = true;
    call->content_type = "text/plain; charset=utf-8";
    call->out.size = 0;
    buffer_add_text(&call->out, text);
    return OCT_OK;
}

/* Clients look for Qdrant's own words here. */
oct_status
service_root(api_call *call, oct_error *error)
{
    (void)error;
    call->plain = true;
    call->out.size = 0;
    buffer_add_text(&call->out, "{\"title\":\"qdrant - vector search engine\",\"version\":\"" OCT_API_VERSION
                                "\",\"commit\":\"" OCTANT_COMMIT "\"}");
    return OCT_OK;
}

oct_status
service_healthz(api_call *call, oct_error *error)
{
    (void)error;
    return plain_text(call, "healthz check passed");
}

/* A database that has opened answers every read at once. */
oct_status
service_readyz(api_call *call, oct_error *error)
{
    (void)error;
    return plain_text(call, "all shards are ready");
}

/* Issues tell of slow filters on unindexed fields; there are no filters yet. */
oct_status
service_issues(api_call *call, oct_error *error)
{
    (void)error;
    buffer_add_text(&call->out, "{\"issues\":[]}");
    return OCT_OK;
}

oct_status
service_clear_issues(api_call *call, oct_error *error)
{
    (void)error;
    encode_bool(&call->out, true);
    return OCT_OK;
}

/* --- telemetry and metrics -------------------------------------------------------------------- */

oct_status
api_each_collection(api_call *call, oct_status (*each)(api_call *call, oct_collection *collection,
                                                       const oct_collection_info *info, oct_error *error),
                    oct_error *error)
{
    oct_names *names = NULL;
    oct_status status = oct_collection_list(call->database, &names, error);

    for (size_t i = 0; status == OCT_OK && i < names->count; i++) {
        oct_collection      *collection = NULL;
        oct_collection_info *info = NULL;

        status = oct_collection_open(call->database, names->items[i], &collection, error);
        if (status == OCT_OK)
            status = oct_collection_describe(collection, &info, error);
        if (status == OCT_OK)
            status = each(call, collection, info, error);
        if (status == OCT_NOT_FOUND)
            status = OCT_OK;
        oct_collection_info_free(info);
        oct_collection_close(collection);
    }
    oct_names_free(names);
    return status;
}

static oct_status
telemetry_of_collection(api_call *call, oct_collection *collection, const oct_collection_info *info,
                        oct_error *error)
{
    buffer *out = &call->out;

    (void)collection;
    (void)error;
    if (out->size > 0 && out->data[out->size - 1] != '[')
        buffer_add_byte(out, ',');
    buffer_add_text(out, "{\"id\":");
    json_add_text(out, info->name);
    buffer_add_byte(out, '}');
    return OCT_OK;
}

oct_status
service_telemetry(api_call *call, oct_error *error)
{
    oct_database_info info;
    uint64_t          level = 0;
    bool              flag = false;
    oct_status        status = api_option_u64(call, "details_level", 0, &level, error);

    if (status == OCT_OK)
        status = api_option_bool(call, "anonymize", &flag, error);
    if (status == OCT_OK)
        status = api_option_bool(call, "per_collection", &flag, error);
    if (status == OCT_OK)
        status = api_meta_options(call, error);
    if (status != OCT_OK)
        return status;
    (void)pthread_once(&identity_once, make_identity);
    oct_database_describe(call->database, &info);
    buffer_add_text(&call->out, "{\"id\":");
    encode_id(&call->out, identity);
    buffer_format(&call->out,
                  ",\"app\":{\"name\":\"octant\",\"version\":\"%s\",\"startup\":\"%s\"},\"collections\":"
                  "{\"number_of_collections\":",
                  OCT_API_VERSION, startup);
    json_add_u64(&call->out, info.collection_count);
    if (level > 0) {
        buffer_add_text(&call->out, ",\"collections\":[");
        status = api_each_collection(call, telemetry_of_collection, error);
        buffer_add_byte(&call->out, ']');
    }
    buffer_add_text(&call->out, "},\"cluster\":{\"enabled\":false},\"requests\":{\"rest\":{\"responses\":");
    stats_encode(&call->out);
    buffer_add_text(&call->out, "},\"grpc\":{\"responses\":{}}}}");
    return status;
}

/* A label's value: backslash, quote and newline are escaped. */
static void
add_label(buffer *out, oct_slice text)
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

static oct_status
metric_points(api_call *call, oct_collection *collection, const oct_collection_info *info, oct_error *error)
{
    buffer *out = &call->out;

    (void)collection;
    (void)error;
    buffer_add_text(out, "collection_points{id=");
    add_label(out, info->name);
    buffer_add_text(out, "} ");
    json_add_u64(out, info->points_count);
    buffer_add_byte(out, '\n');
    return OCT_OK;
}

oct_status
service_metrics(api_call *call, oct_error *error)
{
    oct_database_info info;
    oct_status        status;

    oct_database_describe(call->database, &info);
    (void)plain_text(call, "");
    buffer_format(
        &call->out,
        "# HELP app_info information about octant\n# TYPE app_info gauge\n"
        "app_info{name=\"octant\",version=\"%s\"} 1\n"
        "# HELP app_status_recovery_mode features recovery mode\n# TYPE app_status_recovery_mode gauge\n"
        "app_status_recovery_mode 0\n"
        "# HELP collections_total number of collections\n# TYPE collections_total gauge\n"
        "collections_total ",
        OCT_API_VERSION);
    json_add_u64(&call->out, info.collection_count);
    buffer_add_text(&call->out,
                    "\n# HELP cluster_enabled is cluster support enabled\n# TYPE cluster_enabled gauge\n"
                    "cluster_enabled 0\n"
                    "# HELP collection_points number of points in each collection\n"
                    "# TYPE collection_points gauge\n");
    status = api_each_collection(call, metric_points, error);
    stats_prometheus(&call->out);
    return status;
}
