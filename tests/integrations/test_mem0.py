"""mem0ai: its vector store over Octant: memories inserted, searched, filtered, changed, listed, deleted."""

import uuid
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import DIM, TEXTS, TOPICS, client_of, sparse_of

pytest.importorskip("mem0.vector_stores.qdrant")

from mem0.vector_stores.qdrant import Qdrant  # noqa: E402


class Encoder:
    """In place of fastembed's BM25, whose model would be downloaded."""

    def embed(self, texts):
        for text in texts:
            indices, values = sparse_of(text)
            yield SimpleNamespace(indices=np.array(indices), values=np.array(values))


@pytest.mark.parametrize("kind", ["memory", "rest", "grpc"])
def test_mem0(kind, embedder, server) -> None:
    client = client_of(kind, server)
    store = Qdrant(collection_name=f"mem0_{kind}", embedding_model_dims=DIM, client=client)
    store._bm25_encoder = Encoder()
    ids = [str(uuid.uuid5(uuid.NAMESPACE_URL, text)) for text in TEXTS]
    payloads = [{"data": text, "user_id": topic} for text, topic in zip(TEXTS, TOPICS)]
    store.insert(vectors=embedder.many(TEXTS), payloads=payloads, ids=ids)
    hits = store.search(query="", vectors=embedder.one("a kitten is napping"), top_k=2)
    assert hits[0].payload["data"] == TEXTS[0] and hits[0].score > hits[1].score
    hits = store.search(query="", vectors=embedder.one("telescopes"), top_k=5, filters={"user_id": "food"})
    assert {hit.payload["user_id"] for hit in hits} == {"food"} and len(hits) == 2
    hits = store.keyword_search("interest rate of the bank", top_k=3)
    assert hits[0].payload["data"] == TEXTS[2]
    assert store.keyword_search("the", top_k=8, filters={"user_id": "food"})[0].payload["user_id"] == "food"
    batches = store.search_batch(["", ""], embedder.many(["a kitten is napping", "orbit"]), top_k=1)
    assert [batch[0].payload["data"] for batch in batches] == [TEXTS[0], TEXTS[6]]
    store.update(ids[2], vector=embedder.one("rain"), payload={"data": "It rains.", "user_id": "weather"})
    assert store.get(ids[2]).payload["data"] == "It rains."
    store.delete(ids[0])
    assert store.get(ids[0]) is None
    assert len(store.list(top_k=100)[0]) == len(TEXTS) - 1
    assert f"mem0_{kind}" in [collection.name for collection in store.list_cols().collections]
    store.reset()
    assert store.list(top_k=100)[0] == []
    store.delete_col()
    client.close()
