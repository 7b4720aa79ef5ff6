"""The doors: one interface over the oracle and over each way into Octant.

ORACLE   qdrant-client's own local engine at ":memory:": pure Python and numpy, scans everything.
MEMORY   octant.QdrantClient(":memory:"), in process.
PATH     octant.QdrantClient(path=...), in process, closed and opened again when a test says so.
SERVER   the program `octant serve` on a free port, through a socket; stopped by SIGTERM and started again
         when a test says so.
GRPC     another such server, with prefer_grpc=True. What the client makes of protobuf is said again as REST says
         it (see GrpcDoor), so that answers can be compared like those of the other doors.

A call never raises: its outcome says what came back or how it failed, so that failures can be compared too.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, List, Optional

import numpy as np

ROOT = Path(__file__).resolve().parents[2]

SERVER_START_SECONDS = 30
SERVER_STOP_SECONDS = 30


def find_library() -> Optional[Path]:
    path = Path(os.environ.get("OCTANT_LIB", ROOT / "build" / "liboctant.so"))
    return path if path.exists() else None


def find_program() -> Optional[Path]:
    path = Path(os.environ.get("OCTANT_BIN", ROOT / "build" / "octant"))
    return path if path.exists() else None


def import_octant() -> Any:
    """The package of this tree, with the library of this build, unless the environment names another."""
    library = find_library()
    if library is not None:
        os.environ.setdefault("OCTANT_LIB", str(library))
    if str(ROOT / "python") not in sys.path:
        sys.path.insert(0, str(ROOT / "python"))
    import octant

    return octant


@dataclass
class Outcome:
    """What a call gave. For a failure `status` is the HTTP status (0: the oracle's exception)."""

    ok: bool
    value: Any = None
    status: int = 0
    text: str = ""

    def __str__(self) -> str:
        return repr(self.value) if self.ok else f"error {self.status}: {self.text}"


class Door:
    name = ""
    is_oracle = False

    client: Any

    def call(self, method: str, **arguments: Any) -> Outcome:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return Outcome(True, getattr(self.client, method)(**arguments))
            except Exception as reason:  # noqa: BLE001  whatever it is, it is the outcome
                return self._failure(reason)

    @staticmethod
    def _failure(reason: Exception) -> Outcome:
        status = getattr(reason, "status_code", None)
        if status is None:
            return Outcome(False, None, 0, f"{type(reason).__name__}: {reason}")
        text = reason.content.decode("utf-8", "replace")  # type: ignore[attr-defined]
        return Outcome(False, None, status, re.sub(r'"time":[0-9.eE+-]+', '"time":0', text))

    def sees(self, value: Any) -> str:
        """What this door can show of a value of any door: equal texts, equal values."""
        import compare

        return compare.text(value)

    def reopen(self) -> None:
        """Close and open again what outlives a close."""

    def close(self) -> None:
        self.client.close()


class OracleDoor(Door):
    name = "oracle"
    is_oracle = True

    def __init__(self) -> None:
        import qdrant_client

        self.client = qdrant_client.QdrantClient(":memory:")


class MemoryDoor(Door):
    name = "memory"

    def __init__(self) -> None:
        self.client = import_octant().QdrantClient(":memory:")


class PathDoor(Door):
    name = "path"

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="octant-conformance-")
        self.client = import_octant().QdrantClient(path=self.folder)

    def reopen(self) -> None:
        self.client.close()
        self.client = import_octant().QdrantClient(path=self.folder)

    def close(self) -> None:
        self.client.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def told_port(log: bytes, text: bytes) -> int:
    """The port that a line of the server's log tells; 0: not yet. Who looks for a free one himself may find it taken."""
    found = re.search(re.escape(text) + rb" http://127\.0\.0\.1:(\d+)", log)
    return int(found[1]) if found else 0


class Server:
    """The program on a folder and ports that the system chooses. Also used by the crash test and by benches.

    settings  of the configuration, as the environment names them without OCTANT__: LOG_LEVEL="debug"
    """

    def __init__(self, folder: str, **settings: str) -> None:
        self.folder = folder
        self.settings = {f"OCTANT__{name}": value for name, value in settings.items()}
        self.log_path = f"{folder}.log"
        self.process: Optional[subprocess.Popen] = None
        self.port = 0
        self.grpc_port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = find_program()
        assert program is not None
        self.port = self.grpc_port = 0
        command = [str(program), "serve", "--path", self.folder, "--host", "127.0.0.1"]
        command += ["--http-port", "0", "--grpc-port", "0"]
        with open(self.log_path, "ab") as log:
            begin = log.tell()
            self.process = subprocess.Popen(command, env={**os.environ, **self.settings}, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)  # fmt: skip
        deadline = time.monotonic() + SERVER_START_SECONDS
        while True:
            log_text = Path(self.log_path).read_bytes()[begin:]
            self.grpc_port = told_port(log_text, b"serving gRPC on")
            self.port = told_port(log_text, b"listening on")
            try:
                if self.port != 0:
                    with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                        if answer.status == 200:
                            return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command)} did not come up:\n{self.log_tail()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """SIGTERM; the program must end by itself, with exit code 0."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(SERVER_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the server did not stop on SIGTERM:\n{self.log_tail()}") from None
        if code != 0:
            raise RuntimeError(f"the server ended with {code} on SIGTERM:\n{self.log_tail()}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def log_tail(self) -> str:
        return Path(self.log_path).read_bytes()[-4000:].decode("utf-8", "replace")


@contextmanager
def serving(name: str, **settings: str) -> Iterator[Server]:
    """A server on a new folder, until the end; who uses it may have stopped it already."""
    folder = tempfile.mkdtemp(prefix=f"octant-{name}-")
    server = Server(folder, **settings)
    try:
        server.start()
        yield server
        if server.process is not None and server.process.poll() is None:
            server.stop()
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)


class ServerDoor(Door):
    name = "server"

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="octant-conformance-")
        self.server = Server(self.folder)
        self._open()

    def _open(self) -> None:
        self.server.start()
        # The check of versions is a thread that may outlive a quick reopening; test_wire.py looks at the version.
        self.client = import_octant().QdrantClient(url=self.server.url, timeout=30, check_compatibility=False)

    def reopen(self) -> None:
        self.client.close()
        self.server.stop()
        self._open()

    def close(self) -> None:
        try:
            self.client.close()
            self.server.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            Path(self.server.log_path).unlink(missing_ok=True)


SHORT_FLOATS = ("score", "vector", "scores")


def as_json_shows(value: Any, name: str = "") -> Any:
    """Scores and vectors are 32-bit floats: JSON has the shortest text that means the same 32 bits, protobuf the bits
    themselves, which Python widens. Payloads are left alone."""
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        changed = {field: as_json_shows(getattr(value, field), field) for field in type(value).model_fields}
        return value.model_copy(update={field: item for field, item in changed.items() if field != "payload"})
    if isinstance(value, (list, tuple)):
        return type(value)([as_json_shows(item, name) for item in value])
    if isinstance(value, dict):
        return {key: as_json_shows(item, name) for key, item in value.items()}
    if isinstance(value, float) and name in (*SHORT_FLOATS, "values"):
        return float(str(np.float32(value)))
    return value


# The status of REST for each of gRPC, where there is one; see qdrant-api.md 1.3.
REST_STATUS = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNIMPLEMENTED": 501,
    "DEADLINE_EXCEEDED": 408,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
}
PREFIXES = ("Wrong input: ", "Not found: ", "Bad request: ", "Validation error", "Not implemented: ", "Timeout: ")


def as_rest_fails(code: str, details: str) -> Outcome:
    """The same failure on REST: other words before what is wrong with a body, and 422 for what breaks a rule."""
    status, text = REST_STATUS.get(code, 0), details
    if details == "Qdrant is running in standalone mode":
        status = 405
    elif details.startswith("Validation error in body"):
        status, text = 422, details.replace("Validation error in body", "Validation error in JSON body", 1)
    elif status == 400 and not details.startswith(PREFIXES):
        text = f"Format error in JSON body: {details}"
    body = json.dumps({"status": {"error": text}, "time": 0}, ensure_ascii=False, separators=(",", ":"))
    return Outcome(False, None, status, body)


class GrpcDoor(ServerDoor):
    name = "grpc"

    def _open(self) -> None:
        self.server.start()
        common = {"url": self.server.url, "timeout": 30, "check_compatibility": False}
        self.client = import_octant().QdrantClient(grpc_port=self.server.grpc_port, prefer_grpc=True, **common)
        self.rest = import_octant().QdrantClient(**common)

    def call(self, method: str, **arguments: Any) -> Outcome:
        import differences

        arguments = differences.one_test_a_condition(arguments)
        outcome = super().call(method, **arguments)
        if not outcome.ok and outcome.text.startswith("ValueError: Value out of range"):
            # Integers of payloads beyond 63 bits cannot be said in protobuf.
            grpc, self.client = self.client, self.rest
            outcome = Door.call(self, method, **arguments)
            self.client = grpc
        return Outcome(True, as_json_shows(outcome.value)) if outcome.ok else outcome

    def sees(self, value: Any) -> str:
        """Protobuf's maps have no order, and none is an empty one; integers beyond 63 bits come as floats."""
        import compare

        def shown(item: Any) -> Any:
            if isinstance(item, dict):
                changed = {key: shown(inner) if key != "id" else inner for key, inner in item.items()}
                if "payload" in changed and changed["payload"] is None and "shard_key" in changed:
                    changed["payload"] = {}
                return changed
            if isinstance(item, list):
                return [shown(inner) for inner in item]
            return float(item) if type(item) is int and item >= 2**63 else item

        return json.dumps(shown(compare.plain(value)), sort_keys=True, ensure_ascii=False, allow_nan=True)

    def close(self) -> None:
        self.rest.close()
        super().close()

    def reopen(self) -> None:
        self.rest.close()
        super().reopen()

    @staticmethod
    def _failure(reason: Exception) -> Outcome:
        if hasattr(reason, "code") and hasattr(reason, "details"):
            return as_rest_fails(reason.code().name, reason.details())
        return Door._failure(reason)


def missing_reason() -> str:
    """Why nothing can run here; empty if all is there."""
    if find_library() is None:
        return "build/liboctant.so is not there (run make, or set OCTANT_LIB)"
    if find_program() is None:
        return "build/octant is not there (run make, or set OCTANT_BIN)"
    return ""


def open_all() -> List[Door]:
    """The oracle first, then the doors of Octant."""
    doors: List[Door] = []
    try:
        for kind in (OracleDoor, MemoryDoor, PathDoor, ServerDoor, GrpcDoor):
            doors.append(kind())
    except BaseException:
        for door in doors:
            door.close()
        raise
    return doors
