"""Texts by `client.add` and `client.query`, as official clients had them until 1.15: fastembed embeds (a model of ours is in the
place of a download), and "Qdrant/bm25" is embedded by the engine."""

import asyncio
import inspect
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import DIM, TEXTS, TOPICS, async_client_of, client_of

pytest.importorskip("fastembed")

from qdrant_client import models  # noqa: E402
from qdrant_client.embed import embedder as official_embedder  # noqa: E402

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
METADATA = [{"topic": topic} for topic in TOPICS]
IS_FOOD = models.Filter(must=[models.FieldCondition(key="topic", match=models.MatchValue(value="food"))])


@pytest.fixture(autouse=True)
def model(monkeypatch, embedder):
    class TextEmbedding(official_embedder.TextEmbedding):
        def __init__(self, model_name, **_):
            assert model_name == MODEL
            self.model = SimpleNamespace(model_name=model_name)

        def embed(self, documents, **_):
            texts = [documents] if isinstance(documents, str) else list(documents)
            return iter(np.array(embedder.many(texts)))

        def query_embed(self, query, **_):
            return self.embed(query)

    monkeypatch.setattr(official_embedder, "TextEmbedding", TextEmbedding)


async def done(value):
    return await value if inspect.isawaitable(value) else value


async def play(client, name):
    client.set_model(MODEL)
    assert client.embedding_model_name == MODEL and client.sparse_embedding_model_name is None
    assert client.get_fastembed_sparse_vector_params() is None
    (field, params), = client.get_fastembed_vector_params(on_disk=True).items()
    assert (field, params.size, params.distance, params.on_disk) == ("fast-all-minilm-l6-v2", DIM, models.Distance.COSINE, True)
    ids = await done(client.add(name, TEXTS, metadata=METADATA, ids=range(1, 9), batch_size=3))
    assert ids == list(range(1, 9)) and (await done(client.count(name))).count == 8
    more = await done(client.add(name, ["It rains."]))
    assert len(more) == 1 and isinstance(more[0], str)
    hits = await done(client.query(name, "a kitten is napping", limit=2))
    assert hits[0].document == TEXTS[0] and hits[0].metadata["topic"] == "animals" and hits[0].score > hits[1].score
    assert {hit.metadata["topic"] for hit in await done(client.query(name, "telescopes", query_filter=IS_FOOD))} == {"food"}
    both = await done(client.query_batch(name, ["a kitten is napping", "orbit"], limit=1))
    assert [batch[0].document for batch in both] == [TEXTS[0], TEXTS[6]]
    client.set_sparse_model("Qdrant/bm25")
    sparse = client.get_fastembed_sparse_vector_params()
    assert list(sparse) == ["fast-sparse-bm25"] and sparse["fast-sparse-bm25"].modifier == models.Modifier.IDF
    await done(client.add(f"{name}_hybrid", TEXTS, metadata=METADATA))
    found = await done(client.query(f"{name}_hybrid", "astronomers and a kitten", limit=4, with_vectors=True))
    assert TEXTS[7] in [hit.document for hit in found[:2]]
    assert len(found[0].embedding) == DIM and found[0].sparse_embedding.indices
    await done(client.close())


@pytest.mark.parametrize("kind", ["memory", "rest", "grpc"])
@pytest.mark.parametrize("made", [client_of, async_client_of])
def test_add_and_query(kind, made, server) -> None:
    asyncio.run(play(made(kind, server), f"documents_{kind}_{made.__name__}"))
