/* gRPC calls without HTTP/2: a line with the method, then the message. Every call is answered, and the engine is sound
 * after it. Methods without a leading '/' go to server reflection. */
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "octant_api.h"

#define CALLS_MAX 200u /* before a new database, as in fuzz_request.c */

static oct_database *database;
static unsigned      calls;

static void
ask(const char *method, const char *target, const char *body, int *status)
{
    const oct_api_request request = {slice_of(method), slice_of(target), slice_of(body)};
    oct_api_response      response;

    oct_api_call(database, &request, &response);
    *status = response.status;
    oct_api_response_clear(&response);
}

static void
end(void)
{
    OCT_MUST(oct_close(database, NULL) == OCT_OK);
    database = NULL;
}

static void
begin(void)
{
    const oct_open_options options = {.path = ":memory:", .threads = 1};
    static bool            is_first = true;
    int                    status;

    if (is_first)
        OCT_MUST(atexit(end) == 0);
    is_first = false;
    OCT_MUST(oct_open(&options, &database, NULL) == OCT_OK);
    ask("PUT", "/collections/c",
        "{\"vectors\":{\"\":{\"size\":4,\"distance\":\"Dot\"},\"b\":{\"size\":2,\"distance\":\"Cosine\"}}}", &status);
    OCT_MUST(status == 200);
    ask("PUT", "/collections/c/points?wait=true",
        "{\"points\":[{\"id\":1,\"vector\":{\"\":[1,2,3,4],\"b\":[1,0]},\"payload\":{\"n\":1,\"t\":\"red fox\"}},"
        "{\"id\":2,\"vector\":{\"\":[4,3,2,1]},\"payload\":{\"n\":2.5,\"g\":{\"lon\":1.5,\"lat\":-2}}}]}",
        &status);
    OCT_MUST(status == 200);
    calls = 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input        input = {data, size};
    size_t            path_size;
    char             *path = fuzz_part(&input, '\n', &path_size);
    char             *message = oct_copy_text((const char *)input.data, input.size);
    oct_grpc_response response;
    int               status;

    OCT_MUST(message != NULL);
    if (database == NULL)
        begin();
    if (path_size > 0 && path[0] == '/') {
        const oct_grpc_request request = {{path, path_size}, {message, input.size}};

        oct_grpc_call(database, &request, &response);
    } else {
        oct_grpc_reflect((oct_slice){message, input.size}, &response);
    }
    OCT_MUST(response.status == OCT_GRPC_OK || response.details.size > 0);
    oct_grpc_response_clear(&response);
    ask("POST", "/collections/c/points/scroll", "{\"limit\":3}", &status);
    OCT_MUST(status == 200 || status == 404);
    if (status == 404 || ++calls >= CALLS_MAX)
        end();
    oct_free(path);
    oct_free(message);
    return 0;
}
