"""Comparing answers: exactly between Octant's doors, within rounding and ties against the oracle."""

import json
import math
from typing import Any, Dict, List, Optional

import differences

SCORE_TOLERANCE = 1e-5  # relative above 1: numpy and the engine sum in different orders
DOT_TOLERANCE = 1e-6  # of the largest sum of |a_i b_i|, about 16 roundings of 2^-24: a dot product may cancel
VECTOR_TOLERANCE = 2e-6  # a normalised component, in float32 on both sides


def plain(value: Any) -> Any:
    """Models as dictionaries, containers as lists."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def text(value: Any) -> str:
    """Equal texts mean equal values, down to the bits of floats and the order of keys."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=True)


def strict(value: Any) -> str:
    """Equal texts mean equal JSON values: 1 is not 1.0; the order of keys does not matter."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def is_close(got: float, want: float, tolerance: float = SCORE_TOLERANCE, largest_dot: float = 0.0) -> bool:
    slack = max(tolerance, DOT_TOLERANCE * largest_dot)
    return math.isclose(got, want, rel_tol=tolerance, abs_tol=slack)


def difference_of_vectors(got: Any, want: Any) -> Optional[str]:
    """None, or what differs. Bare lists, maps of names, or nothing."""
    if isinstance(want, dict) and isinstance(got, dict):
        if sorted(got) != sorted(want):
            return f"vector names are {sorted(got)}, expected {sorted(want)}"
        for name in want:
            found = difference_of_vectors(got[name], want[name])
            if found:
                return f"{name}: {found}"
        return None
    if isinstance(want, list) and isinstance(got, list) and len(got) == len(want):
        for index, (a, b) in enumerate(zip(got, want)):
            if isinstance(a, list) and isinstance(b, list):  # a row of a multivector
                found = difference_of_vectors(a, b)
                if found:
                    return f"row {index}: {found}"
            elif not is_close(a, b, VECTOR_TOLERANCE):
                return f"component {index} is {a!r}, expected {b!r}"
        return None
    return None if got == want else f"vector is {got!r}, expected {want!r}"


def difference_of_records(got: Dict[str, Any], want: Dict[str, Any]) -> Optional[str]:
    """Everything but score and version, which have rules of their own."""
    if got["id"] != want["id"]:
        return f"id is {got['id']!r}, expected {want['id']!r}"
    if strict(got["payload"]) != strict(want["payload"]):
        return f"{got['id']}: payload is {strict(got['payload'])}, expected {strict(want['payload'])}"
    found = difference_of_vectors(got["vector"], want["vector"])
    if found:
        return f"{got['id']}: {found}"
    rest = ("shard_key", "order_value")
    for key in rest:
        if got.get(key) != want.get(key):
            return f"{got['id']}: {key} is {got.get(key)!r}, expected {want.get(key)!r}"
    return None


def difference_of_lists(got: List[Any], want: List[Any]) -> Optional[str]:
    if len(got) != len(want):
        return f"{len(got)} records {[r['id'] for r in got]}, expected {len(want)} {[r['id'] for r in want]}"
    for a, b in zip(got, want):
        found = difference_of_records(a, b)
        if found:
            return found
    return None


def difference_of_hits(
    got: List[Dict[str, Any]],
    want: List[Dict[str, Any]],
    everything: List[Dict[str, Any]],
    bigger_is_better: bool,
    largest_dot: float = 0.0,
) -> Optional[str]:
    """Hits against the oracle's hits for the same request, up to ties and rounding. `largest_dot` is 0 unless
    scores are dot products.

    `everything` is the oracle's answer without limit, offset and threshold: it knows each point's score, and so
    which points may stand for each other."""
    records = {record["id"]: record for record in everything}
    if len(got) != len(want):
        return f"{len(got)} hits {[h['id'] for h in got]}, expected {len(want)} {[h['id'] for h in want]}"
    if len({hit["id"] for hit in got}) != len(got):
        return f"a point is hit twice: {[h['id'] for h in got]}"
    for place, (a, b) in enumerate(zip(got, want)):
        if a["id"] not in records:
            return f"hit {place}: {a['id']} cannot be a hit"
        if not is_close(a["score"], b["score"], largest_dot=largest_dot):
            return f"hit {place}: score {a['score']!r} of {a['id']}, expected {b['score']!r} of {b['id']}"
        if not is_close(a["score"], records[a["id"]]["score"], largest_dot=largest_dot):
            return f"hit {place}: score {a['score']!r} of {a['id']}, expected {records[a['id']]['score']!r}"
        if place > 0:
            before = got[place - 1]["score"]
            if before != a["score"] and (before > a["score"]) != bigger_is_better:
                return f"hit {place}: score {a['score']!r} after {before!r}"
        found = difference_of_records(
            differences.oracle_has_no_versions(a),
            {**records[a["id"]], "score": a["score"]},
        )
        if found:
            return f"hit {place}: {found}"
    return None


def order_of_ids(point_id: Any) -> Any:
    """Numbers before UUIDs; UUIDs by value, which their lower-case text orders the same way."""
    return (isinstance(point_id, str), point_id)


def misplaced_tie(hits: List[Dict[str, Any]]) -> Optional[str]:
    """Octant orders equal scores by id."""
    for before, after in zip(hits, hits[1:]):
        if before["score"] == after["score"] and order_of_ids(before["id"]) > order_of_ids(after["id"]):
            return f"{before['id']} before {after['id']}, both score {after['score']!r}"
    return None
