"""What can go wrong, as Python exceptions.

Every failure of the engine carries a status (:class:`Status`, the numbers of ``octant.h``) and a sentence
that names the value at fault. The common ones have a class of their own, which is also the built-in class
that Python code expects in that place: a missing collection is a ``KeyError``, a wrong shape a ``ValueError``.
"""

from __future__ import annotations

import builtins
import enum
import errno
from typing import Dict, Optional, Type

__all__ = [
    "BadRequestError",
    "BusyError",
    "ClosedError",
    "CorruptError",
    "DimensionError",
    "Error",
    "ExistsError",
    "FullError",
    "InvalidError",
    "IOError",
    "LockedError",
    "ModelError",
    "NotFoundError",
    "OutOfMemoryError",
    "RangeError",
    "Status",
    "StoppedError",
    "TimeoutError",
    "UnsupportedError",
    "error_for",
]


class Status(enum.IntEnum):
    """Status values of the engine. Never renumbered."""

    OK = 0
    NOMEM = -1
    INVALID = -2
    DIM = -3
    IO = -4
    CORRUPT = -5
    STOPPED = -6
    NOT_FOUND = -7
    EXISTS = -8
    FULL = -9
    LOCKED = -10
    TIMEOUT = -11
    UNSUPPORTED = -12
    BAD_REQUEST = -13
    FORBIDDEN = -14
    FORMAT = -15
    RANGE = -16
    BUSY = -17
    INTERNAL = -18
    MODEL = -19


class Error(Exception):
    """A failure of the engine: ``status`` says which kind, ``str(error)`` is a sentence about it."""

    default_status: int = Status.INTERNAL
    default_errno: Optional[int] = None  # for the classes that are an OSError too

    def __init__(self, message: str = "", status: Optional[int] = None) -> None:
        number = self.default_status if status is None else status
        super().__init__(message, number)
        self.message = message
        try:
            self.status: int = Status(number)
        except ValueError:  # a status of a library newer than this package
            self.status = number
        if isinstance(self, OSError):  # whose own constructor takes the pair for errno and text
            OSError.__setattr__(self, "errno", self.default_errno)
            OSError.__setattr__(self, "strerror", message)

    def __str__(self) -> str:  # not KeyError's, which would quote the sentence
        return self.message


class OutOfMemoryError(Error, MemoryError):
    """Not enough memory for the operation."""

    default_status = Status.NOMEM


class InvalidError(Error, ValueError):
    """An argument makes no sense: a component that is not finite, an unknown vector name, ..."""

    default_status = Status.INVALID


class DimensionError(InvalidError):
    """A vector has the wrong number of components for its collection."""

    default_status = Status.DIM


class RangeError(InvalidError):
    """A value breaks a limit; the sentence names both."""

    default_status = Status.RANGE


class BadRequestError(InvalidError):
    """The request contradicts itself, or is malformed."""

    default_status = Status.BAD_REQUEST


class IOError(Error, OSError):  # noqa: A001  the engine's name for it
    """Reading or writing a file failed."""

    default_status = Status.IO
    default_errno = errno.EIO


class FullError(IOError):
    """No space is left on the device. Reads and deletes still work."""

    default_status = Status.FULL
    default_errno = errno.ENOSPC


class CorruptError(Error):
    """Stored data failed its checksum; the sentence names the file and the offset."""

    default_status = Status.CORRUPT


class StoppedError(Error):
    """Writing stopped after a failed sync. Reads go on; reopen the database to write again."""

    default_status = Status.STOPPED


class NotFoundError(Error, KeyError):
    """No such collection or point."""

    default_status = Status.NOT_FOUND


class ExistsError(Error):
    """A collection of that name is there already."""

    default_status = Status.EXISTS


class LockedError(Error):
    """Another process has the database open."""

    default_status = Status.LOCKED


class TimeoutError(Error, builtins.TimeoutError):  # noqa: A001  the engine's name for it
    """The time allowed ran out. The work itself goes on."""

    default_status = Status.TIMEOUT
    default_errno = errno.ETIMEDOUT


class UnsupportedError(Error, NotImplementedError):
    """The engine, or this door of it, cannot do that."""

    default_status = Status.UNSUPPORTED


class ModelError(InvalidError):
    """The model cannot take this input, such as an image where it makes vectors of texts."""

    default_status = Status.MODEL


class BusyError(Error):
    """Too much work in flight; try again."""

    default_status = Status.BUSY


class ClosedError(Error, ValueError):
    """The database or collection was closed in this process before the call."""

    default_status = Status.INVALID


_CLASSES: Dict[int, Type[Error]] = {
    Status.NOMEM: OutOfMemoryError,
    Status.INVALID: InvalidError,
    Status.DIM: DimensionError,
    Status.IO: IOError,
    Status.CORRUPT: CorruptError,
    Status.STOPPED: StoppedError,
    Status.NOT_FOUND: NotFoundError,
    Status.EXISTS: ExistsError,
    Status.FULL: FullError,
    Status.LOCKED: LockedError,
    Status.TIMEOUT: TimeoutError,
    Status.UNSUPPORTED: UnsupportedError,
    Status.BAD_REQUEST: BadRequestError,
    Status.FORMAT: BadRequestError,
    Status.RANGE: RangeError,
    Status.BUSY: BusyError,
    Status.MODEL: ModelError,
}


def error_for(status: int, message: str) -> Error:
    """The exception of a status."""
    return _CLASSES.get(status, Error)(message, status)
