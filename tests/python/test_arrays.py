"""Goal:   arrays reach the engine without copies when they can, rightly when they must be converted, and results
          come back in the promised shapes.
Method:   a fake library that reports what it read (fake_library.c): counts, strides, sums and addresses.
"""

import threading
import time
import uuid

import numpy as np
import pytest

import octant

NONE = 2**64 - 1


@pytest.fixture
def db(fake):
    with octant.open() as db:
        yield db


@pytest.fixture
def points(db):
    return db.create("points", 4)


def seen(call, *args, **kwargs):
    """What oct_upsert_rows was given: count, dim, stride, sum of ids, sum of components, payload bytes, wait,
    address of the first row."""
    with pytest.raises(octant.UnsupportedError) as told:
        call(*args, **kwargs)
    count, dim, stride, ids, total, payload, wait, address = str(told.value).split()
    return (
        int(count),
        int(dim),
        int(stride),
        int(ids),
        float(total),
        int(payload),
        int(wait),
        int(address, 16),
    )


def address(array):
    return array.__array_interface__["data"][0]


def test_float32_rows_are_not_copied(points):
    x = np.arange(40, dtype=np.float32).reshape(10, 4)
    assert seen(points.upsert, range(10), x) == (10, 4, 4, 45, x.sum(), 0, 1, address(x))
    assert seen(points.upsert, np.arange(5), x[::2]) == (5, 4, 8, 10, x[::2].sum(), 0, 1, address(x))
    assert seen(points.upsert, np.arange(10), x[:, 1:3]) == (
        10,
        2,
        4,
        45,
        x[:, 1:3].sum(),
        0,
        1,
        address(x) + 4,
    )
    assert seen(points.upsert, [9], x[3:4])[-1] == address(x) + 48
    x.flags.writeable = False
    assert seen(points.upsert, range(10), x)[-1] == address(x)


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.astype(np.float64),
        lambda x: x.astype(np.float16),
        lambda x: x.astype(np.int32),
        lambda x: x.astype(">f4"),
        lambda x: np.asfortranarray(x),
        lambda x: x.T.copy().T,
        lambda x: np.ascontiguousarray(x[::-1])[::-1],
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x.tolist(),
        lambda x: [tuple(row) for row in x],
        lambda x: memoryview(np.ascontiguousarray(x)),
        lambda x: np.frombuffer(b"\0" + x.tobytes(), dtype=np.uint8)[1:].view(np.float32).reshape(x.shape),
    ],
)
def test_other_arrays_are_converted(points, convert):
    x = np.arange(40, dtype=np.float32).reshape(10, 4)
    weights = convert(x)
    assert seen(points.upsert, range(10), weights)[:6] == (10, 4, 4, 45, x.sum(), 0)


def test_a_broadcast_row_is_written_out(points):
    x = np.broadcast_to(np.arange(4, dtype=np.float32), (3, 4))
    assert seen(points.upsert, range(3), x)[:5] == (3, 4, 4, 3, 18.0)


def test_one_row_may_have_any_stride(points):
    x = np.lib.stride_tricks.as_strided(np.arange(4, dtype=np.float32), shape=(1, 4), strides=(3, 4))
    assert seen(points.upsert, [1], x)[:5] == (1, 4, 4, 1, 6.0)


@pytest.mark.parametrize(
    "vectors, sentence",
    [
        (np.zeros(4, np.float32), r"vectors have shape \(4,\); expected two dimensions"),
        (np.zeros((1, 2, 2)), r"shape \(1, 2, 2\)"),
        (np.array([["a"]]), "vectors hold <U1, not numbers"),
        (np.array([[1j]]), "vectors hold complex128, not numbers"),
        (np.zeros((3, 4)), "there are 1 ids for 3 vectors"),
    ],
)
def test_wrong_vectors_are_named(points, vectors, sentence):
    with pytest.raises(octant.InvalidError, match=sentence):
        points.upsert([1], vectors)


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64, np.uint64, ">u4", object, list, range, tuple])
def test_ids_of_every_kind(points, kind):
    numbers = {list: list, range: lambda x: range(3), tuple: tuple}.get(
        kind, lambda x: np.array(x, dtype=kind)
    )([0, 1, 2])
    if kind is object:
        numbers = list(numbers)
    assert seen(points.upsert, numbers, np.zeros((3, 4)))[3] == 3


def test_large_ids_keep_every_bit(points):
    assert seen(points.upsert, [1, 2**64 - 2], np.zeros((2, 4)))[3] == 2**64 - 1
    assert seen(points.upsert, np.array([2**63 + 1], dtype=np.uint64), np.zeros((1, 4)))[3] == 2**63 + 1
    spaced = np.arange(10, dtype=np.uint64)[::3]
    assert seen(points.upsert, spaced, np.zeros((4, 4)))[3] == 18


@pytest.mark.parametrize(
    "ids, sentence",
    [
        ([-1], "point id -1 is not an unsigned 64-bit number"),
        ([2**64], "point id 18446744073709551616 is not"),
        (np.array([-5]), "point id -5 is not"),
        (np.array([1.0]), "ids hold float64, not integers"),
        (np.array([[1]]), r"ids have shape \(1, 1\)"),
        (np.array([True]), "ids hold bool"),
    ],
)
def test_wrong_ids_are_named(points, ids, sentence):
    with pytest.raises(octant.InvalidError, match=sentence):
        points.upsert(ids, np.zeros((1, 4)))
    with pytest.raises(TypeError):
        points.upsert([1.5], np.zeros((1, 4)))


def test_payloads_of_every_kind(points):
    payloads = [{"a": 1}, None, b'{"b":2}', '{"c":"\u00fc"}', {"n": np.int64(3), "x": np.array([1.5])}]
    texts = [b'{"a":1}', b"", b'{"b":2}', '{"c":"\u00fc"}'.encode(), b'{"n":3,"x":[1.5]}']
    x = np.zeros((5, 4), np.float32)
    assert seen(points.upsert, range(5), x, payloads)[5] == sum(map(len, texts))
    assert seen(points.upsert, range(5), x, iter(payloads))[5] == sum(map(len, texts))
    assert seen(points.upsert, range(5), x, wait=False)[5:7] == (0, 0)


@pytest.mark.parametrize(
    "payloads, sentence",
    [
        ([{}], "there are 1 payloads for 2 points"),
        ({"a": 1}, "there are 1 payloads for 2 points"),
        ([{}, {"a": object()}], "payload 1 is no JSON document: object is not JSON serializable"),
        ([{"a": float("nan")}, None], "payload 0 is no JSON document"),
        ([{"a": "\ud800"}, None], "payload 0 is no JSON document"),
        ([{"a": 1}, 5.5j], "payload 1 is no JSON document"),
    ],
)
def test_wrong_payloads_are_named(points, payloads, sentence):
    with pytest.raises(octant.InvalidError, match=sentence):
        points.upsert([1, 2], np.zeros((2, 4)), payloads)


def test_nothing_to_write_is_nothing_done(points):
    points.upsert([], np.zeros((0, 4)))
    points.delete([])
    assert points.get([]) == []


def test_ids_to_delete(points):
    name = uuid.UUID("8f14e45f-ceea-467f-9f6b-7c3d1c6a2b90")
    with pytest.raises(octant.UnsupportedError) as told:
        points.delete([5, name, str(name), 2**64 - 1])
    words = "8f14e45fceea467f:9f6b7c3d1c6a2b90:1:0"
    assert str(told.value).split() == ["0:5:0:0", words, words, "0:ffffffffffffffff:0:0"]
    with pytest.raises(octant.UnsupportedError, match="0:7:0:0 0:8:0:0"):
        points.delete(np.array([7, 8]))
    with pytest.raises(octant.InvalidError, match="'nonsense' is neither"):
        points.delete(["nonsense"])
    with pytest.raises(octant.InvalidError, match="give a list, also of one"):
        points.delete(5)


def test_search_shapes(points):
    ids, scores = points.search([0.5, 0, 0, 0], k=3)
    assert (ids.shape, ids.dtype, scores.shape, scores.dtype) == ((3,), np.uint64, (3,), np.float32)
    assert ids.tolist() == [0, 1, NONE] and scores[:2].tolist() == [0.5, 1.5] and np.isnan(scores[2])
    queries = np.arange(8, dtype=np.float64).reshape(2, 4)
    ids, scores = points.search(queries, 2)
    assert (ids.shape, scores.shape) == ((2, 2), (2, 2))
    assert ids.tolist() == [[0, NONE], [100, NONE]] and scores[:, 0].tolist() == [0.0, 4.0]
    assert points.search(np.asfortranarray(queries.astype("f4")), 2)[1][:, 0].tolist() == [0.0, 4.0]
    ids, scores = points.search(np.zeros((0, 4)), 5)
    assert (ids.shape, scores.shape) == ((0, 5), (0, 5))


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (([[[1.0]]], 1), r"queries have shape \(1, 1, 1\)"),
        ((1.0, 1), r"queries have shape \(\)"),
        (([1.0], 0), "k is 0"),
        (([1.0], 5, 0), "ef is 0"),
        (([1.0], 5, -3), "ef is -3"),
    ],
)
def test_wrong_searches_are_named(points, arguments, sentence):
    with pytest.raises(octant.InvalidError, match=sentence):
        points.search(*arguments)


def test_threads_search_in_parallel(points, fake):
    """Method: the fake's search takes `ef` milliseconds; eight at once must be inside it at once."""
    threads = [threading.Thread(target=points.search, args=(np.zeros(4), 1, 200)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fake.calls_most == 8


def test_waiting_has_a_limit_and_can_be_interrupted(points):
    start = time.monotonic()
    with pytest.raises(octant.TimeoutError, match="the tail still has rows"):
        points.wait_indexed(timeout=0.5)
    assert 0.45 < time.monotonic() - start < 30
    import signal

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            points.wait_indexed()
        assert time.monotonic() - start < 30
    finally:
        signal.signal(signal.SIGALRM, before)


def configuration(db, **options):
    with pytest.raises(octant.UnsupportedError) as told:
        db.create("echo", 8, **options)
    return dict(pair.split("=", 1) for pair in str(told.value).split())


def test_create_passes_its_options(db):
    plain = configuration(db)
    plain.pop("deleted_threshold")  # whatever stands for "not given"
    assert plain == {
        "count": "1", "single": "1", "size": "8", "distance": "1", "datatype": "-1", "on_disk": "-1", "m": "16",
        "ef_construct": "100", "payload_m": "-1", "indexing_threshold": "-1", "wal": "-1",
        "on_disk_payload": "-1", "max_optimization_threads": "-1", "vm": "-1", "metadata": "",
    }  # fmt: skip
    given = configuration(
        db, distance="euclid", m=0, ef_construct=7, datatype="uint8", on_disk=True, payload_m=4,
        indexing_threshold=0, deleted_threshold=0.5, wal_capacity_mb=32, on_disk_payload=False,
        max_optimization_threads="auto", metadata={"a": [1]}, full_scan_threshold=None,
    )  # fmt: skip
    assert given == {
        **plain, "distance": "2", "m": "0", "ef_construct": "7", "datatype": "2", "on_disk": "1", "payload_m": "4",
        "indexing_threshold": "0", "deleted_threshold": "0.5", "wal": "32", "on_disk_payload": "0",
        "max_optimization_threads": "-2", "metadata": '{"a":[1]}',
    }  # fmt: skip


def test_create_takes_the_clients_distance(db):
    models = pytest.importorskip("qdrant_client.models")
    numbers = {"COSINE": "1", "EUCLID": "2", "DOT": "3", "MANHATTAN": "4"}
    for name, number in numbers.items():
        assert configuration(db, distance=getattr(models.Distance, name))["distance"] == number


def test_create_names_what_is_wrong(db):
    with pytest.raises(octant.InvalidError, match="distance is 'Angular'; it must be one of Cosine, Euclid"):
        db.create("echo", 8, distance="Angular")
    with pytest.raises(TypeError, match="unknown option 'colour'; known are on_disk, datatype"):
        db.create("echo", 8, colour="red")
    with pytest.raises(TypeError):
        db.create("echo", 8.5)


def test_names_and_infos(db, points, tmp_path):
    assert points.name == "points" and "points" in repr(points) and len(points) == 42
    assert "points" in db and "other" not in db and 5 not in db
    with pytest.raises(KeyError) as told:
        db["other"]
    assert isinstance(told.value, octant.NotFoundError)
    info = db.info()
    assert (info.path, info.log_sequence, info.replayed_records, info.open_seconds) == (None, 11, 13, 1.5)
    with octant.open(tmp_path / "data") as other:
        assert other.path == str(tmp_path / "data") == other.info().path
        assert repr(other) == f"<octant.Database {tmp_path}/data>"
    assert repr(other) == f"<octant.Database {tmp_path}/data (closed)>"
    assert other.closed
