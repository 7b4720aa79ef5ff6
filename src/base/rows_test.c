/* Arrays that grow but never move. */
#include "base/rows.h"

#include <pthread.h>

#include "base/pages.h"
#include "support/test.h"

/* Goal:   segment arithmetic: every row is in the one segment whose bounds hold it, segments follow without gaps.
 * Method: all shifts; rows around every power of two, and random ones. Seed 2. */
TEST(rows_segments_follow_each_other)
{
    test_rng rng = test_rng_seed(2);

    for (uint32_t shift = 0; shift <= 20; shift++) {
        rows self = {.stride = 4, .shift = shift};

        for (uint32_t segment = 0; segment < ROWS_SEGMENTS - shift; segment++) {
            const uint64_t start = rows_segment_start(&self, segment), end = rows_segment_end(&self, segment);

            CHECK(start < end);
            CHECK_INT(start, segment == 0 ? 0 : rows_segment_end(&self, segment - 1));
            CHECK_INT(rows_segment_of(&self, (uint32_t)start), segment);
            CHECK_INT(rows_segment_of(&self, (uint32_t)(end - 1)), segment);
        }
        CHECK_INT(rows_segment_end(&self, rows_segment_of(&self, UINT32_MAX)), (long long)1 << 32);
        for (int i = 0; i < 1000; i++) {
            const uint32_t row = (uint32_t)(test_u64(&rng) >> (32 + test_below(&rng, 32)));
            const uint32_t segment = rows_segment_of(&self, row);

            CHECK_MSG(rows_segment_start(&self, segment) <= row && row < rows_segment_end(&self, segment),
                      "row %u, shift %u, segment %u", row, shift, segment);
        }
    }
}

/* Goal:   the address of a row never changes, new rows are zero, rows do not overlap.
 * Method: arrays of random strides grow by random steps; each row is filled with its number, all are read again after
 *         each step, addresses compared. Large enough for mapped segments. Seed 3. */
TEST(rows_never_move)
{
    test_rng rng = test_rng_seed(3);

    for (int round = 0; round < 12; round++) {
        const uint32_t stride = 4 * (1 + (uint32_t)test_below(&rng, 300));
        const uint32_t expected = (uint32_t)test_below(&rng, 40);
        rows           self;
        void          *addresses[3000];
        uint64_t       count = 0, mapped = 0;

        rows_init(&self, stride, expected);
        CHECK_INT(rows_bytes(&self), 0);
        while (count < countof(addresses)) {
            const uint64_t more = size_min(1 + test_below(&rng, 400), countof(addresses) - count);

            CHECK_OK(rows_reserve(&self, count + more, NULL));
            CHECK(self.capacity >= count + more);
            CHECK_INT(rows_bytes(&self), self.capacity * stride);
            for (uint64_t row = count; row < count + more; row++) {
                uint32_t *at = rows_at(&self, (uint32_t)row);

                addresses[row] = at;
                for (uint32_t i = 0; i < stride / 4; i++)
                    CHECK_MSG(at[i] == 0, "word %u of new row %llu", i, (unsigned long long)row);
                for (uint32_t i = 0; i < stride / 4; i++)
                    at[i] = (uint32_t)row;
            }
            count += more;
            for (uint64_t row = 0; row < count; row++) {
                const uint32_t *at = rows_at(&self, (uint32_t)row);

                CHECK_MSG(at == addresses[row], "row %llu moved", (unsigned long long)row);
                CHECK_MSG(at[0] == row && at[stride / 4 - 1] == row, "row %llu was overwritten",
                          (unsigned long long)row);
            }
        }
        for (uint32_t segment = 0; rows_segment_start(&self, segment) < self.capacity; segment++) {
            const char    *at = rows_at(&self, (uint32_t)rows_segment_start(&self, segment));
            const uint64_t rows_in = rows_segment_end(&self, segment) - rows_segment_start(&self, segment);

            CHECK_INT(rows_segment_is_mapped(&self, segment), rows_in * stride >= ROWS_MAP_BYTES);
            CHECK_INT((uintptr_t)at % (rows_segment_is_mapped(&self, segment) ? PAGES_BYTES : 64), 0);
            mapped += rows_segment_is_mapped(&self, segment);
        }
        CHECK((uint64_t)stride * countof(addresses) / 4 < ROWS_MAP_BYTES || mapped > 0);
        rows_clear(&self);
        CHECK(self.capacity == 0 && self.stride == stride);
        rows_clear(&self);
        CHECK_OK(rows_reserve(&self, 1, NULL)); /* and may be used again */
        rows_clear(&self);
    }
}

/* Goal:   no memory: OCT_NOMEM, and what there was stays and can be used.
 * Method: each allocation of a growing array fails in turn. Mapped segments do not come from oct_alloc, so small
 *         strides. */
TEST(rows_keep_what_they_had_without_memory)
{
    for (uint64_t n = 0; n < 6; n++) {
        rows       self;
        oct_status status = OCT_OK;
        uint64_t   before;

        rows_init(&self, 8, 4);
        oct_alloc_fail_after(n, false);
        for (uint64_t count = 1; count < 300 && status == OCT_OK; count++) {
            status = rows_reserve(&self, count, NULL);
            if (status == OCT_OK)
                *(uint64_t *)rows_at(&self, (uint32_t)count - 1) = count;
        }
        oct_alloc_fail_after(UINT64_MAX, false);
        CHECK_INT(status, OCT_NOMEM);
        before = self.capacity;
        for (uint64_t row = 0; row < before; row++)
            CHECK_INT(*(uint64_t *)rows_at(&self, (uint32_t)row), row + 1);
        CHECK_OK(rows_reserve(&self, 300, NULL));
        CHECK(self.capacity >= 300);
        rows_clear(&self);
    }
}

/* Goal:   whole pages: zeroed, writable to the end, aligned to a huge page when that large.
 * Method: sizes around the limits. */
TEST(pages_are_zeroed_and_aligned)
{
    static const size_t sizes[] = {
        1, 4095, 4096, 4097, PAGES_HUGE_BYTES - 1, PAGES_HUGE_BYTES, PAGES_HUGE_BYTES + 1};

    for (size_t i = 0; i < countof(sizes); i++) {
        char *memory = pages_map(sizes[i]);

        OCT_MUST(memory != NULL);
        CHECK_INT((uintptr_t)memory %
                      (sizes[i] > PAGES_HUGE_BYTES - PAGES_BYTES ? PAGES_HUGE_BYTES : PAGES_BYTES),
                  0);
        CHECK(memory[0] == 0 && memory[sizes[i] - 1] == 0);
        memory[0] = memory[sizes[i] - 1] = 1;
        pages_unmap(memory, sizes[i]);
    }
    pages_unmap(NULL, 4096);
}

typedef struct growing {
    rows             data; /* uint64_t: its own row number times three */
    _Atomic uint32_t count;
} growing;

#define GROWN_ROWS 60000u

static void *
read_rows(void *context)
{
    growing *self = context;
    uint64_t wrong = 0;
    uint32_t count = 0;

    while (count < GROWN_ROWS) {
        count = atomic_load_explicit(&self->count, memory_order_acquire);
        for (uint32_t row = count > 100 ? count - 100 : 0; row < count; row++)
            wrong += *(uint64_t *)rows_at(&self->data, row) != (uint64_t)row * 3;
        for (uint32_t row = 0; row < count; row += 977)
            wrong += *(uint64_t *)rows_at(&self->data, row) != (uint64_t)row * 3;
    }
    return (void *)(uintptr_t)wrong;
}

/* Goal:   readers that know the count use all rows below it while the writer grows the array.
 * Method: one writer, two readers; run under TSan. */
TEST(rows_are_read_while_they_grow)
{
    growing   self = {0};
    pthread_t readers[2];

    rows_init(&self.data, 8, 1);
    for (int i = 0; i < 2; i++)
        OCT_MUST(pthread_create(&readers[i], NULL, read_rows, &self) == 0);
    for (uint32_t row = 0; row < GROWN_ROWS; row++) {
        OCT_MUST(rows_reserve(&self.data, row + 1, NULL) == OCT_OK);
        *(uint64_t *)rows_at(&self.data, row) = (uint64_t)row * 3;
        atomic_store_explicit(&self.count, row + 1, memory_order_release);
    }
    for (int i = 0; i < 2; i++) {
        void *wrong;

        OCT_MUST(pthread_join(readers[i], &wrong) == 0);
        CHECK_INT((uintptr_t)wrong, 0);
    }
    rows_clear(&self.data);
}
