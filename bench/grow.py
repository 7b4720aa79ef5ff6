"""What a point costs to insert, as the collection grows.

METHOD   Rows go in from an empty index up to each size in turn, on all threads; the clock stops when all of them are in
         the graph. The cost of a step is its time divided by its rows; it belongs to the geometric mean of the sizes at
         both ends. A graph's cost is expected to grow like log N: the last column divides by it, relative to the
         first step, so that 1.0 all the way down is log N exactly, and less is better.
"""
import argparse
import json
import math
import os
import shutil
import time

import numpy as np

from . import data, engines, places
from .pool import Clock, Failed, Slot

SIZES = (10000, 20000, 50000, 100000, 200000, 500000, 1000000)


def main(words):
    parser = argparse.ArgumentParser(prog="python -m bench grow", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", default="like:debian-768:1000000")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--engines", default="octant,hnswlib", help="of those that insert step by step: these two")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args(words)
    clock = Clock()
    try:
        data_set = data.open_set(args.data, say=clock.say)
    except data.Absent as reason:
        print(f"skipped: {reason}")
        return 1
    sizes = [int(size) for size in args.sizes.split(",") if int(size) <= data_set.count]
    result = {"data": data_set.name, "threads": args.threads, "sizes": sizes, "engines": {}}
    for entry in engines.choose(args.engines.split(",")):
        folder = os.path.join(places.INDEX, data_set.name, f"grow-{entry.name}")
        shutil.rmtree(folder, ignore_errors=True)
        slot = Slot(entry, data_set, folder)
        try:
            found = slot.ask("grow", entry=entry.name, folder=folder, base=data_set.base_path, metric=data_set.metric,
                             threads=args.threads, sizes=sizes)
        except Failed as reason:
            print(f"{entry.name}: {reason}")
            continue
        finally:
            slot.end()
            shutil.rmtree(folder, ignore_errors=True)
        result["engines"][entry.name] = found
        print(f"\n{entry.name}, {args.threads} threads, {data_set.name}\n")
        print("| rows | us a row | us of CPU | relative to log N |\n| --- | --- | --- | --- |")
        first = None
        for low, high, wall, cpu in zip([0, *sizes], sizes, found["wall"], found["cpu"]):
            rows = high - low
            each = 1e6 * wall / rows
            unit = 1e6 * cpu / rows / math.log(math.sqrt(max(low, high / 4) * high))
            first = first or unit
            print(f"| {low:,} .. {high:,} | {each:,.1f} | {1e6 * cpu / rows:,.1f} | {unit / first:.2f} |", flush=True)
    path = os.path.join(places.BUILD, f"grow-{data_set.name}.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    print(f"\nfigures: {os.path.relpath(path)}")
    return 0


def insert_in_steps(engine, rows, sizes, threads):
    """In the worker: wall and CPU seconds of each step. Needs an adapter with `begin` and `add`."""
    engine.begin(len(rows), threads)
    wall, cpu, low = [], [], 0
    for high in sizes:
        part = np.ascontiguousarray(rows[low:high])
        start, process = time.perf_counter(), time.process_time()
        engine.add(part, low, threads)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - process)
        low = high
    return {"wall": wall, "cpu": cpu}
