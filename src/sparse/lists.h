/* lists.h - the lists of one sparse index: what lies in files, what is being written there, what grows.
 *
 *      rows   0 ............ 700,000 | ... 1,000,000 | ... 1,040,000 | ...... 1,041,300 |  ... 1,041,310
 *             run 5                  | run 8         | frozen        | growing          |  not listed yet
 *             in files, mapped                       | postings.h, in memory            |  read as vectors
 *
 * RUNS     A run has the postings of consecutive rows, term after term, and never changes; but for each term it counts the
 *          rows that are alive. It lies in three columns (docs/format/sparse.md), mapped, so that its memory is the system's
 *          to take back. A list is looked at when it is first used: its blocks' checksums, and that its rows ascend and
 *          are the run's, so that whatever the file says no search leaves its arrays.
 * SAVING   A checkpoint that finds enough in `growing` (or what an earlier one could not write in `frozen`) freezes it: it takes
 *          no more rows, and a fresh one grows behind it. It is written, together with earlier runs less than twice as long as
 *          all behind them, as one run, which then takes their place. So there are few runs, each at least twice the
 *          next, and a posting that is written again comes into a run at least half as long again: written bytes grow with the
 *          logarithm of what there is.
 * PARTS    are replaced whole: a new struct of pointers is stored, the old one retired. A reader takes one struct, and how many
 *          rows are listed, such that the two belong together (lists_view).
 * BROKEN   What is found damaged leaves a mark: lists are not believed from that row on. The vectors are read instead, until
 *          the job has cut the lists there (lists_cut) and made them again.
 * THREADS  As in sparse.h. Freezing, installing and cutting are writes, one thread's at a time; what is frozen is written by one
 *          thread while others write and read.
 */
#ifndef OCT_SPARSE_LISTS_H
#define OCT_SPARSE_LISTS_H

#include "sparse/postings.h"
#include "sparse/sparse.h"
#include "storage/column.h"

/* A row of the column "terms", ascending by term; one more behind the last says where its postings end. */
typedef struct run_term {
    uint32_t term;
    uint32_t first; /* posting */
} run_term;

_Static_assert(sizeof(run_term) == 8 && sizeof(posting) == 8, "terms and postings are stored as they are in memory");

struct sparse_run {
    sparse_run_state  state;
    rows              postings; /* posting */
    rows              terms;    /* run_term, state.term_count + 1 */
    rows              counts;   /* _Atomic uint32_t: rows alive of each term; the writer's to change */
    column_state      postings_column, terms_column;
    column_check     *check;   /* of the postings */
    _Atomic uint64_t *sound;   /* a bit a term: its list was looked at */
    _Atomic uint32_t  holders; /* structs that have it */
};

void sparse_run_release(sparse_run *self);

typedef struct lists_parts {
    postings   *frozen, *growing; /* frozen NULL: nothing is being written. Both are never changed for others here */
    uint32_t    frozen_first, growing_first; /* rows */
    bool        drops_frozen, drops_growing; /* set when it is retired: its memory goes too */
    size_t      run_count;
    sparse_run *runs[];
} lists_parts;

typedef struct lists {
    _Atomic(lists_parts *) parts;
    _Atomic uint32_t       listed; /* rows below are in the parts; release after the postings */
    _Atomic uint32_t       broken; /* rows from here on are not believed to be in them; SPARSE_NONE: all are */
} lists;

oct_status lists_init(lists *self, oct_error *error);
void       lists_clear(lists *self); /* no reader may be left */

/* What a reader sees: pinned. */
typedef struct lists_view {
    const lists_parts *parts;
    uint32_t           listed;
} lists_view;

lists_view lists_look(const lists *self);
/* Of a live index: for who writes its files. */
lists     *sparse_lists_of(sparse_index *self);
bool       sparse_wants_run(const sparse_index *self, uint64_t entries_min, bool closing); /* as lists_want_run */
/* Are they to be believed from that row on? Damage was found in rows [row, ..). */
void lists_break(lists *self, uint32_t row);

/* A walk through the list of one term. */
typedef struct list_cursor {
    const posting *at, *end; /* what lies in one piece; equal: it has ended */
    lists_view     view;
    size_t         next_part; /* runs, then frozen, then growing */
    uint32_t       term;
    const rows    *run; /* of postings; NULL: in memory */
    uint32_t       run_at, run_end;
    posting_cursor memory;
} list_cursor;

/* Postings up to now, dead ones included; and how many rows of the term are alive, as they were counted. */
uint64_t lists_count(const lists_view *view, uint32_t term, uint64_t *live);
/* Look at the lists of a term in files, if nobody has yet. OCT_CORRUPT: *broken is the first row that is not to be believed.
 * OCT_NOMEM. */
oct_status lists_verify(const lists_view *view, uint32_t term, uint32_t *broken, oct_error *error);
void       list_cursor_init(list_cursor *self, const lists_view *view, uint32_t term); /* of verified lists */
/* The next piece. False: there is none. */
bool list_cursor_advance(list_cursor *self);

/* --- the writer ------------------------------------------------------------------------------- */

/* A row of a term died. False: no list knows it. */
bool lists_kill(lists *self, uint32_t term, uint32_t row);
/* Is the row, which has entries, in any list? Those of runs are. */
bool lists_have(const lists *self, uint32_t row);
/* The first row of the part that has it. */
uint32_t lists_part_start(const lists *self, uint32_t row);
/* Cut at the mark: parts behind are dropped, `listed` falls. Not while something is written. OCT_NOMEM. */
oct_status lists_cut(lists *self, oct_error *error);
/* Fresh from files: runs that follow each other. Takes them. */
oct_status lists_set_runs(lists *self, sparse_run **runs, size_t count, oct_error *error);

/* --- files: lists_file.c ------------------------------------------------------------------------- */

/* Is there enough in memory to be written? With the writer's lock held, as the next. */
bool       lists_want_run(const lists *self, uint64_t entries_min, bool closing);
oct_status lists_freeze(lists *self, oct_error *error);
/* Write what is frozen, and what is merged with it, as columns lists.<number>.<id> and terms.<number>.<id>, and open them: a run that
 * the lists do not have yet, without counts. By one thread, while nothing is cut or installed. On failure no file is left.
 * OCT_CORRUPT: what should be merged is damaged; the lists are marked. */
oct_status lists_write_run(lists *self, os *system, const char *folder, uint32_t number, uint32_t id, sparse_run **out,
                           oct_error *error);
/* It takes the place of what it was made from. With the writer's lock held. Takes the run, unless it fails. OCT_NOMEM. */
oct_status lists_install(lists *self, sparse_run *run, oct_error *error);
void       sparse_run_remove(os *system, const char *folder, const sparse_run *run); /* its files */
/* From files; its counts are for the caller to fill. OCT_CORRUPT. */
oct_status sparse_run_open(os *system, const char *folder, const sparse_run_state *state, const column_state *postings_column,
                           const column_state *terms_column, sparse_run **out, oct_error *error);
/* <kind>.<number>.<id>, of kinds lists, terms, counts. */
void sparse_run_column(char name[COLUMN_NAME_MAX], const char *kind, uint32_t number, uint32_t id);

/* Memory and mapped bytes, added. */
void lists_measure(const lists *self, uint64_t *memory, uint64_t *mapped);
uint64_t lists_ram_bytes(const lists *self);

/* OCT_CORRUPT. Checks one term's list and its count against who is alive; *total counts postings. */
typedef bool (*lists_lives)(const void *context, uint32_t row);
oct_status lists_check(const lists *self, lists_lives lives, const void *context, uint64_t *total, oct_error *error);

#endif
