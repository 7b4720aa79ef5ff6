"""langchain-qdrant: documents added with embeddings, searched, filtered, deleted; by a client object behind each door."""

import pytest
from conftest import DIM, TEXTS, TOPICS, client_of

pytest.importorskip("langchain_qdrant")

from langchain_core.documents import Document  # noqa: E402
from langchain_core.embeddings import Embeddings  # noqa: E402
from langchain_qdrant import QdrantVectorStore  # noqa: E402
from qdrant_client import models  # noqa: E402


class MiniLM(Embeddings):
    def __init__(self, embedder) -> None:
        self.embedder = embedder

    def embed_documents(self, texts):
        return self.embedder.many(texts)

    def embed_query(self, text):
        return self.embedder.one(text)


@pytest.mark.parametrize("kind", ["memory", "rest", "grpc"])
def test_langchain(kind, embedder, server) -> None:
    name = f"langchain_{kind}"
    client = client_of(kind, server)
    client.create_collection(name, vectors_config=models.VectorParams(size=DIM, distance=models.Distance.COSINE))
    store = QdrantVectorStore(client=client, collection_name=name, embedding=MiniLM(embedder))
    documents = [Document(page_content=text, metadata={"topic": topic}) for text, topic in zip(TEXTS, TOPICS)]
    ids = store.add_documents(documents)
    assert len(ids) == len(TEXTS)
    hits = store.similarity_search_with_score("a kitten is napping", k=2)
    assert hits[0][0].page_content == TEXTS[0] and hits[0][1] > hits[1][1]
    is_space = models.Filter(must=[models.FieldCondition(key="metadata.topic", match=models.MatchValue(value="space"))])
    found = store.similarity_search("bread and soup", k=5, filter=is_space)
    assert {document.metadata["topic"] for document in found} == {"space"} and len(found) == 2
    different = store.max_marginal_relevance_search("stock market", k=3, fetch_k=8)
    assert len(different) == 3
    assert len(store.get_by_ids(ids[:3])) == 3
    assert store.delete(ids[:2])
    assert client.count(name).count == len(TEXTS) - 2
    assert store.similarity_search("a kitten is napping", k=1)[0].page_content != TEXTS[0]
    client.close()
