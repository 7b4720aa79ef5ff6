/* See shard_test.h. */
#include "shard/shard_test.h"

#include "base/epoch.h"
#include "payload/document.h"

#define BATCH_MAX 24u

oct_id
stage_id(uint32_t index)
{
    if (index % 3 == 0)
        return (oct_id){mix64(index / 7), index, 1, 0};
    return oct_id_number(index * 5);
}

/* --- opening -------------------------------------------------------------------------------------------- */

static oct_status
replay(void *context, const log_record *record, oct_error *error)
{
    stage *self = context;

    return record->shard == STAGE_ID ? shard_replay(self->shard, record->sequence, record->body, error)
                                     : OCT_OK;
}

static void
open_parts(stage *self, bool from_scratch)
{
    const shard_options options = {STAGE_ID, self->disk, self->pool, NULL, STAGE_FOLDER, 0, false, NULL, NULL, NULL, NULL};
    const log_options   log = {
          .system = self->disk, .path = "/data/log", .sync = OCT_SYNC_ALWAYS, .segment_bytes = 200000};
    const bool has_manifest = self->manifest.size > 0 && !from_scratch;
    oct_error  error = {0};
    oct_status status = shard_new(&options, self->vectors, self->vector_count, &self->shard, &error);

    if (status == OCT_OK)
        self->shard->payload_waste_min = 3000; /* so that documents move often */
    if (status == OCT_OK && has_manifest)
        status = shard_load(self->shard, (oct_slice){self->manifest.data, self->manifest.size}, &error);
    if (status == OCT_OK)
        status = log_open(&log, has_manifest ? self->log_after : 0, replay, self, &self->log, &error);
    if (status != OCT_OK) {
        test_failed(__FILE__, __LINE__, "cannot open: %s", error.text);
        oct_must_failed("the stage cannot go on", __FILE__, __LINE__);
    }
    shard_set_log(self->shard, self->log);
}

void
stage_open(stage *self, uint64_t seed, uint32_t kind, uint32_t threads)
{
    static const uint32_t     dims[STAGE_VECTORS] = {5, 72, 16};
    static const oct_distance distances[STAGE_VECTORS] = {OCT_COSINE, OCT_EUCLID, OCT_DOT};

    points_reclaim_after(5); /* numbers come back often */
    *self = (stage){.rng = test_rng_seed(seed)};
    self->disk = os_fault_new();
    OCT_MUST(os_make_dir(self->disk, "/data/shard", NULL) == OCT_OK);
    CHECK_OK(workers_new(threads, &self->pool, NULL));
    self->points = calloc(STAGE_IDS, sizeof *self->points);
    OCT_MUST(self->points != NULL);
    self->vector_count = 1 + test_below(&self->rng, STAGE_VECTORS);
    for (uint32_t v = 0; v < self->vector_count; v++)
        self->vectors[v] = (shard_vector_config){
            .number = v,
            .params = {.dim = dims[v],
                       .distance = distances[v],
                       .m = 4 + v,
                       .ef_construct = 20,
                       .datatype = (oct_datatype)((seed / 3 + v) % 3),
                       .start_rows = kind == 0 ? GRAPH_START_NEVER : kind == 1 ? 1 : 150},
            .deleted_threshold = 0.2,
            .vacuum_rows_min = 30,
        };
    open_parts(self, true);
}

static void
close_parts(stage *self)
{
    shard_free(self->shard);
    CHECK_OK(log_close(self->log, NULL));
    self->shard = NULL;
    self->log = NULL;
}

void
stage_close(stage *self)
{
    close_parts(self);
    workers_free(self->pool);
    os_free(self->disk);
    buffer_clear(&self->manifest);
    free(self->points);
    points_reclaim_after(0);
    epoch_drain();
}

void
stage_reopen(stage *self, bool from_scratch)
{
    close_parts(self);
    open_parts(self, from_scratch);
}

bool
stage_save(stage *self, bool closing, bool durable)
{
    shard_image *image = NULL;
    buffer       entry = {0};
    uint64_t     after = log_last_sequence(self->log), needed;
    const bool   dirty = shard_is_dirty(self->shard, closing);
    oct_error    error = {0};
    oct_status   status = dirty ? shard_save(self->shard, closing, &image, &error) : OCT_OK;

    if (status == OCT_OK)
        status = log_sync(self->log, &error);
    if (shard_needs_log(self->shard, image, dirty, &needed) && needed < after)
        after = needed;
    if (status == OCT_OK)
        status = shard_image_write(self->shard, image, &entry, &error);
    CHECK_MSG(status == OCT_OK, "saving: %s", error.text);
    if (status == OCT_OK && durable) {
        buffer_clear(&self->manifest);
        self->manifest = entry;
        self->log_after = after;
    } else {
        buffer_clear(&entry);
    }
    shard_save_done(self->shard, image, status == OCT_OK && durable, false);
    return image != NULL;
}

uint64_t
stage_checksum(stage *self)
{
    CHECK_OK(shard_wait_indexed(self->shard, 0, NULL));
    shard_wait_compacted(self->shard);
    CHECK_OK(shard_wait_indexed(self->shard, 0, NULL));
    return shard_checksum(self->shard);
}

/* --- writing --------------------------------------------------------------------------------------------- */

static void
prepare(const stage *self, size_t v, const float *values, float *out)
{
    const graph_params *params = &self->vectors[v].params;

    graph_prepare_as(params->distance, params->datatype, values, out, params->dim);
}

/* Components that do not all round to nothing. */
static void
fill_vector(stage *self, size_t v, float *out)
{
    test_fill(&self->rng, out, self->vectors[v].params.dim);
    for (uint32_t i = 0; self->vectors[v].params.datatype == OCT_UINT8 && i < self->vectors[v].params.dim; i++)
        out[i] = 100 + 180 * out[i];
}

static const char *const documents[] = {
    "",
    "{}",
    "{\"a\":1}",
    "{\"city\":\"Bonn\",\"n\":[1,2,3]}",
    "{\"a\":{\"b\":{\"c\":null}},\"x\":2.5}",
    "{\"long\":\"all work and no play makes jack a dull boy, all work and no play\"}"};

/* The model's document after a change. */
static void
change_document(model_point *point, const oct_payload_change *change)
{
    buffer out = {0};

    CHECK_OK(document_change(point->payload[0] == '\0' ? slice_of("{}") : slice_of(point->payload), change,
                             &out, NULL));
    OCT_MUST(out.size < sizeof point->payload);
    memcpy(point->payload, out.data, out.size);
    point->payload[out.size] = '\0';
    buffer_clear(&out);
}

static batch_op
pick_op(test_rng *rng)
{
    static const batch_op ops[] = {BATCH_UPSERT, BATCH_UPSERT,         BATCH_UPSERT,
                                   BATCH_UPSERT, BATCH_UPDATE_VECTORS, BATCH_DELETE_VECTORS,
                                   BATCH_DELETE, BATCH_CHANGE_PAYLOAD, BATCH_CHANGE_PAYLOAD};

    return test_below(rng, 60) == 0 ? BATCH_COMPACT : ops[test_below(rng, countof(ops))];
}

/* Everything a random batch points to. */
typedef struct props {
    uint32_t     indices[BATCH_MAX];
    oct_id       ids[BATCH_MAX];
    oct_slice    payloads[BATCH_MAX];
    batch_column columns[STAGE_VECTORS];
    uint8_t      present[STAGE_VECTORS][BATCH_MAX / 8 + 1];
    float        values[STAGE_VECTORS][BATCH_MAX * STAGE_DIM_MAX];
    oct_slice    keys[2];
} props;

static batch
make_batch(stage *self, props *of)
{
    test_rng *rng = &self->rng;
    batch     made = {.op = pick_op(rng), .ids = of->ids, .columns = of->columns};

    made.count = made.op == BATCH_COMPACT ? 0 : test_below(rng, test_below(rng, 4) == 0 ? BATCH_MAX : 5);
    for (size_t i = 0; i < made.count; i++) {
        of->indices[i] = (uint32_t)test_below(rng, STAGE_IDS);
        if (i > 0 && test_below(rng, 8) == 0)
            of->indices[i] = of->indices[test_below(rng, i)]; /* twice in one batch */
        /* Operations that need the point find it, mostly. */
        for (int tries = 0; tries < 30 && made.op != BATCH_UPSERT && !self->points[of->indices[i]].live;
             tries++)
            of->indices[i] = (uint32_t)test_below(rng, STAGE_IDS);
        of->ids[i] = stage_id(of->indices[i]);
        of->payloads[i] = slice_of(documents[test_below(rng, countof(documents))]);
    }
    if (made.op == BATCH_UPSERT && test_below(rng, 3) > 0)
        made.payloads = of->payloads;
    for (uint32_t v = 0; v < self->vector_count && made.op <= BATCH_DELETE_VECTORS; v++) {
        batch_column  *column = &of->columns[made.column_count];
        const uint32_t dim = self->vectors[v].params.dim;

        if (test_below(rng, 4) == 0)
            continue;
        *column = (batch_column){.number = v};
        made.column_count++;
        if (made.op == BATCH_DELETE_VECTORS)
            continue;
        column->dim = dim;
        column->values = of->values[v];
        for (size_t i = 0; i < made.count; i++) {
            if (test_below(rng, 5) == 0)
                continue;
            of->present[v][i / 8] |= (uint8_t)(1u << (i % 8));
            if (test_below(rng, 6) == 0 && self->points[of->indices[i]].has[v]) /* what it has already */
                memcpy(of->values[v] + column->present_count++ * dim, self->points[of->indices[i]].vectors[v],
                       dim * sizeof(float));
            else
                fill_vector(self, v, of->values[v] + column->present_count++ * dim);
        }
        column->present = column->present_count == made.count ? NULL : of->present[v];
    }
    if (made.op == BATCH_CHANGE_PAYLOAD) {
        made.change.action = (oct_payload_action)test_below(rng, 4);
        if (made.change.action <= OCT_PAYLOAD_OVERWRITE)
            made.change.payload = slice_of(documents[1 + test_below(rng, countof(documents) - 1)]);
        if (made.change.action == OCT_PAYLOAD_SET && test_below(rng, 3) == 0)
            made.change.key = slice_of("a.b");
        of->keys[0] = slice_of("city");
        of->keys[1] = slice_of("a.b.c");
        made.change.keys = of->keys;
        made.change.key_count = made.change.action == OCT_PAYLOAD_DELETE ? 1 + test_below(rng, 2) : 0;
    }
    return made;
}

static void
apply_to_model(stage *self, const batch *write, const props *of)
{
    const float *next[STAGE_VECTORS];

    for (size_t c = 0; c < write->column_count; c++)
        next[c] = write->columns[c].values;
    for (size_t i = 0; i < write->count; i++) {
        model_point *point = &self->points[of->indices[i]];

        if (write->op == BATCH_UPSERT) {
            memset(point->has, 0, sizeof point->has);
            (void)snprintf(point->payload, sizeof point->payload, "%s",
                           write->payloads == NULL ? "" : write->payloads[i].data);
            point->live = true;
        } else if (!point->live) {
            continue;
        }
        point->version = self->operation;
        for (size_t c = 0; c < write->column_count; c++) {
            const size_t v = write->columns[c].number;

            if (write->op == BATCH_DELETE_VECTORS) {
                point->has[v] = false;
            } else if (batch_has(&write->columns[c], i)) {
                prepare(self, v, next[c], point->vectors[v]);
                point->has[v] = true;
                next[c] += write->columns[c].dim;
            }
        }
        if (write->op == BATCH_DELETE)
            point->live = false;
        if (write->op == BATCH_CHANGE_PAYLOAD)
            change_document(point, &write->change);
    }
}

void
stage_write(stage *self)
{
    props of = {0};
    batch write = make_batch(self, &of);
    bool  must_exist = write.op == BATCH_UPDATE_VECTORS || write.op == BATCH_CHANGE_PAYLOAD, missing = false;
    oct_error  error = {0};
    uint64_t   sequence;
    oct_status status;

    for (size_t i = 0; i < write.count; i++)
        missing = missing || (must_exist && !self->points[of.indices[i]].live);
    status = shard_write(self->shard, &write, &sequence, &error);
    if (missing) {
        CHECK_STATUS(status, OCT_NOT_FOUND);
        return;
    }
    CHECK_MSG(status == OCT_OK, "operation %d: %s", (int)write.op, error.text);
    CHECK_INT(write.operation, ++self->operation);
    CHECK(sequence > self->records);
    self->records = sequence;
    apply_to_model(self, &write, &of);
}

/* --- checking ---------------------------------------------------------------------------------------------- */

/* An exact search against the model: the same points, best first. */
static void
check_search(stage *self, size_t v, const char *when)
{
    const uint32_t dim = self->vectors[v].params.dim;
    float          vector[STAGE_DIM_MAX], query_vector[STAGE_DIM_MAX], last = -INFINITY;
    graph_hit      hits[20];
    graph_query    query = {.vector = query_vector, .limit = 1 + test_below(&self->rng, 20), .ef = 50};
    size_t         count, with_vector = 0;
    oct_error      error = {0};
    oct_status     status;

    fill_vector(self, v, vector);
    prepare(self, v, vector, query_vector);
    query.exact = test_below(&self->rng, 2) == 0;
    for (uint32_t i = 0; i < STAGE_IDS; i++)
        with_vector += self->points[i].live && self->points[i].has[v];
    epoch_pin();
    status = shard_search(self->shard, (uint32_t)v, &query, hits, &count, NULL, &error);
    CHECK_MSG(status == OCT_OK, "%s: %s", when, error.text);
    CHECK_MSG(count == size_min(query.limit, with_vector), "%s: %zu hits, %zu have vector %zu", when, count,
              with_vector, v);
    for (size_t h = 0; h < count && status == OCT_OK; h++) {
        const oct_id      *id = points_id(&self->shard->points, hits[h].point);
        const oct_distance kind = self->vectors[v].params.distance;
        uint32_t           index = 0;
        float              distance;

        for (; index < STAGE_IDS; index++) {
            const oct_id known = stage_id(index);

            if (id_equal(id, &known))
                break;
        }
        if (index == STAGE_IDS || !self->points[index].live || !self->points[index].has[v]) {
            test_failed(__FILE__, __LINE__, "%s: a hit has no such vector", when);
            break;
        }
        distance = kind == OCT_EUCLID ? kernel()->l2sq_f32(query_vector, self->points[index].vectors[v], dim)
                                      : -kernel()->dot_f32(query_vector, self->points[index].vectors[v], dim);
        CHECK_MSG(distance == hits[h].distance && distance >= last, "%s: hit %zu", when, h);
        last = distance;
    }
    epoch_unpin();
}

void
stage_check(stage *self, const char *when)
{
    oct_error        error = {0};
    const oct_status status = shard_check(self->shard, &error);
    shard_info       info;
    uint32_t         live = 0;

    CHECK_MSG(status == OCT_OK, "%s: %s", when, error.text);
    epoch_pin();
    for (uint32_t i = 0; i < STAGE_IDS && !test_has_failed(); i++) {
        const model_point *right = &self->points[i];
        const oct_id       id = stage_id(i);
        const uint32_t     point = points_find_live(&self->shard->points, &id);
        const char        *payload = right->payload[0] == '\0' ? "{}" : right->payload;
        oct_slice          document = {"{}", 2};

        live += right->live;
        if ((point != POINT_NONE) != right->live) {
            test_failed(__FILE__, __LINE__, "%s: id %u is %s", when, i,
                        right->live ? "missing" : "still there");
            break;
        }
        if (!right->live)
            continue;
        CHECK_MSG(atomic_load(points_version(&self->shard->points, point)) == right->version,
                  "%s: version of id %u", when, i);
        CHECK_OK(shard_document(self->shard, point, &document, NULL));
        CHECK_MSG(slice_is(document, payload), "%s: id %u has %.*s, expected %s", when, i,
                  SLICE_ARG(document), payload);
        for (size_t v = 0; v < self->vector_count; v++) {
            const graph   *vectors = shard_graph(self->shard, (uint32_t)v);
            const uint32_t row = graph_row_of(vectors, point);
            float          stored[STAGE_DIM_MAX];

            if (row != GRAPH_NONE)
                graph_compared(vectors, row, stored);
            CHECK_MSG((row != GRAPH_NONE) == right->has[v] &&
                          (row == GRAPH_NONE || memcmp(stored, right->vectors[v],
                                                       self->vectors[v].params.dim * sizeof *stored) == 0),
                      "%s: vector %zu of id %u", when, v, i);
            CHECK_OK(shard_verify_vector(self->shard, (uint32_t)v, point, NULL));
        }
    }
    epoch_unpin();
    shard_describe(self->shard, &info);
    CHECK_INT(info.points, live);
    CHECK_INT(info.operation, self->operation);
    for (size_t v = 0; v < self->vector_count && !test_has_failed(); v++)
        check_search(self, v, when);
}
