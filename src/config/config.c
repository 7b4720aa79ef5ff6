/* Configurations of collections. See config.h.
 *
 * WHAT     A table has one line per field: where it is in its struct, its JSON name, type, limits and
 *          default. Decoding, showing, storing, checking, merging and filling in are loops over tables; only
 *          what is not a flat list of fields (vectors, the kinds of quantization, metadata) is code.
 * FORMS    The same tables serve three JSON forms:
 *            request  PUT and PATCH bodies, in Qdrant's shape; limits are checked while reading
 *            shown    GET: unset fields are absent or null, as each line says
 *            stored   {"vectors":[{"name":"",...}],"single_vector":true,"params":{..},"hnsw_config":{..},
 *                     "optimizer_config":{..},"wal_config":{..},"quantization_config":{..},"metadata":{..}}
 *                     with set fields only; vectors as a list, which keeps order and any name
 * TESTS    config_test.c
 */
#include "config/config_internal.h"

#include <float.h>
#include <stddef.h>

#define NO_DEFAULT     .preset = OCT_UNSET, .preset_double = -1
#define DEFAULT(value) .preset = (value), .preset_double = -1
#define UINT(owner, member, low_, high_)                                                                     \
    .type = FIELD_UINT, .offset = offsetof(owner, member), .min = (low_), .max = (high_)
#define BOOL(owner, member) .type = FIELD_BOOL, .offset = offsetof(owner, member)
#define NAME(owner, member, list)                                                                            \
    .type = FIELD_NAME, .offset = offsetof(owner, member), .names = (list), .name_count = countof(list)
#define DOUBLE(owner, member, low_, high_)                                                                   \
    .type = FIELD_DOUBLE, .offset = offsetof(owner, member), .low = (low_), .high = (high_)
#define TABLE(fields_)                                                                                       \
    {                                                                                                        \
        (fields_), countof(fields_)                                                                          \
    }

/* --- words ----------------------------------------------------------------------------------- */

static const json_name distance_names[] = {
    {"Cosine", OCT_COSINE}, {"Euclid", OCT_EUCLID}, {"Dot", OCT_DOT}, {"Manhattan", OCT_MANHATTAN}};
static const json_name datatype_names[] = {
    {"float32", OCT_FLOAT32}, {"uint8", OCT_UINT8}, {"float16", OCT_FLOAT16}};
static const json_name memory_names[] = {
    {"cold", OCT_MEMORY_COLD}, {"cached", OCT_MEMORY_CACHED}, {"pinned", OCT_MEMORY_PINNED}};
static const json_name sharding_names[] = {{"auto", 0}, {"custom", 1}};
static const json_name int8_names[] = {{"int8", 0}};
static const json_name compression_names[] = {{"x4", 4}, {"x8", 8}, {"x16", 16}, {"x32", 32}, {"x64", 64}};
static const json_name encoding_names[] = {{"one_bit", 0}, {"two_bits", 1}, {"one_and_half_bits", 2}};
static const json_name query_encoding_names[] = {
    {"default", 0}, {"binary", 1}, {"scalar4bits", 2}, {"scalar8bits", 3}};
static const json_name turbo_bits_names[] = {{"bits1", 0}, {"bits1_5", 1}, {"bits2", 2}, {"bits4", 3}};

/* --- the tables ------------------------------------------------------------------------------- */

static const config_field hnsw_fields[] = {
    {"m", NULL, UINT(oct_hnsw_config, m, 0, OCT_M_MAX), DEFAULT(16)},
    {"ef_construct", NULL, UINT(oct_hnsw_config, ef_construct, 4, OCT_EF_CONSTRUCT_MAX), DEFAULT(100)},
    {"full_scan_threshold", "full_scan_threshold_kb", UINT(oct_hnsw_config, full_scan_threshold, 0, ANY_UINT),
     .request_min = 10, DEFAULT(10000)},
    {"max_indexing_threads", NULL, UINT(oct_hnsw_config, max_indexing_threads, 0, ANY_UINT), DEFAULT(0)},
    {"on_disk", NULL, BOOL(oct_hnsw_config, on_disk), DEFAULT(0)},
    {"payload_m", NULL, UINT(oct_hnsw_config, payload_m, 0, OCT_M_MAX), NO_DEFAULT},
    {"inline_storage", NULL, BOOL(oct_hnsw_config, inline_storage), NO_DEFAULT},
    {"memory", NULL, NAME(oct_hnsw_config, memory, memory_names), NO_DEFAULT},
};
const config_table config_hnsw_table = TABLE(hnsw_fields);

static const config_field optimizer_fields[] = {
    {"deleted_threshold", NULL, FIELD_DOUBLE, .offset = offsetof(oct_optimizer_config, deleted_threshold),
     .low = 0, .high = 1, .preset = OCT_UNSET, .preset_double = 0.2},
    {"vacuum_min_vector_number", NULL, UINT(oct_optimizer_config, vacuum_min_vector_number, 100, ANY_UINT),
     DEFAULT(1000)},
    {"default_segment_number", NULL, UINT(oct_optimizer_config, default_segment_number, 0, ANY_UINT),
     DEFAULT(0)},
    {"max_segment_size", "max_segment_size_kb", UINT(oct_optimizer_config, max_segment_size, 1, ANY_UINT),
     .null_when_unset = true, NO_DEFAULT},
    {"memmap_threshold", "memmap_threshold_kb", UINT(oct_optimizer_config, memmap_threshold, 0, ANY_UINT),
     .null_when_unset = true, NO_DEFAULT},
    {"indexing_threshold", "indexing_threshold_kb",
     UINT(oct_optimizer_config, indexing_threshold, 0, ANY_UINT), .null_when_unset = true, DEFAULT(10000)},
    {"flush_interval_sec", NULL, UINT(oct_optimizer_config, flush_interval_sec, 0, ANY_UINT), DEFAULT(5)},
    {"max_optimization_threads", NULL, FIELD_THREADS,
     .offset = offsetof(oct_optimizer_config, max_optimization_threads), .max = ANY_UINT,
     .null_when_unset = true, NO_DEFAULT},
    {"prevent_unoptimized", NULL, BOOL(oct_optimizer_config, prevent_unoptimized), .null_when_unset = true,
     NO_DEFAULT},
};
const config_table config_optimizer_table = TABLE(optimizer_fields);

static const config_field wal_fields[] = {
    {"wal_capacity_mb", NULL, UINT(oct_wal_config, wal_capacity_mb, 1, ANY_UINT), DEFAULT(32)},
    {"wal_segments_ahead", NULL, UINT(oct_wal_config, wal_segments_ahead, 0, ANY_UINT), DEFAULT(0)},
    {"wal_retain_closed", NULL, UINT(oct_wal_config, wal_retain_closed, 0, ANY_UINT), DEFAULT(1)},
};
const config_table config_wal_table = TABLE(wal_fields);

#define QUANTIZATION_PLACEMENT                                                                               \
    {"always_ram", NULL, BOOL(oct_quantization_config, always_ram), NO_DEFAULT},                             \
    {                                                                                                        \
        "memory", NULL, NAME(oct_quantization_config, memory, memory_names), NO_DEFAULT                      \
    }

static const config_field scalar_fields[] = {
    {"type", NULL, FIELD_FIXED, .required = true, .names = int8_names, .name_count = 1, NO_DEFAULT},
    {"quantile", NULL, FIELD_DOUBLE, .offset = offsetof(oct_quantization_config, quantile), .low = 0.5,
     .high = 1, NO_DEFAULT},
    QUANTIZATION_PLACEMENT,
};
static const config_field product_fields[] = {
    {"compression", NULL, NAME(oct_quantization_config, compression, compression_names), .required = true,
     NO_DEFAULT},
    QUANTIZATION_PLACEMENT,
};
static const config_field binary_fields[] = {
    {"encoding", NULL, NAME(oct_quantization_config, encoding, encoding_names), NO_DEFAULT},
    {"query_encoding", NULL, NAME(oct_quantization_config, query_encoding, query_encoding_names), NO_DEFAULT},
    QUANTIZATION_PLACEMENT,
};
static const config_field turbo_fields[] = {
    {"bits", NULL, NAME(oct_quantization_config, bits, turbo_bits_names), NO_DEFAULT},
    QUANTIZATION_PLACEMENT,
};

const quantization_kind config_quantization_kinds[OCT_QUANTIZATION_TURBO + 1] = {
    /* by enum oct_quantization */
    [OCT_QUANTIZATION_SCALAR] = {"scalar", TABLE(scalar_fields)},
    [OCT_QUANTIZATION_PRODUCT] = {"product", TABLE(product_fields)},
    [OCT_QUANTIZATION_BINARY] = {"binary", TABLE(binary_fields)},
    [OCT_QUANTIZATION_TURBO] = {"turbo", TABLE(turbo_fields)},
};

/* The last VECTOR_UPDATE_FIELDS of them may change after creation. */
static const config_field vector_fields[] = {
    {"size", NULL, UINT(oct_vector_config, size, 1, OCT_DIM_MAX), .tell_both = true, .required = true,
     NO_DEFAULT},
    {"distance", NULL, NAME(oct_vector_config, distance, distance_names), .required = true, NO_DEFAULT},
    {"datatype", NULL, NAME(oct_vector_config, datatype, datatype_names), NO_DEFAULT},
    {"on_disk", NULL, BOOL(oct_vector_config, on_disk), NO_DEFAULT},
    {"memory", NULL, NAME(oct_vector_config, memory, memory_names), NO_DEFAULT},
};
enum { VECTOR_UPDATE_FIELDS = 2 };
const config_table config_vector_table = TABLE(vector_fields);
const config_table config_vector_update_table = {
    vector_fields + countof(vector_fields) - VECTOR_UPDATE_FIELDS, VECTOR_UPDATE_FIELDS};

/* All but the first PARAMS_FIXED may change after creation. */
enum { PARAMS_FIXED = 2 };
static const config_field params_fields[] = {
    {"shard_number", NULL, UINT(oct_collection_config, shard_number, 1, UINT32_MAX), DEFAULT(1)},
    {"sharding_method", NULL, NAME(oct_collection_config, sharding_method, sharding_names), NO_DEFAULT},
    {"replication_factor", NULL, UINT(oct_collection_config, replication_factor, 1, UINT32_MAX), DEFAULT(1)},
    {"write_consistency_factor", NULL, UINT(oct_collection_config, write_consistency_factor, 1, UINT32_MAX),
     DEFAULT(1)},
    {"read_fan_out_factor", NULL, UINT(oct_collection_config, read_fan_out_factor, 0, UINT32_MAX),
     NO_DEFAULT},
    {"read_fan_out_delay_ms", NULL, UINT(oct_collection_config, read_fan_out_delay_ms, 0, ANY_UINT), NO_DEFAULT},
    {"on_disk_payload", NULL, BOOL(oct_collection_config, on_disk_payload), DEFAULT(1)},
};
const config_table config_params_table = TABLE(params_fields);
const config_table config_params_update_table = {params_fields + PARAMS_FIXED,
                                                 countof(params_fields) - PARAMS_FIXED};

static const config_field payload_fields[] = {
    {"memory", NULL, NAME(oct_collection_config, payload_memory, memory_names), NO_DEFAULT},
};
const config_table config_payload_table = TABLE(payload_fields); /* of oct_collection_config itself */

#define STRICT_UINT(name, low) {#name, NULL, UINT(oct_strict_config, name, low, ANY_UINT), NO_DEFAULT}
#define STRICT_BOOL(name)      {#name, NULL, BOOL(oct_strict_config, name), NO_DEFAULT}

static const config_field strict_fields[] = {
    STRICT_BOOL(enabled),
    STRICT_UINT(max_query_limit, 1),
    STRICT_UINT(max_timeout, 1),
    STRICT_BOOL(unindexed_filtering_retrieve),
    STRICT_BOOL(unindexed_filtering_update),
    STRICT_UINT(search_max_hnsw_ef, 0),
    STRICT_BOOL(search_allow_exact),
    {"search_max_oversampling", NULL, DOUBLE(oct_strict_config, search_max_oversampling, 0, DBL_MAX), NO_DEFAULT},
    STRICT_UINT(upsert_max_batchsize, 0),
    STRICT_UINT(search_max_batchsize, 0),
    STRICT_UINT(max_collection_vector_size_bytes, 0),
    STRICT_UINT(read_rate_limit, 1),
    STRICT_UINT(write_rate_limit, 1),
    STRICT_UINT(max_collection_payload_size_bytes, 0),
    STRICT_UINT(max_points_count, 1),
    STRICT_UINT(filter_max_conditions, 0),
    STRICT_UINT(condition_max_size, 0),
    STRICT_UINT(max_payload_index_count, 0),
    {"max_resident_memory_percent", NULL, UINT(oct_strict_config, max_resident_memory_percent, 1, 100),
     .tell_both = true, NO_DEFAULT},
};
const config_table config_strict_table = TABLE(strict_fields);

/* --- loops over a table ----------------------------------------------------------------------- */

int64_t *
config_number_in(const config_field *field, const void *config)
{
    return (int64_t *)((char *)(uintptr_t)config + field->offset);
}

double *
config_double_in(const config_field *field, const void *config)
{
    return (double *)((char *)(uintptr_t)config + field->offset);
}

bool
config_is_set(const config_field *field, const void *config)
{
    if (field->type == FIELD_FIXED)
        return true;
    if (field->type == FIELD_DOUBLE)
        return *config_double_in(field, config) >= 0;
    return *config_number_in(field, config) != OCT_UNSET;
}

void
config_table_init(const config_table *table, void *config)
{
    for (size_t i = 0; i < table->count; i++) {
        const config_field *field = &table->fields[i];

        if (field->type == FIELD_DOUBLE)
            *config_double_in(field, config) = -1;
        else if (field->type != FIELD_FIXED)
            *config_number_in(field, config) = OCT_UNSET;
    }
}

static void
table_fill_defaults(const config_table *table, void *config)
{
    for (size_t i = 0; i < table->count; i++) {
        const config_field *field = &table->fields[i];

        if (field->type == FIELD_FIXED || config_is_set(field, config))
            continue;
        if (field->type == FIELD_DOUBLE)
            *config_double_in(field, config) = field->preset_double;
        else
            *config_number_in(field, config) = field->preset;
    }
}

void
config_table_merge(const config_table *table, void *config, const void *changes)
{
    for (size_t i = 0; i < table->count; i++) {
        const config_field *field = &table->fields[i];

        if (field->type == FIELD_FIXED || !config_is_set(field, changes))
            continue;
        if (field->type == FIELD_DOUBLE)
            *config_double_in(field, config) = *config_double_in(field, changes);
        else
            *config_number_in(field, config) = *config_number_in(field, changes);
    }
}

void
config_table_add(const config_table *table, void *config, const void *others)
{
    for (size_t i = 0; i < table->count; i++) {
        const config_table one = {&table->fields[i], 1};

        if (table->fields[i].type != FIELD_FIXED && !config_is_set(&table->fields[i], config))
            config_table_merge(&one, config, others);
    }
}

bool
config_table_is_unset(const config_table *table, const void *config)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->fields[i].type != FIELD_FIXED && config_is_set(&table->fields[i], config))
            return false;
    return true;
}

oct_status
config_fail_uint(const json_path *at, const config_field *field, uint64_t value, uint64_t min,
                 oct_error *error)
{
    if (field->tell_both)
        return json_fail_range(at, value, min, field->max, error);
    if (value < min)
        return json_fail_range(at, value, min, UINT64_MAX, error);
    return json_fail_range(at, value, 0, field->max, error);
}

oct_status
config_check_double(const json_path *at, const config_field *field, double value, oct_error *error)
{
    if (value >= field->low && value <= field->high)
        return OCT_OK;
    return json_fail(at, error, OCT_RANGE, "value %g invalid, must be from %.1f to %.1f", value, field->low,
                     field->high);
}

oct_status
config_table_check(const json_path *up, const config_table *table, const void *config, oct_error *error)
{
    oct_status status = OCT_OK;

    for (size_t i = 0; i < table->count && status == OCT_OK; i++) {
        const config_field *field = &table->fields[i];
        const json_path     at = json_at(up, field->name);
        int64_t             number;

        if (field->type == FIELD_FIXED || !config_is_set(field, config))
            continue;
        if (field->type == FIELD_DOUBLE) {
            status = config_check_double(&at, field, *config_double_in(field, config), error);
            continue;
        }
        number = *config_number_in(field, config);
        switch (field->type) {
        case FIELD_BOOL:
            if (number != 0 && number != 1)
                status =
                    json_fail(&at, error, OCT_RANGE, "value %lld invalid, must be 0 or 1", (long long)number);
            break;
        case FIELD_NAME:
            if (json_name_of(field->names, field->name_count, number) == NULL)
                status =
                    json_fail(&at, error, OCT_RANGE, "value %lld is none of its choices", (long long)number);
            break;
        case FIELD_THREADS:
            if (number == THREADS_AUTO)
                break;
            /* fall through */
        default:
            if (number < 0)
                status = json_fail(&at, error, OCT_RANGE, "value %lld invalid, must not be negative",
                                   (long long)number);
            else if ((uint64_t)number < field->min || (uint64_t)number > field->max)
                status = config_fail_uint(&at, field, (uint64_t)number, field->min, error);
            break;
        }
    }
    return status;
}

/* --- init, defaults --------------------------------------------------------------------------- */

void
oct_hnsw_config_init(oct_hnsw_config *config)
{
    config_table_init(&config_hnsw_table, config);
}

void
oct_quantization_config_init(oct_quantization_config *config)
{
    config->kind = OCT_QUANTIZATION_UNSET;
    for (size_t i = OCT_QUANTIZATION_SCALAR; i <= OCT_QUANTIZATION_TURBO; i++)
        config_table_init(&config_quantization_kinds[i].table, config);
}

void
oct_vector_config_init(oct_vector_config *config)
{
    config->name = (oct_slice){"", 0};
    config->multivector = OCT_UNSET;
    config->sparse = OCT_UNSET;
    oct_sparse_config_init(&config->sparse_config);
    config_table_init(&config_vector_table, config);
    oct_hnsw_config_init(&config->hnsw);
    oct_quantization_config_init(&config->quantization);
}

void
oct_collection_config_init(oct_collection_config *config)
{
    config->vectors = NULL;
    config->vector_count = 0;
    config->field_indexes = NULL;
    config->field_index_count = 0;
    config->single_vector = OCT_UNSET;
    config->metadata = (oct_slice){NULL, 0};
    config_table_init(&config_params_table, config);
    config_table_init(&config_payload_table, config);
    config_table_init(&config_strict_table, &config->strict);
    config->strict.multivectors = NULL;
    config->strict.multivector_count = 0;
    config->strict.sparse = NULL;
    config->strict.sparse_count = 0;
    config->shard_keys = NULL;
    config->shard_key_count = 0;
    config->shard_keys_made = 0;
    config_table_init(&config_optimizer_table, &config->optimizer);
    config_table_init(&config_wal_table, &config->wal);
    oct_hnsw_config_init(&config->hnsw);
    oct_quantization_config_init(&config->quantization);
}

/* The first dense vector, if it is the only one; or NULL. */
static const oct_vector_config *
only_dense(const oct_collection_config *config)
{
    const oct_vector_config *found = NULL;

    for (size_t i = 0; i < config->vector_count; i++) {
        if (config->vectors[i].sparse == 1)
            continue;
        if (found != NULL)
            return NULL;
        found = &config->vectors[i];
    }
    return found;
}

void
config_fill_defaults(oct_collection_config *config)
{
    if (config->single_vector == OCT_UNSET)
        config->single_vector = only_dense(config) != NULL && only_dense(config)->name.size == 0;
    table_fill_defaults(&config_params_table, config);
    table_fill_defaults(&config_hnsw_table, &config->hnsw);
    table_fill_defaults(&config_optimizer_table, &config->optimizer);
    table_fill_defaults(&config_wal_table, &config->wal);
}

oct_hnsw_config
config_vector_hnsw(const oct_collection_config *config, const oct_vector_config *vector)
{
    oct_hnsw_config merged = config->hnsw;

    table_fill_defaults(&config_hnsw_table, &merged);
    config_table_merge(&config_hnsw_table, &merged, &vector->hnsw);
    return merged;
}

oct_quantization_config
config_vector_quantization(const oct_collection_config *config, const oct_vector_config *vector)
{
    return vector->quantization.kind != OCT_QUANTIZATION_UNSET ? vector->quantization : config->quantization;
}

oct_datatype
config_datatype(const oct_vector_config *vector)
{
    return vector->datatype == OCT_UNSET ? OCT_FLOAT32 : (oct_datatype)vector->datatype;
}

bool
config_quantizes(const oct_collection_config *config, const oct_vector_config *vector)
{
    const int64_t kind = config_vector_quantization(config, vector).kind;

    return kind != OCT_QUANTIZATION_UNSET && kind != OCT_QUANTIZATION_DISABLED;
}

uint32_t
config_code_bits(const oct_collection_config *config, const oct_vector_config *vector)
{
    const oct_quantization_config wanted = config_vector_quantization(config, vector);
    /* A byte a component: "int8", and product's x4, a centroid's number for each float. Turbo has 4 bits at most. */
    const bool keeps_bytes = wanted.kind == OCT_QUANTIZATION_SCALAR ||
                             (wanted.kind == OCT_QUANTIZATION_PRODUCT && wanted.compression == 4);

    return keeps_bytes ? 8 : 4;
}

const oct_vector_config *
config_find_vector(const oct_collection_config *config, oct_slice name)
{
    for (size_t i = 0; i < config->vector_count; i++)
        if (slice_equal(config->vectors[i].name, name))
            return &config->vectors[i];
    return NULL;
}

const char *
config_distance_name(int64_t distance)
{
    return json_name_of(distance_names, countof(distance_names), distance);
}

/* --- limits ----------------------------------------------------------------------------------- */

oct_status
config_check_name(const char *what, oct_slice name, size_t bytes_max, oct_error *error)
{
    const oct_slice shown = {name.data, size_min(name.size, 300)};

    if (name.size > bytes_max)
        return oct_fail(error, OCT_RANGE, "%s \"" SLICE_FMT "\" has %zu bytes, at most %zu are allowed", what,
                        SLICE_ARG(shown), name.size, bytes_max);
    if (!utf8_is_valid(name))
        return oct_fail(error, OCT_RANGE, "%s is not valid UTF-8", what);
    for (size_t i = 0; i < name.size; i++) {
        const char c = name.data[i];

        if (c == '\0' || c == 0x1F)
            return oct_fail(error, OCT_RANGE, "%s must not contain the control character 0x%02x", what,
                            (unsigned)c);
        if (strchr("<>:\"/\\|?*", c) != NULL)
            return oct_fail(error, OCT_RANGE, "%s \"" SLICE_FMT "\" must not contain `%c`", what,
                            SLICE_ARG(shown), c);
    }
    return OCT_OK;
}

static oct_status
check_quantization(const json_path *up, const oct_quantization_config *config, oct_error *error)
{
    const json_path at = json_at(up, "quantization_config");
    json_path       kind_at;

    if (config->kind == OCT_QUANTIZATION_UNSET)
        return OCT_OK;
    if (config->kind < OCT_QUANTIZATION_SCALAR || config->kind > OCT_QUANTIZATION_TURBO)
        return json_fail(&at, error, OCT_RANGE, "%lld is not a kind of quantization",
                         (long long)config->kind);
    kind_at = json_at(&at, config_quantization_kinds[config->kind].name);
    if (config->kind == OCT_QUANTIZATION_PRODUCT && config->compression == OCT_UNSET)
        return json_fail(&kind_at, error, OCT_INVALID, "missing field `compression`");
    return config_table_check(&kind_at, &config_quantization_kinds[config->kind].table, config, error);
}

static oct_status
check_vector(const json_path *at, const oct_vector_config *vector, oct_error *error)
{
    const json_path hnsw_at = json_at(at, "hnsw_config");
    const json_path memory_at = json_at(at, "memory");
    const json_path size_at = json_at(at, "size");
    const json_path type_at = json_at(at, "datatype");
    oct_status      status;

    if (vector->sparse == 1)
        return config_sparse_check(at, vector, error);
    status = config_check_name("vector name", vector->name, OCT_VECTOR_NAME_MAX, error);
    if (status != OCT_OK)
        return status;
    if (vector->size < 1)
        return json_fail(&size_at, error, OCT_RANGE, "value %lld invalid, must be from 1 to %u",
                         (long long)vector->size, OCT_DIM_MAX);
    if (config_distance_name(vector->distance) == NULL)
        return json_fail(at, error, OCT_INVALID,
                         "%lld is not a distance; use Cosine, Dot, Euclid or Manhattan",
                         (long long)vector->distance);
    if (vector->memory == OCT_MEMORY_PINNED)
        return json_fail(&memory_at, error, OCT_RANGE,
                         "`pinned` is not possible for dense vectors; use `cold` or `cached`");
    status = config_table_check(at, &config_vector_table, vector, error);
    if (status == OCT_OK)
        status = config_table_check(&hnsw_at, &config_hnsw_table, &vector->hnsw, error);
    if (status == OCT_OK)
        status = check_quantization(at, &vector->quantization, error);
    if (status != OCT_OK)
        return status;
    if (vector->datatype != OCT_UNSET && (vector->datatype < OCT_FLOAT32 || vector->datatype > OCT_UINT8))
        return json_fail(&type_at, error, OCT_INVALID, "%lld is not a datatype; use float32, float16 or uint8",
                         (long long)vector->datatype);
    return OCT_OK;
}

static oct_status
check_strict_list(const json_path *up, const char *name, const char *field, const oct_strict_vector *list,
                  size_t count, oct_error *error)
{
    const json_path at = json_at(up, name);

    if (count > OCT_VECTORS_MAX)
        return json_fail(&at, error, OCT_RANGE, "%zu names, at most %u are allowed", count, OCT_VECTORS_MAX);
    for (size_t i = 0; i < count; i++) {
        const json_path name_at = json_at_slice(&at, list[i].name), field_at = json_at(&name_at, field);

        if (list[i].max == 0 || list[i].max < OCT_UNSET)
            return json_fail(&field_at, error, OCT_RANGE, "value %lld invalid, must be 1 or larger",
                             (long long)list[i].max);
    }
    return OCT_OK;
}

static oct_status
check_strict_vectors(const json_path *at, const oct_strict_config *strict, oct_error *error)
{
    const oct_status status = check_strict_list(at, "multivector_config", "max_vectors", strict->multivectors,
                                                strict->multivector_count, error);

    return status == OCT_OK ? check_strict_list(at, "sparse_config", "max_length", strict->sparse,
                                                strict->sparse_count, error)
                            : status;
}

oct_status
config_check(const oct_collection_config *config, oct_error *error)
{
    const json_path vectors_at = json_at(NULL, "vectors");
    const json_path hnsw_at = json_at(NULL, "hnsw_config");
    const json_path optimizer_at = json_at(NULL, "optimizers_config");
    const json_path wal_at = json_at(NULL, "wal_config");
    const json_path metadata_at = json_at(NULL, "metadata");
    const json_path payload_at = json_at(NULL, "payload");
    const json_path strict_at = json_at(NULL, "strict_mode_config");
    oct_status      status;

    if (config->vector_count > OCT_VECTORS_MAX)
        return json_fail(&vectors_at, error, OCT_RANGE, "%zu named vectors, at most %u are allowed",
                         config->vector_count, OCT_VECTORS_MAX);
    if (config->single_vector == 1 && (only_dense(config) == NULL || only_dense(config)->name.size != 0))
        return json_fail(&vectors_at, error, OCT_INVALID,
                         "single_vector asks for exactly one vector that is not sparse, without a name");
    for (size_t i = 0; i < config->vector_count; i++) {
        const oct_vector_config *vector = &config->vectors[i];
        const json_path          at = json_at_slice(&vectors_at, vector->name);

        status = check_vector(vector->name.size == 0 ? &vectors_at : &at, vector, error);
        if (status != OCT_OK)
            return status;
        if (config_find_vector(config, vector->name) != vector &&
            config_find_vector(config, vector->name)->sparse != vector->sparse)
            return oct_fail(error, OCT_INVALID, "Dense and sparse vector names must be unique - duplicate found with '" SLICE_FMT
                            "'", SLICE_ARG(vector->name));
        if (config_find_vector(config, vector->name) != vector)
            return json_fail(&vectors_at, error, OCT_INVALID, "the name \"" SLICE_FMT "\" stands there twice",
                             SLICE_ARG(vector->name));
    }
    status = config_table_check(NULL, &config_params_table, config, error);
    if (status == OCT_OK)
        status = config_table_check(&payload_at, &config_payload_table, config, error);
    if (status == OCT_OK && config->payload_memory == OCT_MEMORY_PINNED)
        status = json_fail(&payload_at, error, OCT_RANGE,
                           "memory: `pinned` is not possible for payload storage; use `cold` or `cached`");
    if (status == OCT_OK)
        status = config_table_check(&strict_at, &config_strict_table, &config->strict, error);
    if (status == OCT_OK)
        status = check_strict_vectors(&strict_at, &config->strict, error);
    if (status == OCT_OK)
        status = config_table_check(&hnsw_at, &config_hnsw_table, &config->hnsw, error);
    if (status == OCT_OK)
        status = config_table_check(&optimizer_at, &config_optimizer_table, &config->optimizer, error);
    if (status == OCT_OK)
        status = config_table_check(&wal_at, &config_wal_table, &config->wal, error);
    if (status == OCT_OK)
        status = check_quantization(NULL, &config->quantization, error);
    if (status == OCT_OK)
        status = config_check_fields(config, error);
    if (status == OCT_OK && config->metadata.size > OCT_PAYLOAD_BYTES_MAX)
        status = json_fail(&metadata_at, error, OCT_RANGE, "%zu bytes, at most %u are allowed",
                           config->metadata.size, OCT_PAYLOAD_BYTES_MAX);
    if (status == OCT_OK && config->metadata.size > 0) {
        json_document document;

        status = json_parse(config->metadata, &document, error);
        if (status == OCT_OK && !yyjson_is_obj(document.root))
            status = json_fail_type(&metadata_at, document.root, "an object", error);
        json_document_clear(&document);
    }
    return status;
}

/* --- merging and copying ---------------------------------------------------------------------- */

static oct_status
copy_strict_list(const oct_strict_vector **list, size_t count, arena *memory, oct_error *error)
{
    oct_strict_vector *copies = arena_array(memory, size_max(count, 1), sizeof *copies);

    if (copies == NULL)
        return oct_fail_memory(error, count * sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        copies[i] = (*list)[i];
        copies[i].name.data = arena_text(memory, copies[i].name.data, copies[i].name.size);
        if (copies[i].name.data == NULL)
            return oct_fail_memory(error, copies[i].name.size);
    }
    *list = copies;
    return OCT_OK;
}

static oct_status
copy_shard_keys(const oct_shard_key_info **list, size_t count, arena *memory, oct_error *error)
{
    oct_shard_key_info *copies = arena_array(memory, size_max(count, 1), sizeof *copies);

    if (copies == NULL)
        return oct_fail_memory(error, count * sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        copies[i] = (*list)[i];
        if (copies[i].key.is_number)
            continue;
        copies[i].key.text.data = arena_text(memory, copies[i].key.text.data, copies[i].key.text.size);
        if (copies[i].key.text.data == NULL)
            return oct_fail_memory(error, copies[i].key.text.size);
    }
    *list = copies;
    return OCT_OK;
}

oct_status
config_copy(const oct_collection_config *config, arena *memory, oct_collection_config *out, oct_error *error)
{
    const oct_vector_config *from = config->vectors;
    oct_vector_config *vectors = arena_array(memory, size_max(config->vector_count, 1), sizeof *vectors);
    oct_status         status;

    *out = *config; /* `out` may be `config` itself */
    if (vectors == NULL)
        return oct_fail_memory(error, out->vector_count * sizeof *vectors);
    out->vectors = vectors;
    for (size_t i = 0; i < out->vector_count; i++) {
        vectors[i] = from[i];
        vectors[i].name.data = arena_text(memory, vectors[i].name.data, vectors[i].name.size);
        if (vectors[i].name.data == NULL)
            return oct_fail_memory(error, vectors[i].name.size);
    }
    if (out->metadata.size > 0) {
        out->metadata.data = arena_text(memory, out->metadata.data, out->metadata.size);
        if (out->metadata.data == NULL)
            return oct_fail_memory(error, out->metadata.size);
    }
    status = copy_strict_list(&out->strict.multivectors, out->strict.multivector_count, memory, error);
    if (status == OCT_OK)
        status = copy_strict_list(&out->strict.sparse, out->strict.sparse_count, memory, error);
    if (status == OCT_OK)
        status = copy_shard_keys(&out->shard_keys, out->shard_key_count, memory, error);
    return status == OCT_OK ? config_copy_fields(out, memory, out, error) : status;
}

oct_status
config_add_members(yyjson_val *object, yyjson_val *hidden, bool drop_null, arena *memory, buffer *out,
                   oct_error *error)
{
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    yyjson_val     *key, *later;

    while ((key = yyjson_obj_iter_next(&iter)) != NULL) {
        yyjson_val     *value = yyjson_obj_iter_get_val(key);
        const oct_slice name = {yyjson_get_str(key), yyjson_get_len(key)};
        yyjson_obj_iter rest = iter;
        oct_slice       text;
        oct_status      status;

        while ((later = yyjson_obj_iter_next(&rest)) != NULL &&
               !yyjson_equals_strn(later, name.data, name.size))
            continue;
        if (later != NULL || (drop_null && yyjson_is_null(value)) ||
            (hidden != NULL && yyjson_obj_getn(hidden, name.data, name.size) != NULL))
            continue;
        status = json_write_value(value, memory, &text, error);
        if (status != OCT_OK)
            return status;
        if (out->size > 0 && out->data[out->size - 1] != '{')
            buffer_add_byte(out, ',');
        json_add_text(out, name);
        buffer_add_byte(out, ':');
        buffer_add(out, text.data, text.size);
    }
    return OCT_OK;
}

static oct_status
merge_metadata(oct_slice base, oct_slice changes, arena *memory, oct_slice *out, oct_error *error)
{
    const oct_slice nothing = {"{}", 2};
    json_document   old_document, new_document = {0};
    buffer          merged = {0};
    oct_status      status = json_parse(base.size > 0 ? base : nothing, &old_document, error);

    if (status == OCT_OK)
        status = json_parse(changes, &new_document, error);
    if (status == OCT_OK && (!yyjson_is_obj(old_document.root) || !yyjson_is_obj(new_document.root)))
        status = oct_fail(error, OCT_INVALID, "metadata must be a JSON object");
    buffer_add_byte(&merged, '{');
    if (status == OCT_OK)
        status = config_add_members(old_document.root, new_document.root, false, memory, &merged, error);
    if (status == OCT_OK)
        status = config_add_members(new_document.root, NULL, true, memory, &merged, error);
    buffer_add_byte(&merged, '}');
    if (status == OCT_OK) {
        *out = (oct_slice){merged.failed ? NULL : arena_text(memory, merged.data, merged.size), merged.size};
        if (out->data == NULL)
            status = oct_fail_memory(error, merged.size);
    }
    buffer_clear(&merged);
    json_document_clear(&old_document);
    json_document_clear(&new_document);
    return status;
}

static void
merge_quantization(oct_quantization_config *config, const oct_quantization_config *changes)
{
    if (changes->kind == OCT_QUANTIZATION_UNSET)
        return;
    *config = *changes; /* whole: parameters of another kind mean nothing to this one */
    if (changes->kind == OCT_QUANTIZATION_DISABLED)
        oct_quantization_config_init(config);
}

static oct_status
merge_vector(oct_vector_config *vector, const oct_vector_config *changes, oct_error *error)
{
    const oct_hnsw_config *hnsw = &changes->hnsw;

    if ((changes->sparse == 1) != (vector->sparse == 1))
        return oct_fail(error, OCT_INVALID, "Not existing vector name error: " SLICE_FMT, SLICE_ARG(vector->name));
    if (vector->sparse == 1) {
        config_sparse_merge(&vector->sparse_config, &changes->sparse_config);
        return OCT_OK;
    }
    if ((changes->size != OCT_UNSET && changes->size != vector->size) ||
        (changes->distance != OCT_UNSET && changes->distance != vector->distance) ||
        (changes->datatype != OCT_UNSET && changes->datatype != vector->datatype) ||
        (changes->multivector != OCT_UNSET && changes->multivector != vector->multivector))
        return oct_fail(error, OCT_INVALID,
                        "vector \"" SLICE_FMT
                        "\": size, distance, datatype and multivector cannot change after creation",
                        SLICE_ARG(vector->name));
    config_table_merge(&config_vector_update_table, vector, changes);
    if (hnsw->m == OCT_CLEAR)
        oct_hnsw_config_init(&vector->hnsw);
    for (size_t i = hnsw->m == OCT_CLEAR ? 1 : 0; i < config_hnsw_table.count; i++) {
        const config_table one = {&config_hnsw_table.fields[i], 1};

        config_table_merge(&one, &vector->hnsw, hnsw);
    }
    merge_quantization(&vector->quantization, &changes->quantization);
    return OCT_OK;
}

oct_status
config_merge(const oct_collection_config *base, const oct_collection_config *changes, arena *memory,
             oct_collection_config *out, oct_error *error)
{
    oct_status status = config_copy(base, memory, out, error);

    if (status != OCT_OK)
        return status;
    for (size_t i = 0; i < changes->vector_count; i++) {
        const oct_vector_config *found = config_find_vector(out, changes->vectors[i].name);

        if (found == NULL)
            return oct_fail(error, OCT_INVALID, "Not existing vector name error: " SLICE_FMT,
                            SLICE_ARG(changes->vectors[i].name));
        /* out->vectors is the copy that config_copy just made. */
        status = merge_vector((oct_vector_config *)(uintptr_t)found, &changes->vectors[i], error);
        if (status != OCT_OK)
            return status;
    }
    config_table_merge(&config_params_table, out, changes);
    config_table_merge(&config_payload_table, out, changes);
    config_table_merge(&config_strict_table, &out->strict, &changes->strict);
    if (changes->strict.multivector_count > 0) {
        out->strict.multivectors = changes->strict.multivectors;
        out->strict.multivector_count = changes->strict.multivector_count;
    }
    if (changes->strict.sparse_count > 0) {
        out->strict.sparse = changes->strict.sparse;
        out->strict.sparse_count = changes->strict.sparse_count;
    }
    config_table_merge(&config_hnsw_table, &out->hnsw, &changes->hnsw);
    config_table_merge(&config_optimizer_table, &out->optimizer, &changes->optimizer);
    config_table_merge(&config_wal_table, &out->wal, &changes->wal);
    merge_quantization(&out->quantization, &changes->quantization);
    if (changes->metadata.size > 0)
        status = merge_metadata(out->metadata, changes->metadata, memory, &out->metadata, error);
    return status;
}

/* --- names that come and go ------------------------------------------------------------------- */

static bool
same_kind(const oct_vector_config *a, const oct_vector_config *b)
{
    if ((a->sparse == 1) != (b->sparse == 1))
        return false;
    if (a->sparse == 1)
        return config_is_idf(a) == config_is_idf(b);
    return a->size == b->size && a->distance == b->distance && config_datatype(a) == config_datatype(b) &&
           (a->multivector == 1) == (b->multivector == 1);
}

static oct_status
fail_known(const oct_vector_config *known, const oct_vector_config *wanted, oct_error *error)
{
    if (known->sparse == wanted->sparse)
        return oct_fail(error, OCT_INVALID, "%s `" SLICE_FMT "` already exists with a different configuration",
                        known->sparse == 1 ? "Sparse vector" : "Vector", SLICE_ARG(wanted->name));
    return oct_fail(error, OCT_INVALID, "%s `" SLICE_FMT "` already exists as a %s vector",
                    wanted->sparse == 1 ? "Sparse vector" : "Vector", SLICE_ARG(wanted->name),
                    known->sparse == 1 ? "sparse" : "dense");
}

oct_status
config_add_vectors(const oct_collection_config *base, const oct_collection_config *additions, arena *memory,
                   oct_collection_config *out, oct_error *error)
{
    oct_collection_config all = *base;
    oct_vector_config    *vectors =
        arena_array(memory, base->vector_count + additions->vector_count + 1, sizeof *vectors);

    if (vectors == NULL)
        return oct_fail_memory(error, base->vector_count * sizeof *vectors);
    if (base->vector_count > 0)
        memcpy(vectors, base->vectors, base->vector_count * sizeof *vectors);
    all.vectors = vectors;
    for (size_t i = 0; i < additions->vector_count; i++) {
        const oct_vector_config *wanted = &additions->vectors[i];
        const oct_vector_config *known = config_find_vector(&all, wanted->name);

        if (known == NULL) {
            vectors[all.vector_count++] = *wanted;
            if (wanted->sparse != 1)
                all.single_vector = 0; /* shown as a map from now on */
        } else if (!same_kind(known, wanted)) {
            return fail_known(known, wanted, error);
        }
    }
    return config_copy(&all, memory, out, error);
}

oct_status
config_remove_vector(const oct_collection_config *base, oct_slice name, arena *memory,
                     oct_collection_config *out, oct_error *error)
{
    const bool single = base->single_vector == OCT_UNSET
                            ? base->vector_count == 1 && base->vectors[0].name.size == 0
                            : base->single_vector == 1;
    oct_vector_config *vectors;
    oct_status         status;
    size_t             kept = 0;

    if (single && name.size == 0)
        return oct_fail(error, OCT_INVALID,
                        "Cannot delete the unnamed vector when it is the only dense vector in the collection");
    status = config_copy(base, memory, out, error);
    if (status != OCT_OK)
        return status;
    vectors = (oct_vector_config *)(uintptr_t)out->vectors; /* the copy that config_copy just made */
    for (size_t i = 0; i < out->vector_count; i++) {
        if (!slice_equal(vectors[i].name, name))
            vectors[kept++] = vectors[i];
    }
    if (!single)
        out->single_vector = 0;
    out->vector_count = kept;
    return OCT_OK;
}
