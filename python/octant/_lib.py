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
    c_bool,
    c_char_p,
    c_int,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from ._structs import (  # noqa: A004  the headers' names
    STRUCTS,
    api_request,
    api_response,
    collection_config,
    collection_info,
    database_info,
    error,
    hnsw_config,
    id,
    memory_info,
    names,
    open_options,
    quantization_config,
    records,
    select,
    slice,
    vector,
    vector_config,
    write_options,
    write_result,
)
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
    "oct_collection_memory": (None, [_COLLECTION, POINTER(memory_info)]),
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
    "oct_file_read": (c_int, [c_void_p, c_uint64, c_void_p, c_size_t, POINTER(c_size_t), _ERROR]),
    "oct_file_size": (c_uint64, [c_void_p]),
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
