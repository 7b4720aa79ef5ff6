"""One engine in a process of its own, told what to do over a pipe.

WHY      Memory is measured per process, one engine's allocator, threads and crashes are not another's, and what it
         prints goes to a log.
PIPE     A multiprocessing Connection whose descriptor is argv[1]. A request is a dict with "do"; the answer has
         "ok", or "error" and "kind".
TIMED    Only the engine's own calls. For each call: the wall clock. For each pass besides: this thread's CPU time
         and the process's. On a busy machine wall time holds the waiting for a core; CPU time does not. A
         process that burns more than one core in a single-thread pass is seen by it too.
"""
import gc
import os
import sys
import time
import traceback
from multiprocessing.connection import Connection

import numpy as np

from . import engines, grow
from .engines import base as engine_base

WARM_UP = 32  # queries before a pass, untimed: other engines ran meanwhile on the same caches


def memory():
    """Resident bytes: anonymous, mapped files, and the peak of both since reset_peak."""
    found = {}
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            name, _, rest = line.partition(":")
            if name in ("RssAnon", "RssFile", "RssShmem", "VmHWM", "VmRSS"):
                found[name] = int(rest.split()[0]) * 1024
    return {"anonymous": found.get("RssAnon", 0) + found.get("RssShmem", 0), "files": found.get("RssFile", 0),
            "peak": found.get("VmHWM", 0), "resident": found.get("VmRSS", 0)}


def reset_peak():
    """False: the kernel does not allow it, and the peak is that of the whole process."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
        return True
    except OSError:
        return False


class Worker:
    def __init__(self):
        self.engine = None
        self.queries = None

    def probe(self, entry, count, dim, metric):
        """Import the package; what it says of itself, and what it would be built with."""
        made = engines.make(engines.BY_NAME[entry], "", count, dim, metric)
        return {"version": str(made.version), "note": made.note, "knob": made.knob.name,
                "parameters": made.parameters()}

    def build(self, entry, folder, base, metric, threads):
        """Build and save. Peak memory is that above the rows, which the caller holds anyway."""
        os.makedirs(folder, exist_ok=True)
        rows = np.load(base)
        engine = engines.make(engines.BY_NAME[entry], folder, rows.shape[0], rows.shape[1], metric)
        gc.collect()
        before = memory()
        was_reset = reset_peak()
        wall, cpu = time.perf_counter(), time.process_time()
        engine.build(rows, threads)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = memory()["peak"]
        start = time.perf_counter()
        engine.save()
        if engine.needs_rows:
            link = os.path.join(folder, "rows.npy")
            if not os.path.lexists(link):
                os.symlink(os.path.abspath(base), link)
        return {"seconds": wall, "cpu_seconds": cpu, "save_seconds": time.perf_counter() - start,
                "peak_bytes": peak - before["resident"] if was_reset else None,
                "parameters": engine.parameters(), "version": str(engine.version)}

    def grow(self, entry, folder, base, metric, threads, sizes):
        """Seconds of each step from empty up to `sizes`."""
        os.makedirs(folder, exist_ok=True)
        rows = np.load(base, mmap_mode="r")
        engine = engines.make(engines.BY_NAME[entry], folder, rows.shape[0], rows.shape[1], metric)
        if not hasattr(engine, "begin"):
            raise engine_base.Unsupported("it is built in one go, or its adapter does so")
        return grow.insert_in_steps(engine, rows[:sizes[-1]], sizes, threads)

    def open(self, entry, folder, queries, count, dim, metric, threads, k=10):
        """Load, up to the first answer: an engine that loads lazily pays here too."""
        self.queries = np.ascontiguousarray(np.load(queries), dtype=np.float32)
        self.engine = engines.make(engines.BY_NAME[entry], folder, count, dim, metric)
        self.dim = dim
        gc.collect()
        self.before = memory()
        start = time.perf_counter()
        self.engine.open(threads)
        low = max(k, self.engine.knob.low) if self.engine.knob.from_k else self.engine.knob.low
        value = int(low) if self.engine.knob.is_int else low
        self.engine.ids(self.engine.prepare(k, value, self.engine.arms[0])(self.queries[0]))
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "knob": self.engine.knob._asdict(), "arms": self.engine.arms,
                "needs_rows": self.engine.needs_rows, "note": self.engine.note}

    def warm(self):
        self.engine.warm()

    def find(self, k, value, arm, which, threads):
        """Row numbers for the queries `which`, as fast as the engine can; not timed."""
        self.engine.prepare(k, value, arm)
        return self._square(self.engine.batch(self.queries[which], threads), k)

    @staticmethod
    def _square(found, k):
        out = np.full((len(found), k), -1, np.int64)
        for i, ids in enumerate(found):
            row = np.asarray(ids)[:k]
            # Some fill up with the largest unsigned number, some with -1.
            out[i, :len(row)] = np.where(row.astype(np.uint64) >= 2**62, -1, row.astype(np.uint64)).astype(np.int64)
        return out

    def singles(self, k, value, arm, which, seconds):
        """One call per query on one thread, the queries in turn for at least `seconds` and once each. p50 and p99
        are of all calls; that of CPU time leaves out the milliseconds in which something else had the core."""
        search = self.engine.prepare(k, value, arm)
        queries = list(self.queries[which])
        for query in queries[:WARM_UP]:
            search(query)
        clock, cpu_clock = time.perf_counter_ns, time.thread_time_ns
        took, burnt, repeats = [], [], 0
        gc.collect()
        gc.disable()
        thread, process, start = time.thread_time(), time.process_time(), clock()
        while True:
            for query in queries:
                cpu_begin = cpu_clock()
                begin = clock()
                search(query)
                took.append(clock() - begin)
                burnt.append(cpu_clock() - cpu_begin)
            repeats += 1
            if clock() - start >= seconds * 1e9:
                break
        thread, process = time.thread_time() - thread, time.process_time() - process
        gc.enable()
        took = np.array(took, np.float64)
        return {"calls": len(took), "wall": float(took.sum() / 1e9), "thread_cpu": thread, "process_cpu": process,
                "qps": float(len(took) / (took.sum() / 1e9)), "cpu_qps": len(took) / max(process, 1e-9),
                "p50_us": float(np.percentile(took, 50) / 1e3), "p99_us": float(np.percentile(took, 99) / 1e3),
                "p99_cpu_us": float(np.percentile(burnt, 99) / 1e3)}

    def batches(self, k, value, arm, which, threads, seconds):
        """All queries in one call, again and again for at least `seconds`."""
        self.engine.prepare(k, value, arm)
        queries = np.ascontiguousarray(self.queries[which])
        self.engine.batch(queries[:WARM_UP], threads)
        calls = 0
        process, start = time.process_time(), time.perf_counter()
        while True:
            self.engine.batch(queries, threads)
            calls += 1
            if time.perf_counter() - start >= seconds:
                break
        wall, process = time.perf_counter() - start, time.process_time() - process
        return {"calls": calls, "wall": wall, "process_cpu": process, "qps": calls * len(queries) / wall,
                "cpu_qps": calls * len(queries) / max(process, 1e-9)}

    def size(self):
        """Resident memory above that of the process before the index was opened."""
        now = memory()
        return {"anonymous": now["anonymous"] - self.before["anonymous"], "files": now["files"] - self.before["files"],
                "parts": self.engine.parts()}


def main():
    pipe = Connection(int(sys.argv[1]))
    worker = Worker()
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return  # the parent has gone
        do = request.pop("do")
        if do == "end":
            pipe.send({"ok": None})
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)  # some engines crash in their destructors
        try:
            answer = {"ok": getattr(worker, do)(**request)}
        except engine_base.Unsupported as reason:
            answer = {"error": str(reason), "kind": "unsupported"}
        except ImportError as reason:
            answer = {"error": f"{type(reason).__name__}: {reason}", "kind": "import"}
        except Exception as reason:  # noqa: BLE001  whatever an engine throws is a result
            traceback.print_exc()
            answer = {"error": f"{type(reason).__name__}: {reason}", "kind": "failed"}
        sys.stdout.flush()
        sys.stderr.flush()
        pipe.send(answer)


if __name__ == "__main__":
    main()
