"""What the scripts share: texts with real embeddings (all-MiniLM-L6-v2, as in the demo), and a server.

A framework that is not installed is a skip with its name; tools/requirements-integrations.txt has the versions tried.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator, List

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "conformance"))
sys.path.insert(0, str(ROOT / "examples"))

import doors as doors_module  # noqa: E402

MODEL = ROOT / "build" / "demo"
DIM = 384

TEXTS = [
    "The cat sleeps on the warm windowsill.",
    "A dog chases the ball across the lawn.",
    "The bank raised its interest rate by half a percent.",
    "Shares fell after the company warned of lower profits.",
    "Simmer the tomatoes with garlic and basil for an hour.",
    "Knead the dough until it is smooth, then let it rise.",
    "The rocket reached orbit nine minutes after the launch.",
    "Astronomers found water vapour around a distant planet.",
]
TOPICS = ["animals", "animals", "money", "money", "food", "food", "space", "space"]


class Embedder:
    def __init__(self) -> None:
        import embed

        self.model = embed.Model(str(MODEL), threads=1)

    def many(self, texts: List[str]) -> List[List[float]]:
        return [[float(x) for x in row] for row in self.model.encode(list(texts))]

    def one(self, text: str) -> List[float]:
        return self.many([text])[0]


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    pytest.importorskip("tokenizers")
    if not (MODEL / "model.safetensors").exists():
        pytest.skip("build/demo/model.safetensors is not there (make demo fetches it)")
    return Embedder()


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    reason = doors_module.missing_reason()
    if reason:
        pytest.skip(reason)
    started = doors_module.Server(tempfile.mkdtemp(prefix="octant-integrations-"))
    started.start()
    yield started
    started.stop()


def client_of(kind: str, server: Any) -> Any:
    """A client object for frameworks that take one: in process, or of the server by REST or gRPC."""
    octant = doors_module.import_octant()
    if kind == "memory":
        return octant.QdrantClient(":memory:")
    return octant.QdrantClient(
        url=server.url, grpc_port=server.grpc_port, prefer_grpc=kind == "grpc", check_compatibility=False
    )


def sparse_of(text: str) -> Any:
    """Words as numbers, for frameworks that want a sparse model of the user's: (indices, values)."""
    words = sorted({sum(ord(letter) * 31**place for place, letter in enumerate(word)) % 1_000_003
                    for word in text.lower().strip(".?").split()})  # fmt: skip
    return words, [1.0] * len(words)


def async_client_of(kind: str, server: Any) -> Any:
    octant = doors_module.import_octant()
    if kind == "memory":
        return octant.AsyncQdrantClient(":memory:")
    return octant.AsyncQdrantClient(
        url=server.url, grpc_port=server.grpc_port, prefer_grpc=kind == "grpc", check_compatibility=False
    )
