"""Methods that newer official clients dropped, for the clients of this package.

qdrant-client 1.16 removed `search`, `recommend`, `discover`, their batch and group forms, `upload_records` and the
storage locks; tutorials and older code call them, and the REST routes are still served. Each method here has the
parameters it had in 1.15, builds the model of its request, and posts it to the old route through the client's own
REST layer; results are the official models. They work over a URL as well as in process.

`add` and `query`, which take texts, went at the same time: _documents.py has them.

A method is written once, as a function that describes the request (a `_Post`); `_sync` and `_async` make the two
methods of it.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Type

from pydantic import BaseModel, create_model
from qdrant_client import grpc
from qdrant_client.conversions.conversion import GrpcToRest

from . import _documents, models


class _Post(NamedTuple):
    """One request to a collection's old route."""

    collection_name: str
    route: str  # below /collections/{collection_name}/points/
    body: BaseModel
    result: Any  # the type of the envelope's `result`
    consistency: Any
    timeout: Optional[int]

    def arguments(self) -> Dict[str, Any]:
        """For the `request` method of the official REST layer."""
        params: Dict[str, str] = {}
        if self.consistency is not None:
            params["consistency"] = str(getattr(self.consistency, "value", self.consistency))
        if self.timeout is not None:
            params["timeout"] = str(self.timeout)
        return {
            "type_": _envelope(self.result),
            "method": "POST",
            "url": "/collections/{collection_name}/points/" + self.route,
            "headers": {"Content-Type": "application/json"},
            "path_params": {"collection_name": self.collection_name},
            "params": params,
            "content": _json(self.body),
        }


_POINTS = List[models.ScoredPoint]
_BATCH = List[List[models.ScoredPoint]]
_GROUPS = models.GroupsResult


def _envelope(result: Any) -> Type[BaseModel]:
    return _ENVELOPES[str(result)]


_ENVELOPES = {
    str(result): create_model("Envelope", result=(result, ...)) for result in (_POINTS, _BATCH, _GROUPS)
}


def _json(body: BaseModel) -> str:
    if hasattr(body, "model_dump_json"):
        return body.model_dump_json(exclude_unset=True, exclude_none=True, by_alias=True)  # "except", not "except_"
    return body.json(exclude_unset=True, exclude_none=True, by_alias=True)  # pydantic 1


def _sync(describe: Callable[..., _Post]) -> Callable[..., Any]:
    @functools.wraps(describe)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self.http.client.request(**describe(self, *args, **kwargs).arguments()).result

    return method


def _async(describe: Callable[..., _Post]) -> Callable[..., Any]:
    @functools.wraps(describe)
    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return (await self.http.client.request(**describe(self, *args, **kwargs).arguments())).result

    return method


# --- what callers may pass besides the models ---------------------------------------------------------

_FROM_GRPC = {
    "Filter": "convert_filter",
    "SearchParams": "convert_search_params",
    "WithPayloadSelector": "convert_with_payload_selector",
    "LookupLocation": "convert_lookup_location",
    "WithLookup": "convert_with_lookup",
    "PointId": "convert_point_id",
    "TargetVector": "convert_target_vector",
    "ContextExamplePair": "convert_context_example_pair",
    "SearchPoints": "convert_search_points",
    "RecommendPoints": "convert_recommend_points",
    "DiscoverPoints": "convert_discover_points",
}


def _rest(value: Any) -> Any:
    """The REST form of a gRPC structure; a list for a numpy array; anything else as it is."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (list, tuple)) and any(hasattr(item, "tolist") for item in value):
        return [_rest(item) for item in value]
    convert = _FROM_GRPC.get(type(value).__name__)
    if convert and isinstance(value, getattr(grpc, type(value).__name__, ())):
        return getattr(GrpcToRest, convert)(value)
    return value


def _query_vector(vector: Any) -> Any:
    """A query: a vector, (name, vector), or a named model."""
    if isinstance(vector, tuple) and len(vector) == 2 and isinstance(vector[0], str):
        name, values = vector
        if hasattr(values, "indices"):
            return models.NamedSparseVector(name=name, vector=values)
        return models.NamedVector(name=name, vector=_floats(values))
    if isinstance(vector, BaseModel):
        return vector
    return _floats(vector)


def _floats(vector: Any) -> List[float]:
    vector = _rest(vector)
    return vector if isinstance(vector, list) else list(vector)


def _examples(examples: Optional[Sequence[Any]]) -> List[Any]:
    return [_rest(example) for example in examples or ()]


def _names(selector: Any) -> Any:
    """A list of names may be any sequence of them."""
    selector = _rest(selector)
    return list(selector) if isinstance(selector, tuple) else selector


# --- the methods ----------------------------------------------------------------------------------------


def search(
    self: Any,
    collection_name: str,
    query_vector: Any,
    query_filter: Any = None,
    search_params: Any = None,
    limit: int = 10,
    offset: Optional[int] = None,
    with_payload: Any = True,
    with_vectors: Any = False,
    score_threshold: Optional[float] = None,
    append_payload: bool = True,
    consistency: Any = None,
    shard_key_selector: Any = None,
    timeout: Optional[int] = None,
) -> Any:
    """Find the points nearest to a vector, best first.

    Args:
        collection_name: where to search.
        query_vector: a sequence of floats or numpy array; (name, vector); NamedVector; NamedSparseVector.
        query_filter: only points that match.
        search_params: hnsw_ef, exact, ...
        limit: how many hits; offset: how many of the best to leave out.
        with_payload, with_vectors: what to return of each hit: True, False, or names.
        score_threshold: only hits better than this.

    Returns:
        A list of ScoredPoint.
    """
    body = models.SearchRequest(
        vector=_query_vector(query_vector),
        filter=_rest(query_filter),
        params=_rest(search_params),
        limit=limit,
        offset=offset,
        with_payload=_names(with_payload) if append_payload else False,
        with_vector=_names(with_vectors),
        score_threshold=score_threshold,
        shard_key=shard_key_selector,
    )
    return _Post(collection_name, "search", body, _POINTS, consistency, timeout)


def search_batch(
    self: Any,
    collection_name: str,
    requests: Sequence[Any],
    timeout: Optional[int] = None,
    consistency: Any = None,
) -> Any:
    """Several searches in one request: a list of lists of ScoredPoint, one per SearchRequest."""
    body = models.SearchRequestBatch(searches=[_rest(request) for request in requests])
    return _Post(collection_name, "search/batch", body, _BATCH, consistency, timeout)


def search_groups(
    self: Any,
    collection_name: str,
    query_vector: Any,
    group_by: str,
    query_filter: Any = None,
    search_params: Any = None,
    limit: int = 10,
    group_size: int = 1,
    with_payload: Any = True,
    with_vectors: Any = False,
    score_threshold: Optional[float] = None,
    with_lookup: Any = None,
    consistency: Any = None,
    shard_key_selector: Any = None,
    timeout: Optional[int] = None,
) -> Any:
    """Find the nearest points, grouped by a payload field: `limit` groups of up to `group_size` hits, as a
    GroupsResult. The other arguments are those of `search`."""
    body = models.SearchGroupsRequest(
        vector=_query_vector(query_vector),
        filter=_rest(query_filter),
        params=_rest(search_params),
        with_payload=_names(with_payload),
        with_vector=_names(with_vectors),
        score_threshold=score_threshold,
        group_by=group_by,
        group_size=group_size,
        limit=limit,
        with_lookup=_rest(with_lookup),
        shard_key=shard_key_selector,
    )
    return _Post(collection_name, "search/groups", body, _GROUPS, consistency, timeout)


def recommend(
    self: Any,
    collection_name: str,
    positive: Optional[Sequence[Any]] = None,
    negative: Optional[Sequence[Any]] = None,
    query_filter: Any = None,
    search_params: Any = None,
    limit: int = 10,
    offset: int = 0,
    with_payload: Any = True,
    with_vectors: Any = False,
    score_threshold: Optional[float] = None,
    using: Optional[str] = None,
    lookup_from: Any = None,
    strategy: Any = None,
    consistency: Any = None,
    shard_key_selector: Any = None,
    timeout: Optional[int] = None,
) -> Any:
    """Find points like the positive examples and unlike the negative ones, as a list of ScoredPoint.

    Args:
        positive, negative: point ids, or vectors.
        using: name of the vectors to compare. lookup_from: collection and vector in which ids are looked up.
        strategy: how examples make a score (models.RecommendStrategy).

    The other arguments are those of `search`.
    """
    body = models.RecommendRequest(
        positive=_examples(positive),
        negative=_examples(negative),
        filter=_rest(query_filter),
        params=_rest(search_params),
        limit=limit,
        offset=offset,
        with_payload=_names(with_payload),
        with_vector=_names(with_vectors),
        score_threshold=score_threshold,
        using=using,
        lookup_from=_rest(lookup_from),
        strategy=strategy,
        shard_key=shard_key_selector,
    )
    return _Post(collection_name, "recommend", body, _POINTS, consistency, timeout)


def recommend_batch(
    self: Any,
    collection_name: str,
    requests: Sequence[Any],
    consistency: Any = None,
    timeout: Optional[int] = None,
) -> Any:
    """Several recommendations in one request: a list of lists of ScoredPoint, one per RecommendRequest."""
    body = models.RecommendRequestBatch(searches=[_rest(request) for request in requests])
    return _Post(collection_name, "recommend/batch", body, _BATCH, consistency, timeout)


def recommend_groups(
    self: Any,
    collection_name: str,
    group_by: str,
    positive: Optional[Sequence[Any]] = None,
    negative: Optional[Sequence[Any]] = None,
    query_filter: Any = None,
    search_params: Any = None,
    limit: int = 10,
    group_size: int = 1,
    score_threshold: Optional[float] = None,
    with_payload: Any = True,
    with_vectors: Any = False,
    using: Optional[str] = None,
    lookup_from: Any = None,
    with_lookup: Any = None,
    strategy: Any = None,
    consistency: Any = None,
    shard_key_selector: Any = None,
    timeout: Optional[int] = None,
) -> Any:
    """Recommended points, grouped by a payload field, as a GroupsResult. See `recommend` and `search_groups`."""
    body = models.RecommendGroupsRequest(
        positive=_examples(positive),
        negative=_examples(negative),
        filter=_rest(query_filter),
        params=_rest(search_params),
        group_by=group_by,
        group_size=group_size,
        limit=limit,
        with_payload=_names(with_payload),
        with_vector=_names(with_vectors),
        score_threshold=score_threshold,
        using=using,
        lookup_from=_rest(lookup_from),
        with_lookup=_rest(with_lookup),
        strategy=strategy,
        shard_key=shard_key_selector,
    )
    return _Post(collection_name, "recommend/groups", body, _GROUPS, consistency, timeout)


def discover(
    self: Any,
    collection_name: str,
    target: Any = None,
    context: Optional[Sequence[Any]] = None,
    query_filter: Any = None,
    search_params: Any = None,
    limit: int = 10,
    offset: int = 0,
    with_payload: Any = True,
    with_vectors: Any = False,
    using: Optional[str] = None,
    lookup_from: Any = None,
    consistency: Any = None,
    shard_key_selector: Any = None,
    timeout: Optional[int] = None,
) -> Any:
    """Find points near a target (id or vector) and on the positive side of the context pairs, as a list of
    ScoredPoint. The other arguments are those of `recommend`."""
    body = models.DiscoverRequest(
        target=_rest(target),
        context=_examples(context),
        filter=_rest(query_filter),
        params=_rest(search_params),
        limit=limit,
        offset=offset,
        with_payload=_names(with_payload),
        with_vector=_names(with_vectors),
        using=using,
        lookup_from=_rest(lookup_from),
        shard_key=shard_key_selector,
    )
    return _Post(collection_name, "discover", body, _POINTS, consistency, timeout)


def discover_batch(
    self: Any,
    collection_name: str,
    requests: Sequence[Any],
    consistency: Any = None,
    timeout: Optional[int] = None,
) -> Any:
    """Several discoveries in one request: a list of lists of ScoredPoint, one per DiscoverRequest."""
    body = models.DiscoverRequestBatch(searches=[_rest(request) for request in requests])
    return _Post(collection_name, "discover/batch", body, _BATCH, consistency, timeout)


_POSTED = (
    search, search_batch, search_groups, recommend, recommend_batch, recommend_groups, discover, discover_batch,
)  # fmt: skip


def upload_records(self: Any, collection_name: str, records: Iterable[Any], **kwargs: Any) -> Any:
    """The older name of `upload_points`; records are points."""
    return self.upload_points(collection_name, records, **kwargs)


def _no_locks(name: str) -> Callable[..., Any]:
    def refused(self: Any, *_: Any, **__: Any) -> Any:
        raise NotImplementedError(
            f"{name}: the storage lock is gone, from Qdrant since 1.16 and from Octant always. To stop writes, "
            "use an API key that may only read, or open the database read-only"
        )

    refused.__name__ = name
    refused.__doc__ = "Storage locks are gone: raises NotImplementedError."
    return refused


def _rest_property(self: Any) -> Any:
    """The older name of `http`."""
    return self.http


def methods(official: type) -> Dict[str, Any]:
    """The dropped attributes that an official client class lacks, by name."""
    wrap = _async if inspect.iscoroutinefunction(official.query_points) else _sync  # type: ignore[attr-defined]
    found: Dict[str, Any] = {describe.__name__: wrap(describe) for describe in _POSTED}
    found["upload_records"] = upload_records
    for name in ("lock_storage", "unlock_storage", "get_locks"):
        found[name] = _no_locks(name)
    found["rest"] = property(_rest_property)
    found.update(_documents.methods(inspect.iscoroutinefunction(official.query_points)))  # type: ignore[attr-defined]
    return {name: value for name, value in found.items() if not hasattr(official, name)}
