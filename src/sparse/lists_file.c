/* Lists into files and back: see lists.h for when, docs/format/sparse.md for the bytes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/epoch.h"
#include "sparse/lists_internal.h"

#define GROWN_SHARE 16u /* write when so large a part of what is in files has come since */

void
sparse_run_column(char name[COLUMN_NAME_MAX], const char *kind, uint32_t number, uint32_t id)
{
    (void)snprintf(name, COLUMN_NAME_MAX, "%s.%" PRIu32 ".%" PRIu32, kind, number, id);
}

static uint64_t
memory_entries(const postings *memory)
{
    uint64_t count = 0;

    for (uint32_t i = 0; memory != NULL && i < memory->list_count; i++)
        count += atomic_load(&((posting_list *)rows_at(&memory->lists, i))->count);
    return count;
}

bool
lists_want_run(const lists *self, uint64_t entries_min, bool closing)
{
    const lists_parts *parts = lists_parts_of(self);
    uint64_t           stored = 0, fresh = memory_entries(parts->frozen) + memory_entries(parts->growing);

    for (size_t i = 0; i < parts->run_count; i++)
        stored += parts->runs[i]->state.posting_count;
    return fresh >= entries_min && fresh > 0 && (closing || fresh >= stored / GROWN_SHARE) &&
           atomic_load(&self->broken) == SPARSE_NONE;
}

oct_status
lists_freeze(lists *self, oct_error *error)
{
    const lists_parts *now = lists_parts_of(self);
    lists_parts       *next;
    oct_status         status;

    if (now->frozen != NULL) /* what could not be written the last time */
        return OCT_OK;
    status = lists_new_growing(now->run_count, &next, error);
    if (status != OCT_OK)
        return status;
    for (size_t i = 0; i < now->run_count; i++)
        lists_add_run(next, now->runs[i]);
    next->frozen = now->growing;
    next->frozen_first = now->growing_first;
    next->growing_first = atomic_load(&self->listed);
    lists_replace_parts(self, next);
    return OCT_OK;
}

/* --- a run from its columns ---------------------------------------------------------------------------- */

static oct_status
check_terms(const sparse_run *self, oct_error *error)
{
    const run_term *end = rows_at(&self->terms, self->state.term_count);
    bool            sound = end->first == self->state.posting_count;

    for (uint32_t i = 0; i < self->state.term_count && sound; i++) {
        const run_term *at = rows_at(&self->terms, i), *next = rows_at(&self->terms, i + 1);

        sound = at->first < next->first && (i + 1 == self->state.term_count || at->term < next->term);
    }
    return sound ? OCT_OK
                 : oct_fail(error, OCT_CORRUPT, "the terms of run %u of sparse lists do not ascend, or not to its %u postings",
                            self->state.id, self->state.posting_count);
}

oct_status
sparse_run_open(os *system, const char *folder, const sparse_run_state *state, const column_state *postings_column,
                const column_state *terms_column, sparse_run **out, oct_error *error)
{
    sparse_run   *self = oct_calloc(1, sizeof *self);
    column_check *check = NULL;
    oct_status    status;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    self->state = *state;
    self->postings_column = *postings_column;
    self->terms_column = *terms_column;
    atomic_store(&self->holders, 1);
    rows_init(&self->postings, sizeof(posting), 64);
    rows_init(&self->terms, sizeof(run_term), 16);
    rows_init(&self->counts, sizeof(uint32_t), 16);
    self->sound = oct_calloc(state->term_count / 64 + 1u, sizeof *self->sound);
    status = self->sound == NULL ? oct_fail_memory(error, state->term_count / 8) : OCT_OK;
    if (status == OCT_OK && (state->term_count == 0 || state->posting_count < state->term_count ||
                             postings_column->row_count != state->posting_count ||
                             terms_column->row_count != state->term_count + 1ull || state->first_row >= state->end_row))
        status = oct_fail(error, OCT_CORRUPT, "run %u of sparse lists has %u terms, %u postings and rows %u to %u, which cannot be",
                          state->id, state->term_count, state->posting_count, state->first_row, state->end_row);
    if (status == OCT_OK)
        status = column_read(system, folder, terms_column, &self->terms, &check, error);
    if (status == OCT_OK)
        status = column_verify(check, 0, UINT64_MAX, error);
    column_check_free(check);
    if (status == OCT_OK)
        status = check_terms(self, error);
    if (status == OCT_OK)
        status = column_read(system, folder, postings_column, &self->postings, &self->check, error);
    if (status == OCT_OK)
        *out = self;
    else
        sparse_run_release(self);
    return status;
}

/* --- writing -------------------------------------------------------------------------------------------- */

/* One of the lists that are merged: of a run, by place; or of what is frozen, by its sorted numbers. */
typedef struct source {
    sparse_run            *run;
    const postings        *memory;
    const posting_list   **sorted;
    uint32_t               at, end;
} source;

static uint32_t
source_term(const source *self)
{
    return self->run != NULL ? ((const run_term *)rows_at(&self->run->terms, self->at))->term : self->sorted[self->at]->term;
}

static int
compare_lists(const void *a, const void *b)
{
    const uint32_t one = (*(const posting_list *const *)a)->term, two = (*(const posting_list *const *)b)->term;

    return (one > two) - (one < two);
}

static oct_status
source_memory(source *self, const postings *memory, oct_error *error)
{
    *self = (source){.memory = memory, .sorted = oct_calloc(memory->list_count + 1u, sizeof *self->sorted)};
    if (self->sorted == NULL)
        return oct_fail_memory(error, memory->list_count * sizeof *self->sorted);
    for (uint32_t i = 0; i < memory->list_count; i++) {
        const posting_list *list = rows_at(&memory->lists, i);

        if (atomic_load(&list->count) > 0) /* one may have been made for a write that failed */
            self->sorted[self->end++] = list;
    }
    if (self->end > 0)
        qsort(self->sorted, self->end, sizeof *self->sorted, compare_lists);
    return OCT_OK;
}

/* Its list of the present term, to the file; and on to the next term. */
static oct_status
source_copy(source *self, column_writer *to, uint32_t *written, oct_error *error)
{
    posting_cursor at;
    oct_status     status = OCT_OK;

    if (self->run != NULL) {
        uint32_t first = ((const run_term *)rows_at(&self->run->terms, self->at))->first;
        uint32_t end = ((const run_term *)rows_at(&self->run->terms, self->at + 1))->first;

        *written += end - first;
        while (first < end && status == OCT_OK) {
            const rows    *from = &self->run->postings;
            const uint64_t stop = rows_segment_end(from, rows_segment_of(from, first));
            const uint32_t some = (uint32_t)(stop < end ? stop : end) - first;

            status = column_writer_put(to, rows_at(from, first), some, error);
            first += some;
        }
    } else {
        posting_cursor_init(&at, self->memory, self->sorted[self->at]);
        do {
            status = column_writer_put(to, at.at, (uint64_t)(at.end - at.at), error);
            *written += (uint32_t)(at.end - at.at);
        } while (status == OCT_OK && posting_cursor_advance(&at));
    }
    self->at++;
    return status;
}

static bool
next_term(const source *sources, size_t count, uint32_t *term)
{
    bool any = false;

    for (size_t i = 0; i < count; i++) {
        if (sources[i].at < sources[i].end && (!any || source_term(&sources[i]) < *term)) {
            *term = source_term(&sources[i]);
            any = true;
        }
    }
    return any;
}

/* All lists, one after the other; `terms` says where they are. */
static oct_status
merge(source *sources, size_t count, column_writer *to, rows *terms, sparse_run_state *state, oct_error *error)
{
    oct_status status = OCT_OK;
    uint32_t   term = 0;

    while (status == OCT_OK && next_term(sources, count, &term)) {
        status = rows_reserve(terms, state->term_count + 2ull, error);
        if (status != OCT_OK)
            break;
        *(run_term *)rows_at(terms, state->term_count++) = (run_term){term, state->posting_count};
        for (size_t i = 0; i < count && status == OCT_OK; i++) {
            if (sources[i].at < sources[i].end && source_term(&sources[i]) == term)
                status = source_copy(&sources[i], to, &state->posting_count, error);
        }
    }
    if (status == OCT_OK && state->term_count > 0)
        *(run_term *)rows_at(terms, state->term_count) = (run_term){UINT32_MAX, state->posting_count};
    return status;
}

static void
remove_column(os *system, const char *folder, const char *name)
{
    column_state gone = {0};

    (void)snprintf(gone.name, sizeof gone.name, "%s", name);
    (void)column_remove_others(system, folder, &gone, NULL);
}

void
sparse_run_remove(os *system, const char *folder, const sparse_run *run)
{
    remove_column(system, folder, run->postings_column.name);
    remove_column(system, folder, run->terms_column.name);
}

/* Which runs are written again: those that are less than twice as long as all behind them. *first of all of them. */
static oct_status
choose(const lists_parts *parts, size_t *first, uint64_t *total, oct_error *error)
{
    *total = memory_entries(parts->frozen);
    *first = parts->run_count;
    if (*total > UINT32_MAX)
        return oct_fail(error, OCT_RANGE, "%" PRIu64 " postings do not fit into one file", *total);
    while (*first > 0 && parts->runs[*first - 1]->state.posting_count < 2 * *total &&
           *total + parts->runs[*first - 1]->state.posting_count <= UINT32_MAX)
        *total += parts->runs[--*first]->state.posting_count;
    return OCT_OK;
}

static oct_status
write_columns(os *system, const char *folder, source *sources, size_t count, sparse_run_state *state, column_state *postings_column,
              column_state *terms_column, oct_error *error)
{
    column_writer *to = NULL;
    rows           terms;
    oct_status     status;

    rows_init(&terms, sizeof(run_term), 16);
    status = column_writer_open(system, folder, postings_column, sizeof(posting), &to, error);
    if (status == OCT_OK)
        status = merge(sources, count, to, &terms, state, error);
    if (status == OCT_OK)
        status = column_writer_end(to, postings_column, error);
    column_writer_close(to);
    if (status == OCT_OK) {
        status = column_write(system, folder, terms_column, &terms, state->term_count + 1ull, true, error);
        if (status != OCT_OK)
            remove_column(system, folder, postings_column->name);
    }
    rows_clear(&terms);
    return status;
}

oct_status
lists_write_run(lists *self, os *system, const char *folder, uint32_t number, uint32_t id, sparse_run **out, oct_error *error)
{
    const lists_parts *parts = lists_parts_of(self);
    sparse_run_state   state = {.id = id, .first_row = parts->frozen_first, .end_row = parts->growing_first};
    column_state       postings_column = {0}, terms_column = {0};
    source            *sources = NULL;
    size_t             first, count = 0;
    uint64_t           total;
    oct_status         status = choose(parts, &first, &total, error);

    *out = NULL;
    sparse_run_column(postings_column.name, "lists", number, id);
    sparse_run_column(terms_column.name, "terms", number, id);
    if (status == OCT_OK) {
        sources = oct_calloc(parts->run_count + 1, sizeof *sources);
        status = sources == NULL ? oct_fail_memory(error, sizeof *sources) : OCT_OK;
    }
    for (size_t i = first; status == OCT_OK && i < parts->run_count; i++) {
        /* What is written anew gets a checksum that holds: it has to be well. */
        status = sparse_run_verify(parts->runs[i], error);
        if (status == OCT_CORRUPT)
            lists_break(self, parts->runs[i]->state.first_row);
        sources[count++] = (source){.run = parts->runs[i], .end = parts->runs[i]->state.term_count};
        if (i == first)
            state.first_row = parts->runs[i]->state.first_row;
    }
    if (status == OCT_OK)
        status = source_memory(&sources[count++], parts->frozen, error);
    if (status == OCT_OK)
        status = write_columns(system, folder, sources, count, &state, &postings_column, &terms_column, error);
    if (status == OCT_OK) {
        status = sparse_run_open(system, folder, &state, &postings_column, &terms_column, out, error);
        if (status == OCT_OK)
            status = rows_reserve(&(*out)->counts, state.term_count, error);
        if (status != OCT_OK) {
            remove_column(system, folder, postings_column.name);
            remove_column(system, folder, terms_column.name);
            sparse_run_release(*out);
            *out = NULL;
        }
    }
    if (count > 0)
        oct_free(sources[count - 1].sorted);
    oct_free(sources);
    return status;
}

/* Who is alive now, of those that were counted apart. */
static void
add_counts(const lists_parts *parts, size_t first, sparse_run *run)
{
    for (size_t i = first; i < parts->run_count; i++) {
        const sparse_run *from = parts->runs[i];
        uint32_t          to = 0;

        for (uint32_t place = 0; place < from->state.term_count; place++) {
            while (((const run_term *)rows_at(&run->terms, to))->term < ((const run_term *)rows_at(&from->terms, place))->term)
                to++;
            *(_Atomic uint32_t *)rows_at(&run->counts, to) +=
                atomic_load((_Atomic uint32_t *)rows_at(&from->counts, place));
        }
    }
    for (uint32_t to = 0; to < run->state.term_count; to++) {
        const posting_list *list = postings_find(parts->frozen, ((const run_term *)rows_at(&run->terms, to))->term);

        if (list != NULL)
            *(_Atomic uint32_t *)rows_at(&run->counts, to) += atomic_load(&list->live);
    }
}

oct_status
lists_install(lists *self, sparse_run *run, oct_error *error)
{
    const lists_parts *now = lists_parts_of(self);
    size_t             first = 0;
    lists_parts       *next;
    oct_status         status = lists_new_parts(now->run_count + 1, &next, error);

    if (status != OCT_OK)
        return status;
    for (; first < now->run_count && now->runs[first]->state.first_row < run->state.first_row; first++)
        lists_add_run(next, now->runs[first]);
    add_counts(now, first, run);
    next->runs[next->run_count++] = run;
    next->growing = now->growing;
    next->growing_first = now->growing_first;
    lists_replace_parts(self, next);
    return OCT_OK;
}
