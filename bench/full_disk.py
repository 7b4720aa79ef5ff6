"""What a full disk gives back: a small one is filled, points are deleted, and writing resumes - when, and how far?

METHOD   A tmpfs of --mb megabytes (mounting it needs root). Batches of 100 points with a vector and a document of some 70
         bytes until one is refused; all but each --kept'th deleted (0: all of them), a thousand ids a call; then batches again,
         every 50 ms, until one is taken: that is the time. Then as many as fit.
usage:   sudo .venv/bin/python -m bench.full_disk [--mb 64] [--dim 256] [--kept 2] [--reopen]
"""
import argparse
import subprocess
import sys
import tempfile
import time

import numpy as np

import octant
from octant.errors import FullError

BATCH = 100
PATIENCE_S = 60


def add(collection, dim, noise, first):
    ids = np.arange(first, first + BATCH)
    documents = [{"n": int(i), "text": "x" * 50} for i in ids]
    collection.upsert(ids, noise.standard_normal((BATCH, dim), dtype=np.float32), payloads=documents)


def fill(collection, dim, noise, first):
    count = first
    while True:
        try:
            add(collection, dim, noise, count)
        except FullError:
            return count
        count += BATCH


def run(folder, args):
    noise = np.random.default_rng(1)
    database = octant.open(folder + "/db")
    collection = database.create("c", args.dim)
    count = fill(collection, args.dim, noise, 0)
    if args.reopen:
        database.close()
        database = octant.open(folder + "/db")
        collection = database["c"]
    gone = [i for i in range(count) if args.kept == 0 or i % args.kept != 0]
    for first in range(0, len(gone), 1000):
        collection.delete(gone[first:first + 1000])
    start = time.perf_counter()
    while True:
        try:
            add(collection, args.dim, noise, count)
            break
        except FullError:
            if time.perf_counter() - start > PATIENCE_S:
                print(f"{count} points fitted, {len(gone)} were deleted, and after {PATIENCE_S} s nothing was taken yet")
                return 1
            time.sleep(0.05)
    took = time.perf_counter() - start
    more = fill(collection, args.dim, noise, count + BATCH) - count
    kept = count - len(gone)
    print(f"{args.mb} MB, {args.dim} floats: {count} points fitted; {kept} kept; writing went on after {took:.2f} s; "
          f"{more} more fitted")
    whole = len(collection) == kept + more
    database.close()
    return 0 if whole else 1


def main(words):
    parser = argparse.ArgumentParser(prog="python -m bench.full_disk", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--mb", type=int, default=64)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--kept", type=int, default=2, help="one of so many is kept; 0: none")
    parser.add_argument("--reopen", action="store_true", help="close and open when it is full")
    args = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={args.mb}m", "tmpfs", folder], check=True)
        try:
            return run(folder, args)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
