/* collection.h - databases and collections: the catalogue, checkpoints, the write path, searches into records.
 *
 * OWNS     the database (log, catalogue, checkpoints) and the collections in it. One collection has one shard today;
 * what
 *          merges several belongs here when there are more.
 * CALLED   by engine.c, which has checked the arguments. Calls shard, storage, payload, config.h.
 * THREADS  Any. catalogue_lock guards who is there; a collection's configuration is an immutable box, replaced
 *          whole and read pinned. Order: checkpoint_lock, catalogue_lock, then a shard's.
 * READ     database.c (open, close, checkpoint), catalogue.c (create, update, delete; aliases and what is read again have files
 *          beside it), write.c, read.c; filters in select.h, searches in query.h.
 */
#ifndef OCT_COLLECTION_H
#define OCT_COLLECTION_H

#include <pthread.h>

#include "base/arena.h"
#include "base/workers.h"
#include "collection/budget.h"
#include "config/config.h"
#include "collection/quota.h"
#include "os/os.h"
#include "shard/shard.h"
#include "storage/log.h"

typedef struct field_index field_index; /* field/field.h */

/* What a collection is configured to be. Immutable; lives in its own arena. */
typedef struct config_box {
    arena                 memory;
    oct_collection_config config;  /* as given: what was not set is unset */
    oct_collection_config filled;  /* with every default */
    uint32_t             *numbers; /* of config.vectors, in the shard */
    uint32_t              next_number; /* of the next name to come: none is given twice */
    uint64_t              sequence;    /* of the record that made it: what a replay may pass over */
    field_index         **fields;  /* of config.field_indexes; shared with the boxes before and after */
    struct box_words     *words;   /* what text indexes split by (box.c); the same in all boxes, NULL before the first */
    size_t                field_count;
} config_box;

typedef struct select_cache select_cache; /* select.h */

/* Strict mode's rate limiters: strict.h. */
typedef struct rate_bucket {
    pthread_mutex_t lock; /* guards the next lines */
    double          tokens;
    int64_t         limit; /* that `tokens` is for */
    uint64_t        at_ns; /* when it was last looked at; 0: never */
} rate_bucket;

typedef struct rate_limits {
    rate_bucket reads, writes;
} rate_limits;
/* The job that brings field indexes up to date, one at a time for each collection. */
typedef struct field_work {
    pthread_mutex_t lock; /* guards the next two */
    pthread_cond_t  ended;
    bool            queued; /* or running */
    atomic_bool     stopping;
} field_work;

struct oct_collection {
    oct_database           *database;
    uint64_t                shard_id;
    char                   *name;
    _Atomic uint32_t        references; /* handles, and one of the catalogue's */
    _Atomic(config_box *)   box;
    shard                  *shard;
    _Atomic(select_cache *) selections; /* made by the first filter */
    rate_limits            *rates;
    _Atomic uint32_t        snapshots_running, recoveries_running; /* counted for who watches */
    _Atomic uint64_t        snapshots_created;
    field_work              field_work; /* fields.h */
};

typedef struct alias {
    char    *name;
    uint64_t shard_id;
} alias;

struct oct_database {
    /* Set when opened. */
    os   *snapshot_system; /* where snapshots are kept */
    char *snapshot_path;
    bool  no_snapshot_urls;
    const oct_collection_config *new_collections; /* what they have unless told otherwise; NULL: nothing */
    uint32_t                     collections_max; /* 0: no limit */
    arena                        memory;          /* of the two lines above */
    os        *system;
    os        *own_system; /* to be freed, or NULL */
    char      *path;       /* NULL in memory */
    bool       read_only;
    bool       always_files; /* small shards too are saved in files: a snapshot is being unpacked */
    workers   *pool;
    write_log *log;
    os_file   *lock;
    uint64_t   replayed_records;
    double     open_seconds;
    uint64_t   instance; /* a number of its own in this process */
    quota      quotas;
    budget     budget;

    pthread_mutex_t  catalogue_lock; /* guards the next lines */
    oct_collection **collections;    /* sorted by name */
    oct_collection **by_shard;       /* the same, sorted by shard_id */
    size_t           collection_count, collection_capacity;
    alias           *aliases; /* sorted by name */
    size_t           alias_count, alias_capacity;
    uint64_t         next_shard_id;
    uint64_t         catalogue_sequence; /* of the last record of shard 0 */
    uint32_t         damaged_count;      /* collections set aside when it was opened; set then */
    uint32_t         recovering_count;   /* shards whose files are there and whose collection is not, yet */

    pthread_mutex_t  checkpoint_lock; /* one at a time; guards the next lines */
    bool             shard_folder_is_durable; /* the name `shard` in the database's folder */
    uint64_t         manifest_number;
    uint64_t         manifest_catalogue_sequence; /* what the durable manifest covers */
    uint64_t         manifest_log_sequence;       /* what it lets the log forget */
    uint32_t         held_count; /* snapshots that read files: nothing is removed meanwhile */
    bool             has_old;    /* there are files to be removed when that ends */
    uint64_t         manifest_log_end; /* when opened: records up to here were durable when it was written */
    _Atomic uint64_t checkpoint_at_bytes; /* of log */
    atomic_bool      accepts_jobs;  /* open, and not being closed: a checkpoint may be queued */
    atomic_bool      disk_full;     /* a write or a checkpoint found it so, and no checkpoint has succeeded since */
    _Atomic uint64_t retry_at_ns;   /* when a checkpoint may be tried again on a full disk */
    atomic_bool      checkpoints_stopped;
    pthread_mutex_t  recover_lock; /* one recovery at a time; before checkpoint_lock */
    pthread_mutex_t  job_lock;     /* guards the next line */
    uint32_t         job_count;    /* threads at work for snapshots */
    pthread_cond_t   job_ended;
    atomic_bool      checkpoint_queued;
    bool             checkpoint_again;  /* once more when it ends; under idle_lock */
    pthread_mutex_t  idle_lock; /* only for waiting until it is not */
    pthread_cond_t   idle;
};

/* --- database.c ------------------------------------------------------------------------------ */

oct_status database_open(const oct_open_options *options, oct_database **out, oct_error *error);
/* On a given os, as tests do; NULL: one in memory of its own. */
oct_status database_open_on(os *system, const oct_open_options *options, oct_database **out,
                            oct_error *error);
oct_status database_close(oct_database *self, oct_error *error);
oct_status database_checkpoint(oct_database *self, bool closing, oct_error *error);
#define DATABASE_FORMAT_FILE "octant.json"
/* The text of a new one; and (out may be NULL) of one that is there, if this version may open it. */
void       database_write_format(buffer *out);
oct_status database_read_format(os *system, const char *folder, buffer *out, oct_error *error);
/* Files that the manifest of this moment names, and the log behind it, stay until they are let go, whatever checkpoints come.
 * With checkpoint_lock held. */
void database_hold_files(oct_database *self);
void database_let_go(oct_database *self); /* without the lock */
/* One of its own, in which a snapshot is opened (snapshot_recover.c): every shard is saved in files. */
oct_status database_open_scratch(os *system, const char *path, oct_database **out, oct_error *error);
/* Queue a checkpoint if the log has grown enough, or `now`. */
void database_consider_checkpoint(oct_database *self, bool now);
/* A write ended with `status`: on a full disk, try now and then whether a checkpoint makes room. */
void database_note_write(oct_database *self, oct_status status);
void database_describe(oct_database *self, oct_database_info *info);

/* The catalogue at one moment, for a checkpoint. */
typedef struct catalogue_view {
    oct_collection **collections; /* references */
    shard_image    **images;
    size_t           collection_count;
    alias           *aliases; /* names are copies */
    size_t           alias_count;
    uint64_t         next_shard_id;
    uint64_t         catalogue_sequence;
    uint64_t         log_sequence; /* what the log need not keep */
    uint64_t         log_end;       /* what is durable in it */
    bool             is_recovering; /* there may be folders of shards that nobody names yet */
} catalogue_view;

/* --- catalogue.c ------------------------------------------------------------------------------- */

oct_status catalogue_create(oct_database *self, oct_slice name, const oct_collection_config *config,
                            oct_error *error);
oct_status catalogue_update(oct_database *self, oct_slice name, const oct_collection_config *changes,
                            oct_error *error);
/* Names that come, listed as in a new collection's configuration, and a name that goes. */
oct_status catalogue_add_vectors(oct_database *self, oct_slice name, const oct_collection_config *additions,
                                 oct_error *error);
oct_status catalogue_remove_vector(oct_database *self, oct_slice name, oct_slice vector, oct_error *error);
/* Change a configuration under the catalogue's lock: `make` turns that which is into that which is to be. */
typedef oct_status (*catalogue_make)(const void *context, const oct_collection_config *base, arena *memory,
                                     oct_collection_config *out, oct_error *error);
oct_status catalogue_change(oct_database *self, oct_slice name, catalogue_make make, const void *context,
                            oct_error *error);
/* `added` in place of the index of the same field (NULL: none), without that of the field `removed` (data NULL: of none). Of a
 * collection that is open; OCT_NOT_FOUND if it has been deleted since. */
oct_status catalogue_change_fields(oct_collection *collection, const oct_field_index *added, oct_slice removed,
                                   oct_error *error);
oct_status catalogue_delete(oct_database *self, oct_slice name, bool *existed, oct_error *error);
oct_status catalogue_change_aliases(oct_database *self, const oct_alias_change *changes, size_t count,
                                    oct_error *error);
oct_status catalogue_list(oct_database *self, oct_names **out, oct_error *error);
oct_status catalogue_list_aliases(oct_database *self, oct_slice collection, oct_names **out,
                                  oct_error *error);
/* A counted reference, or OCT_NOT_FOUND; OCT_CORRUPT for one that is set aside, which `any` gives too. */
oct_status catalogue_find_any(oct_database *self, oct_slice name_or_alias, oct_collection **out, oct_error *error);
oct_status catalogue_find(oct_database *self, oct_slice name_or_alias, oct_collection **out,
                          oct_error *error);
void       collection_release(oct_collection *self);
/* Apply a catalogue record that is in the log. */
oct_status catalogue_replay(oct_database *self, uint64_t sequence, oct_slice body, oct_error *error);
/* The shard of an id, or NULL; while the database is being opened only. */
oct_collection *catalogue_find_shard(const oct_database *self, uint64_t shard_id);
/* The manifest's text; images[i] belongs to collections[i], NULL: its last durable one. The caller took down
 * collections, aliases and numbers at one moment. */
oct_status catalogue_write(const catalogue_view *view, buffer *out, oct_error *error);
oct_status catalogue_read(oct_database *self, oct_slice manifest, uint64_t *log_sequence, oct_error *error);
void       catalogue_clear(oct_database *self);

/* Recovering: a number for a shard whose files are put into its folder; until it is returned no checkpoint removes them. */
void catalogue_reserve_shard(oct_database *self, uint64_t *shard_id);
void catalogue_return_shard(oct_database *self);
/* Put a collection in the place of the one called `name`, or make it. `entry` is a manifest's; the files it names are in
 * the folder of `shard_id`, durable. `content`: instead, the body of a BATCH_RESTORE record (in memory). One record in the
 * log makes it true. `only_shard`: the collection must exist and have the same vectors. */
oct_status catalogue_adopt(oct_database *self, oct_slice name, uint64_t shard_id, oct_slice entry, oct_slice content,
                           bool only_shard, oct_error *error);

oct_status catalogue_view_new(oct_database *self, catalogue_view *view, oct_error *error);
void       catalogue_view_clear(catalogue_view *view);

/* --- write.c -------------------------------------------------------------------------------------- */

/* `rule` NULL: all points. */
oct_status collection_upsert(oct_collection *self, const oct_point *points, size_t count, bool only_vectors,
                             const oct_update_rule *rule, const oct_write_options *options,
                             oct_write_result *result, oct_error *error);
oct_status collection_upsert_rows(oct_collection *self, const uint64_t *ids, const float *vectors,
                                  size_t count, size_t dim, size_t row_stride, const oct_slice *payloads,
                                  const oct_write_options *options, oct_error *error);
oct_status collection_delete_vectors(oct_collection *self, const oct_targets *targets, const oct_slice *names,
                                     size_t name_count, const oct_write_options *options,
                                     oct_write_result *result, oct_error *error);
oct_status collection_delete(oct_collection *self, const oct_targets *targets,
                             const oct_write_options *options, oct_write_result *result, oct_error *error);
oct_status collection_change_payload(oct_collection *self, const oct_targets *targets,
                                     const oct_payload_change *change, const oct_write_options *options,
                                     oct_write_result *result, oct_error *error);
/* mixed.c */
oct_status collection_write_batch(oct_collection *self, const oct_write *writes, size_t count,
                                  const oct_write_options *options, oct_write_result *result, oct_error *error);
oct_status collection_optimize(oct_collection *self, bool wait, oct_error *error);

/* --- read.c ----------------------------------------------------------------------------------------- */

oct_status collection_retrieve(oct_collection *self, const oct_id *ids, size_t count, const oct_shard_key *keys,
                               size_t key_count, const oct_select *select, oct_records **out, oct_error *error);
oct_status collection_scroll(oct_collection *self, const oct_filter *given, const oct_id *from, size_t limit,
                             const oct_select *select, oct_records **out, oct_error *error);
/* order.c */
oct_status collection_scroll_ordered(oct_collection *self, const oct_filter *given, const oct_order_by *order,
                                     size_t limit, const oct_select *select, oct_records **out, oct_error *error);
oct_status collection_facet(oct_collection *self, const oct_facet_request *request, oct_facets **out,
                            oct_error *error);
oct_status collection_count(oct_collection *self, const oct_filter *given, uint64_t *out, oct_error *error);
/* Near collection_count, if indexes leave so much open that asking the documents would cost more than a moment. */
oct_status collection_estimate(oct_collection *self, const oct_filter *given, uint64_t *out, oct_error *error);
oct_status collection_search(oct_collection *self, const oct_search_request *request, oct_records **out,
                             oct_error *error); /* query_run.c */
oct_status collection_search_rows(oct_collection *self, const float *queries, size_t query_count, size_t dim,
                                  size_t k, size_t ef, bool exact, uint32_t threads, uint64_t *ids,
                                  float *scores, oct_error *error);
oct_status collection_describe(oct_collection *self, oct_collection_info **out, oct_error *error);

/* --- fields.c: see fields.h ----------------------------------------------------------------------------- */

oct_status fields_create(oct_collection *self, const oct_field_index *index, const oct_write_options *options,
                         oct_write_result *result, oct_error *error);
oct_status fields_delete(oct_collection *self, oct_slice field, const oct_write_options *options,
                         oct_write_result *result, oct_error *error);
void       fields_init(oct_collection *self);
/* Memory by part: the shard's, and the indexes'. */
void       collection_measure(oct_collection *self, oct_memory_info *out);
/* Start bringing indexes up to date, if some are far behind. */
void       fields_kick(oct_collection *self);
/* Wait for the job; none begins any more. The collection is on its way out. */
void       fields_end(oct_collection *self);
/* fields_file.c. Keep in files what indexes have, if that is worth it; with checkpoint_lock held, the manifest being durable. */
void       fields_save(oct_collection *self, bool closing);
/* Have what the files have: when the database is opened, after the log was replayed. */
void       fields_load(oct_collection *self);

/* --- shared -------------------------------------------------------------------------------------------- */

/* Pinned. */
static inline const config_box *
collection_box(const oct_collection *self)
{
    return atomic_load_explicit(&self->box, memory_order_seq_cst);
}

/* The place of a vector name in the box's config, or OCT_INVALID. */
oct_status box_find_vector(const config_box *box, oct_slice name, size_t *index, oct_error *error);
/* A sparse vector as it is stored and searched: entries by ascending index, in `memory` unless they are so already. OCT_INVALID
 * for one that is none: another kind, an index twice, a weight that is not finite. */
oct_status sparse_prepare(const oct_vector *given, arena *memory, sparse_vector *out, oct_error *error);
/* "Conversion between ... and regular vectors failed". */
oct_status fail_vector_kind(oct_vector_kind kind, oct_error *error);
/* True if every component is a number. */
bool floats_are_finite(const float *values, size_t count);

#endif
