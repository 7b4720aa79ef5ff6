/* Requests: a line "METHOD TARGET", then the body. Every answer must be whole, and the engine sound after it. */
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "octant_api.h"

#define CALLS_MAX 200u /* before a new database: what inputs leave behind must not decide over later ones for long */

static oct_database *database;
static unsigned      calls;

static void
ask(const char *method, const char *target, oct_slice body, int *status)
{
    const oct_api_request request = {slice_of(method), slice_of(target), body};
    oct_api_response      response;

    oct_api_call(database, &request, &response);
    OCT_MUST(response.status >= 200 && response.status < 600);
    OCT_MUST(response.body.data != NULL && response.body.data[response.body.size] == '\0');
    *status = response.status;
    oct_api_response_clear(&response);
}

static void
must(const char *method, const char *target, const char *body)
{
    int status;

    ask(method, target, slice_of(body), &status);
    OCT_MUST(status == 200);
}

static void
end(void)
{
    OCT_MUST(oct_close(database, NULL) == OCT_OK);
    database = NULL;
}

/* A collection `c` with something of everything, so that a request reaches deep. */
static void
begin(void)
{
    const oct_open_options options = {.path = ":memory:", .threads = 1};

    static bool            is_first = true;

    if (is_first)
        OCT_MUST(atexit(end) == 0);
    is_first = false;
    OCT_MUST(oct_open(&options, &database, NULL) == OCT_OK);
    must("PUT", "/collections/c", "{\"vectors\":{\"\":{\"size\":4,\"distance\":\"Dot\"},\"b\":{\"size\":2,\"distance\":\"Cosine\"}}}");
    must("PUT", "/collections/c/points?wait=true",
         "{\"points\":["
         "{\"id\":1,\"vector\":{\"\":[1,2,3,4],\"b\":[1,0]},\"payload\":{\"n\":1,\"t\":\"red fox\",\"l\":[1,2,{\"a\":null}]}},"
         "{\"id\":2,\"vector\":{\"\":[4,3,2,1]},"
         "\"payload\":{\"n\":2.5,\"g\":{\"lon\":1.5,\"lat\":-2},\"d\":\"2024-05-06T07:08:09Z\"}},"
         "{\"id\":\"f47ac10b-58cc-4372-a567-0e02b2c3d479\",\"vector\":{\"b\":[0.5,0.5]},\"payload\":{\"o\":{\"k\":[true,\"x\"]}}}]}");
    calls = 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    size_t     method_size, target_size, body_size;
    char      *method = fuzz_part(&input, ' ', &method_size);
    char      *target = fuzz_part(&input, '\n', &target_size);
    char      *body;
    int        status;

    body = oct_copy_text((const char *)input.data, body_size = input.size);
    OCT_MUST(body != NULL);
    if (database == NULL)
        begin();
    {
        const oct_api_request request = {{method, method_size}, {target, target_size}, {body, body_size}};
        oct_api_response      response;

        oct_api_call(database, &request, &response);
        OCT_MUST(response.status >= 200 && response.status < 600 && response.body.data != NULL);
        OCT_MUST(response.body.data[response.body.size] == '\0');
        oct_api_response_clear(&response);
    }
    ask("POST", "/collections/c/points/scroll", slice_of("{\"limit\":3}"), &status);
    OCT_MUST(status == 200 || status == 404);
    if (status == 404 || ++calls >= CALLS_MAX)
        end();
    oct_free(method);
    oct_free(target);
    oct_free(body);
    return 0;
}
