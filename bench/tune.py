"""For each recall wanted, an engine's cheapest setting that reaches it, found on the tuning half of the queries.

A grid would cheat both ways: an engine whose parameter is coarse would be charged for recall nobody asked for. So
the parameter is bracketed by growing it, then bisected (in its logarithm) to 2 %, for each setting of the second
parameter where there is one; of those that reach the target, the fastest on the tuning half is taken. What is
reported is measured later on the other half, its recall too.
"""
import math
from typing import NamedTuple

GROWTH = 1.6  # of the bracket
FINE = 0.02  # relative width at which the bisection ends
TIME_SECONDS = 0.15  # of a pass that chooses between settings


class Choice(NamedTuple):
    value: float
    arm: int
    recall: float  # on the tuning half


class Tuner:
    def __init__(self, slot, which, threads, k):
        self.slot, self.which, self.threads, self.k = slot, which, threads, k
        knob = slot.opened["knob"]
        self.low = max(knob["low"], k) if knob["from_k"] else knob["low"]
        self.high = max(min(knob["high"], slot.data.count), self.low)
        self.is_int = knob["is_int"]
        self.arms = slot.opened["arms"]
        self.seen = {}  # (arm, value) -> recall

    def recall(self, arm, value):
        if (arm, value) not in self.seen:
            ids = self.slot.ask("find", limit=600, k=self.k, value=value, arm=self.arms[arm], which=self.which,
                                threads=self.threads)
            self.seen[arm, value] = self.slot.data.recall(ids, self.which, self.k)
        return self.seen[arm, value]

    def _round(self, value):
        return int(round(value)) if self.is_int else float(f"{value:.4g}")

    def smallest(self, arm, target):
        """The smallest value found that reaches the target, or None."""
        known = sorted((value, recall) for (a, value), recall in self.seen.items() if a == arm)
        below = max((value for value, recall in known if recall < target), default=None)
        above = min((value for value, recall in known if recall >= target and (below is None or value > below)),
                    default=None)
        if above is None:
            value = self._round(self.low) if below is None else self._round(below * GROWTH)
            while True:
                if below is not None and value <= below:  # a small integer times 1.6 may be itself
                    value = below + 1 if self.is_int else below * GROWTH
                value = min(value, self._round(self.high))
                if self.recall(arm, value) >= target:
                    above = value
                    break
                if value >= self._round(self.high):
                    return None
                below = value
                value = self._round(value * GROWTH)
        while below is not None and above / below > 1 + FINE and (not self.is_int or above - below > 1):
            middle = self._round(math.sqrt(above * below))
            if middle in (above, below):
                break
            if self.recall(arm, middle) >= target:
                above = middle
            else:
                below = middle
        return above

    def choose(self, target):
        """The Choice for a target, or None if no setting reaches it."""
        found = []
        for arm in range(len(self.arms)):
            value = self.smallest(arm, target)
            if value is not None:
                found.append((arm, value))
        if not found:
            return None
        best = found[0]
        if len(found) > 1:
            took = [self.slot.ask("singles", limit=600, k=self.k, value=value, arm=self.arms[arm],
                                  which=self.which, seconds=TIME_SECONDS)["cpu_qps"] for arm, value in found]
            best = found[max(range(len(found)), key=lambda i: took[i])]
        return Choice(best[1], best[0], self.recall(*best))

    def most(self):
        """The highest recall that was seen."""
        return max(self.seen.values(), default=0.0)
