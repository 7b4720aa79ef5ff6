/* The catalogue read: from records of the log and from the manifest, whose part of it is written here too. See catalogue.c. */
#include <inttypes.h>

#include "base/epoch.h"
#include "collection/box.h"
#include "collection/catalogue_internal.h"

/* --- entries -------------------------------------------------------------------------------------------- */

oct_status
fail_entry(const char *what, oct_error *error)
{
    return oct_fail(error, OCT_CORRUPT, "the catalogue has a %s that this version cannot read", what);
}

/* What write_box wrote. Earlier versions had no next number, and no numbers in an update: then it is `before`'s. */
static oct_status
read_box(yyjson_val *entry, const config_box *before, config_box **out, oct_error *error)
{
    yyjson_val *numbers = yyjson_obj_get(entry, "numbers"), *config = yyjson_obj_get(entry, "config");
    oct_collection_config decoded;
    uint32_t              list[OCT_VECTORS_MAX];
    uint32_t              next = (uint32_t)yyjson_get_uint(yyjson_obj_get(entry, "next_number"));
    arena                 memory = {0};
    oct_slice             text = {"", 0};
    oct_status            status;

    *out = NULL;
    if (!yyjson_is_obj(config) || (!yyjson_is_arr(numbers) && before == NULL))
        return fail_entry("configuration", error);
    status = json_write_value(config, &memory, &text, error);
    if (status == OCT_OK)
        status = config_read(text, &memory, &decoded, error);
    if (status == OCT_OK)
        status = config_check(&decoded, error);
    if (status == OCT_OK && decoded.vector_count != (yyjson_is_arr(numbers) ? yyjson_arr_size(numbers)
                                                                            : before->config.vector_count))
        status = fail_entry("configuration", error);
    for (size_t i = 0; status == OCT_OK && i < decoded.vector_count; i++)
        list[i] = yyjson_is_arr(numbers) ? (uint32_t)yyjson_get_uint(yyjson_arr_get(numbers, i))
                                         : before->numbers[i];
    if (before != NULL && before->next_number > next)
        next = before->next_number;
    if (status == OCT_OK)
        status = box_new(&decoded, list, next, before, out, error);
    arena_clear(&memory);
    return status;
}

/* The fields that write_collection_fields wrote. */
static oct_status
read_collection(oct_database *self, yyjson_val *entry, uint64_t sequence, oct_collection **out,
                oct_error *error)
{
    yyjson_val *name = yyjson_obj_get(entry, "name"), *shard_id = yyjson_obj_get(entry, "shard");
    config_box *box = NULL;
    oct_status  status;

    *out = NULL;
    if (!yyjson_is_str(name) || !yyjson_is_uint(shard_id))
        return fail_entry("collection", error);
    status = read_box(entry, NULL, &box, error);
    if (status == OCT_OK)
        box->sequence = sequence;
    if (status == OCT_OK)
        status = collection_new(self, (oct_slice){yyjson_get_str(name), yyjson_get_len(name)},
                                yyjson_get_uint(shard_id), box, out, error);
    return status;
}

oct_status
read_entry(oct_database *self, yyjson_val *entry, bool adopted, bool may_be_damaged, uint64_t sequence,
           oct_collection **out, oct_error *error)
{
    oct_collection *made = NULL;
    arena           memory = {0};
    oct_slice       state;
    const uint64_t  changed = adopted ? sequence : yyjson_get_uint(yyjson_obj_get(entry, "changed"));
    oct_error       why = {OCT_OK, ""};
    oct_status      status = read_collection(self, entry, changed, &made, error);

    *out = NULL;
    if (status == OCT_OK)
        status = json_write_value(yyjson_obj_get(entry, "state"), &memory, &state, error);
    if (status == OCT_OK)
        status = adopted ? shard_adopt(made->shard, state, sequence, &why)
                         : shard_load(made->shard, state, &why);
    /* Damage costs this collection alone: it is there, says what is wrong, and the others open. */
    if (status == OCT_CORRUPT && may_be_damaged) {
        collection_release(made);
        status = read_collection(self, entry, changed, &made, error);
        if (status == OCT_OK)
            status = shard_quarantine(made->shard, state, why.text, error);
        self->damaged_count++;
    } else if (status != OCT_OK && why.status != OCT_OK) {
        status = oct_fail(error, status, "%s", why.text);
    }
    arena_clear(&memory);
    if (status == OCT_OK)
        *out = made;
    else
        collection_release(made);
    return status;
}

/* --- records --------------------------------------------------------------------------------------------- */

static oct_status
replay_recover(oct_database *self, uint64_t sequence, yyjson_val *change, oct_error *error)
{
    oct_collection *old = catalogue_find_shard(self, yyjson_get_uint(yyjson_obj_get(change, "replaces")));
    oct_collection *made = NULL;
    oct_status      status = reserve_collection(self, error);

    if (status == OCT_OK)
        status = read_entry(self, change, true, true, sequence, &made, error);
    if (status != OCT_OK)
        return status;
    replace_collection(self, old, made);
    collection_release(old);
    return OCT_OK;
}

static oct_status
replay_update(oct_database *self, uint64_t sequence, yyjson_val *change, oct_error *error)
{
    oct_collection *collection = catalogue_find_shard(self, yyjson_get_uint(yyjson_obj_get(change, "shard")));
    config_box     *box = NULL;
    shard_vectors  *names = NULL;
    oct_status      status;

    if (collection == NULL)
        return fail_entry("change of a collection that is not there", error);
    if (sequence <= collection_box(collection)->sequence)
        return OCT_OK;
    status = read_box(change, collection_box(collection), &box, error);
    if (status == OCT_OK)
        status = plan_box(collection, box, &names, error);
    if (status != OCT_OK) {
        box_free(box);
        return status;
    }
    set_box(collection, box, sequence, names);
    shard_bury_vectors(collection->shard, false);
    return OCT_OK;
}

oct_status
catalogue_replay(oct_database *self, uint64_t sequence, oct_slice body, oct_error *error)
{
    json_document   document;
    yyjson_val     *op;
    oct_collection *collection;
    oct_status      status;

    if (sequence <= self->catalogue_sequence)
        return OCT_OK;
    status = json_parse(body, &document, error);
    if (status != OCT_OK) {
        json_document_clear(&document);
        return status == OCT_NOMEM ? status : fail_entry("record", error);
    }
    op = yyjson_obj_get(document.root, "op");
    if (yyjson_equals_str(op, "create")) {
        status = reserve_collection(self, error);
        if (status == OCT_OK)
            status = read_collection(self, document.root, sequence, &collection, error);
        if (status == OCT_OK)
            add_collection(self, collection);
    } else if (yyjson_equals_str(op, "update")) {
        status = replay_update(self, sequence, document.root, error);
    } else if (yyjson_equals_str(op, "delete")) {
        collection = catalogue_find_shard(self, yyjson_get_uint(yyjson_obj_get(document.root, "shard")));
        status = OCT_OK;
        if (collection != NULL) {
            remove_collection(self, collection);
            collection_release(collection);
        }
    } else if (yyjson_equals_str(op, "recover")) {
        status = replay_recover(self, sequence, document.root, error);
    } else if (yyjson_equals_str(op, "aliases")) {
        status = read_aliases(self, yyjson_obj_get(document.root, "aliases"), error);
    } else {
        status = fail_entry("record", error);
    }
    if (status == OCT_OK)
        self->catalogue_sequence = sequence;
    json_document_clear(&document);
    return status;
}

/* --- the manifest ---------------------------------------------------------------------------------------- */

oct_status
catalogue_view_new(oct_database *self, catalogue_view *view, oct_error *error)
{
    oct_status status;

    memset(view, 0, sizeof *view);
    (void)pthread_mutex_lock(&self->catalogue_lock);
    status = copy_aliases(self, 0, &view->aliases, &view->alias_count, error);
    if (status == OCT_OK) {
        view->collections = oct_calloc(self->collection_count + 1, sizeof(oct_collection *));
        view->images = oct_calloc(self->collection_count + 1, sizeof *view->images);
        if (view->collections == NULL || view->images == NULL)
            status = oct_fail_memory(error, self->collection_count * sizeof(oct_collection *));
    }
    for (size_t i = 0; status == OCT_OK && i < self->collection_count; i++) {
        view->collections[view->collection_count++] = self->collections[i];
        (void)atomic_fetch_add(&self->collections[i]->references, 1);
    }
    view->next_shard_id = self->next_shard_id;
    view->catalogue_sequence = self->catalogue_sequence;
    view->is_recovering = self->recovering_count > 0;
    (void)pthread_mutex_unlock(&self->catalogue_lock);
    if (status != OCT_OK)
        catalogue_view_clear(view);
    return status;
}

void
catalogue_view_clear(catalogue_view *view)
{
    for (size_t i = 0; i < view->collection_count; i++)
        collection_release(view->collections[i]);
    oct_free(view->collections);
    oct_free(view->images);
    free_aliases(view->aliases, view->alias_count);
    memset(view, 0, sizeof *view);
}

oct_status
catalogue_write(const catalogue_view *view, buffer *out, oct_error *error)
{
    oct_status status = OCT_OK;

    buffer_format(out,
                  "{\"log_sequence\":%" PRIu64 ",\"log_end\":%" PRIu64 ",\"catalogue_sequence\":%" PRIu64
                  ",\"next_shard\":%" PRIu64 ",",
                  view->log_sequence, view->log_end, view->catalogue_sequence, view->next_shard_id);
    write_aliases(out, view->aliases, view->alias_count);
    buffer_add_text(out, ",\"collections\":[");
    for (size_t i = 0; i < view->collection_count && status == OCT_OK; i++) {
        const config_box *box;

        buffer_add_text(out, i == 0 ? "\n{" : ",\n{");
        epoch_pin();
        box = collection_box(view->collections[i]);
        buffer_format(out, "\"changed\":%" PRIu64 ",", box->sequence);
        write_collection_fields(out, view->collections[i], box);
        epoch_unpin();
        buffer_add_text(out, ",\"state\":");
        status = shard_image_write(view->collections[i]->shard, view->images[i], out, error);
        buffer_add_byte(out, '}');
    }
    buffer_add_text(out, "]}\n");
    return status == OCT_OK && out->failed ? oct_fail_memory(error, out->size) : status;
}

oct_status
catalogue_read(oct_database *self, oct_slice manifest, uint64_t *log_sequence, oct_error *error)
{
    json_document document;
    yyjson_val   *entry;
    size_t        index, max;
    oct_status    status = OCT_OK;

    *log_sequence = 0;
    status = json_parse(manifest, &document, error);
    if (status != OCT_OK) {
        json_document_clear(&document);
        return status == OCT_NOMEM ? status : fail_entry("manifest", error);
    }
    *log_sequence = yyjson_get_uint(yyjson_obj_get(document.root, "log_sequence"));
    self->manifest_log_sequence = *log_sequence;
    self->manifest_log_end = yyjson_get_uint(yyjson_obj_get(document.root, "log_end"));
    self->catalogue_sequence = yyjson_get_uint(yyjson_obj_get(document.root, "catalogue_sequence"));
    self->manifest_catalogue_sequence = self->catalogue_sequence;
    self->next_shard_id = yyjson_get_uint(yyjson_obj_get(document.root, "next_shard"));
    yyjson_arr_foreach(yyjson_obj_get(document.root, "collections"), index, max, entry)
    {
        oct_collection *collection = NULL;

        status = reserve_collection(self, error);
        if (status == OCT_OK)
            status = read_entry(self, entry, false, true, 0, &collection, error);
        if (status != OCT_OK)
            break;
        add_collection(self, collection);
    }
    if (status == OCT_OK)
        status = read_aliases(self, yyjson_obj_get(document.root, "aliases"), error);
    json_document_clear(&document);
    return status;
}
