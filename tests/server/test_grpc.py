"""gRPC from outside: keys, deadlines, compression, reflection, what is not gRPC, and the end of the server."""

import http.client
import socket
import struct
import threading

import pytest


grpc = pytest.importorskip("grpc")
from qdrant_client import QdrantClient, models  # noqa: E402
from qdrant_client import grpc as messages  # noqa: E402


@pytest.fixture
def server(serving):
    with serving("grpc") as started:
        yield started


@pytest.fixture
def keyed(monkeypatch, server):
    server.stop()
    monkeypatch.setenv("QDRANT__SERVICE__API_KEY", "whole")
    monkeypatch.setenv("QDRANT__SERVICE__READ_ONLY_API_KEY", "reader")
    server.start()
    return server


def channel(server, **options):
    return grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", **options)


def call(through, method, message, answer, **options):
    made = through.unary_unary(method, request_serializer=lambda m: m.SerializeToString(),
                               response_deserializer=answer.FromString)  # fmt: skip
    return made(message, **options)


LIST = "/qdrant.Collections/List"
DELETE = "/qdrant.Collections/Delete"


def code_of(through, method, message, answer, **options):
    try:
        call(through, method, message, answer, **options)
        return "OK"
    except grpc.RpcError as reason:
        return reason.code().name


def test_keys_are_asked_for_as_over_rest(keyed):
    wanted = {None: ("UNAUTHENTICATED", "UNAUTHENTICATED"), "wrong": ("UNAUTHENTICATED", "UNAUTHENTICATED"),
              "reader": ("OK", "PERMISSION_DENIED"), "whole": ("OK", "OK")}  # fmt: skip
    with channel(keyed) as through:
        for key, (reading, writing) in wanted.items():
            for name, value in (("api-key", key), ("authorization", f"Bearer {key}")):
                metadata = None if key is None else [(name, value)]
                assert code_of(through, LIST, messages.ListCollectionsRequest(), messages.ListCollectionsResponse,
                               metadata=metadata) == reading  # fmt: skip
                assert code_of(through, DELETE, messages.DeleteCollection(collection_name="none"),
                               messages.CollectionOperationResponse, metadata=metadata) == writing  # fmt: skip
        open_to_all = call(through, "/qdrant.Qdrant/HealthCheck", messages.HealthCheckRequest(), messages.HealthCheckReply)
        assert open_to_all.version


def test_a_passed_deadline_is_told(server):
    # 25 MB cannot be sent within a millisecond, the smallest deadline that the client's library keeps
    points = [messages.PointStruct(id=messages.PointId(num=number),
                                   vectors=messages.Vectors(vector=messages.Vector(data=[0.5] * 768)))
              for number in range(8000)]  # fmt: skip
    message = messages.UpsertPoints(collection_name="none", points=points)
    with channel(server) as through:
        for seconds, wanted in ((0.001, "DEADLINE_EXCEEDED"), (60, "NOT_FOUND")):
            assert code_of(through, "/qdrant.Points/Upsert", message, messages.PointsOperationResponse,
                           timeout=seconds) == wanted  # fmt: skip


def test_calls_may_be_packed(server):
    client = QdrantClient(url=server.url, grpc_port=server.grpc_port, prefer_grpc=True, check_compatibility=False,
                          grpc_compression=grpc.Compression.Gzip)  # fmt: skip
    client.create_collection("c", vectors_config=models.VectorParams(size=8, distance=models.Distance.DOT))
    texts = [{"text": "the same again and again " * 40} for _ in range(200)]
    client.upsert("c", points=models.Batch(ids=list(range(200)), vectors=[[0.5] * 8] * 200, payloads=texts))
    assert [record.payload for record in client.scroll("c", limit=200)[0]] == texts
    client.close()


def test_unknown_methods_and_broken_messages_fail_alone(server):
    with channel(server) as through:
        raw = through.unary_unary("/qdrant.Points/Nothing", request_serializer=bytes, response_deserializer=bytes)
        with pytest.raises(grpc.RpcError) as unknown:
            raw(b"")
        assert unknown.value.code() == grpc.StatusCode.UNIMPLEMENTED
        raw = through.unary_unary("/qdrant.Points/Search", request_serializer=bytes, response_deserializer=bytes)
        with pytest.raises(grpc.RpcError) as broken:
            raw(b"\x0a\xff\xff")
        assert broken.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert code_of(through, LIST, messages.ListCollectionsRequest(), messages.ListCollectionsResponse) == "OK"


def test_reflection_is_answered_while_the_stream_is_open(server):
    with channel(server) as through:
        for version in ("v1", "v1alpha"):
            ask = through.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                                        request_serializer=bytes, response_deserializer=bytes)  # fmt: skip
            go_on = threading.Event()

            def questions():
                yield b"\x3a\x01*"  # list_services
                go_on.wait(20)
                yield b"\x22\x0dqdrant.Points"  # file_containing_symbol

            answers = ask(questions())
            assert b"qdrant.Snapshots" in next(answers)
            go_on.set()
            assert b"QueryPoints" in next(answers)
            assert list(answers) == []


def test_the_health_service_answers(server):
    with channel(server) as through:
        check = through.unary_unary("/grpc.health.v1.Health/Check", request_serializer=bytes, response_deserializer=bytes)
        assert check(b"") == b"\x08\x01"


def test_what_is_no_http2_is_hung_up_on(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.grpc_port, timeout=20)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        connection.request("GET", "/collections")
        connection.getresponse()
    with socket.create_connection(("127.0.0.1", server.grpc_port), timeout=20) as noise:
        noise.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">I", 0xFFFFFF00) + b"\xff" * 64)
        received = b""
        while piece := noise.recv(4096):
            received += piece
        assert b"\x07" in received  # GOAWAY, then the end
    with channel(server) as through:
        assert code_of(through, LIST, messages.ListCollectionsRequest(), messages.ListCollectionsResponse) == "OK"


def test_many_calls_at_once_on_one_connection(server):
    client = QdrantClient(url=server.url, grpc_port=server.grpc_port, prefer_grpc=True, check_compatibility=False)
    client.create_collection("c", vectors_config=models.VectorParams(size=4, distance=models.Distance.DOT))
    with channel(server) as through:
        write = through.unary_unary("/qdrant.Points/Upsert", request_serializer=lambda m: m.SerializeToString(),
                                    response_deserializer=messages.PointsOperationResponse.FromString)  # fmt: skip
        waiting = []
        for number in range(600):  # more than may be open at once
            vector = messages.Vectors(vector=messages.Vector(dense=messages.DenseVector(data=[number, 1, 2, 3])))
            point = messages.PointStruct(id=messages.PointId(num=number), vectors=vector)
            waiting.append(write.future(messages.UpsertPoints(collection_name="c", wait=True, points=[point])))
        done = [future.result(60).result for future in waiting]
        assert sorted(result.operation_id for result in done) == list(range(1, 601))
    assert client.count("c").count == 600
    client.close()


def test_the_server_ends_with_open_connections(server):
    with channel(server) as through:
        assert code_of(through, LIST, messages.ListCollectionsRequest(), messages.ListCollectionsResponse) == "OK"
        server.stop()  # fails if it does not end by itself, with 0


def test_vectors_come_back_bit_by_bit(server):
    """They are no text on their way: the same 32 bits, of every kind of vector; and a payload may look like their place."""
    made = models.VectorParams
    client = QdrantClient(url=server.url, grpc_port=server.grpc_port, prefer_grpc=True, check_compatibility=False)
    client.create_collection(
        "bits",
        vectors_config={
            "one": made(size=3, distance=models.Distance.DOT),
            "many": made(size=2, distance=models.Distance.DOT, multivector_config={"comparator": "max_sim"}),
        },
        sparse_vectors_config={"words": models.SparseVectorParams()},
    )
    client.create_collection("bare", vectors_config=made(size=3, distance=models.Distance.DOT))
    exact = [struct.unpack("<f", struct.pack("<I", bits))[0] for bits in (0x3DCCCCCD, 0x00000001, 0xFF7FFFFF)]
    vectors = {"one": exact, "many": [[exact[0], 1.0], [2.0, exact[1]]],
               "words": models.SparseVector(indices=[7, 4000000000], values=[exact[0], exact[1]])}  # fmt: skip
    trap = {"text": "@floats 0 3", "list": ["@floats 0 3"]}
    client.upsert("bits", [models.PointStruct(id=1, vector=vectors, payload=trap), models.PointStruct(id=2, vector={})])
    client.upsert("bare", [models.PointStruct(id=1, vector=exact), models.PointStruct(id=2, vector=[0, 0, 0])])
    nearest = client.query_points("bits", query=[1, 0, 0], using="one", with_vectors=True).points[0]
    for got in (client.retrieve("bits", [1], with_vectors=True)[0], client.scroll("bits", with_vectors=True)[0][0], nearest):
        assert got.vector == {"one": exact, "many": [[exact[0], 1.0], [2.0, exact[1]]], "words": vectors["words"]}
        assert client.retrieve("bits", [1])[0].payload == trap
    assert client.retrieve("bits", [2], with_vectors=True)[0].vector == {}
    assert [got.vector for got in client.retrieve("bare", [1, 2], with_vectors=True)] == [exact, [0, 0, 0]]
    grouped = client.query_points_groups("bits", group_by="text", query=[1, 0, 0], using="one", with_vectors=["words"])
    assert grouped.groups[0].id == "@floats 0 3" and grouped.groups[0].hits[0].vector == {"words": vectors["words"]}
    client.close()
