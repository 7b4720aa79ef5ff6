"""Short forms of tools/limits.py.

Goal: what docs/reliability.md says of many collections, of bytes written, of windows that roll and of malformed requests holds
in kind.
Method: the same commands, smaller; what is asserted is what does not depend on how fast the machine is."""
import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("limits", ROOT / "tools" / "limits.py")
limits = importlib.util.module_from_spec(spec)
spec.loader.exec_module(limits)


def test_many_collections_cost_little():
    out = limits.main(["collections", "--count", "400"])
    assert out["open_files"] < 200 and out["open_files_after_start"] < 200
    assert out["threads"] < 100
    assert out["rss_mb"] < 100
    assert out["files"] < 50  # none for each


def test_bytes_written_are_bounded():
    pytest.importorskip("numpy")
    out = limits.main(["writes", "--megabytes", "24", "--m", "0"])
    # Once in the log; once, some of it, in files at the end.
    assert 1 <= out["while_writing"] < 3
    assert out["with_closing"] < 4


def test_a_window_that_rolls_stays_as_large_as_it_is():
    pytest.importorskip("numpy")
    out = limits.main(["window", "--live", "4000", "--ids", "120000"])
    first, last = out["steps"][0], out["steps"][-1]
    assert last["ids"] == 120000
    # Thirty windows later nothing has grown but by chance: 100,000 ids that stay would take 5 MB.
    assert last["points_mb"] <= first["points_mb"] + 1
    assert last["disk_mb"] <= 2 * first["disk_mb"] + 1


def test_what_is_deleted_is_given_back():
    pytest.importorskip("numpy")
    # A tenth of the points is left; of so few the memory that the allocator keeps is a larger part.
    out = limits.main(["shrink", "--points", "20000", "--seconds", "300", "--left", "0.4"])
    assert out["disk_mb"][1] < 0.4 * out["disk_mb"][0], out
    assert out["memory_mb"][1] < 0.4 * out["memory_mb"][0], out


def test_malformed_requests_harm_nobody():
    out = limits.main(["load", "--seconds", "2", "--threads", "4"])
    assert out["malformed"] > 0 and out["beside"]["requests"] >= 20
    assert out["open_files"] < 300  # connections of those who hung up are gone, but for the last
    assert out["rss_mb"] < 300
