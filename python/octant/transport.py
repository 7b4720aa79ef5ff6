"""httpx transports that answer from an engine in this process.

The official client builds HTTP requests and hands them to httpx; httpx hands them to a transport, which normally
owns sockets. These own a database instead: a request goes through one call of octant_api.h and its answer comes
back, and everything above is the official client, unmodified:

    qdrant_client.QdrantClient(url="http://octant", transport=octant.OctantTransport("data"),
                               check_compatibility=False)

(`octant.QdrantClient` does that, and closes the database.) The host in the URL means nothing. Whatever goes wrong
in the engine is a response with Qdrant's status and text; exceptions come only from using what is closed.

THREADS  Any thread; requests run in parallel with the interpreter's lock let go. The asynchronous side runs each
         call in a worker thread, so that the event loop goes on. One transport may serve several httpx clients at
         once, of both kinds: the official asynchronous client uploads through a synchronous one.
"""

from __future__ import annotations

import gzip
import zlib
from typing import Any, Optional, Tuple, Union

import anyio.to_thread
import httpx

from ._handle import Lease, OpenOptions, PathLike, lease
from .native import Database

__all__ = ["AsyncOctantTransport", "OctantTransport"]


class OctantTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A synchronous and asynchronous transport over one database.

    Args:
        database: a directory (made if absent), None or ":memory:" for a new database in memory, or an open
            `octant.Database` to share.
        threads, sync, sync_interval_ms, read_only, memory_limit: as in `octant.open`.
    """

    def __init__(self, database: Union[PathLike, Database, None] = None, **options: Any) -> None:
        self._lease: Lease
        if isinstance(database, Database):
            if options:
                raise TypeError(f"the database is open already; {', '.join(options)} cannot be given")
            self._lease = database._lease.share()
        else:
            self._lease = lease(database, OpenOptions(**options) if options else None)

    @property
    def path(self) -> Optional[str]:
        """The directory, absolute; None in memory."""
        return self._lease.handle.key

    # --- httpx's interface ----------------------------------------------------------------------

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._answer(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        return await anyio.to_thread.run_sync(self._answer, request, body)

    def close(self) -> None:
        """Give the database back; the last of this process to do so closes it. May be called again."""
        self._lease.close()

    async def aclose(self) -> None:
        await anyio.to_thread.run_sync(self.close)

    # --- one request ----------------------------------------------------------------------------

    def _answer(self, request: httpx.Request, body: bytes) -> httpx.Response:
        if self._lease.closed:
            raise RuntimeError("the client's database was closed; make a new client")
        try:
            body = _decoded(body, request.headers.get("content-encoding", ""))
        except ValueError as reason:
            return httpx.Response(400, json={"status": {"error": f"Format error: {reason}"}, "time": 0.0})
        # HEAD is GET without the body, for every path: the engine need not know it.
        head = request.method == "HEAD"
        status, content_type, content, retry_after = self._call(
            b"GET" if head else request.method.encode("ascii"), request.url.raw_path, body
        )
        headers = {"content-length": str(len(content))}
        if content_type:
            headers["content-type"] = content_type
        if retry_after:
            headers["retry-after"] = str(retry_after)
        return httpx.Response(status, headers=headers, content=b"" if head else content)

    def _call(self, method: bytes, target: bytes, body: bytes) -> Tuple[int, str, bytes, int]:
        return self._lease.handle.call(method, target, body)

    def __deepcopy__(self, _: Any) -> "OctantTransport":
        """Itself: some official clients copy their options when they are made."""
        return self

    def __reduce__(self) -> Any:
        raise TypeError(
            "an octant database lives in one process, and its client cannot be sent to another: "
            "use parallel=1, threads, or a server"
        )


class AsyncOctantTransport(OctantTransport):
    """The same, under the name that httpx.AsyncClient users look for."""


def _decoded(body: bytes, encodings: str) -> bytes:
    """The body without its Content-Encoding."""
    for encoding in reversed([name.strip().lower() for name in encodings.split(",") if name.strip()]):
        try:
            if encoding in ("gzip", "x-gzip"):
                body = gzip.decompress(body)
            elif encoding == "deflate":
                body = zlib.decompress(body)
            elif encoding != "identity":
                raise ValueError(f"unknown content encoding {encoding!r}")
        except (OSError, EOFError, zlib.error) as reason:
            raise ValueError(f"the body is no {encoding} data: {reason}") from None
    return body
