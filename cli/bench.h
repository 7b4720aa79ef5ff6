/* bench.h - what `octant bench` measures (bench.c) and how it is shown (bench_report.c). */
#ifndef OCT_CLI_BENCH_H
#define OCT_CLI_BENCH_H

#include "base/base.h"

#define BENCH_EFS_MAX    32
#define BENCH_ROUNDS     3
#define BENCH_PARTS_MAX  32
#define BENCH_PART_BYTES 32

/* One figure of every round; the middle one counts. */
typedef struct bench_figure {
    double rounds[BENCH_ROUNDS];
} bench_figure;

typedef struct bench_point {
    size_t       ef;
    double       recall; /* hits that reach the true k-th score, as a share of k */
    double       found;  /* hits there were, as a share of those that an exact search has */
    bench_figure qps, cpu_qps, p50_us, p99_us; /* one thread, one call a query */
    bench_figure all_qps;                      /* all threads, one call a query each */
} bench_point;

/* One vector name of one collection. */
typedef struct bench_result {
    oct_slice    collection, vector; /* as long as the collection's info lives */
    uint64_t     points, graph_rows, tail_rows, dead_rows, ram_bytes, disk_bytes;
    oct_memory_info memory; /* of the collection */
    int64_t      size, distance, m, ef_construct;
    size_t       queries, k;
    uint32_t     threads;
    bench_figure exact_qps; /* a full scan, one thread; the first figure only */
    bench_point  points_at[BENCH_EFS_MAX];
    size_t       point_count;
} bench_result;

/* Resident memory and disk of a part: a kind of column ("vectors", "links", ...) or of memory. */
typedef struct bench_part {
    char     name[BENCH_PART_BYTES];
    uint64_t resident_bytes; /* pages of its files, mapped here and in memory now */
    uint64_t disk_bytes;
} bench_part;

typedef struct bench_memory {
    uint64_t   anonymous_bytes; /* resident and belonging to no file: what the system cannot drop */
    bench_part parts[BENCH_PARTS_MAX];
    size_t     part_count;
} bench_memory;

double bench_middle(const bench_figure *figure);
double bench_least(const bench_figure *figure);
double bench_most(const bench_figure *figure);

/* What this process holds, by part, and what lies below `path`. Parts that cannot be told are left out. */
void bench_memory_read(const char *path, bench_memory *out);

void bench_show_table(const bench_result *result);
void bench_show_memory(const bench_memory *memory, const bench_memory *before, uint64_t points);
void bench_add_json(buffer *out, const bench_result *result);
void bench_add_memory_json(buffer *out, const bench_memory *memory, const bench_memory *before);
/* Recall against speed, a line for each result; false: the file cannot be written, and that has been said. */
bool bench_write_plot(const char *path, const bench_result *results, size_t count);

#endif
