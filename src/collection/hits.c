/* See hits.h. */
#include "collection/hits.h"

#include <math.h>
#include <stdlib.h>

/* Infinite scores may fuse into what is not a number; that comes last, so that there is one order only. */
static float
key_of(float score)
{
    return isnan(score) ? -INFINITY : score;
}

static int
compare_hits(const void *a, const void *b, void *context)
{
    const query_hit *x = a, *y = b;
    const point_set *points = context;

    if (key_of(x->score) != key_of(y->score))
        return key_of(x->score) > key_of(y->score) ? -1 : 1;
    return id_compare(points_id(points, x->point), points_id(points, y->point));
}

void
hits_sort(hit_list *self, const point_set *points)
{
    if (self->count > 1)
        qsort_r(self->items, self->count, sizeof *self->items, compare_hits, (void *)(uintptr_t)points);
}

size_t
hits_total(const hit_list *lists, size_t count)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += lists[i].count;
    return total;
}

static int
compare_numbers(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

size_t
point_numbers_sort(uint32_t *numbers, size_t count)
{
    size_t kept = 0;

    if (count > 1)
        qsort(numbers, count, sizeof *numbers, compare_numbers);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || numbers[kept - 1] != numbers[i])
            numbers[kept++] = numbers[i];
    }
    return kept;
}

size_t
hits_points(const hit_list *lists, size_t count, uint32_t *out)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < lists[i].count; j++)
            out[total++] = lists[i].items[j].point;
    }
    return point_numbers_sort(out, total);
}

size_t
point_numbers_place(const uint32_t *numbers, size_t count, uint32_t point)
{
    size_t low = 0, high = count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (numbers[middle] < point)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool
point_numbers_have(const uint32_t *numbers, size_t count, uint32_t point)
{
    const size_t place = point_numbers_place(numbers, count, point);

    return place < count && numbers[place] == point;
}
