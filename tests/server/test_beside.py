"""Goal:   heavy reads are answered right, are paid for once, and hold up nobody, though the server has one event loop.
Method: requests that an event loop begins and gives up (TRIES in src/base/deadline.h): their answers are compared with those of
        the engine in process, which never gives up. A rate limit that two of the same could not pass if each try paid. And more
        requests of minutes each than the server has threads, beside which small ones and a write are answered; that the heavy ones
        have not been answered by then is what the server's log says, not a clock.
"""

import json
import socket
import struct
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import doors

np = pytest.importorskip("numpy")
from qdrant_client import models  # noqa: E402

POINTS, DIM = 32_000, 128
CROWD = 48  # heavy requests at once: more than the server has threads
SEARCHES = 64_000  # of each; an exact one takes some milliseconds
BATCH = "/collections/c/points/query/batch"
VECTOR = [round(0.1 * (i % 7) - 0.3, 3) for i in range(DIM)]
PLAIN = {"must": [{"key": "plain", "range": {"lt": 40.5}}]}  # a field without an index

HEAVY = {
    "exact": ("points/query", {"query": VECTOR, "limit": 10, "params": {"exact": True}}),
    "filter": ("points/query", {"query": VECTOR, "limit": 10, "filter": PLAIN, "with_payload": True}),
    "limit": ("points/query", {"query": VECTOR, "limit": 5000, "params": {"exact": True}, "with_payload": ["n"]}),
    "best score": ("points/query", {"query": {"recommend": {"positive": [1, 2], "negative": [3], "strategy": "best_score"}}}),
    "formula": ("points/query", {"prefetch": [{"query": VECTOR, "limit": 20000, "params": {"exact": True}}],
                                 "query": {"formula": {"sum": ["$score", "n"]}}, "limit": 10}),
    "retrieve": ("points", {"ids": list(range(0, POINTS, 9)), "with_vector": True}),
    "batch": ("points/query/batch", {"searches": [{"query": VECTOR, "limit": 5, "params": {"exact": True}}] * 40}),
    "groups": ("points/query/groups", {"query": VECTOR, "group_by": "n", "limit": 50, "group_size": 2, "params": {"exact": True}}),
    "facet": ("facet", {"key": "n", "limit": 10, "filter": PLAIN, "exact": True}),
    "scroll": ("points/scroll", {"limit": 3000, "filter": PLAIN, "with_vector": True}),
    "order": ("points/scroll", {"limit": 3000, "filter": PLAIN, "order_by": {"key": "n", "direction": "desc"}}),
    "count": ("points/count", {"filter": PLAIN, "exact": True}),
    "many": ("points/scroll", {"limit": POINTS}),
}  # fmt: skip


def fill(client):
    client.create_collection("c", vectors_config=models.VectorParams(size=DIM, distance=models.Distance.DOT))
    client.create_payload_index("c", "n", models.PayloadSchemaType.INTEGER, wait=True)
    vectors = np.random.default_rng(5).normal(size=(POINTS, DIM)).astype(np.float32)
    payload = [{"n": i % 100, "plain": i % 77} for i in range(POINTS)]
    client.upload_collection("c", vectors=vectors, payload=payload, ids=range(POINTS), batch_size=4000, wait=True)


@pytest.fixture(scope="module")
def server(serving):
    from qdrant_client import QdrantClient

    with serving("beside", LOG_LEVEL="debug", SERVICE__MAX_WORKERS="1") as started:
        client = QdrantClient(url=started.url, check_compatibility=False, timeout=300)
        fill(client)
        client.close()
        yield started


def asked(server, path, body, method="POST"):
    request = urllib.request.Request(f"{server.url}/collections/c/{path}", json.dumps(body).encode(),
                                     {"content-type": "application/json"}, method=method)  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, json.load(answer)["result"]
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


@pytest.fixture(scope="module")
def in_process():
    octant = doors.import_octant()
    client = octant.QdrantClient(":memory:")
    fill(client)
    yield client
    client.close()


@pytest.mark.parametrize("kind", HEAVY)
def test_the_answer_is_that_of_the_engine(server, in_process, kind):
    path, body = HEAVY[kind]
    first = asked(server, path, body)
    assert first[0] == 200, first
    wanted = in_process.http.client._client.post(f"http://octant/collections/c/{path}", json=body).json()["result"]
    assert first[1] == wanted
    assert asked(server, path, body) == first  # whatever was learned meanwhile


def test_what_is_tried_twice_is_paid_once(server):
    asked(server, "", {"strict_mode_config": {"enabled": True, "read_rate_limit": 4}}, "PATCH")
    try:
        got = [asked(server, *HEAVY["exact"])[0] for _ in range(4)]
    finally:
        asked(server, "", {"strict_mode_config": {"enabled": False}}, "PATCH")
    assert got == [200] * 4


def test_nobody_waits_for_the_heavy(server):
    search = {"query": 1, "limit": 10, "params": {"exact": True}}
    body = json.dumps({"searches": [search] * SEARCHES}).encode()
    head = f"POST {BATCH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    crowd = []
    ended = f"POST {BATCH} -> "
    before = Path(server.log_path).read_text().count(ended)
    try:
        for _ in range(CROWD):
            made = socket.create_connection(("127.0.0.1", server.port))
            made.sendall(head + body)
            crowd.append(made)
        time.sleep(0.5)  # so that most have begun; if not, the test is easier, not wrong
        for _ in range(20):
            assert asked(server, "points/query", {"query": VECTOR, "limit": 3})[0] == 200
            assert asked(server, "points/scroll", {"limit": 3})[0] == 200
            point = {"points": [{"id": POINTS + 1, "vector": VECTOR}]}
            assert asked(server, "points?wait=true", point, "PUT")[0] == 200
        assert Path(server.log_path).read_text().count(ended) < before + CROWD, "the heavy were over before the small"
    finally:
        for made in crowd:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            made.close()
    until = time.monotonic() + 300  # for a server that works on for nobody
    while Path(server.log_path).read_text().count(ended) < before + CROWD:
        assert time.monotonic() < until, server.log_tail()
        time.sleep(0.1)
