#!/bin/sh
# Run the fuzz targets of tests/fuzz one after the other: first the seeds that are kept (among them every input that
# once did harm), then new inputs made from them. What is found new is collected in build/fuzz/corpus, so that a later
# run goes on from there. An input that does harm is left in build/fuzz/found, with a line that says how to run it.
# usage: tools/fuzz.sh SECONDS [TARGET ...]      for example: tools/fuzz.sh 600 request
set -eu
cd "$(dirname "$0")/.."
seconds=$1
shift
if ! command -v clang >/dev/null; then
    echo "skipped: no clang here"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
mkdir -p build
make -j"${JOBS:-$(nproc)}" V=fuzz CC=clang fuzz-targets >build/fuzz.log 2>&1 || {
    grep -E 'error' build/fuzz.log | head -n 20
    echo "FAILED the build (all of its output: build/fuzz.log)"
    echo "0 passed, 1 failed"
    exit 1
}
[ $# != 0 ] || set -- $(cd tests/fuzz && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
passed=0
failed=0
mkdir -p build/fuzz/found
for target in "$@"; do
    corpus=build/fuzz/corpus/$target
    seeds=tests/fuzz/seeds/$target
    log=build/fuzz/$target.log
    mkdir -p "$corpus"
    leaks=1
    # Its database stays open from one input to the next, and rows are held by pointers that a leak checker cannot follow
    # (src/base/rows.h); it is closed at the end, where leaks are looked for all the same.
    case $target in request | grpc) leaks=0 ;; esac
    # shellcheck disable=SC2046
    if build/fuzz/fuzz_"$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -max_len=16384 -print_final_stats=1 \
        -detect_leaks=$leaks -artifact_prefix=build/fuzz/found/"$target"- \
        $([ ! -e tests/fuzz/dictionaries/"$target" ] || echo -dict=tests/fuzz/dictionaries/"$target") \
        "$corpus" $([ ! -d "$seeds" ] || echo "$seeds") >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok     $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, $seconds s"
    else
        failed=$((failed + 1))
        grep -E 'ERROR|SUMMARY|runtime error|octant:|#[0-9] ' "$log" | head -n 20
        echo "FAILED $target; again: build/fuzz/fuzz_$target $(ls -t build/fuzz/found/"$target"-* 2>/dev/null | head -n 1)"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
