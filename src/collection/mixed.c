/* Several writes as one: all of them, or none. See collection.h.
 *
 * HOW      Under the shard's write lock, so that nothing comes between, the writes are played one after the other on copies of
 *          the points they touch: each sees what those before it made. What is logged is one record: the points that
 *          there are in the end, whole, and those that are gone. So readers see all of it or nothing, and so does a
 *          recovery; and a write that fails - an id that is not there, a document that would grow too deep - fails before
 *          the log, with nothing changed.
 * FILTERS  A filter asks the collection about points that no write has touched yet, and the copies about the others.
 * COST     A point that is only partly changed is read and logged whole.
 * WHY      Qdrant applies such operations one by one and keeps those before the first that fails.
 */
#include "base/epoch.h"
#include "collection/records.h"
#include "collection/select.h"
#include "collection/shard_keys.h"
#include "collection/write_internal.h"
#include "payload/document.h"

#define TABLE_MIN 64u

/* A point as the writes so far have made it. */
typedef struct entry {
    oct_id             id;    /* with the number of its shard key */
    uint32_t           point; /* in the shard, or POINT_NONE */
    bool               was, is;
    bool               touched;  /* the end is not the beginning */
    bool               loaded;   /* the next lines are what it has; else they are in the shard */
    bool               picked;   /* by the write that is being played */
    bool               passes;   /* its rule */
    oct_slice          payload;  /* compact */
    const oct_vector **vectors;  /* by place in the configuration; NULL: it has none of that name */
} entry;

/* One write, made ready without the state. */
typedef struct step {
    const oct_write     *write;
    const filter       **wanted;   /* for each key; NULL: none */
    uint32_t            *numbers;  /* of shard keys */
    size_t               number_count;
    oct_slice           *payloads; /* of points, compact */
    const document_edit *edit;
    size_t              *names;    /* places of vectors to delete */
} step;

typedef struct mixed {
    oct_collection   *collection;
    const config_box *box; /* pinned */
    step             *steps;
    size_t            count;
    arena            *memory;
    oct_error        *error;
    entry           **entries; /* in the order they were met */
    size_t            entry_count, entry_capacity;
    uint32_t         *slots; /* a table of entries: place plus one */
    size_t            slot_count;
    oct_records     **loaded; /* to be released */
    size_t            loaded_count, loaded_capacity;
    buffer           *texts; /* of changed documents, to be released */
    size_t            text_count, text_capacity;
} mixed;

/* --- entries ---------------------------------------------------------------------------------------------- */

/* Room for one more in a growing array of the arena. */
static bool
grow(arena *memory, void **items, size_t count, size_t *capacity, size_t size)
{
    const size_t more = *capacity * 2 + TABLE_MIN;
    void        *fresh;

    if (count < *capacity)
        return true;
    fresh = arena_array(memory, more, size);
    if (fresh == NULL)
        return false;
    if (count > 0)
        memcpy(fresh, *items, count * size);
    *items = fresh;
    *capacity = more;
    return true;
}

static uint32_t *
find_slot(const mixed *self, const oct_id *id)
{
    size_t at = (size_t)mix64(id->low ^ mix64(id->high + id->is_uuid + ((uint64_t)id->reserved << 32))) & (self->slot_count - 1);

    while (self->slots[at] != 0 && !id_equal(&self->entries[self->slots[at] - 1]->id, id))
        at = (at + 1) & (self->slot_count - 1);
    return &self->slots[at];
}

/* NULL if no write has met the id. */
static entry *
find_entry(const mixed *self, const oct_id *id)
{
    const uint32_t slot = self->slot_count == 0 ? 0 : *find_slot(self, id);

    return slot == 0 ? NULL : self->entries[slot - 1];
}

static oct_status
entry_of(mixed *self, const oct_id *id, entry **out)
{
    entry *made = find_entry(self, id);

    *out = made;
    if (made != NULL)
        return OCT_OK;
    if (self->entry_count * 2 >= self->slot_count) {
        const size_t slots = self->slot_count == 0 ? TABLE_MIN : self->slot_count * 4;

        self->slots = arena_array(self->memory, slots, sizeof *self->slots);
        if (self->slots == NULL)
            return oct_fail_memory(self->error, slots * sizeof *self->slots);
        self->slot_count = slots;
        for (size_t i = 0; i < self->entry_count; i++)
            *find_slot(self, &self->entries[i]->id) = (uint32_t)i + 1;
    }
    made = arena_alloc(self->memory, sizeof *made);
    if (made == NULL ||
        !grow(self->memory, (void **)&self->entries, self->entry_count, &self->entry_capacity, sizeof(entry *)))
        return oct_fail_memory(self->error, sizeof *made);
    made->id = *id;
    made->point = points_find_live(shard_points(self->collection->shard), id);
    made->was = made->is = made->point != POINT_NONE;
    made->vectors = arena_array(self->memory, self->box->config.vector_count + 1, sizeof *made->vectors);
    if (made->vectors == NULL)
        return oct_fail_memory(self->error, self->box->config.vector_count * sizeof *made->vectors);
    *find_slot(self, id) = (uint32_t)self->entry_count + 1;
    self->entries[self->entry_count++] = made;
    *out = made;
    return OCT_OK;
}

static oct_status
set_vectors(mixed *self, entry *to, const oct_vector *vectors, size_t count)
{
    oct_status status = OCT_OK;

    for (size_t v = 0; v < count && status == OCT_OK; v++) {
        size_t index = 0;

        status = box_find_vector(self->box, vectors[v].name, &index, self->error);
        if (status == OCT_OK)
            to->vectors[index] = &vectors[v];
    }
    return status;
}

/* Have what the shard has of the point. */
static oct_status
load(mixed *self, entry *one)
{
    const oct_select everything = {.with_payload = true, .with_vector = true};
    record_list     *list = NULL;
    oct_status       status;

    if (one->loaded || !one->was)
        return OCT_OK;
    if (!grow(self->memory, (void **)&self->loaded, self->loaded_count, &self->loaded_capacity, sizeof(oct_records *)))
        return oct_fail_memory(self->error, sizeof(oct_records *));
    status = record_list_new(1, &list, self->error);
    if (status != OCT_OK)
        return status;
    self->loaded[self->loaded_count++] = &list->records;
    status = record_list_add(self->collection, self->box, list, one->point, 0, &everything, NULL, self->error);
    if (status == OCT_OK && list->records.count == 1) {
        one->payload = list->items[0].payload;
        status = set_vectors(self, one, list->items[0].vectors, list->items[0].vector_count);
    }
    one->loaded = true;
    return status;
}

/* --- filters ------------------------------------------------------------------------------------------------ */

typedef struct subject {
    const mixed *self;
    const entry *one;
} subject;

static oct_status
subject_document(const void *context, oct_slice *out, oct_error *error)
{
    const subject *about = context;

    (void)error;
    *out = about->one->payload.size == 0 ? (oct_slice){"{}", 2} : about->one->payload;
    return OCT_OK;
}

static bool
subject_has_vector(const void *context, uint32_t number)
{
    const subject *about = context;

    for (size_t v = 0; v < about->self->box->config.vector_count; v++)
        if (about->self->box->numbers[v] == number)
            return about->one->vectors[v] != NULL;
    return false;
}

/* As it is now, after the writes before. */
static oct_status
entry_matches(mixed *self, entry *one, const filter *wanted, bool *out)
{
    const subject      about = {self, one};
    const filter_point asked = {&one->id, subject_document, subject_has_vector, &about};

    *out = true;
    if (wanted == NULL)
        return OCT_OK;
    if (!one->touched)
        return select_test(self->collection, wanted, one->point, out, self->error);
    return filter_matches(wanted, &asked, out, self->error);
}

/* Pick every point that matches, those that no write has met too. */
static oct_status
pick_matching(mixed *self, const filter *wanted)
{
    const point_set *all = shard_points(self->collection->shard);
    const size_t     met = self->entry_count;
    selection        these = {0};
    oct_status       status = select_points(self->collection, wanted, &these, self->error);

    for (uint32_t point = 0; status == OCT_OK && point < atomic_load(&all->count); point++) {
        const point_bits only = {these.bits, these.point_count};
        entry           *one;

        if (!(these.bits == NULL ? points_is_live(all, point) : point_bits_have(&only, point)) ||
            find_entry(self, points_id(all, point)) != NULL)
            continue;
        status = entry_of(self, points_id(all, point), &one);
        if (status == OCT_OK)
            one->picked = one->is;
    }
    selection_clear(&these);
    for (size_t i = 0; i < met && status == OCT_OK; i++) {
        bool matches = false;

        if (self->entries[i]->is)
            status = entry_matches(self, self->entries[i], wanted, &matches);
        self->entries[i]->picked = self->entries[i]->picked || matches;
    }
    return status;
}

/* --- playing a write -------------------------------------------------------------------------------------------- */

static oct_status
play_points(mixed *self, const step *now, size_t key)
{
    const oct_write *write = now->write;
    const bool       whole = write->kind == OCT_WRITE_UPSERT;
    oct_status       status = OCT_OK;

    /* All are judged before any is written. */
    for (size_t i = 0; i < write->point_count && status == OCT_OK; i++) {
        oct_id id = write->points[i].id;
        entry *one = NULL;

        id.reserved = now->numbers[key];
        status = entry_of(self, &id, &one);
        if (status != OCT_OK)
            break;
        if (!one->is && !whole)
            return shard_fail_unknown(&id, self->error);
        one->passes = one->is ? write->mode != OCT_INSERT_ONLY : write->mode != OCT_UPDATE_ONLY;
        if (one->is && one->passes)
            status = entry_matches(self, one, now->wanted[key], &one->passes);
    }
    for (size_t i = 0; i < write->point_count && status == OCT_OK; i++) {
        oct_id id = write->points[i].id;
        entry *one;

        id.reserved = now->numbers[key];
        one = find_entry(self, &id);
        if (!one->passes)
            continue;
        if (whole) {
            memset(one->vectors, 0, self->box->config.vector_count * sizeof *one->vectors);
            one->payload = now->payloads[i];
            one->loaded = true;
        } else {
            status = load(self, one);
        }
        one->is = one->touched = true;
        if (status == OCT_OK)
            status = set_vectors(self, one, write->points[i].vectors, write->points[i].vector_count);
    }
    return status;
}

static oct_status
change_entry(mixed *self, const step *now, entry *one)
{
    oct_status status = now->write->kind == OCT_WRITE_DELETE ? OCT_OK : load(self, one);

    if (status != OCT_OK)
        return status;
    one->touched = true;
    switch (now->write->kind) {
    case OCT_WRITE_DELETE:
        one->is = false;
        return OCT_OK;
    case OCT_WRITE_DELETE_VECTORS:
        for (size_t n = 0; n < now->write->name_count; n++)
            one->vectors[now->names[n]] = NULL;
        return OCT_OK;
    default:
        break;
    }
    if (!grow(self->memory, (void **)&self->texts, self->text_count, &self->text_capacity, sizeof(buffer)))
        return oct_fail_memory(self->error, sizeof(buffer));
    self->texts[self->text_count] = (buffer){0};
    status = document_edit_apply(now->edit, one->payload.size == 0 ? (oct_slice){"{}", 2} : one->payload,
                                 &self->texts[self->text_count], self->error);
    if (status == OCT_OK && self->texts[self->text_count].failed)
        status = oct_fail_memory(self->error, one->payload.size);
    one->payload = (oct_slice){self->texts[self->text_count].data, self->texts[self->text_count].size};
    self->text_count++;
    return status;
}

static oct_status
play_targets(mixed *self, const step *now, size_t key)
{
    const oct_targets *targets = &now->write->targets;
    oct_status         status = OCT_OK;

    for (size_t i = 0; i < self->entry_count; i++)
        self->entries[i]->picked = false;
    for (size_t i = 0; i < targets->id_count && status == OCT_OK; i++) {
        oct_id id = targets->ids[i];
        entry *one = NULL;

        id.reserved = now->numbers[key];
        status = entry_of(self, &id, &one);
        if (status == OCT_OK && !one->is && now->write->kind == OCT_WRITE_PAYLOAD)
            return shard_fail_unknown(&id, self->error);
        if (status == OCT_OK)
            one->picked = one->is;
    }
    if (status == OCT_OK && targets->filter != NULL)
        status = pick_matching(self, now->wanted[key]);
    for (size_t i = 0; i < self->entry_count && status == OCT_OK; i++)
        if (self->entries[i]->picked)
            status = change_entry(self, now, self->entries[i]);
    return status;
}

static oct_status
check_numbers(const mixed *self, const step *now)
{
    for (size_t k = 0; k < now->number_count; k++)
        if (now->numbers[k] != 0 && config_shard_key_of(&self->box->config, now->numbers[k]) == NULL)
            return oct_fail(self->error, OCT_INVALID, "Shard key not found: it was deleted while the write was on its way");
    return OCT_OK;
}

/* The batch that makes the end of what there is. */
static oct_status
make_batch(mixed *self, batch *write)
{
    const size_t  names = self->box->config.vector_count;
    oct_point    *points = arena_array(self->memory, self->entry_count + 1, sizeof *points);
    oct_id       *ids = arena_array(self->memory, self->entry_count + 1, sizeof *ids);
    oct_slice    *payloads = arena_array(self->memory, self->entry_count + 1, sizeof *payloads);
    uint8_t      *gone = arena_alloc(self->memory, self->entry_count / 8 + 1);
    batch_column *columns = arena_array(self->memory, names + 1, sizeof *columns);
    size_t        count = 0;

    if (points == NULL || ids == NULL || payloads == NULL || gone == NULL || columns == NULL)
        return oct_fail_memory(self->error, self->entry_count * sizeof *points);
    for (size_t i = 0; i < self->entry_count; i++) {
        const entry *one = self->entries[i];
        oct_vector  *vectors;

        if (!one->touched || (!one->is && !one->was))
            continue;
        ids[count] = points[count].id = one->id;
        if (one->is) {
            vectors = arena_array(self->memory, names + 1, sizeof *vectors);
            if (vectors == NULL)
                return oct_fail_memory(self->error, names * sizeof *vectors);
            points[count].vectors = vectors;
            for (size_t v = 0; v < names; v++)
                if (one->vectors[v] != NULL)
                    vectors[points[count].vector_count++] = *one->vectors[v];
            payloads[count] = one->payload;
        } else {
            gone[count / 8] |= (uint8_t)(1u << (count % 8));
            write->gone = gone;
        }
        count++;
    }
    write->count = count;
    write->ids = ids;
    write->payloads = payloads;
    write->columns = columns;
    return write_columns(self->box, points, count, self->memory, columns, &write->column_count, self->error);
}

/* A shard_resolve. */
static oct_status
play(void *context, batch *write, arena *memory, oct_error *error)
{
    mixed     *self = context;
    oct_status status = OCT_OK;

    (void)memory; /* it ends with the write; what is made here is needed a little longer */
    self->error = error;
    epoch_pin();
    self->box = collection_box(self->collection);
    for (size_t s = 0; s < self->count && status == OCT_OK; s++) {
        const step *now = &self->steps[s];

        status = check_numbers(self, now);
        for (size_t k = 0; k < now->number_count && status == OCT_OK; k++)
            status = now->write->kind == OCT_WRITE_UPSERT || now->write->kind == OCT_WRITE_VECTORS ? play_points(self, now, k)
                                                                                                    : play_targets(self, now, k);
    }
    if (status == OCT_OK)
        status = make_batch(self, write);
    epoch_unpin();
    return status;
}

/* --- before the state --------------------------------------------------------------------------------------------- */

/* The filters of a write, one for each shard key. */
static oct_status
ready_filters(oct_collection *self, step *now, arena *memory, oct_error *error)
{
    const oct_write  *write = now->write;
    const bool        targeted = write->kind != OCT_WRITE_UPSERT && write->kind != OCT_WRITE_VECTORS;
    const oct_filter *given = targeted ? write->targets.filter : write->filter;
    oct_status        status = OCT_OK;

    now->wanted = arena_array(memory, now->number_count + 1, sizeof *now->wanted);
    if (now->wanted == NULL)
        return oct_fail_memory(error, now->number_count * sizeof *now->wanted);
    for (size_t k = 0; k < now->number_count && status == OCT_OK && given != NULL; k++) {
        const oct_condition of_key[] = {
            {.kind = OCT_CONDITION_SHARD_KEY, .shard_keys = &write->shard_keys[k], .shard_key_count = 1},
            {.kind = OCT_CONDITION_FILTER, .filter = given}};
        const oct_filter both = {.must = of_key, .must_count = countof(of_key)};

        status = select_compile(self, targeted && now->numbers[k] != 0 ? &both : given, memory, &now->wanted[k], error);
    }
    return status;
}

static oct_status
ready(oct_collection *self, step *now, arena *memory, buffer *text, oct_error *error)
{
    const oct_write        *write = now->write;
    const oct_write_options keys = {.shard_keys = write->shard_keys, .shard_key_count = write->shard_key_count};
    oct_status status = shard_keys_of_write(self, &keys, memory, &now->numbers, &now->number_count, error);

    if (status == OCT_OK)
        status = ready_filters(self, now, memory, error);
    if (status == OCT_OK && write->point_count > 0) {
        batch_column *unused;
        size_t        unused_count;

        epoch_pin();
        unused = arena_array(memory, collection_box(self)->config.vector_count + 1, sizeof *unused);
        status = unused == NULL ? oct_fail_memory(error, sizeof *unused)
                                : write_columns(collection_box(self), write->points, write->point_count, memory, unused,
                                                &unused_count, error);
        epoch_unpin();
    }
    if (status == OCT_OK && write->kind == OCT_WRITE_UPSERT && write->point_count > 0)
        status = write_documents(&write->points[0].payload, sizeof write->points[0], write->point_count, memory, text,
                                 &now->payloads, error);
    if (status == OCT_OK && write->kind == OCT_WRITE_PAYLOAD)
        status = document_edit_plan(&write->change, memory, &now->edit, error);
    now->names = arena_array(memory, write->name_count + 1, sizeof *now->names);
    if (status == OCT_OK && now->names == NULL)
        status = oct_fail_memory(error, write->name_count * sizeof *now->names);
    epoch_pin();
    for (size_t n = 0; n < write->name_count && status == OCT_OK; n++)
        status = box_find_vector(collection_box(self), write->names[n], &now->names[n], error);
    epoch_unpin();
    return status;
}

oct_status
collection_write_batch(oct_collection *self, const oct_write *writes, size_t count, const oct_write_options *options,
                       oct_write_result *result, oct_error *error)
{
    arena      memory = {0};
    buffer    *texts = oct_calloc(count + 1, sizeof *texts);
    mixed      work = {.collection = self, .count = count, .memory = &memory};
    batch      write = {.op = BATCH_UPSERT};
    oct_status status = texts == NULL ? oct_fail_memory(error, count * sizeof *texts) : OCT_OK;

    work.steps = arena_array(&memory, count + 1, sizeof *work.steps);
    if (status == OCT_OK && work.steps == NULL)
        status = oct_fail_memory(error, count * sizeof *work.steps);
    for (size_t s = 0; s < count && status == OCT_OK; s++) {
        work.steps[s].write = &writes[s];
        status = ready(self, &work.steps[s], &memory, &texts[s], error);
    }
    if (status == OCT_OK)
        status = write_run(self, &write, 0, play, &work, options, result, error);
    for (size_t i = 0; i < work.loaded_count; i++)
        oct_records_free(work.loaded[i]);
    for (size_t i = 0; i < work.text_count; i++)
        buffer_clear(&work.texts[i]);
    for (size_t s = 0; texts != NULL && s < count; s++)
        buffer_clear(&texts[s]);
    oct_free(texts);
    arena_clear(&memory);
    return status;
}
