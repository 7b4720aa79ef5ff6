#!/bin/sh
# Build src/base and src/kernel with their tests for AArch64 and run them under an emulator: proves that NEON
# gives the recorded bits, that the ARMv8 CRC instruction works, and that both folders build off x86.
# usage: tools/neon_test.sh          BUILD=folder overrides build/neon
set -eu
cd "$(dirname "$0")/.."

compiler=${AARCH64_CC:-aarch64-linux-gnu-gcc}
emulator=${AARCH64_RUN:-qemu-aarch64}
build=${BUILD:-build/neon}
json=build/third_party/yyjson # src/base/json.h stands on it

for tool in "$compiler" "$emulator"; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "skipped: no $tool here (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)"
        echo "0 passed, 0 failed, 1 skipped"
        exit 0
    fi
done

flags="-std=c17 -O3 -g -Wall -Wextra -Wconversion -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wundef
    -Werror -ffp-contract=off -D_GNU_SOURCE -DOCTANT_VERSION=\"test\" -Iinclude -Isrc -Itests -isystem $json"
[ -e $json/.done ] || sh tools/third_party.sh
rm -rf "$build"
mkdir -p "$build"
"$compiler" -O2 -c -o "$build/yyjson.o" $json/yyjson.c
for source in src/base/*.c src/kernel/*.c tests/support/test.c tests/support/levels.c; do
    # shellcheck disable=SC2086
    "$compiler" $flags -c -o "$build/$(basename "$source" .c).o" "$source"
done
"$compiler" -static -o "$build/unit" "$build"/*.o -lm -lpthread

# Once as a NEON machine chooses, and once with the plain level forced; the second closing line counts
# the same tests, so only the first one is printed as such.
"$emulator" "$build/unit"
OCTANT_CPU=scalar "$emulator" "$build/unit" kernel_test >"$build/scalar.log" || {
    cat "$build/scalar.log"
    exit 1
}
