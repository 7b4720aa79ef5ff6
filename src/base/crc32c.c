/* CRC-32C (Castagnoli): what it is, and two ways to compute it.
 *
 * WHAT     Read the bytes, lowest bit first, as the coefficients of a polynomial over the field of two
 *          elements; the CRC is the remainder after division by the Castagnoli polynomial, with the register
 *          inverted at the start and at the end so that leading and trailing zero bytes count. The
 *          polynomial is written lowest bit first as 0x82F63B78, and so is every remainder here: bit 31
 *          is x^0, bit 0 is x^31.
 * FAST     x86 (SSE4.2) and ARMv8 have an instruction for eight bytes. It takes three cycles or so to answer
 *          but accepts a new question each cycle, so one chain uses a third of it. We run three:
 *
 *              |----- block -----|----- block -----|----- block -----|   3 * CRC_LONG, then 3 * CRC_SHORT,
 *               a: from the seed  b: from zero      c: from zero         then one chain for the rest
 *
 *          Joining them is arithmetic on remainders: that of "a, then n more bytes" is a * x^(8n) plus
 *          that of the n bytes alone. For the two fixed block sizes the product comes from four table
 *          look-ups, a byte of `a` each; for any size (crc32c_combine) from shift-and-add.
 * PLAIN    Without the instruction: eight bytes a step through eight tables of 256 ("slicing by 8";
 *          Kounavis and Berry, IEEE Trans. Computers 2008).
 * THREADS  The tables (16 KiB) are filled once, by the first caller; `ready` is released after that and
 *          acquired before each use. Two first callers at a time take turns in pthread_once.
 * WHY NOT  a library: liboctant is embedded in other people's programs and has no run-time dependency but
 *          libc. The check runs on every byte read or written, so it must not be the slow part either:
 *          measured (AMD Zen 5, 64 KiB, best of 15) 30 GB/s by three chains, 10 by one, 2.2 by table.
 * BUILD    The instruction is enabled for single functions, not for the file: on an older CPU the rest of
 *          this file must run.
 */
#include "base/crc32c.h"

#include <pthread.h>

#define CRC_POLYNOMIAL 0x82F63B78u
#define CRC_ONE        0x80000000u /* x^0 */
#define CRC_LONG       1024u       /* bytes of a block; longer ones gain nothing at 64 KiB (measured) */
#define CRC_SHORT      128u        /* so that a record of half a kilobyte gains too */

typedef uint32_t (*update_fn)(uint32_t state, const unsigned char *at, size_t size);
typedef uint32_t byte_tables[4][256]; /* [i][b]: byte b at place i of a remainder, times something fixed */

static pthread_once_t     once = PTHREAD_ONCE_INIT;
static _Atomic(update_fn) ready; /* NULL until the tables are filled */
static uint32_t           slice_tables[8][256];
static byte_tables        long_tables, short_tables; /* times x^(8 * CRC_LONG), x^(8 * CRC_SHORT) */
static uint32_t           power_tables[64];          /* [k]: x^(8 * 2^k), a zero byte appended 2^k times */
static const char        *method;

/* Product of two remainders, modulo the polynomial. */
static uint32_t
multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;

    for (; a != 0; a <<= 1) {
        product ^= b & (0 - (a >> 31));
        b = (b >> 1) ^ (CRC_POLYNOMIAL & (0 - (b & 1))); /* times x */
    }
    return product;
}

/* x^(8 * bytes) */
static uint32_t
power_of(uint64_t bytes)
{
    uint32_t power = CRC_ONE;

    for (; bytes != 0; bytes &= bytes - 1)
        power = multiply(power, power_tables[__builtin_ctzll(bytes)]);
    return power;
}

static uint32_t
table_step_u64(uint32_t state, const unsigned char *at)
{
    const uint64_t word = get_u64(at) ^ state;

    return slice_tables[7][word & 255] ^ slice_tables[6][word >> 8 & 255] ^
           slice_tables[5][word >> 16 & 255] ^ slice_tables[4][word >> 24 & 255] ^
           slice_tables[3][word >> 32 & 255] ^ slice_tables[2][word >> 40 & 255] ^
           slice_tables[1][word >> 48 & 255] ^ slice_tables[0][word >> 56];
}

static uint32_t
update_by_table(uint32_t state, const unsigned char *at, size_t size)
{
    for (; size >= 8; size -= 8, at += 8)
        state = table_step_u64(state, at);
    for (; size > 0; size--, at++)
        state = (state >> 8) ^ slice_tables[0][(state ^ *at) & 255];
    return state;
}

/* --- by instruction ------------------------------------------------------------------------ */

#if defined(__x86_64__)
#include <nmmintrin.h>
#define CRC_TARGET __attribute__((target("sse4.2")))
#define CRC_METHOD "sse4.2"

CRC_TARGET static inline uint32_t
step_u64(uint32_t state, uint64_t word)
{
    return (uint32_t)_mm_crc32_u64(state, word);
}

CRC_TARGET static inline uint32_t
step_u8(uint32_t state, unsigned char byte)
{
    return _mm_crc32_u8(state, byte);
}

static bool
cpu_has_instruction(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2") != 0;
}

#elif defined(__aarch64__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#define CRC_TARGET __attribute__((target("+crc")))
#define CRC_METHOD "armv8"

CRC_TARGET static inline uint32_t
step_u64(uint32_t state, uint64_t word)
{
    return __crc32cd(state, word);
}

CRC_TARGET static inline uint32_t
step_u8(uint32_t state, unsigned char byte)
{
    return __crc32cb(state, byte);
}

static bool
cpu_has_instruction(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}
#endif

#ifdef CRC_TARGET
static uint32_t
shift(const byte_tables tables, uint32_t state)
{
    return tables[0][state & 255] ^ tables[1][state >> 8 & 255] ^ tables[2][state >> 16 & 255] ^
           tables[3][state >> 24];
}

/* As many triple blocks as fit in *size; moves *at and *size past them. `block` is a multiple of 8. */
CRC_TARGET static inline uint32_t
three_chains(uint32_t a, const unsigned char **at, size_t *size, size_t block, const byte_tables tables)
{
    while (*size >= 3 * block) {
        const unsigned char *from = *at;
        uint32_t             b = 0, c = 0;

        for (size_t i = 0; i < block; i += 8) {
            a = step_u64(a, get_u64(from + i));
            b = step_u64(b, get_u64(from + i + block));
            c = step_u64(c, get_u64(from + i + 2 * block));
        }
        a = shift(tables, shift(tables, a) ^ b) ^ c;
        *at += 3 * block;
        *size -= 3 * block;
    }
    return a;
}

CRC_TARGET static uint32_t
update_by_instruction(uint32_t state, const unsigned char *at, size_t size)
{
    state = three_chains(state, &at, &size, CRC_LONG, long_tables);
    state = three_chains(state, &at, &size, CRC_SHORT, short_tables);
    for (; size >= 8; size -= 8, at += 8)
        state = step_u64(state, get_u64(at));
    for (; size > 0; size--, at++)
        state = step_u8(state, *at);
    return state;
}
#endif

/* --- the tables, once ---------------------------------------------------------------------- */

static void
fill_byte_tables(byte_tables tables, uint32_t factor)
{
    for (uint32_t place = 0; place < 4; place++) {
        for (uint32_t byte = 0; byte < 256; byte++)
            tables[place][byte] = multiply(byte << 8 * place, factor);
    }
}

static void
fill_tables(void)
{
    update_fn best = update_by_table;

    method = "table";
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t state = byte;

        for (int bit = 0; bit < 8; bit++)
            state = (state >> 1) ^ ((state & 1) != 0 ? CRC_POLYNOMIAL : 0);
        slice_tables[0][byte] = state;
    }
    for (size_t slice = 1; slice < 8; slice++) { /* the same byte with one more zero byte behind it */
        for (size_t byte = 0; byte < 256; byte++) {
            const uint32_t before = slice_tables[slice - 1][byte];

            slice_tables[slice][byte] = (before >> 8) ^ slice_tables[0][before & 255];
        }
    }
    power_tables[0] = CRC_ONE >> 8; /* x^8 */
    for (size_t k = 1; k < countof(power_tables); k++)
        power_tables[k] = multiply(power_tables[k - 1], power_tables[k - 1]);
    fill_byte_tables(long_tables, power_of(CRC_LONG));
    fill_byte_tables(short_tables, power_of(CRC_SHORT));
#ifdef CRC_TARGET
    if (cpu_has_instruction()) {
        best = update_by_instruction;
        method = CRC_METHOD;
    }
#endif
    atomic_store_explicit(&ready, best, memory_order_release);
}

static update_fn
update(void)
{
    update_fn chosen = atomic_load_explicit(&ready, memory_order_acquire);

    if (chosen == NULL) {
        (void)pthread_once(&once, fill_tables);
        chosen = atomic_load_explicit(&ready, memory_order_acquire);
    }
    return chosen;
}

uint32_t
crc32c(uint32_t seed, const void *data, size_t size)
{
    return ~update()(~seed, data, size);
}

uint32_t
crc32c_by_table(uint32_t seed, const void *data, size_t size)
{
    (void)update();
    return ~update_by_table(~seed, data, size);
}

uint32_t
crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t b_bytes)
{
    (void)update();
    return multiply(crc_a, power_of(b_bytes)) ^ crc_b;
}

const char *
crc32c_method(void)
{
    (void)update();
    return method;
}
