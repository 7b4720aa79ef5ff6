/* records.h - points of a shard as records that outlive them.
 *
 * A record list is one allocation in an arena of its own, copied while pinned, so that the caller may keep it for as
 * long as it likes, whatever happens to the points. For src/collection only; the caller is pinned (base/epoch.h).
 */
#ifndef OCT_COLLECTION_RECORDS_H
#define OCT_COLLECTION_RECORDS_H

#include "collection/collection.h"
#include "payload/document.h"

/* What an oct_records pointer really points to. */
typedef struct record_list {
    oct_records records; /* first */
    arena       memory;
    oct_record *items;
    size_t      capacity;
    /* The shard key of the last record: the next has often the same. */
    const oct_shard_key *last_key;
    uint32_t             last_key_number;
    bool                 no_memory; /* for a key */
} record_list;

/* Room for `capacity` records. Release it with oct_records_free(&list->records). */
oct_status record_list_new(size_t capacity, record_list **out, oct_error *error);
/* Names that `select` asks for must exist; and the paths are planned once. */
oct_status record_plan_select(const config_box *box, const oct_select *select, arena *memory,
                              const document_view **view, oct_error *error);
/* Append the point. A point that died meanwhile is passed over. */
oct_status record_list_add(oct_collection *self, const config_box *box, record_list *list, uint32_t point,
                           float score, const oct_select *select, const document_view *view,
                           oct_error *error);

/* How long it will take to make so many records and write them as an answer: the order of magnitude. */
uint64_t record_expected_ns(const config_box *box, const oct_select *select, size_t count);

/* The payload of a point, in place: compact text, "{}" if it has none. */
oct_status record_document(const oct_collection *self, uint32_t point, oct_slice *out, oct_error *error);

#endif
