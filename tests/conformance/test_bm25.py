"""Goal:   a document in the place of a vector becomes the BM25 vector that Qdrant's server and fastembed make of it, in
        upserts, vector updates and queries, behind every door; and hybrid search on top of it ranks as the oracle does.
Method: random texts, seed 61; a model of BM25 in Python (language "none", so that it needs neither stop words nor stems)
        says which vector each must become. Octant gets the documents, qdrant-client's own engine the vectors; what they
        return and how they rank must be the same. English (stop words, stems) against vectors recorded from fastembed 0.9.1,
        and against fastembed itself where it is installed. Requests that cannot be, by status and text.
"""

import random
import re
import struct
from typing import Any, Dict, List

import pytest
from qdrant_client import models

from doors import Door
from test_wire import Wires, ask, wires  # noqa: F401  the fixture

MODEL = "Qdrant/bm25"
WORDS = ["alpha", "Beta", "gamma", "delta_x", "x-ray", "7", "Straße", "naïve", "ÜBER", "the", "cats", "b"]


def murmur3(data: bytes) -> int:
    """MurmurHash3, x86, 32 bits, seed 0."""

    def mix(block: int) -> int:
        block = block * 0xCC9E2D51 & 0xFFFFFFFF
        return ((block << 15 | block >> 17) & 0xFFFFFFFF) * 0x1B873593 & 0xFFFFFFFF

    value = 0
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        value ^= mix(int.from_bytes(data[i : i + 4], "little"))
        value = ((value << 13 | value >> 19) * 5 + 0xE6546B64) & 0xFFFFFFFF
    if len(data) > whole:
        value ^= mix(int.from_bytes(data[whole:], "little"))
    value ^= len(data)
    value = (value ^ value >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    value = (value ^ value >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return value ^ value >> 16


def token_id(token: str) -> int:
    value = murmur3(token.encode())
    return abs(value - (1 << 32) if value >> 31 else value)


def bm25(text: str, is_query: bool = False, k: float = 1.2, b: float = 0.75, avg_len: float = 256.0) -> models.SparseVector:
    tokens = [part.lower() for part in re.split(r"[\W_]+", text) if part]
    counts: Dict[str, int] = {}
    for token in tokens:
        counts[token] = counts.get(token, 0) + 1
    weights = {}
    for token, n in counts.items():
        weight = n * (k + 1) / (n + k * (1 - b + b * len(tokens) / avg_len))
        weights[token_id(token)] = 1.0 if is_query else weight
    return models.SparseVector(indices=sorted(weights), values=[weights[i] for i in sorted(weights)])


def random_text(rng: random.Random, most: int = 30) -> str:
    return " ".join(rng.choice(WORDS) + rng.choice(["", "", ".", "!?"]) for _ in range(rng.randrange(most)))


def document(door: Door, text: str, is_query: bool = False, **options: Any) -> Any:
    """The text for Octant, its vector for the oracle."""
    if door.is_oracle:
        return bm25(text, is_query, **options)
    return models.Document(text=text, model=MODEL, options={"language": "none", **options})


def create(door: Door) -> None:
    outcome = door.call(
        "create_collection",
        collection_name="c",
        vectors_config={"dense": models.VectorParams(size=2, distance=models.Distance.DOT)},
        sparse_vectors_config={"text": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
    assert outcome.ok, f"{door.name}: {outcome}"


def close_to(got: models.SparseVector, want: models.SparseVector) -> bool:
    pairs = zip(got.values, want.values)
    return got.indices == want.indices and all(abs(x - y) <= 1e-6 * max(1.0, abs(y)) for x, y in pairs)


def stored(door: Door, ids: List[int]) -> Dict[int, models.SparseVector]:
    outcome = door.call("retrieve", collection_name="c", ids=ids, with_vectors=["text"])
    assert outcome.ok, f"{door.name}: {outcome}"
    return {record.id: record.vector["text"] for record in outcome.value if "text" in (record.vector or {})}


def test_documents_become_the_vectors_of_the_model(doors: List[Door]) -> None:
    rng = random.Random(61)
    options = [{}, {"k": 0.5}, {"b": 0.0}, {"avg_len": 10.0, "b": 1.0}]
    texts = {i: (random_text(rng), rng.choice(options)) for i in range(60)}
    for door in doors:
        create(door)
        points = [
            models.PointStruct(id=i, vector={"text": document(door, text, **given), "dense": [1.0, float(i)]})
            for i, (text, given) in texts.items()
        ]
        assert door.call("upsert", collection_name="c", points=points[:50], wait=True).ok, door.name
        # An update of vectors, of points that have one already and of points that get their first.
        dense = [models.PointStruct(id=i, vector={"dense": [1.0, float(i)]}) for i in range(50, 60)]
        assert door.call("upsert", collection_name="c", points=dense, wait=True).ok, door.name
        changes = [models.PointVectors(id=p.id, vector={"text": p.vector["text"]}) for p in points[40:]]
        assert door.call("update_vectors", collection_name="c", points=changes, wait=True).ok, door.name
    for door in doors:
        if door.is_oracle:
            continue
        door.reopen() if door.name in ("path", "server") else None
        vectors = stored(door, list(texts))
        for i, (text, given) in texts.items():
            want = bm25(text, **given)
            assert i in vectors, f"{door.name}: point {i} has no vector, text {text!r}"
            assert close_to(vectors[i], want), f"{door.name}: point {i}, text {text!r}"


def test_documents_rank_as_their_vectors(doors: List[Door]) -> None:
    rng = random.Random(62)
    texts = [random_text(rng) for _ in range(80)]
    queries = [random_text(rng, 5) for _ in range(30)]
    answers: Dict[str, Any] = {}
    for door in doors:
        create(door)
        points = [
            models.PointStruct(id=i, vector={"text": document(door, text), "dense": [1.0, i / 100]})
            for i, text in enumerate(texts)
        ]
        assert door.call("upsert", collection_name="c", points=points, wait=True).ok, door.name
        answers[door.name] = []
        for query in queries:
            plain = door.call(
                "query_points", collection_name="c", query=document(door, query, True), using="text", limit=100
            )
            hybrid = door.call(
                "query_points",
                collection_name="c",
                prefetch=[
                    models.Prefetch(query=document(door, query, True), using="text", limit=100),
                    models.Prefetch(query=[0.3, 1.0], using="dense", limit=100),
                ],
                query=models.FusionQuery(fusion=models.Fusion.DBSF),
                limit=100,
            )
            for outcome in (plain, hybrid):
                assert outcome.ok, f"{door.name}: {outcome}"
                answers[door.name].append({point.id: point.score for point in outcome.value.points})
    oracle = answers.pop("oracle")
    assert any(len(found) > 10 for found in oracle)
    for name, found in answers.items():
        for number, (got, want) in enumerate(zip(found, oracle)):
            assert got.keys() == want.keys(), f"{name}: answer {number}"
            for i in got:
                assert abs(got[i] - want[i]) <= 1e-4 * max(1.0, abs(want[i])), f"{name}: answer {number}, point {i}"
        assert found == next(iter(answers.values())), f"{name}: the doors of Octant differ"


# Of fastembed 0.9.1 with NLTK's 179 English stop words.
ENGLISH = "The quick brown fox jumps over the lazy dog; the dog jumped. Foxes don't!"
ENGLISH_INDICES = [226376294, 741580288, 771291085, 1312749093, 1621867415, 1913189942]
ENGLISH_BITS = [struct.pack("<f", value) for value in [1.6520973443984985] * 3 + [1.8870832920074463] * 3]


def test_english_is_stemmed_as_fastembed_does(doors: List[Door]) -> None:
    for door in doors:
        if door.is_oracle:
            continue
        create(door)
        for i, model in enumerate(["Qdrant/bm25", "qdrant/BM25"]):
            vector = {"text": models.Document(text=ENGLISH, model=model)}
            outcome = door.call("upsert", collection_name="c", points=[models.PointStruct(id=i, vector=vector)], wait=True)
            assert outcome.ok, f"{door.name}: {outcome}"
        for vector in stored(door, [0, 1]).values():
            assert vector.indices == ENGLISH_INDICES, door.name
            # Equal as 32-bit floats: JSON has their shortest decimals, gRPC their bits.
            assert [struct.pack("<f", value) for value in vector.values] == ENGLISH_BITS, door.name


def test_fastembed_gives_the_same_vectors(doors: List[Door], tmp_path: Any) -> None:
    bm25_module = pytest.importorskip("fastembed.sparse.bm25", reason="fastembed is not installed here")
    # Its stop words are files of a model repository; without that it can be told them.
    model = bm25_module.Bm25.__new__(bm25_module.Bm25)
    from py_rust_stemmers import SnowballStemmer

    model.k, model.b, model.avg_len = 1.2, 0.75, 256.0
    model.token_max_length, model.punctuation, model.stopwords = 40, set(), {"the", "and", "of"}
    model.stemmer, model.tokenizer = SnowballStemmer("english"), bm25_module.SimpleTokenizer
    rng = random.Random(63)
    texts = [" ".join(rng.choice(ENGLISH.split() + ["running", "the", "of", "and", "nation's"]) for _ in range(20)) for _ in range(40)]
    door = next(each for each in doors if each.name == "memory")
    create(door)
    options = {"stopwords": {"custom": ["the", "and", "of"]}}
    points = [
        models.PointStruct(id=i, vector={"text": models.Document(text=text, model=MODEL, options=options)})
        for i, text in enumerate(texts)
    ]
    assert door.call("upsert", collection_name="c", points=points, wait=True).ok
    vectors = stored(door, list(range(len(texts))))
    for i, made in enumerate(model.raw_embed(texts)):
        want = dict(zip(map(int, made.indices), map(float, made.values)))
        got = dict(zip(vectors[i].indices, vectors[i].values))
        assert got.keys() == want.keys(), texts[i]
        assert all(abs(got[key] - want[key]) < 1e-6 for key in got), texts[i]


REFUSED: List[Any] = [
    # vector, status, a part of the text
    ({"text": {"text": "x", "model": "other/model"}}, 500, "InferenceService URL not configured"),
    ({"text": {"image": "x", "model": "bm25"}}, 400, "Only text input is supported for bm25."),
    ({"text": {"object": {"a": 1}, "model": "Qdrant/BM25"}}, 400, "Only text input is supported for Qdrant/BM25."),
    ({"text": {"text": "x", "model": ""}}, 422, "model: value \"\" invalid, must be at least 1 characters"),
    ({"text": "x", "model": "bm25"}, 400, "Sparse vector from document inference should be named"),
    ({"text": {"text": "x", "model": "bm25", "options": {"k": -1}}}, 400, "Wrong input: Invalid BM25 config: k is -1"),
    ({"text": {"text": "x", "model": "bm25", "options": {"b": 2}}}, 400, "Invalid BM25 config: b is 2, must be from 0 to 1"),
    ({"text": {"text": "x", "model": "bm25", "options": {"avg_len": 0}}}, 400, "Invalid BM25 config: avg_len is 0"),
    ({"text": {"text": "x", "model": "bm25", "options": {"k": "1"}}}, 400, "Invalid BM25 config: k: invalid type"),
    ({"text": {"text": "x", "model": "bm25", "options": {"tokenizer": "x"}}}, 400, "Invalid BM25 config: tokenizer:"),
    ({"text": {"text": "x", "model": "bm25", "options": {"stemmer": {"type": "snowball", "language": "xx"}}}}, 400, "no stemmer for"),
    ({"text": {"text": "x", "model": "bm25", "options": 5}}, 400, "invalid type"),
    ({"dense": {"text": "x", "model": "bm25"}}, 400, "Wrong input"),
]


def test_documents_that_cannot_be_are_refused(wires: Wires) -> None:
    config = {"vectors": {"dense": {"size": 2, "distance": "Dot"}}, "sparse_vectors": {"text": {"modifier": "idf"}}}
    status, answer = ask(wires, "PUT", "/collections/d", config)
    assert status == 200, answer
    for vector, status, text in REFUSED:
        got, answer = ask(wires, "PUT", "/collections/d/points?wait=true", {"points": [{"id": 1, "vector": vector}]})
        assert got == status, f"{vector}: {answer}"
        assert text in answer["status"]["error"], f"{vector}: {answer}"
        if text.startswith("Only"):  # the bare text
            assert answer["status"]["error"] == text
    for query in ({"text": "x", "model": "other"}, {"nearest": {"text": "x", "model": "other"}}):
        got, answer = ask(wires, "POST", "/collections/d/points/query", {"query": query, "using": "text"})
        assert got == 500 and "InferenceService URL not configured" in answer["status"]["error"]
