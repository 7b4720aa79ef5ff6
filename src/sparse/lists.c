/* See lists.h. */
#include "sparse/lists_internal.h"

#include "base/epoch.h"

/* --- runs ------------------------------------------------------------------------------------------ */

void
sparse_run_release(sparse_run *self)
{
    if (self == NULL || atomic_fetch_sub(&self->holders, 1) > 1)
        return;
    rows_clear(&self->postings);
    rows_clear(&self->terms);
    rows_clear(&self->counts);
    column_check_free(self->check);
    oct_free(self->sound);
    oct_free(self);
}

static const run_term *
term_at(const sparse_run *self, uint32_t i)
{
    return rows_at(&self->terms, i);
}

static _Atomic uint32_t *
count_at(const sparse_run *self, uint32_t i)
{
    return rows_at(&self->counts, i);
}

/* The place of a term, or state.term_count. */
static uint32_t
find_term(const sparse_run *self, uint32_t term)
{
    uint32_t low = 0, high = self->state.term_count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (term_at(self, middle)->term < term)
            low = middle + 1;
        else
            high = middle;
    }
    return low < self->state.term_count && term_at(self, low)->term == term ? low : self->state.term_count;
}

/* Look at a list once: its blocks' checksums, and that its rows ascend and are the run's. */
static oct_status
verify_list(sparse_run *self, uint32_t place, oct_error *error)
{
    const uint32_t    first = term_at(self, place)->first, end = term_at(self, place + 1)->first;
    _Atomic uint64_t *word = &self->sound[place / 64];
    int64_t           last = (int64_t)self->state.first_row - 1;
    oct_status        status;

    if ((atomic_load_explicit(word, memory_order_acquire) >> (place % 64) & 1) != 0)
        return OCT_OK;
    status = column_verify(self->check, first, end - first, error);
    for (uint32_t i = first; i < end && status == OCT_OK; i++) {
        const posting *at = rows_at(&self->postings, i);

        if ((int64_t)at->row <= last || at->row >= self->state.end_row)
            return oct_fail(error, OCT_CORRUPT, "the list of sparse index %u has row %u after %lld in a run of rows %u to %u",
                            term_at(self, place)->term, at->row, (long long)last, self->state.first_row, self->state.end_row);
        last = at->row;
    }
    if (status == OCT_OK)
        (void)atomic_fetch_or_explicit(word, (uint64_t)1 << (place % 64), memory_order_release);
    return status;
}

oct_status
sparse_run_verify(sparse_run *self, oct_error *error)
{
    oct_status status = OCT_OK;

    for (uint32_t place = 0; place < self->state.term_count && status == OCT_OK; place++)
        status = verify_list(self, place, error);
    return status;
}

/* --- parts ------------------------------------------------------------------------------------------- */

static void
free_memory(postings *self)
{
    if (self != NULL)
        postings_clear(self);
    oct_free(self);
}

static oct_status
new_memory(postings **out, oct_error *error)
{
    postings  *self = oct_calloc(1, sizeof *self);
    oct_status status = self == NULL ? oct_fail_memory(error, sizeof *self) : postings_init(self, error);

    *out = NULL;
    if (status == OCT_OK)
        *out = self;
    else
        oct_free(self);
    return status;
}

oct_status
lists_new_parts(size_t run_count, lists_parts **out, oct_error *error)
{
    *out = oct_calloc(1, sizeof **out + run_count * sizeof (*out)->runs[0]);
    return *out == NULL ? oct_fail_memory(error, sizeof **out) : OCT_OK;
}

oct_status
lists_new_growing(size_t run_count, lists_parts **out, oct_error *error)
{
    oct_status status = lists_new_parts(run_count, out, error);

    if (status == OCT_OK)
        status = new_memory(&(*out)->growing, error);
    if (status != OCT_OK) {
        oct_free(*out);
        *out = NULL;
    }
    return status;
}

/* What was replaced, with what nobody else has. */
static void
release_parts(void *memory)
{
    lists_parts *self = memory;

    for (size_t i = 0; i < self->run_count; i++)
        sparse_run_release(self->runs[i]);
    if (self->drops_frozen)
        free_memory(self->frozen);
    if (self->drops_growing)
        free_memory(self->growing);
    oct_free(self);
}

void
lists_add_run(lists_parts *to, sparse_run *run)
{
    (void)atomic_fetch_add(&run->holders, 1);
    to->runs[to->run_count++] = run;
}

oct_status
lists_init(lists *self, oct_error *error)
{
    lists_parts *parts;
    oct_status   status = lists_new_growing(0, &parts, error);

    atomic_store(&self->parts, parts);
    atomic_store(&self->listed, 0);
    atomic_store(&self->broken, SPARSE_NONE);
    return status;
}

void
lists_clear(lists *self)
{
    lists_parts *parts = lists_parts_of(self);

    if (parts == NULL)
        return;
    parts->drops_frozen = parts->drops_growing = true;
    release_parts(parts);
    atomic_store(&self->parts, NULL);
}

lists_view
lists_look(const lists *self)
{
    lists_view view;

    /* What was listed before the parts were replaced is in both; what came after only in the new ones. */
    do {
        view.parts = lists_parts_of(self);
        view.listed = atomic_load(&self->listed);
    } while (view.parts != lists_parts_of(self));
    return view;
}

void
lists_break(lists *self, uint32_t row)
{
    uint32_t now = atomic_load(&self->broken);

    while (row < now && !atomic_compare_exchange_weak(&self->broken, &now, row))
        ;
}

/* --- reading ------------------------------------------------------------------------------------------ */

uint64_t
lists_count(const lists_view *view, uint32_t term, uint64_t *live)
{
    const postings *memory[2] = {view->parts->frozen, view->parts->growing};
    uint64_t        count = 0;

    *live = 0;
    for (size_t i = 0; i < view->parts->run_count; i++) {
        const sparse_run *run = view->parts->runs[i];
        const uint32_t    place = find_term(run, term);

        if (place == run->state.term_count)
            continue;
        count += term_at(run, place + 1)->first - term_at(run, place)->first;
        *live += atomic_load_explicit(count_at(run, place), memory_order_relaxed);
    }
    for (size_t i = 0; i < 2; i++) {
        const posting_list *list = memory[i] == NULL ? NULL : postings_find(memory[i], term);

        if (list == NULL)
            continue;
        count += atomic_load_explicit(&list->count, memory_order_relaxed);
        *live += atomic_load_explicit(&list->live, memory_order_relaxed);
    }
    return count;
}

oct_status
lists_verify(const lists_view *view, uint32_t term, uint32_t *broken, oct_error *error)
{
    oct_status status = OCT_OK;

    for (size_t i = 0; i < view->parts->run_count && status == OCT_OK; i++) {
        sparse_run    *run = view->parts->runs[i];
        const uint32_t place = find_term(run, term);

        if (place == run->state.term_count)
            continue;
        status = verify_list(run, place, error);
        *broken = run->state.first_row;
    }
    return status;
}

void
list_cursor_init(list_cursor *self, const lists_view *view, uint32_t term)
{
    *self = (list_cursor){.view = *view, .term = term};
    (void)list_cursor_advance(self);
}

/* What lies in one segment of a run's rows lies in one piece. */
static bool
enter_segment(list_cursor *self)
{
    uint64_t end;

    if (self->run == NULL || self->run_at >= self->run_end)
        return false;
    end = rows_segment_end(self->run, rows_segment_of(self->run, self->run_at));
    end = end < self->run_end ? end : self->run_end;
    self->at = rows_at(self->run, self->run_at);
    self->end = self->at + (end - self->run_at);
    self->run_at = (uint32_t)end;
    return true;
}

bool
list_cursor_advance(list_cursor *self)
{
    const lists_parts *parts = self->view.parts;

    for (;;) {
        if (enter_segment(self))
            return true;
        self->run = NULL;
        if (self->memory.units != NULL && posting_cursor_advance(&self->memory)) {
            self->at = self->memory.at;
            self->end = self->memory.end;
            return true;
        }
        self->memory = (posting_cursor){0};
        if (self->next_part < parts->run_count) {
            const sparse_run *run = parts->runs[self->next_part++];
            const uint32_t    place = find_term(run, self->term);

            if (place == run->state.term_count || run->state.first_row >= self->view.listed)
                continue;
            self->run = &run->postings;
            self->run_at = term_at(run, place)->first;
            self->run_end = term_at(run, place + 1)->first;
        } else if (self->next_part < parts->run_count + 2) {
            const postings *from = self->next_part++ == parts->run_count ? parts->frozen : parts->growing;

            if (from == NULL)
                continue;
            self->memory.units = NULL;
            posting_cursor_init(&self->memory, from, postings_find(from, self->term));
            if (self->memory.at < self->memory.end) {
                self->at = self->memory.at;
                self->end = self->memory.end;
                return true;
            }
        } else {
            self->at = self->end = NULL;
            return false;
        }
    }
}

/* --- the writer ------------------------------------------------------------------------------------- */

static sparse_run *
run_with(const lists_parts *parts, uint32_t row)
{
    for (size_t i = 0; i < parts->run_count; i++) {
        if (row >= parts->runs[i]->state.first_row && row < parts->runs[i]->state.end_row)
            return parts->runs[i];
    }
    return NULL;
}

bool
lists_kill(lists *self, uint32_t term, uint32_t row)
{
    const lists_parts *parts = lists_parts_of(self);
    sparse_run        *run = run_with(parts, row);
    uint32_t           place;

    if (run == NULL) {
        postings *memory = row >= parts->growing_first ? parts->growing : parts->frozen;

        if (memory == NULL || postings_find(memory, term) == NULL)
            return false;
        postings_kill(memory, term);
        return true;
    }
    place = find_term(run, term);
    if (place == run->state.term_count || atomic_load(count_at(run, place)) == 0)
        return false;
    (void)atomic_fetch_sub_explicit(count_at(run, place), 1, memory_order_relaxed);
    return true;
}

static bool
memory_has(const postings *memory, uint32_t row)
{
    for (uint32_t i = 0; memory != NULL && i < memory->list_count; i++) {
        posting_cursor at;

        posting_cursor_init(&at, memory, rows_at(&memory->lists, i));
        do {
            for (; at.at < at.end && at.at->row <= row; at.at++)
                if (at.at->row == row)
                    return true;
        } while (at.at == at.end && posting_cursor_advance(&at));
    }
    return false;
}

bool
lists_have(const lists *self, uint32_t row)
{
    const lists_parts *parts = lists_parts_of(self);

    return run_with(parts, row) != NULL || memory_has(parts->frozen, row) || memory_has(parts->growing, row);
}

uint32_t
lists_part_start(const lists *self, uint32_t row)
{
    const lists_parts *parts = lists_parts_of(self);
    const sparse_run  *run = run_with(parts, row);

    if (run != NULL)
        return run->state.first_row;
    return row >= parts->growing_first || parts->frozen == NULL ? parts->growing_first : parts->frozen_first;
}

void
lists_replace_parts(lists *self, lists_parts *next)
{
    lists_parts *old = lists_parts_of(self);

    old->drops_frozen = old->frozen != next->frozen;
    old->drops_growing = old->growing != next->growing && old->growing != next->frozen;
    atomic_store(&self->parts, next);
    epoch_retire(old, release_parts);
}

oct_status
lists_cut(lists *self, oct_error *error)
{
    const lists_parts *now = lists_parts_of(self);
    const uint32_t     row = atomic_load(&self->broken);
    lists_parts       *next;
    oct_status         status;

    if (row == SPARSE_NONE)
        return OCT_OK;
    status = lists_new_growing(now->run_count, &next, error);
    if (status != OCT_OK)
        return status;
    for (size_t i = 0; i < now->run_count && now->runs[i]->state.end_row <= row; i++) {
        lists_add_run(next, now->runs[i]);
        next->growing_first = now->runs[i]->state.end_row;
    }
    /* First what is believed, then what there is: see lists_look. */
    atomic_store(&self->listed, next->growing_first);
    lists_replace_parts(self, next);
    atomic_store(&self->broken, SPARSE_NONE);
    return OCT_OK;
}

oct_status
lists_set_runs(lists *self, sparse_run **runs, size_t count, oct_error *error)
{
    lists_parts *next, *old = lists_parts_of(self);
    oct_status   status = lists_new_parts(count, &next, error);

    if (status != OCT_OK)
        return status;
    next->growing = old->growing;
    for (size_t i = 0; i < count; i++) {
        next->runs[next->run_count++] = runs[i]; /* its one holder */
        next->growing_first = runs[i]->state.end_row;
    }
    lists_replace_parts(self, next);
    atomic_store(&self->listed, next->growing_first);
    return OCT_OK;
}

void
lists_measure(const lists *self, uint64_t *memory, uint64_t *mapped)
{
    const lists_parts *parts = lists_parts_of(self);

    for (size_t i = 0; i < parts->run_count; i++) {
        const sparse_run *run = parts->runs[i];

        rows_usage(&run->postings, run->state.posting_count, memory, mapped);
        rows_usage(&run->terms, run->state.term_count + 1u, memory, mapped);
        rows_usage(&run->counts, run->state.term_count, memory, mapped);
    }
    *memory += postings_bytes(parts->growing) + (parts->frozen == NULL ? 0 : postings_bytes(parts->frozen));
}

uint64_t
lists_ram_bytes(const lists *self)
{
    uint64_t memory = 0, mapped = 0;

    epoch_pin();
    lists_measure(self, &memory, &mapped);
    epoch_unpin();
    return memory;
}

/* --- checking ------------------------------------------------------------------------------------------- */

static oct_status
check_memory(const postings *memory, uint32_t first, uint32_t end, lists_lives lives, const void *context, uint64_t *total,
             oct_error *error)
{
    for (uint32_t i = 0; memory != NULL && i < memory->list_count; i++) {
        const posting_list *list = rows_at(&memory->lists, i);
        posting_cursor      at;
        uint32_t            live = 0;
        int64_t             last = (int64_t)first - 1;

        posting_cursor_init(&at, memory, list);
        do {
            for (; at.at < at.end; at.at++, ++*total) {
                if ((int64_t)at.at->row <= last || at.at->row >= end)
                    return oct_fail(error, OCT_CORRUPT, "the list of sparse index %u has row %u after %lld", list->term, at.at->row,
                                    (long long)last);
                live += lives(context, at.at->row);
                last = at.at->row;
            }
        } while (posting_cursor_advance(&at));
        if (live != atomic_load(&list->live))
            return oct_fail(error, OCT_CORRUPT, "the list of sparse index %u has %u live rows, and says %u", list->term, live,
                            atomic_load(&list->live));
    }
    return OCT_OK;
}

static oct_status
check_run(sparse_run *run, lists_lives lives, const void *context, uint64_t *total, oct_error *error)
{
    oct_status status = OCT_OK;

    for (uint32_t place = 0; place < run->state.term_count && status == OCT_OK; place++) {
        const uint32_t first = term_at(run, place)->first, end = term_at(run, place + 1)->first;
        uint32_t       live = 0;

        status = verify_list(run, place, error);
        for (uint32_t i = first; i < end && status == OCT_OK; i++)
            live += lives(context, ((const posting *)rows_at(&run->postings, i))->row);
        if (status == OCT_OK && live != atomic_load(count_at(run, place)))
            status = oct_fail(error, OCT_CORRUPT, "the list of sparse index %u has %u live rows in run %u, which says %u",
                              term_at(run, place)->term, live, run->state.id, atomic_load(count_at(run, place)));
        *total += end - first;
    }
    return status;
}

oct_status
lists_check(const lists *self, lists_lives lives, const void *context, uint64_t *total, oct_error *error)
{
    const lists_parts *parts = lists_parts_of(self);
    const uint32_t     listed = atomic_load(&self->listed);
    oct_status         status = OCT_OK;

    for (size_t i = 0; i < parts->run_count && status == OCT_OK; i++)
        status = check_run(parts->runs[i], lives, context, total, error);
    if (status == OCT_OK)
        status = check_memory(parts->frozen, parts->frozen_first, parts->growing_first, lives, context, total, error);
    if (status == OCT_OK)
        status = check_memory(parts->growing, parts->growing_first, listed, lives, context, total, error);
    return status;
}
