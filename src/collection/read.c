/* Reads by id and in order of ids, arrays of searches, what a collection tells of itself. Records: records.h;
 * searches and queries: query.h. */
#include <math.h>

#include "base/deadline.h"
#include "base/epoch.h"
#include "collection/fields.h"
#include "collection/query.h"
#include "collection/records.h"
#include "collection/select.h"
#include "collection/shard_keys.h"

#define HITS_ON_STACK     128u
#define ESTIMATE_OPEN_MIN 10000u /* fewer documents are asked: a millisecond or two */
#define SPLIT_QUERIES_MIN 4u /* fewer queries are not worth waking threads for */

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
collection_retrieve(oct_collection *self, const oct_id *ids, size_t count, const oct_shard_key *keys,
                    size_t key_count, const oct_select *select, oct_records **out, oct_error *error)
{
    const document_view *view = NULL;
    const config_box    *box;
    record_list         *list;
    uint8_t             *taken = NULL; /* a bit a point: repeated ids come once */
    size_t               taken_points = 0, room = count;
    oct_status           status = OCT_OK;

    *out = NULL;
    if (select == NULL)
        select = &select_nothing;
    epoch_pin();
    box = collection_box(self);
    for (size_t i = 0; i < key_count && status == OCT_OK; i++)
        if (config_find_shard_key(&box->config, &keys[i]) == NULL)
            status = shard_key_fail_unknown(&keys[i], OCT_BAD_REQUEST, error);
    if (box_has_shard_keys(box) &&
        !size_mul_ok(count, size_max(key_count > 0 ? key_count : box->config.shard_key_count, 1), &room))
        room = SIZE_MAX;
    /* One id has at most a point of each key, and all have no more than there are. */
    room = size_min(room, size_max(count, atomic_load(&shard_points(self->shard)->count)));
    if (status == OCT_OK)
        status = record_list_new(room, &list, error);
    if (status != OCT_OK) {
        epoch_unpin();
        return status;
    }
    status = record_plan_select(box, select, &list->memory, &view, error);
    if (status == OCT_OK && count > 64) {
        taken_points = atomic_load(&shard_points(self->shard)->count);
        taken = oct_calloc(taken_points / 8 + 1, 1);
        if (taken == NULL)
            status = oct_fail_memory(error, count);
    }
    if (status == OCT_OK)
        status = deadline_expect(record_expected_ns(box, select, count), error);
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        size_t   at = 0;
        uint32_t point;

        while (status == OCT_OK && list->records.count < room &&
               (point = shard_keys_next(self, box, &ids[i], keys, key_count, &at)) != POINT_NONE) {
            /* Points inserted since the bitmap was made are looked for the slow way. */
            if (point >= taken_points ? seen_before(ids, i, &ids[i]) : (taken[point / 8] >> (point % 8) & 1) != 0)
                continue;
            if (point < taken_points)
                taken[point / 8] |= (uint8_t)(1u << (point % 8));
            status = record_list_add(self, box, list, point, 0, select, view, error);
        }
    }
    epoch_unpin();
    oct_free(taken);
    if (status != OCT_OK)
        oct_records_free(&list->records);
    else
        *out = &list->records;
    return status;
}

/* Of different shard keys, or one point. */
static bool
same_id(const point_set *all, uint32_t a, uint32_t b)
{
    oct_id x = *points_id(all, a), y = *points_id(all, b);

    x.reserved = y.reserved = 0;
    return id_equal(&x, &y);
}

/* How many of the points found a page shows. It goes on at an id, without a shard key: so that no point comes on two pages, and
 * each page gets on, those of one id come together. A page is then shorter than `limit`, or, when it is all of one id, longer:
 * 0 tells that it has to be found whole. */
static size_t
whole_ids(const point_set *all, const uint32_t *found, size_t count, size_t limit)
{
    size_t shown = size_min(count, limit);

    if (count <= limit || !same_id(all, found[limit - 1], found[limit]))
        return shown;
    while (shown > 0 && same_id(all, found[shown - 1], found[limit]))
        shown--;
    return shown;
}

/* The points of a page, and one more if there are more. *shown: how many it shows. Release *out with oct_free. */
static oct_status
find_page(oct_collection *self, const selection *these, const oct_id *from, size_t limit, uint32_t **out, size_t *count,
          size_t *shown, oct_error *error)
{
    const point_set  *all = shard_points(self->shard);
    const config_box *box = collection_box(self);
    const size_t      live = atomic_load(&all->live_count);
    size_t            page = size_min(limit, live) + 1;
    oct_status        status;

    *count = 0;
    *out = oct_alloc(page * sizeof **out);
    if (*out == NULL)
        return oct_fail_memory(error, page * sizeof **out);
    status = select_page(self, these, from, page, *out, count, error);
    *shown = size_min(*count, limit);
    if (status != OCT_OK || !box_has_shard_keys(box) || limit == 0)
        return status;
    *shown = whole_ids(all, *out, *count, limit);
    if (*shown > 0 || *count == 0)
        return OCT_OK;
    oct_free(*out);
    page = size_min(box->config.shard_key_count, live) + 1; /* an id has a point of each key at most */
    *out = oct_alloc(page * sizeof **out);
    if (*out == NULL)
        return oct_fail_memory(error, page * sizeof **out);
    status = select_page(self, these, from, page, *out, count, error);
    while (*shown < *count && same_id(all, (*out)[*shown], (*out)[0]))
        (*shown)++;
    return status;
}

oct_status
collection_scroll(oct_collection *self, const oct_filter *given, const oct_id *from, size_t limit,
                  const oct_select *select, oct_records **out, oct_error *error)
{
    const document_view *view = NULL;
    const config_box    *box;
    record_list         *list = NULL;
    selection            these = {0};
    uint32_t            *found = NULL;
    size_t               found_count = 0, shown = 0;
    oct_status           status;

    *out = NULL;
    if (select == NULL)
        select = &select_nothing;
    epoch_pin();
    box = collection_box(self);
    status = select_given(self, given, &these, error);
    if (status == OCT_OK)
        status = find_page(self, &these, from, limit, &found, &found_count, &shown, error);
    if (status == OCT_OK)
        status = record_list_new(shown + 1, &list, error);
    if (status == OCT_OK)
        status = record_plan_select(box, select, &list->memory, &view, error);
    if (status == OCT_OK)
        status = deadline_expect(record_expected_ns(box, select, shown), error);
    for (size_t i = 0; status == OCT_OK && i < shown; i++) {
        status = record_list_add(self, box, list, found[i], 0, select, view, error);
    }
    if (status == OCT_OK && found_count > shown) {
        list->records.has_next = true;
        list->records.next = *points_id(shard_points(self->shard), found[shown]);
        list->records.next.reserved = 0;
    }
    selection_clear(&these);
    epoch_unpin();
    oct_free(found);
    if (status == OCT_OK)
        *out = &list->records;
    else if (list != NULL)
        oct_records_free(&list->records);
    return status;
}

oct_status
collection_count(oct_collection *self, const oct_filter *given, uint64_t *out, oct_error *error)
{
    selection  these;
    oct_status status;

    epoch_pin();
    status = select_given(self, given, &these, error);
    *out = status == OCT_OK ? these.count : 0;
    selection_clear(&these);
    epoch_unpin();
    return status;
}

oct_status
collection_estimate(oct_collection *self, const oct_filter *given, uint64_t *out, oct_error *error)
{
    const point_set *all = shard_points(self->shard);
    arena            memory = {0};
    const filter    *wanted;
    filter_bounds    bounds = {0};
    uint32_t         point_count = 0;
    uint64_t         sure = 0, open = 0;
    oct_status       status;

    *out = 0;
    epoch_pin();
    status = select_compile(self, given, &memory, &wanted, error);
    if (status == OCT_OK && wanted != NULL)
        status = fields_get_bounds(self, wanted, &memory, &point_count, &bounds, error);
    for (uint32_t word = 0; bounds.known && word * 64 < point_count; word++) {
        const uint64_t live = atomic_load((_Atomic uint64_t *)rows_at(&all->live, word));

        sure += (uint64_t)__builtin_popcountll(bounds.lower[word] & live);
        open += (uint64_t)__builtin_popcountll(bounds.upper[word] & ~bounds.lower[word] & live);
    }
    epoch_unpin();
    arena_clear(&memory);
    if (status == OCT_OK && bounds.known && (open == 0 || open > ESTIMATE_OPEN_MIN)) {
        *out = sure + open / 2;
        return OCT_OK;
    }
    return status == OCT_OK ? collection_count(self, given, out, error) : status;
}

/* --- many queries ------------------------------------------------------------------------------------------------ */

typedef struct many {
    oct_collection *collection;
    const float    *queries;
    size_t          dim, k, ef;
    bool            exact;
    uint64_t       *ids;
    float          *scores;
    pthread_mutex_t lock; /* guards the next two */
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
    const graph      *vectors = NULL;
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
        vectors = shard_graph(target, box->numbers[index]);
        if (vectors == NULL)
            status = oct_fail(&error, OCT_INVALID, "the vector was removed while it was searched");
    }
    if (status == OCT_OK) {
        graph_query query = {.vector = prepared, .limit = self->k, .exact = self->exact};

        query.ef = box_ef(box, index, self->ef);
        graph_prepare_as(graph_get_params(vectors)->distance, graph_get_params(vectors)->datatype,
                               self->queries + item * self->dim, prepared, self->dim);
        status = shard_search(target, box->numbers[index], &query, hits, &count, NULL, &error);
    }
    for (size_t i = 0; i < self->k && status == OCT_OK; i++) {
        const size_t at = item * self->k + i;

        if (i >= count) {
            self->ids[at] = OCT_ID_NONE;
            self->scores[at] = NAN;
        } else if (points_id(all, hits[i].point)->is_uuid != 0) {
            status = oct_fail(
                &error, OCT_UNSUPPORTED,
                "a hit has a UUID for an id, which an array of 64-bit numbers cannot hold; use oct_search");
        } else {
            self->ids[at] = points_id(all, hits[i].point)->low;
            self->scores[at] = graph_score(graph_get_params(vectors)->distance, hits[i].distance);
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
collection_search_rows(oct_collection *self, const float *queries, size_t query_count, size_t dim, size_t k,
                       size_t ef, bool exact, uint32_t threads, uint64_t *ids, float *scores,
                       oct_error *error)
{
    many       work = {.collection = self,
                       .queries = queries,
                       .dim = dim,
                       .k = k,
                       .ef = ef,
                       .exact = exact,
                       .ids = ids,
                       .scores = scores};
    size_t     index;
    oct_status status;

    epoch_pin();
    status = box_find_vector(collection_box(self), (oct_slice){"", 0}, &index, error);
    if (status == OCT_OK)
        status = box_check_dim(collection_box(self), index, dim, error);
    if (status == OCT_OK && collection_box(self)->config.vectors[index].multivector == 1)
        status = oct_fail(error, OCT_UNSUPPORTED,
                          "the unnamed vector is a multivector, which an array of rows cannot search; use oct_query");
    epoch_unpin();
    if (status != OCT_OK)
        return status;
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

/* The configuration, and what its field indexes hold. */
static oct_status
describe_config(oct_collection *self, info_box *out, oct_error *error)
{
    uint64_t         *counts, *bytes;
    const config_box *box;
    oct_status        status;

    epoch_pin();
    box = collection_box(self);
    status = config_copy(&box->filled, &out->memory, &out->info.config, error);
    counts = arena_array(&out->memory, box->field_count + 1, sizeof *counts);
    bytes = arena_array(&out->memory, box->field_count + 1, sizeof *bytes);
    if (status == OCT_OK && (counts == NULL || bytes == NULL))
        status = oct_fail_memory(error, box->field_count * sizeof *counts);
    if (status == OCT_OK)
        status = fields_count_points(self, box, counts, error);
    if (status == OCT_OK)
        out->info.ram_bytes = fields_bytes(box, bytes);
    epoch_unpin();
    out->info.field_points = counts;
    out->info.field_bytes = bytes;
    return status;
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
    status = OCT_OK;
    box->info.name =
        (oct_slice){arena_text(&box->memory, self->name, strlen(self->name)), strlen(self->name)};
    if (status == OCT_OK && box->info.name.data == NULL)
        status = oct_fail_memory(error, strlen(self->name));
    if (status == OCT_OK)
        status = describe_config(self, box, error);
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
    box->info.ram_bytes += state.ram_bytes; /* to the indexes' */
    box->info.disk_bytes = state.disk_bytes;
    box->info.vector_bytes = state.vector_bytes;
    box->info.snapshots_running = atomic_load(&self->snapshots_running);
    box->info.recoveries_running = atomic_load(&self->recoveries_running);
    box->info.snapshots_created = atomic_load(&self->snapshots_created);
    box->info.payload_bytes = state.payload_bytes;
    box->info.mended_graphs = shard_mended_graphs(self->shard);
    box->info.stopped = log_stopped(self->database->log);
    status = shard_mended(self->shard, &box->memory, &box->info.mended, error);
    if (status != OCT_OK) {
        oct_collection_info_free(&box->info);
        return status;
    }
    if (shard_damage(self->shard) != NULL) {
        box->info.damage = arena_text(&box->memory, shard_damage(self->shard), strlen(shard_damage(self->shard)));
        if (box->info.damage == NULL) {
            oct_collection_info_free(&box->info);
            return oct_fail_memory(error, strlen(shard_damage(self->shard)));
        }
    }
    *out = &box->info;
    return OCT_OK;
}
