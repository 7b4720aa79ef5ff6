#!/bin/sh
# Versions of qdrant-client for the tests of old clients, each in build/clients/VERSION, beside the environment whose other
# packages they use. Pinned by hash; done already, it takes no time.
# usage: tools/clients.sh [VERSION ...]      all by default
set -eu
cd "$(dirname "$0")/.."

hash_of() {
    case $1 in
    1.10.0) echo 423c2586709ccf3db20850cd85c3d18954692a8faff98367dfa9dc82ab7f91d9 ;;
    1.13.3) echo f52cacbb936e547d3fceb1aaed3e3c56be0ebfd48e8ea495ea3dbc89c671d1d2 ;;
    1.15.1) echo 2b975099b378382f6ca1cfb43f0d59e541be6e16a5892f282a4b8de7eff5cb63 ;;
    1.20.0) echo 0ab261197a497d16f3bf8a663c22e994f485c9fd7212d3c8b07c1a9de32fc152 ;;
    *) echo "no such version here: $1" >&2; return 1 ;;
    esac
}

python=.venv/bin/python
[ -x "$python" ] || python=python3
[ $# -gt 0 ] || set -- 1.10.0 1.13.3 1.15.1 1.20.0
for version in "$@"; do
    folder=build/clients/$version
    [ ! -e "$folder/done" ] || continue
    rm -rf "$folder"
    mkdir -p build/clients
    echo "qdrant-client==$version --hash=sha256:$(hash_of "$version")" >"build/clients/$version.txt"
    "$python" -m pip install -q --disable-pip-version-check --no-input --no-deps --require-hashes --target "$folder" \
        -r "build/clients/$version.txt"
    touch "$folder/done"
done
