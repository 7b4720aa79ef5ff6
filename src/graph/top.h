/* top.h - the best k hits of many offered: a bounded binary heap with the worst on top. */
#ifndef OCT_GRAPH_TOP_H
#define OCT_GRAPH_TOP_H

#include "graph/graph.h"

/* Lives in the caller's `hits` (capacity entries). Not for two threads at once. */
typedef struct top {
    graph_hit  *hits;
    size_t      size, capacity; /* capacity >= 1 */
    graph_tie   tie;
    const void *context;
} top;

static inline void
top_init(top *self, graph_hit *hits, size_t capacity, graph_tie tie, const void *context)
{
    *self = (top){hits, 0, capacity, tie, context};
}

/* Does `a` come after `b`? Equal distances are settled by the tie rule, so there is one order only. */
static inline bool
top_is_worse(const top *self, const graph_hit *a, const graph_hit *b)
{
    if (a->distance != b->distance)
        return a->distance > b->distance;
    return self->tie(self->context, a->point, b->point) > 0;
}

void top_push(top *self, graph_hit hit);

static inline void
top_offer(top *self, float distance, uint32_t point)
{
    const graph_hit hit = {distance, point};

    if (self->size < self->capacity || !top_is_worse(self, &hit, &self->hits[0]))
        top_push(self, hit);
}

/* Sort the hits, best first, and return how many there are. The heap is used up. */
size_t top_sort(top *self);

#endif
