/* octant_api.h - Qdrant's REST API as one call, without a socket.
 *
 * The server hands every HTTP request to oct_api_call and writes the answer back; the Python package
 * does the same in process. What a path means, how JSON maps to the typed requests of octant.h and
 * which status a failure gets is decided behind this call, once, for both.
 */
#ifndef OCTANT_API_H
#define OCTANT_API_H

#include "octant_snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OCT_API_BODY_MAX (1024u << 20) /* bytes of one request body; servers set a lower limit of their own */

typedef struct oct_api_request {
    oct_slice method; /* "GET", "PUT", ... */
    oct_slice target; /* path and query string as sent, such as "/collections/a/points?wait=true" */
    oct_slice body;   /* decompressed; may be empty */
    struct oct_file *upload; /* NULL, or the body of a snapshot's upload, in a file of oct_file_new; the call takes it over */
} oct_api_request;

typedef struct oct_api_response {
    int         status;       /* HTTP status code */
    const char *content_type; /* a constant, NUL-terminated */
    oct_slice   body;         /* NUL-terminated beyond `size` */
    uint32_t    retry_after;  /* seconds for a Retry-After header; 0: none */
    void       *reserved;     /* owns `body` */
    struct oct_file *file; /* NULL, or what to send instead of `body`: all of it, by oct_file_read; the response's */
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

/* What counts as slow: requests of points that take so long or longer are listed by GET /profiler/slow_requests, and those that
 * filter by fields without an index raise an issue (GET /issues). Until it is called, 100 ms and 1.2 s. Any thread; for the
 * whole process. */
OCT_API void oct_api_slow_after(uint64_t milliseconds);

/* Of who writes a log: its level ("OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"), for GET /logger, and what POST /logger
 * calls to change it, from any thread, one at a time; NULL: nothing. */
OCT_API void oct_api_logger(const char *level, void (*set_level)(const char *level));

/* --- the same over gRPC: method and message in, status and message out ----------------------- */

/* https://grpc.github.io/grpc/core/md_doc_statuscodes.html; those that are used. */
typedef enum oct_grpc_status {
    OCT_GRPC_OK = 0,
    OCT_GRPC_CANCELLED = 1,
    OCT_GRPC_INVALID_ARGUMENT = 3,
    OCT_GRPC_DEADLINE_EXCEEDED = 4,
    OCT_GRPC_NOT_FOUND = 5,
    OCT_GRPC_ALREADY_EXISTS = 6,
    OCT_GRPC_PERMISSION_DENIED = 7,
    OCT_GRPC_RESOURCE_EXHAUSTED = 8,
    OCT_GRPC_FAILED_PRECONDITION = 9,
    OCT_GRPC_UNIMPLEMENTED = 12,
    OCT_GRPC_INTERNAL = 13,
    OCT_GRPC_UNAVAILABLE = 14,
    OCT_GRPC_UNAUTHENTICATED = 16
} oct_grpc_status;

typedef struct oct_grpc_request {
    oct_slice path;    /* "/qdrant.Points/Query" */
    oct_slice message; /* protobuf, decompressed, without gRPC's prefix; may be empty */
} oct_grpc_request;

typedef struct oct_grpc_response {
    int       status;  /* enum oct_grpc_status */
    oct_slice message; /* protobuf, if OK */
    oct_slice details; /* why not, in UTF-8 */
    uint32_t  retry_after;     /* seconds, for metadata `retry-after`; 0: none */
    bool      is_out_of_space; /* for metadata `qdrant-insufficient-storage` */
    void     *reserved;        /* owns message or details */
} oct_grpc_response;

/* As oct_api_call. Release *response with oct_grpc_response_clear. */
OCT_API void oct_grpc_call(oct_database *database, const oct_grpc_request *request, oct_grpc_response *response);
OCT_API void oct_grpc_response_clear(oct_grpc_response *response);

/* The REST route that a method is, such as "POST", "/collections/{collection_name}/points/query": for deciding who may
 * call it. False: there is no such method. */
OCT_API bool oct_grpc_method_route(oct_slice path, const char **method, const char **pattern);

/* Server reflection (grpc.reflection.v1 and v1alpha): one ServerReflectionRequest in, one response out. */
OCT_API void oct_grpc_reflect(oct_slice message, oct_grpc_response *response);

#define OCT_API_VERSION "1.19.0" /* the version of Qdrant whose API this is, as GET / reports it */

#ifdef __cplusplus
}
#endif
#endif /* OCTANT_API_H */
