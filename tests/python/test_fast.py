"""Goal:   a search by the compiled module is the same as one by ctypes, for every kind of input, and is counted like
          one when the database closes or the process forks.
Method:   the same collection through both; the fake library for closing. Seed 5.
"""

import multiprocessing
import threading
import time
import weakref

import numpy as np
import pytest

import octant
from octant import _lib, native

pytestmark = pytest.mark.skipif(
    _lib.fast() is None, reason="no build/_fast.abi3.so: Python's headers were not there when `make` ran"
)


@pytest.fixture
def two(engine):
    """One collection, by the module and by ctypes."""
    rng = np.random.default_rng(5)
    with octant.open() as db:
        quick = db.create("a", 24, full_scan_threshold=10, indexing_threshold=1)
        quick.upsert(np.arange(3000), rng.normal(size=(3000, 24)).astype(np.float32))
        slow = db["a"]
        slow._search = None
        assert quick._search is not None
        yield quick, slow


def outcome(collection, *args, **kwargs):
    try:
        ids, scores = collection.search(*args, **kwargs)
    except Exception as reason:  # what is raised is compared too
        return type(reason), str(reason)
    return ids.shape, ids.dtype, scores.shape, scores.dtype, ids.tobytes(), scores.tobytes()


def test_both_ways_answer_alike(two):
    rng = np.random.default_rng(5)
    one = rng.normal(size=24).astype(np.float32)
    many = rng.normal(size=(7, 24)).astype(np.float32)
    read_only = many.copy()
    read_only.flags.writeable = False
    queries = [
        one, many, many[:0], many[:, ::2], many[::2], many.T, np.asfortranarray(many), one.tolist(), many.tolist(),
        one.astype(np.float64), one.astype(">f4"), read_only, read_only[3], one[:0], one[:23], many[:, :5],
        np.full(24, np.nan, np.float32), np.zeros((2, 2, 24), np.float32), np.float32(3), None, "text", memoryview(one),
        np.frombuffer(b"\0" + one.tobytes(), dtype=np.uint8)[1:].view(np.float32),
    ]  # fmt: skip
    seen = set()
    for query in queries:
        for k, ef in [(1, None), (10, 40), (3001, 12), (0, None), (-1, 5), (2**70, 5), (5, 0), (5, -3), (5, 2**70),
                      (2.5, None), (True, 7), (np.int64(4), np.int32(9)), ("3", None), (2**25, 5)]:  # fmt: skip
            for exact in (False, True, 1, None):
                told = [outcome(one, query, k, ef, exact) for one in two]
                assert told[0] == told[1], (query, k, ef, exact)
                seen.add(told[0][0])
    assert len(seen) > 10
    for threads in (0, 1, 2, -1, 2**40, "x"):
        assert outcome(two[0], many, 5, threads=threads) == outcome(two[1], many, 5, threads=threads)


def test_most_searches_take_the_quick_way(two):
    one = np.ones(24, np.float32)
    assert two[0]._search(one, 10, None, False, 0) is not None
    assert two[0]._search(np.ones((3, 24), np.float32), 10, 20, True, 1) is not None
    assert two[0]._search(one.astype(np.float64), 10, None, False, 0) is None


def test_answers_outlive_the_database(engine):
    db = octant.open()
    a = db.create("a", 2)
    a.upsert([1, 2], np.eye(2, dtype=np.float32))
    ids, scores = a.search(np.ones(2, np.float32), 2)
    db.close()
    assert sorted(ids.tolist()) == [1, 2] and np.isfinite(scores).all()
    with pytest.raises(octant.ClosedError):
        a.search(np.ones(2, np.float32), 2)


def test_closing_waits_for_searches(fake):
    db = octant.open()
    a = db.create("a", 4)
    told = []
    query = np.ones(4, np.float32)
    threads = [threading.Thread(target=lambda: told.append(a.search(query, 3, 200)[0][1])) for _ in range(4)]
    for thread in threads:
        thread.start()
    while fake.calls_running < 4:
        time.sleep(0.001)
    db.close()
    assert fake.close_count == 1 and fake.calls_running == 0, "close() came back before the searches were over"
    for thread in threads:
        thread.join()
    assert told == [1] * 4
    with pytest.raises(octant.ClosedError):
        a.search(query, 3, 1)


def test_a_lease_that_comes_while_closing_waits_keeps_the_database_open(fake, tmp_path):
    db = octant.open(tmp_path / "data")
    a = db.create("a", 4)
    query = np.ones(4, np.float32)
    search = threading.Thread(target=lambda: a.search(query, 3, 300))
    search.start()
    while fake.calls_running < 1:
        time.sleep(0.001)
    closing = threading.Thread(target=db.close)
    closing.start()
    time.sleep(0.05)
    again = octant.open(tmp_path / "data")
    search.join()
    closing.join()
    assert fake.open_count == 1 and fake.close_count == 0
    assert again["a"].search(query, 3, 1)[0][1] == 1
    again.close()
    assert fake.close_count == 1


def test_nothing_is_kept_alive_by_the_module(fake):
    db = octant.open()
    a = db.create("a", 4)
    a.search(np.ones(4, np.float32), 3, 1)
    handle = weakref.ref(db._lease.handle)
    db.close()
    del a, db
    import gc

    gc.collect()
    assert handle() is None


def in_child(collection, pipe):
    try:
        pipe.send(collection.search(np.ones(4, np.float32), 3, 1))
    except octant.Error as reason:
        pipe.send(str(reason))


def test_a_forked_child_may_not_search(fake):
    with octant.open() as db:
        a = db.create("a", 4)
        here, there = multiprocessing.Pipe()
        child = multiprocessing.get_context("fork").Process(target=in_child, args=(a, there))
        child.start()
        told = here.recv()
        child.join()
        assert "cannot be used in its forked child" in told
        assert a.search(np.ones(4, np.float32), 3, 1)[0][1] == 1


def test_a_failing_search_raises_the_engines_words(two):
    told = outcome(two[0], np.full(24, np.inf, np.float32), 3)
    assert told[0] is octant.InvalidError and "not a finite number" in told[1]
    with pytest.raises(octant.InvalidError, match="too large"):
        native._raise(int(octant.Status.INVALID), b"too large")
