/* value.h - the scalars of a compact document: which kind, which number, which string.
 *
 * A value is a slice of the document's text (scan.h). Strings are looked at as they are *spelled* there, between
 * their quotes: there is one spelling of each string (document.h), so equal strings are equal bytes, and what is
 * searched for is spelled once instead of each document being decoded.
 */
#ifndef OCT_PAYLOAD_VALUE_H
#define OCT_PAYLOAD_VALUE_H

#include "base/arena.h"

typedef enum value_kind {
    VALUE_NULL,
    VALUE_FALSE,
    VALUE_TRUE,
    VALUE_NUMBER,
    VALUE_STRING,
    VALUE_ARRAY,
    VALUE_OBJECT
} value_kind;

value_kind value_kind_of(oct_slice value);

/* The number, if it is an integer that 64 bits with a sign can hold: 5, not 5.0. */
bool value_integer(oct_slice value, int64_t *out);
/* The number as a 64-bit float, correctly rounded. False: it is no number. */
bool value_number(oct_slice value, double *out);

/* What stands between the quotes of a VALUE_STRING. */
static inline oct_slice
value_string(oct_slice value)
{
    return (oct_slice){value.data + 1, value.size - 2};
}

/* The spelling of UTF-8 text. False: out of memory. */
bool spell_text(oct_slice text, arena *memory, oct_slice *out);

/* The text that a spelling stands for: itself if it has no escapes, else in `memory`, whose content is replaced. False: out of
 * memory. */
bool unspell(oct_slice spelled, buffer *memory, oct_slice *out);

/* Of spelled strings: does one stand in the other, or at its beginning? */
bool spelled_contains(oct_slice string, oct_slice part);
bool spelled_starts(oct_slice string, oct_slice part);

#endif
