"""Goal:   every operation of the reference is there, takes every documented field and query parameter, and answers as
        a single node does; in process and over HTTP alike.
Method: the table in operations.py: each operation with all its query parameters and body fields at once, each field
        of a body alone, and unknown keys beside them.
"""

import json
import shutil
import tempfile
from typing import Any, Dict, Iterator

import httpx
import pytest

from doors import ROOT, ServerDoor, import_octant, missing_reason
from operations import OPERATIONS, PENDING, REFUSED, SNAPSHOT_ROUTES, Operation

POINTS = [
    {"id": i, "vector": [i / 7.0, 1.0, -i / 3.0, 0.5], "payload": {"color": ["red", "blue"][i % 2], "n": i, "a": {"b": {}}}}
    for i in range(1, 9)
]


def send(wire: httpx.Client, method: str, target: str, body: Any = None, params: Any = None) -> httpx.Response:
    content = b"" if body is None else json.dumps(body).encode()
    return wire.request(method, target, content=content, params=params, headers={"content-type": "application/json"})


def fill(wire: httpx.Client, name: str = "c") -> None:
    assert send(wire, "PUT", f"/collections/{name}", {"vectors": {"size": 4, "distance": "Dot"}}).status_code == 200
    assert send(wire, "PUT", f"/collections/{name}/points?wait=true", {"points": POINTS}).status_code == 200


@pytest.fixture(scope="module", params=["in process", "over HTTP"])
def wire(request: Any) -> Iterator[httpx.Client]:
    reason = missing_reason()
    if reason:
        pytest.skip(reason)
    server, folder = None, tempfile.mkdtemp(prefix="octant-routes-")
    if request.param == "over HTTP":
        server = ServerDoor()
        client = httpx.Client(base_url=server.server.url, timeout=30)
    else:
        client = httpx.Client(base_url="http://octant", transport=import_octant().OctantTransport(folder))
    fill(client)
    yield client
    client.close()
    if server:
        server.close()
    shutil.rmtree(folder, ignore_errors=True)


def prepared(wire: httpx.Client, operation: Operation) -> str:
    """The target of a good request. What changes things has a collection of its own, as the operation needs it."""
    if not operation.changes:
        return operation.path.replace("{c}", "c")
    send(wire, "DELETE", "/collections/own")
    if operation.method == "PUT" and operation.path == "/collections/{c}":
        return "/collections/own"
    if "/shards" in operation.path:
        config = {"vectors": {"size": 4, "distance": "Dot"}, "sharding_method": "custom"}
        assert send(wire, "PUT", "/collections/own", config).status_code == 200
        if operation.method == "POST":
            assert send(wire, "PUT", "/collections/own/shards", {"shard_key": "fresh"}).status_code == 200
    else:
        fill(wire, "own")
    return operation.path.replace("{c}", "own")


def needs_index(answer: httpx.Response) -> bool:
    return answer.status_code == 400 and "index for" in answer.text


def check_good(operation: Operation, answer: httpx.Response, what: str) -> None:
    text = f"{operation.name}, {what}: {answer.status_code} {answer.text[:300]}"
    if answer.status_code == 501 and operation.name in PENDING:
        pytest.skip(answer.text)
    if operation.one_node:
        assert answer.status_code == 405 and "standalone mode" in answer.text, text
    elif not needs_index(answer):
        assert answer.status_code == 200, text
        if answer.headers["content-type"].startswith("application/json") and operation.path != "/":
            assert set(answer.json()) >= {"result", "status", "time"} and answer.json()["status"] == "ok", text


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_operation_takes_all_its_fields(wire: httpx.Client, operation: Operation) -> None:
    body = operation.good_body()
    answer = send(wire, operation.method, prepared(wire, operation), body, operation.query)
    check_good(operation, answer, "all fields")
    if operation.body:
        extended = {**body, "key of a later version": [1, {"x": 2}]} if not operation.one_node else body
        answer = send(wire, operation.method, prepared(wire, operation), extended, operation.query)
        check_good(operation, answer, "an unknown key beside them")


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.body], ids=lambda operation: operation.name)
def test_operation_takes_each_field_alone(wire: httpx.Client, operation: Operation) -> None:
    def alone(name: str) -> Dict[str, Any]:
        return {key: value for key, (_, value) in operation.body.items() if key == name or key in operation.required}

    for name in operation.body:
        answer = send(wire, operation.method, prepared(wire, operation), alone(name))
        if answer.status_code == 501 and operation.name in PENDING:
            pytest.skip(answer.text)
        # Some fields mean nothing alone, and then the answer says so; none is unknown.
        assert answer.status_code in (200, 400, 405), f"{operation.name}, {name}: {answer.status_code} {answer.text[:300]}"
        assert "not supported" not in answer.text, f"{operation.name}, {name}: {answer.text[:300]}"


@pytest.mark.parametrize("method, path", SNAPSHOT_ROUTES, ids=lambda value: value)
def test_snapshot_route_is_there(wire: httpx.Client, method: str, path: str) -> None:
    answer = send(wire, method, path.replace("{c}", "c"))
    assert "no such route" not in answer.text, answer.text[:300]


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_not_there_says_so(wire: httpx.Client, name: str) -> None:
    method, path = name.split()
    answer = send(wire, method, path, {})
    status, text = REFUSED[name]
    assert answer.status_code == status and answer.json()["status"]["error"].startswith(text), answer.text[:300]


def test_shard_key_is_taken_by_every_request_on_points(wire: httpx.Client) -> None:
    """Of a collection with custom sharding, and refused by name where there is none."""
    send(wire, "DELETE", "/collections/own")
    config = {"vectors": {"size": 4, "distance": "Dot"}, "sharding_method": "custom"}
    assert send(wire, "PUT", "/collections/own", config).status_code == 200
    for key in ("a", 5):
        assert send(wire, "PUT", "/collections/own/shards", {"shard_key": key}).status_code == 200
        for some in (POINTS, POINTS[:2]):
            answer = send(wire, "PUT", "/collections/own/points?wait=true", {"points": some, "shard_key": key})
            assert answer.status_code == 200, answer.text
    listed = send(wire, "GET", "/collections/own/shards").json()["result"]
    assert listed == {"shard_keys": [{"key": "a"}, {"key": 5}]}
    shards = send(wire, "GET", "/collections/own/cluster").json()["result"]
    assert shards["shard_count"] == 2 and [s.get("shard_key") for s in shards["local_shards"]] == ["a", 5]
    assert [s["points_count"] for s in shards["local_shards"]] == [len(POINTS), len(POINTS)]
    tried = 0
    for operation in sorted(OPERATIONS, key=lambda operation: operation.changes):  # reads first
        if (
            not operation.path.startswith("/collections/{c}/points")
            or operation.method == "GET"
            or "searches" in operation.body
        ):
            continue
        if operation.path.endswith("/batch"):
            continue  # each operation of it has its own key
        target = operation.path.replace("{c}", "own")
        body = {k: v for k, v in operation.good_body().items() if k not in ("lookup_from", "with_lookup")}
        for key in ("a", ["a", 5], {"target": "nope", "fallback": "a"}):
            answer = send(wire, operation.method, target, {**body, "shard_key": key})
            assert answer.status_code == 200 or needs_index(answer), f"{operation.name} {key}: {answer.text[:300]}"
        answer = send(wire, operation.method, target, {**body, "shard_key": "nope"})
        assert (
            answer.status_code == 400 and "Shard key nope not found" in answer.text
        ), f"{operation.name}: {answer.text[:300]}"
        tried += 1
    assert tried >= 18
    scrolled = send(wire, "POST", "/collections/own/points/scroll", {"shard_key": 5, "limit": 3}).json()["result"]["points"]
    assert [point["shard_key"] for point in scrolled] == [5, 5, 5]
    assert send(wire, "POST", "/collections/own/shards/delete", {"shard_key": "a"}).json()["result"] is True
    count = send(wire, "POST", "/collections/own/points/count", {}).json()["result"]["count"]
    assert count == send(wire, "POST", "/collections/own/points/count", {"shard_key": 5}).json()["result"]["count"] > 0
    answer = send(wire, "PUT", "/collections/own/points?wait=true", {"points": POINTS})
    assert answer.status_code == 400 and answer.json()["status"]["error"] == "Wrong input: Shard key not specified"
    assert send(wire, "POST", "/collections/c/points/count", {"shard_key": "a"}).status_code == 400


def test_telemetry_has_the_keys_of_its_level(wire: httpx.Client) -> None:
    base = {"id", "app", "collections", "cluster", "requests", "quota"}
    for level in range(5):
        told = send(wire, "GET", f"/telemetry?details_level={level}").json()["result"]
        assert set(told) == (base if level == 0 else base | {"memory", "hardware", "search_pool"})
        if level == 0:
            assert set(told["collections"]) == {"number_of_collections"}
            continue
        assert set(told["collections"]) == {"number_of_collections", "collections", "snapshots"}
        for one in told["collections"]["collections"]:
            wanted = {"vectors", "optimizers_status", "params"} if level == 1 else {"id", "init_time_ms", "config"}
            wanted |= {"shards", "transfers", "resharding"} if level >= 3 else set()
            assert set(one) == wanted
            for shard in one.get("shards", []):
                assert set(shard) == {"id", "key", "local", "remote", "replicate_states", "partial_snapshot"}
                assert ("segments" in shard["local"]) == (level >= 4)


def test_metrics_are_prometheus_text(wire: httpx.Client) -> None:
    text = send(wire, "GET", "/metrics").text
    families, lines = {}, 0
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in families, f"{name} is declared twice"
            families[name] = kind
        elif not line.startswith("#"):
            name, value = line.split("{")[0].split(" ")[0], line.rsplit(" ", 1)[1]
            base = name if name in families else name.rsplit("_", 1)[0]  # _bucket, _sum, _count
            assert base in families, f"{line}: no TYPE before it"
            float(value)
            lines += 1
    wanted = {
        "app_info",
        "app_status_recovery_mode",
        "collections_total",
        "collections_vector_total",
        "collection_points",
        "collection_running_optimizations",
        "cluster_enabled",
        "memory_resident_bytes",
        "process_threads",
        "process_open_fds",
        "quota_exceeded",
        "rest_responses_total",
        "rest_responses_duration_seconds",
    }
    assert wanted <= set(families) and lines > 30


def test_compatibility_page_has_a_row_for_every_operation() -> None:
    page = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    named = {word.strip() for line in page.splitlines() if line.startswith("| ") for word in line.split("|")[1].split(",")}
    pattern = [("/shards/0", "/shards/{shard_id}"), ("/x.snapshot", "/{snapshot_name}"), ("/peer/7", "/peer/{peer_id}"),
               ("/keys/k", "/keys/{key}"), ("/index/color", "/index/{field_name}"), ("/vectors/fresh", "/vectors/{vector_name}"),
               ("/points/1", "/points/{id}")]  # fmt: skip
    missing = []
    for method, path in [(o.method, o.path) for o in OPERATIONS] + SNAPSHOT_ROUTES + [tuple(n.split()) for n in REFUSED]:
        for here, there in pattern:
            path = path.replace(here, there)
        if f"{method} {path}" not in named:
            missing.append(f"{method} {path}")
    assert not missing, missing
