"""What a program written for some version of qdrant-client does: run by test_old_clients.py in a process of its own, with
that version first on the path. Prints one JSON line a step: the step's name and what came back, made comparable.

usage: python core.py URL       (":memory:": the client's own local engine)
"""

import json
import random
import sys
import warnings

from qdrant_client import QdrantClient, models

warnings.simplefilter("ignore")
NAME = "old clients"
DIM = 6


def plain(value):
    """Models, enums and floats as JSON that two engines can agree on."""
    if hasattr(value, "model_dump"):
        value = value.model_dump()
    elif hasattr(value, "dict") and not isinstance(value, dict):
        value = value.dict()
    if isinstance(value, dict):
        # Numbers that one side does not have: versions, and keys that are none.
        return {str(k): plain(v) for k, v in sorted(value.items()) if v is not None and k not in ("version", "shard_key")}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 4)
    return value


def main(url):
    client = QdrantClient(url) if url == ":memory:" else QdrantClient(url=url, timeout=30)
    rng = random.Random(11)

    def vector():
        return [round(rng.uniform(-1, 1), 3) for _ in range(DIM)]

    def step(name, value):
        print(json.dumps([name, plain(value)]), flush=True)

    has = lambda method: hasattr(client, method)  # noqa: E731
    red = models.Filter(must=[models.FieldCondition(key="color", match=models.MatchValue(value="red"))])
    points = [
        models.PointStruct(
            id=i, vector=vector(), payload={"color": ["red", "blue", "green"][i % 3], "n": i, "tags": ["a", i]}
        )
        for i in range(1, 31)
    ]
    step(
        "create",
        client.create_collection(NAME, vectors_config=models.VectorParams(size=DIM, distance=models.Distance.COSINE)),
    )
    step("exists", client.collection_exists(NAME))
    step("upsert", client.upsert(NAME, points=points).status)
    step("upload", client.upload_points(NAME, [models.PointStruct(id=100, vector=vector(), payload={"n": 100})], wait=True))
    step("batch", client.upsert(NAME, points=models.Batch(ids=[101, 102], vectors=[vector(), vector()])).status)
    info = client.get_collection(NAME)
    step("info", [info.points_count, info.config.params.vectors.size, info.config.params.vectors.distance])
    step("collections", [c.name for c in client.get_collections().collections])
    step("count", client.count(NAME, count_filter=red, exact=True))
    step("retrieve", client.retrieve(NAME, ids=[3, 1, 777], with_vectors=True))
    page, following = client.scroll(NAME, scroll_filter=red, limit=4, with_vectors=False)
    step("scroll", [page, following])
    target = vector()
    if has("search"):
        step("search", client.search(NAME, query_vector=target, limit=5, query_filter=red, with_payload=["n"]))
        step("search batch", client.search_batch(NAME, requests=[models.SearchRequest(vector=target, limit=3)]))
        step("search groups", client.search_groups(NAME, query_vector=target, group_by="color", limit=3, group_size=2))
        step("recommend", client.recommend(NAME, positive=[1, 2], negative=[3], limit=4))
        step("recommend groups", client.recommend_groups(NAME, positive=[1], group_by="color", limit=2, group_size=1))
        step(
            "discover", client.discover(NAME, target=1, context=[models.ContextExamplePair(positive=2, negative=3)], limit=4)
        )
    if has("query_points"):
        step("query", client.query_points(NAME, query=target, limit=5, query_filter=red))
        step("query by id", client.query_points(NAME, query=5, limit=3, score_threshold=0.0))
        fused = client.query_points(
            NAME,
            prefetch=[models.Prefetch(query=target, limit=9), models.Prefetch(query=vector(), limit=9)],
            query=models.FusionQuery(fusion=models.Fusion.RRF),
            limit=9,
        )
        step("fusion", sorted(round(point.score, 3) for point in fused.points))
        step("query batch", client.query_batch_points(NAME, requests=[models.QueryRequest(query=target, limit=2)]))
    if has("query_points_groups"):
        step("query groups", client.query_points_groups(NAME, group_by="color", query=target, limit=3, group_size=2))
    if has("search_matrix_pairs"):
        step("matrix", len(client.search_matrix_pairs(NAME, sample=5, limit=2, query_filter=red).pairs))
    step("set payload", client.set_payload(NAME, payload={"extra": {"x": [1, 2]}}, points=[1, 2]).status)
    step("overwrite payload", client.overwrite_payload(NAME, payload={"only": True}, points=[4]).status)
    step("delete payload", client.delete_payload(NAME, keys=["n"], points=red).status)
    step("clear payload", client.clear_payload(NAME, points_selector=[5]).status)
    step(
        "update vectors",
        client.update_vectors(NAME, points=[models.PointVectors(id=6, vector=[1.0] + [0.0] * (DIM - 1))]).status,
    )
    step(
        "batch update",
        [
            r.status
            for r in client.batch_update_points(
                NAME,
                update_operations=[
                    models.UpsertOperation(
                        upsert=models.PointsList(points=[models.PointStruct(id=200, vector=vector(), payload={"n": 1})])
                    ),
                    models.SetPayloadOperation(set_payload=models.SetPayload(payload={"m": 2}, points=[200])),
                    models.DeleteOperation(delete=models.PointIdsList(points=[7])),
                ],
            )
        ],
    )
    step(
        "delete",
        client.delete(
            NAME,
            points_selector=models.FilterSelector(
                filter=models.Filter(must=[models.FieldCondition(key="n", range=models.Range(gte=20, lt=25))])
            ),
        ).status,
    )
    changed = client.update_collection(NAME, optimizers_config=models.OptimizersConfigDiff(indexing_threshold=500))
    step("update collection", changed or url == ":memory:")  # the local engine has nothing to change, and says so
    step(
        "alias",
        client.update_collection_aliases(
            [models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=NAME, alias_name="other"))]
        ),
    )
    step("aliases", [alias.alias_name for alias in client.get_aliases().aliases])
    rest, following = client.scroll("other" if url != ":memory:" else NAME, limit=100, with_vectors=True)
    step("all", [rest, following])
    try:
        client.retrieve("nope", ids=[1])
        step("unknown", "found")
    except Exception:  # noqa: BLE001  each version has its own
        step("unknown", "failed")
    step("delete collection", client.delete_collection(NAME))
    step("gone", client.collection_exists(NAME))
    client.close()


main(sys.argv[1])
