#!/bin/sh
# What must be in order besides the tests: layers and habits (layers.py), scripts that parse, exported
# symbols, and a build by gcc with warnings as errors, optimised, since some warnings need the optimiser.
# usage: tools/tidy.sh [JOBS]
set -eu
cd "$(dirname "$0")/.."
jobs=${1:-$(nproc)}
passed=0
failed=0
mkdir -p build

# check NAME COMMAND...: counts one; prints the command's output only if it failed.
check() {
    name=$1
    shift
    if "$@" >build/tidy.log 2>&1; then
        passed=$((passed + 1))
        echo "ok     $name"
    else
        failed=$((failed + 1))
        grep -E 'error:|warning:' build/tidy.log | sort -u | head -n 40 >build/tidy.short || true
        [ -s build/tidy.short ] || tail -n 40 build/tidy.log >build/tidy.short
        cat build/tidy.short
        echo "FAILED $name"
    fi
}

parse_python() {
    find bench examples python tests tools -name '*.py' -not -path '*/build/*' -exec "$1" -c '
import ast, sys
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        ast.parse(file.read(), path)
print(len(sys.argv) - 1, "files")' {} +
}

parse_shell() {
    for script in tools/*.sh .ci/run; do
        sh -n "$script" || return 1
    done
}

python=python3
[ ! -x .venv/bin/python ] || python=.venv/bin/python

if $python tools/layers.py >build/tidy.layers; then status=0; else status=1; fi
cat build/tidy.layers
counts=$(tail -n 1 build/tidy.layers)
case $counts in
[0-9]*" passed, "[0-9]*" failed")
    passed=$((passed + ${counts%% *}))
    counts=${counts#*, }
    failed=$((failed + ${counts%% *}))
    ;;
*)
    failed=$((failed + 1))
    echo "FAILED layers.py broke off (exit code $status)"
    ;;
esac
check "Python files parse" parse_python $python
check "shell scripts parse" parse_shell
check "the Python mirror of the headers" $python tools/mirror.py --check
check "gcc, optimised, warnings as errors" make -j"$jobs" B=build/werror WERROR=-Werror all build/werror/unit
check "exported symbols" sh tools/symbols.sh build/werror
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
