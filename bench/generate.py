"""Larger sets that resemble a real one, and the proof of how well they do.

WHY      Speed on random vectors says nothing: in 768 dimensions they are all equally far apart. Real embeddings lie in
         thin clouds with duplicates in them, and large real sets are not to be had everywhere.
HOW      A smoothed bootstrap with the local covariance. For a row, draw a real anchor; from it and its NEIGHBOURS
         nearest rows draw MIX rows and mix them with random weights w (Dirichlet, sum 1). Their mean is right, but
         mixing shrinks: of the cloud's covariance C only sum(w^2) C is left. The missing (1 - sum(w^2)) C is added as
         noise out of the cloud itself: the difference of two of its rows, divided by sqrt(2), has covariance C;
         PAIRS such differences with normal weights make it smooth. So mean and covariance of every
         neighbourhood are those of the data, without a noise level to choose, and the noise stays in the
         directions in which real rows differ. As many rows are copied whole as the real set has duplicates.
         Last, rows are normalised (cosine).
CHOSEN   NEIGHBOURS 16, MIX 3, PAIRS 8: of seven settings tried on 20,000 rows of debian-768 with its real queries,
         nearest in distances and local dimension (real: medians of d1, d10, d100 0.773, 0.994, 1.111, dimension 21.9;
         so made: 0.839, 0.970, 1.091 and 22.6).
ORDER    The real rows come first, then the made ones in an order without locality. Rows depend on the seed and their
         number alone: the first half of a set of 1,000,000 is the set of 500,000. Queries are the real set's.
PROOF    `python -m bench generate --like debian-768 --check` makes a set of made rows alone, as large as a part of the
         real one, and prints for both, with the same real queries: distances to the 1st, 10th and 100th neighbour,
         local dimension (maximum likelihood; Levina and Bickel 2004), and recall@10 against ef of one HNSW.
"""
import argparse
import json
import os
import time

import numpy as np

from . import data, engines, places
from .pool import Clock, Failed, Slot

NEIGHBOURS, MIX, PAIRS = 16, 3, 8
BLOCK = 4096
SEED = 7
CHECK_ROWS = 20000
CHECK_EFS = (10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320)


def neighbours(real, folder, step=lambda done: None):
    """The NEIGHBOURS nearest rows of every row, itself aside, exactly; kept in `folder`. And the share of rows that
    have a duplicate among the rows."""
    path = os.path.join(folder, f"neighbours-{NEIGHBOURS}.npz")
    if os.path.exists(path):
        found = np.load(path)
        return found["rows"], float(found["duplicates"])
    count = len(real)
    rows = np.empty((count, NEIGHBOURS), np.int32)
    duplicates = 0
    every = np.ascontiguousarray(real)
    for start in range(0, count, 1024):
        block = every[start:start + 1024]
        scores = block @ every.T
        scores[np.arange(len(block)), np.arange(start, start + len(block))] = -np.inf
        near = np.argpartition(-scores, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        rows[start:start + len(block)] = near
        duplicates += int((np.take_along_axis(scores, near, 1).max(axis=1) > 1 - data.TIE).sum())
        step(start + len(block))
    np.savez(path, rows=rows, duplicates=duplicates / count)
    return rows, duplicates / count


def make_block(real, near, duplicates, number, size, seed=SEED):
    """Made rows number * BLOCK and on, `size` of them."""
    random = np.random.default_rng([seed, number])
    every = np.arange(BLOCK)
    anchors = random.integers(0, len(real), BLOCK)
    cloud = np.concatenate([anchors[:, None], near[anchors]], axis=1)

    def draw():
        return real[cloud[every, random.integers(0, NEIGHBOURS + 1, BLOCK)]]

    weights = random.dirichlet(np.ones(MIX), BLOCK).astype(np.float32)
    rows = np.zeros((BLOCK, real.shape[1]), np.float32)
    for i in range(MIX):
        rows += weights[:, i:i + 1] * draw()
    missing = np.sqrt(np.maximum(1 - (weights ** 2).sum(axis=1, keepdims=True), 0))
    for _ in range(PAIRS):
        factor = random.standard_normal((BLOCK, 1)).astype(np.float32)
        rows += missing * factor * (draw() - draw()) / np.float32(np.sqrt(2 * PAIRS))
    is_copy = random.random(BLOCK) < duplicates
    rows[is_copy] = real[anchors[is_copy]]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows[:size]


def make(real, near, duplicates, count, out, step=lambda done: None, seed=SEED):
    """Fill `out` (count x dim) with made rows."""
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        out[start:start + size] = make_block(real, near, duplicates, start // BLOCK, size, seed)
        step(start + size)


def _source(name, clock):
    data_set = data.open_set(name, say=clock.say)
    if data_set.metric != "cosine":
        raise SystemExit(f"{name}: rows are made for the cosine only, and its metric is {data_set.metric}")
    real = np.load(data_set.base_path)
    near, duplicates = neighbours(real, data_set.folder, lambda done: clock.step("neighbours", done, len(real)))
    return data_set, real, near, duplicates


def open_set(source, say=print):
    """like:NAME:COUNT"""
    try:
        _, name, count = source.split(":")
        count = int(count.replace("_", ""))
    except ValueError:
        raise SystemExit(f"{source}: expected like:NAME:COUNT, such as like:debian-768:1000000") from None
    target = f"like-{name}-{count}"
    folder = os.path.join(places.DATA, target)
    if os.path.exists(os.path.join(folder, "about.json")):
        return data.DataSet(folder)
    clock = Clock()
    data_set, real, near, duplicates = _source(name, clock)
    if count <= len(real):
        raise SystemExit(f"{source}: {name} has {len(real):,} rows itself; ask for more")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "base.npy")
    out = np.lib.format.open_memmap(path + ".part", "w+", np.float32, (count, real.shape[1]))
    out[:len(real)] = real
    make(real, near, duplicates, count - len(real), out[len(real):],
         lambda done: clock.step("making rows", done, count - len(real)))
    out.flush()
    del out
    os.replace(path + ".part", path)
    about = (f"{len(real):,} real rows of {name}, then made ones (bench/generate.py: {NEIGHBOURS} neighbours, "
             f"{MIX} mixed, {PAIRS} differences, {duplicates:.1%} copies, seed {SEED})")
    return data.write(folder, target, "cosine", np.load(path, mmap_mode="r"), data_set.queries, None, about, name, say)


# --- how well it resembles -------------------------------------------------------------------------------


def _geometry(rows, queries):
    best, _ = data.exact(rows, queries, "cosine", 100)
    distance = np.sqrt(np.maximum(2 - 2 * best, 1e-9))
    dimension = 1 / np.mean(np.log(distance[:, 99:] / np.maximum(distance[:, :99], 1e-3)), axis=1)
    shown = {f"d{i}": [float(np.quantile(distance[:, i - 1], q)) for q in (0.1, 0.5, 0.9)] for i in (1, 10, 100)}
    return {**shown, "dimension": float(np.median(dimension))}


def _recall_by_ef(data_set, name, engine, threads):
    """[(ef, recall@10)] of one graph."""
    slot = Slot(engines.BY_NAME[engine], data_set, os.path.join(places.INDEX, data_set.name, f"check-{engine}"))
    try:
        slot.ask("build", entry=engine, folder=slot.folder, base=data_set.base_path, metric="cosine", threads=threads)
        slot.end()
        slot.open(threads)
        which = np.arange(len(data_set.queries))
        return [(ef, data_set.recall(slot.ask("find", k=10, value=ef, arm={}, which=which, threads=threads), which, 10))
                for ef in CHECK_EFS]
    except Failed as reason:
        raise SystemExit(f"{name}: {engine}: {reason}") from None
    finally:
        slot.end()


def check(source, rows, engine, clock):
    data_set, real, near, duplicates = _source(source, clock)
    rows = min(rows, len(real))
    part = np.sort(np.random.default_rng(3).choice(len(real), rows, replace=False))
    made = np.empty((rows, real.shape[1]), np.float32)
    make(real, near, duplicates, rows, made)
    sets = {"real": real[part], "made": made}
    result = {"source": source, "rows": rows, "engine": engine, "settings": [NEIGHBOURS, MIX, PAIRS],
              "duplicates": duplicates, "sets": {}}
    for name, base in sets.items():
        folder = os.path.join(places.DATA, f"check-{name}")
        written = data.write(folder, f"check-{name}", "cosine", base, data_set.queries, say=clock.say)
        result["sets"][name] = {"geometry": _geometry(base, data_set.queries),
                                "recall_by_ef": _recall_by_ef(written, name, engine, os.cpu_count() or 1)}
    print(f"\n{rows:,} rows each, {len(data_set.queries):,} real queries; median (10 % .. 90 %)")
    print("| | real | made |\n| --- | --- | --- |")
    for key in ("d1", "d10", "d100"):
        cells = [result["sets"][name]["geometry"][key] for name in sets]
        words = " | ".join(f"{middle:.3f} ({low:.3f} .. {high:.3f})" for low, middle, high in cells)
        print(f"| distance to neighbour {key[1:]} | {words} |")
    words = " | ".join(f"{result['sets'][name]['geometry']['dimension']:.1f}" for name in sets)
    print(f"| local dimension | {words} |")
    print(f"\nrecall@10 of {engine}, m 16, ef_construct 200\n")
    print("| ef | real | made |\n| --- | --- | --- |")
    for (ef, a), (_, b) in zip(*(result["sets"][name]["recall_by_ef"] for name in sets)):
        print(f"| {ef} | {a:.4f} | {b:.4f} |")
    path = os.path.join(places.BUILD, f"resemblance-{data_set.name}.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    print(f"\nfigures: {os.path.relpath(path)}")


def main(words):
    parser = argparse.ArgumentParser(prog="python -m bench generate", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--like", default="debian-768", help="the real set")
    parser.add_argument("--count", type=int, help="rows of the set to make, real ones included")
    parser.add_argument("--check", action="store_true", help="made rows beside real ones: distances, recall by ef")
    parser.add_argument("--check-rows", type=int, default=CHECK_ROWS)
    parser.add_argument("--engine", default="hnswlib", help="whose recall is compared")
    args = parser.parse_args(words)
    clock = Clock()
    start = time.monotonic()
    if not args.count and not args.check:
        parser.error("give --count N, --check, or both")
    try:
        if args.check:
            check(args.like, args.check_rows, args.engine, clock)
        if args.count:
            made = open_set(f"like:{args.like}:{args.count}", clock.say)
            print(f"{made.name}: {made.count:,} x {made.dim} in {time.monotonic() - start:.0f} s; "
                  f"use it with --data like:{args.like}:{args.count}")
    except data.Absent as reason:
        print(f"skipped: {reason}")
        return 1
    return 0
