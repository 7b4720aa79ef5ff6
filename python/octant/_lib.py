"""The C library, as ctypes sees it: the structs of octant.h and octant_api.h, and their functions.

WHAT    A mirror of what the package uses, nothing more: the same names without the `oct_` of the types, the same
        fields in the same order. What the fields mean stands in the headers.
WHY     ctypes and not a compiled module: one wheel serves every Python version, and ctypes.CDLL lets the
        interpreter's lock go for the time of each call, so that threads which search in parallel do.
        Only searches are worth a compiled module, which may be missing: `fast`.
TESTS   tests/python/test_lib.py asks the C compiler for every size and offset, and compares the structs and
        functions here with those of the headers, one by one.
"""

from __future__ import annotations

import ctypes
import importlib.machinery
import importlib.util
import os
import sys
import threading
from ctypes import (
    POINTER,
    Structure,
    c_bool,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from .errors import Error, Status, error_for

LIBRARY_NAME = "liboctant.so"
LIBRARY_VARIABLE = "OCTANT_LIB"  # a path in the environment that wins over the library of the package
FAST_NAME = "_fast.abi3.so"
FAST_VARIABLE = "OCTANT_FAST"  # 0: search by ctypes, although the faster way is there

ERROR_TEXT_MAX = 1024
UNSET = -1  # "not given", for the signed fields of configurations
ID_NONE = 2**64 - 1

DISTANCES = {"Cosine": 1, "Euclid": 2, "Dot": 3, "Manhattan": 4}
DATATYPES = {"float32": 0, "float16": 1, "uint8": 2}
SYNC_POLICIES = {"always": 0, "interval": 1, "never": 2}
VECTOR_DENSE, VECTOR_SPARSE, VECTOR_MULTI = 0, 1, 2


def _struct(name: str, *fields: Tuple[str, Any]) -> Any:
    return type(name, (Structure,), {"_fields_": list(fields), "__doc__": f"oct_{name} of the C headers"})


error = _struct("error", ("status", c_int), ("text", c_char * ERROR_TEXT_MAX))
slice = _struct("slice", ("data", c_void_p), ("size", c_size_t))
id = _struct("id", ("high", c_uint64), ("low", c_uint64), ("is_uuid", c_uint32), ("reserved", c_uint32))

hnsw_config = _struct(
    "hnsw_config",
    ("m", c_int64),
    ("ef_construct", c_int64),
    ("full_scan_threshold", c_int64),
    ("max_indexing_threads", c_int64),
    ("on_disk", c_int64),
    ("payload_m", c_int64),
    ("inline_storage", c_int64),
    ("memory", c_int64),
)
quantization_config = _struct(
    "quantization_config",
    ("kind", c_int64),
    ("quantile", c_double),
    ("compression", c_int64),
    ("encoding", c_int64),
    ("query_encoding", c_int64),
    ("bits", c_int64),
    ("always_ram", c_int64),
    ("memory", c_int64),
)
vector_config = _struct(
    "vector_config",
    ("name", slice),
    ("size", c_int64),
    ("distance", c_int64),
    ("datatype", c_int64),
    ("on_disk", c_int64),
    ("memory", c_int64),
    ("multivector", c_int64),
    ("hnsw", hnsw_config),
    ("quantization", quantization_config),
)
optimizer_config = _struct(
    "optimizer_config",
    ("deleted_threshold", c_double),
    ("vacuum_min_vector_number", c_int64),
    ("default_segment_number", c_int64),
    ("max_segment_size", c_int64),
    ("memmap_threshold", c_int64),
    ("indexing_threshold", c_int64),
    ("flush_interval_sec", c_int64),
    ("max_optimization_threads", c_int64),
    ("prevent_unoptimized", c_int64),
)
wal_config = _struct(
    "wal_config",
    ("wal_capacity_mb", c_int64),
    ("wal_segments_ahead", c_int64),
    ("wal_retain_closed", c_int64),
)
collection_config = _struct(
    "collection_config",
    ("vectors", POINTER(vector_config)),
    ("vector_count", c_size_t),
    ("single_vector", c_int64),
    ("shard_number", c_int64),
    ("replication_factor", c_int64),
    ("write_consistency_factor", c_int64),
    ("read_fan_out_factor", c_int64),
    ("on_disk_payload", c_int64),
    ("hnsw", hnsw_config),
    ("optimizer", optimizer_config),
    ("wal", wal_config),
    ("quantization", quantization_config),
    ("metadata", slice),
)
open_options = _struct(
    "open_options",
    ("path", c_char_p),
    ("threads", c_uint32),
    ("sync", c_int),
    ("sync_interval_ms", c_uint32),
    ("read_only", c_bool),
)
database_info = _struct(
    "database_info",
    ("version", c_char_p),
    ("cpu_level", c_char_p),
    ("path", c_char_p),
    ("collection_count", c_uint64),
    ("log_sequence", c_uint64),
    ("log_bytes", c_uint64),
    ("replayed_records", c_uint64),
    ("open_seconds", c_double),
)
names = _struct("names", ("count", c_size_t), ("items", POINTER(slice)), ("targets", POINTER(slice)))
collection_info = _struct(
    "collection_info",
    ("config", collection_config),
    ("points_count", c_uint64),
    ("indexed_vectors_count", c_uint64),
    ("tail_vectors_count", c_uint64),
    ("deleted_vectors_count", c_uint64),
    ("segments_count", c_uint64),
    ("version", c_uint64),
    ("ram_bytes", c_uint64),
    ("disk_bytes", c_uint64),
    ("stopped", c_bool),
    ("name", slice),
    ("reserved", c_void_p),
)
vector = _struct(
    "vector",
    ("name", slice),
    ("kind", c_int),
    ("values", POINTER(c_float)),
    ("value_count", c_size_t),
    ("indices", POINTER(c_uint32)),
    ("row_count", c_size_t),
)
write_options = _struct("write_options", ("wait", c_bool))
write_result = _struct("write_result", ("operation_id", c_uint64), ("status", c_int))
select = _struct(
    "select",
    ("with_payload", c_bool),
    ("include", POINTER(slice)),
    ("include_count", c_size_t),
    ("exclude", POINTER(slice)),
    ("exclude_count", c_size_t),
    ("with_vector", c_bool),
    ("vectors", POINTER(slice)),
    ("vector_count", c_size_t),
)
record = _struct(
    "record",
    ("id", id),
    ("version", c_uint64),
    ("score", c_float),
    ("payload", slice),
    ("vectors", POINTER(vector)),
    ("vector_count", c_size_t),
)
records = _struct(
    "records", ("items", POINTER(record)), ("count", c_size_t), ("has_next", c_bool), ("next", id)
)
api_request = _struct("api_request", ("method", slice), ("target", slice), ("body", slice))
api_response = _struct(
    "api_response",
    ("status", c_int),
    ("content_type", c_char_p),
    ("body", slice),
    ("retry_after", c_uint32),
    ("reserved", c_void_p),
)

STRUCTS = [
    error, slice, id, hnsw_config, quantization_config, vector_config, optimizer_config, wal_config,
    collection_config, open_options, database_info, names, collection_info, vector, write_options,
    write_result, select, record, records, api_request, api_response,
]  # fmt: skip

_DB = c_void_p  # oct_database *
_COLLECTION = c_void_p  # oct_collection *
_ERROR = POINTER(error)
_WRITE = (POINTER(write_options), POINTER(write_result), _ERROR)

# name -> (result, arguments). Arrays that numpy owns are plain addresses (c_void_p), so that passing one
# costs nothing.
FUNCTIONS: Dict[str, Tuple[Any, List[Any]]] = {
    "oct_status_text": (c_char_p, [c_int]),
    "oct_hnsw_config_init": (None, [POINTER(hnsw_config)]),
    "oct_quantization_config_init": (None, [POINTER(quantization_config)]),
    "oct_vector_config_init": (None, [POINTER(vector_config)]),
    "oct_collection_config_init": (None, [POINTER(collection_config)]),
    "oct_open": (c_int, [POINTER(open_options), POINTER(_DB), _ERROR]),
    "oct_close": (c_int, [_DB, _ERROR]),
    "oct_checkpoint": (c_int, [_DB, _ERROR]),
    "oct_database_describe": (None, [_DB, POINTER(database_info)]),
    "oct_version": (c_char_p, []),
    "oct_cpu_level": (c_char_p, []),
    "oct_collection_create": (c_int, [_DB, slice, POINTER(collection_config), _ERROR]),
    "oct_collection_delete": (c_int, [_DB, slice, POINTER(c_bool), _ERROR]),
    "oct_collection_open": (c_int, [_DB, slice, POINTER(_COLLECTION), _ERROR]),
    "oct_collection_close": (None, [_COLLECTION]),
    "oct_collection_list": (c_int, [_DB, POINTER(POINTER(names)), _ERROR]),
    "oct_names_free": (None, [POINTER(names)]),
    "oct_collection_describe": (c_int, [_COLLECTION, POINTER(POINTER(collection_info)), _ERROR]),
    "oct_collection_info_free": (None, [POINTER(collection_info)]),
    "oct_collection_wait_indexed": (c_int, [_COLLECTION, c_uint64, _ERROR]),
    "oct_collection_optimize": (c_int, [_COLLECTION, _ERROR]),
    "oct_collection_graph_checksum": (c_int, [_COLLECTION, POINTER(c_uint64), _ERROR]),
    "oct_collection_check": (c_int, [_COLLECTION, _ERROR]),
    "oct_upsert_rows": (
        c_int,
        [
            _COLLECTION,
            c_void_p,
            c_void_p,
            c_size_t,
            c_size_t,
            c_size_t,
            c_void_p,
            POINTER(write_options),
            _ERROR,
        ],
    ),
    "oct_delete": (c_int, [_COLLECTION, c_void_p, c_size_t, *_WRITE]),
    "oct_records_free": (None, [POINTER(records)]),
    "oct_retrieve": (
        c_int,
        [_COLLECTION, c_void_p, c_size_t, POINTER(select), POINTER(POINTER(records)), _ERROR],
    ),
    "oct_count": (c_int, [_COLLECTION, POINTER(c_uint64), _ERROR]),
    "oct_search_rows": (
        c_int,
        [
            _COLLECTION,
            c_void_p,
            c_size_t,
            c_size_t,
            c_size_t,
            c_size_t,
            c_bool,
            c_uint32,
            c_void_p,
            c_void_p,
            _ERROR,
        ],  # fmt: skip
    ),
    "oct_api_call": (None, [_DB, POINTER(api_request), POINTER(api_response)]),
    "oct_api_response_clear": (None, [POINTER(api_response)]),
}


def text_slice(text: bytes) -> Any:
    """A slice over a bytes object, which the caller keeps alive for the time of the call."""
    return slice(ctypes.cast(c_char_p(text), c_void_p), len(text))


def slice_bytes(value: Any) -> bytes:
    """A copy of a slice's bytes."""
    return ctypes.string_at(value.data, value.size) if value.size else b""


def check(status: int, failure: Any) -> None:
    """Raise the exception of a status other than OK. `failure` is the oct_error of the call."""
    if status == Status.OK:
        return
    text = failure.text.decode("utf-8", "replace")
    if not text:
        text = library().oct_status_text(status).decode("utf-8", "replace")
    raise error_for(status, text)


def find_library() -> Path:
    """The shared library: $OCTANT_LIB, else the package's own, else the build of the checkout around it."""
    given = os.environ.get(LIBRARY_VARIABLE)
    if given:
        if not Path(given).is_file():
            raise Error(f"{LIBRARY_VARIABLE} is {given!r}, but there is no such file")
        return Path(given)
    package = Path(__file__).resolve().parent
    root = package.parent.parent
    places = [package / LIBRARY_NAME]
    if (root / "include" / "octant.h").is_file():
        places.append(root / "build" / LIBRARY_NAME)
    for place in places:
        if place.is_file():
            return place
    looked = " nor ".join(str(place) for place in places)
    raise Error(
        f"no {LIBRARY_NAME} at {looked}: install the package from a wheel, or run `make` in the source tree "
        f"and set {LIBRARY_VARIABLE} to build/{LIBRARY_NAME}"
    )


_library: Optional[Any] = None
_library_lock = threading.Lock()


def library() -> Any:
    """The library, loaded when first asked for."""
    global _library
    if _library is not None:
        return _library
    with _library_lock:
        if _library is None:
            _library = load(find_library())
    return _library


def load(path: Path) -> Any:
    """Load a library and declare its functions."""
    try:
        loaded = ctypes.CDLL(str(path))
    except OSError as reason:
        raise Error(f"cannot load {path}: {reason}") from None
    for name, (result, arguments) in FUNCTIONS.items():
        try:
            function = getattr(loaded, name)
        except AttributeError:
            raise Error(
                f"{path} has no {name}: it belongs to another version of Octant than this package"
            ) from None
        function.restype = result
        function.argtypes = arguments
    return loaded


_fast: Any = None
_fast_sought = False


def fast() -> Any:
    """The compiled module for searches (../fast.c), or None: then they go through ctypes."""
    global _fast, _fast_sought
    if not _fast_sought:
        with _library_lock:
            if not _fast_sought:
                _fast = _find_fast()
                _fast_sought = True
    return _fast


def _find_fast() -> Any:
    if os.environ.get(FAST_VARIABLE) == "0" or sys.implementation.name != "cpython":
        return None
    if sys.version_info < (3, 11):  # the first whose stable ABI has buffers
        return None
    package = Path(__file__).resolve().parent
    root = package.parent.parent
    places = [package / FAST_NAME]
    if (root / "include" / "octant.h").is_file():
        places.append(root / "build" / FAST_NAME)
    for place in places:
        if not place.is_file():
            continue
        loader = importlib.machinery.ExtensionFileLoader("octant._fast", str(place))
        spec = importlib.util.spec_from_file_location("octant._fast", str(place), loader=loader)
        assert spec is not None
        try:
            module = importlib.util.module_from_spec(spec)
            loader.exec_module(module)
        except ImportError:  # a Python without the stable ABI, such as the free-threaded one
            return None
        return module if module.ERROR_TEXT_MAX == ERROR_TEXT_MAX else None
    return None
