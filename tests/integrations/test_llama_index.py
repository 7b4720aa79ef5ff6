"""llama-index-vector-stores-qdrant: nodes with embeddings added, queried, filtered, deleted; by a client object."""

import pytest
from conftest import TEXTS, TOPICS, client_of

pytest.importorskip("llama_index.vector_stores.qdrant")

from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode  # noqa: E402
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery  # noqa: E402
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
