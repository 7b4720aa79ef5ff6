#!/usr/bin/env python3
"""Vectors in memory and on disk, codes of 4 and of 8 bits: what does each take in memory, and what does a search cost?

DATA     base.npy and query.npy of a folder such as `python3 -m bench` prepares under build/bench/data.
METHOD   A database for each of the four combinations; each is opened by a process of its own that does nothing else.
         memory   bytes a vector of the process's own memory: of all parts (Collection.memory), and RssAnon less what the
                  process had before it opened the database
         cold     after opening, the files' pages dropped from the page cache: each search reads vectors from the disk and
                  verifies the blocks that its hits lie in
         evicted  all of that again, with the vectors' pages given back to the system: blocks are verified already
         warm     and again, all pages there
         Of each: median and mean microseconds a search, one at a time; bytes read from the disk and faults a search.
OUTPUT   One line of JSON a combination.
usage:   tools/demo.sh bench/disk_bench.py --data DIR [--rows N] [--queries N] [--ef N] [--limit N] [--work DIR]
"""
import argparse
import ctypes
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
import numpy as np  # noqa: E402
from qdrant_client import models  # noqa: E402

import octant  # noqa: E402

MADV_PAGEOUT = 21
COMBINATIONS = [(bits, disk) for disk in (False, True) for bits in (4, 8)]


def drop_cache(folder):
    os.sync()
    for root, _, names in os.walk(folder):
        for name in names:
            fd = os.open(os.path.join(root, name), os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def evict(folder):
    """Give the pages of all mapped files of the folder back to the system."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/maps", encoding="ascii", errors="replace") as lines:
        for line in lines:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) .*/vectors\.\d+", line)
            if found and str(folder) in line:
                start, end = int(found[1], 16), int(found[2], 16)
                if libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_PAGEOUT) != 0:
                    raise OSError(ctypes.get_errno(), "madvise")


def status(name):
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


def read_bytes():
    with open("/proc/self/io", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


def measured(collection, queries, args):
    times, hits = [], []
    usage, read = resource.getrusage(resource.RUSAGE_SELF), read_bytes()
    for query in queries:
        start = time.perf_counter()
        ids, _ = collection.search(query, args.limit, args.ef)
        times.append((time.perf_counter() - start) * 1e6)
        hits.append([int(i) for i in np.ravel(ids)])
    after = resource.getrusage(resource.RUSAGE_SELF)
    count = len(queries)
    return hits, {
        "median_us": round(statistics.median(times), 1),
        "mean_us": round(statistics.fmean(times), 1),
        "disk_bytes": round((read_bytes() - read) / count),
        "minor_faults": round((after.ru_minflt - usage.ru_minflt) / count, 2),
        "major_faults": round((after.ru_majflt - usage.ru_majflt) / count, 2),
    }


def build(folder, rows, bits, disk):
    client = octant.QdrantClient(path=folder)
    client.create_collection(
        "a",
        vectors_config=models.VectorParams(size=rows.shape[1], distance="Cosine", on_disk=disk),
        quantization_config=models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(type="int8")) if bits == 8 else None,
    )
    client.close()
    with octant.open(folder) as db:
        a = db["a"]
        for first in range(0, len(rows), 5000):
            part = rows[first : first + 5000]
            a.upsert(np.arange(first, first + len(part)), part)
        a.wait_indexed()
        db.checkpoint()


def child(args):
    queries = np.load(os.path.join(args.data, "query.npy"))[: args.queries].astype(np.float32)
    out = {}
    drop_cache(args.child)
    before = status("RssAnon")
    with octant.open(args.child) as db:
        a = db["a"]
        count = len(a)
        hits, out["cold"] = measured(a, queries, args)
        out["bytes_own"] = round(sum(own for own, _ in a.memory().values()) / count)
        out["bytes_mapped"] = round(sum(mapped for _, mapped in a.memory().values()) / count)
        out["bytes_rss_anon"] = round((status("RssAnon") - before) / count)
        out["parts"] = {part: round(own / count) for part, (own, _) in a.memory().items()}
        evict(args.child)
        again, out["evicted"] = measured(a, queries, args)
        assert again == hits
        _, out["warm"] = measured(a, queries, args)
    out["hits"] = hits
    print(json.dumps(out))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--rows", type=int, default=10**9)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--ef", type=int, default=64)
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--work")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args)
        return
    rows = np.load(os.path.join(args.data, "base.npy"), mmap_mode="r")[: args.rows]
    with tempfile.TemporaryDirectory() as temporary:
        first_hits = None
        for bits, disk in COMBINATIONS:
            folder = os.path.join(args.work or temporary, f"{bits}-{'disk' if disk else 'memory'}")
            if not os.path.exists(folder):
                build(folder, np.asarray(rows, np.float32), bits, disk)
            command = [sys.executable, __file__, *sys.argv[1:], "--child", folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            out = json.loads(done.stdout)
            hits = out.pop("hits")
            first_hits = first_hits or hits
            assert hits == first_hits, "hits depend on where vectors are"
            print(json.dumps({"bits": bits, "on_disk": disk, **out}), flush=True)


if __name__ == "__main__":
    main()
