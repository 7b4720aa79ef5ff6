"""Two builds of the library against each other, in one process: is the new one faster, and finds it as much?

A front of versus_bench.c, which has the method: it writes the data set as plain arrays and runs that program.
usage:   make build/versus_bench && python3 -m bench versus OLD.so NEW.so [--data debian-768] [--rounds 15] [--ef 21 72]
"""
import argparse
import os
import shutil
import subprocess

import numpy as np

from . import data, places

PROGRAM = os.path.join(places.ROOT, "build", "versus_bench")


def main(argv):
    parser = argparse.ArgumentParser(prog="python -m bench versus", description=__doc__.split("\n", 1)[0])
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--data", default="debian-768", help="a set of cosines, as `ann` takes it")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--ef", type=int, nargs="*", default=[])
    parser.add_argument("--keep", action="store_true", help="search the databases of the last run, build none")
    args = parser.parse_args(argv)
    if not os.path.exists(PROGRAM):
        raise SystemExit("build/versus_bench is missing: make build/versus_bench")
    chosen = data.open_set(args.data)
    if chosen.metric != "cosine":
        raise SystemExit(f"{args.data} is compared by {chosen.metric}; this bench measures cosines")
    folder = os.path.join(places.BUILD, "versus", chosen.name)
    os.makedirs(folder, exist_ok=True)
    base = chosen.base()
    if not os.path.exists(os.path.join(folder, "gtsim.f32")):
        base.tofile(os.path.join(folder, "base.f32"))
        chosen.queries.astype(np.float32).tofile(os.path.join(folder, "query.f32"))
        best = np.full((len(chosen.queries), 100), -np.inf, np.float32)
        for first in range(0, len(base), data.BLOCK):
            both = np.concatenate([best, chosen.queries @ base[first:first + data.BLOCK].T], axis=1)
            best = -np.sort(np.partition(-both, 99, axis=1)[:, :100], axis=1)
        best.astype(np.float32).tofile(os.path.join(folder, "gtsim.f32"))
    if not args.keep:
        for name in ("old", "new"):
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
    command = [PROGRAM, os.path.abspath(args.old), os.path.abspath(args.new), folder, str(chosen.dim), folder,
               str(args.rounds), *map(str, args.ef)]
    return subprocess.run(command, check=False).returncode
