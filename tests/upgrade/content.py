"""What is in the databases that later versions must open, and how it is read back: used by make_fixture.py, which wrote them
once, and by test_upgrade.py, which reads them for ever.

Every kind of column is there, and every state in which a collection can be on disk: in files with a graph; in the log; with
changes behind its last checkpoint."""
import json

from qdrant_client import models

DIM = 24
LARGE = 1200  # points: enough for files and a graph
LISTED = 1400  # points with 50 entries each: enough for lists in files
UUIDS = ["00000000-0000-4000-8000-%012x" % i for i in range(6)]
TEXTS = ["the quick brown fox", "jumps over the lazy dog", "a database is a place where people keep things", "quick things"]


def dense(i, dim=DIM):
    """Small whole numbers: exact in every type, and they compress well, so that the fixture is small."""
    return [float((i * (j + 3) + i // 7 + j) % 11 - 5) for j in range(dim)]


def sparse(i):
    return models.SparseVector(indices=[i % 5, 5 + i % 7, 100 + i], values=[1.0, 0.5 + i, 2.0])


LONG = ("graph", "listed")  # of these not every point is written down


def terms(i):
    return models.SparseVector(
        indices=[40 * j + (i + j) % 8 for j in range(50)], values=[float(1 + (i // 8 + j) % 4) for j in range(50)]
    )


def payload(i):
    return {
        "kind": ["red", "green", "blue"][i % 3],
        "number": i,
        "weight": i / 4,
        "even": i % 2 == 0,
        "when": "2024-%02d-%02dT00:00:00Z" % (1 + i % 12, 1 + i % 28),
        "who": UUIDS[i % 6],
        "place": {"lon": float(i % 50), "lat": float(i % 40)},
        "text": TEXTS[i % 4],
        "nested": {"list": [{"a": i}, {"a": i + 1}], "none": None},
    }


SCHEMAS = {
    "kind": models.PayloadSchemaType.KEYWORD,
    "number": models.PayloadSchemaType.INTEGER,
    "weight": models.PayloadSchemaType.FLOAT,
    "even": models.PayloadSchemaType.BOOL,
    "when": models.PayloadSchemaType.DATETIME,
    "who": models.PayloadSchemaType.UUID,
    "place": models.PayloadSchemaType.GEO,
    "text": models.TextIndexParams(type="text", tokenizer="word", lowercase=True, phrase_matching=True),
}

FILTERS = {
    "keyword": models.Filter(must=[models.FieldCondition(key="kind", match=models.MatchValue(value="green"))]),
    "range": models.Filter(must=[models.FieldCondition(key="number", range=models.Range(gte=7, lt=20))]),
    "float": models.Filter(must=[models.FieldCondition(key="weight", range=models.Range(gt=3.5))]),
    "bool": models.Filter(must_not=[models.FieldCondition(key="even", match=models.MatchValue(value=True))]),
    "when": models.Filter(
        must=[models.FieldCondition(key="when", range=models.DatetimeRange(gte="2024-03-01T00:00:00Z", lt="2024-05-01T00:00:00Z"))]
    ),
    "uuid": models.Filter(must=[models.FieldCondition(key="who", match=models.MatchValue(value=UUIDS[2]))]),
    "geo": models.Filter(
        must=[
            models.FieldCondition(
                key="place",
                geo_bounding_box=models.GeoBoundingBox(
                    top_left=models.GeoPoint(lon=2.0, lat=30.0), bottom_right=models.GeoPoint(lon=20.0, lat=5.0)
                ),
            )
        ]
    ),
    "text": models.Filter(must=[models.FieldCondition(key="text", match=models.MatchText(text="quick"))]),
    "phrase": models.Filter(must=[models.FieldCondition(key="text", match=models.MatchPhrase(phrase="lazy dog"))]),
    "nested": models.Filter(must=[models.FieldCondition(key="nested.list[].a", match=models.MatchValue(value=5))]),
}


def write(client, path):
    """The content, in the database at `path`, up to a checkpoint; then `write_more` in the log behind it."""
    d = models.Distance
    client.create_collection(
        "everything",
        vectors_config={
            "cosine": models.VectorParams(size=DIM, distance=d.COSINE),
            "half": models.VectorParams(size=DIM, distance=d.DOT, datatype=models.Datatype.FLOAT16),
            "byte": models.VectorParams(size=DIM, distance=d.EUCLID, datatype=models.Datatype.UINT8),
            "many": models.VectorParams(
                size=4, distance=d.COSINE, multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
            ),
        },
        sparse_vectors_config={
            "words": models.SparseVectorParams(),
            "idf": models.SparseVectorParams(modifier=models.Modifier.IDF),
        },
        metadata={"made": "for later versions"},
    )
    for field, schema in SCHEMAS.items():
        client.create_payload_index("everything", field, field_schema=schema)
    client.upsert("everything", [everything(i) for i in range(40)])
    client.create_collection(
        "graph",
        vectors_config=models.VectorParams(size=DIM, distance=d.EUCLID, on_disk=True),
        hnsw_config=models.HnswConfigDiff(m=4, ef_construct=40, full_scan_threshold=10),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=1),
        quantization_config=models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8)),
    )
    for first in range(0, LARGE, 500):
        client.upsert(
            "graph",
            [
                models.PointStruct(id=i, vector=dense(i), payload={"number": i, "kind": "abc"[i % 3]})
                for i in range(first, min(first + 500, LARGE))
            ],
        )
    client.create_payload_index("graph", "kind", field_schema=models.PayloadSchemaType.KEYWORD)
    client.create_collection(
        "keyed", vectors_config=models.VectorParams(size=4, distance=d.DOT), sharding_method=models.ShardingMethod.CUSTOM
    )
    for key in ("berlin", 7):
        client.create_shard_key("keyed", key)
        client.upsert(
            "keyed", [models.PointStruct(id=i, vector=dense(i, 4), payload={"of": key}) for i in range(5)], shard_key_selector=key
        )
    client.create_collection("empty", vectors_config={})
    client.create_collection(
        "listed",
        vectors_config={},
        sparse_vectors_config={"terms": models.SparseVectorParams(), "idf": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
    for first in range(0, LISTED, 350):
        client.upsert(
            "listed",
            [models.PointStruct(id=i, vector={"terms": terms(i), "idf": terms(i % 50)}) for i in range(first, first + 350)],
        )
    # Small collections live in the log; those that come from a snapshot have files, one for each kind of column.
    snapshot = client.create_snapshot("everything")
    client.recover_snapshot("files", location=f"file://{path}/snapshots/everything/{snapshot.name}")
    client.delete_snapshot("everything", snapshot.name)
    client.update_collection_aliases(
        change_aliases_operations=[
            models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name="everything", alias_name="all"))
        ]
    )


def everything(i):
    vector = {"cosine": dense(i), "words": sparse(i), "idf": sparse(i + 1)}
    if i % 2 == 0:
        vector["half"] = [value / 8 for value in dense(i)]
    if i % 3 == 0:
        vector["byte"] = [value + 5 for value in dense(i)]
    if i % 4 == 0:
        vector["many"] = [dense(i + k, 4) for k in range(1 + i % 3)]
    return models.PointStruct(id=i if i % 5 else UUIDS[i % 6][:-4] + "%04x" % i, vector=vector, payload=payload(i))


def write_more(client):
    """What is only in the log: every kind of write."""
    client.upsert("everything", [everything(i) for i in range(40, 44)])
    client.set_payload("everything", {"set": [1, {"x": 2}]}, points=[1, 2])
    client.overwrite_payload("everything", {"only": "this"}, points=[3])
    client.delete_payload("everything", ["weight", "nested.none"], points=[4])
    client.clear_payload("everything", points_selector=[6])
    client.delete_vectors("everything", ["words"], points=[7])
    client.update_vectors("everything", [models.PointVectors(id=8, vector={"cosine": dense(80), "many": [dense(81, 4)]})])
    client.delete("everything", points_selector=[9])
    client.delete("files", points_selector=[2])
    client.delete("listed", points_selector=[5, 28])
    client.delete_vectors("listed", ["terms"], points=[6])
    client.upsert("listed", [models.PointStruct(id=i, vector={"terms": terms(i - 1390)}) for i in range(1395, 1410)])
    client.delete("graph", points_selector=models.Filter(must=[models.FieldCondition(key="number", range=models.Range(lt=20))]))
    client.upsert("graph", [models.PointStruct(id=LARGE, vector=dense(5), payload={"kind": "new"})])


def read(client):
    """All of it, in a form that can be compared: what is there, and what filters and searches find."""
    out = {"collections": {}, "aliases": sorted([a.alias_name, a.collection_name] for a in client.get_aliases().aliases)}
    for name in sorted(c.name for c in client.get_collections().collections):
        info = client.get_collection(name)
        points, _ = client.scroll(name, limit=10 * LARGE, with_payload=True, with_vectors=name not in LONG)
        out["collections"][name] = {
            "points_count": info.points_count,
            "config": json.loads(info.config.model_dump_json(exclude_none=True)),
            "schema": {field: json.loads(schema.model_dump_json()) for field, schema in sorted(info.payload_schema.items())},
            "points": [point_of(p) for p in points] if name not in LONG else [[str(p.id), p.payload] for p in points[:50]],
        }
    found = out["filters"] = {}
    for name, condition in FILTERS.items():
        found[name] = sorted(str(p.id) for p in client.scroll("all", scroll_filter=condition, limit=100)[0])
    hits = out["searches"] = {}
    for using in ("cosine", "half", "byte"):
        hits["files " + using] = hits_of(client.query_points("files", query=[value + 5 for value in dense(12)], using=using, limit=5))
        hits[using] = hits_of(client.query_points("all", query=[value + 5 for value in dense(12)], using=using, limit=5))
    hits["many"] = hits_of(client.query_points("all", query=[dense(3, 4), dense(9, 4)], using="many", limit=5))
    for using in ("words", "idf"):
        hits["files " + using] = hits_of(client.query_points("files", query=sparse(6), using=using, limit=5))
        hits[using] = hits_of(client.query_points("all", query=sparse(6), using=using, limit=5))
    hits["graph"] = hits_of(client.query_points("graph", query=dense(77), limit=10))
    kind = models.Filter(must=[models.FieldCondition(key="kind", match=models.MatchValue(value="b"))])
    hits["graph filtered"] = hits_of(client.query_points("graph", query=dense(77), limit=10, query_filter=kind))
    if "listed" in out["collections"]:  # later than the first fixture
        for using in ("terms", "idf"):
            hits["listed " + using] = hits_of(client.query_points("listed", query=terms(7), using=using, limit=20))
    out["counts"] = {"graph": client.count("graph").count, "kind b": client.count("graph", count_filter=kind).count}
    out["keyed"] = {
        str(key): sorted(p.id for p in client.scroll("keyed", limit=100, shard_key_selector=key)[0]) for key in ("berlin", 7)
    }
    return json.loads(json.dumps(out))


def point_of(p):
    vector = p.vector or {}
    if not isinstance(vector, dict):
        vector = {"": vector}
    plain = {
        name: {"indices": v.indices, "values": v.values} if isinstance(v, models.SparseVector) else v
        for name, v in sorted(vector.items())
    }
    return [str(p.id), p.payload, plain]


def hits_of(response):
    # Several rows may be equally far: what counts is how far.
    return [round(p.score, 4) for p in response.points]
