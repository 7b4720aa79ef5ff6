"""Goal:   work for a client that has left stops, whichever way it left; what it wrote stays.
Method: a batch of exact searches that takes seconds; the client resets or closes its connection, cancels the call or sets
        a deadline that passes meanwhile. The server's log (debug) tells how the call ended: cut short by time-out, or with its
        answer.
"""

import json
import socket
import struct
import time
import urllib.request
from pathlib import Path

import pytest


np = pytest.importorskip("numpy")
grpc = pytest.importorskip("grpc")
from qdrant_client import QdrantClient, models  # noqa: E402
from qdrant_client import grpc as messages  # noqa: E402

POINTS, DIM = 40_000, 128
SEARCHES = (2_000, 16_000, 64_000)  # so many until they take longer than leaving does, however quick the machine
A_MOMENT_S = 0.3  # in which what was sent has come and is being worked on; if not, the next try has as long
WITHIN_S = 300
BATCH = "/collections/c/points/query/batch"


@pytest.fixture(scope="module")
def server(serving):
    with serving("leaving", LOG_LEVEL="debug") as started:
        client = QdrantClient(url=started.url, grpc_port=started.grpc_port, prefer_grpc=True, check_compatibility=False, timeout=300)
        client.create_collection("c", vectors_config=models.VectorParams(size=DIM, distance=models.Distance.DOT))
        vectors = np.random.default_rng(5).normal(size=(POINTS, DIM)).astype(np.float32)
        client.upload_collection("c", vectors=vectors, ids=range(POINTS), batch_size=4000, wait=True)
        client.close()
        yield started


def ends(server, line):
    return Path(server.log_path).read_text().count(line)


def wait_for(server, lines, counts):
    """Until the log has one more of such lines; the bound is for a server that never stops working."""
    until = time.monotonic() + WITHIN_S
    while all(ends(server, line) <= count for line, count in zip(lines, counts)):
        assert time.monotonic() < until, f"none of {lines} came:\n{server.log_tail()}"
        time.sleep(0.05)


def is_cut(server, finished, cut, leave):
    """Is the work of a client that leaves cut short? `leave(searches)` asks for so many and leaves. Work that is done before
    the server can have noticed shows nothing: then more of it."""
    for searches in SEARCHES:
        before = ends(server, finished), ends(server, cut)
        leave(searches)
        wait_for(server, (finished, cut), before)
        if ends(server, cut) > before[1]:
            return True
    return False


def batch_request(searches):
    search = {"query": 1, "limit": 10, "params": {"exact": True}}
    body = json.dumps({"searches": [search] * searches}).encode()
    head = f"POST {BATCH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def is_answering(server):
    with urllib.request.urlopen(f"{server.url}/collections/c/exists", timeout=60) as answer:
        return json.load(answer)["result"]["exists"]


@pytest.mark.parametrize("how", ["reset", "close"])
def test_http_1(server, how):
    def leave(searches):
        made = socket.create_connection(("127.0.0.1", server.port))
        made.sendall(batch_request(searches))
        time.sleep(A_MOMENT_S)
        if how == "reset":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        made.close()

    assert is_cut(server, f"POST {BATCH} -> 200", f"POST {BATCH} -> 408", leave)
    assert is_answering(server)


def grpc_batch(searches):
    search = messages.QueryPoints(collection_name="c", limit=10, params=messages.SearchParams(exact=True),
                                  query=messages.Query(nearest=messages.VectorInput(id=messages.PointId(num=1))))  # fmt: skip
    return messages.QueryBatchPoints(collection_name="c", query_points=[search] * searches)


def asked(through):
    return through.unary_unary("/qdrant.Points/QueryBatch", request_serializer=lambda m: m.SerializeToString(),
                               response_deserializer=messages.QueryBatchResponse.FromString)  # fmt: skip


@pytest.mark.parametrize("how", ["cancel", "deadline", "close"])
def test_grpc(server, how):
    def leave(searches):
        through = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", [("grpc.use_local_subchannel_pool", 1)])
        answer = asked(through).future(grpc_batch(searches), timeout=1 if how == "deadline" else 300)
        time.sleep(A_MOMENT_S)
        if how == "cancel":
            answer.cancel()
        elif how == "close":
            through.close()
        else:
            reason = answer.exception()
            assert reason is None or reason.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        through.close()

    assert is_cut(server, "gRPC /qdrant.Points/QueryBatch -> 0", "gRPC /qdrant.Points/QueryBatch -> 4", leave)
    assert is_answering(server)


def test_a_write_is_finished(server):
    """Its client has gone before the answer; the points are there all the same."""
    points = [{"id": POINTS + number, "vector": [0.5] * DIM} for number in range(1000)]
    body = json.dumps({"points": points}).encode()
    made = socket.create_connection(("127.0.0.1", server.port))
    head = f"PUT /collections/c/points?wait=true HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n"
    made.sendall(head.encode() + body)
    made.close()
    wait_for(server, ["PUT /collections/c/points?wait=true -> 200"], [0])
    asking = urllib.request.Request(
        f"{server.url}/collections/c/points/count", b'{"exact": true}', {"content-type": "application/json"})
    with urllib.request.urlopen(asking, timeout=60) as answer:
        assert json.load(answer)["result"]["count"] == POINTS + 1000
