"""`octant.QdrantClient` and `octant.AsyncQdrantClient`: the official clients, with the engine behind them.

    client = octant.QdrantClient(":memory:")             # an engine in this process, gone with the client
    client = octant.QdrantClient(path="data")            # the same, kept in a directory
    client = octant.QdrantClient(url="http://host:6333") # a server; exactly the official client

They are subclasses, so that whatever takes an official client takes these. In process, the official client talks
REST, as it would to a server, and an httpx transport answers from the library (see transport.py): every method
means the same behind every door. The official "local mode" is never used. Options about the connection (timeout,
prefer_grpc, api_key, headers, ...) mean nothing in process and are accepted and ignored.

Methods that newer official clients dropped are added, see _legacy.py.

Clients of one path in one process share the database; another process gets a LockedError. Each ":memory:" client
has a database of its own. The last client that is closed, collected, or left at the end of the process closes the
database, with a checkpoint.
"""

from __future__ import annotations

import inspect
from typing import Any, Dict, Optional

import qdrant_client
from qdrant_client.async_qdrant_remote import AsyncQdrantRemote
from qdrant_client.qdrant_remote import QdrantRemote

from . import _legacy
from ._handle import MEMORY
from .transport import AsyncOctantTransport, OctantTransport

__all__ = ["AsyncQdrantClient", "QdrantClient"]

_URL = "http://octant"  # of no consequence: the transport looks at the path only

# Of the official constructor's parameters, those that are not about the connection.
_KEPT_IN_PROCESS = ("cloud_inference", "local_inference_batch_size")


class _InProcess:
    """What both remote classes do otherwise when there is no socket."""

    def _upload_collection(self, *args: Any, **kwargs: Any) -> Any:
        # Several uploaders are processes, and this database lives in one.
        kwargs["parallel"] = 1
        return super()._upload_collection(*args, **kwargs)  # type: ignore[misc]

    def _init_grpc_channel(self) -> None:
        raise NotImplementedError(
            "an engine in process has no gRPC channel: use the client's methods, or `http`"
        )


class _InProcessRemote(_InProcess, QdrantRemote):
    pass


class _AsyncInProcessRemote(_InProcess, AsyncQdrantRemote):
    pass


def _in_process(official: type, args: Any, kwargs: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """The constructor's arguments by name, with defaults, if they ask for an engine in process."""
    signature = inspect.signature(official.__init__)  # type: ignore[misc]
    bound = signature.bind(None, *args, **kwargs)
    bound.apply_defaults()
    options = dict(bound.arguments)
    options.pop("self")
    options.update(options.pop("kwargs", {}))
    if options["location"] != MEMORY and options["path"] is None:
        return None
    if sum(options[name] is not None for name in ("location", "url", "host", "path")) > 1:
        raise ValueError("Only one of <location>, <url>, <host> or <path> should be specified.")
    return options


def _official_arguments(
    official: type, options: Dict[str, Any], transport: OctantTransport
) -> Dict[str, Any]:
    """What to construct the official client with."""
    parameters = inspect.signature(official.__init__).parameters  # type: ignore[misc]
    given = {"url": _URL, "transport": transport}
    given.update({name: options[name] for name in _KEPT_IN_PROCESS if name in parameters})
    if "check_compatibility" in parameters:  # older clients would hand it on to httpx
        given["check_compatibility"] = False
    return given


class QdrantClient(qdrant_client.QdrantClient):
    """The official client over Octant: in process for ``":memory:"`` and ``path=``, else over the network.

    Takes what the official client takes. `close` (or the end of the last client) closes the database.
    """

    _transport: Optional[OctantTransport] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        options = _in_process(qdrant_client.QdrantClient, args, kwargs)
        if options is None:
            super().__init__(*args, **kwargs)
            return
        transport = OctantTransport(options["path"])
        try:
            super().__init__(**_official_arguments(qdrant_client.QdrantClient, options, transport))
        except BaseException:
            transport.close()
            raise
        self._transport = transport
        self._client.__class__ = _InProcessRemote
        self._init_options = options  # so that AsyncQdrantClient(**client.init_options) opens the same

    def close(self, grpc_grace: Optional[float] = None, **kwargs: Any) -> None:
        """Close the connection, or give the database back. May be called again.

        Raises an octant.Error if the closing checkpoint failed; the log still has everything."""
        try:
            if self._transport is not None:
                self._transport.close()
        finally:
            super().close(grpc_grace=grpc_grace, **kwargs)


class AsyncQdrantClient(qdrant_client.AsyncQdrantClient):
    """The official asynchronous client over Octant. See `QdrantClient`. Calls run in worker threads."""

    _transport: Optional[OctantTransport] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        options = _in_process(qdrant_client.AsyncQdrantClient, args, kwargs)
        if options is None:
            super().__init__(*args, **kwargs)
            return
        transport = AsyncOctantTransport(options["path"])
        try:
            super().__init__(**_official_arguments(qdrant_client.AsyncQdrantClient, options, transport))
        except BaseException:
            transport.close()
            raise
        self._transport = transport
        self._client.__class__ = _AsyncInProcessRemote
        self._init_options = options

    async def close(self, grpc_grace: Optional[float] = None, **kwargs: Any) -> None:
        """Close the connection, or give the database back. May be called again."""
        try:
            if self._transport is not None:
                await self._transport.aclose()
        finally:
            await super().close(grpc_grace=grpc_grace, **kwargs)


def _adopt(cls: type, official: type) -> None:
    for name, attribute in _legacy.methods(official).items():
        setattr(cls, name, attribute)


_adopt(QdrantClient, qdrant_client.QdrantClient)
_adopt(AsyncQdrantClient, qdrant_client.AsyncQdrantClient)
QdrantClient.__init__.__signature__ = inspect.signature(qdrant_client.QdrantClient.__init__)  # type: ignore[attr-defined]
AsyncQdrantClient.__init__.__signature__ = inspect.signature(  # type: ignore[attr-defined]
    qdrant_client.AsyncQdrantClient.__init__
)
