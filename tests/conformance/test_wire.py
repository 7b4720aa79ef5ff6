"""Goal:   the same bytes in give the same answer out, over a socket and in process: status codes and texts of
        qdrant-api.md included, well-formed requests or not.
Method: a table of requests, sent as they stand to each door; status and body (but for `time`) must be equal,
        and as the table says. Then every prefix of a valid request, and random damage to it, seed 31.
"""

import json
import random
import re
import shutil
import tempfile
from typing import Any, Dict, Iterator, List, Optional, Tuple

import httpx
import pytest

from doors import ServerDoor, import_octant, missing_reason

Wires = Dict[str, httpx.Client]

POINTS = {
    "points": [
        {"id": 1, "vector": [1, 0, 0, 0.5], "payload": {"text": "first", "n": {"a": [1, {"b": 2}]}}},
        {"id": 2, "vector": [0, 1, 0, 0]},
        {"id": "F47AC10B58CC4372A5670E02B2C3D479", "vector": [0, 0, 1, 0], "payload": {"text": "third"}},
    ]
}


@pytest.fixture
def wires() -> Iterator[Wires]:
    """The same small collection behind each door, and a plain HTTP client for each."""
    reason = missing_reason()
    if reason:
        pytest.skip(reason)
    octant = import_octant()
    server = ServerDoor()
    folder = tempfile.mkdtemp(prefix="octant-wire-")
    opened: Wires = {
        "memory": httpx.Client(base_url="http://octant", transport=octant.OctantTransport()),
        "path": httpx.Client(base_url="http://octant", transport=octant.OctantTransport(folder)),
        "server": httpx.Client(base_url=server.server.url, timeout=30),
    }
    ask(opened, "PUT", "/collections/c", {"vectors": {"size": 4, "distance": "Dot"}})
    ask(opened, "PUT", "/collections/c/points?wait=true", POINTS)
    yield opened
    for client in opened.values():
        client.close()
    server.close()
    shutil.rmtree(folder, ignore_errors=True)


def ask(wires: Wires, method: str, target: str, body: Any = None) -> Tuple[int, Any]:
    """The answer, after making sure that all doors give the same."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    answers: List[Tuple[int, str]] = []
    for client in wires.values():
        answer = client.request(method, target, content=content, headers={"content-type": "application/json"})
        answers.append((answer.status_code, re.sub(r'"time":[0-9.eE+-]+', '"time":0', answer.text)))
    for name, answer in zip(wires, answers):
        assert answer == answers[0], f"{method} {target} {content[:500]!r}: {name} differs from memory"
    status, text = answers[0]
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def search(**changes: Any) -> Dict[str, Any]:
    return {"query": [1, 0, 0, 0], "limit": 2, **changes}


# method, target, body, status, text: of the error (a regular expression), or None.
REQUESTS: List[Tuple[str, str, Any, int, Optional[str]]] = [
    ("GET", "/", None, 200, None),
    ("GET", "/collections", None, 200, None),
    ("GET", "/collections/", None, 200, None),  # a trailing slash is trimmed
    ("GET", "/collections/c", None, 200, None),
    ("GET", "/collections/c/exists", None, 200, None),
    ("GET", "/collections/none/exists", None, 200, None),
    ("GET", "/collections/none", None, 404, r"^Not found: Collection `none` doesn't exist!$"),
    ("PUT", "/collections/c", {"vectors": {"size": 4, "distance": "Dot"}}, 409,
     r"^Wrong input: Collection `c` already exists!$"),
    ("PUT", "/collections/d", {"vectors": {"size": 65537, "distance": "Dot"}}, 422,
     r"^Validation error in JSON body: \[vectors\.size: value 65537 invalid, must be from 1 to 65536\]$"),
    ("PUT", "/collections/d", {"vectors": {"size": 0, "distance": "Dot"}}, 422, r"^Validation error in JSON body: "),
    ("PUT", "/collections/d", {"vectors": {"size": -1, "distance": "Dot"}}, 400, r"^Format error in JSON body: "),
    ("PUT", "/collections/d", {"vectors": {"size": 4, "distance": "Chebyshev"}}, 400, r"^Format error in JSON body: "),
    ("PUT", "/collections/d", b"{", 400, r"^Format error in JSON body: "),
    ("PUT", "/collections/d", {"vectors": {"size": 4, "distance": "Dot"}, "hnsw_config": {"ef_construct": 3}}, 422,
     r"hnsw_config\.ef_construct: value 3 invalid, must be 4 or larger"),
    ("DELETE", "/collections/none", None, 200, None),
    ("PUT", "/collections/c/points?wait=true", {"points": []}, 400, r"^Bad request: Empty update request$"),
    ("PUT", "/collections/c/points", {"points": [{"id": 5, "vector": [1, 2, 3]}]}, 400,
     r"^Wrong input: Vector dimension error: expected dim: 4, got 3$"),
    ("PUT", "/collections/c/points", {"points": [{"id": 5, "vector": {"x": [1, 2, 3, 4]}}]}, 400,
     r"^Wrong input: Not existing vector name error: x$"),
    ("PUT", "/collections/c/points", {"points": [{"id": -5, "vector": [1, 2, 3, 4]}]},
     400, r"^Format error in JSON body: "),
    ("PUT", "/collections/c/points", {"points": [{"id": "five", "vector": [1, 2, 3, 4]}]}, 400,
     r'^Format error in JSON body: .*value "?five"? is not a valid point ID'),
    ("PUT", "/collections/c/points", {"points": [{"id": 5, "vector": []}]}, 422, r"dense vector must not be empty"),
    ("PUT", "/collections/c/points", {"points": [{"id": 5, "vector": [1, 2, 3, 4], "payload": [1]}]}, 400,
     r"^Format error in JSON body: "),
    ("PUT", "/collections/c/points", {"batch": {"ids": [5, 6], "vectors": [[1, 2, 3, 4]]}}, 422, None),
    ("PUT", "/collections/c/points?wait=maybe", POINTS, 400, r"^Deserialize error in query parameters: "),
    ("PUT", "/collections/c/points?ordering=odd", POINTS, 400, r"^Deserialize error in query parameters: "),
    ("PUT", "/collections/c/points/vectors", {"points": [{"id": 77, "vector": [1, 2, 3, 4]}]}, 404,
     r"^Not found: No point with id 77 found$"),
    ("POST", "/collections/c/points/payload?wait=true", {"payload": {"a": 1}, "points": [77]}, 404,
     r"^Not found: No point with id 77 found$"),
    ("POST", "/collections/c/points/payload", {"payload": {"a": 1}, "points": [1], "key": "a..b"}, 400,
     r"Invalid json path: 'a\.\.b'"),
    ("POST", "/collections/c/points/payload", {"payload": {"a": 1}}, 400,
     r"Either list of point ids or filter must be provided"),
    ("POST", "/collections/c/points/delete?wait=true", {"points": [77]}, 200, None),
    ("GET", "/collections/c/points/1", None, 200, None),
    ("GET", "/collections/c/points/f47ac10b-58cc-4372-a567-0e02b2c3d479", None, 200, None),
    ("GET", "/collections/c/points/77", None, 404, r"^Not found: Point with id 77 does not exists!$"),
    ("GET", "/collections/c/points/odd", None, 400, r'^Wrong input: Can not recognize "odd" as point id$'),
    ("POST", "/collections/c/points", {"ids": [1, 2, 77]}, 200, None),
    ("POST", "/collections/c/points", {"ids": [1], "with_payload": {"include": ["n.a[].b"]}, "with_vector": True},
     200, None),
    ("POST", "/collections/c/points", {"ids": [1], "with_payload": {"incluude": ["n"]}},
     400, r"^Format error in JSON body: "),
    ("POST", "/collections/c/points", {"ids": [1], "with_payload": ["n["]}, 400, r"Invalid json path: 'n\['"),
    ("POST", "/collections/c/points/scroll", {"limit": 2}, 200, None),
    ("POST", "/collections/c/points/scroll", {"limit": 0}, 422, r"limit: value 0 invalid, must be 1 or larger"),
    ("POST", "/collections/c/points/count", {}, 200, None),
    ("POST", "/collections/c/points/query", search(), 200, None),
    ("POST", "/collections/c/points/query", search(query=1), 200, None),
    ("POST", "/collections/c/points/query", search(query=77), 404, r"^Not found: No point with id 77 found$"),
    ("POST", "/collections/c/points/query", search(limit=0), 422,
     r"^Validation error in JSON body: \[internal\.limit: value 0 invalid, must be 1 or larger\]$"),
    ("POST", "/collections/c/points/query", search(query=[1, 0]), 400,
     r"^Wrong input: Vector dimension error: expected dim: 4, got 2$"),
    ("POST", "/collections/c/points/query", search(using="x"), 400, r"^Wrong input: Not existing vector name error: x$"),
    ("POST", "/collections/c/points/query", {"score_threshold": 0.5}, 400,
     r"^Bad request: A query is needed to use the score_threshold\. Can't have score_threshold without defining a query\.$"),
    ("POST", "/collections/c/points/query", {"query": [1e39, 0, 0, 0]}, 400, None),
    ("POST", "/collections/c/points/query", b'{"query": [NaN, 0, 0, 0]}', 400, r"^Format error in JSON body: "),
    ("POST", "/collections/c/points/query/batch", {"searches": [search(), search(query=2)]}, 200, None),
    ("POST", "/collections/c/points/search", {"vector": [1, 0, 0, 0], "limit": 2}, 200, None),
    ("POST", "/collections/c/points/search", {"vector": [1, 0, 0, 0], "top": 2, "with_payload": True}, 200, None),
    ("POST", "/collections/c/points/search/batch", {"searches": [{"vector": [1, 0, 0, 0], "limit": 2}]}, 200, None),
    ("POST", "/collections/none/points/query", search(), 404, r"^Not found: Collection `none` doesn't exist!$"),
    # What breaks a range stands below `internal`, a condition of a filter too; what has a wrong type where it is.
    ("POST", "/collections/c/points/query", search(params={"hnsw_ef": 0}), 422,
     r"^Validation error in JSON body: \[internal\.params\.hnsw_ef: value 0 invalid, must be 1 or larger\]$"),
    ("POST", "/collections/c/points/query", search(filter={"must": {"key": "a"}}), 422,
     r"^Validation error in JSON body: \[internal\.filter\.must: At least one field condition must be specified\]$"),
    ("POST", "/collections/c/points/query", {"prefetch": [search(limit=0)], "query": {"fusion": "rrf"}}, 422,
     r"^Validation error in JSON body: \[internal\.prefetch\[0\]\.limit: value 0 invalid, must be 1 or larger\]$"),
    ("POST", "/collections/c/points/query", search(limit="3"), 400,
     r'^Format error in JSON body: limit: invalid type: string "3"'),
    ("POST", "/collections/c/points/query/batch", {"searches": [search(params={"hnsw_ef": 0})]}, 422,
     r"\[searches\[0\]\.internal\.params\.hnsw_ef: value 0 invalid"),
    ("POST", "/collections/c/points/query/groups", search(group_by=""), 422,
     r'\[internal\.group_by: value "" invalid, must be at least 1 characters\]$'),
    # Ranges within named vectors do not say the name, as in Qdrant.
    ("PUT", "/collections/c/points", {"points": [{"id": 5, "vector": {"s": {"indices": [1, 2], "values": [1]}}}]}, 422,
     r"\[points\[0\]\.vector\.\?\.values: Validation error: must be the same length as indices \[\{\}\]\]$"),
    ("PUT", "/collections/c/points", {"points": [{"id": 5, "vector": {"s": {"indices": [2, 2], "values": [1, 2]}}}]}, 422,
     r"\[points\[0\]\.vector\.\?\.indices: Validation error: must be unique \[\{\}\]\]$"),
    ("PUT", "/collections/c/points", {"points": [{"id": 5, "vector": {"m": [[1, 2], []]}}]}, 422,
     r"\[points\[0\]\.vector\.\?\.data: all vectors must be non-empty\]$"),
    ("PUT", "/collections/c/points", {"points": [{"id": 5, "vector": [[1, 2], [1, 2, 3]]}]}, 422,
     r"\[points\[0\]\.vector\.\?\.data: all vectors must have the same dimension, found vector with dimension 3\]$"),
    ("PUT", "/collections/c/points", {"points": [{"id": 5, "vector": {"s": {"indices": [-1], "values": [1]}}}]}, 400,
     r"^Format error in JSON body: points\[0\]\.vector\.s\.indices\[0\]: invalid type"),
    ("PUT", "/collections/c/points/vectors", {"points": [{"id": 1, "vector": {}}]}, 422,
     r"^Validation error in JSON body: \[points\[0\]\.vector: must specify vectors to update for point\]$"),
    ("POST", "/collections/aliases", {"actions": [{"create_alias": {"collection_name": "c", "alias_name": "other"}}]},
     200, None),
    ("POST", "/collections/other/points/query", search(), 200, None),
    ("GET", "/aliases", None, 200, None),
    ("GET", "/collections/c/aliases", None, 200, None),
    ("POST", "/collections/aliases", {"actions": [{"rename_alias": {"old_alias_name": "no", "new_alias_name": "x"}}]}, 404,
     r"Alias no does not exists!"),
]


def test_every_request_of_the_table_is_answered_alike(wires: Wires) -> None:
    failures = []
    for method, target, body, status, pattern in REQUESTS:
        got, answer = ask(wires, method, target, body)
        text = answer["status"]["error"] if got >= 400 and isinstance(answer, dict) else ""
        if got != status or (pattern and not re.search(pattern, text)):
            failures.append(f"{method} {target} {str(body)[:200]}: {got} {text!r}, expected {status} {pattern!r}")
        if got < 400 and target != "/" and answer["status"] != "ok":
            failures.append(f"{method} {target}: {answer}")
    assert not failures, "\n".join(failures)


def test_answers_hold_what_was_stored(wires: Wires) -> None:
    _, answer = ask(wires, "POST", "/collections/c/points", {"ids": [1, 2], "with_payload": True, "with_vector": True})
    assert answer["result"] == [
        {"id": 1, "payload": POINTS["points"][0]["payload"], "vector": [1.0, 0.0, 0.0, 0.5]},
        {"id": 2, "payload": {}, "vector": [0.0, 1.0, 0.0, 0.0]},
    ]
    _, answer = ask(wires, "POST", "/collections/c/points/query", search(limit=10, with_payload=["text"]))
    hits = answer["result"]["points"]
    assert [(hit["id"], hit["score"]) for hit in hits] == [
        (1, 1.0),
        (2, 0.0),
        ("f47ac10b-58cc-4372-a567-0e02b2c3d479", 0.0),
    ]
    assert [hit["payload"] for hit in hits] == [{"text": "first"}, {}, {"text": "third"}]


def test_the_version_pleases_clients(wires: Wires) -> None:
    """Clients from 1.18 to 1.20 stay silent about this one."""
    _, answer = ask(wires, "GET", "/")
    assert answer["version"] == "1.19.0"
    assert answer["title"]


def test_tiny_cosine_vectors_stay_as_they_are(wires: Wires) -> None:
    """See differences.py: a squared length below 1.19e-7 is too little to be normalised."""
    ask(wires, "PUT", "/collections/cosine", {"vectors": {"size": 2, "distance": "Cosine"}})
    points = [
        {"id": 1, "vector": [0.0003, 0.0]},
        {"id": 2, "vector": [0.0, 0.0]},
        {"id": 3, "vector": [0.0004, 0.0]},
        {"id": 4, "vector": [3.0, 4.0]},
    ]
    ask(wires, "PUT", "/collections/cosine/points?wait=true", {"points": points})
    _, answer = ask(wires, "POST", "/collections/cosine/points", {"ids": [1, 2, 3, 4], "with_vector": True})
    vectors = [record["vector"] for record in answer["result"]]
    assert vectors == [[0.0003, 0.0], [0.0, 0.0], [1.0, 0.0], [0.6, 0.8]]
    _, answer = ask(wires, "POST", "/collections/cosine/points/query", {"query": [2.0, 0.0]})
    hits = [(hit["id"], hit["score"]) for hit in answer["result"]["points"]]
    assert hits == [(3, 1.0), (4, 0.6), (1, 0.0003), (2, 0.0)]


def test_a_threshold_is_strict(wires: Wires) -> None:
    """A score equal to the threshold is not better than it."""
    for threshold, expected in ((0.999, [1]), (1.0, []), (0.0, [1]), (-0.001, [1, 2])):
        _, answer = ask(wires, "POST", "/collections/c/points/query", search(limit=2, score_threshold=threshold))
        assert [hit["id"] for hit in answer["result"]["points"]] == expected, threshold


def test_damaged_requests_are_refused_alike_and_change_nothing(wires: Wires) -> None:
    rng = random.Random(31)
    whole = json.dumps(POINTS, separators=(",", ":")).encode()
    before = ask(wires, "POST", "/collections/c/points/scroll", {"with_vector": True})
    for size in range(len(whole)):
        status, _ = ask(wires, "PUT", "/collections/c/points?wait=true", whole[:size])
        assert status == 400, whole[:size]
    assert ask(wires, "POST", "/collections/c/points/scroll", {"with_vector": True}) == before
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.choice(b'{}[],:"\\x0-.e \xff')
        status, _ = ask(wires, "PUT", "/collections/c/points?wait=true", bytes(damaged))
        assert status in (200, 400, 422), bytes(damaged)
    # All doors took the same ones of those that were still valid.
    ask(wires, "POST", "/collections/c/points/scroll", {"with_vector": True, "limit": 1000})


NAMED = {
    "vectors": {"image": {"size": 4, "distance": "Dot"}, "rows": {"size": 2, "distance": "Dot",
                                                                  "multivector_config": {"comparator": "max_sim"}}},
    "sparse_vectors": {"words": {}},
}  # fmt: skip
DOT = {"size": 4, "distance": "Dot"}
FEEDBACK = {"relevance_feedback": {"target": [1, 0, 0, 0], "feedback": [], "strategy": {"naive": {"a": 1, "b": 1, "c": 1}}}}

# What the reference quotes in section 1.3 and REQUESTS has not: method, target, body, status, the whole text or a part.
QUOTED: List[Tuple[str, str, Any, int, str]] = [
    ("PUT", "/collections/other", {"vectors": DOT}, 400,
     "Wrong input: Can't create collection with name other. Alias with the same name already exists"),
    ("PUT", "/collections/d", {"vectors": {"image": DOT}, "sparse_vectors": {"image": {}}}, 400,
     "Dense and sparse vector names must be unique - duplicate found with 'image'"),
    ("PUT", "/collections/d", {"sparse_vectors": {"": {}}}, 400, "Sparse vector name cannot be empty"),
    ("PUT", "/collections/d", {"sparse_vectors": {"s": {"index": {"datatype": "turbo4"}}}}, 422, "sparse vectors do not support"),
    ("PUT", "/collections/d", {"vectors": {**DOT, "memory": "pinned"}}, 422, "pinned"),
    ("PUT", "/collections/d", {"vectors": DOT, "payload": {"memory": "pinned"}}, 422, "pinned"),
    ("POST", "/collections/c/points/query", search(query=1, lookup_from={"collection": "none"}), 404,
     "Not found: Collection none not found"),
    ("POST", "/collections/c/points/query/groups", search(group_by="n", with_lookup="none"), 404,
     "Not found: Collection none not found"),
    ("POST", "/collections/n/points/query", search(query=1, using="image", lookup_from={"collection": "c", "vector": "x"}), 400,
     "Wrong input: Not existing vector name error: x"),
    ("POST", "/collections/c/points/scroll", {"with_vector": ["x"]}, 400, "Wrong input: Not existing vector name error: x"),
    ("PUT", "/collections/c/points?wait=false", {"points": [{"id": 5, "vector": []}]}, 422, "dense vector must not be empty"),
    ("PUT", "/collections/n/points", {"points": [{"id": 5, "vector": {"image": []}}]}, 422, "dense vector must not be empty"),
    ("PUT", "/collections/n/points", {"points": [{"id": 5, "vector": {"words": [1, 2]}}]}, 400,
     "Conversion between sparse and regular vectors failed"),
    ("PUT", "/collections/n/points", {"points": [{"id": 5, "vector": {"image": [[1, 2, 3, 4]]}}]}, 400,
     "Conversion between multi and regular vectors failed"),
    ("PUT", "/collections/c/index", {"field_name": "a"}, 400,
     "Bad request: Can't auto-detect field type, please specify `field_schema` in the request"),
    ("PUT", "/collections/c/index", {"field_name": "a", "field_schema": {"type": "integer", "lookup": False, "range": False}}, 422,
     "Validation error: the 'lookup' and 'range' capabilities can't be both disabled"),
    ("POST", "/collections/c/points/query", {"prefetch": [search()]}, 400,
     "Bad request: A query is needed to merge the prefetches. Can't have prefetches without defining a query."),
    ("POST", "/collections/c/points/query", {"query": {"order_by": "a"}, "score_threshold": 1}, 400,
     "Bad request: Can't use score_threshold with an order_by query."),
    ("POST", "/collections/c/points/query", {"prefetch": [search()], "query": {"fusion": "rrf"}, "using": "x"}, 400,
     "Bad request: Fusion queries cannot be combined with the 'using' field."),
    ("POST", "/collections/c/points/query", {"query": {"fusion": "rrf"}}, 400,
     "Wrong input: Validation failed: cannot apply Fusion without prefetches"),
    ("POST", "/collections/c/points/query", {"query": {"formula": "$score"}}, 400,
     "Wrong input: Validation failed: cannot apply Formula without prefetches"),
    ("POST", "/collections/c/points/query", {"prefetch": [search()], "query": {"rrf": {"weights": [1, 2]}}}, 400,
     "Number of weights in RRF should match number of pre-fetches: got 2, expected 1"),
    ("POST", "/collections/c/points/query", {"query": FEEDBACK}, 422, "feedback elements must be non-empty"),
    ("POST", "/collections/c/points/query", {"query": {"recommend": {"negative": [1]}}}, 400,
     "Positive vectors should not be empty with `average` strategy"),
    ("POST", "/collections/c/points/recommend", {"negative": [1], "limit": 1}, 400,
     "At least one positive vector ID required with this strategy"),
    ("POST", "/collections/c/points/query", search(params={"idf": "global"}), 400,
     "search param `idf` requires a sparse vector with the `idf` modifier"),
    ("POST", "/collections/c/points/query", search(filter={"must": [{"key": "n"}]}), 422,
     "At least one field condition must be specified"),
    ("POST", "/collections/c/points/scroll", {"order_by": "a"}, 400,
     "Wrong input: No range index for `order_by` key: `a`. Please create one to use `order_by`. Check https://qdrant.tech/"
     "documentation/concepts/indexing/#payload-index to see which payload schemas support Range conditions"),
    ("POST", "/collections/c/points/scroll", {"order_by": "a", "offset": 1}, 400,
     "Wrong input: Cannot use an `offset` when using `order_by`."),
    ("POST", "/collections/c/facet", {"key": "a"}, 400,
     "Wrong input: No appropriate index for faceting: `a`. Please create one to facet on this field. Check https://qdrant.tech/"
     "documentation/concepts/indexing/#payload-index to see which payload schemas support Match conditions"),
    ("POST", "/collections/c/points/vectors/delete", {"vector": [""]}, 400, "Bad request: No filter or points provided"),
    ("POST", "/collections/c/points/payload/delete", {"keys": ["a"]}, 400, "Either list of point ids or filter must be provided"),
    ("PUT", "/collections/c/points", {}, 400, "Invalid PointInsertOperations format"),
    ("POST", "/collections/c/points/payload", {"payload": {}, "points": [1], "shard_key": "x"}, 400, "Shard key x not found"),
    ("PUT", "/collections/n/vectors/image", {"dense": {"size": 5, "distance": "Dot"}}, 400,
     "Vector `image` already exists with a different configuration"),
    ("PUT", "/collections/n/vectors/image", {"sparse": {}}, 400, "already exists as a dense vector"),
    ("PUT", "/collections/n/vectors/words", {"dense": DOT}, 400, "already exists as a sparse vector"),
    ("PUT", "/collections/n/vectors/words", {"sparse": {"modifier": "idf"}}, 400,
     "Sparse vector `words` already exists with a different configuration"),
    ("POST", "/collections/c/cluster", {"drop_replica": {"shard_id": 0, "peer_id": 1}}, 405, "Qdrant is running in standalone mode"),
    ("PUT", "/collections/c/snapshots/recover", {"location": "file://x.snapshot"}, 400,
     "Bad request: Invalid snapshot URI, file path must be absolute or on localhost"),
    ("PUT", "/collections/c/snapshots/recover", {"location": "file:///whatever.snapshot"}, 400,
     'Bad request: Snapshot file "/whatever.snapshot" does not exist'),
    ("GET", "/collections/c/snapshots/..%2Fx", None, 404, "Not found: "),
    ("GET", "/collections/c/snapshots/x", None, 404, "Not found: Snapshot x not found"),
    ("PUT", "/collections/c/shards", {"shard_key": "x", "shards_number": 0}, 422,
     "[shards_number: value 0 invalid, must be 1 or larger]"),
    ("PUT", "/collections/c/shards", {"shard_key": "x", "shards_number": 2**32}, 400, "Format error in JSON body: shards_number: "),
    ("GET", "/collections/c/optimizations?with=x", None, 400, "Unknown field in 'with' parameter: x"),
    ("GET", "/collections/c/points/1?consistency=0", None, 422,
     "Validation error in query parameters: [consistency: value 0 invalid, must be 1 or larger]"),
    ("POST", "/collections/c/points/query", {"query": {"text": "x", "model": "y"}}, 500, "InferenceService URL not configured"),
]


@pytest.mark.parametrize("method, target, body, status, text", QUOTED, ids=[f"{i} {q[4][:50]}" for i, q in enumerate(QUOTED)])
def test_quoted_errors(server: httpx.Client, method: str, target: str, body: Any, status: int, text: str) -> None:
    answer = server.request(method, target, content=b"" if body is None else json.dumps(body).encode())
    assert answer.status_code == status, answer.text
    assert text in answer.json()["status"]["error"]


@pytest.fixture(scope="module")
def server() -> Iterator[httpx.Client]:
    reason = missing_reason()
    if reason:
        pytest.skip(reason)
    door = ServerDoor()
    client = httpx.Client(base_url=door.server.url, timeout=30)
    alias = {"actions": [{"create_alias": {"collection_name": "c", "alias_name": "other"}}]}
    for method, target, body in (
        ("PUT", "/collections/c", {"vectors": DOT}),
        ("PUT", "/collections/n", NAMED),
        ("PUT", "/collections/c/points?wait=true", POINTS),
        ("POST", "/collections/aliases", alias),
    ):
        assert client.request(method, target, json=body).status_code == 200
    yield client
    client.close()
    door.close()


@pytest.mark.parametrize("distance", ["Dot", "Euclid", "Manhattan", "Cosine"])
def test_scores_beyond_the_floats_are_numbers_all_the_same(wires: Wires, distance: str) -> None:
    """JSON has no infinity, and the client's models take no null."""
    name = f"large-{distance}"
    config = {"vectors": {"": {"size": 2, "distance": distance}}, "sparse_vectors": {"s": {}}}
    assert ask(wires, "PUT", f"/collections/{name}", config)[0] == 200
    points = [
        {"id": i + 1, "vector": {"": row, "s": {"indices": [1, 2], "values": row}}}
        for i, row in enumerate([[3e38, 3e38], [-3e38, 3e38], [1.0, 1.0], [-3e38, -3e38]])
    ]
    assert ask(wires, "PUT", f"/collections/{name}/points?wait=true", {"points": points})[0] == 200
    for using, vector in (("", [3e38, 3e38]), ("s", {"indices": [1, 2], "values": [3e38, 3e38]})):
        for query in (vector, {"recommend": {"positive": [vector], "strategy": "sum_scores"}}):
            status, answer = ask(wires, "POST", f"/collections/{name}/points/query", {"query": query, "using": using})
            assert status == 200 and len(answer["result"]["points"]) == 4
            assert all(abs(hit["score"]) <= 3.4028235e38 for hit in answer["result"]["points"])
        status, answer = ask(wires, "POST", f"/collections/{name}/points/search/matrix/offsets", {"using": using})
        assert status == 200 and all(abs(score) <= 3.4028235e38 for score in answer["result"]["scores"])
