"""Goal:   indexes of payload fields change no answer; order_by and facets, which need them, answer as Qdrant does; what is
        configured is shown, refused or kept over a reopening alike behind each door.
Method: the random filters and writes of test_filters.py on a collection whose fields are indexed, as many ways as there are
        types, with indexes made and dropped on the way; order_by and facets on random payloads against the oracle, which
        orders and counts by looking at everything; the texts of refusals against the reference.
Seeds:  111 to 114, ROUNDS rounds each (OCTANT_STEPS=n plays n); 121 to 126; 131 to 134.
"""

import os
import random
from typing import Any, Dict, List, Tuple

import pytest
from qdrant_client import models

import compare
from doors import Door
from test_filters import ALL, CONDITIONS, POINTS, Table, condition

ROUNDS = int(os.environ.get("OCTANT_STEPS", "40"))
T = models.PayloadSchemaType
TYPES = [T.KEYWORD, T.INTEGER, T.FLOAT, T.GEO, T.BOOL, T.DATETIME, T.UUID]
FIELDS = {
    "color": T.KEYWORD,
    "size": T.INTEGER,
    "tags": T.KEYWORD,
    "made": T.DATETIME,
    "place": T.GEO,
    "flag": T.BOOL,
    "deep.size": T.FLOAT,
    "parts[].size": T.INTEGER,
    "parts[].color": T.KEYWORD,
    "deep.parts[].tags": T.KEYWORD,
    '"two words"': T.KEYWORD,
}


class IndexedTable(Table):
    def __init__(self, doors: List[Door], seed: int) -> None:
        super().__init__(doors, seed)
        for field, kind in FIELDS.items():
            self.index(field, kind if self.random.random() < 0.7 else self.random.choice(TYPES))

    def index(self, field: str, kind: Any) -> None:
        for door in self.doors[1:]:  # the oracle knows no indexes
            made = door.call("create_payload_index", collection_name="c", field_name=field, field_schema=kind)
            assert made.ok, f"{door.name}: {field} {kind}: {made}"

    def change_indexes(self) -> None:
        r = self.random
        field = r.choice([*FIELDS, self.make.path()])
        if r.random() < 0.3:
            for door in self.doors[1:]:
                assert door.call("delete_payload_index", collection_name="c", field_name=field).ok
        else:
            self.index(field, r.choice(TYPES))


@pytest.mark.parametrize("seed", range(111, 115))
def test_random_filters_choose_alike_with_indexes(doors: List[Door], seed: int) -> None:
    table = IndexedTable(doors, seed)
    asked = held = 0
    for number in range(ROUNDS):
        for _ in range(3):
            held += table.check_reads(table.make.filter(depth=table.random.choice([0, 1, 2, 3])))
            asked += POINTS
        table.write()
        if number % 5 == 4:
            table.change_indexes()
        if number == ROUNDS // 2:
            for door in doors[1:]:
                door.reopen()
    assert asked * 0.05 < held < asked * 0.95


@pytest.mark.parametrize("kind", CONDITIONS)
def test_each_condition_chooses_alike_with_an_index(doors: List[Door], kind: str) -> None:
    table = IndexedTable(doors, 115)
    held = 0
    for number in range(20):
        part = "must_not" if number % 5 == 4 else "must"
        held += len(table.ids_of(models.Filter(**{part: [condition(table.make, kind)]})))
    assert 0 < held < 20 * POINTS


# --- order_by ------------------------------------------------------------------------------------------


class Ordered:
    """A collection whose fields hold values of one type each, or lists of them, or nothing."""

    def __init__(self, doors: List[Door], seed: int) -> None:
        self.doors, self.random, self.seed = doors, random.Random(seed), seed
        self.everywhere("create_collection", vectors_config={"v": models.VectorParams(size=2, distance=models.Distance.DOT)})
        self.upsert(range(60))
        for field, kind in (("n", T.INTEGER), ("x", T.FLOAT), ("d", T.DATETIME), ("k", T.KEYWORD), ("b", T.BOOL),
                            ("u", T.UUID), ("in[].n", T.INTEGER)):  # fmt: skip
            self.everywhere("create_payload_index", field_name=field, field_schema=kind)

    def everywhere(self, method: str, **arguments: Any) -> List[Any]:
        outcomes = [door.call(method, collection_name="c", **arguments) for door in self.doors]
        for door, outcome in zip(self.doors, outcomes):
            assert outcome.ok, f"seed {self.seed}: {door.name}: {method}({arguments}): {outcome}"
        for door, outcome in zip(self.doors[2:], outcomes[2:]):
            same = door.sees(outcome.value) == door.sees(outcomes[1].value)
            assert same, f"seed {self.seed}: {door.name}: {method}({arguments}): {outcome}\n{outcomes[1]}"
        return [compare.plain(outcome.value) for outcome in outcomes]

    def several(self, make: Any) -> Any:
        r = self.random
        return make() if r.random() < 0.7 else [make() for _ in range(r.randint(0, 3))]

    def date(self) -> str:
        r = self.random
        return f"{r.choice([1955, 2023, 2024])}-0{r.randint(1, 9)}-1{r.randint(0, 9)}T0{r.randint(0, 9)}:00:00.{r.randint(0, 9)}Z"

    def payload(self) -> Dict[str, Any]:
        r = self.random
        makers = {
            "n": lambda: self.several(lambda: r.randint(-5, 9)),
            "x": lambda: self.several(lambda: r.choice([-1.5, 0.25, 2.5, 1e300, round(r.uniform(-9, 9), 3)])),
            "d": lambda: self.several(self.date),
            "k": lambda: self.several(lambda: r.choice(["a", "b", "", "B", 'q"q', "z\n", "\u00e9"])),
            "b": lambda: self.several(lambda: r.random() < 0.4),
            "u": lambda: self.several(lambda: "00000000-0000-4000-8000-00000000000" + r.choice("0123ab")),
            "in": lambda: [{"n": r.randint(0, 3)} for _ in range(r.randint(0, 3))],
        }
        made = {key: make() for key, make in makers.items() if r.random() < 0.7}
        if r.random() < 0.1:
            made["n"] = None
        return made

    def upsert(self, ids: Any) -> None:
        points = [models.PointStruct(id=i, vector={"v": [1.0, float(i)]}, payload=self.payload()) for i in ids]
        self.everywhere("upsert", points=points)

    def write(self) -> None:
        r = self.random
        some = r.sample(range(60), 6)
        r.choice(
            [
                lambda: self.upsert(some),
                lambda: self.everywhere("delete", points_selector=some),
                lambda: self.upsert(r.sample(range(60), 30)),
                lambda: self.everywhere(
                    "set_payload", payload=self.payload(), points=models.Filter(must=[self.number_range()])
                ),
            ]
        )()

    def number_range(self) -> models.FieldCondition:
        low = self.random.randint(-5, 9)
        return models.FieldCondition(key="n", range=models.Range(gte=low, lt=low + self.random.randint(1, 6)))

    def filter(self) -> Any:
        r = self.random
        return r.choice([None, None, models.Filter(must=[self.number_range()]),
                         models.Filter(must_not=[models.FieldCondition(key="k", match=models.MatchValue(value="a"))])])  # fmt: skip


def up_to_ties(got: List[Dict[str, Any]], want: List[Dict[str, Any]], whole: List[Tuple[Any, Any]]) -> str:
    """Same values in the same order; each point has the value it is said to have."""
    if [r["order_value"] for r in got] != [r["order_value"] for r in want]:
        return f"values {[r['order_value'] for r in got]}, expected {[r['order_value'] for r in want]}"
    pairs = [(r["id"], r["order_value"]) for r in got]
    if len(set(pairs)) != len(pairs):
        return f"a point repeats with the same value: {pairs}"
    strangers = set(pairs) - set(whole)
    if strangers:
        return f"{strangers} cannot be"
    for a, b in zip(pairs, pairs[1:]):
        if a[1] == b[1] and a[0] > b[0]:
            return f"{a} before {b}: equal values go by id"
    return ""


@pytest.mark.parametrize("seed", range(121, 127))
def test_points_are_ordered_by_a_field(doors: List[Door], seed: int) -> None:
    table = Ordered(doors, seed)
    r = table.random
    for number in range(ROUNDS):
        key = r.choice(["n", "x", "d", "in[].n"])
        start = {"n": r.randint(-6, 9), "x": r.uniform(-9, 9), "d": table.date(), "in[].n": r.randint(0, 3)}[key]
        asked = models.OrderBy(
            key=key,
            direction=r.choice([None, *models.Direction]),
            start_from=r.choice([None, start]),
        )
        arguments: Dict[str, Any] = {"scroll_filter": table.filter(), "limit": r.choice([1, 3, 10, 100])}
        whole = doors[0].client.scroll("c", order_by=key, limit=ALL)[0]
        pairs = [(record.id, record.order_value) for record in whole]
        want, got = table.everywhere("scroll", order_by=asked, **arguments)[:2]
        assert got[1] is None and want[1] is None
        found = up_to_ties(got[0], want[0], pairs)
        assert not found, f"seed {seed}, round {number}: scroll by {asked}, {arguments}: {found}"
        want, got = table.everywhere(
            "query_points", query=models.OrderByQuery(order_by=asked), query_filter=arguments["scroll_filter"], limit=7
        )[:2]
        found = up_to_ties(got["points"], want["points"], pairs)
        assert not found, f"seed {seed}, round {number}: query by {asked}: {found}"
        assert {hit["score"] for hit in got["points"]} <= {1.0}
        table.write()
        if number == ROUNDS // 2:
            for door in doors[1:]:
                door.reopen()


def test_order_by_is_refused_without_a_range_index(doors: List[Door]) -> None:
    Ordered(doors, 127)
    said = (
        "Wrong input: No range index for `order_by` key: `%s`. Please create one to use `order_by`. Check "
        "https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas support Range "
        "conditions"
    )
    for door in doors[1:]:
        door.client.create_payload_index("c", "only", models.IntegerIndexParams(type="integer", lookup=True, range=False))
        for key in ("k", "b", "u", "nothing", "only"):
            refused = door.call("scroll", collection_name="c", order_by=key)
            assert refused.status == 400 and said % key in refused.text, f"{door.name}: {refused}"
            refused = door.call("query_points", collection_name="c", query=models.OrderByQuery(order_by=key))
            assert refused.status == 400 and said % key in refused.text, f"{door.name}: {refused}"
        refused = door.call("scroll", collection_name="c", order_by="n", offset=1)
        assert refused.status == 400 and "Cannot use an `offset` when using `order_by`." in refused.text, refused


def test_order_by_goes_over_prefetched_points(doors: List[Door]) -> None:
    table = Ordered(doors, 128)
    arguments = {
        "prefetch": [models.Prefetch(query=[0.0, 1.0], using="v", limit=20)],
        "query": models.OrderByQuery(order_by=models.OrderBy(key="n", direction=models.Direction.DESC)),
        "limit": 15,
    }
    _, got = table.everywhere("query_points", **arguments)[:2]
    stored = {record.id: record.payload for record in doors[1].client.scroll("c", limit=ALL)[0]}
    expected = []
    for point_id in range(40, 60):  # the dot product is the id
        values = stored[point_id].get("n")
        expected += [(-v, point_id) for v in set(values if isinstance(values, list) else [values]) if v is not None]
    assert [(-r["order_value"], r["id"]) for r in got["points"]] == sorted(expected)[:15]


# --- facets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(131, 135))
def test_values_are_counted(doors: List[Door], seed: int) -> None:
    table = Ordered(doors, seed)
    r = table.random
    for number in range(ROUNDS):
        arguments = {
            "key": r.choice(["n", "k", "b", "u", "in[].n"]),
            "facet_filter": table.filter(),
            "limit": r.choice([1, 3, 10, 100]),
            "exact": r.random() < 0.5,
        }
        want, got = table.everywhere("facet", **arguments)[:2]
        assert got == want, f"seed {seed}, round {number}: {arguments}: {got}\nexpected {want}"
        table.write()
        if number == ROUNDS // 2:
            for door in doors[1:]:
                door.reopen()


def test_a_facet_is_refused_without_a_match_index(doors: List[Door]) -> None:
    Ordered(doors, 135)
    said = (
        "Wrong input: No appropriate index for faceting: `%s`. Please create one to facet on this field. Check "
        "https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas support Match "
        "conditions"
    )
    for door in doors[1:]:
        door.client.create_payload_index("c", "only", models.IntegerIndexParams(type="integer", lookup=False, range=True))
        for key in ("x", "d", "nothing", "only"):
            refused = door.call("facet", collection_name="c", key=key)
            assert refused.status == 400 and said % key in refused.text, f"{door.name}: {refused}"


# --- what is configured ----------------------------------------------------------------------------------------

PARAMETERS = [
    models.KeywordIndexParams(type="keyword", is_tenant=True, on_disk=True),
    models.KeywordIndexParams(type="keyword", enable_hnsw=False),
    models.IntegerIndexParams(type="integer", lookup=True, range=False),
    models.IntegerIndexParams(type="integer", lookup=False, range=True, is_principal=True),
    models.FloatIndexParams(type="float", is_principal=False, on_disk=False),
    models.GeoIndexParams(type="geo", on_disk=True),
    models.BoolIndexParams(type="bool", on_disk=False),
    models.DatetimeIndexParams(type="datetime", is_principal=True),
    models.UuidIndexParams(type="uuid", is_tenant=True),
]


@pytest.mark.parametrize("params", PARAMETERS, ids=lambda p: f"{p.type.value}-{sorted(p.model_dump(exclude_none=True))}")
def test_parameters_of_an_index_are_kept(doors: List[Door], params: Any) -> None:
    for door in doors[1:]:
        door.client.create_collection("c", vectors_config=models.VectorParams(size=1, distance=models.Distance.DOT))
        done = door.client.create_payload_index("c", "a[].b", params)
        assert done.status == models.UpdateStatus.COMPLETED
        for _ in range(2):
            schema = door.client.get_collection("c").payload_schema
            assert list(schema) == ["a[].b"], door.name
            assert schema["a[].b"].data_type.value == params.type.value and schema["a[].b"].points == 0
            assert schema["a[].b"].params == params, f"{door.name}: {schema}"
            door.reopen()
        door.client.delete_payload_index("c", "a[].b")
        assert door.client.get_collection("c").payload_schema == {}
        door.client.delete_payload_index("c", "a[].b")  # there need not be one
        door.reopen()
        assert door.client.get_collection("c").payload_schema == {}


@pytest.mark.parametrize("kind", TYPES)
def test_a_schema_of_a_name_is_shown_without_parameters_and_counts_points(doors: List[Door], kind: Any) -> None:
    values = {
        T.KEYWORD: ["red", ["a", "b"], 5, None, [], "x"],
        T.INTEGER: [1, [2, 3], 2.0, 2.5, "1", None],
        T.FLOAT: [1, [2.5], "x", None, 3.5, True],
        T.GEO: [{"lon": 1, "lat": 2}, [{"lon": 1.5, "lat": -2}], {"lon": 1}, "x", None, 1],
        T.BOOL: [True, [False, True], 1, "true", None, []],
        T.DATETIME: ["2024-01-01", ["2024-01-01T00:00:00Z"], "yesterday", 5, None, "1999-12-31 23:59"],
        T.UUID: ["00000000-0000-4000-8000-000000000001", "{00000000-0000-4000-8000-000000000001}", "x", 1, None, []],
    }[kind]
    expected = {T.KEYWORD: 3, T.INTEGER: 3, T.FLOAT: 3, T.GEO: 2, T.BOOL: 2, T.DATETIME: 3, T.UUID: 2}[kind]
    for door in doors[1:]:
        client = door.client
        client.create_collection("c", vectors_config=models.VectorParams(size=1, distance=models.Distance.DOT))
        client.create_payload_index("c", "v", kind)
        points = [models.PointStruct(id=i, vector=[1.0], payload={"v": value}) for i, value in enumerate(values)]
        client.upsert("c", points=points)
        for _ in range(2):
            info = client.get_collection("c").payload_schema["v"]
            assert info.data_type == kind and info.params is None, door.name
            assert info.points == expected, f"{door.name}: {info}"
            door.reopen()
            client = door.client
        client.delete("c", points_selector=[0])
        assert client.get_collection("c").payload_schema["v"].points == expected - 1, door.name


@pytest.mark.parametrize(
    "schema,status,text",
    [
        (None, 400, "Can't auto-detect field type, please specify `field_schema` in the request"),
        ("colour", 400, "field_schema"),
        (5, 400, "field_schema"),
        ({"type": "integer", "lookup": False, "range": False}, 422,
         "Validation error: the 'lookup' and 'range' capabilities can't be both disabled"),
        ({"type": "integer", "lookup": 1}, 400, "field_schema.lookup"),
        ({"lookup": True}, 400, "type"),
        ({"type": "keyword", "memory": "hot"}, 400, "field_schema.memory"),
    ],
)  # fmt: skip
def test_a_schema_that_cannot_be_is_refused(doors: List[Door], schema: Any, status: int, text: str) -> None:
    import httpx

    for door in doors[1:]:
        door.client.create_collection("c", vectors_config=models.VectorParams(size=1, distance=models.Distance.DOT))
    door = doors[-1]
    answer = httpx.put(f"{door.server.url}/collections/c/index", json={"field_name": "a", "field_schema": schema})
    assert answer.status_code == status and text in answer.text, answer.text
    for field in ("a..b", "", "a[", "a b"):
        answer = httpx.put(f"{door.server.url}/collections/c/index", json={"field_name": field, "field_schema": "keyword"})
        assert answer.status_code == 400 and "Invalid json path" in answer.text, answer.text
    assert door.client.get_collection("c").payload_schema == {}
