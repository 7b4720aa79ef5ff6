/* arena.h - memory of one request: many allocations, one release. */
#ifndef OCT_ARENA_H
#define OCT_ARENA_H

#include "base/base.h"

typedef struct arena_block arena_block;

/* Zero is an empty arena. Not for use by two threads at once. */
typedef struct arena {
    arena_block *blocks; /* newest first; each owns the next */
    char        *next;
    char        *end;
} arena;

/* `bytes` bytes aligned for any type, zeroed, or NULL. They live until arena_clear. */
void *arena_alloc(arena *self, size_t bytes);
void *arena_array(arena *self, size_t count, size_t size);    /* checks count * size */
char *arena_text(arena *self, const char *text, size_t size); /* NUL-terminated copy */
void  arena_clear(arena *self);

#endif
