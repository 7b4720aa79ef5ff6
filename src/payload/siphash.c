/* See siphash.h. The letters v, c and d are the paper's (section 2.1): c = 2 rounds a word, d = 4 at the end. */
#include "payload/siphash.h"

typedef struct sip {
    uint64_t v0, v1, v2, v3;
} sip;

static uint64_t
rotate_left(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void
sip_rounds(sip *self, unsigned count)
{
    for (; count > 0; count--) {
        self->v0 += self->v1;
        self->v2 += self->v3;
        self->v1 = rotate_left(self->v1, 13) ^ self->v0;
        self->v3 = rotate_left(self->v3, 16) ^ self->v2;
        self->v0 = rotate_left(self->v0, 32);
        self->v2 += self->v1;
        self->v0 += self->v3;
        self->v1 = rotate_left(self->v1, 17) ^ self->v2;
        self->v3 = rotate_left(self->v3, 21) ^ self->v0;
        self->v2 = rotate_left(self->v2, 32);
    }
}

static void
sip_word(sip *self, uint64_t word)
{
    self->v3 ^= word;
    sip_rounds(self, 2);
    self->v0 ^= word;
}

uint64_t
siphash(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    /* "somepseudorandomlygeneratedbytes", each word xored with a half of the key, which is zero. */
    sip      state = {0x736F6D6570736575u, 0x646F72616E646F6Du, 0x6C7967656E657261u, 0x7465646279746573u};
    uint64_t last = (uint64_t)size << 56;
    size_t   i = 0;

    for (; i + 8 <= size; i += 8)
        sip_word(&state, get_u64(bytes + i));
    for (unsigned shift = 0; i < size; i++, shift += 8)
        last |= (uint64_t)bytes[i] << shift;
    sip_word(&state, last);
    state.v2 ^= 0xFF;
    sip_rounds(&state, 4);
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

uint64_t
siphash_id(const oct_id *id)
{
    unsigned char bytes[16];

    if (id->is_uuid == 0) {
        put_u64(bytes, id->low);
        return siphash(bytes, 8);
    }
    put_u64(bytes, __builtin_bswap64(id->high));
    put_u64(bytes + 8, __builtin_bswap64(id->low));
    return siphash(bytes, 16);
}
