"""faiss: HNSW over floats; over 8-bit codes, re-ranked on floats; over 4-bit RaBitQ codes, re-ranked likewise."""
import faiss
import numpy as np

from . import EF_CONSTRUCT, M, base


class Engine(base.Engine):
    version = faiss.__version__

    def __init__(self, kind, **given):
        super().__init__(**given)
        self.kind = kind
        if kind != "flat":
            # Candidates re-ranked, as a multiple of k.
            self.arms = [{"k_factor": factor} for factor in ((1, 2, 4) if kind == "sq8" else (1, 2, 4, 8))]

    def _factory(self):
        return {"flat": f"HNSW{M},Flat", "sq8": f"HNSW{M},SQ8,RFlat",
                # Its walk is over L2, which on unit vectors orders as the cosine does; rotated, as RaBitQ needs it.
                "rabitq4": f"RR{self.dim},HNSW{M},RaBitQ4,RFlat"}[self.kind]

    def parameters(self):
        return {"factory": self._factory(), "efConstruction": EF_CONSTRUCT}

    def build(self, rows, threads):
        faiss.omp_set_num_threads(threads)
        is_l2 = self.metric == "l2" or self.kind == "rabitq4"
        metric = faiss.METRIC_L2 if is_l2 else faiss.METRIC_INNER_PRODUCT
        self.index = faiss.index_factory(self.dim, self._factory(), metric)
        self._graph().hnsw.efConstruction = EF_CONSTRUCT
        if self.kind == "flat":
            self.index.add(rows)
        else:
            self.index.train(rows)
            self.index.add(rows)

    def _graph(self):
        index = self.index
        if self.kind != "flat":
            index = faiss.downcast_index(index.base_index)
        if isinstance(index, faiss.IndexPreTransform):
            index = faiss.downcast_index(index.index)
        return faiss.downcast_index(index)

    def save(self):
        faiss.write_index(self.index, self.path())

    def open(self, threads):
        self.index = faiss.read_index(self.path())

    def prepare(self, k, value, arm):
        faiss.omp_set_num_threads(1)
        self.k = k
        if self.kind == "flat":
            self.given = faiss.SearchParametersHNSW(efSearch=value)
        else:
            # The re-ranking asks the graph for k * k_factor, and the graph keeps at least as many candidates.
            self.given = faiss.IndexRefineSearchParameters(
                k_factor=arm["k_factor"], base_index_params=self._base_parameters(value))
        search, given = self.index.search, self.given
        return lambda query: search(query.reshape(1, -1), k, params=given)

    def _base_parameters(self, value):
        self.inner = faiss.SearchParametersHNSW(efSearch=value)
        if isinstance(faiss.downcast_index(self.index.base_index), faiss.IndexPreTransform):
            self.outer = faiss.SearchParametersPreTransform(index_params=self.inner)
            return self.outer
        return self.inner

    def ids(self, answer):
        return answer[1][0]

    def batch(self, queries, threads):
        faiss.omp_set_num_threads(threads)
        try:
            return self.index.search(np.ascontiguousarray(queries), self.k, params=self.given)[1]
        finally:
            faiss.omp_set_num_threads(1)
