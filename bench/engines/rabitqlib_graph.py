"""RaBitQ-Library: SymphonyQG (codes of the neighbours beside each row's links), and HNSW over 5-bit RaBitQ codes."""
import importlib.metadata

import numpy as np
import rabitqlib

from . import EF_CONSTRUCT, M, base

CLUSTERS = 16
BITS = 5


class Engine(base.Engine):
    version = importlib.metadata.version("rabitqlib")

    def __init__(self, kind, max_degree=2 * M, ef_construct=EF_CONSTRUCT, **given):
        super().__init__(**given)
        self.kind, self.max_degree, self.ef_construct = kind, max_degree, ef_construct
        if kind == "hnsw":
            self.note = "answers by its codes alone, without re-ranking"

    def _metric(self):
        return {"cosine": "ip", "l2": "l2"}[self.metric]

    def parameters(self):
        if self.kind == "symqg":
            return {"max_degree": self.max_degree, "ef_construction": self.ef_construct, "vectors": "f32"}
        return {"M": M, "ef_construction": EF_CONSTRUCT, "nbits": BITS, "clusters": CLUSTERS}

    def build(self, rows, threads):
        if self.kind == "symqg":
            self.index = rabitqlib.SymqgIndex(self.dim, self.max_degree, metric=self._metric())
            self.index.build(rows, self.ef_construct, num_threads=threads)
            return
        self.index = rabitqlib.HnswIndex(self.dim, len(rows), M=M, ef_construction=EF_CONSTRUCT, nbits=BITS,
                                         metric=self._metric())
        centroids, clusters = _clusters(rows, CLUSTERS)
        self.index.build(rows, centroids, clusters, num_threads=threads)

    def save(self):
        self.index.save(self.path())

    def open(self, threads):
        kind = rabitqlib.SymqgIndex if self.kind == "symqg" else rabitqlib.HnswIndex
        self.index = kind.load(self.path())

    def prepare(self, k, value, arm):
        self.k, self.ef = k, value
        search = self.index.search
        return lambda query: search(query.reshape(1, -1), k, value, 1)

    def ids(self, answer):
        return answer[0][0]

    def batch(self, queries, threads):
        return self.index.search(queries, self.k, self.ef, threads)[0]


def _clusters(rows, count, rounds=8):
    """Lloyd's k-means on a sample, seed 1: the centroids its codes are relative to."""
    random = np.random.default_rng(1)
    sample = rows[random.choice(len(rows), min(len(rows), 20000), replace=False)]
    centroids = sample[:count].copy()
    for _ in range(rounds):
        nearest = np.argmin(((centroids ** 2).sum(1)[None, :] - 2 * sample @ centroids.T), axis=1)
        for i in range(count):
            if (nearest == i).any():
                centroids[i] = sample[nearest == i].mean(axis=0)
    whole = np.argmin(((centroids ** 2).sum(1)[None, :] - 2 * rows @ centroids.T), axis=1)
    return np.ascontiguousarray(centroids), whole.astype(np.uint32)
