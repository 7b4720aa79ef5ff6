/* Random documents and random filters that are likely to meet: few keys, few values, every kind of condition. For tests of
 * whatever answers filters. See filter_random_test.h. */
#include "payload/filter_random_test.h"

#include <math.h>

/* --- documents ------------------------------------------------------------------------------------------- */

static const char *const keys[] = {"a", "b", "c", "x y", "\xC3\xA9"};
static const char *const strings[] = {"",
                                      "a",
                                      "ab",
                                      "b a",
                                      "n",
                                      "\\n",
                                      "q\"q",
                                      "\\\\",
                                      "2024-01-02",
                                      "1999-12-31T23:59:59Z",
                                      "2024-01-02T03:04:05.5+01:00",
                                      "\xE6\x97\xA5\xE6\x9C\xAC",
                                      "5",
                                      "true"};
static const char *const numbers[] = {
    "0", "1", "5", "-3", "5.0", "0.5", "-2.25", "9223372036854775807", "18446744073709551615", "1e300"};

static void
add_string(buffer *out, const char *text)
{
    buffer_add_byte(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            buffer_add_byte(out, '\\');
        buffer_add_byte(out, *text);
    }
    buffer_add_byte(out, '"');
}

static void
add_value(test_rng *rng, unsigned depth, buffer *out)
{
    const uint64_t dice = test_below(rng, depth > 0 ? 12 : 8);

    if (dice == 0) {
        buffer_add_text(out, "null");
    } else if (dice == 1) {
        buffer_add_text(out, test_below(rng, 2) == 0 ? "true" : "false");
    } else if (dice < 4) {
        buffer_add_text(out, numbers[test_below(rng, countof(numbers))]);
    } else if (dice < 7) {
        add_string(out, strings[test_below(rng, countof(strings))]);
    } else if (dice == 7) {
        buffer_format(out, "{\"lon\":%d,\"lat\":%d.5}", (int)test_below(rng, 20) - 10,
                      (int)test_below(rng, 20) - 10);
    } else if (dice < 10) {
        buffer_add_byte(out, '[');
        for (uint64_t count = test_below(rng, 4), i = 0; i < count; i++) {
            buffer_add_text(out, i > 0 ? "," : "");
            add_value(rng, depth - 1, out);
        }
        buffer_add_byte(out, ']');
    } else {
        random_document(rng, depth - 1, out);
    }
}

void
random_document(test_rng *rng, unsigned depth, buffer *out)
{
    bool any = false;

    buffer_add_byte(out, '{');
    for (size_t i = 0; i < countof(keys); i++) {
        if (test_below(rng, 2) == 0)
            continue;
        buffer_add_text(out, any ? "," : "");
        add_string(out, keys[i]);
        buffer_add_byte(out, ':');
        add_value(rng, depth, out);
        any = true;
    }
    buffer_add_byte(out, '}');
}

/* --- filters ---------------------------------------------------------------------------------------------- */

static void *
make(arena *memory, size_t count, size_t size)
{
    void *made = arena_array(memory, count + 1, size);

    OCT_MUST(made != NULL);
    return made;
}

oct_slice
random_payload_path(test_rng *rng, arena *memory)
{
    buffer    text = {0};
    oct_slice out;

    for (uint64_t count = 1 + test_below(rng, 3), i = 0; i < count; i++) {
        if (i > 0 && test_below(rng, 2) == 0) {
            buffer_add_text(&text, test_below(rng, 3) == 0 ? "[1]" : "[]");
            continue;
        }
        buffer_add_text(&text, i > 0 ? "." : "");
        buffer_format(&text, "\"%s\"", keys[test_below(rng, countof(keys))]);
    }
    out = (oct_slice){arena_text(memory, text.data, text.size), text.size};
    buffer_clear(&text);
    return out;
}

static oct_slice
random_text(test_rng *rng)
{
    return slice_of(strings[test_below(rng, countof(strings))]);
}

static const oct_match *
random_match(test_rng *rng, arena *memory)
{
    oct_match *match = make(memory, 1, sizeof *match);
    oct_value *values;

    match->kind = (oct_match_kind)test_below(rng, 8);
    match->text = random_text(rng);
    match->value_count = match->kind == OCT_MATCH_VALUE ? 1 : (size_t)test_below(rng, 5);
    match->values = values = make(memory, match->value_count, sizeof *values);
    for (size_t i = 0; i < match->value_count; i++) {
        static const int64_t integers[] = {0, 1, 5, -3, INT64_MAX, 77};

        values[i].kind = (oct_value_kind)test_below(rng, 3);
        values[i].text = random_text(rng);
        values[i].integer = integers[test_below(rng, countof(integers))];
        values[i].boolean = test_below(rng, 2) == 0;
    }
    return match;
}

static oct_geo_point
random_place(test_rng *rng)
{
    return (oct_geo_point){12 * (double)test_float(rng), 12 * (double)test_float(rng)};
}

static const oct_geo_polygon *
random_polygon(test_rng *rng, arena *memory)
{
    oct_geo_polygon *polygon = make(memory, 1, sizeof *polygon);
    oct_geo_point   *corners = make(memory, 4, sizeof *corners);

    for (size_t i = 0; i < 3; i++)
        corners[i] = random_place(rng);
    corners[3] = corners[0];
    polygon->exterior = (oct_geo_ring){corners, 4};
    return polygon;
}

static const oct_field_condition *
random_field(test_rng *rng, arena *memory)
{
    static const double  bounds[] = {-3, 0, 0.5, 1, 5, 1e19};
    static const int64_t times[] = {946684799000000, 1704153600000000, 1704161045500000, 0};
    oct_field_condition *field = make(memory, 1, sizeof *field);

    /* Mostly one test, at times several. */
    do {
        const uint32_t given = (uint32_t)test_below(rng, 16);

        switch (test_below(rng, 9)) {
        case 0:
        case 1:
            field->match = random_match(rng, memory);
            break;
        case 2: {
            oct_range *range = make(memory, 1, sizeof *range);

            *range = (oct_range){given, bounds[test_below(rng, 6)], bounds[test_below(rng, 6)],
                                 bounds[test_below(rng, 6)], bounds[test_below(rng, 6)]};
            field->range = range;
            break;
        }
        case 3: {
            oct_datetime_range *range = make(memory, 1, sizeof *range);

            *range = (oct_datetime_range){given, times[test_below(rng, 4)], times[test_below(rng, 4)],
                                          times[test_below(rng, 4)], times[test_below(rng, 4)]};
            field->datetime_range = range;
            break;
        }
        case 4: {
            oct_geo_radius *circle = make(memory, 1, sizeof *circle);

            *circle = (oct_geo_radius){random_place(rng), 1.5e6 * fabs((double)test_float(rng))};
            field->geo_radius = circle;
            break;
        }
        case 5: {
            oct_geo_bounding_box *box = make(memory, 1, sizeof *box);

            *box = (oct_geo_bounding_box){random_place(rng), random_place(rng)};
            field->geo_bounding_box = box;
            break;
        }
        case 6:
            field->geo_polygon = random_polygon(rng, memory);
            break;
        case 7: {
            oct_values_count *range = make(memory, 1, sizeof *range);

            *range = (oct_values_count){given, test_below(rng, 4), test_below(rng, 4), test_below(rng, 4),
                                        test_below(rng, 4)};
            field->values_count = range;
            break;
        }
        default:
            if (test_below(rng, 2) == 0)
                field->is_empty = (oct_expect)(1 + test_below(rng, 2));
            else
                field->is_null = (oct_expect)(1 + test_below(rng, 2));
            break;
        }
    } while (test_below(rng, 6) == 0);
    return field;
}

static oct_condition
random_condition(test_rng *rng, unsigned depth, arena *memory)
{
    oct_condition out = {.key = random_payload_path(rng, memory)};
    oct_id       *ids;

    switch (test_below(rng, depth > 0 ? 14 : 10)) {
    case 0:
        out.kind = OCT_CONDITION_IS_EMPTY;
        break;
    case 1:
        out.kind = OCT_CONDITION_IS_NULL;
        break;
    case 2:
        out.kind = OCT_CONDITION_HAS_ID;
        out.id_count = (size_t)test_below(rng, 4);
        out.ids = ids = make(memory, out.id_count, sizeof *ids);
        for (size_t i = 0; i < out.id_count; i++)
            ids[i] = (oct_id){0, test_below(rng, 4), (uint32_t)test_below(rng, 2), 0};
        break;
    case 3:
        out.kind = OCT_CONDITION_HAS_VECTOR;
        out.vector = slice_of(test_below(rng, 4) == 0 ? "none" : test_below(rng, 2) == 0 ? "v0" : "v1");
        break;
    case 4:
        out.kind = OCT_CONDITION_SLICE;
        out.slice_total = 1 + (uint32_t)test_below(rng, 3);
        out.slice_index = (uint32_t)test_below(rng, out.slice_total);
        break;
    case 10:
    case 11:
        out.kind = OCT_CONDITION_NESTED;
        out.filter = random_filter(rng, depth - 1, memory);
        break;
    case 12:
    case 13:
        out.kind = OCT_CONDITION_FILTER;
        out.filter = random_filter(rng, depth - 1, memory);
        break;
    default:
        out.kind = OCT_CONDITION_FIELD;
        out.field = random_field(rng, memory);
        break;
    }
    return out;
}

static const oct_condition *
random_list(test_rng *rng, unsigned depth, arena *memory, size_t *count)
{
    oct_condition *list;

    *count = test_below(rng, 3) == 0 ? 1 + (size_t)test_below(rng, 3) : 0;
    list = make(memory, *count, sizeof *list);
    for (size_t i = 0; i < *count; i++)
        list[i] = random_condition(rng, depth, memory);
    return list;
}

const oct_filter *
random_filter(test_rng *rng, unsigned depth, arena *memory)
{
    oct_filter *out = make(memory, 1, sizeof *out);

    out->must = random_list(rng, depth, memory, &out->must_count);
    out->should = random_list(rng, depth, memory, &out->should_count);
    out->must_not = random_list(rng, depth, memory, &out->must_not_count);
    if (test_below(rng, 3) == 0) {
        out->min_should = random_list(rng, depth, memory, &out->min_should_count);
        out->min_count = 1 + test_below(rng, 2);
    }
    return out;
}
