"""mcp-server-qdrant: what its two tools do, store and find, with embeddings of ours in place of a download."""

import asyncio

import pytest
from conftest import DIM, TEXTS, TOPICS

pytest.importorskip("mcp_server_qdrant.qdrant")

from mcp_server_qdrant.embeddings.base import EmbeddingProvider  # noqa: E402
from mcp_server_qdrant.qdrant import Entry, QdrantConnector  # noqa: E402
from qdrant_client import models  # noqa: E402


class MiniLM(EmbeddingProvider):
    def __init__(self, embedder) -> None:
        self.embedder = embedder

    async def embed_documents(self, documents):
        return self.embedder.many(documents)

    async def embed_query(self, query):
        return self.embedder.one(query)

    def get_vector_name(self) -> str:
        return "minilm"

    def get_vector_size(self) -> int:
        return DIM


async def store_and_find(embedder, server) -> None:
    indexes = {"metadata.topic": models.PayloadSchemaType.KEYWORD}
    connector = QdrantConnector(server.url, None, "memories", MiniLM(embedder), field_indexes=indexes)
    for text, topic in zip(TEXTS, TOPICS):
        await connector.store(Entry(content=text, metadata={"topic": topic}))
    assert await connector.get_collection_names() == ["memories"]
    found = await connector.search("a kitten is napping", limit=2)
    assert found[0].content == TEXTS[0] and found[0].metadata == {"topic": "animals"}
    is_space = models.Filter(must=[models.FieldCondition(key="metadata.topic", match=models.MatchValue(value="space"))])
    found = await connector.search("bread and soup", limit=5, query_filter=is_space)
    assert sorted(entry.content for entry in found) == sorted(TEXTS[6:])
    assert await connector.search("anything", collection_name="none") == []


def test_mcp_server(embedder, server) -> None:
    asyncio.run(store_and_find(embedder, server))
