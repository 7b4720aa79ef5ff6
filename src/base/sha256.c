/* SHA-256. See sha256.h.
 *
 * Two bodies of one meaning, chosen once: the CPU's instructions (x86-64 "SHA-NI", some 1.5 GB/s), and plain C (some 0.25).
 * A snapshot is summed while it is written, so the slow one would be what a backup waits for.
 * SOURCE   FIPS 180-4, sections 5.3.3 and 6.2; names of variables as there.
 */
#include "base/sha256.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t
rotate(uint32_t x, unsigned count)
{
    return x >> count | x << (32 - count);
}

static void
add_blocks_plain(uint32_t state[8], const unsigned char *data, size_t block_count)
{
    for (; block_count > 0; block_count--, data += 64) {
        uint32_t w[64], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6],
                        h = state[7];

        for (size_t t = 0; t < 16; t++)
            w[t] = (uint32_t)data[4 * t] << 24 | (uint32_t)data[4 * t + 1] << 16 | (uint32_t)data[4 * t + 2] << 8 |
                   data[4 * t + 3];
        for (size_t t = 16; t < 64; t++) {
            const uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
            const uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;

            w[t] = s1 + w[t - 7] + s0 + w[t - 16];
        }
        for (size_t t = 0; t < 64; t++) {
            const uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25), choice = (e & f) ^ (~e & g);
            const uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22), major = (a & b) ^ (a & c) ^ (b & c);
            const uint32_t t1 = h + s1 + choice + k[t] + w[t], t2 = s0 + major;

            h = g;
            g = f;
            f = e;
            e = d + t1;
            d = c;
            c = b;
            b = a;
            a = t1 + t2;
        }
        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
        state[4] += e;
        state[5] += f;
        state[6] += g;
        state[7] += h;
    }
}

#if defined(__x86_64__)
/* The instructions want the state as (A,B,E,F) and (C,D,G,H), high lane first, and do two rounds at a time. */
__attribute__((target("sha,sse4.1,ssse3"))) static void
add_blocks_sha(uint32_t state[8], const unsigned char *data, size_t block_count)
{
    const __m128i swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    __m128i       abef = _mm_set_epi32((int)state[0], (int)state[1], (int)state[4], (int)state[5]);
    __m128i       cdgh = _mm_set_epi32((int)state[2], (int)state[3], (int)state[6], (int)state[7]);

    for (; block_count > 0; block_count--, data += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i       w[4]; /* the last sixteen words, in a ring of four by four */

        for (size_t i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(data + 16 * i)), swap);
        for (size_t i = 0; i < 16; i++) {
            __m128i sum;

            if (i >= 4) {
                const __m128i behind = _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4); /* w[t - 7] */

                w[i & 3] = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
                w[i & 3] = _mm_sha256msg2_epu32(_mm_add_epi32(w[i & 3], behind), w[(i + 3) & 3]);
            }
            sum = _mm_add_epi32(w[i & 3], _mm_loadu_si128((const __m128i *)(const void *)(k + 4 * i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    state[0] = (uint32_t)_mm_extract_epi32(abef, 3);
    state[1] = (uint32_t)_mm_extract_epi32(abef, 2);
    state[4] = (uint32_t)_mm_extract_epi32(abef, 1);
    state[5] = (uint32_t)_mm_extract_epi32(abef, 0);
    state[2] = (uint32_t)_mm_extract_epi32(cdgh, 3);
    state[3] = (uint32_t)_mm_extract_epi32(cdgh, 2);
    state[6] = (uint32_t)_mm_extract_epi32(cdgh, 1);
    state[7] = (uint32_t)_mm_extract_epi32(cdgh, 0);
}

/* __builtin_cpu_supports knows no "sha" in older compilers: leaf 7, EBX, bit 29. */
static bool
has_sha(void)
{
    uint32_t eax = 7, ebx, ecx = 0, edx;

    if (!__builtin_cpu_supports("sse4.1") || !__builtin_cpu_supports("ssse3"))
        return false;
    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return (ebx >> 29 & 1) != 0;
}
#endif

static void
add_blocks(uint32_t state[8], const unsigned char *data, size_t block_count)
{
#if defined(__x86_64__)
    static _Atomic int known; /* 0: not asked yet; 1: no; 2: yes */
    int                answer = atomic_load_explicit(&known, memory_order_relaxed);

    if (answer == 0) {
        answer = has_sha() ? 2 : 1;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    if (answer == 2) {
        add_blocks_sha(state, data, block_count);
        return;
    }
#endif
    add_blocks_plain(state, data, block_count);
}

void
sha256_init(sha256 *self)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    memcpy(self->state, start, sizeof start);
    self->bytes = 0;
}

void
sha256_add(sha256 *self, const void *data, size_t size)
{
    const unsigned char *at = data;
    const size_t         held = (size_t)(self->bytes % 64);

    self->bytes += size;
    if (held > 0) {
        const size_t some = size_min(64 - held, size);

        memcpy(self->block + held, at, some);
        at += some;
        size -= some;
        if (held + some < 64)
            return;
        add_blocks(self->state, self->block, 1);
    }
    add_blocks(self->state, at, size / 64);
    if (size % 64 > 0)
        memcpy(self->block, at + size / 64 * 64, size % 64);
}

void
sha256_end(sha256 *self, unsigned char out[SHA256_BYTES])
{
    const uint64_t      bits = self->bytes * 8;
    const unsigned char end = 0x80, zero = 0;
    unsigned char       length[8];

    sha256_add(self, &end, 1);
    while (self->bytes % 64 != 56)
        sha256_add(self, &zero, 1);
    for (size_t i = 0; i < 8; i++)
        length[i] = (unsigned char)(bits >> (56 - 8 * i));
    sha256_add(self, length, sizeof length);
    for (size_t i = 0; i < SHA256_BYTES; i++)
        out[i] = (unsigned char)(self->state[i / 4] >> (24 - 8 * (i % 4)));
}

void
sha256_text(sha256 *self, char out[SHA256_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char     sum[SHA256_BYTES];

    sha256_end(self, sum);
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[2 * SHA256_BYTES] = '\0';
}
