/* What does one row cost? Nanoseconds a row, for each level this machine has, each metric, and both forms.
 *
 * usage:  build/kernel_bench [DIM]        default 768; 2 to 10 seconds
 * L1      8 rows and the query, over and over: the arithmetic alone.
 * DRAM    256 MiB of rows on huge pages, in random order, 16 at a time as a graph walk hands them over: what
 *         a search on cold rows feels. The pair form takes the same rows one by one.
 * METHOD  Best of several runs, because neighbours on the machine only ever add time. All levels see the
 *         same rows in the same order, and the sums of their results must agree, so nothing is left out.
 */
#include <math.h>

#include "bench.h"
#include "base/pages.h"
#include "kernel/kernel.h"

#define POOL_BYTES  (256u << 20)
#define L1_ROWS     8u
#define WALK_ROWS   16u
#define REPEATS_L1  9
#define REPEATS_RAM 3

typedef struct bench {
    size_t        dim;
    size_t        row_count;
    float        *rows;
    float        *query;
    const float **order; /* row_count addresses, shuffled */
} bench;

static void
fill(float *values, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(int32_t)(uint32_t)mix64(seed + i) / 2147483648.0f;
}

/* One pass over `count` rows; returns the sum of the results. */
static double
pass(const bench *self, kernel_pair_fn pair, kernel_many_fn many, size_t count)
{
    float  out[WALK_ROWS];
    double sum = 0;

    for (size_t i = 0; i + WALK_ROWS <= count; i += WALK_ROWS) {
        if (many != NULL) {
            many(self->query, self->order + i, WALK_ROWS, self->dim, out);
        } else {
            for (size_t k = 0; k < WALK_ROWS; k++)
                out[k] = pair(self->query, self->order[i + k], self->dim);
        }
        for (size_t k = 0; k < WALK_ROWS; k++)
            sum += out[k];
    }
    return sum;
}

/* ns a row, the best of `repeats` runs of `rounds` passes. */
static double
measure(const bench *self, kernel_pair_fn pair, kernel_many_fn many, size_t count, int repeats, int rounds,
        double *sum)
{
    double best = INFINITY;

    for (int repeat = 0; repeat < repeats; repeat++) {
        const double start = now_ns();
        double       spent;

        *sum = 0;
        for (int round = 0; round < rounds; round++)
            *sum += pass(self, pair, many, count);
        spent = (now_ns() - start) / ((double)rounds * (double)(count / WALK_ROWS * WALK_ROWS));
        best = spent < best ? spent : best;
    }
    return best;
}

static bool
run(const bench *l1, const bench *ram)
{
    static const char *const metrics[] = {"dot", "l2sq", "l1"};
    double                   first_sum[countof(metrics)] = {0};
    bool                     first = true, agree = true;

    printf("%-8s %-6s %12s %12s %14s %14s\n", "level", "metric", "pair, L1", "many, L1", "pair, DRAM",
           "many, DRAM");
    for (size_t level = 0; kernel_level(level) != NULL; level++) {
        const kernel_table  *table = kernel_level(level);
        const kernel_pair_fn pairs[] = {table->dot_f32, table->l2sq_f32, table->l1_f32};
        const kernel_many_fn manys[] = {table->dot_f32_many, table->l2sq_f32_many, table->l1_f32_many};
        const bool           slow = table->needs == 0;

        if ((table->needs & ~cpu_features()) != 0) {
            printf("%-8s not on this machine\n", table->name);
            continue;
        }
        for (size_t i = 0; i < countof(metrics); i++) {
            const int rounds = slow ? 100 : 4000;
            double    sum[4], ns[4];

            ns[0] = measure(l1, pairs[i], NULL, WALK_ROWS, REPEATS_L1, rounds, &sum[0]);
            ns[1] = measure(l1, pairs[i], manys[i], WALK_ROWS, REPEATS_L1, rounds, &sum[1]);
            ns[2] = measure(ram, pairs[i], NULL, ram->row_count, slow ? 1 : REPEATS_RAM, 1, &sum[2]);
            ns[3] = measure(ram, pairs[i], manys[i], ram->row_count, slow ? 1 : REPEATS_RAM, 1, &sum[3]);
            printf("%-8s %-6s %12.1f %12.1f %14.1f %14.1f\n", table->name, metrics[i], ns[0], ns[1], ns[2],
                   ns[3]);
            if (first)
                first_sum[i] = sum[2];
            agree &= sum[2] == first_sum[i] && sum[3] == sum[2] && sum[0] == sum[1];
        }
        first = false;
    }
    return agree;
}

int
main(int argc, char **argv)
{
    bench l1 = {.dim = argc > 1 ? (size_t)atol(argv[1]) : 768}, ram;
    bool  agree;

    if (l1.dim < 1 || l1.dim > 65536) {
        fprintf(stderr, "kernel_bench: DIM must be 1 .. 65536\n");
        return 2;
    }
    ram = l1;
    l1.row_count = WALK_ROWS;
    ram.row_count = POOL_BYTES / sizeof(float) / ram.dim / WALK_ROWS * WALK_ROWS;
    ram.rows = pages_map(POOL_BYTES);
    ram.order = oct_alloc(ram.row_count * sizeof ram.order[0]);
    l1.order = oct_alloc(WALK_ROWS * sizeof l1.order[0]);
    l1.query = oct_alloc_aligned(64, l1.dim * sizeof(float));
    if (ram.rows == NULL || ram.order == NULL || l1.order == NULL || l1.query == NULL) {
        fprintf(stderr, "kernel_bench: no memory for %u MiB\n", POOL_BYTES >> 20);
        return 2;
    }
    ram.query = l1.query;
    fill(l1.query, l1.dim, 1);
    fill(ram.rows, ram.row_count * ram.dim, (uint64_t)1 << 40);
    for (size_t i = 0; i < ram.row_count; i++) {
        const size_t other = mix64(i) % (i + 1);

        ram.order[i] = ram.order[other];
        ram.order[other] = ram.rows + i * ram.dim;
    }
    for (size_t i = 0; i < WALK_ROWS; i++)
        l1.order[i] = ram.rows + i % L1_ROWS * ram.dim;

    printf("%zu-d f32 rows, ns a row (best of %d in L1, of %d in DRAM, 1 for scalar); chosen here: %s\n",
           l1.dim, REPEATS_L1, REPEATS_RAM, kernel()->name);
    agree = run(&l1, &ram);
    puts(agree ? "sums agree between levels and forms" : "SUMS DIFFER: a level is wrong");
    pages_unmap(ram.rows, POOL_BYTES);
    oct_free(ram.order);
    oct_free(l1.order);
    oct_free(l1.query);
    return agree ? 0 : 1;
}
