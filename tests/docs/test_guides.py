"""Goal:   what the documentation shows is true: its programs run and print what the page says, its links lead somewhere.
Method: of each page in docs/guides, the README and the quickstart, the blocks of Python are run one after the other in one
        process, in a folder of the page's own; a block of text after one must be what was printed since. Blocks of C are
        compiled and run, blocks of shell are run with the program on the path. Relative links of all pages must exist.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(ROOT.glob("docs/guides/*.md"))
ALL_PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("tests/*/README.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
SECONDS = 300

library = os.environ.get("OCTANT_LIB") or str(ROOT / "build" / "liboctant.so")
program = os.environ.get("OCTANT_BIN") or str(ROOT / "build" / "octant")
pytestmark = pytest.mark.skipif(not Path(library).exists(), reason=f"{library} is not built; run make")


def environment():
    path = os.pathsep.join([str(Path(program).parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "OCTANT_LIB": library, "PATH": path, "PYTHONPATH": str(ROOT / "python"),
            "OCTANT__SERVICE__GRPC_PORT": "0", "PYTHONWARNINGS": "ignore"}  # fmt: skip


def run(command, folder, what):
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, f"{what}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def python_of(text):
    """The page's Python as one program that prints a mark after each block, and what each block should print."""
    parts, wanted = [], []
    for language, body in BLOCK.findall(text):
        if language == "python":
            parts.append(body + "\nprint('\\0', end='', flush=True)\n")
            wanted.append(None)
        elif language == "text" and wanted:
            wanted[-1] = body
    return "".join(parts), wanted


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_guide_does_what_it_says(page, tmp_path):
    text = page.read_text()
    source, wanted = python_of(text)
    other = [(language, body) for language, body in BLOCK.findall(text) if language in ("c", "sh")]
    if not wanted and not other:
        pytest.skip("nothing to run on this page")
    if wanted:
        pytest.importorskip("qdrant_client")
        (tmp_path / "page.py").write_text(source)
        printed = run([sys.executable, "page.py"], tmp_path, page.name).split("\0")
        assert len(printed) == len(wanted) + 1
        for number, (want, got) in enumerate(zip(wanted, printed)):
            assert want is None or want == got, f"block {number + 1} of {page.name}"
    for language, body in other:
        source = tmp_path / f"page.{language}"
        source.write_text(body)
        if language == "c":
            command = ["gcc", "-std=c17", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", str(source), "-o", "page_c", library,
                       "-lm", f"-Wl,-rpath,{Path(library).parent}"]  # fmt: skip
            run(command, tmp_path, page.name)
            run(["./page_c"], tmp_path, page.name)
        else:
            run(["sh", "-eu", str(source)], tmp_path, page.name)


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    broken = [link for link in LINK.findall(page.read_text()) if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


def test_every_key_that_acts_is_in_the_reference():
    """The rows of the table in src/server/config.c whose kind is not "ignored", by their last two names."""
    source = (ROOT / "src/server/config.c").read_text()
    page = (ROOT / "docs/reference/configuration.md").read_text()
    keys = re.findall(r'\{"([a-z_.0-9]+)", CONFIG_(?!IGNORED)', source)
    keys += ["storage." + key for key in re.findall(r'NEW_COLLECTION\("([a-z_.0-9]+)"\)', source)]
    assert len(keys) > 50
    for key in keys:
        section, _, name = key.rpartition(".")
        kinds = section.startswith("storage.collection.quantization") and section.split(".")[-1]
        whole, apart = f"`{key}`" in page or f"`{key}:" in page, f"`{kinds or name.removesuffix('_kb')}`" in page
        assert whole or (f"`{section.split('.quant')[0]}" in page and apart), f"{key} is not in docs/reference/configuration.md"
