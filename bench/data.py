"""Data sets: rows, queries and the exact answer, in one form for all engines.

FORMS    --data takes, as often as wanted:
           debian-768            a folder of ../shared/data/ann, skipped with a word where it is absent
           gloss-384             made by `python -m bench gloss`
           like:debian-768:N     N rows that resemble it (generate.py)
           DIR                   base.f16.npy or base.npy, and query.npy
           FILE.npy FILE.fvecs   rows; 1,000 of them, drawn with seed 1, become the queries and leave the base
           FILE.hdf5             as ann-benchmarks lays them out: train, test, attribute "distance"
METRIC   cosine: rows and queries are normalised here, once, so that every engine may use its fastest way to it
         (inner product); l2: as they are.
TRUTH    A hit counts by its score: its exact similarity must reach that of the k-th true neighbour less TIE. Real
         data has duplicates, and an engine that returns another copy of the same text is not wrong. So the
         truth is, per query and k, the list of all rows that count. It is computed here in float32 and kept;
         where the set brings its own similarities (gtsim.npy) the two are compared.
FOLDER   build/bench/data/NAME: base.npy (n x dim, float32), query.npy, truth.npz, about.json.
"""
import json
import os
import time

import numpy as np

from . import places

KS = (10, 100)
TIE = 1e-5
QUERIES = 1000
BLOCK = 8192  # rows compared with all queries at a time: 8192 x 1000 floats are 32 MB


class Absent(Exception):
    """The data set is not on this machine."""


class DataSet:
    def __init__(self, folder):
        self.folder = folder
        with open(os.path.join(folder, "about.json"), encoding="utf-8") as file:
            self.about = json.load(file)
        self.name = self.about["name"]
        self.metric = self.about["metric"]
        self.base_path = os.path.join(folder, "base.npy")
        self.query_path = os.path.join(folder, "query.npy")
        self.queries = np.load(self.query_path)
        self.count, self.dim = self.about["count"], self.about["dim"]
        truth = np.load(os.path.join(folder, "truth.npz"))
        # One number per (query, row that counts), sorted: a hit is a binary search.
        self.good = {k: truth[f"good{k}"] for k in KS if f"good{k}" in truth}

    def base(self):
        return np.load(self.base_path, mmap_mode="r")

    def recall(self, ids, which, k):
        """Share of the k true neighbours that the rows of `ids` hold, for queries `which`. A row given twice
        counts once; more than k cannot count."""
        hits = 0
        good = self.good[k]
        for query, found in zip(which, ids):
            keys = np.unique(np.asarray(found[:k], dtype=np.int64)) + int(query) * self.count
            keys = keys[(keys >= int(query) * self.count) & (keys < (int(query) + 1) * self.count)]
            at = np.searchsorted(good, keys)
            hits += int((good[np.minimum(at, len(good) - 1)] == keys).sum())
        return hits / (k * len(which))


def halves(query_count):
    """(queries to tune on, queries to report on): every second one."""
    every = np.arange(query_count)
    return every[0::2], every[1::2]


def _normalise(rows):
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(norms, np.finfo(np.float32).tiny)


def _read_fvecs(path):
    raw = np.fromfile(path, np.int32)
    dim = int(raw[0])
    if dim <= 0 or raw.size % (dim + 1):
        raise SystemExit(f"{path}: starts with dimension {dim}, which does not divide its {raw.size * 4} bytes")
    return raw.reshape(-1, dim + 1)[:, 1:].view(np.float32)


def _split(rows):
    if len(rows) < 2 * QUERIES:
        raise SystemExit(f"{len(rows)} rows are too few to hold {QUERIES} of them out as queries")
    is_query = np.zeros(len(rows), bool)
    is_query[np.random.default_rng(1).choice(len(rows), QUERIES, replace=False)] = True
    return rows[~is_query], rows[is_query]


def _read(source):
    """(name, metric or None, rows, queries, similarities of the truth or None, a word on what it is)"""
    if os.path.isdir(source):
        name = os.path.basename(os.path.normpath(source))
        for base in ("base.f16.npy", "base.npy"):
            if os.path.exists(os.path.join(source, base)):
                rows = np.load(os.path.join(source, base), mmap_mode="r")
                queries = np.load(os.path.join(source, "query.npy"))
                truth = os.path.join(source, "gtsim.npy")
                return name, None, rows, queries, np.load(truth) if os.path.exists(truth) else None, "as given"
        raise SystemExit(f"{source}: neither base.f16.npy nor base.npy is in it")
    if not os.path.exists(source):
        raise Absent(f"{source} is not on this machine")
    name, ending = os.path.splitext(os.path.basename(source))
    if ending in (".hdf5", ".h5"):
        import h5py
        with h5py.File(source) as file:
            distance = file.attrs.get("distance", "angular")
            metric = {"angular": "cosine", "cosine": "cosine", "euclidean": "l2"}.get(
                distance.decode() if isinstance(distance, bytes) else distance)
            if metric is None:
                raise SystemExit(f"{source}: distance {distance!r} is not known here")
            return name, metric, file["train"][:], file["test"][:], None, "as given"
    rows = _read_fvecs(source) if ending == ".fvecs" else np.load(source, mmap_mode="r")
    base, queries = _split(rows)
    return name, None, base, queries, None, f"{QUERIES} of its rows held out as queries, seed 1"


def exact(base, queries, metric, k_max, progress=None):
    """Similarities of the k_max nearest rows of each query, best first (l2: minus the squared distance), and
    the rows. Blocks of rows are compared with all queries at once."""
    best = np.full((len(queries), 0), 0, np.float32)
    ids = np.zeros((len(queries), 0), np.int64)
    for start in range(0, len(base), BLOCK):
        block = np.ascontiguousarray(base[start:start + BLOCK], dtype=np.float32)
        scores = similarities(block, queries, metric)
        take = min(k_max, scores.shape[1])
        part = np.argpartition(-scores, take - 1, axis=1)[:, :take]
        best = np.concatenate([best, np.take_along_axis(scores, part, 1)], axis=1)
        ids = np.concatenate([ids, part + start], axis=1)
        if best.shape[1] > k_max:
            keep = np.argpartition(-best, k_max - 1, axis=1)[:, :k_max]
            best, ids = np.take_along_axis(best, keep, 1), np.take_along_axis(ids, keep, 1)
        if progress:
            progress(min(start + BLOCK, len(base)))
    order = np.lexsort((ids, -best), axis=1)
    return np.take_along_axis(best, order, 1), np.take_along_axis(ids, order, 1)


def similarities(block, queries, metric):
    """queries x rows; larger is nearer."""
    scores = queries @ block.T
    if metric == "l2":
        scores *= 2
        scores -= np.einsum("ij,ij->i", block, block)[None, :]
        scores -= np.einsum("ij,ij->i", queries, queries)[:, None]
    return scores


def _good(base, queries, metric, best):
    """{k: sorted keys query * n + row of the rows that count}"""
    found = {k: [] for k in KS if best.shape[1] >= k}
    # Of squared distances the allowance is relative: they have no unit.
    slack = {k: TIE if metric == "cosine" else TIE * np.maximum(1e-12, -best[:, k - 1]) for k in found}
    for start in range(0, len(base), BLOCK):
        block = np.ascontiguousarray(base[start:start + BLOCK], dtype=np.float32)
        scores = similarities(block, queries, metric)
        for k in found:
            query, row = np.nonzero(scores >= (best[:, k - 1] - slack[k])[:, None])
            found[k].append(query.astype(np.int64) * len(base) + row + start)
    return {k: np.sort(np.concatenate(parts)) for k, parts in found.items()}


def write(folder, name, metric, base, queries, given=None, about="", source="", say=print):
    """Prepare a data set in `folder`. `base` may be a map of a file; rows are converted block by block, unless it
    is the folder's own base.npy already."""
    start = time.monotonic()
    os.makedirs(folder, exist_ok=True)
    target = os.path.join(folder, "base.npy")
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    if metric == "cosine":
        queries = _normalise(queries)
    if getattr(base, "filename", None) is None or os.path.realpath(base.filename) != os.path.realpath(target):
        out = np.lib.format.open_memmap(target + ".part", "w+", np.float32, base.shape)
        for at in range(0, len(base), BLOCK):
            rows = np.asarray(base[at:at + BLOCK], dtype=np.float32)
            if not np.isfinite(rows).all():
                raise SystemExit(f"{source}: a component of rows {at} .. {at + len(rows) - 1} is not finite")
            out[at:at + BLOCK] = _normalise(rows) if metric == "cosine" else rows
        out.flush()
        del out
        os.replace(target + ".part", target)
    base = np.load(target, mmap_mode="r")
    np.save(os.path.join(folder, "query.npy"), queries)
    say(f"  {name}: {len(base):,} x {base.shape[1]}, {len(queries):,} queries; computing the exact answer")
    best, _ = exact(base, queries, metric, min(max(KS), len(base)))
    if given is not None:
        off = float(np.abs(best[:, :given.shape[1]] - given[:, :best.shape[1]]).max())
        if off > TIE:
            raise SystemExit(f"{name}: the similarities that came with it differ by up to {off:.2e} from those "
                             "computed here")
        say(f"  {name}: agrees with the truth that came with it, to {off:.1e}")
    good = _good(base, queries, metric, best)
    np.savez(os.path.join(folder, "truth.npz"), best=best, **{f"good{k}": keys for k, keys in good.items()})
    with open(os.path.join(folder, "about.json"), "w", encoding="utf-8") as file:
        json.dump({"name": name, "metric": metric, "count": len(base), "dim": int(base.shape[1]),
                   "queries": len(queries), "source": source, "about": about,
                   "ties": {k: len(keys) / (k * len(queries)) for k, keys in good.items()}}, file, indent=1)
    say(f"  {name}: prepared in {time.monotonic() - start:.1f} s")
    return DataSet(folder)


def open_set(source, limit=None, metric=None, say=print):
    """The data set of a --data argument, prepared now if it was not before. Raises Absent."""
    if source.startswith("like:"):
        from . import generate
        return generate.open_set(source, say)
    path = source
    if not os.path.exists(path):
        for folder in (places.SHARED, places.DATA):
            if os.path.exists(os.path.join(folder, source)):
                path = os.path.join(folder, source)
    if os.path.exists(os.path.join(path, "about.json")):  # prepared by us
        if not limit:
            return DataSet(path)
        whole = DataSet(path)
        name, found, rows, queries, truth, about = (whole.name, whole.metric, whole.base(), whole.queries, None,
                                                    whole.about["about"])
    elif os.sep not in source and not os.path.exists(path):
        raise Absent(f"{source} is not on this machine" + (": python -m bench gloss makes it"
                                                           if source.startswith("gloss") else ""))
    else:
        name, found, rows, queries, truth, about = _read(path)
    metric = found or metric or "cosine"
    if limit and limit < len(rows):
        name, rows, truth, about = f"{name}-first-{limit}", rows[:limit], None, f"{about}; its first {limit} rows"
    folder = os.path.join(places.DATA, name)
    if os.path.exists(os.path.join(folder, "about.json")):
        return DataSet(folder)
    return write(folder, name, metric, rows, queries, truth, about, source if os.path.exists(source) else path, say)
