"""NGT: its ONNG graph over floats, and its quantized graph (QG), made by the command line tool that the package
carries, if it does."""
import importlib.metadata
import shutil
import subprocess

import ngtpy
import numpy as np

from . import base


class Engine(base.Engine):
    version = importlib.metadata.version("ngt")
    knob = base.Knob("epsilon", 0.001, 1.2, is_int=False, from_k=False)

    def __init__(self, kind, **given):
        super().__init__(**given)
        self.kind = kind
        if kind == "qg":
            if shutil.which("qbg") is None:
                raise base.Unsupported("the quantized graph is made by the program qbg, which its Python package "
                                       "does not carry")
            self.arms = [{"result_expansion": factor} for factor in (3.0, 10.0)]
        else:
            self.arms = [{"edge_size": size} for size in (40, 100)]

    def parameters(self):
        shown = {"edge_size_for_creation": 100, "graph": "ONNG: 10 outgoing, 120 incoming edges"}
        return {**shown, "quantized": "qbg"} if self.kind == "qg" else shown

    def build(self, rows, threads):
        # Its guide: an ANNG of 100 edges, then edges adjusted to few outgoing and many incoming ones.
        graph = self.path("anng")
        distance = {"cosine": "Normalized Cosine", "l2": "L2"}[self.metric]
        ngtpy.create(graph, self.dim, edge_size_for_creation=100, edge_size_for_search=40, distance_type=distance)
        index = ngtpy.Index(graph)
        index.batch_insert(rows, num_threads=threads)
        index.save()
        index.close()
        optimizer = ngtpy.Optimizer(num_of_outgoings=10, num_of_incomings=120, log_disabled=True)
        # Its table of accuracies serves searches by expected accuracy only, and takes minutes.
        optimizer.set_processing_modes(search_parameter_optimization=False, accuracy_table_generation=False)
        optimizer.execute(graph, self.path("onng"))
        shutil.rmtree(graph)
        if self.kind == "qg":
            subprocess.run(["qbg", "create-qg", self.path("onng")], check=True)
            subprocess.run(["qbg", "build-qg", self.path("onng")], check=True)

    def save(self):
        pass  # it is on the disk already

    def open(self, threads):
        if self.kind == "qg":
            self.index = ngtpy.QuantizedIndex(self.path("onng"))
        else:
            self.index = ngtpy.Index(self.path("onng"), read_only=True, log_disabled=True)

    def prepare(self, k, value, arm):
        self.k = k
        search = self.index.search
        if self.kind == "qg":
            expansion = arm["result_expansion"]
            self._one = lambda query: search(query, k, value, expansion)
        else:
            edges = arm["edge_size"]
            self._one = lambda query: search(query, k, value, edges, with_distance=False)
        return self._one

    def ids(self, answer):
        return np.array([one[0] if isinstance(one, tuple) else one for one in answer], dtype=np.int64)
