/* text_index.h - from a token to the points that have it: the posting lists of one indexed text field.
 *
 * LISTS    token -> numbers of points, in the order in which they were put, as differences in bytes (a sign and seven bits
 *          a byte): one or two bytes a token and point. No positions: a phrase is looked for among the points that have
 *          all of its words, in their texts.
 * CHANGES  Lists only grow. A point put a second time, or removed, stays in the lists of its old tokens and becomes *unsure*: what
 *          is found of it has to be asked of its document (match.h). So a list tells more points than match, never
 *          fewer. When too many are unsure, text_index_is_stale says that building anew is worth it.
 * THREADS  One writer. Readers are pinned (base/epoch.h) and take no lock: dictionary and lists are replaced whole when they
 *          grow, and bytes are published by their list's size.
 * MEMORY   What a put needs is made before anything changes: it happens whole or not at all.
 */
#ifndef OCT_TEXT_INDEX_H
#define OCT_TEXT_INDEX_H

#include "text/match.h"

typedef struct text_index text_index;

oct_status text_index_new(const oct_text_config *config, text_index **out, oct_error *error);
/* No reader may be left. Accepts NULL. */
void text_index_free(text_index *self);

/* For text_match_new. */
text_analyzer *text_index_analyzer(text_index *self);

/* --- the writer --- */

/* These are the strings that `point` has in the field now. OCT_NOMEM: nothing has changed, and the index must be built anew. */
oct_status text_index_put(text_index *self, uint32_t point, const oct_slice *texts, size_t count, oct_error *error);
/* It has none. */
oct_status text_index_remove(text_index *self, uint32_t point, oct_error *error);

/* --- readers --- */

/* Set the bits of all points below `point_count` that may match; others are left alone. `unsure` (may be NULL) gets those of
 * them that must be asked: everything found of a phrase, and changed points. The rest do match. */
oct_status text_index_find(const text_index *self, const text_match *match, uint64_t *bits, uint64_t *unsure,
                           uint32_t point_count, oct_error *error);
/* No more points than this match, and for a single word not changed often about as many do. */
uint64_t text_index_estimate(const text_index *self, const text_match *match);

uint64_t text_index_points(const text_index *self); /* that have a string */
uint64_t text_index_terms(const text_index *self);
uint64_t text_index_bytes(const text_index *self);
bool     text_index_is_stale(const text_index *self);

#endif
