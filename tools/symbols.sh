#!/bin/sh
# Prove that the libraries export what the public headers declare, and nothing else: every exported name
# starts with oct_, and every function marked OCT_API is there, in liboctant.so and in liboctant.a.
# usage: tools/symbols.sh [BUILD_FOLDER]
set -eu
cd "$(dirname "$0")/.."
export LC_ALL=C
build=${1:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# A declaration may span lines; the name is what stands before its first parenthesis.
for header in include/octant.h include/octant_snapshot.h include/octant_api.h; do
    tr '\n' ' ' <"$header" | grep -o 'OCT_API [^;(#]*(' | sed -n 's/.*[ *]\(oct_[a-z0-9_]*\) *($/\1/p'
done | sort -u >"$work/declared"

for library in liboctant.so liboctant.a; do
    if [ "$library" = liboctant.so ]; then
        nm -D --defined-only "$build/$library" >"$work/nm"
    else
        nm -g --defined-only "$build/$library" >"$work/nm"
    fi
    awk 'NF == 3 { print $3 }' "$work/nm" | sort -u >"$work/exported"
    foreign=$(grep -v '^oct_' "$work/exported" || true)
    absent=$(comm -23 "$work/declared" "$work/exported")
    beyond=$(grep '^oct_' "$work/exported" | comm -13 "$work/declared" - || true)
    count=$(wc -l <"$work/exported" | tr -d ' ')
    if [ -n "$foreign$absent$beyond" ] || [ "$count" = 0 ]; then
        failed=$((failed + 1))
        echo "FAILED $library exports $count names"
        [ -z "$foreign" ] || echo "$foreign" | sed 's/^/    not oct_*, make it static or hidden: /'
        [ -z "$absent" ] || echo "$absent" | sed 's/^/    declared in a public header, but not defined: /'
        [ -z "$beyond" ] || echo "$beyond" | sed 's/^/    exported, but in no public header: /'
    else
        passed=$((passed + 1))
        echo "ok     $library exports the $count functions of the public headers and nothing else"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
