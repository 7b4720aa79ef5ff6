"""Goal:   a text index makes `match` text, text_any and phrase ask for words, through every door as in C, and is shown as it
        was given.
Method: random texts and queries, seed 71, with a word index on the field; qdrant-client's own engine compares words of a
        field (as a server after 1.19 does with an index of default settings), so its answers are the expected ones, also
        after changes, after reopening, and within nested filters. What settings do is checked on examples; what cannot be is
        refused, by status and text.
"""

import random
from typing import Any, Dict, List

from qdrant_client import models

from doors import Door
from test_wire import Wires, ask, wires  # noqa: F401  the fixture

WORDS = ["alpha", "Beta", "GAMMA", "delta", "x-ray", "7", "Straße", "naïve", "the", "cats"]


def everywhere(doors: List[Door], method: str, **arguments: Any) -> None:
    for door in doors:
        outcome = door.call(method, **arguments)
        assert outcome.ok, f"{door.name}: {method}: {outcome}"


def random_text(rng: random.Random, most: int) -> str:
    return " ".join(rng.choice(WORDS) + rng.choice(["", "", ",", "!"]) for _ in range(rng.randrange(most)))


def random_payload(rng: random.Random) -> Dict[str, Any]:
    return {
        "t": rng.choice([random_text(rng, 8), random_text(rng, 8), 5, None]),
        "parts": [{"t": random_text(rng, 4), "n": rng.randrange(3)} for _ in range(rng.randrange(3))],
    }


def random_condition(rng: random.Random, key: str) -> models.FieldCondition:
    text = random_text(rng, 4)
    match = rng.choice(
        [models.MatchText(text=text), models.MatchTextAny(text_any=text), models.MatchPhrase(phrase=text)]
    )
    return models.FieldCondition(key=key, match=match)


def random_filter(rng: random.Random) -> models.Filter:
    conditions: List[Any] = [random_condition(rng, "t") for _ in range(rng.randrange(1, 3))]
    if rng.random() < 0.3:
        inner = models.Filter(must=[random_condition(rng, "t"), models.FieldCondition(key="n", range=models.Range(gte=1))])
        conditions.append(models.NestedCondition(nested=models.Nested(key="parts", filter=inner)))
    return models.Filter(**{rng.choice(["must", "should", "must_not"]): conditions})


def test_words_are_found_as_the_oracle_finds_them(doors: List[Door]) -> None:
    rng = random.Random(71)
    params = models.TextIndexParams(type=models.TextIndexType.TEXT, tokenizer=models.TokenizerType.WORD, phrase_matching=True)
    everywhere(
        doors,
        "create_collection",
        collection_name="c",
        vectors_config=models.VectorParams(size=1, distance=models.Distance.DOT),
    )
    for field in ("t", "parts[].t"):
        everywhere(doors, "create_payload_index", collection_name="c", field_name=field, field_schema=params, wait=True)
    found = 0
    for round_number in range(6):
        points = [
            models.PointStruct(id=rng.randrange(150), vector=[1.0], payload=random_payload(rng)) for _ in range(80)
        ]
        everywhere(doors, "upsert", collection_name="c", points=list({p.id: p for p in points}.values()), wait=True)
        everywhere(doors, "delete", collection_name="c", points_selector=[rng.randrange(150) for _ in range(5)], wait=True)
        if round_number == 3:
            for door in doors:
                door.reopen()
        for _ in range(40):
            chosen = random_filter(rng)
            answers = {}
            for door in doors:
                outcome = door.call("scroll", collection_name="c", scroll_filter=chosen, limit=1000)
                assert outcome.ok, f"{door.name}: {outcome}"
                answers[door.name] = [record.id for record in outcome.value[0]]
                exact = door.call("count", collection_name="c", count_filter=chosen, exact=True)
                assert exact.ok and exact.value.count == len(answers[door.name]), f"{door.name}: {exact}"
            for name, ids in answers.items():
                assert ids == answers["oracle"], f"{name} differs for {chosen.model_dump_json(exclude_none=True)}"
            found += len(answers["oracle"])
    assert found > 1000


GERMAN = {"languages": ["german"], "custom": ["Katze"]}

# params, texts by id, match, ids that pass
SETTINGS: List[Any] = [
    ({"tokenizer": "word"}, {1: "quick foxes", 2: "Fox"}, {"text": "FOX"}, [2]),
    ({"tokenizer": "word"}, {1: "quick foxes"}, {"text": "qui"}, []),
    ({"tokenizer": "word", "lowercase": False}, {1: "Fox", 2: "fox"}, {"text": "fox"}, [2]),
    ({"tokenizer": "whitespace"}, {1: "C++ code", 2: "C code"}, {"text": "c++"}, [1]),
    ({"tokenizer": "prefix", "min_token_len": 2, "max_token_len": 4}, {1: "hello world", 2: "help"}, {"text": "HEL"}, [1, 2]),
    ({"tokenizer": "prefix", "min_token_len": 2, "max_token_len": 4}, {1: "hello", 2: "helps"}, {"text": "hello"}, [1]),
    ({"tokenizer": "multilingual"}, {1: "東京都に住む", 2: "大阪"}, {"text": "東京"}, [1]),
    ({"ascii_folding": True}, {1: "Ação", 2: "acre"}, {"text": "ACAO"}, [1]),
    ({"min_token_len": 3}, {1: "go home"}, {"text_any": "go"}, []),
    ({"stopwords": "en"}, {1: "the cat", 2: "a dog"}, {"text": "the cat"}, [1]),
    ({"stopwords": GERMAN}, {1: "die Katze", 2: "Katze Hund"}, {"text_any": "katze hund"}, [2]),
    ({"stemmer": {"type": "snowball", "language": "english"}}, {1: "running shoes", 2: "ran"}, {"text": "runs shoe"}, [1]),
    ({"phrase_matching": True}, {1: "a b c", 2: "c b a"}, {"phrase": "b c"}, [1]),
    ({"phrase_matching": False}, {1: "a b c"}, {"phrase": "b c"}, []),
    ({}, {1: "x y", 2: ["x", "y"], 3: "x"}, {"text": "y x"}, [1, 2]),
    ({}, {1: "x y"}, {"text": ""}, []),
]


def test_settings_decide_what_a_word_is(wires: Wires) -> None:
    for number, (params, texts, match, wanted) in enumerate(SETTINGS):
        name = f"/collections/s{number}"
        assert ask(wires, "PUT", name, {"vectors": {"size": 1, "distance": "Dot"}})[0] == 200
        points = [{"id": i, "vector": [1], "payload": {"t": text}} for i, text in texts.items()]
        assert ask(wires, "PUT", f"{name}/points?wait=true", {"points": points})[0] == 200
        body = {"field_name": "t", "field_schema": {"type": "text", **params}}
        status, answer = ask(wires, "PUT", f"{name}/index?wait=true", body)
        assert status == 200, f"{params}: {answer}"
        body = {"filter": {"must": [{"key": "t", "match": match}]}, "limit": 10}
        status, answer = ask(wires, "POST", f"{name}/points/scroll", body)
        assert status == 200, f"{params}: {answer}"
        assert [point["id"] for point in answer["result"]["points"]] == wanted, f"{params} {match}"
        schema = ask(wires, "GET", name)[1]["result"]["payload_schema"]["t"]
        without_words = 1 if params.get("stopwords") == GERMAN else 0
        assert schema["data_type"] == "text" and schema["points"] == len(texts) - without_words, schema


def test_an_index_is_shown_as_it_was_given(wires: Wires) -> None:
    given = {
        "type": "text",
        "tokenizer": "multilingual",
        "min_token_len": 1,
        "max_token_len": 20,
        "lowercase": True,
        "ascii_folding": False,
        "phrase_matching": True,
        "stopwords": {"languages": ["english", "german"], "custom": ["b", "c"]},
        "stemmer": {"type": "snowball", "language": "english"},
        "on_disk": True,
    }
    assert ask(wires, "PUT", "/collections/c/index?wait=true", {"field_name": "t", "field_schema": given})[0] == 200
    assert ask(wires, "GET", "/collections/c")[1]["result"]["payload_schema"]["t"]["params"] == given
    assert ask(wires, "PUT", "/collections/c/index?wait=true", {"field_name": "u", "field_schema": "text"})[0] == 200
    assert "params" not in ask(wires, "GET", "/collections/c")[1]["result"]["payload_schema"]["u"]
    assert ask(wires, "DELETE", "/collections/c/index/t?wait=true")[0] == 200
    assert "t" not in ask(wires, "GET", "/collections/c")[1]["result"]["payload_schema"]


REFUSED: List[Any] = [
    ({"tokenizer": "letters"}, 400, "tokenizer"),
    ({"stopwords": "klingon"}, 400, "unknown language of stop words"),
    ({"stopwords": {"custom": [5]}}, 400, "custom[0]"),
    ({"stemmer": {"type": "snowball", "language": "basque"}}, 400, "there is no stemmer for"),
    ({"stemmer": "english"}, 400, "stemmer"),
    ({"min_token_len": -1}, 400, "min_token_len"),
    ({"min_token_len": 5, "max_token_len": 2}, 422, "min_token_len 5 is greater than max_token_len 2"),
    ({"lowercase": "yes"}, 400, "lowercase"),
]


def test_settings_that_cannot_be_are_refused(wires: Wires) -> None:
    for params, status, text in REFUSED:
        body = {"field_name": "t", "field_schema": {"type": "text", **params}}
        got, answer = ask(wires, "PUT", "/collections/c/index?wait=true", body)
        assert got == status, f"{params}: {answer}"
        assert text in answer["status"]["error"], f"{params}: {answer}"
    assert ask(wires, "GET", "/collections/c")[1]["result"]["payload_schema"] == {}
