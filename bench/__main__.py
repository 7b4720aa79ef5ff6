"""python -m bench COMMAND: from the root of the repository. Goes on under build/bench-venv by itself."""
import importlib
import sys

from . import places

COMMANDS = {
    "ann": ("ann", "Octant beside other engines at equal recall: the table, the plot"),
    "report": ("report", "tables and plot again, out of a JSON file of results"),
    "gloss": ("gloss", "make the data set gloss-384: dictionary glosses, embedded"),
    "generate": ("generate", "make a larger set that resembles one, and show how well it does"),
    "grow": ("grow", "cost of inserting a point as the collection grows"),
    "versus": ("versus", "two builds of the library against each other, interleaved in one process"),
    "rest": ("rest", "CPU that the server spends on a search beyond the search itself"),
    "engines": ("listing", "which engines are known, which of them run here, and with what parameters"),
}


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        print(__doc__.strip() + "\n")
        for command, (_, text) in COMMANDS.items():
            print(f"  {command:<9} {text}")
        print("\n  python -m bench COMMAND --help tells more; bench/README.md tells why.")
        return 0 if name in ("", "-h", "--help", "help") else 2
    places.use_venv()
    return importlib.import_module(f"bench.{COMMANDS[name][0]}").main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
