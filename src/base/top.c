/* See top.h. */
#include "base/top.h"

/* Let the hit at `at` sink below what is worse than it. */
static void
sink(top *self, size_t at, size_t size)
{
    const top_hit hit = self->hits[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= size)
            break;
        if (child + 1 < size && top_is_worse(self, &self->hits[child + 1], &self->hits[child]))
            child++;
        if (!top_is_worse(self, &self->hits[child], &hit))
            break;
        self->hits[at] = self->hits[child];
        at = child;
    }
    self->hits[at] = hit;
}

void
top_push(top *self, top_hit hit)
{
    size_t at;

    if (self->size == self->capacity) {
        self->hits[0] = hit;
        sink(self, 0, self->size);
        return;
    }
    at = self->size++;
    while (at > 0 && top_is_worse(self, &hit, &self->hits[(at - 1) / 2])) {
        self->hits[at] = self->hits[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    self->hits[at] = hit;
}

size_t
top_sort(top *self)
{
    const size_t count = self->size;

    for (size_t end = count; end > 1; end--) {
        const top_hit worst = self->hits[0];

        self->hits[0] = self->hits[end - 1];
        sink(self, 0, end - 1);
        self->hits[end - 1] = worst;
    }
    return count;
}
