"""Goal:   payload paths mean what Qdrant's own parser and setters say, on documents far stranger than a history
        makes them.
Method: random documents and paths, seeds 51 to 54; each door sets, deletes, includes and excludes; the oracle does
        the same. Documents come back equal, with numbers and strings exactly as sent.
"""

import random
from typing import Any, List

import pytest
from qdrant_client import models

import compare
from doors import Door

KEYS = ["a", "b", "c", "d e", "é", "x-y", "k_1", "日本"]
ROUNDS = 60


def value(rng: random.Random, depth: int) -> Any:
    dice = rng.random()
    if depth > 0 and dice < 0.35:
        return {key: value(rng, depth - 1) for key in rng.sample(KEYS, rng.randint(0, 4))}
    if depth > 0 and dice < 0.6:
        return [value(rng, depth - 1) for _ in range(rng.randint(0, 3))]
    numbers = [0, -1, 2**63, 2**64 - 1, -(2**63), 1.0, -0.0, 0.1, 1e16, 123456789.123456789, 1e-7, 1e300, 5e-324]
    texts = ["", "\u0000\u001f\u007f", "\\\"/", "\ud7ff\ue000\uffff😀", "  ", "null"]
    return rng.choice([None, True, False, rng.random(), *numbers, *texts])


def document(rng: random.Random) -> Any:
    return {key: value(rng, 4) for key in rng.sample(KEYS, rng.randint(0, 5))}


def path(rng: random.Random) -> str:
    text = ""
    for place in range(rng.randint(1, 4)):
        if place > 0 and rng.random() < 0.5:
            text += rng.choice(["[]", "[0]", "[1]", "[2]"])
        else:
            key = rng.choice(KEYS)
            text += ("." if place > 0 else "") + (f'"{key}"' if " " in key or rng.random() < 0.2 else key)
    return text


@pytest.mark.parametrize("seed", [51, 52, 53, 54])
def test_documents_are_changed_and_shown_alike(doors: List[Door], seed: int) -> None:
    rng = random.Random(seed)
    for door in doors:
        assert door.call(
            "create_collection",
            collection_name="c",
            vectors_config=models.VectorParams(size=1, distance=models.Distance.DOT),
        ).ok

    def everywhere(method: str, **arguments: Any) -> Any:
        outcomes = [door.call(method, collection_name="c", **arguments) for door in doors]
        for door, outcome in zip(doors, outcomes):
            assert outcome.ok == outcomes[0].ok, f"{method}({arguments}): {door.name} gives {outcome}, {outcomes[0]}"
        return [outcome.value for outcome in outcomes]

    for number in range(ROUNDS):
        everywhere("upsert", points=[models.PointStruct(id=1, vector=[1.0], payload=document(rng))])
        for _ in range(2):
            if rng.random() < 0.6:
                where = {"key": path(rng)} if rng.random() < 0.8 else {}
                everywhere("set_payload", payload=document(rng), points=[1], **where)
            else:
                everywhere("delete_payload", keys=[path(rng) for _ in range(rng.randint(1, 4))], points=[1])
        paths = [path(rng) for _ in range(rng.randint(1, 4))]
        for shown in (
            True,
            models.PayloadSelectorInclude(include=paths),
            models.PayloadSelectorExclude(exclude=paths),
        ):
            answers = everywhere("retrieve", ids=[1], with_payload=shown)
            payloads = [answer[0].payload for answer in answers]
            for door, payload in zip(doors, payloads):
                same = compare.strict(payload) == compare.strict(payloads[0])
                if door.name == "grpc":
                    same = door.sees(payload) == door.sees(payloads[0])
                assert same, f"seed {seed}, round {number}, {door.name}, {shown}"
