"""What a search costs the server beyond the search: REST, JSON and sockets.

METHOD   The server holds a data set (debian-768: 62,666 vectors of 768 dimensions) and answers POST .../points/query with
         `limit` 10 on 8 keep-alive connections. Its CPU time, user and system of all threads from /proc, is divided by
         the requests answered. The same queries are then asked of the engine alone, in one call of oct_search_rows on
         one thread in process: its CPU time by the thread's clock. The difference is what HTTP, JSON and sockets cost.
         Rounds alternate; figures are medians. Times on the wall are not looked at: the client is slow, and shares
         the machine.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import threading
import time

import numpy as np

from . import data, places
from .served import Server, cpu_seconds

LIMIT = 10
CONNECTIONS = 8


def wait_idle(pid):
    """Until the server does nothing by itself: graphs built, caches warm."""
    before = cpu_seconds(pid)
    while True:
        time.sleep(1)
        now = cpu_seconds(pid)
        if now - before < 0.02:
            return
        before = now


def request_of(vector, ef):
    body = json.dumps({"query": [float(value) for value in vector], "limit": LIMIT, "params": {"hnsw_ef": ef}}).encode()
    head = "POST /collections/c/points/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def read_answer(link, kept):
    while b"\r\n\r\n" not in kept:
        kept += link.recv(65536)
    head, kept = kept.split(b"\r\n\r\n", 1)
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(kept[:300])
    size = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    while len(kept) < size:
        kept += link.recv(65536)
    return kept[:size], kept[size:]


def ask_over_rest(port, requests, count):
    """`count` requests on each connection; the number answered."""
    answered = [0] * CONNECTIONS

    def run(place):
        with socket.create_connection(("127.0.0.1", port)) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            kept = b""
            for i in range(count):
                link.sendall(requests[(place * count + i) % len(requests)])
                _, kept = read_answer(link, kept)
                answered[place] += 1

    threads = [threading.Thread(target=run, args=(place,)) for place in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(answered)


def fill(database, base):
    collection = database.create("c", base.shape[1])
    collection.upsert(np.arange(len(base), dtype=np.uint64), base)
    collection.wait_indexed()


def main(words):
    parser = argparse.ArgumentParser(prog="python -m bench rest", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", default="debian-768")
    parser.add_argument("--ef", type=int, default=100)
    parser.add_argument("--requests", type=int, default=1000, help="on each connection, in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=float, default=40.0, help="microseconds above the engine that are allowed")
    args = parser.parse_args(words)
    try:
        data_set = data.open_set(args.data)
    except data.Absent as reason:
        print(f"skipped: {reason}")
        return 0
    from octant import native

    base = np.ascontiguousarray(data_set.base(), dtype=np.float32)
    queries = np.ascontiguousarray(data_set.queries, dtype=np.float32)
    folder = os.path.join(places.BUILD, "bench", "rest")
    shutil.rmtree(folder, ignore_errors=True)
    with native.open(folder) as database:
        fill(database, base)
    requests = [request_of(query, args.ef) for query in queries]
    over_rest, alone = [], []
    server = Server(folder)
    copy = folder + ".copy"
    try:
        server.start()
        pid = server.process.pid
        ask_over_rest(server.port, requests, args.requests)
        wait_idle(pid)
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.sock", "lock"))
        with native.open(copy) as database:
            collection = database["c"]
            for _ in range(args.rounds):
                before = cpu_seconds(pid)
                answered = ask_over_rest(server.port, requests, args.requests)
                over_rest.append((cpu_seconds(pid) - before) / answered * 1e6)
                before = time.thread_time()
                for _ in range(4):
                    collection.search(queries, k=LIMIT, ef=args.ef, threads=1)
                alone.append((time.thread_time() - before) / (4 * len(queries)) * 1e6)
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(copy, ignore_errors=True)
    rest, engine = statistics.median(over_rest), statistics.median(alone)
    print(
        f"{data_set.name}, {len(base)} x {base.shape[1]}, ef {args.ef}, limit {LIMIT}, {CONNECTIONS} connections, "
        f"{args.rounds} rounds of {CONNECTIONS * args.requests} requests of {len(requests[0])} bytes"
    )
    print(f"server CPU per REST search  {rest:7.1f} us  ({min(over_rest):.1f} .. {max(over_rest):.1f})")
    print(f"engine CPU per search       {engine:7.1f} us  ({min(alone):.1f} .. {max(alone):.1f})")
    print(f"HTTP, JSON and sockets      {rest - engine:7.1f} us; allowed {args.most:.0f}")
    return 0 if rest - engine < args.most else 1
