"""Where things are: the repository, and what the benches keep under build/bench."""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "bench")
DATA = os.path.join(BUILD, "data")  # data sets, prepared: float32 rows, queries, truth
INDEX = os.path.join(BUILD, "index")  # what engines built, so that a second run need not build again
LOGS = os.path.join(BUILD, "logs")  # what engines printed
SHARED = os.path.join(ROOT, os.pardir, "shared", "data", "ann")
VENV = os.path.join(ROOT, "build", "bench-venv")
VENV_PYTHON = os.path.join(VENV, "bin", "python")

LIBRARY = os.path.join(ROOT, "build", "liboctant.so")


def environment():
    """Of a worker: one BLAS thread unless the engine is told otherwise, and this tree's Python package."""
    env = dict(os.environ)
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        env[name] = "1"
    env["PYTHONPATH"] = os.pathsep.join([ROOT, os.path.join(ROOT, "python")])
    if os.path.exists(LIBRARY):
        env.setdefault("OCTANT_LIB", LIBRARY)
    return env


def use_venv():
    """Go on under the benches' own interpreter, which has the peers, unless this is it."""
    if os.path.realpath(sys.prefix) == os.path.realpath(VENV) or os.environ.get("OCTANT_BENCH_PYTHON") == "this":
        return
    if not os.path.exists(VENV_PYTHON):
        raise SystemExit("build/bench-venv is missing: run tools/bench_setup.sh once (or set "
                         "OCTANT_BENCH_PYTHON=this to use this interpreter with whatever engines it has)")
    os.execve(VENV_PYTHON, [VENV_PYTHON, "-m", "bench", *sys.argv[1:]],
              {**os.environ, "PYTHONPATH": os.pathsep.join([ROOT, os.path.join(ROOT, "python")])})


def folder_bytes(folder):
    """What the files below take, without counting a file of several names twice."""
    seen, total = set(), 0
    for path, _, names in os.walk(folder):
        for name in names:
            info = os.lstat(os.path.join(path, name))
            if info.st_ino not in seen:
                seen.add(info.st_ino)
                # Allocated blocks, not length: some engines make sparse files of a gigabyte.
                total += min(info.st_size, info.st_blocks * 512) if info.st_blocks else info.st_size
    return total
