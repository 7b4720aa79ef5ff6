"""Goal:   vectors that are configured `on_disk` leave memory at a checkpoint, nothing else changes, and a damaged one is
          named.
Method:   two collections with the same 6,000 vectors, one on disk, searched and written beside each other; what is
          mapped is read in /proc/self/smaps. Seed 9.
"""

import os
import re

import numpy as np
import pytest

import octant

DIM = 256
BYTES = 4 * DIM

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="needs /proc/self/smaps")


def mapped_bytes(path):
    """Of files named vectors.* below the path."""
    total, inside = 0, False
    with open("/proc/self/smaps", encoding="ascii", errors="replace") as lines:
        for line in lines:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
            if found:
                inside = str(path) in line and "/vectors." in line
                if inside:
                    total += int(found[2], 16) - int(found[1], 16)
    return total


def test_vectors_on_disk_leave_memory_and_answer_alike(engine, tmp_path):
    rng = np.random.default_rng(9)
    rows = rng.normal(size=(6000, DIM)).astype(np.float32)
    queries = rng.normal(size=(20, DIM)).astype(np.float32)
    with octant.open(tmp_path / "data") as db:
        both = [db.create(name, DIM, "Euclid", on_disk=name == "disk", indexing_threshold=1) for name in ("ram", "disk")]
        for first in range(0, 6000, 2000):
            for one in both:
                one.upsert(np.arange(first, first + 2000), rows[first : first + 2000])
                one.delete(np.arange(first, first + 50))
            db.checkpoint()
            mapped = mapped_bytes(tmp_path / "data")
            least = 0.8 * (first + 2000) * BYTES
            assert least < mapped < 1.1 * (first + 2000) * BYTES, "only the collection on disk is mapped, but for its first rows"
            for exact in (False, True):
                ram, disk = [one.search(queries, 10, 64, exact) for one in both]
                assert (ram[0] == disk[0]).all() and (ram[1] == disk[1]).all()
            ram, disk = [one.get([first + 60, first + 1999, 5]) for one in both]
            assert all((a.vector == b.vector).all() for a, b in zip(ram, disk))
        for one in both:
            one.wait_indexed()
            one.check()
        assert both[0].graph_checksum() == both[1].graph_checksum()
        for one in both:
            one.optimize()  # new rows: they are in memory until the next checkpoint
        db.checkpoint()
        assert 0.8 * 5850 * BYTES < mapped_bytes(tmp_path / "data") < 1.1 * 5850 * BYTES
        before = [one.search(queries, 10, 64) for one in both]
        assert (before[0][0] == before[1][0]).all()
    with octant.open(tmp_path / "data") as db:
        after = db["disk"].search(queries, 10, 64)
        assert (after[0] == before[1][0]).all() and (after[1] == before[1][1]).all()


def test_a_damaged_vector_is_named_after_its_memory_went(engine, tmp_path):
    rng = np.random.default_rng(9)
    rows = rng.normal(size=(4000, DIM)).astype(np.float32)
    with octant.open(tmp_path / "data") as db:
        a = db.create("a", DIM, "Euclid", on_disk=True)
        a.upsert(np.arange(4000), rows)
        db.checkpoint()
        (path,) = (tmp_path / "data").glob("shard/*/vectors.*.data")
        with path.open("r+b") as file:
            file.seek(4096 + 1000 * BYTES)
            file.write(b"\xff\xff")
        with pytest.raises(octant.CorruptError, match="vectors"):
            a.search(rows[1000], 1, exact=True)


def test_memory_by_part_adds_up(engine, tmp_path):
    rng = np.random.default_rng(9)
    dim, count = 768, 4096
    with octant.open(tmp_path / "data") as db:
        a = db.create("a", dim, on_disk=True, indexing_threshold=1)
        assert sum(map(sum, a.memory().values())) < 10000
        a.upsert(np.arange(count), rng.normal(size=(count, dim)).astype(np.float32))
        a.wait_indexed()
        first = a.memory()
        assert first["vectors"] == (count * dim * 4, 0)
        assert first["codes"][0] == count * 448 and 120 * count < first["links"][0] < 150 * count
        db.checkpoint()
        then = a.memory()
        assert sum(then["vectors"]) == count * dim * 4 and then["vectors"][0] < 256 * 1024 * 2
        assert {**then, "vectors": 0} == {**first, "vectors": 0}
    with octant.open(tmp_path / "data") as db:
        after = db["a"].memory()
        assert after["vectors"] == then["vectors"]
        rest = sum(own + mapped for part, (own, mapped) in after.items() if part != "vectors")
        assert rest <= 700 * count, "a 768-d vector on disk takes at most 700 bytes of memory"
