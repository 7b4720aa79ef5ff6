/* match.h - does a text have the words asked for? The conditions `text`, `text_any` and `phrase` on an indexed field.
 *
 * MEANING  ALL     every token of the query is among those of the texts, in any order
 *          ANY     one of them is
 *          PHRASE  they follow each other in one text as they do in the query
 *          The texts are all strings that a point has in the field: an index knows which point a token belongs to, not which
 *          of its strings. A query without tokens matches nothing.
 * HOW      The query is split once, its tokens sorted. A text is split as it is looked at, each token looked up among the few
 *          of the query; nothing is kept of it. For phrases a bit per position of the query tells which of its
 *          beginnings end at the token just read (Baeza-Yates, Gonnet 1992: shift-and), so that no text, however
 *          repetitive, costs more than its length times the words of bits.
 * THREADS  A compiled match may be used by many threads; a matching is one thread's.
 */
#ifndef OCT_TEXT_MATCH_H
#define OCT_TEXT_MATCH_H

#include "base/arena.h"
#include "text/text.h"

#define TEXT_PHRASE_MAX 4096u /* positions; 64 words of bits a token */

typedef enum text_match_kind { TEXT_MATCH_ALL, TEXT_MATCH_ANY, TEXT_MATCH_PHRASE } text_match_kind;

typedef struct text_match {
    text_match_kind  kind;
    text_analyzer   *analyzer; /* not owned */
    const oct_slice *tokens;   /* sorted, each once */
    size_t           count;
    size_t           length; /* phrase: positions from its first token to its last */
    const uint64_t  *masks;  /* phrase: of each token the positions where it stands; then those where anything may */
} text_match;

/* Lives in `memory`; `analyzer` must outlive it. OCT_RANGE: a phrase that is too long. */
oct_status text_match_new(text_analyzer *analyzer, text_match_kind kind, oct_slice text, arena *memory, text_match **out,
                          oct_error *error);

/* The state of one question. Begin, feed each text, ask, end. */
typedef struct text_matching {
    const text_match *match;
    text_run         *run;
    size_t            missing; /* tokens not seen */
    uint64_t          last;    /* phrase: position of the token before; none yet: UINT64_MAX */
    bool              holds;
} text_matching;

oct_status text_matching_begin(const text_match *match, text_matching *self, oct_error *error);
/* Look at one text. True in self->holds is final: the rest need not be fed. */
oct_status text_matching_feed(text_matching *self, oct_slice text, oct_error *error);
void       text_matching_end(text_matching *self);

#endif
