"""Octant by its native numpy interface."""
import hashlib
import os

import numpy as np

import octant

from . import EF_CONSTRUCT, M, base


class Engine(base.Engine):
    knob = base.Knob("ef", 4, 4096)

    def __init__(self, on_disk=False, **given):
        super().__init__(**given)
        self.on_disk = on_disk
        self.version = octant.__version__
        library = os.environ.get("OCTANT_LIB")
        if library and os.path.exists(library):  # so that an index of another build is not taken for this one's
            with open(library, "rb") as file:
                self.version += "+" + hashlib.sha256(file.read()).hexdigest()[:12]

    def parameters(self):
        shown = {"m": M, "ef_construct": EF_CONSTRUCT}
        return {**shown, "on_disk": True} if self.on_disk else shown

    def _distance(self):
        return {"cosine": "Cosine", "l2": "Euclid"}[self.metric]

    def begin(self, count, threads):
        # The way of a user who loads data: durable, in one call. What it costs to be on the disk is in the time.
        self.database = octant.open(self.path("data"), threads=threads)
        self.collection = self.database.create(
            "bench", self.dim, self._distance(), m=M, ef_construct=EF_CONSTRUCT,
            # Thresholds in kilobytes: small sets are to be walked too, or it would not be the graph that is measured.
            full_scan_threshold=10, indexing_threshold=1, max_indexing_threads=threads, on_disk=self.on_disk or None)

    def add(self, rows, first, threads):
        self.collection.upsert(np.arange(first, first + len(rows), dtype=np.uint64), rows)
        self.collection.wait_indexed()

    def build(self, rows, threads):
        self.begin(len(rows), threads)
        self.add(rows, 0, threads)

    def save(self):
        self.database.close()

    def open(self, threads):
        self.threads = threads
        self.database = octant.open(self.path("data"), threads=threads)
        self.collection = self.database["bench"]

    def prepare(self, k, value, arm):
        search = self.collection.search
        self.k, self.ef = k, value
        return lambda query: search(query, k, value)

    def ids(self, answer):
        return answer[0]

    def batch(self, queries, threads):
        return self.collection.search(queries, self.k, self.ef, threads=threads)[0]

    def parts(self):
        info = self.collection.info()
        return {"ram_bytes": info.ram_bytes, "disk_bytes": info.disk_bytes, "tail_rows": info.tail_vectors_count}
