"""Goal:   a database whose float16 and uint8 vectors lie in floats opens, answers to the last bit as it did, and is written anew
          in 2 bytes and 1 a component.
Method:   old_narrow.tar.xz, made by such a build and copied while it ran (old_narrow.py): checkpoints in files and in the
          log, and records behind them. It is asked, closed, opened and asked again; in between its files are looked at.
"""

import json
import pathlib
import tarfile

import old_narrow

import octant

STRIDES = {"float16": 32, "uint8": 16}  # of 12 components, padded to 16 bytes


def row_bytes(folder):
    """Bytes a row of each file of vectors that the newest manifest names, by shard."""
    manifest = max(folder.glob("manifest.*"))
    text = manifest.read_bytes()
    document = json.loads(text[text.index(b"{") : text.rindex(b"}") + 1])
    found = []

    def visit(value):
        if isinstance(value, dict):
            if str(value.get("name", "")).startswith("vectors.") and "stride" in value:
                found.append(value["stride"])
            for inner in value.values():
                visit(inner)
        elif isinstance(value, list):
            for inner in value:
                visit(inner)

    visit(document)
    return found


def test_vectors_kept_as_floats_are_read_and_written_anew(engine, tmp_path):
    with tarfile.open(pathlib.Path(__file__).with_name("old_narrow.tar.xz")) as archive:
        archive.extractall(tmp_path)
    told = json.loads((tmp_path / "answers.json").read_text())
    folder = tmp_path / "data"
    before = row_bytes(folder)
    assert before and set(before) == {64}
    for _ in range(3):
        client = octant.QdrantClient(path=str(folder))
        assert old_narrow.answers(client) == told
        client.close()
        after = row_bytes(folder)
        # Multivectors have a graph now, so that the two collections with many of them have files, too.
        assert len(after) == len(before) + 2 and set(after) == set(STRIDES.values())
