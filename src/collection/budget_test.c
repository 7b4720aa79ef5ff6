/* The limit on memory. On real files, as nothing can leave memory without them; sanitizers keep what is freed, so that they
 * would measure themselves. */
#include "collection/database_test.h"

#include <stdio.h>
#include <unistd.h>

#include "base/epoch.h"
#include "os/process.h"
#include "shard/shard.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

#define PIECE 2000u

static void
remove_folder(const char *path)
{
    char command[128];

    (void)snprintf(command, sizeof command, "rm -rf '%s'", path);
    CHECK(system(command) == 0);
}

static oct_database *
open_limited(const char *path, uint64_t limit)
{
    const oct_open_options options = {.path = path, .threads = 2, .memory_limit = limit};
    oct_database          *database = NULL;
    oct_error              error = {0};

    CHECK_MSG(oct_open(&options, &database, &error) == OCT_OK, "%s", error.text);
    OCT_MUST(database != NULL);
    return database;
}

static oct_collection *
create_limited(oct_database *database, const char *name, int64_t dim)
{
    oct_vector_config     vector;
    oct_collection_config config;
    oct_collection       *open = NULL;

    test_plain_config(&config, &vector, dim, OCT_DOT);
    config.hnsw.m = 0; /* no graph: this is about memory, and graphs take time */
    open = test_create(database, name, &config);
    return open;
}

/* Component 0 is the number of the row. */
static oct_status
add_piece(oct_collection *open, uint64_t first, uint32_t dim, const oct_slice *payloads, float *values, oct_error *error)
{
    uint64_t ids[PIECE];

    for (size_t i = 0; i < PIECE; i++) {
        ids[i] = first + i;
        values[i * dim] = (float)(first + i);
    }
    return oct_upsert_rows(open, ids, values, PIECE, dim, 0, payloads, NULL, error);
}

static void
expect_row(oct_collection *open, uint64_t number, uint32_t dim)
{
    const oct_id     id = {.low = number};
    const oct_select all = {.with_payload = true, .with_vector = true};
    oct_records     *found = NULL;
    oct_error        error = {0};

    (void)dim;
    CHECK_MSG(oct_retrieve(open, &id, 1, &all, &found, &error) == OCT_OK, "%s", error.text);
    CHECK(found != NULL && found->count == 1 && found->items[0].vector_count == 1 &&
          found->items[0].vectors[0].values[0] == (float)number && found->items[0].payload.size > 200);
    oct_records_free(found);
}

/* Goal:   data far larger than the limit goes in, is there, and memory stays below.
 * Method: 160 MB of vectors and 50 MB of payload, with 64 MB more memory than the process has at the beginning. */
TEST(data_beyond_the_memory_limit_leaves_memory)
{
    const uint32_t dim = 512;
    char           path[] = "/tmp/octant-budget-XXXXXX", text[512];
    const uint64_t limit = process_private_bytes() + (96u << 20);
    float         *values = calloc((size_t)PIECE * dim, sizeof *values);
    oct_slice      payloads[PIECE];
    oct_database  *database;
    oct_collection *open;
    oct_error      error = {0};
    uint64_t       count = 0, most = 0;

    if (IS_SANITIZED || process_private_bytes() == 0) {
        TEST_SKIP("memory cannot be measured here");
        free(values);
        return;
    }
    OCT_MUST(mkdtemp(path) != NULL && values != NULL);
    (void)snprintf(text, sizeof text, "{\"text\":\"%0500d\"}", 7);
    for (size_t i = 0; i < PIECE; i++)
        payloads[i] = slice_of(text);
    database = open_limited(path, limit);
    open = create_limited(database, "c", dim);
    for (; count < 80000 && !test_has_failed(); count += PIECE) {
        const uint64_t used = process_private_bytes();

        CHECK_MSG(add_piece(open, count, dim, payloads, values, &error) == OCT_OK, "%llu rows: %s", (unsigned long long)count,
                  error.text);
        most = used > most ? used : most;
    }
    CHECK_MSG(most <= limit, "%llu MiB of %llu", (unsigned long long)(most >> 20), (unsigned long long)(limit >> 20));
    for (uint64_t i = 0; i < count; i += 997)
        expect_row(open, i, dim);
    printf("  %llu MiB written, limit %llu MiB more than at the start, at most %lld\n",
           (unsigned long long)(count * (dim * 4 + 512) >> 20), 96ull, (long long)(most >> 20) - (long long)(limit >> 20) + 96);
    CHECK_OK(oct_collection_check(open, &error));
    oct_collection_close(open);
    CHECK_OK(oct_close(database, NULL));
    database = open_limited(path, limit);
    CHECK_OK(oct_collection_open(database, slice_of("c"), &open, NULL));
    for (uint64_t i = 0; i < count; i += 997)
        expect_row(open, i, dim);
    oct_collection_close(open);
    CHECK_OK(oct_close(database, NULL));
    remove_folder(path);
    free(values);
}

/* Goal:   when what must stay in memory has filled it, writes that add are refused and say why; reads and deletions go on;
 *         what is deleted makes room by itself.
 * Method: short vectors, whose codes and numbers do not leave memory, until one piece is refused; then the collection goes. */
TEST(full_memory_refuses_what_adds)
{
    const uint32_t  dim = 16;
    char            path[] = "/tmp/octant-budget-XXXXXX";
    const uint64_t  start = process_private_bytes(), limit = start + (128u << 20);
    float          *values = calloc((size_t)PIECE * dim, sizeof *values);
    oct_status      status = OCT_OK;
    oct_error       error = {0};
    oct_database   *database;
    oct_collection *open, *other;
    uint64_t        count = 0, found;
    bool            existed;

    if (IS_SANITIZED || start == 0) {
        TEST_SKIP("memory cannot be measured here");
        free(values);
        return;
    }
    OCT_MUST(mkdtemp(path) != NULL && values != NULL);
    database = open_limited(path, limit);
    open = create_limited(database, "c", dim);
    other = create_limited(database, "other", dim);
    while (status == OCT_OK && count < 4000000) {
        status = add_piece(open, count, dim, NULL, values, &error);
        count += status == OCT_OK ? PIECE : 0;
    }
    CHECK_MSG(status == OCT_FULL && strstr(error.text, "memory_limit") != NULL, "%llu rows: %d, %s", (unsigned long long)count,
              (int)status, error.text);
    CHECK_MSG(process_private_bytes() <= limit, "%llu of %llu", (unsigned long long)process_private_bytes(),
              (unsigned long long)limit);
    CHECK_OK(oct_count(open, &found, &error));
    CHECK_INT(found, count);
    CHECK_OK(oct_delete(open, &(oct_id){.low = 5}, 1, NULL, NULL, &error));
    oct_collection_close(open);
    CHECK_OK(oct_collection_delete(database, slice_of("c"), &existed, &error));
    epoch_drain();
    status = OCT_FULL;
    for (int i = 0; i < 3000 && status == OCT_FULL; i++) {
        status = add_piece(other, 0, dim, NULL, values, &error);
        if (status == OCT_FULL)
            (void)usleep(10000);
    }
    CHECK_MSG(status == OCT_OK, "%s", error.text);
    oct_collection_close(other);
    CHECK_OK(oct_close(database, NULL));
    remove_folder(path);
    free(values);
}

TEST(memory_limit_in_the_wrong_unit_is_refused)
{
    const oct_open_options options = {.path = NULL, .memory_limit = 512};
    oct_database          *database = NULL;
    oct_error              error = {0};

    CHECK_STATUS(oct_open(&options, &database, &error), OCT_INVALID);
    CHECK_MSG(strstr(error.text, "memory_limit") != NULL, "%s", error.text);
    CHECK(database == NULL);
}
