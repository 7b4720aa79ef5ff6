/* shard_internal.h - the struct behind shard.h, for shard*.c. */
#ifndef OCT_SHARD_INTERNAL_H
#define OCT_SHARD_INTERNAL_H

#include <pthread.h>

#include "shard/shard.h"
#include "storage/heap.h"

/* One vector name: shard_vectors.c. */
typedef struct shard_vector {
    uint32_t            number;                      /* set when made */
    shard_vector_config config;                      /* guarded by write_lock */
    _Atomic uint32_t    full_scan_rows, threads_max; /* of config, for those who hold no lock */
    atomic_bool         on_disk;                     /* likewise */
    _Atomic(graph *)    graph; /* replaced by a compaction: store under both locks, retire the old. NULL: it is sparse */
    _Atomic(sparse_index *) sparse; /* the same; NULL: it is not */
    _Atomic(column_check *)
             check;        /* of the vectors that came from a file; goes with the graph it was read for */
    atomic_bool verified;  /* all of them have been */
    uint64_t logical_rows; /* rows there would be if every compaction were instant; write_lock */
    uint64_t file_rows;    /* vectors before this row are read from the file; build_lock */
    uint32_t next_run;     /* numbers of runs of its lists from here on are in no file; save_lock, or while it is opened */
    bool     rebuilt;      /* since the last save, so nothing on disk holds; save_lock and build_lock */
    atomic_bool          gone;      /* its name was removed: no work is worth it any more */
    struct shard_vector *next_gone; /* write_lock */
} shard_vector;

/* The names there are. Immutable but for next_old, which is used when it has been replaced. */
typedef struct vector_set {
    struct vector_set *next_old; /* write_lock */
    size_t             count;
    shard_vector      *items[];
} vector_set;

#define PAYLOAD_POINTS_EXPECTED 8u

/* Documents, and which is whose: shard_payload.c. The files of an image are those of the shard's store only while its
 * payload_swaps are the shard's, which build_lock keeps so: whoever maps a file over the heap must look at both. */
typedef struct payload_store {
    heap heap;
    rows numbers; /* _Atomic uint32_t, a point each: its document in the heap, or HEAP_NONE */
} payload_store;

/* A run of the lists of a sparse name. */
typedef struct shard_run {
    uint32_t         number; /* of the name */
    sparse_run_state state;
} shard_run;

/* What a checkpoint says of a shard: the content of its entry in the manifest. */
struct shard_image {
    uint64_t      sequence, operation;
    uint32_t      point_count, live_count, unit_count;
    uint64_t      live_bytes, map_capacity;
    bool          ascending;
    bool          in_log; /* the content is a BATCH_RESTORE record behind `sequence`; there are no files */
    uint64_t      rebuild_count; /* of the shard, when this was taken down */
    uint64_t      payload_swaps; /* the same */
    uint64_t      reuses, moves; /* of the points, the same */
    size_t        vector_count;
    uint32_t     *numbers; /* of each vector name */
    graph_state  *graphs;  /* its rows now, and the graph as it is on disk; zeroes: it is sparse */
    sparse_state *sparses; /* of sparse ones: its rows */
    bool         *is_sparse;
    size_t        run_count;
    shard_run    *runs; /* of all names, those of one in the order of their rows */
    size_t        column_count, column_max;
    column_state *columns;
    const vector_set *set; /* while it is being saved: the names it is of */
};

/* A compaction from its record to its swap (shard_index.c). */
typedef struct compaction {
    shard *shard;
    size_t count;
    struct compaction_vector {
        shard_vector *vector;
        uint32_t      row_count; /* rows when the record was applied */
        uint64_t     *live;      /* and which of them were alive; NULL: it is sparse */
        graph_params  params;    /* what was configured then */
    } vectors[];
} compaction;

#define SHARD_COLUMNS_MAX (8u + OCT_VECTORS_MAX * GRAPH_COLUMNS_MAX)

struct shard {
    /* Set when made. */
    uint64_t      id;
    os           *system;
    workers      *pool;
    write_log    *log;
    char         *folder;
    bool          always_files;
    void (*compacted)(void *context);
    bool (*admits)(void *context, uint64_t bytes);
    const atomic_bool *spills;
    void  *context;
    char         *damage;        /* NULL: none; else this shard is set aside, see shard_damage.c */
    char         *damaged_entry; /* as the manifest had it */
    bool          damaged_tail;  /* records behind it were met when the log was replayed */
    uint32_t      mended_graphs;
    buffer        mended; /* what else was damaged and made again: sentences; index_lock */
    bool          swept; /* left-overs of earlier processes are removed; of who makes checkpoints */
    atomic_bool   mended_unsaved; /* and no checkpoint has written it yet */

    pthread_mutex_t  write_lock; /* guards the next lines; see shard.h for the order */
    _Atomic(vector_set *) vectors; /* see shard_vectors.c */
    vector_set      *old_sets;     /* replaced, not yet buried */
    shard_vector    *gone;         /* removed, not yet buried */
    uint32_t         numbers_end;  /* vector numbers from here on were never given */
    point_set        points;     /* readers by its own rules */
    _Atomic(payload_store *) payload; /* replaced by shard_payload.c: store under all three locks, retire the old */
    uint64_t         payload_waste_min; /* set when made; tests lower it before the first write */
    bool             rebuild_owed; /* settings differ, and a compaction of before was at work when it was opened */
    uint64_t         payload_accepted; /* bytes left behind that the last compaction of documents could not give back */
    uint64_t         operation; /* of the last write */
    _Atomic uint64_t version;   /* the same, stored (release) when it is applied; for readers */
    uint64_t         sequence;  /* of the last record applied */

    pthread_mutex_t save_lock;     /* one save or swap at a time: a save must not lose its graphs half way */
    pthread_mutex_t build_turn;    /* held while build_lock is waited for: shard_lock_build */
    pthread_mutex_t build_lock;    /* guards the next line, and what vectors say it does */
    shard_image    *saved;         /* what the durable manifest says; NULL: nothing */
    uint64_t        payload_swaps; /* of the store of documents; as the next line */
    uint64_t        payload_saved; /* payload_swaps when what is in the durable files was taken down; save_lock */
    uint64_t        ids_saved;     /* the same of points.reuses: what is in the files holds if no id was overwritten since */
    uint64_t        renumbered_at; /* the first replayed operation that may have given points other numbers; 0: none did */
    uint64_t        rebuild_count; /* swaps of a graph so far; save_lock and both locks to change it */

    atomic_bool           indexing; /* an index job is queued or runs */
    atomic_bool           serving;  /* the log takes records: shard_serve, or a write, said so */
    _Atomic uint32_t      tidying;  /* jobs of compactions that have ended, and look for what comes next: two may overlap */
    atomic_bool           stopping;
    atomic_bool           dropped; /* its files may be gone */
    _Atomic uint64_t disk_bytes; /* of the durable image */
    atomic_bool           payload_wanted; /* so much was left behind that documents should move */
    atomic_bool           payload_moving; /* the job is queued or runs */
    _Atomic uint64_t      payload_copies; /* jobs that have copied all and are about to swap: what tests wait for */
    _Atomic(compaction *) compacting;
    pthread_mutex_t       index_lock;     /* only for waiting on the next */
    pthread_cond_t        index_moved;    /* a batch joined, a compaction or the index job ended */
    uint64_t              index_moves;    /* how often; index_lock */
    _Atomic uint32_t      index_failures; /* in a row, for want of memory */
};

/* Whoever waits is the next: the index job lets go between two batches for some nanoseconds only, and a mutex by itself
 * would go to the job again and again, with a checkpoint waiting for as long as data comes in. Here the job cannot ask
 * before the one who waits has got it. */
static inline void
shard_lock_build(shard *self)
{
    (void)pthread_mutex_lock(&self->build_turn);
    (void)pthread_mutex_lock(&self->build_lock);
    (void)pthread_mutex_unlock(&self->build_turn);
}

static inline void
shard_unlock_build(shard *self)
{
    (void)pthread_mutex_unlock(&self->build_lock);
}

static inline graph *
vector_graph(const shard_vector *self)
{
    return atomic_load_explicit(&self->graph, memory_order_seq_cst);
}

/* Pinned, or with write_lock. */
static inline payload_store *
shard_payload(const shard *self)
{
    return atomic_load_explicit(&self->payload, memory_order_seq_cst);
}

static inline _Atomic uint32_t *
payload_number(const payload_store *self, uint32_t point)
{
    return rows_at(&self->numbers, point);
}

static inline sparse_index *
vector_sparse(const shard_vector *self)
{
    return atomic_load_explicit(&self->sparse, memory_order_seq_cst);
}

/* It never changes. */
static inline bool
vector_is_sparse(const shard_vector *self)
{
    return vector_sparse(self) != NULL;
}

/* What holds of a name whatever its vectors are. */
static inline bool
vector_has(const shard_vector *self, uint32_t point)
{
    return vector_is_sparse(self) ? sparse_row_of(vector_sparse(self), point) != SPARSE_NONE
                               : graph_row_of(vector_graph(self), point) != GRAPH_NONE;
}

static inline uint32_t
vector_row_count(const shard_vector *self)
{
    return vector_is_sparse(self) ? sparse_row_count(vector_sparse(self)) : graph_row_count(vector_graph(self));
}

static inline uint32_t
vector_live_rows(const shard_vector *self)
{
    return vector_is_sparse(self) ? sparse_live_count(vector_sparse(self)) : graph_live_rows(vector_graph(self));
}

static inline uint64_t
vector_ram_bytes(const shard_vector *self)
{
    return vector_is_sparse(self) ? sparse_ram_bytes(vector_sparse(self)) : graph_ram_bytes(vector_graph(self));
}

static inline void
vector_remove(shard_vector *self, uint32_t point)
{
    if (vector_is_sparse(self))
        sparse_remove(vector_sparse(self), point);
    else
        graph_remove(vector_graph(self), point);
}

static inline void
vector_publish(shard_vector *self)
{
    if (vector_is_sparse(self))
        sparse_publish(vector_sparse(self));
    else
        graph_publish(vector_graph(self));
}

/* Pinned, or with a lock held, or while there is nobody else. */
static inline vector_set *
shard_set(const shard *self)
{
    return atomic_load_explicit(&self->vectors, memory_order_seq_cst);
}

shard_vector       *vector_set_find(const vector_set *self, uint32_t number);
const shard_vector *shard_find_vector(const shard *self, uint32_t number);
/* shard_vectors.c. When nobody is left who could use them. */
void shard_clear_vectors(shard *self);
/* Take up the number of an operation that is applied. With write_lock held, or before there are readers. */
void shard_set_version(shard *self, uint64_t operation);

/* shard_index.c. Without locks: end the jobs, taking back those that have not begun; none begins any more. */
void shard_end_jobs(shard *self);
/* All with write_lock held. */
bool shard_wants_compaction(shard *self);
bool shard_settings_differ(const shard *self); /* shard_needs_rebuild, with write_lock held */
void shard_compact_if_wanted(shard *self); /* logs and begins it; nothing before shard_serve or the first write */
/* A compaction is planned first, which may fail, and begun when its record is in the log. Plan: choose names - those that have
 * many dead rows; `forced`: those that have any or other settings than those configured - and say so in write->graphs, in
 * `memory`. Of a replayed record that says so already: take these. *out NULL: there is nothing to do. */
oct_status shard_plan_compaction(shard *self, batch *write, bool forced, arena *memory, compaction **out, oct_error *error);
/* Take down what is alive now and start the job. Takes the plan; NULL is fine. */
oct_status shard_begin_compaction(shard *self, compaction *plan, oct_error *error);
void       shard_compaction_free(compaction *plan); /* one that was not begun; accepts NULL */
void       shard_index_moved(shard *self);
/* Without it: wait until the tails are short enough for another write. */
void shard_wait_tail(shard *self);

void       shard_announce(shard *self); /* under index_lock */

/* shard_payload.c */
oct_status shard_payload_init(shard *self, oct_error *error);
void       shard_payload_free(payload_store *self);
/* See whether documents should move. `forced`: somebody asks for it. With write_lock held. */
void shard_payload_weigh(shard *self, bool forced);
void shard_payload_kick(shard *self);
/* True if the job is not there any more. Under index_lock. */
bool shard_payload_cancel(shard *self);

/* shard_image.c: a small shard as one record body (BATCH_RESTORE). With write_lock held. */
oct_status shard_restore_encode(shard *self, buffer *out, oct_error *error);
/* The same without dead points and rows: what is left gets other numbers when it is read. */
oct_status shard_restore_encode_live(shard *self, buffer *out, oct_error *error);
/* Bytes of that, at most, but for a few. */
uint64_t   shard_live_bytes(const shard *self);
oct_status shard_restore_apply(shard *self, oct_slice body, oct_error *error);
/* Bytes of the content, in memory or in files. */
uint64_t shard_content_bytes(const shard *self);
/* shard_damage.c. A part was damaged, as `what` says, and was made again. */
void shard_note_mended(shard *self, const char *what);
/* The map from ids to points; a damaged one is made again from the ids. `has_live`: the live bits are there. */
oct_status shard_load_map(shard *self, const shard_image *image, bool has_live, oct_error *error);
/* Versions: those that are damaged become that of the image, which none is above. */
oct_status shard_load_versions(shard *self, const shard_image *image, oct_error *error);
/* Whose document is which: if they are damaged, that can be said again only while there is no document. */
oct_status shard_load_numbers(shard *self, const shard_image *image, oct_error *error);
/* Which points are alive, when their bits are damaged (`why`). First none are; when payload numbers and vectors are there, those
 * that have either, if that is as many as there were. With one more that has neither nobody can tell. */
oct_status shard_clear_live(shard *self, uint32_t point_count, oct_error *error);
oct_status shard_make_live(shard *self, const shard_image *image, const oct_error *why, oct_error *error);
/* shard_entry.c */
void shard_image_free(shard_image *image);
oct_status shard_image_new(size_t vector_count, size_t column_max, shard_image **out, oct_error *error);
/* For so many runs and their columns. */
oct_status shard_image_make_room(shard_image *image, size_t run_count, oct_error *error);
/* From its entry in the manifest. OCT_CORRUPT. */
oct_status shard_image_read(oct_slice json, shard_image **out, oct_error *error);
/* shard_save.c */
bool shard_image_has_column(const shard_image *image, const char *name);
const column_state *shard_image_column(const shard_image *image, const char *name); /* NULL: it has none */
/* shard_disk.c. With build_lock held, once `image` is durable: vectors that are configured so leave memory. */
void shard_release_vectors(shard *self, const shard_image *image);
#define SHARD_COLUMN_NAME(name, column, number) \
    ((void)snprintf(name, COLUMN_NAME_MAX, "%s.%u", column, (unsigned)(number)), name)
/* Write what is new of a column of `count` rows, or all of it, and put its state into the image. */
oct_status shard_save_column(shard *self, shard_image *image, const char *name, const rows *data, uint64_t count,
                             bool rewrite, oct_error *error);
/* Read one column and verify it, unless the caller keeps the check for later. */
oct_status shard_load_column(shard *self, const shard_image *image, const char *name, rows *data, uint64_t count,
                             column_check **check, oct_error *error);

/* shard_old.c: vectors of narrow types as older files have them, in floats. */
bool       shard_has_old_rows(const shard_image *image, const char *name, const graph *vectors);
oct_status shard_load_old_rows(shard *self, const shard_image *image, const char *name, const graph *vectors, rows *data,
                               uint64_t count, oct_error *error);

/* shard_sparse.c: what is different for names whose vectors are sparse. */
/* `replayed`: the lists are left for later; else, if they are behind, the write takes its part in catching up. */
oct_status vector_sparse_reserve(shard_vector *self, const batch_column *column, uint32_t point_count, bool replayed,
                                 oct_error *error);
/* Bring the lists of one name nearer. *more: they are still behind, or were. */
oct_status vector_sparse_catch_up(shard *self, shard_vector *vector, bool *more);
void       vector_sparse_append(shard_vector *self, uint32_t point, const batch_column *column, const batch_cursor *at);
/* The columns that only grow, up to the counts of the image's entry `v`. */
oct_status vector_sparse_save(shard *self, shard_image *image, const shard_vector *vector, size_t v, oct_error *error);
oct_status vector_sparse_load(shard *self, const shard_image *image, shard_vector *vector, size_t v, oct_error *error);
void       vector_sparse_write_state(const shard_image *image, size_t v, buffer *out);
/* Restore records: see shard_image.c. `in` is the record behind number and row count. */
/* `numbers`: of each point the number it gets, or POINT_NONE if it is left out; NULL: all rows, with the numbers they have. */
void       vector_sparse_encode(const shard_vector *self, const uint32_t *numbers, buffer *out, oct_status *status,
                                oct_error *error);
/* Its rows in `counts`, `indices` and `values`, one after the other; points and live flags of each. */
typedef struct sparse_rows {
    const char *points, *live, *counts, *indices, *values; /* 4 bytes an item */
    uint32_t    count;
} sparse_rows;
oct_status vector_sparse_restore(shard_vector *self, const sparse_rows *from, uint32_t point_count, oct_error *error);
/* shard_lists.c. Would a checkpoint write lists? With both locks held. */
bool shard_lists_are_wanted(const shard *self, bool closing);
/* Write lists, if it is worth it, and let the image name those there are. With save_lock and build_lock held. */
oct_status shard_save_lists(shard *self, shard_image *image, bool closing, oct_error *error);
/* A file was found damaged: if it is one of lists, they are not believed any more. With build_lock held. */
void shard_lists_are_damaged(shard *self, const char *column);
/* Is it a file of lists that are in use? */
bool shard_lists_have_file(shard *self, const char *file);
void shard_write_runs(const shard_image *image, uint32_t number, buffer *out); /* of the name's entry in the manifest */
/* Of an index that was loaded: its lists, as far as they are well. */
oct_status shard_load_lists(shard *self, const shard_image *image, shard_vector *vector, sparse_index *loaded, oct_error *error);
/* Of a compaction: the successor, built and in place. */
oct_status vector_sparse_compact(shard *self, shard_vector *vector, uint32_t row_count);

#endif
