"""Random payloads and random filters that are likely to meet: few keys, few values, every kind of condition.

The models are the official client's. What a filter means is not said here: the oracle knows.
"""

import random
from typing import Any, Dict, List, Optional

from qdrant_client import models

WORDS = ("red", "green", "dark red", "Red", "b\u00fccher und mehr", "two  spaces", 'quote " and \\', "line\nbreak", "5", "")
DATES = (
    "2024-01-02",
    "2024-01-02T03:04:05Z",
    "2024-01-02T03:04:05.123456789+01:00",
    "2024-01-02 03:04",
    "2024-01-02T03:04:05+0100",
    "2024-01-02 03:04:05.5-10",
    "1969-12-31T23:59:59.999999Z",
    "2024-02-30",
    "not a date",
    " 2023-12-31 23:30:00 UTC",
    "2024-1-2",
)
BOUNDS = (
    "2024-01-02T00:00:00Z",
    "2024-01-02T02:04:05.123456Z",
    "2024-01-02T03:04:05+00:00",
    "2024-01-02T13:04:05.500000Z",
    "1970-01-01T00:00:00Z",
)
KEYS = ("color", "size", "tags", "made", "place", "parts", "flag", "deep", "two words")
MANY = 12  # values of a `match any`


class Generator:
    """`ids` and `vectors` are what has_id and has_vector may name; `keys` are the keys of payloads."""

    def __init__(
        self, rng: random.Random, ids: List[Any], vectors: List[str], keys: Any = KEYS, paths: Optional[Any] = None
    ) -> None:
        self.random = rng
        self.ids = ids
        self.vectors = vectors
        self.keys = keys
        self.paths = paths

    # --- payloads -------------------------------------------------------------------------------

    def place(self) -> Dict[str, float]:
        r = self.random
        return {"lon": r.choice([0.0, 13.4, 179.5, -179.5, round(r.uniform(-180, 180), 3)]),
                "lat": r.choice([0.0, 52.5, round(r.uniform(-90, 90), 3)])}  # fmt: skip

    def scalar(self) -> Any:
        r = self.random
        return r.choice(
            [
                None,
                r.random() < 0.5,
                r.randint(-3, 6),
                r.randint(-3, 6),
                float(r.randint(-3, 6)),
                round(r.uniform(-3, 6), 2),
                r.choice(WORDS),
                r.choice(WORDS),
                r.choice(DATES),
                self.place(),
            ]
        )

    def value(self, depth: int) -> Any:
        r = self.random
        dice = r.random()
        if depth > 0 and dice < 0.2:
            return [self.value(depth - 1) for _ in range(r.randint(0, 3))]
        if depth > 0 and dice < 0.35:
            return self.object(depth - 1)
        return self.scalar()

    def object(self, depth: int) -> Dict[str, Any]:
        r = self.random
        return {key: self.value(depth) for key in r.sample(self.keys, r.randint(0, 4))}

    def payload(self) -> Dict[str, Any]:
        """Some keys mostly hold what they are named for, so that conditions find it."""
        r = self.random
        made = self.object(3)
        usual = {
            "color": lambda: r.choice(WORDS),
            "size": lambda: r.choice([r.randint(-3, 6), round(r.uniform(-3, 6), 2), [r.randint(-3, 6), r.random()]]),
            "tags": lambda: [r.choice(WORDS) for _ in range(r.randint(0, 4))],
            "made": lambda: r.choice(DATES),
            "place": lambda: r.choice([self.place(), [self.place(), self.place()]]),
            "parts": lambda: [self.object(1) for _ in range(r.randint(0, 3))],
            "flag": lambda: r.random() < 0.5,
            "deep": lambda: {"parts": [self.object(2) for _ in range(r.randint(0, 2))], "size": r.randint(-3, 6)},
        }
        for key, make in usual.items():
            if key in self.keys and r.random() < 0.6:
                made[key] = make()
        return made

    # --- filters --------------------------------------------------------------------------------

    def path(self) -> str:
        r = self.random
        if self.paths is not None and r.random() < 0.5:
            return self.paths()
        text = ""
        for place in range(r.choice([1, 1, 1, 2, 2, 3])):
            if place > 0 and r.random() < 0.4:
                text += r.choice(["[]", "[]", "[0]", "[1]"])
            else:
                key = r.choice(self.keys)
                quoted = " " in key or not key.replace("-", "_").isidentifier()
                text += ("." if place > 0 else "") + (f'"{key}"' if quoted else key)
        return text

    def bounds(self, values: Any) -> Dict[str, Any]:
        r = self.random
        names = r.choice([["gt"], ["gte"], ["lt"], ["lte"], ["gte", "lt"], ["gt", "lte"], ["gte", "lte"]])
        made = sorted(r.choice(values) for _ in names)
        return dict(zip(names, made))

    def point(self) -> models.GeoPoint:
        return models.GeoPoint(**self.place())

    def ring(self) -> models.GeoLineString:
        """No place of a payload lies on its lines: those are outside, but the oracle's rounding may see it otherwise."""
        r = self.random
        corners = [models.GeoPoint(lon=r.uniform(-180, 180), lat=r.uniform(-90, 90)) for _ in range(r.randint(3, 6))]
        return models.GeoLineString(points=[*corners, corners[0]])

    def match(self) -> Any:
        r = self.random
        texts = [r.choice(WORDS + DATES) for _ in range(r.randint(0, MANY))]
        integers = [r.randint(-3, 6) for _ in range(r.randint(0, 4))]
        # Never empty: an empty text is in every string for a test of substrings, and in none for the oracle's.
        part = r.choice([word for word in WORDS if word]) if r.random() < 0.5 else r.choice("redunbms 5\\\"")
        return r.choice(
            [
                lambda: models.MatchValue(value=r.choice([r.choice(WORDS), r.randint(-3, 6), r.random() < 0.5])),
                lambda: models.MatchValue(value=r.choice(WORDS)),
                lambda: models.MatchAny(any=r.choice([texts, integers])),
                lambda: models.MatchExcept(**{"except": r.choice([texts, integers])}),
                lambda: models.MatchText(text=part),
                lambda: models.MatchTextAny(text_any=f"{part}  {r.choice(WORDS)}"),
                lambda: models.MatchPhrase(phrase=part),
                lambda: models.MatchPrefix(prefix=r.choice(WORDS)[: r.randint(0, 3)]),
            ]
        )()

    def field(self) -> models.FieldCondition:
        r = self.random
        tests = {
            "match": self.match,
            "range": lambda: models.Range(**self.bounds([-2, 0, 0.5, 1, 3, 5])),
            "values_count": lambda: models.ValuesCount(**self.bounds([0, 1, 2, 3])),
            "geo_radius": lambda: models.GeoRadius(center=self.point(), radius=r.choice([1e4, 1e6, 5e6, 1.5e7])),
            "geo_bounding_box": lambda: models.GeoBoundingBox(top_left=self.point(), bottom_right=self.point()),
            "geo_polygon": lambda: models.GeoPolygon(
                exterior=self.ring(), interiors=[self.ring()] if r.random() < 0.3 else None
            ),
            "is_empty": lambda: r.random() < 0.5,
            "is_null": lambda: r.random() < 0.5,
            "datetime": lambda: models.DatetimeRange(**self.bounds(BOUNDS)),
        }
        weights = [6, 3, 1, 1, 1, 1, 1, 1, 2]
        names = r.choices(list(tests), weights, k=1 if r.random() < 0.9 else 2)
        given = {("range" if name == "datetime" else name): tests[name]() for name in names}
        usual = {"match": "color", "range": "size", "geo_radius": "place", "geo_bounding_box": "place"}
        usual.update({"geo_polygon": "place", "values_count": "tags", "datetime": "made"})
        key = usual.get(names[0], "") if r.random() < 0.6 else ""
        return models.FieldCondition(key=key if key in self.keys else self.path(), **given)

    def condition(self, depth: int) -> Any:
        r = self.random
        made = [
            (12, self.field),
            (1, lambda: models.IsEmptyCondition(is_empty=models.PayloadField(key=self.path()))),
            (1, lambda: models.IsNullCondition(is_null=models.PayloadField(key=self.path()))),
            (1, lambda: models.HasIdCondition(has_id=r.sample(self.ids, min(len(self.ids), r.randint(0, 8))))),
            (1, lambda: models.HasVectorCondition(has_vector=r.choice([*self.vectors, "unheard of"]))),
            (1, lambda: self.slice(r.randint(1, 4))),
        ]
        if depth > 0:
            made += [(2, lambda: self.filter(depth - 1)), (3, lambda: self.nested(depth - 1))]
        weights, kinds = zip(*made)
        return r.choices(kinds, weights)[0]()

    def slice(self, total: int) -> models.SliceCondition:
        return models.SliceCondition(slice=models.Slice(total=total, index=self.random.randrange(total)))

    def nested(self, depth: int) -> models.NestedCondition:
        r = self.random
        key = r.choice(["parts", "parts[]", "deep.parts", "deep.parts[].tags"]) if r.random() < 0.7 else self.path()
        return models.NestedCondition(nested=models.Nested(key=key, filter=self.filter(depth)))

    def conditions(self, depth: int) -> Any:
        r = self.random
        made = [self.condition(depth) for _ in range(r.choice([1, 1, 1, 2, 2, 3]))]
        return made[0] if len(made) == 1 and r.random() < 0.3 else made

    def filter(self, depth: int = 2) -> models.Filter:
        r = self.random
        parts = r.choices(["must", "should", "must_not", "min_should"], [5, 3, 2, 1], k=1 if r.random() < 0.7 else 2)
        given: Dict[str, Any] = {}
        for part in parts:
            if part == "min_should":
                made = [self.condition(depth) for _ in range(r.randint(1, 4))]
                given[part] = models.MinShould(conditions=made, min_count=r.randint(1, 2))
            elif r.random() < 0.03:
                given[part] = []
            else:
                given[part] = self.conditions(depth)
        return models.Filter(**given)
