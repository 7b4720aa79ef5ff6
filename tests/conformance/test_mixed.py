"""Goal:   queries whose levels go over different kinds of vectors - dense of two metrics, sparse with and without idf,
        multivectors - mean the same behind every door, and what the oracle says they mean.
Method: random trees of prefetches to a depth of 3, each level over a vector name of its own, merged by fusion, by a
        formula or by another query; groups and matrices over each kind of vector. Values are continuous and sparse
        vectors always overlap (7 of 12 indices at least), so that inner levels have no ties and one answer. Seeds in the
        cases' names; OCTANT_SEED=n gives others.
"""

import copy
import random
from typing import Any, Dict, Iterator, List, Optional

import pytest

import compare
import differences
import doors as doors_module
from doors import Door, Outcome
from qdrant_client import models
from queries import EVERYTHING
from test_query import OTHER_SEEDS, World, check_groups

POINTS, OTHERS = 120, 25
SPARSE_INDICES = [*range(10), 2**31, 2**32 - 1]
SPACES = ("cosine", "euclid", "words", "rare", "rows", "far")
UP = {"cosine", "words", "rare", "rows"}
KINDS = ("nearest", "average", "best_score", "sum_scores", "discover")


class Maker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed + OTHER_SEEDS)
        self.having: Dict[str, List[Any]] = {}

    def floats(self, count: int) -> List[float]:
        return [round(self.random.uniform(-1, 1), 4) for _ in range(count)]

    def vector(self, space: str) -> Any:
        r = self.random
        if space in ("words", "rare"):
            indices = r.sample(SPARSE_INDICES, r.randint(7, 12))
            return models.SparseVector(indices=indices, values=self.floats(len(indices)))
        if space in ("rows", "far"):
            return [self.floats(3) for _ in range(r.randint(1, 3))]
        return self.floats(6)

    def points(self) -> List[models.PointStruct]:
        made = []
        self.having = {space: [] for space in SPACES}
        for number in range(1, POINTS + 1):
            spaces = [space for space in SPACES if self.random.random() < 0.85]
            for space in spaces:
                self.having[space].append(number)
            tags = self.random.choice([["x"], ["x", "y"], "z", 7, 1.5, []])
            payload = {"n": number % 5, "t": tags, "w": self.random.uniform(0.1, 2)}
            made.append(models.PointStruct(id=number, vector={s: self.vector(s) for s in spaces}, payload=payload))
        return made

    def filter(self) -> Optional[models.Filter]:
        r = self.random
        conditions: List[Any] = [
            models.FieldCondition(key="n", match=models.MatchAny(any=r.sample(range(5), 3))),
            models.FieldCondition(key="t", match=models.MatchValue(value=r.choice(["x", "y", "z"]))),
            models.FieldCondition(key="w", range=models.Range(lt=r.uniform(0.8, 2))),
            models.HasVectorCondition(has_vector=r.choice(SPACES)),
        ]
        if r.random() < 0.5:
            return None
        if r.random() < 0.2:
            return models.Filter(min_should=models.MinShould(conditions=conditions, min_count=2))
        return models.Filter(**{r.choice(["must", "should", "must_not"]): r.sample(conditions, r.choice([1, 2]))})

    def example(self, space: str) -> Any:
        return self.random.choice(self.having[space]) if self.random.random() < 0.4 else self.vector(space)

    def examples(self, space: str, least: int, most: int) -> List[Any]:
        return [self.example(space) for _ in range(self.random.randint(least, most))]

    def query(self, space: str, kind: Optional[str] = None) -> Any:
        kind = kind or self.random.choice(KINDS)
        if kind == "nearest":
            return self.example(space)
        if kind == "discover":
            pairs = [
                models.ContextPair(positive=self.example(space), negative=self.example(space))
                for _ in range(self.random.randint(0, 2))
            ]
            return models.DiscoverQuery(discover=models.DiscoverInput(target=self.example(space), context=pairs))
        strategy = None if kind == "average" else models.RecommendStrategy(kind)
        positive = self.examples(space, 1, 3)
        negative = self.examples(space, 0, 2)
        return models.RecommendQuery(
            recommend=models.RecommendInput(positive=positive, negative=negative, strategy=strategy)
        )

    def merging(self, count: int) -> Any:
        r = self.random
        dice = r.random()
        if dice < 0.35:
            return models.RrfQuery(rrf=models.Rrf(k=r.choice([None, 1, 60]), weights=[r.uniform(0.3, 3) for _ in range(count)]))
        if dice < 0.65:
            return models.FusionQuery(fusion=models.Fusion.DBSF)
        # Constants that 32-bit floats hold exactly: over gRPC the client says no others.
        scores: List[Any] = [
            models.MultExpression(mult=[r.randrange(4, 32) / 16, f"$score[{i}]"]) for i in range(count)
        ]
        return models.FormulaQuery(
            formula=models.SumExpression(sum=[*scores, models.MultExpression(mult=["w", 0.375])]),
            defaults={f"$score[{i}]": r.randrange(-16, 17) / 16 for i in range(count)},
        )

    def ordered(self) -> models.OrderByQuery:
        """By a field that has a value of its own in each point."""
        r = self.random
        start = r.choice([None, round(r.uniform(0.3, 1.5), 2)])
        return models.OrderByQuery(order_by=models.OrderBy(key="w", direction=r.choice(["asc", "desc", None]), start_from=start))

    def prefetch(self, depth: int) -> models.Prefetch:
        r = self.random
        inner = self.prefetches(depth - 1) if depth > 0 and r.random() < 0.6 else None
        made = models.Prefetch(prefetch=inner, filter=self.filter(), limit=r.choice([None, 7, 30, 60]))
        dice = r.random()
        if inner is not None and dice < 0.4:
            made.query = self.merging(len(inner))
        elif dice > 0.9:
            made.query = self.ordered()
            return made
        else:
            made.using = r.choice(SPACES)
            made.query = self.query(made.using)
            if inner is None and dice > 0.8:
                mmr = models.Mmr(diversity=r.choice([0.2, 0.6]), candidates_limit=EVERYTHING)
                made.query = models.NearestQuery(nearest=self.vector(made.using), mmr=mmr)
        if r.random() < 0.2:
            made.score_threshold = r.uniform(-0.5, 1.5)
        return made

    def prefetches(self, depth: int) -> List[models.Prefetch]:
        return [self.prefetch(depth) for _ in range(self.random.randint(1, 3))]


class MixedWorld(World):
    def __init__(self) -> None:
        self.doors = []
        opened = doors_module.open_all()
        self.oracle, self.doors = opened[0], opened[1:]
        self.made = Maker(11)
        points = self.made.points()
        max_sim = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
        for door in opened:
            door.client.create_collection(
                "main",
                vectors_config={
                    "cosine": models.VectorParams(size=6, distance=models.Distance.COSINE),
                    "euclid": models.VectorParams(size=6, distance=models.Distance.EUCLID),
                    "rows": models.VectorParams(size=3, distance=models.Distance.DOT, multivector_config=max_sim),
                    "far": models.VectorParams(size=3, distance=models.Distance.EUCLID, multivector_config=max_sim),
                },
                sparse_vectors_config={
                    "words": models.SparseVectorParams(),
                    "rare": models.SparseVectorParams(modifier=models.Modifier.IDF),
                },
            )
            assert door.call("upsert", collection_name="main", points=copy.deepcopy(points), wait=True).ok
            door.call("create_payload_index", collection_name="main", field_name="w", field_schema="float", wait=True)
            self.add_other(door)

    def add_other(self, door: Door) -> None:
        """A collection to look up examples in, with the same kinds of vectors under other names."""
        max_sim = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
        sizes = {"cosine": 6, "euclid": 6, "rows": 3, "far": 3}
        vectors = {
            f"other {name}": models.VectorParams(
                size=size, distance=models.Distance.DOT, multivector_config=max_sim if size == 3 else None
            )
            for name, size in sizes.items()
        }
        sparse = {f"other {name}": models.SparseVectorParams() for name in ("words", "rare")}
        door.client.create_collection("other", vectors_config=vectors, sparse_vectors_config=sparse)
        maker = Maker(12)
        points = [
            models.PointStruct(id=i, vector={f"other {space}": maker.vector(space) for space in SPACES})
            for i in range(1, OTHERS + 1)
        ]
        assert door.call("upsert", collection_name="other", points=points, wait=True).ok

    def ask_oracle(self, method: str, **arguments: Any) -> Outcome:
        outcome = super().ask_oracle(method, **arguments)
        return differences.order_values_end_with_their_level(arguments, outcome) if method == "query_points" else outcome

    def maker(self, seed: int) -> Maker:
        made = Maker(seed)
        made.having = self.made.having
        return made


@pytest.fixture(scope="module")
def world() -> Iterator[MixedWorld]:
    reason = doors_module.missing_reason()
    if reason:
        pytest.skip(reason)
    made = MixedWorld()
    yield made
    made.close()


def larger_is_better(space: str, query: Any) -> bool:
    """Only nearest and the average show the metric."""
    shows_metric = not isinstance(query, (models.RecommendQuery, models.DiscoverQuery)) or (
        isinstance(query, models.RecommendQuery) and query.recommend.strategy is None
    )
    return space in UP or not shows_metric


def check_order(world: MixedWorld, arguments: Dict[str, Any]) -> None:
    got, want = world.ask_doors("query_points", **arguments), world.ask_oracle("query_points", **arguments)
    assert got.ok and want.ok, f"{arguments}: {got}, {want}"
    assert [hit.id for hit in got.value.points] == [hit.id for hit in want.value.points], arguments
    assert all(hit.score == 1.0 for hit in got.value.points), arguments


@pytest.mark.parametrize("seed", range(1, 9))
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_levels_over_different_vectors(world: MixedWorld, depth: int, seed: int) -> None:
    maker = world.maker(100 * seed + depth)
    hits = 0
    for _ in range(5):
        prefetch = maker.prefetches(depth)
        arguments: Dict[str, Any] = {
            "collection_name": "main", "prefetch": prefetch, "query_filter": maker.filter(),
            "limit": maker.random.choice([1, 5, 20, EVERYTHING]), "offset": maker.random.choice([0, 0, 3]),
            "with_payload": ["n"], "with_vectors": maker.random.sample(SPACES, 2),
        }  # fmt: skip
        dice = maker.random.random()
        if dice < 0.5:
            arguments["query"], up = maker.merging(len(prefetch)), True
        elif dice < 0.6:
            arguments["query"] = maker.ordered()
            check_order(world, arguments)
            continue
        else:
            space = maker.random.choice(SPACES)
            arguments.update(query=maker.query(space), using=space)
            up = larger_is_better(space, arguments["query"])
        hits += max(world.check(arguments, up), 0)
    assert hits > 0


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("kind", KINDS)
def test_groups_of_every_kind_of_vector(world: MixedWorld, kind: str, space: str) -> None:
    maker = world.maker(len(kind) + 10 * len(space))
    for group_by in ("n", "t", "t[]"):
        arguments: Dict[str, Any] = {
            "collection_name": "main", "query": maker.query(space, kind), "using": space, "group_by": group_by,
            "limit": maker.random.choice([2, 10]), "group_size": maker.random.choice([1, 4]),
            "query_filter": maker.filter(), "with_vectors": [space],
        }  # fmt: skip
        got = world.ask_doors("query_points_groups", **arguments)
        want = world.ask_oracle("query_points_groups", **arguments)
        assert got.ok and want.ok, f"{arguments}: {got}, {want}"
        check_groups(world, got.value.groups, want.value.groups, arguments)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("kind", KINDS)
def test_examples_of_another_collection(world: MixedWorld, kind: str, space: str) -> None:
    """Looked up under another name, at the top and within prefetches; ids of there are no ids of here."""
    maker = world.maker(3 * len(kind) + len(space))
    maker.having = {name: list(range(1, OTHERS + 1)) for name in SPACES}
    lookup = models.LookupLocation(collection="other", vector=f"other {space}")
    for number in range(4):
        arguments: Dict[str, Any] = {
            "collection_name": "main", "query": maker.query(space, kind), "using": space, "lookup_from": lookup,
            "query_filter": maker.filter(), "limit": maker.random.choice([5, EVERYTHING]),
        }  # fmt: skip
        up = larger_is_better(space, arguments["query"])
        if number % 2 == 1:
            inner = models.Prefetch(**{name: arguments.pop(name) for name in ("query", "using", "lookup_from")})
            arguments.update(prefetch=inner, query=maker.vector("cosine"), using="cosine")
            up = True
        world.check(arguments, up)


@pytest.mark.parametrize("space", SPACES)
def test_matrices_of_every_kind_of_vector(world: MixedWorld, space: str) -> None:
    maker = world.maker(len(space))
    for query_filter in (None, maker.filter()):
        arguments: Dict[str, Any] = {
            "collection_name": "main", "using": space, "sample": POINTS, "limit": 3, "query_filter": query_filter,
        }  # fmt: skip
        got = world.ask_doors("search_matrix_pairs", **arguments).value.pairs
        want = world.ask_oracle("search_matrix_pairs", **arguments).value.pairs
        assert [(pair.a, pair.b) for pair in got] == [(pair.a, pair.b) for pair in want]
        for a, b in zip(got, want):
            assert compare.is_close(a.score, b.score, largest_dot=5.0), (a, b)


@pytest.mark.parametrize("space", SPACES)
def test_mmr_of_every_kind_of_vector(world: MixedWorld, space: str) -> None:
    maker = world.maker(7 * len(space))
    for diversity in (0.0, 0.3, 0.8):
        mmr = models.Mmr(diversity=diversity, candidates_limit=EVERYTHING)
        arguments: Dict[str, Any] = {
            "collection_name": "main", "query": models.NearestQuery(nearest=maker.vector(space), mmr=mmr), "using": space,
            "limit": 12, "query_filter": maker.filter(),
        }  # fmt: skip
        if maker.random.random() < 0.5:
            arguments["prefetch"] = models.Prefetch(query=maker.vector("cosine"), using="cosine", limit=40)
        assert world.check(arguments, space in UP, in_order=True) > 0


def test_used_ids_stay_out_of_every_level(world: MixedWorld) -> None:
    """Examples of any level, over any kind of vector: see differences.used_ids_are_left_out_everywhere."""
    used = [next(i for i in world.made.having[space] if i % 2 == k % 2) for k, space in enumerate(("words", "far", "cosine"))]
    arguments: Dict[str, Any] = {
        "collection_name": "main", "limit": EVERYTHING, "query": models.FusionQuery(fusion=models.Fusion.RRF),
        "prefetch": [
            models.Prefetch(query=used[0], using="words", limit=EVERYTHING),
            models.Prefetch(query=used[1], using="far", limit=EVERYTHING),
            models.Prefetch(
                query=used[2], using="cosine", limit=EVERYTHING,
                prefetch=models.Prefetch(query=world.maker(3).vector("rows"), using="rows", limit=EVERYTHING),
            ),
        ],
    }  # fmt: skip
    ids = {hit.id for hit in world.ask_doors("query_points", **arguments).value.points}
    assert ids and not ids & set(used)
    assert differences.used_ids_are_left_out_everywhere(arguments)["query_filter"].must_not
