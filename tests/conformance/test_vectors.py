"""Goal:   multivectors, vector names that come and go, and narrower datatypes mean what they mean to the oracle.
Method: the same random points and queries through every door; scores to 1e-5, order up to ties. Local mode knows no
        datatypes, so those are held against numpy, by the rules of docs/compatibility.md.
"""

import random
import time
from typing import Any, Callable, Dict, Iterator, List

import numpy as np
import pytest

import compare
import doors as doors_module
from doors import Door
from qdrant_client import models

POINTS = 60
MAX_SIM = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
DISTANCES = list(models.Distance)


@pytest.fixture(scope="module")
def opened() -> Iterator[List[Door]]:
    made = doors_module.open_all()
    yield made
    for door in made:
        door.close()


def rows(r: random.Random, most: int = 5) -> List[List[float]]:
    return [[r.uniform(-1, 1) for _ in range(4)] for _ in range(r.randint(1, most))]


def points(seed: int) -> List[models.PointStruct]:
    r = random.Random(seed)
    return [
        models.PointStruct(
            id=i, vector={"late": rows(r), "first": [r.uniform(-1, 1) for _ in range(3)]}, payload={"group": i % 7}
        )
        for i in range(POINTS)
    ]


def fresh(opened: List[Door], distance: models.Distance) -> str:
    name = f"multi-{distance.value}"
    for door in opened:
        door.client.delete_collection(name)
        door.client.create_collection(
            name,
            vectors_config={
                "late": models.VectorParams(size=4, distance=distance, multivector_config=MAX_SIM),
                "first": models.VectorParams(size=3, distance=models.Distance.DOT),
            },
        )
        door.client.upsert(name, points(11), wait=True)
    return name


def hits(answer: Any) -> List[Any]:
    return [(point.id, point.score) for point in answer.points]


def same_hits(got: List[Any], want: List[Any]) -> None:
    assert len(got) == len(want)
    for (_, score), (_, expected) in zip(got, want):
        assert compare.is_close(score, expected, 1e-5), f"{got}\nexpected {want}"
    # Where neighbours in the list differ by more than rounding, the points are the same ones.
    for at, (point, score) in enumerate(got):
        alone = all(abs(score - other) > 1e-4 for i, (_, other) in enumerate(want) if i != at)
        assert not alone or at == len(got) - 1 or point == want[at][0], f"{got}\nexpected {want}"


QUERY = rows(random.Random(5), 3) + rows(random.Random(6), 3)
EXAMPLES = dict(positive=[1, QUERY], negative=[3])
PAIR = models.ContextPair(positive=1, negative=2)
LATE: Dict[str, Callable[[], Dict[str, Any]]] = {
    "nearest": lambda: {"query": QUERY},
    "nearest_by_id": lambda: {"query": 5},
    "one_row": lambda: {"query": QUERY[:1]},
    "rescored_prefetch": lambda: {"query": QUERY, "prefetch": models.Prefetch(query=[1, 2, 3], using="first", limit=20)},
    "prefetch_of_multi": lambda: {"query": models.FusionQuery(fusion=models.Fusion.DBSF),
                                  "prefetch": [models.Prefetch(query=QUERY, using="late", limit=20),
                                               models.Prefetch(query=[1, 2, 3], using="first", limit=20)],
                                  "using": None},
    "formula": lambda: {"query": models.FormulaQuery(formula=models.MultExpression(mult=["$score", 2.0])),
                        "prefetch": models.Prefetch(query=QUERY, using="late", limit=20), "using": None},
    "average_vector": lambda: {"query": models.RecommendQuery(recommend=models.RecommendInput(
        **EXAMPLES, strategy=models.RecommendStrategy.AVERAGE_VECTOR))},
    "best_score": lambda: {"query": models.RecommendQuery(recommend=models.RecommendInput(
        **EXAMPLES, strategy=models.RecommendStrategy.BEST_SCORE))},
    "sum_scores": lambda: {"query": models.RecommendQuery(recommend=models.RecommendInput(
        **EXAMPLES, strategy=models.RecommendStrategy.SUM_SCORES))},
    "discover": lambda: {"query": models.DiscoverQuery(discover=models.DiscoverInput(target=QUERY, context=[PAIR]))},
    "context": lambda: {"query": models.ContextQuery(context=[PAIR, models.ContextPair(positive=9, negative=4)])},
    "mmr": lambda: {"query": models.NearestQuery(nearest=QUERY, mmr=models.Mmr(diversity=0.4, candidates_limit=20))},
    "filtered": lambda: {"query": QUERY, "query_filter": models.Filter(
        must=[models.FieldCondition(key="group", match=models.MatchAny(any=[1, 2]))])},
    "offset": lambda: {"query": QUERY, "offset": 5},
}  # fmt: skip


@pytest.mark.parametrize("distance", DISTANCES, ids=[d.value for d in DISTANCES])
def test_multivectors(opened: List[Door], distance: models.Distance) -> None:
    name = fresh(opened, distance)
    for what, make in LATE.items():
        asked = {"using": "late", "limit": 7, **make()}
        want = hits(opened[0].client.query_points(name, **asked))
        for door in opened[1:]:
            try:
                same_hits(hits(door.client.query_points(name, **asked)), want)
            except AssertionError as reason:
                raise AssertionError(f"{what} through {door.name}: {reason}") from None


MANY = 400
WALKS: Dict[str, Callable[[], Dict[str, Any]]] = {
    what: LATE[what] for what in ("nearest", "nearest_by_id", "one_row", "average_vector", "mmr", "filtered", "offset")
}
WALKS["few_allowed"] = lambda: {"query": QUERY, "query_filter": models.Filter(must=[models.HasIdCondition(has_id=[5, 17, 300])])}
WALKS["threshold"] = lambda: {"query": QUERY, "limit": 300, "score_threshold": 2.0}


@pytest.mark.parametrize("distance", DISTANCES, ids=[d.value for d in DISTANCES])
def test_multivectors_by_the_graph(opened: List[Door], distance: models.Distance) -> None:
    """The graph is over the rows; a walk as wide as it finds what the oracle finds, a narrow one true scores and enough hits."""
    name = f"walked-{distance.value}"
    r = random.Random(23)
    made = [models.PointStruct(id=i, vector={"late": rows(r)}, payload={"group": i % 7}) for i in range(MANY)]
    changed = [models.PointVectors(id=i, vector={"late": rows(r)}) for i in range(0, MANY, 9)]
    for door in opened:
        door.client.delete_collection(name)
        door.client.create_collection(
            name,
            vectors_config={"late": models.VectorParams(size=4, distance=distance, multivector_config=MAX_SIM)},
            hnsw_config=models.HnswConfigDiff(m=8, full_scan_threshold=10),
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=1),
        )
        door.client.upsert(name, made, wait=True)
        door.client.update_vectors(name, points=changed, wait=True)
        door.client.delete(name, points_selector=list(range(4, MANY, 11)), wait=True)
    for door in opened[1:]:
        for reopened in (False, True):
            if reopened:
                door.reopen()
            c = door.client
            for _ in range(1200):  # it is built in the background
                if c.get_collection(name).indexed_vectors_count > 0:
                    break
                time.sleep(0.1)
            else:
                raise AssertionError("there is no graph")
            for what, make in WALKS.items():
                asked = {"using": "late", "limit": 7, **make()}
                want = hits(opened[0].client.query_points(name, **asked))
                try:
                    same_hits(hits(c.query_points(name, search_params=models.SearchParams(hnsw_ef=4000), **asked)), want)
                    same_hits(hits(c.query_points(name, search_params=models.SearchParams(exact=True), **asked)), want)
                except AssertionError as reason:
                    raise AssertionError(f"{what} through {door.name}: {reason}") from None
            every = dict(hits(c.query_points(name, query=QUERY, using="late", limit=MANY)))
            some = hits(c.query_points(name, query=QUERY, using="late", limit=5, search_params=models.SearchParams(hnsw_ef=5)))
            assert len(some) == 5 and all(every[point] == score for point, score in some)


@pytest.mark.parametrize("distance", DISTANCES, ids=[d.value for d in DISTANCES])
def test_multivectors_are_stored_changed_and_returned(opened: List[Door], distance: models.Distance) -> None:
    name = fresh(opened, distance)
    shown = []
    for door in opened:
        c = door.client
        c.delete_vectors(name, vectors=["late"], points=[1], wait=True)
        c.update_vectors(name, points=[models.PointVectors(id=2, vector={"late": [[1, 0, 0, 0]]})], wait=True)
        c.update_vectors(name, points=[models.PointVectors(id=3, vector={"late": QUERY})], wait=True)
        c.delete(name, points_selector=[4], wait=True)
        door.reopen()
        c = door.client
        records = c.scroll(name, limit=POINTS, with_vectors=True)[0]
        having = c.count(name, count_filter=models.Filter(must=[models.HasVectorCondition(has_vector="late")])).count
        groups = c.query_points_groups(name, query=QUERY, using="late", limit=3, group_by="group", group_size=2).groups
        pairs = c.search_matrix_pairs(name, sample=POINTS, limit=2, using="late").pairs
        shown.append((records, having, groups, pairs))
    for (records, having, groups, pairs), door in zip(shown[1:], opened[1:]):
        want = shown[0]
        assert [record.id for record in records] == [record.id for record in want[0]], door.name
        for got, expected in zip(records, want[0]):
            assert sorted(got.vector) == sorted(expected.vector)
            for key in got.vector:
                assert np.allclose(got.vector[key], expected.vector[key], atol=2e-6)
        assert having == want[1]
        assert [[hit.id for hit in group.hits] for group in groups] == [[hit.id for hit in group.hits] for group in want[2]]
        assert len(pairs) == len(want[3])


BAD_MULTI = {
    "empty": ([], 422), "empty_row": ([[]], 422), "ragged": ([[1, 2, 3, 4], [1, 2, 3]], 422),
    "wrong_dim": ([[1, 2, 3]], 400), "not_numbers": ([["a"]], 400), "sparse": ({"indices": [1], "values": [2.0]}, 400),
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(BAD_MULTI))
def test_bad_multivectors_are_refused(opened: List[Door], what: str) -> None:
    import json
    import urllib.error
    import urllib.request

    name = fresh(opened, models.Distance.DOT)
    server = opened[3]
    value, status = BAD_MULTI[what]
    body = json.dumps({"points": [{"id": 1000, "vector": {"late": value}}]}).encode()
    request = urllib.request.Request(
        f"{server.server.url}/collections/{name}/points?wait=true", body, {"Content-Type": "application/json"}, method="PUT"
    )
    with pytest.raises(urllib.error.HTTPError) as reason:
        urllib.request.urlopen(request, timeout=10)
    assert reason.value.code == status, reason.value.read()
    assert server.client.count(name).count == POINTS


def test_a_multivector_is_no_query_for_a_dense_name(opened: List[Door]) -> None:
    name = fresh(opened, models.Distance.DOT)
    for door in opened[1:]:
        got = door.call("query_points", collection_name=name, query=[[1.0, 2.0, 3.0]], using="first")
        assert not got.ok and got.status == 400
        assert "Conversion between multi and regular vectors failed" in got.text


def test_vector_names_come_and_go(opened: List[Door]) -> None:
    name = fresh(opened, models.Distance.COSINE)
    dense = models.DenseVectorNameConfig(dense=models.DenseVectorConfig(size=2, distance=models.Distance.DOT))
    larger = models.DenseVectorNameConfig(dense=models.DenseVectorConfig(size=3, distance=models.Distance.EUCLID))
    for door in opened:
        c = door.client
        c.create_vector_name(name, "new", dense)
        c.create_vector_name(name, "new", dense)  # the same again: nothing happens
        assert not door.call("create_vector_name", collection_name=name, vector_name="new", vector_name_config=larger).ok
        assert sorted(c.get_collection(name).config.params.vectors) == ["first", "late", "new"]
        assert c.query_points(name, query=[1.0, 1.0], using="new", limit=5).points == []
        c.update_vectors(name, points=[models.PointVectors(id=2, vector={"new": [1, 2]})], wait=True)
        assert hits(c.query_points(name, query=[1.0, 1.0], using="new", limit=5)) == [(2, 3.0)]
        c.delete_vector_name(name, "new")
        c.delete_vector_name(name, "new")
        assert sorted(c.get_collection(name).config.params.vectors) == ["first", "late"]
        assert sorted(c.retrieve(name, [2], with_vectors=True)[0].vector) == ["first", "late"]
        assert not door.call("query_points", collection_name=name, query=[1.0, 1.0], using="new").ok
        c.create_vector_name(name, "new", larger)
        assert sorted(c.retrieve(name, [2], with_vectors=True)[0].vector) == ["first", "late"]
        c.upsert(name, [models.PointStruct(id=2, vector={"new": [0, 3, 4]})], wait=True)
        door.reopen()
        c = door.client
        assert hits(c.query_points(name, query=[0.0, 0.0, 0.0], using="new", limit=5)) == [(2, 5.0)]
        assert c.retrieve(name, [2], with_vectors=True)[0].vector == {"new": [0, 3, 4]}


def test_the_only_unnamed_vector_stays(opened: List[Door]) -> None:
    for door in opened:
        door.client.create_collection("bare", vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT))
        assert not door.call("delete_vector_name", collection_name="bare", vector_name="").ok
        dense = models.DenseVectorNameConfig(dense=models.DenseVectorConfig(size=2, distance=models.Distance.DOT))
        door.client.create_vector_name("bare", "named", dense)
        assert sorted(door.client.get_collection("bare").config.params.vectors) == ["", "named"]


def stored(values: np.ndarray, datatype: str, distance: models.Distance) -> np.ndarray:
    if datatype == "uint8":
        return np.clip(np.trunc(values), 0, 255).astype(np.float64)
    if distance == models.Distance.COSINE:
        values = values / np.linalg.norm(values, axis=-1, keepdims=True)
    return values.astype(np.float16).astype(np.float64)


def likeness(a: np.ndarray, b: np.ndarray, datatype: str, distance: models.Distance) -> np.ndarray:
    if distance == models.Distance.EUCLID:
        return -np.sqrt(((a - b) ** 2).sum(1))
    if distance == models.Distance.MANHATTAN:
        return -np.abs(a - b).sum(1)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b)
    return (a @ b) / (lengths if distance == models.Distance.COSINE and datatype == "uint8" else 1.0)


@pytest.mark.parametrize("distance", DISTANCES, ids=[d.value for d in DISTANCES])
@pytest.mark.parametrize("datatype", ["float16", "uint8"])
def test_narrower_datatypes(opened: List[Door], datatype: str, distance: models.Distance) -> None:
    name = f"{datatype}-{distance.value}"
    random_numbers = np.random.default_rng(3)
    low, high = (-20, 280) if datatype == "uint8" else (-2, 2)
    values = random_numbers.uniform(low, high, (200, 5)).astype(np.float32)
    query = values[7] * np.float32(0.9)
    kept = stored(values, datatype, distance)
    scores = likeness(kept, stored(query, datatype, distance), datatype, distance)
    best = np.argsort(-scores)[:10]
    for door in opened[1:]:
        c = door.client
        params = models.VectorParams(size=5, distance=distance, datatype=datatype)
        c.create_collection(name, vectors_config=params)
        made = [models.PointStruct(id=i, vector=v.tolist()) for i, v in enumerate(values)]
        c.upsert(name, made, wait=True)
        door.reopen()
        c = door.client
        assert c.get_collection(name).config.params.vectors.datatype == datatype
        assert np.allclose([p.vector for p in c.retrieve(name, list(range(200)), with_vectors=True)], kept, rtol=1e-6)
        got = hits(c.query_points(name, query=query.tolist(), limit=10))
        up = distance in (models.Distance.COSINE, models.Distance.DOT)
        same_hits(got, [(int(i), float(scores[i] if up else -scores[i])) for i in best])
