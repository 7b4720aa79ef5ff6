/* graph_internal.h - the struct behind graph.h, for graph.c, search.c, build.c and their tests. */
#ifndef OCT_GRAPH_INTERNAL_H
#define OCT_GRAPH_INTERNAL_H

#include "codes/codes.h"
#include "codes/sketch.h"
#include "graph/graph.h"
#include "kernel/kernel.h"

#define HOP_ROWS_MIN 128u /* a scan's, a ranking's (rank.c), or a batch's (build.c) rows at a time */

/* Floats of a stored row are padded with zeroes to whole cache lines. */
#define GRAPH_LINE_FLOATS 16u

/* A node of level 1 and above: which row it is, where it goes down to, and its neighbours of that level.
 * Level 0 has no such record: row r's links are r's row of `links`. Unused links are GRAPH_NONE, at the end. */
typedef struct graph_node {
    uint32_t         row;
    uint32_t         down; /* node of the level below; at level 1 the row itself */
    _Atomic uint32_t links[];
} graph_node;

struct graph {
    /* Set when made. */
    graph_params        params;
    uint32_t            dim_padded;
    bool                is_narrow;  /* rows are not floats, but of this kind: row.c */
    kernel_narrow       narrow;
    kernel_narrow_fn    narrow_many; /* the distance of such rows, but for the sign of products */
    uint32_t            row_bytes;   /* that a vector takes, ... */
    uint32_t            row_stride;  /* ... and with padding, zeroes */
    uint32_t            link_count; /* of level 0: 2m */
    const kernel_table *kernel;
    bool                coded; /* the walk reads codes; otherwise the vectors themselves */
    codes               codec;

    /* The writer's. Rows below row_count are never written again, so readers use them freely. */
    rows   vectors;  /* row_stride bytes a row */
    rows   codes;    /* codec.stride bytes a row; empty unless coded */
    rows   fine;     /* codec.fine_stride bytes a row; empty unless params.fine */
    float *encoding; /* the writer's scratch, and room for a narrow row's floats; made with the first rows */
    rows   points;   /* uint32_t: the point of a row */
    rows   seats;    /* _Atomic uint32_t by point: its row, or GRAPH_NONE */
    rows   spans;    /* uint32_t by row, if multi: rows of the vector that begins there, or 0 */
    rows   before;   /* uint32_t by row: the row its point moved from, plus one; 0: none. Not saved: only
                               * searches that began before the move ask for it */
    rows   live;     /* _Atomic uint64_t by row / 64 */
    _Atomic uint32_t rows_appended; /* row_count once published */
    _Atomic uint32_t point_count;   /* seats in use */
    _Atomic uint32_t row_count;     /* release after the rows, acquire by readers */
    _Atomic uint32_t live_count;
    _Atomic uint32_t
        dead_count; /* rows that died; counted before the bit is cleared, so that 0 means none had */

    /* The builder's. A list of links may be seen before or after a change or half way, and is a list of rows all
     * the same; rows the reader's graph_count does not cover are passed over. Links are stored with release, and
     * loaded with acquire above level 0, where it takes a look into the node to learn its row. */
    rows  links;                    /* link_count x _Atomic uint32_t a row */
    rows *levels[GRAPH_LEVELS_MAX]; /* [l]: nodes of level l >= 1, or NULL; set before entry tells */
    rows *sketches[GRAPH_LEVELS_MAX]; /* [l]: of the first nodes of level l, likewise; entry.c */
    _Atomic uint32_t level_counts[GRAPH_LEVELS_MAX];
    _Atomic uint32_t graph_count; /* release after a batch's links */
    _Atomic uint64_t entry;       /* level << 32 | node; release after graph_count, acquired before it */
    _Atomic uint32_t spread;      /* the exponent that makes ef a mean effort (build.c), in GRAPH_SPREAD_ONE; 0: not known */
};

static inline const void *
graph_row_vector(const graph *self, uint32_t row)
{
    return rows_at(&self->vectors, row);
}

static inline const uint8_t *
graph_row_code(const graph *self, uint32_t row)
{
    return rows_at(&self->codes, row);
}

static inline const uint8_t *
graph_row_fine(const graph *self, uint32_t row)
{
    return rows_at(&self->fine, row);
}

/* What a walk reads of a row. */
static inline const void *
graph_row_target(const graph *self, uint32_t row)
{
    return self->coded ? (const void *)graph_row_code(self, row) : graph_row_vector(self, row);
}

static inline uint32_t
graph_row_point(const graph *self, uint32_t row)
{
    return *(const uint32_t *)rows_at(&self->points, row);
}

static inline _Atomic uint32_t *
graph_seat(const graph *self, uint32_t point)
{
    return rows_at(&self->seats, point);
}

static inline _Atomic uint32_t *
graph_links(const graph *self, uint32_t row)
{
    return rows_at(&self->links, row);
}

static inline graph_node *
graph_node_at(const graph *self, uint32_t level, uint32_t node)
{
    return rows_at(self->levels[level], node);
}

static inline uint32_t *
graph_span(const graph *self, uint32_t row)
{
    return rows_at(&self->spans, row);
}

/* The row a point had when there were `row_count` rows, or GRAPH_NONE. */
static inline uint32_t
graph_seat_at(const graph *self, uint32_t point, uint32_t row_count)
{
    uint32_t row = atomic_load_explicit(graph_seat(self, point), memory_order_acquire);

    while (row != GRAPH_NONE && row >= row_count)
        row = *(const uint32_t *)rows_at(&self->before, row) - 1; /* 0 - 1 is GRAPH_NONE */
    return row;
}

static inline bool
graph_row_is_live(const graph *self, uint32_t row)
{
    const _Atomic uint64_t *word = rows_at(&self->live, row / 64);

    return (atomic_load_explicit(word, memory_order_relaxed) >> (row % 64) & 1) != 0;
}

/* Distances of `count` rows to a query of dim_padded floats. */
void graph_distances(const graph *self, const float *query, const void *const *vectors, size_t count, float *out);

/* --- row.c */
void graph_init_rows(graph *self);
/* The row of a vector that came packed, in `scratch` or where it was. */
const void *graph_make_row_of_packed(const graph *self, const void *packed, float *scratch);

/* --- distances as sortable keys ------------------------------------------------------------------ */

/* Bigger float, bigger number. */
static inline uint32_t
key_of_float(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits ^ ((uint32_t)((int32_t)bits >> 31) | 0x80000000u);
}

static inline float
float_of_key(uint32_t key)
{
    const uint32_t bits = (key & 0x80000000u) != 0 ? key ^ 0x80000000u : ~key;
    float          value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A candidate in one word: distance, then row, then two flags. Sorting words sorts candidates, ties by row. */
#define CANDIDATE_EXPANDED ((uint64_t)1)
#define CANDIDATE_PASSES   ((uint64_t)2)

static inline uint64_t
candidate_make(float distance, uint32_t row, uint64_t flags)
{
    return (uint64_t)key_of_float(distance) << 32 | (uint64_t)row << 2 | flags;
}

static inline uint32_t
candidate_row(uint64_t candidate)
{
    return (uint32_t)candidate >> 2;
}

static inline float
candidate_distance(uint64_t candidate)
{
    return float_of_key((uint32_t)(candidate >> 32));
}

/* --- scratch memory of a walk ------------------------------------------------------------------------ */

/* Everything a search writes besides its result. One per thread, kept between searches. */
typedef struct graph_scratch {
    uint64_t    *visited; /* a bit per row; all zero between walks */
    size_t       visited_words;
    uint32_t    *touched; /* words of `visited` that are not zero */
    size_t       touched_count, touched_capacity;
    uint64_t    *pool; /* candidates, sorted */
    size_t       pool_size, pool_capacity;
    uint64_t    *refined; /* candidates of the pool by better estimates: rank.c */
    size_t       refined_capacity;
    uint32_t     expecting; /* so many readings of vectors more are announced to the system: rank.c */
    float       *query; /* dim_padded floats, aligned */
    size_t       query_floats;
    codes_query  code_query;  /* the same for codes */
    float       *rotation;    /* codes_scratch_floats */
    sketch_query sketch;      /* room for what entry.c makes of code_query */
    size_t       code_values; /* room in code_query.values */
    uint32_t    *ids;         /* of one hop: rows or nodes */
    const void **targets;     /* and what is read of them */
    int32_t     *sums;
    float       *distances;
    uint64_t    *fresh; /* candidates of one hop that are close enough */
    size_t       hop_capacity;
} graph_scratch;

/* This thread's scratch, large enough for a walk over `row_count` rows, or NULL when out of memory. */
graph_scratch *graph_scratch_get(const graph *self, uint32_t row_count, size_t pool_capacity);

/* Let walks and graph_estimates start from this vector (dim floats). */
void graph_set_query(const graph *self, graph_scratch *scratch, const float *vector);
/* The same from the vector of a row (row.c). */
void graph_set_query_row(const graph *self, graph_scratch *scratch, uint32_t row);
/* Distances from that vector to `count` targets (at most scratch->hop_capacity), into scratch->distances: exact, or
 * estimates if coded. */
void graph_estimates(const graph *self, graph_scratch *scratch, const void *const *targets, size_t count);

#define GRAPH_SPREAD_ONE 65536u /* graph.spread is a fraction of this */
#define GRAPH_SPREAD_MAX (4u * GRAPH_SPREAD_ONE) /* squared distances along a line grow with the square of the rank */
#define GRAPH_NEAR_RANK  10u /* a build's walks have their reach from this candidate */
#define GRAPH_REACH_ROOM 4u  /* a search with a reach follows at most so many times ef candidates */

/* How many times as far as the `anchor`th candidate one may be that a search of effort ef follows. */
float graph_reach(uint32_t spread, size_t ef, size_t anchor);

/* What makes distances of this metric start at zero: for unit vectors 1 - dot is half the squared distance. False: nothing
 * does, and ratios of distances mean nothing. */
static inline bool
graph_distance_origin(oct_distance distance, float *origin)
{
    *origin = distance == OCT_COSINE ? 1.0f : 0.0f;
    return distance != OCT_DOT;
}

#define GRAPH_HEADS     3u /* of a build's walk over rows, ... */
#define GRAPH_HEADS_MAX 4u /* ... and of a search's, which begins nearer: measured, docs/design/search.md */

/* A walk of one level. */
typedef struct graph_walk {
    uint32_t row_limit; /* rows from here on are passed over (the reader's graph_count) */
    size_t   ef;
    uint32_t heads; /* candidates of level 0 whose links are followed in one step, at most GRAPH_HEADS_MAX; 0: one */
    size_t
        room; /* places in the pool: ef, and more if gated; part of the result, so never what there happens to be */
    /* The walk ends early at candidates that lie `reach` times as far as the `anchor`th that counts, and `slack` more: see
     * REACH in search.c. Distances are made to start at zero by adding `origin`. reach 0: it walks until ef. */
    float           reach, slack, origin;
    size_t          anchor, floor; /* floor: so many candidates that count are followed in any case */
    bool            gated;     /* only live rows of allowed points count towards ef */
    uint32_t        row_count; /* gated: the reader's row_count, see row_passes */
    const uint64_t *allowed;   /* gated: bits by point of those that count; NULL: all */
    uint32_t        allowed_points;
    bool            stops; /* when nobody waits for it any more (base/deadline.h): of a search, never of a build */
} graph_walk;

#define GRAPH_STARTS 2u /* rows that a search's walk begins with: one, and recall is lower at the same work; three are no better */

typedef struct graph_start {
    uint32_t row;
    float    distance;
} graph_start;

/* Walk level 0 from these; the pool then holds the candidates, best first; all were followed, unless the walk had a reach. */
void graph_walk_rows(const graph *self, const graph_walk *walk, graph_scratch *scratch, const graph_start *starts,
                     uint32_t start_count, graph_stats *stats);
/* The same over the nodes of an upper level: candidates are node numbers. */
void graph_walk_nodes(const graph *self, const graph_walk *walk, graph_scratch *scratch, uint32_t level,
                      uint32_t start, float start_distance, graph_stats *stats);
/* May the row be a hit of this walk's search? */
bool graph_row_counts(const graph *self, const graph_walk *walk, uint32_t row);
/* Places in a pool: ef that count, and among them those that are only walked through. */
size_t graph_pool_room(size_t ef, uint32_t row_count, uint32_t eligible, bool gated);
/* From the entry down to `level`, greedily; returns the node there (level 0: the row) and its distance. */
uint32_t graph_descend(const graph *self, graph_scratch *scratch, uint64_t entry, uint32_t level,
                       uint32_t row_limit, float *distance, graph_stats *stats);
/* Let a row's code (or vector) and links start to arrive. */
void graph_prefetch_start(const graph *self, uint32_t row);

/* --- entry.c */
/* Rows near the query at which a search may begin; returns how many, at least one. */
uint32_t graph_find_starts(const graph *self, graph_scratch *scratch, uint64_t entry, uint32_t row_limit,
                           graph_start starts[GRAPH_STARTS], graph_stats *stats);
/* Room for the sketches of a level's first `count` nodes. */
oct_status graph_make_sketches(graph *self, uint32_t level, uint32_t count, oct_error *error);
/* Make a new node's, before readers know of it; there is room. `values`: scratch of codec.padded bytes, aligned to 64. */
void graph_sketch_node(graph *self, uint32_t level, uint32_t node, int8_t *values);
/* Those of all levels, of a graph that was loaded. */
oct_status graph_sketch_levels(graph *self, oct_error *error);

/* rank.c: offer the pool's candidates by their true distances, as far as they may be among the best. True if what lies outside
 * of a full pool cannot be. */
bool graph_rank_pool(const graph *self, const graph_query *query, graph_scratch *scratch, top *best, graph_stats *stats);

/* Memory for the nodes of a level, made when the first row reaches it. */
oct_status graph_make_level(graph *self, uint32_t level, oct_error *error);
/* Level of a row: a function of its number, with P(level >= l) = m^-l as in the paper's algorithm 1. */
uint32_t graph_row_level(uint32_t m, uint32_t row);
/* How many rows the batch that starts at `graph_count` has. */
uint32_t graph_batch_rows(uint32_t graph_count);

#endif
