"""octant info and octant check on a real folder: what is there, and what is damaged.

Goal:   `info` tells the truth, beside a running server too; `check` finds a flipped byte and names its file.
Method: a database of two collections, written through a server; then one byte changed at a time, seed 41.
"""
import json
import random
import shutil

import pytest

from test_server import Server, run

POINTS = 20000  # enough to be worth files of their own


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "data"
    points = [{"id": i, "vector": [i % 7, i % 11, 1, 2], "payload": {"text": f"{i}" * 20}} for i in range(POINTS)]
    with Server(path=str(path)) as server:
        assert server.call("PUT", "/collections/one", {"vectors": {"size": 4, "distance": "Cosine"}})[0] == 200
        assert server.call("PUT", "/collections/two", {"vectors": {
            "image": {"size": 3, "distance": "Dot"}, "text": {"size": 2, "distance": "Euclid"}}})[0] == 200
        assert server.call("PUT", "/collections/one/points?wait=true", {"points": points})[0] == 200
        beside = run("info", str(path))
        assert beside.returncode == 0 and f"points   {POINTS}" in beside.stdout, beside
        second = run("serve", "--http-port", "0", str(path))
        assert second.returncode == 1 and "another process" in second.stderr, "two writers"
        assert server.stop() == 0
        text = "".join(server.log)
        assert f"database {path}: 0 collections" in text and "sync always" in text
    return path


def test_info_shows_what_is_there(folder):
    table = run("info", str(folder))
    assert table.returncode == 0
    for part in ("format   version 1", "2 collections", "one\n", "4 Cosine", f"points   {POINTS}", "image: 3 Dot",
                 "text: 2 Euclid"):
        assert part in table.stdout, (part, table.stdout)
    told = json.loads(run("info", "--json", str(folder)).stdout)
    one, two = told["collections"]
    assert (one["name"], one["points"], two["name"], two["points"]) == ("one", POINTS, "two", 0)
    assert one["graph_rows"] + one["tail_rows"] == POINTS and one["deleted_rows"] == 0
    assert two["vectors"] == [{"name": "image", "size": 3, "distance": "Dot"},
                              {"name": "text", "size": 2, "distance": "Euclid"}]
    assert told["format"] == 1 and told["log"]["sequence"] > 0


def test_a_stopped_database_is_all_there(folder):
    with Server(path=str(folder)) as server:
        assert any(f"database {folder}: 2 collections" in line for line in server.log), server.log
        status, _, body = server.call("POST", "/collections/one/points/count", {})
        assert status == 200 and json.loads(body)["result"]["count"] == POINTS
        assert server.stop() == 0


def test_check_verifies_a_sound_database(folder):
    result = run("check", str(folder))
    assert result.returncode == 0, result
    assert f"ok       one: {POINTS} points" in result.stdout and "0 damaged" in result.stdout


def test_check_names_the_damaged_file(folder, tmp_path):
    rng = random.Random(41)
    files = [p.relative_to(folder) for p in folder.rglob("vectors*.data")] + \
            [p.relative_to(folder) for p in folder.glob("manifest.*")]
    assert len(files) >= 2
    for name in files:
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        data = bytearray((copy / name).read_bytes())
        data[rng.randrange(len(data) - 64, len(data))] ^= 1 << rng.randrange(8)
        (copy / name).write_bytes(data)
        result = run("check", str(copy))
        assert result.returncode == 1 and str(name) in result.stdout + result.stderr, (name, result)


def test_a_folder_without_a_database_is_told_so(tmp_path):
    for command in ("info", "check"):
        result = run(command, str(tmp_path))
        assert result.returncode == 1 and str(tmp_path) in result.stderr
    assert list(tmp_path.iterdir()) == [], "looking changes nothing"
    (tmp_path / "file").write_text("x")
    result = run("serve", "--http-port", "0", str(tmp_path / "file" / "data"))
    assert result.returncode == 1 and "file" in result.stderr


def test_backups_in_a_chain(folder, tmp_path):
    """Goal:   increments are made beside a running server, say how much they hold, and each restores its moment; what is wrong
               with a link is named, and then there is no database.
    Method: four backups with writes between them, one of them after the server was stopped (its last checkpoint)."""
    data, backups, new = tmp_path / "data", tmp_path / "backups", tmp_path / "new"
    shutil.copytree(folder, data)
    backups.mkdir()

    def count(path):
        told = json.loads(run("info", "--json", str(path)).stdout)
        return {c["name"]: c["points"] for c in told["collections"]}["one"]

    def backup(i, base=None):
        flags = [] if base is None else ["--base", str(backups / f"{base}.octant")]
        made = run("backup", str(data), str(backups / f"{i}.octant"), *flags)
        assert made.returncode == 0, made
        return made.stdout

    with Server(path=str(data)) as server:
        assert "is a backup of" in backup(0)
        for i in (1, 2):
            points = [{"id": POINTS + 10 * i + k, "vector": [k, 1, 1, 2]} for k in range(10)]
            assert server.call("PUT", "/collections/one/points?wait=true", {"points": points})[0] == 200
            assert "is an increment of" in backup(i, i - 1)
        assert server.stop() == 0
    backup(3, 2)
    sizes = [(backups / f"{i}.octant").stat().st_size for i in range(4)]
    assert sizes[1] < sizes[0] / 20 and sizes[2] < sizes[0] / 20, sizes
    for i in range(4):
        checked = run("check", str(backups / f"{i}.octant"))
        assert checked.returncode == 0 and "sound" in checked.stdout, checked
        assert run("restore", str(backups / f"{i}.octant"), str(new)).returncode == 0
        assert count(new) == POINTS + 10 * min(i, 2)
        assert run("check", str(new)).returncode == 0
        shutil.rmtree(new)

    refused = run("backup", str(data), str(backups / "2.octant"), "--base", str(backups / "1.octant"))
    assert refused.returncode == 1 and "is there already" in refused.stderr, refused
    (backups / "1.octant").rename(tmp_path / "1.octant")
    for command in (["restore", str(backups / "3.octant"), str(new)], ["check", str(backups / "3.octant")]):
        refused = run(*command)
        assert refused.returncode == 1 and "1.octant" in refused.stderr and not new.exists(), refused
    (tmp_path / "1.octant").rename(backups / "renamed")
    assert run("check", str(backups / "3.octant")).returncode == 0
    elsewhere = tmp_path / "3.octant"
    (backups / "3.octant").rename(elsewhere)
    assert run("restore", str(elsewhere), str(new)).returncode == 1
    assert run("restore", str(elsewhere), str(new), "--bases", str(backups)).returncode == 0 and count(new) == POINTS + 20
    shutil.rmtree(new)
    whole = bytearray((backups / "0.octant").read_bytes())
    whole[len(whole) // 2] ^= 1
    (backups / "0.octant").write_bytes(whole)
    refused = run("restore", str(elsewhere), str(new), "--bases", str(backups))
    assert refused.returncode == 1 and "0.octant" in refused.stderr and "renamed" in refused.stderr and not new.exists(), refused
