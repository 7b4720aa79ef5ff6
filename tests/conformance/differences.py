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


def is_by_filter(arguments: Dict[str, Any]) -> bool:
    """The points are chosen by a filter: there are no unknown ids."""
    targets = arguments.get("points") or arguments.get("points_selector")
    return targets is not None and not isinstance(targets, list)


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
    if is_by_filter(arguments) or not oracle.client.collection_exists(collection):
        return False
    ids = ids_of(method, arguments)
    return len(known_ids(oracle, collection, ids)) < len(set(ids))


def delete_vectors_skips_unknown_ids(oracle: Door, method: str, arguments: Dict[str, Any]) -> Dict[str, Any]:
    """Deleting what is not there is no error: delete_vectors ignores unknown ids as delete does, while Qdrant
    deletes the others and answers 404."""
    if method != "delete_vectors" or is_by_filter(arguments):
        return arguments
    if not oracle.client.collection_exists(arguments["collection_name"]):
        return arguments
    known = known_ids(oracle, arguments["collection_name"], list(arguments["points"]))
    return {**arguments, "points": [point for point in arguments["points"] if point in known]}


def nothing_left_to_delete(method: str, arguments: Dict[str, Any], original: Dict[str, Any]) -> bool:
    """Follows from delete_vectors_skips_unknown_ids: with only unknown ids there is nothing to ask the oracle."""
    return method == "delete_vectors" and arguments["points"] == [] and bool(original["points"])


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


def text_is_a_substring_without_an_index(condition: Any) -> List[Any]:
    """On a field without a text index, match text, text_any and phrase look for a part of a string, letter by letter,
    as Qdrant 1.19 does (qdrant-api.md 3.5 and 5). The oracle of client 1.20 compares words, as later servers do.

    Conditions of which one must hold, for the oracle: tests of substrings."""
    from qdrant_client import models

    match = condition.match
    if isinstance(match, models.MatchText):
        parts = [match.text]
    elif isinstance(match, models.MatchPhrase):
        parts = [match.phrase]
    else:
        parts = match.text_any.split()
    return [
        models.FieldCondition(key=condition.key, match=models.MatchSubstring(substring=part)) for part in parts
    ] or [models.HasIdCondition(has_id=[])]


def one_of_several_tests_of_a_field_is_enough(condition: Any) -> List[Any]:
    """Of several tests in one field condition one must hold (qdrant-api.md 3.5); the oracle asks only the first it
    looks for.

    The same as conditions with one test each."""
    from qdrant_client import models

    names = ("match", "range", "geo_bounding_box", "geo_radius", "geo_polygon", "values_count", "is_empty", "is_null")
    given = {name: getattr(condition, name) for name in names if getattr(condition, name) is not None}
    single = [models.FieldCondition(key=condition.key, **{name: test}) for name, test in given.items()]
    made: List[Any] = []
    for one in single:
        is_text = isinstance(one.match, (models.MatchText, models.MatchTextAny, models.MatchPhrase))
        made += text_is_a_substring_without_an_index(one) if is_text else [one]
    return made


def one_test_a_condition(value: Any) -> Any:
    """The official client says only the first of several tests of a field condition over gRPC. The same request, with
    such conditions said as filters of single tests."""
    from pydantic import BaseModel
    from qdrant_client import models

    if isinstance(value, models.FieldCondition):
        tests = {name: test for name, test in dict(value).items() if name != "key" and test is not None}
        if len(tests) < 2:
            return value
        return models.Filter(should=[models.FieldCondition(key=value.key, **{name: test}) for name, test in tests.items()])
    if isinstance(value, BaseModel):
        changed = {name: one_test_a_condition(getattr(value, name)) for name in type(value).model_fields}
        return value.model_copy(update={name: item for name, item in changed.items() if item is not None})
    if isinstance(value, dict):
        return {key: one_test_a_condition(item) for key, item in value.items()}
    if isinstance(value, list):
        return [one_test_a_condition(item) for item in value]
    return value


def for_oracle(value: Any) -> Any:
    """The same request, with each filter in it said as the oracle must be told to mean what Qdrant 1.19 means."""
    from pydantic import BaseModel
    from qdrant_client import models

    if isinstance(value, models.FieldCondition):
        alternatives = one_of_several_tests_of_a_field_is_enough(value)
        return alternatives[0] if len(alternatives) == 1 else models.Filter(should=alternatives)
    if isinstance(value, BaseModel):
        changed = {name: for_oracle(getattr(value, name)) for name in type(value).model_fields}
        return value.model_copy(update={name: item for name, item in changed.items() if item is not None})
    if isinstance(value, dict):
        return {key: for_oracle(item) for key, item in value.items()}
    if isinstance(value, list):
        return [for_oracle(item) for item in value]
    return value


def updates_are_judged_before_the_request(points: Any) -> bool:
    """update_filter and update_mode of an upsert are judged on the state before the request, for all of its points;
    of several points with one id the last counts, as in any upsert. The oracle goes point by point, so that the
    second of two points with one id is judged on what the first has left.

    True if the request shows the difference: it has an id twice. (test_filters.py pins what Octant does.)"""
    ids = [point.id for point in points]
    return len(set(ids)) < len(ids)


def used_ids_are_left_out_everywhere(arguments: Dict[str, Any]) -> Dict[str, Any]:
    """Ids of this collection used anywhere in a query are left out of all of it (qdrant-api.md 3.6); the oracle leaves
    them out of their own level and of those below it, so that a prefetch may find the example of its neighbour.

    The arguments of query_points for the oracle: with a filter against the ids."""
    from qdrant_client import models

    from queries import ids_used

    collection = arguments["collection_name"]
    used = ids_used(arguments.get("query"), collection, arguments.get("lookup_from"))
    waiting = [arguments.get("prefetch")]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif item is not None:
            used |= ids_used(item.query, collection, item.lookup_from)
            waiting.append(item.prefetch)
    if not used:
        return arguments
    without = models.HasIdCondition(has_id=sorted(used, key=str))
    made = arguments.get("query_filter") or models.Filter()
    return {**arguments, "query_filter": made.model_copy(update={"must_not": [*(made.must_not or []), without]})}


def order_values_end_with_their_level(arguments: Dict[str, Any], outcome: Outcome) -> Outcome:
    """`order_value` says where a hit stands in an order_by query. Fused hits of a prefetch that was such a query have none
    here; the oracle and Qdrant hand it on with the point if the first list that has it was ordered.

    The oracle's hits without it, unless the query itself is an order_by."""
    from qdrant_client import models

    if outcome.ok and not isinstance(arguments.get("query"), models.OrderByQuery):
        for hit in outcome.value.points:
            hit.order_value = None
    return outcome


def ask_oracle(oracle: Door, method: str, arguments: Dict[str, Any]) -> Outcome:
    """The oracle's outcome of a call, with the differences above taken into account."""
    arguments = for_oracle(arguments)
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
