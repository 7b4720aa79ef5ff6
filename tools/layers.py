#!/usr/bin/env python3
"""Check the rules of the tree that a compiler does not: run by `make tidy`.

ARROWS   A folder of src/ includes only what lies below it (ALLOWED). An arrow that points back is how a
         storage engine learns of HTTP; it is found here, on the day it is drawn.
OUTSIDE  A library from outside, and sockets, are known to the folders that hide them only (OUTSIDE).
MEMORY   Nothing calls malloc and its relatives but src/base/base.c: oct_alloc and oct_free are what
         tests can make fail. (Libraries from outside have allocators of their own.)
HEADS    Every C file starts with a comment that says what it is.
SIZES    No line is longer than COLUMNS_MAX, no source file than LINES_MAX lines.
PLACES   No file speaks of the place where it was written: absolute paths of a machine, hosts of package
         registries.

Unit tests (*_test.c, *_test.h) are free of the first three.

usage: tools/layers.py [ROOT]    prints `file:line: what is wrong, and what to do`, then `N passed, N failed`
"""
import os
import re
import sys

COLUMNS_MAX = 135  # aim at 110 (.clang-format); sentences and messages that are better whole may run over
LINES_MAX = 1200
# The typed interface is one header, as sqlite3.h is: a program includes it and has all.
LINES_MAX_OF = {"include/octant.h": 2000}

# Folder of src/ -> what its files may include, besides their own folder. "octant" stands for octant.h, the
# vocabulary of status and value types; "octant_api" for octant_api.h. A name with a slash is one header.
_LOW = {"octant", "base"}
_INDEX = _LOW | {"kernel", "os", "storage"}
_SHARD = _INDEX | {"graph", "codes", "sparse", "text", "payload"}
_COLLECTION = _SHARD | {"shard", "field", "config"}
ALLOWED = {
    "base": {"octant"},
    "os": _LOW,
    "kernel": _LOW,
    "storage": _LOW | {"os"},
    "graph": _INDEX | {"codes"}, "codes": _INDEX, "sparse": _INDEX, "text": _INDEX, "payload": _INDEX | {"text"},
    "field": _INDEX | {"payload", "text"},  # indexes of payload fields, over point numbers
    "shard": _SHARD,
    "config": _LOW | {"payload", "text"},  # configurations of collections: one description of every field
    "collection": _COLLECTION,
    "engine": _COLLECTION | {"collection"},
    # The seam is octant.h; besides it, the api shares the tables of configuration fields
    # and asks os/ for the time. It knows no shard, and nothing of protocol/.
    "api": _LOW | {"octant_api", "os", "config"},
    "protocol": _LOW,
    "server": _LOW | {"octant_api", "os", "protocol"},
    "cli": _LOW | {"octant_api", "os", "server"},
}

# Header from outside -> the only folders that may know it.
OUTSIDE = {
    "llhttp.h": {"protocol"},
    "zlib.h": {"protocol"},
    "nghttp2/nghttp2.h": {"protocol"},
    "yaml.h": {"server"},
    "libstemmer.h": {"text"},
    "uv.h": {"server", "cli"},
    "yyjson.h": {"base", "payload", "config", "collection", "api", "cli"},
    "sys/socket.h": {"server", "cli"},
    "netinet/in.h": {"server", "cli"},
    "netinet/tcp.h": {"server", "cli"},
    "arpa/inet.h": {"server", "cli"},
    "sys/un.h": {"server", "cli"},
}

ALLOCATOR = "src/base/base.c"
_ALLOCATES = re.compile(
    r"(?<![\w.>])(malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign|memalign|strdup|strndup"
    r"|asprintf|vasprintf|getline|open_memstream)\s*\(")
_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

# Written in pieces, so that this file does not find itself.
_PLACES = re.compile("|".join([
    r"(?<![\w.~$}])/(?:" + "|".join(["ro" + "ot", "wo" + "rk", "ho" + "me/[a-z]", "fa" + "rm", "Us" + "ers"]) + ")/",
    r"/tmp/(?:ve" + "nv|oct" + r"ant/)",
    r"\bpy" + r"pi\.org", r"pythonhost" + r"ed\.org", r"deb\.deb" + r"ian\.org", r"crat" + r"es\.io",
    r"registry\.npm", r"proxy\.gol" + r"ang",
]))

TEXT = (".c", ".h", ".py", ".sh", ".md", ".toml", ".txt", ".in", ".yml", ".yaml")
CODE = (".c", ".h", ".py", ".sh")
SKIP = {".git", "build", ".venv", "__pycache__", ".pytest_cache", ".hypothesis"}


def blank_comments(text):
    """The same text with comments and the insides of literals blanked; lines stay where they are."""
    def blank(match):
        found = match.group()
        return re.sub(r"[^\n]", " ", found) if found.startswith("/") else found[0] + found[-1]

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.DOTALL)


def folder_of(path):
    parts = path.split("/")
    if parts[0] == "cli":
        return "cli"
    if parts[0] == "src":
        return parts[1][:-2] if len(parts) == 2 else parts[1]
    return None


def target_of(header):
    """What an #include "..." leads to: a folder, or one of the two public headers."""
    name = header.split("/")[-1]
    if name in ("octant.h", "octant_api.h"):
        return name[:-2]
    if name == "octant_snapshot.h":
        return "octant"
    return header.split("/")[0] if "/" in header else None


class Tidy:
    def __init__(self, root):
        self.root = root
        self.found = {rule: [] for rule in ("arrows", "outside", "memory", "heads", "sizes", "places")}
        self.files = 0

    def say(self, rule, path, line, text):
        self.found[rule].append(f"{path}:{line}: {text}")

    def includes(self, path, lines):
        folder = folder_of(path)
        if folder is None:
            return
        if folder not in ALLOWED:
            self.say("arrows", path, 1, f"src/{folder} has no place in the order of layers; give it one in "
                     "tools/layers.py")
            return
        for number, line in enumerate(lines, 1):
            match = _INCLUDE.match(line)
            if not match:
                continue
            header = match.group(2)
            if header in OUTSIDE and folder not in OUTSIDE[header]:
                self.say("outside", path, number, f"{folder} includes <{header}>, which is for "
                         f"{', '.join(sorted(OUTSIDE[header]))} alone; ask them instead")
            if match.group(1) == "<":
                continue
            target = target_of(header)
            if target is None or target == folder or target in ALLOWED[folder] or header in ALLOWED[folder]:
                continue
            self.say("arrows", path, number, f'{folder} includes "{header}", but {target} does not lie below {folder}; '
                     "move what is needed down, or pass it in as a function")

    def check_c(self, path, text, lines):
        if not text.lstrip().startswith(("/*", "//")):
            self.say("heads", path, 1, "starts without a comment that says what the file is")
        if path.endswith(("_test.c", "_test.h")):
            return
        self.includes(path, lines)
        if path.startswith("src/") and path != ALLOCATOR:
            for number, line in enumerate(blank_comments(text).split("\n"), 1):
                match = _ALLOCATES.search(line)
                if match and not line.lstrip().startswith("#"):
                    self.say("memory", path, number, f"calls {match.group(1)}; use oct_alloc, oct_calloc, oct_realloc, "
                             "oct_free")

    def check(self, path):
        try:
            with open(os.path.join(self.root, path), encoding="utf-8") as file:
                text = file.read()
        except UnicodeDecodeError as reason:
            self.say("sizes", path, 1, f"is not UTF-8 ({reason})")
            return
        self.files += 1
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            match = _PLACES.search(line)
            if match:
                self.say("places", path, number, f"names a place outside the project: {match.group()}")
            if len(line) > COLUMNS_MAX and path.endswith(CODE):
                self.say("sizes", path, number, f"has {len(line)} columns; at most {COLUMNS_MAX}")
        lines_max = LINES_MAX_OF.get(path, LINES_MAX)
        if len(lines) > lines_max and path.endswith(CODE):
            self.say("sizes", path, lines_max, f"has {len(lines)} lines; split it where ideas part")
        if path.endswith((".c", ".h")):
            self.check_c(path, text, lines)

    def walk(self):
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(name for name in folders if name not in SKIP and not name.endswith(".egg-info"))
            for name in sorted(names):
                path = os.path.relpath(os.path.join(folder, name), self.root)
                if name.endswith(TEXT) or name in ("Makefile", "run"):
                    self.check(path.replace(os.sep, "/"))


def main():
    tidy = Tidy(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    tidy.walk()
    failed = 0
    for rule, found in tidy.found.items():
        for line in found:
            print(line)
        print(f"{'FAILED' if found else 'ok    '} {rule}: {len(found)} findings in {tidy.files} files")
        failed += bool(found)
    if not tidy.files:
        print("no source file was found")
        failed += 1
    print(f"{len(tidy.found) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
