"""Goal:   the methods that newer clients dropped are there, and send what their routes expect.
Method:   the client over an httpx.MockTransport that records requests and answers as a server would. With an older
          official client the same tests run against its own methods: they must send the same.
"""

import asyncio
import inspect
import json

import httpx
import numpy as np
import pytest
import qdrant_client

import octant
from octant import models

HIT = {"id": 7, "version": 3, "score": 0.5, "payload": {"text": "a"}, "vector": None}
HITS = [HIT, {"id": "8f14e45f-ceea-467f-9f6b-7c3d1c6a2b90", "version": 3, "score": 0.25}]
GROUPS = {"groups": [{"id": "g", "hits": HITS}]}
FILTER = models.Filter(
    must=[
        models.FieldCondition(key="lang", match=models.MatchValue(value="en")),
        models.FieldCondition(key="lang", match=models.MatchExcept(**{"except": ["de"]})),
    ]
)
FILTER_JSON = {
    "must": [{"key": "lang", "match": {"value": "en"}}, {"key": "lang", "match": {"except": ["de"]}}]
}
PARAMS = models.SearchParams(hnsw_ef=64, exact=False)
DEFAULTS = {"with_payload": True, "with_vector": False}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of older official clients


class Recorder:
    def __init__(self):
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        route = request.url.path.split("/points/")[-1]
        result = HITS
        if route.endswith("groups"):
            result = GROUPS
        elif route.endswith("batch"):
            result = [HITS, []]
        return httpx.Response(200, json={"result": result, "status": "ok", "time": 0.001})


class Doors:
    """The synchronous and the asynchronous client over one recorder."""

    def __init__(self):
        self.recorder = Recorder()
        options = {"url": "http://example:6333", "transport": httpx.MockTransport(self.recorder)}
        if "check_compatibility" in inspect.signature(qdrant_client.QdrantClient.__init__).parameters:
            options["check_compatibility"] = False
        self.sync_client = octant.QdrantClient(**options)
        self.async_client = octant.AsyncQdrantClient(**options)

    def both(self, method, *args, **kwargs):
        """Call both clients; the (path, query, body) they sent, and the result."""
        expected = getattr(self.sync_client, method)(*args, **kwargs)

        async def call():
            return await getattr(self.async_client, method)(*args, **kwargs)

        assert asyncio.run(call()) == expected
        (first, second), self.recorder.requests = self.recorder.requests, []
        assert (first.method, first.url, first.content) == (second.method, second.url, second.content)
        assert first.method == "POST" and first.headers["content-type"] == "application/json"
        return first.url.path, dict(first.url.params), json.loads(first.content), expected


@pytest.fixture
def doors():
    doors = Doors()
    yield doors
    doors.sync_client.close()


def check_hits(hits):
    assert [hit.id for hit in hits] == [7, "8f14e45f-ceea-467f-9f6b-7c3d1c6a2b90"]
    assert all(isinstance(hit, models.ScoredPoint) for hit in hits)
    assert hits[0].score == 0.5 and hits[0].payload == {"text": "a"}


@pytest.mark.parametrize(
    "vector", [[0.25, 0.5], (0.25, 0.5), np.array([0.25, 0.5]), np.array([0.25, 0.5], "f4")]
)
def test_search(doors, vector):
    if isinstance(vector, tuple) and hasattr(qdrant_client.QdrantClient, "search"):
        vector = list(vector)  # older clients take a tuple for (name, vector)
    path, query, body, hits = doors.both("search", "docs", query_vector=vector, limit=5)
    assert path == "/collections/docs/points/search" and query == {}
    assert body == {"vector": [0.25, 0.5], "limit": 5, **DEFAULTS}
    check_hits(hits)


def test_search_with_everything(doors):
    path, query, body, hits = doors.both(
        "search", collection_name="a b", query_vector=("title", [1.0, 2.0]), query_filter=FILTER,
        search_params=PARAMS, limit=3, offset=2, with_payload=["text"], with_vectors=["title"],
        score_threshold=0.1, consistency="majority", timeout=9,
    )  # fmt: skip
    assert path == "/collections/a b/points/search"
    assert query == {"consistency": "majority", "timeout": "9"}
    assert body == {
        "vector": {"name": "title", "vector": [1.0, 2.0]}, "filter": FILTER_JSON,
        "params": {"hnsw_ef": 64, "exact": False}, "limit": 3, "offset": 2, "with_payload": ["text"],
        "with_vector": ["title"], "score_threshold": 0.1,
    }  # fmt: skip
    check_hits(hits)


def test_search_by_named_models(doors):
    named = models.NamedVector(name="title", vector=[1.0, 2.0])
    assert doors.both("search", "docs", named)[2]["vector"] == {"name": "title", "vector": [1.0, 2.0]}
    sparse = models.NamedSparseVector(
        name="words", vector=models.SparseVector(indices=[3, 9], values=[0.5, 1.5])
    )
    assert doors.both("search", "docs", sparse)[2]["vector"] == {
        "name": "words", "vector": {"indices": [3, 9], "values": [0.5, 1.5]},
    }  # fmt: skip


def test_search_without_payload_the_old_way(doors):
    assert doors.both("search", "docs", [1.0], append_payload=False)[2]["with_payload"] is False


def test_search_takes_grpc_structures(doors):
    from qdrant_client import grpc

    condition = grpc.FieldCondition(key="lang", match=grpc.Match(keyword="en"))
    given = grpc.Filter(must=[grpc.Condition(field=condition)])
    body = doors.both(
        "search", "docs", [1.0], query_filter=given, search_params=grpc.SearchParams(hnsw_ef=64)
    )[2]
    assert body["filter"]["must"] == FILTER_JSON["must"][:1]
    assert body["params"]["hnsw_ef"] == 64


def test_search_batch(doors):
    requests = [
        models.SearchRequest(vector=[0.5, 1.0], limit=2, with_payload=True, filter=FILTER),
        models.SearchRequest(vector=models.NamedVector(name="t", vector=[1.0]), limit=1),
    ]
    path, _, body, batches = doors.both("search_batch", "docs", requests)
    assert path == "/collections/docs/points/search/batch"
    assert body == {
        "searches": [
            {"vector": [0.5, 1.0], "limit": 2, "with_payload": True, "filter": FILTER_JSON},
            {"vector": {"name": "t", "vector": [1.0]}, "limit": 1},
        ]
    }
    check_hits(batches[0])
    assert batches[1] == []


def test_search_groups(doors):
    path, _, body, groups = doors.both(
        "search_groups", "docs", [0.5, 1.0], group_by="doc", limit=4, group_size=2, with_lookup="other"
    )
    assert path == "/collections/docs/points/search/groups"
    assert body == {
        "vector": [0.5, 1.0], "group_by": "doc", "limit": 4, "group_size": 2, "with_lookup": "other", **DEFAULTS,
    }  # fmt: skip
    assert isinstance(groups, models.GroupsResult) and groups.groups[0].id == "g"
    check_hits(groups.groups[0].hits)


def test_recommend(doors):
    path, _, body, hits = doors.both(
        "recommend", "docs", positive=[1, [0.5, 0.25]], negative=["8f14e45f-ceea-467f-9f6b-7c3d1c6a2b90"],
        using="t", lookup_from=models.LookupLocation(collection="c", vector="v"),
        strategy=models.RecommendStrategy.BEST_SCORE, score_threshold=0.5,
    )  # fmt: skip
    assert path == "/collections/docs/points/recommend"
    assert body == {
        "positive": [1, [0.5, 0.25]], "negative": ["8f14e45f-ceea-467f-9f6b-7c3d1c6a2b90"], "using": "t",
        "lookup_from": {"collection": "c", "vector": "v"}, "strategy": "best_score", "score_threshold": 0.5,
        "limit": 10, "offset": 0, **DEFAULTS,
    }  # fmt: skip
    check_hits(hits)


def test_recommend_without_examples_sends_empty_lists(doors):
    body = doors.both("recommend", "docs")[2]
    assert (body["positive"], body["negative"]) == ([], [])


def test_recommend_batch(doors):
    path, _, body, batches = doors.both(
        "recommend_batch",
        "docs",
        [models.RecommendRequest(positive=[1], limit=3), models.RecommendRequest(limit=1)],
    )
    assert path == "/collections/docs/points/recommend/batch"
    assert body == {"searches": [{"positive": [1], "limit": 3}, {"limit": 1}]}
    check_hits(batches[0])


def test_recommend_groups(doors):
    path, _, body, groups = doors.both("recommend_groups", "docs", "doc", positive=[1], limit=2)
    assert path == "/collections/docs/points/recommend/groups"
    assert body == {
        "positive": [1],
        "negative": [],
        "group_by": "doc",
        "limit": 2,
        "group_size": 1,
        **DEFAULTS,
    }
    check_hits(groups.groups[0].hits)


def test_discover(doors):
    pair = models.ContextExamplePair(positive=1, negative=[0.5, 0.25])
    path, _, body, hits = doors.both("discover", "docs", target=[1.0, 0.5], context=[pair], limit=2)
    assert path == "/collections/docs/points/discover"
    assert body == {
        "target": [1.0, 0.5], "context": [{"positive": 1, "negative": [0.5, 0.25]}], "limit": 2, "offset": 0,
        **DEFAULTS,
    }  # fmt: skip
    check_hits(hits)


def test_discover_batch(doors):
    path, _, body, batches = doors.both("discover_batch", "docs", [models.DiscoverRequest(target=3, limit=2)])
    assert path == "/collections/docs/points/discover/batch"
    assert body == {"searches": [{"target": 3, "limit": 2}]}
    check_hits(batches[0])


def test_errors_are_the_official_ones():
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    answers = iter(
        [
            httpx.Response(
                404, json={"status": {"error": "Not found: Collection `x` doesn't exist!"}, "time": 0}
            ),
            httpx.Response(200, json={"result": [{"id": 1}], "status": "ok"}),
        ]
    )
    options = {"check_compatibility": False}
    if "check_compatibility" not in inspect.signature(qdrant_client.QdrantClient.__init__).parameters:
        options = {}
    client = octant.QdrantClient(
        url="http://example", transport=httpx.MockTransport(lambda _: next(answers)), **options
    )
    with pytest.raises(UnexpectedResponse, match="Collection `x`"):
        client.search("x", [1.0])
    with pytest.raises(ResponseHandlingException):
        client.search("x", [1.0])
    client.close()


def test_locks_say_that_they_are_gone(doors):
    if hasattr(qdrant_client.QdrantClient, "lock_storage"):
        pytest.skip("this official client has locks of its own")
    for name in ("lock_storage", "unlock_storage", "get_locks"):
        with pytest.raises(NotImplementedError, match=f"{name}: the storage lock is gone"):
            getattr(doors.sync_client, name)()


def test_rest_is_the_older_name_of_http(doors):
    assert doors.sync_client.rest.client is doors.sync_client.http.client


def test_nothing_of_the_official_client_is_replaced_but_close():
    for mine, official in (
        (octant.QdrantClient, qdrant_client.QdrantClient),
        (octant.AsyncQdrantClient, qdrant_client.AsyncQdrantClient),
    ):
        replaced = {name for name in vars(mine) if not name.startswith("_") and hasattr(official, name)}
        assert replaced == {"close"}


def test_models_are_the_official_ones_and_the_dropped_ones():
    import qdrant_client.models

    for name in dir(qdrant_client.models):
        if not name.startswith("_"):
            assert getattr(models, name) is getattr(qdrant_client.models, name)
    for name in ("SearchRequest", "RecommendRequest", "DiscoverRequest", "NamedVector", "NamedSparseVector"):
        assert inspect.isclass(getattr(models, name))
    with pytest.raises(Exception, match="nonsense"):
        models.SearchRequest(vector=[1.0], limit=1, nonsense=1)
