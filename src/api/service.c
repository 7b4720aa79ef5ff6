/* What is asked of the service as a whole: health, version. See api.h; telemetry.c, quota.c, watch.c, logger.c. */
#include "api/encode.h"

#ifndef OCTANT_COMMIT /* of the build, if it knows */
#define OCTANT_COMMIT "0000000000000000000000000000000000000000"
#endif

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

/* --- every collection ------------------------------------------------------------------------ */

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
        if (status == OCT_NOT_FOUND || (status == OCT_CORRUPT && collection == NULL)) /* gone, or damaged: tell of the others */
            status = OCT_OK;
        oct_collection_info_free(info);
        oct_collection_close(collection);
    }
    oct_names_free(names);
    return status;
}

/* No web interface is built in: say so, and where the API is, rather than a bare 404. */
oct_status
service_dashboard(api_call *call, oct_error *error)
{
    (void)error;
    (void)plain_text(call, "<!doctype html><title>Octant</title><h1>Octant</h1><p>This build has no web interface. The API is at "
                           "<a href=\"/collections\">/collections</a>, metrics are at <a href=\"/metrics\">/metrics</a>.");
    call->content_type = "text/html; charset=utf-8";
    return OCT_OK;
}
