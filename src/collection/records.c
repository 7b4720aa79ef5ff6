/* See records.h. */
#include "collection/records.h"

#include "base/deadline.h"

#define DEADLINE_RECORDS 64u  /* between two looks at the clock */
#define RECORD_NS        300u /* what a record costs in an answer, before it is known, ... */
#define PAYLOAD_NS       700u /* ... its payload ... */
#define COMPONENT_NS     40u  /* ... and each component of its vectors, as text */
#define SPARSE_ENTRIES   128u /* what a sparse vector is taken for */

void
oct_records_free(oct_records *records)
{
    record_list *self = (record_list *)(void *)records;

    if (self == NULL)
        return;
    arena_clear(&self->memory);
    oct_free(self);
}

oct_status
record_list_new(size_t capacity, record_list **out, oct_error *error)
{
    record_list *self = oct_calloc(1, sizeof *self);

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    self->items = arena_array(&self->memory, capacity + 1, sizeof *self->items);
    if (self->items == NULL) {
        oct_free(self);
        return oct_fail_memory(error, capacity * sizeof *self->items);
    }
    self->capacity = capacity;
    self->records.items = self->items;
    *out = self;
    return OCT_OK;
}

/* --- one record -------------------------------------------------------------------------------------- */

static bool
selects_vector(const oct_select *select, oct_slice name)
{
    for (size_t i = 0; i < select->vector_count; i++) {
        if (slice_equal(select->vectors[i], name))
            return true;
    }
    return select->vector_count == 0;
}

static oct_status
add_vectors(oct_collection *self, const config_box *box, record_list *list, uint32_t point,
            const oct_select *select, oct_record *record, oct_error *error)
{
    oct_vector *vectors = arena_array(&list->memory, box->config.vector_count + 1, sizeof *vectors);
    oct_status  status = OCT_OK;

    if (vectors == NULL)
        return oct_fail_memory(error, box->config.vector_count * sizeof *vectors);
    for (size_t v = 0; v < box->config.vector_count && status == OCT_OK; v++) {
        const oct_vector_config *config = &box->config.vectors[v];
        oct_vector              *out = &vectors[record->vector_count];

        if (!selects_vector(select, config->name))
            continue;
        status = shard_read_vector(self->shard, box->numbers[v], point, &list->memory, out, error);
        if (status != OCT_OK || out->values == NULL)
            continue;
        out->name = (oct_slice){arena_text(&list->memory, config->name.data, config->name.size), config->name.size};
        if (out->name.data == NULL)
            return oct_fail_memory(error, config->name.size);
        record->vector_count++;
    }
    record->vectors = vectors;
    return status;
}

oct_status
record_document(const oct_collection *self, uint32_t point, oct_slice *out, oct_error *error)
{
    return shard_document(self->shard, point, out, error);
}

static oct_status
add_payload(oct_collection *self, record_list *list, uint32_t point, const document_view *view,
            oct_record *record, oct_error *error)
{
    oct_slice  stored;
    buffer     shown = {0};
    oct_status status = record_document(self, point, &stored, error);

    if (status == OCT_OK && view != NULL) {
        status = document_view_apply(view, stored, &shown, error);
        stored = (oct_slice){shown.data, shown.size};
        if (status == OCT_OK && shown.failed)
            status = oct_fail_memory(error, shown.size);
    }
    if (status == OCT_OK) {
        record->payload = (oct_slice){arena_text(&list->memory, stored.data, stored.size), stored.size};
        if (record->payload.data == NULL)
            status = oct_fail_memory(error, stored.size);
    }
    buffer_clear(&shown);
    return status;
}

oct_status
record_plan_select(const config_box *box, const oct_select *select, arena *memory, const document_view **view,
                   oct_error *error)
{
    oct_status status = OCT_OK;

    *view = NULL;
    for (size_t i = 0; select->with_vector && i < select->vector_count && status == OCT_OK; i++) {
        size_t index;

        status = box_find_vector(box, select->vectors[i], &index, error);
    }
    if (status == OCT_OK && select->with_payload && select->include_count + select->exclude_count > 0)
        status = document_view_plan(select, memory, view, error);
    return status;
}

/* The key of a record whose id still has its number. False: there is no such key any more. */
static bool
add_shard_key(const config_box *box, record_list *list, oct_record *record)
{
    const oct_shard_key_info *info = config_shard_key_of(&box->config, record->id.reserved);
    oct_shard_key            *key = NULL;

    record->id.reserved = 0;
    if (info == NULL)
        return false;
    if (list->last_key != NULL && list->last_key_number == info->number) {
        record->shard_key = list->last_key;
        return true;
    }
    key = arena_alloc(&list->memory, sizeof *key);
    if (key != NULL) {
        *key = info->key;
        if (!key->is_number)
            key->text.data = arena_text(&list->memory, key->text.data, key->text.size);
    }
    list->no_memory = key == NULL || (!key->is_number && key->text.data == NULL);
    if (list->no_memory)
        return false;
    record->shard_key = list->last_key = key;
    list->last_key_number = info->number;
    return true;
}

uint64_t
record_expected_ns(const config_box *box, const oct_select *select, size_t count)
{
    uint64_t each = RECORD_NS + (select->with_payload ? PAYLOAD_NS : 0);

    for (size_t v = 0; v < box->config.vector_count && select->with_vector; v++) {
        const oct_vector_config *config = &box->config.vectors[v];

        if (selects_vector(select, config->name))
            each += COMPONENT_NS * (config->sparse == 1 ? SPARSE_ENTRIES : (uint64_t)config->size);
    }
    return each * count;
}

oct_status
record_list_add(oct_collection *self, const config_box *box, record_list *list, uint32_t point, float score,
                const oct_select *select, const document_view *view, oct_error *error)
{
    const point_set *all = shard_points(self->shard);
    oct_record      *record = &list->items[list->records.count];
    oct_status       status = OCT_OK;

    if (list->records.count % DEADLINE_RECORDS == DEADLINE_RECORDS - 1)
        status = deadline_check(error);
    if (status != OCT_OK || !points_is_live(all, point))
        return status;
    OCT_MUST(list->records.count < list->capacity);
    *record = (oct_record){.id = *points_id(all, point), .score = score};
    if (record->id.reserved != 0 && !add_shard_key(box, list, record))
        return list->no_memory ? oct_fail_memory(error, OCT_SHARD_KEY_MAX) : OCT_OK; /* its key is gone, and so is it */
    record->version = atomic_load_explicit(points_version(all, point), memory_order_relaxed);
    if (select->with_payload)
        status = add_payload(self, list, point, view, record, error);
    if (status == OCT_OK && select->with_vector)
        status = add_vectors(self, box, list, point, select, record, error);
    if (status == OCT_OK)
        list->records.count++;
    return status;
}
