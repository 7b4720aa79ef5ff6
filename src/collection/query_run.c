/* Levels of a plan, run; lists of hits made records. See query.h. */
#include <math.h>

#include "base/deadline.h"
#include "base/epoch.h"
#include "collection/fusion.h"
#include "collection/mmr.h"
#include "collection/order.h"
#include "collection/query_internal.h"
#include "collection/records.h"
#include "collection/select.h"
#include "collection/shard_keys.h"

#define GATHER_PART     8u    /* multivectors compared, in parts of ef: docs/decisions/ has the table */
#define DEADLINE_POINTS 1024u /* between two looks at the clock: about a millisecond of documents */

/* Running one level. */
typedef struct runner {
    const query_plan *plan;
    const level      *what;
    hit_scope         scope;    /* which points may be hits */
    selection         these;    /* what scope.allowed is of */
    size_t            eligible; /* no more points than that can be hits */
    oct_error        *error;
} runner;

bool
query_is_scored(oct_query_kind kind)
{
    return kind != OCT_QUERY_NONE && kind != OCT_QUERY_SAMPLE && kind != OCT_QUERY_ORDER_BY;
}

bool
query_can_grow(const oct_query *query)
{
    return query->kind != OCT_QUERY_SAMPLE && !(query->kind == OCT_QUERY_NEAREST && query->as.nearest.mmr);
}

/* --- scope --------------------------------------------------------------------------------------------- */

/* The points of excluded ids, in scope.excluded. */
static oct_status
scope_exclude(runner *self)
{
    const query_plan *plan = self->plan;
    const config_box *box = collection_box(plan->collection);
    uint32_t         *points;

    if (plan->excluded_count == 0)
        return OCT_OK;
    points = arena_array(plan->memory, plan->excluded_count * size_max(box->config.shard_key_count, 1),
                         sizeof *points);
    if (points == NULL)
        return oct_fail_memory(self->error, plan->excluded_count * sizeof *points);
    for (size_t i = 0; i < plan->excluded_count; i++) {
        size_t   at = 0;
        uint32_t point;

        while ((point = shard_keys_next(plan->collection, box, &plan->excluded[i], NULL, 0, &at)) != POINT_NONE)
            points[self->scope.excluded_count++] = point;
    }
    self->scope.excluded_count = point_numbers_sort(points, self->scope.excluded_count);
    self->scope.excluded = points;
    return OCT_OK;
}

/* `sources`: what the prefetches found, or NULL. */
static oct_status
runner_open(runner *self, const hit_list *sources)
{
    const size_t         total = sources == NULL ? 0 : hits_total(sources, self->what->prefetch_count);
    const oct_query_kind kind = self->what->query->kind;
    /* Lists that are fused or computed went through the filter below. */
    const bool merges = kind == OCT_QUERY_RRF || kind == OCT_QUERY_DBSF || kind == OCT_QUERY_FORMULA;
    uint32_t  *listed = NULL;
    oct_status status = scope_exclude(self);

    if (status == OCT_OK)
        status = select_points(self->plan->collection, merges ? NULL : self->what->wanted, &self->these,
                               self->error);
    if (status != OCT_OK)
        return status;
    self->scope.allowed = self->these.bits;
    self->scope.allowed_points = self->these.point_count;
    self->scope.allowed_count = self->these.count;
    self->eligible = self->these.count;
    if (sources != NULL) {
        listed = arena_array(self->plan->memory, total + 1, sizeof *listed);
        if (listed == NULL)
            return oct_fail_memory(self->error, total * sizeof *listed);
        self->scope.listed = listed;
        self->scope.listed_count = hits_points(sources, self->what->prefetch_count, listed);
        self->eligible = size_min(self->eligible, self->scope.listed_count);
    }
    return OCT_OK;
}

/* --- by vectors ------------------------------------------------------------------------------------------- */

/* What a request says about codes counts where the collection has a quantization, as in Qdrant; without one it is answered
 * as if nothing was said. */
static void
apply_quantization(const level *what, graph_query *query)
{
    const double oversampled = (double)query->limit * what->query->oversampling;

    if (!what->quantized)
        return;
    query->rank_few = what->query->no_rescore && !what->query->ignore_quantization;
    if (what->query->ignore_quantization)
        query->rank_min = SIZE_MAX;
    else if (oversampled > 0)
        query->rank_min = oversampled < OCT_LIMIT_MAX ? (size_t)ceil(oversampled) : OCT_LIMIT_MAX;
}

/* The best `limit` by the graph. */
static oct_status
walk_graph(runner *self, size_t limit, hit_list *out)
{
    const level    *what = self->what;
    const scorer   *target = &what->scorer;
    oct_collection *collection = self->plan->collection;
    const size_t    asked = size_min(limit + self->scope.excluded_count, self->eligible);
    graph_hit      *found = arena_array(self->plan->memory, asked + 1, sizeof *found);
    graph_query     query = {.vector = target->examples,
                             .limit = asked,
                             .ef = what->ef,
                             .exact = what->query->exact,
                             .indexed_only = what->query->indexed_only,
                             .allowed = self->scope.allowed,
                             .allowed_points = self->scope.allowed_points,
                             .allowed_count = self->scope.allowed_count};
    size_t          count = 0;
    oct_status      status = OCT_OK;

    apply_quantization(what, &query);
    *out = (hit_list){arena_array(self->plan->memory, asked + 1, sizeof(query_hit)), 0};
    if (found == NULL || out->items == NULL)
        return oct_fail_memory(self->error, asked * sizeof *found);
    if (asked > 0)
        status = shard_search(collection->shard, what->number, &query, found, &count, NULL, self->error);
    for (size_t i = 0; i < count && status == OCT_OK && out->count < limit; i++) {
        if (!point_numbers_have(self->scope.excluded, self->scope.excluded_count, found[i].point))
            out->items[out->count++] =
                (query_hit){graph_score(target->distance, found[i].distance), found[i].point};
    }
    return status;
}

/* The best `limit` by the inverted index. */
static oct_status
walk_lists(runner *self, size_t limit, hit_list *out)
{
    const level   *what = self->what;
    const size_t   asked = size_min(limit + self->scope.excluded_count, self->eligible);
    top_hit       *found = arena_array(self->plan->memory, asked + 1, sizeof *found);
    sparse_query   query = {.vector = what->scorer.sparse[0],
                            .limit = asked,
                            .scope = {self->scope.allowed, self->scope.allowed_points, self->scope.allowed_count}};
    size_t         count = 0;
    oct_status     status = OCT_OK;

    *out = (hit_list){arena_array(self->plan->memory, asked + 1, sizeof(query_hit)), 0};
    if (found == NULL || out->items == NULL)
        return oct_fail_memory(self->error, asked * sizeof *found);
    if (asked > 0)
        status = shard_search_sparse(self->plan->collection->shard, what->number, &query, found, &count, self->error);
    for (size_t i = 0; i < count && status == OCT_OK && out->count < limit; i++) {
        if (!point_numbers_have(self->scope.excluded, self->scope.excluded_count, found[i].point))
            out->items[out->count++] = (query_hit){0.0f - found[i].distance, found[i].point};
    }
    return status;
}

/* Qdrant's rule: what is strictly better than the threshold, by the metric's direction, up to the first that is not -
 * even for the scores of examples, which grow with likeness whatever the metric. */
static void
cut_by_metric(const level *what, hit_list *hits)
{
    const float threshold = what->query->score_threshold;
    const bool  up = what->scorer.distance == OCT_COSINE || what->scorer.distance == OCT_DOT;
    size_t      kept = 0;

    if (!what->query->has_score_threshold)
        return;
    while (kept < hits->count &&
           (up ? hits->items[kept].score > threshold : hits->items[kept].score < threshold))
        kept++;
    hits->count = kept;
}

/* And of fused and computed scores: what is not below it. */
static void
cut_below(const level *what, hit_list *hits)
{
    size_t kept = 0;

    if (!what->query->has_score_threshold)
        return;
    while (kept < hits->count && hits->items[kept].score >= what->query->score_threshold)
        kept++;
    hits->count = kept;
}

static oct_status
diversify(runner *self, const hit_list *found, size_t limit, hit_list *out)
{
    const level   *what = self->what;
    const scorer  *by = &what->scorer;
    arena         *memory = self->plan->memory;
    hit_list       there = *found;
    stored_vectors stored;
    mmr_candidates candidates = {.hits = &there,
                                 .distance = by->distance,
                                 .dim = by->dim,
                                 .target_rows = by->example_ends == NULL ? 1 : by->example_ends[0]};
    oct_status     status =
        stored_gather(self->plan->collection, what->number, &there, memory, &stored, self->error);

    if (status != OCT_OK)
        return status;
    candidates.vectors = stored.rows;
    candidates.spans = stored.spans;
    candidates.sparse = stored.sparse;
    candidates.sparse_target = what->sparse_target;
    return mmr_pick(&candidates, by->examples, (double)what->query->as.nearest.mmr_diversity, limit,
                    shard_points(self->plan->collection->shard), memory, out, self->error);
}

/* The best `limit` multivectors: points that the graph gathers, compared exactly; all of them where that is no gain, or too
 * few were gathered. */
static oct_status
walk_rows(runner *self, size_t limit, hit_list *out)
{
    const level    *what = self->what;
    const scorer   *target = &what->scorer;
    oct_collection *collection = self->plan->collection;
    const graph    *vectors = shard_graph(collection->shard, what->number);
    const size_t    asked = limit + self->scope.excluded_count;
    graph_gathering query = {.rows = target->examples,
                             .row_count = target->example_ends[0],
                             .ef = size_max(what->ef, asked),
                             .keep = GATHER_PART * size_max(what->ef, asked),
                             .indexed_only = what->query->indexed_only,
                             .allowed = self->scope.allowed,
                             .allowed_points = self->scope.allowed_points,
                             .allowed_count = self->scope.allowed_count};
    hit_scope       scope = self->scope;
    uint32_t       *points = NULL;
    oct_status      status = OCT_OK;

    if (vectors != NULL && !what->query->exact)
        status = shard_gather(collection->shard, what->number, &query, self->plan->memory, &points, &scope.listed_count,
                              self->error);
    if (status == OCT_OK && points != NULL) {
        scope.listed = points;
        status = exact_search(collection, what->number, target, &scope, limit, self->plan->memory, out, self->error);
        if (status != OCT_OK || out->count >= size_min(limit, graph_live_count(vectors)))
            return status;
    }
    if (status == OCT_OK)
        status = exact_search(collection, what->number, target, &self->scope, limit, self->plan->memory, out, self->error);
    return status;
}

static oct_status
run_scorer(runner *self, size_t limit, size_t skip, hit_list *out)
{
    const level       *what = self->what;
    const oct_nearest *nearest = &what->query->as.nearest;
    const bool         mmr = what->query->kind == OCT_QUERY_NEAREST && nearest->mmr;
    size_t             wanted = limit + skip;
    hit_list           found;
    oct_status         status;

    if (mmr)
        wanted = nearest->has_mmr_candidates ? nearest->mmr_candidates : limit;
    if (mmr && wanted > OCT_MMR_CANDIDATES_MAX)
        wanted = OCT_MMR_CANDIDATES_MAX;
    wanted = size_min(wanted, self->eligible);
    if (what->scorer.kind == SCORER_NEAREST && self->scope.listed == NULL)
        status = what->scorer.sparse != NULL         ? walk_lists(self, wanted, &found)
                 : what->scorer.example_ends != NULL ? walk_rows(self, wanted, &found)
                                                     : walk_graph(self, wanted, &found);
    else
        status = exact_search(self->plan->collection, what->number, &what->scorer, &self->scope, wanted,
                              self->plan->memory, &found, self->error);
    if (status != OCT_OK)
        return status;
    cut_by_metric(what, &found);
    *out = found;
    return mmr ? diversify(self, &found, limit + skip, out) : OCT_OK;
}

/* --- by prefetches ------------------------------------------------------------------------------------------ */

static oct_status
document_of(const void *context, oct_slice *out, oct_error *error)
{
    (void)error;
    *out = *(const oct_slice *)context;
    return OCT_OK;
}

/* What a condition of a formula may ask of a point. */
typedef struct subject {
    oct_slice document; /* first: document_of */
    shard    *target;
    uint32_t  point;
} subject;

static bool
has_vector(const void *context, uint32_t number)
{
    const subject *self = context;

    return shard_has_vector(self->target, number, self->point);
}

/* scores[i * lists + l]: of point i in list l; not a number if it is not there. */
static oct_status
table_of_scores(runner *self, const hit_list *sources, const float **out)
{
    const hit_scope *scope = &self->scope;
    const size_t     lists = self->what->prefetch_count;
    float           *scores = NULL;
    size_t           cells = 0;

    if (size_mul_ok(scope->listed_count, lists, &cells))
        scores = arena_array(self->plan->memory, cells + 1, sizeof *scores);
    if (scores == NULL)
        return oct_fail_memory(self->error, cells * sizeof *scores);
    for (size_t i = 0; i < cells; i++)
        scores[i] = NAN;
    for (size_t l = 0; l < lists; l++) {
        for (size_t i = 0; i < sources[l].count; i++) {
            const size_t at =
                point_numbers_place(scope->listed, scope->listed_count, sources[l].items[i].point);

            scores[at * lists + l] = sources[l].items[i].score;
        }
    }
    *out = scores;
    return OCT_OK;
}

static oct_status
run_formula(runner *self, const hit_list *sources, hit_list *out)
{
    oct_collection  *collection = self->plan->collection;
    const hit_scope *scope = &self->scope;
    const size_t     lists = self->what->prefetch_count;
    formula_scratch  scratch = {0};
    const float     *scores = NULL;
    oct_status       status = table_of_scores(self, sources, &scores);

    *out = (hit_list){arena_array(self->plan->memory, scope->listed_count + 1, sizeof(query_hit)), 0};
    if (status == OCT_OK && out->items == NULL)
        status = oct_fail_memory(self->error, scope->listed_count * sizeof(query_hit));
    for (size_t i = 0; i < scope->listed_count && status == OCT_OK; i++) {
        subject       about = {.target = collection->shard, .point = scope->listed[i]};
        formula_point point = {.scores = scores + i * lists, .score_count = lists};
        query_hit     made = {0, scope->listed[i]};

        if (!points_is_live(shard_points(collection->shard), made.point))
            continue;
        if (i % DEADLINE_POINTS == 0 && (status = deadline_check(self->error)) != OCT_OK)
            break;
        status = record_document(collection, made.point, &about.document, self->error);
        point.document = about.document;
        point.about = (filter_point){points_id(shard_points(collection->shard), made.point), document_of,
                                     has_vector, &about};
        if (status == OCT_OK)
            status = formula_evaluate(self->what->formula, &point, &scratch, &made.score, self->error);
        out->items[out->count++] = made;
    }
    formula_scratch_clear(&scratch);
    hits_sort(out, shard_points(collection->shard));
    return status;
}

/* --- by id ------------------------------------------------------------------------------------------------------ */

static oct_status
run_by_id(runner *self, size_t limit, hit_list *out)
{
    const hit_scope *scope = &self->scope;
    const size_t     asked = size_min(limit + scope->excluded_count, self->eligible);
    uint32_t        *points = arena_array(self->plan->memory, asked + 1, sizeof *points);
    size_t           count = 0;
    oct_status       status = OCT_OK;

    *out = (hit_list){arena_array(self->plan->memory, asked + 1, sizeof(query_hit)), 0};
    if (points == NULL || out->items == NULL)
        return oct_fail_memory(self->error, asked * sizeof *points);
    if (asked > 0)
        status = select_page(self->plan->collection, &self->these, NULL, asked, points, &count, self->error);
    for (size_t i = 0; i < count && status == OCT_OK && out->count < limit; i++) {
        if (!point_numbers_have(scope->excluded, scope->excluded_count, points[i]))
            out->items[out->count++] = (query_hit){1.0f, points[i]};
    }
    return status;
}

/* --- a level ------------------------------------------------------------------------------------------------------ */

static oct_status
run_level(runner *self, const hit_list *sources, size_t limit, size_t skip, hit_list *out)
{
    const level     *what = self->what;
    const point_set *points = shard_points(self->plan->collection->shard);
    const oct_rrf   *rrf = &what->query->as.rrf;
    arena           *memory = self->plan->memory;
    oct_status       status;
    const oct_order_value *orders;

    switch (what->query->kind) {
    case OCT_QUERY_RRF:
        status =
            fusion_rrf(sources, what->prefetch_count, rrf->k, rrf->weights, points, memory, out, self->error);
        break;
    case OCT_QUERY_DBSF:
        status = fusion_dbsf(sources, what->prefetch_count, points, memory, out, self->error);
        break;
    case OCT_QUERY_FORMULA:
        status = run_formula(self, sources, out);
        break;
    case OCT_QUERY_NONE:
        return run_by_id(self, limit + skip, out);
    case OCT_QUERY_ORDER_BY:
        status = order_points(self->plan->collection, &what->query->as.order_by, &self->scope, limit + skip, memory,
                              out, &orders, self->error);
        if (what == &self->plan->top)
            *self->plan->orders = orders;
        return status;
    case OCT_QUERY_SAMPLE:
        return sample_points(self->plan->collection, &self->scope, POINT_NONE, limit, memory, out,
                             self->error);
    default:
        return run_scorer(self, limit, skip, out);
    }
    if (status == OCT_OK) {
        cut_below(what, out);
        out->count = size_min(out->count, limit + skip);
    }
    return status;
}

oct_status
query_run(const query_plan *plan, const level *what, size_t limit, size_t skip, hit_list *out,
          oct_error *error)
{
    runner     self = {.plan = plan, .what = what, .error = error};
    hit_list  *sources = NULL;
    oct_status status = OCT_OK;

    *out = (hit_list){0};
    status = deadline_check(error);
    if (status != OCT_OK)
        return status;
    if (what->prefetch_count > 0) {
        sources = arena_array(plan->memory, what->prefetch_count, sizeof *sources);
        if (sources == NULL)
            return oct_fail_memory(error, what->prefetch_count * sizeof *sources);
    }
    for (size_t i = 0; i < what->prefetch_count && status == OCT_OK; i++)
        status = query_run(plan, &what->prefetches[i], what->prefetches[i].limit, 0, &sources[i], error);
    if (status == OCT_OK)
        status = runner_open(&self, sources);
    if (status == OCT_OK)
        status = run_level(&self, sources, limit, skip, out);
    selection_clear(&self.these);
    return status;
}

/* --- records
 * ---------------------------------------------------------------------------------------------------------- */

oct_status
query_records(oct_collection *self, oct_query_kind kind, const hit_list *hits, const oct_order_value *orders,
              size_t skip, const oct_select *select, oct_records **out, oct_error *error)
{
    const config_box    *box = collection_box(self);
    const document_view *view = NULL;
    const size_t         first = kind == OCT_QUERY_SAMPLE ? 0 : size_min(skip, hits->count);
    record_list         *list;
    oct_status           status = record_list_new(hits->count - first, &list, error);

    *out = NULL;
    if (status != OCT_OK)
        return status;
    status = record_plan_select(box, select, &list->memory, &view, error);
    if (status == OCT_OK)
        status = deadline_expect(record_expected_ns(box, select, hits->count - first), error);
    for (size_t i = first; i < hits->count && status == OCT_OK; i++) {
        const size_t at = list->records.count;

        status =
            record_list_add(self, box, list, hits->items[i].point, hits->items[i].score, select, view, error);
        if (!query_is_scored(kind) && list->records.count > at)
            list->items[at].version = 0;
        if (orders != NULL && list->records.count > at)
            list->items[at].order = orders[i];
    }
    if (status == OCT_OK)
        *out = &list->records;
    else
        oct_records_free(&list->records);
    return status;
}

/* --- requests
 * --------------------------------------------------------------------------------------------------------- */

/* `excluded`: ids that must not be among the hits, beside those that the query itself uses. */
static oct_status
answer(oct_collection *self, const oct_query *query, size_t offset, const oct_id *excluded,
       size_t excluded_count, const oct_select *select, oct_records **out, oct_error *error)
{
    arena      memory = {0};
    query_plan plan;
    hit_list   hits;
    oct_status status = query_plan_make(self, query, 1, &memory, &plan, error);

    *out = NULL;
    for (size_t i = 0; i < excluded_count && status == OCT_OK; i++)
        status = query_plan_exclude(&plan, &excluded[i], error);
    if (status == OCT_OK) {
        epoch_pin();
        status = query_run(&plan, &plan.top, plan.top.limit, offset, &hits, error);
        if (status == OCT_OK)
            status = query_records(self, query->kind, &hits, plan.orders == NULL ? NULL : *plan.orders, offset, select, out,
                                   error);
        epoch_unpin();
    }
    arena_clear(&memory);
    return status;
}

oct_status
collection_query(oct_collection *self, const oct_query_request *request, oct_records **out, oct_error *error)
{
    return answer(self, &request->query, request->offset, NULL, 0, &request->select, out, error);
}

oct_status
collection_search(oct_collection *self, const oct_search_request *request, oct_records **out,
                  oct_error *error)
{
    const oct_query query = {
        .kind = OCT_QUERY_NEAREST,
        .as.nearest.target.vector = {.kind = OCT_DENSE,
                                     .values = request->query,
                                     .value_count = request->dim},
        .using_vector = request->vector_name,
        .filter = request->filter,
        .limit = request->limit,
        .has_score_threshold = request->has_score_threshold,
        .score_threshold = request->score_threshold,
        .ef = request->ef,
        .exact = request->exact,
        .indexed_only = request->indexed_only,
    };

    return answer(self, &query, request->offset, request->exclude, request->exclude_count, &request->select,
                  out, error);
}

/* Requests of a batch, each an item of a split. */
typedef struct batch_work {
    oct_collection          *collection;
    const oct_query_request *requests;
    oct_records            **out;
    pthread_mutex_t          lock;   /* guards the next lines */
    size_t                   failed; /* the first request, in order, that did */
    oct_status               status;
    oct_error                error;
} batch_work;

static void
run_request(void *context, size_t item, uint32_t worker)
{
    batch_work *self = context;
    oct_error   error = {0};
    oct_status  status = collection_query(self->collection, &self->requests[item], &self->out[item], &error);

    (void)worker;
    if (status == OCT_OK)
        return;
    (void)pthread_mutex_lock(&self->lock);
    if (self->status == OCT_OK || item < self->failed) {
        self->failed = item;
        self->status = status;
        self->error = error;
    }
    (void)pthread_mutex_unlock(&self->lock);
}

oct_status
collection_query_batch(oct_collection *self, const oct_query_request *requests, size_t count,
                       oct_records **out, oct_error *error)
{
    batch_work work = {.collection = self, .requests = requests, .out = out};

    for (size_t i = 0; i < count; i++)
        out[i] = NULL;
    (void)pthread_mutex_init(&work.lock, NULL);
    workers_split(self->database->pool, count, 0, run_request, &work);
    (void)pthread_mutex_destroy(&work.lock);
    for (size_t i = 0; i < count && work.status != OCT_OK; i++) {
        oct_records_free(out[i]);
        out[i] = NULL;
    }
    if (work.status != OCT_OK && error != NULL)
        *error = work.error;
    return work.status;
}
