/* Points at random, each set of them as likely as any other.
 *
 * Who may be chosen is a bit for each point. Of the L that are set, `limit` ranks are drawn without repeats (Floyd's
 * method; Bentley, "Programming pearls: a sample of brilliance", CACM 1987) and found again by one walk over the bits;
 * then the order is shuffled. The cost is a look at the bits, however few are wanted.
 */
#include "collection/query_internal.h"

/* A generator of one request. */
typedef struct dice {
    uint64_t state;
} dice;

/* 0 .. bound - 1. */
static uint32_t
roll(dice *self, uint32_t bound)
{
    return (uint32_t)((mix64(self->state++) >> 32) * bound >> 32);
}

/* Whose points, and which vector they must have: POINT_NONE: none. */
typedef struct wanted_vector {
    const shard *shard;
    uint32_t     number;
} wanted_vector;

static bool
has_vector(const wanted_vector *self, uint32_t point)
{
    return self->number == POINT_NONE || shard_has_vector(self->shard, self->number, point);
}

/* The bits of those who may be chosen. Returns how many. */
static uint32_t
mark_all(const point_set *points, uint32_t point_count, const hit_scope *scope, const wanted_vector *vectors,
         uint64_t *bits)
{
    uint32_t marked = 0;

    for (uint32_t word = 0; (uint64_t)word * 64 < point_count; word++) {
        const _Atomic uint64_t *live = rows_at(&points->live, word);
        uint64_t                rest = atomic_load_explicit(live, memory_order_acquire);

        for (; rest != 0; rest &= rest - 1) {
            const uint32_t point = word * 64 + (uint32_t)__builtin_ctzll(rest);

            if (point >= point_count || !scope_allows(scope, point) || !has_vector(vectors, point))
                continue;
            bits[word] |= rest & -rest;
            marked++;
        }
    }
    return marked;
}

static uint32_t
mark_listed(const point_set *points, const hit_scope *scope, const wanted_vector *vectors, uint64_t *bits)
{
    uint32_t marked = 0;

    for (size_t i = 0; i < scope->listed_count; i++) {
        const uint32_t point = scope->listed[i];

        if (!points_is_live(points, point) || !scope_allows(scope, point) || !has_vector(vectors, point))
            continue;
        bits[point / 64] |= (uint64_t)1 << (point % 64);
        marked++;
    }
    return marked;
}

/* Choose `count` of the ranks 0 .. total - 1: a bit for each in `chosen`, which is zeroed. */
static void
choose(dice *random, uint32_t count, uint32_t total, uint64_t *chosen)
{
    for (uint32_t last = total - count; last < total; last++) {
        uint32_t rank = roll(random, last + 1);

        if ((chosen[rank / 64] >> (rank % 64) & 1) != 0)
            rank = last;
        chosen[rank / 64] |= (uint64_t)1 << (rank % 64);
    }
}

/* The points of the chosen ranks among those that are marked. */
static void
collect(const uint64_t *bits, uint32_t point_count, const uint64_t *chosen, hit_list *out)
{
    uint32_t rank = 0;

    for (uint32_t word = 0; (uint64_t)word * 64 < point_count; word++) {
        for (uint64_t rest = bits[word]; rest != 0; rest &= rest - 1, rank++) {
            if ((chosen[rank / 64] >> (rank % 64) & 1) != 0)
                out->items[out->count++] = (query_hit){1.0f, word * 64 + (uint32_t)__builtin_ctzll(rest)};
        }
    }
}

oct_status
sample_points(oct_collection *self, const hit_scope *scope, uint32_t number, size_t limit, arena *memory,
              hit_list *out, oct_error *error)
{
    const point_set *points = shard_points(self->shard);
    const uint32_t   point_count = atomic_load_explicit(&points->count, memory_order_acquire);
    const wanted_vector vectors = {self->shard, number};
    const size_t     words = (size_t)point_count / 64 + 1;
    uint64_t        *bits = arena_array(memory, words, sizeof *bits);
    uint64_t        *chosen = arena_array(memory, words, sizeof *chosen);
    dice             random;
    uint32_t         total, count;

    *out = (hit_list){0};
    if (bits == NULL || chosen == NULL)
        return oct_fail_memory(error, words * sizeof *bits);
    total = scope->listed != NULL ? mark_listed(points, scope, &vectors, bits)
                                  : mark_all(points, point_count, scope, &vectors, bits);
    count = (uint32_t)size_min(limit, total);
    out->items = arena_array(memory, (size_t)count + 1, sizeof *out->items);
    if (out->items == NULL)
        return oct_fail_memory(error, count * sizeof *out->items);
    if (count == 0)
        return OCT_OK;
    os_random(self->database->system, &random.state, sizeof random.state);
    choose(&random, count, total, chosen);
    collect(bits, point_count, chosen, out);
    for (uint32_t left = count; left > 1; left--) {
        const uint32_t  at = roll(&random, left);
        const query_hit moved = out->items[left - 1];

        out->items[left - 1] = out->items[at];
        out->items[at] = moved;
    }
    return OCT_OK;
}
