#!/usr/bin/env bash
# tests/fuzz/run.sh TARGET CORPUS: a libFuzzer target over its corpus, and then
# GN_FUZZ_SECONDS (0) of inputs that libFuzzer makes of it. What it finds new is
# not kept; an input that fails stays in the current folder, whose name is
# printed. The seed is GN_TEST_SEED, or is drawn; it is printed.
set -euo pipefail

target=$1
corpus=$2
seconds=${GN_FUZZ_SECONDS:-0}
seed=${GN_TEST_SEED:-$((RANDOM << 15 | RANDOM))}

[ "$seconds" != 0 ] || exec "$target" -runs=0 "$corpus"
echo "GN_TEST_SEED=$seed"
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
# libFuzzer takes 32 bits, and 0 for "draw one".
"$target" -seed=$((seed & 0x7ffffffe | 1)) -max_total_time="$seconds" \
    -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$PWD/" "$found" "$corpus"
