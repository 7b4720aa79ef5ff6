"""qdrant-edge: Qdrant's shard in process. Its graph over floats, int8 codes or 4-bit "turbo" codes, re-scored."""
import importlib.metadata

import numpy as np
import qdrant_edge as edge

from . import EF_CONSTRUCT, M, base

BATCH = 500


class Engine(base.Engine):
    version = importlib.metadata.version("qdrant-edge-py")
    knob = base.Knob("hnsw_ef", 4, 4096)

    def __init__(self, quantization, **given):
        super().__init__(**given)
        self.quantization = quantization
        if quantization:
            self.arms = [{"oversampling": factor} for factor in (1.0, 2.0, 4.0)]

    def parameters(self):
        shown = {"m": M, "ef_construct": EF_CONSTRUCT, "segments": 1}
        return {**shown, "quantization": self.quantization} if self.quantization else shown

    def _config(self, threads, search_threads):
        codes = None
        if self.quantization == "int8":
            codes = edge.ScalarQuantizationConfig(edge.ScalarType.Int8, always_ram=True)
        elif self.quantization == "turbo4":
            codes = edge.TurboQuantQuantizationConfig(always_ram=True, bits=edge.TurboQuantBitSize.Bits4)
        distance = {"cosine": edge.Distance.Cosine, "l2": edge.Distance.Euclid}[self.metric]
        # One segment, its best for searching; max_segment_size in kilobytes is beyond any set here.
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(size=self.dim, distance=distance),
            hnsw_config=edge.HnswIndexConfig(m=M, ef_construct=EF_CONSTRUCT, full_scan_threshold=10,
                                             max_indexing_threads=threads),
            quantization_config=codes, max_search_threads=search_threads,
            optimizers=edge.EdgeOptimizersConfig(default_segment_number=1, max_segment_size=10**9,
                                                 indexing_threshold=1000))

    def build(self, rows, threads):
        import os
        os.makedirs(self.path("shard"), exist_ok=True)
        shard = edge.EdgeShard.create(self.path("shard"), self._config(threads, threads))
        for start in range(0, len(rows), BATCH):
            points = [edge.Point(start + i, row.tolist(), {}) for i, row in enumerate(rows[start:start + BATCH])]
            shard.update(edge.UpdateOperation.upsert_points(points))
        while shard.optimize():
            pass
        self.shard = shard

    def save(self):
        self.shard.flush()
        self.shard.close()

    def open(self, threads):
        self.shard = edge.EdgeShard.load(self.path("shard"), self._config(threads, 1))
        self.threads = 1

    def _request(self, query):
        return edge.QueryRequest(limit=self.k, query=edge.Query.Nearest(query.tolist()), params=self.given)

    def prepare(self, k, value, arm):
        self.k = k
        codes = edge.QuantizationSearchParams(rescore=True, oversampling=arm["oversampling"]) if arm else None
        self.given = edge.SearchParams(hnsw_ef=value, quantization=codes)
        search, request = self.shard.query, self._request
        return lambda query: search(request(query))

    def ids(self, answer):
        return np.array([point.id for point in answer], dtype=np.int64)

    def batch(self, queries, threads):
        if threads != self.threads:  # the number of its search threads is fixed when it is opened
            self.shard.close()
            self.shard = edge.EdgeShard.load(self.path("shard"), self._config(threads, threads))
            self.threads = threads
        answers = self.shard.query_batch(edge.QueryBatchRequest([self._request(query) for query in queries]))
        return [self.ids(answer) for answer in answers]

    def parts(self):
        info = self.shard.info()
        return {"segments": info.segments_count, "indexed": info.indexed_vectors_count}
