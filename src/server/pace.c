/* See pace.h. */
#include "server/pace.h"

static uint32_t
hash(uint32_t state, oct_slice text) /* FNV-1a */
{
    for (size_t i = 0; i < text.size; i++)
        state = (state ^ (unsigned char)text.data[i]) * 16777619u;
    return state;
}

uint32_t
pace_key(oct_slice route, oct_slice collection)
{
    const uint32_t key = hash(hash(2166136261u, route), collection);

    return key == 0 ? 1 : key;
}

bool
pace_is_slow(const pace *self, uint32_t key)
{
    return self->slow[key % PACE_SLOTS] == key;
}

void
pace_note(pace *self, uint32_t key, uint64_t took_ns)
{
    uint32_t *slot = &self->slow[key % PACE_SLOTS];

    if (took_ns >= PACE_SLOW_NS)
        *slot = key;
    else
        pace_forgive(self, key, took_ns);
}

void
pace_forgive(pace *self, uint32_t key, uint64_t took_ns)
{
    uint32_t *slot = &self->slow[key % PACE_SLOTS];

    if (*slot == key && took_ns < PACE_QUICK_NS)
        *slot = 0;
}
