/* graph.h - the dense vectors of one name in one shard: stored, searched by a graph, scanned in the tail.
 *
 * OWNS     vectors (row after row, never changed), the live bit of each row, the maps row -> point and
 *          point -> row, and an HNSW graph over rows [0, graph_count). Rows behind that are the *tail*,
 *          which a search scans exactly: a vector is found as soon as it is appended.
 * POINTS   A point has a number in its shard; its vector has a row here. A new vector for the same point
 *          takes a new row and the old one dies. Dead rows are walked through but never returned, until
 *          the shard rebuilds the graph without them (graph_copy_live).
 * MULTI    A point's vector may be several rows in a row (params.multi). Its seat is the first of them, and its span says
 *          how many; they come and go together. The graph is over rows all the same; scores are sums over pairs of rows, which
 *          who searches computes (collection/exact.c), of the points that graph_gather finds.
 * SAME LOG, SAME GRAPH
 *          The graph is a function of the vectors in row order. Rows join it in batches whose ends are a
 *          formula of the row number (batch_rows in build.c); every row of a batch searches the graph as
 *          it was before the batch. So the result does not depend on the number of threads, on timing, or on
 *          deletes. graph_checksum compares two of them.
 * CALLED   by shard. Calls kernel, base.
 * THREADS  Writing functions (append, remove): one at a time, by the shard's writer. graph_build_batch: one at a
 *          time, at any time. Searches: any number, at any time, without a lock. See struct graph.
 * READ     graph_internal.h (the struct), search.c (the walk), rank.c (hits from candidates), build.c (batches), multi.c
 *          (searches of multivectors), row.c (how a vector lies), graph.c (the rest).
 */
#ifndef OCT_GRAPH_H
#define OCT_GRAPH_H

#include "base/arena.h"
#include "base/rows.h"
#include "base/top.h"
#include "base/workers.h"
#include "kernel/kernel.h"

#define GRAPH_NONE        UINT32_MAX
#define GRAPH_ROWS_MAX    (1u << 30)
#define GRAPH_LEVELS_MAX  16u
#define GRAPH_START_NEVER UINT32_MAX /* for start_rows: no graph is built */

typedef struct graph graph;

typedef struct graph_params {
    uint32_t     dim;
    oct_distance distance;
    uint32_t     m;            /* links per row; level 0 holds 2m */
    uint32_t     ef_construct; /* candidates kept while a row is inserted */
    uint32_t     start_rows;   /* the graph begins when there are so many rows; until then a search scans */
    bool         multi;        /* several rows a point */
    oct_datatype datatype;     /* what values are rounded to and kept in */
    bool         fine;         /* codes of 8 bits a component where there would be 4: only if graph_fits_fine */
} graph_params;

/* Can it have codes of 8 bits? Not where there are no codes, nor several rows a point, whose ranking reads all of them, nor
 * for vectors of bytes, which are no longer than such codes. */
bool       graph_fits_fine(const graph_params *params);
oct_status graph_new(const graph_params *params, graph **out, oct_error *error);
/* Release it. No reader may be left (retire it by epoch.h). Accepts NULL. */
void                graph_free(graph *self);
const graph_params *graph_get_params(const graph *self);

/* --- writing: the shard's writer --------------------------------------------------------------- */

/* What is compared for a given vector, `dim` floats: the vector rounded to its type and, for cosine, normalised - halves
 * after, bytes before. */
void graph_prepare_as(oct_distance distance, oct_datatype datatype, const float *vector, float *out, size_t dim);
void graph_prepare(const graph *self, const float *vector, float *out);
/* What is stored of a given vector: a row, graph_row_bytes of it, made in `scratch` of graph_scratch_floats. The kinds of
 * rows: row.c. */
const void *graph_make_row(const graph *self, const float *vector, float *scratch);
uint32_t    graph_row_bytes(const graph *self);
uint32_t    graph_scratch_floats(const graph *self);
/* Are rows narrow (not floats), and of which kind? */
bool graph_row_kind(const graph *self, kernel_narrow *kind);
/* What the log keeps of a vector whose rows are narrow, graph_packed_bytes: halves of what is compared, or bytes. */
void     graph_pack(const graph *self, const float *vector, float *scratch, void *out);
uint32_t graph_packed_bytes(const graph *self);
/* Older files have rows of floats only: how many they used, how many bytes with padding, and what such a row,
 * unaligned, is now. */
uint32_t    graph_old_row_floats(const graph *self);
uint32_t    graph_old_stride(const graph *self);
const void *graph_row_of_old(const graph *self, const void *old, float *scratch);
/* The vector of a row as it was given, but rounded: dim floats. */
void graph_read(const graph *self, uint32_t row, float *out);
/* Room for `rows` more rows and for points [0, point_count), so that appending cannot fail. */
oct_status graph_reserve(graph *self, uint64_t rows, uint32_t point_count, oct_error *error);
/* Give a point a vector as it came, `count` rows of dim floats (one, unless multi): new rows; returns how many. If it
 * has that very vector already, nothing changes: 0. Searches do not see it before graph_publish. `scratch` holds
 * graph_scratch_floats. */
uint32_t graph_append(graph *self, uint32_t point, const float *vector, uint32_t count, float *scratch);
/* The same of packed vectors, one behind the other. */
uint32_t graph_append_packed(graph *self, uint32_t point, const void *packed, uint32_t count, float *scratch);
/* Put back a row as it was, dead ones too: graph_row_bytes at `content`, unaligned. There must be room. `span`: rows of the
 * vector that begins here, 0 if it began before. */
void graph_restore_row(graph *self, uint32_t point, const void *content, bool live, uint32_t span);
/* Take a point's vector away; none is fine. Visible at once. */
void graph_remove(graph *self, uint32_t point);
/* Let searches see what was appended. Once per write, so that a write is seen whole. */
void graph_publish(graph *self);

/* --- reading ------------------------------------------------------------------------------------ */

/* The stored row of a point (valid while pinned), or NULL. Of several rows: the first. */
const void *graph_vector(const graph *self, uint32_t point);

/* Its row, the first of several, or GRAPH_NONE. */
uint32_t graph_row_of(const graph *self, uint32_t point);
bool graph_row_lives(const graph *self, uint32_t row);
/* How many rows the vector has that begins at this one; 0 if none does. */
uint32_t graph_span_at(const graph *self, uint32_t row);
/* The point and the stored row of a row below graph_row_count. */
uint32_t    graph_point_of(const graph *self, uint32_t row);
const void *graph_vector_at(const graph *self, uint32_t row);
/* The floats that it is compared as: dim of them. */
void graph_compared(const graph *self, uint32_t row, float *out);

uint32_t graph_row_count(const graph *self);   /* dead ones included */
uint32_t graph_graph_count(const graph *self); /* rows in the graph */
uint32_t graph_live_count(const graph *self);  /* points that have a vector */
uint32_t graph_live_rows(const graph *self);   /* rows of such; for the writer */
uint64_t graph_ram_bytes(const graph *self);

/* Bytes by part: its own memory, and what is mapped from files. */
typedef struct graph_usage {
    uint64_t vectors, vectors_mapped, codes, codes_mapped, links, links_mapped, rows, rows_mapped;
} graph_usage;

/* Adds. Pinned. */
void graph_measure(const graph *self, graph_usage *out);

typedef top_hit graph_hit; /* distance: -dot, squared Euclid, Manhattan */
typedef top_tie graph_tie;

/* The score a user sees for a distance, and back. */
float graph_score(oct_distance metric, float distance);
float graph_distance_of_score(const graph *self, float score);

typedef struct graph_query {
    const float    *vector;         /* prepared, dim floats */
    size_t          limit;          /* hits wanted */
    size_t          ef;             /* effort: candidates of the walk (search.c says how exactly); raised to `limit` */
    uint32_t        full_scan_rows; /* with fewer live vectors: scan instead of walking */
    /* How many candidates are ranked by their vectors. As many as an estimate's error asks for; but at least rank_min of them
     * (SIZE_MAX: all that the walk keeps), and with rank_few no more than `limit`: then the codes choose the hits. */
    size_t          rank_min;
    bool            rank_few;
    bool            exact;          /* scan everything */
    bool            indexed_only;   /* leave out the tail */
    const uint64_t *allowed;        /* NULL: every point may be a hit; else only those whose bit is set */
    uint32_t        allowed_points; /* bits there are; points beyond may not be hits */
    uint32_t        allowed_count;  /* bits that are set */
    graph_tie       tie;
    const void     *tie_context;
} graph_query;

/* What a search did, for `explain` and tests. */
typedef struct graph_stats {
    uint64_t scored;  /* distances computed */
    uint64_t hops;    /* rows whose links were followed */
    uint64_t tail;    /* rows scanned in the tail */
    uint64_t refined; /* candidates whose better estimate was computed after the first: codes of 8 bits */
    uint64_t ranked;  /* candidates whose true distance was computed after estimates */
    bool     scanned; /* it was an exact scan */
} graph_stats;

/* The best `limit` points, best first, into `hits` (limit entries); *count is how many there are: `limit`,
 * or all that have a vector if they are fewer. Allocates only per-thread scratch, kept for the next call.
 * `stats` may be NULL. Call it pinned (epoch.h). Errors: OCT_NOMEM. */
oct_status graph_search(const graph *self, const graph_query *query, graph_hit *hits, size_t *count,
                        graph_stats *stats, oct_error *error);

/* A search of multivectors, as graph_query. */
typedef struct graph_gathering {
    const float    *rows; /* prepared, row_count x dim floats */
    uint32_t        row_count;
    size_t          ef;   /* candidates of each row's walk */
    size_t          keep; /* points wanted, beside those of the tail */
    uint32_t        full_scan_rows; /* with fewer rows that may be met: do not walk */
    bool            indexed_only;
    const uint64_t *allowed;
    uint32_t        allowed_points;
    uint32_t        allowed_count;
} graph_gathering;

/* The points among which the best by MaxSim are likely, ascending, in `memory`; they may have lost their vectors meanwhile.
 * *points NULL: walking is no gain here, compare all. Call it pinned. Errors: OCT_NOMEM, OCT_TIMEOUT. */
oct_status graph_gather(const graph *self, const graph_gathering *query, arena *memory, uint32_t **points, size_t *count,
                        oct_error *error);

/* --- building ------------------------------------------------------------------------------------ */

/* True if a whole batch of the tail is there to be moved into the graph. */
bool graph_has_batch(const graph *self);
/* Move one batch, with up to `threads_max` threads (0: all workers). False if there was none. OCT_NOMEM leaves
 * the graph as it was. One call at a time: the caller serialises. */
oct_status graph_build_batch(graph *self, workers *pool, uint32_t threads_max, bool *built, oct_error *error);

/* --- compacting: a new graph takes over from an old one ---------------------------------------- */

/* The bits of the rows that are alive now, oct_free them. The caller holds the writer's lock. */
uint64_t *graph_live_bits(const graph *self, uint32_t *row_count);
/* First, while `from` goes on being written: append its rows that `live` marks (a bit a row, `row_count` of them), in
 * row order. Then build. */
oct_status graph_copy_rows(graph *self, const graph *from, const uint64_t *live, uint32_t row_count,
                           oct_error *error);
/* Last, with the writer's lock held: append all rows of `from` behind `row_count`, and let live be what is alive there
 * now. Afterwards both hold the same points. OCT_NOMEM. */
oct_status graph_catch_up(graph *self, const graph *from, const uint64_t *live, uint32_t row_count,
                          oct_error *error);

/* --- checking, saving --------------------------------------------------------------------------------- */

uint64_t graph_checksum(const graph *self); /* of links, levels, entry and spread; not while a batch is built */
/* Invariants of maps and links. OCT_CORRUPT names the row. Not while anything is written. */
oct_status graph_check(const graph *self, oct_error *error);

/* What a checkpoint saves. `rows` points into the graph; `count` rows of it. */
typedef struct graph_column {
    const char *name; /* "vectors", "codes", "fine", "points", "spans", "seats", "live", "links", "level1", ... */
    rows       *data;
    uint64_t    count;
    bool        appended; /* rows once written never change */
    bool        built;    /* part of the graph proper: changes only when a batch is built */
    bool        walked;   /* every search reads it here and there */
} graph_column;

#define GRAPH_COLUMNS_MAX (8u + GRAPH_LEVELS_MAX)

const char *graph_level_name(uint32_t level); /* of the column of a level's nodes */

/* State beside the columns. */
typedef struct graph_state {
    uint32_t m, ef_construct, start_rows; /* it was made with; what is configured may have changed since */
    bool     fine;                        /* likewise */
    uint32_t row_count, graph_count, live_count, point_count;
    uint32_t entry_level, entry_node;
    uint32_t spread; /* 0: not known */
    uint32_t level_counts[GRAPH_LEVELS_MAX];
} graph_state;

/* The columns as they are now: the caller holds the writer's lock and lets no batch be built meanwhile. */
size_t graph_columns(graph *self, graph_column columns[GRAPH_COLUMNS_MAX]);
void   graph_get_state(const graph *self, graph_state *state);
/* A graph whose columns the caller fills (by graph_columns after this, each `count` rows) before any other
 * call; then graph_loaded checks what is cheap to check and opens it for use. */
oct_status graph_load_begin(const graph_params *params, const graph_state *state, graph **out,
                            oct_error *error);
oct_status graph_loaded(graph *self, oct_error *error);
/* Before that: codes of all rows from the vectors, of 8 bits too, where a file has none; and seats from points and live bits,
 * likewise. */
oct_status graph_make_codes(graph *self, oct_error *error);
oct_status graph_make_seats(graph *self, oct_error *error);
/* The same of live bits, from points and seats; and of points, from seats and live bits: not of multivectors. OCT_CORRUPT: these do
 * not fit what was counted. */
oct_status graph_make_live(graph *self, oct_error *error);
oct_status graph_make_points(graph *self, oct_error *error);

#endif
