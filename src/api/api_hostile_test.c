/* The REST API against bodies that no honest client sends. Seeds stand in the comments. */
#include "api/api_test.h"

static int
call(oct_database *database, const char *method, const char *target, const char *body, char *text,
     size_t size)
{
    return api_test_call(database, method, target, slice_of(body), text, size);
}

static const char *const valid_bodies[][3] = {
    {"PUT", "/collections/c/points",
     "{\"points\":[{\"id\":7,\"vector\":[1,-2.5,3e1,4],\"payload\":{\"t\":\"h\\u00e9\xC3\xA9\",\"l\":[{},"
     "null]}}]}"},
    {"PUT", "/collections/c/points",
     "{\"batch\":{\"ids\":[1],\"vectors\":{\"\":[[1,2,3,4]]},\"payloads\":[{\"a\":1}]},\"shard_key\":null}"},
    {"POST", "/collections/c/points/query",
     "{\"query\":{\"nearest\":[1,2,3,4]},\"using\":\"\",\"filter\":{\"must\":[]},\"params\":{\"hnsw_ef\":1,"
     "\"exact\":false,\"quantization\":{\"ignore\":true}},\"limit\":3,\"offset\":0,\"with_payload\":{"
     "\"include\":[\"a\"]},\"with_vector\":[\"\"],"
     "\"lookup_from\":{\"collection\":\"c\"},\"score_threshold\":0.5}"},
    {"POST", "/collections/c/points/search/batch",
     "{\"searches\":[{\"vector\":{\"name\":\"\",\"vector\":[1,2,3,4]},\"limit\":3,\"with_vector\":true}]}"},
    {"POST", "/collections/c/points/scroll",
     "{\"offset\":\"f47ac10b58cc4372a5670e02b2c3d479\",\"limit\":2,\"with_payload\":[\"a.b[]\"]}"},
    {"POST", "/collections/c/points/scroll",
     "{\"filter\":{\"must\":[{\"key\":\"a[].b\",\"match\":{\"any\":[1,2]}},{\"key\":\"t\",\"match\":{"
     "\"text\":\"x\"},"
     "\"range\":{\"gte\":1.5}},{\"key\":\"d\",\"range\":{\"lt\":\"2024-01-01T00:00:00Z\"}},{\"has_id\":[1]}],"
     "\"should\":{\"nested\":{\"key\":\"n\",\"filter\":{\"must_not\":{\"is_null\":{\"key\":\"k\"}}}}},\"must_"
     "not\":["
     "{\"is_empty\":{\"key\":\"e\"}},{\"has_vector\":\"\"},{\"slice\":{\"total\":3,\"index\":1}},{\"should\":"
     "[]}],"
     "\"min_should\":{\"conditions\":[{\"key\":\"l\",\"values_count\":{\"gt\":1}}],\"min_count\":1}}}"},
    {"POST", "/collections/c/points/count",
     "{\"filter\":{\"should\":[{\"key\":\"g\",\"geo_radius\":{\"center\":{\"lon\":1,\"lat\":2},\"radius\":3}}"
     ",{\"key\":\"g\","
     "\"geo_bounding_box\":{\"top_left\":{\"lon\":0,\"lat\":2},\"bottom_right\":{\"lon\":2,\"lat\":0}}},{"
     "\"key\":\"g\","
     "\"geo_polygon\":{\"exterior\":{\"points\":[{\"lon\":0,\"lat\":0},{\"lon\":1,\"lat\":0},{\"lon\":1,"
     "\"lat\":1},"
     "{\"lon\":0,\"lat\":0}]},\"interiors\":[]}}]},\"exact\":true}"},
    {"POST", "/collections/c/points/payload",
     "{\"payload\":{\"z\":1},\"filter\":{\"must\":{\"key\":\"a\",\"is_null\":true}}}"},
    {"POST", "/collections/c/points",
     "{\"ids\":[1,2],\"with_vector\":true,\"with_payload\":{\"exclude\":[\"x\"]}}"},
    {"POST", "/collections/c/points/batch",
     "{\"operations\":[{\"set_payload\":{\"payload\":{\"a\":{}},\"points\":[7],\"key\":\"b\"}},"
     "{\"delete_vectors\":{\"points\":[7],\"vector\":[\"\"]}},{\"update_vectors\":{\"points\":[{\"id\":7,"
     "\"vector\":{\"\":[1,2,3,4]}}]}}]}"},
    {"PUT", "/collections/new",
     "{\"vectors\":{\"a\":{\"size\":4,\"distance\":\"Cosine\",\"hnsw_config\":{\"m\":3}}},\"optimizers_"
     "config\":"
     "{\"max_optimization_threads\":\"auto\"},\"quantization_config\":{\"scalar\":{\"type\":\"int8\","
     "\"quantile\":0.9}},\"metadata\":{\"k\":[1]}}"},
    {"PATCH", "/collections/c",
     "{\"params\":{\"on_disk_payload\":true},\"vectors\":{\"\":{\"hnsw_config\":{}}},\"metadata\":{\"a\":"
     "null}}"},
    {"POST", "/collections/c/points/query",
     "{\"prefetch\":[{\"query\":{\"recommend\":{\"positive\":[7],\"negative\":[[1,2,3,4]],\"strategy\":"
     "\"best_score\"}},"
     "\"limit\":3,\"prefetch\":{\"limit\":9}},{\"query\":{\"nearest\":[1,2,3,4],\"mmr\":{\"diversity\":0.5,"
     "\"candidates_limit\":3}}}],\"query\":{\"rrf\":{\"k\":2,\"weights\":[1,2]}},\"filter\":{\"must\":[]}}"},
    {"POST", "/collections/c/points/query/batch",
     "{\"searches\":[{\"query\":{\"discover\":{\"target\":7,\"context\":[{\"positive\":[1,2,3,4],"
     "\"negative\":8}]}}},"
     "{\"query\":{\"context\":{\"positive\":7,\"negative\":8}}},{\"query\":{\"relevance_feedback\":{"
     "\"target\":"
     "[1,2,3,4],\"feedback\":[{\"example\":7,\"score\":0.5}],\"strategy\":{\"naive\":{\"a\":1,\"b\":1,\"c\":"
     "1}}}}},"
     "{\"query\":{\"sample\":\"random\"}}]}"},
    {"POST", "/collections/c/points/query",
     "{\"prefetch\":{\"query\":[1,2,3,4]},\"query\":{\"formula\":{\"sum\":[\"$score\",{\"div\":{\"left\":"
     "\"w\","
     "\"right\":2,\"by_zero_default\":1}},{\"exp_decay\":{\"x\":3,\"target\":1,\"scale\":2,\"midpoint\":0.5}}"
     ","
     "{\"neg\":{\"geo_distance\":{\"origin\":{\"lon\":1,\"lat\":2},\"to\":\"p\"}}},{\"key\":\"a\",\"is_"
     "null\":true}]},"
     "\"defaults\":{\"w\":1,\"p\":{\"lon\":0,\"lat\":0}}}}"},
    {"POST", "/collections/c/points/query/groups",
     "{\"query\":7,\"group_by\":\"a.b\",\"group_size\":2,\"limit\":3,\"with_lookup\":{\"collection\":\"c\","
     "\"with_payload\":[\"a\"],\"with_vectors\":true}}"},
    {"POST", "/collections/c/points/search/matrix/offsets", "{\"sample\":5,\"limit\":2,\"using\":\"\"}"},
    {"POST", "/collections/c/points/discover",
     "{\"target\":7,\"context\":[{\"positive\":[1,2,3,4],\"negative\":8}],\"limit\":3,\"offset\":0}"},
    {"POST", "/collections/aliases",
     "{\"actions\":[{\"create_alias\":{\"collection_name\":\"c\",\"alias_name\":\"z\"}},"
     "{\"delete_alias\":{\"alias_name\":\"z\"}}]}"},
};

static oct_database *
open_with_points(void)
{
    oct_database *database = api_test_open();
    char          text[1024];

    CHECK_INT(call(database, "PUT", "/collections/c", API_TEST_FOUR, text, sizeof text), 200);
    CHECK_INT(call(database, "PUT", "/collections/c/points?wait=true",
                   "{\"points\":[{\"id\":7,\"vector\":[1,2,3,4],\"payload\":{\"a\":{\"b\":[1]}}},{\"id\":8,"
                   "\"vector\":[4,3,2,1]}]}",
                   text, sizeof text),
              200);
    return database;
}

/* Goal:   a body cut anywhere is a format error, never a crash and never half a write.
 * Method: every prefix of valid bodies of many routes. */
TEST(truncated_bodies_are_format_errors)
{
    oct_database *database = open_with_points();
    char          text[API_TEST_TEXT_MAX];

    for (size_t i = 0; i < countof(valid_bodies); i++) {
        const char *const *one = valid_bodies[i];

        for (size_t cut = 0; cut < strlen(one[2]); cut++) {
            const int status =
                api_test_call(database, one[0], one[1], (oct_slice){one[2], cut}, text, sizeof text);

            CHECK_MSG(status == 400 && strncmp(text, "Format error in JSON body: ", 27) == 0,
                      "%s cut at %zu: %d %s", one[2], cut, status, text);
        }
        CHECK_INT(call(database, one[0], one[1], one[2], text, sizeof text), 200);
    }
    CHECK_OK(oct_close(database, NULL));
}

/* Goal:   a value of the wrong kind anywhere is an answer: 200, or an error of the caller's, never of ours.
 * Method: each value of each valid body is replaced by each of a list of others. */
TEST(wrong_values_anywhere_are_answered)
{
    static const char *const wrong[] = {"null",
                                        "true",
                                        "-1",
                                        "0",
                                        "1.5",
                                        "18446744073709551616",
                                        "1e400",
                                        "-1e39",
                                        "\"\"",
                                        "\"\\u0000\"",
                                        "\"x\"",
                                        "[]",
                                        "{}",
                                        "[[]]",
                                        "{\"\":{}}",
                                        "[null]",
                                        "[1,[2]]",
                                        "{\"text\":\"a\",\"model\":\"b\"}",
                                        "{\"indices\":[3,3],\"values\":[1,2]}"};
    oct_database            *database = open_with_points();
    char                     body[API_TEST_TEXT_MAX], text[API_TEST_TEXT_MAX];
    int                      answers[2] = {0, 0};

    for (size_t i = 0; i < countof(valid_bodies); i++) {
        const char *const whole = valid_bodies[i][2];

        for (const char *at = whole; *at != '\0'; at++) {
            const char *end = at;
            size_t      depth = 0;

            /* a value begins behind ':', '[' or a comma of an array; find its end by counting brackets */
            if (at == whole || (at[-1] != ':' && at[-1] != '[' && at[-1] != ',') || *at == ']')
                continue;
            for (bool quoted = false; *end != '\0'; end++) {
                if (*end == '"' && (end == at || end[-1] != '\\'))
                    quoted = !quoted;
                if (quoted)
                    continue;
                if (depth == 0 && (*end == ',' || *end == ']' || *end == '}' || *end == ':'))
                    break;
                if (*end == '[' || *end == '{')
                    depth++;
                if (*end == ']' || *end == '}')
                    depth--;
            }
            for (size_t k = 0; k < countof(wrong); k++) {
                int status;

                (void)snprintf(body, sizeof body, "%.*s%s%s", (int)(at - whole), whole, wrong[k], end);
                status = call(database, valid_bodies[i][0], valid_bodies[i][1], body, text, sizeof text);
                /* Of the failures of a server, only that there is no service for a model. */
                CHECK_MSG(status == 200 || (status >= 400 && status < 500) || status == 501 ||
                              strstr(text, "InferenceService URL not configured") != NULL,
                          "%s gives %d %s", body, status, text);
                answers[status == 200]++;
            }
            (void)call(database, "DELETE", "/collections/new", "", text, sizeof text);
        }
    }
    CHECK_MSG(answers[0] > 1000 && answers[1] > 50, "%d refused, %d accepted", answers[0], answers[1]);
    CHECK_OK(oct_close(database, NULL));
}

/* Goal:   bytes that no client sends are answered too.
 * Method: 20,000 bodies, each with a few bytes changed, inserted or removed, seed 5. */
TEST(damaged_bodies_are_answered)
{
    oct_database *database = open_with_points();
    test_rng      rng = test_rng_seed(5);
    char          body[2048], text[API_TEST_TEXT_MAX];

    for (int round = 0; round < 20000; round++) {
        const char *const *one = valid_bodies[test_below(&rng, countof(valid_bodies))];
        size_t             size = strlen(one[2]);
        int                status;

        memcpy(body, one[2], size);
        for (uint64_t edits = 1 + test_below(&rng, 4); edits > 0; edits--) {
            const size_t      at = test_below(&rng, size);
            static const char marks[] = "{}[]\",:0-.e\\ ";

            switch (test_below(&rng, 3)) {
            case 0:
                body[at] = test_below(&rng, 2) == 0 ? marks[test_below(&rng, sizeof marks - 1)]
                                                    : (char)test_u64(&rng);
                break;
            case 1:
                memmove(body + at + 1, body + at, size++ - at);
                body[at] = marks[test_below(&rng, sizeof marks - 1)];
                break;
            default:
                memmove(body + at, body + at + 1, --size - at);
                break;
            }
        }
        status = api_test_call(database, one[0], one[1], (oct_slice){body, size}, text, sizeof text);
        CHECK_MSG(status == 200 || (status >= 400 && status < 500) || status == 501, "%.*s gives %d %s",
                  (int)size, body, status, text);
        if (round % 100 == 0)
            (void)call(database, "DELETE", "/collections/new", "", text, sizeof text);
    }
    CHECK_OK(oct_close(database, NULL));
}

/* Goal:   nesting is bounded, so no body can exhaust the stack; invalid UTF-8 is refused. */
TEST(deep_nesting_and_invalid_utf8_are_refused)
{
    oct_database *database = open_with_points();
    static char   body[400000], text[API_TEST_TEXT_MAX];
    const size_t  depths[] = {100, 500, 100000};

    for (size_t i = 0; i < countof(depths); i++) {
        const size_t depth = depths[i];
        size_t       size = 0;

        size += (size_t)snprintf(body, sizeof body,
                                 "{\"points\":[{\"id\":1,\"vector\":[1,2,3,4],\"payload\":{\"a\":");
        memset(body + size, '[', depth);
        size += depth;
        memset(body + size, ']', depth);
        size += depth;
        size += (size_t)snprintf(body + size, sizeof body - size, "}}]}");
        CHECK_INT(api_test_call(database, "PUT", "/collections/c/points?wait=true", (oct_slice){body, size},
                                text, sizeof text),
                  depth == 100 ? 200 : 400);
        CHECK_INT(api_test_call(database, "PUT", "/collections/c/points", (oct_slice){body, size / 2}, text,
                                sizeof text),
                  400);
    }
    for (size_t i = 0; i < 100000; i++)
        memcpy(body + 4 * i, "{\"a\"", 4);
    CHECK_INT(api_test_call(database, "POST", "/collections/c/points/query", (oct_slice){body, 400000}, text,
                            sizeof text),
              400);
    CHECK_INT(
        call(database, "POST", "/collections/c/points/query", "{\"using\":\"\xFF\"}", text, sizeof text),
        400);
    CHECK_INT(
        call(database, "POST", "/collections/c/points/query", "{\"using\":\"\xC0\x80\"}", text, sizeof text),
        400);
    CHECK_INT(call(database, "POST", "/collections/c/points/query", "\xEF\xBB\xBF{}", text, sizeof text),
              400);
    CHECK_OK(oct_close(database, NULL));
}

/* Goal:   out of memory is an answer with an envelope. Of reads: what a write does then is the engine's test.
 * Method: every allocation of some requests fails in turn. */
TEST(reads_survive_every_failed_allocation)
{
    static const char *const requests[][3] = {
        {"POST", "/collections/c/points/query",
         "{\"query\":7,\"with_payload\":[\"a\"],\"with_vector\":true,\"limit\":2}"},
        {"POST", "/collections/c/points/query/batch",
         "{\"searches\":[{\"prefetch\":[{\"query\":7}],\"query\":{\"fusion\":\"rrf\"}},{\"prefetch\":{"
         "\"query\":8},"
         "\"query\":{\"formula\":\"$score\"}}]}"},
        {"POST", "/collections/c/points/query/groups",
         "{\"query\":7,\"group_by\":\"a.b\",\"with_lookup\":\"c\"}"},
        {"POST", "/collections/c/points/search/matrix/pairs", "{}"},
        {"POST", "/collections/c/points/scroll", "{\"with_vector\":true}"},
        {"GET", "/collections/c", ""},
        {"GET", "/telemetry?details_level=2", ""},
    };
    oct_database *database = open_with_points();
    char          text[API_TEST_TEXT_MAX];

    for (size_t i = 0; i < countof(requests); i++)
        for (uint64_t count = 0; count < 1000; count++) {
            const oct_api_request request = {slice_of(requests[i][0]), slice_of(requests[i][1]),
                                             slice_of(requests[i][2]), NULL};
            oct_api_response      response;
            int                   status;

            oct_alloc_fail_after(count, true);
            oct_api_call(database, &request, &response);
            oct_alloc_fail_after(UINT64_MAX, false);
            status = response.status;
            (void)snprintf(text, sizeof text, "%s", response.body.data);
            oct_api_response_clear(&response);
            CHECK_MSG(status == 200 || (status == 500 && strstr(text, "out of memory") != NULL),
                      "%s: allocation %llu gives %d %s", requests[i][1], (unsigned long long)count, status,
                      text);
            if (status == 200)
                break;
        }
    CHECK_OK(oct_close(database, NULL));
}
