#!/bin/sh
# Every test: sets up what is missing, builds, runs the suites below in two lanes beside each other (few of them can use more
# than one core for long), and ends with one line
#     N passed, N failed, N skipped
# A suite is a command that ends with such a line or with pytest's. One that breaks off, runs no test, or exits
# otherwise than its counts say, counts as a failure of its own. Its output is in build/test/NAME.log; of a
# failed one the end is shown.
# usage: tools/test.sh [NAME ...]      only the suites with one of these words in their names; -l lists them
set -eu
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8 OCTANT_BIN="$PWD/build/octant"
jobs=${JOBS:-$(nproc)}
logs=build/test
python=$PWD/.venv/bin/python
wanted=$*

# The counts of a log as "passed failed skipped"; nothing if it has none.
counts_of() {
    awk '
        /^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/ { p = $1; f = $3; s = $5 + 0; seen = 1 }
        # pytest: "=== 3 failed, 12 passed, 1 skipped in 4.05s ===", with or without the rulers
        /(passed|failed|skipped|errors?|no tests ran).* in [0-9.]+s/ {
            p = f = s = 0; seen = 1
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/ || $i ~ /^xpassed/) p += $(i - 1)
                if ($i ~ /^failed/ || $i ~ /^error/) f += $(i - 1)
                if ($i ~ /^skipped/ || $i ~ /^xfailed/) s += $(i - 1)
            }
        }
        END { if (seen) print p, f, s }' "$1"
}

# What a person wants to see first of a log: the places where it says FAILED, then its end.
show_failures() {
    {
        if [ "$(wc -l <"$1")" -gt 60 ]; then
            grep -B 8 '^  FAILED\|^FAILED' "$1" | head -n 60 || true
            echo "..."
            tail -n 20 "$1"
        else
            cat "$1"
        fi
    } | cut -c1-400 | sed 's/^/    | /'
}

# suite NAME SECONDS COMMAND...
suite() {
    name=$1
    limit=$2
    shift 2
    if [ "$wanted" = -l ]; then
        echo "$name"
        return 0
    fi
    if [ -n "$wanted" ]; then
        is_wanted=
        for word in $wanted; do
            case $name in *"$word"*) is_wanted=yes ;; esac
        done
        [ -n "$is_wanted" ] || return 0
    fi
    log=$logs/$name.log
    start=$(date +%s)
    status=0
    timeout -k 10 "$limit" "$@" >"$log" 2>&1 </dev/null || status=$?
    seconds=$(($(date +%s) - start))
    counts=$(counts_of "$log")
    if [ -n "$counts" ]; then
        # shellcheck disable=SC2086 # three words
        set -- $counts
    else
        set -- 0 0 0
    fi
    verdict=ok
    why=
    case $status in
    0) [ "$2" = 0 ] || why="it exited with 0 in spite of failures" ;;
    124 | 137) why="it was stopped after $limit s" ;;
    *) [ "$2" != 0 ] || why="it broke off with exit code $status" ;;
    esac
    [ -n "$why" ] || [ $(($1 + $2 + $3)) != 0 ] || why="it ran no test"
    [ "$2" = 0 ] || verdict=FAILED
    failures=$2
    if [ -n "$why" ]; then
        verdict=FAILED
        failures=$((failures + 1))
    fi
    echo "$1 $failures $3" >>$logs/counts # one short line: lanes do not tear it
    if [ $verdict != ok ]; then
        show_failures "$log"
        { grep -B 3 '^ *FAILED\|^ERROR ' "$log" || echo "(no test named; see $log)"; } | head -n 20 | cut -c1-300 |
            sed "s|^ *|$name: |" >>$logs/failures
    fi
    printf '%-6s %-20s %5d passed, %d failed, %d skipped  (%d s)%s\n' $verdict "$name" "$1" "$failures" "$3" \
        "$seconds" "${why:+: $why}"
}


# The functions below are commands of suites: `sh tools/test.sh --run FUNCTION` calls one in its own process,
# so that a time limit can stop it.
unit_release() {
    make -j"$jobs" build/unit && build/unit
}

unit_asan() {
    export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
    make -j"$jobs" V=asan build/asan/unit && build/asan/unit
}

# Tests in which threads meet, for the thread sanitizer, which makes the others some twenty times slower for
# nothing: those that make a thread themselves, and all of the folders whose code has threads of its own.
threaded_tests() {
    awk 'FNR == 1 { name = "" }
        /^TEST\(/ { name = $0; sub(/^TEST\(/, "", name); sub(/\).*/, "", name) }
        /pthread_create/ && name != "" { print name }' src/*/*_test.c | sort -u
    for folder in graph shard api server; do
        echo "src/$folder/"
    done
    # Of the database's tests those that fail, tear and forget call by call have one caller each: hours for nothing.
    for file in database_test select_test query_test; do
        echo "src/collection/$file"
    done
    for file in epoch rows workers; do
        echo "src/base/${file}_test"
    done
}

unit_tsan() {
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
    make -j"$jobs" V=tsan build/tsan/unit || return 1
    # shellcheck disable=SC2046 # words
    set -- $(threaded_tests)
    # This compiler's runtime cannot live with every address layout that newer kernels choose.
    if setarch -R true 2>/dev/null; then
        setarch -R build/tsan/unit "$@"
    else
        build/tsan/unit "$@"
    fi
}

unit_clang() {
    if ! command -v clang >/dev/null; then
        echo "skipped: no clang here"
        echo "0 passed, 0 failed, 1 skipped"
        return 0
    fi
    make -j"$jobs" V=debug CC=clang B=build/clang WERROR=-Werror all build/clang/unit && build/clang/unit
}

# Install into an empty root, then build and run the lesson in C as a user would: by pkg-config, with the
# shared library and with the static one. The header must also be C++.
install_and_use() {
    root=$PWD/$logs/root
    rm -rf "$root"
    make DESTDIR="$root" PREFIX=/opt/octant install || return 1
    export PKG_CONFIG_LIBDIR="$root/opt/octant/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$root"
    warnings="-std=c17 -Wall -Wextra -Wconversion -Wshadow -Wvla -Werror"
    count=0
    for way in shared static; do
        lesson=$logs/lesson_$way
        if [ $way = shared ]; then
            libs=$(pkg-config --libs octant)
        else
            libs="-L$root/opt/octant/lib -l:liboctant.a $(pkg-config --static --libs octant | sed 's/-loctant//')"
        fi
        # shellcheck disable=SC2046,SC2086
        gcc $warnings examples/lesson.c $(pkg-config --cflags octant) $libs -o "$lesson" || return 1
        rm -rf "$lesson.data"
        # Twice: into a new folder, and into one that has data.
        for _ in 1 2; do
            LD_LIBRARY_PATH="$root/opt/octant/lib" "$lesson" "$lesson.data" || return 1
            count=$((count + 1))
        done
    done
    "$root/opt/octant/bin/octant" version || return 1
    if command -v g++ >/dev/null; then
        echo '#include <octant_api.h>
int main() { return oct_version() == nullptr; }' >$logs/cplusplus.cc
        # shellcheck disable=SC2046
        g++ -Wall -Wextra -Werror $logs/cplusplus.cc $(pkg-config --cflags --libs octant) -o $logs/cplusplus &&
            LD_LIBRARY_PATH="$root/opt/octant/lib" $logs/cplusplus || return 1
        count=$((count + 1))
    fi
    echo "$((count + 1)) passed, 0 failed"
}

run_pytest() {
    code=0
    "$python" -m pytest -q -ra -p no:cacheprovider "$@" || code=$?
    # 5: nothing was run, as where every file skips itself; the counts say so.
    [ $code != 5 ] || code=0
    return $code
}

if [ "${1:-}" = --run ]; then
    shift
    "$@"
    exit
fi

if [ "$wanted" != -l ]; then
    sh tools/setup.sh test
    mkdir -p $logs
    rm -f $logs/failures
    : >$logs/counts
    echo "building (all of build/)"
    if ! make -j"$jobs" all >$logs/build.log 2>&1; then
        grep -v '^gcc\|^clang' $logs/build.log | tail -n 40
        echo "FAILED the build (all of its output: $logs/build.log)"
        echo "0 passed, 1 failed"
        exit 1
    fi
    sh tools/install_python.sh
fi

# What is built with gcc, with and without sanitizers.
lane_of_gcc() {
    suite unit 900 sh "$0" --run unit_release
    suite unit_tsan 1500 sh "$0" --run unit_tsan
    suite unit_asan 1200 sh "$0" --run unit_asan
    suite tidy 900 sh tools/tidy.sh "$jobs"
    suite install 300 sh "$0" --run install_and_use
}

# What is built with other compilers, and what asks the finished program and library.
lane_of_others() {
    for folder in tests/*/; do
        folder=${folder%/}
        case $(find "$folder" -name 'test_*.py' -print -quit) in
        ?*) suite "${folder#tests/}" 1500 sh "$0" --run run_pytest "$folder" ;;
        esac
    done
    suite neon 600 sh tools/neon_test.sh
    suite unit_clang 1200 sh "$0" --run unit_clang
    suite fuzz 900 sh tools/fuzz.sh "${OCTANT_FUZZ_SECONDS:-4}"
}

if [ "$wanted" = -l ]; then
    lane_of_gcc
    lane_of_others
    exit 0
fi
lane_of_gcc &
lane_of_others
wait
passed=0
failed=0
skipped=0
while read -r p f s; do
    passed=$((passed + p))
    failed=$((failed + f))
    skipped=$((skipped + s))
done <$logs/counts
if [ $((passed + failed)) = 0 ]; then
    echo "no test was run"
    failed=1
fi
if [ -e $logs/failures ]; then # again at the end, where it is read
    echo "what failed:"
    cat $logs/failures
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
