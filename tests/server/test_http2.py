"""Goal:   REST over HTTP/2 (prior knowledge, on the REST port) is the REST of HTTP/1.1, and its frames are no new way to do harm.
Method: each request by both, answers compared up to times; httpx and h2 as clients; hostile frames written by hand, after
        which the server must answer as before.
"""

import asyncio
import gzip
import json
import socket
import struct
import threading

import pytest


httpx = pytest.importorskip("httpx")
pytest.importorskip("h2")
hpack = pytest.importorskip("hpack")

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = struct.pack(">I", 0)[1:] + b"\x04\x00" + struct.pack(">I", 0)
RST_STREAM, GOAWAY, CONTINUATION, HEADERS, DATA = 3, 7, 9, 1, 0


@pytest.fixture(scope="module")
def server(serving):
    with serving("http2") as started:
        yield started


@pytest.fixture
def h2_client(server):
    with httpx.Client(http1=False, http2=True, base_url=server.url, timeout=60) as client:
        yield client


def shown(answer):
    """What must be the same: not the date, the time taken, and what belongs to a connection."""
    headers = {k: v for k, v in answer.headers.items() if k not in ("date", "connection", "content-length")}
    try:
        body = answer.json()
        if isinstance(body, dict):
            body.pop("time", None)
    except ValueError:
        body = answer.content
    return answer.status_code, headers, body


POINTS = [{"id": i, "vector": [i, 1, 2, 3], "payload": {"text": "again and again " * 20, "n": i}} for i in range(300)]
STEPS = [
    ("GET", "/", {}),
    ("PUT", "/collections/NAME", {"json": {"vectors": {"size": 4, "distance": "Dot"}}}),
    ("PUT", "/collections/NAME", {"json": {"vectors": {"size": 4, "distance": "Dot"}}}),  # 409
    ("PUT", "/collections/NAME/points?wait=true", {"json": {"points": POINTS}}),
    ("PUT", "/collections/NAME/points?wait=true", {"content": gzip.compress(json.dumps({"points": POINTS}).encode()),
                                                   "headers": {"content-encoding": "gzip"}}),
    ("PUT", "/collections/NAME/points?wait=true", {"content": b"\x1f\x8b no", "headers": {"content-encoding": "gzip"}}),
    ("POST", "/collections/NAME/points/query", {"json": {"query": [1, 2, 3, 4], "limit": 3, "with_payload": True}}),
    ("POST", "/collections/NAME/points/query", {"json": {"query": [1, 2], "limit": 3}}),  # 400
    ("POST", "/collections/NAME/points/query", {"content": b"{"}),
    ("POST", "/collections/NAME/points/scroll", {"json": {"limit": 300, "with_vector": True}}),
    ("POST", "/collections/NAME/points/scroll", {"json": {"limit": 300}, "headers": {"accept-encoding": "identity"}}),
    ("POST", "/collections/NAME/points/count", {"json": {"exact": True}}),
    ("GET", "/collections/NAME/points/7", {}),
    ("HEAD", "/collections/NAME/points/7", {}),
    ("GET", "/collections/NAME/points/7777", {}),
    ("GET", "/nothing/here", {}),
    ("GET", "/" + "a" * 20000, {}),  # 414
    ("BREW", "/collections", {}),
    ("OPTIONS", "/collections", {"headers": {"origin": "http://a", "access-control-request-method": "GET",
                                             "access-control-request-headers": "api-key"}}),
    ("GET", "/collections", {"headers": {"origin": "http://a"}}),
    ("DELETE", "/collections/NAME", {}),
]  # fmt: skip


def test_answers_are_those_of_http_1(server, h2_client):
    with httpx.Client(base_url=server.url, timeout=60) as h1_client:
        for number, (method, path, arguments) in enumerate(STEPS):
            one, two = (
                client.request(method, path.replace("NAME", name), **arguments)
                for client, name in ((h1_client, "one"), (h2_client, "two"))
            )
            assert (one.http_version, two.http_version) == ("HTTP/1.1", "HTTP/2")
            seen = [json.dumps(shown(answer), default=str) for answer in (one, two)]
            seen = [text.replace("two", "one") for text in seen]
            assert seen[0] == seen[1], f"step {number}: {method} {path}"


def test_bodies_may_be_large_and_come_in_any_pieces(h2_client):
    h2_client.put("/collections/large", json={"vectors": {"size": 256, "distance": "Dot"}})
    points = [{"id": i, "vector": [i / 7] * 256} for i in range(2000)]
    whole = json.dumps({"points": points}).encode()
    assert len(whole) > 4 << 20  # more than all windows together

    def pieces():
        step = 1
        at = 0
        while at < len(whole):
            yield whole[at : at + step]
            at += step
            step = min(step * 3, 500_000)

    answer = h2_client.put("/collections/large/points?wait=true", content=pieces(), headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    scrolled = h2_client.post("/collections/large/points/scroll", json={"limit": 2000, "with_vector": True}).json()
    assert [point["id"] for point in scrolled["result"]["points"]] == list(range(2000))


def test_snapshots_go_down_and_up(server, h2_client):
    """The answer is a file sent in pieces, the request a form written to a file."""
    h2_client.put("/collections/kept", json={"vectors": {"size": 64, "distance": "Dot"}})
    points = [{"id": i, "vector": [i / 7] * 64} for i in range(3000)]
    h2_client.put("/collections/kept/points?wait=true", json={"points": points})
    name = h2_client.post("/collections/kept/snapshots").json()["result"]["name"]
    body = h2_client.get(f"/collections/kept/snapshots/{name}")
    assert body.status_code == 200 and int(body.headers["content-length"]) == len(body.content) > 300_000
    assert httpx.get(f"{server.url}/collections/kept/snapshots/{name}").content == body.content
    answer = h2_client.post("/collections/again/snapshots/upload?priority=snapshot", files={"snapshot": body.content})
    assert answer.status_code == 200, answer.text
    assert h2_client.post("/collections/again/points/count", json={"exact": True}).json()["result"]["count"] == 3000


def test_many_streams_and_clients_at_once(server):
    """By asyncio: httpx's connections must not be shared by threads."""
    httpx.put(f"{server.url}/collections/many", json={"vectors": {"size": 4, "distance": "Dot"}})

    async def write_and_read(number):
        ids = range(100 * number, 100 * number + 100)
        async with httpx.AsyncClient(http1=False, http2=True, base_url=server.url, timeout=120) as client:
            points = [{"points": [{"id": i, "vector": [1, 2, 3, i]}]} for i in ids]
            written = await asyncio.gather(*(client.put("/collections/many/points?wait=true", json=body) for body in points))
            assert {answer.status_code for answer in written} == {200}
            read = await asyncio.gather(*(client.get(f"/collections/many/points/{i}") for i in ids))
            assert [answer.json()["result"]["id"] for answer in read] == list(ids)

    async def all_of_them():
        await asyncio.gather(*map(write_and_read, range(4)))

    asyncio.run(all_of_them())


@pytest.mark.parametrize("piece", [1, 5, 24])
def test_the_preface_may_come_in_pieces(server, piece):
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        whole = PREFACE + SETTINGS + headers(1)
        for at in range(0, len(whole), piece):
            made.sendall(whole[at : at + piece])
        assert any(kind == HEADERS for kind, _, _, _ in frames(made, until=HEADERS))


def test_what_only_begins_like_http_2_is_http_1(server):
    for text in (b"PRI * HTTP/1.1\r\nhost: a\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r!", b"P" * 30 + b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as made:
            made.sendall(text)
            assert made.recv(4096).startswith(b"HTTP/1.1 400")


# --- keys and ends -----------------------------------------------------------------------------------------


def test_keys_are_asked_for(serving):
    keys = {"SERVICE__API_KEY": "whole", "SERVICE__READ_ONLY_API_KEY": "reader"}
    with serving("http2", **keys) as keyed, httpx.Client(http1=False, http2=True, base_url=keyed.url, timeout=60) as client:
        body = {"vectors": {"size": 4, "distance": "Dot"}}
        for key, reading, writing in ((None, 401, 401), ("wrong", 401, 401), ("reader", 200, 403), ("whole", 200, 200)):
            sent = {} if key is None else {"api-key": key}
            assert client.get("/collections", headers=sent).status_code == reading
            assert client.put("/collections/c", json=body, headers=sent).status_code == writing
        assert client.get("/healthz").status_code == 200
        keyed.stop()  # with the connection open


# --- hostile ------------------------------------------------------------------------------------------------


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def block(method=b"GET", path=b"/collections", more=()):
    fields = [(":method", method), (":scheme", b"http"), (":path", path), (":authority", b"a"), *more]
    return hpack.Encoder().encode(fields, huffman=False)


def headers(stream, flags=0x5, **fields):  # END_HEADERS, END_STREAM
    return frame(HEADERS, flags, stream, block(**fields))


def frames(made, until=None):
    """What the server sends, until it hangs up or a frame of that kind has come."""
    data = b""
    while True:
        try:
            piece = made.recv(65536)
        except ConnectionResetError:
            return
        if not piece:
            return
        data += piece
        while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
            size = int.from_bytes(data[:3], "big")
            kind, flags, stream = data[3], data[4], int.from_bytes(data[5:9], "big")
            yield kind, flags, stream, data[9 : 9 + size]
            if kind == until:
                return
            data = data[9 + size :]


def attack(server, rest):
    """Returns when the server has hung up or said GOAWAY; if it does neither, reading times out."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as made:
        try:
            made.sendall(PREFACE + SETTINGS + rest)
        except (ConnectionResetError, BrokenPipeError):
            return
        for _ in frames(made, until=GOAWAY):
            pass


def is_well(server):
    with httpx.Client(http1=False, http2=True, base_url=server.url, timeout=60) as client:
        return client.get("/collections").status_code == 200


def test_rapid_resets_end_the_connection(server):
    opened = b"".join(headers(2 * i + 1, flags=0x4) + frame(RST_STREAM, 0, 2 * i + 1, struct.pack(">I", 8)) for i in range(5000))
    attack(server, opened)
    assert is_well(server)


def test_a_flood_of_continuations_ends_the_connection(server):
    attack(server, frame(HEADERS, 0x1, 1, block()) + frame(CONTINUATION, 0, 1) * 1000)
    assert is_well(server)


def test_huge_headers_cost_their_stream_at_most(server):
    big = [(f"x-{i}", b"v" * 4000) for i in range(12)]
    part = block(more=big)
    pieces = [part[at : at + 16000] for at in range(0, len(part), 16000)]
    sent = frame(HEADERS, 0x1, 1, pieces[0])
    sent += b"".join(frame(CONTINUATION, 0x4 if i == len(pieces) - 2 else 0, 1, piece) for i, piece in enumerate(pieces[1:]))
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as made:
        made.sendall(PREFACE + SETTINGS + sent)
        ends = [kind for kind, _, _, _ in frames(made, until=RST_STREAM) if kind in (RST_STREAM, GOAWAY, HEADERS)]
    assert ends and ends[-1] == RST_STREAM
    assert is_well(server)


def test_a_body_that_is_not_as_announced_is_not_taken(server):
    httpx.put(f"{server.url}/collections/announced", json={"vectors": {"size": 1, "distance": "Dot"}})
    smuggled = b'{"points": [{"id": 1, "vector": [1]}]}PUT /collections/announced/points HTTP/1.1\r\n\r\n'
    for size, body in ((38, smuggled), (400, smuggled)):
        opened = headers(1, flags=0x4, method=b"PUT", path=b"/collections/announced/points?wait=true",
                         more=[("content-length", str(size).encode())])  # fmt: skip
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as made:
            made.sendall(PREFACE + SETTINGS + opened + frame(DATA, 0x1, 1, body))
            kinds = [kind for kind, _, stream, _ in frames(made, until=RST_STREAM) if stream == 1]
        assert kinds == [RST_STREAM]
    assert httpx.post(f"{server.url}/collections/announced/points/count", json={}).json()["result"]["count"] == 0
    assert is_well(server)


def test_noise_after_the_preface_ends_the_connection(server):
    attack(server, b"\xff" * 4096)
    assert is_well(server)


def test_streams_that_are_left_while_they_run_do_no_harm(server):
    """Clients that reset their streams, or hang up, at any moment."""
    httpx.put(f"{server.url}/collections/left", json={"vectors": {"size": 4, "distance": "Dot"}})

    def leave(number):
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as made:
            body = json.dumps({"points": [{"id": number, "vector": [1, 2, 3, 4]}]}).encode()
            sent = PREFACE + SETTINGS
            for i in range(8):
                stream = 2 * i + 1
                sent += headers(stream, flags=0x4, method=b"PUT", path=b"/collections/left/points?wait=true")
                sent += frame(DATA, 0x1 if i % 2 else 0, stream, body)
                sent += frame(RST_STREAM, 0, stream, struct.pack(">I", 8)) if i % 3 == 0 else b""
            made.sendall(sent[: len(sent) - number % 50])

    threads = [threading.Thread(target=leave, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert is_well(server)
    server.stop()  # ends by itself, with 0: nothing is held any more
