"""Open databases of this process, and who holds them.

WHAT     A database may be open once per process (its directory carries a lock), but many clients want the
         same path. So a `Handle` is one open database, and a `Lease` is one client's share in it: `lease(path)`
         opens the database or joins those who have it open, and the last lease that goes closes it. Databases
         in memory are never shared by name: each lease of ":memory:" is a database of its own.
STATES   closed -> open [lease]; open -> closed [last lease released and last running call left].
         A handle that closed is done for; the next lease of its path makes a new one.
THREADS  `with handle as pointer:` counts a call that is running; `door` counts searches that do not come by here.
         oct_close must be the last call on its database, so it waits for both counts: the thread that takes
         the last to zero closes. One lock per handle
         guards all of its fields; the registry's lock guards the table only, and is taken last. Locks are
         re-entrant because the garbage collector may release a lease in any line of this file.
FORKS    A forked child inherits the memory but not the engine's threads: it may neither use nor close its
         parent's databases. Handles remember the process that opened them.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from pathlib import Path
from typing import Any, Dict, Optional, Tuple, Union

from . import _lib
from .errors import ClosedError, Error, InvalidError

MEMORY = ":memory:"

PathLike = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

Answer = Tuple[int, str, bytes, int]


class OpenOptions:
    """How to open: what `octant.open` takes besides the path."""

    __slots__ = ("threads", "sync", "sync_interval_ms", "read_only", "memory_limit")

    def __init__(
        self,
        threads: int = 0,
        sync: str = "always",
        sync_interval_ms: int = 0,
        read_only: bool = False,
        memory_limit: int = 0,
    ) -> None:
        if sync not in _lib.SYNC_POLICIES:
            raise InvalidError(f"sync is {sync!r}; it must be one of {', '.join(_lib.SYNC_POLICIES)}")
        self.threads = threads
        self.sync = sync
        self.sync_interval_ms = sync_interval_ms
        self.read_only = read_only
        self.memory_limit = memory_limit

    def difference(self, other: "OpenOptions") -> Optional[str]:
        for name in self.__slots__:
            if getattr(self, name) != getattr(other, name):
                return f"{name}={getattr(other, name)!r}, not {getattr(self, name)!r}"
        return None


class Handle:
    """One open database. Made by `lease`."""

    def __init__(self, key: Optional[str]) -> None:
        self.key = key  # the real path; None in memory
        self.process = os.getpid()
        self._changed = threading.Condition(threading.RLock())
        self._pointer: Optional[int] = None
        self._done = False  # closed, or never opened: no longer in the registry
        self._options = OpenOptions()
        self._leases = 0
        self._calls: Dict[int, int] = {}  # thread -> calls it has running
        self._collections: Dict[int, int] = {}  # oct_collection * -> how often it was opened
        self._failure: Optional[Error] = None  # of the closing checkpoint
        self.door: Any = None  # of searches that run in ../fast.c, when that is there and the handle open

    # --- opening and closing --------------------------------------------------------------------

    def _join(self, options: Optional[OpenOptions]) -> bool:
        """Take a lease. False: the handle has just closed; ask the registry again."""
        with self._changed:
            if self._done:
                return False
            if self._pointer is None:
                try:
                    self._open(options or OpenOptions())
                except BaseException:
                    self._retire()
                    raise
            elif options is not None:
                difference = options.difference(self._options)
                if difference:
                    raise InvalidError(
                        f"{self.key} is open in this process with {difference}; close it first"
                    )
            self._leases += 1
            if self.door is not None:
                self.door.keep()
            self._changed.notify_all()  # a thread may wait for the last call, to close
            return True

    def _open(self, options: OpenOptions) -> None:
        library = _lib.library()
        failure = _lib.error()
        pointer = ctypes.c_void_p()
        given = _lib.open_options(
            path=None if self.key is None else os.fsencode(self.key),
            threads=options.threads,
            sync=_lib.SYNC_POLICIES[options.sync],
            sync_interval_ms=options.sync_interval_ms,
            read_only=options.read_only,
            memory_limit=options.memory_limit,
        )
        _lib.check(
            library.oct_open(ctypes.byref(given), ctypes.byref(pointer), ctypes.byref(failure)), failure
        )
        self._options = options
        self._pointer = pointer.value
        fast = _lib.fast()
        self.door = None if fast is None else fast.Door(self._fast_calls_left)

    def release(self) -> None:
        """Give a lease back. When it was the last, the database closes: now, or with the last running call."""
        if self.process != os.getpid():
            return
        with self._changed:
            self._leases -= 1
            self._close_if_left()

    def _close_if_left(self) -> None:
        if self._leases or self._calls or self._pointer is None:
            return
        if self.door is not None:
            if not self.door.shut():
                return  # a search runs; _fast_calls_left will be called
            self.door = None
        library = _lib.library()
        failure = _lib.error()
        pointer, self._pointer = self._pointer, None
        for collection, count in self._collections.items():
            for _ in range(count):
                library.oct_collection_close(collection)
        self._collections.clear()
        try:
            _lib.check(library.oct_close(pointer, ctypes.byref(failure)), failure)
        except Error as reason:  # told to whoever closed, not to the caller whose call was merely the last
            self._failure = reason
        finally:
            self._retire()

    def _fast_calls_left(self) -> None:
        with self._changed:
            self._close_if_left()

    def _retire(self) -> None:
        self._done = True
        with _registry_lock:
            if self.key is not None and _registry.get(self.key) is self:
                del _registry[self.key]
        self._changed.notify_all()

    def wait_closed(self) -> None:
        """Wait until the last call has left, if nobody holds a lease any more. A thread that is itself
        inside a call (a signal handler's, say) does not wait for itself."""
        if self.process != os.getpid():
            return
        with self._changed:
            while not self._done and not self._leases and threading.get_ident() not in self._calls:
                self._changed.wait()
            self.tell_failure()

    def tell_failure(self) -> None:
        """Raise, once, what went wrong when the database was closed."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    # --- calls ----------------------------------------------------------------------------------

    def __enter__(self) -> int:
        if self.process != os.getpid():
            raise Error(
                f"{self.key or MEMORY} was opened by process {self.process} and cannot be used in its forked "
                f"child {os.getpid()}: open it there, after the parent has closed it"
            )
        thread = threading.get_ident()
        with self._changed:
            # Count first, look after: once counted, nothing can close it under our feet.
            self._calls[thread] = self._calls.get(thread, 0) + 1
            pointer = self._pointer
            if pointer is None:
                self._leave(thread)
                raise ClosedError(f"the database {self.key or MEMORY} is closed")
            return pointer

    def __exit__(self, *_: Any) -> None:
        with self._changed:
            self._leave(threading.get_ident())

    def _leave(self, thread: int) -> None:
        count = self._calls[thread] - 1
        if count:
            self._calls[thread] = count
        else:
            del self._calls[thread]
            if not self._leases:
                self._close_if_left()

    def call(self, method: bytes, target: bytes, body: bytes) -> Answer:
        """One REST request: status, content type, body, seconds to wait before trying again (0: none)."""
        library = _lib.library()
        request = _lib.api_request(_lib.text_slice(method), _lib.text_slice(target), _lib.text_slice(body))
        response = _lib.api_response()
        with self as pointer:
            library.oct_api_call(pointer, ctypes.byref(request), ctypes.byref(response))
            try:
                content_type = response.content_type.decode() if response.content_type else ""
                body = _file_bytes(response.file) if response.file else _lib.slice_bytes(response.body)
                return response.status, content_type, body, response.retry_after
            finally:
                library.oct_api_response_clear(ctypes.byref(response))

    # --- collection handles, which must go before their database does ---------------------------

    def open_collection(self, name: bytes) -> int:
        library = _lib.library()
        failure = _lib.error()
        pointer = ctypes.c_void_p()
        with self as database:
            status = library.oct_collection_open(
                database, _lib.text_slice(name), ctypes.byref(pointer), ctypes.byref(failure)
            )
            _lib.check(status, failure)
            value = pointer.value
            assert value is not None
            with self._changed:
                self._collections[value] = self._collections.get(value, 0) + 1
            return value

    def close_collection(self, pointer: int) -> None:
        """Close a collection handle, unless closing the database already did."""
        if self.process != os.getpid():
            return
        with self._changed:
            count = self._collections.get(pointer, 0)
            if not count:
                return
            if count > 1:
                self._collections[pointer] = count - 1
            else:
                del self._collections[pointer]
            _lib.library().oct_collection_close(pointer)


class Lease:
    """One client's share in an open database. Garbage collection and the end of the process release it."""

    def __init__(self, handle: Handle) -> None:
        """Of a handle on which `_join` has counted this lease."""
        self.handle = handle
        self._finalizer = weakref.finalize(self, _collect, handle)

    @property
    def closed(self) -> bool:
        return not self._finalizer.alive

    def close(self) -> None:
        """Give it back; when it was the last, wait for running calls and close the database. May be called
        again. Raises if the closing checkpoint failed (the log still has everything)."""
        if self._finalizer.detach() is not None:
            self.handle.release()
            self.handle.wait_closed()

    def share(self) -> "Lease":
        """A further lease of the same database."""
        if self.closed or not self.handle._join(None):
            raise ClosedError(f"the database {self.handle.key or MEMORY} is closed")
        return Lease(self.handle)


def _collect(handle: Handle) -> None:
    handle.release()
    handle.tell_failure()


_registry: Dict[str, Handle] = {}  # real path -> the handle that is open, opening or closing
_registry_lock = threading.RLock()


def lease(path: Optional[PathLike], options: Optional[OpenOptions] = None) -> Lease:
    """Open a database, or join those who have it open in this process. None or ":memory:": a new one in
    memory. `options` None: as it is open already, or the defaults."""
    text = None if path is None else os.fsdecode(path)
    if text is None or text == MEMORY:
        handle = Handle(None)
        handle._join(options)
        return Lease(handle)
    if not text:
        raise InvalidError('the path of a database is empty; give a directory, or ":memory:"')
    key = str(Path(os.path.realpath(os.path.expanduser(text))))
    while True:
        with _registry_lock:
            handle = _registry.setdefault(key, Handle(key))
        if handle._join(options):
            return Lease(handle)


def _forget_after_fork() -> None:
    """The child starts with no open databases, and with locks that nobody holds."""
    global _registry_lock
    _registry_lock = threading.RLock()
    _registry.clear()


os.register_at_fork(after_in_child=_forget_after_fork)


def _file_bytes(file: int) -> bytes:
    """The content of an oct_file: a snapshot that is downloaded."""
    library = _lib.library()
    content = bytearray(library.oct_file_size(file))
    failure = _lib.error()
    got = ctypes.c_size_t()
    if content:
        place = (ctypes.c_char * len(content)).from_buffer(content)
        _lib.check(
            library.oct_file_read(file, 0, ctypes.addressof(place), len(content), ctypes.byref(got), ctypes.byref(failure)),
            failure,
        )
        del place
    return bytes(content[: got.value])
