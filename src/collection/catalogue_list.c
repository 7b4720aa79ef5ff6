/* Who is there: the names of collections and aliases, as one allocation each. */
#include "collection/catalogue_internal.h"

/* One allocation that holds the lists and the texts they point to. */
static oct_status
names_new(size_t count, size_t text_bytes, bool with_targets, oct_names **out, char **text, oct_error *error)
{
    const size_t lists = with_targets ? 2 : 1;
    const size_t bytes = sizeof(oct_names) + lists * count * sizeof(oct_slice) + text_bytes;
    oct_names   *names = oct_calloc(1, bytes);
    oct_slice   *items;

    *out = names;
    if (names == NULL)
        return oct_fail_memory(error, bytes);
    items = (oct_slice *)(void *)(names + 1);
    names->items = items;
    names->targets = with_targets ? items + count : NULL;
    *text = (char *)(items + lists * count);
    return OCT_OK;
}

static oct_slice
put_text(char **at, const char *text)
{
    const oct_slice out = {*at, strlen(text)};

    memcpy(*at, text, out.size + 1);
    *at += out.size + 1;
    return out;
}

oct_status
catalogue_list(oct_database *self, oct_names **out, oct_error *error)
{
    size_t     bytes = 0;
    char      *text = NULL;
    oct_status status;

    (void)pthread_mutex_lock(&self->catalogue_lock);
    for (size_t i = 0; i < self->collection_count; i++)
        bytes += strlen(self->collections[i]->name) + 1;
    status = names_new(self->collection_count, bytes, false, out, &text, error);
    for (size_t i = 0; status == OCT_OK && i < self->collection_count; i++)
        ((oct_slice *)(uintptr_t)(*out)->items)[(*out)->count++] =
            put_text(&text, self->collections[i]->name);
    (void)pthread_mutex_unlock(&self->catalogue_lock);
    return status;
}

oct_status
catalogue_list_aliases(oct_database *self, oct_slice collection, oct_names **out, oct_error *error)
{
    const oct_collection *only = NULL;
    size_t                bytes = 0;
    char                 *text = NULL;
    oct_status            status = OCT_OK;

    (void)pthread_mutex_lock(&self->catalogue_lock);
    if (collection.size > 0) {
        only = find_collection(self, collection, true);
        if (only == NULL)
            status = fail_no_collection(collection, error);
    }
    for (size_t i = 0; i < self->alias_count; i++) {
        const oct_collection *target = catalogue_find_shard(self, self->aliases[i].shard_id);

        OCT_MUST(target != NULL);
        bytes += strlen(self->aliases[i].name) + strlen(target->name) + 2;
    }
    if (status == OCT_OK)
        status = names_new(self->alias_count, bytes, true, out, &text, error);
    for (size_t i = 0; status == OCT_OK && i < self->alias_count; i++) {
        const oct_collection *target = catalogue_find_shard(self, self->aliases[i].shard_id);

        if (only != NULL && target != only)
            continue;
        ((oct_slice *)(uintptr_t)(*out)->items)[(*out)->count] = put_text(&text, self->aliases[i].name);
        ((oct_slice *)(uintptr_t)(*out)->targets)[(*out)->count++] = put_text(&text, target->name);
    }
    (void)pthread_mutex_unlock(&self->catalogue_lock);
    return status;
}
