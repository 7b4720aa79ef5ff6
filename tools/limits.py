#!/usr/bin/env python3
"""Measure what docs/reliability.md promises about limits; one line of JSON each. Short forms run in tests/limits.

usage: PYTHONPATH=python OCTANT_LIB=build/liboctant.so OCTANT_BIN=build/octant python tools/limits.py COMMAND [options]

    collections [--count 10000]     so many collections of 3 points in one database: memory, files, threads, and what creating and
                                    opening them takes
    writes [--megabytes 1024] [--m 8]  bytes handed to the disk for each byte of points written, over a long run of
                                    upserts, updates and deletions, with the database's own checkpoints and compactions
    window [--live 100000] [--ids 3000000] [--m 0]  a window of points through which new ids go: memory, files, and what is kept
                                    by the number of a point, six times on the way
    load [--seconds 20]             malformed requests on many connections beside honest clients: how many of them a second, and
                                    the honest clients' latencies without and with them
    memory [--limit 512] [--points 1000000] [--dim 768]  points are written and searched under a memory_limit of so
                                    many MiB until all are in or one is refused; then half are deleted, and writing must resume
    shrink [--points 60000]         nine tenths of a collection's points are deleted; memory and disk before and after, without a call
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

DIM = 128


def status_of(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


class Folder:
    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="octant-limits-")
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class Server:
    """`octant serve` on a free port, ended with the block."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        env = {**os.environ, "OCTANT__SERVICE__GRPC_PORT": "0", "OCTANT__LOG_LEVEL": "INFO"}
        began = time.monotonic()
        self.process = subprocess.Popen(
            [os.environ.get("OCTANT_BIN", "build/octant"), "serve", "--path", self.path, "--host", "127.0.0.1", "--http-port", "0"],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=env,
        )
        self.port = 0
        for line in self.process.stderr:
            if "listening on http://" in line:
                self.port = int(line.split("http://", 1)[1].split()[0].rstrip("/,.").rsplit(":", 1)[1])
                break
        self.started_s = time.monotonic() - began
        assert self.port, "the server did not say where it listens"
        threading.Thread(target=lambda: [None for _ in self.process.stderr], daemon=True).start()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def call(self, method, target, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{target}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


# --- many collections ------------------------------------------------------------------------------------------


def collections(options):
    out = {"collections": options.count}
    with Folder() as folder:
        with Server(folder) as server:
            connection = Keep(server.port)
            began = time.monotonic()
            for i in range(options.count):
                connection.ask("PUT", f"/collections/c{i}", {"vectors": {"size": 4, "distance": "Dot"}})
            out["create_ms"] = round((time.monotonic() - began) / options.count * 1e3, 3)
            for i in range(options.count):
                points = [{"id": p, "vector": [p, 1, 2, 3], "payload": {"n": p}} for p in range(3)]
                connection.ask("PUT", f"/collections/c{i}/points?wait={'true' if i % 100 == 0 else 'false'}", {"points": points})
            out["rss_mb"] = round(status_of(server.process.pid, "VmRSS") / 1024, 1)
            out["open_files"] = len(os.listdir(f"/proc/{server.process.pid}/fd"))
            out["threads"] = status_of(server.process.pid, "Threads")
        with Server(folder) as server:
            out["start_s"] = round(server.started_s, 3)
            out["rss_after_start_mb"] = round(status_of(server.process.pid, "VmRSS") / 1024, 1)
            out["open_files_after_start"] = len(os.listdir(f"/proc/{server.process.pid}/fd"))
            connection = Keep(server.port)
            for i in (0, options.count // 2, options.count - 1):
                found = connection.ask("POST", f"/collections/c{i}/points/count", {"exact": True})
                assert found["result"]["count"] == 3, found
        out["disk_mb"] = round(sum(p.stat().st_blocks * 512 for p in pathlib.Path(folder).rglob("*")) / 1e6, 1)
        out["files"] = sum(1 for p in pathlib.Path(folder).rglob("*") if p.is_file())
    return out


class Keep:
    """A connection that is kept, without the cost of a client library in the figures."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def ask(self, method, target, body):
        data = json.dumps(body).encode()
        self.socket.sendall(
            f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n".encode() + data
        )
        line = self.file.readline()
        status = int(line.split()[1])
        size = 0
        while (header := self.file.readline().strip()):
            if header.lower().startswith(b"content-length:"):
                size = int(header.split(b":")[1])
        answer = json.loads(self.file.read(size))
        assert status == 200, (status, answer)
        return answer


# --- write amplification ---------------------------------------------------------------------------------------


def written_bytes():
    """Bytes that this process handed to the system in writes: what a disk would have to take."""
    for line in pathlib.Path("/proc/self/io").read_text().splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    raise OSError("no /proc/self/io here")


def writes(options):
    import numpy
    import octant

    rng = numpy.random.default_rng(7)
    chooser = random.Random(7)
    total = options.megabytes << 20
    given = count = 0
    out = {"megabytes": options.megabytes, "m": options.m, "steps": []}
    with Folder() as folder:
        database = octant.open(folder)
        collection = database.create("c", DIM, "Euclid", m=options.m, ef_construct=4 * options.m or 100)
        base, report = written_bytes(), total // 4
        while given < total:
            # Two thirds are new, a third replaces what is there; now and then the oldest twentieth goes.
            ids = numpy.arange(count, count + 1000, dtype=numpy.uint64)
            if count > 3000 and chooser.random() < 1 / 3:
                ids = numpy.sort(rng.choice(count, 1000, replace=False)).astype(numpy.uint64)
            else:
                count += 1000
            collection.upsert(ids, rng.standard_normal((1000, DIM), dtype=numpy.float32))
            given += 1000 * (DIM * 4 + 8)
            if chooser.random() < 0.02:
                collection.delete(list(range(count // 20)))
            if given >= report:
                out["steps"].append([given >> 20, round((written_bytes() - base) / given, 2)])
                report += total // 4
        out["while_writing"] = round((written_bytes() - base) / given, 2)
        database.close()
        out["with_closing"] = round((written_bytes() - base) / given, 2)
        out["disk_per_byte_given"] = round(sum(p.stat().st_blocks * 512 for p in pathlib.Path(folder).rglob("*")) / given, 2)
    return out


# --- a window that rolls ---------------------------------------------------------------------------------------------


def window(options):
    import numpy
    import octant

    rng = numpy.random.default_rng(7)
    batch = 1000
    out = {"live": options.live, "ids": options.ids, "m": options.m, "steps": []}
    with Folder() as folder:
        database = octant.open(folder)
        collection = database.create("c", DIM, "Euclid", m=options.m, ef_construct=4 * options.m or 100)

        def look(count):
            stored = sum(p.stat().st_blocks * 512 for p in pathlib.Path(folder).rglob("*"))
            points = sum(sum(collection.memory()[part]) for part in ("points", "rows", "payload"))
            out["steps"].append(
                {"ids": count, "rss_mb": status_of(os.getpid(), "VmRSS") >> 10, "disk_mb": stored >> 20, "points_mb": points >> 20}
            )

        began = time.monotonic()
        for first in range(0, options.ids, batch):
            ids = numpy.arange(first, first + batch, dtype=numpy.uint64)
            collection.upsert(ids, rng.standard_normal((batch, DIM), dtype=numpy.float32))
            if first >= options.live:
                collection.delete(list(range(first - options.live, first - options.live + batch)))
            if (first + batch) % max(options.ids // 6, batch) == 0:
                collection.wait_indexed()
                database.checkpoint()
                look(first + batch)
        out["seconds"] = round(time.monotonic() - began)
        database.close()
    return out


# --- memory below its limit, and given back --------------------------------------------------------------------


def private_mb():
    return status_of("self", "RssAnon") / 1024


class Peak:
    """The most private memory that this process has had within the block, looked at every few milliseconds."""

    def __enter__(self):
        self.mb, self.ended = private_mb(), threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.ended.wait(0.005):
            self.mb = max(self.mb, private_mb())

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def batch_of(first, count, dim):
    """So many rows, always the same for the same ids, in a space of few directions as real ones are."""
    import numpy

    directions = numpy.random.default_rng(1).standard_normal((12, dim), dtype=numpy.float32)
    return numpy.random.default_rng(first + 2).standard_normal((count, 12), dtype=numpy.float32) @ directions


def memory(options):
    """The limit is counted from what the process has before it opens the database: the interpreter is not Octant's."""
    import numpy
    import octant

    step = 1000
    batch_of(0, step, options.dim)  # what numpy takes for itself belongs to the start
    out = {"limit_mb": options.limit, "dim": options.dim}
    with Folder() as folder, Peak() as peak:
        start = private_mb()
        database = octant.open(folder, memory_limit=int(start + options.limit) << 20)
        collection = database.create("c", options.dim, "Euclid")
        count, out["refused"] = 0, ""
        while count < options.points and not out["refused"]:
            rows = batch_of(count, step, options.dim)
            try:
                collection.upsert(numpy.arange(count, count + step, dtype=numpy.uint64), rows)
                count += step
            except octant.Error as reason:
                out["refused"] = str(reason)
            for seen in (0, count - step):
                assert collection.search(batch_of(seen, step, options.dim)[7], 1)[0][0] == seen + 7
        out["points"] = count
        out["written_mb"] = round(count * options.dim * 4 / (1 << 20))
        if out["refused"]:
            collection.delete(list(range(count // 2)))
            began = time.monotonic()
            while True:
                try:
                    collection.upsert(numpy.arange(count, count + step, dtype=numpy.uint64), batch_of(count, step, options.dim))
                    break
                except octant.Error as reason:
                    assert time.monotonic() - began < 600, reason
                    time.sleep(0.5)
            out["resumed_s"] = round(time.monotonic() - began, 1)
        out["most_mb"] = round(peak.mb - start, 1)
        database.close()
    return out


def shrink(options):
    import numpy
    import octant

    def disk_mb(folder):
        return sum(p.stat().st_blocks * 512 for p in pathlib.Path(folder).rglob("*")) / (1 << 20)

    batch_of(0, 1000, 256)
    with Folder() as folder:
        start = status_of("self", "VmRSS") / 1024
        database = octant.open(folder)
        collection = database.create("c", 256, "Euclid")
        for first in range(0, options.points, 1000):
            ids = numpy.arange(first, first + 1000, dtype=numpy.uint64)
            collection.upsert(ids, batch_of(first, 1000, 256), payloads=[{"n": int(i), "text": f"{i} " * 100} for i in ids])
        collection.wait_indexed()
        full = status_of("self", "VmRSS") / 1024 - start, disk_mb(folder)
        collection.delete(list(range(options.points * 9 // 10)))
        began, steps = time.monotonic(), []
        while time.monotonic() - began < options.seconds:
            steps.append((status_of("self", "VmRSS") / 1024 - start, disk_mb(folder), time.monotonic() - began))
            if max(steps[-1][0] / full[0], steps[-1][1] / full[1]) < options.left:
                break
            time.sleep(0.25)
        assert len(collection) == options.points - options.points * 9 // 10
        database.close()
    memory_mb, disk, after_s = steps[-1]
    before_and_after = {"memory_mb": [round(full[0], 1), round(memory_mb, 1)], "disk_mb": [round(full[1], 1), round(disk, 1)]}
    return {"points": options.points, **before_and_after, "after_s": round(after_s, 1)}


# --- malformed requests beside honest clients --------------------------------------------------------------------

BAD = [
    b"GET /collections HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 60,
    b"PUT /collections/c/points HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999999999999\r\n\r\n{",
    b"POST /collections/c/points/search HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{\"vector\":[1",
    b"POST /collections/c/points/query HTTP/1.1\r\nHost: x\r\nContent-Length: 19\r\n\r\n" + b"[" * 19,
    b"PUT /collections/c/points HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /%00%ff/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /collections/c/points/search HTTP/1.1\r\nHost: x\r\nContent-Length: 29\r\n\r\n"
    b"{\"vector\":[1,2,3],\"limit\":-5}",
    b"A" * 70000,
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 3000 + b"\r\n",
]


def load(options):
    out = {"seconds": options.seconds}
    with Folder() as folder, Server(folder) as server:
        server.call("PUT", "/collections/c", {"vectors": {"size": DIM, "distance": "Dot"}})
        rng = random.Random(3)
        for first in range(0, 2000, 500):
            points = [{"id": i, "vector": [rng.random() for _ in range(DIM)]} for i in range(first, first + 500)]
            server.call("PUT", "/collections/c/points?wait=true", {"points": points})
        out["alone"] = honest(server.port, options.seconds / 2)
        stop = threading.Event()
        counts = [0] * options.threads
        threads = [threading.Thread(target=hostile, args=(server.port, stop, counts, i)) for i in range(options.threads)]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        out["beside"] = honest(server.port, options.seconds)
        took = time.monotonic() - began
        stop.set()
        for thread in threads:
            thread.join()
        out["malformed"] = sum(counts)
        out["malformed_per_s"] = round(sum(counts) / took)
        assert server.process.poll() is None, "the server has ended"
        assert server.call("POST", "/collections/c/points/count", {"exact": True})["result"]["count"] == 2000
        out["rss_mb"] = round(status_of(server.process.pid, "VmRSS") / 1024, 1)
        out["open_files"] = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    return out


def honest(port, seconds):
    connection, rng, took = Keep(port), random.Random(5), []
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(took) < 20:
        query = [rng.random() for _ in range(DIM)]
        began = time.monotonic()
        answer = connection.ask("POST", "/collections/c/points/search", {"vector": query, "limit": 10})
        took.append((time.monotonic() - began) * 1e3)
        assert len(answer["result"]) == 10
    took.sort()
    return {"requests": len(took), "p50_ms": round(took[len(took) // 2], 3), "p99_ms": round(took[len(took) * 99 // 100], 3)}


def hostile(port, stop, counts, number):
    rng = random.Random(number)
    while not stop.is_set():
        text = rng.choice(BAD)
        if rng.random() < 0.3:  # any bytes in the middle
            text = bytearray(text)
            for _ in range(5):
                text[rng.randrange(len(text))] = rng.randrange(256)
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
                client.sendall(text)
                if rng.random() < 0.5:  # half of them hang up without a word
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
        except OSError:
            pass  # turned away: that is an answer, too
        counts[number] += 1


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("collections").add_argument("--count", type=int, default=10000)
    one = commands.add_parser("writes")
    one.add_argument("--megabytes", type=int, default=1024)
    one.add_argument("--m", type=int, default=8, help="links of a row; 0: no graph")
    one = commands.add_parser("window")
    one.add_argument("--live", type=int, default=100000)
    one.add_argument("--ids", type=int, default=3000000)
    one.add_argument("--m", type=int, default=0)
    one = commands.add_parser("load")
    one.add_argument("--seconds", type=float, default=20)
    one.add_argument("--threads", type=int, default=8)
    one = commands.add_parser("memory")
    one.add_argument("--limit", type=int, default=512, help="MiB")
    one.add_argument("--points", type=int, default=1000000)
    one.add_argument("--dim", type=int, default=768)
    one = commands.add_parser("shrink")
    one.add_argument("--points", type=int, default=60000)
    one.add_argument("--seconds", type=float, default=60, help="how long to wait for it")
    one.add_argument("--left", type=float, default=0.2, help="the part of memory and disk that may be left")
    options = parser.parse_args(arguments)
    run = {"collections": collections, "writes": writes, "window": window, "load": load, "memory": memory, "shrink": shrink}
    out = run[options.command](options)
    print(json.dumps({"command": options.command, **out}))
    return out


if __name__ == "__main__":
    main()
    sys.exit(0)
