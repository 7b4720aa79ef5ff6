/* The catalogue: which collections and aliases there are, and what they are configured to be.
 *
 * RECORDS  Every change is a record of shard 0 in the log, a small JSON object:
 *              {"op":"create","shard":S,"name":"..","numbers":[..],"next_number":N,"config":{..}}
 *              {"op":"update","shard":S,"numbers":[..],"next_number":N,"config":{..}}   the whole after the change
 *              {"op":"delete","shard":S}                    with all its aliases
 *              {"op":"aliases","aliases":{"name":S, ..}}    all aliases after the change
 *              {"op":"recover","replaces":S or null, ..}    an entry as in the manifest, whose files are there already;
 *                                                           it takes the name and the aliases of shard S
 *          The change is prepared, logged, made, and answered when the log is synced.
 * MANIFEST The same facts for all collections, with each shard's entry (shard/shard_save.c), and "changed", the sequence
 *          of the record that its configuration is from: it may be newer than the manifest's catalogue_sequence, and then
 *          older records must not bring back what it has left behind.
 * SHARDS   have numbers that are never used again; so a deleted collection's late records find nobody.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/epoch.h"
#include "base/json.h"
#include "collection/box.h"
#include "collection/catalogue_internal.h"
#include "collection/select.h"

#define KILOBYTE 1024u
#define GIVE_BACK_BYTES_MIN (1u << 20) /* of files: less is not worth a checkpoint of its own */
#define GIVE_BACK_LOG_MIN   (16u << 20) /* of the log, which may have what was deleted too */
#define POINT_BYTES         300u       /* of codes, links and numbers: what a point has on disk beside vector and payload, at most */

/* --- what a shard is told ------------------------------------------------------------------------------ */

/* Vectors of that many kilobytes, as a number of rows. Rows are padded to cache lines, and cost what they take. */
static uint32_t
rows_of_kilobytes(int64_t kilobytes, int64_t dim)
{
    const uint64_t row_bytes = ((uint64_t)dim * sizeof(float) + 63) / 64 * 64;
    const uint64_t count = (uint64_t)kilobytes > UINT64_MAX / KILOBYTE / 2
                               ? UINT32_MAX
                               : (uint64_t)kilobytes * KILOBYTE / row_bytes;

    return count < GRAPH_ROWS_MAX ? (uint32_t)count : GRAPH_ROWS_MAX;
}

/* What the shard needs to know of one vector. */
static shard_vector_config
shard_config_of(const config_box *box, size_t index)
{
    const oct_collection_config *config = &box->filled;
    const oct_vector_config     *vector = &config->vectors[index];
    const oct_hnsw_config        hnsw = config_vector_hnsw(config, vector);
    const int64_t                indexing = config->optimizer.indexing_threshold;
    shard_vector_config          out = {.number = box->numbers[index]};

    out.deleted_threshold = config->optimizer.deleted_threshold;
    out.vacuum_rows_min = (uint32_t)size_min((size_t)config->optimizer.vacuum_min_vector_number, UINT32_MAX);
    out.sparse = vector->sparse == 1;
    if (out.sparse)
        return out;
    out.params.dim = (uint32_t)vector->size;
    out.params.distance = (oct_distance)vector->distance;
    out.params.multi = vector->multivector == 1;
    out.params.datatype = config_datatype(vector);
    out.params.fine = config_code_bits(config, vector) == 8 && graph_fits_fine(&out.params);
    out.params.m = (uint32_t)hnsw.m;
    out.params.ef_construct = (uint32_t)hnsw.ef_construct;
    out.params.start_rows = indexing == 0 ? GRAPH_START_NEVER : rows_of_kilobytes(indexing, vector->size) + 1;
    out.full_scan_rows = rows_of_kilobytes(hnsw.full_scan_threshold, vector->size);
    out.indexing_threads_max = (uint32_t)hnsw.max_indexing_threads;
    out.links_on_disk = hnsw.memory == OCT_UNSET ? hnsw.on_disk == 1 : hnsw.memory == OCT_MEMORY_COLD;
    out.on_disk = vector->memory == OCT_UNSET ? vector->on_disk == 1 : vector->memory == OCT_MEMORY_COLD;
    return out;
}

static oct_status
shard_configs(const config_box *box, shard_vector_config **out, oct_error *error)
{
    *out = oct_calloc(box->config.vector_count + 1, sizeof **out);
    if (*out == NULL)
        return oct_fail_memory(error, sizeof **out);
    for (size_t i = 0; i < box->config.vector_count; i++)
        (*out)[i] = shard_config_of(box, i);
    return OCT_OK;
}

/* --- collections -------------------------------------------------------------------------------------- */

static rate_limits *
rates_new(void)
{
    rate_limits *self = oct_calloc(1, sizeof *self);

    if (self == NULL)
        return NULL;
    (void)pthread_mutex_init(&self->reads.lock, NULL);
    (void)pthread_mutex_init(&self->writes.lock, NULL);
    return self;
}

static void
rates_free(rate_limits *self)
{
    if (self == NULL)
        return;
    (void)pthread_mutex_destroy(&self->reads.lock);
    (void)pthread_mutex_destroy(&self->writes.lock);
    oct_free(self);
}

static void
collection_free(oct_collection *self)
{
    if (self == NULL)
        return;
    /* Readers may still be pinned on its graphs: wait for them, then take it apart. */
    fields_end(self);
    shard_free(self->shard);
    select_cache_free(atomic_load(&self->selections));
    rates_free(self->rates);
    box_free(atomic_load(&self->box));
    oct_free(self->name);
    oct_free(self);
}

void
collection_release(oct_collection *self)
{
    if (self != NULL && atomic_fetch_sub(&self->references, 1) == 1)
        collection_free(self);
}

/* A compaction has ended: files that are mostly dead, or any on a full disk, go at once and not with the next checkpoint that
 * the log's length asks for. */
static void
give_back(void *context)
{
    const oct_collection *self = context;
    shard_info            info;
    uint64_t              content;

    if (!atomic_load(&self->database->accepts_jobs))
        return;
    shard_describe(self->shard, &info);
    content = info.vector_bytes + info.payload_bytes + info.points * POINT_BYTES;
    if (atomic_load(&self->database->disk_full) || log_bytes(self->database->log) >= GIVE_BACK_LOG_MIN ||
        (info.disk_bytes >= GIVE_BACK_BYTES_MIN && info.disk_bytes / 2 > content))
        database_consider_checkpoint(self->database, true);
}

static bool
admits(void *context, uint64_t bytes)
{
    const oct_collection *self = context;

    return budget_has_room(self->database, bytes);
}

oct_status
collection_new(oct_database *database, oct_slice name, uint64_t shard_id, config_box *box,
               oct_collection **out, oct_error *error)
{
    oct_collection      *self = oct_calloc(1, sizeof *self);
    shard_vector_config *vectors = NULL;
    char                 folder[OS_PATH_MAX];
    const shard_options  options = {.id = shard_id,
                                    .system = database->system,
                                    .pool = database->pool,
                                    .log = database->log,
                                    .folder = folder,
                                    .numbers_end = box->next_number,
                                    .always_files = database->always_files,
                                    .compacted = give_back,
                                    .admits = admits,
                                    .spills = &database->budget.spilling,
                                    .context = self};
    oct_status           status;

    *out = NULL;
    (void)snprintf(folder, sizeof folder, "%s/shard/%" PRIu64, database->path == NULL ? "" : database->path,
                   shard_id);
    if (self == NULL) {
        box_free(box);
        return oct_fail_memory(error, sizeof *self);
    }
    self->database = database;
    self->shard_id = shard_id;
    fields_init(self);
    atomic_store(&self->references, 1);
    atomic_store(&self->box, box);
    self->name = oct_copy_text(name.data, name.size);
    self->rates = rates_new();
    status = self->name == NULL || self->rates == NULL ? oct_fail_memory(error, name.size) : shard_configs(box, &vectors, error);
    if (status == OCT_OK)
        status = shard_new(&options, vectors, box->config.vector_count, &self->shard, error);
    oct_free(vectors);
    if (status != OCT_OK) {
        collection_free(self);
        return status;
    }
    if (database->read_only) /* there may be a writer, who replaces files */
        shard_drop(self->shard);
    *out = self;
    return OCT_OK;
}

/* Place of a name among the collections: where it is, or where it belongs. */
static size_t
collection_place(const oct_database *self, oct_slice name, bool *found)
{
    size_t low = 0, high = self->collection_count;

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (slice_compare(slice_of(self->collections[middle]->name), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < self->collection_count && slice_is(name, self->collections[low]->name);
    return low;
}

static size_t
alias_place(const oct_database *self, oct_slice name, bool *found)
{
    size_t low = 0, high = self->alias_count;

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (slice_compare(slice_of(self->aliases[middle].name), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < self->alias_count && slice_is(name, self->aliases[low].name);
    return low;
}

static size_t
shard_place(const oct_database *self, uint64_t shard_id)
{
    size_t low = 0, high = self->collection_count;

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (self->by_shard[middle]->shard_id < shard_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

oct_collection *
catalogue_find_shard(const oct_database *self, uint64_t shard_id)
{
    const size_t place = shard_place(self, shard_id);

    return place < self->collection_count && self->by_shard[place]->shard_id == shard_id
               ? self->by_shard[place]
               : NULL;
}

/* Under the lock. */
oct_collection *
find_collection(const oct_database *self, oct_slice name, bool or_alias)
{
    bool   found;
    size_t place = collection_place(self, name, &found);

    if (found)
        return self->collections[place];
    if (!or_alias)
        return NULL;
    place = alias_place(self, name, &found);
    return found ? catalogue_find_shard(self, self->aliases[place].shard_id) : NULL;
}

oct_status
fail_no_collection(oct_slice name, oct_error *error)
{
    return oct_fail(error, OCT_NOT_FOUND, "Collection `" SLICE_FMT "` doesn't exist!", SLICE_ARG(name));
}

oct_status
catalogue_find_any(oct_database *self, oct_slice name, oct_collection **out, oct_error *error)
{
    (void)pthread_mutex_lock(&self->catalogue_lock);
    *out = find_collection(self, name, true);
    if (*out != NULL)
        (void)atomic_fetch_add(&(*out)->references, 1);
    (void)pthread_mutex_unlock(&self->catalogue_lock);
    return *out != NULL ? OCT_OK : fail_no_collection(name, error);
}

oct_status
catalogue_find(oct_database *self, oct_slice name, oct_collection **out, oct_error *error)
{
    oct_status status = catalogue_find_any(self, name, out, error);

    if (status != OCT_OK || shard_damage((*out)->shard) == NULL)
        return status;
    status = oct_fail(error, OCT_CORRUPT,
                      "Collection `%s` is damaged: %s. Recover it from a snapshot, or delete it; other collections are not touched",
                      (*out)->name, shard_damage((*out)->shard));
    collection_release(*out);
    *out = NULL;
    return status;
}

/* Room for one more, so that adding cannot fail. */
oct_status
reserve_collection(oct_database *self, oct_error *error)
{
    const size_t     capacity = self->collection_capacity * 2 + 8;
    oct_collection **fresh;

    if (self->collection_count < self->collection_capacity)
        return OCT_OK;
    fresh = oct_realloc(self->collections, capacity * sizeof(oct_collection *));
    if (fresh == NULL)
        return oct_fail_memory(error, capacity * sizeof(oct_collection *));
    self->collections = fresh;
    fresh = oct_realloc(self->by_shard, capacity * sizeof(oct_collection *));
    if (fresh == NULL)
        return oct_fail_memory(error, capacity * sizeof(oct_collection *));
    self->by_shard = fresh;
    self->collection_capacity = capacity;
    return OCT_OK;
}

static void
insert(oct_collection **list, size_t count, size_t place, oct_collection *collection)
{
    memmove(&list[place + 1], &list[place], (count - place) * sizeof(oct_collection *));
    list[place] = collection;
}

static void
take_out(oct_collection **list, size_t count, size_t place)
{
    memmove(&list[place], &list[place + 1], (count - place - 1) * sizeof(oct_collection *));
}

void
add_collection(oct_database *self, oct_collection *collection)
{
    bool         found;
    const size_t place = collection_place(self, slice_of(collection->name), &found);

    OCT_MUST(!found && self->collection_count < self->collection_capacity);
    insert(self->collections, self->collection_count, place, collection);
    insert(self->by_shard, self->collection_count, shard_place(self, collection->shard_id), collection);
    self->collection_count++;
    if (collection->shard_id >= self->next_shard_id)
        self->next_shard_id = collection->shard_id + 1;
}

static void
remove_aliases_of(oct_database *self, uint64_t shard_id)
{
    size_t kept = 0;

    for (size_t i = 0; i < self->alias_count; i++) {
        if (self->aliases[i].shard_id == shard_id)
            oct_free(self->aliases[i].name);
        else
            self->aliases[kept++] = self->aliases[i];
    }
    self->alias_count = kept;
}

void
remove_collection(oct_database *self, oct_collection *collection)
{
    bool         found;
    const size_t place = collection_place(self, slice_of(collection->name), &found);

    OCT_MUST(found);
    remove_aliases_of(self, collection->shard_id);
    take_out(self->by_shard, self->collection_count, shard_place(self, collection->shard_id));
    take_out(self->collections, self->collection_count, place);
    self->collection_count--;
}

/* --- changes ------------------------------------------------------------------------------------------------ */

oct_status
refuse_read_only(const oct_database *self, oct_error *error)
{
    if (!self->read_only)
        return OCT_OK;
    return oct_fail(error, OCT_FORBIDDEN, "the database %s was opened for reading only", self->path);
}

/* Append one record of shard 0. `frees`: it only takes away. Under the lock. */
oct_status
log_change(oct_database *self, buffer *body, bool frees, uint64_t *sequence, oct_error *error)
{
    const oct_slice part = {body->data, body->size};
    oct_status      status;

    if (body->failed)
        return oct_fail_memory(error, body->size);
    status = frees ? log_append_freeing(self->log, 0, &part, 1, sequence, error)
                   : log_append(self->log, 0, &part, 1, sequence, error);
    if (status == OCT_OK)
        self->catalogue_sequence = *sequence;
    return status;
}

static void
write_box(buffer *out, const config_box *box)
{
    buffer_add_text(out, "\"numbers\":[");
    for (size_t i = 0; i < box->config.vector_count; i++)
        buffer_format(out, i == 0 ? "%" PRIu32 : ",%" PRIu32, box->numbers[i]);
    buffer_format(out, "],\"next_number\":%" PRIu32 ",\"config\":", box->next_number);
    config_write(&box->config, out);
}

void
write_collection_fields(buffer *out, const oct_collection *collection, const config_box *box)
{
    buffer_format(out, "\"shard\":%" PRIu64 ",\"name\":", collection->shard_id);
    json_add_text(out, slice_of(collection->name));
    buffer_add_byte(out, ',');
    write_box(out, box);
}

oct_status
catalogue_create(oct_database *self, oct_slice name, const oct_collection_config *config, oct_error *error)
{
    oct_collection *made = NULL;
    config_box     *box;
    buffer          body = {0};
    uint64_t        sequence = 0;
    bool            taken, taken_by_alias;
    oct_status      status = refuse_read_only(self, error);

    if (status == OCT_OK)
        status = config_check_name("collection name", name, OCT_COLLECTION_NAME_MAX, error);
    if (status == OCT_OK)
        status = config_check(config, error);
    if (status == OCT_OK)
        status = box_new(config, NULL, 0, NULL, &box, error);
    if (status != OCT_OK)
        return status;
    (void)pthread_mutex_lock(&self->catalogue_lock);
    (void)collection_place(self, name, &taken);
    (void)alias_place(self, name, &taken_by_alias);
    if (taken)
        status = oct_fail(error, OCT_EXISTS, "Collection `" SLICE_FMT "` already exists!", SLICE_ARG(name));
    else if (taken_by_alias)
        status = oct_fail(error, OCT_INVALID,
                          "Can't create collection with name " SLICE_FMT
                          ". Alias with the same name already exists",
                          SLICE_ARG(name));
    else if (self->collections_max != 0 && self->collection_count >= self->collections_max)
        status = oct_fail(error, OCT_BAD_REQUEST,
                          "Can't create collection with name " SLICE_FMT ". Max collections limit reached: %u",
                          SLICE_ARG(name), self->collections_max);
    else
        status = reserve_collection(self, error);
    if (status == OCT_OK)
        status = collection_new(self, name, self->next_shard_id, box, &made, error);
    else
        box_free(box);
    if (status == OCT_OK) {
        buffer_add_text(&body, "{\"op\":\"create\",");
        write_collection_fields(&body, made, collection_box(made));
        buffer_add_byte(&body, '}');
        status = log_change(self, &body, false, &sequence, error);
    }
    if (status == OCT_OK) {
        box->sequence = sequence;
        add_collection(self, made);
    } else
        collection_release(made);
    (void)pthread_mutex_unlock(&self->catalogue_lock);
    buffer_clear(&body);
    return status == OCT_OK ? log_wait(self->log, sequence, error) : status;
}

/* Put a box in place and tell the shard, whose view of it `names` is. Cannot fail: the record is in the log. The shard
 * first, so that who reads the box finds the vectors that it names. */
void
set_box(oct_collection *self, config_box *box, uint64_t sequence, shard_vectors *names)
{
    config_box *old;

    box->sequence = sequence;
    shard_set_vectors(self->shard, names);
    old = atomic_exchange(&self->box, box);
    epoch_retire(old, box_free);
}

/* What a box asks of its shard, planned. */
oct_status
plan_box(oct_collection *self, const config_box *box, shard_vectors **out, oct_error *error)
{
    shard_vector_config *vectors;
    oct_status           status = shard_configs(box, &vectors, error);

    *out = NULL;
    if (status == OCT_OK)
        status = shard_plan_vectors(self->shard, vectors, box->config.vector_count, out, error);
    oct_free(vectors);
    return status;
}

/* A change of a configuration: one of these. */
typedef struct config_change {
    const oct_collection_config *changes;
    const oct_collection_config *additions;
    const oct_slice             *removed; /* name of a vector */
    catalogue_make               make;    /* with its context */
    const void                  *context;
    oct_collection              *opened;  /* of this collection: an index of a field ... */
    const oct_field_index       *added_field;
    oct_slice                    removed_field;
} config_change;

static oct_status
change_config(const oct_collection_config *before, const config_change *change, arena *memory,
              oct_collection_config *out, oct_error *error)
{
    oct_status status;

    if (change->make != NULL)
        return change->make(change->context, before, memory, out, error);
    if (change->opened != NULL) {
        status = config_copy(before, memory, out, error);
        return status != OCT_OK ? status
                                : config_change_fields(out, change->added_field, change->removed_field, memory, out,
                                                       error);
    }
    if (change->changes != NULL)
        return config_merge(before, change->changes, memory, out, error);
    if (change->additions != NULL)
        return config_add_vectors(before, change->additions, memory, out, error);
    return config_remove_vector(before, *change->removed, memory, out, error);
}

/* Has something gone - a name, an index, a shard key - and nothing come? */
static bool
has_shrunk(const oct_collection_config *before, const oct_collection_config *after)
{
    return after->vector_count <= before->vector_count && after->field_index_count <= before->field_index_count &&
           after->shard_key_count <= before->shard_key_count &&
           after->vector_count + after->field_index_count + after->shard_key_count <
               before->vector_count + before->field_index_count + before->shard_key_count;
}

static oct_status
change_collection(oct_database *self, oct_slice name, const config_change *change, oct_error *error)
{
    oct_collection       *collection;
    oct_collection_config changed;
    config_box           *box = NULL;
    shard_vectors        *names = NULL;
    arena                 memory = {0};
    buffer                body = {0};
    uint64_t              sequence = 0;
    oct_status            status = refuse_read_only(self, error);

    if (status != OCT_OK)
        return status;
    /* Found and changed under one lock: the log must not have a change of a collection behind its deletion. */
    (void)pthread_mutex_lock(&self->catalogue_lock);
    if (change->opened == NULL)
        collection = find_collection(self, name, true);
    else
        collection = catalogue_find_shard(self, change->opened->shard_id);
    if (collection == NULL) {
        (void)pthread_mutex_unlock(&self->catalogue_lock);
        return fail_no_collection(name, error);
    }
    (void)atomic_fetch_add(&collection->references, 1);
    if (shard_damage(collection->shard) != NULL)
        status = shard_fail_damaged(collection->shard, error);
    if (status == OCT_OK)
        status = change_config(&collection_box(collection)->config, change, &memory, &changed, error);
    if (status == OCT_OK)
        status = config_check(&changed, error);
    if (status == OCT_OK)
        status = box_after(collection_box(collection), &changed, &box, error);
    if (status == OCT_OK)
        status = plan_box(collection, box, &names, error);
    if (status == OCT_OK) {
        buffer_format(&body, "{\"op\":\"update\",\"shard\":%" PRIu64 ",", collection->shard_id);
        write_box(&body, box);
        buffer_add_byte(&body, '}');
        status = log_change(self, &body, has_shrunk(&collection_box(collection)->config, &changed), &sequence, error);
    }
    if (status == OCT_OK) {
        set_box(collection, box, sequence, names);
    } else {
        shard_vectors_free(collection->shard, names);
        box_free(box);
    }
    (void)pthread_mutex_unlock(&self->catalogue_lock);
    arena_clear(&memory);
    buffer_clear(&body);
    if (status == OCT_OK)
        status = log_wait(self->log, sequence, error);
    if (change->additions != NULL || change->removed != NULL)
        shard_bury_vectors(collection->shard, false);
    /* Graph settings hold from the next compaction on: let there be one. Without it the change is made all the same. */
    if (status == OCT_OK && shard_needs_rebuild(collection->shard))
        (void)collection_optimize(collection, false, NULL);
    collection_release(collection);
    return status;
}

/* Another collection takes over a name and its aliases. There is room for it. */
void
replace_collection(oct_database *self, oct_collection *old, oct_collection *made)
{
    for (size_t i = 0; i < self->alias_count && old != NULL; i++) {
        if (self->aliases[i].shard_id == old->shard_id)
            self->aliases[i].shard_id = made->shard_id;
    }
    if (old != NULL)
        remove_collection(self, old);
    add_collection(self, made);
}

oct_status
catalogue_change(oct_database *self, oct_slice name, catalogue_make make, const void *context, oct_error *error)
{
    const config_change change = {.make = make, .context = context};

    return change_collection(self, name, &change, error);
}

oct_status
catalogue_update(oct_database *self, oct_slice name, const oct_collection_config *changes, oct_error *error)
{
    const config_change change = {.changes = changes};

    return change_collection(self, name, &change, error);
}

oct_status
catalogue_add_vectors(oct_database *self, oct_slice name, const oct_collection_config *additions,
                      oct_error *error)
{
    const config_change change = {.additions = additions};

    return change_collection(self, name, &change, error);
}

oct_status
catalogue_remove_vector(oct_database *self, oct_slice name, oct_slice vector, oct_error *error)
{
    const config_change change = {.removed = &vector};

    return change_collection(self, name, &change, error);
}

oct_status
catalogue_change_fields(oct_collection *collection, const oct_field_index *added, oct_slice removed, oct_error *error)
{
    const config_change change = {.opened = collection, .added_field = added, .removed_field = removed};

    return change_collection(collection->database, slice_of(collection->name), &change, error);
}

oct_status
catalogue_delete(oct_database *self, oct_slice name, bool *existed, oct_error *error)
{
    oct_collection *collection;
    buffer          body = {0};
    uint64_t        sequence = 0;
    oct_status      status = refuse_read_only(self, error);

    *existed = false;
    if (status != OCT_OK)
        return status;
    (void)pthread_mutex_lock(&self->catalogue_lock);
    collection = find_collection(self, name, false);
    if (collection != NULL) {
        buffer_format(&body, "{\"op\":\"delete\",\"shard\":%" PRIu64 "}", collection->shard_id);
        status = log_change(self, &body, true, &sequence, error);
        if (status == OCT_OK) {
            shard_drop(collection->shard);
            remove_collection(self, collection);
        }
    }
    (void)pthread_mutex_unlock(&self->catalogue_lock);
    buffer_clear(&body);
    if (collection == NULL || status != OCT_OK)
        return status;
    *existed = true;
    collection_release(collection);
    status = log_wait(self->log, sequence, error);
    /* Its files go with the next checkpoint, which no longer names them. */
    database_consider_checkpoint(self, true);
    return status;
}

void
catalogue_clear(oct_database *self)
{
    for (size_t i = 0; i < self->collection_count; i++)
        collection_release(self->collections[i]);
    oct_free(self->collections);
    oct_free(self->by_shard);
    free_aliases(self->aliases, self->alias_count);
    self->collections = self->by_shard = NULL;
    self->aliases = NULL;
    self->collection_count = self->alias_count = 0;
}
