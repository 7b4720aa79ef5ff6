/* From an oct_query to levels that can be run. See query.h. */
#include "base/epoch.h"
#include "collection/fusion.h"
#include "collection/order.h"
#include "collection/query_internal.h"
#include "collection/select.h"
#include "collection/shard_keys.h"
#include "kernel/kernel.h"

/* Planning one request. */
typedef struct planner {
    query_plan *plan;
    size_t      prefetch_factor;
    size_t      prefetches; /* met so far, on all levels */
    const oct_shard_key *shard_keys; /* of the request: where ids are looked up first */
    size_t               shard_key_count;
    oct_error  *error;
} planner;

/* --- small checks ------------------------------------------------------------------------------------- */

oct_status
box_check_dim(const config_box *box, size_t index, size_t dim, oct_error *error)
{
    const int64_t expected = box->config.vectors[index].size;

    if ((int64_t)dim == expected)
        return OCT_OK;
    return oct_fail(error, OCT_DIM, "Vector dimension error: expected dim: %lld, got %zu",
                    (long long)expected, dim);
}

size_t
box_ef(const config_box *box, size_t index, size_t ef)
{
    return ef != 0 ? ef : (size_t)config_vector_hnsw(&box->filled, &box->filled.vectors[index]).ef_construct;
}

static bool
is_fusion(oct_query_kind kind)
{
    return kind == OCT_QUERY_RRF || kind == OCT_QUERY_DBSF;
}

static oct_status
check_prefetches(const oct_query *query, oct_error *error)
{
    const oct_rrf *rrf = &query->as.rrf;

    if (query->prefetch_count > 0 && query->kind == OCT_QUERY_NONE)
        return oct_fail(
            error, OCT_BAD_REQUEST,
            "A query is needed to merge the prefetches. Can't have prefetches without defining a query.");
    if (query->prefetch_count == 0 && is_fusion(query->kind))
        return oct_fail(error, OCT_INVALID, "Validation failed: cannot apply Fusion without prefetches");
    if (query->prefetch_count == 0 && query->kind == OCT_QUERY_FORMULA)
        return oct_fail(error, OCT_INVALID, "Validation failed: cannot apply Formula without prefetches");
    if (query->kind == OCT_QUERY_RRF && rrf->weights != NULL && rrf->weight_count != query->prefetch_count)
        return oct_fail(error, OCT_INVALID,
                        "Number of weights in RRF should match number of pre-fetches: got %zu, expected %zu",
                        rrf->weight_count, query->prefetch_count);
    return OCT_OK;
}

static oct_status
check_level(const oct_query *query, size_t depth, oct_error *error)
{
    if (depth > OCT_PREFETCH_DEPTH_MAX)
        return oct_fail(error, OCT_BAD_REQUEST, "prefetches are nested more than %u deep",
                        OCT_PREFETCH_DEPTH_MAX);
    if (query->limit == 0)
        return oct_fail(error, OCT_RANGE, "limit: value 0 invalid, must be 1 or larger");
    if (query->limit > OCT_LIMIT_MAX)
        return oct_fail(error, OCT_RANGE, "limit: value %zu invalid, must be from 1 to %u", query->limit,
                        OCT_LIMIT_MAX);
    if (query->has_score_threshold && query->kind == OCT_QUERY_NONE)
        return oct_fail(
            error, OCT_BAD_REQUEST,
            "A query is needed to use the score_threshold. Can't have score_threshold without defining a "
            "query.");
    if (query->has_score_threshold && query->kind == OCT_QUERY_ORDER_BY)
        return oct_fail(error, OCT_BAD_REQUEST, "Can't use score_threshold with an order_by query.");
    if (is_fusion(query->kind) && query->using_vector.size > 0)
        return oct_fail(error, OCT_BAD_REQUEST, "Fusion queries cannot be combined with the 'using' field.");
    return check_prefetches(query, error);
}

/* --- filters --------------------------------------------------------------------------------------------- */

static oct_status
join(const oct_condition *first, size_t first_count, const oct_condition *second, size_t second_count,
     arena *memory, const oct_condition **out, size_t *count, oct_error *error)
{
    oct_condition *both;

    *out = first_count == 0 ? second : first;
    *count = first_count + second_count;
    if (first_count == 0 || second_count == 0)
        return OCT_OK;
    both = arena_array(memory, *count, sizeof *both);
    if (both == NULL)
        return oct_fail_memory(error, *count * sizeof *both);
    memcpy(both, first, first_count * sizeof *both);
    memcpy(both + first_count, second, second_count * sizeof *both);
    *out = both;
    return OCT_OK;
}

/* The filter of a level with that of the levels above it, the way Qdrant merges them: part by part. So the two lists of
 * `should` become one, of which one condition must hold. */
static oct_status
merge_filters(const oct_filter *outer, const oct_filter *inner, arena *memory, const oct_filter **out,
              oct_error *error)
{
    oct_filter *made;
    oct_status  status;

    *out = outer == NULL ? inner : outer;
    if (outer == NULL || inner == NULL)
        return OCT_OK;
    made = arena_alloc(memory, sizeof *made);
    if (made == NULL)
        return oct_fail_memory(error, sizeof *made);
    status = join(outer->must, outer->must_count, inner->must, inner->must_count, memory, &made->must,
                  &made->must_count, error);
    if (status == OCT_OK)
        status = join(outer->should, outer->should_count, inner->should, inner->should_count, memory,
                      &made->should, &made->should_count, error);
    if (status == OCT_OK)
        status = join(outer->must_not, outer->must_not_count, inner->must_not, inner->must_not_count, memory,
                      &made->must_not, &made->must_not_count, error);
    if (status == OCT_OK)
        status = join(outer->min_should, outer->min_should_count, inner->min_should, inner->min_should_count,
                      memory, &made->min_should, &made->min_should_count, error);
    made->min_count = outer->min_count > inner->min_count ? outer->min_count : inner->min_count;
    *out = made;
    return status;
}

/* --- examples ------------------------------------------------------------------------------------------------ */

oct_status
query_plan_exclude(query_plan *self, const oct_id *id, oct_error *error)
{
    if (self->excluded_count == self->excluded_capacity) {
        const size_t more = self->excluded_capacity * 2 + 8;
        oct_id      *grown = arena_array(self->memory, more, sizeof *grown);

        if (grown == NULL)
            return oct_fail_memory(error, more * sizeof *grown);
        if (self->excluded_count > 0)
            memcpy(grown, self->excluded, self->excluded_count * sizeof *grown);
        self->excluded = grown;
        self->excluded_capacity = more;
    }
    self->excluded[self->excluded_count++] = *id;
    return OCT_OK;
}

/* Examples of one level on their way into scorer.examples. */
typedef struct gathering {
    planner         *planner;
    const oct_query *query;
    oct_collection  *source; /* where ids are looked up */
    oct_slice        source_vector;
    oct_collection  *opened; /* to be released: the source, if it is another collection */
    size_t           dim;
    bool             multi; /* examples are multivectors; a dense one counts as a row */
    float           *values; /* row_count rows, room for capacity */
    size_t           row_count, capacity;
    uint32_t        *ends; /* of each example, in rows */
    sparse_vector   *sparse; /* NULL: they are not; else the examples are these, room for all */
    size_t           count;
} gathering;

static oct_status
gathering_open(gathering *self, planner *from, const oct_query *query, const oct_vector_config *vector, size_t capacity)
{
    const size_t dim = vector->sparse == 1 ? 0 : (size_t)vector->size;

    *self = (gathering){.planner = from, .query = query, .dim = dim, .source = from->plan->collection};
    self->multi = vector->multivector == 1;
    self->capacity = capacity + 1;
    self->source_vector =
        query->has_lookup && query->has_lookup_vector ? query->lookup_vector : query->using_vector;
    if (capacity > OCT_EXAMPLES_MAX)
        return oct_fail(from->error, OCT_RANGE, "%zu examples in one query are too many; at most %u",
                        capacity, OCT_EXAMPLES_MAX);
    if (vector->sparse == 1) {
        self->sparse = arena_array(from->plan->memory, capacity + 1, sizeof *self->sparse);
        return self->sparse == NULL ? oct_fail_memory(from->error, capacity * sizeof *self->sparse) : OCT_OK;
    }
    self->values = arena_array(from->plan->memory, capacity + 1, dim * sizeof(float));
    self->ends = arena_array(from->plan->memory, capacity + 1, sizeof *self->ends);
    return self->values == NULL || self->ends == NULL
               ? oct_fail_memory(from->error, capacity * dim * sizeof(float))
               : OCT_OK;
}

/* One more example. */
static oct_status
gathering_add(gathering *self, const float *values, size_t row_count)
{
    arena       *memory = self->planner->plan->memory;
    const size_t bytes = self->dim * sizeof(float);

    if (row_count > self->capacity - self->row_count) {
        const size_t more = 2 * (self->row_count + row_count);
        float       *grown = arena_array(memory, more, bytes);

        if (grown == NULL)
            return oct_fail_memory(self->planner->error, more * bytes);
        memcpy(grown, self->values, self->row_count * bytes);
        self->values = grown;
        self->capacity = more;
    }
    memcpy(self->values + self->row_count * self->dim, values, row_count * bytes);
    self->row_count += row_count;
    self->ends[self->count++] = (uint32_t)self->row_count;
    return OCT_OK;
}

static void
gathering_close(gathering *self)
{
    collection_release(self->opened);
}

/* The first id is what a collection to look up is opened for. */
static oct_status
open_source(gathering *self)
{
    const oct_slice name = self->query->lookup_collection;
    oct_status      status;

    if (!self->query->has_lookup || self->opened != NULL)
        return OCT_OK;
    status =
        catalogue_find(self->planner->plan->collection->database, name, &self->opened, self->planner->error);
    if (status == OCT_NOT_FOUND)
        return oct_fail(self->planner->error, status, "Collection %.*s not found",
                        (int)size_min(name.size, 300), name.data);
    self->source = self->opened;
    return status;
}

/* A vector as one more example. */
static oct_status
gather_vector(gathering *self, const oct_vector *vector)
{
    oct_error   *error = self->planner->error;
    const size_t row_count = vector->kind == OCT_MULTI ? vector->row_count : 1;
    const size_t dim = row_count == 0 ? 0 : vector->value_count / row_count;

    if (self->sparse != NULL)
        return sparse_prepare(vector, self->planner->plan->memory, &self->sparse[self->count++], error);
    if (vector->kind == OCT_SPARSE)
        return fail_vector_kind(OCT_SPARSE, error);
    if (vector->kind == OCT_MULTI && !self->multi)
        return oct_fail(error, OCT_INVALID, "Conversion between multi and regular vectors failed");
    if (row_count == 0)
        return oct_fail(error, OCT_INVALID, "a multivector must have at least one row");
    if (dim != self->dim || dim * row_count != vector->value_count)
        return oct_fail(error, OCT_DIM, "Vector dimension error: expected dim: %zu, got %zu", self->dim, dim);
    if (vector->value_count > OCT_MULTI_FLOATS_MAX)
        return oct_fail(error, OCT_RANGE, "a multivector of %zu floats is too large; at most %u are allowed",
                        vector->value_count, OCT_MULTI_FLOATS_MAX);
    if (!floats_are_finite(vector->values, vector->value_count))
        return oct_fail(error, OCT_INVALID, "the query has a component that is not a finite number");
    return gathering_add(self, vector->values, row_count);
}

/* The vector of a point. Pinned. */
static oct_status
gather_point(gathering *self, const oct_id *id)
{
    oct_error        *error = self->planner->error;
    const config_box *box = collection_box(self->source);
    shard            *target = self->source->shard;
    oct_vector        stored = {.values = NULL};
    size_t            index = 0, at = 0;
    uint32_t          point;
    oct_status        status = box_find_vector(box, self->source_vector, &index, error);

    if (status != OCT_OK)
        return status;
    if (self->query->has_lookup)
        point = shard_keys_next(self->source, box, id, self->query->lookup_shard_keys,
                                self->query->lookup_shard_key_count, &at);
    else
        point = shard_keys_next(self->source, box, id, self->planner->shard_keys, self->planner->shard_key_count, &at);
    if (point == POINT_NONE)
        return shard_fail_unknown(id, error);
    status = shard_read_vector(target, box->numbers[index], point, self->planner->plan->memory, &stored, error);
    if (status == OCT_OK && stored.values == NULL)
        status = oct_fail(error, OCT_NOT_FOUND, "Vector with name \"%.*s\" for point not found",
                          (int)self->source_vector.size, self->source_vector.data);
    return status == OCT_OK ? gather_vector(self, &stored) : status;
}

static oct_status
gather(gathering *self, const oct_example *example)
{
    oct_status status;

    if (!example->is_point)
        return gather_vector(self, &example->vector);
    status = open_source(self);
    if (status != OCT_OK)
        return status;
    epoch_pin();
    status = gather_point(self, &example->point);
    epoch_unpin();
    if (status == OCT_OK && self->source == self->planner->plan->collection)
        status = query_plan_exclude(self->planner->plan, &example->point, self->planner->error);
    return status;
}

/* --- queries by vectors ------------------------------------------------------------------------------------------ */

/* Of multivectors: all their rows together, those of negatives with their signs turned. */
static void
average_rows(gathering *self, size_t positive_count)
{
    const size_t positive_rows = self->ends[positive_count - 1];

    for (size_t i = positive_rows * self->dim; i < self->row_count * self->dim; i++)
        self->values[i] = 0.0f - self->values[i];
    self->ends[0] = (uint32_t)self->row_count;
    self->count = 1;
}

/* 2 avg(positives) - avg(negatives), or the positives' average alone. */
static float
average_of(double positive, double negative, size_t positive_count, size_t negative_count)
{
    positive /= (double)positive_count;
    if (negative_count > 0)
        positive = positive + positive - negative / (double)negative_count;
    return (float)positive;
}

/* Of sparse vectors: all entries merged by index; next[i] is where example i goes on. */
static oct_status
average_sparse(gathering *self, size_t positive_count)
{
    arena       *memory = self->planner->plan->memory;
    const size_t negative_count = self->count - positive_count;
    size_t      *next = arena_array(memory, self->count, sizeof *next);
    size_t       total = 0, count = 0;
    uint32_t    *indices;
    float       *values;

    for (size_t i = 0; i < self->count; i++)
        total += self->sparse[i].count;
    indices = arena_array(memory, total + 1, sizeof *indices);
    values = arena_array(memory, total + 1, sizeof *values);
    if (next == NULL || indices == NULL || values == NULL)
        return oct_fail_memory(self->planner->error, total * sizeof *values);
    for (;;) {
        uint64_t index = UINT64_MAX;
        double   positive = 0, negative = 0;

        for (size_t i = 0; i < self->count; i++) {
            if (next[i] < self->sparse[i].count && self->sparse[i].indices[next[i]] < index)
                index = self->sparse[i].indices[next[i]];
        }
        if (index == UINT64_MAX)
            break;
        for (size_t i = 0; i < self->count; i++) {
            if (next[i] < self->sparse[i].count && self->sparse[i].indices[next[i]] == index)
                *(i < positive_count ? &positive : &negative) += (double)self->sparse[i].values[next[i]++];
        }
        indices[count] = (uint32_t)index;
        values[count++] = average_of(positive, negative, positive_count, negative_count);
    }
    self->sparse[0] = (sparse_vector){indices, values, (uint32_t)count};
    self->count = 1;
    return floats_are_finite(values, count)
               ? OCT_OK
               : oct_fail(self->planner->error, OCT_INVALID, "the average of the examples is not finite");
}

/* Into the first place. */
static void
average(gathering *self, size_t positive_count)
{
    const size_t negative_count = self->count - positive_count;

    if (self->multi) {
        average_rows(self, positive_count);
        return;
    }
    for (size_t j = 0; j < self->dim; j++) {
        double positive = 0, negative = 0;

        for (size_t i = 0; i < self->count; i++)
            *(i < positive_count ? &positive : &negative) += (double)self->values[i * self->dim + j];
        self->values[j] = average_of(positive, negative, positive_count, negative_count);
    }
    self->count = self->row_count = 1;
}

static oct_status
gather_recommend(gathering *self, const oct_recommend *given, scorer *out)
{
    oct_error *error = self->planner->error;
    oct_status status = OCT_OK;

    if (given->strategy == OCT_AVERAGE_VECTOR && given->positive_count == 0)
        return oct_fail(error, OCT_INVALID, "Positive vectors should not be empty with `average` strategy");
    if (given->positive_count + given->negative_count == 0)
        return oct_fail(error, OCT_BAD_REQUEST,
                        "At least one positive or negative vector ID required with this strategy");
    for (size_t i = 0; i < given->positive_count && status == OCT_OK; i++)
        status = gather(self, &given->positive[i]);
    for (size_t i = 0; i < given->negative_count && status == OCT_OK; i++)
        status = gather(self, &given->negative[i]);
    if (status != OCT_OK)
        return status;
    out->positive_count = given->positive_count;
    switch (given->strategy) {
    case OCT_AVERAGE_VECTOR:
        out->kind = SCORER_NEAREST;
        if (self->sparse != NULL)
            return average_sparse(self, given->positive_count);
        average(self, given->positive_count);
        if (!floats_are_finite(self->values, self->row_count * self->dim))
            return oct_fail(error, OCT_INVALID, "the average of the examples is not finite");
        return OCT_OK;
    case OCT_BEST_SCORE:
        out->kind = SCORER_BEST;
        return OCT_OK;
    case OCT_SUM_SCORES:
        out->kind = SCORER_SUM;
        return OCT_OK;
    }
    return oct_fail(error, OCT_INVALID, "recommend strategy %d is unknown", (int)given->strategy);
}

static oct_status
gather_pairs(gathering *self, const oct_discover *given)
{
    oct_status status = OCT_OK;

    for (size_t i = 0; i < given->pair_count && status == OCT_OK; i++) {
        status = gather(self, &given->pairs[i].positive);
        if (status == OCT_OK)
            status = gather(self, &given->pairs[i].negative);
    }
    return status;
}

static oct_status
gather_feedback(gathering *self, const oct_feedback *given, scorer *out)
{
    oct_error *error = self->planner->error;
    float     *scores = arena_array(self->planner->plan->memory, given->item_count + 1, sizeof *scores);
    double    *weights = arena_array(self->planner->plan->memory, given->item_count + 1, sizeof *weights);
    oct_status status;

    if (scores == NULL || weights == NULL)
        return oct_fail_memory(error, given->item_count * sizeof *weights);
    if (given->item_count == 0)
        return oct_fail(error, OCT_RANGE, "feedback elements must be non-empty");
    if (given->item_count > OCT_FEEDBACK_MAX)
        return oct_fail(error, OCT_RANGE, "%zu feedback elements are too many; at most %u", given->item_count,
                        OCT_FEEDBACK_MAX);
    if (!(given->b >= 0))
        return oct_fail(error, OCT_RANGE, "naive.b: value %g invalid, must be 0.0 or larger",
                        (double)given->b);
    status = gather(self, &given->target);
    for (size_t i = 0; i < given->item_count && status == OCT_OK; i++) {
        scores[i] = given->items[i].score;
        status = gather(self, &given->items[i].example);
    }
    scorer_feedback_weights(scores, given->item_count, (double)given->a, (double)given->b, (double)given->c,
                            weights);
    out->kind = SCORER_FEEDBACK;
    out->weights = weights;
    return status;
}

static size_t
count_examples(const oct_query *query)
{
    switch (query->kind) {
    case OCT_QUERY_NEAREST:
        return 1;
    case OCT_QUERY_RECOMMEND:
        return query->as.recommend.positive_count + query->as.recommend.negative_count;
    case OCT_QUERY_DISCOVER:
        return 1 + 2 * query->as.discover.pair_count;
    case OCT_QUERY_CONTEXT:
        return 2 * query->as.discover.pair_count;
    case OCT_QUERY_FEEDBACK:
        return 1 + query->as.feedback.item_count;
    default:
        return 0;
    }
}

static oct_status
gather_all(gathering *self, scorer *out)
{
    const oct_query   *query = self->query;
    const oct_nearest *nearest = &query->as.nearest;
    oct_error         *error = self->planner->error;
    oct_status         status;

    switch (query->kind) {
    case OCT_QUERY_RECOMMEND:
        return gather_recommend(self, &query->as.recommend, out);
    case OCT_QUERY_DISCOVER:
        out->kind = SCORER_DISCOVER;
        status = gather(self, &query->as.discover.target);
        return status == OCT_OK ? gather_pairs(self, &query->as.discover) : status;
    case OCT_QUERY_CONTEXT:
        if (query->as.discover.pair_count == 0)
            return oct_fail(error, OCT_BAD_REQUEST, "No target or context given");
        out->kind = SCORER_CONTEXT;
        return gather_pairs(self, &query->as.discover);
    case OCT_QUERY_FEEDBACK:
        return gather_feedback(self, &query->as.feedback, out);
    default:
        if (nearest->mmr && !(nearest->mmr_diversity >= 0 && nearest->mmr_diversity <= 1))
            return oct_fail(error, OCT_RANGE, "mmr.diversity: value %g invalid, must be from 0.0 to 1.0",
                            (double)nearest->mmr_diversity);
        if (nearest->mmr && nearest->has_mmr_candidates && nearest->mmr_candidates > OCT_MMR_CANDIDATES_MAX)
            return oct_fail(error, OCT_RANGE, "mmr.candidates_limit: value %zu invalid, must be from 0 to %u",
                            nearest->mmr_candidates, OCT_MMR_CANDIDATES_MAX);
        out->kind = SCORER_NEAREST;
        return gather(self, &nearest->target);
    }
}

/* Weights by how rare each index is, in the whole collection or in the corpus that the query names. */
static oct_status
weigh(planner *self, gathering *all, uint32_t number)
{
    oct_collection *collection = self->plan->collection;
    const filter   *wanted = NULL;
    selection       these = {0};
    oct_status      status = OCT_OK;

    if (all->query->idf_corpus != NULL)
        status = select_compile(collection, all->query->idf_corpus, self->plan->memory, &wanted, self->error);
    epoch_pin();
    if (status == OCT_OK)
        status = select_points(collection, wanted, &these, self->error);
    for (size_t i = 0; i < all->count && status == OCT_OK; i++) {
        const sparse_scope  scope = {these.bits, these.point_count, these.count};
        const sparse_index *index = shard_sparse(collection->shard, number);
        sparse_vector      *vector = &all->sparse[i];
        float              *values = arena_array(self->plan->memory, (size_t)vector->count + 1, sizeof *values);

        if (values == NULL) {
            status = oct_fail_memory(self->error, vector->count * sizeof *values);
        } else {
            memcpy(values, vector->values, vector->count * sizeof *values);
            if (index != NULL)
                status = sparse_weigh(index, &scope, vector->indices, values, vector->count, self->error);
            vector->values = values;
        }
    }
    selection_clear(&these);
    epoch_unpin();
    return status;
}

static oct_status
plan_vectors(planner *self, const oct_query *query, level *out)
{
    oct_collection   *collection = self->plan->collection;
    const config_box *box;
    size_t            index = 0;
    oct_vector_config vector = {.size = 0};
    gathering         all = {0};
    oct_status        status;

    epoch_pin();
    box = collection_box(collection);
    status = box_find_vector(box, query->using_vector, &index, self->error);
    if (status == OCT_OK) {
        out->number = box->numbers[index];
        out->quantized = config_quantizes(&box->filled, &box->filled.vectors[index]);
        vector = box->config.vectors[index];
        out->scorer.distance = OCT_DOT;
        if (vector.sparse != 1) {
            out->ef = box_ef(box, index, query->ef);
            out->scorer.dim = (size_t)vector.size;
            out->scorer.distance = (oct_distance)vector.distance;
        }
    }
    epoch_unpin();
    if (status == OCT_OK && query->has_idf && !config_is_idf(&vector))
        status = oct_fail(self->error, OCT_INVALID, "search param `idf` requires a sparse vector with the `idf` modifier");
    if (status == OCT_OK)
        status = gathering_open(&all, self, query, &vector, count_examples(query));
    if (status == OCT_OK)
        status = gather_all(&all, &out->scorer);
    gathering_close(&all);
    if (status != OCT_OK)
        return status;
    /* As the graph prepares what it stores. */
    for (size_t i = 0; i < all.row_count; i++)
        graph_prepare_as(out->scorer.distance, config_datatype(&vector), all.values + i * all.dim,
                               all.values + i * all.dim, all.dim);
    if (all.sparse != NULL && all.count > 0)
        out->sparse_target = all.sparse[0];
    if (all.sparse != NULL && config_is_idf(&vector))
        status = weigh(self, &all, out->number);
    if (status != OCT_OK)
        return status;
    out->scorer.sparse = all.sparse;
    out->scorer.examples = all.values;
    out->scorer.example_count = all.count;
    out->scorer.example_ends = all.multi ? all.ends : NULL;
    out->has_scorer = true;
    return OCT_OK;
}

/* --- levels ---------------------------------------------------------------------------------------------------------- */

static oct_status
plan_formula(planner *self, const oct_formula *given, level *out)
{
    oct_status status;

    epoch_pin();
    status = formula_compile(given, select_vector_number, select_text_field, collection_box(self->plan->collection),
                             self->plan->memory, &out->formula, self->error);
    epoch_unpin();
    return status;
}

static oct_status
plan_level(planner *self, const oct_query *query, const oct_filter *outer, size_t depth, level *out)
{
    arena            *memory = self->plan->memory;
    const oct_filter *whole;
    oct_status        status = check_level(query, depth, self->error);

    *out = (level){.query = query, .limit = query->limit};
    if (status == OCT_OK && query->kind == OCT_QUERY_ORDER_BY)
        status = order_check(self->plan->collection, &query->as.order_by, self->error);
    if (status == OCT_OK && depth > 0 &&
        (__builtin_mul_overflow(query->limit, self->prefetch_factor, &out->limit) ||
         out->limit > OCT_LIMIT_MAX))
        out->limit = OCT_LIMIT_MAX;
    if (status == OCT_OK)
        status = merge_filters(outer, query->filter, memory, &whole, self->error);
    if (status == OCT_OK)
        status = select_compile(self->plan->collection, whole, memory, &out->wanted, self->error);
    if (status == OCT_OK &&
        count_examples(query) + (query->kind == OCT_QUERY_RECOMMEND || query->kind == OCT_QUERY_CONTEXT) > 0)
        status = plan_vectors(self, query, out);
    if (status == OCT_OK && query->kind == OCT_QUERY_FORMULA)
        status = plan_formula(self, &query->as.formula, out);
    if (status != OCT_OK || query->prefetch_count == 0)
        return status;
    if (query->prefetch_count > OCT_PREFETCHES_MAX - self->prefetches)
        return oct_fail(self->error, OCT_BAD_REQUEST, "a request has more than %u prefetches", OCT_PREFETCHES_MAX);
    self->prefetches += query->prefetch_count;
    out->prefetches = arena_array(memory, query->prefetch_count, sizeof *out->prefetches);
    if (out->prefetches == NULL)
        return oct_fail_memory(self->error, query->prefetch_count * sizeof *out->prefetches);
    out->prefetch_count = query->prefetch_count;
    for (size_t i = 0; i < query->prefetch_count && status == OCT_OK; i++)
        status = plan_level(self, &query->prefetch[i], whole, depth + 1, &out->prefetches[i]);
    return status;
}

oct_status
query_plan_make(oct_collection *self, const oct_query *query, size_t prefetch_factor, arena *memory,
                query_plan *out, oct_error *error)
{
    planner work = {.plan = out, .prefetch_factor = prefetch_factor, .error = error};

    *out = (query_plan){.collection = self, .memory = memory};
    if (query->kind == OCT_QUERY_ORDER_BY) {
        out->orders = arena_alloc(memory, sizeof(oct_order_value *));
        if (out->orders == NULL)
            return oct_fail_memory(error, sizeof(oct_order_value *));
    }
    shard_keys_of_filter(query->filter, &work.shard_keys, &work.shard_key_count);
    return plan_level(&work, query, NULL, 0, &out->top);
}
