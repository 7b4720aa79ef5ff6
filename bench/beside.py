"""Small searches beside heavy requests: how long does an honest client wait while others ask for much?

    python -m bench.beside [--points 100000] [--dim 128] [--seconds 8] [--heavy 4] [--kinds exact,filter,...]

The server has one event loop (OCTANT__SERVICE__MAX_WORKERS=1), so that every connection shares it. One client sends a small search
at a time (limit 10, the graph's own ef), another process sends heavy requests of one kind over `--heavy` connections, each as
soon as its last was answered, and is there no more in the first run ("nothing"). The small client's latencies are what counts;
the number of heavy requests answered meanwhile tells that they were not just refused.

`gone`: the same with heavy requests (batches of exact searches) whose client leaves at once by resetting its connection; and then how
long the server works on after the last has left, by its CPU time.
"""

import argparse
import http.client
import json
import multiprocessing
import random
import socket
import struct
import sys
import time
from typing import Any, Dict, List, Tuple

import numpy as np

from .served import cpu_seconds, serving

NAME, SEED = "beside", 23

Request = Tuple[str, Dict[str, Any]]


def heavy(kind: str, rng: random.Random, points: int, dim: int) -> Request:
    vector = [rng.gauss(0, 1) for _ in range(dim)]
    below = {"must": [{"key": "plain", "range": {"lt": rng.random()}}]}  # no index, and never the same twice
    asked: Dict[str, Request] = {
        "exact": ("points/query", {"query": vector, "limit": 10, "params": {"exact": True}}),
        "filter": ("points/query", {"query": vector, "limit": 10, "filter": below}),
        "ef": ("points/query", {"query": vector, "limit": 10, "params": {"hnsw_ef": points // 5}}),
        "limit": ("points/query", {"query": vector, "limit": points // 10, "with_vector": True}),
        "prefetch": ("points/query", {"prefetch": [{"query": vector, "limit": points // 10}],
                                      "query": {"formula": {"sum": ["$score", "n"]}}, "limit": 10}),
        "recommend": ("points/query", {"query": {"recommend": {"positive": [1, 2], "negative": [3], "strategy": "best_score"}}}),
        "retrieve": ("points", {"ids": rng.sample(range(points), points // 20), "with_vector": True}),
        "groups": ("points/query/groups", {"query": vector, "group_by": "n", "limit": 1000, "group_size": 3}),
        "matrix": ("points/search/matrix/pairs", {"sample": min(2000, points), "limit": 10}),
        "facet": ("facet", {"key": "n", "limit": 10, "filter": below}),
        "scroll": ("points/scroll", {"limit": points // 10, "with_vector": True}),
        "batch": ("points/query/batch", {"searches": [{"query": vector, "limit": 10, "params": {"exact": True}}] * 50}),
    }  # fmt: skip
    return asked[kind]


KINDS = ["exact", "filter", "ef", "limit", "prefetch", "recommend", "retrieve", "groups", "matrix", "facet", "scroll", "batch"]


def send(connection: http.client.HTTPConnection, asked: Request) -> None:
    connection.request("POST", f"/collections/{NAME}/{asked[0]}", json.dumps(asked[1]), {"content-type": "application/json"})


def answer(connection: http.client.HTTPConnection) -> Any:
    got = connection.getresponse()
    body = got.read()
    assert got.status == 200, body[:500]
    return body


def press(port: int, kind: str, points: int, dim: int, seed: int, stop: Any, done: Any) -> None:
    """A heavy client."""
    rng = random.Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    while not stop.is_set():
        if kind == "gone":
            send(connection, heavy("batch", rng, points, dim))
            time.sleep(0.01)
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no half-close
            connection.close()
        else:
            send(connection, heavy(kind, rng, points, dim))
            answer(connection)
        with done.get_lock():
            done.value += 1
    connection.close()


def small(port: int, seconds: float, dim: int) -> List[float]:
    rng = np.random.default_rng(SEED)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    took = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        asked = ("points/query", {"query": rng.normal(size=dim).tolist(), "limit": 10})
        began = time.monotonic()
        send(connection, asked)
        answer(connection)
        took.append((time.monotonic() - began) * 1e3)
        time.sleep(0.002)  # so that the server has more to do than this
    connection.close()
    return took


def fill(port: int, points: int, dim: int) -> None:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(url=f"http://127.0.0.1:{port}", check_compatibility=False, timeout=600)
    client.create_collection(NAME, vectors_config=models.VectorParams(size=dim, distance=models.Distance.DOT))
    client.create_payload_index(NAME, "n", models.PayloadSchemaType.INTEGER, wait=True)
    rng = np.random.default_rng(SEED)
    vectors = rng.normal(size=(points, dim)).astype(np.float32)
    payload = [{"n": i % 1000, "plain": float(x), "text": "some words of no use " * 5} for i, x in enumerate(rng.random(points))]
    client.upload_collection(NAME, vectors=vectors, ids=range(points), payload=payload, batch_size=2000, wait=True)
    client.close()
    small(port, 2, dim)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--heavy", type=int, default=4)
    parser.add_argument("--kinds", default=",".join(["nothing", *KINDS, "gone"]))
    chosen = parser.parse_args()
    with serving("beside", SERVICE__MAX_WORKERS="1") as server:
        port, pid = server.port, server.process.pid
        fill(port, chosen.points, chosen.dim)
        print("| beside | small searches | p50 ms | p99 ms | max ms | heavy answered |\n| --- | ---: | ---: | ---: | ---: | ---: |")
        for kind in chosen.kinds.split(","):
            stop, done = multiprocessing.Event(), multiprocessing.Value("q", 0)
            others = [multiprocessing.Process(target=press, args=(port, kind, chosen.points, chosen.dim, i, stop, done))
                      for i in range(0 if kind == "nothing" else chosen.heavy)]  # fmt: skip
            for each in others:
                each.start()
            time.sleep(0.5 if others else 0)
            took = small(port, chosen.seconds, chosen.dim)
            stop.set()
            for each in others:
                each.join()
            at = np.percentile(took, [50, 99, 100])
            print(f"| {kind} | {len(took)} | {at[0]:.2f} | {at[1]:.2f} | {at[2]:.2f} | {done.value} |", flush=True)
            if kind == "gone":
                before, began = cpu_seconds(pid), time.monotonic()
                time.sleep(1)
                worked_ms = 1000 * (cpu_seconds(pid) - before)
                print(f"\nafter the last has gone: {worked_ms:.0f} ms of CPU in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
