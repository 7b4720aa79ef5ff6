/* Numbers of deleted points that come back: bounds, a model by id, readers beside. */
#include "shard/points_internal.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/epoch.h"
#include "support/test.h"

/* Add it, or bring it back. */
static uint32_t
insert(point_set *self, const oct_id *id, uint64_t version)
{
    uint32_t point;

    points_reclaim(self);
    point = points_find(self, id);
    CHECK_OK(points_reserve(self, point == POINT_NONE, NULL));
    if (point == POINT_NONE)
        point = points_add(self, id);
    points_touch(self, point, version);
    points_set_live(self, point, true);
    return point;
}

/* Bytes of all that grows with numbers. */
static uint64_t
bytes_of(const point_set *self)
{
    const point_round *round = atomic_load(&self->round);
    const point_order *order = atomic_load(&self->order);

    return rows_bytes(&self->ids) + rows_bytes(&self->versions) + rows_bytes(&self->live) + rows_bytes(&self->recent) +
           rows_bytes(&self->idle) + rows_bytes(points_map_rows(self)) + (round == NULL ? 0 : rows_bytes(&round->added)) +
           (order == NULL ? 0 : order->count * sizeof order->numbers[0]) +
           ((uint64_t)self->free_count + self->waiting_count) * sizeof *self->free;
}

/* Goal:   a window that rolls takes no more numbers, and no more memory, after a hundred windows than after two.
 * Method: 900 points live, new ids in and old ones out, 90,000 in all, in the order of ids and in none, by one and by many;
 *         pages now and then, so that there are orders. Bound: points_reclaim.c, and the batch. */
TEST(a_rolling_window_takes_no_more_numbers)
{
    const uint32_t window = 900; /* whole batches */

    for (uint32_t kind = 0; kind < 4; kind++) {
        const uint32_t batch = kind % 2 == 0 ? 1 : 150;
        point_set      self;
        uint64_t       early = 0, most = 0;

        CHECK_OK(points_init(&self, NULL));
        for (uint32_t i = 0; i < 100 * window; i++) {
            const oct_id in = oct_id_number(kind < 2 ? i : mix64(i));
            const oct_id out = oct_id_number(kind < 2 ? i - window - 2 * batch : mix64(i - window - 2 * batch));

            if (i >= window + batch && i % batch == 0) {
                for (uint32_t k = 0; k < batch; k++) {
                    const oct_id gone = oct_id_number(kind < 2 ? i - window - batch + k : mix64(i - window - batch + k));

                    points_set_live(&self, points_find_live(&self, &gone), false);
                }
            }
            (void)insert(&self, &in, i + 1);
            if (i >= window + 2 * batch)
                CHECK(points_find_live(&self, &out) == POINT_NONE);
            if (i % 977 == 0) {
                uint32_t page[10];
                size_t   found;

                epoch_pin();
                CHECK_OK(points_page(&self, NULL, countof(page), page, &found, NULL));
                epoch_unpin();
            }
            if (i == 5 * window)
                early = bytes_of(&self);
            if (i > 5 * window)
                most = most > bytes_of(&self) ? most : bytes_of(&self);
        }
        CHECK_MSG(atomic_load(&self.count) <= (window + batch) * 5 / 4 + POINTS_RECLAIM_MIN + 2 * batch, "kind %u: %u numbers",
                  kind, atomic_load(&self.count));
        CHECK_MSG(most <= early * 2, "kind %u: %llu bytes, later %llu", kind, (unsigned long long)early,
                  (unsigned long long)most);
        points_clear(&self);
    }
    epoch_drain();
}

#define MODEL_IDS 3000u

typedef struct reclaim_model {
    bool     live[MODEL_IDS];
    uint64_t versions[MODEL_IDS];
} reclaim_model;

static oct_id
model_id(uint32_t index)
{
    return index % 3 == 0 ? (oct_id){mix64(index / 7), index, 1, 0} : (oct_id){0, (uint64_t)index * 5, 0, index % 2};
}

static void
check_model(point_set *self, const reclaim_model *right)
{
    oct_id   from;
    uint32_t page[37], live = 0, listed = 0;
    size_t   found = countof(page);

    for (uint32_t i = 0; i < MODEL_IDS; i++) {
        const oct_id   id = model_id(i);
        const uint32_t point = points_find(self, &id);

        live += right->live[i];
        CHECK_MSG((point != POINT_NONE && points_is_live(self, point)) == right->live[i], "id %u", i);
        if (point != POINT_NONE)
            CHECK(id_equal(points_id(self, point), &id) && !points_is_idle(self, point));
        if (right->live[i])
            CHECK(*points_version(self, point) == right->versions[i]);
    }
    CHECK_INT(atomic_load(&self->live_count), live);
    for (bool first = true; found == countof(page); first = false) {
        CHECK_OK(points_page(self, first ? NULL : &from, countof(page), page, &found, NULL));
        for (size_t i = 0; i < found; i++) {
            CHECK(points_is_live(self, page[i]));
            if (i > 0)
                CHECK(id_compare(points_id(self, page[i - 1]), points_id(self, page[i])) < 0);
        }
        listed += (uint32_t)found;
        if (found == countof(page)) { /* the last again, as the first */
            from = *points_id(self, page[found - 1]);
            listed--;
        }
    }
    CHECK_INT(listed, live);
}

/* Goal:   whatever comes, goes, comes back, while numbers are reclaimed and while they cannot be: what is found and listed is what
 *         lives; and a reader's point is the id that it was for as long as the reader stays.
 * Method: random histories against an array by id; a thread's own pin held over stretches of them; ids held back as by a
 *         checkpoint. Also through the columns: the set is loaded again from what would be saved, or without its map. Seeds 231
 *         to 236. */
TEST(reclaimed_points_agree_with_an_array)
{
    points_reclaim_after(3);
    for (uint64_t seed = 231; seed < 237; seed++) {
        test_rng       rng = test_rng_seed(seed);
        reclaim_model *right = calloc(1, sizeof *right);
        point_set      self;
        uint64_t       version = 0, reuses = 0;

        OCT_MUST(right != NULL);
        CHECK_OK(points_init(&self, NULL));
        for (int stretch = 0; stretch < 60; stretch++) {
            const bool     pinned = test_below(&rng, 3) == 0;
            const uint32_t base = (uint32_t)test_below(&rng, MODEL_IDS), wide = 1 + (uint32_t)test_below(&rng, 300);
            uint32_t       seen = POINT_NONE;
            oct_id         seen_id = {0};

            self.held = test_below(&rng, 5) == 0;
            if (pinned)
                epoch_pin();
            for (int step = 0; step < 150; step++) {
                const uint32_t index = (base + (uint32_t)test_below(&rng, wide)) % MODEL_IDS;
                const oct_id   id = model_id(index);

                if (test_below(&rng, 2) == 0) {
                    const uint32_t point = insert(&self, &id, ++version);

                    right->live[index] = true;
                    right->versions[index] = version;
                    if (seen == POINT_NONE && pinned) {
                        seen = point;
                        seen_id = id;
                    }
                } else if (right->live[index]) {
                    points_set_live(&self, points_find_live(&self, &id), false);
                    right->live[index] = false;
                }
                if (seen != POINT_NONE)
                    CHECK(id_equal(points_id(&self, seen), &seen_id));
            }
            if (pinned)
                epoch_unpin();
            if (stretch % 6 == 0)
                check_model(&self, right);
            reuses += self.reuses;
            if (stretch % 7 == 0) { /* as if saved and opened: idle points are dead ones; sometimes the map was damaged */
                if (stretch % 14 == 0)
                    CHECK_OK(points_make_map(&self, atomic_load(&self.count), true, NULL));
                CHECK_OK(points_loaded(&self, atomic_load(&self.count), atomic_load(&self.live_count),
                                       atomic_load(&self.ascending), NULL));
                points_reclaim_clear(&self);
                rows_init(&self.idle, sizeof(uint64_t), 1);
                CHECK_OK(rows_reserve(&self.idle, atomic_load(&self.count) / 64 + 1, NULL));
                oct_free(atomic_exchange(&self.order, NULL));
                check_model(&self, right);
            }
        }
        check_model(&self, right);
        CHECK(reuses > 100);
        points_clear(&self);
        free(right);
    }
    points_reclaim_after(0);
    epoch_drain();
}

/* Goal:   want of memory puts a round off, and does no more.
 * Method: a window rolls; each time the first, second, ... allocation fails, or none. */
TEST(want_of_memory_puts_reclaiming_off)
{
    point_set self;
    uint64_t  failures = 0;

    points_reclaim_after(3);
    CHECK_OK(points_init(&self, NULL));
    for (uint32_t i = 0; i < 600; i++) {
        const oct_id   id = oct_id_number(mix64(i)), gone = oct_id_number(mix64(i - 20));
        const uint64_t waiting = (uint64_t)self.waiting_count + self.idle_count;
        oct_status     status;

        oct_alloc_fail_after(i % 8, false);
        points_reclaim(&self);
        status = points_reserve(&self, 1, NULL);
        oct_alloc_fail_after(UINT64_MAX, false);
        failures += status != OCT_OK || (i % 8 < 3 && waiting == 0 && i > 40 && self.idle_count == 0);
        if (status != OCT_OK)
            CHECK_OK(points_reserve(&self, 1, NULL));
        points_set_live(&self, points_add(&self, &id), true);
        if (i >= 20)
            points_set_live(&self, points_find_live(&self, &gone), false);
        for (uint32_t k = i < 19 ? 0 : i - 19; k <= i; k++) {
            const oct_id there = oct_id_number(mix64(k));

            CHECK(points_find_live(&self, &there) != POINT_NONE);
        }
    }
    CHECK(failures > 5);
    CHECK(self.reuses > 100);
    CHECK(atomic_load(&self.count) < 100);
    points_clear(&self);
    points_reclaim_after(0);
    epoch_drain();
}

/* --- readers beside the writer ------------------------------------------------------------------------- */

typedef struct rolling {
    point_set        points;
    _Atomic uint64_t first, last; /* ids [first, last) are live; both only grow */
    atomic_bool      end;
    _Atomic uint64_t wrong, looked;
} rolling;

#define ROLLING_WINDOW 500u
#define ROLLING_IDS    30000u
#define ROLLING_REUSES 5000u

static oct_id
rolling_id(uint64_t i)
{
    return oct_id_number(i % 2 == 0 ? i : (1u << 30) - i);
}

static void *
watch_window(void *context)
{
    rolling *self = context;
    test_rng rng = test_rng_seed((uintptr_t)&rng);
    uint32_t page[40];

    while (!atomic_load(&self->end)) {
        const uint64_t first = atomic_load(&self->first);
        const uint64_t i = first + test_below(&rng, ROLLING_WINDOW);
        const oct_id   id = rolling_id(i);
        bool           was_there, wrong = false;
        uint32_t       point;
        size_t         found = 0;

        epoch_pin();
        was_there = i < atomic_load(&self->last);
        point = points_find_live(&self->points, &id);
        /* It may have gone since; if it had not when we looked, it was there. */
        wrong = point == POINT_NONE && was_there && i >= atomic_load(&self->first);
        for (int k = 0; k < 20 && point != POINT_NONE; k++)
            wrong = wrong || !id_equal(points_id(&self->points, point), &id);
        if (i % 16 == 0) {
            wrong = wrong || points_page(&self->points, &id, countof(page), page, &found, NULL) != OCT_OK;
            for (size_t k = 1; k < found && !wrong; k++)
                wrong = id_compare(points_id(&self->points, page[k - 1]), points_id(&self->points, page[k])) >= 0;
            wrong = wrong || (was_there && i >= atomic_load(&self->first) &&
                              (found == 0 || !id_equal(points_id(&self->points, page[0]), &id)));
        }
        epoch_unpin();
        if (wrong)
            (void)atomic_fetch_add(&self->wrong, 1);
        (void)atomic_fetch_add(&self->looked, 1);
    }
    return NULL;
}

/* Goal:   while a window rolls and numbers are given again, readers find every id that is there, under a number that is
 *         its own for as long as they stay, and pages in order.
 * Method: one writer, three readers. */
TEST(points_are_read_while_numbers_come_back)
{
    rolling  *self = calloc(1, sizeof *self);
    pthread_t readers[3];
    uint64_t  i = 0;

    OCT_MUST(self != NULL);
    CHECK_OK(points_init(&self->points, NULL));
    for (size_t k = 0; k < countof(readers); k++)
        OCT_MUST(pthread_create(&readers[k], NULL, watch_window, self) == 0);
    while (i < ROLLING_IDS || atomic_load(&self->looked) < 200 || self->points.reuses < ROLLING_REUSES) {
        const oct_id in = rolling_id(i);

        (void)insert(&self->points, &in, i + 1);
        atomic_store(&self->last, ++i);
        if (i > ROLLING_WINDOW) {
            const oct_id out = rolling_id(i - ROLLING_WINDOW - 1);

            atomic_store(&self->first, i - ROLLING_WINDOW);
            points_set_live(&self->points, points_find_live(&self->points, &out), false);
        }
    }
    atomic_store(&self->end, true);
    for (size_t k = 0; k < countof(readers); k++)
        OCT_MUST(pthread_join(readers[k], NULL) == 0);
    CHECK_INT(self->wrong, 0);
    points_clear(&self->points);
    free(self);
    epoch_drain();
}
