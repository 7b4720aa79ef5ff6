"""What the tests of the Python package share: the real library, a fake one, a server, three doors.

The package is the installed one, or the checkout's when none is installed. The library is $OCTANT_LIB, the
package's, or build/liboctant.so; tests of the engine skip, and say so, when there is none. A server is
$OCTANT_BIN or build/octant.
"""

import ctypes
import gc
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

try:
    import octant
except ModuleNotFoundError:
    sys.path.insert(0, str(ROOT / "python"))
    import octant

from octant import _lib

SERVER_START_SECONDS = 20


def pytest_report_header(config):
    try:
        library = _lib.find_library()
    except octant.Error as reason:
        library = f"none ({reason})"
    return [f"octant: {Path(octant.__file__).parent}", f"engine: {library}", f"server: {server_program()}"]


def server_program():
    return Path(os.environ.get("OCTANT_BIN", ROOT / "build" / "octant"))


@pytest.fixture(scope="session")
def compiler():
    found = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if not found:
        pytest.skip("no C compiler here")
    return found


@pytest.fixture(scope="session")
def engine():
    """The real library, or a skip."""
    try:
        return _lib.load(_lib.find_library())
    except octant.Error as reason:
        if os.environ.get(_lib.LIBRARY_VARIABLE):
            pytest.fail(str(reason))  # one was promised
        pytest.skip(f"no engine: {reason}")


@pytest.fixture(scope="session")
def fake_path(compiler, tmp_path_factory):
    target = tmp_path_factory.mktemp("fake") / "liboctant_fake.so"
    source = Path(__file__).with_name("fake_library.c")
    subprocess.run(
        [
            compiler,
            "-shared",
            "-fPIC",
            "-std=gnu17",
            "-Wall",
            "-I",
            str(ROOT / "include"),
            "-o",
            str(target),
            str(source),
        ],
        check=True,
    )
    return target


class Fake:
    """The fake library in place of the real one, and its counters."""

    def __init__(self, library):
        self.library = library

    def __getattr__(self, name):
        return ctypes.c_int.in_dll(self.library, f"fake_{name}").value

    def reset(self):
        for name in ("open_count", "close_count", "collection_count", "calls_most", "misuse"):
            ctypes.c_int.in_dll(self.library, f"fake_{name}").value = 0


@pytest.fixture
def fake(fake_path, monkeypatch):
    gc.collect()  # nothing of an earlier test may close under this library
    library = _lib.load(fake_path)
    monkeypatch.setattr(_lib, "_library", library)
    fake = Fake(library)
    fake.reset()
    yield fake
    gc.collect()
    assert fake.open_count == fake.close_count, "a database was left open"
    assert fake.collection_count == 0, "a collection was left open"
    assert fake.misuse == 0, "a database was closed under a running call or an open collection"


@pytest.fixture(scope="session")
def server_url(tmp_path_factory):
    """A server over a directory of its own, or a skip."""
    program = server_program()
    if not program.is_file():
        if os.environ.get("OCTANT_BIN"):
            pytest.fail(f"OCTANT_BIN is {program}, but there is no such file")
        pytest.skip(f"no server: {program} is not built")
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(program), "serve", "--path", str(tmp_path_factory.mktemp("data")), "--host", "127.0.0.1",
             "--http-port", "0", "--grpc-port", "0"],
            stdout=output, stderr=output,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + SERVER_START_SECONDS
        told = None
        while told is None:  # the server says which port the system gave it
            told = re.search(r"listening on (http://127\.0\.0\.1:\d+)", log.read_text(errors="replace"))
            if told is None:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')}")
                time.sleep(0.05)
        yield told[1]
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(params=["memory", "path", "server"])
def door(request, tmp_path):
    """Arguments of a client, for each of the three doors."""
    if request.param == "server":
        return {"url": request.getfixturevalue("server_url")}
    request.getfixturevalue("engine")
    return {"location": ":memory:"} if request.param == "memory" else {"path": str(tmp_path / "data")}


@pytest.fixture
def client(door):
    client = octant.QdrantClient(**door)
    for collection in client.get_collections().collections:  # the server's are shared
        client.delete_collection(collection.name)
    yield client
    client.close()
