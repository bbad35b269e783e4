#!/usr/bin/env bash
# One simulated world, built by gcc without and by clang with optimisation:
# the packets must be the same. 77 (skipped) without both compilers.
set -euo pipefail
for tool in gcc clang cmake ninja; do
    command -v "$tool" >/dev/null || {
        echo "skipped: there is no $tool"
        exit 77
    }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build NAME COMPILER FLAGS...: prints the digests of its world.
build() {
    local dir=$work/$1
    cmake -G Ninja -S "$SOURCE" -B "$dir" -DCMAKE_BUILD_TYPE= \
        -DCMAKE_C_COMPILER="$2" -DCMAKE_C_FLAGS="$3" \
        -DGUESTNET_LWIP_DIR="$LWIP" -DGUESTNET_CARES_DIR="$CARES" \
        -DGUESTNET_BENCH=OFF -DGUESTNET_CLI=OFF >&2
    cmake --build "$dir" --parallel 2 --target test_sim_digest >&2
    "$dir/tests/test_sim_digest" | grep '^digest:'
}

build gcc gcc -O0 >"$work/gcc.txt"
build clang clang -O2 >"$work/clang.txt"
diff "$work/gcc.txt" "$work/clang.txt"
cat "$work/gcc.txt"
