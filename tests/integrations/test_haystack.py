"""qdrant-haystack: documents with embeddings written, retrieved, filtered, deleted, by REST and by gRPC."""

import pytest
from conftest import DIM, TEXTS, TOPICS

pytest.importorskip("haystack_integrations.document_stores.qdrant")

from haystack import Document  # noqa: E402
from haystack.document_stores.types import DuplicatePolicy  # noqa: E402
from haystack_integrations.components.retrievers.qdrant import QdrantEmbeddingRetriever  # noqa: E402
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore  # noqa: E402


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_haystack(kind, embedder, server) -> None:
    store = QdrantDocumentStore(
        url=server.url,
        grpc_port=server.grpc_port,
        prefer_grpc=kind == "grpc",
        index=f"haystack_{kind}",
        embedding_dim=DIM,
        recreate_index=True,
        wait_result_from_api=True,
    )
    documents = [
        Document(content=text, meta={"topic": topic}, embedding=vector)
        for text, topic, vector in zip(TEXTS, TOPICS, embedder.many(TEXTS))
    ]
    assert store.write_documents(documents, policy=DuplicatePolicy.OVERWRITE) == len(TEXTS)
    assert store.count_documents() == len(TEXTS)
    retriever = QdrantEmbeddingRetriever(document_store=store, top_k=2)
    found = retriever.run(query_embedding=embedder.one("a kitten is napping"))["documents"]
    assert found[0].content == TEXTS[0] and found[0].score > found[1].score
    is_money = {"field": "meta.topic", "operator": "==", "value": "money"}
    found = retriever.run(query_embedding=embedder.one("telescopes"), filters=is_money, top_k=5)["documents"]
    assert {document.meta["topic"] for document in found} == {"money"} and len(found) == 2
    assert len(store.filter_documents(filters=is_money)) == 2
    store.delete_documents([documents[0].id, documents[1].id])
    assert store.count_documents() == len(TEXTS) - 2
