/* What does a filter cost, first seen, seen again, and after a write?
 *
 * One collection in memory, documents of some 250 bytes with a dozen members, each condition of octant.h counted:
 * `first` asks every point, `again` finds the answer remembered, `written` asks once more after one point changed. The
 * answer is printed too: a quick wrong one is worth nothing. One line of JSON per condition; nanoseconds per
 * point, and for the whole where it says so.
 * usage: build/filter_bench [POINTS [THREADS]]    default 1000000 1
 */
#include <inttypes.h>

#include "bench.h"
#include "base/base.h"

#define BATCH 10000u

/* Deterministic in the id; city and price as a shop might have them. */
static size_t
write_document(uint64_t id, char *text, size_t size)
{
    const uint64_t dice = mix64(id);

    return (size_t)snprintf(
        text, size,
        "{\"title\":\"Product number %" PRIu64 " of the catalogue\",\"city\":\"city %d\",\"price\":%d.%02d,\"stock\":%d,"
        "\"new\":%s,\"tags\":[\"tag %d\",\"tag %d\",\"tag %d\"],\"made\":\"20%02d-%02d-%02dT%02d:00:00Z\","
        "\"place\":{\"lon\":%d.5,\"lat\":%d.25},\"sizes\":[{\"w\":%d,\"h\":%d},{\"w\":%d,\"h\":%d}],\"note\":null}",
        id, (int)(dice % 100), (int)(dice >> 8 & 1023), (int)(dice >> 20) & 63, (int)(dice >> 30 & 255),
        (dice >> 40 & 1) != 0 ? "true" : "false", (int)(dice >> 41 & 15), (int)(dice >> 45 & 15),
        (int)(dice >> 49 & 15), (int)(dice >> 13 & 15) + 10, (int)(dice >> 17 & 7) + 1, (int)(dice >> 23 & 15) + 1,
        (int)(dice >> 27 & 15), (int)(dice >> 31 & 127) - 64, (int)(dice >> 37 & 127) - 64, (int)(dice >> 3 & 7),
        (int)(dice >> 5 & 7), (int)(dice >> 7 & 7), (int)(dice >> 9 & 7));
}

static void
fill(oct_collection *collection, uint64_t points)
{
    static char  texts[BATCH][512];
    oct_slice   *payloads = oct_calloc(BATCH, sizeof *payloads);
    uint64_t    *ids = oct_calloc(BATCH, sizeof *ids);
    float       *vectors = oct_calloc(BATCH, 4 * sizeof *vectors);
    oct_error    error;

    for (uint64_t at = 0; at < points; at += BATCH) {
        const size_t count = size_min(BATCH, points - at);

        for (size_t i = 0; i < count; i++) {
            ids[i] = at + i;
            payloads[i] = (oct_slice){texts[i], write_document(at + i, texts[i], sizeof texts[i])};
            vectors[4 * i] = (float)(at + i);
        }
        must(oct_upsert_rows(collection, ids, vectors, count, 4, 0, payloads, NULL, &error), &error);
    }
    oct_free(payloads);
    oct_free(ids);
    oct_free(vectors);
}

static double
count_ns(oct_collection *collection, const oct_filter *filter, uint64_t *count)
{
    oct_error    error;
    const double start = now_ns();

    must(oct_count_where(collection, filter, count, &error), &error);
    return now_ns() - start;
}

static void
measure(oct_collection *collection, uint64_t points, const char *name, const oct_filter *filter)
{
    const oct_id             one = oct_id_number(1);
    const oct_payload_change change = {.action = OCT_PAYLOAD_SET, .payload = {"{\"touched\":1}", 13}};
    uint64_t                 count, recount;
    oct_error                error;
    const double             first = count_ns(collection, filter, &count);
    const double             again = count_ns(collection, filter, &recount);
    double                   written;

    must(oct_change_payload(collection, &one, 1, &change, NULL, NULL, &error), &error);
    written = count_ns(collection, filter, &recount);
    (void)printf("{\"condition\":\"%s\",\"count\":%" PRIu64 ",\"first_ns_per_point\":%.0f,\"again_us\":%.1f,"
                 "\"written_us\":%.0f}\n",
                 name, count, first / (double)points, again / 1e3, written / 1e3);
    (void)fflush(stdout);
}

#define S(text_)         ((oct_slice){(text_), sizeof(text_) - 1})
#define FIELD(key_, ...) ((oct_condition){.key = S(key_), .field = &(oct_field_condition){__VA_ARGS__}})

int
main(int argc, char **argv)
{
    const uint64_t         points = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    const oct_open_options options = {.threads = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1};
    const oct_value        city = {.text = S("city 42")}, tag = {.text = S("tag 7")}, yes = {.kind = OCT_VALUE_BOOL, .boolean = true};
    const oct_match        in_city = {.values = &city, .value_count = 1}, tagged = {.values = &tag, .value_count = 1};
    const oct_match        is_new = {.values = &yes, .value_count = 1}, words = {.kind = OCT_MATCH_TEXT, .text = S("number 77")};
    const oct_range        cheap = {.bounds = OCT_LT, .lt = 100};
    const oct_datetime_range recent = {.bounds = OCT_GTE, .gte = INT64_C(1704067200000000)};
    const oct_geo_radius   near = {{10, 10}, 1e6};
    const oct_geo_bounding_box box = {{0, 20}, {20, 0}};
    const oct_geo_point    corners[] = {{0, 0}, {20, 0}, {25, 10}, {10, 20}, {0, 0}};
    const oct_geo_polygon  polygon = {{corners, 5}, NULL, 0};
    const oct_values_count three = {.bounds = OCT_GTE, .gte = 3};
    const oct_range        wide = {.bounds = OCT_GT, .gt = 6};
    const oct_condition    wide_size = FIELD("w", .range = &wide);
    const oct_filter       wide_one = {.must = &wide_size, .must_count = 1};
    const oct_condition    conditions[] = {
        FIELD("city", .match = &in_city),
        FIELD("price", .range = &cheap),
        FIELD("new", .match = &is_new),
        FIELD("tags", .match = &tagged),
        FIELD("title", .match = &words),
        FIELD("made", .datetime_range = &recent),
        FIELD("place", .geo_radius = &near),
        FIELD("place", .geo_bounding_box = &box),
        FIELD("place", .geo_polygon = &polygon),
        FIELD("tags", .values_count = &three),
        FIELD("sizes[].h", .range = &wide),
        {.kind = OCT_CONDITION_NESTED, .key = S("sizes"), .filter = &wide_one},
        {.kind = OCT_CONDITION_IS_EMPTY, .key = S("missing")},
        {.kind = OCT_CONDITION_IS_NULL, .key = S("note")},
        {.kind = OCT_CONDITION_SLICE, .slice_total = 7, .slice_index = 3},
        {.kind = OCT_CONDITION_HAS_VECTOR, .vector = S("")},
    };
    static const char *const names[] = {"match value", "range", "match bool", "match in array", "match text", "datetime range",
                                        "geo radius", "geo box", "geo polygon", "values count", "range in objects", "nested",
                                        "is empty, missing", "is null", "slice", "has vector"};
    oct_vector_config     vector;
    oct_collection_config config;
    oct_database         *database;
    oct_collection       *collection;
    oct_error             error;

    oct_collection_config_init(&config);
    oct_vector_config_init(&vector);
    vector.size = 4;
    vector.distance = OCT_EUCLID;
    config.vectors = &vector;
    config.vector_count = 1;
    config.optimizer.indexing_threshold = 0;
    must(oct_open(&options, &database, &error), &error);
    must(oct_collection_create(database, S("c"), &config, &error), &error);
    must(oct_collection_open(database, S("c"), &collection, &error), &error);
    fill(collection, points);
    (void)printf("{\"points\":%" PRIu64 ",\"threads\":%u}\n", points, options.threads);
    for (size_t i = 0; i < countof(conditions); i++) {
        const oct_filter one = {.must = &conditions[i], .must_count = 1};

        measure(collection, points, names[i], &one);
    }
    {
        const oct_filter four = {.must = conditions, .must_count = 2, .must_not = conditions + 2, .must_not_count = 2};
        const oct_filter either = {.should = conditions, .should_count = countof(conditions)};

        measure(collection, points, "must of two, must_not of two", &four);
        measure(collection, points, "should of all the above", &either);
    }
    oct_collection_close(collection);
    must(oct_close(database, &error), &error);
    return 0;
}
