"""Random histories of a database: steps that any client of Qdrant could take, from a seed.

A step is a call with its arguments, and what kind of answer it gives. The history remembers which points it has
made, so that most steps mean something and a few are mistakes (unknown ids, wrong sizes, missing collections),
which must fail behind every door.
"""

import random
import struct
import uuid
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Set

from qdrant_client import models

import differences
import filters

COLLECTIONS = ("first", "second", "third")
KEYS = ("a", "b", "c", "city", "two words", "größe", "x-y")
DISTANCES = (models.Distance.COSINE, models.Distance.DOT, models.Distance.EUCLID, models.Distance.MANHATTAN)
NUMBER_COUNT, UUID_COUNT = 40, 20


@dataclass
class Step:
    kind: str  # write, records, page, count, hits, batch_hits, value, reopen
    method: str = ""
    arguments: Dict[str, Any] = field(default_factory=dict)
    effect: Optional[Callable[[], None]] = None  # on the history, when the call succeeded
    threshold_at: Optional[float] = None  # hits: put a score threshold into the gap at this share of the scores

    def __str__(self) -> str:
        return f"{self.method or self.kind}({', '.join(f'{k}={v!r}' for k, v in self.arguments.items())})"


@dataclass
class Collection:
    single: bool
    vectors: Dict[str, models.VectorParams]
    points: Dict[Any, Set[str]] = field(default_factory=dict)  # id -> names of its vectors


class History:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.collections: Dict[str, Collection] = {}
        self.ids: List[Any] = [self._number() for _ in range(NUMBER_COUNT)]
        self.ids += [str(uuid.UUID(int=self.random.getrandbits(128))) for _ in range(UUID_COUNT)]
        self.vectors_seen: Dict[int, List[List[float]]] = {}

    # --- values ---------------------------------------------------------------------------------

    def _number(self) -> int:
        r = self.random
        small, large = r.randrange(100), 2**64 - 1 - r.randrange(3)
        return r.choice([small, small, r.getrandbits(32), r.getrandbits(64), large])

    def float32(self, scale: float = 1.0) -> float:
        return struct.unpack("f", struct.pack("f", self.random.uniform(-scale, scale)))[0]

    def vector(self, size: int) -> List[float]:
        """Mostly random; small integers and repeats make ties; zeros are a corner of cosine."""
        r = self.random
        seen = self.vectors_seen.setdefault(size, [])
        dice = r.random()
        if dice < 0.15 and seen:
            return list(r.choice(seen))
        if dice < 0.3:
            made = [float(r.randint(-2, 2)) for _ in range(size)]
        elif dice < 0.32:
            made = [0.0] * size
        else:
            made = [self.float32(r.choice([0.01, 1.0, 1.0, 3.0])) for _ in range(size)]
            if differences.tiny_cosine_vectors_stay_as_they_are(made):
                made[0] = 1.0
        seen.append(made)
        return made

    def largest_dot(self, size: int) -> float:
        """No dot product of vectors of this size is larger: it bounds what rounding can do where terms cancel."""
        return max(sum(component * component for component in made) for made in self.vectors_seen[size])

    def json(self, depth: int) -> Any:
        r = self.random
        dice = r.random()
        if depth > 0 and dice < 0.25:
            return {key: self.json(depth - 1) for key in r.sample(KEYS, r.randint(0, 3))}
        if depth > 0 and dice < 0.45:
            return [self.json(depth - 1) for _ in range(r.randint(0, 3))]
        constants = [None, True, False]
        numbers = [0, -1, 2**64 - 1, -(2**63), 1.0, 0.1, 1e300, 5e-324, -2.5, r.random(), r.randrange(1000)]
        texts = ["", "text", "grüße ☃ 😀", 'quote " backslash \\ slash /', "line\nbreak\ttab \u0001\u007f"]
        return r.choice(constants + numbers + texts)

    def payload(self) -> Optional[Dict[str, Any]]:
        if self.random.random() < 0.1:
            return None
        return {key: self.json(3) for key in self.random.sample(KEYS, self.random.randint(0, 4))}

    def path(self) -> str:
        r = self.random
        text = ""
        for place in range(r.choice([1, 1, 2, 2, 3])):
            if place > 0 and r.random() < 0.4:
                text += r.choice(["[]", "[0]", "[1]"])
            else:
                key = r.choice(KEYS)
                quoted = " " in key or r.random() < 0.1
                text += ("." if place > 0 else "") + (f'"{key}"' if quoted else key)
        return text

    def known_ids(self, name: str, count: int) -> List[Any]:
        known = list(self.collections[name].points)
        return self.random.sample(known, min(count, len(known)))

    def filter(self, name: str) -> models.Filter:
        """Of the points of a collection. What it chooses only the oracle knows."""
        vectors = list(self.collections[name].vectors)
        return filters.Generator(self.random, self.ids, vectors, KEYS, self.path).filter()

    def some_ids(self, name: str, count: int = 4) -> List[Any]:
        """Ids of points; now and then one that no point has."""
        r = self.random
        ids = self.known_ids(name, r.randint(1, count))
        if r.random() < 0.06 or not ids:
            ids.append(r.choice(self.ids))
        return ids

    def params(self) -> models.VectorParams:
        size = self.random.choice([1, 2, 3, 4, 8, 17, 33])
        return models.VectorParams(size=size, distance=self.random.choice(DISTANCES))

    def with_payload(self) -> Any:
        r = self.random
        dice = r.random()
        if dice < 0.4:
            return True
        if dice < 0.5:
            return False
        paths = [self.path() for _ in range(r.randint(0 if dice > 0.95 else 1, 3))]
        if dice < 0.65:
            return paths or ["a"]
        if dice < 0.8:
            return models.PayloadSelectorInclude(include=paths or ["a"])
        if dice > 0.95:
            return paths
        return models.PayloadSelectorExclude(exclude=paths or ["a"])

    def with_vectors(self, name: str) -> Any:
        r = self.random
        names = list(self.collections[name].vectors)
        if r.random() < 0.3 and not self.collections[name].single:
            return r.sample(names, r.randint(1, len(names)))
        return r.random() < 0.5

    # --- points ---------------------------------------------------------------------------------

    def named_vectors(self, collection: Collection, may_lack: bool) -> Dict[str, List[float]]:
        return {
            name: self.vector(params.size)
            for name, params in collection.vectors.items()
            if not may_lack or self.random.random() < 0.8
        }

    def point(self, collection: Collection) -> models.PointStruct:
        vectors: Any = self.named_vectors(collection, may_lack=True)
        if collection.single and "" in vectors and self.random.random() < 0.8:
            vectors = vectors[""]
        return models.PointStruct(id=self.random.choice(self.ids), vector=vectors, payload=self.payload())

    def _insert(self, name: str, points: List[models.PointStruct]) -> Callable[[], None]:
        def effect() -> None:
            for point in points:
                names = set(point.vector) if isinstance(point.vector, dict) else {""}
                self.collections[name].points[point.id] = names

        return effect

    # --- steps: writes --------------------------------------------------------------------------

    def create(self, name: str, method: str = "create_collection") -> Step:
        single = self.random.random() < 0.5
        names = [""] if single else self.random.sample(["image", "text", "long name", "ä"], self.random.randint(1, 3))
        made = Collection(single, {vector: self.params() for vector in names})
        config: Any = made.vectors[""] if single else made.vectors
        arguments: Dict[str, Any] = {"collection_name": name, "vectors_config": config}
        if self.random.random() < 0.3:
            arguments["hnsw_config"] = models.HnswConfigDiff(m=self.random.choice([4, 16, 32]), ef_construct=64)

        def effect() -> None:
            self.collections[name] = made

        return Step("value", method, arguments, effect)

    def drop(self, name: str) -> Step:
        def effect() -> None:
            del self.collections[name]

        return Step("value", "delete_collection", {"collection_name": name}, effect)

    def upsert(self, name: str) -> Step:
        collection = self.collections[name]
        r = self.random
        if r.random() < 0.3:
            count = r.randint(1, 8)
            points = [
                models.PointStruct(
                    id=r.choice(self.ids),
                    vector=self.named_vectors(collection, may_lack=False),
                    payload=self.payload() or {},
                )
                for _ in range(count)
            ]
            vectors: Any = {v: [point.vector[v] for point in points] for v in collection.vectors}
            batch = models.Batch(
                ids=[point.id for point in points],
                vectors=vectors[""] if collection.single else vectors,
                payloads=[point.payload for point in points] if r.random() < 0.8 else None,
            )
            if batch.payloads is None:
                for point in points:
                    point.payload = None
            return Step("write", "upsert", {"collection_name": name, "points": batch}, self._insert(name, points))
        points = [self.point(collection) for _ in range(r.choice([1, 1, 2, 5, 12]))]
        return Step("write", "upsert", {"collection_name": name, "points": points}, self._insert(name, points))

    def update_vectors(self, name: str) -> Step:
        collection = self.collections[name]
        points = []
        for point_id in self.some_ids(name):
            vectors: Any = self.named_vectors(collection, may_lack=True)
            if not vectors:
                vectors = self.named_vectors(collection, may_lack=False)
            points.append(
                models.PointVectors(id=point_id, vector=vectors[""] if collection.single else vectors)
            )

        def effect() -> None:
            for point in points:
                names = set(point.vector) if isinstance(point.vector, dict) else {""}
                collection.points[point.id] |= names

        return Step("write", "update_vectors", {"collection_name": name, "points": points}, effect)

    def delete_vectors(self, name: str) -> Step:
        collection = self.collections[name]
        ids = self.some_ids(name)
        names = self.random.sample(list(collection.vectors), self.random.randint(1, len(collection.vectors)))

        def effect() -> None:
            for point_id in ids:
                if point_id in collection.points:
                    collection.points[point_id] -= set(names)

        return Step("write", "delete_vectors", {"collection_name": name, "vectors": names, "points": ids}, effect)

    def delete(self, name: str) -> Step:
        ids = self.some_ids(name, 3)

        def effect() -> None:
            for point_id in ids:
                self.collections[name].points.pop(point_id, None)

        return Step("write", "delete", {"collection_name": name, "points_selector": ids}, effect)

    def change_payload(self, name: str) -> Step:
        r = self.random
        ids = self.some_ids(name)
        method = r.choice(["set_payload", "set_payload", "overwrite_payload", "delete_payload", "clear_payload"])
        arguments: Dict[str, Any] = {"collection_name": name}
        targets = self.filter(name) if r.random() < 0.25 else ids
        if method == "clear_payload":
            arguments["points_selector"] = targets
        else:
            arguments["points"] = targets
        if method in ("set_payload", "overwrite_payload"):
            arguments["payload"] = self.payload() or {"a": 1}
            if r.random() < 0.4:  # removes a member in set_payload, is a value in overwrite_payload
                arguments["payload"][r.choice(KEYS)] = None
        if method == "set_payload" and r.random() < 0.5:
            arguments["key"] = self.path()
        if method == "delete_payload":
            arguments["keys"] = [self.path() for _ in range(r.randint(1, 3))]
        return Step("write", method, arguments)

    def batch_update(self, name: str) -> Step:
        """Several operations in one request, all on known points."""
        r = self.random
        collection = self.collections[name]
        ids = self.known_ids(name, 3)
        point = self.point(collection)
        operations: List[Any] = [models.UpsertOperation(upsert=models.PointsList(points=[point]))]
        if ids:
            operations.append(
                models.SetPayloadOperation(set_payload=models.SetPayload(payload=self.payload() or {}, points=ids))
            )
            operations.append(
                models.DeletePayloadOperation(
                    delete_payload=models.DeletePayload(keys=[self.path()], points=ids)
                )
            )
        if r.random() < 0.3 and ids:
            operations.append(models.ClearPayloadOperation(clear_payload=models.PointIdsList(points=ids[:1])))
        if r.random() < 0.3:
            operations.append(
                models.OverwritePayloadOperation(
                    overwrite_payload=models.SetPayload(payload={"over": [1]}, points=[point.id])
                )
            )
        return Step(
            "value_list",
            "batch_update_points",
            {"collection_name": name, "update_operations": operations},
            self._insert(name, [point]),
        )

    # --- steps: reads ---------------------------------------------------------------------------

    def retrieve(self, name: str) -> Step:
        ids = self.some_ids(name, 6)
        if self.random.random() < 0.1:
            ids.append(ids[0])
        return Step(
            "records",
            "retrieve",
            {
                "collection_name": name,
                "ids": ids,
                "with_payload": self.with_payload(),
                "with_vectors": self.with_vectors(name),
            },
        )

    def scroll(self, name: str) -> Step:
        arguments = {
            "collection_name": name,
            "limit": self.random.choice([1, 3, 10, 1000]),
            "with_payload": self.with_payload(),
            "with_vectors": self.with_vectors(name),
        }
        if self.random.random() < 0.5:
            arguments["offset"] = self.random.choice(self.ids)
        if self.random.random() < 0.4:
            arguments["scroll_filter"] = self.filter(name)
        return Step("page", "scroll", arguments)

    def count(self, name: str) -> Step:
        chosen = self.filter(name) if self.random.random() < 0.5 else None
        return Step("count", "count", {"collection_name": name, "exact": True, "count_filter": chosen})

    def query(self, name: str) -> Step:
        r = self.random
        collection = self.collections[name]
        using = r.choice(list(collection.vectors))
        size = collection.vectors[using].size
        arguments: Dict[str, Any] = {
            "collection_name": name,
            "limit": r.choice([1, 2, 5, 10, 100]),
            "with_payload": self.with_payload(),
            "with_vectors": self.with_vectors(name),
        }
        if r.random() < 0.4:
            arguments["offset"] = r.choice([0, 1, 3, 20])
        if r.random() < 0.5:
            arguments["search_params"] = models.SearchParams(
                exact=r.random() < 0.5, hnsw_ef=r.choice([None, 16, 64, 500])
            )
        if r.random() < 0.3:
            arguments["query_filter"] = self.filter(name)
        threshold_at = r.random() if r.random() < 0.4 else None
        if r.random() < 0.25:
            arguments["query_vector"] = self.vector(size) if collection.single else (using, self.vector(size))
            return Step("hits", "search", arguments, threshold_at=threshold_at)
        if not collection.single:
            arguments["using"] = using
        dice = r.random()
        if dice < 0.25:
            arguments["query"] = self.some_ids(name, 1)[-1]
        elif dice < 0.35:
            arguments["query"] = models.NearestQuery(nearest=self.vector(size))
        elif dice < 0.42:
            arguments.pop("using", None)
            return Step("hits_by_id", "query_points", arguments)
        else:
            arguments["query"] = self.vector(size)
        return Step("hits", "query_points", arguments, threshold_at=threshold_at)

    def query_batch(self, name: str) -> Step:
        requests = []
        for _ in range(self.random.randint(1, 4)):
            arguments = self.query(name).arguments
            requests.append(
                models.QueryRequest(
                    query=arguments.get("query") or arguments.get("query_vector"),
                    using=arguments.get("using"),
                    limit=arguments["limit"],
                    offset=arguments.get("offset"),
                    with_payload=arguments["with_payload"],
                    with_vector=arguments["with_vectors"],
                    params=arguments.get("search_params"),
                    filter=arguments.get("query_filter"),
                )
                if not isinstance(arguments.get("query_vector"), tuple)
                else models.QueryRequest(
                    query=arguments["query_vector"][1],
                    using=arguments["query_vector"][0],
                    limit=arguments["limit"],
                    with_payload=arguments["with_payload"],
                )
            )
        return Step("batch_hits", "query_batch_points", {"collection_name": name, "requests": requests})

    # --- steps: mistakes ------------------------------------------------------------------------

    def mistake(self, name: str) -> Step:
        r = self.random
        collection = self.collections[name]
        using = r.choice(list(collection.vectors))
        size = collection.vectors[using].size
        wrong: Any = [1.0] * (size + 1) if collection.single else {using: [1.0] * (size + 1)}
        right: Any = [1.0] * size if collection.single else {using: [1.0] * size}
        good = models.PointStruct(id=self.ids[0], vector=right, payload={"a": "must not appear"})
        return r.choice(
            [
                Step("value", "create_collection", self.create(name).arguments),
                Step("write", "upsert", {"collection_name": "nowhere", "points": [good]}),
                Step("write", "upsert", {"collection_name": name, "points": []}),
                Step(
                    "write",
                    "upsert",  # the second point is bad: neither must be stored
                    {"collection_name": name, "points": [good, models.PointStruct(id=self.ids[1], vector=wrong)]},
                ),
                Step(
                    "write",
                    "upsert",
                    {"collection_name": name, "points": [models.PointStruct(id=1, vector={"unknown": [1.0]})]},
                ),
                Step(
                    "hits",
                    "query_points",
                    {"collection_name": name, "query": [1.0] * size, "using": "unknown", "limit": 3},
                ),
                Step("hits", "query_points", {"collection_name": "nowhere", "query": [1.0], "limit": 3}),
                Step("page", "scroll", {"collection_name": "nowhere"}),
                Step(
                    "write",
                    "set_payload",
                    {"collection_name": name, "payload": {"a": 1}, "points": self.known_ids(name, 1), "key": "a..b"},
                ),
                Step(
                    "write",
                    "delete_vectors",
                    {"collection_name": name, "vectors": ["unknown"], "points": self.known_ids(name, 1)},
                ),
            ]
        )

    # --- the next step --------------------------------------------------------------------------

    def next(self) -> Step:
        r = self.random
        missing = [name for name in COLLECTIONS if name not in self.collections]
        if not self.collections or (missing and r.random() < 0.03):
            return self.create(r.choice(missing))
        name = r.choice(list(self.collections))
        dice = r.random()
        if dice < 0.01:
            return self.create(name, "recreate_collection")
        if dice < 0.015:
            return self.drop(name)
        if dice < 0.025:
            return Step("reopen")
        if dice < 0.05:
            return self.mistake(name)
        if not self.collections[name].points:
            return self.upsert(name)
        weighted = [
            (self.upsert, 18),
            (self.update_vectors, 5),
            (self.delete_vectors, 3),
            (self.delete, 6),
            (self.change_payload, 14),
            (self.batch_update, 3),
            (self.retrieve, 9),
            (self.scroll, 8),
            (self.count, 2),
            (self.query, 27),
            (self.query_batch, 5),
        ]
        kinds, weights = zip(*weighted)
        return r.choices(kinds, weights)[0](name)
