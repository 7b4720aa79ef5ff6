/* path.h - payload paths, the way Qdrant writes them: `a.b`, `a[]`, `a[0].b`, `"two words".b`.
 *
 * GRAMMAR  path = key { "." key | "[" digits "]" | "[]" }
 *          key  = one or more Unicode letters, digits, "_" or "-"; any other key is put in double quotes
 *                 and may hold anything but `"` and `\`.
 */
#ifndef OCT_PAYLOAD_PATH_H
#define OCT_PAYLOAD_PATH_H

#include "base/arena.h"

typedef enum path_step_kind {             /* in the order in which a tree of paths sorts them */
                              PATH_ALL,   /* [] : every element of an array */
                              PATH_INDEX, /* [3]: one element */
                              PATH_KEY    /* a value of an object */
} path_step_kind;

typedef struct path_step {
    path_step_kind kind;
    uint64_t       index; /* PATH_INDEX */
    oct_slice      key;   /* PATH_KEY: as it stands between the quotes of a compact document */
} path_step;

typedef struct path {
    const path_step *steps;
    size_t           count; /* at least 1; the first is a key */
} path;

/* Steps live in `memory`. OCT_FORMAT with Qdrant's text for what is not a path or nests deeper than a
 * document may. */
oct_status path_parse(oct_slice text, arena *memory, path *out, oct_error *error);

/* By kind, then index or bytes of the key: 0 means the same step. */
int path_step_compare(const path_step *a, const path_step *b);

#endif
