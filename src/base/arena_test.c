/* Memory of one request: every piece whole, apart from the others, aligned, zeroed; one release. */
#include "base/arena.h"

#include <stdalign.h>

#include "support/test.h"

#define PIECES_MAX 2000u

/* Goal:   pieces do not overlap, stay where they are, begin zeroed and aligned for any type.
 * Method: pieces of random sizes, from nothing to several blocks, each filled with its own byte; all are read at the
 *         end. 20 arenas, one memory, seed 1. */
TEST(arena_pieces_are_apart_aligned_and_zeroed)
{
    test_rng rng = test_rng_seed(1);

    for (int round = 0; round < 20; round++) {
        arena          memory = {0};
        unsigned char *pieces[PIECES_MAX];
        size_t         sizes[PIECES_MAX];
        const size_t   count = 1 + test_below(&rng, PIECES_MAX);

        for (size_t i = 0; i < count; i++) {
            sizes[i] = test_below(&rng, 100) == 0 ? test_below(&rng, 100000) : test_below(&rng, 200);
            pieces[i] = arena_alloc(&memory, sizes[i]);
            OCT_MUST(pieces[i] != NULL);
            CHECK_INT((uintptr_t)pieces[i] % alignof(max_align_t), 0);
            for (size_t at = 0; at < sizes[i]; at++)
                CHECK_MSG(pieces[i][at] == 0, "byte %zu of piece %zu", at, i);
            memset(pieces[i], (int)(i % 251), sizes[i]);
        }
        for (size_t i = 0; i < count; i++) {
            const unsigned char fill = (unsigned char)(i % 251);

            for (size_t at = 0; at < sizes[i]; at++)
                CHECK_MSG(pieces[i][at] == fill, "byte %zu of piece %zu was overwritten", at, i);
        }
        arena_clear(&memory);
        CHECK(memory.blocks == NULL && memory.next == NULL && memory.end == NULL);
    }
}

/* Goal:   sizes that cannot be are refused, and the arena can be used on.
 * Method: products and sums that overflow. */
TEST(arena_refuses_sizes_that_overflow)
{
    arena memory = {0};
    char *text;

    CHECK(arena_alloc(&memory, SIZE_MAX) == NULL);
    CHECK(arena_alloc(&memory, SIZE_MAX - 15) == NULL);
    CHECK(arena_array(&memory, SIZE_MAX / 2, 3) == NULL);
    CHECK(arena_array(&memory, (size_t)1 << 32, (size_t)1 << 32) == NULL);
    text = arena_text(&memory, "abc\0def", 7);
    CHECK(text != NULL && memcmp(text, "abc\0def", 8) == 0);
    text = arena_text(&memory, NULL, 0);
    CHECK_TEXT(text, "");
    arena_clear(&memory);
    arena_clear(&memory); /* an empty one may be cleared */
}

/* Goal:   out of memory gives NULL and costs nothing that was given before.
 * Method: each allocation fails in turn while pieces are taken. */
TEST(arena_survives_every_failed_allocation)
{
    for (uint64_t n = 0; n < 12; n++) {
        arena  memory = {0};
        size_t given = 0;
        char  *first = NULL;

        oct_alloc_fail_after(n, false);
        for (size_t i = 0; i < 200; i++) {
            char *piece = arena_alloc(&memory, 1000);

            given += piece != NULL;
            if (first == NULL && piece != NULL) {
                first = piece;
                memset(first, 7, 1000);
            }
        }
        oct_alloc_fail_after(UINT64_MAX, false);
        CHECK(given >= 199); /* only one could fail */
        CHECK(first != NULL && first[0] == 7 && first[999] == 7);
        arena_clear(&memory);
    }
}
