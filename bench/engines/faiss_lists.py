"""faiss: inverted lists of short codes, scanned 32 at a time ("fast scan"), re-ranked on floats. Product codes of
4 bits for every two dimensions, or RaBitQ codes of 1 bit a dimension."""
import faiss
import numpy as np

from . import base


class Engine(base.Engine):
    version = faiss.__version__

    def __init__(self, kind, **given):
        super().__init__(**given)
        self.kind = kind
        # Near 4 * sqrt(n), a power of two: what its authors' guide recommends.
        self.lists = 2 ** round(np.log2(4 * np.sqrt(self.count)))
        while self.lists * 39 > self.count and self.lists > 16:  # its k-means wants 39 rows a list
            self.lists //= 2
        self.knob = base.Knob("nprobe", 1, self.lists, from_k=False)
        self.arms = [{"k_factor": factor} for factor in (2, 4, 8, 16)]

    def _factory(self):
        if self.kind == "pqfs":
            return f"IVF{self.lists},PQ{self.dim // 2}x4fs,RFlat"
        return f"RR{self.dim},IVF{self.lists},RaBitQfs,RFlat"

    def parameters(self):
        return {"factory": self._factory()}

    def build(self, rows, threads):
        faiss.omp_set_num_threads(threads)
        metric = faiss.METRIC_L2 if self.metric == "l2" else faiss.METRIC_INNER_PRODUCT
        self.index = faiss.index_factory(self.dim, self._factory(), metric)
        self.index.train(rows)
        self.index.add(rows)

    def save(self):
        faiss.write_index(self.index, self.path())

    def open(self, threads):
        self.index = faiss.read_index(self.path())

    def prepare(self, k, value, arm):
        faiss.omp_set_num_threads(1)
        self.k = k
        self.inner = faiss.SearchParametersIVF(nprobe=value)
        inner = self.inner
        if isinstance(faiss.downcast_index(self.index.base_index), faiss.IndexPreTransform):
            self.outer = inner = faiss.SearchParametersPreTransform(index_params=self.inner)
        self.given = faiss.IndexRefineSearchParameters(k_factor=arm["k_factor"], base_index_params=inner)
        search, given = self.index.search, self.given
        return lambda query: search(query.reshape(1, -1), k, params=given)

    def ids(self, answer):
        return answer[1][0]

    def batch(self, queries, threads):
        faiss.omp_set_num_threads(threads)
        try:
            return self.index.search(np.ascontiguousarray(queries), self.k, params=self.given)[1]
        finally:
            faiss.omp_set_num_threads(1)
