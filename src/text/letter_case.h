/* letter_case.h - lower case and ASCII spelling of letters. */
#ifndef OCT_TEXT_LETTER_CASE_H
#define OCT_TEXT_LETTER_CASE_H

#include "base/base.h"

/* Append `word` (valid UTF-8) in lower case, as Unicode's full mapping has it: a dotted capital I becomes two characters,
 * and a capital sigma at the end of a word the final one. */
void add_lower(buffer *out, oct_slice word);
/* Append `word` with every letter, digit and sign that has an ASCII spelling spelled so: "Straße" as "Strasse". */
void add_folded(buffer *out, oct_slice word);

bool is_white_space(uint32_t character); /* Unicode's White_Space */

/* The mapping of one character; the dotted capital I (U+0130) is the only one that becomes two, and is not here. */
uint32_t lower_of(uint32_t character);

/* fold_table.c */
typedef struct fold_entry {
    uint32_t code;
    char     text[5]; /* what the ASCII spelling is */
} fold_entry;

extern const fold_entry fold_table[];
extern const size_t     fold_table_count;

#endif
