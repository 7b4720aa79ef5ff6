/* Goal:   a document is checked, written, changed and shown as document.h says, whatever it holds.
 * Method: examples for each rule; then random documents, changes and selections against a model: a tree
 *         of nodes changed in place, step by step, the obvious way. Texts must be equal byte for byte, the
 *         order of members included. Faults: each allocation fails in turn; bytes of documents are flipped
 * and cut. Seeds 21 to 23. */
#include "payload/document.h"

#include <stdlib.h>

#include "support/test.h"

/* --- examples --------------------------------------------------------------------------------- */

/* Texts of the examples use ' for " so that they can be read. */
static oct_slice
quoted(const char *text, char *out)
{
    size_t size = 0;

    for (; text[size] != '\0'; size++)
        out[size] = text[size] == '\'' ? '"' : text[size];
    out[size] = '\0';
    return (oct_slice){out, size};
}

static void
check_equal(const char *what, const buffer *got, const char *wanted)
{
    char text[1024];

    const oct_slice want = quoted(wanted, text);

    CHECK_MSG(slice_equal((oct_slice){got->data, got->size}, want), "%s gives %.*s, expected %s", what,
              (int)got->size, got->data, want.data);
}

TEST(a_document_is_written_compactly)
{
    static const char *const cases[][2] = {
        {"", "{}"},
        {" { } ", "{}"},
        {"{'a' : [ 1 , 2.50, -3e2 , true,null ],\n'b':{}}", "{'a':[1,2.5,-300.0,true,null],'b':{}}"},
        {"{'max':18446744073709551615,'min':-9223372036854775808}",
         "{'max':18446744073709551615,'min':-9223372036854775808}"},
        {"{'big':18446744073709551616,'small':-9223372036854775809}",
         "{'big':18446744073709552000.0,'small':-9223372036854776000.0}"},
        {"{'a':0.1,'b':1e-7,'c':123456789.123456789,'d':5e-324}",
         "{'a':0.1,'b':1e-7,'c':123456789.12345679,'d':5e-324}"},
        {"{'s':'\\u0041\\/\\u00e9\\ud83d\\ude00'}", "{'s':'A/\xC3\xA9\xF0\x9F\x98\x80'}"},
        {"{'s':'\\u0000\\u001f\\b\\f\\n\\r\\t\\\\\\u007f'}", "{'s':'\\u0000\\u001F\\b\\f\\n\\r\\t\\\\\x7F'}"},
        {"{'a':1,'b':2,'a':3}", "{'a':3,'b':2}"},
        {"{'x':[{'\\u0061':1,'a':{'k':1,'k':[2]}}],'y':0}", "{'x':[{'a':{'k':[2]}}],'y':0}"},
    };
    char text[1024];

    for (size_t i = 0; i < countof(cases); i++) {
        buffer    out = {0};
        oct_error error = {0};

        CHECK_MSG(document_check(quoted(cases[i][0], text), &out, &error) == OCT_OK, "%s: %s", text,
                  error.text);
        check_equal(cases[i][0], &out, cases[i][1]);
        buffer_clear(&out);
    }
}

TEST(what_is_not_a_document_is_refused_with_a_reason)
{
    static const struct {
        const char *json, *reason;
        oct_status  status;
    } cases[] = {
        {"[1]", "payload is an array, but must be a JSON object", OCT_INVALID},
        {"'a'", "payload is a string, but must be a JSON object", OCT_INVALID},
        {"null", "payload is null, but must be a JSON object", OCT_INVALID},
        {"7", "payload is a number, but must be a JSON object", OCT_INVALID},
        {" ", "payload is not valid JSON", OCT_INVALID},
        {"{'a':1", "payload is not valid JSON", OCT_INVALID},
        {"{'a':1}x", "payload is not valid JSON", OCT_INVALID},
        {"{'a':01}", "payload is not valid JSON", OCT_INVALID},
        {"{'a':NaN}", "payload is not valid JSON", OCT_INVALID},
        {"{'a':1e999}", "payload is not valid JSON", OCT_INVALID},
        {"{'a':1,}", "payload is not valid JSON", OCT_INVALID},
        {"{a:1}", "payload is not valid JSON", OCT_INVALID},
        {"{'a':'\xFF'}", "payload is not valid JSON", OCT_INVALID},
        {"{'a':'\xED\xA0\x80'}", "payload is not valid JSON", OCT_INVALID},
        {"{'a':'\\ud800'}", "payload is not valid JSON", OCT_INVALID},
    };
    char text[256];

    for (size_t i = 0; i < countof(cases); i++) {
        buffer    out = {0};
        oct_error error = {0};

        CHECK_STATUS(document_check(quoted(cases[i].json, text), &out, &error), cases[i].status);
        CHECK_MSG(strncmp(error.text, cases[i].reason, strlen(cases[i].reason)) == 0, "%s: %s", text,
                  error.text);
        buffer_clear(&out);
    }
}

/* {"a":{"a":...}} or {"a":[[...]]}, `depth` containers deep. */
static void
write_nested(size_t depth, bool is_array, buffer *out)
{
    for (size_t i = 0; i < depth; i++)
        buffer_add_text(out, is_array && i > 0 ? "[" : i + 1 < depth ? "{\"a\":" : "{");
    for (size_t i = depth; i-- > 0;)
        buffer_add_byte(out, is_array && i > 0 ? ']' : '}');
}

TEST(depth_and_size_are_bounded)
{
    oct_error error = {0};
    buffer    text = {0}, out = {0};

    for (int is_array = 0; is_array < 2; is_array++) {
        text.size = out.size = 0;
        write_nested(OCT_PAYLOAD_DEPTH_MAX, is_array != 0, &text);
        CHECK_OK(document_check((oct_slice){text.data, text.size}, &out, &error));
        CHECK_INT(out.size, text.size);
        text.size = 0;
        write_nested(OCT_PAYLOAD_DEPTH_MAX + 1, is_array != 0, &text);
        CHECK_STATUS(document_check((oct_slice){text.data, text.size}, &out, &error), OCT_RANGE);
        CHECK_TEXT(error.text, "a payload nested 129 deep is too deep: at most 128 levels are allowed");
    }
    /* Brackets alone, a million of them, cost no stack. */
    text.size = 0;
    for (int i = 0; i < 1000000; i++)
        buffer_add_byte(&text, '[');
    CHECK_STATUS(document_check((oct_slice){text.data, text.size}, &out, &error), OCT_RANGE);

    text.size = out.size = 0;
    buffer_add_text(&text, "{\"a\":\"");
    while (text.size < OCT_PAYLOAD_BYTES_MAX - 2)
        buffer_add_byte(&text, 'x');
    buffer_add_text(&text, "\"}");
    CHECK_OK(document_check((oct_slice){text.data, text.size}, &out, &error));
    buffer_add_byte(&text, ' ');
    CHECK_STATUS(document_check((oct_slice){text.data, text.size}, &out, &error), OCT_RANGE);
    buffer_clear(&text);
    buffer_clear(&out);
}

TEST(many_keys_and_repeats_take_no_time)
{
    enum { COUNT = 100000 };
    buffer                   text = {0}, out = {0}, changed = {0};
    const oct_payload_change twice = {OCT_PAYLOAD_SET, {0}, {0}, NULL, 0};
    oct_payload_change       change = twice;

    buffer_add_byte(&text, '{');
    for (int i = 0; i < COUNT; i++)
        buffer_format(&text, "%s\"k%d\":%d", i == 0 ? "" : ",", i % (COUNT / 2), i);
    buffer_add_byte(&text, '}');
    CHECK_OK(document_check((oct_slice){text.data, text.size}, &out, NULL));
    CHECK_MSG(out.size > 12 && memcmp(out.data, "{\"k0\":50000,\"k1\":50001,", 12) == 0, "%.20s", out.data);

    /* Set onto itself: quadratic work would show here as minutes. */
    change.payload = (oct_slice){out.data, out.size};
    CHECK_OK(document_change(change.payload, &change, &changed, NULL));
    CHECK(slice_equal((oct_slice){changed.data, changed.size}, change.payload));
    buffer_clear(&text);
    buffer_clear(&out);
    buffer_clear(&changed);
}

TEST(set_payload_merges_and_makes_its_way)
{
    static const struct {
        const char *document, *key, *payload, *wanted;
    } cases[] = {
        {"{'a':1,'b':2}", "", "{'b':3,'c':4}", "{'a':1,'b':3,'c':4}"},
        {"{'a':1,'b':2}", "", "{'a':null,'z':null}", "{'b':2}"},
        {"{'a':{'x':1}}", "", "{'a':{'y':null}}", "{'a':{'y':null}}"}, /* one level only */
        {"{}", "a.b", "{'c':1}", "{'a':{'b':{'c':1}}}"},
        {"{'a':{'b':{'c':1,'d':2}}}", "a.b", "{'c':null,'e':3}", "{'a':{'b':{'d':2,'e':3}}}"},
        {"{'a':5,'z':1}", "a.b", "{'c':1}", "{'a':{'b':{'c':1}},'z':1}"},
        {"{'a':[1,2]}", "a.b", "{'c':1}", "{'a':{'b':{'c':1}}}"},
        {"{'a':[1,{'x':1}]}", "a[]", "{'y':2}", "{'a':[{'y':2},{'x':1,'y':2}]}"},
        {"{'a':[1,{'x':1}]}", "a[1].x", "{'y':2}", "{'a':[1,{'x':{'y':2}}]}"},
        {"{'a':[1,2]}", "a[7]", "{'y':2}", "{'a':[1,2]}"},
        {"{'a':{'k':1}}", "a[0]", "{'y':2}", "{'a':[]}"},
        {"{}", "a[].b", "{'y':2}", "{'a':[]}"},
        {"{'a':[[1],2]}", "a[][0]", "{'y':2}", "{'a':[[{'y':2}],[]]}"},
        {"{'a b':1}", "'a b'", "{'y':2}", "{'a b':{'y':2}}"},
    };
    char texts[3][256];

    for (size_t i = 0; i < countof(cases); i++) {
        const oct_payload_change change = {OCT_PAYLOAD_SET, quoted(cases[i].payload, texts[0]),
                                           quoted(cases[i].key, texts[1]), NULL, 0};
        buffer                   out = {0};

        CHECK_OK(document_change(quoted(cases[i].document, texts[2]), &change, &out, NULL));
        check_equal(cases[i].document, &out, cases[i].wanted);
        buffer_clear(&out);
    }
}

TEST(overwrite_clear_and_delete_do_what_they_say)
{
    static const struct {
        oct_payload_action action;
        const char        *document, *text, *wanted; /* text: payload, or paths with spaces between */
    } cases[] = {
        {OCT_PAYLOAD_OVERWRITE, "{'a':1}", "{'b':null}", "{'b':null}"},
        {OCT_PAYLOAD_OVERWRITE, "{'a':1}", "", "{}"},
        {OCT_PAYLOAD_CLEAR, "{'a':1}", "", "{}"},
        {OCT_PAYLOAD_DELETE, "{'a':1,'b':{'c':1,'d':2}}", "a b.c nothing b.c.x", "{'b':{'d':2}}"},
        {OCT_PAYLOAD_DELETE, "{'a':[1,[2],{'b':3}]}", "a[]", "{'a':[]}"},
        {OCT_PAYLOAD_DELETE, "{'a':[1,2]}", "a[0]", "{'a':[1,2]}"},
        {OCT_PAYLOAD_DELETE, "{'a':[{'b':1,'c':2},{'b':3,'c':4}]}", "a[].b a[1].c", "{'a':[{'c':2},{}]}"},
        {OCT_PAYLOAD_DELETE, "{'a':[{'b':1}]}", "a.b", "{'a':[{'b':1}]}"},
        {OCT_PAYLOAD_DELETE, "{'a':[{'b':[1]}]}", "a[0] a[0].b[]", "{'a':[{'b':[]}]}"},
        {OCT_PAYLOAD_DELETE, "{'a':1}", "", "{'a':1}"},
    };
    char texts[2][256];

    for (size_t i = 0; i < countof(cases); i++) {
        oct_payload_change change = {.action = cases[i].action};
        oct_slice          keys[8];
        buffer             out = {0};

        change.payload = quoted(cases[i].text, texts[0]);
        if (change.action == OCT_PAYLOAD_DELETE) {
            char *rest = NULL;

            for (char *key = strtok_r(texts[0], " ", &rest); key != NULL; key = strtok_r(NULL, " ", &rest))
                keys[change.key_count++] = slice_of(key);
            change.keys = keys;
        }
        CHECK_OK(document_change(quoted(cases[i].document, texts[1]), &change, &out, NULL));
        check_equal(cases[i].document, &out, cases[i].wanted);
        buffer_clear(&out);
    }
}

TEST(a_change_that_breaks_a_limit_or_a_path_is_refused)
{
    oct_error          error = {0};
    buffer             payload = {0}, document = {0}, out = {0};
    oct_payload_change change = {.action = OCT_PAYLOAD_SET, .key = slice_of("a.a.a")};

    write_nested(OCT_PAYLOAD_DEPTH_MAX - 3, false, &payload);
    change.payload = (oct_slice){payload.data, payload.size};
    CHECK_OK(document_change(slice_of("{}"), &change, &out, &error));
    change.key = slice_of("a.a.a.a");
    CHECK_STATUS(document_change(slice_of("{}"), &change, &out, &error), OCT_RANGE);
    CHECK_TEXT(error.text, "the changed payload is nested 129 deep: at most 128 levels are allowed");

    /* A hundred thousand elements, a kilobyte each: far too much, and noticed on the way. */
    payload.size = 0;
    buffer_add_text(&payload, "{\"k\":\"");
    for (int i = 0; i < 1000; i++)
        buffer_add_byte(&payload, 'x');
    buffer_add_text(&payload, "\"}");
    buffer_add_text(&document, "{\"a\":[0");
    for (int i = 1; i < 100000; i++)
        buffer_add_text(&document, ",0");
    buffer_add_text(&document, "]}");
    change.payload = (oct_slice){payload.data, payload.size};
    change.key = slice_of("a[]");
    out.size = 0;
    CHECK_STATUS(document_change((oct_slice){document.data, document.size}, &change, &out, &error),
                 OCT_RANGE);
    CHECK(out.size < OCT_PAYLOAD_BYTES_MAX + 4096);

    change.key = slice_of("a.");
    CHECK_STATUS(document_change(slice_of("{}"), &change, &out, &error), OCT_FORMAT);
    CHECK_TEXT(error.text, "Invalid json path: 'a.'");
    change.key = (oct_slice){0};
    change.payload = slice_of("[]");
    CHECK_STATUS(document_change(slice_of("{}"), &change, &out, &error), OCT_INVALID);
    buffer_clear(&payload);
    buffer_clear(&document);
    buffer_clear(&out);
}

TEST(a_selection_shows_what_its_paths_say)
{
    static const struct {
        const char *include, *exclude, *document, *wanted;
    } cases[] = {
        {"", "", "{'a':1}", "{'a':1}"},
        {"a.b", "", "{'a':{'b':1,'c':2},'d':3}", "{'a':{'b':1}}"},
        {"a.b", "", "{'a':[{'b':1}]}", "{'a':[]}"},
        {"a[].b", "", "{'a':[{'b':1,'c':2},5,{'c':3}]}", "{'a':[{'b':1},5,{}]}"},
        {"a[0]", "", "{'a':[1,2]}", "{'a':[]}"},
        {"a[]", "", "{'a':[1,{'b':2}]}", "{'a':[1,{'b':2}]}"},
        {"a.b", "", "{'a':5}", "{'a':5}"}, /* all there is on the way */
        {"a a.b", "", "{'a':{'b':1,'c':2}}", "{'a':{'b':1,'c':2}}"},
        {"nothing", "", "{'a':5}", "{}"},
        {"", "a.b d", "{'a':{'b':1,'c':2},'d':3,'e':4}", "{'a':{'c':2},'e':4}"},
        {"", "a.b", "{'a':[{'b':1}]}", "{'a':[{'b':1}]}"},
        {"", "a[].b", "{'a':[{'b':1,'c':2},5]}", "{'a':[{'c':2},5]}"},
        {"", "a[]", "{'a':[1,2],'b':[3]}", "{'a':[],'b':[3]}"},
        {"", "a[0] a[0].b", "{'a':[{'b':1}]}", "{'a':[{'b':1}]}"},
        {"a", "a.b", "{'a':{'b':1,'c':2},'d':3}", "{'a':{'c':2}}"},
    };
    char texts[3][256];

    for (size_t i = 0; i < countof(cases); i++) {
        oct_slice  include[4], exclude[4];
        oct_select select = {.with_payload = true, .include = include, .exclude = exclude};
        char      *rest = NULL;
        buffer     out = {0};

        (void)quoted(cases[i].include, texts[0]);
        (void)quoted(cases[i].exclude, texts[1]);
        for (char *key = strtok_r(texts[0], " ", &rest); key != NULL; key = strtok_r(NULL, " ", &rest))
            include[select.include_count++] = slice_of(key);
        rest = NULL;
        for (char *key = strtok_r(texts[1], " ", &rest); key != NULL; key = strtok_r(NULL, " ", &rest))
            exclude[select.exclude_count++] = slice_of(key);
        CHECK_OK(document_select(quoted(cases[i].document, texts[2]), &select, &out, NULL));
        check_equal(cases[i].document, &out, cases[i].wanted);
        buffer_clear(&out);
    }
}

/* --- the model -------------------------------------------------------------------------------- */

#define CHILDREN_MAX 12u

typedef struct node {
    char         kind;     /* 's': a scalar; 'o': an object; 'a': an array */
    char         text[24]; /* of a scalar */
    size_t       count;
    const char  *keys[CHILDREN_MAX];
    struct node *children[CHILDREN_MAX];
} node;

typedef struct step {
    char        kind; /* 'k', 'i' or '*' */
    const char *key;
    uint64_t    index;
} step;

#define STEPS_MAX 4u

static const char *const model_keys[] = {"a", "b", "c d", "\xC3\xA9", "e-f"};

static node *
new_node(arena *memory, char kind)
{
    node *self = arena_alloc(memory, sizeof *self);

    OCT_MUST(self != NULL);
    self->kind = kind;
    return self;
}

static node *
random_node(test_rng *rng, arena *memory, int depth)
{
    static const char *const scalars[] = {"null",    "true",          "0",    "-7", "1.5", "\"\"",
                                          "\"[,]\"", "\"\\\"}\\\\\"", "1e300"};
    const uint64_t           dice = test_below(rng, depth > 0 ? 10 : 4);
    node                    *self = new_node(memory, dice < 4 ? 's' : dice < 7 ? 'a' : 'o');

    if (self->kind == 's')
        (void)snprintf(self->text, sizeof self->text, "%s", scalars[test_below(rng, countof(scalars))]);
    if (self->kind == 'a') {
        self->count = test_below(rng, 4);
        for (size_t i = 0; i < self->count; i++)
            self->children[i] = random_node(rng, memory, depth - 1);
    }
    for (size_t i = 0; self->kind == 'o' && i < countof(model_keys); i++) {
        if (test_below(rng, 2) == 0) {
            self->keys[self->count] = model_keys[i];
            self->children[self->count++] = random_node(rng, memory, depth - 1);
        }
    }
    return self;
}

static node *
random_object(test_rng *rng, arena *memory, int depth)
{
    node *self;

    do
        self = random_node(rng, memory, depth);
    while (self->kind != 'o');
    return self;
}

/* With spaces after every token when `loose`, and now and then a member that a later one repeats. */
static void
write_node(const node *self, test_rng *loose, buffer *out)
{
    const char *space = loose != NULL && test_below(loose, 2) == 0 ? " \n" : "";

    if (self->kind == 's') {
        buffer_format(out, "%s%s", self->text, space);
        return;
    }
    buffer_format(out, "%c%s", self->kind == 'o' ? '{' : '[', space);
    for (size_t i = 0; i < self->count; i++) {
        if (self->kind == 'o') {
            if (loose != NULL && test_below(loose, 10) == 0)
                buffer_format(out, "%s\"%s\":[{}],", i == 0 ? "" : ",", self->keys[i]);
            else if (i > 0)
                buffer_add_byte(out, ',');
            buffer_format(out, "\"%s\"%s:%s", self->keys[i], space, space);
        } else if (i > 0) {
            buffer_format(out, ",%s", space);
        }
        write_node(self->children[i], loose, out);
    }
    buffer_format(out, "%c%s", self->kind == 'o' ? '}' : ']', space);
}

static size_t
find_child(const node *self, const char *key)
{
    size_t i = 0;

    while (i < self->count && strcmp(self->keys[i], key) != 0)
        i++;
    return i;
}

static void
remove_child(node *self, size_t at)
{
    self->count--;
    for (; at < self->count; at++) {
        self->keys[at] = self->keys[at + 1];
        self->children[at] = self->children[at + 1];
    }
}

static void
model_merge(node *object, const node *with)
{
    for (size_t i = 0; i < with->count; i++) {
        const size_t at = find_child(object, with->keys[i]);
        const bool   is_null = strcmp(with->children[i]->text, "null") == 0;

        if (is_null && at < object->count) {
            remove_child(object, at);
        } else if (!is_null) {
            OCT_MUST(at < CHILDREN_MAX);
            object->keys[at] = with->keys[i];
            object->children[at] = with->children[i];
            object->count = size_max(object->count, at + 1);
        }
    }
}

/* Elements share what is merged into them, which nothing changes afterwards. */
static void
model_set(node *self, const step *steps, size_t count, const node *with, arena *memory)
{
    const char wanted = count == 0 || steps->kind == 'k' ? 'o' : 'a';

    if (self->kind != wanted) {
        *self = (node){0};
        self->kind = wanted;
    }
    if (count == 0) {
        model_merge(self, with);
        return;
    }
    if (steps->kind == 'k' && find_child(self, steps->key) == self->count) {
        self->keys[self->count] = steps->key;
        self->children[self->count++] = new_node(memory, 's'); /* replaced by what the next step wants */
    }
    for (size_t i = 0; i < self->count; i++) {
        if (steps->kind == '*' || (steps->kind == 'k' && strcmp(self->keys[i], steps->key) == 0) ||
            (steps->kind == 'i' && steps->index == i))
            model_set(self->children[i], steps + 1, count - 1, with, memory);
    }
}

static void
model_delete(node *self, const step *steps, size_t count)
{
    if (self->kind == 's' || (self->kind == 'o') != (steps->kind == 'k'))
        return;
    if (count == 1 && steps->kind == '*')
        self->count = 0;
    if (count == 1 && steps->kind == 'k' && find_child(self, steps->key) < self->count)
        remove_child(self, find_child(self, steps->key));
    for (size_t i = 0; count > 1 && i < self->count; i++) {
        if (steps->kind == '*' || (steps->kind == 'k' && strcmp(self->keys[i], steps->key) == 0) ||
            (steps->kind == 'i' && steps->index == i))
            model_delete(self->children[i], steps + 1, count - 1);
    }
}

/* What a value at `place` is to a selection: `place` is a path of keys and *, so that a pattern either begins
 * it, goes on from it, or parts from it. */
static bool
begins(const step *a, size_t a_count, const step *b, size_t b_count)
{
    if (a_count > b_count)
        return false;
    for (size_t i = 0; i < a_count; i++) {
        if (a[i].kind != b[i].kind || (a[i].kind == 'k' && strcmp(a[i].key, b[i].key) != 0) ||
            a[i].kind == 'i')
            return false;
    }
    return true;
}

typedef struct pattern {
    step   steps[STEPS_MAX];
    size_t count;
} pattern;

static void
model_view(node *self, const pattern *patterns, size_t pattern_count, bool is_include, step *place,
           size_t depth)
{
    for (size_t i = 0; i < self->count;) {
        bool is_kept = !is_include;

        place[depth] = self->kind == 'o' ? (step){'k', self->keys[i], 0} : (step){'*', NULL, 0};
        for (size_t j = 0; j < pattern_count; j++) {
            const pattern *p = &patterns[j];

            if (begins(p->steps, p->count, place, depth + 1))
                is_kept = is_include;
            if (is_include && begins(place, depth + 1, p->steps, p->count))
                is_kept = true;
        }
        if (is_kept) {
            model_view(self->children[i], patterns, pattern_count, is_include, place, depth + 1);
            i++;
        } else {
            remove_child(self, i);
        }
    }
}

static void
random_pattern(test_rng *rng, pattern *out, buffer *text)
{
    out->count = 1 + test_below(rng, STEPS_MAX);
    for (size_t i = 0; i < out->count; i++) {
        const uint64_t dice = i == 0 ? 9 : test_below(rng, 10);
        step          *self = &out->steps[i];

        *self = (step){dice < 3   ? '*'
                       : dice < 5 ? 'i'
                                  : 'k',
                       model_keys[test_below(rng, countof(model_keys))], test_below(rng, 3)};
        if (self->kind == '*')
            buffer_add_text(text, "[]");
        else if (self->kind == 'i')
            buffer_format(text, "[%llu]", (unsigned long long)self->index);
        else
            buffer_format(text, "%s\"%s\"", i == 0 ? "" : ".", self->key);
    }
}

#define PATTERNS_MAX 4u

typedef struct random_case {
    buffer    loose;    /* the document as it comes from outside */
    buffer    document; /* its compact form */
    node     *tree;
    pattern   patterns[PATTERNS_MAX];
    buffer    paths[PATTERNS_MAX];
    oct_slice keys[PATTERNS_MAX];
    size_t    count;
} random_case;

static void
random_case_init(random_case *self, test_rng *rng, arena *memory)
{
    *self = (random_case){.tree = random_object(rng, memory, 4), .count = 1 + test_below(rng, PATTERNS_MAX)};
    write_node(self->tree, rng, &self->loose);
    CHECK_OK(document_check((oct_slice){self->loose.data, self->loose.size}, &self->document, NULL));
    for (size_t i = 0; i < self->count; i++) {
        random_pattern(rng, &self->patterns[i], &self->paths[i]);
        self->keys[i] = (oct_slice){self->paths[i].data, self->paths[i].size};
    }
}

static void
random_case_clear(random_case *self)
{
    buffer_clear(&self->loose);
    buffer_clear(&self->document);
    for (size_t i = 0; i < self->count; i++)
        buffer_clear(&self->paths[i]);
}

/* The changed or shown text must be what the model writes. */
static void
check_model(const random_case *self, const char *what, const buffer *got)
{
    buffer wanted = {0};

    write_node(self->tree, NULL, &wanted);
    CHECK_MSG(slice_equal((oct_slice){got->data, got->size}, (oct_slice){wanted.data, wanted.size}),
              "%s of %.*s, first path %.*s: got %.*s, expected %.*s", what, (int)self->document.size,
              self->document.data, (int)self->paths[0].size, self->paths[0].data, (int)got->size, got->data,
              (int)wanted.size, wanted.data);
    buffer_clear(&wanted);
}

TEST(random_changes_and_views_agree_with_the_model)
{
    test_rng rng = test_rng_seed(21);

    for (int round = 0; round < 20000 && !test_has_failed(); round++) {
        arena          memory = {0};
        random_case    one;
        buffer         out = {0}, payload = {0};
        step           place[16];
        const uint64_t dice = test_below(&rng, 5);
        oct_slice      document;

        random_case_init(&one, &rng, &memory);
        document = (oct_slice){one.document.data, one.document.size};
        if (dice == 0) {
            check_model(&one, "check", &one.document);
        } else if (dice == 1) {
            const node        *with = random_object(&rng, &memory, 2);
            const bool         at_top = test_below(&rng, 4) == 0;
            oct_payload_change change = {.action = OCT_PAYLOAD_SET,
                                         .key = at_top ? (oct_slice){0} : one.keys[0]};

            write_node(with, &rng, &payload);
            change.payload = (oct_slice){payload.data, payload.size};
            CHECK_OK(document_change(document, &change, &out, NULL));
            model_set(one.tree, one.patterns[0].steps, at_top ? 0 : one.patterns[0].count, with, &memory);
            check_model(&one, "set", &out);
        } else if (dice == 2) {
            const oct_payload_change change = {OCT_PAYLOAD_DELETE, {0}, {0}, one.keys, one.count};

            CHECK_OK(document_change(document, &change, &out, NULL));
            for (size_t i = 0; i < one.count; i++)
                model_delete(one.tree, one.patterns[i].steps, one.patterns[i].count);
            check_model(&one, "delete", &out);
        } else {
            const oct_select select = {.include = one.keys,
                                       .include_count = dice == 3 ? one.count : 0,
                                       .exclude = one.keys,
                                       .exclude_count = dice == 4 ? one.count : 0};

            CHECK_OK(document_select(document, &select, &out, NULL));
            model_view(one.tree, one.patterns, one.count, dice == 3, place, 0);
            check_model(&one, dice == 3 ? "include" : "exclude", &out);
        }
        random_case_clear(&one);
        buffer_clear(&out);
        buffer_clear(&payload);
        arena_clear(&memory);
    }
}

/* --- faults ----------------------------------------------------------------------------------- */

TEST(every_failed_allocation_is_reported_and_leaks_nothing)
{
    test_rng rng = test_rng_seed(22);

    for (int round = 0; round < 20; round++) {
        arena              memory = {0};
        random_case        one;
        char               large[4000];
        oct_slice          document, loose;
        oct_payload_change set, delete;
        oct_select         select;
        bool               failed = true;

        random_case_init(&one, &rng, &memory);
        /* More than the scratch memory of a check holds, with a repeated key. */
        (void)snprintf(large, sizeof large, "{\"a\":%*d,\"a\":\"%0*d\"}", 1000, 1, 2000, 2);
        loose = slice_of(large);
        document = (oct_slice){one.document.data, one.document.size};
        set = (oct_payload_change){OCT_PAYLOAD_SET, loose, one.keys[0], NULL, 0};
        delete = (oct_payload_change){OCT_PAYLOAD_DELETE, {0}, {0}, one.keys, one.count};
        select = (oct_select){
            .include = one.keys, .include_count = one.count, .exclude = one.keys, .exclude_count = one.count};
        for (uint64_t allowed = 0; failed && allowed < 1000; allowed++) {
            buffer     out = {0};
            oct_status statuses[4];
            oct_error  error = {0};

            failed = false;
            for (size_t i = 0; i < countof(statuses); i++) {
                out.size = 0;
                out.failed = false;
                oct_alloc_fail_after(allowed, true);
                statuses[i] = i == 0   ? document_check(loose, &out, &error)
                              : i == 1 ? document_change(document, &set, &out, &error)
                              : i == 2 ? document_change(document, &delete, &out, &error)
                                       : document_select(document, &select, &out, &error);
                oct_alloc_fail_after(UINT64_MAX, false);
                CHECK_MSG(statuses[i] == OCT_OK || statuses[i] == OCT_NOMEM, "call %zu: %d %s", i,
                          statuses[i], error.text);
                failed = failed || statuses[i] != OCT_OK;
                buffer_clear(&out);
            }
        }
        CHECK(!failed);
        random_case_clear(&one);
        arena_clear(&memory);
    }
}

TEST(damaged_documents_never_lead_outside)
{
    test_rng rng = test_rng_seed(23);
    int      refused = 0;

    for (int round = 0; round < 20000; round++) {
        arena                    memory = {0};
        random_case              one;
        buffer                   out = {0};
        const oct_payload_change set = {OCT_PAYLOAD_SET, slice_of("{\"a\":null,\"x\":1}"), {0}, NULL, 0};
        oct_payload_change       change = set;
        oct_select               select = {0};
        oct_slice                document;
        char                    *copy;
        size_t                   size;

        random_case_init(&one, &rng, &memory);
        size = test_below(&rng, 3) == 0 ? test_below(&rng, one.document.size + 1) : one.document.size;
        copy = oct_alloc(size); /* of exact size, so that a sanitizer sees the first byte too many */
        memcpy(copy, one.document.data, size);
        for (uint64_t i = test_below(&rng, 4); size > 0 && i > 0; i--)
            copy[test_below(&rng, size)] = "{}[],:\"\\x0"[test_below(&rng, 10)];
        document = (oct_slice){copy, size};

        if (test_below(&rng, 2) == 0)
            change.key = one.keys[0];
        refused += document_change(document, &change, &out, NULL) == OCT_CORRUPT;
        change = (oct_payload_change){OCT_PAYLOAD_DELETE, {0}, {0}, one.keys, one.count};
        refused += document_change(document, &change, &out, NULL) == OCT_CORRUPT;
        select.include = select.exclude = one.keys;
        select.include_count = one.count;
        refused += document_select(document, &select, &out, NULL) == OCT_CORRUPT;
        select.include_count = 0;
        select.exclude_count = one.count;
        refused += document_select(document, &select, &out, NULL) == OCT_CORRUPT;
        (void)document_check(document, &out, NULL);
        oct_free(copy);
        buffer_clear(&out);
        random_case_clear(&one);
        arena_clear(&memory);
    }
    CHECK_MSG(refused > 1000, "only %d of 80000 damaged documents were noticed", refused);
}
