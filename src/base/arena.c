/* See arena.h. */
#include "base/arena.h"

#include <stdalign.h>

#define ARENA_ALIGNMENT   (sizeof(max_align_t))
#define ARENA_BLOCK_BYTES 4096u /* the first block; later ones double up to ARENA_BLOCK_MAX */
#define ARENA_BLOCK_MAX   (1u << 20)

struct arena_block {
    arena_block *older;
    size_t       bytes;
    max_align_t  data[];
};

void *
arena_alloc(arena *self, size_t bytes)
{
    size_t       size;
    arena_block *block;
    char        *memory;

    if (bytes > SIZE_MAX - ARENA_BLOCK_MAX)
        return NULL;
    bytes = (bytes + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    if (bytes <= (size_t)(self->end - self->next)) {
        memory = self->next;
        self->next += bytes;
        return memory;
    }
    size = self->blocks == NULL ? ARENA_BLOCK_BYTES : size_min(self->blocks->bytes * 2, ARENA_BLOCK_MAX);
    size = size_max(size, bytes);
    block = oct_calloc(1, sizeof *block + size);
    if (block == NULL)
        return NULL;
    block->bytes = size;
    block->older = self->blocks;
    self->blocks = block;
    self->next = (char *)block->data;
    self->end = self->next + size;
    memory = self->next;
    self->next += bytes;
    return memory;
}

void *
arena_array(arena *self, size_t count, size_t size)
{
    size_t bytes;

    return size_mul_ok(count, size, &bytes) ? arena_alloc(self, bytes) : NULL;
}

char *
arena_text(arena *self, const char *text, size_t size)
{
    char *copy = arena_alloc(self, size + 1);

    if (copy != NULL && size > 0)
        memcpy(copy, text, size);
    return copy;
}

void
arena_clear(arena *self)
{
    while (self->blocks != NULL) {
        arena_block *older = self->blocks->older;

        oct_free(self->blocks);
        self->blocks = older;
    }
    *self = (arena){0};
}
