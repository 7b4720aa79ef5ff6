"""Goal:   a database is open once per process, shared by path, closed once, after the last call, and never from
          a forked child.
Method:   a fake library that counts opens, closes and calls in progress (fake_library.c). No randomness.
"""

import gc
import multiprocessing
import os
import signal
import threading
import time

import pytest

import octant
from octant import _handle

TARGET = b"/collections/a?sleep=%d"


def call(lease, ms=0):
    return lease.handle.call(b"GET", TARGET % ms, b"")


def test_clients_of_one_path_share_and_the_last_closes(fake, tmp_path):
    path = tmp_path / "data"
    (tmp_path / "link").symlink_to(path)
    first = _handle.lease(path)
    others = [
        _handle.lease(str(path) + "/"),
        _handle.lease(tmp_path / "link"),
        _handle.lease(os.fsencode(path)),
    ]
    assert fake.open_count == 1
    first.close()
    first.close()
    for other in others:
        assert fake.close_count == 0
        assert call(other)[0] == 200
        other.close()
    assert fake.close_count == 1
    again = _handle.lease(path)
    assert fake.open_count == 2
    again.close()


def test_databases_in_memory_are_never_shared(fake):
    leases = [_handle.lease(None), _handle.lease(":memory:")]
    assert fake.open_count == 2
    for one in leases:
        one.close()


def test_a_failed_open_leaves_nothing_behind(fake, tmp_path):
    for _ in range(2):
        with pytest.raises(octant.LockedError, match="process 4711") as failed:
            _handle.lease(tmp_path / "locked")
        assert failed.value.status == octant.Status.LOCKED
    assert not _handle._registry
    with pytest.raises(octant.InvalidError, match="path of a database is empty"):
        _handle.lease("")


def test_options_must_agree_with_the_open_database(fake, tmp_path):
    with octant.open(tmp_path / "data", sync="never", threads=2):
        octant.open(tmp_path / "data").close()
        octant.open(tmp_path / "data", sync="never", threads=2).close()
        with pytest.raises(
            octant.InvalidError, match="is open in this process with sync='never', not 'always'"
        ):
            octant.open(tmp_path / "data", threads=2)
    with pytest.raises(octant.InvalidError, match="sync is 'sometimes'"):
        octant.open(sync="sometimes")


def test_calls_after_close_are_refused(fake):
    one = _handle.lease(None)
    handle = one.handle
    one.close()
    with pytest.raises(octant.ClosedError, match="the database :memory: is closed"):
        handle.call(b"GET", b"/", b"")
    with pytest.raises(octant.ClosedError):
        one.share()


def test_closing_waits_for_running_calls(fake):
    one = _handle.lease(None)
    results = []
    threads = [threading.Thread(target=lambda: results.append(call(one, 200)[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    while fake.calls_running < 4:
        time.sleep(0.001)
    one.close()
    assert fake.close_count == 1, "close() came back before the database was closed"
    for thread in threads:
        thread.join()
    assert results == [200] * 4


def test_calls_run_in_parallel(fake):
    with octant.open() as db:
        threads = [threading.Thread(target=call, args=(db._lease, 100)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert fake.calls_most == 8


def test_a_collected_client_closes_its_database(fake):
    one = _handle.lease(None)
    del one
    gc.collect()
    assert fake.close_count == 1


def test_a_failing_checkpoint_is_told_to_whoever_closes(fake, tmp_path):
    db = octant.open(tmp_path / "failclose")
    with pytest.raises(octant.IOError, match="the checkpoint could not be written"):
        db.close()
    db.close()
    assert fake.close_count == 1
    octant_again = octant.open(tmp_path / "failclose")  # the path is free again
    with pytest.raises(octant.IOError):
        octant_again.close()


def test_a_failing_checkpoint_is_not_told_to_a_call_that_was_merely_last(fake, tmp_path):
    db = octant.open(tmp_path / "failclose")
    told = []

    def calling():
        told.append(call(db._lease, 200)[0])

    thread = threading.Thread(target=calling)
    thread.start()
    while fake.calls_running < 1:
        time.sleep(0.001)
    with pytest.raises(octant.IOError):
        db.close()
    thread.join()
    assert told == [200]


def test_a_failing_checkpoint_at_collection_is_printed(fake, tmp_path, recwarn, capsys, monkeypatch):
    import sys

    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(args.exc_value))
    monkeypatch.setattr(sys, "excepthook", lambda kind, value, trace: seen.append(value))
    one = _handle.lease(tmp_path / "failclose")
    del one
    gc.collect()
    assert len(seen) == 1 and isinstance(seen[0], octant.IOError)


def test_collections_are_closed_before_their_database(fake):
    db = octant.open()
    first = db.create("a", 4)
    second = db["a"]
    assert fake.collection_count == 2
    del second
    gc.collect()
    assert fake.collection_count == 1
    db.close()
    assert fake.collection_count == 0
    with pytest.raises(octant.ClosedError):
        len(first)
    with pytest.raises(octant.ClosedError):
        db["a"]


def test_many_threads_opening_calling_and_closing(fake, tmp_path):
    """Method: 8 threads, 100 rounds each, two paths; the fake notices a database closed too early."""
    failures = []

    def work(number):
        try:
            for i in range(100):
                one = _handle.lease(tmp_path / f"data{(number + i) % 2}")
                assert call(one)[0] == 200
                if i % 3:
                    one.close()
                else:
                    del one
        except BaseException as reason:
            failures.append(reason)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert not _handle._registry
    assert fake.open_count == fake.close_count > 0


def test_a_signal_handler_may_close_during_a_call(fake):
    """The main thread is inside a call when the handler closes: it must not wait for itself."""
    db = octant.open()
    handle = db._lease.handle
    before = signal.signal(signal.SIGALRM, lambda *_: db.close())
    try:
        with handle:
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            deadline = time.monotonic() + 5
            while not db.closed and time.monotonic() < deadline:
                time.sleep(0.005)
            assert db.closed
            assert fake.close_count == 0
        assert fake.close_count == 1
    finally:
        signal.signal(signal.SIGALRM, before)


def in_child(path, pipe, parent_lease):
    told = []
    try:
        parent_lease.handle.call(b"GET", b"/", b"")
    except octant.Error as reason:
        told.append(str(reason))
    parent_lease.close()
    gc.collect()
    octant.open(path).close()  # a database of the child's own (the fake has no lock)
    told.append(len(_handle._registry))
    pipe.send(told)
    pipe.close()


def test_a_forked_child_neither_uses_nor_closes_its_parents_database(fake, tmp_path):
    one = _handle.lease(tmp_path / "data")
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=in_child, args=(tmp_path / "data", there, one))
    child.start()
    there.close()
    told = here.recv()
    child.join()
    assert child.exitcode == 0
    assert "cannot be used in its forked child" in told[0] and told[1] == 0
    assert call(one)[0] == 200
    assert fake.close_count == 0
    one.close()


def test_the_end_of_the_process_closes(fake_path, tmp_path):
    import subprocess
    import sys
    from pathlib import Path

    code = (
        "import octant, octant._lib as lib, ctypes, atexit\n"
        "atexit.register(lambda: print('closed', ctypes.c_int.in_dll(lib._library, 'fake_close_count').value))\n"
        f"db = octant.open({str(tmp_path / 'data')!r})\n"
        "kept = db.create('a', 4)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(octant.__file__).parents[1]), "OCTANT_LIB": str(fake_path)},
    )  # fmt: skip
    assert done.stdout == "closed 1\n" and done.stderr == ""
