/* Lists of sparse vectors in the files of a checkpoint: sparse/lists.h says what a run is and which are merged.
 *
 * SAVE     First of all, with build_lock held and writers going on: what has come since is frozen, written as a run and put in
 *          the place of what it was made from (shard_save_lists). Then, at the moment that the checkpoint is of, how many rows of
 *          each term are alive is copied like all that changes; so lists, seats and rows in the files belong together. A failure
 *          leaves the lists in memory: the checkpoint goes on without, and opening costs time.
 * FILES    of a run bear its number, which is never used again while anybody may read them; the image names those of the runs
 *          there are, the manifest makes them true.
 * OPENING  Runs are mapped, their terms and counts verified; postings are when a search first wants them. Of a damaged run, and of
 *          those behind it, the rows are listed anew.
 */
#include <inttypes.h>
#include <stdio.h>

#include "shard/shard_internal.h"
#include "sparse/lists.h"

#define RUN_ENTRIES_MIN (1u << 16) /* half a megabyte; to list so many anew takes some milliseconds */

static _Atomic uint64_t entries_min = RUN_ENTRIES_MIN;

static const char *const kinds[] = {"lists", "terms", "counts"};

void
shard_write_lists_after(uint64_t entries)
{
    atomic_store(&entries_min, entries == 0 ? RUN_ENTRIES_MIN : entries);
}

bool
shard_lists_are_wanted(const shard *self, bool closing)
{
    const vector_set *set = shard_set(self);

    for (size_t v = 0; v < set->count; v++) {
        if (vector_is_sparse(set->items[v]) && sparse_wants_run(vector_sparse(set->items[v]), atomic_load(&entries_min), closing))
            return true;
    }
    return false;
}

static const lists_parts *
parts_of(const shard_vector *vector)
{
    return atomic_load(&sparse_lists_of(vector_sparse(vector))->parts);
}

/* --- saving ---------------------------------------------------------------------------------------- */

static oct_status
save_one(shard *self, shard_vector *vector, bool closing, oct_error *error)
{
    lists     *of = sparse_lists_of(vector_sparse(vector));
    sparse_run *run = NULL;
    bool       wanted;
    oct_status status = OCT_OK;

    (void)pthread_mutex_lock(&self->write_lock);
    wanted = sparse_wants_run(vector_sparse(vector), atomic_load(&entries_min), closing);
    if (wanted)
        status = lists_freeze(of, error);
    (void)pthread_mutex_unlock(&self->write_lock);
    if (!wanted || status != OCT_OK)
        return status;
    status = lists_write_run(of, self->system, self->folder, vector->number, vector->next_run++, &run, error);
    if (status != OCT_OK)
        return status;
    (void)pthread_mutex_lock(&self->write_lock);
    status = lists_install(of, run, error);
    (void)pthread_mutex_unlock(&self->write_lock);
    if (status != OCT_OK) {
        sparse_run_remove(self->system, self->folder, run);
        sparse_run_release(run);
    }
    return status;
}

static bool
is_run_column(const char *name)
{
    for (size_t k = 0; k < countof(kinds); k++) {
        if (strncmp(name, kinds[k], strlen(kinds[k])) == 0 && name[strlen(kinds[k])] == '.')
            return true;
    }
    return false;
}

/* Is it a column of one of the image's runs? */
static bool
has_run_of(const shard_image *image, const char *column)
{
    char name[COLUMN_NAME_MAX];

    for (size_t r = 0; r < image->run_count; r++) {
        for (size_t k = 0; k < countof(kinds); k++) {
            sparse_run_column(name, kinds[k], image->runs[r].number, image->runs[r].state.id);
            if (strcmp(name, column) == 0)
                return true;
        }
    }
    return false;
}

/* Let the image name the runs there are. */
static oct_status
name_runs(shard_image *image, oct_error *error)
{
    const vector_set *set = image->set;
    size_t            count = 0;
    oct_status        status;

    for (size_t v = 0; v < set->count; v++)
        count += vector_is_sparse(set->items[v]) ? parts_of(set->items[v])->run_count : 0;
    status = shard_image_make_room(image, count, error);
    if (status != OCT_OK)
        return status;
    for (size_t v = 0; v < set->count; v++) {
        const lists_parts *parts = vector_is_sparse(set->items[v]) ? parts_of(set->items[v]) : NULL;

        for (size_t r = 0; parts != NULL && r < parts->run_count; r++)
            image->runs[image->run_count++] = (shard_run){set->items[v]->number, parts->runs[r]->state};
    }
    for (size_t c = image->column_count; c-- > 0;) {
        if (is_run_column(image->columns[c].name) && !has_run_of(image, image->columns[c].name))
            image->columns[c] = image->columns[--image->column_count];
    }
    for (size_t v = 0; v < set->count; v++) {
        const lists_parts *parts = vector_is_sparse(set->items[v]) ? parts_of(set->items[v]) : NULL;

        for (size_t r = 0; parts != NULL && r < parts->run_count; r++) {
            const column_state *both[] = {&parts->runs[r]->postings_column, &parts->runs[r]->terms_column};

            for (size_t c = 0; c < countof(both); c++) {
                if (!shard_image_has_column(image, both[c]->name))
                    image->columns[image->column_count++] = *both[c];
            }
        }
    }
    return OCT_OK;
}

oct_status
shard_save_lists(shard *self, shard_image *image, bool closing, oct_error *error)
{
    for (size_t v = 0; v < image->set->count; v++) {
        if (vector_is_sparse(image->set->items[v]))
            (void)save_one(self, image->set->items[v], closing, NULL);
    }
    return name_runs(image, error);
}

bool
shard_lists_have_file(shard *self, const char *file)
{
    const vector_set *set;
    char              name[COLUMN_NAME_MAX];
    bool              any = false;

    shard_lock_build(self);
    set = shard_set(self);
    for (size_t v = 0; v < set->count; v++) {
        const lists_parts *parts = vector_is_sparse(set->items[v]) ? parts_of(set->items[v]) : NULL;

        for (size_t r = 0; parts != NULL && r < parts->run_count; r++) {
            for (size_t k = 0; k < 2; k++) {
                sparse_run_column(name, kinds[k], set->items[v]->number, parts->runs[r]->state.id);
                any = any || (strncmp(file, name, strlen(name)) == 0 && file[strlen(name)] == '.');
            }
        }
    }
    shard_unlock_build(self);
    return any;
}

void
shard_write_runs(const shard_image *image, uint32_t number, buffer *out)
{
    bool any = false;

    for (size_t r = 0; r < image->run_count; r++) {
        const sparse_run_state *state = &image->runs[r].state;

        if (image->runs[r].number != number)
            continue;
        buffer_format(out,
                      "%s{\"id\":%" PRIu32 ",\"first\":%" PRIu32 ",\"end\":%" PRIu32 ",\"terms\":%" PRIu32 ",\"postings\":%" PRIu32
                      "}",
                      any ? "," : ",\"lists\":[", state->id, state->first_row, state->end_row, state->term_count,
                      state->posting_count);
        any = true;
    }
    if (any)
        buffer_add_byte(out, ']');
}

/* --- opening ----------------------------------------------------------------------------------------- */

static oct_status
load_run(shard *self, const shard_image *image, const shard_run *run, uint32_t first, uint32_t row_count, sparse_run **out,
         oct_error *error)
{
    const column_state *columns[2];
    char                name[COLUMN_NAME_MAX];
    oct_status          status;

    *out = NULL;
    for (size_t k = 0; k < 2; k++) {
        sparse_run_column(name, kinds[k], run->number, run->state.id);
        columns[k] = shard_image_column(image, name);
        if (columns[k] == NULL)
            return oct_fail(error, OCT_CORRUPT, "%s: the manifest has no column %s", self->folder, name);
    }
    if (run->state.first_row != first || run->state.end_row > row_count)
        return oct_fail(error, OCT_CORRUPT, "%s: run %" PRIu32 " of sparse lists is of rows %" PRIu32 " to %" PRIu32
                        ", expected from %" PRIu32 " and at most to %" PRIu32,
                        self->folder, run->state.id, run->state.first_row, run->state.end_row, first, row_count);
    status = sparse_run_open(self->system, self->folder, &run->state, columns[0], columns[1], out, error);
    if (status != OCT_OK)
        return status;
    sparse_run_column(name, kinds[2], run->number, run->state.id);
    status = shard_load_column(self, image, name, &(*out)->counts, run->state.term_count, NULL, error);
    if (status != OCT_OK) {
        sparse_run_release(*out);
        *out = NULL;
    }
    return status;
}

oct_status
shard_load_lists(shard *self, const shard_image *image, shard_vector *vector, sparse_index *loaded, oct_error *error)
{
    const uint32_t row_count = sparse_row_count(loaded);
    sparse_run   **runs = oct_calloc(image->run_count + 1, sizeof *runs);
    size_t         count = 0;
    uint32_t       first = 0;
    bool           sound = true;
    oct_status     status = runs == NULL ? oct_fail_memory(error, image->run_count * sizeof *runs) : OCT_OK;

    for (size_t r = 0; r < image->run_count && status == OCT_OK; r++) {
        const shard_run *run = &image->runs[r];
        oct_error        why = {0};

        if (run->number != vector->number)
            continue;
        vector->next_run = run->state.id >= vector->next_run ? run->state.id + 1 : vector->next_run;
        if (!sound)
            continue;
        status = load_run(self, image, run, first, row_count, &runs[count], &why);
        if (status == OCT_OK) {
            count++;
            first = run->state.end_row;
        } else if (status == OCT_CORRUPT) {
            shard_note_mended(self, why.text);
            sound = false;
            status = OCT_OK;
        } else if (error != NULL) {
            *error = why;
        }
    }
    if (status == OCT_OK && count > 0)
        status = sparse_set_runs(loaded, runs, count, error);
    for (size_t r = 0; r < count && status != OCT_OK; r++)
        sparse_run_release(runs[r]);
    oct_free(runs);
    return status;
}

void
shard_lists_are_damaged(shard *self, const char *column)
{
    const vector_set *set = shard_set(self);
    char              name[COLUMN_NAME_MAX];

    for (size_t v = 0; v < set->count; v++) {
        const lists_parts *parts = vector_is_sparse(set->items[v]) ? parts_of(set->items[v]) : NULL;

        for (size_t r = 0; parts != NULL && r < parts->run_count; r++) {
            sparse_run_column(name, kinds[0], set->items[v]->number, parts->runs[r]->state.id);
            if (strcmp(name, column) == 0)
                lists_break(sparse_lists_of(vector_sparse(set->items[v])), parts->runs[r]->state.first_row);
        }
    }
}
