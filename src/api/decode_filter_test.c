/* Goal:   filters are read as qdrant-api.md 1.3, 1.6 and 3.5 say, wherever one may stand.
 * Method: six points with payloads of every kind; filters with the ids they give; filters with the error they
 *         give; then each request that takes a filter. */
#include "api/api_test.h"

#define P "/collections/c/points"

static oct_database *
open_with_points(void)
{
    static const char points[] =
        "{\"points\":["
        "{\"id\":1,\"vector\":{\"v\":[1,0]},\"payload\":{\"s\":\"red\",\"n\":1,\"l\":[1,2,3],\"d\":\"2024-01-"
        "01\","
        "\"g\":{\"lon\":0,\"lat\":0},\"o\":[{\"k\":1,\"v\":1},{\"k\":2,\"v\":2}]}},"
        "{\"id\":2,\"vector\":{\"v\":[0,1]},\"payload\":{\"s\":\"green\",\"n\":2.5,\"l\":[],\"d\":\"2024-01-"
        "02T12:00:00Z\","
        "\"g\":{\"lon\":10,\"lat\":10},\"o\":[{\"k\":1,\"v\":2}]}},"
        "{\"id\":3,\"vector\":{\"v\":[1,1]},\"payload\":{\"s\":[\"red\",\"blue\"],\"n\":-3,\"l\":null,\"b\":"
        "true,"
        "\"g\":[{\"lon\":175,\"lat\":1},{\"lon\":-175,\"lat\":1}]}},"
        "{\"id\":4,\"vector\":{},\"payload\":{\"s\":\"dark red\",\"b\":false,\"a\":{\"b\":[{\"c\":7}]}}},"
        "{\"id\":5,\"vector\":{\"v\":[2,1]}},"
        "{\"id\":\"f47ac10b-58cc-4372-a567-0e02b2c3d479\",\"vector\":{\"w\":[5]},\"payload\":{\"s\":null,"
        "\"n\":[1,100]}}]}";
    oct_database *database = api_test_open();
    char          text[4096];

    CHECK_INT(
        api_test_call(database, "PUT", "/collections/c",
                      slice_of("{\"vectors\":{\"v\":{\"size\":2,\"distance\":\"Dot\"},\"w\":{\"size\":1,"
                               "\"distance\":\"Dot\"}}}"),
                      text, sizeof text),
        200);
    CHECK_INT(api_test_call(database, "PUT", P "?wait=true", slice_of(points), text, sizeof text), 200);
    return database;
}

/* Post a body made of `format` and a filter. */
static int
post(oct_database *database, const char *target, const char *format, const char *filter, char *text,
     size_t size)
{
    static char body[9216];

    (void)snprintf(body, sizeof body, "%s%s}", format, filter);
    return api_test_call(database, "POST", target, slice_of(body), text, size);
}

/* The ids a scroll gives, as "1 2 U": U is the UUID. */
static void
ids_of(oct_database *database, const char *filter, char *ids)
{
    char        text[4096];
    const char *at = text;
    const int   status =
        post(database, P "/scroll", "{\"with_payload\":false,\"filter\":", filter, text, sizeof text);

    *ids = '\0';
    CHECK_MSG(status == 200, "%s: %d %s", filter, status, text);
    while (status == 200 && (at = strstr(at, "{\"id\":")) != NULL) {
        at += 6;
        ids += sprintf(ids, "%s%c", at == text ? "" : " ", *at == '"' ? 'U' : *at);
    }
}

TEST(filters_of_every_kind_are_read)
{
    static const char *const cases[][2] = {
        {"{}", " 1 2 3 4 5 U"},
        {"null", " 1 2 3 4 5 U"},
        {"{\"must\":null,\"should\":[],\"must_not\":null,\"min_should\":null}", " 1 2 3 4 5 U"},
        {"{\"must\":{\"key\":\"s\",\"match\":{\"value\":\"red\"}}}", " 1 3"},
        {"{\"must\":[{\"key\":\"s\",\"match\":{\"value\":\"red\"}},{\"key\":\"n\",\"match\":{\"value\":-3}}]"
         "}",
         " 3"},
        {"{\"must\":[{\"key\":\"b\",\"match\":{\"value\":false}}]}", " 4"},
        {"{\"must\":[{\"key\":\"n\",\"match\":{\"value\":1}}]}", " 1 U"},
        {"{\"must\":[{\"key\":\"s\",\"match\":{\"text\":\"red\"}}]}", " 1 3 4"},
        {"{\"must\":[{\"key\":\"s\",\"match\":{\"text_any\":\"blue ark\"}}]}", " 3 4"},
        {"{\"must\":[{\"key\":\"s\",\"match\":{\"phrase\":\"k r\"}}]}", " 4"},
        {"{\"must\":[{\"key\":\"s\",\"match\":{\"prefix\":\"re\"}}]}", " 1 3"},
        {"{\"must\":[{\"key\":\"s\",\"match\":{\"substring\":\"e\"}}]}", " 1 2 3 4"},
        {"{\"must\":[{\"key\":\"s\",\"match\":{\"any\":[\"green\",\"blue\"]}}]}", " 2 3"},
        {"{\"must\":[{\"key\":\"n\",\"match\":{\"any\":[-3,100]}}]}", " 3 U"},
        {"{\"must\":[{\"key\":\"s\",\"match\":{\"any\":[]}}]}", ""},
        {"{\"must\":[{\"key\":\"s\",\"match\":{\"except\":[\"red\"]}}]}", " 2 3 4"},
        {"{\"must\":[{\"key\":\"s\",\"match\":{\"except\":[]}}]}", " 1 2 3 4"},
        {"{\"must\":[{\"key\":\"n\",\"range\":{\"gt\":1}}]}", " 2 U"},
        {"{\"must\":[{\"key\":\"n\",\"range\":{\"gte\":1,\"lt\":2.5,\"lte\":null}}]}", " 1 U"},
        {"{\"must\":[{\"key\":\"n\",\"range\":{}}]}", " 1 2 3 U"},
        {"{\"must\":[{\"key\":\"d\",\"range\":{\"gt\":\"2024-01-01T00:00:00Z\"}}]}", " 2"},
        {"{\"must\":[{\"key\":\"d\",\"range\":{\"gte\":\"2024-01-01\",\"lt\":\"2024-01-02 12:00\"}}]}", " 1"},
        {"{\"must\":[{\"key\":\"g\",\"geo_radius\":{\"center\":{\"lon\":9,\"lat\":10},\"radius\":2e5}}]}",
         " 2"},
        {"{\"must\":[{\"key\":\"g\",\"geo_bounding_box\":{\"top_left\":{\"lon\":170,\"lat\":5},\"bottom_"
         "right\":{"
         "\"lon\":-170,\"lat\":-5}}}]}",
         " 3"},
        {"{\"must\":[{\"key\":\"g\",\"geo_polygon\":{\"exterior\":{\"points\":[{\"lon\":-5,\"lat\":-5},{"
         "\"lon\":15,"
         "\"lat\":-5},{\"lon\":15,\"lat\":15},{\"lon\":-5,\"lat\":15},{\"lon\":-5,\"lat\":-5}]},"
         "\"interiors\":[{"
         "\"points\":[{\"lon\":-1,\"lat\":-1},{\"lon\":1,\"lat\":-1},{\"lon\":1,\"lat\":1},{\"lon\":-1,"
         "\"lat\":-1}]}]}}]}",
         " 2"},
        {"{\"must\":[{\"key\":\"l\",\"values_count\":{\"gte\":1,\"lte\":3}}]}", " 1"},
        {"{\"must\":[{\"key\":\"l\",\"values_count\":{\"lt\":1}}]}", " 2 3 4 5 U"},
        {"{\"must\":[{\"key\":\"l\",\"is_empty\":true}]}", " 2 3 4 5 U"},
        {"{\"must\":[{\"key\":\"l\",\"is_empty\":false}]}", " 1"},
        {"{\"must\":[{\"key\":\"s\",\"is_null\":true}]}", " U"},
        {"{\"must\":[{\"key\":\"s\",\"is_null\":false}]}", " 1 2 3 4 5"},
        {"{\"must\":[{\"is_empty\":{\"key\":\"s\"}}]}", " 5 U"},
        {"{\"must\":[{\"is_null\":{\"key\":\"l\"}}]}", " 3"},
        {"{\"must\":[{\"key\":\"a.b[].c\",\"match\":{\"value\":7}}]}", " 4"},
        {"{\"must\":[{\"has_id\":[3,\"{F47AC10B-58CC-4372-A567-0E02B2C3D479}\",99]}]}", " 3 U"},
        {"{\"must\":[{\"has_id\":[]}]}", ""},
        {"{\"must_not\":[{\"has_id\":[3,4]}]}", " 1 2 5 U"},
        {"{\"must\":[{\"has_vector\":\"v\"}]}", " 1 2 3 5"},
        {"{\"must\":[{\"has_vector\":\"unheard of\"}]}", ""},
        {"{\"must\":[{\"slice\":{\"total\":1,\"index\":0}}]}", " 1 2 3 4 5 U"},
        {"{\"must\":[{\"nested\":{\"key\":\"o\",\"filter\":{\"must\":[{\"key\":\"k\",\"match\":{\"value\":1}}"
         ",{\"key\":"
         "\"v\",\"match\":{\"value\":2}}]}}}]}",
         " 2"},
        {"{\"must\":[{\"nested\":{\"key\":\"o[]\",\"filter\":{\"must\":{\"key\":\"k\",\"match\":{\"value\":2}"
         "}}}}]}",
         " 1"},
        {"{\"must\":[{\"should\":[{\"has_id\":[1]},{\"has_id\":[2]}]},{\"must_not\":{\"has_id\":[1]}}]}",
         " 2"},
        {"{\"should\":[{\"has_id\":[1]},{\"must\":[{\"has_id\":[2]}]},{}]}", " 1 2 3 4 5 U"},
        {"{\"min_should\":{\"conditions\":[{\"has_id\":[1,2]},{\"has_id\":[2,3]},{\"has_vector\":\"v\"}],"
         "\"min_count\":2}}",
         " 1 2 3"},
        /* Keys that are not known are passed over in conditions, as elsewhere. */
        {"{\"must\":[{\"key\":\"n\",\"match\":{\"value\":1,\"more\":2},\"more\":3,\"range\":null}]}", " 1 U"},
    };
    oct_database *database = open_with_points();
    char          ids[64];

    for (size_t i = 0; i < countof(cases); i++) {
        ids_of(database, cases[i][0], ids);
        CHECK_MSG(strcmp(ids, cases[i][1]) == 0, "%s gives%s, expected%s", cases[i][0], ids, cases[i][1]);
    }
    CHECK_OK(oct_close(database, NULL));
}

TEST(filters_that_cannot_be_are_told_where)
{
#define KEY "{\"must\":[{\"key\":\"a\","
    static const struct {
        const char *filter;
        int         status;
        const char *text;
    } cases[] = {
        {"3", 400, "filter: invalid type: integer `3`, expected an object"},
        {"[]", 400, "filter: invalid type: sequence"},
        {"{\"mst\":[]}", 400, "filter: unknown field `mst`"},
        {"{\"must\":[],\"must\":[]}", 400, "filter: duplicate field `must`"},
        {"{\"must\":3}", 400, "filter.must: invalid type: integer `3`, expected a condition"},
        {"{\"must\":[null]}", 400, "filter.must[0]: invalid type: null"},
        {"{\"must\":[{\"mst\":[]}]}", 400, "filter.must[0]: unknown field `mst`"},
        {"{\"should\":{\"must_not\":[{\"x\":1}]}}", 400, "filter.should.must_not[0]: unknown field `x`"},
        {KEY "\"range\":null}]}", 422,
         "Validation error in JSON body: [filter.must[0]: At least one field condition must "
         "be specified]"},
        {"{\"must\":[{\"key\":\"a\"}]}", 422, "At least one field condition must be specified"},
        {"{\"must\":[{\"key\":3,\"is_null\":true}]}", 400, "filter.must[0].key: invalid type"},
        {"{\"must\":[{\"key\":\"a..b\",\"is_null\":true}]}", 400, "Invalid json path: 'a..b'"},
        {KEY "\"match\":{}}]}", 400, "filter.must[0].match: a match has one of the keys"},
        {KEY "\"match\":{\"values\":1}}]}", 400, "a match has one of the keys"},
        {KEY "\"match\":{\"value\":1.5}}]}", 400,
         "filter.must[0].match.value: invalid type: floating point `1.5`"},
        {KEY "\"match\":{\"value\":9223372036854775808}}]}", 400,
         "expected a string, a 64-bit integer or a boolean"},
        {KEY "\"match\":{\"value\":[1]}}]}", 400, "match.value: invalid type: sequence"},
        {KEY "\"match\":{\"any\":\"x\"}}]}", 400, "match.any: invalid type: string \"x\""},
        {KEY "\"match\":{\"any\":[1,\"x\"]}}]}", 400,
         "match.any[1]: invalid type: string \"x\", expected an integer"},
        {KEY "\"match\":{\"except\":[\"x\",1]}}]}", 400,
         "match.except[1]: invalid type: integer `1`, expected a string"},
        {KEY "\"match\":{\"any\":[true]}}]}", 400, "match.any[0]: invalid type: boolean `true`"},
        {KEY "\"match\":{\"text\":1}}]}", 400, "match.text: invalid type"},
        {KEY "\"match\":\"x\"}]}", 400, "filter.must[0].match: invalid type"},
        {KEY "\"range\":{\"gt\":true}}]}", 400, "range.gt: invalid type: boolean `true`"},
        {KEY "\"range\":{\"gt\":\"tomorrow\"}}]}", 400, "range.gt: \"tomorrow\" is not a date"},
        {KEY "\"range\":{\"gt\":\"2024-01-01\",\"lt\":5}}]}", 400, "range.lt: invalid type: integer `5`"},
        {KEY "\"range\":[1,2]}]}", 400, "range: invalid type: sequence"},
        {KEY "\"values_count\":{\"gt\":-1}}]}", 400, "values_count.gt: invalid type: integer `-1`"},
        {KEY "\"geo_radius\":{\"radius\":1}}]}", 400, "geo_radius: missing field `center`"},
        {KEY "\"geo_radius\":{\"center\":{\"lon\":0,\"lat\":91},\"radius\":1}}]}", 400,
         "geo_radius.center: no such place"},
        {KEY "\"geo_radius\":{\"center\":{\"lon\":\"0\",\"lat\":1},\"radius\":1}}]}", 400,
         "center.lon: invalid type"},
        {KEY "\"geo_bounding_box\":{\"top_left\":{\"lon\":0,\"lat\":1}}}]}", 400,
         "missing field `bottom_right`"},
        {KEY "\"geo_polygon\":{\"exterior\":{\"points\":[{\"lon\":0,\"lat\":1}]}}}]}", 400,
         "it takes at least 4"},
        {KEY
         "\"geo_polygon\":{\"exterior\":{\"points\":[{\"lon\":0,\"lat\":0},{\"lon\":1,\"lat\":0},{\"lon\":1,"
         "\"lat\":1},{\"lon\":0,\"lat\":1}]}}}]}",
         400, "must end where it begins"},
        {KEY "\"is_null\":1}]}", 400, "is_null: invalid type: integer `1`"},
        {"{\"must\":[{\"is_empty\":\"a\"}]}", 400, "is_empty: invalid type: string \"a\""},
        {"{\"must\":[{\"is_null\":{}}]}", 400, "is_null: missing field `key`"},
        {"{\"must\":[{\"has_id\":1}]}", 400, "has_id: invalid type"},
        {"{\"must\":[{\"has_id\":[-1]}]}", 400, "value -1 is not a valid point ID"},
        {"{\"must\":[{\"has_id\":[\"x\"]}]}", 400, "value \"x\" is not a valid point ID"},
        {"{\"must\":[{\"has_vector\":1}]}", 400, "has_vector: invalid type"},
        {"{\"must\":[{\"slice\":{\"total\":0,\"index\":0}}]}", 422,
         "slice.total: value 0 invalid, must be 1 or larger"},
        {"{\"must\":[{\"slice\":{\"total\":4,\"index\":4}}]}", 422, "slice.index: value 4 invalid, must be"},
        {"{\"must\":[{\"slice\":{\"total\":4294967296,\"index\":4}}]}", 400, "slice.total: invalid type"},
        {"{\"must\":[{\"slice\":{\"total\":4}}]}", 400, "slice: missing field `index`"},
        {"{\"must\":[{\"nested\":{\"key\":\"a\"}}]}", 400, "nested: missing field `filter`"},
        {"{\"must\":[{\"nested\":{\"key\":\"a\",\"filter\":{\"must\":[{\"key\":\"b\"}]}}}]}", 422,
         "filter.must[0].nested.filter.must[0]: At least one field condition must be specified"},
        {"{\"min_should\":{\"conditions\":[],\"min_count\":0}}", 422,
         "min_should.min_count: value 0 invalid"},
        {"{\"min_should\":{\"conditions\":{},\"min_count\":1}}", 400, "min_should.conditions: invalid type"},
        {"{\"min_should\":{\"min_count\":1}}", 400, "min_should: missing field `conditions`"},
    };
    oct_database *database = open_with_points();
    char          text[4096];

    for (size_t i = 0; i < countof(cases); i++) {
        const int status = post(database, P "/count", "{\"filter\":", cases[i].filter, text, sizeof text);

        CHECK_MSG(status == cases[i].status && strstr(text, cases[i].text) != NULL,
                  "%s: %d %s, expected %d %s", cases[i].filter, status, text, cases[i].status, cases[i].text);
    }
    CHECK_OK(oct_close(database, NULL));
}

TEST(filters_nest_as_deep_as_they_may)
{
    oct_database *database = open_with_points();
    static char   filter[8192];
    char          text[4096];

    for (unsigned depth = OCT_FILTER_DEPTH_MAX - 1; depth <= OCT_FILTER_DEPTH_MAX + 1; depth++) {
        size_t size = 0;
        int    status;

        for (unsigned i = 1; i < depth; i++)
            size += (size_t)sprintf(filter + size, "{\"must\":");
        size += (size_t)sprintf(filter + size, "{\"must\":[{\"has_id\":[2]}]}");
        for (unsigned i = 1; i < depth; i++)
            filter[size++] = '}';
        filter[size] = '\0';
        status = post(database, P "/count", "{\"filter\":", filter, text, sizeof text);
        CHECK_MSG(status == (depth <= OCT_FILTER_DEPTH_MAX ? 200 : 422), "depth %u: %d %s", depth, status,
                  text);
        if (status == 200)
            CHECK_TEXT(text, "{\"count\":1}");
    }
    CHECK_OK(oct_close(database, NULL));
}

TEST(every_request_that_takes_a_filter_heeds_it)
{
#define RED "{\"must\":[{\"key\":\"s\",\"match\":{\"value\":\"red\"}}]}"
    static const struct {
        const char *method, *target, *body;
        int         status;
        const char *want; /* part of the answer */
    } steps[] = {
        {"POST", P "/count", "{\"filter\":" RED "}", 200, "{\"count\":2}"},
        {"POST", P "/count", "{\"filter\":" RED ",\"exact\":false}", 200, "{\"count\":2}"},
        {"POST", P "/scroll", "{\"filter\":" RED ",\"limit\":1,\"with_payload\":false}", 200,
         "{\"points\":[{\"id\":1}],\"next_page_offset\":3}"},
        {"POST", P "/scroll", "{\"filter\":" RED ",\"offset\":3,\"with_payload\":false}", 200,
         "{\"points\":[{\"id\":3}],\"next_page_offset\":null}"},
        {"POST", P "/query", "{\"query\":[1,1],\"using\":\"v\",\"filter\":" RED "}", 200,
         "{\"points\":[{\"id\":3,\"version\":1,\"score\":2.0},{\"id\":1,\"version\":1,\"score\":1.0}]}"},
        {"POST", P "/query", "{\"filter\":" RED ",\"offset\":1}", 200,
         "{\"points\":[{\"id\":3,\"version\":0,\"score\":1.0}]}"},
        {"POST", P "/query", "{\"query\":1,\"using\":\"v\",\"filter\":" RED "}", 200,
         "{\"points\":[{\"id\":3,"},
        {"POST", P "/query/batch",
         "{\"searches\":[{\"query\":[1,1],\"using\":\"v\",\"filter\":" RED ",\"limit\":1}]}", 200,
         "[{\"points\":[{\"id\":3,\"version\":1,\"score\":2.0}]}]"},
        {"POST", P "/search", "{\"vector\":{\"name\":\"v\",\"vector\":[1,1]},\"limit\":9,\"filter\":" RED "}",
         200, "[{\"id\":3,\"version\":1,\"score\":2.0},{\"id\":1,\"version\":1,\"score\":1.0}]"},
        {"POST", P "/search/batch",
         "{\"searches\":[{\"vector\":{\"name\":\"v\",\"vector\":[1,1]},\"limit\":1,\"filter\":" RED "}]}",
         200, "[[{\"id\":3,\"version\":1,\"score\":2.0}]]"},
        {"POST", P "/payload?wait=true", "{\"payload\":{\"x\":1},\"filter\":" RED "}", 200, "completed"},
        {"POST", P "/count", "{\"filter\":{\"must\":{\"key\":\"x\",\"match\":{\"value\":1}}}}", 200,
         "{\"count\":2}"},
        /* With both, ids win. */
        {"POST", P "/payload?wait=true", "{\"payload\":{\"x\":2},\"points\":[5],\"filter\":" RED "}", 200,
         "completed"},
        {"POST", P "/count", "{\"filter\":{\"must\":{\"key\":\"x\",\"match\":{\"value\":2}}}}", 200,
         "{\"count\":1}"},
        {"PUT", P "/payload?wait=true",
         "{\"payload\":{\"s\":\"red\",\"y\":1},\"filter\":{\"must\":{\"has_id\":[3]}}}", 200, "completed"},
        {"GET", P "/3", "", 200, "\"payload\":{\"s\":\"red\",\"y\":1}"},
        {"POST", P "/payload/delete?wait=true", "{\"keys\":[\"y\"],\"filter\":" RED "}", 200, "completed"},
        {"GET", P "/3", "", 200, "\"payload\":{\"s\":\"red\"}"},
        {"POST", P "/payload/clear?wait=true",
         "{\"filter\":{\"must\":{\"key\":\"x\",\"match\":{\"value\":2}}}}", 200, "completed"},
        {"GET", P "/5", "", 200, "\"payload\":{}"},
        /* Vectors are deleted from all of them. */
        {"POST", P "/vectors/delete?wait=true", "{\"vector\":[\"v\"],\"points\":[2],\"filter\":" RED "}", 200,
         "completed"},
        {"POST", P "/scroll", "{\"with_payload\":false,\"filter\":{\"must\":{\"has_vector\":\"v\"}}}", 200,
         "{\"points\":[{\"id\":5}],"},
        {"PUT", P "/vectors?wait=true",
         "{\"points\":[{\"id\":1,\"vector\":{\"v\":[1,0]}},{\"id\":2,\"vector\":{\"v\":[1,0]}}],\"update_"
         "filter\":" RED "}",
         200, "completed"},
        {"POST", P "/scroll", "{\"with_payload\":false,\"filter\":{\"must\":{\"has_vector\":\"v\"}}}", 200,
         "{\"points\":[{\"id\":1},{\"id\":5}],"},
        {"PUT", P "?wait=true",
         "{\"points\":[{\"id\":1,\"vector\":{},\"payload\":{\"s\":\"new\"}},{\"id\":2,\"vector\":{},"
         "\"payload\":{\"s\":\"new\"}},"
         "{\"id\":9,\"vector\":{},\"payload\":{\"s\":\"new\"}}],\"update_filter\":" RED "}",
         200, "completed"},
        {"POST", P "/scroll",
         "{\"with_payload\":false,\"filter\":{\"must\":{\"key\":\"s\",\"match\":{\"value\":\"new\"}}}}", 200,
         "{\"points\":[{\"id\":1},{\"id\":9}],"},
        {"PUT", P "?wait=true",
         "{\"batch\":{\"ids\":[1,10],\"vectors\":{\"v\":[[1,0],[0,1]]},\"payloads\":[{\"s\":\"newer\"},{"
         "\"s\":\"newer\"}]},"
         "\"update_mode\":\"insert_only\"}",
         200, "completed"},
        {"POST", P "/scroll",
         "{\"with_vector\":true,\"filter\":{\"must\":{\"key\":\"s\",\"match\":{\"value\":\"newer\"}}}}", 200,
         "{\"points\":[{\"id\":10,\"payload\":{\"s\":\"newer\"},\"vector\":{\"v\":[0.0,1.0]}}],"},
        {"PUT", P "?wait=true",
         "{\"points\":[{\"id\":10,\"vector\":{},\"payload\":{\"s\":\"only\"}},{\"id\":11,\"vector\":{}}],"
         "\"update_mode\":"
         "\"update_only\"}",
         200, "completed"},
        {"POST", P "", "{\"ids\":[10,11],\"with_payload\":true}", 200,
         "[{\"id\":10,\"payload\":{\"s\":\"only\"}}]"},
        {"PUT", P, "{\"points\":[{\"id\":1,\"vector\":{}}],\"update_mode\":\"never\"}", 400,
         "unknown variant `never`"},
        {"POST", P "/batch?wait=true",
         "{\"operations\":[{\"set_payload\":{\"payload\":{\"z\":1},\"filter\":{\"must\":{\"has_id\":[1,2]}}}}"
         ","
         "{\"delete_payload\":{\"keys\":[\"s\"],\"filter\":{\"must\":{\"key\":\"z\",\"is_empty\":false}}}},"
         "{\"upsert\":{\"points\":[{\"id\":2,\"vector\":{}}],\"update_filter\":{\"must\":{\"has_id\":[]}}}},"
         "{\"delete\":{\"filter\":{\"must_not\":{\"key\":\"z\",\"match\":{\"value\":1}}}}}]}",
         200, "completed"},
        {"POST", P "/scroll", "{\"with_payload\":[\"z\",\"s\"]}", 200,
         "{\"points\":[{\"id\":1,\"payload\":{\"z\":1}},{\"id\":2,\"payload\":{\"z\":1}}],"},
        {"POST", P "/delete?wait=true", "{\"filter\":{}}", 200, "completed"},
        {"POST", P "/count", "{}", 200, "{\"count\":0}"},
    };
    oct_database *database = open_with_points();
    char          text[4096];

    for (size_t i = 0; i < countof(steps); i++) {
        const int status = api_test_call(database, steps[i].method, steps[i].target, slice_of(steps[i].body),
                                         text, sizeof text);

        CHECK_MSG(status == steps[i].status && strstr(text, steps[i].want) != NULL,
                  "%s %s %s\n    gives %d %s\n    not   %d %s", steps[i].method, steps[i].target,
                  steps[i].body, status, text, steps[i].status, steps[i].want);
    }
    CHECK_OK(oct_close(database, NULL));
}
