"""Goal:   whatever a client does, Octant answers as Qdrant does, and the same behind each door.
Method: random histories (history.py) are played to the oracle, to a server, in process in memory and in process
        on a path; server and path are closed and opened again in the middle. After each step Octant's three
        answers must be equal to the bit, and equal to the oracle's up to rounding, ties and the differences
        that differences.py names. Every 25 steps, and at the end, everything stored is compared.
Seeds:  0 to SEEDS - 1, STEPS steps each; OCTANT_STEPS=n plays n, OCTANT_SEED=s plays that history only.
"""

import os
from typing import Any, Dict, List, Tuple

import pytest

import compare
import differences
from doors import Door, Outcome
from history import History, Step

SEEDS = 8
STEPS = int(os.environ.get("OCTANT_STEPS", "200"))
CHECK_EVERY = 25
EVERYTHING = 100_000
FEWER_BETTER = ("Euclid", "Manhattan")


def seeds() -> List[int]:
    only = os.environ.get("OCTANT_SEED")
    return [int(only)] if only else list(range(SEEDS))


class Failed(AssertionError):
    pass


class Player:
    """Plays one history to all doors."""

    def __init__(self, doors: List[Door], seed: int) -> None:
        self.oracle, self.doors = doors[0], doors[1:]
        self.history = History(seed)
        self.seed = seed
        self.number = 0
        self.recent: List[Step] = []

    # --- failing --------------------------------------------------------------------------------

    def fail(self, what: str) -> None:
        lines = [f"seed {self.seed}, step {self.number}: {what}", "the last steps:"]
        lines += [f"  {step}" for step in self.recent[-12:]]
        raise Failed("\n".join(lines))

    # --- one step -------------------------------------------------------------------------------

    def play(self, step: Step) -> None:
        self.number += 1
        self.recent.append(step)
        if step.kind == "reopen":
            for door in self.doors:
                door.reopen()
            return
        self.set_threshold(step)
        want = differences.ask_oracle(self.oracle, step.method, step.arguments)
        got = [door.call(step.method, **step.arguments) for door in self.doors]
        self.compare_doors(got)
        if got[0].ok != want.ok:
            self.fail(f"{self.doors[0].name} answers {got[0]}\nexpected {want}")
        if want.ok:
            self.compare_with_oracle(step, got[0].value, want.value)
            if step.effect is not None:
                step.effect()

    def set_threshold(self, step: Step) -> None:
        """A threshold between two scores, so that rounding cannot move a point across it."""
        if step.threshold_at is None:
            return
        everything = self.everything(step)
        scores = sorted({hit["score"] for hit in everything})
        gaps = [(a, b) for a, b in zip(scores, scores[1:]) if b - a > 1e-3 * max(1.0, abs(a), abs(b))]
        if gaps:
            below, above = gaps[int(step.threshold_at * len(gaps))]
            step.arguments["score_threshold"] = (below + above) / 2

    def compare_doors(self, got: List[Outcome]) -> None:
        first = got[0]
        for door, other in zip(self.doors[1:], got[1:]):
            if (first.ok, first.status, first.text) != (other.ok, other.status, other.text):
                self.fail(f"{self.doors[0].name} answers {first}\n{door.name} answers {other}")
            if first.ok and door.sees(first.value) != door.sees(other.value):
                self.fail(
                    f"doors disagree:\n{self.doors[0].name}: {compare.text(first.value)}\n"
                    f"{door.name}: {compare.text(other.value)}"
                )
        if first.status >= 500:
            self.fail(f"{self.doors[0].name} answers {first}")

    def compare_with_oracle(self, step: Step, got: Any, want: Any) -> None:
        kind = step.kind
        found = None
        if kind == "records":
            found = compare.difference_of_lists(compare.plain(got), compare.plain(want))
        elif kind == "page":
            found = compare.difference_of_lists(compare.plain(got[0]), compare.plain(want[0]))
            if not found and got[1] != want[1]:
                found = f"the next page starts at {got[1]!r}, expected {want[1]!r}"
        elif kind == "hits":
            got = compare.plain(got if step.method == "search" else got.points)
            want = compare.plain(want if step.method == "search" else want.points)
            found = compare.difference_of_hits(got, want, self.everything(step), *self.kind_of_score(step))
            found = found or compare.misplaced_tie(got)
        elif kind == "hits_by_id":
            found = compare.difference_of_lists(compare.plain(got.points), compare.plain(want.points))
            if not found and any(hit.score != 1.0 for hit in got.points):
                found = "points by id must score 1.0"
        elif kind == "batch_hits":
            for request, answer, expected in zip(step.arguments["requests"], got, want):
                one = self.single(step.arguments["collection_name"], request)
                if request.query is None:
                    found = compare.difference_of_lists(compare.plain(answer.points), compare.plain(expected.points))
                else:
                    found = compare.difference_of_hits(
                        compare.plain(answer.points),
                        compare.plain(expected.points),
                        self.everything(one),
                        *self.kind_of_score(one),
                    )
                if found:
                    break
            if len(got) != len(want):
                found = f"{len(got)} answers, expected {len(want)}"
        else:  # write, value, value_list, count
            a, b = compare.plain(got), compare.plain(want)
            if kind == "value_list":
                a, b = [[differences.oracle_counts_no_operations(item) for item in side] for side in (a, b)]
            elif isinstance(a, dict):
                a, b = differences.oracle_counts_no_operations(a), differences.oracle_counts_no_operations(b)
            if compare.strict(a) != compare.strict(b):
                found = f"answer is {a}, expected {b}"
        if found:
            self.fail(found)

    # --- what the oracle knows ------------------------------------------------------------------

    @staticmethod
    def single(collection: str, request: Any) -> Step:
        """A request of a batch as a step of its own."""
        arguments = {
            "collection_name": collection,
            "query": request.query,
            "using": request.using,
            "limit": request.limit,
            "with_payload": request.with_payload,
            "with_vectors": request.with_vector,
        }
        return Step("hits", "query_points", arguments)

    def everything(self, step: Step) -> List[Dict[str, Any]]:
        """All points with their scores for a query."""
        arguments = {**step.arguments, "limit": EVERYTHING, "offset": 0, "score_threshold": None}
        outcome = differences.ask_oracle(self.oracle, step.method, arguments)
        if not outcome.ok:
            return []
        return compare.plain(outcome.value if step.method == "search" else outcome.value.points)

    def kind_of_score(self, step: Step) -> Tuple[bool, float]:
        """Whether bigger scores are better, and the largest dot product there can be (0 for other distances)."""
        collection = self.history.collections[step.arguments["collection_name"]]
        using = step.arguments.get("using") or ""
        vector = step.arguments.get("query_vector")
        if isinstance(vector, tuple):
            using = vector[0]
        params = collection.vectors[using]
        is_dot = params.distance.value == "Dot"
        return params.distance.value not in FEWER_BETTER, self.history.largest_dot(params.size) if is_dot else 0.0

    # --- all there is ---------------------------------------------------------------------------

    def compare_everything(self) -> None:
        names = sorted(self.history.collections)
        for door in self.doors:
            listed = sorted(item.name for item in door.client.get_collections().collections)
            if listed != names:
                self.fail(f"{door.name} lists {listed}, expected {names}")
        for name in names:
            for step in (
                Step("page", "scroll", {"collection_name": name, "limit": EVERYTHING, "with_vectors": True}),
                Step("count", "count", {"collection_name": name, "exact": True}),
            ):
                self.play(step)
            counts = {door.name: door.client.get_collection(name).points_count for door in self.doors}
            if set(counts.values()) != {len(self.history.collections[name].points)}:
                self.fail(f"points_count is {counts}, expected {len(self.history.collections[name].points)}")


@pytest.mark.parametrize("seed", seeds())
def test_all_doors_agree_with_the_oracle(doors: List[Door], seed: int) -> None:
    print(f"seed {seed}, {STEPS} steps")
    player = Player(doors, seed)
    for done in range(1, STEPS + 1):
        player.play(player.history.next())
        if done % CHECK_EVERY == 0 or done == STEPS:
            player.compare_everything()
    for door in player.doors:
        door.reopen()
    player.compare_everything()
    print(f"seed {seed}: {player.number} steps, {len(player.history.collections)} collections at the end")
