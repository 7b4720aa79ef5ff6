"""The server seen from a socket: framing, limits, time, keys, stopping.

Goal:   whatever a client sends, well or ill meant, slowly or all at once, it gets an answer or a closed
        connection in bounded time, in order, and other clients do not notice.
Method: a server of its own per group of tests, in memory, on a free port of 127.0.0.1; bytes written by hand.
usage:  pytest tests/server    (the program is $OCTANT_BIN or build/octant)
"""
import gzip
import http.client
import json
import os
import random
import re
import select
import signal
import socket
import subprocess
import threading
import time
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("OCTANT_BIN", str(ROOT / "build" / "octant"))
SLOW = float(os.environ.get("OCTANT_TEST_SLOW", "5"))  # busy machines and sanitizer builds: more patience
VECTORS = {"vectors": {"size": 4, "distance": "Dot"}}


class Server:
    """`octant serve` on a free port, killed at the end at the latest."""

    def __init__(self, *flags, env=None, path=":memory:", cwd=None):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("QDRANT__", "OCTANT__"))}
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--path", path, "--host", "127.0.0.1", "--http-port", "0", *flags],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env={**clean, **(env or {})}, cwd=cwd, text=True)
        self.log = []
        self.port = None
        self.listening = threading.Event()
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()
        if not self.listening.wait(10 * SLOW) or self.port is None:
            self.kill()
            raise RuntimeError("the server did not start:\n" + "".join(self.log))

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line)
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                self.listening.set()
        self.listening.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stderr.close()

    def stop(self, timeout=10):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout * SLOW)

    def connect(self, timeout=10):
        return Client(self.port, timeout * SLOW)

    def call(self, method, path, body=None, headers=None):
        """One request on a connection of its own: (status, headers, bytes)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30 * SLOW)
        try:
            if isinstance(body, dict):
                body = json.dumps(body)
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()


class Answer:
    def __init__(self, status, headers, body, version):
        self.status, self.headers, self.body, self.version = status, headers, body, version

    @property
    def error(self):
        return json.loads(self.body)["status"]["error"]


class Client:
    """A plain socket that reads one answer at a time."""

    def __init__(self, port, timeout):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def _more(self):
        piece = self.socket.recv(1 << 16)
        if piece == b"":
            raise EOFError(f"closed, with {self.rest[:200]!r} unread")
        self.rest += piece

    def answer(self, method="GET"):
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ", 2)[:2]
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        status = int(status)
        size = 0 if method == "HEAD" or status in (100, 204, 304) else int(headers["content-length"])
        while len(self.rest) < size:
            self._more()
        body, self.rest = self.rest[:size], self.rest[size:]
        return Answer(status, headers, body, version)

    def is_closed(self, within):
        """The server hangs up (or resets) within so many seconds, without a byte more."""
        self.socket.settimeout(within * SLOW)
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


def get(path="/", extra=""):
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n{extra}\r\n"


def put(path, body, extra=""):
    body = json.dumps(body).encode() if isinstance(body, dict) else body
    return f"PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


@pytest.fixture(scope="module")
def server():
    if not os.path.exists(PROGRAM):
        pytest.fail(f"{PROGRAM} is not there: run make, or set OCTANT_BIN")
    with Server() as made:
        yield made
        assert made.process.poll() is None, "the server died:\n" + "".join(made.log)
        assert made.stop() == 0, "".join(made.log)


@pytest.fixture(scope="module")
def many(server):
    """Enough collections that their list is worth compressing."""
    for i in range(100):
        assert server.call("PUT", f"/collections/many_{i:03}", VECTORS)[0] == 200
    return [f"many_{i:03}" for i in range(100)]


# --- keep-alive and order --------------------------------------------------------------------------


def test_one_connection_serves_many_requests(server):
    with server.connect() as client:
        for i in range(200):
            client.send(get("/" if i % 2 else "/healthz"))
            answer = client.answer()
            assert answer.status == 200 and "connection" not in answer.headers
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.headers["date"])


def test_connection_close_closes(server):
    with server.connect() as client:
        client.send(get("/", "Connection: close\r\n"))
        answer = client.answer()
        assert answer.status == 200 and answer.headers["connection"] == "close"
        assert client.is_closed(2)


def test_http_1_0_closes_unless_asked(server):
    with server.connect() as client:
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert client.answer().headers["connection"] == "keep-alive"
        client.send("GET / HTTP/1.0\r\n\r\n")
        assert client.answer().headers["connection"] == "close"
        assert client.is_closed(2)


@pytest.mark.parametrize("piece", [1 << 20, 1000, 7])
def test_pipelined_requests_are_answered_in_order_and_see_earlier_writes(server, piece):
    """Writes go through worker threads, reads do not; on one connection they must not overtake."""
    names = [f"pipe_{piece}_{i}" for i in range(60)]
    text, want = b"", []
    for name in names:
        text += get(f"/collections/{name}").encode() + put(f"/collections/{name}", VECTORS)
        text += get(f"/collections/{name}").encode() + get("/healthz").encode()
        want += [404, 200, 200, 200]
    with server.connect(30) as client:
        sender = threading.Thread(target=lambda: [client.send(text[i:i + piece]) for i in range(0, len(text), piece)])
        sender.start()
        got = [client.answer() for _ in want]
        sender.join()
    assert [answer.status for answer in got] == want
    for i, name in enumerate(names):
        assert name in got[4 * i].error


def test_a_client_that_half_closes_still_gets_its_answers(server):
    with server.connect() as client:
        client.send(get("/collections/half").encode() + put("/collections/half", VECTORS) + get("/").encode())
        client.socket.shutdown(socket.SHUT_WR)
        assert [client.answer().status for _ in range(3)] == [404, 200, 200]
        assert client.is_closed(2)


def test_a_client_that_leaves_early_does_no_harm(server):
    for i in range(50):
        with server.connect() as client:
            client.send(put(f"/collections/gone_{i}", VECTORS) + get("/collections").encode() * 5)
        with server.connect() as client:
            client.send(put(f"/collections/gone_{i}", VECTORS)[:-3])
    assert server.call("GET", "/healthz")[0] == 200


def test_unread_answers_stop_the_work_and_nothing_is_lost(server, many):
    """Backpressure: 3,000 lists of collections asked for before the first is fetched."""
    count = 3000
    with server.connect(60) as greedy:
        greedy.send(get("/collections", "X: y\r\n") * 10)
        sender = threading.Thread(target=lambda: greedy.send(get("/collections") * (count - 10)))
        sender.start()
        for _ in range(20):  # meanwhile others are served
            started = time.monotonic()
            assert server.call("GET", "/healthz")[0] == 200
            assert time.monotonic() - started < 2 * SLOW
        for _ in range(count):
            answer = greedy.answer()
            assert answer.status == 200
        sender.join()
        assert len(json.loads(answer.body)["result"]["collections"]) >= len(many)


# --- encodings -------------------------------------------------------------------------------------


def test_answers_are_compressed_when_asked_and_worth_it(server, many):
    status, headers, plain = server.call("GET", "/collections")
    assert status == 200 and "content-encoding" not in headers and len(plain) > 1024
    for accept in ("gzip", "deflate, gzip;q=0.5", "*"):
        status, headers, body = server.call("GET", "/collections", headers={"Accept-Encoding": accept})
        assert headers["content-encoding"] == "gzip" and len(body) < len(plain) / 2
        assert json.loads(gzip.decompress(body))["result"] == json.loads(plain)["result"]
        assert "accept-encoding" in headers["vary"]
    for accept in ("identity", "gzip;q=0", "br"):
        assert "content-encoding" not in server.call("GET", "/collections", headers={"Accept-Encoding": accept})[1]
    assert "content-encoding" not in server.call("GET", "/", headers={"Accept-Encoding": "gzip"})[1]


@pytest.mark.parametrize("coding, pack", [
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", lambda data: zlib.compress(data)[2:-4]),
    ("identity", bytes),
])
def test_compressed_bodies_are_read(server, coding, pack):
    name = f"packed_{random.randrange(1 << 40)}"
    body = pack(json.dumps(VECTORS).encode())
    assert server.call("PUT", f"/collections/{name}", body, {"Content-Encoding": coding})[0] == 200
    assert server.call("GET", f"/collections/{name}")[0] == 200


def test_chunked_bodies_are_read(server):
    body = json.dumps(VECTORS).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (1, body[i:i + 1]) for i in range(len(body)))
    with server.connect() as client:
        client.send(b"PUT /collections/chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks +
                    b"0\r\n\r\n" + get("/collections/chunked").encode())
        assert [client.answer().status for _ in range(2)] == [200, 200]


def test_bad_compressed_bodies_are_refused(server):
    for body in (b"not gzip", gzip.compress(b"{}" * 100)[:-5], gzip.compress(b"{}") + b"x"):
        with server.connect() as client:
            client.send(put("/collections/bad", body, "Content-Encoding: gzip\r\n"))
            answer = client.answer()
            assert answer.status == 400 and answer.error
    with server.connect() as client:
        client.send(put("/collections/bad", b"x", "Content-Encoding: br\r\n"))
        assert client.answer().status == 415


# --- HEAD, OPTIONS, CORS ---------------------------------------------------------------------------


def test_head_is_get_without_the_body(server, many):
    with server.connect() as client:
        for path in ("/", "/healthz", "/collections", "/collections/none"):
            client.send(get(path))
            full = client.answer()
            client.send(get(path).replace("GET", "HEAD"))
            head = client.answer("HEAD")
            assert head.status == full.status
            assert abs(int(head.headers["content-length"]) - len(full.body)) < 20  # "time" may be a digit longer
        client.send(get("/"))
        assert client.answer().status == 200


def test_preflights_and_cors(server):
    wanted = {"Origin": "http://page", "Access-Control-Request-Method": "PUT",
              "Access-Control-Request-Headers": "api-key, content-type"}
    status, headers, _ = server.call("OPTIONS", "/collections/a/points", headers=wanted)
    assert status == 204 and headers["access-control-allow-origin"] == "*"
    assert "PUT" in headers["access-control-allow-methods"]
    assert headers["access-control-allow-headers"] == "api-key, content-type"
    assert server.call("GET", "/", headers={"Origin": "http://page"})[1]["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in server.call("GET", "/")[1]
    assert "GET" in server.call("OPTIONS", "/")[1]["allow"]
    with Server(env={"QDRANT__SERVICE__ENABLE_CORS": "false"}) as other:
        status, headers, _ = other.call("OPTIONS", "/collections/a", headers=wanted)
        assert not any(name.startswith("access-control") for name in headers)
        assert "access-control-allow-origin" not in other.call("GET", "/", headers={"Origin": "http://page"})[1]


# --- limits ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small():
    """A server with little patience and small bodies."""
    with Server(env={"QDRANT__SERVICE__MAX_REQUEST_SIZE_MB": "1",
                     "QDRANT__SERVICE__HTTP_CLIENT_REQUEST_TIMEOUT_SEC": "1",
                     "QDRANT__SERVICE__HTTP_KEEP_ALIVE_TIMEOUT_SEC": "1",
                     "QDRANT__SERVICE__HTTP_CLIENT_DISCONNECT_TIMEOUT_SEC": "2"}) as made:
        yield made
        assert made.process.poll() is None, "the server died:\n" + "".join(made.log)


def test_bodies_over_the_limit_are_refused(small):
    limit = 1 << 20
    status, _, body = small.call("PUT", "/collections/big", b" " * limit)
    assert status == 400, "at the limit it is only bad JSON"
    # http.client sends all of it before it reads: the answer must survive that.
    status, headers, body = small.call("PUT", "/collections/big", b" " * (limit + 1))
    assert status == 413 and headers["connection"] == "close"
    assert "max_request_size_mb" in json.loads(body)["status"]["error"]
    status, _, _ = small.call("PUT", "/collections/big", b" " * (20 * limit))
    assert status == 413
    with small.connect() as client:
        client.send("PUT /collections/big HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(17):
            client.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
        assert client.answer().status == 413
    bomb = gzip.compress(b"\0" * (200 * limit), 9)
    assert len(bomb) < limit
    started = time.monotonic()
    assert small.call("PUT", "/collections/big", bomb, {"Content-Encoding": "gzip"})[0] == 413
    assert time.monotonic() - started < 2 * SLOW
    assert small.call("GET", "/healthz")[0] == 200


def test_expect_continue(small):
    body = json.dumps(VECTORS).encode()
    head = "PUT /collections/expect HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with small.connect() as client:
        client.send(get("/").encode() + (head % len(body)).encode())
        assert client.answer().status == 200
        assert client.answer().status == 100
        client.send(body)
        assert client.answer().status == 200
    with small.connect() as client:
        client.send(head % (2 << 20))
        assert client.answer().status == 413, "no 100 before a refusal"
    with small.connect() as client:
        client.send((head % 5).replace("100-continue", "miracles"))
        assert client.answer().status == 417


def test_long_heads_are_refused(small):
    cases = [(get("/" + "a" * 20000), 414), (get("/", "X: " + "b" * 70000 + "\r\n"), 431),
             (get("/", "".join(f"X{i}: y\r\n" for i in range(10000))), 431)]
    for text, status in cases:
        with small.connect() as client:
            client.send(text)
            assert client.answer().status == status
            assert client.is_closed(5)


def test_ambiguous_requests_are_refused_and_end_the_connection(small):
    smuggled = get("/collections/smuggled")
    cases = [
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: one\r\n two\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    ]
    for text in cases:
        with small.connect() as client:
            client.send(get("/healthz") + text + smuggled)
            assert client.answer().status == 200, "what came before is answered"
            answer = client.answer()
            assert answer.status in (400, 501) and answer.headers["connection"] == "close" and answer.error
            assert client.is_closed(5), text


# --- time ------------------------------------------------------------------------------------------


def test_slow_heads_time_out_and_disturb_nobody(small):
    """Slowloris: 50 clients that send a byte now and then. Timeout 1 s, checked four times a second."""
    slow = [small.connect() for _ in range(50)]
    started = time.monotonic()
    for client in slow:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n")
    waiting, worst = set(slow), 0.0
    ended = {}
    while waiting and time.monotonic() - started < 10 * SLOW:
        for client in list(waiting):
            if select.select([client.socket], [], [], 0)[0]:
                ended[client] = time.monotonic() - started
                waiting.discard(client)
                assert client.answer().status == 408
            else:
                client.send("X")
        called = time.monotonic()
        assert small.call("GET", "/healthz")[0] == 200
        worst = max(worst, time.monotonic() - called)
        time.sleep(0.1)
    assert not waiting
    assert min(ended.values()) > 0.9 and max(ended.values()) < 3 * SLOW
    assert worst < 0.5 * SLOW
    for client in slow:
        client.socket.close()


def test_slow_bodies_time_out_and_steady_ones_do_not(small):
    head = "PUT /collections/steady HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    body = json.dumps(VECTORS).encode() + b" " * 20000
    with small.connect(20) as drip, small.connect(20) as steady:
        drip.send(head % 100000)
        steady.send(head % len(body))
        started = time.monotonic()
        for i in range(0, len(body), len(body) // 7 + 1):  # 7 s, 2.9 kB/s: slow, but above the least rate
            steady.send(body[i:i + len(body) // 7 + 1])
            try:
                drip.send(b"x")
            except OSError:
                pass  # it has been hung up on already
            time.sleep(1)
        assert drip.answer().status == 408
        assert steady.answer().status == 200
        assert time.monotonic() - started < 12 * SLOW


def test_idle_connections_are_closed_without_a_word(small):
    with small.connect() as fresh, small.connect() as used:
        used.send(get("/"))
        assert used.answer().status == 200
        started = time.monotonic()
        assert used.is_closed(4) and fresh.is_closed(4)
        assert 0.7 < time.monotonic() - started < 4 * SLOW


def test_idle_time_begins_after_the_last_answer(small):
    with small.connect() as client:
        for _ in range(6):  # 3 s in all, with a keep-alive time of 1 s
            client.send(get("/"))
            assert client.answer().status == 200
            time.sleep(0.5)


# --- many at once ----------------------------------------------------------------------------------


def test_two_hundred_connections_at_once(server):
    clients = [server.connect(30) for _ in range(200)]
    try:
        for round_ in range(3):
            for i, client in enumerate(clients):
                client.send(put(f"/collections/crowd_{i % 10}", b"{}") if (i + round_) % 20 == 0 else get("/healthz"))
            for i, client in enumerate(clients):
                answer = client.answer()
                assert answer.status == 200 or (i + round_) % 20 == 0
    finally:
        for client in clients:
            client.socket.close()


def test_malformed_floods_are_bounded_in_time(server):
    """1,000 connections of mutated or random bytes, seed 31; an honest client is served meanwhile."""
    rng = random.Random(31)
    seeds = [put("/collections/flood", VECTORS), get("/collections").encode(),
             b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
    started, worst = time.monotonic(), 0.0
    for i in range(1000):
        text = bytearray(rng.choice(seeds)) if i % 3 else bytearray(rng.randbytes(rng.randrange(1, 3000)))
        for _ in range(rng.randrange(1, 5)):
            at = rng.randrange(len(text))
            text[at:at + rng.randrange(3)] = rng.choice([b"\r\n", b"\0", b"\xff", b"", b" ", b":", b"9" * 30])
        with server.connect() as client:
            try:
                client.send(bytes(text))
                client.socket.shutdown(socket.SHUT_WR)
                while client.socket.recv(65536):
                    pass
            except (ConnectionResetError, BrokenPipeError):
                pass
        if i % 50 == 0:
            called = time.monotonic()
            assert server.call("GET", "/healthz")[0] == 200
            worst = max(worst, time.monotonic() - called)
    assert time.monotonic() - started < 30 * SLOW
    assert worst < 0.5 * SLOW


def test_long_writes_do_not_delay_short_reads():
    """One event loop, and writers that keep the workers busy: a read on that loop must not wait for them."""
    points = {"points": [{"id": i, "vector": [i, 1, 2, 3], "payload": {"text": "x" * 300}} for i in range(3000)]}
    body = json.dumps(points).encode()
    with Server(env={"OCTANT__SERVICE__MAX_WORKERS": "1"}) as busy:
        assert busy.call("PUT", "/collections/busy", VECTORS)[0] == 200
        is_over = threading.Event()
        statuses = []

        def write():
            while not is_over.is_set():
                statuses.append(busy.call("PUT", "/collections/busy/points?wait=true", body)[0])

        writers = [threading.Thread(target=write) for _ in range(3)]
        for writer in writers:
            writer.start()
        times = []
        with busy.connect() as client:
            until = time.monotonic() + 2
            while time.monotonic() < until:
                called = time.monotonic()
                client.send(get("/collections/busy"))
                assert client.answer().status == 200
                times.append(time.monotonic() - called)
        is_over.set()
        for writer in writers:
            writer.join()
        times.sort()
        assert set(statuses) == {200}
        assert times[len(times) // 2] < 0.05 * SLOW, f"median {times[len(times) // 2]:.4f} s"


# --- keys ------------------------------------------------------------------------------------------


def test_api_keys():
    env = {"QDRANT__SERVICE__API_KEY": "full", "QDRANT__SERVICE__ALT_API_KEY": "other",
           "QDRANT__SERVICE__READ_ONLY_API_KEY": "look"}
    with Server(env=env) as locked:
        def status(method, path, key=None, **headers):
            if key is not None:
                headers["api-key"] = key
            return locked.call(method, path, b"{}" if method in ("PUT", "POST") else None, headers)

        missing, wrong = status("GET", "/collections"), status("GET", "/collections", "bad")
        assert missing[0] == 401 and missing[2] == b"Must provide an API key or an Authorization bearer token"
        assert wrong[0] == 401 and wrong[2] == b"Invalid API key or JWT"
        assert missing[1]["content-type"].startswith("text/plain")
        for path in ("/", "/healthz", "/livez", "/readyz"):
            assert status("GET", path)[0] == 200
        for key in ("full", "other", "look"):
            assert status("GET", "/collections", key)[0] == 200
            assert status("GET", "/collections", Authorization=f"Bearer {key}")[0] == 200
        for key in ("full", "other"):
            assert locked.call("PUT", f"/collections/{key}", VECTORS, {"api-key": key})[0] == 200
        for method, path in (("PUT", "/collections/x"), ("DELETE", "/collections/full"),
                             ("POST", "/collections/full/points/delete"), ("POST", "/collections/aliases")):
            answer = status(method, path, "look")
            assert answer[0] == 403 and "Forbidden" in json.loads(answer[2])["status"]["error"]
        assert status("POST", "/collections/full/points/scroll", "look")[0] == 200
        assert status("OPTIONS", "/collections")[0] == 204
        with locked.connect() as client:  # refused, but the connection lives on
            client.send(put("/collections/x", b"x" * 5000) + get("/healthz").encode())
            assert [client.answer().status for _ in range(2)] == [401, 200]
        with locked.connect() as client:
            client.send("PUT /collections/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
            assert client.answer().status == 401, "no 100 for strangers"
        assert not any("full" in line or "look" in line for line in locked.log)
        assert any("API key required" in line for line in locked.log)


# --- stopping --------------------------------------------------------------------------------------


def test_sigterm_finishes_what_was_begun():
    with Server() as stopping, stopping.connect() as begun, stopping.connect() as idle:
        text = put("/collections/late", VECTORS)
        begun.send(text[:-1])
        idle.send(get("/"))
        assert idle.answer().status == 200
        time.sleep(0.2)
        stopping.process.send_signal(signal.SIGTERM)
        assert idle.is_closed(2), "nothing to wait for"
        deadline = time.monotonic() + 2 * SLOW  # each loop closes its own door
        with pytest.raises(OSError):
            while time.monotonic() < deadline:
                stopping.connect().socket.close()
        assert stopping.process.poll() is None
        begun.send(text[-1:])
        answer = begun.answer()
        assert answer.status == 200 and answer.headers["connection"] == "close"
        assert stopping.process.wait(5 * SLOW) == 0
        assert any("stopped" in line for line in stopping.log)


def test_a_signal_sent_twice_in_one_breath_is_one_signal(tmp_path):
    """As timeout(1) does: to the process, and to its group."""
    with Server(path=str(tmp_path / "data")) as stopping:
        assert stopping.call("PUT", "/collections/kept", VECTORS)[0] == 200
        for _ in range(2):
            stopping.process.send_signal(signal.SIGTERM)
        assert stopping.process.wait(10 * SLOW) == 0
        stopping.reader.join()
        assert any("stopped" in line and "at once" not in line for line in stopping.log), stopping.log


def test_second_signal_stops_at_once():
    with Server() as stopping, stopping.connect() as begun:
        begun.send(put("/collections/late", VECTORS)[:-1])
        time.sleep(0.2)
        stopping.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert stopping.process.poll() is None
        stopping.process.send_signal(signal.SIGINT)
        assert stopping.process.wait(2 * SLOW) not in (0, None)


def test_sigterm_under_load_leaves_no_request_without_an_answer():
    """Every request that was answered at all was answered whole, and the exit is clean."""
    with Server() as stopping:
        broken = []

        def work(number):
            i = 0
            while True:
                i += 1
                try:
                    with stopping.connect() as client:
                        for _ in range(20):
                            client.send(put(f"/collections/load_{number}_{i % 7}", VECTORS))
                            answer = client.answer()
                            if answer.status not in (200, 409):
                                broken.append(answer.status)
                            if answer.headers.get("connection") == "close":
                                break
                except EOFError as ended:  # closed between requests: nothing may be half there
                    if "b''" not in str(ended):
                        broken.append(str(ended))
                except OSError:
                    if stopping.process.poll() is not None:
                        return
                    time.sleep(0.01)

        workers = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(8)]
        for worker in workers:
            worker.start()
        time.sleep(0.5)
        assert stopping.stop() == 0
        for worker in workers:
            worker.join(20 * SLOW)
        assert broken == []


# --- the program -----------------------------------------------------------------------------------


def run(*arguments, env=None, cwd=None):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=20 * SLOW, cwd=cwd,
                          env={**os.environ, **(env or {})})


def test_mistakes_on_the_command_line_are_explained(server, tmp_path):
    assert run().returncode == 2
    assert run("help").returncode == 0 and "serve" in run("help").stdout
    assert "--http-port" in run("help", "serve").stdout and "--http-port" in run("serve", "--help").stdout
    assert "Qdrant API 1.19.0" in run("version").stdout
    cases = [
        (["srve"], 2, 'did you mean "serve"?'),
        (["serve", "--prt", "1"], 2, "there is no flag --prt"),
        (["serve", "--http-prt", "1"], 2, "did you mean --http-port?"),
        (["serve", "--host"], 2, "--host needs a value"),
        (["serve", "--http-port", "70000"], 1, "must be a whole number from 0 to 65535"),
        (["serve", "--config", "/no/such.yaml"], 1, "/no/such.yaml"),
        (["serve", "--path", ":memory:", "--host", "192.0.2.1"], 1, "not an address of this machine"),
        (["serve", "--path", ":memory:", "--host", "127.0.0.1", "--http-port", str(server.port)], 1,
         f"port {server.port} on 127.0.0.1 is in use"),
        (["info"], 2, "PATH is missing"),
        (["info", "a", "b"], 2, "one argument too many"),
        (["info", "/no/such/folder"], 1, "/no/such/folder"),
        (["check", "/no/such/folder"], 1, "/no/such/folder"),
    ]
    for arguments, code, text in cases:
        result = run(*arguments, cwd=tmp_path)
        assert result.returncode == code and text in result.stderr, (arguments, result)
        assert "Traceback" not in result.stderr


def test_configuration_files(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("service:\n  api_key: from-default-file\n  hots: x\n")
    (tmp_path / "other.yaml").write_text("service:\n  max_request_size_mb: 1\n")
    with Server("--config", "other.yaml", cwd=tmp_path) as configured:
        assert configured.call("GET", "/collections")[0] == 401
        assert configured.call("GET", "/collections", headers={"api-key": "from-default-file"})[0] == 200
        assert configured.call("PUT", "/collections/a", b" " * (2 << 20), {"api-key": "from-default-file"})[0] == 413
        assert any('config/config.yaml:3: unknown key "service.hots", ignored' in line for line in configured.log)
    (tmp_path / "other.yaml").write_text("service:\n  enable_tls: true\n")
    result = run("serve", "--path", ":memory:", "--config", "other.yaml", cwd=tmp_path)
    assert result.returncode == 1 and "other.yaml:2: service.enable_tls" in result.stderr


def test_what_new_collections_have_comes_from_the_configuration(tmp_path):
    (tmp_path / "c.yaml").write_text("""
storage:
  on_disk_payload: false
  max_collections: 2
  hnsw_index: {m: 24, ef_construct: 77, full_scan_threshold_kb: 5000}
  optimizers: {deleted_threshold: 0.4, max_optimization_threads: null}
  collection:
    vectors: {on_disk: true}
    strict_mode: {enabled: true, max_query_limit: 50}
    quantization: {scalar: {type: int8, always_ram: true}}
  quotas: {enabled: true, max_disk_usage_percent: 99}
""")
    env = {"QDRANT__STORAGE__HNSW_INDEX__M": "20"}
    with Server("--config", "c.yaml", cwd=tmp_path, env=env) as configured:
        body = {**VECTORS, "hnsw_config": {"ef_construct": 88}}
        assert configured.call("PUT", "/collections/a", body)[0] == 200
        config = json.loads(configured.call("GET", "/collections/a")[2])["result"]["config"]
        assert config["params"]["vectors"] == {"size": 4, "distance": "Dot", "on_disk": True}
        assert config["params"]["on_disk_payload"] is False
        assert [config["hnsw_config"][key] for key in ("m", "ef_construct", "full_scan_threshold")] == [20, 88, 5000]
        assert config["optimizer_config"]["deleted_threshold"] == 0.4
        assert config["quantization_config"] == {"scalar": {"type": "int8", "always_ram": True}}
        assert config["strict_mode_config"] == {"enabled": True, "max_query_limit": 50}
        chosen = {"vectors": {"size": 4, "distance": "Dot", "on_disk": False}, "hnsw_config": {"m": 8}}
        assert configured.call("PUT", "/collections/b", chosen)[0] == 200
        config = json.loads(configured.call("GET", "/collections/b")[2])["result"]["config"]
        assert config["params"]["vectors"]["on_disk"] is False and config["hnsw_config"]["m"] == 8
        status, _, body = configured.call("PUT", "/collections/c", VECTORS)
        assert status == 400 and b"Max collections limit reached: 2" in body
        assert json.loads(configured.call("GET", "/quotas")[2])["result"]["config"]["max_disk_usage_percent"] == 99
    for wrong, text in (("hnsw_index: {m: x}", "hnsw_config.m"), ("hnsw_index: {m: 100000}", "512 or smaller"),
                        ("collection: {strict_mode: {enabled: 7}}", "strict_mode_config.enabled")):  # fmt: skip
        (tmp_path / "c.yaml").write_text(f"storage:\n  {wrong}\n")
        result = run("serve", "--path", ":memory:", "--config", "c.yaml", cwd=tmp_path)
        assert result.returncode == 1 and text in result.stderr


def test_readiness_is_told_to_the_service_manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5 * SLOW)
        with Server(env={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as ready:
            assert manager.recv(100) == b"READY=1"
            assert ready.stop() == 0
            assert manager.recv(100) == b"STOPPING=1"


def test_start_up_lines_tell_what_is_served(server):
    text = "".join(server.log)
    for part in ("octant ", "Qdrant API 1.19.0", "kernels ", "listening on http://127.0.0.1:", "no API key"):
        assert part in text


def result_of(server, method, path, body=None, headers=None):
    status, _, answer = server.call(method, path, body, headers)
    assert status == 200, (status, answer)
    return json.loads(answer)["result"]


def test_slow_requests_and_missing_indexes_are_told():
    with Server(env={"QDRANT__SERVICE__SLOW_QUERY_SECS": "0", "OCTANT__SERVICE__GRPC_PORT": "0"}) as server:
        assert result_of(server, "GET", "/issues") == {"issues": []}
        result_of(server, "PUT", "/collections/c", VECTORS)
        wanted = {"filter": {"must": [{"key": "city", "match": {"value": "Oslo"}}]}}
        result_of(server, "POST", "/collections/c/points/scroll", wanted)
        (issue,) = result_of(server, "GET", "/issues")["issues"]
        assert issue["id"] == "UNINDEXED_FIELD/c/city" and issue["related_collection"] == "c"
        # The solution is a request: what it says helps.
        action = issue["solution"]["immediate_choice"][0]["action"]
        result_of(server, action["method"], action["uri"] + "?wait=true", action["body"], action["headers"])
        assert result_of(server, "GET", "/issues") == {"issues": []}
        (slow,) = result_of(server, "GET", "/profiler/slow_requests?request=scroll")["requests"]
        assert slow["request_body"] == wanted and slow["collection_name"] == "c" and slow["duration"] > 0
        assert result_of(server, "DELETE", "/issues") is True


def test_the_log_level_changes_while_it_runs():
    with Server(env={"QDRANT__LOG_LEVEL": "ERROR", "OCTANT__SERVICE__GRPC_PORT": "0", "QDRANT__SERVICE__API_KEY": "k",
                     "QDRANT__SERVICE__READ_ONLY_API_KEY": "r", "OCTANT__LOG_LEVEL": "INFO"}) as server:
        key, reader = {"api-key": "k"}, {"api-key": "r"}
        assert result_of(server, "GET", "/logger", headers=reader)["log_level"] == "INFO"
        assert server.call("POST", "/logger", {"log_level": "DEBUG"}, reader)[0] == 403
        assert server.call("GET", "/profiler/slow_requests", None, reader)[0] == 403
        result_of(server, "GET", "/collections/", headers=key)
        result_of(server, "POST", "/logger", {"log_level": "debug"}, key)
        assert result_of(server, "GET", "/logger", headers=key)["log_level"] == "DEBUG"
        result_of(server, "GET", "/aliases", headers=key)
        result_of(server, "POST", "/logger", {"log_level": "OFF"}, key)
        result_of(server, "GET", "/quotas", headers=key)
        assert server.stop() == 0
        server.reader.join()
        told = "".join(server.log)
        assert "GET /aliases -> 200" in told and "GET /quotas" not in told and "GET /collections/" not in told
