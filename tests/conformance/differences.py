"""Where Octant and the oracle differ on purpose: each difference is one function here, with its reason.

docs/compatibility.md lists the same names. A difference that is not here fails the suite.
"""

from typing import Any, Dict, List, Set

from doors import Door, Outcome

# Methods that change points by id and answer 404 when an id is unknown.
_NEEDS_ALL_IDS = {"update_vectors", "set_payload", "overwrite_payload", "delete_payload", "clear_payload"}


def ids_of(method: str, arguments: Dict[str, Any]) -> List[Any]:
    if method == "update_vectors":
        return [point.id for point in arguments["points"]]
    return list(arguments.get("points") or arguments.get("points_selector") or [])


def known_ids(oracle: Door, collection: str, ids: List[Any]) -> Set[Any]:
    records = oracle.client.retrieve(collection, ids=ids, with_payload=False)
    return {record.id for record in records}


def unknown_ids_change_nothing(oracle: Door, method: str, arguments: Dict[str, Any]) -> bool:
    """A request that names an unknown id fails with 404 in both, but Octant changes nothing then, while Qdrant
    applies it to the other points first. A batch is atomic here (docs: all of its points or none).

    True if the oracle must not be asked, because the request has to fail without effect."""
    if method not in _NEEDS_ALL_IDS:
        return False
    collection = arguments["collection_name"]
    if not oracle.client.collection_exists(collection):
        return False
    ids = ids_of(method, arguments)
    return len(known_ids(oracle, collection, ids)) < len(set(ids))


def delete_vectors_skips_unknown_ids(oracle: Door, method: str, arguments: Dict[str, Any]) -> Dict[str, Any]:
    """Deleting what is not there is no error: delete_vectors ignores unknown ids as delete does, while Qdrant
    deletes the others and answers 404."""
    if method != "delete_vectors" or not oracle.client.collection_exists(arguments["collection_name"]):
        return arguments
    known = known_ids(oracle, arguments["collection_name"], list(arguments["points"]))
    return {**arguments, "points": [point for point in arguments["points"] if point in known]}


def nothing_left_to_delete(method: str, arguments: Dict[str, Any], original: Dict[str, Any]) -> bool:
    """Follows from delete_vectors_skips_unknown_ids: with only unknown ids there is nothing to ask the oracle."""
    return method == "delete_vectors" and not arguments["points"] and bool(original["points"])


def repeated_ids_are_retrieved_once(method: str, value: Any) -> Any:
    """retrieve with an id twice gives the record once (a server looks records up by id); the oracle repeats it."""
    if method != "retrieve":
        return value
    return list({record.id: record for record in value}.values())


def oracle_has_no_versions(record: Dict[str, Any]) -> Dict[str, Any]:
    """`version` of a scored point is the number of the operation that last touched it; the oracle says 0."""
    return {key: value for key, value in record.items() if key != "version"}


def oracle_counts_no_operations(value: Dict[str, Any]) -> Dict[str, Any]:
    """`operation_id` grows by one with each operation of the collection; the oracle always says 0."""
    return {key: item for key, item in value.items() if key != "operation_id"}


F32_EPSILON = 1.1920929e-7


def tiny_cosine_vectors_stay_as_they_are(vector: List[float]) -> bool:
    """With cosine, a vector whose squared length is below the epsilon of 32-bit floats is stored and searched as it
    is (as on Qdrant's server); the oracle normalises all but zero, once more in each search.

    True for such a vector: histories leave them out, test_wire.py pins what Octant does."""
    return 0 < sum(component * component for component in vector) < 2 * F32_EPSILON


def ask_oracle(oracle: Door, method: str, arguments: Dict[str, Any]) -> Outcome:
    """The oracle's outcome of a call, with the differences above taken into account."""
    if unknown_ids_change_nothing(oracle, method, arguments):
        return Outcome(False, None, 404, "an id is unknown")
    asked = delete_vectors_skips_unknown_ids(oracle, method, arguments)
    if nothing_left_to_delete(method, asked, arguments):
        from qdrant_client import models

        return Outcome(True, models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED))
    if method in ("search", "search_batch"):  # gone from the official client, kept in ours
        return _ask_oracle_for_search(oracle, method, asked)
    outcome = oracle.call(method, **asked)
    if outcome.ok:
        outcome.value = repeated_ids_are_retrieved_once(method, outcome.value)
    return outcome


def _ask_oracle_for_search(oracle: Door, method: str, arguments: Dict[str, Any]) -> Outcome:
    """`client.search(query_vector=...)` in terms of query_points."""
    assert method == "search"
    asked = dict(arguments)
    vector = asked.pop("query_vector")
    if isinstance(vector, tuple):
        asked["using"], vector = vector
    outcome = oracle.call("query_points", query=vector, **asked)
    if outcome.ok:
        outcome.value = outcome.value.points
    return outcome
