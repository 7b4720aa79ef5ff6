"""langchain-qdrant: documents added with embeddings, searched (dense, sparse, hybrid, MMR, asynchronously), filtered, deleted; by a
client object behind each door, and by the constructors that make a client of their own."""

import asyncio

import pytest
from conftest import DIM, TEXTS, TOPICS, client_of, sparse_of

pytest.importorskip("langchain_qdrant")

from langchain_core.documents import Document  # noqa: E402
from langchain_core.embeddings import Embeddings  # noqa: E402
from langchain_qdrant import QdrantVectorStore, RetrievalMode, SparseEmbeddings, SparseVector  # noqa: E402
from langchain_qdrant.qdrant import QdrantVectorStoreError  # noqa: E402
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


class Words(SparseEmbeddings):
    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text):
        indices, values = sparse_of(text)
        return SparseVector(indices=indices, values=values)


def documents_of(texts):
    return [Document(page_content=text, metadata={"topic": topic}) for text, topic in zip(texts, TOPICS)]


def vectors_of(mode):
    """The collection that from_documents makes for a mode."""
    dense = {} if mode == RetrievalMode.SPARSE else {"": models.VectorParams(size=DIM, distance=models.Distance.COSINE)}
    sparse = {} if mode == RetrievalMode.DENSE else {"langchain-sparse": models.SparseVectorParams()}
    return {"vectors_config": dense, "sparse_vectors_config": sparse}


@pytest.mark.parametrize("mode", list(RetrievalMode))
@pytest.mark.parametrize("kind", ["memory", "rest", "grpc"])
def test_retrieval_modes(kind, mode, embedder, server) -> None:
    name = f"langchain_{kind}_{mode.value}"
    models_used = {"embedding": MiniLM(embedder), "sparse_embedding": Words(), "retrieval_mode": mode, "collection_name": name}
    if kind == "memory":
        client = client_of(kind, server)
        client.create_collection(name, **vectors_of(mode))
        store = QdrantVectorStore(client=client, **models_used)
        store.add_documents(documents_of(TEXTS))
    else:
        store = QdrantVectorStore.from_documents(documents_of(TEXTS), url=server.url, grpc_port=server.grpc_port,
                                                 prefer_grpc=kind == "grpc", force_recreate=True, **models_used)  # fmt: skip
    asked = "the cat on the windowsill"
    hits = store.similarity_search_with_score(asked, k=3)
    assert hits[0][0].page_content == TEXTS[0] and hits[0][1] >= hits[-1][1]
    is_food = models.Filter(must=[models.FieldCondition(key="metadata.topic", match=models.MatchValue(value="food"))])
    fed = store.similarity_search("the dough and the garlic", k=4, filter=is_food)
    assert {hit.metadata["topic"] for hit in fed} == {"food"}
    assert store.as_retriever(search_kwargs={"k": 1}).invoke(asked)[0].page_content == TEXTS[0]
    assert asyncio.run(store.asimilarity_search(asked, k=1))[0].page_content == TEXTS[0]
    if mode == RetrievalMode.DENSE:
        found = store.max_marginal_relevance_search_with_score_by_vector(embedder.one(asked), k=3, fetch_k=8, lambda_mult=0.3)
        assert found[0][0].page_content == TEXTS[0] and len({document.page_content for document, _ in found}) == 3
        assert asyncio.run(store.amax_marginal_relevance_search(asked, k=2, fetch_k=8))[0].page_content == TEXTS[0]
    again = QdrantVectorStore(client=store.client, **models_used)  # checks that the collection suits it
    assert again.similarity_search(asked, k=1)[0].page_content == TEXTS[0]
    store.client.close()


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_existing_collections_and_texts(kind, embedder, server) -> None:
    name = f"langchain_texts_{kind}"
    where = {"url": server.url, "grpc_port": server.grpc_port, "prefer_grpc": kind == "grpc", "collection_name": name}
    made = QdrantVectorStore.from_texts(TEXTS, MiniLM(embedder), [{"topic": topic} for topic in TOPICS], ids=list(range(8)),
                                        vector_name="named", **where)  # fmt: skip
    assert [document.page_content for document in made.get_by_ids([3, 5])] == [TEXTS[3], TEXTS[5]]
    store = QdrantVectorStore.from_existing_collection(embedding=MiniLM(embedder), vector_name="named", **where)
    assert store.similarity_search("a kitten is napping", k=1)[0].page_content == TEXTS[0]
    with pytest.raises(QdrantVectorStoreError, match="dense vector"):
        QdrantVectorStore.from_existing_collection(embedding=MiniLM(embedder), vector_name="other", **where)
    with pytest.raises(QdrantVectorStoreError, match="similarity"):
        QdrantVectorStore.from_existing_collection(embedding=MiniLM(embedder), vector_name="named",
                                                   distance=models.Distance.EUCLID, **where)  # fmt: skip
    store.client.close()
    made.client.close()
