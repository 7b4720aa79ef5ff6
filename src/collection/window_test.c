/* Goal:   a collection through which a window of points rolls - new ids in, old ones out - stays as large as it is, in memory and
 *         in files, and right: by id, by scroll, by search, by an index of payload; also when it is closed and opened, and when it
 *         dies and its log is replayed over files of indexes that know points by numbers (shard/points_reclaim.c).
 * Method: a disk in memory, thirty windows of ids; bytes are counted from the structures and from the disk, not from the process. */
#include "collection/fields.h"

#include <stdlib.h>

#include "base/epoch.h"
#include "shard/points_internal.h"
#include "support/os_fault.h"
#include "support/plain.h"
#include "support/test.h"

#define S(text_) ((oct_slice){(text_), sizeof(text_) - 1})
#define WINDOW   4000u /* points: enough for files */
#define BATCH    100u
#define DIM      16u
#define GROUPS   20u
#define FOLDER   "/data/db"

typedef struct window {
    os             *disk;
    oct_database   *database;
    oct_collection *collection;
    uint32_t        first, end; /* ids that live */
    bool            pinned;     /* this thread is */
} window;

/* Ids do not come in their own order. */
static uint64_t
id_of(uint32_t i)
{
    return mix64(i) >> 8;
}

static uint32_t
group_of(uint32_t i)
{
    return (uint32_t)(mix64(i + 7) % GROUPS);
}

static void
vector_of(uint32_t i, float out[DIM])
{
    test_rng rng = test_rng_seed(i + 1);

    test_fill(&rng, out, DIM);
}

static void
open_window(window *self)
{
    const oct_open_options options = {.path = FOLDER, .threads = 1};
    oct_error              error = {0};

    CHECK_MSG(database_open_on(self->disk, &options, &self->database, &error) == OCT_OK, "%s", error.text);
    OCT_MUST(self->database != NULL);
    if (oct_collection_open(self->database, S("c"), &self->collection, NULL) != OCT_OK)
        self->collection = NULL;
}

static void
close_window(window *self)
{
    oct_collection_close(self->collection);
    CHECK_OK(oct_close(self->database, NULL));
}

/* The process dies; all that was acknowledged is on the disk. */
static void
kill_window(window *self)
{
    test_rng rng = test_rng_seed(3);
    os      *after = os_fault_crash(self->disk, &rng);

    close_window(self);
    os_free(self->disk);
    self->disk = after;
    open_window(self);
}

/* Unless it compacts, nothing but the test makes checkpoints. */
static void
create_window(window *self, bool compacts)
{
    oct_collection_config config;
    oct_vector_config     vector;
    oct_field_index       index;

    *self = (window){.disk = os_fault_new()};
    OCT_MUST(os_make_dir(self->disk, "/data", NULL) == OCT_OK && os_sync_dir(self->disk, "/", NULL) == OCT_OK);
    open_window(self);
    test_plain_config(&config, &vector, DIM, OCT_EUCLID);
    if (!compacts)
        config.optimizer.vacuum_min_vector_number = 1000000;
    self->collection = test_create(self->database, "c", &config);
    oct_field_index_init(&index);
    index.field = S("group");
    index.type = OCT_FIELD_INTEGER;
    CHECK_OK(oct_field_index_create(self->collection, &index, NULL, NULL, NULL));
}

/* New ids in; and the oldest out, if the window is full. */
static void
roll(window *self, uint32_t count)
{
    for (uint32_t done = 0; done < count; done += BATCH) {
        uint64_t  ids[BATCH];
        float     vectors[BATCH][DIM];
        char      texts[BATCH][32];
        oct_slice payloads[BATCH];
        oct_id    old[BATCH];

        for (uint32_t i = 0; i < BATCH; i++) {
            ids[i] = id_of(self->end + i);
            vector_of(self->end + i, vectors[i]);
            payloads[i].data = texts[i];
            payloads[i].size = (size_t)snprintf(texts[i], sizeof texts[i], "{\"group\":%u}", group_of(self->end + i));
            old[i] = oct_id_number(id_of(self->first + i));
        }
        if (!self->pinned)
            epoch_drain(); /* jobs may be pinned for as long as they take; only one batch shall find them so */
        CHECK_OK(oct_upsert_rows(self->collection, ids, vectors[0], BATCH, DIM, 0, payloads, NULL, NULL));
        self->end += BATCH;
        if (self->end - self->first <= WINDOW)
            continue;
        CHECK_OK(oct_delete(self->collection, old, BATCH, NULL, NULL, NULL));
        self->first += BATCH;
    }
}

static void
check_window(const window *self, const char *when)
{
    oct_error    error = {0};
    oct_records *records = NULL;
    uint64_t     count = 0;
    oct_id       next = {0};
    uint32_t     listed = 0;
    bool         more = true;

    CHECK_MSG(oct_collection_check(self->collection, &error) == OCT_OK, "%s: %s", when, error.text);
    CHECK_OK(oct_count_where(self->collection, NULL, &count, NULL));
    CHECK_MSG(count == self->end - self->first, "%s: %llu points", when, (unsigned long long)count);
    for (uint32_t group = 0; group < GROUPS; group++) {
        const oct_range           range = {.bounds = OCT_GTE | OCT_LTE, .gte = group, .lte = group};
        const oct_field_condition asked = {.range = &range};
        const oct_condition       condition = {.key = S("group"), .field = &asked};
        const oct_filter          only = {.must = &condition, .must_count = 1};
        uint64_t                  expected = 0;

        for (uint32_t i = self->first; i < self->end; i++)
            expected += group_of(i) == group;
        CHECK_OK(oct_count_where(self->collection, &only, &count, NULL));
        CHECK_MSG(count == expected, "%s: %llu of group %u, expected %llu", when, (unsigned long long)count, group,
                  (unsigned long long)expected);
    }
    for (uint32_t i = self->first; i < self->end; i += 97) {
        float                    vector[DIM];
        const oct_search_request request = {.query = vector, .dim = DIM, .limit = 1, .exact = i % 2 == 0};
        const oct_id             id = oct_id_number(id_of(i));

        vector_of(i, vector);
        CHECK_OK(oct_search(self->collection, &request, &records, NULL));
        CHECK_MSG(records->count == 1 && records->items[0].id.low == id.low && records->items[0].score < 1e-3, "%s: search of %u",
                  when, i);
        oct_records_free(records);
        CHECK_OK(oct_retrieve(self->collection, &id, 1, NULL, &records, NULL));
        CHECK_MSG(records->count == 1, "%s: id %u", when, i);
        oct_records_free(records);
    }
    for (uint64_t last = 0; more; listed++) {
        CHECK_OK(oct_scroll(self->collection, listed == 0 ? NULL : &next, 1, NULL, &records, NULL));
        more = records->has_next && !test_has_failed();
        next = records->next;
        CHECK_MSG(records->count == 1 && (listed == 0 || records->items[0].id.low > last), "%s: scroll, place %u", when, listed);
        last = records->items[0].id.low;
        oct_records_free(records);
    }
    CHECK_INT(listed, self->end - self->first);
}

/* Bytes of all that is kept by the number of a point; of files. */
static uint64_t
memory_of(const window *self)
{
    oct_memory_info info;
    uint64_t        bytes = 0;

    oct_collection_memory(self->collection, &info);
    for (size_t i = 0; i < info.count; i++)
        bytes += info.parts[i].memory_bytes + info.parts[i].mapped_bytes;
    return bytes;
}

static uint32_t
numbers_of(const window *self)
{
    return atomic_load(&shard_points(self->collection->shard)->count);
}

/* Live points, a quarter more, and what comes while jobs are pinned and checkpoints write ids: how much depends on the machine. Of
 * numbers that did not come back there would be a hundred thousand. */
#define NUMBERS_MAX (2 * WINDOW)

TEST(a_rolling_window_stays_as_large_as_it_is)
{
    window   self;
    uint64_t memory = 0, files = 0;

    create_window(&self, true);
    for (uint32_t round = 0; round < 60 && !test_has_failed(); round++) {
        roll(&self, WINDOW / 2);
        CHECK_OK(oct_collection_wait_indexed(self.collection, 0, NULL));
        CHECK_OK(oct_checkpoint(self.database, NULL));
        epoch_drain();
        if (round % 10 == 9)
            check_window(&self, "rolling");
        if (round % 20 == 15) {
            close_window(&self);
            open_window(&self);
            check_window(&self, "opened");
        }
        CHECK_MSG(numbers_of(&self) <= NUMBERS_MAX, "round %u: %u numbers", round, numbers_of(&self));
        if (round < 10) {
            memory = memory > memory_of(&self) ? memory : memory_of(&self);
            files = files > os_fault_bytes(self.disk) ? files : os_fault_bytes(self.disk);
        } else {
            CHECK_MSG(memory_of(&self) <= memory * 2, "round %u: %llu bytes of memory, at first %llu", round,
                      (unsigned long long)memory_of(&self), (unsigned long long)memory);
            CHECK_MSG(os_fault_bytes(self.disk) <= files * 2, "round %u: %llu bytes of files, at first %llu", round,
                      (unsigned long long)os_fault_bytes(self.disk), (unsigned long long)files);
        }
    }
    check_window(&self, "at the end");
    close_window(&self);
    os_free(self.disk);
}

/* Files of the index are written at each checkpoint that finds a quarter changed, and at closing. */
TEST(a_rolling_window_survives_dying)
{
    window self;

    create_window(&self, true);
    roll(&self, WINDOW);
    for (uint32_t round = 0; round < 24 && !test_has_failed(); round++) {
        roll(&self, BATCH * (1 + 7 * (round % 5)));
        if (round % 4 == 1) {
            close_window(&self);
            open_window(&self);
        } else if (round % 4 > 1) {
            CHECK_OK(oct_checkpoint(self.database, NULL));
        }
        roll(&self, BATCH * (round % 3 == 0 ? 1 : 4 * (round % 7)));
        kill_window(&self);
        check_window(&self, "replayed");
        if (round % 6 == 5) { /* a second death, without a write between */
            kill_window(&self);
            check_window(&self, "replayed again");
        }
        CHECK_MSG(numbers_of(&self) <= NUMBERS_MAX, "round %u: %u numbers", round, numbers_of(&self));
    }
    close_window(&self);
    os_free(self.disk);
}

/* What the file of the index is of; 0: there is none that counts. */
static uint64_t
index_version(const window *self)
{
    const field_saved *saved;
    uint64_t           version;

    epoch_pin();
    saved = field_index_saved(collection_box(self->collection)->fields[0]);
    version = saved->is_there ? saved->version : 0;
    epoch_unpin();
    return version;
}

/* Is there a dead point with a number below the next one that is given again? */
static bool
has_lower_dead(const point_set *points)
{
    bool any = false;

    for (uint32_t point = 0; points->free_at < points->free_count && point < points->free[points->free_at]; point++)
        any = any || (!points_is_live(points, point) && !points_is_idle(points, point));
    return any;
}

/* Goal:   a file of an index that is newer than the checkpoint is not believed when the replay numbers points in another way.
 * Method: first numbers come back in the run that would write the file: it does not. Then they come back in the replay only,
 *         because a reader kept the run from it: the file is written, and gone after opening. */
TEST(a_rolling_window_outgrows_files_of_indexes)
{
    window           self;
    const point_set *points;
    uint64_t         before;

    create_window(&self, false);
    roll(&self, 2 * WINDOW);
    points = shard_points(self.collection->shard);
    /* So many numbers come back, and a replay, which takes the lowest of all that are dead, begins with others. */
    for (uint32_t i = 0; i < 300 && (points->free_count - points->free_at < 5 * BATCH || !has_lower_dead(points)); i++)
        roll(&self, BATCH);
    CHECK(has_lower_dead(points));
    CHECK_OK(oct_checkpoint(self.database, NULL));
    before = index_version(&self);
    roll(&self, 3 * BATCH);
    fields_save(self.collection, true);
    CHECK(index_version(&self) == before);
    kill_window(&self);
    check_window(&self, "numbers came back before");

    points = shard_points(self.collection->shard);
    while (points->free_count > points->free_at)
        roll(&self, BATCH);
    epoch_pin();
    self.pinned = true;
    while (points->waiting_count == 0)
        roll(&self, BATCH);
    CHECK_OK(oct_checkpoint(self.database, NULL));
    roll(&self, 3 * BATCH);
    fields_save(self.collection, true);
    CHECK(index_version(&self) == shard_version(self.collection->shard));
    self.pinned = false;
    epoch_unpin();
    kill_window(&self);
    CHECK(index_version(&self) == 0);
    check_window(&self, "numbers came back in the replay");
    close_window(&self);
    os_free(self.disk);
}
