/* See tree.h. */
#include "payload/tree.h"

#include <stdlib.h>

/* By steps, a path before what it begins. */
static int
compare_paths(const void *left, const void *right)
{
    const path *a = left, *b = right;

    for (size_t i = 0; i < size_min(a->count, b->count); i++) {
        const int order = path_step_compare(&a->steps[i], &b->steps[i]);

        if (order != 0)
            return order;
    }
    return (a->count > b->count) - (a->count < b->count);
}

/* Paths [0, count), sorted, agree in their first `depth` steps. Recursion is as deep as a path is long. */
static bool
build(const path *paths, size_t count, size_t depth, arena *memory, path_tree *out)
{
    path_step *steps;
    path_tree *children;
    size_t     groups = 0;

    *out = (path_tree){0};
    if (count == 0)
        return true;
    if (paths[0].count == depth) {
        out->is_whole = true;
        return true;
    }
    for (size_t i = 0; i < count; i++)
        groups += i == 0 || path_step_compare(&paths[i].steps[depth], &paths[i - 1].steps[depth]) != 0;
    steps = arena_array(memory, groups, sizeof *steps);
    children = arena_array(memory, groups, sizeof *children);
    if (steps == NULL || children == NULL)
        return false;
    for (size_t first = 0; first < count;) {
        const path_step *step = &paths[first].steps[depth];
        size_t           next = first + 1;

        while (next < count && path_step_compare(&paths[next].steps[depth], step) == 0)
            next++;
        steps[out->child_count] = *step;
        if (!build(paths + first, next - first, depth + 1, memory, &children[out->child_count]))
            return false;
        out->child_count++;
        first = next;
    }
    out->steps = steps;
    out->children = children;
    return true;
}

oct_status
path_tree_build(const path *paths, size_t count, arena *memory, path_tree *out, oct_error *error)
{
    path *sorted = arena_array(memory, count + 1, sizeof *sorted); /* never of size 0 */

    *out = (path_tree){0};
    if (sorted == NULL)
        return oct_fail_memory(error, count * sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = paths[i];
    qsort(sorted, count, sizeof *sorted, compare_paths);
    if (!build(sorted, count, 0, memory, out))
        return oct_fail_memory(error, count * sizeof *out);
    return OCT_OK;
}

static const path_tree *
find(const path_tree *node, path_step step)
{
    size_t low = 0, high = node->child_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int    order = path_step_compare(&step, &node->steps[middle]);

        if (order == 0)
            return &node->children[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const path_tree *
path_tree_all(const path_tree *node)
{
    return find(node, (path_step){.kind = PATH_ALL});
}

const path_tree *
path_tree_index(const path_tree *node, uint64_t index)
{
    return find(node, (path_step){.kind = PATH_INDEX, .index = index});
}

const path_tree *
path_tree_key(const path_tree *node, oct_slice key)
{
    return find(node, (path_step){.kind = PATH_KEY, .key = key});
}
