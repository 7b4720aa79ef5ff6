/* Values at the end of a path. */
#include "payload/values.h"

#include "support/test.h"

/* Goal:   a path leads through objects by keys and through arrays by [] and [n]; an array at its end is opened, once.
 * Method: paths into one document, what they find joined by spaces. */
TEST(paths_end_at_values)
{
    static const char document[] =
        "{\"a\":{\"b\":1,\"c\":[1,[2,3],\"x\"]},\"l\":[{\"k\":1},{\"k\":[2,3]},{},7],"
        "\"e\":[],\"n\":null,\"o\":{},\"aa\":5}";
    static const char *const cases[][2] = {
        {"a.b", "1"},
        {"a.c", "1 [2,3] \"x\""},
        {"a.c[]", "1 2 3 \"x\""},
        {"a.c[1]", "2 3"},
        {"a.c[3]", ""},
        {"a", "{\"b\":1,\"c\":[1,[2,3],\"x\"]}"},
        {"l[].k", "1 2 3"},
        {"l[1].k", "2 3"},
        {"l.k", ""},
        {"l[].k[]", "2 3"},
        {"e", ""},
        {"e[]", ""},
        {"n", "null"},
        {"o", "{}"},
        {"a.b.c", ""},
        {"missing", ""},
        {"aa", "5"},
        {"a[]", ""},
        {"l[3]", "7"},
    };
    arena      memory = {0};
    value_list values = {0};

    for (size_t i = 0; i < countof(cases); i++) {
        path   where;
        buffer found = {0};

        CHECK_OK(path_parse(slice_of(cases[i][0]), &memory, &where, NULL));
        CHECK_OK(values_at(&where, slice_of(document), &values, NULL));
        for (size_t v = 0; v < values.count; v++) {
            buffer_add_text(&found, v > 0 ? " " : "");
            buffer_add(&found, values.items[v].data, values.items[v].size);
        }
        buffer_add_byte(&found, '\0');
        CHECK_MSG(strcmp(found.data, cases[i][1]) == 0, "%s: %s, not %s", cases[i][0], found.data,
                  cases[i][1]);
        buffer_clear(&found);
    }
    value_list_clear(&values);
    arena_clear(&memory);
}

/* Goal:   a damaged document is reported, a list without memory too. */
TEST(damage_on_the_way_is_reported)
{
    arena      memory = {0};
    value_list values = {0};
    oct_error  error;
    path       where;

    CHECK_OK(path_parse(slice_of("a.b"), &memory, &where, NULL));
    CHECK_STATUS(values_at(&where, slice_of("{\"a\":{\"c\" 1}}"), &values, &error), OCT_CORRUPT);
    oct_alloc_fail_after(0, true);
    CHECK_STATUS(values_at(&where, slice_of("{\"a\":{\"b\":1}}"), &values, &error), OCT_NOMEM);
    oct_alloc_fail_after(UINT64_MAX, false);
    CHECK_OK(values_at(&where, slice_of("{\"a\":{\"b\":1}}"), &values, &error));
    CHECK_INT(values.count, 1);
    value_list_clear(&values);
    arena_clear(&memory);
}
