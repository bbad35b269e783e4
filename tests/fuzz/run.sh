#!/usr/bin/env bash
# tests/fuzz/run.sh TARGET CORPUS: a libFuzzer target over its corpus, and then
# GN_FUZZ_SECONDS (0) of inputs that libFuzzer makes of it. What it finds new is
# not kept; an input that fails stays in the current folder, whose name is
# printed.
set -euo pipefail

target=$1
corpus=$2
seconds=${GN_FUZZ_SECONDS:-0}

[ "$seconds" != 0 ] || exec "$target" -runs=0 "$corpus"
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
"$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$PWD/" "$found" "$corpus"
