/* Tests of rows of halves and bytes: every level gives the bits that the scalar level gives for the floats they stand for.
 * What those are is checked in kernel_test.c and here, by all halves and all bytes.
 */
#include "kernel/kernel.h"

#include <sys/mman.h>

#include "base/pages.h"
#include "support/levels.h"
#include "support/test.h"

#define DIM_MAX  1536u
#define ROWS_MAX 13u
#define METRICS  3u
#define ROW_MAX  (2u * DIM_MAX + 8u)

static const char *const metric_names[METRICS] = {"dot", "l2sq", "l1"};
static const char *const kind_names[KERNEL_NARROW_KINDS] = {"f16", "u8", "scaled"};
static const size_t      long_dims[] = {384, 768, 1000, 1536};

#define DIM_COUNT (140u + (unsigned)countof(long_dims))

static size_t
dim_of(size_t index)
{
    return index < 140 ? index : long_dims[index - 140];
}

static kernel_narrow_fn
narrow_of(const kernel_table *table, size_t metric, kernel_narrow kind)
{
    if (kind == KERNEL_SCALED && metric != 0)
        return NULL;
    return metric == 0 ? table->dot_narrow[kind] : metric == 1 ? table->l2sq_narrow[kind] : table->l1_narrow[kind];
}

static kernel_pair_fn
pair_of(const kernel_table *table, size_t metric)
{
    return metric == 0 ? table->dot_f32 : metric == 1 ? table->l2sq_f32 : table->l1_f32;
}

static uint32_t
bits_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* A row of finite components, every half and byte as likely as another. */
static void
fill_row(test_rng *rng, kernel_narrow kind, size_t dim, char *row)
{
    const float scale = 0.001f + (float)test_below(rng, 1000) / 997.0f;

    for (size_t i = 0; i < dim && kind == KERNEL_F16; i++) {
        const uint64_t random = test_u64(rng);
        const uint16_t half = (uint16_t)((random >> 20 & 0x8000u) | random % 0x7C00u);

        memcpy(row + 2 * i, &half, sizeof half);
    }
    for (size_t i = 0; i < dim && kind != KERNEL_F16; i++)
        row[i] = (char)test_u64(rng);
    if (kind == KERNEL_SCALED)
        memcpy(row + kernel_scale_at(dim), &scale, sizeof scale);
}

static size_t
row_bytes(kernel_narrow kind, size_t dim)
{
    return kind == KERNEL_F16 ? 2 * dim : kind == KERNEL_U8 ? dim : kernel_scale_at(dim) + sizeof(float);
}

/* Goal:   every level's results of narrow rows are the scalar level's of the floats, bit for bit, whatever the count and
 *         alignment.
 * Method: all dims 0..139 and usual ones, 1 to 13 rows, queries near 1 and of any size, seed 21. */
TEST(narrow_rows_score_as_the_floats_they_stand_for)
{
    static char  pool[ROWS_MAX][ROW_MAX + 3];
    static float query[DIM_MAX], wide[DIM_MAX];
    test_rng     rng = test_rng_seed(21);

    for (EACH_LEVEL(level)) {
        for (size_t round = 0; round < DIM_COUNT * KERNEL_NARROW_KINDS; round++) {
            const kernel_narrow kind = (kernel_narrow)(round % KERNEL_NARROW_KINDS);
            const size_t        dim = dim_of(round / KERNEL_NARROW_KINDS), count = 1 + test_below(&rng, ROWS_MAX);
            const float         size = test_below(&rng, 2) == 0 ? 1.0f : 0x1p-20f;
            const void         *rows[ROWS_MAX];
            float               out[ROWS_MAX + 1] = {0};

            for (size_t i = 0; i < dim; i++)
                query[i] = test_float(&rng) * size;
            for (size_t i = 0; i < count; i++) {
                char *row = pool[i] + i % 4;

                fill_row(&rng, kind, dim, row);
                rows[i] = row;
            }
            for (size_t m = 0; m < METRICS; m++) {
                const kernel_narrow_fn narrow = narrow_of(level, m, kind);

                if (narrow == NULL)
                    continue;
                out[count] = -5;
                narrow(query, rows, count, dim, out);
                for (size_t i = 0; i < count; i++) {
                    float want;

                    kernel_widen(kind, rows[i], wide, dim);
                    want = pair_of(kernel_select(0), m)(query, wide, dim);
                    CHECK_MSG(bits_of(out[i]) == bits_of(want), "%s %s of %s, dim %zu, row %zu of %zu: %a, floats %a",
                              level->name, metric_names[m], kind_names[kind], dim, i, count, (double)out[i], (double)want);
                }
                CHECK(out[count] == -5);
            }
        }
    }
}

/* Goal:   nothing is read behind a row.
 * Method: rows that end where an unreadable page begins, dims 0..139. */
TEST(no_level_reads_beyond_a_narrow_row)
{
    const size_t bytes = (size_t)64 << 10; /* the largest page in use */
    char        *memory = pages_map(2 * bytes), *end = memory + bytes;
    static float query[DIM_MAX];
    test_rng     rng = test_rng_seed(22);

    CHECK(memory != NULL && mprotect(end, bytes, PROT_NONE) == 0);
    for (EACH_LEVEL(level)) {
        for (size_t round = 0; round < 140 * KERNEL_NARROW_KINDS; round++) {
            const kernel_narrow kind = (kernel_narrow)(round % KERNEL_NARROW_KINDS);
            const size_t        dim = round / KERNEL_NARROW_KINDS;
            char               *row = end - row_bytes(kind, dim);
            const void         *rows[5] = {row, row, row, row, row};
            float               out[5];

            fill_row(&rng, kind, dim, row);
            for (size_t m = 0; m < METRICS; m++) {
                if (narrow_of(level, m, kind) == NULL)
                    continue;
                narrow_of(level, m, kind)(query, rows, countof(rows), dim, out);
                CHECK(bits_of(out[0]) == bits_of(out[4]));
            }
        }
    }
    pages_unmap(memory, 2 * bytes);
}

/* Goal:   packing loses nothing, and every level converts a half as kernel_widen_f16 does.
 * Method: all finite halves, widened, packed again, rounded again; and, one by one, times one; all bytes likewise. */
TEST(every_half_and_byte_is_kept_exactly)
{
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        const uint16_t half = (uint16_t)bits;
        const void    *row = &half;
        uint16_t       again;
        float          value, same, one = 1;

        if ((bits & 0x7FFF) >= 0x7C00)
            continue;
        kernel_widen_f16(&half, &value, 1);
        kernel_round_f16(&value, &same, 1);
        kernel_pack_f16(&same, &again, 1);
        CHECK_MSG(half == again && bits_of(value) == bits_of(same), "half %04x is %a, and back %04x", bits, (double)value,
                  again);
        for (EACH_LEVEL(level)) {
            level->dot_narrow[KERNEL_F16](&one, &row, 1, 1, &same);
            CHECK_MSG(same == value, "%s: half %04x is %a, not %a", level->name, bits, (double)same,
                      (double)value);
        }
    }
    for (uint32_t i = 0; i < 256; i++) {
        const uint8_t byte = (uint8_t)i;
        uint8_t       again = 0;
        float         value;

        kernel_widen_u8(&byte, &value, 1);
        kernel_pack_u8(&value, &again, 1);
        CHECK(value == (float)i && again == byte);
    }
}
