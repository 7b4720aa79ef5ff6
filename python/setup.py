"""Builds the wheel: py3-none-<platform>, with the shared library inside.

Nothing is compiled here. The library is the one that `make` has built, ../build/liboctant.so, or the file that
OCTANT_LIB names; the compiled module for searches, which the package can do without, is ../build/_fast.abi3.so if
`make` found Python's headers; the version is the Makefile's. pyproject.toml says the rest.
"""

import os
import re
import shutil
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LIBRARY = "liboctant.so"
FAST = "_fast.abi3.so"


def version() -> str:
    makefile = ROOT / "Makefile"
    found = re.search(r"^VERSION\s*:=\s*(\S+)", makefile.read_text(), re.M) if makefile.is_file() else None
    if not found:
        raise SystemExit(f"octant: no VERSION in {makefile}: build the package inside Octant's source tree")
    return found.group(1)


def library() -> Path:
    given = os.environ.get("OCTANT_LIB")
    path = Path(given) if given else ROOT / "build" / LIBRARY
    if not path.is_file():
        advice = "OCTANT_LIB names it" if given else "run `make` first, or name a library by OCTANT_LIB"
        raise SystemExit(f"octant: no library at {path}: {advice}")
    return path


class BuildWithLibrary(build_py):
    """The Python files, and the library beside them."""

    def run(self) -> None:
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)  # leave nothing of an earlier build
        super().run()
        if not self.editable_mode:  # a checkout's own build is found without a copy
            target = Path(self.build_lib) / "octant" / LIBRARY
            shutil.copyfile(library(), target)
            target.chmod(0o755)
            if (ROOT / "build" / FAST).is_file():
                shutil.copyfile(ROOT / "build" / FAST, target.with_name(FAST))
                target.with_name(FAST).chmod(0o755)


class PlatformWheel(bdist_wheel):
    """Any Python 3, this platform: the library is reached by ctypes, and the compiled module is left aside by
    versions that cannot load it."""

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


class WithLibrary(Distribution):
    """Not pure, although nothing is compiled."""

    def has_ext_modules(self) -> bool:
        return True


setup(
    version=version(),
    distclass=WithLibrary,
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel},
    options={"build": {"build_base": str(ROOT / "build" / "python")}},
)
