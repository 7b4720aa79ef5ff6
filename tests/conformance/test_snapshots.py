"""Snapshots through every door: made, listed, downloaded, uploaded, recovered, refused.

The oracle has none (its calls raise), so these cases compare the doors of Octant with the state before, and with each other.
"""

import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path

import httpx
import numpy as np
import pytest
from qdrant_client import models

import doors as doors_module
from doors import MemoryDoor, PathDoor, ServerDoor, find_program

SEED = 411
HALF_A_FORM = b'--x\r\nContent-Disposition: form-data; name="snapshot"\r\n\r\n'
POINTS = 500


@pytest.fixture(params=[MemoryDoor, PathDoor, ServerDoor], ids=lambda kind: kind.name)
def door(request):
    reason = doors_module.missing_reason()
    if reason:
        pytest.skip(reason)
    opened = request.param()
    yield opened
    opened.close()


@pytest.fixture
def server():
    reason = doors_module.missing_reason()
    if reason:
        pytest.skip(reason)
    opened = ServerDoor()
    yield opened
    opened.close()


def fill(client, name="songs", points=POINTS):
    rng = np.random.default_rng(SEED)
    client.create_collection(
        name,
        vectors_config={
            "sound": models.VectorParams(size=24, distance=models.Distance.COSINE),
            "words": models.VectorParams(size=8, distance=models.Distance.DOT),
        },
    )
    client.upsert(
        name,
        [
            models.PointStruct(
                id=i,
                vector={"sound": rng.random(24).tolist(), "words": rng.random(8).tolist()},
                payload={"n": i, "tags": ["a", "b"][: i % 3]},
            )
            for i in range(points)
        ],
    )
    client.delete(name, models.PointIdsList(points=[3, 5]))


def content(client, name="songs"):
    records, _ = client.scroll(name, limit=10 * POINTS, with_payload=True, with_vectors=True)
    hits = client.query_points(name, query=[0.5] * 24, using="sound", limit=20).points
    return records, hits, client.count(name)


def location(door, name, collection="songs"):
    folder = "" if isinstance(door, MemoryDoor) else door.folder
    return f"file://{folder}/snapshots/{collection}/{name}"


def test_snapshot_brings_back_what_was(door):
    fill(door.client)
    before = content(door.client)
    made = door.client.create_snapshot("songs")
    door.client.delete("songs", models.PointIdsList(points=list(range(100))))
    door.client.upsert("songs", [models.PointStruct(id=7, vector={"words": [9.0] * 8}, payload={"changed": True})])
    assert door.client.recover_snapshot("songs", location(door, made.name), checksum=made.checksum)
    assert content(door.client) == before
    door.client.upsert("songs", [models.PointStruct(id=900, vector={}, payload={})])
    door.reopen()
    if not isinstance(door, MemoryDoor):
        assert door.client.count("songs").count == before[2].count + 1


def test_snapshot_makes_a_collection(door):
    fill(door.client)
    made = door.client.create_snapshot("songs")
    assert door.client.recover_snapshot("copy", location(door, made.name))
    assert content(door.client, "copy") == content(door.client)
    assert door.client.get_collection("copy").config == door.client.get_collection("songs").config


def test_alias_goes_over_to_what_was_recovered(door):
    fill(door.client)
    alias = models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name="songs", alias_name="best"))
    door.client.update_collection_aliases([alias])
    made = door.client.create_snapshot("best")
    door.client.delete("best", models.PointIdsList(points=[1]))
    assert door.client.recover_snapshot("best", location(door, made.name))
    assert door.client.count("best").count == POINTS - 2
    assert [each.alias_name for each in door.client.get_aliases().aliases] == ["best"]


def test_snapshots_are_listed_and_deleted(door):
    fill(door.client, points=10)
    made = [door.client.create_snapshot("songs") for _ in range(3)]
    assert sorted(door.client.list_snapshots("songs"), key=lambda each: each.name) == sorted(made, key=lambda each: each.name)
    assert all(each.name.startswith("songs-1-20") and each.name.endswith(".snapshot") for each in made)
    assert door.client.delete_snapshot("songs", made[0].name)
    assert door.call("delete_snapshot", collection_name="songs", snapshot_name=made[0].name).status == 404
    assert len(door.client.list_snapshots("songs")) == 2
    assert door.call("list_snapshots", collection_name="nobody").status == 404
    assert door.call("create_snapshot", collection_name="nobody").status == 404


def test_full_and_shard_snapshots(door):
    fill(door.client, points=10)
    full = door.client.create_full_snapshot()
    assert full.name.startswith("full-snapshot-20") and door.client.list_full_snapshots() == [full]
    assert door.client.delete_full_snapshot(full.name) and door.client.list_full_snapshots() == []
    made = door.client.create_shard_snapshot("songs", 0)
    assert made.name.startswith("songs-shard-0-20") and door.client.list_shard_snapshots("songs", 0) == [made]
    door.client.delete("songs", models.PointIdsList(points=[1]))
    place = location(door, made.name, "songs/shards/0")
    assert door.client.recover_shard_snapshot("songs", 0, place)
    assert door.client.count("songs").count == 8
    assert door.call("recover_shard_snapshot", collection_name="other", shard_id=0, location=place).status == 404
    assert door.call("create_shard_snapshot", collection_name="songs", shard_id=1).status == 404
    assert door.client.delete_shard_snapshot("songs", 0, made.name)


@pytest.mark.parametrize(
    "location_text, status, text",
    [
        ("file://etc/passwd", 400, "Bad request: Invalid snapshot URI, file path must be absolute or on localhost"),
        ("file:///whatever.snapshot", 400, 'Bad request: Snapshot file \\"/whatever.snapshot\\" does not exist'),
        ("ftp://somewhere/x", 400, "Bad request: Invalid snapshot URI"),
        ("", 400, "Bad request: Invalid snapshot URI"),
        ("http://127.0.0.1:9/x", 400, "Bad request: Failed to download snapshot"),
    ],
)
def test_bad_location_is_refused(door, location_text, status, text):
    fill(door.client, points=4)
    failed = door.call("recover_snapshot", collection_name="songs", location=location_text)
    assert (failed.status, text in failed.text) == (status, True), failed
    assert door.client.count("songs").count == 3


def test_location_outside_the_folder_is_forbidden(server):
    server.client.create_full_snapshot()
    failed = server.call("recover_snapshot", collection_name="a", location="file:///etc/passwd")
    assert failed.status == 403 and "Forbidden: Snapshot file path must be inside the snapshots directory" in failed.text
    around = f"file://{server.folder}/snapshots/../octant.json"
    assert server.call("recover_snapshot", collection_name="a", location=around).status == 403


def test_wrong_checksum_and_damage_change_nothing(door):
    fill(door.client)
    before = content(door.client)
    made = door.client.create_snapshot("songs")
    failed = door.call(
        "recover_snapshot", collection_name="songs", location=location(door, made.name), checksum="0" * 64
    )
    assert failed.status == 400
    assert f"Wrong input: Snapshot checksum mismatch: expected {'0' * 64}, got {made.checksum}" in failed.text
    assert content(door.client) == before


def upload(url, collection, data, **options):
    return httpx.post(
        f"{url}/collections/{collection}/snapshots/upload", params=options, files={"snapshot": ("x", data)}, timeout=60
    )


def test_download_and_upload(server):
    fill(server.client, points=4000)
    made = server.client.create_snapshot("songs")
    url = server.server.url
    answer = httpx.get(f"{url}/collections/songs/snapshots/{made.name}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert len(answer.content) == made.size and hashlib.sha256(answer.content).hexdigest() == made.checksum
    assert upload(url, "again", answer.content, priority="snapshot", checksum=made.checksum).json()["result"] is True
    assert content(server.client, "again") == content(server.client)
    wrong = upload(url, "again", answer.content, checksum="f00")
    assert wrong.status_code == 400
    assert wrong.json()["status"]["error"] == f"Checksum mismatch: expected {made.checksum}, actual f00"
    assert upload(url, "again", answer.content, priority="nonsense").status_code == 400
    accepted = upload(url, "later", answer.content, wait="false")
    assert (accepted.status_code, sorted(accepted.json())) == (202, ["status", "time"])
    fresh = httpx.get(f"{url}/collections/songs/shards/0/snapshot")
    assert fresh.status_code == 200 and len(server.client.list_shard_snapshots("songs", 0)) == 0
    head = httpx.head(f"{url}/collections/songs/snapshots/{made.name}")
    assert int(head.headers["content-length"]) == made.size and head.content == b""
    names = tarfile.open(fileobj=io.BytesIO(answer.content)).getnames()
    assert names[0] == "octant-snapshot.json" and names[-1] == "octant-snapshot.end"


def test_hostile_uploads_are_refused(server):
    fill(server.client, points=200)
    made = server.client.create_snapshot("songs")
    url = server.server.url
    data = httpx.get(f"{url}/collections/songs/snapshots/{made.name}").content
    before = content(server.client)
    rng = np.random.default_rng(SEED)
    for _ in range(60):
        bad = bytearray(data)
        bad[int(rng.integers(len(bad)))] ^= 1 << int(rng.integers(8))
        assert upload(url, "songs", bytes(bad)).status_code == 400
    for size in (0, 1, 511, 512, 5000, len(data) - 1):
        assert upload(url, "songs", data[:size]).status_code == 400
    for body in (b"", b"--", b"--x\r\n", b"--x\r\n\r\n", b"hello", HALF_A_FORM + data):
        answer = httpx.post(f"{url}/collections/songs/snapshots/upload", content=body)
        assert answer.status_code == 400 and "error" in answer.json()["status"]
    other = httpx.post(f"{url}/collections/songs/snapshots/upload", files={"other": ("x", data)})
    assert other.status_code == 400
    for name in ("..%2F..%2Foctant.json", "%2Fetc%2Fpasswd", "x.checksum", ".inbox"):
        assert httpx.get(f"{url}/collections/songs/snapshots/{name}").status_code == 404
        assert httpx.delete(f"{url}/snapshots/{name}").status_code == 404
    assert content(server.client) == before
    assert os.listdir(f"{server.folder}/snapshots/.inbox") == []


def test_upload_beyond_the_body_limit(server):
    """A body of 40 MiB, above the 32 MiB that JSON may have, is taken; what it holds is refused."""
    answer = upload(server.server.url, "big", b"\0" * (40 << 20))
    assert answer.status_code == 400 and "is not a snapshot of Octant" in answer.text
    plain = httpx.post(f"{server.server.url}/collections/big/points/scroll", content=b"\0" * (40 << 20))
    assert plain.status_code == 413


def test_recovery_from_a_url(server):
    fill(server.client)
    made = server.client.create_snapshot("songs")
    url = f"{server.server.url}/collections/songs/snapshots/{made.name}"
    copied = server.call("recover_snapshot", collection_name="copy", location=url, checksum=made.checksum)
    if copied.status == 501:
        pytest.skip(copied.text)
    assert copied.ok, copied
    assert content(server.client, "copy") == content(server.client)
    assert server.call("recover_snapshot", collection_name="copy", location=url + "x").status == 400


def test_backup_of_a_running_server_and_restore(server, tmp_path):
    fill(server.client)
    before = content(server.client)
    file, folder = str(tmp_path / "all.octant"), str(tmp_path / "restored")
    run = subprocess.run([find_program(), "backup", server.folder, file], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    server.client.delete("songs", models.PointIdsList(points=[1, 2]))
    assert subprocess.run([find_program(), "restore", file, folder], capture_output=True).returncode == 0
    restored = doors_module.import_octant().QdrantClient(path=folder)
    assert content(restored) == before
    restored.close()
    again = subprocess.run([find_program(), "restore", file, folder], capture_output=True, text=True)
    assert again.returncode == 1 and "not empty" in again.stderr
    with open(file, "r+b") as damaged:
        damaged.seek(3000)
        damaged.write(b"x")
    other = str(tmp_path / "other")
    refused = subprocess.run([find_program(), "restore", file, other], capture_output=True, text=True)
    assert refused.returncode == 1 and "damaged" in refused.stderr and not os.path.exists(other)


def test_damage_costs_one_collection(server):
    """A byte changed in a file while the server is down: the others serve, and a snapshot brings the collection back."""
    fill(server.client)
    fill(server.client, "others")
    before = content(server.client)
    made = server.client.create_snapshot("songs")
    # What was recovered has files of its own, however small it is.
    assert server.client.recover_snapshot("songs", location(server, made.name))
    server.client.close()
    server.server.stop()
    [path] = Path(server.folder).glob("shard/*/ids.*.data")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    check = subprocess.run([find_program(), "check", server.folder], capture_output=True, text=True)
    assert check.returncode == 1 and "DAMAGED  songs" in check.stdout and path.name in check.stdout
    repair = subprocess.run([find_program(), "repair", server.folder], capture_output=True, text=True)
    assert repair.returncode == 1 and "LEFT     songs" in repair.stdout and "ok       others" in repair.stdout
    server._open()
    assert content(server.client, "others") == before
    url = server.server.url
    info = httpx.get(f"{url}/collections/songs").json()["result"]
    assert info["status"] == "red" and path.name in info["optimizer_status"]["error"]
    failed = server.call("count", collection_name="songs")
    assert failed.status == 500 and path.name in failed.text and "offset" in failed.text
    assert {each.name for each in server.client.get_collections().collections} == {"songs", "others"}
    assert httpx.get(f"{url}/metrics").status_code == 200 and httpx.get(f"{url}/telemetry?details_level=4").status_code == 200
    assert server.call("create_snapshot", collection_name="songs").status == 500
    assert server.client.recover_snapshot("songs", location(server, made.name))
    assert content(server.client) == before
