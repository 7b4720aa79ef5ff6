/* The REST API as its callers see it: requests in, status and body out, against the engine in memory. */
#include "api/api_test.h"

#include <pthread.h>

typedef struct step {
    const char *method, *target, *body;
    int         status;
    const char *want; /* the result, or the error's text; with a leading '~' only a part of it */
} step;

oct_database *
api_test_open(void)
{
    const oct_open_options options = {.path = ":memory:", .threads = 1};
    oct_database          *database = NULL;
    oct_error              error = {0};

    CHECK_OK(oct_open(&options, &database, &error));
    return database;
}

int
api_test_call(oct_database *database, const char *method, const char *target, oct_slice body, char *text,
              size_t size)
{
    const oct_api_request request = {slice_of(method), slice_of(target), body, NULL};
    oct_api_response      response;
    json_document         document = {0};
    oct_error             error = {0};
    int                   status;

    oct_api_call(database, &request, &response);
    status = response.status;
    CHECK_INT(response.body.data[response.body.size], '\0');
    text[0] = '\0';
    if (strcmp(response.content_type, "application/json") != 0) {
        (void)snprintf(text, size, "%s", response.body.data);
    } else if (json_parse(response.body, &document, &error) != OCT_OK) {
        test_failed(__FILE__, __LINE__, "%s %s: the answer is not JSON (%s): %.500s", method, target,
                    error.text, response.body.data);
    } else if (status == 200 && yyjson_obj_get(document.root, "result") == NULL) {
        (void)snprintf(text, size, "%s", response.body.data);
    } else {
        yyjson_val *state = yyjson_obj_get(document.root, "status");

        CHECK(yyjson_is_real(yyjson_obj_get(document.root, "time")));
        CHECK_INT(yyjson_obj_size(document.root), status == 200 ? 3 : 2);
        if (status == 200) {
            const char *const end = strstr(response.body.data, ",\"status\":\"ok\",\"time\":");

            CHECK(yyjson_equals_str(state, "ok"));
            CHECK(end != NULL && strncmp(response.body.data, "{\"result\":", 10) == 0);
            if (end != NULL)
                (void)snprintf(text, size, "%.*s", (int)(end - response.body.data - 10),
                               response.body.data + 10);
        } else {
            const char *words = yyjson_get_str(yyjson_obj_get(state, "error"));

            CHECK_MSG(words != NULL && words[0] != '\0', "%s %s: %s", method, target, response.body.data);
            (void)snprintf(text, size, "%s", words == NULL ? "" : words);
        }
    }
    json_document_clear(&document);
    oct_api_response_clear(&response);
    return status;
}

static int
call(oct_database *database, const char *method, const char *target, const char *body, char *text,
     size_t size)
{
    return api_test_call(database, method, target, slice_of(body), text, size);
}

static void
run_steps(oct_database *database, const step *steps, size_t count)
{
    static char text[API_TEST_TEXT_MAX];

    for (size_t i = 0; i < count; i++) {
        const step *one = &steps[i];
        const int   status = call(database, one->method, one->target, one->body, text, sizeof text);
        const bool  part = one->want[0] == '~';
        const bool  right = part ? strstr(text, one->want + 1) != NULL : strcmp(text, one->want) == 0;

        if (status != one->status || !right)
            test_failed(__FILE__, __LINE__, "step %zu: %s %s %.200s\n    gives  %d %s\n    not    %d %s", i,
                        one->method, one->target, one->body, status, text, one->status, one->want);
    }
}

#define RUN(database, steps) run_steps(database, steps, countof(steps))
#define FOUR                 API_TEST_FOUR

/* Goal:   collections and aliases answer as qdrant-api.md 1.3 and 1.4 say. */
TEST(collections_and_aliases)
{
    static const step steps[] = {
        {"GET", "/collections", "", 200, "{\"collections\":[]}"},
        {"GET", "/collections/a", "", 404, "Not found: Collection `a` doesn't exist!"},
        {"GET", "/collections/a/exists", "", 200, "{\"exists\":false}"},
        {"DELETE", "/collections/a", "", 200, "false"},
        {"PUT", "/collections/a", "", 400, "~Format error in JSON body: "},
        {"PUT", "/collections/a", "{", 400, "~Format error in JSON body: "},
        {"PUT", "/collections/a", "{\"vectors\":{\"size\":65537,\"distance\":\"Dot\"}}", 422,
         "Validation error in JSON body: [vectors.size: value 65537 invalid, must be from 1 to 65536]"},
        {"PUT", "/collections/a",
         "{\"vectors\":{\"size\":4,\"distance\":\"Dot\"},\"hnsw_config\":{\"ef_construct\":3}}", 422,
         "Validation error in JSON body: [hnsw_config.ef_construct: value 3 invalid, must be 4 or larger]"},
        {"PUT", "/collections/a%3Ab", FOUR, 422,
         "Validation error in path parameters: [collection name \"a:b\" must not contain `:`]"},
        {"PUT", "/collections/a%2Fb", FOUR, 422, "~Validation error in path parameters: ["},
        {"PUT", "/collections/a?timeout=0", FOUR, 422,
         "Validation error in query parameters: [timeout: value 0 invalid, must be 1 or larger]"},
        {"PUT", "/collections/a?timeout=x", FOUR, 400,
         "Deserialize error in query parameters: timeout: \"x\" is not an unsigned integer"},
        {"PUT", "/collections/a?timeout=10", FOUR, 200, "true"},
        {"PUT", "/collections/a", FOUR, 409, "Wrong input: Collection `a` already exists!"},
        {"PUT", "/collections/B%20b/",
         "{\"vectors\":{\"x\":{\"size\":1,\"distance\":\"Euclid\"}},\"metadata\":{\"k\":1}}", 200, "true"},
        {"GET", "//collections/", "", 200, "{\"collections\":[{\"name\":\"B b\"},{\"name\":\"a\"}]}"},
        {"GET", "/collections/a", "", 200,
         "~{\"status\":\"green\",\"optimizer_status\":\"ok\",\"indexed_vectors_count\":0,\"points_count\":0,"
         "\"segments_count\":1,\"config\":{\"params\":{\"vectors\":{\"size\":4,\"distance\":\"Dot\"},"},
        {"GET", "/collections/a", "", 200,
         "~\"quantization_config\":null},\"payload_schema\":{},\"update_queue\":{\"length\":0}}"},
        {"GET", "/collections/B%20b", "", 200, "~\"vectors\":{\"x\":{\"size\":1,\"distance\":\"Euclid\"}}"},
        {"PATCH", "/collections/B%20b", "{\"vectors\":{\"y\":{\"on_disk\":true}}}", 400,
         "Wrong input: Not existing vector name error: y"},
        {"PATCH", "/collections/B%20b",
         "{\"metadata\":{\"k\":null,\"l\":[2]},\"vectors\":{\"x\":{\"on_disk\":true}},"
         "\"optimizers_config\":{\"indexing_threshold\":3}}",
         200, "true"},
        {"GET", "/collections/B%20b", "", 200,
         "~{\"x\":{\"size\":1,\"distance\":\"Euclid\",\"on_disk\":true}}"},
        {"GET", "/collections/B%20b", "", 200, "~\"metadata\":{\"l\":[2]}"},
        {"GET", "/collections/B%20b", "", 200, "~\"indexing_threshold\":3,"},
        {"PATCH", "/collections/none", "{}", 404, "Not found: Collection `none` doesn't exist!"},
        {"GET", "/collections/a/exists", "", 200, "{\"exists\":true}"},
        {"GET", "/aliases", "", 200, "{\"aliases\":[]}"},
        {"POST", "/collections/aliases",
         "{\"actions\":[{\"create_alias\":{\"collection_name\":\"none\",\"alias_name\":\"z\"}}]}", 404,
         "Not found: Collection `none` doesn't exist!"},
        {"POST", "/collections/aliases", "{\"actions\":[{\"create_alias\":{\"alias_name\":\"z\"}}]}", 400,
         "Format error in JSON body: actions[0].create_alias: missing field `collection_name`"},
        {"POST", "/collections/aliases", "{\"actions\":[{}]}", 400, "~exactly one of the keys"},
        {"POST", "/collections/aliases",
         "{\"actions\":[{\"create_alias\":{\"collection_name\":\"a\",\"alias_name\":\"z\"}},"
         "{\"delete_alias\":{\"alias_name\":\"unknown\"}}]}",
         200, "true"},
        {"GET", "/aliases", "", 200, "{\"aliases\":[{\"alias_name\":\"z\",\"collection_name\":\"a\"}]}"},
        {"GET", "/collections/a/aliases", "", 200,
         "{\"aliases\":[{\"alias_name\":\"z\",\"collection_name\":\"a\"}]}"},
        {"GET", "/collections/B%20b/aliases", "", 200, "{\"aliases\":[]}"},
        {"GET", "/collections/none/aliases", "", 404, "Not found: Collection `none` doesn't exist!"},
        {"GET", "/collections/z/exists", "", 200, "{\"exists\":true}"},
        {"PUT", "/collections/z", FOUR, 400,
         "Wrong input: Can't create collection with name z. Alias with the same name already exists"},
        {"POST", "/collections/aliases",
         "{\"actions\":[{\"rename_alias\":{\"old_alias_name\":\"q\",\"new_alias_name\":\"w\"}}]}", 404,
         "Not found: Alias q does not exists!"},
        {"POST", "/collections/aliases",
         "{\"actions\":[{\"rename_alias\":{\"old_alias_name\":\"z\",\"new_alias_name\":\"w\"}}]}", 200,
         "true"},
        {"PUT", "/collections/w/points?wait=true", "{\"points\":[{\"id\":1,\"vector\":[1,2,3,4]}]}", 200,
         "~completed"},
        {"POST", "/collections/a/points/count", "{}", 200, "{\"count\":1}"},
        {"GET", "/collections/a/cluster", "", 200,
         "{\"peer_id\":1,\"shard_count\":1,\"local_shards\":[{\"shard_id\":0,\"points_count\":1,\"state\":"
         "\"Active\"}],"
         "\"remote_shards\":[],\"shard_transfers\":[]}"},
        {"GET", "/collections/a/shards", "", 200, "{}"},
        {"GET", "/collections/a/optimizations", "", 200,
         "{\"summary\":{\"queued_optimizations\":0,\"queued_segments\":0,\"queued_points\":0,\"idle_"
         "segments\":0},"
         "\"running\":[]}"},
        {"GET", "/collections/a/optimizations?with=queued,%20idle_segments", "", 200,
         "~\"queued\":[],\"idle_segments\":[]}"},
        {"GET", "/collections/a/optimizations?with=x", "", 400,
         "Deserialize error in query parameters: Unknown field in 'with' parameter: x"},
        {"DELETE", "/collections/a", "", 200, "true"},
        {"GET", "/aliases", "", 200, "{\"aliases\":[]}"},
        {"DELETE", "/collections/a", "", 200, "false"},
    };
    oct_database *database = api_test_open();
    char          name[300] = "/collections/";
    char          text[1024];

    RUN(database, steps);
    memset(name + 13, 'n', 256);
    name[13 + 256] = '\0';
    CHECK_INT(call(database, "PUT", name, FOUR, text, sizeof text), 422);
    CHECK_INT(call(database, "GET", name, "", text, sizeof text), 422);
    name[13 + 255] = '\0';
    CHECK_INT(call(database, "PUT", name, FOUR, text, sizeof text), 200);
    CHECK_OK(oct_close(database, NULL));
}

/* Goal:   writes and reads of points, with the rules and texts of qdrant-api.md 1.3, 1.4, 1.6, 3.1 and 3.2. */
TEST(points_are_written_and_read)
{
#define V "[1,2,3,4]"
    static const step steps[] = {
        {"PUT", "/collections/c", FOUR, 200, "true"},
        {"PUT", "/collections/c/points?wait=true",
         "{\"points\":[{\"id\":7,\"vector\":[0.1,-2,3e-7,4],\"payload\":{\"t\":\"h\\u00e9\",\"n\":null,\"l\":"
         "[1,{}],\"f\":1.50}},"
         "{\"id\":\"F47AC10B58CC4372A5670E02B2C3D479\",\"vectors\":" V ",\"payload\":null},"
         "{\"id\":18446744073709551615,\"vector\":[16777217,1e38,-0.0,1e-45]},"
         "{\"id\":8,\"vector\":{}}]}",
         200, "~\"status\":\"completed\"}"},
        {"GET", "/collections/c/points/7", "", 200,
         "{\"id\":7,\"payload\":{\"t\":\"h\xC3\xA9\",\"n\":null,\"l\":[1,{}],\"f\":1.5},\"vector\":[0.1,-2.0,"
         "3e-7,4.0]}"},
        {"GET", "/collections/c/points/f47ac10b-58cc-4372-a567-0e02b2c3d479", "", 200,
         "{\"id\":\"f47ac10b-58cc-4372-a567-0e02b2c3d479\",\"payload\":{},\"vector\":[1.0,2.0,3.0,4.0]}"},
        {"GET", "/collections/c/points/urn:uuid:f47ac10b-58cc-4372-a567-0e02b2c3d479", "", 200,
         "~\"id\":\"f47ac10b-"},
        {"GET", "/collections/c/points/%7Bf47ac10b-58cc-4372-a567-0e02b2c3d479%7D", "", 200,
         "~\"id\":\"f47ac10b-"},
        {"GET", "/collections/c/points/18446744073709551615", "", 200,
         "{\"id\":18446744073709551615,\"payload\":{},\"vector\":[16777216.0,1e38,-0.0,1e-45]}"},
        {"GET", "/collections/c/points/8", "", 200, "{\"id\":8,\"payload\":{},\"vector\":{}}"},
        {"GET", "/collections/c/points/9", "", 404, "Not found: Point with id 9 does not exists!"},
        {"GET", "/collections/c/points/zz", "", 400, "Wrong input: Can not recognize \"zz\" as point id"},
        {"GET", "/collections/c/points/18446744073709551616", "", 400,
         "Wrong input: Can not recognize \"18446744073709551616\" as point id"},
        {"GET", "/collections/c/points/7?consistency=0", "", 422,
         "Validation error in query parameters: [consistency: value 0 invalid, must be 1 or larger]"},
        {"GET", "/collections/c/points/7?consistency=most", "", 400,
         "~Deserialize error in query parameters: "},
        {"GET", "/collections/c/points/7?consistency=majority&timeout=3", "", 200, "~\"id\":7"},
        {"GET", "/collections/c/points/7?consistency=", "", 200, "~\"id\":7"},

        /* what is refused changes nothing */
        {"PUT", "/collections/c/points?wait=yes", "{\"points\":[{\"id\":1,\"vector\":" V "}]}", 400,
         "Deserialize error in query parameters: wait: \"yes\" was not `true` or `false`"},
        {"PUT", "/collections/c/points?wait=true&wait=true", "{\"points\":[{\"id\":1,\"vector\":" V "}]}",
         400, "Deserialize error in query parameters: duplicate field `wait`"},
        {"PUT", "/collections/c/points?ordering=best", "{\"points\":[{\"id\":1,\"vector\":" V "}]}", 400,
         "~unknown variant `best`"},
        {"PUT", "/collections/none/points", "{\"points\":[{\"id\":1,\"vector\":" V "}]}", 404,
         "Not found: Collection `none` doesn't exist!"},
        {"PUT", "/collections/c/points", "{\"points\":[]}", 400, "Bad request: Empty update request"},
        {"PUT", "/collections/c/points", "{}", 400,
         "Format error in JSON body: Invalid PointInsertOperations format"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1,\"vector\":[1,2,3]}]}", 400,
         "Wrong input: Vector dimension error: expected dim: 4, got 3"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1,\"vector\":{\"x\":" V "}}]}", 400,
         "Wrong input: Not existing vector name error: x"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1,\"vector\":[]}]}", 422,
         "~points[0].vector: dense vector must not be empty"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1}]}", 400,
         "Format error in JSON body: points[0]: missing field `vector`"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"vector\":" V "}]}", 400,
         "Format error in JSON body: points[0]: missing field `id`"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":-1,\"vector\":" V "}]}", 400,
         "Format error in JSON body: points[0].id: value -1 is not a valid point ID, valid values are either "
         "an unsigned "
         "integer or a UUID"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":\"1\",\"vector\":" V "}]}", 400,
         "~value \"1\" is not a valid point ID"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1.0,\"vector\":" V "}]}", 400,
         "~points[0].id: invalid type: floating point"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1,\"vector\":[1,2,\"3\",4]}]}", 400,
         "~points[0].vector[2]: invalid type: string \"3\", expected a number"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1,\"vector\":[1,2,null,4]}]}", 400,
         "~points[0].vector[2]: invalid type: null"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1,\"vector\":[1,2,1e39,4]}]}", 400,
         "~points[0].vector[2]: invalid value"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1,\"vector\":[1,2,NaN,4]}]}", 400,
         "~Format error in JSON body: "},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1,\"vector\":[1,2,[3],4]}]}", 400,
         "~points[0].vector[2]: invalid type: sequence"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1,\"vector\":" V ",\"payload\":[]}]}", 400,
         "~points[0].payload: invalid type"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1,\"id\":2,\"vector\":" V "}]}", 400,
         "~points[0]: duplicate field `id`"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1,\"vector\":" V ",\"vectors\":" V "}]}", 400,
         "~duplicate field `vector`"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1,\"vector\":[[1,2],[]]}]}", 422,
         "Validation error in JSON body: [points[0].vector.?.data: all vectors must be non-empty]"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1,\"vector\":[[1,2],[1,2,3]]}]}", 422,
         "Validation error in JSON body: [points[0].vector.?.data: all vectors must have the same dimension, "
         "found vector with "
         "dimension 3]"},
        {"PUT", "/collections/c/points", "{\"points\":[{\"id\":1,\"vector\":[[1,2,3,4],[1,2,3,4]]}]}", 400,
         "~"},
        {"PUT", "/collections/c/points",
         "{\"points\":[{\"id\":1,\"vector\":{\"s\":{\"indices\":[1,2],\"values\":[1]}}}]}", 422,
         "~.?.values: Validation error: must be the same length as indices [{}]"},
        {"PUT", "/collections/c/points",
         "{\"points\":[{\"id\":1,\"vector\":{\"s\":{\"indices\":[1,1],\"values\":[1,2]}}}]}", 422,
         "~.?.indices: Validation error: must be unique [{}]"},
        {"PUT", "/collections/c/points",
         "{\"points\":[{\"id\":1,\"vector\":{\"text\":\"x\",\"model\":\"m\"}}]}", 500, "~InferenceService URL not configured"},
        {"PUT", "/collections/c/points",
         "{\"points\":[{\"id\":7,\"vector\":" V "}],\"update_mode\":\"insert_only\"}", 200, "~acknowledged"},
        {"PUT", "/collections/c/points",
         "{\"points\":[{\"id\":1,\"vector\":" V "}],\"update_filter\":{\"must\":[{\"key\":\"a\"}]}}", 422,
         "~update_filter.must[0]: At least one field condition must be specified"},
        {"PUT", "/collections/c/points",
         "{\"points\":[{\"id\":1,\"vector\":" V "}],\"update_filter\":{\"mst\":[]}}", 400,
         "~unknown field `mst`"},
        {"POST", "/collections/c/points/count", "{}", 200, "{\"count\":4}"},
        {"PUT", "/collections/c/points?wait=true&ordering=strong",
         "{\"points\":[{\"id\":1,\"vector\":" V
         "}],\"update_filter\":{},\"update_mode\":\"upsert\",\"shard_key\":null,\"more\":1}",
         200, "~completed"},

        /* columns */
        {"PUT", "/collections/c/points?wait=true",
         "{\"batch\":{\"ids\":[20,21],\"vectors\":[" V ",[4,3,2,1]],\"payloads\":[{\"a\":1},null]}}", 200,
         "~completed"},
        {"POST", "/collections/c/points",
         "{\"ids\":[21,20,99,21],\"with_payload\":true,\"with_vectors\":true}", 200,
         "[{\"id\":21,\"payload\":{},\"vector\":[4.0,3.0,2.0,1.0]},{\"id\":20,\"payload\":{\"a\":1},"
         "\"vector\":[1.0,2.0,3.0,4.0]}]"},
        {"PUT", "/collections/c/points", "{\"batch\":{\"ids\":[20,21],\"vectors\":[" V "]}}", 422,
         "~number of ids and vectors must be equal"},
        {"PUT", "/collections/c/points", "{\"batch\":{\"ids\":[20],\"vectors\":[" V "],\"payloads\":[]}}",
         422, "~number of ids and payloads must be equal"},
        {"PUT", "/collections/c/points?wait=true", "{\"batch\":{\"ids\":[22],\"vectors\":{\"\":[" V "]}}}",
         200, "~completed"},
        {"PUT", "/collections/c/points", "{\"batch\":{\"ids\":[22]}}", 400,
         "~batch: missing field `vectors`"},

        /* reading */
        {"POST", "/collections/c/points", "{\"ids\":[20]}", 200, "[{\"id\":20}]"},
        {"POST", "/collections/c/points", "{\"ids\":[20],\"with_payload\":[\"a\"]}", 200,
         "[{\"id\":20,\"payload\":{\"a\":1}}]"},
        {"POST", "/collections/c/points", "{\"ids\":[20],\"with_payload\":[]}", 200,
         "[{\"id\":20,\"payload\":{}}]"},
        {"POST", "/collections/c/points", "{\"ids\":[20],\"with_payload\":{\"exclude\":[\"a\"]}}", 200,
         "[{\"id\":20,\"payload\":{}}]"},
        {"POST", "/collections/c/points", "{\"ids\":[7],\"with_payload\":{\"include\":[\"t\",\"f\"]}}", 200,
         "[{\"id\":7,\"payload\":{\"t\":\"h\xC3\xA9\",\"f\":1.5}}]"},
        {"POST", "/collections/c/points", "{\"ids\":[20],\"with_payload\":{\"includes\":[]}}", 400,
         "~unknown field `includes`"},
        {"POST", "/collections/c/points", "{\"ids\":[20],\"with_payload\":{\"include\":[],\"exclude\":[]}}",
         400, "~exactly one"},
        {"POST", "/collections/c/points", "{\"ids\":[20],\"with_payload\":3}", 400,
         "~with_payload: invalid type: integer `3`"},
        {"POST", "/collections/c/points", "{\"ids\":[20],\"with_vector\":[]}", 200,
         "[{\"id\":20,\"vector\":{}}]"},
        {"POST", "/collections/c/points", "{\"ids\":[20],\"with_vector\":[\"\"]}", 200,
         "[{\"id\":20,\"vector\":[1.0,2.0,3.0,4.0]}]"},
        {"POST", "/collections/c/points", "{\"ids\":[20],\"with_vector\":[\"x\"]}", 400,
         "Wrong input: Not existing vector name error: x"},
        {"POST", "/collections/c/points", "{}", 400, "~missing field `ids`"},
        {"POST", "/collections/c/points", "{\"ids\":[]}", 200, "[]"},
        {"POST", "/collections/c/points/scroll", "{\"limit\":2,\"with_payload\":false}", 200,
         "{\"points\":[{\"id\":1},{\"id\":7}],\"next_page_offset\":8}"},
        {"POST", "/collections/c/points/scroll", "{\"offset\":22,\"limit\":2,\"with_payload\":false}", 200,
         "{\"points\":[{\"id\":22},{\"id\":18446744073709551615}],\"next_page_offset\":\"f47ac10b-58cc-4372-"
         "a567-0e02b2c3d479\"}"},
        {"POST", "/collections/c/points/scroll", "{\"offset\":\"{F47AC10B-58CC-4372-A567-0E02B2C3D479}\"}",
         200,
         "{\"points\":[{\"id\":\"f47ac10b-58cc-4372-a567-0e02b2c3d479\",\"payload\":{}}],\"next_page_"
         "offset\":null}"},
        {"POST", "/collections/c/points/scroll", "{\"limit\":0}", 422,
         "Validation error in JSON body: [limit: value 0 invalid, must be 1 or larger]"},
        {"POST", "/collections/c/points/scroll", "{\"limit\":-1}", 400, "~limit: invalid type: integer `-1`"},
        {"POST", "/collections/c/points/scroll", "{\"limit\":18446744073709551615,\"with_payload\":false}",
         200, "~\"next_page_offset\":null}"},
        {"POST", "/collections/c/points/scroll", "{\"order_by\":\"a\"}", 400,
         "~No range index for `order_by` key: `a`"},
        {"POST", "/collections/c/points/scroll",
         "{\"filter\":{\"must\":[{\"key\":\"a\",\"match\":{\"value\":1}}]}}", 200,
         "{\"points\":[{\"id\":20,\"payload\":{\"a\":1}}],\"next_page_offset\":null}"},
        {"POST", "/collections/c/points/count", "{\"exact\":false,\"filter\":{\"must\":[],\"should\":null}}",
         200, "{\"count\":8}"},
        {"POST", "/collections/c/points/count", "{\"exact\":0}", 400,
         "~exact: invalid type: integer `0`, expected a boolean"},
        {"POST", "/collections/c/points/count", "", 400, "~Format error in JSON body: "},

        /* deleting and changing */
        {"POST", "/collections/c/points/delete?wait=true",
         "{\"points\":[21,\"f47ac10b58cc4372a5670e02b2c3d479\",555]}", 200, "~completed"},
        {"POST", "/collections/c/points/delete?wait=true", "{\"points\":[]}", 200, "~completed"},
        {"POST", "/collections/c/points/delete", "{}", 400, "~missing field `points` or `filter`"},
        {"POST", "/collections/c/points/delete", "{\"filter\":{\"all\":true}}", 400,
         "~filter: unknown field `all`"},
        {"POST", "/collections/c/points/delete", "{\"filter\":{\"must\":{\"has_id\":[]}}}", 200,
         "~acknowledged"},
        {"POST", "/collections/c/points/count", "{}", 200, "{\"count\":6}"},
        {"POST", "/collections/c/points/payload?wait=true",
         "{\"payload\":{\"b\":{\"c\":1},\"a\":null},\"points\":[20]}", 200, "~completed"},
        {"POST", "/collections/c/points/payload?wait=true",
         "{\"payload\":{\"d\":2},\"key\":\"b\",\"points\":[20]}", 200, "~completed"},
        {"GET", "/collections/c/points/20", "", 200, "~\"payload\":{\"b\":{\"c\":1,\"d\":2}}"},
        {"POST", "/collections/c/points/payload", "{\"payload\":{\"d\":2},\"key\":\"b..c\",\"points\":[20]}",
         400, "~Invalid json path"},
        {"POST", "/collections/c/points/payload", "{\"payload\":{\"d\":2},\"key\":\"\",\"points\":[20]}", 400,
         "~Invalid json path"},
        {"POST", "/collections/c/points/payload", "{\"payload\":{\"d\":2},\"points\":[555]}", 404,
         "Not found: No point with id 555 found"},
        {"POST", "/collections/c/points/payload", "{\"payload\":{\"d\":2}}", 400,
         "Format error in JSON body: Either list of point ids or filter must be provided"},
        {"POST", "/collections/c/points/payload", "{\"points\":[20]}", 400, "~missing field `payload`"},
        {"POST", "/collections/c/points/payload", "{\"payload\":3,\"points\":[20]}", 400,
         "~payload: invalid type"},
        {"POST", "/collections/c/points/payload/delete?wait=true",
         "{\"keys\":[\"b.c\",\"zz\"],\"points\":[20]}", 200, "~completed"},
        {"GET", "/collections/c/points/20", "", 200, "~\"payload\":{\"b\":{\"d\":2}}"},
        {"POST", "/collections/c/points/payload/delete", "{\"points\":[20]}", 400, "~missing field `keys`"},
        {"PUT", "/collections/c/points/payload?wait=true",
         "{\"payload\":{\"only\":true},\"key\":\"b\",\"points\":[20]}", 200, "~completed"},
        {"GET", "/collections/c/points/20", "", 200, "~\"payload\":{\"only\":true}"},
        {"POST", "/collections/c/points/payload/clear?wait=true", "{\"points\":[20]}", 200, "~completed"},
        {"GET", "/collections/c/points/20", "", 200, "~\"payload\":{}"},
        {"PUT", "/collections/c/points/vectors?wait=true", "{\"points\":[{\"id\":20,\"vector\":[9,9,9,9]}]}",
         200, "~completed"},
        {"GET", "/collections/c/points/20", "", 200, "~\"vector\":[9.0,9.0,9.0,9.0]"},
        {"PUT", "/collections/c/points/vectors", "{\"points\":[{\"id\":20,\"vector\":{}}]}", 422,
         "Validation error in JSON body: [points[0].vector: must specify vectors to update for point]"},
        {"PUT", "/collections/c/points/vectors", "{\"points\":[{\"id\":555,\"vector\":" V "}]}", 404,
         "Not found: No point with id 555 found"},
        {"POST", "/collections/c/points/vectors/delete?wait=true", "{\"points\":[20,555],\"vector\":[\"\"]}",
         200, "~completed"},
        {"GET", "/collections/c/points/20", "", 200, "~\"vector\":{}"},
        {"POST", "/collections/c/points/vectors/delete", "{\"points\":[20],\"vector\":[\"x\"]}", 400,
         "Wrong input: Not existing vector name error: x"},
        {"POST", "/collections/c/points/vectors/delete", "{\"points\":[20],\"vectors\":[]}", 422,
         "~must not be empty"},
        {"POST", "/collections/c/points/vectors/delete", "{\"vector\":[\"\"]}", 400,
         "Bad request: No filter or points provided"},

        /* several operations at once */
        {"POST", "/collections/c/points/batch?wait=true", "{\"operations\":[]}", 200, "[]"},
        {"POST", "/collections/c/points/batch?wait=true",
         "{\"operations\":[{\"upsert\":{\"points\":[{\"id\":30,\"vector\":" V
         "}]}},{\"set_payload\":{\"payload\":{\"a\":1},\"points\":[30]}},"
         "{\"overwrite_payload\":{\"payload\":{\"b\":1,\"c\":2},\"points\":[30]}},{\"delete_payload\":{"
         "\"keys\":[\"b\"],\"points\":[30]}},"
         "{\"update_vectors\":{\"points\":[{\"id\":30,\"vector\":[5,6,7,8]}]}},{\"delete\":{\"points\":[22]}}"
         "]}",
         200, "~\"status\":\"completed\"},{\"operation_id\":"},
        {"GET", "/collections/c/points/30", "", 200,
         "{\"id\":30,\"payload\":{\"c\":2},\"vector\":[5.0,6.0,7.0,8.0]}"},
        {"POST", "/collections/c/points/batch?wait=true",
         "{\"operations\":[{\"clear_payload\":{\"points\":[30]}},{\"delete_vectors\":{\"points\":[30],"
         "\"vector\":[\"\"]}}]}",
         200, "~completed"},
        {"GET", "/collections/c/points/30", "", 200, "{\"id\":30,\"payload\":{},\"vector\":{}}"},
        {"POST", "/collections/c/points/batch",
         "{\"operations\":[{\"delete\":{\"points\":[30]}},{\"bad\":{}}]}", 400,
         "~operations[1]: an operation has"},
        {"POST", "/collections/c/points/batch",
         "{\"operations\":[{\"delete\":{\"points\":[30]},\"upsert\":{}}]}", 400,
         "~operations[0]: an operation has"},
        {"POST", "/collections/c/points/batch", "{\"operations\":[{\"upsert\":{\"points\":[{\"id\":1}]}}]}",
         400, "~operations[0].upsert.points[0]: missing field `vector`"},
        {"GET", "/collections/c/points/30", "", 200, "~\"id\":30"},
        {"GET", "/collections/c/points/22", "", 404, "~22"},
    };
    oct_database *database = api_test_open();

    RUN(database, steps);
    CHECK_OK(oct_close(database, NULL));
}

/* Goal:   named vectors are written, chosen and shown by name. */
TEST(named_vectors_are_kept_apart)
{
    static const step steps[] = {
        {"PUT", "/collections/n",
         "{\"vectors\":{\"a\":{\"size\":2,\"distance\":\"Cosine\"},\"b\":{\"size\":3,\"distance\":"
         "\"Manhattan\"}}}",
         200, "true"},
        {"PUT", "/collections/n/points?wait=true",
         "{\"points\":[{\"id\":1,\"vector\":{\"a\":[3,4],\"b\":[1,1,1]}},{\"id\":2,\"vector\":{\"b\":[9,9,9],"
         "\"b\":[2,2,2]}},"
         "{\"id\":3,\"vector\":{\"a\":[0,2]}}]}",
         200, "~completed"},
        {"POST", "/collections/n/points", "{\"ids\":[1,2,3],\"with_vector\":true}", 200,
         "[{\"id\":1,\"vector\":{\"a\":[0.6,0.8],\"b\":[1.0,1.0,1.0]}},{\"id\":2,\"vector\":{\"b\":[2.0,2.0,"
         "2.0]}},"
         "{\"id\":3,\"vector\":{\"a\":[0.0,1.0]}}]"},
        {"POST", "/collections/n/points", "{\"ids\":[1,2],\"with_vector\":[\"a\"]}", 200,
         "[{\"id\":1,\"vector\":{\"a\":[0.6,0.8]}},{\"id\":2,\"vector\":{}}]"},
        {"POST", "/collections/n/points/query", "{\"query\":[0,1],\"using\":\"a\",\"with_payload\":true}",
         200, "~{\"points\":[{\"id\":3,"},
        {"POST", "/collections/n/points/query", "{\"query\":[0,1]}", 400, "~Wrong input: "},
        {"POST", "/collections/n/points/query", "{\"query\":[0,1],\"using\":\"z\"}", 400,
         "Wrong input: Not existing vector name error: z"},
        {"POST", "/collections/n/points/query", "{\"query\":2,\"using\":\"b\"}", 200,
         "~{\"points\":[{\"id\":1,"},
        {"POST", "/collections/n/points/query", "{\"query\":2,\"using\":\"a\"}", 404,
         "Not found: Vector with name \"a\" for point not found"},
        {"POST", "/collections/n/points/search",
         "{\"vector\":{\"name\":\"b\",\"vector\":[0,0,0]},\"limit\":1,\"with_vectors\":[\"b\"]}", 200,
         "~\"score\":3.0,\"vector\":{\"b\":[1.0,1.0,1.0]}}]"},
        {"PUT", "/collections/n/points?wait=true",
         "{\"batch\":{\"ids\":[5,6],\"vectors\":{\"a\":[[1,0],[2,0]],\"b\":[[5,5,5],[6,6,6]]}}}", 200,
         "~completed"},
        {"POST", "/collections/n/points", "{\"ids\":[6],\"with_vector\":true}", 200,
         "[{\"id\":6,\"vector\":{\"a\":[1.0,0.0],\"b\":[6.0,6.0,6.0]}}]"},
        {"PUT", "/collections/n/points?wait=true",
         "{\"batch\":{\"ids\":[7],\"vectors\":{\"a\":[[1,0]],\"a\":[[0,1]]}}}", 200, "~completed"},
        {"POST", "/collections/n/points", "{\"ids\":[7],\"with_vector\":true}", 200,
         "[{\"id\":7,\"vector\":{\"a\":[0.0,1.0]}}]"},
        {"PUT", "/collections/n/points?wait=true", "{\"points\":[{\"id\":8,\"vector\":[1,2]}]}", 400,
         "~Wrong input: "},
        {"POST", "/collections/n/points/vectors/delete?wait=true", "{\"points\":[1],\"vector\":[\"a\"]}", 200,
         "~completed"},
        {"POST", "/collections/n/points", "{\"ids\":[1],\"with_vector\":true}", 200,
         "[{\"id\":1,\"vector\":{\"b\":[1.0,1.0,1.0]}}]"},
    };
    oct_database *database = api_test_open();

    RUN(database, steps);
    CHECK_OK(oct_close(database, NULL));
}

/* Goal:   searches, in both APIs, with every option of this version and the refusal of every other. */
TEST(searches_answer_and_refuse)
{
#define Q "/collections/s/points/query"
#define S "/collections/s/points/search"
    static const step steps[] = {
        {"PUT", "/collections/s", "{\"vectors\":{\"size\":2,\"distance\":\"Dot\"}}", 200, "true"},
        {"PUT", "/collections/s/points?wait=true",
         "{\"points\":[{\"id\":1,\"vector\":[1,0],\"payload\":{\"a\":1,\"b\":{\"c\":2}}},{\"id\":2,"
         "\"vector\":[2,0]},"
         "{\"id\":3,\"vector\":[0.25,8]},{\"id\":4,\"vector\":[0,4]}]}",
         200, "~completed"},
        {"POST", Q, "{\"query\":[1,0],\"limit\":2}", 200, "~{\"points\":[{\"id\":2,\"version\":"},
        {"POST", Q, "{\"query\":[1,0],\"limit\":2}", 200, "~,\"score\":2.0},{\"id\":1,\"version\":"},
        {"POST", Q, "{\"query\":[1,0],\"limit\":2}", 200, "~,\"score\":1.0}]}"},
        {"POST", Q,
         "{\"query\":{\"nearest\":[1,0]},\"limit\":1,\"offset\":1,\"with_payload\":[\"b.c\"],\"with_vector\":"
         "true}",
         200, "~,\"score\":1.0,\"payload\":{\"b\":{\"c\":2}},\"vector\":[1.0,0.0]}]}"},
        {"POST", Q, "{\"query\":[1,0],\"offset\":99}", 200, "{\"points\":[]}"},
        {"POST", Q, "{\"query\":[1,0],\"score_threshold\":1.0}", 200, "~,\"score\":2.0}]}"},
        {"POST", Q, "{\"query\":[1,0],\"score_threshold\":1e300}", 400, "~score_threshold: invalid value"},
        {"POST", Q, "{\"query\":3,\"limit\":1}", 200, "~{\"points\":[{\"id\":4,"},
        {"POST", Q, "{\"query\":3,\"limit\":1,\"lookup_from\":{\"collection\":\"s\"}}", 200,
         "~{\"points\":[{\"id\":4,"},
        {"POST", Q, "{\"query\":{\"nearest\":99}}", 404, "Not found: No point with id 99 found"},
        {"POST", Q, "{\"query\":\"f47ac10b-58cc-4372-a567-0e02b2c3d479\"}", 404,
         "Not found: No point with id f47ac10b-58cc-4372-a567-0e02b2c3d479 found"},
        {"POST", Q, "{\"query\":\"word\"}", 400, "~query: value \"word\" is not a valid point ID"},
        {"POST", Q, "{\"query\":1,\"lookup_from\":{\"collection\":\"zz\"}}", 404,
         "Not found: Collection zz not found"},
        {"PUT", "/collections/other", "{\"vectors\":{\"x\":{\"size\":2,\"distance\":\"Dot\"}}}", 200, "true"},
        {"PUT", "/collections/other/points?wait=true", "{\"points\":[{\"id\":4,\"vector\":{\"x\":[0,1]}}]}",
         200, "~completed"},
        {"POST", Q, "{\"query\":4,\"limit\":2,\"lookup_from\":{\"collection\":\"other\",\"vector\":\"x\"}}",
         200, "~,\"score\":4.0}]}"},
        {"POST", Q, "{\"query\":4,\"lookup_from\":{\"collection\":\"other\"}}", 400,
         "Wrong input: Not existing vector name error: "},
        {"POST", Q, "{\"limit\":2,\"offset\":1}", 200,
         "{\"points\":[{\"id\":2,\"version\":0,\"score\":1.0},{\"id\":3,\"version\":0,\"score\":1.0}]}"},
        {"POST", Q, "{\"offset\":99}", 200, "{\"points\":[]}"},
        {"POST", Q, "{\"limit\":1,\"with_payload\":true}", 200,
         "{\"points\":[{\"id\":1,\"version\":0,\"score\":1.0,\"payload\":{\"a\":1,\"b\":{\"c\":2}}}]}"},
        {"POST", Q, "{\"query\":[1,0],\"limit\":18446744073709551615,\"offset\":18446744073709551615}", 200,
         "{\"points\":[]}"},
        {"POST", Q, "{\"query\":[1,0],\"limit\":9999999999,\"with_payload\":false}", 200, "~\"id\":4"},
        {"POST", Q, "{\"query\":[1,0],\"limit\":0}", 422,
         "Validation error in JSON body: [internal.limit: value 0 invalid, must be 1 or larger]"},
        {"POST", Q, "{\"query\":[1,0,0]}", 400,
         "Wrong input: Vector dimension error: expected dim: 2, got 3"},
        {"POST", Q, "{\"query\":[]}", 422, "~dense vector must not be empty"},
        {"POST", Q, "{\"query\":[1,true]}", 400, "~query[1]: invalid type: boolean `true`"},
        {"POST", Q, "{\"query\":true}", 400, "~query: invalid type: boolean `true`"},
        {"POST", Q, "{\"query\":{\"nearest\":[1,0],\"fusion\":\"rrf\"}}", 400, "~exactly one kind"},
        {"POST", Q, "{\"query\":{\"unheard\":1}}", 400, "~query: invalid type: map"},
        {"POST", Q, "{\"query\":{\"indices\":[1],\"values\":[2.0]}}", 400,
         "Wrong input: Conversion between sparse and regular vectors failed"},
        {"POST", Q, "{\"query\":[[1,0],[0,1]]}", 400, "~Conversion between multi and regular vectors failed"},
        {"POST", Q, "{\"query\":{\"text\":\"x\",\"model\":\"m\"}}", 500,
         "~Service internal error: InferenceService URL not configured"},
        {"POST", Q, "{\"query\":[1,0],\"prefetch\":[],\"limit\":1}", 200, "~\"id\":2"},
        {"POST", Q, "{\"prefetch\":{\"query\":[1,0]}}", 400,
         "Bad request: A query is needed to merge the prefetches. Can't have prefetches without defining a "
         "query."},
        {"POST", Q, "{\"score_threshold\":0.5}", 400,
         "Bad request: A query is needed to use the score_threshold. Can't have score_threshold without "
         "defining a query."},
        {"POST", Q, "{\"query\":[1,0],\"filter\":{\"must_not\":{\"has_id\":[2]}},\"limit\":1}", 200,
         "~\"id\":1"},
        {"POST", Q, "{\"query\":[1,0],\"filter\":{},\"limit\":1}", 200, "~\"id\":2"},
        {"POST", Q, "{\"query\":[1,0],\"shard_key\":\"k\"}", 400, "Bad request: Shard key k not found"},
        {"POST", Q,
         "{\"query\":[1,0],\"limit\":1,\"params\":{\"hnsw_ef\":64,\"exact\":true,\"indexed_only\":false,"
         "\"quantization\":{\"ignore\":false,\"rescore\":true,\"oversampling\":2.0},\"acorn\":{\"enable\":"
         "true,\"max_selectivity\":0.4}}}",
         200, "~\"id\":2"},
        {"POST", Q, "{\"query\":[1,0],\"params\":{\"hnsw_ef\":0}}", 422,
         "~params.hnsw_ef: value 0 invalid, must be 1 or larger"},
        {"POST", Q, "{\"query\":[1,0],\"params\":{\"exact\":\"yes\"}}", 400, "~params.exact: invalid type"},
        {"POST", Q, "{\"query\":[1,0],\"params\":{\"quantization\":{\"oversampling\":0.5}}}", 422,
         "~oversampling: value 0.5 invalid, must be 1.0 or larger"},
        {"POST", Q, "{\"query\":[1,0],\"params\":{\"acorn\":{\"max_selectivity\":2}}}", 422,
         "~max_selectivity: value 2 invalid"},
        {"POST", Q, "{\"query\":[1,0],\"params\":{\"idf\":\"global\"}}", 400,
         "~`idf` requires a sparse vector"},
        {"POST", Q, "{\"query\":[1,0],\"params\":{\"hnsw_ef\":18446744073709551615},\"limit\":1}", 200,
         "~\"id\":2"},
        {"POST", Q, "{\"query\":[1,0],\"query\":[0,1]}", 400, "~duplicate field `query`"},
        {"POST", Q, "[]", 400, "~Format error in JSON body: invalid type: sequence"},
        {"POST", "/collections/zz/points/query", "{}", 404, "Not found: Collection `zz` doesn't exist!"},
        {"POST", Q "/batch",
         "{\"searches\":[{\"query\":[1,0],\"limit\":1},{\"query\":4,\"limit\":1},{\"limit\":1}]}", 200,
         "~,\"score\":32.0}]},{\"points\":[{\"id\":1,\"version\":0,\"score\":1.0}]}]"},
        {"POST", Q "/batch", "{\"searches\":[]}", 200, "[]"},
        {"POST", Q "/batch", "{\"searches\":[{\"query\":[1,0]},{\"query\":99}]}", 404,
         "Not found: No point with id 99 found"},
        {"POST", Q "/batch", "{\"searches\":[{\"query\":[1,0]},{\"query\":[true]}]}", 400,
         "~searches[1].query[0]: invalid type"},
        {"POST", Q "/batch", "{}", 400, "~missing field `searches`"},
        {"POST", S, "{\"vector\":[0,1],\"limit\":1}", 200, "~,\"score\":8.0}]"},
        {"POST", S, "{\"vector\":[0,1],\"top\":1,\"with_payload\":true}", 200,
         "~,\"score\":8.0,\"payload\":{}}]"},
        {"POST", S, "{\"vector\":{\"name\":\"\",\"vector\":[0,1]},\"limit\":1}", 200, "~,\"score\":8.0}]"},
        {"POST", S, "{\"vector\":[0,1]}", 400, "~missing field `limit`"},
        {"POST", S, "{\"limit\":3}", 400, "~missing field `vector`"},
        {"POST", S, "{\"vector\":[0,1],\"limit\":0}", 422, "~limit: value 0 invalid, must be 1 or larger"},
        {"POST", S, "{\"vector\":7,\"limit\":1}", 400, "~vector: invalid type: integer `7`"},
        {"POST", S, "{\"vector\":{\"name\":\"zz\",\"vector\":[0,1]},\"limit\":1}", 400,
         "Wrong input: Not existing vector name error: zz"},
        {"POST", S "/batch", "{\"searches\":[{\"vector\":[0,1],\"limit\":1},{\"vector\":[1,0],\"limit\":1}]}",
         200, "~,\"score\":8.0}],[{\"id\":2,"},
    };
    static const step euclid[] = {
        {"PUT", "/collections/e", "{\"vectors\":{\"size\":2,\"distance\":\"Euclid\"}}", 200, "true"},
        {"PUT", "/collections/e/points?wait=true",
         "{\"points\":[{\"id\":1,\"vector\":[3,4]},{\"id\":2,\"vector\":[0,1]}]}", 200, "~completed"},
        {"POST", "/collections/e/points/search", "{\"vector\":[0,0],\"limit\":5}", 200,
         "~[{\"id\":2,\"version\":"},
        {"POST", "/collections/e/points/search", "{\"vector\":[0,0],\"limit\":5}", 200,
         "~,\"score\":1.0},{\"id\":1,\"version\":"},
        {"POST", "/collections/e/points/search", "{\"vector\":[0,0],\"limit\":5}", 200, "~,\"score\":5.0}]"},
        {"POST", "/collections/e/points/search", "{\"vector\":[0,0],\"limit\":5,\"score_threshold\":5.0}",
         200, "~,\"score\":1.0}]"},
    };
    oct_database *database = api_test_open();

    RUN(database, steps);
    RUN(database, euclid);
    CHECK_OK(oct_close(database, NULL));
}

/* Goal:   memory is told by vector name and by index of the payload. */
TEST(memory_is_told_by_part)
{
    static const step steps[] = {
        {"PUT", "/collections/c", API_TEST_FOUR, 200, "true"},
        {"GET", "/collections/c/memory", "", 200, "~\"payload_index\":[],"},
        {"PUT", "/collections/c/points?wait=true", "{\"points\":[{\"id\":1,\"vector\":[1,2,3,4],\"payload\":{\"k\":\"v\",\"n\":7}}]}",
         200, "~completed"},
        {"PUT", "/collections/c/index?wait=true", "{\"field_name\":\"k\",\"field_schema\":\"keyword\"}", 200, "~completed"},
        {"PUT", "/collections/c/index?wait=true", "{\"field_name\":\"n\",\"field_schema\":\"integer\"}", 200, "~completed"},
        {"GET", "/collections/c", "", 200, "~\"payload_schema\":{"}, /* which asks the indexes, so that they are there */
        {"GET", "/collections/c/memory", "", 200, "~\"payload_index\":[{\"name\":\"k\",\"usage\":{\"disk_bytes\":0,\"ram_bytes\":"},
        {"GET", "/collections/c/memory", "", 200, "~{\"name\":\"n\",\"usage\":{\"disk_bytes\":0,\"ram_bytes\":"},
    };
    oct_database    *database = api_test_open();
    oct_collection  *collection;
    oct_memory_info  memory;
    uint64_t         bytes = 0;

    RUN(database, steps);
    CHECK_OK(oct_collection_open(database, (oct_slice){"c", 1}, &collection, NULL));
    oct_collection_memory(collection, &memory);
    for (size_t i = 0; i < memory.count; i++)
        bytes += strcmp(memory.parts[i].name, "fields") == 0 ? memory.parts[i].memory_bytes : 0;
    CHECK(bytes > 0);
    oct_collection_close(collection);
    CHECK_OK(oct_close(database, NULL));
}

/* Goal:   the service speaks of itself; unknown routes are told what there is. */
TEST(service_routes)
{
    static const step steps[] = {
        {"GET", "/", "", 200,
         "~{\"title\":\"qdrant - vector search engine\",\"version\":\"1.19.0\",\"commit\":\""},
        {"HEAD", "/healthz", "", 200, "healthz check passed"},
        {"GET", "/livez", "", 200, "healthz check passed"},
        {"GET", "/readyz", "", 200, "all shards are ready"},
        {"GET", "/cluster", "", 200, "{\"status\":\"disabled\"}"},
        {"POST", "/cluster/recover", "", 405, "Qdrant is running in standalone mode"},
        {"PUT", "/collections/c/shards", "{}", 404, "Not found: Collection `c` doesn't exist!"},
        {"DELETE", "/cluster/peer/7?force=true", "", 405, "Qdrant is running in standalone mode"},
        {"GET", "/issues", "", 200, "{\"issues\":[]}"},
        {"DELETE", "/issues", "", 200, "true"},
        {"GET", "/telemetry", "", 200,
         "~\"collections\":{\"number_of_collections\":0},\"cluster\":{\"enabled\":false}"},
        {"GET", "/telemetry", "", 200, "~\"GET /telemetry\":{\"200\":{\"count\":"},
        {"GET", "/telemetry?details_level=-1", "", 400, "~Deserialize error in query parameters"},
        {"GET", "/metrics", "", 200, "~\ncollections_total 0\n"},
        {"GET", "/metrics", "", 200,
         "~rest_responses_total{method=\"GET\",endpoint=\"/telemetry\",status=\"200\"} "},
        {"GET", "/locks", "", 404, "Not found: no such route: GET /locks"},
        {"GET", "", "", 200, "~qdrant"},
        {"PATCH", "/collections/c/points", "", 404,
         "Not found: no such route: PATCH /collections/c/points; this path takes PUT, POST"},
        {"GET", "/a/b/c/d/e/f/g/h/i", "", 404, "~no such route"},
        {"GET", "/collections/%ff", "", 400, "Deserialize error in path parameters: invalid UTF-8"},
        {"GET", "/collections/a%zz%2", "", 404, "Not found: Collection `a%zz%2` doesn't exist!"},
        {"GET", "/collections?a=%c3", "", 400, "Deserialize error in query parameters: invalid UTF-8"},
        {"GET", "/collections?a=1&b&&c=+%20", "", 200, "~collections"},
        {"GET", "/collections?1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&17", "", 400,
         "~more than 16 parameters"},
    };
    oct_database *database = api_test_open();

    RUN(database, steps);
    CHECK_OK(oct_close(database, NULL));
}

/* Goal:   every route answers something other than 404 of its own path and 500, with and without a body. */
TEST(every_route_answers)
{
    oct_database *database = api_test_open();
    char          target[256], text[API_TEST_TEXT_MAX];

    CHECK_INT(call(database, "PUT", "/collections/1", FOUR, text, sizeof text), 200);
    CHECK_INT(call(database, "PUT", "/collections/1/points?wait=true",
                   "{\"points\":[{\"id\":1,\"vector\":[1,2,3,4]}]}", text, sizeof text),
              200);
    for (const api_route *route = api_routes; route->method != NULL; route++) {
        static const char *const bodies[] = {"", "{}", "null", "{\"points\":[1]}"};
        size_t                   size = 0;

        for (const char *c = route->pattern; *c != '\0'; c++) { /* every {name} becomes 1 */
            if (*c == '{') {
                target[size++] = '1';
                c = strchr(c, '}');
            } else {
                target[size++] = *c;
            }
        }
        target[size] = '\0';
        if (strcmp(route->method, "DELETE") == 0 && strcmp(target, "/collections/1") == 0)
            continue;
        for (size_t i = 0; i < countof(bodies); i++) {
            const int status = call(database, route->method, target, bodies[i], text, sizeof text);

            CHECK_MSG(status != 404 || strstr(text, "no such route") == NULL, "%s %s: %s", route->method,
                      target, text);
            CHECK_MSG(status != 500, "%s %s: %s", route->method, target, text);
        }
    }
    CHECK_OK(oct_close(database, NULL));
}

typedef struct caller {
    oct_database *database;
    pthread_t     thread;
    uint64_t      number;
    uint64_t      wrong; /* answers that were not as expected */
} caller;

static void *
call_in_a_loop(void *context)
{
    caller *self = context;
    char    body[256], text[4096], own[64];

    for (uint64_t i = 0; i < 200; i++) {
        const unsigned long long id = self->number * 1000 + i;

        (void)snprintf(body, sizeof body, "{\"points\":[{\"id\":%llu,\"vector\":[%llu,1,%llu,3]}]}", id,
                       id % 7, id);
        self->wrong +=
            call(self->database, "PUT", "/collections/p/points?wait=true", body, text, sizeof text) != 200;
        (void)snprintf(body, sizeof body, "{\"ids\":[%llu]}", id);
        (void)snprintf(own, sizeof own, "[{\"id\":%llu}]", id);
        self->wrong +=
            call(self->database, "POST", "/collections/p/points", body, text, sizeof text) != 200 ||
            strcmp(text, own) != 0;
        (void)snprintf(body, sizeof body, "{\"query\":[0,0,1,0],\"limit\":3}");
        self->wrong +=
            call(self->database, "POST", "/collections/p/points/query", body, text, sizeof text) != 200;
        if (i % 50 == 0)
            self->wrong +=
                call(self->database, "GET", "/telemetry?details_level=1", "", text, sizeof text) != 200;
    }
    return NULL;
}

/* Goal:   calls of many threads do not disturb each other, and each sees its own acknowledged write.
 * Method: four threads write, read back and search one collection; run it under TSan too. */
TEST(calls_of_many_threads_run_side_by_side)
{
    oct_database *database = api_test_open();
    caller        callers[4];
    char          text[1024];

    CHECK_INT(call(database, "PUT", "/collections/p", FOUR, text, sizeof text), 200);
    for (size_t i = 0; i < countof(callers); i++) {
        callers[i] = (caller){.database = database, .number = i};
        CHECK_INT(pthread_create(&callers[i].thread, NULL, call_in_a_loop, &callers[i]), 0);
    }
    for (size_t i = 0; i < countof(callers); i++) {
        (void)pthread_join(callers[i].thread, NULL);
        CHECK_INT(callers[i].wrong, 0);
    }
    CHECK_INT(call(database, "POST", "/collections/p/points/count", "{}", text, sizeof text), 200);
    CHECK_TEXT(text, "{\"count\":800}");
    CHECK_OK(oct_close(database, NULL));
}
