"""Goal:   a filter means the same to Octant as to Qdrant, wherever one may stand, and the same behind each door.
Method: random payloads and random filters of every kind (filters.py) on 70 points with two named vectors, numbers and
        UUIDs for ids; scroll, count and search, then writes that a filter chooses the points of. Each answer
        is compared between the doors to the bit and with the oracle's, up to what differences.py names; after each
        write everything stored is compared. A second test asks every condition by itself; a third asks for hits on
        collections with a graph.
Seeds:  71 to 78, ROUNDS rounds each (OCTANT_STEPS=n plays n); 81, 91 to 92.
"""

import os
import random
import time
import uuid
from typing import Any, Callable, Dict, List

import numpy as np
import pytest
from qdrant_client import models

import compare
import differences
from doors import Door
from filters import Generator

ROUNDS = int(os.environ.get("OCTANT_STEPS", "60"))
POINTS = 70
SIZES = {"image": 4, "text": 3}
ALL = 10_000


class Table:
    """One collection behind all doors."""

    def __init__(self, doors: List[Door], seed: int) -> None:
        self.doors, self.random = doors, random.Random(seed)
        r = self.random
        self.ids: List[Any] = list(range(POINTS // 2)) + [
            str(uuid.UUID(int=r.getrandbits(128))) for _ in range(POINTS // 2)
        ]
        self.make = Generator(r, self.ids, list(SIZES))
        self.seed = seed
        self.everywhere(
            "create_collection",
            vectors_config={
                "image": models.VectorParams(size=SIZES["image"], distance=models.Distance.DOT),
                "text": models.VectorParams(size=SIZES["text"], distance=models.Distance.EUCLID),
            },
        )
        self.everywhere("upsert", points=[self.point(point_id) for point_id in self.ids])

    def vector(self, name: str) -> List[float]:
        """Small integers: sums are exact, and there are ties."""
        return [float(self.random.randint(-4, 4)) for _ in range(SIZES[name])]

    def vectors(self) -> Dict[str, List[float]]:
        return {name: self.vector(name) for name in SIZES if self.random.random() < 0.8}

    def point(self, point_id: Any) -> models.PointStruct:
        return models.PointStruct(id=point_id, vector=self.vectors(), payload=self.make.payload())

    # --- asking ---------------------------------------------------------------------------------

    def everywhere(self, method: str, **arguments: Any) -> List[Any]:
        """The plain values of all doors, the oracle's first; they must fail alike."""
        arguments = {"collection_name": "c", **arguments}
        want = differences.ask_oracle(self.doors[0], method, arguments)
        got = [door.call(method, **arguments) for door in self.doors[1:]]
        for door, outcome in zip(self.doors[1:], got):
            same = (outcome.ok, outcome.status, outcome.text) == (got[0].ok, got[0].status, got[0].text)
            assert same and door.sees(outcome.value) == door.sees(got[0].value), (
                f"seed {self.seed}: {method}({arguments})\n{self.doors[1].name}: {got[0]}\n{door.name}: {outcome}"
            )
        assert got[0].ok == want.ok, f"seed {self.seed}: {method}({arguments}) gives {got[0]}\nexpected {want}"
        return [compare.plain(outcome.value) for outcome in [want, *got]]

    def ids_of(self, asked: Any) -> List[Any]:
        want, got = self.everywhere("scroll", scroll_filter=asked, limit=ALL, with_payload=False)[:2]
        found = [record["id"] for record in got[0]]
        expected = [record["id"] for record in want[0]]
        if found != expected:
            wrong = set(map(str, found)) ^ set(map(str, expected))
            records = self.doors[0].client.scroll("c", limit=ALL)[0]
            shown = [f"{record.id}: {record.payload}" for record in records if str(record.id) in wrong][:3]
            pytest.fail(f"seed {self.seed}: {asked!r}\ngives {found}\nexpected {expected}\n" + "\n".join(shown))
        return expected

    def check_reads(self, asked: Any) -> int:
        expected = self.ids_of(asked)
        want, got = self.everywhere("count", count_filter=asked, exact=self.random.random() < 0.8)[:2]
        assert got == want == {"count": len(expected)}, f"seed {self.seed}: {asked!r}: {got}"
        self.check_page(asked, expected)
        self.check_hits(asked)
        return len(expected)

    def check_page(self, asked: Any, expected: List[Any]) -> None:
        limit, offset = self.random.choice([1, 3, 10]), self.random.choice(self.ids)
        want, got = self.everywhere(
            "scroll", scroll_filter=asked, limit=limit, offset=offset, with_vectors=self.random.random() < 0.3
        )[:2]
        found = compare.difference_of_lists(got[0], want[0])
        assert not found and got[1] == want[1], f"seed {self.seed}: {asked!r}: {found or got[1]}"

    def check_hits(self, asked: Any) -> None:
        r = self.random
        name = r.choice(list(SIZES))
        arguments = {
            "query": self.vector(name) if r.random() < 0.8 else None,
            "using": name,
            "query_filter": asked,
            "limit": r.choice([1, 5, 100]),
            "offset": r.choice([0, 0, 2]),
        }
        want, got = self.everywhere("query_points", **arguments)[:2]
        if arguments["query"] is None:
            found = compare.difference_of_lists(got["points"], want["points"])
        else:
            arguments = {"collection_name": "c", **arguments, "limit": ALL, "offset": 0}
            everything = differences.ask_oracle(self.doors[0], "query_points", arguments)
            found = compare.difference_of_hits(
                got["points"], want["points"], compare.plain(everything.value.points), name == "image"
            )
        assert not found, f"seed {self.seed}: {asked!r}: {found}"

    # --- changing -------------------------------------------------------------------------------

    def write(self) -> None:
        r, asked = self.random, self.make.filter()
        targets = asked if r.random() < 0.5 else models.FilterSelector(filter=asked)
        some = r.sample(self.ids, r.randint(1, 8))
        small = {"touched": r.randint(0, 3)}
        writes: List[Callable[[], Any]] = [
            lambda: self.everywhere("set_payload", payload=small, points=targets),
            lambda: self.everywhere("set_payload", payload=small, points=targets, key=self.make.path()),
            lambda: self.everywhere("overwrite_payload", payload={**small, **self.make.payload()}, points=targets),
            lambda: self.everywhere("delete_payload", keys=[self.make.path(), "touched"], points=targets),
            lambda: self.everywhere("clear_payload", points_selector=targets),
            lambda: self.everywhere("delete_vectors", vectors=[r.choice(list(SIZES))], points=targets),
            lambda: self.everywhere("delete", points_selector=targets),
            lambda: self.everywhere(
                "upsert",
                points=[self.point(point_id) for point_id in some],
                update_filter=r.choice([None, asked]),
                update_mode=r.choice([None, *models.UpdateMode]),
            ),
            lambda: self.everywhere(
                "update_vectors",
                points=[models.PointVectors(id=point_id, vector={"text": self.vector("text")}) for point_id in some],
                update_filter=asked,
            ),
            lambda: self.batch(asked),
        ]
        r.choice(writes)()
        self.check_all_stored()
        if r.random() < 0.3:  # fill up again what filters have deleted
            self.everywhere("upsert", points=[self.point(point_id) for point_id in r.sample(self.ids, 30)])

    def batch(self, asked: models.Filter) -> None:
        r = self.random
        other = self.make.filter()
        operations = [
            models.SetPayloadOperation(set_payload=models.SetPayload(payload={"batch": 1}, filter=asked)),
            models.DeletePayloadOperation(delete_payload=models.DeletePayload(keys=[self.make.path()], filter=other)),
            models.ClearPayloadOperation(clear_payload=models.FilterSelector(filter=self.make.filter())),
            models.DeleteOperation(delete=models.FilterSelector(filter=models.Filter(must=[asked, other]))),
            models.UpsertOperation(
                upsert=models.PointsList(
                    points=[self.point(point_id) for point_id in r.sample(self.ids, 3)],
                    update_filter=other,
                    update_mode=r.choice([None, models.UpdateMode.UPDATE_ONLY]),
                )
            ),
        ]
        self.everywhere("batch_update_points", update_operations=r.sample(operations, r.randint(1, len(operations))))

    def check_all_stored(self) -> None:
        want, got = self.everywhere("scroll", limit=ALL, with_vectors=True)[:2]
        found = compare.difference_of_lists(got[0], want[0])
        assert not found, f"seed {self.seed}: {found}"


@pytest.mark.parametrize("seed", range(71, 79))
def test_random_filters_choose_alike(doors: List[Door], seed: int) -> None:
    table = Table(doors, seed)
    asked = held = 0
    for number in range(ROUNDS):
        for _ in range(3):
            held += table.check_reads(table.make.filter(depth=table.random.choice([0, 1, 2, 3])))
            asked += POINTS
        table.write()
        if number == ROUNDS // 2:
            for door in doors[1:]:
                door.reopen()
    print(f"seed {seed}: {held} of {asked} answers were yes")
    assert asked * 0.05 < held < asked * 0.95


CONDITIONS = [
    "match value", "match any", "match except", "match text", "match text_any", "match phrase", "match prefix",
    "match substring", "range", "datetime range", "geo_radius", "geo_bounding_box", "geo_polygon", "values_count",
    "is_empty", "is_null", "field is_empty", "field is_null", "has_id", "has_vector", "slice", "nested", "filter",
    "min_should",
]  # fmt: skip


def condition(make: Generator, kind: str) -> Any:
    """A random condition of one kind."""
    r = make.random
    if kind.startswith("match ") and kind != "match substring":
        wanted = "Match" + kind[6:].title().replace("_", "")
        match = make.match()
        while type(match).__name__ != wanted:
            match = make.match()
        return models.FieldCondition(key=r.choice(["color", "tags", "size", "flag", make.path()]), match=match)
    fields = {
        "match substring": ("color", "match", lambda: models.MatchSubstring(substring=r.choice("redun "))),
        "range": ("size", "range", lambda: models.Range(**make.bounds([-2, 0, 0.5, 1, 3, 5]))),
        "values_count": ("tags", "values_count", lambda: models.ValuesCount(**make.bounds([0, 1, 2, 3]))),
        "geo_radius": ("place", "geo_radius", lambda: models.GeoRadius(center=make.point(), radius=r.choice([1e5, 8e6]))),
        "geo_bounding_box": (
            "place",
            "geo_bounding_box",
            lambda: models.GeoBoundingBox(top_left=make.point(), bottom_right=make.point()),
        ),
        "geo_polygon": (
            "place",
            "geo_polygon",
            lambda: models.GeoPolygon(exterior=make.ring(), interiors=r.choice([None, [], [make.ring()]])),
        ),
        "field is_empty": ("tags", "is_empty", lambda: r.random() < 0.5),
        "field is_null": ("color", "is_null", lambda: r.random() < 0.5),
    }
    if kind in fields:
        key, name, test = fields[kind]
        return models.FieldCondition(key=key if r.random() < 0.6 else make.path(), **{name: test()})
    others = {
        "datetime range": lambda: models.FieldCondition(
            key="made",
            range=models.DatetimeRange(**make.bounds(["2024-01-02T00:00:00Z", "2024-01-02T02:04:05.123456Z", "1999-01-01"])),
        ),
        "is_empty": lambda: models.IsEmptyCondition(is_empty=models.PayloadField(key=make.path())),
        "is_null": lambda: models.IsNullCondition(is_null=models.PayloadField(key=make.path())),
        "has_id": lambda: models.HasIdCondition(has_id=r.sample(make.ids, r.randint(0, 9))),
        "has_vector": lambda: models.HasVectorCondition(has_vector=r.choice(["image", "text", "", "none"])),
        "slice": lambda: make.slice(r.randint(1, 7)),
        "nested": lambda: make.nested(1),
        "filter": lambda: make.filter(1),
        "min_should": lambda: models.Filter(
            min_should=models.MinShould(conditions=[make.condition(1) for _ in range(4)], min_count=r.randint(1, 4))
        ),
    }
    return others[kind]()


@pytest.mark.parametrize("kind", CONDITIONS)
def test_each_condition_chooses_alike(doors: List[Door], kind: str) -> None:
    table = Table(doors, 81)
    held = 0
    for number in range(25):
        asked = condition(table.make, kind)
        part = "must_not" if number % 5 == 4 else "must"
        held += len(table.ids_of(models.Filter(**{part: [asked]})))
    assert 0 < held < 25 * POINTS


def test_of_repeated_ids_in_a_conditional_upsert_the_last_counts(doors: List[Door]) -> None:
    """What differences.updates_are_judged_before_the_request names."""
    only_red = models.Filter(must=[models.FieldCondition(key="color", match=models.MatchValue(value="red"))])
    points = [
        models.PointStruct(id=1, vector={}, payload={"color": "green", "n": 1}),
        models.PointStruct(id=1, vector={}, payload={"color": "green", "n": 2}),
        models.PointStruct(id=2, vector={}, payload={"color": "blue", "n": 1}),
        models.PointStruct(id=2, vector={}, payload={"color": "blue", "n": 2}),
    ]
    assert differences.updates_are_judged_before_the_request(points)
    for door in doors[1:]:
        client = door.client
        client.create_collection("c", vectors_config={"v": models.VectorParams(size=1, distance=models.Distance.DOT)})
        client.upsert("c", points=[models.PointStruct(id=1, vector={}, payload={"color": "red"})])
        client.upsert("c", points=points, update_filter=only_red)
        stored = [(record.id, record.payload["n"]) for record in client.scroll("c")[0]]
        assert stored == [(1, 2), (2, 2)], door.name
        client.upsert("c", points=points, update_filter=only_red)
        client.upsert("c", points=points, update_mode=models.UpdateMode.INSERT_ONLY)
        assert all(record.payload["n"] == 2 for record in client.scroll("c")[0]), door.name


COUNT, DIM = 3000, 16
INDEX_SECONDS = 60


@pytest.mark.parametrize("seed", [91, 92])
def test_limit_matching_points_give_limit_hits(doors: List[Door], seed: int) -> None:
    """On a collection that is searched by its graph, with filters of every selectivity, between deletes."""
    rng, picks = np.random.default_rng(seed), random.Random(seed)
    distance = picks.choice(list(models.Distance))
    vectors = rng.standard_normal((COUNT, DIM)).astype(np.float32)
    found = wanted_all = 0

    def everywhere(method: str, **arguments: Any) -> List[Any]:
        outcomes = [door.call(method, collection_name="c", **arguments) for door in doors]
        for door, outcome in zip(doors, outcomes):
            assert outcome.ok, f"{door.name}: {outcome}"
        for door, outcome in zip(doors[2:], outcomes[2:]):
            assert door.sees(outcome.value) == door.sees(outcomes[1].value), f"{door.name}: {method}({arguments})"
        return [outcome.value for outcome in outcomes[:2]]

    everywhere(
        "create_collection",
        vectors_config=models.VectorParams(size=DIM, distance=distance),
        hnsw_config=models.HnswConfigDiff(m=16, ef_construct=100, full_scan_threshold=10),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=10),
    )
    for start in range(0, COUNT, 500):
        ids = list(range(start, start + 500))
        payloads = [{"r": picks.randrange(1000), "g": f"g{i % 20}"} for i in ids]
        everywhere("upsert", points=models.Batch(ids=ids, vectors=vectors[ids].tolist(), payloads=payloads))
    deadline = time.monotonic() + INDEX_SECONDS
    for door in doors[1:]:  # so that the doors' graphs are equal, and their answers with them
        while door.client.get_collection("c").indexed_vectors_count < COUNT * 0.8:
            assert time.monotonic() < deadline, f"{door.name} does not index"
            time.sleep(0.05)
    for number in range(30):
        share, limit = picks.choice([0, 1, 5, 30, 200, 999]), picks.choice([1, 10, 100, 1000])
        low = picks.randrange(1000 - share)
        asked = models.Filter(must=[models.FieldCondition(key="r", range=models.Range(gte=low, lte=low + share))])
        if picks.random() < 0.4:
            asked.must_not = [models.FieldCondition(key="g", match=models.MatchAny(any=["g1", "g7", "g19"]))]
        want, got = everywhere(
            "query_points",
            query=rng.standard_normal(DIM).tolist(),
            query_filter=asked,
            limit=limit,
            search_params=models.SearchParams(hnsw_ef=128),
        )
        assert len(got.points) == len(want.points), f"{asked!r}, limit {limit}"
        scores = {hit.id: hit.score for hit in want.points}
        found += sum(hit.id in scores for hit in got.points)
        wanted_all += len(want.points)
        assert all(compare.is_close(hit.score, scores[hit.id]) for hit in got.points if hit.id in scores)
        matching = {record.id for record in doors[0].client.scroll("c", scroll_filter=asked, limit=COUNT)[0]}
        assert {hit.id for hit in got.points} <= matching
        if number % 3 == 2:
            gone = models.FieldCondition(key="r", range=models.Range(gte=low, lt=low + 15))
            everywhere("delete", points_selector=models.Filter(must=[gone]))
    print(f"{distance.value}: recall {found / wanted_all:.4f}")
    assert found >= 0.95 * wanted_all
