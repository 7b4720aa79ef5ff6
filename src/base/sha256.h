/* sha256.h - SHA-256 (FIPS 180-4): the checksum of a snapshot, as its users compare it with other tools. */
#ifndef OCT_SHA256_H
#define OCT_SHA256_H

#include "base/base.h"

#define SHA256_BYTES      32u
#define SHA256_TEXT_BYTES 65u /* 64 hexadecimal digits, lower case, and NUL */

typedef struct sha256 {
    uint32_t      state[8];
    uint64_t      bytes; /* so far */
    unsigned char block[64];
} sha256;

void sha256_init(sha256 *self);
void sha256_add(sha256 *self, const void *data, size_t size);
/* Either ends it. */
void sha256_end(sha256 *self, unsigned char out[SHA256_BYTES]);
void sha256_text(sha256 *self, char out[SHA256_TEXT_BYTES]);

#endif
