/* Goal:   an index of sparse vectors agrees with the simplest model, an array of them, whatever happened to it: vectors
 *         replaced and taken away, compaction, saving and loading, scopes of any size.
 * Method: random histories; after each stretch every kind of search is compared with a scan of the model, bit for bit, and
 *         sparse_check must hold. Seeds are named at each test. */
#include "sparse/sparse_internal.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/epoch.h"
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
    sparse_columns(old, from);
    CHECK_OK(sparse_load_begin(&state, &fresh, NULL));
    sparse_columns(fresh, to);
    for (size_t c = 0; c < SPARSE_COLUMNS; c++) {
        CHECK(from[c].count == to[c].count);
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
