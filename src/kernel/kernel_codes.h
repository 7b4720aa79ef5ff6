/* What encoding and decoding 4-bit codes does to whole rows, in plain C: every element on its own, or exact
 * integers, so
 * the compiler may use whatever registers the including file allows and gives the same bits with all of them.
 * Included by kernel_<isa>.c.
 */
#include <math.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MAX_LANES 32u

/* Lane by lane, as a single maximum would wait for itself at every element; the largest is the largest in any order. */
static float
max_abs_f32(const float *values, size_t count)
{
    float lanes[MAX_LANES] = {0};
    float largest = 0;

    for (size_t i = 0; i < count; i += MAX_LANES) {
        for (size_t j = 0; j < MAX_LANES; j++) {
            const float size = fabsf(values[i + j]);

            lanes[j] = size > lanes[j] ? size : lanes[j];
        }
    }
    for (size_t j = 0; j < MAX_LANES; j++)
        largest = lanes[j] > largest ? lanes[j] : largest;
    return largest;
}

/* Value i changes its sign where bit i of `bits` is set. */
static void
flip_f32(float *values, const uint64_t *bits, size_t count)
{
    for (size_t i = 0; i < count; i += 32) {
        const uint32_t some = (uint32_t)(bits[i / 64] >> (i % 64));

        for (uint32_t j = 0; j < 32; j++) {
            uint32_t word;

            memcpy(&word, &values[i + j], sizeof word);
            word ^= (some >> j & 1) << 31;
            memcpy(&values[i + j], &word, sizeof word);
        }
    }
}

static void
scale_f32(float *values, float factor, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] *= factor;
}

/* What is no number (rotated components can overflow) counts as the smallest, so the comparisons are this way round. */
static void
levels_u4(const float *values, size_t count, float inverse, float offset, float *levels)
{
    for (size_t i = 0; i < count; i++) {
        const float level = rintf((values[i] - offset) * inverse);
        const float floor_0 = level > 0.0f ? level : 0.0f;

        levels[i] = floor_0 > 15.0f ? 15.0f : floor_0;
    }
}

static int32_t
round_i8(const float *values, size_t count, float inverse, int8_t *out)
{
    int32_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        const float   value = rintf(values[i] * inverse);
        const float   floored = value > -127.0f ? value : -127.0f;
        const int32_t number = (int32_t)(floored > 127.0f ? 127.0f : floored);

        out[i] = (int8_t)number;
        sum += number;
    }
    return sum;
}

static void
pack_u4(const float *levels, size_t blocks, uint8_t *row)
{
    for (size_t k = 0; k < blocks; k++) {
        const float *low = levels + k * 128, *high = low + 64;

        for (size_t b = 0; b < 64; b++)
            row[k * 64 + b] = (uint8_t)((uint32_t)(int32_t)low[b] | (uint32_t)(int32_t)high[b] << 4);
    }
}

static void
unpack_u4(const uint8_t *row, size_t blocks, int8_t *out)
{
    for (size_t k = 0; k < blocks; k++) {
        for (size_t b = 0; b < 64; b++) {
            out[k * 128 + b] = (int8_t)(row[k * 64 + b] & 15);
            out[k * 128 + 64 + b] = (int8_t)(row[k * 64 + b] >> 4);
        }
    }
}

#if !defined(HAVE_FRESH_IDS)
static size_t
fresh_ids(const _Atomic uint32_t *ids, size_t count, uint32_t limit, const uint64_t *seen, uint32_t *out)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        const uint32_t id = atomic_load_explicit(&ids[i], memory_order_relaxed);

        if (id >= limit) /* as a rule the end of a list */
            continue;
        out[found] = id; /* whether it was seen is a coin toss, so it must not be a branch */
        found += (seen[id / 64] >> (id % 64) & 1) == 0;
    }
    return found;
}
#endif

static size_t
merge_many(uint64_t *sorted, size_t size, size_t room, const uint64_t *fresh, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint64_t number = fresh[i];
        size_t         place = 0, length = size;

        if (size == room) {
            if (room == 0 || number >= sorted[room - 1])
                continue;
            length = --size;
        }
        /* Where it belongs. The comparison's outcome is a coin toss, so it must not be a branch. */
        while (length > 1) {
            const size_t half = length / 2;

            place += sorted[place + half - 1] < number ? half : 0;
            length -= half;
        }
        if (length == 1)
            place += sorted[place] < number;
        memmove(&sorted[place + 1], &sorted[place], (size - place) * sizeof *sorted);
        sorted[place] = number;
        size++;
    }
    return size;
}

#if !defined(HAVE_PLANES_I8)
/* Eight bytes of 0 and 1 become eight bits by one multiplication: byte i goes to bit i of the topmost. */
static uint32_t
planes_i8(const int8_t *values, size_t blocks, int8_t part, uint8_t *low, uint8_t *high)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < blocks * 16; i++) {
        uint8_t  lows[8], highs[8];
        uint64_t bits;

        for (size_t j = 0; j < 8; j++) {
            const int8_t  value = values[i * 8 + j];
            const uint8_t level = (uint8_t)((value >= -part) + (value >= 0) + (value >= part));

            lows[j] = level & 1;
            highs[j] = level >> 1;
            sum += level;
        }
        memcpy(&bits, lows, sizeof bits);
        low[i] = (uint8_t)(bits * 0x0102040810204080u >> 56);
        memcpy(&bits, highs, sizeof bits);
        high[i] = (uint8_t)(bits * 0x0102040810204080u >> 56);
    }
    return sum;
}
#endif

static inline void
shared_bits_plain(const uint8_t *planes, const uint8_t *rows, size_t stride, size_t count, int32_t *out)
{
    for (size_t i = 0; i < count; i++) {
        int32_t low = 0, high = 0;

        for (size_t j = 0; j < stride; j += 8) {
            uint64_t row, plane;

            memcpy(&row, rows + i * stride + j, 8);
            memcpy(&plane, planes + j, 8);
            low += __builtin_popcountll(row & plane);
            memcpy(&plane, planes + stride + j, 8);
            high += __builtin_popcountll(row & plane);
        }
        out[i] = low + 2 * high;
    }
}

#if !defined(HAVE_SHARED_BITS)
#define shared_bits shared_bits_plain
#endif

#if !defined(HAVE_MERGE_U64)
#define merge_u64 merge_many
#endif

#define CODES_FIELDS                                                                                         \
    .max_abs_f32 = max_abs_f32, .flip_f32 = flip_f32, .scale_f32 = scale_f32, .levels_u4 = levels_u4,        \
    .round_i8 = round_i8, .fresh_ids = fresh_ids, .merge_u64 = merge_u64, \
    .planes_i8 = planes_i8, .shared_bits = shared_bits, .pack_u4 = pack_u4, .unpack_u4 = unpack_u4
