/* float_text_internal.h - the table of float_text.c, for its test. */
#ifndef OCT_FLOAT_TEXT_INTERNAL_H
#define OCT_FLOAT_TEXT_INTERNAL_H

#include "base/base.h"

#define POWER_MIN (-31)
#define POWER_MAX 45

/* float_text_powers[e - POWER_MIN] is 10^e scaled by a power of two into [2^63, 2^64) and rounded up. */
extern const uint64_t float_text_powers[POWER_MAX - POWER_MIN + 1];

#endif
