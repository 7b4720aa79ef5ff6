/* See path.h. */
#include "payload/path.h"

#include "base/json.h"
#include "base/letters.h"
#include "payload/value.h"

/* The end of a bare key that starts at `at`; `at` itself if there is none. */
static const char *
end_of_bare_key(const char *at, const char *end)
{
    while (at < end) {
        uint32_t     character;
        const size_t size = utf8_decode(at, (size_t)(end - at), &character);

        if (size == 0 || !(is_letter_or_digit(character) || character == '_' || character == '-'))
            break;
        at += size;
    }
    return at;
}

/* The quote that closes a key, which starts at `at`; NULL if there is none. */
static const char *
end_of_quoted_key(const char *at, const char *end)
{
    while (at < end && *at != '"') {
        uint32_t     character;
        const size_t size = *at == '\\' ? 0 : utf8_decode(at, (size_t)(end - at), &character);

        if (size == 0)
            return NULL;
        at += size;
    }
    return at < end ? at : NULL;
}

/* Read [n] or [] from *at, just past its "[". */
static bool
parse_index(const char **at, const char *end, path_step *out)
{
    const char *start = *at;

    out->kind = PATH_INDEX;
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
        if (__builtin_mul_overflow(out->index, 10, &out->index) ||
            __builtin_add_overflow(out->index, (uint64_t)(**at - '0'), &out->index))
            return false;
    }
    if (*at == start)
        out->kind = PATH_ALL;
    if (*at == end || **at != ']')
        return false;
    ++*at;
    return true;
}

static oct_status
fail_path(oct_slice text, oct_error *error)
{
    /* Cut where the error's buffer would, so that the closing quote is seen. */
    return oct_fail(error, OCT_FORMAT, "Invalid json path: '%.*s%s'", (int)size_min(text.size, 500),
                    text.data, text.size > 500 ? "..." : "");
}

oct_status
path_parse(oct_slice text, arena *memory, path *out, oct_error *error)
{
    const char *at = text.data;
    const char *end = text.data + text.size;
    path_step  *steps;
    size_t      count = 0;
    size_t      starts = 1; /* each step but the first starts with one of these */
    bool        wants_key = true;

    *out = (path){0};
    for (size_t i = 0; i < text.size; i++)
        starts += text.data[i] == '.' || text.data[i] == '[';
    steps = arena_array(memory, starts, sizeof *steps);
    if (steps == NULL)
        return oct_fail_memory(error, starts * sizeof *steps);

    while (wants_key || at < end) {
        path_step *step = &steps[count++];

        if (wants_key) {
            const bool  is_quoted = at < end && *at == '"';
            const char *start = is_quoted ? at + 1 : at;
            const char *stop = is_quoted ? end_of_quoted_key(start, end) : end_of_bare_key(at, end);

            if (stop == NULL || (stop == start && !is_quoted))
                return fail_path(text, error);
            step->kind = PATH_KEY;
            /* As a compact document spells it: quotes and backslashes cannot occur, control characters can. */
            if (!spell_text((oct_slice){start, (size_t)(stop - start)}, memory, &step->key))
                return oct_fail_memory(error, (size_t)(stop - start));
            at = is_quoted ? stop + 1 : stop;
            wants_key = false;
        } else {
            at++;
            if (!parse_index(&at, end, step))
                return fail_path(text, error);
        }
        if (at < end && *at == '.') {
            at++;
            wants_key = true;
        } else if (at < end && *at != '[') {
            return fail_path(text, error);
        }
    }
    if (count > OCT_PAYLOAD_DEPTH_MAX)
        return oct_fail(error, OCT_FORMAT, "Invalid json path: %zu steps, at most %u can exist", count,
                        OCT_PAYLOAD_DEPTH_MAX);
    *out = (path){steps, count};
    return OCT_OK;
}

int
path_step_compare(const path_step *a, const path_step *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->index != b->index)
        return a->index < b->index ? -1 : 1;
    return slice_compare(a->key, b->key);
}
