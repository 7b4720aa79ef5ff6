"""Goal:   vectors that are configured `on_disk` leave memory at a checkpoint, nothing else changes, and a damaged one is
          named.
          Links and codes of 8 bits go with the settings that ask for them.
Method:   two collections with the same 6,000 vectors, one on disk, searched and written beside each other; what is
          mapped is read in /proc/self/smaps. Seed 9.
"""

import os
import re
import subprocess
import sys

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


def code_bytes(collection):
    """Of each vector: the quantization settles it, but a change of it does so only once the graph was built again."""
    collection.wait_indexed()
    return sum(collection.memory()["codes"]) / len(collection)


CODES_4, CODES_8 = 64 + 64, 64 + 64 + 64 + 64  # DIM / 2 and a line of factors; the same again


def test_codes_follow_the_quantization_through_changes_restarts_and_deaths(engine, tmp_path):
    rng = np.random.default_rng(10)
    rows = rng.normal(size=(3000, 128)).astype(np.float32)
    queries = rng.normal(size=(20, 128)).astype(np.float32)
    path = tmp_path / "data"
    with octant.open(path) as db:
        plain = db.create("plain", 128, "Euclid", on_disk=True, indexing_threshold=1, full_scan_threshold=10)
        plain.upsert(np.arange(3000), rows)
        plain.wait_indexed()
        right = plain.search(queries, 10, 64)

    def check(bytes_a_vector):
        with octant.open(path) as db:
            assert code_bytes(db["a"]) == bytes_a_vector
            db["a"].check()
            found = db["a"].search(queries, 10, 64)
            assert (found[0] == right[0]).all() and (found[1] == right[1]).all()

    # Each change is made by a process that ends at once, without closing anything; some write to the log no more.
    change = """
import os, sys
import octant
from qdrant_client import models
client = octant.QdrantClient(path=sys.argv[1])
scalar = models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(type="int8"))
if sys.argv[2] == "create":
    client.create_collection("a", vectors_config=models.VectorParams(size=128, distance="Euclid", on_disk=True),
                             hnsw_config=models.HnswConfigDiff(full_scan_threshold=10),
                             optimizers_config=models.OptimizersConfigDiff(indexing_threshold=1), quantization_config=scalar)
else:
    wanted = {"off": models.Disabled.DISABLED, "scalar": scalar,
              "x4": models.ProductQuantization(product=models.ProductQuantizationConfig(compression="x4")),
              "x16": models.ProductQuantization(product=models.ProductQuantizationConfig(compression="x16"))}[sys.argv[2]]
    client.update_collection("a", quantization_config=wanted)
os._exit(0)
"""

    def make(what):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", change, str(path), what], check=True, env=environment)

    make("create")
    with octant.open(path) as db:
        db["a"].upsert(np.arange(3000), rows)
        assert code_bytes(db["a"]) == CODES_8
        db.checkpoint()
        assert sum(db["a"].memory()["vectors"]) == 3000 * 512
    check(CODES_8)
    for what, expected in (("off", CODES_4), ("scalar", CODES_8), ("x16", CODES_4), ("x4", CODES_8), ("off", CODES_4)):
        make(what)
        check(expected)
        check(expected)


def test_damaged_codes_of_8_bits_are_made_again(engine, tmp_path):
    rng = np.random.default_rng(11)
    rows = rng.normal(size=(3000, 128)).astype(np.float32)
    from qdrant_client import models

    client = octant.QdrantClient(path=tmp_path / "data")
    scalar = models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(type="int8"))
    config = models.VectorParams(size=128, distance="Cosine", on_disk=True)
    client.create_collection("a", vectors_config=config, quantization_config=scalar)
    client.close()
    with octant.open(tmp_path / "data") as db:
        a = db["a"]
        a.upsert(np.arange(3000), rows)
        a.wait_indexed()
        db.checkpoint()
        before = a.search(rows[:20], 10, 64)
    (path,) = (tmp_path / "data").glob("shard/*/fine.*.data")
    original = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(4096 + 1000 * 128)
        file.write(b"\xff\x00\xff")
    with octant.open(tmp_path / "data") as db:
        after = db["a"].search(rows[:20], 10, 64)
        assert (after[0] == before[0]).all() and (after[1] == before[1]).all()
        db.checkpoint()
    (path,) = (tmp_path / "data").glob("shard/*/fine.*.data")
    assert path.read_bytes()[4096:] == original[4096:]


def test_links_on_disk_stay_in_their_file_after_opening(engine, tmp_path):
    rng = np.random.default_rng(12)
    rows = rng.normal(size=(6000, 64)).astype(np.float32)
    from qdrant_client import models

    client = octant.QdrantClient(path=tmp_path / "data")
    for name, on_disk in (("ram", False), ("disk", True)):
        hnsw = models.HnswConfigDiff(on_disk=on_disk, full_scan_threshold=10)
        config = models.VectorParams(size=64, distance="Cosine", hnsw_config=hnsw)
        optimizers = models.OptimizersConfigDiff(indexing_threshold=1)
        client.create_collection("c" + name, vectors_config=config, optimizers_config=optimizers)
    client.close()
    with octant.open(tmp_path / "data") as db:
        both = [db["cram"], db["cdisk"]]
        for one in both:
            one.upsert(np.arange(6000), rows)
            one.wait_indexed()
    with octant.open(tmp_path / "data") as db:
        both = [db["cram"], db["cdisk"]]
        own, mapped = both[1].memory()["links"]
        assert mapped > own and both[0].memory()["links"][1] == 0, "all but pieces of less than 256 KB"
        ram, disk = [one.search(rows[:50], 10, 64) for one in both]
        assert (ram[0] == disk[0]).all() and (ram[1] == disk[1]).all()
        for one in both:  # links change: pages that do are the process's own from then on
            one.upsert(np.arange(6000, 9000), -rows[:3000])
            one.wait_indexed()
            one.check()
        assert both[0].graph_checksum() == both[1].graph_checksum()
