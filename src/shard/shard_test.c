/* Shards: random histories against a model, saved, loaded, replayed. */
#include "shard/shard_test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/epoch.h"

/* Goal:   after every step of a random history the shard is what the model says, and its invariants hold; saving at any
 *         moment, opening again from what was saved and the log's tail, and opening from the log alone give the
 *         same; the
 *         graphs too, whatever was saved when and however compactions and batches fell.
 * Method: 30 histories of 150 writes of all kinds: in the log, in files, with late graphs; thresholds so low that
 *         compactions come by themselves; saves that become durable and that do not. The last word has a replay of the
 *         whole log. Seeds 301 to 330. */
TEST(random_histories_survive_saving_and_replaying)
{
    uint64_t saves = 0, compactions = 0, reopened = 0;

    for (uint64_t seed = 301; seed < 301 + test_scaled(30) && !test_has_failed(); seed++) {
        stage    self;
        uint64_t checksum;
        char     when[64];

        stage_open(&self, seed, (uint32_t)(seed % 3), 1 + (uint32_t)(seed % 2));
        for (uint32_t step = 0; step < 150 && !test_has_failed(); step++) {
            (void)snprintf(when, sizeof when, "seed %llu, step %u", (unsigned long long)seed, step);
            stage_write(&self);
            compactions += atomic_load(&self.shard->compacting) != NULL;
            if (step % 5 == 0)
                stage_check(&self, when);
            if (test_below(&self.rng, 12) == 0)
                saves += stage_save(&self, test_below(&self.rng, 3) == 0, test_below(&self.rng, 4) > 0);
            if (test_below(&self.rng, 25) == 0) {
                stage_reopen(&self, test_below(&self.rng, 4) == 0 && self.log_after == 0);
                stage_check(&self, when);
                reopened++;
            }
        }
        checksum = stage_checksum(&self);
        stage_check(&self, "at the end");
        stage_reopen(&self, false);
        stage_check(&self, "reopened at the end");
        CHECK_MSG(stage_checksum(&self) == checksum, "seed %llu: the reopened graph is another",
                  (unsigned long long)seed);
        stage_check(&self, "reopened and indexed");
        (void)stage_save(&self, true, true);
        stage_reopen(&self, false);
        stage_check(&self, "saved and reopened");
        CHECK_MSG(stage_checksum(&self) == checksum, "seed %llu: the saved graph is another",
                  (unsigned long long)seed);
        stage_reopen(&self, true);
        stage_check(&self, "from scratch");
        CHECK_MSG(stage_checksum(&self) == checksum, "seed %llu: the log's graph is another",
                  (unsigned long long)seed);
        stage_close(&self);
    }
    CHECK_MSG(saves > 60 && compactions > 10 && reopened > 60, "%llu saves, %llu compactions, %llu reopened",
              (unsigned long long)saves, (unsigned long long)compactions, (unsigned long long)reopened);
}

/* Goal:   a shard that was saved and not changed since has nothing to save; also one that lives in the log.
 * Method: write, save, ask; reopen, ask. */
TEST(saved_shard_is_clean)
{
    for (uint32_t kind = 0; kind < 3; kind++) {
        stage self;

        stage_open(&self, 341 + kind, kind, 1);
        CHECK(!shard_is_dirty(self.shard, true));
        for (int i = 0; i < 60; i++)
            stage_write(&self);
        (void)stage_checksum(&self);
        CHECK(shard_is_dirty(self.shard, true));
        CHECK(stage_save(&self, true, false));
        CHECK(shard_is_dirty(self.shard, true)); /* it did not become durable */
        CHECK(stage_save(&self, true, true));
        CHECK_MSG(!shard_is_dirty(self.shard, true), "kind %u", kind);
        CHECK(!stage_save(&self, true, true));
        stage_reopen(&self, false);
        CHECK_MSG(!shard_is_dirty(self.shard, true), "kind %u, reopened", kind);
        stage_check(&self, "clean");
        stage_write(&self);
        while (!shard_is_dirty(self.shard, true)) /* that one found nothing to do */
            stage_write(&self);
        stage_close(&self);
    }
}

/* Goal:   a shard that was never written asks nothing of the log, also after it was opened again.
 * Method: its entry goes through a manifest while the log moves on. */
TEST(empty_shard_does_not_hold_the_log)
{
    stage    self;
    uint64_t after = 99;

    stage_open(&self, 351, 1, 1);
    CHECK(!stage_save(&self, false, true));
    CHECK(self.manifest.size > 0);
    CHECK(!shard_needs_log(self.shard, NULL, shard_is_dirty(self.shard, true), &after));
    stage_reopen(&self, false);
    CHECK(!shard_needs_log(self.shard, NULL, shard_is_dirty(self.shard, true), &after));
    CHECK(!shard_is_dirty(self.shard, true));
    stage_write(&self);
    stage_check(&self, "first write");
    stage_close(&self);
}

/* Goal:   what the graph has gained since it was saved is saved when the shard closes, though nothing was written; in
 *         between it is not, until it is worth it.
 * Method: 2,000 rows are indexed and saved; 300 more come, indexed and saved by the way; then the shard closes: its
 *         image has the whole graph, and the reopened shard has it without building. */
TEST(closing_save_keeps_the_graph_that_grew_since)
{
    stage      self;
    shard_info before, after;

    stage_open(&self, 361, 1, 1);
    for (uint32_t at = 0; at < 2300;) {
        const uint32_t count = at < 2000 ? 500 : 300;
        oct_id         ids[500];
        float          values[500 * 5];
        batch_column   column = {.number = 0, .dim = 5, .present_count = count, .values = values};
        batch write = {.op = BATCH_UPSERT, .count = count, .ids = ids, .column_count = 1, .columns = &column};
        uint64_t sequence;

        test_fill(&self.rng, values, countof(values));
        for (uint32_t i = 0; i < count; i++)
            ids[i] = oct_id_number(at + i);
        CHECK_OK(shard_write(self.shard, &write, &sequence, NULL));
        at += count;
        (void)stage_checksum(&self);
        if (at >= 2000)
            CHECK(stage_save(&self, false, true));
    }
    CHECK(!shard_is_dirty(self.shard, false));
    CHECK(shard_is_dirty(self.shard, true));
    CHECK(stage_save(&self, true, true));
    CHECK(!shard_is_dirty(self.shard, true));
    shard_describe(self.shard, &before);
    shard_free(self.shard);
    {
        const shard_options options = {STAGE_ID, self.disk, self.pool, self.log, STAGE_FOLDER, 0, false, NULL, NULL, NULL, NULL};

        CHECK_OK(shard_new(&options, self.vectors, self.vector_count, &self.shard, NULL));
        CHECK_OK(shard_load(self.shard, (oct_slice){self.manifest.data, self.manifest.size}, NULL));
    }
    shard_describe(self.shard, &after);
    CHECK_INT(after.indexed_vectors, before.indexed_vectors);
    CHECK_INT(after.points, before.points);
    CHECK_OK(shard_check(self.shard, NULL));
    stage_close(&self);
}

/* Goal:   a shard that lived in the log moves into files when its graph begins, also if it was opened in between.
 * Method: several vectors; saved in the log, reopened, grown, saved, reopened. */
TEST(shard_moves_from_the_log_into_files)
{
    for (uint64_t seed = 365; seed < 371; seed++) {
        stage self;

        stage_open(&self, seed, 2, 1);
        for (int i = 0; i < 6; i++)
            stage_write(&self);
        CHECK(stage_save(&self, false, true));
        CHECK(shard_saved_in_log(self.shard));
        stage_reopen(&self, false);
        stage_check(&self, "in the log");
        CHECK(shard_saved_in_log(self.shard));
        for (int i = 0; i < 2000 && graph_graph_count(shard_graph(self.shard, 0)) == 0; i++) {
            stage_write(&self);
            (void)stage_checksum(&self);
        }
        CHECK(stage_save(&self, seed % 2 == 0, true));
        CHECK(!shard_saved_in_log(self.shard));
        stage_reopen(&self, false);
        stage_check(&self, "in files");
        stage_close(&self);
    }
}

/* Goal:   a compaction that swaps graphs after an image was made and before it is durable is not lost: the next save
 *         writes the new rows, not a mixture.
 * Method: the image is held back while a compaction runs; then it becomes durable, more is written, saved, reopened. */
TEST(compaction_between_save_and_manifest_is_kept)
{
    for (uint64_t seed = 371; seed < 376; seed++) {
        stage        self;
        shard_image *image = NULL;
        batch        compact = {.op = BATCH_COMPACT};
        uint64_t     sequence;

        stage_open(&self, seed, 1, 1);
        for (int i = 0; i < 60; i++)
            stage_write(&self);
        (void)stage_checksum(&self);
        CHECK(stage_save(&self, false, true));
        for (int i = 0; i < 20; i++)
            stage_write(&self);
        (void)stage_checksum(&self);
        if (!shard_is_dirty(self.shard, true))
            stage_write(&self);
        CHECK_OK(shard_save(self.shard, false, &image, NULL));
        CHECK(image != NULL);
        CHECK_OK(log_sync(self.log, NULL));
        /* Between the files and the manifest. */
        CHECK_OK(shard_write(self.shard, &compact, &sequence, NULL));
        self.operation++;
        self.records = sequence;
        (void)stage_checksum(&self);
        buffer_clear(&self.manifest);
        CHECK_OK(shard_image_write(self.shard, image, &self.manifest, NULL));
        self.log_after = image->sequence;
        shard_save_done(self.shard, image, true, false);
        stage_reopen(&self, false);
        stage_check(&self, "the image alone");
        (void)stage_checksum(&self);
        for (int i = 0; i < 10; i++)
            stage_write(&self);
        (void)stage_checksum(&self);
        (void)stage_save(&self, true, true);
        stage_reopen(&self, false);
        stage_check(&self, "after the next save");
        stage_close(&self);

        /* And without reopening in between. */
        stage_open(&self, seed, 1, 1);
        for (int i = 0; i < 60; i++)
            stage_write(&self);
        (void)stage_checksum(&self);
        CHECK_OK(shard_save(self.shard, false, &image, NULL));
        CHECK_OK(shard_write(self.shard, &compact, &sequence, NULL));
        self.operation++;
        self.records = sequence;
        (void)stage_checksum(&self);
        shard_save_done(self.shard, image, true, false);
        for (int i = 0; i < 30; i++)
            stage_write(&self);
        (void)stage_checksum(&self);
        CHECK(stage_save(&self, true, true));
        stage_reopen(&self, false);
        stage_check(&self, "the save after the swap");
        stage_close(&self);
    }
}

/* Other settings for all names, from now on. */
static void
configure(stage *self, uint32_t m, double deleted_threshold)
{
    shard_vectors *names = NULL;

    for (size_t v = 0; v < self->vector_count; v++) {
        self->vectors[v].params.m = m;
        self->vectors[v].deleted_threshold = deleted_threshold;
    }
    CHECK_OK(shard_plan_vectors(self->shard, self->vectors, self->vector_count, &names, NULL));
    shard_set_vectors(self->shard, names);
}

/* Goal:   a compaction that is replayed builds what it built when it was logged: with the settings of that moment, of the names
 *         of that moment, at that place; also one that began by itself.
 * Method: the whole log is replayed into a shard that knows only the last settings (as after a checkpoint that had to leave
 *         the shard out because a compaction was at work). Even seeds: compactions by themselves and one that was asked
 *         for, then another m, and a threshold that nothing passes. Odd seeds: a threshold that nothing passes, much is deleted,
 *         then one that is passed at once. Seeds 391 to 398. */
TEST(replayed_compactions_build_what_they_built)
{
    uint64_t by_themselves = 0;

    for (uint64_t seed = 391; seed < 399 && !test_has_failed(); seed++) {
        const bool early = seed % 2 == 0;
        stage      self;
        batch      compact = {.op = BATCH_COMPACT};
        uint64_t   sequence, checksum;

        stage_open(&self, seed, 1, 1 + (uint32_t)(seed % 2));
        configure(&self, 5, early ? 0.2 : 0.99);
        for (int i = 0; i < 150; i++)
            stage_write(&self);
        if (early) {
            CHECK_OK(shard_write(self.shard, &compact, &sequence, NULL));
            self.operation++;
            self.records = sequence;
        }
        configure(&self, early ? 9 : 5, early ? 0.99 : 0.1);
        for (int i = 0; i < 5; i++)
            stage_write(&self);
        checksum = stage_checksum(&self);
        by_themselves += log_last_sequence(self.log) - self.operation;
        stage_reopen(&self, true);
        stage_check(&self, "replayed");
        CHECK_MSG(stage_checksum(&self) == checksum, "seed %llu: the log's graph is another", (unsigned long long)seed);
        stage_close(&self);
    }
    CHECK_MSG(by_themselves >= 8, "%llu", (unsigned long long)by_themselves);
}

static void hold_up(void *context);

/* Goal:   settings whose rebuild never came into the log, because the process ended between the two records, are made true on opening
 *         and not by the next change; also while a compaction with the settings of before, from the log, is still at work.
 * Method: other settings, no compaction, and the shard is opened again from its files. Odd seeds: behind them the log has a compaction
 *         of before, and the only worker is held up until the shard serves. Seeds 371 to 376. */
TEST(settings_without_their_rebuild_are_made_true_on_opening)
{
    for (uint64_t seed = 371; seed < 377 && !test_has_failed(); seed++) {
        stage           self;
        pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
        batch           compact = {.op = BATCH_COMPACT};
        uint64_t        sequence;

        stage_open(&self, seed, 1, 1);
        configure(&self, 5, 0.99);
        for (int i = 0; i < 60; i++)
            stage_write(&self);
        (void)stage_checksum(&self);
        CHECK(stage_save(&self, true, true));
        sequence = log_last_sequence(self.log);
        if (seed % 2 == 1) {
            CHECK_OK(shard_write(self.shard, &compact, &sequence, NULL));
            self.operation++;
        }
        self.records = sequence;
        for (size_t v = 0; v < self.vector_count; v++)
            self.vectors[v].params.m = 9;
        (void)pthread_mutex_lock(&gate);
        CHECK(seed % 2 == 0 || workers_submit(self.pool, hold_up, &gate));
        stage_reopen(&self, false);
        CHECK(shard_needs_rebuild(self.shard));
        shard_serve(self.shard);
        (void)pthread_mutex_unlock(&gate);
        for (int i = 0; i < 3; i++)
            (void)stage_checksum(&self);
        CHECK_MSG(!shard_needs_rebuild(self.shard), "seed %llu", (unsigned long long)seed);
        for (size_t v = 0; v < self.vector_count; v++)
            CHECK_INT(graph_get_params(shard_graph(self.shard, self.vectors[v].number))->m, 9);
        CHECK(log_last_sequence(self.log) > self.records); /* so a replay builds the same */
        stage_close(&self);
    }
}

/* --- background work and the end ------------------------------------------------------------------------ */

typedef struct freeing {
    shard      *shard;
    atomic_bool done;
} freeing;

static void
free_in_job(void *context)
{
    freeing *self = context;

    shard_free(self->shard);
    atomic_store(&self->done, true);
}

static void
hold_up(void *context)
{
    pthread_mutex_t *gate = context;

    (void)pthread_mutex_lock(gate);
    (void)pthread_mutex_unlock(gate);
}

/* Goal:   a shard may be freed by a job of the very pool that has its own jobs queued (a checkpoint lets go of a
 * deleted
 *         collection): no job waits for one that is behind it.
 * Method: a pool of one thread, held up; index and compaction jobs are queued behind it, and the freeing before
 * them. */
TEST(shard_can_be_freed_by_the_only_worker)
{
    for (uint64_t seed = 381; seed < 384; seed++) {
        stage           self;
        pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
        freeing         job = {0};
        batch           compact = {.op = BATCH_COMPACT};
        uint64_t        sequence;

        stage_open(&self, seed, 1, 1);
        for (int i = 0; i < 20; i++)
            stage_write(&self);
        (void)stage_checksum(&self);
        (void)pthread_mutex_lock(&gate);
        CHECK(workers_submit(self.pool, hold_up, &gate));
        job.shard = self.shard;
        CHECK(workers_submit(self.pool, free_in_job, &job));
        for (int i = 0; i < 5; i++)
            stage_write(&self);
        if (seed % 2 == 0)
            CHECK_OK(shard_write(self.shard, &compact, &sequence, NULL));
        (void)pthread_mutex_unlock(&gate);
        for (int i = 0; i < 3000 && !atomic_load(&job.done); i++)
            (void)usleep(1000);
        CHECK_MSG(atomic_load(&job.done), "the worker waits for itself");
        if (!atomic_load(&job.done)) /* nothing can be cleaned up */
            return;
        self.shard = NULL;
        stage_close(&self);
    }
}

/* Goal:   a long log is replayed without waiting for the graph: the tail answers.
 * Method: the only worker is held up while a log of 3,000 rows is replayed: opening must come back. */
TEST(replay_does_not_wait_for_the_graph)
{
    stage           self;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    const uint32_t  dim = 5;
    shard_info      info;

    stage_open(&self, 391, 1, 1);
    for (uint32_t at = 0; at < 3000; at += 500) {
        oct_id       ids[500];
        float        values[500 * 5];
        batch_column column = {.number = 0, .dim = dim, .present_count = 500, .values = values};
        batch write = {.op = BATCH_UPSERT, .count = 500, .ids = ids, .column_count = 1, .columns = &column};
        uint64_t sequence;

        test_fill(&self.rng, values, countof(values));
        for (uint32_t i = 0; i < 500; i++)
            ids[i] = oct_id_number(at + i);
        CHECK_OK(shard_write(self.shard, &write, &sequence, NULL));
    }
    (void)stage_checksum(&self);
    (void)pthread_mutex_lock(&gate);
    CHECK(workers_submit(self.pool, hold_up, &gate));
    stage_reopen(&self, true); /* hangs, if it waits */
    shard_describe(self.shard, &info);
    CHECK_INT(info.points, 3000);
    (void)pthread_mutex_unlock(&gate);
    (void)stage_checksum(&self);
    stage_close(&self);
}

/* --- threads ------------------------------------------------------------------------------------------------ */

typedef struct busy {
    stage            stage;
    atomic_bool      end;
    _Atomic uint64_t wrong, looked;
} busy;

static void *
search_shard(void *context)
{
    busy    *self = context;
    test_rng rng = test_rng_seed((uintptr_t)&rng);

    while (!atomic_load(&self->end)) {
        const size_t v = test_below(&rng, self->stage.vector_count);
        float        vector[STAGE_DIM_MAX];
        graph_hit    hits[30];
        graph_query  query = {.vector = vector, .limit = 1 + test_below(&rng, 30), .ef = 30};
        const oct_id id = stage_id((uint32_t)test_below(&rng, STAGE_IDS));
        uint32_t     point, page[20];
        size_t       count;
        shard_info   info;

        test_fill(&rng, vector, STAGE_DIM_MAX);
        query.exact = test_below(&rng, 8) == 0;
        epoch_pin();
        if (shard_search(self->stage.shard, (uint32_t)v, &query, hits, &count, NULL, NULL) != OCT_OK)
            (void)atomic_fetch_add(&self->wrong, 1);
        for (size_t i = 1; i < count; i++) {
            for (size_t k = 0; k < i; k++) {
                if (hits[i].point == hits[k].point)
                    (void)atomic_fetch_add(&self->wrong, 1);
            }
        }
        point = points_find_live(&self->stage.shard->points, &id);
        if (point != POINT_NONE) {
            oct_slice document;

            if (shard_document(self->stage.shard, point, &document, NULL) != OCT_OK)
                (void)atomic_fetch_add(&self->wrong, 1);
            (void)graph_vector(shard_graph(self->stage.shard, (uint32_t)v), point);
            if (shard_verify_vector(self->stage.shard, (uint32_t)v, point, NULL) != OCT_OK)
                (void)atomic_fetch_add(&self->wrong, 1);
        }
        if (points_page(&self->stage.shard->points, &id, countof(page), page, &count, NULL) != OCT_OK)
            (void)atomic_fetch_add(&self->wrong, 1);
        epoch_unpin();
        shard_describe(self->stage.shard, &info);
        (void)atomic_fetch_add(&self->looked, 1);
    }
    return NULL;
}

/* Goal:   searches, look-ups and pages are right while writes, batches, compactions and saves go on; nothing races.
 * Method: one writer that also saves, two readers, a pool of two; started from loaded files, so that verification and
 *         the release of checks are in it. Run under TSan. */
TEST(reads_are_right_while_a_shard_changes)
{
    for (uint64_t seed = 401; seed < 403; seed++) {
        busy      self = {0};
        pthread_t readers[2];

        stage_open(&self.stage, seed, 1, 2);
        for (int i = 0; i < 60; i++)
            stage_write(&self.stage);
        (void)stage_checksum(&self.stage);
        (void)stage_save(&self.stage, true, true);
        stage_reopen(&self.stage, false);
        for (size_t i = 0; i < countof(readers); i++)
            OCT_MUST(pthread_create(&readers[i], NULL, search_shard, &self) == 0);
        for (uint64_t i = 0; i < test_scaled(250); i++) {
            stage_write(&self.stage);
            if (i % 20 == 0)
                (void)stage_save(&self.stage, i % 40 == 0, true);
        }
        while (atomic_load(&self.looked) < 50)
            (void)usleep(1000);
        atomic_store(&self.end, true);
        for (size_t i = 0; i < countof(readers); i++)
            OCT_MUST(pthread_join(readers[i], NULL) == 0);
        CHECK_INT(self.wrong, 0);
        stage_check(&self.stage, "after the crowd");
        stage_close(&self.stage);
    }
}

typedef struct turns {
    shard      *shard;
    atomic_bool had;
} turns;

static void *
take_a_turn(void *context)
{
    turns *self = context;

    shard_lock_build(self->shard);
    atomic_store(&self->had, true);
    shard_unlock_build(self->shard);
    return NULL;
}

/* Goal:   who waits for build_lock has it before the index job has it again: else no checkpoint ends while data comes in, and
 *         the worker that makes it is missing from the build (a load into files took 1.5 times as long).
 * Method: the lock is let go and taken again at once, as between two batches, when another is known to wait for it. */
TEST(who_waits_for_the_graphs_is_next)
{
    for (int round = 0; round < 50; round++) {
        stage     self;
        turns     other = {0};
        pthread_t thread;

        stage_open(&self, 331, 0, 1);
        other.shard = self.shard;
        shard_lock_build(self.shard);
        OCT_MUST(pthread_create(&thread, NULL, take_a_turn, &other) == 0);
        while (pthread_mutex_trylock(&self.shard->build_turn) == 0) {
            (void)pthread_mutex_unlock(&self.shard->build_turn);
            (void)sched_yield();
        }
        CHECK(!atomic_load(&other.had));
        shard_unlock_build(self.shard);
        shard_lock_build(self.shard);
        CHECK(atomic_load(&other.had));
        shard_unlock_build(self.shard);
        (void)pthread_join(thread, NULL);
        stage_close(&self);
    }
}
