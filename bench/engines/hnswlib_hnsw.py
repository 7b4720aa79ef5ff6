"""hnswlib: the published HNSW by its authors, over floats. The yardstick."""
import importlib.metadata

import hnswlib
import numpy as np

from . import EF_CONSTRUCT, M, base


class Engine(base.Engine):
    version = importlib.metadata.version("hnswlib")

    def _index(self):
        # On unit vectors the inner product orders as the cosine does and costs less.
        return hnswlib.Index(space={"cosine": "ip", "l2": "l2"}[self.metric], dim=self.dim)

    def parameters(self):
        return {"M": M, "ef_construction": EF_CONSTRUCT}

    def begin(self, count, threads):
        self.index = self._index()
        self.index.init_index(max_elements=count, M=M, ef_construction=EF_CONSTRUCT, random_seed=1)

    def add(self, rows, first, threads):
        self.index.add_items(rows, np.arange(first, first + len(rows)), num_threads=threads)

    def build(self, rows, threads):
        self.begin(len(rows), threads)
        self.add(rows, 0, threads)

    def save(self):
        self.index.save_index(self.path())

    def open(self, threads):
        self.index = self._index()
        self.index.load_index(self.path())

    def prepare(self, k, value, arm):
        self.index.set_ef(value)
        self.k = k
        search = self.index.knn_query
        return lambda query: search(query, k, num_threads=1)

    def ids(self, answer):
        return answer[0][0]

    def batch(self, queries, threads):
        return self.index.knn_query(queries, self.k, num_threads=threads)[0]
