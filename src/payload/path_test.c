/* Goal:   paths parse as the grammar of path.h says, and nothing else does.
 * Method: examples of both kinds; random step lists written as text and read again, seed 11. */
#include "payload/path.h"

#include "payload/tree.h"
#include "support/test.h"

/* A path as one line: K(key), I(index) and A for []. */
static const char *
shown(oct_slice text, char *line, size_t size)
{
    arena      memory = {0};
    path       parsed;
    oct_error  error = {0};
    oct_status status = path_parse(text, &memory, &parsed, &error);
    size_t     used = 0;

    line[0] = '\0';
    if (status != OCT_OK) {
        CHECK_STATUS(status, OCT_FORMAT);
        (void)snprintf(line, size, "%.*s", (int)size - 1, error.text);
    }
    for (size_t i = 0; i < parsed.count && used < size; i++) {
        const path_step *step = &parsed.steps[i];
        const int        added = step->kind == PATH_KEY
                                     ? snprintf(line + used, size - used, "K(" SLICE_FMT ")", SLICE_ARG(step->key))
                                 : step->kind == PATH_INDEX
                                     ? snprintf(line + used, size - used, "I(%llu)", (unsigned long long)step->index)
                                     : snprintf(line + used, size - used, "A");

        used += (size_t)added;
    }
    arena_clear(&memory);
    return line;
}

TEST(paths_parse_into_steps)
{
    static const char *const cases[][2] = {
        {"a", "K(a)"},
        {"a.b", "K(a)K(b)"},
        {"a[].b", "K(a)AK(b)"},
        {"a[0][17].b", "K(a)I(0)I(17)K(b)"},
        {"a[007]", "K(a)I(7)"},
        {"a[18446744073709551615]", "K(a)I(18446744073709551615)"},
        {"snake_case.kebab-case.0", "K(snake_case)K(kebab-case)K(0)"},
        {"\"two words\".b", "K(two words)K(b)"},
        {"\"a.b\"[]", "K(a.b)A"},
        {"\"\"", "K()"},
        {"a.\"[]\"", "K(a)K([])"},
        {"stra\xC3\x9F"
         "e.\xE6\x97\xA5\xE6\x9C\xAC",
         "K(stra\xC3\x9F"
         "e)K(\xE6\x97\xA5\xE6\x9C\xAC)"},
        {"\"a\nb\tc\x01\x1F\"", "K(a\\nb\\tc\\u0001\\u001F)"}, /* as a document spells it */
    };
    char line[512];

    for (size_t i = 0; i < countof(cases); i++)
        CHECK_TEXT(shown(slice_of(cases[i][0]), line, sizeof line), cases[i][1]);
}

TEST(bad_paths_are_refused_by_name)
{
    static const char *const cases[] = {
        "",
        ".",
        "a.",
        "a..b",
        ".a",
        "[0]",
        "a[",
        "a[0",
        "a]",
        "a[-1]",
        "a[x]",
        "a b",
        "a[0]b",
        "a.[0]",
        "a[]b",
        "a\"b\"",
        "\"a",
        "\"a\"b",
        "a[ 0 ]",
        "a[1 ]",
        "\"\\\"",
        "a$",
        "\xC3",
        "a\xFF",
        "\"\xFF\"",
        "a.b.",
        "\xED\xA0\x80",
        "a\xE2\x80\x93z",
        "a[18446744073709551616]",
    };
    char line[512], wanted[512];

    for (size_t i = 0; i < countof(cases); i++) {
        (void)snprintf(wanted, sizeof wanted, "Invalid json path: '%s'", cases[i]);
        CHECK_TEXT(shown(slice_of(cases[i]), line, sizeof line), wanted);
    }
}

TEST(paths_deeper_than_a_document_are_refused)
{
    char  text[2 * OCT_PAYLOAD_DEPTH_MAX + 2] = "a";
    char  line[4096];
    arena memory = {0};
    path  parsed;

    for (size_t i = 1; i < OCT_PAYLOAD_DEPTH_MAX; i++)
        strcat(text, ".a");
    CHECK_OK(path_parse(slice_of(text), &memory, &parsed, NULL));
    CHECK_INT(parsed.count, OCT_PAYLOAD_DEPTH_MAX);
    strcat(text, ".a");
    CHECK_TEXT(shown(slice_of(text), line, sizeof line),
               "Invalid json path: 129 steps, at most 128 can exist");
    arena_clear(&memory);
}

TEST(any_list_of_steps_survives_being_written_as_a_path)
{
    static const char *const keys[] = {
        "a", "b1", "x-y", "_", "two words", "a.b", "", "[0]", "\xC3\xA9t\xC3\xA9"};
    test_rng rng = test_rng_seed(11);

    for (int round = 0; round < 5000; round++) {
        buffer       text = {0}, wanted = {0};
        const size_t count = 1 + test_below(&rng, 6);
        char         line[512];

        for (size_t i = 0; i < count; i++) {
            const uint64_t kind = i == 0 ? 9 : test_below(&rng, 10);

            if (kind < 3) {
                buffer_add_text(&text, "[]");
                buffer_add_text(&wanted, "A");
            } else if (kind < 6) {
                const unsigned long long index = test_u64(&rng) >> test_below(&rng, 64);

                buffer_format(&text, "[%llu]", index);
                buffer_format(&wanted, "I(%llu)", index);
            } else {
                const size_t which = test_below(&rng, countof(keys));
                const bool   is_bare = (which < 4 || which == 8) && test_below(&rng, 2) == 0;

                buffer_format(&text, "%s%s%s%s", i == 0 ? "" : ".", is_bare ? "" : "\"", keys[which],
                              is_bare ? "" : "\"");
                buffer_format(&wanted, "K(%s)", keys[which]);
            }
        }
        buffer_add_byte(&wanted, '\0');
        CHECK_TEXT(shown((oct_slice){text.data, text.size}, line, sizeof line), wanted.data);
        buffer_clear(&text);
        buffer_clear(&wanted);
    }
}

TEST(a_tree_finds_each_path_and_lets_short_ones_cover_long_ones)
{
    static const char *const texts[] = {"a.b", "l[].x", "a.c", "l[3]", "l[].x.y", "l[10]", "a.b", "z"};
    arena                    memory = {0};
    path                     paths[countof(texts)];
    path_tree                tree;
    const path_tree         *a, *l, *x;

    for (size_t i = 0; i < countof(texts); i++)
        CHECK_OK(path_parse(slice_of(texts[i]), &memory, &paths[i], NULL));
    CHECK_OK(path_tree_build(paths, countof(paths), &memory, &tree, NULL));
    CHECK_INT(tree.child_count, 3);
    a = path_tree_key(&tree, slice_of("a"));
    l = path_tree_key(&tree, slice_of("l"));
    CHECK(a != NULL && l != NULL && path_tree_key(&tree, slice_of("b")) == NULL);
    if (a != NULL && l != NULL) {
        CHECK_INT(a->child_count, 2);
        CHECK(!a->is_whole && path_tree_key(a, slice_of("b"))->is_whole && path_tree_all(a) == NULL);
        CHECK_INT(l->child_count, 3);
        CHECK(path_tree_index(l, 3)->is_whole && path_tree_index(l, 10)->is_whole &&
              path_tree_index(l, 4) == NULL);
        x = path_tree_key(path_tree_all(l), slice_of("x"));
        CHECK(x != NULL && x->is_whole && x->child_count == 0);
    }
    arena_clear(&memory);
}
