"""Goal:   vectors of float16 and uint8 take 2 bytes and 1 a component in memory, mapped files and the log, and give the same
          hits from a file as from memory.
Method:   collections of each type, on disk and not, filled alike; memory by part and the growth of the log are read. Seed 12.
"""

import numpy as np
import pytest

import octant

DIM = 256
COUNT = 4096


def log_bytes(path):
    return sum(file.stat().st_size for file in (path / "log").iterdir())


@pytest.mark.parametrize("datatype, size", [("float32", 4), ("float16", 2), ("uint8", 1)])
def test_narrow_vectors_take_2_and_1_bytes(engine, tmp_path, datatype, size):
    rng = np.random.default_rng(12)
    rows = rng.uniform(0, 255, size=(COUNT, DIM)).astype(np.float32)
    queries = rng.uniform(0, 255, size=(20, DIM)).astype(np.float32)
    folder = tmp_path / "data"
    with octant.open(folder) as db:
        both = [
            db.create(name, DIM, "Euclid", datatype=datatype, on_disk=name == "disk", indexing_threshold=1)
            for name in ("ram", "disk")
        ]
        before = log_bytes(folder)
        for one in both:
            one.upsert(np.arange(COUNT), rows)
            one.wait_indexed()
            assert one.memory()["vectors"] == (COUNT * DIM * size, 0)
        grown = log_bytes(folder) - before
        # The log's file is made a little larger than what is in it.
        assert COUNT * DIM * size < grown < 2 * COUNT * (DIM * size + 64)
        told = both[0].search(queries, 10, 64)
        db.checkpoint()
        own, mapped = both[1].memory()["vectors"]
        assert own + mapped == COUNT * DIM * size and mapped > own
        for one in both:
            again = one.search(queries, 10, 64)
            assert (again[0] == told[0]).all() and (again[1] == told[1]).all()
    with octant.open(folder) as db:
        for name in ("ram", "disk"):
            again = db[name].search(queries, 10, 64)
            assert (again[0] == told[0]).all() and (again[1] == told[1]).all()
            assert sum(db[name].memory()["vectors"]) == COUNT * DIM * size
        data = next((folder / "shard").glob("*/vectors.*.data"))
        assert data.stat().st_size == 4096 + COUNT * DIM * size
