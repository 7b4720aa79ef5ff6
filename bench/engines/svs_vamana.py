"""Scalable Vector Search: a Vamana graph over floats of 32 or 16 bits; LVQ and LeanVec codes on Intel CPUs alone."""
import importlib.metadata
import os
import re

import numpy as np
import svs

from . import EF_CONSTRUCT, M, base


def _vendor():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        return next((line.split(":")[1].strip() for line in file if line.startswith("vendor_id")), "")


class Engine(base.Engine):
    version = importlib.metadata.version("scalable-vs")
    knob = base.Knob("search_window_size", 4, 4096)

    def __init__(self, kind, **given):
        super().__init__(**given)
        if kind not in ("f32", "f16") and _vendor() != "GenuineIntel":
            # The package ends the process: "LVQ and Leanvec functionality of SVS is not supported on non-Intel
            # hardware".
            raise base.Unsupported(f"its {kind} codes run on Intel CPUs alone; this one is {_vendor() or 'another'}")
        self.kind = kind
        self.distance = {"cosine": svs.DistanceType.MIP, "l2": svs.DistanceType.L2}[self.metric]
        self.alpha = 0.95 if self.metric == "cosine" else 1.2  # its default for each

    def parameters(self):
        return {"graph_max_degree": 2 * M, "window_size": EF_CONSTRUCT, "alpha": self.alpha, "data": self.kind}

    def _codes(self, rows):
        if self.kind == "f32":
            return rows
        if self.kind == "f16":
            return rows.astype(np.float16)
        vecs = self.path("rows.fvecs")
        svs.write_vecs(rows, vecs)
        loader = svs.VectorDataLoader(vecs, svs.DataType.float32, dims=self.dim)
        if self.kind == "lvq4x8":
            return svs.LVQLoader(loader, primary=4, residual=8, strategy=svs.LVQStrategy.Turbo)
        return svs.LeanVecLoader(loader, leanvec_dims=self.dim // 4, primary_kind=svs.LeanVecKind.lvq4,
                                 secondary_kind=svs.LeanVecKind.lvq8)

    def build(self, rows, threads):
        wanted = svs.VamanaBuildParameters(alpha=self.alpha, graph_max_degree=2 * M, window_size=EF_CONSTRUCT)
        self.index = svs.Vamana.build(wanted, self._codes(rows), self.distance, num_threads=threads)

    def save(self):
        self.index.save(self.path("config"), self.path("graph"), self.path("data"))
        if os.path.exists(self.path("rows.fvecs")):
            os.remove(self.path("rows.fvecs"))
        # Release 0.5.0 writes 0.95 as ".0", which it cannot read back. Only the build uses the value.
        config = self.path("config/svs_config.toml")
        with open(config, encoding="utf-8") as file:
            text = file.read()
        with open(config, "w", encoding="utf-8") as file:
            file.write(re.sub(r"^(\s*alpha = ).*$", rf"\g<1>{self.alpha}", text, flags=re.MULTILINE))

    def open(self, threads):
        data = self.path("data")
        if self.kind == "lvq4x8":
            loader = svs.LVQLoader(data, strategy=svs.LVQStrategy.Turbo)
        elif self.kind == "leanvec":
            loader = svs.LeanVecLoader(data)
        else:
            loader = svs.VectorDataLoader(data, svs.DataType.float16 if self.kind == "f16" else svs.DataType.float32)
        self.index = svs.Vamana(self.path("config"), svs.GraphLoader(self.path("graph")), loader, self.distance,
                                num_threads=1)
        self.set_threads = 1

    def _threads(self, threads):
        if self.set_threads != threads:
            self.index.num_threads = threads
            self.set_threads = threads

    def prepare(self, k, value, arm):
        self._threads(1)
        self.index.search_window_size = value
        self.k = k
        search = self.index.search
        return lambda query: search(query, k)

    def ids(self, answer):
        return answer[0][0]

    def batch(self, queries, threads):
        self._threads(threads)
        try:
            return self.index.search(queries, self.k)[0]
        finally:
            self._threads(1)
