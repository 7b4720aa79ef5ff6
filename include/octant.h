/* octant.h - the typed C interface of Octant, a vector database engine.
 *
 * WHAT     Open a database (a directory, or memory), create collections of points, write points, search
 *          them. Everything the REST API, the Python package and the command line can do ends here.
 * SHAPES   Vectors are rows of 32-bit floats, row-major: component j of vector i is v[i * dim + j].
 * TEXT     oct_slice is pointer and size, not NUL-terminated. Names and JSON documents are UTF-8.
 * ERRORS   Every call that can fail returns an oct_status and takes an `oct_error *` last (may be NULL).
 *          On failure the database is as it was before the call, and out-parameters are NULL or unchanged.
 * MEMORY   Arguments are read during the call and never kept. Results are owned by the caller and
 *          released with the `_free` or `_close` function named beside them, all of which accept NULL.
 * THREADS  Every function may be called from any thread at any time, except oct_close, which must be
 *          the last call on its database. Reads never wait for writes.
 * ABI      Status values are never renumbered. Structs given by the caller start with OCT_..._INIT or
 *          zeroes; a zero field means "not given" unless its comment says otherwise.
 */
#ifndef OCTANT_H
#define OCTANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define OCT_API __attribute__((visibility("default")))
#else
#define OCT_API
#endif

/* ---------------------------------------------------------------------------------------------
 * Status and errors
 * ------------------------------------------------------------------------------------------- */

/* One line per status: name, value, text. Values are ABI: append, never renumber. */
#define OCT_STATUS_MAP(X)                                                    \
    X(OK, 0, "ok")                                                           \
    X(NOMEM, -1, "out of memory")                                            \
    X(INVALID, -2, "invalid argument")                                       \
    X(DIM, -3, "vector has the wrong dimension")                             \
    X(IO, -4, "input/output error")                                          \
    X(CORRUPT, -5, "stored data failed its checksum")                        \
    X(STOPPED, -6, "writing stopped after a failed sync; reopen")            \
    X(NOT_FOUND, -7, "not found")                                            \
    X(EXISTS, -8, "already exists")                                          \
    X(FULL, -9, "no space left on the device")                               \
    X(LOCKED, -10, "the database is open in another process")                \
    X(TIMEOUT, -11, "the time allowed ran out")                              \
    X(UNSUPPORTED, -12, "not supported")                                     \
    X(BAD_REQUEST, -13, "bad request")                                       \
    X(FORBIDDEN, -14, "forbidden")                                           \
    X(FORMAT, -15, "malformed input")                                        \
    X(RANGE, -16, "a value breaks a limit")                                  \
    X(BUSY, -17, "too much work in flight; try again")                       \
    X(INTERNAL, -18, "internal error")                                       \
    X(MODEL, -19, "the model cannot take this input")

typedef enum oct_status {
#define OCT_STATUS_ENUM(name, value, text) OCT_##name = (value),
    OCT_STATUS_MAP(OCT_STATUS_ENUM)
#undef OCT_STATUS_ENUM
} oct_status;

#define OCT_ERROR_TEXT_MAX 1024

/* Where a failure is told. A fixed buffer, so that "out of memory" needs no memory. */
typedef struct oct_error {
    oct_status status;
    char       text[OCT_ERROR_TEXT_MAX]; /* a sentence with the offending value; NUL-terminated */
} oct_error;

/* The general meaning of a status, a constant string. Any value is accepted. */
OCT_API const char *oct_status_text(oct_status status);

/* ---------------------------------------------------------------------------------------------
 * Limits: checked at this interface, whoever calls
 * ------------------------------------------------------------------------------------------- */

#define OCT_DIM_MAX             65536u     /* components of one vector */
#define OCT_MULTI_FLOATS_MAX    1048575u   /* floats of one multivector, all rows together */
#define OCT_COLLECTION_NAME_MAX 255u       /* bytes */
#define OCT_VECTOR_NAME_MAX     200u       /* bytes */
#define OCT_SHARD_KEY_MAX       255u       /* bytes */
#define OCT_SHARD_KEYS_MAX      65536u     /* of one collection */
#define OCT_VECTORS_MAX         256u       /* named vectors of one collection */
#define OCT_SPARSE_MAX          (1u << 20) /* entries of one sparse vector */
#define OCT_PAYLOAD_BYTES_MAX   (32u << 20) /* one payload document */
#define OCT_PAYLOAD_DEPTH_MAX   128u       /* nesting of one payload document */
#define OCT_POINTS_MAX          0xFFFFFFF0u /* points of one shard, dead ones included */
#define OCT_LIMIT_MAX           (1u << 24) /* results of one request, offset included */
#define OCT_FILTER_DEPTH_MAX    64u        /* filters within filters, the outermost counted */
#define OCT_FILTER_CONDITIONS_MAX 65536u   /* conditions of one filter, those of filters within it included */
#define OCT_M_MAX               512u       /* hnsw m */
#define OCT_EF_CONSTRUCT_MAX    65536u

/* ---------------------------------------------------------------------------------------------
 * Small values
 * ------------------------------------------------------------------------------------------- */

typedef struct oct_slice {
    const char *data;
    size_t      size;
} oct_slice;

/* A point id: an unsigned 64-bit number (is_uuid 0, value in `low`) or a UUID (is_uuid 1; `high` holds
 * its first eight bytes as a big-endian number, `low` the last eight). Numbers sort before UUIDs. */
typedef struct oct_id {
    uint64_t high;
    uint64_t low;
    uint32_t is_uuid;
    uint32_t reserved; /* zero; inside the library the number of the point's shard key */
} oct_id;

/* With custom sharding every point belongs to a key, and two points of different keys may have the same id. */
typedef struct oct_shard_key {
    bool      is_number;
    uint64_t  number;
    oct_slice text; /* UTF-8, not empty; unless is_number */
} oct_shard_key;

static inline oct_id
oct_id_number(uint64_t number)
{
    oct_id id = {0, 0, 0, 0};
    id.low = number;
    return id;
}

/* Values are stored on disk: append, never renumber. */
typedef enum oct_distance { OCT_COSINE = 1, OCT_EUCLID = 2, OCT_DOT = 3, OCT_MANHATTAN = 4 } oct_distance;
typedef enum oct_datatype { OCT_FLOAT32 = 0, OCT_FLOAT16 = 1, OCT_UINT8 = 2 } oct_datatype;

#define OCT_UNSET (-1) /* "not given", for the signed fields of configurations */
#define OCT_CLEAR (-2) /* in updates, as hnsw.m of a vector: drop all settings of its own first */

/* ---------------------------------------------------------------------------------------------
 * Configuration of a collection. Names, defaults and meaning are Qdrant's. Signed fields hold
 * OCT_UNSET when not given; booleans among them hold 0 or 1.
 * ------------------------------------------------------------------------------------------- */

typedef struct oct_hnsw_config {
    int64_t m;                    /* links per node; level 0 uses 2m. Default 16; 0: no graph */
    int64_t ef_construct;         /* candidates kept while building. Default 100; at least 4 */
    int64_t full_scan_threshold;  /* kilobytes of vectors below which a search scans. Default 10000 */
    int64_t max_indexing_threads; /* 0: automatic */
    int64_t on_disk;
    int64_t payload_m;
    int64_t inline_storage;
    int64_t memory; /* enum oct_memory */
} oct_hnsw_config;

typedef enum oct_memory { OCT_MEMORY_COLD = 0, OCT_MEMORY_CACHED = 1, OCT_MEMORY_PINNED = 2 } oct_memory;

typedef enum oct_quantization {
    OCT_QUANTIZATION_UNSET = 0,
    OCT_QUANTIZATION_SCALAR = 1,
    OCT_QUANTIZATION_PRODUCT = 2,
    OCT_QUANTIZATION_BINARY = 3,
    OCT_QUANTIZATION_TURBO = 4,
    OCT_QUANTIZATION_DISABLED = 5 /* in updates: remove it */
} oct_quantization;

typedef struct oct_quantization_config {
    int64_t kind;           /* enum oct_quantization */
    double  quantile;       /* scalar: 0.5 .. 1; negative: not given */
    int64_t compression;    /* product: 4, 8, 16, 32, 64 */
    int64_t encoding;       /* binary: 0 one_bit, 1 two_bits, 2 one_and_half_bits */
    int64_t query_encoding; /* binary: 0 default, 1 binary, 2 scalar4bits, 3 scalar8bits */
    int64_t bits;           /* turbo: 0 bits1, 1 bits1_5, 2 bits2, 3 bits4 */
    int64_t always_ram;
    int64_t memory;
} oct_quantization_config;

typedef enum oct_modifier { OCT_MODIFIER_NONE = 0, OCT_MODIFIER_IDF = 1 } oct_modifier;

/* Of a sparse vector. Searches are exact, and weights 32-bit floats, whatever `index` says. */
typedef struct oct_sparse_config {
    int64_t modifier;            /* enum oct_modifier. Idf: query weights count by how rare their index is */
    int64_t has_index;           /* 1: the next four were given as an object, maybe an empty one */
    int64_t full_scan_threshold; /* a number of vectors */
    int64_t on_disk;
    int64_t datatype; /* enum oct_datatype */
    int64_t memory;   /* enum oct_memory */
} oct_sparse_config;

typedef struct oct_vector_config {
    oct_slice               name; /* "" for the unnamed vector */
    int64_t                 size; /* 1 .. OCT_DIM_MAX */
    int64_t                 distance;
    int64_t                 datatype;    /* OCT_UNSET: float32 */
    int64_t                 on_disk;
    int64_t                 memory;
    int64_t                 multivector; /* 1: max_sim. Searches compare every point, as there is no graph */
    oct_hnsw_config         hnsw;        /* each set field overrides the collection's */
    oct_quantization_config quantization;
    int64_t                 sparse; /* 1: its vectors are sparse; then only the name and the next count */
    oct_sparse_config       sparse_config;
} oct_vector_config;

typedef struct oct_optimizer_config {
    double  deleted_threshold; /* negative: not given */
    int64_t vacuum_min_vector_number;
    int64_t default_segment_number;
    int64_t max_segment_size;
    int64_t memmap_threshold;
    int64_t indexing_threshold; /* kilobytes; 0: no graph is built */
    int64_t flush_interval_sec;
    int64_t max_optimization_threads; /* -2: "auto" */
    int64_t prevent_unoptimized;
} oct_optimizer_config;

typedef struct oct_wal_config {
    int64_t wal_capacity_mb;
    int64_t wal_segments_ahead;
    int64_t wal_retain_closed;
} oct_wal_config;

/* A limit for one vector name: vectors of a multivector, entries of a sparse vector. */
typedef struct oct_strict_vector {
    oct_slice name;
    int64_t   max;
} oct_strict_vector;

/* Strict mode: what requests may ask for. Only looked at when `enabled` is 1. */
typedef struct oct_strict_config {
    int64_t enabled;
    int64_t max_query_limit;
    int64_t max_timeout; /* seconds */
    int64_t unindexed_filtering_retrieve;
    int64_t unindexed_filtering_update;
    int64_t search_max_hnsw_ef;
    int64_t search_allow_exact;
    double  search_max_oversampling; /* negative: not given */
    int64_t upsert_max_batchsize;
    int64_t search_max_batchsize;
    int64_t max_collection_vector_size_bytes;
    int64_t read_rate_limit;  /* operations in a minute */
    int64_t write_rate_limit; /* operations in a minute */
    int64_t max_collection_payload_size_bytes;
    int64_t max_points_count;
    int64_t filter_max_conditions;
    int64_t condition_max_size;
    int64_t max_payload_index_count;
    int64_t max_resident_memory_percent;
    const oct_strict_vector *multivectors; /* changes: when given, they replace all */
    size_t                   multivector_count;
    const oct_strict_vector *sparse;
    size_t                   sparse_count;
} oct_strict_config;

typedef struct oct_shard_key_info {
    oct_shard_key key;
    uint32_t      number;       /* inside the library; at least 1, never used again */
    uint32_t      shard_number; /* as asked for; here all of them are one */
    uint32_t      replication_factor;
} oct_shard_key_info;

/* Values are stored on disk: append, never renumber. */
typedef enum oct_field_type {
    OCT_FIELD_KEYWORD = 1,
    OCT_FIELD_INTEGER = 2,
    OCT_FIELD_FLOAT = 3,
    OCT_FIELD_GEO = 4,
    OCT_FIELD_TEXT = 5,
    OCT_FIELD_BOOL = 6,
    OCT_FIELD_DATETIME = 7,
    OCT_FIELD_UUID = 8
} oct_field_type;

/* An index of one payload field. Which members count follows from the type; the rest stays unset. */
typedef struct oct_field_index {
    oct_slice field;        /* a payload path */
    int64_t   type;         /* enum oct_field_type */
    int64_t   has_params;   /* 1: made from parameters, and shown with them; else from the name of a type */
    int64_t   is_tenant;    /* keyword, uuid */
    int64_t   is_principal; /* integer, float, datetime */
    int64_t   lookup;       /* integer: serves matches. Default 1 */
    int64_t   range;        /* integer: serves ranges and order_by. Default 1 */
    int64_t   prefix;       /* keyword */
    int64_t   on_disk;
    int64_t   memory;       /* enum oct_memory */
    int64_t   enable_hnsw;
    int64_t   tokenizer;    /* text, as all below: enum oct_tokenizer */
    int64_t   min_token_len;
    int64_t   max_token_len;
    int64_t   lowercase;
    int64_t   ascii_folding;
    int64_t   phrase_matching;
    oct_slice stopwords;    /* JSON, as Qdrant writes it; empty: none */
    oct_slice stemmer;      /* the same */
} oct_field_index;

typedef struct oct_collection_config {
    const oct_vector_config *vectors;
    size_t                   vector_count;
    const oct_field_index   *field_indexes; /* not when creating: see oct_field_index_create */
    size_t                   field_index_count;
    int64_t                  single_vector; /* 1: `vectors` is one unnamed vector, shown without a name */
    int64_t                  shard_number;
    int64_t                  replication_factor;
    int64_t                  write_consistency_factor;
    int64_t                  read_fan_out_factor;
    int64_t                  read_fan_out_delay_ms;
    int64_t                  on_disk_payload;
    int64_t                  payload_memory;  /* enum oct_memory */
    int64_t                  sharding_method; /* 1: custom; only when created */
    oct_hnsw_config          hnsw;
    oct_optimizer_config     optimizer;
    oct_wal_config           wal;
    oct_quantization_config  quantization;
    oct_slice                metadata; /* a JSON object, or empty */
    oct_strict_config        strict;
    const oct_shard_key_info *shard_keys; /* shown, and made by oct_shard_key_create only */
    size_t                    shard_key_count;
    int64_t                   shard_keys_made; /* so far: the last number given to one */
} oct_collection_config;

/* Every field "not given". Call it before filling in what is wanted. */
OCT_API void oct_hnsw_config_init(oct_hnsw_config *config);
OCT_API void oct_quantization_config_init(oct_quantization_config *config);
OCT_API void oct_sparse_config_init(oct_sparse_config *config);
OCT_API void oct_vector_config_init(oct_vector_config *config);
OCT_API void oct_field_index_init(oct_field_index *config);
OCT_API void oct_collection_config_init(oct_collection_config *config);

/* ---------------------------------------------------------------------------------------------
 * Text: how a string becomes tokens, for text indexes and for BM25. Names and meaning are Qdrant's.
 *
 * A token goes through these steps in this order: fold, lower case, drop stop words, stem, drop by length.
 * ------------------------------------------------------------------------------------------- */

/* Values are stored on disk: append, never renumber. */
typedef enum oct_tokenizer {
    OCT_TOKENIZER_WORD = 0,        /* split at what is neither a letter nor a digit of Unicode */
    OCT_TOKENIZER_WHITESPACE = 1,
    OCT_TOKENIZER_PREFIX = 2,      /* of documents every prefix of each word, of queries the longest */
    OCT_TOKENIZER_MULTILINGUAL = 3 /* as WORD; scripts without spaces (Chinese, Japanese, Thai, ...) as pairs of letters */
} oct_tokenizer;

#define OCT_TOKEN_LEN_MAX    65535u /* min_token_len, max_token_len */
#define OCT_STOP_WORDS_MAX   65536u /* custom ones of one configuration */

/* How stop words were given. */
typedef enum oct_stopwords { OCT_STOPWORDS_SET = 1, OCT_STOPWORDS_LANGUAGE = 2 /* one language, by its name alone */ } oct_stopwords;

typedef struct oct_text_config {
    int64_t          tokenizer;     /* enum oct_tokenizer; OCT_UNSET: word */
    int64_t          lowercase;     /* OCT_UNSET: 1 */
    int64_t          ascii_folding; /* "é" as "e"; OCT_UNSET: 0 */
    int64_t          min_token_len; /* characters; OCT_UNSET: no limit */
    int64_t          max_token_len;
    int64_t          stopwords;      /* enum oct_stopwords: the two lists below count; OCT_UNSET: no stop words */
    const oct_slice *stop_languages; /* "english" or "en", ... */
    size_t           stop_language_count;
    const oct_slice *stop_words;
    size_t           stop_word_count;
    oct_slice        stemmer; /* language of a Snowball stemmer, "english"; "none"; empty: not given, none */
} oct_text_config;

/* Every field "not given". */
OCT_API void oct_text_config_init(oct_text_config *config);

typedef struct oct_bm25_config {
    double          k;        /* how soon repetition stops to count; NAN: 1.2 */
    double          b;        /* how much length counts, 0 .. 1; NAN: 0.75 */
    double          avg_len;  /* the tokens of a text of middle length; NAN: 256 */
    oct_slice       language; /* whose stop words and stemmer are used; empty: english; one that is none, as "none": neither */
    oct_text_config text;     /* its stopwords and stemmer, if given, come before the language's */
} oct_bm25_config;

typedef struct oct_sparse { /* one allocation, with all it points to */
    size_t          count;
    const uint32_t *indices; /* ascending */
    const float    *values;
} oct_sparse;

/* Every field "not given". */
OCT_API void oct_bm25_config_init(oct_bm25_config *config);

/**
 * The sparse vector of a text under BM25: for a sparse vector with the modifier "idf". Needs no model and no database, and
 * equals what Qdrant's `qdrant/bm25` gives.
 *
 * Shapes.  One entry for each token of the text; `is_query`: each weighs 1.
 * Memory.  *out is released with oct_sparse_free. `config` NULL: the defaults.
 * Errors.  OCT_INVALID: a setting that cannot be. OCT_NOMEM.
 */
OCT_API oct_status oct_bm25_encode(const oct_bm25_config *config, oct_slice text, bool is_query, oct_sparse **out,
                                   oct_error *error);
OCT_API void       oct_sparse_free(oct_sparse *sparse);

/* ---------------------------------------------------------------------------------------------
 * Database
 * ------------------------------------------------------------------------------------------- */

typedef struct oct_database   oct_database;
typedef struct oct_collection oct_collection;

typedef enum oct_sync {
    OCT_SYNC_ALWAYS = 0,   /* a waiting write returns after the log was synced (default) */
    OCT_SYNC_INTERVAL = 1, /* synced every sync_interval_ms; a power cut may cost that much */
    OCT_SYNC_NEVER = 2     /* left to the operating system; a crash of the process loses nothing */
} oct_sync;

typedef struct oct_open_options {
    const char *path;             /* a directory, made if absent; NULL or ":memory:": in memory */
    uint32_t    threads;          /* background threads; 0: one per CPU */
    oct_sync    sync;
    uint32_t    sync_interval_ms; /* for OCT_SYNC_INTERVAL; 0: 100 */
    bool        read_only;        /* open without the writer's lock; writes are refused */
    bool        no_snapshot_urls; /* recovering a snapshot from an http(s) URL is refused */
    const char *snapshots_path;   /* where snapshots are kept; NULL: PATH/snapshots, or in memory with the database */
    const char *collection_defaults; /* JSON, as the body of PUT /collections/{c}: what a new collection has where its creator
                                        says nothing; `vectors` there has `on_disk` and `memory` of every vector. NULL: none */
    uint32_t    collections_max;  /* creating more is refused; 0: no limit */
    uint64_t    memory_limit;     /* bytes of private memory of this process (pages of files are not counted): near it vectors
                                     and payload leave memory, then writes that add answer OCT_FULL. 0: no limit */
} oct_open_options;

/**
 * Open a database. Recovers from a crash: the newest checkpoint plus the log's tail. The time does not
 * grow with the number of points, only with the log written since the last checkpoint.
 *
 * Memory.  *out is released with oct_close.
 * Errors.  OCT_LOCKED: another process has it open. OCT_CORRUPT: the catalogue cannot be trusted; the
 *          text names file and offset. OCT_IO, OCT_NOMEM.
 */
OCT_API oct_status oct_open(const oct_open_options *options, oct_database **out, oct_error *error);

/* Finish background work, write a checkpoint, close. Accepts NULL. The database is released whatever is
 * returned; an error means that the checkpoint failed and the next open will replay the log instead. A full disk is no error: so
 * it goes there, too. */
OCT_API oct_status oct_close(oct_database *database, oct_error *error);

/* Write a checkpoint now: everything acknowledged so far leaves the log and enters the columns. */
OCT_API oct_status oct_checkpoint(oct_database *database, oct_error *error);

typedef struct oct_database_info {
    const char *version;          /* of the library, such as "0.1.0" */
    const char *cpu_level;        /* the kernels in use: "avx512", "avx2", "neon", "scalar" */
    const char *path;             /* NULL in memory */
    uint64_t    collection_count;
    uint64_t    log_sequence;     /* of the last record */
    uint64_t    log_bytes;        /* not yet covered by a checkpoint */
    uint64_t    replayed_records; /* when this database was opened */
    double      open_seconds;
    uint64_t    instance;         /* of this opening: no two of a process have the same */
} oct_database_info;

OCT_API void oct_database_describe(oct_database *database, oct_database_info *info);

/* Quotas: beyond them writes that add answer OCT_FULL. Kept in the database. Percent of the machine; OCT_UNSET: none. */
typedef struct oct_quota_config {
    bool    enabled;
    int64_t max_resident_memory_percent; /* 1 .. 100 */
    int64_t max_disk_usage_percent;      /* 1 .. 100 */
    int64_t release_margin_percent;      /* 0 .. 100, 5 if not given: how far below the limit writes begin again */
} oct_quota_config;

typedef struct oct_quota_usage { /* -1: not known */
    int64_t resident_memory_percent;
    int64_t disk_usage_percent;
    bool    memory_exceeded;
    bool    disk_exceeded;
} oct_quota_usage;

OCT_API void       oct_quota_get(oct_database *database, oct_quota_config *config, oct_quota_usage *usage);
OCT_API oct_status oct_quota_set(oct_database *database, const oct_quota_config *config, oct_error *error);

OCT_API const char *oct_version(void);
OCT_API const char *oct_cpu_level(void);

/* ---------------------------------------------------------------------------------------------
 * Collections
 * ------------------------------------------------------------------------------------------- */

/* Create. Errors: OCT_EXISTS, OCT_RANGE (a size, m or name out of bounds), OCT_INVALID. */
OCT_API oct_status oct_collection_create(oct_database *database, oct_slice name,
                                         const oct_collection_config *config, oct_error *error);

/* Change what `changes` has set; `vectors` there lists only the vectors to change, by name. In metadata
 * a null value removes its key. */
OCT_API oct_status oct_collection_update(oct_database *database, oct_slice name,
                                         const oct_collection_config *changes, oct_error *error);

/* Add vector names to a collection: those that `additions` lists, whose other fields do not matter. Points that are there
 * have no vector of such a name until they are given one. A name that is there already, the same, is fine; if its size,
 * distance, datatype or kind differs: OCT_INVALID. Reads and writes go on. */
OCT_API oct_status oct_collection_add_vectors(oct_database *database, oct_slice name,
                                              const oct_collection_config *additions, oct_error *error);

/* Remove a vector name, with the vectors of all points; it may come back as another. No such name: nothing happens. */
OCT_API oct_status oct_collection_remove_vector(oct_database *database, oct_slice name, oct_slice vector_name,
                                                oct_error *error);

/* Delete a collection and its aliases. *existed tells whether there was one. */
OCT_API oct_status oct_collection_delete(oct_database *database, oct_slice name, bool *existed, oct_error *error);

/* Shard keys of a collection with custom sharding. They are in oct_collection_info.config. Deleting a key deletes its
 * points. Errors: OCT_BAD_REQUEST (no custom sharding, the key is there already, or is not), OCT_RANGE. */
OCT_API oct_status oct_shard_key_create(oct_database *database, oct_slice collection,
                                        const oct_shard_key_info *key, oct_error *error);
OCT_API oct_status oct_shard_key_delete(oct_database *database, oct_slice collection, const oct_shard_key *key,
                                        oct_error *error);

/* Find a collection by name or alias. The handle keeps the collection alive, even past its deletion. */
OCT_API oct_status oct_collection_open(oct_database *database, oct_slice name_or_alias,
                                       oct_collection **out, oct_error *error);
OCT_API void       oct_collection_close(oct_collection *collection);

typedef struct oct_names { /* one allocation; items sorted by bytes */
    size_t           count;
    const oct_slice *items;
    const oct_slice *targets; /* for aliases: the collection of each; otherwise NULL */
} oct_names;

OCT_API oct_status oct_collection_list(oct_database *database, oct_names **out, oct_error *error);
OCT_API void       oct_names_free(oct_names *names);

typedef enum oct_alias_action { OCT_ALIAS_CREATE, OCT_ALIAS_DELETE, OCT_ALIAS_RENAME } oct_alias_action;

typedef struct oct_alias_change {
    oct_alias_action action;
    oct_slice        alias;
    oct_slice        collection; /* create: the collection; rename: the new alias */
} oct_alias_change;

/* Apply all changes at once, or none. */
OCT_API oct_status oct_alias_update(oct_database *database, const oct_alias_change *changes, size_t count,
                                    oct_error *error);
/* `collection` empty: the aliases of every collection. */
OCT_API oct_status oct_alias_list(oct_database *database, oct_slice collection, oct_names **out, oct_error *error);

typedef struct oct_collection_info {
    oct_collection_config config; /* with every default filled in */
    uint64_t points_count;
    uint64_t indexed_vectors_count; /* vectors in the graph, over all named vectors */
    uint64_t tail_vectors_count;    /* vectors scanned exactly until they join the graph */
    uint64_t deleted_vectors_count; /* dead vectors that a compaction will drop */
    uint64_t segments_count;        /* always 1: there is one mutable graph */
    uint64_t version;               /* number of the last operation */
    uint64_t ram_bytes;
    uint64_t disk_bytes;
    uint64_t vector_bytes;          /* of the vectors as given, dead ones included */
    uint64_t payload_bytes;
    bool     stopped;               /* writing stopped after a failed sync */
    uint64_t mended_graphs;         /* whose files were damaged, and that are made again from the vectors since it was opened */
    const char *mended;             /* NULL; or what else was damaged when it was opened, and was made again from the rest */
    const char *damage;             /* NULL; or what is wrong with its files, so that it answers nothing else */
    oct_slice name;
    const uint64_t *field_points;   /* of each of config.field_indexes: points with a value in it */
    const uint64_t *field_bytes;    /* of each of config.field_indexes: what it takes in memory */
    uint64_t snapshots_running;     /* being made now; and files it is being recovered from */
    uint64_t recoveries_running;
    uint64_t snapshots_created;     /* since the database was opened */
    void    *reserved;              /* owns the memory above */
} oct_collection_info;

OCT_API oct_status oct_collection_describe(oct_collection *collection, oct_collection_info **out, oct_error *error);
/* The same by name, also of a collection that is damaged, which oct_collection_open refuses. */
OCT_API oct_status oct_collection_inspect(oct_database *database, oct_slice name_or_alias, oct_collection_info **out,
                                          oct_error *error);
OCT_API void       oct_collection_info_free(oct_collection_info *info);

/* Where a collection's memory is, by part. `memory_bytes` is the process's own; `mapped_bytes` is read from mapped files,
 * whose pages the system keeps as long as it has room and reads again when they are asked for. Counted is what is used:
 * tables that grow have room beyond. */
typedef struct oct_memory_part {
    const char *name; /* "vectors", "codes", "links", "rows", "points", "payload", "fields" (indexes of payload); static */
    uint64_t    memory_bytes;
    uint64_t    mapped_bytes;
} oct_memory_part;

#define OCT_MEMORY_PARTS_MAX 16

typedef struct oct_memory_info {
    size_t          count;
    oct_memory_part parts[OCT_MEMORY_PARTS_MAX];
} oct_memory_info;

OCT_API void oct_collection_memory(oct_collection *collection, oct_memory_info *out);

/* Wait until every full batch of the tail has joined the graph; `timeout_ms` 0: for ever. */
OCT_API oct_status oct_collection_wait_indexed(oct_collection *collection, uint64_t timeout_ms, oct_error *error);

/* Compact: drop dead vectors, renumber, rebuild the graph. Reads and writes go on meanwhile. */
OCT_API oct_status oct_collection_optimize(oct_collection *collection, oct_error *error);

/* A checksum over the graphs of a collection. Equal logs give equal checksums, with any number of threads. */
OCT_API oct_status oct_collection_graph_checksum(oct_collection *collection, uint64_t *out, oct_error *error);

/* Check invariants and stored checksums of a collection; OCT_CORRUPT names the first damage. */
OCT_API oct_status oct_collection_check(oct_collection *collection, oct_error *error);

/* ---------------------------------------------------------------------------------------------
 * What every write takes and gives
 * ------------------------------------------------------------------------------------------- */

typedef enum oct_write_status { OCT_WRITE_ACKNOWLEDGED = 0, OCT_WRITE_COMPLETED = 1 } oct_write_status;

typedef struct oct_write_options {
    bool wait; /* true: return when the write is durable and visible; false: when it is in the log's queue */
    /* With custom sharding, whose points are meant: of all these keys. Otherwise none may be given. */
    const oct_shard_key *shard_keys;
    size_t               shard_key_count;
} oct_write_options;

typedef struct oct_write_result {
    uint64_t         operation_id; /* grows by one with each operation of the collection */
    oct_write_status status;
} oct_write_result;

/* ---------------------------------------------------------------------------------------------
 * Field indexes
 *
 * An index changes how fast filters are, not what they mean. What orders points by a field, or counts its values,
 * needs one.
 * ------------------------------------------------------------------------------------------- */

#define OCT_FIELD_INDEXES_MAX 256u /* of one collection */

/**
 * Index a payload field, or index it another way. What is there already is left alone.
 *
 * Cost.     The index is built behind the caller's back, while reads and writes go on; filters do without it meanwhile.
 *           With options->wait (or options NULL) the call returns when it is built; should that fail (no memory, damage),
 *           the result is OCT_WRITE_ACKNOWLEDGED, and the next writes try again.
 * Errors.   OCT_FORMAT: a bad path. OCT_RANGE: parameters that cannot be, or too many indexes. OCT_UNSUPPORTED.
 */
OCT_API oct_status oct_field_index_create(oct_collection *collection, const oct_field_index *index,
                                          const oct_write_options *options, oct_write_result *result,
                                          oct_error *error);
/* Drop the index of a field. There need not be one. */
OCT_API oct_status oct_field_index_delete(oct_collection *collection, oct_slice field,
                                          const oct_write_options *options, oct_write_result *result,
                                          oct_error *error);

/* ---------------------------------------------------------------------------------------------
 * Filters: which points are meant. Names and meaning are Qdrant's.
 *
 * A condition on a field is true if it holds for one of the values behind the field's path; of a value that is an
 * array, for one of its elements (one level). Types are told apart: the string "5", the integer 5 and the float 5.0
 * are three values. What is missing, or null, satisfies nothing but the conditions that ask for it.
 * ------------------------------------------------------------------------------------------- */

typedef enum oct_value_kind { OCT_VALUE_TEXT = 0, OCT_VALUE_INTEGER = 1, OCT_VALUE_BOOL = 2 } oct_value_kind;

typedef struct oct_value { /* a payload value that can be matched */
    oct_value_kind kind;
    oct_slice      text;    /* UTF-8 */
    int64_t        integer;
    bool           boolean;
} oct_value;

typedef enum oct_match_kind {
    OCT_MATCH_VALUE = 0,    /* equals values[0] */
    OCT_MATCH_ANY = 1,      /* equals one of `values`; of none: never */
    OCT_MATCH_EXCEPT = 2,   /* is not null and equals none of `values` */
    /* The next three look at words if the field has a text index, split as the index splits: all strings of a point together
     * have every word of `text`, or one, or (if the index has phrase_matching, else never) one string has them in a row. */
    OCT_MATCH_TEXT = 3,     /* without an index: a string that has `text` in it, letter by letter */
    OCT_MATCH_TEXT_ANY = 4, /* without: a string that has one of the words of `text` in it */
    OCT_MATCH_PHRASE = 5,   /* without: as OCT_MATCH_TEXT */
    OCT_MATCH_PREFIX = 6,   /* a string that begins with `text` */
    OCT_MATCH_SUBSTRING = 7 /* a string that has `text` in it, whatever index the field has */
} oct_match_kind;

typedef struct oct_match {
    oct_match_kind   kind;
    const oct_value *values; /* value, any, except */
    size_t           value_count;
    oct_slice        text; /* the others */
} oct_match;

/* Which bounds of a range are given: the sum of these. All that are given must hold for one and the same value. */
typedef enum oct_bound { OCT_GT = 1, OCT_GTE = 2, OCT_LT = 4, OCT_LTE = 8 } oct_bound;

typedef struct oct_range { /* numbers, compared as 64-bit floats */
    uint32_t bounds;
    double   gt;
    double   gte;
    double   lt;
    double   lte;
} oct_range;

typedef struct oct_datetime_range { /* strings that are dates; microseconds since 1970-01-01T00:00:00Z */
    uint32_t bounds;
    int64_t  gt;
    int64_t  gte;
    int64_t  lt;
    int64_t  lte;
} oct_datetime_range;

typedef struct oct_values_count { /* elements of an array; 1 for any other value; 0 for null and for what is missing */
    uint32_t bounds;
    uint64_t gt;
    uint64_t gte;
    uint64_t lt;
    uint64_t lte;
} oct_values_count;

/* Degrees. In payloads: {"lon": x, "lat": y}. */
typedef struct oct_geo_point {
    double lon; /* -180 .. 180 */
    double lat; /* -90 .. 90 */
} oct_geo_point;

typedef struct oct_geo_radius {
    oct_geo_point center;
    double        radius; /* metres along the surface of the earth; points at that distance are outside */
} oct_geo_radius;

typedef struct oct_geo_bounding_box { /* edges are outside; left > right: the box holds the 180th meridian */
    oct_geo_point top_left;
    oct_geo_point bottom_right;
} oct_geo_bounding_box;

typedef struct oct_geo_ring { /* at least 4 points, the last equal to the first */
    const oct_geo_point *points;
    size_t               count;
} oct_geo_ring;

typedef struct oct_geo_polygon {
    oct_geo_ring        exterior;
    const oct_geo_ring *interiors; /* holes */
    size_t              interior_count;
} oct_geo_polygon;

typedef enum oct_expect { OCT_EXPECT_NOTHING = 0, OCT_EXPECT_TRUE = 1, OCT_EXPECT_FALSE = 2 } oct_expect;

/* Tests of one field: at least one is given, and one of those given must hold. */
typedef struct oct_field_condition {
    const oct_match            *match;
    const oct_range            *range;
    const oct_datetime_range   *datetime_range;
    const oct_geo_radius       *geo_radius;
    const oct_geo_bounding_box *geo_bounding_box;
    const oct_geo_polygon      *geo_polygon;
    const oct_values_count     *values_count;
    oct_expect                  is_empty; /* as OCT_CONDITION_IS_EMPTY */
    oct_expect                  is_null;  /* as OCT_CONDITION_IS_NULL */
} oct_field_condition;

typedef enum oct_condition_kind {
    OCT_CONDITION_FIELD = 0,      /* key, field */
    OCT_CONDITION_IS_EMPTY = 1,   /* key: missing, null or [] */
    OCT_CONDITION_IS_NULL = 2,    /* key: null, or an array that holds null */
    OCT_CONDITION_HAS_ID = 3,     /* ids: the point's is one of them */
    OCT_CONDITION_HAS_VECTOR = 4, /* vector: the point has one of this name */
    OCT_CONDITION_SLICE = 5,      /* slice_*: SipHash-2-4 of the id, modulo total, is index */
    OCT_CONDITION_NESTED = 6,     /* key, filter: one object of the array satisfies the whole filter */
    OCT_CONDITION_FILTER = 7,     /* filter */
    OCT_CONDITION_SHARD_KEY = 8   /* shard_keys: the point belongs to one of them; an unknown one is OCT_BAD_REQUEST */
} oct_condition_kind;

typedef struct oct_condition {
    oct_condition_kind         kind;
    oct_slice                  key; /* a payload path */
    const oct_field_condition *field;
    const oct_id              *ids;
    size_t                     id_count;
    oct_slice                  vector;
    uint32_t                   slice_total; /* at least 1 */
    uint32_t                   slice_index; /* below slice_total */
    const struct oct_filter   *filter;
    const oct_shard_key       *shard_keys;
    size_t                     shard_key_count;
    bool                       shard_fallback; /* the second key is meant only if there is no first */
} oct_condition;

/* All four parts must hold. Zeroes: every point. */
typedef struct oct_filter {
    const oct_condition *must; /* all of them */
    size_t               must_count;
    const oct_condition *should; /* at least one of them, if there are any */
    size_t               should_count;
    const oct_condition *must_not; /* none of them */
    size_t               must_not_count;
    const oct_condition *min_should; /* at least min_count of them */
    size_t               min_should_count;
    uint64_t             min_count; /* 0: there is no such part */
} oct_filter;

/* A date as a payload may hold it: `2024-05-06T07:08:09.5+01:00` (RFC 3339), with a space for the T, the offset
 * without its colon or left out (UTC), to the minute, or the day alone. OCT_FORMAT. */
OCT_API oct_status oct_datetime_parse(oct_slice text, int64_t *microseconds, oct_error *error);

/* ---------------------------------------------------------------------------------------------
 * Writing points
 *
 * The functions named ..._where take a filter too. It is judged on the state just before the write,
 * with no other write between; what is logged is the ids that were found.
 * ------------------------------------------------------------------------------------------- */

typedef enum oct_vector_kind { OCT_DENSE = 0, OCT_SPARSE = 1, OCT_MULTI = 2 } oct_vector_kind;

typedef struct oct_vector {
    oct_slice       name; /* "" for the unnamed vector */
    oct_vector_kind kind;
    const float    *values;
    size_t          value_count;
    const uint32_t *indices;   /* sparse: value_count of them, each once, in any order */
    size_t          row_count; /* multi: rows of value_count / row_count components */
} oct_vector;

typedef struct oct_point {
    oct_id            id;
    const oct_vector *vectors;
    size_t            vector_count; /* named vectors may be left out */
    oct_slice         payload;      /* a JSON object; empty: {} */
} oct_point;

/**
 * Insert points, or replace those whose id exists: vectors and payload both. All points or none. Of
 * several points with one id the last counts. Cosine vectors are stored normalised.
 *
 * Memory.  Nothing in `points` is kept. `options` NULL: wait. `result` may be NULL.
 * Errors.  OCT_DIM; OCT_INVALID (unknown vector name, component not finite, payload not a JSON object);
 *          OCT_FULL; OCT_STOPPED; OCT_NOMEM.
 */
OCT_API oct_status oct_upsert(oct_collection *collection, const oct_point *points, size_t count,
                              const oct_write_options *options, oct_write_result *result, oct_error *error);

/**
 * The same for plain arrays: point i has id ids[i], the unnamed vector vectors[i * dim ...] and payload
 * payloads[i] (`payloads` NULL: none has one). Large inputs are logged in pieces of about
 * 8 MiB, each of which is atomic. `row_stride` is in floats; 0: dim.
 */
OCT_API oct_status oct_upsert_rows(oct_collection *collection, const uint64_t *ids, const float *vectors,
                                   size_t count, size_t dim, size_t row_stride, const oct_slice *payloads,
                                   const oct_write_options *options, oct_error *error);

typedef enum oct_update_mode {
    OCT_UPSERT = 0,
    OCT_INSERT_ONLY = 1, /* points that exist are left alone */
    OCT_UPDATE_ONLY = 2  /* points that do not exist are passed over */
} oct_update_mode;

typedef struct oct_update_rule {
    oct_update_mode   mode;
    const oct_filter *filter; /* NULL: none; else points that exist and do not match are left alone */
} oct_update_rule;

/* oct_upsert of those points that the rule lets through. All are judged before any is written. */
OCT_API oct_status oct_upsert_where(oct_collection *collection, const oct_point *points, size_t count,
                                    const oct_update_rule *rule, const oct_write_options *options,
                                    oct_write_result *result, oct_error *error);

/* Replace the given vectors of existing points; others and the payload stay. OCT_NOT_FOUND names an
 * unknown id, and then nothing has changed. */
OCT_API oct_status oct_update_vectors(oct_collection *collection, const oct_point *points, size_t count,
                                      const oct_write_options *options, oct_write_result *result, oct_error *error);

/* The same for those of the points that match. */
OCT_API oct_status oct_update_vectors_where(oct_collection *collection, const oct_point *points, size_t count,
                                            const oct_filter *filter, const oct_write_options *options,
                                            oct_write_result *result, oct_error *error);

/* The points that a write is meant for: those with these ids, and those that match the filter. */
typedef struct oct_targets {
    const oct_id     *ids;
    size_t            id_count;
    const oct_filter *filter; /* NULL: only the ids */
} oct_targets;

/* Remove the named vectors from the points. Unknown ids are ignored. */
OCT_API oct_status oct_delete_vectors(oct_collection *collection, const oct_id *ids, size_t count,
                                      const oct_slice *names, size_t name_count,
                                      const oct_write_options *options, oct_write_result *result, oct_error *error);

OCT_API oct_status oct_delete_vectors_where(oct_collection *collection, const oct_targets *targets,
                                            const oct_slice *names, size_t name_count,
                                            const oct_write_options *options, oct_write_result *result,
                                            oct_error *error);

/* Delete points. Unknown ids are ignored. */
OCT_API oct_status oct_delete(oct_collection *collection, const oct_id *ids, size_t count,
                              const oct_write_options *options, oct_write_result *result, oct_error *error);
OCT_API oct_status oct_delete_where(oct_collection *collection, const oct_targets *targets,
                                    const oct_write_options *options, oct_write_result *result,
                                    oct_error *error);

typedef enum oct_payload_action {
    OCT_PAYLOAD_SET = 0,       /* merge `payload` into the document (at `key`, when given); null removes */
    OCT_PAYLOAD_OVERWRITE = 1, /* replace the document */
    OCT_PAYLOAD_DELETE = 2,    /* remove the paths in `keys` */
    OCT_PAYLOAD_CLEAR = 3      /* remove everything */
} oct_payload_action;

typedef struct oct_payload_change {
    oct_payload_action action;
    oct_slice          payload; /* JSON object, for set and overwrite */
    oct_slice          key;     /* payload path, for set; empty: the top */
    const oct_slice   *keys;    /* payload paths, for delete */
    size_t             key_count;
} oct_payload_change;

/* Change the payload of existing points. OCT_NOT_FOUND names an unknown id; nothing has changed then. */
OCT_API oct_status oct_change_payload(oct_collection *collection, const oct_id *ids, size_t count,
                                      const oct_payload_change *change, const oct_write_options *options,
                                      oct_write_result *result, oct_error *error);
OCT_API oct_status oct_change_payload_where(oct_collection *collection, const oct_targets *targets,
                                            const oct_payload_change *change, const oct_write_options *options,
                                            oct_write_result *result, oct_error *error);

/* How long this thread will wait for each answer: what it asks from now on stops with OCT_TIMEOUT when `timeout_ms` have gone
 * since this call. 0: for ever. Writes that have begun are finished. */
OCT_API void oct_time_limit(uint64_t timeout_ms);

typedef enum oct_write_kind {
    OCT_WRITE_UPSERT = 0,         /* points, mode, filter: oct_upsert_where */
    OCT_WRITE_VECTORS = 1,        /* points, filter: oct_update_vectors_where */
    OCT_WRITE_DELETE_VECTORS = 2, /* targets, names: oct_delete_vectors_where */
    OCT_WRITE_DELETE = 3,         /* targets: oct_delete_where */
    OCT_WRITE_PAYLOAD = 4         /* targets, change: oct_change_payload_where */
} oct_write_kind;

typedef struct oct_write {
    oct_write_kind       kind;
    const oct_point     *points;
    size_t               point_count;
    oct_update_mode      mode;
    const oct_filter    *filter;
    oct_targets          targets;
    const oct_slice     *names;
    size_t               name_count;
    oct_payload_change   change;
    const oct_shard_key *shard_keys; /* as in oct_write_options, whose own mean nothing here */
    size_t               shard_key_count;
} oct_write;

/* Several writes, each on what those before it made: all of them, as one operation, or, if one fails, none. */
OCT_API oct_status oct_write_batch(oct_collection *collection, const oct_write *writes, size_t count,
                                   const oct_write_options *options, oct_write_result *result, oct_error *error);

/* ---------------------------------------------------------------------------------------------
 * Reading points
 * ------------------------------------------------------------------------------------------- */

/* What a read returns beside ids and scores. */
typedef struct oct_select {
    bool             with_payload;
    const oct_slice *include; /* payload paths to keep; count 0: all */
    size_t           include_count;
    const oct_slice *exclude; /* payload paths to drop */
    size_t           exclude_count;
    bool             with_vector;
    const oct_slice *vectors; /* names; count 0: all */
    size_t           vector_count;
} oct_select;

/* By what a record stands where it stands, when points are ordered by a field. Dates are microseconds since 1970. */
typedef enum oct_order_kind { OCT_ORDER_NONE = 0, OCT_ORDER_INTEGER = 1, OCT_ORDER_FLOAT = 2 } oct_order_kind;

typedef struct oct_order_value {
    oct_order_kind kind;
    int64_t        integer;
    double         number;
} oct_order_value;

typedef struct oct_record {
    oct_id            id;
    uint64_t          version; /* number of the operation that last touched the point */
    float             score;   /* searches only */
    oct_order_value   order;   /* ordered by a field only */
    oct_slice         payload; /* JSON object; data NULL: not asked for */
    const oct_vector *vectors; /* NULL: not asked for */
    size_t            vector_count;
    const oct_shard_key *shard_key; /* NULL: no custom sharding */
} oct_record;

typedef struct oct_records { /* one allocation, with all it points to */
    const oct_record *items;
    size_t            count;
    bool              has_next; /* scroll: there is another page, and it starts at `next` */
    oct_id            next;
} oct_records;

OCT_API void oct_records_free(oct_records *records);

/* Points by id, in the order asked for; repeated ids once, unknown ids left out. */
OCT_API oct_status oct_retrieve(oct_collection *collection, const oct_id *ids, size_t count,
                                const oct_select *select, oct_records **out, oct_error *error);

/* The same of some shard keys (`key_count` 0: of all). With custom sharding one id may give several points. */
OCT_API oct_status oct_retrieve_of(oct_collection *collection, const oct_id *ids, size_t count,
                                   const oct_shard_key *keys, size_t key_count, const oct_select *select,
                                   oct_records **out, oct_error *error);

/* Points by ascending id, from `from` (inclusive; NULL: the first), at most `limit`. */
OCT_API oct_status oct_scroll(oct_collection *collection, const oct_id *from, size_t limit,
                              const oct_select *select, oct_records **out, oct_error *error);
/* The same of the points that match (`filter` NULL: all). */
OCT_API oct_status oct_scroll_where(oct_collection *collection, const oct_filter *filter, const oct_id *from,
                                    size_t limit, const oct_select *select, oct_records **out, oct_error *error);

typedef struct oct_order_by {
    oct_slice key; /* a payload path that has an index for ranges: integer, float or datetime */
    bool      descending;
    oct_slice start_from; /* a JSON number or string; empty: from the first */
} oct_order_by;

/* Points by a value, equal values by ascending id, from `start_from` (inclusive) on, at most `limit`. A point comes once for
 * each different value it has; one that has none does not come. OCT_INVALID: the field has no index for ranges. */
OCT_API oct_status oct_scroll_ordered(oct_collection *collection, const oct_filter *filter, const oct_order_by *order,
                                      size_t limit, const oct_select *select, oct_records **out, oct_error *error);

OCT_API oct_status oct_count(oct_collection *collection, uint64_t *out, oct_error *error);
OCT_API oct_status oct_count_where(oct_collection *collection, const oct_filter *filter, uint64_t *out,
                                   oct_error *error);
/* As oct_count_where, or near it where field indexes know a bound and the rest would cost a look at many documents. */
OCT_API oct_status oct_count_estimate(oct_collection *collection, const oct_filter *filter, uint64_t *out,
                                      oct_error *error);

typedef struct oct_facet_request {
    oct_slice         key; /* a payload path that has an index for matches: keyword, integer, bool or uuid */
    const oct_filter *filter; /* NULL: all points */
    size_t            limit;  /* 1 .. OCT_LIMIT_MAX */
    bool              exact;  /* counts are exact either way */
} oct_facet_request;

typedef struct oct_facet_hit {
    oct_value value;
    uint64_t  count; /* of points, each once */
} oct_facet_hit;

typedef struct oct_facets { /* by falling count, then by value */
    const oct_facet_hit *items;
    size_t               count;
    void                *reserved; /* owns the memory above */
} oct_facets;

/* Which values does a field have, and how many points each? OCT_INVALID: it has no index for matches. */
OCT_API oct_status oct_facet(oct_collection *collection, const oct_facet_request *request, oct_facets **out,
                             oct_error *error);
OCT_API void       oct_facets_free(oct_facets *facets);

/* ---------------------------------------------------------------------------------------------
 * Search
 * ------------------------------------------------------------------------------------------- */

typedef struct oct_search_request {
    oct_slice     vector_name; /* Qdrant's `using`; "" for the unnamed vector */
    const float  *query;       /* dim components */
    size_t        dim;
    size_t        limit;       /* 1 .. OCT_LIMIT_MAX */
    size_t        offset;      /* best hits to skip */
    size_t        ef;          /* Qdrant's hnsw_ef; 0: the collection's ef_construct */
    bool          exact;       /* scan everything */
    bool          indexed_only; /* leave out what has not joined the graph */
    bool          has_score_threshold;
    float         score_threshold; /* keep hits strictly better than this */
    const oct_id *exclude;     /* ids that must not be among the hits */
    size_t        exclude_count;
    oct_select    select;
    const oct_filter *filter; /* NULL: every point may be a hit */
} oct_search_request;

/**
 * Find the points most like a query, best first.
 *
 * Units.    Scores are the collection's metric, from the raw vectors: cosine and dot grow with likeness,
 *           Euclid and Manhattan are distances and shrink. Equal scores are ordered by point id.
 * Accuracy. Approximate unless `exact`. A larger `ef` finds more true neighbours and costs more. If `limit` points
 *           match, with offset and excluded ids allowed for, there are `limit` hits.
 * Cost.     Near ef * m distances. Takes no lock while it walks the graph. A filter costs a look at every point, or at
 *           those that its ids name, when it is first used, and after a write a look at what has changed since.
 * Threads.  Any thread, also during writes: every write acknowledged before the call began is seen.
 * Errors.   OCT_DIM; OCT_INVALID, if a component is not finite or the vector name unknown; OCT_RANGE.
 * Source.   Malkov and Yashunin, arXiv:1603.09320, algorithms 2 and 5.
 */
OCT_API oct_status oct_search(oct_collection *collection, const oct_search_request *request,
                              oct_records **out, oct_error *error);

/**
 * Many queries over the unnamed vector at once, ids and scores only.
 *
 * Shapes.   Query i is queries[i * dim ...]. `ids` and `scores` hold query_count x k entries; row i is
 *           best first. A row with fewer than k hits ends in OCT_ID_NONE and NaN.
 * Threads.  `threads` 0: as many as the machine has and the work is worth; 1: only the caller's.
 * Errors.   As oct_search; OCT_UNSUPPORTED if a hit has a UUID for an id. Then ids and scores are unspecified.
 */
OCT_API oct_status oct_search_rows(oct_collection *collection, const float *queries, size_t query_count,
                                   size_t dim, size_t k, size_t ef, bool exact, uint32_t threads,
                                   uint64_t *ids, float *scores, oct_error *error);

#define OCT_ID_NONE UINT64_MAX

/* ---------------------------------------------------------------------------------------------
 * Query: searches made of searches
 *
 * A query is a tree. Each level first runs its prefetches, which are levels too; then its own query, over
 * the points that they found, or, without prefetches, over the collection. The filter of a level holds for
 * all levels below it.
 * ------------------------------------------------------------------------------------------- */

#define OCT_PREFETCH_DEPTH_MAX   64u     /* levels below the top one */
#define OCT_PREFETCHES_MAX       4096u   /* of one request, over all levels */
#define OCT_EXAMPLES_MAX         65536u  /* vectors and ids in one level */
#define OCT_FEEDBACK_MAX         4096u   /* items of relevance feedback; their pairs are what counts */
#define OCT_MMR_CANDIDATES_MAX   16384u
#define OCT_EXPRESSION_DEPTH_MAX 128u    /* of one formula */
#define OCT_EXPRESSION_TERMS_MAX 65536u  /* of one formula */
#define OCT_MATRIX_SCORES_MAX    (1u << 26)

/* A vector, or the id of a point that has one. Ids used anywhere in a request are left out of its results, if
 * they were looked up in the collection that is searched. */
typedef struct oct_example {
    bool       is_point;
    oct_id     point;
    oct_vector vector; /* its name does not matter */
} oct_example;

typedef struct oct_nearest {
    oct_example target;
    bool        mmr; /* maximal marginal relevance: trade likeness to the target for unlikeness to each other */
    float       mmr_diversity;      /* 0 .. 1 */
    bool        has_mmr_candidates;
    size_t      mmr_candidates;     /* 0 .. OCT_MMR_CANDIDATES_MAX; not given: the level's limit */
} oct_nearest;

typedef enum oct_recommend_strategy {
    OCT_AVERAGE_VECTOR = 0, /* nearest to the positives' average, away from the negatives' */
    OCT_BEST_SCORE = 1,     /* by the most similar example */
    OCT_SUM_SCORES = 2      /* similarities to the positives less those to the negatives */
} oct_recommend_strategy;

typedef struct oct_recommend {
    const oct_example     *positive;
    size_t                 positive_count;
    const oct_example     *negative;
    size_t                 negative_count;
    oct_recommend_strategy strategy;
} oct_recommend;

typedef struct oct_context_pair {
    oct_example positive, negative;
} oct_context_pair;

typedef struct oct_discover { /* of a context query only the pairs count */
    oct_example             target;
    const oct_context_pair *pairs;
    size_t                  pair_count;
} oct_discover;

typedef struct oct_rrf { /* score: the sum of 1 / ((place + 1) / weight + k - 1) */
    size_t       k;       /* 0: 2 */
    const float *weights; /* one for each prefetch; NULL: 1 */
    size_t       weight_count;
} oct_rrf;

typedef enum oct_expression_kind {
    OCT_EXPRESSION_NUMBER = 0,
    OCT_EXPRESSION_VARIABLE = 1,  /* text: `$score`, `$score[i]` or a payload path */
    OCT_EXPRESSION_CONDITION = 2, /* 1 if it holds, else 0 */
    OCT_EXPRESSION_GEO_DISTANCE = 3,   /* metres from origin to the place at the payload path in text */
    OCT_EXPRESSION_DATETIME = 4,       /* seconds since 1970 of the date in text */
    OCT_EXPRESSION_DATETIME_FIELD = 5, /* the same of the date at the payload path in text */
    OCT_EXPRESSION_MULT = 6,           /* of any number of operands; so sum, max, min */
    OCT_EXPRESSION_SUM = 7,
    OCT_EXPRESSION_MAX = 8,
    OCT_EXPRESSION_MIN = 9,
    OCT_EXPRESSION_NEG = 10, /* of one operand; so abs, sqrt, exp, log10, ln, acosh */
    OCT_EXPRESSION_ABS = 11,
    OCT_EXPRESSION_SQRT = 12,
    OCT_EXPRESSION_EXP = 13,
    OCT_EXPRESSION_LOG10 = 14,
    OCT_EXPRESSION_LN = 15,
    OCT_EXPRESSION_ACOSH = 16,
    OCT_EXPRESSION_DIV = 17, /* left, right */
    OCT_EXPRESSION_POW = 18, /* base, exponent */
    OCT_EXPRESSION_LIN_DECAY = 19, /* x and, if there are two operands, the target */
    OCT_EXPRESSION_EXP_DECAY = 20,
    OCT_EXPRESSION_GAUSS_DECAY = 21
} oct_expression_kind;

typedef struct oct_expression {
    oct_expression_kind          kind;
    double                       number;
    oct_slice                    text;
    const oct_condition         *condition;
    oct_geo_point                origin;
    const struct oct_expression *operands;
    size_t                       operand_count;
    bool                         has_by_zero_default; /* div */
    double                       by_zero_default;
    double                       scale;    /* of a decay: above 0; Qdrant's default is 1 */
    double                       midpoint; /* of a decay: between 0 and 1; Qdrant's default is 0.5 */
} oct_expression;

typedef struct oct_formula_default {
    oct_slice variable; /* as in an expression */
    oct_slice value;    /* JSON */
} oct_formula_default;

/* Evaluated in 64-bit floats for every point that a prefetch found. */
typedef struct oct_formula {
    oct_expression             expression;
    const oct_formula_default *defaults; /* for variables that a point does not have */
    size_t                     default_count;
} oct_formula;

typedef struct oct_feedback_item {
    oct_example example;
    float       score;
} oct_feedback_item;

typedef struct oct_feedback { /* relevance feedback, the naive strategy */
    oct_example              target;
    const oct_feedback_item *items; /* at least one */
    size_t                   item_count;
    float                    a, b, c; /* b not negative */
} oct_feedback;

typedef enum oct_query_kind {
    OCT_QUERY_NONE = 0,     /* points by ascending id */
    OCT_QUERY_NEAREST = 1,
    OCT_QUERY_RECOMMEND = 2,
    OCT_QUERY_DISCOVER = 3, /* likeness to a target where pairs draw the lines */
    OCT_QUERY_CONTEXT = 4,  /* pairs only: on the positive side of each */
    OCT_QUERY_ORDER_BY = 5,
    OCT_QUERY_RRF = 6,      /* reciprocal rank fusion of the prefetches */
    OCT_QUERY_DBSF = 7,     /* distribution-based score fusion */
    OCT_QUERY_FORMULA = 8,
    OCT_QUERY_SAMPLE = 9,   /* at random */
    OCT_QUERY_FEEDBACK = 10
} oct_query_kind;

/* One level. Zeroes but for the limit ask for points by ascending id. */
typedef struct oct_query {
    oct_query_kind kind;
    union {
        oct_nearest   nearest;
        oct_recommend recommend;
        oct_discover  discover; /* and context */
        oct_order_by  order_by;
        oct_rrf       rrf;
        oct_formula   formula;
        oct_feedback  feedback;
    } as;
    const struct oct_query *prefetch;
    size_t                  prefetch_count;
    oct_slice               using_vector; /* "" for the unnamed vector */
    const oct_filter       *filter;       /* NULL: every point */
    size_t                  limit;        /* 1 .. OCT_LIMIT_MAX */
    bool                    has_score_threshold;
    float                   score_threshold;
    /* Of a sparse vector with the modifier idf: which points tell how rare an index is. */
    bool                    has_idf;    /* given; NULL below: all */
    const oct_filter       *idf_corpus;
    /* How a level without prefetches searches the graph, as in oct_search_request. */
    size_t                  ef;
    bool                    exact;
    bool                    indexed_only;
    /* Where the vector has a quantization configured: how the codes' candidates are chosen. Scores are exact always. */
    double                  oversampling; /* at least limit * this are ranked by their vectors; 0: not given */
    bool                    ignore_quantization; /* all candidates of the walk are */
    bool                    no_rescore;          /* only the hits are: codes choose them */
    /* Where ids of points take their vectors from; not given: from this collection, the vector searched. */
    bool                    has_lookup;
    oct_slice               lookup_collection; /* name or alias */
    bool                    has_lookup_vector;
    oct_slice               lookup_vector;
    const oct_shard_key    *lookup_shard_keys; /* of the collection to look up; none: all */
    size_t                  lookup_shard_key_count;
} oct_query;

typedef struct oct_query_request {
    oct_query  query;
    size_t     offset; /* of the best to skip */
    oct_select select;
} oct_query_request;

/**
 * Run a query.
 *
 * Units.    Nearest, and recommend by the average: as oct_search. All other scores grow with likeness; they are made of
 *           internal similarities: dot product, minus the squared Euclidean distance, minus the Manhattan distance.
 *           Points by id and at random have score 1 and version 0.
 * Accuracy. Nearest and recommend by the average, without prefetches: as oct_search. All else is exact.
 * Threshold. As in Qdrant: nearest keeps what is strictly better. So do the scorers of examples, by the metric's
 *           direction though theirs is up; fusion and formula keep what is not below; sample knows none.
 * Cost.     best_score, sum_scores, discover, context and feedback read every vector once.
 * Threads.  As oct_search; large scans are shared with the database's threads.
 * Errors.   As oct_search. OCT_NOT_FOUND: an id, its vector, or a collection to look it up. OCT_BAD_REQUEST, OCT_RANGE.
 */
OCT_API oct_status oct_query_points(oct_collection *collection, const oct_query_request *request,
                                    oct_records **out, oct_error *error);

/* Several requests at once; out[i] answers requests[i]. All or none: if one fails, the first in order tells why and
 * every out[i] is NULL. */
OCT_API oct_status oct_query_batch(oct_collection *collection, const oct_query_request *requests, size_t count,
                                   oct_records **out, oct_error *error);

typedef enum oct_group_kind { OCT_GROUP_TEXT = 0, OCT_GROUP_UNSIGNED = 1, OCT_GROUP_SIGNED = 2 } oct_group_kind;

typedef struct oct_group {
    oct_group_kind    kind;
    oct_slice         text;            /* OCT_GROUP_TEXT */
    uint64_t          unsigned_number; /* OCT_GROUP_UNSIGNED */
    int64_t           signed_number;   /* OCT_GROUP_SIGNED: below 0 */
    const oct_record *hits;            /* best first */
    size_t            hit_count;
    const oct_record *lookup;          /* NULL: not asked for, or no such point */
} oct_group;

typedef struct oct_groups { /* by best hit */
    const oct_group *items;
    size_t           count;
    void            *reserved; /* owns the memory above */
} oct_groups;

typedef struct oct_group_request {
    oct_query  query; /* its limit is the number of groups */
    size_t     group_size; /* hits of a group, at most */
    oct_slice  group_by;   /* a payload path: strings and integers make groups, each element of an array one */
    oct_select select;
    bool       has_lookup; /* the point whose id is the group's, from another collection */
    oct_slice  lookup_collection;
    oct_select lookup_select;
} oct_group_request;

/* The best hits of each of the best groups. A point whose values are not all strings or integers is in none. Limits of
 * prefetches are multiplied by group_size. */
OCT_API oct_status oct_query_groups(oct_collection *collection, const oct_group_request *request,
                                    oct_groups **out, oct_error *error);
OCT_API void       oct_groups_free(oct_groups *groups);

typedef struct oct_matrix_request {
    oct_slice         using_vector;
    const oct_filter *filter;
    size_t            sample; /* points, at least 2 */
    size_t            limit;  /* neighbours of each, at least 1 */
} oct_matrix_request;

typedef struct oct_matrix { /* score i is that of ids[rows[i]] with ids[columns[i]]; row by row, best first */
    const oct_id   *ids; /* ascending */
    size_t          id_count;
    const uint32_t *rows;
    const uint32_t *columns;
    const float    *scores;
    size_t          score_count;
    void           *reserved; /* owns the memory above */
} oct_matrix;

/* How alike are points of a random sample? For each, its nearest others in the sample. Exact. */
OCT_API oct_status oct_search_matrix(oct_collection *collection, const oct_matrix_request *request,
                                     oct_matrix **out, oct_error *error);
OCT_API void       oct_matrix_free(oct_matrix *matrix);

#ifdef __cplusplus
}
#endif
#endif /* OCTANT_H */
