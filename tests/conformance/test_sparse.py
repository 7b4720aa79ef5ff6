"""Goal:   sparse vectors mean the same behind every door, and what the oracle says they mean: stored, changed, filtered,
        searched in every kind of query, with and without idf, alone and beside dense vectors.
Method: random vectors with many shared indices (seeds in the cases' names; OCTANT_SEED=n gives others) in two sparse names,
        one of them with idf, beside a dense one. Octant's doors must agree to the last bit, with the oracle up to rounding
        and ties. Scores are sums of at most 12 products below 9, so 1e-5 relative is some hundred roundings.
"""

import copy
import json
import random
import urllib.error
import urllib.request
from typing import Any, Dict, Iterator, List, Optional

import pytest

import compare
import doors as doors_module
from doors import ServerDoor
from qdrant_client import models
from queries import EVERYTHING
from test_query import OTHER_SEEDS, World, brief

POINTS, INDICES = 160, 40
LARGEST = 100.0
NAMES = ("plain", "rare")


class Maker:
    """Values from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed + OTHER_SEEDS)
        self.having: Dict[str, List[Any]] = {}

    def sparse(self, least: int = 0) -> models.SparseVector:
        r = self.random
        indices = r.sample([*range(INDICES - 2), 2**31, 2**32 - 1], r.randint(least, 12))  # in no order
        return models.SparseVector(indices=indices, values=[r.choice([-1.5, 0.25, 0.5, 1, 2, 3]) for _ in indices])

    def dense(self) -> List[float]:
        return [self.random.choice([-1.0, -0.5, 0.25, 0.5, 1.0]) for _ in range(4)]

    def point(self, number: Any) -> models.PointStruct:
        r = self.random
        vectors: Dict[str, Any] = {name: self.sparse() for name in NAMES if r.random() < 0.85}
        if r.random() < 0.8:
            vectors["dense"] = self.dense()
        return models.PointStruct(id=number, vector=vectors, payload={"n": r.randrange(6), "t": r.choice(["a", "b"])})

    def filter(self) -> Optional[models.Filter]:
        r = self.random
        conditions: List[Any] = [
            models.FieldCondition(key="n", match=models.MatchValue(value=r.randrange(6))),
            models.FieldCondition(key="n", range=models.Range(gte=r.randrange(6))),
            models.HasVectorCondition(has_vector=r.choice([*NAMES, "dense"])),
            models.HasIdCondition(has_id=r.sample(range(1, POINTS + 1), 20)),
        ]
        if r.random() < 0.4:
            return None
        return models.Filter(**{r.choice(["must", "should", "must_not"]): r.sample(conditions, r.choice([1, 2]))})

    def example(self, name: str) -> Any:
        return self.random.choice(self.having[name]) if self.random.random() < 0.5 else self.sparse(1)

    def examples(self, name: str, least: int, most: int) -> List[Any]:
        return [self.example(name) for _ in range(self.random.randint(least, most))]

    def query(self, kind: str, name: str) -> Any:
        r = self.random
        if kind == "vector":
            return self.sparse(1)
        if kind == "id":
            return r.choice(self.having[name])
        if kind == "mmr":
            # One vector for a query and none of the same worth twice: candidates with equal worth may be picked either way.
            return models.NearestQuery(nearest=self.sparse(6), mmr=models.Mmr(diversity=r.choice([0.0, 0.3]), candidates_limit=60))
        if kind in ("average_vector", "best_score", "sum_scores"):
            return models.RecommendQuery(
                recommend=models.RecommendInput(
                    positive=self.examples(name, 1, 3),
                    negative=self.examples(name, 0, 2),
                    strategy=models.RecommendStrategy(kind),
                )
            )
        pairs = [
            models.ContextPair(positive=self.example(name), negative=self.example(name)) for _ in range(r.randint(1, 3))
        ]
        if kind == "discover":
            return models.DiscoverQuery(discover=models.DiscoverInput(target=self.example(name), context=pairs))
        if kind == "context":
            return models.ContextQuery(context=pairs)
        naive = models.NaiveFeedbackStrategyParams(a=r.uniform(0.1, 1), b=r.choice([0, 1, 2]), c=r.uniform(0.1, 1))
        items = [models.FeedbackItem(example=self.example(name), score=r.choice([-1, 0.25, 0.5, 1])) for _ in range(3)]
        return models.RelevanceFeedbackQuery(
            relevance_feedback=models.RelevanceFeedbackInput(
                target=self.example(name), feedback=items, strategy=models.NaiveFeedbackStrategy(naive=naive)
            )
        )


KINDS = ("vector", "id", "average_vector", "best_score", "sum_scores", "discover", "context")  # the oracle has no feedback

CONFIG: Dict[str, Any] = {
    "vectors_config": {"dense": models.VectorParams(size=4, distance=models.Distance.DOT)},
    "sparse_vectors_config": {
        "plain": models.SparseVectorParams(index=models.SparseIndexParams(full_scan_threshold=10, on_disk=True)),
        "rare": models.SparseVectorParams(modifier=models.Modifier.IDF),
    },
}


class SparseWorld(World):
    def __init__(self, seed: int = 7) -> None:
        self.doors = []
        opened = doors_module.open_all()
        self.oracle, self.doors = opened[0], opened[1:]
        self.seed = seed
        maker = Maker(seed)
        self.points_made = [maker.point(number) for number in range(1, POINTS + 1)]
        self.having = {name: [p.id for p in self.points_made if name in p.vector] for name in [*NAMES, "dense"]}
        for door in opened:
            door.client.create_collection("c", **copy.deepcopy(CONFIG))
            door.client.upsert("c", points=copy.deepcopy(self.points_made), wait=True)

    def maker(self, seed: int) -> Maker:
        made = Maker(seed)
        made.having = self.having
        return made

    def both(self, method: str, **arguments: Any) -> Any:
        """One call behind all doors; they must agree, and Octant's answer is returned with the oracle's."""
        got, want = self.ask_doors(method, **arguments), self.ask_oracle(method, **arguments)
        assert got.ok == want.ok, f"{method}({arguments}):\n{got}\nexpected {want}"
        return got, want

    def check_hits(self, arguments: Dict[str, Any]) -> int:
        got, want = self.both("query_points", **arguments)
        hits, expected = compare.plain(got.value.points), compare.plain(want.value.points)
        whole = {**arguments, "limit": EVERYTHING, "offset": 0}
        everything = compare.plain(self.ask_oracle("query_points", **whole).value.points)
        found = compare.difference_of_hits(hits, expected, everything, True, LARGEST) or compare.misplaced_tie(hits)
        assert not found, f"{arguments}: {found}\ngot      {brief(hits)}\nexpected {brief(expected)}"
        return len(hits)


@pytest.fixture(scope="module")
def world() -> Iterator[SparseWorld]:
    reason = doors_module.missing_reason()
    if reason:
        pytest.skip(reason)
    made = SparseWorld()
    yield made
    made.close()


def server_of(world: SparseWorld) -> ServerDoor:
    return next(door for door in world.doors if isinstance(door, ServerDoor))


def post(world: SparseWorld, method: str, path: str, body: Any) -> Any:
    """Status and answer of a raw request."""
    request = urllib.request.Request(server_of(world).server.url + path, method=method, data=json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


# --- reading ------------------------------------------------------------------------------------------


def test_configuration_is_shown_as_given(world: SparseWorld) -> None:
    for door in world.doors:
        params = door.client.get_collection("c").config.params
        assert params.sparse_vectors == CONFIG["sparse_vectors_config"], door.name


def test_vectors_come_back_sorted_and_whole(world: SparseWorld) -> None:
    got, want = world.both("retrieve", collection_name="c", ids=list(range(1, POINTS + 1)), with_vectors=True)
    found = compare.difference_of_lists(compare.plain(got.value), compare.plain(want.value))
    assert not found, found
    for record in got.value:
        for name in NAMES:
            if name in record.vector:
                assert record.vector[name].indices == sorted(record.vector[name].indices)


@pytest.mark.parametrize("name", [*NAMES, "dense"])
def test_has_vector_knows_them(world: SparseWorld, name: str) -> None:
    wanted = models.Filter(must=[models.HasVectorCondition(has_vector=name)])
    got, want = world.both("scroll", collection_name="c", scroll_filter=wanted, limit=EVERYTHING, with_vectors=[name])
    assert [r.id for r in got.value[0]] == [r.id for r in want.value[0]] == world.having[name]
    assert world.ask_doors("count", collection_name="c", count_filter=wanted).value.count == len(world.having[name])


# --- one level ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_one_level(world: SparseWorld, kind: str, name: str, seed: int) -> None:
    maker = world.maker(1000 * seed + len(kind))
    hits = 0
    for _ in range(6):
        hits += world.check_hits(
            {
                "collection_name": "c",
                "query": maker.query(kind, name),
                "using": name,
                "query_filter": maker.filter(),
                "limit": maker.random.choice([1, 5, 20, EVERYTHING]),
                "offset": maker.random.choice([0, 0, 3]),
                "with_vectors": maker.random.choice([False, [name], True]),
            }
        )
    assert hits > 0


def test_points_that_share_no_index_are_not_found(world: SparseWorld) -> None:
    stranger = models.SparseVector(indices=[777777], values=[1.0])
    assert world.check_hits({"collection_name": "c", "query": stranger, "using": "plain", "limit": 10}) == 0
    empty = models.SparseVector(indices=[], values=[])
    assert world.check_hits({"collection_name": "c", "query": empty, "using": "plain", "limit": 10}) == 0


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_thresholds_keep_what_is_strictly_better(world: SparseWorld, share: float) -> None:
    maker = world.maker(int(share * 100))
    arguments = {"collection_name": "c", "query": maker.sparse(8), "using": "plain", "limit": EVERYTHING}
    scores = sorted({hit.score for hit in world.ask_oracle("query_points", **arguments).value.points})
    at = scores[int(share * len(scores))]
    got, want = world.both("query_points", score_threshold=at, **arguments)
    assert [hit.score for hit in got.value.points] == [hit.score for hit in want.value.points]
    assert all(hit.score > at for hit in got.value.points)


@pytest.mark.parametrize("seed", range(1, 7))
@pytest.mark.parametrize("name", NAMES)
def test_mmr_scores_are_those_of_the_search(world: SparseWorld, name: str, seed: int) -> None:
    maker = world.maker(seed)
    arguments = {"collection_name": "c", "query": maker.query("mmr", name), "using": name, "limit": 12}
    got, want = world.both("query_points", **arguments)
    assert len(got.value.points) == len(want.value.points)
    by_id = {hit.id: hit.score for hit in want.value.points}
    assert compare.is_close(got.value.points[0].score, want.value.points[0].score)
    for hit in got.value.points:
        if hit.id in by_id:
            assert compare.is_close(hit.score, by_id[hit.id]), hit


def product(a: models.SparseVector, b: models.SparseVector) -> float:
    other = dict(zip(b.indices, b.values))
    return sum(value * other.get(index, 0.0) for index, value in zip(a.indices, a.values))


@pytest.mark.parametrize("seed", range(1, 4))
def test_feedback_is_its_formula(world: SparseWorld, seed: int) -> None:
    """The oracle knows no feedback by sparse vectors: a sim(target) + the sum over ordered pairs of d^b c (sim - sim)."""
    maker = world.maker(seed)
    query = maker.query("feedback", "plain").relevance_feedback
    stored = {p.id: p.vector["plain"] for p in world.points_made if "plain" in p.vector}
    vector_of = lambda example: stored[example] if isinstance(example, int) else example  # noqa: E731
    used = {example for example in [query.target, *[item.example for item in query.feedback]] if isinstance(example, int)}
    naive = query.strategy.naive

    def score(vector: models.SparseVector) -> float:
        total = naive.a * product(vector_of(query.target), vector)
        for better in query.feedback:
            for worse in query.feedback:
                by = better.score - worse.score
                if by > 0:
                    difference = product(vector_of(better.example), vector) - product(vector_of(worse.example), vector)
                    total += by**naive.b * naive.c * difference
        return total

    want = {number: score(vector) for number, vector in stored.items() if number not in used}
    wanted = models.RelevanceFeedbackQuery(relevance_feedback=query)
    got = world.ask_doors("query_points", collection_name="c", query=wanted, using="plain", limit=EVERYTHING).value.points
    assert {hit.id for hit in got} == set(want)
    for hit in got:
        assert compare.is_close(hit.score, want[hit.id], 1e-4, LARGEST), hit
    assert [hit.score for hit in got] == sorted((hit.score for hit in got), reverse=True)


# --- idf ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(1, 7))
def test_idf_of_a_corpus(world: SparseWorld, seed: int) -> None:
    maker = world.maker(seed)
    corpus = models.Filter(must=[models.FieldCondition(key="n", range=models.Range(lte=maker.random.randrange(-1, 6)))])
    for idf in (models.IdfCorpusParams(corpus=corpus), models.IdfScope.GLOBAL):
        world.check_hits(
            {
                "collection_name": "c", "query": maker.sparse(4), "using": "rare", "limit": 30,
                "query_filter": maker.filter(), "search_params": models.SearchParams(idf=idf),
            }
        )  # fmt: skip


def test_idf_without_the_modifier_is_refused(world: SparseWorld) -> None:
    params = models.SearchParams(idf=models.IdfScope.GLOBAL)
    for name, query in (("plain", models.SparseVector(indices=[1], values=[1.0])), ("dense", [1.0, 0, 0, 0])):
        got = world.ask_doors("query_points", collection_name="c", query=query, using=name, search_params=params)
        assert got.status == 400 and "search param `idf` requires a sparse vector with the `idf` modifier" in got.text


def test_modifier_can_change(world: SparseWorld) -> None:
    query = models.SparseVector(indices=[1, 2, 3], values=[1.0, 1.0, 1.0])
    arguments = {"collection_name": "c", "query": query, "using": "plain", "limit": 10}
    before = [hit.score for hit in world.ask_doors("query_points", **arguments).value.points]
    for modifier in (models.Modifier.IDF, models.Modifier.NONE):
        for door in world.doors:
            door.client.update_collection("c", sparse_vectors_config={"plain": models.SparseVectorParams(modifier=modifier)})
        got = [hit.score for hit in world.ask_doors("query_points", **arguments).value.points]
        assert (got != before) == (modifier == models.Modifier.IDF)
    for door in world.doors:  # the index's settings stay as they were
        shown = door.client.get_collection("c").config.params.sparse_vectors["plain"]
        assert shown.index == CONFIG["sparse_vectors_config"]["plain"].index


# --- levels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(1, 7))
@pytest.mark.parametrize("fusion", ["rrf", "dbsf"])
def test_hybrid_fusion(world: SparseWorld, fusion: str, seed: int) -> None:
    maker = world.maker(seed)
    for _ in range(4):
        # Everything that has a score: ties at the end of a prefetch could be cut either way.
        prefetch: List[Any] = [
            models.Prefetch(query=maker.dense(), using="dense", limit=EVERYTHING, filter=maker.filter()),
            models.Prefetch(query=maker.sparse(3), using="rare", limit=EVERYTHING),
            models.Prefetch(query=maker.sparse(3), using="plain", limit=EVERYTHING, filter=maker.filter()),
        ]
        got, want = world.both(
            "query_points", collection_name="c", prefetch=prefetch, query=models.FusionQuery(fusion=fusion), limit=EVERYTHING
        )
        assert sorted(hit.id for hit in got.value.points) == sorted(hit.id for hit in want.value.points)
        if fusion == "dbsf":  # of scores, not of places, which ties move
            by_id = {hit.id: hit.score for hit in want.value.points}
            for hit in got.value.points:
                assert compare.is_close(hit.score, by_id[hit.id], 1e-4), hit


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_rescoring_of_a_dense_prefetch(world: SparseWorld, kind: str, name: str, seed: int) -> None:
    maker = world.maker(50 * seed)
    for _ in range(2):
        prefetch = models.Prefetch(
            query=maker.sparse(6), using="rare" if name == "plain" else "plain", limit=EVERYTHING, filter=maker.filter()
        )
        world.check_hits(
            {
                "collection_name": "c", "prefetch": prefetch, "query": maker.query(kind, name), "using": name,
                "limit": maker.random.choice([3, 30, EVERYTHING]),
            }
        )  # fmt: skip


def test_dense_rescoring_of_a_sparse_prefetch(world: SparseWorld) -> None:
    maker = world.maker(3)
    prefetch = models.Prefetch(query=maker.sparse(6), using="plain", limit=EVERYTHING)
    assert world.check_hits(
        {"collection_name": "c", "prefetch": prefetch, "query": maker.dense(), "using": "dense", "limit": 20}
    )


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("name", NAMES)
def test_groups(world: SparseWorld, name: str, size: int) -> None:
    maker = world.maker(size)
    query = models.SparseVector(indices=list(range(12)), values=[1 + 0.37 * k**2 for k in range(12)])  # hardly a tie
    got, want = world.both(
        "query_points_groups", collection_name="c", query=query, using=name, group_by="n", group_size=size, limit=6,
        query_filter=maker.filter(),
    )  # fmt: skip
    scores = [{g.id: [round(h.score, 4) for h in g.hits] for g in side.value.groups} for side in (got, want)]
    assert scores[0].keys() == scores[1].keys()
    for key in scores[0]:
        assert scores[0][key] == pytest.approx(scores[1][key], rel=1e-4)


def test_batches(world: SparseWorld) -> None:
    maker = world.maker(9)
    requests = [models.QueryRequest(query=maker.sparse(4), using=name, limit=10) for name in NAMES for _ in range(3)]
    got, want = world.both("query_batch_points", collection_name="c", requests=requests)
    for a, b in zip(got.value, want.value):
        assert [hit.score for hit in a.points] == pytest.approx([hit.score for hit in b.points], rel=1e-5)


@pytest.mark.parametrize("limit", [1, 3, POINTS])
def test_matrix_pairs_share_an_index(world: SparseWorld, limit: int) -> None:
    arguments = {"collection_name": "c", "using": "plain", "sample": 2 * POINTS, "limit": limit}
    got, want = world.both("search_matrix_pairs", **arguments)
    scores = [sorted((pair.a, round(pair.score, 3)) for pair in side.value.pairs) for side in (got, want)]
    assert scores[0] == scores[1]
    offsets = world.ask_doors("search_matrix_offsets", **arguments).value
    assert len(offsets.offsets_row) == len(offsets.offsets_col) == len(offsets.scores) == len(got.value.pairs)


@pytest.mark.parametrize("route", ["search", "search/batch", "search/groups", "recommend", "discover"])
def test_old_routes_take_sparse_vectors(world: SparseWorld, route: str) -> None:
    vector = {"indices": [5, 1, 9], "values": [1.0, 2.0, 0.5]}
    one: Dict[str, Any] = {"vector": {"name": "plain", "vector": vector}, "limit": 5}
    ids = world.having["plain"][:3]
    bodies: Dict[str, Any] = {
        "search": one,
        "search/batch": {"searches": [one, one]},
        "search/groups": {**one, "group_by": "n", "group_size": 2},
        "recommend": {"positive": [ids[0], vector], "negative": [ids[1]], "using": "plain", "limit": 5},
        "discover": {"target": vector, "context": [{"positive": ids[0], "negative": ids[1]}], "using": "plain", "limit": 5},
    }
    status, answer = post(world, "POST", f"/collections/c/points/{route}", bodies[route])
    assert status == 200, answer
    if route == "search":
        query = models.SparseVector(**vector)
        want = world.ask_doors("query_points", collection_name="c", query=query, using="plain", limit=5).value.points
        assert [(hit["id"], hit["score"]) for hit in answer["result"]] == [(hit.id, hit.score) for hit in want]
    assert answer["result"]


# --- what is refused ----------------------------------------------------------------------------------------

UPSERT = "/collections/c/points?wait=true"
REFUSED = [
    ("lengths_differ", UPSERT, {"points": [{"id": 1, "vector": {"plain": {"indices": [1, 2], "values": [1]}}}]}, 422,
     "values: Validation error: must be the same length as indices [{}]"),
    ("index_twice", UPSERT, {"points": [{"id": 1, "vector": {"plain": {"indices": [1, 1], "values": [1, 2]}}}]}, 422,
     "indices: Validation error: must be unique [{}]"),
    ("negative_index", UPSERT, {"points": [{"id": 1, "vector": {"plain": {"indices": [-1], "values": [1]}}}]}, 400, "indices"),
    ("index_too_large", UPSERT, {"points": [{"id": 1, "vector": {"plain": {"indices": [2**32], "values": [1]}}}]}, 400, "indices"),
    ("value_no_float", UPSERT, {"points": [{"id": 1, "vector": {"plain": {"indices": [1], "values": [1e39]}}}]}, 400, "values"),
    ("value_text", UPSERT, {"points": [{"id": 1, "vector": {"plain": {"indices": [1], "values": ["a"]}}}]}, 400, "values"),
    ("dense_for_sparse", UPSERT, {"points": [{"id": 1, "vector": {"plain": [1, 2, 3, 4]}}]}, 400,
     "Conversion between sparse and regular vectors failed"),
    ("sparse_for_dense", UPSERT, {"points": [{"id": 1, "vector": {"dense": {"indices": [1], "values": [1]}}}]}, 400,
     "Conversion between sparse and regular vectors failed"),
    ("unknown_name", UPSERT, {"points": [{"id": 1, "vector": {"none": {"indices": [1], "values": [1]}}}]}, 400,
     "Not existing vector name error: none"),
    ("create_same_name", "/collections/new", {"vectors": {"a": {"size": 2, "distance": "Dot"}}, "sparse_vectors": {"a": {}}}, 400,
     "Dense and sparse vector names must be unique - duplicate found with 'a'"),
    ("create_without_name", "/collections/new", {"sparse_vectors": {"": {}}}, 400, "Sparse vector name cannot be empty"),
    ("create_turbo4", "/collections/new", {"sparse_vectors": {"a": {"index": {"datatype": "turbo4"}}}}, 422,
     "sparse vectors do not support"),
    ("create_unknown_modifier", "/collections/new", {"sparse_vectors": {"a": {"modifier": "tf"}}}, 400, "unknown variant `tf`"),
    ("create_no_map", "/collections/new", {"sparse_vectors": ["a"]}, 400, "sparse_vectors"),
]  # fmt: skip


@pytest.mark.parametrize("path, body, status, text", [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused(world: SparseWorld, path: str, body: Any, status: int, text: str) -> None:
    before = world.ask_doors("retrieve", collection_name="c", ids=[1], with_vectors=True).value
    got, answer = post(world, "PUT", path, body)
    assert got == status and text in answer["status"]["error"], answer
    assert world.ask_doors("retrieve", collection_name="c", ids=[1], with_vectors=True).value == before


@pytest.mark.parametrize("query, using", [([1.0, 0, 0, 0], "plain"), (models.SparseVector(indices=[1], values=[1.0]), "dense")])
def test_queries_of_the_wrong_kind_are_refused(world: SparseWorld, query: Any, using: str) -> None:
    got = world.ask_doors("query_points", collection_name="c", query=query, using=using)
    assert got.status == 400 and "Conversion between sparse and regular vectors failed" in got.text


# --- histories ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(1, 7))
def test_histories_of_writes(seed: int) -> None:
    """Upserts, updates and deletions of vectors and points, closings, compactions; then everything is compared, statistics of
    idf included."""
    reason = doors_module.missing_reason()
    if reason:
        pytest.skip(reason)
    world = SparseWorld(seed)
    everyone = [world.oracle, *world.doors]
    maker = world.maker(seed + 500)
    r = maker.random
    try:
        for step in range(60):
            ids = r.sample(range(1, POINTS + 1), r.randint(1, 12))
            method = r.choice(["upsert", "upsert", "update_vectors", "delete_vectors", "delete", "reopen", "by_filter", "optimize"])
            arguments: Dict[str, Any] = {"collection_name": "c", "wait": True}
            if method == "reopen":
                for door in world.doors:
                    door.reopen()
            elif method == "optimize":
                for door in world.doors:
                    door.call("update_collection", collection_name="c", optimizers_config=models.OptimizersConfigDiff(
                        vacuum_min_vector_number=100, deleted_threshold=r.choice([0.05, 0.3])))
            if method in ("reopen", "optimize"):
                continue
            if method == "upsert":
                arguments["points"] = [maker.point(number) for number in ids]
            elif method == "update_vectors":
                there = [record.id for record in world.oracle.client.retrieve("c", ids)]
                if not there:
                    continue
                arguments["points"] = [
                    models.PointVectors(id=number, vector={r.choice(NAMES): maker.sparse()}) for number in there
                ]
            elif method == "delete_vectors":
                there = [record.id for record in world.oracle.client.retrieve("c", ids)]  # it stumbles over others
                arguments.update(points=there, vectors=r.sample(NAMES, r.randint(1, 2)))
                if not there:
                    continue
            elif method == "delete":
                arguments["points_selector"] = ids[:3]
            else:
                method = "delete_vectors"
                wanted = models.Filter(must=[models.FieldCondition(key="n", match=models.MatchValue(value=r.randrange(6)))])
                arguments.update(points=models.FilterSelector(filter=wanted), vectors=["plain"])
            for door in everyone:
                outcome = door.call(method, **copy.deepcopy(arguments))
                assert outcome.ok, f"seed {seed}, step {step}: {door.name}: {method}({arguments}): {outcome}"
            if step % 10 == 9:
                for name in NAMES:
                    world.check_hits({"collection_name": "c", "query": maker.sparse(6), "using": name, "limit": 25})
        got, want = world.both("scroll", collection_name="c", limit=EVERYTHING, with_vectors=True)
        found = compare.difference_of_lists(compare.plain(got.value[0]), compare.plain(want.value[0]))
        assert not found, f"seed {seed}: {found}"
        for name in NAMES:
            for _ in range(5):
                world.check_hits({"collection_name": "c", "query": maker.sparse(1), "using": name, "limit": EVERYTHING})
    finally:
        world.close()


# --- shapes of collections -----------------------------------------------------------------------------------


def test_a_collection_may_have_only_sparse_vectors(world: SparseWorld) -> None:
    for door in world.doors:
        door.client.create_collection("alone", sparse_vectors_config={"s": models.SparseVectorParams()})
        door.client.upsert("alone", [models.PointStruct(id=1, vector={"s": models.SparseVector(indices=[7], values=[2.0])})])
        hits = door.client.query_points("alone", query=models.SparseVector(indices=[7], values=[3.0]), using="s").points
        assert [(hit.id, hit.score) for hit in hits] == [(1, 6.0)]
        assert door.client.get_collection("alone").config.params.vectors == {}
    assert post(world, "GET", "/collections/alone", None)[1]["result"]["config"]["params"]["vectors"] == {}


def test_an_unnamed_vector_beside_sparse_ones(world: SparseWorld) -> None:
    everyone = [world.oracle, *world.doors]
    for door in everyone:
        door.client.create_collection(
            "beside",
            vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT),
            sparse_vectors_config={"s": models.SparseVectorParams()},
        )
        vectors = {"": [1.0, 2.0], "s": models.SparseVector(indices=[3, 1], values=[1.0, 2.0])}
        door.client.upsert("beside", [models.PointStruct(id=1, vector=vectors), models.PointStruct(id=2, vector=[3.0, 4.0])])
    got, want = world.both("retrieve", collection_name="beside", ids=[1, 2], with_vectors=True)
    assert compare.plain(got.value) == compare.plain(want.value)
    assert world.ask_doors("query_points", collection_name="beside", query=[1.0, 0.0]).value.points[0].id == 2


def test_names_come_and_go(world: SparseWorld) -> None:
    path = "/collections/c/vectors"
    assert post(world, "PUT", f"{path}/later", {"sparse": {"modifier": "idf"}})[0] == 200
    assert post(world, "PUT", f"{path}/later", {"sparse": {"modifier": "idf"}})[0] == 200  # the same again is fine
    status, answer = post(world, "PUT", f"{path}/later", {"sparse": {}})
    assert status == 400 and "Sparse vector `later` already exists with a different configuration" in answer["status"]["error"]
    status, answer = post(world, "PUT", f"{path}/later", {"dense": {"size": 3, "distance": "Dot"}})
    assert status == 400 and "Vector `later` already exists as a sparse vector" in answer["status"]["error"]
    status, answer = post(world, "PUT", f"{path}/dense", {"sparse": {}})
    assert status == 400 and "Sparse vector `dense` already exists as a dense vector" in answer["status"]["error"]
    body = {"points": [{"id": 1, "vector": {"later": {"indices": [4], "values": [1.0]}}}]}
    assert post(world, "PUT", "/collections/c/points/vectors?wait=true", body)[0] == 200
    query = {"query": {"indices": [4], "values": [1.0]}, "using": "later"}
    found = post(world, "POST", "/collections/c/points/query", query)[1]["result"]["points"]
    assert [hit["id"] for hit in found] == [1]
    server_of(world).reopen()
    assert post(world, "POST", "/collections/c/points/query", query)[1]["result"]["points"] == found
    assert post(world, "DELETE", f"{path}/later", None)[0] == 200
    assert post(world, "POST", "/collections/c/points/query", query)[0] == 400
