/* Everything at once: writers, searches, pages, descriptions, optimize, checkpoints, collections that come and go. Run
 * under TSan; the checks hold without it too. */
#include <pthread.h>
#include <unistd.h>

#include "collection/database_test.h"

#define DIM      24u
#define STEADY   60u  /* points that are never touched */
#define RESTLESS 200u /* points that are */

typedef struct crowd {
    oct_database    *database;
    oct_collection  *main; /* has the steady points */
    float            steady[STEADY][DIM];
    uint64_t         seed;
    atomic_bool      end;
    _Atomic uint64_t lost, twice, wrong, failed, rounds;
    pthread_mutex_t  lock; /* guards the first failure's text */
    char             first[300];
} crowd;

static void
note_failure(crowd *self, oct_status status, const oct_error *error, const char *what)
{
    if (status == OCT_OK)
        return;
    (void)atomic_fetch_add(&self->failed, 1);
    (void)pthread_mutex_lock(&self->lock);
    if (self->first[0] == '\0')
        (void)snprintf(self->first, sizeof self->first, "%s: %d, %.200s", what, (int)status, error->text);
    (void)pthread_mutex_unlock(&self->lock);
}

static test_rng
own_rng(crowd *self)
{
    static _Atomic uint64_t next;

    return test_rng_seed(self->seed + atomic_fetch_add(&next, 1));
}

static oct_status
create(crowd *self, const char *name, oct_error *error)
{
    oct_collection_config config;
    oct_vector_config     vector;

    test_plain_config(&config, &vector, DIM, OCT_EUCLID);
    config.hnsw.m = 6;
    config.hnsw.ef_construct = 24;
    config.optimizer.indexing_threshold = 1;
    config.optimizer.vacuum_min_vector_number = 100;
    config.optimizer.deleted_threshold = 0.2;
    return oct_collection_create(self->database, slice_of(name), &config, error);
}

static void *
write_points(void *context)
{
    crowd   *self = context;
    test_rng rng = own_rng(self);

    while (!atomic_load(&self->end)) {
        const oct_write_options options = {.wait = test_below(&rng, 3) > 0};
        float                   values[8][DIM];
        oct_vector              vectors[8];
        oct_point               points[8];
        oct_id                  ids[8];
        const size_t            count = 1 + test_below(&rng, 8);
        oct_payload_change      change = {.action = OCT_PAYLOAD_SET, .payload = slice_of("{\"seen\":true}")};
        oct_error               error = {0};

        for (size_t i = 0; i < count; i++) {
            test_fill(&rng, values[i], DIM);
            vectors[i] = (oct_vector){.name = {"", 0}, .values = values[i], .value_count = DIM};
            ids[i] = oct_id_number(1000 + test_below(&rng, RESTLESS));
            points[i] = (oct_point){.id = ids[i],
                                    .vectors = &vectors[i],
                                    .vector_count = 1,
                                    .payload = slice_of("{\"text\":\"a payload that is worth storing\"}")};
        }
        switch (test_below(&rng, 5)) {
        case 0:
            note_failure(self, oct_delete(self->main, ids, count, &options, NULL, &error), &error, "delete");
            break;
        case 1: {
            /* Another writer may delete them meanwhile. */
            const oct_status status = oct_change_payload(self->main, ids, 1, &change, &options, NULL, &error);

            note_failure(self, status == OCT_NOT_FOUND ? OCT_OK : status, &error, "payload");
            break;
        }
        default:
            note_failure(self, oct_upsert(self->main, points, count, &options, NULL, &error), &error,
                         "upsert");
        }
        (void)atomic_fetch_add(&self->rounds, 1);
    }
    return NULL;
}

static void *
search(void *context)
{
    crowd   *self = context;
    test_rng rng = own_rng(self);

    while (!atomic_load(&self->end)) {
        const uint32_t     steady = (uint32_t)test_below(&rng, STEADY);
        oct_search_request request = {.query = self->steady[steady],
                                      .dim = DIM,
                                      .limit = 1 + test_below(&rng, 40),
                                      .ef = 200,
                                      .exact = test_below(&rng, 10) == 0};
        oct_records       *hits = NULL;
        oct_error          error = {0};
        oct_status         status;
        uint64_t           ids[4 * 5];
        float              scores[4 * 5];

        request.select.with_payload = test_below(&rng, 2) == 0;
        request.select.with_vector = test_below(&rng, 2) == 0;
        status = oct_search(self->main, &request, &hits, &error);
        note_failure(self, status, &error, "search");
        if (status == OCT_OK) {
            /* Nothing else is at distance 0. */
            if (hits->count == 0 || hits->items[0].id.low != steady || hits->items[0].score != 0)
                (void)atomic_fetch_add(&self->lost, 1);
            for (size_t i = 1; i < hits->count; i++) {
                if (hits->items[i].score < hits->items[i - 1].score)
                    (void)atomic_fetch_add(&self->wrong, 1);
                for (size_t k = 0; k < i; k++) {
                    if (hits->items[i].id.low == hits->items[k].id.low)
                        (void)atomic_fetch_add(&self->twice, 1);
                }
            }
        }
        oct_records_free(hits);
        if (test_below(&rng, 4) == 0) {
            status = oct_search_rows(self->main, &self->steady[0][0], 4, DIM, 5, 200, false, 0, ids, scores,
                                     &error);
            note_failure(self, status, &error, "search rows");
            for (uint32_t i = 0; i < 4 && status == OCT_OK; i++) {
                if (ids[i * 5] != i || scores[i * 5] != 0)
                    (void)atomic_fetch_add(&self->lost, 1);
            }
        }
    }
    return NULL;
}

static void *
read_pages(void *context)
{
    crowd   *self = context;
    test_rng rng = own_rng(self);

    while (!atomic_load(&self->end)) {
        const oct_select     select = {.with_payload = true, .with_vector = test_below(&rng, 2) == 0};
        oct_records         *page = NULL;
        oct_collection_info *info = NULL;
        oct_error            error = {0};
        oct_id               from = {0}, ids[3];
        bool                 more = true;
        uint32_t             steady = 0;

        while (more) {
            const oct_status status =
                oct_scroll(self->main, &from, 1 + test_below(&rng, 60), &select, &page, &error);

            note_failure(self, status, &error, "scroll");
            if (status != OCT_OK)
                break;
            for (size_t i = 0; i < page->count; i++) {
                steady += page->items[i].id.low < STEADY;
                if (i > 0 && page->items[i].id.low <= page->items[i - 1].id.low)
                    (void)atomic_fetch_add(&self->wrong, 1);
            }
            more = page->has_next;
            from = page->next;
            oct_records_free(page);
        }
        if (steady != STEADY)
            (void)atomic_fetch_add(&self->lost, 1);
        for (size_t i = 0; i < 3; i++)
            ids[i] = oct_id_number(test_below(&rng, STEADY));
        note_failure(self, oct_retrieve(self->main, ids, 3, &select, &page, &error), &error, "retrieve");
        oct_records_free(page);
        note_failure(self, oct_collection_describe(self->main, &info, &error), &error, "describe");
        if (info != NULL && (info->points_count < STEADY || info->points_count > STEADY + RESTLESS))
            (void)atomic_fetch_add(&self->wrong, 1);
        oct_collection_info_free(info);
    }
    return NULL;
}

static void *
keep_house(void *context)
{
    crowd   *self = context;
    test_rng rng = own_rng(self);

    while (!atomic_load(&self->end)) {
        oct_collection_config changes;
        oct_database_info     info;
        oct_error             error = {0};
        uint64_t              checksum;

        switch (test_below(&rng, 6)) {
        case 0:
            note_failure(self, oct_collection_optimize(self->main, &error), &error, "optimize");
            break;
        case 1:
            oct_collection_config_init(&changes);
            changes.hnsw.ef_construct = 20 + (int64_t)test_below(&rng, 10);
            note_failure(self, oct_collection_update(self->database, slice_of("main"), &changes, &error),
                         &error, "update");
            break;
        case 2:
            note_failure(self, oct_collection_check(self->main, &error), &error, "check");
            break;
        case 3:
            note_failure(self, oct_collection_graph_checksum(self->main, &checksum, &error), &error,
                         "checksum");
            break;
        default:
            note_failure(self, oct_checkpoint(self->database, &error), &error, "checkpoint");
        }
        oct_database_describe(self->database, &info);
        (void)usleep(500);
    }
    return NULL;
}

/* Collections with names that others use at the same time, aliases to them, handles kept over their deletion. */
static void *
come_and_go(void *context)
{
    crowd                   *self = context;
    test_rng                 rng = own_rng(self);
    static const char *const names[] = {"one", "two"};

    while (!atomic_load(&self->end)) {
        const char           *name = names[test_below(&rng, 2)];
        oct_alias_change      change = {.alias = slice_of("alias"), .collection = slice_of(name)};
        oct_collection       *open = NULL;
        oct_names            *list = NULL;
        oct_error             error = {0};
        bool                  existed;
        oct_status            status = create(self, name, &error);
        float                 values[20 * DIM];
        uint64_t              ids[20];
        oct_collection_config changes;

        note_failure(self, status == OCT_EXISTS ? OCT_OK : status, &error, "create");
        status = oct_alias_update(self->database, &change, 1, &error);
        note_failure(self, status == OCT_NOT_FOUND ? OCT_OK : status, &error, "alias");
        status = oct_collection_open(self->database, slice_of(test_below(&rng, 2) == 0 ? "alias" : name),
                                     &open, &error);
        note_failure(self, status == OCT_NOT_FOUND ? OCT_OK : status, &error, "open");
        if (status == OCT_OK) {
            const oct_search_request request = {.query = values, .dim = DIM, .limit = 3};
            oct_records             *hits = NULL;

            test_fill(&rng, values, countof(values));
            for (size_t i = 0; i < countof(ids); i++)
                ids[i] = i;
            note_failure(self, oct_upsert_rows(open, ids, values, countof(ids), DIM, 0, NULL, NULL, &error),
                         &error, "rows");
            if (test_below(&rng, 2) == 0)
                note_failure(self, oct_collection_delete(self->database, slice_of(name), &existed, &error),
                             &error, "drop");
            note_failure(self, oct_search(open, &request, &hits, &error), &error, "search of a deleted one");
            oct_records_free(hits);
        }
        /* A change may meet a deletion: then it is told, and the log has not both the wrong way round. */
        oct_collection_config_init(&changes);
        changes.optimizer.flush_interval_sec = 1 + (int64_t)test_below(&rng, 9);
        status = oct_collection_update(self->database, slice_of(name), &changes, &error);
        note_failure(self, status == OCT_NOT_FOUND ? OCT_OK : status, &error, "update of another");
        note_failure(self, oct_collection_list(self->database, &list, &error), &error, "list");
        oct_names_free(list);
        note_failure(self, oct_alias_list(self->database, (oct_slice){"", 0}, &list, &error), &error,
                     "alias list");
        oct_names_free(list);
        oct_collection_close(open);
    }
    return NULL;
}

static void
run_crowd(uint64_t seed, uint32_t threads, uint64_t wanted_rounds)
{
    static void *(*const parts[])(void *) = {write_points, write_points, search,      search,
                                             read_pages,   keep_house,   come_and_go, come_and_go};
    const oct_open_options options = {.path = WORLD_PATH, .threads = threads};
    pthread_t              running[countof(parts)];
    os                    *disk = world_disk();
    crowd                 *self = calloc(1, sizeof *self);
    test_rng               rng = test_rng_seed(seed);
    oct_error              error = {0};
    uint64_t               ids[STEADY], count = 0;

    OCT_MUST(self != NULL && pthread_mutex_init(&self->lock, NULL) == 0);
    self->seed = seed * 1000;
    for (int again = 0; again < 2 && !test_has_failed(); again++) {
        CHECK_OK(database_open_on(disk, &options, &self->database, &error));
        if (again == 0) {
            CHECK_OK(create(self, "main", &error));
            test_fill(&rng, &self->steady[0][0], STEADY * DIM);
            for (uint64_t i = 0; i < STEADY; i++)
                ids[i] = i;
        }
        CHECK_OK(oct_collection_open(self->database, slice_of("main"), &self->main, &error));
        if (again == 0)
            CHECK_OK(
                oct_upsert_rows(self->main, ids, &self->steady[0][0], STEADY, DIM, 0, NULL, NULL, &error));
        atomic_store(&self->end, false);
        atomic_store(&self->rounds, 0);
        for (size_t i = 0; i < countof(parts); i++)
            OCT_MUST(pthread_create(&running[i], NULL, parts[i], self) == 0);
        while (atomic_load(&self->rounds) < wanted_rounds)
            (void)usleep(2000);
        atomic_store(&self->end, true);
        for (size_t i = 0; i < countof(parts); i++)
            OCT_MUST(pthread_join(running[i], NULL) == 0);
        CHECK_MSG(self->failed == 0, "%llu calls failed; the first: %s", (unsigned long long)self->failed,
                  self->first);
        CHECK_INT(self->lost, 0);
        CHECK_INT(self->twice, 0);
        CHECK_INT(self->wrong, 0);
        CHECK_MSG(oct_collection_check(self->main, &error) == OCT_OK, "check: %s", error.text);
        CHECK_OK(oct_count(self->main, &count, NULL));
        CHECK(count >= STEADY);
        oct_collection_close(self->main);
        /* Background work may be under way; closing ends it. */
        CHECK_MSG(oct_close(self->database, &error) == OCT_OK, "closing: %s", error.text);
    }
    os_free(disk);
    free(self);
}

/* Goal:   whatever goes on, no call fails, points that nobody touches are found by every search and on every pass, none
 *         comes twice, and the database opens again to the same.
 * Method: eight threads with a part each, on pools of one and of three threads, twice over one disk. */
TEST(all_at_once_on_one_worker)
{
    run_crowd(1201, 1, test_scaled(300));
}

TEST(all_at_once_on_three_workers)
{
    shard_move_documents_after(2000); /* documents move often */
    points_reclaim_after(3);          /* numbers come back often */
    run_crowd(1202, 3, test_scaled(300));
    shard_move_documents_after(0);
    points_reclaim_after(0);
}

/* --- readers in other processes -------------------------------------------------------------------------- */

typedef struct beside {
    os              *disk;
    atomic_bool      end;
    _Atomic uint64_t opened, wrong;
    _Atomic uint64_t written; /* points that are there for sure */
    char             first[300];
} beside;

static void *
open_and_look(void *context)
{
    const oct_open_options options = {.path = WORLD_PATH, .threads = 1, .read_only = true};
    beside                *self = context;

    while (!atomic_load(&self->end)) {
        const uint64_t  expected = atomic_load(&self->written);
        oct_database   *database = NULL;
        oct_collection *open = NULL;
        oct_error       error = {0};
        uint64_t        count = 0;
        oct_status      status = database_open_on(self->disk, &options, &database, &error);

        if (status == OCT_OK)
            status = oct_collection_open(database, slice_of("main"), &open, &error);
        if (status == OCT_OK)
            status = oct_count(open, &count, &error);
        for (int i = 0; i < 5 && status == OCT_OK; i++) {
            const float              query[DIM] = {(float)i};
            const oct_search_request request = {
                .query = query, .dim = DIM, .limit = 10, .exact = i % 2 == 0, .select.with_vector = true};
            oct_records *hits = NULL;

            status = oct_search(open, &request, &hits, &error);
            oct_records_free(hits);
            (void)usleep(200);
        }
        if (status != OCT_OK || count < expected) {
            if (atomic_fetch_add(&self->wrong, 1) == 0)
                (void)snprintf(self->first, sizeof self->first, "%d, %.200s, %llu points, %llu expected",
                               (int)status, error.text, (unsigned long long)count,
                               (unsigned long long)expected);
        }
        oct_collection_close(open);
        (void)oct_close(database, NULL);
        (void)atomic_fetch_add(&self->opened, 1);
    }
    return NULL;
}

/* Goal:   a database can be opened for reading beside its writer at any moment, has all that was acknowledged before,
 *         and goes on answering when the writer replaces its files.
 * Method: a writer with large rows, checkpoints, compactions and a log that is cut; a reader that opens, searches and
 *         closes all the while. */
TEST(reader_opens_beside_a_busy_writer)
{
    beside          self = {.disk = world_disk()};
    crowd           writer = {0};
    test_rng        rng = test_rng_seed(1301);
    oct_collection *open = NULL;
    oct_error       error = {0};
    pthread_t       reader;
    float          *values = calloc(500 * DIM, sizeof *values);
    uint64_t        ids[500];

    OCT_MUST(values != NULL);
    writer.database = world_open(self.disk, &error);
    CHECK_OK(create(&writer, "main", &error));
    CHECK_OK(oct_collection_open(writer.database, slice_of("main"), &open, &error));
    OCT_MUST(pthread_create(&reader, NULL, open_and_look, &self) == 0);
    for (uint64_t i = 0; i < test_scaled(40) || atomic_load(&self.opened) < 20; i++) {
        /* The same ids again and again, so that rows die and compactions come. */
        test_fill(&rng, values, 500 * DIM);
        for (uint64_t k = 0; k < 500; k++)
            ids[k] = (i * 100 + k) % 2000;
        CHECK_OK(oct_upsert_rows(open, ids, values, 500, DIM, 0, NULL, NULL, &error));
        atomic_store(&self.written, size_min((i + 4) * 100 + 100, 2000));
        CHECK_MSG(oct_checkpoint(writer.database, &error) == OCT_OK, "checkpoint: %s", error.text);
        if (i % 2 == 1)
            CHECK_OK(oct_collection_optimize(open, &error));
    }
    atomic_store(&self.end, true);
    OCT_MUST(pthread_join(reader, NULL) == 0);
    CHECK_MSG(self.wrong == 0, "%llu of %llu looks went wrong; the first: %s", (unsigned long long)self.wrong,
              (unsigned long long)self.opened, self.first);
    oct_collection_close(open);
    CHECK_OK(oct_close(writer.database, &error));
    os_free(self.disk);
    free(values);
}
