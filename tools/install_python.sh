#!/bin/sh
# Build the wheel of python/ with the library of build/ and install it into .venv, unless the same sources
# and the same library are installed already.
# usage: tools/install_python.sh
set -eu
cd "$(dirname "$0")/.."
if [ ! -e build/liboctant.so ] || [ ! -x build/octant ]; then
    echo "build/liboctant.so or build/octant is missing: run make first" >&2
    exit 1
fi
state=$( (find python -type f -not -path '*/build/*' -not -path '*.egg-info/*' -not -name '*.pyc' \
    -exec sha256sum {} + | sort && sha256sum build/liboctant.so && cat build/_fast.abi3.so 2>/dev/null | sha256sum) | sha256sum)
stamp=.venv/octant.done
if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$state" ]; then
    exit 0
fi
rm -f "$stamp"
echo "installing the Python package into .venv"
mkdir -p build
if ! .venv/bin/python -m pip install --disable-pip-version-check --no-input --no-deps --no-build-isolation \
    --force-reinstall ./python >build/install_python.log 2>&1; then
    tail -n 40 build/install_python.log >&2
    exit 1
fi
echo "$state" >"$stamp"
