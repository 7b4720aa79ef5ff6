/* Searches while others append, remove and build. Run under TSan; the checks hold without it too. */
#include "graph/graph_test.h"

#include <pthread.h>
#include <sched.h>

#define DIM_MAX   72u
#define STEADY    150u /* points that never change: each must be found at any moment */
#define RESTLESS  400u /* points that are updated, removed and put back */
#define SEARCHERS 2u

typedef struct crowd {
    twin             twin;   /* the writer's */
    float           *steady; /* raw vectors, set before the start */
    uint32_t         dim;
    atomic_bool      end;
    _Atomic uint64_t searches, lost, twice, disordered, few, failed, batches;
} crowd;

static void *
search_on(void *context)
{
    crowd   *self = context;
    test_rng rng = test_rng_seed((uintptr_t)&rng); /* any: what is checked holds for all */
    uint64_t turn = 0;

    while (!atomic_load(&self->end)) {
        const uint32_t point = (uint32_t)test_below(&rng, STEADY);
        const size_t   limit = turn % 8 == 0 ? 300 : 5;
        float          prepared[DIM_MAX];
        graph_hit      hits[300];
        uint8_t        seen[STEADY + RESTLESS] = {0};
        graph_query    query =
            twin_query(&self->twin, self->steady + (size_t)point * self->dim, prepared, limit, 200);
        size_t count = 0;

        query.exact = turn++ % 16 == 3;
        epoch_pin();
        if (graph_search(self->twin.graph, &query, hits, &count, NULL, NULL) != OCT_OK)
            (void)atomic_fetch_add(&self->failed, 1);
        epoch_unpin();
        if (count == 0 || hits[0].point != point)
            (void)atomic_fetch_add(&self->lost, 1);
        for (size_t i = 0; i < count; i++) {
            if (hits[i].point >= STEADY + RESTLESS || seen[hits[i].point]++ > 0)
                (void)atomic_fetch_add(&self->twice, 1);
            if (i > 0 && hits[i].distance < hits[i - 1].distance)
                (void)atomic_fetch_add(&self->disordered, 1);
        }
        /* The steady ones are always there, so at least so many hits can be had. */
        if (count < size_min(limit, STEADY))
            (void)atomic_fetch_add(&self->few, 1);
        (void)atomic_fetch_add(&self->searches, 1);
    }
    return NULL;
}

static void *
build_on(void *context)
{
    crowd *self = context;

    while (!atomic_load(&self->end)) {
        bool built = false;

        if (graph_build_batch(self->twin.graph, self->twin.pool, 0, &built, NULL) != OCT_OK)
            (void)atomic_fetch_add(&self->failed, 1);
        (void)atomic_fetch_add(&self->batches, built);
    }
    return NULL;
}

static void
check_crowd(const crowd *self)
{
    CHECK_INT(self->failed, 0);
    CHECK_INT(self->twice, 0);
    CHECK_INT(self->disordered, 0);
    CHECK_INT(self->few, 0);
}

/* Updates of one point, several before they are published, are what a search must not see twice. */
static void
write_some(crowd *self, test_rng *rng)
{
    float vector[DIM_MAX];

    for (uint64_t i = 1 + test_below(rng, 10); i > 0; i--) {
        const uint32_t point = STEADY + (uint32_t)test_below(rng, RESTLESS);

        if (test_below(rng, 5) == 0) {
            twin_remove(&self->twin, point);
            continue;
        }
        for (uint64_t again = 1 + test_below(rng, 3); again > 0; again--) {
            test_fill(rng, vector, self->dim);
            (void)twin_put(&self->twin, point, vector);
        }
    }
    graph_publish(self->twin.graph);
}

/* Goal:   a point that is not touched is the first hit of its own vector at any moment; no point comes twice; hits are
 *         in order and as many as they must be; nothing races.
 * Method: one writer (updates, removals, several rows a publish), one builder on a pool of two, two searchers, with
 * codes
 *         and without, until 1,500 writes are done. Many small batches at the start, so that levels and entry
 *         change. */
TEST(searches_are_right_while_all_else_goes_on)
{
    static const uint32_t dims[] = {12, 68};

    for (size_t d = 0; d < countof(dims); d++) {
        const graph_params params = {
            .dim = dims[d], .distance = OCT_COSINE, .m = 6, .ef_construct = 40, .start_rows = 1};
        crowd     self = {.dim = dims[d]};
        test_rng  rng = test_rng_seed(161);
        pthread_t searchers[SEARCHERS], builder;

        self.steady = calloc((size_t)STEADY * dims[d], sizeof *self.steady);
        OCT_MUST(self.steady != NULL);
        twin_open(&self.twin, &params, STEADY + RESTLESS, 2);
        for (uint32_t point = 0; point < STEADY; point++) {
            float *vector = self.steady + (size_t)point * dims[d];

            test_fill(&rng, vector, dims[d]);
            (void)twin_put(&self.twin, point, vector);
        }
        graph_publish(self.twin.graph);
        for (size_t i = 0; i < SEARCHERS; i++)
            OCT_MUST(pthread_create(&searchers[i], NULL, search_on, &self) == 0);
        OCT_MUST(pthread_create(&builder, NULL, build_on, &self) == 0);
        for (uint64_t i = 0; i < test_scaled(1500) || self.searches < 200 || self.batches < 20; i++) {
            if (i < test_scaled(1500))
                write_some(&self, &rng);
            else
                (void)sched_yield(); /* a busy machine: let the others have their turn */
        }
        atomic_store(&self.end, true);
        OCT_MUST(pthread_join(builder, NULL) == 0);
        for (size_t i = 0; i < SEARCHERS; i++)
            OCT_MUST(pthread_join(searchers[i], NULL) == 0);
        check_crowd(&self);
        CHECK_MSG(self.lost == 0, "dim %u: %llu of %llu searches missed a point that was there all the time",
                  dims[d], (unsigned long long)self.lost, (unsigned long long)self.searches);
        (void)twin_build(&self.twin, 0);
        twin_check(&self.twin, "after all");
        free(self.steady);
        twin_close(&self.twin);
    }
}

/* Goal:   a graph that has just begun: entry and first batches appear while searches run, and no point comes twice.
 * Method: 60 small graphs, each built row by row under the eyes of two searchers. */
TEST(searches_are_right_while_a_graph_begins)
{
    const graph_params params = {
        .dim = 4, .distance = OCT_EUCLID, .m = 2, .ef_construct = 10, .start_rows = 1};
    test_rng rng = test_rng_seed(162);

    for (uint64_t round = 0; round < test_scaled(60); round++) {
        crowd     self = {.dim = 4};
        pthread_t searchers[SEARCHERS], builder;

        self.steady = calloc((size_t)STEADY * 4, sizeof *self.steady);
        OCT_MUST(self.steady != NULL);
        test_fill(&rng, self.steady, (size_t)STEADY * 4);
        twin_open(&self.twin, &params, STEADY + RESTLESS, 1);
        for (uint32_t point = 0; point < STEADY; point++)
            (void)twin_put(&self.twin, point, self.steady + (size_t)point * 4);
        graph_publish(self.twin.graph);
        for (size_t i = 0; i < SEARCHERS; i++)
            OCT_MUST(pthread_create(&searchers[i], NULL, search_on, &self) == 0);
        OCT_MUST(pthread_create(&builder, NULL, build_on, &self) == 0);
        while (graph_has_batch(self.twin.graph) || atomic_load(&self.searches) < 20)
            (void)sched_yield();
        atomic_store(&self.end, true);
        OCT_MUST(pthread_join(builder, NULL) == 0);
        for (size_t i = 0; i < SEARCHERS; i++)
            OCT_MUST(pthread_join(searchers[i], NULL) == 0);
        check_crowd(&self);
        twin_check(&self.twin, "begun");
        free(self.steady);
        twin_close(&self.twin);
    }
}
