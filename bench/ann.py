"""Octant beside other engines: build, memory, loading, and speed at equal recall.

PROTOCOL
  build    Each engine in a fresh process, with one thread and with all; in turn, so that a slow minute hits all.
           Peak memory is what the process held above the rows it was given. The index goes to the disk.
  open     A fresh process loads it; the time runs until the first answer. Done at least three times, page cache warm.
  tune     Even queries. For every k and target: the cheapest setting that reaches it (tune.py).
  measure  Odd queries, so that nothing was tuned on what is reported. In every round each engine has its turn at each
           target: a pass of single calls on one thread (QPS, p50, p99), passes of batch calls with one thread
           and with all. The order of engines changes from round to round. Figures are medians over rounds, with
           smallest and largest; ratios are taken within each round first.
  noise    Beside wall time stand CPU times, the load of the machine at every round, and a mark where an engine used
           more than one core when told not to.
  room     Engines stay loaded side by side as long as memory allows; on large sets those that have waited longest
           are ended and loaded again at their turn.
RESULTS  build/bench/NAME.json, NAME.md and NAME.svg; --docs puts the tables into docs/benchmarks.md.
"""
import argparse
import json
import os
import platform
import random
import shutil
import time

from . import data, engines, places, report
from .pool import Clock, Failed, Slot
from .tune import Tuner

TARGETS = (0.90, 0.95, 0.99, 0.999)
PLOT_TARGETS = (0.80, 0.85, 0.93, 0.97, 0.98, 0.995, 0.9995)  # more points for the curve at k = 10, single calls only
ROUNDS = 5
LOADS = 3
PASS_SECONDS = 0.3
BUILD_SECONDS_MAX = 1200
RESERVE_BYTES = 2 << 30  # left to the machine


def arguments():
    parser = argparse.ArgumentParser(prog="python -m bench ann", description=__doc__.split("\n", 1)[0],
                                     epilog="bench/README.md has the whole story.")
    parser.add_argument("--data", action="append", help="debian-768, gloss-384, like:debian-768:1000000, a folder, "
                        "FILE.npy, FILE.fvecs, FILE.hdf5; may be given several times; default debian-768")
    parser.add_argument("--engines", default="all", help="names or beginnings of names with commas, quick, all")
    parser.add_argument("--quick", action="store_true", help="debian-768, five engines, recall@10: under 8 minutes")
    parser.add_argument("--metric", choices=("cosine", "l2"), help="for data that does not say; default cosine")
    parser.add_argument("--limit", type=int, help="only so many rows, to try things")
    parser.add_argument("--k", default=None, help="default 10,100")
    parser.add_argument("--targets", default=None, help="recalls; default 0.90,0.95,0.99,0.999")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--builds", type=int, default=1, help="how often each index is built with all threads")
    parser.add_argument("--no-single-build", action="store_true", help="do not build on one thread too")
    parser.add_argument("--rebuild", action="store_true", help="also what an earlier run built")
    parser.add_argument("--build-limit", type=float, default=BUILD_SECONDS_MAX, help="seconds; slower engines are out")
    parser.add_argument("--pass-seconds", type=float, default=PASS_SECONDS)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="what 'all threads' means")
    parser.add_argument("--out", default=places.BUILD)
    parser.add_argument("--name", help="of the results' files; default: the data set's name")
    parser.add_argument("--docs", action="store_true", help="put the tables into docs/benchmarks.md")
    return parser


def memory_bytes(name):
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name + ":"))


def machine(threads):
    model = ""
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "")
    return {"cpu": model or platform.machine(), "cpus": os.cpu_count(), "threads": threads,
            "memory": memory_bytes("MemTotal"), "kernel": platform.release().split("-")[0],
            "python": platform.python_version(), "when": time.strftime("%Y-%m-%d %H:%M")}


class Room:
    """Keeps workers within memory: those asked longest ago are ended first."""

    def __init__(self, data_set):
        self.needs = {}
        self.guess = 2 * data_set.count * data_set.dim * 4
        self.order = []

    def open(self, slot, threads, warm):
        if slot in self.order:
            self.order.remove(slot)
        if slot.process is None or slot.opened is None:
            wanted = self.needs.get(slot.name, self.guess) + RESERVE_BYTES
            while self.order and memory_bytes("MemAvailable") < wanted:
                self.order.pop(0).end()
            before = memory_bytes("MemAvailable")
            slot.open(threads, warm)
            self.needs[slot.name] = max(1 << 20, before - memory_bytes("MemAvailable"))
        self.order.append(slot)

    def holds_all(self, slots):
        return all(slot.opened is not None for slot in slots)


class Run:
    def __init__(self, args, clock):
        self.args, self.clock = args, clock
        self.ks = [int(k) for k in (args.k or ("10" if args.quick else "10,100")).split(",")]
        self.targets = [float(t) for t in args.targets.split(",")] if args.targets else list(TARGETS)
        self.entries = engines.choose((["quick"] if args.quick and args.engines == "all" else args.engines.split(",")))

    def one_set(self, source):
        """All of it for one data set; the results, or None when the set is absent."""
        try:
            data_set = data.open_set(source, self.args.limit, self.args.metric, self.clock.say)
        except data.Absent as reason:
            self.clock.say(f"skipped {source}: {reason}")
            return None
        self.data = data_set
        self.clock.say(f"{data_set.name}: {data_set.count:,} x {data_set.dim}, {data_set.metric}, "
                       f"{len(data_set.queries):,} queries")
        self.tune_on, self.report_on = data.halves(len(data_set.queries))
        self.results = {"machine": machine(self.args.threads), "data": data_set.about, "targets": self.targets,
                        "ks": [k for k in self.ks if k in data_set.good], "rounds": self.args.rounds,
                        "pass_seconds": self.args.pass_seconds, "tuned_on": len(self.tune_on),
                        "reported_on": len(self.report_on), "load": [], "engines": {}}
        self.slots = []
        self.room = Room(data_set)
        try:
            self.probe()
            self.build()
            self.tune()
            self.measure()
        finally:
            for slot in self.slots:
                slot.end()
        self.results["seconds"] = self.clock.seconds()
        return self.results

    def entry_of(self, slot):
        return self.results["engines"][slot.name]

    def fail(self, slot, reason):
        self.clock.say(f"  {slot.name}: out: {reason}")
        self.entry_of(slot)["failed"] = str(reason)
        slot.kill()
        if slot in self.slots:
            self.slots.remove(slot)

    def each(self, slots, what):
        """(slot, ) in turn with a bar; what fails is out."""
        for i, slot in enumerate(list(slots)):
            self.clock.step(f"{what}: {slot.name}", i, len(slots))
            yield slot

    # --- the steps ----------------------------------------------------------------------------------

    def probe(self):
        for i, entry in enumerate(self.entries):
            self.clock.step(f"looking for {entry.name}", i, len(self.entries))
            slot = Slot(entry, self.data, os.path.join(places.INDEX, self.data.name, entry.name))
            self.slots.append(slot)
            self.results["engines"][entry.name] = {"package": entry.package}
            try:
                found = slot.ask("probe", limit=120, entry=entry.name, count=self.data.count, dim=self.data.dim,
                                 metric=self.data.metric)
                self.entry_of(slot).update(found)
                slot.end()
            except Failed as reason:
                self.fail(slot, reason)

    def build(self):
        """Times by number of threads: with all, as often as asked; with one, once."""
        plan = [self.args.threads] * self.args.builds
        if not (self.args.no_single_build or self.args.quick) and self.args.threads > 1:
            plan.append(1)
        for at, threads in enumerate(plan):
            for slot in self.each(self.slots, f"build, {threads} thread{'s' * (threads > 1)}"):
                try:
                    self._build_one(slot, threads, again=at > 0 and threads == plan[at - 1])
                except Failed as reason:
                    if threads == self.args.threads:
                        self.fail(slot, reason)
                    else:
                        self.entry_of(slot).setdefault("build", {})[str(threads)] = {"failed": str(reason)}
                        slot.kill()

    def _build_one(self, slot, threads, again):
        """Only the index built with all threads is kept; of the other the figures are."""
        entry = self.entry_of(slot)
        about = os.path.join(slot.folder, f"built-{threads}.json")
        found = {}
        if os.path.exists(about):
            with open(about, encoding="utf-8") as file:
                found = json.load(file)
        stamp = os.stat(self.data.base_path).st_mtime_ns  # of the rows: a set may have been made anew
        same = (found.get("version") == entry["version"] and found.get("parameters") == entry["parameters"]
                and found.get("stamp") == stamp)
        keep = threads == self.args.threads
        if not same or self.args.rebuild or again:
            folder = os.path.join(slot.folder, "index" if keep else "index-other")
            shutil.rmtree(folder, ignore_errors=True)
            made = slot.ask("build", limit=self.args.build_limit, entry=slot.name, folder=folder,
                            base=self.data.base_path, metric=self.data.metric, threads=threads)
            slot.end()
            earlier = found.get("seconds", []) if same and again else []
            made["seconds"] = earlier + [made["seconds"]]
            made["stamp"] = stamp
            made["disk_bytes"] = places.folder_bytes(folder)
            if not keep:
                shutil.rmtree(folder)
            found = made
            with open(about, "w", encoding="utf-8") as file:
                json.dump(found, file, indent=1)
            self.clock.say(f"  {slot.name}: built with {threads} thread{'s' * (threads > 1)} in "
                           f"{found['seconds'][-1]:.1f} s ({found['cpu_seconds']:.1f} s of CPU)")
        entry.setdefault("build", {})[str(threads)] = found
        if keep:
            entry["disk_bytes"] = found["disk_bytes"]

    def open_slot(self, slot, warm=True):
        folder, slot.folder = slot.folder, os.path.join(slot.folder, "index")
        try:
            self.room.open(slot, self.args.threads, warm)
        finally:
            slot.folder = folder

    def tune(self):
        for slot in self.each(self.slots, "tune"):
            try:
                start = self.clock.seconds()
                while len(slot.loads) < LOADS - 1:
                    self.open_slot(slot, warm=False)
                    slot.end()
                self.open_slot(slot)
                self._tune_one(slot)
                entry = self.entry_of(slot)
                entry["memory"] = slot.ask("size")
                entry["load_seconds"] = slot.loads
                if slot.opened["needs_rows"]:
                    entry["disk_bytes"] += self.data.count * self.data.dim * 4
                self.clock.say(f"  {slot.name}: loaded in {1e3 * min(slot.loads):.0f} ms, tuned in "
                               f"{self.clock.seconds() - start:.0f} s")
            except Failed as reason:
                self.fail(slot, reason)

    def _tune_one(self, slot):
        entry = self.entry_of(slot)
        entry["at"] = {}
        for k in self.results["ks"]:
            tuner = Tuner(slot, self.tune_on, self.args.threads, k)
            entry["at"][str(k)] = {}
            more = PLOT_TARGETS if k == self.results["ks"][0] else ()
            for target in sorted([*self.targets, *more]):
                choice = tuner.choose(target)
                if choice is None:
                    continue
                arm = tuner.arms[choice.arm]
                ids = slot.ask("find", limit=600, k=k, value=choice.value, arm=arm, which=self.report_on,
                               threads=self.args.threads)
                entry["at"][str(k)][str(target)] = {
                    "value": choice.value, "arm": arm, "recall_tuned": choice.recall,
                    "recall": self.data.recall(ids, self.report_on, k), "singles": [], "batch_one": [],
                    "batch_all": []}
            entry.setdefault("recall_most", {})[str(k)] = tuner.most()

    def measure(self):
        plan = [(k, target) for k in self.results["ks"]
                for target in sorted({*self.targets, *(PLOT_TARGETS if k == self.results["ks"][0] else ())})]
        order = random.Random(1)
        total = self.args.rounds * len(plan) * max(1, len(self.slots))
        done = 0
        for number in range(self.args.rounds):
            self.results["load"].append(os.getloadavg()[0])
            slots = list(self.slots)
            order.shuffle(slots)
            # Side by side, engines take turns at every target; where memory does not hold all, at every round.
            if self.room.holds_all(slots):
                turns = [(slot, *point) for point in plan for slot in slots]
            else:
                turns = [(slot, *point) for slot in slots for point in plan]
            for slot, k, target in turns:
                done += 1
                self.clock.step(f"round {number + 1}: {slot.name}", done, total)
                if slot in self.slots:
                    try:
                        self._pass(slot, k, target)
                    except Failed as reason:
                        self.fail(slot, reason)
        self.clock.say(f"  {self.args.rounds} rounds measured; load of the machine {min(self.results['load']):.1f} .. "
                       f"{max(self.results['load']):.1f}")

    def _pass(self, slot, k, target):
        found = self.entry_of(slot)["at"].get(str(k), {}).get(str(target))
        if found is None:
            return
        self.open_slot(slot)
        given = {"k": k, "value": found["value"], "arm": found["arm"], "which": self.report_on}
        seconds = self.args.pass_seconds
        found["singles"].append(slot.ask("singles", limit=600, seconds=seconds, **given))
        if target in self.targets:
            found["batch_one"].append(slot.ask("batches", limit=600, threads=1, seconds=seconds, **given))
            if self.args.threads > 1:
                found["batch_all"].append(slot.ask("batches", limit=600, threads=self.args.threads, seconds=seconds,
                                                   **given))


def main(words):
    args = arguments().parse_args(words)
    if args.quick:
        args.pass_seconds = min(args.pass_seconds, 0.2)
    clock = Clock()
    run = Run(args, clock)
    os.makedirs(args.out, exist_ok=True)
    measured = 0
    for source in args.data or ["debian-768"]:
        results = run.one_set(source)
        if results is None:
            continue
        measured += 1
        name = os.path.join(args.out, args.name or results["data"]["name"] + ("-quick" if args.quick else ""))
        with open(name + ".json", "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
        report.write(results, name, clock.say, into_docs=args.docs)
    return 0 if measured else 1
