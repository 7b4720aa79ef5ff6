/* database_test.h - a database through octant.h beside a model of it: for database*_test.c.
 *
 * A small world: four names for collections, three for aliases, a few dozen ids. Every operation is made on the
 * database
 * and, if it returned OCT_OK, on the model. So a model is also "the state after these operations", and a list of models
 * is the list of states that a crash may leave.
 */
#ifndef OCT_DATABASE_TEST_H
#define OCT_DATABASE_TEST_H

#include <stdlib.h>

#include "collection/collection.h"
#include "support/os_fault.h"
#include "support/plain.h"
#include "support/test.h"

#define WORLD_COLLECTIONS 4u
#define WORLD_ALIASES     3u
#define WORLD_IDS         28u
#define WORLD_VECTORS     4u
#define WORLD_DIM_MAX     70u
#define WORLD_ENTRIES     6u /* of a sparse vector, at most */
#define WORLD_FIELDS      4u /* that may be indexed */
#define WORLD_PATH        "/data/db"

typedef struct world_point {
    bool  live;
    char  payload[400];
    bool  has[WORLD_VECTORS];
    uint32_t counts[WORLD_VECTORS]; /* floats of each */
    uint32_t indices[WORLD_ENTRIES]; /* of the sparse one */
    float vectors[WORLD_VECTORS][WORLD_DIM_MAX]; /* as stored */
} world_point;

typedef struct world_collection {
    bool        exists;
    uint32_t    kind; /* 0: one unnamed vector; 1: two dense ones with names, a sparse one, a multivector */
    uint32_t    life; /* which of those that ever had the name */
    int64_t     m;    /* as last set; OCT_UNSET */
    uint32_t    second_dim; /* of kind 1's second name, which comes and goes; 0: it is gone */
    bool        has_sparse; /* so does the sparse name of kind 1 */
    uint32_t    indexed;    /* a bit for each field that has an index */
    char        metadata[64];
    world_point points[WORLD_IDS];
} world_collection;

typedef struct world {
    world_collection collections[WORLD_COLLECTIONS];
    int              aliases[WORLD_ALIASES]; /* collection, or -1 */
    uint32_t         lives;
    /* The last snapshot. */
    char             saved_name[256]; /* "": there is none */
    uint32_t         saved_index;     /* of its collection */
    world_collection saved;
} world;

typedef enum world_op {
    WORLD_CREATE,
    WORLD_DROP,
    WORLD_ALIAS,
    WORLD_CONFIGURE,
    WORLD_RENAME, /* a vector name comes or goes */
    WORLD_INDEX,  /* a payload index comes or goes */
    WORLD_SNAPSHOT,
    WORLD_RECOVER, /* what the last snapshot has */
    WORLD_UPSERT,
    WORLD_UPSERT_ROWS,
    WORLD_UPDATE_VECTORS,
    WORLD_DELETE_VECTORS,
    WORLD_DELETE,
    WORLD_CHANGE_PAYLOAD,
    WORLD_OPTIMIZE,
    WORLD_CHECKPOINT,
    WORLD_WRONG,
    WORLD_OPS
} world_op;

oct_slice world_name(uint32_t index);
oct_slice world_alias(uint32_t index);
oct_id    world_id(uint32_t index);

world *world_new(void); /* empty */
world *world_copy(const world *self);

/* An empty disk with the folder that WORLD_PATH lies in. */
os *world_disk(void);
/* Open on a disk; NULL: the error is in *error. */
oct_database *world_open(os *disk, oct_error *error);

/* One random operation of a kind, made on the database; *after is changed as if it had worked. What it returned. Writes
 * wait or not, as *waits says. */
oct_status world_step(world *after, test_rng *rng, oct_database *database, world_op op, bool waits,
                      oct_error *error);
/* Random, with sensible frequencies; `checkpoints`: among them. */
world_op world_pick(test_rng *rng, bool checkpoints);
/* The same, with checkpoints and snapshots. */
world_op world_pick_any(test_rng *rng);
/* Is what this operation has changed durable when it returns, though it was not told to wait? */
bool world_op_waits(world_op op);

/* OCT_OK if the database is the world; OCT_INTERNAL and a sentence if not; else what a call returned. `searching`: by
 * searches too. */
oct_status world_compare(const world *self, oct_database *database, bool searching, oct_error *error);
/* The checks of the engine itself, on all collections. */
oct_status world_verify(const world *self, oct_database *database, oct_error *error);
/* Wait until all is indexed; a checksum over all graphs. */
uint64_t world_checksum(const world *self, oct_database *database);

#endif
