"""llama-index-vector-stores-qdrant: nodes with embeddings added, queried, filtered, deleted; by a client object."""

import asyncio

import pytest
from conftest import TEXTS, TOPICS, async_client_of, client_of, sparse_of

pytest.importorskip("llama_index.vector_stores.qdrant")

from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode  # noqa: E402
from llama_index.core.vector_stores import (  # noqa: E402
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.core.vector_stores.types import VectorStoreQueryMode  # noqa: E402
from llama_index.vector_stores.qdrant import QdrantVectorStore  # noqa: E402


@pytest.mark.parametrize("kind", ["memory", "rest", "grpc"])
def test_llama_index(kind, embedder, server) -> None:
    name = f"llama_{kind}"
    client = client_of(kind, server)
    store = QdrantVectorStore(collection_name=name, client=client)
    nodes = [
        TextNode(
            text=text,
            metadata={"topic": topic, "place": place},
            embedding=vector,
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"document-{place}")},
        )
        for place, (text, topic, vector) in enumerate(zip(TEXTS, TOPICS, embedder.many(TEXTS)))
    ]
    assert len(store.add(nodes)) == len(TEXTS)
    answer = store.query(VectorStoreQuery(query_embedding=embedder.one("a kitten is napping"), similarity_top_k=2))
    assert answer.nodes[0].get_content() == TEXTS[0] and answer.similarities[0] > answer.similarities[1]
    only_food = MetadataFilters(filters=[MetadataFilter(key="topic", value="food")])
    answer = store.query(
        VectorStoreQuery(query_embedding=embedder.one("telescopes"), similarity_top_k=5, filters=only_food)
    )
    assert {node.metadata["topic"] for node in answer.nodes} == {"food"} and len(answer.nodes) == 2
    store.delete("document-0")
    store.delete_nodes([nodes[1].node_id])
    assert client.count(name).count == len(TEXTS) - 2
    client.close()


def sparse_many(texts):
    pairs = [sparse_of(text) for text in texts]
    return [indices for indices, _ in pairs], [values for _, values in pairs]


async def asked_again(store, query, nodes):
    answer = await store.aquery(query)
    await store.async_add(nodes[:1])
    await store.adelete_nodes([nodes[1].node_id])
    return [node.get_content() for node in answer.nodes]


@pytest.mark.parametrize("kind", ["memory", "rest", "grpc"])
def test_hybrid_and_async(kind, embedder, server) -> None:
    """With sparse vectors beside the dense ones, by a synchronous and an asynchronous client of one database."""
    name = f"llama_hybrid_{kind}"
    client = client_of(kind, server)
    again = async_client_of(kind, server)
    store = QdrantVectorStore(collection_name=name, client=client, aclient=again, enable_hybrid=True,
                              sparse_doc_fn=sparse_many, sparse_query_fn=sparse_many, batch_size=3)  # fmt: skip
    nodes = [
        TextNode(text=text, metadata={"topic": topic, "place": place}, embedding=vector)
        for place, (text, topic, vector) in enumerate(zip(TEXTS, TOPICS, embedder.many(TEXTS)))
    ]
    store.add(nodes)
    asked = {"query_embedding": embedder.one("a kitten is napping"), "query_str": "interest rate of the bank",
             "similarity_top_k": 2}  # fmt: skip
    dense = store.query(VectorStoreQuery(**asked))
    assert dense.nodes[0].get_content() == TEXTS[0]
    sparse = store.query(VectorStoreQuery(mode=VectorStoreQueryMode.SPARSE, sparse_top_k=2, **asked))
    assert sparse.nodes[0].get_content() == TEXTS[2]
    mixed = VectorStoreQuery(mode=VectorStoreQueryMode.HYBRID, sparse_top_k=2, hybrid_top_k=2, **asked)
    assert {node.get_content() for node in store.query(mixed).nodes} == {TEXTS[0], TEXTS[2]}
    between = MetadataFilters(filters=[MetadataFilter(key="place", value=2, operator=FilterOperator.GTE),
                                       MetadataFilter(key="topic", value=["food", "space"], operator=FilterOperator.IN)])  # fmt: skip
    found = store.query(VectorStoreQuery(query_embedding=asked["query_embedding"], similarity_top_k=8, filters=between))
    assert {node.metadata["topic"] for node in found.nodes} == {"food", "space"}
    assert len(store.get_nodes(node_ids=[nodes[3].node_id, nodes[4].node_id])) == 2
    if kind != "memory":  # two clients in memory are two databases
        assert set(asyncio.run(asked_again(store, mixed, nodes))) == {TEXTS[0], TEXTS[2]}
        assert client.count(name).count == len(TEXTS) - 1
    store.clear()
    assert not client.collection_exists(name)
    client.close()
