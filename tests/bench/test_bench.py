"""The benches themselves: a measure that is wrong is worse than none.

Goal:   recall counts by score, the exact answer is exact, the search for a setting finds the smallest, results add up,
        and `octant bench` tells the truth about a folder.
Method: sets small enough for a plain loop in float64, seeds in the tests; one engine (ours) through the whole run;
        the program ($OCTANT_BIN or build/octant) on a database written by the native interface.
usage:  pytest tests/bench
"""
import json
import os
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("OCTANT_BIN", str(ROOT / "build" / "octant"))
sys.path.insert(0, str(ROOT))

from bench import ann, data, engines, generate, gloss, pareto, places, pool, report, tune  # noqa: E402

DIM = 24


def clouds(count, seed, dim=DIM):
    """Unit vectors in clouds, with a tenth of them copies of others: like real text, and unlike noise."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((40, dim))
    rows = centres[random.integers(0, len(centres), count)] + 0.6 * random.standard_normal((count, dim))
    copies = random.random(count) < 0.1
    rows[copies] = rows[random.integers(0, count, copies.sum())]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for name in ("BUILD", "DATA", "INDEX", "LOGS"):
        monkeypatch.setattr(places, name, str(tmp_path / name.lower()))
        os.makedirs(tmp_path / name.lower())
    return tmp_path


@pytest.fixture
def small(folders):
    return data.write(str(folders / "data" / "small"), "small", "cosine", clouds(3000, 1), clouds(200, 2),
                      say=lambda _: None)


# --- data -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("block", [7, 64, 10000])
def test_exact_answer_is_that_of_a_plain_loop(metric, block, monkeypatch):
    monkeypatch.setattr(data, "BLOCK", block)
    rows, queries = clouds(300, 3), clouds(9, 4)
    if metric == "l2":
        rows, queries = rows * 3, queries * 2
    best, ids = data.exact(rows, queries, metric, 20)
    for query, scores, found in zip(queries.astype(np.float64), best, ids):
        all_scores = rows @ query if metric == "cosine" else -((rows.astype(np.float64) - query) ** 2).sum(axis=1)
        assert np.allclose(scores, np.sort(all_scores)[::-1][:20], atol=1e-5)
        assert np.allclose(all_scores[found], scores, atol=1e-5) and len(set(found)) == 20


def test_recall_counts_by_score(small):
    base = small.base()
    for k in data.KS:
        best, ids = data.exact(base, small.queries, "cosine", k)
        which = np.arange(len(small.queries))
        assert small.recall(ids, which, k) == 1.0
        # Equals of the k-th: what a plain comparison of cosines says, for ids drawn at random among the best.
        random = np.random.default_rng(k)
        near = data.exact(base, small.queries, "cosine", 2 * k)[1]
        drawn = np.stack([random.permutation(row)[:k] for row in near])
        plain = sum(int((base[row] @ query >= kth - data.TIE).sum())
                    for row, query, kth in zip(drawn, small.queries, best[:, k - 1])) / (k * len(which))
        assert small.recall(drawn, which, k) == pytest.approx(plain, abs=1e-3)


def test_recall_is_not_had_by_tricks(small):
    which = np.arange(10)
    _, ids = data.exact(small.base(), small.queries[:10], "cosine", 10)
    assert small.recall(np.repeat(ids[:, :1], 10, axis=1), which, 10) == pytest.approx(0.1), "one row ten times"
    assert small.recall(np.full((10, 10), -1), which, 10) == 0, "nothing found"
    assert small.recall(np.full((10, 10), small.count + 5), which, 10) == 0, "rows that there are not"
    assert small.recall(ids[::-1], which, 10) < 0.5, "answers to other queries"


def test_halves_share_no_query():
    tune_on, report_on = data.halves(101)
    assert not set(tune_on) & set(report_on) and len(tune_on) + len(report_on) == 101


def test_files_of_every_form_are_read(folders):
    rows = clouds(2500, 5)
    np.save(folders / "rows.npy", rows)
    sizes = np.full((len(rows), 1), DIM, np.int32)
    np.concatenate([sizes, rows.view(np.int32)], axis=1).tofile(folders / "rows2.fvecs")
    one = data.open_set(str(folders / "rows.npy"), say=lambda _: None)
    two = data.open_set(str(folders / "rows2.fvecs"), say=lambda _: None)
    assert one.count == 1500 and len(one.queries) == 1000 and one.dim == DIM
    assert (one.base() == two.base()).all() and (one.queries == two.queries).all()
    with pytest.raises(data.Absent):
        data.open_set("no-such-set")
    with pytest.raises(data.Absent):
        data.open_set(str(folders / "none.npy"))


def test_a_truth_that_disagrees_is_refused(folders):
    rows, queries = clouds(500, 6), clouds(10, 7)
    best, _ = data.exact(rows, queries, "cosine", 100)
    data.write(str(folders / "a"), "a", "cosine", rows, queries, best, say=lambda _: None)
    with pytest.raises(SystemExit, match="differ"):
        data.write(str(folders / "b"), "b", "cosine", rows, queries, best + 1e-3, say=lambda _: None)


# --- tuning ---------------------------------------------------------------------------------------------


class FakeSlot:
    """An engine whose recall is a known function of its parameter."""

    def __init__(self, recall_of, knob, arms=({},)):
        self.recall_of, self.calls = recall_of, 0
        self.opened = {"knob": knob, "arms": list(arms)}
        self.data = self
        self.count = 100000

    def ask(self, do, value, arm, **_):
        self.calls += 1
        return (value, arm) if do == "find" else {"cpu_qps": arm["speed"]}

    def recall(self, ids, which, k):
        return self.recall_of(*ids)


@pytest.mark.parametrize("target", [0.5, 0.9, 0.95, 0.99, 0.999])
def test_tuning_finds_the_smallest_value(target):
    knob = {"name": "ef", "low": 4, "high": 4096, "is_int": True, "from_k": True}
    slot = FakeSlot(lambda value, arm: 1 - 1 / value, knob)
    choice = tune.Tuner(slot, np.arange(10), 1, 10).choose(target)
    smallest = max(10, int(np.ceil(1 / (1 - target) - 1e-9)))
    assert smallest <= choice.value <= max(smallest, smallest * (1 + tune.FINE)) and choice.recall >= target
    assert slot.calls < 40


def test_tuning_says_when_a_target_is_out_of_reach():
    knob = {"name": "epsilon", "low": 0.001, "high": 1.0, "is_int": False, "from_k": False}
    tuner = tune.Tuner(FakeSlot(lambda value, arm: 0.9 * value, knob), np.arange(10), 1, 10)
    assert tuner.choose(0.5).value == pytest.approx(0.5 / 0.9, rel=0.03)
    assert tuner.choose(0.95) is None and tuner.most() == pytest.approx(0.9)


def test_tuning_takes_the_fastest_of_two_parameters():
    knob = {"name": "ef", "low": 1, "high": 1000, "is_int": True, "from_k": False}
    arms = [{"speed": 5}, {"speed": 50}, {"speed": 500}]  # the last never reaches it
    slot = FakeSlot(lambda value, arm: (1 - 1 / value) * (0.5 if arm["speed"] == 500 else 1), knob, arms)
    assert tune.Tuner(slot, np.arange(10), 1, 10).choose(0.9).arm == 1


# --- the whole run --------------------------------------------------------------------------------------


def test_engines_are_chosen_by_name_and_pattern():
    assert [entry.name for entry in engines.choose(["octant"])] == ["octant"]
    assert {entry.name for entry in engines.choose(["vsag"])} >= {"vsag-fp32", "vsag-sq8"}
    assert len(engines.choose(["all"])) == len(engines.ENTRIES) == len(engines.BY_NAME)
    assert engines.choose(["quick", "*-f32"])[0].name == "octant"
    with pytest.raises(SystemExit, match="there is no engine"):
        engines.choose(["nosuch"])


def test_a_run_measures_and_reports(small, folders, monkeypatch):
    pytest.importorskip("octant")
    words = ["--data", "small", "--engines", "octant,ngt-qg", "--rounds", "2", "--pass-seconds", "0.01", "--targets",
             "0.9,0.99", "--out", str(folders / "build")]
    assert ann.main(words) == 0
    with open(folders / "build" / "small.json", encoding="utf-8") as file:
        results = json.load(file)
    assert "failed" in results["engines"]["ngt-qg"], "an engine that is not there is listed with the reason"
    ours = results["engines"]["octant"]
    assert "failed" not in ours, ours
    assert ours["disk_bytes"] > small.count * DIM * 4 and ours["memory"]["anonymous"] > 0
    assert len(ours["load_seconds"]) >= 3 and ours["build"][str(results["machine"]["threads"])]["seconds"][0] > 0
    for k in data.KS:
        for target in (0.9, 0.99):
            found = ours["at"][str(k)][str(target)]
            assert found["recall_tuned"] >= target and found["recall"] > target - 0.05
            assert len(found["singles"]) == len(found["batch_one"]) == 2
            for one in found["singles"]:
                assert one["calls"] >= 100 and one["p50_us"] <= one["p99_us"]
                assert one["qps"] == pytest.approx(one["calls"] / one["wall"])
    page = (folders / "build" / "small.md").read_text(encoding="utf-8")
    assert "Recall@10 >= 0.99" in page and "**octant**" in page and "Did not take part" in page
    xml.etree.ElementTree.parse(folders / "build" / "small.svg")
    # What was built is used again; figures of the build stay.
    built = (folders / "index" / "small" / "octant" / "index").stat().st_mtime_ns
    assert ann.main(words) == 0
    assert (folders / "index" / "small" / "octant" / "index").stat().st_mtime_ns == built
    assert ann.main(["--data", "no-such-set", "--engines", "octant"]) == 1


def test_an_engine_that_dies_is_out_with_its_last_words(small):
    slot = pool.Slot(engines.BY_NAME["octant"], small, "")
    slot._start()
    slot.process.kill()
    with pytest.raises(pool.Failed, match="ended with code"):
        for _ in range(3):  # the pipe may take one request before it breaks
            slot.ask("probe", entry="octant", count=10, dim=4, metric="cosine")
    slot.end()


def _passes(qps):
    return [{"qps": q, "cpu_qps": q, "p50_us": 1e6 / q, "p99_us": 2e6 / q, "p99_cpu_us": 2e6 / q, "wall": 1,
             "process_cpu": 1.0} for q in qps]


def test_ratios_are_taken_within_rounds():
    mine, other = {"singles": _passes([100, 1000, 100])}, {"singles": _passes([50, 500, 10])}
    assert report.ratio(mine, other) == pytest.approx(2), "not the ratio of medians"


def test_speed_at_equal_recall_is_read_off_the_curve():
    def at(recall, qps):
        return {"recall": recall, "value": 1, "arm": {}, "singles": _passes([qps])}

    results = {"engines": {"x": {"at": {"10": {"0.8": at(0.9, 1000), "0.9": at(0.99, 100), "0.95": at(0.97, 1)}}}}}
    assert report.at_equal(results, "x", 10, 0.9) == pytest.approx(1000)
    # Half way between one nine and two; the point that another beats does not count.
    assert report.at_equal(results, "x", 10, 1 - 10**-1.5) == pytest.approx(10**2.5)
    assert report.at_equal(results, "x", 10, 0.999) is None
    assert pareto.nines(0.99) == pytest.approx(2)


# --- made rows, glosses ---------------------------------------------------------------------------------


def test_made_rows_keep_the_local_geometry(folders):
    real = clouds(6000, 8)
    near, duplicates = generate.neighbours(real, str(folders))
    assert duplicates == pytest.approx(0.18, abs=0.05)
    for row in (0, 17, 5999):
        scores = real @ real[row]
        scores[row] = -2
        assert np.sort(scores[near[row]])[0] >= np.sort(scores)[-generate.NEIGHBOURS] - 1e-6
    made = np.empty_like(real)
    generate.make(real, near, duplicates, len(real), made)
    assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    queries = clouds(200, 9)
    best = [np.sqrt(np.maximum(2 - 2 * data.exact(rows, queries, "cosine", 100)[0], 0)) for rows in (real, made)]
    for at in (9, 99):
        assert np.median(best[1][:, at]) == pytest.approx(np.median(best[0][:, at]), rel=0.15)
    half = np.empty((3000, DIM), np.float32)
    generate.make(real, near, duplicates, 3000, half)
    assert (half == made[:3000]).all(), "a longer set begins with the shorter one"


def test_senses_are_cut_out_of_the_dictionary(tmp_path):
    import gzip
    page = ('Abdication \\Ab`di*ca"tion\\, n. [L. abdicatio: cf. F.\n   abdication.]\n   The act of abdicating; the\n'
            '   renunciation of a {high office}.\n   [1913 Webster]\n\nAbdomen \\Ab*do"men\\, n.\n'
            '   1. (Anat.) The belly, or that part of the body.\n\n   2. short\n\n')
    folder = tmp_path / "usr" / "share" / "dictd"
    folder.mkdir(parents=True)
    (folder / "gcide.dict.dz").write_bytes(gzip.compress(page.encode()))
    assert list(gloss.gcide(str(tmp_path))) == [
        "Abdication: The act of abdicating; the renunciation of a high office.",
        "Abdomen: (Anat.) The belly, or that part of the body."]


# --- octant bench ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    octant = pytest.importorskip("octant")
    path = tmp_path_factory.mktemp("bench") / "data"
    rows = clouds(4000, 10)
    with octant.open(path) as opened:
        for name, distance in (("one", "Cosine"), ("R & D", "Euclid")):
            made = opened.create(name, DIM, distance, full_scan_threshold=1, indexing_threshold=1)
            made.upsert(np.arange(len(rows), dtype=np.uint64), rows)
            made.wait_indexed()
        opened.create("empty", DIM)
    return path


def run(*words):
    return subprocess.run([PROGRAM, "bench", *map(str, words)], capture_output=True, text=True, timeout=300)


def test_octant_bench_tells_recall_speed_and_memory(database, tmp_path):
    plot = tmp_path / "plot.svg"
    done = run(database, "--json", "--queries", 300, "--ef", "10,400", "--plot", plot)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [one["collection"] for one in told["results"]] == ["R & D", "one"], "an empty collection has no result"
    for one in told["results"]:
        assert one["points"] == 4000 and one["queries"] == 300 and one["k"] == 10
        low, high = one["at"]
        assert 0.3 < low["recall"] <= high["recall"] and high["recall"] > 0.99
        assert low["found"] == high["found"] == 1, "ten hits are returned where there are ten"
        assert low["qps"]["least"] <= low["qps"]["median"] <= low["qps"]["most"]
        assert high["p50_us"]["median"] <= high["p99_us"]["median"] and one["exact_qps"] > 0
    parts = {part["part"]: part for part in told["memory"]["parts"]}
    assert parts["vectors"]["disk_bytes"] >= 2 * 4000 * DIM * 4 and "links" in parts
    assert parts["vectors"]["resident_bytes"] >= 0 and told["memory"]["anonymous_bytes"] > 0
    xml.etree.ElementTree.parse(plot)


def test_octant_bench_recall_agrees_with_numpy(database):
    """Every point of a collection as a query: its recall by a plain computation over the native interface."""
    import octant
    done = run(database, "--json", "--collection", "one", "--queries", 4000, "--ef", "12")
    told = json.loads(done.stdout)["results"][0]
    rows = clouds(4000, 10)
    with octant.open(database, read_only=True) as opened:
        ids, _ = opened["one"].search(rows, 11, ef=12)
    hits = 0
    for row, found in enumerate(ids):
        others = found[found != row][:10].astype(np.int64)
        scores = rows @ rows[row]
        scores[row] = -2
        hits += int((scores[others] >= np.sort(scores)[-10] - 1e-5).sum())
    # It asks for ten without the point itself, this one for eleven with it: nearly the same walk.
    assert told["queries"] == 4000 and told["at"][0]["recall"] == pytest.approx(hits / 40000, abs=0.02)


def test_octant_bench_prints_a_table(database):
    done = run(database, "--collection", "one", "--queries", 50, "--ef", "16", "--k", 3)
    assert done.returncode == 0 and "recall@3" in done.stdout and "anonymous" in done.stdout, done


@pytest.mark.parametrize("words, said", [
    (["--k", "0"], "--k is"), (["--ef", "12,x"], "--ef"), (["--queries", "many"], "--queries is"),
    (["--collection", "nosuch"], "nosuch"), (["--vector", "nosuch"], "nosuch"), (["--threads", "0"], "--threads is")])
def test_octant_bench_says_what_is_wrong(database, words, said):
    done = run(database, *words)
    assert done.returncode != 0 and said in done.stderr, done
