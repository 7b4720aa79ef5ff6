"""Every operation of the reference (qdrant-api.md 1.4, 1.5): method, path, documented query parameters, and the
documented fields of its body, each with a kind and a good value.

A kind says which values are never good for a field; test_hostile.py makes malformed requests from them.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Tuple

# Bad values by kind. Nothing here is good for any field of that kind.
BAD: Dict[str, List[Any]] = {
    "count": [0, -1, 1.5, "x", True, [], {}, [1], 18446744073709551616],  # an integer of at least 1
    "uint": [-1, 1.5, "x", True, [], {}, 18446744073709551616],
    "float": ["x", True, [], {}, 1e999],
    "bool": [0, 1, "true", [], {}, 1.5],
    "text": [1, True, [], {}, 1.5],
    "id": [-1, 1.5, "x", True, {}, [], "123", "f47ac10b-58cc-4372-a567-0e02b2c3d47"],
    "ids": [1, "x", {}, True, [-1], [1.5], ["x"], [[1]], [{}], [None]],
    "key": [-1, 1.5, True, "", [], [[1]], [{}], {"target": "a"}, {"fallback": "a"}, {"target": {}, "fallback": 1}],
    "filter": [
        1, "x", True, [], {"unknown": []}, {"must": 1}, {"must": [1]}, {"must": [{"key": "a"}]},
        {"must": [{"key": 1, "match": {"value": 1}}]}, {"must": [{"key": "a", "match": {}}]},
        {"must": [{"key": "a", "range": {"gt": "yesterday-ish"}}]}, {"must": [{"key": "a[", "match": {"value": 1}}]},
        {"must": [{"has_id": ["x"]}]}, {"must": [{"slice": {"total": 0, "index": 0}}]}, {"must": [{"nested": {}}]},
        {"min_should": {"conditions": [], "min_count": 0}}, {"should": "x"}, {"must_not": [[]]},
        {"must": [{"key": "a", "geo_radius": {"center": {"lon": 200, "lat": 0}, "radius": 1}}]},
        {"must": [{"key": "a", "geo_polygon": {"exterior": {"points": []}}}]},
    ],
    "vector": [
        1, True, [], [[]], [[1, 2], [1]], ["x"], [1, "x"], [1, None, 3, 4], [1, [2], 3, 4], [1e39, 0, 0, 0], [1, 2, 3],
        {"a": 1}, {"a": []}, {"nope": [1, 2, 3, 4]}, {"indices": [1], "values": []}, {"indices": [1, 1], "values": [1, 2]},
        {"indices": [-1], "values": [1]}, {"indices": 1, "values": [1]},
    ],
    "query": [
        True, [], [[]], ["x"], [1, "x", 3, 4], [1e39, 0, 0, 0], [1, 2], {"nearest": {}}, {"nearest": None}, {"unknown": 1},
        {"recommend": 1}, {"recommend": {}}, {"recommend": {"positive": "x"}}, {"recommend": {"strategy": "x"}},
        {"discover": {"target": [1, 2, 3, 4], "context": 1}}, {"discover": {}}, {"context": [{"positive": 1}]},
        {"order_by": {}}, {"order_by": 1}, {"fusion": "x"}, {"rrf": {"k": 0}}, {"rrf": {"weights": [1, 2, 3]}},
        {"formula": {"sum": 1}}, {"sample": "x"}, {"nearest": [1, 2, 3, 4], "mmr": {"diversity": 2}},
        {"relevance_feedback": {"target": [1, 2, 3, 4], "feedback": [], "strategy": {"naive": {"a": 1, "b": 1, "c": 1}}}},
        {"nearest": [1, 2, 3, 4], "fusion": "rrf"}, "not-an-id", 77777, 1.5,
    ],
    "prefetch": [1, "x", [1], {"limit": 0}, {"filter": {"x": 1}}, [{"prefetch": [{"query": [1]}]}], {"query": [1]}],
    "payload": [1, "x", True, [], [1]],
    "payload_path": [1, True, {}, "", "a[", 'a"', "a.", "[0]"],
    "paths": [1, "x", True, {}, [1], [None], ["a["]],
    "with_payload": [1, "x", {"include": 1}, {"exclude": [1]}, {"other": []}, {"include": [], "exclude": []}, [1], ["a["]],
    "with_vector": [1, "x", {}, [1], ["nope"]],
    "names": [1, "x", True, {}, [], [1], ["nope"]],
    "params": [
        1, "x", [], {"hnsw_ef": 0}, {"hnsw_ef": "x"}, {"exact": 1}, {"indexed_only": "x"}, {"quantization": 1},
        {"quantization": {"oversampling": 0.5}}, {"acorn": {"max_selectivity": 2}}, {"acorn": 1}, {"quantization": {"rescore": 1}},
    ],
    "lookup": [1, "x", [], {}, {"collection": 1}, {"collection": "c", "vector": 1}],
    "with_lookup": [1, [], {}, {"collection": 1}, {"collection": "c", "with_payload": 1}, {"collection": "c", "with_vectors": 1}],
    "word": ["no such word", 1, True, [], {}],
    "object": [1, "x", True, []],
    "examples": [1, "x", True, {}, [-1], ["x"], [[]], [None], [99999], [[1, 2]], [1.5]],
    "list": [1, "x", True, {}, [1], ["x"], [[]], [None]],
    "points": [
        1, "x", {}, [], [1], [{}], [{"id": 1}], [{"vector": [1, 2, 3, 4]}], [{"id": -1, "vector": [1, 2, 3, 4]}],
        [{"id": "x", "vector": [1, 2, 3, 4]}], [{"id": 1, "vector": []}], [{"id": 1, "vector": [1, 2, 3]}],
        [{"id": 1, "vector": ["a"]}], [{"id": 1, "vector": {"nope": [1, 2, 3, 4]}}],
        [{"id": 1, "vector": [1, 2, 3, 4], "payload": 1}], [{"id": 1, "vector": [1, 2, 3, 4], "payload": [1]}],
        [{"id": 5, "vector": [1, 2, 3, 4]}, {"id": 6, "vector": [1, 2, 3]}],
    ],
    "updates": [
        1, "x", {}, [], [1], [{}], [{"id": 1}], [{"vector": [1, 2, 3, 4]}], [{"id": -1, "vector": [1, 2, 3, 4]}],
        [{"id": "x", "vector": [1, 2, 3, 4]}], [{"id": 1, "vector": []}], [{"id": 1, "vector": {}}], [{"id": 1, "vector": [1, 2, 3]}],
        [{"id": 99999, "vector": [1, 2, 3, 4]}], [{"id": 1, "vector": {"nope": [1, 2, 3, 4]}}],
    ],
    "batch": [
        1, [], {}, {"ids": [1]}, {"ids": 1, "vectors": [[1, 2, 3, 4]]}, {"ids": [1], "vectors": []},
        {"ids": [1], "vectors": [[1, 2, 3, 4], [1, 2, 3, 4]]}, {"ids": [1], "vectors": [[1]]}, {"ids": ["x"], "vectors": [[1, 2, 3, 4]]},
        {"ids": [1], "vectors": [[1, 2, 3, 4]], "payloads": [{}, {}]}, {"ids": [1], "vectors": {"nope": [[1, 2, 3, 4]]}},
    ],
    "vectors_config": [1, "x", [], {"size": 4}, {"distance": "Dot"}, {"size": 0, "distance": "Dot"}, {"size": 65537, "distance": "Dot"},
                       {"size": 4, "distance": "Near"}, {"a": 1}, {"a": {"size": -4, "distance": "Dot"}}, {"size": "4", "distance": "Dot"}],
    "operations": [1, "x", {}, [1], [{}], [{"upsert": 1}], [{"unknown": {}}], [{"upsert": {"points": []}, "delete": {"points": [1]}}],
                   [{"delete": {}}], [{"set_payload": {"payload": {}}}], [{"update_vectors": {"points": [{"id": 1, "vector": {}}]}}]],
    "searches": [1, "x", {}, [1], ["x"], [{"limit": 0}], [{"filter": 1}], [{"limit": 3, "vector": "x", "query": [1]}]],
    "actions": [1, "x", {}, [1], [{}], [{"create_alias": {}}], [{"create_alias": {"collection_name": "nope", "alias_name": "a"}}],
                [{"rename_alias": {"old_alias_name": "nope", "new_alias_name": "a"}}], [{"unknown": {}}],
                [{"create_alias": {"collection_name": "c", "alias_name": "c"}}]],
}


@dataclass
class Operation:
    method: str
    path: str  # {c}: the collection; others are filled in as they stand
    query: Dict[str, str] = field(default_factory=dict)
    body: Dict[str, Tuple[str, Any]] = field(default_factory=dict)  # field -> kind, a good value
    required: Tuple[str, ...] = ()
    one_node: bool = False  # a cluster's: 405 here
    changes: bool = False  # a good request changes what other requests see: runs on a collection of its own

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def good_body(self) -> Any:
        return {name: value for name, (_, value) in self.body.items()} if self.body else None


W = {"wait": "true", "ordering": "weak", "timeout": "20"}
R = {"consistency": "majority", "timeout": "20"}
T = {"timeout": "20"}
VECTOR = [1.0, 0.5, 0.0, 0.25]
FILTER = {"must": [{"key": "color", "match": {"value": "red"}}]}
SHARED = {
    "filter": ("filter", FILTER), "params": ("params", {"hnsw_ef": 64, "exact": False, "indexed_only": False}),
    "with_payload": ("with_payload", {"include": ["color"]}), "with_vector": ("with_vector", True),
    "score_threshold": ("float", -100.0),
}
LEVEL = {
    "query": ("query", VECTOR), "using": ("text", ""), "limit": ("count", 3), **SHARED,
    "lookup_from": ("lookup", {"collection": "c", "vector": ""}),
    "prefetch": ("prefetch", [{"query": VECTOR, "limit": 5, "filter": FILTER}]),
}
OLD = {**SHARED, "limit": ("count", 3), "offset": ("uint", 0)}
GROUPS = {"group_by": ("payload_path", "color"), "group_size": ("count", 2), "with_lookup": ("with_lookup", {"collection": "c"})}
EXAMPLES = {"positive": ("examples", [1]), "negative": ("examples", [VECTOR]), "strategy": ("word", "average_vector"), "using": ("text", ""),
            "lookup_from": ("lookup", {"collection": "c"})}
CREATE = {
    "vectors": ("vectors_config", {"size": 4, "distance": "Dot"}), "shard_number": ("count", 1), "sharding_method": ("word", "auto"),
    "replication_factor": ("count", 1), "write_consistency_factor": ("count", 1), "on_disk_payload": ("bool", True),
    "payload": ("object", {"memory": "cached"}), "hnsw_config": ("object", {"m": 8, "ef_construct": 50}),
    "wal_config": ("object", {"wal_capacity_mb": 32}), "optimizers_config": ("object", {"indexing_threshold": 1000}),
    "quantization_config": ("object", {"scalar": {"type": "int8"}}), "sparse_vectors": ("object", {}),
    "strict_mode_config": ("object", {"enabled": False, "max_query_limit": 100}), "metadata": ("object", {"a": 1}),
}
TARGETS = {"points": ("ids", [3]), "filter": ("filter", FILTER)}
C = "/collections/{c}"
P = C + "/points"

OPERATIONS: List[Operation] = [
    Operation("GET", "/"), Operation("GET", "/healthz"), Operation("GET", "/livez"), Operation("GET", "/readyz"),
    Operation("GET", "/metrics", {"anonymize": "true", "per_collection": "true", "timeout": "20"}),
    Operation("GET", "/telemetry", {"anonymize": "true", "details_level": "4", "per_collection": "true", "timeout": "20"}),
    Operation("GET", "/issues"), Operation("DELETE", "/issues"), Operation("GET", "/aliases"), Operation("GET", "/collections"),
    Operation("GET", "/quotas"),
    Operation("PUT", "/quotas", {"wait": "true"}, {
        "enabled": ("bool", False), "max_resident_memory_percent": ("count", 99), "max_disk_usage_percent": ("count", 99),
        "release_margin_percent": ("uint", 5)}),
    Operation("GET", "/cluster"), Operation("POST", "/cluster/recover", one_node=True),
    Operation("DELETE", "/cluster/peer/7", {"timeout": "20", "force": "true"}, one_node=True),
    Operation("GET", "/cluster/telemetry", {"details_level": "4", "timeout": "20"}),
    Operation("POST", "/collections/aliases", T, {
        "actions": ("actions", [{"create_alias": {"collection_name": "c", "alias_name": "a2"}}, {"delete_alias": {"alias_name": "a2"}}])},
        ("actions",)),
    Operation("GET", C), Operation("PUT", C, T, CREATE, changes=True),
    Operation("PATCH", C, T, {
        "vectors": ("object", {"": {"hnsw_config": {"m": 8}}}), "optimizers_config": ("object", {"indexing_threshold": 1000}),
        "params": ("object", {"replication_factor": 1}), "hnsw_config": ("object", {"m": 8}),
        "quantization_config": ("object", {"scalar": {"type": "int8"}}), "sparse_vectors": ("object", {}),
        "strict_mode_config": ("object", {"max_query_limit": 100}), "metadata": ("object", {"b": 1})}, changes=True),
    Operation("DELETE", C, T, changes=True), Operation("GET", C + "/aliases"), Operation("GET", C + "/exists"),
    Operation("GET", C + "/cluster"), Operation("GET", C + "/memory"), Operation("GET", C + "/shards"),
    Operation("POST", C + "/cluster", T, {"move_shard": ("object", {"shard_id": 0, "to_peer_id": 2, "from_peer_id": 1})},
              ("move_shard",), one_node=True),
    Operation("GET", C + "/optimizations", {"with": "queued, completed,idle_segments", "completed_limit": "3"}),
    Operation("PUT", C + "/shards", T, {
        "shard_key": ("key", "fresh"), "shards_number": ("count", 1), "replication_factor": ("count", 1), "placement": ("list", [1]),
        "initial_state": ("word", "Active")}, ("shard_key",), changes=True),
    Operation("POST", C + "/shards/delete", T, {"shard_key": ("key", "fresh")}, ("shard_key",), changes=True),
    Operation("POST", C + "/facet", R, {
        "key": ("payload_path", "color"), "limit": ("count", 3), "filter": ("filter", FILTER), "exact": ("bool", True)}, ("key",)),
    Operation("PUT", C + "/index", W, {"field_name": ("payload_path", "color"), "field_schema": ("word", "keyword")},
              ("field_name",), changes=True),
    Operation("DELETE", C + "/index/color", W, changes=True),
    Operation("PUT", C + "/vectors/fresh", W, {"dense": ("object", {"size": 4, "distance": "Dot"})}, ("dense",), changes=True),
    Operation("DELETE", C + "/vectors/fresh", W, changes=True),
    Operation("POST", P, R, {"ids": ("ids", [1, 2]), "with_payload": ("with_payload", True), "with_vector": ("with_vector", True)},
              ("ids",)),
    Operation("PUT", P, W, {
        "points": ("points", [{"id": 1, "vector": VECTOR, "payload": {"color": "red"}}]), "update_filter": ("filter", FILTER),
        "update_mode": ("word", "upsert")}, changes=True),
    Operation("POST", P + "/batch", W, {"operations": ("operations", [
        {"upsert": {"points": [{"id": 1, "vector": VECTOR}]}}, {"set_payload": {"payload": {"n": 1}, "points": [1]}},
        {"overwrite_payload": {"payload": {"n": 1}, "points": [1]}}, {"delete_payload": {"keys": ["n"], "points": [1]}},
        {"clear_payload": {"points": [1]}}, {"update_vectors": {"points": [{"id": 1, "vector": VECTOR}]}},
        {"delete": {"points": [99]}}])}, ("operations",), changes=True),
    Operation("POST", P + "/count", R, {"filter": ("filter", FILTER), "exact": ("bool", False)}),
    Operation("POST", P + "/delete", W, {"points": ("ids", [99])}, ("points",), changes=True),
    Operation("POST", P + "/payload", W, {"payload": ("payload", {"n": 1}), **TARGETS, "key": ("payload_path", "a.b")},
              ("payload",), changes=True),
    Operation("PUT", P + "/payload", W, {"payload": ("payload", {"n": 1}), "points": ("ids", [3])}, ("payload", "points"), changes=True),
    Operation("POST", P + "/payload/clear", W, {"points": ("ids", [3])}, ("points",), changes=True),
    Operation("POST", P + "/payload/delete", W, {"keys": ("paths", ["n"]), "points": ("ids", [3])}, ("keys", "points"), changes=True),
    Operation("PUT", P + "/vectors", W, {
        "points": ("updates", [{"id": 1, "vector": VECTOR}]), "update_filter": ("filter", FILTER)}, ("points",), changes=True),
    Operation("POST", P + "/vectors/delete", W, {"vector": ("names", [""]), **TARGETS}, ("vector",), changes=True),
    Operation("GET", P + "/1", R),
    Operation("POST", P + "/scroll", R, {
        "offset": ("id", 1), "limit": ("count", 3), "filter": ("filter", FILTER), "with_payload": ("with_payload", ["color"]),
        "with_vector": ("with_vector", [""])}),
    Operation("POST", P + "/query", R, {**LEVEL, "offset": ("uint", 0)}),
    Operation("POST", P + "/query/batch", R, {"searches": ("searches", [{"query": VECTOR, "limit": 2}, {"limit": 1}])}, ("searches",)),
    Operation("POST", P + "/query/groups", R, {**LEVEL, **GROUPS}, ("group_by",)),
    Operation("POST", P + "/search/matrix/pairs", R, {
        "sample": ("count", 5), "limit": ("count", 2), "using": ("text", ""), "filter": ("filter", FILTER)}),
    Operation("POST", P + "/search/matrix/offsets", R, {
        "sample": ("count", 5), "limit": ("count", 2), "using": ("text", ""), "filter": ("filter", FILTER)}),
    Operation("POST", P + "/search", R, {"vector": ("vector", VECTOR), **OLD}, ("vector", "limit")),
    Operation("POST", P + "/search/batch", R, {"searches": ("searches", [{"vector": VECTOR, "limit": 2}])}, ("searches",)),
    Operation("POST", P + "/search/groups", R, {"vector": ("vector", VECTOR), **SHARED, "limit": ("count", 3), **GROUPS},
              ("vector", "limit", "group_by", "group_size")),
    Operation("POST", P + "/recommend", R, {**EXAMPLES, **OLD}, ("limit",)),
    Operation("POST", P + "/recommend/batch", R, {"searches": ("searches", [{"positive": [1], "limit": 2}])}, ("searches",)),
    Operation("POST", P + "/recommend/groups", R, {**EXAMPLES, **SHARED, "limit": ("count", 3), **GROUPS},
              ("limit", "group_by", "group_size")),
    Operation("POST", P + "/discover", R, {
        "target": ("id", 1), "context": ("list", [{"positive": 1, "negative": 2}]),
        **{k: v for k, v in OLD.items() if k != "score_threshold"}, "using": ("text", ""), "lookup_from": ("lookup", {"collection": "c"})},
        ("limit",)),
    Operation("POST", P + "/discover/batch", R, {"searches": ("searches", [{"target": 1, "limit": 2}])}, ("searches",)),
    Operation("POST", C + "/shards/0/points", R, {"ids": ("ids", [1, 2])}, ("ids",)),
    Operation("POST", C + "/shards/0/points/scroll", R, {"limit": ("count", 3), "filter": ("filter", FILTER)}),
    Operation("POST", C + "/shards/0/points/count", R, {"exact": ("bool", True), "filter": ("filter", FILTER)}),
    Operation("POST", C + "/shards/0/cleanup", {"wait": "true"}),
    Operation("POST", C + "/truncate_unapplied_wal", {"wait": "true"}),
    Operation("GET", "/profiler/slow_requests", {"limit": "3", "request": "x"}),
    Operation("GET", "/cluster/metadata/keys", one_node=True), Operation("GET", "/cluster/metadata/keys/k", one_node=True),
    Operation("PUT", "/cluster/metadata/keys/k", one_node=True), Operation("DELETE", "/cluster/metadata/keys/k", one_node=True),
]

# Routes of files: their bodies are archives. tests of snapshots send them; here they only must be there.
SNAPSHOT_ROUTES: List[Tuple[str, str]] = [
    ("GET", "/snapshots"), ("POST", "/snapshots"), ("GET", "/snapshots/x.snapshot"), ("DELETE", "/snapshots/x.snapshot"),
    ("GET", C + "/snapshots"), ("POST", C + "/snapshots"), ("PUT", C + "/snapshots/recover"), ("POST", C + "/snapshots/upload"),
    ("GET", C + "/snapshots/x.snapshot"), ("DELETE", C + "/snapshots/x.snapshot"), ("GET", C + "/shards/0/snapshot"),
    ("GET", C + "/shards/0/snapshots"), ("POST", C + "/shards/0/snapshots"), ("PUT", C + "/shards/0/snapshots/recover"),
    ("POST", C + "/shards/0/snapshots/upload"), ("GET", C + "/shards/0/snapshots/x.snapshot"),
    ("DELETE", C + "/shards/0/snapshots/x.snapshot"),
]

# Not there yet, and being built: 501 is accepted. Empty it when they are.
PENDING = {"POST /collections/{c}/facet", "PUT /collections/{c}/index", "DELETE /collections/{c}/index/color"}

# What answers 501 and stands so in docs/compatibility.md.
UNSUPPORTED = {"GET /logger", "POST /logger", "POST /audit/logs"}
