/* Small shards as one record (BATCH_RESTORE), and manifests' entries that are not what they should be. */
#include "shard/shard_test.h"

/* An empty shard like the stage's. */
static shard *
empty_shard(stage *self)
{
    const shard_options options = {STAGE_ID, self->disk, self->pool, self->log, STAGE_FOLDER, 0, false, NULL, NULL, NULL, NULL};
    shard              *made;

    OCT_MUST(shard_new(&options, self->vectors, self->vector_count, &made, NULL) == OCT_OK);
    return made;
}

static oct_slice
copy_slice(oct_slice from, size_t size)
{
    char *copy = malloc(size + (size == 0));

    OCT_MUST(copy != NULL);
    memcpy(copy, from.data, size);
    return (oct_slice){copy, size};
}

static void
free_slice(oct_slice slice)
{
    free((void *)(uintptr_t)slice.data);
}

static oct_slice
encode_now(stage *self)
{
    buffer    out = {0};
    oct_slice body;

    (void)pthread_mutex_lock(&self->shard->write_lock);
    CHECK_OK(shard_restore_encode(self->shard, &out, NULL));
    (void)pthread_mutex_unlock(&self->shard->write_lock);
    body = copy_slice((oct_slice){out.data, out.size}, out.size);
    buffer_clear(&out);
    return body;
}

/* Goal:   the state after the record is exactly the state before it: dead points, dead rows, numbers, versions and all.
 * Method: random small shards; encoded, applied to an empty one, checked against the model, encoded again: the same
 * bytes.
 *         Then both take the same writes and come to the same graphs. Seeds 421 to 432. */
TEST(restore_record_holds_the_whole_state)
{
    for (uint64_t seed = 421; seed < 433; seed++) {
        stage     self;
        shard    *first, *restored;
        uint64_t  checksum;
        oct_slice body, again;

        stage_open(&self, seed, (uint32_t)(seed % 3), 1);
        for (uint64_t i = test_below(&self.rng, 120); i > 0; i--)
            stage_write(&self);
        (void)stage_checksum(&self);
        body = encode_now(&self);
        CHECK_INT(batch_op_of(body), BATCH_RESTORE);
        first = self.shard;
        self.shard = empty_shard(&self);
        CHECK_OK(shard_replay(self.shard, self.records + 1, body, NULL));
        stage_check(&self, "restored");
        again = encode_now(&self);
        CHECK_MSG(slice_equal(body, again), "seed %llu", (unsigned long long)seed);
        /* A second time it changes nothing: the state is there already. */
        CHECK_OK(shard_replay(self.shard, self.records + 2, body, NULL));
        stage_check(&self, "restored twice");
        checksum = stage_checksum(&self);
        restored = self.shard;
        self.shard = first;
        CHECK(stage_checksum(&self) == checksum);
        self.shard = restored;
        shard_free(first);
        for (int i = 0; i < 30; i++)
            stage_write(&self);
        stage_check(&self, "gone on");
        free_slice(body);
        free_slice(again);
        stage_close(&self);
    }
}

/* Goal:   a cut or changed record is OCT_CORRUPT or another state that holds together; never a crash, nothing
 * outside of it
 *         is read.
 * Method: every truncation; 1,500 bodies with flipped bits; each applied to an empty shard, which is freed. */
TEST(damaged_restore_record_does_no_harm)
{
    stage     self;
    oct_slice body;
    oct_error error;
    uint64_t  accepted = 0, refused = 0;

    stage_open(&self, 441, 0, 1);
    for (int i = 0; i < 30; i++)
        stage_write(&self);
    body = encode_now(&self);
    for (size_t size = 0; size < body.size; size += 1 + size / 50) {
        shard          *target = empty_shard(&self);
        const oct_slice cut = copy_slice(body, size);

        (void)pthread_mutex_lock(&target->write_lock);
        CHECK_MSG(shard_restore_apply(target, cut, &error) == OCT_CORRUPT, "cut at %zu of %zu", size,
                  body.size);
        (void)pthread_mutex_unlock(&target->write_lock);
        shard_free(target);
        free_slice(cut);
    }
    for (uint64_t i = 0; i < test_scaled(1500); i++) {
        shard          *target = empty_shard(&self);
        const oct_slice changed = copy_slice(body, body.size);
        oct_status      status;

        for (uint64_t flips = 1 + test_below(&self.rng, 3); flips > 0; flips--)
            ((char *)(uintptr_t)changed
                 .data)[4 + test_below(&self.rng, test_below(&self.rng, 2) == 0 ? body.size - 4 : 60)] ^=
                (char)(1u << test_below(&self.rng, 8));
        (void)pthread_mutex_lock(&target->write_lock);
        status = shard_restore_apply(target, changed, &error);
        (void)pthread_mutex_unlock(&target->write_lock);
        CHECK(status == OCT_OK || status == OCT_CORRUPT || status == OCT_NOMEM || status == OCT_RANGE);
        accepted += status == OCT_OK;
        refused += status != OCT_OK;
        shard_free(target);
        free_slice(changed);
    }
    CHECK(accepted > 0 && refused > 0);
    free_slice(body);
    stage_close(&self);
}

/* Goal:   without memory a restore is OCT_NOMEM, not damage, and nothing leaks.
 * Method: each allocation fails in turn. */
TEST(restore_without_memory_is_not_damage)
{
    stage      self;
    oct_slice  body;
    oct_status status = OCT_NOMEM;

    stage_open(&self, 451, 0, 1);
    for (int i = 0; i < 60; i++)
        stage_write(&self);
    body = encode_now(&self);
    for (uint64_t n = 0; status != OCT_OK && !test_has_failed(); n++) {
        shard *target = empty_shard(&self);

        (void)pthread_mutex_lock(&target->write_lock);
        oct_alloc_fail_after(n, false);
        status = shard_restore_apply(target, body, NULL);
        oct_alloc_fail_after(UINT64_MAX, false);
        (void)pthread_mutex_unlock(&target->write_lock);
        CHECK(status == OCT_OK || status == OCT_NOMEM);
        shard_free(target);
    }
    status = OCT_NOMEM;
    for (uint64_t n = 0; status != OCT_OK && !test_has_failed(); n++) {
        buffer out = {0};

        (void)pthread_mutex_lock(&self.shard->write_lock);
        oct_alloc_fail_after(n, false);
        status = shard_restore_encode(self.shard, &out, NULL);
        oct_alloc_fail_after(UINT64_MAX, false);
        (void)pthread_mutex_unlock(&self.shard->write_lock);
        CHECK(status == OCT_OK || status == OCT_NOMEM);
        buffer_clear(&out);
    }
    free_slice(body);
    stage_close(&self);
}

/* Goal:   a manifest's entry that is cut, changed, or names what is not on the disk is an error, never a crash, and
 * a shard
 *         that is opened from it all the same is the right one.
 * Method: the entry of a shard with files: every truncation, and 1,500 entries with a byte changed. (The manifest has a
 *         checksum, so this is about what a wrong writer could do.) */
TEST(damaged_manifest_entry_does_no_harm)
{
    stage     self;
    oct_error error;
    uint64_t  refused = 0;

    stage_open(&self, 461, 1, 1);
    for (int i = 0; i < 40; i++)
        stage_write(&self);
    (void)stage_checksum(&self);
    CHECK(stage_save(&self, true, true));
    for (size_t size = 0; size < self.manifest.size; size += 1 + size / 100) {
        shard          *target = empty_shard(&self);
        const oct_slice cut = copy_slice((oct_slice){self.manifest.data, self.manifest.size}, size);

        CHECK_STATUS(shard_load(target, cut, &error), OCT_CORRUPT);
        shard_free(target);
        free_slice(cut);
    }
    for (uint64_t i = 0; i < test_scaled(1500); i++) {
        shard          *target = empty_shard(&self);
        const oct_slice changed =
            copy_slice((oct_slice){self.manifest.data, self.manifest.size}, self.manifest.size);
        char      *at = (char *)(uintptr_t)changed.data + test_below(&self.rng, changed.size);
        oct_status status;

        *at = (char)(*at >= '0' && *at <= '9' ? '0' + (int)test_below(&self.rng, 10)
                                              : *at ^ 1 << test_below(&self.rng, 7));
        status = shard_load(target, changed, &error);
        refused += status != OCT_OK;
        shard_free(target);
        free_slice(changed);
    }
    CHECK(refused > 100);
    stage_close(&self);
}
