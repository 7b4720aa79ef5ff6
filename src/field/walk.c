/* Going through the values of a view in their order. See field.h.
 *
 * Every run has a place; the least of their keys (going down, the greatest) comes next, and its points are those of all runs that
 * stand at it - but for points that a later run owns, which that run has said everything about.
 */
#include "field/field_internal.h"

typedef struct place {
    const field_run *run;
    const uint64_t  *superseded; /* points that later runs own; NULL: none */
    uint32_t         at, end;    /* keys that are left: [at, end) */
    bool             is_current; /* key `current` is the one that the cursor stands at */
    uint32_t         current;
} place;

struct field_cursor {
    bool     down;
    uint32_t count;
    place    places[];
};

int64_t
field_integer_of(uint64_t number)
{
    return integer_of_key(number);
}

double
field_double_of(uint64_t number)
{
    return double_of_key(number);
}

uint64_t
field_number_of_integer(int64_t value)
{
    return key_of_integer(value);
}

uint64_t
field_number_of_double(double value)
{
    return key_of_double(value);
}

oct_status
field_cursor_new(const field_view *view, bool down, arena *memory, field_cursor **out, oct_error *error)
{
    const size_t  words = (size_t)view->point_count / 64 + 1;
    field_cursor *self = arena_alloc(memory, sizeof *self + view->run_count * sizeof self->places[0]);
    uint64_t     *bits = NULL;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    self->down = down;
    self->count = view->run_count;
    for (uint32_t i = view->run_count; i-- > 0;) {
        const field_run *run = view->runs[i];
        uint64_t        *more;

        self->places[i] = (place){.run = run, .superseded = bits, .end = run->key_count};
        if (i == 0)
            break;
        more = arena_array(memory, words, sizeof *more);
        if (more == NULL)
            return oct_fail_memory(error, words * sizeof *more);
        if (bits != NULL)
            memcpy(more, bits, words * sizeof *more);
        field_list_set(&run->owned, more);
        bits = more;
    }
    *out = self;
    return OCT_OK;
}

void
field_cursor_seek(field_cursor *self, uint64_t number)
{
    for (uint32_t i = 0; i < self->count; i++) {
        place   *one = &self->places[i];
        uint32_t found = run_find_number(one->run, number);

        if (!self->down) {
            one->at = found;
            continue;
        }
        found += found < one->run->key_count && one->run->keys[found] == number;
        one->end = found;
    }
}

/* The key that a run offers next. */
static uint32_t
offered(const field_cursor *self, const place *one)
{
    return self->down ? one->end - 1 : one->at;
}

static int
compare_offers(const field_cursor *self, const place *a, const place *b)
{
    const uint32_t key_a = offered(self, a), key_b = offered(self, b);
    int            order;

    if (a->run->order == FIELD_BY_TEXT)
        order = slice_compare(run_text(a->run, key_a), run_text(b->run, key_b));
    else
        order = (a->run->keys[key_a] > b->run->keys[key_b]) - (a->run->keys[key_a] < b->run->keys[key_b]);
    return self->down ? -order : order;
}

bool
field_cursor_next(field_cursor *self, field_value *out)
{
    const place *best = NULL;

    for (uint32_t i = 0; i < self->count; i++) {
        place *one = &self->places[i];

        one->is_current = false;
        if (one->at < one->end && (best == NULL || compare_offers(self, one, best) < 0))
            best = one;
    }
    if (best == NULL)
        return false;
    *out = (field_value){0};
    if (best->run->order == FIELD_BY_TEXT)
        out->text = run_text(best->run, offered(self, best));
    else
        out->number = best->run->keys[offered(self, best)];
    /* First find all that stand there, then move: moving changes what is offered. */
    for (uint32_t i = 0; i < self->count; i++) {
        place *one = &self->places[i];

        one->is_current = one->at < one->end && compare_offers(self, one, best) == 0;
        one->current = one->is_current ? offered(self, one) : 0;
    }
    for (uint32_t i = 0; i < self->count; i++) {
        place *one = &self->places[i];

        if (one->is_current && self->down)
            one->end--;
        else if (one->is_current)
            one->at++;
    }
    return true;
}

static bool
counts_here(const place *one, uint32_t point, const uint64_t *among, uint32_t point_count)
{
    return point < point_count && bit_is_set(among, point) &&
           (one->superseded == NULL || !bit_is_set(one->superseded, point));
}

oct_status
field_cursor_points(field_cursor *self, const uint64_t *among, uint32_t point_count, size_t run_max, buffer *out,
                    oct_error *error)
{
    for (uint32_t i = 0; i < self->count; i++) {
        const place     *one = &self->places[i];
        const field_run *run = one->run;
        size_t           taken = 0;

        if (!one->is_current)
            continue;
        for (uint32_t e = run->starts[one->current]; e < run->starts[one->current + 1] && taken < run_max; e++) {
            const uint32_t point = run->points[e];

            if (!counts_here(one, point, among, point_count))
                continue;
            buffer_add(out, &point, sizeof point);
            taken++;
        }
    }
    return out->failed ? oct_fail_memory(error, out->size) : OCT_OK;
}

uint64_t
field_cursor_count(field_cursor *self, const uint64_t *among, uint32_t point_count)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < self->count; i++) {
        const place     *one = &self->places[i];
        const field_run *run = one->run;

        if (!one->is_current)
            continue;
        for (uint32_t e = run->starts[one->current]; e < run->starts[one->current + 1]; e++)
            count += counts_here(one, run->points[e], among, point_count);
    }
    return count;
}
