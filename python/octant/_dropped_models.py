"""Request models of routes that newer official clients no longer offer.

qdrant-client 1.20 dropped them, the server's routes (and Octant's) are still there, and older code imports
them. `octant.models` adds each of them when the installed client lacks it, and leaves the client's own alone.
"""

from __future__ import annotations

from typing import Dict, List, Optional, Union

from pydantic import BaseModel
from qdrant_client.http import models as official

RecommendExample = Union[official.ExtendedPointId, List[float], official.SparseVector]
UsingVector = str


class NamedVector(BaseModel, extra="forbid"):
    """A dense query vector, and the name of the vectors to compare it with."""

    name: str
    vector: List[float]


class NamedSparseVector(BaseModel, extra="forbid"):
    """A sparse query vector, and the name of the vectors to compare it with."""

    name: str
    vector: official.SparseVector


NamedVectorStruct = Union[List[float], NamedVector, NamedSparseVector]


class ContextExamplePair(BaseModel, extra="forbid"):
    """Two examples: hits should be nearer to the first."""

    positive: RecommendExample
    negative: RecommendExample


class _Selection(BaseModel, extra="forbid"):
    """What the requests below have in common."""

    shard_key: Optional[official.ShardKeySelector] = None
    filter: Optional[official.Filter] = None
    params: Optional[official.SearchParams] = None
    with_payload: Optional[official.WithPayloadInterface] = None
    with_vector: Optional[official.WithVector] = None
    score_threshold: Optional[float] = None


class SearchRequest(_Selection):
    """The nearest points to a vector."""

    vector: NamedVectorStruct
    limit: int
    offset: Optional[int] = None


class SearchRequestBatch(BaseModel, extra="forbid"):
    """Several searches."""

    searches: List[SearchRequest]


class SearchGroupsRequest(_Selection):
    """The nearest points to a vector, the best of each group."""

    vector: NamedVectorStruct
    group_by: str
    group_size: int
    limit: int
    with_lookup: Optional[official.WithLookupInterface] = None


class RecommendRequest(_Selection):
    """Points like the positive examples and unlike the negative ones."""

    positive: Optional[List[RecommendExample]] = []
    negative: Optional[List[RecommendExample]] = []
    strategy: Optional[official.RecommendStrategy] = None
    limit: int
    offset: Optional[int] = None
    using: Optional[UsingVector] = None
    lookup_from: Optional[official.LookupLocation] = None


class RecommendRequestBatch(BaseModel, extra="forbid"):
    """Several recommendations."""

    searches: List[RecommendRequest]


class RecommendGroupsRequest(_Selection):
    """Recommended points, the best of each group."""

    positive: Optional[List[RecommendExample]] = []
    negative: Optional[List[RecommendExample]] = []
    strategy: Optional[official.RecommendStrategy] = None
    group_by: str
    group_size: int
    limit: int
    using: Optional[UsingVector] = None
    lookup_from: Optional[official.LookupLocation] = None
    with_lookup: Optional[official.WithLookupInterface] = None


class DiscoverRequest(BaseModel, extra="forbid"):
    """Points near a target, on the right side of the context pairs."""

    shard_key: Optional[official.ShardKeySelector] = None
    target: Optional[RecommendExample] = None
    context: Optional[List[ContextExamplePair]] = None
    filter: Optional[official.Filter] = None
    params: Optional[official.SearchParams] = None
    limit: int
    offset: Optional[int] = None
    with_payload: Optional[official.WithPayloadInterface] = None
    with_vector: Optional[official.WithVector] = None
    using: Optional[UsingVector] = None
    lookup_from: Optional[official.LookupLocation] = None


class DiscoverRequestBatch(BaseModel, extra="forbid"):
    """Several discoveries."""

    searches: List[DiscoverRequest]


__all__ = (
    "ContextExamplePair", "DiscoverRequest", "DiscoverRequestBatch", "NamedSparseVector", "NamedVector",
    "NamedVectorStruct", "RecommendExample", "RecommendGroupsRequest", "RecommendRequest",
    "RecommendRequestBatch", "SearchGroupsRequest", "SearchRequest", "SearchRequestBatch", "UsingVector",
)  # fmt: skip


def missing() -> Dict[str, object]:
    """Those the installed client lacks."""
    return {name: globals()[name] for name in __all__ if not hasattr(official, name)}
