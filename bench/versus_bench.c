/* Which of two builds of the library searches faster, and at what recall?
 *
 * METHOD   Both libraries are loaded into one process, each with a database of its own over the same vectors, and take
 *          turns: a pass over all queries by one, then by the other, so that a slow minute of the machine hits both. A
 *          pass is timed by the CPU time of its thread; single calls, one thread. Figures are medians over the rounds;
 *          the ratio is made within each round and its median shown, with the quartiles.
 * RECALL   @10, by score: a hit counts if its score is at least the tenth true one less 1e-5.
 * DATA     A folder with base.f32 (n x dim), query.f32 (q x dim) and gtsim.f32 (q x 100, cosines of the exact
 *          nearest, best first), plain arrays without a header; `python3 -m bench versus` makes them and runs this.
 * usage:   versus_bench OLD.so NEW.so FOLDER DIM WORK [ROUNDS [EF...]]
 *          The databases are WORK/old and WORK/new; those that exist are opened, not built again.
 */
#include <dlfcn.h>
#include <string.h>
#include <sys/stat.h>

#include "bench.h"

#define K          10u
#define TIE        1e-5f
#define TRUTHS     100u
#define ROUNDS_MAX 1000u

typedef struct engine {
    const char   *name;
    void         *library;
    oct_database *database;
    oct_collection *collection;
    __typeof__(oct_search_rows) *search;
    double build_cpu; /* seconds of all threads; 0: it was there */
} engine;

typedef struct array {
    float *values;
    size_t rows;
} array;

static void
stop(const char *what, const char *detail)
{
    fprintf(stderr, "versus_bench: %s: %s\n", what, detail);
    exit(1);
}

static array
load(const char *folder, const char *name, size_t dim)
{
    char  path[4096];
    FILE *file;
    long  bytes;
    array out;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "rb");
    if (file == NULL)
        stop("cannot open", path);
    (void)fseek(file, 0, SEEK_END);
    bytes = ftell(file);
    rewind(file);
    out.rows = (size_t)bytes / (dim * sizeof(float));
    out.values = malloc((size_t)bytes);
    if (out.values == NULL || fread(out.values, 1, (size_t)bytes, file) != (size_t)bytes)
        stop("cannot read", path);
    (void)fclose(file);
    return out;
}

static double
clock_seconds(clockid_t which)
{
    return clock_ns(which) / 1e9;
}

#define FIND(function) __typeof__(function) *function##_of = (__typeof__(function) *)dlsym(self->library, #function)

static void
open_engine(engine *self, const char *library, const char *folder, array base, size_t dim)
{
    oct_open_options options = {.path = folder};
    oct_error        error = {0};
    struct stat      there;
    const bool       exists = stat(folder, &there) == 0;

    self->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (self->library == NULL)
        stop("cannot load", dlerror());
    FIND(oct_open);
    FIND(oct_collection_open);
    FIND(oct_collection_close);
    FIND(oct_collection_create);
    FIND(oct_collection_config_init);
    FIND(oct_vector_config_init);
    FIND(oct_upsert_rows);
    FIND(oct_collection_wait_indexed);
    FIND(oct_close);
    self->search = (__typeof__(oct_search_rows) *)dlsym(self->library, "oct_search_rows");
    if (oct_open_of(&options, &self->database, &error) != OCT_OK)
        stop(folder, error.text);
    if (!exists) {
        const double          start = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
        oct_collection_config config;
        oct_vector_config     vector;
        uint64_t             *ids = malloc(base.rows * sizeof *ids);

        oct_collection_config_init_of(&config);
        oct_vector_config_init_of(&vector);
        vector.size = (int64_t)dim;
        vector.distance = OCT_COSINE;
        config.vectors = &vector;
        config.vector_count = 1;
        config.hnsw.m = 16;
        config.hnsw.ef_construct = 200;
        config.hnsw.full_scan_threshold = 10;
        config.optimizer.indexing_threshold = 1;
        for (size_t i = 0; i < base.rows; i++)
            ids[i] = i;
        if (oct_collection_create_of(self->database, (oct_slice){"bench", 5}, &config, &error) != OCT_OK ||
            oct_collection_open_of(self->database, (oct_slice){"bench", 5}, &self->collection, &error) != OCT_OK ||
            oct_upsert_rows_of(self->collection, ids, base.values, base.rows, dim, 0, NULL, NULL, &error) != OCT_OK ||
            oct_collection_wait_indexed_of(self->collection, 0, &error) != OCT_OK)
            stop(folder, error.text);
        self->build_cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
        free(ids);
        oct_collection_close_of(self->collection);
        if (oct_close_of(self->database, &error) != OCT_OK ||
            oct_open_of(&options, &self->database, &error) != OCT_OK)
            stop(folder, error.text);
    }
    if (oct_collection_open_of(self->database, (oct_slice){"bench", 5}, &self->collection, &error) != OCT_OK ||
        oct_collection_wait_indexed_of(self->collection, 0, &error) != OCT_OK)
        stop(folder, error.text);
}

/* One pass over the queries: microseconds of CPU a query, and the recall. */
static double
pass(engine *self, array queries, array truth, size_t dim, size_t ef, double *recall)
{
    uint64_t  ids[K];
    float     scores[K];
    oct_error error = {0};
    size_t    right = 0;
    double    start = clock_seconds(CLOCK_THREAD_CPUTIME_ID), spent = 0;

    for (size_t i = 0; i < queries.rows; i++) {
        if (self->search(self->collection, queries.values + i * dim, 1, dim, K, ef, false, 1, ids, scores, &error) != OCT_OK)
            stop("search", error.text);
        for (size_t j = 0; j < K; j++)
            right += scores[j] >= truth.values[i * TRUTHS + K - 1] - TIE;
    }
    spent = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    *recall = (double)right / (double)(K * queries.rows);
    return 1e6 * spent / (double)queries.rows;
}

static double
quantile(double *values, size_t count, double share)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return values[(size_t)((double)(count - 1) * share + 0.5)];
}

int
main(int argc, char **argv)
{
    static double times[2][ROUNDS_MAX], ratios[ROUNDS_MAX];
    engine        engines[2] = {{.name = "old"}, {.name = "new"}};
    size_t        efs[32] = {12, 16, 21, 32, 48, 72, 128, 341}, ef_count = 8;
    size_t        dim, rounds = 15;
    array         base, queries, truth;

    if (argc < 6)
        stop("usage", "versus_bench OLD.so NEW.so FOLDER DIM WORK [ROUNDS [EF...]]");
    dim = strtoul(argv[4], NULL, 10);
    if (argc > 6)
        rounds = strtoul(argv[6], NULL, 10);
    if (rounds == 0 || rounds > ROUNDS_MAX)
        stop("rounds", "between 1 and 1000");
    if (argc > 7) {
        ef_count = 0;
        for (int i = 7; i < argc && ef_count < 32; i++)
            efs[ef_count++] = strtoul(argv[i], NULL, 10);
    }
    base = load(argv[3], "base.f32", dim);
    queries = load(argv[3], "query.f32", dim);
    truth = load(argv[3], "gtsim.f32", TRUTHS);
    for (size_t e = 0; e < 2; e++) {
        char folder[4096];

        (void)snprintf(folder, sizeof folder, "%s/%s", argv[5], engines[e].name);
        open_engine(&engines[e], argv[1 + e], folder, base, dim);
        if (engines[e].build_cpu > 0)
            printf("%s: built in %.2f s of CPU\n", engines[e].name, engines[e].build_cpu);
    }
    printf("%5s  %8s %8s  %8s %8s  %s\n", "ef", "old us", "new us", "old rec.", "new rec.", "old / new (quartiles)");
    for (size_t f = 0; f < ef_count; f++) {
        double recall[2];

        for (size_t r = 0; r < rounds; r++) {
            for (size_t turn = 0; turn < 2; turn++) {
                const size_t e = (turn + r) % 2;

                times[e][r] = pass(&engines[e], queries, truth, dim, efs[f], &recall[e]);
            }
            ratios[r] = times[0][r] / times[1][r];
        }
        printf("%5zu  %8.2f %8.2f  %8.4f %8.4f  %.3f (%.3f .. %.3f)\n", efs[f], quantile(times[0], rounds, 0.5),
               quantile(times[1], rounds, 0.5), recall[0], recall[1], quantile(ratios, rounds, 0.5),
               quantile(ratios, rounds, 0.25), quantile(ratios, rounds, 0.75));
        (void)fflush(stdout);
    }
    return 0; /* the databases are left to the end of the process: nothing has changed */
}
