/* What a cluster shows and lets change, as one node answers: shard keys work, there is nobody to move a shard to.
 *
 * SHARDS   The engine keeps a collection in one shard. Clients see one shard a key with custom sharding (its id is the
 *          key's number less one), and one, number 0, without: what there is, whatever shard_number asked for.
 * PEERS    This node is peer 1. What needs another one is 405, as in Qdrant without --uri.
 */
#include "api/encode.h"
#include "config/config.h"

oct_status
cluster_status(api_call *call, oct_error *error)
{
    (void)error;
    buffer_add_text(&call->out, "{\"status\":\"disabled\"}");
    return OCT_OK;
}

oct_status
cluster_remove_peer(api_call *call, oct_error *error)
{
    bool            force = false;
    const oct_slice peer = call->params[0];
    oct_status      status = api_option_bool(call, "force", &force, error);

    if (status == OCT_OK)
        status = api_meta_options(call, error);
    for (size_t i = 0; i < peer.size && status == OCT_OK; i++)
        if (peer.data[i] < '0' || peer.data[i] > '9') {
            call->place = API_IN_PATH;
            status = oct_fail(error, OCT_FORMAT, "peer_id: \"" SLICE_FMT "\" is not an unsigned integer",
                              (int)size_min(peer.size, 64), peer.data);
        }
    return status == OCT_OK ? api_one_node_only(call, error) : status;
}

/* --- one collection --------------------------------------------------------------------------- */

/* Points of a key; NULL: all. */
static oct_status
count_points(oct_collection *collection, const oct_shard_key *key, arena *memory, uint64_t *out, oct_error *error)
{
    const oct_filter *filter = NULL;
    const oct_status  status = key == NULL ? OCT_OK : filter_of_shard(key, memory, &filter, error);

    return status == OCT_OK ? oct_count_where(collection, filter, out, error) : status;
}

static oct_status
encode_shard(api_call *call, oct_collection *collection, const oct_shard_key_info *key, oct_error *error)
{
    uint64_t         count = 0;
    const oct_status status =
        count_points(collection, key == NULL ? NULL : &key->key, &call->memory, &count, error);

    buffer_format(&call->out, "{\"shard_id\":%u", key == NULL ? 0 : key->number - 1);
    if (key != NULL) {
        buffer_add_text(&call->out, ",\"shard_key\":");
        shard_key_encode(&key->key, &call->out);
    }
    buffer_add_text(&call->out, ",\"points_count\":");
    json_add_u64(&call->out, count);
    buffer_add_text(&call->out, ",\"state\":\"Active\"}");
    return status;
}

static oct_status
open_described(api_call *call, oct_collection **collection, oct_collection_info **info, oct_error *error)
{
    const oct_status status = api_open(call, collection, error);

    *info = NULL;
    return status == OCT_OK ? oct_collection_describe(*collection, info, error) : status;
}

oct_status
cluster_of_collection(api_call *call, oct_error *error)
{
    oct_collection      *collection = NULL;
    oct_collection_info *info = NULL;
    oct_status           status = open_described(call, &collection, &info, error);

    if (status == OCT_OK) {
        const bool   custom = info->config.sharding_method == 1;
        const size_t count = custom ? info->config.shard_key_count : 1;

        buffer_format(&call->out, "{\"peer_id\":%u,\"shard_count\":%zu,\"local_shards\":[", API_PEER_ID, count);
        for (size_t i = 0; i < count && status == OCT_OK; i++) {
            buffer_add_text(&call->out, i > 0 ? "," : "");
            status = encode_shard(call, collection, custom ? &info->config.shard_keys[i] : NULL, error);
        }
        buffer_add_text(&call->out, "],\"remote_shards\":[],\"shard_transfers\":[]}");
    }
    oct_collection_info_free(info);
    oct_collection_close(collection);
    return status;
}

/* --- shard keys ------------------------------------------------------------------------------- */

oct_status
cluster_shard_keys(api_call *call, oct_error *error)
{
    oct_collection      *collection = NULL;
    oct_collection_info *info = NULL;
    const oct_status     status = open_described(call, &collection, &info, error);

    buffer_add_byte(&call->out, '{');
    if (status == OCT_OK && info->config.sharding_method == 1) {
        buffer_add_text(&call->out, "\"shard_keys\":[");
        for (size_t i = 0; i < info->config.shard_key_count; i++) {
            buffer_add_text(&call->out, i > 0 ? ",{\"key\":" : "{\"key\":");
            shard_key_encode(&info->config.shard_keys[i].key, &call->out);
            buffer_add_byte(&call->out, '}');
        }
        buffer_add_byte(&call->out, ']');
    }
    buffer_add_byte(&call->out, '}');
    oct_collection_info_free(info);
    oct_collection_close(collection);
    return status;
}

/* Every peer of a placement must be this node. */
static oct_status
check_placement(const json_path *at, yyjson_val *list, oct_error *error)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(list);
    yyjson_val     *item;
    size_t          i = 0;

    if (list == NULL)
        return OCT_OK;
    if (!yyjson_is_arr(list))
        return json_fail_type(at, list, "an array of peer ids", error);
    while ((item = yyjson_arr_iter_next(&iter)) != NULL) {
        const json_path item_at = json_at_index(at, i++);

        if (!yyjson_is_uint(item))
            return json_fail_type(&item_at, item, "an unsigned integer", error);
        if (yyjson_get_uint(item) != API_PEER_ID)
            return oct_fail(error, OCT_BAD_REQUEST, "Peer %llu does not exist: this is one node, its peer id is %u",
                            (unsigned long long)yyjson_get_uint(item), API_PEER_ID);
    }
    return OCT_OK;
}

static oct_status
create_key(api_call *call, const json_path *at, yyjson_val *body, oct_error *error)
{
    enum { KEY, SHARDS, REPLICAS, PLACEMENT, STATE };
    static const json_field fields[] = {{"shard_key", NULL, true},
                                        {"shards_number", "shard_number", false},
                                        {"replication_factor", NULL, false},
                                        {"placement", NULL, false},
                                        {"initial_state", NULL, false}};
    static const json_name  states[] = {
        {"Active", 0},           {"Dead", 1},           {"Partial", 2},        {"Initializing", 3},
        {"Listener", 4},         {"PartialSnapshot", 5}, {"Recovery", 6},      {"Resharding", 7},
        {"ReshardingScaleDown", 8}, {"ActiveRead", 9},  {"ManualRecovery", 10}};
    const json_path    key_at = json_at(at, "shard_key"), shards_at = json_at(at, "shards_number");
    const json_path    replicas_at = json_at(at, "replication_factor"), placement_at = json_at(at, "placement");
    const json_path    state_at = json_at(at, "initial_state");
    yyjson_val        *values[countof(fields)];
    oct_shard_key_info key = {0};
    uint64_t           shards = 0, replicas = 0;
    int64_t            state = 0;
    oct_status         status = json_fields(at, body, fields, countof(fields), false, values, error);

    if (status == OCT_OK)
        status = shard_key_decode(&key_at, values[KEY], &call->memory, &key.key, error);
    if (status == OCT_OK)
        status = json_get_range(&shards_at, values[SHARDS], 1, UINT32_MAX, &shards, error);
    if (status == OCT_OK)
        status = json_get_range(&replicas_at, values[REPLICAS], 1, UINT32_MAX, &replicas, error);
    if (status == OCT_OK)
        status = json_get_name(&state_at, values[STATE], states, countof(states), &state, error);
    if (status == OCT_OK)
        status = check_placement(&placement_at, values[PLACEMENT], error);
    if (status == OCT_OK && state != 0)
        status = oct_fail(error, OCT_BAD_REQUEST,
                          "initial_state %s needs other nodes to bring the shard up; on one node a shard is Active",
                          states[state].text);
    key.shard_number = (uint32_t)shards;
    key.replication_factor = (uint32_t)replicas;
    if (status == OCT_OK)
        status = oct_shard_key_create(call->database, call->params[0], &key, error);
    return status;
}

static oct_status
delete_key(api_call *call, const json_path *at, yyjson_val *body, oct_error *error)
{
    static const json_field fields[] = {{"shard_key", NULL, true}};
    const json_path         key_at = json_at(at, "shard_key");
    yyjson_val             *value = NULL;
    oct_shard_key           key;
    oct_status              status = json_fields(at, body, fields, countof(fields), false, &value, error);

    if (status == OCT_OK)
        status = shard_key_decode(&key_at, value, &call->memory, &key, error);
    return status == OCT_OK ? oct_shard_key_delete(call->database, call->params[0], &key, error) : status;
}

/* The body of a change, and the collection there. */
static oct_status
change_body(api_call *call, yyjson_val **body, oct_error *error)
{
    oct_collection *collection = NULL;
    oct_status      status = api_meta_options(call, error);

    if (status == OCT_OK)
        status = api_body(call, body, error);
    if (status == OCT_OK)
        status = api_open(call, &collection, error);
    oct_collection_close(collection);
    return status;
}

oct_status
cluster_create_shard_key(api_call *call, oct_error *error)
{
    yyjson_val *body = NULL;
    oct_status  status = change_body(call, &body, error);

    if (status == OCT_OK)
        status = create_key(call, NULL, body, error);
    encode_bool(&call->out, true);
    return status;
}

oct_status
cluster_delete_shard_key(api_call *call, oct_error *error)
{
    yyjson_val *body = NULL;
    oct_status  status = change_body(call, &body, error);

    if (status == OCT_OK)
        status = delete_key(call, NULL, body, error);
    encode_bool(&call->out, true);
    return status;
}

/* --- operations ------------------------------------------------------------------------------- */

/* A number that an operation between nodes must have. */
static oct_status
need_number(const json_path *at, yyjson_val *object, const char *name, uint64_t max, oct_error *error)
{
    const json_path  number_at = json_at(at, name);
    const json_field field = {name, NULL, true};
    yyjson_val      *value = NULL;
    uint64_t         number = 0;
    oct_status       status = json_fields(at, object, &field, 1, false, &value, error);

    if (status == OCT_OK)
        status = json_get_u64(&number_at, value, &number, error);
    if (status == OCT_OK && number > max)
        status = json_fail_type(&number_at, value, "an unsigned 32-bit integer", error);
    return status;
}

typedef struct operation {
    const char *name;
    bool        has_shard, has_to, has_from, has_peer;
} operation;

/* Operations are read as Qdrant reads them, so that a bad one is told; a good one needs a cluster. */
static oct_status
check_operation(const json_path *at, const operation *what, yyjson_val *body, oct_error *error)
{
    oct_status status = OCT_OK;

    if (!yyjson_is_obj(body))
        return json_fail_type(at, body, "an object", error);
    if (what->has_shard)
        status = need_number(at, body, "shard_id", UINT32_MAX, error);
    if (status == OCT_OK && what->has_to)
        status = need_number(at, body, "to_peer_id", UINT64_MAX, error);
    if (status == OCT_OK && what->has_from)
        status = need_number(at, body, "from_peer_id", UINT64_MAX, error);
    if (status == OCT_OK && what->has_peer)
        status = need_number(at, body, "peer_id", UINT64_MAX, error);
    return status;
}

oct_status
cluster_change(api_call *call, oct_error *error)
{
    static const operation operations[] = {
        {"move_shard", true, true, true, false},       {"replicate_shard", true, true, true, false},
        {"abort_transfer", true, true, true, false},   {"drop_replica", true, false, false, true},
        {"restart_transfer", true, true, true, false}, {"start_resharding", false, false, false, false},
        {"abort_resharding", false, false, false, false}, {"replicate_points", false, false, false, false}};
    yyjson_val     *body = NULL, *value;
    yyjson_obj_iter keys;
    oct_status      status = change_body(call, &body, error);
    json_path       at;

    if (status != OCT_OK)
        return status;
    if (!yyjson_is_obj(body))
        return json_fail_type(NULL, body, "an operation: an object with one key", error);
    keys = yyjson_obj_iter_with(body);
    if (yyjson_obj_size(body) == 1) {
        yyjson_val *key = yyjson_obj_iter_next(&keys);

        value = yyjson_obj_iter_get_val(key);
        at = json_at(NULL, yyjson_get_str(key));
        encode_bool(&call->out, true);
        if (json_key_is(key, "create_sharding_key"))
            return create_key(call, &at, value, error);
        if (json_key_is(key, "drop_sharding_key"))
            return delete_key(call, &at, value, error);
        for (size_t i = 0; i < countof(operations); i++) {
            if (!json_key_is(key, operations[i].name))
                continue;
            status = check_operation(&at, &operations[i], value, error);
            return status == OCT_OK ? api_one_node_only(call, error) : status;
        }
    }
    return oct_fail(error, OCT_FORMAT,
                    "an operation has exactly one key, one of create_sharding_key, drop_sharding_key, move_shard, "
                    "replicate_shard, abort_transfer, drop_replica, restart_transfer, start_resharding, "
                    "abort_resharding, replicate_points");
}

/* --- one shard -------------------------------------------------------------------------------- */

/* Find the shard of the second path parameter. */
static oct_status
pick_shard(api_call *call, oct_error *error)
{
    oct_collection      *collection = NULL;
    oct_collection_info *info = NULL;
    oct_id               id;
    oct_status           status = open_described(call, &collection, &info, error);

    if (status == OCT_OK && (!id_from_text(call->params[1], &id) || id.is_uuid != 0 || id.low > UINT32_MAX)) {
        call->place = API_IN_PATH;
        status = oct_fail(error, OCT_FORMAT, "shard_id: \"" SLICE_FMT "\" is not an unsigned 32-bit integer",
                          (int)size_min(call->params[1].size, 64), call->params[1].data);
    }
    if (status == OCT_OK) {
        const bool                custom = info->config.sharding_method == 1;
        const oct_shard_key_info *key = custom ? config_shard_key_of(&info->config, (uint32_t)id.low + 1) : NULL;

        if (custom ? key == NULL : id.low != 0) {
            status = oct_fail(error, OCT_NOT_FOUND, "Shard %u not found", (unsigned)id.low);
        } else if (custom) {
            call->in_shard = true;
            call->shard_key = key->key;
            if (!key->key.is_number) {
                call->shard_key.text.data = arena_text(&call->memory, key->key.text.data, key->key.text.size);
                if (call->shard_key.text.data == NULL)
                    status = oct_fail_memory(error, key->key.text.size);
            }
        }
    }
    oct_collection_info_free(info);
    oct_collection_close(collection);
    return status;
}

oct_status
cluster_shard_retrieve(api_call *call, oct_error *error)
{
    const oct_status status = pick_shard(call, error);

    return status == OCT_OK ? points_retrieve(call, error) : status;
}

oct_status
cluster_shard_scroll(api_call *call, oct_error *error)
{
    const oct_status status = pick_shard(call, error);

    return status == OCT_OK ? points_scroll(call, error) : status;
}

oct_status
cluster_shard_count(api_call *call, oct_error *error)
{
    const oct_status status = pick_shard(call, error);

    return status == OCT_OK ? points_count(call, error) : status;
}

/* Points that belong elsewhere go. Here none can. */
oct_status
cluster_shard_cleanup(api_call *call, oct_error *error)
{
    oct_write_options options;
    oct_status        status = api_write_options(call, &options, error);

    if (status == OCT_OK)
        status = pick_shard(call, error);
    buffer_add_text(&call->out, "{\"operation_id\":null,\"status\":\"completed\"}");
    return status;
}

/* --- telemetry -------------------------------------------------------------------------------- */

static oct_status
telemetry_shard(api_call *call, oct_collection *collection, const oct_collection_info *info,
                const oct_shard_key_info *key, oct_error *error)
{
    uint64_t         count = 0;
    const oct_status status =
        count_points(collection, key == NULL ? NULL : &key->key, &call->memory, &count, error);

    buffer_format(&call->out, "{\"id\":%u", key == NULL ? 0 : key->number - 1);
    if (key != NULL) {
        buffer_add_text(&call->out, ",\"key\":");
        shard_key_encode(&key->key, &call->out);
    }
    buffer_format(&call->out,
                  ",\"replicas\":[{\"peer_id\":%u,\"state\":\"Active\",\"status\":\"%s\",\"total_optimized_points\":0,"
                  "\"num_points\":%llu,\"num_vectors\":%llu}]}",
                  API_PEER_ID, info->stopped ? "red" : "green", (unsigned long long)count,
                  (unsigned long long)(info->indexed_vectors_count + info->tail_vectors_count));
    return status;
}

static oct_status
telemetry_collection(api_call *call, oct_collection *collection, const oct_collection_info *info, oct_error *error)
{
    const bool   custom = info->config.sharding_method == 1;
    const size_t count = custom ? info->config.shard_key_count : 1;
    oct_status   status = OCT_OK;

    if (call->out.data[call->out.size - 1] != '{')
        buffer_add_byte(&call->out, ',');
    json_add_text(&call->out, info->name);
    buffer_add_text(&call->out, ":{\"id\":");
    json_add_text(&call->out, info->name);
    buffer_add_text(&call->out, ",\"shards\":[");
    for (size_t i = 0; i < count && status == OCT_OK; i++) {
        buffer_add_text(&call->out, i > 0 ? "," : "");
        status = telemetry_shard(call, collection, info, custom ? &info->config.shard_keys[i] : NULL, error);
    }
    buffer_add_text(&call->out, "],\"reshardings\":[],\"shard_transfers\":[]}");
    return status;
}

oct_status
cluster_telemetry(api_call *call, oct_error *error)
{
    uint64_t   level = 0;
    oct_status status = api_option_u64(call, "details_level", 0, &level, error);

    if (status == OCT_OK)
        status = api_meta_options(call, error);
    buffer_add_text(&call->out, "{\"collections\":{");
    if (status == OCT_OK)
        status = api_each_collection(call, telemetry_collection, error);
    buffer_add_text(&call->out, "},\"cluster\":{\"enabled\":false,\"peers\":{}}}");
    return status;
}
