/* uuid.h - UUIDs as text. */
#ifndef OCT_UUID_H
#define OCT_UUID_H

#include "base/base.h"

/* Hyphenated, 32 hex digits, `urn:uuid:` or braces round the hyphenated form; letters of either case. */
bool uuid_parse(oct_slice text, oct_id *out);

#endif
