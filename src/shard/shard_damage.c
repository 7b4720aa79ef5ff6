/* A shard whose files cannot be trusted: it is set aside, and the others go on.
 *
 * What its entry in the manifest said is kept word for word and written again at each checkpoint; its files and its records in the
 * log stay where they are. So nothing is lost that a repair, a look by hand, or a better disk could still use. It answers
 * nothing, takes nothing, saves nothing; deleting the collection or recovering it from a snapshot ends that.
 * Behind that: what is made again, so that it need not come to this; and the checks that find damage in one that serves.
 */
#include "base/json.h"
#include "shard/shard_internal.h"

#define MENDED_BYTES_MAX 4096u /* of sentences: what is found later is mended without a word */

oct_status
shard_quarantine(shard *self, oct_slice entry, const char *why, oct_error *error)
{
    json_document document;
    oct_status    status = json_parse(entry, &document, error);

    /* The number of its last record, if there is one to be had: until then nothing of the log is needed. */
    if (status == OCT_OK)
        self->sequence = yyjson_get_uint(yyjson_obj_get(document.root, "sequence"));
    json_document_clear(&document);
    if (status == OCT_NOMEM)
        return status;
    self->damage = oct_copy_text(why, strlen(why));
    self->damaged_entry = oct_copy_text(entry.data, entry.size);
    return self->damage == NULL || self->damaged_entry == NULL ? oct_fail_memory(error, entry.size) : OCT_OK;
}

const char *
shard_damage(const shard *self)
{
    return self->damage;
}

oct_status
shard_fail_damaged(const shard *self, oct_error *error)
{
    return oct_fail(error, OCT_CORRUPT, "%s", self->damage);
}

void
shard_note_mended(shard *self, const char *what)
{
    (void)pthread_mutex_lock(&self->index_lock);
    if (self->mended.size > 0)
        buffer_add_text(&self->mended, "; ");
    if (self->mended.size < MENDED_BYTES_MAX)
        buffer_add_text(&self->mended, what); /* without memory for it the sentence is missing, nothing else */
    (void)pthread_mutex_unlock(&self->index_lock);
    atomic_store(&self->mended_unsaved, true);
}

oct_status
shard_mended(shard *self, arena *memory, const char **out, oct_error *error)
{
    size_t size;

    /* Copied under the lock, which nobody holds for long. */
    (void)pthread_mutex_lock(&self->index_lock);
    size = self->mended.size;
    *out = size == 0 ? NULL : arena_text(memory, self->mended.data, size);
    (void)pthread_mutex_unlock(&self->index_lock);
    return size > 0 && *out == NULL ? oct_fail_memory(error, size) : OCT_OK;
}

/* --- making again what is damaged ------------------------------------------------------------------ */

oct_status
shard_load_map(shard *self, const shard_image *image, bool has_live, oct_error *error)
{
    point_set  *all = &self->points;
    const char *name = shard_image_has_column(image, "places") ? "places" : "map";
    oct_error   why = {0};
    oct_status  status = points_map_new(all, image->map_capacity, &why);

    if (status == OCT_OK)
        status = shard_load_column(self, image, name, points_map_rows(all), image->map_capacity, NULL, &why);
    if (status == OCT_CORRUPT) {
        shard_note_mended(self, why.text);
        return points_make_map(all, image->point_count, has_live, error);
    }
    if (status != OCT_OK && error != NULL)
        *error = why;
    return status;
}

/* The points whose versions lie in a damaged block (check NULL: all) were touched by some operation up to the last that the image
 * covers, and so they have its version. A version says that a point has not changed since: of one that is too high, nothing is
 * believed that is not so. An index of a field looks at the point once more, and whoever compares versions takes it for newer. */
static void
raise_versions(shard *self, const shard_image *image, column_check *check)
{
    enum { A_BLOCK = COLUMN_BLOCK_BYTES / sizeof(uint64_t) };

    for (uint64_t first = 0; first < image->point_count; first += A_BLOCK) {
        const uint64_t end = first + A_BLOCK < image->point_count ? first + A_BLOCK : image->point_count;

        if (check != NULL && column_verify(check, first, end - first, NULL) == OCT_OK)
            continue;
        for (uint64_t point = first; point < end; point++)
            atomic_store_explicit(points_version(&self->points, (uint32_t)point), image->operation, memory_order_relaxed);
    }
}

oct_status
shard_load_versions(shard *self, const shard_image *image, oct_error *error)
{
    rows         *versions = &self->points.versions;
    oct_error     why = {0};
    column_check *check = NULL;
    oct_status    status = shard_load_column(self, image, "versions", versions, image->point_count, &check, &why);

    if (status == OCT_OK)
        status = column_verify(check, 0, image->point_count, &why);
    if (status == OCT_CORRUPT) {
        shard_note_mended(self, why.text);
        status = rows_reserve(versions, image->point_count, &why);
        if (status == OCT_OK)
            raise_versions(self, image, check);
    }
    if (status != OCT_OK && error != NULL)
        *error = why;
    column_check_free(check);
    return status;
}

oct_status
shard_load_numbers(shard *self, const shard_image *image, oct_error *error)
{
    payload_store *store = shard_payload(self);
    oct_error      why = {0};
    oct_status     status = shard_load_column(self, image, "payloads", &store->numbers, image->point_count, NULL, &why);

    /* The heap is empty, and never held a document that a number could lead to. */
    if (status == OCT_CORRUPT && image->unit_count == 0) {
        rows_clear(&store->numbers);
        status = rows_reserve(&store->numbers, image->point_count, error);
        for (uint32_t point = 0; point < image->point_count && status == OCT_OK; point++)
            atomic_store_explicit(payload_number(store, point), HEAP_NONE, memory_order_relaxed);
        if (status == OCT_OK)
            shard_note_mended(self, why.text);
        return status;
    }
    if (status != OCT_OK && error != NULL)
        *error = why;
    return status;
}

oct_status
shard_clear_live(shard *self, uint32_t point_count, oct_error *error)
{
    rows_clear(&self->points.live);
    return rows_reserve(&self->points.live, (uint64_t)point_count / 64 + 1, error);
}

oct_status
shard_make_live(shard *self, const shard_image *image, const oct_error *why, oct_error *error)
{
    const vector_set *set = shard_set(self);
    uint32_t          count = 0;

    for (uint32_t point = 0; point < image->point_count; point++) {
        uint64_t *word = rows_at(&self->points.live, point / 64);
        bool      lives = atomic_load(payload_number(shard_payload(self), point)) != HEAP_NONE;

        for (size_t v = 0; v < set->count && !lives; v++)
            lives = vector_has(set->items[v], point);
        *word |= (uint64_t)lives << (point % 64);
        count += lives;
    }
    if (count != image->live_count)
        return oct_fail(error, OCT_CORRUPT, "%s", why->text);
    shard_note_mended(self, why->text);
    return OCT_OK;
}

/* --- checking ------------------------------------------------------------------------------------- */

uint64_t
shard_checksum(shard *self)
{
    const vector_set *set;
    uint64_t          hash = 0;

    shard_lock_build(self);
    set = shard_set(self);
    for (size_t v = 0; v < set->count; v++)
        if (!vector_is_sparse(set->items[v]))
            hash = mix64(hash ^ graph_checksum(vector_graph(set->items[v])));
    shard_unlock_build(self);
    return hash;
}

/* What holds of a point, alive or dead. */
static oct_status
check_point(const shard *self, uint32_t point, oct_error *error)
{
    const vector_set *set = shard_set(self);
    const point_set  *all = &self->points;
    const bool        is_live = points_is_live(all, point);
    const uint32_t    number = atomic_load(payload_number(shard_payload(self), point));
    oct_slice        document;
    oct_status       status = OCT_OK;

    if (is_live && points_find(all, points_id(all, point)) != point)
        return oct_fail(error, OCT_CORRUPT, "%s: the id of point %u leads elsewhere", self->folder, point);
    if (point > 0 && atomic_load(&all->ascending) &&
        id_compare(points_id(all, point - 1), points_id(all, point)) >= 0)
        return oct_fail(error, OCT_CORRUPT,
                        "%s: the id of point %u is not behind the one before, though all should be",
                        self->folder, point);
    if (number != HEAP_NONE && !is_live)
        return oct_fail(error, OCT_CORRUPT, "%s: point %u is dead and has payload %u", self->folder, point,
                        number);
    for (size_t v = 0; v < set->count && !is_live; v++) {
        if (vector_has(set->items[v], point))
            return oct_fail(error, OCT_CORRUPT, "%s: point %u is dead and has a vector of number %u",
                            self->folder, point, set->items[v]->number);
    }
    if (number != HEAP_NONE)
        status = shard_document(self, point, &document, error);
    return status;
}

oct_status
shard_check(shard *self, oct_error *error)
{
    const vector_set *set;
    uint32_t          live = 0;
    oct_status        status = OCT_OK;

    if (self->damage != NULL)
        return shard_fail_damaged(self, error);
    (void)pthread_mutex_lock(&self->save_lock);
    shard_lock_build(self);
    (void)pthread_mutex_lock(&self->write_lock);
    set = shard_set(self);
    for (size_t i = 0; self->saved != NULL && i < self->saved->column_count && status == OCT_OK; i++) {
        status = column_verify_file(self->system, self->folder, &self->saved->columns[i], error);
        if (status == OCT_CORRUPT)
            shard_lists_are_damaged(self, self->saved->columns[i].name);
    }
    for (uint32_t point = 0; point < atomic_load(&self->points.count) && status == OCT_OK; point++) {
        live += points_is_live(&self->points, point);
        status = check_point(self, point, error);
    }
    if (status == OCT_OK && live != atomic_load(&self->points.live_count))
        status = oct_fail(error, OCT_CORRUPT, "%s: %u points are alive, %u were counted", self->folder, live,
                          atomic_load(&self->points.live_count));
    for (size_t v = 0; v < set->count && status == OCT_OK; v++)
        status = vector_is_sparse(set->items[v]) ? sparse_check(vector_sparse(set->items[v]), error)
                                                 : graph_check(vector_graph(set->items[v]), error);
    (void)pthread_mutex_unlock(&self->write_lock);
    shard_unlock_build(self);
    (void)pthread_mutex_unlock(&self->save_lock);
    shard_kick(self); /* lists that were found damaged are made again */
    return status;
}
