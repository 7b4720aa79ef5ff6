"""Goal:   work for a client that has left stops, whichever way it left; what it wrote stays.
Method: a batch of exact searches that takes seconds; the client resets or closes its connection, cancels the call or sets
        a deadline that passes meanwhile. The server's log (debug) tells how the call ended: cut short by time-out, not
        with its answer.
"""

import json
import socket
import struct
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "conformance"))

import doors  # noqa: E402

np = pytest.importorskip("numpy")
grpc = pytest.importorskip("grpc")
from qdrant_client import QdrantClient, models  # noqa: E402
from qdrant_client import grpc as messages  # noqa: E402

POINTS, DIM = 40_000, 128
SEARCHES = 2000  # some ms each on an idle core
WITHIN_S = 60
BATCH = "/collections/c/points/query/batch"


@pytest.fixture(scope="module")
def server():
    reason = doors.missing_reason()
    if reason:
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OCTANT__LOG_LEVEL", "debug")
        started = doors.Server(tempfile.mkdtemp(prefix="octant-leaving-"))
        started.start()
    client = QdrantClient(url=started.url, grpc_port=started.grpc_port, prefer_grpc=True, check_compatibility=False, timeout=300)
    client.create_collection("c", vectors_config=models.VectorParams(size=DIM, distance=models.Distance.DOT))
    vectors = np.random.default_rng(5).normal(size=(POINTS, DIM)).astype(np.float32)
    client.upload_collection("c", vectors=vectors, ids=range(POINTS), batch_size=4000, wait=True)
    client.close()
    yield started
    started.stop()


def ends(server, line):
    return Path(server.log_path).read_text().count(line)


def wait_for(server, line, more_than):
    """Until the log has one more such line; the bound is for a server that never stops working."""
    until = time.monotonic() + WITHIN_S
    while ends(server, line) <= more_than:
        assert time.monotonic() < until, f"no line {line!r} came:\n{server.log_tail()}"
        time.sleep(0.05)


def batch_request():
    search = {"query": 1, "limit": 10, "params": {"exact": True}}
    body = json.dumps({"searches": [search] * SEARCHES}).encode()
    head = f"POST {BATCH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def is_answering(server):
    with urllib.request.urlopen(f"{server.url}/collections/c/exists", timeout=60) as answer:
        return json.load(answer)["result"]["exists"]


def start_batch(server):
    """Send it, and return when the server has it: a later request on another connection is answered."""
    made = socket.create_connection(("127.0.0.1", server.port))
    made.sendall(batch_request())
    assert is_answering(server)
    return made


@pytest.mark.parametrize("how", ["reset", "close"])
def test_http_1(server, how):
    finished, cut = f"POST {BATCH} -> 200", f"POST {BATCH} -> 408"
    before = ends(server, finished), ends(server, cut)
    made = start_batch(server)
    if how == "reset":
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    made.close()
    wait_for(server, cut, before[1])
    assert ends(server, finished) == before[0]
    assert is_answering(server)


def grpc_batch():
    search = messages.QueryPoints(collection_name="c", limit=10, params=messages.SearchParams(exact=True),
                                  query=messages.Query(nearest=messages.VectorInput(id=messages.PointId(num=1))))  # fmt: skip
    return messages.QueryBatchPoints(collection_name="c", query_points=[search] * SEARCHES)


def asked(through):
    return through.unary_unary("/qdrant.Points/QueryBatch", request_serializer=lambda m: m.SerializeToString(),
                               response_deserializer=messages.QueryBatchResponse.FromString)  # fmt: skip


@pytest.mark.parametrize("how", ["cancel", "deadline", "close"])
def test_grpc(server, how):
    finished, cut = "gRPC /qdrant.Points/QueryBatch -> 0", "gRPC /qdrant.Points/QueryBatch -> 4"
    before = ends(server, finished), ends(server, cut)
    through = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", [("grpc.use_local_subchannel_pool", 1)])
    exists = through.unary_unary("/qdrant.Qdrant/HealthCheck", request_serializer=bytes, response_deserializer=bytes)
    exists(b"")
    answer = asked(through).future(grpc_batch(), timeout=3 if how == "deadline" else 300)
    exists(b"")  # on the same connection, so what was sent before has come, and was given to a worker
    if how == "cancel":
        answer.cancel()
    elif how == "close":
        through.close()
    else:
        with pytest.raises(grpc.RpcError) as passed:
            answer.result()
        assert passed.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    wait_for(server, cut, before[1])
    assert ends(server, finished) == before[0]
    through.close()
    assert is_answering(server)


def test_a_write_is_finished(server):
    """Its client has gone before the answer; the points are there all the same."""
    points = [{"id": POINTS + number, "vector": [0.5] * DIM} for number in range(1000)]
    body = json.dumps({"points": points}).encode()
    made = socket.create_connection(("127.0.0.1", server.port))
    head = f"PUT /collections/c/points?wait=true HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n"
    made.sendall(head.encode() + body)
    made.close()
    wait_for(server, "PUT /collections/c/points?wait=true -> 200", 0)
    asking = urllib.request.Request(
        f"{server.url}/collections/c/points/count", b'{"exact": true}', {"content-type": "application/json"})
    with urllib.request.urlopen(asking, timeout=60) as answer:
        assert json.load(answer)["result"]["count"] == POINTS + 1000
