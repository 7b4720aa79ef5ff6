/* See filter_bounds.h. */
#include "payload/filter_bounds.h"
#include "payload/filter_internal.h"

#define THRESHOLD_MAX 8u /* "at least n" is counted up to this n; above, only that n of them must be possible */

/* A pair of sets. What is unknown has no bits worth reading. */
typedef struct bounds {
    uint64_t *lower, *upper;
    bool      known;
} bounds;

#define SPARE_MAX 256u /* more than a filter of OCT_FILTER_DEPTH_MAX levels has in use at a time, but for thresholds */

typedef struct survey {
    const filter_index *by;
    arena              *memory;
    size_t              words;
    bool                failed; /* no memory */
    bounds              spare[SPARE_MAX]; /* used, and free again */
    size_t              spare_count;
} survey;

static void ask_node(survey *self, const filter_node *node, const path *prefix, bounds *out);

/* Its bits are anything. */
static bounds
new_bounds(survey *self)
{
    bounds made = {NULL, NULL, false};

    if (self->spare_count > 0) {
        made = self->spare[--self->spare_count];
        made.known = false;
        return made;
    }
    made.lower = arena_array(self->memory, self->words, sizeof *made.lower);
    made.upper = arena_array(self->memory, self->words, sizeof *made.upper);
    self->failed = self->failed || made.lower == NULL || made.upper == NULL;
    return made;
}

static void
give_back(survey *self, bounds used)
{
    if (used.lower != NULL && used.upper != NULL && self->spare_count < SPARE_MAX)
        self->spare[self->spare_count++] = used;
}

static void
set_all(const survey *self, bounds *out, uint64_t lower, uint64_t upper)
{
    for (size_t i = 0; i < self->words; i++) {
        out->lower[i] = lower;
        out->upper[i] = upper;
    }
}

static void
negate(const survey *self, bounds *out)
{
    for (size_t i = 0; out->known && i < self->words; i++) {
        const uint64_t lower = out->lower[i];

        out->lower[i] = ~out->upper[i];
        out->upper[i] = ~lower;
    }
}

/* --- leaves ------------------------------------------------------------------------------------------ */

static void
ask_ids(survey *self, const filter_node *node, bounds *out)
{
    set_all(self, out, 0, 0);
    for (size_t i = 0; i < node->as.ids.count; i++) {
        uint32_t point;

        if (!self->by->point(self->by->context, &node->as.ids.items[i], &point) || point >= self->by->point_count)
            continue;
        out->lower[point / 64] |= (uint64_t)1 << (point % 64);
        out->upper[point / 64] |= (uint64_t)1 << (point % 64);
    }
    out->known = true;
}

/* Both paths as one. False: no memory. */
static bool
join_paths(survey *self, const path *prefix, const path *where, path *out)
{
    path_step *steps;

    *out = *where;
    if (prefix == NULL)
        return true;
    steps = arena_array(self->memory, prefix->count + where->count, sizeof *steps);
    if (steps == NULL) {
        self->failed = true;
        return false;
    }
    memcpy(steps, prefix->steps, prefix->count * sizeof *steps);
    memcpy(steps + prefix->count, where->steps, where->count * sizeof *steps);
    *out = (path){steps, prefix->count + where->count};
    return true;
}

static void
ask_test(survey *self, const path *where, const field_test *test, bool is_nested, bounds *out)
{
    set_all(self, out, 0, 0);
    if (test->kind == TEST_NESTED) {
        if (!test->negated)
            ask_node(self, test->as.nested, where, out);
        is_nested = true;
    } else if (!is_nested || (!test->negated && test->kind < TEST_COUNT)) {
        out->known = self->by->field(self->by->context, where, test, out->lower, out->upper);
    }
    /* In one object of several: possible is all that can be said. */
    for (size_t i = 0; is_nested && out->known && i < self->words; i++)
        out->lower[i] = 0;
    if (test->negated)
        negate(self, out);
}

/* One of the tests of the field. */
static void
ask_field(survey *self, const filter_node *node, const path *prefix, bounds *out)
{
    bounds one = {NULL, NULL, false};
    path   where;

    if (!join_paths(self, prefix, &node->as.field.path, &where))
        return;
    ask_test(self, &where, &node->as.field.tests[0], prefix != NULL, out);
    for (size_t i = 1; out->known && i < node->as.field.count; i++) {
        if (one.lower == NULL)
            one = new_bounds(self);
        if (self->failed)
            return;
        one.known = false;
        ask_test(self, &where, &node->as.field.tests[i], prefix != NULL, &one);
        out->known = one.known;
        for (size_t word = 0; one.known && word < self->words; word++) {
            out->lower[word] |= one.lower[word];
            out->upper[word] |= one.upper[word];
        }
    }
    give_back(self, one);
}

/* --- many children ------------------------------------------------------------------------------------- */

static bool
is_empty(const uint64_t *bits, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        if (bits[i] != 0)
            return false;
    }
    return true;
}

static void
ask_all(survey *self, const filter_node *node, const path *prefix, bounds *out)
{
    bounds one = new_bounds(self);
    bool   sure = true; /* all children so far are known */

    if (self->failed)
        return;
    for (size_t i = 0; i < node->as.children.count && !self->failed; i++) {
        one.known = false;
        ask_node(self, &node->as.children.items[i], prefix, &one);
        sure = sure && one.known;
        if (!one.known)
            continue;
        for (size_t word = 0; word < self->words; word++) {
            out->lower[word] = out->known ? out->lower[word] & one.lower[word] : one.lower[word];
            out->upper[word] = out->known ? out->upper[word] & one.upper[word] : one.upper[word];
        }
        out->known = true;
        if (is_empty(out->upper, self->words))
            break; /* whatever the others say; and lower, within it, is empty too */
    }
    for (size_t word = 0; !sure && out->known && word < self->words; word++)
        out->lower[word] = 0;
    give_back(self, one);
}

static void
ask_one(survey *self, const filter_node *node, const path *prefix, bounds *out)
{
    bounds one = new_bounds(self);

    if (self->failed)
        return;
    set_all(self, out, 0, 0);
    out->known = true;
    for (size_t i = 0; i < node->as.children.count && out->known && !self->failed; i++) {
        one.known = false;
        ask_node(self, &node->as.children.items[i], prefix, &one);
        out->known = one.known;
        for (size_t word = 0; one.known && word < self->words; word++) {
            out->lower[word] |= one.lower[word];
            out->upper[word] |= one.upper[word];
        }
    }
    give_back(self, one);
}

/* At least `least`: at_least[j] are the points of which j + 1 children hold so far. */
static void
ask_some(survey *self, const filter_node *node, const path *prefix, bounds *out)
{
    const size_t least = node->as.children.least;
    bounds       at_least[THRESHOLD_MAX], one;

    if (least > THRESHOLD_MAX)
        return;
    one = new_bounds(self);
    for (size_t j = 0; j < least; j++)
        at_least[j] = new_bounds(self);
    for (size_t j = 0; j < least && !self->failed; j++)
        set_all(self, &at_least[j], 0, 0);
    for (size_t i = 0; i < node->as.children.count && !self->failed; i++) {
        one.known = false;
        ask_node(self, &node->as.children.items[i], prefix, &one);
        if (self->failed)
            return;
        if (!one.known)
            set_all(self, &one, 0, UINT64_MAX);
        for (size_t j = least; j-- > 0;) {
            for (size_t word = 0; word < self->words; word++) {
                at_least[j].lower[word] |= one.lower[word] & (j == 0 ? UINT64_MAX : at_least[j - 1].lower[word]);
                at_least[j].upper[word] |= one.upper[word] & (j == 0 ? UINT64_MAX : at_least[j - 1].upper[word]);
            }
        }
    }
    if (self->failed)
        return;
    memcpy(out->lower, at_least[least - 1].lower, self->words * sizeof *out->lower);
    memcpy(out->upper, at_least[least - 1].upper, self->words * sizeof *out->upper);
    out->known = true;
    give_back(self, one);
    for (size_t j = 0; j < least; j++)
        give_back(self, at_least[j]);
}

static void
ask_children(survey *self, const filter_node *node, const path *prefix, bounds *out)
{
    const size_t count = node->as.children.count, least = node->as.children.least;

    if (least == 0 || least > count) { /* always, or never */
        set_all(self, out, least == 0 ? UINT64_MAX : 0, least == 0 ? UINT64_MAX : 0);
        out->known = true;
    } else if (least == count) {
        ask_all(self, node, prefix, out);
    } else if (least == 1) {
        ask_one(self, node, prefix, out);
    } else {
        ask_some(self, node, prefix, out);
    }
}

/* `prefix`: where the objects of a nested filter are; NULL: not in one. `out` is unknown, its bits are anything. */
static void
ask_node(survey *self, const filter_node *node, const path *prefix, bounds *out)
{
    switch (node->kind) {
    case NODE_COUNT:
        ask_children(self, node, prefix, out);
        break;
    case NODE_IDS:
        if (prefix == NULL) /* there are no ids in a nested filter */
            ask_ids(self, node, out);
        break;
    case NODE_FIELD:
        ask_field(self, node, prefix, out);
        break;
    case NODE_SLICE:
    case NODE_VECTOR:
    case NODE_SHARD:
        break;
    }
    if (node->negated && !self->failed)
        negate(self, out);
}

oct_status
filter_get_bounds(const filter *self, const filter_index *by, arena *memory, filter_bounds *out, oct_error *error)
{
    survey work;
    bounds all;

    work.by = by; /* spare needs no value */
    work.memory = memory;
    work.words = (size_t)by->point_count / 64 + 1;
    work.failed = false;
    work.spare_count = 0;
    all = new_bounds(&work);
    *out = (filter_bounds){0};
    if (!work.failed)
        ask_node(&work, &self->root, NULL, &all);
    if (work.failed)
        return oct_fail_memory(error, work.words * sizeof *all.lower);
    if (all.known)
        *out = (filter_bounds){all.lower, all.upper, true};
    return OCT_OK;
}
