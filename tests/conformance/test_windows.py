"""Goal:   a window of points that rolls - new ids in, old ones out, numbers of the old given to the new - answers as any collection:
        scroll in the order of ids, counts by an index, searches, payload and vectors by id; behind each door, and opened again.
Method: 12 windows of 240 points go through, ids neither in order nor of one kind; after each the oracle says what there should be.
"""

import random
import uuid
from typing import Any, List

from qdrant_client import models

import compare
from doors import Door

WINDOW = 240
BATCH = 40
WINDOWS = 12


def test_a_window_rolls_alike_behind_each_door(doors: List[Door]) -> None:
    rng = random.Random(71)

    def everywhere(method: str, **arguments: Any) -> List[Any]:
        outcomes = [door.call(method, collection_name="c", **arguments) for door in doors]
        for door, outcome in zip(doors, outcomes):
            assert outcome.ok, f"{door.name}: {method}({arguments}): {outcome}"
        return [outcome.value for outcome in outcomes]

    def alike(method: str, **arguments: Any) -> None:
        want, *answers = [compare.plain(value) for value in everywhere(method, **arguments)]
        for door, got in zip(doors[1:], answers):
            found = None
            if method == "count":
                found = None if got == want else f"{got}, expected {want}"
            elif method == "scroll":
                found = compare.difference_of_lists(got[0], want[0])
                found = found or (None if got[1] == want[1] else f"the next page starts at {got[1]!r}, expected {want[1]!r}")
            elif method == "retrieve":
                found = compare.difference_of_lists(got, want)
            else:
                found = compare.difference_of_hits(got["points"], want["points"], want["points"], False)
            assert not found, f"step {step}, {door.name}: {method}({arguments}): {found}"

    everywhere("create_collection", vectors_config=models.VectorParams(size=4, distance=models.Distance.EUCLID))
    everywhere("create_payload_index", field_name="group", field_schema=models.PayloadSchemaType.INTEGER)
    live: List[Any] = []
    made = 0
    for step in range(WINDOWS * WINDOW // BATCH):
        points = []
        for _ in range(BATCH):
            made += 1
            number = made * 7919 % 100003
            point_id = number if number % 3 else str(uuid.UUID(int=number * 2**70 + made))
            vector = [rng.uniform(-1, 1) for _ in range(4)]
            points.append(models.PointStruct(id=point_id, vector=vector, payload={"group": made % 7, "made": made}))
        everywhere("upsert", points=points, wait=True)
        live += [point.id for point in points]
        if len(live) > WINDOW:
            old, live = live[:BATCH], live[BATCH:]
            everywhere("delete", points_selector=models.PointIdsList(points=old), wait=True)
        if step % 6 == 5:
            for group in range(7):
                only = models.Filter(must=[models.FieldCondition(key="group", match=models.MatchValue(value=group))])
                alike("count", count_filter=only)
                alike("scroll", scroll_filter=only, limit=10)
            alike("scroll", limit=WINDOW + BATCH, with_vectors=True)
            alike("scroll", limit=7, offset=sorted(i for i in live if isinstance(i, int))[5])
            alike("retrieve", ids=rng.sample(live, 5) + [live[0]], with_vectors=True)
            alike("query_points", query=[rng.uniform(-1, 1) for _ in range(4)], limit=10)
        if step == WINDOWS * WINDOW // BATCH // 2:
            for door in doors[1:]:
                door.reopen()
