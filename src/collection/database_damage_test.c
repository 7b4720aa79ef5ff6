/* Databases whose files have gone bad: an error or a right answer, never a crash, never a wrong answer. */
#include "collection/database_test.h"

#define FILES_MAX 200u

typedef struct folder_files {
    char     paths[FILES_MAX][128];
    uint64_t sizes[FILES_MAX];
    size_t   count;
} folder_files;

static void
list_files(os *disk, const char *folder, folder_files *out)
{
    char **names;
    size_t count;

    OCT_MUST(os_list(disk, folder, &names, &count, NULL) == OCT_OK);
    for (size_t i = 0; i < count; i++) {
        char     path[128];
        os_file *file;

        if (strncmp(names[i], "spare.", 6) == 0) /* room kept back: nothing is read from it, and a crash may empty it */
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (os_open(disk, path, 0, &file, NULL) != OCT_OK) {
            list_files(disk, path, out);
            continue;
        }
        OCT_MUST(out->count < FILES_MAX);
        memcpy(out->paths[out->count], path, sizeof path);
        OCT_MUST(os_size(file, &out->sizes[out->count++], NULL) == OCT_OK);
        os_close(file);
    }
    oct_free(names);
}

/* What the database may say: the last state; if the end of the log was damaged, one of those before, back to the
 * checkpoint. Behind its last record the log has no word on whether there was more. */
typedef struct history {
    world *states[8]; /* newest first */
    size_t count;
} history;

static void
history_clear(history *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->states[i]);
}

/* A database with everything in it: a collection in files with a graph, dead rows, payloads; one in the log;
 * aliases; and
 * (if not `closed`) a log with records behind the checkpoint. All is durable. */
static os *
make_database(history *past, test_rng *rng, bool closed)
{
    static const world_op steps[] = {
        WORLD_CREATE,         WORLD_CREATE,      WORLD_CREATE,         WORLD_CREATE,         WORLD_ALIAS,
        WORLD_INDEX,          WORLD_INDEX,       WORLD_INDEX,          WORLD_INDEX,          WORLD_INDEX,
        WORLD_UPSERT,         WORLD_UPSERT,      WORLD_UPSERT_ROWS,    WORLD_UPSERT,         WORLD_UPSERT,
        WORLD_UPSERT,         WORLD_UPSERT,      WORLD_DELETE,         WORLD_CHANGE_PAYLOAD, WORLD_UPSERT,
        WORLD_UPSERT,         WORLD_UPSERT_ROWS, WORLD_UPSERT,         WORLD_UPSERT,         WORLD_CHECKPOINT,
        WORLD_DELETE_VECTORS, WORLD_UPSERT,      WORLD_CHANGE_PAYLOAD, WORLD_UPDATE_VECTORS,
    };
    os           *disk = world_disk(), *after;
    world        *now = world_new();
    oct_error     error = {0};
    oct_database *database = world_open(disk, &error);

    OCT_MUST(database != NULL);
    for (size_t i = 0; i < countof(steps); i++) {
        CHECK_OK(world_step(now, rng, database, steps[i], true, &error));
        if (steps[i + 1 < countof(steps) ? i + 1 : i] == WORLD_CHECKPOINT)
            (void)world_checksum(now, database); /* all that can be in the graphs is */
        if (steps[i] == WORLD_CHECKPOINT || past->count > 0) {
            memmove(&past->states[1], &past->states[0], past->count * sizeof past->states[0]);
            past->states[0] = world_copy(now);
            past->count++;
        }
    }
    free(now);
    if (closed) {
        CHECK_OK(oct_close(database, NULL));
        while (past->count > 1)
            free(past->states[--past->count]);
        return disk;
    }
    after = os_fault_crash(disk, rng);
    (void)oct_close(database, NULL);
    os_free(disk);
    return after;
}

/* Open, check, compare; what happened is counted. */
typedef struct outcome {
    uint64_t right, refused_open, refused_read, found_by_check;
} outcome;

static void
look(const history *past, size_t allowed, os *disk, const char *what, outcome *sum)
{
    const world  *right = past->states[0];
    oct_error     error = {0};
    oct_database *database = world_open(disk, &error);
    oct_status    status, checked;

    if (database == NULL) {
        CHECK_MSG(error.status == OCT_CORRUPT || error.status == OCT_UNSUPPORTED, "%s: %d, %s", what,
                  (int)error.status, error.text);
        CHECK_MSG(error.text[0] != '\0', "%s: an error without a word", what);
        sum->refused_open++;
        return;
    }
    status = world_compare(right, database, true, &error);
    for (size_t i = 1; i < size_min(allowed, past->count) && status == OCT_INTERNAL; i++) {
        right = past->states[i];
        if (world_compare(right, database, true, NULL) == OCT_OK)
            status = OCT_OK;
    }
    CHECK_MSG(status == OCT_OK || status == OCT_CORRUPT, "%s: %d, %s", what, (int)status, error.text);
    checked = world_verify(right, database, &error);
    CHECK_MSG(checked == OCT_OK || checked == OCT_CORRUPT, "%s, check: %d, %s", what, (int)checked,
              error.text);
    CHECK_MSG(status != OCT_CORRUPT || checked == OCT_CORRUPT,
              "%s: a read finds damage that the check does not", what);
    sum->right += status == OCT_OK && checked == OCT_OK;
    sum->refused_read += status != OCT_OK;
    sum->found_by_check += status == OCT_OK && checked != OCT_OK;
    (void)oct_close(database, NULL);
}

/* Where the zeros of reserved room begin. */
static uint64_t
used_bytes(os *disk, const char *path)
{
    char    *bytes;
    uint64_t size;
    os_file *file;

    OCT_MUST(os_open(disk, path, 0, &file, NULL) == OCT_OK && os_size(file, &size, NULL) == OCT_OK);
    bytes = malloc(size + 1);
    OCT_MUST(bytes != NULL && os_read_all(file, 0, bytes, size, NULL) == OCT_OK);
    os_close(file);
    while (size > 1 && bytes[size - 1] == 0)
        size--;
    free(bytes);
    return size;
}

static void
change_byte(os *disk, const char *path, uint64_t at, unsigned char flip)
{
    os_file      *file;
    unsigned char byte;

    OCT_MUST(os_open(disk, path, OS_WRITE, &file, NULL) == OCT_OK);
    OCT_MUST(os_read_all(file, at, &byte, 1, NULL) == OCT_OK);
    byte ^= flip;
    OCT_MUST(os_write(file, at, &byte, 1, NULL) == OCT_OK && os_sync(file, NULL) == OCT_OK);
    os_close(file);
}

/* Is it a file whose content can be made again from others? Then nothing is lost with it: answers are right, and no more than
 * the check may find fault with the file. */
static bool
can_be_made_again(const char *path)
{
    /* Name 0 is a dense one here. */
    static const char *const names[] = {"/codes.", "/links.", "/level",  "/field.",   "/seats.",  "/map.",
                                        "/lists.", "/terms.", "/counts.", "/versions.", "/live.0.", "/points.0."};

    for (size_t i = 0; i < countof(names); i++) {
        if (strstr(path, names[i]) != NULL)
            return true;
    }
    return false;
}

/* How far apart the bytes are that are changed: 1 with OCTANT_TEST_SCALE=100. */
static uint64_t
stride_of_bytes(void)
{
    const uint64_t tenths = test_scaled(10);

    return tenths >= 1000 ? 1 : 1000 / (tenths == 0 ? 1 : tenths);
}

/* Goal:   a changed byte, wherever it is, gives an error that says so, or harms nothing; in what can be made again from other
 *         columns (codes, links, seats, versions, indexes) it harms nothing.
 * Method: a database of all kinds of columns, closed; and one with a log to replay. The disk is copied, one bit of one byte is
 *         changed, the database opened, read, searched, asked, checked. Every 100th byte of every file, from a place that
 *         differs from file to file; every byte with OCTANT_TEST_SCALE=100. Of the zeros of reserved room the first 500.
 *         Seeds 1101, 1102. */
TEST(changed_byte_is_told_or_harmless)
{
    const uint64_t stride = stride_of_bytes();
    outcome        sum = {0};
    uint64_t       bytes = 0;

    for (uint64_t seed = 1101; seed < 1103; seed++) {
        test_rng     rng = test_rng_seed(seed);
        history      past = {0};
        os          *disk = make_database(&past, &rng, seed % 2 == 1);
        folder_files files = {0};

        list_files(disk, WORLD_PATH, &files);
        for (size_t f = 0; f < files.count && !test_has_failed(); f++) {
            const bool     is_log = strstr(files.paths[f], "/log/") != NULL;
            const uint64_t used = is_log ? used_bytes(disk, files.paths[f]) + 500 : files.sizes[f];
            const uint64_t size = used < files.sizes[f] ? used : files.sizes[f];
            /* Small files whole. */
            const uint64_t step = size < 100 ? size_min(stride, 10) : stride;

            for (uint64_t at = test_below(&rng, step); at < size && !test_has_failed(); at += step) {
                os                 *copy = os_fault_crash(disk, &rng);
                const unsigned char flip = (unsigned char)(1u << test_below(&rng, 8));
                const uint64_t      right = sum.right + sum.found_by_check;
                char                what[200];

                change_byte(copy, files.paths[f], at, flip);
                (void)snprintf(what, sizeof what, "seed %llu, %s, byte %llu of %llu ^ %02x", (unsigned long long)seed,
                               files.paths[f], (unsigned long long)at, (unsigned long long)size, flip);
                look(&past, is_log ? 2 : 1, copy, what, &sum);
                CHECK_MSG(!can_be_made_again(files.paths[f]) || sum.right + sum.found_by_check > right,
                          "%s: refused, but it can be made again", what);
                os_free(copy);
                bytes++;
            }
        }
        os_free(disk);
        history_clear(&past);
    }
    printf("  %llu bytes: %llu harmless, %llu refused to open, %llu refused a read, %llu found by the check only\n",
           (unsigned long long)bytes, (unsigned long long)sum.right, (unsigned long long)sum.refused_open,
           (unsigned long long)sum.refused_read, (unsigned long long)sum.found_by_check);
    CHECK(sum.refused_open + sum.refused_read > 100 && sum.right > 0);
}

/* Goal:   a file that is cut, emptied or missing is told, or harms nothing.
 * Method: each file of both databases: removed, emptied, cut at random places. What a cut log has lost behind the last
 * checkpoint nobody can know; but nothing that it had is wrong. */
TEST(cut_or_missing_file_is_told_or_harmless)
{
    outcome sum = {0};

    for (uint64_t seed = 1111; seed < 1113; seed++) {
        test_rng     rng = test_rng_seed(seed);
        history      past = {0};
        os          *disk = make_database(&past, &rng, seed % 2 == 1);
        folder_files files = {0};

        list_files(disk, WORLD_PATH, &files);
        for (size_t f = 0; f < files.count && !test_has_failed(); f++) {
            for (int kind = 0; kind < 6 && !test_has_failed(); kind++) {
                os      *copy = os_fault_crash(disk, &rng);
                uint64_t size = kind < 2 || files.sizes[f] == 0 ? 0 : test_below(&rng, files.sizes[f]);
                char     what[200];
                os_file *file;

                if (kind == 0) {
                    OCT_MUST(os_remove(copy, files.paths[f], NULL) == OCT_OK);
                } else {
                    OCT_MUST(os_open(copy, files.paths[f], OS_WRITE, &file, NULL) == OCT_OK);
                    OCT_MUST(os_truncate(file, size, NULL) == OCT_OK);
                    os_close(file);
                }
                (void)snprintf(what, sizeof what, "seed %llu, %s, %s %llu of %llu", (unsigned long long)seed,
                               files.paths[f], kind == 0 ? "removed" : "cut at", (unsigned long long)size,
                               (unsigned long long)files.sizes[f]);
                look(&past, strstr(files.paths[f], "/log/") != NULL && kind > 0 ? past.count : 1, copy, what,
                     &sum);
                os_free(copy);
            }
        }
        os_free(disk);
        history_clear(&past);
    }
    CHECK(sum.refused_open + sum.refused_read > 30); /* a catalogue or a log, and a collection */
}

#define MANY_ROWS 900u
#define MANY_DIM  96u

/* Goal:   a damaged vector is told even if it is no longer among the hits: an exact search, and any search of a small
 *         collection, does not pass over it in silence.
 * Method: vectors over several blocks of their file; the exponent of one component is changed, the vector that was is looked
 *         for, one hit wanted, right after opening. With a graph and without. Seed 1121. */
TEST(damaged_vector_is_not_passed_over)
{
    for (int built = 0; built < 2; built++) {
        test_rng              rng = test_rng_seed(1121);
        os                   *disk = world_disk();
        oct_error             error = {0};
        oct_database         *database = world_open(disk, &error);
        oct_collection       *open = NULL;
        oct_vector_config     vector;
        oct_collection_config config;
        float                *values = calloc(MANY_ROWS * MANY_DIM, sizeof *values);
        uint64_t              ids[MANY_ROWS];
        folder_files          files = {0};
        size_t                at = 0;

        OCT_MUST(database != NULL && values != NULL);
        test_plain_config(&config, &vector, MANY_DIM, OCT_EUCLID);
        config.optimizer.indexing_threshold = built;
        config.hnsw.full_scan_threshold = 0;
        config.hnsw.m = 8;
        config.hnsw.ef_construct = 40;
        test_fill(&rng, values, MANY_ROWS * MANY_DIM);
        for (uint32_t i = 0; i < MANY_ROWS; i++)
            ids[i] = i;
        open = test_create(database, "c", &config);
        CHECK_OK(oct_upsert_rows(open, ids, values, MANY_ROWS, MANY_DIM, 0, NULL, NULL, &error));
        CHECK_OK(oct_collection_wait_indexed(open, 0, &error));
        oct_collection_close(open);
        CHECK_OK(oct_close(database, &error));
        list_files(disk, WORLD_PATH, &files);
        while (at < files.count && strstr(files.paths[at], "/vectors.0.") == NULL)
            at++;
        OCT_MUST(at < files.count && strstr(files.paths[at], ".data") != NULL);
        for (uint32_t row = 5; row < MANY_ROWS; row += 61) {
            for (int exact = 0; exact < 2; exact++) {
                os                      *copy = os_fault_crash(disk, &rng);
                const oct_search_request request = {.query = values + row * MANY_DIM,
                                                    .dim = MANY_DIM,
                                                    .limit = 1,
                                                    .exact = exact == 1,
                                                    .ef = 200};
                oct_records             *hits = NULL;
                oct_status               status;

                /* Rows of 96 floats need no padding. */
                change_byte(copy, files.paths[at], 4096 + (row * (uint64_t)MANY_DIM + 7) * 4 + 3, 0x40);
                database = world_open(copy, &error);
                OCT_MUST(database != NULL);
                CHECK_OK(oct_collection_open(database, slice_of("c"), &open, &error));
                status = oct_search(open, &request, &hits, &error);
                CHECK_MSG(status == OCT_CORRUPT, "built %d, row %u, exact %d: %d, hit %llu at %g", built, row,
                          exact, (int)status, hits == NULL ? 0ull : (unsigned long long)hits->items[0].id.low,
                          hits == NULL ? 0.0 : (double)hits->items[0].score);
                oct_records_free(hits);
                CHECK_STATUS(oct_collection_check(open, &error), OCT_CORRUPT);
                oct_collection_close(open);
                (void)oct_close(database, NULL);
                os_free(copy);
            }
        }
        os_free(disk);
        free(values);
    }
}

#define VERSIONED     9000u /* more than the versions in a block of the file */
#define VERSION_BLOCK (65536u / 8)

/* The version of each point, by id. */
static void
read_versions(oct_collection *open, uint64_t *out)
{
    const float              origin[2] = {0, 0};
    const oct_search_request request = {.query = origin, .dim = 2, .limit = VERSIONED, .exact = true};
    oct_records             *hits = NULL;
    oct_error                error = {0};

    CHECK_OK(oct_search(open, &request, &hits, &error));
    OCT_MUST(hits != NULL);
    CHECK_INT(hits->count, VERSIONED);
    for (size_t i = 0; i < hits->count; i++)
        out[hits->items[i].id.low] = hits->items[i].version;
    oct_records_free(hits);
}

/* Goal:   of damaged versions those in the damaged block become the last there was, and no others; none is too low; it is told; and a
 *         checkpoint leaves no damage.
 * Method: 9,000 points written in batches of 100; one bit in the first block of the file, then in the second, then in the file of
 *         checksums, so that no block can be trusted. Read after opening, and after closing and opening again. Seed 1131. */
TEST(damaged_versions_are_the_last_there_was)
{
    test_rng              rng = test_rng_seed(1131);
    os                   *disk = world_disk();
    oct_error             error = {0};
    oct_database         *database = world_open(disk, &error);
    oct_collection       *open = NULL;
    oct_collection_info  *info = NULL;
    oct_vector_config     vector;
    oct_collection_config config;
    float                *values = calloc(VERSIONED, 2 * sizeof *values);
    uint64_t             *ids = calloc(VERSIONED, sizeof *ids), *before = calloc(VERSIONED, sizeof *before);
    uint64_t             *after = calloc(VERSIONED, sizeof *after);
    folder_files          files = {0};
    size_t                data = FILES_MAX, sums = FILES_MAX;

    OCT_MUST(database != NULL && values != NULL && ids != NULL && before != NULL && after != NULL);
    test_plain_config(&config, &vector, 2, OCT_EUCLID);
    open = test_create(database, "c", &config);
    test_fill(&rng, values, 2 * VERSIONED);
    for (uint32_t i = 0; i < VERSIONED; i++)
        ids[i] = i;
    for (uint32_t i = 0; i < VERSIONED; i += 100)
        CHECK_OK(oct_upsert_rows(open, ids + i, values + 2 * i, 100, 2, 0, NULL, NULL, &error));
    read_versions(open, before);
    oct_collection_close(open);
    CHECK_OK(oct_close(database, &error));
    list_files(disk, WORLD_PATH, &files);
    for (size_t i = 0; i < files.count; i++) {
        if (strstr(files.paths[i], "/versions.") != NULL)
            *(strstr(files.paths[i], ".data") != NULL ? &data : &sums) = i;
    }
    OCT_MUST(data < FILES_MAX && sums < FILES_MAX);
    for (int damage = 0; damage < 3 && !test_has_failed(); damage++) {
        os *copy = os_fault_crash(disk, &rng);

        if (damage < 2)
            change_byte(copy, files.paths[data], 4096 + (damage == 0 ? 40 : 8 * (VERSION_BLOCK + 3)), 0x10);
        else
            change_byte(copy, files.paths[sums], files.sizes[sums] - 1, 0x10);
        for (int opening = 0; opening < 2; opening++) {
            database = world_open(copy, &error);
            OCT_MUST(database != NULL);
            CHECK_OK(oct_collection_open(database, slice_of("c"), &open, &error));
            OCT_MUST(open != NULL);
            CHECK_OK(oct_collection_describe(open, &info, &error));
            CHECK((info->mended == NULL) == (opening == 1));
            CHECK(opening == 1 || strstr(info->mended, "/versions") != NULL);
            oct_collection_info_free(info);
            info = NULL;
            read_versions(open, after);
            for (uint32_t i = 0; i < VERSIONED; i++) {
                const bool lost = damage == 2 || i / VERSION_BLOCK == (uint32_t)damage;

                CHECK_INT(after[i], lost ? before[VERSIONED - 1] : before[i]);
            }
            if (opening == 1)
                CHECK_OK(oct_collection_check(open, &error));
            oct_collection_close(open);
            CHECK_OK(oct_close(database, &error));
        }
        os_free(copy);
    }
    os_free(disk);
    free(values);
    free(ids);
    free(before);
    free(after);
}
