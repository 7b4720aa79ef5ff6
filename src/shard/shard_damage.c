/* A shard whose files cannot be trusted: it is set aside, and the others go on.
 *
 * What its entry in the manifest said is kept word for word and written again at each checkpoint; its files and its records in the
 * log stay where they are. So nothing is lost that a repair, a look by hand, or a better disk could still use. It answers
 * nothing, takes nothing, saves nothing; deleting the collection or recovering it from a snapshot ends that.
 */
#include "base/json.h"
#include "shard/shard_internal.h"

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
