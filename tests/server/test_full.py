"""A full disk and a full memory, seen through the API.

Goal:   what adds is refused with 507 over REST and RESOURCE_EXHAUSTED over gRPC, with a sentence that says of what there is too
        little; nothing of it is there; reads, searches and deletions go on; what was deleted makes room, and writing resumes, by
        itself; all of it is sound after a restart.
Method: a tmpfs of 24 MB (which only root may mount), and a database in memory with a limit of 96 MiB; filled, then emptied.
"""
import json
import os
import subprocess
import time

import pytest

from test_server import Server, run

DIM = 256
BATCH = 200
DISK_MB = 24
MEMORY_LIMIT = "96MiB"
PATIENCE_S = 300  # how long room may take to come back before the test gives up: a checkpoint, on a machine with much else to do
GRPC = {"OCTANT__SERVICE__GRPC_PORT": "0"}


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)],
                                           capture_output=True).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def points(number, count=BATCH):
    first = number * BATCH
    return {"points": [{"id": first + i, "vector": [(first + i + k) % 97 / 97 for k in range(DIM)], "payload": {"n": first + i}}
                       for i in range(count)]}


def create(server, name):
    status, _, body = server.call("PUT", f"/collections/{name}", {"vectors": {"size": DIM, "distance": "Dot"},
                                                                  "hnsw_config": {"m": 0}})
    assert status == 200, body


def upsert(server, name, number):
    return server.call("PUT", f"/collections/{name}/points?wait=true", points(number))


def count(server, name):
    status, _, body = server.call("POST", f"/collections/{name}/points/count", {"exact": True})
    assert status == 200, body
    return json.loads(body)["result"]["count"]


def fill(server, name, batches_max):
    """Batches until one is refused; how many were taken, and the refusal."""
    for number in range(batches_max):
        status, _, body = upsert(server, name, number)
        if status != 200:
            return number, status, json.loads(body)["status"]["error"]
    raise AssertionError(f"{batches_max} batches were taken")


def check_serving(server, name, batches):
    assert count(server, name) == batches * BATCH  # nothing of the batch that was refused
    status, _, body = server.call("POST", f"/collections/{name}/points/query",
                                  {"query": [1] * DIM, "limit": 3, "filter": {"must": [{"key": "n", "range": {"gte": 5}}]}})
    assert status == 200 and len(json.loads(body)["result"]["points"]) == 3, body
    status, _, body = server.call("POST", f"/collections/{name}/points", {"ids": [7], "with_payload": True})
    assert status == 200 and json.loads(body)["result"][0]["payload"] == {"n": 7}, body


def check_grpc(server, name, batches):
    qdrant_client = pytest.importorskip("qdrant_client")
    grpc = pytest.importorskip("grpc")
    port = next(int(line.rsplit(":", 1)[1]) for line in server.log if "serving gRPC on" in line)
    client = qdrant_client.QdrantClient(host="127.0.0.1", port=server.port, grpc_port=port, prefer_grpc=True, timeout=300,
                                        check_compatibility=False)
    taken = 0
    with pytest.raises(grpc.RpcError) as refused:
        for taken in range(1000):  # of memory there is a little again since the last refusal: it is measured, not counted
            client.upsert(name, [qdrant_client.models.PointStruct(id=10**9 + taken * BATCH + i, vector=[0.5] * DIM)
                                 for i in range(BATCH)], wait=True)
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, refused.value
    assert client.count(name).count == batches * BATCH + taken * BATCH
    client.close()


def wait_for_room(server, name, number):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status, _, body = upsert(server, name, number)
        if status == 200:
            return
        assert status == 507, body
        assert time.monotonic() < deadline, body
        time.sleep(0.1)


def delete(server, name, batches):
    for number in range(batches):
        ids = list(range(number * BATCH, (number + 1) * BATCH))
        status, _, body = server.call("POST", f"/collections/{name}/points/delete?wait=true", {"points": ids})
        assert status == 200, (number, body)


def test_a_full_disk(small_disk):
    path = str(small_disk / "data")
    with Server(path=path, env=GRPC) as server:
        create(server, "other")
        create(server, "c")
        batches, status, error = fill(server, "c", 2 * DISK_MB * 2**20 // (BATCH * DIM * 4))
        assert batches > 10 and status == 507 and error.startswith("Insufficient storage: ") and "disk" in error, error
        check_serving(server, "c", batches)
        check_grpc(server, "c", batches)
        # A snapshot finds no room either, and leaves nothing.
        status, _, body = server.call("POST", "/collections/c/snapshots?wait=true")
        assert status == 507, body
        status, _, body = server.call("GET", "/collections/c/snapshots")
        assert status == 200 and json.loads(body)["result"] == []
        check_serving(server, "c", batches)
        delete(server, "c", batches)
        assert count(server, "c") == 0
        wait_for_room(server, "other", 0)
        assert server.stop(timeout=60) == 0
    checked = run("check", path)
    assert checked.returncode == 0 and "0 damaged" in checked.stdout, checked
    with Server(path=path) as server:
        assert count(server, "c") == 0 and count(server, "other") == BATCH


def test_a_full_memory():
    with Server(env={**GRPC, "OCTANT__STORAGE__MEMORY_LIMIT": MEMORY_LIMIT}) as server:
        create(server, "c")
        batches, status, error = fill(server, "c", 2 * 96 * 2**20 // (BATCH * DIM * 4))
        assert batches > 10 and status == 507 and "memory" in error and "MB" in error.replace("MiB", "MB"), error
        check_serving(server, "c", batches)
        check_grpc(server, "c", batches)
        status, _, body = server.call("DELETE", "/collections/c")
        assert status == 200, body
        create(server, "d")
        wait_for_room(server, "d", 0)
        assert count(server, "d") == BATCH
