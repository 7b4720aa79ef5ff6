"""qdrant-haystack: documents with embeddings written, retrieved, filtered, deleted, by REST and by gRPC."""

import asyncio

import pytest
from conftest import DIM, TEXTS, TOPICS, sparse_of

pytest.importorskip("haystack_integrations.document_stores.qdrant")

from haystack import Document  # noqa: E402
from haystack.dataclasses import SparseEmbedding  # noqa: E402
from haystack.document_stores.types import DuplicatePolicy  # noqa: E402
from haystack_integrations.components.retrievers.qdrant import (  # noqa: E402
    QdrantEmbeddingRetriever,
    QdrantHybridRetriever,
    QdrantSparseEmbeddingRetriever,
)
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


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_sparse_and_hybrid_retrievers(kind, embedder, server) -> None:
    options = {
        "url": server.url,
        "grpc_port": server.grpc_port,
        "prefer_grpc": kind == "grpc",
        "index": f"haystack_hybrid_{kind}",
        "embedding_dim": DIM,
        "use_sparse_embeddings": True,
        "sparse_idf": True,
        "wait_result_from_api": True,
        "payload_fields_to_index": [{"field_name": "meta.topic", "field_schema": "keyword"}],
    }
    store = QdrantDocumentStore(recreate_index=True, **options)
    store.write_documents(
        [
            Document(content=text, meta={"topic": topic, "n": place}, embedding=vector,
                     sparse_embedding=SparseEmbedding(*sparse_of(text)))
            for place, (text, topic, vector) in enumerate(zip(TEXTS, TOPICS, embedder.many(TEXTS)))
        ]  # fmt: skip
    )
    asked = SparseEmbedding(*sparse_of("interest rate of the bank"))
    found = QdrantSparseEmbeddingRetriever(document_store=store, top_k=2).run(query_sparse_embedding=asked)["documents"]
    assert found[0].content == TEXTS[2]
    kitten = embedder.one("a kitten is napping")
    hybrid = QdrantHybridRetriever(document_store=store, top_k=2)
    found = hybrid.run(query_embedding=kitten, query_sparse_embedding=asked)["documents"]
    assert {document.content for document in found} == {TEXTS[0], TEXTS[2]}
    few = {"operator": "AND", "conditions": [{"field": "meta.n", "operator": ">=", "value": 4},
                                             {"field": "meta.topic", "operator": "in", "value": ["food", "money"]}]}  # fmt: skip
    found = hybrid.run(query_embedding=kitten, query_sparse_embedding=asked, filters=few, top_k=8)["documents"]
    assert {document.content for document in found} == set(TEXTS[4:6])
    grouped = QdrantEmbeddingRetriever(document_store=store, group_by="meta.topic", group_size=1)
    found = grouped.run(query_embedding=kitten, top_k=4)["documents"]
    assert sorted(document.meta["topic"] for document in found) == ["animals", "food", "money", "space"]
    assert store.write_documents(store.filter_documents()[:2], policy=DuplicatePolicy.SKIP) == 0

    async def later():
        again = QdrantDocumentStore(**options)
        assert await again.count_documents_async() == len(TEXTS)
        retriever = QdrantHybridRetriever(document_store=again, top_k=2)
        answer = await retriever.run_async(query_embedding=kitten, query_sparse_embedding=asked)
        return {document.content for document in answer["documents"]}

    assert asyncio.run(later()) == {TEXTS[0], TEXTS[2]}
