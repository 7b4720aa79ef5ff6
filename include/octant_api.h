/* octant_api.h - Qdrant's REST API as one call, without a socket.
 *
 * The server hands every HTTP request to oct_api_call and writes the answer back; the Python package
 * does the same in process. What a path means, how JSON maps to the typed requests of octant.h and
 * which status a failure gets is decided behind this call, once, for both.
 */
#ifndef OCTANT_API_H
#define OCTANT_API_H

#include "octant.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OCT_API_BODY_MAX (1024u << 20) /* bytes of one request body; servers set a lower limit of their own */

typedef struct oct_api_request {
    oct_slice method; /* "GET", "PUT", ... */
    oct_slice target; /* path and query string as sent, such as "/collections/a/points?wait=true" */
    oct_slice body;   /* decompressed; may be empty */
} oct_api_request;

typedef struct oct_api_response {
    int         status;       /* HTTP status code */
    const char *content_type; /* a constant, NUL-terminated */
    oct_slice   body;         /* NUL-terminated beyond `size` */
    uint32_t    retry_after;  /* seconds for a Retry-After header; 0: none */
    void       *reserved;     /* owns `body` */
} oct_api_response;

/**
 * Answer one request. Never fails as a call: whatever goes wrong is in the response, with Qdrant's
 * status code and envelope.
 *
 * Memory.  Release *response with oct_api_response_clear. Nothing in `request` is kept.
 * Threads. Any thread; calls run in parallel. A writing call waits for the disk when its `wait` is true.
 */
OCT_API void oct_api_call(oct_database *database, const oct_api_request *request, oct_api_response *response);
OCT_API void oct_api_response_clear(oct_api_response *response);

#define OCT_API_VERSION "1.19.0" /* the version of Qdrant whose API this is, as GET / reports it */

#ifdef __cplusplus
}
#endif
#endif /* OCTANT_API_H */
