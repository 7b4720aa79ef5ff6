"""Databases that earlier versions wrote are opened by this one, and everything is in them.

Goal: no version ever loses or misreads what an earlier one wrote.
Method: each database of fixtures/ is unpacked, opened, read and compared with the JSON file beside it, which was written with it;
again after a checkpoint of this version, after writes, and beside a reader that may change nothing."""
import json
import pathlib
import sys
import tarfile

import pytest

import octant

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import content  # noqa: E402

FIXTURES = sorted((pathlib.Path(__file__).parent / "fixtures").glob("*.tar.gz"))


@pytest.fixture(params=FIXTURES, ids=lambda path: path.name.split(".")[0])
def database(request, tmp_path):
    with tarfile.open(request.param) as tar:
        tar.extractall(tmp_path / "db")
    expected = json.loads(request.param.with_name(request.param.name.replace(".tar.gz", ".json")).read_text())
    return tmp_path / "db", expected


def subset(expected, got, where=""):
    """Configurations may have gained keys since; nothing that was there may be different."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key, value in expected.items():
            assert key in got, f"{where}.{key} is missing"
            subset(value, got[key], f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(got, list):
        assert len(expected) == len(got), f"{where}: {len(got)} of {len(expected)}"
        for i, (a, b) in enumerate(zip(expected, got)):
            subset(a, b, f"{where}[{i}]")
    else:
        assert expected == got, f"{where}: {got!r}, expected {expected!r}"


def test_there_are_fixtures():
    assert FIXTURES


def test_everything_is_there(database):
    path, expected = database
    for _ in range(2):  # the second time from a checkpoint of this version
        client = octant.QdrantClient(path=str(path))
        subset(expected, content.read(client))
        client.close()


def test_it_can_be_written_to(database):
    path, expected = database
    client = octant.QdrantClient(path=str(path))
    new = content.everything(1000)
    client.upsert("everything", [new])
    client.delete("everything", points_selector=[new.id])
    client.upsert("graph", [content.models.PointStruct(id=10**6, vector=content.dense(1))])
    client.delete("graph", points_selector=[10**6])
    client.close()
    client = octant.QdrantClient(path=str(path))
    subset(expected, content.read(client))
    client.close()


def test_a_reader_changes_nothing(database):
    path, expected = database
    before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    with octant.open(path, read_only=True) as db:
        assert sorted(db) == sorted(expected["collections"])
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == before
