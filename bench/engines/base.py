"""What an adapter is. It is as thin as its engine's Python interface allows: nothing but the engine's own call is
timed, and what that call returned is turned into row numbers afterwards."""
import concurrent.futures
import os
from typing import Any, Callable, Dict, List, NamedTuple

import numpy as np


class Unsupported(Exception):
    """The engine cannot do this on this machine or with this data; the text says why."""


class Knob(NamedTuple):
    """The search parameter that trades recall for speed. `low` may be lifted to k."""

    name: str
    low: float
    high: float
    is_int: bool = True
    from_k: bool = True  # values below k make no sense


class Engine:
    """One index. `build` then `save`, in one process; `open`, then searches, in another."""

    version = ""
    knob = Knob("ef", 4, 4096)
    # Settings of a second parameter, swept one by one; the best counts.
    arms: List[Dict[str, Any]] = [{}]
    needs_rows = False  # what it saved is not enough: the rows must be given again, and count on the disk
    note = ""  # a restriction that a reader of the figures must know

    def __init__(self, folder, count, dim, metric):
        self.folder, self.count, self.dim, self.metric = folder, count, dim, metric

    def path(self, name="index"):
        return os.path.join(self.folder, name)

    def rows(self):
        """For engines with needs_rows, in `open`: a copy of the rows in memory, as a program would hold it."""
        return np.load(self.path("rows.npy"))

    # --- to be given by each engine ---------------------------------------------------------------

    def parameters(self) -> Dict[str, Any]:
        """Of the build, as the results show them."""
        raise NotImplementedError

    def build(self, rows, threads):
        raise NotImplementedError

    def save(self):
        """Into self.folder."""
        raise NotImplementedError

    def open(self, threads):
        """What save left, ready to search."""
        raise NotImplementedError

    def prepare(self, k, value, arm) -> Callable[[np.ndarray], Any]:
        """Set the search parameter for what follows; the function that answers one query on one thread."""
        raise NotImplementedError

    def ids(self, answer) -> np.ndarray:
        """Row numbers of what that function returned."""
        raise NotImplementedError

    def batch(self, queries, threads) -> np.ndarray:
        """Row numbers for many queries at once, as prepared. By default a loop in as many Python threads, for
        engines that have no such call."""
        one = self._one
        if threads == 1:
            answers = [one(query) for query in queries]
        else:
            with concurrent.futures.ThreadPoolExecutor(threads) as pool:
                parts = pool.map(lambda part: [one(query) for query in part], np.array_split(queries, 4 * threads))
                answers = [answer for part in parts for answer in part]
        return [self.ids(answer) for answer in answers]

    _one: Callable[[np.ndarray], Any] = staticmethod(lambda query: None)

    def warm(self):
        """What the engine's authors tell users to do once after opening (choose prefetch distances, ...)."""

    def parts(self) -> Dict[str, float]:
        """What the engine itself says about its memory, in bytes, if it does."""
        return {}
