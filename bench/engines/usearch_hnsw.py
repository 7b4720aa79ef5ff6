"""USearch: HNSW over vectors of 32, 16 or 8 bits a component, without re-ranking (it keeps no others)."""
import numpy as np
import usearch
from usearch.index import Index

from . import EF_CONSTRUCT, M, base


class Engine(base.Engine):
    version = usearch.__version__

    def __init__(self, dtype, **given):
        super().__init__(**given)
        self.dtype = dtype

    def _index(self):
        # Its 8-bit vectors are defined for the cosine only.
        metric = "l2sq" if self.metric == "l2" else "cos" if self.dtype == "i8" else "ip"
        return Index(ndim=self.dim, metric=metric, dtype=self.dtype, connectivity=M, expansion_add=EF_CONSTRUCT)

    def parameters(self):
        return {"connectivity": M, "expansion_add": EF_CONSTRUCT, "dtype": self.dtype}

    def build(self, rows, threads):
        self.index = self._index()
        self.index.add(np.arange(len(rows), dtype=np.uint64), rows, threads=threads)

    def save(self):
        self.index.save(self.path())

    def open(self, threads):
        self.index = self._index()
        self.index.load(self.path())

    def prepare(self, k, value, arm):
        self.index.expansion_search = value
        self.k = k
        search = self.index.search
        return lambda query: search(query, k, threads=1)

    def ids(self, answer):
        return answer.keys

    def batch(self, queries, threads):
        return self.index.search(queries, self.k, threads=threads).keys
