/* shard_test.h - a shard with a disk, a log and a "manifest", beside a model: for shard_test.c and shard_image_test.c.
 *
 * The model holds, for each id, what was last written: plain arrays, changed by the same operations. The stage can be
 * closed and opened again: from its manifest and the log's tail, or from the whole log.
 */
#ifndef OCT_SHARD_TEST_H
#define OCT_SHARD_TEST_H

#include <stdlib.h>

#include "kernel/kernel.h"
#include "shard/shard_internal.h"
#include "support/os_fault.h"
#include "support/test.h"

#define STAGE_IDS     400u /* ids there may be: numbers and UUIDs */
#define STAGE_VECTORS 3u
#define STAGE_DIM_MAX 72u
#define STAGE_ID      7u /* of the shard */
#define STAGE_FOLDER  "/data/shard/7"

typedef struct model_point {
    bool     live;
    uint64_t version;
    char     payload[512];
    bool     has[STAGE_VECTORS];
    float    vectors[STAGE_VECTORS][STAGE_DIM_MAX]; /* as stored: prepared */
} model_point;

typedef struct stage {
    test_rng            rng;
    os                 *disk; /* os_fault */
    workers            *pool;
    write_log          *log;
    shard              *shard;
    shard_vector_config vectors[STAGE_VECTORS];
    size_t              vector_count;
    buffer              manifest;  /* entry of the shard; size 0: none */
    uint64_t            log_after; /* what the manifest lets the log forget */
    model_point        *points;    /* STAGE_IDS */
    uint64_t            operation;
    uint64_t            records; /* in the log */
} stage;

/* Vectors are floats, halves and bytes, which of them by the seed. kind 0: small and never a graph, so that it lives in the
 * log; 1: a graph from the first row; 2: one that starts late. Compactions come by themselves when a fifth is dead. */
void   stage_open(stage *self, uint64_t seed, uint32_t kind, uint32_t threads);
void   stage_close(stage *self);
oct_id stage_id(uint32_t index);

/* One random write, to shard and model; checks what it returns. */
void stage_write(stage *self);
/* What a checkpoint does with one shard. False: there was nothing to save, or a compaction was at work. */
bool stage_save(stage *self, bool closing, bool durable);
/* Close shard and log, open them again; `from_scratch`: without manifest, from the whole log. */
void stage_reopen(stage *self, bool from_scratch);
/* Everything the shard says against the model. */
void stage_check(stage *self, const char *when);
/* The graph checksum, when all is indexed and compacted. */
uint64_t stage_checksum(stage *self);

#endif
