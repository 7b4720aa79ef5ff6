"""mem0ai: its vector store over Octant: memories inserted, searched, filtered, changed, listed, deleted."""

import uuid

import pytest
from conftest import DIM, TEXTS, TOPICS, client_of

pytest.importorskip("mem0.vector_stores.qdrant")

from mem0.vector_stores.qdrant import Qdrant  # noqa: E402


@pytest.mark.parametrize("kind", ["memory", "rest", "grpc"])
def test_mem0(kind, embedder, server) -> None:
    client = client_of(kind, server)
    try:
        store = Qdrant(collection_name=f"mem0_{kind}", embedding_model_dims=DIM, client=client)
    except Exception as reason:  # noqa: BLE001  of either door
        if "sparse vectors are not supported" in str(reason):
            pytest.skip("mem0 asks for sparse vectors, which this build does not have")
        raise
    store._bm25_encoder = False  # its model would be downloaded
    ids = [str(uuid.uuid5(uuid.NAMESPACE_URL, text)) for text in TEXTS]
    payloads = [{"data": text, "user_id": topic} for text, topic in zip(TEXTS, TOPICS)]
    store.insert(vectors=embedder.many(TEXTS), payloads=payloads, ids=ids)
    hits = store.search(query="", vectors=embedder.one("a kitten is napping"), top_k=2)
    assert hits[0].payload["data"] == TEXTS[0] and hits[0].score > hits[1].score
    hits = store.search(query="", vectors=embedder.one("telescopes"), top_k=5, filters={"user_id": "food"})
    assert {hit.payload["user_id"] for hit in hits} == {"food"} and len(hits) == 2
    store.update(ids[2], vector=embedder.one("rain"), payload={"data": "It rains.", "user_id": "weather"})
    assert store.get(ids[2]).payload["data"] == "It rains."
    store.delete(ids[0])
    assert store.get(ids[0]) is None
    assert len(store.list(top_k=100)[0]) == len(TEXTS) - 1
    assert f"mem0_{kind}" in [collection.name for collection in store.list_cols().collections]
    store.delete_col()
    client.close()
