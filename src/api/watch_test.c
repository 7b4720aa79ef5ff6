/* What is kept of requests: slow ones, fields that want an index, counts by collection and of gRPC.
 * Goal:   each is told once, in its shape, of this database only, and within its bounds; nothing is told while nothing is slow.
 * Method: every request is made slow by oct_api_slow_after(0); requests over REST and gRPC against the engine in memory. */
#include "api/api_test.h"
#include "api/grpc.h"

#define S(text_) ((oct_slice){(text_), sizeof(text_) - 1})

static char text[4u << 20]; /* telemetry and metrics tell of all that was asked in this process */

static int
ask(oct_database *database, const char *method, const char *target, const char *body)
{
    return api_test_call(database, method, target, slice_of(body), text, sizeof text);
}

static oct_database *
open_with_points(const char *name)
{
    oct_database *database = api_test_open();
    char          target[128];

    (void)snprintf(target, sizeof target, "/collections/%s", name);
    CHECK_INT(ask(database, "PUT", target, API_TEST_FOUR), 200);
    (void)snprintf(target, sizeof target, "/collections/%s/points?wait=true", name);
    CHECK_INT(ask(database, "PUT", target, "{\"points\":[{\"id\":1,\"vector\":[1,2,3,4],\"payload\":{\"k\":\"x\",\"n\":2}}]}"), 200);
    return database;
}

static size_t
count_of(const char *part)
{
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        count++;
    return count;
}

TEST(slow_filters_on_fields_without_an_index_are_issues)
{
    static const char count_by_k[] = "{\"filter\":{\"must\":[{\"key\":\"k\",\"match\":{\"value\":\"x\"}}]}}";
    oct_database     *database = open_with_points("a b"), *other;

    CHECK_INT(ask(database, "POST", "/collections/a%20b/points/count", count_by_k), 200);
    CHECK_INT(ask(database, "GET", "/issues", ""), 200);
    CHECK_TEXT(text, "{\"issues\":[]}"); /* it was quick */
    oct_api_slow_after(0);
    CHECK_INT(ask(database, "POST", "/collections/a%20b/points/count", count_by_k), 200);
    CHECK_INT(ask(database, "POST", "/collections/a%20b/points/count", count_by_k), 200);
    CHECK_INT(ask(database, "GET", "/issues", ""), 200);
    CHECK_INT(count_of("UNINDEXED_FIELD/"), 1);
    CHECK(strstr(text, "{\"issues\":[{\"id\":\"UNINDEXED_FIELD/a b/k\",\"description\":\"") == text);
    CHECK(strstr(text, "\"solution\":{\"immediate_choice\":[{\"message\":\"Create an index on field 'k' of schema keyword in "
                       "collection 'a b'\",\"action\":{\"method\":\"PUT\",\"uri\":\"/collections/a%20b/index\",\"headers\":{\"content-"
                       "type\":\"application/json\"},\"body\":{\"field_name\":\"k\",\"field_schema\":\"keyword\"}}},") != NULL);
    CHECK(strstr(text, "\"related_collection\":\"a b\"}]}") != NULL);

    /* Of prefetches, nested filters and writes, too; one type is no choice. */
    CHECK_INT(ask(database, "POST", "/collections/a%20b/points/query",
                  "{\"prefetch\":[{\"query\":[1,2,3,4],\"filter\":{\"should\":[{\"nested\":{\"key\":\"list\",\"filter\":{\"must\":[{"
                  "\"key\":\"d\",\"range\":{\"gt\":\"2020-01-01\"}}]}}}]}}],\"query\":[1,2,3,4]}"),
              200);
    CHECK_INT(ask(database, "POST", "/collections/a%20b/points/delete",
                  "{\"filter\":{\"must_not\":[{\"is_null\":{\"key\":\"k\"}},{\"key\":\"place\",\"geo_radius\":{\"center\":{\"lon\":1,"
                  "\"lat\":2},\"radius\":3}}],\"must\":[{\"has_id\":[77]}]}}"),
              200);
    CHECK_INT(ask(database, "GET", "/issues", ""), 200);
    CHECK_INT(count_of("UNINDEXED_FIELD/"), 3);
    CHECK(strstr(text, "UNINDEXED_FIELD/a b/list[].d") != NULL);
    CHECK(strstr(text, "\"solution\":{\"immediate\":{\"message\":\"Create an index on field 'place' of schema geo") != NULL);

    /* An index solves it; so does a clearing, and the end of the collection. */
    CHECK_INT(ask(database, "PUT", "/collections/a%20b/index?wait=true", "{\"field_name\":\"place\",\"field_schema\":\"geo\"}"), 200);
    CHECK_INT(ask(database, "GET", "/issues", ""), 200);
    CHECK_INT(count_of("UNINDEXED_FIELD/"), 2);
    other = open_with_points("a b");
    CHECK_INT(ask(other, "GET", "/issues", ""), 200);
    CHECK_TEXT(text, "{\"issues\":[]}");
    CHECK_INT(ask(other, "DELETE", "/issues", ""), 200);
    CHECK_INT(ask(database, "GET", "/issues", ""), 200);
    CHECK_INT(count_of("UNINDEXED_FIELD/"), 2);
    CHECK_INT(ask(database, "DELETE", "/issues", ""), 200);
    CHECK_TEXT(text, "true");
    CHECK_INT(ask(database, "GET", "/issues", ""), 200);
    CHECK_TEXT(text, "{\"issues\":[]}");
    CHECK_INT(ask(database, "POST", "/collections/a%20b/points/count", count_by_k), 200);
    CHECK_INT(ask(database, "DELETE", "/collections/a%20b", ""), 200);
    CHECK_INT(ask(database, "GET", "/issues", ""), 200);
    CHECK_TEXT(text, "{\"issues\":[]}");
    oct_api_slow_after(1u << 30);
    CHECK_OK(oct_close(database, NULL));
    CHECK_OK(oct_close(other, NULL));
}

TEST(issues_are_bounded)
{
    oct_database *database = open_with_points("c");
    char          body[128];

    oct_api_slow_after(0);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(body, sizeof body, "{\"filter\":{\"must\":[{\"key\":\"f%d\",\"match\":{\"value\":true}}]}}", i);
        CHECK_INT(ask(database, "POST", "/collections/c/points/count", body), 200);
    }
    CHECK_INT(ask(database, "GET", "/issues", ""), 200);
    CHECK_INT(count_of("\"id\":"), 64);
    CHECK(strstr(text, "UNINDEXED_FIELD/c/f199") != NULL && strstr(text, "UNINDEXED_FIELD/c/f100\"") == NULL);
    oct_api_slow_after(1u << 30);
    CHECK_OK(oct_close(database, NULL));
}

TEST(slow_requests_are_listed_longest_first)
{
    oct_database *database = open_with_points("c");
    char          body[4096];
    size_t        size;
    double        last = 1e9;

    CHECK_INT(ask(database, "GET", "/profiler/slow_requests", ""), 200);
    CHECK_TEXT(text, "{\"requests\":[]}");
    oct_api_slow_after(0);
    CHECK_INT(ask(database, "POST", "/collections/c/points/query", "{ \"query\": [1,2,3,4], \"limit\": 1 }"), 200);
    CHECK_INT(ask(database, "POST", "/collections/c/points/query", "{\"query\":[1,2,3,4],\"limit\":1}"), 200);
    CHECK_INT(ask(database, "POST", "/collections/c/points/query", "{\"query\":[1,2,3],\"limit\":1}"), 400); /* not kept */
    CHECK_INT(ask(database, "GET", "/collections/c", ""), 200);                                              /* not of points */
    CHECK_INT(ask(database, "GET", "/profiler/slow_requests", ""), 200);
    CHECK_INT(count_of("request_name"), 1);
    CHECK(strstr(text, "{\"requests\":[{\"request_name\":\"POST /collections/{collection_name}/points/query\",\"collection_name\":"
                       "\"c\",\"duration\":") == text);
    CHECK(strstr(text, "\"approx_count\":2,\"request_body\":{\"query\":[1,2,3,4],\"limit\":1}}]}") != NULL);

    /* Writes, too. */
    CHECK_INT(ask(database, "PUT", "/collections/c/points?wait=true",
                  "{\"points\":[{\"id\":7,\"vector\":[0.5,-1e-3,3,4],\"payload\":{\"a\":[1,{}]}}]}"),
              200);
    CHECK_INT(ask(database, "GET", "/profiler/slow_requests?request=PUT", ""), 200);
    CHECK(strstr(text, "\"request_body\":{\"points\":[{\"id\":7,\"vector\":[0.5,-0.001,3,4],\"payload\":{\"a\":[1,{}]}}]}}]}") !=
          NULL);

    /* A long one is cut, and is a string. */
    size = (size_t)snprintf(body, sizeof body, "{\"ids\":[1");
    for (int i = 0; i < 1200; i++)
        size += (size_t)snprintf(body + size, sizeof body - size, ",%d", i % 10);
    (void)snprintf(body + size, sizeof body - size, "]}");
    CHECK_INT(ask(database, "POST", "/collections/c/points", body), 200);
    CHECK_INT(ask(database, "GET", "/profiler/slow_requests?request=points&limit=5", ""), 200);
    CHECK_INT(count_of("request_name"), 3);
    CHECK(strstr(text, "\"request_body\":\"{\\\"ids\\\":[1,0,1,2") != NULL);
    CHECK_INT(ask(database, "GET", "/profiler/slow_requests?request=scroll", ""), 200);
    CHECK_TEXT(text, "{\"requests\":[]}");

    for (int i = 0; i < 200; i++) {
        (void)snprintf(body, sizeof body, "{\"limit\":%d}", i + 1);
        CHECK_INT(ask(database, "POST", "/collections/c/points/scroll", body), 200);
    }
    CHECK_INT(ask(database, "GET", "/profiler/slow_requests?limit=1000", ""), 200);
    CHECK(count_of("request_name") >= 16 && count_of("request_name") <= 64); /* other databases of this process have theirs */
    for (const char *at = text; (at = strstr(at, "\"duration\":")) != NULL;) {
        const double duration = strtod(at += strlen("\"duration\":"), NULL);

        CHECK(duration <= last);
        last = duration;
    }
    CHECK_INT(ask(database, "GET", "/profiler/slow_requests?limit=3", ""), 200);
    CHECK_INT(count_of("request_name"), 3);
    CHECK_INT(ask(database, "GET", "/profiler/slow_requests?limit=x", ""), 400);
    oct_api_slow_after(1u << 30);
    CHECK_OK(oct_close(database, NULL));
}

static void
ask_grpc(oct_database *database, const char *path, const char *collection, int want)
{
    buffer            message = {0};
    oct_grpc_response response;

    wire_add_bytes(&message, 1, collection, strlen(collection));
    {
        const oct_grpc_request request = {slice_of(path), {message.data, message.size}};

        oct_grpc_call(database, &request, &response);
    }
    CHECK_MSG(response.status == want, "%s: %d " SLICE_FMT, path, response.status, SLICE_ARG(response.details));
    oct_grpc_response_clear(&response);
    buffer_clear(&message);
}

TEST(requests_are_counted_by_collection_and_door)
{
    oct_database *database = open_with_points("counted here");

    CHECK_INT(ask(database, "POST", "/collections/counted%20here/points/count", "{}"), 200);
    CHECK_INT(ask(database, "POST", "/collections/counted%20here/points/count", "{\"filter\":1}"), 400);
    CHECK_INT(ask(database, "POST", "/collections/not%20there/points/count", "{}"), 404);
    ask_grpc(database, "/qdrant.Points/Count", "counted here", OCT_GRPC_OK);
    ask_grpc(database, "/qdrant.Points/Count", "not there", OCT_GRPC_NOT_FOUND);

    CHECK_INT(ask(database, "GET", "/telemetry", ""), 200);
    CHECK(strstr(text, "per_collection_responses") == NULL);
    CHECK(strstr(text, "\"grpc\":{\"responses\":{") != NULL);
    CHECK(strstr(text, "\"/qdrant.Points/Count\":{\"0\":{\"count\":") != NULL);
    CHECK(strstr(text, "\"last_responded\":\"2") != NULL);
    CHECK_INT(ask(database, "GET", "/telemetry?per_collection=true", ""), 200);
    CHECK_INT(count_of("\"per_collection_responses\":{"), 2);
    CHECK(strstr(text, "\"counted here\":{\"PUT /collections/{collection_name}\":{\"200\":{\"count\":1,") != NULL);
    CHECK(strstr(text, "\"POST /collections/{collection_name}/points/count\":{\"200\":{\"count\":1,") != NULL);
    CHECK(strstr(text, "\"400\":{\"count\":1,") != NULL);
    CHECK(strstr(text, "\"counted here\":{\"/qdrant.Points/Count\":{\"0\":{\"count\":1,") != NULL);
    CHECK(strstr(text, "not there") == NULL); /* names that were never well are not kept */
    CHECK_INT(ask(database, "GET", "/telemetry?per_collection=true&anonymize=true", ""), 200);
    CHECK(strstr(text, "counted here") == NULL);

    CHECK_INT(ask(database, "GET", "/metrics", ""), 200);
    CHECK(strstr(text, "\ngrpc_responses_total{endpoint=\"/qdrant.Points/Count\",status=\"0\"} ") != NULL);
    CHECK(strstr(text, "\ngrpc_responses_total{endpoint=\"/qdrant.Points/Count\",status=\"5\"} ") != NULL);
    CHECK(strstr(text, "\ngrpc_responses_duration_seconds_count{endpoint=\"/qdrant.Points/Count\",status=\"0\"} ") != NULL);
    CHECK(strstr(text, "collection=\"counted here\"") == NULL);
    CHECK_INT(ask(database, "GET", "/metrics?per_collection=true", ""), 200);
    CHECK(strstr(text, "\nrest_responses_total{method=\"POST\",endpoint=\"/collections/{collection_name}/points/count\","
                       "status=\"400\",collection=\"counted here\"} 1\n") != NULL);
    CHECK(strstr(text, "\ngrpc_responses_total{endpoint=\"/qdrant.Points/Count\",status=\"0\",collection=\"counted here\"} 1\n") !=
          NULL);
    CHECK(strstr(text, "\nrest_responses_total{method=\"GET\",endpoint=\"/telemetry\",status=\"200\"} ") != NULL);
    CHECK_OK(oct_close(database, NULL));
}

TEST(snapshots_are_counted)
{
    oct_database *database = open_with_points("c");

    CHECK_INT(ask(database, "POST", "/collections/c/snapshots", ""), 200);
    CHECK_INT(ask(database, "GET", "/metrics", ""), 200);
    CHECK(strstr(text, "\nsnapshot_created_total{id=\"c\"} 1\n") != NULL);
    CHECK(strstr(text, "\nsnapshot_creation_running{id=\"c\"} 0\n") != NULL);
    CHECK(strstr(text, "\nsnapshot_recovery_running{id=\"c\"} 0\n") != NULL);
    CHECK_INT(ask(database, "GET", "/telemetry?details_level=1", ""), 200);
    CHECK(strstr(text, "{\"id\":\"c\",\"running_snapshots\":0,\"running_snapshot_recovery\":0,\"total_snapshot_creations\":1}") !=
          NULL);
    CHECK_OK(oct_close(database, NULL));
}

static char last_level[16];

static void
take_level(const char *level)
{
    (void)snprintf(last_level, sizeof last_level, "%s", level);
}

TEST(the_log_level_is_changed_while_it_runs)
{
    oct_database *database = api_test_open();

    oct_api_logger("INFO", take_level);
    CHECK_INT(ask(database, "GET", "/logger", ""), 200);
    CHECK_TEXT(text, "{\"log_level\":\"INFO\",\"format\":\"text\",\"on_disk\":{\"enabled\":false}}");
    CHECK_INT(ask(database, "POST", "/logger", "{\"log_level\":\"debug,tower=warn\"}"), 200);
    CHECK_TEXT(text, "true");
    CHECK_TEXT(last_level, "DEBUG");
    CHECK_INT(ask(database, "POST", "/logger", "{}"), 200);
    CHECK_INT(ask(database, "GET", "/logger", ""), 200);
    CHECK(strstr(text, "\"log_level\":\"DEBUG\"") != NULL);
    CHECK_INT(ask(database, "POST", "/logger", "{\"log_level\":\"loud\"}"), 400);
    CHECK(strstr(text, "log_level: unknown variant `loud`, expected one of `OFF`") != NULL);
    CHECK_INT(ask(database, "POST", "/logger", "{\"log_level\":\"WARN\",\"on_disk\":{\"enabled\":true}}"), 501);
    CHECK_INT(ask(database, "POST", "/logger", "{\"log_level\":\"WARN\",\"format\":\"json\"}"), 501);
    CHECK_TEXT(last_level, "DEBUG"); /* nothing of a refused request is done */
    CHECK_INT(ask(database, "POST", "/audit/logs", "{\"limit\":10001}"), 422);
    CHECK_INT(ask(database, "POST", "/audit/logs", "{\"limit\":3,\"time_from\":\"2026-01-01T00:00:00Z\"}"), 400);
    CHECK_TEXT(text, "Bad request: Audit logging is not enabled: this server keeps no audit log");
    oct_api_logger("INFO", NULL);
    CHECK_OK(oct_close(database, NULL));
}
