"""Goal:   Octant, behind each of its doors, answers as qdrant-client's own local mode does.
Method:   random histories: the same operation goes to both, then both are asked the same questions. The local mode is
          a separate implementation in numpy that scans everything, so searches here are exact, too. The seed is
          in the test's name; a failure prints the history.
Bound:    both compute scores in float32, in different order: 1e-4 apart is equal. Hits whose scores are closer
          than that may change places.
"""

import random
import uuid
from importlib.metadata import version

import numpy as np
import pytest
import qdrant_client

from octant import models
from octant.models import Distance, VectorParams

STEPS = 60
TOLERANCE = 1e-4
CLIENT = tuple(map(int, version("qdrant-client").split(".")[:2]))
# Setting a key to null removes it, in the server and in Octant; the local mode of older clients keeps a null.
LOCAL_KEEPS_NULLS = CLIENT < (1, 20)
NAMED = {"text": (6, Distance.DOT), "image": (3, Distance.EUCLID)}
WORDS = ["red", "green", "blue", "\u00fcml\u00e4ut", "", "snow \u2603"]

pytestmark = [
    pytest.mark.skipif(
        CLIENT < (1, 15),
        reason="the local mode of qdrant-client before 1.15 is no oracle: it loses vectors, and does not "
        "normalise updated ones",
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning"),
]


class History:
    """Random operations on two clients, and what they know of each other."""

    def __init__(self, seed, mine, named):
        self.random = random.Random(seed)
        self.mine, self.local = mine, qdrant_client.QdrantClient(":memory:")
        self.named = named
        self.log = []
        self.known = {}  # id -> names of its vectors
        self.ids = [*range(40), *(str(uuid.UUID(int=self.random.getrandbits(128))) for _ in range(10))]
        single = [Distance.COSINE, Distance.DOT, Distance.EUCLID, Distance.MANHATTAN][seed % 4]
        if named:
            config = {
                name: VectorParams(size=size, distance=distance) for name, (size, distance) in NAMED.items()
            }
        else:
            config = VectorParams(size=5, distance=single)
        for client in (self.mine, self.local):
            client.create_collection("c", vectors_config=config)

    def both(self, method, *args, **kwargs):
        """Call both; the two results."""
        self.log.append((method, args, kwargs))
        return getattr(self.mine, method)("c", *args, **kwargs), getattr(self.local, method)(
            "c", *args, **kwargs
        )

    # --- random values

    def vector(self, size):
        return [round(self.random.gauss(0, 1), 3) for _ in range(size)]

    def vectors(self):
        if not self.named:
            return self.vector(5)
        chosen = [name for name in NAMED if self.random.random() < 0.8]
        return {name: self.vector(NAMED[name][0]) for name in chosen}

    def value(self, depth=0):
        kind = self.random.randrange(7 if depth < 2 else 5)
        if kind == 0:
            return self.random.randrange(-(2**53), 2**53)
        if kind == 1:
            return self.random.choice([0.5, -1.25, 1e-7, 3.0e20])
        if kind == 2:
            return self.random.choice(WORDS)
        if kind == 3:
            return self.random.choice([True, False])
        if kind == 4:
            return None
        if kind == 5:
            return [self.value(depth + 1) for _ in range(self.random.randrange(3))]
        return {self.random.choice("xyz"): self.value(depth + 1) for _ in range(self.random.randrange(3))}

    def payload(self):
        return {self.random.choice("abcd"): self.value() for _ in range(self.random.randrange(4))}

    def some_known(self, most=4):
        known = list(self.known)
        return self.random.sample(known, min(len(known), self.random.randint(1, most)))

    # --- operations

    def points(self):
        points = []
        for id in self.random.sample(self.ids, self.random.randint(1, 8)):
            points.append(models.PointStruct(id=id, vector=self.vectors(), payload=self.payload()))
        return points

    def remember(self, points):
        for point in points:
            self.known[point.id] = set(point.vector) if self.named else {""}

    def step(self):
        actions = [self.upsert, self.upsert, self.upsert, self.delete, self.set_payload, self.overwrite_payload,
                   self.delete_payload, self.clear_payload, self.update_vectors, self.batch]  # fmt: skip
        if self.named:
            actions.append(self.delete_vectors)
        action = self.random.choice(actions)
        if self.known or action == self.upsert:
            action()

    def upsert(self):
        points = self.points()
        self.both("upsert", points=points)
        self.remember(points)

    def delete(self):
        gone = [*self.some_known(), self.random.choice(self.ids)]
        self.both("delete", points_selector=gone)
        for id in gone:
            self.known.pop(id, None)

    def set_payload(self):
        payload = self.payload()
        if LOCAL_KEEPS_NULLS:
            payload = {key: value for key, value in payload.items() if value is not None}
        self.both("set_payload", payload=payload, points=self.some_known())

    def overwrite_payload(self):
        self.both("overwrite_payload", payload=self.payload(), points=self.some_known())

    def delete_payload(self):
        self.both("delete_payload", keys=self.random.sample("abcd", 2), points=self.some_known())

    def clear_payload(self):
        self.both("clear_payload", points_selector=self.some_known())

    def update_vectors(self):
        changes = []
        for id in self.some_known():
            vector = self.vectors()
            if not self.named or vector:
                changes.append(models.PointVectors(id=id, vector=vector))
                self.known[id] |= set(vector) if self.named else set()
        if changes:
            self.both("update_vectors", points=changes)

    def delete_vectors(self):
        name, ids = self.random.choice(list(NAMED)), self.some_known()
        self.both("delete_vectors", vectors=[name], points=ids)
        for id in ids:
            self.known[id].discard(name)

    def batch(self):
        points, gone = self.points(), self.some_known(2)
        operations = [
            models.DeleteOperation(delete=models.PointIdsList(points=gone)),
            models.UpsertOperation(upsert=models.PointsList(points=points)),
            models.SetPayloadOperation(
                set_payload=models.SetPayload(payload={"batch": 1}, points=[points[0].id])
            ),
        ]
        self.both("batch_update_points", update_operations=operations)
        for id in gone:
            self.known.pop(id, None)
        self.remember(points)

    # --- questions

    def compare(self):
        mine, local = self.both("count")
        assert mine.count == local.count == len(self.known)
        self.compare_records()
        self.compare_pages()
        for _ in range(3):
            self.compare_search()
        if self.known:
            self.compare_by_id()

    def compare_records(self):
        asked = self.random.sample(self.ids, 10)
        mine, local = self.both("retrieve", asked, with_vectors=True)
        assert [record.id for record in mine] == [record.id for record in local]
        for one, other in zip(mine, local):
            same_record(one, other)

    def compare_pages(self):
        """Every record, page by page. Octant's order is that of ids; local mode's is compared as a set."""
        for client in (self.mine, self.local):
            pages, offset = [], None
            while True:
                page, offset = client.scroll("c", limit=7, offset=offset, with_vectors=True)
                pages.append(page)
                if offset is None:
                    break
            records = [record for page in pages for record in page]
            if client is self.mine:
                mine = records
                order = [(isinstance(r.id, str), r.id) for r in mine]
                assert order == sorted(order)
                assert all(len(page) == 7 for page in pages[:-1])
        assert {r.id for r in mine} == {r.id for r in records} == set(self.known)
        local = {r.id: r for r in records}
        for record in mine:
            same_record(record, local[record.id])

    def search_options(self):
        options = {"limit": self.random.choice([1, 3, 10, 100]), "with_vectors": self.random.random() < 0.3}
        if self.random.random() < 0.3:
            options["offset"] = self.random.randrange(5)
        if self.random.random() < 0.3:
            options["score_threshold"] = round(self.random.gauss(0.5, 1), 3)
        options["with_payload"] = self.random.choice(
            [True, False, ["a", "b"], models.PayloadSelectorExclude(exclude=["a"])]
        )
        if self.named:
            options["using"] = self.random.choice(list(NAMED))
        return options

    def compare_search(self):
        options = self.search_options()
        query = self.vector(NAMED[options["using"]][0] if self.named else 5)
        self.compare_hits(*self.both("query_points", query=query, search_params=EXACT, **options))

    def compare_by_id(self):
        options = self.search_options()
        ids = [id for id, names in self.known.items() if options.get("using", "") in names]
        if ids:
            self.compare_hits(
                *self.both("query_points", query=self.random.choice(ids), search_params=EXACT, **options)
            )

    def compare_hits(self, mine, local):
        mine, local = mine.points, local.points
        assert len(mine) == len(local)
        assert np.allclose(
            [hit.score for hit in mine], [hit.score for hit in local], rtol=TOLERANCE, atol=TOLERANCE
        )
        by_id = {hit.id: hit for hit in local}
        edge = local[-1].score if local else 0.0
        for hit in mine:
            other = by_id.get(hit.id)
            if other is None:  # it changed places over the edge of the list
                assert abs(hit.score - edge) < 2 * TOLERANCE
                continue
            assert hit.score == pytest.approx(other.score, rel=TOLERANCE, abs=TOLERANCE)
            same_record(hit, other)


EXACT = models.SearchParams(exact=True)


def same_record(one, other):
    assert (one.payload or {}) == (other.payload or {})
    if not isinstance(one.vector, dict):
        assert (one.vector is None) == (other.vector is None)
        assert one.vector is None or np.allclose(one.vector, other.vector, atol=1e-5)
        return
    assert set(one.vector) == set(other.vector or {})
    for name, vector in one.vector.items():
        assert np.allclose(vector, other.vector[name], atol=1e-5)


@pytest.mark.parametrize("named", [False, True], ids=["one vector", "named vectors"])
@pytest.mark.parametrize("seed", range(8))
def test_random_history(client, seed, named):
    history = History(seed, client, named)
    try:
        for _ in range(STEPS):
            history.step()
            history.compare()
    except BaseException:
        print(f"seed {seed}, the history was:")
        for method, args, kwargs in history.log[-12:]:
            print(" ", method, *args, kwargs)
        raise
