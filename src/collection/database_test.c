/* Databases through octant.h: histories against a model, closed and opened again, the same graphs in the end. What
 * crashes, fails or is damaged is in database_crash_test.c, database_fault_test.c and database_damage_test.c. */
#include <unistd.h>

#include "collection/database_test.h"

static void
check_world(const world *self, oct_database *database, bool searching, const char *when)
{
    oct_error  error = {0};
    oct_status status = world_compare(self, database, searching, &error);

    CHECK_MSG(status == OCT_OK, "%s: %s", when, error.text);
    status = world_verify(self, database, &error);
    CHECK_MSG(status == OCT_OK, "%s: %s", when, error.text);
}

static void
close_database(oct_database *database)
{
    oct_error        error = {0};
    const oct_status status = oct_close(database, &error);

    CHECK_MSG(status == OCT_OK, "closing: %s", error.text);
}

/* Goal:   after every step a database is what the model says; closing and opening changes nothing; in the end the
 * graphs
 *         are those of a database that was never closed nor checkpointed.
 * Method: 40 histories of 120 operations of every kind, on a disk in memory, with a twin in memory that gets the same.
 *         Seeds 501 to 540. */
TEST(histories_agree_with_the_model_and_survive_closing)
{
    for (uint64_t seed = 501; seed < 501 + test_scaled(40) && !test_has_failed(); seed++) {
        test_rng      rng = test_rng_seed(seed);
        os           *disk = world_disk();
        world        *now = world_new(), *shadow = world_new();
        oct_error     error = {0};
        oct_database *database = world_open(disk, &error), *twin = NULL;
        char          when[80];

    shard_move_documents_after(2000); /* documents move often */
    points_reclaim_after(3);          /* numbers come back often */
        OCT_MUST(database != NULL && oct_open(NULL, &twin, NULL) == OCT_OK);
        for (uint32_t i = 0; i < 120 && !test_has_failed(); i++) {
            const world_op op = world_pick(&rng, true);
            const bool     waits = test_below(&rng, 2) == 0;
            test_rng       same = rng;
            oct_status     status;

            (void)snprintf(when, sizeof when, "seed %llu, step %u, operation %d", (unsigned long long)seed, i,
                           (int)op);
            status = world_step(now, &rng, database, op, waits, &error);
            CHECK_MSG(status == OCT_OK, "%s: %s", when, error.text);
            status = world_step(shadow, &same, twin, op, true, &error);
            CHECK_MSG(status == OCT_OK, "%s, in memory: %s", when, error.text);
            if (i % 6 == 0) {
                check_world(now, database, i % 12 == 0, when);
                check_world(shadow, twin, i % 12 == 0, "in memory");
            }
            if (test_below(&rng, 15) == 0) {
                close_database(database);
                database = world_open(disk, &error);
                CHECK_MSG(database != NULL, "%s: %s", when, error.text);
                OCT_MUST(database != NULL);
                check_world(now, database, true, "opened again");
            }
        }
        check_world(now, database, true, "at the end");
        CHECK_MSG(world_checksum(now, database) == world_checksum(shadow, twin),
                  "seed %llu: the graphs differ", (unsigned long long)seed);
        close_database(database);
        database = world_open(disk, &error);
        OCT_MUST(database != NULL);
        CHECK_MSG(world_checksum(now, database) == world_checksum(shadow, twin),
                  "seed %llu: the reopened graphs differ", (unsigned long long)seed);
        close_database(twin);
        close_database(database);
        os_free(disk);
        free(now);
        free(shadow);
    }
    shard_move_documents_after(0);
    points_reclaim_after(0);
}

/* Goal:   deleting vectors, as every other operation, can be replayed from the log: a database that was not closed
 * opens.
 * Method: each kind of write in turn, then the power goes with everything synced, then open and compare. */
TEST(every_kind_of_write_can_be_replayed)
{
    for (world_op op = WORLD_CREATE; op < WORLD_OPS; op++) {
        test_rng      rng = test_rng_seed(541 + op);
        os           *disk = world_disk(), *after;
        world        *now = world_new();
        oct_error     error = {0};
        oct_database *database = world_open(disk, &error);

        for (int i = 0; i < 4; i++)
            CHECK_OK(world_step(now, &rng, database, WORLD_CREATE, true, &error));
        for (int i = 0; i < 10; i++)
            CHECK_OK(world_step(now, &rng, database, WORLD_UPSERT, true, &error));
        for (int i = 0; i < 10; i++)
            CHECK_OK(world_step(now, &rng, database, op, true, &error));
        after = os_fault_crash(disk, &rng);
        (void)oct_close(database, NULL);
        os_free(disk);
        database = world_open(after, &error);
        CHECK_MSG(database != NULL, "operation %d: %s", (int)op, error.text);
        if (database != NULL) {
            check_world(now, database, true, "replayed");
            close_database(database);
        }
        os_free(after);
        free(now);
    }
}

/* --- checkpoints and the log ------------------------------------------------------------------------------- */

static oct_collection *
create_plain(oct_database *database, const char *name, uint32_t dim)
{
    oct_collection_config config;
    oct_vector_config     vector;
    oct_collection       *made = NULL;

    test_plain_config(&config, &vector, dim, OCT_EUCLID);
    config.optimizer.indexing_threshold = 1;
    config.hnsw.m = 6;
    config.hnsw.ef_construct = 20;
    made = test_create(database, name, &config);
    return made;
}

static void
fill_rows(oct_collection *collection, test_rng *rng, uint64_t first, size_t count, uint32_t dim)
{
    float    *values = calloc(count * dim, sizeof *values);
    uint64_t *ids = calloc(count, sizeof *ids);

    OCT_MUST(values != NULL && ids != NULL);
    test_fill(rng, values, count * dim);
    for (size_t i = 0; i < count; i++)
        ids[i] = first + i;
    CHECK_OK(oct_upsert_rows(collection, ids, values, count, dim, 0, NULL, NULL, NULL));
    free(values);
    free(ids);
}

/* Goal:   an empty collection, and small ones that live in the log, do not keep a database from being opened again and
 *         again while others grow and the log is cut.
 * Method: an empty, a small and a growing collection; ten rounds of writing, checkpoint, closing and opening. */
TEST(quiet_collections_do_not_break_the_log)
{
    os                      *disk = world_disk();
    test_rng                 rng = test_rng_seed(551);
    oct_error                error = {0};
    oct_database            *database = world_open(disk, &error);
    oct_collection          *open[3];
    static const char *const names[] = {"empty", "small", "large"};

    for (size_t i = 0; i < 3; i++)
        oct_collection_close(create_plain(database, names[i], 128));
    for (uint64_t round = 0; round < 10 && database != NULL; round++) {
        uint64_t counts[3] = {9, 9, 9};

        for (size_t i = 0; i < 3; i++)
            CHECK_OK(oct_collection_open(database, slice_of(names[i]), &open[i], NULL));
        if (round == 0)
            fill_rows(open[1], &rng, 0, 5, 128);
        fill_rows(open[2], &rng, round * 3000, 3000,
                  128); /* 1.5 MB: the log's file is replaced when it is covered */
        CHECK_OK(oct_checkpoint(database, &error));
        if (round % 2 == 0)
            fill_rows(open[2], &rng, round * 3000, 10, 128);
        for (size_t i = 0; i < 3; i++) {
            CHECK_OK(oct_count(open[i], &counts[i], NULL));
            CHECK_OK(oct_collection_check(open[i], &error));
            oct_collection_close(open[i]);
        }
        CHECK(counts[0] == 0 && counts[1] == 5 && counts[2] == (round + 1) * 3000);
        close_database(database);
        database = world_open(disk, &error);
        CHECK_MSG(database != NULL, "round %llu: %s", (unsigned long long)round, error.text);
    }
    if (database != NULL) {
        oct_database_info info;

        oct_database_describe(database, &info);
        CHECK_MSG(info.log_bytes < (8u << 20), "%llu bytes of log are kept",
                  (unsigned long long)info.log_bytes);
        close_database(database);
    }
    os_free(disk);
}

/* Goal:   a database in which nothing happened is not written to: opening, checkpoint and closing leave the same bytes.
 * Method: small and large collections; two rounds of opening and closing, counting writes. */
TEST(idle_database_is_not_written_to)
{
    os             *disk = world_disk();
    test_rng        rng = test_rng_seed(561);
    oct_database   *database = world_open(disk, NULL);
    oct_collection *small = create_plain(database, "small", 8), *large = create_plain(database, "large", 64);

    fill_rows(small, &rng, 0, 5, 8);
    fill_rows(large, &rng, 0, 3000, 64);
    CHECK_OK(oct_collection_wait_indexed(large, 0, NULL));
    oct_collection_close(small);
    oct_collection_close(large);
    close_database(database);
    for (int round = 0; round < 2; round++) {
        const os_fault_counts before = os_fault_count(disk);
        os_fault_counts       after;

        database = world_open(disk, NULL);
        OCT_MUST(database != NULL);
        CHECK_OK(oct_checkpoint(database, NULL));
        close_database(database);
        after = os_fault_count(disk);
        CHECK_MSG(after.bytes_written == before.bytes_written, "round %d: %llu bytes were written", round,
                  (unsigned long long)(after.bytes_written - before.bytes_written));
    }
    os_free(disk);
}

/* Goal:   reopening does not build what was built: the graph is there at once, whatever the order of checkpoint,
 * indexing
 *         and closing.
 * Method: a checkpoint before indexing, then closing; the indexed count right after opening. */
TEST(reopened_database_has_its_graph_at_once)
{
    os                  *disk = world_disk();
    test_rng             rng = test_rng_seed(571);
    oct_database        *database = world_open(disk, NULL);
    oct_collection      *open = create_plain(database, "c", 32);
    oct_collection_info *before = NULL, *after = NULL;
    uint64_t             checksum_before = 0, checksum_after = 1;

    fill_rows(open, &rng, 0, 2500, 32);
    CHECK_OK(oct_collection_wait_indexed(open, 0, NULL));
    CHECK_OK(oct_checkpoint(database, NULL));
    fill_rows(open, &rng, 2500, 300, 32);
    CHECK_OK(oct_checkpoint(database, NULL));
    CHECK_OK(oct_collection_wait_indexed(open, 0, NULL));
    CHECK_OK(oct_collection_describe(open, &before, NULL));
    CHECK_OK(oct_collection_graph_checksum(open, &checksum_before, NULL));
    oct_collection_close(open);
    close_database(database);
    database = world_open(disk, NULL);
    CHECK_OK(oct_collection_open(database, slice_of("c"), &open, NULL));
    CHECK_OK(oct_collection_describe(open, &after, NULL));
    CHECK_OK(oct_collection_graph_checksum(open, &checksum_after, NULL));
    CHECK_INT(after->indexed_vectors_count, before->indexed_vectors_count);
    CHECK_INT(after->points_count, 2800);
    CHECK(checksum_before == checksum_after);
    oct_collection_info_free(before);
    oct_collection_info_free(after);
    oct_collection_close(open);
    close_database(database);
    os_free(disk);
}

/* Goal:   many small collections cost no files, and come back.
 * Method: 400 collections with a point each; the files on the disk are counted after closing. */
TEST(small_collections_cost_no_files)
{
    const uint32_t count = 400;
    os            *disk = world_disk();
    test_rng       rng = test_rng_seed(581);
    oct_database  *database = world_open(disk, NULL);
    oct_names     *names = NULL;
    char         **files = NULL;
    size_t         file_count = 0;
    char           name[32];

    for (uint32_t i = 0; i < count; i++) {
        oct_collection *open;

        (void)snprintf(name, sizeof name, "c%04u", i);
        open = create_plain(database, name, 8);
        fill_rows(open, &rng, i, 1, 8);
        oct_collection_close(open);
    }
    close_database(database);
    if (os_list(disk, WORLD_PATH "/shard", &files, &file_count, NULL) == OCT_OK)
        CHECK_INT(file_count, 0);
    oct_free(files);
    database = world_open(disk, NULL);
    OCT_MUST(database != NULL);
    CHECK_OK(oct_collection_list(database, &names, NULL));
    CHECK_INT(names->count, count);
    for (uint32_t i = 0; i < names->count; i++) {
        oct_collection *open = NULL;
        oct_records    *records = NULL;

        (void)snprintf(name, sizeof name, "c%04u", i);
        CHECK(slice_is(names->items[i], name));
        CHECK_OK(oct_collection_open(database, names->items[i], &open, NULL));
        CHECK_OK(oct_scroll(open, NULL, 10, NULL, &records, NULL));
        CHECK(records->count == 1 && records->items[0].id.low == i && !records->has_next);
        oct_records_free(records);
        oct_collection_close(open);
    }
    oct_names_free(names);
    close_database(database);
    os_free(disk);
}

/* Goal:   a deleted collection's files go with the next checkpoint, a handle kept over the deletion goes on reading,
 * and a
 *         new collection of the same name has nothing of the old.
 * Method: a collection with files is deleted while a handle is held. */
TEST(deleted_collection_leaves_nothing_behind)
{
    os             *disk = world_disk();
    test_rng        rng = test_rng_seed(591);
    oct_database   *database = world_open(disk, NULL);
    oct_collection *open = create_plain(database, "c", 32), *again;
    char          **files = NULL;
    size_t          file_count = 0;
    uint64_t        count = 0;
    bool            existed = false;

    fill_rows(open, &rng, 0, 2000, 32);
    CHECK_OK(oct_collection_wait_indexed(open, 0, NULL));
    oct_collection_close(open);
    close_database(database);
    database = world_open(disk, NULL); /* so that its vectors are in files, not yet verified */
    CHECK_OK(oct_collection_open(database, slice_of("c"), &open, NULL));
    CHECK_OK(os_list(disk, WORLD_PATH "/shard", &files, &file_count, NULL));
    CHECK_INT(file_count, 1);
    oct_free(files);
    CHECK_OK(oct_collection_delete(database, slice_of("c"), &existed, NULL));
    CHECK(existed);
    CHECK_OK(oct_collection_delete(database, slice_of("c"), &existed, NULL));
    CHECK(!existed);
    again = create_plain(database, "c", 16);
    CHECK_OK(oct_checkpoint(database, NULL));
    CHECK_OK(os_list(disk, WORLD_PATH "/shard", &files, &file_count, NULL));
    CHECK_INT(file_count, 0);
    oct_free(files);
    CHECK_OK(oct_count(open, &count, NULL));
    CHECK_INT(count, 2000);
    {
        const float              query[32] = {1};
        const oct_search_request request = {.query = query, .dim = 32, .limit = 10};
        oct_records             *hits = NULL;

        CHECK_OK(oct_search(open, &request, &hits, NULL));
        CHECK(hits != NULL && hits->count == 10);
        oct_records_free(hits);
    }
    CHECK_OK(oct_count(again, &count, NULL));
    CHECK_INT(count, 0);
    fill_rows(open, &rng, 0, 10, 32); /* to nobody: the record finds no collection when it is replayed */
    oct_collection_close(open);
    oct_collection_close(again);
    close_database(database);
    database = world_open(disk, NULL);
    CHECK_OK(oct_collection_open(database, slice_of("c"), &again, NULL));
    CHECK_OK(oct_count(again, &count, NULL));
    CHECK_INT(count, 0);
    oct_collection_close(again);
    close_database(database);
    os_free(disk);
}

/* --- doors ----------------------------------------------------------------------------------------------------- */

/* Goal:   one writer at a time; a reader beside it; refusals of a database opened for reading.
 * Method: real files. */
TEST(writer_locks_and_reader_may_not_write)
{
    char                  path[OS_PATH_MAX];
    oct_open_options      options = {.path = path, .threads = 1};
    oct_database         *writer = NULL, *second = NULL, *reader = NULL;
    oct_collection       *open, *read = NULL;
    test_rng              rng = test_rng_seed(595);
    const uint64_t        id = 3;
    const float           values[8] = {1};
    oct_error             error = {0};
    uint64_t              count = 0;
    bool                  existed;
    oct_collection_config changes;

    (void)snprintf(path, sizeof path, "%s/db", test_folder());
    options.read_only = true;
    CHECK_STATUS(oct_open(&options, &reader, &error), OCT_NOT_FOUND);
    CHECK(reader == NULL);
    options.read_only = false;
    CHECK_OK(oct_open(&options, &writer, &error));
    CHECK_STATUS(oct_open(&options, &second, &error), OCT_LOCKED);
    CHECK(second == NULL);
    open = create_plain(writer, "c", 8);
    fill_rows(open, &rng, 0, 20, 8);
    options.read_only = true;
    CHECK_OK(oct_open(&options, &reader, &error));
    CHECK_OK(oct_collection_open(reader, slice_of("c"), &read, &error));
    CHECK_OK(oct_count(read, &count, NULL));
    CHECK_INT(count, 20);
    CHECK_STATUS(oct_upsert_rows(read, &id, values, 1, 8, 0, NULL, NULL, &error), OCT_FORBIDDEN);
    CHECK_STATUS(oct_collection_optimize(read, &error), OCT_FORBIDDEN);
    CHECK_STATUS(oct_checkpoint(reader, &error), OCT_FORBIDDEN);
    CHECK_STATUS(oct_collection_delete(reader, slice_of("c"), &existed, &error), OCT_FORBIDDEN);
    oct_collection_config_init(&changes);
    CHECK_STATUS(oct_collection_update(reader, slice_of("c"), &changes, &error), OCT_FORBIDDEN);
    CHECK_STATUS(oct_alias_update(reader, NULL, 0, &error), OCT_FORBIDDEN);
    CHECK_OK(oct_count(read, &count, NULL));
    CHECK_INT(count, 20);
    oct_collection_close(read);
    CHECK_OK(oct_close(reader, &error));
    oct_collection_close(open);
    CHECK_OK(oct_close(writer, &error));
    CHECK_OK(oct_close(NULL, &error));
    CHECK_STATUS(oct_open(&(oct_open_options){.path = ""}, &writer, &error), OCT_INVALID);
    CHECK(writer == NULL);
}

/* Goal:   the limits of octant.h are checked, and say so.
 * Method: each limit overstepped by one. */
TEST(limits_are_checked)
{
    oct_database      *database = NULL;
    oct_collection    *open;
    const float        values[8] = {1, 2, 3, 4, 5, 6, 7, INFINITY};
    oct_search_request request = {.query = values, .dim = 7, .limit = 1};
    oct_records       *records = (oct_records *)1;
    uint64_t           ids[4];
    float              scores[4];
    oct_error          error = {0};
    test_rng           rng = test_rng_seed(596);

    CHECK_OK(oct_open(&(oct_open_options){.path = ":memory:"}, &database, NULL));
    open = create_plain(database, "c", 7);
    fill_rows(open, &rng, 1, 3, 7);
    request.limit = 0;
    CHECK_STATUS(oct_search(open, &request, &records, &error), OCT_RANGE);
    CHECK(records == NULL);
    request.limit = OCT_LIMIT_MAX;
    request.offset = 1;
    CHECK_STATUS(oct_search(open, &request, &records, &error), OCT_RANGE);
    request.limit = 1;
    request.offset = SIZE_MAX;
    CHECK_STATUS(oct_search(open, &request, &records, &error), OCT_RANGE);
    request.offset = 0;
    request.dim = 8;
    CHECK_STATUS(oct_search(open, &request, &records, &error), OCT_DIM);
    request.dim = 6;
    CHECK_STATUS(oct_search(open, &request, &records, &error), OCT_DIM);
    request.dim = 7;
    request.query = values + 1; /* the last one is no number */
    CHECK_STATUS(oct_search(open, &request, &records, &error), OCT_INVALID);
    request.query = values;
    request.vector_name = slice_of("x");
    CHECK_STATUS(oct_search(open, &request, &records, &error), OCT_INVALID);
    request.vector_name.size = 0;
    CHECK_OK(oct_search(open, &request, &records, &error));
    oct_records_free(records);
    CHECK_STATUS(oct_scroll(open, NULL, 0, NULL, &records, &error), OCT_RANGE);
    CHECK_STATUS(oct_scroll(open, NULL, OCT_LIMIT_MAX + 1, NULL, &records, &error), OCT_RANGE);
    CHECK_STATUS(oct_upsert(open, NULL, 1, NULL, NULL, &error), OCT_INVALID);
    CHECK_STATUS(oct_upsert(open, (const oct_point *)values, (size_t)OCT_POINTS_MAX + 1, NULL, NULL, &error),
                 OCT_RANGE);
    CHECK_STATUS(oct_upsert_rows(open, ids, values, 1, 0, 0, NULL, NULL, &error), OCT_DIM);
    CHECK_STATUS(oct_upsert_rows(open, ids, values, 1, OCT_DIM_MAX + 1, 0, NULL, NULL, &error), OCT_DIM);
    CHECK_STATUS(oct_upsert_rows(open, ids, values, 1, 7, 6, NULL, NULL, &error), OCT_INVALID);
    CHECK_STATUS(oct_search_rows(open, values, 1, 6, 4, 0, true, 1, ids, scores, &error), OCT_DIM);
    CHECK_STATUS(oct_search_rows(open, values, 1, 7, 0, 0, true, 1, ids, scores, &error), OCT_RANGE);
    CHECK_OK(oct_search_rows(open, values, 1, 7, 4, 0, true, 1, ids, scores, &error));
    CHECK(ids[2] != OCT_ID_NONE && ids[3] == OCT_ID_NONE && isnan(scores[3]));
    oct_collection_close(open);
    close_database(database);
}

/* Goal:   what the opener wants of new collections is in those that leave it open, stays when it opens with other wishes, and
 *         bad wishes are refused by name; no more collections than allowed. */
TEST(new_collections_have_what_the_opener_wants)
{
    os                   *disk = world_disk();
    oct_open_options      options = {.path = WORLD_PATH, .collections_max = 1,
                                     .collection_defaults = "{\"hnsw_config\":{\"m\":9,\"payload_m\":3},"
                                                            "\"vectors\":{\"on_disk\":true},\"write_consistency_factor\":2}"};
    oct_database         *database = NULL;
    oct_collection       *made;
    oct_collection_info  *info;
    oct_collection_config config;
    oct_error             error = {0};

    CHECK_OK(database_open_on(disk, &options, &database, NULL));
    made = create_plain(database, "a", 3); /* chooses m 6 */
    oct_collection_config_init(&config);
    CHECK_STATUS(oct_collection_create(database, slice_of("b"), &config, &error), OCT_BAD_REQUEST);
    CHECK(strstr(error.text, "Max collections limit reached: 1") != NULL);
    oct_collection_close(made);
    CHECK_OK(oct_close(database, NULL));

    options.collection_defaults = "{\"hnsw_config\":{\"m\":77}}";
    CHECK_OK(database_open_on(disk, &options, &database, NULL));
    CHECK_OK(oct_collection_open(database, slice_of("a"), &made, NULL));
    CHECK_OK(oct_collection_describe(made, &info, NULL));
    CHECK_INT(info->config.hnsw.m, 6);
    CHECK_INT(info->config.hnsw.payload_m, 3);
    CHECK_INT(info->config.vectors[0].on_disk, 1);
    CHECK_INT(info->config.write_consistency_factor, 2);
    oct_collection_info_free(info);
    oct_collection_close(made);
    CHECK_OK(oct_close(database, NULL));

    options.collection_defaults = "{\"hnsw_config\":{\"m\":-1}}";
    CHECK_STATUS(database_open_on(disk, &options, &database, &error), OCT_FORMAT);
    CHECK(strstr(error.text, "defaults of new collections: hnsw_config.m") != NULL);
    os_free(disk);
}

/* Goal:   deleted vectors go, also those that died while an earlier compaction was at work, and nobody calls anything for it: no
 *         write, no optimize.
 * Method: many points deleted, and at once many more; then it is only looked at. */
TEST(vectors_deleted_during_a_compaction_go_too)
{
    os                  *disk = world_disk();
    test_rng             rng = test_rng_seed(577);
    oct_database        *database = world_open(disk, NULL);
    oct_collection      *open = create_plain(database, "c", 64);
    oct_id               ids[4000];
    oct_collection_info *now = NULL;
    uint64_t             dead = 1;

    fill_rows(open, &rng, 0, 4000, 64);
    CHECK_OK(oct_collection_wait_indexed(open, 0, NULL));
    for (uint64_t i = 0; i < countof(ids); i++)
        ids[i] = oct_id_number(i);
    CHECK_OK(oct_delete(open, ids, 1500, NULL, NULL, NULL));
    CHECK_OK(oct_delete(open, ids + 1500, 2100, NULL, NULL, NULL));
    for (int i = 0; i < 6000 && dead > 0; i++) {
        (void)usleep(10000);
        CHECK_OK(oct_collection_describe(open, &now, NULL));
        dead = now->deleted_vectors_count;
        CHECK_INT(now->points_count, 400);
        oct_collection_info_free(now);
    }
    CHECK_INT(dead, 0);
    oct_collection_close(open);
    close_database(database);
    os_free(disk);
}
