"""Goal:   what docs/clients.md tells to write runs as it stands.
Method: the Python and JavaScript blocks, with the address of a server of its own in the place of the usual one. Blocks of frameworks
        that are not installed are told as skipped. The programs of Go, Rust and Java beside this file make the same calls as
        their blocks.
"""

import re
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "conformance"))

import doors  # noqa: E402

FENCE = "`" * 3


def blocks(language: str) -> List[Tuple[str, str]]:
    """(heading, code)"""
    found, heading = [], ""
    text = (ROOT / "docs" / "clients.md").read_text()
    for part in re.split(rf"^(## [^\n]*|{FENCE}{language}\n.*?^{FENCE}$)", text, flags=re.M | re.S):
        if part.startswith("## "):
            heading = part[3:].split("\n")[0]
        elif part.startswith(FENCE + language + "\n"):
            found.append((heading, part[len(FENCE + language) + 1 : -len(FENCE)]))
    return found


PYTHON = blocks("python")


@pytest.fixture(scope="module")
def server():
    reason = doors.missing_reason()
    if reason:
        pytest.skip(reason)
    with doors.serving("docs") as started:
        yield started


def at_home(code: str, server) -> str:
    return code.replace("6333", str(server.port)).replace("6334", str(server.grpc_port)).replace("localhost", "127.0.0.1")


def vector_of(text: str) -> List[float]:
    """In the place of a model: texts that share letters are near."""
    counts = [1.0] * 384
    for letter in text.lower():
        counts[ord(letter) % 384] += 1
    return counts


def words_of(text: str) -> Dict[str, list]:
    numbers = sorted({hash(word) % 100_003 for word in text.lower().split()})
    return {"indices": numbers, "values": [1.0] * len(numbers)}


def models_for(code: str) -> Dict[str, object]:
    """What a reader brings along: `embeddings`, `sparse_embeddings`."""
    made = types.SimpleNamespace(embed_query=vector_of, embed_documents=lambda texts: [vector_of(text) for text in texts])
    if "langchain" not in code:
        return {"embeddings": made}
    from langchain_core.embeddings import Embeddings
    from langchain_qdrant import SparseEmbeddings, SparseVector

    class Dense(Embeddings):
        def embed_query(self, text):
            return vector_of(text)

        def embed_documents(self, texts):
            return [vector_of(text) for text in texts]

    class Sparse(SparseEmbeddings):
        def embed_query(self, text):
            return SparseVector(**words_of(text))

        def embed_documents(self, texts):
            return [self.embed_query(text) for text in texts]

    return {"embeddings": Dense(), "sparse_embeddings": Sparse()}


@pytest.mark.parametrize("place", range(len(PYTHON)), ids=[f"{heading} {place}" for place, (heading, _) in enumerate(PYTHON)])
def test_python(place: int, server, capsys) -> None:
    heading, code = PYTHON[place]
    for module in re.findall(r"^from (langchain_qdrant|llama_index\.vector_stores\.qdrant|haystack_integrations|mem0)\b", code, re.M):
        pytest.importorskip(module)
    exec(compile(at_home(code, server), f"docs/clients.md: {heading}", "exec"), models_for(code))
    printed = capsys.readouterr().out
    assert printed.strip() and "[]" not in printed.splitlines()


def test_javascript(server) -> None:
    folder = HERE.parents[1] / "build" / "clients" / "javascript"  # test_others.py has put the packages there
    if shutil.which("node") is None or not (folder / "node_modules").exists():
        pytest.skip("node or its packages are not installed")
    with doors.urllib.request.urlopen(doors.urllib.request.Request(f"{server.url}/collections/docs", method="DELETE"), timeout=60):
        pass
    (code,) = [code for _, code in blocks("js")]
    (folder / "docs.mjs").write_text(at_home(code, server))
    ended = subprocess.run(["node", "docs.mjs"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0 and "id: 1" in ended.stdout, ended.stdout + ended.stderr
