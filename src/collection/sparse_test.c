/* Sparse vectors of whole databases: what is written is there after a power cut, a checkpoint, a compaction and closing,
 * in files as in the log; readers beside a writer see each point once. The index alone: src/sparse/sparse_test.c. */
#include <math.h>
#include <pthread.h>

#include "collection/database_test.h"
#include "collection/query.h"

#define POINTS  600u
#define TERMS   400u
#define ENTRIES 60u /* at most; 600 points of some 30 are more than a shard keeps in the log */

typedef struct model_point {
    bool     there, has;
    uint32_t count;
    uint32_t indices[ENTRIES];
    float    values[ENTRIES];
} model_point;

typedef struct model {
    model_point points[POINTS];
} model;

static void
make_vector(test_rng *rng, uint32_t count_max, model_point *out)
{
    uint32_t next = 0;

    out->has = true;
    out->count = 0;
    for (uint32_t wanted = (uint32_t)test_below(rng, count_max + 1); out->count < wanted;) {
        next += 1 + (uint32_t)test_below(rng, 2 * TERMS / ENTRIES);
        out->indices[out->count] = next;
        out->values[out->count++] = test_float(rng);
    }
}

static oct_vector
vector_of(const model_point *point)
{
    return (oct_vector){.name = {"s", 1},
                        .kind = OCT_SPARSE,
                        .values = point->values,
                        .value_count = point->count,
                        .indices = point->indices};
}

static void
create(oct_database *database)
{
    oct_collection_config config;
    oct_vector_config     vector;

    oct_collection_config_init(&config);
    oct_vector_config_init(&vector);
    vector.name = slice_of("s");
    vector.sparse = 1;
    config.vectors = &vector;
    config.vector_count = 1;
    config.optimizer.vacuum_min_vector_number = 100;
    config.optimizer.deleted_threshold = 0.3;
    CHECK_OK(oct_collection_create(database, slice_of("c"), &config, NULL));
}

static oct_collection *
open_c(oct_database *database)
{
    oct_collection *collection = NULL;

    CHECK_OK(oct_collection_open(database, slice_of("c"), &collection, NULL));
    OCT_MUST(collection != NULL);
    return collection;
}

/* One random write of some points, on both. */
static void
write_some(oct_collection *collection, model *now, test_rng *rng, uint32_t count_max)
{
    const uint64_t kind = test_below(rng, 6);
    const size_t   count = 1 + test_below(rng, 40);
    const oct_slice name = {"s", 1};
    model_point    made[40];
    oct_vector     vectors[40];
    oct_point      points[40];
    oct_id         ids[40];
    size_t         used = 0;

    for (size_t i = 0; i < count; i++) {
        const uint32_t number = (uint32_t)test_below(rng, POINTS);

        if (kind == 3 && !now->points[number].there) /* only points that are there can be updated */
            continue;
        make_vector(rng, count_max, &made[used]);
        made[used].there = true;
        vectors[used] = vector_of(&made[used]);
        ids[used] = oct_id_number(number);
        points[used] = (oct_point){.id = ids[used], .vectors = &vectors[used], .vector_count = 1};
        used++;
    }
    if (kind < 3)
        CHECK_OK(oct_upsert(collection, points, used, NULL, NULL, NULL));
    else if (kind == 3)
        CHECK_OK(oct_update_vectors(collection, points, used, NULL, NULL, NULL));
    else if (kind == 4)
        CHECK_OK(oct_delete_vectors(collection, ids, used, &name, 1, NULL, NULL, NULL));
    else
        CHECK_OK(oct_delete(collection, ids, used, NULL, NULL, NULL));
    for (size_t i = 0; i < used; i++) {
        model_point *point = &now->points[ids[i].low];

        if (kind < 4)
            *point = made[i];
        else if (kind == 4)
            point->has = false;
        else
            *point = (model_point){0};
    }
}

static bool
model_score(const model_point *a, const model_point *b, double *out)
{
    bool any = false;

    *out = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        for (uint32_t j = 0; j < b->count; j++) {
            if (a->indices[i] == b->indices[j]) {
                *out += (double)a->values[i] * (double)b->values[j];
                any = true;
            }
        }
    }
    return any;
}

static void
check_vectors(oct_collection *collection, const model *want, const char *when)
{
    const oct_select select = {.with_vector = true};
    oct_records     *records = NULL;
    size_t           at = 0;

    CHECK_OK(oct_scroll(collection, NULL, POINTS, &select, &records, NULL));
    for (uint32_t i = 0; records != NULL && i < POINTS; i++) {
        const model_point *point = &want->points[i];
        const oct_record  *record = &records->items[at];

        if (!point->there)
            continue;
        if (at >= records->count || record->id.low != i) {
            test_failed(__FILE__, __LINE__, "%s: point %u is not there", when, i);
            break;
        }
        at++;
        CHECK_MSG(record->vector_count == point->has, "%s: point %u has %zu vectors", when, i, record->vector_count);
        if (record->vector_count == 1 && point->has)
            CHECK_MSG(record->vectors[0].kind == OCT_SPARSE && record->vectors[0].value_count == point->count &&
                          memcmp(record->vectors[0].indices, point->indices, point->count * 4) == 0 &&
                          memcmp(record->vectors[0].values, point->values, point->count * 4) == 0,
                      "%s: point %u has another vector", when, i);
    }
    oct_records_free(records);
}

/* Everything that shares an index with a random query is found, once, with its score. */
static void
check_search(oct_collection *collection, const model *want, test_rng *rng, const char *when)
{
    oct_query_request request = {.query = {.kind = OCT_QUERY_NEAREST, .using_vector = {"s", 1}, .limit = POINTS}};
    model_point       target;
    oct_records      *records = NULL;
    size_t            expected = 0;
    double            score;

    make_vector(rng, 12, &target);
    request.query.as.nearest.target.vector = vector_of(&target);
    CHECK_OK(oct_query_points(collection, &request, &records, NULL));
    for (uint32_t i = 0; i < POINTS; i++)
        expected += want->points[i].has && model_score(&target, &want->points[i], &score);
    CHECK_MSG(records != NULL && records->count == expected, "%s: %zu hits, want %zu", when,
              records == NULL ? 0 : records->count, expected);
    for (size_t i = 0; records != NULL && i < records->count; i++) {
        const model_point *point = &want->points[records->items[i].id.low];

        CHECK_MSG(point->has && model_score(&target, point, &score) &&
                      fabs((double)records->items[i].score - score) <= 1e-6 * (1 + fabs(score)),
                  "%s: point %llu has score %g", when, (unsigned long long)records->items[i].id.low,
                  (double)records->items[i].score);
    }
    oct_records_free(records);
}

static void
check_all(oct_database *database, const model *want, test_rng *rng, const char *when)
{
    oct_collection  *collection = open_c(database);
    oct_error        error = {0};
    const oct_status status = oct_collection_check(collection, &error);

    CHECK_MSG(status == OCT_OK, "%s: %s", when, error.text);
    check_vectors(collection, want, when);
    for (int i = 0; i < 4; i++)
        check_search(collection, want, rng, when);
    oct_collection_close(collection);
}

/* Goal:   acknowledged sparse vectors are there after a power cut, a checkpoint, a compaction and closing.
 * Method: 16 histories of 60 steps on a disk that forgets what was not synced, half of them with vectors so small that the
 *         shard stays in the log; after each event everything is compared with a model and the engine's own check is run.
 *         Seeds 901 to 916. */
TEST(sparse_vectors_survive_power_cuts_checkpoints_and_compactions)
{
    for (uint64_t seed = 901; seed < 901 + test_scaled(16) && !test_has_failed(); seed++) {
        const uint32_t  count_max = seed % 2 == 0 ? 4 : ENTRIES;
        test_rng        rng = test_rng_seed(seed);
        os             *disk = world_disk();
        model          *now = calloc(1, sizeof *now);
        oct_error       error = {0};
        oct_database   *database = world_open(disk, &error);
        oct_collection *collection;
        char            when[64];

        OCT_MUST(now != NULL && database != NULL);
        create(database);
        collection = open_c(database);
        for (int step = 0; step < 60 && !test_has_failed(); step++) {
            const uint64_t event = test_below(&rng, 12);

            write_some(collection, now, &rng, count_max);
            (void)snprintf(when, sizeof when, "seed %llu, step %d, event %d", (unsigned long long)seed, step, (int)event);
            if (event == 0) {
                CHECK_OK(oct_checkpoint(database, NULL));
            } else if (event == 1) {
                CHECK_OK(oct_collection_optimize(collection, NULL));
            } else if (event < 4) {
                os *found = event == 2 ? os_fault_crash(disk, &rng) : NULL;

                oct_collection_close(collection);
                CHECK_OK(oct_close(database, &error));
                if (found != NULL) {
                    os_free(disk);
                    disk = found;
                }
                database = world_open(disk, &error);
                CHECK_MSG(database != NULL, "%s: %s", when, error.text);
                OCT_MUST(database != NULL);
                collection = open_c(database);
            } else {
                continue;
            }
            check_all(database, now, &rng, when);
        }
        check_all(database, now, &rng, "at the end");
        oct_collection_close(collection);
        CHECK_OK(oct_close(database, NULL));
        os_free(disk);
        free(now);
    }
}

/* --- readers beside a writer ---------------------------------------------------------------------------------- */

#define WATCHED 300u
#define WEIGHT  10.0f /* the two weights of every vector of every point sum up to it */

typedef struct watched {
    oct_database    *database;
    oct_collection  *collection;
    atomic_bool      end;
    _Atomic uint64_t wrong, rounds;
} watched;

/* Points [0, WATCHED) get vectors {1: w, 2: WEIGHT - w, 10 + i: 1}, all of them over and over. */
static oct_status
write_watched(oct_collection *collection, test_rng *rng)
{
    oct_vector vectors[30];
    oct_point  points[30];
    uint32_t   indices[30][3];
    float      values[30][3];

    for (size_t i = 0; i < countof(points); i++) {
        const uint32_t number = (uint32_t)test_below(rng, WATCHED);

        indices[i][0] = 1;
        indices[i][1] = 2;
        indices[i][2] = 10 + number;
        values[i][0] = (float)test_below(rng, 10);
        values[i][1] = WEIGHT - values[i][0];
        values[i][2] = 1;
        vectors[i] = (oct_vector){
            .name = {"s", 1}, .kind = OCT_SPARSE, .values = values[i], .value_count = 3, .indices = indices[i]};
        points[i] = (oct_point){.id = oct_id_number(number), .vectors = &vectors[i], .vector_count = 1};
    }
    return oct_upsert(collection, points, countof(points), NULL, NULL, NULL);
}

static void *
search_watched(void *context)
{
    static const uint32_t indices[2] = {1, 2};
    static const float    ones[2] = {1, 1};
    watched              *self = context;
    oct_query_request     request = {.query = {.kind = OCT_QUERY_NEAREST, .using_vector = {"s", 1}, .limit = 2 * WATCHED}};

    request.query.as.nearest.target.vector =
        (oct_vector){.kind = OCT_SPARSE, .values = ones, .value_count = 2, .indices = indices};
    while (!atomic_load(&self->end)) {
        oct_records *records = NULL;
        bool         right = oct_query_points(self->collection, &request, &records, NULL) == OCT_OK;

        right = right && records->count == WATCHED;
        for (size_t i = 0; right && i < WATCHED; i++) /* equal scores come by id, so each point is there once */
            right = records->items[i].id.low == i && records->items[i].score == WEIGHT;
        (void)atomic_fetch_add(&self->wrong, !right);
        (void)atomic_fetch_add(&self->rounds, 1);
        oct_records_free(records);
    }
    return NULL;
}

/* Goal:   a search beside writes, compactions and checkpoints finds every point once, with a vector that it had.
 * Method: all vectors of all points have the same score; two threads search while one writes, compacts and saves. Seed 31. */
TEST(sparse_readers_beside_a_writer_see_each_point_once)
{
    test_rng  rng = test_rng_seed(31);
    os       *disk = world_disk();
    oct_error error = {0};
    watched   self = {.database = world_open(disk, &error)};
    pthread_t readers[2];

    OCT_MUST(self.database != NULL);
    create(self.database);
    self.collection = open_c(self.database);
    for (uint32_t i = 0; i < WATCHED; i++) {
        const uint32_t   indices[2] = {1, 2};
        const float      values[2] = {0, WEIGHT};
        const oct_vector vector = {
            .name = {"s", 1}, .kind = OCT_SPARSE, .values = values, .value_count = 2, .indices = indices};
        const oct_point point = {.id = oct_id_number(i), .vectors = &vector, .vector_count = 1};

        CHECK_OK(oct_upsert(self.collection, &point, 1, NULL, NULL, NULL));
    }
    for (size_t i = 0; i < countof(readers); i++)
        OCT_MUST(pthread_create(&readers[i], NULL, search_watched, &self) == 0);
    /* On a busy machine readers may come to their first look late. */
    for (uint64_t step = 0; step < test_scaled(400) || atomic_load(&self.rounds) == 0; step++) {
        CHECK_OK(write_watched(self.collection, &rng));
        if (step % 50 == 49)
            CHECK_OK(oct_collection_optimize(self.collection, NULL));
        if (step % 90 == 89)
            CHECK_OK(oct_checkpoint(self.database, NULL));
    }
    atomic_store(&self.end, true);
    for (size_t i = 0; i < countof(readers); i++)
        (void)pthread_join(readers[i], NULL);
    CHECK_MSG(atomic_load(&self.wrong) == 0 && atomic_load(&self.rounds) > 0, "%llu of %llu searches were wrong",
              (unsigned long long)atomic_load(&self.wrong), (unsigned long long)atomic_load(&self.rounds));
    oct_collection_close(self.collection);
    CHECK_OK(oct_close(self.database, NULL));
    os_free(disk);
}
