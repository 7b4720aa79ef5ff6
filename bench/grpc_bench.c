/* What does the gRPC door cost above the engine?
 *
 * Searches of 768 dimensions, limit 10, among 20,000 points, and upserts of 1,000 x 768: CPU time of oct_grpc_call
 * (decode, call, encode) beside that of the same call of octant.h, in turns, median of the rounds, and mean for upserts.
 * HTTP/2 is not in it: bench/grpc_server.py measures a whole server. usage: build/grpc_bench [ROUNDS]
 */

#include "bench.h"
#include "api/grpc.h"

#define DIM      768u
#define POINTS   20000u
#define BATCH    1000u
#define SEARCHES 200u
#define LIMIT    10u

/* Of upserts: some pay for memory that others use, and a median would fall on either. */
static double
mean(const double *values, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

static double
median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return values[count / 2];
}

static void
grpc(oct_database *database, const char *path, const buffer *message)
{
    const oct_grpc_request request = {slice_of(path), {message->data, message->size}};
    oct_grpc_response      response;

    oct_grpc_call(database, &request, &response);
    if (response.status != 0) {
        (void)fprintf(stderr, "%s: %.*s\n", path, (int)response.details.size, response.details.data);
        exit(1);
    }
    oct_grpc_response_clear(&response);
}

static void
number(buffer *out, uint32_t field, uint64_t value)
{
    wire_add_tag(out, field, WIRE_VARINT);
    wire_add_varint(out, value);
}

/* UpsertPoints of `count` rows from `first` on. */
static void
make_upsert(buffer *out, const float *rows, uint64_t first, size_t count)
{
    wire_add_bytes(out, 1, "c", 1);
    number(out, 2, 1);
    for (size_t i = 0; i < count; i++) {
        const size_t point = wire_open(out, 3), id = wire_open(out, 1);
        size_t       vectors, vector, dense;

        number(out, 1, first + i);
        wire_close(out, id);
        vectors = wire_open(out, 4);
        vector = wire_open(out, 1);
        dense = wire_open(out, 101);
        wire_add_bytes(out, 1, rows + i * DIM, DIM * sizeof(float));
        wire_close(out, dense);
        wire_close(out, vector);
        wire_close(out, vectors);
        wire_close(out, point);
    }
}

static void
make_query(buffer *out, const float *row)
{
    size_t query, nearest, dense;

    wire_add_bytes(out, 1, "c", 1);
    query = wire_open(out, 3);
    nearest = wire_open(out, 1);
    dense = wire_open(out, 2);
    wire_add_bytes(out, 1, row, DIM * sizeof(float));
    wire_close(out, dense);
    wire_close(out, nearest);
    wire_close(out, query);
    number(out, 8, LIMIT);
}

static void
bench_search(oct_database *database, oct_collection *collection, const float *rows, size_t rounds)
{
    double   *direct = oct_calloc(rounds, sizeof *direct), *by_grpc = oct_calloc(rounds, sizeof *by_grpc);
    oct_error error = {0};

    for (size_t round = 0; round < rounds; round++) {
        double start = cpu_us();

        for (size_t i = 0; i < SEARCHES; i++) {
            oct_query_request request = {.query = {.kind = OCT_QUERY_NEAREST, .limit = LIMIT, .using_vector = {"", 0}}};
            oct_records      *records = NULL;

            request.query.as.nearest.target.vector =
                (oct_vector){.name = {"", 0}, .kind = OCT_DENSE, .values = rows + i * DIM, .value_count = DIM};
            must(oct_query_points(collection, &request, &records, &error), &error);
            oct_records_free(records);
        }
        direct[round] = (cpu_us() - start) / SEARCHES;
        start = cpu_us();
        for (size_t i = 0; i < SEARCHES; i++) {
            buffer message = {0};

            make_query(&message, rows + i * DIM);
            grpc(database, "/qdrant.Points/Query", &message);
            buffer_clear(&message);
        }
        by_grpc[round] = (cpu_us() - start) / SEARCHES;
    }
    (void)printf("{\"search_engine_us\": %.2f, ", median(direct, rounds));
    (void)printf("\"search_grpc_us\": %.2f, ", median(by_grpc, rounds));
    oct_free(direct);
    oct_free(by_grpc);
}

static void
bench_upsert(oct_database *database, oct_collection *collection, const float *rows, size_t rounds)
{
    double   *direct = oct_calloc(rounds, sizeof *direct), *by_grpc = oct_calloc(rounds, sizeof *by_grpc);
    oct_error error = {0};

    for (size_t round = 0; round < rounds; round++) {
        const oct_write_options options = {.wait = true};
        oct_point              *points = oct_calloc(BATCH, sizeof *points);
        oct_vector             *vectors = oct_calloc(BATCH, sizeof *vectors);
        buffer                  message = {0};
        const float            *from = rows + (round * BATCH % POINTS) * DIM;
        double                  start;

        for (size_t i = 0; i < BATCH; i++) {
            vectors[i] = (oct_vector){.name = {"", 0}, .values = from + i * DIM, .value_count = DIM};
            points[i] = (oct_point){.id = oct_id_number(1000000 + 2 * round * BATCH + i), .vectors = &vectors[i],
                                    .vector_count = 1};
        }
        make_upsert(&message, from, 1000000 + (2 * round + 1) * BATCH, BATCH);
        /* In either order in turn: memory grows in steps, and always the same of the two might pay for it. */
        for (int turn = 0; turn < 2; turn++) {
            const bool is_direct = (turn == 0) == (round % 2 == 0);

            start = cpu_us();
            if (is_direct)
                must(oct_upsert(collection, points, BATCH, &options, NULL, &error), &error);
            else
                grpc(database, "/qdrant.Points/Upsert", &message);
            (is_direct ? direct : by_grpc)[round] = (cpu_us() - start) / BATCH;
        }
        buffer_clear(&message);
        oct_free(points);
        oct_free(vectors);
    }
    (void)printf("\"upsert_engine_us\": %.2f, \"upsert_grpc_us\": %.2f}\n", mean(direct, rounds), mean(by_grpc, rounds));
    oct_free(direct);
    oct_free(by_grpc);
}

int
main(int argc, char **argv)
{
    const oct_open_options options = {.path = ":memory:", .threads = 1};
    const size_t           rounds = argc > 1 ? (size_t)atoi(argv[1]) : 40;
    oct_database          *database = NULL;
    oct_collection        *collection = NULL;
    oct_error              error = {0};
    oct_vector_config      vector;
    oct_collection_config  config;
    float                 *rows = oct_alloc((size_t)POINTS * DIM * sizeof *rows);
    uint64_t               state = 1;

    for (size_t i = 0; i < (size_t)POINTS * DIM; i++)
        rows[i] = (float)((double)(mix64(state++) >> 11) / 9007199254740992.0 - 0.5);
    must(oct_open(&options, &database, &error), &error);
    oct_vector_config_init(&vector);
    vector.name = (oct_slice){"", 0};
    vector.size = DIM;
    vector.distance = OCT_DOT;
    oct_collection_config_init(&config);
    config.vectors = &vector;
    config.vector_count = 1;
    config.single_vector = 1;
    must(oct_collection_create(database, slice_of("c"), &config, &error), &error);
    must(oct_collection_open(database, slice_of("c"), &collection, &error), &error);
    for (size_t at = 0; at < POINTS; at += BATCH) {
        buffer message = {0};

        make_upsert(&message, rows + at * DIM, at, BATCH);
        grpc(database, "/qdrant.Points/Upsert", &message);
        buffer_clear(&message);
    }
    must(oct_collection_wait_indexed(collection, 0, &error), &error);
    if (argc < 3)
        bench_search(database, collection, rows, rounds);
    bench_upsert(database, collection, rows, rounds);
    oct_collection_close(collection);
    oct_free(rows);
    (void)oct_close(database, NULL);
    return 0;
}
