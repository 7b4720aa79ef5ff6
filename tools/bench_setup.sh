#!/bin/sh
# Have what the benches need: a virtual environment in build/bench-venv with numpy and the other engines (60 MB of
# downloads, pinned in tools/requirements-bench.txt), and a compiler for the one that comes as source.
# An engine that does not install is named and left out. Done already, it takes a fraction of a second.
# usage: tools/bench_setup.sh
set -eu
cd "$(dirname "$0")/.."
export LC_ALL=C
venv=build/bench-venv
wanted=tools/requirements-bench.txt
log=build/bench_setup.log
mkdir -p build

if [ -x $venv/bin/python ] && cmp -s $wanted $venv/requirements.done; then
    exit 0
fi

say() {
    echo "bench setup: $*"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

python=/usr/bin/python3
[ -x $python ] || python=python3

# hnswlib comes as source.
header=$($python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
missing=
command -v g++ >/dev/null || missing="$missing g++"
[ -e "$header" ] || missing="$missing python3-dev"
$python -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
    say "installing$missing"
    # shellcheck disable=SC2086 # a list of words
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install \
        --no-install-recommends $missing >$log 2>&1 </dev/null; then
        say "could not install$missing (see $log); hnswlib will be missing"
    fi
fi

if ! $venv/bin/python -c 'import pip' >/dev/null 2>&1; then
    say "making a virtual environment in $venv"
    rm -rf $venv
    $python -m venv $venv
fi

# One line of packages, with all that they need beside them. What is there already is left alone.
install_line() {
    # shellcheck disable=SC2086 # a list of words
    $venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --retries 3 $1 \
        >>$log 2>&1 </dev/null
}

: >$log
part=needed
absent=
while IFS= read -r line; do
    case $line in
    "# engines") part=engines ;;
    "" | "#"*) ;;
    *)
        say "${line%% *}"
        if ! install_line "$line"; then
            if [ $part = needed ]; then
                tail -n 20 $log >&2
                exit 1
            fi
            say "${line%% *} does not install here: $(grep -i error $log | tail -n 1)"
            absent="$absent ${line%% *}"
        fi
        ;;
    esac
done <$wanted

# With an engine missing the next call tries again.
if [ -z "$absent" ]; then
    cp $wanted $venv/requirements.done
else
    say "left out:$absent"
fi
say "ready: python3 -m bench engines"
