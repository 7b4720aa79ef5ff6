/* Indexes and their views. See field.h. */
#include "base/epoch.h"
#include "field/field_internal.h"

static field_order
order_of(int64_t type)
{
    switch (type) {
    case OCT_FIELD_KEYWORD:
    case OCT_FIELD_UUID:
    case OCT_FIELD_TEXT:
        return FIELD_BY_TEXT;
    case OCT_FIELD_GEO:
        return FIELD_BY_PLACE;
    default:
        return FIELD_BY_NUMBER;
    }
}

static bool
copy_text(arena *memory, oct_slice *text)
{
    if (text->size > 0)
        text->data = arena_text(memory, text->data, text->size);
    return text->size == 0 || text->data != NULL;
}

oct_status
field_index_new(const oct_field_index *config, text_analyzer *words, field_index **out, oct_error *error)
{
    field_index *self = oct_calloc(1, sizeof *self);
    oct_status   status;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    atomic_store(&self->references, 1);
    self->config = *config;
    self->order = order_of(config->type);
    self->words = words;
    status = path_parse(config->field, &self->memory, &self->where, error);
    if (status == OCT_OK && (!copy_text(&self->memory, &self->config.field) ||
                             !copy_text(&self->memory, &self->config.stopwords) ||
                             !copy_text(&self->memory, &self->config.stemmer)))
        status = oct_fail_memory(error, config->field.size + config->stopwords.size);
    if (status != OCT_OK) {
        field_index_release(self);
        return status;
    }
    *out = self;
    return OCT_OK;
}

field_index *
field_index_share(field_index *self)
{
    (void)atomic_fetch_add(&self->references, 1);
    return self;
}

void
field_index_release(field_index *self)
{
    if (self == NULL || atomic_fetch_sub(&self->references, 1) != 1)
        return;
    field_view_release(atomic_load(&self->view));
    arena_clear(&self->memory);
    oct_free(self);
}

const oct_field_index *
field_index_config(const field_index *self)
{
    return &self->config;
}

const path *
field_index_path(const field_index *self)
{
    return &self->where;
}

text_analyzer *
field_index_words(const field_index *self)
{
    return self->words;
}

field_saved *
field_index_saved(field_index *self)
{
    return &self->saved;
}

field_view *
field_index_view(const field_index *self)
{
    return atomic_load_explicit(&self->view, memory_order_seq_cst);
}

/* --- views ----------------------------------------------------------------------------------- */

void
field_view_release(field_view *self)
{
    if (self == NULL || atomic_fetch_sub(&self->references, 1) != 1)
        return;
    for (uint32_t i = 0; i < self->run_count; i++)
        field_run_release(self->runs[i]);
    oct_free(self);
}

static void
release_retired(void *memory)
{
    field_view_release(memory);
}

bool
field_index_publish(field_index *self, field_view *old, field_view *fresh)
{
    (void)atomic_fetch_add(&fresh->references, 1);
    if (!atomic_compare_exchange_strong(&self->view, &old, fresh)) {
        (void)atomic_fetch_sub(&fresh->references, 1);
        return false;
    }
    if (old != NULL)
        epoch_retire(old, release_retired);
    return true;
}

uint64_t
field_view_version(const field_view *self)
{
    return self->version;
}

uint64_t
field_view_mark(const field_view *self)
{
    return self->mark;
}

void
field_view_set_mark(field_view *self, uint64_t mark)
{
    self->mark = mark;
}

uint32_t
field_view_point_count(const field_view *self)
{
    return self->point_count;
}

uint64_t
field_view_bytes(const field_view *self)
{
    uint64_t bytes = sizeof *self;

    for (uint32_t i = 0; i < self->run_count; i++)
        bytes += field_run_bytes(self->runs[i]);
    return bytes;
}

/* What a run costs to merge. */
static uint64_t
weight(const field_run *run)
{
    return (uint64_t)run->entry_count + run->owned.count + 1;
}

/* Merge the last runs until each is at least twice as heavy as the one behind it. */
static oct_status
settle(field_view *self, uint64_t merge_max, oct_error *error)
{
    while (self->run_count >= 2) {
        field_run *older = self->runs[self->run_count - 2], *newer = self->runs[self->run_count - 1], *both;
        oct_status status;

        if ((weight(older) >= 2 * weight(newer) || weight(older) > merge_max) && self->run_count < FIELD_RUNS_MAX)
            return OCT_OK;
        status = field_run_merge(older, newer, self->point_count, &both, error);
        if (status != OCT_OK)
            return status;
        field_run_release(older);
        field_run_release(newer);
        self->runs[self->run_count - 2] = both;
        self->run_count--;
    }
    return OCT_OK;
}

oct_status
field_view_extend(const field_index *self, const field_view *old, const field_change *change, field_view **out,
                  oct_error *error)
{
    const bool  is_first = old == NULL || old->run_count == 0;
    field_view *fresh = oct_calloc(1, sizeof *fresh);
    oct_status  status = OCT_OK;

    *out = NULL;
    if (fresh == NULL)
        return oct_fail_memory(error, sizeof *fresh);
    atomic_store(&fresh->references, 1);
    fresh->type = (oct_field_type)self->config.type;
    fresh->words = self->words;
    fresh->version = change->version;
    fresh->mark = change->mark;
    fresh->point_count = change->point_count;
    for (uint32_t i = 0; old != NULL && i < old->run_count; i++) {
        fresh->runs[fresh->run_count++] = old->runs[i];
        (void)atomic_fetch_add(&old->runs[i]->references, 1);
    }
    if (is_first || change->count > 0) {
        status = field_run_build(self, change, is_first, &fresh->runs[fresh->run_count], error);
        fresh->run_count += status == OCT_OK;
    }
    if (status == OCT_OK)
        status = settle(fresh, change->merge_max, error);
    if (status != OCT_OK) {
        field_view_release(fresh);
        return status;
    }
    *out = fresh;
    return OCT_OK;
}

void
field_view_indexed(const field_view *self, uint64_t *bits)
{
    for (uint32_t i = 0; i < self->run_count; i++) {
        field_list_unset(&self->runs[i]->owned, bits);
        field_list_set(&self->runs[i]->indexed, bits);
    }
}
