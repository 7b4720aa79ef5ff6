/* Payload documents: added, found whole, never overlapping; damage is told. */
#include "storage/heap.h"

#include <stdlib.h>

#include "support/test.h"

#define DOCUMENTS_MAX 3000u

/* A document that nobody else has: its bytes follow from its number. */
static oct_slice
make_document(test_rng *rng, uint32_t number, char *text, size_t size_max)
{
    const size_t size = test_below(rng, 30) == 0 ? test_below(rng, size_max) : test_below(rng, 60);

    for (size_t i = 0; i < size; i++)
        text[i] = (char)(mix64(number) >> (i % 8 * 8) ^ i);
    return (oct_slice){text, size};
}

/* Goal:   documents come back as they were, whatever was added since; what is not worth storing is not stored; live
 *         bytes are those of what was not released.
 * Method: random sizes, some larger than all before together, some batches reserved at once; every document is read
 * after
 *         each batch. Seeds 231 to 236. */
TEST(documents_come_back_whole)
{
    for (uint64_t seed = 231; seed < 237; seed++) {
        test_rng  rng = test_rng_seed(seed);
        heap      self;
        char     *texts[DOCUMENTS_MAX];
        oct_slice documents[DOCUMENTS_MAX];
        uint32_t  numbers[DOCUMENTS_MAX], count = 0;
        uint64_t  live = 0;

        heap_init(&self);
        while (count < DOCUMENTS_MAX - 20) {
            const uint32_t more = 1 + (uint32_t)test_below(&rng, 20);

            for (uint32_t i = count; i < count + more; i++) {
                texts[i] = malloc(50000);
                OCT_MUST(texts[i] != NULL);
                documents[i] = make_document(&rng, i, texts[i], 50000);
            }
            CHECK_OK(heap_reserve(&self, documents + count, more, NULL));
            for (uint32_t i = count; i < count + more; i++) {
                numbers[i] = heap_stores(documents[i]) ? heap_add(&self, documents[i]) : HEAP_NONE;
                live += numbers[i] == HEAP_NONE ? 0 : documents[i].size;
            }
            count += more;
            if (test_below(&rng, 20) == 0) {
                const uint32_t gone = (uint32_t)test_below(&rng, count);

                heap_release(&self, numbers[gone]);
                live -= numbers[gone] == HEAP_NONE ? 0 : documents[gone].size;
                numbers[gone] = HEAP_NONE;
            }
            CHECK_INT(self.live_bytes, live);
            for (uint32_t i = count > 200 ? count - 200 : 0; i < count; i++) {
                oct_slice got;

                if (numbers[i] == HEAP_NONE)
                    continue;
                CHECK_OK(heap_get(&self, numbers[i], &got, NULL));
                CHECK_MSG(slice_equal(got, documents[i]), "document %u", i);
                CHECK(i == 0 || numbers[i - 1] == HEAP_NONE || numbers[i - 1] < numbers[i]);
            }
        }
        for (uint32_t i = 0; i < count; i++) {
            oct_slice got;

            if (numbers[i] != HEAP_NONE) {
                CHECK_OK(heap_get(&self, numbers[i], &got, NULL));
                CHECK_MSG(slice_equal(got, documents[i]), "document %u at the end", i);
            }
            free(texts[i]);
        }
        heap_clear(&self);
    }
    CHECK(!heap_stores((oct_slice){"{}", 2}) && !heap_stores((oct_slice){NULL, 0}) &&
          heap_stores((oct_slice){"{1}", 3}));
}

/* Goal:   damage to a header or a body is OCT_CORRUPT, and nothing outside of the heap is read, whatever the header
 * says.
 * Method: every byte of a small heap is changed in turn, each document read; and numbers that are no document's. Under
 *         ASan a read outside is seen. Seed 241. */
TEST(damaged_documents_are_told)
{
    test_rng  rng = test_rng_seed(241);
    char      text[200], kept[60][200];
    oct_slice documents[60];
    uint32_t  numbers[60];
    oct_error error;
    heap      self;

    heap_init(&self);
    for (uint32_t i = 0; i < countof(numbers); i++) {
        oct_slice made = make_document(&rng, i, text, sizeof text);

        made.size = made.size < 3 ? 3 : made.size;
        memcpy(kept[i], text, sizeof text);
        documents[i] = (oct_slice){kept[i], made.size};
        CHECK_OK(heap_reserve(&self, &documents[i], 1, NULL));
        numbers[i] = heap_add(&self, documents[i]);
    }
    for (uint32_t unit = 0; unit < self.unit_count; unit++) {
        for (uint32_t byte = 0; byte < HEAP_UNIT_BYTES; byte++) {
            unsigned char      *at = (unsigned char *)rows_at(&self.units, unit) + byte;
            const unsigned char old = *at;

            for (int bit = 0; bit < 8; bit += 1 + (int)test_below(&rng, 3)) {
                *at = (unsigned char)(old ^ 1u << bit);
                for (uint32_t i = 0; i < countof(numbers); i++) {
                    oct_slice        got;
                    const oct_status status = heap_get(&self, numbers[i], &got, &error);

                    CHECK(status == OCT_CORRUPT ? got.data == NULL
                                                : status == OCT_OK && slice_equal(got, documents[i]));
                }
            }
            *at = old;
        }
    }
    for (uint32_t number = 0; number < self.unit_count + 10; number++) {
        oct_slice got;
        bool      known = false;

        for (uint32_t i = 0; i < countof(numbers); i++)
            known = known || numbers[i] == number;
        CHECK(heap_get(&self, number, &got, NULL) == OCT_OK || !known);
    }
    heap_clear(&self);
}

/* Goal:   a size that would run beyond a segment of the rows below is refused, though there are units enough.
 * Method: the header of the last document before the end of a segment claims more than is left, up to all that
 * follows. */
TEST(size_beyond_a_segment_is_refused)
{
    heap      self;
    char      text[HEAP_UNIT_BYTES * 5] = {0};
    oct_slice document = {text, 3}, got;
    uint32_t  last;

    heap_init(&self);
    for (int i = 0; i < 500; i++) {
        CHECK_OK(heap_reserve(&self, &document, 1, NULL));
        (void)heap_add(&self, document);
    }
    for (uint32_t segment = 0; segment < 4; segment++) {
        last = (uint32_t)rows_segment_end(&self.units, segment) - 2; /* two units a document */
        for (uint32_t units = 2; units < self.unit_count - last; units++) {
            put_u32(rows_at(&self.units, last), units * HEAP_UNIT_BYTES - HEAP_UNIT_BYTES + 1);
            CHECK_STATUS(heap_get(&self, last, &got, NULL), OCT_CORRUPT);
        }
        put_u32(rows_at(&self.units, last), 3);
        CHECK_OK(heap_get(&self, last, &got, NULL));
    }
    heap_clear(&self);
}

/* Goal:   more than 32-bit numbers can reach is refused, and no document is ever placed over another.
 * Method: a heap that says it is nearly full; only reserving is tried, as 64 GiB are not to be had. */
TEST(full_heap_is_refused)
{
    const oct_slice documents[] = {{NULL, 16}, {NULL, 1u << 20}, {NULL, OCT_PAYLOAD_BYTES_MAX}};
    oct_error       error;
    heap            self;

    heap_init(&self);
    for (size_t i = 0; i < countof(documents); i++) {
        const uint32_t units = 1 + (uint32_t)(documents[i].size + HEAP_UNIT_BYTES - 1) / HEAP_UNIT_BYTES;

        for (uint32_t left = 0; left < units; left = left * 2 + 1) {
            atomic_store(&self.unit_count, UINT32_MAX - left);
            CHECK_STATUS(heap_reserve(&self, documents, i + 1, &error), OCT_RANGE);
            CHECK_INT(self.units.capacity, 0);
        }
    }
    heap_clear(&self);
}

/* Goal:   without memory OCT_NOMEM, and what is stored stays.
 * Method: each allocation fails in turn. */
TEST(heap_survives_failed_allocations)
{
    test_rng rng = test_rng_seed(251);
    heap     self;
    char     texts[200][60];
    uint32_t numbers[200], failures = 0;
    size_t   sizes[200];

    heap_init(&self);
    for (uint32_t i = 0; i < countof(numbers); i++) {
        oct_slice  document = make_document(&rng, i, texts[i], 60);
        oct_status status = OCT_NOMEM;

        document.size = document.size < 3 ? 3 : document.size;
        sizes[i] = document.size;
        for (uint64_t n = 0; status != OCT_OK; n++) {
            oct_alloc_fail_after(n, false);
            status = heap_reserve(&self, &document, 1, NULL);
            oct_alloc_fail_after(UINT64_MAX, false);
            CHECK(status == OCT_OK || status == OCT_NOMEM);
            failures += status != OCT_OK;
        }
        numbers[i] = heap_add(&self, document);
    }
    CHECK(failures > 3);
    for (uint32_t i = 0; i < countof(numbers); i++) {
        oct_slice got;

        CHECK_OK(heap_get(&self, numbers[i], &got, NULL));
        CHECK(slice_equal(got, (oct_slice){texts[i], sizes[i]}));
    }
    heap_clear(&self);
}
