/* Ids, who is alive, points by id: against arrays. */
#include "shard/points.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/epoch.h"
#include "support/test.h"

#define POINTS_MAX 6000u

static oct_id
random_id(test_rng *rng, uint64_t kinds)
{
    oct_id id = {0, 0, 0, 0};

    switch (test_below(rng, kinds)) {
    case 0:
        id.low = test_below(rng, 4000);
        break;
    case 1: /* many with one low or one high half: UUIDs of one maker are alike */
        id = (oct_id){test_below(rng, 50), test_below(rng, 50), 1, 0};
        break;
    default:
        id = (oct_id){test_u64(rng), test_u64(rng), 1, 0};
    }
    id.reserved = (uint32_t)(test_below(rng, 2) * test_below(rng, 3)); /* the shard key is part of who a point is */
    return id;
}

/* What there should be: ids by point. */
typedef struct roster {
    oct_id   ids[POINTS_MAX];
    bool     live[POINTS_MAX];
    uint32_t count;
} roster;

static uint32_t
roster_find(const roster *self, const oct_id *id)
{
    for (uint32_t i = 0; i < self->count; i++) {
        if (self->ids[i].high == id->high && self->ids[i].low == id->low &&
            self->ids[i].is_uuid == id->is_uuid && self->ids[i].reserved == id->reserved)
            return i;
    }
    return POINT_NONE;
}

static const roster *sorting;

static int
compare_numbers(const void *a, const void *b)
{
    const oct_id *x = &sorting->ids[*(const uint32_t *)a], *y = &sorting->ids[*(const uint32_t *)b];

    if (x->is_uuid != y->is_uuid)
        return x->is_uuid < y->is_uuid ? -1 : 1;
    if (x->high != y->high)
        return x->high < y->high ? -1 : 1;
    if (x->low != y->low)
        return x->low < y->low ? -1 : 1;
    return x->reserved < y->reserved ? -1 : x->reserved > y->reserved;
}

/* All pages from `from`, one after the other, against the sorted roster. */
static void
check_pages(point_set *self, const roster *right, test_rng *rng)
{
    const size_t limit = 1 + test_below(rng, 200);
    const bool   from_start = test_below(rng, 2) == 0;
    oct_id       from = random_id(rng, 3);
    uint32_t    *sorted = calloc(POINTS_MAX, sizeof *sorted), *page = calloc(limit, sizeof *page);
    uint32_t     count = 0, at = 0;
    size_t       found = limit;

    OCT_MUST(sorted != NULL && page != NULL);
    for (uint32_t i = 0; i < right->count; i++) {
        if (right->live[i] && (from_start || id_compare(&right->ids[i], &from) >= 0))
            sorted[count++] = i;
    }
    sorting = right;
    qsort(sorted, count, sizeof *sorted, compare_numbers);
    for (int pages = 0; pages < 4 && found == limit; pages++) {
        epoch_pin();
        CHECK_OK(points_page(self, from_start && pages == 0 ? NULL : &from, limit, page, &found, NULL));
        epoch_unpin();
        CHECK_INT(found, size_min(limit, count - at));
        for (size_t i = 0; i < found; i++, at++)
            CHECK_MSG(page[i] == sorted[at], "place %u holds point %u, expected %u", at, page[i], sorted[at]);
        if (at >= count)
            break;
        from = right->ids[sorted[at]];
    }
    free(sorted);
    free(page);
}

/* Goal:   ids are found, numbers are given in order and kept through death and return, pages are in id order, whatever
 *         the order of arrival.
 * Method: random adds, deaths and returns against an array; ids ascending, colliding, random; numbers and UUIDs. Seeds
 *         201 to 212. */
TEST(points_agree_with_an_array)
{
    for (uint64_t seed = 201; seed < 213; seed++) {
        test_rng  rng = test_rng_seed(seed);
        roster   *right = calloc(1, sizeof *right);
        point_set self;
        uint64_t  next = 0;
        uint32_t  live = 0;

        OCT_MUST(right != NULL);
        CHECK_OK(points_init(&self, NULL));
        for (int step = 0; step < 600 && right->count < POINTS_MAX - 40; step++) {
            for (uint64_t i = test_below(&rng, 16); i > 0; i--) {
                oct_id id =
                    seed % 3 == 0 ? oct_id_number(next += 1 + test_below(&rng, 3)) : random_id(&rng, 3);
                const uint32_t known = roster_find(right, &id);
                uint32_t       point = points_find(&self, &id);

                CHECK_INT(point, known);
                if (point == POINT_NONE) {
                    CHECK_OK(points_reserve(&self, 1, NULL));
                    point = points_add(&self, &id);
                    CHECK_INT(point, right->count);
                    CHECK(!points_is_live(&self, point));
                    CHECK_INT(points_id(&self, point)->reserved, id.reserved);
                    CHECK(*points_version(&self, point) == 0);
                    right->ids[right->count++] = id;
                }
                points_set_live(&self, point, true);
                points_set_live(&self, point, true);
                live += !right->live[point];
                right->live[point] = true;
            }
            for (uint64_t i = test_below(&rng, 6); i > 0 && right->count > 0; i--) {
                const uint32_t point = (uint32_t)test_below(&rng, right->count);

                points_set_live(&self, point, false);
                points_set_live(&self, point, false);
                live -= right->live[point];
                right->live[point] = false;
                CHECK_INT(points_find(&self, &right->ids[point]), point);
                CHECK_INT(points_find_live(&self, &right->ids[point]), POINT_NONE);
            }
            CHECK_INT(atomic_load(&self.count), right->count);
            CHECK_INT(atomic_load(&self.live_count), live);
            if (step % 40 == 0)
                check_pages(&self, right, &rng);
        }
        for (uint32_t i = 0; i < right->count; i++) {
            CHECK_INT(points_find(&self, &right->ids[i]), i);
            CHECK_INT(points_is_live(&self, i), right->live[i]);
        }
        check_pages(&self, right, &rng);
        points_clear(&self);
        free(right);
    }
    epoch_drain();
}

/* Goal:   numbers sort before UUIDs, then by value; ids equal only when all parts are.
 * Method: a sorted list, each against each. */
TEST(ids_are_ordered)
{
    static const oct_id sorted[] = {{0, 0, 0, 0}, {0, 1, 0, 0}, {0, UINT64_MAX, 0, 0},         {0, 0, 1, 0},
                                    {0, 5, 1, 0}, {1, 0, 1, 0}, {UINT64_MAX, UINT64_MAX, 1, 0}};

    for (size_t i = 0; i < countof(sorted); i++) {
        for (size_t j = 0; j < countof(sorted); j++) {
            const int order = id_compare(&sorted[i], &sorted[j]);

            CHECK_INT((order > 0) - (order < 0), (i > j) - (i < j));
            CHECK_INT(id_equal(&sorted[i], &sorted[j]), i == j);
        }
    }
}

/* Goal:   without memory: OCT_NOMEM, and all that was there is there, also for pages.
 * Method: each allocation fails in turn while points are added and listed. */
TEST(points_survive_failed_allocations)
{
    test_rng   rng = test_rng_seed(221);
    roster    *right = calloc(1, sizeof *right);
    point_set  self;
    oct_status status = OCT_NOMEM;
    uint64_t   failures = 0;

    OCT_MUST(right != NULL);
    for (uint64_t n = 0; status != OCT_OK; n++) {
        oct_alloc_fail_after(n, false);
        status = points_init(&self, NULL);
        oct_alloc_fail_after(UINT64_MAX, false);
        CHECK(status == OCT_OK || status == OCT_NOMEM);
        if (status != OCT_OK)
            points_clear(&self);
    }
    while (right->count < 500) {
        oct_id id = random_id(&rng, 3);

        if (roster_find(right, &id) != POINT_NONE)
            continue;
        status = OCT_NOMEM;
        for (uint64_t n = 0; status != OCT_OK; n++) {
            oct_alloc_fail_after(n, false);
            status = points_reserve(&self, 1, NULL);
            oct_alloc_fail_after(UINT64_MAX, false);
            CHECK(status == OCT_OK || status == OCT_NOMEM);
            failures += status != OCT_OK;
        }
        right->live[right->count] = true;
        right->ids[right->count] = id;
        points_set_live(&self, points_add(&self, &id), true);
        CHECK_INT(points_find(&self, &id), right->count++);
    }
    CHECK(failures > 10);
    for (int round = 0; round < 2; round++) {
        uint32_t page[10];
        size_t   found;

        status = OCT_NOMEM;
        for (uint64_t n = 0; status != OCT_OK; n++) {
            oct_alloc_fail_after(n, false);
            epoch_pin();
            status = points_page(&self, NULL, 10, page, &found, NULL);
            epoch_unpin();
            oct_alloc_fail_after(UINT64_MAX, false);
            CHECK(status == OCT_OK || status == OCT_NOMEM);
        }
        check_pages(&self, right, &rng);
    }
    points_clear(&self);
    free(right);
    epoch_drain();
}

/* --- readers beside the writer ------------------------------------------------------------------------- */

typedef struct shared_points {
    point_set        points;
    _Atomic uint32_t added; /* number of point i is 7919 * i mod 2^20, a permutation */
    atomic_bool      end;
    _Atomic uint64_t wrong, looked;
} shared_points;

#define SHARED_POINTS 30000u

static oct_id
shared_id(uint32_t i)
{
    return oct_id_number((uint64_t)i * 7919 % (1u << 20));
}

static void *
look_up(void *context)
{
    shared_points *self = context;
    test_rng       rng = test_rng_seed((uintptr_t)&rng);
    uint32_t       page[50];

    while (!atomic_load(&self->end)) {
        const uint32_t added = atomic_load(&self->added);
        const uint32_t i = (uint32_t)test_below(&rng, added + 10);
        const oct_id   id = shared_id(i);
        uint32_t       point;
        size_t         found;

        epoch_pin();
        point = points_find(&self->points, &id);
        if (i < added ? point != i : point != POINT_NONE && point != i)
            (void)atomic_fetch_add(&self->wrong, 1);
        if (i % 64 == 0) {
            if (points_page(&self->points, &id, countof(page), page, &found, NULL) != OCT_OK)
                (void)atomic_fetch_add(&self->wrong, 1);
            /* At least those there were: in order, from the id on. */
            if (i < added && (found == 0 || page[0] != i))
                (void)atomic_fetch_add(&self->wrong, 1);
            for (size_t k = 1; k < found; k++) {
                if (id_compare(points_id(&self->points, page[k - 1]), points_id(&self->points, page[k])) >= 0)
                    (void)atomic_fetch_add(&self->wrong, 1);
            }
        }
        epoch_unpin();
        (void)atomic_fetch_add(&self->looked, 1);
    }
    return NULL;
}

/* Goal:   readers find every id that was there when they began, and pages in order, while the table grows and is
 * sorted.
 * Method: one writer, three readers. */
TEST(points_are_read_while_they_are_added)
{
    shared_points *self = calloc(1, sizeof *self);
    pthread_t      readers[3];

    OCT_MUST(self != NULL);
    CHECK_OK(points_init(&self->points, NULL));
    for (size_t i = 0; i < countof(readers); i++)
        OCT_MUST(pthread_create(&readers[i], NULL, look_up, self) == 0);
    for (uint32_t i = 0; i < SHARED_POINTS; i++) {
        const oct_id id = shared_id(i);

        OCT_MUST(points_reserve(&self->points, 1, NULL) == OCT_OK);
        points_set_live(&self->points, points_add(&self->points, &id), true);
        atomic_store(&self->added, i + 1);
    }
    while (atomic_load(&self->looked) < 200)
        continue;
    atomic_store(&self->end, true);
    for (size_t i = 0; i < countof(readers); i++)
        OCT_MUST(pthread_join(readers[i], NULL) == 0);
    CHECK_INT(self->wrong, 0);
    points_clear(&self->points);
    free(self);
    epoch_drain();
}
