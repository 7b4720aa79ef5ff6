/* What does a filtered search cost, with an index of the field and without?
 *
 * One collection in memory, random vectors, documents of some 200 bytes; searches for the 10 nearest among the points whose
 * number is in a range that 1, 10 or 50 percent have. Two cases: `new`, every search with a range of its own (nothing to
 * remember), and `known`, always the same one. Then order_by, a facet and a count over the same. One line of JSON each:
 * microseconds, median and 99th percentile; `hits` to show that all limits were met.
 * usage: build/filtered_search_bench [POINTS [DIM [THREADS]]]    default 100000 128 1
 */
#include <inttypes.h>

#include "bench.h"
#include "base/base.h"

#define BATCH   5000u
#define SAMPLES 200u
#define LIMIT   10u
#define NUMBERS 1000000u /* the field's values are below this */
#define S(text_) ((oct_slice){(text_), sizeof(text_) - 1})

static float
random_float(uint64_t *state)
{
    return (float)(mix64((*state)++) >> 40) / 16777216.0f - 0.5f;
}

static void
fill(oct_collection *collection, uint64_t points, size_t dim)
{
    static char texts[BATCH][256];
    oct_slice  *payloads = oct_calloc(BATCH, sizeof *payloads);
    uint64_t   *ids = oct_calloc(BATCH, sizeof *ids), state = 1;
    float      *vectors = oct_calloc(BATCH * dim, sizeof *vectors);
    oct_error   error;

    for (uint64_t at = 0; at < points; at += BATCH) {
        const size_t count = size_min(BATCH, points - at);

        for (size_t i = 0; i < count; i++) {
            const uint64_t dice = mix64(at + i);

            ids[i] = at + i;
            payloads[i] = (oct_slice){
                texts[i],
                (size_t)snprintf(texts[i], sizeof texts[i],
                                 "{\"title\":\"Product number %" PRIu64 " of the catalogue\",\"city\":\"city %d\",\"stock\":%d,"
                                 "\"tags\":[\"tag %d\",\"tag %d\"],\"made\":\"20%02d-01-01T00:00:00Z\",\"number\":%d}",
                                 at + i, (int)(dice % 100), (int)(dice >> 8 & 255), (int)(dice >> 16 & 15),
                                 (int)(dice >> 20 & 15), (int)(dice >> 24 & 15) + 10, (int)(dice >> 32) % (int)NUMBERS)};
        }
        for (size_t i = 0; i < count * dim; i++)
            vectors[i] = random_float(&state);
        must(oct_upsert_rows(collection, ids, vectors, count, dim, 0, payloads, NULL, &error), &error);
    }
    must(oct_collection_wait_indexed(collection, 0, &error), &error);
    oct_free(payloads);
    oct_free(ids);
    oct_free(vectors);
}

static void
report(const char *what, const char *index, int percent, double *samples, size_t count, uint64_t hits)
{
    qsort(samples, count, sizeof *samples, compare_doubles);
    (void)printf("{\"what\":\"%s\",\"index\":%s,\"percent\":%d,\"median_us\":%.0f,\"p99_us\":%.0f,\"hits\":%" PRIu64 "}\n", what,
                 index, percent, samples[count / 2], samples[count * 99 / 100], hits);
    (void)fflush(stdout);
}

/* A range that `percent` have, a little different for each `variant`. */
typedef struct asked {
    oct_range           range;
    oct_field_condition field;
    oct_condition       condition;
    oct_filter          filter;
} asked;

static void
ask(asked *self, int percent, uint64_t variant)
{
    const double width = (double)NUMBERS * percent / 100, low = ((double)NUMBERS - width) / 2 + (double)variant;

    self->range = (oct_range){.bounds = OCT_GTE | OCT_LT, .gte = low, .lt = low + width};
    self->field = (oct_field_condition){.range = &self->range};
    self->condition = (oct_condition){.key = S("number"), .field = &self->field};
    self->filter = (oct_filter){.must = &self->condition, .must_count = 1};
}

static void
measure(oct_collection *collection, size_t dim, const char *index, int percent, bool is_new)
{
    static uint64_t variant = 0;
    double          samples[SAMPLES];
    uint64_t        hits = 0, state = 77;
    float          *query = oct_calloc(dim, sizeof *query);

    for (size_t i = 0; i < SAMPLES; i++) {
        oct_search_request request = {.query = query, .dim = dim, .limit = LIMIT};
        oct_records       *found = NULL;
        oct_error          error;
        asked              by;
        double             start;

        for (size_t j = 0; j < dim; j++)
            query[j] = random_float(&state);
        ask(&by, percent, is_new ? ++variant : 0);
        request.filter = &by.filter;
        start = now_us();
        must(oct_search(collection, &request, &found, &error), &error);
        samples[i] = now_us() - start;
        hits += found->count;
        oct_records_free(found);
    }
    oct_free(query);
    report(is_new ? "search, new filter" : "search, known filter", index, percent, samples, SAMPLES, hits);
}

/* With an index only. */
static void
measure_others(oct_collection *collection, int percent)
{
    double   ordered[SAMPLES], counted[SAMPLES], faceted[SAMPLES];
    uint64_t hits[3] = {0, 0, 0};

    for (size_t i = 0; i < SAMPLES; i++) {
        const oct_order_by order = {.key = S("number"), .descending = true};
        oct_facet_request  request = {.key = S("city"), .limit = LIMIT};
        oct_records       *found = NULL;
        oct_facets        *facets = NULL;
        oct_error          error;
        asked              by;
        uint64_t           count;
        double             start;

        ask(&by, percent, 100000 + 3 * i);
        start = now_us();
        must(oct_scroll_ordered(collection, &by.filter, &order, LIMIT, NULL, &found, &error), &error);
        ordered[i] = now_us() - start;
        ask(&by, percent, 100001 + 3 * i);
        start = now_us();
        must(oct_count_where(collection, &by.filter, &count, &error), &error);
        counted[i] = now_us() - start;
        ask(&by, percent, 100002 + 3 * i);
        request.filter = &by.filter;
        start = now_us();
        must(oct_facet(collection, &request, &facets, &error), &error);
        faceted[i] = now_us() - start;
        hits[0] += found->count;
        hits[1] += count;
        hits[2] += facets->count;
        oct_records_free(found);
        oct_facets_free(facets);
    }
    report("order_by, new filter", "true", percent, ordered, SAMPLES, hits[0]);
    report("count, new filter", "true", percent, counted, SAMPLES, hits[1]);
    report("facet of 100 values, new filter", "true", percent, faceted, SAMPLES, hits[2]);
}

static void
index_field(oct_collection *collection, oct_slice field, int64_t type)
{
    oct_field_index index;
    oct_error       error;
    const double    start = now_us();

    oct_field_index_init(&index);
    index.field = field;
    index.type = type;
    must(oct_field_index_create(collection, &index, NULL, NULL, &error), &error);
    (void)printf("{\"what\":\"index of %.*s\",\"build_ms\":%.0f}\n", (int)field.size, field.data, (now_us() - start) / 1e3);
}

int
main(int argc, char **argv)
{
    static const int       percents[] = {1, 10, 50};
    const uint64_t         points = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    const size_t           dim = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 128;
    const oct_open_options options = {.threads = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1};
    oct_vector_config      vector;
    oct_collection_config  config;
    oct_database          *database;
    oct_collection        *collection;
    oct_error              error;

    oct_collection_config_init(&config);
    oct_vector_config_init(&vector);
    vector.size = (int64_t)dim;
    vector.distance = OCT_COSINE;
    config.vectors = &vector;
    config.vector_count = 1;
    must(oct_open(&options, &database, &error), &error);
    must(oct_collection_create(database, S("c"), &config, &error), &error);
    must(oct_collection_open(database, S("c"), &collection, &error), &error);
    fill(collection, points, dim);
    (void)printf("{\"points\":%" PRIu64 ",\"dim\":%zu,\"threads\":%u}\n", points, dim, options.threads);
    for (size_t i = 0; i < countof(percents); i++) {
        measure(collection, dim, "false", percents[i], true);
        measure(collection, dim, "false", percents[i], false);
    }
    index_field(collection, S("number"), OCT_FIELD_INTEGER);
    index_field(collection, S("city"), OCT_FIELD_KEYWORD);
    for (size_t i = 0; i < countof(percents); i++) {
        measure(collection, dim, "true", percents[i], true);
        measure(collection, dim, "true", percents[i], false);
        measure_others(collection, percents[i]);
    }
    oct_collection_close(collection);
    must(oct_close(database, &error), &error);
    return 0;
}
