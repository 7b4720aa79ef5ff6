"""What does a whole gRPC call cost the server, and does it hold up under many connections?

A server on a folder of its own; h2load (nghttp2-client) sends the same Query of 768 dimensions again and again, then Query and
Upsert together over many connections. CPU is that of the server's process (/proc), per call; memory is its resident set
before and after. h2load counts HTTP statuses only, so one call of each kind is read by the official client first.

usage: python -m bench.grpc_server [--seconds 60] [--connections 1000] [--points 20000]
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
import threading

import numpy as np
from qdrant_client import QdrantClient, grpc, models

from .served import Server, cpu_seconds, resident_mb

DIM = 768


def h2load(port, method, body, connections, streams, calls=None, seconds=None):
    how = ["-n", str(calls)] if calls else ["-D", str(seconds)]
    command = ["h2load", *how, "-c", str(connections), "-m", str(streams), "-d", body, "-H", "content-type: application/grpc",
               "-H", "te: trailers", f"http://127.0.0.1:{port}{method}"]  # fmt: skip
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    done = re.search(r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", text)
    times = re.search(r"time for request:\s+(\S+)\s+(\S+)\s+(\S+)", text)
    return {"done": int(done[2]), "failed": int(done[4]) + int(done[5]), "min": times[1], "max": times[2], "mean": times[3]}


def framed(message):
    data = message.SerializeToString()
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(b"\0" + len(data).to_bytes(4, "big") + data)
    return file.name


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--points", type=int, default=20000)
    parser.add_argument("--calls", type=int, default=20000)
    wanted = parser.parse_args()
    server = Server(tempfile.mkdtemp(prefix="octant-grpc-bench-"))
    server.start()
    pid = server.process.pid
    client = QdrantClient(url=server.url, grpc_port=server.grpc_port, prefer_grpc=True, timeout=60, check_compatibility=False)
    client.create_collection("c", vectors_config=models.VectorParams(size=DIM, distance=models.Distance.COSINE))
    rng = np.random.default_rng(7)
    rows = rng.standard_normal((wanted.points, DIM)).astype(np.float32)
    for at in range(0, wanted.points, 1000):
        ids = list(range(at, min(at + 1000, wanted.points)))
        client.upsert("c", points=models.Batch(ids=ids, vectors=rows[at:at + 1000].tolist()))
    query = grpc.QueryPoints(
        collection_name="c", query=grpc.Query(nearest=grpc.VectorInput(dense=grpc.DenseVector(data=rows[7].tolist()))), limit=10)
    points = [grpc.PointStruct(id=grpc.PointId(num=wanted.points + i),
                               vectors=grpc.Vectors(vector=grpc.Vector(dense=grpc.DenseVector(data=rows[i].tolist()))))
              for i in range(4)]  # fmt: skip
    upsert = grpc.UpsertPoints(collection_name="c", wait=True, points=points)
    inside = [client.grpc_points.Query(query).time for _ in range(300)]
    assert client.grpc_points.Upsert(upsert).result.status == grpc.UpdateStatus.Completed
    bodies = framed(query), framed(upsert)
    result = {"inside_us": round(float(np.median(inside)) * 1e6, 1)}
    for streams in (1, 16):
        before = cpu_seconds(pid)
        load = h2load(server.grpc_port, "/qdrant.Points/Query", bodies[0], 8, streams, calls=wanted.calls)
        result[f"cpu_us_a_call_{streams}_streams"] = round((cpu_seconds(pid) - before) / load["done"] * 1e6, 1)
        assert load["failed"] == 0, load
    memory = []

    def watch():
        while not over.wait(wanted.seconds / 12):
            memory.append(round(resident_mb(pid)[0]))

    over = threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    both = [threading.Thread(target=lambda kind=kind: result.update({kind: h2load(
        server.grpc_port, f"/qdrant.Points/{kind}", bodies[kind == "Upsert"], wanted.connections // 2, 1,
        seconds=wanted.seconds)})) for kind in ("Query", "Upsert")]  # fmt: skip
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    over.set()
    watcher.join()
    result["resident_mb"] = memory
    client.close()
    server.stop()
    for body in bodies:
        os.unlink(body)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
