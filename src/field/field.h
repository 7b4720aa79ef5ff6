/* field.h - indexes of payload fields: which points have which values, without reading their documents.
 *
 * OWNS     posting lists over point numbers, sorted by value: one structure for all types, of which a keyword is looked up,
 *          a range of numbers read off, an order walked along, a facet counted. What a condition means is payload's
 *          (condition.h); here it is answered for all points at once, as two sets of points between which the answer lies.
 * RUNS     An index is a few immutable runs, oldest first. A run says everything about the points that it *owns*, whatever
 *          older runs say of them; the first owns all points. So an update is a small new run of the points that changed,
 *          a delete one that has no values for them, and nothing is ever changed in place. Runs of like size are merged
 *          (a log-structured merge tree of one level each, O'Neil et al. 1996).
 * VIEW     The runs at one version of the shard: right about every point that no later operation has touched. A reader
 *          brings it up to date by the points whose version is later - few, as a job behind the writers does the same -
 *          and publishes what it made, unless another was quicker. No writer waits, no reader waits, nothing in an index
 *          is logged or can make a write fail.
 * ODD      A point is odd if it has a value that the type does not index (a string under an integer index). Filters mean
 *          the same with and without an index, so of an odd point a condition may have to ask the document. In
 *          clean data none is odd.
 * CALLED   by collection/. Calls payload.
 * MEMORY   Views and runs are counted. What a view replaces is retired (base/epoch.h): readers are pinned.
 * THREADS  Any. field_index_publish may race; the loser's work is thrown away.
 * READ     field_internal.h (runs), run.c, match.c, positions.c (phrases), walk.c, view.c; extract.c (what a document
 *          has), store.c (bytes).
 */
#ifndef OCT_FIELD_H
#define OCT_FIELD_H

#include "payload/condition.h"

typedef struct field_index field_index;
typedef struct field_view  field_view;

/* One reference. `config` is copied. `words`: how a text index splits strings, NULL for other types; it must outlive the index
 * and whatever was compiled with it. */
oct_status   field_index_new(const oct_field_index *config, text_analyzer *words, field_index **out, oct_error *error);
field_index *field_index_share(field_index *self);
void         field_index_release(field_index *self); /* accepts NULL */

const oct_field_index *field_index_config(const field_index *self);
const path            *field_index_path(const field_index *self);
text_analyzer         *field_index_words(const field_index *self);

/* --- views ----------------------------------------------------------------------------------- */

/* What is published; NULL: nothing was built yet. Valid while pinned. */
field_view *field_index_view(const field_index *self);

/* The document of a point; size 0: it is dead. The text need only last until the next call. */
typedef oct_status (*field_document)(const void *context, uint32_t point, oct_slice *out, oct_error *error);

/* What a view is made of. */
typedef struct field_change {
    uint64_t        version;     /* of the shard before anything was looked at */
    uint64_t        mark;        /* the caller's, kept with the view */
    uint32_t        point_count; /* numbers below this exist */
    const uint32_t *points;      /* those to read, ascending; NULL: first .. first + count - 1 */
    uint32_t        first, count;
    field_document  document;
    const void     *context;
    uint64_t        merge_max; /* merge runs of at most so many values: what a reader may spend is less than a job */
} field_change;

/* A view like `old` (NULL: an empty one) but for the points of the change. One reference. OCT_NOMEM, OCT_CORRUPT, OCT_RANGE. */
oct_status field_view_extend(const field_index *self, const field_view *old, const field_change *change, field_view **out,
                             oct_error *error);
/* Let readers have `fresh`, unless what is published is not `old` any more. The reference stays the caller's. */
bool       field_index_publish(field_index *self, field_view *old, field_view *fresh);
void       field_view_release(field_view *self); /* accepts NULL */
uint64_t   field_view_version(const field_view *self);
uint64_t   field_view_mark(const field_view *self);
uint32_t   field_view_point_count(const field_view *self);
uint64_t   field_view_bytes(const field_view *self);

/* What its owner remembers of the file that it is kept in; guarded by the owner. */
typedef struct field_saved {
    bool     is_there;
    uint64_t version, mark; /* of the view in it */
} field_saved;

field_saved *field_index_saved(field_index *self);

/* --- keeping: store.c -------------------------------------------------------------------------- */

/* The view as bytes, appended to `out`. `key` says what the index is. OCT_NOMEM. */
oct_status field_view_encode(const field_view *self, oct_slice key, buffer *out, oct_error *error);
/* Back, as one reference; of the same key, else OCT_NOT_FOUND. OCT_CORRUPT, OCT_NOMEM. Its mark is 0. */
oct_status field_view_decode(const field_index *index, oct_slice key, oct_slice bytes, field_view **out, oct_error *error);
void       field_view_set_mark(field_view *self, uint64_t mark); /* of one that nobody else has */

/* --- asking: `bits` are those of field_view_point_count points ------------------------------- */

/* The points that pass are among `upper`, and those of `lower` are among them. Both are zeroed by the caller. False: the
 * index knows nothing of such a test. */
bool field_view_test(const field_view *self, const field_test *test, uint64_t *lower, uint64_t *upper);
/* Points that have an indexed value. */
void field_view_indexed(const field_view *self, uint64_t *bits);

/* --- walking by value -------------------------------------------------------------------------- */

/* A value as it is sorted. */
typedef struct field_value {
    uint64_t  number; /* of all types but keyword, uuid and geo */
    oct_slice text;   /* keyword, uuid: as documents spell it, in the view's memory */
} field_value;

int64_t  field_integer_of(uint64_t number); /* integer, bool, datetime */
double   field_double_of(uint64_t number);  /* float */
uint64_t field_number_of_integer(int64_t value);
uint64_t field_number_of_double(double value);

typedef struct field_cursor field_cursor;

/* Before the first value, or, going down, behind the last. Lives in the arena, and the view longer. */
oct_status field_cursor_new(const field_view *view, bool down, arena *memory, field_cursor **out, oct_error *error);
/* Pass over values before this one (of a type with numbers). */
void       field_cursor_seek(field_cursor *self, uint64_t number);
/* The next different value. False: there is none. */
bool       field_cursor_next(field_cursor *self, field_value *out);
/* Its points that are in `among`, which has bits for `point_count` points, ascending within each run, at most `run_max` of
 * each; into `out`, in no order beyond that, without repeats. OCT_NOMEM. */
oct_status field_cursor_points(field_cursor *self, const uint64_t *among, uint32_t point_count, size_t run_max,
                               buffer *out, oct_error *error);
/* How many there are. */
uint64_t   field_cursor_count(field_cursor *self, const uint64_t *among, uint32_t point_count);

#endif
