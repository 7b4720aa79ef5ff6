"""The engines: a name, the adapter that runs it, and its build parameters.

EQUAL    Effort is equal: graphs get m = 16 (32 links at the ground level, 16 above) and ef_construct = 200, or what
         their authors recommend where that serves them better; entries ending in "-own" are the latter.
         Each engine's own search parameter (`Engine.knob`, and `Engine.arms` where there is a second one) is
         swept for it by tune.py. Everything that was given stands in the results.
ADD      An engine: a file beside this one with a subclass of base.Engine, a line below, its package in
         tools/requirements-bench.txt.
"""
import fnmatch
import importlib
from typing import Any, Dict, List, NamedTuple

M = 16
EF_CONSTRUCT = 200


class Entry(NamedTuple):
    name: str
    module: str  # of this package
    package: str  # as its index names it
    imports: str  # as Python names it
    options: Dict[str, Any]


def _entry(name, module, package, imports, **options):
    return Entry(name, module, package, imports, options)


_VSAG_OWN = {"max_degree": 64, "ef_construct": 400}

ENTRIES: List[Entry] = [
    _entry("octant", "octant_native", "octant", "octant"),
    _entry("octant-disk", "octant_native", "octant", "octant", on_disk=True),
    _entry("hnswlib", "hnswlib_hnsw", "hnswlib", "hnswlib"),
    _entry("faiss-hnsw", "faiss_graph", "faiss-cpu", "faiss", kind="flat"),
    _entry("faiss-hnsw-sq8", "faiss_graph", "faiss-cpu", "faiss", kind="sq8"),
    _entry("faiss-hnsw-rabitq4", "faiss_graph", "faiss-cpu", "faiss", kind="rabitq4"),
    _entry("faiss-ivfpq-fs", "faiss_lists", "faiss-cpu", "faiss", kind="pqfs"),
    _entry("faiss-ivf-rabitq", "faiss_lists", "faiss-cpu", "faiss", kind="rabitqfs"),
    _entry("usearch-f32", "usearch_hnsw", "usearch", "usearch", dtype="f32"),
    _entry("usearch-bf16", "usearch_hnsw", "usearch", "usearch", dtype="bf16"),
    _entry("usearch-i8", "usearch_hnsw", "usearch", "usearch", dtype="i8"),
    _entry("svs-f32", "svs_vamana", "scalable-vs", "svs", kind="f32"),
    _entry("svs-f16", "svs_vamana", "scalable-vs", "svs", kind="f16"),
    _entry("svs-lvq4x8", "svs_vamana", "scalable-vs", "svs", kind="lvq4x8"),
    _entry("svs-leanvec", "svs_vamana", "scalable-vs", "svs", kind="leanvec"),
    _entry("vsag-fp32", "vsag_hgraph", "pyvsag", "pyvsag", codes="fp32"),
    _entry("vsag-sq8", "vsag_hgraph", "pyvsag", "pyvsag", codes="sq8_uniform"),
    _entry("vsag-sq4", "vsag_hgraph", "pyvsag", "pyvsag", codes="sq4"),
    _entry("vsag-rabitq", "vsag_hgraph", "pyvsag", "pyvsag", codes="rabitq"),
    _entry("vsag-sq8-own", "vsag_hgraph", "pyvsag", "pyvsag", codes="sq8_uniform", **_VSAG_OWN),
    _entry("scann", "scann_tree", "scann", "scann"),
    _entry("ngt-onng", "ngt_graph", "ngt", "ngtpy", kind="onng"),
    _entry("ngt-qg", "ngt_graph", "ngt", "ngtpy", kind="qg"),
    _entry("qdrant-edge", "qdrant_edge_shard", "qdrant-edge-py", "qdrant_edge", quantization=None),
    _entry("qdrant-edge-int8", "qdrant_edge_shard", "qdrant-edge-py", "qdrant_edge", quantization="int8"),
    _entry("qdrant-edge-turbo4", "qdrant_edge_shard", "qdrant-edge-py", "qdrant_edge", quantization="turbo4"),
    _entry("symqg", "rabitqlib_graph", "rabitqlib", "rabitqlib", kind="symqg"),
    _entry("symqg-own", "rabitqlib_graph", "rabitqlib", "rabitqlib", kind="symqg", max_degree=64, ef_construct=400),
    _entry("rabitqlib-hnsw5", "rabitqlib_graph", "rabitqlib", "rabitqlib", kind="hnsw"),
    _entry("glass-sq8", "glass_hnsw", "pyglass-portable", "glass", codes="SQ8U"),
    _entry("glass-sq4", "glass_hnsw", "pyglass-portable", "glass", codes="SQ4U"),
]

# The first two are always in; then the peers that were fastest at 0.95 and 0.99 on the sets measured so far.
QUICK = ["octant", "hnswlib", "symqg", "glass-sq4", "svs-f16"]

BY_NAME = {entry.name: entry for entry in ENTRIES}


def choose(words):
    """Entries named by "all", "quick", names, beginnings of names ("faiss"), or patterns ("vsag-*")."""
    chosen = []
    for word in words:
        if word == "all":
            found = ENTRIES
        elif word == "quick":
            found = [BY_NAME[name] for name in QUICK]
        elif word in BY_NAME:
            found = [BY_NAME[word]]
        else:
            found = [entry for entry in ENTRIES if fnmatch.fnmatchcase(entry.name, word)]
            found = found or [entry for entry in ENTRIES if entry.name.startswith(word + "-")]
        if not found:
            raise SystemExit(f"there is no engine {word!r}; known are: {', '.join(BY_NAME)}, all, quick")
        chosen += [entry for entry in found if entry not in chosen]
    return chosen


def make(entry, folder, count, dim, metric):
    """The adapter. Imports the engine's package, which may fail."""
    module = importlib.import_module(f"{__name__}.{entry.module}")
    return module.Engine(folder=folder, count=count, dim=dim, metric=metric, **entry.options)
