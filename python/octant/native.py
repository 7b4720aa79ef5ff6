"""The engine over numpy arrays: no HTTP, no JSON, no copies.

    import numpy, octant

    with octant.open("data") as db:
        docs = db.create("docs", 768)
        docs.upsert(ids, vectors, payloads)         # (n,) and (n, 768) arrays; a list of dicts or None
        ids, scores = docs.search(query, k=10)      # one query: (10,) arrays; many: (n, 10)

SHAPES   Vectors are rows. float32 arrays whose rows are contiguous are read where they lie, also when the rows
         are apart (slices such as ``x[::2]`` or ``x[:, :384]``); anything else numpy understands is converted
         to a float32 array first.
UNITS    Scores are those of the collection's distance, computed from the vectors as stored: Cosine and Dot grow
         with likeness, Euclid and Manhattan are distances and shrink. Cosine vectors are stored normalised.
THREADS  Everything here may be called from any thread at any time. The interpreter's lock is let go while the
         engine works, so threads that search in parallel run in parallel, and reads do not wait for writes.
         Ctrl-C takes effect when the running call returns (`wait_indexed` looks up every 200 ms).
ERRORS   Subclasses of `octant.Error`, see `octant.errors`. After a failure the data is as before the call.
DOORS    A path is shared with every other client of this process: `octant.QdrantClient(path="data")` beside it
         sees the same points. Other processes get a LockedError.
"""

from __future__ import annotations

import ctypes
import json
import operator
import time
import uuid
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from . import _lib
from ._handle import MEMORY, Handle, Lease, OpenOptions, PathLike, lease
from .errors import ClosedError, InvalidError, NotFoundError, Status

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Collection", "CollectionInfo", "Database", "DatabaseInfo", "Record", "VectorInfo", "open"]

Payload = Union[Dict[str, Any], bytes, str, None]
PointId = Union[int, str, uuid.UUID]

_WAIT_SLICE_MS = 200  # how long wait_indexed stays in the engine before it looks for Ctrl-C
_LAYOUT_OF_ID = [("high", "u8"), ("low", "u8"), ("is_uuid", "u4"), ("reserved", "u4")]  # oct_id


def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        raise ImportError("octant's native interface works on numpy arrays: pip install numpy") from None
    return numpy


# --- what the calls return ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """A stored point."""

    id: PointId  #: int, or uuid.UUID
    version: int  #: number of the operation that last touched it
    payload: Optional[Dict[str, Any]]  #: None: not asked for
    vector: Any  #: float32 array; a dict of them when the vectors have names; None: not asked for


@dataclass(frozen=True)
class VectorInfo:
    """How one vector of a collection's points is kept."""

    size: int
    distance: str
    datatype: str
    on_disk: bool


@dataclass(frozen=True)
class CollectionInfo:
    """A collection, as it is at the moment."""

    name: str
    points_count: int
    indexed_vectors_count: int  #: vectors in the graph
    tail_vectors_count: int  #: vectors scanned exactly until they join the graph
    deleted_vectors_count: int  #: dead vectors that `optimize` would drop
    version: int  #: number of the last operation
    ram_bytes: int
    disk_bytes: int
    stopped: bool  #: writing stopped after a failed sync
    m: int
    ef_construct: int
    vectors: Dict[str, VectorInfo] = field(default_factory=dict)  #: by name; "" is the unnamed one


@dataclass(frozen=True)
class DatabaseInfo:
    """A database, as it is at the moment."""

    version: str  #: of the engine
    cpu_level: str  #: instruction set of the distance kernels in use
    path: Optional[str]  #: None in memory
    collection_count: int
    log_sequence: int  #: of the last log record
    log_bytes: int  #: of the log that no checkpoint covers yet
    replayed_records: int  #: when it was opened
    open_seconds: float


# --- options of a collection --------------------------------------------------------------------------

# Keyword of `Database.create` -> (part of the configuration, field). "vectors" is the one vector's own part.
_OPTIONS: Dict[str, Tuple[str, str]] = {
    "on_disk": ("vectors", "on_disk"),
    "datatype": ("vectors", "datatype"),
    "full_scan_threshold": ("hnsw", "full_scan_threshold"),
    "max_indexing_threads": ("hnsw", "max_indexing_threads"),
    "hnsw_on_disk": ("hnsw", "on_disk"),
    "payload_m": ("hnsw", "payload_m"),
    "inline_storage": ("hnsw", "inline_storage"),
    "deleted_threshold": ("optimizer", "deleted_threshold"),
    "vacuum_min_vector_number": ("optimizer", "vacuum_min_vector_number"),
    "default_segment_number": ("optimizer", "default_segment_number"),
    "max_segment_size": ("optimizer", "max_segment_size"),
    "memmap_threshold": ("optimizer", "memmap_threshold"),
    "indexing_threshold": ("optimizer", "indexing_threshold"),
    "flush_interval_sec": ("optimizer", "flush_interval_sec"),
    "max_optimization_threads": ("optimizer", "max_optimization_threads"),
    "prevent_unoptimized": ("optimizer", "prevent_unoptimized"),
    "wal_capacity_mb": ("wal", "wal_capacity_mb"),
    "wal_segments_ahead": ("wal", "wal_segments_ahead"),
    "wal_retain_closed": ("wal", "wal_retain_closed"),
    "on_disk_payload": ("", "on_disk_payload"),
    "shard_number": ("", "shard_number"),
    "replication_factor": ("", "replication_factor"),
    "write_consistency_factor": ("", "write_consistency_factor"),
    "metadata": ("", "metadata"),
}


def _number_of(value: Any, what: str, names: Dict[str, int]) -> int:
    """The number of an enumerated value given by name, in any case, or as an Enum with such a value."""
    text = str(getattr(value, "value", value))
    for name, number in names.items():
        if name.lower() == text.lower():
            return number
    raise InvalidError(f"{what} is {text!r}; it must be one of {', '.join(names)}")


def _name_of(number: int, names: Dict[str, int]) -> str:
    return next((name for name, value in names.items() if value == number), str(number))


# --- arrays in -----------------------------------------------------------------------------------------


def _rows(vectors: Any, what: str) -> Tuple[Any, int]:
    """A 2-D float32 array with contiguous rows, and the distance between rows in floats. No copy is made
    of an array that is so already."""
    np = _numpy()
    array = np.asarray(vectors)
    if array.dtype != np.float32 or not array.dtype.isnative:
        if array.dtype.kind not in "fiub":
            raise InvalidError(f"{what} hold {array.dtype}, not numbers")
        array = array.astype(np.float32)
    if array.ndim != 2:
        raise InvalidError(f"{what} have shape {array.shape}; expected two dimensions, one vector a row")
    count, dim = array.shape
    size = array.itemsize
    across, along = array.strides
    apart = along == size and across % size == 0 and across >= dim * size and array.flags.aligned
    if count > 1 and apart:
        return array, across // size
    return np.ascontiguousarray(array) if array.flags.aligned else array.copy(), dim


def _id_numbers(ids: Any) -> Any:
    """A 1-D contiguous uint64 array of point ids."""
    np = _numpy()
    if not isinstance(ids, np.ndarray):
        # Through Python's own integers: numpy would make floats of large ones among small ones.
        numbers = [operator.index(one) for one in ids]
        for number in numbers:
            if not 0 <= number <= _lib.ID_NONE:
                raise InvalidError(f"point id {number} is not an unsigned 64-bit number")
        return np.array(numbers, dtype=np.uint64)
    if ids.ndim != 1:
        raise InvalidError(f"ids have shape {ids.shape}; expected one dimension")
    if ids.dtype.kind not in "iu":
        raise InvalidError(f"ids hold {ids.dtype}, not integers")
    if ids.dtype.kind == "i" and ids.size and ids.min() < 0:
        raise InvalidError(f"point id {ids.min()} is not an unsigned 64-bit number")
    return np.ascontiguousarray(ids, dtype=np.uint64)


def _id_structs(ids: Any) -> Any:
    """A 1-D array of oct_id, of integers and UUIDs."""
    np = _numpy()
    if isinstance(ids, (int, str, uuid.UUID)):
        raise InvalidError(f"ids is {ids!r}; give a list, also of one")
    if isinstance(ids, np.ndarray) and ids.dtype.kind in "iu":
        numbers = _id_numbers(ids)
        structs = np.zeros(len(numbers), dtype=_LAYOUT_OF_ID)
        structs["low"] = numbers
        return structs
    given = list(ids)
    structs = np.zeros(len(given), dtype=_LAYOUT_OF_ID)
    for i, one in enumerate(given):
        if isinstance(one, (str, uuid.UUID)):
            try:
                number = one.int if isinstance(one, uuid.UUID) else uuid.UUID(one).int
            except ValueError:
                raise InvalidError(
                    f"point id {one!r} is neither an unsigned 64-bit number nor a UUID"
                ) from None
            structs[i] = (number >> 64, number & _lib.ID_NONE, 1, 0)
        else:
            number = operator.index(one)
            if not 0 <= number <= _lib.ID_NONE:
                raise InvalidError(f"point id {number} is not an unsigned 64-bit number")
            structs[i] = (0, number, 0, 0)
    return structs


def _plain(value: Any) -> Any:
    """For json: numpy's numbers and small arrays in payloads."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


def _json(document: Any) -> bytes:
    return json.dumps(
        document, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
    ).encode()


def _payload_bytes(payload: Payload, index: int) -> bytes:
    if payload is None:
        return b""
    if isinstance(payload, bytes):
        return payload
    try:
        if isinstance(payload, str):
            return payload.encode()
        return _json(payload)
    except (TypeError, ValueError) as reason:
        raise InvalidError(f"payload {index} is no JSON document: {reason}") from None


def _payload_slices(payloads: Sequence[Payload], count: int) -> Tuple[Any, List[bytes]]:
    """An array of oct_slice, and the bytes that must live as long as it."""
    if isinstance(payloads, (str, bytes, dict)) or not hasattr(payloads, "__len__"):
        payloads = [payloads] if isinstance(payloads, (str, bytes, dict)) else list(payloads)
    if len(payloads) != count:
        raise InvalidError(f"there are {len(payloads)} payloads for {count} points")
    kept = [_payload_bytes(payload, i) for i, payload in enumerate(payloads)]
    slices = (_lib.slice * count)()
    for i, text in enumerate(kept):
        if text:
            slices[i] = _lib.text_slice(text)
    return slices, kept


def _address(array: Any) -> int:
    return array.__array_interface__["data"][0]


# --- results out ---------------------------------------------------------------------------------------


def _vector_of(vector: Any) -> Any:
    np = _numpy()
    count = vector.value_count
    values = np.frombuffer(ctypes.string_at(vector.values, 4 * count), dtype=np.float32).copy()
    if vector.kind == _lib.VECTOR_SPARSE:
        return np.frombuffer(ctypes.string_at(vector.indices, 4 * count), dtype=np.uint32).copy(), values
    if vector.kind == _lib.VECTOR_MULTI:
        return values.reshape(vector.row_count, -1)
    return values


def _record_of(record: Any) -> Record:
    vectors: Any = None
    if record.vectors:
        by_name = {
            _lib.slice_bytes(vector.name).decode(): _vector_of(vector)
            for vector in record.vectors[: record.vector_count]
        }
        vectors = by_name.get("") if set(by_name) <= {""} else by_name
    return Record(
        id=uuid.UUID(int=record.id.high << 64 | record.id.low) if record.id.is_uuid else record.id.low,
        version=record.version,
        payload=json.loads(_lib.slice_bytes(record.payload)) if record.payload.data else None,
        vector=vectors,
    )


# --- collections ---------------------------------------------------------------------------------------


def _raise(status: int, text: bytes) -> None:
    failure = _lib.error()
    failure.text = text
    _lib.check(status, failure)


def _searcher(owner: Handle, pointer: int) -> Any:
    """What answers the common searches of a collection without ctypes, or None."""
    door = owner.door
    fast = _lib.fast()
    if door is None or fast is None:
        return None
    np = _numpy()
    function = ctypes.cast(_lib.library().oct_search_rows, ctypes.c_void_p).value
    return fast.Searcher(door, function, pointer, _raise, np.empty, np.dtype(np.uint64), np.dtype(np.float32)).search


class Collection:
    """Points with one vector each (or several, under names, when a client made it so; this interface writes and
    searches the unnamed vector). Made by `Database.create` and ``database[name]``.

    The handle stays good when the collection's name goes to another one, and until its database closes.
    """

    def __init__(self, owner: Handle, name: str) -> None:
        self._handle = owner
        self._name = name
        self._pointer = owner.open_collection(name.encode())
        self._search = _searcher(owner, self._pointer)
        weakref.finalize(self, owner.close_collection, self._pointer).atexit = False

    @property
    def name(self) -> str:
        """The name, or alias, under which it was opened."""
        return self._name

    def __repr__(self) -> str:
        return f"<octant.Collection {self._name!r} of {self._handle.key or MEMORY}>"

    def upsert(
        self,
        ids: "ArrayLike",
        vectors: "ArrayLike",
        payloads: Optional[Sequence[Payload]] = None,
        *,
        wait: bool = True,
    ) -> None:
        """Insert points, or replace those whose id exists: vector and payload both.

        Args:
            ids: (n,) unsigned integers. Of several points with one id the last counts.
            vectors: (n, size). float32 with contiguous rows is not copied.
            payloads: n of dict, None, or JSON text of an object as bytes (stored without being parsed here);
                None: no point has one.
            wait: True: return when everything is durable and visible to every search. False: when it is in
                the log's queue.

        Large inputs are logged in pieces of about 8 MiB; each piece is stored whole or not at all.

        Raises:
            DimensionError: vectors have another size than the collection's. InvalidError: shapes do not
            match, a component is not finite, a payload is no JSON object. FullError: the disk is full.
        """
        rows, stride = _rows(vectors, "vectors")
        numbers = _id_numbers(ids)
        count, dim = rows.shape
        if len(numbers) != count:
            raise InvalidError(f"there are {len(numbers)} ids for {count} vectors")
        slices, kept = (None, None) if payloads is None else _payload_slices(payloads, count)
        if count == 0:
            return
        failure = _lib.error()
        with self._handle:
            status = _lib.library().oct_upsert_rows(
                self._pointer,
                _address(numbers),
                _address(rows),
                count,
                dim,
                stride,
                slices,
                _lib.write_options(wait),
                failure,
            )
        del kept
        _lib.check(status, failure)

    def delete(self, ids: Union["ArrayLike", Iterable[PointId]], *, wait: bool = True) -> None:
        """Delete points by id: integers, or UUIDs as uuid.UUID or text. Unknown ids are ignored."""
        structs = _id_structs(ids)
        if len(structs) == 0:
            return
        failure = _lib.error()
        with self._handle:
            status = _lib.library().oct_delete(
                self._pointer, _address(structs), len(structs), _lib.write_options(wait), None, failure
            )
        _lib.check(status, failure)

    def __len__(self) -> int:
        """The number of points."""
        count = ctypes.c_uint64()
        failure = _lib.error()
        with self._handle:
            status = _lib.library().oct_count(self._pointer, count, failure)
        _lib.check(status, failure)
        return count.value

    def search(
        self,
        queries: "ArrayLike",
        k: int,
        ef: Optional[int] = None,
        exact: bool = False,
        *,
        threads: int = 0,
    ) -> "Tuple[NDArray[np.uint64], NDArray[np.float32]]":
        """Find the k points most like each query, best first.

        Args:
            queries: (size,) for one query or (n, size) for many.
            k: how many.
            ef: candidates kept during the walk; more finds more true neighbours and costs more. None: the
                collection's ef_construct.
            exact: scan every point instead of walking the graph.
            threads: for many queries; 0: as many as the machine has and the work is worth, 1: only this one.

        Returns:
            ids, uint64, and scores, float32: of shape (k,) for one query, (n, k) for many. A row with fewer
            than k hits ends in ids of 2**64 - 1 and scores of NaN. Equal scores are in the order of ids.
            Every write acknowledged before the call is seen.

        Raises:
            DimensionError, InvalidError (a component is not finite, k is out of range), UnsupportedError (a
            hit has a UUID for an id, which these arrays cannot hold).
        """
        if self._search is not None:
            found = self._search(queries, k, ef, exact, threads)
            if found is not None:
                return found
        np = _numpy()
        array = np.asarray(queries, dtype=np.float32)
        if array.ndim not in (1, 2):
            raise InvalidError(f"queries have shape {array.shape}; expected one or two dimensions")
        if not array.flags.c_contiguous or not array.flags.aligned:
            array = np.ascontiguousarray(array)
        k = operator.index(k)
        if k < 1:
            raise InvalidError(f"k is {k}; at least 1 is needed")
        if ef is not None and operator.index(ef) < 1:
            raise InvalidError(f"ef is {ef}; at least 1 is needed, or None for the collection's own")
        single = array.ndim == 1
        count, dim = (1, array.shape[0]) if single else array.shape
        shape = (k,) if single else (count, k)
        ids = np.empty(shape, dtype=np.uint64)
        scores = np.empty(shape, dtype=np.float32)
        if count == 0:
            return ids, scores
        failure = _lib.error()
        with self._handle:
            status = _lib.library().oct_search_rows(
                self._pointer,
                _address(array),
                count,
                dim,
                k,
                0 if ef is None else ef,
                exact,
                threads,
                _address(ids),
                _address(scores),
                failure,
            )
        _lib.check(status, failure)
        return ids, scores

    def get(
        self, ids: Union["ArrayLike", Iterable[PointId]], *, payload: bool = True, vector: bool = True
    ) -> List[Record]:
        """Points by id, in the order asked for; repeated ids once, unknown ids left out."""
        structs = _id_structs(ids)
        if len(structs) == 0:
            return []
        failure = _lib.error()
        found = ctypes.POINTER(_lib.records)()
        wanted = _lib.select(with_payload=payload, with_vector=vector)
        library = _lib.library()
        with self._handle:
            status = library.oct_retrieve(
                self._pointer, _address(structs), len(structs), wanted, found, failure
            )
        _lib.check(status, failure)
        try:
            return [_record_of(record) for record in found.contents.items[: found.contents.count]]
        finally:
            library.oct_records_free(found)

    def wait_indexed(self, timeout: Optional[float] = None) -> None:
        """Wait until the tail has joined the graph. Nobody needs to: points are found, at full recall, by the
        first search after their upsert. It matters to those who measure.

        Args:
            timeout: seconds; None: for ever. Raises TimeoutError when they are over.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            slice_ms = _WAIT_SLICE_MS
            if deadline is not None:
                slice_ms = max(1, min(slice_ms, int((deadline - time.monotonic()) * 1000)))
            failure = _lib.error()
            with self._handle:
                status = _lib.library().oct_collection_wait_indexed(self._pointer, slice_ms, failure)
            if status != Status.TIMEOUT or (deadline is not None and time.monotonic() >= deadline):
                _lib.check(status, failure)
                return

    def optimize(self) -> None:
        """Compact: drop dead vectors, renumber, rebuild the graph. Reads and writes go on meanwhile. Searches do
        not need it; it gives space back."""
        failure = _lib.error()
        with self._handle:
            status = _lib.library().oct_collection_optimize(self._pointer, failure)
        _lib.check(status, failure)

    def check(self) -> None:
        """Verify invariants and stored checksums. Raises CorruptError, which names the first damage."""
        failure = _lib.error()
        with self._handle:
            status = _lib.library().oct_collection_check(self._pointer, failure)
        _lib.check(status, failure)

    def graph_checksum(self) -> int:
        """A checksum over the graph: equal histories give equal checksums, with any number of threads."""
        value = ctypes.c_uint64()
        failure = _lib.error()
        with self._handle:
            status = _lib.library().oct_collection_graph_checksum(self._pointer, value, failure)
        _lib.check(status, failure)
        return value.value

    def memory(self) -> Dict[str, Tuple[int, int]]:
        """Where its memory is, in bytes: for each part ("vectors", "codes", "links", ...) what is the process's own, and
        what is mapped from files, which the system drops when it needs room and reads again when it is asked for."""
        out = _lib.memory_info()
        with self._handle:
            _lib.library().oct_collection_memory(self._pointer, out)
        return {part.name.decode(): (part.memory_bytes, part.mapped_bytes) for part in out.parts[: out.count]}

    def info(self) -> CollectionInfo:
        """Counts, sizes and configuration, as they are now."""
        failure = _lib.error()
        found = ctypes.POINTER(_lib.collection_info)()
        library = _lib.library()
        with self._handle:
            status = library.oct_collection_describe(self._pointer, found, failure)
        _lib.check(status, failure)
        try:
            info = found.contents
            config = info.config
            vectors = {
                _lib.slice_bytes(vector.name).decode(): VectorInfo(
                    size=vector.size,
                    distance=_name_of(vector.distance, _lib.DISTANCES),
                    datatype=_name_of(max(vector.datatype, 0), _lib.DATATYPES),
                    on_disk=vector.on_disk == 1,
                )
                for vector in config.vectors[: config.vector_count]
            }
            return CollectionInfo(
                name=_lib.slice_bytes(info.name).decode(),
                points_count=info.points_count,
                indexed_vectors_count=info.indexed_vectors_count,
                tail_vectors_count=info.tail_vectors_count,
                deleted_vectors_count=info.deleted_vectors_count,
                version=info.version,
                ram_bytes=info.ram_bytes,
                disk_bytes=info.disk_bytes,
                stopped=info.stopped,
                m=config.hnsw.m,
                ef_construct=config.hnsw.ef_construct,
                vectors=vectors,
            )
        finally:
            library.oct_collection_info_free(found)


# --- databases -----------------------------------------------------------------------------------------


class Database:
    """An open database. Made by `octant.open`; a context manager, which closes it.

    ``name in db``, ``db[name]`` and ``for name in db`` speak of collections; the first two accept aliases.
    """

    def __init__(self, share: Lease) -> None:
        self._lease = share

    @property
    def path(self) -> Optional[str]:
        """The directory, absolute; None in memory."""
        return self._lease.handle.key

    @property
    def closed(self) -> bool:
        return self._lease.closed

    def close(self) -> None:
        """Give the database back. The last of this process to do so writes a checkpoint and closes it, after
        calls that still run in other threads. May be called again."""
        self._lease.close()

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<octant.Database {self.path or MEMORY}{' (closed)' if self.closed else ''}>"

    def _handle(self) -> Handle:
        if self._lease.closed:
            raise ClosedError(f"the database {self.path or MEMORY} is closed")
        return self._lease.handle

    def create(
        self,
        name: str,
        size: int,
        distance: str = "Cosine",
        m: int = 16,
        ef_construct: int = 100,
        **options: Any,
    ) -> Collection:
        """Create a collection of points with one vector each.

        Args:
            name: 1 to 255 bytes.
            size: components of a vector, 1 to 65536.
            distance: "Cosine", "Dot", "Euclid" or "Manhattan".
            m: links per point in the graph (twice as many at its lowest level); more is more accurate, larger
                and slower to build. 0: no graph, every search scans.
            ef_construct: candidates kept while building; more is more accurate and slower to build.
            **options: on_disk, datatype ("float32", "float16", "uint8"), metadata (a dict), on_disk_payload,
                full_scan_threshold, max_indexing_threads, indexing_threshold, ...: Qdrant's names and
                meanings; a wrong name raises a TypeError that lists them all. None: the default.

        Raises:
            ExistsError; RangeError (a size, m or name out of bounds); InvalidError.
        """
        library = _lib.library()
        vectors = _lib.vector_config()
        config = _lib.collection_config()
        library.oct_vector_config_init(vectors)
        library.oct_collection_config_init(config)
        vectors.size = operator.index(size)
        vectors.distance = _number_of(distance, "distance", _lib.DISTANCES)
        config.hnsw.m = operator.index(m)
        config.hnsw.ef_construct = operator.index(ef_construct)
        parts = {"vectors": vectors, "hnsw": config.hnsw, "optimizer": config.optimizer, "wal": config.wal}
        metadata = b""
        for option, value in options.items():
            if option not in _OPTIONS:
                raise TypeError(f"create() got an unknown option {option!r}; known are {', '.join(_OPTIONS)}")
            if value is None:
                continue
            part, where = _OPTIONS[option]
            if option == "metadata":
                metadata = _json(value)
                config.metadata = _lib.text_slice(metadata)
                continue
            if option == "datatype":
                value = _number_of(value, "datatype", _lib.DATATYPES)
            elif option == "max_optimization_threads" and value == "auto":
                value = -2
            elif option == "deleted_threshold":
                value = float(value)
            else:
                value = operator.index(value)
            setattr(parts.get(part, config), where, value)
        config.vectors = ctypes.pointer(vectors)
        config.vector_count = 1
        config.single_vector = 1
        failure = _lib.error()
        text = name.encode()
        with self._handle() as database:
            status = library.oct_collection_create(database, _lib.text_slice(text), config, failure)
        _lib.check(status, failure)
        return self[name]

    def __getitem__(self, name: str) -> Collection:
        """The collection of that name or alias. Raises NotFoundError, which is a KeyError."""
        return Collection(self._handle(), name)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        handle = self._handle()
        try:
            handle.close_collection(handle.open_collection(name.encode()))
        except NotFoundError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        """The names of the collections, sorted."""
        failure = _lib.error()
        found = ctypes.POINTER(_lib.names)()
        library = _lib.library()
        with self._handle() as database:
            status = library.oct_collection_list(database, found, failure)
        _lib.check(status, failure)
        try:
            listed = [
                _lib.slice_bytes(item).decode() for item in found.contents.items[: found.contents.count]
            ]
        finally:
            library.oct_names_free(found)
        return iter(listed)

    def __len__(self) -> int:
        """The number of collections."""
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return True  # also without collections

    def drop(self, name: str) -> bool:
        """Delete a collection and its aliases. Returns whether there was one."""
        existed = ctypes.c_bool()
        failure = _lib.error()
        text = name.encode()
        with self._handle() as database:
            status = _lib.library().oct_collection_delete(database, _lib.text_slice(text), existed, failure)
        _lib.check(status, failure)
        return existed.value

    def checkpoint(self) -> None:
        """Move what the log holds into the columns now. Happens by itself; the next open replays less."""
        failure = _lib.error()
        with self._handle() as database:
            status = _lib.library().oct_checkpoint(database, failure)
        _lib.check(status, failure)

    def info(self) -> DatabaseInfo:
        """Version, log position and the like."""
        info = _lib.database_info()
        with self._handle() as database:
            _lib.library().oct_database_describe(database, info)
            return DatabaseInfo(
                version=(info.version or b"").decode(),
                cpu_level=(info.cpu_level or b"").decode(),
                path=None if info.path is None else info.path.decode("utf-8", "surrogateescape"),
                collection_count=info.collection_count,
                log_sequence=info.log_sequence,
                log_bytes=info.log_bytes,
                replayed_records=info.replayed_records,
                open_seconds=info.open_seconds,
            )


def open(  # noqa: A001  as in octant.open
    path: Optional[PathLike] = None,
    *,
    threads: Optional[int] = None,
    sync: Optional[str] = None,
    sync_interval_ms: Optional[int] = None,
    read_only: Optional[bool] = None,
    memory_limit: Optional[int] = None,
) -> Database:
    """Open a database.

    Args:
        path: a directory, made if absent; None or ":memory:": a new database in memory.
        threads: background threads; 0, the default: one per CPU.
        sync: when a waiting write returns. "always", the default: once it is on the disk. "interval": at
            once, synced every `sync_interval_ms` (a power cut may cost that much). "never": left to the
            operating system (a crash of the process loses nothing).
        read_only: without the writer's lock; writes are refused.
        memory_limit: bytes of private memory that this process may take, arrays of yours included; near it vectors and
            payload leave memory for their files, and then writes that add raise FullError. 0, the default: no limit.

    A path that is open in this process already is shared; options given must then be those it was opened with.

    Raises:
        LockedError: another process has it open. CorruptError: the catalogue cannot be trusted. InvalidError:
        open in this process with other options.
    """
    given = {
        "threads": threads,
        "sync": sync,
        "sync_interval_ms": sync_interval_ms,
        "read_only": read_only,
        "memory_limit": memory_limit,
    }
    given = {name: value for name, value in given.items() if value is not None}
    return Database(lease(path, OpenOptions(**given) if given else None))  # type: ignore[arg-type]
