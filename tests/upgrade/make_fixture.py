#!/usr/bin/env python3
"""Write a database of this version to fixtures/NAME.tar.gz, and what is in it to NAME.json. Run once for a version that changes
what is on disk, before it is released; a fixture that is there is never written again.

usage: PYTHONPATH=python OCTANT_LIB=build/liboctant.so .venv/bin/python tests/upgrade/make_fixture.py NAME"""
import gzip
import io
import json
import pathlib
import shutil
import sys
import tarfile
import tempfile

import octant

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import content  # noqa: E402

FIXTURES = pathlib.Path(__file__).parent / "fixtures"


def pack(folder: pathlib.Path, target: pathlib.Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path in sorted(folder.rglob("*")):
            # What a running database has beside its content is not part of the format.
            if path.is_file() and not path.name.startswith("spare.") and path.name not in ("lock", "octant.sock"):
                data = path.read_bytes()
                info = tarfile.TarInfo(str(path.relative_to(folder)))
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    target.write_bytes(gzip.compress(out.getvalue(), 9, mtime=0))


def main() -> None:
    name = sys.argv[1]
    target = FIXTURES / f"{name}.tar.gz"
    if target.exists():
        sys.exit(f"{target} is there; a fixture is not written again")
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        client = octant.QdrantClient(path=str(folder / "db"))
        content.write(client, folder / "db")
        client.close()  # a checkpoint
        client = octant.QdrantClient(path=str(folder / "db"))
        content.write_more(client)
        (FIXTURES / f"{name}.json").write_text(json.dumps(content.read(client), indent=0, sort_keys=True) + "\n")
        # As a crash would leave it: closing would put all of it into a checkpoint.
        shutil.copytree(folder / "db", folder / "copy", ignore=shutil.ignore_patterns("octant.sock"))
        client.close()
        pack(folder / "copy", target)
    finally:
        shutil.rmtree(folder)
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
