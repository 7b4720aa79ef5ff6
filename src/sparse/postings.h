/* postings.h - for each term the rows that have it, with their weights: lists that grow under readers.
 *
 * LISTS    A list is a chain of blocks of one pool, each twice as large as the one before, up to POSTINGS_BLOCK_MAX units.
 *          A unit is one posting; the first of a block is its head:
 *
 *              list.first -> [next|capacity][row,w][row,w][row,w] -> [next|capacity][row,w] ....      rows ascend
 *
 *          Blocks never move (base/rows.h). Readers take a list's count (acquire) and walk so many postings, whatever is
 *          appended meanwhile.
 * TERMS    An open-addressed table of list numbers, replaced whole when it grows.
 * ROOM     postings_reserve links the blocks that a write will fill; filling them cannot fail. What is reserved and not
 *          used is there for the next write.
 * THREADS  One writer. Readers any time, pinned.
 */
#ifndef OCT_POSTINGS_H
#define OCT_POSTINGS_H

#include "base/rows.h"

#define POSTINGS_BLOCK_MIN 4u    /* units of a list's first block: a term of one document costs 32 bytes */
#define POSTINGS_BLOCK_MAX 1024u /* 8 KiB: long lists are walked as an array would be */

typedef struct posting {
    uint32_t row;
    float    weight;
} posting;

typedef struct posting_block { /* in the place of a posting */
    uint32_t next;             /* unit of the next block, read only if there are postings left */
    uint32_t capacity;         /* postings behind the head */
} posting_block;

typedef struct posting_list {
    uint32_t         term;
    uint32_t         first;  /* unit of the first block */
    _Atomic uint32_t count;  /* postings, those of dead rows included; release after the posting */
    _Atomic uint32_t live;   /* of rows that are alive: the document frequency */
    uint32_t         last;   /* the writer's: unit of the block being filled */
    uint32_t         filled; /* postings in it */
    uint32_t         tail;   /* the last block of the chain */
    uint32_t         room;   /* postings that still fit */
    uint32_t         wanted; /* while reserving */
} posting_list;

typedef struct term_map term_map;

typedef struct postings {
    rows                units; /* postings and block heads */
    rows                lists;
    uint64_t            unit_count;
    uint32_t            list_count;
    _Atomic(term_map *) map;
} postings;

oct_status postings_init(postings *self, oct_error *error);
void       postings_clear(postings *self); /* no reader may be left */

/* Room for one posting more for each of `count` terms, repeats counted. */
oct_status postings_reserve(postings *self, const uint32_t *terms, size_t count, oct_error *error);
/* There must be room. Rows ascend. */
void postings_add(postings *self, uint32_t term, uint32_t row, float weight, bool live);
/* The row of a term died. */
void postings_kill(postings *self, uint32_t term);

/* NULL if no row ever had it. */
const posting_list *postings_find(const postings *self, uint32_t term);
uint64_t            postings_bytes(const postings *self);

/* Walks one list. */
typedef struct posting_cursor {
    const posting *at, *end; /* of the block; equal: done */
    const rows    *units;
    uint32_t       next;
    uint32_t       left; /* postings behind this block */
} posting_cursor;

void posting_cursor_init(posting_cursor *self, const postings *from, const posting_list *list);
/* The next block. False: there is none. */
bool posting_cursor_advance(posting_cursor *self);

#endif
