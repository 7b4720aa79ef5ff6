/* text.h - from strings to tokens: what text indexes, BM25 and text conditions of filters share.
 *
 * OWNS     splitting (word, whitespace, prefix, multilingual), folding, lower case, stop words, stemming; the rule that
 *          a text asked for and a text stored go the same way. Which points have a token is text_index.h's, weights are
 *          bm25.h's.
 * PIPE     Each word, in this order: ASCII spelling (fold) -> lower case -> stop words -> Snowball stem -> length in
 *          characters. The steps that are off cost nothing.
 * SPLIT    word          at every character that is neither letter nor digit (base/letters.h)
 *          whitespace    at Unicode's white space
 *          prefix        as word; a document gives every prefix of each word, from min_token_len to max_token_len, a query
 *                        only the longest, and keeps stop words (the last word may be a beginning)
 *          multilingual  as word; but runs of scripts that put no spaces between words (Chinese, kana, Thai, Lao, Khmer,
 *                        Burmese) give, of a document, each letter and each pair of neighbours; of a query the pairs, or
 *                        the letter if it is alone. See docs/decisions on why no dictionary.
 * POSITION Tokens are counted as they come out, so that a phrase skips dropped words. What starts at one place
 *          (prefixes of a word, a letter and its pair) has one position.
 * UTF-8    Bytes that are none split, as a blank does, and are part of no token.
 * CALLED   by collection/ and payload/'s caller through text_index.h. Calls base/ and libstemmer.
 * MEMORY   An analyzer is immutable but for its reserve of runs. A text_run is the scratch of one thread: buffers and a stemmer.
 * THREADS  Analyzer: any. Run: one at a time.
 * READ     analyzer.c, then letter_case.c, stop_lists.h.
 */
#ifndef OCT_TEXT_H
#define OCT_TEXT_H

#include "base/base.h"

#define TEXT_PREFIX_MAX     255u /* characters of the longest prefix: of a word of n letters there are n of them, n * n bytes */
#define TEXT_STEM_BYTES_MAX 255u /* longer "words" are none, and are left as they are */

typedef struct text_analyzer text_analyzer;

/* Everything is copied. Errors: OCT_INVALID (an unknown language, stemmer or tokenizer, in a sentence that lists what there
 * is), OCT_RANGE (too many stop words, a length beyond OCT_TOKEN_LEN_MAX, min_token_len above max_token_len). */
oct_status text_analyzer_new(const oct_text_config *config, text_analyzer **out, oct_error *error);
void       text_analyzer_free(text_analyzer *self); /* accepts NULL */

typedef struct text_run text_run;

/* Keeps `analyzer`, which must outlive it. */
oct_status text_run_new(text_analyzer *analyzer, text_run **out, oct_error *error);
void       text_run_free(text_run *self); /* accepts NULL */

/* A run of the analyzer's few in reserve, or a new one; and back. A run is left as it was. Any thread. */
oct_status text_run_borrow(text_analyzer *analyzer, text_run **out, oct_error *error);
void       text_run_return(text_run *self); /* accepts NULL */
/* `words` words of bits of the caller's, all zero; `words` 0: as they are. NULL: out of memory. They last until the run is
 * given back. */
uint64_t *text_run_bits(text_run *self, size_t words);

typedef enum text_purpose { TEXT_DOCUMENT, TEXT_QUERY } text_purpose;

/* A token is valid during the call. Another status than OCT_OK ends the analysis, which returns it. */
typedef oct_status (*text_take)(void *context, oct_slice token, uint32_t position, oct_error *error);

/* Give every token of `text`, by position, to `take`. Positions go on from *position (NULL: from 0). */
oct_status text_analyze(text_run *self, oct_slice text, text_purpose purpose, uint32_t *position, text_take take,
                        void *context, oct_error *error);

/* --- languages ------------------------------------------------------------------------------ */

/* The name of a language by its long or short name, or NULL if it has none of these. Constant strings. */
const char *text_stop_words_language(oct_slice language);
const char *text_stemmer_language(oct_slice language);

#endif
