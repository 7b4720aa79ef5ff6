/* document.h - payload documents: the JSON object that a point carries.
 *
 * OWNS     what a document is, how it is changed and what part of it is shown. Field indexes and filters
 *          read documents with the paths of path.h; rows, points and files are not this folder's business.
 * FORM     A document is compact text that document_check or document_edit_apply wrote: one JSON object,
 *          valid UTF-8, no spaces, no key twice in an object, strings escaped in one way only (so keys compare as
 *          bytes), numbers in their shortest form, nested and sized within the limits of octant.h. It is
 *          stored and answered as it stands; nobody parses it to pass it on.
 * HOW      Text from outside is parsed once, by yyjson, which also writes the compact form. From then on all
 *          work is done on the text: what a change or a selection does not touch is copied in one piece
 *          (scan.h). A document that breaks its form, which only damage can cause, gives OCT_CORRUPT.
 * CALLED   by collection/ (writes, answers). Calls base/ and yyjson.
 * MEMORY   Plans live in the arena given; texts are copied into it. Results are appended to a buffer; after
 *          a failure what was appended is to be ignored.
 * THREADS  Functions keep nothing. A plan may be used by many threads at once.
 * READ     path.h, tree.h (many paths as one), scan.h, then document.c, edit.c, view.c.
 */
#ifndef OCT_PAYLOAD_DOCUMENT_H
#define OCT_PAYLOAD_DOCUMENT_H

#include "base/arena.h"

/* --- from outside ---------------------------------------------------------------------------- */

/* Check a document and append its compact form. Empty `json` is {}. Numbers keep their value (64-bit
 * integers exactly, others as doubles); of a repeated key the last value counts, at the first one's place.
 * OCT_INVALID: not JSON, not an object; OCT_RANGE: too large, too deep. */
oct_status document_check(oct_slice json, buffer *compact, oct_error *error);

/* --- changing --------------------------------------------------------------------------------- */

typedef struct document_edit document_edit;

/* Check a change once, to apply it to many documents. OCT_FORMAT for a bad path; else as document_check. */
oct_status document_edit_plan(const oct_payload_change *change, arena *memory, const document_edit **out,
                              oct_error *error);
/* Append the changed document. OCT_RANGE: it would break a limit. */
oct_status document_edit_apply(const document_edit *edit, oct_slice document, buffer *out, oct_error *error);
/* Both at once. */
oct_status document_change(oct_slice document, const oct_payload_change *change, buffer *out,
                           oct_error *error);

/* --- showing ---------------------------------------------------------------------------------- */

typedef struct document_view document_view;

/* Only the include and exclude paths of `select` matter here. With both, what is shown is included and
 * not excluded. With neither, *out shows everything. OCT_FORMAT for a bad path. */
oct_status document_view_plan(const oct_select *select, arena *memory, const document_view **out,
                              oct_error *error);
/* Append what is to be shown. */
oct_status document_view_apply(const document_view *view, oct_slice document, buffer *out, oct_error *error);
/* Both at once. */
oct_status document_select(oct_slice document, const oct_select *select, buffer *out, oct_error *error);

#endif
