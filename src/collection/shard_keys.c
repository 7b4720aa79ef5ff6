/* See shard_keys.h. */
#include "collection/shard_keys.h"

#include "base/epoch.h"

/* --- reading ------------------------------------------------------------------------------------------- */

uint32_t
shard_keys_next(const oct_collection *self, const config_box *box, const oct_id *id, const oct_shard_key *keys,
                size_t key_count, size_t *at)
{
    const point_set *all = shard_points(self->shard);
    oct_id           whole = {id->high, id->low, id->is_uuid, 0};
    const size_t     count = key_count > 0 ? key_count : box->config.shard_key_count;

    if (!box_has_shard_keys(box))
        return (*at)++ == 0 ? points_find_live(all, &whole) : POINT_NONE;
    while (*at < count) {
        const oct_shard_key_info *info = key_count > 0 ? config_find_shard_key(&box->config, &keys[*at])
                                                       : &box->config.shard_keys[*at];
        uint32_t                  point;

        (*at)++;
        if (info == NULL)
            continue;
        whole.reserved = info->number;
        point = points_find_live(all, &whole);
        if (point != POINT_NONE)
            return point;
    }
    return POINT_NONE;
}

void
shard_keys_of_filter(const oct_filter *filter, const oct_shard_key **keys, size_t *count)
{
    *keys = NULL;
    *count = 0;
    for (size_t i = 0; filter != NULL && i < filter->must_count; i++) {
        if (filter->must[i].kind == OCT_CONDITION_SHARD_KEY) {
            *keys = filter->must[i].shard_keys;
            *count = filter->must[i].shard_key_count;
            return;
        }
    }
}

/* --- writing ------------------------------------------------------------------------------------------- */

oct_status
shard_keys_of_write(const oct_collection *self, const oct_write_options *options, arena *memory, uint32_t **numbers,
                    size_t *count, oct_error *error)
{
    const size_t      given = options == NULL ? 0 : options->shard_key_count;
    const config_box *box;
    oct_status        status = OCT_OK;

    *count = size_max(given, 1);
    *numbers = arena_array(memory, *count, sizeof **numbers);
    if (*numbers == NULL)
        return oct_fail_memory(error, *count * sizeof **numbers);
    epoch_pin();
    box = collection_box(self);
    if (given == 0 && box_has_shard_keys(box))
        status = oct_fail(error, OCT_INVALID, "Shard key not specified");
    for (size_t i = 0; i < given && status == OCT_OK; i++) {
        const oct_shard_key_info *info = config_find_shard_key(&box->config, &options->shard_keys[i]);

        if (info == NULL)
            status = shard_key_fail_unknown(&options->shard_keys[i], OCT_INVALID, error);
        else
            (*numbers)[i] = info->number;
    }
    epoch_unpin();
    return status;
}

/* A shard_resolve: the ids of all live points of a key. */
static oct_status
add_points_of(void *context, batch *write, arena *memory, oct_error *error)
{
    oct_collection  *self = ((void **)context)[0];
    const uint32_t   number = *(const uint32_t *)((void **)context)[1];
    const point_set *all = shard_points(self->shard);
    oct_id          *ids = arena_array(memory, (size_t)atomic_load(&all->live_count) + 1, sizeof *ids);

    if (ids == NULL)
        return oct_fail_memory(error, (size_t)atomic_load(&all->live_count) * sizeof *ids);
    epoch_pin();
    for (uint32_t point = 0; point < atomic_load(&all->count); point++)
        if (points_is_live(all, point) && points_id(all, point)->reserved == number)
            ids[write->count++] = *points_id(all, point);
    epoch_unpin();
    write->ids = ids;
    return OCT_OK;
}

oct_status
shard_keys_delete_points(oct_collection *self, uint32_t number, oct_error *error)
{
    void      *context[] = {self, &number};
    batch      write = {.op = BATCH_DELETE};
    uint64_t   sequence = 0;
    oct_status status = shard_write_resolved(self->shard, &write, add_points_of, context, &sequence, error);

    if (status == OCT_OK)
        status = log_wait(self->database->log, sequence, error);
    return status;
}

/* --- the catalogue's part ------------------------------------------------------------------------------- */

static oct_status
check_new_key(const oct_collection_config *base, const oct_shard_key_info *given, oct_error *error)
{
    const oct_shard_key *key = &given->key;

    if (base->sharding_method != 1)
        return oct_fail(error, OCT_BAD_REQUEST,
                        "Shard Key cannot be created with Auto sharding method; create the collection with "
                        "sharding_method: custom");
    if (!key->is_number && (key->text.size == 0 || key->text.size > OCT_SHARD_KEY_MAX || !utf8_is_valid(key->text)))
        return oct_fail(error, OCT_RANGE, "shard_key: a text of 1 to %u bytes of UTF-8 is wanted, this one has %zu bytes",
                        OCT_SHARD_KEY_MAX, key->text.size);
    if (config_find_shard_key(base, key) != NULL) {
        if (key->is_number)
            return oct_fail(error, OCT_BAD_REQUEST, "Shard key %llu already exists", (unsigned long long)key->number);
        return oct_fail(error, OCT_BAD_REQUEST, "Shard key " SLICE_FMT " already exists", SLICE_ARG(key->text));
    }
    if (base->shard_key_count >= OCT_SHARD_KEYS_MAX)
        return oct_fail(error, OCT_RANGE, "shard_key: a collection has at most %u shard keys; delete one first",
                        OCT_SHARD_KEYS_MAX);
    return OCT_OK;
}

/* catalogue_change: add the key `context` points to. */
static oct_status
add_key(const void *context, const oct_collection_config *base, arena *memory, oct_collection_config *out,
        oct_error *error)
{
    const oct_shard_key_info *given = context;
    oct_shard_key_info       *keys = arena_array(memory, base->shard_key_count + 1, sizeof *keys);
    oct_status                status = check_new_key(base, given, error);

    if (status == OCT_OK && keys == NULL)
        status = oct_fail_memory(error, base->shard_key_count * sizeof *keys);
    if (status != OCT_OK)
        return status;
    *out = *base;
    if (base->shard_key_count > 0)
        memcpy(keys, base->shard_keys, base->shard_key_count * sizeof *keys);
    keys[base->shard_key_count] = *given;
    keys[base->shard_key_count].number = (uint32_t)(base->shard_keys_made + 1);
    if (given->shard_number == 0)
        keys[base->shard_key_count].shard_number = base->shard_number == OCT_UNSET ? 1 : (uint32_t)base->shard_number;
    if (given->replication_factor == 0)
        keys[base->shard_key_count].replication_factor =
            base->replication_factor == OCT_UNSET ? 1 : (uint32_t)base->replication_factor;
    out->shard_keys = keys;
    out->shard_key_count = base->shard_key_count + 1;
    out->shard_keys_made = base->shard_keys_made + 1;
    return OCT_OK;
}

static oct_status
remove_key(const void *context, const oct_collection_config *base, arena *memory, oct_collection_config *out,
           oct_error *error)
{
    const oct_shard_key      *key = context;
    const oct_shard_key_info *found = config_find_shard_key(base, key);
    oct_shard_key_info       *keys = arena_array(memory, base->shard_key_count + 1, sizeof *keys);

    if (found == NULL)
        return shard_key_fail_unknown(key, OCT_BAD_REQUEST, error);
    if (keys == NULL)
        return oct_fail_memory(error, base->shard_key_count * sizeof *keys);
    *out = *base;
    out->shard_key_count = 0;
    for (size_t i = 0; i < base->shard_key_count; i++)
        if (&base->shard_keys[i] != found)
            keys[out->shard_key_count++] = base->shard_keys[i];
    out->shard_keys = keys;
    return OCT_OK;
}

oct_status
oct_shard_key_create(oct_database *database, oct_slice collection, const oct_shard_key_info *key, oct_error *error)
{
    return catalogue_change(database, collection, add_key, key, error);
}

/* The points go first, and again when no write can come any more: between the two some may have come. A crash in
 * between leaves the key and no points, and the caller was told nothing yet. */
oct_status
oct_shard_key_delete(oct_database *database, oct_slice collection, const oct_shard_key *key, oct_error *error)
{
    oct_collection *self = NULL;
    uint32_t        number = 0;
    oct_status      status = catalogue_find(database, collection, &self, error);

    if (status == OCT_OK) {
        const oct_shard_key_info *found;

        epoch_pin();
        found = config_find_shard_key(&collection_box(self)->config, key);
        number = found == NULL ? 0 : found->number;
        epoch_unpin();
        if (number == 0)
            status = shard_key_fail_unknown(key, OCT_BAD_REQUEST, error);
    }
    if (status == OCT_OK && database->read_only)
        status = oct_fail(error, OCT_FORBIDDEN, "the database %s was opened for reading only", database->path);
    if (status == OCT_OK)
        status = shard_keys_delete_points(self, number, error);
    if (status == OCT_OK)
        status = catalogue_change(database, collection, remove_key, key, error);
    if (status == OCT_OK)
        status = shard_keys_delete_points(self, number, error);
    collection_release(self);
    return status;
}
