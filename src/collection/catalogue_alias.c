/* Aliases: other names of collections. Every change makes a new list, logs it whole, and puts it in the place of the old one. */
#include <inttypes.h>
#include <stdlib.h>

#include "collection/catalogue_internal.h"

void
free_aliases(alias *aliases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        oct_free(aliases[i].name);
    oct_free(aliases);
}

static int
compare_aliases(const void *a, const void *b)
{
    return slice_compare(slice_of(((const alias *)a)->name), slice_of(((const alias *)b)->name));
}

static alias *
find_alias(alias *aliases, size_t count, oct_slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_is(name, aliases[i].name))
            return &aliases[i];
    }
    return NULL;
}

/* Apply one change to a list that has room for it. */
static oct_status
change_alias(const oct_database *self, alias *aliases, size_t *count, const oct_alias_change *change,
             oct_error *error)
{
    alias          *found = find_alias(aliases, *count, change->alias);
    oct_slice       name = change->action == OCT_ALIAS_RENAME ? change->collection : change->alias;
    oct_collection *target = NULL;
    uint64_t        shard_id;
    alias          *at;
    char           *copy;
    oct_status      status;

    if (change->action == OCT_ALIAS_DELETE) {
        if (found != NULL) {
            oct_free(found->name);
            *found = aliases[--*count];
        }
        return OCT_OK;
    }
    if (change->action == OCT_ALIAS_RENAME && found == NULL)
        return oct_fail(error, OCT_NOT_FOUND, "Alias " SLICE_FMT " does not exists!",
                        SLICE_ARG(change->alias));
    status = config_check_name("alias name", name, OCT_COLLECTION_NAME_MAX, error);
    if (status != OCT_OK)
        return status;
    if (find_collection(self, name, false) != NULL)
        return oct_fail(error, OCT_EXISTS, "Collection `" SLICE_FMT "` already exists!", SLICE_ARG(name));
    if (change->action == OCT_ALIAS_CREATE) {
        target = find_collection(self, change->collection, false);
        if (target == NULL)
            return fail_no_collection(change->collection, error);
        shard_id = target->shard_id;
    } else {
        shard_id = found->shard_id;
    }
    copy = oct_copy_text(name.data, name.size);
    if (copy == NULL)
        return oct_fail_memory(error, name.size);
    if (change->action == OCT_ALIAS_RENAME) {
        oct_free(found->name);
        *found = aliases[--*count];
    }
    at = find_alias(aliases, *count, name);
    if (at == NULL) {
        at = &aliases[(*count)++];
        at->name = NULL;
    }
    oct_free(at->name);
    *at = (alias){copy, shard_id};
    return OCT_OK;
}

oct_status
copy_aliases(const oct_database *self, size_t extra, alias **out, size_t *count, oct_error *error)
{
    *count = 0;
    *out = oct_calloc(self->alias_count + extra + 1, sizeof **out);
    if (*out == NULL)
        return oct_fail_memory(error, self->alias_count * sizeof **out);
    for (size_t i = 0; i < self->alias_count; i++) {
        (*out)[i] = (alias){oct_copy_text(self->aliases[i].name, strlen(self->aliases[i].name)),
                            self->aliases[i].shard_id};
        if ((*out)[i].name == NULL) {
            free_aliases(*out, *count);
            *out = NULL;
            return oct_fail_memory(error, 1);
        }
        (*count)++;
    }
    return OCT_OK;
}

void
write_aliases(buffer *out, const alias *aliases, size_t count)
{
    buffer_add_text(out, "\"aliases\":{");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_add_byte(out, ',');
        json_add_text(out, slice_of(aliases[i].name));
        buffer_format(out, ":%" PRIu64, aliases[i].shard_id);
    }
    buffer_add_byte(out, '}');
}

static void
set_aliases(oct_database *self, alias *aliases, size_t count, size_t capacity)
{
    free_aliases(self->aliases, self->alias_count);
    qsort(aliases, count, sizeof *aliases, compare_aliases);
    self->aliases = aliases;
    self->alias_count = count;
    self->alias_capacity = capacity;
}

oct_status
catalogue_change_aliases(oct_database *self, const oct_alias_change *changes, size_t count, oct_error *error)
{
    alias     *fresh = NULL;
    size_t     fresh_count = 0;
    buffer     body = {0};
    uint64_t   sequence = 0;
    oct_status status = refuse_read_only(self, error);

    if (status != OCT_OK)
        return status;
    (void)pthread_mutex_lock(&self->catalogue_lock);
    status = copy_aliases(self, count, &fresh, &fresh_count, error);
    for (size_t i = 0; i < count && status == OCT_OK; i++)
        status = change_alias(self, fresh, &fresh_count, &changes[i], error);
    if (status == OCT_OK) {
        buffer_add_text(&body, "{\"op\":\"aliases\",");
        write_aliases(&body, fresh, fresh_count);
        buffer_add_byte(&body, '}');
        status = log_change(self, &body, true, &sequence, error);
    }
    if (status == OCT_OK)
        set_aliases(self, fresh, fresh_count, fresh_count);
    else
        free_aliases(fresh, fresh_count);
    (void)pthread_mutex_unlock(&self->catalogue_lock);
    buffer_clear(&body);
    return status == OCT_OK ? log_wait(self->log, sequence, error) : status;
}

oct_status
read_aliases(oct_database *self, yyjson_val *object, oct_error *error)
{
    alias      *fresh;
    size_t      count = 0, index, max;
    yyjson_val *key, *value;

    if (!yyjson_is_obj(object))
        return fail_entry("list of aliases", error);
    fresh = oct_calloc(yyjson_obj_size(object) + 1, sizeof *fresh);
    if (fresh == NULL)
        return oct_fail_memory(error, yyjson_obj_size(object) * sizeof *fresh);
    yyjson_obj_foreach(object, index, max, key, value)
    {
        char *name = oct_copy_text(yyjson_get_str(key), yyjson_get_len(key));

        if (name == NULL) {
            free_aliases(fresh, count);
            return oct_fail_memory(error, yyjson_get_len(key));
        }
        fresh[count++] = (alias){name, yyjson_get_uint(value)};
    }
    set_aliases(self, fresh, count, count);
    return OCT_OK;
}
