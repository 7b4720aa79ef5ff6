/* siphash.h - SipHash-2-4 (Aumasson and Bernstein 2012) with a key of zeroes: how Qdrant cuts ids into slices. */
#ifndef OCT_PAYLOAD_SIPHASH_H
#define OCT_PAYLOAD_SIPHASH_H

#include "base/base.h"

uint64_t siphash(const void *data, size_t size);
/* Of a number its 8 bytes, the lowest first; of a UUID its 16 as they are written. */
uint64_t siphash_id(const oct_id *id);

#endif
