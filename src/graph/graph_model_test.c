/* See graph_test.h. */
#include "graph/graph_test.h"

int
twin_tie(const void *context, uint32_t point_a, uint32_t point_b)
{
    (void)context;
    return (point_a < point_b) - (point_a > point_b);
}

void
twin_open(twin *self, const graph_params *params, uint32_t points, uint32_t threads)
{
    *self = (twin){.dim = params->dim, .points = points};
    OCT_MUST(graph_new(params, &self->graph, NULL) == OCT_OK);
    OCT_MUST(workers_new(threads, &self->pool, NULL) == OCT_OK);
    self->vectors = calloc((size_t)points * params->dim, sizeof *self->vectors);
    self->has = calloc(points, sizeof *self->has);
    OCT_MUST(self->vectors != NULL && self->has != NULL);
}

void
twin_close(twin *self)
{
    graph_free(self->graph);
    workers_free(self->pool);
    free(self->vectors);
    free(self->has);
}

bool
twin_put(twin *self, uint32_t point, const float *vector)
{
    float *const kept = self->vectors + (size_t)point * self->dim;
    float       *prepared = calloc(self->dim, sizeof *prepared), *scratch;
    bool         is_new;

    OCT_MUST(prepared != NULL && point < self->points);
    OCT_MUST(graph_reserve(self->graph, 1, point + 1, NULL) == OCT_OK);
    graph_prepare(self->graph, vector, prepared);
    scratch = calloc(self->dim, sizeof *scratch);
    OCT_MUST(scratch != NULL);
    is_new = graph_append(self->graph, point, vector, 1, scratch) == 1;
    free(scratch);
    CHECK_INT(is_new, !self->has[point] || memcmp(kept, prepared, self->dim * sizeof *prepared) != 0);
    memcpy(kept, prepared, self->dim * sizeof *prepared);
    self->live += !self->has[point];
    self->has[point] = true;
    free(prepared);
    return is_new;
}

void
twin_remove(twin *self, uint32_t point)
{
    graph_remove(self->graph, point);
    self->live -= self->has[point];
    self->has[point] = false;
}

uint32_t
twin_build(twin *self, uint32_t threads)
{
    uint32_t batches = 0;
    bool     built = true;

    while (built) {
        CHECK_OK(graph_build_batch(self->graph, self->pool, threads, &built, NULL));
        batches += built;
    }
    return batches;
}

void
twin_check(const twin *self, const char *when)
{
    oct_error        error = {0};
    const oct_status status = graph_check(self->graph, &error);

    CHECK_MSG(status == OCT_OK, "%s: %s", when, error.text);
    CHECK_INT(graph_live_count(self->graph), self->live);
    for (uint32_t point = 0; point < self->points; point++) {
        const float *stored = graph_vector(self->graph, point);

        if ((stored != NULL) != self->has[point] ||
            (stored != NULL &&
             memcmp(stored, self->vectors + (size_t)point * self->dim, self->dim * sizeof *stored) != 0)) {
            test_failed(__FILE__, __LINE__, "%s: the vector of point %u is not what it should be", when,
                        point);
            break;
        }
    }
}

static float
distance_of(const graph *self, const float *a, const float *b)
{
    const uint32_t dim = self->params.dim;
    float          product;

    switch (self->params.distance) {
    case OCT_EUCLID:
        return kernel()->l2sq_f32(a, b, dim);
    case OCT_MANHATTAN:
        return kernel()->l1_f32(a, b, dim);
    case OCT_COSINE:
    case OCT_DOT:
        break;
    }
    product = kernel()->dot_f32(a, b, dim);
    return isnan(product) ? INFINITY : -product; /* what is no number comes last */
}

graph_query
twin_query(const twin *self, const float *vector, float *prepared, size_t limit, size_t ef)
{
    graph_prepare(self->graph, vector, prepared);
    return (graph_query){.vector = prepared, .limit = limit, .ef = ef, .tie = twin_tie};
}

static bool
is_allowed(const graph_query *query, uint32_t point)
{
    return query->allowed == NULL ||
           (point < query->allowed_points && (query->allowed[point / 64] >> (point % 64) & 1) != 0);
}

static int
compare_hits(const void *a, const void *b)
{
    const graph_hit *x = a, *y = b;

    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return twin_tie(NULL, x->point, y->point);
}

size_t
twin_answer(const twin *self, const graph_query *query, graph_hit *hits)
{
    graph_hit *all = calloc((size_t)self->points + 1, sizeof *all);
    size_t     count = 0;

    OCT_MUST(all != NULL);
    for (uint32_t point = 0; point < self->points; point++) {
        if (self->has[point] && is_allowed(query, point))
            all[count++] = (graph_hit){
                distance_of(self->graph, query->vector, self->vectors + (size_t)point * self->dim), point};
    }
    qsort(all, count, sizeof *all, compare_hits);
    count = size_min(count, query->limit);
    memcpy(hits, all, count * sizeof *hits);
    free(all);
    return count;
}

size_t
twin_search(const twin *self, const graph_query *query, graph_hit *hits, graph_stats *stats)
{
    size_t count = SIZE_MAX;

    epoch_pin();
    CHECK_OK(graph_search(self->graph, query, hits, &count, stats, NULL));
    epoch_unpin();
    return count;
}

void
twin_check_hits(const twin *self, const graph_query *query, const graph_hit *hits, size_t count,
                const char *when)
{
    bool  *seen = calloc((size_t)self->points + 1, sizeof *seen);
    size_t eligible = 0;

    OCT_MUST(seen != NULL);
    for (uint32_t point = 0; point < self->points; point++)
        eligible += self->has[point] && is_allowed(query, point);
    CHECK_MSG(count == size_min(query->limit, eligible),
              "%s: %zu hits of %zu points that could be, limit %zu", when, count, eligible, query->limit);
    for (size_t i = 0; i < count; i++) {
        const uint32_t point = hits[i].point;
        float          distance;

        if (point >= self->points || !self->has[point] || !is_allowed(query, point) || seen[point]) {
            test_failed(__FILE__, __LINE__,
                        "%s: hit %zu, point %u, has no vector, may not be a hit, or comes twice", when, i,
                        point);
            break;
        }
        seen[point] = true;
        distance = distance_of(self->graph, query->vector, self->vectors + (size_t)point * self->dim);
        CHECK_MSG(memcmp(&distance, &hits[i].distance, sizeof distance) == 0,
                  "%s: hit %zu has distance %.9g, truly %.9g", when, i, (double)hits[i].distance,
                  (double)distance);
        CHECK_MSG(i == 0 || compare_hits(&hits[i - 1], &hits[i]) < 0,
                  "%s: hit %zu is better than the one before", when, i);
    }
    free(seen);
}

/* --- data --------------------------------------------------------------------------------------------- */

void
clusters_init(clusters *self, uint64_t seed, uint32_t dim, uint32_t count, float spread)
{
    *self = (clusters){.rng = test_rng_seed(seed), .dim = dim, .count = count, .spread = spread};
    self->centers = calloc((size_t)count * dim, sizeof *self->centers);
    OCT_MUST(self->centers != NULL);
    test_fill(&self->rng, self->centers, (size_t)count * dim);
}

void
clusters_clear(clusters *self)
{
    free(self->centers);
}

void
clusters_next(clusters *self, float *vector)
{
    const float *center = self->centers + test_below(&self->rng, self->count) * self->dim;

    for (uint32_t i = 0; i < self->dim; i++) {
        /* A sum of four uniform numbers is near enough to a normal one. */
        const float noise =
            test_float(&self->rng) + test_float(&self->rng) + test_float(&self->rng) + test_float(&self->rng);

        vector[i] = center[i] + self->spread * noise;
    }
}
