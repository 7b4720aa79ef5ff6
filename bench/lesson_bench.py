#!/usr/bin/env python3
"""The lesson's promises in figures, beside hnswlib in one run: build, recall, speed, reopening.

DATA     A folder with base.f16.npy (n x dim), query.npy (q x dim) and gtsim.npy (q x 100, the cosines of the
         exact nearest, best first), such as 62,666 x 768 embeddings of Debian package descriptions.
METHOD   Same m, ef_construct and threads for both. Rounds are interleaved, octant and hnswlib in turn, so
         that a slow minute of the machine hits both; the figures are medians, with the spread. Searches run
         on one thread; "batch" is one call for all queries, "single" one call a query. hnswlib gets unit
         vectors and its inner product, its fastest way to a cosine.
RECALL   recall@10 by score: a hit counts if its exact cosine is at least the tenth true one less 1e-5, as
         many packages share a description.
EQUAL    Speed at equal recall is read off both curves, log-linear between the measured values of ef.
usage:   tools/demo.sh bench/lesson_bench.py [--data DIR] [--rounds N] [--reopen] [--threads N] [--json FILE]
"""
import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
import numpy as np  # noqa: E402

import octant  # noqa: E402

K = 10
EFS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384)
RECALLS = (0.90, 0.95, 0.98, 0.99)
TIE = 1e-5


class Octant:
    name = "octant"

    def __init__(self, rows, args):
        self.database = octant.open(threads=args.threads)
        self.collection = self.database.create("bench", rows.shape[1], m=args.m, ef_construct=args.ef_construct,
                                               full_scan_threshold=10)
        start = time.perf_counter()
        self.collection.upsert(np.arange(len(rows), dtype=np.uint64), rows)
        self.collection.wait_indexed()
        self.build_seconds = time.perf_counter() - start

    def batch(self, queries, ef):
        return self.collection.search(queries, K, ef=ef, threads=1)[0]

    def single(self, queries, ef):
        for query in queries:
            self.collection.search(query, K, ef=ef)

    def close(self):
        self.database.close()


class Hnswlib:
    name = "hnswlib"

    def __init__(self, rows, args):
        import hnswlib
        self.index = hnswlib.Index(space="ip", dim=rows.shape[1])
        self.index.init_index(max_elements=len(rows), M=args.m, ef_construction=args.ef_construct, random_seed=1)
        start = time.perf_counter()
        self.index.add_items(rows, np.arange(len(rows)), num_threads=args.threads)
        self.build_seconds = time.perf_counter() - start

    def batch(self, queries, ef):
        self.index.set_ef(ef)
        return self.index.knn_query(queries, K, num_threads=1)[0]

    def single(self, queries, ef):
        self.index.set_ef(ef)
        for query in queries:
            self.index.knn_query(query, K, num_threads=1)

    def close(self):
        del self.index


def recall_of(ids, rows, queries, truth):
    """Share of hits whose exact cosine reaches the K-th true one."""
    good = 0
    for query, found, true in zip(queries, ids, truth):
        good += int((rows[found.astype(np.int64)] @ query >= true[K - 1] - TIE).sum())
    return good / (K * len(queries))


def clock(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def at_recall(curve, wanted):
    """Queries a second where the curve of (recall, qps) reaches `wanted`; None if it does not."""
    curve = sorted(curve)
    for (low, slow), (high, fast) in zip(curve, curve[1:]):
        if low <= wanted <= high and high > low:
            share = (wanted - low) / (high - low)
            return float(np.exp(np.log(slow) + share * (np.log(fast) - np.log(slow))))
    return None


def spread(values):
    return f"{statistics.median(values):,.2f} ({min(values):,.2f} .. {max(values):,.2f})"


def compare(rows, queries, truth, args):
    result = {"engines": {}}
    for builds in range(args.builds):
        for engine_type in (Octant, Hnswlib):
            engine = engine_type(rows, args)
            entry = result["engines"].setdefault(engine.name, {"build_seconds": [], "efs": {}})
            entry["build_seconds"].append(engine.build_seconds)
            print(f"  {engine.name}: built in {engine.build_seconds:.2f} s", flush=True)
            if builds + 1 < args.builds:
                engine.close()
            else:
                entry["engine"] = engine
    engines = [entry.pop("engine") for entry in result["engines"].values()]
    for ef in EFS:
        for engine in engines:
            recall = recall_of(engine.batch(queries, ef), rows, queries, truth)
            result["engines"][engine.name]["efs"][ef] = {"recall": recall, "batch_qps": [], "single_qps": []}
    for _ in range(args.rounds):
        for ef in EFS:
            for engine in engines:
                entry = result["engines"][engine.name]["efs"][ef]
                entry["batch_qps"].append(len(queries) / clock(lambda: engine.batch(queries, ef)))
                entry["single_qps"].append(len(queries) / clock(lambda: engine.single(queries, ef)))
    for engine in engines:
        engine.close()

    print(f"\n| ef | recall@{K} octant | hnswlib | batch QPS octant | hnswlib | single QPS octant | hnswlib |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    mine, theirs = result["engines"]["octant"], result["engines"]["hnswlib"]
    for ef in EFS:
        a, b = mine["efs"][ef], theirs["efs"][ef]
        print(f"| {ef} | {a['recall']:.4f} | {b['recall']:.4f} | {statistics.median(a['batch_qps']):,.0f} | "
              f"{statistics.median(b['batch_qps']):,.0f} | {statistics.median(a['single_qps']):,.0f} | "
              f"{statistics.median(b['single_qps']):,.0f} |")
    print(f"\n| recall@{K} | batch QPS octant | hnswlib | ratio | single QPS octant | hnswlib | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    result["at_recall"] = {}
    for wanted in RECALLS:
        line = []
        for way in ("batch_qps", "single_qps"):
            pair = [at_recall([(e["recall"], statistics.median(e[way])) for e in entry["efs"].values()], wanted)
                    for entry in (mine, theirs)]
            line += [*pair, pair[0] / pair[1] if all(pair) else None]
        result["at_recall"][wanted] = line
        print(f"| {wanted} | " + " | ".join("-" if value is None else f"{value:,.2f}" if i % 3 == 2 else f"{value:,.0f}"
                                            for i, value in enumerate(line)) + " |")
    print(f"\nbuild, {args.threads} threads, s: octant {spread(mine['build_seconds'])}, "
          f"hnswlib {spread(theirs['build_seconds'])}")
    return result


def reopen(rows, args):
    """Write `args.reopen_points` points to disk, close, and time opening until the first answer."""
    count = args.reopen_points
    extra = np.random.default_rng(1)
    more = rows[extra.integers(0, len(rows), max(0, count - len(rows)))]
    more = more + extra.normal(0, 0.3 / rows.shape[1] ** 0.5, more.shape).astype(np.float32)
    rows = np.concatenate([rows[:count], more])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    folder = tempfile.mkdtemp(prefix="reopen-", dir=args.folder)
    try:
        start = time.perf_counter()
        with octant.open(folder, threads=args.threads) as database:
            collection = database.create("bench", rows.shape[1], m=args.m, ef_construct=args.ef_construct)
            collection.upsert(np.arange(len(rows), dtype=np.uint64), rows)
            collection.wait_indexed()
            checksum = collection.graph_checksum()
            want = collection.search(rows[7], K)
        written = time.perf_counter() - start
        spent = []
        for _ in range(5):
            start = time.perf_counter()
            with octant.open(folder, threads=args.threads) as database:
                collection = database["bench"]
                found = collection.search(rows[7], K)
                spent.append(time.perf_counter() - start)
                if collection.graph_checksum() != checksum:
                    raise SystemExit("the reopened graph is another one")
            if not all((a == b).all() for a, b in zip(found, want)) or found[0][0] != 7:
                raise SystemExit("the reopened database answers otherwise")
    finally:
        shutil.rmtree(folder)
    print(f"\n{len(rows):,} x {rows.shape[1]}: written, indexed and closed in {written:.1f} s; reopened, first "
          f"answer after {1000 * statistics.median(spent):.0f} ms ({1000 * min(spent):.0f} .. "
          f"{1000 * max(spent):.0f}; warm page cache), same graph checksum, same answer")
    return {"points": len(rows), "write_seconds": written, "reopen_seconds": spent}


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", default=os.path.join(root, "..", "shared", "data", "ann", "debian-768"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--builds", type=int, default=1, help="builds of each engine, interleaved")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the build")
    parser.add_argument("--m", type=int, default=16)
    parser.add_argument("--ef-construct", type=int, default=100)
    parser.add_argument("--limit", type=int, help="only so many rows; the truth is then computed here")
    parser.add_argument("--reopen", action="store_true", help="also time reopening")
    parser.add_argument("--reopen-points", type=int, default=100000)
    parser.add_argument("--only-reopen", action="store_true")
    parser.add_argument("--json", default=os.path.join(root, "build", "bench", "lesson.json"))
    args = parser.parse_args()
    if not os.path.exists(os.path.join(args.data, "base.f16.npy")):
        raise SystemExit(f"no base.f16.npy in {args.data}: name a folder with --data")
    args.folder = os.path.dirname(args.json)
    os.makedirs(args.folder, exist_ok=True)

    rows = np.load(os.path.join(args.data, "base.f16.npy")).astype(np.float32)[:args.limit]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    queries = np.load(os.path.join(args.data, "query.npy"))
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    if args.limit:
        truth = -np.sort(-np.concatenate([part @ rows.T for part in np.array_split(queries, 10)]), axis=1)[:, :K]
    else:
        truth = np.load(os.path.join(args.data, "gtsim.npy"))
    with octant.open() as database:
        level = database.info().cpu_level
    print(f"octant {octant.__version__} ({level}), {platform.machine()}, {os.cpu_count()} CPUs; {len(rows):,} x "
          f"{rows.shape[1]}, m={args.m}, ef_construct={args.ef_construct}, {args.rounds} rounds")
    result = {"octant": octant.__version__, "cpu_level": level, "rows": rows.shape[0], "dim": rows.shape[1],
              "m": args.m, "ef_construct": args.ef_construct, "threads": args.threads}
    if not args.only_reopen:
        result.update(compare(rows, queries, truth, args))
    if args.reopen or args.only_reopen:
        result["reopen"] = reopen(rows, args)
    with open(args.json, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    print(f"figures: {os.path.relpath(args.json, root)}")


if __name__ == "__main__":
    sys.exit(main())
