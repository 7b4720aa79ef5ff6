/* What a full disk holds back from the next save, and what it gives back by itself. */
#include "collection/database_test.h"

#include <stdio.h>
#include <unistd.h>

#define DISK_BYTES  4000000u
#define PATIENCE_MS 60000u /* for writing to resume, on a machine with much else to do */
#define BATCH_ROWS  50u
#define DIM_MAX     768u

typedef struct story {
    uint32_t dim, every; /* one of so many is kept */
    bool     documents, reopens, graph;
} story;

/* Values and documents that follow from the number, so that what is read can be compared. */
static float
value_of(uint64_t id, uint32_t j)
{
    return (float)((id * 31 + j * 17) % 997) / 997.0f;
}

static oct_slice
document_of(uint64_t id, char text[128])
{
    const int size = snprintf(text, 128, "{\"n\":%llu,\"text\":\"%064llu\"}", (unsigned long long)id, (unsigned long long)id);

    return (oct_slice){text, (size_t)size};
}

static oct_status
add(oct_collection *open, const story *of, uint64_t first, size_t count, oct_error *error)
{
    static float     values[BATCH_ROWS * DIM_MAX];
    static char      texts[BATCH_ROWS][128];
    static oct_slice documents[BATCH_ROWS];
    uint64_t         ids[BATCH_ROWS];

    for (size_t i = 0; i < count; i++) {
        ids[i] = first + i;
        documents[i] = document_of(ids[i], texts[i]);
        for (uint32_t j = 0; j < of->dim; j++)
            values[i * of->dim + j] = value_of(ids[i], j);
    }
    return oct_upsert_rows(open, ids, values, count, of->dim, 0, of->documents ? documents : NULL, NULL, error);
}

static oct_collection *
create(oct_database *database, const char *name, const story *of)
{
    oct_vector_config     vector;
    oct_collection_config config;

    test_plain_config(&config, &vector, of->dim, OCT_EUCLID);
    config.hnsw.m = of->graph ? 4 : 0;
    config.hnsw.ef_construct = 8;
    config.optimizer.indexing_threshold = 1;
    config.optimizer.vacuum_min_vector_number = 100;
    return test_create(database, name, &config);
}

static void
reopen(os *disk, oct_database **database, oct_collection **open, oct_collection **other)
{
    const oct_open_options options = {.path = WORLD_PATH, .threads = 2};
    oct_error              error = {0};

    oct_collection_close(*open);
    oct_collection_close(*other);
    *open = *other = NULL;
    CHECK_OK(oct_close(*database, &error));
    *database = NULL;
    CHECK_MSG(database_open_on(disk, &options, database, &error) == OCT_OK, "opening: %s", error.text);
    if (*database == NULL)
        return;
    CHECK_OK(oct_collection_open(*database, slice_of("c"), open, &error));
    CHECK_OK(oct_collection_open(*database, slice_of("other"), other, &error));
}

/* Exactly those that were kept are there, whole. */
static void
expect_kept(oct_collection *open, const story *of, uint64_t count)
{
    oct_error error = {0};
    uint64_t  found;

    CHECK_OK(oct_count(open, &found, NULL));
    CHECK_INT(found, (count + of->every - 1) / of->every);
    CHECK_MSG(oct_collection_check(open, &error) == OCT_OK, "%s", error.text);
    for (uint64_t id = 0; id < count; id += of->every * (1 + count / of->every / 50)) {
        const oct_id     wanted = {.low = id};
        const oct_select select = {.with_payload = true, .with_vector = true};
        oct_records     *records = NULL;
        char             text[128];
        oct_slice        document = document_of(id, text);

        if (!of->documents)
            document = slice_of("{}");
        CHECK_OK(oct_retrieve(open, &wanted, 1, &select, &records, &error));
        CHECK(records != NULL && records->count == 1);
        if (records != NULL && records->count == 1) {
            const oct_record *record = &records->items[0];

            CHECK(record->payload.size == document.size && memcmp(record->payload.data, document.data, document.size) == 0);
            CHECK(record->vector_count == 1);
            for (uint32_t j = 0; record->vector_count == 1 && j < of->dim; j++)
                CHECK(record->vectors[0].values[j] == value_of(id, j));
        }
        oct_records_free(records);
    }
}

/* Bytes of all files of the one shard there is. */
static uint64_t
shard_bytes(os *disk)
{
    const char *const folder = WORLD_PATH "/shard";
    char              inner[OS_PATH_MAX], path[OS_PATH_MAX];
    char            **shards = NULL, **names = NULL;
    size_t            shard_count = 0, count = 0;
    uint64_t          bytes = 0, size;

    CHECK_OK(os_list(disk, folder, &shards, &shard_count, NULL));
    CHECK_INT(shard_count, 1);
    if (shard_count == 1) {
        CHECK_OK(os_path_join(inner, folder, shards[0], NULL));
        CHECK_OK(os_list(disk, inner, &names, &count, NULL));
    }
    for (size_t i = 0; i < count; i++) {
        os_file *file = NULL;

        CHECK_OK(os_path_join(path, inner, names[i], NULL));
        CHECK_OK(os_open(disk, path, 0, &file, NULL));
        CHECK_OK(os_size(file, &size, NULL));
        bytes += size;
        os_close(file);
    }
    oct_free(shards);
    oct_free(names);
    return bytes;
}

/* Goal:   a checkpoint that finds the disk full leaves none of the files and rows behind that it had written by then.
 * Method: a collection in files and more points than before in the log; checkpoints with room from none up to enough, in steps of
 *         16 KB: what its folder has is the same after each that was refused. Then all is there, also after opening again. */
TEST(checkpoint_refused_by_a_full_disk_leaves_no_files)
{
    const story    of = {.dim = 64, .every = 1, .documents = true, .graph = true};
    os            *disk = world_disk();
    oct_error      error = {0};
    oct_database  *database = world_open(disk, &error);
    oct_collection *open = create(database, "c", &of), *other = create(database, "other", &of);
    uint64_t       before, refused = 0, count = 0;
    oct_status     status = OCT_FULL;

    for (; count < 2000; count += BATCH_ROWS)
        CHECK_OK(add(open, &of, count, BATCH_ROWS, &error));
    CHECK_OK(oct_checkpoint(database, &error));
    for (; count < 5000; count += BATCH_ROWS)
        CHECK_OK(add(open, &of, count, BATCH_ROWS, &error));
    CHECK_OK(oct_collection_optimize(open, &error)); /* a graph that has grown is to be written, too */
    before = shard_bytes(disk);
    CHECK(before > 2000 * of.dim * sizeof(float));
    for (uint64_t room = 0; status == OCT_FULL && room < 8000000 && !test_has_failed(); room += 16384) {
        os_fault_limit(disk, os_fault_bytes(disk) + room);
        status = oct_checkpoint(database, &error);
        CHECK_MSG(status == OCT_OK || status == OCT_FULL, "room %llu: %s", (unsigned long long)room, error.text);
        refused += status == OCT_FULL;
        if (status == OCT_FULL)
            CHECK_MSG(shard_bytes(disk) == before, "room %llu: %llu bytes, %llu before", (unsigned long long)room,
                      (unsigned long long)shard_bytes(disk), (unsigned long long)before);
    }
    CHECK_STATUS(status, OCT_OK);
    CHECK_MSG(refused > 20, "%llu refused", (unsigned long long)refused);
    os_fault_limit(disk, UINT64_MAX);
    expect_kept(open, &of, count);
    reopen(disk, &database, &open, &other);
    if (database != NULL) {
        expect_kept(open, &of, count);
        oct_collection_close(open);
        oct_collection_close(other);
        CHECK_OK(oct_close(database, &error));
    }
    os_free(disk);
}

static void
tell(const story *of)
{
    const oct_open_options options = {.path = WORLD_PATH, .threads = 2};
    os                    *disk = world_disk();
    oct_error              error = {0};
    oct_database          *database = NULL;
    oct_collection        *open, *other;
    oct_status             status = OCT_OK;
    uint64_t               count, deleted = 0;

    CHECK_OK(database_open_on(disk, &options, &database, &error));
    open = create(database, "c", of);
    other = create(database, "other", of);
    os_fault_limit(disk, os_fault_bytes(disk) + DISK_BYTES);
    for (count = 0; status == OCT_OK; count += status == OCT_OK ? BATCH_ROWS : 0) {
        status = add(open, of, count, BATCH_ROWS, &error);
        /* A part of it is in files then, from which it is read. */
        if (of->reopens && status == OCT_OK && count / BATCH_ROWS == DISK_BYTES / 6 / (of->dim * 4 + 120) / BATCH_ROWS)
            reopen(disk, &database, &open, &other);
    }
    CHECK_STATUS(status, OCT_FULL);
    CHECK_MSG(count * (of->dim * 4 + (of->documents ? 120 : 8)) >= DISK_BYTES / 4, "%llu points of %u on %u bytes",
              (unsigned long long)count, of->dim, DISK_BYTES);
    for (uint64_t at = 0; at < count && !test_has_failed();) {
        oct_id   ids[BATCH_ROWS];
        size_t   some = 0;

        for (; some < BATCH_ROWS && at < count; at++)
            if (at % of->every != 0)
                ids[some++] = (oct_id){.low = at};
        status = oct_delete(open, ids, some, NULL, NULL, &error);
        for (uint64_t ms = 0; status == OCT_FULL && ms < PATIENCE_MS; ms += 10) {
            (void)usleep(10000);
            status = oct_delete(open, ids, some, NULL, NULL, &error);
        }
        CHECK_MSG(status == OCT_OK, "deleting after %llu of %llu: %s", (unsigned long long)deleted, (unsigned long long)count,
                  error.text);
        deleted += some;
    }
    status = OCT_FULL;
    for (uint64_t ms = 0; status == OCT_FULL && ms < PATIENCE_MS && !test_has_failed(); ms += 10) {
        status = add(other, of, 0, BATCH_ROWS, &error);
        if (status == OCT_FULL)
            (void)usleep(10000);
    }
    CHECK_MSG(status == OCT_OK, "dim %u, one of %u kept of %llu,%s%s%s: %s", of->dim, of->every, (unsigned long long)count,
              of->documents ? " documents" : "", of->reopens ? " opened again" : "", of->graph ? " graph" : "", error.text);
    expect_kept(open, of, count);
    reopen(disk, &database, &open, &other);
    if (database != NULL) {
        expect_kept(open, of, count);
        oct_collection_close(open);
        oct_collection_close(other);
        CHECK_OK(oct_close(database, &error));
    }
    os_free(disk);
}

/* Goal:   whatever share of its points a full disk keeps, short or long vectors, with documents and without, opened again or with a
 *         graph: the room of the others comes back by itself, and what is kept is whole, also after opening.
 * Method: a simulated disk of 4 MB, filled; all points but each second, fourth, tenth, thirtieth, fiftieth deleted; then writes of
 *         another collection until one is taken. All shares with each length; documents, openings and graphs take turns, and all
 *         have theirs with a scale (OCTANT_TEST_SCALE) of 8. */
TEST(full_disk_gives_back_whatever_is_kept)
{
    static const uint32_t dims[] = {16, 256, 768}, shares[] = {2, 4, 10, 30, 50};
    const uint64_t        kinds = test_scaled(1) < 8 ? 1 : 8;

    for (uint32_t i = 0; i < countof(dims) * countof(shares) && !test_has_failed(); i++) {
        for (uint32_t k = 0; k < kinds && !test_has_failed(); k++) {
            const uint32_t kind = kinds == 8 ? k : i * 5 + i / 8;
            const story    of = {dims[i / countof(shares)], shares[i % countof(shares)], (kind & 1) != 0, (kind & 2) != 0,
                                 (kind & 4) != 0};

            tell(&of);
        }
    }
}
