/* See fusion.h.
 *
 * Each list gives its points something; the parts of a point are added in the order of the lists, in 64-bit floats, so
 * that the sum does not depend on anything else. Points meet by sorting: lists are short, and a sort needs no table.
 */
#include "collection/fusion.h"

#include <math.h>
#include <stdlib.h>

typedef struct part {
    uint32_t point;
    uint32_t list;
    double   value;
} part;

static int
compare_parts(const void *a, const void *b)
{
    const part *x = a, *y = b;

    if (x->point != y->point)
        return x->point < y->point ? -1 : 1;
    return (x->list > y->list) - (x->list < y->list);
}

static oct_status
parts_new(const hit_list *lists, size_t count, arena *memory, part **out, oct_error *error)
{
    const size_t total = hits_total(lists, count);

    *out = arena_array(memory, total + 1, sizeof **out);
    return *out == NULL ? oct_fail_memory(error, total * sizeof **out) : OCT_OK;
}

/* Add up the parts of each point. */
static oct_status
merge(part *parts, size_t total, const point_set *points, arena *memory, hit_list *out, oct_error *error)
{
    size_t next;

    *out = (hit_list){arena_array(memory, total + 1, sizeof(query_hit)), 0};
    if (out->items == NULL)
        return oct_fail_memory(error, total * sizeof(query_hit));
    if (total > 1)
        qsort(parts, total, sizeof *parts, compare_parts);
    for (size_t i = 0; i < total; i = next) {
        double sum = 0;

        for (next = i; next < total && parts[next].point == parts[i].point; next++)
            sum += parts[next].value;
        out->items[out->count++] = (query_hit){(float)sum, parts[i].point};
    }
    hits_sort(out, points);
    return OCT_OK;
}

oct_status
fusion_rrf(const hit_list *lists, size_t count, size_t k, const float *weights, const point_set *points,
           arena *memory, hit_list *out, oct_error *error)
{
    const double constant = (double)(k == 0 ? FUSION_K_DEFAULT : k) - 1.0;
    size_t       total = 0;
    part        *parts;
    oct_status   status = parts_new(lists, count, memory, &parts, error);

    if (status != OCT_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        const double weight = weights == NULL ? 1.0 : (double)weights[i];

        for (size_t place = 0; place < lists[i].count; place++) {
            const double value = weight > 0 ? 1.0 / ((double)(place + 1) / weight + constant) : 0.0;

            parts[total++] = (part){lists[i].items[place].point, (uint32_t)i, value};
        }
    }
    return merge(parts, total, points, memory, out, error);
}

/* Where the list's scores begin (three deviations below the mean) and how far they reach; 0: they are all equal. */
static void
spread_of(const hit_list *list, double *low, double *reach)
{
    const double n = (double)list->count;
    double       mean = 0, squares = 0;
    bool         equal = true;

    for (size_t i = 0; i < list->count; i++) {
        mean += (double)list->items[i].score;
        equal = equal && list->items[i].score == list->items[0].score;
    }
    mean /= n;
    for (size_t i = 0; i < list->count; i++) {
        const double off = (double)list->items[i].score - mean;

        squares += off * off;
    }
    *reach = equal ? 0 : 6.0 * sqrt(squares / (n - 1.0));
    *low = mean - *reach / 2.0;
}

oct_status
fusion_dbsf(const hit_list *lists, size_t count, const point_set *points, arena *memory, hit_list *out,
            oct_error *error)
{
    size_t     total = 0;
    part      *parts;
    oct_status status = parts_new(lists, count, memory, &parts, error);

    if (status != OCT_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        double low, reach;

        if (lists[i].count == 0)
            continue;
        spread_of(&lists[i], &low, &reach);
        for (size_t j = 0; j < lists[i].count; j++) {
            const double value = reach > 0 ? ((double)lists[i].items[j].score - low) / reach : 0.5;

            parts[total++] = (part){lists[i].items[j].point, (uint32_t)i, value};
        }
    }
    return merge(parts, total, points, memory, out, error);
}
