"""VSAG's HGraph: over floats, or over short codes and re-ranked on floats."""
import json

import numpy as np
import pyvsag

from . import EF_CONSTRUCT, M, base


class Engine(base.Engine):
    version = pyvsag.__version__
    knob = base.Knob("ef_search", 4, 4096)
    note = "no batch call: a loop in Python threads"

    def __init__(self, codes, max_degree=2 * M, ef_construct=EF_CONSTRUCT, **given):
        super().__init__(**given)
        # Of "sq4" its uniform kind found nothing when tried (0.18.5: recall 0.01 after re-ranking).
        self.wanted = {"base_quantization_type": codes, "max_degree": max_degree, "ef_construction": ef_construct}
        if codes != "fp32":
            self.wanted.update(use_reorder=True, precise_quantization_type="fp32")

    def parameters(self):
        return dict(self.wanted)

    def _index(self, threads):
        return pyvsag.Index("hgraph", json.dumps({
            "dtype": "float32", "metric_type": {"cosine": "ip", "l2": "l2"}[self.metric], "dim": self.dim,
            "index_param": {**self.wanted, "build_thread_count": threads, "hgraph_init_capacity": self.count}}))

    def build(self, rows, threads):
        self.index = self._index(threads)
        flat, ids = np.ascontiguousarray(rows).reshape(-1), np.arange(len(rows), dtype=np.int64)
        self.index.build(flat, ids, len(rows), self.dim)

    def save(self):
        self.index.save(self.path())

    def open(self, threads):
        self.index = self._index(threads)
        self.index.load(self.path())

    def prepare(self, k, value, arm):
        given = json.dumps({"hgraph": {"ef_search": value}})
        search = self.index.knn_search
        self._one = lambda query: search(query, k, given)
        return self._one

    def ids(self, answer):
        return answer[0]
