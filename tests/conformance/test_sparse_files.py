"""Lists of sparse vectors in files: the answers are those of qdrant-client's local engine, from files, with changes behind them, and
when files are damaged; `octant check` names the file, `octant repair` makes it again.

Goal: who opens a database again, or has lost a file that follows from others, notices nothing.
Method: the same points in both; a byte of each kind of file that can be made again is changed, between two openings."""
import os
import random
import subprocess
from pathlib import Path

import pytest
from qdrant_client import QdrantClient, models

import doors as doors_module
from doors import find_program

POINTS = 1500
ENTRIES = 48  # so many that a checkpoint writes lists: 65,536 entries and more


def sparse(rng):
    return models.SparseVector(
        indices=sorted(rng.sample(range(3000), ENTRIES)), values=[round(rng.uniform(0.1, 2), 3) for _ in range(ENTRIES)]
    )


def fill(clients, rng):
    config = {"terms": models.SparseVectorParams(), "idf": models.SparseVectorParams(modifier=models.Modifier.IDF)}
    for client in clients:
        client.create_collection("texts", vectors_config={}, sparse_vectors_config=config)
    for first in range(0, POINTS, 500):
        points = [
            models.PointStruct(id=i, vector={"terms": sparse(rng), "idf": sparse(rng)}, payload={"part": i % 5})
            for i in range(first, first + 500)
        ]
        for client in clients:
            client.upsert("texts", points)


def change(clients, rng):
    """What is not in the lists in files, or no more."""
    gone = rng.sample(range(POINTS), 40)
    points = [models.PointStruct(id=i, vector={"terms": sparse(rng)}) for i in rng.sample(range(POINTS + 50), 60)]
    for client in clients:
        client.delete("texts", models.PointIdsList(points=gone[:20]))
        client.delete_vectors("texts", vectors=["idf"], points=gone[20:])
        client.upsert("texts", points)


def compare(clients, seed):
    part = models.Filter(must=[models.FieldCondition(key="part", match=models.MatchValue(value=3))])
    rng = random.Random(seed)
    for using in ("terms", "idf"):
        for condition in (None, part):
            query = sparse(rng)
            ours, theirs = (
                [(hit.id, hit.score) for hit in hits.points]
                for hits in (client.query_points("texts", query, using=using, query_filter=condition, limit=10) for client in clients)
            )
            assert [score for _, score in ours] == pytest.approx([score for _, score in theirs], rel=1e-5)
            assert {i for i, _ in ours[:5]} == {i for i, _ in theirs[:5]}


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 8
    path.write_bytes(bytes(data))


def run(command, folder):
    done = subprocess.run([find_program(), command, folder], capture_output=True, text=True)
    return done.returncode, done.stdout


@pytest.mark.parametrize("kind", ["lists", "terms", "counts", "seats", "map", "heads"])
def test_damaged_files_are_made_again(kind, tmp_path):
    octant = doors_module.import_octant()
    folder = str(tmp_path / "db")
    rng = random.Random(kind)
    ours, theirs = octant.QdrantClient(path=folder), QdrantClient(":memory:")
    fill([ours, theirs], rng)
    compare([ours, theirs], 1)
    ours.close()
    assert run("check", folder)[0] == 0
    files = sorted(Path(folder).glob(f"shard/*/{kind}.*.data"))
    assert files, os.listdir(folder)
    for path in files:
        flip(path, 4096 + (path.stat().st_size - 4096) // 2)
    code, told = run("check", folder)
    assert code == 1 and any(path.name in told for path in files), told
    ours = octant.QdrantClient(path=folder)
    compare([ours, theirs], 2)
    change([ours, theirs], rng)
    compare([ours, theirs], 3)
    ours.close()
    ours = octant.QdrantClient(path=folder)
    compare([ours, theirs], 4)
    ours.close()
    code, told = run("repair", folder)
    assert code == 0 and "ok       texts" in told, told
    ours = octant.QdrantClient(path=folder)
    compare([ours, theirs], 5)
    ours.close()


def test_repair_says_what_it_did(tmp_path):
    octant = doors_module.import_octant()
    folder = str(tmp_path / "db")
    ours = octant.QdrantClient(path=folder)
    fill([ours], random.Random(7))
    ours.close()
    lists = sorted(Path(folder).glob("shard/*/lists.*.data"))
    seats = sorted(Path(folder).glob("shard/*/seats.*.data"))
    flip(lists[0], 5000)
    flip(seats[1], 5000)
    code, told = run("repair", folder)
    assert code == 0 and "MENDED   texts" in told and seats[1].name in told and "lists of sparse vectors" in told, told
    assert run("check", folder)[0] == 0
