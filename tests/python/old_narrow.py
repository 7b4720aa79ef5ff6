"""The database of test_old_files.py: every narrow type, in files, in the log, and behind the checkpoint; and what it answers.

Run with a build that keeps vectors of all types as floats it makes old_narrow.tar.xz again:
    OCTANT_LIB=.../liboctant.so PYTHONPATH=python python tests/python/old_narrow.py tests/python/old_narrow.tar.xz
"""

import io
import json
import pathlib
import shutil
import sys
import tarfile
import tempfile

from qdrant_client import models

import octant

DIM = 12
SIZES = {"files": 60, "small": 9}  # the first has a graph, so that its checkpoint is in files
TAIL = 3
KINDS = [
    (datatype, distance, multi)
    for datatype in ("float16", "uint8")
    for distance in ("Cosine", "Euclid")
    for multi in (False, True)
    if not multi or distance == "Cosine"
]


def name(size, datatype, distance, multi):
    return f"{size}-{datatype}-{distance}-{'multi' if multi else 'dense'}"


def row(number, datatype):
    if datatype == "uint8":
        return [((number * 37 + j * 101 + number * j) % 2571) / 10 - 1 for j in range(DIM)]
    return [((number * 53 + j * 29 + number * j * 7) % 401 - 200) / 97 for j in range(DIM)]


def vector(number, datatype, multi):
    return [row(number * 3 + i, datatype) for i in range(1 + number % 3)] if multi else row(number, datatype)


def write(client, first_of):
    for kind in KINDS:
        for size, count in SIZES.items():
            numbers = first_of(count)
            client.upsert(
                name(size, *kind),
                [
                    models.PointStruct(id=i, vector=vector(i + (i < count // 2) * (numbers[0] > 0), kind[0], kind[2]))
                    for i in numbers
                ],
                wait=True,
            )


def answers(client):
    out = {}
    for kind in KINDS:
        for size in SIZES:
            where = name(size, *kind)
            records, _ = client.scroll(where, limit=1000, with_vectors=True)
            asked = vector(1001, kind[0], kind[2])
            found = client.query_points(where, query=asked, limit=20, search_params=models.SearchParams(exact=True)).points
            out[where] = {
                "vectors": {str(record.id): record.vector for record in records},
                "found": [[hit.id, hit.score] for hit in found],
            }
    return out


def make(out):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "data"
        client = octant.QdrantClient(path=str(path))
        for datatype, distance, multi in KINDS:
            for size in SIZES:
                client.create_collection(
                    name(size, datatype, distance, multi),
                    models.VectorParams(
                        size=DIM,
                        distance=distance,
                        datatype=datatype,
                        multivector_config=models.MultiVectorConfig(comparator="max_sim") if multi else None,
                    ),
                    optimizers_config=models.OptimizersConfigDiff(indexing_threshold=1 if size == "files" else 20000),
                )
        write(client, lambda count: range(count))
        client.close()
        client = octant.QdrantClient(path=str(path))
        # Points changed, given again as they were, and new ones, all behind the checkpoint.
        write(client, lambda count: list(range(2, 2 + TAIL)) + list(range(count - 3, count + TAIL)))
        told = answers(client)
        shutil.copytree(path, path.parent / "copy", ignore=shutil.ignore_patterns("*.sock", "lock"))
        client.close()
        with tarfile.open(out, "w:xz") as archive:
            archive.add(path.parent / "copy", "data")
            text = json.dumps(told).encode()
            info = tarfile.TarInfo("answers.json")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))


if __name__ == "__main__":
    make(sys.argv[1])
