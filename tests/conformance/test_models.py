"""Goal:   whatever the models of the installed client can say is understood, and whatever is answered fits its models.
Method: requests made from the models themselves: each field of each model set in turn and at random (seeds in the
        cases' names), to any depth. Nothing may be a format error: every type, key and variant is known. Answers are
        read by the client's models, which must know every key in them.
"""

import enum
import inspect
import json
import random
import typing
import uuid
from typing import Any, Dict, Iterator, List, Type

import httpx
import pytest
from pydantic import BaseModel, TypeAdapter

from doors import import_octant, missing_reason
from qdrant_client.http import models as exported

# The module with the models: its name differs between versions of the client.
MODELS = inspect.getmodule(exported.PointStruct)

KEYS = ["n", "color", "deep.list[].k", "tags"]
SPARSE = {"indices": [1, 5], "values": [0.5, 1.5]}
RING = {"points": [{"lon": 0, "lat": 0}, {"lon": 0, "lat": 5}, {"lon": 5, "lat": 5}, {"lon": 0, "lat": 0}]}

# What servers after 1.19 know, and Octant does not: docs/compatibility.md, "Filters" and the reference, 7.3.
LATER_MODELS = {"TextQuery", "TextIndexScoring"}
LATER_VALUES = {"turbo8", "turbo16", "bits8", "code"}
SERVICE_MODELS = {"Document", "Image", "InferenceObject"}  # need a service of vectors: test_bm25.py
UNSUPPORTED_VALUES = {"turbo4"}  # 501, until there is such a datatype

# Fields with a meaning that a type cannot tell.
FIXED: Dict[str, List[Any]] = {
    "id": [1, 2, 77, "f47ac10b-58cc-4372-a567-0e02b2c3d479"],
    "has_id": [[1, 2], ["f47ac10b-58cc-4372-a567-0e02b2c3d479"]],
    "ids": [[1, 2]],
    "offset": [1],
    "key": KEYS,
    "keys": [KEYS[:2]],
    "to": ["place"],
    "datetime_key": ["day"],
    "datetime": ["2024-01-01T00:00:00Z"],
    "group_by": KEYS,
    "field_name": KEYS,
    "collection": ["c"],
    "using": ["", None],
    "has_vector": ["", "sparse"],
    "size": [4],
    "memory": ["cold", "cached"],
    "min_count": [1],
    "ef_construct": [4, 100],
    "full_scan_threshold": [10, 1000],
    "vacuum_min_vector_number": [100],
    "quantile": [0.5, 0.99],
    "oversampling": [1.0, 2.5],
    "index": [0],
    "limit": [1, 10],
    "lookup": [True],
    "min_token_len": [1],
    "max_token_len": [20],
}
FIXED_MODELS = {"SparseVector": SPARSE, "GeoLineString": RING, "GeoPoint": {"lon": 1.5, "lat": 2}}


class Maker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def value(self, kind: Any, name: str, depth: int) -> Any:
        r = self.random
        origin, inner = typing.get_origin(kind), typing.get_args(kind)
        if isinstance(kind, typing.ForwardRef):
            kind = kind.__forward_arg__
        if isinstance(kind, str):
            kind = getattr(MODELS, kind)
            origin, inner = typing.get_origin(kind), typing.get_args(kind)
        if name in FIXED and not (name == "index" and kind is not int and inner == ()):
            fitting = [item for item in FIXED[name] if self.fits(kind, item)]
            if fitting:
                return r.choice(fitting)
        if origin is typing.Union or str(origin) == "<class 'types.UnionType'>":
            choices = [item for item in inner if item is not type(None) and not self.is_later(item)]
            if uuid.UUID in inner:  # ids: of texts only UUIDs
                choices = [item for item in choices if item is not str and getattr(item, "__origin__", None) is not str]
            if depth > 6:
                choices = [item for item in choices if not self.is_model(item)] or choices
            return self.value(r.choice(choices), name, depth)
        if origin is typing.Annotated:
            return self.value(inner[0], name, depth)
        if origin in (list, List):
            if inner[0] is float:
                return [round(r.uniform(-1, 1), 3) for _ in range(4)]
            return [self.value(inner[0], name, depth + 1) for _ in range(r.choice([1, 1, 2]) if depth < 5 else 1)]
        if origin in (dict, Dict):
            return {r.choice(["n", "color"]): self.value(inner[1], "", depth + 1)}
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            return self.model(kind, depth + 1)
        if inspect.isclass(kind) and issubclass(kind, enum.Enum):
            return r.choice([item.value for item in kind if item.value not in LATER_VALUES | UNSUPPORTED_VALUES])
        text = getattr(kind, "__name__", str(kind))
        if "bool" in text.lower():
            return r.random() < 0.5
        if "int" in text.lower():
            return r.choice([1, 2, 100])
        if "float" in text.lower():
            return round(r.uniform(0.1, 0.9), 3)
        if "date" in text.lower():
            return "2024-01-01T00:00:00Z"
        if "UUID" in text:
            return "f47ac10b-58cc-4372-a567-0e02b2c3d479"
        if "str" in text.lower():
            return r.choice(["n", "color"])
        assert kind is Any, (kind, name)
        return r.choice([1, "x", [1], {"x": None}])

    @staticmethod
    def is_model(kind: Any) -> bool:
        return inspect.isclass(kind) and issubclass(kind, BaseModel)

    @staticmethod
    def is_later(kind: Any) -> bool:
        if typing.get_origin(kind) in (list, List):
            kind = typing.get_args(kind)[0]
        name = getattr(kind, "__forward_arg__", getattr(kind, "__name__", str(kind)))
        return name in LATER_MODELS | SERVICE_MODELS

    @staticmethod
    def fits(kind: Any, item: Any) -> bool:
        try:
            TypeAdapter(typing.Optional[kind]).validate_python(item)
            return True
        except Exception:  # noqa: BLE001  any failure means that it does not fit
            return False

    def model(self, kind: Type[BaseModel], depth: int = 0, always: str = "") -> Dict[str, Any]:
        if kind.__name__ in FIXED_MODELS:
            return FIXED_MODELS[kind.__name__]
        chance = 0.5 if depth < 3 else 0.2 if depth < 6 else 0.0
        made = {}
        for name, field in kind.model_fields.items():
            if field.is_required() or name == always or self.random.random() < chance:
                made[field.alias or name] = self.value(field.annotation, name, depth)
        return made


# name of the model -> method, path. Each must be taken whole.
REQUESTS = {
    "QueryRequest": ("POST", "/collections/c/points/query"),
    "QueryRequestBatch": ("POST", "/collections/c/points/query/batch"),
    "QueryGroupsRequest": ("POST", "/collections/c/points/query/groups"),
    "ScrollRequest": ("POST", "/collections/c/points/scroll"),
    "CountRequest": ("POST", "/collections/c/points/count"),
    "FacetRequest": ("POST", "/collections/c/facet"),
    "PointRequest": ("POST", "/collections/c/points"),
    "SearchMatrixRequest": ("POST", "/collections/c/points/search/matrix/pairs"),
    "PointsList": ("PUT", "/collections/c/points"),
    "PointsBatch": ("PUT", "/collections/c/points"),
    "UpdateVectors": ("PUT", "/collections/c/points/vectors"),
    "DeleteVectors": ("POST", "/collections/c/points/vectors/delete"),
    "SetPayload": ("POST", "/collections/c/points/payload"),
    "DeletePayload": ("POST", "/collections/c/points/payload/delete"),
    "UpdateOperations": ("POST", "/collections/c/points/batch"),
    "CreateFieldIndex": ("PUT", "/collections/c/index"),
    "CreateCollection": ("PUT", "/collections/made"),
    "UpdateCollection": ("PATCH", "/collections/c"),
    "DenseVectorNameConfig": ("PUT", "/collections/c/vectors/fresh"),
    "SparseVectorNameConfig": ("PUT", "/collections/c/vectors/fresh"),
    "ChangeAliasesOperation": ("POST", "/collections/aliases"),
}
# Of format errors only these are not about types: what a request needs beside the fields that its model requires.
INCOMPLETE = ("Either list of point ids or filter must be provided",)


@pytest.fixture(scope="module")
def wire() -> Iterator[httpx.Client]:
    reason = missing_reason()
    if reason:
        pytest.skip(reason)
    client = httpx.Client(base_url="http://octant", transport=import_octant().OctantTransport())
    fill(client)
    yield client
    client.close()


def fill(wire: httpx.Client) -> None:
    wire.delete("/collections/c")
    config = {"vectors": {"size": 4, "distance": "Dot"}, "sparse_vectors": {"sparse": {}}}
    assert wire.put("/collections/c", json=config).status_code == 200
    points = [
        {"id": i, "vector": {"": [i / 7.0, 1.0, -i / 3.0, 0.5], "sparse": SPARSE}, "payload": {"color": "red", "n": i}}
        for i in range(1, 5)
    ]
    assert wire.put("/collections/c/points?wait=true", json={"points": points}).status_code == 200


def is_understood(answer: httpx.Response) -> bool:
    if answer.status_code >= 500:
        return False
    text = answer.json()["status"]["error"] if answer.status_code >= 400 else ""
    return not text.startswith("Format error") or any(reason in text for reason in INCOMPLETE)


@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("name", REQUESTS)
def test_requests_of_the_clients_models_are_understood(wire: httpx.Client, name: str, seed: int) -> None:
    kind = getattr(MODELS, name, None)
    if kind is None:
        pytest.skip(f"this client has no {name}")
    maker, (method, path) = Maker(1000 * seed + len(name)), REQUESTS[name]
    for number in range(12):
        for always in kind.model_fields:
            body = maker.model(kind, always=always)
            body.pop("shard_key", None)  # of collections with custom sharding: test_routes.py
            if path.endswith("/made"):
                wire.delete(path)
            answer = wire.request(method, path, json=body)
            assert is_understood(answer), f"{method} {path} {json.dumps(body)}:\n{answer.status_code} {answer.text[:500]}"
        if number % 4 == 3:
            fill(wire)


def unknown_keys(model: Any, data: Any, path: str) -> List[str]:
    """What is in the answer and not in its model."""
    if isinstance(model, BaseModel) and isinstance(data, dict):
        fields = type(model).model_fields
        names = {field.alias or name: name for name, field in fields.items()}
        return [f"{path}.{key}" for key in data if key not in names] + [
            found for key, name in names.items() for found in unknown_keys(getattr(model, name), data.get(key), f"{path}.{key}")
        ]
    if isinstance(model, list) and isinstance(data, list):
        return [found for i, (a, b) in enumerate(zip(model, data)) for found in unknown_keys(a, b, f"{path}[{i}]")]
    if isinstance(model, dict) and isinstance(data, dict):
        return [found for key in model if key in data for found in unknown_keys(model[key], data[key], f"{path}[{key}]")]
    return []


ANSWERS = [
    ("TelemetryData", "GET", "/telemetry", None),
    ("TelemetryData", "GET", "/telemetry?details_level=1&per_collection=true", None),
    ("TelemetryData", "GET", "/telemetry?details_level=2&anonymize=true", None),
    ("TelemetryData", "GET", "/telemetry?details_level=10&per_collection=true", None),
    ("DistributedTelemetryData", "GET", "/cluster/telemetry?details_level=5", None),
    ("CollectionInfo", "GET", "/collections/c", None),
    ("CollectionClusterInfo", "GET", "/collections/c/cluster", None),
    ("OptimizationsResponse", "GET", "/collections/c/optimizations?with=queued,completed,idle_segments", None),
    ("ShardKeysResponse", "GET", "/collections/c/shards", None),
    ("CollectionsResponse", "GET", "/collections", None),
    ("CollectionExistence", "GET", "/collections/c/exists", None),
    ("CollectionsAliasesResponse", "GET", "/aliases", None),
    ("QuotaStatus", "GET", "/quotas", None),
    ("SnapshotDescription", "POST", "/collections/c/snapshots", None),
    ("Record", "GET", "/collections/c/points/1", None),
    ("ScrollResult", "POST", "/collections/c/points/scroll", {"with_vector": True}),
    ("QueryResponse", "POST", "/collections/c/points/query", {"query": 1, "with_payload": True, "with_vector": True}),
    ("GroupsResult", "POST", "/collections/c/points/query/groups", {"query": 1, "group_by": "n", "with_lookup": "c"}),
    ("SearchMatrixPairsResponse", "POST", "/collections/c/points/search/matrix/pairs", {}),
    ("SearchMatrixOffsetsResponse", "POST", "/collections/c/points/search/matrix/offsets", {}),
    ("FacetResponse", "POST", "/collections/c/facet", {"key": "color"}),
    ("CountResult", "POST", "/collections/c/points/count", {}),
    ("UpdateResult", "POST", "/collections/c/points/delete", {"points": [77]}),
]


@pytest.mark.parametrize("name, method, path, body", ANSWERS, ids=[f"{a[0]} {a[2]}" for a in ANSWERS])
def test_answers_fit_the_clients_models(wire: httpx.Client, name: str, method: str, path: str, body: Any) -> None:
    kind = getattr(MODELS, name, None)
    if kind is None:
        pytest.skip(f"this client has no {name}")
    fill(wire)
    for field, schema in (("color", {"type": "keyword", "is_tenant": True}), ("n", "integer")):
        assert wire.put("/collections/c/index?wait=true", json={"field_name": field, "field_schema": schema}).status_code == 200
    answer = wire.request(method, path, json=body)
    assert answer.status_code == 200, answer.text[:300]
    data = answer.json()["result"]
    assert unknown_keys(TypeAdapter(kind).validate_python(data), data, "") == []
