/* The best hits of each of the best groups. See query.h.
 *
 * LISTS    Hits come in one ranked list, and each goes to the groups of its payload's values. The list is asked for
 * with
 *          limit x group_size places first. If it ends before every group wanted is full, and is not all there
 *          is, a longer one is asked for: a few times as long while the graph can give it, then all. So no group is
 *          missed, and many small groups cost a scan. (Qdrant asks ten times at most, and may return fewer.)
 * VALUES   Strings and integers name groups; a point with any other value there is in none, an array puts it in
 * several.
 */
#include <stdlib.h>

#include "base/deadline.h"
#include "base/epoch.h"
#include "base/json.h"
#include "base/uuid.h"
#include "collection/query_internal.h"
#include "collection/records.h"
#include "payload/value.h"
#include "payload/values.h"

#define DEADLINE_POINTS 256u /* between two looks at the clock */
#define LIST_GROWTH     8u
#define TABLE_SLOTS_MIN 64u

/* One hit of a group; the list is in order. */
typedef struct member {
    struct member *next;
    size_t         hit;
} member;

typedef struct group {
    oct_slice key; /* as the payload spells it, quotes included */
    member   *first, *last;
    size_t    count;
} group;

/* Groups as they form: the first `limit` values met. */
typedef struct grouping {
    arena     *memory;
    size_t     limit, group_size;
    path       by;
    group     *items;
    size_t     count, capacity;
    size_t     full;  /* groups with all the hits they may have */
    uint32_t  *slots; /* a table of items by key: number plus one, 0: free */
    size_t     slot_count;
    value_list values;
    oct_error *error;
} grouping;

/* What an oct_groups pointer really points to. */
typedef struct group_result {
    oct_groups   groups; /* first */
    arena        memory;
    oct_records *records; /* whose payloads and vectors the hits point to */
    oct_records *lookups;
} group_result;

void
oct_groups_free(oct_groups *groups)
{
    group_result *self = (group_result *)(void *)groups;

    if (self == NULL)
        return;
    oct_records_free(self->records);
    oct_records_free(self->lookups);
    arena_clear(&self->memory);
    oct_free(self);
}

/* --- forming groups -------------------------------------------------------------------------------------- */

static uint32_t *
find_slot(const grouping *self, oct_slice key)
{
    size_t at = hash_bytes(key.data, key.size) & (self->slot_count - 1);

    while (self->slots[at] != 0 && !slice_equal(self->items[self->slots[at] - 1].key, key))
        at = (at + 1) & (self->slot_count - 1);
    return &self->slots[at];
}

/* Room for one more group, in the table too. */
static oct_status
grow(grouping *self)
{
    const size_t more = self->capacity == 0 ? TABLE_SLOTS_MIN / 2 : self->capacity * 2;
    group       *items;

    if (self->count < self->capacity)
        return OCT_OK;
    items = arena_array(self->memory, more, sizeof *items);
    self->slots = arena_array(self->memory, more * 2, sizeof *self->slots);
    if (items == NULL || self->slots == NULL)
        return oct_fail_memory(self->error, more * sizeof *items);
    if (self->count > 0)
        memcpy(items, self->items, self->count * sizeof *items);
    self->items = items;
    self->capacity = more;
    self->slot_count = more * 2;
    for (size_t i = 0; i < self->count; i++)
        *find_slot(self, items[i].key) = (uint32_t)i + 1;
    return OCT_OK;
}

static oct_status
join_group(grouping *self, oct_slice key, size_t hit)
{
    uint32_t  *slot;
    group     *joined;
    member    *made;
    oct_status status = grow(self);

    if (status != OCT_OK)
        return status;
    slot = find_slot(self, key);
    if (*slot == 0) {
        if (self->count == self->limit)
            return OCT_OK;
        self->items[self->count++] = (group){.key = key};
        *slot = (uint32_t)self->count;
    }
    joined = &self->items[*slot - 1];
    if (joined->count == self->group_size || (joined->last != NULL && joined->last->hit == hit))
        return OCT_OK;
    made = arena_alloc(self->memory, sizeof *made);
    if (made == NULL)
        return oct_fail_memory(self->error, sizeof *made);
    made->hit = hit;
    if (joined->last == NULL)
        joined->first = made;
    else
        joined->last->next = made;
    joined->last = made;
    self->full += ++joined->count == self->group_size;
    return OCT_OK;
}

/* An integer of 64 bits is written without a point and without an exponent; larger ones are stored as floats. */
static bool
names_group(oct_slice value)
{
    switch (value_kind_of(value)) {
    case VALUE_STRING:
        return true;
    case VALUE_NUMBER:
        for (size_t i = 0; i < value.size; i++) {
            if (value.data[i] != '-' && (value.data[i] < '0' || value.data[i] > '9'))
                return false;
        }
        return true;
    default:
        return false;
    }
}

static oct_status
add_hit(grouping *self, oct_slice document, size_t hit)
{
    oct_status status = values_at(&self->by, document, &self->values, self->error);

    for (size_t i = 0; i < self->values.count && status == OCT_OK; i++) {
        if (!names_group(self->values.items[i]))
            return OCT_OK;
    }
    for (size_t i = 0; i < self->values.count && status == OCT_OK; i++)
        status = join_group(self, self->values.items[i], hit);
    return status;
}

static bool
is_complete(const grouping *self)
{
    return self->count == self->limit && self->full == self->count;
}

static oct_status
form(grouping *self, const oct_collection *collection, const hit_list *hits)
{
    oct_status status = OCT_OK;

    self->items = NULL;
    self->count = self->capacity = self->full = 0;
    for (size_t i = 0; i < hits->count && status == OCT_OK && !is_complete(self); i++) {
        oct_slice document;

        if (i % DEADLINE_POINTS == 0 && (status = deadline_check(self->error)) != OCT_OK)
            break;
        status = record_document(collection, hits->items[i].point, &document, self->error);
        if (status == OCT_OK)
            status = add_hit(self, document, i);
    }
    return status;
}

/* How many places the first list has. What does not cost more when it is long is asked for whole. */
static size_t
first_places(const query_plan *plan, size_t limit, size_t group_size)
{
    const oct_query *query = plan->top.query;
    size_t           places;

    if (plan->top.prefetch_count > 0 || query->kind == OCT_QUERY_SAMPLE ||
        __builtin_mul_overflow(limit, group_size, &places) || places > OCT_LIMIT_MAX)
        return OCT_LIMIT_MAX;
    if (query->kind == OCT_QUERY_NEAREST && query->as.nearest.mmr && query->as.nearest.has_mmr_candidates)
        return size_max(places, query->as.nearest.mmr_candidates);
    return places;
}

static oct_status
gather(grouping *self, const query_plan *plan, hit_list *hits)
{
    const level *first = &plan->top;
    size_t       places = first_places(plan, self->limit, self->group_size);
    oct_status   status;

    for (;;) {
        status = query_run(plan, first, places, 0, hits, self->error);
        if (status == OCT_OK)
            status = form(self, plan->collection, hits);
        if (status != OCT_OK || is_complete(self) || hits->count < places || places == OCT_LIMIT_MAX ||
            !query_can_grow(first->query))
            return status;
        places = first->scorer.kind == SCORER_NEAREST ? size_min(places * LIST_GROWTH, OCT_LIMIT_MAX)
                                                    : OCT_LIMIT_MAX;
    }
}

/* --- the result ---------------------------------------------------------------------------------------------- */

/* The id that a group's value names, if it does. */
static bool
id_of_group(const oct_group *from, oct_id *out)
{
    if (from->kind == OCT_GROUP_UNSIGNED)
        *out = oct_id_number(from->unsigned_number);
    return from->kind == OCT_GROUP_UNSIGNED || (from->kind == OCT_GROUP_TEXT && uuid_parse(from->text, out));
}

static oct_status
read_key(oct_slice key, arena *memory, oct_group *out, oct_error *error)
{
    json_document document;
    oct_status    status = json_parse(key, &document, error);

    if (status != OCT_OK)
        return status;
    if (yyjson_is_str(document.root)) {
        out->kind = OCT_GROUP_TEXT;
        out->text.size = yyjson_get_len(document.root);
        out->text.data = arena_text(memory, yyjson_get_str(document.root), out->text.size);
        if (out->text.data == NULL)
            status = oct_fail_memory(error, out->text.size);
    } else if (yyjson_is_uint(document.root)) {
        out->kind = OCT_GROUP_UNSIGNED;
        out->unsigned_number = yyjson_get_uint(document.root);
    } else {
        out->kind = OCT_GROUP_SIGNED;
        out->signed_number = yyjson_get_sint(document.root);
    }
    json_document_clear(&document);
    return status;
}

/* Make records of the hits that some group has, once each; places[hit] is a record's number plus one, 0: none. */
static oct_status
make_records(const grouping *self, oct_collection *collection, const oct_group_request *request,
             const hit_list *hits, oct_records **out, uint32_t *places, oct_error *error)
{
    const config_box    *box = collection_box(collection);
    const document_view *view = NULL;
    record_list         *list;
    size_t               used = 0;
    oct_status           status;

    for (size_t g = 0; g < self->count; g++) {
        for (const member *at = self->items[g].first; at != NULL; at = at->next)
            used += places[at->hit]++ == 0;
    }
    status = record_list_new(used, &list, error);
    if (status != OCT_OK)
        return status;
    *out = &list->records;
    status = record_plan_select(box, &request->select, &list->memory, &view, error);
    for (size_t i = 0; i < hits->count && status == OCT_OK; i++) {
        const size_t at = list->records.count;

        if (places[i] == 0)
            continue;
        status = record_list_add(collection, box, list, hits->items[i].point, hits->items[i].score,
                                 &request->select, view, error);
        if (!query_is_scored(request->query.kind) && list->records.count > at)
            list->items[at].version = 0;
        places[i] = list->records.count > at ? (uint32_t)list->records.count : 0; /* it may have died */
    }
    return status;
}

static oct_status
make_groups(const grouping *self, const uint32_t *places, group_result *result, oct_error *error)
{
    oct_group *groups = arena_array(&result->memory, self->count + 1, sizeof *groups);

    if (groups == NULL)
        return oct_fail_memory(error, self->count * sizeof *groups);
    for (size_t g = 0; g < self->count; g++) {
        const group *from = &self->items[g];
        oct_record  *hits = arena_array(&result->memory, from->count + 1, sizeof *hits);
        oct_status   status = read_key(from->key, &result->memory, &groups[g], error);

        if (status == OCT_OK && hits == NULL)
            status = oct_fail_memory(error, from->count * sizeof *hits);
        if (status != OCT_OK)
            return status;
        for (const member *at = from->first; at != NULL; at = at->next) {
            if (places[at->hit] > 0)
                hits[groups[g].hit_count++] = result->records->items[places[at->hit] - 1];
        }
        groups[g].hits = hits;
    }
    result->groups.items = groups;
    result->groups.count = self->count;
    return OCT_OK;
}

static int
compare_records(const void *a, const void *b)
{
    return id_compare(&(*(const oct_record *const *)a)->id, &(*(const oct_record *const *)b)->id);
}

static const oct_record *
find_record(const oct_record *const *sorted, size_t count, const oct_id *id)
{
    size_t low = 0, high = count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (id_compare(&sorted[middle]->id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && id_equal(&sorted[low]->id, id) ? sorted[low] : NULL;
}

/* Not pinned. */
static oct_status
look_up(oct_collection *source, const oct_select *select, group_result *result, oct_error *error)
{
    oct_group         *groups = (oct_group *)(uintptr_t)result->groups.items;
    const size_t       count = result->groups.count;
    oct_id            *ids = arena_array(&result->memory, count + 1, sizeof *ids);
    const oct_record **sorted = arena_array(&result->memory, count + 1, sizeof *sorted);
    size_t             id_count = 0;
    oct_status         status;

    if (ids == NULL || sorted == NULL)
        return oct_fail_memory(error, count * sizeof *ids);
    for (size_t g = 0; g < count; g++)
        id_count += id_of_group(&groups[g], &ids[id_count]);
    status = collection_retrieve(source, ids, id_count, NULL, 0, select, &result->lookups, error);
    if (status != OCT_OK)
        return status;
    for (size_t i = 0; i < result->lookups->count; i++)
        sorted[i] = &result->lookups->items[i];
    if (result->lookups->count > 1)
        qsort(sorted, result->lookups->count, sizeof *sorted, compare_records);
    for (size_t g = 0; g < count; g++) {
        oct_id id;

        if (id_of_group(&groups[g], &id))
            groups[g].lookup = find_record(sorted, result->lookups->count, &id);
    }
    return OCT_OK;
}

static oct_status
open_lookup(const oct_collection *self, const oct_group_request *request, oct_collection **out,
            oct_error *error)
{
    const oct_slice name = request->lookup_collection;
    oct_status      status;

    *out = NULL;
    if (!request->has_lookup)
        return OCT_OK;
    status = catalogue_find(self->database, name, out, error);
    if (status == OCT_NOT_FOUND)
        status =
            oct_fail(error, status, "Collection %.*s not found", (int)size_min(name.size, 300), name.data);
    return status;
}

static oct_status
run(oct_collection *self, const oct_group_request *request, const query_plan *plan, grouping *groups,
    group_result *result, oct_error *error)
{
    hit_list   hits;
    uint32_t  *places = NULL;
    oct_status status = gather(groups, plan, &hits);

    if (status == OCT_OK) {
        places = arena_array(plan->memory, hits.count + 1, sizeof *places);
        if (places == NULL)
            status = oct_fail_memory(error, hits.count * sizeof *places);
    }
    if (status == OCT_OK)
        status = make_records(groups, self, request, &hits, &result->records, places, error);
    return status == OCT_OK ? make_groups(groups, places, result, error) : status;
}

oct_status
collection_query_groups(oct_collection *self, const oct_group_request *request, oct_groups **out,
                        oct_error *error)
{
    arena      memory = {0};
    query_plan plan;
    grouping   groups = {
          .memory = &memory, .limit = request->query.limit, .group_size = request->group_size, .error = error};
    group_result   *result = oct_calloc(1, sizeof *result);
    oct_collection *source = NULL;
    oct_status      status = OCT_OK;

    *out = NULL;
    if (result == NULL)
        return oct_fail_memory(error, sizeof *result);
    status = path_parse(request->group_by, &memory, &groups.by, error);
    if (status == OCT_OK)
        status = open_lookup(self, request, &source, error);
    if (status == OCT_OK)
        status = query_plan_make(self, &request->query, request->group_size, &memory, &plan, error);
    if (status == OCT_OK) {
        epoch_pin();
        status = run(self, request, &plan, &groups, result, error);
        epoch_unpin();
    }
    if (status == OCT_OK && source != NULL)
        status = look_up(source, &request->lookup_select, result, error);
    collection_release(source);
    value_list_clear(&groups.values);
    arena_clear(&memory);
    if (status == OCT_OK)
        *out = &result->groups;
    else
        oct_groups_free(&result->groups);
    return status;
}
