/* sparse.h - the sparse vectors of one name in one shard: stored, and searched exactly by an inverted index.
 *
 * OWNS     vectors (row after row, never changed), the maps row -> point and point -> row, and for each term (an index
 *          that some vector has) the list of the rows that have it, with their weights: lists.h, postings.h.
 * LISTED   Rows [0, listed) are in the lists, and as a rule all are. An index that was loaded begins with what is in files, one
 *          whose writes are replayed with what it has (sparse_defer_lists), so that opening costs no more than mapping the
 *          files; a job and the writers then add the rest in order, some at a time. Until they are there a search looks through
 *          the vectors of the rows behind, with the same result.
 * POINTS   As in graph.h: a new vector for a point takes a new row, the old one dies, and dead rows stay in the lists
 *          until a compaction.
 * SCORE    The dot product over the terms that both have: products and sums in 64-bit floats, by ascending term, rounded
 *          once to 32 bits. The product of two 32-bit floats is exact in 64 bits, so whether a compiler fuses it with
 *          the sum does not matter: same bits on every CPU, from the lists or from the two vectors. Points that share no
 *          term with the query have no score and are not found.
 * SEARCH   Windows of rows, after SINDI (arXiv:2509.08395): for each window the lists are added up term by term into an
 *          array that stays in the first caches; then what was touched is offered to the heap. No sorting, no skipping of
 *          candidates, and therefore no error. If a filter lets through so few points that reading their vectors is
 *          less work than the lists, that is done instead, with the same result.
 * CALLED   by shard. Calls storage/heap.h, base.
 * THREADS  Writing functions: one at a time, by the shard's writer. Reading: any number, at any time, pinned, without a
 *          lock; a write is seen whole once it is published.
 * READ     sparse.c (rows), lists.h (lists, in files and in memory), postings.h (those in memory), sparse_search.c,
 *          sparse_copy.c (compaction, files).
 */
#ifndef OCT_SPARSE_H
#define OCT_SPARSE_H

#include "base/rows.h"
#include "base/top.h"

#define SPARSE_NONE     UINT32_MAX
#define SPARSE_ROWS_MAX (1u << 30)

typedef struct sparse_index sparse_index;

/* A part of the lists that lies in files: of rows [first_row, end_row). See lists.h. */
typedef struct sparse_run sparse_run;
typedef struct sparse_run_state {
    uint32_t id, first_row, end_row, term_count, posting_count;
} sparse_run_state;

/* Ascending indices, and a weight for each. */
typedef struct sparse_vector {
    const uint32_t *indices; /* NULL: there is no vector. One without entries has an address too */
    const float    *values;
    uint32_t        count;
} sparse_vector;

oct_status sparse_new(sparse_index **out, oct_error *error);
/* No reader may be left. Accepts NULL. */
void sparse_free(sparse_index *self);

/* --- writing: the shard's writer --------------------------------------------------------------- */

/* Room for `count` more vectors with counts[i] entries each, whose indices come one after the other, and for points
 * [0, point_count), so that appending them cannot fail. */
oct_status sparse_reserve(sparse_index *self, const uint32_t *counts, const uint32_t *indices, size_t count,
                          uint32_t point_count, oct_error *error);
/* Give a point a vector: a new row, true. If it has that very vector already, nothing changes: false. */
bool sparse_append(sparse_index *self, uint32_t point, const sparse_vector *vector);
/* A row that is dead from the start: what a restored shard had. There must be room. */
void sparse_append_dead(sparse_index *self, uint32_t point, const sparse_vector *vector);
/* Take a point's vector away; none is fine. */
void sparse_remove(sparse_index *self, uint32_t point);
/* Let searches see what was appended. */
void sparse_publish(sparse_index *self);
/* Leave what is appended from now on out of the lists, until sparse_list_rows has caught up. */
void sparse_defer_lists(sparse_index *self);
/* Add rows to the lists that are not there yet, until that were some `entries_max` entries or there are no more. */
oct_status sparse_list_rows(sparse_index *self, uint64_t entries_max, oct_error *error);
/* Drop lists in which damage was found, so that their rows are listed anew. Not while lists are written. OCT_NOMEM. */
oct_status sparse_cut_lists(sparse_index *self, oct_error *error);
/* Any thread: are there such rows, or such lists? */
bool sparse_is_behind(const sparse_index *self);

/* --- reading ------------------------------------------------------------------------------------ */

/* The row of a point's vector, or SPARSE_NONE. */
uint32_t sparse_row_of(const sparse_index *self, uint32_t point);
/* The vector of a point, valid while pinned; no indices: it has none. OCT_CORRUPT. */
oct_status sparse_get(const sparse_index *self, uint32_t point, sparse_vector *out, oct_error *error);
/* Of a row below sparse_row_count, dead or alive. */
oct_status sparse_get_row(const sparse_index *self, uint32_t row, sparse_vector *out, oct_error *error);
uint32_t   sparse_point_of(const sparse_index *self, uint32_t row);

uint32_t sparse_row_count(const sparse_index *self);  /* dead ones included */
uint32_t sparse_live_count(const sparse_index *self); /* points that have a vector */
uint64_t sparse_ram_bytes(const sparse_index *self);
/* Memory by part, added: its own, and what is mapped from files. */
void     sparse_measure(const sparse_index *self, uint64_t *vectors, uint64_t *vectors_mapped, uint64_t *lists, uint64_t *lists_mapped,
                        uint64_t *rows_, uint64_t *rows_mapped);
uint64_t sparse_stored_bytes(const sparse_index *self); /* of the vectors, dead ones included */

/* The dot product; *overlap tells whether they share a term. */
float sparse_dot(const sparse_vector *a, const sparse_vector *b, bool *overlap);

/* Which points count: a bit a point, NULL: all. */
typedef struct sparse_scope {
    const uint64_t *allowed;
    uint32_t        allowed_points; /* bits there are; points beyond do not count */
    uint32_t        allowed_count;  /* bits that are set */
} sparse_scope;

typedef struct sparse_query {
    sparse_vector vector;
    size_t        limit;
    sparse_scope  scope;
    top_tie       tie;
    const void   *tie_context;
} sparse_query;

/* The best `limit` points, best first, into `hits` (limit entries); a hit's distance is minus its score. OCT_NOMEM;
 * OCT_CORRUPT, if a stored vector is damaged that might be among them. */
oct_status sparse_search(const sparse_index *self, const sparse_query *query, top_hit *hits, size_t *count,
                         oct_error *error);

/* Multiply the weights of a query's terms by their inverse document frequency, ln(1 + (n - df + 0.5) / (df + 0.5)): of the n
 * points in scope that have a vector, df have the term. Indices ascend. OCT_NOMEM. */
oct_status sparse_weigh(const sparse_index *self, const sparse_scope *scope, const uint32_t *indices, float *values, uint32_t count,
                        oct_error *error);

/* --- compacting: a new index takes over from an old one ---------------------------------------- */

/* First, while `from` goes on being written: the rows below `row_count` that are alive. */
oct_status sparse_copy_rows(sparse_index *self, const sparse_index *from, uint32_t row_count, oct_error *error);
/* Last, with the writer's lock held: what has changed since. Afterwards both hold the same points. */
oct_status sparse_catch_up(sparse_index *self, const sparse_index *from, uint32_t row_count, oct_error *error);

/* --- checking, saving --------------------------------------------------------------------------------- */

/* Invariants of maps and lists. OCT_CORRUPT names the row. Not while anything is written. */
oct_status sparse_check(const sparse_index *self, oct_error *error);

typedef struct sparse_column {
    const char *name; /* "entries", "heads", "seats", "live" */
    rows       *data;
    uint64_t    count;
    bool        appended; /* rows once written never change */
    bool        is_heap;  /* what is in it has checksums of its own, which are verified when it is read */
} sparse_column;

#define SPARSE_COLUMNS 4u

typedef struct sparse_state {
    uint32_t row_count, live_count, point_count, unit_count;
    uint64_t live_bytes;
} sparse_state;

/* With the writer's lock held. */
void sparse_get_state(const sparse_index *self, sparse_state *state);
/* Where the columns are, with the rows that they had at `state`. At any time: what is appended meanwhile is not looked at. */
void sparse_columns(sparse_index *self, const sparse_state *state, sparse_column columns[SPARSE_COLUMNS]);
/* An index whose columns the caller fills before any other call; then sparse_loaded. The lists are empty yet. A damaged vector
 * does not fail it: searches will name it, and its point can be given another. */
oct_status sparse_load_begin(const sparse_state *state, sparse_index **out, oct_error *error);
oct_status sparse_loaded(sparse_index *self, oct_error *error);
/* After it: the lists of rows below the last run's end are these. Takes them. OCT_NOMEM: it has taken none. */
oct_status sparse_set_runs(sparse_index *self, sparse_run **runs, size_t count, oct_error *error);
/* Before it: columns that could not be read, made again from the others. Live bits from the seats (an older version wrote none);
 * seats from live bits and heads; of an older version, without live bits (`live` false), from heads alone, if every point that
 * ever had a vector still has one; heads from entries and seats, if no vector is without entries. OCT_CORRUPT: that cannot be.
 * Heads that were made say of dead rows that they are of point 0, so that only an older version's tell alone where points sit. */
oct_status sparse_make_live(sparse_index *self, oct_error *error);
oct_status sparse_make_seats(sparse_index *self, bool live, oct_error *error);
oct_status sparse_make_heads(sparse_index *self, oct_error *error);

#endif
