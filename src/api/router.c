/* From method and target to a route, and what the query string says. See api.h.
 *
 * Empty parts of a path are passed over, so that a trailing or doubled '/' does no harm. Parts are percent-decoded
 * after the path is cut, so %2F is part of a name. A '%' that no two hex digits follow stands for itself.
 */
#include "api/api.h"

#define METHODS_SHOWN_MAX 64u

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* In a query string '+' is a blank. */
static oct_status
percent_decode(oct_slice text, bool plus_is_blank, arena *memory, oct_slice *out, oct_error *error)
{
    char  *decoded;
    size_t size = 0;

    *out = text;
    if (memchr(text.data, '%', text.size) == NULL &&
        (!plus_is_blank || memchr(text.data, '+', text.size) == NULL))
        return OCT_OK;
    decoded = arena_alloc(memory, text.size + 1);
    if (decoded == NULL)
        return oct_fail_memory(error, text.size);
    for (size_t i = 0; i < text.size; i++) {
        const int high = text.data[i] == '%' && i + 2 < text.size ? hex_digit(text.data[i + 1]) : -1;
        const int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;

        if (low >= 0) {
            decoded[size++] = (char)(high * 16 + low);
            i += 2;
        } else {
            decoded[size++] = plus_is_blank && text.data[i] == '+' ? ' ' : text.data[i];
        }
    }
    *out = (oct_slice){decoded, size};
    return OCT_OK;
}

/* The next part between slashes; false at the end. */
static bool
next_part(oct_slice *rest, oct_slice *part)
{
    while (rest->size > 0 && rest->data[0] == '/') {
        rest->data++;
        rest->size--;
    }
    *part = (oct_slice){rest->data, 0};
    while (part->size < rest->size && rest->data[part->size] != '/')
        part->size++;
    rest->data += part->size;
    rest->size -= part->size;
    return part->size > 0;
}

/* Compare with a pattern; parts under a {name} become parameters. */
static bool
route_matches(const api_route *route, const oct_slice *parts, size_t count, oct_slice *params)
{
    oct_slice rest = slice_of(route->pattern), part;
    size_t    i = 0, param_count = 0;

    for (; next_part(&rest, &part); i++) {
        if (i == count)
            return false;
        if (part.data[0] == '{')
            params[param_count++] = parts[i];
        else if (!slice_equal(part, parts[i]))
            return false;
    }
    return i == count;
}

static oct_status
decode_options(api_call *call, oct_slice query, oct_error *error)
{
    call->place = API_IN_QUERY;
    while (query.size > 0) {
        const char *end = memchr(query.data, '&', query.size);
        oct_slice   pair = {query.data, end == NULL ? query.size : (size_t)(end - query.data)};
        const char *equals = memchr(pair.data, '=', pair.size);
        api_option *option = &call->options[call->option_count];
        oct_slice   name = {pair.data, equals == NULL ? pair.size : (size_t)(equals - pair.data)},
                  value = {"", 0};
        oct_status status;

        query.data += pair.size + (end != NULL);
        query.size -= pair.size + (end != NULL);
        if (equals != NULL)
            value = (oct_slice){equals + 1, pair.size - name.size - 1};
        if (pair.size == 0)
            continue;
        if (call->option_count == API_OPTIONS_MAX)
            return oct_fail(error, OCT_FORMAT, "more than %u parameters", API_OPTIONS_MAX);
        status = percent_decode(name, true, &call->memory, &option->name, error);
        if (status == OCT_OK)
            status = percent_decode(value, true, &call->memory, &option->value, error);
        if (status != OCT_OK)
            return status;
        if (!utf8_is_valid(option->name) || !utf8_is_valid(option->value))
            return oct_fail(error, OCT_FORMAT, "invalid UTF-8");
        for (size_t i = 0; i < call->option_count; i++)
            if (slice_equal(call->options[i].name, option->name))
                return oct_fail(error, OCT_FORMAT, "duplicate field `" SLICE_FMT "`",
                                SLICE_ARG(option->name));
        call->option_count++;
    }
    call->place = API_IN_BODY;
    return OCT_OK;
}

oct_status
api_find_route(api_call *call, oct_slice method, oct_slice target, oct_error *error)
{
    const char *mark = target.size == 0 ? NULL : memchr(target.data, '?', target.size);
    oct_slice   rest = {target.data, mark == NULL ? target.size : (size_t)(mark - target.data)};
    oct_slice   parts[API_SEGMENTS_MAX], part, params[API_PARAMS_MAX] = {{NULL, 0}};
    char        methods[METHODS_SHOWN_MAX] = "";
    size_t      count = 0;
    oct_status  status;

    if (slice_is(method, "HEAD"))
        method = slice_of("GET");
    while (next_part(&rest, &part)) {
        if (count == API_SEGMENTS_MAX)
            return oct_fail(error, OCT_NOT_FOUND, "no such route: the path has more than %u parts",
                            API_SEGMENTS_MAX);
        status = percent_decode(part, false, &call->memory, &parts[count], error);
        if (status != OCT_OK)
            return status;
        if (!utf8_is_valid(parts[count])) {
            call->place = API_IN_PATH;
            return oct_fail(error, OCT_FORMAT, "invalid UTF-8");
        }
        count++;
    }
    for (const api_route *route = api_routes; route->method != NULL; route++) {
        if (!route_matches(route, parts, count, params))
            continue;
        if (slice_is(method, route->method)) {
            call->route = route;
            memcpy(call->params, params, sizeof params);
            rest = mark == NULL ? (oct_slice){"", 0}
                                : (oct_slice){mark + 1, target.size - (size_t)(mark + 1 - target.data)};
            return decode_options(call, rest, error);
        }
        if (strlen(methods) + strlen(route->method) + 3 < sizeof methods) {
            if (methods[0] != '\0')
                strcat(methods, ", ");
            strcat(methods, route->method);
        }
    }
    rest = (oct_slice){target.data, size_min(mark == NULL ? target.size : (size_t)(mark - target.data), 300)};
    method.size = size_min(method.size, 20);
    if (methods[0] != '\0')
        return oct_fail(error, OCT_NOT_FOUND,
                        "no such route: " SLICE_FMT " " SLICE_FMT "; this path takes %s", SLICE_ARG(method),
                        SLICE_ARG(rest), methods);
    return oct_fail(error, OCT_NOT_FOUND, "no such route: " SLICE_FMT " " SLICE_FMT, SLICE_ARG(method),
                    SLICE_ARG(rest));
}

/* --- the query string ------------------------------------------------------------------------- */

const oct_slice *
api_option_get(const api_call *call, const char *name)
{
    for (size_t i = 0; i < call->option_count; i++)
        if (slice_is(call->options[i].name, name))
            return &call->options[i].value;
    return NULL;
}

oct_status
api_option_bool(api_call *call, const char *name, bool *out, oct_error *error)
{
    const oct_slice *value = api_option_get(call, name);

    if (value == NULL)
        return OCT_OK;
    if (!slice_is(*value, "true") && !slice_is(*value, "false")) {
        call->place = API_IN_QUERY;
        return oct_fail(error, OCT_FORMAT, "%s: \"" SLICE_FMT "\" was not `true` or `false`", name,
                        (int)size_min(value->size, 64), value->data);
    }
    *out = slice_is(*value, "true");
    return OCT_OK;
}

/* Digits that fit 64 bits. */
static bool
parse_u64(oct_slice text, uint64_t *out)
{
    uint64_t number = 0;

    if (text.size == 0)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number))
            return false;
    *out = number;
    return true;
}

static oct_status
option_range(api_call *call, const char *name, oct_slice value, uint64_t min, uint64_t *out, oct_error *error)
{
    const json_path at = json_at(NULL, name);
    uint64_t        number;

    call->place = API_IN_QUERY;
    if (!parse_u64(value, &number))
        return oct_fail(error, OCT_FORMAT, "%s: \"" SLICE_FMT "\" is not an unsigned integer", name,
                        (int)size_min(value.size, 64), value.data);
    if (number < min)
        return json_fail_range(&at, number, min, UINT64_MAX, error);
    call->place = API_IN_BODY;
    *out = number;
    return OCT_OK;
}

oct_status
api_option_u64(api_call *call, const char *name, uint64_t min, uint64_t *out, oct_error *error)
{
    const oct_slice *value = api_option_get(call, name);

    return value == NULL ? OCT_OK : option_range(call, name, *value, min, out, error);
}

oct_status
api_meta_options(api_call *call, oct_error *error)
{
    uint64_t         seconds = 0;
    const oct_status status = api_option_u64(call, "timeout", 1, &seconds, error);

    if (status == OCT_OK && seconds > 0) { /* until the end of the call: api.c */
        call->is_limited = true;
        oct_time_limit(seconds > UINT64_MAX / 1000 ? UINT64_MAX : seconds * 1000);
    }
    return status;
}

oct_status
api_write_options(api_call *call, oct_write_options *out, oct_error *error)
{
    const oct_slice *ordering = api_option_get(call, "ordering");
    oct_status       status;

    *out = (oct_write_options){.wait = false};
    status = api_option_bool(call, "wait", &out->wait, error);
    if (status == OCT_OK)
        status = api_meta_options(call, error);
    if (status == OCT_OK && ordering != NULL && !slice_is(*ordering, "weak") &&
        !slice_is(*ordering, "medium") && !slice_is(*ordering, "strong")) {
        call->place = API_IN_QUERY;
        status = oct_fail(error, OCT_FORMAT,
                          "unknown variant `" SLICE_FMT "`, expected one of `weak`, `medium`, `strong`",
                          (int)size_min(ordering->size, 64), ordering->data);
    }
    return status;
}

oct_status
api_read_options(api_call *call, oct_error *error)
{
    const oct_slice *consistency = api_option_get(call, "consistency");
    uint64_t         replicas;

    if (consistency != NULL && consistency->size > 0 && !slice_is(*consistency, "majority") &&
        !slice_is(*consistency, "quorum") && !slice_is(*consistency, "all")) {
        if (!parse_u64(*consistency, &replicas)) {
            call->place = API_IN_QUERY;
            return oct_fail(error, OCT_FORMAT,
                            "consistency: \"" SLICE_FMT "\" is neither a number nor majority, quorum or all",
                            (int)size_min(consistency->size, 64), consistency->data);
        }
        if (replicas == 0)
            return option_range(call, "consistency", *consistency, 1, &replicas, error);
    }
    return api_meta_options(call, error);
}
