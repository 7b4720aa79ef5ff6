"""Results as Markdown and SVG, out of the JSON that ann.py wrote and nothing else.

A figure of several rounds is shown as `median (smallest .. largest)`. A ratio is taken within each round, where both
engines had the same minute of the machine, and then its median over the rounds.
"""
import argparse
import json
import math
import os
import re
import shutil
import statistics

from . import pareto, places

YARDSTICK, OURS = "hnswlib", "octant"
BUSY = 1.15  # cores used by a single-thread pass beyond which it is marked

# What issue and design ask for, at k = 10: target -> (times hnswlib, times the best of the others).
GOALS = {0.95: (4, 2), 0.99: (5, 2), 0.999: (4, 1.5)}


def median(values):
    return statistics.median(values) if values else None


def spread(values, form="{:,.0f}"):
    if not values:
        return "-"
    if len(values) == 1:
        return form.format(values[0])
    return f"{form.format(median(values))} ({form.format(min(values))} .. {form.format(max(values))})"


def column(found, way, field):
    return [one[field] for one in found.get(way, [])]


def at(results, name, k, target):
    """What an engine did at a target, or {}."""
    return results["engines"].get(name, {}).get("at", {}).get(str(k), {}).get(str(target), {})


def ratio(mine, other, way="singles", field="qps"):
    """Median over rounds of mine / other, or None."""
    pairs = list(zip(column(mine, way, field), column(other, way, field)))
    return statistics.median(a / b for a, b in pairs) if pairs else None


def living(results):
    return [name for name, entry in results["engines"].items() if "failed" not in entry]


def at_equal(results, name, k, target):
    """Speed where the engine's curve of the reported half crosses the target itself: log-linear in speed and in the
    number of nines, between the measured points around it that no other point beats. None outside them."""
    every = curve(results, name, k)
    points = sorted((recall, qps) for recall, qps in every
                    if not any(r >= recall and q >= qps and (r, q) != (recall, qps) for r, q in every))
    for (low, slow), (high, fast) in zip(points, points[1:]):
        if low <= target <= high and high > low:
            share = (pareto.nines(target) - pareto.nines(low)) / (pareto.nines(high) - pareto.nines(low))
            return math.exp(math.log(slow) + share * (math.log(fast) - math.log(slow)))
    return None


def setting(entry, found):
    words = [f"{entry.get('knob', '')} {found['value']:g}"]
    return ", ".join(words + [f"{name} {value:g}" for name, value in found["arm"].items()])


def _row(cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _header(cells):
    return [_row(cells), _row(["---"] * len(cells))]


def speed_table(results, k, target):
    lines = _header(["engine", "QPS", "x " + YARDSTICK, "QPS by CPU time", "recall", "QPS at exactly this recall",
                     "p50 us", "p99 us", "p99 us of CPU", "batch QPS, 1 thread",
                     f"batch QPS, {results['machine']['threads']} threads", "by"])
    yard = at(results, YARDSTICK, k, target)
    names = sorted((name for name in living(results) if at(results, name, k, target).get("singles")),
                   key=lambda name: -median(column(at(results, name, k, target), "singles", "qps")))
    for name in names:
        entry, found = results["engines"][name], at(results, name, k, target)
        times = ratio(found, yard)
        cores = median([one["process_cpu"] / one["wall"] for one in found["singles"]])
        equal = at_equal(results, name, k, target)
        mark = f" [{cores:.1f} cores]" if cores > BUSY else ""
        lines.append(_row([
            f"**{name}**" if name.startswith(OURS) else name, spread(column(found, "singles", "qps")) + mark,
            "-" if times is None else f"{times:.2f}", f"{median(column(found, 'singles', 'cpu_qps')):,.0f}",
            f"{found['recall']:.4f}", "-" if equal is None else f"{equal:,.0f}",
            spread(column(found, "singles", "p50_us")), spread(column(found, "singles", "p99_us")),
            f"{median(column(found, 'singles', 'p99_cpu_us')):,.0f}", spread(column(found, "batch_one", "qps")),
            spread(column(found, "batch_all", "qps")), setting(entry, found)]))
    missed = [name for name in living(results) if name not in names]
    if missed:
        lines.append("")
        most = {name: results["engines"][name].get("recall_most", {}).get(str(k), 0) for name in missed}
        lines.append("Not reached: " + ", ".join(f"{name} ({most[name]:.4f} at most)" for name in missed))
    return lines


def build_table(results):
    machine, count, dim = results["machine"], results["data"]["count"], results["data"]["dim"]
    lines = _header(["engine", "build s, 1 thread", f"build s, {machine['threads']} threads", "CPU s",
                     "peak above the rows, MB", "RAM, bytes a vector", "mapped files in RAM, bytes a vector",
                     "disk, bytes a vector", "load ms"])
    for name in living(results):
        entry = results["engines"][name]
        build, memory = entry.get("build", {}), entry.get("memory", {})
        every, single = build.get(str(machine["threads"]), {}), build.get("1", {})
        peak = every.get("peak_bytes")
        one = ("> " + single["failed"].split("longer than ")[-1].split(" s ")[0]
               if "longer than" in single.get("failed", "") else single.get("failed") or spread(
                   single.get("seconds", []), "{:,.1f}"))
        lines.append(_row([
            f"**{name}**" if name.startswith(OURS) else name, one, spread(every.get("seconds", []), "{:,.1f}"),
            f"{every['cpu_seconds']:,.1f}" if "cpu_seconds" in every else "-",
            "-" if peak is None else f"{peak / 1e6:,.0f}",
            f"{memory['anonymous'] / count:,.0f}" if memory else "-",
            f"{memory['files'] / count:,.0f}" if memory else "-",
            f"{entry['disk_bytes'] / count:,.0f}" if "disk_bytes" in entry else "-",
            spread([1e3 * s for s in entry.get("load_seconds", [])])]))
    lines.append("")
    lines.append(f"A vector as given has {4 * dim:,} bytes. RAM is what the process holds above what it held before "
                 "it opened the index, after searching; files that are mapped count apart, as the system may drop "
                 "those pages. Load runs until the first answer, page cache warm.")
    return lines


def parameter_list(results):
    lines = []
    for name, entry in results["engines"].items():
        if "failed" in entry:
            continue
        given = ", ".join(f"{key} {value}" for key, value in entry.get("parameters", {}).items())
        note = f" ({entry['note']})" if entry.get("note") else ""
        lines.append(f"- {name}: {entry['package']} {entry['version']}; {given}; searched by {entry['knob']}{note}")
    out = [f"- {name}: {entry['package']}: {entry['failed']}" for name, entry in results["engines"].items()
           if "failed" in entry]
    return lines + (["", "Did not take part:", ""] + out if out else [])


def _best_other(results, k, target):
    """(name, what it did) of the fastest peer at a target, the yardstick aside."""
    found = [(median(column(at(results, name, k, target), "singles", "qps")), name) for name in living(results)
             if not name.startswith(OURS) and name != YARDSTICK and at(results, name, k, target).get("singles")]
    return max(found)[1] if found else None


def goal_table(results):
    """What was wanted against what was measured; empty without the two that matter."""
    if OURS not in living(results) or YARDSTICK not in living(results):
        return []
    k = results["ks"][0]
    lines = _header(["goal", "wanted", "measured", ""])

    def add_speed(target, other, wanted, times_wanted, remark=""):
        """Reached if both hold: as tuned, and where both curves cross the target itself."""
        times = ratio(at(results, OURS, k, target), at(results, other, k, target))
        mine, theirs = at_equal(results, OURS, k, target), at_equal(results, other, k, target)
        exactly = mine / theirs if mine and theirs else None
        words = f"{times:.2f} x{remark}" + ("" if exactly is None else f"; {exactly:.2f} x at exactly {target:g}")
        add(f"QPS at {target}", wanted, words, min(times, times if exactly is None else exactly) >= times_wanted)

    def add(goal, wanted, measured, reached):
        lines.append(_row([goal, wanted, measured, "-" if reached is None else "yes" if reached else "no"]))

    for target, (times_yard, times_other) in GOALS.items():
        if target not in results["targets"]:
            continue
        mine, yard = at(results, OURS, k, target), at(results, YARDSTICK, k, target)
        if not mine.get("singles"):
            add(f"QPS at {target}", f">= {times_yard} x {YARDSTICK}", "not reached", False)
            continue
        if yard.get("singles"):
            add_speed(target, YARDSTICK, f">= {times_yard} x {YARDSTICK}", times_yard)
            slower = ratio(mine, yard, "singles", "p99_us")
            add(f"p99 at {target}", f"<= 0.5 x {YARDSTICK}", f"{slower:.2f} x; "
                f"{ratio(mine, yard, 'singles', 'p99_cpu_us'):.2f} x by CPU time", slower <= 0.5)
        best = _best_other(results, k, target)
        if best:
            add_speed(target, best, f">= {times_other} x the best of the others", times_other, f" ({best})")
    mine = at(results, OURS, k, 0.95) or next(iter(results["engines"][OURS].get("at", {}).get(str(k), {}).values()), {})
    pairs = list(zip(column(mine, "batch_all", "qps"), column(mine, "batch_one", "qps")))
    if pairs:
        scale = statistics.median(a / b for a, b in pairs)
        threads = results["machine"]["threads"]
        wanted = 0.9 * threads
        add(f"{threads} threads against one", f">= {wanted:g} x", f"{scale:.2f} x", scale >= wanted)
    threads = str(results["machine"]["threads"])
    seconds = {name: median(results["engines"][name].get("build", {}).get(threads, {}).get("seconds", []))
               for name in living(results)}
    if seconds.get(OURS) and seconds.get(YARDSTICK):
        times = seconds[YARDSTICK] / seconds[OURS]
        add(f"build, {threads} threads", f">= 3 x as fast as {YARDSTICK}", f"{times:.2f} x", times >= 3)
    count, dim = results["data"]["count"], results["data"]["dim"]
    for name, limit in (("octant", 4000 * dim / 768), ("octant-disk", 700 * dim / 768)):
        memory = results["engines"].get(name, {}).get("memory")
        if memory:
            # Raw vectors "in RAM" are mapped too, so that both kinds count there; on the disk only what must stay.
            held = (memory["anonymous"] + (memory["files"] if name == "octant" else 0)) / count
            add(f"RAM a vector, {name}", f"<= {limit:,.0f} bytes", f"{held:,.0f}", held <= limit)
    loads = results["engines"][OURS].get("load_seconds")
    if loads:
        add("load", "< 50 ms (at 62,666 x 768)", f"{1e3 * median(loads):.0f} ms", median(loads) < 0.05)
    return lines


def curve(results, name, k):
    """(recall, QPS) for every setting that was measured, once each: neighbouring targets may have the same one."""
    passes = {}
    for found in results["engines"][name].get("at", {}).get(str(k), {}).values():
        if found.get("singles"):
            where = (found["recall"], found["value"], str(found["arm"]))
            passes.setdefault(where, []).extend(column(found, "singles", "qps"))
    return [(where[0], median(qps)) for where, qps in passes.items()]


def markdown(results):
    about, machine = results["data"], results["machine"]
    load = results.get("load") or [0]
    words = [
        f"{about['count']:,} x {about['dim']}, {about['metric']}; {about['queries']:,} queries, {results['tuned_on']} to "
        f"tune on, {results['reported_on']} others reported.",
        f"{machine['cpu']}, {machine['cpus']} CPUs, {machine['memory'] / 2**30:.0f} GiB, kernel {machine['kernel']}, Python "
        f"{machine['python']}; {machine['when']}.",
        f"{results['rounds']} interleaved rounds; median (smallest .. largest). Load of the machine at the rounds "
        f"{min(load):.1f} .. {max(load):.1f} (1.0 is this bench itself)."]
    lines = [f"## {about['name']}", "", " ".join(words), ""]
    goals = goal_table(results)
    if goals:
        lines += ["### Goals", "", *goals, ""]
    lines += ["### Build, memory, loading", "", *build_table(results), ""]
    for k in results["ks"]:
        for target in results["targets"]:
            lines += [f"### Recall@{k} >= {target:g}", "", *speed_table(results, k, target), ""]
    lines += ["### Engines and parameters", "", *parameter_list(results), ""]
    return "\n".join(lines)


def put_into_docs(name, text, plot, say):
    """Replace the part of docs/benchmarks.md between the marks for this data set, or append it."""
    docs = os.path.join(places.ROOT, "docs")
    path = os.path.join(docs, "benchmarks.md")
    os.makedirs(os.path.join(docs, "benchmarks"), exist_ok=True)
    shutil.copyfile(plot, os.path.join(docs, "benchmarks", name + ".svg"))
    text = text.replace("\n\n", f"\n\n![speed by recall](benchmarks/{name}.svg)\n\n", 1)
    begin, end = f"<!-- results: {name} -->", f"<!-- end: {name} -->"
    with open(path, encoding="utf-8") as file:
        page = file.read()
    part = f"{begin}\n{text}\n{end}"
    if begin in page:
        page = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: part, page, flags=re.DOTALL)
    else:
        page = page.rstrip() + "\n\n" + part + "\n"
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)
    say(f"  tables are in docs/benchmarks.md under {name}")


def write(results, name, say, into_docs=False):
    """NAME.md and NAME.svg, and the goals on the terminal."""
    text = markdown(results)
    with open(name + ".md", "w", encoding="utf-8") as file:
        file.write(text)
    k = results["ks"][0]
    series = {engine: curve(results, engine, k) for engine in living(results)}
    about, machine = results["data"], results["machine"]
    pareto.write(name + ".svg", f"Speed at recall@{k}: {about['name']}",
                 f"{about['count']:,} x {about['dim']}, one thread, median of {results['rounds']} rounds; "
                 f"{machine['cpu']}, {machine['when'][:10]}", series)
    for target in results["targets"]:
        say(f"\nrecall@{k} >= {target:g}")
        for line in speed_table(results, k, target):
            say("  " + line)
    goals = goal_table(results)
    if goals:
        say("\n" + "\n".join(goals))
    say(f"\nresults: {os.path.relpath(name, os.getcwd())}.json, .md and .svg")
    if into_docs:
        put_into_docs(about["name"], text, name + ".svg", say)


def main(words):
    parser = argparse.ArgumentParser(prog="python -m bench report", description=__doc__.split("\n", 1)[0])
    parser.add_argument("results", help="a JSON file that `python -m bench ann` wrote")
    parser.add_argument("--docs", action="store_true", help="put the tables into docs/benchmarks.md")
    args = parser.parse_args(words)
    with open(args.results, encoding="utf-8") as file:
        results = json.load(file)
    write(results, os.path.splitext(args.results)[0], print, args.docs)
    return 0
