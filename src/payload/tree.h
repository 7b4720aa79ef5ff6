/* tree.h - many payload paths as one tree, so that a document is walked once whatever their number.
 *
 *     a.b, a.c, l[].x      (root) --a--> . --b--> whole
 *                                          `-c--> whole
 *                              `--l--> . --[]--> . --x--> whole
 */
#ifndef OCT_PAYLOAD_TREE_H
#define OCT_PAYLOAD_TREE_H

#include "payload/path.h"

typedef struct path_tree {
    bool                    is_whole; /* a path ends here, and longer ones are left out: it covers them */
    size_t                  child_count;
    const path_step        *steps; /* sorted; steps[i] leads to children[i] */
    const struct path_tree *children;
} path_tree;

/* The tree of `count` paths; its memory and theirs is the arena's. */
oct_status path_tree_build(const path *paths, size_t count, arena *memory, path_tree *out, oct_error *error);

/* The child behind a step, or NULL. */
const path_tree *path_tree_all(const path_tree *node);
const path_tree *path_tree_index(const path_tree *node, uint64_t index);
const path_tree *path_tree_key(const path_tree *node, oct_slice key);

#endif
