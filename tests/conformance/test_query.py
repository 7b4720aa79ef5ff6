"""Goal:   the query API means the same behind every door, and what the oracle says it means.
Method: random queries of every kind over every distance (queries.py, seeds in the cases' names; OCTANT_SEED=n gives
        others), prefetches nested, groups with lookups, batches, matrices, the old routes. Octant's doors must
        agree to the last bit; with the oracle up to rounding and ties, and up to differences.py.
"""

import copy
import os
from typing import Any, Dict, Iterator, List, Optional

import pytest

import compare
import differences
import doors as doors_module
from doors import Door, Outcome
from qdrant_client import models
from queries import EVERYTHING, POINTS, SPACES, Queries, is_up

OTHER_SEEDS = int(os.environ.get("OCTANT_SEED", "0")) * 1_000_000
DATA_SEED = 2024 + OTHER_SEEDS
EACH = 6  # queries of a case
LARGEST_DOT = 5.0  # of vectors of 5 components below 1


class World:
    """The doors with the collections in them, and what `queries` must know of those."""

    def __init__(self) -> None:
        self.doors: List[Door] = []
        opened = doors_module.open_all()
        self.oracle, self.doors = opened[0], opened[1:]
        maker = Queries(DATA_SEED)
        self.points = maker.make_points()
        self.maker = maker
        for door in opened:
            for name, vectors in maker.make_configs().items():
                door.client.create_collection(name, vectors_config=vectors)
                assert door.call("upsert", collection_name=name, points=copy.deepcopy(self.points[name]), wait=True).ok

    def queries(self, seed: int) -> Queries:
        made = Queries(seed + OTHER_SEEDS)
        made.ids, made.having, made.uuids = self.maker.ids, self.maker.having, self.maker.uuids
        return made

    def close(self) -> None:
        for door in [self.oracle, *self.doors]:
            door.close()

    # --- asking ---------------------------------------------------------------------------------

    def ask_doors(self, method: str, **arguments: Any) -> Outcome:
        """The answer of Octant, after making sure that its doors agree."""
        got = [door.call(method, **copy.deepcopy(arguments)) for door in self.doors]
        for door, other in zip(self.doors[1:], got[1:]):
            same = (got[0].ok, got[0].status, got[0].text) == (other.ok, other.status, other.text)
            if got[0].ok and same:
                same = door.sees(got[0].value) == door.sees(other.value)
            assert same, f"{method}({arguments}):\n{self.doors[0].name} answers {got[0]}\n{door.name} answers {other}"
        assert got[0].status < 500, f"{method}({arguments}): {got[0]}"
        return got[0]

    def ask_oracle(self, method: str, **arguments: Any) -> Outcome:
        asked = differences.used_ids_are_left_out_everywhere(copy.deepcopy(arguments))
        return self.oracle.call(method, **asked)

    def check(self, arguments: Dict[str, Any], bigger_is_better: bool, in_order: bool = False) -> int:
        """One query_points; returns how many hits there were."""
        got, want = self.ask_doors("query_points", **arguments), self.ask_oracle("query_points", **arguments)
        assert got.ok == want.ok, f"{arguments}:\n{got}\nexpected {want}"
        if not want.ok:
            return -1
        hits, expected = compare.plain(got.value.points), compare.plain(want.value.points)
        if in_order:
            found = difference_in_order(hits, expected)
        else:
            whole = {**arguments, "limit": EVERYTHING, "offset": 0, "score_threshold": None}
            everything = compare.plain(self.ask_oracle("query_points", **whole).value.points)
            found = compare.difference_of_hits(hits, expected, everything, bigger_is_better, LARGEST_DOT)
            found = found or compare.misplaced_tie(hits)
        assert not found, f"{arguments}: {found}\ngot      {brief(hits)}\nexpected {brief(expected)}"
        return len(hits)

    def gap(self, arguments: Dict[str, Any], at: float) -> Optional[float]:
        """A threshold between two scores, so that rounding moves no point across it."""
        whole = {**arguments, "limit": EVERYTHING, "offset": 0, "score_threshold": None}
        outcome = self.ask_oracle("query_points", **whole)
        if not outcome.ok:
            return None
        scores = sorted({point.score for point in outcome.value.points})
        gaps = [(a, b) for a, b in zip(scores, scores[1:]) if b - a > 1e-3 * max(1.0, abs(a), abs(b))]
        below, above = gaps[int(at * len(gaps))] if gaps else (0, 0)
        return (below + above) / 2 if gaps else None


def brief(hits: List[Dict[str, Any]]) -> str:
    return ", ".join(f"{hit['id']}: {hit['score']:.6g}" for hit in hits)


def difference_in_order(got: List[Dict[str, Any]], want: List[Dict[str, Any]]) -> Optional[str]:
    """Lists that have one order: mmr's is that of picking."""
    if [hit["id"] for hit in got] != [hit["id"] for hit in want]:
        return "other ids or another order"
    for a, b in zip(got, want):
        if not compare.is_close(a["score"], b["score"], largest_dot=LARGEST_DOT):
            return f"score {a['score']} of {a['id']}, expected {b['score']}"
        found = compare.difference_of_records(differences.oracle_has_no_versions(a), b)
        if found:
            return found
    return None


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    reason = doors_module.missing_reason()
    if reason:
        pytest.skip(reason)
    made = World()
    yield made
    made.close()


def page(queries: Queries) -> Dict[str, Any]:
    """How much is asked for, and what of it is shown."""
    r = queries.random
    names = r.sample(list(SPACES), 2)
    return {
        "limit": r.choice([1, 3, 10, 10, 40, EVERYTHING]),
        "offset": r.choice([0, 0, 0, 2, 25]),
        "with_payload": r.choice([False, True, ["n", "deep.list[].k"]]),
        "with_vectors": r.choice([False, False, True, names]),
    }


SPACE_NAMES = [*SPACES, None]
LEAVES = [
    pytest.param(kind, space, seed, id=f"{kind}-{space or 'unnamed'}-{seed}")
    for kind in Queries.KINDS
    for space in SPACE_NAMES
    for seed in (1, 2)
]


def place(space: Optional[str]) -> Dict[str, Any]:
    return {"collection_name": "plain"} if space is None else {"collection_name": "main", "using": space}


def larger_is_better(kind: str, space: Optional[str]) -> bool:
    """Nearest and the average show the metric; all other scores grow with likeness."""
    return is_up(space) if kind in ("nearest", "mmr", "average", "average_default") else True


@pytest.mark.parametrize("kind, space, seed", LEAVES)
def test_one_level(world: World, kind: str, space: Optional[str], seed: int) -> None:
    queries = world.queries(1000 * seed + len(kind))
    hits = 0
    for number in range(EACH):
        arguments = {**place(space), "query": queries.of_kind(kind, space), "query_filter": queries.filter()}
        arguments.update(page(queries))
        if space is None and isinstance(arguments["with_vectors"], list):
            arguments["with_vectors"] = True
        if number % 3 == 2:
            arguments["score_threshold"] = world.gap(arguments, queries.random.random())
        hits += max(world.check(arguments, larger_is_better(kind, space), in_order=kind == "mmr"), 0)
    assert hits > 0


@pytest.mark.parametrize("seed", range(1, 9))
@pytest.mark.parametrize("top", ["rrf", "rrf_weights", "dbsf", "formula"])
def test_fusion_of_prefetches(world: World, top: str, seed: int) -> None:
    queries = world.queries(100 * seed + len(top))
    for number in range(EACH):
        prefetch = queries.prefetches(0, "dot")
        tops = {
            "rrf": lambda: models.FusionQuery(fusion=models.Fusion.RRF),
            "rrf_weights": lambda: models.RrfQuery(
                rrf=models.Rrf(k=3, weights=[queries.random.choice([0.0, -1.0, 0.5, 2.0]) for _ in prefetch])
            ),
            "dbsf": lambda: models.FusionQuery(fusion=models.Fusion.DBSF),
            "formula": lambda: queries.formula(len(prefetch)),
        }
        arguments = {"collection_name": "main", "prefetch": prefetch, "query": tops[top](), "query_filter": queries.filter()}
        arguments.update(page(queries))
        if number % 3 == 2:
            arguments["score_threshold"] = world.gap(arguments, queries.random.random())
        world.check(arguments, True)


@pytest.mark.parametrize("seed", range(1, 13))
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_nested_prefetches(world: World, depth: int, seed: int) -> None:
    queries = world.queries(10000 * depth + seed)
    for _ in range(EACH):
        space = queries.random.choice(list(SPACES))
        prefetch = queries.prefetches(depth, space)
        merges = queries.random.random() < 0.5
        kind = queries.random.choice(Queries.KINDS)
        arguments = {"collection_name": "main", "prefetch": prefetch, "query_filter": queries.filter(), **page(queries)}
        if merges:
            arguments["query"] = queries.merging(len(prefetch))
        else:
            arguments.update(query=queries.of_kind(kind, space), using=space)
        up = merges or larger_is_better(kind, space)
        world.check(arguments, up, in_order=not merges and kind == "mmr")


@pytest.mark.parametrize("seed", range(1, 7))
def test_ids_looked_up_in_another_collection(world: World, seed: int) -> None:
    """Ids that are looked up elsewhere are no ids of this collection, and stay among the hits."""
    queries = world.queries(seed)
    r = queries.random
    for _ in range(EACH):
        space, name = r.choice([("cosine", None), ("cosine", "cosine"), ("dot", "again")])
        ids = r.sample(world.maker.ids["other"], 3)
        query = r.choice(
            [
                ids[0],
                models.RecommendQuery(recommend=models.RecommendInput(positive=ids[:2], negative=ids[2:])),
                models.DiscoverQuery(
                    discover=models.DiscoverInput(
                        target=ids[0], context=[models.ContextPair(positive=ids[1], negative=ids[2])]
                    )
                ),
                models.ContextQuery(context=[models.ContextPair(positive=ids[1], negative=ids[2])]),
            ]
        )
        lookup = models.LookupLocation(collection="other", vector=name)
        arguments: Dict[str, Any] = {"collection_name": "main", "query": query, "using": space, "lookup_from": lookup}
        if r.random() < 0.5 and not isinstance(query, models.ContextQuery):  # whose ties decide what is prefetched
            prefetch = models.Prefetch(query=query, using=space, lookup_from=lookup, limit=40)
            arguments = {"collection_name": "main", "prefetch": prefetch, "query": queries.vector(8), "using": "cosine"}
        arguments["limit"] = r.choice([5, EVERYTHING])
        world.check(arguments, True)


@pytest.mark.parametrize("seed", range(1, 4))
def test_points_by_id(world: World, seed: int) -> None:
    queries = world.queries(seed)
    for _ in range(EACH):
        arguments = {"collection_name": "main", "query_filter": queries.filter(), **page(queries)}
        got, want = world.ask_doors("query_points", **arguments), world.ask_oracle("query_points", **arguments)
        found = compare.difference_of_lists(compare.plain(got.value.points), compare.plain(want.value.points))
        assert not found, f"{arguments}: {found}"
        assert all(hit.score == 1.0 and hit.version == 0 for hit in got.value.points)


@pytest.mark.parametrize("seed", range(1, 4))
def test_samples(world: World, seed: int) -> None:
    """As many as asked for, of those that match and were prefetched, without repeats; all of them if all are asked for."""
    queries = world.queries(seed)
    for _ in range(EACH):
        prefetch = queries.prefetches(1, "cosine") if queries.random.random() < 0.5 else None
        arguments = {
            "collection_name": "main",
            "query": models.SampleQuery(sample=models.Sample.RANDOM),
            "query_filter": queries.filter(),
            "prefetch": prefetch,
        }
        whole = world.ask_oracle("query_points", **arguments, limit=EVERYTHING).value.points
        for door in world.doors:
            limit = queries.random.choice([1, 7, EVERYTHING])
            hits = door.client.query_points(**copy.deepcopy(arguments), limit=limit).points
            ids = [hit.id for hit in hits]
            assert len(set(ids)) == len(ids) == min(limit, len(whole)), arguments
            assert set(ids) <= {hit.id for hit in whole}, arguments
            assert all(hit.score == 1.0 and hit.version == 0 for hit in hits)


def test_samples_differ(world: World) -> None:
    ids = {
        tuple(
            hit.id
            for hit in door.client.query_points(
                "main", query=models.SampleQuery(sample=models.Sample.RANDOM), limit=5
            ).points
        )
        for door in world.doors
        for _ in range(3)
    }
    assert len(ids) > 1


@pytest.mark.parametrize("seed", range(1, 5))
def test_batches(world: World, seed: int) -> None:
    queries = world.queries(seed)
    r = queries.random
    for _ in range(3):
        requests, ups = [], []
        for _ in range(r.randint(1, 12)):
            space = r.choice(list(SPACES))
            kind = r.choice([kind for kind in Queries.KINDS if kind not in ("mmr", "context")])
            prefetch = queries.prefetches(1, space) if r.random() < 0.4 else None
            requests.append(
                models.QueryRequest(
                    query=queries.of_kind(kind, space), using=space, prefetch=prefetch, filter=queries.filter(),
                    limit=r.choice([None, 1, 5, 40]), offset=r.choice([None, 0, 3]), with_payload=r.choice([None, True]),
                )  # fmt: skip
            )
            ups.append(larger_is_better(kind, space))
        got = world.ask_doors("query_batch_points", collection_name="main", requests=requests)
        assert got.ok and len(got.value) == len(requests), got
        for request, up, answer in zip(requests, ups, got.value):
            single = {
                "collection_name": "main", "query": request.query, "using": request.using, "prefetch": request.prefetch,
                "query_filter": request.filter, "limit": request.limit or 10, "offset": request.offset,
                "with_payload": request.with_payload or False,
            }  # fmt: skip
            want = compare.plain(world.ask_oracle("query_points", **single).value.points)
            everything = compare.plain(
                world.ask_oracle("query_points", **{**single, "limit": EVERYTHING, "offset": 0}).value.points
            )
            found = compare.difference_of_hits(compare.plain(answer.points), want, everything, up, LARGEST_DOT)
            assert not found, f"{request}: {found}"


# --- groups -------------------------------------------------------------------------------------------


def check_groups(world: World, got: Any, want: Any, what: Any) -> None:
    assert [group.id for group in got] == [group.id for group in want], what
    assert [type(group.id) for group in got] == [type(group.id) for group in want], what
    for a, b in zip(got, want):
        found = difference_in_order(compare.plain(a.hits), compare.plain(b.hits))
        assert not found, f"{what}: group {a.id}: {found}"
        assert (a.lookup is None) == (b.lookup is None), f"{what}: group {a.id}: {a.lookup}, expected {b.lookup}"
        if a.lookup is not None:
            found = compare.difference_of_records(compare.plain(a.lookup), compare.plain(b.lookup))
            assert not found, f"{what}: lookup of {a.id}: {found}"


@pytest.mark.parametrize("key", ["n", "t", "tags", "tags[0]", "deep.list[].k", "odd", "owner", "w", "missing"])
@pytest.mark.parametrize("kind", ["nearest", "average", "best_score", "mmr", "fusion", "formula", "rescored", "by_id"])
def test_groups(world: World, kind: str, key: str) -> None:
    queries = world.queries(len(kind) + 100 * len(key))
    r = queries.random
    for _ in range(3):
        space = r.choice(list(SPACES))
        arguments: Dict[str, Any] = {
            "collection_name": "main",
            "group_by": key,
            "limit": r.choice([1, 2, 10]),
            "group_size": r.choice([1, 3, 50]),
            "query_filter": queries.filter(),
            "with_payload": r.choice([False, True, ["n"]]),
            "with_vectors": r.choice([False, ["dot"]]),
        }
        if kind in ("fusion", "formula", "rescored"):
            # Limits of prefetches that leave nothing out: what they are multiplied by differs from the oracle.
            arguments["prefetch"] = queries.prefetches(1, space, EVERYTHING)
        if kind == "fusion":
            weights = [r.uniform(0.3, 3) for _ in arguments["prefetch"]]
            arguments["query"] = models.RrfQuery(rrf=models.Rrf(weights=weights))
        elif kind == "formula":
            arguments["query"] = models.FormulaQuery(
                formula=models.SumExpression(sum=["$score", models.MultExpression(mult=[0.25, "w"])])
            )
        elif kind == "rescored":
            arguments.update(query=queries.vector(queries.size(space)), using=space)
        elif kind == "mmr":
            mmr = models.Mmr(diversity=0.4, candidates_limit=EVERYTHING)
            arguments.update(query=models.NearestQuery(nearest=queries.vector(queries.size(space)), mmr=mmr), using=space)
        elif kind != "by_id":
            arguments.update(query=queries.of_kind(kind, space), using=space)
        if r.random() < 0.5:
            arguments["with_lookup"] = r.choice(
                ["other", models.WithLookup(collection="other", with_payload=["number"], with_vectors=True)]
            )
        got = world.ask_doors("query_points_groups", **arguments)
        want = world.ask_oracle("query_points_groups", **arguments)
        assert got.ok and want.ok, f"{arguments}: {got}, {want}"
        check_groups(world, got.value.groups, want.value.groups, arguments)


# --- matrices -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", list(SPACES))
@pytest.mark.parametrize("limit", [1, 3, POINTS])
def test_matrices(world: World, space: str, limit: int) -> None:
    """With a sample of all points nothing is left to chance."""
    queries = world.queries(limit)
    for query_filter in (None, queries.filter(), models.Filter(must=[models.HasIdCondition(has_id=[1])])):
        arguments = {
            "collection_name": "main", "using": space, "sample": POINTS, "limit": limit, "query_filter": query_filter,
        }  # fmt: skip
        got = world.ask_doors("search_matrix_pairs", **arguments).value.pairs
        want = world.ask_oracle("search_matrix_pairs", **arguments).value.pairs
        everything = world.ask_oracle("search_matrix_pairs", **{**arguments, "limit": POINTS}).value.pairs
        scores = {(pair.a, pair.b): pair.score for pair in everything}
        assert [pair.a for pair in got] == [pair.a for pair in want]
        for a, b in zip(got, want):  # of two that are as near, either may come first
            assert compare.is_close(a.score, b.score, largest_dot=LARGEST_DOT), (a, b)
            assert compare.is_close(a.score, scores[a.a, a.b], largest_dot=LARGEST_DOT), a
        assert len({(pair.a, pair.b) for pair in got}) == len(got)
        offsets = world.ask_doors("search_matrix_offsets", **arguments).value
        assert [offsets.ids[at] for at in offsets.offsets_row] == [pair.a for pair in got]
        assert [offsets.ids[at] for at in offsets.offsets_col] == [pair.b for pair in got]
        assert offsets.scores == [pair.score for pair in got]
        assert offsets.ids == world.ask_oracle("search_matrix_offsets", **arguments).value.ids


# --- the old routes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("route", ["recommend", "discover", "search_groups", "recommend_groups"])
def test_old_routes(world: World, route: str, seed: int) -> None:
    """They mean what the query API means; the oracle knows only that."""
    queries = world.queries(seed)
    r = queries.random
    for _ in range(EACH):
        space = r.choice(list(SPACES))
        common: Dict[str, Any] = {
            "collection_name": "main", "limit": r.choice([1, 5, 20]), "query_filter": queries.filter(),
            "with_payload": True,
        }  # fmt: skip
        query: Any
        if "recommend" in route:
            strategy = r.choice([None, *models.RecommendStrategy])
            query = queries.recommend(space, strategy)
            asked = {
                "positive": query.recommend.positive, "negative": query.recommend.negative, "strategy": strategy,
                "using": space,
            }  # fmt: skip
        elif route == "discover":
            query = queries.discover(space) if r.random() < 0.5 else queries.context(space)
            target = query.discover.target if isinstance(query, models.DiscoverQuery) else None
            context = query.discover.context if isinstance(query, models.DiscoverQuery) else query.context
            pairs = [models.ContextExamplePair(positive=p.positive, negative=p.negative) for p in context] \
                if hasattr(models, "ContextExamplePair") else [p.model_dump() for p in context]  # fmt: skip
            asked = {"target": target, "context": pairs, "using": space}
        else:
            query = queries.vector(queries.size(space))
            asked = {"query_vector": (space, query)}
        if route.endswith("groups"):
            common.update(group_by=r.choice(["n", "tags"]), group_size=r.choice([1, 4]))
            got = world.ask_doors(route, **common, **asked)
            want = world.ask_oracle("query_points_groups", **common, query=query, using=space)
            assert got.ok and want.ok, f"{got}, {want}"
            check_groups(world, got.value.groups, want.value.groups, (common, asked))
            continue
        got = world.ask_doors(route, **common, **asked)
        same = world.ask_doors("query_points", **common, query=query, using=space)
        assert got.ok and same.ok, f"{common} {asked}: {got}, {same}"
        assert compare.text(got.value) == compare.text(same.value.points), (common, asked)


# --- what is refused ----------------------------------------------------------------------------------------

VECTOR = [0.5] * 8
NEAR = models.Prefetch(query=VECTOR, using="cosine", limit=30)

MISTAKES: Dict[str, Dict[str, Any]] = {
    "unknown id": {"query": 12345678, "using": "cosine"},
    "unknown id in prefetch": {"prefetch": models.Prefetch(query=12345678, using="cosine"), "query": VECTOR, "using": "cosine"},
    "unknown vector name": {"query": VECTOR, "using": "none"},
    "unnamed vector of a named collection": {"query": VECTOR},
    "wrong size": {"query": [0.5] * 9, "using": "cosine"},
    "unknown collection to look up": {
        "query": 1, "using": "cosine", "lookup_from": models.LookupLocation(collection="zz"),
    },
    "vector of another size looked up": {
        "query": 1, "using": "cosine", "lookup_from": models.LookupLocation(collection="other", vector="again"),
    },
    "prefetch without query": {"prefetch": NEAR},
    "threshold without query": {"score_threshold": 0.5},
    "fusion without prefetch": {"query": models.FusionQuery(fusion=models.Fusion.RRF)},
    "fusion with using": {"prefetch": NEAR, "query": models.FusionQuery(fusion=models.Fusion.DBSF), "using": "cosine"},
    "wrong count of weights": {"prefetch": NEAR, "query": models.RrfQuery(rrf=models.Rrf(weights=[1.0, 2.0]))},
    "rrf k of 0": {"prefetch": NEAR, "query": models.RrfQuery.model_construct(rrf=models.Rrf.model_construct(k=0))},
    "formula without prefetch": {"query": models.FormulaQuery(formula="$score")},
    "formula of a missing value": {"prefetch": NEAR, "query": models.FormulaQuery(formula="maybe")},
    "formula of a text": {"prefetch": NEAR, "query": models.FormulaQuery(formula="t")},
    "formula of an odd score": {"prefetch": NEAR, "query": models.FormulaQuery(formula="$score[x]")},
    "formula divides by zero": {
        "prefetch": NEAR,
        "query": models.FormulaQuery(formula=models.DivExpression(div=models.DivParams(left=1.0, right=0.0))),
    },
    "formula of a root of less than nothing": {
        "prefetch": NEAR, "query": models.FormulaQuery(formula=models.SqrtExpression(sqrt=-1.0)),
    },
    "formula too large for a score": {
        "prefetch": NEAR,
        "query": models.FormulaQuery(formula=models.PowExpression(pow=models.PowParams(base=10.0, exponent=50.0))),
    },
    "decay without scale": {
        "prefetch": NEAR,
        "query": models.FormulaQuery(
            formula=models.LinDecayExpression(lin_decay=models.DecayParamsExpression(x=1.0, scale=0.0))
        ),
    },
    "average without positives": {
        "query": models.RecommendQuery(recommend=models.RecommendInput(negative=[VECTOR])), "using": "cosine",
    },
    "best score without examples": {
        "query": models.RecommendQuery(
            recommend=models.RecommendInput(strategy=models.RecommendStrategy.BEST_SCORE)
        ),
        "using": "cosine",
    },
    "context without pairs": {"query": models.ContextQuery(context=[]), "using": "cosine"},
    "prefetch limit of 0": {
        "prefetch": [models.Prefetch.model_construct(query=VECTOR, using="cosine", limit=0)], "query": VECTOR,
        "using": "cosine",
    },
    "limit of 0": {"query": VECTOR, "using": "cosine", "limit": 0},
    "mmr of too many candidates": {
        "query": models.NearestQuery(nearest=VECTOR, mmr=models.Mmr.model_construct(candidates_limit=20000)),
        "using": "cosine",
    },
    "feedback that wears off backwards": {
        "query": models.RelevanceFeedbackQuery(
            relevance_feedback=models.RelevanceFeedbackInput(
                target=VECTOR,
                feedback=[models.FeedbackItem(example=VECTOR, score=1.0)],
                strategy=models.NaiveFeedbackStrategy(
                    naive=models.NaiveFeedbackStrategyParams.model_construct(a=1.0, b=-1.0, c=1.0)
                ),
            )
        ),
        "using": "cosine",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", list(MISTAKES))
def test_mistakes_fail_everywhere(world: World, name: str) -> None:
    arguments = {"collection_name": "main", **MISTAKES[name]}
    got, want = world.ask_doors("query_points", **arguments), world.ask_oracle("query_points", **arguments)
    assert not want.ok, want
    assert not got.ok and 400 <= got.status < 500, got
