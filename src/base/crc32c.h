/* crc32c.h - CRC-32C (Castagnoli), the checksum of every byte on disk. */
#ifndef OCT_CRC32C_H
#define OCT_CRC32C_H

#include "base/base.h"

/* The CRC of `size` bytes. `seed` is the CRC of what came before them, 0 at the start, so that
 *     crc32c(crc32c(0, a, n), b, m)
 * is the CRC of a followed by b. "123456789" gives 0xE3069283. Any alignment; any thread. */
uint32_t crc32c(uint32_t seed, const void *data, size_t size);

/* The CRC of a followed by b from the CRCs of a and of b and the size of b, in a
 * microsecond or so: threads may sum parts of a file, and the parts join without being read again. */
uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t b_bytes);

/* The same value without the CPU's instruction, for tests to compare; crc32c picks by itself. */
uint32_t    crc32c_by_table(uint32_t seed, const void *data, size_t size);
const char *crc32c_method(void); /* "sse4.2", "armv8" or "table": what crc32c uses on this machine */

#endif
