"""Goal:   malformed requests to any route get a 4xx with Qdrant's envelope, and change nothing: server alive, data as before.
Method: for each operation of operations.py at least 30 requests made from its good one: every field with values that are
        never good for its kind, fields missing, bodies that are no JSON, query parameters and paths that cannot be.
        A checksum over everything a client can read is taken before and after each operation's. Seed 47.
"""

import hashlib
import json
import random
from typing import Any, Iterator, List, Tuple

import httpx
import pytest

from operations import BAD, OPERATIONS, PENDING, Operation
from test_routes import fill, send, wire  # noqa: F401  the fixture

LEAST = 30
BAD_OPTIONS = {
    "timeout": ["0", "-1", "x", "1.5", "", "99999999999999999999"],
    "wait": ["yes", "1", "TRUE", ""],
    "ordering": ["x", "Weak", ""],
    "consistency": ["0", "-1", "x", "all,any"],
    "details_level": ["-1", "x", "1.5"],
    "completed_limit": ["-1", "x"],
    "with": ["nonsense", "queued,nonsense"],
    "anonymize": ["x", "1"],
    "per_collection": ["x", "1"],
    "force": ["x", "1"],
    "limit": ["-1", "x"],
}
BAD_BODIES = [
    b"",
    b"{",
    b"[",
    b"]",
    b"{]",
    b"nul",
    b"1",
    b'"x"',
    b"[]",
    b"[1]",
    b"true",
    b"{1:2}",
    b'{"a":}',
    b'{"a":1,}',
    b"\xff\xfe",
    b'{"\xff":1}',
    b"{" * 5000,
    b"[" * 100000,
    b'{"a":' * 3000,
    b'{"a":1e999e9}',
    b"{}{}",
    b'{"a":NaN}',
    b"\x00",
    b'{"a":"\\u12"}',
    b'{"a":"\x01"}',
]
BAD_NAMES = ["nope", "a" * 256, "%ff", "c%00", "..%2fc", "c%20", "%2e%2e", "C", "%F0%9F%98%80" * 70, "c;drop", "-", "c%0a"]
BAD_TAILS = [
    "/x",
    "/%ff",
    "/..",
    "/../../etc/passwd",
    "/%2e%2e",
    "/x/y/z/a/b/c/d/e/f",
    "/" + "a" * 3000,
    "/null",
    "/%00",
    "/;",
    "/*",
    "/$",
]
METHODS = ["GET", "PUT", "POST", "DELETE", "PATCH", "TRACE", "OPTIONS", "BREW"]


def checksum(wire: httpx.Client) -> str:
    seen = [wire.get("/collections").json()["result"], wire.get("/aliases").json()["result"]]
    for name in sorted(one["name"] for one in seen[0]["collections"]):
        info = wire.get(f"/collections/{name}").json()["result"]
        page = {"limit": 1000, "with_payload": True, "with_vector": True}
        seen += [info, wire.post(f"/collections/{name}/points/scroll", json=page).json()["result"]]
        seen += [
            wire.get(f"/collections/{name}/cluster").json()["result"],
            wire.get(f"/collections/{name}/shards").json()["result"],
        ]
    seen.append(wire.get("/quotas").json()["result"]["config"])
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


Request = Tuple[str, str, bytes, str]  # method, target, body, what is wrong


def dumps(value: Any) -> bytes:
    return json.dumps(value).replace("Infinity", "1e999").encode()


def of_bodies(operation: Operation, target: str) -> Iterator[Request]:
    good = operation.good_body()
    required = set(operation.required)
    for name, (kind, _) in operation.body.items():
        for bad in BAD[kind]:
            yield operation.method, target, dumps({**good, name: bad}), f"{name}: {bad!r}"
        text = dumps(good)
        yield operation.method, target, text[:-1] + b',"' + name.encode() + b'":' + dumps(good[name]) + b"}", f"{name} twice"
        if name in required:
            yield operation.method, target, dumps({k: v for k, v in good.items() if k != name}), f"no {name}"
    for bad_body in BAD_BODIES:
        yield operation.method, target, bad_body, f"body {bad_body[:30]!r}"
    text = dumps(good)
    for cut in range(1, len(text), max(1, len(text) // 12)):
        yield operation.method, target, text[:cut], f"cut after {cut} bytes"


def malformed(operation: Operation) -> List[Request]:
    target = operation.path.replace("{c}", "c")
    good = dumps(operation.good_body()) if operation.body else b""
    made: List[Request] = list(of_bodies(operation, target)) if operation.body else []
    for name in operation.query:
        for bad in BAD_OPTIONS.get(name, []):
            if name == "consistency" and bad == "" or name == "with" and bad == "":
                continue
            made.append((operation.method, f"{target}?{name}={bad}", good, f"{name}={bad!r}"))
        if name in BAD_OPTIONS:
            made.append(
                (
                    operation.method,
                    f"{target}?{name}={operation.query[name]}&{name}={operation.query[name]}",
                    good,
                    f"{name} twice",
                )
            )
    if "{c}" in operation.path and not (operation.method in ("PUT", "DELETE") and operation.path == "/collections/{c}"):
        for name in BAD_NAMES:
            if not operation.path.endswith("/exists"):
                made.append((operation.method, operation.path.replace("{c}", name), good, f"collection {name[:20]!r}"))
    taken = {(o.method, o.path) for o in OPERATIONS}
    paths = {o.path for o in OPERATIONS}
    for method in METHODS:
        # "aliases" is a collection's name to the methods that the route of aliases does not take.
        if (method, operation.path) not in taken and method != "OPTIONS" and operation.path != "/collections/aliases":
            made.append((method, target, good, f"method {method}"))
    for tail in BAD_TAILS:
        if operation.path != "/" and operation.path + tail not in paths:
            made.append(("BREW", target + tail, good, f"path {tail[:20]!r}"))
            made.append(("MOVE", target + tail, b"", f"path {tail[:20]!r}"))
    rng = random.Random(47)
    while len(made) < LEAST + 5:
        tail = "".join(rng.choice("abc/%&?=~") for _ in range(12))
        made.append(("BREW", f"/{tail}", b"", f"path {tail!r}"))
    return made


def good_by_chance(operation: Operation, what: str) -> bool:
    """Requests that the reference allows all the same."""
    name = what.split(":")[0]
    path = operation.path
    return (
        # Of several, one is looked at: points win over a filter, batch over points.
        (name == "filter" and path.endswith("/payload"))
        # An empty object is a request without its optional fields; a body nobody asks for is not read.
        or what in ("body b''", "body b'[]'")
        and not operation.body
    )


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_malformed_requests_are_refused_and_change_nothing(wire: httpx.Client, operation: Operation) -> None:  # noqa: F811
    if "c" not in [one["name"] for one in wire.get("/collections").json()["result"]["collections"]]:
        fill(wire)
    before = checksum(wire)
    wrong, refused = [], 0
    for method, target, body, what in malformed(operation):
        if good_by_chance(operation, what):
            continue
        try:
            answer = wire.request(method, target, content=body, headers={"content-type": "application/json"})
        except httpx.InvalidURL:
            continue
        except httpx.RemoteProtocolError as reason:
            wrong.append(f"{what}: {reason}")
            continue
        if answer.status_code == 501 and (operation.name in PENDING or what.startswith("sparse_vectors")):
            refused += 1
            continue
        if not 400 <= answer.status_code < 500:
            wrong.append(f"{what}: {answer.status_code} {answer.text[:160]}")
            continue
        try:
            told = answer.json()
            assert (
                isinstance(told["status"]["error"], str)
                and told["status"]["error"]
                and "result" not in told
                and told["time"] >= 0
            )
        except (ValueError, KeyError, TypeError, AssertionError):
            wrong.append(f"{what}: no envelope: {answer.text[:160]}")
        refused += 1
    assert not wrong, f"{operation.name}: {len(wrong)} of {refused + len(wrong)}:\n" + "\n".join(wrong[:40])
    assert refused >= LEAST, f"only {refused} malformed requests"
    assert send(wire, "GET", "/readyz").status_code == 200
    assert checksum(wire) == before, f"{operation.name}: malformed requests changed something"
