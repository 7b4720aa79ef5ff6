"""Octant: a vector database engine, embedded in Python.

    octant.QdrantClient(":memory:" | path=... | url=...)   the official Qdrant client, engine in process or server
    octant.AsyncQdrantClient                               the same, asynchronous
    octant.models                                          the official request and answer models
    octant.open(path=None)                                 the engine over numpy arrays
    octant.OctantTransport                                 for your own httpx or official client
    octant.Error, octant.LockedError, ...                  what can go wrong; see octant.errors

Importing this package loads nothing else: qdrant-client is imported with the first use of a client, numpy with the
first array, the engine with the first database.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, List

from .errors import (
    BadRequestError,
    BusyError,
    ClosedError,
    CorruptError,
    DimensionError,
    Error,
    ExistsError,
    FullError,
    InvalidError,
    IOError,
    LockedError,
    ModelError,
    NotFoundError,
    OutOfMemoryError,
    RangeError,
    Status,
    StoppedError,
    TimeoutError,
    UnsupportedError,
)
from .native import Collection, CollectionInfo, Database, DatabaseInfo, Record, VectorInfo, open

if TYPE_CHECKING:
    from . import models
    from .client import AsyncQdrantClient, QdrantClient
    from .transport import AsyncOctantTransport, OctantTransport

    __version__: str

# What needs qdrant-client (or httpx, which comes with it), and the module it is in.
_LAZY = {
    "AsyncOctantTransport": "transport",
    "AsyncQdrantClient": "client",
    "OctantTransport": "transport",
    "QdrantClient": "client",
}

__all__ = [
    "AsyncOctantTransport", "AsyncQdrantClient", "BadRequestError", "BusyError", "ClosedError", "Collection",
    "CollectionInfo", "CorruptError", "Database", "DatabaseInfo", "DimensionError", "Error", "ExistsError",
    "FullError", "IOError", "InvalidError", "LockedError", "ModelError", "NotFoundError", "OctantTransport",
    "OutOfMemoryError", "QdrantClient", "RangeError", "Record", "Status", "StoppedError", "TimeoutError",
    "UnsupportedError", "VectorInfo", "models", "open",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name == "models":
        return importlib.import_module(".models", __name__)
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module("." + _LAZY[name], __name__), name)
    except ModuleNotFoundError as reason:
        if reason.name and reason.name.split(".")[0] in ("qdrant_client", "httpx", "anyio"):
            raise ImportError(
                f"octant.{name} needs the official client: pip install qdrant-client"
            ) from reason
        raise
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted(set(globals()) | set(__all__))


def _version() -> str:
    """The version the package was built as; in a source tree that was never installed, the engine's."""
    from importlib import metadata

    try:
        return metadata.version("octant")
    except metadata.PackageNotFoundError:
        from ._lib import library

        return library().oct_version().decode()
