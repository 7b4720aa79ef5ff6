/* Searches of an inverted index. See sparse.h.
 *
 *      rows  0 ....... 8191 | 8192 .... 16383 | ...          query terms ascending
 *      t1    o   o  o       |       o         |              each list is walked once, from window to window;
 *      t2     o      o    o |  o              |              sums[row - start] += q(t) w(t, row)
 *      t3        o          |       o    o    |
 *            -> heap          -> heap                        what was touched is offered, and cleared
 *
 * A window without postings is not looked at: the next one is where the earliest list goes on.
 */
#include <float.h>
#include <math.h>

#include "base/deadline.h"
#include "sparse/sparse_internal.h"

#define WINDOW_ROWS  8192u /* 64 KiB of sums: they stay in L2, and a bitmap of what was touched in L1 */
#define WINDOW_WORDS (WINDOW_ROWS / 64)
#define ENTRY_READS  2u    /* a stored vector's entry costs about two postings: it is verified and merged */

typedef struct window {
    double   sums[WINDOW_ROWS];
    uint64_t touched[WINDOW_WORDS];
} window;

typedef struct search {
    const sparse_index *index;
    const sparse_query *query;
    uint32_t            row_count;
    uint32_t            listed; /* rows below are looked for in the lists, those behind by their vectors */
    top                 best;
} search;

float
sparse_dot(const sparse_vector *a, const sparse_vector *b, bool *overlap)
{
    double   sum = 0;
    uint32_t i = 0, j = 0;

    *overlap = false;
    while (i < a->count && j < b->count) {
        if (a->indices[i] == b->indices[j]) {
            sum += (double)a->values[i++] * (double)b->values[j++];
            *overlap = true;
        } else if (a->indices[i] < b->indices[j]) {
            i++;
        } else {
            j++;
        }
    }
    return (float)sum;
}

static bool
in_scope(const sparse_scope *scope, uint32_t point)
{
    return scope->allowed == NULL ||
           (point < scope->allowed_points && (scope->allowed[point / 64] >> (point % 64) & 1) != 0);
}

static void
offer(search *self, uint32_t row, double sum)
{
    const float    distance = 0.0f - (float)sum;
    const uint32_t point = sparse_point_of(self->index, row);

    /* Most are no better than the worst so far, and need not be asked who they are. */
    if (self->best.size == self->best.capacity && distance > self->best.hits[0].distance)
        return;
    if (in_scope(&self->query->scope, point) && sparse_visible_row(self->index, point, self->row_count) == row)
        top_offer(&self->best, distance, point);
}

/* --- by the lists ----------------------------------------------------------------------------------- */

/* Add up one list as far as the window goes. False: it has ended. */
static bool
add_list(window *sums, list_cursor *list, float weight, uint32_t start, uint32_t end)
{
    for (;;) {
        for (; list->at < list->end && list->at->row < end; list->at++) {
            const uint32_t place = list->at->row - start;

            sums->sums[place] += (double)weight * (double)list->at->weight;
            sums->touched[place / 64] |= (uint64_t)1 << (place % 64);
        }
        if (list->at < list->end)
            return true;
        if (!list_cursor_advance(list))
            return false;
    }
}

static void
empty_window(search *self, window *sums, uint32_t start)
{
    for (uint32_t word = 0; word < WINDOW_WORDS; word++) {
        while (sums->touched[word] != 0) {
            const uint32_t place = word * 64 + (uint32_t)__builtin_ctzll(sums->touched[word]);

            sums->touched[word] &= sums->touched[word] - 1;
            offer(self, start + place, sums->sums[place]);
            sums->sums[place] = 0;
        }
    }
}

static void
search_lists(search *self, list_cursor *cursors, window *sums)
{
    const sparse_vector *vector = &self->query->vector;

    for (;;) {
        uint32_t first = UINT32_MAX, start, end;

        for (uint32_t i = 0; i < vector->count; i++) {
            if (cursors[i].at < cursors[i].end && cursors[i].at->row < first)
                first = cursors[i].at->row;
        }
        if (first >= self->listed)
            return;
        if (deadline_has_passed())
            return; /* sparse_search tells */
        start = first / WINDOW_ROWS * WINDOW_ROWS;
        end = start + WINDOW_ROWS < self->listed ? start + WINDOW_ROWS : self->listed;
        for (uint32_t i = 0; i < vector->count; i++)
            (void)add_list(sums, &cursors[i], vector->values[i], start, end);
        empty_window(self, sums, start);
    }
}

/* --- by the vectors ----------------------------------------------------------------------------------- */

static oct_status
score_row(search *self, uint32_t row, uint32_t point, oct_error *error)
{
    sparse_vector    stored;
    bool             overlap;
    const oct_status status = sparse_get_row(self->index, row, &stored, error);
    float            score;

    if (status != OCT_OK)
        return status;
    score = sparse_dot(&self->query->vector, &stored, &overlap);
    if (overlap)
        top_offer(&self->best, 0.0f - score, point);
    return OCT_OK;
}

/* The rows that are not in the lists yet. */
static oct_status
search_unlisted(search *self, oct_error *error)
{
    oct_status status = OCT_OK;

    for (uint32_t row = self->listed; row < self->row_count && status == OCT_OK; row++) {
        const uint32_t point = sparse_point_of(self->index, row);

        if (row % WINDOW_ROWS == 0 && deadline_has_passed())
            return OCT_OK; /* sparse_search tells */
        if (in_scope(&self->query->scope, point) && sparse_visible_row(self->index, point, self->row_count) == row)
            status = score_row(self, row, point, error);
    }
    return status;
}

static oct_status
search_vectors(search *self, oct_error *error)
{
    const sparse_scope *scope = &self->query->scope;
    oct_status          status = OCT_OK;

    for (uint32_t word = 0; word < (scope->allowed_points + 63) / 64 && status == OCT_OK; word++) {
        if (word % 64 == 0 && deadline_has_passed())
            return OCT_OK; /* sparse_search tells */
        for (uint64_t left = scope->allowed[word]; left != 0 && status == OCT_OK; left &= left - 1) {
            const uint32_t point = word * 64 + (uint32_t)__builtin_ctzll(left);
            const uint32_t row = point < scope->allowed_points ? sparse_visible_row(self->index, point, self->row_count)
                                                               : SPARSE_NONE;

            if (row != SPARSE_NONE)
                status = score_row(self, row, point, error);
        }
    }
    return status;
}

static bool
vectors_are_cheaper(const search *self, uint64_t posting_count)
{
    const sparse_index *index = self->index;
    const uint64_t      entries = atomic_load(&index->entries.unit_count) * (uint64_t)HEAP_UNIT_BYTES / sizeof(posting);
    const uint64_t      each = entries / ((uint64_t)self->row_count + 1) + self->query->vector.count;

    return self->query->scope.allowed != NULL &&
           self->query->scope.allowed_count * (each + 1) * ENTRY_READS < posting_count;
}

/* Look at the lists of these terms that lie in files. Where damage is found the view ends: the rows from there on are looked for by
 * their vectors, and the lists are marked, to be made again. */
static oct_status
verify_lists(const sparse_index *self, lists_view *view, const uint32_t *terms, uint32_t count, oct_error *error)
{
    oct_status status = OCT_OK;

    for (uint32_t i = 0; i < count && status == OCT_OK; i++) {
        uint32_t broken;

        status = lists_verify(view, terms[i], &broken, error);
        if (status != OCT_CORRUPT)
            continue;
        lists_break((lists *)&self->lists, broken); /* an atomic, as good as not of this index */
        view->listed = broken < view->listed ? broken : view->listed;
        status = OCT_OK;
    }
    return status;
}

/* --- both ------------------------------------------------------------------------------------------------ */

oct_status
sparse_search(const sparse_index *self, const sparse_query *query, top_hit *hits, size_t *count, oct_error *error)
{
    search       work = {.index = self, .query = query, .row_count = sparse_row_count(self)};
    lists_view   view = {0};
    list_cursor *cursors = NULL;
    window      *sums = NULL;
    uint64_t     posting_count = 0, live;
    oct_status   status = OCT_OK;

    *count = 0;
    if (query->limit == 0)
        return OCT_OK;
    if (atomic_load(&self->damaged) > 0) {
        sparse_vector unused;

        status = sparse_get_row(self, self->damaged_row, &unused, error);
        return status != OCT_OK ? status
                                : oct_fail(error, OCT_CORRUPT, "%u stored sparse vectors are damaged",
                                           atomic_load(&self->damaged));
    }
    view = lists_look(&self->lists);
    if (view.listed > work.row_count)
        view.listed = work.row_count;
    top_init(&work.best, hits, query->limit, query->tie, query->tie_context);
    for (uint32_t i = 0; i < query->vector.count; i++)
        posting_count += lists_count(&view, query->vector.indices[i], &live);
    if (vectors_are_cheaper(&work, posting_count)) {
        status = search_vectors(&work, error);
    } else {
        cursors = oct_calloc((size_t)query->vector.count + 1, sizeof *cursors);
        sums = oct_calloc(1, sizeof *sums);
        status = cursors == NULL || sums == NULL
                     ? oct_fail_memory(error, sizeof *sums)
                     : verify_lists(self, &view, query->vector.indices, query->vector.count, error);
        if (status != OCT_OK)
            goto out;
        work.listed = view.listed;
        for (uint32_t i = 0; i < query->vector.count; i++)
            list_cursor_init(&cursors[i], &view, query->vector.indices[i]);
        search_lists(&work, cursors, sums);
        status = search_unlisted(&work, error);
    }
    if (status == OCT_OK)
        status = deadline_check(error);
    if (status == OCT_OK)
        *count = top_sort(&work.best);
out:
    oct_free(cursors);
    oct_free(sums);
    return status;
}

/* --- inverse document frequencies ---------------------------------------------------------------------- */

static uint32_t
points_in_scope(const sparse_index *self, const sparse_scope *scope)
{
    const uint32_t row_count = sparse_row_count(self);
    uint32_t       count = 0;

    if (scope->allowed == NULL)
        return sparse_live_count(self);
    for (uint32_t word = 0; word < (scope->allowed_points + 63) / 64; word++) {
        for (uint64_t left = scope->allowed[word]; left != 0; left &= left - 1)
            count += sparse_visible_row(self, word * 64 + (uint32_t)__builtin_ctzll(left), row_count) != SPARSE_NONE;
    }
    return count;
}

/* Points in scope that have a term, of the rows in its lists. */
static uint32_t
rows_in_scope(const sparse_index *self, const sparse_scope *scope, const lists_view *view, uint32_t term)
{
    const uint32_t row_count = sparse_row_count(self), end = view->listed < row_count ? view->listed : row_count;
    list_cursor    at;
    uint32_t       count = 0;

    list_cursor_init(&at, view, term);
    while (at.at < at.end && at.at->row < end) {
        for (; at.at < at.end && at.at->row < end; at.at++) {
            const uint32_t point = sparse_point_of(self, at.at->row);

            count += in_scope(scope, point) && sparse_visible_row(self, point, row_count) == at.at->row;
        }
        if (at.at == at.end)
            (void)list_cursor_advance(&at);
    }
    return count;
}

/* The same for all terms, by the vectors of rows from `row` on. A damaged one counts for nothing; the search names it. */
static void
count_by_vectors(const sparse_index *self, const sparse_scope *scope, uint32_t row, const uint32_t *indices, uint32_t *counts,
                 uint32_t count)
{
    const uint32_t row_count = sparse_row_count(self);

    for (; row < row_count; row++) {
        const uint32_t point = sparse_point_of(self, row);
        sparse_vector  stored;
        uint32_t       i = 0, j = 0;

        if (!in_scope(scope, point) || sparse_visible_row(self, point, row_count) != row ||
            sparse_get_row(self, row, &stored, NULL) != OCT_OK)
            continue;
        while (i < count && j < stored.count) {
            if (indices[i] == stored.indices[j])
                counts[i]++;
            if (indices[i] <= stored.indices[j])
                i++;
            else
                j++;
        }
    }
}

oct_status
sparse_weigh(const sparse_index *self, const sparse_scope *scope, const uint32_t *indices, float *values, uint32_t count,
             oct_error *error)
{
    const bool   behind = sparse_is_behind(self);
    const double n = points_in_scope(self, scope);
    lists_view   view = lists_look(&self->lists);
    uint32_t    *counts = oct_calloc((size_t)count + 1, sizeof *counts);
    oct_status   status = OCT_OK;

    if (counts == NULL)
        return oct_fail_memory(error, count * sizeof *counts);
    if (behind || scope->allowed != NULL) {
        status = verify_lists(self, &view, indices, count, error);
        for (uint32_t i = 0; i < count && status == OCT_OK; i++)
            counts[i] = rows_in_scope(self, scope, &view, indices[i]);
        if (status == OCT_OK)
            count_by_vectors(self, scope, view.listed, indices, counts, count);
    } else {
        for (uint32_t i = 0; i < count; i++) {
            uint64_t live;

            (void)lists_count(&view, indices[i], &live);
            counts[i] = (uint32_t)live;
        }
    }
    for (uint32_t i = 0; i < count && status == OCT_OK; i++) {
        const double df = counts[i];
        /* Rounded before use: logarithms differ in their last bit from one machine to another. */
        const float  frequency = (float)log((n - df + 0.5) / (df + 0.5) + 1.0);
        const double weighed = (double)values[i] * (double)frequency;

        values[i] = (float)fmax(fmin(weighed, (double)FLT_MAX), -(double)FLT_MAX);
    }
    oct_free(counts);
    return status;
}
