/* Boxes of configurations: see box.h. */
#include "collection/box.h"

#include "field/field.h"

void
box_free(void *memory)
{
    config_box *self = memory;

    if (self == NULL)
        return;
    for (size_t i = 0; i < self->field_count; i++)
        field_index_release(self->fields[i]);
    arena_clear(&self->memory);
    oct_free(self);
}

/* The index of a field: that of the box before, if it is configured as it was there, or a new one. */
static oct_status
box_add_field(config_box *self, const config_box *before, const oct_field_index *config, oct_error *error)
{
    oct_status status;

    for (size_t i = 0; before != NULL && i < before->field_count; i++) {
        if (!config_fields_equal(config, &before->config.field_indexes[i]))
            continue;
        self->fields[self->field_count++] = field_index_share(before->fields[i]);
        return OCT_OK;
    }
    status = field_index_new(config, &self->fields[self->field_count], error);
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
