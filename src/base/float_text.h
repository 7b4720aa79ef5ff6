/* float_text.h - a 32-bit float as the shortest JSON number that reads back as exactly that float. */
#ifndef OCT_FLOAT_TEXT_H
#define OCT_FLOAT_TEXT_H

#include "base/base.h"

#define FLOAT_TEXT_MAX 24u /* the longest is "-1234567800000000.0", 19 bytes; the rest is slack for copies */

/* Write `value` to `out`, which has room for FLOAT_TEXT_MAX bytes, and return how many it took; no NUL
 * follows. Plain notation with a point for 1e-5 <= |value| < 1e16 and for zero, as 0.1, 3.0 or -0.0;
 * otherwise 1e-6 or 1.5e16. NaN and infinities, which JSON cannot say, become null. */
size_t float_text(float value, char *out);

#endif
