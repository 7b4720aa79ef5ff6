"""The doors: one interface over the oracle and over each way into Octant.

ORACLE   qdrant-client's own local engine at ":memory:": pure Python and numpy, scans everything.
MEMORY   octant.QdrantClient(":memory:"), in process.
PATH     octant.QdrantClient(path=...), in process, closed and opened again when a test says so.
SERVER   the program `octant serve` on a free port, through a socket; stopped by SIGTERM and started again
         when a test says so.

A call never raises: its outcome says what came back or how it failed, so that failures can be compared too.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Optional

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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """The program on a folder and a free port. Also used by the crash test."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.log_path = f"{folder}.log"
        self.process: Optional[subprocess.Popen] = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = find_program()
        assert program is not None
        self.port = free_port()
        command = [str(program), "serve", "--path", self.folder, "--host", "127.0.0.1", "--http-port", str(self.port)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + SERVER_START_SECONDS
        while True:
            try:
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
        for kind in (OracleDoor, MemoryDoor, PathDoor, ServerDoor):
            doors.append(kind())
    except BaseException:
        for door in doors:
            door.close()
        raise
    return doors
