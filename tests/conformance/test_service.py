"""Goal:   strict mode, rate limits, shard keys, quotas and time limits as the official client meets them: Qdrant's texts and
        codes, the same in process and over HTTP, and kept over a restart.
Method: a table of requests beyond each limit with the texts of qdrant-api.md 1.3; the client's methods for shard keys.
"""

import re
from typing import Any, Iterator

import pytest
from qdrant_client import models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import UnexpectedResponse

from doors import Door, PathDoor, ServerDoor, import_octant, missing_reason

VECTOR = [1.0, 0.5, 0.0, 0.25]
RED = models.Filter(must=[models.FieldCondition(key="color", match=models.MatchValue(value="red"))])


@pytest.fixture(params=[PathDoor, ServerDoor], ids=["in process", "over HTTP"])
def door(request: Any) -> Iterator[Door]:
    reason = missing_reason()
    if reason:
        pytest.skip(reason)
    opened = request.param()
    yield opened
    opened.close()


def fill(door: Door, **config: Any) -> None:
    params = models.VectorParams(size=4, distance=models.Distance.DOT)
    door.client.create_collection("c", vectors_config=params, **config)


def points(count: int = 8) -> list:
    return [
        models.PointStruct(id=i, vector=[i / 3.0, 1, 0, 0], payload={"color": ["red", "blue"][i % 2], "n": i})
        for i in range(1, count + 1)
    ]


def refused(door: Door, status: int, text: str, method: str, **arguments: Any) -> None:
    outcome = door.call(method, **arguments)
    assert not outcome.ok and outcome.status == status and text in outcome.text, f"{method} {arguments}: {outcome}"


STRICT = [
    ({"max_query_limit": 15}, "query_points", {"query": VECTOR, "limit": 30},
     'Bad request: Limit exceeded 30 > 15 for \\"limit\\". Help: Reduce the \\"limit\\" parameter to or below 15.'),
    ({"max_query_limit": 15}, "scroll", {"limit": 16}, 'Limit exceeded 16 > 15 for \\"limit\\"'),
    ({"max_query_limit": 15}, "query_points",
     {"prefetch": [models.Prefetch(query=VECTOR, limit=16)], "query": VECTOR, "limit": 1}, "Limit exceeded 16 > 15"),
    ({"max_timeout": 2}, "query_points", {"query": VECTOR, "timeout": 3}, 'Limit exceeded 3 > 2 for \\"timeout\\"'),
    ({"max_timeout": 2}, "count", {"timeout": 3}, 'Limit exceeded 3 > 2 for \\"timeout\\"'),
    ({"search_max_hnsw_ef": 20}, "query_points", {"query": VECTOR, "search_params": models.SearchParams(hnsw_ef=21)},
     'Limit exceeded 21 > 20 for \\"hnsw_ef\\"'),
    ({"search_allow_exact": False}, "query_points", {"query": VECTOR, "search_params": models.SearchParams(exact=True)},
     "Exact search disabled!. Help: Set exact=false."),
    ({"search_max_oversampling": 2.0}, "query_points",
     {"query": VECTOR, "search_params": models.SearchParams(quantization=models.QuantizationSearchParams(oversampling=3.0))},
     'Limit exceeded 3 > 2 for \\"oversampling\\"'),
    ({"search_max_batchsize": 1}, "query_batch_points", {"requests": [models.QueryRequest(query=VECTOR)] * 2},
     'Limit exceeded 2 > 1 for \\"search batch size\\"'),
    ({"unindexed_filtering_retrieve": False}, "query_points", {"query": VECTOR, "query_filter": RED},
     'Index required but not found for \\"color\\" of one of the following types: [keyword'),
    ({"unindexed_filtering_retrieve": False}, "count", {"count_filter": RED}, "Help: Create an index for this key"),
    ({"unindexed_filtering_retrieve": False}, "query_points_groups", {"query": VECTOR, "group_by": "color"},
     'Index required but not found for \\"color\\". Help: Create an index supporting `match` for this key.'),
    ({"unindexed_filtering_update": False}, "delete", {"points_selector": models.FilterSelector(filter=RED)}, "Index required"),
    ({"unindexed_filtering_update": False}, "set_payload", {"payload": {"a": 1}, "points": RED}, "Index required"),
    ({"filter_max_conditions": 1}, "count", {"count_filter": models.Filter(must=RED.must * 2)},
     "Filter condition limit reached (2 > 1)"),
    ({"condition_max_size": 1}, "count",
     {"count_filter": models.Filter(must=[models.FieldCondition(key="n", match=models.MatchAny(any=[1, 2]))])},
     "Condition size limit reached (2 > 1)"),
    ({"upsert_max_batchsize": 2}, "upsert", {"points": points(3)}, 'Limit exceeded 3 > 2 for \\"upsert limit\\"'),
    ({"upsert_max_batchsize": 2}, "delete", {"points_selector": [1, 2, 3]}, 'Limit exceeded 3 > 2 for \\"update limit\\"'),
    ({"max_points_count": 8}, "upsert", {"points": points(9)}, "Max points count limit of 8 reached!"),
    ({"max_payload_index_count": 0}, "create_payload_index", {"field_name": "n", "field_schema": "integer"},
     "Collection already has the maximum number of payload indices (0). Help: Please delete an existing index"),
]  # fmt: skip


def test_strict_mode_refuses_what_is_beyond_its_limits(door: Door) -> None:
    fill(door)
    door.client.upsert("c", points())
    for limits, method, arguments, text in STRICT:
        everything_off = {name: None for name in limits}
        assert door.call(method, collection_name="c", **arguments).ok or method == "delete", f"{method}: off, but refused"
        door.client.upsert("c", points())
        door.client.update_collection("c", strict_mode_config=models.StrictModeConfig(enabled=True, **limits))
        refused(door, 400, text, method, collection_name="c", **arguments)
        door.client.update_collection("c", strict_mode_config=models.StrictModeConfig(enabled=False))
        assert door.call(method, collection_name="c", **arguments).ok, f"{method}: off, but refused"
        door.client.delete_collection("c")
        fill(door)
        door.client.upsert("c", points())
        assert everything_off


def test_groups_need_an_index_of_a_fitting_type(door: Door) -> None:
    fill(door, strict_mode_config=models.StrictModeConfig(enabled=True, unindexed_filtering_retrieve=False))
    door.client.create_payload_index("c", "color", field_schema="geo")
    text = 'Index of type \\"Geo\\" found for \\"color\\". Help: Create an index supporting `match` for this key.'
    refused(door, 400, text, "query_points_groups", collection_name="c", query=VECTOR, group_by="color")
    door.client.create_payload_index("c", "color", field_schema="keyword")
    door.client.upsert("c", points())
    assert door.client.query_points_groups("c", query=VECTOR, group_by="color").groups


def test_strict_mode_bounds_each_sparse_vector_and_multivector(door: Door) -> None:
    strict = models.StrictModeConfig(
        enabled=True,
        sparse_config={"words": models.StrictModeSparse(max_length=4)},
        multivector_config={"rows": models.StrictModeMultivector(max_vectors=5)},
    )
    multi = models.VectorParams(
        size=2, distance=models.Distance.DOT,
        multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
    )  # fmt: skip
    door.client.create_collection("c", vectors_config={"rows": multi}, strict_mode_config=strict,
                                  sparse_vectors_config={"words": models.SparseVectorParams()})  # fmt: skip

    def point(words: int, rows: int) -> list:
        sparse = models.SparseVector(indices=list(range(words)), values=[1.0] * words)
        return [models.PointStruct(id=1, vector={"words": sparse, "rows": [[1.0, 2.0]] * rows})]

    assert door.call("upsert", collection_name="c", points=point(4, 5)).ok
    refused(door, 400, "Bad request: Sparse vector 'words' has a limit of 4 indices", "upsert", collection_name="c",
            points=point(5, 5))  # fmt: skip
    refused(door, 400, "Bad request: Multivector 'rows' has a limit of 5 vectors, but 6 were provided!", "upsert",
            collection_name="c", points=point(4, 6))  # fmt: skip
    vectors = [models.PointVectors(id=1, vector={"words": models.SparseVector(indices=list(range(5)), values=[1.0] * 5)})]
    refused(door, 400, "has a limit of 4 indices", "update_vectors", collection_name="c", points=vectors)
    assert len(door.client.retrieve("c", ids=[1], with_vectors=True)[0].vector["words"].indices) == 4


def test_keys_within_nested_filters_need_an_index_of_the_whole_path(door: Door) -> None:
    fill(door, strict_mode_config=models.StrictModeConfig(enabled=True, unindexed_filtering_retrieve=False))
    inner = models.Filter(must=[models.FieldCondition(key="size", match=models.MatchValue(value=3))])
    for keys, path in (["parts"], "parts[].size"), (["parts[]"], "parts[].size"), (["a", "b.parts"], "a[].b.parts[].size"):
        nested = inner
        for key in reversed(keys):
            nested = models.Filter(must=[models.NestedCondition(nested=models.Nested(key=key, filter=nested))])
        text = f'Index required but not found for \\"{path}\\" of one of the following types: [integer]'
        refused(door, 400, text, "count", collection_name="c", count_filter=nested)
        door.client.create_payload_index("c", path, field_schema="integer")
        assert door.client.count("c", count_filter=nested).count == 0
        door.client.delete_payload_index("c", path)


def test_strict_mode_is_kept_and_shown(door: Door) -> None:
    limits = models.StrictModeConfig(enabled=True, max_query_limit=7, sparse_config={"s": models.StrictModeSparse(max_length=4)})
    fill(door, strict_mode_config=limits)
    door.client.update_collection("c", strict_mode_config=models.StrictModeConfig(max_timeout=9))
    door.reopen()
    shown = door.client.get_collection("c").config.strict_mode_config
    assert shown.enabled and shown.max_query_limit == 7 and shown.max_timeout == 9 and shown.sparse_config["s"].max_length == 4
    refused(door, 400, "Limit exceeded 8 > 7", "query_points", collection_name="c", query=VECTOR, limit=8)


def test_rate_limits_tell_when_to_try_again(door: Door) -> None:
    fill(door, strict_mode_config=models.StrictModeConfig(enabled=True, read_rate_limit=3, write_rate_limit=4))
    door.client.upsert("c", points(4))
    with pytest.raises((ResourceExhaustedResponse, UnexpectedResponse)) as failure:
        door.client.upsert("c", points(1))
    assert re.search(r"Write rate limit exceeded: Operation requires 1 tokens but only 0\.\d were available", str(vars(failure.value)))
    # No hint when to try again: it would never help, and uploads of the client wait for it without an end.
    with pytest.raises(UnexpectedResponse) as failure:
        door.client.upsert("c", points(5))
    assert failure.value.status_code == 429 and "Retry-After" not in failure.value.headers
    assert "request larger than rate limiter capacity" in str(vars(failure.value))
    for _ in range(3):
        door.client.count("c")
    with pytest.raises(ResourceExhaustedResponse) as failure:
        door.client.count("c")
    assert 1 <= failure.value.retry_after_s <= 60 and "Read rate limit exceeded" in str(failure.value.message)


def test_shard_keys_by_the_official_client(door: Door) -> None:
    fill(door, sharding_method=models.ShardingMethod.CUSTOM)
    client = door.client
    assert client.create_shard_key("c", "north") and client.create_shard_key("c", 7)
    refused(door, 400, "already exists", "create_shard_key", collection_name="c", shard_key="north")
    client.upsert("c", points(4), shard_key_selector="north")
    client.upsert("c", points(6), shard_key_selector=[7])
    refused(door, 400, "Wrong input: Shard key not specified", "upsert", collection_name="c", points=points(1))
    refused(door, 400, "Wrong input: Shard key south not found", "upsert", collection_name="c", points=points(1),
            shard_key_selector="south")  # fmt: skip
    refused(door, 400, "Bad request: Shard key south not found", "count", collection_name="c", shard_key_selector="south")
    door.reopen()
    client = door.client
    assert client.count("c").count == 10 and client.count("c", shard_key_selector="north").count == 4
    hits = client.query_points("c", query=VECTOR, limit=10, shard_key_selector=7).points
    assert len(hits) == 6 and {hit.shard_key for hit in hits} == {7}
    assert len(client.query_points("c", query=VECTOR, limit=20).points) == 10
    both = client.retrieve("c", ids=[1])
    assert {record.shard_key for record in both} == {"north", 7}
    assert len(client.retrieve("c", ids=[1], shard_key_selector="north")) == 1
    client.set_payload("c", payload={"only": "north"}, points=[1], shard_key_selector="north")
    marked = models.Filter(must=[models.FieldCondition(key="only", match=models.MatchValue(value="north"))])
    assert client.count("c", count_filter=marked).count == 1
    client.delete("c", points_selector=[1], shard_key_selector="north")
    assert client.count("c").count == 9
    fallen_back = models.ShardKeyWithFallback(target="south", fallback="north")
    assert client.count("c", shard_key_selector=fallen_back).count == 3
    # By id: a point of the shard asked for, not of its namesake.
    assert len(client.query_points("c", query=2, limit=10, shard_key_selector="north").points) == 2
    assert client.delete_shard_key("c", "north")
    assert client.count("c").count == 6
    refused(door, 400, "Shard key north not found", "delete_shard_key", collection_name="c", shard_key="north")


def test_quotas_are_kept_and_stop_writes(door: Door) -> None:
    import httpx

    octant = import_octant()

    def wire() -> httpx.Client:
        if isinstance(door, ServerDoor):
            return httpx.Client(base_url=door.server.url)
        return httpx.Client(base_url="http://octant", transport=octant.OctantTransport(door.folder))

    fill(door)
    with wire() as rest:
        given = {"enabled": True, "max_disk_usage_percent": 1, "release_margin_percent": 0}
        assert rest.put("/quotas", json=given).json()["result"] is True
        told = rest.get("/quotas").json()["result"]
        assert told["config"] == {"enabled": True, "max_disk_usage_percent": 1, "release_margin_percent": 0}
    if told["usage"]["disk_usage_percent"] > 1:  # of this machine
        refused(door, 507, "Insufficient storage: ", "upsert", collection_name="c", points=points(1))
        assert door.call("count", collection_name="c").ok and door.call("delete", collection_name="c", points_selector=[1]).ok
    door.reopen()
    with wire() as rest:
        assert rest.get("/quotas").json()["result"]["config"]["max_disk_usage_percent"] == 1
    with wire() as rest:
        assert rest.put("/quotas", json={}).status_code == 200
    assert door.call("upsert", collection_name="c", points=points(1)).ok
