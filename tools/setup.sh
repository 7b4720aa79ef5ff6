#!/bin/sh
# Have what the build and the demo need, and with `test` what the tests need too, on Debian 12: packages of
# the system (with sudo when not root, only those that are missing), sources of the libraries that Debian
# lacks (third_party.sh), and the Python parts in .venv (pinned in requirements-*.txt).
# Done already, it takes a fraction of a second. What it did last is told in build/setup.log.
# usage: tools/setup.sh [test]
set -eu
cd "$(dirname "$0")/.."
export LC_ALL=C
mkdir -p build
log=build/setup.log

build_packages="gcc make libc6-dev binutils pkg-config libuv1-dev libyaml-dev libnghttp2-dev zlib1g-dev libstemmer-dev
    python3 python3-venv python3-pip ca-certificates"
test_packages="clang libclang-rt-14-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user python3-dev"

say() {
    echo "setup: $*"
}

# Run what would print much; show it only if it failed.
quietly() {
    "$@" >"$log" 2>&1 </dev/null || { tail -n 40 "$log" >&2; return 1; }
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

lists_are_new=
update_lists() {
    [ -z "$lists_are_new" ] || return 0
    lists_are_new=yes
    say "reading Debian's package lists"
    # A foreign source that fails does not matter as long as the packages are found.
    quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 update || true
}

# Those of the packages named that are not installed.
missing_of() {
    installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        sed -n 's/^installed //p')
    for package in "$@"; do
        echo "$installed" | grep -qx "$package" || echo "$package"
    done
}

install_packages() {
    missing=$(missing_of "$@" | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        say "these packages are missing, and there is no sudo to install them: run as root"
        say "    apt-get install $missing"
        return 1
    fi
    update_lists
    say "installing $missing(a minute or two)"
    # shellcheck disable=SC2086 # a list of words
    quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install \
        --no-install-recommends $missing
}

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
    # shellcheck disable=SC2086
    install_packages $build_packages
    if [ "${1:-}" = test ]; then
        # A suite whose tools are missing says so and is skipped; the rest can run.
        # shellcheck disable=SC2086
        install_packages $test_packages || say "some test tools could not be installed; their tests will be skipped"
    fi
    # The demo reads package descriptions. Without lists it makes do with those of the installed packages.
    if ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then
        if [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; then
            update_lists
        fi
    fi
else
    say "this is not Debian: please have these packages or their like: $build_packages"
fi

python=/usr/bin/python3
[ -x $python ] || python=python3
if ! .venv/bin/python -c 'import pip' >/dev/null 2>&1; then
    say "making a virtual environment in .venv"
    rm -rf .venv
    quietly $python -m venv .venv
fi

# The stamp holds the requirements that are installed.
install_requirements() {
    stamp=.venv/$(basename "$1").done
    cmp -s "$1" "$stamp" && return 0
    say "installing the Python parts of $1 into .venv ($2)"
    quietly .venv/bin/python -m pip install --disable-pip-version-check --no-input -r "$1"
    cp "$1" "$stamp"
}

install_requirements tools/requirements-demo.txt "40 MB, half a minute"
[ "${1:-}" != test ] || install_requirements tools/requirements-test.txt "3 MB"

# pip of the environment, whichever python3 comes first otherwise.
PATH="$PWD/.venv/bin:$PATH" sh tools/third_party.sh
