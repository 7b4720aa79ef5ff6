/* Goal:   every form of a query is read, answered and refused as qdrant-api.md 1.3, 1.6 and 3.6 to 3.13 say.
 * Method: tables of requests against small collections whose answers are worked out by hand. */
#include "api/api_test.h"

typedef struct step {
    const char *target, *body;
    int         status;
    const char *want; /* the result, or the error's text; with a leading '~' only a part of it */
} step;

#define Q                    "/collections/q/points/query"
#define C                    "/collections/q/points"
#define RUN(database, steps) run_steps(database, steps, countof(steps))

static void
run_steps(oct_database *database, const step *steps, size_t count)
{
    static char text[API_TEST_TEXT_MAX];

    for (size_t i = 0; i < count; i++) {
        const step *one = &steps[i];
        const int   status =
            api_test_call(database, "POST", one->target, slice_of(one->body), text, sizeof text);
        const bool part = one->want[0] == '~';
        const bool right = part ? strstr(text, one->want + 1) != NULL : strcmp(text, one->want) == 0;

        if (status != one->status || !right)
            test_failed(__FILE__, __LINE__, "step %zu: %s %.300s\n    gives  %d %s\n    not    %d %s", i,
                        one->target, one->body, status, text, one->status, one->want);
    }
}

/* Dot, on a line: point i has (i, 1), so a target (x, 0) gives it i x. Payload: g, w, a date, a place. */
static oct_database *
open_line(void)
{
    static const char collection[] = "{\"vectors\":{\"size\":2,\"distance\":\"Dot\"}}";
    static const char points[] =
        "{\"points\":["
        "{\"id\":1,\"vector\":[1,1],\"payload\":{\"g\":\"x\",\"w\":5,\"p\":{\"lon\":0,\"lat\":0}}},"
        "{\"id\":2,\"vector\":[2,1],\"payload\":{\"g\":[\"x\",7],\"w\":4,\"d\":\"1970-01-01T00:01:00Z\"}},"
        "{\"id\":3,\"vector\":[3,1],\"payload\":{\"g\":7,\"w\":[3]}},"
        "{\"id\":4,\"vector\":[4,1],\"payload\":{\"g\":1.5}},"
        "{\"id\":5,\"vector\":[5,1]}]}";
    oct_database *database = api_test_open();
    char          text[1024];

    CHECK_INT(api_test_call(database, "PUT", "/collections/q", slice_of(collection), text, sizeof text), 200);
    CHECK_INT(api_test_call(database, "PUT", C "?wait=true", slice_of(points), text, sizeof text), 200);
    CHECK_INT(api_test_call(database, "PUT", "/collections/e",
                            slice_of("{\"vectors\":{\"size\":2,\"distance\":\"Euclid\"}}"), text,
                            sizeof text),
              200);
    CHECK_INT(api_test_call(
                  database, "PUT", "/collections/e/points?wait=true",
                  slice_of("{\"points\":[{\"id\":1,\"vector\":[0,0]},{\"id\":2,\"vector\":[3,4]},{\"id\":7,"
                           "\"vector\":[1,0],\"payload\":{\"name\":\"seven\"}}]}"),
                  text, sizeof text),
              200);
    return database;
}

/* Hits without payload, all of the first write. */
#define H1(id1, s1)          "{\"id\":" id1 ",\"version\":1,\"score\":" s1 "}"
#define H2(id1, s1, id2, s2) H1(id1, s1) "," H1(id2, s2)
#define POINTS(hits)         "{\"points\":[" hits "]}"

TEST(every_kind_of_query_is_answered)
{
    static const step steps[] = {
        {Q, "{\"query\":[1,0],\"limit\":2}", 200, POINTS(H2("5", "5.0", "4", "4.0"))},
        {Q, "{\"query\":{\"nearest\":5},\"limit\":2}", 200, POINTS(H2("4", "21.0", "3", "16.0"))},

        /* mmr: 5 first; diversity 1 then takes what is least like it; scores stay */
        {Q, "{\"query\":{\"nearest\":[1,0],\"mmr\":{\"diversity\":1,\"candidates_limit\":5}},\"limit\":2}",
         200, POINTS(H2("5", "5.0", "1", "1.0"))},
        {Q, "{\"query\":{\"nearest\":[1,0],\"mmr\":{}},\"limit\":1,\"offset\":1}", 200, POINTS("")},
        {Q, "{\"query\":{\"nearest\":[1,0],\"mmr\":null},\"limit\":1}", 200, POINTS(H1("5", "5.0"))},
        {Q, "{\"query\":{\"nearest\":[1,0],\"mmr\":{\"diversity\":1.5}}}", 422,
         "Validation error in JSON body: [internal.query.mmr.diversity: value 1.5 invalid, must be from 0.0 "
         "to 1.0]"},
        {Q, "{\"query\":{\"nearest\":[1,0],\"mmr\":{\"candidates_limit\":16385}}}", 422,
         "Validation error in JSON body: [internal.query.mmr.candidates_limit: value 16385 invalid, must be "
         "16384 or "
         "smaller]"},
        {Q, "{\"query\":{\"nearest\":[1,0],\"mmr\":[]}}", 400, "~query.mmr: invalid type"},

        /* recommend: ids are left out; 2 avg([1,1],[2,1]) - [3,1] = (0,1) */
        {Q, "{\"query\":{\"recommend\":{\"positive\":[1,2],\"negative\":[3]}},\"limit\":9}", 200,
         POINTS(H2("4", "1.0", "5", "1.0"))},
        {Q, "{\"query\":{\"recommend\":{\"positive\":[[1,0]],\"strategy\":\"sum_scores\"}},\"limit\":1}", 200,
         POINTS(H1("5", "5.0"))},
        {Q,
         "{\"query\":{\"recommend\":{\"positive\":[[1,0]],\"negative\":[[0,1]],\"strategy\":\"best_score\"}},"
         "\"limit\":1}",
         200, POINTS(H1("5", "0.9166666"))},
        {Q, "{\"query\":{\"recommend\":{\"negative\":[[1,0]]}}}", 400,
         "Wrong input: Positive vectors should not be empty with `average` strategy"},
        {Q, "{\"query\":{\"recommend\":{}}}", 400,
         "Wrong input: Positive vectors should not be empty with `average` strategy"},
        {Q, "{\"query\":{\"recommend\":{\"strategy\":\"best_score\"}}}", 400,
         "~At least one positive or negative"},
        {Q, "{\"query\":{\"recommend\":{\"positive\":[[1,0]],\"strategy\":\"worst\"}}}", 400,
         "~query.recommend.strategy: "},
        {Q, "{\"query\":{\"recommend\":{\"positive\":5}}}", 400, "~query.recommend.positive: invalid type"},
        {Q, "{\"query\":{\"recommend\":{\"positive\":[99]}}}", 404, "Not found: No point with id 99 found"},

        /* discover: pair (5, 1) draws the line; 2, 3 and 4 are right of it. half(2x) of target (0,2) is 5/6 */
        {Q,
         "{\"query\":{\"discover\":{\"target\":[0,2],\"context\":{\"positive\":5,\"negative\":1}}},\"limit\":"
         "1}",
         200, POINTS(H1("2", "1.8333334"))},
        {Q, "{\"query\":{\"discover\":{\"target\":[0,2],\"context\":[]}},\"limit\":1}", 200,
         POINTS(H1("1", "0.8333334"))},
        {Q, "{\"query\":{\"discover\":{\"target\":[0,2],\"context\":null}},\"limit\":1}", 200,
         POINTS(H1("1", "0.8333334"))},
        {Q, "{\"query\":{\"discover\":{\"context\":[]}}}", 400, "~missing field `target`"},
        {Q, "{\"query\":{\"context\":[{\"positive\":[0,1],\"negative\":[1,0]}]},\"limit\":1}", 200,
         POINTS(H1("1", "-1.19209275e-7"))},
        {Q, "{\"query\":{\"context\":{\"positive\":[1,0],\"negative\":[0,1]}},\"limit\":2}", 200,
         POINTS(H2("2", "0.0", "3", "0.0"))},
        {Q, "{\"query\":{\"context\":[]}}", 400, "Bad request: No target or context given"},
        {Q, "{\"query\":{\"context\":{\"positive\":[1,0]}}}", 400,
         "~query.context: missing field `negative`"},

        /* feedback: 2 sim(target) + (1 - 0.5)^1 3 (sim(5) - sim(1)): of 3: 2 3 + 1.5 (16 - 4) */
        {Q,
         "{\"query\":{\"relevance_feedback\":{\"target\":[1,0],\"feedback\":[{\"example\":5,\"score\":1},"
         "{\"example\":1,\"score\":0.5}],\"strategy\":{\"naive\":{\"a\":2,\"b\":1,\"c\":3}}}},\"limit\":9}",
         200, POINTS(H2("4", "32.0", "3", "24.0") "," H1("2", "16.0"))},
        {Q,
         "{\"query\":{\"relevance_feedback\":{\"target\":[1,0],\"feedback\":[],\"strategy\":{\"naive\":{"
         "\"a\":2,"
         "\"b\":1,\"c\":3}}}}}",
         422, "~feedback elements must be non-empty"},
        {Q,
         "{\"query\":{\"relevance_feedback\":{\"target\":[1,0],\"feedback\":[{\"example\":5,\"score\":1}],"
         "\"strategy\":{\"naive\":{\"a\":2,\"b\":-1,\"c\":3}}}}}",
         422,
         "Validation error in JSON body: [internal.query.relevance_feedback.strategy.naive.b: value -1 "
         "invalid, must "
         "be 0.0 or larger]"},
        {Q,
         "{\"query\":{\"relevance_feedback\":{\"target\":[1,0],\"feedback\":[{\"example\":5,\"score\":1}],"
         "\"strategy\":{\"clever\":{}}}}}",
         400, "~missing field `naive`"},

        {Q, "{\"query\":{\"order_by\":\"w\"}}", 400,
         "Wrong input: No range index for `order_by` key: `w`. Please create one to use `order_by`. Check "
         "https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas "
         "support "
         "Range conditions"},
        {Q, "{\"query\":{\"order_by\":{\"key\":\"w\",\"direction\":\"desc\",\"start_from\":3}}}", 400,
         "~No range index for `order_by` key: `w`"},
        {Q, "{\"query\":{\"order_by\":{\"key\":\"w\",\"direction\":\"up\"}}}", 400,
         "~query.order_by.direction: "},
        {Q, "{\"query\":{\"order_by\":\"w\"},\"score_threshold\":1}", 400,
         "Bad request: Can't use score_threshold with an order_by query."},
        {Q, "{\"query\":{\"sample\":\"random\"},\"limit\":9,\"filter\":{\"must\":{\"has_id\":[3]}}}", 200,
         "{\"points\":[{\"id\":3,\"version\":0,\"score\":1.0}]}"},
        {Q, "{\"query\":{\"sample\":\"fair\"}}", 400, "~query.sample: "},

        {Q, "{\"query\":{\"nearest\":[1,0],\"sample\":\"random\"}}", 400, "~exactly one kind"},
        {Q, "{\"query\":{\"unheard\":1}}", 400, "~query: invalid type: map"},
        {Q, "{\"query\":{}}", 400, "~query: invalid type: map"},
        {Q, "{\"query\":{\"nearest\":{\"indices\":[1],\"values\":[2.0]}}}", 400,
         "Wrong input: Conversion between sparse and regular vectors failed"},
    };
    oct_database *database = open_line();

    RUN(database, steps);
    CHECK_OK(oct_close(database, NULL));
}

TEST(prefetches_are_merged)
{
    static const step steps[] = {
        /* lists 5 4 and 1 2: 1/2 and 1/3 each, ties by id */
        {Q,
         "{\"prefetch\":[{\"query\":[1,0],\"limit\":2},{\"query\":[-1,0],\"limit\":2}],\"query\":{\"fusion\":"
         "\"rrf\"}}",
         200, POINTS(H2("1", "0.5", "5", "0.5") "," H2("2", "0.33333334", "4", "0.33333334"))},
        {Q,
         "{\"prefetch\":[{\"query\":[1,0],\"limit\":2},{\"query\":[-1,0],\"limit\":2}],\"query\":{\"rrf\":{"
         "\"k\":1,"
         "\"weights\":[1,0.5]}},\"score_threshold\":0.5}",
         200, POINTS(H2("5", "1.0", "1", "0.5") "," H1("4", "0.5"))},
        {Q,
         "{\"prefetch\":{\"query\":[1,0],\"limit\":3},\"query\":{\"fusion\":\"dbsf\"},\"limit\":2,\"offset\":"
         "1}",
         200, POINTS(H2("4", "0.5", "3", "0.33333334"))},
        {Q, "{\"prefetch\":{\"query\":[1,0]},\"query\":{\"fusion\":\"best\"}}", 400, "~query.fusion: "},
        {Q, "{\"prefetch\":{\"query\":[1,0]},\"query\":{\"rrf\":{\"k\":0}}}", 422,
         "Validation error in JSON body: [internal.query.rrf.k: value 0 invalid, must be 1 or larger]"},
        {Q, "{\"prefetch\":{\"query\":[1,0]},\"query\":{\"rrf\":{\"weights\":[1,2]}}}", 400,
         "~Number of weights in RRF should match number of pre-fetches: got 2, expected 1"},
        {Q, "{\"prefetch\":{\"query\":[1,0]},\"query\":{\"fusion\":\"rrf\"},\"using\":\"x\"}", 400,
         "Bad request: Fusion queries cannot be combined with the 'using' field."},
        {Q, "{\"query\":{\"fusion\":\"rrf\"}}", 400,
         "Wrong input: Validation failed: cannot apply Fusion without prefetches"},
        {Q, "{\"query\":{\"formula\":1}}", 400,
         "Wrong input: Validation failed: cannot apply Formula without prefetches"},

        /* levels: the two best of the worst three, then from those the worst */
        {Q,
         "{\"prefetch\":{\"prefetch\":[{\"query\":[-1,0],\"limit\":3}],\"query\":[1,0],\"limit\":2},"
         "\"query\":[-1,0],"
         "\"limit\":1}",
         200, POINTS(H1("2", "-2.0"))},
        /* an id used above is left out of the prefetch too, which then reaches further */
        {Q, "{\"prefetch\":{\"limit\":2},\"query\":1}", 200, POINTS(H2("3", "4.0", "2", "3.0"))},
        {Q, "{\"prefetch\":{\"limit\":2},\"query\":[1,0]}", 200, POINTS(H2("2", "2.0", "1", "1.0"))},
        {Q, "{\"prefetch\":{\"query\":[1,0],\"score_threshold\":3},\"query\":[1,0]}", 200,
         POINTS(H2("5", "5.0", "4", "4.0"))},
        {Q, "{\"prefetch\":[{\"query\":[1,0]},{\"query\":[1,0],\"limit\":0}],\"query\":[1,0]}", 422,
         "Validation error in JSON body: [internal.prefetch[1].limit: value 0 invalid, must be 1 or larger]"},
        {Q, "{\"prefetch\":[{\"query\":[1,0],\"limit\":18446744073709551615}],\"query\":[1,0],\"limit\":1}",
         200, POINTS(H1("5", "5.0"))},
        {Q, "{\"prefetch\":[{\"query\":[1,true]}],\"query\":[1,0]}", 400,
         "~prefetch[0].query[1]: invalid type"},
        {Q, "{\"prefetch\":[3],\"query\":[1,0]}", 400, "~prefetch[0]: invalid type"},
        {Q, "{\"prefetch\":{\"query\":[1,0],\"filter\":{\"musty\":[]}},\"query\":[1,0]}", 400,
         "~prefetch.filter"},
        {Q,
         "{\"prefetch\":{\"query\":[1,0],\"limit\":2},\"filter\":{\"must\":{\"has_id\":[1,2,3]}},\"query\":{"
         "\"fusion\":"
         "\"rrf\"}}",
         200, POINTS(H2("3", "0.5", "2", "0.33333334"))},
        {Q, "{\"prefetch\":{\"prefetch\":{\"query\":[1,0]}},\"query\":[1,0]}", 400,
         "~A query is needed to merge the prefetches."},

        /* ids of the query take their vectors elsewhere, and are then no ids of this collection: 2 stays. */
        {Q, "{\"query\":2,\"lookup_from\":{\"collection\":\"e\"},\"limit\":2}", 200,
         POINTS(H2("5", "19.0", "4", "16.0"))},
        {Q, "{\"query\":2,\"lookup_from\":{\"collection\":\"e\",\"vector\":\"x\"}}", 400,
         "Wrong input: Not existing vector name error: x"},
        {Q, "{\"query\":2,\"lookup_from\":{\"vector\":\"x\"}}", 400, "~missing field `collection`"},
    };
    oct_database *database = open_line();

    RUN(database, steps);
    CHECK_OK(oct_close(database, NULL));
}

#define FORMULA(expression)                                                                                  \
    "{\"prefetch\":{\"query\":[1,0],\"limit\":3},\"limit\":1,\"query\":{\"formula\":" expression "}}"

TEST(formulas_are_read)
{
    static const step steps[] = {
        {Q, FORMULA("\"$score\""), 200, POINTS(H1("5", "5.0"))},
        {Q, FORMULA("{\"neg\":\"$score\"}"), 200, POINTS(H1("3", "-3.0"))},
        {Q, FORMULA("{\"neg\":{\"sum\":[\"$score\",{\"mult\":[2,\"$score[0]\"]}]}}"), 200,
         POINTS(H1("3", "-9.0"))},
        {Q, FORMULA("{\"has_id\":[4]}"), 200, POINTS(H1("4", "1.0"))},
        {Q, FORMULA("{\"must_not\":{\"has_id\":[4]}}"), 200, POINTS(H1("3", "1.0"))},
        {Q, FORMULA("{\"abs\":-2}"), 200, POINTS(H1("3", "2.0"))},
        {Q, FORMULA("{\"sqrt\":16}"), 200, POINTS(H1("3", "4.0"))},
        {Q, FORMULA("{\"pow\":{\"base\":2,\"exponent\":3}}"), 200, POINTS(H1("3", "8.0"))},
        {Q, FORMULA("{\"exp\":0}"), 200, POINTS(H1("3", "1.0"))},
        {Q, FORMULA("{\"log10\":100}"), 200, POINTS(H1("3", "2.0"))},
        {Q, FORMULA("{\"ln\":1}"), 200, POINTS(H1("3", "0.0"))},
        {Q, FORMULA("{\"acosh\":1}"), 200, POINTS(H1("3", "0.0"))},
        {Q, FORMULA("{\"max\":[1,2]}"), 200, POINTS(H1("3", "2.0"))},
        {Q, FORMULA("{\"min\":[1,2]}"), 200, POINTS(H1("3", "1.0"))},
        {Q, FORMULA("{\"div\":{\"left\":1,\"right\":4}}"), 200, POINTS(H1("3", "0.25"))},
        {Q, FORMULA("{\"div\":{\"left\":1,\"right\":0,\"by_zero_default\":7}}"), 200, POINTS(H1("3", "7.0"))},
        {Q, FORMULA("{\"div\":{\"left\":1,\"right\":0}}"), 400,
         "Wrong input: The expression 1/0 produced a non-finite number"},
        {Q, FORMULA("{\"lin_decay\":{\"x\":\"$score\",\"target\":5,\"scale\":2}}"), 200,
         POINTS(H1("5", "1.0"))},
        {Q,
         FORMULA("{\"neg\":{\"exp_decay\":{\"x\":\"$score\",\"target\":5,\"scale\":2,\"midpoint\":0.25}}}"),
         200, POINTS(H1("3", "-0.25"))},
        {Q, FORMULA("{\"neg\":{\"gauss_decay\":{\"x\":\"$score\",\"target\":5,\"scale\":2}}}"), 200,
         POINTS(H1("3", "-0.5"))},
        {Q, FORMULA("{\"exp_decay\":{\"x\":1,\"midpoint\":0}}"), 400, "~midpoint"},
        {Q, FORMULA("{\"lin_decay\":{\"x\":1,\"scale\":0}}"), 400, "~scale"},
        {Q, FORMULA("{\"datetime\":\"1970-01-01T01:00:00Z\"}"), 200, POINTS(H1("3", "3600.0"))},
        {Q, FORMULA("{\"datetime\":\"tomorrow\"}"), 400, "~tomorrow"},
        {Q,
         "{\"prefetch\":{\"query\":[1,0]},\"limit\":1,\"query\":{\"formula\":{\"datetime_key\":\"d\"},"
         "\"defaults\":{"
         "\"d\":\"1970-01-01\"}}}",
         200, POINTS(H1("2", "60.0"))},
        {Q,
         "{\"prefetch\":{\"query\":[1,0]},\"limit\":1,\"query\":{\"formula\":{\"neg\":{\"geo_distance\":{"
         "\"origin\":{"
         "\"lon\":0,\"lat\":0},\"to\":\"p\"}}},\"defaults\":{\"p\":{\"lon\":1,\"lat\":1}}}}",
         200, POINTS(H1("1", "0.0"))},
        {Q,
         "{\"prefetch\":{\"query\":[1,0]},\"limit\":2,\"query\":{\"formula\":\"w\",\"defaults\":{\"w\":4.5}}"
         "}",
         200, POINTS(H2("1", "5.0", "4", "4.5"))},
        {Q, "{\"prefetch\":{\"query\":[1,0]},\"query\":{\"formula\":\"w\"}}", 400,
         "Wrong input: Expected number value for w in the payload and/or in the formula defaults. Error: No "
         "value found "
         "in a payload nor defaults"},
        {Q,
         "{\"prefetch\":[{\"query\":[1,0],\"limit\":1},{\"query\":[-1,0],\"limit\":1}],\"query\":{"
         "\"formula\":"
         "\"$score[1]\",\"defaults\":{\"$score[1]\":-0.5}}}",
         200, POINTS(H2("5", "-0.5", "1", "-1.0"))},
        {Q, FORMULA("true"), 400, "~query.formula: invalid type: boolean"},
        {Q, FORMULA("{\"sum\":3}"), 400, "~query.formula.sum: invalid type"},
        {Q, FORMULA("{\"sum\":[1,[]]}"), 400, "~query.formula.sum[1]: invalid type"},
        {Q, FORMULA("{\"unheard\":1}"), 400, "~query.formula"},
        {Q, FORMULA("{\"pow\":{\"base\":2}}"), 400, "~missing field `exponent`"},
        {Q, FORMULA("{\"geo_distance\":{\"origin\":{\"lon\":0,\"lat\":91},\"to\":\"p\"}}"), 400,
         "~no such place"},
        {Q, "{\"prefetch\":{},\"query\":{\"formula\":1,\"defaults\":[]}}", 400,
         "~query.defaults: invalid type"},
    };
    oct_database *database = open_line();

    RUN(database, steps);
    CHECK_OK(oct_close(database, NULL));
}

TEST(old_routes_are_queries)
{
    static const step steps[] = {
        {C "/search", "{\"vector\":[1,0],\"limit\":1,\"offset\":1}", 200, "[" H1("4", "4.0") "]"},
        {C "/recommend", "{\"positive\":[1,2],\"negative\":[3],\"limit\":9}", 200,
         "[" H2("4", "1.0", "5", "1.0") "]"},
        {C "/recommend", "{\"positive\":[1],\"top\":1,\"strategy\":\"sum_scores\"}", 200,
         "[" H1("5", "6.0") "]"},
        {C "/recommend", "{\"positive\":[2],\"limit\":1,\"lookup_from\":{\"collection\":\"e\"},\"offset\":1}",
         200, "[" H1("4", "16.0") "]"},
        {C "/recommend", "{\"limit\":9}", 400,
         "Bad request: At least one positive vector ID required with this strategy"},
        {C "/recommend", "{\"strategy\":\"best_score\",\"limit\":9}", 400,
         "~At least one positive or negative"},
        {C "/recommend", "{\"positive\":[1]}", 400, "~missing field `limit`"},
        {C "/recommend", "{\"positive\":[1],\"limit\":0}", 422,
         "~limit: value 0 invalid, must be 1 or larger"},
        {C "/recommend/batch",
         "{\"searches\":[{\"positive\":[1],\"limit\":1},{\"positive\":[2],\"limit\":1}]}", 200,
         "[[" H1("5", "6.0") "],[" H1("5", "11.0") "]]"},
        {C "/discover", "{\"target\":[0,2],\"context\":[{\"positive\":5,\"negative\":1}],\"limit\":1}", 200,
         "[" H1("2", "1.8333334") "]"},
        {C "/discover", "{\"context\":[{\"positive\":[1,0],\"negative\":[0,1]}],\"limit\":1,\"offset\":1}",
         200, "[" H1("3", "0.0") "]"},
        {C "/discover", "{\"limit\":1}", 400, "Bad request: No target or context given"},
        {C "/discover", "{\"target\":1}", 400, "~missing field `limit`"},
        {C "/discover/batch", "{\"searches\":[{\"target\":[0,2],\"limit\":1}]}", 200,
         "[[" H1("1", "0.8333334") "]]"},
        {C "/discover/batch", "{\"searches\":[{\"target\":99,\"limit\":1}]}", 404,
         "Not found: No point with id 99 found"},
    };
    oct_database *database = open_line();

    RUN(database, steps);
    CHECK_OK(oct_close(database, NULL));
}

TEST(groups_are_shown)
{
    static const step steps[] = {
        {Q "/groups", "{\"query\":[1,0],\"group_by\":\"g\"}", 200,
         "{\"groups\":[{\"hits\":[" H2("3", "3.0", "2", "2.0") "],\"id\":7},{\"hits\":[" H2(
             "2", "2.0", "1", "1.0") "],\"id\":\"x\"}]}"},
        {Q "/groups",
         "{\"query\":[1,0],\"group_by\":\"g\",\"group_size\":1,\"limit\":1,\"with_lookup\":\"e\"}", 200,
         "{\"groups\":[{\"hits\":[" H1(
             "3", "3.0") "],\"id\":7,\"lookup\":{\"id\":7,\"payload\":{\"name\":\"seven\"}}}]}"},
        {Q "/groups",
         "{\"query\":[1,0],\"group_by\":\"g\",\"group_size\":1,\"with_lookup\":{\"collection\":\"e\","
         "\"with_payload\":false,\"with_vectors\":true}}",
         200,
         "{\"groups\":[{\"hits\":[" H1("3", "3.0") "],\"id\":7,\"lookup\":{\"id\":7,\"vector\":[1.0,0.0]}},{"
                                                   "\"hits\":[" H1("2", "2.0") "],\"id\":\"x\"}]}"},
        {Q "/groups", "{\"group_by\":\"g\",\"group_size\":1}", 200,
         "~{\"groups\":[{\"hits\":[{\"id\":1,\"version\":0,\"score\":1.0}],\"id\":\"x\"},"},
        {Q "/groups", "{\"query\":[1,0],\"group_by\":\"none\"}", 200, "{\"groups\":[]}"},
        {Q "/groups", "{\"query\":[1,0],\"group_by\":\"g\",\"score_threshold\":2}", 200,
         "{\"groups\":[{\"hits\":[" H1("3", "3.0") "],\"id\":7}]}"},
        {Q "/groups",
         "{\"prefetch\":{\"query\":[1,0],\"limit\":2},\"query\":{\"fusion\":\"rrf\"},\"group_by\":\"g\","
         "\"group_size\":2}",
         200, /* the prefetch finds 4 */
         "{\"groups\":[{\"hits\":[" H2("3", "0.25", "2",
                                       "0.2") "],\"id\":7},{\"hits\":[" H1("2", "0.2") "],\"id\":\"x\"}]}"},
        {Q "/groups", "{\"query\":[1,0]}", 400, "~missing field `group_by`"},
        {Q "/groups", "{\"query\":[1,0],\"group_by\":\"\"}", 422,
         "Validation error in JSON body: [internal.group_by: value \"\" invalid, must be at least 1 "
         "characters]"},
        {Q "/groups", "{\"query\":[1,0],\"group_by\":\"a..b\"}", 400, "~Invalid json path: 'a..b'"},
        {Q "/groups", "{\"query\":[1,0],\"group_by\":\"g\",\"group_size\":0}", 422,
         "Validation error in JSON body: [internal.group_size: value 0 invalid, must be 1 or larger]"},
        {Q "/groups", "{\"query\":[1,0],\"group_by\":\"g\",\"limit\":0}", 422,
         "Validation error in JSON body: [internal.limit: value 0 invalid, must be 1 or larger]"},
        {Q "/groups", "{\"query\":[1,0],\"group_by\":\"g\",\"with_lookup\":\"zz\"}", 404,
         "Not found: Collection zz not found"},
        {Q "/groups", "{\"query\":[1,0],\"group_by\":\"g\",\"with_lookup\":7}", 400,
         "~with_lookup: invalid type"},
        {C "/search/groups", "{\"vector\":[1,0],\"group_by\":\"g\",\"group_size\":1,\"limit\":1}", 200,
         "{\"groups\":[{\"hits\":[" H1("3", "3.0") "],\"id\":7}]}"},
        {C "/search/groups", "{\"vector\":[1,0],\"group_by\":\"g\",\"limit\":1}", 400,
         "~missing field `group_size`"},
        {C "/recommend/groups", "{\"positive\":[1],\"group_by\":\"g\",\"group_size\":1,\"limit\":1}", 200,
         "{\"groups\":[{\"hits\":[" H1("3", "4.0") "],\"id\":7}]}"},
        {C "/recommend/groups", "{\"group_by\":\"g\",\"group_size\":1,\"limit\":1}", 400,
         "~At least one positive vector ID required"},
    };
    oct_database *database = open_line();

    RUN(database, steps);
    CHECK_OK(oct_close(database, NULL));
}

TEST(matrices_are_shown)
{
    static const step steps[] = {
        {"/collections/e/points/search/matrix/pairs", "{\"limit\":1}", 200,
         "{\"pairs\":[{\"a\":1,\"b\":7,\"score\":1.0},{\"a\":2,\"b\":7,\"score\":4.472136},{\"a\":7,\"b\":1,"
         "\"score\":"
         "1.0}]}"},
        {"/collections/e/points/search/matrix/offsets", "{\"limit\":2,\"sample\":3}", 200,
         "{\"offsets_row\":[0,0,1,1,2,2],\"offsets_col\":[2,1,2,0,0,1],\"scores\":[1.0,5.0,4.472136,5.0,1.0,"
         "4.472136],"
         "\"ids\":[1,2,7]}"},
        {"/collections/e/points/search/matrix/pairs", "{\"filter\":{\"must\":{\"has_id\":[1]}}}", 200,
         "{\"pairs\":[]}"},
        {"/collections/e/points/search/matrix/offsets", "{\"filter\":{\"must\":{\"has_id\":[1]}}}", 200,
         "{\"offsets_row\":[],\"offsets_col\":[],\"scores\":[],\"ids\":[]}"},
        {"/collections/e/points/search/matrix/pairs", "{\"sample\":1}", 422,
         "Validation error in JSON body: [sample: value 1 invalid, must be 2 or larger]"},
        {"/collections/e/points/search/matrix/pairs", "{\"limit\":0}", 422,
         "Validation error in JSON body: [limit: value 0 invalid, must be 1 or larger]"},
        {"/collections/e/points/search/matrix/pairs", "{\"using\":\"x\"}", 400,
         "Wrong input: Not existing vector name error: x"},
        {"/collections/e/points/search/matrix/pairs", "{\"sample\":\"all\"}", 400, "~sample: invalid type"},
        {"/collections/zz/points/search/matrix/pairs", "{}", 404,
         "Not found: Collection `zz` doesn't exist!"},
    };
    oct_database *database = open_line();

    RUN(database, steps);
    CHECK_OK(oct_close(database, NULL));
}

/* Goal:   64 levels of prefetches are read and run; deeper ones are refused, by the engine and then by the parser. */
TEST(prefetches_are_read_to_any_depth)
{
    oct_database *database = open_line();
    static char   body[1u << 16], text[API_TEST_TEXT_MAX];

    for (size_t depth = 63; depth <= 1000; depth += depth < 66 ? 1 : 467) {
        size_t size = 0;
        int    status;

        for (size_t i = 0; i < depth; i++)
            size += (size_t)snprintf(body + size, sizeof body - size, "{\"query\":[1,0],\"prefetch\":[");
        size += (size_t)snprintf(body + size, sizeof body - size, "{\"query\":[1,0]}");
        for (size_t i = 0; i < depth; i++)
            size += (size_t)snprintf(body + size, sizeof body - size, "]}");
        status = api_test_call(database, "POST", Q, (oct_slice){body, size}, text, sizeof text);
        CHECK_INT(status, depth <= 64 ? 200 : 400);
        CHECK_MSG(depth <= 64 || strstr(text, depth < 90 ? "prefetches are nested more than 64 deep"
                                                         : "Format error") != NULL,
                  "depth %zu: %.200s", depth, text);
    }
    CHECK_OK(oct_close(database, NULL));
}
