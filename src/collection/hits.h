/* hits.h - lists of scored points: what levels of a query hand to each other. */
#ifndef OCT_COLLECTION_HITS_H
#define OCT_COLLECTION_HITS_H

#include "shard/points.h"

typedef struct query_hit {
    float    score; /* as the user will see it */
    uint32_t point;
} query_hit;

typedef struct hit_list { /* in a request's arena */
    query_hit *items;     /* best first */
    size_t     count;
} hit_list;

/* Largest score first; equal scores by id. */
void hits_sort(hit_list *self, const point_set *points);

/* The points of several lists, each once, ascending, into `out`, which has room for all of them. Returns how many. */
size_t hits_points(const hit_list *lists, size_t count, uint32_t *out);
size_t hits_total(const hit_list *lists, size_t count);

/* Sort point numbers and drop repeats; returns how many are left. */
size_t point_numbers_sort(uint32_t *numbers, size_t count);
/* Of sorted numbers: the place of the first that is not smaller, `count` if all are. */
size_t point_numbers_place(const uint32_t *numbers, size_t count, uint32_t point);
/* Is it one of them? */
bool point_numbers_have(const uint32_t *numbers, size_t count, uint32_t point);

#endif
