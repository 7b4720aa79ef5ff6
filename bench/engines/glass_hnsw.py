"""Glass: HNSW built on floats, walked on 8- or 4-bit codes, re-ranked on floats, prefetch distances tuned on opening.
The package is a portable build of it (AVX2, no VNNI), the only one that installs here."""
import importlib.metadata

import glass
import numpy as np

from . import EF_CONSTRUCT, M, base


class Engine(base.Engine):
    version = importlib.metadata.version("pyglass-portable")
    needs_rows = True
    note = "a portable build, AVX2 only"

    def __init__(self, codes, **given):
        super().__init__(**given)
        self.codes = codes

    def _metric(self):
        return {"cosine": "IP", "l2": "L2"}[self.metric]

    def parameters(self):
        return {"R": 2 * M, "L": EF_CONSTRUCT, "quantizer": self.codes, "refine": "FP32"}

    def build(self, rows, threads):
        glass.set_num_threads(threads)
        self.graph = glass.Index("HNSW", self._metric(), "FP32", R=2 * M, L=EF_CONSTRUCT).build(rows)

    def save(self):
        self.graph.save(self.path())

    def open(self, threads):
        glass.set_num_threads(1)
        self.searcher = glass.Searcher(glass.Graph(self.path()), self.rows(), self._metric(), self.codes, "FP32")

    def warm(self):
        self.searcher.set_ef(64)
        self.searcher.optimize(1)

    def prepare(self, k, value, arm):
        self.searcher.set_ef(value)
        self.k = k
        search = self.searcher.search
        return lambda query: search(query, k)

    def ids(self, answer):
        return answer[0]

    def batch(self, queries, threads):
        return np.asarray(self.searcher.batch_search(queries, self.k, threads)[0])
