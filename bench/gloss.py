"""The data set gloss-384: what dictionaries say about words, embedded with all-MiniLM-L6-v2 (384 numbers).

TEXTS    Debian's packages wordnet-base (117,659 glosses of synonym sets, "word, word: gloss") and dict-gcide (senses of
         Webster's 1913 dictionary and its successors, "headword: sense"). They are fetched with apt-get download and
         unpacked under build/bench; nothing is installed. Shuffled with seed 5; equal texts are kept once.
VECTORS  examples/embed.py runs the model in numpy, on all cores; near 300 texts a second on two. What is done is kept
         in blocks, so that an interrupted run goes on where it was.
QUERIES  1,000 of the texts, held out.
"""
import argparse
import gzip
import json
import os
import random
import re
import subprocess
import sys

import numpy as np

from . import data, places
from .pool import Clock

COUNT = 120000
PACKAGES = ("wordnet-base", "dict-gcide")
BLOCK = 2048  # texts embedded between two marks of progress on the disk
CHARACTERS_MIN, CHARACTERS_MAX = 24, 400
SEED = 5


def fetch(folder):
    """Unpack both packages into `folder`/PACKAGE."""
    os.makedirs(folder, exist_ok=True)
    for package in PACKAGES:
        target = os.path.join(folder, package)
        if os.path.isdir(target):
            continue
        for name in os.listdir(folder):
            if name.startswith(package + "_"):
                os.remove(os.path.join(folder, name))
        done = subprocess.run(["apt-get", "-q", "download", package], cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"apt-get download {package} failed: {done.stderr.strip()[-500:]}")
        archive = next(name for name in os.listdir(folder) if name.startswith(package + "_") and name.endswith(".deb"))
        subprocess.run(["dpkg-deb", "-x", archive, package + ".part"], cwd=folder, check=True)
        os.replace(target + ".part", target)
        os.remove(os.path.join(folder, archive))


def wordnet(folder):
    """data.POS: a line per synonym set: offset, file, type, number of words (hexadecimal), then word and number in
    turn, pointers, "|", gloss (wndb(5))."""
    for part in ("noun", "verb", "adj", "adv"):
        with open(os.path.join(folder, "usr", "share", "wordnet", "data." + part), encoding="utf-8") as file:
            for line in file:
                if line.startswith("  ") or " | " not in line:  # the licence
                    continue
                head, gloss = line.rstrip().split(" | ", 1)
                fields = head.split()
                words = [word.split("(")[0].replace("_", " ") for word in fields[4:4 + 2 * int(fields[3], 16):2]]
                yield f"{', '.join(words)}: {gloss.strip()}"


def gcide(folder):
    """An entry starts at the left margin with "Headword \\pronounced\\, ..."; its senses are indented paragraphs."""
    path = os.path.join(folder, "usr", "share", "dictd", "gcide.dict.dz")
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        word, lines = None, []
        for line in [*file, "\n"]:
            if line.strip() and not line.startswith(" "):
                found = re.match(r"([^\\\[\]{}]{2,60}?) \\[^\\]*\\,?(.*)", line)
                word, lines = (found.group(1), [found.group(2)]) if found else (None, [])
            elif line.strip():
                lines.append(line.strip())
            else:
                # Out: origins and sources in brackets, marks of links, the word's class, the sense's number.
                sense = re.sub(r"\[[^\]]*\]|[{}]", "", " ".join(lines))
                sense = re.sub(r"^(?:(?:n|a|v|t|i|adv|prep|pl|p|pr|vb|imp|E)\.[,;&\s]*)+", "", sense.strip())
                sense = re.sub(r"\s+", " ", re.sub(r"^\d+\.\s*", "", sense)).strip()
                if word and len(sense) >= CHARACTERS_MIN:
                    yield f"{word}: {sense}"
                lines = []


def texts(folder, count):
    found = [*wordnet(os.path.join(folder, "wordnet-base")), *gcide(os.path.join(folder, "dict-gcide"))]
    found = list(dict.fromkeys(text[:CHARACTERS_MAX] for text in found))
    random.Random(SEED).shuffle(found)
    if count > len(found):
        raise SystemExit(f"the two dictionaries have {len(found):,} texts; {count:,} were asked for")
    return found[:count]


class _BlockCache:
    """Stands in for the model's cache, which would rewrite all of its file after every block."""

    def __init__(self):
        self.vectors = {}

    def __contains__(self, key):
        return key in self.vectors

    def put(self, key, vector):
        self.vectors[key] = np.array(vector, np.float32)

    def rows(self, keys):
        return np.stack([self.vectors[key] for key in keys])

    def save(self):
        pass


def embed(wanted, folder, clock):
    """n x 384, in the order of the texts."""
    sys.path.insert(0, os.path.join(places.ROOT, "examples"))
    import embed as minilm

    model_folder = os.path.join(folder, "minilm")
    os.makedirs(model_folder, exist_ok=True)
    for name in minilm.FILES:  # the demo's copy will do
        theirs, ours = os.path.join(places.ROOT, "build", "demo", name), os.path.join(model_folder, name)
        if os.path.exists(theirs) and not os.path.exists(ours):
            os.symlink(theirs, ours)
    model = minilm.Model(model_folder)
    worst, is_right = model.check()
    if not is_right:
        raise SystemExit(f"the model's cosines are off the published ones by {worst}; not used")

    path, marks = os.path.join(folder, f"vectors-{len(wanted)}.npy"), os.path.join(folder, f"done-{len(wanted)}")
    done = 0
    if os.path.exists(path) and os.path.exists(marks):
        with open(marks, encoding="ascii") as file:
            done = int(file.read())
    out = np.lib.format.open_memmap(path, "r+" if done else "w+", np.float32, (len(wanted), minilm.DIM))
    while done < len(wanted):
        model.cache = _BlockCache()
        part = wanted[done:done + BLOCK]
        out[done:done + len(part)] = model.encode(part)
        out.flush()
        done += len(part)
        with open(marks + ".part", "w", encoding="ascii") as file:
            file.write(str(done))
        os.replace(marks + ".part", marks)
        clock.step("embedding", done, len(wanted))
    return out


def main(words):
    parser = argparse.ArgumentParser(prog="python -m bench gloss", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=COUNT, help=f"rows, queries not counted; default {COUNT:,}")
    parser.add_argument("--name", default="gloss-384")
    args = parser.parse_args(words)
    clock = Clock()
    target = os.path.join(places.DATA, args.name)
    if os.path.exists(os.path.join(target, "about.json")):
        print(f"{args.name} is there already: {target}")
        return 0
    folder = os.path.join(places.BUILD, "gloss")
    fetch(folder)
    wanted = texts(folder, args.count + data.QUERIES)
    clock.say(f"{len(wanted):,} texts, such as: {wanted[0]}")
    vectors = embed(wanted, folder, clock)
    data.write(target, args.name, "cosine", vectors[data.QUERIES:], vectors[:data.QUERIES], None,
               "WordNet and GCIDE senses, all-MiniLM-L6-v2; the first 1,000 of a shuffle are the queries",
               "python -m bench gloss", clock.say)
    with open(os.path.join(target, "texts.json"), "w", encoding="utf-8") as file:
        json.dump({"queries": wanted[:data.QUERIES], "rows": wanted[data.QUERIES:]}, file, ensure_ascii=False)
    print(f"ready: python -m bench ann --data {args.name}")
    return 0
