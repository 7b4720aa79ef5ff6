/* Reads: points of a shard become records; searches become hits, and hits records.
 *
 * A record list is one allocation in an arena of its own, copied while pinned, so that the caller may keep it for as
 * long as it likes, whatever happens to the points.
 */
#include <math.h>

#include "base/epoch.h"
#include "collection/collection.h"
#include "payload/document.h"

#define HITS_ON_STACK      128u
#define SPLIT_QUERIES_MIN  4u /* fewer queries are not worth waking threads for */

/* What an oct_records pointer really points to. */
typedef struct record_list {
    oct_records records; /* first */
    arena       memory;
    oct_record *items;
    size_t      capacity;
} record_list;

void
oct_records_free(oct_records *records)
{
    record_list *self = (record_list *)(void *)records;

    if (self == NULL)
        return;
    arena_clear(&self->memory);
    oct_free(self);
}

static oct_status
list_new(size_t capacity, record_list **out, oct_error *error)
{
    record_list *self = oct_calloc(1, sizeof *self);

    *out = NULL;
    if (self == NULL)
        return oct_fail_memory(error, sizeof *self);
    self->items = arena_array(&self->memory, capacity + 1, sizeof *self->items);
    if (self->items == NULL) {
        oct_free(self);
        return oct_fail_memory(error, capacity * sizeof *self->items);
    }
    self->capacity = capacity;
    self->records.items = self->items;
    *out = self;
    return OCT_OK;
}

/* --- one record -------------------------------------------------------------------------------------- */

static bool
selects_vector(const oct_select *select, oct_slice name)
{
    for (size_t i = 0; i < select->vector_count; i++) {
        if (slice_equal(select->vectors[i], name))
            return true;
    }
    return select->vector_count == 0;
}

static oct_status
add_vectors(oct_collection *self, const config_box *box, record_list *list, uint32_t point, const oct_select *select,
            oct_record *record, oct_error *error)
{
    oct_vector *vectors = arena_array(&list->memory, box->config.vector_count + 1, sizeof *vectors);
    oct_status  status = OCT_OK;

    if (vectors == NULL)
        return oct_fail_memory(error, box->config.vector_count * sizeof *vectors);
    for (size_t v = 0; v < box->config.vector_count && status == OCT_OK; v++) {
        const oct_vector_config *config = &box->config.vectors[v];
        const size_t             bytes = (size_t)config->size * sizeof(float);
        const float             *stored;
        float                   *copy;

        if (!selects_vector(select, config->name))
            continue;
        stored = graph_vector(shard_graph(self->shard, box->numbers[v]), point);
        if (stored == NULL)
            continue;
        status = shard_verify_vector(self->shard, box->numbers[v], point, error);
        copy = status == OCT_OK ? arena_alloc(&list->memory, bytes) : NULL;
        if (copy == NULL)
            return status != OCT_OK ? status : oct_fail_memory(error, bytes);
        memcpy(copy, stored, bytes);
        vectors[record->vector_count] = (oct_vector){
            .name = {arena_text(&list->memory, config->name.data, config->name.size), config->name.size},
            .kind = OCT_DENSE,
            .values = copy,
            .value_count = (size_t)config->size,
        };
        if (vectors[record->vector_count].name.data == NULL)
            return oct_fail_memory(error, config->name.size);
        record->vector_count++;
    }
    record->vectors = vectors;
    return status;
}

static oct_status
add_payload(oct_collection *self, record_list *list, uint32_t point, const document_view *view, oct_record *record,
            oct_error *error)
{
    const uint32_t number =
        atomic_load_explicit(points_payload(shard_points(self->shard), point), memory_order_acquire);
    oct_slice  stored = {"{}", 2};
    buffer     shown = {0};
    oct_status status = OCT_OK;

    if (number != HEAP_NONE)
        status = heap_get(shard_heap(self->shard), number, &stored, error);
    if (status == OCT_OK && view != NULL) {
        status = document_view_apply(view, stored, &shown, error);
        stored = (oct_slice){shown.data, shown.size};
        if (status == OCT_OK && shown.failed)
            status = oct_fail_memory(error, shown.size);
    }
    if (status == OCT_OK) {
        record->payload = (oct_slice){arena_text(&list->memory, stored.data, stored.size), stored.size};
        if (record->payload.data == NULL)
            status = oct_fail_memory(error, stored.size);
    }
    buffer_clear(&shown);
    return status;
}

/* Names that `select` asks for must exist; and the paths are planned once. */
static oct_status
plan_select(const config_box *box, const oct_select *select, arena *memory, const document_view **view, oct_error *error)
{
    oct_status status = OCT_OK;

    *view = NULL;
    for (size_t i = 0; select->with_vector && i < select->vector_count && status == OCT_OK; i++) {
        size_t index;

        status = box_find_vector(box, select->vectors[i], &index, error);
    }
    if (status == OCT_OK && select->with_payload && select->include_count + select->exclude_count > 0)
        status = document_view_plan(select, memory, view, error);
    return status;
}

/* Append the point. A point that died meanwhile is passed over. Pinned. */
static oct_status
add_record(oct_collection *self, const config_box *box, record_list *list, uint32_t point, float score,
           const oct_select *select, const document_view *view, oct_error *error)
{
    const point_set *all = shard_points(self->shard);
    oct_record   *record = &list->items[list->records.count];
    oct_status    status = OCT_OK;

    if (!points_is_live(all, point))
        return OCT_OK;
    OCT_MUST(list->records.count < list->capacity);
    *record = (oct_record){.id = *points_id(all, point), .score = score};
    record->version = atomic_load_explicit(points_version(all, point), memory_order_relaxed);
    if (select->with_payload)
        status = add_payload(self, list, point, view, record, error);
    if (status == OCT_OK && select->with_vector)
        status = add_vectors(self, box, list, point, select, record, error);
    if (status == OCT_OK)
        list->records.count++;
    return status;
}

/* --- retrieve, scroll ------------------------------------------------------------------------------------ */

static const oct_select select_nothing;

static bool
seen_before(const oct_id *ids, size_t count, const oct_id *id)
{
    for (size_t i = 0; i < count; i++) {
        if (id_equal(&ids[i], id))
            return true;
    }
    return false;
}

oct_status
collection_retrieve(oct_collection *self, const oct_id *ids, size_t count, const oct_select *select, oct_records **out,
                    oct_error *error)
{
    const document_view *view = NULL;
    const config_box    *box;
    record_list         *list;
    uint8_t             *taken = NULL; /* a bit a point: repeated ids come once */
    size_t               taken_points = 0;
    oct_status           status = list_new(count, &list, error);

    *out = NULL;
    if (status != OCT_OK)
        return status;
    if (select == NULL)
        select = &select_nothing;
    epoch_pin();
    box = collection_box(self);
    status = plan_select(box, select, &list->memory, &view, error);
    if (status == OCT_OK && count > 64) {
        taken_points = atomic_load(&shard_points(self->shard)->count);
        taken = oct_calloc(taken_points / 8 + 1, 1);
        if (taken == NULL)
            status = oct_fail_memory(error, count);
    }
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        const uint32_t point = points_find_live(shard_points(self->shard), &ids[i]);

        if (point == POINT_NONE)
            continue;
        /* Points inserted since the bitmap was made are looked for the slow way. */
        if (point >= taken_points ? seen_before(ids, i, &ids[i]) : (taken[point / 8] >> (point % 8) & 1) != 0)
            continue;
        if (point < taken_points)
            taken[point / 8] |= (uint8_t)(1u << (point % 8));
        status = add_record(self, box, list, point, 0, select, view, error);
    }
    epoch_unpin();
    oct_free(taken);
    if (status != OCT_OK)
        oct_records_free(&list->records);
    else
        *out = &list->records;
    return status;
}

oct_status
collection_scroll(oct_collection *self, const oct_id *from, size_t limit, const oct_select *select, oct_records **out,
                  oct_error *error)
{
    point_set           *all = shard_points(self->shard);
    const size_t         live = atomic_load(&all->live_count);
    const size_t         page = size_min(limit, live) + 1; /* one more tells whether there is another page */
    const document_view *view = NULL;
    const config_box    *box;
    record_list         *list;
    uint32_t            *found = NULL;
    size_t               found_count = 0;
    oct_status           status = list_new(page, &list, error);

    *out = NULL;
    if (status != OCT_OK)
        return status;
    if (select == NULL)
        select = &select_nothing;
    epoch_pin();
    box = collection_box(self);
    status = plan_select(box, select, &list->memory, &view, error);
    found = oct_alloc(page * sizeof *found);
    if (status == OCT_OK && found == NULL)
        status = oct_fail_memory(error, page * sizeof *found);
    if (status == OCT_OK)
        status = points_page(all, from, page, found, &found_count, error);
    for (size_t i = 0; i < size_min(found_count, limit) && status == OCT_OK; i++)
        status = add_record(self, box, list, found[i], 0, select, view, error);
    if (status == OCT_OK && found_count > limit) {
        list->records.has_next = true;
        list->records.next = *points_id(all, found[limit]);
    }
    epoch_unpin();
    oct_free(found);
    if (status != OCT_OK)
        oct_records_free(&list->records);
    else
        *out = &list->records;
    return status;
}

/* --- search -------------------------------------------------------------------------------------------------- */

static oct_status
fail_dim(int64_t expected, size_t got, oct_error *error)
{
    return oct_fail(error, OCT_DIM, "Vector dimension error: expected dim: %lld, got %zu", (long long)expected, got);
}

static size_t
ef_of(const config_box *box, size_t index, size_t ef)
{
    return ef != 0 ? ef : (size_t)config_vector_hnsw(&box->filled, &box->filled.vectors[index]).ef_construct;
}

static bool
passes_threshold(const oct_search_request *request, int64_t distance, float score)
{
    if (!request->has_score_threshold)
        return true;
    return distance == OCT_COSINE || distance == OCT_DOT ? score > request->score_threshold
                                                         : score < request->score_threshold;
}

static bool
is_excluded(const oct_search_request *request, const oct_id *id)
{
    return seen_before(request->exclude, request->exclude_count, id);
}

/* Turn hits into records, from request->offset on. Pinned. */
static oct_status
add_hits(oct_collection *self, const config_box *box, size_t index, const oct_search_request *request,
         const graph_hit *hits, size_t count, record_list *list, oct_error *error)
{
    const graph         *vectors = shard_graph(self->shard, box->numbers[index]);
    const document_view *view;
    size_t               skipped = 0;
    oct_status           status = plan_select(box, &request->select, &list->memory, &view, error);

    for (size_t i = 0; i < count && status == OCT_OK && list->records.count < request->limit; i++) {
        const float score = graph_score(vectors, hits[i].distance);

        if (!passes_threshold(request, box->config.vectors[index].distance, score))
            break;
        if (is_excluded(request, points_id(shard_points(self->shard), hits[i].point)))
            continue;
        if (skipped < request->offset) {
            skipped++;
            continue;
        }
        status = add_record(self, box, list, hits[i].point, score, &request->select, view, error);
    }
    return status;
}

oct_status
collection_search(oct_collection *self, const oct_search_request *request, oct_records **out, oct_error *error)
{
    const size_t      live = atomic_load(&shard_points(self->shard)->live_count);
    const size_t      wanted = size_min(request->limit + request->offset + request->exclude_count, live);
    const config_box *box;
    record_list      *list = NULL;
    graph_hit        *hits = NULL;
    float            *prepared = NULL;
    size_t            index = 0, count = 0;
    oct_status        status;

    *out = NULL;
    epoch_pin();
    box = collection_box(self);
    status = box_find_vector(box, request->vector_name, &index, error);
    if (status == OCT_OK && request->dim != (size_t)box->config.vectors[index].size)
        status = fail_dim(box->config.vectors[index].size, request->dim, error);
    if (status == OCT_OK)
        status = list_new(size_min(request->limit, live), &list, error);
    if (status == OCT_OK) {
        hits = arena_array(&list->memory, wanted + 1, sizeof *hits);
        prepared = arena_array(&list->memory, request->dim, sizeof *prepared);
        if (hits == NULL || prepared == NULL)
            status = oct_fail_memory(error, wanted * sizeof *hits);
    }
    if (status == OCT_OK && wanted > 0) {
        graph_query query = {.vector = prepared, .limit = wanted, .exact = request->exact,
                             .indexed_only = request->indexed_only};

        query.ef = ef_of(box, index, request->ef);
        graph_prepare(shard_graph(self->shard, box->numbers[index]), request->query, prepared);
        status = shard_search(self->shard, box->numbers[index], &query, hits, &count, NULL, error);
    }
    if (status == OCT_OK)
        status = add_hits(self, box, index, request, hits, count, list, error);
    epoch_unpin();
    if (status == OCT_OK)
        *out = &list->records;
    else if (list != NULL)
        oct_records_free(&list->records);
    return status;
}

/* --- many queries ------------------------------------------------------------------------------------------------ */

typedef struct many {
    oct_collection *collection;
    const float    *queries;
    size_t          dim, k, ef;
    bool            exact;
    uint64_t       *ids;
    float          *scores;
    pthread_mutex_t lock;  /* guards the next two */
    oct_status      status;
    oct_error       error;
} many;

static void
many_fail(many *self, oct_status status, const oct_error *error)
{
    (void)pthread_mutex_lock(&self->lock);
    if (self->status == OCT_OK) {
        self->status = status;
        self->error = *error;
    }
    (void)pthread_mutex_unlock(&self->lock);
}

static void
search_one(void *context, size_t item, uint32_t worker)
{
    many             *self = context;
    shard            *target = self->collection->shard;
    const point_set  *all = shard_points(target);
    graph_hit         on_stack[HITS_ON_STACK], *hits = on_stack;
    float             prepared_on_stack[4096], *prepared = prepared_on_stack;
    const config_box *box;
    const graph      *vectors;
    size_t            index, count = 0;
    oct_error         error;
    oct_status        status;

    (void)worker;
    if (self->k > HITS_ON_STACK)
        hits = oct_alloc(self->k * sizeof *hits);
    if (self->dim > countof(prepared_on_stack))
        prepared = oct_alloc(self->dim * sizeof *prepared);
    epoch_pin();
    box = collection_box(self->collection);
    status = box_find_vector(box, (oct_slice){"", 0}, &index, &error);
    if (status == OCT_OK && (hits == NULL || prepared == NULL))
        status = oct_fail_memory(&error, self->k * sizeof *hits);
    if (status == OCT_OK) {
        graph_query query = {.vector = prepared, .limit = self->k, .exact = self->exact};

        vectors = shard_graph(target, box->numbers[index]);
        query.ef = ef_of(box, index, self->ef);
        graph_prepare(vectors, self->queries + item * self->dim, prepared);
        status = shard_search(target, box->numbers[index], &query, hits, &count, NULL, &error);
    }
    for (size_t i = 0; i < self->k && status == OCT_OK; i++) {
        const size_t at = item * self->k + i;

        if (i >= count) {
            self->ids[at] = OCT_ID_NONE;
            self->scores[at] = NAN;
        } else if (points_id(all, hits[i].point)->is_uuid != 0) {
            status = oct_fail(&error, OCT_UNSUPPORTED,
                              "a hit has a UUID for an id, which an array of 64-bit numbers cannot hold; use oct_search");
        } else {
            self->ids[at] = points_id(all, hits[i].point)->low;
            self->scores[at] = graph_score(vectors, hits[i].distance);
        }
    }
    epoch_unpin();
    if (status != OCT_OK)
        many_fail(self, status, &error);
    if (hits != on_stack)
        oct_free(hits);
    if (prepared != prepared_on_stack)
        oct_free(prepared);
}

oct_status
collection_search_rows(oct_collection *self, const float *queries, size_t query_count, size_t dim, size_t k, size_t ef,
                       bool exact, uint32_t threads, uint64_t *ids, float *scores, oct_error *error)
{
    many       work = {.collection = self, .queries = queries, .dim = dim, .k = k, .ef = ef, .exact = exact, .ids = ids,
                       .scores = scores};
    int64_t    expected = 0;
    size_t     index;
    oct_status status;

    epoch_pin();
    status = box_find_vector(collection_box(self), (oct_slice){"", 0}, &index, error);
    if (status == OCT_OK)
        expected = collection_box(self)->config.vectors[index].size;
    epoch_unpin();
    if (status != OCT_OK)
        return status;
    if ((int64_t)dim != expected)
        return fail_dim(expected, dim, error);
    if (threads == 0 && query_count < SPLIT_QUERIES_MIN)
        threads = 1;
    (void)pthread_mutex_init(&work.lock, NULL);
    workers_split(self->database->pool, query_count, threads, search_one, &work);
    (void)pthread_mutex_destroy(&work.lock);
    if (work.status != OCT_OK && error != NULL)
        *error = work.error;
    return work.status;
}

/* --- describing --------------------------------------------------------------------------------------------------- */

/* What an oct_collection_info pointer really points to is this, by `reserved`. */
typedef struct info_box {
    oct_collection_info info; /* first */
    arena               memory;
} info_box;

void
oct_collection_info_free(oct_collection_info *info)
{
    info_box *self = (info_box *)(void *)info;

    if (self == NULL)
        return;
    arena_clear(&self->memory);
    oct_free(self);
}

oct_status
collection_describe(oct_collection *self, oct_collection_info **out, oct_error *error)
{
    info_box  *box = oct_calloc(1, sizeof *box);
    shard_info state;
    oct_status status;

    *out = NULL;
    if (box == NULL)
        return oct_fail_memory(error, sizeof *box);
    shard_describe(self->shard, &state);
    epoch_pin();
    status = config_copy(&collection_box(self)->filled, &box->memory, &box->info.config, error);
    epoch_unpin();
    box->info.name = (oct_slice){arena_text(&box->memory, self->name, strlen(self->name)), strlen(self->name)};
    if (status == OCT_OK && box->info.name.data == NULL)
        status = oct_fail_memory(error, strlen(self->name));
    if (status != OCT_OK) {
        oct_collection_info_free(&box->info);
        return status;
    }
    box->info.points_count = state.points;
    box->info.indexed_vectors_count = state.indexed_vectors;
    box->info.tail_vectors_count = state.tail_vectors;
    box->info.deleted_vectors_count = state.dead_vectors;
    box->info.segments_count = 1;
    box->info.version = state.operation;
    box->info.ram_bytes = state.ram_bytes;
    box->info.disk_bytes = state.disk_bytes;
    box->info.stopped = log_stopped(self->database->log);
    *out = &box->info;
    return OCT_OK;
}
