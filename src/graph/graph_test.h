/* graph_test.h - a graph beside the simplest model of one: for graph_test.c, graph_copy_test.c and
 * graph_threads_test.c.
 *
 * The model is an array: the vector of each point, or none. Its distances come from the pair form of the kernels,
 * which agree bit for bit with every other form (kernel_test.c), so hits are compared by their bits.
 */
#ifndef OCT_GRAPH_TEST_H
#define OCT_GRAPH_TEST_H

#include <stdlib.h>

#include "base/epoch.h"
#include "graph/graph_internal.h"
#include "support/test.h"

typedef struct twin {
    graph   *graph;
    workers *pool;
    uint32_t dim, points; /* points the model has room for */
    float   *vectors;     /* prepared, dim floats a point */
    bool    *has;
    uint32_t live;
} twin;

/* Points with equal distances are ordered by descending number: not what the rows would give by themselves. */
int twin_tie(const void *context, uint32_t point_a, uint32_t point_b);

void twin_open(twin *self, const graph_params *params, uint32_t points, uint32_t threads);
void twin_close(twin *self);
/* Give a point a vector, raw; true if it took a new row. Nothing is published. */
bool twin_put(twin *self, uint32_t point, const float *vector);
void twin_remove(twin *self, uint32_t point);
/* Join all full batches; how many. */
uint32_t twin_build(twin *self, uint32_t threads);
/* Everything that can be checked without a search. */
void twin_check(const twin *self, const char *when);

/* The query of a search for a raw vector; `prepared` has room for dim floats. */
graph_query twin_query(const twin *self, const float *vector, float *prepared, size_t limit, size_t ef);
/* The right answer; returns how many. */
size_t twin_answer(const twin *self, const graph_query *query, graph_hit *hits);
/* graph_search, pinned, that must not fail. */
size_t twin_search(const twin *self, const graph_query *query, graph_hit *hits, graph_stats *stats);
/* What holds for every answer: hits have vectors, none comes twice, distances are true and in order, and there are
 * `limit` of them, or all there can be. */
void twin_check_hits(const twin *self, const graph_query *query, const graph_hit *hits, size_t count,
                     const char *when);

/* Random vectors in clusters, as embeddings come. */
typedef struct clusters {
    test_rng rng;
    uint32_t dim, count;
    float    spread;
    float   *centers;
} clusters;

void clusters_init(clusters *self, uint64_t seed, uint32_t dim, uint32_t count, float spread);
void clusters_clear(clusters *self);
void clusters_next(clusters *self, float *vector);

#endif
