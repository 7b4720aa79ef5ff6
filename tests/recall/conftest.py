"""The engine through the numpy interface; a test says so and skips where it, or a data set, is absent."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "ann" / "debian-768"

sys.path.insert(0, str(ROOT / "tests" / "recall"))


@pytest.fixture(scope="session")
def debian():
    """Real embeddings: (base, queries, cosine of the tenth true neighbour)."""
    numpy = pytest.importorskip("numpy")
    if not (DATA / "base.f16.npy").exists():
        pytest.skip("no ../shared/data/ann/debian-768")
    base = numpy.load(DATA / "base.f16.npy").astype(numpy.float32)
    return base, numpy.load(DATA / "query.npy"), numpy.load(DATA / "gtsim.npy")[:, 9]
