/* shard.h - one shard of a collection: its points in memory, its writes, its files.
 *
 * OWNS     points (points.h), payload documents (storage/heap.h) and, for each vector name, vectors with their graph
 *          (graph/graph.h) or their inverted index (sparse/sparse.h). All of it is a function of the shard's log records.
 * WRITES   shard_write: check against the state, make room, append to the log, apply. What can fail
 *          comes before the log; what comes after cannot. A record is applied by the same code when it is replayed.
 * BEHIND   the writer's back two kinds of jobs run on the worker pool: batches of the tail join the graphs, and a
 *          compaction builds new graphs without dead rows and swaps them in. When the tail grows beyond what a scan may
 *          cost, writers wait for the first.
 * CALLED   by collection. Calls graph, payload, storage.
 * LOCKS    write_lock: one writer at a time. build_lock: one batch or swap at a time, by turns. save_lock: one save
 *          or swap. Order: save_lock, build_lock, write_lock; index_lock (for waiting) innermost. Readers pin an
 *          epoch and take none.
 * READ     shard.c (writes), shard_vectors.c (names), shard_sparse.c (names whose vectors are sparse), shard_index.c (jobs),
 *          shard_save.c, shard_entry.c, shard_lists.c, shard_disk.c and shard_image.c (files),
 *          shard_payload.c (documents), points.c, points_reclaim.c, batch.c.
 */
#ifndef OCT_SHARD_H
#define OCT_SHARD_H

#include "base/workers.h"
#include "graph/graph.h"
#include "shard/batch.h"
#include "shard/points.h"
#include "sparse/sparse.h"
#include "storage/column.h"
#include "storage/log.h"

typedef struct shard shard;

typedef struct shard_options {
    uint64_t    id;
    os         *system;
    workers    *pool;
    write_log  *log;    /* may be set later, before the first write (shard_set_log) */
    const char *folder; /* of this shard, made when first saved; copied */
    uint32_t    numbers_end; /* vector numbers below may have been given, to names that have gone; 0: to none */
    bool        always_files; /* however small it is: its files will be carried elsewhere */
    void (*compacted)(void *context); /* told when a compaction has ended, on a thread of the pool; may be NULL */
    bool (*admits)(void *context, uint64_t bytes); /* is there memory for a compaction? NULL: always */
    const atomic_bool *spills; /* memory is short: whatever a checkpoint has in files leaves it. NULL: never */
    void  *context;
} shard_options;

/* A vector name, by its number in the collection. Numbers are never reused. */
typedef struct shard_vector_config {
    uint32_t     number;
    bool         sparse; /* never changes; `params` do not count then */
    graph_params params;
    uint32_t     full_scan_rows;       /* fewer vectors are scanned, not walked */
    double       deleted_threshold;    /* compact when so large a part of the rows is dead ... */
    uint32_t     vacuum_rows_min;      /* ... and so many are */
    uint32_t     indexing_threads_max; /* 0: all */
    bool         on_disk;              /* vectors leave memory once a checkpoint has them */
    bool         links_on_disk;        /* links stay in their file after opening, until they change */
} shard_vector_config;

oct_status shard_new(const shard_options *options, const shard_vector_config *vectors, size_t vector_count,
                     shard **out, oct_error *error);
void       shard_set_log(shard *self, write_log *log);
/* All is replayed and the log takes records: begin what stands open, such as a batch in a tail, and dead vectors that nobody has
 * to write for to get their space back. */
void shard_serve(shard *self);
/* The collection is deleted: the shard's files may be removed, while there are still readers. */
void shard_drop(shard *self);
/* Wait for background work and release. No reader may be left. Accepts NULL. */
void shard_free(shard *self);

/* New settings, new names, names that go. A change is planned first, which may fail, and set when it is logged, which may
 * not; one at a time. Names that are not listed go, with their vectors; graph settings of those that stay hold from the
 * next compaction, which the caller may ask for. */
typedef struct shard_vectors shard_vectors;
oct_status shard_plan_vectors(shard *self, const shard_vector_config *vectors, size_t vector_count,
                              shard_vectors **out, oct_error *error);
void       shard_set_vectors(shard *self, shard_vectors *plan);  /* takes the plan */
void       shard_vectors_free(shard *self, shard_vectors *plan); /* one that was not set; accepts NULL */
/* Release what names held that have gone. Waits for a checkpoint under way. During a compaction nothing happens, and its
 * end does it (`compacted`). */
void shard_bury_vectors(shard *self, bool compacted);

/* True if some graph was built with other settings than those configured. */
bool shard_needs_rebuild(shard *self);

/* --- writing ------------------------------------------------------------------------------- */

/* Log and apply. write->operation is set here. *sequence is the record's, for log_wait.
 * Errors: OCT_NOT_FOUND (an id that must exist), OCT_FULL, OCT_STOPPED, OCT_NOMEM, OCT_RANGE; nothing has changed
 * then. */
oct_status shard_write(shard *self, batch *write, uint64_t *sequence, oct_error *error);
/* The same for a write whose points follow from the state: `resolve` makes them, with the write lock held, so that no
 * other write comes between finding them and changing them. It may replace ids, columns and payloads; what it makes
 * lives in `memory`. What is logged is its result: a replay resolves nothing. */
typedef oct_status (*shard_resolve)(void *context, batch *write, arena *memory, oct_error *error);
oct_status shard_write_resolved(shard *self, batch *write, shard_resolve resolve, void *context,
                                uint64_t *sequence, oct_error *error);
/* Apply a record that is in the log already. Records at or below the saved sequence are passed over. */
oct_status shard_replay(shard *self, uint64_t sequence, oct_slice body, oct_error *error);

/* --- reading: pinned --------------------------------------------------------------------------- */

/* The last operation all of whose effects can be read; the versions of the points it touched are no smaller. */
uint64_t   shard_version(const shard *self);
point_set *shard_points(shard *self);
/* The document of a point, "{}" if it has none. In place, while pinned. OCT_CORRUPT. */
oct_status shard_document(const shard *self, uint32_t point, oct_slice *out, oct_error *error);
/* The graph of a vector number; valid while pinned. NULL if there is none: the name may have gone since the configuration
 * was read. */
graph     *shard_graph(const shard *self, uint32_t number);
/* The index of a vector number whose vectors are sparse; as shard_graph, which has only the others. */
sparse_index *shard_sparse(const shard *self, uint32_t number);
/* Does the point have a vector of that number, of whichever kind? */
bool shard_has_vector(const shard *self, uint32_t number, uint32_t point);
/* The stored vector of a point, verified and copied into `memory`; its name is left alone. If it has none, or the name has
 * gone, out->values is NULL. */
oct_status shard_read_vector(shard *self, uint32_t number, uint32_t point, arena *memory, oct_vector *out,
                             oct_error *error);
/* Points for an exact search of multivectors, see graph_gather; full_scan_rows is set here. *points NULL: all of them. */
oct_status shard_gather(shard *self, uint32_t number, graph_gathering *query, arena *memory, uint32_t **points,
                        size_t *count, oct_error *error);
oct_status shard_search(shard *self, uint32_t number, graph_query *query, graph_hit *hits, size_t *count,
                        graph_stats *stats, oct_error *error);
/* The same for sparse vectors. The limit, scope and vector of the query are given. */
oct_status shard_search_sparse(shard *self, uint32_t number, sparse_query *query, top_hit *hits, size_t *count,
                               oct_error *error);
/* OCT_NOT_FOUND: "No point with id ID found". */
oct_status shard_fail_unknown(const oct_id *id, oct_error *error);
/* OCT_CORRUPT if any stored vector of a name fails its checksum: for who reads them all. Costs a read of the file, the first
 * time. */
oct_status shard_verify_vectors(shard *self, uint32_t number, oct_error *error);
/* OCT_CORRUPT if the stored vector of a point fails its checksum. */
oct_status shard_verify_vector(shard *self, uint32_t number, uint32_t point, oct_error *error);

typedef struct shard_info {
    uint64_t points, indexed_vectors, tail_vectors, dead_vectors, operation, ram_bytes, disk_bytes;
    uint64_t vector_bytes, payload_bytes; /* of what is stored, dead ones included */
} shard_info;

void shard_describe(shard *self, shard_info *info);
/* Memory by part. */
void shard_measure(shard *self, oct_memory_info *out);

/* --- background work -------------------------------------------------------------------------------- */

/* Tests: shards made from now on move their documents when so many bytes were left behind, not a mebibyte; 0: that again. */
void shard_move_documents_after(uint64_t bytes);
/* Tests: checkpoints write lists of sparse vectors when so many entries have come since, not 65,536; 0: that again. */
void shard_write_lists_after(uint64_t entries);
/* Start moving full batches of the tail into the graphs, if there are any. */
void shard_kick(shard *self);
/* OCT_TIMEOUT when `timeout_ms` (0: none) runs out first. */
oct_status shard_wait_indexed(shard *self, uint64_t timeout_ms, oct_error *error);
/* Wait for a compaction under way, if there is one. */
void       shard_wait_compacted(shard *self);
uint64_t   shard_checksum(shard *self);
oct_status shard_check(shard *self, oct_error *error);

/* --- files ------------------------------------------------------------------------------------------ */

typedef struct shard_image shard_image; /* what a save wrote and the manifest must say */

/* True if there are records that no image covers, or graphs that were swapped. `closing`: also if a graph has grown
 * since it was saved. */
bool shard_is_dirty(shard *self, bool closing);
/* Write what has changed since the last image. `closing`: the graph too, however little it has grown. *out NULL: there
 * is nothing to save, or a compaction is under way and the log has to be kept. */
oct_status shard_save(shard *self, bool closing, shard_image **out, oct_error *error);
/* The same where the disk has no room for files: the least that says it all, one record with what lives, in the log. Nothing of
 * `stored_bytes`, with all that is dead, needs to be kept then. OCT_FULL: it is not much less, too much for a record, or there is no
 * room for that either; or its vectors are read from files (a compaction changes that), or documents (they move to memory now). */
oct_status shard_save_live(shard *self, uint64_t stored_bytes, shard_image **out, oct_error *error);
/* The manifest that names the image is durable (true): drop older files, unless somebody still reads them (`keep_old`: then
 * shard_remove_old drops them some time later). Or not (false): forget the image. */
void shard_save_done(shard *self, shard_image *image, bool durable, bool keep_old);
/* Numbers of points are no part of what the log says (points_reclaim.c). A file of who keeps them may be written if, asked
 * after the points were looked at, they are still those of the durable image; and one of points as they were at `operation` be read
 * after opening, if the replay gave none another number up to there. */
bool shard_numbers_are_saved(shard *self);
bool shard_numbers_hold(const shard *self, uint64_t operation);
/* Remove the files that the durable image does not name. Nobody saves meanwhile. */
void shard_remove_old(shard *self);
/* A save came to nothing: remove what it wrote beside and behind what the durable image has, as it is in the way of the next where the
 * disk is full. Not while somebody reads files of an older image. */
void shard_remove_unsaved(shard *self);
/* Let memory go of what the durable image has in files, if `spills` of the options says so. */
void shard_spill(shard *self);

/* The shard's entry in the manifest, a JSON object: of an image, or (NULL) of the last one that became durable. */
oct_status shard_image_write(shard *self, const shard_image *image, buffer *out, oct_error *error);
/* Fill a new shard from its entry. */
oct_status shard_load(shard *self, oct_slice json, oct_error *error);
/* The same of files that come from elsewhere, a snapshot's: in this log the image covers all up to `sequence`. */
oct_status shard_adopt(shard *self, oct_slice json, uint64_t sequence, oct_error *error);
/* The columns that an entry names; oct_free them. */
oct_status shard_entry_columns(oct_slice json, column_state **out, size_t *count, oct_error *error);
/* Set a shard aside whose files are damaged: fresh from shard_new, with the entry as it was and a sentence that names what is
 * wrong. Replays pass it over, and its records stay in the log. */
oct_status shard_quarantine(shard *self, oct_slice entry, const char *why, oct_error *error);
/* That sentence; NULL: it is well. */
const char *shard_damage(const shard *self);
oct_status  shard_fail_damaged(const shard *self, oct_error *error);
/* Graphs whose files were damaged and that are being built again from the vectors, since it was opened. */
uint32_t shard_mended_graphs(const shard *self);
/* What else was found damaged, then or since, and made again from the rest: file, offset, checksums. NULL: nothing. */
oct_status shard_mended(shard *self, arena *memory, const char **out, oct_error *error);
/* Let no write in, between these two; then the whole content can be had as the body of one record, for shard_replay. */
void       shard_stop_writes(shard *self);
oct_status shard_encode(shard *self, buffer *out, oct_error *error);
void       shard_resume_writes(shard *self);
/* Records up to this one are covered by the durable image. */
uint64_t shard_saved_sequence(shard *self);
/* Does the durable image have files? */
bool shard_has_files(shard *self);
/* An image without files: its content is a record in the log. */
bool shard_image_is_in_log(const shard_image *image);
/* The same of the durable one. */
bool shard_saved_in_log(shard *self);
/* Bytes of that record, about; 0: it is not in the log. */
uint64_t shard_log_bytes(shard *self);
/* Must the log keep records after *after for this shard, once a manifest names `image` (NULL: the durable one; `dirty`
 * tells that it does not cover everything)? */
bool shard_needs_log(shard *self, const shard_image *image, bool dirty, uint64_t *after);
/* Remove the folder of a shard that no manifest names: `folder`/`name`. */
void shard_remove_folder(os *system, const char *folder, const char *name);

/* Smaller shards are not worth files: their content goes into the log again at each checkpoint. */
#define SHARD_FILE_MIN_BYTES (256u << 10)

#endif
