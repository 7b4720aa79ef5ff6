/* top.h - the best k hits of many offered: a bounded binary heap with the worst on top. */
#ifndef OCT_TOP_H
#define OCT_TOP_H

#include "base/base.h"

typedef struct top_hit {
    float    distance; /* smaller is better */
    uint32_t point;
} top_hit;

/* Which of two points comes first when distances are equal: less than, equal to, more than zero. */
typedef int (*top_tie)(const void *context, uint32_t point_a, uint32_t point_b);

/* Lives in the caller's `hits` (capacity entries). Not for two threads at once. */
typedef struct top {
    top_hit    *hits;
    size_t      size, capacity; /* capacity >= 1 */
    top_tie     tie;
    const void *context;
} top;

static inline void
top_init(top *self, top_hit *hits, size_t capacity, top_tie tie, const void *context)
{
    *self = (top){hits, 0, capacity, tie, context};
}

/* Does `a` come after `b`? Equal distances are settled by the tie rule, so there is one order only. */
static inline bool
top_is_worse(const top *self, const top_hit *a, const top_hit *b)
{
    if (a->distance != b->distance)
        return a->distance > b->distance;
    return self->tie(self->context, a->point, b->point) > 0;
}

void top_push(top *self, top_hit hit);

static inline void
top_offer(top *self, float distance, uint32_t point)
{
    const top_hit hit = {distance, point};

    if (self->size < self->capacity || !top_is_worse(self, &hit, &self->hits[0]))
        top_push(self, hit);
}

/* Sort the hits, best first, and return how many there are. The heap is used up. */
size_t top_sort(top *self);

#endif
