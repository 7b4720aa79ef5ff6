"""Real documents from the machine itself: what Debian says about its packages.

SOURCE   `apt-cache dumpavail`: every package of the lists that `apt-get update` left, with a line of
         description and, where an editor gave them, tags. Where the lists are empty, the status file of
         dpkg: the installed packages only, so that each paragraph of their long descriptions serves as a
         document, and each sentence as a line. `source` says which of the two it was.
BODY     The long description, where the machine has it (installed packages, or lists with translations);
         otherwise the package's name, section and tags in words.
"""
import hashlib
import os
import re
import subprocess

STATUS = "/var/lib/dpkg/status"
BODY_CHARS = 400  # of a long description: its first sentences say what the thing is, the rest costs time
_SKIP_NAME = re.compile(r"-(dbg|dbgsym|udeb)$")
_SKIP_SHORT = re.compile(r"transitional|dummy|metapackage|meta-package", re.IGNORECASE)


def _stanzas(text):
    """Fields by name of each block of a control file; continuation lines are joined by newlines."""
    for block in text.split("\n\n"):
        fields, name = {}, None
        for line in block.split("\n"):
            if line[:1] in (" ", "\t"):
                if name:
                    fields[name] += "\n" + line[1:]
            elif ":" in line:
                name, value = line.split(":", 1)
                fields[name] = value.strip()
        if "Package" in fields:
            yield fields


def _run(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def _describe(fields):
    """(short, paragraphs of the long description) of a stanza; no paragraphs if only the short one is there."""
    short, _, rest = (fields.get("Description-en") or fields.get("Description") or "").partition("\n")
    parts = re.split(r"^\.$", rest, flags=re.MULTILINE)  # a dot alone stands for an empty line
    return short.strip(), [" ".join(part.split()) for part in parts if part.strip()]


def _words(fields):
    """A body for a package without a long description."""
    tags = re.sub(r"[:-]+", " ", fields.get("Tag", "")).replace("\n", " ")
    return f"{fields['Package']}: {fields.get('Section', 'misc')}. {tags}".strip()


class Packages:
    def __init__(self):
        self.source = "the package lists of apt-cache"
        text, installed = _run("apt-cache", "dumpavail"), self._read_status()
        self.is_small = not text
        if self.is_small:
            self.source = f"{STATUS} (installed packages only: the package lists are empty, run apt-get update)"
            text = installed
        longs = {fields["Package"]: _describe(fields)[1] for fields in _stanzas(installed)}
        self.items = []
        seen = set()
        for fields in _stanzas(text):
            name, (short, long) = fields["Package"], _describe(fields)
            # One package of each description: families of packages share theirs, and ties teach nothing.
            if len(short) < 12 or short.lower() in seen or _SKIP_NAME.search(name) or _SKIP_SHORT.search(short):
                continue
            seen.add(short.lower())
            long = long or longs.get(name, [])
            for body in (long if self.is_small and long else [" ".join(long)]):
                self.items.append({"name": name, "section": fields.get("Section", "misc"), "title": short,
                                   "body": body or _words(fields), "has_long": bool(body)})
        # A fixed shuffle: which packages a machine has differs, the order of those it has does not.
        self.items.sort(key=lambda item: hashlib.sha256((item["name"] + item["body"]).encode()).digest())

    @staticmethod
    def _read_status():
        if not os.path.exists(STATUS):
            return ""
        with open(STATUS, encoding="utf-8", errors="replace") as file:
            return file.read()

    def documents(self, count):
        """`count` packages to be read as documents, those with a long description first."""
        chosen = sorted(self.items, key=lambda item: not item["has_long"])[:count]
        short_only = [item["name"] for item in chosen if not item["has_long"]]
        if short_only:  # lists with translations: apt-cache show knows the long descriptions
            text = _run("apt-cache", "show", "--no-all-versions", *short_only)
            longs = {fields["Package"]: _describe(fields)[1] for fields in _stanzas(text)}
            for item in chosen:
                long = longs.get(item["name"])
                if not item["has_long"] and long:
                    item.update(body=" ".join(long), has_long=True)
        for item in chosen:
            if len(item["body"]) > BODY_CHARS:
                item["body"] = item["body"][:BODY_CHARS].rsplit(" ", 1)[0] + " ..."
        return chosen

    def lines(self, count):
        """`count` one-line descriptions, no two the same."""
        lines = [item["title"] for item in self.items]
        if self.is_small:
            lines += [line for item in self.items for line in re.split(r"(?<=[.:]) ", item["body"]) if len(line) > 20]
        return list(dict.fromkeys(lines))[:count]


if __name__ == "__main__":
    packages = Packages()
    print(f"{len(packages.items):,} packages from {packages.source}")
    for document in packages.documents(5):
        print(f"{document['name']} ({document['section']}): {document['title']}\n    {document['body']}")
