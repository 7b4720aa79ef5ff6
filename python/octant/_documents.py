"""Texts instead of vectors: `client.add(...)` and `client.query(...)`, which official clients had until 1.15.

They are a thin layer over `models.Document`: the official client embeds documents with fastembed (`pip install fastembed`),
and the engine itself embeds those of "Qdrant/bm25". Collections look as they looked then: a vector "fast-MODEL", beside it,
after `set_sparse_model`, "fast-sparse-MODEL"; a payload of the metadata and "document", the text. So a collection made by an old
client is read by this one, and the other way round.

What a call sends is described once, by the functions with a leading underscore; the methods of the two clients differ by `await`.
"""

from __future__ import annotations

import inspect
import uuid
from typing import Any, Dict, Iterable, List, Optional, Sequence, Union

from pydantic import BaseModel

from . import models

DEFAULT_MODEL = "BAAI/bge-small-en"
_TEXT = "document"
_WEIGHED = ("qdrant/bm25", "qdrant/bm42-all-minilm-l6-v2-attentions")  # these count on idf in the collection


class QueryResponse(BaseModel, extra="forbid"):
    """One hit of `query`."""

    id: Union[str, int]
    embedding: Optional[List[float]] = None
    sparse_embedding: Optional[models.SparseVector] = None
    metadata: Dict[str, Any]
    document: str
    score: float


def _model(self: Any) -> str:
    return str(getattr(self, "_text_model", DEFAULT_MODEL))


def _sparse_model(self: Any) -> Optional[str]:
    return getattr(self, "_sparse_text_model", None)


def set_model(self: Any, embedding_model_name: str, *_: Any, **options: Any) -> None:
    """The model for the texts of `add` and `query`; options such as `cache_dir`, `threads` or `cuda` go to fastembed."""
    options.pop("lazy_load", None)  # it is loaded when it is first needed, always
    self._text_model = embedding_model_name
    self._text_options = {name: value for name, value in options.items() if value is not None} or None


def set_sparse_model(self: Any, embedding_model_name: Optional[str], *_: Any, **options: Any) -> None:
    """A sparse model beside it, for hybrid queries; None: dense only."""
    options.pop("lazy_load", None)
    self._sparse_text_model = embedding_model_name
    self._sparse_text_options = {name: value for name, value in options.items() if value is not None} or None


def get_vector_field_name(self: Any) -> str:
    return f"fast-{_model(self).split('/')[-1].lower()}"


def get_sparse_vector_field_name(self: Any) -> Optional[str]:
    name = _sparse_model(self)
    return None if name is None else f"fast-sparse-{name.split('/')[-1].lower()}"


def get_fastembed_vector_params(
    self: Any,
    on_disk: Optional[bool] = None,
    quantization_config: Optional[models.QuantizationConfig] = None,
    hnsw_config: Optional[models.HnswConfigDiff] = None,
) -> Dict[str, models.VectorParams]:
    """`vectors_config` for a collection of texts."""
    params = models.VectorParams(
        size=self.get_embedding_size(_model(self)),
        distance=models.Distance.COSINE,
        on_disk=on_disk,
        quantization_config=quantization_config,
        hnsw_config=hnsw_config,
    )
    return {get_vector_field_name(self): params}


def get_fastembed_sparse_vector_params(
    self: Any, on_disk: Optional[bool] = None, modifier: Optional[models.Modifier] = None
) -> Optional[Dict[str, models.SparseVectorParams]]:
    """`sparse_vectors_config` for a collection of texts; None without `set_sparse_model`."""
    name = _sparse_model(self)
    if name is None:
        return None
    if modifier is None and name.lower() in _WEIGHED:
        modifier = models.Modifier.IDF
    params = models.SparseVectorParams(index=models.SparseIndexParams(on_disk=on_disk), modifier=modifier)
    return {str(get_sparse_vector_field_name(self)): params}


def _document(self: Any, text: str) -> models.Document:
    return models.Document(text=text, model=_model(self), options=getattr(self, "_text_options", None))


def _sparse_document(self: Any, text: str) -> models.Document:
    return models.Document(text=text, model=_sparse_model(self), options=getattr(self, "_sparse_text_options", None))


def _points(
    self: Any,
    documents: Iterable[str],
    metadata: Optional[Iterable[Dict[str, Any]]],
    ids: Optional[Iterable[Union[int, str]]],
    given: List[Union[int, str]],
) -> Iterable[models.PointStruct]:
    """The points of `add`, one after the other; their ids are noted in `given`."""
    more = iter(metadata) if metadata is not None else None
    numbers = iter(ids) if ids is not None else None
    for text in documents:
        vector: Dict[str, Any] = {get_vector_field_name(self): _document(self, text)}
        if _sparse_model(self) is not None:
            vector[str(get_sparse_vector_field_name(self))] = _sparse_document(self, text)
        given.append(uuid.uuid4().hex if numbers is None else next(numbers))
        payload = {_TEXT: text, **(next(more, None) or {} if more is not None else {})}
        yield models.PointStruct(id=given[-1], vector=vector, payload=payload)


def _request(
    self: Any, text: str, query_filter: Optional[models.Filter], limit: int, options: Dict[str, Any]
) -> Dict[str, Any]:
    """Of query_points: the nearest texts, or the fused nearest of both kinds."""
    asked: Dict[str, Any] = {"limit": limit, "with_payload": True, **options}
    if _sparse_model(self) is None:
        return {**asked, "query": _document(self, text), "using": get_vector_field_name(self), "query_filter": query_filter}
    each = {"limit": limit, "filter": query_filter}
    dense = models.Prefetch(query=_document(self, text), using=get_vector_field_name(self), **each)
    sparse = models.Prefetch(query=_sparse_document(self, text), using=get_sparse_vector_field_name(self), **each)
    return {**asked, "prefetch": [dense, sparse], "query": models.FusionQuery(fusion=models.Fusion.RRF)}


def _responses(self: Any, hits: Sequence[models.ScoredPoint]) -> List[QueryResponse]:
    found = []
    for hit in hits:
        vectors: Dict[str, Any] = hit.vector if isinstance(hit.vector, dict) else {}
        payload = dict(hit.payload or {})
        found.append(
            QueryResponse(
                id=hit.id,
                embedding=vectors.get(get_vector_field_name(self)),
                sparse_embedding=vectors.get(str(get_sparse_vector_field_name(self))),
                metadata=payload,
                document=str(payload.get(_TEXT, "")),
                score=hit.score,
            )
        )
    return found


def _collection(self: Any) -> Dict[str, Any]:
    return {"vectors_config": get_fastembed_vector_params(self), "sparse_vectors_config": get_fastembed_sparse_vector_params(self)}


def add(
    self: Any,
    collection_name: str,
    documents: Iterable[str],
    metadata: Optional[Iterable[Dict[str, Any]]] = None,
    ids: Optional[Iterable[Union[int, str]]] = None,
    batch_size: int = 32,
    parallel: Optional[int] = None,
    **options: Any,
) -> List[Union[int, str]]:
    """Embed texts and store them; the collection is made if there is none. Returns the ids."""
    given: List[Union[int, str]] = []
    if not self.collection_exists(collection_name):
        self.create_collection(collection_name, **_collection(self))
    points = _points(self, documents, metadata, ids, given)
    self.upload_points(collection_name, points, batch_size=batch_size, parallel=parallel or 1, wait=True, **options)
    return given


def query(
    self: Any,
    collection_name: str,
    query_text: str,
    query_filter: Optional[models.Filter] = None,
    limit: int = 10,
    **options: Any,
) -> List[QueryResponse]:
    """The texts nearest to this one."""
    answer = self.query_points(collection_name, **_request(self, query_text, query_filter, limit, options))
    return _responses(self, answer.points)


def query_batch(
    self: Any,
    collection_name: str,
    query_texts: Sequence[str],
    query_filter: Optional[models.Filter] = None,
    limit: int = 10,
    **options: Any,
) -> List[List[QueryResponse]]:
    """`query` for several texts."""
    return [query(self, collection_name, text, query_filter, limit, **options) for text in query_texts]


async def _add_async(
    self: Any,
    collection_name: str,
    documents: Iterable[str],
    metadata: Optional[Iterable[Dict[str, Any]]] = None,
    ids: Optional[Iterable[Union[int, str]]] = None,
    batch_size: int = 32,
    parallel: Optional[int] = None,
    **options: Any,
) -> List[Union[int, str]]:
    """Embed texts and store them; the collection is made if there is none. Returns the ids."""
    given: List[Union[int, str]] = []
    if not await self.collection_exists(collection_name):
        await self.create_collection(collection_name, **_collection(self))
    points = _points(self, documents, metadata, ids, given)
    done = self.upload_points(collection_name, points, batch_size=batch_size, parallel=parallel or 1, wait=True, **options)
    if inspect.isawaitable(done):
        await done
    return given


async def _query_async(
    self: Any,
    collection_name: str,
    query_text: str,
    query_filter: Optional[models.Filter] = None,
    limit: int = 10,
    **options: Any,
) -> List[QueryResponse]:
    """The texts nearest to this one."""
    answer = await self.query_points(collection_name, **_request(self, query_text, query_filter, limit, options))
    return _responses(self, answer.points)


async def _query_batch_async(
    self: Any,
    collection_name: str,
    query_texts: Sequence[str],
    query_filter: Optional[models.Filter] = None,
    limit: int = 10,
    **options: Any,
) -> List[List[QueryResponse]]:
    """`query` for several texts."""
    return [await _query_async(self, collection_name, text, query_filter, limit, **options) for text in query_texts]


def methods(is_async: bool) -> Dict[str, Any]:
    """By the names that the official clients had for them."""
    both = (set_model, set_sparse_model, get_vector_field_name, get_sparse_vector_field_name, get_fastembed_vector_params,
            get_fastembed_sparse_vector_params)  # fmt: skip
    found: Dict[str, Any] = {method.__name__: method for method in both}
    found["embedding_model_name"] = property(_model)
    found["sparse_embedding_model_name"] = property(_sparse_model)
    if is_async:
        found.update(add=_add_async, query=_query_async, query_batch=_query_batch_async)
    else:
        found.update(add=add, query=query, query_batch=query_batch)
    return found
