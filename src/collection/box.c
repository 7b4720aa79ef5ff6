/* Boxes of configurations: see box.h. */
#include "collection/box.h"

#include <pthread.h>

#include "config/text_config.h"
#include "field/field.h"
#include "text/text.h"

/* The analyzers of a collection's text indexes, those of the past too: a filter that was compiled with one may be in use
 * after the index was dropped. All boxes of a collection share it, so it lives as long as the collection, whose handle
 * every request holds. An index that is made again as it was finds its analyzer again, so there are no more of them than
 * different settings. */
typedef struct word_settings {
    oct_slice      key; /* the settings as JSON */
    text_analyzer *analyzer;
} word_settings;

typedef struct box_words {
    _Atomic uint32_t references;
    pthread_mutex_t  lock; /* guards the next lines */
    word_settings   *list;
    size_t           count;
} box_words;

static void
words_release(box_words *self)
{
    if (self == NULL || atomic_fetch_sub(&self->references, 1) != 1)
        return;
    for (size_t i = 0; i < self->count; i++) {
        text_analyzer_free(self->list[i].analyzer);
        oct_free((char *)(uintptr_t)self->list[i].key.data);
    }
    oct_free(self->list);
    (void)pthread_mutex_destroy(&self->lock);
    oct_free(self);
}

/* With the lock held. */
static oct_status
add_settings(box_words *self, const oct_text_config *config, oct_slice key, text_analyzer **out, oct_error *error)
{
    word_settings *longer = oct_realloc(self->list, (self->count + 1) * sizeof *longer);
    char          *copy = longer == NULL ? NULL : oct_copy_text(key.data, key.size);
    oct_status     status;

    if (longer != NULL)
        self->list = longer;
    if (copy == NULL)
        return oct_fail_memory(error, key.size + sizeof *longer);
    status = text_analyzer_new(config, out, error);
    if (status != OCT_OK) {
        oct_free(copy);
        return status;
    }
    self->list[self->count++] = (word_settings){{copy, key.size}, *out};
    return OCT_OK;
}

static oct_status
find_analyzer(config_box *box, const oct_field_index *field, text_analyzer **out, oct_error *error)
{
    arena           memory = {0};
    buffer          key = {0};
    oct_text_config config;
    box_words      *words = box->words;
    oct_status      status = text_config_of_field(field, &memory, &config, error);

    *out = NULL;
    if (status == OCT_OK && words == NULL) {
        words = box->words = oct_calloc(1, sizeof *words);
        if (words == NULL) {
            status = oct_fail_memory(error, sizeof *words);
        } else {
            atomic_store(&words->references, 1);
            (void)pthread_mutex_init(&words->lock, NULL);
        }
    }
    if (status == OCT_OK) {
        buffer_add_byte(&key, '{');
        text_config_encode(&config, &key);
        (void)pthread_mutex_lock(&words->lock);
        for (size_t i = 0; i < words->count && !key.failed && *out == NULL; i++)
            if (slice_equal(words->list[i].key, (oct_slice){key.data, key.size}))
                *out = words->list[i].analyzer;
        if (key.failed)
            status = oct_fail_memory(error, key.capacity);
        else if (*out == NULL)
            status = add_settings(words, &config, (oct_slice){key.data, key.size}, out, error);
        (void)pthread_mutex_unlock(&words->lock);
    }
    buffer_clear(&key);
    arena_clear(&memory);
    return status;
}

void
box_free(void *memory)
{
    config_box *self = memory;

    if (self == NULL)
        return;
    for (size_t i = 0; i < self->field_count; i++)
        field_index_release(self->fields[i]);
    words_release(self->words);
    arena_clear(&self->memory);
    oct_free(self);
}

/* The index of a field: that of the box before, if it is configured as it was there, or a new one. */
static oct_status
box_add_field(config_box *self, const config_box *before, const oct_field_index *config, oct_error *error)
{
    text_analyzer *words = NULL;
    oct_status     status = OCT_OK;

    for (size_t i = 0; before != NULL && i < before->field_count; i++) {
        if (!config_fields_equal(config, &before->config.field_indexes[i]))
            continue;
        self->fields[self->field_count++] = field_index_share(before->fields[i]);
        return OCT_OK;
    }
    if (config->type == OCT_FIELD_TEXT)
        status = find_analyzer(self, config, &words, error);
    if (status == OCT_OK)
        status = field_index_new(config, words, &self->fields[self->field_count], error);
    self->field_count += status == OCT_OK;
    return status;
}

oct_status
box_new(const oct_collection_config *config, const uint32_t *numbers, uint32_t next_number, const config_box *before,
        config_box **out, oct_error *error)
{
    config_box *self = oct_calloc(1, sizeof *self);
    oct_status  status;

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    if (before != NULL && before->words != NULL) {
        self->words = before->words;
        (void)atomic_fetch_add(&self->words->references, 1);
    }
    status = config_copy(config, &self->memory, &self->config, error);
    if (status == OCT_OK)
        status = config_copy(config, &self->memory, &self->filled, error);
    self->numbers = arena_array(&self->memory, config->vector_count + 1, sizeof *self->numbers);
    if (status == OCT_OK && self->numbers == NULL)
        status = oct_fail_memory(error, config->vector_count * sizeof *self->numbers);
    self->fields = arena_array(&self->memory, config->field_index_count + 1, sizeof *self->fields);
    if (status == OCT_OK && self->fields == NULL)
        status = oct_fail_memory(error, config->field_index_count * sizeof *self->fields);
    for (size_t i = 0; i < config->field_index_count && status == OCT_OK; i++)
        status = box_add_field(self, before, &self->config.field_indexes[i], error);
    if (status != OCT_OK) {
        box_free(self);
        return status;
    }
    config_fill_defaults(&self->filled);
    self->next_number = next_number;
    for (size_t i = 0; i < config->vector_count; i++) {
        self->numbers[i] = numbers == NULL ? (uint32_t)i : numbers[i];
        if (self->numbers[i] >= self->next_number)
            self->next_number = self->numbers[i] + 1;
    }
    *out = self;
    return OCT_OK;
}

oct_status
box_after(const config_box *before, const oct_collection_config *config, config_box **out, oct_error *error)
{
    uint32_t numbers[OCT_VECTORS_MAX], next = before->next_number;

    for (size_t i = 0; i < config->vector_count; i++) {
        const oct_vector_config *known = config_find_vector(&before->config, config->vectors[i].name);

        numbers[i] = known != NULL ? before->numbers[known - before->config.vectors] : next++;
    }
    return box_new(config, numbers, next, before, out, error);
}

oct_status
box_find_vector(const config_box *box, oct_slice name, size_t *index, oct_error *error)
{
    for (size_t i = 0; i < box->config.vector_count; i++) {
        if (slice_equal(box->config.vectors[i].name, name)) {
            *index = i;
            return OCT_OK;
        }
    }
    return oct_fail(error, OCT_INVALID, "Not existing vector name error: " SLICE_FMT, SLICE_ARG(name));
}
