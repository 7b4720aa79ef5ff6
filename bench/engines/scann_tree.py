"""ScaNN: a partition tree, 4-bit anisotropic codes of two dimensions each, re-ranked on floats."""
import importlib.metadata

import numpy as np
from scann.scann_ops.py import scann_ops_pybind

from . import base

QUANTUM = 0.2  # anisotropic threshold of its authors' examples


class Engine(base.Engine):
    version = importlib.metadata.version("scann")

    def __init__(self, **given):
        super().__init__(**given)
        self.leaves = max(8, int(np.sqrt(self.count) * 2))  # its guide: about sqrt(n), here the better of 1x and 2x
        self.knob = base.Knob("leaves_to_search", 1, self.leaves, from_k=False)
        self.arms = [{"reorder": factor} for factor in (2, 4, 8, 16)]  # multiples of k

    def parameters(self):
        return {"num_leaves": self.leaves, "dimensions_per_block": 2, "anisotropic_quantization_threshold": QUANTUM}

    def build(self, rows, threads):
        distance = {"cosine": "dot_product", "l2": "squared_l2"}[self.metric]
        builder = scann_ops_pybind.builder(rows, 10, distance).set_n_training_threads(threads)
        builder = builder.tree(num_leaves=self.leaves, num_leaves_to_search=self.leaves // 10 or 1,
                               training_sample_size=min(self.count, 250000))
        if self.metric == "cosine":
            builder = builder.score_ah(2, anisotropic_quantization_threshold=QUANTUM)
        else:
            builder = builder.score_ah(2)
        self.index = builder.reorder(100).build()

    def save(self):
        self.index.serialize(self.folder, relative_path=True)

    def open(self, threads):
        self.index = scann_ops_pybind.load_searcher(self.folder)
        self.index.set_num_threads(threads)

    def prepare(self, k, value, arm):
        self.given = (k, k * arm["reorder"], value)
        search, given = self.index.search, self.given
        return lambda query: search(query, *given)

    def ids(self, answer):
        return answer[0]

    def batch(self, queries, threads):
        if threads == 1:
            return self.index.search_batched(queries, *self.given)[0]
        part = max(1, len(queries) // (4 * threads))
        return self.index.search_batched_parallel(queries, *self.given, batch_size=part)[0]
