/* Codes of 8 bits: how many vectors does a search read with second rows and without, at what time, for which hits?
 *
 * DATA     base.npy and query.npy (floats, C order), such as `python -m bench` prepares under build/bench/data; compared by
 *          cosine. With DIM only the first so many components, which makes low-dimensional data of the real kind.
 * METHOD   One graph (m 16, ef_construct 100) with second rows. Both ways to rank it are run query by query in turn, over all
 *          queries, ROUNDS times, and the CPU time of each is summed; the median of the rounds is told. In memory: what
 *          a disk adds is told by the number of vectors read.
 * OUTPUT   A line for each limit and ef: recall against an exact search, vectors read a query (mean), second rows read, us.
 * usage: build/rank_bench BASE.npy QUERY.npy [DIM [ROWS]]
 */

#include "bench.h"
#include "base/epoch.h"
#include "graph/graph_internal.h"

#define ROUNDS      5u
#define QUERIES_MAX 400u
#define LIMIT_MAX   100u

typedef struct table {
    float *values;
    size_t rows, dim;
} table;

static void
fail(const char *what, const char *path)
{
    (void)fprintf(stderr, "rank_bench: %s: %s\n", path, what);
    exit(1);
}

/* The shape stands in the header: "'shape': (ROWS, DIM)". */
static table
read_npy(const char *path)
{
    FILE          *file = fopen(path, "rb");
    unsigned char  head[10];
    char           text[1024] = {0}, *shape, *end;
    size_t         length;
    table          out;

    if (file == NULL || fread(head, 1, sizeof head, file) != sizeof head || memcmp(head, "\x93NUMPY\x01", 7) != 0)
        fail("is no .npy file of version 1", path);
    length = head[8] + 256u * head[9];
    if (length >= sizeof text || fread(text, 1, length, file) != length)
        fail("has a header that is too long", path);
    shape = strstr(text, "'shape': (");
    if (shape == NULL || strstr(text, "'<f4'") == NULL || strstr(text, "'fortran_order': False") == NULL)
        fail("is no table of floats", path);
    out.rows = strtoul(shape + 10, &end, 10);
    out.dim = strtoul(end + 1, NULL, 10);
    out.values = malloc(out.rows * out.dim * sizeof(float));
    if (out.values == NULL || fread(out.values, out.dim * sizeof(float), out.rows, file) != out.rows)
        fail("is shorter than it says, or too long for memory", path);
    (void)fclose(file);
    return out;
}

static int
by_number(const void *context, uint32_t a, uint32_t b)
{
    (void)context;
    return (a > b) - (a < b);
}

static size_t
search(const graph *self, const graph_query *query, graph_hit *hits, graph_stats *stats)
{
    size_t count;

    if (graph_search(self, query, hits, &count, stats, NULL) != OCT_OK)
        fail("out of memory", "search");
    return count;
}

static void
measure(graph *self, const float *queries, size_t query_count, uint32_t dim, graph_hit (*truth)[LIMIT_MAX], size_t limit, size_t ef)
{
    double   times[2][ROUNDS];
    uint64_t ranked[2] = {0}, refined[2] = {0}, found[2] = {0};

    for (size_t round = 0; round < ROUNDS; round++) {
        times[0][round] = times[1][round] = 0;
        for (size_t q = 0; q < query_count; q++) {
            for (size_t turn = 0; turn < 4; turn++) {
                const size_t way = (turn + round) % 2; /* the first two turns warm up for both */
                graph_hit    hits[LIMIT_MAX];
                graph_stats  stats;
                graph_query  query = {.vector = queries + q * dim, .limit = limit, .ef = ef, .tie = by_number};
                double       start;

                self->params.fine = way == 1;
                start = cpu_us();
                (void)search(self, &query, hits, &stats);
                if (turn < 2)
                    continue;
                times[way][round] += cpu_us() - start;
                if (round > 0)
                    continue;
                ranked[way] += stats.ranked;
                refined[way] += stats.refined;
                for (size_t i = 0; i < limit; i++)
                    found[way] += hits[i].distance <= truth[q][limit - 1].distance;
            }
        }
    }
    for (size_t way = 0; way < 2; way++) {
        qsort(times[way], ROUNDS, sizeof times[way][0], compare_doubles);
        (void)printf("limit %3zu  ef %4zu  %s  recall %.4f  vectors %6.1f  second rows %6.1f  us %7.1f (%.1f to %.1f)\n", limit, ef,
                     way == 1 ? "8 bits" : "4 bits", (double)found[way] / (double)(limit * query_count),
                     (double)ranked[way] / (double)query_count, (double)refined[way] / (double)query_count,
                     times[way][ROUNDS / 2] / (double)query_count, times[way][0] / (double)query_count,
                     times[way][ROUNDS - 1] / (double)query_count);
    }
    (void)fflush(stdout);
    self->params.fine = true;
}

int
main(int argc, char **argv)
{
    static graph_hit truth[QUERIES_MAX][LIMIT_MAX];
    workers         *pool = NULL;
    table            base, asked;
    graph_params     params = {.distance = OCT_COSINE, .m = 16, .ef_construct = 100, .start_rows = 1, .fine = true};
    float           *queries, *scratch;
    size_t           query_count;
    bool             built = true;
    graph           *self;
    oct_error        error;

    if (argc < 3)
        fail("usage: rank_bench BASE.npy QUERY.npy [DIM [ROWS]]", "arguments");
    base = read_npy(argv[1]);
    asked = read_npy(argv[2]);
    params.dim = (uint32_t)(argc > 3 ? strtoul(argv[3], NULL, 10) : base.dim);
    if (argc > 4)
        base.rows = size_min(base.rows, strtoul(argv[4], NULL, 10));
    if (params.dim > base.dim || base.dim != asked.dim || !graph_fits_fine(&params))
        fail("has too few components", argv[1]);
    if (workers_new(2, &pool, &error) != OCT_OK || graph_new(&params, &self, &error) != OCT_OK ||
        graph_reserve(self, base.rows, (uint32_t)base.rows, &error) != OCT_OK)
        fail(error.text, "graph");
    scratch = oct_alloc_aligned(64, graph_scratch_floats(self) * sizeof *scratch);
    query_count = size_min(asked.rows, QUERIES_MAX);
    queries = oct_alloc_aligned(64, query_count * params.dim * sizeof *queries);
    if (scratch == NULL || queries == NULL)
        fail("out of memory", "queries");
    for (size_t i = 0; i < base.rows; i++)
        (void)graph_append(self, (uint32_t)i, base.values + i * base.dim, 1, scratch);
    graph_publish(self);
    while (built)
        if (graph_build_batch(self, pool, 0, &built, &error) != OCT_OK)
            fail(error.text, "build");
    atomic_store(&self->vectors.file_rows, base.rows); /* else second rows would not be asked */
    epoch_pin();
    for (size_t q = 0; q < query_count; q++) {
        graph_query exact = {.vector = queries + q * params.dim, .limit = LIMIT_MAX, .exact = true, .tie = by_number};

        graph_prepare(self, asked.values + q * asked.dim, queries + q * params.dim);
        (void)search(self, &exact, truth[q], NULL);
    }
    (void)printf("%zu vectors of %u components, %zu queries\n", base.rows, params.dim, query_count);
    for (size_t limit = 10; limit <= LIMIT_MAX; limit *= 10) {
        measure(self, queries, query_count, params.dim, truth, limit, limit == 10 ? 32 : 128);
        measure(self, queries, query_count, params.dim, truth, limit, limit == 10 ? 128 : 512);
    }
    epoch_unpin();
    graph_free(self);
    workers_free(pool);
    return 0;
}
