"""Goal:   the official clients of other languages get what is written here, whichever door they come by.
Method: one program each (javascript/, go/) walks collections, points, queries, aliases and errors of a server of its own, and
        prints a line for each step. A toolchain or package that this machine lacks is a skip that says so; what to
        install stands in docs/clients.md.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "conformance"))

import doors  # noqa: E402

WANTED: Dict[str, Any] = {
    "create": True,
    "exists": True,
    "collections": ["short"],
    "upsert": "completed",
    "count": 5,
    "count red": 2,
    "retrieve": [[2, "green", 1, [1, None, {"deep": True}], [0.25, 0.5, 0.375, -0.25]]],
    "query": [[5, 1], [4, 0.75], [3, 0.5]],
    "query red": [4, 1],
    "recommend": [2, 3],
    "groups": [["green", [5, 2]], ["red", [4, 1]], ["blue", [3]]],
    "scroll": [[1, 2], 3],
    "set payload": "black",
    "delete": 4,
    "aliases": [["nick", "short"]],
    "no collection": "not found",
    "wrong size": "invalid",
    "delete collection": True,
}


def played(command: List[str], folder: Path, uses_grpc: bool) -> Dict[str, Any]:
    reason = doors.missing_reason()
    if reason:
        pytest.skip(reason)
    server = doors.Server(tempfile.mkdtemp(prefix="octant-clients-"))
    server.start()
    try:
        port = server.grpc_port if uses_grpc else server.port
        ended = subprocess.run([*command, str(port)], cwd=folder, capture_output=True, text=True, timeout=120)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        server.stop()
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
    lines = [line.split("\t", 1) for line in ended.stdout.splitlines()]
    return {name: json.loads(text) for name, text in lines}


@pytest.mark.parametrize("program", ["rest.mjs", "grpc.mjs"])
def test_javascript(program: str) -> None:
    folder = HERE / "javascript"
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (folder / "node_modules").exists():
        pytest.skip("run npm install in tests/clients/javascript")
    assert played(["node", program], folder, program == "grpc.mjs") == WANTED


def test_go(tmp_path: Path) -> None:
    folder = HERE / "go"
    if shutil.which("go") is None:
        pytest.skip("go is not installed")
    made = subprocess.run(["go", "build", "-o", str(tmp_path / "walk"), "."], cwd=folder, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"go build: {made.stderr.strip()[-300:]}")
    assert played([str(tmp_path / "walk")], folder, True) == WANTED
