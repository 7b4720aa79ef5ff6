"""python -m bench engines: what is known, and what runs here."""
import argparse

from . import engines
from .pool import Failed, Slot


class _NoData:
    name = "probe"


def main(words):
    argparse.ArgumentParser(prog="python -m bench engines", description=__doc__).parse_args(words)
    for entry in engines.ENTRIES:
        slot = Slot(entry, _NoData, "")
        try:
            found = slot.ask("probe", limit=120, entry=entry.name, count=100000, dim=768, metric="cosine")
            given = ", ".join(f"{name}={value}" for name, value in found["parameters"].items())
            print(f"{entry.name:<19} {entry.package} {found['version']}: {given}; searched by {found['knob']}"
                  + (f" ({found['note']})" if found["note"] else ""), flush=True)
        except Failed as reason:
            print(f"{entry.name:<19} {entry.package}: {reason}", flush=True)
        finally:
            slot.end()
    return 0
