/* field_internal.h - runs, and what goes into them. For src/field only; see field.h. */
#ifndef OCT_FIELD_INTERNAL_H
#define OCT_FIELD_INTERNAL_H

#include "base/arena.h"
#include "field/field.h"
#include "text/match.h"

/* --- list.c: sets of points ------------------------------------------------------------------ */

/* Ascending numbers; many of them as bits. Zero is the empty list. */
typedef struct field_list {
    uint32_t *numbers; /* NULL when they are bits */
    uint32_t  count, capacity;
    uint64_t *words;
    uint32_t  word_count;
} field_list;

bool field_list_add(field_list *self, uint32_t point); /* not below the last one; a repeat is dropped. False: no memory */
/* No more is added: keep it in the smaller form. */
void   field_list_finish(field_list *self);
void   field_list_clear(field_list *self);
void   field_list_set(const field_list *self, uint64_t *bits);   /* bits |= list */
void   field_list_unset(const field_list *self, uint64_t *bits); /* bits &= ~list */
size_t field_list_bytes(const field_list *self);
/* Both, but of `older` only what is not in the bits. */
bool field_list_merge(const field_list *older, const uint64_t *superseded, const field_list *newer, field_list *out);

static inline void
bit_set(uint64_t *bits, uint32_t point)
{
    bits[point / 64] |= (uint64_t)1 << (point % 64);
}

static inline void
bit_unset(uint64_t *bits, uint32_t point)
{
    bits[point / 64] &= ~((uint64_t)1 << (point % 64));
}

static inline bool
bit_is_set(const uint64_t *bits, uint32_t point)
{
    return (bits[point / 64] >> (point % 64) & 1) != 0;
}

/* --- positions.c: where the tokens of a text index stand, for phrases ----------------------------- */

#define FIELD_PHRASE_MAX 64u /* positions of a phrase that an index answers; a phrase of more is for documents */
#define FIELD_BLOCK      16u /* entries that a lookup may have to skip */

/* Of each entry of a run its ascending positions, in the order of the entries. */
typedef struct field_positions {
    buffer bytes;  /* lists */
    buffer blocks; /* uint64_t: where the list of every FIELD_BLOCK-th entry begins */
} field_positions;

/* The list of the next entry, whose number is given, or that of another run's entry. False: no memory. */
bool field_positions_add(field_positions *self, uint32_t entry, const uint32_t *list, size_t count);
bool field_positions_copy(field_positions *self, uint32_t entry, const field_positions *from, uint32_t from_entry);
const char *field_positions_at(const field_positions *self, uint32_t entry);
void        field_positions_clear(field_positions *self);
size_t      field_positions_bytes(const field_positions *self);
/* Of bytes that come from outside: are they the lists of so many entries? */
bool        field_positions_hold(const field_positions *self, uint32_t entry_count);

typedef struct field_phrase_place {
    uint32_t token, place; /* a token of the match, and how far behind the beginning it stands */
} field_phrase_place;

typedef struct field_phrase {
    size_t             count;
    field_phrase_place places[FIELD_PHRASE_MAX];
} field_phrase;

/* False: such a phrase is for documents. */
bool field_phrase_plan(const text_match *words, field_phrase *out);
/* Does it stand in a point? entries[t]: that of token t. `memory` is kept from call to call; *failed: there was none. */
bool field_phrase_stands(const field_phrase *self, const field_positions *positions, const uint32_t *entries, buffer *memory,
                         bool *failed);

/* --- extract.c: what a document has ------------------------------------------------------------ */

/* How values of a type are sorted. */
typedef enum field_order { FIELD_BY_NUMBER, FIELD_BY_TEXT, FIELD_BY_PLACE } field_order;

/* Integers, dates (microseconds), booleans and floats so that keys compare as they do. */
static inline uint64_t
key_of_integer(int64_t value)
{
    return (uint64_t)value ^ (uint64_t)1 << 63;
}

static inline int64_t
integer_of_key(uint64_t key)
{
    return (int64_t)(key ^ (uint64_t)1 << 63);
}

uint64_t key_of_double(double value); /* -0.0 as 0.0 */
double   double_of_key(uint64_t key);
/* Bits of longitude and latitude in turns, so that what is near in keys is near on the earth (Morton 1966). */
uint64_t key_of_place(const oct_geo_point *place);

typedef struct field_key {
    uint64_t      number;
    oct_slice     text; /* FIELD_BY_TEXT */
    uint32_t      position; /* of a token among those of the point */
    oct_geo_point place;
} field_key;

/* The values of one document. */
typedef struct field_values {
    field_key *keys;
    size_t     count, capacity;
    bool       filled; /* one is neither null nor [] */
    bool       null;   /* one is null, or an array that holds null */
    bool       many;   /* there are several, or an array of several */
    bool       odd;    /* one is not indexed, or not as what it is */
    uint32_t   position; /* of the next token */
    buffer     text;   /* spellings that the document does not have */
} field_values;

struct field_index {
    _Atomic uint32_t      references;
    arena                 memory; /* set when made, as the next lines */
    oct_field_index       config;
    path                  where;
    field_order           order;
    text_analyzer        *words; /* of a text index: not owned */
    _Atomic(field_view *) view; /* replaced whole; the old one is retired */
    field_saved           saved; /* the caller's */
};

/* Into a list that may hold what an earlier call left. */
oct_status field_extract(const field_index *index, oct_slice document, field_values *out, oct_error *error);
void       field_values_clear(field_values *self);

/* --- run.c -------------------------------------------------------------------------------------- */

/* Immutable. Keys ascend; points[starts[k] .. starts[k + 1]) have key k, ascending. */
typedef struct field_run {
    _Atomic uint32_t references;
    field_order      order;
    bool             owns_all; /* the first run: all points */
    field_list       owned;    /* if not */
    uint32_t         key_count;
    uint64_t        *keys;        /* not of texts */
    oct_geo_point   *places;      /* of places */
    char            *text;        /* of texts: key k is text[text_starts[k] .. text_starts[k + 1]) */
    size_t          *text_starts;
    uint32_t        *starts;
    uint32_t        *points;
    uint32_t         entry_count;
    bool             has_positions; /* of each entry; a text index with phrases */
    field_positions  positions;
    field_list       indexed; /* points with a key */
    field_list       filled, null, many, odd;
} field_run;

void   field_run_release(field_run *self);
size_t field_run_bytes(const field_run *self);

static inline oct_slice
run_text(const field_run *self, uint32_t key)
{
    return (oct_slice){self->text + self->text_starts[key], self->text_starts[key + 1] - self->text_starts[key]};
}

/* First key that is not smaller; key_count if all are. */
uint32_t run_find_number(const field_run *self, uint64_t key);
uint32_t run_find_text(const field_run *self, oct_slice text, bool *is_there);

oct_status field_run_build(const field_index *index, const field_change *change, bool owns_all, field_run **out,
                           oct_error *error);
/* Two neighbours as one. */
oct_status field_run_merge(const field_run *older, const field_run *newer, uint32_t point_count, field_run **out,
                           oct_error *error);

/* --- view.c -------------------------------------------------------------------------------------- */

#define FIELD_RUNS_MAX 64u /* each is at least as large as all after it, or they are merged */

struct field_view {
    _Atomic uint32_t references;
    oct_field_type   type;
    text_analyzer   *words; /* the index's */
    uint64_t         version, mark;
    uint32_t         point_count;
    uint32_t         run_count;
    field_run       *runs[FIELD_RUNS_MAX]; /* oldest first */
};

/* --- places.c ------------------------------------------------------------------------------------ */

/* Set the bits of the points of one run that pass TEST_RADIUS, TEST_BOX or TEST_POLYGON, in both. */
void field_run_places(const field_run *self, const field_test *test, uint64_t *lower, uint64_t *upper);

#endif
