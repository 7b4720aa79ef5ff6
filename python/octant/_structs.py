"""The structs of include/*.h as ctypes sees them. Written by tools/mirror.py; do not edit."""

from ctypes import (
    Structure,
    POINTER,
    c_bool,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)


def _struct(name, *fields):
    return type(name, (Structure,), {"_fields_": list(fields), "__doc__": f"oct_{name} of the C headers"})


error = _struct(
    "error",
    ("status", c_int),
    ("text", c_char * 1024),
)
slice = _struct(
    "slice",
    ("data", c_void_p),
    ("size", c_size_t),
)
id = _struct(
    "id",
    ("high", c_uint64),
    ("low", c_uint64),
    ("is_uuid", c_uint32),
    ("reserved", c_uint32),
)
open_options = _struct(
    "open_options",
    ("path", c_char_p),
    ("threads", c_uint32),
    ("sync", c_int),
    ("sync_interval_ms", c_uint32),
    ("read_only", c_bool),
    ("no_snapshot_urls", c_bool),
    ("snapshots_path", c_char_p),
    ("collection_defaults", c_char_p),
    ("collections_max", c_uint32),
    ("memory_limit", c_uint64),
)
database_info = _struct(
    "database_info",
    ("version", c_char_p),
    ("cpu_level", c_char_p),
    ("path", c_char_p),
    ("collection_count", c_uint64),
    ("log_sequence", c_uint64),
    ("log_bytes", c_uint64),
    ("replayed_records", c_uint64),
    ("open_seconds", c_double),
    ("instance", c_uint64),
)
names = _struct(
    "names",
    ("count", c_size_t),
    ("items", POINTER(slice)),
    ("targets", POINTER(slice)),
)
hnsw_config = _struct(
    "hnsw_config",
    ("m", c_int64),
    ("ef_construct", c_int64),
    ("full_scan_threshold", c_int64),
    ("max_indexing_threads", c_int64),
    ("on_disk", c_int64),
    ("payload_m", c_int64),
    ("inline_storage", c_int64),
    ("memory", c_int64),
)
quantization_config = _struct(
    "quantization_config",
    ("kind", c_int64),
    ("quantile", c_double),
    ("compression", c_int64),
    ("encoding", c_int64),
    ("query_encoding", c_int64),
    ("bits", c_int64),
    ("always_ram", c_int64),
    ("memory", c_int64),
)
sparse_config = _struct(
    "sparse_config",
    ("modifier", c_int64),
    ("has_index", c_int64),
    ("full_scan_threshold", c_int64),
    ("on_disk", c_int64),
    ("datatype", c_int64),
    ("memory", c_int64),
)
vector_config = _struct(
    "vector_config",
    ("name", slice),
    ("size", c_int64),
    ("distance", c_int64),
    ("datatype", c_int64),
    ("on_disk", c_int64),
    ("memory", c_int64),
    ("multivector", c_int64),
    ("hnsw", hnsw_config),
    ("quantization", quantization_config),
    ("sparse", c_int64),
    ("sparse_config", sparse_config),
)
field_index = _struct(
    "field_index",
    ("field", slice),
    ("type", c_int64),
    ("has_params", c_int64),
    ("is_tenant", c_int64),
    ("is_principal", c_int64),
    ("lookup", c_int64),
    ("range", c_int64),
    ("prefix", c_int64),
    ("on_disk", c_int64),
    ("memory", c_int64),
    ("enable_hnsw", c_int64),
    ("tokenizer", c_int64),
    ("min_token_len", c_int64),
    ("max_token_len", c_int64),
    ("lowercase", c_int64),
    ("ascii_folding", c_int64),
    ("phrase_matching", c_int64),
    ("stopwords", slice),
    ("stemmer", slice),
)
optimizer_config = _struct(
    "optimizer_config",
    ("deleted_threshold", c_double),
    ("vacuum_min_vector_number", c_int64),
    ("default_segment_number", c_int64),
    ("max_segment_size", c_int64),
    ("memmap_threshold", c_int64),
    ("indexing_threshold", c_int64),
    ("flush_interval_sec", c_int64),
    ("max_optimization_threads", c_int64),
    ("prevent_unoptimized", c_int64),
)
wal_config = _struct(
    "wal_config",
    ("wal_capacity_mb", c_int64),
    ("wal_segments_ahead", c_int64),
    ("wal_retain_closed", c_int64),
)
strict_vector = _struct(
    "strict_vector",
    ("name", slice),
    ("max", c_int64),
)
strict_config = _struct(
    "strict_config",
    ("enabled", c_int64),
    ("max_query_limit", c_int64),
    ("max_timeout", c_int64),
    ("unindexed_filtering_retrieve", c_int64),
    ("unindexed_filtering_update", c_int64),
    ("search_max_hnsw_ef", c_int64),
    ("search_allow_exact", c_int64),
    ("search_max_oversampling", c_double),
    ("upsert_max_batchsize", c_int64),
    ("search_max_batchsize", c_int64),
    ("max_collection_vector_size_bytes", c_int64),
    ("read_rate_limit", c_int64),
    ("write_rate_limit", c_int64),
    ("max_collection_payload_size_bytes", c_int64),
    ("max_points_count", c_int64),
    ("filter_max_conditions", c_int64),
    ("condition_max_size", c_int64),
    ("max_payload_index_count", c_int64),
    ("max_resident_memory_percent", c_int64),
    ("multivectors", POINTER(strict_vector)),
    ("multivector_count", c_size_t),
    ("sparse", POINTER(strict_vector)),
    ("sparse_count", c_size_t),
)
shard_key = _struct(
    "shard_key",
    ("is_number", c_bool),
    ("number", c_uint64),
    ("text", slice),
)
shard_key_info = _struct(
    "shard_key_info",
    ("key", shard_key),
    ("number", c_uint32),
    ("shard_number", c_uint32),
    ("replication_factor", c_uint32),
)
collection_config = _struct(
    "collection_config",
    ("vectors", POINTER(vector_config)),
    ("vector_count", c_size_t),
    ("field_indexes", POINTER(field_index)),
    ("field_index_count", c_size_t),
    ("single_vector", c_int64),
    ("shard_number", c_int64),
    ("replication_factor", c_int64),
    ("write_consistency_factor", c_int64),
    ("read_fan_out_factor", c_int64),
    ("read_fan_out_delay_ms", c_int64),
    ("on_disk_payload", c_int64),
    ("payload_memory", c_int64),
    ("sharding_method", c_int64),
    ("hnsw", hnsw_config),
    ("optimizer", optimizer_config),
    ("wal", wal_config),
    ("quantization", quantization_config),
    ("metadata", slice),
    ("strict", strict_config),
    ("shard_keys", POINTER(shard_key_info)),
    ("shard_key_count", c_size_t),
    ("shard_keys_made", c_int64),
)
collection_info = _struct(
    "collection_info",
    ("config", collection_config),
    ("points_count", c_uint64),
    ("indexed_vectors_count", c_uint64),
    ("tail_vectors_count", c_uint64),
    ("deleted_vectors_count", c_uint64),
    ("segments_count", c_uint64),
    ("version", c_uint64),
    ("ram_bytes", c_uint64),
    ("disk_bytes", c_uint64),
    ("vector_bytes", c_uint64),
    ("payload_bytes", c_uint64),
    ("stopped", c_bool),
    ("mended_graphs", c_uint64),
    ("mended", c_char_p),
    ("damage", c_char_p),
    ("name", slice),
    ("field_points", POINTER(c_uint64)),
    ("field_bytes", POINTER(c_uint64)),
    ("snapshots_running", c_uint64),
    ("recoveries_running", c_uint64),
    ("snapshots_created", c_uint64),
    ("reserved", c_void_p),
)
memory_part = _struct(
    "memory_part",
    ("name", c_char_p),
    ("memory_bytes", c_uint64),
    ("mapped_bytes", c_uint64),
)
memory_info = _struct(
    "memory_info",
    ("count", c_size_t),
    ("parts", memory_part * 16),
)
write_options = _struct(
    "write_options",
    ("wait", c_bool),
    ("shard_keys", POINTER(shard_key)),
    ("shard_key_count", c_size_t),
)
write_result = _struct(
    "write_result",
    ("operation_id", c_uint64),
    ("status", c_int),
)
select = _struct(
    "select",
    ("with_payload", c_bool),
    ("include", POINTER(slice)),
    ("include_count", c_size_t),
    ("exclude", POINTER(slice)),
    ("exclude_count", c_size_t),
    ("with_vector", c_bool),
    ("vectors", POINTER(slice)),
    ("vector_count", c_size_t),
)
order_value = _struct(
    "order_value",
    ("kind", c_int),
    ("integer", c_int64),
    ("number", c_double),
)
vector = _struct(
    "vector",
    ("name", slice),
    ("kind", c_int),
    ("values", POINTER(c_float)),
    ("value_count", c_size_t),
    ("indices", POINTER(c_uint32)),
    ("row_count", c_size_t),
)
record = _struct(
    "record",
    ("id", id),
    ("version", c_uint64),
    ("score", c_float),
    ("order", order_value),
    ("payload", slice),
    ("vectors", POINTER(vector)),
    ("vector_count", c_size_t),
    ("shard_key", POINTER(shard_key)),
)
records = _struct(
    "records",
    ("items", POINTER(record)),
    ("count", c_size_t),
    ("has_next", c_bool),
    ("next", id),
)
api_request = _struct(
    "api_request",
    ("method", slice),
    ("target", slice),
    ("body", slice),
    ("upload", c_void_p),
)
api_response = _struct(
    "api_response",
    ("status", c_int),
    ("content_type", c_char_p),
    ("body", slice),
    ("retry_after", c_uint32),
    ("reserved", c_void_p),
    ("file", c_void_p),
)

STRUCTS = [
    error,
    slice,
    id,
    open_options,
    database_info,
    names,
    hnsw_config,
    quantization_config,
    sparse_config,
    vector_config,
    field_index,
    optimizer_config,
    wal_config,
    strict_vector,
    strict_config,
    shard_key,
    shard_key_info,
    collection_config,
    collection_info,
    memory_part,
    memory_info,
    write_options,
    write_result,
    select,
    order_value,
    vector,
    record,
    records,
    api_request,
    api_response,
]
