"""A server under many clients: does it make errors, does its memory grow, what do clients wait?

    python -m bench.load [--connections 1000] [--seconds 60] [--rate 1000]      build/octant, or OCTANT_BIN, on this machine

Half of the connections speak REST (HTTP/1.1), half gRPC (HTTP/2), all at once, each one request at a time: searches (some
filtered, some asking for vectors), retrieves, counts, scrolls, and writes that wait for the disk. Requests are due at fixed
times, `rate` a second over all connections, whether or not earlier ones have been answered in time, and a latency is counted
from when its request was due: a server that stalls cannot hide it by being asked less ("coordinated omission").

Points are written with the vector that they have and another payload, so that what grows is no data: a changed vector takes a
new row until the next compaction (docs/benchmarks.md has that).

The client is this one Python process on the same machine and takes most of a core: the figures are an upper bound of what the
server takes. Every answer is checked (status, number of hits). Resident memory is read every second; what is
compared is the median of the last tenth of the run with that of the tenth after its first half, when every connection has had
each kind of answer.

Exit status 1: an error, or memory that grew by more than 5 %.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import statistics
import struct
import sys
import time
from typing import Any, Dict, List, Tuple

import hpack
import numpy as np
from qdrant_client import QdrantClient, models
from qdrant_client import grpc as messages

from .served import cpu_seconds, resident_mb, serving

NAME, POINTS, DIM, SEED = "load", 20_000, 128, 17
WRITTEN = 2_000  # ids that are written again and again
GROWTH_MAX = 0.05
# Share of each kind of reads, the rest of which are plain searches, and of writes.
READS = {"search filtered": 0.18, "search vectors": 0.06, "retrieve": 0.12, "count": 0.06, "scroll": 0.06}
WRITES = {"upsert": 0.8, "set payload": 0.2}
COLORS = ["red", "green", "blue", "black"]


def payload_of(number: int) -> Dict[str, Any]:
    return {"color": COLORS[number % len(COLORS)], "n": number}


# --- what is asked: (method and path, body) for REST, (path, message) for gRPC, and how many hits must come back ---------


def rest_request(kind: str, rng: random.Random, vectors: np.ndarray) -> Tuple[str, Any]:
    vector = vectors[rng.randrange(len(vectors))].tolist()
    number = rng.randrange(WRITTEN)
    red = {"must": [{"key": "color", "match": {"value": "red"}}]}
    path = f"/collections/{NAME}/points"
    if kind == "search filtered":
        return f"POST {path}/query", {"query": vector, "limit": 10, "filter": red}
    if kind == "search vectors":
        return f"POST {path}/query", {"query": vector, "limit": 10, "with_vector": True, "with_payload": True}
    if kind == "retrieve":
        return f"POST {path}", {"ids": [rng.randrange(POINTS) for _ in range(10)], "with_payload": True}
    if kind == "count":
        return f"POST {path}/count", {"filter": red, "exact": True}
    if kind == "scroll":
        return f"POST {path}/scroll", {"limit": 10, "offset": rng.randrange(POINTS // 2)}
    if kind == "upsert":
        return f"PUT {path}?wait=true", {"points": [{"id": number, "vector": vectors[number].tolist(), "payload": payload_of(number)}]}
    if kind == "set payload":
        return f"POST {path}/payload?wait=true", {"payload": {"seen": number}, "points": [number]}
    return f"POST {path}/query", {"query": vector, "limit": 10}


def grpc_request(kind: str, rng: random.Random, vectors: np.ndarray) -> Tuple[str, Any, Any]:
    vector = vectors[rng.randrange(len(vectors))].tolist()
    number = rng.randrange(WRITTEN)
    is_red = messages.FieldCondition(key="color", match=messages.Match(keyword="red"))
    red = messages.Filter(must=[messages.Condition(field=is_red)])
    point = messages.PointId(num=number)
    if kind in ("search", "search filtered", "search vectors"):
        asked = messages.QueryPoints(collection_name=NAME, limit=10)
        asked.query.nearest.dense.data.extend(vector)
        if kind == "search filtered":
            asked.filter.CopyFrom(red)
        if kind == "search vectors":
            asked.with_vectors.enable = asked.with_payload.enable = True
        return "Query", asked, messages.QueryResponse
    if kind == "retrieve":
        ids = [messages.PointId(num=rng.randrange(POINTS)) for _ in range(10)]
        everything = messages.WithPayloadSelector(enable=True)
        return "Get", messages.GetPoints(collection_name=NAME, ids=ids, with_payload=everything), messages.GetResponse
    if kind == "count":
        return "Count", messages.CountPoints(collection_name=NAME, filter=red, exact=True), messages.CountResponse
    if kind == "scroll":
        offset = messages.PointId(num=rng.randrange(POINTS // 2))
        return "Scroll", messages.ScrollPoints(collection_name=NAME, limit=10, offset=offset), messages.ScrollResponse
    if kind == "upsert":
        made = messages.PointStruct(id=point, vectors=messages.Vectors(vector=messages.Vector(data=vectors[number])))
        made.payload["color"].string_value = payload_of(number)["color"]
        return "Upsert", messages.UpsertPoints(collection_name=NAME, wait=True, points=[made]), messages.PointsOperationResponse
    made = messages.SetPayloadPoints(collection_name=NAME, wait=True)
    made.payload["seen"].integer_value = number
    made.points_selector.points.ids.append(point)
    return "SetPayload", made, messages.PointsOperationResponse


def hits_wanted(kind: str) -> int:
    return 10 if kind.startswith("search") or kind == "scroll" else 0


# --- connections --------------------------------------------------------------------------------------------


class Rest:
    door = "REST"

    def __init__(self, port: int, _: int) -> None:
        self.port = port

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, kind: str, rng: random.Random, vectors: np.ndarray) -> str:
        """What was wrong, or nothing."""
        line, body = rest_request(kind, rng, vectors)
        text = json.dumps(body).encode()
        head = f"{line} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
        self.writer.write(head.encode() + text)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        at = answer.index(b"content-length: ") + 16
        got = await self.reader.readexactly(int(answer[at : answer.index(b"\r", at)]))
        if b" 200 " not in answer[:16]:
            return f"{answer[:20]!r} {got[:300]!r}"
        # Counting is cheaper than parsing, and no payload has this key.
        found = got.count(b'"id":') if hits_wanted(kind) else 0
        return "" if found == hits_wanted(kind) else f"{found} hits: {got[:300]!r}"


class Grpc:
    """As much of HTTP/2 as a call takes."""

    door = "gRPC"

    def __init__(self, _: int, port: int) -> None:
        self.port = port
        self.stream = -1
        self.headers = hpack.Decoder()
        self.received = 0

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        window = struct.pack(">HI", 4, 1 << 24)
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        self.writer.write(preface + self.frame(4, 0, 0, window) + self.frame(8, 0, 0, struct.pack(">I", 1 << 30)))

    @staticmethod
    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    async def ask(self, kind: str, rng: random.Random, vectors: np.ndarray) -> str:
        method, asked, answered = grpc_request(kind, rng, vectors)
        self.stream += 2
        text = asked.SerializeToString()
        fields = [(":method", "POST"), (":scheme", "http"), (":path", f"/qdrant.Points/{method}"), (":authority", "a"),
                  ("content-type", "application/grpc"), ("te", "trailers")]  # fmt: skip
        block = b"".join(b"\0" + bytes([len(part)]) + name.encode() + bytes([len(value)]) + value.encode()
                         for name, value in fields for part in [name])  # fmt: skip
        self.writer.write(self.frame(1, 4, self.stream, block))
        self.writer.write(self.frame(0, 1, self.stream, b"\0" + struct.pack(">I", len(text)) + text))
        body, status = b"", None
        while status is None:
            head = await self.reader.readexactly(9)
            piece = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
            if head[3] == 0:
                body += piece
                self.received += len(piece)
            elif head[3] == 1:
                seen = dict(self.headers.decode(piece))
                if head[4] & 1:
                    status = (seen.get("grpc-status"), seen.get("grpc-message"))
            elif head[3] == 4 and not head[4] & 1:
                self.writer.write(self.frame(4, 1, 0, b""))
            elif head[3] == 6 and not head[4] & 1:
                self.writer.write(self.frame(6, 1, 0, piece))
            elif head[3] in (3, 7):
                return f"frame {head[3]}: {piece!r}"
        if self.received > 1 << 29:
            self.writer.write(self.frame(8, 0, 0, struct.pack(">I", self.received)))
            self.received = 0
        if status[0] != "0":
            return str(status)
        found = len(answered.FromString(body[5:]).result) if hits_wanted(kind) else 0
        return "" if found == hits_wanted(kind) else f"{found} hits"


class Run:
    def __init__(self, vectors: np.ndarray, writes: float) -> None:
        self.vectors = vectors
        shares = {kind: share * (1 - writes) for kind, share in READS.items()}
        shares["search"] = (1 - sum(READS.values())) * (1 - writes)
        shares.update({kind: share * writes for kind, share in WRITES.items()})
        self.kinds, self.shares = list(shares), list(shares.values())
        self.latencies: Dict[Tuple[str, str], List[float]] = {}
        self.errors: List[str] = []

    async def client(self, made: Any, number: int, first: float, every: float, until: float) -> None:
        rng = random.Random(SEED + number)
        due = first
        try:
            await made.open()
            while due < until:
                await asyncio.sleep(due - time.monotonic())
                kind = rng.choices(self.kinds, self.shares)[0]
                wrong = await made.ask(kind, rng, self.vectors)
                if wrong:
                    self.errors.append(f"{made.door} {kind}: {wrong}")
                self.latencies.setdefault((made.door, kind), []).append(time.monotonic() - due)
                due += every
        except (OSError, asyncio.IncompleteReadError) as reason:
            self.errors.append(f"{made.door}: {reason!r}")


async def watch(pid: int, until: float, seen: List[Tuple[float, float]]) -> None:
    while time.monotonic() < until:
        seen.append(resident_mb(pid))
        await asyncio.sleep(1)


async def play(run: Run, ports: Tuple[int, int], pid: int, options: argparse.Namespace) -> List[Tuple[float, float]]:
    every = options.connections / options.rate
    start = time.monotonic() + 1
    until = start + options.seconds
    memory: List[Tuple[float, float]] = []
    clients = []
    for number in range(options.connections):
        made = (Rest if number % 2 == 0 else Grpc)(*ports)
        clients.append(run.client(made, number, start + every * number / options.connections, every, until))
    await asyncio.gather(watch(pid, until, memory), *clients)
    return memory


def fill(ports: Tuple[int, int], vectors: np.ndarray) -> None:
    client = QdrantClient(port=ports[0], grpc_port=ports[1], prefer_grpc=True, check_compatibility=False, timeout=300)
    client.create_collection(NAME, vectors_config=models.VectorParams(size=DIM, distance=models.Distance.COSINE))
    client.create_payload_index(NAME, "color", models.PayloadSchemaType.KEYWORD)
    payload = map(payload_of, range(POINTS))
    client.upload_collection(NAME, vectors=vectors, payload=payload, ids=range(POINTS), batch_size=1000, wait=True)
    client.close()


def report(run: Run, memory: List[Tuple[float, float]], seconds: float, cpu: float) -> bool:
    total = sum(map(len, run.latencies.values()))
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    print(f"{total} requests in {seconds:g} s, {len(run.errors)} errors; server: {cpu:.1f} s of CPU; load of the machine: {load}")
    for wrong in run.errors[:5]:
        print(f"  {wrong}")
    print(f"\n{'':6}{'':18}{'requests':>10}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}{'max ms':>10}")
    for door, kind in sorted(run.latencies):
        waits = np.array(run.latencies[door, kind]) * 1000
        p50, p95, p99 = np.percentile(waits, [50, 95, 99])
        print(f"{door:6}{kind:18}{len(waits):>10}{p50:>10.2f}{p95:>10.2f}{p99:>10.2f}{waits.max():>10.2f}")
    tenth = max(len(memory) // 10, 1)
    print("\nresident MB (of it anonymous): " + " ".join(f"{all_:.0f}({own:.0f})" for all_, own in memory[tenth // 2 :: tenth]))
    before = statistics.median(all_ for all_, _ in memory[len(memory) // 2 :][:tenth])
    after = statistics.median(all_ for all_, _ in memory[-tenth:])
    print(f"resident memory: {before:.1f} MB after a half, {after:.1f} MB at the end ({(after / before - 1) * 100:+.1f} %)")
    return not run.errors and after <= before * (1 + GROWTH_MAX)


def main(arguments: List[str]) -> int:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__, formatter_class=shape)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=1000, help="requests a second, all connections together")
    parser.add_argument("--writes", type=float, default=0.15, help="share of requests that write")
    options = parser.parse_args(arguments)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * options.connections + 256)), hard))
    vectors = np.random.default_rng(SEED).normal(size=(POINTS, DIM)).astype(np.float32)
    run = Run(vectors, options.writes)
    with serving("load") as server:
        ports, pid = (server.port, server.grpc_port), server.process.pid
        fill(ports, vectors)
        cpu = cpu_seconds(pid)
        memory = asyncio.run(play(run, ports, pid, options))
        cpu = cpu_seconds(pid) - cpu
    is_well = report(run, memory, options.seconds, cpu)
    print("passed" if is_well else "FAILED")
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
