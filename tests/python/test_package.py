"""Goal:   the wheel carries the library, fits any Python 3 on this platform, needs no compiler, and works alone;
          without a library its building says what to do.
Method:   pip builds it (around the fake library when there is no real one), and a bare virtual environment uses it.
          Building fetches setuptools; where pip cannot, the tests skip.
"""

import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from octant import _lib

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "python"

pytestmark = pytest.mark.skipif(
    not (PYTHON / "setup.py").is_file(), reason="the package's source is not here"
)


def pip(*arguments, python=sys.executable, **environment):
    # Not this process's PYTHONPATH: pip must see what is installed, no more.
    given = {
        key: value for key, value in {**os.environ, **environment}.items() if key != "PYTHONPATH" and value
    }
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=given)


def build(target, library):
    done = pip("wheel", "--no-deps", "-w", target, PYTHON, OCTANT_LIB=str(library))
    if "No matching distribution found for setuptools" in done.stdout + done.stderr:
        pytest.skip("pip cannot fetch setuptools here")
    return done


@pytest.fixture(scope="module")
def library(request):
    try:
        return _lib.find_library()
    except _lib.Error:
        return request.getfixturevalue("fake_path")


@pytest.fixture(scope="module")
def wheel(library, tmp_path_factory):
    target = tmp_path_factory.mktemp("wheel")
    done = build(target, library)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = target.glob("*.whl")
    return found


def test_the_wheel_is_for_any_python_3_on_this_platform(wheel):
    version = re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.M).group(1)
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert wheel.name == f"octant-{version}-py3-none-{platform}.whl"


def test_the_wheel_holds_the_library_and_every_module(wheel, library):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("octant/")}
        assert archive.read("octant/liboctant.so") == library.read_bytes()
        metadata = next(
            archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA")
        )
    sources = {f"octant/{path.name}" for path in (PYTHON / "octant").glob("*.py")}
    compiled = {"octant/_fast.abi3.so"} if (ROOT / "build" / "_fast.abi3.so").is_file() else set()
    assert names == sources | compiled | {"octant/py.typed", "octant/liboctant.so"}
    assert "Requires-Dist: qdrant-client>=1.10" in metadata and "Requires-Dist: numpy" in metadata


def test_the_wheel_works_in_a_bare_environment(wheel, tmp_path):
    """Neither numpy nor qdrant-client nor a compiler is there."""
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / "bin" / "python"
    done = pip("--python", python, "install", "--no-deps", "--no-index", wheel)
    if done.returncode != 0 and "no such option: --python" in done.stderr:
        pytest.skip("this pip is too old to install into another environment")
    assert done.returncode == 0, done.stderr
    environment = {"PATH": str(python.parent), "HOME": str(tmp_path)}
    done = subprocess.run(
        [str(python), "-W", "error", "-c",
         "import octant\n"
         "with octant.open() as db: print(db.info().version, octant.__version__)\n"
         "with octant.open('data') as db: pass\n"],
        capture_output=True, text=True, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    engine, package = done.stdout.split()
    assert engine.endswith("-fake") or engine == package


def test_building_without_a_library_says_what_to_do(tmp_path):
    done = build(tmp_path, tmp_path / "liboctant.so")
    assert done.returncode != 0
    assert f"octant: no library at {tmp_path}/liboctant.so" in done.stdout + done.stderr
