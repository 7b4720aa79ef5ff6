"""A walk over all that a client offers, as a list of steps: the same for each client, against a server of its own.

Each step is a name, a method of the official Python client and its arguments, and what of the result may differ
between servers (`volatile`: only its type is compared). Whether a step succeeds is not asked here: all clients must
get the same, and tests/conformance compares with the oracle what that is.
"""

from typing import Any, Dict, List, NamedTuple

import numpy as np
from qdrant_client import models as m


class Step(NamedTuple):
    name: str
    method: str
    arguments: Dict[str, Any]
    volatile: bool = False


TEXT, IMAGE = 4, 3


def vector(seed: int, size: int) -> List[float]:
    return [((seed * 7 + place * 13) % 17) / 16 - 0.5 for place in range(size)]


def point(number: Any, seed: int) -> m.PointStruct:
    payload = {
        "color": ["red", "green", "blue"][seed % 3],
        "size": seed,
        "weight": seed / 8,
        "tags": [f"t{seed % 2}", f"t{seed % 5}"],
        "place": {"lon": 13.0 + seed / 64, "lat": 52.0},
        "made": f"2024-01-{seed % 27 + 1:02d}T00:00:00Z",
        "deep": {"list": [{"k": seed % 4}], "null": None, "flag": seed % 2 == 0},
    }
    vectors = {"text": vector(seed, TEXT), "image": vector(seed + 3, IMAGE)}
    return m.PointStruct(id=number, vector=vectors, payload=payload)


UUID = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
IS_RED = m.Filter(must=[m.FieldCondition(key="color", match=m.MatchValue(value="red"))])
CONDITIONS: Dict[str, Any] = {
    "match any": m.FieldCondition(key="tags", match=m.MatchAny(any=["t1", "t3"])),
    "match except": m.FieldCondition(key="size", match=m.MatchExcept(**{"except": [1, 2, 3]})),
    "match text": m.FieldCondition(key="color", match=m.MatchText(text="re")),
    "match phrase": m.FieldCondition(key="color", match=m.MatchPhrase(phrase="blue")),
    "match bool": m.FieldCondition(key="deep.flag", match=m.MatchValue(value=True)),
    "range": m.FieldCondition(key="weight", range=m.Range(gt=0.5, lte=2)),
    "dates": m.FieldCondition(key="made", range=m.DatetimeRange(gte="2024-01-05T00:00:00Z", lt="2024-01-09T00:00:00Z")),
    "radius": m.FieldCondition(
        key="place", geo_radius=m.GeoRadius(center=m.GeoPoint(lon=13.1, lat=52.0), radius=5000.0)
    ),
    "box": m.FieldCondition(
        key="place",
        geo_bounding_box=m.GeoBoundingBox(
            top_left=m.GeoPoint(lon=13.05, lat=52.5), bottom_right=m.GeoPoint(lon=13.15, lat=51.5)
        ),
    ),
    "polygon": m.FieldCondition(
        key="place",
        geo_polygon=m.GeoPolygon(
            exterior=m.GeoLineString(
                points=[m.GeoPoint(lon=x, lat=y) for x, y in [(13.0, 51), (13.2, 51), (13.2, 53), (13.0, 53), (13.0, 51)]]
            )
        ),
    ),
    "values count": m.FieldCondition(key="tags", values_count=m.ValuesCount(gte=2)),
    "is empty": m.IsEmptyCondition(is_empty=m.PayloadField(key="nothing")),
    "is null": m.IsNullCondition(is_null=m.PayloadField(key="deep.null")),
    "has id": m.HasIdCondition(has_id=[1, UUID]),
    "has vector": m.HasVectorCondition(has_vector="image"),
    "nested": m.NestedCondition(
        nested=m.Nested(key="deep.list", filter=m.Filter(must=[m.FieldCondition(key="k", match=m.MatchValue(value=2))]))
    ),
    "min should": m.Filter(
        min_should=m.MinShould(
            conditions=[
                m.FieldCondition(key="color", match=m.MatchValue(value="red")),
                m.FieldCondition(key="size", range=m.Range(lt=9)),
            ],
            min_count=2,
        )
    ),
}

PAIRS = [m.ContextPair(positive=1, negative=2), m.ContextPair(positive=vector(5, TEXT), negative=9)]
QUERIES: Dict[str, Dict[str, Any]] = {
    "nearest": {"query": vector(3, TEXT)},
    "nearest by id": {"query": 5},
    "nearest exact": {"query": vector(3, TEXT), "search_params": m.SearchParams(exact=True, hnsw_ef=64)},
    "nearest above": {"query": vector(3, TEXT), "score_threshold": 0.2, "offset": 1},
    "all": {},
    "mmr": {"query": m.NearestQuery(nearest=vector(3, TEXT), mmr=m.Mmr(diversity=0.5, candidates_limit=12))},
    "recommend": {"query": m.RecommendQuery(recommend=m.RecommendInput(positive=[1, vector(2, TEXT)], negative=[7]))},
    "recommend best": {
        "query": m.RecommendQuery(
            recommend=m.RecommendInput(positive=[1], negative=[7], strategy=m.RecommendStrategy.BEST_SCORE)
        )
    },
    "discover": {"query": m.DiscoverQuery(discover=m.DiscoverInput(target=3, context=PAIRS))},
    "context": {"query": m.ContextQuery(context=PAIRS)},
    "order by": {"query": m.OrderByQuery(order_by=m.OrderBy(key="size", direction=m.Direction.DESC))},
    "fusion": {
        "prefetch": [m.Prefetch(query=vector(1, TEXT), using="text"), m.Prefetch(query=vector(2, IMAGE), using="image")],
        "query": m.FusionQuery(fusion=m.Fusion.RRF),
        "using": None,
    },
    "dbsf": {
        "prefetch": [m.Prefetch(query=vector(1, TEXT), using="text"), m.Prefetch(query=vector(2, IMAGE), using="image")],
        "query": m.FusionQuery(fusion=m.Fusion.DBSF),
        "using": None,
    },
    "rrf with weights": {
        "prefetch": [m.Prefetch(query=vector(1, TEXT), using="text"), m.Prefetch(query=vector(2, IMAGE), using="image")],
        "query": m.RrfQuery(rrf=m.Rrf(k=4, weights=[1.0, 0.5])),
        "using": None,
    },
    "formula": {
        "prefetch": [m.Prefetch(query=vector(1, TEXT), using="text", limit=20)],
        "query": m.FormulaQuery(
            formula=m.SumExpression(sum=["$score", m.MultExpression(mult=[0.25, "weight"])]), defaults={"weight": 1.0}
        ),
        "using": None,
    },
    "feedback": {
        "query": m.RelevanceFeedbackQuery(
            relevance_feedback=m.RelevanceFeedbackInput(
                target=vector(3, TEXT),
                feedback=[m.FeedbackItem(example=1, score=0.5), m.FeedbackItem(example=4, score=-0.25)],
                strategy=m.NaiveFeedbackStrategy(naive=m.NaiveFeedbackStrategyParams(a=1.0, b=1.0, c=1.0)),
            )
        )
    },
    "rescored": {"prefetch": [m.Prefetch(query=vector(2, IMAGE), using="image", limit=8)], "query": vector(1, TEXT)},
    "no such vector": {"query": vector(1, TEXT), "using": "sound"},
    "wrong size": {"query": [1.0]},
    "no such point": {"query": 4711},
}


def steps(c: str = "walk") -> List[Step]:
    named = {
        "text": m.VectorParams(size=TEXT, distance=m.Distance.COSINE, hnsw_config=m.HnswConfigDiff(m=8)),
        "image": m.VectorParams(size=IMAGE, distance=m.Distance.EUCLID, on_disk=False),
    }
    points = [point(number, number) for number in range(1, 24)] + [point(UUID, 24)]
    made: List[Step] = [
        Step("no collection", "count", {"collection_name": c}),
        Step("create", "create_collection", {"collection_name": c, "vectors_config": named, "metadata": {"a": {"b": [1]}}}),
        Step("create again", "create_collection", {"collection_name": c, "vectors_config": named}),
        Step("create badly", "create_collection",
             {"collection_name": "bad", "vectors_config": m.VectorParams(size=65537, distance=m.Distance.DOT)}),
        Step("exists", "collection_exists", {"collection_name": c}),
        Step("exists not", "collection_exists", {"collection_name": "none"}),
        Step("list", "get_collections", {}),
        Step("update collection", "update_collection",
             {"collection_name": c, "hnsw_config": m.HnswConfigDiff(ef_construct=64),
              "vectors_config": {"text": m.VectorParamsDiff(hnsw_config=m.HnswConfigDiff(m=12))}}),
        Step("describe", "get_collection", {"collection_name": c}),
        Step("alias", "update_collection_aliases", {"change_aliases_operations": [
            m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name=c, alias_name="other"))]}),
        Step("aliases", "get_aliases", {}),
        Step("aliases of one", "get_collection_aliases", {"collection_name": c}),
        Step("rename alias", "update_collection_aliases", {"change_aliases_operations": [
            m.RenameAliasOperation(rename_alias=m.RenameAlias(old_alias_name="other", new_alias_name="third")),
            m.DeleteAliasOperation(delete_alias=m.DeleteAlias(alias_name="third"))]}),
        Step("upsert", "upsert", {"collection_name": c, "points": points}),
        Step("upsert batch", "upsert", {"collection_name": c, "points": m.Batch(
            ids=[100, 101], vectors={"text": [vector(1, TEXT), vector(2, TEXT)]}, payloads=[{"b": 1}, {}])}),
        Step("upsert wrong size", "upsert", {"collection_name": c, "points": [m.PointStruct(id=1, vector={"text": [1.0]})]}),
        Step("upsert unknown name", "upsert",
             {"collection_name": c, "points": [m.PointStruct(id=1, vector={"sound": [1.0]})]}),
        Step("retrieve", "retrieve", {"collection_name": c, "ids": [3, UUID, 4711], "with_vectors": True}),
        Step("retrieve some", "retrieve", {"collection_name": c, "ids": [3], "with_payload": ["deep.list[].k"],
                                           "with_vectors": ["image"]}),
        Step("retrieve without", "retrieve", {"collection_name": c, "ids": [3],
                                              "with_payload": m.PayloadSelectorExclude(exclude=["deep", "tags"])}),
        Step("scroll", "scroll", {"collection_name": c, "limit": 5, "with_vectors": True}),
        Step("scroll on", "scroll", {"collection_name": c, "limit": 5, "offset": 20}),
        Step("scroll in order", "scroll", {"collection_name": c, "limit": 5, "order_by": "size"}),
        Step("count", "count", {"collection_name": c}),
        Step("count red", "count", {"collection_name": c, "count_filter": IS_RED, "exact": True}),
    ]
    for kind in ("keyword", "integer", "float", "geo", "datetime", "bool", "uuid"):
        field = {"keyword": "color", "integer": "size", "float": "weight", "geo": "place", "datetime": "made",
                 "bool": "deep.flag", "uuid": "key"}[kind]
        made.append(Step(f"index {kind}", "create_payload_index",
                         {"collection_name": c, "field_name": field, "field_schema": m.PayloadSchemaType(kind)}))
    made += [
        Step("index text", "create_payload_index", {"collection_name": c, "field_name": "note", "field_schema":
             m.TextIndexParams(type=m.TextIndexType.TEXT, tokenizer=m.TokenizerType.WORD, min_token_len=2, lowercase=True)}),
        Step("index gone", "delete_payload_index", {"collection_name": c, "field_name": "note"}),
        Step("facet", "facet", {"collection_name": c, "key": "color"}),
        Step("scroll in order of an index", "scroll",
             {"collection_name": c, "limit": 5, "order_by": m.OrderBy(key="size", direction=m.Direction.DESC)}),
    ]
    for name, condition in CONDITIONS.items():
        for part in ("must", "should", "must_not"):
            made.append(Step(f"filter {name} {part}", "scroll", {
                "collection_name": c, "scroll_filter": m.Filter(**{part: [condition]}), "limit": 50, "with_payload": False}))
    for name, query in QUERIES.items():
        made.append(Step(f"query {name}", "query_points",
                         {"collection_name": c, "using": "text", "limit": 6, "with_payload": ["color"], **query}))
    made += [
        Step("query red", "query_points", {"collection_name": c, "query": vector(3, TEXT), "using": "text",
                                           "query_filter": IS_RED, "with_vectors": True}),
        Step("sample", "query_points",
             {"collection_name": c, "query": m.SampleQuery(sample=m.Sample.RANDOM), "limit": 3}, volatile=True),
        Step("query batch", "query_batch_points", {"collection_name": c, "requests": [
            m.QueryRequest(query=vector(1, TEXT), using="text", limit=3, with_payload=True), m.QueryRequest(limit=2)]}),
        Step("groups", "query_points_groups", {"collection_name": c, "query": vector(1, TEXT), "using": "text",
                                               "group_by": "color", "limit": 3, "group_size": 2}),
        Step("groups with lookup", "query_points_groups", {
            "collection_name": c, "query": vector(1, TEXT), "using": "text", "group_by": "size", "limit": 3,
            "group_size": 1, "with_lookup": m.WithLookup(collection=c, with_payload=["color"], with_vectors=False)}),
        Step("matrix pairs", "search_matrix_pairs",
             {"collection_name": c, "using": "text", "sample": 100, "limit": 2, "query_filter": IS_RED}),
        Step("matrix offsets", "search_matrix_offsets",
             {"collection_name": c, "using": "text", "sample": 100, "limit": 2, "query_filter": IS_RED}),
        Step("set payload", "set_payload", {"collection_name": c, "payload": {"new": {"a": 1.0, "b": None}}, "points": [1, 2]}),
        Step("set payload at a key", "set_payload",
             {"collection_name": c, "payload": {"x": [True]}, "points": IS_RED, "key": "deep"}),
        Step("overwrite payload", "overwrite_payload", {"collection_name": c, "payload": {"only": "ä"}, "points": [3]}),
        Step("delete payload", "delete_payload", {"collection_name": c, "keys": ["size", "deep.list"], "points": [4]}),
        Step("clear payload", "clear_payload", {"collection_name": c, "points_selector": [5]}),
        Step("unknown id", "set_payload", {"collection_name": c, "payload": {"a": 1}, "points": [4711]}),
        Step("update vectors", "update_vectors",
             {"collection_name": c, "points": [m.PointVectors(id=6, vector={"text": vector(99, TEXT)})]}),
        Step("delete vectors", "delete_vectors", {"collection_name": c, "vectors": ["image"], "points": [7, 8]}),
        Step("delete", "delete", {"collection_name": c, "points_selector": [9, 10]}),
        Step("delete by filter", "delete", {"collection_name": c, "points_selector": m.FilterSelector(
            filter=m.Filter(must=[m.FieldCondition(key="size", match=m.MatchValue(value=11))]))}),
        Step("batch of writes", "batch_update_points", {"collection_name": c, "update_operations": [
            m.UpsertOperation(upsert=m.PointsList(points=[point(200, 5)])),
            m.SetPayloadOperation(set_payload=m.SetPayload(payload={"z": 1}, points=[200])),
            m.DeletePayloadOperation(delete_payload=m.DeletePayload(keys=["tags"], points=[200])),
            m.UpdateVectorsOperation(update_vectors=m.UpdateVectors(
                points=[m.PointVectors(id=200, vector={"image": vector(1, IMAGE)})])),
            m.DeleteVectorsOperation(delete_vectors=m.DeleteVectors(points=[12], vector=["image"])),
            m.ClearPayloadOperation(clear_payload=m.PointIdsList(points=[12])),
            m.OverwritePayloadOperation(overwrite_payload=m.SetPayload(payload={"y": 1}, points=[17])),
            m.DeleteOperation(delete=m.PointIdsList(points=[13]))]}),
        Step("upsert if new", "upsert", {"collection_name": c, "points": [point(14, 1), point(300, 1)],
                                         "update_mode": m.UpdateMode.INSERT_ONLY}),
        Step("upsert if red", "upsert", {"collection_name": c, "points": [point(15, 1), point(16, 1)],
                                         "update_filter": IS_RED}),
        Step("upsert if there", "upsert", {"collection_name": c, "points": [point(18, 1), point(301, 1)],
                                           "update_mode": m.UpdateMode.UPDATE_ONLY}),
        Step("upload points", "upload_points", {"collection_name": c, "points": [point(400, 2), point(401, 3)], "wait": True}),
        Step("upload collection", "upload_collection", {
            "collection_name": c, "ids": [402], "payload": [{"color": "red"}], "wait": True,
            "vectors": {"text": np.array([vector(4, TEXT)]), "image": np.array([vector(5, IMAGE)])}}),
        Step("new vector", "create_vector_name", {"collection_name": c, "vector_name": "third", "vector_name_config":
             m.DenseVectorNameConfig(dense=m.DenseVectorConfig(size=2, distance=m.Distance.DOT))}),
        Step("no such new vector", "delete_vector_name", {"collection_name": c, "vector_name": "fourth"}),
        Step("drop vector", "delete_vector_name", {"collection_name": c, "vector_name": "third"}),
        Step("query in time", "query_points", {"collection_name": c, "query": vector(3, TEXT), "using": "text", "timeout": 5}),
        Step("cluster", "collection_cluster_info", {"collection_name": c}, volatile=True),
        Step("everything", "scroll", {"collection_name": c, "limit": 1000, "with_vectors": True}),
        Step("snapshot", "create_snapshot", {"collection_name": c, "wait": True}, volatile=True),
        Step("snapshots", "list_snapshots", {"collection_name": c}, volatile=True),
        Step("snapshot of none", "list_snapshots", {"collection_name": "none"}),
        Step("snapshot of all", "create_full_snapshot", {"wait": True}, volatile=True),
        Step("snapshots of all", "list_full_snapshots", {}, volatile=True),
        Step("keyed", "create_collection", {"collection_name": "keyed", "sharding_method": m.ShardingMethod.CUSTOM,
                                            "vectors_config": m.VectorParams(size=2, distance=m.Distance.DOT)}),
        Step("key a", "create_shard_key", {"collection_name": "keyed", "shard_key": "a"}),
        Step("key 7", "create_shard_key", {"collection_name": "keyed", "shard_key": 7}),
        Step("keys", "list_shard_keys", {"collection_name": "keyed"}),
        Step("into a", "upsert", {"collection_name": "keyed", "shard_key_selector": "a", "points": [
            m.PointStruct(id=1, vector=[1.0, 0.0]), m.PointStruct(id=2, vector=[0.0, 1.0])]}),
        Step("into 7", "upsert", {"collection_name": "keyed", "shard_key_selector": 7, "points": [
            m.PointStruct(id=3, vector=[1.0, 1.0])]}),
        Step("into none", "upsert", {"collection_name": "keyed", "points": [m.PointStruct(id=3, vector=[1.0, 1.0])]}),
        Step("query a", "query_points", {"collection_name": "keyed", "shard_key_selector": "a", "query": [1.0, 2.0]}),
        Step("count 7", "count", {"collection_name": "keyed", "shard_key_selector": 7}),
        Step("drop a", "delete_shard_key", {"collection_name": "keyed", "shard_key": "a"}),
        Step("without a", "scroll", {"collection_name": "keyed"}),
        Step("drop keyed", "delete_collection", {"collection_name": "keyed"}),
        Step("shard keys of none", "create_shard_key", {"collection_name": "none", "shard_key": "a"}),
        Step("delete collection", "delete_collection", {"collection_name": c}),
        Step("delete no collection", "delete_collection", {"collection_name": c}),
        Step("at the end", "get_collections", {}),
    ]  # fmt: skip
    return made
