/* Multivectors by the graph: how many of the true best are found, and in what time, against comparing every point?
 *
 * DATA     Made: a document belongs to one of 500 topics; each of its rows is a token type out of 3,000 (some of its topic's own,
 *          some anybody's), moved by the topic, by the document and by noise. Sizes of these moves are `spread`: the larger, the
 *          less two rows of one token type are alike. A query is a document that is not stored: the topic and half of the
 *          tokens of one that is.
 * OUTPUT   One line of JSON for each ef: recall@10 against `exact`, medians of milliseconds a query, one at a time.
 * usage: build/multi_bench [POINTS [ROWS [DIM [QUERY_ROWS [SPREAD [DATATYPE]]]]]]      default 20000 16 128 16 0.5 0
 */
#include <math.h>

#include "bench.h"
#include "base/base.h"

#define TOPICS       500u
#define TOKENS       3000u
#define TOPIC_TOKENS 60u
#define QUERIES      60u
#define HITS         10u
#define BATCH        200u
#define S(text_)     ((oct_slice){(text_), sizeof(text_) - 1})

typedef struct setup {
    uint64_t points;
    size_t   rows, dim, query_rows;
    double   spread;
} setup;

/* Normal enough: the sum of four uniform numbers, of variance 1; a function of its argument. */
static double
noise(uint64_t of)
{
    const uint64_t dice = mix64(of);
    double         sum = 0;

    for (int i = 0; i < 4; i++)
        sum += (double)(dice >> (16 * i) & 0xFFFF) / 65536.0 - 0.5;
    return sum * 1.7320508;
}

/* Row `row` of document `doc`; of a query (`salt` not 0) the odd rows have other tokens. */
static void
make_row(const setup *of, uint64_t doc, uint64_t row, uint64_t salt, float *out)
{
    const uint64_t topic = mix64(doc * 31) % TOPICS;
    const uint64_t dice = mix64((doc * 1024 + row) * 17 + (row % 2 == 1 ? salt : 0));
    const uint64_t token = dice % 10 < 6 ? mix64(topic * 977 + (dice >> 8) % TOPIC_TOKENS) % TOKENS : (dice >> 20) % TOKENS;
    const uint64_t own = mix64((doc * 1024 + row) * 131 + salt);

    for (size_t i = 0; i < of->dim; i++)
        out[i] = (float)(noise(token * 8191 + i) + of->spread * noise((1u << 30) + topic * 8191 + i) +
                         of->spread * noise((1ull << 40) + doc * 8191 + i) + of->spread * noise(own * 8191 + i));
}

static void
load(oct_collection *collection, const setup *of)
{
    float      *values = oct_calloc(BATCH * of->rows, of->dim * sizeof *values);
    oct_vector *vectors = oct_calloc(BATCH, sizeof *vectors);
    oct_point  *points = oct_calloc(BATCH, sizeof *points);
    oct_error   error;

    for (uint64_t at = 0; at < of->points; at += BATCH) {
        const size_t count = size_min(BATCH, of->points - at);

        for (size_t i = 0; i < count; i++) {
            float *first = values + i * of->rows * of->dim;

            for (size_t row = 0; row < of->rows; row++)
                make_row(of, at + i, row, 0, first + row * of->dim);
            vectors[i] = (oct_vector){.kind = OCT_MULTI, .values = first, .value_count = of->rows * of->dim, .row_count = of->rows};
            points[i] = (oct_point){.id = {0, at + i, 0, 0}, .vectors = &vectors[i], .vector_count = 1};
        }
        must(oct_upsert(collection, points, count, NULL, NULL, &error), &error);
    }
    oct_free(values);
    oct_free(vectors);
    oct_free(points);
}

static double
ask(oct_collection *collection, const setup *of, const float *query, size_t ef, bool exact, uint64_t *ids)
{
    const double      start = now_ms();
    oct_query_request request = {
        .query = {.kind = OCT_QUERY_NEAREST, .limit = HITS, .ef = ef, .exact = exact},
    };
    oct_records *found;
    oct_error    error;

    request.query.as.nearest.target.vector = (oct_vector){
        .kind = OCT_MULTI, .values = query, .value_count = of->query_rows * of->dim, .row_count = of->query_rows};
    must(oct_query_points(collection, &request, &found, &error), &error);
    for (size_t i = 0; i < HITS; i++)
        ids[i] = i < found->count ? found->items[i].id.low : UINT64_MAX;
    oct_records_free(found);
    return now_ms() - start;
}

int
main(int count, char **words)
{
    static const size_t   efs[] = {16, 32, 64, 100, 200, 400};
    static uint64_t       right[QUERIES][HITS], found[HITS];
    static double         times[QUERIES];
    setup                 of = {20000, 16, 128, 16, 0.5};
    oct_collection_config config;
    oct_vector_config     vector;
    oct_collection       *collection;
    oct_database         *database;
    oct_error             error;
    float                *queries;
    double                start;

    if (count > 1)
        of.points = strtoull(words[1], NULL, 10);
    if (count > 2)
        of.rows = strtoull(words[2], NULL, 10);
    if (count > 3)
        of.dim = strtoull(words[3], NULL, 10);
    if (count > 4)
        of.query_rows = strtoull(words[4], NULL, 10);
    if (count > 5)
        of.spread = strtod(words[5], NULL);
    oct_collection_config_init(&config);
    oct_vector_config_init(&vector);
    vector.size = (int64_t)of.dim;
    vector.distance = OCT_COSINE;
    vector.multivector = 1;
    vector.datatype = count > 6 ? strtol(words[6], NULL, 10) : OCT_FLOAT32;
    config.vectors = &vector;
    config.vector_count = 1;
    config.single_vector = true;
    config.optimizer.indexing_threshold = 100;
    must(oct_open(NULL, &database, &error), &error);
    must(oct_collection_create(database, S("multi"), &config, &error), &error);
    must(oct_collection_open(database, S("multi"), &collection, &error), &error);
    start = now_ms();
    load(collection, &of);
    (void)printf("{\"points\":%llu,\"rows\":%zu,\"dim\":%zu,\"query_rows\":%zu,\"spread\":%g,\"load_s\":%.1f",
                 (unsigned long long)of.points, of.rows, of.dim, of.query_rows, of.spread, (now_ms() - start) / 1e3);
    must(oct_collection_wait_indexed(collection, 0, &error), &error);
    (void)printf(",\"indexed_s\":%.1f}\n", (now_ms() - start) / 1e3);
    queries = oct_calloc(QUERIES * of.query_rows, of.dim * sizeof *queries);
    for (uint64_t q = 0; q < QUERIES; q++) {
        for (size_t row = 0; row < of.query_rows; row++)
            make_row(&of, mix64(q) % of.points, row, 1 + q, queries + (q * of.query_rows + row) * of.dim);
        times[q] = ask(collection, &of, queries + q * of.query_rows * of.dim, 0, true, right[q]);
    }
    qsort(times, QUERIES, sizeof times[0], compare_doubles);
    (void)printf("{\"exact\":true,\"ms\":%.2f}\n", times[QUERIES / 2]);
    for (size_t e = 0; e < countof(efs); e++) {
        size_t same = 0;

        for (uint64_t q = 0; q < QUERIES; q++) {
            times[q] = ask(collection, &of, queries + q * of.query_rows * of.dim, efs[e], false, found);
            for (size_t i = 0; i < HITS; i++) {
                for (size_t j = 0; j < HITS; j++)
                    same += right[q][i] == found[j];
            }
        }
        qsort(times, QUERIES, sizeof times[0], compare_doubles);
        (void)printf("{\"ef\":%zu,\"recall@10\":%.4f,\"ms\":%.2f}\n", efs[e], (double)same / (QUERIES * HITS), times[QUERIES / 2]);
    }
    oct_free(queries);
    oct_collection_close(collection);
    must(oct_close(database, &error), &error);
    return 0;
}
