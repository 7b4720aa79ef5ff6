/* Goal:   an index of sparse vectors agrees with the simplest model, an array of them, whatever happened to it: vectors
 *         replaced and taken away, compaction, saving and loading, scopes of any size.
 * Method: random histories; after each stretch every kind of search is compared with a scan of the model, bit for bit, and
 *         sparse_check must hold. Seeds are named at each test. */
#include "sparse/lists_internal.h"
#include "sparse/sparse_internal.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/epoch.h"
#include "support/os_fault.h"
#include "support/test.h"

#define POINTS    300u
#define TERMS     60u
#define COUNT_MAX 12u

typedef struct model_vector {
    bool     there;
    uint32_t count;
    uint32_t indices[COUNT_MAX];
    float    values[COUNT_MAX];
} model_vector;

static sparse_vector
view(const model_vector *from)
{
    return (sparse_vector){from->indices, from->values, from->count};
}

static void
make_vector(test_rng *rng, model_vector *out)
{
    uint32_t next = 0;

    out->there = true;
    out->count = 0;
    for (uint32_t wanted = (uint32_t)test_below(rng, COUNT_MAX + 1); out->count < wanted;) {
        next += 1 + (uint32_t)test_below(rng, 2 * TERMS / COUNT_MAX);
        out->indices[out->count] = next;
        out->values[out->count++] = (float)test_below(rng, 9) - 3; /* ties, zeroes and negative ones */
    }
}

static int
compare_points(const void *context, uint32_t a, uint32_t b)
{
    (void)context;
    return (a > b) - (a < b);
}

/* The score of a model's vector by a loop of its own; false: nothing in common. */
static bool
model_score(const model_vector *a, const model_vector *b, float *out)
{
    double sum = 0;
    bool   any = false;

    for (uint32_t i = 0; i < a->count; i++) {
        for (uint32_t j = 0; j < b->count; j++) {
            if (a->indices[i] == b->indices[j]) {
                sum += (double)a->values[i] * (double)b->values[j];
                any = true;
            }
        }
    }
    *out = (float)sum;
    return any;
}

static bool
allows(const sparse_scope *scope, uint32_t point)
{
    return scope->allowed == NULL ||
           (point < scope->allowed_points && (scope->allowed[point / 64] >> (point % 64) & 1) != 0);
}

static void
check_search(const sparse_index *index, const model_vector *model, const model_vector *query, const sparse_scope *scope,
             size_t limit, const char *when)
{
    sparse_query asked = {view(query), limit, *scope, compare_points, NULL};
    top_hit      hits[POINTS], want[POINTS];
    size_t       count = 0, want_count;
    top          best;

    top_init(&best, want, limit, compare_points, NULL);
    for (uint32_t point = 0; point < POINTS; point++) {
        float score;

        if (model[point].there && allows(scope, point) && model_score(query, &model[point], &score))
            top_offer(&best, 0.0f - score, point);
    }
    want_count = top_sort(&best);
    CHECK_OK(sparse_search(index, &asked, hits, &count, NULL));
    CHECK_MSG(count == want_count, "%s: %zu hits, want %zu", when, count, want_count);
    for (size_t i = 0; i < size_min(count, want_count); i++)
        CHECK_MSG(hits[i].point == want[i].point && memcmp(&hits[i].distance, &want[i].distance, sizeof(float)) == 0,
                  "%s: hit %zu is %u (%g), want %u (%g)", when, i, hits[i].point, (double)hits[i].distance, want[i].point,
                  (double)want[i].distance);
}

static void
check_weights(const sparse_index *index, const model_vector *model, const sparse_scope *scope)
{
    uint32_t indices[TERMS];
    float    values[TERMS];
    uint32_t n = 0;

    for (uint32_t t = 0; t < TERMS; t++) {
        indices[t] = t;
        values[t] = 2;
    }
    for (uint32_t point = 0; point < POINTS; point++)
        n += model[point].there && allows(scope, point);
    CHECK_OK(sparse_weigh(index, scope, indices, values, TERMS, NULL));
    for (uint32_t t = 0; t < TERMS; t++) {
        uint32_t df = 0;

        for (uint32_t point = 0; point < POINTS; point++) {
            for (uint32_t i = 0; model[point].there && allows(scope, point) && i < model[point].count; i++)
                df += model[point].indices[i] == t;
        }
        CHECK_NEAR(values[t], 2 * log(1 + ((double)n - df + 0.5) / (df + 0.5)), 1e-6, "term %u: n %u, df %u", t, n, df);
    }
}

static void
check_all(const sparse_index *index, const model_vector *model, test_rng *rng, const char *when)
{
    static uint64_t bits[POINTS / 64 + 1];
    oct_error       error = {0};
    const oct_status status = sparse_check(index, &error);

    CHECK_MSG(status == OCT_OK, "%s: %s", when, error.text);
    for (uint32_t point = 0; point < POINTS + 5; point++) {
        sparse_vector got;

        CHECK_OK(sparse_get(index, point, &got, NULL));
        if (point >= POINTS || !model[point].there) {
            CHECK(got.indices == NULL);
            continue;
        }
        CHECK_INT(got.count, model[point].count);
        CHECK(got.indices != NULL && memcmp(got.indices, model[point].indices, got.count * 4) == 0 &&
              memcmp(got.values, model[point].values, got.count * 4) == 0);
    }
    for (int i = 0; i < 12 && !test_has_failed(); i++) {
        static const uint32_t shares[] = {1, 8, 64}; /* of all points: few are read one by one, many by the lists */
        sparse_scope          scope = {0};
        model_vector          query;

        make_vector(rng, &query);
        memset(bits, 0, sizeof bits);
        if (i % 4 != 0) {
            scope.allowed = bits;
            scope.allowed_points = (uint32_t)test_below(rng, POINTS + 1);
            for (uint32_t point = 0; point < scope.allowed_points; point++) {
                const uint64_t set = test_below(rng, 64) < shares[i % 3];

                bits[point / 64] |= set << (point % 64);
                scope.allowed_count += (uint32_t)set;
            }
        }
        check_search(index, model, &query, &scope, 1 + test_below(rng, POINTS), when);
        if (i < 4)
            check_weights(index, model, &scope);
    }
}

static void
write_one(sparse_index *index, model_vector *model, test_rng *rng)
{
    const uint32_t point = (uint32_t)test_below(rng, POINTS);
    model_vector   made;

    if (test_below(rng, 4) == 0) {
        sparse_remove(index, point);
        model[point].there = false;
    } else {
        make_vector(rng, &made);
        CHECK_OK(sparse_reserve(index, &made.count, made.indices, 1, point + 1, NULL));
        (void)sparse_append(index, point, &(sparse_vector){made.indices, made.values, made.count});
        model[point] = made;
    }
    sparse_publish(index);
}

static sparse_index *
compacted(sparse_index *old, model_vector *model, test_rng *rng)
{
    const uint32_t row_count = sparse_row_count(old);
    sparse_index  *fresh;

    CHECK_OK(sparse_new(&fresh, NULL));
    CHECK_OK(sparse_copy_rows(fresh, old, row_count, NULL));
    for (int i = 0; i < 40; i++) /* what happens meanwhile */
        write_one(old, model, rng);
    CHECK_OK(sparse_catch_up(fresh, old, row_count, NULL));
    sparse_free(old);
    return fresh;
}

enum { LOST_HEADS = 2, LOST_SEATS = 4, LOST_LIVE = 8 }; /* bits of the columns' places */

/* By its columns, as a checkpoint would. `damage` a byte of some vector; `lost` columns are made again from the others: *made tells
 * whether they could be. */
static sparse_index *
reloaded_without(sparse_index *old, uint32_t damage, unsigned lost, bool *made)
{
    oct_status    status = OCT_OK;
    sparse_column from[SPARSE_COLUMNS], to[SPARSE_COLUMNS];
    sparse_state  state;
    sparse_index *fresh;

    sparse_get_state(old, &state);
    sparse_columns(old, &state, from);
    CHECK_OK(sparse_load_begin(&state, &fresh, NULL));
    sparse_columns(fresh, &state, to);
    for (size_t c = 0; c < SPARSE_COLUMNS; c++) {
        CHECK_OK(rows_reserve(to[c].data, to[c].count, NULL));
        for (uint32_t row = 0; row < to[c].count && (lost >> c & 1) == 0; row++)
            memcpy(rows_at(to[c].data, row), rows_at(from[c].data, row), to[c].data->stride);
    }
    if (damage != HEAP_NONE)
        ((char *)rows_at(&fresh->entries.units, damage))[HEAP_UNIT_BYTES] ^= 1;
    if ((lost & LOST_SEATS) != 0)
        status = sparse_make_seats(fresh, (lost & LOST_LIVE) == 0, NULL);
    if (status == OCT_OK && (lost & LOST_LIVE) != 0)
        status = sparse_make_live(fresh, NULL);
    if (status == OCT_OK && (lost & LOST_HEADS) != 0)
        status = sparse_make_heads(fresh, NULL);
    CHECK(status == OCT_OK || status == OCT_CORRUPT);
    *made = status == OCT_OK;
    if (!*made) {
        sparse_free(fresh);
        return old;
    }
    CHECK_OK(sparse_loaded(fresh, NULL));
    sparse_free(old);
    return fresh;
}

static sparse_index *
reloaded(sparse_index *old, uint32_t damage)
{
    bool made;

    return reloaded_without(old, damage, 0, &made);
}

/* Lists fall behind and catch up at random: after loading, and when writes say so, as a replay does. Seeds 1 .. 24. */
TEST(sparse_index_agrees_with_the_model)
{
    uint64_t behind = 0;

    for (uint64_t seed = 1; seed <= test_scaled(24) && !test_has_failed(); seed++) {
        test_rng      rng = test_rng_seed(seed);
        model_vector *model = calloc(POINTS, sizeof *model);
        sparse_index *index;
        char          when[64];

        CHECK_OK(sparse_new(&index, NULL));
        for (int round = 0; round < 12 && !test_has_failed(); round++) {
            const uint64_t kind = test_below(&rng, 5);

            (void)snprintf(when, sizeof when, "seed %llu, round %d, kind %d", (unsigned long long)seed, round, (int)kind);
            for (uint64_t i = test_below(&rng, 400); i > 0; i--)
                write_one(index, model, &rng);
            if (kind == 0)
                index = compacted(index, model, &rng);
            if (kind == 1)
                index = reloaded(index, HEAP_NONE);
            if (kind == 2)
                sparse_defer_lists(index);
            CHECK(kind < 1 || kind > 2 || sparse_is_behind(index));
            for (uint64_t i = test_below(&rng, 200); i > 0; i--)
                write_one(index, model, &rng);
            check_all(index, model, &rng, when);
            for (int i = 0; i < 3; i++) {
                CHECK_OK(sparse_list_rows(index, test_below(&rng, 600), NULL));
                check_all(index, model, &rng, when);
                behind += sparse_is_behind(index);
            }
            if (test_below(&rng, 2) == 0) {
                CHECK_OK(sparse_list_rows(index, UINT64_MAX, NULL));
                CHECK(!sparse_is_behind(index));
                check_all(index, model, &rng, when);
            }
        }
        sparse_free(index);
        free(model);
    }
    CHECK(behind > 20);
}

/* Goal:   seats, live bits and heads that are lost are made again from the other columns, or it is said that they cannot be.
 * Method: random histories, with vectors without entries and points whose vector was taken away, or without; each column, and two
 *         that may go together, is left out when the index is loaded. What was made must agree with the model. Seeds 41 .. 52. */
TEST(lost_columns_are_made_from_the_others)
{
    uint64_t made = 0, refused = 0;

    for (uint64_t seed = 41; seed < 53 && !test_has_failed(); seed++) {
        static const unsigned lost[] = {LOST_SEATS, LOST_LIVE, LOST_SEATS | LOST_LIVE, LOST_HEADS};
        test_rng              rng = test_rng_seed(seed);
        model_vector         *model = calloc(POINTS, sizeof *model);
        const bool            plain = seed % 2 == 1; /* no vector is empty, none is taken away */
        sparse_index         *index;

        CHECK_OK(sparse_new(&index, NULL));
        for (int i = 0; i < 500; i++) {
            const uint32_t point = (uint32_t)test_below(&rng, POINTS);

            if (!plain) {
                write_one(index, model, &rng);
                continue;
            }
            do
                make_vector(&rng, &model[point]);
            while (model[point].count == 0);
            CHECK_OK(sparse_reserve(index, &model[point].count, model[point].indices, 1, point + 1, NULL));
            (void)sparse_append(index, point, &(sparse_vector){model[point].indices, model[point].values, model[point].count});
            sparse_publish(index);
        }
        for (size_t i = 0; i < countof(lost) && !test_has_failed(); i++) {
            char when[64];
            bool could;

            (void)snprintf(when, sizeof when, "seed %llu, lost %u", (unsigned long long)seed, lost[i]);
            index = reloaded_without(index, HEAP_NONE, lost[i], &could);
            CHECK_MSG(could || !plain, "%s: could not be made", when);
            CHECK_MSG(could || i >= 2, "%s: one follows from the other", when);
            CHECK_OK(sparse_list_rows(index, UINT64_MAX, NULL));
            check_all(index, model, &rng, when);
            made += could;
            refused += !could;
        }
        sparse_free(index);
        free(model);
    }
    CHECK(made > 30 && refused > 5);
}

typedef struct listing {
    sparse_index *index;
    atomic_bool   done;
} listing;

static void *
list_slowly(void *context)
{
    listing *self = context;

    while (sparse_is_behind(self->index))
        CHECK_OK(sparse_list_rows(self->index, 40, NULL));
    atomic_store(&self->done, true);
    return NULL;
}

/* Goal:   searches and frequencies are the same before, while and after the lists are made.
 * Method: an index is reloaded; a thread lists its rows a few at a time while this one searches. Seed 31. */
TEST(searches_are_right_while_lists_are_made)
{
    test_rng      rng = test_rng_seed(31);
    model_vector *model = calloc(POINTS, sizeof *model);
    listing       work = {0};
    pthread_t     thread;

    CHECK_OK(sparse_new(&work.index, NULL));
    for (int i = 0; i < 3000; i++)
        write_one(work.index, model, &rng);
    work.index = reloaded(work.index, HEAP_NONE);
    OCT_MUST(pthread_create(&thread, NULL, list_slowly, &work) == 0);
    while (!atomic_load(&work.done) && !test_has_failed()) {
        const sparse_scope all = {0};
        model_vector       query;

        make_vector(&rng, &query);
        epoch_pin();
        check_search(work.index, model, &query, &all, 20, "while");
        check_weights(work.index, model, &all);
        epoch_unpin();
    }
    (void)pthread_join(thread, NULL);
    check_all(work.index, model, &rng, "after");
    sparse_free(work.index);
    free(model);
}

/* Goal:   rows far apart, lists of many blocks and windows without postings change nothing.
 * Method: 40,000 points of which each tenth thousand has its own term, and one term that all have; every limit. */
TEST(windows_and_long_lists_lose_nothing)
{
    enum { MANY = 40000 };
    static top_hit hits[MANY];
    sparse_index  *index;
    size_t         count;

    CHECK_OK(sparse_new(&index, NULL));
    for (uint32_t point = 0; point < MANY; point++) {
        const uint32_t      indices[2] = {7, 1000 + point / 10000};
        const float         values[2] = {(float)(point % 97), 1};
        const uint32_t      two = 2;
        const sparse_vector vector = {indices, values, two};

        CHECK_OK(sparse_reserve(index, &two, indices, 1, point + 1, NULL));
        CHECK(sparse_append(index, point, &vector));
        CHECK(!sparse_append(index, point, &vector)); /* the same again is no new row */
    }
    sparse_publish(index);
    CHECK_OK(sparse_check(index, NULL));
    for (uint32_t part = 0; part < 5; part++) {
        const uint32_t     term = 1000 + part;
        const float        one = 1;
        const sparse_query query = {{&term, &one, 1}, MANY, {0}, compare_points, NULL};

        CHECK_OK(sparse_search(index, &query, hits, &count, NULL));
        CHECK_INT(count, part < 4 ? 10000 : 0);
        for (uint32_t i = 0; i < count; i++)
            CHECK_MSG(hits[i].point == part * 10000 + i, "hit %u of part %u is %u", i, part, hits[i].point);
    }
    {
        const uint32_t     terms[2] = {7, 1003};
        const float        weights[2] = {1, 1000};
        const sparse_query query = {{terms, weights, 2}, 20000, {0}, compare_points, NULL};

        CHECK_OK(sparse_search(index, &query, hits, &count, NULL));
        CHECK_INT(count, 20000);
        CHECK_INT(hits[0].point, 30002 - 30002 % 97 + 96); /* the first of its kind from 30000 on */
        CHECK_NEAR(-hits[0].distance, 1096, 0, "score");
        CHECK_NEAR(-hits[10000].distance, 96, 0, "the best of the others");
    }
    sparse_free(index);
}

/* Goal:   a damaged vector is named by searches and by who reads it, hurts no other, and can be replaced or removed.
 * Method: one byte of one vector flipped while loading. */
TEST(damaged_sparse_vector_is_named_and_can_be_replaced)
{
    const uint32_t      indices[2] = {3, 9}, two = 2;
    const float         values[2] = {1, 2};
    const sparse_vector vector = {indices, values, 2};
    const sparse_query  query = {vector, 3, {0}, compare_points, NULL};
    sparse_index       *index;
    sparse_vector       got;
    top_hit             hits[3];
    size_t              count;
    oct_error           error;

    CHECK_OK(sparse_new(&index, NULL));
    for (uint32_t point = 0; point < 3; point++) {
        CHECK_OK(sparse_reserve(index, &two, indices, 1, point + 1, NULL));
        CHECK(sparse_append(index, point, &vector));
    }
    sparse_publish(index);
    index = reloaded(index, sparse_head_at(index, 1)->document);
    CHECK_STATUS(sparse_search(index, &query, hits, &count, &error), OCT_CORRUPT);
    CHECK(strstr(error.text, "row 1") != NULL);
    CHECK_STATUS(sparse_get(index, 1, &got, &error), OCT_CORRUPT);
    CHECK_STATUS(sparse_check(index, &error), OCT_CORRUPT);
    CHECK_OK(sparse_get(index, 2, &got, &error));
    CHECK_OK(sparse_reserve(index, &two, indices, 1, 3, NULL));
    CHECK(sparse_append(index, 1, &vector));
    sparse_publish(index);
    CHECK_OK(sparse_search(index, &query, hits, &count, &error));
    CHECK_INT(count, 3);
    sparse_free(index);
}

/* Goal:   without memory, writes say so and change nothing.
 * Method: each allocation of a reservation fails in turn; then it goes on. Seed 77. */
TEST(sparse_reserve_without_memory_changes_nothing)
{
    test_rng      rng = test_rng_seed(77);
    model_vector *model = calloc(POINTS, sizeof *model);
    sparse_index *index;

    CHECK_OK(sparse_new(&index, NULL));
    for (uint32_t point = 0; point < POINTS; point++) {
        oct_status status = OCT_NOMEM;

        make_vector(&rng, &model[point]);
        for (uint64_t n = 0; status != OCT_OK && n < 100; n++) {
            oct_alloc_fail_after(n, false);
            status = sparse_reserve(index, &model[point].count, model[point].indices, 1, point + 1, NULL);
            oct_alloc_fail_after(UINT64_MAX, false);
            CHECK(status == OCT_OK || status == OCT_NOMEM);
        }
        CHECK(sparse_append(index, point, &(sparse_vector){model[point].indices, model[point].values, model[point].count}));
        sparse_publish(index);
    }
    check_all(index, model, &rng, "at the end");
    sparse_free(index);
    free(model);
}

/* --- lists in files: lists.h -------------------------------------------------------------------------- */

#define FOLDER "/lists"

typedef struct written {
    os      *disk;
    uint32_t next_id;
    uint64_t runs, merged; /* written; and those that took the place of others */
    uint64_t bytes;        /* of postings written */
} written;

static size_t
run_count(const sparse_index *index)
{
    return atomic_load(&index->lists.parts)->run_count;
}

/* What a checkpoint does, step by step; `between` is what writers do while it writes. */
static oct_status
write_lists(sparse_index *index, written *to, model_vector *model, test_rng *rng, int between, oct_error *error)
{
    lists       *of = sparse_lists_of(index);
    const size_t before = run_count(index);
    sparse_run  *run = NULL;
    oct_status   status = OCT_OK;

    if (!sparse_wants_run(index, 1, true))
        return OCT_OK;
    status = lists_freeze(of, error);
    if (status == OCT_OK)
        status = lists_write_run(of, to->disk, FOLDER, 3, to->next_id++, &run, error);
    for (int i = 0; i < between; i++)
        write_one(index, model, rng);
    if (status == OCT_OK) {
        to->bytes += run->state.posting_count * sizeof(posting);
        status = lists_install(of, run, error);
        if (status != OCT_OK) {
            sparse_run_remove(to->disk, FOLDER, run);
            sparse_run_release(run);
        }
    }
    to->runs += status == OCT_OK;
    to->merged += status == OCT_OK && run_count(index) <= before;
    return status;
}

/* As reloaded, with the lists that are in files. */
static sparse_index *
reloaded_with_lists(sparse_index *old, const written *from)
{
    const lists_parts *parts = atomic_load(&old->lists.parts);
    const size_t       count = parts->run_count;
    sparse_run        *runs[64];
    sparse_index      *fresh;

    OCT_MUST(count < countof(runs));
    for (size_t r = 0; r < count; r++) {
        const sparse_run *run = parts->runs[r];

        CHECK_OK(sparse_run_open(from->disk, FOLDER, &run->state, &run->postings_column, &run->terms_column, &runs[r], NULL));
        CHECK_OK(rows_reserve(&runs[r]->counts, run->state.term_count, NULL));
        for (uint32_t i = 0; i < run->state.term_count; i++)
            memcpy(rows_at(&runs[r]->counts, i), rows_at(&run->counts, i), sizeof(uint32_t));
    }
    fresh = reloaded(old, HEAP_NONE);
    CHECK_OK(sparse_set_runs(fresh, runs, count, NULL));
    return fresh;
}

/* Goal:   an index whose lists lie in files agrees with the model, while they are written, merged, read back, behind, or replaced by
 *         a compaction; and there are never many of them.
 * Method: the histories of sparse_index_agrees_with_the_model, with lists written at random moments and writes in between.
 *         Seeds 61 to 76. */
TEST(lists_in_files_agree_with_the_model)
{
    uint64_t runs = 0, merged = 0, reopened = 0, many = 0;

    for (uint64_t seed = 61; seed < 61 + test_scaled(16) && !test_has_failed(); seed++) {
        test_rng      rng = test_rng_seed(seed);
        model_vector *model = calloc(POINTS, sizeof *model);
        written       files = {.disk = os_fault_new(), .next_id = 1};
        sparse_index *index;
        char          when[64];

        CHECK_OK(os_make_dir(files.disk, FOLDER, NULL));
        CHECK_OK(sparse_new(&index, NULL));
        for (int round = 0; round < 14 && !test_has_failed(); round++) {
            const uint64_t kind = test_below(&rng, 8);

            (void)snprintf(when, sizeof when, "seed %llu, round %d, kind %d", (unsigned long long)seed, round, (int)kind);
            for (uint64_t i = test_below(&rng, test_below(&rng, 2) == 0 ? 20 : 300); i > 0; i--)
                write_one(index, model, &rng);
            if (kind == 0)
                index = compacted(index, model, &rng);
            if (kind == 1 || kind == 2) {
                reopened += run_count(index) > 0;
                index = reloaded_with_lists(index, &files);
            }
            if (kind == 3)
                sparse_defer_lists(index);
            if (kind >= 4)
                CHECK_OK(write_lists(index, &files, model, &rng, (int)test_below(&rng, 50), NULL));
            many = run_count(index) > many ? run_count(index) : many;
            check_all(index, model, &rng, when);
            CHECK_OK(sparse_list_rows(index, test_below(&rng, 2000), NULL));
            check_all(index, model, &rng, when);
        }
        runs += files.runs;
        merged += files.merged;
        epoch_drain();
        sparse_free(index);
        os_free(files.disk);
        free(model);
    }
    printf("  %llu runs, %llu in the place of others, %llu openings, at most %llu at a time\n", (unsigned long long)runs,
           (unsigned long long)merged, (unsigned long long)reopened, (unsigned long long)many);
    CHECK(runs > 60 && merged > 20 && reopened > 10 && many > 1 && many < 12);
}

/* Goal:   what writing lists again and again costs is bounded: every posting is written a number of times that grows with the
 *         logarithm of how many there are, and so does the number of runs.
 * Method: 256 stretches of 8 vectors of 6 entries, lists written after each. With L doublings from the first run to all of them, no
 *         posting comes into more than log(2^L) / log(1.5) < 1.71 L + 1 runs, as each run is half as long again. Seed 78. */
TEST(lists_are_written_a_bounded_number_of_times)
{
    written       files = {.disk = os_fault_new(), .next_id = 1};
    sparse_index *index;
    size_t        most = 0;
    uint32_t      point = 0;
    const double  doublings = 8; /* 256 stretches */

    CHECK_OK(os_make_dir(files.disk, FOLDER, NULL));
    CHECK_OK(sparse_new(&index, NULL));
    for (int stretch = 0; stretch < 256; stretch++) {
        for (int i = 0; i < 8; i++, point++) {
            const uint32_t indices[6] = {1, 2 + point % 7, 10 + point % 31, 50 + point % 97, 200 + point % 301, 600 + point};
            const float    values[6] = {1, 2, 3, 4, 5, 6};
            const uint32_t count = 6;

            CHECK_OK(sparse_reserve(index, &count, indices, 1, point + 1, NULL));
            (void)sparse_append(index, point, &(sparse_vector){indices, values, count});
        }
        sparse_publish(index);
        CHECK_OK(write_lists(index, &files, NULL, NULL, 0, NULL));
        most = size_max(most, run_count(index));
    }
    printf("  %llu bytes written for %u, at most %zu runs\n", (unsigned long long)files.bytes, point * 6 * 8, most);
    CHECK((double)files.bytes < (1.71 * doublings + 1) * point * 6 * 8);
    CHECK(most <= (size_t)doublings + 1);
    CHECK_OK(sparse_check(index, NULL));
    epoch_drain();
    sparse_free(index);
    os_free(files.disk);
}

static void
flip(os *disk, const char *name, uint64_t at)
{
    char          path[OS_PATH_MAX];
    os_file      *file = NULL;
    unsigned char byte;

    (void)snprintf(path, sizeof path, FOLDER "/%s", name);
    OCT_MUST(os_open(disk, path, OS_WRITE, &file, NULL) == OCT_OK && os_read_all(file, at, &byte, 1, NULL) == OCT_OK);
    byte ^= 16;
    OCT_MUST(os_write(file, at, &byte, 1, NULL) == OCT_OK);
    os_close(file);
}

/* Goal:   damaged lists harm no answer: the search that meets them reads the vectors instead, they are cut away and listed anew, and
 *         what is in files afterwards is sound. Terms that are damaged are told when the run is opened.
 * Method: two runs, every 7th byte of the postings of either changed in turn; searches and frequencies against the model before the
 *         cut, after it and when all is listed. Seed 79. */
TEST(damaged_lists_are_made_again)
{
    uint64_t noticed = 0, tried = 0;

    for (uint32_t damaged = 1; damaged < 3; damaged++) {
        for (uint64_t at = 4096;; at += 7 * 8 + 1) {
            test_rng      rng = test_rng_seed(79);
            model_vector *model = calloc(POINTS, sizeof *model);
            written       files = {.disk = os_fault_new(), .next_id = 1};
            sparse_index *index;
            sparse_run   *run;
            char          name[COLUMN_NAME_MAX + 8], column[COLUMN_NAME_MAX];
            uint64_t      end;
            bool          done;

            CHECK_OK(os_make_dir(files.disk, FOLDER, NULL));
            CHECK_OK(sparse_new(&index, NULL));
            for (int i = 0; i < 220; i++)
                write_one(index, model, &rng);
            CHECK_OK(write_lists(index, &files, model, &rng, 0, NULL));
            for (int i = 0; i < 40; i++)
                write_one(index, model, &rng);
            CHECK_OK(write_lists(index, &files, model, &rng, 10, NULL));
            CHECK_INT(run_count(index), 2);
            end = 4096 + 8ull * atomic_load(&index->lists.parts)->runs[damaged - 1]->state.posting_count;
            done = at >= end || test_has_failed();
            if (!done) {
                index = reloaded_with_lists(index, &files);
                sparse_run_column(column, "lists", 3, damaged);
                (void)snprintf(name, sizeof name, "%s.1.data", column);
                flip(files.disk, name, at);
                check_search(index, model, &model[at % POINTS], &(sparse_scope){0}, 50, "damaged");
                check_weights(index, model, &(sparse_scope){0});
                noticed += atomic_load(&index->lists.broken) != SPARSE_NONE;
                run = atomic_load(&index->lists.parts)->runs[damaged - 1];
                CHECK_STATUS(sparse_run_verify(run, NULL), OCT_CORRUPT);
                lists_break(sparse_lists_of(index), run->state.first_row);
                CHECK(sparse_is_behind(index));
                for (int i = 0; i < 5; i++)
                    write_one(index, model, &rng);
                CHECK_OK(sparse_cut_lists(index, NULL));
                CHECK_INT(run_count(index), damaged - 1);
                check_all(index, model, &rng, "cut");
                CHECK_OK(sparse_list_rows(index, UINT64_MAX, NULL));
                CHECK(!sparse_is_behind(index));
                check_all(index, model, &rng, "listed");
                CHECK_OK(write_lists(index, &files, model, &rng, 0, NULL));
                index = reloaded_with_lists(index, &files);
                CHECK_OK(sparse_list_rows(index, UINT64_MAX, NULL));
                check_all(index, model, &rng, "reopened");
                tried++;
            }
            epoch_drain();
            sparse_free(index);
            os_free(files.disk);
            free(model);
            if (done)
                break;
        }
    }
    printf("  %llu bytes changed, %llu noticed by the first search\n", (unsigned long long)tried, (unsigned long long)noticed);
    CHECK(tried > 20 && noticed > 5);
}

/* Goal:   whatever fails while lists are written - memory, any call of the system -, the index is as it was, answers are right, no
 *         file is left, and the next time it works.
 * Method: each allocation and each call fails in turn, alone. Seed 80. */
TEST(lists_that_cannot_be_written_stay_in_memory)
{
    test_rng      rng = test_rng_seed(80);
    model_vector *model = calloc(POINTS, sizeof *model);
    written       files = {.disk = os_fault_new(), .next_id = 1};
    sparse_index *index;
    uint64_t      failures = 0;

    CHECK_OK(os_make_dir(files.disk, FOLDER, NULL));
    CHECK_OK(sparse_new(&index, NULL));
    for (int i = 0; i < 300; i++)
        write_one(index, model, &rng);
    CHECK_OK(write_lists(index, &files, model, &rng, 0, NULL));
    for (int kind = 0; kind < 2; kind++) {
        oct_status status = OCT_NOMEM;

        for (int i = 0; i < 60; i++)
            write_one(index, model, &rng);
        for (uint64_t n = 0; status != OCT_OK && n < 500 && !test_has_failed(); n++) {
            char **names;
            size_t count;

            if (kind == 0)
                oct_alloc_fail_after(n, false);
            else
                os_fault_fail_at(files.disk, n + 1, OCT_IO, false);
            status = write_lists(index, &files, model, &rng, 0, NULL);
            oct_alloc_fail_after(UINT64_MAX, false);
            os_fault_fail_at(files.disk, 0, OCT_OK, false);
            CHECK_MSG(status == OCT_OK || status == (kind == 0 ? OCT_NOMEM : OCT_IO), "%d: %d", kind, (int)status);
            if (status == OCT_OK)
                break;
            failures++;
            check_all(index, model, &rng, "after a failure");
            CHECK_OK(os_list(files.disk, FOLDER, &names, &count, NULL));
            CHECK_MSG(kind != 0 || count == 4 * run_count(index), "%zu files of %zu runs", count, run_count(index));
            oct_free(names);
        }
        CHECK_OK(status);
        check_all(index, model, &rng, "in the end");
    }
    CHECK(failures > 20);
    epoch_drain();
    sparse_free(index);
    os_free(files.disk);
    free(model);
}
