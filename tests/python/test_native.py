"""Goal:   the numpy interface over the real engine does what the simplest model does.
Method:   a dictionary of vectors and numpy's own arithmetic as the model; seeds below.
"""

import threading
import time
import uuid

import numpy as np
import pytest

import octant

NONE = 2**64 - 1

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture(params=["memory", "path"])
def db(request, tmp_path):
    with octant.open(None if request.param == "memory" else tmp_path / "data") as db:
        yield db


def expected(distance, vectors, query):
    """Scores of the metric's meaning, in float64, larger is better first."""
    x, q = vectors.astype(np.float64), query.astype(np.float64)
    if distance == "Cosine":
        return x @ q / (np.linalg.norm(x, axis=1) * np.linalg.norm(q)), -1
    if distance == "Dot":
        return x @ q, -1
    if distance == "Euclid":
        return np.linalg.norm(x - q, axis=1), 1
    return np.abs(x - q).sum(axis=1), 1


@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid", "Manhattan"])
@pytest.mark.parametrize("seed", [11, 12])
def test_random_histories_against_a_dictionary(db, distance, seed):
    """60 steps of upserts (new and existing ids), deletes and exact searches, over 13 dimensions."""
    rng = np.random.default_rng(seed)
    points = db.create("points", 13, distance)
    model = {}
    for _ in range(60):
        action = rng.random()
        if action < 0.6:
            ids = rng.integers(0, 400, size=rng.integers(1, 50)).astype(np.uint64)
            vectors = rng.normal(size=(len(ids), 13)).astype(np.float32)
            payloads = [{"n": int(i)} if i % 3 else None for i in ids]
            points.upsert(ids, vectors, payloads)
            model.update({int(i): (v, p) for i, v, p in zip(ids, vectors, payloads)})
        elif action < 0.8:
            ids = rng.integers(0, 400, size=20)
            points.delete(ids)
            for i in ids:
                model.pop(int(i), None)
        assert len(points) == len(model)
        if not model:
            continue
        known = np.array(sorted(model))
        rows = np.array([model[i][0] for i in known])
        queries = rng.normal(size=(3, 13)).astype(np.float32)
        k = int(rng.integers(1, 30))
        found, scores = points.search(queries, k, exact=True)
        for q, ids, row in zip(queries, found, scores):
            truth, sign = expected(distance, rows, q)
            count = min(k, len(known))
            assert set(ids[count:].tolist()) <= {NONE} and np.isnan(row[count:]).all()
            best = np.sort(sign * truth)[:count] * sign
            assert np.allclose(row[:count], best, atol=1e-4)
            at = {int(i): s for i, s in zip(known, truth)}
            assert np.allclose(row[:count], [at[int(i)] for i in ids[:count]], atol=1e-4)
            assert len(set(ids[:count].tolist())) == count
    some = list(model)[:10]
    for record in points.get(some):
        vector, payload = model[record.id]
        if distance == "Cosine":
            vector = vector / np.linalg.norm(vector)
        assert np.allclose(record.vector, vector, atol=1e-6) and record.payload == (payload or {})


def test_the_graph_finds_what_the_scan_finds(db):
    """Method: 4,000 x 32 clustered vectors, seed 3; recall@10 of 100 queries at ef 128. Bound: 0.95."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(40, 32)) * 2
    x = (centres[rng.integers(0, 40, 4000)] + rng.normal(size=(4000, 32))).astype(np.float32)
    queries = (centres[rng.integers(0, 40, 100)] + rng.normal(size=(100, 32))).astype(np.float32)
    points = db.create("points", 32, "Euclid", full_scan_threshold=10, indexing_threshold=10)
    points.upsert(np.arange(4000), x)
    points.wait_indexed()
    info = points.info()
    assert info.points_count == 4000 and info.indexed_vectors_count > 3000
    truth, _ = points.search(queries, 10, exact=True)
    found, _ = points.search(queries, 10, ef=128)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(truth.tolist(), found.tolist())])
    assert recall >= 0.95, recall
    one_by_one = np.array([points.search(q, 10, ef=128)[0] for q in queries])
    assert (one_by_one == found).all()


def test_a_point_is_found_by_the_next_search(db):
    """Method: 1,000 single upserts, seed 4; each is the first hit for its own vector at once."""
    rng = np.random.default_rng(4)
    points = db.create("points", 24)
    x = rng.normal(size=(1000, 24)).astype(np.float32)
    for i in range(1000):
        points.upsert([i], x[i : i + 1])
        assert points.search(x[i], 1)[0][0] == i


def test_collections_come_and_go(db):
    assert list(db) == [] and len(db) == 0 and db
    db.create("b", 4, "Dot")
    db.create("a", 4, metadata={"owner": "x"})
    assert list(db) == ["a", "b"] and "a" in db and "c" not in db
    with pytest.raises(octant.ExistsError):
        db.create("a", 4)
    with pytest.raises(octant.RangeError):
        db.create("c", 0)
    with pytest.raises(octant.RangeError):
        db.create("c", 70_000)
    with pytest.raises(KeyError):
        db["c"]
    assert db.drop("a") is True and db.drop("a") is False and list(db) == ["b"]
    info = db["b"].info()
    assert (info.name, info.m, info.ef_construct) == ("b", 16, 100)
    assert (
        info.vectors[""].size == 4
        and info.vectors[""].distance == "Dot"
        and info.vectors[""].datatype == "float32"
    )
    assert db.info().collection_count == 1


def test_wrong_input_is_named_and_changes_nothing(db):
    points = db.create("points", 4)
    points.upsert([1], np.ones((1, 4)))
    with pytest.raises(octant.DimensionError, match="4.*3|3.*4"):
        points.upsert([2], np.ones((1, 3)))
    with pytest.raises(octant.DimensionError):
        points.search(np.ones(5), 1)
    with pytest.raises(octant.InvalidError):
        points.upsert([2, 3], np.array([[1, 1, 1, 1], [1, np.nan, 1, 1]]))
    with pytest.raises(octant.InvalidError):
        points.search([np.inf, 0, 0, 0], 1)
    with pytest.raises(octant.InvalidError):
        points.upsert([2], np.ones((1, 4)), [b"[1]"])
    with pytest.raises(octant.InvalidError):
        points.upsert([2], np.ones((1, 4)), [b'{"a":'])
    assert len(points) == 1


def test_uuids_can_be_read_and_deleted(tmp_path):
    models = pytest.importorskip("octant.models")
    db = octant.open(tmp_path / "d")
    name = uuid.UUID("8f14e45f-ceea-467f-9f6b-7c3d1c6a2b90")
    points = db.create("points", 2, "Dot")
    client = octant.QdrantClient(path=db.path)
    client.upsert("points", [models.PointStruct(id=str(name), vector=[1.0, 2.0], payload={"a": 1})])
    (record,) = points.get([name])
    assert (record.id, record.payload, record.vector.tolist()) == (name, {"a": 1}, [1.0, 2.0])
    with pytest.raises(octant.UnsupportedError):
        points.search([1.0, 1.0], 1)
    points.delete([str(name)])
    assert len(points) == 0
    client.close()
    db.close()


def test_reopening_finds_everything_and_the_same_graph(tmp_path):
    rng = np.random.default_rng(6)
    x = rng.normal(size=(3000, 16)).astype(np.float32)
    with octant.open(tmp_path / "d") as db:
        points = db.create("points", 16, "Euclid")
        points.upsert(range(3000), x, [{"i": i} for i in range(3000)])
        points.delete(range(0, 3000, 7))
        points.wait_indexed()
        before = points.search(x[:50], 5), len(points), points.graph_checksum()
    with octant.open(tmp_path / "d") as db:
        points = db["points"]
        (ids, scores), count, checksum = before
        found = points.search(x[:50], 5)
        assert (found[0] == ids).all() and found[1].tobytes() == scores.tobytes()
        assert (len(points), points.graph_checksum()) == (count, checksum)
        assert points.get([1])[0].payload == {"i": 1} and points.get([7]) == []
        points.check()


def test_optimize_drops_the_dead_and_changes_no_answer(db):
    rng = np.random.default_rng(8)
    x = rng.normal(size=(2000, 16)).astype(np.float32)
    points = db.create("points", 16)
    points.upsert(range(2000), x)
    points.delete(range(0, 2000, 2))
    before = points.search(x[:40], 10, exact=True)
    points.optimize()
    after = points.search(x[:40], 10, exact=True)
    assert (before[0] == after[0]).all() and before[1].tobytes() == after[1].tobytes()
    assert points.info().deleted_vectors_count == 0 and len(points) == 1000
    points.check()


def test_the_lock_of_the_interpreter_is_let_go(db):
    """Method: while one thread is inside a long exact search, this one must be able to count. With the
    interpreter's lock held it could not take a single step until the search is over."""
    rng = np.random.default_rng(9)
    x = rng.normal(size=(4000, 64)).astype(np.float32)
    points = db.create("points", 64)
    points.upsert(range(4000), x)
    span = []

    def searching():
        begin = time.perf_counter()
        points.search(np.tile(x, (2, 1)), 10, exact=True, threads=1)
        span.append((begin, time.perf_counter()))

    ticks = []
    thread = threading.Thread(target=searching)
    thread.start()
    while not span:
        ticks.append(time.perf_counter())
        time.sleep(0.001)
    thread.join()
    begin, end = span[0]
    inside = sum(begin < tick < end for tick in ticks)
    assert end - begin > 0.02, "the search is too short to tell"
    assert inside > 5, f"{inside} steps during {end - begin:.3f} s"


def test_searches_and_writes_at_once(db):
    """Method: 2 writers and 3 readers for 300 steps; a reader's own vector must be found once its writer said so."""
    points = db.create("points", 12)
    written = []
    failures = []

    def write(number):
        rng = np.random.default_rng(number)
        for i in range(150):
            ids = np.arange(4) + number * 10_000 + i * 4
            x = rng.normal(size=(4, 12)).astype(np.float32)
            points.upsert(ids, x)
            written.append((int(ids[0]), x[0]))

    def read(number):
        rng = np.random.default_rng(100 + number)
        while any(writer.is_alive() for writer in writers):
            if written:
                i, x = written[rng.integers(len(written))]
                if points.search(x, 1)[0][0] != i:
                    failures.append(i)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(2)]
    readers = [threading.Thread(target=read, args=(n,)) for n in range(3)]
    for thread in writers + readers:
        thread.start()
    for thread in writers + readers:
        thread.join()
    assert failures == []
    assert len(points) == 1200


def test_read_only_reads(tmp_path):
    with octant.open(tmp_path / "d") as db:
        db.create("points", 2, "Dot").upsert([1], [[1.0, 2.0]])
    with octant.open(tmp_path / "d", read_only=True) as db:
        assert db["points"].search([1.0, 0.0], 1)[0].tolist() == [1]
        with pytest.raises(octant.Error):
            db["points"].upsert([2], [[1.0, 2.0]])
