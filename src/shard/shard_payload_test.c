/* Goal:   what replaced documents took comes back by itself, in memory and in files, while reads and writes go on; a crash at
 *         any sync, a damaged document or want of memory lose nothing. (Random histories: shard_test.c, with low thresholds.)
 * Method: many versions of few documents; the heap's size against the live bytes; reopening from files and from the log. */
#include "shard/shard_test.h"

#include <pthread.h>
#include <sched.h>

#include "base/epoch.h"

#define POINTS 200u

static oct_id
id_of(uint32_t i)
{
    return oct_id_number(i);
}

/* Documents of some 200 bytes that tell point and round; none at all for every tenth round's odd points. */
static void
make_document(uint32_t i, uint32_t round, char *out, size_t size)
{
    (void)snprintf(out, size, "{\"i\":%u,\"round\":%u,\"text\":\"%0180u\"}", i, round, i * 7919 + round);
}

static void
write_round(stage *self, uint32_t round, uint32_t first, uint32_t count)
{
    static char texts[POINTS][320];
    oct_id      ids[POINTS];
    oct_slice   payloads[POINTS];
    batch       write = {.op = BATCH_UPSERT, .count = count, .ids = ids, .payloads = payloads};
    uint64_t    sequence;

    for (uint32_t k = 0; k < count; k++) {
        make_document(first + k, round, texts[k], sizeof texts[k]);
        ids[k] = id_of(first + k);
        payloads[k] = slice_of(texts[k]);
    }
    CHECK_OK(shard_write(self->shard, &write, &sequence, NULL));
}

static void
check_round(const stage *self, uint32_t round, const char *when)
{
    char      want[320];
    oct_slice got;

    epoch_pin();
    for (uint32_t i = 0; i < POINTS; i++) {
        const oct_id   id = id_of(i);
        const uint32_t point = points_find_live(&self->shard->points, &id);

        CHECK_MSG(point != POINT_NONE, "%s: point %u is not there", when, i);
        make_document(i, round, want, sizeof want);
        CHECK_MSG(shard_document(self->shard, point, &got, NULL) == OCT_OK && slice_is(got, want), "%s: point %u has %.*s", when, i,
                  (int)size_min(got.size, 60), got.data);
    }
    epoch_unpin();
}

static uint64_t
heap_bytes(const stage *self)
{
    return (uint64_t)atomic_load(&shard_payload(self->shard)->heap.unit_count) * HEAP_UNIT_BYTES;
}

static uint64_t
column_rows(const stage *self, const char *name)
{
    for (size_t i = 0; i < self->shard->saved->column_count; i++)
        if (strcmp(self->shard->saved->columns[i].name, name) == 0)
            return self->shard->saved->columns[i].row_count;
    return 0;
}

static void
wait_still(stage *self)
{
    CHECK_OK(shard_wait_indexed(self->shard, 0, NULL));
}

TEST(room_of_replaced_documents_comes_back_without_a_call)
{
    stage        self;
    uint32_t     round = 0;
    shard_info   info;
    const size_t live = POINTS * 240;

    stage_open(&self, 401, 1, 2);
    self.shard->payload_waste_min = 2 * live;
    self.shard->always_files = true;
    for (; round < 3; round++)
        write_round(&self, round, 0, POINTS);
    wait_still(&self);
    CHECK(heap_bytes(&self) > 2 * live); /* not worth it yet */
    CHECK(stage_save(&self, false, true));
    CHECK(column_rows(&self, "payload") * HEAP_UNIT_BYTES > 2 * live);
    /* One after the other: what is written during a move is moved with the next, so that bounds would depend on the machine. */
    for (; round < 100; round++) {
        write_round(&self, round, 0, POINTS);
        wait_still(&self);
    }
    CHECK_MSG(heap_bytes(&self) < 5 * live, "%llu bytes for %zu", (unsigned long long)heap_bytes(&self), live);
    CHECK(self.shard->payload_swaps > 5);
    check_round(&self, round - 1, "moved");
    shard_describe(self.shard, &info);
    CHECK(info.payload_bytes < 5 * live);

    /* Not saved: the old files and the log have it all. */
    stage_reopen(&self, false);
    check_round(&self, round - 1, "the old files and the log");
    self.shard->payload_waste_min = 2 * live;
    self.shard->always_files = true;
    shard_kick(self.shard); /* what the log brought again is waste again */
    for (int i = 0; i < 30; i++, round++) {
        wait_still(&self);
        write_round(&self, round, 0, POINTS);
    }
    wait_still(&self);
    CHECK(heap_bytes(&self) < 5 * live);
    CHECK(shard_is_dirty(self.shard, false));
    CHECK(stage_save(&self, false, false)); /* this one does not become durable */
    check_round(&self, round - 1, "saved in vain");
    CHECK(stage_save(&self, false, true));
    CHECK(!shard_is_dirty(self.shard, false));
    CHECK_MSG(column_rows(&self, "payload") * HEAP_UNIT_BYTES < 5 * live, "%llu units in the file",
              (unsigned long long)column_rows(&self, "payload"));
    stage_reopen(&self, false);
    check_round(&self, round - 1, "the new files");
    CHECK(heap_bytes(&self) < 5 * live);
    CHECK_OK(shard_check(self.shard, NULL));

    /* And what comes behind is appended to the new generation. */
    write_round(&self, round, 0, POINTS);
    CHECK(stage_save(&self, false, true));
    stage_reopen(&self, false);
    check_round(&self, round, "appended");
    CHECK_OK(shard_check(self.shard, NULL));
    stage_close(&self);
}

TEST(deleted_documents_give_all_back)
{
    stage      self;
    oct_id     ids[POINTS];
    batch      write = {.op = BATCH_DELETE, .count = POINTS, .ids = ids};
    batch      forced = {.op = BATCH_COMPACT};
    uint64_t   sequence;
    shard_info info;

    stage_open(&self, 402, 0, 1);
    self.shard->payload_waste_min = 20000;
    write_round(&self, 0, 0, POINTS);
    for (uint32_t i = 0; i < POINTS; i++)
        ids[i] = id_of(i);
    CHECK_OK(shard_write(self.shard, &write, &sequence, NULL));
    wait_still(&self);
    shard_describe(self.shard, &info);
    CHECK_INT(info.payload_bytes, 0);

    /* Less than is worth a job of its own goes when somebody asks. */
    write_round(&self, 1, 0, POINTS);
    write.count = 40;
    CHECK_OK(shard_write(self.shard, &write, &sequence, NULL));
    wait_still(&self);
    CHECK(heap_bytes(&self) > POINTS * 208);
    CHECK_OK(shard_write(self.shard, &forced, &sequence, NULL));
    wait_still(&self);
    CHECK_MSG(heap_bytes(&self) < (POINTS - 35) * 240, "%llu", (unsigned long long)heap_bytes(&self));
    stage_close(&self);
}

/* A damaged document must not be copied, as it would get a checksum that fits. */
TEST(damaged_documents_do_not_move)
{
    stage          self;
    oct_slice      document;
    uint32_t       round = 0;
    const oct_id   id = id_of(7);
    payload_store *before;

    stage_open(&self, 403, 1, 1);
    self.shard->payload_waste_min = 20000;
    write_round(&self, round++, 7, 1); /* this one stays */
    epoch_pin();
    CHECK_OK(shard_document(self.shard, points_find_live(&self.shard->points, &id), &document, NULL));
    ((char *)(uintptr_t)document.data)[20] ^= 1;
    epoch_unpin();
    before = shard_payload(self.shard);
    for (; round < 40; round++)
        write_round(&self, round, 10, POINTS - 10);
    wait_still(&self);
    CHECK(shard_payload(self.shard) == before && self.shard->payload_swaps == 0);
    CHECK(self.shard->payload_accepted > 0); /* it was tried */
    epoch_pin();
    CHECK_STATUS(shard_document(self.shard, points_find_live(&self.shard->points, &id), &document, NULL), OCT_CORRUPT);
    epoch_unpin();
    write_round(&self, round++, 7, 1); /* written anew, nothing is in the way any more */
    for (; round < 200; round++) {
        write_round(&self, round, 10, POINTS - 10);
        if (round % 40 == 0)
            wait_still(&self);
    }
    wait_still(&self);
    CHECK(self.shard->payload_swaps > 0);
    CHECK_OK(shard_check(self.shard, NULL));
    stage_close(&self);
}

TEST(want_of_memory_leaves_documents_where_they_are)
{
    uint64_t swaps = 0;
    stage    self;

    stage_open(&self, 404, 1, 1);
    self.shard->payload_waste_min = UINT64_MAX;
    for (uint32_t round = 0; round < 8; round++)
        write_round(&self, round, 0, POINTS);
    for (uint64_t fail = 0; fail < 60; fail++) {
        (void)pthread_mutex_lock(&self.shard->write_lock);
        self.shard->payload_accepted = 0;
        self.shard->payload_waste_min = 16;
        shard_payload_weigh(self.shard, true);
        (void)pthread_mutex_unlock(&self.shard->write_lock);
        oct_alloc_fail_after(fail, fail % 2 == 0);
        shard_kick(self.shard);
        wait_still(&self);
        oct_alloc_fail_after(UINT64_MAX, false);
        if (self.shard->payload_swaps > swaps) { /* it went through: make waste again */
            swaps = self.shard->payload_swaps;
            self.shard->payload_waste_min = UINT64_MAX;
            for (uint32_t round = 0; round < 8; round++)
                write_round(&self, round, 0, POINTS);
        }
        check_round(&self, 7, "without memory");
    }
    CHECK(swaps > 0);
    CHECK_OK(shard_check(self.shard, NULL));
    stage_close(&self);
}

/* Goal:   what is replaced while documents move is given back too, though no write comes after it: at rest no more than half of the
 *         heap is waste, however long the move took.
 * Method: documents of 2 kB are copied; before they are swapped in (the test holds the lock that the swap takes) all are replaced by
 *         small ones, so that the fresh heap is mostly waste. */
TEST(what_is_replaced_during_a_move_comes_back_at_rest)
{
    static char  text[2048];
    const size_t live = POINTS * 240, worth = live / 4;
    oct_id       ids[POINTS];
    oct_slice    payloads[POINTS];
    batch        large = {.op = BATCH_UPSERT, .count = POINTS, .ids = ids, .payloads = payloads};
    uint64_t     sequence, copies, swaps;
    stage        self;

    stage_open(&self, 411, 1, 1);
    self.shard->payload_waste_min = worth;
    (void)snprintf(text, sizeof text, "{\"text\":\"%02000u\"}", 1);
    for (uint32_t i = 0; i < POINTS; i++) {
        ids[i] = id_of(i);
        payloads[i] = slice_of(text);
    }
    CHECK_OK(shard_write(self.shard, &large, &sequence, NULL));
    wait_still(&self);
    copies = atomic_load(&self.shard->payload_copies);
    swaps = self.shard->payload_swaps;
    (void)pthread_mutex_lock(&self.shard->save_lock);
    for (int i = 0; i < 3; i++) /* waste enough for a move */
        CHECK_OK(shard_write(self.shard, &large, &sequence, NULL));
    while (atomic_load(&self.shard->payload_copies) == copies)
        (void)sched_yield();
    write_round(&self, 0, 0, POINTS);
    (void)pthread_mutex_unlock(&self.shard->save_lock);
    wait_still(&self);
    CHECK_MSG(self.shard->payload_swaps >= swaps + 2, "%llu moves", (unsigned long long)(self.shard->payload_swaps - swaps));
    CHECK_MSG(heap_bytes(&self) <= 2 * live + worth, "%llu bytes for %zu", (unsigned long long)heap_bytes(&self), live);
    check_round(&self, 0, "at rest");
    CHECK_OK(shard_check(self.shard, NULL));

    /* And nothing moves for ever: what cannot be given back is not tried again. */
    swaps = self.shard->payload_swaps;
    write_round(&self, 1, 0, 1);
    wait_still(&self);
    CHECK_INT(self.shard->payload_swaps, swaps);
    stage_close(&self);
}

typedef struct reading {
    stage      *stage;
    atomic_bool stopped;
    atomic_int  wrong;
} reading;

static void *
read_on(void *context)
{
    reading *self = context;

    while (!atomic_load(&self->stopped)) {
        for (uint32_t i = 0; i < POINTS; i++) {
            const oct_id id = id_of(i);
            oct_slice    document;
            char         head[32];

            epoch_pin();
            (void)snprintf(head, sizeof head, "{\"i\":%u,", i);
            if (shard_document(self->stage->shard, points_find_live(&self->stage->shard->points, &id), &document, NULL) != OCT_OK ||
                document.size < strlen(head) || memcmp(document.data, head, strlen(head)) != 0)
                (void)atomic_fetch_add(&self->wrong, 1);
            epoch_unpin();
        }
    }
    return NULL;
}

/* Goal:   readers find the document of their point at any moment of a move.
 * Method: one thread reads all of them again and again, two jobs move them, saves come between. */
TEST(documents_are_read_while_they_move)
{
    stage     self;
    reading   reader = {.stage = &self};
    pthread_t thread;
    uint32_t  round = 0;

    stage_open(&self, 405, 1, 2);
    self.shard->payload_waste_min = 60000;
    write_round(&self, round++, 0, POINTS);
    OCT_MUST(pthread_create(&thread, NULL, read_on, &reader) == 0);
    for (; round < test_scaled(300); round++) {
        write_round(&self, round, (round * 37) % 150, 50);
        if (round % 40 == 0) {
            wait_still(&self); /* so that there is a move for each 40 rounds, however slow the machine */
            (void)stage_save(&self, false, true);
        }
    }
    atomic_store(&reader.stopped, true);
    (void)pthread_join(thread, NULL);
    CHECK_INT(atomic_load(&reader.wrong), 0);
    wait_still(&self);
    CHECK(self.shard->payload_swaps > 3);
    CHECK_OK(shard_check(self.shard, NULL));
    stage_close(&self);
}
