/* octant.h made real: check the arguments, then call down. Every limit of the interface is checked here, whoever
 * calls. */
#include "base/deadline.h"
#include "collection/backup.h"
#include "collection/query.h"
#include "collection/snapshot.h"
#include "collection/strict.h"
#include "kernel/kernel.h"
#include "payload/datetime.h"
#include "text/bm25.h"

const char *
oct_version(void)
{
    return OCTANT_VERSION;
}

const char *
oct_cpu_level(void)
{
    return kernel()->name;
}

oct_status
oct_open(const oct_open_options *options, oct_database **out, oct_error *error)
{
    const oct_open_options none = {0};

    if (out == NULL)
        return oct_fail(error, OCT_INVALID, "oct_open: `out` is NULL");
    return database_open(options == NULL ? &none : options, out, error);
}

oct_status
oct_close(oct_database *database, oct_error *error)
{
    return database_close(database, error);
}

oct_status
oct_checkpoint(oct_database *database, oct_error *error)
{
    return database_checkpoint(database, false, error);
}

void
oct_database_describe(oct_database *database, oct_database_info *info)
{
    database_describe(database, info);
}

void
oct_quota_get(oct_database *database, oct_quota_config *config, oct_quota_usage *usage)
{
    quota_get(&database->quotas, database->path, config, usage);
}

oct_status
oct_quota_set(oct_database *database, const oct_quota_config *config, oct_error *error)
{
    if (database->read_only)
        return oct_fail(error, OCT_FORBIDDEN, "the database %s was opened for reading only", database->path);
    return quota_set(&database->quotas, database->system, database->path, config, error);
}

/* --- collections ---------------------------------------------------------------------------------- */

oct_status
oct_collection_create(oct_database *database, oct_slice name, const oct_collection_config *config,
                      oct_error *error)
{
    oct_collection_config whole;
    arena                 memory = {0};
    oct_status            status = OCT_OK;

    if (database->new_collections != NULL) {
        status = config_add_new(config, database->new_collections, &memory, &whole, error);
        config = &whole;
    }
    if (status == OCT_OK)
        status = catalogue_create(database, name, config, error);
    arena_clear(&memory);
    return status;
}

oct_status
oct_collection_update(oct_database *database, oct_slice name, const oct_collection_config *changes,
                      oct_error *error)
{
    return catalogue_update(database, name, changes, error);
}

oct_status
oct_collection_add_vectors(oct_database *database, oct_slice name, const oct_collection_config *additions,
                           oct_error *error)
{
    return catalogue_add_vectors(database, name, additions, error);
}

oct_status
oct_collection_remove_vector(oct_database *database, oct_slice name, oct_slice vector_name, oct_error *error)
{
    return catalogue_remove_vector(database, name, vector_name, error);
}

oct_status
oct_collection_delete(oct_database *database, oct_slice name, bool *existed, oct_error *error)
{
    bool ignored;

    return catalogue_delete(database, name, existed == NULL ? &ignored : existed, error);
}

oct_status
oct_collection_open(oct_database *database, oct_slice name_or_alias, oct_collection **out, oct_error *error)
{
    return catalogue_find(database, name_or_alias, out, error);
}

void
oct_collection_close(oct_collection *collection)
{
    collection_release(collection);
}

oct_status
oct_collection_list(oct_database *database, oct_names **out, oct_error *error)
{
    return catalogue_list(database, out, error);
}

void
oct_names_free(oct_names *names)
{
    oct_free(names);
}

oct_status
oct_alias_update(oct_database *database, const oct_alias_change *changes, size_t count, oct_error *error)
{
    return catalogue_change_aliases(database, changes, count, error);
}

oct_status
oct_alias_list(oct_database *database, oct_slice collection, oct_names **out, oct_error *error)
{
    return catalogue_list_aliases(database, collection, out, error);
}

oct_status
oct_collection_describe(oct_collection *collection, oct_collection_info **out, oct_error *error)
{
    return collection_describe(collection, out, error);
}

void
oct_collection_memory(oct_collection *collection, oct_memory_info *out)
{
    collection_measure(collection, out);
}

oct_status
oct_collection_inspect(oct_database *database, oct_slice name_or_alias, oct_collection_info **out, oct_error *error)
{
    oct_collection *found;
    oct_status      status = catalogue_find_any(database, name_or_alias, &found, error);

    *out = NULL;
    if (status == OCT_OK)
        status = collection_describe(found, out, error);
    collection_release(found);
    return status;
}

oct_status
oct_collection_wait_indexed(oct_collection *collection, uint64_t timeout_ms, oct_error *error)
{
    return shard_wait_indexed(collection->shard, timeout_ms, error);
}

oct_status
oct_collection_optimize(oct_collection *collection, oct_error *error)
{
    return collection_optimize(collection, true, error);
}

oct_status
oct_collection_graph_checksum(oct_collection *collection, uint64_t *out, oct_error *error)
{
    (void)error;
    *out = shard_checksum(collection->shard);
    return OCT_OK;
}

oct_status
oct_collection_check(oct_collection *collection, oct_error *error)
{
    return shard_check(collection->shard, error);
}

void
oct_time_limit(uint64_t timeout_ms)
{
    deadline_begin(timeout_ms);
}

/* --- points ------------------------------------------------------------------------------------------ */

static oct_status
check_count(const void *items, size_t count, oct_error *error)
{
    if (count > OCT_POINTS_MAX)
        return oct_fail(error, OCT_RANGE, "%zu points in one call are too many; at most %u", count,
                        OCT_POINTS_MAX);
    if (items == NULL && count > 0)
        return oct_fail(error, OCT_INVALID, "%zu points were announced, but the pointer is NULL", count);
    return OCT_OK;
}

oct_status
oct_upsert(oct_collection *collection, const oct_point *points, size_t count,
           const oct_write_options *options, oct_write_result *result, oct_error *error)
{
    return oct_upsert_where(collection, points, count, NULL, options, result, error);
}

oct_status
oct_upsert_where(oct_collection *collection, const oct_point *points, size_t count,
                 const oct_update_rule *rule, const oct_write_options *options, oct_write_result *result,
                 oct_error *error)
{
    oct_status status = check_count(points, count, error);

    if (status == OCT_OK && rule != NULL && rule->mode != OCT_UPSERT && rule->mode != OCT_INSERT_ONLY &&
        rule->mode != OCT_UPDATE_ONLY)
        status = oct_fail(error, OCT_INVALID, "no such update mode: %d", (int)rule->mode);
    if (status == OCT_OK)
        status = strict_check_write(collection, STRICT_UPSERT, points, count, rule == NULL ? NULL : rule->filter, error);
    return status == OCT_OK
               ? collection_upsert(collection, points, count, false, rule, options, result, error)
               : status;
}

oct_status
oct_update_vectors(oct_collection *collection, const oct_point *points, size_t count,
                   const oct_write_options *options, oct_write_result *result, oct_error *error)
{
    return oct_update_vectors_where(collection, points, count, NULL, options, result, error);
}

oct_status
oct_update_vectors_where(oct_collection *collection, const oct_point *points, size_t count,
                         const oct_filter *filter, const oct_write_options *options, oct_write_result *result,
                         oct_error *error)
{
    const oct_update_rule rule = {.filter = filter};
    oct_status            status = check_count(points, count, error);

    if (status == OCT_OK)
        status = strict_check_write(collection, STRICT_UPDATE, points, count, filter, error);
    return status == OCT_OK
               ? collection_upsert(collection, points, count, true, &rule, options, result, error)
               : status;
}

oct_status
oct_upsert_rows(oct_collection *collection, const uint64_t *ids, const float *vectors, size_t count,
                size_t dim, size_t row_stride, const oct_slice *payloads, const oct_write_options *options,
                oct_error *error)
{
    oct_status status = check_count(ids, count, error);

    if (status == OCT_OK && (dim == 0 || dim > OCT_DIM_MAX))
        status =
            oct_fail(error, OCT_DIM, "vectors of %zu components: a dimension is 1 to %u", dim, OCT_DIM_MAX);
    if (status == OCT_OK && row_stride != 0 && row_stride < dim)
        status = oct_fail(error, OCT_INVALID, "row_stride %zu is shorter than a row of %zu floats",
                          row_stride, dim);
    if (status == OCT_OK)
        status = strict_check_write(collection, STRICT_UPSERT, NULL, count, NULL, error);
    if (status != OCT_OK)
        return status;
    return collection_upsert_rows(collection, ids, vectors, count, dim, row_stride == 0 ? dim : row_stride,
                                  payloads, options, error);
}

/* Filters are checked where they are compiled: payload/filter.h. */
static oct_status
check_targets(oct_collection *collection, strict_write kind, const oct_targets *targets, oct_error *error)
{
    oct_status status;

    if (targets == NULL)
        return oct_fail(error, OCT_INVALID, "a write takes `targets`");
    status = check_count(targets->ids, targets->id_count, error);
    return status == OCT_OK ? strict_check_write(collection, kind, NULL, targets->id_count, targets->filter, error) : status;
}

oct_status
oct_delete_vectors(oct_collection *collection, const oct_id *ids, size_t count, const oct_slice *names,
                   size_t name_count, const oct_write_options *options, oct_write_result *result,
                   oct_error *error)
{
    const oct_targets targets = {.ids = ids, .id_count = count};

    return oct_delete_vectors_where(collection, &targets, names, name_count, options, result, error);
}

oct_status
oct_delete_vectors_where(oct_collection *collection, const oct_targets *targets, const oct_slice *names,
                         size_t name_count, const oct_write_options *options, oct_write_result *result,
                         oct_error *error)
{
    const oct_status status = check_targets(collection, STRICT_DELETE, targets, error);

    if (status != OCT_OK)
        return status;
    return collection_delete_vectors(collection, targets, names, name_count, options, result, error);
}

oct_status
oct_delete(oct_collection *collection, const oct_id *ids, size_t count, const oct_write_options *options,
           oct_write_result *result, oct_error *error)
{
    const oct_targets targets = {.ids = ids, .id_count = count};

    return oct_delete_where(collection, &targets, options, result, error);
}

oct_status
oct_delete_where(oct_collection *collection, const oct_targets *targets, const oct_write_options *options,
                 oct_write_result *result, oct_error *error)
{
    const oct_status status = check_targets(collection, STRICT_DELETE, targets, error);

    return status == OCT_OK ? collection_delete(collection, targets, options, result, error) : status;
}

oct_status
oct_change_payload(oct_collection *collection, const oct_id *ids, size_t count,
                   const oct_payload_change *change, const oct_write_options *options,
                   oct_write_result *result, oct_error *error)
{
    const oct_targets targets = {.ids = ids, .id_count = count};

    return oct_change_payload_where(collection, &targets, change, options, result, error);
}

oct_status
oct_change_payload_where(oct_collection *collection, const oct_targets *targets,
                         const oct_payload_change *change, const oct_write_options *options,
                         oct_write_result *result, oct_error *error)
{
    const oct_status status = check_targets(collection, STRICT_UPDATE, targets, error);

    return status == OCT_OK ? collection_change_payload(collection, targets, change, options, result, error)
                            : status;
}

static oct_status
check_one_write(oct_collection *collection, const oct_write *write, oct_error *error)
{
    static const strict_write kinds[] = {STRICT_UPSERT, STRICT_UPDATE, STRICT_DELETE, STRICT_DELETE, STRICT_UPDATE};
    oct_status                status;

    if (write->kind < OCT_WRITE_UPSERT || write->kind > OCT_WRITE_PAYLOAD)
        return oct_fail(error, OCT_INVALID, "no such kind of write: %d", (int)write->kind);
    if (write->kind != OCT_WRITE_UPSERT && write->kind != OCT_WRITE_VECTORS)
        return check_targets(collection, kinds[write->kind], &write->targets, error);
    status = check_count(write->points, write->point_count, error);
    if (status == OCT_OK && write->mode != OCT_UPSERT && write->mode != OCT_INSERT_ONLY && write->mode != OCT_UPDATE_ONLY)
        status = oct_fail(error, OCT_INVALID, "no such update mode: %d", (int)write->mode);
    return status == OCT_OK ? strict_check_write(collection, kinds[write->kind], write->points, write->point_count,
                                                 write->filter, error)
                            : status;
}

oct_status
oct_write_batch(oct_collection *collection, const oct_write *writes, size_t count, const oct_write_options *options,
                oct_write_result *result, oct_error *error)
{
    oct_status status = OCT_OK;

    for (size_t i = 0; i < count && status == OCT_OK; i++)
        status = check_one_write(collection, &writes[i], error);
    return status == OCT_OK ? collection_write_batch(collection, writes, count, options, result, error) : status;
}

oct_status
oct_retrieve(oct_collection *collection, const oct_id *ids, size_t count, const oct_select *select,
             oct_records **out, oct_error *error)
{
    return oct_retrieve_of(collection, ids, count, NULL, 0, select, out, error);
}

oct_status
oct_retrieve_of(oct_collection *collection, const oct_id *ids, size_t count, const oct_shard_key *keys,
                size_t key_count, const oct_select *select, oct_records **out, oct_error *error)
{
    oct_status status = check_count(ids, count, error);

    *out = NULL;
    if (status == OCT_OK)
        status = strict_check_read(collection, NULL, 0, error);
    return status == OCT_OK ? collection_retrieve(collection, ids, count, keys, key_count, select, out, error)
                            : status;
}

static oct_status
check_limit(size_t limit, size_t offset, oct_error *error)
{
    if (limit == 0)
        return oct_fail(error, OCT_RANGE, "limit: value 0 invalid, must be 1 or larger");
    if (limit > OCT_LIMIT_MAX || offset > OCT_LIMIT_MAX - limit)
        return oct_fail(error, OCT_RANGE, "limit %zu and offset %zu are too large; together at most %u",
                        limit, offset, OCT_LIMIT_MAX);
    return OCT_OK;
}

oct_status
oct_scroll(oct_collection *collection, const oct_id *from, size_t limit, const oct_select *select,
           oct_records **out, oct_error *error)
{
    return oct_scroll_where(collection, NULL, from, limit, select, out, error);
}

oct_status
oct_scroll_where(oct_collection *collection, const oct_filter *filter, const oct_id *from, size_t limit,
                 const oct_select *select, oct_records **out, oct_error *error)
{
    oct_status status = check_limit(limit, 0, error);

    *out = NULL;
    if (status == OCT_OK)
        status = strict_check_read(collection, filter, limit, error);
    return status == OCT_OK ? collection_scroll(collection, filter, from, limit, select, out, error) : status;
}

oct_status
oct_count(oct_collection *collection, uint64_t *out, oct_error *error)
{
    return oct_count_where(collection, NULL, out, error);
}

oct_status
oct_count_where(oct_collection *collection, const oct_filter *filter, uint64_t *out, oct_error *error)
{
    const oct_status status = strict_check_read(collection, filter, 0, error);

    return status == OCT_OK ? collection_count(collection, filter, out, error) : status;
}

oct_status
oct_count_estimate(oct_collection *collection, const oct_filter *filter, uint64_t *out, oct_error *error)
{
    const oct_status status = strict_check_read(collection, filter, 0, error);

    return status == OCT_OK ? collection_estimate(collection, filter, out, error) : status;
}

oct_status
oct_scroll_ordered(oct_collection *collection, const oct_filter *filter, const oct_order_by *order, size_t limit,
                   const oct_select *select, oct_records **out, oct_error *error)
{
    oct_status status = check_limit(limit, 0, error);

    *out = NULL;
    if (status == OCT_OK)
        status = strict_check_read(collection, filter, limit, error);
    return status == OCT_OK ? collection_scroll_ordered(collection, filter, order, limit, select, out, error) : status;
}

oct_status
oct_facet(oct_collection *collection, const oct_facet_request *request, oct_facets **out, oct_error *error)
{
    oct_status status = check_limit(request->limit, 0, error);

    *out = NULL;
    if (status == OCT_OK)
        status = strict_check_read(collection, request->filter, request->limit, error);
    return status == OCT_OK ? collection_facet(collection, request, out, error) : status;
}

oct_status
oct_datetime_parse(oct_slice text, int64_t *microseconds, oct_error *error)
{
    if (datetime_parse(text, microseconds))
        return OCT_OK;
    return oct_fail(error, OCT_FORMAT,
                    "\"%.*s\" is not a date that is understood, such as 2024-05-06T07:08:09Z",
                    (int)size_min(text.size, 64), text.data);
}

/* --- field indexes -------------------------------------------------------------------------------------- */

oct_status
oct_field_index_create(oct_collection *collection, const oct_field_index *index, const oct_write_options *options,
                       oct_write_result *result, oct_error *error)
{
    const oct_status status = strict_check_index(collection, index->field, error);

    return status == OCT_OK ? fields_create(collection, index, options, result, error) : status;
}

oct_status
oct_field_index_delete(oct_collection *collection, oct_slice field, const oct_write_options *options,
                       oct_write_result *result, oct_error *error)
{
    return fields_delete(collection, field, options, result, error);
}

/* --- search --------------------------------------------------------------------------------------------- */

static oct_status
check_query(const float *query, size_t dim, oct_error *error)
{
    if (!floats_are_finite(query, dim))
        return oct_fail(error, OCT_INVALID, "the query has a component that is not a finite number");
    return OCT_OK;
}

oct_status
oct_search(oct_collection *collection, const oct_search_request *request, oct_records **out, oct_error *error)
{
    oct_status status = check_limit(request->limit, request->offset, error);

    *out = NULL;
    if (status == OCT_OK && request->exclude_count > OCT_LIMIT_MAX)
        status = oct_fail(error, OCT_RANGE, "%zu excluded ids are too many; at most %u",
                          request->exclude_count, OCT_LIMIT_MAX);
    if (status == OCT_OK && request->dim > OCT_DIM_MAX)
        status = oct_fail(error, OCT_DIM, "a query of %zu components: a dimension is 1 to %u", request->dim,
                          OCT_DIM_MAX);
    if (status == OCT_OK)
        status = strict_check_search(collection, request, error);
    return status == OCT_OK ? collection_search(collection, request, out, error) : status;
}

oct_status
oct_search_rows(oct_collection *collection, const float *queries, size_t query_count, size_t dim, size_t k,
                size_t ef, bool exact, uint32_t threads, uint64_t *ids, float *scores, oct_error *error)
{
    oct_status status = check_limit(k, 0, error);
    size_t     floats = 0;

    if (status == OCT_OK && (dim > OCT_DIM_MAX || !size_mul_ok(query_count, dim, &floats)))
        status = oct_fail(error, OCT_DIM, "%zu queries of %zu components cannot be", query_count, dim);
    if (status == OCT_OK)
        status = check_query(queries, floats, error);
    if (status != OCT_OK)
        return status;
    return collection_search_rows(collection, queries, query_count, dim, k, ef, exact, threads, ids, scores,
                                  error);
}

/* --- queries ---------------------------------------------------------------------------------------------- */

oct_status
oct_query_points(oct_collection *collection, const oct_query_request *request, oct_records **out,
                 oct_error *error)
{
    oct_status status = check_limit(request->query.limit, request->offset, error);

    *out = NULL;
    if (status == OCT_OK)
        status = strict_check_queries(collection, request, 1, false, error);
    return status == OCT_OK ? collection_query(collection, request, out, error) : status;
}

oct_status
oct_query_batch(oct_collection *collection, const oct_query_request *requests, size_t count,
                oct_records **out, oct_error *error)
{
    oct_status status = OCT_OK;

    for (size_t i = 0; i < count; i++)
        out[i] = NULL;
    for (size_t i = 0; i < count && status == OCT_OK; i++)
        status = check_limit(requests[i].query.limit, requests[i].offset, error);
    if (status == OCT_OK)
        status = strict_check_queries(collection, requests, count, true, error);
    return status == OCT_OK ? collection_query_batch(collection, requests, count, out, error) : status;
}

oct_status
oct_query_groups(oct_collection *collection, const oct_group_request *request, oct_groups **out,
                 oct_error *error)
{
    oct_status status = check_limit(request->query.limit, 0, error);

    *out = NULL;
    if (status == OCT_OK && request->group_size == 0)
        status = oct_fail(error, OCT_RANGE, "group_size: value 0 invalid, must be 1 or larger");
    if (status == OCT_OK)
        status = strict_check_groups(collection, request, error);
    return status == OCT_OK ? collection_query_groups(collection, request, out, error) : status;
}

oct_status
oct_search_matrix(oct_collection *collection, const oct_matrix_request *request, oct_matrix **out,
                  oct_error *error)
{
    oct_status status;

    *out = NULL;
    if (request->sample < 2)
        return oct_fail(error, OCT_RANGE, "sample: value %zu invalid, must be 2 or larger", request->sample);
    if (request->limit == 0)
        return oct_fail(error, OCT_RANGE, "limit: value 0 invalid, must be 1 or larger");
    status = strict_check_read(collection, request->filter, size_max(request->sample, request->limit), error);
    return status == OCT_OK ? collection_search_matrix(collection, request, out, error) : status;
}

/* --- text ----------------------------------------------------------------------------------------- */

oct_status
oct_bm25_encode(const oct_bm25_config *config, oct_slice text, bool is_query, oct_sparse **out, oct_error *error)
{
    if (out == NULL)
        return oct_fail(error, OCT_INVALID, "oct_bm25_encode: `out` is NULL");
    return bm25_encode(config, text, is_query, out, error);
}

void
oct_sparse_free(oct_sparse *sparse)
{
    oct_free(sparse);
}

/* --- snapshots ------------------------------------------------------------------------------------------- */

static oct_status
check_place(const oct_snapshot_place *place, oct_error *error)
{
    if (place == NULL || (place->scope != OCT_SNAPSHOT_COLLECTION && place->scope != OCT_SNAPSHOT_SHARD &&
                          place->scope != OCT_SNAPSHOT_FULL))
        return oct_fail(error, OCT_INVALID, "a snapshot is of a collection, of a shard, or full");
    return OCT_OK;
}

oct_status
oct_snapshot_create(oct_database *database, const oct_snapshot_place *place, bool wait, oct_snapshots **out,
                    oct_error *error)
{
    const oct_status status = check_place(place, error);

    if (out != NULL)
        *out = NULL;
    return status == OCT_OK ? snapshot_store_create(database, place, wait, out, error) : status;
}

oct_status
oct_snapshot_list(oct_database *database, const oct_snapshot_place *place, oct_snapshots **out, oct_error *error)
{
    const oct_status status = check_place(place, error);

    *out = NULL;
    return status == OCT_OK ? snapshot_store_list(database, place, out, error) : status;
}

void
oct_snapshots_free(oct_snapshots *snapshots)
{
    oct_free(snapshots);
}

oct_status
oct_snapshot_delete(oct_database *database, const oct_snapshot_place *place, oct_slice name, oct_error *error)
{
    const oct_status status = check_place(place, error);

    return status == OCT_OK ? snapshot_store_delete(database, place, name, error) : status;
}

oct_status
oct_snapshot_open(oct_database *database, const oct_snapshot_place *place, oct_slice name, oct_file **out,
                  oct_error *error)
{
    const oct_status status = check_place(place, error);

    *out = NULL;
    return status == OCT_OK ? snapshot_store_open(database, place, name, out, error) : status;
}

oct_status
oct_snapshot_recover(oct_database *database, const oct_snapshot_place *place, oct_file *file, uint64_t offset,
                     uint64_t size, bool wait, oct_error *error)
{
    const oct_status status = check_place(place, error);

    if (status == OCT_OK)
        return snapshot_store_recover(database, place, file, offset, size, wait, error);
    oct_file_close(file);
    return status;
}

const char *
oct_snapshot_folder(oct_database *database)
{
    return database->snapshot_path;
}

bool
oct_snapshot_urls_refused(oct_database *database)
{
    return database->no_snapshot_urls;
}

oct_status
oct_file_open(oct_database *database, oct_slice path, oct_file **out, oct_error *error)
{
    char text[OS_PATH_MAX];

    *out = NULL;
    if (path.size == 0 || path.size >= sizeof text || memchr(path.data, '\0', path.size) != NULL)
        return oct_fail(error, OCT_INVALID, "a path has 1 to %zu bytes and no NUL", sizeof text - 1);
    memcpy(text, path.data, path.size);
    text[path.size] = '\0';
    return snapshot_file_open(database->snapshot_system, text, out, error);
}

oct_status
oct_file_new(oct_database *database, oct_file **out, oct_error *error)
{
    return snapshot_file_new(database, out, error);
}

oct_status
oct_backup(const char *path, const char *file, oct_error *error)
{
    return backup_write(os_posix(), path, file, NULL, NULL, error);
}

oct_status
oct_backup_since(const char *path, const char *file, const char *base, oct_backup_info *info, oct_error *error)
{
    return backup_write(os_posix(), path, file, base, info, error);
}

oct_status
oct_backup_verify(const char *file, const char *bases, oct_backup_info *info, oct_error *error)
{
    return backup_verify(os_posix(), file, bases, info, error);
}

oct_status
oct_restore(const char *file, const char *path, oct_error *error)
{
    return backup_restore(os_posix(), file, NULL, path, error);
}

oct_status
oct_restore_from(const char *file, const char *bases, const char *path, oct_error *error)
{
    return backup_restore(os_posix(), file, bases, path, error);
}
