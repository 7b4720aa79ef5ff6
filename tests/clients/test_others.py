"""Goal:   the official clients of other languages get what is written here, whichever door they come by.
Method: one program each (javascript/, go/, rust/, java/) walks the surface that its client offers, over a server of its own,
        and prints a line for each step: a short walk over the daily things, a wide one over named, sparse and multivectors,
        every kind of query, payload and vector edits, field indexes, snapshots, aliases and errors; and one over what is rarer:
        indexes of every type, conditions, MMR, relevance feedback, modes of upserts, batches of every operation, shard keys.
        All get the same.
        Programs are built under build/clients, once. A toolchain or package that this machine lacks, and cannot fetch, is
        a skip that says so; docs/clients.md has what to install.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List

import pytest

HERE = Path(__file__).resolve().parent
BUILT = HERE.parents[1] / "build" / "clients"
BUILD_S_MAX = 900  # the crates take a minute on two idle cores
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
    "wide create": True,
    "field index": "completed",
    "wide upsert": "completed",
    "info": [4, True, ["color", "size"]],
    "sparse": [[2, 1], [1, 0.5], [4, 0.5], [3, 0.25]],
    "euclid": [[3, 0], [2, 1], [4, 1], [1, 2]],
    "multivector": [[4, 4], [3, 3], [2, 2], [1, 1]],
    "rrf": [2, 4, 1],
    "dbsf": [2, 4, 3],
    "order by": [4, 3, 2, 1],
    "sample": 4,
    "discover": [3],
    "context": [1, 3],
    "formula": [[4, 6.75], [3, 4.5]],
    "batch": [[4, 3], [2]],
    "facet": [["blue", 1], ["green", 1], ["red", 2]],
    "matrix": [4, 4],
    "overwrite payload": ["only"],
    "delete payload": ["color"],
    "clear payload": [],
    "update vectors": [[4, 0]],
    "delete vectors": ["dense", "other"],
    "batch update": ["completed", "completed"],
    "update collection": True,
    "snapshot": [True, 0],
    "full snapshot": [True, 0],
    "rename alias": ["second"],
    "delete alias": 0,
    "delete field index": "completed",
    "create twice": "exists",
    "no such vector": "invalid",
    "health": True,
    "wide delete": True,
    "exists no more": False,
    "indexes": [[kind, kind] for kind in ("bool", "datetime", "float", "geo", "integer", "keyword", "text", "uuid")],
    "filters": [3, 4, 2, 2, 3, 6, 1, 6],
    "mmr": [5, 2, 4],
    "feedback": [3, 5, 2],
    "rrf k": [[3, 96], [5, 96], [2, 34]],
    "timeout": [5, 3, 6],
    "pairs": 6,
    "order scroll": [6, 5, 4],
    "insert only": [1, 7],
    "update only": [101],
    "update filter": [101, 102],
    "batch of all": ["completed"] * 8,
    "after the batch": [[3, None, 9], [6, 9, 5]],
    "vector name": [[1], ["d"]],
    "shard keys": [["a", "b"], 2, [3]],
    "delete shard key": [["b"], 1],
    "cluster info": [1, 0],
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


def built(command: List[str], folder: Path, product: Path, **environment: str) -> None:
    """Run a build; one that cannot be done here is a skip, unless an earlier one left something that is no longer built."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    made = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=BUILD_S_MAX, env={**os.environ, **environment}
    )
    if made.returncode != 0:
        words = (made.stdout + made.stderr).strip()
        # A program that does not compile is a failure; a package that cannot be fetched is none of ours.
        assert not any(mark in words for mark in ("error[E", "COMPILATION ERROR", "main.go:")), words[-3000:]
        pytest.skip(f"{' '.join(command)} did not succeed: {words[-300:]}")
    assert product.exists()


@pytest.mark.parametrize("program", ["rest.mjs", "grpc.mjs"])
def test_javascript(program: str) -> None:
    folder = BUILT / "javascript"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "javascript" / "package.json").read_text()
    for name in (program, "package.json"):
        shutil.copy(HERE / "javascript" / name, folder / name)
    installed = folder / "node_modules" / "installed.json"  # by what
    if not installed.exists() or installed.read_text() != wanted:
        built(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"], folder, folder / "node_modules")
        installed.write_text(wanted)
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    assert played(["node", program], folder, program == "grpc.mjs") == WANTED


def test_go() -> None:
    program = BUILT / "go" / "walk"
    built(["go", "build", "-o", str(program), "."], HERE / "go", program)
    # This version of the client has no call that adds a vector to a collection.
    assert played([str(program)], program.parent, True) == {name: value for name, value in WANTED.items() if name != "vector name"}


def test_rust() -> None:
    program = BUILT / "rust" / "debug" / "walk"
    built(["cargo", "build", "--locked", "--quiet", "--jobs", "2"], HERE / "rust", program, CARGO_TARGET_DIR=str(BUILT / "rust"))
    assert played([str(program)], program.parent, True) == WANTED


def test_java() -> None:
    folder = BUILT / "java"
    archive, source = folder / "walk.jar", HERE / "java"
    newest = max(path.stat().st_mtime for path in [source / "pom.xml", *source.rglob("*.java")])
    if not archive.exists() or archive.stat().st_mtime < newest:  # maven takes its time to see that nothing is to be done
        built(["mvn", "--batch-mode", "--quiet", "package"], source, archive)
    if shutil.which("java") is None:
        pytest.skip("java is not installed")
    assert played(["java", "-cp", f"{archive}{os.pathsep}{folder / 'libraries'}/*", "Walk"], folder, True) == WANTED
