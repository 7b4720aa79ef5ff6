#!/bin/sh
# Fetch the sources of the libraries that Debian 12 lacks, pinned by sha256, into build/third_party.
# They come out of source archives of the Python package index, by package name; nothing of theirs is run
# but what pip needs to read an archive's metadata. See docs/dependencies.md for why each is worth it.
# usage: tools/third_party.sh [DIR]
set -eu
cd "$(dirname "$0")/.."
dir=${1:-build/third_party}
mkdir -p "$dir"

# name version sha256-of-archive folder-inside
sources='yyjson 4.0.6 fcd4dc15c1e39a30bf9fa85d56903029111506860fc3080ab0d81c6c6dacaa8c yyjson
httptools 0.9.0 d484ebb7e3a3f3597b0f645fbd1b85633674ca808c1f5ba11c2caf7c66f5c8b6 vendor/llhttp'

echo "$sources" | while read -r name version sha folder; do
    [ -f "$dir/$name/.done" ] && continue
    echo "fetching the source of $name $version"
    work=$(mktemp -d "$dir/fetch.XXXXXX")
    python3 -m pip download -q --disable-pip-version-check --no-deps --no-binary :all: \
        -d "$work" "$name==$version" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    archive=$(ls "$work"/*.tar.gz)
    got=$(sha256sum "$archive" | cut -d' ' -f1)
    if [ "$got" != "$sha" ]; then
        echo "$name $version: sha256 is $got, expected $sha; not used" >&2
        exit 1
    fi
    rm -rf "${dir:?}/$name"
    mkdir -p "$dir/$name"
    tar -xzf "$archive" -C "$work"
    cp -R "$work"/*/"$folder"/. "$dir/$name/"
    touch "$dir/$name/.done"
    rm -rf "$work"
done
