#!/bin/sh
# Install the Python package as built from this tree into .venv, then run the lesson with it, or the program
# named. `make demo` has done tools/setup.sh and the build before.
# usage: tools/demo.sh [FILE.py [ARGUMENT ...]]
set -eu
cd "$(dirname "$0")/.."
sh tools/install_python.sh
[ $# -gt 0 ] || set -- examples/lesson.py
OCTANT_BIN="$PWD/build/octant" exec .venv/bin/python "$@"
