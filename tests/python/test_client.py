"""Goal:   code written for the official client runs on `octant.QdrantClient`, behind all three doors, and the
          doors agree to the bit.
Method:   the real engine in memory, in a directory, and behind a server (`door` in conftest.py); vectors from
          numpy's generator with the seeds given below.
"""

import asyncio
import inspect
import os
import subprocess
import sys
import threading
import uuid
import warnings
from pathlib import Path

import numpy as np
import pytest
import qdrant_client
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

import octant
from octant import AsyncQdrantClient, QdrantClient, models
from octant.models import Distance, HnswConfigDiff, OptimizersConfigDiff, PointStruct, VectorParams

# `search` and its kin warn in older official clients; Octant keeps them.
pytestmark = [
    pytest.mark.usefixtures("engine"),
    pytest.mark.filterwarnings("ignore:.*method is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*recreate_collection.*:DeprecationWarning"),
]

TEXTS = [
    "Attention lets every token look at every other token.",
    "Batching requests raises the throughput of a transformer server.",
    "A cat sleeps on a warm windowsill.",
    "Quantised weights halve the memory that a model reads per token.",
    "Bread rises when yeast turns sugar into gas.",
]


def embed(text, size=768):
    """A stand-in for a model: each word has a fixed random direction, a text is their mean."""
    words = text.lower().strip(".?").split()
    rows = [np.random.default_rng(sum(word.encode()) * 7919 + len(word)).normal(size=size) for word in words]
    return np.mean(rows, axis=0).astype(np.float32).tolist()


def same_bits(a, b):
    return np.array(a, np.float32).tobytes() == np.array(b, np.float32).tobytes()


def fill(client, name="docs"):
    client.create_collection(
        collection_name=name, vectors_config=VectorParams(size=768, distance=Distance.COSINE)
    )
    client.upsert(
        collection_name=name,
        points=[PointStruct(id=i, vector=embed(t), payload={"text": t}) for i, t in enumerate(TEXTS)],
    )


def hits_of(found):
    return [(hit.id, np.float32(hit.score).tobytes(), hit.payload) for hit in found]


# --- the lesson -------------------------------------------------------------------------------------------


def test_the_lesson(client, capsys):
    """The tutorial's code: create, upsert, search, print."""
    client.create_collection(
        collection_name="documents",
        vectors_config=VectorParams(size=768, distance=Distance.COSINE),
        hnsw_config=HnswConfigDiff(m=16, ef_construct=100),
        optimizers_config=OptimizersConfigDiff(indexing_threshold=20000),
    )
    points = [
        PointStruct(id=idx, vector=embed(text), payload={"text": text}) for idx, text in enumerate(TEXTS)
    ]
    client.upsert(collection_name="documents", points=points)

    def search_documents(query, top_k=3):
        results = client.search(collection_name="documents", query_vector=embed(query), limit=top_k)
        for result in results:
            print(f"Score: {result.score:.4f} | ID: {result.id} | {result.payload['text']}")
        return results

    results = search_documents("the throughput of a transformer server")
    assert results[0].id == 1
    assert [r.score for r in results] == sorted((r.score for r in results), reverse=True)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3 and printed[0].endswith("| ID: 1 | " + TEXTS[1])

    # Overwriting a point: same id, other text.
    client.upsert(
        collection_name="documents",
        points=[PointStruct(id=1, vector=embed("Snow fell on the hills."), payload={"text": "Snow fell."})],
    )
    assert client.count("documents").count == len(TEXTS)
    best = client.search(collection_name="documents", query_vector=embed("Snow fell on the hills."), limit=1)[
        0
    ]
    assert (best.id, best.payload) == (1, {"text": "Snow fell."})
    assert best.score == pytest.approx(1, abs=1e-5)
    assert search_documents("the throughput of a transformer server")[0].payload["text"] != TEXTS[1]


def test_a_directory_keeps_the_points(tmp_path):
    client = QdrantClient(path=str(tmp_path / "data"))
    fill(client)
    before = hits_of(client.query_points("docs", query=embed(TEXTS[2]), limit=5).points)
    client.close()
    again = QdrantClient(path=tmp_path / "data")
    assert hits_of(again.query_points("docs", query=embed(TEXTS[2]), limit=5).points) == before
    assert before[0][0] == 2
    again.close()


def test_the_doors_agree_to_the_bit(tmp_path, server_url):
    """Method: 500 points of 96 dimensions per metric, seed 1; 20 queries; approximate and exact."""
    rng = np.random.default_rng(1)
    vectors, queries = rng.normal(size=(500, 96)).astype("f4"), rng.normal(size=(20, 96)).astype("f4")
    clients = [
        QdrantClient(":memory:"),
        QdrantClient(path=str(tmp_path / "data")),
        QdrantClient(url=server_url),
    ]
    with octant.open() as db:
        for distance in ("Cosine", "Dot", "Euclid", "Manhattan"):
            native = db.create(distance, 96, distance)
            native.upsert(range(500), vectors)
            for client in clients:
                client.delete_collection(distance)
                client.create_collection(distance, vectors_config=VectorParams(size=96, distance=distance))
                client.upload_collection(distance, vectors=vectors, ids=list(range(500)), wait=True)
            for exact in (False, True):
                params = models.SearchParams(exact=exact, hnsw_ef=64)
                for query in queries:
                    ids, scores = native.search(query, 10, ef=64, exact=exact)
                    for client in clients:
                        found = client.search(distance, query, limit=10, search_params=params)
                        assert [hit.id for hit in found] == ids.tolist(), distance
                        assert same_bits([hit.score for hit in found], scores), distance
    for client in clients:
        client.close()


# --- the client's methods, behind each door ------------------------------------------------------------------


def test_collections(client):
    assert client.get_collections().collections == []
    assert client.collection_exists("docs") is False
    fill(client)
    assert [c.name for c in client.get_collections().collections] == ["docs"]
    assert client.collection_exists("docs") is True
    info = client.get_collection("docs")
    assert info.points_count == 5 and info.status == models.CollectionStatus.GREEN
    assert info.config.params.vectors.size == 768 and info.config.params.vectors.distance == Distance.COSINE
    assert client.update_collection("docs", hnsw_config=HnswConfigDiff(ef_construct=200)) is True
    assert client.get_collection("docs").config.hnsw_config.ef_construct == 200
    with pytest.raises(UnexpectedResponse) as told:
        fill(client)
    assert told.value.status_code == 409
    assert client.recreate_collection("docs", vectors_config=VectorParams(size=4, distance="Dot")) is True
    assert client.count("docs").count == 0
    assert client.delete_collection("docs") is True
    assert client.delete_collection("docs") is False


def test_aliases(client):
    fill(client)
    create = models.CreateAliasOperation(
        create_alias=models.CreateAlias(collection_name="docs", alias_name="a")
    )
    assert client.update_collection_aliases([create])
    assert client.count("a").count == 5
    assert [(x.alias_name, x.collection_name) for x in client.get_aliases().aliases] == [("a", "docs")]
    rename = models.RenameAliasOperation(
        rename_alias=models.RenameAlias(old_alias_name="a", new_alias_name="b")
    )
    assert client.update_collection_aliases([rename])
    assert [x.alias_name for x in client.get_collection_aliases("docs").aliases] == ["b"]


def test_points(client):
    fill(client)
    some = uuid.UUID("8f14e45f-ceea-467f-9f6b-7c3d1c6a2b90")
    vector = embed("Another text.")
    done = client.upsert(
        "docs", [PointStruct(id=str(some), vector=vector, payload={"text": "uuid", "n": {"a": [1, None]}})]
    )
    assert done.status == models.UpdateStatus.COMPLETED
    (record,) = client.retrieve("docs", [str(some)], with_vectors=True)
    assert record.payload == {"text": "uuid", "n": {"a": [1, None]}}
    assert np.allclose(record.vector, np.array(vector) / np.linalg.norm(vector), atol=1e-6)
    assert client.count("docs").count == 6
    page, following = client.scroll("docs", limit=4)
    assert [r.id for r in page] == [0, 1, 2, 3] and following == 4
    page, following = client.scroll("docs", limit=4, offset=following, with_payload=False)
    assert [r.id for r in page] == [4, str(some)] and following is None and page[0].payload is None
    client.delete("docs", points_selector=[0, 1, 99])
    assert client.count("docs").count == 4
    assert [r.id for r in client.retrieve("docs", [1, 2, 0, 3])] == [2, 3]


def test_batches_of_columns(client):
    client.create_collection("docs", vectors_config=VectorParams(size=2, distance=Distance.DOT))
    client.upsert("docs", models.Batch(ids=[1, 2], vectors=[[1.0, 0.0], [0.0, 1.0]], payloads=[{"a": 1}, {}]))
    assert [(r.id, r.payload or None) for r in client.scroll("docs")[0]] == [(1, {"a": 1}), (2, None)]


def test_payloads(client):
    fill(client)
    client.set_payload("docs", {"lang": "en", "n": {"x": 1}}, points=[1, 2])
    assert client.retrieve("docs", [1])[0].payload == {"text": TEXTS[1], "lang": "en", "n": {"x": 1}}
    client.overwrite_payload("docs", {"only": True}, points=[2])
    assert client.retrieve("docs", [2])[0].payload == {"only": True}
    client.delete_payload("docs", ["lang"], points=[1])
    client.clear_payload("docs", points_selector=[3])
    assert "lang" not in client.retrieve("docs", [1])[0].payload
    assert not client.retrieve("docs", [3])[0].payload
    found = client.query_points("docs", query=embed(TEXTS[1]), limit=1, with_payload=["n.x"]).points[0]
    assert found.payload == {"n": {"x": 1}}
    found = client.query_points(
        "docs", query=embed(TEXTS[1]), limit=1, with_payload=models.PayloadSelectorExclude(exclude=["n"])
    ).points[0]
    assert found.payload == {"text": TEXTS[1]}


def test_named_vectors(client):
    client.create_collection(
        "docs",
        vectors_config={
            "title": VectorParams(size=2, distance=Distance.DOT),
            "body": VectorParams(size=3, distance=Distance.EUCLID),
        },
    )
    client.upsert(
        "docs",
        [
            PointStruct(id=1, vector={"title": [1.0, 0.0], "body": [0.0, 0.0, 0.0]}),
            PointStruct(id=2, vector={"title": [0.0, 1.0]}),
        ],
    )
    assert [h.id for h in client.query_points("docs", query=[0.0, 1.0], using="title").points] == [2, 1]
    assert [(h.id, h.score) for h in client.search("docs", ("body", [0.0, 3.0, 4.0]))] == [(1, 5.0)]
    client.update_vectors("docs", [models.PointVectors(id=2, vector={"body": [0.0, 3.0, 4.0]})])
    named = models.NamedVector(name="body", vector=[0.0, 3.0, 4.0])
    assert [h.id for h in client.search("docs", named)] == [2, 1]
    client.delete_vectors("docs", vectors=["title"], points=[1])
    assert [h.id for h in client.query_points("docs", query=[0.0, 1.0], using="title").points] == [2]
    assert client.retrieve("docs", [1], with_vectors=True)[0].vector == {"body": [0.0, 0.0, 0.0]}


def test_searches(client):
    fill(client)
    query = embed(TEXTS[3])
    full = client.query_points("docs", query=query, limit=5).points
    assert [h.id for h in full][0] == 3
    assert hits_of(client.search("docs", query, limit=5)) == hits_of(full)
    assert hits_of(client.search("docs", query, limit=2, offset=1)) == hits_of(full[1:3])
    assert hits_of(client.search("docs", query, limit=5, score_threshold=full[1].score)) == hits_of(full[:1])
    assert [h.payload for h in client.search("docs", query, with_payload=False)] == [None] * 5
    vectors = client.search("docs", query, limit=1, with_vectors=True)[0].vector
    assert np.linalg.norm(vectors) == pytest.approx(1, abs=1e-5)
    by_id = client.query_points("docs", query=3, limit=10).points
    assert [h.id for h in by_id] == [h.id for h in full[1:]]
    requests = [
        models.QueryRequest(query=query, limit=2),
        models.QueryRequest(query=query, limit=1, offset=1),
    ]
    assert [[h.id for h in r.points] for r in client.query_batch_points("docs", requests)] == [
        [h.id for h in full[:2]], [full[1].id],
    ]  # fmt: skip
    requests = [
        models.SearchRequest(vector=query, limit=2, with_payload=True),
        models.SearchRequest(vector=query, limit=1),
    ]
    first, second = client.search_batch("docs", requests)
    assert hits_of(first) == hits_of(full[:2]) and second[0].payload is None


def test_operations_in_a_batch(client):
    fill(client)
    operations = [
        models.UpsertOperation(
            upsert=models.PointsList(points=[PointStruct(id=9, vector=embed("nine"), payload={})])
        ),
        models.SetPayloadOperation(set_payload=models.SetPayload(payload={"k": 1}, points=[9])),
        models.DeleteOperation(delete=models.PointIdsList(points=[0])),
    ]
    assert len(client.batch_update_points("docs", update_operations=operations)) == 3
    assert client.retrieve("docs", [0, 9])[0].payload == {"k": 1}


@pytest.mark.parametrize("parallel", [1, 2])
def test_uploads(client, parallel):
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(300, 8)).astype("f4")
    client.create_collection("docs", vectors_config=VectorParams(size=8, distance=Distance.DOT))
    client.upload_points(
        "docs",
        (PointStruct(id=i, vector=vectors[i].tolist(), payload={"i": i}) for i in range(150)),
        parallel=parallel, wait=True,
    )  # fmt: skip
    client.upload_collection(
        "docs", vectors[150:], payload=[{"i": i} for i in range(150, 300)], ids=range(150, 300), batch_size=33,
        parallel=parallel, wait=True,
    )  # fmt: skip
    records, _ = client.scroll("docs", limit=1000, with_vectors=True)
    assert [r.id for r in records] == list(range(300)) and [r.payload["i"] for r in records] == list(
        range(300)
    )
    assert same_bits([r.vector for r in records], vectors)
    client.upload_records("docs", [models.Record(id=500, vector=[1.0] * 8, payload={})], wait=True)
    assert client.count("docs").count == 301


def test_errors_are_the_official_ones(client):
    with pytest.raises(UnexpectedResponse) as told:
        client.search("nowhere", [1.0])
    assert told.value.status_code == 404 and b"Collection `nowhere` doesn't exist!" in told.value.content
    fill(client)
    with pytest.raises(UnexpectedResponse) as told:
        client.search("docs", [1.0])
    assert told.value.status_code == 400 and b"expected dim: 768, got 1" in told.value.content
    with pytest.raises(UnexpectedResponse) as told:
        client.upsert("docs", [PointStruct(id=1, vector=[1.0, 2.0])])
    assert told.value.status_code == 400


def test_the_version_reported_suits_the_client(client):
    if not hasattr(client, "info"):
        pytest.skip("this official client has no info()")
    assert client.info().version == "1.19.0"


# --- what is particular to in process -----------------------------------------------------------------------


def test_memory_clients_are_apart_and_path_clients_share(tmp_path):
    one, two = QdrantClient(":memory:"), QdrantClient(location=":memory:")
    fill(one)
    assert two.get_collections().collections == []
    shared, beside = QdrantClient(path=str(tmp_path / "d")), QdrantClient(path=str(tmp_path / "." / "d"))
    fill(shared)
    assert beside.count("docs").count == 5
    shared.close()
    assert beside.count("docs").count == 5
    with octant.open(tmp_path / "d") as db:
        assert len(db["docs"]) == 5
        beside.close()
        assert [r.payload["text"] for r in db["docs"].get([2])] == [TEXTS[2]]
    for client in (one, two):
        client.close()


def run(code, **options):
    given = {**os.environ, "PYTHONPATH": str(Path(octant.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, *options.pop("flags", []), "-c", code],
        capture_output=True,
        text=True,
        env=given,
        **options,
    )


def test_another_process_gets_a_locked_error(tmp_path):
    with octant.open(tmp_path / "d"):
        code = (
            "import octant\n"
            f"path = {str(tmp_path / 'd')!r}\n"
            "for make in (lambda: octant.QdrantClient(path=path), lambda: octant.open(path)):\n"
            "    try: make()\n"
            "    except octant.LockedError as e: print('LOCKED', e.status.name, e)\n"
        )
        done = run(code)
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and all(line.startswith("LOCKED LOCKED ") for line in lines), done
    assert str(tmp_path / "d") in lines[0], "the sentence should name the database"
    assert done.stderr == ""
    assert (
        run(f"import octant; octant.QdrantClient(path={str(tmp_path / 'd')!r}).close(); print('free')").stdout
        == "free\n"
    )


def test_starting_and_ending_is_silent():
    """No warning, also none at the end of a process that never closed its client."""
    code = (
        "import octant, asyncio\n"
        "from octant import QdrantClient, AsyncQdrantClient, models\n"
        "client = QdrantClient(':memory:', prefer_grpc=True, api_key='x', timeout=1, https=True,\n"
        "                      grpc_options={'a': 1})\n"
        "client.create_collection('a', vectors_config=models.VectorParams(size=2, distance='Dot'))\n"
        "other = AsyncQdrantClient(':memory:')\n"
        "print(asyncio.run(other.get_collections()), client.get_collections())\n"
        "kept = octant.open()\n"
    )
    done = run(code, flags=["-W", "error"])
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "name='a'" in done.stdout


def test_several_places_at_once_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Only one of"):
        QdrantClient(":memory:", path=str(tmp_path))
    with pytest.raises(ValueError, match="Only one of"):
        AsyncQdrantClient(path=str(tmp_path), url="http://localhost")


def test_init_options_make_the_same_client_again(tmp_path):
    client = QdrantClient(path=str(tmp_path / "d"), timeout=7)
    if not hasattr(client, "init_options"):
        pytest.skip("this official client has no init_options")
    assert client.init_options["path"] == str(tmp_path / "d") and client.init_options["timeout"] == 7
    fill(client)

    async def main():
        other = AsyncQdrantClient(**client.init_options)
        count = (await other.count("docs")).count
        await other.close()
        return count

    assert asyncio.run(main()) == 5
    client.close()


def test_positional_arguments_as_in_the_official_client(tmp_path):
    order = list(inspect.signature(qdrant_client.QdrantClient.__init__).parameters)[1:]
    defaults = [None if name != "port" else 6333 for name in order[: order.index("path")]]
    defaults[order.index("grpc_port")] = 6334
    defaults[order.index("prefer_grpc")] = False
    client = QdrantClient(*defaults, str(tmp_path / "d"))
    assert client.get_collections().collections == [] and (tmp_path / "d").is_dir()
    client.close()


def test_it_is_an_official_client_with_official_help():
    client = QdrantClient(":memory:")
    assert isinstance(client, qdrant_client.QdrantClient)
    assert inspect.signature(QdrantClient) == inspect.signature(qdrant_client.QdrantClient)
    assert "query_vector" in inspect.signature(client.search).parameters
    assert client.search.__doc__
    client.close()


def test_the_official_client_takes_the_transport(tmp_path):
    options = {"url": "http://octant", "transport": octant.OctantTransport(tmp_path / "d")}
    if "check_compatibility" in inspect.signature(qdrant_client.QdrantClient.__init__).parameters:
        options["check_compatibility"] = False
    client = qdrant_client.QdrantClient(**options)
    fill(client)
    assert client.query_points("docs", query=embed(TEXTS[4]), limit=1).points[0].id == 4
    client.close()
    with octant.open(tmp_path / "d", sync="never"):  # other options: so it is not open any more
        pass


def test_there_is_no_grpc_in_process():
    client = QdrantClient(":memory:", prefer_grpc=True)
    with pytest.raises(NotImplementedError, match="no gRPC channel"):
        _ = client.grpc_points
    client.close()

    async def main():
        client = AsyncQdrantClient(":memory:", prefer_grpc=True)
        with pytest.raises(NotImplementedError, match="no gRPC channel"):
            _ = client.grpc_points
        await client.close()

    asyncio.run(main())


def test_a_closed_client_says_so():
    client = QdrantClient(":memory:")
    client.close()
    client.close()
    with pytest.raises(ResponseHandlingException, match="closed"):
        client.get_collections()


def test_threads_share_a_client(client):
    """Method: 4 threads upsert 50 points each and search each at once; every point must be its own first hit."""
    client.create_collection("docs", vectors_config=VectorParams(size=16, distance=Distance.COSINE))
    misses = []

    def work(number):
        rng = np.random.default_rng(number)
        for i in range(50):
            vector = rng.normal(size=16).tolist()
            client.upsert("docs", [PointStruct(id=number * 1000 + i, vector=vector)], wait=True)
            if client.search("docs", vector, limit=1)[0].id != number * 1000 + i:
                misses.append((number, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert misses == []
    assert client.count("docs").count == 200


# --- asynchronous --------------------------------------------------------------------------------------------


def test_async(door):
    async def main():
        client = AsyncQdrantClient(**door)
        await client.delete_collection("docs")
        await client.create_collection(
            "docs", vectors_config=VectorParams(size=768, distance=Distance.COSINE)
        )
        points = [PointStruct(id=i, vector=embed(t), payload={"text": t}) for i, t in enumerate(TEXTS)]
        await client.upsert("docs", points)
        pending = client.upload_points("docs", points, wait=True, parallel=2)
        if inspect.isawaitable(pending):
            await pending
        found = await asyncio.gather(*[client.search("docs", embed(t), limit=1) for t in TEXTS])
        assert [hits[0].id for hits in found] == list(range(5))
        found = await asyncio.gather(*[client.query_points("docs", query=embed(t), limit=2) for t in TEXTS])
        assert [r.points[0].payload["text"] for r in found] == TEXTS
        with pytest.raises(UnexpectedResponse):
            await client.search("nowhere", [1.0])
        await client.close()
        await client.close()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.run(main())
