"""Goal:   an HTTP request through the transport reaches the engine as it is, and its answer comes back as it is.
Method:   a fake library that echoes requests (fake_library.c), called by httpx as the official client calls it.
"""

import asyncio
import copy
import gzip
import pickle
import threading
import time
import zlib

import httpx
import pytest

import octant

URL = "http://octant:6333"


def echo(response):
    assert response.status_code == 200
    return response.json()["result"]


def test_method_target_and_body_arrive_as_sent(fake):
    with httpx.Client(transport=octant.OctantTransport()) as client:
        response = client.post(
            URL + "/collections/a%2Fb%20%C3%BC/points?wait=true&x=%7B", content=b"x" * 100_000
        )
        assert echo(response) == {
            "method": "POST", "target": "/collections/a%2Fb%20%C3%BC/points?wait=true&x=%7B", "body_bytes": 100_000,
        }  # fmt: skip
        assert response.headers["content-type"] == "application/json"
        assert int(response.headers["content-length"]) == len(response.content)
        assert echo(client.get(URL + "/")) == {"method": "GET", "target": "/", "body_bytes": 0}
        assert echo(client.get(URL))["target"] == "/"
        streamed = client.put(URL + "/s", content=iter([b"ab", b"c"]))
        assert echo(streamed)["body_bytes"] == 3


def test_head_is_get_without_the_body(fake):
    with httpx.Client(transport=octant.OctantTransport()) as client:
        full = client.get(URL + "/healthz")
        response = client.head(URL + "/healthz")
        assert (response.status_code, response.content) == (200, b"")
        assert response.headers["content-length"] == str(len(full.content))


def test_a_retry_is_passed_on(fake):
    with httpx.Client(transport=octant.OctantTransport()) as client:
        response = client.get(URL + "/retry")
        assert (response.status_code, response.headers["retry-after"]) == (429, "7")
        assert "retry-after" not in client.get(URL + "/").headers


@pytest.mark.parametrize(
    "encoding, encode", [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)]
)
def test_encoded_bodies_arrive_decoded(fake, encoding, encode):
    with httpx.Client(transport=octant.OctantTransport()) as client:
        sent = client.put(URL + "/", content=encode(b"z" * 5000), headers={"content-encoding": encoding})
        assert echo(sent)["body_bytes"] == 5000


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_a_body_that_cannot_be_decoded_is_a_bad_request(fake, encoding):
    with httpx.Client(transport=octant.OctantTransport()) as client:
        response = client.put(URL + "/", content=b"no such thing", headers={"content-encoding": encoding})
        assert response.status_code == 400
        assert encoding in response.json()["status"]["error"]


def test_async_calls_leave_the_loop_free_and_run_in_parallel(fake):
    """Method: eight calls of 200 ms and a ticker at once; the ticker must go on meanwhile."""

    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        async with httpx.AsyncClient(transport=octant.AsyncOctantTransport()) as client:
            ticker = asyncio.ensure_future(tick())
            answers = await asyncio.gather(*[client.get(URL + "/?sleep=200") for _ in range(8)])
            ticker.cancel()
        assert [answer.status_code for answer in answers] == [200] * 8
        return ticks

    assert asyncio.run(main()) >= 8
    assert fake.calls_most == 8


def test_one_transport_serves_both_kinds_of_client(fake):
    transport = octant.AsyncOctantTransport()
    client = httpx.Client(transport=transport)

    async def main():
        return await httpx.AsyncClient(transport=transport).get(URL + "/a")

    assert echo(asyncio.run(main()))["target"] == "/a"
    assert echo(client.get(URL + "/b"))["target"] == "/b"
    transport.close()
    transport.close()
    with pytest.raises(RuntimeError, match="the client's database was closed"):
        client.get(URL + "/c")


def test_closing_the_async_client_closes_the_database(fake):
    async def main():
        async with httpx.AsyncClient(transport=octant.AsyncOctantTransport()) as client:
            await client.get(URL + "/")
            assert fake.close_count == 0

    asyncio.run(main())
    assert fake.close_count == 1


def test_a_native_database_and_a_transport_share(fake):
    with octant.open() as db:
        transport = octant.OctantTransport(db)
        assert fake.open_count == 1
        with pytest.raises(TypeError, match="the database is open already; sync cannot be given"):
            octant.OctantTransport(db, sync="never")
    with httpx.Client(transport=transport) as client:
        assert echo(client.get(URL + "/"))["method"] == "GET"
        assert fake.close_count == 0
    assert fake.close_count == 1
    with pytest.raises(octant.ClosedError):
        octant.OctantTransport(db)


def test_a_transport_cannot_be_sent_to_another_process(fake):
    transport = octant.OctantTransport()
    with pytest.raises(TypeError, match="lives in one process"):
        pickle.dumps(transport)
    assert copy.deepcopy({"a": transport})["a"] is transport
    transport.close()


def test_a_request_during_close_either_answers_or_is_refused(fake):
    """Method: 4 threads of requests, the client's database closed in the middle; 20 rounds."""
    for _ in range(20):
        transport = octant.OctantTransport()
        client = httpx.Client(transport=transport)
        outcomes = set()

        def work():
            for _ in range(50):
                try:
                    outcomes.add(client.get(URL + "/?sleep=1").status_code)
                except (RuntimeError, octant.ClosedError):
                    outcomes.add("refused")
                    return

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.005)
        transport.close()
        for thread in threads:
            thread.join()
        assert outcomes <= {200, "refused"} and "refused" in outcomes
